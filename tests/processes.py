"""Real processes of the command line, with their streams on pipes, files or a terminal."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

COMMAND = [sys.executable, "-m", "makemore"]
PATIENCE = 60.0  # seconds after which a test gives up waiting
SECOND = 1.0  # within which a process ends after a signal


def environment(**changes: str) -> dict[str, str]:
    """Return the variables of this process without those that change how Python or colour work."""
    unwanted = ("PYTHON", "MAKEMORE_", "LC_", "LANG", "TERM", "NO_COLOR", "HTTP", "http")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(unwanted)}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", **changes}


def run(
    *arguments: str | bytes,
    stdin: bytes = b"",
    variables: Mapping[str, str] = {},
    **options: object,
) -> subprocess.CompletedProcess[bytes]:
    """Run a command line to its end with all streams on pipes, where ``options`` say no other."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [*COMMAND, *arguments],
        input=stdin,
        env=environment(**variables),
        timeout=PATIENCE,
        **streams,
    )


@contextmanager
def started(*arguments: str, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command line beside the block, in a process group of its own; kill it in the end."""
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen[bytes](
        [*COMMAND, *arguments],
        **{"env": environment(), "process_group": 0, **streams, **options},  # type: ignore[call-overload]
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def until(holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.002)


def ended_by(process: subprocess.Popen[bytes], *signals: signal.Signals) -> tuple[int, bytes]:
    """Send signals at once; return the exit code, which must come in time, and stderr."""
    for signum in signals:
        process.send_signal(signum)
    sent = time.monotonic()
    code = process.wait(PATIENCE)
    assert time.monotonic() - sent < SECOND
    assert process.stderr
    return code, process.stderr.read()


class Terminal:
    """A pseudo-terminal, as wide as most, and all that was written to it."""

    def __init__(self) -> None:
        self.ours, self.theirs = pty.openpty()
        self.seen = b""

    def read(self, seconds: float = 0.0) -> bool:
        """Take what has been written; return whether more can come."""
        while select.select([self.ours], [], [], seconds)[0]:
            try:
                data = os.read(self.ours, 1 << 16)
            except OSError:  # Linux says so when nobody has the other side
                return False
            if not data:
                return False
            self.seen += data
        return True

    def shows(self, text: bytes) -> bool:
        self.read(0.02)
        return text in self.seen


@contextmanager
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    try:
        yield made
    finally:
        for descriptor in (made.ours, made.theirs):
            os.close(descriptor)


def run_on_terminal(
    *arguments: str,
    cwd: Path,
    stdin: bytes | None = None,
    variables: Mapping[str, str] = {},
) -> tuple[int, bytes]:
    """Run a command with stdout and stderr on a terminal; return its exit code and what is shown.

    With ``stdin`` that is typed, and ended by Ctrl-D; without, stdin is empty.
    """
    with terminal() as screen:
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=subprocess.DEVNULL if stdin is None else screen.theirs,
            stdout=screen.theirs,
            stderr=screen.theirs,
            cwd=cwd,
            env=environment(**{"TERM": "xterm-256color", **variables}),
            start_new_session=True,
        )
        if stdin is not None:
            os.write(screen.ours, stdin + b"\4")
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < deadline:
            screen.read(0.01)
        process.kill()
        screen.read(0.05)
        return process.wait(), screen.seen
