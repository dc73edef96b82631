"""Scores words block by block, and formats the results as text or as JSON. It prints nothing."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any

import numpy as np
import numpy.typing as npt

from makemore.arrays import Flags, Floats, Hashes, Indices, Integers
from makemore.data.corpus import reading_of
from makemore.data.holdout import hash_words
from makemore.data.sketch import NOTHING, sketch_with
from makemore.data.text import Lines, blocks_of_lines, lines_with_words, refuse_one_text
from makemore.errors import shown
from makemore.evaluation.calibration import Calibration, regularity_sample
from makemore.evaluation.columns import Characters, decimals, join, texts, with_rows
from makemore.evaluation.losses import (
    Choices,
    Scores,
    Totals,
    as_json,
    joined_scores,
    log_ratios,
    score_lines,
    score_words,
)
from makemore.evaluation.rank import RankEstimator
from makemore.models.base import Model
from makemore.training.record import Checkpoint

BLOCK = 1 << 16
"""The bytes of text that are scored at a time: the arrays of a block stay in the cache."""

LARGE_BLOCK = 1 << 18
"""The same for models that see the whole word: words of a block share their beginnings."""

_NATS_PER_STEP = 1.5
_BACKGROUNDS = (0, 230, 229, 222, 215, 209, 203, 196)
"""Of the 256-colour palette, from none over pale yellow to red, one for each step of surprisal."""


@dataclass(frozen=True)
class Summary:
    """Sums over many words; the summaries of parts add up.

    Attributes
    ----------
    totals : Totals
    flagged : int
        Words too surprising for the rate asked for, or with an unknown character.
    unresolved : int
        Words of a length at which no word can be flagged at that rate.
    blank : int
        Lines without a word.
    choices : tuple of Choices
        Between this model and each of the others.
    sketch : array of hashes
        Of the words as the model reads them; see ``sketch.py``.
    has_capitals : bool
        Whether one of the unknown characters is a capital.
    """

    totals: Totals = field(default_factory=Totals)
    flagged: int = 0
    unresolved: int = 0
    blank: int = 0
    choices: tuple[Choices, ...] = ()
    sketch: Hashes = field(default_factory=NOTHING.copy, compare=False)
    has_capitals: bool = False

    def __add__(self, more: "Summary") -> "Summary":
        pairs = zip_longest(self.choices, more.choices, fillvalue=Choices())
        return Summary(
            self.totals + more.totals,
            self.flagged + more.flagged,
            self.unresolved + more.unresolved,
            self.blank + more.blank,
            tuple(one + other for one, other in pairs),
            sketch_with(self.sketch, more.sketch),
            self.has_capitals or more.has_capitals,
        )


@dataclass(frozen=True)
class Judgement:
    """A block of n words and the results for each of them.

    Attributes
    ----------
    scores : Scores
        Of the words as the model reads them, perhaps in lower case.
    words : list of str
        The words as they were given.
    numbers : array of shape (n,)
        Of their lines, from 1.
    files : array of shape (n,), optional
        The names of the files in which these lines stand, where there are several.
    p_values : array of shape (n,), optional
        As ``Calibration.p_values`` gives them.
    fpr : float
        The false-positive rate asked for: words with a p-value up to this are flagged.
    smallest : array of shape (n,), optional
        The smallest p-value that words of each length can have.
    ratios : array of shape (n, others), optional
        As ``log_ratios`` gives them for each of the other models.
    weights : array of shape (n,), optional
        How often each word counts in the summary.
    ranker : RankEstimator, optional
        Of the same model: adds the guess ranks and their standard errors.
    is_regular : array of shape (n,), optional
        Whether a word's p-value is that of its regularity rather than of its surprisal.
    blank : int
        How many lines without a word stand among theirs.
    sketch : array of hashes
        Of these words and those before them.
    """

    scores: Scores
    words: list[str]
    numbers: Integers
    files: npt.NDArray[np.object_] | None = None
    p_values: Floats | None = None
    fpr: float = 0.0
    smallest: Floats | None = None
    ratios: Floats | None = None
    weights: Integers | None = None
    ranker: RankEstimator | None = None
    is_regular: Flags | None = None
    blank: int = 0
    sketch: Hashes = field(default_factory=NOTHING.copy)

    @property
    def flagged(self) -> Flags:
        """Which words are too surprising, too regular, or hold an unknown character, (n,)."""
        if self.p_values is None:
            return np.zeros(len(self.scores), np.bool_)
        return np.asarray(~(self.p_values > self.fpr))

    @property
    def summary(self) -> Summary:
        """The sums over all words."""
        totals = self.scores.weighted_totals(self.weights)
        weights = np.ones(len(self.scores), np.int64) if self.weights is None else self.weights
        ratios = () if self.ratios is None else self.ratios.T
        choices = tuple(Choices.of(of_one, weights) for of_one in ratios)
        unresolved = 0
        if self.smallest is not None and self.p_values is not None:
            # an unknown character is flagged at any rate
            is_passed = (self.smallest > self.fpr) & ~np.isnan(self.p_values)
            unresolved = int(weights[is_passed].sum())
        flagged = int(weights[self.flagged].sum())
        has_capitals = any(map(str.isupper, self.scores.unknown.values()))
        return Summary(totals, flagged, unresolved, self.blank, choices, self.sketch, has_capitals)

    def chosen(self, rows: Indices) -> "Judgement":
        """Return the words with these numbers, in this order."""
        per_word = ("numbers", "files", "p_values", "smallest", "ratios", "weights", "is_regular")
        arrays = {name: getattr(self, name) for name in per_word}
        return replace(
            self,
            scores=self.scores.chosen(rows),
            words=[self.words[i] for i in rows.tolist()],
            **{name: array[rows] for name, array in arrays.items() if array is not None},
        )

    def rows(self, only: str | None = None) -> npt.NDArray[np.intp]:
        """Return the numbers of the words that are "flagged" or "passed", or of all."""
        if only is None:
            return np.arange(len(self.scores))
        return np.flatnonzero(self.flagged == (only == "flagged"))

    def table(
        self,
        only: str | None = None,
        *,
        explain: str | None = None,
        escape: bool = False,
        line_numbers: bool = False,
        unknown: bool = True,
    ) -> str:
        """Return a line per word: columns, a tab behind each, then the word.

        The columns are the total and the mean surprisal; with p-values those, and the flag; with
        ratios those; with a ranker the rank and its error, the rank of a word that is rarer than
        all draws behind a ``>``; and a character that the model does not know, - where it knows
        all. The numbers of a word with such a character are ``nan``.

        Parameters
        ----------
        only : str, optional
            "flagged" or "passed": the others are left out.
        explain : str, optional
            "nats" adds a column with the surprisal of each symbol, "colours" paints the word by it.
        escape : bool
            Write control characters in words as escapes, as "colours" always does.
        line_numbers : bool
            Put the number of its line before each word's columns, and its file before that.
        unknown : bool
            Whether there is a column for unknown characters.
        """
        rows, columns, words = self.rows(only), self._columns(unknown), self.words
        if only is not None:  # else all stay as they are, which saves a tenth of the time
            columns = [column[rows] for column in columns]
            words = [words[i] for i in rows.tolist()]
        if line_numbers:
            columns.insert(0, texts([str(number) for number in self.numbers[rows].tolist()]))
            if self.files is not None:
                columns.insert(0, texts([shown(file) for file in self.files[rows].tolist()]))
        if explain is None and not escape:
            return join(columns, "\n".join([*words, ""]))
        lines = [shown(word) for word in words] if escape else words
        if explain is not None:
            nats = self.scores.split_nats()
            chosen = [nats[i].tolist() for i in rows.tolist()]
            if explain == "colours":
                read = [self.scores.cut(self.scores.words[i]) for i in rows.tolist()]
                lines = list(map(_painted_as_given, words, read, chosen))
            else:
                lines = list(map(_with_nats, lines, chosen))
        return join(columns, "".join(line + "\n" for line in lines))

    def json_lines(self, only: str | None = None, *, explain: bool = False) -> str:
        """Return a JSON object per line and word.

        All have the same keys. JSON has no infinity: an infinite surprisal is "infinite". The
        numbers of a word with an unknown character, which stands under "unknown", are null.
        """
        nats = self.scores.split_nats() if explain else None
        values = self._values()
        lines = []
        for i in self.rows(only).tolist():
            record = {name: value[i] for name, value in values.items()}
            record["unknown"] = self.scores.unknown.get(i)
            if nats:
                record["transitions"] = _json_numbers(nats[i])
            lines.append(json.dumps(record, allow_nan=False) + "\n")
        return "".join(lines)

    def _columns(self, unknown: bool) -> list[Characters]:
        columns = [decimals(self.scores.total), decimals(self.scores.mean)]
        if self.p_values is not None:
            flags = texts(["passed", "flagged", "regular"])[self._reasons()]
            columns += [decimals(self.p_values, 5), flags]
        if self.ratios is not None:
            columns += map(decimals, self.ratios.T)
        if self.ranker:
            ranks, errors, is_beyond = self.ranker.ranks_of(self.scores.total)
            signs = np.where(is_beyond, ">", "").tolist()
            amounts = map(_amount, ranks.tolist())
            columns.append(texts([s + amount for s, amount in zip(signs, amounts, strict=True)]))
            columns.append(texts(list(map(_amount, errors.tolist()))))
        if unknown:
            found = {i: f"'{shown(c)}'" for i, c in self.scores.unknown.items()}
            none = np.full((len(self.scores), 1), ord("-"), np.uint8)
            columns.append(with_rows(none, found))
        return columns

    def _reasons(self) -> Indices:
        """Return 0 for a word that passed, 1 for a flagged one, 2 for one that is too regular."""
        reasons = self.flagged.astype(np.intp)
        return reasons if self.is_regular is None else reasons * (1 + self.is_regular)

    def _values(self) -> dict[str, list[Any]]:
        files = {} if self.files is None else {"file": self.files.tolist()}
        values: dict[str, list[Any]] = {
            **files,
            "line": self.numbers.tolist(),
            "word": self.words,
            "total": _json_numbers(self.scores.total),
            "mean": _json_numbers(self.scores.mean),
            "symbols": self.scores.symbols.tolist(),
        }
        if self.p_values is not None:
            values["p_value"] = _json_numbers(self.p_values)
            values["flagged"] = self.flagged.tolist()
        if self.is_regular is not None:
            values["regular"] = (self._reasons() == 2).tolist()
        if self.ratios is not None:
            each = [_json_numbers(of_one) for of_one in self.ratios.T]
            values["log_ratio"] = each[0] if len(each) == 1 else [*zip(*each, strict=True)]
        if self.ranker:
            ranks, errors, is_beyond = self.ranker.ranks_of(self.scores.total)
            values["rank"], values["rank_error"] = _json_numbers(ranks), _json_numbers(errors)
            values["beyond_draws"] = is_beyond.tolist()
        return values


Reading = Callable[[str], str]
"""Changes text as a model's training corpus was changed; see ``reading_of``."""


