"""The first stages of the lesson bigram: one word, every number of which can be checked by hand."""

import math

import numpy as np

from lessons.bigram_by_hand import gradient_by_hand, loss_by_hand, softmax_by_hand
from lessons.bigram_material import Material
from lessons.stage import Stage, shape, table, tiny
from makemore import bigram_pairs
from makemore.models.bigram import (
    cross_entropy,
    cross_entropy_gradient,
    one_hot,
    weight_gradient,
)
from makemore.models.softmax import softmax
from makemore.training.descent import initial_weights

H = 1e-5
"""How far a weight is moved for a central difference: its error is about H**2, and rounding's
about 1e-16 / H."""


def the_pairs(m: Material) -> Stage:
    """Cut a word into pairs."""
    xs, ys = (ids.tolist() for ids in m.pairs)
    rows = [
        (b, m.labels[x], m.labels[y], x, y) for b, (x, y) in enumerate(zip(xs, ys, strict=True))
    ]
    return Stage(
        "The pairs of one word",
        [f"xs, ys: the id of a symbol and of the one after it, shape (B,) = ({len(xs)},) each"],
        table(["b", "first", "second", "xs[b]", "ys[b]"], rows),
        f"{len(m.word)} characters make {len(xs)} pairs, because the model must learn the end, too."
        " Each target is the next input.",
        (bigram_pairs,),
    )


def the_one_hot_rows(m: Material) -> Stage:
    """Turn each input into a row of zeros and a one."""
    columns = list(range(m.V)) if m.V <= 30 else m.columns
    X = one_hot(m.pairs[0], m.V)
    rows = [
        [label, *row[columns].astype(int).tolist()] for label, row in zip(m.firsts, X, strict=True)
    ]
    return Stage(
        "One-hot rows",
        [f"X[b, xs[b]] = 1 and all else 0    X: (B, V) = {shape(X)}"],
        table(["", *(m.labels[j] for j in columns)], rows, gap=" "),
        "each row has a single 1, in the column of its symbol. Equal symbols make equal rows.",
        (one_hot,),
    )


def the_logits(m: Material) -> Stage:
    """Let rows of X pick rows of W."""
    picked = bool((m.logits == m.weights[m.pairs[0]]).all())
    return Stage(
        "Logits",
        [
            f"logits = X @ W    W: (V, V) = {shape(m.weights)}, random in [-1, 1)",
            f"                  logits: (B, V) = {shape(m.logits)}",
        ],
        [*m.matrix(m.firsts, m.logits), "", f"row b is row xs[b] of W: {picked}"],
        "a one-hot row times W picks a row of W. So a bigram model is a table: a row of V numbers"
        " for each symbol, and nothing before that symbol counts.",
        (initial_weights, one_hot),
    )


def the_probabilities(m: Material) -> Stage:
    """Work one row of softmax by hand."""
    row = m.logits[0].tolist()
    P = softmax_by_hand(row)
    exponentials = [math.exp(logit) for logit in row]
    by_package = softmax(m.logits[0])
    others = [j for j in range(m.V) if j not in m.columns]
    rows: list[tuple[object, ...]] = [
        (m.labels[j], row[j], exponentials[j], P[j]) for j in m.columns
    ]
    if others:
        sums = (math.fsum(values[j] for j in others) for values in (exponentials, P))
        rows.append((f"{len(others):,} others", "", *sums))
    rows.append(("sum", "", math.fsum(exponentials), math.fsum(P)))
    largest = float(np.abs(by_package - P).max())
    return Stage(
        "Probabilities",
        [
            "P[b, j] = exp(logits[b, j]) / (sum over k of exp(logits[b, k]))",
            "By hand for b = 0: what may come first in a word?",
        ],
        [
            *table(["j", "logit", "exp(logit)", "P"], rows),
            "",
            f"largest difference from the package: {tiny(largest)}",
        ],
        "exp makes every logit positive, the division makes the row sum to 1. A larger logit is a"
        " larger probability. The package subtracts the row's maximum first: P is the same, and no"
        " exp overflows.",
        (softmax,),
    )


