"""Lesson recurrent: a network that remembers, backward through time, and the gates that keep it."""

from collections.abc import Iterator
from math import log
from typing import Any

import numpy as np

from lessons.figures import curves_figure
from lessons.sequences import train_on_words
from lessons.setting import Setting
from lessons.stage import Stage, apart, table, where_it_stands
from makemore import nn
from makemore.autodiff import Tensor, data, gradients, sigmoid, tanh

TITLE = "A network that remembers: rnn, gru, lstm"
MINUTES = 1
OPTIONS = ("word",)
BACK = 20
"""How many steps back the lesson asks."""


def a_state(setting: Setting) -> Stage:
    """Carry two numbers through a word."""
    random = setting.generator()
    ids = [0, *setting.vocabulary.encode(setting.followed).tolist()]
    x = random.standard_normal((len(setting.vocabulary), 3))[ids]  # an embedding of 3 numbers
    layer = nn.RNN(3, 2, random, dtype=np.float64)
    W_x, W_h, b_x, b_h = (tensor.data for tensor in layer.parameters().values())
    states = [np.zeros(2)]
    for x_t in x:
        states.append(np.tanh(x_t @ W_x + b_x + states[-1] @ W_h + b_h))
    rows = [(setting.labels[i], *h.tolist()) for i, h in zip(ids, states[1:], strict=True)]
    return Stage(
        "A state that is carried along",
        [
            "h_t = tanh(x_t W_x + b_x + h_(t-1) W_h + b_h)    h_0 = 0",
            "x_t (3,)  W_x (3, 2)  h (2,)  W_h (2, 2)    in a layer: (B, T, n) -> (B, T, H)",
        ],
        table(["x_t", "h_t[0]", "h_t[1]"], rows[:12]),
        "the same four arrays serve every step. The state is all that is known of the symbols so"
        " far, however many there were: no window, no padding.",
        (nn.RNN,),
        claims={"nn.RNN gives the same states": apart(states[1:], data(layer(x[None]))[0]) < 1e-12},
    )


def through_time() -> Stage:
    """Unroll a state of one number, and go backward by hand."""
    w, xs, hs = 0.9, [0.5, 0.0, 0.0, -0.3, 0.0], [0.0]
    for x in xs:
        hs.append(float(np.tanh(w * hs[-1] + x)))
    d_h, d_w, rows = 1.0, 0.0, []  # the loss is the last state
    for t in range(len(xs), 0, -1):
        d_sum = d_h * (1 - hs[t] ** 2)
        d_w += d_sum * hs[t - 1]
        rows.append((t, xs[t - 1], hs[t], d_h, d_sum * hs[t - 1]))
        d_h = d_sum * w
    W, h = Tensor(w), 0.0
    for x in xs:
        h = tanh(W * h + x)
    engine = gradients(h, [W])[0].item()
    return Stage(
        "Backward through time",
        [
            "h_t = tanh(w h_(t-1) + x_t), one number, w = 0.9; the loss is h_5",
            "dh_(t-1) = dh_t (1 - h_t²) w    dw = sum over t of dh_t (1 - h_t²) h_(t-1)",
        ],
        [
            *table(["t", "x_t", "h_t", "dh_t", "share of dw"], rows),
            f"dw {d_w:.6f}, engine {engine:.6f}",
        ],
        "unrolled, a recurrent network is a deep one whose layers share their weights: so the"
        " shares of all steps add up. Each step back multiplies the gradient by (1 - h²) w.",
        (gradients,),
        claims={"by hand and engine agree": abs(d_w - engine) < 1e-12},
    )


def layers_of(random: np.random.Generator, n: int, hidden: int) -> dict[str, Any]:
    """Return five recurrent layers (B, T, n) -> (B, T, hidden) by name.

    W_h of an rnn stretches every state by the factor in its name.
    """
    found: dict[str, Any] = {}
    for factor in (0.5, 1.5):
        layer = found[f"rnn, W_h stretches by {factor}"] = nn.RNN(n, hidden, random)
        orthogonal = np.linalg.qr(random.standard_normal((hidden, hidden)))[0]
        layer.layers[0].hidden_weight.data = (factor * orthogonal).astype(np.float32)
    found["gru"] = nn.GRU(n, hidden, random)
    for bias in (0.0, 3.0):
        found[f"lstm, forget bias {bias:g}"] = nn.LSTM(n, hidden, random, forget_bias=bias)
    return found