def score(source: Model | Checkpoint, words: Sequence[str]) -> Scores:
    """Return how surprising each word is to a model, as ``makemore score`` says it.

    A checkpoint reads the words as its training words were read, in lower case or not; a model
    takes them as they are. ``total`` and ``mean`` of the result are in nats, an array of a number
    for each word. Raises ``VocabularyError`` for a word with a line feed.
    """
    refuse_one_text(words)
    if isinstance(source, Model):
        return score_words(source, words)
    return score_words(source.model, list(map(reading_of(source.corpus), words)))


def judge(
    model: Model,
    blocks: Iterable[str | Lines],
    *,
    file: str = "",
    first: int = 1,
    reading: Reading = str,
    calibration: Calibration | None = None,
    fpr: float = 0.0,
    regular: bool = False,
    others: Sequence[tuple[Model, Reading]] = (),
    ranker: RankEstimator | None = None,
) -> Iterator[Judgement]:
    """Score the words in blocks of text, as ``Corpus.read`` gives them; yield a result a block.

    Parameters
    ----------
    model : Model
    blocks : iterable of str or Lines
        Lines that end with a line feed; blank ones hold no word.
    file : str
        The name of the file that the lines stand in, where there are several.
    first : int
        The number of the first line.
    reading : callable
        How the model reads the words.
    calibration : Calibration, optional
        Of the same model: adds p-values.
    fpr : float
        The false-positive rate to flag words at.
    regular : bool
        Whether words that are too regular are flagged, too: each reason has half of the rate.
    others : sequence of Model and callable
        Adds the log-likelihood ratio to each of these models, which read words in their own ways.
    ranker : RankEstimator, optional
        Of the same model: adds the guess ranks.
    """
    sketch = NOTHING
    for block in blocks_of_lines(blocks):
        lines = block.text.split("\n")[:-1]
        words = list(filter(None, lines))
        numbers = np.arange(first, first + len(lines))
        if len(words) < len(lines):
            numbers = numbers[[bool(line) for line in lines]]
        first += len(lines)
        text, weights = lines_with_words(block)
        scores = score_lines(model, reading(text))
        sketch = sketch_with(sketch, hash_words(model.vocabulary.shortened(scores.text)))
        p_values, is_regular = _judged(scores, calibration, regular)
        yield Judgement(
            scores,
            words,
            numbers,
            files=np.full(len(words), file, object) if file else None,
            p_values=p_values,
            fpr=fpr,
            smallest=_smallest(scores, calibration, regular),
            ratios=_ratios(scores, text, others),
            weights=weights,
            ranker=ranker,
            is_regular=is_regular,
            blank=len(lines) - len(words),
            sketch=sketch,
        )


