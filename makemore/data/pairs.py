"""Counting the pairs of neighbouring characters in blocks of text, fast.

Characters get provisional ids as they turn up, for the alphabet is known only at the end:

- In ASCII two neighbouring bytes are one 16-bit integer, and that integer is the place in a table
  of 65,536 counts: the bytes at even and at odd places, viewed as such integers, are all pairs. Of
  a large text three neighbours are counted at a time, at even places alone: half as many steps.
- So it is with Latin-1, and in UTF-8 where all characters are below 256: that is not decoded. Each
  of the two bytes of an accented letter is replaced by one symbol, and the pair of the letter with
  itself that comes of this is subtracted at the end.
- Other text is written as 32-bit code points, which a table turns into ids. With room for K ids,
  the pair (x, y) has the place x + K * y, the same form. Where only a few lines are such text, only
  those lines are.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from makemore.data.holdout import Bytes
from makemore.data.text import Block, cut_out_lines
from makemore.data.vocabulary import MAX_VOCABULARY
from makemore.errors import VocabularyError

Counts = npt.NDArray[np.int64]

_PIECE = 1 << 16  # pairs; as 64-bit places they stay in the processor's second cache
_NARROW = 256
_ASCII = 128
_UNKNOWN = -1
_FEW = 256  # of so many bytes at most one begins a wide character: cutting out lines is faster
_TRIPLES_AFTER = 1 << 24  # bytes; the table takes as long to make and to read as some megabytes
_MAX_IN_TRIPLES = 1 << 32  # bytes; a triple starts at every second one, and 32 bits count them


class ProvisionalIds:
    """Provisional ids: the code point below 256, then numbers in the order of discovery."""

    def __init__(self) -> None:
        self.characters = [chr(i) for i in range(_NARROW)]
        self._table: npt.NDArray[np.int16] | None = None  # 2 MiB, made when it is needed

    def look_up(self, points: npt.NDArray[np.uint32]) -> npt.NDArray[np.int16]:
        """Return the ids of code points, giving new ones where needed, shape unchanged."""
        if self._table is None:
            self._table = np.full(0x110000, _UNKNOWN, np.int16)
            self._table[:_NARROW] = np.arange(_NARROW)
        ids = np.take(self._table, points, mode="clip")  # the fastest of take's modes
        if ids.min() == _UNKNOWN:
            new = np.unique(points[ids == _UNKNOWN])
            refuse_too_many(len(self.characters) - _NARROW + len(new))
            self._table[new] = np.arange(len(new)) + len(self.characters)
            self.characters.extend(map(chr, new))
            ids = self._table[points]
        return ids


class PairCounter:
    """A table of pair counts that grows with the alphabet."""

    def __init__(self, ids: ProvisionalIds) -> None:
        self._ids = ids
        self._single = _NarrowPairs()  # of text with one byte a letter
        self._doubled = _NarrowPairs()  # of that with two bytes for each accented letter
        self._wide: Counts = np.zeros(0, np.int64)
        self._K = 0  # the wide table has room for K ids

    def add(self, block: Block) -> None:
        """Count the pairs of a block. Raises ``DecodingError``."""
        letters = block.latin_1
        if letters is not None:
            self._single.add(np.frombuffer(letters, np.uint8))
            return
        data = block.data
        if self._add_narrow(data):
            return
        lines = self._add_narrow_lines(data)
        try:
            text = lines.decode() if lines else block.text
        except UnicodeDecodeError:
            text = block.text  # raises the error that names the place
        self._add_wide(code_points("\n" + text))

    def characters(self) -> str:
        """Return the characters that were counted, in code-point order."""
        narrow = self._narrow_table().reshape(_NARROW, _NARROW).any(axis=1)
        wide = self._wide.reshape(self._K, self._K).any(axis=1)
        ids = {*np.flatnonzero(narrow).tolist(), *np.flatnonzero(wide).tolist()} - {ord("\n")}
        return "".join(sorted(self._ids.characters[i] for i in ids))

    def matrix(self, characters: str) -> Counts:
        """Return the counts with the boundary as 0 and ``characters`` as 1 .. V-1, (V, V)."""
        id_of = {character: i for i, character in enumerate(self._ids.characters)}
        ids = np.array([ord("\n"), *(id_of[character] for character in characters)])
        counts = np.zeros((len(ids), len(ids)), np.int64)
        for table, K in ((self._narrow_table(), _NARROW), (self._wide, self._K)):
            square = table.reshape(K, K)  # row y, column x
            places = np.flatnonzero(ids < K)
            for place in places:  # by rows, for a table of 8,192 symbols should not be copied whole
                counts[place, places] += square[ids[places], ids[place]]
        counts[0, 0] = 0  # a boundary after a boundary is a blank line, which holds no word
        return counts

    def _narrow_table(self) -> Counts:
        return self._single.table() + undoubled(self._doubled.table())

    def _add_narrow(self, data: bytes) -> bool:
        """Count UTF-8 text where all characters are below 256; else return False."""
        if data.isascii():
            self._single.add(np.frombuffer(data, np.uint8))
            return True
        symbols = double_accented(data)
        if symbols is None:
            return False
        self._doubled.add(symbols)
        return True

    def _add_narrow_lines(self, data: bytes) -> bytes:
        """Where few lines hold a character above 255, count the others and return these lines.

        Return nothing, and count nothing, where they are many or the others are no UTF-8.
        """
        is_wide = np.frombuffer(data, np.uint8) >= 0xC4
        if np.count_nonzero(is_wide) > len(data) // _FEW:
            return b""
        rest, lines = cut_out_lines(data, b"\n", np.flatnonzero(is_wide).tolist())
        return b"".join(lines) if self._add_narrow(rest) else b""

    def _add_wide(self, points: npt.NDArray[np.uint32]) -> None:
        for start in range(0, len(points) - 1, _PIECE):
            ids = self._ids.look_up(points[start : start + _PIECE + 1])
            self._make_room()
            places = ids[1:].astype(np.intp)
            places *= self._K
            places += ids[:-1]
            np.add.at(self._wide, places, 1)

    def _make_room(self) -> None:
        needed = len(self._ids.characters)
        if needed <= self._K:
            return
        old = self._wide.reshape(self._K, self._K)
        K = min(needed + needed // 8, MAX_VOCABULARY + _NARROW)
        self._wide = np.zeros(K * K, np.int64)
        self._wide.reshape(K, K)[: self._K, : self._K] = old
        self._K = K


class _NarrowPairs:
    """Counts the pairs of symbols that are one byte each."""

    def __init__(self) -> None:
        self._pairs = np.zeros(_NARROW**2, np.int64)
        self._triples: npt.NDArray[np.uint32] | None = None
        self._bytes = 0
        self._bytes_in_triples = 0

    def add(self, symbols: Bytes) -> None:
        """Count the pairs of whole lines and of the line feed before them."""
        if not len(symbols):
            return
        self._pairs[ord("\n") + _NARROW * int(symbols[0])] += 1  # the first word's boundary
        if self._bytes < _TRIPLES_AFTER or len(symbols) > _MAX_IN_TRIPLES:
            self._add_pairs(symbols)
        else:
            self._add_triples(symbols)
        self._bytes += len(symbols)

    def table(self) -> Counts:
        """Return the counts of the pairs (x, y) at x + 256 * y."""
        self._settle()
        return self._pairs

    def _add_pairs(self, symbols: Bytes) -> None:
        for first in (0, 1):
            length = (len(symbols) - first) // 2 * 2
            add_at(self._pairs, symbols[first : first + length].view("<u2"))

    def _add_triples(self, symbols: Bytes) -> None:
        """Count the symbols at the places 2k, 2k + 1 and 2k + 2, and as pairs what is left over."""
        if self._bytes_in_triples + len(symbols) > _MAX_IN_TRIPLES:
            self._settle()
        if self._triples is None:  # 64 MiB, but text touches only some pages
            self._triples = np.zeros(_NARROW**3, np.uint32)
        end = 0
        for first in (0, 2):
            length = (len(symbols) - first) // 4 * 4
            add_at(self._triples, symbols[first : first + length].view("<u4"), bits=24)
            end += length // 2
        self._add_pairs(symbols[end:])
        self._bytes_in_triples += len(symbols)

    def _settle(self) -> None:
        """Turn the triples (x, y, z) into the pairs (x, y) and (y, z)."""
        if self._triples is None:
            return
        for start in range(0, _NARROW**3, _NARROW**2):
            counts = self._triples[start : start + _NARROW**2]
            seen = np.flatnonzero(counts)
            self._pairs[seen] += counts[seen]
            np.add.at(self._pairs, (start + seen) >> 8, counts[seen])
        self._triples = None
        self._bytes_in_triples = 0


def double_accented(text: bytes) -> Bytes | None:
    r"""Return UTF-8 text with one symbol in place of both bytes of each accented letter.

    The symbol is the code point with bit 0x40 flipped: of U+00C0 to U+00FF, which are most of
    them, this is the second byte. Return None where a character is not below 256, or ``text``,
    which is not empty, is no UTF-8. NumPy does each step on many bytes at once, in a fraction of
    the time that decoding takes.

    >>> bytes(double_accented("Zoë".encode()))
    b'Zo\xab\xab'
    """
    data = np.frombuffer(text, np.uint8)
    if data.max() > 0xC3 or b"\xc0" in text or b"\xc1" in text:  # those two begin no character
        return None
    is_lead = (data >= 0xC0).view(np.uint8)
    is_second = (data.view(np.int8) < -0x40).view(np.uint8)  # 80 to BF
    if is_second[0] or is_lead[-1] or (is_lead[:-1] ^ is_second[1:]).max(initial=0):
        return None
    if b"\xc2" in text:  # its letters, U+0080 to U+00BF, have the same second bytes
        data = data.copy()
        data[1:] ^= (data[:-1] == 0xC2).view(np.uint8) << np.uint8(6)
    change = data[:-1] ^ data[1:]  # what makes of a byte the one after it
    change *= is_lead[:-1]
    symbols = np.empty_like(data)
    np.bitwise_xor(data[:-1], change, out=symbols[:-1])
    symbols[-1] = data[-1]
    return symbols


def undoubled(pairs: Counts) -> Counts:
    """Return the pair counts of a text from those of ``double_accented``, both as (x + 256 * y)."""
    accented = np.arange(_ASCII, _NARROW)
    symbols = np.concatenate((np.arange(_ASCII), accented ^ 0x40))  # of the code points
    square = pairs.reshape(_NARROW, _NARROW)[np.ix_(symbols, symbols)]
    letters = square[accented].sum(axis=1) // 2  # each stands twice
    square[accented, accented] -= letters
    return np.asarray(square.ravel())


def add_at(counts: npt.NDArray[Any], places: npt.NDArray[Any], bits: int = 16) -> None:
    """Add one to ``counts`` at each of ``places``; both are one-dimensional.

    Of a place, an unsigned integer, the lowest ``bits`` count. Faster than ``bincount``, which
    would make and clear a table for every call.
    """
    buffer = np.empty(min(_PIECE, len(places)), np.intp)
    mask = places.dtype.type((1 << bits) - 1)
    one = counts.dtype.type(1)
    for start in range(0, len(places), _PIECE):
        piece = places[start : start + _PIECE]
        indices = buffer[: len(piece)]
        np.bitwise_and(piece, mask, out=indices)
        np.add.at(counts, indices, one)


def code_points(text: str) -> npt.NDArray[np.uint32]:
    """Return the code points of ``text``, shape (len(text),)."""
    return np.frombuffer(text.encode("utf-32-le"), "<u4")


def refuse_too_many(characters: int) -> None:
    """Raise ``VocabularyError`` for an alphabet over the limit."""
    if characters >= MAX_VOCABULARY:
        raise VocabularyError(
            f"the corpus has {characters:,} different characters or more and the limit is"
            f" {MAX_VOCABULARY - 1:,}: drop the words with rare ones by --min-count"
        )
