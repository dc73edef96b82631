"""Symbols of several characters: how a corpus shows them, and how text is cut into them.

Text is cut from the left, each time at the longest symbol that fits; a character at which none
begins is a symbol by itself. That rule holds when a model is trained and when it reads a word: what
a user says at the training only tells which symbols there are.

All counting needs text with one character for each symbol. So a symbol of several characters is
written as one of Unicode's private characters, U+F0000 and up, and spelled out where a person reads
it. A private character that is in the text itself is replaced by another.
"""

import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from importlib import import_module
from itertools import groupby
from typing import Any

from makemore.errors import OptionError, VocabularyError, shown

MAX_SYMBOL = 64
"""The longest symbol, in characters."""

_FIRST = 0xF0000  # the private planes 15 and 16, to the end of Unicode
_STRANGE = "\U0010ffff"  # never assigned: it replaces a private character that is no symbol

_SMILES = r"\[[^\[\]]*\]|Br|Cl|%\d\d|%\(\d+\)"
"""Bracket atoms, two-letter atoms that need no brackets, and ring numbers from 10 on.

OpenSMILES specification, sections 3.1 to 3.4.
"""


def finder_of(rule: str) -> Callable[[str], Iterable[str]]:
    r"""Return the function that finds the symbols of several characters in a line.

    Parameters
    ----------
    rule : str
        "graphemes" (extended grapheme clusters, Unicode Standard Annex 29), "smiles", or a regular
        expression that matches symbols.

    Raises
    ------
    OptionError
        The rule is no regular expression, or the package ``regex`` for graphemes is missing.

    Examples
    --------
    >>> [symbol for symbol in finder_of("smiles")("C[C@@H](Br)Cl") if len(symbol) > 1]
    ['[C@@H]', 'Br', 'Cl']
    """
    if rule == "graphemes":
        try:
            graphemes: Any = import_module("regex").compile(r"\X")
        except ImportError:
            raise OptionError(
                "--symbols graphemes needs the package regex: pip install regex"
            ) from None
        return lambda line: () if line.isascii() else graphemes.findall(line)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of sets that look nested
            pattern = re.compile(_SMILES if rule == "smiles" else rule)
    except (re.error, RecursionError, OverflowError) as error:
        raise OptionError(
            f"--symbols is '{shown(rule)}': expected graphemes, smiles or a regular expression:"
            f" {shown(str(error))}"
        ) from None
    return lambda line: [match[0] for match in pattern.finditer(line)]


def needs_a_stand_in(symbol: str) -> bool:
    r"""Return whether a symbol needs a private character: it is long, or private itself.

    >>> [symbol for symbol in ("C", "Cl", "\U000f0001") if needs_a_stand_in(symbol)]
    ['Cl', '\U000f0001']
    """
    return len(symbol) > 1 or ord(symbol) >= _FIRST


class Spelling:
    r"""Symbols of several characters, and the private character that stands for each in text.

    Parameters
    ----------
    symbols : iterable of str
        At least one that needs a stand-in. Others are ignored, and repeats count once.

    Attributes
    ----------
    symbols : tuple of str
        In code-point order. Their stand-ins have ascending code points.

    Raises
    ------
    VocabularyError
        A symbol is longer than ``MAX_SYMBOL``.

    Examples
    --------
    >>> spelling = Spelling(["Cl", "C", "[nH]"])
    >>> spelling.shortened("CCl")
    'C\U000f0000'
    >>> spelling.spelled_out("C\U000f0000")
    'CCl'
    >>> spelling.cut("CClc[nH]")
    ['C', 'Cl', 'c', '[nH]']
    """

    def __init__(self, symbols: Iterable[str]) -> None:
        self.symbols = tuple(sorted(set(filter(needs_a_stand_in, symbols))))
        longest = max(self.symbols, key=len, default="")
        if len(longest) > MAX_SYMBOL:
            raise VocabularyError(
                f"the symbol '{shown(longest[:MAX_SYMBOL])}…' has {len(longest):,} characters and"
                f" the limit is {MAX_SYMBOL}"
            )
        if len(self.symbols) > ord(_STRANGE) - _FIRST:
            raise VocabularyError(f"{len(self.symbols):,} symbols of several characters: too many")
        self._stand_ins = {symbol: chr(_FIRST + i) for i, symbol in enumerate(self.symbols)}
        self._table = {ord(stand_in): symbol for symbol, stand_in in self._stand_ins.items()}

    def shortened(self, text: str) -> str:
        """Return ``text`` with one character for each symbol."""
        return self._pattern.sub(lambda found: self._stand_ins.get(found[0], _STRANGE), text)

    def spelled_out(self, text: str) -> str:
        """Return shortened text as people write it."""
        return text.translate(self._table)

    def cut(self, text: str) -> list[str]:
        """Return the symbols of text that is not shortened."""
        return self._pieces.findall(text)

    @cached_property
    def _pieces(self) -> re.Pattern[str]:
        return re.compile(f"{self._pattern.pattern}|.", re.DOTALL)

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        private = f"[{chr(_FIRST)}-\U0010ffff]"
        return re.compile(f"{_tree(self.symbols)}|{private}")


def _tree(strings: Sequence[str], depth: int = 0) -> str:
    """Return a regular expression for the rest of strings after ``depth``, the longest first.

    It is a tree: a list of thousands of alternatives would be tried one by one.

    Parameters
    ----------
    strings : sequence of str
        Distinct, in order; their first ``depth`` characters are the same.

    Examples
    --------
    >>> _tree(["Br", "C", "Cl", "Cn"])
    '(?:Br|C(?:l|n)?)'
    """
    is_end = len(strings[0]) == depth
    ways = [
        re.escape(character) + _tree(list(alike), depth + 1)
        for character, alike in groupby(strings[is_end:], key=lambda string: string[depth])
    ]
    if len(ways) < 2 and not (is_end and ways):
        return "".join(ways)
    return f"(?:{'|'.join(ways)}){'?' * is_end}"
