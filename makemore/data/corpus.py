r"""A corpus: where the words come from, how they are read, and what is remembered of them.

A corpus is text with one word a line. Lines end at LF, CRLF or CR and nowhere else. Blank lines
hold no word; nothing else is changed unless it is asked for. However the text comes (files, a pipe,
compressed, in any encoding) it leaves this module as one stream of blocks: strings of whole lines,
each line ended by ``\n``, of about ``BLOCK`` bytes except where one line is longer. Counting what
is in the blocks is the work of ``bigrams.py``.
"""

import codecs
import hashlib
import io
import os
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, Protocol, cast

import numpy as np

from makemore.errors import CorpusError, shown

BLOCK = 1 << 20
"""Bytes read at a time: small enough for the processor's cache, large enough for NumPy."""

STDIN = "-"
_COMPRESSIONS = {b"\x1f\x8b\x08": "gzip", b"BZh": "bz2", b"\xfd7zXZ\0": "lzma"}

Progress = Callable[[int, int | None], None]
"""Called with the bytes read so far and, where it is known, how many there are in all."""


@dataclass(frozen=True)
class CorpusFacts:
    """What a checkpoint remembers of the corpus it was trained on.

    Attributes
    ----------
    name : str
        What a person calls the corpus: the file's name, or several joined by commas.
    sha256 : str
        Of the bytes of the text before decoding (after decompression), in lower-case hexadecimal.
        For several files, of their digests (32 bytes each) in the order given.
    lines : int
        Lines that hold a word and were counted, training and held-out together.
    symbols : int
        Characters plus one end mark per word.
    held_out_lines, held_out_symbols : int
        How many of these were held out of the training.
    held_out_fingerprint : str
        Hexadecimal; equal for equal multisets of held-out words, in whatever order they were read.
    dropped_lines : int
        Lines left out because they hold a character rarer than ``min_count``.
    min_count : int
    encoding : str
    lowercase, strip_accents : bool
    normalize : str
        "nfc", "nfkc" or empty. With the three before it, how to read the same words again.
    """

    name: str
    sha256: str
    lines: int
    symbols: int
    held_out_lines: int = 0
    held_out_symbols: int = 0
    held_out_fingerprint: str = ""
    dropped_lines: int = 0
    min_count: int = 1
    encoding: str = "utf-8"
    lowercase: bool = False
    strip_accents: bool = False
    normalize: str = ""


class Source(Protocol):
    """One stream of bytes that a corpus is read from."""

    @property
    def name(self) -> str:
        """What a person calls it."""

    @property
    def rereadable(self) -> bool:
        """Whether ``open`` works more than once."""

    def open(self) -> IO[bytes]:
        """Return the stream, still compressed. Raises ``OSError``."""

    def size(self) -> int | None:
        """Return its length in bytes where it is known."""


@dataclass(frozen=True)
class FileSource:
    """A file, a named pipe, or stdin for ``-``."""

    path: str

    @property
    def name(self) -> str:
        """The file's name without its folders."""
        return "stdin" if self.path == STDIN else os.path.basename(self.path)

    @property
    def rereadable(self) -> bool:
        """Only a regular file is."""
        return self.path != STDIN and os.path.isfile(self.path)

    def open(self) -> IO[bytes]:
        """Return the stream, still compressed. Raises ``OSError``."""
        if self.path == STDIN:
            return open(sys.stdin.fileno(), "rb", closefd=False)
        return open(self.path, "rb")

    def size(self) -> int | None:
        """Return the size of a regular file."""
        return os.path.getsize(self.path) if self.rereadable else None


@dataclass(frozen=True)
class BytesSource:
    """Bytes in memory."""

    name: str
    data: bytes
    rereadable: bool = True

    def open(self) -> IO[bytes]:
        """Return a stream over the bytes."""
        return io.BytesIO(self.data)

    def size(self) -> int | None:
        """Return how many there are."""
        return len(self.data)


