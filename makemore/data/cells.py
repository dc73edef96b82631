"""The pairs of UTF-8 text whose letters have one byte to three, counted without decoding it.

The text is cut into cells of two bytes, and each cell becomes one number of 16 bits:

- 9 bits for the character that its second byte belongs to, wherever the other bytes of it are.
- 7 bits for the character of its first byte, if that is ASCII. Else they say where it belongs:
  ``_PART``, to the character before it or after it, of which the cell before or this one tells;
  ``_INSIDE``, both bytes belong to a character of three, of which the cell before has told.

So two neighbouring cells hold three characters x, y and z: that of the first cell's second byte and
those of the second cell. Their pairs are (x, y) and (y, z), or (x, z) where y is a part, or none
where it is inside. With its line feeds "aéb" is 0A, 61 C3, A9 62, 0A: after the cell that ends with
the first line feed come (a, é), (part, b) and (line feed, line feed). "aếb" is 0A, 61 E1, BA BF,
62 0A: (a, ế), (inside, ế) and (b, line feed). 25 bits for x, y and z are an index into a table.

Nine bits are enough for ASCII and six other blocks of 64 characters, whose code points differ only
in the lowest six bits, so in the last byte. U+00C0 to U+00FF is the block of most letters with
accents. Most alphabets take one block to four, with their quotation marks. In the text a block is
known by its mark, C0 and the lowest six bits of its number: for letters of two bytes that is the
first one, and those of three are rewritten as if they had it. Which three bits stand for a block is
left to a multiplication of its mark, whose factor is sought anew when a text turns out to use a
further block. NumPy does each step on many cells at once, in a fraction of the time of decoding.
"""

from collections import Counter
from functools import cached_property

import numpy as np
import numpy.typing as npt

from makemore.data.holdout import Bytes, Flags
from makemore.data.tables import Counts, add_windows, sparse_zeros
from makemore.data.text import cut_out_lines

Cells = npt.NDArray[np.uint16]

_ASCII, _BLOCK = 128, 64  # characters
_LEAD, _LONG_LEAD = 0xC0, 0xE0  # and above: the first bytes of letters, and of those of three bytes
_BLOCKS = 1 << 10  # letters of those above have four bytes
_MAX_BLOCKS = 6
_PART = 0x7F  # the largest of 7 bits: the smaller of it and any other byte is ASCII or it
_INSIDE = 0x00
_FIRST_BITS, _SECOND_BITS = 7, 9  # of a cell
_SECONDS = 1 << _SECOND_BITS
_ROW = 1 << 16  # counts with the same z
_FEW_COUNTED = 1 << 24  # bytes; for more, pages of megabytes are worth being cleared
_MAX_COUNTED = 1 << 32  # bytes; a triple starts at every second one, and 32 bits count them
_LINE_FEED = ord("\n")
# Where one byte of so many begins what cannot be counted, its lines are cut out and decoded: less
# work than to decode all. Where it is one of so many more, giving a block to it is not worth it.
_FEW, _RARE = 256, 4096
_SAMPLE = 4096  # bytes that show which blocks a text uses

NOT_COUNTED = bytes((_PART, _INSIDE))
"""ASCII characters that mean something else here."""


class _Lines:
    """Whole lines, and what several steps look at.

    Attributes
    ----------
    text : array of shape (n,)
    is_lead : array of shape (n,)
        Where letters of two bytes or three begin.
    has_long : bool
        Whether there are letters of three bytes, or more.
    reserved : list of int
        Those of ``NOT_COUNTED`` that occur.
    """

    def __init__(self, data: bytes) -> None:
        self.text = np.frombuffer(data, np.uint8)
        self.is_lead = self.text >= _LEAD
        self.has_long = bool(self.text.max(initial=0) >= _LONG_LEAD)
        self.reserved = [c for c in NOT_COUNTED if bytes((c,)) in data]

    @cached_property
    def leads(self) -> Bytes:
        """The first bytes of letters where they are, 0 elsewhere, shape (n,)."""
        return self.text * self.is_lead.view(np.uint8)


