"""The pairs of UTF-8 text whose letters have one byte to three, counted without decoding it.

A block is 64 letters whose code points differ only in the lowest six bits, and so only in the last
byte: U+00C0 to U+00FF is one, that of most letters with accents. Most alphabets need one block to
four. Six blocks beside ASCII are 512 characters, which fit into 9 bits. Of text in more blocks
nothing is counted, but a few lines with letters in others are handed back.

The text is cut into cells of two bytes, and each cell becomes 16 bits:

- The upper 9 bits name the character that the second byte belongs to.
- The lower 7 bits are the first byte if it is ASCII. Otherwise it is part of a letter that these 9
  bits, or those of the cell before, already name, and the 7 bits are ``_PART``; or ``_INSIDE`` if
  both bytes of the cell are the end of a letter of three, which the cell before has named, too.

Let x be the 9 bits of one cell, and y and z the 7 and the 9 bits of the next. The second cell adds
the pairs (x, y) and (y, z), or (x, z) if y is ``_PART``, or none if y is ``_INSIDE``. The 25 bits
of x, y and z are an index into one table of counts. "aéb" with its line feeds is 0A, 61 C3, A9 62,
0A, and the cells after the first are (a, é), (part, b) and (line feed, line feed). "aếb" is 0A,
61 E1, BA BF, 62 0A: (a, ế), (inside, ế) and (b, line feed).

How a letter becomes 9 bits: its last byte gives the place in the block, and its mark gives the
block. The mark is C0 plus the lowest six bits of the block's number: for letters of two bytes that
is the first one, and those of three are rewritten as mark, last byte, last byte. Two blocks with
the same mark, such as U+0080 and U+2080, cannot both be known. The mark times a factor is XORed
onto the cell, so that all blocks differ. The factor is sought again when a block is added, after
the table of counts was turned into pairs. NumPy does each step on many cells at once, in a fraction
of the time of decoding.
"""

from collections import Counter
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from makemore.arrays import Bytes, Counts, Flags
from makemore.counting.tables import add_windows, sparse_zeros
from makemore.data.text import cut_out_lines

Cells = npt.NDArray[np.uint16]

_ASCII, _BLOCK = 128, 64  # characters
_LEAD, _LONG_LEAD = 0xC0, 0xE0  # and above: the first bytes of letters, and of those of three bytes
_FIRST_LONG = 32  # the first block whose letters have three bytes
_BLOCKS = 1 << 10  # letters of those above have four bytes
_MAX_BLOCKS = 6
_PART = 0x7F  # the largest of 7 bits: the minimum of it and a byte is ASCII or it
_INSIDE = 0x00
_FIRST_BITS, _SECOND_BITS = 7, 9  # of a cell
_SECONDS = 1 << _SECOND_BITS
_ROW = 1 << 16  # counts with the same z
_FEW_COUNTED = 1 << 24  # bytes; for more, pages of megabytes are worth being cleared
_MAX_COUNTED = 1 << 32  # bytes; a triple starts at every second one, and 32 bits count them
_LINE_FEED = ord("\n")
# Lines with what cannot be counted are cut out, if it begins at no more than one byte of _FEW:
# beyond that it is less work to decode all. A block gets a place if its letters begin at more than
# one byte of _RARE.
_FEW, _RARE = 256, 4096
_SAMPLE = 4096  # bytes that show which blocks a text uses
_RESERVED = bytes((_PART, _INSIDE))  # ASCII characters whose 7 bits mean something else


class LeftOut(NamedTuple):
    """Whole lines that others have to count.

    Attributes
    ----------
    plain : bytes
        In ASCII, which can be counted faster.
    decoded : str
        With characters that cannot be counted without decoding.
    """

    plain: bytes
    decoded: str


class _Lines:
    """Whole lines, and what several steps look at.

    Attributes
    ----------
    text : array of shape (n,)
    is_lead : array of shape (n,)
        Where a byte is C0 or above: a letter begins, or it is no UTF-8.
    has_long : bool
        Whether one is E0 or above: there are letters of three bytes or four, or it is no UTF-8.
    reserved : list of int
        The ASCII characters of ``_RESERVED`` that occur.
    """

    def __init__(self, data: bytes) -> None:
        self.text = np.frombuffer(data, np.uint8)
        self.is_lead = self.text >= _LEAD
        self.has_long = bool(self.text.max(initial=0) >= _LONG_LEAD)
        self.reserved = [c for c in _RESERVED if bytes((c,)) in data]

    @cached_property
    def leads(self) -> Bytes:
        """The bytes where ``is_lead`` is true, 0 elsewhere, shape (n,)."""
        return self.text * self.is_lead.view(np.uint8)


