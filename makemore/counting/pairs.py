"""Counting the pairs of neighbouring symbols in blocks of text, fast.

Characters get provisional ids as they turn up, for the alphabet is known only at the end. The ids
of ASCII are its code points. While there are at most 255 ids, a text is one byte a character, and
two neighbouring bytes are one 16-bit integer: the bytes at even and at odd offsets, viewed as such
integers, are all pairs, which ``np.bincount`` counts in a table of 65,536. With more ids the pair
(x, y) stands at x + K * y in a table with room for K ids.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from makemore.arrays import CACHED, Counts, Indices, Integers, chunks
from makemore.counting.tables import add_at
from makemore.data.text import code_points, weights_of_symbols
from makemore.data.vocabulary import MAX_VOCABULARY
from makemore.errors import VocabularyError

_ASCII = 128
_NARROW = 256
UNICODE = 0x110000
_LF = ord("\n")
_MAX_IN_32_BITS = (1 << 32) - 1  # pairs

SymbolIds = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


class LineCounts(NamedTuple):
    """The counts of some lines, with those of pairs if they were asked for.

    Attributes
    ----------
    words, symbols : int
        Lines that hold a word; their characters and end-of-word symbols.
    characters : str
        The characters that occur, in code-point order: V - 1 of them.
    pairs : array of shape (V, V), int64, optional
        ``[i, j]`` counts the pairs of symbols i and j, the boundary being 0.
    """

    words: int
    symbols: int
    characters: str
    pairs: Counts | None


class CharacterIds:
    """Provisional ids of characters: the code points of ASCII, then numbers as characters turn up.

    Attributes
    ----------
    characters : list of str
        The character of each id; a line feed is the boundary.
    """

    def __init__(self) -> None:
        self.characters = [chr(i) for i in range(_ASCII)]
        self._table: SymbolIds | None = None  # by code point; made when it is needed

    def of(self, text: str) -> SymbolIds:
        """Return the ids of a text, (len(text),): of 8 bits while they fit, then of 16.

        Raises ``VocabularyError`` where the alphabet is too large.
        """
        if text.isascii():
            return np.frombuffer(text.encode(), np.uint8)
        points = code_points(text)
        if self._table is None:
            self._table = np.full(UNICODE, _NARROW - 1, np.uint8)
            self._table[:_ASCII] = np.arange(_ASCII)
        # "clip" is the fastest of take's modes, several times as fast as table[points]
        ids = self._table.take(points, mode="clip")
        if ids.max() == _unknown(self._table):
            self._give_ids(np.unique(points[ids == _unknown(self._table)]))
            ids = self._table.take(points, mode="clip")
        return ids

    def _give_ids(self, points: npt.NDArray[Any]) -> None:
        """Give new characters their ids; from the 256th on they take 16 bits."""
        assert self._table is not None
        known = len(self.characters)
        refuse_too_many(known - _ASCII + len(points))
        if known + len(points) >= _NARROW and self._table.dtype == np.uint8:
            wide = self._table.astype(np.uint16)
            wide[self._table == _unknown(self._table)] = np.iinfo(np.uint16).max
            self._table = wide
        self._table[points] = np.arange(known, known + len(points))
        self.characters.extend(map(chr, points.tolist()))


def _unknown(table: SymbolIds) -> int:
    """Return the largest number of a table's type: it marks a character without an id."""
    return int(np.iinfo(table.dtype).max)


