"""Finds the words that do not belong to a list, judging each word by the rest of the list.

A model that was trained on a list has seen its typing errors, too, and finds them likely. So the
distinct words are dealt into folds by their hashes, and each is judged by an n-gram model of the
words in all other folds. In a list of n lines with D distinct words, a word w on c(w) lines has

    P(w) = (c(w) - 1) / n + D / n P_ngram(w)

because all lines of a word but the first repeat it. A word is odd if something else explains it
better than the list does: a slip in another word w', as in ``slips.py``, or noise, which is as long
as words of the list are, and in which all A characters of the list are equally likely. Its score,
in nats, is

    log max(max over w' of P(w') P(w | w'), NOISE P(length) A**-length) - log P(w)

where P(length) is the share of the distinct words that are as long. Of the two terms of P(w') only
the larger is taken: each is found by a search of its own. That makes a score at most log 2 smaller.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from makemore.arrays import Floats, Integers
from makemore.counting.ngrams import NgramCounter, NgramCounts, highest_order, merge_ngrams
from makemore.counting.tables import add_up
from makemore.data.holdout import hash_words
from makemore.data.text import refuse_one_text
from makemore.data.vocabulary import Vocabulary
from makemore.errors import CorpusError, OptionError
from makemore.evaluation.losses import score_words
from makemore.evaluation.slips import Slips, SlipSearch, slip_between, slips
from makemore.kinds import MIN_ORDER
from makemore.models.ngram import Ngram, train_ngram

FOLDS = 10

MIN_WORDS = 10
"""The fewest distinct words of a list that show what is odd among them."""

MAX_ORDER = 6

MAX_CELLS = 1 << 24
"""The largest automaton of a model, in states times symbols: it takes 192 MiB."""

MAX_CHARACTERS = math.isqrt(MAX_CELLS) - 2
"""The most distinct characters: a bigram has a state for each symbol and one for the root."""

MAX_LETTERS = 64
"""The most characters that a correction may put in, the most frequent ones of the list."""

MAX_REPEATED = 100
"""The longest word, in characters, that is compared with words on several lines."""

NOISE = 5.0
"""The weight of noise beside a slip. With a weight of 20, more noise ranks before slips: of those
in 5,000 Greek or English words the first 100 outliers lose about one in seven.
"""

MUCH = 20.0
"""A correction is named if it explains a word this many times better than the list does."""


@dataclass(frozen=True)
class Outlier:
    """A word that does not belong to its list.

    Attributes
    ----------
    word : str
    lines : tuple of int
        The numbers of its lines, from 1.
    score : float
        How much better a slip or noise explains the word than the list does, in nats.
    p_value : float
        The share of all lines that hold this word or one before it in the order of oddness; of
        equally odd words the first in the list comes first.
    correction : str or None
        The likeliest word within one edit, where it is ``MUCH`` more probable.
    nats : tuple of float
        The surprisal of each symbol to the other folds' words, the end-of-word symbol included.
    """

    word: str
    lines: tuple[int, ...]
    score: float
    p_value: float
    correction: str | None
    nats: tuple[float, ...]


def find_outliers(
    lines: Sequence[str],
    count: int = 20,
    progress: Callable[[int, int | None], None] | None = None,
    weights: Sequence[int] | None = None,
) -> list[Outlier]:
    """Return the ``count`` oddest distinct words among the lines of a list, the oddest first.

    A blank line holds no word. With ``weights``, a line of weight k counts as k lines. ``progress``
    is called with how many words are done, of how many. Raises ``CorpusError`` for a list that is
    too short, or has too many distinct characters.
    """
    refuse_one_text(lines)
    if count < 0:
        raise OptionError(f"the number of outliers is {count} and must be 0 or more")
    counts = Counter(lines) if weights is None else _weighted(lines, weights)
    counts.pop("", None)
    if len(counts) < MIN_WORDS:
        raise CorpusError(
            f"the list has {len(counts):,} distinct words, expected at least {MIN_WORDS}: it takes"
            " some words to say what is odd among them"
        )
    search = _Search(counts, count)
    folds = deal(search.words)
    done = 0
    for fold, model in zip(folds, fold_models(search.words, folds), strict=True):
        search.score_fold(fold, model)
        done += len(fold)
        if progress:
            progress(done, len(search.words))
    return search.outliers(lines)


def _weighted(lines: Sequence[str], weights: Sequence[int]) -> Counter[str]:
    """Return the sum of the weights of each line."""
    counts: Counter[str] = Counter()
    for line, weight in zip(lines, weights, strict=True):
        counts[line] += weight
    return +counts  # without those of weight 0


class _Search:
    """The D distinct words of a list, with their scores and corrections found so far.

    Parameters
    ----------
    counts : mapping of str to int
        The number of lines of each word.
    count : int
        The number of words that are wanted.

    Attributes
    ----------
    scores : array of shape (D,)
        Lower bounds until all folds are searched; those of the best ``count`` are exact then.
    """

    def __init__(self, counts: Mapping[str, int], count: int) -> None:
        self.words = list(counts)
        self.scores = np.full(len(self.words), -np.inf)
        self._counts = np.fromiter(counts.values(), np.float64, len(counts))
        self._length_shares = np.bincount(list(map(len, self.words))) / len(self.words)
        self._wanted = min(count, len(self.words))
        self._corrections: dict[int, tuple[float, str]] = {}
        self._nats: dict[int, Floats] = {}
        self._repeated = _RepeatedWords(counts)
        self._characters = Counter("".join(self.words)).most_common(MAX_LETTERS)

    def score_fold(self, fold: Integers, model: Ngram) -> None:
        """Score the words of a fold, (words,) numbers, by a model of the other folds."""
        words, V, n = [self.words[i] for i in fold.tolist()], len(model.vocabulary), self._lines
        text = SlipSearch(model, model.vocabulary.encode_words(words)[1:])
        by_model = np.log(len(self.words) / n) - text.totals
        with np.errstate(divide="ignore"):  # most words stand on one line
            log_p = np.logaddexp(by_model, np.log((self._counts[fold] - 1) / n))
        lengths = text.ends - text.starts
        noise = np.log(NOISE * self._length_shares[lengths]) - lengths * np.log(V - 1)
        self.scores[fold] = noise - log_p
        self._compare_with_repeated(fold, log_p, slips(lengths, V))
        letters = np.array([model.vocabulary.stoi[c] for c, _ in self._characters])
        behind = log_p - by_model  # gains are relative to the model, scores to P(w)
        floors = self._floor() + behind
        for edits in text.gainful(letters, floors):
            of = text.word_of[edits.starts]
            gains = edits.gains - behind[of]
            for e in _best_of_each(of, gains).tolist():
                correct = text.corrected(words[of[e]], edits, e, model.vocabulary.itos)
                self._take(int(fold[of[e]]), float(gains[e]), correct)
            floors[:] = self._floor() + behind
        for k in np.flatnonzero(self.scores[fold] >= self._floor()).tolist():
            self._nats[int(fold[k])] = text.nats[text.starts[k] : text.ends[k] + 1]

    def outliers(self, lines: Sequence[str]) -> list[Outlier]:
        """Return the oddest words, the oddest first."""
        order = np.argsort(-self.scores, kind="stable")[: self._wanted].tolist()
        places: dict[str, list[int]] = {self.words[i]: [] for i in order}
        for number, line in enumerate(lines, 1):
            if line in places:
                places[line].append(number)
        shares = (np.cumsum(self._counts[order]) / self._lines).tolist()
        return [
            Outlier(
                word=self.words[i],
                lines=tuple(places[self.words[i]]),
                score=float(self.scores[i]),
                p_value=share,
                correction=self._correction(i),
                nats=tuple(self._nats[i].tolist()),
            )
            for i, share in zip(order, shares, strict=True)
        ]

    @property
    def _lines(self) -> float:
        return float(self._counts.sum())

    def _floor(self) -> float:
        """Return the score to exceed to be among the wanted ones, by the scores found so far."""
        if not self._wanted:
            return np.inf
        return float(np.partition(self.scores, -self._wanted)[-self._wanted])

    def _compare_with_repeated(self, fold: Integers, log_p: Floats, chances: Slips) -> None:
        """Take words on several lines that a slip turns into words of the fold as corrections."""
        most = np.log(max(self._counts.max() - 1, 1e-300) / self._lines)
        for k in np.flatnonzero(most - log_p > self._floor()).tolist():
            for correct, repeats, slip in self._repeated.near(self.words[fold[k]]):
                chance = getattr(chances, slip)[k]
                gain = np.log(repeats / self._lines) + chance - log_p[k]
                self._take(int(fold[k]), float(gain), correct)

    def _take(self, i: int, gain: float, correct: str) -> None:
        """Take a correction of a word if it is the best so far."""
        if gain > self._corrections.get(i, (-np.inf, ""))[0]:
            self._corrections[i] = (gain, correct)
            self.scores[i] = max(self.scores[i], gain)

    def _correction(self, i: int) -> str | None:
        gain, correct = self._corrections.get(i, (-np.inf, ""))
        return correct if gain >= max(np.log(MUCH), self.scores[i]) else None


class _RepeatedWords:
    """An index of the words on several lines by their deletion variants."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        self._repeats = {word: n - 1 for word, n in counts.items() if n > 1}
        self._by_variant: dict[str, list[str]] = defaultdict(list)
        for word in self._repeats:
            for variant in _variants(word):
                self._by_variant[variant].append(word)

    def near(self, word: str) -> Iterator[tuple[str, int, str]]:
        """Yield words that a slip turns into ``word``, how often each repeats, and the slip."""
        if not self._repeats:
            return
        others = {other for v in _variants(word) for other in self._by_variant.get(v, ())}
        for other in sorted(others):
            if slip := slip_between(other, word):
                yield other, self._repeats[other], slip


