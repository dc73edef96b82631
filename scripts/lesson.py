"""A lesson: the bigram model in its literal form, one stage after another, with every number shown.

Most stages follow one word, so that the tables are small enough to check with a calculator; the
last ones take all words. What is done "by hand" is plain Python on lists. Each stage names the
functions of the package that do the same, and shows that they give the same. A picture of the
whole way is written to ``lesson.png``. Run it by ``scripts/lesson``.
"""

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from makemore.data.bigrams import Counts, bigram_pairs, count_pairs
from makemore.data.corpus import Corpus
from makemore.data.download import bundled_names, names_are_intact
from makemore.data.vocabulary import BOUNDARY, Ids, Vocabulary
from makemore.errors import CorpusError, MakemoreError, OptionError, shown
from makemore.models.base import Floats
from makemore.models.bigram import (
    Bigram,
    closed_form_minimum,
    collapsed_loss,
    collapsed_loss_and_gradient,
    cross_entropy,
    cross_entropy_gradient,
    one_hot,
    softmax,
    weight_gradient,
    weights_from_counts,
)
from makemore.plotting import save_figure, symbol_label
from makemore.sampling import DrawTable, sample
from makemore.training import gradient_descent, initial_weights

PICTURE = Path("lesson.png")
LEARNING_RATE = 50.0
STEPS = 10
LATER_STEPS = (200, 1_000)
H = 1e-5
"""How far a weight is moved for a central difference: its error is about H**2, and rounding's
about 1e-16 / H."""
MAX_CELLS = 1 << 25
"""The most cells of X for all words: 256 MiB. The literal form needs several such matrices."""
MAX_WORD = 12
"""The longest word to follow, in characters: its tables stay on the screen."""
SAMPLES = 8
WIDTH = 80
"""Columns of a terminal."""


# --- What the lesson is about --------------------------------------------------------------------


