"""The letters a-z in matplotlib's own fonts, shifted and rotated: images of 16 by 16 numbers.

Nothing is downloaded, and nothing is stored: a font holds the outlines of its letters, which are
moved, turned, and filled by matplotlib's renderer with soft edges. Fonts are split by name, so that
a network is asked for letters in fonts that it has not seen.
"""

import string
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from makemore.arrays import Ids
from makemore.autodiff import Array
from makemore.pictures.style import load_matplotlib

Images = tuple[Array, Ids]
"""Images (n, 16, 16) and the letters that they show, (n,)."""
LETTERS = string.ascii_lowercase
SIDE = 16
"""Height and width of an image, in pixels."""
TYPE_SIZE = 14
"""Points, which are pixels here: the widest letter, a bold m, just fits."""
TURN, SHIFT = 12.0, 1.0
"""The largest rotation in degrees, and the largest shift in pixels, to either side."""
UNSEEN = (
    "cmss10",
    "DejaVuSans-Bold",
    "DejaVuSansMono-Oblique",
    "DejaVuSerif-Italic",
    "STIXGeneralBol",
)
"""Fonts to test with, by file name: one of each family, and a sans serif like no other."""


def latin_fonts() -> dict[str, Path]:
    """Return the fonts within matplotlib that draw the letters a-z, by name.

    Fonts of symbols, and the one that draws every character as a box, have glyphs at the code
    points of letters, but under other names.
    """
    load_matplotlib()
    import matplotlib
    from matplotlib.font_manager import get_font

    def has_letters(path: Path) -> bool:
        font = get_font(str(path))
        return all(font.get_glyph_name(font.get_char_index(ord(c))) == c for c in LETTERS)

    paths = sorted((Path(matplotlib.get_data_path()) / "fonts/ttf").glob("*.ttf"))
    return {path.stem: path for path in paths if has_letters(path)}


def split_fonts() -> tuple[dict[str, Path], dict[str, Path]]:
    """Return the fonts to train on, and those to test with."""
    fonts = latin_fonts()
    return (
        {name: path for name, path in fonts.items() if name not in UNSEEN},
        {name: path for name, path in fonts.items() if name in UNSEEN},
    )


def draw_letters(
    fonts: Iterable[Path],
    copies: int,
    generator: np.random.Generator | None,
    reach: float = 1.0,
) -> Images:
    """Return images (n, 16, 16), float32 from 0 (paper) to 1 (ink), and ids (n,): a is 0, z is 25.

    Each letter of each font is drawn ``copies`` times, each time shifted and rotated otherwise, by
    up to ``reach`` times what the constants say; without a generator it stays as it is.
    """
    load_matplotlib()
    outlines = [_outline(font, letter) for font in fonts for letter in LETTERS]
    moves = np.zeros((len(outlines), copies, 3))
    if generator is not None:
        most = reach * np.array([TURN, SHIFT, SHIFT])
        moves = generator.uniform(-most, most, moves.shape)
    fill = _Filler()
    images = [
        fill(outline, *move)
        for outline, row in zip(outlines, moves.tolist(), strict=True)
        for move in row
    ]
    ids = np.arange(len(outlines)).repeat(copies) % len(LETTERS)
    return np.array(images, np.float32).reshape(-1, SIDE, SIDE) / 255, ids


def as_text(image: Array) -> list[str]:
    """Return an image as lines of text, two columns a pixel."""
    return ["".join(2 * " .:-=+*#%@"[int(9.99 * ink)] for ink in row) for row in image.tolist()]


def side_by_side(images: Array, columns: int) -> Array:
    """Return images (n, 16, 16) as one, in rows of ``columns`` of them."""
    rows = images.reshape(-1, columns, *images.shape[1:])
    return rows.transpose(0, 2, 1, 3).reshape(len(rows) * images.shape[1], -1)


def show(panel: Any, images: Array, columns: int, title: str = "") -> None:
    """Draw images side by side in a panel of a figure."""
    panel.imshow(side_by_side(np.asarray(images), columns), "Blues", vmin=0, vmax=1)
    panel.set_title(title, size=10)
    panel.set_axis_off()


def _outline(font: Path, letter: str) -> Any:
    """Return the outline of a letter, the middle of which is at the origin."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath
    from matplotlib.transforms import Affine2D

    outline = TextPath((0, 0), letter, TYPE_SIZE, prop=FontProperties(fname=str(font)))
    box = outline.get_extents()
    return outline.transformed(Affine2D().translate(-(box.x0 + box.x1) / 2, -(box.y0 + box.y1) / 2))


class _Filler:
    """Fills outlines: its canvas is used again for each image."""

    def __init__(self) -> None:
        from matplotlib.backends import backend_agg

        self._renderer: Any = backend_agg.RendererAgg(SIDE, SIDE, 72)  # type: ignore[no-untyped-call]
        self._pen = self._renderer.new_gc()
        self._pen.set_linewidth(0)
        self._pen.set_snap(False)  # else upright letters would be moved to whole pixels

    def __call__(self, outline: Any, degrees: float, right: float, up: float) -> Array:
        """Return the ink of an outline, (16, 16) from 0 to 255."""
        from matplotlib.transforms import Affine2D

        move = Affine2D().rotate_deg(degrees).translate(SIDE / 2 + right, SIDE / 2 + up)
        self._renderer.clear()
        self._renderer.draw_path(self._pen, outline, move, (0, 0, 0))
        return np.asarray(self._renderer.buffer_rgba())[:, :, 3].copy()
