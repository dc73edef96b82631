"""The pictures of the lesson backprop."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lessons.figures import ACCENT, LINE, MUTED, SIGNED, canvas
from lessons.stage import shape
from makemore.autodiff import data

MAX_LABELS = 40
"""The maximum number of columns with labels, which would overlap if there were more."""


def draw_passes(v: Mapping[str, Any], hand: Mapping[str, Any], labels: Sequence[str]) -> Any:
    """Return heatmaps of the values of the forward pass, and below them of the gradients.

    ``labels`` name the symbols, which are the columns of the logits and of P.
    """
    names = ("x", "z", "normal", "h", "logits", "P")
    sizes = [min(data(v[name]).shape[1], MAX_LABELS) for name in names]
    ratios = {"width_ratios": sizes}
    with canvas(16, 6.2, 2, len(names), sharey=True, gridspec_kw=ratios, texts=labels) as drawn:
        for name, column in zip(names, drawn.axes.T, strict=True):
            pairs = ((name, data(v[name])), (f"d_{name}", hand[name]))
            for axes, (title, values) in zip(column, pairs, strict=True):
                most = float(np.abs(values).max()) or 1.0
                image = axes.imshow(
                    values / most, SIGNED, vmin=-1, vmax=1, aspect="auto", interpolation="nearest"
                )
                axes.set(title=f"{title} {shape(values)}\nup to {most:.3g}", xticks=[])
                if name in ("logits", "P") and len(labels) <= MAX_LABELS:
                    axes.set_xticks(range(len(labels)), map(drawn.text, labels), size=9)
                axes.tick_params(length=0)
        drawn.axes[0, 0].set(ylabel="forward: values, to the right", yticks=range(len(values)))
        drawn.axes[1, 0].set_ylabel("backward: to the left")
        bar = drawn.figure.colorbar(image, ax=drawn.axes, ticks=[-1, 0, 1], aspect=40, pad=0.01)
        bar.set_ticklabels(["-most", "0", "most"])
        drawn.figure.supxlabel(
            "Each row is a window of the batch. The columns of logits and P are the symbols. Each"
            " panel has a colour scale of its own, up to the number in its title."
        )
    return drawn.figure


def draw_unit(unit: int, d_out: Any, d_z: Any) -> Any:
    """Return the gradients of one unit above and below batch normalisation, (B,) each."""
    places = np.arange(len(d_z))
    with canvas(8, 4) as drawn:
        axes = drawn.axes[0, 0]
        axes.axhline(0, color=MUTED, lw=0.8)
        axes.bar(places - 0.2, d_out, 0.4, color=ACCENT, label="d_out, what comes in")
        axes.bar(places + 0.2, d_z, 0.4, color=LINE, label="d_z, what is handed down: sums to 0")
        axes.set(
            xlabel="window of the batch", title=f"Unit {unit}: the gradient through batch norm"
        )
        axes.legend(frameon=False)
    return drawn.figure
