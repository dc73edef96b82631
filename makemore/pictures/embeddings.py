"""A picture of symbols' embeddings, in which symbols that a network treats alike are close.

The embeddings have many dimensions. Their first two principal components span the plane of the
largest variance, found by the singular value decomposition (Eckart and Young 1936,
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
"""The side of the picture in inches."""
SIZES = (18, 15, 12, 10, 8)
"""The sizes of type, in the order in which they are tried."""
LEGIBLE = 10
"""The size below which labels are shifted rather than made smaller."""
DOT = 3.0
"""The diameter of a dot in points."""
LINK = 8.0
"""The distance of a shifted label from its dot, in points; a line connects them."""
BESIDE = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))
"""The directions in which a label may be shifted: none, right, left, up, down."""

Shifts = list[tuple[float, float] | None]
"""The offset of each label from its point, in points; None for a label without room."""


class Plane(NamedTuple):
    """Points on the plane of the first two principal components.

    Attributes
    ----------
    coordinates : array of shape (n, 2)
        The mean is 0; the number of the largest magnitude in each column is positive.
    shares : array of shape (2,)
        The share of the variance along each component.
    """

    coordinates: Floats
    shares: Floats


def principal_plane(vectors: Floats) -> Plane:
    """Return points (n, d) projected on the plane of their first two principal components.

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
    """Return a picture of symbols at their vectors' positions on the plane of largest variance.

    Each symbol is written at its position or beside a dot with a line to it; without room there is
    only the dot.

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
        size = type_size(title, 0.85 * SIDE * POINTS_PER_INCH, 14)
        figure.text(0.11, 0.98, title.translate(substitutes), size=size, va="top")
        _draw_symbols(axes, plane.coordinates, labels, theme)
        first, second = (f"{share:.0%} of the variance" for share in plane.shares.tolist())
        axes.set_xlabel(f"first principal component, {first}")
        axes.set_ylabel(f"second principal component, {second}")
        finish_panel(axes)
    return figure


def _draw_symbols(axes: "Axes", points: Floats, labels: Sequence[str], theme: Theme) -> None:
    """Write each label at its point (n, 2), or beside a dot if others leave no room there."""
    low, high = points.min(axis=0), points.max(axis=0)
    middle, reach = (low + high) / 2, (float((high - low).max()) / 2 or 1.0) * 1.12
    axes.set_xlim(middle[0] - reach, middle[0] + reach)
    axes.set_ylim(middle[1] - reach, middle[1] + reach)
    places = points * 0.85 * (SIDE * POINTS_PER_INCH) / (2 * reach)
    size, shifts = _largest_type(places, labels)
    for point, label, shift in zip(points.tolist(), labels, shifts, strict=True):
        if shift != (0.0, 0.0):
            axes.plot(*point, "o", color=theme.line, markersize=DOT, alpha=0.6)
        if shift is not None:
            _write(axes, point, label, shift, size, theme)


def _largest_type(places: Floats, labels: Sequence[str]) -> tuple[float, Shifts]:
    """Return the size of type and the shifts of the labels.

    It is the largest size from ``LEGIBLE`` on in which no label is shifted, or else the largest
    with room for all, or else the smallest.
    """
    tried = [(size, arrange(places, labels, size)) for size in SIZES]
    unshifted = (found for found in tried if found[0] >= LEGIBLE and set(found[1]) == {(0.0, 0.0)})
    with_room = (found for found in tried if None not in found[1])
    return next(unshifted, next(with_room, tried[-1]))


def _write(
    axes: "Axes",
    point: Sequence[float],
    label: str,
    shift: tuple[float, float],
    size: float,
    theme: Theme,
) -> None:
    """Write a label, with a line to its dot if it is shifted."""
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
    """Return the shift of each label, so that no label covers another; None if there is no room.

    Places (n, 2) and distances are in points. A label is shifted only if need be. Earlier labels
    have precedence.
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
