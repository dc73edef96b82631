"""The formulas of the lesson in plain Python on lists, so that nothing is hidden.

The package does the same on arrays, at once for all rows and safe from overflow.
"""

import math
from collections.abc import Sequence


def softmax_by_hand(row: Sequence[float]) -> list[float]:
    """Return the probabilities of one row of logits, V numbers each."""
    exponentials = [math.exp(logit) for logit in row]
    total = sum(exponentials)
    return [exponential / total for exponential in exponentials]


def loss_by_hand(logits: Sequence[Sequence[float]], ys: Sequence[int]) -> float:
    """Return the mean of -log P[b, ys[b]] in nats per symbol, for logits of B rows."""
    costs = [-math.log(softmax_by_hand(row)[y]) for row, y in zip(logits, ys, strict=True)]
    return sum(costs) / len(costs)


def gradient_by_hand(
    W: Sequence[Sequence[float]], xs: Sequence[int], ys: Sequence[int]
) -> tuple[list[list[float]], list[list[float]]]:
    """Return d_logits, B rows of V, and d_W, V rows of V, of the loss on these pairs."""
    V, B = len(W), len(xs)
    d_W = [[0.0] * V for _ in range(V)]
    d_logits = []
    for x, y in zip(xs, ys, strict=True):
        P = softmax_by_hand(W[x])
        d_logits.append([(P[j] - (j == y)) / B for j in range(V)])
        d_W[x] = [sum(both) for both in zip(d_W[x], d_logits[-1], strict=True)]
    return d_logits, d_W


def draw_by_hand(P: Sequence[float], u: float) -> int:
    """Return the first j at which the sum of P[0] .. P[j] is above u."""
    total = 0.0
    for j, probability in enumerate(P):
        total += probability
        if total > u:
            return j
    # Rounding left the whole sum below u: the last symbol that is possible.
    return max(j for j, probability in enumerate(P) if probability > 0)
