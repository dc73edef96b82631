"""A film of a training, as a GIF or an MP4: the table, the loss and samples at each moment."""

import io
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from makemore.arrays import Floats, Table
from makemore.errors import PlottingError, shown
from makemore.pictures.curves import draw_minimum, finish_panel, finish_step_axis
from makemore.pictures.heatmap import draw_cells, turn_long_labels
from makemore.pictures.labels import columns, printable, select_symbols, symbol_label, table_part
from makemore.pictures.output import known_ending, write_picture
from makemore.pictures.style import (
    POINTS_PER_INCH,
    Theme,
    choose_theme,
    drawing,
    heading_lines,
    type_size,
)

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure
    from PIL import Image

Pixels = npt.NDArray[np.uint8]

ANIMATION_ENDINGS = (".gif", ".mp4")
MAX_ANIMATED = 100
"""The maximum number of symbols in a film."""
MAX_FILM_COLUMNS = 28
MAX_FILM_WORDS = 7
FRAMES_PER_SECOND = 10
LAST_FRAME_SECONDS = 3


@dataclass(frozen=True)
class Frame:
    """A moment of the training.

    Attributes
    ----------
    step : int
        The number of steps taken.
    probabilities : array of shape (V, V)
        Rows are distributions over the second symbol.
    loss : float
        Nats per symbol.
    samples : sequence of str
        Words that the model writes at that step.
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
    """Write a film of the training to ``path``: the table, the loss and samples at each moment.

    Pillow writes a GIF, the program ffmpeg an MP4. Sixty frames take six seconds. The other
    parameters are those of ``draw_heatmap`` and ``draw_loss``.

    Raises
    ------
    PlottingError
        The ending of ``path`` is unknown, ffmpeg is missing or fails, there is no frame, or the
        file cannot be written.
    """
    ending = animation_ending(path)
    selection = select_symbols(len(symbols), frequencies, MAX_ANIMATED)
    ids = selection.ids  # of each frame only what is shown is kept, to save memory
    shown = [
        replace(frame, probabilities=table_part(frame.probabilities, ids, "probabilities"))
        for frame in frames
    ]
    if not shown:
        raise PlottingError("there is nothing to animate: the training has no step")
    labels = [symbol_label(symbols[i]) for i in ids]
    heading = heading_lines(title, selection.note)
    pictures = _film(shown, labels, heading, minimum, choose_theme(dark))
    write_picture(path, _gif(pictures) if ending == ".gif" else _mp4(pictures))


def _film(
    frames: Sequence[Frame],
    labels: Sequence[str],
    heading: str,
    minimum: float | None,
    theme: Theme,
) -> Iterator[Pixels]:
    """Yield a picture (height, width, 3) of each frame.

    The axes are drawn once. Each frame draws only what changes, on a copy of them.
    """
    samples = [printable(word) for frame in frames for word in frame.samples]
    with drawing(theme, [heading, *labels, *samples]) as substitutes:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9.6, 5.6), dpi=100)
        canvas: Any = FigureCanvasAgg(figure)  # matplotlib gives no types for it
        figure.text(0.055, 0.98, heading.translate(substitutes), size=12, va="top")
        highest = max(float(frame.probabilities.max()) for frame in frames)
        labels = [label.translate(substitutes) for label in labels]
        room = max(10.0, 43 - 14.4 * (heading.count("\n") + 1))  # a line takes 1.2 times its type
        table = _FilmTable(figure, labels, room, highest, theme)
        curve = _FilmCurve(figure, frames, minimum, theme)
        words = _FilmWords(figure, substitutes, theme)
        changing = [*table.artists, *curve.artists, *words.artists]
        for artist in changing:
            artist.set_animated(True)
        canvas.draw()
        unchanged = canvas.copy_from_bbox(figure.bbox)
        for k in range(len(frames)):
            canvas.restore_region(unchanged)
            for part in (table, curve, words):
                part.show(frames[: k + 1])
            for artist in changing:
                figure.draw_artist(artist)
            yield np.array(canvas.buffer_rgba())[..., :3]


class _FilmTable:
    """The probabilities of a frame as coloured cells, on one scale up to ``highest``.

    There are ``room`` points between the heading and the table.
    """

    def __init__(
        self, figure: "Figure", labels: Sequence[str], room: float, highest: float, theme: Theme
    ) -> None:
        axes = figure.add_axes((0.055, 0.05, 0.4725, 0.81))
        V = len(labels)
        self._image = draw_cells(axes, np.full((V, V), highest), "probabilities", theme)
        cell = 0.81 * figure.get_figheight() * POINTS_PER_INCH / V
        longest = max(labels, key=columns)
        size = type_size(longest, min(32, room), min(9.0, 0.85 * cell))
        axes.set_xticks(range(V), labels, size=size)
        axes.set_yticks(range(V), labels, size=size)
        axes.xaxis.tick_top()
        turn_long_labels(axes)
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
    """The losses of the frames so far, on axes with room for all frames."""

    def __init__(
        self, figure: "Figure", frames: Sequence[Frame], minimum: float | None, theme: Theme
    ) -> None:
        axes = figure.add_axes((0.62, 0.47, 0.35, 0.39))
        losses = [frame.loss for frame in frames]
        low, high = min(losses), max(losses)
        if minimum is not None:
            low = min(low, minimum)
            draw_minimum(axes, minimum, theme)
        room = 0.15 * (high - low or 1.0)
        axes.set_ylim(low - room, high + room)
        axes.set_ylabel("loss (nats per symbol)")
        finish_panel(axes)
        finish_step_axis(axes, frames[-1].step)
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
    """The samples of a frame."""

    def __init__(self, figure: "Figure", substitutes: Mapping[int, str], theme: Theme) -> None:
        figure.text(0.62, 0.36, "samples", size=10, va="top", color=theme.muted)
        self._substitutes = substitutes
        # a text of several lines would space them by the letters that are in them
        heights = [0.29 - 0.042 * line for line in range(MAX_FILM_WORDS)]
        self._lines = [figure.text(0.62, height, "", size=12) for height in heights]
        self.artists: list[Artist] = [*self._lines]

    def show(self, frames: Sequence[Frame]) -> None:
        """Show the samples of the last of these frames, as many as fit, one a line."""
        words = [printable(word).translate(dict(self._substitutes)) for word in frames[-1].samples]
        none = [""] * len(self._lines)
        for line, word in zip(self._lines, words + none, strict=False):
            line.set_text(_shortened(word))


def _shortened(word: str) -> str:
    """Return ``word``, cut off where it does not fit beside the table."""
    start = word[:MAX_FILM_COLUMNS]
    while columns(start) > MAX_FILM_COLUMNS:
        start = start[:-1]
    return word if start == word else start + "…"


def animation_ending(path: str | Path) -> str:
    """Return the ending of ``path`` in lower case.

    Raises ``PlottingError`` for an unknown one, and for .mp4 when ffmpeg is missing.
    """
    ending = known_ending(path, ANIMATION_ENDINGS, "animation")
    if ending == ".mp4":
        _ffmpeg()
    return ending


def _gif(pictures: Iterable[Pixels]) -> bytes:
    """Return the pictures as a GIF that loops, with a pause at the last one."""
    from PIL import Image

    images = [Image.fromarray(picture) for picture in pictures]
    # All frames share the palette of the last one, which has all shades: different palettes would
    # flicker, and so would dithering, which makes the file larger as well.
    palette = images[-1].quantize(256, Image.Quantize.MAXCOVERAGE)
    frames = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    _restore_background(frames, images[0].getpixel((0, 0)))
    rest = 1000 * LAST_FRAME_SECONDS
    durations = [1000 // FRAMES_PER_SECOND] * (len(frames) - 1) + [rest]
    data = io.BytesIO()
    frames[0].save(data, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return data.getvalue()


def _restore_background(frames: "Sequence[Image.Image]", colour: Any) -> None:
    """Restore the exact colour of the background, which fills most of a frame and its corners."""
    background: Any = frames[0].getpixel((0, 0))
    for frame in frames:
        colours = frame.getpalette() or []
        colours[3 * background : 3 * background + 3] = colour
        frame.putpalette(colours)


def _ffmpeg() -> str:
    """Return the path of ffmpeg. Raises ``PlottingError`` when it is missing."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise PlottingError(
            "the program ffmpeg, which makes an .mp4, was not found: install it, or choose a name"
            " that ends in .gif"
        )
    return program


def _mp4(pictures: Iterable[Pixels]) -> bytes:
    """Return the pictures as an H.264 film that ends in a pause. Raises ``PlottingError``."""
    frames = list(pictures)
    frames += frames[-1:] * (FRAMES_PER_SECOND * LAST_FRAME_SECONDS)
    height, width, _ = frames[0].shape
    # An .mp4 begins with a table that is known at the end, so ffmpeg cannot write it to a pipe.
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder, "film.mp4")
        command = [_ffmpeg(), "-loglevel", "error", "-f", "rawvideo", "-pixel_format", "rgb24"]
        command += ["-video_size", f"{width}x{height}", "-framerate", f"{FRAMES_PER_SECOND}"]
        command += ["-i", "-", "-pix_fmt", "yuv420p", "-movflags", "+faststart", str(film)]
        done = subprocess.run(
            command, input=b"".join(map(np.ndarray.tobytes, frames)), capture_output=True
        )
        if done.returncode:
            message = done.stderr.decode(errors="replace").strip().split("\n")[-1]
            raise PlottingError(
                f"ffmpeg ended with {done.returncode}: {shown(message)};"
                " choose a name that ends in .gif"
            )
        return film.read_bytes()
