"""Systems without what POSIX has, on a stand-in: ``without_posix.py`` takes it away."""

import subprocess
import sys
from pathlib import Path

import pytest
from processes import PATIENCE, environment, run

WORDS = "".join(
    f"{word}{ending}\n" for word in "anna ben cara dan eden".split() for ending in "aeio"
)
HERE = Path(__file__).parent


def without_posix(
    *arguments: str, folder: Path, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command line that must succeed."""
    done = subprocess.run(
        [sys.executable, HERE / "without_posix.py", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=folder,
        env=environment(),
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with words.txt and the model of the stand-in."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "words.txt").write_text(WORDS)
    without_posix("train", "words.txt", "--model", "ngram", "--order", "3", folder=folder)
    return folder


def test_a_checkpoint_is_saved_and_is_that_of_this_system(trained: Path) -> None:
    assert sorted(path.name for path in trained.iterdir()) == ["makemore.npz", "words.txt"]
    there = without_posix("sample", "--seed", "1", "-n", "50", folder=trained).stdout
    train = ["train", "words.txt", "--model", "ngram", "--order", "3", "-c", "here.npz"]
    assert run(*train, cwd=trained).returncode == 0
    here = run("sample", "--seed", "1", "-n", "50", "-c", "here.npz", cwd=trained)
    (trained / "here.npz").unlink()
    assert there.splitlines() == here.stdout.decode().splitlines()
    assert len(there.splitlines()) == 50


def test_words_are_read_from_a_pipe_and_judged(trained: Path) -> None:
    done = without_posix("score", stdin="anna\n\nxyz\n", folder=trained)
    assert [line.rsplit("\t", 1)[1] for line in done.stdout.splitlines()] == ["anna", "xyz"]
    without_posix("train", "-c", "pipe.npz", stdin=WORDS, folder=trained)
    (trained / "pipe.npz").unlink()


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "words.txt", "--model", "gru", "--steps", "3", "--hidden-size", "8"),
        ("train", "words.txt", "--time-limit", "0.5"),
        ("train", "words.txt", "--log", "losses.csv"),
    ],
    ids=["network", "time-limit", "log"],
)
def test_every_kind_of_training_ends(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text(WORDS * 20)
    without_posix(*arguments, folder=tmp_path)
    assert run("info", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "made"),
    [
        (("plot-heatmap",), "heatmap.png"),
        (("page",), "makemore.html"),
        (("export", "-o", "model.arpa"), "model.arpa"),
    ],
    ids=["heatmap", "page", "arpa"],
)
def test_files_are_written(arguments: tuple[str, ...], made: str, trained: Path) -> None:
    without_posix(*arguments, folder=trained)
    assert (trained / made).stat().st_size > 0
    (trained / made).unlink()
