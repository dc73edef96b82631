"""The curves of a training: the loss at each step, and its distance from the minimum."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from makemore.arrays import Floats, Ids
from makemore.errors import PlottingError
from makemore.pictures.style import (
    POINTS_PER_INCH,
    Theme,
    choose_theme,
    drawing,
    heading_lines,
    type_size,
)
from makemore.training.record import log_spaced_steps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patheffects import AbstractPathEffect

NO_CURVE = "there is no loss curve: train a network, or a bigram by --method gradient"

MAX_CURVE_POINTS = 2_000
"""The maximum number of points of a curve, which is no wider in dots."""


def draw_loss(
    history: Floats,
    minimum: float | None,
    *,
    what: str = "loss",
    title: str = "",
    dark: bool = False,
) -> "Figure":
    """Return a picture of the loss at each step and, below it, of its distance from the minimum.

    The axis of steps is logarithmic, because most happens in the first ones. That of the distance
    is logarithmic, too: steady progress is a straight line, and none is a flat one.

    Parameters
    ----------
    history : array of shape (steps + 1,), nats per symbol
        The training objective before the first step and after each, as ``losses_by_step`` gives it.
    minimum : float or None
        The closed-form minimum, if there is one; without it there is no second panel.
    what : str
        The name of the objective, which is more than the loss if there is a penalty.

    Raises
    ------
    PlottingError
        The history is empty.
    """
    if not len(history):
        raise PlottingError(NO_CURVE)
    kept = log_spaced_steps(len(history), MAX_CURVE_POINTS)
    steps, losses = np.array(kept), np.asarray(history, np.float64)[kept]
    distances = None
    if minimum is not None and (losses > minimum).any():
        distances = losses - minimum
    theme = choose_theme(dark)
    height, shares = (4.6, [1.0]) if distances is None else (7.0, [1.0, 1.0])
    with _panels(title, height, shares, theme) as (figure, panels):
        _draw_losses(panels[0], steps, losses, minimum, theme)
        panels[0].set_ylabel(f"{what} (nats per symbol)")
        if distances is not None:
            _draw_distance(panels[1], steps, distances, theme)
            panels[1].set_ylabel(f"{what} above the minimum\n(nats per symbol, logarithmic)")
        finish_step_axis(panels[-1], int(steps[-1]))
    return figure


@contextmanager
def _panels(
    title: str, height: float, shares: Sequence[float], theme: Theme
) -> "Iterator[tuple[Figure, list[Axes]]]":
    """Yield a figure and its panels, one below the other, and lay it out after the block.

    The height is in inches; each panel has its share of it.
    """
    title = heading_lines(title)
    with drawing(theme, [title]) as substitutes:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine

        layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
        figure = Figure(figsize=(8, height), dpi=75, layout=layout)
        panels = figure.subplots(len(shares), 1, sharex=True, squeeze=False, height_ratios=shares)[
            :, 0
        ].tolist()
        figure.suptitle(
            title.translate(substitutes), size=type_size(title, 8 * POINTS_PER_INCH, 14)
        )
        yield figure, panels
        figure.align_ylabels()
        # The layout is computed here, in this style, and not again at each save.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")


def draw_network_loss(
    history: Floats,
    validation: Floats,
    *,
    rates: Floats | None = None,
    title: str = "",
    dark: bool = False,
) -> "Figure":
    """Return a picture of a network's training and validation losses.

    Below them is the learning rate, if it is given.

    Parameters
    ----------
    history : array of shape (steps,), nats per symbol
        The loss of each mini-batch before its step. The curve shows means over ``SMOOTHED_POINTS``
        parts of the training, because the losses of single batches are noisy.
    validation : array of shape (m, 2)
        Measurements of the validation loss: the number of steps, and nats per symbol. The lowest
        one, whose step is kept, is marked.
    rates : array of shape (steps,), optional
        The learning rate of each step.

    Raises
    ------
    PlottingError
        The history is empty.
    """
    if not len(history):
        raise PlottingError(NO_CURVE)
    theme = choose_theme(dark)
    height, shares = (4.6, [1.0]) if rates is None else (6.2, [3.6, 1.0])
    with _panels(title, height, shares, theme) as (figure, panels):
        _draw_means(panels[0], history, validation, theme)
        if rates is not None:
            _draw_rates(panels[-1], rates, theme)
        panels[-1].set_xlabel("step")
        panels[-1].locator_params(axis="x", integer=True)
    return figure


def _draw_means(axes: "Axes", history: Floats, validation: Floats, theme: Theme) -> None:
    steps, losses = _means(history)
    _draw_line(axes, steps, losses, theme, label="training, mini-batches")
    if len(validation):
        _draw_validation(axes, validation, theme)
    axes.set_xlim(0, len(history))
    # The loss falls from log V at first: with all of that, the rest would look flat.
    shown = np.concatenate((losses[len(losses) // 20 :], validation[len(validation) // 20 :, 1]))
    low, high = float(shown.min()), float(shown.max())
    low = min(low, float(validation[:, 1].min(initial=np.inf)))  # the best step is marked
    top = high + 0.05
    axes.set_ylim(low - 0.05 - 0.1 * (high - low), top)  # the best step's loss is written below
    if losses[0] > top:
        axes.annotate(
            f"falls from {history[0]:.2f} at step 0, above the axes",
            (steps[int((losses <= top).argmax())], top),
            xytext=(6, -3),
            textcoords="offset points",
            va="top",
            color=theme.line,
            path_effects=_outlined(theme),
        )
    axes.set_ylabel("loss (nats per symbol)")
    axes.legend(frameon=False)
    finish_panel(axes)


SMOOTHED_POINTS = 200
"""The maximum number of points of the curve of a network's training loss."""