@dataclass(frozen=True)
class Corpus:
    """Where words come from and how their text is changed on the way in.

    Parameters
    ----------
    sources : tuple of Source
        Read in this order; a line never reaches from one into the next.
    encoding : str
        A byte order mark at the start is dropped, whatever the encoding.
    lowercase, strip_accents : bool
    normalize : str
        "nfc", "nfkc" or empty.

    Raises
    ------
    CorpusError
        No source, an unknown encoding or form.
    """

    sources: tuple[Source, ...]
    encoding: str = "utf-8"
    lowercase: bool = False
    strip_accents: bool = False
    normalize: str = ""

    def __post_init__(self) -> None:
        if not self.sources:
            raise CorpusError("no corpus is named: expected at least one file")
        if self.normalize not in ("", "nfc", "nfkc"):
            raise CorpusError(
                f"unknown normal form '{shown(self.normalize)}': expected nfc or nfkc"
            )
        try:
            b"".decode(self.encoding)
        except (LookupError, ValueError):
            raise CorpusError(
                f"unknown encoding '{shown(self.encoding)}': expected a name that Python knows,"
                " such as utf-8, utf-16 or latin-1"
            ) from None

    @classmethod
    def from_paths(cls, *paths: str | os.PathLike[str]) -> "Corpus":
        """Return the corpus of these files; ``-`` is stdin."""
        return cls(tuple(FileSource(os.fspath(path)) for path in paths))

    @classmethod
    def from_bytes(cls, data: bytes, name: str = "bytes") -> "Corpus":
        """Return the corpus of text in memory."""
        return cls((BytesSource(name, data),))

    @classmethod
    def from_words(cls, words: Iterable[str], name: str = "words") -> "Corpus":
        """Return the corpus of these words, which may hold no line end."""
        try:
            return cls.from_bytes("".join(word + "\n" for word in words).encode(), name)
        except UnicodeEncodeError as error:
            raise CorpusError(f"a word holds a surrogate, which is no character: {error}") from None

    @property
    def name(self) -> str:
        """The sources' names, joined by commas."""
        return ", ".join(source.name for source in self.sources)

    def size(self) -> int | None:
        """Return the bytes of all sources, compressed or not, where they are known."""
        sizes = [source.size() for source in self.sources]
        return None if None in sizes else sum(cast(list[int], sizes))

    def read(self, block_size: int = BLOCK, progress: Progress | None = None) -> "Reading":
        """Return one pass over the text: iterate over it for the blocks."""
        return Reading(self, block_size, progress)

    def words(self) -> Iterator[str]:
        """Yield the words one by one."""
        for block in self.read():
            yield from words_of(block)

    @contextmanager
    def rereadable(self) -> Iterator["Corpus"]:
        """Give a corpus that can be read several times: pipes are copied to temporary files."""
        if all(source.rereadable for source in self.sources):
            yield self
            return
        import shutil
        import tempfile

        with tempfile.TemporaryDirectory(prefix="makemore-") as folder:
            sources: list[Source] = []
            for i, source in enumerate(self.sources):
                if not source.rereadable:
                    copy = os.path.join(folder, str(i))
                    with _opened(source) as stream, open(copy, "wb") as file:
                        shutil.copyfileobj(stream, file, BLOCK)
                    source = SpooledSource(copy, source.name)
                sources.append(source)
            yield replace(self, sources=tuple(sources))


@dataclass(frozen=True)
class SpooledSource(FileSource):
    """A file that stands for a stream which is called by another name."""

    original: str

    @property
    def name(self) -> str:
        """The name of the stream."""
        return self.original


class Reading:
    """One pass over a corpus: an iterator over its blocks, and afterwards its digest.

    Raises ``CorpusError`` for a source that cannot be read, naming file, line and byte.
    """

    def __init__(self, corpus: Corpus, block_size: int, progress: Progress | None) -> None:
        self.corpus = corpus
        self._block_size = block_size
        self._progress = progress
        self._total = corpus.size() if progress else None
        self._bytes_before = 0
        self._digests: list[bytes] = []

    @property
    def sha256(self) -> str:
        """The digest of what was read, as ``CorpusFacts.sha256`` defines it."""
        if len(self._digests) == 1:
            return self._digests[0].hex()
        return hashlib.sha256(b"".join(self._digests)).hexdigest()

    def __iter__(self) -> Iterator[str]:
        change = _change(self.corpus)
        for source in self.corpus.sources:
            for block in self._source_blocks(source):
                yield change(block) if change else block

    def _source_blocks(self, source: Source) -> Iterator[str]:
        digest = hashlib.sha256()
        decoder = _LineDecoder(source.name, self.corpus.encoding)
        with _opened(source) as raw:
            stream = _decompressed(raw)
            for data in _chunks(stream, source.name, self._block_size):
                digest.update(data)
                if block := decoder.decode(data):
                    yield block
                if self._progress:
                    self._progress(self._bytes_before + raw.tell(), self._total)
            if self._total is not None:
                self._bytes_before += raw.tell()
        self._digests.append(digest.digest())
        if block := decoder.finish():
            yield block


