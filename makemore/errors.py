"""The errors that a user can cause.

MakemoreError
 ├── OptionError         an option is out of its range
 ├── CorpusError         the text cannot be read or used: which file, line and byte
 │    ├── DecodingError     the text is not in the encoding that was named
 │    │    └── OtherEncodingError  no line of it is, as its first bytes show
 │    ├── LongLineError     a line is too long to be a word
 │    └── VocabularyError   a character is unknown, forbidden, or there are too many
 ├── DownloadError       names.txt could not be fetched or is not what it should be
 ├── CheckpointError     the file is no checkpoint, is damaged, or does not fit
 ├── ArpaError           the file is no n-gram model of characters in the ARPA format
 ├── AutodiffError       arrays do not fit an operation, or have no gradient
 ├── TrainingError       the loss diverged, or the model would be too large
 ├── SamplingError       no word can fulfil the constraints, or words do not end
 └── PlottingError       the picture or the page cannot be made or saved

A message gives the fact, the place, expected against found, and what to do next, on one line.
``cli/console.py`` alone turns it into a line on stderr and an exit code. A ``TypeError`` or
``IndexError`` that escapes the package is a defect of the package.
"""

import os
import re
from collections.abc import Sequence


class MakemoreError(Exception):
    """Root of the errors that a user can cause and fix."""


class OptionError(MakemoreError):
    """An option is out of its range."""


class CorpusError(MakemoreError):
    """The text cannot be read or used."""


class DecodingError(CorpusError):
    """The text is not in the encoding that was named.

    Attributes
    ----------
    fact : str
        The message without the advice, which names an option that not every command has.
    """

    def __init__(self, fact: str, advice: str = "") -> None:
        super().__init__(f"{fact}: {advice}" if advice else fact)
        self.fact = fact


class OtherEncodingError(DecodingError):
    """No line of the text is in the encoding that was named, as its first bytes show."""


class LongLineError(CorpusError):
    """A line is too long to be a word."""


class VocabularyError(CorpusError):
    """A character is unknown or forbidden, or the alphabet is too large."""


class DownloadError(MakemoreError):
    """The word list could not be fetched, or is not what it should be."""


class CheckpointError(MakemoreError):
    """The file is no checkpoint, is damaged, or does not fit what is asked of it."""


class ArpaError(MakemoreError):
    """The file is no n-gram model of characters in the ARPA format, or cannot be written."""


class AutodiffError(MakemoreError):
    """The shapes or types of arrays do not fit an operation or a layer, or have no gradient."""


class TrainingError(MakemoreError):
    """The loss diverged, or there is nothing to train, or too much."""


class SamplingError(MakemoreError):
    """No word can fulfil the constraints, words do not end, or a search takes too long.

    Attributes
    ----------
    found : sequence of (str, float)
        The words that ``top`` had found before, and their probabilities: exact and in order.
    """

    found: Sequence[tuple[str, float]] = ()


class PlottingError(MakemoreError):
    """The picture or the page cannot be made or saved."""


_JOINED = "(?<=[^\0-\x7f])[\u200c\u200d](?=[^\0-\x7f\u200c\u200d])"
EACH_BUT_JOINED = re.compile(f"(?!{_JOINED}).", re.DOTALL)
"""Matches every character, except a joiner between characters that it may join."""


def shown(text: str) -> str:
    r"""Return ``text`` for a message, with escapes for unprintable characters.

    Joiners stay where they belong, in emoji families and in Persian or Indian words.

    >>> shown("naïve\x1b[2J.txt")
    'naïve\\x1b[2J.txt'
    >>> shown("👩\u200d👧 a\u200db") == "👩\u200d👧 a" + r"\u200d" + "b"
    True
    """
    if text.isprintable():
        return text
    return EACH_BUT_JOINED.sub(lambda c: c[0] if c[0].isprintable() else ascii(c[0])[1:-1], text)


def unwritable(path: str | os.PathLike[str], error: OSError) -> str:
    """Return the message for a file that cannot be written."""
    reason, place = error.strerror or error, shown(os.fsdecode(path))
    return f"{place} cannot be written: {reason}: choose another place"