@dataclass(frozen=True)
class Material:
    """What all stages share. B is the number of pairs of the word, V that of the symbols.

    Attributes
    ----------
    name : str
        Of the corpus.
    words : list of str
        All of the corpus.
    word : str
        The one that most stages follow.
    seed : int
        Of the random weights and of the samples.
    """

    name: str
    words: list[str]
    word: str
    seed: int

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The symbols of all words."""
        return Vocabulary("".join(self.words))

    @property
    def V(self) -> int:
        """How many symbols there are."""
        return len(self.vocabulary)

    @cached_property
    def labels(self) -> list[str]:
        """The symbols as they are printed, by id; the boundary is a dot."""
        return [symbol_label(symbol) for symbol in self.vocabulary.itos]

    @cached_property
    def pairs(self) -> tuple[Ids, Ids]:
        """Inputs and targets of the word, shape (B,) each."""
        return bigram_pairs([self.word], self.vocabulary)

    @cached_property
    def bigrams(self) -> list[str]:
        """The pairs of the word as text, length B."""
        return [self.labels[x] + self.labels[y] for x, y in zip(*self.pairs, strict=True)]

    @cached_property
    def columns(self) -> list[int]:
        """The ids that occur in the word, boundary included: the columns worth printing."""
        return sorted({BOUNDARY, *self.pairs[0].tolist()})

    @cached_property
    def weights(self) -> Floats:
        """The random weights W that learning starts from, shape (V, V)."""
        return initial_weights(self.V, self.seed)

    @cached_property
    def logits(self) -> Floats:
        """X @ W for the pairs of the word, shape (B, V)."""
        return np.asarray(one_hot(self.pairs[0], self.V) @ self.weights)

    @cached_property
    def all_pairs(self) -> tuple[Ids, Ids]:
        """Inputs and targets of all words, shape (symbols,) each."""
        return bigram_pairs(self.words, self.vocabulary)

    @cached_property
    def counts(self) -> Counts:
        """N of all words, shape (V, V)."""
        return count_pairs(*self.all_pairs, self.V)

    @cached_property
    def descent(self) -> dict[int, Floats]:
        """The weights after 0 .. STEPS and after LATER_STEPS steps, by their number."""
        steps = gradient_descent(
            self.counts, self.weights, steps=max(LATER_STEPS), learning_rate=LEARNING_RATE
        )
        taken = {0: self.weights}
        taken |= {
            step.number + 1: step.weights
            for step in steps
            if step.number < STEPS or step.number + 1 in LATER_STEPS
        }
        return taken


def find_material(path: str | None, word: str | None, seed: int) -> Material:
    """Return the material: of a file, else of data/names.txt, else of the list in the package.

    Without a word it is the first that is short. Raises ``MakemoreError``.
    """
    if seed < 0:
        raise OptionError(f"--seed is {seed} and must be 0 or more")
    corpus = Corpus.from_paths(path or _names())
    words = list(corpus.words())
    if not words:
        raise CorpusError(f"{shown(corpus.name)} holds no word: expected one a line")
    if word is None:
        word = next((w for w in words if len(w) <= 7), min(words, key=len))
    if not 1 <= len(word) <= MAX_WORD:
        raise OptionError(f"the word to follow, '{shown(word)}', must have 1 to {MAX_WORD} letters")
    material = Material(corpus.name, words, word, seed)
    cells = (sum(map(len, words)) + len(words)) * material.V
    if cells > MAX_CELLS:
        raise CorpusError(
            f"{shown(corpus.name)} is too large for the literal form: X has {cells:,} cells and the"
            f" limit is {MAX_CELLS:,}; take fewer words"
        )
    material.vocabulary.encode(word)  # which refuses a character that no word has
    return material


def _names() -> Path:
    """Return the path of names.txt where it was downloaded to, or of the list in the package."""
    project = Path(__file__).parents[1]
    for folder in (Path(), project):
        if names_are_intact(folder / "data/names.txt"):
            return folder / "data/names.txt"
    return bundled_names()


# --- How a stage looks ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Stage:
    """One idea.

    Attributes
    ----------
    title : str
    formula : list of str
        What is computed, with shapes.
    body : list of str
        The numbers.
    notice : str
        What to see in them.
    functions : tuple of callables
        Of the package: what was used.
    """

    title: str
    formula: list[str]
    body: list[str]
    notice: str
    functions: tuple[Callable[..., Any], ...]

    def text(self, number: int) -> str:
        """Return the stage as it is printed."""
        names = [f"{function.__module__}.{function.__qualname__}" for function in self.functions]
        return "\n".join(
            [
                f"{number}. {self.title}".ljust(WIDTH, " ").rstrip(),
                "-" * WIDTH,
                *self.formula,
                "",
                *("    " + line for line in self.body),
                "",
                *_prefixed("Notice: ", self.notice),
                *_prefixed("Used:   ", ", ".join(names)),
            ]
        )


def _prefixed(prefix: str, text: str) -> list[str]:
    """Return the text in lines of ``WIDTH``, the first after the prefix, the others below it."""
    import textwrap

    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=prefix,
        subsequent_indent=" " * len(prefix),
        break_long_words=False,
        break_on_hyphens=False,
    )


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return lines of aligned columns; floats have four decimals, and integers commas."""
    cells = [list(heads), *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:z.4f}"  # z: no minus before a zero
    return f"{value:,}" if isinstance(value, int) else str(value)


def matrix(material: Material, corner: str, names: Sequence[str], rows: Floats) -> list[str]:
    """Return a matrix of V columns as lines, but only the columns that occur in the word."""
    columns = material.columns
    more = ["..."] if len(columns) < material.V else []
    heads = [corner, *(material.labels[j] for j in columns), *more]
    return table(heads, [
        [name, *(float(row[j]) for j in columns), *more]
        for name, row in zip(names, rows, strict=True)
    ])  # fmt: skip


# --- The stages ----------------------------------------------------------------------------------


def the_words(m: Material) -> Stage:
    return Stage(
        "The words",
        ["A corpus is text with one word a line."],
        [
            f"corpus     {shown(m.name)}",
            f"words      {len(m.words):,}, of which {len(set(m.words)):,} are different",
            f"first      {shown(', '.join(m.words[:5]))}",
            f"longest    {max(map(len, m.words))} characters",
            f"followed   {shown(m.word)}",
        ],
        "nothing but spelling is given. The model is to find out which character follows which.",
        (Corpus.words,),
    )


