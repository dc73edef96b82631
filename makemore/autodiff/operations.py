"""The operations: one function each, with its gradient beside it.

Each takes Tensors, arrays or numbers, and returns a Tensor, or an array where no Tensor that wants
a gradient took part. Names, shapes and the ``axis`` argument are those of NumPy. Numbers, and
arrays of integers, take the type of the floating-point array that they meet: float32 stays float32.
Integers that meet none become floats where the result may have fractions, as in NumPy. An operation
whose arrays do not fit raises ``AutodiffError`` with their shapes.

In the gradients, ``g`` is the gradient of the loss with respect to the result. For every operation,
``tensor.gradients`` sums over the axes that broadcasting stretched. Kinks take the usual values:
relu and absolute have gradient 0 at 0, and equal maxima share the gradient equally.
"""

import builtins
import functools
from collections.abc import Callable, Sequence
from math import prod
from typing import Any, ParamSpec, TypeVar

import numpy as np

from makemore.arrays import cached_blocks, chunks
from makemore.autodiff.tensor import Array, Tensor, Value, data, record, wants_gradient
from makemore.errors import AutodiffError

Axis = int | tuple[int, ...] | None
P = ParamSpec("P")
R = TypeVar("R")

ONE_HOT_ROWS = 128
"""The most rows for which the gradient of ``gather`` is a product with one-hot rows: for more,
adding up sorted rows is faster."""


def operation(function: Callable[P, R]) -> Callable[P, R]:
    """Turn NumPy's errors about shapes and indices into an ``AutodiffError`` with the shapes.

    A division by zero is one about a shape or a number of parts.
    """

    @functools.wraps(function)
    def checked(*arguments: P.args, **options: P.kwargs) -> R:
        """Call the operation, and raise ``AutodiffError`` for NumPy's errors."""
        try:
            return function(*arguments, **options)
        except (ValueError, IndexError, ZeroDivisionError) as error:
            raise AutodiffError(_misfit(function.__name__, arguments, error)) from error

    return checked


def _misfit(name: str, arguments: Sequence[Any], error: Exception) -> str:
    parts = [
        part
        for argument in arguments
        for part in (argument if isinstance(argument, list | tuple) else [argument])
    ]
    shapes = [str(part.shape) for part in parts if hasattr(part, "shape")]
    reason = " ".join(str(error).split())
    return f"{name} does not fit arrays of shapes {' and '.join(shapes)}: {reason}"


def operands(a: Value, b: Value) -> tuple[Any, Any]:
    """Return the arrays of two operands; a weak one takes the other's floating-point type.

    Numbers, arrays of no axes and arrays of integers are weak; Tensors are not.

    >>> operands(np.float32([1, 2]), np.sqrt(64))[1].dtype
    dtype('float32')
    """
    A, B = data(a), data(b)
    left, right = getattr(A, "dtype", None), getattr(B, "dtype", None)
    if left is right:
        return A, B
    if left is not None and left.kind == "f" and _weak(b, B):
        return A, _as_type(B, left)
    if right is not None and right.kind == "f" and _weak(a, A):
        return _as_type(A, right), B
    return A, B


def _weak(value: Value, array: Any) -> bool:
    if isinstance(value, Tensor):
        return False
    return not getattr(array, "ndim", 0) or array.dtype.kind in "biu"


def _as_type(array: Any, dtype: np.dtype[Any]) -> Any:
    if array is None:  # of which NumPy would make nan
        raise ValueError("an array or a number is expected, not None")
    return array.astype(dtype) if getattr(array, "ndim", 0) else dtype.type(array)


def _of_one_type(parts: Sequence[Value]) -> list[Any]:
    """Return the arrays of several operands; weak ones take the others' floating-point type."""
    arrays = [data(part) for part in parts]
    weak = [_weak(part, array) for part, array in zip(parts, arrays, strict=True)]
    strong = [array.dtype for array, other in zip(arrays, weak, strict=True) if not other]
    if not any(weak) or not any(dtype.kind == "f" for dtype in strong):
        return arrays
    dtype = np.result_type(*strong)
    return [
        _as_type(array, dtype) if other else array
        for array, other in zip(arrays, weak, strict=True)
    ]