def the_lengths(setting: Setting) -> Stage:
    """Measure how much of the gradient arrives twenty steps earlier."""
    random, lengths = setting.generator(1), {}
    x = 0.1 * random.standard_normal((64, BACK + 1, 16)).astype(np.float32)
    for name, layer in layers_of(random, 16, 64).items():
        inputs = Tensor(x)
        slopes = gradients(layer(inputs)[:, -1].sum(), [inputs])[0]
        norms = np.linalg.norm(slopes, axis=-1).mean(axis=0)[::-1]
        lengths[name] = norms / norms[0]
    back = (1, 5, 10, BACK)
    rows = [(name, *(f"{curve[k]:.1e}" for k in back)) for name, curve in lengths.items()]
    small, large, _, closed, opened = (curve[-1] for curve in lengths.values())
    curves = {name: (range(BACK + 1), curve) for name, curve in lengths.items()}
    return Stage(
        "What is left of a gradient after twenty steps",
        ["length of dh_T / dx_(T-k), relative to k = 0, before any training; H = 64"],
        table(["", *(f"k = {k}" for k in back)], rows),
        "a product of twenty factors is 0 or huge unless each is near 1. In a plain rnn W_h"
        " decides that. gru and lstm have a path on which the state is multiplied by a gate alone:"
        " the gate begins half shut, but it can learn to stay open.",
        (nn.RNN, nn.GRU, nn.LSTM),
        curves_figure(
            curves,
            yscale="log",
            xticks=range(0, BACK + 1, 5),
            xlabel="steps back in time",
            ylabel="length of the gradient, 1 at the last step",
        ),
        {
            "0.5 vanishes, 1.5 grows": bool(small < 1e-3 < 1 < large),
            "an open forget gate keeps more": bool(opened > 100 * closed),
        },
    )


def the_forget_gate(setting: Setting) -> Stage:
    """Write the cell of the lstm out, and let its gate hold a number."""
    layer = nn.LSTM(3, 4, setting.generator(2), forget_bias=1.0, dtype=np.float64)
    x = setting.generator(3).standard_normal((6, 3))
    W_x, W_h, b_x, b_h = (tensor.data for tensor in layer.parameters().values())
    h, c, states = np.zeros(4), np.zeros(4), []
    for x_t in x:
        i, f, g, o = np.split(x_t @ W_x + b_x + h @ W_h + b_h, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
    gates = {bias: float(sigmoid(bias)) for bias in (-1.0, 0.0, 1.0, 3.0, 5.0)}
    rows = [(f"{b:g}", f, f**5, f**BACK, log(0.5) / log(f)) for b, f in gates.items()]
    steps = np.arange(2 * BACK + 1)
    curves = {f"bias {bias:g}, f = {f:.2f}": (steps, f**steps) for bias, f in gates.items()}
    return Stage(
        "The forget gate",
        [
            "i, f, o = sigmoid(x W_x + h W_h + b)    g = tanh(x W_x + h W_h + b)    (H,) each",
            "c' = f c + i g    h' = o tanh(c')    along c a gradient is multiplied by f only",
        ],
        table(["bias", "f", "f^5", f"f^{BACK}", "half-life, steps"], rows),
        "with a bias of 0 the gate is half open and half of the memory is gone each step. A bias of"
        " 1 or more lets it remember until it has learnt what to forget. In a gru one gate z does"
        " both: h' = (1 - z) n + z h.",
        (nn.LSTM,),
        curves_figure(curves, xlabel="steps", ylabel="what is left of the memory"),
        {"nn.LSTM gives the same states": apart(states, data(layer(x[None]))[0]) < 1e-12},
    )


def the_words(setting: Setting) -> Stage:
    """Train the three on words."""
    V, steps, rows, curves = len(setting.vocabulary), setting.steps(1200), [], {}
    for name, kind in (("rnn", nn.RNN), ("gru", nn.GRU), ("lstm", nn.LSTM)):
        random = setting.generator(6)
        layers = nn.Embedding(V, 24, random), kind(24, 96, random), nn.Linear(96, V, random)
        network = nn.Sequential(*layers)
        curves[name] = train_on_words(network, setting, steps)
        rows.append((name, network.parameter_count, curves[name][1][-1]))
    return Stage(
        "The three on words",
        [f"n = 24, H = 96, {steps:,} steps of 128 words; loss: mean over symbols, not padding"],
        table(["", "parameters", "validation loss"], rows),
        "words are short, so forgetting costs the rnn little here; the gates help all the same. Ask"
        " of a published loss whether padding was counted, which is easy to predict. On distinct"
        " words held out, makemore's larger gru and lstm have 1.96.",
        (nn.RNN, nn.GRU, nn.LSTM),
        curves_figure(curves, xlabel="step", ylabel="validation loss (nats per symbol)"),
        {"all beat equal probabilities": all(row[2] < log(V) for row in rows)},
    )


def stages(setting: Setting) -> Iterator[Stage]:
    """Yield the stages."""
    yield a_state(setting)
    yield through_time()
    for stage in (the_lengths, the_forget_gate, the_words):
        yield stage(setting)
    yield where_it_stands(
        {
            "makemore/nn/recurrent.py": "the layers; autodiff/tree.py has their equations",
            "makemore/models/recurrent.py": "rnn, gru and lstm over a tree of common beginnings",
        },
        [
            "Werbos 1990, Backpropagation through time. Hochreiter and Schmidhuber 1997, the lstm;"
            " Gers et al. 2000, its forget gate. Cho et al. 2014, the gru. Pascanu et al. 2013.",
        ],
        "makemore computes what words share at their beginning once: a quarter of the work.",
    )
