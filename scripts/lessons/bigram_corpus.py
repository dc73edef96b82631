"""The later stages of the lesson bigram: all words, from the collapse to counts to new words."""

import math
import time
from itertools import pairwise

import numpy as np

from lessons.bigram_by_hand import draw_by_hand
from lessons.bigram_material import LATER_STEPS, STEPS, Material
from lessons.setting import MAX_WORD
from lessons.stage import Stage, shape, table, tiny
from makemore import bigram_pairs, count_pairs
from makemore.data.vocabulary import BOUNDARY
from makemore.errors import shown
from makemore.generation.sampling import DrawTable
from makemore.models.bigram import (
    closed_form_minimum,
    collapsed_loss,
    collapsed_loss_and_gradient,
    cross_entropy,
    one_hot,
    weight_gradient,
    weights_from_counts,
)
from makemore.models.softmax import softmax
from makemore.training.descent import gradient_descent, row_curvatures


def all_words_at_once(m: Material) -> Stage:
    """Take the loss of all words in the literal form."""
    xs, ys = m.all_pairs
    B = len(xs)
    return Stage(
        "All words at once",
        [f"The same for the pairs of all words: X and logits: (B, V) = ({B:,}, {m.V:,})"],
        [
            f"pairs                  {B:,}",
            f"numbers in X           {B * m.V:,}, of which {B:,} are 1",
            f"loss                   {cross_entropy(one_hot(xs, m.V) @ m.weights, ys):.4f}",
            f"knowing nothing, log V {math.log(m.V):.4f}",
        ],
        "nothing is new but the size. This loss is what learning will lower.",
        (bigram_pairs, one_hot, cross_entropy),
    )


def the_collapse(m: Material) -> Stage:
    """Count equal rows and work once for each."""
    xs, ys = m.all_pairs
    started = time.perf_counter()
    X = one_hot(xs, m.V)
    loss, d_W = cross_entropy(X @ m.weights, ys), weight_gradient(xs, ys, m.weights)
    literal = time.perf_counter() - started
    N = m.counts.astype(np.float64)
    started = time.perf_counter()
    collapsed, d_collapsed = collapsed_loss_and_gradient(m.weights, N)
    quick = time.perf_counter() - started
    rows = [[m.labels[i], *(int(N[i, j]) for j in m.columns)] for i in m.columns]
    same = bool((X.T @ one_hot(ys, m.V) == N).all())
    return Stage(
        "The collapse to counts",
        [
            f"N[i, j] = how often j follows i    N: (V, V) = {shape(N)}, n = N.sum()",
            "P = softmax(W)",
            "loss = -(N * log P).sum() / n",
            "d_W = (N.sum(axis=1, keepdims=True) * P - N) / n",
        ],
        [
            "N, the rows and columns of the word",
            *table(["", *(m.labels[j] for j in m.columns)], rows),
            "",
            f"X.T @ Y == N: {same}",
            "",
            *table(
                ["", "rows of X", "loss", "milliseconds"],
                [
                    ["literal", len(xs), loss, f"{1e3 * literal:.2f}"],
                    ["from counts", m.V, collapsed, f"{1e3 * quick:.2f}"],
                ],
            ),
            "",
            f"largest difference of the gradients: {tiny(np.abs(d_W - d_collapsed).max())}",
        ],
        f"X has {len(xs):,} rows but only {len(np.unique(xs)):,} distinct ones. Equal rows give"
        " equal results, so count them and work once for each. This is exact.",
        (count_pairs, collapsed_loss_and_gradient),
        claims={"both ways give the same loss": abs(loss - collapsed) < 1e-9},
    )


def ten_steps(m: Material) -> Stage:
    """Go downhill."""
    losses = [collapsed_loss(m.descent[k], m.counts) for k in range(STEPS + 1)]
    changes = [after - before for before, after in pairwise(losses)]
    rows = list(zip(range(STEPS + 1), losses, ["", *changes], strict=True))
    safe = 1.0 / float(row_curvatures(m.counts).max())
    if max(changes) < 0:
        notice = (
            "every step lowers the loss, and by less and less. The rate can be large because the"
            " slopes are small: each row of W sees only its share of the pairs. Try --learning-rate"
            " 1000."
        )
    else:
        notice = (
            f"the loss has risen: the rate is too large for these words. Try --learning-rate"
            f" {safe:.1f}, one over the largest curvature: with it no step can raise the loss."
        )
    return Stage(
        "Ten steps of descent",
        [f"W -= learning_rate * d_W    learning_rate = {m.learning_rate:g}"],
        table(["steps", "loss", "change"], rows),
        notice,
        (gradient_descent, row_curvatures, collapsed_loss),
    )


def the_minimum(m: Material) -> Stage:
    """Compute where descent is heading."""
    minimum = closed_form_minimum(m.counts)
    W = weights_from_counts(m.counts, 0.0)
    _, d_W = collapsed_loss_and_gradient(W, m.counts.astype(np.float64))
    losses = {
        f"{k:,} steps": collapsed_loss(m.descent[k], m.counts) for k in (0, STEPS, *LATER_STEPS)
    }
    losses |= {"the count table": collapsed_loss(W, m.counts)}
    rows = [(name, loss, f"{abs(loss - minimum):.4f}") for name, loss in losses.items()]
    return Stage(
        "The minimum, without a step",
        [
            "d_W = 0 where P[i, j] = N[i, j] / N[i].sum(): the count table itself",
            f"minimum = -(N * log P).sum() / n = {minimum:.4f} nats per symbol",
        ],
        [
            *table(["W after", "loss", "above the minimum"], rows),
            "",
            f"largest slope at the count table: {tiny(np.abs(d_W).max())}",
        ],
        "the loss is convex in W: there is no other minimum to get stuck in. Descent comes near but"
        " never arrives, for where a count is 0 the weight would have to be minus infinity. No"
        " model that sees one symbol does better on these words; one that sees more of them can.",
        (closed_form_minimum, weights_from_counts, gradient_descent),
        claims={"no loss is below the minimum": min(losses.values()) > minimum - 1e-9},
    )


def one_draw(m: Material) -> Stage:
    """Go from probabilities to a word."""
    P = softmax(weights_from_counts(m.counts, 0.0))
    rows, symbols = [], [BOUNDARY]
    package = DrawTable(P)
    raw = np.random.PCG64(m.seed).random_raw(MAX_WORD) >> np.uint64(11)
    for draw in raw:
        u, row = float(draw) * 2.0**-53, P[symbols[-1]].tolist()
        j = draw_by_hand(row, u)
        (expected,) = package.draw(np.array(symbols[-1:]), np.array([draw])).tolist()
        part = math.fsum(row[:j]), math.fsum(row[: j + 1])
        rows.append((m.labels[symbols[-1]], u, *part, m.labels[j], row[j], j == expected))
        symbols.append(j)
        if j == BOUNDARY:
            break
    ending = "" if symbols[-1] == BOUNDARY else " ..."
    return Stage(
        "Drawing one new word",
        [
            "Draw u uniformly from [0, 1). Take the first j with P[i, 0] + ... + P[i, j] > u.",
            "Then i = j, until the boundary comes.",
        ],
        [
            *table(["i", "u", "from", "to", "j", "P[i, j]", "package agrees"], rows),
            "",
            f"the word: {shown(m.vocabulary.decode(symbols))}{ending}",
        ],
        "each symbol has a part of [0, 1) as long as its probability, and u falls into one of"
        " them. The probabilities of the steps multiply to that of the word.",
        (DrawTable.draw,),
    )
