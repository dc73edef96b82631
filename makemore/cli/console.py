"""What stands between the commands and the world: exit codes, signals, streams, progress.

Results go to stdout, all else to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage, 130
interrupted, 143 terminated.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click

from makemore.errors import MakemoreError, OptionError, shown

PROGRESS_DELAY = 0.5
"""Seconds: what takes less shows no progress."""

Progress = Callable[[int, int | None], None]


class _StoppedError(Exception):
    """The process was asked to end; carries the exit code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class CommandLine(click.Group):
    """Turns every expected failure into one line on stderr and an exit code."""

    def main(self, args: Sequence[str] | None = None, *_: Any, **extra: Any) -> Any:
        """Run the command line and leave by ``SystemExit``."""
        sys.exit(self._exit_code(args, extra))

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; being interrupted or terminated ends it cleanly."""
        try:
            with _termination_raised():
                super().invoke(ctx)
                sys.stdout.flush()
        except KeyboardInterrupt:
            raise _StoppedError(130, "interrupted") from None

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order in which they are likely to be needed."""
        return list(self.commands)

    def _exit_code(self, args: Sequence[str] | None, extra: dict[str, Any]) -> int:
        try:
            return super().main(args, **{**extra, "standalone_mode": False}) or 0
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            return 2
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx else "makemore"
            return _failed(2, f"{error.format_message()} (see '{command} --help')")
        except OptionError as error:
            return _failed(2, str(error))
        except MakemoreError as error:
            return _failed(1, str(error))
        except _StoppedError as stopped:
            return _failed(stopped.code, str(stopped))
        except BrokenPipeError:  # the reader has seen enough
            return _failed(0, "")
        except OSError as error:
            place = f" ({error.filename})" if error.filename else ""
            return _failed(1, f"{error.strerror or error}{place}")
        except MemoryError:
            return _failed(1, "there is not enough memory for this")


def _failed(code: int, message: str) -> int:
    """Say why, give up what stdout could not take, and return the exit code."""
    if message:
        say(message)
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        # Python would try again at its end, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


@contextmanager
def _termination_raised() -> Iterator[None]:
    """Let SIGTERM end the block by an exception, so that what is half done is cleaned up."""

    def terminate(signum: int, frame: FrameType | None) -> None:
        raise _StoppedError(143, "terminated")

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def say(message: str) -> None:
    """Print one line on stderr."""
    click.echo(f"makemore: {shown(message)}", err=True)


def print_results(text: str) -> None:
    """Print lines on stdout, with control characters escaped where a person reads them."""
    if sys.stdout.isatty():
        text = "\n".join(shown(line) for line in text.split("\n"))
    sys.stdout.write(text + "\n")


def wants_colour() -> bool:
    """Return whether stdout is a terminal whose user has nothing against colours."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


@contextmanager
def progress(label: str) -> Iterator[Progress]:
    """Give a function that is told what is done of how much, and draws that on a terminal."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    started = time.monotonic()
    bar: list[Any] = []

    def report(done: int, total: int | None) -> None:
        elapsed = time.monotonic() - started
        if not bar and elapsed > PROGRESS_DELAY:
            bar.append(
                click.progressbar(
                    length=total, label=label, file=sys.stderr, item_show_func=lambda rate: rate
                )
            )
        if bar:
            bar[0].update(done - bar[0].pos, f"{_amount(done / elapsed)}/s")

    try:
        yield report
    finally:
        if bar:
            bar[0].render_finish()


def _amount(number: float) -> str:
    """Return a number with its thousands as letters.

    >>> _amount(1_234_567)
    '1.2M'
    """
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:.1f}{letter}"
    return f"{number:.0f}"
