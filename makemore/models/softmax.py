"""Softmax and its logarithm, along the last axis, safe from overflow. Knows no model."""

import numpy as np

from makemore.arrays import Floats


def softmax(logits: Floats) -> Floats:
    """Return exp(logits) normalised along the last axis, shape unchanged.

    The row's maximum is subtracted first: the result is the same and nothing overflows.
    """
    with np.errstate(over="ignore"):  # a difference past the range is -inf, and its exponential 0
        exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


def log_softmax(logits: Floats) -> Floats:
    """Return log(softmax(logits)) along the last axis, in nats, shape unchanged.

    It is logits - log(sum of exp(logits)), which never takes the logarithm of a zero.
    """
    with np.errstate(over="ignore"):  # as in softmax
        shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))
