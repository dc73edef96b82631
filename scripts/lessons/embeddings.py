"""Lesson embeddings: word2vec's skip-gram with negative sampling, on the symbols of words."""

from collections.abc import Iterator

import numpy as np

from lessons.embeddings_results import the_factors, the_map, the_neighbours
from lessons.embeddings_training import (
    BATCH,
    NEGATIVES,
    WINDOW,
    count_pairs,
    loss_of,
    noise_of,
    train,
)
from lessons.figures import LINE, canvas
from lessons.setting import MAX_WORD, Setting
from lessons.stage import Stage, table, tiny, where_it_stands
from makemore import nn
from makemore.arrays import Counts
from makemore.autodiff import Tensor, binary_cross_entropy_with_logits, gradients
from makemore.errors import CorpusError, shown
from makemore.pictures.labels import symbol_label

TITLE = "Embeddings: symbols by the company they keep"
MINUTES = 0.2
SIZE, STEPS = 8, 2_000
ENOUGH = 0.5
"""The share of the steps after which the embeddings are judged."""
MIN_SYMBOLS, MAX_SYMBOLS = 4, 2_000


def stages(setting: Setting) -> Iterator[Stage]:
    """Yield the stages."""
    V = len(setting.vocabulary)
    setting.split()  # refuses a list that is too short
    if not MIN_SYMBOLS <= V <= MAX_SYMBOLS:
        raise CorpusError(
            f"{shown(setting.name)} has {V:,} symbols, and this lesson takes {MIN_SYMBOLS} to"
            f" {MAX_SYMBOLS:,}: take another list"
        )
    labels = [symbol_label(symbol) for symbol in setting.vocabulary.itos]
    N, is_trained = count_pairs(setting), setting.effort >= ENOUGH
    yield the_pairs(setting, N, labels)
    yield one_pair(setting)
    yield the_noise(N, labels)
    U, W, losses = train(N, SIZE, setting.steps(STEPS), setting.generator(1))
    yield the_training(losses)
    full = train(N, V, setting.steps(STEPS), setting.generator(2))
    yield the_factors(N, {SIZE: (U, W), V: full[:2]}, labels, is_trained)
    yield the_neighbours(U.data, labels, is_trained)
    yield the_map(U.data, labels, is_trained)
    yield where_it_stands(
        {
            "makemore/nn/layers.py": "Embedding: the first layer of every network of makemore",
            "makemore/models/mlp.py": "learns such rows on the way, for the symbols that come next",
        },
        [
            "Mikolov et al. 2013, Distributed representations of words and phrases and their"
            " compositionality: with 15 negatives 61 % of their analogies are solved. Their symbols"
            " are 692 thousand words of a billion; 27 letters have no capital-country pairs to"
            " test, so ours are compared with a formula instead.",
            "Levy and Goldberg 2014, Neural word embedding as implicit matrix factorization.",
        ],
        "networks learn such rows by themselves, because the loss asks for them: symbols that are"
        " followed by the same ones need the same row.",
    )


def the_pairs(setting: Setting, N: Counts, labels: list[str]) -> Stage:
    """Show the pairs of one word."""
    ids = [0, *setting.vocabulary.encode(setting.followed[:MAX_WORD]).tolist(), 0]
    rows = []
    for place, centre in enumerate(ids):
        near = [j for j in range(place - WINDOW, place + WINDOW + 1) if j != place]
        contexts = [labels[ids[j]] for j in near if 0 <= j < len(ids)]
        rows.append((place, labels[centre], " ".join(contexts)))
    return Stage(
        "A symbol and its company",
        [
            f"pairs (centre, context) of a word, at most {WINDOW} apart",
            f"N: (V, V) = ({len(N)}, {len(N)})",
        ],
        [
            *table(["place", "centre", "contexts"], rows),
            "",
            f"pairs in all words: {int(N.sum()):,}",
        ],
        "nothing else will be used: not the order, not the word. Two symbols are alike if they have"
        " the same company.",
        claims={"N is symmetric": bool((N == N.T).all())},
    )


