"""The pictures of the lesson mlp."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lessons.figures import ACCENT, COLOURS, GRID, LINE, MUTED, POSITIVE, canvas

PUBLISHED = {"names.txt, bigram": 2.45, "taught": 2.17, "taught, well started": 2.10}
"""Losses in nats per symbol."""


def draw_rates(
    rates: Sequence[float],
    losses: Sequence[float],
    middles: Sequence[float],
    smooth: Sequence[float],
    best: float,
) -> Any:
    """Return the loss of each step over its learning rate."""
    with canvas(8, 4.2) as drawn:
        axes = drawn.axes[0, 0]
        axes.semilogx(rates, losses, color=GRID, lw=0.8)
        axes.semilogx(middles, smooth, "o-", color=LINE, ms=4)
        axes.axvline(best, color=ACCENT, ls="--", lw=1)
        axes.annotate(
            f"lowest near {best:.2f}",
            (best, smooth[0] + 0.4),
            color=ACCENT,
            ha="right",
            xytext=(-6, 0),
            textcoords="offset points",
        )
        axes.set(xlabel="learning rate", ylabel="loss (nats per symbol)")
        axes.set(
            title="One run, a larger rate each step", ylim=(min(smooth) - 0.1, smooth[0] + 0.6)
        )
    return drawn.figure


def draw_starts(seen: Mapping[str, tuple[float, Sequence[Any], Sequence[Any]]]) -> Any:
    """Return histograms: activations above, gradients below, a column for each start."""
    with canvas(16, 6.4, 2, len(seen)) as drawn:
        for column, (start, (loss, hidden, slopes)) in enumerate(seen.items()):
            above, below = drawn.axes[:, column]
            widest = max(float(np.abs(slope).max()) for slope in slopes) or 1.0
            for layer, (h, slope) in enumerate(zip(hidden, slopes, strict=True), 1):
                colour = COLOURS[layer - 1]
                above.plot(*_histogram(h, 1.0), color=colour, label=f"layer {layer}")
                below.plot(*_histogram(slope, widest), color=colour)
            stuck = float(np.mean(np.abs(hidden[-1]) > 0.97))
            above.set(title=f"{start}: loss {loss:.2f}, {stuck:.0%} stuck")
            above.set(xlabel="activation tanh(h W)", yticks=[])
            below.set(xlabel="gradient of the activation", yticks=[], yscale="log")
            below.ticklabel_format(axis="x", style="plain")
            below.locator_params(axis="x", nbins=3)
        drawn.axes[0, 0].legend(frameon=False)
        drawn.axes[0, 0].set_ylabel("share of the activations")
        drawn.axes[1, 0].set_ylabel("share of the gradients (logarithmic)")
    return drawn.figure


def _histogram(values: Any, widest: float) -> tuple[Any, Any]:
    counts, edges = np.histogram(values, 61, (-widest, widest))
    return (edges[1:] + edges[:-1]) / 2, counts / counts.sum()


def draw_units(fires: Mapping[str, Any]) -> Any:
    """Return for each start which unit fires in which window, dark where it does."""
    with canvas(13, 4.2, 1, len(fires), sharey=True) as drawn:
        for axes, (name, table) in zip(drawn.axes[0], fires.items(), strict=True):
            axes.imshow(table, POSITIVE, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
            axes.set(title=name, xlabel="unit; a white column is a dead one")
        drawn.axes[0, 0].set_ylabel("window")
    return drawn.figure


def draw_ratios(ratios: Mapping[str, Any], losses: Mapping[str, Sequence[float]]) -> Any:
    """Return the update ratios of each layer over the steps, and the losses."""
    with canvas(17, 3.8, 1, len(ratios) + 1) as drawn:
        for axes, (start, table) in zip(drawn.axes[0], ratios.items(), strict=False):
            for layer, curve in enumerate(np.transpose(table)[:-1], 1):
                steps = 10 * np.arange(len(curve))
                axes.semilogy(steps, curve, color=COLOURS[layer - 1], label=f"layer {layer}")
            axes.axhline(1e-3, color=MUTED, ls="--", lw=1)
            axes.set(title=start, xlabel="step", ylim=(1e-6, 1))
        drawn.axes[0, 0].set_ylabel("update / weight, a step")
        drawn.axes[0, 0].legend(frameon=False, ncols=2)
        last = drawn.axes[0, -1]
        for (start, curve), colour in zip(losses.items(), COLOURS, strict=False):
            parts = np.array_split(curve, min(len(curve), 40))
            middles = np.linspace(0, len(curve), len(parts))
            last.plot(middles, [part.mean() for part in parts], color=colour, label=start)
        lowest = min(min(curve) for curve in losses.values())
        last.set(title="loss", xlabel="step", ylim=(lowest - 0.1, lowest + 2))
        last.legend(frameon=False)
    return drawn.figure


def draw_training(losses: Sequence[float], found: Sequence[float]) -> Any:
    """Return the training loss over the steps, and where published numbers lie."""
    with canvas(8, 4.2) as drawn:
        axes = drawn.axes[0, 0]
        parts = np.array_split(losses, min(len(losses), 150))
        middles = np.linspace(0, len(losses), len(parts))
        axes.plot(middles, [part.mean() for part in parts], color=LINE, label="training, batches")
        for name, value in PUBLISHED.items():
            axes.axhline(value, color=MUTED, ls="--", lw=0.8)
            text = f"{name} {value:.2f}"
            label = axes.text(0.03 * len(losses), value, text, color=MUTED, va="bottom", size=9)
            label.set(clip_on=True, in_layout=False)  # with other words it may lie outside
        axes.plot([len(losses)], [found[1]], "o", color=ACCENT, clip_on=False)
        axes.annotate(
            f"validation {found[1]:.3f}",
            (len(losses), found[1]),
            color=ACCENT,
            ha="right",
            xytext=(-10, 14),
            textcoords="offset points",
        )
        lowest = min(min(found), *PUBLISHED.values()) - 0.1
        axes.set(xlabel="step", ylabel="loss (nats per symbol)", ylim=(lowest, lowest + 0.9))
        if found[1] > lowest + 0.9:  # other words than names
            axes.set_ylim(lowest, losses[0])
    return drawn.figure
