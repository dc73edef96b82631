"""Sketches: a thousand hashes that tell whether the words of one list stand in another.

A hash is as good as a random number, so the words with the largest hashes are a random sample of
the distinct words of a list, whatever their order and however often each is repeated. The words of
two lists whose hashes are not below the smallest in either sample are a random sample of both
together (Broder 1997, "On the resemblance and containment of documents").
"""

import math

import numpy as np

from makemore.arrays import Hashes
from makemore.data.holdout import distinct_hashes

SIZE = 1024
"""The maximum number of hashes in a sketch: 8 KiB in a checkpoint."""

NOTHING = np.zeros(0, np.uint64)
"""The sketch of no words."""


def sketch_with(sketch: Hashes, hashes: Hashes) -> Hashes:
    """Return a sketch, (at most SIZE,) ascending, after words with these hashes were added."""
    if len(sketch) == SIZE:
        hashes = hashes[hashes > sketch[0]]
    return distinct_hashes(np.concatenate((sketch, hashes)))[-SIZE:]


def distinct_words(sketch: Hashes, holdout: float) -> float:
    """Return about how many distinct words a list has whose words above a holdout are sketched.

    The standard error is 3 percent where they are more than ``SIZE``.

    >>> distinct_words(np.arange(90, dtype=np.uint64), 0.1)
    100.0
    """
    if len(sketch) < SIZE:
        return len(sketch) / (1 - holdout)
    return SIZE / (1 - int(sketch[0]) / 2**64)


def are_mostly_in(words: Hashes, others: Hashes) -> bool:
    """Return whether more than half of the words of a list are in another, from their sketches.

    The answer is True only beyond three standard deviations of the binomial distribution: a list of
    which just half the words are there passes once in 700 times.

    >>> some, more = (np.arange(1, n, dtype=np.uint64) for n in (20, 400))
    >>> are_mostly_in(some, more), are_mostly_in(more, some)
    (True, False)
    """
    full = [sketch for sketch in (words, others) if len(sketch) == SIZE]
    sample = words[words >= max((sketch[0] for sketch in full), default=0)]
    n, known = len(sample), int(np.isin(sample, others).sum())
    return known > n / 2 + 3 * math.sqrt(n / 4)
