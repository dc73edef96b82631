"""Figures of the lessons: matplotlib in makemore's own style, without pyplot."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from makemore.pictures.heatmap import turn_long_labels
from makemore.pictures.output import SHARPNESS
from makemore.pictures.style import LIGHT, drawing

DPI = 75
LINE, ACCENT, MUTED, GRID = LIGHT.line, LIGHT.accent, LIGHT.muted, LIGHT.grid
GREEN, VIOLET = "#3a8a4d", "#7b4fb0"
COLOURS = (LINE, ACCENT, GREEN, VIOLET, MUTED)
"""The colours of several lines in a panel, in this order."""
POSITIVE, SIGNED = "Blues", "RdBu"
"""Colour maps of positive numbers, and of signed ones: red is negative, blue positive."""
MAX_NAMES = 60
"""The maximum number of rows or columns of a heatmap whose names are drawn."""


@dataclass(frozen=True)
class Canvas:
    """A figure and its panels.

    Attributes
    ----------
    figure : matplotlib Figure
    axes : array of matplotlib Axes, shape (rows, columns)
    missing : dict
        A table for ``str.translate`` that replaces characters that no font can draw.
    """

    figure: Any
    axes: Any
    missing: dict[int, str]

    def text(self, label: str) -> str:
        """Return the label as the fonts can draw it."""
        return label.translate(self.missing)


@contextmanager
def canvas(
    width: float,
    height: float,
    rows: int = 1,
    columns: int = 1,
    *,
    texts: Iterable[str] = (),
    **more: Any,
) -> Iterator[Canvas]:
    """Yield panels of a figure of this size in inches; ``more`` goes to ``Figure.subplots``.

    ``texts`` are the drawn texts with characters of the words, which may need other fonts.
    """
    with drawing(LIGHT, texts) as missing:
        from matplotlib.figure import Figure

        figure = Figure((width, height), dpi=DPI, layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, **more)
        for panel in axes.flat:
            panel.spines[["top", "right"]].set_visible(False)
        yield Canvas(figure, axes, missing)
        for panel in axes.flat:
            _write_powers_as_numbers(panel)
        # Laid out at the resolution of the file: at a lower one hinted letters are narrower.
        figure.set_dpi(SHARPNESS * DPI)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        figure.set_dpi(DPI)


def _write_powers_as_numbers(panel: Any) -> None:
    """Label logarithmic axes with plain numbers, because text is not read as mathematics."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    for axis in (panel.xaxis, panel.yaxis):
        if axis.get_scale() == "log":
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())


def plot_curves(axes: Any, curves: Mapping[str, tuple[Any, Any]], **labels: Any) -> None:
    """Plot curves, (x, y) by name, in different colours; ``labels`` go to ``Axes.set``."""
    for (name, (x, y)), colour in zip(curves.items(), COLOURS, strict=False):
        axes.plot(x, y, color=colour, label=name)
    axes.set(**labels)


def draw_heatmap(
    panel: Any,
    values: Any,
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    largest: float | None = None,
    is_signed: bool = False,
) -> None:
    """Draw a matrix whose rows and columns have names: the darker, the further from 0.

    The scale ends at ``largest``, by default the largest absolute value. Signed numbers are blue
    above 0 and red below. Others are on a scale of square roots, because on a linear one all but
    a few would look alike.
    """
    from matplotlib.colors import Normalize, PowerNorm

    end = float(np.abs(values).max()) if largest is None else largest
    norm = Normalize(-end, end) if is_signed else PowerNorm(0.5, 0, end)
    panel.imshow(values, SIGNED if is_signed else POSITIVE, norm=norm, aspect="auto")
    panel.set_title(title)
    for axis, names in ((panel.xaxis, columns), (panel.yaxis, rows)):
        axis.set_ticks(range(len(names)) if len(names) <= MAX_NAMES else [])
        axis.set_ticklabels(names if len(names) <= MAX_NAMES else [])
    turn_long_labels(panel)
    panel.tick_params(length=0, labelsize=9)
    panel.spines[:].set_visible(False)


