"""The heatmap: a picture of the table of pairs.

The data are plain arrays, so the table of any model can be drawn.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from makemore.arrays import Floats, Table
from makemore.data.vocabulary import BOUNDARY
from makemore.pictures.labels import (
    QUANTITIES,
    columns,
    limits,
    select_symbols,
    symbol_label,
    table_part,
    unit_name,
)
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
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

MAX_SHOWN = 300
"""The maximum number of symbols in a picture: for more there would be no room for labels."""
MAX_NAMED_CELLS = 1_600
"""The maximum number of cells with text, which take matplotlib about two seconds."""
MIN_TYPE = 4.5
"""The smallest size of type in a cell, in points."""
MAX_BLOCK = 60
"""The height of the middle of a cell that its text fills, in points, where the cell is larger."""
SCREEN_DPI = 55
"""Dots per inch of a heatmap in a window, where fifteen inches should fit."""


def draw_heatmap(
    table: Table,
    symbols: Sequence[str],
    *,
    values: str = "probabilities",
    frequencies: Table | None = None,
    title: str = "",
    dark: bool = False,
) -> "Figure":
    """Return a picture of ``table`` with a row per first and a column per second symbol.

    Large values stand out. With up to 40 symbols each cell shows its bigram and its number. Of more
    than ``MAX_SHOWN`` symbols the most frequent are shown, and the picture says so.

    Parameters
    ----------
    table : array of shape (V, V)
        Probabilities, counts or weights; a weight may be as low as the logit of zero.
    symbols : sequence of str, length V
        As in ``Vocabulary.itos``: the first is empty and stands for the boundary.
    values : str
        A key of ``QUANTITIES``: what the table holds.
    frequencies : array of shape (V,), optional
        How often each symbol occurs. Without it the first symbols count as the most frequent.
    title : str
        Stands above the picture; may have several lines.
    dark : bool
        Whether to draw light on dark, for dark pages.
    """
    selection = select_symbols(len(symbols), frequencies, MAX_SHOWN)
    shown = table_part(table, selection.ids, values)
    labels = [symbol_label(symbols[i]) for i in selection.ids]
    heading = heading_lines(title, selection.note)
    theme = choose_theme(dark)
    with drawing(theme, [heading, *labels]) as substitutes:
        labels = [label.translate(substitutes) for label in labels]
        layout = _HeatmapLayout(labels, heading)
        figure, axes, scale_axes = layout.figure()
        image = draw_cells(axes, shown, values, theme)
        _draw_symbol_axes(axes, labels, unit_name(symbols), layout, theme)
        if len(labels) ** 2 <= MAX_NAMED_CELLS:
            _name_cells(axes, image, shown, labels, values, layout.cell)
        scale = figure.colorbar(image, cax=scale_axes)
        scale.set_label(QUANTITIES[values].label, fontsize=13, labelpad=8)
        scale.outline.set_visible(False)
        layout.write_heading(figure, heading.translate(substitutes))
        layout.write_caption(figure, values, dark, theme)
    return figure


class _HeatmapLayout:
    """The positions in a heatmap, in inches, and the sizes of its type, in points."""

    def __init__(self, labels: Sequence[str], heading: str) -> None:
        V = len(labels)
        widest = max(map(columns, labels))
        self.side = min(max(0.5 * V, 6.0), 14.0)
        self.cell = self.side * POINTS_PER_INCH / V
        # Many labels are written in two rows, so that they can be twice as large.
        self.staggered = self.cell < 8
        rows = 2 if self.staggered else 1
        self.label_size = min(14.0, 0.85 * self.cell * rows)
        self.label_room = EMS_PER_COLUMN * self.label_size * max(widest, 1.6)
        room = self.label_room * rows / POINTS_PER_INCH
        self.left = self.top_labels = 0.75 + room
        self.width = self.left + self.side + 1.3
        self.height = self.side + self.top_labels + 0.8 + 0.38 * (heading.count("\n") + 1)

    def figure(self) -> "tuple[Figure, Axes, Axes]":
        """Return an empty figure, the axes of its cells and the axes of its colour scale."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(self.width, self.height), dpi=SCREEN_DPI)
        axes = figure.add_axes(self._box(self.left, 0.6, self.side, self.side))
        length = min(self.side, 6.0)
        x, y = self.left + self.side + 0.3, 0.6 + self.side - length
        return figure, axes, figure.add_axes(self._box(x, y, 0.22, length))

    def _box(self, x: float, y: float, w: float, h: float) -> tuple[float, float, float, float]:
        return x / self.width, y / self.height, w / self.width, h / self.height

    def write_heading(self, figure: "Figure", heading: str) -> None:
        """Write ``heading`` above the cells, as large as fits."""
        size = type_size(heading, self.side * POINTS_PER_INCH, 20)
        y = 1 - 0.25 / self.height
        figure.text(self.left / self.width, y, heading, size=size, va="top", linespacing=1.3)

    def write_caption(self, figure: "Figure", values: str, dark: bool, theme: Theme) -> None:
        """Write below the cells how to read them."""
        caption = (
            "Row “.” is the start of a word, column “.” its end."
            f" {'Lighter' if dark else 'Darker'} means {QUANTITIES[values].more}."
        )
        size = type_size(caption, self.side * POINTS_PER_INCH, 13)
        y = 0.4 / self.height
        x = self.left / self.width
        figure.text(x, y, caption, size=size, va="top", color=theme.muted)


