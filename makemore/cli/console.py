"""What stands between the commands and the world: exit codes, signals, streams, progress.

Results go to stdout, all else to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 lines were
flagged where that was to be told, 130 interrupted, 143 terminated.
"""

import itertools
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TextIO

import click

from makemore.errors import MakemoreError, OptionError, shown

PROGRESS_DELAY = 0.5
"""Seconds: what takes less shows no progress."""
PROGRESS_PAUSE = 0.1
"""Seconds from one drawing to the next: terminals take their time."""

DEAF_TIME = 1.0
"""Seconds after a signal in which another one does not disturb the cleaning up."""

_STOPS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


class Stopped(BaseException):
    """A signal asks the process to end. No ``Exception``, so that nothing on the way keeps it."""

    def __init__(self, signum: int) -> None:
        super().__init__(_STOPS[signal.Signals(signum)])
        self.code = 128 + signum


class _ReaderGoneError(Exception):
    """The reader of stdout closed the pipe."""


class CommandLine(click.Group):
    """Turns every expected failure into one line on stderr and an exit code."""

    def main(self, args: Sequence[str] | None = None, *_: Any, **extra: Any) -> Any:
        """Run the command line and leave by ``SystemExit``."""
        with _signals_raised():
            try:
                code = self._exit_code(args, extra)
            except Stopped as stopped:
                _give_up(sys.stdout)  # its reader may be in no hurry
                code = _failed(stopped.code, str(stopped))
            for stream in (sys.stdout, sys.stderr):
                _is_lost(stream)  # else Python would complain at its end
        sys.exit(code)

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        """Parse the arguments; --help and --version print here."""
        with _reader_may_go():
            return super().make_context(*args, **more)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command, up to the moment when its results are out."""
        with _reader_may_go():
            super().invoke(ctx)
            sys.stdout.flush()

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order in which they are likely to be needed."""
        return list(self.commands)

    def _exit_code(self, args: Sequence[str] | None, extra: dict[str, Any]) -> int:
        try:
            if not _prepare_streams():
                return _failed(1, "stdout is closed: send it to /dev/null if nobody is to read it")
            return super().main(args, **{**extra, "standalone_mode": False}) or 0
        except click.exceptions.NoArgsIsHelpError as error:
            with suppress(OSError):
                click.echo(error.format_message(), err=True)
            return 2
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx else "makemore"
            message = error.format_message().removesuffix(".")
            return _failed(2, f"{message} (see '{command} --help')")
        except OptionError as error:
            return _failed(2, str(error))
        except MakemoreError as error:
            return _failed(1, str(error))
        except _ReaderGoneError:
            _give_up(sys.stdout)
            return 0
        except OSError as error:
            place = "stdout" if _is_lost(sys.stdout) else error.filename
            return _failed(1, f"{error.strerror or error}{f' ({place})' if place else ''}")
        except MemoryError:
            return _failed(1, "there is not enough memory for this")


@contextmanager
def _reader_may_go() -> Iterator[None]:
    """Give a closed pipe a name of its own; click would answer it with exit code 1."""
    try:
        yield
    except BrokenPipeError:
        raise _ReaderGoneError from None


