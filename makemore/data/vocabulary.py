"""The two-way table between symbols and ids.

A symbol is a character, or a text of several. Characters take the ids from 1 in code-point order,
symbols of several characters those that follow. Id 0 is the boundary that starts and ends every
word; it is an id and not a character, so a word may hold any character but a line end, even ``.``.
``counting/`` finds the symbols of a corpus.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from makemore.arrays import Ids, Symbols
from makemore.data.symbols import Spelling, needs_a_stand_in
from makemore.data.text import code_points, refuse_one_text
from makemore.errors import VocabularyError, shown

BOUNDARY = 0
UNKNOWN = -1  # marks what is not in the vocabulary; it is no id and cannot be decoded
REPLACEMENT = "\ufffd"  # Unicode's replacement character
MAX_VOCABULARY = 8_192  # V x V float64 weights of this size take 512 MiB
_LINE_ENDS = "\n\r"


class Vocabulary:
    """The symbols of a corpus and their ids.

    Parameters
    ----------
    symbols : iterable of str
        In any order; repeats count once. A ``str`` stands for its characters.
    unknown : iterable of str
        Symbols of several characters into which text is cut as well, but that have no id.
    has_unk : bool
        Whether the symbol ``REPLACEMENT`` stands for every character that is no symbol.

    Attributes
    ----------
    symbols : tuple of str
        The V-1 distinct symbols in the order of their ids.
    spelling : Spelling or None
        Of the symbols of several characters; None where there are none.
    characters : str
        One for each symbol, in code-point order: itself, or its stand-in.
    itos : tuple of str, length V
        Id to symbol; ``itos[0]`` is the empty string, for the boundary writes nothing.
    stoi : dict of str to int
        Symbol to id, 1..V-1.
    unk : int or None
        The id of every character that is no symbol; None where those are ``UNKNOWN``. It is read,
        but never generated.

    Raises
    ------
    VocabularyError
        No symbol, more than ``MAX_VOCABULARY``, an empty or a very long one, a line end, or a
        surrogate.

    Examples
    --------
    >>> vocabulary = Vocabulary("banana")
    >>> vocabulary.stoi
    {'a': 1, 'b': 2, 'n': 3}
    >>> vocabulary.encode("nab")
    array([3, 1, 2])
    >>> vocabulary.decode([3, 1, 2])
    'nab'
    >>> Vocabulary(["C", "Cl", "N"]).encode("CClN")
    array([1, 3, 2])
    """

    def __init__(
        self, symbols: Iterable[str], unknown: Iterable[str] = (), *, has_unk: bool = False
    ) -> None:
        distinct, unknown = set(symbols), set(unknown)
        if "" in distinct | unknown:
            raise VocabularyError("a symbol has no characters: expected at least one")
        self.spelling = None
        if any(map(needs_a_stand_in, unknown)) or any(len(symbol) > 1 for symbol in distinct):
            self.spelling = Spelling(distinct | unknown)
        self.characters = "".join(sorted(map(self.shortened, distinct)))
        if not self.characters:
            raise VocabularyError("the vocabulary is empty: expected at least one character")
        if len(self.characters) >= MAX_VOCABULARY:
            raise VocabularyError(
                f"the corpus has {len(self.characters):,} distinct characters and the limit is"
                f" {MAX_VOCABULARY - 1:,}: drop the words with rare ones by --min-count"
            )
        for character in "".join(distinct | unknown):
            if character in _LINE_ENDS or "\ud800" <= character <= "\udfff":
                raise VocabularyError(
                    f"{character!a} cannot stand in a word: line ends separate words and surrogates"
                    " are not characters"
                )
        self.symbols = tuple(map(self.spelled_out, self.characters))
        self.itos: tuple[str, ...] = ("", *self.symbols)
        self.stoi: dict[str, int] = {s: i for i, s in enumerate(self.itos) if i != BOUNDARY}
        if has_unk and (REPLACEMENT not in self.stoi or self.spelling):
            raise VocabularyError(
                "a vocabulary of single characters lacks the one for unknown ones"
            )
        self.unk = self.stoi[REPLACEMENT] if has_unk else None

    @property
    def unknown(self) -> tuple[str, ...]:
        """The symbols of several characters without an id, in code-point order."""
        cut = self.spelling.symbols if self.spelling else ()
        return tuple(symbol for symbol in cut if symbol not in self.stoi)

    def __len__(self) -> int:
        """Return V: the symbols and the boundary."""
        return len(self.itos)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Vocabulary)
            and self.symbols == other.symbols
            and self.unknown == other.unknown
            and self.unk == other.unk
        )

    def __hash__(self) -> int:
        return hash((self.symbols, self.unknown, self.unk))

    def __repr__(self) -> str:
        return f"Vocabulary({list(self.symbols) if self.spelling else self.characters!r})"

    def cut(self, text: str) -> list[str]:
        """Return the symbols of ``text``, known or not.

        >>> Vocabulary(["C", "Cl"]).cut("CClN")
        ['C', 'Cl', 'N']
        """
        return self.spelling.cut(text) if self.spelling else list(text)

    def spelled_out(self, text: str) -> str:
        """Return text with one character for each symbol as people write it."""
        return self.spelling.spelled_out(text) if self.spelling else text

    def shortened(self, text: str) -> str:
        """Return text as people write it with one character for each symbol."""
        return self.spelling.shortened(text) if self.spelling else text

    def encode(self, word: str) -> Ids:
        """Return the ids of the symbols of ``word``, shape (symbols,), without boundaries.

        Raises ``VocabularyError`` for a symbol that is not in the vocabulary.
        """
        ids = self.encode_lines(word)
        if self.unk is not None:
            ids[ids == self.unk] = UNKNOWN
        if len(word) and ids.min() <= BOUNDARY:  # a line feed, too, is no character
            unknown = self.cut(word)[int(np.argmin(ids > BOUNDARY))]
            what = "symbol" if self.spelling else "character"
            raise VocabularyError(
                f"the {what} '{shown(unknown)}' is not in the vocabulary of {len(self) - 1:,}"
                f" {what}s{self._advice(word, unknown)}"
            )
        return ids

    def decode(self, ids: Sequence[int] | Ids) -> str:
        """Return the symbols of ``ids`` as one string; boundaries write nothing.

        Raises ``VocabularyError`` for an id that the vocabulary does not have.
        """
        if len(ids) and not 0 <= min(ids) <= max(ids) < len(self):
            raise VocabularyError(
                f"the ids are from {min(ids)} to {max(ids)}: expected 0 to {len(self) - 1}"
            )
        return "".join(self.itos[i] for i in ids)

    def encode_words(self, words: Sequence[str]) -> Ids:
        """Return all words in one row of ids with a boundary before, between and after them.

        The shape is (n + 1,), where n counts each word's symbols and its end-of-word symbol: the
        boundary that ends one word starts the next. Raises ``VocabularyError``.

        >>> Vocabulary("ab").encode_words(["ab", "b"])
        array([0, 1, 2, 0, 2, 0])
        """
        refuse_one_text(words)
        ids = self.encode_lines("".join(f"\n{word}" for word in words) + "\n")
        if ids.min() == UNKNOWN or np.count_nonzero(ids == BOUNDARY) != len(words) + 1:
            for word in words:
                self.encode(word)  # raises the error that names the symbol
        return ids

    def encode_lines(self, text: str) -> Ids:
        r"""Return the id of each symbol of lines that end with a line feed, (symbols,).

        A line feed is the boundary; a symbol that is not in the vocabulary is ``unk`` or
        ``UNKNOWN``.

        >>> Vocabulary("ab").encode_lines("ab\nxb\n")
        array([ 1,  2,  0, -1,  2,  0])
        """
        return np.asarray(self.encode_text(self.shortened(text)), np.int64)

    def encode_text(self, text: str) -> Symbols:
        """Return the ids of text that is ``shortened`` already, in 16 bits."""
        # "clip" takes the last entry, unknown, for a code point beyond the table
        return np.asarray(self._ids_by_code_point.take(code_points(text), mode="clip"))

    @cached_property
    def _ids_by_code_point(self) -> Symbols:
        """Code point to id; the line feed is the boundary, and the last entry is unknown."""
        other = UNKNOWN if self.unk is None else self.unk
        table = np.full(max(ord(self.characters[-1]), ord("\n")) + 2, other, np.int16)
        table[[ord(s) for s in self.characters]] = np.arange(1, len(self))
        table[ord("\n")] = BOUNDARY
        return table

    def _advice(self, word: str, unknown: str) -> str:
        """Return what else would accept a word with an unknown character, or nothing."""
        for form in ("NFC", "NFD"):
            if set(unicodedata.normalize(form, word)) <= set(self.characters):
                how = "in one character" if form == "NFC" else "as characters of their own"
                return f", which writes accents {how}: train with --normalize nfc to accept both"
        for other in (unknown.lower(), unknown.upper()):
            if other != unknown and other in self.stoi:
                return f", which has '{other}': use that form, or train with --lowercase"
        return ""
