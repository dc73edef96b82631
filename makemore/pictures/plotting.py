"""Pictures: the table of a model, the course of its training, and both in motion.

Data come in as plain arrays, so every model that has a table of pairs can be drawn. What of them is
shown, and how it is labelled, is the work of ``labels.py``. This is the only file that imports
matplotlib, and it does so inside functions: no other command waits for it. Figures are made without
pyplot, which keeps no state and needs no display; only ``show`` opens a window.

Three things differ from matplotlib's ways. Text is never read as mathematics, so ``$`` is a
character like any other. A character that no font can draw is shown by its code point, not as an
empty box. The user's own matplotlib settings are left out and files carry no date, so the same
table gives the same bytes.
"""

import io
import logging
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from makemore.arrays import Floats, Ids, Table
from makemore.data.vocabulary import BOUNDARY
from makemore.errors import PlottingError, shown, unwritable
from makemore.files import replace_atomically
from makemore.pictures.labels import (
    QUANTITIES,
    code_point,
    columns,
    limits,
    log_spaced_steps,
    printable,
    select_symbols,
    symbol_label,
    table_part,
)

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from PIL import Image

Pixels = npt.NDArray[np.uint8]

PICTURE_ENDINGS = (".png", ".svg", ".pdf")
ANIMATION_ENDINGS = (".gif", ".mp4")

MAX_SHOWN = 300
"""The most symbols in one picture: with more, print can no longer show a label for each."""
MAX_ANIMATED = 100
MAX_NAMED_CELLS = 1_600
"""The most cells that are named one by one: these take matplotlib about two seconds."""
MIN_TYPE = 4.5
"""The smallest type that a cell is named in, in points."""
MAX_CURVE_POINTS = 2_000

FRAMES_PER_SECOND = 10
LAST_FRAME_SECONDS = 3
MAX_FILM_COLUMNS = 28
MAX_FILM_WORDS = 7

SCREEN_DPI = 55
"""Dots per inch of a heatmap in a window, where fifteen inches should fit."""
SHARPNESS = 2
"""How many times more dots per inch a file has than a window."""
POINTS = 72
"""Points per inch: sizes of type are in points, sizes of figures in inches."""
EMS_PER_COLUMN = 0.7
"""How many times the size of type print takes for one column of a terminal; seldom more."""


# --- Ink and type --------------------------------------------------------------------------------


class _Theme(NamedTuple):
    """The colours of a picture. The first of ``scale`` is least, the last is most."""

    background: str
    text: str
    muted: str
    grid: str
    accent: str
    line: str
    scale: tuple[str, ...]


# More stands out from the page: darker on a light one (ColorBrewer's Blues), lighter on a dark one.
_LIGHT = _Theme(
    background="#ffffff",
    text="#1a1f26",
    muted="#5c6773",
    grid="#d8dee5",
    accent="#c2410c",
    line="#1f6fb4",
    scale=("#ffffff", "#deebf7", "#c6dbef", "#9ecae1", "#6baed6", "#4292c6", "#2171b5", "#08306b"),
)
_DARK = _Theme(
    background="#11151b",
    text="#e6ebf1",
    muted="#97a3b0",
    grid="#333c47",
    accent="#ff9a56",
    line="#64b5f6",
    scale=("#11151b", "#142c47", "#184a7a", "#1f6fb4", "#4a9bd6", "#8cc4ea", "#c9e5f8", "#ffffff"),
)


def _theme(dark: bool) -> _Theme:
    return _DARK if dark else _LIGHT


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep matplotlib from logging about caches, folders it cannot write to, and fonts."""
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _load_matplotlib() -> None:
    """Import matplotlib. Raises ``PlottingError`` where a wrong MPLBACKEND keeps it from that."""
    try:
        with _quiet():
            import matplotlib.font_manager  # noqa: F401  (it is here that most is logged)
    except ValueError as error:
        raise PlottingError(
            f"matplotlib does not start: {error}; check the environment variable MPLBACKEND"
        ) from error


@contextmanager
def _settings(settings: Any) -> Iterator[None]:
    """Set matplotlib to its defaults and the dict ``settings``, and put all back afterwards."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(settings)
        yield


