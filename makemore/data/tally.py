"""Counting the pairs of characters in blocks of text, fast, and adding such counts up.

A ``Tally`` is what was found in a part of a corpus. Tallies of parts add up to that of the whole,
in whatever order, so parts can be counted in other processes and on other machines.

Characters get provisional ids as they turn up, for the alphabet is known only at the end:

- Text of characters below 256 is written as Latin-1, one byte a character. Two neighbouring bytes
  are one 16-bit integer, and that integer is the place in a table of 65,536 counts: the bytes at
  even and at odd places, viewed as such integers, are all pairs.
- Other text is written as 32-bit code points, which a table turns into ids. With room for K ids,
  the pair (x, y) has the place x + K * y, the same form.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from makemore.data.holdout import Hashes, held_out_lines
from makemore.data.vocabulary import MAX_VOCABULARY
from makemore.errors import VocabularyError

Counts = npt.NDArray[np.int64]

MAX_SAMPLE = 1 << 15
"""The most distinct held-out words that are kept."""

MAX_SAMPLE_LENGTH = 256
"""The longest held-out word that is kept, in characters."""

_PIECE = 1 << 15  # pairs; as 64-bit places they stay in the processor's second cache
_NARROW = 256
_UNKNOWN = -1
_SETTLE_AFTER = 10_000  # words; merging them one block at a time would cost more than counting


class WordSample(NamedTuple):
    """The distinct held-out words with the smallest hashes: a fair choice, repeatable and bounded.

    Attributes
    ----------
    words : tuple of str
        At most ``MAX_SAMPLE``, none over ``MAX_SAMPLE_LENGTH``, in the order of their hashes.
    hashes : array of shape (len(words),), uint64
    counts : array of shape (len(words),), int64
        How many held-out lines hold each word.
    """

    words: tuple[str, ...]
    hashes: Hashes
    counts: Counts


@dataclass(frozen=True)
class Tally:
    """What was found in a part of a corpus.

    Attributes
    ----------
    characters : str
        Those that occur, in code-point order: V - 1 of them.
    total, held_out : arrays of shape (V, V), int64
        ``[i, j]`` counts the pairs of symbols i and j, the boundary being 0.
    fingerprint : int
        The sum of the held-out words' hashes modulo 2**64.
    dropped_lines : int
        Lines left out for a rare character.
    sample : WordSample
    """

    characters: str
    total: Counts
    held_out: Counts
    fingerprint: int
    dropped_lines: int
    sample: WordSample


class Counter:
    """Counts blocks of text: whole lines, each ended by a line feed.

    Parameters
    ----------
    holdout : float
        The share of distinct words that is held out.
    rare : str
        Characters whose lines are dropped.
    """

    def __init__(self, holdout: float, rare: str = "") -> None:
        self._holdout = holdout
        self._rare = re.compile(f"[{re.escape(rare)}]") if rare else None
        ids = _Ids()
        self._total = _Pairs(ids)
        self._held_out = _Pairs(ids)
        self._sample = _SampleCollector()
        self._fingerprint = 0
        self._dropped = 0

    def add(self, text: str) -> None:
        """Count a block. Raises ``VocabularyError`` where the alphabet is too large."""
        if self._rare:
            text, dropped = without_lines_holding(self._rare, text)
            self._dropped += dropped
        self._total.add(text)
        if self._holdout:
            data = np.frombuffer(text.encode(), np.uint8)
            places, hashes = held_out_lines(data, self._holdout)
            held_out = data[places].tobytes().decode()
            self._held_out.add(held_out)
            self._sample.add(held_out, hashes)
            self._fingerprint += int(hashes.sum())

    def tally(self) -> Tally:
        """Return what was found."""
        characters = self._total.characters()
        refuse_too_many(len(characters))
        return Tally(
            characters,
            self._total.matrix(characters),
            self._held_out.matrix(characters),
            self._fingerprint % (1 << 64),
            self._dropped,
            self._sample.result(),
        )


def merge(tallies: Sequence[Tally]) -> Tally:
    """Return the tally of all parts together. Raises ``VocabularyError``."""
    characters = "".join(sorted(set().union(*(tally.characters for tally in tallies))))
    refuse_too_many(len(characters))
    sample = _SampleCollector()
    for tally in tallies:
        sample.merge(tally.sample)
    V = len(characters) + 1
    total = np.zeros((V, V), np.int64)
    held_out = np.zeros((V, V), np.int64)
    for tally in tallies:
        places = [0, *(characters.index(character) + 1 for character in tally.characters)]
        total[np.ix_(places, places)] += tally.total
        held_out[np.ix_(places, places)] += tally.held_out
    return Tally(
        characters,
        total,
        held_out,
        sum(tally.fingerprint for tally in tallies) % (1 << 64),
        sum(tally.dropped_lines for tally in tallies),
        sample.result(),
    )


def without_lines_holding(pattern: re.Pattern[str], text: str) -> tuple[str, int]:
    r"""Return ``text`` without the lines in which ``pattern`` is found, and how many they were.

    >>> without_lines_holding(re.compile("[xq]"), "emma\naxqx\nava\n")
    ('emma\nava\n', 1)
    """
    kept: list[str] = []
    dropped = after = 0
    for match in pattern.finditer(text):
        if match.start() >= after:
            kept.append(text[after : text.rfind("\n", 0, match.start()) + 1])
            after = text.index("\n", match.start()) + 1
            dropped += 1
    return "".join([*kept, text[after:]]), dropped


def refuse_too_many(characters: int) -> None:
    """Raise ``VocabularyError`` for an alphabet over the limit."""
    if characters >= MAX_VOCABULARY:
        raise VocabularyError(
            f"the corpus has {characters:,} different characters or more and the limit is"
            f" {MAX_VOCABULARY - 1:,}: drop the words with rare ones by --min-count"
        )


def add_at(counts: Counts, places: npt.NDArray[Any]) -> None:
    """Add one to ``counts`` at each of ``places``; both are one-dimensional.

    Faster than ``bincount``, which would make and clear a table for every call.
    """
    buffer = np.empty(min(_PIECE, len(places)), np.intp)
    for start in range(0, len(places), _PIECE):
        piece = places[start : start + _PIECE]
        indices = buffer[: len(piece)]
        indices[:] = piece
        np.add.at(counts, indices, 1)


def code_points(text: str) -> npt.NDArray[np.uint32]:
    """Return the code points of ``text``, shape (len(text),)."""
    return np.frombuffer(text.encode("utf-32-le"), "<u4")


class _Ids:
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


class _Pairs:
    """A table of pair counts that grows with the alphabet."""

    def __init__(self, ids: _Ids) -> None:
        self._ids = ids
        self._narrow = np.zeros(_NARROW * _NARROW, np.int64)
        self._wide: Counts = np.zeros(0, np.int64)
        self._K = 0  # the wide table has room for K ids

    def add(self, text: str) -> None:
        """Count the pairs of whole lines, each ended by a line feed."""
        if not text:
            return
        try:
            data = np.frombuffer(text.encode("latin-1"), np.uint8)
        except UnicodeEncodeError:
            self._add_wide(code_points("\n" + text))
            return
        self._narrow[ord("\n") + _NARROW * int(data[0])] += 1  # the first word's boundary
        for first in (0, 1):
            length = (len(data) - first) // 2 * 2
            add_at(self._narrow, data[first : first + length].view("<u2"))

    def characters(self) -> str:
        """Return the characters that were counted, in code-point order."""
        narrow = self._narrow.reshape(_NARROW, _NARROW).any(axis=1)
        wide = self._wide.reshape(self._K, self._K).any(axis=1)
        ids = {*np.flatnonzero(narrow).tolist(), *np.flatnonzero(wide).tolist()} - {ord("\n")}
        return "".join(sorted(self._ids.characters[i] for i in ids))

    def matrix(self, characters: str) -> Counts:
        """Return the counts with the boundary as 0 and ``characters`` as 1 .. V-1, (V, V)."""
        id_of = {character: i for i, character in enumerate(self._ids.characters)}
        ids = np.array([ord("\n"), *(id_of[character] for character in characters)])
        counts = np.zeros((len(ids), len(ids)), np.int64)
        for table, K in ((self._narrow, _NARROW), (self._wide, self._K)):
            square = table.reshape(K, K)  # row y, column x
            places = np.flatnonzero(ids < K)
            for place in places:  # by rows, for a table of 8,192 symbols should not be copied whole
                counts[place, places] += square[ids[places], ids[place]]
        counts[0, 0] = 0  # a boundary after a boundary is a blank line, which holds no word
        return counts

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


class _SampleCollector:
    """Keeps the words with the smallest hashes, and how often each was seen.

    A word that belongs to the final choice was below every earlier threshold, so its count is
    exact.
    """

    def __init__(self) -> None:
        self._hashes = np.zeros(0, np.uint64)  # sorted
        self._counts = np.zeros(0, np.int64)
        self._words: list[str] = []
        self._new: list[tuple[Hashes, Counts, list[str]]] = []
        self._new_count = 0
        self._largest = np.uint64(0xFFFFFFFFFFFFFFFF)

    def add(self, text: str, hashes: Hashes) -> None:
        """Take the words of whole lines, none blank, and their hashes."""
        small = np.flatnonzero(hashes <= self._largest)
        distinct, first, counts = np.unique(hashes[small], return_index=True, return_counts=True)
        places = np.searchsorted(self._hashes, distinct)
        known = np.zeros(len(distinct), np.bool_)
        inside = places < len(self._hashes)
        known[inside] = self._hashes[places[inside]] == distinct[inside]
        self._counts[places[known]] += counts[known]
        if not known.all():
            lines = text.split("\n")
            words = [lines[i] for i in small[first[~known]].tolist()]
            self._add_new(distinct[~known], counts[~known], words)

    def merge(self, sample: WordSample) -> None:
        """Take all that another part of the corpus gave."""
        self._add_new(sample.hashes, sample.counts, list(sample.words))

    def result(self) -> WordSample:
        """Return the choice."""
        self._settle()
        return WordSample(tuple(self._words), self._hashes, self._counts)

    def _add_new(self, hashes: Hashes, counts: Counts, words: list[str]) -> None:
        short = np.array([len(word) <= MAX_SAMPLE_LENGTH for word in words], np.bool_)
        words = [word for word in words if len(word) <= MAX_SAMPLE_LENGTH]
        self._new.append((hashes[short], counts[short], words))
        self._new_count += len(words)
        if self._new_count > len(self._hashes) + _SETTLE_AFTER:
            self._settle()

    def _settle(self) -> None:
        """Merge the new words into the choice and cut it to size."""
        parts = [(self._hashes, self._counts, self._words), *self._new]
        hashes = np.concatenate([part[0] for part in parts])
        counts = np.concatenate([part[1] for part in parts])
        words = [word for part in parts for word in part[2]]
        distinct, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
        sums = np.zeros(len(distinct), np.int64)
        np.add.at(sums, inverse, counts)
        self._hashes = distinct[:MAX_SAMPLE]
        self._counts = sums[:MAX_SAMPLE]
        self._words = [words[i] for i in first[:MAX_SAMPLE]]
        if len(self._hashes) == MAX_SAMPLE:
            self._largest = self._hashes[-1]
        self._new, self._new_count = [], 0


def count(blocks: Iterable[str], holdout: float, rare: str = "") -> Tally:
    """Return the tally of blocks of whole lines. Raises ``VocabularyError``."""
    counter = Counter(holdout, rare)
    for block in blocks:
        counter.add(block)
    return counter.tally()
