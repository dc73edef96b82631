"""Streams: lines are scored as they arrive, and a signal ends a stream without losing any.

While a command waits for input, SIGINT and SIGTERM mean the end of the stream. While it works on
lines that it has read, it defers them, but not for long: the reader of the results may have stopped
reading.
"""

import io
import os
import select
import signal
import stat
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import IO, TYPE_CHECKING, Any

from makemore.cli.console import Stopped, say
from makemore.data.sources import STDIN, FileSource, Source

if TYPE_CHECKING:
    from makemore.data.text import Lines

GRACE = 0.5
"""Seconds after a signal within which the results of all lines that were read must be written."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Woken(BaseException):
    """A signal came while the command waited for input."""


class Streams:
    """The inputs of a command, of which some may be streams.

    Parameters
    ----------
    paths : sequence of str
        Files, pipes and devices; ``-`` is stdin.

    Attributes
    ----------
    are_live : bool
        Whether one of them is a stream: its lines must not wait, and cannot be read again.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths = tuple(paths)
        self.are_live = any(map(_is_stream, self.paths))
        self._signum: int | None = None
        self._waits = False
        self._is_behind = False  # whether results of lines that were read are not yet written

    def sources(self) -> tuple[Source, ...]:
        """Return where the bytes come from."""
        return tuple(
            StreamSource(path, self) if _is_stream(path) else FileSource(path)
            for path in self.paths
        )

    def watched(self, blocks: "Iterable[Lines]") -> "Iterator[Lines]":
        """Yield blocks of lines, which are pending until the command calls ``are_out``."""
        for block in blocks:
            self._is_behind = True
            yield block

    def are_out(self) -> None:
        """Note that the results of all lines that were read are written."""
        self._is_behind = False

    @contextmanager
    def finished(self) -> Iterator[None]:
        """Finish the lines that were read before a signal; then do what the signal asks for.

        If that is impossible, or if the reader of the results has closed the pipe, say that results
        are lost. Their number is unknown: the pipe may hold some that the reader never read.
        """
        if not self.are_live:
            yield
            return
        with self._signals_noted():
            try:
                yield
            except (BrokenPipeError, Stopped):
                if self._is_behind:
                    say("the results of some lines that were read are lost")
                raise

    @contextmanager
    def _signals_noted(self) -> Iterator[None]:
        """Defer signals to the end of the block, but at most by ``GRACE`` seconds."""
        before = {signum: signal.getsignal(signum) for signum in _SIGNALS}

        def do(signum: int, frame: FrameType | None) -> None:
            """Call the handler of the signal that was noted."""
            handler = before[signal.Signals(self._signum or signum)]
            if callable(handler):
                handler(self._signum or signum, frame)

        def note(signum: int, frame: FrameType | None) -> None:
            """Note a signal."""
            if self._signum is None:
                self._signum = signum
                signal.setitimer(signal.ITIMER_REAL, GRACE)
            if self._waits:
                raise _Woken

        alarm = signal.signal(signal.SIGALRM, do)
        for signum, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(signum, note)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            for signum, handler in {**before, signal.SIGALRM: alarm}.items():
                signal.signal(signum, handler)
        if self._signum is not None:
            do(self._signum, None)

    def wait_for(self, descriptor: int) -> bool:
        """Wait for bytes or the end of the stream; return False if a signal came first."""
        try:
            self._waits = True
            if self._signum is None:
                select.select([descriptor], [], [])
        except _Woken:
            pass
        finally:
            self._waits = False
        return self._signum is None


@dataclass(frozen=True)
class StreamSource(FileSource):
    """A pipe, a terminal or a device, which ends at a signal."""

    streams: Streams

    def open(self) -> IO[bytes]:
        """Return the stream, still compressed. Raises ``OSError``."""
        is_stdin = self.path == STDIN
        descriptor = os.dup(sys.stdin.fileno()) if is_stdin else os.open(self.path, os.O_RDONLY)
        return io.BufferedReader(_Stream(descriptor, self.streams))


class _Stream(io.RawIOBase):
    """The bytes of a descriptor as they arrive."""

    def __init__(self, descriptor: int, streams: Streams) -> None:
        self._descriptor = descriptor
        self._streams = streams
        self._is_over = False  # a terminal would ask for Ctrl-D once more

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what has arrived into ``buffer``; return the number of bytes, 0 at the end."""
        if self._is_over or not self._streams.wait_for(self._descriptor):
            return 0
        count = os.readv(self._descriptor, [buffer])
        self._is_over = not count
        return count

    def close(self) -> None:
        """Close the descriptor."""
        if not self.closed:
            os.close(self._descriptor)
        super().close()


def _is_stream(path: str) -> bool:
    """Return whether a path, or stdin for -, is a pipe, a socket or a device."""
    if os.name != "posix":
        return False
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode if path == STDIN else os.stat(path).st_mode
    except (AttributeError, OSError, ValueError):  # it has no file descriptor
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)
