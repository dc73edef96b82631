"""Counting one large corpus in several processes of this machine.

The files are cut into slices at line ends, and each process takes a slice when it has none. This
one does so too when it has computed the digest, for which one process must see all bytes in order.
Slices that a process has taken when it fails go back to the others.

The other processes are fresh interpreters rather than forks, which NumPy's threads make unsafe.
They exchange pickles over pipes: they get what to count, ask for slice after slice until none is
left, and answer with what they counted. They are in no terminal's foreground, so Ctrl-C reaches
their parent alone; and they end by themselves when their parent is gone and gives them no slice.

``concurrent.futures`` would import the caller's main module in each process, so that a script
without a guard runs again in all of them; a worker that is killed would break the whole pool, and
Ctrl-C would reach the workers while they start.
"""

import os
import pickle
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import IO, Any, cast

from makemore.data.corpus import (
    Corpus,
    Progress,
    can_be_cut,
    combined_digest,
    slices_of,
    source_digest,
)
from makemore.data.sources import FileSource
from makemore.data.text import Lines
from makemore.errors import MakemoreError

MIN_SHARE = 1 << 26
"""The bytes that make a process worth its start, which takes a tenth of a second or two."""

MIN_SLICE = 1 << 23
"""The minimum bytes of a slice: counting it takes milliseconds, and so processes end together."""

_MAX_SLICES = 1 << 10

START = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer);"
    " from makemore.{} import work; work()"
)
"""What another process runs: the function ``work`` of a module, after it got ``sys.path``."""

_START = START.format("counting.workers")

_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1"}
"""NumPy would start threads that only compete with each other: a worker needs one."""

_ASK = "next"


@dataclass(frozen=True)
class _Counted:
    """What a process counted."""

    part: Any


Count = Callable[[Iterator[Lines], int], Any]
"""Returns what is in blocks of lines, as one of so many processes of this machine that count at
once. It is pickled for them, and raises ``MakemoreError``."""

Merge = Callable[[list[Any]], Any]
"""Returns what is in the whole corpus from what was counted in parts."""


def job_count(corpus: Corpus, jobs: int | None) -> int:
    """Return how many processes are worth starting for a corpus; 1 means none but this one."""
    worthwhile = (corpus.size() or 0) // MIN_SHARE
    has_processes = os.name == "posix" and sys.executable
    if jobs == 1 or worthwhile < 2 or not has_processes or not can_be_cut(corpus):
        return 1
    return min(jobs or processors(), worthwhile)


def count_in_processes(
    jobs: int,
    corpus: Corpus,
    count: Count,
    merge: Merge,
    progress: Progress | None = None,
    *,
    digest: bool = False,
) -> tuple[Any, str]:
    """Return what ``jobs`` processes counted, this one among them, and the digest if asked.

    The corpus can be cut. Raises what ``count`` and ``merge`` raise.
    """
    pool = _Pool(corpus, progress)
    with _running(jobs - 1, corpus, count, pool) as threads:
        sha256 = ""
        if digest:
            digests = [source_digest(source, pool.report) for source in corpus.sources]
            sha256 = combined_digest(digests)
        own = [count(_blocks(corpus, pool.next_slice), jobs)]
        for thread in threads:
            thread.join()
        if pool.slices or pool.errors:  # of processes that failed
            own.append(count(_blocks(corpus, pool.next_slice), jobs))
    return merge([*own, *pool.parts]), sha256


def _blocks(corpus: Corpus, next_slice: Callable[[], FileSource | None]) -> Iterator[Lines]:
    """Yield the lines of slices of a corpus until there is no next one."""
    while part := next_slice():
        yield from replace(corpus, sources=(part,)).read().blocks()


