"""The contents of pictures: tables and histories of a checkpoint, and titles."""

from collections.abc import Callable

import numpy as np

from makemore.arrays import Counts, Floats, Table
from makemore.errors import PlottingError, VocabularyError
from makemore.models.base import Model
from makemore.pictures.labels import unit_name
from makemore.training.options import TrainingOptions
from makemore.training.record import Checkpoint

MAX_NAME = 40
"""The maximum length of a corpus's name in a title; that of many files would make it illegible."""


def plain_title(checkpoint: Checkpoint) -> str:
    """Return the corpus and the model."""
    name = checkpoint.corpus.name
    name = name if len(name) <= MAX_NAME else name[: MAX_NAME - 1] + "…"
    return f"{name}: {checkpoint.model.name}"


def picture_title(checkpoint: Checkpoint) -> str:
    """Return the title of a picture: the corpus, the model and its loss."""
    title = plain_title(checkpoint)
    if checkpoint.training.is_import:
        return title
    return f"{title}, training loss {checkpoint.training.training_loss:.4f} nats per symbol"


def film_title(checkpoint: Checkpoint) -> str:
    """Return the title of a film, whose frames show their own losses.

    It names the table of pairs if that is not the whole model.
    """
    return ", ".join(filter(None, (plain_title(checkpoint), table_name(checkpoint.model))))


def heatmap_title(checkpoint: Checkpoint, values: str) -> str:
    """Return the title of a heatmap; probabilities that are not the whole model are named."""
    is_part = values == "probabilities" and table_name(checkpoint.model)
    return (film_title if is_part else picture_title)(checkpoint)


def table_name(model: Model) -> str:
    """Return what the table of pairs is; empty where it is the whole model, which sees no more."""
    return "" if model.context_length == 1 else model.table_of_pairs


def objective_name(checkpoint: Checkpoint) -> str:
    """Return the name of the objective, whose values are ``losses_by_step``."""
    return "loss and penalty" if checkpoint.training.options.get("l2") else "loss"


def embeddings_title(checkpoint: Checkpoint) -> str:
    """Return the title of a picture of embeddings."""
    unit = unit_name(checkpoint.model.vocabulary.itos)
    return f"{plain_title(checkpoint)}, its {unit}s as the first layer sees them"


def learnt_vectors(model: Model) -> Floats:
    """Return the embeddings of the characters, (V - 1, n). Raises ``PlottingError`` without any."""
    vectors = model.symbol_vectors()
    if vectors is None:
        raise PlottingError(
            f"the {model.name} model has no embeddings: train a network, such as --model gru"
        )
    return vectors[1:]


def attention_of(model: Model, word: str) -> Floats:
    """Return the attention weights of a word, as ``Model.attention`` does.

    Raises ``PlottingError`` for a model without attention, and for words that it cannot read.
    """
    try:
        ids = model.vocabulary.encode(word)
    except VocabularyError as error:
        raise PlottingError(f"the word cannot be read: {error}") from error
    weights = model.attention(ids)
    if weights is None:
        raise PlottingError(
            f"the {model.name} model has no attention: train with --model transformer"
        )
    return weights


def losses_by_step(checkpoint: Checkpoint) -> Floats:
    """Return the objective after 0, 1, ... steps; for a bigram of n steps n + 1 numbers.

    The history has the objective before each step; that after the last step follows from the model.
    For a network the result is the losses of its mini-batches.
    """
    training, W = checkpoint.training, checkpoint.model.bigram_weights()
    if W is None or not len(training.loss_history):
        return training.loss_history
    penalty = training.options.get("l2", 0.0) * float(np.mean(W**2))
    return np.append(training.loss_history, training.training_loss + penalty)


def learning_rates(checkpoint: Checkpoint) -> Floats:
    """Return the learning rate of each step that the training of a network took."""
    from makemore.training.minibatch import schedule_of

    schedule = schedule_of(TrainingOptions(**checkpoint.training.options))
    return np.array([schedule(step) for step in range(len(checkpoint.training.loss_history))])


def heatmap_values(model: Model, values: str) -> Table:
    """Return the table for a heatmap of the model, (V, V). Raises ``PlottingError``."""
    tables: dict[str, Callable[[], Table | None]] = {
        "probabilities": model.bigram_table,
        "counts": model.bigram_counts,
        "weights": model.bigram_weights,
    }
    table = tables[values]()
    if table is None:
        raise PlottingError(f"the {model.name} model has no {values}: show its probabilities")
    return table


def symbol_frequencies(model: Model) -> Counts | None:
    """Return how often each symbol stands first in a pair, (V,), or None if unknown."""
    N = model.bigram_counts()
    return None if N is None else N.sum(axis=1)