def the_symbols(m: Material) -> Stage:
    shown_ids = range(min(m.V, 48))
    body = []
    for start in shown_ids[::16]:
        ids = shown_ids[start : start + 16]
        body += table(["itos", *(m.labels[i].rjust(2) for i in ids)], [["id", *ids]])
        body.append("")
    if m.V > len(shown_ids):
        body.append(f"... and {m.V - len(shown_ids):,} more")
    return Stage(
        "Symbols and their numbers",
        ["stoi: symbol -> id    itos: id -> symbol", f"V = {m.V:,} symbols"],
        [*body, f"{shown(m.word)} -> {m.vocabulary.encode(m.word).tolist()}"],
        "id 0 is no character. It is the boundary that starts and ends every word, written here as"
        " a dot.",
        (Vocabulary, Vocabulary.encode),
    )


def the_pairs(m: Material) -> Stage:
    xs, ys = (ids.tolist() for ids in m.pairs)
    rows = [
        (b, m.labels[x], m.labels[y], x, y) for b, (x, y) in enumerate(zip(xs, ys, strict=True))
    ]
    return Stage(
        "The pairs of one word",
        [f"xs, ys: the id of a symbol and of the one after it, shape (B,) = ({len(xs)},) each"],
        table(["b", "first", "second", "xs[b]", "ys[b]"], rows),
        f"{len(m.word)} characters make {len(xs)} pairs, because the end is to be learnt, too. Each"
        " target is the next input.",
        (bigram_pairs,),
    )


def the_one_hot_rows(m: Material) -> Stage:
    columns = list(range(m.V)) if m.V <= 30 else m.columns
    X = one_hot(m.pairs[0], m.V)
    rows = [
        [label, *(str(int(cell)) for cell in row[columns])]
        for label, row in zip(_firsts(m), X, strict=True)
    ]
    heads = ["", *(m.labels[j] for j in columns)]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = [
        " ".join(text.rjust(width) for text, width in zip(row, widths, strict=True))
        for row in [heads, *rows]
    ]
    return Stage(
        "One-hot rows",
        [f"X[b, xs[b]] = 1 and all else 0    X: (B, V) = {_shape(X)}"],
        lines,
        "each row has a single 1, in the column of its symbol. Equal symbols make equal rows.",
        (one_hot,),
    )


def the_logits(m: Material) -> Stage:
    picked = bool((m.logits == m.weights[m.pairs[0]]).all())
    return Stage(
        "Logits",
        [
            f"logits = X @ W    W: (V, V) = {_shape(m.weights)}, random in [-1, 1)",
            f"                  logits: (B, V) = {_shape(m.logits)}",
        ],
        [*matrix(m, "", _firsts(m), m.logits), "", f"row b is row xs[b] of W: {picked}"],
        "a one-hot row times W picks a row of W. So a bigram model is a table: a row of V numbers"
        " for each symbol, and nothing before that symbol counts.",
        (initial_weights, one_hot),
    )


def the_probabilities(m: Material) -> Stage:
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
            f"largest difference from the package: {largest:.0e}",
        ],
        "exp makes every logit positive, the division makes the row sum to 1. A larger logit is a"
        " larger probability. The package subtracts the row's maximum first: P is the same, and no"
        " exp overflows.",
        (softmax,),
    )


def the_loss(m: Material) -> Stage:
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
    xs, ys = (ids.tolist() for ids in m.pairs)
    d_logits, d_W = gradient_by_hand(m.weights.tolist(), xs, ys)
    largest = max(
        np.abs(np.array(d_logits) - cross_entropy_gradient(m.logits, m.pairs[1])).max(),
        np.abs(np.array(d_W) - weight_gradient(*m.pairs, m.weights)).max(),
    )
    inputs = sorted(set(xs))
    names = [m.labels[i] for i in inputs]
    return Stage(
        "The gradient by hand",
        [
            f"d_logits = (P - Y) / B    Y = one_hot(ys), (B, V) = {_shape(m.logits)}",
            f"d_W = X.T @ d_logits      (V, V) = {_shape(m.weights)}",
        ],
        [
            "d_logits",
            *matrix(m, "", m.bigrams, np.array(d_logits)),
            "",
            "d_W (the other rows are 0: their symbols were not seen)",
            *matrix(m, "", names, np.array(d_W)[inputs]),
            "",
            f"largest difference from the package: {largest:.0e}",
        ],
        "the gradient is what was predicted less what came, so every row sums to 0. It is negative"
        " where a pair came more often than predicted: descent will raise that weight. Equal"
        " inputs add up in one row of d_W.",
        (cross_entropy_gradient, weight_gradient),
    )


