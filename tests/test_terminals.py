"""What reaches a terminal: no control character of any input. A pipe gets what there is."""

import io
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import COMMAND, PATIENCE, environment, run, run_on_terminal, terminal

from makemore.cli import console

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals as POSIX has them")

HOSTILE = [
    "a\x1b[2Jb",
    "c\x07d",
    "e\x9b31mf",
    "g\u202eh",
    "i\x00j",
    "k\x7fl",
    "m\bn",
    "o\tp",
    "q\u2028r",
]
NAME = "\x1b]0;owned\x07\x9bm.txt"
CHECKPOINT = "\x1b[31m\u202e.npz"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
MOVES = re.compile(r"\r|\x1b\[\?25[lh]|\x1b\[K|\x1b\[[0-9;]*m")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a hostile corpus, its checkpoint, and one that is no checkpoint."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / NAME).write_text("\n".join(HOSTILE), encoding="utf-8", newline="")
    (folder / "plain.txt").write_text("anna\nben\n")
    (folder / f"bad{CHECKPOINT}").write_text("no checkpoint")
    done = run("train", NAME, "--holdout", "0", "-c", CHECKPOINT, "--steps", "300", cwd=folder)
    assert done.returncode == 0
    return folder


def refused(text: str) -> set[str]:
    """Return the characters of a terminal's text that can do more than stand there."""
    return {c for c in text if not c.isprintable() and c not in "\r\n\t"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", NAME, "--holdout", "0", "--steps", "9"],
        ["sample", "--seed", "1", "-n", "50"],
        ["sample", "--seed", "1", "-n", "50", "--with-scores"],
        ["sample", "--seed", "1", "-n", "50", "--json"],
        ["sample", "--seed", "1", "-n", "50", "--report"],
        ["sample", "--seed", "1", "--unique", "--new", "--max-length", "3"],
        ["sample", "--prefix", "\x1b\u202e\x9b\x07"],
        ["top"],
        ["top", "--json"],
        ["score", NAME],
        ["score", NAME, "--json"],
        ["score", NAME, "--json", "--explain"],
        ["score", "plain.txt"],
        ["info"],
        ["info", "--json"],
        ["compare", CHECKPOINT],
        ["compare", CHECKPOINT, "--json"],
        ["compare", CHECKPOINT, "--corpus", NAME],
        ["check", NAME],
        ["check", NAME, "--json"],
        ["plot-heatmap", "-o", "\x1b[31m.png"],
        ["page", "-o", "\x1b[31m.html"],
        ["page", "-o", "\x1b[31m/nowhere.html"],
        ["plot-heatmap", "-o", "\x1b[31m.\x1b[31m"],
        ["info", "-c", f"bad{CHECKPOINT}"],
        ["info", "-c", "no\x1b[31mwhere"],
        ["train", "no\x1b[31mwhere"],
        ["train", NAME, "--encoding", "\x1b[31m"],
        ["train", NAME, "--steps", "\x1b[31m"],
        ["train", NAME, "--\x1b[31m"],
        ["\x1b[31m"],
        ["score", NAME, "--fpr", "\x1b[31m"],
    ],
    ids=ascii,
)
def test_no_control_character_reaches_a_terminal(folder: Path, arguments: list[str]) -> None:
    named = "-c" not in arguments and arguments[0] not in ("compare", "check", "\x1b[31m")
    _, shown = run_on_terminal(*arguments, *(["-c", CHECKPOINT] if named else []), cwd=folder)
    assert shown.strip()
    assert refused(shown.decode()) == set()


@pytest.mark.parametrize("arguments", [["score", NAME, "--explain"], ["plot-heatmap", "--text"]])
def test_only_colours_reach_a_terminal_that_wants_them(folder: Path, arguments: list[str]) -> None:
    arguments = [*arguments, "-c", CHECKPOINT]
    code, coloured = run_on_terminal(*arguments, cwd=folder)
    assert code == 0
    assert COLOUR.search(coloured.decode())
    assert refused(COLOUR.sub("", coloured.decode())) == set()
    for variables in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        code, plain = run_on_terminal(*arguments, cwd=folder, variables=variables)
        assert code == 0
        assert refused(plain.decode()) == set()
    assert b"\x1b[" not in run(*arguments, cwd=folder).stdout.replace(b"\x1b[2J", b"")


