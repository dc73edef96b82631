"""Draws of symbols from distributions, and how distributions are changed before that.

A draw is an integer of 53 bits from the raw output of PCG64, which NumPy promises to keep; it is
compared with the cumulative distribution on the same scale.
"""

import numpy as np
import numpy.typing as npt

from makemore.arrays import Floats, Indices, cached_chunks, chunks
from makemore.errors import OptionError
from makemore.models.softmax import softmax

BITS = 53
"""The bits of a draw."""

_GUIDE_CELLS = 1 << 15
_SMALLEST_TEMPERATURE = 1e-250  # a smaller one would change nothing, but quotients would overflow
Draws = npt.NDArray[np.uint64]


def draw_bits(random: np.random.PCG64, count: int) -> Draws:
    """Return random integers of ``BITS`` bits, (count,)."""
    return np.asarray(random.random_raw(count) >> np.uint64(64 - BITS))


class DrawTable:
    """Distributions prepared for drawing by inversion of their cumulative distributions.

    The unit interval of each row is cut into buckets, and a guide table holds the one symbol that
    each bucket belongs to (after Chen and Asau 1974, "On generating random variates from an
    empirical distribution"). A draw in a bucket that several symbols share is found by bisection.

    Parameters
    ----------
    P : array of shape (S, V)
        A distribution per row. A row of zeros draws the last symbol.
    """

    def __init__(self, P: Floats) -> None:
        S, self._V = P.shape
        self._thresholds = _thresholds(P).ravel()
        self._guide_bits = min(10, max(0, (_GUIDE_CELLS // S).bit_length() - 1))
        self._guide = self._make_guide(S)

    def draw(self, rows: Indices, draws: Draws) -> Indices:
        """Return a symbol for each row number and 53-bit draw, (B,) and (B,) -> (B,)."""
        buckets = (draws >> np.uint64(BITS - self._guide_bits)).view(np.int64)
        symbols: Indices = self._guide[(rows << self._guide_bits) + buckets]
        shared = np.flatnonzero(symbols < 0)
        symbols[shared] = self._bisect(rows[shared], draws[shared])
        return symbols

    def _make_guide(self, S: int) -> Indices:
        """Return the symbol of each bucket, or -1 where several share it, (S * 2**guide_bits,)."""
        shift = np.uint64(BITS - self._guide_bits)
        first = np.arange(1 << self._guide_bits, dtype=np.uint64) << shift
        last = first + np.uint64((1 << int(shift)) - 1)
        rows = np.repeat(np.arange(S), len(first))
        symbols = self._bisect(rows, np.tile(first, S))
        return np.where(symbols == self._bisect(rows, np.tile(last, S)), symbols, -1)

    def _bisect(self, rows: Indices, draws: Draws) -> Indices:
        """Return the first symbol of each row whose threshold lies above the draw."""
        first: Indices = rows * self._V
        low = first.copy()
        remaining = self._V
        while remaining > 1:
            half = remaining // 2
            low += half * (self._thresholds[low + (half - 1)] <= draws)
            remaining -= half
        low -= first
        return low


def draw_each(P: Floats, rows: Indices, draws: Draws) -> Indices:
    """Return a symbol for each row number and 53-bit draw, (B,) and (B,) -> (B,).

    The result is that of ``DrawTable(P).draw(rows, draws)``, at less cost for a single use.
    """
    thresholds = _thresholds(P)
    symbols = np.empty(len(rows), np.intp)
    for part in chunks(len(rows), P.shape[1]):
        symbols[part] = (thresholds[rows[part]] <= draws[part, None]).sum(axis=1)
    return np.asarray(np.minimum(symbols, P.shape[1] - 1))  # a row of zeros gives the last one


def _thresholds(P: Floats) -> Draws:
    """Return the first 53-bit draw above each symbol's interval, (S, V) -> (S, V)."""
    thresholds = np.empty(P.shape, np.uint64)
    for rows in cached_chunks(*P.shape):
        cumulative = np.cumsum(P[rows], axis=1)
        cumulative /= np.maximum(cumulative[:, -1:], np.finfo(np.float64).tiny)
        # From a row's last possible symbol on this is 2**53, which no draw reaches.
        thresholds[rows] = np.rint(cumulative * 2.0**BITS)
    return thresholds


class Choice:
    """How the next symbol is chosen from its distribution.

    Parameters
    ----------
    temperature, top_k, top_p
        As ``next_distributions`` takes them.

    Raises
    ------
    OptionError
        One of them is out of its range.
    """

    def __init__(self, temperature: float, top_k: int | None, top_p: float) -> None:
        if not 0 <= temperature < np.inf:
            raise OptionError(f"--temperature is {temperature} and must be 0 or more and finite")
        if top_k is not None and top_k < 1:
            raise OptionError(f"--top-k is {top_k} and must be 1 or more")
        if not 0 < top_p <= 1:
            raise OptionError(f"--top-p is {top_p} and must be above 0 and at most 1")
        self.temperature, self._top_k, self._top_p = temperature, top_k, top_p
        self.is_truncated = temperature == 0 or top_k is not None or top_p < 1

    def tempered(self, log_probabilities: Floats) -> Floats:
        """Return the distributions at the temperature, (S, V) in nats -> (S, V).

        At temperature 0 ``truncate`` chooses the likeliest symbol, once constraints are applied.
        """
        temperature = max(self.temperature or 1.0, _SMALLEST_TEMPERATURE)
        P: Floats = np.empty(log_probabilities.shape)
        for rows in cached_chunks(*P.shape):
            P[rows] = softmax(log_probabilities[rows] / temperature)
        return P

    def truncate(self, P: Floats) -> Floats:
        """Return the distributions truncated by top-k, top-p or temperature 0, (S, V) -> (S, V).

        A row of zeros stays one.
        """
        if not self.is_truncated:
            return P
        if self.temperature == 0:
            greedy = np.zeros(P.shape)
            rows = np.arange(len(P))
            greedy[rows, P.argmax(axis=1)] = P.any(axis=1)
            return greedy
        order = np.argsort(-P, axis=1, kind="stable")
        likeliest_first = np.take_along_axis(P, order, axis=1)
        if self._top_k is not None:
            likeliest_first[:, self._top_k :] = 0.0
        before = np.cumsum(likeliest_first, axis=1) - likeliest_first
        total = likeliest_first.sum(axis=1, keepdims=True)
        likeliest_first[before >= self._top_p * total] = 0.0
        narrowed = np.empty(P.shape)
        np.put_along_axis(narrowed, order, likeliest_first, axis=1)
        sums = narrowed.sum(axis=1, keepdims=True)
        return np.asarray(narrowed / np.maximum(sums, np.finfo(np.float64).tiny))

    def describe(self) -> str:
        """Return the options that differ from their defaults, as they are typed."""
        options = {"temperature": (self.temperature, 1.0), "top-k": (self._top_k, None)}
        options["top-p"] = (self._top_p, 1.0)
        return " ".join(f"--{n} {v:g}" for n, (v, default) in options.items() if v != default)


def next_distributions(
    log_probabilities: Floats,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float = 1.0,
) -> Floats:
    """Return the distributions to draw from, (S, V) log-probabilities -> (S, V).

    Parameters
    ----------
    temperature : float
        Divides the log-probabilities: below 1 likely symbols gain, above 1 rare ones. At 0 the
        likeliest symbol is certain, the first one if several are equal.
    top_k : int, optional
        Keep the k likeliest symbols of each row.
    top_p : float
        Keep the fewest likeliest symbols that together reach this share of the rest ("nucleus
        sampling", Holtzman et al. 2020).
    """
    choice = Choice(temperature, top_k, top_p)
    return choice.truncate(choice.tempered(log_probabilities))
