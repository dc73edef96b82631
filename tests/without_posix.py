"""Runs the command line as on Windows: without what only POSIX systems have.

A folder cannot be opened, a clock ticks 64 times a second, and functions and modules are missing.
It is no Windows: paths, terminals and processes are those of this system.
"""

import multiprocessing  # noqa: F401 (like the libraries, it must find its own system)
import os
import select
import signal
import subprocess  # noqa: F401
import sys
import time
from collections.abc import Callable
from typing import Any

import matplotlib.backends.backend_agg  # noqa: F401
import numpy as np  # noqa: F401

MISSING: dict[Any, tuple[str, ...]] = {
    os: ("fchmod", "fork", "getuid", "mkfifo", "readv", "sched_getaffinity", "set_blocking"),
    signal: ("ITIMER_REAL", "SIGALRM", "SIGHUP", "SIGKILL", "SIGPIPE", "pthread_kill", "setitimer"),
}
CLOCKS = ("monotonic", "perf_counter", "time")


def main() -> None:
    """Take everything away, and run the command line."""
    from makemore.cli import main as run

    for module, names in MISSING.items():
        for name in filter(lambda name: hasattr(module, name), names):
            delattr(module, name)
    for name in ("fcntl", "pwd", "resource", "termios"):
        sys.modules[name] = None  # type: ignore[assignment]
    select.select = _only_sockets
    os.open = _refusing_folders(os.open)
    for name in CLOCKS:
        setattr(time, name, _coarse(getattr(time, name)))
    os.name = "another"
    run(sys.argv[1:])


def _only_sockets(*_: object) -> Any:
    raise OSError("not a socket")


def _refusing_folders(open_it: Callable[..., int]) -> Callable[..., int]:
    def refusing(path: Any, *arguments: Any, **options: Any) -> int:
        if os.path.isdir(path):
            raise PermissionError(13, "Permission denied", path)
        return open_it(path, *arguments, **options)

    return refusing


def _coarse(clock: Callable[[], float]) -> Callable[[], float]:
    return lambda: int(clock() * 64) / 64


if __name__ == "__main__":
    main()
