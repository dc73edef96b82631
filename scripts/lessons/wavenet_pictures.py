"""The pictures of the lesson wavenet."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lessons.figures import ACCENT, GRID, LINE, MUTED, canvas


def draw_tree(levels: int, positions: int) -> Any:
    """Return dilated connections of all positions, and in colour the tree below the last one."""
    with canvas(12, 4.2) as drawn:
        axes = drawn.axes[0, 0]
        wanted = {positions - 1}
        for level in range(levels, 0, -1):
            distance = 2 ** (level - 1)
            for position in range(positions):
                is_wanted = position in wanted
                for earlier in (position - distance, position):
                    if earlier >= 0:
                        axes.plot(
                            [earlier, position],
                            [level - 1, level],
                            zorder=1 + is_wanted,
                            color=LINE if is_wanted else GRID,
                            lw=2.2 if is_wanted else 1,
                        )
            _draw_nodes(axes, positions, level, wanted)
            wanted |= {position - distance for position in wanted}
        _draw_nodes(axes, positions, 0, wanted)
        names = ["symbols", *(f"level {k}: {2 ** (k + 1)} symbols" for k in range(levels))]
        axes.set_yticks(range(levels + 1), names)
        axes.set_xticks(range(positions))
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set(
            xlabel="position t",
            title=f"One output sees {2**levels} symbols through {levels} levels;"
            " grey merges serve the other positions",
        )
    return drawn.figure


def _draw_nodes(axes: Any, positions: int, level: int, wanted: set[int]) -> None:
    colours = [ACCENT if position in wanted else "#b6c0ca" for position in range(positions)]
    axes.scatter(range(positions), [level] * positions, s=130, c=colours, zorder=3)


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


def draw_positions(lengths: Any) -> Any:
    """Return the length of the gradient at each position of the window, oldest first."""
    with canvas(8, 3.8) as drawn:
        axes = drawn.axes[0, 0]
        colours = [
            ACCENT if position == len(lengths) - 1 else LINE for position in range(len(lengths))
        ]
        axes.bar(np.arange(-len(lengths), 0), lengths, color=colours)
        axes.set(xlabel="position in the window, -1 the last symbol", ylabel="length of dloss/dx")
        axes.set_title("How far each position moves the loss")
    return drawn.figure