def the_differences(m: Material) -> Stage:
    xs, ys = (ids.tolist() for ids in m.pairs)
    _, d_W = gradient_by_hand(m.weights.tolist(), xs, ys)
    seen = list(dict.fromkeys(zip(xs, ys, strict=True)))
    unseen = [(x, y) for x in m.columns for y in m.columns if (x, y) not in seen]
    rows = []
    for x, y in [*seen, *unseen[:2]]:
        slope = central_difference(m, x, y)
        weight = f"W[{m.labels[x]}, {m.labels[y]}]"
        rows.append((weight, d_W[x][y], slope, f"{abs(d_W[x][y] - slope):.0e}"))
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
    )


def all_words_at_once(m: Material) -> Stage:
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
            f"N[i, j] = how often j follows i    N: (V, V) = {_shape(N)}, n = N.sum()",
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
            f"largest difference of the gradients: {np.abs(d_W - d_collapsed).max():.0e}",
        ],
        f"X has {len(xs):,} rows but only {len(np.unique(xs)):,} different ones. Equal rows give"
        " equal results, so count them and work once for each. It is no approximation.",
        (count_pairs, collapsed_loss_and_gradient),
    )


def ten_steps(m: Material) -> Stage:
    losses = [collapsed_loss(m.descent[k], m.counts) for k in range(STEPS + 1)]
    rows = [(k, loss, losses[k] - losses[k - 1] if k else "") for k, loss in enumerate(losses)]
    return Stage(
        "Ten steps of descent",
        [f"W -= learning_rate * d_W    learning_rate = {LEARNING_RATE:g}"],
        table(["steps", "loss", "change"], rows),
        "the first steps gain most. The rate may be as large as this because each slope is"
        " already divided by n.",
        (gradient_descent, collapsed_loss),
    )


def the_minimum(m: Material) -> Stage:
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
            f"largest slope at the count table: {np.abs(d_W).max():.0e}",
        ],
        "the loss is convex in W, so descent can only come closer to this. No model that sees one"
        " character does better on these words; only one that sees more of them could.",
        (closed_form_minimum, weights_from_counts, gradient_descent),
    )


def one_draw(m: Material) -> Stage:
    P = softmax(weights_from_counts(m.counts, 0.0))
    rows, symbols = [], [BOUNDARY]
    package = DrawTable(P)
    raw = np.random.PCG64(m.seed).random_raw(MAX_WORD) >> np.uint64(11)
    for draw in raw:
        u, row = float(draw) * 2.0**-53, P[symbols[-1]].tolist()
        j = draw_by_hand(row, u)
        (expected,) = package.draw(np.array(symbols[-1:]), np.array([draw])).tolist()
        rows.append((m.labels[symbols[-1]], u, math.fsum(row[:j]), math.fsum(row[: j + 1]),
                     m.labels[j], row[j], str(j == expected)))  # fmt: skip
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


def the_samples(m: Material) -> Stage:
    stages = {
        "random W": m.descent[0],
        f"{STEPS} steps": m.descent[STEPS],
        f"{max(LATER_STEPS):,} steps": m.descent[max(LATER_STEPS)],
        "count table": weights_from_counts(m.counts, 0.0),
    }
    drawn = [
        [_short(word) for word in sample(Bigram(m.vocabulary, W, m.counts), SAMPLES, seed=m.seed)]
        for W in stages.values()
    ]
    lines = ["  ".join(f"{word:18}" for word in row).rstrip() for row in zip(*drawn, strict=True)]
    heads = "  ".join(f"{name:18}" for name in stages).rstrip()
    return Stage(
        "New words, before and after",
        [f"Drawn with the same seed, {m.seed}, from four W:"],
        [heads, *lines],
        "random weights know nothing, not even how long a word is. Ten steps learn the frequent"
        " pairs. The best that one character of memory can do is pronounceable at most: for more,"
        " a model must see more.",
        (sample, Bigram),
    )


