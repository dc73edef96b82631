"""What a training gives: the outcome of a kind's trainer, the record, the checkpoint.

The record has plain fields. Reading them validates nothing anew and needs no kind to be known.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from makemore.arrays import Floats, Hashes
from makemore.counting.passes import Jobs, survey_corpus
from makemore.counting.survey import Survey
from makemore.data.corpus import Corpus, CorpusFacts, Progress, reading_of
from makemore.data.holdout import hash_words
from makemore.data.sketch import NOTHING, are_mostly_in, sketch_with
from makemore.data.text import text_of_words
from makemore.errors import CheckpointError, TrainingError
from makemore.evaluation.calibration import Calibration, calibrate, references, regularity_sample
from makemore.models.base import Model
from makemore.training.options import TrainingOptions


def log_spaced_steps(steps: int, count: int) -> list[int]:
    """Return at most ``count`` of the steps 0 .. steps - 1: both ends, denser at the start.

    Most is learnt in the first steps, so that is where to look closely.

    >>> log_spaced_steps(1_000, 8)
    [0, 2, 6, 18, 51, 138, 372, 999]
    """
    spaced = np.geomspace(1, max(steps, 1), max(count, 2))
    return sorted({round(float(step)) - 1 for step in spaced})


class TrainingRecord(NamedTuple):
    """How a model was trained and what came of it. Losses are means in nats per symbol.

    Attributes
    ----------
    options : dict of str to JSON values
        The model, the method, and the options that decided the result, by name.
    seconds : float
        Wall time of reading and training.
    training_loss : float
        Of a model that was imported, what it is expected to lose on words of its own.
    held_out_loss : float or None
        None where nothing was held out; infinite where the model excludes a held-out word.
    minimum : float or None
        The closed-form minimum of the training loss, where the model has one.
    loss_history : array of shape (steps,), float64
        The training objective before each step.
    calibration : array of shape (k, 2), float64
        Scores of words that the model has not seen, as ``calibrate`` returns them.
    regularity : array of shape (m, 2), float64
        Lengths and regularities of held-out words, as ``regularity_sample`` returns them.
    sketch : array of at most ``sketch.SIZE`` hashes, uint64
        Of the training words; see ``has_seen_most``.
    validation_history : array of shape (m, 2), float64
        The measurements of the validation loss: after how many steps, and the loss.
    film_steps : array of shape (f,), int64
        After how many steps moments of a network's training were kept; none for other models.
    film_tables : array of shape (f, n, n), float32
        P(second | first) at a word's start in these moments, of the first n symbols.
    film_words : array of shape (f, words, characters), int16
        Words that the model wrote then, as ids; -1 stands after their ends.
    """

    options: dict[str, Any]
    seconds: float
    training_loss: float
    held_out_loss: float | None
    minimum: float | None
    loss_history: Floats
    calibration: Floats = np.zeros((0, 2))
    regularity: Floats = np.zeros((0, 2))
    sketch: Hashes = NOTHING
    validation_history: Floats = np.zeros((0, 2))
    film_steps: npt.NDArray[np.int64] = np.zeros(0, np.int64)
    film_tables: npt.NDArray[np.float32] = np.zeros((0, 0, 0), np.float32)
    film_words: npt.NDArray[np.int16] = np.zeros((0, 0, 0), np.int16)

    @property
    def best_step(self) -> int:
        """After how many steps the validation loss was lowest; all of them where none was."""
        history = self.validation_history
        return int(history[history[:, 1].argmin(), 0]) if len(history) else len(self.loss_history)

    @property
    def is_import(self) -> bool:
        """Whether the model was imported and no training words are known."""
        return self.method == "import"

    @property
    def method(self) -> str:
        """How the model was trained, such as "gradient" or "counts"."""
        return str(self.options.get("method", ""))

    @property
    def seed(self) -> int:
        """The seed of the training, 0 where it needed none."""
        return int(self.options.get("seed", 0))


class Position(NamedTuple):
    """Where in a corpus training is: the epoch, the block in its order, the batch of the block."""

    epoch: int = 0
    block: int = 0
    batch: int = 0


class Resumption(NamedTuple):
    """What an interrupted training of a network needs to go on, beside its checkpoint's model.

    Attributes
    ----------
    position : dict of str to int
        The fields of its ``Position``.
    state : dict of str to array
        The parameters after the last step. The checkpoint's model has the best ones.
    averages : dict of str to array of shape (P,)
        The running averages of the optimizer.
    """

    position: dict[str, int]
    state: dict[str, npt.NDArray[Any]]
    averages: dict[str, npt.NDArray[Any]]


class Checkpoint(NamedTuple):
    """A trained model and its history: enough on its own, without the corpus."""

    model: Model
    corpus: CorpusFacts
    training: TrainingRecord
    resumption: Resumption | None = None

    def __repr__(self) -> str:
        """Return one line, where the fields would be pages of numbers."""
        name, size = self.model.name, self.model.parameter_count
        return f"<Checkpoint of {self.corpus.name!r}: {name}, {size:,} parameters>"

    def calibration(self) -> Calibration:
        """Return what words are judged by. Raises ``CheckpointError`` where there is nothing."""
        if self.training.is_import:
            raise CheckpointError(
                "the model was imported from a file that holds no words, so there is nothing to"
                " judge others by: train a model on words, with --holdout 0.1"
            )
        return Calibration(self.training.calibration, self.training.regularity)

    def has_seen_most(self, words: Iterable[str]) -> bool:
        """Return whether most distinct words of a list stand in the training corpus.

        True only where the sketches of both are conclusive: hardly ever for a few words or for a
        small part of a corpus.
        """
        text = reading_of(self.corpus)("".join(word + "\n" for word in words))
        hashes = hash_words(self.model.vocabulary.shortened(text))
        return are_mostly_in(sketch_with(NOTHING, hashes), self.training.sketch)


OnStep = Callable[[Any], bool | None]
"""Is told of each step of a training, which ends early when it returns True."""


class Watch(NamedTuple):
    """Who counts for a training, what is told of its progress, and what it resumes.

    Attributes
    ----------
    jobs : int or callable, optional
        The number of processes that count, all processors without it, or a cluster; see
        ``count_bigrams``. The result is the same.
    on_read : callable, optional
        Called with the bytes read so far and, where it is known, how many there are in all.
    on_step : callable, optional
        Called after each step of a descent; the training ends early, with what is learnt, when it
        returns True.
    on_failure : callable, optional
        Called with the error where the training of a network fails after something was measured
        that can be kept: then the best so far is the outcome. Without it the error is raised.
    resume : Checkpoint, optional
        An interrupted training of a network, with the same corpus and options, that goes on.
    on_survey : callable, optional
        Called with the survey of the corpus before the first step.
    surveyed : Survey, optional
        A survey of the corpus by the same options: it is taken, and none is made.
    is_component : bool
        Whether a network becomes part of a mixture. Its own losses, which take long to measure, are
        then not asked for: they are nan and None.
    """

    jobs: Jobs = None
    on_read: Progress | None = None
    on_step: OnStep | None = None
    resume: Checkpoint | None = None
    on_failure: Callable[[TrainingError], None] | None = None
    on_survey: Callable[[Survey], None] | None = None
    surveyed: Survey | None = None
    is_component: bool = False

    def survey(self, corpus: Corpus, options: TrainingOptions) -> Survey:
        """Return the survey of a corpus to train on, and tell of it. Raises ``CorpusError``."""
        if self.surveyed:
            return self.surveyed
        survey = survey_corpus(corpus, options.holdout, options.min_count, self.jobs, self.on_read)
        if self.on_survey:
            self.on_survey(survey)
        return survey


class Outcome(NamedTuple):
    """The result of training one kind of model; see ``TrainingRecord`` for the losses.

    ``recorded`` are options whose values the training itself chose; with a "model" among them they
    are the whole record. ``references`` are scores of training words by models that have not seen
    them, as ``calibrate`` gives those of held-out ones.
    """

    model: Model
    survey: Survey
    loss_history: Floats
    training_loss: float
    held_out_loss: float | None
    minimum: float | None = None
    validation_history: Floats = np.zeros((0, 2))
    resumption: Resumption | None = None
    recorded: Mapping[str, Any] = MappingProxyType({})
    references: Floats | None = None


def record_of(outcome: Outcome, options: Mapping[str, Any], **film: Any) -> TrainingRecord:
    """Return the record of a training, all but its seconds, with its moments."""
    held_out_words = outcome.survey.sample.words
    calibration = calibrate(outcome.model, held_out_words)
    if outcome.references is not None:
        calibration = references(*np.concatenate((calibration, outcome.references)).T)
    return TrainingRecord(
        options=dict(options),
        seconds=0.0,
        training_loss=outcome.training_loss,
        held_out_loss=outcome.held_out_loss,
        minimum=outcome.minimum,
        loss_history=outcome.loss_history,
        calibration=calibration,
        regularity=regularity_sample(text_of_words(held_out_words)),
        sketch=outcome.survey.sketch,
        validation_history=outcome.validation_history,
        **film,
    )


Trainer = Callable[[Corpus, TrainingOptions, Watch], Outcome]
"""A function that trains a kind of model. It counts what its model needs, and nothing else.

Raises ``CorpusError`` and ``TrainingError``.
"""
