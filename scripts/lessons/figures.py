"""Figures of the lessons: matplotlib in makemore's own style, without pyplot."""

from collections.abc import Iterable, Iterator
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