@contextmanager
def _drawing(theme: _Theme, texts: Iterable[str]) -> Iterator[dict[int, str]]:
    """Set matplotlib up to draw in ``theme``, and put everything back afterwards.

    Yields a translation for ``str.translate`` that replaces what no font can draw of ``texts``.
    """
    _load_matplotlib()
    with _quiet():
        families, missing = _fonts(set("".join(texts)))
    with _settings(
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


def _fonts(characters: set[str]) -> tuple[list[str], set[str]]:
    """Return the font families that draw ``characters``, and those characters that none has.

    DejaVu Sans comes with matplotlib and is enough for most alphabets. Only for what it lacks are
    the installed fonts searched.
    """
    from matplotlib.font_manager import findfont

    families = ["DejaVu Sans"]
    missing = characters - {"\n"} - _drawn_by(findfont(families[0]), characters)
    found = _installed_fonts_with(missing) if missing else {}
    while found:
        # The fewest fonts look best together: the one that has most comes first.
        best = max(sorted(found), key=lambda family: len(found[family]))
        families.append(best)
        missing -= found[best]
        found = {family: has & missing for family, has in found.items() if has & missing}
    return families, missing


def _installed_fonts_with(characters: set[str]) -> dict[str, set[str]]:
    """Return the installed font families that have some of ``characters``, and which."""
    from matplotlib.font_manager import fontManager

    plain = {
        entry.name: entry.fname
        for entry in fontManager.ttflist
        if (entry.style, entry.weight, entry.stretch) == ("normal", 400, "normal")
        # This font has a glyph for everything: a box.
        and not entry.name.startswith("Last Resort")
    }
    found = {family: _drawn_by(path, characters) for family, path in plain.items()}
    return {family: has for family, has in found.items() if has}


def _drawn_by(font_path: str, characters: set[str]) -> set[str]:
    """Return those of ``characters`` for which the font has a glyph."""
    from matplotlib.font_manager import get_font

    font = get_font(font_path)
    return {character for character in characters if font.get_char_index(ord(character))}


def _heading(title: str, note: str = "") -> str:
    """Return the lines of ``title``, printable, and below them the note."""
    return "\n".join(filter(None, (*map(printable, title.split("\n")), note)))


def _type_size(text: str, width: float, most: float) -> float:
    """Return the size of type at which ``text`` fits into ``width`` points, at most ``most``."""
    return min(most, width / (EMS_PER_COLUMN * max(1, *map(columns, text.split("\n")))))


def _colour_map(theme: _Theme) -> "LinearSegmentedColormap":
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("makemore", theme.scale)


def _luminance(rgba: Floats) -> Floats:
    """Return the relative luminance of sRGB colours, (..., 4) -> (...,), as WCAG 2 defines it."""
    rgb = rgba[..., :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear @ np.array([0.2126, 0.7152, 0.0722]))


# --- The heatmap ---------------------------------------------------------------------------------


def draw_heatmap(
    table: Table,
    symbols: Sequence[str],
    *,
    values: str = "probabilities",
    frequencies: Table | None = None,
    title: str = "",
    dark: bool = False,
) -> "Figure":
    """Return a picture of ``table``: a row per first symbol, a column per second, more stands out.

    Up to 40 symbols every cell is named by its bigram and its number. Of more than ``MAX_SHOWN``
    symbols the most frequent are shown, and the picture says so.

    Parameters
    ----------
    table : array of shape (V, V)
        Probabilities, counts or weights; a weight may be as low as the logit of zero.
    symbols : sequence of str, length V
        As in ``Vocabulary.itos``: the first is empty and stands for the boundary.
    values : str
        Which of ``QUANTITIES`` the table holds.
    frequencies : array of shape (V,), optional
        How often each symbol occurs. Without it the first symbols count as the most frequent.
    title : str
        Written above the picture; may have several lines.
    dark : bool
        Light on dark, for dark pages.
    """
    selection = select_symbols(len(symbols), frequencies, MAX_SHOWN)
    shown = table_part(table, selection.ids, values)
    labels = [symbol_label(symbols[i]) for i in selection.ids]
    heading = _heading(title, selection.note)
    theme = _theme(dark)
    with _drawing(theme, [heading, *labels]) as unnamed:
        labels = [label.translate(unnamed) for label in labels]
        layout = _HeatmapLayout(labels, heading)
        figure, axes, scale_axes = layout.figure()
        image = _draw_cells(axes, shown, values, theme)
        _draw_symbol_axes(axes, labels, layout, theme)
        if len(labels) ** 2 <= MAX_NAMED_CELLS:
            _name_cells(axes, image, shown, labels, values, layout.cell)
        scale = figure.colorbar(image, cax=scale_axes)
        scale.set_label(QUANTITIES[values].label, fontsize=13, labelpad=8)
        scale.outline.set_visible(False)
        layout.write_heading(figure, heading.translate(unnamed))
        layout.write_caption(figure, dark, theme)
    return figure


class _HeatmapLayout:
    """Where things stand in a heatmap, in inches, and how large its type is, in points."""

    def __init__(self, labels: Sequence[str], heading: str) -> None:
        V = len(labels)
        widest = max(map(columns, labels))
        self.side = min(max(0.5 * V, 6.0), 14.0)
        self.cell = self.side * POINTS / V
        # Many labels stand in two rows, which lets them be twice as large.
        self.staggered = self.cell < 8
        rows = 2 if self.staggered else 1
        self.label_size = min(14.0, 0.85 * self.cell * rows)
        self.label_room = EMS_PER_COLUMN * self.label_size * max(widest, 1.6)
        room = self.label_room * rows / POINTS
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
        size = _type_size(heading, self.side * POINTS, 20)
        y = 1 - 0.25 / self.height
        figure.text(self.left / self.width, y, heading, size=size, va="top", linespacing=1.3)

    def write_caption(self, figure: "Figure", dark: bool, theme: _Theme) -> None:
        """Say below the cells how they are read."""
        caption = (
            "Row “.” is the start of a word, column “.” its end."
            f" {'Lighter' if dark else 'Darker'} is more."
        )
        size = _type_size(caption, self.side * POINTS, 13)
        y = 0.4 / self.height
        x = self.left / self.width
        figure.text(x, y, caption, size=size, va="top", color=theme.muted)


def _turn_long_labels(axes: "Axes") -> None:
    for label in axes.get_xticklabels(which="both"):
        label.set_rotation(90 if columns(label.get_text()) > 3 else 0)


def _draw_cells(axes: "Axes", table: Floats, values: str, theme: _Theme) -> "AxesImage":
    from matplotlib.colors import PowerNorm

    low, high = limits(table, values)
    norm = PowerNorm(QUANTITIES[values].gamma, low, high)
    cells = np.maximum(table, low)  # impossible is drawn as least
    return axes.imshow(cells, _colour_map(theme), norm, interpolation="nearest", aspect="auto")


def _draw_symbol_axes(
    axes: "Axes", labels: Sequence[str], layout: _HeatmapLayout, theme: _Theme
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
    axes.set_xlabel("second character", fontsize=13, labelpad=8)
    axes.set_ylabel("first character", fontsize=13, labelpad=8)
    size, pad = layout.label_size, 4.0
    axes.tick_params(length=0, labelsize=size, pad=pad)
    axes.tick_params(
        which="minor", length=pad + layout.label_room, width=0.3, labelsize=size, pad=1
    )
    _turn_long_labels(axes)
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

    What would be smaller than ``MIN_TYPE`` is left out. ``cell`` is the side of a cell in points.
    """
    quantity = QUANTITIES[values]
    low, _ = limits(table, values)
    luminance = _luminance(np.asarray(image.to_rgba(np.maximum(table, low))))
    # At 0.18 black and white text have the same contrast, (L + 0.05) / 0.05 = 1.05 / (L + 0.05).
    colours = np.where(luminance > 0.18, "#000000", "#ffffff")
    for i, j in np.ndindex(table.shape):
        bigram, number = labels[i] + labels[j], quantity.text(float(table[i, j]))
        for text, share, y in ((bigram, 0.36, i - 0.02), (number, 0.25, i + 0.34)):
            size = _type_size(text, 0.92 * cell, min(20.0, share * cell))
            if size >= MIN_TYPE:
                axes.text(j, y, text, size=size, ha="center", color=colours[i, j])


# --- The loss ------------------------------------------------------------------------------------


def draw_loss(
    history: Floats, minimum: float | None, *, title: str = "", dark: bool = False
) -> "Figure":
    """Return a picture of the training: the loss by step, and below it its distance from the best.

    Both have a logarithmic axis of steps, for most happens in the first. The distance has a
    logarithmic scale too, where steady progress is a straight line and a stop is a flat one.

    Parameters
    ----------
    history : array of shape (steps,), nats per symbol
        The training objective before each step.
    minimum : float or None
        The closed-form minimum, where there is one; without it there is no second panel.

    Raises
    ------
    PlottingError
        The history is empty: nothing was trained step by step.
    """
    if not len(history):
        raise PlottingError(
            "there is no loss curve: the model was not trained by steps;"
            " train it with --method gradient"
        )
    kept = log_spaced_steps(len(history), MAX_CURVE_POINTS)
    steps, losses = np.array(kept), np.asarray(history, np.float64)[kept]
    with_distance = minimum is not None and bool((losses > minimum).any())
    theme = _theme(dark)
    title = _heading(title)
    with _drawing(theme, [title]) as unnamed:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine

        layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
        figure = Figure(figsize=(8, 7 if with_distance else 4.6), dpi=75, layout=layout)
        panels = figure.subplots(1 + with_distance, 1, sharex=True, squeeze=False)[:, 0]
        figure.suptitle(title.translate(unnamed), size=_type_size(title, 8 * POINTS, 14))
        _draw_losses(panels[0], steps, losses, minimum, theme)
        if minimum is not None and with_distance:
            _draw_distance(panels[1], steps, losses - minimum, theme)
        _finish_step_axis(panels[-1], int(steps[-1]))
        figure.align_ylabels()
        # The layout is worked out now, in this style, and not at each saving.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    return figure


def _draw_losses(
    axes: "Axes", steps: Ids, losses: Floats, minimum: float | None, theme: _Theme
) -> None:
    axes.plot(steps, losses, color=theme.line, linewidth=2)
    _mark(axes, 0, float(losses[0]), f"{losses[0]:.4f} at step 0", (8, 8), theme)
    if len(steps) > 1:
        last = f"{losses[-1]:.4f} at step {steps[-1]:,}"
        _mark(axes, int(steps[-1]), float(losses[-1]), last, (0, 10), theme)
    if minimum is not None:
        _draw_minimum(axes, minimum, theme)
        axes.margins(y=0.12)
    axes.set_ylabel("loss (nats per symbol)")
    _finish_panel(axes)


def _draw_minimum(axes: "Axes", minimum: float, theme: _Theme) -> None:
    axes.axhline(minimum, color=theme.accent, linewidth=1.2, linestyle=(0, (5, 3)))
    axes.annotate(
        f"closed-form minimum {minimum:.4f}",
        (0.01, minimum),
        xycoords=axes.get_yaxis_transform(),
        xytext=(0, -5),
        textcoords="offset points",
        va="top",
        color=theme.accent,
    )


def _draw_distance(axes: "Axes", steps: Ids, distances: Floats, theme: _Theme) -> None:
    above = distances > 0
    steps, distances = steps[above], distances[above]
    axes.plot(steps, distances, color=theme.line, linewidth=2)
    axes.set_yscale("log")
    axes.margins(y=0.1)
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
    axes.set_ylabel("loss above the minimum")
    text = f"{distances[-1]:.2g}"
    _mark(axes, int(steps[-1]), float(distances[-1]), text, (-8, -3), theme)
    _finish_panel(axes)


def _mark(
    axes: "Axes", step: int, loss: float, text: str, offset: tuple[int, int], theme: _Theme
) -> None:
    """Mark one point and write ``text`` beside it, ``offset`` points away."""
    axes.plot([step], [loss], "o", color=theme.line, markersize=5, clip_on=False)
    axes.annotate(
        text,
        (step, loss),
        xytext=offset,
        textcoords="offset points",
        ha="left" if offset[0] > 0 else "right",
        va="center_baseline" if offset[1] == 0 else "bottom" if offset[1] > 0 else "top",
    )


def _finish_panel(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(linewidth=0.6)


def _finish_step_axis(axes: "Axes", last: int) -> None:
    """Make the steps logarithmic with a place for step 0, and label whole powers of ten."""
    axes.set_xscale("symlog", linthresh=1, linscale=0.5)
    powers = [10**k for k in range(len(str(last))) if 10**k <= last]
    axes.set_xticks([0, *powers], ["0", *(f"{power:,}" for power in powers)])
    axes.set_xlim(0, max(last, 1))
    axes.set_xlabel("step")


# --- In motion -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Frame:
    """A moment of the training.

    Attributes
    ----------
    step : int
        Steps taken so far.
    probabilities : array of shape (V, V)
        Rows are distributions over the second symbol.
    loss : float
        Nats per symbol.
    samples : sequence of str
        Words as the model writes them now.
    """

    step: int
    probabilities: Floats
    loss: float
    samples: Sequence[str]


def animate_learning(
    frames: Iterable[Frame],
    symbols: Sequence[str],
    path: str | Path,
    *,
    minimum: float | None = None,
    frequencies: Table | None = None,
    title: str = "",
    dark: bool = False,
) -> None:
    """Write a film of the training to ``path``: the table, the falling loss, samples underneath.

    A GIF is written by Pillow, an MP4 by the program ffmpeg. ``log_spaced_steps`` chooses steps
    that are worth a frame; sixty make six seconds. The other parameters are those of
    ``draw_heatmap`` and ``draw_loss``.

    Raises
    ------
    PlottingError
        The ending of ``path`` is unknown, ffmpeg is missing or fails, there is no frame, or the
        file cannot be written.
    """
    ending = animation_ending(path)
    selection = select_symbols(len(symbols), frequencies, MAX_ANIMATED)
    ids = selection.ids  # only what is shown is kept of each frame
    shown = [
        replace(frame, probabilities=table_part(frame.probabilities, ids, "probabilities"))
        for frame in frames
    ]
    if not shown:
        raise PlottingError("there is nothing to animate: the training has no step")
    labels = [symbol_label(symbols[i]) for i in ids]
    heading = _heading(title, selection.note)
    pictures = _film(shown, labels, heading, minimum, _theme(dark))
    _write(path, _gif(pictures) if ending == ".gif" else _mp4(pictures))


def _film(
    frames: Sequence[Frame],
    labels: Sequence[str],
    heading: str,
    minimum: float | None,
    theme: _Theme,
) -> Iterator[Pixels]:
    """Yield a picture per frame, each (height, width, 3).

    The axes are drawn once; a frame draws only what moves, on a copy of them.
    """
    samples = [printable(word) for frame in frames for word in frame.samples]
    with _drawing(theme, [heading, *labels, *samples]) as unnamed:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9.6, 5.6), dpi=100)
        canvas: Any = FigureCanvasAgg(figure)  # matplotlib gives no types for it
        figure.text(0.055, 0.965, heading.translate(unnamed), size=12, va="top")
        highest = max(float(frame.probabilities.max()) for frame in frames)
        labels = [label.translate(unnamed) for label in labels]
        table = _FilmTable(figure, labels, highest, theme)
        curve = _FilmCurve(figure, frames, minimum, theme)
        words = _FilmWords(figure, unnamed, theme)
        moving = [*table.artists, *curve.artists, *words.artists]
        for artist in moving:
            artist.set_animated(True)
        canvas.draw()
        still = canvas.copy_from_bbox(figure.bbox)
        for k in range(len(frames)):
            canvas.restore_region(still)
            for part in (table, curve, words):
                part.show(frames[: k + 1])
            for artist in moving:
                figure.draw_artist(artist)
            yield np.array(canvas.buffer_rgba())[..., :3]


class _FilmTable:
    """The probabilities of the last frame as cells, on one scale up to ``highest`` for all."""

    def __init__(
        self, figure: "Figure", labels: Sequence[str], highest: float, theme: _Theme
    ) -> None:
        axes = figure.add_axes((0.055, 0.05, 0.4725, 0.81))
        V = len(labels)
        self._image = _draw_cells(axes, np.full((V, V), highest), "probabilities", theme)
        cell = 0.81 * figure.get_figheight() * POINTS / V
        longest = max(labels, key=columns)
        size = _type_size(longest, 32, min(9.0, 0.85 * cell))
        axes.set_xticks(range(V), labels, size=size)
        axes.set_yticks(range(V), labels, size=size)
        axes.xaxis.tick_top()
        _turn_long_labels(axes)
        axes.tick_params(length=0, pad=3)
        axes.spines[:].set_visible(False)
        lines = (
            axes.axvline(0.5, color=theme.accent, linewidth=1),
            axes.axhline(0.5, color=theme.accent, linewidth=1),
        )
        self.artists: list[Artist] = [self._image, *lines]

    def show(self, frames: Sequence[Frame]) -> None:
        """Draw the last of these frames."""
        self._image.set_data(frames[-1].probabilities)


class _FilmCurve:
    """The loss of the frames so far, on axes that have room for all."""

    def __init__(
        self, figure: "Figure", frames: Sequence[Frame], minimum: float | None, theme: _Theme
    ) -> None:
        axes = figure.add_axes((0.62, 0.47, 0.35, 0.39))
        losses = [frame.loss for frame in frames]
        low, high = min(losses), max(losses)
        if minimum is not None:
            low = min(low, minimum)
            _draw_minimum(axes, minimum, theme)
        room = 0.15 * (high - low or 1.0)
        axes.set_ylim(low - room, high + room)
        axes.set_ylabel("loss (nats per symbol)")
        _finish_panel(axes)
        _finish_step_axis(axes, frames[-1].step)
        (self._line,) = axes.plot([], [], color=theme.line, linewidth=2)
        (self._head,) = axes.plot([], [], "o", color=theme.line, clip_on=False)
        self._text = figure.text(0.62, 0.9, "", size=12)
        self.artists: list[Artist] = [self._line, self._head, self._text]

    def show(self, frames: Sequence[Frame]) -> None:
        """Draw the curve of these frames."""
        steps, losses = [frame.step for frame in frames], [frame.loss for frame in frames]
        self._line.set_data(steps, losses)
        self._head.set_data(steps[-1:], losses[-1:])
        self._text.set_text(f"step {steps[-1]:,}   loss {losses[-1]:.4f}")


class _FilmWords:
    """The samples of the last frame."""

    def __init__(self, figure: "Figure", unnamed: Mapping[int, str], theme: _Theme) -> None:
        figure.text(0.62, 0.36, "samples", size=10, va="top", color=theme.muted)
        self._unnamed = unnamed
        self._text = figure.text(0.62, 0.315, "", size=12, va="top", linespacing=1.4)
        self.artists: list[Artist] = [self._text]

    def show(self, frames: Sequence[Frame]) -> None:
        """Show as many samples as there is room for, one a line."""
        words = [printable(word).translate(dict(self._unnamed)) for word in frames[-1].samples]
        self._text.set_text("\n".join(map(_shortened, words[:MAX_FILM_WORDS])))


def _shortened(word: str) -> str:
    """Return as much of ``word`` as fits beside the table."""
    start = word[:MAX_FILM_COLUMNS]
    while columns(start) > MAX_FILM_COLUMNS:
        start = start[:-1]
    return word if start == word else start + "…"


def _gif(pictures: Iterable[Pixels]) -> bytes:
    """Return the pictures as a GIF that plays again and again, resting on the last."""
    from PIL import Image

    images = [Image.fromarray(picture) for picture in pictures]
    # One palette for all frames, or they would flicker: that of the last, which shows all shades.
    # No dithering, for the same reason and because it makes the file larger.
    palette = images[-1].quantize(256, Image.Quantize.MAXCOVERAGE)
    frames = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    _keep_page_colour(frames, images[0].getpixel((0, 0)))
    rest = 1000 * LAST_FRAME_SECONDS
    durations = [1000 // FRAMES_PER_SECOND] * (len(frames) - 1) + [rest]
    data = io.BytesIO()
    frames[0].save(data, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return data.getvalue()


def _keep_page_colour(frames: "Sequence[Image.Image]", colour: Any) -> None:
    """Give the page, of which the corner is part, its exact colour back: most is page."""
    page: Any = frames[0].getpixel((0, 0))
    for frame in frames:
        colours = frame.getpalette() or []
        colours[3 * page : 3 * page + 3] = colour
        frame.putpalette(colours)


def _ffmpeg() -> str:
    program = shutil.which("ffmpeg")
    if program is None:
        raise PlottingError(
            "an .mp4 is made by the program ffmpeg, which was not found:"
            " install it, or choose a name that ends in .gif"
        )
    return program


def _mp4(pictures: Iterable[Pixels]) -> bytes:
    """Return the pictures as an H.264 film, resting on the last. Raises ``PlottingError``."""
    frames = list(pictures)
    frames += frames[-1:] * (FRAMES_PER_SECOND * LAST_FRAME_SECONDS)
    height, width, _ = frames[0].shape
    # An .mp4 begins with a table that is known last: ffmpeg has to go back, so not into a pipe.
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder, "film.mp4")
        command = [_ffmpeg(), "-loglevel", "error", "-f", "rawvideo", "-pixel_format", "rgb24"]
        command += ["-video_size", f"{width}x{height}", "-framerate", f"{FRAMES_PER_SECOND}"]
        command += ["-i", "-", "-pix_fmt", "yuv420p", "-movflags", "+faststart", str(film)]
        done = subprocess.run(
            command, input=b"".join(map(np.ndarray.tobytes, frames)), capture_output=True
        )
        if done.returncode:
            complaint = done.stderr.decode(errors="replace").strip().split("\n")[-1]
            raise PlottingError(
                f"ffmpeg ended with {done.returncode}: {shown(complaint)};"
                " choose a name that ends in .gif"
            )
        return film.read_bytes()


# --- Files and windows ---------------------------------------------------------------------------


def picture_ending(path: str | Path) -> str:
    """Return the ending of ``path`` in lower case. Raises ``PlottingError`` for an unknown one."""
    return _ending(path, PICTURE_ENDINGS, "picture")


def animation_ending(path: str | Path) -> str:
    """Return the ending of ``path`` in lower case.

    Raises ``PlottingError`` for an unknown one, and for .mp4 where ffmpeg is missing.
    """
    ending = _ending(path, ANIMATION_ENDINGS, "animation")
    if ending == ".mp4":
        _ffmpeg()
    return ending


def _ending(path: str | Path, known: Sequence[str], what: str) -> str:
    ending = Path(path).suffix.lower()
    if ending not in known:
        raise PlottingError(
            f"{shown(str(path))} names no kind of {what}: its name must end in"
            f" {', '.join(known[:-1])} or {known[-1]}"
        )
    return ending


def save_figure(figure: "Figure", path: str | Path) -> None:
    """Write ``figure`` to ``path`` as png, svg or pdf, whole or not at all.

    The same figure gives the same bytes with the same matplotlib: nothing in them tells the time.
    Raises ``PlottingError`` for an unknown ending and where the file cannot be written.
    """
    ending = picture_ending(path)
    data = io.BytesIO()
    # The salt makes the ids in an SVG the same each time.
    with _settings({"svg.hashsalt": "makemore"}):
        dpi = SHARPNESS * figure.dpi
        figure.savefig(data, format=ending[1:], dpi=dpi, metadata=_UNDATED[ending])
    _write(path, data.getvalue())


_UNDATED: Mapping[str, Mapping[str, None]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}


def _write(path: str | Path, data: bytes) -> None:
    try:
        with replace_atomically(path) as file:
            file.write(data)
    except OSError as error:
        raise PlottingError(unwritable(path, error)) from error


def show(figure: "Figure") -> None:
    """Show ``figure`` in a window and return when it is closed.

    Raises ``PlottingError`` where there is no display, or Python has no toolkit to open a window.
    """
    _load_matplotlib()
    try:
        from matplotlib import pyplot

        window = pyplot.figure(figsize=tuple(figure.get_size_inches()), dpi=figure.dpi)
    except (ImportError, RuntimeError) as error:
        raise PlottingError(f"no window can be opened: {error}; {_INSTEAD}") from error
    if window.canvas.required_interactive_framework is None:
        pyplot.close(window)
        raise PlottingError(
            "no window can be opened: there is no display, or Python has no toolkit for windows"
            f" such as Tk or Qt; {_INSTEAD}"
        )
    # The window was opened for an empty figure; it takes over the one to show.
    figure.set_canvas(window.canvas)
    window.canvas.figure = figure
    pyplot.show()


_INSTEAD = "leave out --show and open the file instead"
