"""The middle of the lesson mlp: a bad initialisation seen from inside, and two cures."""

from math import log
from typing import Any

import numpy as np

from lessons import mlp_pictures
from lessons.setting import Setting
from lessons.stage import Stage, table
from makemore import nn
from makemore.autodiff import Tensor, cross_entropy, data, gradients

CONTEXT, DEPTH, WIDTH = 3, 5, 100
STARTS = ("too large", "too small", "scaled", "normalised")


def train(
    network: nn.Sequential, X: Any, Y: Any, rates: list[float], random: np.random.Generator
) -> tuple[list[float], list[Any]]:
    """Take a step of plain descent for each rate; return the losses and the update ratios.

    A ratio is the deviation of a layer's update over that of its weights, for each matrix.
    """
    vector = nn.ParameterVector(network.parameters())
    matrices = [layer.weight for layer in network.layers if isinstance(layer, nn.Linear)]
    losses, ratios = [], []
    for step, rate in enumerate(rates):
        rows = random.integers(0, len(X), 128)
        loss = cross_entropy(network(X[rows]), Y[rows])
        vector.backward(loss)
        if step % 10 == 0:
            slopes = gradients(loss, matrices)
            ratios.append(
                [rate * g.std() / W.data.std() for g, W in zip(slopes, matrices, strict=True)]
            )
        vector.values -= rate * vector.gradient
        losses.append(loss.item())
    return losses, ratios


def deep_network(V: int, start: str, random: np.random.Generator) -> nn.Sequential:
    """Return five hidden layers whose first weights are as ``start`` says."""
    layers: list[Any] = [nn.Embedding(V, 10, random), nn.Flatten()]
    for inputs in [10 * CONTEXT] + [WIDTH] * (DEPTH - 1):
        deviation = {"too small": 0.02, "scaled": 5 / 3 * inputs**-0.5}.get(start, 1.0)
        layers.append(nn.Linear(inputs, WIDTH, random, bias=False))
        layers[-1].weight = Tensor(nn.normal((inputs, WIDTH), random, deviation))
        layers += [nn.BatchNorm1d(WIDTH)] * (start == "normalised") + [nn.Tanh()]
    layers.append(nn.Linear(WIDTH, V, random))
    if start == "too large":
        layers[-1].weight = Tensor(nn.normal((WIDTH, V), random, 1.0))
    return nn.Sequential(*layers)


def looked_into(network: nn.Sequential, X: Any, Y: Any) -> tuple[float, list[Any], list[Any]]:
    """Return the loss, the hidden vectors of each layer, and the loss's gradients along them."""
    x, hidden = X, []
    for layer in network.layers:
        x = layer(x)
        if isinstance(layer, nn.Tanh | nn.ReLU):
            hidden.append(x)
    loss = cross_entropy(x, Y)
    return loss.item(), [data(h) for h in hidden], gradients(loss, hidden)


def the_starts(setting: Setting, X: Any, Y: Any) -> Stage:
    """Look at activations and gradients before the first step."""
    V, rows = len(setting.vocabulary), setting.generator(2).integers(0, len(X), 500)
    seen, body, stuck, deviation = {}, [], {}, {}
    for start in STARTS:
        network = deep_network(V, start, setting.generator(3))
        loss, hidden, slopes = seen[start] = looked_into(network, X[rows], Y[rows])
        stuck[start], deviation[start] = np.mean(np.abs(hidden[-1]) > 0.97), hidden[-1].std()
        deviations = [
            f"{part.std():.2g}" for part in (hidden[0], hidden[-1], slopes[0], slopes[-1])
        ]
        body.append((start, loss, *deviations, f"{stuck[start]:.0%}"))
    return Stage(
        "A bad start, seen from inside",
        [
            f"{DEPTH} layers h = tanh(h W), (B, {WIDTH}), no biases, W normal with a deviation of",
            "too large 1, too small 0.02, scaled (5/3) / sqrt(inputs); normalised: 1, and",
            "z = (h W - mean) / sqrt(variance) over the batch, h = tanh(weight z + bias)",
        ],
        [
            *table(["start", "loss", "h 1", "h 5", "dh 1", "dh 5", "|h 5| > 0.97"], body),
            "",
            f"h, dh: deviation of the layer's numbers and gradients; log V = {log(V):.4f}",
        ],
        "too large: tanh is stuck at -1 and 1, where its slope is 0, and the loss says that the"
        " network is sure and wrong. Too small: the signal vanishes on its way up, the gradient on"
        " its way down. Scaled, both keep their size; batch normalisation corrects any deviation.",
        (nn.BatchNorm1d,),
        mlp_pictures.draw_starts(seen),
        {
            "too large is stuck, scaled is not": bool(stuck["too large"] > 0.5 > stuck["scaled"]),
            "too small dies out": bool(deviation["too small"] < 0.01 * deviation["scaled"]),
            "normalised does not": bool(deviation["normalised"] > 0.5),
        },
    )


