"""Finding the weights of a bigram model by gradient descent on its counts. It never prints.

The objective is the mean cross-entropy in nats per symbol plus ``l2 * mean(W**2)``. It is convex in
W, and its curvature is known beforehand: along any direction the Hessian of row i is at most half
the row's share of the symbols (the largest eigenvalue of diag(p) - p p^T is at most 1/2, Boehning
1992, "Multinomial logistic regression algorithm"). A step of one over the largest curvature
therefore never overshoots, whatever the corpus, and Nesterov's momentum makes such steps fast
(Nesterov 1983; here in the form of Sutskever et al. 2013, section 2). A learning rate that the user
names is taken as given, and the descent is then the plain one of the textbooks.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from makemore.data.bigrams import Counts
from makemore.errors import TrainingError
from makemore.models.base import Floats
from makemore.models.bigram import collapsed_loss_and_gradient


@dataclass(frozen=True)
class Step:
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


def safe_learning_rate(N: Counts, l2: float = 0.0) -> float:
    """Return one over the largest curvature of the objective on counts N, (V, V)."""
    curvature = 0.5 * N.sum(axis=1).max() / N.sum() + 2.0 * l2 / N.size
    return float(1.0 / curvature)


def gradient_descent(
    N: Counts,
    weights: Floats,
    *,
    steps: int,
    learning_rate: float | None = None,
    l2: float = 0.0,
) -> Iterator[Step]:
    """Yield ``steps`` steps of descent from ``weights`` on counts N, both of shape (V, V).

    With a learning rate, plain gradient descent: ``W -= learning_rate * d_W``. Without one, the
    step is ``safe_learning_rate`` and Nesterov's momentum is added.

    Raises
    ------
    TrainingError
        The objective or a weight stopped being a finite number; names the step.
    """
    counts = N.astype(np.float64)
    rate = safe_learning_rate(N, l2) if learning_rate is None else learning_rate
    W = weights.copy()
    velocity = np.zeros_like(W)
    for number in range(steps):
        objective, d_W = _objective_and_gradient(W, counts, l2)
        momentum = number / (number + 3) if learning_rate is None else 0.0
        velocity = momentum * velocity - rate * d_W
        W = W + momentum * velocity - rate * d_W if momentum else W + velocity
        if not (np.isfinite(objective) and np.isfinite(W).all()):
            raise TrainingError(
                f"the loss diverged at step {number} with learning rate {rate:g}: the weights are"
                " no longer finite numbers; train with a smaller --learning-rate or without one"
            )
        yield Step(number, objective, W)


def _objective_and_gradient(W: Floats, N: Floats, l2: float) -> tuple[float, Floats]:
    with np.errstate(over="ignore", invalid="ignore"):  # the caller reports what is not finite
        loss, d_W = collapsed_loss_and_gradient(W, N)
        if l2:
            loss += l2 * float(np.mean(W * W))
            d_W += 2.0 * l2 / W.size * W
    return loss, d_W
