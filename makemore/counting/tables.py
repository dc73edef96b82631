"""Counting numbers: in tables, by indices that are kept in few bits, and by sorting.

NumPy takes indices of 64 bits, several times as long as text: here they are converted in pieces
that stay in the cache.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from makemore.arrays import CACHED, Integers

_LOOKED_UP = 1 << 19  # indices; shorter pieces are slower
_BUFFER = 1 << 21  # codes that are counted at once
_MAX_IN_32_BITS = (1 << 32) - 1  # codes
_SPARSE = 32  # cells for each code, from which on sorting is faster than a table


def add_at(
    counts: npt.NDArray[Any],
    indices: npt.NDArray[Any],
    weights: npt.NDArray[np.int64] | None = None,
) -> None:
    """Add one, or its weight, to ``counts`` at each index; all are one-dimensional.

    Faster than ``bincount`` for a large table, which that would make and clear for every call, and
    exact for all weights, which ``bincount`` adds up in floating point.
    """
    added: Any = counts.dtype.type(1)
    for start in range(0, len(indices), CACHED):
        part = slice(start, start + CACHED)
        if weights is not None:
            added = weights[part].astype(counts.dtype)
        np.add.at(counts, indices[part].astype(np.intp), added)


def look_up(table: npt.NDArray[Any], indices: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return ``table[indices]``, all indices being inside the table; (n,) -> (n,)."""
    found = np.empty(len(indices), table.dtype)
    for start in range(0, len(indices), _LOOKED_UP):
        stop = start + _LOOKED_UP
        # "clip" is the fastest of take's modes, several times as fast as table[indices]
        np.take(table, indices[start:stop], mode="clip", out=found[start:stop])
    return found


class CodeCounter:
    """Counts codes, numbers from 0 to ``size - 1``: a few by sorting, many in a table.

    Memory is up to 8 or 16 MiB for codes that wait to be counted, and 4 bytes for each cell of a
    table or 16 for each distinct code, with three times as much while runs of them are merged.

    Parameters
    ----------
    size : int
    has_table : bool
        Whether a table with a cell for each code, seen or not, is small enough.
    refuse : callable, optional
        Called with the number of codes before they are merged, it raises where memory does not
        suffice.
    """

    def __init__(
        self, size: int, has_table: bool, refuse: Callable[[int], None] | None = None
    ) -> None:
        self._size, self._has_table, self._refuse = size, has_table, refuse
        # One buffer for all codes: touching fresh memory takes longer than sorting it. Numbers of
        # 32 bits are sorted in half the time or less. A small table pays for fewer codes.
        buffer = min(_BUFFER, max(size, CACHED))
        self._unsorted = np.empty(buffer, np.uint32 if size <= 1 << 32 else np.int64)
        self._waiting = 0
        self._runs: list[tuple[Integers, Integers]] = []
        # a small table is made at once and has 64 bits, a large one 32 while they suffice
        is_small = has_table and size <= CACHED
        self._table: npt.NDArray[Any] | None = np.zeros(size, np.int64) if is_small else None
        self._in_table = 0

    def add(self, codes: npt.NDArray[Any], weights: Integers | None = None) -> None:
        """Count codes, at most ``CACHED`` of them, each once or as often as its weight says."""
        if self._table is not None and self._table.dtype == np.int64:
            add_at(self._table, codes, weights)
            return
        if weights is not None:
            self.add_run(*add_up(codes, weights))
            return
        if self._waiting + len(codes) > len(self._unsorted):
            if self._has_table and self._table is None:
                self._table = np.zeros(self._size, np.uint32)
            self._count_waiting()
        self._unsorted[self._waiting : self._waiting + len(codes)] = codes
        self._waiting += len(codes)

    def add_run(self, codes: Integers, counts: Integers) -> None:
        """Count distinct ascending codes, each as often as its count says."""
        self._runs.append((codes, counts))
        # runs of like length are merged, as a binary counter carries: R runs cost log2(R) passes
        while len(self._runs) > 1 and len(self._runs[-2][0]) < 2 * len(self._runs[-1][0]):
            self._merge()

    def counts(self) -> tuple[Integers, Integers]:
        """Return the distinct codes, ascending, and how often each was counted."""
        self._count_waiting()
        if (table := self._table) is not None:
            if self._runs:
                table = table.astype(np.int64)
            for codes, counts in self._runs:
                table[codes] += counts
            codes = np.flatnonzero(table != 0)  # four times as fast as flatnonzero(table)
            self._runs = [(codes, table[codes].astype(np.int64))]
            self._table, self._in_table = None, 0
        while len(self._runs) > 1:
            self._merge()
        return self._runs[0]

    def _count_waiting(self) -> None:
        """Count the waiting codes in the table, or by sorting them."""
        codes, self._waiting = self._unsorted[: self._waiting], 0
        if self._table is not None:
            self._in_table += len(codes)
            if self._in_table > _MAX_IN_32_BITS:
                self._table = self._table.astype(np.int64, copy=False)
            add_at(self._table, codes)
        elif len(codes) or not self._runs:
            codes.sort()
            starts = np.flatnonzero(mark_first(codes))
            self.add_run(codes[starts].astype(np.int64), np.diff(starts, append=len(codes)))

    def _merge(self) -> None:
        (codes, counts), (more_codes, more_counts) = self._runs.pop(), self._runs.pop()
        if self._refuse:
            self._refuse(len(codes) + len(more_codes))
        codes, counts = np.concatenate((codes, more_codes)), np.concatenate((counts, more_counts))
        self._runs.append(add_up(codes, counts))


def add_up(codes: npt.NDArray[Any], counts: Integers) -> tuple[Integers, Integers]:
    """Return the distinct codes, ascending, and the sums of their counts."""
    order = np.argsort(codes, kind="stable")  # fast on the few ascending runs that codes are
    codes = codes[order]
    starts = np.flatnonzero(mark_first(codes))
    sums = np.add.reduceat(counts[order], starts) if len(starts) else counts
    return codes[starts].astype(np.int64, copy=False), sums


def ascending(codes: Integers, counts: Integers, size: int) -> tuple[Integers, Integers]:
    """Return distinct codes, numbers below ``size``, in order, and their counts, none of them 0."""
    if len(codes) < size // _SPARSE:
        order = np.argsort(codes)
        return codes[order], counts[order]
    table = np.zeros(size, np.int64)
    table[codes] = counts
    codes = np.flatnonzero(table != 0)
    return codes, table[codes]


def mark_first(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return which of ascending values differ from the one before them."""
    is_first = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=is_first[1:])
    return is_first
