"""The two-way table between characters and ids.

Characters take the ids 1..V-1 in code-point order. Id 0 is the boundary that starts and ends every
word; it is an id and not a character, so a word may hold any character but line ends, ``.``
included. Finding the characters of a corpus is the work of ``counting/``.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from makemore.arrays import Ids, Symbols
from makemore.data.text import code_points
from makemore.errors import VocabularyError, shown

BOUNDARY = 0
UNKNOWN = -1  # no id: it marks what is not in the vocabulary, and cannot be decoded
MAX_VOCABULARY = 8_192  # V x V float64 weights of this size take 512 MiB
_LINE_ENDS = "\n\r"


class Vocabulary:
    """The characters of a corpus and their ids.

    Parameters
    ----------
    characters : iterable of str
        Single characters in any order; repeats count once.

    Attributes
    ----------
    characters : str
        The V-1 distinct characters in code-point order.
    itos : tuple of str, length V
        Id to character; ``itos[0]`` is the empty string, for the boundary writes nothing.
    stoi : dict of str to int
        Character to id, 1..V-1.

    Raises
    ------
    VocabularyError
        No character, more than ``MAX_VOCABULARY`` symbols, a line end, a surrogate, or an item that
        is not one character.

    Examples
    --------
    >>> vocabulary = Vocabulary("banana")
    >>> vocabulary.stoi
    {'a': 1, 'b': 2, 'n': 3}
    >>> vocabulary.encode("nab")
    array([3, 1, 2])
    >>> vocabulary.decode([3, 1, 2])
    'nab'
    """

    def __init__(self, characters: Iterable[str]) -> None:
        distinct = sorted(set(characters))
        if any(len(character) != 1 for character in distinct):
            raise VocabularyError(
                "a vocabulary is made of single characters, not of longer strings"
            )
        self.characters = "".join(distinct)
        if not self.characters:
            raise VocabularyError("the vocabulary is empty: expected at least one character")
        if len(self.characters) >= MAX_VOCABULARY:
            raise VocabularyError(
                f"the corpus has {len(self.characters):,} distinct characters and the limit is"
                f" {MAX_VOCABULARY - 1:,}: drop the words with rare ones by --min-count"
            )
        for character in self.characters:
            if character in _LINE_ENDS or "\ud800" <= character <= "\udfff":
                raise VocabularyError(
                    f"{character!a} cannot stand in a word: line ends separate words and surrogates"
                    " are no characters"
                )
        self.itos: tuple[str, ...] = ("", *self.characters)
        self.stoi: dict[str, int] = {s: i for i, s in enumerate(self.itos) if i != BOUNDARY}

    def __len__(self) -> int:
        """Return V: the characters and the boundary."""
        return len(self.itos)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.characters == other.characters

    def __hash__(self) -> int:
        return hash(self.characters)

    def __repr__(self) -> str:
        return f"Vocabulary({self.characters!r})"

    def encode(self, word: str) -> Ids:
        """Return the ids of the characters of ``word``, shape (len(word),), without boundaries.

        Raises ``VocabularyError`` for a character that is not in the vocabulary.
        """
        return self._look_up(word)

    def decode(self, ids: Sequence[int] | Ids) -> str:
        """Return the characters of ``ids`` as one string; boundaries write nothing."""
        return "".join(self.itos[i] for i in ids)

    def encode_words(self, words: Sequence[str]) -> Ids:
        """Return all words in one row of ids with a boundary before, between and after them.

        The result has shape (symbols + 1,), where symbols counts each word's characters and its end
        mark: a boundary that ends one word starts the next. Raises ``VocabularyError``.

        >>> Vocabulary("ab").encode_words(["ab", "b"])
        array([0, 1, 2, 0, 2, 0])
        """
        lengths = np.fromiter(map(len, words), np.int64, len(words))
        ids = np.zeros(int(lengths.sum()) + len(words) + 1, np.int64)
        is_character = np.ones(len(ids), np.bool_)
        is_character[np.concatenate(([0], np.cumsum(lengths + 1)))] = False
        ids[is_character] = self._look_up("".join(words))
        return ids

    def encode_lines(self, text: str) -> Ids:
        r"""Return the id of each character of lines that end with a line feed, (len(text),).

        A line feed is the boundary; a character that is not in the vocabulary is ``UNKNOWN``.

        >>> Vocabulary("ab").encode_lines("ab\nxb\n")
        array([ 1,  2,  0, -1,  2,  0])
        """
        return np.asarray(self.encode_text(text), np.int64)

    def encode_text(self, text: str) -> Symbols:
        """Return what ``encode_lines`` does, with 16 bits for each id, (len(text),)."""
        table = self._ids_by_code_point
        # beyond its end nothing is known
        return np.asarray(table.take(code_points(text), mode="clip"))

    @cached_property
    def _ids_by_code_point(self) -> Symbols:
        """Code point to id; the line feed is the boundary, and the last entry is unknown."""
        table = np.full(max(ord(self.characters[-1]), ord("\n")) + 2, UNKNOWN, np.int16)
        table[[ord(s) for s in self.characters]] = np.arange(1, len(self))
        table[ord("\n")] = BOUNDARY
        return table

    def _advice(self, text: str, unknown: str) -> str:
        """Return a hint at what to do about an unknown character, where there is one."""
        for form in ("NFC", "NFD"):
            if set(unicodedata.normalize(form, text)) <= set(self.characters):
                how = "in one character" if form == "NFC" else "as characters of their own"
                return f", which writes accents {how}: train with --normalize nfc to accept both"
        for other in (unknown.lower(), unknown.upper()):
            if other != unknown and other in self.characters:
                return f", which has '{other}': write it so, or train with --lowercase"
        return ""

    def _look_up(self, text: str) -> Ids:
        ids = self.encode_lines(text)
        if len(text) and ids.min() <= BOUNDARY:  # a line feed, too, is no character
            unknown = text[int(np.argmin(ids > BOUNDARY))]
            raise VocabularyError(
                f"the character '{shown(unknown)}' is not in the vocabulary of {len(self) - 1:,}"
                f" characters{self._advice(text, unknown)}"
            )
        return ids
