"""How good a model is and how surprising a word is to it: losses, perplexity, bits, scores.

A word's score is its surprisal, -log P of its characters and its end-of-word symbol: in total, and
as the mean over these symbols. Everything is in nats unless it says otherwise. The surprisal is
infinite where the model gives a word no probability, and nan for a word with a character that the
model does not know: such words are counted apart and never enter a mean.

Words are scored many at a time, as lines of text. Deciding by a score is the work of
``calibration.py``.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from makemore.arrays import Flags, Floats, Ids, Indices, Integers
from makemore.data.text import blocks_of_lines, lines_with_words, text_of_words
from makemore.data.vocabulary import BOUNDARY, UNKNOWN
from makemore.errors import OptionError
from makemore.models.base import Model


def perplexity(loss: float) -> float:
    """Return exp(loss): the number of equally likely symbols that would be as hard to guess."""
    return math.exp(loss) if not loss >= 700 else math.inf


def bits_per_symbol(loss: float) -> float:
    """Return the loss in bits instead of nats."""
    return loss / math.log(2)


def as_json(number: float | None) -> float | str | None:
    """Return a number as strict JSON can hold it: "infinite" for infinity, None for nan."""
    if number is None or math.isnan(number):
        return None
    return number if math.isfinite(number) else "infinite"


@dataclass(frozen=True)
class Totals:
    """What a model makes of many words; totals of parts add up.

    Attributes
    ----------
    words, symbols : int
        Of the words whose characters the model knows all.
    nats : float
        Their surprisal in total.
    unknown_words : int
        Words with a character that the model does not know, counted nowhere else.
    """

    words: int = 0
    symbols: int = 0
    nats: float = 0.0
    unknown_words: int = 0

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(
            self.words + other.words,
            self.symbols + other.symbols,
            self.nats + other.nats,
            self.unknown_words + other.unknown_words,
        )

    @property
    def loss(self) -> float:
        """The mean in nats per symbol; nan where no word was known."""
        return self.nats / self.symbols if self.symbols else math.nan


@dataclass(frozen=True, eq=False)
class Scores:
    """How surprising each of n words is to a model.

    Attributes
    ----------
    text : str
        The words, each ended by a line feed.
    ids : array of shape (symbols of all words,)
        The same as ``Vocabulary.encode_lines`` gives it.
    nats : array, shape of ``ids``
        The surprisal of each symbol: each character and each word's end-of-word symbol.
    ends : array of shape (n,)
        The offsets of the end-of-word symbols.
    cut : callable
        Gives the symbols of a word, as ``Vocabulary.cut`` does.
    """

    text: str
    ids: Ids
    nats: Floats
    ends: Ids
    cut: Callable[[str], Sequence[str]] = str

    def __len__(self) -> int:
        """Return n."""
        return len(self.ends)

    @cached_property
    def words(self) -> list[str]:
        """The words."""
        return self.text.split("\n")[:-1]

    @cached_property
    def starts(self) -> Ids:
        """The offsets of the first symbols, (n,)."""
        return np.concatenate((np.zeros(1, np.int64), self.ends + 1))[:-1]

    @property
    def symbols(self) -> Ids:
        """Characters plus one end-of-word symbol of each word, (n,)."""
        return self.ends - self.starts + 1

    @cached_property
    def total(self) -> Floats:
        """-log P of each word, (n,)."""
        return np.add.reduceat(self.nats, self.starts) if len(self) else np.zeros(0)

    @property
    def mean(self) -> Floats:
        """The total divided by the word's symbols, (n,)."""
        return np.asarray(self.total / self.symbols)

    @cached_property
    def unknown(self) -> dict[int, str]:
        """The first symbol that the model does not know, by the number of the word."""
        offsets = np.flatnonzero(self.ids == UNKNOWN)[::-1]
        words = np.searchsorted(self.ends, offsets)
        # from the last to the first, so that the first of each word is the one that stays
        places = zip(words.tolist(), (offsets - self.starts[words]).tolist(), strict=True)
        return {word: self.cut(self.words[word])[i] for word, i in places}

    def chosen(self, rows: Indices) -> "Scores":
        """Return the words with these numbers, in this order."""
        offsets = np.concatenate(
            [np.arange(self.starts[i], self.ends[i] + 1) for i in rows.tolist()] or [self.ids[:0]]
        )
        text = "".join(self.words[i] + "\n" for i in rows.tolist())
        return Scores(
            text,
            self.ids[offsets],
            self.nats[offsets],
            np.cumsum(self.symbols[rows]) - 1,
            self.cut,
        )

    @cached_property
    def totals(self) -> Totals:
        """The sums over all words."""
        return self.weighted_totals(None)

    def weighted_totals(self, weights: Integers | None, known: Flags | None = None) -> Totals:
        """Return the sums over all words, each counted as often as its weight says, (n,).

        Words that are not ``known``, (n,), count as unknown: without it, those with a character
        that the model does not know.
        """
        if known is None:
            known = ~np.isnan(self.total)
        if weights is None:
            words = int(known.sum())
            symbols, nats = int(self.symbols[known].sum()), float(self.total[known].sum())
            return Totals(words, symbols, nats, len(self) - words)
        own = weights[known]
        return Totals(
            int(own.sum()),
            int(own @ self.symbols[known]),
            float(own @ self.total[known]),
            int(weights[~known].sum()),
        )

    def split_nats(self) -> list[Floats]:
        """Return the surprisal of each symbol word by word: n arrays of shape (symbols,)."""
        return np.split(self.nats, self.ends[:-1] + 1) if len(self) else []


