"""From a score to a decision: how rarely is a good word of the same length this surprising.

The good words are *references*: held-out words, and training words as the model would find them if
it had not seen them. Let n of them have the length of a word, and r of these a mean surprisal as
large as the word's or larger. If the word is one more like them, its rank among them is uniform, so

    p = (1 + r) / (1 + n)

is at most a with probability a (the conformal p-value of Vovk, Gammerman, Shafer 2005, "Algorithmic
learning in a random world"): flagging the words with p <= a flags a share a of the good ones.

A few words of one length cannot resolve small rates. Beyond the K-th largest mean of a length, u,
the references of all lengths are therefore pooled. They are compared by z, the distance from the
mean of their length in standard deviations; with T(z) the share of all references at z or beyond,

    p = (1 + K) / (1 + n) * T(z) / T(z(u))

K is a twentieth of n, at least 1 and at most ``TAIL``, and more where several are equal. A length
without references borrows the mean and the deviation of its neighbours, and p = T(z).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from makemore.arrays import Floats, Ids, Integers
from makemore.data.text import code_points
from makemore.data.vocabulary import BOUNDARY
from makemore.errors import CheckpointError
from makemore.evaluation.losses import Scores, score_words
from makemore.evaluation.regularity import regularities
from makemore.models.base import Model

TAIL = 10
"""The largest K: the tail of a length that all lengths together resolve."""

ENOUGH = 100
"""The number of words of neighbouring lengths that a mean and a variance are estimated from."""

MAX_WORDS = 1 << 15
"""The most held-out words whose scores are kept: half a MiB in a checkpoint."""

IMPOSSIBLE = 1000.0
"""Stands for an infinite mean surprisal, to keep numbers finite: exp(-1000) is 0.0."""

_MEAN_WEIGHT = 1
"""The neighbours' mean counts as so many words of the length itself."""
_VARIANCE_WEIGHT = 5
"""The neighbours' variance counts as that of so many words of the length itself."""


def calibrate(model: Model, words: Sequence[str]) -> Floats:
    """Return the references of a ``Calibration``: the scores of distinct held-out words, (k, 2).

    A row holds a word's number of symbols and its mean surprisal; rows ascend. Words beyond the
    first ``MAX_WORDS``, and words with a character that the model does not know, are left out.
    """
    scores = score_words(model, words[:MAX_WORDS])
    return references(scores.symbols, scores.mean)


def references(symbols: Integers, means: Floats) -> Floats:
    """Return such rows from the symbols and the mean surprisals of words, (k,) each."""
    finite = np.minimum(means, IMPOSSIBLE)
    sample = np.stack((symbols.astype(np.float64), finite), axis=1)[~np.isnan(finite)]
    return np.asarray(sample[np.lexsort((sample[:, 1], sample[:, 0]))])


def references_of_ids(ids: Ids, nats: Floats) -> Floats:
    """Return such rows from words as ids, each ended by a boundary, and their surprisals, (n,)."""
    ends = np.flatnonzero(ids == BOUNDARY)
    if not len(ends):
        return np.zeros((0, 2))
    lengths = np.diff(ends, prepend=-1)
    return references(lengths, np.add.reduceat(nats, ends + 1 - lengths) / lengths)


class _Length(NamedTuple):
    """The references of one length, and the scale on which they are compared with others.

    Attributes
    ----------
    values : array of shape (n,), ascending
    centre, spread : float
        Their mean, and the standard deviation of a further word from it.
    """

    values: Floats
    centre: float
    spread: float

    def z(self, values: Floats) -> Floats:
        """Return the distances of values from the mean, in standard deviations."""
        return (values - self.centre) / self.spread


