"""Recurrent layers over a prefix tree: what words share is computed once, backward pass included.

A recurrent layer gives node i of a tree, with parent p, the state

    s_i = cell(x_i, h_p W + b, s_p)        x_i (k h,), W (h, k h), b (k h,)

for k gates of h numbers, where h_p is the first part of the parent's state s_p. A batch of padded
words gives each position a state; positions with the same beginning have the same one. The nodes of
a level have their parents in the levels above, so a level is one matrix product and a few
operations on whole arrays; backward goes the same way from the deepest level up. Siblings share
their parent's product ``h_p W``, and the gradients of siblings are added before they meet W.

A ``Cell`` says what is done at each node; this module says in which order. ``cumulative_sum`` walks
the same way without a cell.

Source of backward through time: Werbos 1990, "Backpropagation through time". Left out: first
states other than zero.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import islice
from typing import ClassVar, TypeAlias

import numpy as np

from makemore.autodiff.fused import column_sums
from makemore.autodiff.operations import operation
from makemore.autodiff.tensor import Array, Value, data, record, together
from makemore.counting.prefix_tree import Forest, Level, PrefixTree

Arrays: TypeAlias = tuple[Array, ...]


class Cell(ABC):
    """What a recurrent layer computes at N nodes at once.

    Attributes
    ----------
    gates : int
        k: the input x and the hidden product u have shape (N, k h).
    parts : int
        The state s has shape (N, parts h); its first h numbers are what other layers see.
    """

    gates: ClassVar[int]
    parts: ClassVar[int] = 1

    @staticmethod
    @abstractmethod
    def forward(x: Array, u: Array, s: Array) -> tuple[Array, Arrays]:
        """Return the new states, and the arrays that ``backward`` needs beside s."""

    @staticmethod
    @abstractmethod
    def backward(d: Array, kept: Arrays, s: Array) -> tuple[Array, Array, Array | None]:
        """Return the gradients with respect to x, u and the last h numbers of s.

        ``d`` is the gradient with respect to the new states. The gradient of s leaves out the path
        through u; None stands for zeros. The other numbers of s matter through u alone.
        """


class ElmanCell(Cell):
    """h' = tanh(x + u). Source: Elman 1990, "Finding structure in time"."""

    gates = 1

    @staticmethod
    def forward(x: Array, u: Array, s: Array) -> tuple[Array, Arrays]:
        """Return h' twice: it is all that ``backward`` needs."""
        h = x + u
        np.tanh(h, out=h)
        return h, (h,)

    @staticmethod
    def backward(d: Array, kept: Arrays, s: Array) -> tuple[Array, Array, Array | None]:
        """Return (d (1 - h'²), the same, None)."""
        (h,) = kept
        d_x = d * (1 - h * h)
        return d_x, d_x, None


class GatedCell(Cell):
    """The gated recurrent unit, with PyTorch's order of the gates r, z, n.

        r = sigmoid(x_r + u_r)      z = sigmoid(x_z + u_z)
        n = tanh(x_n + r u_n)       h' = (1 - z) n + z h

    Source: Cho et al. 2014, "Learning phrase representations using RNN encoder-decoder", section
    2.3, in the form in which r multiplies the product and not the state.
    """

    gates = 3

    @staticmethod
    def forward(x: Array, u: Array, s: Array) -> tuple[Array, Arrays]:
        """Return h', and (r, z, n) in one array of shape (N, 3 h), and u_n."""
        h = s.shape[1]
        gates, u_n = x.copy(), u[:, 2 * h :]
        rz, n = gates[:, : 2 * h], gates[:, 2 * h :]
        rz += u[:, : 2 * h]
        _sigmoid_in_place(rz)
        r, z = rz[:, :h], rz[:, h:]
        n += r * u_n
        np.tanh(n, out=n)
        new = s - n
        new *= z
        new += n
        return new, (gates, u_n)

    @staticmethod
    def backward(d: Array, kept: Arrays, s: Array) -> tuple[Array, Array, Array | None]:
        """Return the gradients of the equations, gate by gate."""
        h = s.shape[1]
        gates, u_n = kept
        r, z, n = gates[:, :h], gates[:, h : 2 * h], gates[:, 2 * h :]
        d_x = np.empty_like(gates)
        d_r, d_z, d_n = d_x[:, :h], d_x[:, h : 2 * h], d_x[:, 2 * h :]
        np.multiply(d, 1 - z, out=d_n)
        d_n *= 1 - n * n
        np.multiply(d_n, u_n, out=d_r)
        np.multiply(d, s - n, out=d_z)
        rz = gates[:, : 2 * h]
        d_x[:, : 2 * h] *= rz * (1 - rz)
        d_u = d_x.copy()
        d_u[:, 2 * h :] *= r
        return d_x, d_u, d * z


