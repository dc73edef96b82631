"""Lesson backprop: the gradient of a network with batch normalisation by hand, line by line.

The network and its gradients are in ``backprop_by_hand.py``.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from lessons import backprop_by_hand as net
from lessons import backprop_pictures
from lessons.setting import Setting
from lessons.stage import Stage, apart, shape, table, tiny, where_it_stands
from lessons.windows import windows
from makemore import nn
from makemore.autodiff import cross_entropy, data, gradients
from makemore.pictures.labels import symbol_label

TITLE = "The gradient of a network by hand"
MINUTES = 0.2
B = 8
"""The windows of the batch that is followed."""


def the_forward_pass(v: Mapping[str, Any]) -> Stage:
    """Show every line of the network."""
    rows = [(name, shape(data(v[name])), line) for name, line in net.FORWARD]
    width = max(len(row[1]) for row in rows)
    body = [f"{name:9}{size:{width}}  = {line}" for name, size, line in rows]
    return Stage(
        "Forward, one operation a line",
        [
            f"X (B, {net.CONTEXT}) ids, Y (B, V) one-hot, B = {B}, V = {len(data(v['C']))}",
            f"C (V, {net.N})  W1 ({net.CONTEXT * net.N}, {net.H})  W2 ({net.H}, V)  b2 (V,)",
            f"b1, gain, shift ({net.H},)",
        ],
        [*body, "", f"loss = {v['loss'].item():.6f}"],
        "nothing here is more than a product, a sum, a power, exp, log or tanh. Seven lines are"
        " batch normalisation, five softmax and cross-entropy.",
    )


def by_hand(setting: Setting, v: Mapping[str, Any], hand: Mapping[str, Any]) -> Stage:
    """Compare each gradient by hand with the engine's."""
    labels = [symbol_label(symbol) for symbol in setting.vocabulary.itos]
    names = [name for name, _ in net.BACKWARD]
    engine = dict(zip(names, gradients(v["loss"], [v[name] for name in names]), strict=True))
    apart_by = {name: apart(engine[name], hand[name]) for name in names}
    body = [
        f"{'d_' + name:10} = {line:52} {tiny(apart_by[name]):>5}" for name, line in net.BACKWARD
    ]
    return Stage(
        "Backward by hand, each line against the engine",
        ["d_a is dloss/da, of a's shape. The last column: its distance from the engine's."],
        body,
        "three rules do nearly all. A product hands down g times the other factor. What was"
        " broadcast forward is summed backward, and what was summed is broadcast. What was used"
        " twice adds up: centred is used by normal and by variance.",
        (gradients,),
        backprop_pictures.draw_passes(v, hand, labels),
        {"all lines agree within 1e-12": max(apart_by.values()) < 1e-12},
    )


def softmax_at_once(setting: Setting, v: Mapping[str, Any], hand: Mapping[str, Any]) -> Stage:
    """Collapse softmax and cross-entropy."""
    labels = [symbol_label(symbol) for symbol in setting.vocabulary.itos]
    P, Y = data(v["P"])[0], v["Y"][0]
    top = sorted({int(Y.argmax()), *np.argsort(-P)[:4].tolist()})
    rows = [(labels[j], P[j].item(), int(Y[j]), (P[j] - Y[j]).item() / B) for j in top]
    at_once = net.closed_form({name: data(value) for name, value in v.items()})["logits"]
    return Stage(
        "Softmax with cross-entropy, at once",
        ["d_logits = (P - Y) / B    five lines in one"],
        [*table(["symbol", "P", "Y", "d_logits"], rows), "", f"row sum {tiny(at_once[0].sum())}"],
        "descent pulls the true symbol up by (1 - P) / B and pushes every other down by its P / B."
        " The pulls of a row sum to 0: probability only moves.",
        (cross_entropy,),
        claims={"it is what the five lines give": apart(at_once, hand["logits"]) < 1e-12},
    )


