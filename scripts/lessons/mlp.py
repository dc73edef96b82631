"""Lesson mlp: windows and embeddings, a learning rate found by trying, bad starts and their cures.

Pictures are drawn in ``mlp_pictures.py``. The network is that of Bengio et al. 2003.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from lessons import mlp_pictures
from lessons.mlp_starts import CONTEXT, dead_units, the_race, the_starts, train
from lessons.setting import Setting
from lessons.stage import Stage, apart, table, where_it_stands, wrapped
from lessons.windows import windows
from makemore import nn
from makemore.autodiff import cross_entropy, data
from makemore.errors import shown
from makemore.pictures.labels import symbol_label

TITLE = "A network on windows, and how to start it"
MINUTES = 1
OPTIONS = ("word",)


def the_windows(setting: Setting, words: list[str], known: float) -> Stage:
    """Cut words into windows."""
    labels = [symbol_label(symbol) for symbol in setting.vocabulary.itos]
    X, Y = windows([setting.followed], setting.vocabulary, CONTEXT)
    rows = [
        (" ".join(labels[i] for i in x), labels[y], str(x), y)
        for x, y in zip(X.tolist(), Y.tolist(), strict=True)
    ]
    return Stage(
        "Words cut into windows",
        [f"X: the last {CONTEXT} symbols (B, {CONTEXT})    Y: the symbol after them (B,)"],
        [
            *table(["window", "next", "X", "Y"], rows[:12]),
            "",
            f"{len(setting.words):,} words of {shown(setting.name)}, shuffled: 80 % to train on,",
            "10 % are for validation, 10 % for the test",
            f"windows to train on {sum(map(len, words)) + len(words):,}",
            f"validation words that also stand among the training words {known:.0%}",
        ],
        "a word of n characters makes n + 1 windows. The bigram saw the last column of X alone."
        " Lists with duplicates leak words from training into validation: keep that share in mind.",
    )


def the_embedding(setting: Setting, random: np.random.Generator) -> Stage:
    """Give each symbol a vector."""
    V = len(setting.vocabulary)
    X, _ = windows([setting.followed], setting.vocabulary, CONTEXT)
    embedding = nn.Embedding(V, 2, random, dtype=np.float64)
    picked, one_hot = data(embedding(X)), np.eye(V)[X]
    return Stage(
        "Symbols become vectors",
        [
            f"C: (V, 2) = ({V}, 2)    C[X]: (B, {CONTEXT}, 2)    side by side: (B, {2 * CONTEXT})",
            "h = tanh(x W1 + b1)    logits = h W2 + b2    loss = cross_entropy(logits, Y)",
        ],
        [f"C[X] of the second window, {X[1].tolist()}", *table(["", ""], picked[1].tolist())[1:]],
        "looking a row up is the product with a one-hot row, without the zeros. The rows are learnt"
        " like any weights; symbols that are used alike end near each other.",
        (nn.Embedding,),
        claims={"C[X] is one_hot(X) @ C": apart(picked, one_hot @ embedding.weight.data) < 1e-12},
    )


def small_network(V: int, random: np.random.Generator) -> nn.Sequential:
    """Return the taught network: 3 symbols of 10 numbers, 200 hidden units."""
    last = nn.Linear(200, V, random)
    last.weight.data *= 0.1  # all symbols are about equally likely at first
    inner = [nn.Linear(10 * CONTEXT, 200, random), nn.BatchNorm1d(200), nn.Tanh()]
    return nn.Sequential(nn.Embedding(V, 10, random), nn.Flatten(), *inner, last)


def the_rate(setting: Setting, X: Any, Y: Any) -> Stage:
    """Find the learning rate by trying them all in one run."""
    random, steps = setting.generator(1), max(60, setting.steps(1000))
    rates = (10 ** np.linspace(-3, 1.5, steps)).tolist()
    losses, _ = train(small_network(len(setting.vocabulary), random), X, Y, rates, random)
    smooth = [float(np.mean(part)) for part in np.array_split(losses, 30)]
    middles = [float(np.median(part)) for part in np.array_split(rates, 30)]
    best = middles[int(np.argmin(smooth))]
    rows = [(f"{middles[k]:.4f}", smooth[k]) for k in range(0, 30, 3)]
    return Stage(
        "A learning rate, by trying them all",
        [f"rate of step t: 10^(-3 + 4.5 t / {steps:,}), a little larger each step"],
        [*table(["rate", "loss"], rows), "", f"lowest near the rate {best:.2f}"],
        "too small a rate learns nothing in the time; too large a one throws away what was learnt."
        " Take one a little to the left of the lowest point, and let it fall at the end.",
        figure=mlp_pictures.draw_rates(rates, losses, middles, smooth, best),
        claims={"the largest rate is worse than the best": smooth[-1] > min(smooth)},
    )


def the_network(setting: Setting, parts: list[tuple[Any, Any]], known: float) -> Stage:
    """Train the taught network."""
    random, steps = setting.generator(6), setting.steps(24000)
    network = small_network(len(setting.vocabulary), random)
    rates = [nn.cosine(0.4, steps, 0.01)(step) for step in range(steps)]
    losses, _ = train(network, *parts[0], rates, random)
    network.evaluate()  # batch normalisation by its running averages
    found = [float(cross_entropy(data(network(X)), Y)) for X, Y in parts]
    rows = list(zip(("training", "validation", "test"), found, strict=True))
    return Stage(
        "The network, trained",
        [
            f"{network.parameter_count:,} parameters, {steps:,} steps of 128 windows,"
            " rate 0.4 to 0.01"
        ],
        [
            *table(["words", "loss"], rows),
            "",
            "published for names.txt (validation): 2.17; well started and normalised 2.10",
            "",
            *wrapped(", ".join(write_words(setting, network, random, 8)), "new words: "),
        ],
        "the bigram has 2.45 on the words it was fitted to; two more symbols and a hidden layer are"
        " worth 0.3 nats. Compare published numbers with care: they too come from a random 80 %"
        f" split, so {known:.0%} of the validation words were trained on. makemore holds out by"
        " distinct word, which is harder: its mlp with 8 symbols has 1.98 there. Both count"
        " each symbol once, the end too; scripts that pad to the longest word and average over"
        " padding would not be comparable.",
        (nn.BatchNorm1d, nn.cosine),
        mlp_pictures.draw_training(losses, found),
        {"it learns": found[1] < losses[0] - 0.3},
    )


def write_words(
    setting: Setting, network: nn.Sequential, random: np.random.Generator, count: int
) -> list[str]:
    """Draw words one symbol at a time."""
    words = []
    for _ in range(count):
        seen = [0] * CONTEXT
        while len(seen) < 20 + CONTEXT and (len(seen) == CONTEXT or seen[-1]):
            logits = data(network(np.array([seen[-CONTEXT:]])))[0]
            seen.append(int(np.argmax(logits + random.gumbel(size=len(logits)))))
        words.append(shown(setting.vocabulary.decode([s for s in seen if s])))
    return words


def stages(setting: Setting) -> Iterator[Stage]:
    """Yield the stages."""
    words = setting.split()
    known = float(np.mean([word in set(words[0]) for word in words[1]]))
    parts = [windows(part, setting.vocabulary, CONTEXT) for part in words]
    yield the_windows(setting, words[0], known)
    yield the_embedding(setting, setting.generator())
    yield the_rate(setting, *parts[0])
    for stage in (the_starts, dead_units, the_race):
        yield stage(setting, *parts[0])
    yield the_network(setting, parts, known)
    yield where_it_stands(
        {
            "makemore/models/mlp.py": "the same network on distinct windows",
            "makemore/nn/initialisation.py": "Xavier's and Kaiming's deviations",
            "makemore/nn/images.py": "BatchNorm1d",
        },
        [
            "Bengio et al. 2003, A neural probabilistic language model.",
            "Glorot and Bengio 2010; He et al. 2015 on first weights; Ioffe and Szegedy 2015.",
            "Smith 2017, Cyclical learning rates: the range test. Karpathy, makemore parts 2, 3.",
        ],
        "makemore train --model mlp computes each distinct window once, with AdamW and dropout.",
    )
