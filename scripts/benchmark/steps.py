"""Whole steps of training in makemore: ``python steps.py TASK ...`` prints the seconds as JSON.

A step is the batch, the forward pass, the backward pass and the update; ``torch_steps.py`` does the
same with PyTorch.
"""

import itertools
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np

STEPS = 25

SIZES: dict[str, dict[str, Any]] = {
    "rnn": {"embedding_size": 64, "hidden_size": 256, "layers": 1},
    "gru": {"embedding_size": 64, "hidden_size": 256, "layers": 1},
    "lstm": {"embedding_size": 64, "hidden_size": 256, "layers": 1},
    "mlp": {
        "context": 8,
        "embedding_size": 64,
        "hidden_size": 256,
        "layers": 1,
        "normalization": "none",
    },
    "bow": {"embedding_size": 64, "hidden_size": 256},
    "transformer": {
        "embedding_size": 64,
        "layers": 4,
        "heads": 4,
        "positions": "learnt",
        "longest": 32,
    },
}


def network(
    kind: str, path: str, words: str = "256", device: str = "cpu", sizes: str = "{}"
) -> float:
    """Return the seconds of a step of a network on so many words of a list.

    ``sizes`` are those that are not in ``SIZES``, as JSON.
    """
    from makemore import Corpus
    from makemore.autodiff import cross_entropy
    from makemore.counting.passes import survey_corpus
    from makemore.kinds import KINDS
    from makemore.nn import AdamW, ParameterVector, clip_by_norm
    from makemore.training.batches import Batches, blocks_of

    corpus = Corpus.from_paths(path)
    vocabulary = survey_corpus(corpus).vocabulary
    options = SIZES[kind] | json.loads(sizes)
    model = KINDS[kind].load_model()(vocabulary, options, np.random.default_rng(0))
    if device == "cuda":
        model.move(import_module("cupy").array)
    vector = ParameterVector(model.parameters())
    optimizer = AdamW(learning_rate=1e-3)
    with blocks_of(corpus) as blocks:
        batches = Batches(blocks, vocabulary, (0.1, 0.1), int(words), 0)
        rows = model.training_rows(*batches.next().row())

        def step() -> None:
            nonlocal rows
            vector.backward(cross_entropy(model.training_logits(rows, None), rows.counts))
            rows = model.training_rows(*batches.next().row())  # a device works meanwhile
            clip_by_norm(vector.gradient, 1.0)
            optimizer.step(vector.values, vector.gradient)
            float(vector.values[0])  # waits for the device

        return seconds_each(step)


def engine(what: str) -> float:
    """Return the seconds of a step of a small network on arrays that are given."""
    from makemore import nn
    from makemore.autodiff import cross_entropy

    random = np.random.default_rng(0)
    layer: Any
    if what == "mlp":
        layer = nn.Sequential(
            nn.Linear(27, 256, random),
            nn.Tanh(),
            nn.Linear(256, 256, random),
            nn.Tanh(),
            nn.Linear(256, 27, random),
        )
        x, shape = random.normal(size=(256, 27)), (256, 27)
    elif what == "convolution":
        layer = nn.Sequential(nn.Conv2d(1, 16, 3, random, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        x, shape = random.normal(size=(64, 1, 28, 28)), (64, 16 * 14 * 14)
    else:
        layer = nn.TransformerBlock(64, 4, random)
        x, shape = random.normal(size=(256, 16, 64)), (256 * 16, 64)
    x = x.astype(np.float32)
    targets = random.integers(0, shape[1], shape[0])
    vector = nn.ParameterVector(layer.parameters())
    optimizer = nn.AdamW(learning_rate=1e-3)

    def step() -> None:
        value = layer(x, causal=True) if what == "block" else layer(x)
        vector.backward(cross_entropy(value.reshape(*shape), targets))
        optimizer.step(vector.values, vector.gradient)

    return seconds_each(step)


ROWS = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]]
TARGETS = [1.0, -1.0, -1.0, 1.0]


