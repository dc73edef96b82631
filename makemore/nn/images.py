"""Layers for images, (B, channels, H, W): convolution, pooling, batch normalisation.

Names, equations, defaults and first weights are PyTorch's, kernels included: their shape is
(filters, channels, height, width).
"""

from math import prod

import numpy as np

from makemore.autodiff import avg_pool2d, batch_norm, conv2d, max_pool2d
from makemore.autodiff.tensor import Array, Tensor, Value, data
from makemore.errors import AutodiffError
from makemore.nn.base import Layer
from makemore.nn.initialisation import Generator, refuse_below_one, uniform


class Conv2d(Layer):
    """The sums of windows of images times kernels: (B, channels, H, W) -> (B, filters, H', W').

    The first weights and biases are uniform within one over the root of a window's numbers. Raises
    ``AutodiffError`` for channels, filters or a size below 1. Source: LeCun et al. 1998,
    "Gradient-based learning applied to document recognition".

    Attributes
    ----------
    weight : Tensor of shape (filters, channels, size, size)
    bias : Tensor of shape (filters,), or None
    """

    def __init__(
        self,
        channels: int,
        filters: int,
        size: int,
        generator: Generator,
        *,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
        dtype: type = np.float32,
    ) -> None:
        refuse_below_one(channels=channels, filters=filters, size=size)
        bound = (channels * size * size) ** -0.5
        self.weight = Tensor(uniform((filters, channels, size, size), generator, bound, dtype))
        self.bias = Tensor(uniform((filters,), generator, bound, dtype)) if bias else None
        self.stride, self.padding = stride, padding

    def __call__(self, x: Value) -> Value:
        """Return the images filtered. Raises ``AutodiffError`` as ``conv2d`` does."""
        return conv2d(x, self.weight, self.bias, self.stride, self.padding)


class MaxPool2d(Layer):
    """The greatest number of each window: (B, channels, H, W) -> (B, channels, H', W').

    Windows of ``size`` by ``size`` stand side by side or start every ``stride`` numbers.
    """

    def __init__(self, size: int, stride: int | None = None) -> None:
        self.size, self.stride = size, stride

    def __call__(self, x: Value) -> Value:
        """Return smaller images. Raises ``AutodiffError`` as ``max_pool2d`` does."""
        return max_pool2d(x, self.size, self.stride)


class AvgPool2d(Layer):
    """The mean of each window: (B, channels, H, W) -> (B, channels, H', W').

    Windows of ``size`` by ``size`` stand side by side or start every ``stride`` numbers.
    """

    def __init__(self, size: int, stride: int | None = None) -> None:
        self.size, self.stride = size, stride

    def __call__(self, x: Value) -> Value:
        """Return smaller images. Raises ``AutodiffError`` as ``avg_pool2d`` does."""
        return avg_pool2d(x, self.size, self.stride)


class _BatchNorm(Layer):
    """(x - mean) / sqrt(variance + eps) * weight + bias of each channel.

    In training, mean and variance are those of the batch, and running averages move towards them by
    the share ``momentum`` (the variance by its estimate with n - 1). Evaluation uses the running
    averages. Raises ``AutodiffError`` for no channels, and in training for one number a channel.
    Source: Ioffe and Szegedy 2015, "Batch normalization", algorithms 1 and 2.

    Attributes
    ----------
    weight, bias : Tensors of shape (channels,), ones and zeros at first
    running_mean, running_var : arrays of shape (channels,)
    """

    axes: tuple[int, ...]

    def __init__(
        self, channels: int, *, eps: float = 1e-5, momentum: float = 0.1, dtype: type = np.float32
    ) -> None:
        refuse_below_one(channels=channels)
        self.weight = Tensor(np.ones(channels, dtype))
        self.bias = Tensor(np.zeros(channels, dtype))
        self.running_mean: Array = np.zeros(channels, dtype)
        self.running_var: Array = np.ones(channels, dtype)
        self.eps, self.momentum = eps, momentum

    def __call__(self, x: Value) -> Value:
        """Return x normalised, of the same shape."""
        shape = data(x).shape
        if len(shape) not in self.axes:
            raise AutodiffError(
                f"{type(self).__name__} takes {' or '.join(map(str, self.axes))} axes, and the"
                f" array has shape {shape}"
            )
        if not self.training:
            fixed = self.running_mean, self.running_var
            return batch_norm(x, self.weight, self.bias, fixed, self.eps)[0]
        n = shape[0] * prod(shape[2:])
        if n < 2:
            raise AutodiffError(f"one number a channel has no variance: shape {shape}")
        value, mean, variance = batch_norm(x, self.weight, self.bias, None, self.eps)
        self.running_mean += self.momentum * (mean - self.running_mean)
        self.running_var += self.momentum * (variance * (n / (n - 1)) - self.running_var)
        return value


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (B, channels) or (B, channels, T)."""

    axes = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of images, (B, channels, H, W)."""

    axes = (4,)
