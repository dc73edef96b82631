"""The style of pictures: colours, fonts, and matplotlib's settings.

Three things differ from matplotlib's defaults. Text is never read as mathematics, so ``$`` is an
ordinary character. A character that no font can draw is shown by its code point. The user's
own matplotlib settings are ignored, so the same data give the same bytes.

The modules of this room import matplotlib inside functions, so that no other command waits for it.
Figures are made without pyplot, which keeps no state and needs no display; only ``show`` in
``output.py`` opens a window.
"""

import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from makemore.errors import PlottingError
from makemore.pictures.fonts import choose_fonts
from makemore.pictures.labels import code_point, columns, printable

POINTS_PER_INCH = 72
"""Sizes of type are in points, sizes of figures in inches."""
EMS_PER_COLUMN = 0.7
"""The width of a terminal column in print, relative to the size of type; rarely more."""


class Theme(NamedTuple):
    """The colours of a picture; ``scale`` goes from the smallest value to the largest."""

    background: str
    text: str
    muted: str
    grid: str
    accent: str
    line: str
    scale: tuple[str, ...]


# Large values stand out: dark on a light page (ColorBrewer's Blues), light on a dark one.
LIGHT = Theme(
    background="#ffffff",
    text="#1a1f26",
    muted="#5c6773",
    grid="#d8dee5",
    accent="#c2410c",
    line="#1f6fb4",
    scale=("#ffffff", "#deebf7", "#c6dbef", "#9ecae1", "#6baed6", "#4292c6", "#2171b5", "#08306b"),
)
DARK = Theme(
    background="#11151b",
    text="#e6ebf1",
    muted="#97a3b0",
    grid="#333c47",
    accent="#ff9a56",
    line="#64b5f6",
    scale=("#11151b", "#142c47", "#184a7a", "#1f6fb4", "#4a9bd6", "#8cc4ea", "#c9e5f8", "#ffffff"),
)


def choose_theme(dark: bool) -> Theme:
    """Return the colours for a dark page or for a light one."""
    return DARK if dark else LIGHT


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep matplotlib from logging about caches, folders it cannot write to, and fonts.

    Nor does it warn of a letter with a mark where no one font has both: they are drawn as a box.
    """
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            yield
    finally:
        logger.setLevel(level)


def load_matplotlib() -> None:
    """Import matplotlib. Raises ``PlottingError`` when a wrong MPLBACKEND prevents it."""
    try:
        with _quiet():
            import matplotlib.font_manager  # noqa: F401  (which logs the most)
    except ValueError as error:
        raise PlottingError(
            f"matplotlib does not start: {error}; check the environment variable MPLBACKEND"
        ) from error


@contextmanager
def settings(changes: Any) -> Iterator[None]:
    """Set matplotlib to its defaults with these ``changes``, and restore its settings after.

    It says nothing meanwhile.
    """
    import matplotlib

    with _quiet(), matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(changes)
        yield


@contextmanager
def drawing(theme: Theme, texts: Iterable[str]) -> Iterator[dict[int, str]]:
    """Set matplotlib up to draw in ``theme``, and restore its settings afterwards.

    Yields a table for ``str.translate`` that replaces the characters of ``texts`` that no font can
    draw.
    """
    load_matplotlib()
    with _quiet():
        families, missing = choose_fonts(set("".join(texts)))
    with settings(
        {
            "font.family": families,
            "text.parse_math": False,
            "figure.facecolor": theme.background,
            "axes.facecolor": theme.background,
            "axes.edgecolor": theme.muted,
            "axes.labelcolor": theme.text,
            "text.color": theme.text,
            "xtick.color": theme.muted,
            "ytick.color": theme.muted,
            "xtick.labelcolor": theme.text,
            "ytick.labelcolor": theme.text,
            "grid.color": theme.grid,
        }
    ):
        yield {ord(character): code_point(character) for character in missing}


def heading_lines(title: str, note: str = "") -> str:
    """Return the lines of ``title``, made printable, with the note below them."""
    return "\n".join(filter(None, (*map(printable, title.split("\n")), note)))


def type_size(text: str, width: float, maximum: float) -> float:
    """Return the size of type at which ``text`` fits into ``width`` points, or the maximum."""
    return min(maximum, width / (EMS_PER_COLUMN * max(1, *map(columns, text.split("\n")))))
