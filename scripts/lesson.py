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
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from lesson_by_hand import draw_by_hand, gradient_by_hand, loss_by_hand, softmax_by_hand
from lesson_material import LATER_STEPS, MAX_WORD, STEPS, Material, find_material, shortened
from lesson_picture import draw_lesson

from makemore.arrays import Floats
from makemore.counting.bigrams import bigram_pairs, count_pairs
from makemore.data.corpus import Corpus
from makemore.data.vocabulary import BOUNDARY, Vocabulary
from makemore.errors import MakemoreError, shown
from makemore.generation.sampling import DrawTable, sample
from makemore.models.bigram import (
    Bigram,
    closed_form_minimum,
    collapsed_loss,
    collapsed_loss_and_gradient,
    cross_entropy,
    cross_entropy_gradient,
    one_hot,
    weight_gradient,
    weights_from_counts,
)
from makemore.models.softmax import softmax
from makemore.pictures.output import save_figure
from makemore.training.descent import gradient_descent, initial_weights, row_curvatures

PICTURE = Path("lesson.png")
H = 1e-5
"""How far a weight is moved for a central difference: its error is about H**2, and rounding's
about 1e-16 / H."""
SAMPLES = 8
WIDTH = 80
"""Columns of a terminal."""


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
        lines = [
            f"{number}. {self.title}",
            "-" * WIDTH,
            *self.formula,
            "",
            *("    " + line for line in self.body),
            "",
            *_prefixed("Notice: ", self.notice),
            *_prefixed("Used:   ", ", ".join(names)),
        ]
        return "\n".join(line.rstrip() for line in lines)


def _prefixed(prefix: str, text: str) -> list[str]:
    """Return the text in lines of ``WIDTH``, the first after the prefix, the others below it."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=prefix,
        subsequent_indent=" " * len(prefix),
        break_long_words=False,
        break_on_hyphens=False,
    )


def table(heads: Sequence[str], rows: Sequence[Sequence[object]], gap: str = "  ") -> list[str]:
    """Return lines of aligned columns; floats have four decimals, and integers commas."""
    cells = [list(heads), *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        gap.join(text.rjust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:z.4f}"  # z: no minus before a zero
    return f"{value:,}" if type(value) is int else str(value)


def matrix(m: Material, names: Sequence[str], rows: Floats) -> list[str]:
    """Return a matrix of V columns as lines, but only the columns that occur in the word."""
    columns = m.columns
    more = ["..."] if len(columns) < m.V else []
    cells = [[name, *row[columns].tolist(), *more] for name, row in zip(names, rows, strict=True)]
    return table(["", *(m.labels[j] for j in columns), *more], cells)


# --- The stages ----------------------------------------------------------------------------------


def the_words(m: Material) -> Stage:
    """Show where the words come from."""
    return Stage(
        "The words",
        ["A corpus is text with one word a line."],
        [
            f"corpus     {shown(m.name)}",
            f"words      {len(m.words):,}, of which {len(set(m.words)):,} are different",
            f"first      {shown(', '.join(m.words[:5]))}",
            f"longest    {max(map(len, m.words))} characters",
            f"followed   {shown(m.word)} (another by --word)",
        ],
        "nothing but spelling is given. The model is to find out which character follows which.",
        (Corpus.words,),
    )


def the_symbols(m: Material) -> Stage:
    """Give each character a number."""
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
    """Cut a word into pairs."""
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
    """Turn each input into a row of zeros and a one."""
    columns = list(range(m.V)) if m.V <= 30 else m.columns
    X = one_hot(m.pairs[0], m.V)
    rows = [
        [label, *row[columns].astype(int).tolist()]
        for label, row in zip(_firsts(m), X, strict=True)
    ]
    return Stage(
        "One-hot rows",
        [f"X[b, xs[b]] = 1 and all else 0    X: (B, V) = {_shape(X)}"],
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
            f"logits = X @ W    W: (V, V) = {_shape(m.weights)}, random in [-1, 1)",
            f"                  logits: (B, V) = {_shape(m.logits)}",
        ],
        [*matrix(m, _firsts(m), m.logits), "", f"row b is row xs[b] of W: {picked}"],
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
            f"largest difference from the package: {_tiny(largest)}",
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
            f"d_logits = (P - Y) / B    Y = one_hot(ys), (B, V) = {_shape(m.logits)}",
            f"d_W = X.T @ d_logits      (V, V) = {_shape(m.weights)}",
        ],
        [
            "d_logits",
            *matrix(m, m.bigrams, np.array(d_logits)),
            "",
            "d_W" + (", whose other rows are 0: their symbols were not seen" * (len(inputs) < m.V)),
            *matrix(m, names, np.array(d_W)[inputs]),
            "",
            f"{m.bigrams[0]}: ({P:.4f} - 1) / {len(xs)} = {d_logits[0][ys[0]]:.4f}",
            f"largest difference from the package: {_tiny(largest)}",
        ],
        "the gradient is what was predicted less what came, so every row sums to 0. It is negative"
        " where a pair came more often than predicted: descent will raise that weight. Equal"
        " inputs add up in one row of d_W.",
        (cross_entropy_gradient, weight_gradient),
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
        rows.append((weight, d_W[x][y], slope, _tiny(abs(d_W[x][y] - slope))))
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
            f"largest difference of the gradients: {_tiny(np.abs(d_W - d_collapsed).max())}",
        ],
        f"X has {len(xs):,} rows but only {len(np.unique(xs)):,} different ones. Equal rows give"
        " equal results, so count them and work once for each. It is no approximation.",
        (count_pairs, collapsed_loss_and_gradient),
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
            " slopes are small: each row of W has but a share of the pairs. Try --learning-rate"
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
            f"largest slope at the count table: {_tiny(np.abs(d_W).max())}",
        ],
        "the loss is convex in W: there is no other minimum to get stuck in. Descent comes near but"
        " never arrives, for where a count is 0 the weight would have to be minus infinity. No"
        " model that sees one symbol does better on these words; one that sees more of them can.",
        (closed_form_minimum, weights_from_counts, gradient_descent),
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


def the_samples(m: Material) -> Stage:
    """Let each W write words."""
    tables = {
        "random W": m.descent[0],
        f"{STEPS} steps": m.descent[STEPS],
        f"{max(LATER_STEPS):,} steps": m.descent[max(LATER_STEPS)],
        "count table": weights_from_counts(m.counts, 0.0),
    }
    drawn = [
        [
            shortened(word)
            for word in sample(Bigram(m.vocabulary, W, m.counts), SAMPLES, seed=m.seed)
        ]
        for W in tables.values()
    ]
    lines = ["  ".join(f"{word:18}" for word in row).rstrip() for row in zip(*drawn, strict=True)]
    heads = "  ".join(f"{name:18}" for name in tables).rstrip()
    return Stage(
        "New words, before and after",
        [f"Drawn with the same seed, {m.seed}, from four W:"],
        [heads, *lines],
        "random weights know nothing, not even how long a word is. The count table is the best"
        " that a memory of one symbol allows, and still it writes words that nobody would: for"
        " better ones a model must see more.",
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


def central_difference(m: Material, i: int, j: int) -> float:
    """Return the slope of the word's loss along W[i, j], from two losses of the literal form."""
    X = one_hot(m.pairs[0], m.V)
    losses = []
    for step in (H, -H):
        W = m.weights.copy()
        W[i, j] += step
        losses.append(cross_entropy(X @ W, m.pairs[1]))
    return (losses[0] - losses[1]) / (2 * H)


