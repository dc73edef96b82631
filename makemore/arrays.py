"""The types of the package's arrays, and the sizes in which they are processed.

A type says what the numbers mean and how many bits they have. Shapes are in the docstrings of
functions.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
CodePoints = npt.NDArray[np.uint32]
Counts = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Hashes = npt.NDArray[np.uint64]
Ids = npt.NDArray[np.int64]
Indices = npt.NDArray[np.intp]
Integers = npt.NDArray[np.int64]
Offsets = npt.NDArray[np.int64]
States = npt.NDArray[np.int32]
Symbols = npt.NDArray[np.int16]
Table = npt.NDArray[np.float64] | npt.NDArray[np.int64]

Arrays = Mapping[str, npt.NDArray[Any]]

CHUNK_CELLS = 1 << 20
"""The number of table cells that are processed at once, so that memory is bounded: 8 MiB."""

CACHED = 1 << 16
"""The number of 64-bit numbers that are processed at once for speed: half a MiB, which with a few
temporary arrays fits in a processor's second-level cache."""


def keep_freed_memory(size: int) -> None:
    """Make the C library keep up to ``size`` freed bytes for the next arrays.

    New pages from the system cost as much as the calculation of their contents, and each step of a
    training allocates the same arrays. This works with glibc ("man mallopt") and does nothing
    elsewhere.
    """
    import ctypes

    with suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(None)
        library.mallopt(-1, size)  # M_TRIM_THRESHOLD: free bytes at the end of the heap
        library.mallopt(-3, size)  # M_MMAP_THRESHOLD: smaller arrays are in the heap


def available_memory() -> int | None:
    """Return the bytes of memory that are available without swapping; None if unknown.

    On Linux it is the smaller of those of the machine and of the container's control group.
    """
    found = []
    with suppress(OSError, KeyError):
        found.append(1024 * _named_numbers(_MEMORY)["MemAvailable:"])
    with suppress(OSError, KeyError, ValueError):  # without a limit the file says "max"
        limit = int(_text(_GROUP_LIMIT))
        found.append(max(0, limit - _named_numbers(_GROUP_USE)["anon"]))
    return min(found, default=None)


_MEMORY = "/proc/meminfo"
_GROUP_LIMIT, _GROUP_USE = "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.stat"


def _named_numbers(path: str) -> dict[str, int]:
    rows = (line.split() for line in _text(path).splitlines())
    return {row[0]: int(row[1]) for row in rows}


def _text(path: str) -> str:
    with open(path) as file:
        return file.read()


def on_host(array: Any) -> Any:
    """Return an array as one of NumPy's: ``get`` is CuPy's way to it."""
    return array.get() if hasattr(array, "get") else array


def padded(array: npt.NDArray[Any], shape: Sequence[int]) -> npt.NDArray[Any]:
    """Return a copy of an array (B, ...) with zeros after its numbers, (B, *shape).

    >>> padded(np.array([[1, 2], [3, 4]]), [3])
    array([[1, 2, 0],
           [3, 4, 0]])
    """
    larger = np.zeros((len(array), *shape), array.dtype)
    larger[tuple(map(slice, array.shape))] = array
    return larger


def chunks(rows: int, columns: int) -> Iterator[slice]:
    """Yield slices that cover ``rows`` rows, each of at most ``CHUNK_CELLS`` cells or of one row.

    >>> list(chunks(5, CHUNK_CELLS // 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 6, None)]
    """
    step = max(1, CHUNK_CELLS // columns)
    return (slice(first, first + step) for first in range(0, rows, step))


def cached_blocks(vector: Any) -> Iterator[slice]:
    """Yield slices that cover a vector, each fitting in the cache beside one of a second vector.

    A vector that is not NumPy's is one block: it is on a device, where each block costs a call.
    """
    if isinstance(vector, np.ndarray):
        return cached_chunks(len(vector), 2)
    return iter([slice(None)])


def cached_chunks(rows: int, columns: int) -> Iterator[slice]:
    """Yield slices that cover ``rows`` rows, each of at most ``CACHED`` cells or of one row."""
    step = max(1, CACHED // columns)
    return (slice(first, first + step) for first in range(0, rows, step))
