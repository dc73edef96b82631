"""The end of the lesson recurrent: layers trained to remember, and trained on words."""

from collections.abc import Callable, Sequence
from math import log
from typing import Any

import numpy as np

from lessons import recurrent_pictures
from lessons.setting import Setting
from lessons.stage import Stage, table
from makemore import nn
from makemore.autodiff import Value, cross_entropy, data

STEPS_BACK = 20
"""How far back the lesson asks."""


def kinds(random: np.random.Generator, n: int, hidden: int) -> dict[str, Callable[[Value], Value]]:
    """Return recurrent layers (B, T, n) -> (B, T, hidden) by name."""
    found: dict[str, Any] = {}
    for factor in (0.5, 1.0, 1.5):
        layer = found[f"rnn, W_h stretches by {factor}"] = nn.RNN(n, hidden, random)
        orthogonal = np.linalg.qr(random.standard_normal((hidden, hidden)))[0]
        layer.layers[0].hidden_weight.data = (factor * orthogonal).astype(np.float32)
    found["gru"] = nn.GRU(n, hidden, random)
    for bias in (0.0, 3.0):
        found[f"lstm, forget bias {bias:g}"] = nn.LSTM(n, hidden, random, forget_bias=bias)
    return found


def remember_the_first(setting: Setting) -> Stage:
    """Train each to say, twenty steps later, which of two numbers came first."""
    curves: dict[str, list[float]] = {}
    for name, layer in kinds(setting.generator(4), 2, 32).items():
        random = setting.generator(5)
        head = nn.Linear(32, 2, random)
        network = nn.Sequential(layer, head)
        vector, optimizer = nn.ParameterVector(network.parameters()), nn.Adam(learning_rate=0.004)
        curves[name] = []
        for _ in range(setting.steps(500)):
            ids = random.integers(0, 2, (64, STEPS_BACK))
            loss = cross_entropy(head(layer(np.eye(2, dtype=np.float32)[ids])[:, -1]), ids[:, 0])
            vector.backward(loss)
            nn.clip_by_norm(vector.gradient, 1.0)
            optimizer.step(vector.values, vector.gradient)
            curves[name].append(loss.item())
    rows = [(name, float(np.mean(curve[-20:]))) for name, curve in curves.items()]
    return Stage(
        "Remember the first of twenty",
        [f"twenty random bits, which was the first? one guess costs log 2 = {log(2):.4f}"],
        table(["", f"loss after {setting.steps(500)} steps"], rows),
        "the same task, the same steps. A layer that still has a gradient after twenty steps learns"
        " it; the others do not even notice that there is something to learn.",
        (nn.clip_by_norm,),
        recurrent_pictures.draw_curves(curves),
    )


def padded(words: Sequence[str], setting: Setting) -> tuple[Any, Any]:
    """Return ids (B, T) that begin with the boundary, and targets (B, T, V): zeros at padding."""
    coded = [setting.vocabulary.encode(word).tolist() for word in words]
    X = np.zeros((len(words), 1 + max(map(len, coded))), np.int64)
    N = np.zeros((*X.shape, len(setting.vocabulary)), np.float32)
    for row, ids in enumerate(coded):
        X[row, 1 : len(ids) + 1] = ids
        N[row, np.arange(len(ids) + 1), [*ids, 0]] = 1
    return X, N


def the_names(setting: Setting) -> Stage:
    """Train the three on words."""
    training, validation, _ = setting.split()
    V, steps, rows = len(setting.vocabulary), setting.steps(1200), []
    for name, kind in (("rnn", nn.RNN), ("gru", nn.GRU), ("lstm", nn.LSTM)):
        random = setting.generator(6)
        network = nn.Sequential(
            nn.Embedding(V, 24, random), kind(24, 96, random), nn.Linear(96, V, random)
        )
        vector, optimizer = nn.ParameterVector(network.parameters()), nn.AdamW(learning_rate=0.004)
        schedule, first = nn.warm_up(steps // 20, nn.cosine(0.004, steps)), 0.0
        for step in range(steps):
            X, N = padded([training[k] for k in random.integers(0, len(training), 64)], setting)
            loss = cross_entropy(network(X), N)  # a mean over symbols: padding has no counts
            vector.backward(loss)
            nn.clip_by_norm(vector.gradient, 1.0)
            optimizer.learning_rate = schedule(step)
            optimizer.step(vector.values, vector.gradient)
            first = first or loss.item()
        parts = [padded(validation[k : k + 400], setting) for k in range(0, len(validation), 400)]
        sums = [float(cross_entropy(data(network(X)), N)) * N.sum() for X, N in parts]
        loss = sum(sums) / sum(N.sum() for _, N in parts)
        rows.append((name, network.parameter_count, first, float(loss)))
    padding = 1 - sum(N.sum() for _, N in parts) / sum(X.size for X, _ in parts)
    return Stage(
        "The three on words",
        [f"n = 24, H = 96, {steps:,} steps of 64 words; loss: mean over symbols, not padding"],
        table(["", "parameters", "first loss", "validation loss"], rows),
        "words are short, so forgetting costs the rnn little here; the gates help all the same. Ask"
        f" of a published loss whether padding was counted: {padding:.0%} of these arrays are"
        " padding, which is easy to predict. On distinct words held out, makemore's larger gru and"
        " lstm have 1.96.",
        (nn.RNN, nn.GRU, nn.LSTM),
        claims={"all learn": all(row[3] < row[2] for row in rows)},
    )
