"""From a corpus to a trained model. It never prints.

``train`` is the whole way; ``gradient_descent`` is the heart of it for the bigram. Its objective is
the mean cross-entropy in nats per symbol plus ``l2 * mean(W**2)``. It is convex in W, and its
curvature has a bound: along any direction the Hessian of row i is at most half the row's share of
the symbols (the largest eigenvalue of diag(p) - p p^T is at most 1/2, Boehning 1992, "Multinomial
logistic regression algorithm"). No row's loss depends on another row, so each takes steps of one
over its own bound. By itself such a step never raises the loss, whatever the corpus, and what
follows a rare symbol is learnt as fast as what follows a frequent one. Nesterov's momentum makes
them fast (Nesterov 1983; here W is the point that it looks ahead to, as in Bengio et al. 2012,
"Advances in optimizing recurrent networks"). A learning rate that the user names is taken as given,
the same for all rows, and the descent is then the plain one of the textbooks.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple

import numpy as np

from makemore.arrays import Counts, Floats
from makemore.counting.bigrams import BigramCounts, count_bigrams, id_blocks
from makemore.counting.ngrams import MAX_ORDER, MIN_ORDER, NgramCounter
from makemore.data.corpus import Corpus, CorpusFacts, Progress, unchanged
from makemore.errors import OptionError, TrainingError
from makemore.evaluation.calibration import calibrate
from makemore.models.base import Model
from makemore.models.bigram import (
    Bigram,
    closed_form_minimum,
    collapsed_loss,
    collapsed_loss_and_gradient,
    weights_from_counts,
)
from makemore.models.ngram import (
    MAX_SMOOTHING,
    SMOOTHING_METHODS,
    Ngram,
    loss_on_counts,
    train_ngram,
)

ALWAYS_APPLICABLE = {"model", "method", "holdout", "min_count"}
"""The options that decide something whatever the model."""

_CACHED = 1 << 16  # numbers of 64 bits: the few arrays of a step fit into the second cache


@dataclass(frozen=True)
class TrainingRecord:
    """How a model was trained and what came of it. Losses are means in nats per symbol.

    Attributes
    ----------
    method : str
        "gradient" or "counts".
    options : dict of str to JSON values
        Those ``TrainingOptions`` that decided the result, such as steps, l2, holdout, by name.
    seed : int
    seconds : float
        Wall time of reading and training.
    training_loss : float
    held_out_loss : float or None
        None where nothing was held out; infinite where the model excludes a held-out word.
    minimum : float or None
        The closed-form minimum of the training loss, where the model has one.
    loss_history : array of shape (steps,), float64
        The training objective before each step.
    calibration : array of shape (k, 2), float64
        Scores of held-out words, as ``calibrate`` returns them.
    """

    options: dict[str, Any]
    seconds: float
    training_loss: float
    held_out_loss: float | None
    minimum: float | None
    loss_history: Floats
    calibration: Floats = field(default_factory=lambda: np.zeros((0, 2)))

    @property
    def method(self) -> str:
        """How the model was trained: "gradient" or "counts"."""
        return TrainingOptions(**self.options).method

    @property
    def seed(self) -> int:
        """The seed of the training, 0 where it needed none."""
        return TrainingOptions(**self.options).seed


@dataclass(frozen=True)
class Checkpoint:
    """A trained model and its history: enough on its own, without the corpus."""

    model: Model
    corpus: CorpusFacts
    training: TrainingRecord


_KINDS: dict[Any, tuple[tuple[type, ...], str]] = {
    str: ((str,), "a text"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    float | None: ((int, float, type(None)), "a number"),
}


@dataclass(frozen=True)
class TrainingOptions:
    """What decides the result of a training beside the corpus.

    Attributes
    ----------
    model : str
        A key of ``TRAINERS``.
    method : str
        "gradient" descends from random weights, "counts" needs no descent. Without one it is the
        first of the model's.
    steps : int
        Of gradient descent.
    learning_rate : float, optional
        As in ``gradient_descent``.
    l2 : float
        The weight of mean(W**2) in the objective of gradient descent.
    smoothing : float
        What "counts" adds to every count; for the n-gram only if it is smoothed additively.
    order : int
        Of the n-gram: its context and the next symbol, 2 to 10.
    smoothing_method : str
        Of the n-gram, a key of ``SMOOTHING_METHODS``.
    holdout : float
        The share of the distinct words to hold out, 0 <= holdout < 1.
    min_count : int
        Words that hold a character rarer than this are left out.
    seed : int
        Of the random weights that gradient descent starts from.

    Raises
    ------
    OptionError
        An option is out of its range.
    """

    model: str = "bigram"
    method: str = ""
    steps: int = 100
    learning_rate: float | None = None
    l2: float = 0.0
    smoothing: float = 1.0
    order: int = 5
    smoothing_method: str = "kneser-ney"
    holdout: float = 0.1
    min_count: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for option in fields(self):
            value, (kinds, expected) = getattr(self, option.name), _KINDS[option.type]
            # not isinstance: a bool is no number here
            _check(type(value) in kinds, option.name.replace("_", "-"), value, expected)
        _check(self.model in TRAINERS, "model", self.model, f"one of {', '.join(TRAINERS)}")
        methods = list(TRAINERS[self.model].methods)
        object.__setattr__(self, "method", self.method or methods[0])
        _check(self.method in methods, "method", self.method, " or ".join(methods))
        _check(self.steps >= 1, "steps", self.steps, "1 or more")
        rate = self.learning_rate
        _check(rate is None or 0 < rate < math.inf, "learning-rate", rate, "above 0 and finite")
        _check(0 <= self.l2 < math.inf, "l2", self.l2, "0 or more and finite")
        smoothing = self.smoothing
        _check(
            0 <= smoothing <= MAX_SMOOTHING, "smoothing", smoothing, f"from 0 to {MAX_SMOOTHING:g}"
        )
        _check(
            MIN_ORDER <= self.order <= MAX_ORDER,
            "order",
            self.order,
            f"from {MIN_ORDER} to {MAX_ORDER}",
        )
        known = SMOOTHING_METHODS
        _check(
            self.smoothing_method in known,
            "smoothing-method",
            self.smoothing_method,
            f"one of {', '.join(known)}",
        )
        _check(0 <= self.holdout < 1, "holdout", self.holdout, "0 or more and below 1")
        _check(self.min_count >= 1, "min-count", self.min_count, "1 or more")
        _check(0 <= self.seed < 1 << 128, "seed", self.seed, "0 or more and of at most 128 bits")

    def refuse_inapplicable(self, names: Iterable[str]) -> None:
        """Raise ``OptionError`` for an option of these that decides nothing here."""
        for name in sorted(names):
            if name not in self.applicable():
                raise OptionError(
                    f"--{name.replace('_', '-')} has no effect on --model {self.model} by"
                    f" --method {self.method}"
                )

    def applicable(self) -> dict[str, Any]:
        """Return the options that decide something for this model and method."""
        names = ALWAYS_APPLICABLE | TRAINERS[self.model].methods[self.method]
        if self.model == Ngram.name and self.smoothing_method != "additive":
            names = names - {"smoothing"}
        return {name: value for name, value in asdict(self).items() if name in names}


def _check(holds: bool, name: str, value: object, expected: str) -> None:
    if not holds:
        raise OptionError(f"--{name} is {value} and must be {expected}")


class Step(NamedTuple):
    """One step of the descent.

    Attributes
    ----------
    number : int
        0 for the first.
    objective : float
        Of the weights before the step, in nats per symbol.
    weights : array of shape (V, V)
        After the step.
    """

    number: int
    objective: float
    weights: Floats


OnStep = Callable[[Step], bool | None]
"""Called after each step; training ends early, with what is learnt, when it returns True."""


def train(
    corpus: Corpus,
    options: TrainingOptions | None = None,
    *,
    jobs: int | None = None,
    on_read: Progress | None = None,
    on_step: OnStep | None = None,
    count: Callable[..., BigramCounts] = count_bigrams,
) -> Checkpoint:
    """Return a model trained on the corpus, with its history.

    Parameters
    ----------
    corpus : Corpus
    options : TrainingOptions
    jobs : int, optional
        Processes that count; all processors without it. The result is the same for any number.
    on_read : callable, optional
        Called with the bytes read so far and, where it is known, how many there are in all.
    on_step : callable, optional
        Called after each step of gradient descent.
    count : callable
        What counts the pairs, called like ``count_bigrams``: perhaps elsewhere.

    Raises
    ------
    CorpusError
        The corpus cannot be read, or holds no word to train on.
    TrainingError
        The descent diverged.
    """
    options = options or TrainingOptions()
    started = time.perf_counter()
    trainer = TRAINERS[options.model]
    with _for_two_passes(corpus) if trainer.reads_again else nullcontext(corpus) as text:
        counts = count(text, options.holdout, options.min_count, jobs=jobs, progress=on_read)
        outcome = trainer.train(text, counts, options, on_step)
    facts, sample = counts.facts, counts.sample
    del counts  # whose tables are large where symbols are many
    calibration = calibrate(outcome.model, sample.words)
    record = TrainingRecord(
        options=options.applicable(),
        seconds=time.perf_counter() - started,
        training_loss=outcome.training_loss,
        held_out_loss=outcome.held_out_loss,
        minimum=outcome.minimum,
        loss_history=outcome.loss_history,
        calibration=calibration,
    )
    return Checkpoint(outcome.model, facts, record)


@contextmanager
def _for_two_passes(corpus: Corpus) -> Iterator[Corpus]:
    """Give a corpus that can be read twice and is the same both times."""
    with unchanged(corpus), corpus.rereadable() as text:
        yield text


class _Outcome(NamedTuple):
    """What training one kind of model gives; see ``TrainingRecord`` for the losses."""

    model: Model
    loss_history: Floats
    training_loss: float
    held_out_loss: float | None
    minimum: float | None = None


def _train_bigram(
    corpus: Corpus, counts: BigramCounts, options: TrainingOptions, on_step: OnStep | None
) -> _Outcome:
    N, held_out = counts.training, counts.held_out
    if options.method == "counts":
        W, history = weights_from_counts(N, options.smoothing), np.zeros(0)
    else:
        W, history = _descend(N, options, on_step)
    training_loss = collapsed_loss(W, N)
    held_out_loss = collapsed_loss(W, held_out) if held_out.any() else None
    if options.method == "gradient" and not math.isfinite(training_loss + (held_out_loss or 0.0)):
        # Finite weights so far apart that a pair which occurs has the probability zero.
        raise _divergence(_first_rise(history), options.learning_rate)
    return _Outcome(
        Bigram(counts.vocabulary, W, N),
        history,
        training_loss,
        held_out_loss,
        minimum=closed_form_minimum(N),
    )


def _train_ngram(
    corpus: Corpus, counts: BigramCounts, options: TrainingOptions, on_step: OnStep | None
) -> _Outcome:
    V = len(counts.vocabulary)
    training, held_out = (NgramCounter(V, options.order) for _ in range(2))
    for training_ids, held_out_ids in id_blocks(corpus, counts.vocabulary, options.holdout):
        training.add(training_ids)
        held_out.add(held_out_ids)
    model = train_ngram(
        training.counts(), counts.vocabulary, options.smoothing_method, options.smoothing
    )
    held_out_counts = held_out.counts()
    held_out_loss = loss_on_counts(model, held_out_counts) if held_out_counts.symbols else None
    return _Outcome(model, np.zeros(0), model.training_loss(), held_out_loss)


def _descend(N: Counts, options: TrainingOptions, on_step: OnStep | None) -> tuple[Floats, Floats]:
    """Return the weights after the descent, (V, V), and the objective before each step."""
    W = initial_weights(len(N), options.seed)
    history = []
    for step in gradient_descent(
        N, W, steps=options.steps, learning_rate=options.learning_rate, l2=options.l2
    ):
        W = step.weights
        history.append(step.objective)
        if on_step and on_step(step):
            break
    return W, np.array(history)


class Trainer(NamedTuple):
    """How one kind of model is trained.

    Attributes
    ----------
    train : callable
        Takes the corpus, its counts, the options and ``on_step``.
    methods : dict of str to set of str
        The options that decide something by each method, the default first.
    reads_again : bool
        Whether the counts of pairs are not enough, and the corpus is read once more.
    """

    train: Callable[[Corpus, BigramCounts, TrainingOptions, OnStep | None], _Outcome]
    methods: dict[str, set[str]]
    reads_again: bool = False


TRAINERS = {
    Bigram.name: Trainer(
        _train_bigram,
        {"gradient": {"steps", "learning_rate", "l2", "seed"}, "counts": {"smoothing"}},
    ),
    Ngram.name: Trainer(
        _train_ngram, {"counts": {"order", "smoothing_method", "smoothing"}}, reads_again=True
    ),
}
"""What trains each model. A new model adds one entry here beside the one in ``MODELS``."""


def initial_weights(V: int, seed: int) -> Floats:
    """Return weights drawn uniformly from [-1, 1), shape (V, V), the same on every machine."""
    raw = np.random.PCG64(seed).random_raw(V * V)
    weights: Floats = (raw >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0
    return weights.reshape(V, V)


def row_curvatures(N: Counts, l2: float = 0.0) -> Floats:
    """Return a bound on the curvature of the objective along each row of W, (V, V) -> (V, 1).

    Half of the row's share of the pairs N, for the loss, and 2 * l2 / V**2. It holds for every W.
    """
    return np.asarray(0.5 * N.sum(axis=1, keepdims=True) / N.sum() + 2.0 * (l2 / N.size))


def gradient_descent(
    N: Counts,
    weights: Floats,
    *,
    steps: int,
    learning_rate: float | None = None,
    l2: float = 0.0,
) -> Iterator[Step]:
    """Yield ``steps`` steps of descent from ``weights`` on counts N, both of shape (V, V).

    With a learning rate, plain gradient descent: ``W -= learning_rate * d_W``. Without one, each
    row has a rate of one over its ``row_curvatures``, and Nesterov's momentum is added.

    Raises
    ------
    TrainingError
        The objective or a weight stopped being a finite number; names the step.
    """
    if learning_rate is None:
        rates = _inverses(row_curvatures(N, l2))
    else:
        rates = np.full((len(N), 1), learning_rate, np.float64)
    weights = np.asarray(weights, np.float64)
    n, decay = int(N.sum()), l2 / N.size
    bands = [_Band(N, rows, n, rates, decay) for rows in _bands(len(N))]
    for number in range(steps):
        momentum = number / (number + 3) if learning_rate is None else 0.0
        before = weights
        weights = np.empty(N.shape)  # for the caller has the one before
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is reported below
            objective = sum(band.step(before, weights, momentum) for band in bands)
        if not math.isfinite(objective):
            raise _divergence(number, learning_rate)
        yield Step(number, objective, weights)


class _Band:
    """Some rows on their way down, so few that what a step calculates stays in the cache.

    Parameters
    ----------
    N : array of shape (V, V)
    rows : slice
        The R rows of this band.
    n : int
        The sum of N.
    rates : array of shape (V, 1)
    decay : float
        The weight of sum(W**2) in the objective.
    """

    def __init__(self, N: Counts, rows: slice, n: int, rates: Floats, decay: float) -> None:
        self._rows = rows
        self._counts = N[rows].astype(np.float64)
        self._row_sums = self._counts.sum(axis=1, keepdims=True)
        self._n = n
        self._rates = rates[rows]
        self._decay = decay
        self._ahead = np.zeros(self._counts.shape)  # how far momentum has carried the rows

    def step(self, before: Floats, after: Floats, momentum: float) -> float:
        """Take a step from ``before`` and write it to ``after``, two arrays of shape (V, V).

        Return what the rows of ``before`` add to the objective; nan where one of ``after`` has a
        weight that is not a finite number.
        """
        W, updated, ahead = before[self._rows], after[self._rows], self._ahead
        objective, d_W = collapsed_loss_and_gradient(W, self._counts, self._row_sums, self._n)
        if self._decay:
            objective += self._decay * float(np.vdot(W, W))
            d_W += 2.0 * self._decay * W
        d_W *= self._rates
        np.subtract(W, d_W, out=updated)
        ahead -= d_W
        ahead *= momentum
        updated += ahead
        return objective if np.isfinite(updated).all() else math.nan


def _bands(V: int) -> Iterator[slice]:
    """Return slices of V rows of V numbers, each small enough for the cache."""
    height = max(1, _CACHED // V)
    return (slice(start, start + height) for start in range(0, V, height))


def _inverses(curvatures: Floats) -> Floats:
    """Return one over each; 0 where nothing curves, for there is nothing to learn."""
    smallest = np.finfo(np.float64).tiny  # one over less would be infinite
    return np.divide(1.0, curvatures, out=np.zeros_like(curvatures), where=curvatures >= smallest)


def _first_rise(history: Floats) -> int:
    """Return the first step whose objective is above that of the start, or how many there are."""
    risen = np.flatnonzero(history > history[0])
    return int(risen[0]) if len(risen) else len(history)


def _divergence(step: int, learning_rate: float | None) -> TrainingError:
    rate, advice = "", ""
    if learning_rate is not None:
        rate = f" with learning rate {learning_rate:g}"
        advice = "; train with a smaller --learning-rate or without one"
    return TrainingError(
        f"the loss diverged at step {step}{rate}: it is no longer a finite number{advice}"
    )
