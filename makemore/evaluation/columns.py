r"""Numbers in front of words, as tab-separated text, for many lines at once.

Formatting one float after another takes most of the time of writing scores. Here the digits of all
numbers are worked out place by place in integers, for all lines at once: a column is an array of
ASCII codes with a row per line, filled up with a byte that UTF-8 never uses. The words follow last
and are copied as they are. It is fastest for some thousand lines, which stay in the cache.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from makemore.arrays import Floats

Characters = npt.NDArray[np.uint8]
"""ASCII codes, a row per line, and ``FILLER``, which is left out when the rows are joined."""

FILLER = 0xFF

_ZERO, _POINT, _MINUS, _TAB, _LINE_FEED = b"0.-\t\n"
_LARGEST = 1 << 53  # the integers up to here are exact in float64


def decimals(values: Floats, places: int = 4) -> Characters:
    """Return the numbers rounded to ``places`` digits behind the point, (n,) -> (n, width).

    They are scaled first and then rounded, so where a number lies half-way the last digit may be
    one off that of ``format``. What is not finite is ``inf``, ``-inf`` or ``nan``.
    """
    scaled = np.abs(values) * 10.0**places
    is_plain = scaled < _LARGEST
    units = np.rint(np.where(is_plain, scaled, 0.0)).astype(np.int64)
    is_negative = (values < 0) & (units > 0)
    digits = max(len(str(units.max(initial=0))), places + 1)
    rows = np.full((len(values), digits + 2), FILLER, np.uint8)
    rows[:, -1 - places] = _POINT
    for k in range(digits):
        tens = units // 10
        column = rows[:, -1 - k if k < places else -2 - k]
        column[:] = units - 10 * tens + _ZERO
        if k > places:
            column[units == 0] = FILLER
        units = tens
    rows[is_negative, 0] = _MINUS
    others = np.flatnonzero(~is_plain).tolist()
    return with_rows(rows, {i: f"{values[i]:.{places}f}" for i in others})


def texts(values: Sequence[str], width: int = 1) -> Characters:
    """Return short texts as a column at least ``width`` wide, n texts -> (n, width)."""
    encoded = [value.encode() for value in values]
    width = max(width, max(map(len, encoded), default=0))
    filled = b"".join(value.ljust(width, bytes([FILLER])) for value in encoded)
    return np.frombuffer(filled, np.uint8).reshape(len(encoded), width)


def with_rows(column: Characters, replaced: Mapping[int, str]) -> Characters:
    """Return a column in which other texts stand in some rows, by their numbers."""
    if not replaced:
        return column
    rows = texts(list(replaced.values()), column.shape[1])
    missing = rows.shape[1] - column.shape[1]
    changed = np.pad(column, ((0, 0), (0, missing)), constant_values=FILLER)
    changed[list(replaced)] = rows
    return changed


def join(columns: Sequence[Characters], text: str) -> str:
    r"""Return the lines of ``text`` with the columns and tabs before them.

    Each of the n lines ends with a line feed.

    >>> join([decimals(np.array([1.25, 10.0]), 2), texts(["yes", "no"])], "emma\nava\n")
    '1.25\tyes\temma\n10.00\tno\tava\n'
    """
    line_bytes = np.frombuffer(text.encode(), np.uint8)
    ends = np.flatnonzero(line_bytes == _LINE_FEED)
    tab = np.full((len(ends), 1), _TAB, np.uint8)
    fields = np.concatenate([part for column in columns for part in (column, tab)], axis=1)
    widths = np.full((len(ends), 2), fields.shape[1])
    widths[:, 1] = np.diff(ends, prepend=-1)
    is_field = np.repeat(np.tile([True, False], len(ends)), widths.ravel())
    joined = np.empty(len(is_field), np.uint8)
    joined[is_field] = fields.ravel()
    joined[~is_field] = line_bytes
    return joined.tobytes().translate(None, bytes([FILLER])).decode()
