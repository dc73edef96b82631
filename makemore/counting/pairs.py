"""Counting the pairs of neighbouring characters in blocks of text, fast.

Characters get provisional ids as they turn up, for the alphabet is known only at the end:

- In ASCII two neighbouring bytes are one 16-bit integer, and that integer is the place in a table
  of 65,536 counts: the bytes at even and at odd places, viewed as such integers, are all pairs. Of
  a large text three neighbours are counted at a time, at even places alone: half as many steps.
- Latin-1 is counted likewise, and UTF-8 whose letters have one byte to three and are at most a few
  hundred in much the same way, without decoding it: see ``cells.py``.
- Other text is written as 32-bit code points, which a table turns into ids. With room for K ids,
  the pair (x, y) has the place x + K * y, the same form. Where only a few lines are such text, only
  those lines are.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from makemore.arrays import Bytes, Counts
from makemore.counting.cells import CellPairs
from makemore.counting.tables import add_windows, look_up
from makemore.data.text import Block
from makemore.data.vocabulary import MAX_VOCABULARY
from makemore.errors import VocabularyError

_PIECE = 1 << 16  # pairs; as 64-bit places they stay in the processor's second cache
_NARROW = 256
_UNKNOWN = -1
_TRIPLES_AFTER = 1 << 24  # bytes; the table takes as long to make and to read as some megabytes
_MAX_IN_32_BITS = (1 << 32) - 1  # pairs
_MAX_IN_TRIPLES = 1 << 32  # bytes; a triple starts at every second one, and 32 bits count them


class ProvisionalIds:
    """Provisional ids: the code point below 256, then numbers in the order of discovery."""

    def __init__(self) -> None:
        self.characters = [chr(i) for i in range(_NARROW)]
        self._table: npt.NDArray[np.int16] | None = None  # 2 MiB, made when it is needed

    def look_up(self, points: npt.NDArray[Any]) -> npt.NDArray[np.int16]:
        """Return the ids of code points, giving new ones where needed, shape unchanged."""
        if self._table is None:
            self._table = np.full(0x110000, _UNKNOWN, np.int16)
            self._table[:_NARROW] = np.arange(_NARROW)
        ids = look_up(self._table, points)
        if ids.min() == _UNKNOWN:
            new = np.unique(points[ids == _UNKNOWN])
            refuse_too_many(len(self.characters) - _NARROW + len(new))
            self._table[new] = np.arange(len(new)) + len(self.characters)
            self.characters.extend(map(chr, new))
            ids = look_up(self._table, points)
        return ids


class PairCounter:
    """A table of pair counts that grows with the alphabet."""

    def __init__(self, ids: ProvisionalIds) -> None:
        self._ids = ids
        self._single = _SingleBytePairs()
        self._cells = CellPairs()
        self._wide: npt.NDArray[Any] = np.zeros(0, np.uint32)  # 64 bits when they are needed
        self._pairs_in_wide = 0
        self._K = 0  # the wide table has room for K ids

    def add(self, block: Block) -> None:
        """Count the pairs of a block. Raises ``DecodingError``."""
        letters = block.latin_1
        if letters is not None:
            self._single.add(np.frombuffer(letters, np.uint8))
        elif not self._add_undecoded(block.data):
            self._add_wide("\n" + block.text)

    def add_lines(self, data: bytes) -> None:
        """Count the pairs of whole lines that are known to be UTF-8."""
        if not self._add_undecoded(data):
            self._add_wide("\n" + data.decode())

    def characters(self) -> str:
        """Return the characters that were counted, in code-point order."""
        found: set[str] = set()
        for square, characters in self._tables():
            found.update(characters[i] for i in np.flatnonzero(square.any(axis=1)).tolist())
        return "".join(sorted(found - {"\n"}))

    def matrix(self, characters: str) -> Counts:
        """Return the counts with the boundary as 0 and ``characters`` as 1 .. V-1, (V, V)."""
        id_of = {character: i for i, character in enumerate("\n" + characters)}
        counts = np.zeros((len(id_of), len(id_of)), np.int64)
        for square, known in self._tables():
            places = np.array([i for i, character in enumerate(known) if character in id_of], int)
            ids = np.array([id_of[known[place]] for place in places.tolist()], int)
            for i, place in zip(ids, places, strict=True):  # row by row: V can be thousands
                counts[i, ids] += square[places, place]
        counts[0, 0] = 0  # a boundary after a boundary is a blank line, which holds no word
        return counts

    def _tables(self) -> Iterator[tuple[npt.NDArray[Any], Sequence[str]]]:
        """Yield tables of counts, row y and column x for the pair (x, y), and their characters."""
        yield self._single.table(), self._ids.characters[:_NARROW]
        yield self._cells.table()
        yield self._wide.reshape(self._K, self._K), self._ids.characters[: self._K]

    def _add_undecoded(self, data: bytes) -> bool:
        """Count UTF-8 text of which few lines have to be decoded.

        Return False, and count nothing, where that is not so.
        """
        if data.isascii():
            self._single.add(np.frombuffer(data, np.uint8))
            return True
        left_out = self._cells.add(data)
        if left_out is None:
            return False
        self._single.add(np.frombuffer(left_out.plain, np.uint8))
        if left_out.decoded:
            self._add_wide("\n" + left_out.decoded)
        return True

    def _add_wide(self, text: str) -> None:
        self._pairs_in_wide += len(text)
        if self._pairs_in_wide > _MAX_IN_32_BITS:
            self._wide = self._wide.astype(np.int64, copy=False)
        one = self._wide.dtype.type(1)
        for start in range(0, len(text) - 1, _PIECE):
            ids = self._ids.look_up(code_points(text[start : start + _PIECE + 1]))
            self._make_room()
            places = ids[1:].astype(np.intp)
            places *= self._K
            places += ids[:-1]
            np.add.at(self._wide, places, one)

    def _make_room(self) -> None:
        needed = len(self._ids.characters)
        if needed <= self._K:
            return
        old = self._wide.reshape(self._K, self._K)
        K = min(needed + needed // 8, MAX_VOCABULARY + _NARROW)
        self._wide = np.zeros(K * K, self._wide.dtype)
        self._wide.reshape(K, K)[: self._K, : self._K] = old
        self._K = K


class _SingleBytePairs:
    """Counts the pairs of text that has one byte a character."""

    def __init__(self) -> None:
        self._pairs = np.zeros(_NARROW**2, np.int64)
        self._triples: npt.NDArray[np.uint32] | None = None
        self._bytes = 0
        self._bytes_in_triples = 0

    def add(self, text: Bytes) -> None:
        """Count the pairs of whole lines and of the line feed before them."""
        if not len(text):
            return
        self._pairs[ord("\n") + _NARROW * int(text[0])] += 1  # the first word's boundary
        if self._bytes < _TRIPLES_AFTER or len(text) > _MAX_IN_TRIPLES:
            self._add_pairs(text)
        else:
            self._add_triples(text)
        self._bytes += len(text)

    def table(self) -> Counts:
        """Return the counts, row y and column x for the pair (x, y)."""
        self._settle()
        return self._pairs.reshape(_NARROW, _NARROW)

    def _add_pairs(self, text: Bytes) -> None:
        add_windows(self._pairs, text, "<u2")

    def _add_triples(self, text: Bytes) -> None:
        """Count the bytes at 2k + 1, 2k + 2 and 2k + 3, and as pairs what is left over."""
        if self._bytes_in_triples + len(text) > _MAX_IN_TRIPLES:
            self._settle()
        if self._triples is None:  # 64 MiB, but text touches only some pages
            self._triples = np.zeros(_NARROW**3, np.uint32)
        add_windows(self._triples, text, "<u4", shift=8)  # a window has the byte before, too
        self._add_pairs(text[:2])
        self._add_pairs(text[len(text) // 2 * 2 - 1 :])
        self._bytes_in_triples += len(text)

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


def code_points(text: str) -> npt.NDArray[Any]:
    """Return the code points of ``text``, shape (len(text),), with 8 bits for ASCII, else 32."""
    if text.isascii():
        return np.frombuffer(text.encode(), np.uint8)
    return np.frombuffer(text.encode("utf-32-le"), "<u4")


def refuse_too_many(characters: int) -> None:
    """Raise ``VocabularyError`` for an alphabet over the limit."""
    if characters >= MAX_VOCABULARY:
        raise VocabularyError(
            f"the corpus has {characters:,} different characters or more and the limit is"
            f" {MAX_VOCABULARY - 1:,}: drop the words with rare ones by --min-count"
        )