def array_of(value: Value) -> Array:
    """Return the array of a value, and of a number or a list NumPy's."""
    A = data(value)
    return A if hasattr(A, "dtype") else np.asarray(A)


def floating(value: Value, *others: Value | None) -> Any:
    """Return the array of a value; integers take the type of floats in ``others``, else float64."""
    A = array_of(value)
    if A.dtype.kind not in "biu":
        return A
    types = [other.dtype for other in others if other is not None and other.dtype.kind == "f"]
    return A.astype(types[0] if types else np.float64)


# Arithmetic


@operation
def add(a: Value, b: Value) -> Value:
    """Return a + b."""
    A, B = operands(a, b)
    return record(A + B, (a, lambda g: g), (b, lambda g: g))


@operation
def subtract(a: Value, b: Value) -> Value:
    """Return a - b."""
    A, B = operands(a, b)
    return record(A - B, (a, lambda g: g), (b, lambda g: -g))


@operation
def multiply(a: Value, b: Value) -> Value:
    """Return a * b, element by element."""
    A, B = operands(a, b)
    return record(A * B, (a, lambda g: g * B), (b, lambda g: g * A))


@operation
def divide(a: Value, b: Value) -> Value:
    """Return a / b."""
    A, B = operands(a, b)
    value = A / B
    return record(value, (a, lambda g: g / B), (b, lambda g: -g * value / B))


@operation
def power(a: Value, b: Value) -> Value:
    """Return a ** b. Where a is 0, the gradient with respect to b is 0."""
    A, B = operands(a, b)
    value = A**B

    def base(g: Array) -> Array:
        """Return g * b * a ** (b - 1)."""
        # At an exponent of 0 the factor B is 0, whatever a negative power of the base would be.
        return g * (B * A ** np.where(B == 0, np.zeros_like(B), B - 1)[()])

    def exponent(g: Array) -> Array:
        """Return g * a ** b * log a, and 0 where a is 0."""
        finite = np.where(A == 0, np.zeros_like(value), value)  # 0 ** -1 is infinite
        return g * (finite * np.log(np.where(A == 0, np.ones_like(A), A)))

    return record(value, (a, base), (b, exponent))


@operation
def negate(a: Value) -> Value:
    """Return -a."""
    return record(-data(a), (a, lambda g: -g))


@operation
def absolute(a: Value) -> Value:
    """Return the absolute values of a."""
    A = data(a)
    return record(np.abs(A), (a, lambda g: g * np.sign(A)))


@operation
def maximum(a: Value, b: Value) -> Value:
    """Return the greater of a and b, element by element."""
    A, B = operands(a, b)

    def share(mine: Any, other: Any, g: Array) -> Array:
        """Return g where ``mine`` is the greater, and half of it where both are equal."""
        return g * np.where(mine == other, g.dtype.type(0.5), mine > other)

    rows = (a, lambda g: share(A, B, g)), (b, lambda g: share(B, A, g))
    return record(np.maximum(A, B), *rows)


@operation
def where(condition: Value, a: Value, b: Value) -> Value:
    """Return the numbers of a where ``condition`` holds, else those of b."""
    A, B = operands(a, b)
    C = data(condition)
    return record(
        np.where(C, A, B),
        (a, lambda g: np.where(C, g, np.zeros_like(g))),
        (b, lambda g: np.where(C, np.zeros_like(g), g)),
    )


# Functions of each element


@operation
def exp(a: Value) -> Value:
    """Return e ** a."""
    value = np.exp(data(a))
    return record(value, (a, lambda g: g * value))


@operation
def log(a: Value) -> Value:
    """Return the natural logarithm of a."""
    A = data(a)
    return record(np.log(A), (a, lambda g: g / A))


@operation
def sqrt(a: Value) -> Value:
    """Return the square root of a."""
    value = np.sqrt(data(a))
    return record(value, (a, lambda g: g / (value + value)))


