"""The noise schedule, the network and its training, and the sampler of the lesson ``diffusion``.

Ho, Jain and Abbeel 2020, "Denoising diffusion probabilistic models": algorithms 1 and 2. Images are
flat, (B, 256), and lie within -1 and 1. Times are t = 0 .. T - 1; time t has had t + 1 steps.
"""

from collections.abc import Iterator

import numpy as np

from lessons.letters_data import LETTERS, SIDE
from makemore import nn
from makemore.arrays import Floats, Ids
from makemore.autodiff import Array, Value, data, gelu, mean_squared_error
from makemore.nn.attention import sinusoids

T, PIXELS = 200, SIDE**2
WIDTH, BLOCKS, TIME_SIZE = 384, 3, 64
BATCH, RATE = 128, 2e-3

BETA: Floats = np.linspace(1e-4, 0.02, T) * (1_000 / T)
"""The variance of the noise that a step adds: that of the paper, whose T is 1,000."""
KEPT: Floats = np.asarray(np.cumprod(1 - BETA), np.float64)
"""The share of the image's variance that is left; the rest, 1 - KEPT, is noise."""


class Block(nn.Layer):
    """x + outer(gelu(inner(norm(x + condition)))), (B, n) -> (B, n)."""

    def __init__(self, n: int, generator: np.random.Generator) -> None:
        self.norm = nn.LayerNorm(n)
        self.inner = nn.Linear(n, 2 * n, generator)
        self.outer = nn.Linear(2 * n, n, generator)
        self.outer.weight.data *= 0.1  # so that a deep network begins as a shallow one

    def __call__(self, x: Value, condition: Value) -> Value:
        """Return what the block makes of x; ``condition`` says when it is, and for which letter."""
        return x + self.outer(gelu(self.inner(self.norm(x + condition))))


class Denoiser(nn.Layer):
    """Says which noise is in an image: (B, 256), times (B,) and letters (B,) -> (B, 256)."""

    def __init__(self, generator: np.random.Generator) -> None:
        self.first = nn.Linear(PIXELS, WIDTH, generator)
        self.time = nn.Linear(TIME_SIZE, WIDTH, generator)
        self.letter = nn.Embedding(len(LETTERS), WIDTH, generator)
        self.letter.weight.data *= 0.3
        self.blocks = [Block(WIDTH, generator) for _ in range(BLOCKS)]
        self.norm = nn.LayerNorm(WIDTH)
        self.last = nn.Linear(WIDTH, PIXELS, generator)
        self._waves = sinusoids(np.arange(T) * (1_000 / T), TIME_SIZE).astype(np.float32)

    def __call__(self, images: Array, times: Ids, letters: Ids) -> Value:
        """Return the noise."""
        condition = gelu(self.time(self._waves[times])) + self.letter(letters)
        x = self.first(images)
        for block in self.blocks:
            x = block(x, condition)
        return self.last(self.norm(x))


def noised(images: Array, times: Ids, noise: Array) -> Array:
    """Return images after their steps of noise, at once: sqrt(kept) x + sqrt(1 - kept) noise."""
    kept = KEPT[times, None]
    return (np.sqrt(kept) * images + np.sqrt(1 - kept) * noise).astype(np.float32)


def train(
    network: Denoiser, images: Array, ids: Ids, steps: int, generator: np.random.Generator
) -> list[float]:
    """Train the network to say the noise (algorithm 1), and return the losses."""
    vector = nn.ParameterVector(network.parameters())
    optimizer = nn.AdamW(learning_rate=RATE)
    schedule = nn.warm_up(steps // 50, nn.cosine(RATE, steps - steps // 50))
    losses = []
    for step in range(steps):
        batch, times = (
            generator.integers(len(images), size=BATCH),
            generator.integers(T, size=BATCH),
        )
        noise = generator.standard_normal((BATCH, PIXELS), np.float32)
        said = network(noised(images[batch], times, noise), times, ids[batch])
        loss = mean_squared_error(said, noise)
        vector.backward(loss)
        nn.clip_by_norm(vector.gradient, 1.0)
        optimizer.learning_rate = schedule(step)
        optimizer.step(vector.values, vector.gradient)
        losses.append(loss.item())
    return losses


def posterior(t: int) -> tuple[float, float, float]:
    """Return a, b and s: x at t - 1, given x at t and the image x0, is N(a x0 + b x, s²)."""
    before = KEPT[t - 1] if t else 1.0
    left = 1 - KEPT[t]
    a = np.sqrt(before) * BETA[t] / left
    b = np.sqrt(1 - BETA[t]) * (1 - before) / left
    return float(a), float(b), float(np.sqrt(BETA[t] * (1 - before) / left))


def sample(
    network: Denoiser, letters: Ids, generator: np.random.Generator
) -> Iterator[tuple[int, Array, Array]]:
    """Yield t, the images at t and the guess at the clean ones, from t = T down to 0.

    Algorithm 2, but that the guess is cut to -1 .. 1, as the authors' program does.
    """
    x = generator.standard_normal((len(letters), PIXELS), np.float32)
    for t in range(T - 1, -1, -1):
        noise = data(network(x, np.full(len(letters), t), letters))
        clean = np.clip((x - np.sqrt(1 - KEPT[t]) * noise) / np.sqrt(KEPT[t]), -1, 1)
        yield t + 1, x, clean
        a, b, s = posterior(t)
        x = (a * clean + b * x + s * generator.standard_normal(x.shape)).astype(np.float32)
    yield 0, x, x