class Calibration:
    """The scores of reference words by length, and the p-values of other words among them.

    Parameters
    ----------
    sample : array of shape (k, 2)
        As ``calibrate`` returns it and a checkpoint keeps it.
    regularity : array of shape (m, 2), optional
        The same with regularities in place of mean surprisals.

    Raises
    ------
    CheckpointError
        There are no references, or the numbers cannot be scores.
    """

    def __init__(self, sample: Floats, regularity: Floats | None = None) -> None:
        if not len(sample):
            raise CheckpointError(
                "the model was trained without held-out words, so there is nothing to judge"
                " others by: train with --holdout 0.1, on ten distinct words or more"
            )
        for numbers in (sample, regularity):
            if numbers is not None and not (
                np.isfinite(numbers).all()
                and (numbers >= 0).all()
                and (numbers[:, 1] <= IMPOSSIBLE).all()
            ):
                raise CheckpointError("the scores of the held-out words are damaged: train again")
        self._surprisal = _Ranks(sample)
        self._regularity = None
        if regularity is not None and len(regularity):
            self._regularity = _Ranks(regularity)

    @property
    def smallest_p(self) -> float:
        """The smallest p-value that a word can have, of a length among the references or not."""
        return float(self.smallest(self._surprisal.all_lengths).min())

    @property
    def smallest_of_two(self) -> float:
        """The same where regularity is a second reason, and the smaller p-value counts twice."""
        regular = float(self.smallest_regularity(self._regular.all_lengths).min())
        return min(2 * min(self.smallest_p, regular), 1.0)

    def p_values(self, scores: Scores) -> Floats:
        """Return the p-value of each word, (n,); nan for a word with an unknown character."""
        return self._surprisal.p_values(scores.symbols, np.minimum(scores.mean, IMPOSSIBLE))

    def regularity_p_values(self, text: str) -> Floats:
        """Return the p-value of the regularity of each line, (lines,).

        Raises ``CheckpointError`` where the regularity of good words is not known, and
        ``CorpusError`` for a text that ends within a line.
        """
        return self._regular.p_values(*regularity_sample(text).T)

    def smallest(self, symbols: Integers | Floats) -> Floats:
        """Return the smallest p-value of a word with so many symbols, shape of ``symbols``."""
        return self._surprisal.p_values(symbols, np.full(len(symbols), IMPOSSIBLE))

    def smallest_regularity(self, lengths: Floats) -> Floats:
        """Return the smallest p-value of the regularity of a line so long, shape of ``lengths``.

        Raises ``CheckpointError`` as ``regularity_p_values`` does.
        """
        return self._regular.p_values(lengths, np.ones(len(lengths)))

    @property
    def _regular(self) -> "_Ranks":
        if self._regularity is None:
            raise CheckpointError(
                "the checkpoint does not say how regular good words are: train again, with words"
                " held out"
            )
        return self._regularity


def regularity_sample(text: str) -> Floats:
    """Return the length in symbols and the regularity of each line, (lines, 2)."""
    ends = np.flatnonzero(code_points(text) == ord("\n"))
    return np.stack((np.diff(ends, prepend=-1), regularities(text)), axis=1)


class _Ranks:
    """The values of references by length, and the p-values of other values among them.

    Parameters
    ----------
    sample : array of shape (k, 2)
        Lengths and values.

    Attributes
    ----------
    all_lengths : array
        The lengths of references, and one more, which stands for all others.
    """

    def __init__(self, sample: Floats) -> None:
        symbols, values = sample.T
        lengths = np.unique(symbols)
        self.all_lengths = np.append(lengths, lengths[-1] + 1)
        self._groups = {n: np.sort(values[symbols == n]) for n in lengths.tolist()}
        self._lengths: dict[float, _Length] = {}
        everything = [self._length(n).z(group) for n, group in self._groups.items()]
        self._z = np.sort(np.concatenate(everything))

    def p_values(self, symbols: Integers | Floats, values: Floats) -> Floats:
        """Return the p-value of each value, (n,); nan for nan."""
        p = np.full(len(values), np.nan)
        for n in np.unique(symbols).tolist():
            rows = np.flatnonzero((symbols == n) & ~np.isnan(values))
            p[rows] = self._p_values(n, values[rows])
        return p

    def _p_values(self, symbols: float, values: Floats) -> Floats:
        # all lengths beyond the longest known one have the same neighbours
        length = self._length(min(symbols, max(self._groups) + 1))
        shares = self._shares(length.z(values))
        n = len(length.values)
        if not n:
            return shares
        u = length.values[-min(max(n // 20, 1), TAIL)]
        K, r = (n - np.searchsorted(length.values, each) for each in (u, values))
        beyond = shares / self._shares(length.z(u))
        return np.where(r >= K, 1 + r, (1 + K) * np.minimum(beyond, 1.0)) / (1 + n)

    def _shares(self, z: Floats) -> Floats:
        """Return T(z): the share of all references at each value or beyond."""
        r = len(self._z) - np.searchsorted(self._z, z)
        return np.asarray((1 + r) / (1 + len(self._z)))

    def _length(self, symbols: float) -> _Length:
        if symbols not in self._lengths:
            own = self._groups.get(symbols, np.zeros(0))
            n, (others, mean, variance) = len(own), self._neighbours(symbols)
            a, b = (_MEAN_WEIGHT, _VARIANCE_WEIGHT) if others else (0, 0)
            centre = (own.sum() + a * mean) / (n + a)
            squares = ((own - own.mean()) ** 2).sum() if n else 0.0
            variance = (squares + b * variance) / max(max(n - 1, 0) + b, 1)
            variance *= 1 + 1 / (n + a)  # the mean itself is uncertain
            self._lengths[symbols] = _Length(own, float(centre), max(float(variance) ** 0.5, 1e-9))
        return self._lengths[symbols]

    def _neighbours(self, symbols: float) -> tuple[int, float, float]:
        """Return how many words of the nearest lengths make up ``ENOUGH``, their mean and variance.

        The variance is that around the mean of each length.
        """
        n, total, squares = 0, 0.0, 0.0
        for other in sorted(self._groups, key=lambda other: (abs(other - symbols), other)):
            if other != symbols and n < ENOUGH:
                group = self._groups[other]
                n, total = n + len(group), total + float(group.sum())
                squares += float(((group - group.mean()) ** 2).sum())
        return n, total / max(n, 1), squares / max(n, 1)