class _Pool:
    """What this process shares with the threads, each of which serves another process.

    Attributes
    ----------
    slices : deque
        Those that no process has taken. The end of a deque and of a list is changed at once, so no
        lock is needed, which a signal could leave closed.
    parts : list
        What the other processes counted.
    errors : list of MakemoreError
        What they raised: then nobody takes a further slice.
    """

    def __init__(self, corpus: Corpus, progress: Progress | None) -> None:
        self.slices = deque(slices_of(corpus, slice_length(corpus)))
        self.parts: list[Any] = []
        self.errors: list[MakemoreError] = []
        self._slices_in_all = max(1, len(self.slices))
        self._size = corpus.size() or 0
        self._done = 0
        self._progress = progress

    def take(self) -> FileSource | None:
        """Return a slice, or None where none is left."""
        try:
            return None if self.errors else self.slices.popleft()
        except IndexError:  # another thread may take the last one at any moment
            return None

    def next_slice(self) -> FileSource | None:
        """Return a slice for this process, or None. Raises the error of another process."""
        if self.errors:
            raise self.errors[0]
        self.report()
        return self.take()

    def report(self) -> None:
        """Report the progress of all; a slice counts as read when it is taken."""
        left = len(self.slices) / self._slices_in_all
        self._done = max(self._done, round(self._size * (1 - left)))  # some may have come back
        if self._progress:
            self._progress(self._done, self._size)


def work() -> None:
    """Count what stdin asks for; the main function of a worker process."""
    corpus, count, jobs = pickle.load(sys.stdin.buffer)

    def next_slice() -> FileSource | None:
        """Ask the parent for one."""
        _say(_ASK)
        return cast(FileSource | None, pickle.load(sys.stdin.buffer))

    try:
        _say(_Counted(count(_blocks(corpus, next_slice), jobs)))
    except MakemoreError as error:
        _say(error)  # counting these slices again would raise the same


def _say(message: object) -> None:
    pickle.dump(message, sys.stdout.buffer, protocol=pickle.HIGHEST_PROTOCOL)
    sys.stdout.flush()


def start_process(start: str) -> subprocess.Popen[bytes]:
    """Start an interpreter that runs ``start``, with pipes. Raises ``OSError``."""
    return subprocess.Popen(
        [sys.executable, "-c", start],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        process_group=0,
        env={**os.environ, **_ENVIRONMENT},
    )


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def slice_length(corpus: Corpus) -> int:
    """Return the length of a slice in bytes, so that there are neither too many nor too few."""
    return max(MIN_SLICE, (corpus.size() or 0) // _MAX_SLICES)


@contextmanager
def _running(
    processes: int, corpus: Corpus, count: Count, pool: _Pool
) -> Iterator[list[threading.Thread]]:
    """Run so many processes, each with a thread that serves it; give the threads that started.

    They may be fewer: where the system cannot start another, those that run suffice.
    """
    asked = pickle.dumps(sys.path) + pickle.dumps((corpus, count, processes + 1))
    running: list[tuple[subprocess.Popen[bytes], threading.Thread]] = []
    try:
        with suppress(OSError, RuntimeError):
            for _ in range(processes):
                process = start_process(_START)
                thread = threading.Thread(target=_serve, args=(process, asked, pool), daemon=True)
                running.append((process, thread))
                thread.start()
        yield [thread for _, thread in running if thread.ident is not None]
    finally:
        for process, _ in running:
            process.kill()
        for process, thread in running:
            if thread.ident is not None:  # Ctrl-C may come before its start
                thread.join()
            with suppress(BrokenPipeError), process:  # closes its pipes and waits for its end
                pass


def _serve(process: subprocess.Popen[bytes], asked: bytes, pool: _Pool) -> None:
    """Ask a process, give it slices, keep its answer; put its slices back where it fails."""
    to_process, from_process = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
    taken: list[FileSource] = []
    answer: object = None
    with suppress(Exception):  # it has ended, or pickle raises anything at all
        to_process.write(asked)
        to_process.flush()
        while (answer := pickle.load(from_process)) == _ASK:
            if part := pool.take():
                taken.append(part)
            to_process.write(pickle.dumps(part))
            to_process.flush()
    if isinstance(answer, _Counted):
        pool.parts.append(answer.part)
    elif isinstance(answer, MakemoreError):
        pool.errors.append(answer)
    else:
        pool.slices.extend(taken)
