"""Trains the bigram model: by gradient descent from random weights, or in closed form."""

import math

import numpy as np

from makemore.arrays import Counts, Floats
from makemore.counting.passes import BigramCounts, count_bigrams
from makemore.data.corpus import Corpus, unchanged
from makemore.models.bigram import (
    Bigram,
    closed_form_minimum,
    collapsed_loss,
    weights_from_counts,
)
from makemore.training.descent import divergence, gradient_descent, initial_weights
from makemore.training.options import TrainingOptions
from makemore.training.record import Outcome, Watch


def train_bigram(corpus: Corpus, options: TrainingOptions, watch: Watch) -> Outcome:
    """Return the bigram model of a corpus; see ``Trainer``."""
    counts = count_bigrams(
        corpus, options.holdout, options.min_count, jobs=watch.jobs, progress=watch.on_read
    )
    survey, pairs = counts.survey, counts.training_pairs
    if watch.on_survey:
        watch.on_survey(survey)
    if options.model_is_free and is_almost_empty(pairs.V, pairs.symbols):
        return _smoothed(corpus, counts, options)
    N, held_out = counts.training, counts.held_out
    if options.method == "counts":
        W, history = weights_from_counts(N, options.smoothing), np.zeros(0)
    else:
        W, history = _descend(N, options, watch)
    training_loss = collapsed_loss(W, N)
    held_out_loss = collapsed_loss(W, held_out) if held_out.any() else None
    if options.method == "gradient" and not math.isfinite(training_loss + (held_out_loss or 0.0)):
        # Finite weights so far apart that a pair which occurs has the probability zero.
        raise divergence(_first_rise(history), options.learning_rate)
    return Outcome(
        model=Bigram(survey.vocabulary, W, N),
        survey=survey,
        loss_history=history,
        training_loss=training_loss,
        held_out_loss=held_out_loss,
        minimum=closed_form_minimum(N),
        recorded={"steps": len(history)} if len(history) < options.values.get("steps", 0) else {},
    )


MANY_WEIGHTS = 1 << 20
"""A table of up to so many weights is quickly trained, however few of its pairs occur."""


def is_almost_empty(V: int, symbols: int) -> bool:
    """Return whether a bigram's table is large and has more weights than the corpus has symbols."""
    return V * V > max(MANY_WEIGHTS, symbols)


def _smoothed(corpus: Corpus, counts: BigramCounts, options: TrainingOptions) -> Outcome:
    """Return the n-gram model of order 2 of the pairs: it keeps those that occur, and backs off."""
    from makemore.training.ngram import outcome_of_counts

    chosen = TrainingOptions("ngram", order=2, holdout=options.holdout, min_count=options.min_count)
    pairs = counts.training_pairs, counts.held_out_pairs
    text = corpus if corpus.is_rereadable else None
    with unchanged(corpus):
        outcome = outcome_of_counts(pairs, counts.survey, chosen, text)
    return outcome._replace(recorded=chosen.record())


def _descend(N: Counts, options: TrainingOptions, watch: Watch) -> tuple[Floats, Floats]:
    """Return the weights after the descent, (V, V), and the objective before each step."""
    W = initial_weights(len(N), options.seed)
    history = []
    for step in gradient_descent(
        N, W, steps=options.steps, learning_rate=options.learning_rate, l2=options.l2
    ):
        W = step.weights
        history.append(step.objective)
        if watch.on_step and watch.on_step(step):
            break
    return W, np.array(history)


def _first_rise(history: Floats) -> int:
    """Return the first step whose objective is above that of the start, or how many there are."""
    risen = np.flatnonzero(history > history[0])
    return int(risen[0]) if len(risen) else len(history)
