"""Arrays that know their gradients: reverse-mode automatic differentiation in one short module.

A computation is a graph. Each ``Tensor`` holds an array and one row for each Tensor that it was
made from: that parent, and a function that turns the gradient of a loss with respect to this value
into the gradient with respect to the parent. An operation writes its rows beside its value:

    def multiply(a, b):
        A, B = data(a), data(b)
        return record(A * B, (a, lambda g: g * B), (b, lambda g: g * A))

``gradients`` starts at the loss, whose gradient with respect to itself is 1, and passes gradients
from each Tensor to its parents by the chain rule. A Tensor waits until every Tensor that was made
from it has passed on its share; the shares are summed.

Rows whose parent wants no gradient are dropped, and a result without rows is a plain array. So the
same function trains with Tensors and answers with arrays. The functions of the rows hold arrays,
never Tensors: a graph has no cycles, so its memory is freed as soon as nothing refers to it.

Left out: second derivatives, and in-place changes of arrays.

Source: Baydin et al. 2018, "Automatic differentiation in machine learning: a survey", section 3.2.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from makemore.errors import AutodiffError

Array: TypeAlias = Any
"""An array of NumPy, or of a library whose arrays answer NumPy's functions."""
Value: TypeAlias = Any
"""A Tensor, an array or a number: what an operation takes. It returns a Tensor or an array."""
Gradient: TypeAlias = Callable[[Array], Array]
"""Turns the gradient with respect to a result into that with respect to one of its parents."""
Row: TypeAlias = tuple[Value, Gradient]


class Tensor:
    """An array that takes part in a graph of computations, and knows its gradient.

    ``data`` is the array, ``requires_grad`` whether its gradient is wanted, ``rows`` the parents
    with their gradient functions (none for a leaf, which no operation made), ``grad`` the gradient
    that ``backward`` set, of the shape of ``data``, or None. ``label`` names it in pictures.

    >>> x, y = Tensor(2.0), Tensor(3.0)
    >>> z = x * y + x
    >>> z.backward()
    >>> z.item(), x.grad.item(), y.grad.item()
    (8.0, 4.0, 2.0)
    """

    __slots__ = ("data", "grad", "label", "requires_grad", "rows")

    __array_ufunc__ = None  # array * Tensor calls Tensor.__rmul__, not once for each number

    def __init__(self, values: Any, requires_grad: bool = True, label: str = "") -> None:
        """Hold ``values``. Raises ``AutodiffError`` if integers are to have a gradient."""
        if isinstance(values, Tensor):
            values = values.data
        self.data: npt.NDArray[Any] = values if hasattr(values, "dtype") else np.asarray(values)
        if requires_grad and self.data.dtype.kind != "f":
            raise AutodiffError(
                f"a Tensor of type {self.data.dtype} and shape {self.data.shape} has no gradient: "
                "write its numbers with a decimal point, or pass requires_grad=False"
            )
        self.rows: tuple[Row, ...] = ()
        self.requires_grad = requires_grad
        self.grad: Array | None = None
        self.label = label

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return self.data.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the array's numbers."""
        return self.data.dtype

    @property
    def ndim(self) -> int:
        """The number of the array's axes."""
        return self.data.ndim

    @property
    def operation(self) -> str:
        """The name of the operation that made this Tensor; empty if none did."""
        # A gradient function is defined inside its operation: "multiply.<locals>.<lambda>".
        return self.rows[0][1].__qualname__.split(".")[0] if self.rows else ""

    def item(self) -> float:
        """Return the one number that the Tensor holds."""
        return float(self.data.item())

    def backward(self, gradient: Any = None) -> None:
        """Set ``grad`` of each leaf with ``requires_grad`` that this Tensor was computed from.

        Calling it again sets the same gradients: they do not accumulate. ``gradient`` is that of
        the loss with respect to this Tensor; a loss itself needs none.
        Raises ``AutodiffError`` as ``gradients`` does.
        """
        leaves = [tensor for tensor in ancestors(self) if not tensor.rows]
        for leaf, found in zip(leaves, gradients(self, leaves, gradient), strict=True):
            leaf.grad = np.copy(found)  # a copy: parents of a sum are handed the same array

    def __repr__(self) -> str:
        numbers = np.array2string(
            self.data, precision=4, separator=", ", threshold=20, prefix="Tensor("
        )
        about = [f"shape={self.shape}"] * (self.data.size > 20)
        about += [f"dtype={self.dtype}"] * (self.dtype != np.float64)
        about += [f"label={self.label!r}"] * bool(self.label)
        about += [f"operation={self.operation!r}"] * bool(self.rows)
        about += ["requires_grad=False"] * (not self.requires_grad)
        return f"Tensor({', '.join([numbers, *about])})"

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Self]:
        return (self[place] for place in range(len(self)))

    def __float__(self) -> float:
        return self.item()

    def __array__(self, *_: Any, **__: Any) -> Array:
        raise AutodiffError(
            f"NumPy does not keep the gradient of a Tensor of shape {self.shape}: "
            "use the operations of makemore.autodiff, or the array in .data"
        )

    if TYPE_CHECKING:  # the operations, which operations.py makes operators and methods as well

        def __neg__(self) -> Self: ...
        def __abs__(self) -> Self: ...
        def __add__(self, other: Value) -> Self: ...

        __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __add__
        __pow__ = __rpow__ = __matmul__ = __rmatmul__ = __add__

        def __getitem__(self, key: Any) -> Self: ...

        T: Self
        sum: Callable[..., Self]
        mean: Callable[..., Self]
        var: Callable[..., Self]
        max: Callable[..., Self]
        reshape: Callable[..., Self]
        transpose: Callable[..., Self]
        exp: Callable[[], Self]
        log: Callable[[], Self]
        sqrt: Callable[[], Self]
        tanh: Callable[[], Self]
        sigmoid: Callable[[], Self]
        relu: Callable[[], Self]
        softmax: Callable[..., Self]
        log_softmax: Callable[..., Self]


