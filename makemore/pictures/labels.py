"""Labels of symbols and numbers, and the choice of symbols to show.

Pictures, the terminal and the page share this module, which needs none of their libraries.
"""

import math
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from makemore.arrays import Floats, Ids, Table
from makemore.data.vocabulary import BOUNDARY
from makemore.errors import EACH_BUT_JOINED


class Quantity(NamedTuple):
    """The meaning of the numbers of a table, and how they are shown.

    Attributes
    ----------
    label : str
        The label of the colour scale.
    text : function of float to str
        Formats a number for a cell.
    gamma : float
        The exponent from numbers to colours. Most pairs are rare; the square root, 0.5, keeps them
        distinguishable.
    more : str
        What a colour that stands out more means.
    """

    label: str
    text: Callable[[float], str]
    gamma: float
    more: str


def _probability_text(value: float) -> str:
    return "0" if value == 0 else f"{value:.2f}".removeprefix("0")


def _count_text(value: float) -> str:
    for unit, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 100 * unit:
            return f"{value / unit:.0f}{suffix}"
    return f"{value:.0f}"


def _weight_text(value: float) -> str:
    if value == -math.inf:
        return "\N{MINUS SIGN}∞"
    tenths = round(value, 1) + 0.0  # turns -0.0 into 0.0
    return f"{tenths:.1f}".replace("-", "\N{MINUS SIGN}")


QUANTITIES: Mapping[str, Quantity] = {
    "probabilities": Quantity("P(second | first)", _probability_text, 0.5, "more probable"),
    "counts": Quantity("count", _count_text, 0.5, "more frequent"),
    "weights": Quantity("weight (logit)", _weight_text, 1.0, "a larger weight"),
}
"""The values that a heatmap can show, by their name on the command line."""


def table_part(table: Table, ids: Ids, values: str) -> Floats:
    """Return the rows and columns of ``ids`` as floats, (V, V) -> (len(ids), len(ids)).

    A weight whose probability is zero in float64 becomes -inf.
    """
    part = np.asarray(table[np.ix_(ids, ids)], np.float64)
    if values == "weights":
        largest = table[ids].max(axis=1, keepdims=True)
        part = np.where(np.exp(part - largest) > 0, part, -np.inf)
    return part


def limits(table: Floats, values: str) -> tuple[float, float]:
    """Return the limits of the colour scale; the second is always the larger one."""
    finite = table[np.isfinite(table)]
    low = float(finite.min()) if values == "weights" else 0.0
    high = float(finite.max())
    return low, high if high > low else low + 1.0


def symbol_label(symbol: str) -> str:
    r"""Return ``symbol``, an entry of ``Vocabulary.itos``, as pictures and tables write it.

    Different symbols have different labels, and a label never holds a control character.

    >>> [symbol_label(symbol) for symbol in ("", ".", "a", " ", "\x07", "\u0301", "\u202e")]
    ['.', "'.'", 'a', '␣', '\\x07', '◌́', 'U+202E']
    """
    if not symbol:
        return "."
    if symbol == " ":
        return "␣"
    if len(symbol) > 1:
        return printable(symbol)
    if symbol in (".", "␣"):
        return f"'{symbol}'"
    if unicodedata.name(symbol, "").startswith("VARIATION SELECTOR"):
        return code_point(symbol)
    if unicodedata.category(symbol).startswith("M"):
        return "◌" + symbol  # a mark needs something to stand on
    return printable(symbol)


def unit_name(symbols: Sequence[str]) -> str:
    """Return the noun for the elements of an alphabet, of which some may have several characters.

    >>> unit_name(["", "C", "O"]), unit_name(["", "C", "Cl"])
    ('character', 'symbol')
    """
    return "symbol" if max(map(len, symbols)) > 1 else "character"


def printable(text: str) -> str:
    """Return ``text`` with an escape for each character that is not printable."""
    return EACH_BUT_JOINED.sub(
        lambda found: found[0] if found[0].isprintable() else code_point(found[0]), text
    )


def code_point(character: str) -> str:
    """Return the escape of one character."""
    code = ord(character)
    return f"\\x{code:02x}" if code < 0xA0 else f"U+{code:04X}"


def columns(text: str) -> int:
    """Return how many columns of a terminal ``text`` takes, and about how many half ems in print.

    Marks and formatting characters take none, wide East Asian characters two.
    """
    shown = [c for c in text if unicodedata.category(c) not in ("Mn", "Me", "Cf")]
    return len(shown) + sum(unicodedata.east_asian_width(c) in "WF" for c in shown)


class Selection(NamedTuple):
    """The ids that are shown, in order, and a note on those that are not ("" when all are)."""

    ids: Ids
    note: str


def select_symbols(V: int, frequencies: Table | None, limit: int) -> Selection:
    """Choose at most ``limit`` of V symbols: the boundary and the most frequent."""
    if limit >= V:
        return Selection(np.arange(V), "")
    if frequencies is None:
        return Selection(np.arange(limit), f"the first {limit:,} of {V:,} symbols")
    weights = np.array(frequencies, np.float64)
    share = weights / weights.sum()
    weights[BOUNDARY] = np.inf
    ids = np.sort(np.argsort(-weights, kind="stable")[:limit])
    percent = f"{100 * share[ids].sum():.1f}%"
    return Selection(ids, f"the {limit:,} most frequent of {V:,} symbols, {percent} of the text")
