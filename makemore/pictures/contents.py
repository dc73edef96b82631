"""What a picture shows of a checkpoint: a table of its model, and a title."""

from collections.abc import Callable

import numpy as np

from makemore.arrays import Counts, Floats, Table
from makemore.errors import PlottingError, VocabularyError
from makemore.models.base import Model
from makemore.training.options import TrainingOptions
from makemore.training.record import Checkpoint


def plain_title(checkpoint: Checkpoint) -> str:
    """Return the corpus and the model."""
    return f"{checkpoint.corpus.name}: {checkpoint.model.name}"


def picture_title(checkpoint: Checkpoint) -> str:
    """Return what stands above a picture: the corpus, the model and its loss."""
    title = plain_title(checkpoint)
    if checkpoint.training.is_import:
        return title
    return f"{title}, training loss {checkpoint.training.training_loss:.4f} nats per symbol"


def film_title(checkpoint: Checkpoint) -> str:
    """Return what stands above each frame of a film, which shows the loss of its moment itself.

    It says which table that is, where it is not the whole model.
    """
    return ", ".join(filter(None, (plain_title(checkpoint), checkpoint.model.table_of_pairs)))


def heatmap_title(checkpoint: Checkpoint) -> str:
    """Return what stands above a heatmap: which table it is, where it is not the whole model."""
    return (film_title if checkpoint.model.table_of_pairs else picture_title)(checkpoint)


def objective_name(checkpoint: Checkpoint) -> str:
    """Return what ``losses_by_step`` are."""
    return "loss and penalty" if checkpoint.training.options.get("l2") else "loss"


def embeddings_title(checkpoint: Checkpoint) -> str:
    """Return what stands above a picture of symbols' vectors."""
    return f"{plain_title(checkpoint)}, its characters as the first layer sees them"


def learnt_vectors(model: Model) -> Floats:
    """Return the vectors of the characters, (V - 1, n). Raises ``PlottingError`` without any."""
    vectors = model.symbol_vectors()
    if vectors is None:
        raise PlottingError(
            f"the {model.name} model has no embeddings: train a network, such as --model gru"
        )
    return vectors[1:]


def attention_of(model: Model, word: str) -> Floats:
    """Return how the positions of a word attend, as ``Model.attention`` does, without None.

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

    The history has the objective before each step. What the last step gave follows from the model.
    A network's history is the losses of its mini-batches, and those alone.
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
    """Return what a heatmap of the model shows, (V, V). Raises ``PlottingError``."""
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
