"""Scoring in several processes: the same bytes as in one, whatever fails."""

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from processes import ended_by, started, until

from makemore.checkpoint import save
from makemore.cli import judging, main, scoring
from makemore.counting.workers import START
from makemore.data.corpus import Corpus
from makemore.data.text import Lines
from makemore.errors import DecodingError
from makemore.training.options import TrainingOptions
from makemore.training.train import train

WORDS = [a + b + c for a in "abcdefgh" for b in "aeiou" for c in "abcdefgh"]

Score = Callable[..., Result]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two checkpoints and two lists with blank and odd lines."""
    folder = tmp_path_factory.mktemp("judging")
    for name, options in (
        ("makemore.npz", TrainingOptions("ngram")),
        ("other.npz", TrainingOptions("bigram")),
        ("gru.npz", TrainingOptions("gru", steps=2, hidden_size=64)),
    ):
        save(folder / name, train(Corpus.from_words(WORDS), options))
    lines = [*WORDS, "", "zoë", "abababab", "xyz"] * 3
    (folder / "one.txt").write_text("\n".join(lines), "utf-8")
    (folder / "two.txt").write_text("\r\n".join(reversed(lines)), "utf-8")
    return folder


@pytest.fixture
def score(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Score:
    """Return a function that scores the lists in so many processes, in small tasks."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(scoring, "SHARE", 1)
    monkeypatch.setattr(judging, "TASK", 1 << 10)

    def run(*arguments: str, jobs: int, code: int = 0) -> Result:
        result = CliRunner().invoke(main, ["score", *arguments, "--jobs", str(jobs)])
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.mark.parametrize(
    "options",
    [
        "one.txt",
        "one.txt two.txt --line-numbers --fpr 5% --regular --only flagged",
        "two.txt one.txt --json --explain --against other.npz --ignore-case",
        "one.txt --explain --rank",
        "one.txt two.txt --sort",
    ],
)
def test_processes_print_what_one_prints(score: Score, options: str) -> None:
    alone, together = (score(*options.split(), jobs=jobs) for jobs in (1, 3))
    assert together.stdout == alone.stdout
    assert together.stderr == alone.stderr


def test_other_processes_do_the_work(score: Score, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging.Scorer, "result", None)  # which this process needs not
    assert "scored    963 lines" in score("one.txt", jobs=2).stderr


@pytest.mark.parametrize("fails", ["at once", "at its second task"])
def test_the_tasks_of_a_process_that_fails_are_done_here(
    score: Score, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    alone = score("one.txt", "two.txt", "--json", jobs=1)
    start = {
        "at once": "raise SystemExit",
        "at its second task": START.replace(
            "import work;",
            "import work, Scorer; done = []; result = Scorer.result;"
            " Scorer.result = lambda *a: done.append(0) or 1 / (len(done) < 2) and result(*a);",
        ),
    }[fails]
    monkeypatch.setattr(judging, "START", start)
    together = score("one.txt", "two.txt", "--json", jobs=2)
    assert (together.stdout, together.stderr) == (alone.stdout, alone.stderr)


def test_lines_before_one_that_cannot_be_decoded_are_scored(folder: Path, score: Score) -> None:
    (folder / "bad.txt").write_bytes((folder / "one.txt").read_bytes() * 40 + b"\n\xff\nanna\n")
    alone, together = (score("bad.txt", jobs=jobs, code=1) for jobs in (1, 2))
    assert together.stdout.count("\n") > 10_000
    assert (together.stdout, together.stderr) == (alone.stdout, alone.stderr)
    skipped = [score("bad.txt", "--errors", "skip", jobs=jobs) for jobs in (1, 2)]
    assert skipped[0].stdout == skipped[1].stdout
    assert skipped[0].stderr == skipped[1].stderr


def test_tasks_hold_all_lines_and_know_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "TASK", 4)

    def blocks() -> Iterator[Lines]:
        yield from (Lines("ab\n"), Lines("\nc\n"), Lines("d\n"))
        raise DecodingError("bad")

    tasks = judging.tasks_of([("f", blocks())])
    assert next(tasks) == ("f", 1, [Lines("ab\n"), Lines("\nc\n")])
    assert next(tasks) == ("f", 4, [Lines("d\n")])
    with pytest.raises(DecodingError):
        next(tasks)


def test_a_pipe_is_scored_by_one_process(folder: Path) -> None:
    for jobs, code in (("2", 2), ("1", 0)):
        with started("score", "--jobs", jobs, cwd=folder) as process:
            stdout, stderr = process.communicate(b"bab\n")
        assert process.returncode == code
        assert (b"--jobs works on files" in stderr) is (jobs == "2")
        assert stdout.endswith(b"\tbab\n") is (jobs == "1")


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_a_signal(folder: Path, signum: signal.Signals) -> None:
    (folder / "long.txt").write_text("\n".join(WORDS * 1_500), "utf-8")

    def children(pid: int) -> list[int]:
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))

    with started("score", "long.txt", "-c", "gru.npz", "--jobs", "2", cwd=folder) as process:
        until(lambda: len(children(process.pid)) == 2)
        workers = children(process.pid)
        code, stderr = ended_by(process, signum)
    assert code in (130, -signal.SIGKILL)
    assert stderr in (b"makemore: interrupted\n", b"")
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


def test_a_missing_file_is_refused_before_others_are_scored(score: Score) -> None:
    result = score("one.txt", "missing.txt", jobs=1, code=1)
    assert result.stdout == ""
    told = "cannot read missing.txt: No such file or directory; give single words on stdin"
    assert result.stderr == f"makemore: {told}\n"


def test_a_model_that_knows_capitals_says_that_it_never_sees_them(
    folder: Path, score: Score
) -> None:
    save(folder / "Capitals.npz", train(Corpus.from_words(["Anna", "Bo"] * 9), TrainingOptions()))
    for options, said in (("--ignore-case", True), ("", False)):
        result = score("one.txt", "-c", "Capitals.npz", *options.split(), jobs=1)
        assert ("train with --lowercase" in result.stderr) is said