def curves_figure(curves: Mapping[str, tuple[Any, Any]], **labels: Any) -> Any:
    """Return a figure of curves, (x, y) by name, with a legend; ``labels`` go to ``Axes.set``."""
    with canvas(7, 3.6) as drawn:
        plot_curves(drawn.axes[0, 0], curves, **labels)
        if len(curves) > 1:
            drawn.axes[0, 0].legend(frameon=False)
    return drawn.figure


def heatmaps_figure(
    matrices: Mapping[str, Any],
    rows: Sequence[str],
    columns: Sequence[str],
    across: int,
    largest: float | None = None,
    size: tuple[float, float] = (2.5, 2.7),
) -> Any:
    """Return a figure of matrices by title, ``across`` side by side, with the same names each.

    ``size`` is that of each in inches. A matrix with a negative number has a scale of its own.
    """
    down = -(-len(matrices) // across)
    (width, height), texts = size, [*rows, *columns]
    with canvas(width * across, height * down, down, across, texts=texts) as drawn:
        row_names, column_names = (
            [drawn.text(name) for name in names] for names in (rows, columns)
        )
        for panel, (title, matrix) in zip(drawn.axes.flat, matrices.items(), strict=False):
            is_signed = bool(np.min(matrix) < 0)
            end = None if is_signed else largest
            draw_heatmap(
                panel, matrix, title, row_names, column_names, largest=end, is_signed=is_signed
            )
    return drawn.figure


def map_figure(
    places: Any, names: Sequence[str], colours: Sequence[str], xlabel: str, ylabel: str
) -> Any:
    """Return a figure that writes names in colours at their places, (n, 2)."""
    with canvas(5.5, 4.5, texts=names) as drawn:
        panel = drawn.axes[0, 0]
        panel.scatter(*places.T, s=0)  # sets the limits, which texts do not
        for (x, y), name, colour in zip(places, names, colours, strict=True):
            panel.text(x, y, drawn.text(name), color=colour, size=13, ha="center", va="center")
        panel.set(xlabel=xlabel, ylabel=ylabel)
    return drawn.figure


def smoothed(values: Sequence[float], parts: int) -> list[float]:
    """Return the means of this many equal parts of the values, or the values if they are fewer.

    >>> smoothed([1, 3, 5, 4], 2)
    [2.0, 4.5]
    """
    return [float(np.mean(part)) for part in np.array_split(values, min(len(values), parts))]


def plot_histograms(axes: Any, samples: Sequence[Any], **settings: Any) -> None:
    """Plot which share of each sample lies in each of 61 bins, which are symmetric about 0.

    ``settings`` go to ``Axes.set``.
    """
    most = max(float(np.abs(sample).max()) for sample in samples) or 1.0
    edges = np.linspace(-most, most, 62)
    counts = [np.histogram(sample, edges)[0] for sample in samples]
    centres = (edges[1:] + edges[:-1]) / 2
    curves = {str(n): (centres, count / count.sum()) for n, count in enumerate(counts)}
    plot_curves(axes, curves, ylabel="share", **settings)
    axes.locator_params(axis="x", nbins=4)


def draw_images(
    panel: Any,
    images: Any,
    columns: int,
    title: str = "",
    *,
    colours: str = POSITIVE,
    least: float = 0,
    gap: int = 0,
) -> None:
    """Draw images (n, height, width) in rows of ``columns``, with numbers from ``least`` to 1.

    ``gap`` is the number of white pixels between two images.
    """
    panel.imshow(side_by_side(np.asarray(images), columns, gap), colours, vmin=least, vmax=1)
    panel.set_title(title, size=10)
    panel.set_axis_off()


def side_by_side(images: Any, columns: int, gap: int = 0) -> Any:
    """Return images (n, height, width) as one image, in rows of ``columns`` of them."""
    images = np.pad(images, ((0, 0), (0, gap), (0, gap)), constant_values=np.nan)
    rows = images.reshape(-1, columns, *images.shape[1:])
    return rows.transpose(0, 2, 1, 3).reshape(len(rows) * images.shape[1], -1)


def image_figure(images: Any, columns: int, title: str, width: float, height: float) -> Any:
    """Return a figure of this size in inches with images in rows of ``columns``."""
    with canvas(width, height) as c:
        draw_images(c.axes[0, 0], images, columns, title)
    return c.figure