def dead_units(setting: Setting, X: Any, Y: Any) -> Stage:
    """Push units of ReLU below zero, and show that training does not bring them back."""
    V, rows = len(setting.vocabulary), setting.generator(2).integers(0, len(X), 1000)
    body, shown, counts = [], {}, {}
    for bias in (0.0, -1.5, -4.0):
        random = setting.generator(4)
        first = nn.Linear(10 * CONTEXT, WIDTH, random)
        first.bias = Tensor(np.full(WIDTH, bias, np.float32))
        below = nn.Sequential(nn.Embedding(V, 10, random), nn.Flatten(), first)
        network = nn.Sequential(*below.layers, nn.ReLU(), nn.Linear(WIDTH, V, random))
        dead = (data(below(X[rows])) <= 0).all(axis=0)
        slopes = gradients(cross_entropy(network(X[rows]), Y[rows]), [first.weight])[0]
        train(network, X, Y, [0.1] * setting.steps(300), random)
        fires = data(below(X[rows])) > 0
        counts[bias] = int(dead.sum()), int((~fires.any(axis=0)).sum())
        shown[f"bias {bias:g}: {counts[bias][1]} dead units"] = fires[:100]
        largest = float(np.abs(slopes[:, dead]).max()) if dead.any() else 0.0
        body.append((f"{bias:g}", *counts[bias], f"{fires.mean():.0%}", f"{largest:g}"))
    return Stage(
        "Dead ReLU",
        [f"h = relu(x W + b), (B, {WIDTH}), b as too long a step might leave it"],
        table(["b", "dead", f"after {setting.steps(300)} steps", "fires", "their gradient"], body),
        "relu's slope is 0 below 0. A unit that is below 0 for every window gets a gradient of 0,"
        " and no later step brings it back: it is dead. Small steps, a leaky ReLU or normalisation"
        " before it keep it alive.",
        (nn.ReLU,),
        mlp_pictures.draw_units(shown),
        {"dead units stay dead": counts[-4.0] == (WIDTH, WIDTH), "0 kills few": counts[0.0][0] < 5},
    )


def the_race(setting: Setting, X: Any, Y: Any) -> Stage:
    """Train the four, and watch how much their weights move."""
    steps, V, ratios, losses = setting.steps(1000), len(setting.vocabulary), {}, {}
    for start in STARTS:
        network = deep_network(V, start, setting.generator(3))
        losses[start], ratios[start] = train(network, X, Y, [0.1] * steps, setting.generator(5))
    end = {start: float(np.mean(curve[-max(1, steps // 10) :])) for start, curve in losses.items()}
    rows = [
        (s, losses[s][0], end[s], f"{ratios[s][-1][0]:.2g}", f"{ratios[s][-1][DEPTH - 1]:.2g}")
        for s in STARTS
    ]
    return Stage(
        "Updates against weights",
        [
            "ratio = deviation(rate * gradient) / deviation(W)",
            f"{steps:,} steps at a rate of 0.1",
        ],
        table(["start", "first loss", "last tenth", "ratio, layer 1", f"layer {DEPTH}"], rows),
        "about 0.001 a step is healthy: each weight is rewritten in some thousand steps. Far below,"
        " a layer sleeps; far above, it thrashes. Scaled, all layers learn at one pace. Normalised"
        " weights of deviation 1 are large: their small ratio asks for a larger rate.",
        figure=mlp_pictures.draw_ratios(ratios, losses),
        claims={"scaled ends below too small": end["scaled"] < end["too small"]},
    )