def turn_long_labels(axes: "Axes") -> None:
    """Turn the labels above the columns if they are wider than three characters."""
    for label in axes.get_xticklabels(which="both"):
        label.set_rotation(90 if columns(label.get_text()) > 3 else 0)


def draw_cells(axes: "Axes", table: Floats, values: str, theme: Theme) -> "AxesImage":
    """Draw ``table`` as coloured cells without labels."""
    from matplotlib.colors import PowerNorm

    low, high = limits(table, values)
    norm = PowerNorm(QUANTITIES[values].gamma, low, high)
    cells = np.maximum(table, low)  # -inf gets the colour of the smallest number
    return axes.imshow(cells, colour_map(theme), norm, interpolation="nearest", aspect="auto")


def _draw_symbol_axes(
    axes: "Axes", labels: Sequence[str], unit: str, layout: _HeatmapLayout, theme: Theme
) -> None:
    """Label rows and columns, and mark the row and the column of the boundary."""
    step = 2 if layout.staggered else 1
    near, far = np.arange(0, len(labels), step), np.arange(1, len(labels), step)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(near, [labels[i] for i in near.tolist()])
        if layout.staggered:
            axis.set_ticks(far, [labels[i] for i in far.tolist()], minor=True)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel(f"second {unit}", fontsize=13, labelpad=8)
    axes.set_ylabel(f"first {unit}", fontsize=13, labelpad=8)
    size, pad = layout.label_size, 4.0
    axes.tick_params(length=0, labelsize=size, pad=pad)
    axes.tick_params(
        which="minor", length=pad + layout.label_room, width=0.3, labelsize=size, pad=1
    )
    turn_long_labels(axes)
    axes.spines[:].set_visible(False)
    if layout.cell > 8:
        lines = np.arange(0.5, len(labels) - 1)
        axes.vlines(lines, -0.5, len(labels) - 0.5, color=theme.grid, linewidth=0.4)
        axes.hlines(lines, -0.5, len(labels) - 0.5, color=theme.grid, linewidth=0.4)
    axes.axvline(0.5, color=theme.accent, linewidth=1.4)
    axes.axhline(0.5, color=theme.accent, linewidth=1.4)
    for label in (axes.get_xticklabels()[BOUNDARY], axes.get_yticklabels()[BOUNDARY]):
        label.set(color=theme.accent, size=1.5 * layout.label_size)


def _name_cells(
    axes: "Axes",
    image: "AxesImage",
    table: Floats,
    labels: Sequence[str],
    values: str,
    cell: float,
) -> None:
    """Write in each cell its bigram and its number, dark on light cells and light on dark ones.

    Text smaller than ``MIN_TYPE`` is left out. ``cell`` is the side of a cell in points.
    """
    quantity, block = QUANTITIES[values], min(cell, MAX_BLOCK)
    low, _ = limits(table, values)
    luminances = _luminance(np.asarray(image.to_rgba(np.maximum(table, low))))
    # At 0.18 black and white text have the same contrast, (L + 0.05) / 0.05 = 1.05 / (L + 0.05).
    colours = np.where(luminances > 0.18, "#000000", "#ffffff")
    for i, j in np.ndindex(table.shape):
        bigram, number = labels[i] + labels[j], quantity.text(float(table[i, j]))
        for text, share, below in ((bigram, 0.36, -0.02), (number, 0.25, 0.34)):
            size, y = type_size(text, 0.92 * cell, share * block), i + below * block / cell
            if size >= MIN_TYPE:
                axes.text(j, y, text, size=size, ha="center", color=colours[i, j])


def colour_map(theme: Theme) -> "LinearSegmentedColormap":
    """Return the colours from the smallest value to the largest."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("makemore", theme.scale)


def _luminance(rgba: Floats) -> Floats:
    """Return the relative luminance of sRGB colours, (..., 4) -> (...,), as WCAG 2 defines it."""
    rgb = rgba[..., :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear @ np.array([0.2126, 0.7152, 0.0722]))
