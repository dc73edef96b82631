"""The frames of a film: a bigram's training is repeated, a network's frames were kept."""

from collections.abc import Callable, Iterator

import numpy as np

from makemore.arrays import Floats, Symbols
from makemore.data.vocabulary import Vocabulary
from makemore.errors import PlottingError
from makemore.models.bigram import Bigram
from makemore.models.softmax import softmax
from makemore.pictures.film import Frame
from makemore.training.descent import gradient_descent, initial_weights
from makemore.training.moments import plain_words
from makemore.training.record import Checkpoint, log_spaced_steps

FRAMES = 60


def learning_frames(
    checkpoint: Checkpoint, report: Callable[[int, int], None] = lambda done, total: None
) -> Iterator[Frame]:
    """Yield moments of the training, denser at its start.

    Those of a network are in its checkpoint. For a bigram there are ``FRAMES``: its descent is
    repeated with the seed, the options and the counts in the checkpoint, which gives the same
    weights. The words of all frames are drawn with one seed, so that they can be compared.
    ``report`` is called with the number of steps done and the total.

    Raises ``PlottingError`` where there are no steps.
    """
    model, training = checkpoint.model, checkpoint.training
    if len(training.film_steps):
        yield from _kept_frames(checkpoint)
        return
    if not isinstance(model, Bigram) or training.method != "gradient":
        raise PlottingError(
            f"the {model.name} model keeps no steps of its training: train a network, or a bigram"
            " by --method gradient, to see it learn"
        )
    steps, l2 = len(training.loss_history), training.options.get("l2", 0.0)
    wanted = set(log_spaced_steps(steps + 1, FRAMES))
    W = initial_weights(len(model.vocabulary), training.seed)
    descent = gradient_descent(
        model.counts,
        W,
        steps=steps,
        learning_rate=training.options.get("learning_rate"),
        l2=l2,
    )
    for taken, step in enumerate(descent):
        report(taken, steps)
        if taken in wanted:
            yield _frame(model, taken, W, step.objective - l2 * float(np.mean(W**2)))
        W = step.weights
    if steps in wanted:
        yield _frame(model, steps, W, training.training_loss)


def _frame(model: Bigram, step: int, W: Floats, loss: float) -> Frame:
    # cut off, because weights on their way may never end a word
    words = plain_words(Bigram(model.vocabulary, W, model.counts), np.random.default_rng(0))
    return Frame(step, softmax(W), loss, _spelled(words, model.vocabulary))


def _spelled(words: Symbols, vocabulary: Vocabulary) -> list[str]:
    """Return words as ``plain_words`` gives them in text, with an ellipsis where one is cut off."""
    ends = ["…" if (ids[-1:] > 0).any() else "" for ids in words]
    texts = [vocabulary.decode(ids[ids > 0].tolist()) for ids in words]
    return list(map("".join, zip(texts, ends, strict=True)))


def _kept_frames(checkpoint: Checkpoint) -> Iterator[Frame]:
    """Yield the moments that a checkpoint holds.

    The loss of a moment is the mean over its last mini-batches, an eighth of those so far.
    """
    training, vocabulary = checkpoint.training, checkpoint.model.vocabulary
    steps = training.film_steps.tolist()
    for step, table, words in zip(steps, training.film_tables, training.film_words, strict=True):
        # loss_history[step] was measured after that many steps, unless the training ended there
        first = min(step - step // 8, len(training.loss_history) - 1)
        loss = float(training.loss_history[first : step + 1].mean())
        yield Frame(step, table.astype(np.float64), loss, _spelled(words, vocabulary))