STAGES = (
    the_words,
    the_symbols,
    the_pairs,
    the_one_hot_rows,
    the_logits,
    the_probabilities,
    the_loss,
    the_gradient,
    the_differences,
    all_words_at_once,
    the_collapse,
    ten_steps,
    the_minimum,
    one_draw,
    the_samples,
)


def _firsts(m: Material) -> list[str]:
    """Return the input of each pair of the word, as it is printed."""
    return [m.labels[x] for x in m.pairs[0].tolist()]


def _shape(array: Floats) -> str:
    return f"({', '.join(f'{size:,}' for size in array.shape)})"


def _short(word: str, most: int = 18) -> str:
    """Return a word, printable, cut where it is too long for its column."""
    word = shown(word)
    return word if len(word) <= most else word[: most - 3] + "..."


# --- By hand: plain Python, so that nothing is hidden --------------------------------------------


def softmax_by_hand(row: Sequence[float]) -> list[float]:
    """Return the probabilities of one row of logits, V numbers each."""
    exponentials = [math.exp(logit) for logit in row]
    total = sum(exponentials)
    return [exponential / total for exponential in exponentials]


def loss_by_hand(logits: Sequence[Sequence[float]], ys: Sequence[int]) -> float:
    """Return the mean of -log P[b, ys[b]] in nats per symbol, for logits of B rows."""
    costs = [-math.log(softmax_by_hand(row)[y]) for row, y in zip(logits, ys, strict=True)]
    return sum(costs) / len(costs)


def gradient_by_hand(
    W: Sequence[Sequence[float]], xs: Sequence[int], ys: Sequence[int]
) -> tuple[list[list[float]], list[list[float]]]:
    """Return d_logits, B rows of V, and d_W, V rows of V, of the loss on these pairs."""
    V, B = len(W), len(xs)
    d_W = [[0.0] * V for _ in range(V)]
    d_logits = []
    for x, y in zip(xs, ys, strict=True):
        P = softmax_by_hand(W[x])
        d_logits.append([(P[j] - (j == y)) / B for j in range(V)])
        d_W[x] = [sum(both) for both in zip(d_W[x], d_logits[-1], strict=True)]
    return d_logits, d_W


def central_difference(m: Material, i: int, j: int) -> float:
    """Return the slope of the word's loss along W[i, j], from two losses of the literal form."""
    X = one_hot(m.pairs[0], m.V)
    losses = []
    for step in (H, -H):
        W = m.weights.copy()
        W[i, j] += step
        losses.append(cross_entropy(X @ W, m.pairs[1]))
    return (losses[0] - losses[1]) / (2 * H)


def draw_by_hand(P: Sequence[float], u: float) -> int:
    """Return the first j at which the sum of P[0] .. P[j] is above u."""
    total = 0.0
    for j, probability in enumerate(P):
        total += probability
        if total > u:
            return j
    # Rounding left the whole sum below u: the last symbol that is possible.
    return max(j for j, probability in enumerate(P) if probability > 0)


# --- The picture ---------------------------------------------------------------------------------