class _LineDecoder:
    """Bytes in, whole lines of text out, with the place of what cannot be decoded."""

    def __init__(self, name: str, encoding: str) -> None:
        self._name = name
        self._encoding = encoding
        with_mark = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
        self._decoder = io.IncrementalNewlineDecoder(
            codecs.getincrementaldecoder(with_mark)(), translate=True
        )
        self._rest: list[str] = []
        self._bytes = 0
        self._lines = 0

    def decode(self, data: bytes) -> str:
        """Return the lines that are whole now, each ended by a line feed; maybe none."""
        if self._bytes == 0:
            _refuse_other_encoding(data, self._name, self._encoding)
        self._bytes += len(data)
        return self._whole_lines(self._text(data, final=False))

    def finish(self) -> str:
        """Return the last line, ended by a line feed, where it was not."""
        rest = "".join([*self._rest, self._text(b"", final=True)])
        return rest + "\n" if rest and not rest.endswith("\n") else rest

    def _whole_lines(self, text: str) -> str:
        end = text.rfind("\n") + 1
        if not end:
            self._rest.append(text)
            return ""
        block = "".join([*self._rest, text[:end]])
        self._rest = [text[end:]]
        self._lines += _line_feeds(block)
        return block

    def _text(self, data: bytes, final: bool) -> str:
        try:
            return self._decoder.decode(data, final)
        except UnicodeDecodeError as error:
            raise self._error(error) from None
        except UnicodeError as error:
            raise CorpusError(f"{shown(self._name)} is not {self._encoding}: {error}") from None

    def _error(self, error: UnicodeDecodeError) -> CorpusError:
        offset = self._bytes - len(error.object) + error.start
        before = error.object[: error.start].decode(self._encoding, "replace")
        before = before.replace("\r\n", "\n").replace("\r", "\n")
        line = self._lines + 1 + before.count("\n")
        found = error.object[error.start : error.start + 4].hex(" ")
        return CorpusError(
            f"{shown(self._name)}, line {line:,}, byte {offset:,}: not {self._encoding} text"
            f" ({error.reason}; found {found}): name the file's encoding with --encoding"
        )


def words_of(text: str) -> Iterator[str]:
    r"""Yield the words of ``text``: its lines without LF, CRLF or CR, blank ones left out.

    >>> list(words_of("emma\r\n\r\nava"))
    ['emma', 'ava']
    """
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if line:
            yield line


@contextmanager
def _opened(source: Source) -> Iterator[IO[bytes]]:
    try:
        with source.open() as stream:
            yield stream
    except OSError as error:
        reason = error.strerror or str(error)
        raise CorpusError(f"cannot read {shown(source.name)}: {shown(reason)}") from None


def _decompressed(stream: IO[bytes]) -> IO[bytes]:
    """Return the stream of the text itself, decompressed where its first bytes say so."""
    if not isinstance(stream, io.BufferedReader):
        stream = cast(IO[bytes], io.BufferedReader(cast(io.RawIOBase, stream)))
    head = cast(io.BufferedReader, stream).peek(6)
    for magic, module in _COMPRESSIONS.items():
        if head.startswith(magic):
            opener = __import__(module).open
            return cast(IO[bytes], opener(stream, "rb"))
    return stream


def _chunks(stream: IO[bytes], name: str, size: int) -> Iterator[bytes]:
    """Yield the bytes of ``stream``, ``size`` at a time."""
    while True:
        try:
            data = stream.read(size)
        except (EOFError, OSError) as error:
            raise CorpusError(f"cannot read {shown(name)}: {shown(str(error))}") from None
        if not data:
            return
        yield data


def _refuse_other_encoding(head: bytes, name: str, encoding: str) -> None:
    """Raise ``CorpusError`` where text said to be UTF-8 begins like UTF-16 or UTF-32."""
    if codecs.lookup(encoding).name != "utf-8":
        return
    found = ""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        found = "utf-32"
    elif head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        found = "utf-16"
    else:
        even, odd = head[:1024:2], head[1:1024:2]
        if odd.count(0) * 2 > len(odd) and not even.count(0):
            found = "utf-16-le"
        elif even.count(0) * 2 > len(even) and not odd.count(0):
            found = "utf-16-be"
    if found:
        raise CorpusError(
            f"{shown(name)} looks like {found.upper()} text, expected UTF-8: try --encoding {found}"
        )


def _line_feeds(text: str) -> int:
    """Return how many line feeds ``text`` holds; NumPy counts short lines faster than str does."""
    if not text.isascii():
        return text.count("\n")
    return int(np.count_nonzero(np.frombuffer(text.encode(), np.uint8) == ord("\n")))


def _change(corpus: Corpus) -> Callable[[str], str] | None:
    """Return what changes a block as the corpus asks, or None where nothing is to change."""
    steps: list[Callable[[str], str]] = []
    if corpus.normalize:
        form = "NFC" if corpus.normalize == "nfc" else "NFKC"
        steps.append(lambda text: unicodedata.normalize(form, text))
    if corpus.lowercase:
        steps.append(str.lower)
    if corpus.strip_accents:
        steps.append(_without_accents)

    def change(text: str) -> str:
        for step in steps:
            text = step(text)
        return text

    return change if steps else None


def _without_accents(text: str) -> str:
    r"""Return ``text`` without combining marks.

    >>> _without_accents("Zoë")
    'Zoe'
    """
    if text.isascii():
        return text
    decomposed = unicodedata.normalize("NFD", text)
    bare = "".join(c for c in decomposed if not unicodedata.combining(c))
    return unicodedata.normalize("NFC", bare)
