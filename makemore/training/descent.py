"""Gradient descent on the counts of a bigram model.

The objective is the mean cross-entropy in nats per symbol plus ``l2 * mean(W**2)``. It is convex in
W, and its curvature has a bound: along any direction the Hessian of row i is at most half the row's
share of the symbols (the largest eigenvalue of diag(p) - p p^T is at most 1/2, Boehning 1992,
"Multinomial logistic regression algorithm"). No row's loss depends on another row, so each takes
steps of one over its own bound. By itself such a step never raises the loss, whatever the corpus,
and what follows a rare symbol is learnt as fast as what follows a frequent one. Nesterov's momentum
makes them fast (Nesterov 1983; here W is the point that it looks ahead to, as in Bengio et al.
2012, "Advances in optimizing recurrent networks").

A learning rate that the user names is taken as given, the same for all rows: ``plain_descent`` is
then the rule of the textbooks, and the place to begin reading.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from makemore.arrays import CACHED, Counts, Floats
from makemore.errors import TrainingError
from makemore.models.bigram import collapsed_loss_and_gradient


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


def plain_descent(
    N: Counts, weights: Floats, steps: int, learning_rate: float, l2: float = 0.0
) -> Iterator[Step]:
    """Yield steps of plain gradient descent from ``weights`` on counts N, (V, V) each."""
    counts, W, decay = N.astype(np.float64), np.asarray(weights, np.float64), l2 / N.size
    for number in range(steps):
        loss, d_W = collapsed_loss_and_gradient(W, counts)
        objective = loss + decay * float(np.vdot(W, W))
        d_W += 2.0 * decay * W
        W = W - learning_rate * d_W
        yield Step(number, objective, W)


def gradient_descent(
    N: Counts,
    weights: Floats,
    *,
    steps: int,
    learning_rate: float | None = None,
    l2: float = 0.0,
) -> Iterator[Step]:
    """Yield ``steps`` steps of descent from ``weights`` on counts N, both of shape (V, V).

    With a learning rate it is ``plain_descent``. Without one, each row has a rate of one over its
    ``row_curvatures``, and Nesterov's momentum is added.

    Raises
    ------
    TrainingError
        The objective or a weight stopped being a finite number; names the step.
    """
    if learning_rate is None:
        descent = _banded_descent(N, weights, steps, l2)
    else:
        descent = plain_descent(N, weights, steps, learning_rate, l2)
    del weights  # which can be large, and are not needed any more
    for number in range(steps):
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is reported below
            step = next(descent)
        is_finite = all(np.isfinite(step.weights[rows]).all() for rows in _bands(len(N)))
        if not (math.isfinite(step.objective) and is_finite):
            raise divergence(number, learning_rate)
        yield step


def _banded_descent(N: Counts, weights: Floats, steps: int, l2: float) -> Iterator[Step]:
    """Yield steps that rows take at their own rates with momentum, a band of rows at a time."""
    rates = _inverses(row_curvatures(N, l2))
    weights = np.asarray(weights, np.float64)
    n, decay = int(N.sum()), l2 / N.size
    bands = [_Band(N, rows, n, rates, decay) for rows in _bands(len(N))]
    for number in range(steps):
        before = weights
        weights = np.empty(N.shape)  # for the caller has the one before
        momentum = number / (number + 3)
        objective = sum(band.step(before, weights, momentum) for band in bands)
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

        Return what the rows of ``before`` add to the objective.
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
        return objective


def _bands(V: int) -> Iterator[slice]:
    """Return slices of V rows of V numbers, each small enough for the cache."""
    height = max(1, CACHED // V)
    return (slice(start, start + height) for start in range(0, V, height))


def _inverses(curvatures: Floats) -> Floats:
    """Return one over each; 0 where nothing curves, for there is nothing to learn."""
    smallest = np.finfo(np.float64).tiny  # one over less would be infinite
    return np.divide(1.0, curvatures, out=np.zeros_like(curvatures), where=curvatures >= smallest)


def divergence(step: int, learning_rate: float | None) -> TrainingError:
    """Return the error that says at which step the loss diverged."""
    rate, advice = "", ""
    if learning_rate is not None:
        rate = f" with learning rate {learning_rate:g}"
        advice = "; train with a smaller --learning-rate or without one"
    return TrainingError(
        f"the loss diverged at step {step}{rate}: it is no longer a finite number{advice}"
    )
