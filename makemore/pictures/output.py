"""The output of a picture: to a file, atomically, or in a window."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from makemore.errors import PlottingError, shown, unwritable
from makemore.files import replace_atomically
from makemore.pictures.style import load_matplotlib, settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURE_ENDINGS = (".png", ".svg", ".pdf")
SHARPNESS = 2
"""The dots per inch of a file, relative to those of a window."""


def picture_ending(path: str | Path) -> str:
    """Return the ending of ``path`` in lower case. Raises ``PlottingError`` for an unknown one."""
    return known_ending(path, PICTURE_ENDINGS, "picture")


def known_ending(path: str | Path, known: Sequence[str], what: str) -> str:
    """Return the ending of ``path``. Raises ``PlottingError`` unless it is one of ``known``."""
    ending = Path(path).suffix.lower()
    if ending not in known:
        raise PlottingError(
            f"{shown(str(path))} is not a supported {what} format: its name must end in"
            f" {', '.join(known[:-1])} or {known[-1]}"
        )
    return ending


def save_figure(figure: "Figure", path: str | Path) -> None:
    """Write ``figure`` to ``path`` as png, svg or pdf, whole or not at all.

    The same figure gives the same bytes with the same matplotlib: they hold no date.
    Raises ``PlottingError`` for an unknown ending, and when the file cannot be written.
    """
    ending = picture_ending(path)
    data = io.BytesIO()
    # The salt makes the ids in an SVG the same each time.
    with settings({"svg.hashsalt": "makemore"}):
        dpi = SHARPNESS * figure.dpi
        figure.savefig(data, format=ending[1:], dpi=dpi, metadata=_UNDATED[ending])
    write_picture(path, data.getvalue())


_UNDATED: Mapping[str, Mapping[str, None]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}


def write_picture(path: str | Path, data: bytes) -> None:
    """Write a picture, whole or not at all. Raises ``PlottingError``."""
    try:
        with replace_atomically(path) as file:
            file.write(data)
    except OSError as error:
        raise PlottingError(unwritable(path, error)) from error


def show(figure: "Figure") -> None:
    """Show ``figure`` in a window and return when it is closed.

    Raises ``PlottingError`` when there is no display, or no toolkit that opens windows.
    """
    load_matplotlib()
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
    # The window was opened for an empty figure, which is replaced here.
    figure.set_canvas(window.canvas)
    window.canvas.figure = figure
    pyplot.show()


_INSTEAD = "leave out --show and open the file instead"
