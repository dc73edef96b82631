"""Lesson bigram: the smallest language model, with every number, from words to new words.

V is the number of symbols, B that of pairs, W (V, V) the weights; ``d_`` marks a gradient.
"""

from collections.abc import Iterator

import numpy as np

from lessons.figures import heatmaps_figure
from lessons.setting import MAX_WORD, Setting, refuse_size
from lessons.stage import Stage, apart, matrix, shape, submatrix, table, where_it_stands, wrapped
from makemore import Vocabulary, bigram_pairs, count_pairs
from makemore.arrays import Floats, Ids
from makemore.autodiff import Tensor, cross_entropy, gradients, softmax
from makemore.errors import shown

TITLE = "The smallest language model, with every number"
MINUTES = 0.1
OPTIONS = ("word", "learning_rate")


def the_pairs(setting: Setting, xs: Ids, ys: Ids) -> Stage:
    """Give each symbol a number, and cut a word into pairs."""
    words, word, labels = setting.words, setting.followed, setting.labels
    rows = [(labels[x], labels[y], x, y) for x, y in zip(xs.tolist(), ys.tolist(), strict=True)]
    return Stage(
        "Words, symbols and pairs",
        [f"xs, ys: the id of a symbol and of the one after it, shape (B,) = {shape(xs)} each"],
        [
            f"{len(words):,} words of {shown(setting.name)}, {len(set(words)):,} are distinct",
            *wrapped(" ".join(labels[:200]), f"V = {len(labels):,} symbols, ids 0, 1, ...: "),
            f"{shown(word)} -> {setting.vocabulary.encode(word).tolist()}",
            *table(["first", "second", "xs", "ys"], rows),
        ],
        "id 0 is no character. It is the boundary that starts and ends every word, written as a"
        " dot: the model must learn the end, too. Each target is the next input.",
        (Vocabulary.encode, bigram_pairs),
    )


def one_word(setting: Setting, xs: Ids, ys: Ids, W: Floats) -> Iterator[Stage]:
    """Compute the loss of a word and its gradient by hand, an equation a line."""
    X, Y = np.eye(len(W))[xs], np.eye(len(W))[ys]  # one-hot rows
    logits = X @ W
    E = np.exp(logits)
    P = E / E.sum(axis=1, keepdims=True)
    losses = -np.log(P[Y == 1])
    d_logits = (P - Y) / len(xs)
    d_W = X.T @ d_logits

    weights, labels = Tensor(W), setting.labels
    loss = cross_entropy(X @ weights, ys)
    pairs = [labels[x] + labels[y] for x, y in zip(xs, ys, strict=True)]
    numbers = np.stack([logits[Y == 1], E[Y == 1], E.sum(axis=1), P[Y == 1], losses], axis=1)
    yield Stage(
        "From one-hot rows to the loss",
        [
            f"X = one_hot(xs), Y = one_hot(ys): (B, V) = {shape(X)}",
            f"logits = X @ W: (B, V)    W: (V, V) = {shape(W)}, random in [-1, 1)",
            "P[b, j] = exp(logits[b, j]) / sum_k exp(logits[b, k])    below: j = ys[b]",
            "loss = -(mean over b of log P[b, ys[b]]), in nats per symbol",
        ],
        [
            *matrix(pairs, ["logit", "exp(logit)", "sum_k", "P", "-log P"], numbers),
            f"mean, the loss {losses.mean():.4f}; with equal P it is log V = {np.log(len(W)):.4f}",
        ],
        "a one-hot row picks a row of W: the model is a table, and nothing before the last symbol"
        " counts. Only the probability of what really came next is priced: 1 would cost nothing.",
        (cross_entropy,),
        claims={
            "X @ W is W[xs]": apart(logits, W[xs]) == 0,
            "the engine has the same loss": apart(losses.mean(), loss.data) < 1e-12,
        },
    )
    drawn = {"X": X, "logits = X @ W": logits, "P": P, "d_logits = (P - Y) / B": d_logits}
    yield Stage(
        "The gradient by hand",
        ["d_logits = (P - Y) / B: (B, V)    d_W = X.T @ d_logits: (V, V)"],
        [
            f"{pairs[0]}: ({P[0, ys[0]]:.4f} - 1) / {len(xs)} = {d_logits[0, ys[0]]:.4f}",
            "d_W between symbols of the word:",
            *submatrix(d_W, np.unique(xs), labels),
        ],
        "the gradient is what was predicted less what came, so every row sums to 0. It is negative"
        " where a pair came more often than predicted: descent will raise that weight.",
        (gradients,),
        heatmaps_figure(drawn, pairs, labels, across=4, largest=1, size=(4.6, 2.8)),
        {"the engine has the same gradient": apart(d_W, gradients(loss, [weights])[0]) < 1e-12},
    )


