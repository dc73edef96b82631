"""The letters a-z in matplotlib's own fonts: images of 16 by 16 numbers, shifted and rotated.

Nothing is downloaded, and nothing is stored: a font holds the outlines of its letters, which are
moved, rotated, and filled by matplotlib's renderer with soft edges. The lesson ``letters`` takes
these steps one by one; the lessons after it use the images.
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
PIXELS = SIDE**2
TYPE_SIZE = 14
"""Points, which are pixels here: the widest letter, a bold m, just fits."""
ROTATION, SHIFT = 12.0, 1.0
"""The largest rotation in degrees, and the largest shift in pixels, to either side."""
UNSEEN = (
    "cmss10",
    "DejaVuSans-Bold",
    "DejaVuSansMono-Oblique",
    "DejaVuSerif-Italic",
    "STIXGeneralBol",
)
"""Fonts to test with, by file name: one of each family, and a sans serif like no other."""


def latin_fonts() -> list[str]:
    """Return the names of the fonts within matplotlib that draw the letters a-z.

    Fonts of symbols, and the one that draws every character as a box, have glyphs at the code
    points of letters, but under other names.
    """
    load_matplotlib()
    from matplotlib.font_manager import get_font

    def has_letters(path: Path) -> bool:
        font = get_font(str(path))
        return all(font.get_glyph_name(font.get_char_index(ord(c))) == c for c in LETTERS)

    return [path.stem for path in sorted(_folder().glob("*.ttf")) if has_letters(path)]


def split_fonts() -> tuple[list[str], list[str]]:
    """Return the names of the fonts to train on, and of those to test with."""
    fonts = latin_fonts()
    known = [font for font in fonts if font not in UNSEEN]
    return known, [font for font in fonts if font in UNSEEN]


def draw_data_set(generator: np.random.Generator, reach: float = 1.0) -> tuple[Images, Images]:
    """Return the letters to train on, 20 copies of each, and those to test with, 10 of each."""
    known, unseen = split_fonts()
    train = draw_letters(known, 20, generator, reach)
    return train, draw_letters(unseen, 10, generator, reach)


def draw_letters(
    fonts: Iterable[str],
    copies: int,
    generator: np.random.Generator | None,
    reach: float = 1.0,
) -> Images:
    """Return images (n, 16, 16) of all letters in all fonts, and ids (n,): a is 0, z is 25.

    Each letter of each font is drawn ``copies`` times, each time rotated and shifted otherwise, by
    up to ``reach`` times what the constants say; without a generator it stays as it is.
    """
    load_matplotlib()
    outlines = [_outline(font, letter) for font in fonts for letter in LETTERS]
    moves = np.zeros((len(outlines), copies, 3))
    if generator is not None:
        most = reach * np.array([ROTATION, SHIFT, SHIFT])
        moves = generator.uniform(-most, most, moves.shape)
    fill = _Filler()
    images = [
        fill(outline, *move)
        for outline, row in zip(outlines, moves.tolist(), strict=True)
        for move in row
    ]
    ids = np.arange(len(outlines)).repeat(copies) % len(LETTERS)
    return np.array(images, np.float32).reshape(-1, SIDE, SIDE), ids


def draw_letter(font: str, letter: str, degrees: float, right: float, up: float) -> Array:
    """Return the image (16, 16) of one letter, rotated and then shifted by so many pixels."""
    return _Filler()(_outline(font, letter), degrees, right, up)


def _folder() -> Path:
    """Return the folder of matplotlib's own fonts."""
    import matplotlib

    return Path(matplotlib.get_data_path()) / "fonts/ttf"


def _outline(font: str, letter: str) -> Any:
    """Return the outline of a letter as a matplotlib Path, whose middle is at the origin."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath
    from matplotlib.transforms import Affine2D

    properties = FontProperties(fname=str(_folder() / f"{font}.ttf"))
    outline = TextPath((0, 0), letter, TYPE_SIZE, prop=properties)
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
        """Return the share of each pixel that an outline covers, (16, 16), float32."""
        from matplotlib.transforms import Affine2D

        move = Affine2D().rotate_deg(degrees).translate(SIDE / 2 + right, SIDE / 2 + up)
        self._renderer.clear()
        self._renderer.draw_path(self._pen, outline, move, (0, 0, 0))
        ink = np.asarray(self._renderer.buffer_rgba())[:, :, 3]
        return np.asarray(ink.astype(np.float32) / 255)


def as_text(image: Array) -> list[str]:
    """Return an image as lines of text, two columns a pixel."""
    return ["".join(2 * " .:-=+*#%@"[int(9.99 * ink)] for ink in row) for row in image.tolist()]


def nearest(images: Array, known: Array) -> tuple[Array, Ids]:
    """Return the mean squared distance of each image from the nearest known one, and which it is.

    Images are of shape (n, 16, 16) or (n, 256); the two results are of shape (n,).
    """
    a, b = images.reshape(len(images), -1), known.reshape(len(known), -1)
    squares = (a**2).sum(axis=1)[:, None] - 2 * a @ b.T + (b**2).sum(axis=1)
    return squares.min(axis=1) / a.shape[1], squares.argmin(axis=1)