class CellPairs:
    """Counts the pairs of UTF-8 text whose letters, ASCII apart, are in at most six blocks."""

    def __init__(self) -> None:
        self._blocks: list[int] = []  # code points without their lowest six bits
        self._factor = 0
        self._triples: npt.NDArray[np.uint32] | None = None  # by x + 2 ** 9 * y + 2 ** 16 * z
        self._bytes_in_triples = 0
        self._most_in_triples = _FEW_COUNTED
        self._pairs: Counts = np.zeros((_ASCII, _ASCII), np.int64)

    def add(self, data: bytes) -> LeftOut | None:
        """Count the pairs of whole lines, and of the line feed before the first.

        Return the lines that were not counted: those with a character that is reserved or in no
        known block, and if the others are ASCII alone, they too. Return None, and count nothing,
        where the former are too many or ``data`` is no UTF-8. Blocks may become known all the same.
        """
        if len(data) > _MAX_COUNTED:
            return None
        lines = _Lines(data)
        if self._surely_knows_all(lines) or not (is_unknown := self._find_unknown(lines)).any():
            return LeftOut(b"", "") if self._count(lines) else None
        if np.count_nonzero(is_unknown) > len(data) // _FEW:
            return None
        rest, cut = cut_out_lines(data, b"\n", np.flatnonzero(is_unknown).tolist())
        try:
            decoded = b"".join(cut).decode()
        except UnicodeDecodeError:
            return None
        if rest.isascii():
            return LeftOut(rest, decoded)
        return LeftOut(b"", decoded) if self._count(_Lines(rest)) else None

    def table(self) -> tuple[Counts, str]:
        """Return the counts, row y and column x for the pair (x, y), and their characters."""
        self._settle()
        points = [block * _BLOCK + i for block in self._blocks for i in range(_BLOCK)]
        return self._pairs, "".join(map(chr, [*range(_ASCII), *points]))

    def _surely_knows_all(self, lines: _Lines) -> bool:
        """Return True only where each lead is that of a known block, and nothing is reserved.

        A quick look that is enough for most text: it compares the range of the leads, for most
        alphabets use blocks that follow each other. Whether it is UTF-8 is left to ``_count``.
        """
        if lines.has_long or lines.reserved:
            return False
        lowest, highest = lines.leads.view(np.int8).min(initial=0), lines.leads.max(initial=0)
        blocks = range(int(lowest) % _BLOCK, int(highest) % _BLOCK + 1)
        return all(block in self._blocks for block in blocks)

    def _find_unknown(self, lines: _Lines) -> Flags:
        """Return where begins what cannot be counted, after learning the blocks of what can be."""
        text, is_unknown = lines.text, lines.is_lead.copy()
        for run in _runs(self._blocks):
            is_unknown ^= _begins(text, run)
        while np.count_nonzero(is_unknown) > len(text) // _RARE:
            blocks = self._new_blocks(text, _first_from_middle(is_unknown))
            if not blocks:
                break
            self._give_places(blocks)
            for run in _runs(blocks):
                is_unknown ^= _begins(text, run)
        for character in lines.reserved:
            is_unknown |= text == character
        return is_unknown

    def _new_blocks(self, text: Bytes, start: int) -> list[int]:
        """Return the most frequent unknown blocks of a sample of ``text`` that starts at a letter.

        Return none if too many letters of the sample would still be in no known block.
        """
        room = _MAX_BLOCKS - len(self._blocks)
        if not room:
            return []
        sample = text[start : start + _SAMPLE].tobytes()
        points = np.frombuffer(sample.decode(errors="ignore").encode("utf-32-le"), "<u4")
        letters = Counter((points[points >= _ASCII] // _BLOCK).tolist())
        for block in self._blocks:
            del letters[block]
        marks = {_mark(block) for block in self._blocks}
        blocks: list[int] = []
        for block, count in letters.most_common():
            if len(blocks) == room or count <= len(sample) // _RARE:
                break
            if block < _BLOCKS and _mark(block) not in marks:
                marks.add(_mark(block))
                blocks.append(block)
        left = letters.total() - sum(letters[block] for block in blocks)
        return blocks if left <= len(sample) // _FEW else []

    def _give_places(self, blocks: list[int]) -> None:
        self._settle()
        self._blocks += blocks
        self._factor = _factor(list(map(_mark, self._blocks)))
        V = _ASCII + _BLOCK * len(self._blocks)
        old, self._pairs = self._pairs, np.zeros((V, V), np.int64)
        self._pairs[: len(old), : len(old)] = old

    def _count(self, lines: _Lines) -> bool:
        """Count what is in blocks alone; return False, and count nothing, where it is no UTF-8."""
        if not len(lines.text):
            return True
        found = _cells(lines)
        if found is None:
            return False
        cells, marks = found
        if self._factor:  # one block alone needs none
            marks *= np.uint16(self._factor)
            cells[1:-1] ^= marks
        self._add_triples(cells)
        return True

    def _add_triples(self, cells: Cells) -> None:
        if self._bytes_in_triples + 2 * len(cells) > self._most_in_triples:
            self._settle()
            self._most_in_triples = _MAX_COUNTED
        if self._triples is None:  # 128 MiB, but text touches only some pages
            is_large = self._most_in_triples == _MAX_COUNTED
            zeros = np.zeros if is_large else sparse_zeros
            self._triples = zeros(_SECONDS * _ROW, np.uint32)
        add_windows(self._triples, cells, "<u4", _FIRST_BITS)
        self._bytes_in_triples += 2 * len(cells)

    def _settle(self) -> None:
        """Turn the triples into pairs."""
        if self._triples is None:
            return
        codes = _codes(list(map(_mark, self._blocks)), self._factor)
        ids = np.zeros(_SECONDS, np.intp)  # of characters, by the 9 bits of their codes
        ids[codes >> _FIRST_BITS] = np.arange(len(codes))
        flat, V = self._pairs.reshape(-1), len(self._pairs)
        waiting = {_LINE_FEED}  # each text ends with it, and every x but the first is also a z
        seen = set(waiting)
        while waiting:
            z = waiting.pop()
            # the factor has changed the bits of y, too: alike wherever z is the same
            code, mask = divmod(int(codes[z]), 1 << _FIRST_BITS)
            row = self._triples[code * _ROW : (code + 1) * _ROW]
            places = np.flatnonzero(row)
            counts = row[places].astype(np.int64)
            x, y = ids[places & (_SECONDS - 1)], (places >> _SECOND_BITS) ^ mask
            counts[y == _INSIDE] = 0
            is_whole = y != _PART
            np.add.at(flat, np.where(is_whole, y, z) * V + x, counts)
            np.add.at(flat, z * V + y[is_whole], counts[is_whole])
            waiting |= set(x.tolist()) - seen
            seen |= waiting
        self._triples = None
        self._bytes_in_triples = 0


def _first_from_middle(flags: Flags) -> int:
    """Return the first place from the middle on, or else from the start, where a flag is true."""
    middle = len(flags) // 2
    place = middle + int(flags[middle:].argmax())
    return place if flags[place] else int(flags.argmax())


def _mark(block: int) -> int:
    """Return what stands in a text for the first bytes of a block's letters."""
    return _LEAD | block % _BLOCK


def _runs(blocks: list[int]) -> list[range]:
    """Return the blocks as runs of numbers that differ in the mark alone: one look finds them."""
    runs: list[range] = []
    for block in sorted(blocks):
        if runs and block == runs[-1].stop and block % _BLOCK and block != _FIRST_LONG:
            runs[-1] = range(runs[-1].start, block + 1)
        else:
            runs.append(range(block, block + 1))
    return runs


def _begins(text: Bytes, run: range) -> Flags:
    """Return where letters of these blocks, a run of ``_runs``, begin in whole lines."""
    *first, lowest = chr(run.start * _BLOCK).encode()[:-1]
    has_last: Flags = text - np.uint8(lowest) < len(run) if len(run) > 1 else text == lowest
    if not first:
        return has_last
    begins: Flags = text == first[0]
    begins[:-1] &= has_last[1:]
    return begins


def _cells(lines: _Lines) -> tuple[Cells, Cells] | None:
    """Return the two bytes of each cell, and the mark of the letter at its second one.

    The high byte of a cell is ASCII or the last byte of a letter, and the low one is ASCII,
    ``_PART`` or ``_INSIDE``. The first cell is the line feed before the text, and the last one ends
    with another: these have no letter at their second byte, and the cells between them, of which
    the second array tells, have 0 there where it is ASCII. Return None where it is no UTF-8.
    """
    text, is_lead = lines.text, lines.is_lead
    is_long = text >= _LONG_LEAD if lines.has_long else None
    if not _has_whole_letters(text, is_lead, is_long):
        return None
    if is_long is None:
        cells, marks = _cells_of_two(text, lines.leads)
    else:
        cells, marks = _cells_of_three(text, is_lead, is_long)
    marks_of_cells = marks[: 2 * len(cells) - 4].view("<u2")
    marks_of_cells &= np.uint16(0xFF)
    return cells, marks_of_cells


def _has_whole_letters(text: Bytes, is_lead: Flags, is_long: Flags | None) -> bool:
    """Return whether continuation bytes, 80 to BF, stand exactly where the leads want them.

    The leads are those of known blocks, so then it is UTF-8. A missing byte cannot be hidden by two
    leads that want one in the same place: the second stands where the first wants one.
    """
    is_wrong = text.view(np.int8) < -0x40
    is_wrong[1:] ^= is_lead[:-1]
    if is_long is not None:
        is_wrong[2:] ^= is_long[:-2]
    return not is_wrong.any()


def _cells_of_two(text: Bytes, leads: Bytes) -> tuple[Cells, Bytes]:
    """Return the cells of text whose letters have two bytes, their mark and another.

    And at each place but the last the mark of the letter that begins there or one place later.
    ``leads`` are the marks where letters begin, and 0 elsewhere.
    """
    marks = leads[:-1] | leads[1:]
    inner = len(marks) // 2
    cells = np.empty(inner + 2, "<u2")
    # As a signed number the second byte of a letter is smaller than any mark and than ASCII.
    signed = text.view(np.int8)
    np.minimum(signed[:-1], signed[1:], out=cells.view(np.int8)[2 : 2 + len(marks)])
    # An upper limit for each byte. For a first one it is _PART; for a second one the last byte of
    # its letter, or, where it is ASCII, something above it.
    cells |= np.uint16(0x80FF)
    cells &= np.uint16(0xFF00 | _PART)
    both = cells[1:-1].view(np.uint8)
    np.minimum(text[: 2 * inner], both, out=both)
    cells[0] = _LINE_FEED << 8 | _LINE_FEED
    cells[-1] = _LINE_FEED << 8 | min(int(text[2 * inner]), _PART)
    return cells, marks


def _cells_of_three(text: Bytes, is_lead: Flags, is_long: Flags) -> tuple[Cells, Bytes]:
    """Return what ``_cells_of_two`` does for text that also has letters of three bytes.

    These are rewritten as their mark and twice their last byte: a letter of two, and one byte more
    that belongs to it as well.
    """
    after_long = np.zeros(len(text) + 1, np.uint8)
    np.negative(is_long.view(np.uint8), out=after_long[1:])  # 0xFF
    moved = text[:-1] ^ text[1:]
    moved &= after_long[1:-1] | after_long[:-2]
    text = text.copy()
    text[:-1] ^= moved
    text |= after_long[1:] & np.uint8(_LEAD)
    cells, marks = _cells_of_two(text, text * is_lead.view(np.uint8))
    # where a cell is the end of a letter: its mark is one place further back
    marks[1:] |= text[:-2] & after_long[1:-2]
    is_inside = after_long[: 2 * len(cells) - 4].view("<u2")
    cells[1:-1] ^= is_inside & np.uint16(_PART ^ _INSIDE)
    return cells, marks


def _codes(marks: list[int], factor: int) -> npt.NDArray[np.uint16]:
    """Return for each character, ASCII and the blocks of these marks, the cell of 0 and it."""
    starts = np.repeat([0, 0, *marks], _BLOCK)
    seconds = np.r_[np.arange(_ASCII), np.tile(np.arange(0x80, 0xC0), len(marks))]
    codes: Cells = (seconds << 8 ^ starts * factor).astype(np.uint16)
    return codes


def _factor(marks: list[int]) -> int:
    """Return a number that sets apart the codes of ASCII and of the blocks of these marks.

    There is one for every six marks, and so for fewer: all 74,974,368 were tried.
    """
    starts = [(0, 0x00), (0, 0x40), *((mark, 0x80) for mark in marks)]  # of blocks

    def sets_apart(factor: int) -> bool:
        """Return whether the upper two of the 9 bits and the lowest differ between all blocks."""
        codes = [second << 8 ^ mark * factor for mark, second in starts]
        return len({(code >> 14 & 3, code >> 7 & 1) for code in codes}) == len(starts)

    return next(filter(sets_apart, range(1 << 16)))
