"""Pictures in files and windows: which files they become, and how failures read."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from picture_checks import COUNTS, SYMBOLS

from makemore.errors import PlottingError
from makemore.pictures.heatmap import draw_heatmap
from makemore.pictures.output import save_figure


@pytest.mark.parametrize(
    ("ending", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".PDF", b"%PDF")]
)
def test_picture_is_of_the_kind_that_its_ending_names(
    tmp_path: Path, ending: str, start: bytes
) -> None:
    for name in ("one", "two"):
        save_figure(draw_heatmap(COUNTS, SYMBOLS, title="names.txt"), tmp_path / (name + ending))
    one, two = ((tmp_path / (name + ending)).read_bytes() for name in ("one", "two"))
    assert one.startswith(start)
    assert one == two
    assert b"Date" not in one


@pytest.mark.parametrize("name", ["picture", "picture.jpg", "picture.", ".png", "a.png.txt"])
def test_unknown_ending_is_refused_and_the_known_ones_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(PlottingError, match=r"\.png, \.svg or \.pdf"):
        save_figure(Figure(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_failed_save_leaves_the_old_picture_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "heatmap.png"
    target.write_bytes(b"old")

    def no_space(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", no_space)
    with pytest.raises(PlottingError, match=r"heatmap\.png cannot be written: No space left"):
        save_figure(Figure(), target)
    assert [path.name for path in tmp_path.iterdir()] == ["heatmap.png"]
    assert target.read_bytes() == b"old"


def test_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(PlottingError, match="cannot be written: No such file or directory"):
        save_figure(Figure(), tmp_path / "nowhere" / "heatmap.png")


# ---- as a process ----


DRAW = """
import sys
import numpy as np
from makemore.pictures.heatmap import draw_heatmap
from makemore.pictures.output import save_figure
save_figure(draw_heatmap(np.eye(3), ["", "a", "\\u4e00"]), sys.argv[1])
"""


@pytest.mark.parametrize(
    "environment", [{}, {"MPLCONFIGDIR": "/dev/null/x"}, {"HOME": "/dev/null"}]
)
def test_nothing_is_said_without_home_or_display(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    path = tmp_path / "heatmap.png"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", DRAW, str(path)],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert path.stat().st_size > 0


def test_window_without_a_display_is_refused_in_a_sentence() -> None:
    code = (
        "from matplotlib.figure import Figure;"
        " from makemore.pictures.output import show; show(Figure())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
    )
    assert "PlottingError: no window can be opened: there is no display" in done.stderr


def test_matplotlib_is_loaded_only_to_draw() -> None:
    code = """
import importlib, pkgutil, sys
import makemore.pictures, makemore.page.webpage, makemore.cli.pictures
for module in pkgutil.iter_modules(makemore.pictures.__path__, "makemore.pictures."):
    importlib.import_module(module.name)
assert "makemore.pictures.film" in sys.modules
sys.exit(bool({"matplotlib", "PIL"} & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