def _prepare_streams() -> bool:
    """Return whether there is a stdout, and make both streams fit for every word."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")
        return False
    for stream in (sys.stdout, sys.stderr):
        # Words keep their accents whatever the system's locale says.
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
    return True


def _failed(code: int, message: str) -> int:
    """Say why, and return the exit code."""
    say(message)
    return code


def _is_lost(stream: TextIO) -> bool:
    """Flush a stream; if it does not take what it was given, give that up and return True."""
    try:
        stream.flush()
    except (OSError, ValueError):
        _give_up(stream)
        return True
    return False


def _give_up(stream: TextIO) -> None:
    """Let what waits in a stream, and what comes, go nowhere."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def _signals_raised() -> Iterator[None]:
    """Let SIGINT and SIGTERM end the block by ``Stopped``, so that what is half done is undone.

    Those that follow within ``DEAF_TIME`` are not heard, not even after the block.
    """
    stopped: list[float] = []

    def stop(signum: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        if not stopped or time.monotonic() - stopped[-1] > DEAF_TIME:
            stopped.append(time.monotonic())
            raise Stopped(signum)

    before = {signum: signal.getsignal(signum) for signum in _STOPS}
    heard = [signum for signum in before if before[signum] is not signal.SIG_IGN]
    for signum in heard:
        signal.signal(signum, stop)
    try:
        yield
    finally:
        if not stopped:
            for signum in heard:
                signal.signal(signum, before[signum])


@contextmanager
def interruption_noted(noted: list[float]) -> Iterator[None]:
    """Let SIGINT put its time into ``noted`` instead of ending the block.

    Only one that comes ``DEAF_TIME`` after another ends it.
    """
    before = signal.getsignal(signal.SIGINT)

    def note(signum: int, frame: FrameType | None) -> None:
        """Handle the signal."""
        is_repeated = bool(noted) and time.monotonic() - noted[-1] > DEAF_TIME
        noted.append(time.monotonic())
        if is_repeated and callable(before):
            before(signum, frame)

    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def say(message: str) -> None:
    """Print one line on stderr."""
    with suppress(OSError):  # there is no other place to complain
        click.echo(f"makemore: {shown(message)}", err=True)


def print_results(text: str, columns: int = 1) -> None:
    """Print lines on stdout, with control characters escaped where a person reads them.

    Lines have so many columns with tabs between them; a tab in the last one is data.
    """
    if sys.stdout.isatty():
        text = "\n".join(
            "\t".join(map(shown, line.split("\t", columns - 1))) for line in text.split("\n")
        )
    write_results(text + "\n")


def write_results(text: str) -> None:
    """Write text to stdout as it is."""
    with naming_stdout():
        sys.stdout.write(text)


def flush_results() -> None:
    """Let what was written to stdout be read before anything else is said."""
    with naming_stdout():
        sys.stdout.flush()


@contextmanager
def naming_stdout() -> Iterator[None]:
    """Let an error of the system in the block, where only stdout is written to, name stdout."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, "stdout") from None


def wants_colour() -> bool:
    """Return whether stdout is a terminal whose user has nothing against colours."""
    return _is_screen(sys.stdout) and not os.environ.get("NO_COLOR")


def _is_screen(stream: TextIO) -> bool:
    """Return whether a stream is a terminal that can colour text and move the cursor."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


@contextmanager
def progress(label: str) -> Iterator["Bar"]:
    """Give what is told how much is done of how much, and draws that on a terminal."""
    bar = Bar(label, _is_screen(sys.stderr))
    try:
        yield bar
    finally:
        bar.finish()


class Bar:
    """A progress bar on stderr, which is drawn at most every ``PROGRESS_PAUSE``.

    Nothing is drawn until ``PROGRESS_DELAY`` after the first report.

    Attributes
    ----------
    is_shown : bool
        Whether there is a terminal to draw on.
    """

    def __init__(self, label: str, is_shown: bool) -> None:
        self.is_shown = is_shown
        self._label = label
        self._note = ""
        self._started: float | None = None
        self._next_drawing = 0.0
        self._bar: Any = None
        self._last = 0

    def __call__(self, done: int, total: int | None, note: str = "") -> None:
        """Take how much is done of how much, where that is known; a note stands for the rate."""
        if not self.is_shown:
            return
        now = time.monotonic()
        self._note = note
        if self._started is None:
            self._started = now
            self._next_drawing = now + PROGRESS_DELAY
        self._last = done
        if now < self._next_drawing:
            return
        self._next_drawing = now + PROGRESS_PAUSE
        if self._bar is None:
            self._bar = click.progressbar(
                itertools.count(),  # where nobody knows the length click asks for something else
                length=total,
                label=self._label,
                file=sys.stderr,
                item_show_func=lambda rate: rate,
            )
        self._draw(now - self._started)

    def clear(self) -> None:
        """Make room for a line of text where the bar is drawn."""
        if self._bar is not None:
            click.echo("\r\x1b[K", file=sys.stderr, nl=False)

    def finish(self) -> None:
        """Show the last report, and leave the cursor on a new line."""
        if self._bar is not None and self._started is not None:
            self._draw(time.monotonic() - self._started)
            self._bar.render_finish()

    def _draw(self, seconds: float) -> None:
        rate = self._note or f"{_amount(self._last / seconds)}/s"
        self._bar.update(self._last - self._bar.pos, rate)


def _amount(number: float) -> str:
    """Return a number with its thousands as letters.

    >>> _amount(1_234_567)
    '1.2M'
    """
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:.1f}{letter}"
    return f"{number:.0f}"
