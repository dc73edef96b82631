"""Counting the pairs of neighbouring symbols in blocks of text, fast.

Characters get provisional ids as they turn up, for the alphabet is known only at the end. The ids
of ASCII are its code points. The pair (x, y) has the code x + K * y, where there are at most K ids.
"""

import numpy as np
import numpy.typing as npt

from makemore.arrays import CACHED, Integers
from makemore.counting.ngrams import NgramCounts
from makemore.counting.tables import CodeCounter, ascending
from makemore.data.text import Lines, code_points, lines_with_words, weights_of_symbols
from makemore.data.vocabulary import MAX_VOCABULARY
from makemore.errors import VocabularyError

_ASCII = 128
_UNKNOWN = np.iinfo(np.uint16).max  # marks a character without an id
UNICODE = 0x110000
_LF = ord("\n")

SymbolIds = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]


class CharacterIds:
    """Provisional ids of characters: the code points of ASCII, then numbers as characters turn up.

    Attributes
    ----------
    characters : list of str
        The character of each id; a line feed is the boundary.
    """

    def __init__(self) -> None:
        self.characters = [chr(i) for i in range(_ASCII)]
        self._table: npt.NDArray[np.uint16] | None = None  # by code point; made when needed

    def of(self, text: str) -> SymbolIds:
        """Return the ids of a text, (len(text),).

        Raises ``VocabularyError`` where the alphabet is too large.
        """
        if text.isascii():
            return np.frombuffer(text.encode(), np.uint8)
        points = code_points(text)
        if self._table is None:
            self._table = np.full(UNICODE, _UNKNOWN, np.uint16)
            self._table[:_ASCII] = np.arange(_ASCII)
        # "clip" is the fastest of take's modes, several times as fast as table[points]
        ids = self._table.take(points, mode="clip")
        if ids.max() == _UNKNOWN:
            new, known = np.unique(points[ids == _UNKNOWN]), len(self.characters)
            refuse_too_many(known - _ASCII + len(new))
            self._table[new] = np.arange(known, known + len(new))
            self.characters.extend(map(chr, new.tolist()))
            ids = self._table.take(points, mode="clip")
        return ids


class PairCounter:
    """Counts lines with their pairs, or without ``pairs`` their symbols alone."""

    def __init__(self, ids: CharacterIds, *, pairs: bool = True) -> None:
        self._ids = ids
        self._order = 2 if pairs else 1
        self._K = 256  # so that the table of pairs is small while it can be
        self._codes = CodeCounter(self._K**self._order, has_table=True)

    def add(self, text: str, weights: Integers | None = None) -> None:
        """Count whole lines, as ``Lines`` has them. Raises ``VocabularyError``."""
        if self._order == 1:  # with pairs, blank lines are known by a boundary after a boundary
            text, weights = lines_with_words(Lines(text, weights))
        ids = self._ids.of("\n" + text)  # the first word's boundary, too
        self._make_room()
        of_symbols = None
        if weights is not None:  # a pair counts as often as the line of its second symbol
            of_symbols = weights_of_symbols(weights, np.flatnonzero(ids[1:] == _LF))
        for start in range(0, len(ids) - 1, CACHED):
            piece = ids[start : start + CACHED + 1]
            codes = piece[1:].astype(np.uint32)
            if self._order == 2:
                codes *= self._K
                codes += piece[:-1]
            of_codes = None if of_symbols is None else of_symbols[start : start + CACHED]
            self._codes.add(codes, of_codes)

    def characters(self) -> str:
        """Return the characters that occur, in code-point order."""
        _, seconds, _ = self._pairs()
        found = (self._ids.characters[i] for i in np.flatnonzero(np.bincount(seconds)).tolist())
        return "".join(sorted(found)).replace("\n", "")

    def counts(self, characters: str) -> NgramCounts:
        """Return the n-grams of symbols of an alphabet, of order 2 for pairs, else of order 1."""
        id_of = {character: i for i, character in enumerate("\n" + characters)}
        ids = np.array([id_of.get(character, 0) for character in self._ids.characters])
        firsts, seconds, counts = self._pairs()
        codes = ids[firsts] * len(id_of)
        codes += ids[seconds]
        codes, counts = ascending(codes, counts, len(id_of) ** self._order)
        if self._order == 2 and len(codes) and codes[0] == 0:  # the blank lines
            codes, counts = codes[1:], counts[1:]
        return NgramCounts(len(id_of), self._order, codes, counts)

    def _pairs(self) -> tuple[Integers, Integers, Integers]:
        """Return all pairs (x, y) that occur, as ids, and how often each does.

        Without pairs, each x is the boundary.
        """
        codes, counts = self._codes.counts()
        if self._order == 1:
            return np.full(len(codes), _LF), codes, counts
        seconds = codes // self._K  # and a remainder take a fifth of the time of divmod
        return codes - seconds * self._K, seconds, counts

    def _make_room(self) -> None:
        """Make the codes large enough for all ids."""
        if (needed := len(self._ids.characters)) <= self._K:
            return
        before, self._K = self._K, min(needed + needed // 8, MAX_VOCABULARY + _ASCII)
        codes, counts = self._codes.counts()
        self._codes = CodeCounter(self._K**self._order, has_table=True)
        if self._order == 2:
            codes = codes // before * self._K + codes % before
        self._codes.add_run(codes, counts)


def refuse_too_many(characters: int) -> None:
    """Raise ``VocabularyError`` for an alphabet over the limit."""
    if characters >= MAX_VOCABULARY:
        raise VocabularyError(
            f"the corpus has {characters:,} distinct characters or more and the limit is"
            f" {MAX_VOCABULARY - 1:,}: drop the words with rare ones by --min-count"
        )
