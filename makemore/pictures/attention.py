"""A picture of attention: for each head, which symbols of a word each symbol attends to."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from makemore.arrays import Floats
from makemore.errors import PlottingError
from makemore.pictures.heatmap import colour_map, turn_long_labels
from makemore.pictures.labels import columns, symbol_label, unit_name
from makemore.pictures.style import (
    EMS_PER_COLUMN,
    POINTS_PER_INCH,
    Theme,
    choose_theme,
    drawing,
    heading_lines,
    type_size,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_POSITIONS = 40
"""The maximum number of positions that a small heatmap can label."""
MAX_BLOCKS, MAX_HEADS = 6, 8
"""The maximum numbers of rows and columns of small heatmaps."""


def draw_attention(
    weights: Floats, symbols: Sequence[str], *, title: str = "", dark: bool = False
) -> "Figure":
    """Return a picture of attention: a row of small heatmaps for each block, one for each head.

    A row is a symbol that attends, a column one that is attended to. More attention stands out.

    Parameters
    ----------
    weights : array of shape (blocks, heads, T, T)
        Each row sums to 1; no position attends to a later one.
    symbols : sequence of str, length T
        The symbols of the word; the first is empty and stands for the boundary.
    title : str
        Stands above the picture; may have several lines.
    dark : bool
        Whether to draw light on dark, for dark pages.

    Raises
    ------
    PlottingError
        There are more than ``MAX_POSITIONS`` positions.
    """
    blocks, heads, T, _ = weights.shape
    if T > MAX_POSITIONS:
        raise PlottingError(
            f"the word has {T - 1:,} {unit_name(symbols)}s and a picture of attention shows at most"
            f" {MAX_POSITIONS - 1}: choose a shorter one"
        )
    note = ""
    if blocks > MAX_BLOCKS or heads > MAX_HEADS:
        weights = weights[:MAX_BLOCKS, :MAX_HEADS]
        note = f"the first {len(weights)} of {blocks} blocks, {len(weights[0])} of {heads} heads"
    labels = [symbol_label(symbol) for symbol in symbols]
    heading, theme = heading_lines(title, note), choose_theme(dark)
    with drawing(theme, [heading, *labels]) as substitutes:
        labels = [label.translate(substitutes) for label in labels]
        return _draw(weights, labels, heading.translate(substitutes), theme, dark)


def _draw(
    weights: Floats, labels: Sequence[str], heading: str, theme: Theme, dark: bool
) -> "Figure":
    from matplotlib.figure import Figure

    blocks, heads, T, _ = weights.shape
    side = max(1.5, 0.17 * T)
    size = min(9.0, 0.85 * side * POINTS_PER_INCH / T)
    gap = 0.25 + EMS_PER_COLUMN * size * max(map(columns, labels)) / POINTS_PER_INCH
    left = gap + 0.1
    top, row, caption_room = 0.5 + 0.25 * heading.count("\n"), side + gap + 0.25, 0.55
    width = max(left + heads * (side + gap), 5.0)
    height = top + blocks * row + caption_room
    figure = Figure(figsize=(width, height), dpi=75)
    heading_size = type_size(heading, (width - left - gap) * POINTS_PER_INCH, 13)
    figure.text(left / width, 1 - 0.15 / height, heading, size=heading_size, va="top")
    for block, head in np.ndindex(blocks, heads):
        x, y = left + head * (side + gap), height - top - block * row - gap - side
        axes = figure.add_axes((x / width, y / height, side / width, side / height))
        _draw_head(axes, weights[block, head], labels, size, theme)
        axes.set_xlabel(f"block {block + 1}, head {head + 1}", size=8, color=theme.muted)
    caption = (
        "Each row attends to the columns; “.” is the start of the word.\n"
        f"{'Lighter' if dark else 'Darker'} means more attention, from 0 to 1."
    )
    size = type_size(caption, (width - left) * POINTS_PER_INCH, 9)
    figure.text(left / width, 0.15 / height, caption, size=size, color=theme.muted)
    return figure


def _draw_head(
    axes: "Axes", weights: Floats, labels: Sequence[str], size: float, theme: Theme
) -> None:
    """Draw the attention of one head, (T, T), with labels of a size in points."""
    later = ~np.tri(len(weights), dtype=np.bool_)
    shown = np.ma.masked_array(weights, later)
    axes.imshow(shown, colour_map(theme), vmin=0, vmax=1, interpolation="nearest")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(range(len(labels)), labels, size=size)
    axes.xaxis.tick_top()
    turn_long_labels(axes)
    axes.tick_params(length=0, pad=2)
    axes.spines[:].set_color(theme.grid)
