r"""From bytes to lines: decoding, line ends, and the changes to a text that a user may ask for.

Lines end at LF, CRLF or CR and nowhere else; here they all become LF. Where the bytes come from is
the work of ``sources.py``.
"""

import codecs
import io
import unicodedata
from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np

from makemore.errors import DecodingError, shown

Change = Callable[[str], str]

_FIRST_ACCENT = 200  # a canonical combining class


class LineDecoder:
    """Bytes in, whole lines of text out, each ended by a line feed.

    Parameters
    ----------
    name : str
        What messages call the source.
    encoding : str
    begins_text : bool
        Whether a byte order mark may stand first; it is no part of the text.
    """

    def __init__(self, name: str, encoding: str, begins_text: bool = True) -> None:
        self._name = name
        self._encoding = codecs.lookup(encoding).name
        self._decoder = io.IncrementalNewlineDecoder(
            codecs.getincrementaldecoder(encoding)(), translate=True
        )
        self._at_start = begins_text
        self._rest: list[str] = []  # the line that is not whole yet, in parts
        self._bytes = 0
        self._lines = 0

    def decode(self, data: bytes) -> str:
        """Return the lines that are whole now; maybe none.

        Raises ``DecodingError`` naming line and byte where ``data`` is not in the encoding.
        """
        self._bytes += len(data)
        text = self._text(data, final=False)
        end = text.rfind("\n") + 1
        if not end:
            self._rest.append(text)
            return ""
        self._lines += self._line_ends(data, text)
        block = "".join([*self._rest, text[:end]])
        self._rest = [text[end:]]
        return block

    def finish(self) -> str:
        """Return the last line where no line end closed it, with one."""
        rest = "".join([*self._rest, self._text(b"", final=True)])
        return rest + "\n" if rest and not rest.endswith("\n") else rest

    def _line_ends(self, data: bytes, text: str) -> int:
        """Return how many lines end in ``data``, which was decoded to ``text``."""
        if self._encoding != "utf-8" or b"\r" in data:
            return text.count("\n")
        held_back = text.startswith("\n") and not data.startswith(b"\n")  # a CR ended the last data
        # several times faster than str.count on short lines
        return int(np.count_nonzero(np.frombuffer(data, np.uint8) == ord("\n"))) + held_back

    def _text(self, data: bytes, final: bool) -> str:
        state = self._decoder.getstate()
        try:
            text = self._decoder.decode(data, final)
            if self._encoding != "utf-8":
                text.encode()  # some encodings can write surrogates, which are no characters
        except UnicodeDecodeError as error:
            self._decoder.setstate(state)
            raise self._error(error, data) from None
        except UnicodeError as error:
            raise DecodingError(
                f"{shown(self._name)} is not {self._encoding} text: {shown(str(error))}"
            ) from None
        if self._at_start and text:
            self._at_start = False
            text = text.removeprefix("\ufeff")
        return text

    def _error(self, error: UnicodeDecodeError, data: bytes) -> DecodingError:
        bad = len(error.object) - error.start  # bytes from the first bad one on
        before = self._decoder.decode(data[: max(0, len(data) - bad)])
        held_back = self._decoder.getstate()[1] & 1  # a CR, until it is known that no LF follows
        line = self._lines + before.count("\n") + held_back + 1
        found = error.object[error.start : error.start + 4].hex(" ")
        return DecodingError(
            f"{shown(self._name)}, line {line:,}, byte {self._bytes - bad:,}: expected"
            f" {self._encoding}, found the bytes {found} ({error.reason}): name the file's encoding"
            " with --encoding"
        )


def is_utf_8(encoding: str) -> bool:
    """Return whether ``encoding`` is one of the names of UTF-8."""
    return codecs.lookup(encoding).name == "utf-8"


def words_of(text: str) -> Iterator[str]:
    r"""Yield the words of ``text``: its lines without LF, CRLF or CR, blank ones left out.

    >>> list(words_of("emma\r\n\r\nava"))
    ['emma', 'ava']
    """
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if line:
            yield line


def refuse_other_encodings(head: bytes, name: str) -> None:
    """Raise ``DecodingError`` where text said to be UTF-8 begins like UTF-16 or UTF-32.

    Without a byte order mark UTF-16 shows by its NUL bytes: the line ends of every script, and all
    of Latin text, have them at every second place and there alone.
    """
    even, odd = head[::2].count(0), head[1::2].count(0)
    enough = max(8, len(head) // 32)
    found = ""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        found = "utf-32"
    elif head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        found = "utf-16"
    elif odd >= enough and not even:
        found = "utf-16-le"
    elif even >= enough and not odd:
        found = "utf-16-be"
    if found:
        raise DecodingError(
            f"{shown(name)} looks like {found.upper()} text, expected UTF-8: try --encoding {found}"
        )


def text_change(lowercase: bool, strip_accents: bool, normalize: str) -> Change | None:
    """Return what changes a text as asked, or None where nothing is to change.

    ``normalize`` is "nfc", "nfkc" or empty. Normal forms come first, so that the other two see one
    spelling of each character.
    """
    steps: list[Change] = []
    if normalize:
        steps.append(_normal_form("NFC" if normalize == "nfc" else "NFKC"))
    if lowercase:
        steps.append(str.lower)
    if strip_accents:
        steps.append(_without_accents)

    def change(text: str) -> str:
        for step in steps:
            text = step(text)
        return text

    return change if steps else None


def _normal_form(form: Literal["NFC", "NFKC"]) -> Change:
    return lambda text: unicodedata.normalize(form, text)


def _without_accents(text: str) -> str:
    r"""Return ``text`` without accents: marks above, below or through a letter.

    These are the marks of canonical combining class 200 and up (Unicode Standard Annex 44). Those
    below, such as the vowel signs of Hebrew and Thai or the voicing marks of Japanese, stay.

    >>> _without_accents("Zoë ガ")
    'Zoe ガ'
    """
    if text.isascii():
        return text
    decomposed = unicodedata.normalize("NFD", text)
    accents = [c for c in set(decomposed) if unicodedata.combining(c) >= _FIRST_ACCENT]
    bare = decomposed.translate(dict.fromkeys(map(ord, accents)))
    return unicodedata.normalize("NFC", bare)
