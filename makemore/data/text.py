r"""From bytes to lines: decoding, line ends, and the changes to a text that a user may ask for.

Lines end at LF, CRLF or CR and nowhere else; here they all become LF. Where the bytes come from is
the work of ``sources.py``.

Text moves in blocks of whole lines. A block is made of bytes or of characters and makes the other
when it is asked for: most text is UTF-8, and whoever only counts need not decode it.
"""

import codecs
import io
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache, cached_property
from typing import AnyStr, Literal, NamedTuple, Protocol

import numpy as np

from makemore.errors import DecodingError, LongLineError, shown

MAX_LINE = 1 << 26
"""The longest line, in bytes or, where they must be decoded to find lines, in characters."""

Change = Callable[[str], str]

_UTF_8, _LATIN_1 = "utf-8", "iso8859-1"  # what Python calls them
_MARKS = len(codecs.BOM_UTF8) + len(b"\r")  # at the ends of a line and no part of it
_FIRST_ACCENT = 200  # a canonical combining class


class Block(Protocol):
    """Whole lines, each ended by a line feed."""

    @property
    def data(self) -> bytes:
        """The text as UTF-8, perhaps not yet checked to be that: reading ``text`` checks it."""

    @property
    def text(self) -> str:
        """The characters. Raises ``DecodingError`` naming the place."""

    @property
    def latin_1(self) -> bytes | None:
        """The characters, one byte each.

        None where one is not below 256, and of UTF-8, which is not decoded for this. Raises
        ``DecodingError``.
        """

    def salvage(self, note: Callable[[DecodingError], None]) -> str:
        """Return the text with a blank line for each that cannot be decoded, telling ``note``."""


