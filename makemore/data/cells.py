"""The pairs of UTF-8 text whose characters have one or two bytes, counted without decoding it.

The text is cut into cells of two bytes, and each cell becomes one number of 16 bits:

- 9 bits for the character that its second byte belongs to. Where that is a letter of two bytes, the
  other one is beside it, in this cell or in the next one.
- 7 bits for the character of its first byte, if that is ASCII, else ``_PART``: then it is part of
  the character before it or after it, and that is told by this cell or by the one before.

So two neighbouring cells hold three characters x, y and z: that of the first cell's second byte and
those of the second cell. Their pairs are (x, y) and (y, z), or (x, z) where y is a part. The text
"aéb" with its line feeds is 0A, 61 C3, A9 62, 0A: after the cell that ends with the first line feed
come (a, é), (part, b) and (line feed, line feed). 25 bits for x, y and z are an index into a table.

Nine bits are enough for ASCII and six other blocks of 64 characters. The lead of a letter, its
first byte, names such a block: C3 that of U+00C0 to U+00FF, which are most letters with accents.
Most alphabets take one block to four, with their quotation marks. Which three bits stand for a
block is left to a multiplication, whose factor is sought anew when a text turns out to use a
further one. NumPy does each step on many cells at once, in a fraction of the time of decoding.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from makemore.data.holdout import Bytes
from makemore.data.tables import Counts, add_windows, sparse_zeros

Cells = npt.NDArray[np.uint16]

_ASCII, _BLOCK = 128, 64  # characters
_LEADS = range(0xC2, 0xE0)
_MAX_LEADS = 6
_PART = 0x7F  # the largest of 7 bits: the smaller of it and any other byte is ASCII or it
_FIRST_BITS, _SECOND_BITS = 7, 9  # of a cell
_SECONDS = 1 << _SECOND_BITS
_ROW = 1 << 16  # counts with the same z
_FEW_COUNTED = 1 << 24  # bytes; for more, pages of megabytes are worth being cleared
_MAX_COUNTED = 1 << 32  # bytes; a triple starts at every second one, and 32 bits count them
_LINE_FEED = ord("\n")

NOT_COUNTED = _PART
"""An ASCII character: text that holds it cannot be counted here."""


class TwoBytePairs:
    """Counts the pairs of UTF-8 text whose letters of two bytes have at most six leads."""

    def __init__(self) -> None:
        self._leads: list[int] = []  # those that have a block
        self._factor = 0
        self._triples: npt.NDArray[np.uint32] | None = None  # by x + 2 ** 9 * y + 2 ** 16 * z
        self._bytes_in_triples = 0
        self._most_in_triples = _FEW_COUNTED
        self._pairs: Counts = np.zeros((_ASCII, _ASCII), np.int64)

    def add(self, data: bytes) -> bool:
        """Count the pairs of whole lines, at least one, and of the line feed before the first.

        Return False, and count nothing, where that cannot be: a character has more than two bytes
        or is ``NOT_COUNTED``, the leads are too many, or it is no UTF-8. Leads may have been given
        blocks all the same.
        """
        text = np.frombuffer(data, np.uint8)
        highest = int(text.max())
        if highest > _LEADS[-1] or bytes((_PART,)) in data or len(data) > _MAX_COUNTED:
            return False
        is_full = len(self._leads) == _MAX_LEADS
        if is_full and any(self._new_leads(data, _LEADS)):  # far less work than all below
            return False
        found = _cells(text)
        if found is None:
            return False
        cells, leads = found
        lowest = int(leads.view(np.int8).min(initial=-1)) & 0xFF
        if lowest < _LEADS[0] or (not is_full and self.make_room(data, range(lowest, highest + 1))):
            return False
        if self._factor:  # one block alone needs none
            leads *= np.uint16(self._factor)
            cells[1:-1] ^= leads
        self._add_triples(cells)
        return True

    def make_room(self, data: bytes, leads: range = _LEADS) -> list[int]:
        """Give a block to each new lead in ``data``, one of these; return those without.

        If there is not one for all, the most frequent leads get it.
        """
        new = list(self._new_leads(data, leads))
        room = _MAX_LEADS - len(self._leads)
        if 0 < room < len(new):
            text = np.frombuffer(data, np.uint8)
            new.sort(key=lambda lead: -np.count_nonzero(text == lead))
        if new[:room]:
            self._give_blocks(new[:room])
        return new[room:]

    def table(self) -> tuple[Counts, str]:
        """Return the counts, row y and column x for the pair (x, y), and their characters."""
        self._settle()
        return self._pairs, self._characters()

    def _characters(self) -> str:
        starts = [(lead & 0x1F) * _BLOCK for lead in self._leads]
        codes = [*range(_ASCII), *(start + i for start in starts for i in range(_BLOCK))]
        return "".join(map(chr, codes))

    def _new_leads(self, data: bytes, leads: range) -> Iterator[int]:
        return (lead for lead in leads if lead not in self._leads and bytes((lead,)) in data)

    def _give_blocks(self, leads: list[int]) -> None:
        self._settle()
        self._leads += leads
        self._factor = _factor(self._leads)
        V = _ASCII + _BLOCK * len(self._leads)
        old, self._pairs = self._pairs, np.zeros((V, V), np.int64)
        self._pairs[: len(old), : len(old)] = old

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
        codes = _codes(self._leads, self._factor)
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
            is_whole = y != _PART
            np.add.at(flat, np.where(is_whole, y, z) * V + x, counts)
            np.add.at(flat, z * V + y[is_whole], counts[is_whole])
            waiting |= set(x.tolist()) - seen
            seen |= waiting
        self._triples = None
        self._bytes_in_triples = 0


def _cells(text: Bytes) -> tuple[Cells, Cells] | None:
    """Return the two bytes of each cell, and the lead of the letter at its second one.

    The high byte of a cell is ASCII or the second byte of a letter, and the low one is ASCII or
    ``_PART``. The first cell is the line feed before the text, and the last one ends with another:
    these have no letter at their second byte, and the cells between them, of which the second array
    tells, have 0 there where it is ASCII. Return None where ``text`` is no UTF-8.
    """
    # Of two neighbours the lead of a letter is the larger one, whatever the other is, and as a
    # signed number the second byte of a letter is the smaller one.
    before, after = text[:-1], text[1:]
    leads = np.maximum(before, after)
    has_lead = (leads >= 0xC0).view(np.uint8)
    leads *= has_lead
    inner = len(before) // 2
    cells = np.empty(inner + 2, "<u2")
    seconds = cells.view(np.int8)[2 : 2 + len(before)]
    np.minimum(before.view(np.int8), after.view(np.int8), out=seconds)
    if not _is_utf_8(text, has_lead, seconds):
        return None
    # what the bytes of a cell are at most: _PART; and the letter's second byte, or more than ASCII
    cells |= np.uint16(0x80FF)
    cells &= np.uint16(0xFF00 | _PART)
    both = cells[1:-1].view(np.uint8)
    np.minimum(text[: 2 * inner], both, out=both)
    cells[0] = _LINE_FEED << 8 | _LINE_FEED
    cells[-1] = _LINE_FEED << 8 | min(int(text[2 * inner]), _PART)
    leads_of_cells = leads[: 2 * inner].view("<u2")
    leads_of_cells &= np.uint16(0xFF)
    return cells, leads_of_cells


def _is_utf_8(text: Bytes, has_lead: Bytes, seconds: npt.NDArray[np.int8]) -> bool:
    """Return whether each lead has a second byte after it, and each second byte a lead before it.

    Both arrays tell of neighbours, at the place of the first one: whether one of them is a lead,
    and a number below -0x40 where one is a second byte. A byte or the one before it must be a lead
    exactly where it or the one after it is a second byte. From the start of the text on, where none
    is before, that makes a second byte follow each lead; and one too many shows a place later.
    """
    is_wrong = (seconds < -0x40).view(np.uint8)
    is_wrong[1:] ^= has_lead[:-1]
    is_wrong[:1] ^= text[:1] >= 0xC0
    return not is_wrong.max(initial=0)


def _codes(leads: list[int], factor: int) -> npt.NDArray[np.uint16]:
    """Return the cells that hold 0 and each character: ASCII, then the blocks of these leads."""
    starts = np.repeat([0, 0, *leads], _BLOCK)
    seconds = np.r_[np.arange(_ASCII), np.tile(np.arange(0x80, 0xC0), len(leads))]
    codes: Cells = (seconds << 8 ^ starts * factor).astype(np.uint16)
    return codes


def _factor(leads: list[int]) -> int:
    """Return a number that sets apart the codes of ASCII and of the blocks of these leads.

    There is one for every six leads: all were tried.
    """
    starts = [(0, 0x00), (0, 0x40), *((lead, 0x80) for lead in leads)]  # of blocks

    def sets_apart(factor: int) -> bool:
        """Return whether the upper two of the 9 bits and the lowest differ between all blocks."""
        codes = [second << 8 ^ lead * factor for lead, second in starts]
        return len({(code >> 14 & 3, code >> 7 & 1) for code in codes}) == len(starts)

    return next(filter(sets_apart, range(1 << 16)))