def one_pair(setting: Setting) -> Stage:
    """Work out the loss and gradient of one pair by hand."""
    u, w, *negatives = setting.generator().normal(0, 1, (2 + NEGATIVES, 3))
    s = [1 / (1 + np.exp(-u @ v)) for v in (w, *negatives)]
    by_hand = -np.log(s[0]) - np.sum(np.log1p(-np.array(s[1:])))
    d_u = (s[0] - 1) * w + np.sum([p * v for p, v in zip(s[1:], negatives, strict=True)], axis=0)
    centre = Tensor(u[None])
    loss = loss_of(centre, w[None], np.array(negatives)[None])
    slope = gradients(loss, [centre])[0][0]
    rows = [("context", float(u @ w), s[0], s[0] - 1)]
    rows += [
        (f"negative {i}", float(u @ v), p, p)
        for i, (v, p) in enumerate(zip(negatives, s[1:], strict=True), 1)
    ]
    difference = max(abs(by_hand - loss.item()), float(np.abs(d_u - slope).max()))
    return Stage(
        "The loss of one pair, by hand",
        [
            "loss = -log s(u . w) - (sum over k negatives r of log s(-u . r))    s = sigmoid",
            "d_u  = (s(u . w) - 1) w + (sum over negatives of s(u . r) r)",
        ],
        [
            *table(["", "u . v", "s", "times v in d_u"], rows),
            "",
            f"loss {by_hand:.4f}, away from the engine: {tiny(difference)}",
        ],
        "the question is not which of V symbols it is, which costs V products, but whether a pair"
        " is real: one that occurred is pulled together, and random ones are pushed apart.",
        (binary_cross_entropy_with_logits, gradients),
        claims={"loss and gradient are the engine's": difference < 1e-9},
    )


def the_noise(N: Counts, labels: list[str]) -> Stage:
    """Compare the frequencies with the distribution of the negatives."""
    counts, noise = N.sum(axis=1), noise_of(N)
    order = np.argsort(-counts, kind="stable")
    some = [*order[:4], *order[-4:]] if len(order) > 8 else order
    rows = [(labels[i], int(counts[i]), counts[i] / counts.sum(), float(noise[i])) for i in some]
    rise = noise[order[-1]] * counts.sum() / counts[order[-1]]
    return Stage(
        "The negatives: noise that is not too common",
        ["P_n(x) = count(x)^(3/4), normalised"],
        table(["symbol", "count", "share", "drawn as a negative"], rows),
        f"the power lifts the rarest symbol by a factor of {rise:.1f}. Drawn by their share,"
        " negatives would be the same few symbols again and again.",
        claims={"rare symbols are drawn more often than they occur": rise >= 1},
    )


def the_training(losses: list[float]) -> Stage:
    """Draw the loss."""
    first = (1 + NEGATIVES) * float(np.log(2))
    last = float(np.mean(losses[-100:]))
    with canvas(6, 2.8) as c:
        c.axes[0, 0].plot(losses, color=LINE, linewidth=0.7)
        c.axes[0, 0].set(xlabel="step", ylabel="loss, nats per pair")
    return Stage(
        "Training",
        [f"U, W: (V, {SIZE}) each; {BATCH:,} pairs a step, {NEGATIVES} negatives each; Adam"],
        table(
            ["", "loss"], [("first", losses[0]), (f"{1 + NEGATIVES} log 2", first), ("last", last)]
        ),
        "W begins with zeros, so every answer is 1/2 and costs log 2. The loss cannot reach zero:"
        " a negative is often a pair that occurs.",
        (nn.Adam, nn.cosine),
        c.figure,
        {
            "the first loss is that of not knowing": abs(losses[0] - first) < 1e-4,
            "the loss falls": last < first,
        },
    )
