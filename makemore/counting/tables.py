"""Counting in tables and looking up in them, by places that are kept in few bits.

NumPy does both with places of 64 bits, so text is several times as long that way: here it is done
in pieces. What a place means is the work of others.
"""

import mmap
import sys
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

_COUNTED = 1 << 16  # places; with 64 bits each they stay in the processor's second cache
_LOOKED_UP = 1 << 19  # places; shorter pieces take longer


def sparse_zeros(length: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return zeros for a large table of which little will be touched, shape (length,).

    For those of NumPy the system has pages of megabytes, where it can. They are faster to count
    in, but to clear them takes longer than to count a small text. Here they have some kilobytes.
    """
    size = length * np.dtype(dtype).itemsize
    try:
        if sys.platform == "win32":
            return np.frombuffer(mmap.mmap(-1, size), dtype)
        memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except OSError:
        return np.zeros(length, dtype)  # which says so if there is no memory
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        with suppress(OSError):  # a system without large pages refuses this advice
            memory.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(memory, dtype)


def add_at(counts: npt.NDArray[Any], places: npt.NDArray[Any], shift: int = 0) -> None:
    """Add one to ``counts`` at each of ``places``; both are one-dimensional.

    Places are unsigned, of at most 32 bits, and the lowest ``shift`` of them do not count. Faster
    than ``bincount``, which would make and clear a table for every call.
    """
    buffer = np.empty(min(_COUNTED, len(places)), np.intp)
    unused = places.dtype.type(shift)
    one = counts.dtype.type(1)
    for start in range(0, len(places), _COUNTED):
        piece = places[start : start + _COUNTED]
        indices = buffer[: len(piece)]
        np.right_shift(piece, unused, out=indices)
        np.add.at(counts, indices, one)


def add_windows(
    counts: npt.NDArray[Any], items: npt.NDArray[Any], window: str, shift: int = 0
) -> None:
    """Add one to ``counts`` for each window over ``items``; both are one-dimensional.

    Windows are integers, each over as many items as their type ``window`` has room for. They begin
    half a window apart, so two that follow each other share half of their items. What ``add_at``
    says of places holds for them.
    """
    length = np.dtype(window).itemsize // items.itemsize
    for first in (0, length // 2):
        whole = (len(items) - first) // length * length
        if whole > 0:
            add_at(counts, items[first : first + whole].view(window), shift)


def look_up(table: npt.NDArray[Any], places: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return what ``table`` holds at ``places``, none of them beyond it; (n,) -> (n,)."""
    found = np.empty(len(places), table.dtype)
    for start in range(0, len(places), _LOOKED_UP):
        stop = start + _LOOKED_UP
        # "clip" is the fastest of take's modes, several times as fast as table[places]
        np.take(table, places[start:stop], mode="clip", out=found[start:stop])
    return found
