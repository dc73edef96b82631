"""Random first weights, from a generator that the caller gives.

A layer's output should vary as much as its input, else signals die out or grow from layer to layer.
The variance of ``x @ W`` is that of x times the number of inputs times the variance of W. So the
weights shrink with the number of inputs of each output, ``fan_in``, or with the number of outputs
that each input reaches, ``fan_out``.

Without a generator the result is zeros that take no memory, for callers who only need the shapes or
load trained weights.

Matrices have shape (inputs, outputs), since ``x @ W`` multiplies from the right. Kernels of a
convolution have PyTorch's shape, (outputs, inputs, height, width).
"""

from math import inf, prod, sqrt

import numpy as np

from makemore.autodiff.tensor import Array
from makemore.errors import AutodiffError

Shape = tuple[int, ...]
Generator = np.random.Generator | None


def refuse_below_one(**sizes: int) -> None:
    """Raise ``AutodiffError`` for the first of the named sizes that is below 1."""
    for name, size in sizes.items():
        if size < 1:
            raise AutodiffError(f"{name} is {size} and must be 1 or more")


def fans(shape: Shape) -> tuple[int, int]:
    """Return (fan_in, fan_out): the inputs of each output, and the outputs that an input reaches.

    Raises ``AutodiffError`` for a shape with fewer than two axes, or without a number.

    >>> fans((3, 5)), fans((8, 2, 3, 3))
    ((3, 5), (18, 72))
    """
    if len(shape) < 2 or min(shape) < 1:
        raise AutodiffError(f"weights of shape {shape} have no inputs and outputs: name the spread")
    if len(shape) == 2:
        return shape
    outputs, inputs, *window = shape
    return inputs * prod(window), outputs * prod(window)


def uniform(shape: Shape, generator: Generator, bound: float, dtype: type = np.float32) -> Array:
    """Return numbers that are equally likely anywhere between ``-bound`` and ``bound``.

    Raises ``AutodiffError`` for a bound that is below 0 or not finite.
    """
    _refuse_spread("bound", bound)
    if generator is None:
        return _zeros(shape, dtype)
    return generator.uniform(-bound, bound, shape).astype(dtype)


def normal(shape: Shape, generator: Generator, deviation: float, dtype: type = np.float32) -> Array:
    """Return normally distributed numbers of mean 0 and standard deviation ``deviation``.

    Raises ``AutodiffError`` for a deviation that is below 0 or not finite.
    """
    _refuse_spread("deviation", deviation)
    if generator is None:
        return _zeros(shape, dtype)
    return (deviation * generator.standard_normal(shape)).astype(dtype)


def xavier_uniform(
    shape: Shape, generator: Generator, gain: float = 1.0, dtype: type = np.float32
) -> Array:
    """Return uniform weights of the variance of ``xavier_normal``.

    Raises ``AutodiffError`` as ``fans`` and ``uniform`` do.
    """
    return uniform(shape, generator, sqrt(3) * _xavier_deviation(shape, gain), dtype)


def xavier_normal(
    shape: Shape, generator: Generator, gain: float = 1.0, dtype: type = np.float32
) -> Array:
    """Return normal weights of variance ``gain² * 2 / (fan_in + fan_out)``.

    It keeps the variance of signals and of gradients, where the activation is nearly linear. Raises
    ``AutodiffError`` as ``fans`` and ``normal`` do. Source: Glorot and Bengio 2010, "Understanding
    the difficulty of training deep feedforward neural networks", equation 16.
    """
    return normal(shape, generator, _xavier_deviation(shape, gain), dtype)


def kaiming_uniform(
    shape: Shape, generator: Generator, slope: float = 0.0, dtype: type = np.float32
) -> Array:
    """Return uniform weights of the variance of ``kaiming_normal``.

    With ``slope`` √5 they lie within ``1 / sqrt(fan_in)``: the default of PyTorch's layers. Raises
    ``AutodiffError`` as ``fans`` and ``uniform`` do.
    """
    return uniform(shape, generator, sqrt(3) * _kaiming_deviation(shape, slope), dtype)


def kaiming_normal(
    shape: Shape, generator: Generator, slope: float = 0.0, dtype: type = np.float32
) -> Array:
    """Return normal weights of variance ``2 / ((1 + slope²) fan_in)``.

    It keeps the variance of signals through (leaky) ReLU, which halves it. ``slope`` is that of the
    leaky ReLU below zero. Raises ``AutodiffError`` as ``fans`` does. Source: He et al. 2015,
    "Delving deep into rectifiers", equation 15.
    """
    return normal(shape, generator, _kaiming_deviation(shape, slope), dtype)


def _zeros(shape: Shape, dtype: type) -> Array:
    return np.broadcast_to(np.zeros((), dtype), shape)


def _refuse_spread(name: str, spread: float) -> None:
    if not 0 <= spread < inf:
        raise AutodiffError(f"the {name} of weights is {spread} and must be 0 or more and finite")


def _xavier_deviation(shape: Shape, gain: float) -> float:
    return gain * sqrt(2 / sum(fans(shape)))


def _kaiming_deviation(shape: Shape, slope: float) -> float:
    return sqrt(2 / ((1 + slope**2) * fans(shape)[0]))
