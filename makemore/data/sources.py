"""Where the bytes of a corpus come from: files, pipes, memory, parts of files; compressed or not.

Everything here is bytes; ``corpus.py`` makes text of them.
"""

import io
import os
import select
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import KW_ONLY, dataclass
from typing import IO, Protocol, cast

from makemore.data.compression import (
    COMPRESSED,
    Failures,
    as_they_come,
    decompressed,
    first_bytes,
    stream_of,
)
from makemore.errors import CorpusError, shown

STDIN = "-"

_SMALL_READ = 1 << 16
_PATIENCE = 1.0  # seconds of silence on a pipe


def as_argument(path: str) -> str:
    """Return a path as it is typed after a command, so that it is not taken for an option.

    >>> as_argument("-x.txt"), as_argument("x.txt"), as_argument(STDIN)
    ('./-x.txt', 'x.txt', '-')
    """
    return os.path.join(os.curdir, path) if path.startswith("-") and path != STDIN else path


class Source(Protocol):
    """One stream of bytes that a corpus is read from."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def location(self) -> str:
        """The absolute path or URL by which it can be found again, or nothing."""

    @property
    def rereadable(self) -> bool:
        """Whether ``open`` works more than once."""

    @property
    def begins_file(self) -> bool:
        """Whether it may begin with the marks of a file, such as those of gzip or UTF-16."""

    @property
    def start(self) -> int:
        """Where the part of the stream begins that is meant; a line starts there."""

    @property
    def stop(self) -> int | None:
        """Where that part ends, or None for the end of the stream."""

    def size(self) -> int | None:
        """Return the number of bytes before decompression, or None if unknown."""

    def open(self) -> IO[bytes]:
        """Return the stream from its very start, still compressed. Raises ``OSError``."""

    def state(self) -> object:
        """Return a token that changes whenever the bytes do, or None if unknown."""


@dataclass(frozen=True)
class FileSource:
    """A file, a named pipe or a device by its path, or stdin for ``-``.

    ``copy_of`` names what a temporary file is a copy of. ``start`` and ``stop`` are those of a part
    of a plain text file.
    """

    path: str
    _: KW_ONLY
    copy_of: str = ""
    start: int = 0
    stop: int | None = None

    @property
    def begins_file(self) -> bool:
        """True for all but later parts of a file."""
        return self.start == 0

    @property
    def name(self) -> str:
        """The path as it was given, or the name of what the file is a copy of."""
        return self.copy_of or ("stdin" if self.path == STDIN else self.path)

    @property
    def location(self) -> str:
        """The absolute path of a regular file that stays."""
        return os.path.abspath(self.path) if self.rereadable and not self.copy_of else ""

    @property
    def rereadable(self) -> bool:
        """True for regular files only."""
        return self.path != STDIN and os.path.isfile(self.path)

    def size(self) -> int | None:
        """Return the size of a regular file, or of the part of it."""
        if self.stop is not None:
            return self.stop - self.start
        return os.path.getsize(self.path) if self.rereadable else None

    def open(self) -> IO[bytes]:
        """Return the stream, still compressed. Raises ``OSError``."""
        if self.path == STDIN:
            if sys.stdin is None:
                raise OSError("it is closed")
            _make_stdin_wait()
            return stream_of(as_they_come(sys.stdin.buffer))
        return open(self.path, "rb")

    def state(self) -> object:
        """Return which file is at the path, its size and its time; None if there is none."""
        if not self.rereadable:
            return None
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


@dataclass(frozen=True)
class BytesSource:
    """Bytes in memory."""

    name: str
    data: bytes
    begins_file: bool = True
    location = ""
    rereadable = True
    start = 0
    stop = None

    def size(self) -> int:
        """Return the number of bytes."""
        return len(self.data)

    def open(self) -> IO[bytes]:
        """Return a stream over the bytes."""
        return io.BytesIO(self.data)

    def state(self) -> None:
        """Nothing: they do not change."""


class ByteStream:
    """The bytes of a source, decompressed if the first of them say so.

    With ``as_they_come`` a read returns what there is and does not wait for more. Raises
    ``CorpusError`` for every error of the system or of a decompressor.
    """

    def __init__(self, source: Source, as_they_come: bool = False) -> None:
        self._source = source
        self._length = sys.maxsize if source.stop is None else source.stop - source.start
        self._as_they_come = as_they_come
        self._taken = 0  # bytes of the decompressed stream
        self._ahead = b""
        self._failures: Failures = (OSError, EOFError, ValueError)
        self.compressed = False
        with ExitStack() as opened:
            try:
                self._stream = self._file = opened.enter_context(source.open())
                if source.start:
                    self._file.seek(source.start)
                if source.begins_file:
                    head, self._stream = first_bytes(self._file)
                    self.compressed = head.startswith(COMPRESSED)
                if self.compressed:
                    self._stream, more = decompressed(self._stream, head, source.name, opened)
                    self._failures += more
            except self._failures as error:
                raise self._unreadable(error) from None
            self._closing = opened.pop_all()

    def __enter__(self) -> "ByteStream":
        return self

    def __exit__(self, *exception: object) -> None:
        self._closing.close()

    def read(self, size: int) -> bytes:
        """Return the next ``size`` bytes; fewer at the end, or if they are read as they come."""
        data, self._ahead = self._ahead[:size], self._ahead[size:]
        wanted, more = min(size - len(data), self._length - self._taken), b""
        try:
            if not self._as_they_come:
                more = self._stream.read(wanted)
            elif not data:
                more = cast(io.BufferedReader, self._stream).read1(wanted)
        except self._failures as error:
            raise self._unreadable(error) from None
        self._taken += len(more)
        return data + more

    def peek(self, size: int) -> bytes:
        """Return what ``read`` would return next, without taking it."""
        self._ahead = self.read(size)
        return self._ahead

    def position(self) -> int:
        """Return how many bytes were read: before decompression, if the source can tell."""
        return self._file.tell() - self._source.start if self._file.seekable() else self._taken

    def _unreadable(self, error: Exception) -> CorpusError:
        # the errors of fsspec only repeat the name, but have a cause
        reason = (
            getattr(error, "strerror", None)
            or str(error.__cause__ or "")
            or str(error)
            or type(error).__name__
        )
        return CorpusError(f"cannot read {shown(self._source.name)}: {shown(reason)}")


def stdin_has_data(on_silence: Callable[[], None]) -> bool:
    """Return whether there are bytes on stdin, from a pipe or a redirected file; take none.

    This is False for a terminal, a device, a socket, a closed stdin, and a pipe or file without
    bytes. It is also False for a file that was read in part, which is the script of a shell or the
    list of a loop. An open pipe may give its first byte late, so this waits for a byte or the end,
    and calls ``on_silence`` after the first second.
    """
    if sys.stdin is None:
        return False
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
        is_file = stat.S_ISREG(mode) and sys.stdin.buffer.tell() == 0
    except (OSError, ValueError):  # it has no descriptor
        return False
    if not (is_file or stat.S_ISFIFO(mode)):
        return False
    _make_stdin_wait()
    if os.name == "posix" and not select.select([sys.stdin], [], [], _PATIENCE)[0]:
        on_silence()
    return bool(cast(io.BufferedReader, sys.stdin.buffer).peek(1))


def _make_stdin_wait() -> None:
    """Make reads of stdin wait: on a pipe that does not block, silence would look like the end."""
    with suppress(OSError, ValueError, AttributeError):  # no descriptor, or a system without this
        os.set_blocking(sys.stdin.fileno(), True)


def line_spans(file: IO[bytes], size: int, length: int) -> Iterator[tuple[int, int]]:
    """Yield start and stop of parts of a file of whole lines, each of ``length`` or more bytes."""
    start = 0
    while start < size:
        stop = _line_start(file, min(start + length, size))
        yield start, stop
        start = stop


def _line_start(file: IO[bytes], offset: int) -> int:
    """Return the first position from ``offset`` on at which a line starts, or the end."""
    position = file.seek(offset - 1)
    while data := file.read(_SMALL_READ):
        found = data.find(b"\n")
        if found >= 0:
            return position + found + 1
        position += len(data)
    return max(position, offset)  # the file may have become shorter