class PairCounter:
    """Counts lines with their pairs, in a table that grows with the alphabet."""

    def __init__(self, ids: CharacterIds) -> None:
        self._ids = ids
        self._symbols = 0  # with the line feeds of blank lines
        self._narrow = np.zeros(_NARROW**2, np.int64)
        self._wide: npt.NDArray[Any] = np.zeros(0, np.uint32)  # 64 bits when they are needed
        self._pairs_in_wide = 0
        self._K = 0  # the wide table has room for K ids

    def add(self, text: str, weights: Integers | None = None) -> None:
        """Count whole lines, as ``Lines`` has them. Raises ``VocabularyError``."""
        ids = self._ids.of("\n" + text)  # the first word's boundary, too
        if weights is not None:
            self._add_weighted(ids, weights)
            return
        self._symbols += len(text)
        if ids.dtype == np.uint8:
            for first in (0, 1):
                pairs = ids[first : first + (len(ids) - first) // 2 * 2].view("<u2")
                self._narrow += np.bincount(pairs, minlength=_NARROW**2)
        else:
            self._add_wide(ids)

    def counts(self, characters: str) -> LineCounts:
        """Return what was counted, for an alphabet."""
        N = self.matrix(characters)
        return LineCounts(int(N[0].sum()), self.symbols(), characters, N)

    def characters(self) -> str:
        """Return all characters that have ids and occur, in code-point order."""
        is_found = self._narrow.reshape(_NARROW, _NARROW)[:_ASCII].any(axis=1)
        if self._K:
            is_found |= self._wide.reshape(self._K, self._K)[:_ASCII].any(axis=1)
        ascii = [chr(i) for i in np.flatnonzero(is_found).tolist()]
        return "".join(sorted({*ascii, *self._ids.characters[_ASCII:]} - {"\n"}))

    def symbols(self) -> int:
        """Return the number of characters and end-of-word symbols that were counted."""
        blank_lines = int(self._narrow[_LF + _NARROW * _LF])
        if self._K:
            blank_lines += int(self._wide[_LF + self._K * _LF])
        return self._symbols - blank_lines

    def matrix(self, characters: str) -> Counts:
        """Return the counts with the boundary as 0 and ``characters`` as 1 .. V-1, (V, V)."""
        id_of = {character: i for i, character in enumerate("\n" + characters)}
        ids = np.array([id_of.get(character, 0) for character in self._ids.characters])
        counts = np.zeros((len(id_of), len(id_of)), np.int64)
        for firsts, seconds, found in self._pairs():
            counts[ids[firsts], ids[seconds]] += found
        counts[0, 0] = 0  # a boundary after a boundary is a blank line, which holds no word
        return counts

    def _pairs(self) -> Iterator[tuple[Indices, Indices, Counts]]:
        """Yield pairs (x, y) that occur, as ids, and how often; a pair may come twice."""
        for table, K in ((self._narrow, _NARROW), (self._wide, self._K)):
            for rows in chunks(K, K) if K else ():
                # only what was counted: most of a large table has never been touched
                part = table[rows.start * K : rows.stop * K]
                where = np.flatnonzero(part != 0)  # four times as fast as flatnonzero(part)
                seconds, firsts = np.divmod(where + rows.start * K, K)
                yield firsts, seconds, part[where].astype(np.int64)

    def _add_weighted(self, ids: SymbolIds, weights: Integers) -> None:
        """Count each pair as often as the line of its second symbol counts."""
        of_pairs = weights_of_symbols(weights, np.flatnonzero(ids[1:] == _LF))
        total = int(of_pairs.sum())
        self._symbols += total
        table, K = self._narrow, _NARROW
        if ids.dtype != np.uint8:
            self._make_room(total)
            table, K = self._wide, self._K
        add_at(table, ids[:-1] + K * ids[1:].astype(np.intp), of_pairs)

    def _add_wide(self, ids: SymbolIds) -> None:
        self._make_room(len(ids))
        one = self._wide.dtype.type(1)
        for start in range(0, len(ids) - 1, CACHED):
            piece = ids[start : start + CACHED + 1]
            pairs = piece[1:].astype(np.intp)
            pairs *= self._K
            pairs += piece[:-1]
            np.add.at(self._wide, pairs, one)

    def _make_room(self, pairs: int) -> None:
        """Make the wide table large enough for all ids and for so many more pairs."""
        self._pairs_in_wide += pairs
        if self._pairs_in_wide > _MAX_IN_32_BITS:
            self._wide = self._wide.astype(np.int64, copy=False)
        needed = len(self._ids.characters)
        if needed <= self._K:
            return
        old = self._wide.reshape(self._K, self._K)
        K = min(needed + needed // 8, MAX_VOCABULARY + _ASCII)
        self._wide = np.zeros(K * K, self._wide.dtype)
        self._wide.reshape(K, K)[: self._K, : self._K] = old
        self._K = K


def refuse_too_many(characters: int) -> None:
    """Raise ``VocabularyError`` for an alphabet over the limit."""
    if characters >= MAX_VOCABULARY:
        raise VocabularyError(
            f"the corpus has {characters:,} distinct characters or more and the limit is"
            f" {MAX_VOCABULARY - 1:,}: drop the words with rare ones by --min-count"
        )
