"""The worked example of data/README.md: one file and one entry, and every command takes it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from processes import environment

from makemore.cli import main

PAGE = (Path(__file__).parents[1] / "data" / "README.md").read_text("utf-8")
MODEL, ENTRY = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)

PROGRAM = """
import sys

import makemore.models
from makemore.kinds import KINDS, Kind

makemore.models.__path__.append(".")  # where unigram.py is
entry = {entry}
KINDS[entry.name] = entry

from makemore.__main__ import main

main()
"""

COMMANDS = {
    "train": "train words.txt --model unigram --holdout 0.2",
    "sample": "sample -n 3 --seed 1 --prefix a --suffix n --max-length 5",
    "top": "top -n 3",
    "score": "score words.txt --fpr 30% --explain",
    "info": "info",
    "compare": "compare makemore.npz makemore.npz",
    "plot-heatmap": "plot-heatmap",
    "plot-heatmap --text": "plot-heatmap --text",
}
REFUSED = {
    "plot-loss": "plot-loss",
    "page": "page",
    "plot-embeddings": "plot-embeddings",
    "plot-attention": "plot-attention anna",
    "export": "export -o model.arpa",
}
"""What needs more than the three questions, and says so in one line."""
OTHERS = {"check", "download", "outliers", "import", "mix"}
"""Commands that take no checkpoint, or more than one."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the example's file and a program that adds its entry."""
    folder = tmp_path_factory.mktemp("new-model")
    (folder / "unigram.py").write_text(MODEL)
    (folder / "program.py").write_text(PROGRAM.format(entry=ENTRY))
    (folder / "words.txt").write_text("anna\nben\ncara\ndan\neden\nfran\ngina\nhana\njan\n" * 3)
    assert done(folder, COMMANDS["train"]).returncode == 0
    return folder


def done(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "program.py", *command.split()],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
    )


def test_every_command_is_tried() -> None:
    names = {name.split()[0] for name in (*COMMANDS, *REFUSED)}
    assert names | OTHERS >= set(main.commands)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_new_model_takes_the_command(folder: Path, name: str) -> None:
    result = done(folder, COMMANDS[name])
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("name", REFUSED)
def test_what_needs_more_is_refused_in_one_line(folder: Path, name: str) -> None:
    result = done(folder, REFUSED[name])
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("makemore: ")


def test_its_words_are_as_the_constraints_ask_and_its_scores_as_its_definition(
    folder: Path,
) -> None:
    words = done(folder, COMMANDS["sample"]).stdout.split()
    assert len(words) == 3
    assert all(word.startswith("a") and word.endswith("n") and len(word) <= 5 for word in words)
    assert "unigram" in done(folder, "info").stdout