def arrays(batch: str) -> float:
    """Return the seconds of a step of the network 3-4-4-1 on so many rows, with arrays."""
    from makemore import nn

    random = np.random.default_rng(0)
    sizes = [3, 4, 4, 1]
    layers = [
        layer
        for n, m in itertools.pairwise(sizes)
        for layer in (nn.Linear(n, m, random), nn.Tanh())
    ]
    network = nn.Sequential(*layers)
    vector = nn.ParameterVector(network.parameters())
    repeats = int(batch) // len(ROWS)
    x = np.array(ROWS * repeats, np.float32)
    y = np.array(TARGETS * repeats, np.float32)[:, None]

    def step() -> None:
        difference = network(x) - y
        vector.backward((difference * difference).sum())
        vector.values[:] -= 0.05 * vector.gradient

    return seconds_each(step, 400)


class Scalar:
    """A number that knows its gradient: an object for each operation on two numbers."""

    def __init__(self, value: float, parts: tuple["Scalar", ...] = ()) -> None:
        self.value, self.gradient, self.parts = value, 0.0, parts
        self.hand_down: Callable[[], None] = lambda: None

    def __add__(self, other: "Scalar") -> "Scalar":
        result = Scalar(self.value + other.value, (self, other))

        def hand_down() -> None:
            self.gradient += result.gradient
            other.gradient += result.gradient

        result.hand_down = hand_down
        return result

    def __mul__(self, other: "Scalar") -> "Scalar":
        result = Scalar(self.value * other.value, (self, other))

        def hand_down() -> None:
            self.gradient += other.value * result.gradient
            other.gradient += self.value * result.gradient

        result.hand_down = hand_down
        return result

    def tanh(self) -> "Scalar":
        """Return the hyperbolic tangent."""
        result = Scalar(math.tanh(self.value), (self,))

        def hand_down() -> None:
            self.gradient += (1 - result.value**2) * result.gradient

        result.hand_down = hand_down
        return result

    def backward(self) -> None:
        """Set the gradient of all that this number was made from."""
        order: list[Scalar] = []
        seen: set[int] = set()

        def visit(number: "Scalar") -> None:
            if id(number) not in seen:
                seen.add(id(number))
                for part in number.parts:
                    visit(part)
                order.append(number)

        visit(self)
        self.gradient = 1.0
        for number in reversed(order):
            number.hand_down()


def scalars(batch: str) -> float:
    """Return the seconds of the same step with a Python object for each number."""
    import random

    generator, sizes = random.Random(0), [3, 4, 4, 1]
    layers = [
        [[Scalar(generator.uniform(-1, 1)) for _ in range(n + 1)] for _ in range(m)]
        for n, m in itertools.pairwise(sizes)
    ]
    parameters = [w for layer in layers for neuron in layer for w in neuron]
    repeats = int(batch) // len(ROWS)

    def forward(x: list[Scalar]) -> Scalar:
        for layer in layers:
            x = [neuron_value(neuron, x) for neuron in layer]
        return x[0]

    def neuron_value(neuron: list[Scalar], x: list[Scalar]) -> Scalar:
        total = neuron[-1]
        for weight, part in zip(neuron, x, strict=False):
            total = total + weight * part
        return total.tanh()

    def step() -> None:
        loss = Scalar(0.0)
        for row, target in zip(ROWS * repeats, TARGETS * repeats, strict=True):
            difference = forward([Scalar(value) for value in row]) + Scalar(-target)
            loss = loss + difference * difference
        for parameter in parameters:
            parameter.gradient = 0.0
        loss.backward()
        for parameter in parameters:
            parameter.value -= 0.05 * parameter.gradient

    return seconds_each(step, max(100 // repeats, 5))


def seconds_each(step: Callable[[], None], steps: int = STEPS) -> float:
    """Return the median seconds of a step, after a few that are not counted."""
    return statistics.median(list(times(step, steps))[3:])


def times(step: Callable[[], None], steps: int) -> Iterator[float]:
    """Yield the seconds of each step."""
    for _ in range(steps + 3):
        started = time.perf_counter()
        step()
        yield time.perf_counter() - started


if __name__ == "__main__":
    TASKS = {function.__name__: function for function in (network, engine, arrays, scalars)}
    print(json.dumps(TASKS[sys.argv[1]](*sys.argv[2:])))
