"""Networks of the lessons about images: how they are trained, and a table of their layers."""

from collections.abc import Callable, Sequence

import numpy as np

from lessons.descent import descend
from lessons.stage import shape
from makemore import nn
from makemore.autodiff import Array, Value, data


def perceptron(
    inputs: int, hidden: int, outputs: int, generator: np.random.Generator
) -> nn.Sequential:
    """Return a network with one hidden layer and GELU, (B, inputs) -> (B, outputs)."""
    first, second = nn.Linear(inputs, hidden, generator), nn.Linear(hidden, outputs, generator)
    return nn.Sequential(first, nn.GELU(), second)


def train(
    network: nn.Layer,
    loss_of: Callable[..., Value],
    examples: Sequence[Array],
    steps: int,
    generator: np.random.Generator,
    *,
    batch: int = 128,
    rate: float = 2e-3,
) -> list[float]:
    """Train a network by AdamW, and return the loss of each step.

    ``examples`` are arrays of the same length, such as images and their classes. ``loss_of``
    computes the loss of a batch, which is drawn from them, and takes as many arrays. The learning
    rate rises to ``rate`` in the first steps, and falls along a cosine. Afterwards the network is
    set to evaluation.
    """

    def batch_loss() -> Value:
        chosen = generator.integers(len(examples[0]), size=batch)
        return loss_of(*(array[chosen] for array in examples))

    rise = steps // 50
    optimizer = nn.AdamW(learning_rate=rate)
    schedule = nn.warm_up(rise, nn.cosine(rate, steps - rise))
    losses = list(descend(network.parameters(), batch_loss, optimizer, schedule, steps))
    network.evaluate()
    return losses


def layer_rows(network: nn.Sequential, x: Array) -> list[tuple[str, str, int]]:
    """Return a row for each layer: its name, what it makes of one example x, its parameters."""
    rows = []
    for layer in network.layers:
        x = data(layer(x))
        rows.append((type(layer).__name__, shape(x[0]), layer.parameter_count))
    return [*rows, ("all", "", network.parameter_count)]
