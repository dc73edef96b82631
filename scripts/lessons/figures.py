"""Figures of the lessons: matplotlib in makemore's own style, without pyplot."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
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


def draw_heatmaps(matrices: Mapping[str, Any], rows: Sequence[str], columns: Sequence[str]) -> Any:
    """Return a figure of matrices side by side, by title, whose rows and columns have these names.

    The darker, the further from 0. A matrix with negative numbers is blue above 0 and red below.
    The others share one scale, of square roots, because on a linear one most numbers look alike.
    """
    from matplotlib.colors import Normalize, PowerNorm

    positive = [values for values in matrices.values() if values.min() >= 0]
    shared = PowerNorm(0.5, 0, max((float(values.max()) for values in positive), default=1.0))
    height = 2.0 + 0.17 * min(len(rows), MAX_NAMES)
    with canvas(
        4.6 * len(matrices), height, columns=len(matrices), texts=[*rows, *columns]
    ) as drawn:
        for panel, (title, values) in zip(drawn.axes[0], matrices.items(), strict=True):
            if values.min() < 0:
                end = float(np.abs(values).max())
                panel.imshow(values, SIGNED, norm=Normalize(-end, end), aspect="auto")
            else:
                panel.imshow(values, POSITIVE, norm=shared, aspect="auto")
            panel.set_title(title)
            _name_ticks(panel.xaxis, [drawn.text(name) for name in columns])
            _name_ticks(panel.yaxis, [drawn.text(name) for name in rows])
            panel.spines[:].set_visible(False)
    return drawn.figure


def _name_ticks(axis: Any, names: Sequence[str]) -> None:
    """Write a name at each row or column, if there are not too many to be read."""
    axis.set_ticks(range(len(names)) if len(names) <= MAX_NAMES else [])
    axis.set_ticklabels(names if len(names) <= MAX_NAMES else [])
    axis.set_tick_params(length=0)
