"""Streams: lines are worked on as they come, and a signal ends a stream without losing any.

SIGINT and SIGTERM are heard while a stream is waited for, which is then at its end. While what was
read is worked on they wait, though not for long: who reads the results may have stopped reading.
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

PATIENCE = 0.5
"""Seconds after a signal in which the lines that were read must be out."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Woken(BaseException):
    """A signal came while a stream was waited for."""


class Streams:
    """What a command reads, some of it perhaps as it comes.

    Parameters
    ----------
    paths : sequence of str
        Files, pipes and devices; ``-`` is stdin.

    Attributes
    ----------
    are_live : bool
        Whether there is one among them whose lines must not wait, and cannot be read again.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths = tuple(paths)
        self.are_live = any(map(_is_stream, self.paths))
        self._signum: int | None = None
        self._waits = False
        self._is_behind = False  # whether results of lines that were read are not out

    def sources(self) -> tuple[Source, ...]:
        """Return where the bytes come from."""
        return tuple(
            StreamSource(path, self) if _is_stream(path) else FileSource(path)
            for path in self.paths
        )

    def watched(self, blocks: "Iterable[Lines]") -> "Iterator[Lines]":
        """Yield blocks of lines, of which ``are_out`` tells when the command is done with them."""
        for block in blocks:
            self._is_behind = True
            yield block

    def are_out(self) -> None:
        """Note that the results of all lines that were read are out."""
        self._is_behind = False

    @contextmanager
    def finished(self) -> Iterator[None]:
        """Finish the lines that were read before a signal.

        Say so where that cannot be, or where the reader of the results has gone. How many lines it
        has not read nobody knows: some of them may wait in the pipe. All other failures are said
        elsewhere.
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
        """Note signals in the block; do what they ask for after it, or after ``PATIENCE``."""
        before = {signum: signal.getsignal(signum) for signum in _SIGNALS}

        def do(signum: int, frame: FrameType | None) -> None:
            """Do what the signal that was noted asks for."""
            handler = before[signal.Signals(self._signum or signum)]
            if callable(handler):
                handler(self._signum or signum, frame)

        def note(signum: int, frame: FrameType | None) -> None:
            """Note a signal."""
            if self._signum is None:
                self._signum = signum
                signal.setitimer(signal.ITIMER_REAL, PATIENCE)
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
        """Wait for bytes or the end; return False where a signal came instead."""
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
    """A pipe, a terminal or a device; a signal ends it."""

    streams: Streams

    def open(self) -> IO[bytes]:
        """Return the stream, still compressed. Raises ``OSError``."""
        is_stdin = self.path == STDIN
        descriptor = os.dup(sys.stdin.fileno()) if is_stdin else os.open(self.path, os.O_RDONLY)
        return io.BufferedReader(_Stream(descriptor, self.streams))


class _Stream(io.RawIOBase):
    """The bytes of a descriptor as they come."""

    def __init__(self, descriptor: int, streams: Streams) -> None:
        self._descriptor = descriptor
        self._streams = streams
        self._is_over = False  # a terminal would ask for Ctrl-D once more

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Put what has come into ``buffer``; return how many bytes that were, 0 at the end."""
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
    """Return whether a path, or stdin for -, gives bytes as somebody sends them."""
    if os.name != "posix":
        return False
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode if path == STDIN else os.stat(path).st_mode
    except (AttributeError, OSError, ValueError):  # no descriptor stands behind it
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)
