"""Layers of transformers: attention in several heads, positions, the block.

Equations are those of Vaswani et al. 2017, "Attention is all you need". Attention has PyTorch's
defaults and first weights; the weights of q, k and v stand side by side: all three are one product,
x @ weight. The block is PyTorch's ``TransformerEncoderLayer`` with other defaults: the norm first,
the approximate gelu, 4 n hidden numbers and no dropout, where PyTorch's are the norm after, relu,
2,048 numbers and 0.1.
"""

import numpy as np

from makemore.autodiff import attention, gather, gelu, linear, relu, reshape, split, transpose
from makemore.autodiff.tensor import Array, Tensor, Value, data
from makemore.errors import AutodiffError
from makemore.nn.base import Layer
from makemore.nn.initialisation import Generator, normal, refuse_below_one, xavier_uniform
from makemore.nn.layers import Dropout, LayerNorm, Linear


def _lengths(x: Value) -> tuple[int, int, int]:
    """Return B, T and n of sequences (B, T, n). Raises ``AutodiffError`` for other shapes."""
    shape = data(x).shape
    if len(shape) != 3:
        raise AutodiffError(f"sequences (B, T, n) are expected, not an array of shape {shape}")
    B, T, n = shape
    return B, T, n


class MultiHeadAttention(Layer):
    """Each position attends to the others, in several ways at once: (B, T, n) -> (B, T, n).

    q, k, v = x W + b are cut into heads of n / heads numbers; each head is softmax(q kᵀ / sqrt(n /
    heads)) v; their results side by side go through ``out``. While training, dropout with the
    probability ``dropout`` applies to the softmax. The first input weights are Xavier's, the biases
    zero. Raises ``AutodiffError`` for sizes below 1, and for heads that do not divide n.

    Attributes
    ----------
    weight, bias : Tensors of shape (n, 3 n) and (3 n,)
        Of the queries, keys and values, in this order.
    out : Linear
    """

    def __init__(
        self,
        n: int,
        heads: int,
        generator: Generator,
        *,
        dropout: float = 0.0,
        dtype: type = np.float32,
    ) -> None:
        refuse_below_one(n=n, heads=heads)
        if n % heads:
            raise AutodiffError(f"{heads} heads do not divide a width of {n}")
        self.heads = heads
        self.dropout = Dropout(dropout, generator)
        # the bound is that of a matrix (n, 3 n), as PyTorch has it
        self.weight = Tensor(xavier_uniform((n, 3 * n), generator, dtype=dtype))
        self.bias = Tensor(np.zeros(3 * n, dtype))
        self.out = Linear(n, n, generator, dtype=dtype)
        self.out.bias = Tensor(np.zeros(n, dtype))

    def __call__(self, x: Value, mask: Array | None = None, *, causal: bool = False) -> Value:
        """Return what each position gathers from those that it attends to.

        ``mask`` broadcasts to (B, heads, T, T); where it is False, a position does not attend to
        the other one. With ``causal`` no position attends to later ones. Raises ``AutodiffError``
        for other shapes, and a mask of anything but booleans.
        """
        B, T, n = _lengths(x)
        if causal:
            earlier = np.tril(np.ones((T, T), np.bool_))
            mask = earlier if mask is None else np.where(earlier, mask, False)
        qkv = reshape(linear(x, self.weight, self.bias), (B, T, 3, self.heads, n // self.heads))
        parts = split(transpose(qkv, (2, 0, 3, 1, 4)), 3)
        q, k, v = (reshape(part, (B, self.heads, T, n // self.heads)) for part in parts)
        kept = None
        if self.training and self.dropout.p:
            kept = data(self.dropout(np.ones((B, self.heads, T, T), data(q).dtype)))
        seen = transpose(attention(q, k, v, mask, kept), (0, 2, 1, 3))
        return self.out(reshape(seen, (B, T, n)))


class LearntPositions(Layer):
    """A vector for each position, learnt: added to x of shape (B, T, n), T at most ``most``.

    The first vectors are normal with the deviation 0.02 (Radford et al. 2018, "Improving language
    understanding by generative pre-training", section 4.1). Raises ``AutodiffError`` for sizes that
    are below 1.
    """

    def __init__(
        self, most: int, n: int, generator: Generator, *, dtype: type = np.float32
    ) -> None:
        refuse_below_one(most=most, n=n)
        self.weight = Tensor(normal((most, n), generator, 0.02, dtype))

    def __call__(self, x: Value) -> Value:
        """Return x with the vectors of its positions added.

        Raises ``AutodiffError`` for other shapes, and more positions than have a vector.
        """
        _, T, _ = _lengths(x)
        if T > len(self.weight):
            raise AutodiffError(f"{T} positions, where {len(self.weight)} have a vector")
        return x + gather(self.weight, np.arange(T))


class SinusoidalPositions(Layer):
    """Sines and cosines of n / 2 frequencies: added to x of shape (B, T, n) for any T.

    Position t has sin(t / 10000^(2i / n)) and cos of the same, side by side (section 3.5).
    """

    def __call__(self, x: Value) -> Value:
        """Return x with the vectors of its positions added.

        Raises ``AutodiffError`` for other shapes.
        """
        X = data(x)
        _, T, n = _lengths(x)
        return x + np.asarray(sinusoids(np.arange(T), n), X.dtype, like=X)


def sinusoids(positions: Array, n: int) -> Array:
    """Return the sines and cosines of positions, (M,) -> (M, n), in float64."""
    frequencies = 10_000.0 ** (-np.arange(0, n, 2) / n)
    angles = positions[:, None] * frequencies
    both = np.stack((np.sin(angles), np.cos(angles)), axis=-1)
    return np.asarray(both.reshape(len(positions), 2 * len(frequencies))[:, :n])


class TransformerBlock(Layer):
    """Attention, then two linear layers; each is added to its input: (B, T, n) -> (B, T, n).

    With the norm first, x + f(norm(x)); else norm(x + f(x)), as in the paper. The linear layers
    have ``hidden`` numbers between them, 4 n by default, and relu or gelu. ``dropout`` applies to
    the softmax of the attention, to the hidden numbers and to each result before it is added.
    Raises ``AutodiffError`` for sizes below 1, heads that do not divide n, and another activation.
    """

    def __init__(
        self,
        n: int,
        heads: int,
        generator: np.random.Generator,
        *,
        hidden: int | None = None,
        dropout: float = 0.0,
        norm_first: bool = True,
        activation: str = "gelu",
        dtype: type = np.float32,
    ) -> None:
        if activation not in ("gelu", "relu"):
            raise AutodiffError(f"the activation is {activation} and must be gelu or relu")
        self.attention = MultiHeadAttention(n, heads, generator, dropout=dropout, dtype=dtype)
        hidden = 4 * n if hidden is None else hidden
        self.inner = Linear(n, hidden, generator, dtype=dtype)
        self.outer = Linear(hidden, n, generator, dtype=dtype)
        self.attention_norm = LayerNorm(n, dtype=dtype)
        self.norm = LayerNorm(n, dtype=dtype)
        self.dropout = Dropout(dropout, generator)
        self.norm_first, self.activation = norm_first, activation

    def __call__(self, x: Value, mask: Array | None = None, *, causal: bool = False) -> Value:
        """Return what the block makes of x; ``mask`` and ``causal`` are those of attention."""
        if self.norm_first:
            x = x + self.dropout(self.attention(self.attention_norm(x), mask, causal=causal))
            return x + self._feed_forward(self.norm(x))
        x = self.attention_norm(x + self.dropout(self.attention(x, mask, causal=causal)))
        return self.norm(x + self._feed_forward(x))

    def _feed_forward(self, x: Value) -> Value:
        function = gelu if self.activation == "gelu" else relu
        return self.dropout(self.outer(self.dropout(function(self.inner(x)))))