def _ratios(scores: Scores, text: str, others: Sequence[tuple[Model, Reading]]) -> Floats | None:
    """Return the log-likelihood ratios to other models, (n, others), or None without any."""
    if not others:
        return None
    ratios = [log_ratios(scores, score_lines(model, reading(text))) for model, reading in others]
    return np.stack(ratios, axis=1)


def _judged(
    scores: Scores, calibration: Calibration | None, regular: bool
) -> tuple[Floats | None, Flags | None]:
    """Return the p-values of words, and where they are those of regularity; None if unasked.

    Of two reasons the smaller p-value counts twice (Bonferroni).
    """
    if calibration is None:
        return None, None
    p_values = calibration.p_values(scores)
    if not regular:
        return p_values, None
    regularity = calibration.regularity_p_values(scores.text)
    is_regular = regularity < p_values
    smaller = np.where(is_regular, regularity, p_values)  # nan stays: an unknown character
    return np.minimum(2 * smaller, 1.0), is_regular


def _smallest(scores: Scores, calibration: Calibration | None, regular: bool) -> Floats | None:
    """Return the smallest p-value that a word as long as each can have; None if uncalibrated."""
    if calibration is None:
        return None
    smallest = calibration.smallest(scores.symbols)
    if not regular:
        return smallest
    lengths = regularity_sample(scores.text)[:, 0]
    both = np.minimum(smallest, calibration.smallest_regularity(lengths))
    return np.asarray(np.minimum(2 * both, 1.0))