def the_counts(setting: Setting, xs: Ids, ys: Ids, W: Floats, N: Floats) -> Stage:
    """Count the pairs of all words, and work once for equal ones."""
    X, Y, weights = np.eye(len(W))[xs], np.eye(len(W))[ys], Tensor(W)
    loss = cross_entropy(X @ weights, ys)
    d_W = (N.sum(axis=1, keepdims=True) * softmax(W) - N) / N.sum()
    order = np.argsort(-N.sum(axis=1))
    return Stage(
        "All words, counted",
        [
            f"N[i, j] = how often j follows i    N = X.T @ Y: (V, V)    n = N.sum() = {len(xs):,}",
            "loss = -(N * log P).sum() / n      P = softmax(W): (V, V)",
            "d_W = (N.sum(axis=1, keepdims=True) * P - N) / n",
        ],
        ["N of the most frequent symbols:", *submatrix(N.astype(int), order, setting.labels)],
        f"X has {len(X):,} rows, but only {len(N):,} distinct ones. Equal rows give equal results:"
        " count them, and work once for each. This is exact.",
        (bigram_pairs, count_pairs, cross_entropy),
        claims={
            "X.T @ Y is N": apart(X.T @ Y, N) == 0,
            "the loss is the same": apart(loss.data, cross_entropy(W, N)) < 1e-9,
            "the gradient is the same": apart(d_W, gradients(loss, [weights])[0]) < 1e-12,
        },
    )


def the_minimum(setting: Setting, W: Floats, N: Floats, rate: float) -> Stage:
    """Go downhill, and compute where descent is heading."""
    labels, counted = setting.labels, N / N.sum(axis=1, keepdims=True)
    minimum = float(-(N[N > 0] * np.log(counted[N > 0])).sum() / N.sum())
    path = {}
    for step in range(1_001):
        if step <= 10 or step in (200, 1_000):
            path[step] = W
        W = W - rate * (N.sum(axis=1, keepdims=True) * softmax(W) - N) / N.sum()
    losses = {f"{step:,}": float(cross_entropy(W, N)) for step, W in path.items()}
    rows = [(steps, loss, f"{loss - minimum:.4f}") for steps, loss in losses.items()]
    ends = [("count table", minimum, ""), ("published for names.txt", "2.45", "")]
    ten, limit = list(losses.values())[:11], 4 * N.sum() / N.sum(axis=1).max()
    drawn = {"P before learning": softmax(path[0]), "P after ten steps": softmax(path[10])}
    drawn["count table"] = counted
    return Stage(
        "Descent, and the minimum",
        [
            f"W -= learning_rate * d_W    learning_rate = {rate:g}, safe up to {limit:.1f}",
            "d_W = 0 where P[i, j] = N[i, j] / N[i].sum(): the count table itself",
        ],
        table(["steps", "loss", "above the minimum"], [*rows, *ends]),
        "the loss is convex in W, so there is no other minimum. Descent never arrives: where a"
        " count is 0 the weight would have to be minus infinity. Up to the safe rate no step can"
        " raise the loss; beyond it one may: see what --learning-rate 1000 does.",
        (cross_entropy, softmax),
        heatmaps_figure(drawn, labels, labels, across=3, largest=1, size=(4.6, 5.4)),
        {"each of ten steps lowers the loss": ten == sorted(ten, reverse=True)},
    )


def write(P: Floats, random: np.random.Generator) -> Iterator[tuple[int, float, int]]:
    """Yield the steps of a new word: a symbol i, u in [0, 1), and the symbol j that u draws."""
    i, sums = 0, P.cumsum(axis=1)
    for _ in range(MAX_WORD):
        u = random.random() * sums[i, -1]  # rounded, the sum of a row may be a little below 1
        j = int((sums[i] > u).argmax())
        yield i, u, j
        if j == 0:
            return
        i = j


def the_words(setting: Setting, W: Floats, N: Floats) -> Stage:
    """Follow the draws of a word, and write words before and after learning."""
    P, labels, lines = N / N.sum(axis=1, keepdims=True), setting.labels, []
    rows = [
        (labels[i], u, P[i, :j].sum(), P[i, : j + 1].sum(), labels[j], P[i, j])
        for i, u, j in write(P, setting.generator(1))
    ]
    for name, source in (("random W", softmax(W)), ("count table", P)):
        random = setting.generator(2)
        words = [[j for _, _, j in write(source, random)] for _ in range(10)]
        text = ", ".join(setting.vocabulary.decode(word) for word in words)
        lines += wrapped(shown(text), f"{name}: ")
    return Stage(
        "New words",
        ["u is uniform in [0, 1). j is the first with P[i, 0] + ... + P[i, j] > u."],
        [*table(["i", "u", "from", "to", "j", "P[i, j]"], rows), "", *lines],
        "u falls into the part of [0, 1) that belongs to j, which is as long as P[i, j]. The table"
        " is the best that a memory of one symbol allows; still it writes words that nobody would.",
        (Vocabulary.decode,),
    )


def stages(setting: Setting) -> Iterator[Stage]:
    """Yield the stages."""
    refuse_size(setting)
    V = len(setting.labels)
    W = setting.generator().uniform(-1, 1, (V, V))
    xs, ys = bigram_pairs([setting.followed], setting.vocabulary)
    yield the_pairs(setting, xs, ys)
    yield from one_word(setting, xs, ys, W)
    xs, ys = bigram_pairs(setting.words, setting.vocabulary)
    N = count_pairs(xs, ys, V).astype(np.float64)
    yield the_counts(setting, xs, ys, W, N)
    yield the_minimum(setting, W, N, setting.learning_rate or 50.0)
    yield the_words(setting, W, N)
    yield where_it_stands(
        {"makemore/models/bigram.py": "the model", "makemore/training/descent.py": "descent"},
        ["Shannon 1948, A mathematical theory of communication. Karpathy, makemore part 1."],
        "makemore train descends; with --method counts it reads the minimum off the counts.",
    )
