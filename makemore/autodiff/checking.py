"""Gradients held against differences: the way to find a wrong gradient.

For a function f and a direction d, the slope (f(x + h d) - f(x - h d)) / 2h is the sum of gradient
times d, up to an error that shrinks with h². One random direction tests every number of the
gradient at once, so a few of them find any error.

>>> import numpy as np
>>> from makemore.autodiff import record, tanh
>>> check_gradients(tanh, np.array([0.5, -1.0]))
>>> def wrong(a):
...     return record(a.data**2, (a, lambda g: g * a.data))
>>> check_gradients(wrong, np.array([1.0]))
Traceback (most recent call last):
    ...
makemore.errors.AutodiffError: the gradient of argument 0, of shape (1,), is wrong: ...
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from makemore.autodiff.tensor import Array, Tensor, Value, data, gradients
from makemore.errors import AutodiffError

TOLERANCE = 1e-6
EPSILON = float(np.finfo(np.float64).eps)
STEP = 1e-5
"""The distance h: its square is the error of a smooth function, and 1e-16 / h that of rounding."""


def check_gradients(
    function: Callable[..., Value],
    *arrays: Array,
    parameters: Mapping[str, Tensor] | None = None,
    directions: int = 3,
    seed: int = 0,
    tolerance: float = TOLERANCE,
) -> None:
    """Raise ``AutodiffError`` if a gradient of ``function`` is not its slope, or no slope is taken.

    Parameters
    ----------
    function : callable
        Takes a Tensor of float64 for each array, and returns one Tensor of any shape. It has to be
        smooth around the arrays: no kink of relu, no two equal maxima, the same random numbers at
        each call.
    arrays : arrays
        Floating-point numbers are checked. Integers, such as ids, are passed through as they are.
    parameters : mapping of str to Tensor of float64, optional
        What ``function`` uses beside its arguments, such as a layer's ``parameters()``.
    directions, seed : int
        The number of random directions that each array is moved along, and their seed.
    tolerance : float
        The largest error, relative to the sum of the absolute values of gradient times direction.
    """
    if directions < 1:
        raise AutodiffError(f"directions is {directions} and must be 1 or more")
    random = np.random.default_rng(seed)
    inputs = [_input(array) for array in arrays]
    named = {f"argument {k}": x for k, x in enumerate(inputs) if isinstance(x, Tensor)}
    named |= parameters or {}
    value = function(*inputs)
    weights = random.normal(size=np.shape(data(value)))  # make one number of the result
    # A difference cannot be more exact than the two sums that it is made of.
    rounding = 10 * EPSILON / STEP * float(np.sum(np.abs(weights * data(value))))
    for (name, tensor), found in zip(
        named.items(), gradients(value, list(named.values()), weights), strict=True
    ):
        if not np.isfinite(found).all():
            raise AutodiffError(f"the gradient of {name} has numbers that are not finite")
        for _ in range(directions):
            direction = random.normal(size=found.shape)
            slope = _slope(lambda: np.sum(data(function(*inputs)) * weights), tensor, direction)
            claimed = float(np.sum(found * direction))
            scale = max(abs(slope), float(np.sum(np.abs(found * direction))))
            if not abs(claimed - slope) <= tolerance * scale + rounding:
                raise AutodiffError(
                    f"the gradient of {name}, of shape {found.shape}, is wrong: along a direction"
                    f" the slope is {slope:.10g} and it says {claimed:.10g}"
                )


def _input(array: Array) -> Value:
    """Return a Tensor of float64, or the array itself if it holds integers."""
    array = np.asarray(array)
    return array if array.dtype.kind in "biu" else Tensor(array.astype(np.float64))


def _slope(loss: Callable[[], Any], tensor: Tensor, direction: Array) -> float:
    """Return the central difference of a loss along a direction of one of its Tensors."""
    before = tensor.data
    try:
        tensor.data = before + STEP * direction
        above = float(loss())
        tensor.data = before - STEP * direction
        return (above - float(loss())) / (2 * STEP)
    finally:
        tensor.data = before
