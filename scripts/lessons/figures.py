"""Figures of the lessons: matplotlib in makemore's own style, without pyplot."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from makemore.pictures.output import SHARPNESS
from makemore.pictures.style import LIGHT, drawing

DPI = 75
LINE, ACCENT, MUTED, GRID = LIGHT.line, LIGHT.accent, LIGHT.muted, LIGHT.grid
GREEN, VIOLET = "#3a8a4d", "#7b4fb0"
COLOURS = (LINE, ACCENT, GREEN, VIOLET, MUTED)
"""The colours of several lines in a panel, in this order."""
POSITIVE, SIGNED = "Blues", "RdBu"
"""Colour maps of positive numbers, and of signed ones: red is negative, blue positive."""


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


def smoothed(values: Sequence[float], parts: int) -> list[float]:
    """Return the means of this many equal parts of the values, or the values if they are fewer.

    >>> smoothed([1, 3, 5, 4], 2)
    [2.0, 4.5]
    """
    return [float(np.mean(part)) for part in np.array_split(values, min(len(values), parts))]


def plot_curves(axes: Any, x: Sequence[float], curves: Sequence[Any], **settings: Any) -> None:
    """Plot several curves over the same x in different colours; ``settings`` go to ``Axes.set``."""
    for curve, colour in zip(curves, COLOURS, strict=False):
        axes.plot(x, curve, color=colour)
    axes.set(**settings)


def plot_histograms(axes: Any, samples: Sequence[Any], **settings: Any) -> None:
    """Plot which share of each sample lies in each of 61 bins, which are symmetric about 0.

    ``settings`` go to ``Axes.set``.
    """
    most = max(float(np.abs(sample).max()) for sample in samples) or 1.0
    edges = np.linspace(-most, most, 62)
    counts = [np.histogram(sample, edges)[0] for sample in samples]
    shares = [count / count.sum() for count in counts]
    centres = (edges[1:] + edges[:-1]) / 2
    plot_curves(axes, centres.tolist(), shares, ylabel="share", **settings)
    axes.locator_params(axis="x", nbins=4)
