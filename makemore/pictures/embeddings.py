"""What a network has learnt about symbols: those that it takes for much the same stand together.

The vectors of the symbols have many dimensions. Their first two principal components are the plane
on which they lie farthest apart, found by the singular value decomposition (Eckart and Young 1936,
"The approximation of one matrix by another of lower rank").
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from makemore.arrays import Floats
from makemore.errors import PlottingError
from makemore.pictures.curves import finish_panel
from makemore.pictures.labels import columns, symbol_label
from makemore.pictures.style import (
    EMS_PER_COLUMN,
    POINTS_PER_INCH,
    Theme,
    choose_theme,
    drawing,
    heading_lines,
    type_size,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIDE = 7.5
"""Inches of the picture."""
SIZES = (18, 15, 12, 10, 8)
"""The sizes of type that are tried, in this order."""
DOT = 3.0
"""The diameter of a dot in points."""
LINK = 8.0
"""The distance in points of a label from its dot, to which a line leads."""
BESIDE = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))
"""Where a label may be written: on its place, right of it, left, above, below."""

Shifts = list[tuple[float, float] | None]
"""How far from its place each label is written, in points; None for a label without room."""


class Plane(NamedTuple):
    """Points on the plane of the first two principal components.

    Attributes
    ----------
    coordinates : array of shape (n, 2)
        The mean is 0; of each column, the number that is farthest from 0 is positive.
    shares : array of shape (2,)
        Of the variance of the points, along each component.
    """

    coordinates: Floats
    shares: Floats


def principal_plane(vectors: Floats) -> Plane:
    """Return where points (n, d) lie on the plane of their first two principal components.

    >>> plane = principal_plane(np.array([[0.0, 0.0], [0.0, 0.0], [3.0, 4.0]]))  # on a line
    >>> plane.coordinates[:, 0].round(3).tolist()
    [-1.667, -1.667, 3.333]
    >>> plane.shares.round(3).tolist()
    [1.0, 0.0]
    """
    centred = vectors - vectors.mean(axis=0)
    U, S, _ = np.linalg.svd(centred, full_matrices=False)
    found = np.zeros((2, len(vectors)))
    found[: len(S)] = (U * S).T[:2]
    found *= np.where(found.max(axis=1) + found.min(axis=1) < 0, -1.0, 1.0)[:, None]
    variances = (found**2).sum(axis=1)
    return Plane(found.T, variances / max(float((S**2).sum()), np.finfo(float).tiny))


def draw_embeddings(
    vectors: Floats, symbols: Sequence[str], *, title: str = "", dark: bool = False
) -> "Figure":
    """Return a picture of symbols where their vectors lie on the plane of most variance.

    Each symbol is written where it lies, or beside its dot with a line to it; where there is no
    room it is a dot.

    Parameters
    ----------
    vectors : array of shape (n, d)
    symbols : sequence of str, length n
    title : str
        Stands above the picture; may have several lines.
    dark : bool
        Whether to draw light on dark, for dark pages.

    Raises
    ------
    PlottingError
        There is no symbol.
    """
    if not len(vectors):
        raise PlottingError("there is no symbol to draw")
    plane = principal_plane(vectors)
    labels = [symbol_label(symbol) for symbol in symbols]
    title, theme = heading_lines(title), choose_theme(dark)
    with drawing(theme, [title, *labels]) as substitutes:
        from matplotlib.figure import Figure

        labels = [label.translate(substitutes) for label in labels]
        figure = Figure(figsize=(SIDE, SIDE), dpi=75)
        axes = figure.add_axes((0.11, 0.09, 0.85, 0.85 - 0.03 * title.count("\n")))
        room = SIDE * POINTS_PER_INCH
        size = type_size(title, 0.85 * room, 14)
        figure.text(0.11, 0.98, title.translate(substitutes), size=size, va="top")
        points = plane.coordinates
        low, high = points.min(axis=0), points.max(axis=0)
        middle, reach = (low + high) / 2, (float((high - low).max()) / 2 or 1.0) * 1.12
        axes.set_xlim(middle[0] - reach, middle[0] + reach)
        axes.set_ylim(middle[1] - reach, middle[1] + reach)
        places = points * 0.85 * room / (2 * reach)
        size, shifts = _largest_type(places, labels)
        for point, label, shift in zip(points.tolist(), labels, shifts, strict=True):
            if shift != (0.0, 0.0):
                axes.plot(*point, "o", color=theme.line, markersize=DOT, alpha=0.6)
            if shift is not None:
                _write(axes, point, label, shift, size, theme)
        first, second = (f"{share:.0%} of the variance" for share in plane.shares.tolist())
        axes.set_xlabel(f"first principal component, {first}")
        axes.set_ylabel(f"second principal component, {second}")
        finish_panel(axes)
    return figure


def _largest_type(places: Floats, labels: Sequence[str]) -> tuple[float, Shifts]:
    """Return the size of type and the shifts of the labels.

    It is the largest size in which all labels stand on their places, else the largest in which
    there is room for all, else the last.
    """
    tried = [(size, arrange(places, labels, size)) for size in SIZES]
    on_places = (found for found in tried if set(found[1]) == {(0.0, 0.0)})
    with_room = (found for found in tried if None not in found[1])
    return next(on_places, next(with_room, tried[-1]))


def _write(
    axes: "Axes",
    point: Sequence[float],
    label: str,
    shift: tuple[float, float],
    size: float,
    theme: Theme,
) -> None:
    """Write a label, with a line to its dot where it does not stand on its place."""
    line = {"arrowstyle": "-", "color": theme.line, "alpha": 0.6, "shrinkA": 0, "shrinkB": 0}
    axes.annotate(
        label,
        (point[0], point[1]),
        xytext=shift,
        textcoords="offset points",
        size=size,
        ha="center",
        va="center_baseline",
        arrowprops=None if shift == (0.0, 0.0) else line,
        annotation_clip=False,
    )


def arrange(places: Floats, labels: Sequence[str], size: float) -> Shifts:
    """Return how far from its place each label is written, so that none covers another; or None.

    Places (n, 2) and distances are in points. A label stands on its place or, if need be, beside
    it. The first labels have precedence.
    """
    half = size / 2 * np.stack([[EMS_PER_COLUMN * columns(label), 1.0] for label in labels])
    taken, reach = np.empty((0, 2)), np.empty((0, 2))
    found: Shifts = []
    for place, own in zip(places, half, strict=True):
        found.append(None)
        for side in BESIDE:
            at = place + np.array(side) * (own + LINK)
            if (np.abs(taken - at) >= reach + own).any(axis=1).all():
                taken, reach = np.vstack((taken, at)), np.vstack((reach, own))
                found[-1] = (float(at[0] - place[0]), float(at[1] - place[1]))
                break
    return found