def score_words(model: Model, words: Sequence[str]) -> Scores:
    """Return how surprising each word is. Raises ``VocabularyError`` for a word with a line feed.

    >>> from makemore.data.vocabulary import Vocabulary
    >>> from makemore.models.bigram import Bigram
    >>> uniform = Bigram(Vocabulary("ab"), np.zeros((3, 3)), np.zeros((3, 3), np.int64))
    >>> score_words(uniform, ["ab", "a"]).total / np.log(3)
    array([3., 2.])
    """
    return score_lines(model, text_of_words(words))


def score_lines(model: Model, text: str) -> Scores:
    """Return how surprising each line is; every line ends with a line feed."""
    ids = model.vocabulary.encode_lines(text)
    # 0 - x, for -x would make -0.0 of what is certain
    nats = 0.0 - model.symbol_log_probabilities(ids)
    return Scores(text, ids, nats, np.flatnonzero(ids == BOUNDARY), model.vocabulary.cut)


def joined_scores(parts: Sequence[Scores]) -> Scores:
    """Return the scores of several blocks in one."""
    before = np.cumsum([0, *(len(part.ids) for part in parts)])[:-1]
    return Scores(
        "".join(part.text for part in parts),
        np.concatenate([part.ids for part in parts]),
        np.concatenate([part.nats for part in parts]),
        np.concatenate([part.ends + n for part, n in zip(parts, before, strict=True)]),
        parts[0].cut,
    )


def transition_scores(model: Model, word: str) -> Floats:
    """Return the surprisal of each symbol of a word, its end included, (len(word) + 1,).

    nan where the character, or one that the model looks back to, is not in the vocabulary.
    """
    return score_words(model, [word]).nats


def evaluate(model: Model, texts: Iterable[str]) -> Totals:
    """Return the totals of all words in blocks of text, as ``Corpus.read`` gives them.

    Raises ``CorpusError`` where a block does not end with a line feed.
    """
    words = (lines_with_words(lines).text for lines in blocks_of_lines(texts))
    return sum((score_lines(model, text).totals for text in words), Totals())


def log_ratios(own: Scores, other: Scores) -> Floats:
    """Return log(P_own(word) / P_other(word)) of the same words by two models, in nats, (n,).

    Above zero where the first model finds the word likelier; zero also where it is impossible for
    both, and nan where one of them does not know a character.
    """
    with np.errstate(invalid="ignore"):  # inf - inf is mended below
        ratios = np.asarray(other.total - own.total)
    ratios[np.isposinf(own.total) & np.isposinf(other.total)] = 0.0
    return ratios


@dataclass(frozen=True)
class Choices:
    """The numbers of words that each of two models finds likelier; choices of parts add up."""

    own: int = 0
    other: int = 0
    ties: int = 0

    @classmethod
    def of(cls, ratios: Floats, weights: Integers | None = None) -> "Choices":
        """Return the choices of words by their log-likelihood ratios, (n,); nan is none.

        Each word counts as often as its weight says, (n,); once without them.
        """
        if weights is None:
            weights = np.ones(len(ratios), np.int64)
        return cls(*(int(weights[own].sum()) for own in (ratios > 0, ratios < 0, ratios == 0)))

    def __add__(self, more: "Choices") -> "Choices":
        return Choices(self.own + more.own, self.other + more.other, self.ties + more.ties)

    @property
    def words(self) -> int:
        """The number of words that both models know."""
        return self.own + self.other + self.ties

    @property
    def share(self) -> float:
        """The share that the first model finds likelier, ties half; nan without words."""
        return (self.own + self.ties / 2) / self.words if self.words else math.nan


def accuracy(own_words: Choices, other_words: Choices) -> float:
    """Return the mean share of both lists' words that their own model finds likelier.

    Each list counts the same, however long it is, so guessing reaches one half.
    """
    return (own_words.share + 1.0 - other_words.share) / 2


def roc_auc(positive: npt.ArrayLike, negative: npt.ArrayLike) -> float:
    """Return the area under the ROC curve of two samples of scores, (n,) and (m,).

    That is the probability that a positive one scores higher than a negative one, ties half
    (the statistic of Mann and Whitney 1947). Raises ``OptionError`` for no score, or one of nan.

    >>> roc_auc([2.0, 3.0], [1.0, 2.0])
    0.875
    """
    values, ranked = np.asarray(positive, np.float64), np.sort(np.asarray(negative, np.float64))
    if not (values.size and ranked.size) or np.isnan(values).any() or np.isnan(ranked).any():
        raise OptionError("there is no score, or one is nan: expected numbers of both kinds")
    below = np.searchsorted(ranked, values, "left") + np.searchsorted(ranked, values, "right")
    return float(below.mean() / (2 * len(ranked)))
