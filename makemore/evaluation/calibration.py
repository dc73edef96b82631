"""From a score to a decision: how rarely is a held-out word of similar length this surprising.

The answer is the conformal p-value (Vovk, Gammerman, Shafer 2005, "Algorithmic learning in a random
world"): with n held-out words of the same length, of which r have a mean surprisal as large as the
word's or larger,

    p = (1 + r) / (1 + n)

If the word is one more like the held-out ones, p <= a happens with probability a at most, and as
nearly a as n allows, whatever the model and the distribution. So flagging the words with p <= a
flags a share of a of good words, at every length.

That needs more than 1 / a words of a length. Where they are fewer than ``ENOUGH``, those of the
next shorter lengths are added, each compared with the average word of its own length. Never longer
ones: short words vary more, and what begins and ends at once is like nothing else, so short words
judged by longer ones would be flagged too often. Yet as long as a word of the same length is as
surprising, the rank among those of that length counts: the others only decide how far beyond all of
them a word is. If even that is not enough, p stays large and the word passes; a length that is
shorter than all known has p = 1.
"""

from collections.abc import Sequence

import numpy as np

from makemore.arrays import Floats
from makemore.errors import CheckpointError
from makemore.evaluation.losses import Scores, score_words
from makemore.models.base import Model

ENOUGH = 100
"""So many held-out words of one length need no others beside them."""

MAX_WORDS = 1 << 15
"""The most held-out words that are kept: half a MiB in a checkpoint."""

IMPOSSIBLE = 1000.0
"""Stands for an infinite mean surprisal, to keep numbers finite: exp(-1000) is 0.0."""


def calibrate(model: Model, words: Sequence[str]) -> Floats:
    """Return what a ``Calibration`` is made of: the scores of distinct held-out words, (k, 2).

    A row holds a word's symbols and its mean surprisal; rows ascend. The first ``MAX_WORDS`` words
    are taken, without those that have a character the model does not know.
    """
    scores = score_words(model, words[:MAX_WORDS])
    means = np.minimum(scores.mean, IMPOSSIBLE)
    sample = np.stack((scores.symbols.astype(np.float64), means), axis=1)[~np.isnan(means)]
    return sample[np.lexsort((sample[:, 1], sample[:, 0]))]


class Calibration:
    """What held-out words score at each length.

    Parameters
    ----------
    sample : array of shape (k, 2)
        As ``calibrate`` returns it and a checkpoint keeps it.

    Raises
    ------
    CheckpointError
        There are no held-out words, or the numbers cannot be scores.
    """

    def __init__(self, sample: Floats) -> None:
        if not len(sample):
            raise CheckpointError(
                "the model was trained without held-out words, so there is nothing to judge"
                " others by: train with --holdout 0.1"
            )
        if not np.isfinite(sample).all() or (sample < 0).any():
            raise CheckpointError("the scores of the held-out words are damaged: train again")
        symbols, means = sample.T
        self._lengths = np.unique(symbols).tolist()
        self._groups = {length: np.sort(means[symbols == length]) for length in self._lengths}
        self._references: dict[float, tuple[Floats, float, float]] = {}

    @property
    def smallest_p(self) -> float:
        """The p-value of the strangest word of the length that has the most to compare with."""
        return 1 / (1 + max(len(self._reference(length)[0]) for length in self._lengths))

    def p_values(self, scores: Scores) -> Floats:
        """Return the p-value of each word, (n,); nan for a word with an unknown character."""
        means, symbols = np.minimum(scores.mean, IMPOSSIBLE), scores.symbols
        p = np.full(len(scores), np.nan)
        for length in np.unique(symbols).tolist():
            rows = np.flatnonzero((symbols == length) & ~np.isnan(means))
            # All lengths beyond the longest known are judged alike, so they need one place.
            reference, centre, scale = self._reference(min(length, self._lengths[-1] + 1))
            p[rows] = _shares_above(reference, (means[rows] - centre) * scale)
            own = self._groups.get(length, np.zeros(0))
            own_p = _shares_above(own, means[rows])
            is_beyond = own_p <= 1 / (1 + len(own))
            p[rows] = np.where(is_beyond, np.minimum(p[rows], own_p), own_p)
        return p

    def _reference(self, length: int) -> tuple[Floats, float, float]:
        """Return the sorted values that (mean - centre) * scale is ranked among, and those two."""
        if length not in self._references:
            own = self._groups.get(length, np.zeros(0))
            is_enough = len(own) >= ENOUGH
            self._references[length] = (own, 0.0, 1.0) if is_enough else self._pool(length)
        return self._references[length]

    def _pool(self, length: int) -> tuple[Floats, float, float]:
        """Return the same of the words of this length and of as many shorter ones as it takes."""
        shorter = [known for known in reversed(self._lengths) if known <= length]
        if not shorter:
            return np.zeros(0), 0.0, 1.0
        pooled = np.zeros(0)
        for group in map(self._groups.__getitem__, shorter):
            n = len(group)
            if n > 1:  # a word is part of its own average, and too near to it by this factor
                deviations = (group - group.mean()) * np.sqrt(n / (n - 1))
                pooled = np.concatenate((pooled, deviations))
            if len(pooled) >= ENOUGH:
                break
        n = len(self._groups.get(length, ()))
        # A new word is no part of the average, and that of few words is itself uncertain.
        scale = np.sqrt(n / (n + 1)) if n else 1.0
        return np.sort(pooled), float(self._groups[shorter[0]].mean()), float(scale)


def _shares_above(reference: Floats, values: Floats) -> Floats:
    """Return (1 + r) / (1 + n) for each value, r of the n sorted references being as large."""
    r = len(reference) - np.searchsorted(reference, values)
    return np.asarray((1 + r) / (1 + len(reference)))