def _means(history: Floats) -> tuple[Floats, Floats]:
    """Return the middle step and the mean loss of each part of a history that begins at step 0."""
    parts = np.array_split(np.asarray(history, np.float64), min(len(history), SMOOTHED_POINTS))
    counts = np.array([len(part) for part in parts])
    return np.cumsum(counts) - (counts + 1) / 2, np.array([part.mean() for part in parts])


def _draw_line(
    axes: "Axes", steps: Floats | Ids, values: Floats, theme: Theme, *, label: str = ""
) -> None:
    marker = "o" if len(steps) == 1 else None  # a line of one point is invisible
    axes.plot(steps, values, color=theme.line, linewidth=1.5, marker=marker, label=label)


def _draw_rates(axes: "Axes", rates: Floats, theme: Theme) -> None:
    """Draw the learning rate by step."""
    _draw_line(axes, np.arange(len(rates)), rates, theme)
    axes.set_ylim(0, 1.15 * float(rates.max()))
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
    axes.set_ylabel("learning rate")
    finish_panel(axes)


def _draw_validation(axes: "Axes", validation: Floats, theme: Theme) -> None:
    """Draw the validation losses, and mark the lowest one."""
    axes.plot(*validation.T, color=theme.accent, linewidth=2, label="validation")
    step, loss = validation[validation[:, 1].argmin()].tolist()
    axes.plot([step], [loss], "o", color=theme.accent, markersize=5, clip_on=False)
    axes.annotate(
        f"{loss:.4f} after step {int(step):,}, kept",
        (step, loss),
        xytext=(0, -7),  # above are the training loss and the other validation losses
        textcoords="offset points",
        ha="left" if step < validation[-1, 0] / 2 else "right",
        va="top",
        color=theme.accent,
        path_effects=_outlined(theme),
    )


def _outlined(theme: Theme) -> "list[AbstractPathEffect]":
    """Return the effect that keeps text legible where it stands on a curve."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=3, foreground=theme.background)]


def _draw_losses(
    axes: "Axes", steps: Ids, losses: Floats, minimum: float | None, theme: Theme
) -> None:
    axes.plot(steps, losses, color=theme.line, linewidth=2)
    _mark(axes, 0, float(losses[0]), f"{losses[0]:.4f} at step 0", (8, 8), theme)
    if len(steps) > 1:
        last = f"{losses[-1]:.4f} at step {steps[-1]:,}"
        _mark(axes, int(steps[-1]), float(losses[-1]), last, (0, 10), theme)
    if minimum is not None:
        draw_minimum(axes, minimum, theme)
        axes.margins(y=0.12)
    finish_panel(axes)


def draw_minimum(axes: "Axes", minimum: float, theme: Theme) -> None:
    """Draw the closed-form minimum as a dashed line with its name."""
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


def _draw_distance(axes: "Axes", steps: Ids, distances: Floats, theme: Theme) -> None:
    above = distances > 0
    steps, distances = steps[above], distances[above]
    axes.plot(steps, distances, color=theme.line, linewidth=2)
    axes.set_yscale("log")
    axes.margins(y=0.1)
    axes.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
    axes.yaxis.set_minor_formatter(lambda y, _: f"{y:.8g}")
    # Only a scale of less than a decade needs labels between the powers of ten.
    if distances.max() > 10 * distances.min():
        axes.minorticks_off()
    text = f"{distances[-1]:.2g}"
    _mark(axes, int(steps[-1]), float(distances[-1]), text, (-8, -3), theme)
    finish_panel(axes)


def _mark(
    axes: "Axes", step: int, loss: float, text: str, offset: tuple[int, int], theme: Theme
) -> None:
    """Mark one point and write ``text`` beside it, ``offset`` points away."""
    axes.plot([step], [loss], "o", color=theme.line, markersize=5, clip_on=False)
    axes.annotate(
        text,
        (step, loss),
        xytext=offset,
        textcoords="offset points",
        ha="left" if offset[0] > 0 else "right",
        va="bottom" if offset[1] > 0 else "top",
        path_effects=_outlined(theme),
    )


def finish_panel(axes: "Axes") -> None:
    """Draw a grid, and no lines at the top and the right."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(linewidth=0.6)


def finish_step_axis(axes: "Axes", last: int) -> None:
    """Make the axis of steps logarithmic with room for step 0, and label the powers of ten.

    Of fewer than ten steps each one is labelled.
    """
    axes.set_xscale("symlog", linthresh=1, linscale=0.5)
    marks = range(1, last + 1) if last < 10 else [10**k for k in range(len(str(last)))]
    axes.set_xticks([0, *marks], ["0", *(f"{mark:,}" for mark in marks)])
    axes.set_xlim(0, max(last, 1))
    axes.set_xlabel("step (logarithmic)")