class LongShortTermCell(Cell):
    """Long short-term memory, with PyTorch's order of the gates i, f, g, o; the state is (h, c).

        i, f, o = sigmoid(x + u)      g = tanh(x_g + u_g)
        c' = f c + i g                h' = o tanh(c')

    Each gate is y = a tanh(a (x + u)) + 1 - a, where a is 1 for g and 1/2 for the others, as
    sigmoid(v) = tanh(v / 2) / 2 + 1/2; its slope is (1 - y) (y + 2 a - 1). One pass over all
    columns is three times as fast as a pass over the columns of each gate.

    Source: Hochreiter and Schmidhuber 1997, "Long short-term memory", with the forget gate of Gers
    et al. 2000, "Learning to forget".
    """

    gates = 4
    parts = 2

    @staticmethod
    def scales(gates: Array) -> Array:
        """Return a for each column of the gates, (N, 4 h) -> (4 h,)."""
        a = np.full_like(gates, 0.5, shape=gates.shape[1])
        h = len(a) // 4
        a[2 * h : 3 * h] = 1
        return a

    @staticmethod
    def forward(x: Array, u: Array, s: Array) -> tuple[Array, Arrays]:
        """Return (h', c'), and (i, f, g, o) in one array of shape (N, 4 h), and tanh c'."""
        h = s.shape[1] // 2
        gates, new = x + u, np.empty_like(s)
        a = LongShortTermCell.scales(gates)
        gates *= a
        np.tanh(gates, out=gates)
        gates *= a
        gates += 1 - a
        i, f, g, o = (gates[:, part * h : (part + 1) * h] for part in range(4))
        c = new[:, h:]
        np.multiply(f, s[:, h:], out=c)
        c += i * g
        tanh_c = np.tanh(c)
        np.multiply(o, tanh_c, out=new[:, :h])
        return new, (gates, tanh_c)

    @staticmethod
    def backward(d: Array, kept: Arrays, s: Array) -> tuple[Array, Array, Array | None]:
        """Return the gradients of the equations; x and u have the same one."""
        gates, tanh_c = kept
        h = s.shape[1] // 2
        i, f, g, o = (gates[:, part * h : (part + 1) * h] for part in range(4))
        d_h = d[:, :h]
        d_c = d_h * o
        d_c *= 1 - tanh_c * tanh_c
        d_c += d[:, h:]
        d_x = np.empty_like(gates)
        d_i, d_f, d_g, d_o = (d_x[:, part * h : (part + 1) * h] for part in range(4))
        np.multiply(d_c, g, out=d_i)
        np.multiply(d_c, s[:, h:], out=d_f)
        np.multiply(d_c, i, out=d_g)
        np.multiply(d_h, tanh_c, out=d_o)
        slopes = gates + (2 * LongShortTermCell.scales(gates) - 1)
        slopes *= 1 - gates
        d_x *= slopes
        d_c *= f
        return d_x, d_x, d_c


@operation
def recurrent(cell: type[Cell], x: Value, W: Value, b: Value, levels: Sequence[Level]) -> Value:
    """Return the hidden vectors of a recurrent layer at M nodes, (M, h).

    x has shape (M, k h), the layer's input times its input weights; W (h, k h), b (k h,). The
    nodes are those of ``levels_of_tree`` or ``levels_of_sequences``; the first states are zero.
    """
    X, A, bias = data(x), data(W), data(b)
    M, h = levels[-1].nodes.stop, len(A)
    if X.shape != (M, cell.gates * h) or A.shape[1:] != bias.shape or X.shape[1:] != bias.shape:
        raise ValueError(f"x ({M}, {cell.gates} h), W (h, {cell.gates} h) and b are expected")
    levels = levels_beside(X, levels)
    S = np.zeros_like(X, shape=(M + 1, cell.parts * h))  # the last is the state before the first
    kept = []
    for level in levels:
        before = S[level.parents]
        U = before[:, :h] @ A
        U += bias
        if len(U) < len(level.which):  # else each parent has one child
            U, before = U[level.which], before[level.which]
        S[level.nodes], saved = cell.forward(X[level.nodes], U, before)
        kept.append((saved, before))

    def gradient(g: Array) -> tuple[Array, Array, Array]:
        """Return those of x, W and b, from the leaves up: children before their parents."""
        d_S = np.zeros_like(S)
        d_S[:M, :h] = g
        d_X, d_U = np.empty_like(X), []
        for level, saved in zip(levels[::-1], kept[::-1], strict=True):
            d_X[level.nodes], d_u, d_s = cell.backward(d_S[level.nodes], *saved)
            d_U.append(level.sums_over_siblings(d_u))
            if d_s is not None:
                d_S[level.parents, -h:] += level.sums_over_siblings(d_s)
            d_S[level.parents, :h] += d_U[-1] @ A.T
        parents = np.concatenate([level.parents for level in levels[::-1]])
        d = np.concatenate(d_U)
        return d_X, S[parents, :h].T @ d, column_sums(d)

    return record(S[:M, :h], *together((x, W, b), gradient))


