"""What a stage of a lesson is, and how it is printed."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from makemore.pictures.labels import columns as columns_of

WIDTH = 80
"""Columns of a terminal."""


@dataclass(frozen=True)
class Stage:
    """A stage of a lesson: one idea.

    Attributes
    ----------
    title : str
    formula : list of str
        The equations, with shapes.
    body : list of str
        The numbers.
    notice : str
        What the numbers show.
    functions : tuple of callables, optional
        The functions of the package that were used.
    figure : matplotlib Figure, optional
    claims : mapping of str to bool, optional
        Claims about the numbers, and whether they hold in this run.
    """

    title: str
    formula: Sequence[str]
    body: Sequence[str]
    notice: str
    functions: tuple[Callable[..., Any], ...] = ()
    figure: Any = None
    claims: Mapping[str, bool] = field(default_factory=dict)

    def text(self, number: int) -> str:
        """Return the stage as it is printed."""
        names = [f"{function.__module__}.{function.__qualname__}" for function in self.functions]
        claims = [f"{claim}: {'yes' if holds else 'no'}" for claim, holds in self.claims.items()]
        lines = [
            f"{number}. {self.title}",
            "-" * WIDTH,
            *self.formula,
            *[""] * bool(self.formula),
            *("    " + line for line in self.body),
            *[""] * bool(self.body),
            *(line for claim in claims for line in prefixed("Holds:  ", claim)),
            *prefixed("Notice: ", self.notice),
            *prefixed("Used:   ", ", ".join(names)),
        ]
        return "\n".join(line.rstrip() for line in lines)


def where_it_stands(modules: Mapping[str, str], sources: Sequence[str], notice: str) -> Stage:
    """Return the last stage of a lesson: the modules of makemore, and further reading."""
    width = max(map(len, modules))
    lines = [line for name, what in modules.items() for line in wrapped(what, f"{name:{width}}  ")]
    read = [line for source in sources for line in wrapped(source, "- ")]
    return Stage(
        "Where this stands in makemore", [], [*lines, "", "Further reading:", *read], notice
    )


def table(heads: Sequence[str], rows: Sequence[Sequence[object]], gap: str = "  ") -> list[str]:
    """Return lines of aligned columns; floats have four decimals, and integers commas."""
    cells = [list(heads), *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(columns_of, column)) for column in zip(*cells, strict=True)]
    return [gap.join(map(_on_the_right, row, widths)).rstrip() for row in cells]


def _on_the_right(text: str, width: int) -> str:
    """Return the text after as many spaces as fill the columns of a terminal."""
    return " " * (width - columns_of(text)) + text


def matrix(names: Sequence[str], columns: Sequence[str], values: Any) -> list[str]:
    """Return an array of two axes as lines, with names of its rows and columns."""
    rows = np.asarray(values).tolist()
    return table(["", *columns], [[name, *row] for name, row in zip(names, rows, strict=True)])


def submatrix(values: Any, ids: Any, labels: Sequence[str]) -> list[str]:
    """Return the rows and columns of the first ``ids`` of an array (V, V) as lines of a stage."""
    ids = list(ids)[:8]
    names = [labels[i] for i in ids]
    return matrix(names, names, np.asarray(values)[np.ix_(ids, ids)])


def beside(**arrays: Any) -> list[str]:
    """Return small matrices side by side, each below its name."""
    blocks = []
    for name, array in arrays.items():
        lines = [name, *(" ".join(f"{number:4g}" for number in row) for row in array.tolist())]
        blocks.append([line.ljust(max(map(len, lines))) for line in lines])
    height = max(map(len, blocks))
    full = [block + [" " * len(block[0])] * (height - len(block)) for block in blocks]
    return ["   ".join(parts) for parts in zip(*full, strict=True)]


def tiny(difference: float) -> str:
    """Return a rounding error with one significant digit."""
    return f"{difference:.0e}" if difference else "0"


def apart(one: Any, other: Any) -> float:
    """Return the largest difference between two arrays."""
    return float(np.abs(np.asarray(one) - np.asarray(other)).max())


def unit_rows(rows: Any) -> Any:
    """Return the rows, (m, n), divided by their lengths: the product of two is their cosine."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def shape(array: Any) -> str:
    """Return the shape of an array as text."""
    sizes = ", ".join(f"{size:,}" for size in np.shape(array))
    return f"({sizes},)" if np.ndim(array) == 1 else f"({sizes})"


def wrapped(text: str, prefix: str = "") -> list[str]:
    """Return the text in lines that fit into the body of a stage, the first after the prefix."""
    return prefixed(prefix, text, WIDTH - 4)


def prefixed(prefix: str, text: str, width: int = WIDTH) -> list[str]:
    """Return the text in lines, the first after the prefix, the others below it."""
    return (
        textwrap.wrap(
            text,
            width,
            initial_indent=prefix,
            subsequent_indent=" " * len(prefix),
            break_long_words=False,
            break_on_hyphens=False,
        )
        if text
        else []
    )


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:z.4f}"  # z: no minus before a zero
    return f"{value:,}" if type(value) is int else str(value)
