"""The table of pairs as text for a terminal."""

import textwrap
import unicodedata
from collections.abc import Sequence

import numpy as np

from makemore.arrays import Floats, Table
from makemore.pictures.labels import (
    QUANTITIES,
    columns,
    limits,
    select_symbols,
    symbol_label,
    table_part,
    unit_name,
)

SHADES = " ░▒▓█"
# xterm's 256 colours, white to navy, as (background, text on it).
_TERMINAL_SCALE = (
    *((background, 16) for background in (231, 195, 153, 117, 75, 33)),
    *((background, 231) for background in (26, 25, 18, 17)),
)


def heatmap_text(
    table: Table,
    symbols: Sequence[str],
    width: int,
    colour: bool,
    *,
    values: str = "probabilities",
    frequencies: Table | None = None,
) -> str:
    """Return ``table`` as lines for a terminal of ``width`` columns, without a final line feed.

    A cell is two columns wide, which makes it about square: a shade, or with ``colour`` one of
    xterm's 256 colours as background with the bigram in it if its characters are narrow. If not
    all symbols fit, the most frequent are shown, and the last line says so. The other parameters
    are those of ``draw_heatmap``.
    """
    margin = max(columns(symbol_label(symbol)) for symbol in symbols) + 1
    selection = select_symbols(len(symbols), frequencies, max(1, (width - margin) // 2))
    shown = table_part(table, selection.ids, values)
    labels = [_terminal_label(symbols[i]) for i in selection.ids]
    margin = max(map(columns, labels)) + 1
    low, high = limits(shown, values)
    intensities = ((np.maximum(shown, low) - low) / (high - low)) ** QUANTITIES[values].gamma
    paint = _coloured_row if colour else _shaded_row
    rows = [
        _padded(first, margin) + paint(row, first, labels)
        for first, row in zip(labels, intensities, strict=True)
    ]
    reading = f"rows: first {unit_name(symbols)}, columns: second"
    reading = "; ".join(filter(None, (reading, selection.note)))
    legend = _coloured_legend if colour else _shaded_legend
    notes = [*legend(low, high, values, width), *_wrapped(reading, width)]
    return "\n".join([*_column_heads(labels, margin), *rows, "", *notes])


def _terminal_label(symbol: str) -> str:
    """Return the label of ``symbol``; a right-to-left one does not reverse the line."""
    label = symbol_label(symbol)
    left_to_right_mark = "\u200e"
    if any(unicodedata.bidirectional(character) in ("R", "AL") for character in label):
        return label + left_to_right_mark
    return label


def _padded(text: str, width: int) -> str:
    return text + " " * (width - columns(text))


def _column_heads(labels: Sequence[str], margin: int) -> list[str]:
    """Return the lines above the columns; a label wider than two columns is written downwards."""
    stacks = [[label] if columns(label) <= 2 else list(label) for label in labels]
    height = max(map(len, stacks))
    stacks = [[""] * (height - len(stack)) + stack for stack in stacks]
    return [
        (" " * margin + "".join(_padded(stack[line], 2) for stack in stacks)).rstrip()
        for line in range(height)
    ]


def _shaded_row(intensities: Floats, first: str, labels: Sequence[str]) -> str:
    levels = np.rint(intensities * (len(SHADES) - 1)).astype(int)
    return "".join(2 * SHADES[level] for level in levels).rstrip()


def _coloured_row(intensities: Floats, first: str, labels: Sequence[str]) -> str:
    cells = []
    for intensity, second in zip(intensities, labels, strict=True):
        background, ink = _TERMINAL_SCALE[round(intensity * (len(_TERMINAL_SCALE) - 1))]
        text = first + second if columns(first) == columns(second) == 1 else ""
        cells.append(f"\x1b[48;5;{background};38;5;{ink}m{_padded(text, 2)}")
    return "".join(cells) + "\x1b[0m"


def _shaded_legend(low: float, high: float, values: str, width: int) -> list[str]:
    """Return the legend of the shades: the number from which each one is used."""
    quantity, steps = QUANTITIES[values], len(SHADES) - 1
    halfway = (np.arange(1, steps + 1) - 0.5) / steps
    edges = low + (high - low) * halfway ** (1 / quantity.gamma)
    texts = [f"{edge:.2g}" if abs(edge) < 1 else quantity.text(float(edge)) for edge in edges]
    parts = [f"{shade} from {text}" for shade, text in zip(SHADES[1:], texts, strict=True)]
    return _wrapped(f"{quantity.label}: " + ", ".join(parts), width)


def _coloured_legend(low: float, high: float, values: str, width: int) -> list[str]:
    """Return the legend of the colours: one line with the scale and its limits."""
    quantity = QUANTITIES[values]
    swatches = "".join(f"\x1b[48;5;{background}m  " for background, _ in _TERMINAL_SCALE)
    return [f"{quantity.label}: {quantity.text(low)} {swatches}\x1b[0m {quantity.text(high)}"]


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(width, 20))