def strangest_first(judgements: Sequence[Judgement]) -> Judgement:
    """Return all words in one, by falling mean surprisal, those with unknown characters first."""
    together = Judgement(
        joined_scores([part.scores for part in judgements]),
        [word for part in judgements for word in part.words],
        np.concatenate([part.numbers for part in judgements]),
        _joined([part.files for part in judgements]),
        _joined([part.p_values for part in judgements]),
        judgements[0].fpr,
        ratios=_joined([part.ratios for part in judgements]),
        ranker=judgements[0].ranker,
        is_regular=_joined([part.is_regular for part in judgements]),
    )
    mean = together.scores.mean
    return together.chosen(np.lexsort((-mean, ~np.isnan(mean))))


def _joined(parts: Sequence[npt.NDArray[Any] | None]) -> npt.NDArray[Any] | None:
    found = [part for part in parts if part is not None]
    return np.concatenate(found) if len(found) == len(parts) else None


def _amount(number: float) -> str:
    """Return a number of words, of which no more digits are known.

    >>> _amount(24.61), _amount(35_551.4), _amount(7.354e10), _amount(float("nan"))
    ('24.6', '35551', '7.354e+10', 'nan')
    """
    return f"{number:.1f}" if number < 1e3 else f"{number:.0f}" if number < 1e6 else f"{number:.3e}"


def _with_nats(word: str, nats: list[float]) -> str:
    return " ".join(f"{value:.2f}" for value in nats) + f"\t{word}"


def painted(word: Sequence[str], nats: Sequence[float]) -> str:
    """Return the symbols of a word, a space for its end, each on the colour of its surprisal."""
    return "".join(map(_cell, [*map(shown, word), " "], nats))


def _painted_as_given(word: str, read: Sequence[str], nats: Sequence[float]) -> str:
    """Return a word painted by the surprisal of the symbols that the model read in it.

    The word stands behind in parentheses where it has other numbers of characters.
    """
    if "".join(read) == word:
        return painted(read, nats)
    if len(read) == len(word):
        return painted(word, nats)
    return f"{painted(read, nats)} ({shown(word)})"


def _cell(text: str, nats: float) -> str:
    if math.isnan(nats):
        return f"\x1b[7m{text}\x1b[0m"
    step = int(min(nats / _NATS_PER_STEP, len(_BACKGROUNDS) - 1))
    return f"\x1b[30;48;5;{_BACKGROUNDS[step]}m{text}\x1b[0m" if step else text


def _json_numbers(values: Floats) -> list[float | str | None]:
    return [as_json(value) for value in values.round(6).tolist()]
