r"""From bytes to lines: decoding, line ends, and the changes to a text that a user may ask for.

Lines end at LF, CRLF or CR and nowhere else; here they all become LF. Text moves in blocks: strings
of whole lines, each ended by a line feed. Where the bytes come from is the work of ``sources.py``.
"""

import codecs
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from makemore.arrays import Bytes, CodePoints, Integers, Offsets
from makemore.errors import (
    CorpusError,
    DecodingError,
    LongLineError,
    OtherEncodingError,
    VocabularyError,
    shown,
)

MAX_LINE = 1 << 26
"""The longest line, in characters."""

Change = Callable[[str], str]
_State = tuple[bytes, int]  # of a decoder: the bytes that begin a character, and a number


class Lines(NamedTuple):
    """Whole lines of text, each ended by a line feed, and how often each counts.

    Attributes
    ----------
    text : str
    weights : array of shape (lines,), int64, optional
        A word of weight k counts as k lines that hold it; a blank line has weight 0. Without
        weights each line counts once.
    """

    text: str
    weights: Integers | None = None


_UTF_8 = "utf-8"
_FIRST_ACCENT = 200  # a canonical combining class
_LF = ord("\n")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_ESCAPED = re.compile("[\udc80-\udcff]")  # what "surrogateescape" makes of bytes


def blocks_of_lines(blocks: Iterable[str | Lines]) -> Iterator[Lines]:
    """Yield each block as ``Lines``. Raises ``CorpusError`` for a block that ends within a line."""
    if isinstance(blocks, str):
        raise CorpusError(r"blocks is one text: expected several, such as ['emma\nava\n']")
    for block in blocks:
        lines = Lines(block) if isinstance(block, str) else block
        last = lines.text[lines.text.rfind("\n") + 1 :]
        if last:
            raise CorpusError(
                f"the last line '{shown(last[-40:])}' of a block has no line feed: end each word"
                " with one"
            )
        yield lines


def text_of_words(words: Iterable[str]) -> str:
    """Return words as lines. Raises ``VocabularyError`` for a line feed in a word, or one text."""
    refuse_one_text(words)
    lines = [*words, ""]
    text = "\n".join(lines)
    if text.count("\n") >= len(lines):
        raise VocabularyError("a word holds a line feed, which separates words")
    return text


def refuse_one_text(words: Iterable[str]) -> None:
    """Raise ``VocabularyError`` for a text in place of words: its letters would be the words."""
    if isinstance(words, str):
        raise VocabularyError("words is one text: expected several, such as ['emma', 'ava']")


