"""Tallies: what was found in a part of a corpus.

Tallies of parts add up to that of the whole, in whatever order, so parts can be counted in other
processes and on other machines. The counting itself is the work of ``pairs.py`` and ``holdout.py``.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from makemore.arrays import Counts, Hashes
from makemore.counting.pairs import PairCounter, ProvisionalIds, refuse_too_many
from makemore.data.holdout import held_out_lines
from makemore.data.text import Block, TextBlock, cut_out_lines

MAX_SAMPLE = 1 << 15
"""The most distinct held-out words that are kept."""

MAX_SAMPLE_LENGTH = 256
"""The longest held-out word that is kept, in characters."""

# Bytes of held-out lines that are counted together. Those of one block are so few that what each
# call costs, and a table that has left the processor's cache, would take over twice as long.
_BATCH = 1 << 19
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
        ids = ProvisionalIds()
        self._total = PairCounter(ids)
        self._held_out = PairCounter(ids)
        self._waiting = bytearray()  # held-out lines that are not counted yet
        self._sample = _SampleCollector()
        self._fingerprint = 0
        self._dropped = 0

    def add(self, block: Block) -> None:
        """Count a block.

        Raises ``VocabularyError`` where the alphabet is too large, and ``DecodingError``.
        """
        if self._rare:
            text, dropped = without_lines_holding(self._rare, block.text)
            self._dropped += dropped
            block = TextBlock(text)
        self._total.add(block)
        if self._holdout:
            data = np.frombuffer(block.data, np.uint8)
            places, hashes = held_out_lines(data, self._holdout)
            lines = data[places].tobytes()
            self._waiting += lines
            if len(self._waiting) >= _BATCH:
                self._count_waiting()
            self._sample.add(lines, hashes)
            self._fingerprint += int(hashes.sum())

    def tally(self) -> Tally:
        """Return what was found. Raises ``VocabularyError``."""
        self._count_waiting()
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

    def _count_waiting(self) -> None:
        self._held_out.add_lines(bytes(self._waiting))
        self._waiting.clear()


def merge(tallies: Sequence[Tally]) -> Tally:
    """Return the tally of all parts together. Raises ``VocabularyError``."""
    characters = "".join(sorted(set().union(*(tally.characters for tally in tallies))))
    refuse_too_many(len(characters))
    sample = _SampleCollector()
    for tally in tallies:
        sample.merge(tally.sample)
    return Tally(
        characters,
        _sum_of_tables(characters, ((tally.characters, tally.total) for tally in tallies)),
        _sum_of_tables(characters, ((tally.characters, tally.held_out) for tally in tallies)),
        sum(tally.fingerprint for tally in tallies) % (1 << 64),
        sum(tally.dropped_lines for tally in tallies),
        sample.result(),
    )


def _sum_of_tables(characters: str, tables: Iterable[tuple[str, Counts]]) -> Counts:
    """Return the sum of tables of counts, each given with its characters, for ``characters``."""
    V = len(characters) + 1
    id_of = {character: i for i, character in enumerate(characters, 1)}
    total = np.zeros((V, V), np.int64)
    for known, table in tables:
        if known == characters:
            total += table
        elif table.any():
            ids = np.array([0, *map(id_of.__getitem__, known)])
            for i, row in zip(ids, table, strict=True):  # row by row: V can be thousands
                total[i, ids] += row
    return total


def without_lines_holding(pattern: re.Pattern[str], text: str) -> tuple[str, int]:
    r"""Return ``text`` without the lines in which ``pattern`` is found, and how many they were.

    >>> without_lines_holding(re.compile("[xq]"), "emma\naxqx\nava\n")
    ('emma\nava\n', 1)
    """
    rest, lines = cut_out_lines(text, "\n", (match.start() for match in pattern.finditer(text)))
    return rest, len(lines)


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

    def add(self, data: bytes, hashes: Hashes) -> None:
        """Take the words of whole lines of UTF-8, none blank, and their hashes."""
        small = hashes[hashes <= self._largest]
        distinct, counts = np.unique(small, return_counts=True)
        places = np.searchsorted(self._hashes, distinct)
        known = np.zeros(len(distinct), np.bool_)
        inside = places < len(self._hashes)
        known[inside] = self._hashes[places[inside]] == distinct[inside]
        self._counts[places[known]] += counts[known]
        if not known.all():
            new, order = distinct[~known], np.argsort(hashes)
            places = order[np.searchsorted(hashes, new, sorter=order)]
            lines = data.split(b"\n")
            self._add_new(new, counts[~known], [lines[i].decode() for i in places.tolist()])

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


def count(blocks: Iterable[Block], holdout: float, rare: str = "") -> Tally:
    """Return the tally of blocks. Raises ``VocabularyError`` and ``DecodingError``."""
    counter = Counter(holdout, rare)
    for block in blocks:
        counter.add(block)
    return counter.tally()
