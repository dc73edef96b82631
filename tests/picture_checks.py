"""A small table of pairs, and how the tests of pictures draw."""

import io

import numpy as np
from matplotlib.figure import Figure

SYMBOLS = ("", "a", "b")
COUNTS = np.array([[0, 3, 1], [2, 8, 0], [2, 0, 0]])
PROBABILITIES = COUNTS / COUNTS.sum(axis=1, keepdims=True)


def drawn(figure: Figure, kind: str = "png") -> bytes:
    """Return the file that ``figure`` becomes; a glyph that is missing warns, and so fails."""
    data = io.BytesIO()
    figure.savefig(data, format=kind)
    return data.getvalue()