def data(value: Value) -> Array:
    """Return the array of a Tensor; an array or a number is returned as it is."""
    return value.data if isinstance(value, Tensor) else value


def wants_gradient(value: Value) -> bool:
    """Return whether ``value`` is a Tensor whose gradient is wanted."""
    return isinstance(value, Tensor) and value.requires_grad


def record(value: Value, *rows: Row) -> Value:
    """Return the result ``value`` of an operation as a Tensor that remembers ``rows``.

    Rows whose parent wants no gradient are dropped. If none is left, the array ``value`` is
    returned. A gradient function may return any shape that the parent's broadcasts to:
    ``gradients`` sums over the axes that broadcasting made.
    """
    kept = tuple([row for row in rows if isinstance(row[0], Tensor) and row[0].requires_grad])
    if not kept:
        return value
    tensor = Tensor.__new__(Tensor)  # without the checks of __init__, for speed
    tensor.data, tensor.rows, tensor.requires_grad = value, kept, True
    tensor.grad, tensor.label = None, ""
    return tensor


def together(parents: Sequence[Value], function: Callable[[Array], Sequence[Any]]) -> list[Row]:
    """Return the rows of an operation whose gradients share most of their work.

    ``function`` turns the gradient of the result into those of all ``parents``, in order; it may
    return None for a parent that wants none. It is called once for all of them.
    """
    wanted = [place for place, parent in enumerate(parents) if wants_gradient(parent)]
    source: Array | None = None
    found: dict[int, Array] = {}

    def part(place: int, g: Array) -> Array:
        """Return the share of one parent; ``function`` is called for the first that asks."""
        nonlocal source
        if source is not g or place not in found:
            shares = function(g)
            source = g
            found.update((wanted_place, shares[wanted_place]) for wanted_place in wanted)
        share = found.pop(place)
        if not found:
            source = None  # nothing is kept once all parents have their share
        return share

    def row(place: int) -> Row:
        """Return the row of one parent."""

        def gradient(g: Array) -> Array:
            """Return the parent's share of what ``function`` makes of g."""
            return part(place, g)

        gradient.__qualname__ = function.__qualname__
        return parents[place], gradient

    return [row(place) for place in wanted]


def ancestors(output: Tensor) -> dict[Tensor, int]:
    """Return ``output`` and all Tensors it was made from, each with the number of its uses."""
    uses = {output: 0}
    waiting = [output]
    while waiting:
        for parent, _ in waiting.pop().rows:
            if parent in uses:
                uses[parent] += 1
            else:
                uses[parent] = 1
                waiting.append(parent)
    return uses


def gradients(output: Value, wrt: Sequence[Tensor], gradient: Any = None) -> list[Array]:
    """Return the gradients of ``output`` with respect to each Tensor in ``wrt``, of their shapes.

    Where ``output`` is one number, ``gradient`` may be left out; else it is the gradient of a loss
    with respect to ``output``, of its shape. A Tensor that ``output`` was not made from has the
    gradient zero. The arrays may share memory: copy one before you change it. Raises
    ``AutodiffError`` if ``output`` is not a Tensor that wants a gradient, or if ``gradient`` is
    missing or of another shape.
    """
    seed = _seed(output, gradient)
    uses = ancestors(output)
    wanted = set(wrt)
    sums = {output: seed}
    found: dict[Tensor, Array] = {}
    ready = [output]
    while ready:
        tensor = ready.pop()
        g = sums.pop(tensor)
        if tensor in wanted:
            found[tensor] = g
        for parent, function in tensor.rows:
            share = _fit(function(g), parent.data)
            # A new array each time: another sum may hold the same one.
            sums[parent] = sums[parent] + share if parent in sums else share
            uses[parent] -= 1
            if not uses[parent]:
                ready.append(parent)
    return [found[t] if t in found else np.zeros_like(t.data) for t in wrt]


def _seed(output: Value, gradient: Any) -> Array:
    """Return the gradient at the output: the one given, or 1 for one number."""
    if not wants_gradient(output):
        raise AutodiffError(
            f"a {type(output).__name__} of shape {np.shape(data(output))} has no gradients: "
            "compute it from a Tensor made with requires_grad=True"
        )
    if gradient is None:
        if output.data.size != 1:
            raise AutodiffError(
                f"backward from shape {output.shape} needs a gradient of that shape: "
                "give one, or start from one number, such as the sum"
            )
        return np.ones_like(output.data)
    given = data(gradient) if hasattr(gradient, "dtype") else np.asarray(gradient)
    if given.shape != output.shape:
        raise AutodiffError(
            f"the gradient has shape {given.shape}, the tensor {output.shape}: make them the same"
        )
    return given.astype(output.dtype, copy=False)


def _fit(g: Array, parent: Array) -> Array:
    """Return ``g`` in the shape and type of the parent's array: broadcasting is undone here.

    A number that was used in many places gets the sum of their gradients.
    """
    if g.shape != parent.shape:
        added = g.ndim - parent.ndim
        stretched = [axis + added for axis, size in enumerate(parent.shape) if size == 1]
        g = g.sum(axis=(*range(added), *stretched), keepdims=True).reshape(parent.shape)
    return g if g.dtype is parent.dtype else g.astype(parent.dtype, copy=False)
