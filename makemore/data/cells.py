"""The pairs of UTF-8 text whose characters have one or two bytes, counted without decoding it.

The text is cut into cells of two bytes, and each cell becomes one number of 16 bits:

- 9 bits for the character that its second byte belongs to. Where that is a letter of two bytes, the
  other one is beside it, in this cell or in the next one.
- 7 bits for the character of its first byte, if that is ASCII, else ``_PART``: then it is part of
  the character before it or after it, and that is told by this cell or by the one before.

So two cells after each other hold three places x, y and z: the characters of the first cell's
second byte and of the two bytes of the second cell. Their pairs are (x, y) and (y, z), or (x, z)
where y is a part, and 25 bits are a place in a table of counts.

Nine bits are enough for ASCII and six other blocks of 64 characters. The first byte of a letter
names such a block: C3 that of U+00C0 to U+00FF, which are most letters with accents. A Latin
alphabet takes two blocks to five, others one or two. Which three bits stand for a block is left to
a multiplication, whose factor is sought anew when a text turns out to use a further one. NumPy does
each step on many cells at once, in a fraction of the time that decoding takes.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from makemore.data.holdout import Bytes
from makemore.data.tables import add_at, sparse_zeros

Counts = npt.NDArray[np.int64]
Cells = npt.NDArray[np.uint16]

_ASCII, _BLOCK = 128, 64  # characters
_LEADS = range(0xC2, 0xE0)  # first bytes of letters of two bytes
_MAX_LEADS = 6
_PART = 0x7F  # which is also an ASCII character: text that holds it is not counted here
_FIRST_BITS, _SECOND_BITS = 7, 9  # of a cell
_SECONDS = 1 << _SECOND_BITS
_ROW = 1 << 16  # places of the table with the same z
_FEW_COUNTED = 1 << 24  # bytes; for more, pages of megabytes are worth being cleared
_MAX_COUNTED = 1 << 32  # bytes; a triple starts at every second one, and 32 bits count them
_LINE_FEED = ord("\n")


class TwoBytePairs:
    """Counts the pairs of UTF-8 text whose letters of two bytes have six first bytes at most."""

    def __init__(self) -> None:
        self._leads: list[int] = []  # the first bytes of letters that were found
        self._factor = 0
        self._triples: npt.NDArray[np.uint32] | None = None  # by x + 2 ** 9 * y + 2 ** 16 * z
        self._bytes_in_triples = 0
        self._limit = _FEW_COUNTED  # of them
        self._pairs: Counts = np.zeros((_ASCII, _ASCII), np.int64)

    def add(self, data: bytes) -> bool:
        """Count the pairs of whole lines and of the line feed before them.

        Return False, and count nothing, where characters have more than two bytes, letters have too
        many first bytes, or ``data``, which is not empty, is no UTF-8.
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
        if lowest < _LEADS[0] or (
            not is_full and self.excess_leads(data, range(lowest, highest + 1))
        ):
            return False
        if self._factor:  # one block alone needs none
            leads *= np.uint16(self._factor)
            cells[1:-1] ^= leads
        self._add_triples(cells)
        return True

    def excess_leads(self, data: bytes, leads: range = _LEADS) -> list[int]:
        """Return which of these first bytes ``data`` has and there is no room for.

        New ones get a place, the most frequent ones if there is not one for all.
        """
        new = list(self._new_leads(data, leads))
        room = _MAX_LEADS - len(self._leads)
        if 0 < room < len(new):
            text = np.frombuffer(data, np.uint8)
            new.sort(key=lambda lead: -np.count_nonzero(text == lead))
        if new[:room]:
            self._give_places(new[:room])
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

    def _give_places(self, leads: list[int]) -> None:
        self._settle()
        self._leads += leads
        self._factor = _factor(self._leads)
        V = _ASCII + _BLOCK * len(self._leads)
        old, self._pairs = self._pairs, np.zeros((V, V), np.int64)
        self._pairs[: len(old), : len(old)] = old

    def _add_triples(self, cells: Cells) -> None:
        if self._bytes_in_triples + 2 * len(cells) > self._limit:
            self._settle()
            self._limit = _MAX_COUNTED
        if self._triples is None:  # 128 MiB, but text touches only some pages
            zeros = np.zeros if self._limit == _MAX_COUNTED else sparse_zeros
            self._triples = zeros(_SECONDS * _ROW, np.uint32)
        for first in (0, 1):
            length = (len(cells) - first) // 2 * 2
            add_at(self._triples, cells[first : first + length].view("<u4"), _FIRST_BITS)
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
    """Return the two bytes of each cell, and the first byte of the letter at its second one.

    The high byte of a cell is ASCII or the second byte of a letter, and the low one is ASCII or
    ``_PART``. The first cell is the line feed before the text, and the last one ends with another:
    these have no letter at their second byte, and the cells between them, of which the second array
    tells, have 0 there where it is ASCII. Return None where ``text`` is no UTF-8.
    """
    # Of two neighbours the first byte of a letter is the larger one, whatever the other is, and as
    # a signed number the second byte of a letter is the smaller one.
    before, after = text[:-1], text[1:]
    leads = np.maximum(before, after)
    has_lead = (leads >= 0xC0).view(np.uint8)
    leads *= has_lead
    inner = len(before) // 2
    cells = np.empty(inner + 2, "<u2")
    seconds = cells.view(np.int8)[2 : 2 + len(before)]
    np.minimum(before.view(np.int8), after.view(np.int8), out=seconds)
    is_wrong = (seconds < -0x40).view(np.uint8)
    is_wrong[1:] ^= has_lead[:-1]  # a byte and the one before it, and that byte and the next one
    is_wrong[:1] ^= text[:1] >= 0xC0
    if is_wrong.max(initial=0):
        return None
    cells |= np.uint16(0x80FF)
    cells &= np.uint16(0xFF00 | _PART)
    both = cells[1:-1].view(np.uint8)
    np.minimum(text[: 2 * inner], both, out=both)
    cells[0] = _LINE_FEED << 8 | _LINE_FEED
    cells[-1] = _LINE_FEED << 8 | min(int(text[2 * inner]), _PART)
    leads_of_cells = leads[: 2 * inner].view("<u2")
    leads_of_cells &= np.uint16(0xFF)
    return cells, leads_of_cells


def _codes(leads: list[int], factor: int) -> npt.NDArray[np.uint16]:
    """Return the cells that hold 0 and each character: ASCII, then those with these first bytes."""
    starts = np.repeat([0, 0, *leads], _BLOCK)
    seconds = np.r_[np.arange(_ASCII), np.tile(np.arange(0x80, 0xC0), len(leads))]
    codes: Cells = (seconds << 8 ^ starts * factor).astype(np.uint16)
    return codes


def _factor(leads: list[int]) -> int:
    """Return a number that sets apart the codes of letters with these first bytes, and of ASCII.

    There is one for every six of them: all were tried.
    """
    starts = [(0, 0x00), (0, 0x40), *((lead, 0x80) for lead in leads)]  # of blocks

    def are_apart(factor: int) -> bool:
        codes = [second << 8 ^ lead * factor for lead, second in starts]
        return len({(code >> 14 & 3, code >> 7 & 1) for code in codes}) == len(starts)

    return next(filter(are_apart, range(1 << 16)))