class LineDecoder:
    """Bytes in, blocks of whole lines out.

    Parameters
    ----------
    name : str
        What messages call the source.
    encoding : str
        A name that Python knows.
    begins_text : bool
        Whether a byte order mark may stand first; it is no part of the text.
    counts_lines : bool
        Whether errors name the line. Counting takes time, and a part of a source cannot know.
    on_error : callable, optional
        Called for each line that cannot be decoded, which then becomes a blank one. Only encodings
        with plain line feeds allow that; in others, and without it, the error is raised after the
        lines above it were returned.
    replaces : bool
        Whether such a line is kept with U+FFFD in place of the bytes that cannot be decoded.
    """

    def __init__(
        self,
        name: str,
        encoding: str,
        *,
        begins_text: bool = True,
        counts_lines: bool = True,
        on_error: Callable[[DecodingError], None] | None = None,
        replaces: bool = False,
    ) -> None:
        self._name = name
        self._replaces = replaces
        self._encoding = codecs.lookup(encoding).name
        salvages = on_error is not None and has_plain_line_feeds(encoding)
        self._on_error = on_error if salvages else None
        errors = "surrogateescape" if salvages else "strict"
        self._decoder = codecs.getincrementaldecoder(encoding)(errors)
        self._at_start = begins_text
        self._counts_lines = counts_lines
        self._rest: list[str] = []  # parts of a line whose end has not come yet
        self._length = 0  # of the rest, in characters
        self._bytes = 0  # read before the current data
        self._lines = 0  # returned so far, if they are counted
        self._offset = 0  # of the next block in bytes, if there is ``on_error``

    def decode(self, data: bytes, final: bool = False) -> Iterator[str]:
        """Yield the lines that are whole now, if there are any, as one block.

        ``final`` says that no data follow: a last line without an end gets one. Raises
        ``DecodingError`` and ``LongLineError``, which name the place, after the lines above it.
        """
        undecoded = len(self._decoder.getstate()[0])
        text, damage = self._text(data, final)
        self._refuse_long_lines(text, undecoded)
        self._bytes += len(data)
        is_last = final or damage is not None
        # A CR at the end may be the first half of a CRLF, which shows with the next character.
        if (text or is_last) and self._rest and self._rest[-1].endswith("\r"):
            part = self._rest.pop()
            text, self._length = part + text, self._length - len(part)
        stop = len(text) if is_last or not text.endswith("\r") else len(text) - 1
        end, added = max(text.rfind("\n", 0, stop), text.rfind("\r", 0, stop)) + 1, ""
        if final and not damage and (end < len(text) or (self._rest and not end)):
            end, added = len(text), "\n"
        if end or added:
            block = "".join([*self._rest, text[:end]])
            self._rest, self._length = [], 0
            if self._on_error:
                block = self._without_escaped(block, self._on_error)
            block = with_line_feeds(block) + added
            if self._counts_lines:  # several times as fast as str.count on short lines
                self._lines += int(np.count_nonzero(np.frombuffer(block.encode(), np.uint8) == _LF))
            yield block
        if damage:
            raise damage
        if end < len(text):
            self._rest.append(text[end:])
            self._length += len(text) - end

    def _text(self, data: bytes, final: bool) -> tuple[str, DecodingError | None]:
        """Return the text of ``data``, or of what stands before an error in it, and the error."""
        state, damage = self._decoder.getstate(), None
        try:
            text = self._decoded(data, final)
        except UnicodeError as error:
            text, good, reason = self._text_before(error, data, state)
            found = (state[0] + data)[len(state[0]) + good :]
            above = with_line_feeds("".join([*self._rest, text])).count("\n")
            damage = self._error(found, reason, self._bytes + good, self._lines + above)
        if self._at_start and text:
            self._at_start = False
            if text.startswith("\ufeff"):
                self._offset = len(self._encoded("\ufeff"))
                text = text[1:]
        return text, damage

    def _decoded(self, data: bytes, final: bool = False) -> str:
        """Return the text of ``data``. Raises ``UnicodeError``."""
        text = self._decoder.decode(data, final)
        if self._encoding != _UTF_8 and not self._on_error and not text.isascii():
            text.encode()  # fails for surrogates, which some encodings can write
        return text

    def _text_before(self, error: UnicodeError, data: bytes, state: _State) -> tuple[str, int, str]:
        """Return the text before an error in ``data``, the offset of the error, and its reason.

        The offset is negative where bytes of the data before are bad. An error may name no place
        or, in Python 3.13, the start of the data, and may stand below a surrogate. Then the text is
        the longest that can be decoded.
        """
        text, sound, bad = "", 0, len(data) + 1
        reason = getattr(error, "reason", str(error))
        while bad - sound > 1:
            middle = (sound + bad) // 2
            try:
                text, sound = self._decoded_from(state, data[:middle]), middle
            except UnicodeError as earlier:
                bad, reason = middle, getattr(earlier, "reason", str(earlier))
        self._decoded_from(state, data[:sound])
        good = sound - len(self._decoder.getstate()[0])
        if isinstance(error, UnicodeDecodeError):
            named = len(data) - len(error.object) + error.start
            if named >= good:
                with suppress(UnicodeError):
                    return self._decoded_from(state, data[: max(0, named)]), named, error.reason
        return text, good, reason

    def _decoded_from(self, state: _State, data: bytes) -> str:
        """Return the text of ``data`` after this state. Raises ``UnicodeError``."""
        self._decoder.setstate(state)
        return self._decoded(data) if data else ""

    def _error(self, found: bytes, reason: str, offset: int, line: int) -> DecodingError:
        """Return the error at a byte of the source; ``line`` counts from 0."""
        found = found[:4]
        if has_plain_line_feeds(self._encoding):  # the next line is no part of it
            found = b"".join(found.splitlines(keepends=True)[:1])
        advice = "name the file's encoding with --encoding"
        if self._encoding != _UTF_8:  # which somebody named
            advice = "the file may have another encoding"
        return DecodingError(
            f"{self._place(offset, line)}: expected {self._encoding}, found the bytes"
            f" {found.hex(' ')} ({shown(reason)})",
            advice,
        )

    def _place(self, offset: int, line: int) -> str:
        where = f" line {line + 1:,}," if self._counts_lines else ""
        return f"{shown(self._name)},{where} byte {offset:,}"

    def _refuse_long_lines(self, text: str, undecoded: int) -> None:
        """Raise ``LongLineError`` where the line that ``text`` continues has become too long."""
        if self._length + len(text) <= MAX_LINE:
            return
        whole = "".join([*self._rest, text])
        for number, line in enumerate(_LINE.finditer(whole)):
            if len(line[0].rstrip("\r\n")) > MAX_LINE:
                offset = self._bytes - undecoded - len(self._encoded("".join(self._rest)))
                offset += len(self._encoded(whole[: line.start()]))
                raise LongLineError(
                    f"{self._place(offset, self._lines + number)}: expected one word a line, found"
                    f" a line over {MAX_LINE:,} characters: is this the file that you mean?"
                )

    def _encoded(self, text: str) -> bytes:
        return text.encode(self._encoding, "surrogateescape")

    def _without_escaped(self, block: str, tell: Callable[[DecodingError], None]) -> str:
        """Return lines with a blank one for each that could not be decoded."""
        offset = self._offset
        self._offset += len(self._encoded(block))
        if not _ESCAPED.search(block):
            return block
        lines = []
        for number, line in enumerate(_LINE.findall(block)):
            raw = self._encoded(line)
            try:
                raw.decode(self._encoding)
            except UnicodeDecodeError as error:
                found, line_number = raw[error.start :], self._lines + number
                tell(self._error(found, error.reason, offset + error.start, line_number))
                blank = "\n" if line.endswith(("\r", "\n")) else ""
                line = raw.decode(self._encoding, "replace") if self._replaces else blank
            lines.append(with_line_feeds(line))
            offset += len(raw)
        return "".join(lines)


