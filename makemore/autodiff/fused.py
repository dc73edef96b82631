"""The large operations: chains of small ones in one step, where these decide a network's speed.

Each computes its equation with few temporary arrays, and its gradients by a formula. The tests
compare each with the same equation composed of the small operations. Arrays of other shapes than a
docstring says raise ``AutodiffError``.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from makemore.autodiff.operations import (
    add_rows,
    array_of,
    floating,
    log_probabilities,
    logistic,
    operands,
    operation,
    reciprocal,
    refuse_beyond,
    refuse_other_than_ids,
    rows_of,
)
from makemore.autodiff.tensor import Array, Value, data, record, together
from makemore.errors import AutodiffError


@operation
def linear(x: Value, W: Value, b: Value | None = None) -> Value:
    """Return x @ W + b: x (..., n), W (n, m) and b (m,) give (..., m)."""
    X, A = operands(x, W)
    if A.ndim != 2 or X.shape[-1:] != A.shape[:1] or (b is not None and b.shape != A.shape[1:]):
        raise ValueError("x (..., n), W (n, m) and b (m,) are expected")
    rows = rows_of(X)
    value = rows @ A
    if b is not None:
        value += data(b)
    return record(
        value.reshape(*X.shape[:-1], A.shape[1]),
        (x, lambda g: (rows_of(g) @ A.T).reshape(X.shape)),
        (W, lambda g: rows.T @ rows_of(g)),
        (b, lambda g: column_sums(rows_of(g))),
    )


@operation
def sum_of_rows(rows: Value, ids: Array) -> Value:
    """Return the sum of the k rows that each row of ids names, (K, n) and (R, k) -> (R, n).

    It is the product of many-hot rows with ``rows``. k is at least 1.
    """
    W = data(rows)
    refuse_other_than_ids(ids)
    if W.ndim != 2 or ids.ndim != 2:
        raise ValueError("rows (K, n) and ids (R, k) are expected")
    value = W[ids[:, 0]]
    for column in range(1, ids.shape[1]):
        value += W[ids[:, column]]

    def gradient(g: Array) -> Array:
        """Return for each of the K rows the sum of g over the places that name it."""
        if len(W) > MANY_HOT_ROWS:
            d = np.zeros_like(W)
            for column in range(ids.shape[1]):
                d += add_rows(g, ids[:, column], W)
            return d
        many_hot = np.zeros_like(W, shape=(len(ids), len(W)))
        for column in range(ids.shape[1]):
            many_hot[np.arange(len(ids)), ids[:, column]] += 1
        return many_hot.T @ g

    return record(value, (rows, gradient))


MANY_HOT_ROWS = 1024
"""The most rows for which the gradient of ``sum_of_rows`` is one product."""


def column_sums(g: Array) -> Array:
    """Return the sums of the columns of g (rows, n), as a product, which uses all cores."""
    return np.ones_like(g, shape=(len(g),)) @ g  # for CuPy a shape of 0 is none


# Losses


@operation
def cross_entropy(logits: Value, targets: Value) -> Value:
    """Return the mean surprisal of the targets, in nats, a Tensor of shape ().

    ``logits`` have shape (..., V). ``targets`` are ids of shape (...), or counts N of shape
    (..., V): how often each id follows, which may be fractions. With P = softmax(logits) the loss
    is -(N * log P).sum() / N.sum(), its gradient (N.sum(-1) * P - N) / N.sum(), and that with
    respect to the counts (-log P - loss) / N.sum(). Raises ``AutodiffError`` for other shapes, and
    ids that are not from 0 to V - 1.
    """
    Z = floating(logits)
    given = array_of(targets)
    N = np.asarray(given, like=Z)
    if N.shape == Z.shape:
        return _cross_entropy_of_counts(logits, targets, Z, N)
    if N.shape != Z.shape[:-1] or N.dtype.kind not in "iu":
        raise ValueError("targets are expected to be ids (...) or counts (..., V)")
    if isinstance(given, np.ndarray) and (given < 0).any():  # a device would have to be waited for
        raise ValueError(f"targets are expected to be ids of at least 0, not {given.min()}")
    refuse_beyond(given, Z.shape[-1], Z)
    rows, ids, places = rows_of(Z), N.ravel(), np.arange(N.size)
    exponentials, sums, shifted_targets = _exponentials(rows, lambda shifted: shifted[places, ids])
    value = (np.log(sums).sum() - shifted_targets.sum()) * reciprocal(N.size)

    def gradient(g: Array) -> Array:
        """Return g (P - one-hot targets) / N, by rows."""
        d = exponentials * (g / N.size / sums)[:, None]
        d[places, ids] -= g / N.size
        return d.reshape(Z.shape)

    return record(value, (logits, gradient))


def _cross_entropy_of_counts(logits: Value, targets: Value, Z: Array, N: Array) -> Value:
    counts = rows_of(N.astype(Z.dtype, copy=False))
    weights = counts @ np.ones_like(counts, shape=counts.shape[1])
    n = weights.sum()
    exponentials, sums, shifted_targets = _exponentials(
        rows_of(Z), lambda shifted: np.vdot(counts, shifted)
    )
    value = (weights @ np.log(sums) - shifted_targets) * (1 / n)

    def gradient(g: Array) -> Array:
        """Return g (n_r P - N) / n, n_r being the sum of row r of the counts."""
        d = exponentials * (weights * (g / n) / sums)[:, None]
        d -= counts * (g / n)
        return d.reshape(Z.shape)

    def of_counts(g: Array) -> Array:
        """Return g (-log P - loss) / n."""
        return (log_probabilities(Z) + value) * (-g / n)

    return record(value, (logits, gradient), (targets, of_counts))


def _exponentials(rows: Array, pick: Callable[[Array], Array]) -> tuple[Array, Array, Array]:
    """Return E = exp(rows - their maxima), the sums of its rows, and ``pick(log E)``."""
    shifted = rows - rows.max(axis=-1, keepdims=True)
    picked = pick(shifted)
    exponentials = np.exp(shifted, out=shifted)
    return exponentials, exponentials @ np.ones_like(rows, shape=rows.shape[-1]), picked


@operation
def mean_squared_error(prediction: Value, target: Value) -> Value:
    """Return the mean of (prediction - target)², both of one shape, a Tensor of shape ()."""
    X, Y = operands(prediction, target)
    X = floating(X)
    if np.shape(X) != np.shape(Y):  # broadcasting would compare each row with each
        raise ValueError("prediction and target are expected to have one shape")
    D = X - Y
    scale = 2 * reciprocal(D.size)
    return record(
        np.mean(D * D),
        (prediction, lambda g: D * (g * scale)),
        (target, lambda g: D * (g * -scale)),
    )


@operation
def binary_cross_entropy_with_logits(logits: Value, targets: Value) -> Value:
    """Return the mean surprisal, in nats, of ``targets`` from 0 to 1, both of one shape.

    It is the mean of -t log(s) - (1 - t) log(1 - s) with s = sigmoid(logits), computed as
    max(z, 0) - z t + log(1 + exp(-|z|)), which does not overflow.
    """
    Z, T = operands(logits, targets)
    Z = floating(Z)
    if np.shape(Z) != np.shape(T):
        raise ValueError("logits and targets are expected to have one shape")
    value = np.mean(np.maximum(Z, 0) - Z * T + np.log1p(np.exp(-np.abs(Z))))
    return record(
        value,
        (logits, lambda g: (logistic(Z) - T) * (g / Z.size)),
        (targets, lambda g: Z * (-g / Z.size)),
    )


# Regularisation and normalisation


@operation
def dropout(x: Value, p: float, generator: np.random.Generator | None) -> Value:
    """Return x with each number set to 0 with probability ``p``, the others divided by 1 - p.

    Without a generator nothing is dropped. Raises ``AutodiffError`` for a p that is not from 0 to
    below 1. Source: Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from
    overfitting", in the form that keeps the mean.
    """
    if not 0 <= p < 1:
        raise AutodiffError(f"dropout with probability {p}: choose one of at least 0 and below 1")
    if p == 0 or generator is None:
        return x
    X = floating(x)
    is_kept = generator.random(X.shape, dtype=np.float32) >= p  # a device is sent bytes, not floats
    kept = np.asarray(is_kept, like=X) * X.dtype.type(1 / (1 - p))
    return record(X * kept, (x, lambda g: g * kept))


@operation
def layer_norm(
    x: Value, weight: Value | None = None, bias: Value | None = None, eps: float = 1e-5
) -> Value:
    """Return (x - mean) / sqrt(variance + eps) * weight + bias over the last axis.

    x has shape (..., n); weight and bias have shape (n,) and are 1 and 0 where they are left out.
    Source: Ba, Kiros and Hinton 2016, "Layer normalization", equation 4.
    """
    X = floating(x, weight, bias)
    n = X.shape[-1]
    if any(w is not None and w.shape != (n,) for w in (weight, bias)):
        raise ValueError("x (..., n), weight (n,) and bias (n,) are expected")
    rows = rows_of(X)
    mean_of = np.full_like(X, 1 / n, shape=n)  # a product with it is faster than a mean
    mean = rows @ mean_of
    normal = rows - mean[:, None]
    variance = np.einsum("ij,ij->i", normal, normal) * (1 / n)
    if isinstance(X, np.ndarray) and X.itemsize < 8:  # a device would have to be waited for
        _centre_constant_rows(rows, mean, normal, variance)
    inverse = (1 / np.sqrt(variance + eps))[:, None]
    normal *= inverse

    def gradient(g: Array) -> Array:
        """Return (d - mean(d) - normal * mean(d * normal)) / deviation, d being g * weight."""
        d = rows_of(g) if weight is None else rows_of(g) * W
        along = np.einsum("ij,ij->i", d, normal)[:, None] * (1 / n)
        d = d - (d @ mean_of)[:, None]
        d -= normal * along
        d *= inverse
        return d.reshape(X.shape)

    W = data(weight)
    return record(
        _scaled(normal, W, data(bias)).reshape(X.shape),
        (x, gradient),
        (weight, lambda g: np.einsum("ij,ij->j", rows_of(g), normal)),
        (bias, lambda g: column_sums(rows_of(g))),
    )


def _centre_constant_rows(rows: Array, mean: Array, normal: Array, variance: Array) -> None:
    """Correct rows whose numbers differ by no more than the rounding of their mean, in place.

    Without it that rounding is left, divided by the root of eps: 0.03 in rows of 1,000 numbers 100.
    """
    rounding = rows.shape[1] * np.finfo(rows.dtype).eps * np.abs(mean)
    which = np.sqrt(variance) < rounding
    if which.any():
        away = rows[which] - rows[which, :1]  # exact for numbers so close to each other
        away -= away.mean(axis=1, keepdims=True)
        normal[which], variance[which] = away, np.square(away).mean(axis=1)


def _scaled(normal: Array, weight: Array | None, bias: Array | None) -> Array:
    """Return normal * weight + bias in a new array."""
    value = normal.copy() if weight is None else normal * weight
    if bias is not None:
        value += bias
    return value


@operation
def batch_norm(
    x: Value,
    weight: Value | None = None,
    bias: Value | None = None,
    fixed: tuple[Array, Array] | None = None,
    eps: float = 1e-5,
) -> tuple[Value, Array, Array]:
    """Return (x - mean) / sqrt(variance + eps) * weight + bias of each channel; mean and variance.

    x has shape (B, channels, ...), all other arrays (channels,). Mean and variance are those over
    the batch and all positions or, as in evaluation, those in ``fixed``: a pair of both. Source:
    Ioffe and Szegedy 2015, "Batch normalization", algorithms 1 and 2.
    """
    X = floating(x, weight, bias)
    if X.ndim < 2 or any(
        part is not None and part.shape != X.shape[1:2] for part in (weight, bias, *(fixed or ()))
    ):
        raise ValueError("x (B, channels, ...) is expected, and shape (channels,) of all else")
    images = X.reshape(*X.shape[:2], prod(X.shape[2:]))
    n = X.size // X.shape[1]
    mean, variance = (images.mean(axis=(0, 2)), None) if fixed is None else fixed
    normal = images - mean.astype(X.dtype, copy=False)[:, None]
    if variance is None:
        variance = _channel_products(normal, normal) * (1 / n)
    inverse = (1 / np.sqrt(variance + eps)).astype(X.dtype, copy=False)[:, None]
    normal *= inverse
    W, b = (None if part is None else data(part)[:, None] for part in (weight, bias))

    def gradient(g: Array) -> Array:
        """Return that of ``layer_norm``, by channels; with fixed statistics d / deviation."""
        d = g.reshape(normal.shape)
        d = d if W is None else d * W
        if fixed is None:
            along = _channel_products(d, normal)[:, None] * (1 / n)
            d = d - d.mean(axis=(0, 2))[:, None]
            d -= normal * along
        return (d * inverse).reshape(X.shape)

    value = record(
        _scaled(normal, W, b).reshape(X.shape),
        (x, gradient),
        (weight, lambda g: _channel_products(g.reshape(normal.shape), normal)),
        (bias, lambda g: g.reshape(normal.shape).sum(axis=(0, 2))),
    )
    return value, mean, variance


def _channel_products(a: Array, b: Array) -> Array:
    """Return the sum of a * b, both (B, channels, n), of each channel."""
    return np.einsum("bcn,bcn->c", a, b)


# Attention


@operation
def attention(
    q: Value, k: Value, v: Value, mask: Array | None = None, kept: Array | None = None
) -> Value:
    """Return softmax(q kᵀ / sqrt(n)) v, the values of the keys that match each query.

    q has shape (..., T, n), k (..., S, n), v (..., S, m); the result (..., T, m). Where ``mask``,
    which broadcasts to (..., T, S), is False, a query does not see a key; a query that sees none
    has the result 0. The softmax is multiplied by ``kept`` (..., T, S), a mask of dropout. Raises
    ``AutodiffError`` for other shapes, and a mask of anything but booleans. Source: Vaswani et al.
    2017, "Attention is all you need", equation 1.
    """
    Q, K, U = floating(q, k, v), floating(k, q, v), floating(v, q, k)
    scale = Q.dtype.type(1 / np.sqrt(Q.shape[-1]))
    P = (Q * scale) @ np.swapaxes(K, -1, -2)
    if mask is not None:
        seen = np.asarray(data(mask), like=P)
        if seen.dtype.kind != "b":  # such as numbers to be added to the scores
            raise ValueError(f"a mask of booleans is expected, not of {seen.dtype}")
        np.copyto(P, -np.inf, where=~seen)
    softmax_in_place(P)
    if kept is not None:
        kept = np.asarray(kept, P.dtype, like=P)
    R = P if kept is None else P * kept

    def gradient(g: Array) -> tuple[Array, Array, Array]:
        """Return those of q, k and v; d is that of the scores before the softmax."""
        d = g @ np.swapaxes(U, -1, -2)
        if kept is not None:
            d *= kept
        d -= np.einsum("...ts,...ts->...t", d, P)[..., None]
        d *= P
        d *= scale
        return d @ K, np.swapaxes(d, -1, -2) @ Q, np.swapaxes(R, -1, -2) @ g

    return record(R @ U, *together((q, k, v), gradient))


def softmax_in_place(S: Array) -> None:
    """Make S its softmax along the last axis; a row that is all -inf becomes 0."""
    if not S.shape[-1]:  # no keys: their sum is 0
        return
    greatest = S.max(axis=-1, keepdims=True)
    S -= np.maximum(greatest, np.finfo(S.dtype).min)  # -inf - -inf would be nan
    np.exp(S, out=S)
    sums = (S @ np.ones_like(S, shape=S.shape[-1]))[..., None]
    S /= np.maximum(sums, np.finfo(S.dtype).tiny)


# Images


@operation
def conv2d(x: Value, W: Value, b: Value | None = None, stride: int = 1, padding: int = 0) -> Value:
    """Return the sums of windows of images times weights: a cross-correlation.

    x has shape (B, channels, H, width), W (filters, channels, kernel height, kernel width), b
    (filters,); the result (B, filters, (H + 2 padding - kernel height) // stride + 1, ...). Raises
    ``AutodiffError`` for other shapes, a stride below 1 and padding below 0. Each window becomes a
    column and the whole one product: Chellapilla et al. 2006, "High performance convolutional
    neural networks for document processing", section 3.
    """
    X, A = operands(x, W)
    if X.ndim != 4 or A.ndim != 4 or X.shape[1] != A.shape[1]:
        raise ValueError("x (B, channels, H, W) and W (filters, channels, h, w) are expected")
    if b is not None and b.shape != A.shape[:1]:
        raise ValueError("b (filters,) is expected")
    if stride < 1 or padding < 0:
        raise ValueError(f"a stride of {stride} and padding of {padding}: expected 1 and 0 or more")
    size = A.shape[2:]
    padded = np.pad(X, ((0, 0), (0, 0), (padding, padding), (padding, padding))) if padding else X
    windows = sliding_window_view(padded, size, axis=(2, 3))[:, :, ::stride, ::stride]
    B, channels, height, width = windows.shape[:4]
    flat = A.reshape(len(A), prod(A.shape[1:]))
    columns = windows.transpose(0, 1, 4, 5, 2, 3).copy().reshape(B, flat.shape[1], height * width)
    value = flat @ columns
    if b is not None:
        value += data(b)[:, None]

    def as_columns(g: Array) -> Array:
        """Return g with the pixels of each filter in a row, (B, filters, pixels)."""
        return g.reshape(B, len(A), height * width)

    def image(g: Array) -> Array:
        """Return the gradient of x: each pixel adds up what all windows that hold it have."""
        d = np.zeros_like(padded)
        parts = (flat.T @ as_columns(g)).reshape(B, channels, *size, height, width)
        for row, column, place in _places(size, (height, width), stride):
            d[place] += parts[:, :, row, column]
        return d[:, :, padding : padding + X.shape[2], padding : padding + X.shape[3]]

    def weights(g: Array) -> Array:
        """Return the gradient of W: the sum over images of g times their columns."""
        return (as_columns(g) @ columns.swapaxes(1, 2)).sum(axis=0).reshape(A.shape)

    return record(
        value.reshape(B, len(A), height, width),
        (x, image),
        (W, weights),
        (b, lambda g: as_columns(g).sum(axis=(0, 2))),
    )


def _places(
    size: tuple[int, int], result: tuple[int, int], stride: int
) -> list[tuple[int, int, Any]]:
    """Return for each place in a window its row, column, and the key of its numbers in images."""
    return [
        (
            row,
            column,
            (
                slice(None),
                slice(None),
                slice(row, row + stride * result[0], stride),
                slice(column, column + stride * result[1], stride),
            ),
        )
        for row in range(size[0])
        for column in range(size[1])
    ]


@operation
def max_pool2d(x: Value, size: int, stride: int | None = None) -> Value:
    """Return the greatest number of each window: (B, channels, H, W) -> (B, channels, H', W').

    Windows of ``size`` by ``size`` start every ``stride`` numbers, by default side by side; numbers
    left over at the end are ignored. Of equal maxima the first gets the gradient. Raises
    ``AutodiffError`` for other shapes, and for a size or stride below 1.
    """
    X = data(x)
    places = _pooling(X, size, stride)
    value = X[places[0]].copy()
    for place in places[1:]:
        np.maximum(value, X[place], out=value)

    def gradient(g: Array) -> Array:
        """Return g at the first of the greatest numbers of each window, and 0 elsewhere."""
        d = np.zeros_like(X)
        waiting = np.ones_like(value, dtype=bool)
        for place in places:
            hit = (X[place] == value) & waiting
            waiting ^= hit
            d[place] += g * hit
        return d

    return record(value, (x, gradient))


@operation
def avg_pool2d(x: Value, size: int, stride: int | None = None) -> Value:
    """Return the mean of each window: (B, channels, H, W) -> (B, channels, H', W').

    Windows and errors are those of ``max_pool2d``.
    """
    X = floating(x)
    places = _pooling(X, size, stride)
    value = X[places[0]].copy()
    for place in places[1:]:
        value += X[place]
    value *= 1 / size**2

    def gradient(g: Array) -> Array:
        """Return for each number the sum of its equal shares in the windows that hold it."""
        d, share = np.zeros_like(X), g * (1 / size**2)
        for place in places:
            d[place] += share
        return d

    return record(value, (x, gradient))


def _pooling(X: Array, size: int, stride: int | None) -> list[Any]:
    step = size if stride is None else stride
    if size < 1 or step < 1:
        raise ValueError(f"a size of {size} and a stride of {step}: expected 1 or more of both")
    if X.ndim != 4 or min(X.shape[2:]) < size:
        raise ValueError(f"images (B, channels, H, W) of at least {size} by {size} are expected")
    height, width = ((n - size) // step + 1 for n in X.shape[2:])
    places = _places((size, size), (height, width), step)
    return [place for _, _, place in places]