def _firsts(m: Material) -> list[str]:
    """Return the input of each pair of the word, as it is printed."""
    return [m.labels[x] for x in m.pairs[0].tolist()]


def _tiny(difference: float) -> str:
    """Return one digit of a difference that only rounding makes."""
    return f"{difference:.0e}" if difference else "0"


def _shape(array: Floats) -> str:
    return f"({', '.join(f'{size:,}' for size in array.shape)})"


# --- The command ---------------------------------------------------------------------------------


def lesson(m: Material) -> Iterator[str]:
    """Yield the text of each stage."""
    for number, stage in enumerate(STAGES, 1):
        yield stage(m).text(number) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the stages and write the picture. Raises ``MakemoreError``."""
    options = _parser().parse_args(arguments)
    material = find_material(options.file, options.word, options.seed, options.learning_rate)
    for text in lesson(material):
        print(text)
        if options.pause:
            input("Enter ")
            print()
    save_figure(draw_lesson(material), PICTURE)
    print(f"The picture is {shown(str(PICTURE.resolve()))}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/lesson",
        description="The bigram model in its literal form, stage by stage, with every number.",
    )
    parser.add_argument(
        "file",
        nargs="?",
        help="words, one a line; else data/names.txt, or the list in the package",
    )
    parser.add_argument("--word", help="the word to follow; else the first that is short")
    parser.add_argument("--seed", type=int, default=0, help="of random weights and samples (0)")
    parser.add_argument(
        "--learning-rate", type=float, default=50.0, help="of the descent (50)", metavar="RATE"
    )
    parser.add_argument("--pause", action="store_true", help="wait for Enter after each stage")
    return parser


if __name__ == "__main__":
    try:
        main()
        sys.stdout.flush()
    except MakemoreError as error:
        sys.exit(f"lesson: {error}")
    except (KeyboardInterrupt, EOFError):
        sys.exit(130)
    except OSError as error:
        # Python would try again at its end, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # in which case the reader has seen enough
            sys.exit(f"lesson: {error.strerror or error}")