def _variants(word: str) -> set[str]:
    """Return a word, and it without each of its characters: words one edit apart share one."""
    if len(word) > MAX_REPEATED:
        return set()
    return {word} | {word[:i] + word[i + 1 :] for i in range(len(word))}


def _best_of_each(of: Integers, gains: Floats) -> Integers:
    """Return the numbers of the edits with the largest gain for their word."""
    order = np.lexsort((gains, of))
    is_last = np.append(of[order][1:] != of[order][:-1], True)[: len(order)]
    return np.asarray(order[is_last])


def deal(words: Sequence[str]) -> list[Integers]:
    """Return the numbers of the words in each of ``FOLDS`` folds of like size, by their hashes."""
    order = np.argsort(hash_words("".join(word + "\n" for word in words)))
    return [np.sort(order[fold::FOLDS]) for fold in range(FOLDS)]


def fold_models(words: Sequence[str], folds: Sequence[Integers]) -> Iterator[Ngram]:
    """Yield for each fold the model of the words in the others.

    Its order is the one with the smallest loss on the first fold. Raises ``CorpusError`` for a list
    of more than ``MAX_CHARACTERS``.
    """
    characters = set("".join(words))
    if len(characters) > MAX_CHARACTERS:
        raise CorpusError(
            f"the list has {len(characters):,} distinct characters and the limit is"
            f" {MAX_CHARACTERS:,}: leave out the words with rare ones"
        )
    vocabulary = Vocabulary(characters)
    V = len(vocabulary)
    highest = min(MAX_ORDER, highest_order(V))
    parts = []
    for fold in folds:
        counter = NgramCounter(V, highest)
        counter.add(vocabulary.encode_words([words[i] for i in fold.tolist()]))
        parts.append(counter.counts())
    together = merge_ngrams(parts)
    first = train_ngram(_without(together, parts[0]), vocabulary)
    order = _best_order(first, [words[i] for i in folds[0].tolist()])
    yield first.of_order(order)
    together = _of_order(together, order)
    for part in parts[1:]:
        yield train_ngram(_without(together, _of_order(part, order)), vocabulary)


def _best_order(model: Ngram, words: Sequence[str]) -> int:
    """Return the order that gives these words the smallest loss within ``MAX_CELLS``."""
    losses = {}
    for order in range(MIN_ORDER, len(model.tree.sizes) + 1):
        lower = model.of_order(order)
        if lower.tree.keys[-1] < MAX_CELLS:  # a key is a cell
            losses[order] = score_words(lower, words).totals.loss
    return min(losses, key=losses.__getitem__)


def _without(together: NgramCounts, part: NgramCounts) -> NgramCounts:
    """Return the counts of what is not in a part."""
    left = together.counts.copy()
    left[np.searchsorted(together.codes, part.codes)] -= part.counts
    kept = left > 0
    return NgramCounts(together.V, together.order, together.codes[kept], left[kept])


def _of_order(ngrams: NgramCounts, order: int) -> NgramCounts:
    """Return the counts of a lower order: the last symbols of each n-gram."""
    codes, counts = add_up(ngrams.codes % ngrams.V**order, ngrams.counts)
    return NgramCounts(ngrams.V, order, codes, counts)
