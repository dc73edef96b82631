"""The layers of most networks: linear, embedding, normalisation, dropout, activations.

Names, equations, defaults and first weights are PyTorch's, except that weights multiply from the
right, x (..., n) @ W (n, m), and that ``GELU`` is the approximation, not PyTorch's default. Sizes
come first, then the generator of the first weights; without a generator the weights are zeros that
take no memory. Arrays of other shapes than a docstring says raise ``AutodiffError``.
"""

from math import prod
from typing import Any

import numpy as np

from makemore.autodiff import (
    dropout,
    gather,
    gelu,
    layer_norm,
    leaky_relu,
    linear,
    relu,
    reshape,
    sigmoid,
    tanh,
)
from makemore.autodiff.tensor import Array, Tensor, Value, data
from makemore.errors import AutodiffError
from makemore.nn.base import Layer
from makemore.nn.initialisation import Generator, normal, refuse_below_one, uniform


class Linear(Layer):
    """x @ weight + bias: (..., inputs) -> (..., outputs).

    The first weights and biases are uniform within ``1 / sqrt(inputs)``. Raises ``AutodiffError``
    for sizes below 1.

    Attributes
    ----------
    weight : Tensor of shape (inputs, outputs)
    bias : Tensor of shape (outputs,), or None
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        generator: Generator,
        *,
        bias: bool = True,
        dtype: type = np.float32,
    ) -> None:
        refuse_below_one(inputs=inputs, outputs=outputs)
        bound = inputs**-0.5
        self.weight = Tensor(uniform((inputs, outputs), generator, bound, dtype))
        self.bias = Tensor(uniform((outputs,), generator, bound, dtype)) if bias else None

    def __call__(self, x: Value) -> Value:
        """Return x @ weight + bias."""
        return linear(x, self.weight, self.bias)


class Embedding(Layer):
    """The row of ``weight`` for each id: (...) -> (..., n). The first rows are normal, variance 1.

    Raises ``AutodiffError`` for sizes below 1.

    Attributes
    ----------
    weight : Tensor of shape (V, n)
    """

    def __init__(self, V: int, n: int, generator: Generator, *, dtype: type = np.float32) -> None:
        refuse_below_one(V=V, n=n)
        self.weight = Tensor(normal((V, n), generator, 1.0, dtype))

    def __call__(self, ids: Array) -> Value:
        """Return the rows with these ids. Raises ``AutodiffError`` as ``gather`` does."""
        return gather(self.weight, ids)


class LayerNorm(Layer):
    """(x - mean) / sqrt(variance + eps) * weight + bias over the last axis, of n numbers.

    Raises ``AutodiffError`` for n below 1. Source: Ba, Kiros and Hinton 2016, "Layer
    normalization".

    Attributes
    ----------
    weight, bias : Tensors of shape (n,), ones and zeros at first
    """

    def __init__(self, n: int, *, eps: float = 1e-5, dtype: type = np.float32) -> None:
        refuse_below_one(n=n)
        self.weight = Tensor(np.ones(n, dtype))
        self.bias = Tensor(np.zeros(n, dtype))
        self.eps = eps

    def __call__(self, x: Value) -> Value:
        """Return x normalised, of the same shape."""
        return layer_norm(x, self.weight, self.bias, self.eps)


class Dropout(Layer):
    """While training, each number is 0 with probability p, and the others are divided by 1 - p.

    Without a generator nothing is dropped. Raises ``AutodiffError`` for a p that is not from 0 to
    below 1. Source: Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from
    overfitting".
    """

    def __init__(self, p: float, generator: Generator) -> None:
        if not 0 <= p < 1:
            raise AutodiffError(
                f"dropout with probability {p}: choose one of at least 0 and below 1"
            )
        self.p = p
        self.generator = generator

    def __call__(self, x: Value) -> Value:
        """Return x with numbers dropped, or x itself in evaluation."""
        return dropout(x, self.p, self.generator) if self.training else x


class Sequential(Layer):
    """Layers one after another, or any functions of one value."""

    def __init__(self, *layers: Any) -> None:
        self.layers = list(layers)

    def __call__(self, x: Value) -> Value:
        """Return what the last layer makes of it."""
        for layer in self.layers:
            x = layer(x)
        return x


class Tanh(Layer):
    """The hyperbolic tangent."""

    def __call__(self, x: Value) -> Value:
        """Return tanh(x)."""
        return tanh(x)


class Sigmoid(Layer):
    """1 / (1 + exp(-x))."""

    def __call__(self, x: Value) -> Value:
        """Return sigmoid(x)."""
        return sigmoid(x)


class ReLU(Layer):
    """max(x, 0)."""

    def __call__(self, x: Value) -> Value:
        """Return relu(x)."""
        return relu(x)


class LeakyReLU(Layer):
    """x where it is positive, else ``slope`` times x (Maas et al. 2013)."""

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = slope

    def __call__(self, x: Value) -> Value:
        """Return leaky_relu(x)."""
        return leaky_relu(x, self.slope)


class GELU(Layer):
    """The Gaussian error linear unit in its usual approximation by a hyperbolic tangent.

    It is PyTorch's ``GELU(approximate="tanh")``. Source: Hendrycks and Gimpel 2016, "Gaussian error
    linear units", section 2.
    """

    def __call__(self, x: Value) -> Value:
        """Return gelu(x)."""
        return gelu(x)


class Flatten(Layer):
    """All axes but the first made one: (B, ...) -> (B, n)."""

    def __call__(self, x: Value) -> Value:
        """Return x in its new shape."""
        shape = data(x).shape
        return reshape(x, (*shape[:1], prod(shape[1:])))