class TextBlock:
    """A block that is made of characters."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def data(self) -> bytes:
        """The text as UTF-8."""
        return self.text.encode()

    @property
    def latin_1(self) -> bytes | None:
        """The characters, one byte each, where all are below 256."""
        return _latin_1(self.text)

    def salvage(self, note: Callable[[DecodingError], None]) -> str:
        """Return the text, which is decoded."""
        return self.text


class ChangedBlock:
    """A block whose text is changed as a user asked, when it is read."""

    def __init__(self, block: Block, change: Change) -> None:
        self._block = block
        self._change = change

    @cached_property
    def text(self) -> str:
        """The changed characters. Raises ``DecodingError`` naming the place."""
        return self._change(self._block.text)

    @cached_property
    def data(self) -> bytes:
        """The changed text as UTF-8. Raises ``DecodingError`` naming the place."""
        return self.text.encode()

    @property
    def latin_1(self) -> bytes | None:
        """The changed characters, one byte each, where all are below 256.

        Raises ``DecodingError`` naming the place.
        """
        return _latin_1(self.text)

    def salvage(self, note: Callable[[DecodingError], None]) -> str:
        """Return the changed text with a blank line for each that cannot be decoded."""
        return self._change(self._block.salvage(note))


class Place(NamedTuple):
    """A place in a source: its byte and its line, both from 0; None where lines are not counted.

    ``name`` is what messages call the source.
    """

    name: str
    byte: int
    line: int | None

    def __str__(self) -> str:
        line = "" if self.line is None else f" line {self.line + 1:,},"
        return f"{shown(self.name)},{line} byte {self.byte:,}"

    def after(self, raw: bytes) -> "Place":
        """Return the place behind ``raw``; no CRLF is cut in two there."""
        line = self.line
        if line is not None:
            # several times faster than bytes.count on short lines
            ends = np.frombuffer(_with_line_feeds(raw), np.uint8) == ord("\n")
            line += int(np.count_nonzero(ends))
        return self._replace(byte=self.byte + len(raw), line=line)


class EncodedBlock:
    """A block that is made of bytes, which may have any line ends and may be no text at all.

    The encoding is one with plain line feeds, by the name that Python gives it.
    """

    def __init__(self, raw: bytes, place: Place, encoding: str = _UTF_8) -> None:
        self._raw = raw
        self._place = place
        self._encoding = encoding

    @cached_property
    def data(self) -> bytes:
        """The text as UTF-8, perhaps not yet checked to be that. Raises ``DecodingError``."""
        return self._lines if self._encoding == _UTF_8 else self.text.encode()

    @cached_property
    def text(self) -> str:
        """The characters. Raises ``DecodingError`` naming the place."""
        try:
            text = self._raw.decode(self._encoding)
        except UnicodeDecodeError as error:
            place = self._place.after(self._raw[: error.start])
            raise _decoding_error(error, self._encoding, place) from None
        is_done = "\r" not in text and text.endswith("\n")
        return text if is_done else self._lines.decode(self._encoding)

    @property
    def latin_1(self) -> bytes | None:
        """The characters, one byte each: nothing of UTF-8. Raises ``DecodingError``."""
        if self._encoding == _LATIN_1:
            return self._lines
        return None if self._encoding == _UTF_8 else _latin_1(self.text)

    @cached_property
    def _lines(self) -> bytes:
        """The bytes with line feeds for all line ends."""
        lines = _with_line_feeds(self._raw)
        return lines if lines.endswith(b"\n") else lines + b"\n"

    def salvage(self, note: Callable[[DecodingError], None]) -> str:
        """Return the text with a blank line for each that cannot be decoded, telling ``note``."""
        with suppress(DecodingError):
            return self.text
        lines: list[str] = []
        place = self._place
        for raw in self._raw.splitlines(keepends=True):  # at LF, CRLF and CR, as bytes are split
            try:
                lines.append(EncodedBlock(raw, place, self._encoding).text)
            except DecodingError as error:
                note(error)
                lines.append("\n")
            place = place.after(raw)
        return "".join(lines)


class PlainLines:
    """Bytes of an encoding with plain line feeds in, blocks of whole lines out.

    Parameters
    ----------
    name : str
        What messages call the source.
    encoding : str
    begins_text : bool
        Whether a byte order mark may stand first; it is no part of the text.
    counts_lines : bool
        Whether errors name the line, which costs some time.
    """

    def __init__(self, name: str, encoding: str, begins_text: bool, counts_lines: bool) -> None:
        self._place = Place(name, 0, 0 if counts_lines else None)
        self._encoding = codecs.lookup(encoding).name
        self._at_start = begins_text and self._encoding == _UTF_8
        self._rest: list[bytes] = []  # the line that is not whole yet, in parts
        self._length = 0  # of the rest

    def decode(self, data: bytes) -> Block | None:
        """Return the lines that are whole now, if any are.

        Raises ``LongLineError`` where one is longer than ``MAX_LINE``.
        """
        self._length += len(data)
        if self._rest and self._rest[-1].endswith(b"\r"):
            data = self._rest.pop() + data
        end = data.rfind(b"\n") + 1
        # a CR at the end may be the first half of a CRLF
        end = data.rfind(b"\r", end, -1) + 1 or end
        if not end:
            self._rest.append(data)
            if self._length > MAX_LINE + _MARKS:
                raise _long_line_error(self._place)
            return None
        raw = b"".join([*self._rest, memoryview(data)[:end]])
        self._rest = [data[end:]]
        self._length = len(data) - end
        return self._block(raw)

    def finish(self) -> Block | None:
        """Return the last line where no line end closed it, with one."""
        raw = b"".join(self._rest)
        return self._block(raw) if raw else None

    def _block(self, raw: bytes) -> Block | None:
        if self._at_start and raw.startswith(codecs.BOM_UTF8):
            raw = raw.removeprefix(codecs.BOM_UTF8)
            self._place = self._place.after(codecs.BOM_UTF8)
        self._at_start = False
        if not raw:
            return None
        if len(raw) > MAX_LINE:
            self._refuse_long_line(raw)
        block = EncodedBlock(raw, self._place, self._encoding)
        self._place = self._place.after(raw)
        return block

    def _refuse_long_line(self, raw: bytes) -> None:
        place = self._place
        for line in raw.splitlines(keepends=True):
            if len(line.rstrip(b"\r\n")) > MAX_LINE:
                raise _long_line_error(place)
            place = place.after(line)


class OtherLines:
    """Bytes of another encoding in, blocks of whole lines out; as ``PlainLines``."""

    def __init__(self, name: str, encoding: str, begins_text: bool, counts_lines: bool) -> None:
        self._name = name
        self._encoding = codecs.lookup(encoding).name
        self._decoder = io.IncrementalNewlineDecoder(
            codecs.getincrementaldecoder(encoding)(), translate=True
        )
        self._at_start = begins_text
        self._rest: list[str] = []  # the line that is not whole yet, in parts
        self._length = 0  # of the rest
        self._bytes = 0
        self._lines = 0 if counts_lines else None

    def decode(self, data: bytes) -> Block | None:
        """Return the lines that are whole now, if any are.

        Raises ``DecodingError`` naming the place where ``data`` is not in the encoding, and
        ``LongLineError`` where a line is longer than ``MAX_LINE``.
        """
        self._bytes += len(data)
        text = self._text(data, final=False)
        end = text.rfind("\n") + 1
        self._length += len(text)
        if not end:
            self._rest.append(text)
            if self._length > MAX_LINE:
                raise _long_line_error(self._here())
            return None
        block = self._block("".join([*self._rest, text[:end]]))
        if self._lines is not None:
            self._lines += text.count("\n")
        self._rest = [text[end:]]
        self._length = len(text) - end
        return block

    def finish(self) -> Block | None:
        """Return the last line where no line end closed it, with one."""
        rest = "".join([*self._rest, self._text(b"", final=True)])
        if not rest:
            return None
        return self._block(rest if rest.endswith("\n") else rest + "\n")

    def _block(self, text: str) -> Block:
        if len(text) > MAX_LINE:
            for above, line in enumerate(text.split("\n")):
                if len(line) > MAX_LINE:
                    raise _long_line_error(self._here(above))
        return TextBlock(text)

    def _here(self, lines: int = 0) -> Place:
        """Return how far was read, ``lines`` below the last block."""
        line = None if self._lines is None else self._lines + lines
        return Place(self._name, self._bytes, line)

    def _text(self, data: bytes, final: bool) -> str:
        state = self._decoder.getstate()
        try:
            try:
                text = self._decoder.decode(data, final)
                if _latin_1(text) is None:
                    text.encode()  # some encodings can write surrogates, which are no characters
            except UnicodeDecodeError as error:
                self._decoder.setstate(state)
                raise self._error(error, data) from None
        except UnicodeError as error:  # also from reading again what stands before the other error
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
        line = self._lines
        if line is not None:
            line += before.count("\n") + held_back
        return _decoding_error(error, self._encoding, Place(self._name, self._bytes - bad, line))


def _latin_1(text: str) -> bytes | None:
    """Return one byte a character, where all are below 256, which is quick to tell."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return None