def the_loss(m: Material) -> Stage:
    """Price what really came next, by hand."""
    P = [softmax_by_hand(row) for row in m.logits.tolist()]
    ys = m.pairs[1].tolist()
    chosen = [P[b][y] for b, y in enumerate(ys)]
    rows = [
        (b, bigram, p, math.log(p), -math.log(p))
        for b, (bigram, p) in enumerate(zip(m.bigrams, chosen, strict=True))
    ]
    loss = loss_by_hand(m.logits.tolist(), ys)
    return Stage(
        "The loss",
        ["loss = -(mean over b of log P[b, ys[b]]), in nats per symbol"],
        [
            *table(["b", "pair", "P[b, ys[b]]", "log P", "-log P"], rows),
            "",
            f"mean, the loss         {loss:.4f}",
            f"by the package         {cross_entropy(m.logits, m.pairs[1]):.4f}",
            f"knowing nothing, log V {math.log(m.V):.4f}",
        ],
        "only the probability of what really came next counts. 1 would cost nothing; the smaller"
        " it is, the more it costs. Random weights do about as well as equal probabilities.",
        (cross_entropy,),
    )


def the_gradient(m: Material) -> Stage:
    """Derive the slopes of the loss by hand."""
    xs, ys = (ids.tolist() for ids in m.pairs)
    d_logits, d_W = gradient_by_hand(m.weights.tolist(), xs, ys)
    largest = max(
        np.abs(np.array(d_logits) - cross_entropy_gradient(m.logits, m.pairs[1])).max(),
        np.abs(np.array(d_W) - weight_gradient(*m.pairs, m.weights)).max(),
    )
    P = softmax_by_hand(m.logits[0].tolist())[ys[0]]
    inputs = sorted(set(xs))
    names = [m.labels[i] for i in inputs]
    return Stage(
        "The gradient by hand",
        [
            f"d_logits = (P - Y) / B    Y = one_hot(ys), (B, V) = {shape(m.logits)}",
            f"d_W = X.T @ d_logits      (V, V) = {shape(m.weights)}",
        ],
        [
            "d_logits",
            *m.matrix(m.bigrams, np.array(d_logits)),
            "",
            "d_W" + (", whose other rows are 0: their symbols were not seen" * (len(inputs) < m.V)),
            *m.matrix(names, np.array(d_W)[inputs]),
            "",
            f"{m.bigrams[0]}: ({P:.4f} - 1) / {len(xs)} = {d_logits[0][ys[0]]:.4f}",
            f"largest difference from the package: {tiny(largest)}",
        ],
        "the gradient is what was predicted less what came, so every row sums to 0. It is negative"
        " where a pair came more often than predicted: descent will raise that weight. Equal"
        " inputs add up in one row of d_W.",
        (cross_entropy_gradient, weight_gradient),
        claims={"by hand and by the package are the same": bool(largest < 1e-12)},
    )


def the_differences(m: Material) -> Stage:
    """Measure the same slopes, each from two losses."""
    xs, ys = (ids.tolist() for ids in m.pairs)
    _, d_W = gradient_by_hand(m.weights.tolist(), xs, ys)
    seen = list(dict.fromkeys(zip(xs, ys, strict=True)))
    unseen = [(x, y) for x in m.columns for y in m.columns if (x, y) not in seen]
    rows = []
    for x, y in [*seen, *unseen[:2]]:
        slope = central_difference(m, x, y)
        weight = f"W[{m.labels[x]}, {m.labels[y]}]"
        rows.append((weight, d_W[x][y], slope, tiny(abs(d_W[x][y] - slope))))
    return Stage(
        "The gradient by differences",
        [
            "d_W[i, j] is nearly (loss(W + h E) - loss(W - h E)) / 2h",
            f"E is 1 at [i, j] and 0 elsewhere, h = {H:g}",
        ],
        table(["weight", "by hand", "differences", "apart"], rows),
        "two ways that share no formula agree. Checking so takes two losses for each weight; by"
        " hand all V x V slopes come from one pass.",
        (cross_entropy, one_hot),
        claims={"no slope differs by more than 1e-6": max(float(row[-1]) for row in rows) < 1e-6},
    )


def central_difference(m: Material, i: int, j: int) -> float:
    """Return the slope of the word's loss along W[i, j], from two losses of the literal form."""
    X = one_hot(m.pairs[0], m.V)
    losses = []
    for step in (H, -H):
        W = m.weights.copy()
        W[i, j] += step
        losses.append(cross_entropy(X @ W, m.pairs[1]))
    return (losses[0] - losses[1]) / (2 * H)
