"""What ``score`` makes of blocks of lines, in this process or in several.

Other processes are sent plain values and load the checkpoints themselves. Each gets one task at a
time, in turns, and the results come back in the order of the tasks. A process that fails is missed
by nobody: this one does its task.
"""

import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import cycle
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

from makemore.cli.options import load_checkpoint
from makemore.counting.workers import START, start_process
from makemore.data.corpus import reading_of
from makemore.data.text import Lines
from makemore.errors import MakemoreError
from makemore.evaluation.rank import RankEstimator
from makemore.evaluation.scoring import Judgement, Summary, judge

if TYPE_CHECKING:
    from makemore.evaluation.losses import Choices
    from makemore.training.record import Checkpoint

TASK = 1 << 18
"""The characters that are sent to a process at once: scoring them takes tens of milliseconds."""


class Asked(NamedTuple):
    """What is asked of the words, and how the results are written; see ``Judgement.table``."""

    checkpoint: str
    against: tuple[str, ...]
    ignore_case: bool
    fpr: float | None
    regular: bool
    rank: bool
    as_json: bool
    only: str | None
    explain: str | None
    escape: bool
    line_numbers: bool


class Task(NamedTuple):
    """Blocks of lines, the name of their file or nothing, and the number of their first line."""

    file: str
    first: int
    blocks: list[Lines]


class Scorer:
    """Scores lines as asked. Raises ``CheckpointError``.

    Attributes
    ----------
    checkpoint : Checkpoint
    calibration : Calibration or None
        Where a false-positive rate is asked for.
    """

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self.checkpoint = load_checkpoint(asked.checkpoint)
        others = [load_checkpoint(path) for path in asked.against]
        self._models: dict[str, Any] = {
            "reading": self._reading(self.checkpoint),
            "others": [(other.model, self._reading(other)) for other in others],
        }
        self.calibration = None if asked.fpr is None else self.checkpoint.calibration()
        self._ranker = RankEstimator(self.checkpoint.model) if asked.rank else None

    @property
    def is_large(self) -> bool:
        """Whether the model sees the whole word, and so benefits from large blocks."""
        return self.checkpoint.model.context_length is None

    def _reading(self, checkpoint: "Checkpoint") -> Callable[[str], str]:
        """Return how a model reads the words."""
        facts = checkpoint.corpus
        return reading_of(facts._replace(lowercase=True) if self._asked.ignore_case else facts)

    def judged(
        self, blocks: Iterable[Lines], file: str = "", first: int = 1
    ) -> Iterator[Judgement]:
        """Yield what ``judge`` makes of each block; ``first`` is the number of the first line."""
        return judge(
            self.checkpoint.model,
            blocks,
            file=file,
            first=first,
            calibration=self.calibration,
            fpr=self._asked.fpr or 0.0,
            regular=self._asked.regular,
            ranker=self._ranker,
            **self._models,
        )

    def choices(self, blocks: Iterable[str]) -> "Choices":
        """Return how often the model, and how often the other one, finds a word likelier."""
        from makemore.evaluation.losses import Choices

        parts = judge(self.checkpoint.model, blocks, **self._models)
        (choices,) = sum((part.summary for part in parts), Summary()).choices or (Choices(),)
        return choices

    def text(self, part: Judgement) -> str:
        """Return the lines that are printed for a block."""
        asked = self._asked
        if asked.as_json:
            return part.json_lines(asked.only, explain=bool(asked.explain))
        return part.table(
            asked.only,
            explain=asked.explain,
            escape=asked.escape,
            line_numbers=asked.line_numbers,
        )

    def result(self, task: Task) -> tuple[str, Summary]:
        """Return the lines that are printed for a task, and the sums over its words."""
        texts, summary = [], Summary()
        for part in self.judged(task.blocks, task.file, task.first):
            texts.append(self.text(part))
            summary += part.summary
        return "".join(texts), summary


def tasks_of(files: Iterable[tuple[str, Iterable[Lines]]]) -> Iterator[Task]:
    """Yield the blocks of files as tasks of at least ``TASK`` characters, but for the last ones."""
    for file, blocks in files:
        first, following, size = 1, 1, 0
        waiting: list[Lines] = []
        try:
            for block in blocks:
                waiting.append(block)
                size += len(block.text)
                following += block.text.count("\n")
                if size >= TASK:
                    yield Task(file, first, waiting)
                    first, waiting, size = following, [], 0
        except MakemoreError:
            if waiting:  # the lines before one that cannot be decoded
                yield Task(file, first, waiting)
            raise
        if waiting:
            yield Task(file, first, waiting)


def results_of_processes(
    scorer: Scorer, asked: Asked, tasks: Iterable[Task], jobs: int
) -> Iterator[tuple[str, Summary]]:
    """Yield the results of tasks in their order, as ``jobs`` other processes give them."""
    with _running(jobs, asked) as processes:
        if not processes:
            yield from map(scorer.result, tasks)
            return
        waiting: deque[tuple[subprocess.Popen[bytes], Task]] = deque()
        try:
            for process, task in zip(cycle(processes), tasks, strict=False):
                # a process gets a task when its answer was read: neither waits for the other
                has_all = len(waiting) == len(processes)
                done = [_answer(scorer, *waiting.popleft())] if has_all else []
                _send(process, task)
                waiting.append((process, task))
                yield from done
        except MakemoreError:
            yield from (_answer(scorer, *sent) for sent in waiting)
            raise
        yield from (_answer(scorer, *sent) for sent in waiting)


def _send(process: subprocess.Popen[bytes], message: object) -> None:
    with suppress(OSError):  # it has ended, which is found out when its answer is read
        pickle.dump(message, cast(IO[bytes], process.stdin), protocol=pickle.HIGHEST_PROTOCOL)
        cast(IO[bytes], process.stdin).flush()


def _answer(scorer: Scorer, process: subprocess.Popen[bytes], task: Task) -> tuple[str, Summary]:
    """Return the result of a task that was sent to a process; if it has ended, do the task here."""
    try:
        return cast(tuple[str, Summary], pickle.load(cast(IO[bytes], process.stdout)))
    except (EOFError, OSError, pickle.UnpicklingError):
        return scorer.result(task)


@contextmanager
def _running(jobs: int, asked: Asked) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run so many processes, or as many as the system can start."""
    running: list[subprocess.Popen[bytes]] = []
    try:
        with suppress(OSError):
            for _ in range(jobs):
                running.append(start_process(START.format("cli.judging")))
                _send(running[-1], sys.path)
                _send(running[-1], asked)
        yield running
    finally:
        for process in running:
            process.kill()
        for process in running:
            with suppress(BrokenPipeError), process:  # closes its pipes and waits for its end
                pass


def work() -> None:
    """Do the tasks that stdin holds, until it ends; the main function of another process."""
    scorer = Scorer(pickle.load(sys.stdin.buffer))
    with suppress(EOFError):
        while True:
            result = scorer.result(pickle.load(sys.stdin.buffer))
            pickle.dump(result, sys.stdout.buffer, protocol=pickle.HIGHEST_PROTOCOL)
            sys.stdout.flush()
