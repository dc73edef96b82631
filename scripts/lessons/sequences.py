"""Whole words, for networks that read them symbol by symbol: arrays, training, drawing words.

A network maps ids (B, T) to logits (B, T, V) of the symbol after each.
"""

from collections.abc import Sequence

import numpy as np

from lessons.descent import descend
from lessons.setting import Setting
from makemore import Vocabulary, nn
from makemore.arrays import Ids
from makemore.autodiff import Array, Value, cross_entropy, data, softmax
from makemore.data.vocabulary import BOUNDARY
from makemore.errors import shown

LONGEST = 23
"""The maximum number of characters of a word; longer words are cut."""
VALIDATED = 1_000
"""The maximum number of words that a network is validated with."""


def padded(words: Sequence[str], vocabulary: Vocabulary) -> tuple[Ids, Array]:
    """Return X, the ids of words, (B, T), and N, which has a 1 for the next symbol, (B, T, V).

    A word begins with the boundary in X and ends with it in N. After its end X is 0, and so are
    the rows of N, so that this padding adds nothing to a cross-entropy.

    >>> X, N = padded(["ab", "b"], Vocabulary("ab"))
    >>> X.tolist(), N[1].tolist()
    ([[0, 1, 2], [0, 2, 0]], [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    """
    coded = [vocabulary.encode(word[:LONGEST]) for word in words]
    X = np.full((len(words), 1 + max(map(len, coded))), BOUNDARY)
    N = np.zeros((*X.shape, len(vocabulary)), np.float32)
    for row, ids in enumerate(coded):
        X[row, 1 : len(ids) + 1] = ids
        N[row, np.arange(len(ids) + 1), [*ids, BOUNDARY]] = 1
    return X, N


def train_on_words(
    network: nn.Sequential, setting: Setting, steps: int, *, rate: float = 4e-3, batch: int = 128
) -> tuple[list[int], list[float]]:
    """Train a network on four fifths of the words, and return steps and their validation losses.

    The losses are means over symbols, in nats, at eight or more steps up to the last.
    """
    words, validation, _ = setting.split()
    X, N = padded(validation[:VALIDATED], setting.vocabulary)
    random = setting.generator(1)

    def batch_loss() -> Value:
        drawn = random.integers(len(words), size=batch).tolist()
        ids, following = padded([words[k] for k in drawn], setting.vocabulary)
        return cross_entropy(network(ids), following)

    optimizer = nn.AdamW(learning_rate=rate, betas=(0.9, 0.99))
    schedule = nn.warm_up(steps // 10, nn.cosine(rate, steps - steps // 10))
    every, places, losses = max(1, steps // 8), [], []
    for step, _ in enumerate(
        descend(network.parameters(), batch_loss, optimizer, schedule, steps), 1
    ):
        if step % every == 0 or step == steps:
            places.append(step)
            losses.append(float(cross_entropy(data(network(X)), N)))
    return places, losses


def draw_ids(network: nn.Sequential, count: int, generator: np.random.Generator) -> list[Ids]:
    """Return the ids of words that the network draws, all at once, each cut at its end."""
    ids = np.full((count, 1), BOUNDARY)
    for _ in range(LONGEST):
        P = data(softmax(data(network(ids))[:, -1].astype(np.float64)))
        reached = generator.random((count, 1)) < P.cumsum(axis=1)
        ids = np.hstack((ids, reached.argmax(axis=1)[:, None]))
    return [row[1:][: [*row[1:], BOUNDARY].index(BOUNDARY)] for row in ids]


def draw_words(network: nn.Sequential, setting: Setting, count: int) -> list[str]:
    """Return words that the network draws, as they can be printed."""
    words = draw_ids(network, count, setting.generator(2))
    return [shown(setting.vocabulary.decode(ids)) for ids in words]