def draw_lesson(m: Material) -> Any:
    """Return a figure: above the word's four matrices, below what learning makes of the table."""
    import matplotlib
    from matplotlib.figure import Figure

    P = softmax(m.logits)
    rows, firsts = m.bigrams, _firsts(m)
    counted = weights_from_counts(m.counts, 0.0)
    with matplotlib.rc_context({"text.parse_math": False}):
        figure = Figure(figsize=(20, 10), dpi=50, layout="constrained")
        panels = figure.subplots(2, 4, gridspec_kw={"height_ratios": [1, 1.6]})
        above, below = panels
        figure.suptitle(f"From the word {_short(m.word)} to a model of {m.name}", size=18)
        _draw_matrix(above[0], one_hot(m.pairs[0], m.V), firsts, m, "X, one-hot rows")
        _draw_matrix(above[1], m.logits, firsts, m, "logits = X @ W", diverging=True)
        _draw_matrix(above[2], P, rows, m, "P = softmax(logits), targets ringed", ringed=True)
        gradient = cross_entropy_gradient(m.logits, m.pairs[1])
        _draw_matrix(above[3], gradient, rows, m, "d_logits = (P - Y) / B", diverging=True)
        tables = {
            "random W": m.weights,
            f"after {STEPS} steps": m.descent[STEPS],
            "the minimum: the count table": counted,
        }
        for axes, (name, W) in zip(below, tables.items(), strict=False):
            loss = collapsed_loss(W, m.counts)
            _draw_matrix(axes, softmax(W), m.labels, m, f"softmax(W), {name}\nloss {loss:.4f}")
        _draw_descent(below[3], m)
    return figure


def _draw_matrix(
    axes: Any,
    values: Floats,
    rows: Sequence[str],
    m: Material,
    title: str,
    *,
    diverging: bool = False,
    ringed: bool = False,
) -> None:
    """Draw a matrix of V columns: blue is positive and, if ``diverging``, red is negative."""
    from matplotlib.colors import PowerNorm

    largest = float(np.abs(values).max())
    if diverging:
        axes.imshow(values, "RdBu", vmin=-largest, vmax=largest, aspect="auto")
    else:
        # By the square root, or all but the few largest would look alike.
        axes.imshow(values, "Blues", norm=PowerNorm(0.5, 0, largest), aspect="auto")
    if ringed:
        axes.plot(
            m.pairs[1], range(len(rows)), "o", markersize=16, mfc="none", mec="#c2410c", mew=2
        )
    axes.set_title(title, size=14)
    axes.tick_params(length=0, labelsize=11 if m.V <= 30 else 6)
    axes.set_xticks(range(m.V), m.labels)
    axes.set_yticks(range(len(rows)), rows)
    if len(rows) < m.V:
        axes.tick_params(axis="y", labelsize=13)


def _draw_descent(axes: Any, m: Material) -> None:
    losses = [collapsed_loss(m.descent[k], m.counts) for k in range(STEPS + 1)]
    axes.plot(losses, "o-", color="#1f6fb4")
    for height, name in (
        (math.log(m.V), f"log V = {math.log(m.V):.4f}"),
        (closed_form_minimum(m.counts), f"minimum {closed_form_minimum(m.counts):.4f}"),
    ):
        axes.axhline(height, color="#c2410c", linestyle="--", linewidth=1)
        axes.text(STEPS, height, name, color="#c2410c", size=12, ha="right", va="bottom")
    axes.set_title(f"{STEPS} steps of descent", size=14)
    axes.set_xlabel("steps", size=12)
    axes.set_ylabel("loss (nats per symbol)", size=12)
    axes.spines[["top", "right"]].set_visible(False)


# --- The command ---------------------------------------------------------------------------------


def lesson(m: Material) -> Iterator[str]:
    """Yield the text of each stage."""
    for number, stage in enumerate(STAGES, 1):
        yield stage(m).text(number) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the stages and write the picture. Raises ``MakemoreError``."""
    parser = argparse.ArgumentParser(
        prog="scripts/lesson", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "file", nargs="?", help="words, one a line; else names.txt or the list in the package"
    )
    parser.add_argument("--word", help="the word to follow; else the first that is short")
    parser.add_argument("--seed", type=int, default=0, help="of weights and samples (0)")
    parser.add_argument("--pause", action="store_true", help="wait for Enter after each stage")
    options = parser.parse_args(arguments)
    material = find_material(options.file, options.word, options.seed)
    for text in lesson(material):
        print(text)
        if options.pause:
            input("Enter ")
            print()
    save_figure(draw_lesson(material), PICTURE)
    print(f"The picture is {PICTURE.resolve()}")


if __name__ == "__main__":
    try:
        main()
        sys.stdout.flush()
    except MakemoreError as error:
        sys.exit(f"lesson: {error}")
    except (KeyboardInterrupt, EOFError):
        sys.exit(130)
    except BrokenPipeError:  # the reader has seen enough; Python would complain at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
