"""What is found in one pass over a corpus: its alphabet, its facts, a sample of held-out words.

With ``pairs`` the pass counts the pairs of symbols, too; without them no table of V x V is made.
What is found in parts of a corpus adds up to what is in the whole, in whatever order, so parts can
be counted in other processes and on other machines.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from makemore.arrays import Counts, Hashes
from makemore.counting.ngrams import NgramCounts, merge_ngrams
from makemore.counting.pairs import UNICODE, CharacterIds, PairCounter, refuse_too_many
from makemore.counting.tables import add_at
from makemore.data.corpus import Corpus, CorpusFacts, no_word
from makemore.data.holdout import Split, all_held_out, held_out_lines, is_held_out
from makemore.data.sketch import NOTHING, sketch_with
from makemore.data.text import (
    Lines,
    code_points,
    line_bounds,
    weights_of_symbols,
    without_lines_holding,
)
from makemore.data.vocabulary import Vocabulary
from makemore.errors import CorpusError

MAX_SAMPLE = 1 << 15
"""The maximum number of distinct held-out words that are kept."""

MAX_SAMPLE_LENGTH = 256
"""The longest held-out word that is kept, in characters."""

_SPARE = 10_000  # words kept above MAX_SAMPLE: sorting after each block would cost too much


class WordSample(NamedTuple):
    """The distinct held-out words with the smallest hashes: a fair choice, repeatable and bounded.

    Attributes
    ----------
    words : tuple of str
        At most ``MAX_SAMPLE``, none over ``MAX_SAMPLE_LENGTH``, in the order of their hashes.
    hashes : tuple of int
    """

    words: tuple[str, ...] = ()
    hashes: tuple[int, ...] = ()


class Survey(NamedTuple):
    """The alphabet of a corpus, its facts, and a sample of its held-out words.

    Attributes
    ----------
    vocabulary : Vocabulary
        All characters of the words, training and held-out.
    facts : CorpusFacts
    sample : WordSample
        Held-out words, kept to calibrate scores without reading the corpus again.
    split : Split
        How the words were split, for a second pass.
    sketch : array of at most ``sketch.SIZE`` hashes
        Of the words that are not held out; empty where no word is held out, because hashing all
        words takes longer than counting them.
    """

    vocabulary: Vocabulary
    facts: CorpusFacts
    sample: WordSample
    split: Split
    sketch: Hashes


class Part(NamedTuple):
    """What was found in a part of a corpus.

    Attributes
    ----------
    characters : str
        Those that occur, in code-point order: the alphabet.
    total, held_out : NgramCounts
        Of order 2 if pairs were counted, else of order 1.
    fingerprint : int
        The sum of the held-out words' hashes modulo 2**64.
    dropped_lines : int
        Lines left out for a rare character.
    sample : WordSample
    ends_in_space : bool
        Whether some word ends in a space.
    sketch : array of at most ``sketch.SIZE`` hashes
        Of the words that are not held out.
    """

    characters: str
    total: NgramCounts
    held_out: NgramCounts
    fingerprint: int
    dropped_lines: int
    sample: WordSample
    ends_in_space: bool
    sketch: Hashes


class PartCounter:
    """Counts blocks of lines.

    Parameters
    ----------
    holdout : float
        The bound of the held-out words, as a ``Split`` has it.
    rare : str
        Characters whose lines are dropped.
    pairs : bool
        Whether to count pairs.
    """

    def __init__(self, holdout: float, rare: str = "", *, pairs: bool = True) -> None:
        self._holdout = holdout
        self._rare = pattern_of(rare)
        ids = CharacterIds()
        self._total, self._held_out = (PairCounter(ids, pairs=pairs) for _ in range(2))
        self._sample = _SampleCollector()
        self._fingerprint = 0
        self._dropped = 0
        self._ends_in_space = False
        self._sketch = NOTHING

    def add(self, lines: Lines) -> None:
        """Count a block. Raises ``VocabularyError`` where the alphabet is too large."""
        if self._rare:
            lines, dropped = without_lines_holding(self._rare, lines)
            self._dropped += dropped
        self._total.add(*lines)
        # to find a character that does not occur takes a tenth of the time of finding two
        has_space = " " in lines.text
        self._ends_in_space = self._ends_in_space or (has_space and " \n" in lines.text)
        if self._holdout:
            self._add_held_out(lines)

    def _add_held_out(self, lines: Lines) -> None:
        """Count the held-out lines of a block, and sketch the others."""
        data = np.frombuffer(lines.text.encode(), np.uint8)
        offsets, numbers, hashes = held_out_lines(data, self._holdout)
        self._sketch = sketch_with(self._sketch, hashes[~is_held_out(hashes, self._holdout)])
        held_out, hashes = data[offsets].tobytes(), hashes[numbers]
        self._sample.add(held_out, hashes)
        weights = None if lines.weights is None else lines.weights[numbers]
        self._held_out.add(held_out.decode(), weights)
        if weights is not None:
            hashes = hashes * weights.view(np.uint64)
        self._fingerprint += int(hashes.sum())

    def part(self) -> Part:
        """Return what was found. Raises ``VocabularyError``."""
        characters = self._total.characters()
        refuse_too_many(len(characters))
        return Part(
            characters,
            self._total.counts(characters),
            self._held_out.counts(characters),
            self._fingerprint % (1 << 64),
            self._dropped,
            self._sample.result(),
            self._ends_in_space,
            self._sketch[self._sketch > 0],  # a blank line's hash is 0, and it holds no word
        )


def count_part(
    blocks: Iterable[Lines], holdout: float, rare: str = "", *, pairs: bool = True
) -> Part:
    """Return what is in blocks of lines. Raises ``VocabularyError`` and ``DecodingError``."""
    counter = PartCounter(holdout, rare, pairs=pairs)
    for lines in blocks:
        counter.add(lines)
    return counter.part()


def merge(parts: Sequence[Part]) -> Part:
    """Return all parts together. Raises ``VocabularyError``."""
    characters = "".join(sorted(set().union(*(part.characters for part in parts))))
    refuse_too_many(len(characters))
    sample, sketch = _SampleCollector(), NOTHING
    for part in parts:
        sample.merge(part.sample)
        sketch = sketch_with(sketch, part.sketch)
    return Part(
        characters,
        merge_ngrams([_renumbered(each.total, each.characters, characters) for each in parts]),
        merge_ngrams([_renumbered(each.held_out, each.characters, characters) for each in parts]),
        sum(part.fingerprint for part in parts) % (1 << 64),
        sum(part.dropped_lines for part in parts),
        sample.result(),
        any(part.ends_in_space for part in parts),
        sketch,
    )


def _renumbered(counts: NgramCounts, known: str, characters: str) -> NgramCounts:
    """Return n-grams of order 1 or 2 over an alphabet as those over a larger one."""
    if known == characters:
        return counts
    V, id_of = len(characters) + 1, {character: i for i, character in enumerate(characters, 1)}
    ids = np.array([0, *map(id_of.__getitem__, known)])
    firsts, seconds = np.divmod(counts.codes, counts.V)  # of order 1, the first is the boundary
    return NgramCounts(V, counts.order, ids[firsts] * V + ids[seconds], counts.counts)  # ascending


def pattern_of(characters: str) -> re.Pattern[str] | None:
    """Return the pattern that finds any of these characters; None where there are none."""
    return re.compile(f"[{re.escape(characters)}]") if characters else None


def character_frequencies(blocks: Iterable[Lines]) -> Counts:
    """Return how often each code point occurs, shape (1,114,112,); line ends do not count."""
    frequencies = np.zeros(UNICODE, np.int64)
    for lines in blocks:
        add_code_points(frequencies, lines)
    frequencies[ord("\n")] = 0
    return frequencies


def add_code_points(frequencies: Counts, lines: Lines) -> None:
    """Add the code points of lines, line ends too, to how often each occurs."""
    points, of_points = code_points(lines.text), None
    if lines.weights is not None:
        of_points = weights_of_symbols(lines.weights, line_bounds(points)[1])
    add_at(frequencies, points, of_points)


def rare_characters(frequencies: Counts, min_count: int) -> str:
    """Return the characters that occur, but less often than ``min_count``."""
    return "".join(map(chr, np.flatnonzero((frequencies > 0) & (frequencies < min_count))))


def survey_of(corpus: Corpus, part: Part, sha256: str, split: Split, min_count: int) -> Survey:
    """Return the survey of a corpus from what was counted. Raises ``CorpusError`` for no words."""
    total, held_out = part.total, part.held_out
    lines, held_out_lines = total.words, held_out.words
    if not lines:
        why = f" with characters that occur {min_count} times" if part.dropped_lines else ""
        raise CorpusError(no_word(corpus, why))
    if lines == held_out_lines:
        raise CorpusError(all_held_out(corpus.name))
    facts = CorpusFacts(
        name=corpus.name,
        sha256=sha256,
        lines=lines,
        symbols=total.symbols,
        held_out_lines=held_out_lines,
        held_out_symbols=held_out.symbols,
        held_out_fingerprint=f"{part.fingerprint:016x}",
        distinct=split.distinct,
        dropped_lines=part.dropped_lines,
        min_count=min_count,
        ends_in_space=part.ends_in_space,
        path=corpus.path,
        **corpus.kept(),
    )
    if (spelling := corpus.spelling) is None:
        vocabulary = Vocabulary(part.characters, has_unk=bool(corpus.alphabet))
        return Survey(vocabulary, facts, part.sample, split, part.sketch)
    symbols = map(spelling.spelled_out, part.characters)
    words = tuple(map(spelling.spelled_out, part.sample.words))
    sample = part.sample._replace(words=words)
    return Survey(Vocabulary(symbols, spelling.symbols), facts, sample, split, part.sketch)


class _SampleCollector:
    """Keeps the words with the smallest hashes."""

    def __init__(self) -> None:
        self._words: dict[int, str] = {}  # by hash
        self._largest = (1 << 64) - 1  # no larger hash can be among the smallest any more

    def add(self, data: bytes, hashes: Hashes) -> None:
        """Add the words of whole lines of UTF-8, none blank, and their hashes."""
        distinct, first = np.unique(hashes, return_index=True)
        small = distinct <= np.uint64(self._largest)
        found = dict(zip(distinct[small].tolist(), first[small].tolist(), strict=True))
        if new := [h for h in found if h not in self._words]:
            lines = data.decode().split("\n")
            words = {h: lines[found[h]] for h in new}
            self._take({h: word for h, word in words.items() if len(word) <= MAX_SAMPLE_LENGTH})

    def merge(self, sample: WordSample) -> None:
        """Add the sample of another part of the corpus."""
        self._take(dict(zip(sample.hashes, sample.words, strict=True)))

    def result(self) -> WordSample:
        """Return the sample."""
        self._prune()
        return WordSample(tuple(self._words.values()), tuple(self._words))

    def _take(self, words: dict[int, str]) -> None:
        self._words |= words
        if len(self._words) > MAX_SAMPLE + _SPARE:
            self._prune()

    def _prune(self) -> None:
        """Sort the words by their hashes and drop all but the smallest."""
        self._words = {h: self._words[h] for h in sorted(self._words)[:MAX_SAMPLE]}
        if len(self._words) == MAX_SAMPLE:
            self._largest = next(reversed(self._words))