def test_columns_stay_columns_on_a_terminal(folder: Path) -> None:
    for arguments, columns in ((["top"], 2), (["sample", "--with-scores", "--seed", "1"], 3)):
        _, shown = run_on_terminal(*arguments, "-n", "9", "-c", CHECKPOINT, cwd=folder)
        rows = shown.decode().strip().split("\r\n")
        assert [row.count("\t") for row in rows] == [columns - 1] * 9


def test_a_pipe_and_a_file_get_the_words_as_they_are(folder: Path) -> None:
    scored = run("score", NAME, "-c", CHECKPOINT, cwd=folder).stdout.decode()
    assert [line.split("\t", 3)[3] for line in scored.split("\n")[:-1]] == HOSTILE
    sampled = run(
        "sample", "-n", "500", "--seed", "1", "-c", CHECKPOINT, cwd=folder
    ).stdout.decode()
    assert set(HOSTILE) & set(sampled.split("\n"))
    assert set("".join(HOSTILE)) - {"\n"} == set(sampled) - {"\n"}
    run("sample", "-n", "500", "--seed", "1", "-c", CHECKPOINT, "-o", "out.txt", cwd=folder)
    assert (folder / "out.txt").read_bytes() == sampled.encode()


def test_progress_is_drawn_rarely_and_leaves_the_terminal_in_order(folder: Path) -> None:
    arguments = ["train", "plain.txt", "--holdout", "0", "--steps", "100000", "-c", "long.npz"]
    code, shown = run_on_terminal(*arguments, cwd=folder)
    assert code == 0
    assert 1 <= shown.count(b"training  [") < 200
    assert shown.count(b"\x1b[?25l") >= shown.count(b"\x1b[?25h") >= 1
    assert shown.rfind(b"\x1b[?25h") > shown.rfind(b"\x1b[?25l")
    assert refused(MOVES.sub("", shown.decode())) == set()
    code, shown = run_on_terminal(*arguments, cwd=folder, variables={"TERM": "dumb"})
    assert code == 0
    assert b"\x1b" not in shown


def test_a_pipe_whose_length_nobody_knows_shows_how_fast_it_is_read(folder: Path) -> None:
    with terminal() as screen:
        process = subprocess.Popen(
            [*COMMAND, "train", "-", "--holdout", "0", "-c", "piped.npz"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=screen.theirs,
            cwd=folder,
            env=environment(TERM="xterm"),
        )
        assert process.stdin is not None
        for _ in range(4):
            process.stdin.write(b"anna\n" * 300_000)
            process.stdin.flush()
            time.sleep(0.3)
        process.stdin.close()
        assert process.wait(PATIENCE) == 0
        screen.read(0.05)
        shown = screen.seen.decode()
    assert re.search(r"reading  \[-+\]  [\d.]+M/s", shown)
    assert "%" not in shown.partition("training")[0]


class Screen(io.StringIO):
    """A terminal that remembers."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("seconds", "is_drawn"), [(0.4, False), (0.6, True)])
def test_a_bar_is_drawn_for_what_takes_long_and_ends_where_the_work_does(
    monkeypatch: pytest.MonkeyPatch, seconds: float, is_drawn: bool
) -> None:
    now = 1000.0
    screen = Screen()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    with console.progress("training") as report:
        now += 10  # others worked before; this work begins with its first report
        report(1, 10)
        now += seconds
        report(5, 10)
        now += 0.01
        report(10, 10)
    assert ("50%" in screen.getvalue()) == is_drawn
    assert ("100%" in screen.getvalue()) == is_drawn


def test_a_terminal_can_be_the_corpus(folder: Path) -> None:
    arguments = ["train", "-", "--holdout", "0", "-c", "typed.npz"]
    code, shown = run_on_terminal(*arguments, cwd=folder, stdin=b"anna\nzo\xc3\xab\n")
    assert code == 0
    assert "2 words, 9 symbols, 5 characters" in shown.decode()


def test_results_in_a_file_show_no_progress_on_the_way(folder: Path) -> None:
    with terminal() as screen, open(folder / "results.txt", "wb") as results:
        done = subprocess.run(
            [*COMMAND, "info", "-c", CHECKPOINT],
            stdout=results,
            stderr=screen.theirs,
            cwd=folder,
            env=environment(TERM="xterm"),
            timeout=PATIENCE,
        )
        screen.read(0.05)
        assert (done.returncode, screen.seen) == (0, b"")
    assert b"bigram" in (folder / "results.txt").read_bytes()
