"""Trains a network by mini-batches of words: steps down the gradient of the loss of each.

A step draws some words, and lowers their mean surprisal, each word weighted by the number of its
lines. Every so often the loss on the validation words is measured, and the parameters with the
lowest are those that are kept. Nothing is decided on held-out words: their loss is measured once,
after everything.

Each step's random numbers follow from the seed and the number of the step, so training that was
interrupted goes on, from what ``Resumption`` holds, as if it had never been.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from makemore.arrays import Floats, available_memory, on_host
from makemore.autodiff import cross_entropy
from makemore.autodiff.tensor import Array, data
from makemore.counting.passes import split_for_validation
from makemore.counting.survey import Survey
from makemore.data.corpus import Corpus, CorpusFacts, unchanged
from makemore.data.holdout import all_held_out
from makemore.data.sketch import distinct_words
from makemore.errors import CheckpointError, CorpusError, OptionError, TrainingError, shown
from makemore.evaluation.calibration import references_of_ids
from makemore.kinds import KINDS
from makemore.models.base import Model
from makemore.models.network import Network, Rows
from makemore.nn.base import ParameterVector
from makemore.nn.optimizers import SGD, Adam, AdamW, Optimizer, RMSProp, clip_by_norm
from makemore.nn.schedules import Schedule, constant, cosine, one_cycle, warm_up
from makemore.training.batches import (
    BLOCK_BYTES,
    HELD_OUT,
    LEFT_OUT,
    TRAINING,
    VALIDATION,
    Batches,
    Words,
    blocks_of,
)
from makemore.training.left_out import ENOUGH
from makemore.training.options import TrainingOptions
from makemore.training.record import Checkpoint, OnStep, Outcome, Position, Resumption, Watch

MEASUREMENTS = 40
"""The maximum number of measurements of the validation loss in a training."""
VALIDATION_SYMBOLS = 1 << 16
"""The maximum number of symbols of validation words: a measurement takes at most a second."""
MEASURED_SYMBOLS = 1 << 20
"""The maximum number of symbols of training or held-out words for the final losses."""
RESERVE, MIN_RESERVE = 0.06, 0.8
"""The share of a time limit, and the minimum in seconds, that a command needs beside training."""
EVALUATION = 0.5
"""The time for a symbol whose loss is measured in the end, in float64, relative to that in a step:
about a third for names, half for long words."""
TOLERANCE = 0.05
"""The share of a time limit by which a training may exceed it before it is stopped."""
TIMED_STEPS = 6
"""The number of steps that are timed to estimate the time of one."""
BYTES_EACH = 32
"""The minimum memory for a parameter in bytes: trainings took 33 to 34, measured at their end."""
STEP_CELLS = 1 << 27
"""The numbers that are kept for a gradient: half a GiB. Larger steps are taken in parts."""


@dataclass(frozen=True)
class NetworkStep:
    """One step of the training of a network.

    Attributes
    ----------
    number : int
        0 for the first.
    steps : int
        The number of steps of the whole training.
    objective : float
        The loss of the mini-batch before the step, in nats per symbol.
    validation : tuple of (int, float), optional
        The last measurement: after how many steps, and the loss in nats per symbol.
    rows : int
        The number of distinct beginnings of words, or distinct contexts, that the step computed.
    snapshot : callable
        Returns the model as it is now.
    fold : int
        Of a network that is trained for calibration, the fold that it leaves out, from 1; else 0.
    """

    number: int
    steps: int
    objective: float
    validation: tuple[int, float] | None
    rows: int
    snapshot: Callable[[], Model]
    fold: int = 0


def train_network(corpus: Corpus, options: TrainingOptions, watch: Watch) -> Outcome:
    """Return the network trained on a corpus; see ``Trainer``."""
    copy_to_device = _copier_to(options.device)
    with unchanged(corpus), corpus.rereadable() as text:
        if options.time_limit is not None:
            return _trained_in_time(text, options, watch)
        survey = watch.survey(text, options)
        with blocks_of(text) as blocks:
            vocabulary = survey.vocabulary
            split = split_for_validation(text, vocabulary, options.holdout, options.validation)
            folds = options.calibration_folds or 0

            def training_of(fold: int) -> _Training | None:
                """Return the training without a fold, from 1; None if no word remains for it."""
                batches = Batches(
                    blocks, vocabulary, split.bounds, options.batch_size, options.seed, fold, folds
                )
                if not len(sample := batches.first_words().some(MEASURED_SYMBOLS)):
                    return None
                resume = None if fold else watch.resume
                return _Training(survey, batches, sample, options, resume, copy_to_device)

            training, left_out = training_of(0), list[Floats]()
            if training is None:
                raise CorpusError(all_held_out(survey.facts.name))
            try:
                if training.descend(watch.on_step):
                    for scores in _scores_of_folds(folds, training_of, watch):
                        left_out.append(scores)  # one by one: those before a failure are kept
            except TrainingError as error:
                if not (watch.on_failure and training.has_measured):
                    raise
                watch.on_failure(error)
            outcome = training.outcome(watch.is_component)
            if left_out:
                return outcome._replace(references=np.concatenate(left_out))
            if folds and outcome.resumption is None:  # none was finished, and none will be
                return outcome._replace(recorded={"calibration_folds": None})
            return outcome


def _trained_in_time(text: Corpus, options: TrainingOptions, watch: Watch) -> Outcome:
    """Return the network that a time limit allows, with its number of steps as a record."""
    started = time.perf_counter()
    survey = watch.survey(text, options)
    watch = watch._replace(surveyed=survey)
    timed, measuring = _within_time(text, options, survey, started)
    deadline = started + options.time_limit * (1 + TOLERANCE) - MIN_RESERVE
    on_step = until(deadline, watch.on_step, measuring)
    outcome = train_network(text, timed, watch._replace(on_step=on_step))
    return outcome._replace(recorded={**outcome.recorded, "steps": timed.steps})


def _scores_of_folds(
    folds: int, training_of: Callable[[int], "_Training | None"], watch: Watch
) -> Iterator[Floats]:
    """Yield scores of training words by networks that leave them out, until one is stopped.

    These networks have seen a little less than the calibrated one, and so find good words a little
    more surprising: too few words are flagged rather than too many.
    """
    for training in filter(None, map(training_of, range(1, 1 + folds))):
        if not training.descend(watch.on_step):
            return
        yield training.scores_of_fold(ENOUGH // folds)


def _copier_to(device: str) -> Callable[[Array], Array]:
    """Return what copies an array to a device. Raises ``OptionError`` where there is none."""
    if device == "cpu":
        return np.array
    try:
        import cupy

        # what is missing shows up here, before a corpus is read
        _ = cupy.ones((1, 1)) @ cupy.ones((1, 1))
    except (ImportError, RuntimeError) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise OptionError(
            f"--device {device} needs an NVIDIA GPU and CuPy, pip install 'cupy-cuda12x[ctk]':"
            f" {shown(reason)}"
        ) from error
    return cupy.array  # type: ignore[no-any-return]


def _within_time(
    corpus: Corpus, options: TrainingOptions, survey: Survey, started: float
) -> tuple[TrainingOptions, float]:
    """Return the options without the time limit, with as many steps as fit into it.

    A few steps are taken to see how long they last. The corpus is read for them, which takes as
    long once more, and the losses are measured, while it trains in a third of the time of steps on
    as many symbols. The second result is how many steps take as long as the measurements at the
    end.
    """
    began, timed = time.perf_counter(), TrainingOptions(**{**options.record(), "time_limit": None})
    seconds = seconds_a_step(corpus, timed, survey)
    now = time.perf_counter()
    left = time_to_train(options.time_limit) - (now - started) - (now - began)
    left /= 1 + (options.calibration_folds or 0)
    facts, once = survey.facts, 1.0
    if len(survey.sketch):
        blocks = 1 + (corpus.size() or 0) // BLOCK_BYTES
        distinct = distinct_words(survey.sketch, options.holdout)
        once = min(1.0, blocks * distinct / facts.lines)
    at_the_end = EVALUATION * steps_on(measured_symbols(facts, once), facts, options.batch_size)
    validated = min(options.validation * once * facts.symbols, VALIDATION_SYMBOLS)
    meanwhile = MEASUREMENTS * steps_on(validated, facts, options.batch_size) / 3
    steps = left / seconds - at_the_end - meanwhile
    steps = max(1, int(min(steps, options.steps)))
    return TrainingOptions(**{**timed.record(), "steps": steps}), at_the_end


def measured_symbols(facts: CorpusFacts, once: float) -> float:
    """Return how many symbols the final losses are measured on.

    A word is measured once in a block of the corpus, however often it repeats; ``once`` is the
    share of all symbols that this leaves.
    """
    parts = (facts.symbols - facts.held_out_symbols, facts.held_out_symbols)
    return sum(min(once * symbols, MEASURED_SYMBOLS) for symbols in parts)


def steps_on(symbols: float, facts: CorpusFacts, batch_size: int) -> float:
    """Return how many steps it takes to train on so many symbols."""
    of_a_step = min(batch_size, facts.lines) * facts.symbols / facts.lines
    return symbols / of_a_step


def until(
    deadline: float | None, on_step: OnStep | None, more: float = 0.0, reserve: float = 0.0
) -> OnStep:
    """Return an ``on_step`` that also ends a training where the machine is slower than expected.

    It ends when ``more`` steps, as slow as those so far, would pass the deadline, a time of
    ``time.perf_counter``, by more than ``reserve`` seconds.
    """
    started, steps = 0.0, -1

    def told(step: Any) -> bool | None:
        """Tell ``on_step`` of the step, and return whether to stop."""
        nonlocal started, steps
        stops = on_step(step) if on_step else None
        now, steps = time.perf_counter(), steps + 1
        started = started or now
        seconds = more * (now - started) / max(1, steps)
        return stops or (deadline is not None and now + max(0.0, seconds - reserve) > deadline)

    return told


def time_to_train(limit: float) -> float:
    """Return how many seconds of a command's time limit a training may take."""
    return limit - reserve_of(limit)


