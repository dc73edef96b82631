"""Convolution as a matrix product, by hand: the worked example of the lesson ``letters``."""

import numpy as np

from lessons.stage import Stage, apart, beside, tiny
from makemore.autodiff import Array, Tensor, conv2d, gradients

X = np.array([[0, 3, 0, 1], [0, 3, 0, 1], [0, 3, 2, 2], [0, 3, 0, 1]], np.float32)
K = np.array([[-1, 1, 0], [-1, 1, 0], [-1, 1, 0]], np.float32)


def im2col(image: Array, size: int) -> Array:
    """Return each window of an image as a column, (H, W) -> (size², windows)."""
    H, W = (n - size + 1 for n in image.shape)
    windows = [image[i : i + size, j : j + size].ravel() for i in range(H) for j in range(W)]
    return np.stack(windows, axis=1)


def col2im(columns: Array, side: int, size: int) -> Array:
    """Return an image (side, side) to which each column is added where its window was."""
    image = np.zeros((side, side), columns.dtype)
    for number, column in enumerate(columns.T):
        i, j = divmod(number, side - size + 1)
        image[i : i + size, j : j + size] += column.reshape(size, size)
    return image


def the_convolution() -> Stage:
    """Slide one kernel over one image, as a product."""
    columns = im2col(X, 3)
    y = (K.ravel() @ columns).reshape(2, 2)
    difference = apart(y, conv2d(X[None, None], K[None, None])[0, 0])
    return Stage(
        "Convolution, and im2col: windows become columns",
        [
            "y[i, j] = sum over r, s of k[r, s] x[i + r, j + s]",
            "im2col: x (4, 4) -> columns (9, 4), one a window    y = k as a row @ columns",
        ],
        [*beside(x=X, k=K, columns=columns, y=y), "", f"away from conv2d: {tiny(difference)}"],
        "this kernel is large where the middle of its window is darker than the left: an edge. Its"
        " 9 numbers serve all places, and all windows are one matrix product, at the price that a"
        " pixel is copied into up to 9 columns.",
        (conv2d,),
        claims={"kernel times columns is what conv2d computes": difference == 0},
    )


def the_way_back() -> Stage:
    """Send a gradient back by col2im, and count how often each pixel was copied."""
    x, k, g = Tensor(X[None, None]), Tensor(K[None, None]), np.array([[1, 2], [3, 4]], np.float32)
    d_x = col2im(K.reshape(9, 1) @ g.reshape(1, 4), 4, 3)
    d_k = (g.reshape(1, 4) @ im2col(X, 3).T).reshape(3, 3)
    expected = gradients(conv2d(x, k), [x, k], g[None, None])
    difference = max(apart(d_x, expected[0][0, 0]), apart(d_k, expected[1][0, 0]))
    copies = col2im(np.ones((9, 4)), 4, 3)
    return Stage(
        "The gradient, and col2im: columns are added up",
        [
            "g = gradient of the loss with respect to y, as a row (1, 4)",
            "d_k = g @ columns.T, (1, 9)",
            "d_x = col2im(k.T @ g), (9, 4) -> (4, 4)",
        ],
        [*beside(g=g, d_k=d_k, d_x=d_x, copies=copies), "", f"away: {tiny(difference)}"],
        "im2col copied the pixels in the middle into 4 columns and those in the corners into 1."
        " The gradients of all copies add up where they came from: col2im is im2col transposed.",
        (gradients, conv2d),
        claims={"col2im gives the engine's gradient": difference == 0},
    )
