"""The pictures of the lesson recurrent."""

from collections.abc import Mapping, Sequence
from math import log
from typing import Any

import numpy as np

from lessons.figures import ACCENT, GREEN, LINE, MUTED, canvas

STYLES = (
    ("#9ecae1", "-"),
    (LINE, "-"),
    ("#08306b", "-"),
    (GREEN, "-"),
    (ACCENT, "--"),
    (ACCENT, "-"),
)
"""Of three rnn, the gru and two lstm."""
SHADES = ("#c6dbef", "#9ecae1", "#6baed6", "#4292c6", "#2171b5", "#08306b")


def draw_lengths(lengths: Mapping[str, Any]) -> Any:
    """Return the length of each gradient over the steps back."""
    with canvas(9, 5) as drawn:
        axes = drawn.axes[0, 0]
        for (name, curve), (colour, style) in zip(lengths.items(), STYLES, strict=True):
            axes.semilogy(curve, style, color=colour, lw=2, label=name)
        axes.axhline(1, color=MUTED, lw=0.8)
        axes.set(xlabel="steps back in time", ylabel="length of the gradient, 1 at the last step")
        axes.set(xlim=(0, len(curve) - 1), title="What is left of a gradient")
        axes.set_xticks(range(0, len(curve), 5))
        axes.legend(frameon=False)
    return drawn.figure


def draw_gates(gates: Mapping[float, float], steps: int) -> Any:
    """Return f to the power of the steps, for each bias."""
    with canvas(8, 4.2) as drawn:
        axes = drawn.axes[0, 0]
        for place, (bias, f) in enumerate(gates.items()):
            axes.plot(
                f ** np.arange(steps + 1),
                color=SHADES[place],
                lw=2,
                label=f"bias {bias:g}, f = {f:.2f}",
            )
        axes.set(xlabel="steps", ylabel="what is left of the memory", xlim=(0, steps))
        axes.set_title("A memory behind a forget gate that stays at f")
        axes.legend(frameon=False, loc="upper right", bbox_to_anchor=(1, 0.75))
    return drawn.figure


def draw_curves(curves: Mapping[str, Sequence[float]]) -> Any:
    """Return the losses of the memory task."""
    with canvas(9, 4.6) as drawn:
        axes = drawn.axes[0, 0]
        for (name, curve), (colour, style) in zip(curves.items(), STYLES, strict=True):
            parts = np.array_split(curve, min(len(curve), 50))
            middles = np.linspace(0, len(curve), len(parts))
            axes.plot(
                middles, [part.mean() for part in parts], style, color=colour, lw=2, label=name
            )
        axes.axhline(log(2), color=MUTED, lw=0.8)
        axes.set(xlabel="step", ylabel="loss (nats)", ylim=(-0.02, 1))
        axes.set_title("Which bit came first, twenty steps ago? The line is guessing")
        axes.legend(frameon=False, ncols=2, loc="upper right")
    return drawn.figure