def _at_slots(rows: Array, forest: Forest) -> Array:
    """Return rows at their slots, zeros elsewhere, (M, m) -> (blocks T, m)."""
    blocks, T, _ = forest.is_ancestor.shape
    places = np.zeros_like(rows, shape=(blocks * T, rows.shape[1]))
    places[forest.slots] = rows
    return places


@operation
def attention_to_ancestors(qkv: Value, heads: int, forest: Forest) -> Value:
    """Return what each node of a forest sees of itself and its ancestors, (M, 3 n) -> (M, n).

    The rows of ``qkv`` hold queries, keys and values side by side; each is cut into ``heads``. The
    equation is that of ``fused.attention``, here with the nodes of a block in one dense product.
    """
    X = data(qkv)
    n = X.shape[1] // 3
    blocks, T, _ = forest.is_ancestor.shape

    def by_head(places: Array) -> Array:
        """Return a view by part, block, head and position: (parts, blocks, heads, T, d)."""
        return places.reshape(blocks, T, -1, heads, n // heads).transpose(2, 0, 3, 1, 4)

    Q, K, U = by_head(_at_slots(X, forest))
    scale = X.dtype.type((n // heads) ** -0.5)
    # Each query is a column: NumPy takes the maxima of columns twice as fast as those of rows.
    P = (K * scale) @ Q.swapaxes(-1, -2)
    P += forest.mask[:, None]
    P -= P.max(axis=-2, keepdims=True)
    np.exp(P, out=P)
    P /= np.ones_like(P, shape=(1, T)) @ P
    value = np.empty_like(X, shape=(blocks * T, n))
    (seen,) = by_head(value)
    seen[...] = P.swapaxes(-1, -2) @ U

    def gradient(g: Array) -> Array:
        """Return the gradients of queries, keys and values, side by side as in ``qkv``."""
        d_qkv = np.empty_like(X, shape=(blocks * T, 3 * n))
        d_Q, d_K, d_U = by_head(d_qkv)
        (G,) = by_head(_at_slots(g, forest))
        d = U @ G.swapaxes(-1, -2)
        d -= np.einsum("...td,...td->...t", G, seen)[..., None, :]
        d *= P
        d *= scale
        d_Q[...] = d.swapaxes(-1, -2) @ K
        d_K[...] = d @ Q
        d_U[...] = P @ G
        return d_qkv[forest.slots]

    return record(value[forest.slots], (qkv, gradient))


@operation
def cumulative_sum(x: Value, tree: PrefixTree) -> Value:
    """Return for each node the sum of x over it and its ancestors, (M, n) -> (M, n)."""
    total = data(x).copy()
    levels = levels_beside(total, tree.levels)
    for level in levels:
        total[level.nodes] += total[level.parents[level.which]]

    def gradient(g: Array) -> Array:
        """Return for each node the sum of g over it and its descendants."""
        d = g.copy()
        for level in levels[::-1]:
            d[level.parents] += level.sums_over_siblings(d[level.nodes])
        return d

    return record(total, (x, gradient))


def _sigmoid_in_place(a: Array) -> None:
    """Make ``a`` its sigmoid, by a tanh, which is faster than ``operations.logistic``.

    The error is that of rounding a number near 1: a gate that is nearly closed needs no more.
    """
    a *= 0.5
    np.tanh(a, out=a)
    a += 1
    a *= 0.5


def levels_beside(X: Array, levels: Sequence[Level]) -> Sequence[Level]:
    """Return the levels with their indices where X lies; a device gets them in one transfer."""
    if isinstance(X, np.ndarray) or not levels:
        return levels
    indices = [level.indices for level in levels]
    row = np.concatenate([array for arrays in indices for array in arrays])
    ends = np.cumsum([len(array) for arrays in indices for array in arrays]).tolist()
    sent = iter(np.split(np.asarray(row, like=X), ends[:-1]))
    return [
        level.with_indices(list(islice(sent, len(arrays))))
        for level, arrays in zip(levels, indices, strict=True)
    ]


def levels_of_tree(tree: PrefixTree) -> list[Level]:
    """Return the levels of a tree with the root as the child of an extra node after all others."""
    zero = np.zeros(1, np.intp)
    return [Level(slice(0, 1), zero + len(tree), zero, zero), *tree.levels]


def levels_of_sequences(B: int, T: int) -> list[Level]:
    """Return the levels of B sequences of T steps that share nothing, their nodes step by step."""
    each, zero = np.arange(B), np.zeros(B, np.intp)
    first = Level(slice(0, B), np.array([B * T])[:B], zero, zero[:1])  # no parent of no sequences
    return [
        first,
        *(Level(slice(t * B, t * B + B), each + (t - 1) * B, each, each) for t in range(1, T)),
    ]