def _with_line_feeds(data: bytes) -> bytes:
    if b"\r" not in data:
        return data
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _long_line_error(place: Place) -> LongLineError:
    return LongLineError(
        f"{place}: expected one word a line, found a line over {MAX_LINE:,} bytes: is this the file"
        " that you mean?"
    )


def _decoding_error(error: UnicodeDecodeError, encoding: str, place: Place) -> DecodingError:
    """Say what is wrong at a place, where ``error.object[error.start:]`` stands."""
    found = error.object[error.start : error.start + 4].hex(" ")
    what = "name the file's encoding with --encoding"
    if encoding != _UTF_8:  # it was named
        what = "the file may have another encoding"
    return DecodingError(
        f"{place}: expected {encoding}, found the bytes {found} ({error.reason}): {what}"
    )


def is_utf_8(encoding: str) -> bool:
    """Return whether ``encoding`` is one of the names of UTF-8."""
    return codecs.lookup(encoding).name == _UTF_8


@cache
def has_plain_line_feeds(encoding: str) -> bool:
    """Return whether the bytes 0A and 0D are LF and CR wherever they stand: text can be cut there.

    That is so in UTF-8, and where each byte is a character, as in Latin-1. In others it may be a
    part of a character, or mean another after a shift: some bytes then give no character alone.
    """
    return is_utf_8(encoding) or (
        all(_is_one_character(bytes([byte]), encoding) for byte in range(256))
        and b"\r\n".decode(encoding) == "\r\n"
    )


def _is_one_character(data: bytes, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    try:
        return len(decoder.decode(data)) == 1
    except UnicodeError:  # a decoder that replaces nothing
        return False


def words_of(text: str) -> Iterator[str]:
    r"""Yield the words of ``text``: its lines without LF, CRLF or CR, blank ones left out.

    >>> list(words_of("emma\r\n\r\nava"))
    ['emma', 'ava']
    """
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if line:
            yield line


def cut_out_lines(
    text: AnyStr, line_feed: AnyStr, places: Iterable[int]
) -> tuple[AnyStr, list[AnyStr]]:
    r"""Return whole lines without those at ``places``, in ascending order, and those lines.

    >>> cut_out_lines(b"emma\nava\nmia\n", b"\n", [6, 7])
    (b'emma\nmia\n', [b'ava\n'])
    """
    kept: list[AnyStr] = []
    lines: list[AnyStr] = []
    after = 0
    for place in places:
        if place >= after:
            start = text.rfind(line_feed, 0, place) + 1
            kept.append(text[after:start])
            after = text.index(line_feed, place) + 1
            lines.append(text[start:after])
    kept.append(text[after:])
    return text[:0].join(kept), lines


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
        """Take all steps."""
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
