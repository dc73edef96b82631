"""Counting in tables and looking up in them, by indices that are kept in few bits.

NumPy does both with indices of 64 bits, several times as long as text: here they are converted in
pieces that stay in the cache.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from makemore.arrays import CACHED

_LOOKED_UP = 1 << 19  # indices; shorter pieces are slower


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
