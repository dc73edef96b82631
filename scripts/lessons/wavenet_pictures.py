"""The pictures of the lesson wavenet."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lessons.figures import ACCENT, GRID, LINE, MUTED, canvas


def draw_tree(levels: int, places: int) -> Any:
    """Return dilated connections of all places, and in colour the tree below the last one."""
    with canvas(12, 4.2) as drawn:
        axes = drawn.axes[0, 0]
        wanted = {places - 1}
        for level in range(levels, 0, -1):
            distance = 2 ** (level - 1)
            for place in range(places):
                is_wanted = place in wanted
                for earlier in (place - distance, place):
                    if earlier >= 0:
                        axes.plot(
                            [earlier, place],
                            [level - 1, level],
                            zorder=1 + is_wanted,
                            color=LINE if is_wanted else GRID,
                            lw=2.2 if is_wanted else 1,
                        )
            _draw_nodes(axes, places, level, wanted)
            wanted |= {place - distance for place in wanted}
        _draw_nodes(axes, places, 0, wanted)
        names = ["symbols", *(f"level {k}: {2 ** (k + 1)} symbols" for k in range(levels))]
        axes.set_yticks(range(levels + 1), names)
        axes.set_xticks(range(places))
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set(
            xlabel="place t",
            title=f"One output sees {2**levels} symbols through {levels} levels;"
            " grey merges serve the other places",
        )
    return drawn.figure


def _draw_nodes(axes: Any, places: int, level: int, wanted: set[int]) -> None:
    colours = [ACCENT if place in wanted else "#b6c0ca" for place in range(places)]
    axes.scatter(range(places), [level] * places, s=130, c=colours, zorder=3)


def draw_fields(losses: Mapping[int, Sequence[float]]) -> Any:
    """Return the losses over the length of the window."""
    with canvas(8, 4.2) as drawn:
        axes = drawn.axes[0, 0]
        for part, (name, colour) in enumerate((("training", MUTED), ("validation", LINE))):
            axes.plot(
                list(losses),
                [loss[part] for loss in losses.values()],
                "o-",
                color=colour,
                label=name,
            )
        axes.set_xscale("log", base=2)
        axes.set_xticks(list(losses))
        axes.set(xlabel="symbols in the window", ylabel="loss (nats per symbol)")
        axes.set_title("A longer window helps less and less")
        axes.legend(frameon=False)
    return drawn.figure


def draw_places(lengths: Any) -> Any:
    """Return the length of the gradient at each place of the window, oldest first."""
    with canvas(8, 3.8) as drawn:
        axes = drawn.axes[0, 0]
        colours = [ACCENT if place == len(lengths) - 1 else LINE for place in range(len(lengths))]
        axes.bar(np.arange(-len(lengths), 0), lengths, color=colours)
        axes.set(xlabel="place in the window, -1 the last symbol", ylabel="length of dloss/dx")
        axes.set_title("How far each place moves the loss")
    return drawn.figure
