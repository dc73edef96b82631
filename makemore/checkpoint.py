"""A model and its history <-> one ``.npz`` file. Knows files, not mathematics."""

from dataclasses import dataclass
from typing import Any

from makemore.data.corpus import CorpusFacts
from makemore.models.base import Floats, Model


@dataclass(frozen=True)
class TrainingRecord:
    """How a model was trained and what came of it. Losses are means in nats per symbol.

    Attributes
    ----------
    method : str
        "gradient" or "counts".
    options : dict of str to JSON values
        The options that decided the result, such as steps, learning_rate, l2, smoothing, holdout.
    seed : int
    seconds : float
        Wall time of reading and training.
    training_loss : float
    held_out_loss : float or None
        None where nothing was held out.
    minimum : float or None
        The closed-form minimum of the training loss, where the model has one.
    loss_history : array of shape (steps,), float64
        The training objective before each step.
    """

    method: str
    options: dict[str, Any]
    seed: int
    seconds: float
    training_loss: float
    held_out_loss: float | None
    minimum: float | None
    loss_history: Floats


@dataclass(frozen=True)
class Checkpoint:
    """All that ``save`` writes and ``load`` returns: enough on its own, without the corpus."""

    model: Model
    corpus: CorpusFacts
    training: TrainingRecord
