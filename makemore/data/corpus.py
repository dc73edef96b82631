"""A corpus: where the words come from, and what is remembered of them.

A corpus is UTF-8 text with one word a line. Nothing is changed unasked except line ends and blank
lines, which hold no word.
"""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class CorpusFacts:
    """What a checkpoint remembers of the corpus it was trained on.

    Attributes
    ----------
    name : str
        What a person calls the corpus: the file's name, or several joined by commas.
    sha256 : str
        Of the text as bytes, in lower-case hexadecimal.
    lines : int
        Lines that hold a word.
    symbols : int
        Characters plus one end mark per word.
    held_out_lines, held_out_symbols : int
        How many of these were held out of the training.
    held_out_fingerprint : str
        Hexadecimal; equal for equal multisets of held-out words, in whatever order they were read.
    """

    name: str
    sha256: str
    lines: int
    symbols: int
    held_out_lines: int = 0
    held_out_symbols: int = 0
    held_out_fingerprint: str = ""


def words_of(text: str) -> Iterator[str]:
    r"""Yield the words of ``text``: its lines without LF, CRLF or CR, blank ones left out.

    >>> list(words_of("emma\r\n\r\nava"))
    ['emma', 'ava']
    """
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if line:
            yield line
