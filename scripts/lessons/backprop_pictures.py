"""The pictures of the lesson backprop."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lessons.figures import ACCENT, LINE, MUTED, SIGNED, canvas
from lessons.stage import shape
from makemore.autodiff import data


def draw_passes(v: Mapping[str, Any], hand: Mapping[str, Any]) -> Any:
    """Return heatmaps of the values on their way forward, and below them of the gradients."""
    names = ("x", "z", "normal", "h", "logits", "P")
    sizes = [data(v[name]).shape[1] for name in names]
    with canvas(16, 4.8, 2, len(names), gridspec_kw={"width_ratios": sizes}) as drawn:
        for name, column in zip(names, drawn.axes.T, strict=True):
            pairs = ((name, data(v[name])), (f"d_{name}", hand[name]))
            for axes, (title, values) in zip(column, pairs, strict=True):
                most = float(np.abs(values).max())
                axes.imshow(values, SIGNED, vmin=-most, vmax=most, aspect="auto")
                axes.set(title=f"{title} {shape(values)}", xticks=[], yticks=[])
        drawn.axes[0, 0].set_ylabel("forward: values, to the right")
        drawn.axes[1, 0].set_ylabel("backward: to the left")
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
