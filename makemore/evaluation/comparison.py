"""Several checkpoints side by side, on the same held-out words or on the same corpus."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from makemore.data.corpus import reading_of
from makemore.data.text import Lines, blocks_of_lines, lines_with_words
from makemore.errors import CheckpointError, CorpusError, shown
from makemore.evaluation.losses import (
    Totals,
    bits_per_symbol,
    perplexity,
    score_lines,
)
from makemore.models.base import Model
from makemore.training.record import Checkpoint


@dataclass(frozen=True)
class Comparison:
    """One checkpoint's line in a comparison. Losses are means in nats per symbol.

    Attributes
    ----------
    name : str
        What the checkpoint is called.
    model : str
    parameters : int
    seconds : float
        To read the corpus and train.
    training_loss : float or None
        None where the model was imported.
    minimum : float or None
        The closed-form minimum of the training loss, where the model has one.
    held_out_loss : float or None
    corpus : Totals or None
        On the corpus named for the comparison: the words that all models know.
    """

    name: str
    model: str
    parameters: int
    seconds: float
    training_loss: float | None
    minimum: float | None
    held_out_loss: float | None
    corpus: Totals | None = None

    @property
    def loss(self) -> float:
        """The loss to compare by: on the named corpus, else held-out, else in training."""
        if self.corpus is not None:
            return self.corpus.loss
        losses = (self.held_out_loss, self.training_loss, math.nan)
        return next(loss for loss in losses if loss is not None)

    @property
    def bits(self) -> float:
        """``loss`` in bits per symbol."""
        return bits_per_symbol(self.loss)

    @property
    def perplexity(self) -> float:
        """The exponential of ``loss``."""
        return perplexity(self.loss)

    @property
    def distance(self) -> float | None:
        """How far the training loss is above its minimum, in nats; None without a minimum."""
        if self.minimum is None or self.training_loss is None:
            return None
        return max(self.training_loss - self.minimum, 0.0)  # rounding may go below the minimum


def compare(
    checkpoints: Mapping[str, Checkpoint], blocks: Iterable[str | Lines] | None = None
) -> list[Comparison]:
    """Return a line for each checkpoint, in the order given.

    Parameters
    ----------
    checkpoints : mapping of str to Checkpoint
        By what they are called.
    blocks : iterable of str or Lines, optional
        A corpus to compare on, as ``Corpus.read`` gives it, or with weights as its ``blocks`` do.
        Each model reads it as its training corpus was read. Words that one of the models does not
        know are left out for all, so that every loss is of the same words.

    Raises
    ------
    CheckpointError
        There is no checkpoint, or no corpus is given and the runs held out different words.
    CorpusError
        The corpus cannot be read, or holds no word that all models know.
    """
    if not checkpoints:
        raise CheckpointError("there is no checkpoint to compare: name one or more")
    if blocks is None:
        _refuse_different_words(checkpoints)
    lines = [_line(name, checkpoint) for name, checkpoint in checkpoints.items()]
    if blocks is None:
        return lines
    readers = [(each.model, reading_of(each.corpus)) for each in checkpoints.values()]
    totals = totals_of_known_words(readers, blocks)
    if not totals[0].words:
        raise CorpusError(
            "the corpus to compare on holds no word that all models know: name another by --corpus"
        )
    return [replace(line, corpus=own) for line, own in zip(lines, totals, strict=True)]


def totals_of_known_words(
    readers: Sequence[tuple[Model, Callable[[str], str]]], blocks: Iterable[str | Lines]
) -> list[Totals]:
    """Return the totals of each model, with its reading, over the words that all know."""
    totals = [Totals()] * len(readers)
    for block in blocks_of_lines(blocks):
        text, weights = lines_with_words(block)
        scores = [score_lines(model, reading(text)) for model, reading in readers]
        known = ~np.isnan(sum(score.total for score in scores))
        for i, score in enumerate(scores):
            totals[i] += score.weighted_totals(weights, known)
    return totals


def _line(name: str, checkpoint: Checkpoint) -> Comparison:
    model, training = checkpoint.model, checkpoint.training
    return Comparison(
        name,
        model.name,
        model.parameter_count,
        training.seconds,
        None if training.is_import else training.training_loss,
        training.minimum,
        training.held_out_loss,
    )


def _refuse_different_words(checkpoints: Mapping[str, Checkpoint]) -> None:
    """Raise ``CheckpointError`` unless all runs can be compared by what was held out."""
    for name, checkpoint in checkpoints.items():
        if checkpoint.training.is_import:
            raise CheckpointError(
                f"{shown(name)} was imported and has held out no words: name a corpus to compare on"
                " with --corpus"
            )
    names = list(checkpoints)
    words = [_evaluated_words(checkpoint) for checkpoint in checkpoints.values()]
    for name, found in zip(names[1:], words[1:], strict=True):
        if found != words[0]:
            held_out = any(each.corpus.held_out_lines for each in checkpoints.values())
            what = "held out different words" if held_out else "read different words or symbols"
            raise CheckpointError(
                f"{shown(names[0])} and {shown(name)} {what}, so their losses cannot be compared:"
                " name a corpus to compare them on with --corpus"
            )


def _evaluated_words(checkpoint: Checkpoint) -> tuple[object, ...]:
    """Return what is equal for runs whose losses are of the same words."""
    corpus = checkpoint.corpus
    if corpus.held_out_lines:
        return corpus.held_out_fingerprint, corpus.held_out_lines
    return corpus.words_read, frozenset("".join(checkpoint.model.vocabulary.symbols))
