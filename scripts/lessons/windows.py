"""Windows of words: the symbols that a network sees, and the symbol that it predicts."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lessons.descent import descend
from makemore import Vocabulary, nn
from makemore.arrays import Ids
from makemore.autodiff import Value, cross_entropy, data, gradients
from makemore.errors import shown

BATCH = 128
"""The number of windows in each step of training."""
MEASURED = 8192
"""The number of windows whose loss is measured at once, so that memory is bounded."""


def windows(words: Sequence[str], vocabulary: Vocabulary, context: int) -> tuple[Ids, Ids]:
    """Return X, the last ``context`` symbols before each symbol, (B, context), and Y, (B,).

    Before a word's first symbol there are boundaries, 0; the last target is the boundary.

    >>> X, Y = windows(["ab"], Vocabulary("ab"), 3)
    >>> X.tolist(), Y.tolist()
    ([[0, 0, 0], [0, 0, 1], [0, 1, 2]], [1, 2, 0])
    """
    X, Y = [], []
    for word in words:
        seen = [0] * context
        for symbol in [*vocabulary.encode(word).tolist(), 0]:
            X.append(seen)
            Y.append(symbol)
            seen = [*seen[1:], symbol]
    return np.array(X).reshape(len(Y), context), np.array(Y)


def write_words(
    network: nn.Sequential,
    vocabulary: Vocabulary,
    context: int,
    count: int,
    random: np.random.Generator,
) -> list[str]:
    """Return words that the network draws, one symbol at a time, of at most 20 symbols.

    The largest of the logits plus Gumbel noise is a draw from their softmax.
    """
    words = []
    for _ in range(count):
        ids = [0] * context
        while len(ids) < context + 20 and (len(ids) == context or ids[-1] != 0):
            logits = data(network(np.array([ids[-context:]])))[0]
            ids.append(int(np.argmax(logits + random.gumbel(size=len(logits)))))
        words.append(shown(vocabulary.decode([symbol for symbol in ids if symbol != 0])))
    return words


def look_inside(
    network: nn.Sequential, X: Any, Y: Any, *kinds: type[nn.Layer]
) -> tuple[list[Any], list[Any]]:
    """Return what the layers of these kinds make of X, and the gradients of the loss along it."""
    x, values = X, []
    for layer in network.layers:
        x = layer(x)
        if isinstance(layer, kinds):
            values.append(x)
    return [data(value) for value in values], gradients(cross_entropy(x, Y), values)


def train_on_windows(
    network: nn.Sequential, X: Ids, Y: Ids, steps: int, rate: float, random: np.random.Generator
) -> list[float]:
    """Take steps of AdamW on windows X and the symbols Y after them, and return the losses.

    The learning rate rises to ``rate`` in the first steps, and falls along a cosine.
    """

    def batch_loss() -> Value:
        rows = random.integers(len(X), size=BATCH)
        return cross_entropy(network(X[rows]), Y[rows])

    optimizer = nn.AdamW(learning_rate=rate, weight_decay=0.05)
    schedule = nn.warm_up(steps // 20, nn.cosine(rate, steps - steps // 20))
    return list(descend(network.parameters(), batch_loss, optimizer, schedule, steps))


def mean_loss(network: nn.Sequential, X: Ids, Y: Ids) -> float:
    """Return the loss of all windows, in nats per symbol."""
    parts = [slice(start, start + MEASURED) for start in range(0, len(X), MEASURED)]
    sums = [float(cross_entropy(data(network(X[p])), Y[p])) * len(Y[p]) for p in parts]
    return sum(sums) / len(X)