def with_line_feeds(text: str) -> str:
    r"""Return text whose lines all end with LF.

    >>> with_line_feeds("emma\r\nava\rmia\n")
    'emma\nava\nmia\n'
    """
    if "\r" not in text:
        return text
    return text.replace("\r\n", "\n").replace("\r", "\n")


def code_points(text: str) -> Bytes | CodePoints:
    """Return the code points of ``text``, shape (len(text),): 8 bits each for ASCII, else 32."""
    if text.isascii():
        return np.frombuffer(text.encode(), np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def line_bounds(symbols: npt.NDArray[Any]) -> tuple[Offsets, Offsets]:
    """Return the offsets at which lines start and those of their line feeds, (lines,) each.

    ``symbols`` are the bytes or code points of whole lines, shape (n,).
    """
    ends = np.flatnonzero(symbols == ord("\n"))
    return np.concatenate((np.zeros(1, np.int64), ends + 1))[: len(ends)], ends


def weights_of_symbols(weights: npt.NDArray[Any], ends: Offsets) -> npt.NDArray[Any]:
    """Return the weight of each symbol: that of its line, (lines,) -> (symbols,).

    ``ends`` are the offsets of the symbols that end the lines, shape (lines,).

    >>> weights_of_symbols(np.array([5, 2]), np.array([1, 4]))
    array([5, 5, 2, 2, 2])
    """
    return np.repeat(weights, np.diff(ends, prepend=-1))


def is_utf_8(encoding: str) -> bool:
    """Return whether ``encoding`` is one of the names of UTF-8."""
    return codecs.lookup(encoding).name == _UTF_8


@cache
def has_plain_line_feeds(encoding: str) -> bool:
    """Return whether the bytes 0A and 0D always are LF and CR, so that text can be cut there.

    That is so in UTF-8, and where each byte is a character, as in Latin-1. In other encodings such
    a byte may be part of a character, or have another meaning after a shift.
    """
    return is_utf_8(encoding) or (
        all(_is_one_character(bytes([byte]), encoding) for byte in range(256))
        and b"\r\n".decode(encoding) == "\r\n"
    )


def or_leave_out(encoding: str) -> str:
    """Return the further advice for lines that are not in ``encoding``, if they can be cut out."""
    return ", or give --errors skip or replace" if has_plain_line_feeds(encoding) else ""


def _is_one_character(data: bytes, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    try:
        return len(decoder.decode(data)) == 1
    except UnicodeError:  # a decoder that replaces nothing
        return False


def without_lines_holding(pattern: re.Pattern[str], lines: Lines) -> tuple[Lines, int]:
    r"""Return ``lines`` without those in which ``pattern`` is found, and the weight of these.

    >>> without_lines_holding(re.compile("[xq]"), Lines("emma\naxqx\nava\n"))
    (Lines(text='emma\nava\n', weights=None), 1)
    """
    text, weights = lines
    offsets = [match.start() for match in pattern.finditer(text)]
    if not offsets:
        return lines, 0
    starts, ends = line_bounds(code_points(text))
    dropped = np.unique(np.searchsorted(ends, offsets))
    kept_from = [0, *(ends[dropped] + 1).tolist()]
    kept_to = [*starts[dropped].tolist(), len(text)]
    text = "".join(text[start:stop] for start, stop in zip(kept_from, kept_to, strict=True))
    if weights is None:
        return Lines(text), len(dropped)
    return Lines(text, np.delete(weights, dropped)), int(weights[dropped].sum())


def lines_with_words(lines: Lines) -> Lines:
    """Return the lines that are not blank."""
    text, weights = lines
    if "\n\n" in text or text.startswith("\n"):
        text = "".join(word + "\n" for word in text.split("\n") if word)
        weights = None if weights is None else weights[weights > 0]
    return Lines(text, weights)


def changed_lines(change: Change, lines: Lines) -> Lines:
    """Return lines with their text changed; a word that becomes empty gets the weight 0."""
    text, weights = change(lines.text), lines.weights
    if weights is not None and ("\n\n" in text or text.startswith("\n")):
        starts, ends = line_bounds(code_points(text))
        weights = np.where(ends > starts, weights, 0)
    return Lines(text, weights)


def refuse_other_encodings(head: bytes, name: str) -> None:
    """Raise ``OtherEncodingError`` if text that should be UTF-8 begins like UTF-16 or UTF-32.

    Without a byte order mark UTF-16 shows by its NUL bytes: Latin text, and the line ends of every
    script, have them at every second byte, and nothing has them at the others.
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
        raise OtherEncodingError(
            f"{shown(name)} looks like {found.upper()} text, expected UTF-8",
            f"try --encoding {found}",
        )


def text_change(lowercase: bool, strip_accents: bool, normalize: str) -> Change | None:
    """Return the function that changes a text as asked, or None if nothing is to change.

    ``normalize`` is "nfc", "nfkc" or empty. Normalization comes first, so that the other changes
    see one spelling of each character.
    """
    steps: list[Change] = []
    if normalize:
        form: Literal["NFC", "NFKC"] = "NFC" if normalize == "nfc" else "NFKC"
        steps.append(lambda text: unicodedata.normalize(form, text))
    if lowercase:
        steps.append(_lowercase)
    if strip_accents:
        steps.append(_without_accents)

    def change(text: str) -> str:
        """Apply all steps."""
        for step in steps:
            text = step(text)
        return text

    return change if steps else None


def _lowercase(text: str) -> str:
    """Return ``text`` in lower case; the Turkish capital İ becomes i.

    Python writes it as i and a dot above (U+0307), which would be one more character of the
    alphabet.

    >>> _lowercase("İzmir")
    'izmir'
    """
    return text.replace("İ", "i").replace("I\u0307", "i").lower()


# Unicode does not decompose a letter with a stroke
_STROKES = str.maketrans("ĐđĦħŁłØøŦŧƀƵƶǤǥ", "DdHhLlOoTtbZzGg")


def _without_accents(text: str) -> str:
    r"""Return ``text`` without accents: marks above, below or through a letter.

    These are the marks of canonical combining class 200 and up (Unicode Standard Annex 44), and the
    strokes of ł, ø, đ, ħ, ŧ and the like. The marks below 200 stay, such as the vowel signs of
    Hebrew and Thai or the voicing marks of Japanese. So do ß, æ, œ, þ and ð, which have no mark.

    >>> _without_accents("Zoë Łódź Straße ガ")
    'Zoe Lodz Straße ガ'
    """
    if text.isascii():
        return text
    decomposed = unicodedata.normalize("NFD", text)
    accents = [c for c in set(decomposed) if unicodedata.combining(c) >= _FIRST_ACCENT]
    bare = decomposed.translate(dict.fromkeys(map(ord, accents))).translate(_STROKES)
    return unicodedata.normalize("NFC", bare)
