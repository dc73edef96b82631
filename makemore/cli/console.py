"""Exit codes, signals, standard streams and progress bars of the command line.

Results go to stdout, everything else to stderr. Exit codes: 0 success, 1 failure, 2 wrong usage, 3
lines were flagged (if an option asks for that), 130 interrupted, 143 terminated.
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
"""The seconds before a progress bar is shown."""
PROGRESS_PAUSE = 0.1
"""The seconds from one drawing to the next, because terminals are slow."""

IGNORED_AFTER_SIGNAL = 1.0
"""The seconds after a signal in which another one does not interrupt the cleaning up."""

LOST_PAUSE = 0.01
"""The seconds after which ``Stopped`` is raised again where Python ignored it."""

_STOPS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


class Stopped(BaseException):
    """A signal asks the process to end. It is no ``Exception``, so that nothing catches it."""

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
                _discard(sys.stdout)  # its reader may be slow
                code = _failed(stopped.code, str(stopped))
            for stream in (sys.stdout, sys.stderr):
                _is_lost(stream)  # or Python would report an error when it exits
        sys.exit(code)

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        """Parse the arguments; --help and --version print here."""
        with _naming_closed_pipe():
            return super().make_context(*args, **more)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command, and flush its results."""
        with _naming_closed_pipe():
            super().invoke(ctx)
            sys.stdout.flush()

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order in which they are likely to be needed."""
        return list(self.commands)

    def _exit_code(self, args: Sequence[str] | None, extra: dict[str, Any]) -> int:
        try:
            if not _prepare_streams():
                return _failed(1, "stdout is closed: redirect it to /dev/null if it is not needed")
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
            _discard(sys.stdout)
            return 0
        except OSError as error:
            place = "stdout" if _is_lost(sys.stdout) else error.filename
            return _failed(1, f"{error.strerror or error}{f' ({place})' if place else ''}")
        except MemoryError:
            return _failed(1, "there is not enough memory for this")


@contextmanager
def _naming_closed_pipe() -> Iterator[None]:
    """Raise an exception of our own for a closed pipe; click would exit with code 1."""
    try:
        yield
    except BrokenPipeError:
        raise _ReaderGoneError from None


def _prepare_streams() -> bool:
    """Return whether there is a stdout, and let both streams print every character."""
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
    """Print the message, and return the exit code."""
    say(message)
    return code


def _is_lost(stream: TextIO) -> bool:
    """Flush a stream; if that fails, discard its contents and return True."""
    try:
        stream.flush()
    except (OSError, ValueError):
        _discard(stream)
        return True
    return False


def _discard(stream: TextIO) -> None:
    """Redirect a stream to nowhere, its buffered contents included."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def _signals_raised() -> Iterator[None]:
    """Let SIGINT and SIGTERM end the block by ``Stopped``, so that unfinished work is cleaned up.

    Signals within ``IGNORED_AFTER_SIGNAL`` of another are ignored, even after the block. Where
    Python ignores exceptions, as in the callbacks of an import, ``Stopped`` is raised again later.
    """
    stopped: list[float] = []

    def stop(signum: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        if not stopped or time.monotonic() - stopped[-1] > IGNORED_AFTER_SIGNAL:
            stopped.append(time.monotonic())
            raise Stopped(signum)

    def stop_again(lost: Any) -> None:
        """Raise ``Stopped`` again a moment after Python has ignored it."""
        if isinstance(lost.exc_value, Stopped):
            signum = lost.exc_value.code - 128
            stopped.clear()
            signal.signal(signal.SIGALRM, lambda *_: stop(signum, None))
            signal.setitimer(signal.ITIMER_REAL, LOST_PAUSE)
        else:
            report_lost(lost)

    report_lost, sys.unraisablehook = sys.unraisablehook, stop_again
    before = {signum: signal.getsignal(signum) for signum in _STOPS}
    handled = [signum for signum in before if before[signum] is not signal.SIG_IGN]
    for signum in handled:
        signal.signal(signum, stop)
    try:
        yield
    finally:
        sys.unraisablehook = report_lost
        if not stopped:
            for signum in handled:
                signal.signal(signum, before[signum])


@contextmanager
def interruption_noted(noted: list[float]) -> Iterator[None]:
    """Let SIGINT append its time to ``noted`` instead of ending the block.

    Another one, later than ``IGNORED_AFTER_SIGNAL`` after it, ends the block.
    """
    before = signal.getsignal(signal.SIGINT)

    def note(signum: int, frame: FrameType | None) -> None:
        """Handle the signal."""
        is_repeated = bool(noted) and time.monotonic() - noted[-1] > IGNORED_AFTER_SIGNAL
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
    with suppress(OSError):  # there is nowhere else to report it
        click.echo(f"makemore: {shown(message)}", err=True)


def print_results(text: str, columns: int = 1) -> None:
    """Print lines on stdout; control characters are escaped on a terminal.

    Lines have this many columns, separated by tabs; a tab in the last column is data.
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
    """Flush stdout, so that results appear before the messages that follow."""
    with naming_stdout():
        sys.stdout.flush()


@contextmanager
def naming_stdout() -> Iterator[None]:
    """Name stdout in a system error of the block, which writes to nothing else."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, "stdout") from None


def wants_colour() -> bool:
    """Return whether stdout is a terminal and NO_COLOR is not set."""
    return _is_screen(sys.stdout) and not os.environ.get("NO_COLOR")


def _is_screen(stream: TextIO) -> bool:
    """Return whether a stream is a terminal with colours and cursor movement."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


@contextmanager
def progress(label: str) -> Iterator["Bar"]:
    """Yield a progress bar, which is called with the amount done and the total."""
    bar = Bar(label, _is_screen(sys.stderr))
    try:
        yield bar
    finally:
        bar.finish()


class Bar:
    """A progress bar on stderr.

    It appears ``PROGRESS_DELAY`` after the first report, and is redrawn every ``PROGRESS_PAUSE``.

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
        """Report the amount done and the total, if known; a note replaces the rate."""
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
                itertools.count(),  # click needs an iterable where the length is unknown
                length=total,
                label=self._label,
                file=sys.stderr,
                item_show_func=lambda rate: rate,
            )
        self._draw(now - self._started)

    def clear(self) -> None:
        """Erase the bar, so that a line can be printed in its place."""
        if self._bar is not None:
            click.echo("\r\x1b[K", file=sys.stderr, nl=False)

    def finish(self) -> None:
        """Draw the last report, and move the cursor to a new line."""
        if self._bar is not None and self._started is not None:
            self._draw(time.monotonic() - self._started)
            self._bar.render_finish()

    def _draw(self, seconds: float) -> None:
        rate = self._note or f"{_amount(self._last / seconds)}/s"
        self._bar.update(self._last - self._bar.pos, rate)


def _amount(number: float) -> str:
    """Return a number with a unit such as k or M.

    >>> _amount(1_234_567)
    '1.2M'
    """
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:.1f}{letter}"
    return f"{number:.0f}"
