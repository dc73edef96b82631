"""Times programs against each other: in turns, each time in a fresh process.

The speed of a machine varies. Programs that are compared therefore run in turns, A B C A B C ...;
each run is divided by a run of the same round, and the result is the median of these ratios. Wall
seconds are what a person waits; CPU seconds (user and system, of the process and its children) are
more reliable where other work disturbs the machine.
"""

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Task:
    """A program to run.

    Attributes
    ----------
    name : str
    command : tuple of str
    reports : bool
        Whether it prints, as JSON on its last line, a figure that it measured inside.
    """

    name: str
    command: tuple[str, ...]
    reports: bool = False


@dataclass(frozen=True)
class Run:
    """The cost of one run.

    Attributes
    ----------
    wall, cpu : float
        Seconds, the start of the process included.
    peak : float
        Memory in megabytes: the largest resident set of the process or of any of its children.
    reported : float
        What the program printed; nan where it reports nothing.
    """

    wall: float
    cpu: float
    peak: float
    reported: float


@dataclass(frozen=True)
class Spread:
    """The median, the minimum and the maximum of several measurements."""

    median: float
    least: float
    greatest: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of at least one value.

        >>> Spread.of([3.0, 1.0, 2.0])
        Spread(median=2.0, least=1.0, greatest=3.0, count=3)
        """
        return cls(statistics.median(values), min(values), max(values), len(values))


class BenchmarkError(Exception):
    """A program that was to be measured failed."""


def run(task: Task) -> Run:
    """Run a program; its output is discarded unless it reports."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            task.command,
            stdin=subprocess.DEVNULL,
            stdout=output if task.reports else subprocess.DEVNULL,
            stderr=errors,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            last = errors.read().decode(errors="replace").strip().rpartition("\n")[2]
            raise BenchmarkError(f"{task.name}: exit code {process.returncode}: {last}")
        output.seek(0)
        reported = json.loads(output.read().splitlines()[-1]) if task.reports else float("nan")
    # Linux counts ru_maxrss in KiB. It is never below that of the process that started it: this one
    # stays small, for it imports nothing large before it has measured all.
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / MEGABYTE, reported)


def in_turns(
    tasks: Sequence[Task], rounds: int, warm_up: bool = True, path: Path | None = None
) -> dict[str, list[Run]]:
    """Run all tasks in turn, ``rounds`` times, and return the runs by the tasks' names.

    With ``warm_up`` each runs once before, unmeasured, so that programs and libraries are in the
    system's cache. A large file that all of them read, at ``path``, is put there before each run:
    it is the program that is measured and not the disk, and some systems do not keep for long what
    was read.
    """

    def run_cached(task: Task) -> Run:
        """Run a program whose file is in the system's cache."""
        if path:
            read_into_cache(path)
        return run(task)

    if warm_up:
        for task in tasks:
            run_cached(task)
    runs: dict[str, list[Run]] = {task.name: [] for task in tasks}
    for _ in range(rounds):
        for task in tasks:
            runs[task.name].append(run_cached(task))
    return runs


def read_into_cache(path: Path) -> None:
    """Read a file, so that it is in the cache of the system.

    It is read in small blocks, because a child's peak memory is never below that of this process.
    """
    with open(path, "rb", buffering=0) as file:
        while file.read(MEGABYTE):
            pass


def ratios(
    runs: Sequence[Run], base: Sequence[Run], of: Callable[[Run], float] = lambda run: run.wall
) -> Spread:
    """Return the spread of the ratios of ``runs`` to ``base``, round by round."""
    return Spread.of([of(a) / of(b) for a, b in zip(runs, base, strict=True)])
