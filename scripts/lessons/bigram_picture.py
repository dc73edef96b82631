"""The picture of the lesson: the matrices of one word, and the table before and after learning."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lessons.bigram_material import STEPS, Material, shortened
from makemore.arrays import Floats
from makemore.models.bigram import (
    closed_form_minimum,
    collapsed_loss,
    cross_entropy_gradient,
    one_hot,
    weights_from_counts,
)
from makemore.models.softmax import softmax

LINE, ACCENT, GRID = "#1f6fb4", "#c2410c", "#d8dee5"


def draw_lesson(m: Material) -> Any:
    """Return a figure: above the word's matrices, below what learning makes of W."""
    import matplotlib
    from matplotlib.figure import Figure

    tables = {
        "softmax(W), random W": m.weights,
        f"softmax(W) after {STEPS} steps": m.descent[STEPS],
        "softmax(W) at the minimum": weights_from_counts(m.counts, 0.0),
    }
    largest = max(float(softmax(W).max()) for W in tables.values())  # the end of their common scale
    with matplotlib.rc_context({"text.parse_math": False}):
        figure = Figure(figsize=(20, 10.5), dpi=50, layout="constrained")
        above, below = figure.subplots(2, 4, gridspec_kw={"height_ratios": [1, 1.6]})
        title = f"From the word {shortened(m.word)} to a model of {shortened(m.name, 40)}"
        figure.suptitle(_drawable(title), size=20)
        _draw_word(above, m, largest)
        for axes, (name, W) in zip(below, tables.items(), strict=False):
            loss = collapsed_loss(W, m.counts)
            _draw_positive(axes, softmax(W), largest, f"{name}: loss {loss:.4f}")
            _name_axes(axes, m, m.labels)
        _draw_descent(below[3], m)
        figure.supxlabel(
            "A column is the symbol itself in X, elsewhere the symbol after it; the dot is the"
            " boundary. Darker means further from 0, red is below 0. All P share one scale.",
            size=13,
        )
    return figure


def _draw_word(panels: Sequence[Any], m: Material, largest: float) -> None:
    """Draw the matrices of the word, (B, V) each; ``largest`` is the end of the scale of P."""
    xs, ys = m.pairs
    _draw_positive(panels[0], one_hot(xs, m.V), 1.0, "X, one-hot rows")
    _draw_signed(panels[1], m.logits, "logits = X @ W")
    _draw_positive(panels[2], softmax(m.logits), largest, "P = softmax(logits), targets ringed")
    panels[2].plot(ys, range(len(ys)), "o", ms=16, mfc="none", mec=ACCENT, mew=2)
    _draw_signed(panels[3], cross_entropy_gradient(m.logits, ys), "d_logits = (P - Y) / B")
    for axes in panels:
        _name_axes(axes, m, m.bigrams)
        axes.hlines(np.arange(0.5, len(xs) - 1), -0.5, m.V - 0.5, color=GRID)
        axes.tick_params(axis="y", labelsize=13)


def _draw_positive(axes: Any, values: Floats, largest: float, title: str) -> None:
    """Draw a matrix with values of 0 to ``largest``."""
    from matplotlib.colors import PowerNorm

    # On a square-root scale, because on a linear one all but a few would look alike.
    axes.imshow(values, "Blues", norm=PowerNorm(0.5, 0, largest), aspect="auto")
    axes.set_title(title, size=14)


def _draw_signed(axes: Any, values: Floats, title: str) -> None:
    """Draw a matrix, blue above 0 and red below."""
    largest = float(np.abs(values).max())
    axes.imshow(values, "RdBu", vmin=-largest, vmax=largest, aspect="auto")
    axes.set_title(title, size=14)


def _name_axes(axes: Any, m: Material, rows: Sequence[str]) -> None:
    """Name the columns by symbols and the rows as given."""
    axes.set_xticks(range(m.V), map(_drawable, m.labels))
    axes.set_yticks(range(len(rows)), map(_drawable, rows))
    axes.tick_params(length=0, labelsize=11 if m.V <= 30 else 6)
    axes.spines[:].set_color(GRID)


def _drawable(text: str) -> str:
    """Return the text with question marks for characters that matplotlib's own font lacks."""
    from matplotlib.font_manager import findfont, get_font

    font = get_font(findfont("DejaVu Sans"))
    return "".join(c if font.get_char_index(ord(c)) else "?" for c in text)


def _draw_descent(axes: Any, m: Material) -> None:
    losses = [collapsed_loss(m.descent[k], m.counts) for k in range(STEPS + 1)]
    axes.plot(losses, "o-", color=LINE)
    marks = (
        ("log V =", math.log(m.V), "bottom", 2),
        ("minimum", closed_form_minimum(m.counts), "top", -5),
    )
    for name, height, side, points in marks:
        axes.axhline(height, color=ACCENT, linestyle="--", linewidth=1)
        axes.annotate(
            f"{name} {height:.4f}",
            (STEPS, height),
            xytext=(0, points),
            textcoords="offset points",
            color=ACCENT,
            size=12,
            ha="right",
            va=side,
        )
    axes.margins(y=0.1)
    axes.set_title(f"{STEPS} steps of descent", size=14)
    axes.set_xlabel("steps", size=12)
    axes.set_ylabel("loss (nats per symbol)", size=12)
    axes.spines[["top", "right"]].set_visible(False)