class CellPairs:
    """Counts the pairs of UTF-8 text whose letters are in six blocks at most, beside ASCII."""

    def __init__(self) -> None:
        self._blocks: list[int] = []  # code points without their lowest six bits
        self._factor = 0
        self._triples: npt.NDArray[np.uint32] | None = None  # by x + 2 ** 9 * y + 2 ** 16 * z
        self._bytes_in_triples = 0
        self._most_in_triples = _FEW_COUNTED
        self._pairs: Counts = np.zeros((_ASCII, _ASCII), np.int64)

    def add(self, data: bytes) -> str | None:
        """Count the pairs of whole lines, and of the line feed before the first.

        Lines with a character that is in no block or in ``NOT_COUNTED`` are left out and returned,
        decoded. Return None, and count nothing, where they are too many or ``data`` is no UTF-8.
        """
        if len(data) > _MAX_COUNTED:
            return None
        lines = _Lines(data)
        if self._has_all(lines):
            return "" if self._count(lines) else None
        is_left = self._uncounted(lines)
        if np.count_nonzero(is_left) > len(data) // _FEW:
            return None
        data, cut = cut_out_lines(data, b"\n", np.flatnonzero(is_left).tolist())
        try:
            left_out = b"".join(cut).decode()
        except UnicodeDecodeError:
            return None
        return left_out if self._count(_Lines(data)) else None

    def table(self) -> tuple[Counts, str]:
        """Return the counts, row y and column x for the pair (x, y), and their characters."""
        self._settle()
        points = [block * _BLOCK + i for block in self._blocks for i in range(_BLOCK)]
        return self._pairs, "".join(map(chr, [*range(_ASCII), *points]))

    def _has_all(self, lines: _Lines) -> bool:
        """Return True only where all can be counted: a quick look that is enough for most text.

        It sees the range of the leads. Most alphabets use blocks that follow each other.
        """
        if lines.has_long or lines.reserved:
            return False
        lowest, highest = lines.leads.view(np.int8).min(initial=0), lines.leads.max(initial=0)
        blocks = range(int(lowest) % _BLOCK, int(highest) % _BLOCK + 1)
        return all(block in self._blocks for block in blocks)

    def _uncounted(self, lines: _Lines) -> Flags:
        """Return which bytes begin what cannot be counted, after giving blocks to what can."""
        text, is_left = lines.text, lines.is_lead.copy()
        for block in self._blocks:
            is_left ^= _begins(text, block)
        while np.count_nonzero(is_left) > len(text) // _RARE:
            blocks = self._new_blocks(text, int(is_left.argmax()))
            if not blocks:
                break
            self._give_blocks(blocks)
            for block in blocks:
                is_left ^= _begins(text, block)
        for character in lines.reserved:
            is_left |= text == character
        return is_left

    def _new_blocks(self, text: Bytes, start: int) -> list[int]:
        """Return the most frequent blocks of a sample of ``text`` that starts at a letter.

        None of them where too many letters of it would still be in no block.
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
        for block, count in letters.most_common(room):
            is_common = count > len(sample) // _RARE
            if is_common and block < _BLOCKS and _mark(block) not in marks:
                marks.add(_mark(block))
                blocks.append(block)
        left = letters.total() - sum(letters[block] for block in blocks)
        return blocks if left <= len(sample) // _FEW else []

    def _give_blocks(self, blocks: list[int]) -> None:
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


def _mark(block: int) -> int:
    """Return what stands in a text for the first bytes of a block's letters."""
    return _LEAD | block % _BLOCK


def _begins(text: Bytes, block: int) -> Flags:
    """Return where letters of a block begin in whole lines."""
    first, *middle = chr(block * _BLOCK).encode()[:-1]
    begins: Flags = text == first
    if middle:
        begins[:-1] &= text[1:] == middle[0]
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
    if not _is_utf_8(text, is_lead, is_long):
        return None
    if is_long is None:
        cells, marks = _cells_of_two(text, lines.leads)
    else:
        cells, marks = _cells_of_three(text, is_lead, is_long)
    marks_of_cells = marks[: 2 * len(cells) - 4].view("<u2")
    marks_of_cells &= np.uint16(0xFF)
    return cells, marks_of_cells


def _is_utf_8(text: Bytes, is_lead: Flags, is_long: Flags | None) -> bool:
    """Return whether the bytes 80 to BF stand where leads want them and nowhere else."""
    is_wrong = text.view(np.int8) < -0x40
    is_wrong[1:] ^= is_lead[:-1]
    if is_long is not None:
        is_wrong[2:] ^= is_long[:-2]
    return not is_wrong.any()


def _cells_of_two(text: Bytes, leads: Bytes) -> tuple[Cells, Bytes]:
    """Return the cells of text whose letters have two bytes, their mark and another.

    And at each place but the last the mark of the letter that is there or at the next place.
    ``leads`` are the marks where they are, and 0 elsewhere.
    """
    marks = leads[:-1] | leads[1:]
    inner = len(marks) // 2
    cells = np.empty(inner + 2, "<u2")
    # As a signed number the second byte of a letter is smaller than any mark and than ASCII.
    signed = text.view(np.int8)
    np.minimum(signed[:-1], signed[1:], out=cells.view(np.int8)[2 : 2 + len(marks)])
    # what the bytes of a cell are at most: _PART; and the letter's second byte, or more than ASCII
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
    marks[1:] |= text[:-2] & after_long[1:-2]
    is_inside = after_long[: 2 * len(cells) - 4].view("<u2")
    cells[1:-1] ^= is_inside & np.uint16(_PART ^ _INSIDE)
    return cells, marks


def _codes(marks: list[int], factor: int) -> npt.NDArray[np.uint16]:
    """Return the cells that hold 0 and each character: ASCII, then the blocks of these marks."""
    starts = np.repeat([0, 0, *marks], _BLOCK)
    seconds = np.r_[np.arange(_ASCII), np.tile(np.arange(0x80, 0xC0), len(marks))]
    codes: Cells = (seconds << 8 ^ starts * factor).astype(np.uint16)
    return codes


def _factor(marks: list[int]) -> int:
    """Return a number that sets apart the codes of ASCII and of the blocks of these marks.

    There is one for every six marks: all 74,974,368 were tried.
    """
    starts = [(0, 0x00), (0, 0x40), *((mark, 0x80) for mark in marks)]  # of blocks

    def sets_apart(factor: int) -> bool:
        """Return whether the upper two of the 9 bits and the lowest differ between all blocks."""
        codes = [second << 8 ^ mark * factor for mark, second in starts]
        return len({(code >> 14 & 3, code >> 7 & 1) for code in codes}) == len(starts)

    return next(filter(sets_apart, range(1 << 16)))
