"""The passes over a corpus: its survey, its pairs, its n-grams, and its words as ids."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from makemore.arrays import Bytes, Counts, Indices, Integers, Symbols
from makemore.counting.ngrams import NgramCounter, NgramCounts, merge_ngrams
from makemore.counting.survey import (
    Part,
    Survey,
    character_frequencies,
    count_part,
    merge,
    pattern_of,
    rare_characters,
    survey_of,
)
from makemore.data.corpus import Corpus, Progress, naming_lines, unchanged
from makemore.data.holdout import Split, hash_lines, is_held_out, offsets_of, split_of_text
from makemore.data.text import Lines, line_bounds, lines_with_words, without_lines_holding
from makemore.data.vocabulary import REPLACEMENT, Vocabulary
from makemore.errors import CorpusError, shown

_SIZE_FOR_PROCESSES = 1 << 27  # bytes; smaller corpora do not even load the module

Workers = Callable[..., tuple[Any, str]]
"""A function that counts a corpus in parts elsewhere. It is called like
``workers.count_in_processes``, without the number of processes."""

Jobs = int | Workers | None
"""Who counts: a number of processes of this machine, all its processors (None), or workers."""


class BigramCounts(NamedTuple):
    """What one pass over a corpus finds for a bigram model.

    Attributes
    ----------
    survey : Survey
    training_pairs, held_out_pairs : NgramCounts of order 2
    """

    survey: Survey
    training_pairs: NgramCounts
    held_out_pairs: NgramCounts

    @property
    def training(self) -> Counts:
        """How often symbol j follows symbol i in the training words, as ``[i, j]``, (V, V)."""
        return self.training_pairs.table()

    @property
    def held_out(self) -> Counts:
        """The same of the held-out words."""
        return self.held_out_pairs.table()


def survey_corpus(
    corpus: Corpus,
    holdout: float = 0.1,
    min_count: int = 1,
    jobs: Jobs = None,
    progress: Progress | None = None,
) -> Survey:
    """Survey a corpus in one pass over its bytes, as ``count_bigrams`` does, without its tables."""
    return _counted(corpus, holdout, min_count, jobs, progress, pairs=False)[0]


def count_bigrams(
    corpus: Corpus,
    holdout: float = 0.1,
    min_count: int = 1,
    jobs: Jobs = None,
    progress: Progress | None = None,
) -> BigramCounts:
    """Count the pairs of a corpus in one pass over its bytes.

    Parameters
    ----------
    corpus : Corpus
    holdout : float
        The share of distinct words that is held out, 0 <= holdout < 1.
    min_count : int
        Words with a character that occurs less often are dropped. Above 1 the text is read twice,
        first for the characters; a pipe is copied to a temporary file for that.
    jobs : int or callable, optional
        The number of processes; without it, all processors count. A pipe, a compressed or a small
        corpus is counted in this process alone, and so is one in an encoding that cannot be cut at
        bytes. Or a cluster: see ``cluster.py``. The result does not depend on it.
    progress : callable, optional
        Called with the bytes read and, where it is known, how many there are.

    Raises
    ------
    CorpusError
        The corpus cannot be read or changes meanwhile, holds no word, or no word for training.
    VocabularyError
        There are ``MAX_VOCABULARY`` distinct characters or more.
    """
    survey, part = _counted(corpus, holdout, min_count, jobs, progress, pairs=True)
    total, held_out = part.total, part.held_out
    counts = total.counts.copy()
    counts[np.searchsorted(total.codes, held_out.codes)] -= held_out.counts
    remain = counts > 0
    training = NgramCounts(total.V, 2, total.codes[remain], counts[remain])
    return BigramCounts(survey, training, held_out)


def _counted(
    corpus: Corpus,
    holdout: float,
    min_count: int,
    jobs: Jobs,
    progress: Progress | None,
    *,
    pairs: bool,
) -> tuple[Survey, Part]:
    """Return the survey of a corpus, and all that was counted."""
    # a corpus with an alphabet reads its rare characters as one already
    drops_rare = min_count > 1 and not corpus.alphabet
    twice_readable = corpus.rereadable() if drops_rare else nullcontext(corpus)
    with unchanged(corpus), twice_readable as text, naming_lines(text):
        rare = ""
        if drops_rare:
            rare = rare_characters(_count(text, _frequencies, sum, jobs), min_count)
        if workers := _workers(text, jobs):  # which need the split before they read
            blocks = text.read().blocks()
            split, _ = split_of_text(blocks, [holdout], pattern_of(rare))
            bound = split.bounds[0]
            own = partial(_part, holdout=bound, rare=rare, pairs=pairs)
            part, sha256 = workers(text, own, merge, progress, digest=True)
        else:
            reading = text.read(progress, digest=True)
            split, lines = split_of_text(reading.blocks(), [holdout], pattern_of(rare))
            part = count_part(lines, split.bounds[0], rare, pairs=pairs)
            sha256 = reading.sha256
    return survey_of(corpus, part, sha256, split, min_count), part


def _workers(corpus: Corpus, jobs: Jobs) -> Workers | None:
    """Return what counts a corpus in parts; None where this process is to count it alone."""
    if not isinstance(jobs, int | None):
        return jobs
    if jobs != 1 and (corpus.size() or 0) >= _SIZE_FOR_PROCESSES:
        from makemore.counting.workers import count_in_processes, job_count

        if (jobs := job_count(corpus, jobs)) > 1:
            return partial(count_in_processes, jobs)
    return None


def _count(corpus: Corpus, count: Callable[..., Any], merge: Callable[..., Any], jobs: Jobs) -> Any:
    """Return what ``count`` finds in a corpus, in parts or in this process alone."""
    if workers := _workers(corpus, jobs):
        return workers(corpus, count, merge)[0]
    return count(corpus.read().blocks(), 1)


def _frequencies(blocks: Iterator[Lines], processes: int) -> Counts:
    """Return how often each code point occurs in a part of a corpus."""
    return character_frequencies(blocks)


def _part(
    blocks: Iterator[Lines], processes: int, *, holdout: float, rare: str, pairs: bool
) -> Part:
    """Return what is in a part of a corpus."""
    return count_part(blocks, holdout, rare, pairs=pairs)


def with_alphabet(corpus: Corpus, min_count: int) -> Corpus:
    """Return a corpus whose rare characters are read as unknown ones, if its ``unknown`` says so.

    It is read once to count them. Raises ``CorpusError`` where all characters are rare, or none is.
    """
    if not corpus.unknown:
        return corpus
    with naming_lines(corpus):
        frequencies = character_frequencies(corpus.read().blocks())
    if not frequencies.any():
        return corpus  # its survey says that it holds no word
    frequencies[ord(REPLACEMENT)] = 0
    alphabet = "".join(map(chr, np.flatnonzero(frequencies >= min_count)))
    if len(alphabet) in (0, np.count_nonzero(frequencies)):
        which = "no" if alphabet else "every"
        raise CorpusError(
            f"{which} character of {shown(corpus.name)} occurs fewer than {min_count:,} times, and"
            " --unknown learns from rare ones how probable characters are that it has not seen:"
            f" {_choice_of_min_count(frequencies)}"
        )
    return replace(corpus, alphabet=alphabet)


def _choice_of_min_count(frequencies: Counts) -> str:
    """Return which --min-count makes some of the characters rare, but not all."""
    found = np.flatnonzero(frequencies)
    counts = frequencies[found]
    if not len(found) or counts.min() == counts.max():
        return "all are equally frequent, so train without --unknown"
    few, many = int(counts.min()), int(counts.max())
    rarest, commonest = (shown(chr(found[i])) for i in (counts.argmin(), counts.argmax()))
    return (
        f"their counts are from {few:,} ('{rarest}') to {many:,} ('{commonest}'), so choose a"
        f" --min-count of {few + 1}" + f" to {many}" * (many > few + 1)
    )


def unknown_to(vocabulary: Vocabulary) -> re.Pattern[str]:
    """Return the pattern of characters that are neither in a vocabulary nor line ends."""
    return re.compile(f"[^\n{re.escape(vocabulary.characters)}]")


def split_for_validation(
    corpus: Corpus, vocabulary: Vocabulary, holdout: float, validation: float
) -> Split:
    """Return the split of a corpus into held-out, validation and training words."""
    blocks = corpus.read().blocks(counts_lines=True)
    return split_of_text(blocks, [holdout, validation], unknown_to(vocabulary))[0]


class IdRow(NamedTuple):
    """Words as ids in a row, a boundary before, between and after them.

    Attributes
    ----------
    ids : array of shape (n,)
        As ``Vocabulary.encode_words`` gives them, but with 16 bits: convert them before
        calculating. A row without a word is one boundary.
    weights : array of shape (words,), optional
        How often each word counts; once without them.
    """

    ids: Symbols
    weights: Integers | None = None


class IdRows(NamedTuple):
    """The words of a block by their role."""

    training: IdRow
    held_out: IdRow
    validation: IdRow


def id_blocks(blocks: Iterable[Lines], vocabulary: Vocabulary, split: Split) -> Iterator[IdRows]:
    """Yield the words of each block as rows of ids.

    Words with a character outside the vocabulary are left out. A ``split`` without a second bound
    sets no words apart for validation.
    """
    unknown = unknown_to(vocabulary)
    for block in blocks:
        lines = lines_with_words(without_lines_holding(unknown, block)[0])
        data = np.frombuffer(lines.text.encode(), np.uint8)
        starts, ends = line_bounds(data)
        held_out, validation = _set_apart(data, split)
        is_training = np.ones(len(ends), np.bool_)
        is_training_byte = np.ones(len(data), np.bool_)
        parts = []
        for numbers in (held_out, validation):
            offsets = offsets_of(starts[numbers], (ends - starts)[numbers] + 1)
            is_training[numbers] = is_training_byte[offsets] = False
            parts.append((offsets, numbers))
        rows = [
            IdRow(
                vocabulary.encode_text("\n" + data[own].tobytes().decode()),
                None if lines.weights is None else lines.weights[numbers],
            )
            for own, numbers in [(is_training_byte, is_training), *parts]
        ]
        yield IdRows(*rows)


def count_ngrams(
    corpus: Corpus,
    vocabulary: Vocabulary,
    split: Split,
    order: int,
    jobs: Jobs = None,
) -> list[NgramCounts]:
    """Return the n-grams of the training, the held-out and the validation words.

    ``jobs`` says who counts, as for ``count_bigrams``; the counts do not depend on it. Raises
    ``TrainingError`` for an order that is not supported, and where memory does not suffice.
    """
    count = partial(_ngrams, vocabulary=vocabulary, split=split, order=order)
    with naming_lines(corpus):
        found: list[NgramCounts] = _count(corpus, count, _merged_ngrams, jobs)
    return found


def _ngrams(
    blocks: Iterator[Lines], processes: int, *, vocabulary: Vocabulary, split: Split, order: int
) -> list[NgramCounts]:
    """Return the n-grams of a part of a corpus, by the role of their words."""
    counters = [NgramCounter(len(vocabulary), order, processes) for _ in IdRows._fields]
    for rows in id_blocks(blocks, vocabulary, split):
        for counter, row in zip(counters, rows, strict=True):
            counter.add(*row)
    return [counter.counts() for counter in counters]


def _merged_ngrams(parts: Sequence[list[NgramCounts]]) -> list[NgramCounts]:
    return [merge_ngrams(same) for same in zip(*parts, strict=True)]


def _set_apart(text: Bytes, split: Split) -> tuple[Indices, Indices]:
    """Return the numbers of the held-out lines and of the validation lines."""
    first, last = split.bounds[0], split.bounds[-1]
    if not last:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    hashes = hash_lines(text)
    apart = np.flatnonzero(is_held_out(hashes, last))
    is_first = is_held_out(hashes[apart], first)
    return apart[is_first], apart[~is_first]
