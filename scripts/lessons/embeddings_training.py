"""Skip-gram with negative sampling: pairs, loss and training of the lesson ``embeddings``."""

import numpy as np

from lessons.setting import Setting
from makemore import nn
from makemore.arrays import Counts, Floats
from makemore.autodiff import (
    Tensor,
    Value,
    binary_cross_entropy_with_logits,
    data,
    gather,
    reshape,
    sum,
)

WINDOW, NEGATIVES = 2, 5
BATCH, RATE = 1_024, 0.02


def count_pairs(setting: Setting) -> Counts:
    """Return how often two symbols of a word stand within the window, (V, V), symmetric."""
    ids, V = setting.vocabulary.encode_words(setting.words), len(setting.vocabulary)
    ends = np.cumsum(ids == 0)
    N = np.zeros((V, V), np.int64)
    for distance in range(1, WINDOW + 1):
        left, right = ids[:-distance], ids[distance:]
        within = ends[distance - 1 : -1] - ends[:-distance] == 0  # no boundary strictly between
        np.add.at(N, (left[within], right[within]), 1)
    return N + N.T


def loss_of(u: Value, w: Value, negatives: Value) -> Value:
    """Return the loss of B pairs: u, w (B, n), and negatives (B, k, n) drawn as noise."""
    B, k, n = data(negatives).shape
    right = sum(u * w, axis=1)
    wrong = sum(reshape(u, (B, 1, n)) * negatives, axis=2)
    pulled = binary_cross_entropy_with_logits(right, np.ones(B, np.float32))
    pushed = binary_cross_entropy_with_logits(wrong, np.zeros((B, k), np.float32))
    return pulled + pushed * k


def noise_of(N: Counts) -> Floats:
    """Return the distribution of the negatives, (V,): frequencies to the power 3/4."""
    powers = N.sum(axis=1) ** 0.75
    return np.asarray(powers / powers.sum())


def train(
    N: Counts, n: int, steps: int, generator: np.random.Generator
) -> tuple[Tensor, Tensor, list[float]]:
    """Return the embeddings U (V, n), those of contexts W (V, n), and the losses."""
    V = len(N)
    U = Tensor(generator.normal(0, 0.1, (V, n)).astype(np.float32))
    W = Tensor(np.zeros((V, n), np.float32))
    vector = nn.ParameterVector({"U": U, "W": W})
    optimizer, schedule = nn.Adam(learning_rate=RATE), nn.cosine(RATE, steps)
    pairs, noise, losses = N.ravel().cumsum(), noise_of(N).cumsum(), []
    for step in range(steps):
        drawn = np.searchsorted(pairs, generator.integers(pairs[-1], size=BATCH), side="right")
        negatives = np.searchsorted(noise[:-1], generator.random((BATCH, NEGATIVES)), side="right")
        loss = loss_of(gather(U, drawn // V), gather(W, drawn % V), gather(W, negatives))
        vector.backward(loss)
        optimizer.learning_rate = schedule(step)
        optimizer.step(vector.values, vector.gradient)
        losses.append(loss.item())
    return U, W, losses