def reserve_of(limit: float) -> float:
    """Return how many seconds of a command's time limit are for what is not training."""
    return float(max(limit * RESERVE, MIN_RESERVE))


def seconds_a_step(corpus: Corpus, options: TrainingOptions, survey: Survey) -> float:
    """Return how long a step of the training of a network takes on this machine."""
    times: list[float] = []

    def note(step: NetworkStep) -> None:
        """Note the time, and end the training after enough steps."""
        times.append(time.perf_counter())
        if len(times) > TIMED_STEPS:
            raise _TimedError

    # of 1,000 steps the 25th is the first after which a loss is measured: this ends before
    options = TrainingOptions(**{**options.record(), "steps": 1_000})
    with suppress(_TimedError):
        train_network(corpus, options, Watch(on_step=note, surveyed=survey))
    return float(np.median(np.diff(times)))


class _TimedError(Exception):
    """Ends a training that only measures time."""


class _Part(NamedTuple):
    """A part of a step.

    Attributes
    ----------
    rows : Rows
    share : float
        Its share of the weight of the step.
    is_last : bool
        Whether it is the last part of the step.
    position : Position
        The position of the step's words in the corpus.
    """

    rows: Rows
    share: float
    is_last: bool
    position: Position


class _Training:
    """A network in training: its parameters, the best ones so far, and the histories."""

    def __init__(
        self,
        survey: Survey,
        batches: Batches,
        sample: Words,
        options: TrainingOptions,
        resume: Checkpoint | None,
        copy_to_device: Callable[[Array], Array],
    ) -> None:
        self._survey = survey
        self._batches = batches
        self._options = options
        self._validation = batches.words(VALIDATION, VALIDATION_SYMBOLS)
        kind: type[Network] = KINDS[options.model].load_model()
        values = kind.values_for(options.values, int(sample.lengths.max()) - 1)
        batches.longest = values.get("longest")
        V = len(survey.vocabulary)
        cells = kind.cells_per_symbol(values) + 6 * V  # with counts and logits, and their gradients
        self._part = max(1, STEP_CELLS // cells)
        self._refuse_endless_words(sample)
        _refuse_beyond_memory(kind(survey.vocabulary, values))  # of zeros, which take none
        self._model = kind(survey.vocabulary, values, np.random.default_rng(options.seed))
        self._optimizer = _optimizer(options)
        self._schedule = schedule_of(options)
        self._losses: list[float] = []
        self._measured: list[tuple[int, float]] = []
        self._best: Mapping[str, Array] | None = None
        if resume:
            self._resume(resume)
        self._model.move(copy_to_device)
        averages = self._optimizer.averages.items()
        self._optimizer.averages = {name: copy_to_device(average) for name, average in averages}
        self._vector = ParameterVector(self._model.parameters())
        self._position = batches.position
        self._parts = self._all_parts()
        self._part_ahead = next(self._parts, None)

    def descend(self, on_step: Callable[[Any], bool | None] | None) -> bool:
        """Take all steps, or return False where ``on_step`` stops. Raises ``TrainingError``."""
        return not any(on_step and on_step(step) for step in self.steps())

    def steps(self) -> Iterator[NetworkStep]:
        """Take the steps one by one. Raises ``TrainingError`` where a number is not finite."""
        steps, every = self._options.steps, max(1, math.ceil(self._options.steps / MEASUREMENTS))
        while (number := len(self._losses)) < steps and not self._is_out_of_patience():
            generator = np.random.default_rng([self._options.seed, 2, number])
            with np.errstate(all="ignore"):  # numbers that are not finite are reported below
                loss, rows = self._step(number, generator)
            self._losses.append(loss)
            if (number + 1) % every == 0 or number + 1 == steps:
                self._measure()
            last = self._measured[-1] if self._measured else None
            fold = self._batches.fold
            yield NetworkStep(number, steps, loss, last, rows, self._snapshot, fold)

    @property
    def has_measured(self) -> bool:
        """Whether there are parameters whose validation loss is known."""
        return bool(self._measured)

    def _step(self, number: int, generator: np.random.Generator) -> tuple[float, int]:
        """Take a step on the next words; return their loss before it, and how many rows it took."""
        loss, rows = self._set_gradient(generator)
        gradient = self._vector.gradient
        norm = clip_by_norm(gradient, self._options.clip or math.inf)
        if not math.isfinite(loss + norm):
            raise self._divergence("the gradient" if math.isfinite(loss) else "the loss")
        self._optimizer.learning_rate = self._schedule(number)
        self._optimizer.step(self._vector.values, gradient)
        if self._part_ahead:
            self._position = self._part_ahead.position
        return loss, rows

    def _divergence(self, what: str) -> TrainingError:
        return TrainingError(
            f"{what} is not a finite number at step {len(self._losses)}, with learning rate"
            f" {self._optimizer.learning_rate:g}: train with a smaller --learning-rate"
        )

    def _set_gradient(self, generator: np.random.Generator) -> tuple[float, int]:
        """Set the gradient of the mean surprisal of the next words, in parts if they are many."""
        loss, count, is_last = 0.0, 0, False
        gradient: Array | None = None  # of the parts so far; a step in one part needs no sum
        while not is_last:
            assert self._part_ahead is not None
            rows, share, is_last, _ = self._part_ahead
            logits = self._model.training_logits(rows, generator)
            objective = cross_entropy(logits, rows.counts)
            self._vector.backward(objective)
            self._part_ahead = next(self._parts, None)  # a device works meanwhile, until asked
            loss += objective.item() * share
            count += len(rows.counts)
            if gradient is not None or not is_last:
                own = self._vector.gradient * self._vector.gradient.dtype.type(share)
                gradient = own if gradient is None else gradient + own
        if gradient is not None:
            self._vector.gradient[:] = gradient
        return loss, count

    def _all_parts(self) -> Iterator[_Part]:
        """Yield the parts of all steps. Raises ``TrainingError`` for a word that is too long."""
        for _ in range(len(self._losses), self._options.steps):
            position, words = self._batches.position, self._batches.next()
            self._refuse_endless_words(words)
            parts = list(words.parts(self._part))
            weights = [float(part.symbol_weights.sum()) for part in parts]
            total = sum(weights)
            for part, weight in zip(parts, weights, strict=True):
                rows = self._model.training_rows(*part.row())
                yield _Part(rows, weight / total, part is parts[-1], position)

    def _measure(self) -> None:
        """Measure the validation loss, and keep the parameters if it is the lowest so far."""
        if not len(self._validation):
            return
        self._model.evaluate()
        with np.errstate(all="ignore"):
            loss = self._loss(self._validation)
        self._model.train()
        if not math.isfinite(loss):
            raise self._divergence("the validation loss")
        if not self._measured or loss < min(loss for _, loss in self._measured):
            self._best = self._arrays()
        self._measured.append((len(self._losses), loss))

    def _loss(self, words: Words) -> float:
        """Return the mean surprisal of words in nats per symbol, without dropout."""
        nats = symbols = 0.0
        for part in words.parts(self._part):
            rows = self._model.training_rows(*part.row())
            logits = data(self._model.training_logits(rows, None))
            n = float(rows.counts.sum(dtype=np.float64))
            nats += float(data(cross_entropy(logits, rows.counts))) * n
            symbols += n
        return nats / symbols

    def _is_out_of_patience(self) -> bool:
        """Return whether the last ``patience`` measurements were no better than those before."""
        losses, patience = [loss for _, loss in self._measured], self._options.patience
        return 0 < patience < len(losses) and min(losses[:-patience]) <= min(losses[-patience:])

    def _arrays(self) -> dict[str, Array]:
        """Return the parameters as they are now. Raises ``TrainingError`` for one not finite."""
        arrays = _on_host(self._model.state())
        if not _are_finite(arrays):
            raise self._divergence("a weight")
        return arrays

    def _snapshot(self) -> Model:
        return self._with(self._arrays())

    def _with(self, arrays: Mapping[str, Array]) -> Model:
        """Return the model with these parameters."""
        model = self._model
        return type(model).from_arrays(model.vocabulary, model.options(), arrays)

    def scores_of_fold(self, count: int) -> Floats:
        """Return scores of at most so many words that were left out, as ``calibrate`` does."""
        best = self._with(self._best or self._arrays())
        # a longer word than the network has positions says nothing of one that has more
        words = self._batches.words(LEFT_OUT, MEASURED_SYMBOLS, best.longest_word)
        ids, _ = words.chosen(slice(None, None, max(1, -(-len(words) // count)))).row()
        return references_of_ids(ids, 0.0 - best.symbol_log_probabilities(ids))

    def outcome(self, is_component: bool) -> Outcome:
        """Return the best model, its losses and histories, and what a resumption needs.

        See ``Watch`` for the losses of a component.
        """
        best = self._with(self._best or self._arrays())
        return Outcome(
            model=best,
            survey=self._survey,
            loss_history=np.array(self._losses),
            training_loss=math.nan if is_component else training_loss(best, self._batches),
            held_out_loss=None if is_component else held_out_loss(best, self._batches),
            validation_history=np.array(self._measured, np.float64).reshape(-1, 2),
            resumption=self._resumption(),
        )

    def _resumption(self) -> Resumption | None:
        """Return what a resumption needs; None after the end, or where its numbers are infinite."""
        if len(self._losses) == self._options.steps or self._is_out_of_patience():
            return None
        state, averages = _on_host(self._model.state()), _on_host(self._optimizer.averages)
        if not (_are_finite(state) and _are_finite(averages)):
            return None
        return Resumption(self._position._asdict(), state, averages)

    def _resume(self, checkpoint: Checkpoint) -> None:
        """Go on where an earlier training was interrupted. Raises ``CheckpointError``."""
        found, record = checkpoint.resumption, checkpoint.training
        assert found is not None
        if checkpoint.corpus.sha256 != self._survey.facts.sha256:
            raise CheckpointError(
                f"the interrupted training read {shown(checkpoint.corpus.name)} with the SHA-256"
                f" {checkpoint.corpus.sha256[:12]}…, and this corpus has"
                f" {self._survey.facts.sha256[:12]}…: resume with the same corpus"
            )
        position = Position(**found.position)
        if (
            checkpoint.corpus.words_read != self._survey.facts.words_read
            or checkpoint.model.vocabulary != self._survey.vocabulary
            or position.block >= self._batches.block_count  # as where a copy is cut elsewhere
        ):
            raise CheckpointError(
                f"the interrupted training read other words of {shown(checkpoint.corpus.name)}:"
                " resume with the corpus read as it was then, in the same column and the same case"
            )
        self._model.load(found.state)
        names = self._optimizer.AVERAGES
        P = self._model.parameter_count
        if found.averages.keys() != set(names) or any(
            array.shape != (P,) for array in found.averages.values()
        ):
            raise CheckpointError("the optimizer's averages are damaged: train again")
        self._optimizer.averages = {name: found.averages[name] for name in names}
        self._optimizer.steps = len(record.loss_history)
        self._losses = record.loss_history.tolist()
        self._measured = [(int(step), loss) for step, loss in record.validation_history.tolist()]
        self._best = checkpoint.model.arrays() if self._measured else None
        self._batches.position = position

    def _refuse_endless_words(self, words: Words) -> None:
        """Raise ``TrainingError`` for a word whose gradient alone would not fit into memory."""
        longest = int(words.lengths.max())
        if longest > 4 * self._part:
            cells = longest * (STEP_CELLS // self._part)
            raise TrainingError(
                f"a word of {longest - 1:,} characters takes about {cells * 4 / 2**30:.1f} GiB in a"
                " step: leave out such long lines, or choose a smaller --hidden-size"
            )


def _refuse_beyond_memory(model: Network) -> None:
    """Raise ``TrainingError`` where memory does not suffice to train a model of this size."""
    P = sum(array.size for array in model.state().values())
    needed, available = P * BYTES_EACH, available_memory()
    if available is not None and needed > available:
        raise TrainingError(
            f"the {P:,} parameters of this {model.name} need about {needed:,} bytes of memory, and"
            f" {available:,} are available: train a smaller network"
        )


def _on_host(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return copies of arrays, as NumPy's."""
    return {name: np.array(on_host(array)) for name, array in arrays.items()}


def _are_finite(arrays: Mapping[str, Array]) -> bool:
    return all(np.isfinite(array).all() for array in arrays.values())


def mean_loss(model: Model, words: Words) -> float:
    """Return the mean surprisal of words in nats per symbol, each counted as often as it occurs."""
    nats = symbols = 0.0
    for part in words.parts(MEASURED_SYMBOLS // 4):
        (ids, _), weights = part.row(), part.symbol_weights
        nats -= float(model.symbol_log_probabilities(ids) @ weights)
        symbols += float(weights.sum())
    return nats / symbols


def training_loss(model: Model, batches: Batches) -> float:
    """Return the mean surprisal of training words in nats per symbol.

    Words that are too long for the model were not trained on.
    """
    return mean_loss(model, batches.words(TRAINING, MEASURED_SYMBOLS, model.longest_word))


def held_out_loss(model: Model, batches: Batches) -> float | None:
    """Return the mean surprisal of held-out words in nats per symbol; None where there are none."""
    words = batches.words(HELD_OUT, MEASURED_SYMBOLS)
    return mean_loss(model, words) if len(words) else None


def _optimizer(options: TrainingOptions) -> Optimizer:
    common: dict[str, Any] = {
        "learning_rate": options.learning_rate,
        "weight_decay": options.weight_decay,
    }
    if options.optimizer == "sgd":
        return SGD(**common, momentum=0.9)
    if options.optimizer == "rmsprop":
        return RMSProp(**common)
    cls = AdamW if options.optimizer == "adamw" else Adam
    return cls(**common, betas=(0.9, 0.99))


def schedule_of(options: TrainingOptions) -> Schedule:
    """Return the learning rate of each step: a warm-up, then what the options say."""
    rate, steps = options.learning_rate, options.steps
    rising = round(options.warmup * steps)
    if options.schedule == "one-cycle":
        return one_cycle(rate, max(2, steps), rising=options.warmup or 1 / steps)
    after = constant(rate)
    if options.schedule == "cosine":
        after = cosine(rate, max(1, steps - rising))
    return warm_up(rising, after)
