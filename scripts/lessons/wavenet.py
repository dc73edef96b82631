"""Lesson wavenet: a window merged two by two, and what a longer one buys."""

from collections.abc import Iterator, Sequence
from math import log2
from typing import Any

import numpy as np

from lessons.figures import ACCENT, GRID, LINE, canvas, curves_figure
from lessons.setting import Setting
from lessons.stage import Stage, apart, table, where_it_stands
from lessons.windows import mean_loss, train_on_windows, windows
from makemore import nn
from makemore.arrays import Ids
from makemore.autodiff import Tensor, Value, cross_entropy, data, gradients, reshape

TITLE = "Merging a window two by two"
MINUTES = 1
OPTIONS = ("word",)
FIELDS = (2, 4, 8, 16)


def pairs(x: Value) -> Value:
    """Put neighbours side by side: (B, T, n) -> (B, T / 2, 2 n)."""
    B, T, n = data(x).shape
    return reshape(x, (B, T // 2, 2 * n))


def tree(V: int, field: int, n: int, hidden: int, random: np.random.Generator) -> nn.Sequential:
    """Return the network that merges ``field`` symbols of n numbers, field a power of 2."""
    layers: list[Any] = [nn.Embedding(V, n, random)]
    for level in range(int(log2(field))):
        merge = nn.Linear(2 * (hidden if level else n), hidden, random)
        layers += [pairs, merge, nn.LayerNorm(hidden), nn.Tanh()]
    last = nn.Linear(hidden, V, random)
    last.weight.data *= 0.1  # all symbols are about equally likely at first
    return nn.Sequential(*layers, nn.Flatten(), last)


def the_shapes(setting: Setting) -> Stage:
    """Follow the shapes up the tree."""
    X, _ = windows([setting.followed], setting.vocabulary, 8)
    x, rows = X, [("window", str(X.shape))]
    for layer in tree(len(setting.vocabulary), 8, 10, 64, setting.generator()).layers:
        x = layer(x)
        name = getattr(layer, "__name__", type(layer).__name__)
        if name not in ("LayerNorm", "Tanh"):
            rows.append((name, str(data(x).shape)))
    return Stage(
        "Two by two",
        ["y_i = tanh(normalise([x_2i, x_2i+1] W + b))    each level has its own W"],
        table(["layer", "shape"], rows),
        "an mlp merges eight symbols at once in one product. Here each product sees two things:"
        " letters become pairs, pairs fours, fours eights. All pairs share one W, wherever they"
        " stand in the window.",
        (nn.LayerNorm,),
    )


def dilated(x: Any, weights: Sequence[Any]) -> Any:
    """Return the tree's output at all positions at once, (T, n) -> (T, H)."""
    for level, W in enumerate(weights):
        distance = 2**level
        earlier = np.vstack([np.zeros((distance, x.shape[1])), x[:-distance]])
        x = np.tanh(np.hstack([earlier, x]) @ W)
    return x


def the_convolution(setting: Setting) -> Stage:
    """Compute the tree at all positions at once, and count the merges."""
    random, T = setting.generator(), 16
    weights = [random.standard_normal((2 * n, 4)) / n for n in (3, 4, 4)]
    x = random.standard_normal((T, 3))
    one_by_one = []
    for t in range(7, T):
        y = x[None, t - 7 : t + 1]
        for W in weights:
            y = np.tanh(data(pairs(y)) @ W)
        one_by_one.append(y[0, 0])
    rows = [(field, (field - 1) * T, int(log2(field)) * T) for field in (8, 64, 1024)]
    return Stage(
        "The same as a dilated convolution",
        ["level k: y_t = tanh([x_(t - 2^k), x_t] W_k)    for all t: (T, n) -> (T, H)"],
        table(["window", f"merges, tree, {T} positions", "dilated, all at once"], rows),
        "the trees of neighbouring windows share their branches. Computed for all positions at"
        " once, a level costs T merges, not T times its nodes: that is WaveNet's dilated causal"
        " convolution. The window doubles with each level, the work grows by one level.",
        figure=draw_tree(3, 12),
        claims={"both give the same numbers": apart(dilated(x, weights)[7:], one_by_one) < 1e-12},
    )


def draw_tree(levels: int, positions: int) -> Any:
    """Return the merges of all positions, and in colour the tree below the last one."""
    with canvas(12, 4.2) as drawn:
        axes, wanted = drawn.axes[0, 0], {positions - 1}
        for level in range(levels, -1, -1):
            distance = 2**level // 2  # 0 for the symbols, which merge nothing
            for t in range(positions):
                line, dot = (LINE, ACCENT) if t in wanted else (GRID, "#b6c0ca")
                if t >= distance > 0:
                    merged = [t - distance, t, t], [level - 1, level, level - 1]
                    axes.plot(*merged, color=line, zorder=t in wanted)
                axes.plot(t, level, "o", ms=11, color=dot, zorder=2)
            wanted |= {t - distance for t in wanted}
        names = [f"level {level}: {2 ** (level + 1)} symbols" for level in range(levels)]
        axes.set_yticks(range(levels + 1), ["symbols", *names])
        axes.set_xticks(range(positions))
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title(f"One output sees {2**levels} symbols; grey merges serve other positions")
        axes.set_xlabel("position t")
    return drawn.figure


def the_fields(setting: Setting, words: tuple[list[str], ...]) -> Stage:
    """Train one network for each window."""
    rows, steps = [], setting.steps(3000)
    for field in FIELDS:
        training, validation, _ = (windows(part, setting.vocabulary, field) for part in words)
        network = tree(len(setting.vocabulary), field, 10, 64, setting.generator(1))
        train_on_windows(network, *training, steps, 0.005, setting.generator(2))
        losses = [mean_loss(network, *part) for part in (training, validation)]
        rows.append((field, network.parameter_count, *losses))
    _, _, on_training, on_validation = zip(*rows, strict=True)
    curves = {"training": (FIELDS, on_training), "validation": (FIELDS, on_validation)}
    return Stage(
        "What the receptive field buys",
        [f"windows of 2, 4, 8, 16 symbols, n = 10, H = 64, {steps:,} steps of 128 windows"],
        table(["window", "parameters", "training", "validation"], rows),
        "each further symbol is worth less than the one before. Names have about six letters:"
        " beyond eight there is little left to see, and more levels only make learning harder.",
        figure=curves_figure(
            curves, xlabel="symbols in the window", ylabel="loss (nats per symbol)", xticks=FIELDS
        ),
        claims={"four symbols beat two": on_validation[1] < on_validation[0]},
    )


def the_network(setting: Setting, words: tuple[list[str], ...]) -> Iterator[Stage]:
    """Train a larger one, and ask which symbols move its answer."""
    parts = [windows(part, setting.vocabulary, 8) for part in words]
    network = tree(len(setting.vocabulary), 8, 24, 128, setting.generator(3))
    steps = setting.steps(16000)
    train_on_windows(network, *parts[0], steps, 0.003, setting.generator(4))
    names = ("training", "validation", "test")
    rows = [(name, mean_loss(network, *part)) for name, part in zip(names, parts, strict=True)]
    yield Stage(
        "A larger one, beside the published loss",
        [f"n 24, H 128, {network.parameter_count:,} parameters, {steps:,} steps of 128 windows"],
        table(["words", "loss"], [*rows, ("validation, published for names.txt", 1.993)]),
        "the published network of this size saw three times as many windows, on its own random"
        " split. In both splits a word that occurs twice can be on both sides; both losses are"
        " means over symbols, the end included, without padding. On distinct words held out,"
        " makemore's wavenet has 1.99.",
        claims={"it beats equal probabilities": rows[1][1] < np.log(len(setting.vocabulary))},
    )
    yield what_it_looks_at(network, *parts[1])


def what_it_looks_at(network: nn.Sequential, X: Ids, Y: Ids) -> Stage:
    """Measure how far each position of the window moves the loss."""
    embedded = Tensor(data(network.layers[0](X[:4000])))
    x = embedded
    for layer in network.layers[1:]:
        x = layer(x)
    slopes = gradients(cross_entropy(x, Y[:4000]) * float(len(embedded)), [embedded])[0]
    lengths = np.linalg.norm(slopes, axis=-1).mean(axis=0)
    with canvas(8, 3.8) as drawn:
        axes = drawn.axes[0, 0]
        axes.bar(range(-8, 0), lengths, color=LINE)
        axes.set(xlabel="position in the window, -1 the last symbol", ylabel="length of dloss/dx")
    return Stage(
        "What it looks at",
        ["length of dloss/dx at each position of the window, mean over 4,000 windows"],
        table(["position", "length"], [(f"{8 - k} back", float(lengths[k])) for k in range(8)]),
        "the nearer, the more it counts; the sharpest drop is from 4 to 5 back, where the halves of"
        " the tree meet. Positions far back are mostly padding: they say how long the word already"
        " is.",
        figure=drawn.figure,
        claims={"the last symbol matters most": int(lengths.argmax()) == 7},
    )


def stages(setting: Setting) -> Iterator[Stage]:
    """Yield the stages."""
    words = setting.split()
    yield the_shapes(setting)
    yield the_convolution(setting)
    yield the_fields(setting, words)
    yield from the_network(setting, words)
    yield where_it_stands(
        {"makemore/models/wavenet.py": "the same tree; each distinct pair is merged once"},
        ["van den Oord et al. 2016, WaveNet, figure 3. Karpathy, makemore part 5."],
        "makemore train --model wavenet is this tree, with the work of equal pairs shared.",
    )
