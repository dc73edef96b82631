"""Counting one large corpus in several processes of this machine.

The files are cut into slices of about equal size at line ends, one list of slices for each process.
Meanwhile this process computes the digest, which has to see the bytes in order.

The processes are fresh interpreters rather than forks, which NumPy's threads make unsafe. They
speak in pickles over pipes: a request in, then how many bytes are done, at last the tally. They are
in no terminal's foreground, so Ctrl-C reaches their parent alone; and they end by themselves when
their parent is gone, which shows by the end of their input.
"""

import os
import pickle
import queue
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import IO, Any, cast

from makemore.data.corpus import BLOCK, Corpus, Progress, combined_digest, source_digest
from makemore.data.sources import ByteStream, FileSource, SliceSource, Source, line_start
from makemore.data.tally import Tally, count, merge
from makemore.data.text import is_utf_8
from makemore.errors import CorpusError

MIN_SHARE = 1 << 26
"""Bytes for which a process is worth its start, a tenth of a second or two."""

_START = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer);"
    " from makemore.data.workers import work; work()"
)

_SECONDS_BETWEEN_REPORTS = 0.05
"""To write and to read a report takes as long as counting some ten thousand bytes."""

_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1"}
"""NumPy would start threads that only take time from each other: a worker needs one."""

_Messages = queue.Queue[Any]  # (process, bytes done), a Tally, a digest, or None for a failure


class WorkerError(Exception):
    """A process could not do its part; counting in this process will tell why."""


@dataclass(frozen=True)
class _Request:
    corpus: Corpus
    holdout: float
    rare: str
    block_size: int


def job_count(corpus: Corpus, jobs: int | None) -> int:
    """Return how many processes are worth starting for a corpus; 1 means none but this one."""
    can_be_cut = os.name == "posix" and sys.executable and is_utf_8(corpus.encoding)
    if jobs == 1 or not can_be_cut:
        return 1
    worthwhile = (corpus.size() or 0) // MIN_SHARE
    if worthwhile < 2 or not _is_plain(corpus):
        return 1
    return min(jobs or _processors(), worthwhile)


def count_in_processes(
    corpus: Corpus,
    holdout: float,
    rare: str,
    jobs: int,
    progress: Progress | None = None,
    block_size: int = BLOCK,
) -> tuple[Tally, str]:
    """Return the tally of a corpus of plain files and its digest.

    Raises ``WorkerError`` where a process fails, and ``CorpusError``.
    """
    parts = [
        _Request(replace(corpus, sources=slices), holdout, rare, block_size)
        for slices in _shares(corpus, jobs)
    ]
    messages: _Messages = queue.Queue()
    with _running(parts, messages):
        threading.Thread(target=_digest, args=(corpus, messages), daemon=True).start()
        return _collect(messages, len(parts), corpus.size(), progress)


def work() -> None:
    """Do what a request on stdin asks for; the main function of a worker process."""
    request: _Request = pickle.load(sys.stdin.buffer)
    output = sys.stdout.buffer

    reported = 0.0

    def report(done: int, total: int | None) -> None:
        nonlocal reported
        if (now := time.monotonic()) < reported + _SECONDS_BETWEEN_REPORTS:
            return
        reported = now
        if select.select([sys.stdin], [], [], 0)[0]:  # nothing is ever sent: the parent is gone
            os._exit(1)
        pickle.dump(done, output)
        output.flush()

    blocks = request.corpus.read(request.block_size, report, digest=False).blocks()
    try:
        tally: Tally | None = count(blocks, request.holdout, request.rare)
    except (CorpusError, MemoryError):
        tally = None
    pickle.dump(tally, output, protocol=pickle.HIGHEST_PROTOCOL)
    output.flush()


def _processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _is_plain(corpus: Corpus) -> bool:
    """Return whether all sources are regular files that are not compressed."""
    for source in corpus.sources:
        if not isinstance(source, FileSource) or not source.rereadable:
            return False
        with ByteStream(source) as stream:
            if stream.compressed:
                return False
    return True


def _shares(corpus: Corpus, jobs: int) -> Iterator[tuple[Source, ...]]:
    """Cut the files into ``jobs`` lists of slices of about equal size."""
    slices: list[Source] = []
    room = share = -(-(corpus.size() or 0) // jobs)
    for file in cast(tuple[FileSource, ...], corpus.sources):
        start, size = 0, file.size() or 0
        while start < size:
            with file.open() as stream:
                stop = line_start(stream, min(start + room, size))
            slices.append(SliceSource(file.path, start, stop))
            room -= stop - start
            start = stop
            if room <= 0:
                yield tuple(slices)
                slices, room = [], share
    if slices:
        yield tuple(slices)


@contextmanager
def _running(parts: list[_Request], messages: _Messages) -> Iterator[None]:
    """Run a process for each part; their messages come into the queue."""
    running: list[tuple[subprocess.Popen[bytes], threading.Thread]] = []
    try:
        for index, part in enumerate(parts):
            process = subprocess.Popen(
                [sys.executable, "-c", _START],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                process_group=0,
                env={**os.environ, **_ENVIRONMENT},
            )
            listener = threading.Thread(
                target=_listen, args=(process, index, part, messages), daemon=True
            )
            running.append((process, listener))
            listener.start()
        yield
    finally:
        for process, _ in running:
            process.kill()
        for process, listener in running:
            listener.join()
            with suppress(BrokenPipeError), process:  # closes its pipes and waits for its end
                pass


def _listen(
    process: subprocess.Popen[bytes], index: int, part: _Request, messages: _Messages
) -> None:
    """Send a process its part; pass on how far it is, then its tally, or None when it fails."""
    requests, answers = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
    try:
        requests.write(pickle.dumps(sys.path) + pickle.dumps(part))
        requests.flush()
        while isinstance(message := pickle.load(answers), int):
            messages.put((index, message))
        messages.put(message)
    except (OSError, EOFError, pickle.UnpicklingError):
        messages.put(None)


def _digest(corpus: Corpus, messages: _Messages) -> None:
    """Put the digest of the corpus, or None when it cannot be read."""
    try:
        messages.put(combined_digest([source_digest(source) for source in corpus.sources]))
    except CorpusError:
        messages.put(None)


def _collect(
    messages: _Messages, count: int, size: int | None, progress: Progress | None
) -> tuple[Tally, str]:
    """Wait for the tallies of ``count`` processes and the digest."""
    tallies: list[Tally] = []
    done = [0] * count
    sha256 = ""
    while len(tallies) < count or not sha256:
        message = messages.get()
        if message is None:
            raise WorkerError
        if isinstance(message, Tally):
            tallies.append(message)
        elif isinstance(message, str):
            sha256 = message
        else:
            done[message[0]] = message[1]
            if progress:
                progress(sum(done), size)
    return merge(tallies), sha256
