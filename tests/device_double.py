"""A stand-in for CuPy, for machines without a GPU: arrays that do not mix with those of NumPy.

A ``DeviceArray`` keeps its numbers in an array of NumPy's and calculates with NumPy's functions, so
its results are those of the host to the last bit. It is as strict as CuPy's arrays: it is never
converted unasked, an operation takes a host array as an index alone, and what has no axes is an
array, too. An array of indices beyond the end of an axis counts on from its start. What a GPU does
in any order is refused. It has only those methods that the engine needs, and ``CALLS`` notes what
was called.

A test puts this module in CuPy's place.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

METHODS: dict[str, set[str]] = {
    "all": set(),
    "astype": {"copy"},
    "copy": set(),
    "item": set(),
    "max": {"axis", "keepdims"},
    "mean": {"axis", "keepdims"},
    "ravel": set(),
    "reshape": set(),
    "sum": {"axis", "keepdims"},
    "swapaxes": set(),
    "transpose": set(),
}
"""The methods of CuPy's arrays that the engine calls, beside ``get``, with their options: CuPy's do
not have all of NumPy's."""

CALLS: set[tuple[str, int, tuple[str, ...]]] = set()
"""The functions that were called: their names, how many positional arguments, and the others."""

SENT: list[int] = []
"""The bytes of each host array that was sent to the device, as an index or as itself."""


class DeviceArray(NDArrayOperatorsMixin):
    """An array that lies elsewhere."""

    def __init__(self, numbers: np.ndarray[Any, Any]) -> None:
        self._numbers = numbers

    def get(self) -> Any:
        return self._numbers.copy()

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("implicit conversion to an array of NumPy's")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **more: Any) -> Any:
        if method == "at":  # the second argument is an index, which is one array
            (array, key, *rest), inputs = inputs, ()
            if not isinstance(key, DeviceArray | np.ndarray):
                return NotImplemented
            key = _index(key, array.shape)
            return getattr(ufunc, method)(_numbers(array), key, *map(_numbers, rest))
        if method != "__call__":
            return NotImplemented
        out = more.pop("out", (None,))[0]
        if out is not None:
            more["out"] = _numbers(out)
        CALLS.add((ufunc.__name__, len(inputs), tuple(sorted(more))))
        found = _placed(getattr(ufunc, method)(*map(_numbers, inputs), **more))
        return found if out is None else out

    def __array_function__(
        self, function: Any, types: Any, arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        name = ".".join([*function.__module__.split(".")[1:], function.__name__])
        CALLS.add((name, len(arguments), tuple(sorted(options))))
        if not options.get("shape", True):  # to CuPy a shape of 0 or () is none
            del options["shape"]
        if function is np.asarray:  # the way to the device
            return array(*arguments, **options)
        arguments, options = _numbers(arguments), {k: _numbers(v) for k, v in options.items()}
        return _placed(function(*arguments, **options))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in METHODS:
            raise AttributeError(f"a DeviceArray has no {name}")

        def method(*arguments: Any, **options: Any) -> Any:
            if not options.keys() <= METHODS[name]:
                raise TypeError(f"{name} has the options {METHODS[name]}, not {options.keys()}")
            found = getattr(self._numbers, name)(*_numbers(arguments), **options)
            return found if name == "item" else _placed(found)

        return method

    def __getitem__(self, key: Any) -> Any:
        return _placed(self._numbers[_index(key, self.shape)])

    def __setitem__(self, key: Any, value: Any) -> None:
        key, value = _index(key, self.shape), _numbers(value)
        _refuse_chance(self._numbers, key, value)
        self._numbers[key] = value

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[Any]:
        return (self[place] for place in range(len(self)))

    def __float__(self) -> float:
        return float(self._numbers)

    def __bool__(self) -> bool:
        return bool(self._numbers)

    shape = property(lambda self: self._numbers.shape)
    dtype = property(lambda self: self._numbers.dtype)
    ndim = property(lambda self: self._numbers.ndim)
    size = property(lambda self: self._numbers.size)
    T = property(lambda self: _placed(self._numbers.T))


def _numbers(value: Any) -> Any:
    """Return the numbers of the device arrays in ``value``; refuse host arrays."""
    if isinstance(value, np.ndarray):
        raise TypeError(f"a host array of shape {value.shape} among those of a device")
    if isinstance(value, list | tuple):
        return type(value)(_numbers(part) for part in value)
    return value._numbers if isinstance(value, DeviceArray) else value


def _refuse_chance(numbers: Any, key: Any, value: Any) -> None:
    """Refuse what a device does in any order: to write a place twice, or to read what it writes."""
    places = np.arange(numbers.size).reshape(numbers.shape)[key]
    if np.unique(places).size < places.size:
        raise IndexError("a number is written twice")
    target = numbers[key]
    is_view = np.may_share_memory(target, numbers)  # else the key has arrays
    if isinstance(value, np.ndarray) and np.shares_memory(target if is_view else numbers, value):
        if not is_view or target.__array_interface__ != value.__array_interface__:
            raise ValueError("an array is written over a part of itself")


def _placed(found: Any) -> Any:
    """Return device arrays in place of arrays and numbers of NumPy's."""
    if isinstance(found, list):
        return [_placed(part) for part in found]
    return DeviceArray(np.asarray(found)) if isinstance(found, np.ndarray | np.generic) else found


def _index(key: Any, shape: tuple[int, ...]) -> Any:
    """Return an index of host arrays, which count on from the start of an axis as CuPy's do."""
    parts = [_as_sent(part) for part in (key if isinstance(key, tuple) else (key,))]
    left, axis = len(shape) - sum(map(_axes, parts)), 0
    for place, part in enumerate(parts):
        if isinstance(part, np.ndarray) and part.dtype.kind in "iu":
            parts[place] = part.astype(np.intp) % max(shape[axis], 1)
        axis += left if part is Ellipsis else _axes(part)
    return tuple(parts) if isinstance(key, tuple) else parts[0]


def _as_sent(part: Any) -> Any:
    if isinstance(part, np.ndarray):
        SENT.append(part.nbytes)
    return part._numbers if isinstance(part, DeviceArray) else part


def _axes(part: Any) -> int:
    """Return for how many axes a part of an index stands."""
    if part is None or part is Ellipsis:
        return 0
    return part.ndim if isinstance(part, np.ndarray) and part.dtype.kind == "b" else 1


def array(numbers: Any, dtype: Any = None) -> DeviceArray:
    """Return a copy of an array, on the device; an array of the device is not sent."""
    if isinstance(numbers, DeviceArray):
        return DeviceArray(np.array(numbers.get(), dtype))
    copy = np.array(numbers, dtype)
    SENT.append(copy.nbytes)
    return DeviceArray(copy)


def ones(shape: tuple[int, ...]) -> DeviceArray:
    """Return an array of ones."""
    return DeviceArray(np.ones(shape))
