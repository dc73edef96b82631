"""What a training gives: the outcome of a kind's trainer, the record, the checkpoint.

The record has plain fields. Reading them validates nothing anew and needs no kind to be known.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from makemore.arrays import Floats
from makemore.data.corpus import Corpus, CorpusFacts, Progress
from makemore.models.base import Model
from makemore.training.options import TrainingOptions


@dataclass(frozen=True)
class TrainingRecord:
    """How a model was trained and what came of it. Losses are means in nats per symbol.

    Attributes
    ----------
    options : dict of str to JSON values
        The model, the method, and the options that decided the result, by name.
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
        """How the model was trained, such as "gradient" or "counts"."""
        return str(self.options.get("method", ""))

    @property
    def seed(self) -> int:
        """The seed of the training, 0 where it needed none."""
        return int(self.options.get("seed", 0))


@dataclass(frozen=True)
class Checkpoint:
    """A trained model and its history: enough on its own, without the corpus."""

    model: Model
    corpus: CorpusFacts
    training: TrainingRecord


@dataclass(frozen=True)
class Watch:
    """Who looks on while a model is trained, and who counts.

    Attributes
    ----------
    jobs : int, optional
        The number of processes that count; all processors without it. The result is the same.
    on_read : callable, optional
        Called with the bytes read so far and, where it is known, how many there are in all.
    on_step : callable, optional
        Called after each step of a descent; the training ends early, with what is learnt, when it
        returns True.
    count : callable, optional
        What counts the pairs in place of ``count_bigrams``: perhaps elsewhere.
    """

    jobs: int | None = None
    on_read: Progress | None = None
    on_step: Callable[[Any], bool | None] | None = None
    count: Callable[..., Any] | None = None


class Outcome(NamedTuple):
    """What training one kind of model gives; see ``TrainingRecord`` for the losses."""

    model: Model
    facts: CorpusFacts
    held_out_words: Sequence[str]
    loss_history: Floats
    training_loss: float
    held_out_loss: float | None
    minimum: float | None = None


Trainer = Callable[[Corpus, TrainingOptions, Watch], Outcome]
"""What trains a kind of model. It counts what its model needs, and nothing else.

Raises ``CorpusError`` and ``TrainingError``.
"""