@operation
def tanh(a: Value) -> Value:
    """Return the hyperbolic tangent of a."""
    value = np.tanh(data(a))
    return record(value, (a, lambda g: g * (1 - value * value)))


@operation
def sigmoid(a: Value) -> Value:
    """Return 1 / (1 + exp(-a))."""
    value = logistic(data(a))
    return record(value, (a, lambda g: g * (value * (1 - value))))


def logistic(A: Any) -> Any:
    """Return the sigmoid of an array: no exponential overflows, and small values keep all digits.

    It is 1 / (1 + exp(-A)) or, below 0, exp(A) / (1 + exp(A)).
    """
    E = np.exp(-np.abs(A * 1.0))  # at most 1; integers become float64
    return np.maximum(E, A >= 0) / (1 + E)


@operation
def relu(a: Value) -> Value:
    """Return max(a, 0)."""
    A = data(a)
    return record(np.maximum(A, 0), (a, lambda g: g * (A > 0)))


@operation
def leaky_relu(a: Value, slope: float = 0.01) -> Value:
    """Return a where it is positive, else ``slope`` times a.

    Source: Maas et al. 2013, "Rectifier nonlinearities improve neural network acoustic models",
    section 2.
    """
    A = data(a)
    number = np.result_type(getattr(A, "dtype", A), 0.0).type  # for integers, of float64
    factor = np.where(A > 0, number(1), number(slope))
    return record(A * factor, (a, lambda g: g * factor))


@operation
def gelu(a: Value) -> Value:
    """Return a times the share of the normal distribution below a, by its usual approximation.

    a (1 + tanh(sqrt(2 / pi) (a + 0.044715 a³))) / 2: Hendrycks and Gimpel 2016, "Gaussian error
    linear units", section 2. It is PyTorch's ``gelu(approximate="tanh")``.
    """
    A = floating(a)
    value = np.empty_like(A, order="C")  # so that its flat form is a view
    slope = np.empty_like(value) if wants_gradient(a) else None
    flat, values = np.ravel(A), value.reshape(-1)
    slopes = None if slope is None else slope.reshape(-1)
    for part in cached_blocks(flat):  # a dozen passes over what stays in the cache
        _gelu(flat[part], values[part], None if slopes is None else slopes[part])
    return record(value, (a, lambda g: g * slope))


def _gelu(A: Array, value: Array, slope: Array | None) -> None:
    """Fill in the values of ``gelu``, and its slopes where they are wanted."""
    scale = A.dtype.type(np.sqrt(2 / np.pi))
    B = np.clip(A, -20, 20)  # beyond, the tanh is 1, and a cube might be infinite
    square = B * B
    T = square * (scale * A.dtype.type(0.044715))
    T += scale
    T *= B
    np.tanh(T, out=T)
    if slope is not None:  # 0.5 (1 + T) + 0.5 A (1 - T²) (scale + 3 * 0.044715 scale A²)
        square *= 3 * 0.044715 * scale
        square += scale
        square *= B
        np.multiply(T, T, out=slope)
        np.subtract(1, slope, out=slope)
        slope *= square
        slope += T
        slope += 1
        slope *= 0.5
    T += 1
    T *= 0.5
    np.multiply(T, A, out=value)


# Sums and their kind


def _expand(g: Array, axis: Axis, keepdims: bool) -> Array:
    """Return ``g`` with the axes of length 1 that a sum over ``axis`` removed."""
    return g if keepdims or axis is None else np.expand_dims(g, axis)


@operation
def sum(a: Value, axis: Axis = None, keepdims: bool = False) -> Value:
    """Return the sum over ``axis``, by default over all axes."""
    A = array_of(a)
    return record(
        A.sum(axis=axis, keepdims=keepdims),
        (a, lambda g: np.broadcast_to(_expand(g, axis, keepdims), A.shape)),
    )


