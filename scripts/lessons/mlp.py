"""Lesson mlp: a network on windows of symbols, its learning rate, and how to start it."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.random import Generator

from lessons.figures import ACCENT, GRID, LINE, canvas, plot_curves, plot_histograms, smoothed
from lessons.setting import Setting
from lessons.stage import Stage, apart, table, where_it_stands, wrapped
from lessons.windows import look_inside, windows, write_words
from makemore import nn
from makemore.autodiff import Tensor, cross_entropy, data, gradients

TITLE = "A network on windows, and how to start it"
MINUTES = 1
OPTIONS = ("word",)
CONTEXT, N = 3, 10  # symbols of a window, numbers of a symbol
TAUGHT, DEEP = [200], [100] * 5  # units of the layers of two networks
STARTS: dict[str, dict[str, Any]] = {
    "too large": {"gain": 10, "last": 20},
    "too small": {"gain": 0.2},
    "dead relu": {"bias": -20, "is_relu": True},
    "scaled": {"gain": 5 / 3},
    "normalised": {"gain": 10, "is_normalised": True},
}


def network_of(
    V: int,
    units: Sequence[int],
    random: Generator,
    gain: float = 5 / 3,
    last: float = 0.1,
    bias: float = 0.0,
    is_relu: bool = False,
    is_normalised: bool = False,
) -> nn.Sequential:
    """Return a network whose layers have these units; its last weights are scaled by ``last``."""
    layers: list[Any] = [nn.Embedding(V, N, random), nn.Flatten()]
    for inputs, outputs in pairwise([CONTEXT * N, *units]):
        linear = nn.Linear(inputs, outputs, random)
        linear.weight = Tensor(nn.normal((inputs, outputs), random, gain / inputs**0.5))
        linear.bias = Tensor(np.full(outputs, bias, np.float32))
        layers += [linear, nn.BatchNorm1d(outputs)] if is_normalised else [linear]
        layers.append(nn.ReLU() if is_relu else nn.Tanh())
    layers.append(nn.Linear(outputs, V, random))
    layers[-1].weight.data *= last
    return nn.Sequential(*layers)


def train(
    network: nn.Sequential, X: Any, Y: Any, rates: Sequence[float], random: Generator
) -> tuple[list[float], Any]:
    """Take a step for each rate; return the losses, and update / weight of each matrix by step."""
    parameters = list(network.parameters().values())
    losses, ratios = [], []
    for rate in rates:
        rows = random.integers(0, len(X), 128)
        loss = cross_entropy(network(X[rows]), Y[rows])
        pairs = list(zip(parameters, gradients(loss, parameters), strict=True))
        losses.append(loss.item())
        ratios.append([rate * g.std() / W.data.std() for W, g in pairs if g.ndim == 2])
        for parameter, gradient in pairs:
            parameter.data -= rate * gradient
    return losses, np.array(ratios)


def the_windows(setting: Setting) -> Stage:
    """Cut a word into windows, and look up the vectors of their symbols."""
    V, labels = len(setting.vocabulary), setting.labels
    X, Y = windows([setting.followed], setting.vocabulary, CONTEXT)
    embedding = nn.Embedding(V, N, setting.generator())
    product = np.eye(V)[X] @ embedding.weight.data
    seen = [" ".join(labels[i] for i in x) for x in X]
    rows = list(zip(seen, [labels[y] for y in Y], map(str, X), Y.tolist(), strict=True))
    return Stage(
        "Words become windows, and symbols vectors",
        [
            f"X: the last {CONTEXT} symbols (B, {CONTEXT})    Y: the symbol after them (B,)",
            f"C: (V, {N}), V = {V}    x = C[X]: (B, {CONTEXT}, {N}), as rows (B, {CONTEXT * N})",
            "h = tanh(x W1 + b1)    logits = h W2 + b2    loss = cross_entropy(logits, Y)",
        ],
        [*table(["window", "next", "X", "Y"], rows[:12]), "", setting.described],
        "a word of n characters makes n + 1 windows. To look up a row of C is to multiply a one-hot"
        " row by C. The rows are learnt as all weights are.",
        claims={"C[X] is one_hot(X) @ C": apart(data(embedding(X)), product) < 1e-6},
    )


def the_rate(setting: Setting, X: Any, Y: Any) -> Stage:
    """Find the learning rate by trying them all in one run."""
    random, steps = setting.generator(1), max(60, setting.steps(1000))
    rates = (10 ** np.linspace(-3, 1.5, steps)).tolist()
    network = network_of(len(setting.vocabulary), TAUGHT, random, is_normalised=True)
    losses, _ = train(network, X, Y, rates, random)
    means, middles = smoothed(losses, 30), smoothed(rates, 30)
    best = middles[int(np.argmin(means))]
    with canvas(8, 4.2) as drawn:
        axes = drawn.axes[0, 0]
        axes.semilogx(rates, losses, color=GRID)
        axes.semilogx(middles, means, "o-", color=LINE)
        axes.axvline(best, color=ACCENT, ls="--")
        axes.set(title=f"The loss is lowest near the rate {best:.2f}", xlabel="learning rate")
        axes.set(ylabel="loss (nats per symbol)", ylim=(min(means) - 0.1, means[0] + 0.5))
    return Stage(
        "A learning rate, by trying them all",
        [f"rate of step t: 10^(-3 + 4.5 t / {steps:,})    W -= rate * dloss/dW"],
        table(["rate", "loss"], [(f"{middles[k]:.4f}", means[k]) for k in range(0, 30, 3)]),
        "too small a rate learns nothing in the time, too large a one throws away what was learnt."
        " Take one a little to the left of the lowest point, and let it fall at the end.",
        figure=drawn.figure,
        claims={"the largest rate is worse than the best": means[-1] > min(means)},
    )


def the_starts(setting: Setting, X: Any, Y: Any) -> Stage:
    """Look into networks before the first step, and watch how much their weights move."""
    rows, steps = setting.generator(2).integers(0, len(X), 500), setting.steps(1000)
    body, stuck, later, moved = [], {}, {}, {}
    with canvas(18, 9, 3, len(STARTS)) as drawn:
        for (start, first), axes in zip(STARTS.items(), drawn.axes.T, strict=True):
            network = network_of(len(setting.vocabulary), DEEP, setting.generator(3), **first)
            hidden, slopes = look_inside(network, X[rows], Y[rows], nn.Tanh, nn.ReLU)
            losses, ratios = train(network, X, Y, [0.1] * steps, setting.generator(5))
            stuck[start] = float(np.mean((np.abs(hidden[-1]) > 0.97) | (hidden[-1] == 0)))
            later[start] = float(np.mean(losses[-max(1, steps // 10) :]))
            moved[start] = ratios[-1, 1], ratios[-1, 5]
            numbers = [f"{x:.2g}" for x in (hidden[-1].std(), slopes[0].std(), *moved[start])]
            body.append((start, losses[0], f"{stuck[start]:.0%}", *numbers, later[start]))
            plot_histograms(axes[0], hidden, title=start, xlabel="activation h")
            plot_histograms(axes[1], slopes, xlabel="gradient dloss/dh", yscale="log")
            axes[2].set(xlabel="step", ylabel="update / weight", yscale="log", ylim=(1e-6, 1))
            plot_curves(axes[2], {f"{k}": (range(steps), ratios[:, k]) for k in range(1, 6)})
        drawn.axes[0, 0].legend([f"layer {k}" for k in range(1, 6)], frameon=False)
    return Stage(
        "Bad starts, seen from inside, and two cures",
        [
            "5 layers h = tanh(h W + b) (B, 100), b = 0, W normal, deviation g / sqrt(inputs)",
            "too large: g = 10; too small: 0.2; scaled: 5/3; dead: relu for tanh, b = -20",
            "normalised: g = 10, and (h W - mean) / sqrt(variance) over the batch before tanh",
            "stuck: |h| > 0.97 or h = 0 in layer 5; h 5, dh 1: deviations of h and dloss/dh",
            f"after {steps:,} steps: ratio = deviation(0.1 dloss/dW) / deviation(W), later loss",
        ],
        table(["start", "loss", "stuck", "h 5", "dh 1", "ratio 1", "ratio 5", "later loss"], body),
        "too large, tanh is stuck at -1 and 1, where its slope is 0, and the network is sure and"
        " wrong. Too small, the signal dies on its way up and the gradient on its way down. A relu"
        " below 0 has the slope 0: it is dead, and no step revives it. Scaled, each step moves all"
        " weights by some 0.001 of their size: healthy. Normalised, any g works, at a larger rate.",
        figure=drawn.figure,
        claims={
            "too large is stuck, scaled is not": stuck["too large"] > 0.5 > stuck["scaled"],
            "dead units never move": moved["dead relu"] == (0, 0),
            "scaled ends below too small": later["scaled"] < later["too small"],
        },
    )


def the_network(setting: Setting, parts: list[tuple[Any, Any]]) -> Stage:
    """Train the taught network."""
    random, steps = setting.generator(6), setting.steps(24000)
    network = network_of(len(setting.vocabulary), TAUGHT, random, is_normalised=True)
    rates = [nn.cosine(0.4, steps, 0.01)(step) for step in range(steps)]
    losses, _ = train(network, *parts[0], rates, random)
    network.evaluate()  # batch normalisation by its running averages
    found = [float(cross_entropy(data(network(X)), Y)) for X, Y in parts]
    rows = list(zip(("training", "validation", "test"), found, strict=True))
    words = write_words(network, setting.vocabulary, CONTEXT, 8, random)
    return Stage(
        "The network, trained",
        [f"{network.parameter_count:,} parameters, {steps:,} steps, rate from 0.4 to 0.01"],
        [*table(["words", "loss"], rows), "", *wrapped(", ".join(words), "new words: ")],
        "published for names.txt: the bigram has 2.45 on all words, this network 2.17 on a tenth"
        " held out, 2.10 if well started and normalised. Words that occur twice leak into that"
        " tenth, here, too. makemore itself holds out distinct words, which is harder.",
        claims={"it learns": found[1] < losses[0] - 0.3},
    )


def stages(setting: Setting) -> Iterator[Stage]:
    """Yield the stages."""
    parts = [windows(part, setting.vocabulary, CONTEXT) for part in setting.split()]
    yield the_windows(setting)
    yield the_rate(setting, *parts[0])
    yield the_starts(setting, *parts[0])
    yield the_network(setting, parts)
    yield where_it_stands(
        {
            "makemore/models/mlp.py": "the same network, by AdamW and with dropout",
            "makemore/nn/initialisation.py": "Xavier's and Kaiming's deviations",
        },
        [
            "Bengio et al. 2003, A neural probabilistic language model. Karpathy, parts 2 and 3.",
            "Glorot and Bengio 2010; He et al. 2015 on first weights; Ioffe and Szegedy 2015.",
        ],
        "makemore train --model mlp computes each distinct window once.",
    )
