"""What the lesson ``autoencoder`` is made of: four networks, and how they are trained.

An encoder turns an image (B, 16, 16) into a code of ``CODE`` numbers, a decoder turns the code into
an image, flat, (B, 256).
"""

from collections.abc import Callable

import numpy as np

from lessons.letters_data import SIDE
from makemore import nn
from makemore.autodiff import (
    Array,
    Value,
    data,
    exp,
    mean,
    mean_squared_error,
    relu,
    reshape,
    split,
    sum,
    transpose,
)

CODE, PIXELS = 16, SIDE**2
BATCH, RATE = 128, 2e-3
NOISE = 0.15
"""The deviation of a pixel from what the decoder says: that of p(x | z)."""


def linear(generator: np.random.Generator) -> nn.Sequential:
    """Return an autoencoder without a bend: what PCA does, learnt by descent."""
    layers = nn.Linear(PIXELS, CODE, generator), nn.Linear(CODE, PIXELS, generator)
    return nn.Sequential(nn.Flatten(), *layers)


def dense(generator: np.random.Generator) -> nn.Sequential:
    """Return an autoencoder with a hidden layer on either side of the code."""
    encoder = nn.Linear(PIXELS, 128, generator), nn.ReLU(), nn.Linear(128, CODE, generator)
    decoder = nn.Linear(CODE, 128, generator), nn.ReLU(), nn.Linear(128, PIXELS, generator)
    return nn.Sequential(nn.Flatten(), *encoder, *decoder)


class Convolutional(nn.Layer):
    """Convolutions with a stride of 2 halve the image twice; ``unfold`` doubles it twice."""

    def __init__(self, generator: np.random.Generator) -> None:
        self.halve = nn.Conv2d(1, 16, 3, generator, stride=2, padding=1)
        self.quarter = nn.Conv2d(16, 32, 3, generator, stride=2, padding=1)
        self.code = nn.Linear(32 * 4 * 4, CODE, generator)
        self.start = nn.Linear(CODE, 32 * 4 * 4, generator)
        self.double = nn.Conv2d(32, 4 * 16, 3, generator, padding=1)
        self.redouble = nn.Conv2d(16, 4 * 1, 3, generator, padding=1)

    def __call__(self, images: Array) -> Value:
        """Return the images as they are rebuilt, (B, 16, 16) -> (B, 256)."""
        x = relu(self.quarter(relu(self.halve(images[:, None]))))
        z = self.code(reshape(x, (len(images), -1)))
        x = reshape(relu(self.start(z)), (len(images), 32, 4, 4))
        x = relu(unfold(self.double(x)))
        return reshape(unfold(self.redouble(x)), (len(images), PIXELS))


def unfold(x: Value) -> Value:
    """Make images twice as high and wide: four channels become the four pixels of a square.

    (B, 4 C, H, W) -> (B, C, 2 H, 2 W): Shi et al. 2016, "Real-time single image and video
    super-resolution using an efficient sub-pixel convolutional neural network", section 3.2.
    """
    B, C, H, W = data(x).shape
    squares = transpose(reshape(x, (B, C // 4, 2, 2, H, W)), (0, 1, 4, 2, 5, 3))
    return reshape(squares, (B, C // 4, 2 * H, 2 * W))


class Variational(nn.Layer):
    """An encoder that says a mean and a deviation of each number of the code, and a decoder."""

    def __init__(self, generator: np.random.Generator) -> None:
        self.encoder = nn.Sequential(nn.Flatten(), *_perceptron(PIXELS, 2 * CODE, generator))
        self.decoder = nn.Sequential(*_perceptron(CODE, PIXELS, generator))

    def encode(self, images: Array) -> tuple[Value, Value]:
        """Return means and logarithms of variances, (B, 16, 16) -> 2 x (B, CODE)."""
        means, log_variances = split(self.encoder(images), 2, axis=1)
        return means, log_variances

    def terms(self, images: Array, generator: np.random.Generator) -> tuple[Value, Value]:
        """Return the two terms of the loss, in nats per image: reconstruction, and divergence."""
        m, log_v = self.encode(images)
        z = m + exp(log_v * 0.5) * generator.standard_normal(m.shape, np.float32)
        flat = images.reshape(len(images), PIXELS)
        error = mean_squared_error(self.decoder(z), flat) * (PIXELS / (2 * NOISE**2))
        return error, mean(divergence(m, log_v))


def divergence(m: Value, log_v: Value) -> Value:
    """Return the KL divergence from N(0, 1) to N(m, v), summed over the code, (B, n) -> (B,)."""
    return sum(exp(log_v) + m * m - 1.0 - log_v, axis=-1) * 0.5


def _perceptron(inputs: int, outputs: int, generator: np.random.Generator) -> list[nn.Layer]:
    first, second = nn.Linear(inputs, 256, generator), nn.Linear(256, 256, generator)
    return [first, nn.ReLU(), second, nn.ReLU(), nn.Linear(256, outputs, generator)]


def train(
    network: nn.Layer,
    loss_of: Callable[[Array], Value],
    images: Array,
    steps: int,
    generator: np.random.Generator,
) -> None:
    """Train a network to make ``loss_of`` batches of images small."""
    vector = nn.ParameterVector(network.parameters())
    optimizer, schedule = nn.AdamW(learning_rate=RATE), nn.cosine(RATE, steps)
    for step in range(steps):
        vector.backward(loss_of(images[generator.integers(len(images), size=BATCH)]))
        optimizer.learning_rate = schedule(step)
        optimizer.step(vector.values, vector.gradient)