def batch_norm_at_once(v: Mapping[str, Any], hand: Mapping[str, Any]) -> Stage:
    """Collapse batch normalisation, and look at one unit."""
    arrays = {name: data(value) for name, value in v.items()}
    d_z, normal, d_out = net.closed_form(arrays)["z"], arrays["normal"], hand["out"]
    unit = int(np.abs(d_out).sum(axis=0).argmax())
    rows = list(
        zip(range(B), *(part[:, unit].tolist() for part in (normal, d_out, d_z)), strict=True)
    )
    total, along = (float(part.sum(axis=0)[unit]) for part in (d_z, d_z * normal))
    return Stage(
        "Batch normalisation, at once",
        ["d_z = gain * inverse / B * (B d_out - sum d_out - normal * sum(d_out * normal))"],
        [
            *table(["b", f"normal[{unit}]", "d_out", "d_z"], rows),
            "",
            f"sum of d_z {tiny(total)}, of d_z * normal {tiny(along)}",
        ],
        "two things no longer matter to the loss: adding a number to a whole column of z, and"
        " stretching it. So the gradient has no part in these two directions, and that of a window"
        " depends on its batch. And b1 before it is useless: its gradient is 0.",
        (nn.BatchNorm1d,),
        backprop_pictures.draw_unit(unit, d_out[:, unit], d_z[:, unit]),
        {
            "it is what the seven lines give": apart(d_z, hand["z"]) < 1e-12,
            "d_z sums to 0, and d_z * normal nearly": abs(total) < 1e-12 and abs(along) < 1e-3,
        },
    )


def trained(setting: Setting, words: list[str], is_by_hand: bool) -> list[float]:
    """Return the losses of a training by the closed forms or by the engine."""
    V, (X, ids) = len(setting.vocabulary), windows(words, setting.vocabulary, net.CONTEXT)
    weights, random, losses = net.parameters(V, setting.generator()), setting.generator(1), []
    for _ in range(setting.steps(600)):
        rows = random.integers(0, len(X), 64)
        v = net.run_forward(weights, X[rows], np.eye(V)[ids[rows]])
        if is_by_hand:
            slopes = net.closed_form({name: data(value) for name, value in v.items()})
        else:
            found = gradients(v["loss"], list(weights.values()))
            slopes = dict(zip(weights, found, strict=True))
        for name, weight in weights.items():
            weight.data = weight.data - 0.3 * slopes[name]
        losses.append(v["loss"].item())
    return losses


def trained_by_hand(setting: Setting, words: list[str]) -> Stage:
    """Train by the closed forms, and by the engine beside it."""
    by_hand, engine = (trained(setting, words, is_by_hand) for is_by_hand in (True, False))
    shown = range(0, len(engine), max(1, len(engine) // 8))
    return Stage(
        "Trained by hand",
        ["each weight -= 0.3 * its gradient, 64 windows a step"],
        table(["step", "by hand", "engine"], [(k + 1, by_hand[k], engine[k]) for k in shown]),
        "eight lines by hand train the network as the engine does, number for number. An engine"
        " knows no closed forms unless it has them as operations: makemore's are fused operations.",
        claims={
            "both give the same losses": apart(by_hand, engine) < 1e-9,
            "the loss falls": min(engine[-5:]) < engine[0],
        },
    )


def stages(setting: Setting) -> Iterator[Stage]:
    """Yield the stages."""
    V, (words, _, _) = len(setting.vocabulary), setting.split()
    X, ids = windows(words[:B], setting.vocabulary, net.CONTEXT)
    rows = setting.generator(2).permutation(len(X))[:B]
    v = net.run_forward(net.parameters(V, setting.generator()), X[rows], np.eye(V)[ids[rows]])
    hand = net.run_backward(v)
    yield the_forward_pass(v)
    yield by_hand(setting, v, hand)
    yield softmax_at_once(setting, v, hand)
    yield batch_norm_at_once(v, hand)
    yield trained_by_hand(setting, words)
    yield where_it_stands(
        {
            "makemore/autodiff/operations.py": "each operation with its gradient beside it",
            "makemore/autodiff/fused.py": "cross_entropy and batch_norm in closed form",
            "makemore/models/bigram.py": "a whole model with its gradient by hand",
        },
        [
            "Ioffe and Szegedy 2015, Batch normalization, section 3.",
            "Karpathy, makemore part 4: becoming a backprop ninja.",
        ],
        "tests hold every operation's gradient against measured slopes: check_gradients.",
    )
