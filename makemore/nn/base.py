"""A layer is what it computes and what it holds; its parameters are views of one vector.

A layer's fields are its parameters (Tensors), its other state (arrays, such as a running mean) and
the layers that it is made of (alone or in a list); fields that begin with an underscore are none of
these. Nothing registers itself: ``parameters`` looks at the fields, and a parameter's name is the
path to its field, such as "layers.0.weight".

    layer = Sequential(Linear(2, 8, generator), Tanh(), Linear(8, 1, generator))
    vector = ParameterVector(layer.parameters())
    optimizer = AdamW(learning_rate=0.01)
    for _ in range(100):
        vector.backward(mean_squared_error(layer(x), y))
        optimizer.step(vector.values, vector.gradient)
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from makemore.arrays import keep_freed_memory, on_host
from makemore.autodiff.tensor import Array, Tensor, Value, data, gradients
from makemore.errors import AutodiffError


class Layer:
    """What all layers share: the names of their parameters, and the two modes.

    A subclass sets its fields in ``__init__`` and computes in ``__call__``. ``training`` says
    whether dropout drops and batch normalisation measures; ``train`` and ``evaluate`` set it for
    a layer and all layers within it.
    """

    training: bool = True

    def parameters(self) -> dict[str, Tensor]:
        """Return the Tensors of this layer and the layers within it by name, in field order."""
        return {name: part for name, part in self._parts() if isinstance(part, Tensor)}

    def state(self) -> dict[str, Array]:
        """Return the arrays that ``load`` takes: parameters, and other state of the layers."""
        return {
            name: part.data if isinstance(part, Tensor) else part for name, part in self._parts()
        }

    def load(self, state: Mapping[str, Array]) -> None:
        """Take copies of the arrays of ``state``, each in type and place of the one it replaces.

        Raises ``AutodiffError``, and changes nothing, if a name is missing or unknown, a shape
        differs, an array holds anything but finite numbers, or names that share a parameter have
        different ones. Make a ``ParameterVector`` after this: an earlier one would not see the new
        arrays.
        """
        own = self.state()
        if own.keys() != state.keys():
            names = ", ".join(sorted(own.keys() ^ state.keys()))
            raise AutodiffError(f"the layer and the state to load differ in the arrays {names}")
        for name, array in own.items():
            if np.shape(state[name]) != array.shape:
                raise AutodiffError(
                    f"{name} has shape {np.shape(state[name])} in the state to load, and"
                    f" {array.shape} in the layer"
                )
        copies: dict[int, Array] = {}  # by the identity of what a field holds: names may share it
        for name, layer, field in self._fields():
            copy = _copy_of(on_host(state[name]), own[name].dtype, name)
            key = id(getattr(layer, field))
            if not np.array_equal(copies[key] if key in copies else copy, copy):
                raise AutodiffError(
                    f"{name} shares its array with another name, and the state to load has other"
                    " numbers for it"
                )
            copies[key] = copy
        for name, layer, field in list(self._fields()):
            copy = copies[id(getattr(layer, field))]
            layer._set(field, np.asarray(copy, like=own[name]))

    def move(self, place: Callable[[Array], Array]) -> None:
        """Replace each array by ``place(array)``: ``cupy.array`` moves to a GPU, ``asnumpy`` back.

        Make a ``ParameterVector`` after this, as after ``load``.
        """
        for _, layer, field in list(self._fields()):
            part = getattr(layer, field)
            layer._set(field, place(data(part)))

    @property
    def parameter_count(self) -> int:
        """The number of numbers that training changes."""
        return sum(tensor.data.size for tensor in set(self.parameters().values()))

    def train(self, training: bool = True) -> None:
        """Set ``training`` for this layer and all layers within it."""
        self.training = training
        for name, part in vars(self).items():
            for _, layer in _named_layers(name, part):
                layer.train(training)

    def evaluate(self) -> None:
        """Stop dropout, and fix the statistics of batch normalisation."""
        self.train(False)

    def freeze(self, dtype: npt.DTypeLike) -> None:
        """Make all numbers constants of type ``dtype``: the layer then maps arrays to arrays."""
        for _, layer, field in list(self._fields()):
            part = getattr(layer, field)
            if isinstance(part, Tensor):
                part.requires_grad = False
                part.data = part.data.astype(dtype)
            elif part.dtype.kind == "f":
                setattr(layer, field, part.astype(dtype))
        self.evaluate()

    def _set(self, field: str, array: Array) -> None:
        part = getattr(self, field)
        if isinstance(part, Tensor):
            part.data = array
        else:
            setattr(self, field, array)

    def _parts(self) -> Iterator[tuple[str, Any]]:
        """Yield the name and value of each Tensor and array, here and in the layers within."""
        return ((name, getattr(layer, field)) for name, layer, field in self._fields())

    def _fields(self) -> Iterator[tuple[str, "Layer", str]]:
        """Yield the name of each Tensor and array, the layer that holds it, and its field there."""
        for field, part in vars(self).items():
            if field.startswith("_"):
                continue
            if isinstance(part, Tensor) or hasattr(part, "__array_function__"):
                yield field, self, field
            else:
                for name, layer in _named_layers(field, part):
                    for key, owner, inner in layer._fields():
                        yield f"{name}.{key}", owner, inner


def _copy_of(array: Array, dtype: npt.DTypeLike, name: str) -> Array:
    """Return a copy of an array. Raises ``AutodiffError`` unless it holds finite numbers."""
    if np.asarray(array).dtype.kind not in "biuf":
        found = np.asarray(array).dtype
        raise AutodiffError(f"{name} has the type {found} in the state to load: expected numbers")
    with np.errstate(over="ignore"):  # what is too large for the type is infinite in it
        copy = np.array(array, dtype)
    if not np.isfinite(copy).all():
        raise AutodiffError(f"{name} has numbers in the state to load that are not finite")
    return copy


def _named_layers(name: str, part: Any) -> Iterator[tuple[str, Layer]]:
    if isinstance(part, Layer):
        yield name, part
    elif isinstance(part, list | tuple):
        for number, layer in enumerate(part):
            if isinstance(layer, Layer):
                yield f"{name}.{number}", layer


KEPT_BYTES = 1 << 28
"""The bytes of freed memory that are kept for the next step."""


class ParameterVector:
    """All parameters as views of one vector, and their gradients as views of a second.

    A step of an optimizer, clipping, a test for finite numbers and saving are then a few operations
    on vectors, however many parameters there are.

    Attributes
    ----------
    values, gradient : arrays of shape (P,)
        Change ``values`` in place and the parameters change with them.
    """

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        """Move the parameters' numbers into one vector.

        Raises ``AutodiffError`` for no parameters, or parameters of several types.
        """
        keep_freed_memory(KEPT_BYTES)
        if not parameters:
            raise AutodiffError("there are no parameters to train")
        types = {str(tensor.dtype): name for name, tensor in parameters.items()}
        if len(types) > 1:
            found = " and ".join(f"{name} of {dtype}" for dtype, name in sorted(types.items()))
            raise AutodiffError(f"parameters of one type are expected, not {found}")
        self._tensors = list(dict.fromkeys(parameters.values()))  # once where names share one
        self.values: Array = np.concatenate([tensor.data.ravel() for tensor in self._tensors])
        self.gradient: Array = np.zeros_like(self.values)
        ends = np.cumsum([tensor.data.size for tensor in self._tensors]).tolist()
        self._slices = [
            slice(end - tensor.data.size, end)
            for end, tensor in zip(ends, self._tensors, strict=True)
        ]
        for tensor, part in zip(self._tensors, self._slices, strict=True):
            tensor.data = self.values[part].reshape(tensor.shape)

    def __len__(self) -> int:
        """Return P, the number of numbers."""
        return len(self.values)

    def backward(self, loss: Value) -> None:
        """Set ``gradient`` to that of ``loss``, a Tensor that holds one number.

        Raises ``AutodiffError`` as ``gradients`` does.
        """
        found = gradients(loss, self._tensors)
        for part, g in zip(self._slices, found, strict=True):
            self.gradient[part] = g.ravel()