@operation
def mean(a: Value, axis: Axis = None, keepdims: bool = False) -> Value:
    """Return the mean over ``axis``, by default over all axes."""
    A = array_of(a)
    value = A.mean(axis=axis, keepdims=keepdims)
    share = reciprocal(A.size // builtins.max(value.size, 1))
    return record(
        value, (a, lambda g: np.broadcast_to(_expand(g, axis, keepdims) * share, A.shape))
    )


def reciprocal(n: int) -> float:
    """Return 1 / n; infinity for no numbers, whose mean is then 0 times it, nan as in NumPy."""
    return 1 / n if n > 0 else np.inf


@operation
def var(a: Value, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Value:
    """Return the variance over ``axis``: the squared distances from the mean, over n - ``ddof``."""
    A = array_of(a)
    D = A - np.mean(A, axis=axis, keepdims=True)
    total = (D * D).sum(axis=axis, keepdims=keepdims)
    share = reciprocal(A.size // builtins.max(total.size, 1) - ddof)
    return record(total * share, (a, lambda g: D * (_expand(g, axis, keepdims) * (2 * share))))


@operation
def max(a: Value, axis: Axis = None, keepdims: bool = False) -> Value:
    """Return the greatest number along ``axis``, by default of all."""
    A = data(a)
    value = np.max(A, axis=axis, keepdims=True)

    def gradient(g: Array) -> Array:
        """Return g at the greatest numbers, in equal shares where several are."""
        hits = (value == A).astype(A.dtype)
        return hits * (_expand(g, axis, keepdims) / hits.sum(axis=axis, keepdims=True))

    shape = value.shape if keepdims else np.max(A, axis=axis).shape
    return record(value.reshape(shape), (a, gradient))


@operation
def softmax(a: Value, axis: int = -1) -> Value:
    """Return exp(a) over its sum along ``axis``, of the shape of a."""
    S = np.exp(log_probabilities(floating(a), axis))
    return record(S, (a, lambda g: S * (g - np.sum(g * S, axis=axis, keepdims=True))))


@operation
def log_softmax(a: Value, axis: int = -1) -> Value:
    """Return log(softmax(a)) along ``axis``, in nats, of the shape of a."""
    L = log_probabilities(floating(a), axis)
    return record(L, (a, lambda g: g - np.exp(L) * np.sum(g, axis=axis, keepdims=True)))


def log_probabilities(A: Any, axis: int = -1) -> Any:
    """Return the logarithm of the softmax of an array; the maximum goes first against overflow."""
    shifted = A - np.max(A, axis=axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


# Products


@operation
def matmul(a: Value, b: Value) -> Value:
    """Return the matrix product a @ b, over leading axes as in NumPy."""
    A, B = operands(a, b)
    if A.ndim == 1:
        product = matmul(reshape(a, (1, -1)), b)
        shape = product.shape[1:] if B.ndim == 1 else product.shape[:-2] + product.shape[-1:]
        return reshape(product, shape)
    if B.ndim == 1:
        product = matmul(a, reshape(b, (-1, 1)))
        return reshape(product, product.shape[:-1])
    if A.ndim == 2 and B.ndim == 2:
        return record(A @ B, (a, lambda g: g @ B.T), (b, lambda g: A.T @ g))
    return record(
        A @ B,
        (a, lambda g: g @ np.swapaxes(B, -1, -2)),
        (b, lambda g: _right_gradient(A, B, g)),
    )


def _right_gradient(A: Array, B: Array, g: Array) -> Array:
    if B.ndim == 2:  # one matrix for all leading axes: one product instead of many and their sum
        return rows_of(A).T @ rows_of(g)
    return np.swapaxes(A, -1, -2) @ g


def rows_of(A: Array) -> Array:
    """Return A with all axes but the last made one, shape (..., n) -> (rows, n)."""
    rows = -1 if A.size else prod(A.shape[:-1])  # of no numbers NumPy infers no length
    return A.reshape(rows, A.shape[-1])


# Shapes


@operation
def transpose(a: Value, axes: Sequence[int] | None = None) -> Value:
    """Return a with its axes in the order ``axes``, by default reversed."""
    A = data(a)
    back = None if axes is None else np.argsort([axis % A.ndim for axis in axes]).tolist()
    return record(np.transpose(A, axes), (a, lambda g: np.transpose(g, back)))


@operation
def reshape(a: Value, shape: int | Sequence[int]) -> Value:
    """Return the numbers of a in another ``shape``; one length may be -1."""
    A = data(a)
    return record(np.reshape(A, shape), (a, lambda g: np.reshape(g, A.shape)))


@operation
def concatenate(parts: Sequence[Value], axis: int = 0) -> Value:
    """Return the ``parts`` one after another along ``axis``."""
    arrays = _of_one_type(parts)
    ends = np.cumsum([array.shape[axis] for array in arrays])

    def piece(place: int) -> Callable[[Array], Array]:
        """Return the function that cuts the part at this place out of g."""
        key = slice(ends[place] - arrays[place].shape[axis], ends[place])
        return lambda g: g[(*[slice(None)] * (axis % g.ndim), key)]

    rows = [(part, piece(place)) for place, part in enumerate(parts)]
    return record(np.concatenate(arrays, axis=axis), *rows)


@operation
def stack(parts: Sequence[Value], axis: int = 0) -> Value:
    """Return the ``parts``, all of one shape, along a new ``axis``."""

    def piece(place: int) -> Callable[[Array], Array]:
        """Return the function that takes the part at this place from g."""
        return lambda g: np.take(g, place, axis=axis)

    rows = [(part, piece(place)) for place, part in enumerate(parts)]
    return record(np.stack(_of_one_type(parts), axis=axis), *rows)


@operation
def split(a: Value, sections: int | Sequence[int], axis: int = 0) -> list[Value]:
    """Return pieces along ``axis``: ``sections`` equal ones, or those that end at ``sections``."""
    A = data(a)
    pieces = np.split(A, sections, axis=axis)
    if isinstance(sections, int | np.integer):
        sections = [place * pieces[0].shape[axis] for place in range(1, len(pieces))]
    before = [slice(None)] * (axis % A.ndim)
    ends = zip([0, *sections], [*sections, None], strict=True)
    return [index(a, (*before, slice(first, end))) for first, end in ends]


@operation
def pad(a: Value, widths: Sequence[tuple[int, int]], value: float = 0.0) -> Value:
    """Return a with ``value`` around it; ``widths`` holds (before, after) for each axis.

    Raises ``AutodiffError`` unless there is a pair of at least 0 for each axis.
    """
    A = data(a)
    if len(widths) != A.ndim or np.any(np.less(widths, 0)):
        raise ValueError(f"expected a pair of widths of at least 0 for each axis, not {widths}")
    shape = [before + n + after for n, (before, after) in zip(A.shape, widths, strict=True)]
    inside = tuple(
        slice(before, before + n) for n, (before, _) in zip(A.shape, widths, strict=True)
    )
    padded = np.full_like(A, value, shape=shape)
    padded[inside] = A
    return record(padded, (a, lambda g: g[inside]))


@operation
def index(a: Value, key: Any) -> Value:
    """Return a[key], for any NumPy key. An element taken twice gets the sum of both gradients.

    A GPU adds up three or more in no fixed order; ``gather`` has one.
    """
    A = data(a)
    parts = key if isinstance(key, tuple) else (key,)
    basic = all(
        part is None or part is Ellipsis or isinstance(part, int | np.integer | slice)
        for part in parts
    )

    def gradient(g: Array) -> Array:
        """Return zeros with g added at the key."""
        if not basic and not isinstance(A, np.ndarray):  # CuPy's add.at takes one array as the key
            flat = np.zeros_like(A, shape=A.size)
            np.add.at(flat, np.arange(A.size, like=A).reshape(A.shape)[key], g)
            return flat.reshape(A.shape)
        d = np.zeros_like(A)
        if basic:  # takes no number twice
            d[key] = g
        else:
            np.add.at(d, key, g)
        return d

    return record(A[key], (a, gradient))


@operation
def gather(rows: Value, ids: Array) -> Value:
    """Return the rows with these ``ids``, an embedding: (V, n) and (...) -> (..., n).

    A negative id counts from the end, as in NumPy. Raises ``AutodiffError`` for ids outside the
    rows, and for those that are no integers.
    """
    W = data(rows)
    if W.ndim != 2:
        raise ValueError("rows (V, n) are expected")
    refuse_other_than_ids(ids)
    refuse_beyond(ids, len(W), W)
    return record(W[ids], (rows, lambda g: add_rows(g, ids, W)))


def refuse_other_than_ids(ids: Array) -> None:
    """Raise ``ValueError`` for ids that are no integers: booleans would choose among the rows."""
    dtype = array_of(ids).dtype
    if dtype.kind not in "iu" and np.size(ids):  # an empty list has the type of floats
        raise ValueError(f"ids are expected to be integers, not of type {dtype}")


def refuse_beyond(ids: Array, n: int, beside: Array) -> None:
    """Raise ``IndexError`` for ids of the host that are not below n: CuPy would take them modulo n.

    NumPy raises it itself. For ids on a device, it would have to be waited for.
    """
    if isinstance(ids, np.ndarray) and not isinstance(beside, np.ndarray) and ids.size:
        if not -n <= ids.min() <= ids.max() < n:
            raise IndexError(f"ids from {ids.min()} to {ids.max()} do not fit an axis of size {n}")


def add_rows(g: Array, ids: Array, W: Array) -> Array:
    """Return zeros of the shape of W (V, n), with the rows of g (..., n) added at ``ids`` (...)."""
    flat = rows_of(g)
    # -1 is the last row; a small type of integers may not hold the number of rows
    places = np.ravel(ids).astype(np.intp, copy=False) % len(W)
    if len(W) <= ONE_HOT_ROWS:
        return _one_hot(places, W).T @ flat
    d = np.zeros_like(W)
    if not isinstance(W, np.ndarray):  # CuPy's reduceat takes differences of cumulative sums
        for part in chunks(len(places), len(W)):
            d += _one_hot(places[part], W).T @ flat[part]
    elif len(places):
        order = np.argsort(places, kind="stable")
        ordered = places[order]
        firsts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
        d[ordered[firsts]] = np.add.reduceat(flat[order], firsts, axis=0)
    return d


def _one_hot(places: Array, W: Array) -> Array:
    """Return rows that are 1 at their place, (rows,) -> (rows, V)."""
    rows = np.zeros_like(W, shape=(len(places), len(W)))
    rows[np.arange(len(places)), places] = 1
    return rows


# The operators and methods of a Tensor are these operations under other names.


def _reflected(function: Callable[[Value, Value], Value]) -> Callable[[Value, Value], Value]:
    return lambda self, other: function(other, self)


def _tuple_or_numbers(function: Callable[..., Value]) -> Callable[..., Value]:
    """Let a method take a shape or axes as one tuple or as numbers: ``x.reshape(2, 3)``."""
    return lambda self, *numbers: function(
        self, numbers[0] if len(numbers) == 1 else numbers or None
    )


METHODS: dict[str, Any] = {
    "__neg__": negate,
    "__abs__": absolute,
    "__add__": add,
    "__radd__": _reflected(add),
    "__sub__": subtract,
    "__rsub__": _reflected(subtract),
    "__mul__": multiply,
    "__rmul__": _reflected(multiply),
    "__truediv__": divide,
    "__rtruediv__": _reflected(divide),
    "__pow__": power,
    "__rpow__": _reflected(power),
    "__matmul__": matmul,
    "__rmatmul__": _reflected(matmul),
    "__getitem__": index,
    "T": property(transpose),
    "transpose": _tuple_or_numbers(transpose),
    "reshape": _tuple_or_numbers(reshape),
    "sum": sum,
    "mean": mean,
    "var": var,
    "max": max,
    "exp": exp,
    "log": log,
    "sqrt": sqrt,
    "tanh": tanh,
    "sigmoid": sigmoid,
    "relu": relu,
    "softmax": softmax,
    "log_softmax": log_softmax,
}
for _name, _method in METHODS.items():
    setattr(Tensor, _name, _method)
