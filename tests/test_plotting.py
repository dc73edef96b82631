"""Pictures: what they show, which files they become, and how failures read."""

import io
import os
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from colour_oracle import luminance
from matplotlib.figure import Figure
from PIL import Image

from makemore.errors import PlottingError
from makemore.pictures import plotting
from makemore.pictures.labels import symbol_label
from makemore.pictures.plotting import (
    Frame,
    animate_learning,
    draw_heatmap,
    draw_loss,
    save_figure,
)

SYMBOLS = ("", "a", "b")
MINUS = "\N{MINUS SIGN}"
COUNTS = np.array([[0, 3, 1], [2, 8, 0], [2, 0, 0]])
PROBABILITIES = COUNTS / COUNTS.sum(axis=1, keepdims=True)


def texts(figure: Figure) -> list[str]:
    """Return all that is written in the cells."""
    return [text.get_text() for text in figure.axes[0].texts]


def axis_labels(figure: Figure) -> list[str]:
    return [label.get_text() for label in figure.axes[0].get_xticklabels(which="both")]


def frames(steps: int = 3) -> list[Frame]:
    uniform = np.full((3, 3), 1 / 3)
    blend = np.linspace(0, 1, steps)
    return [
        Frame(k, (1 - x) * uniform + x * PROBABILITIES, 2.0 - x, ["ab", "\x1b[31m", "$x$"])
        for k, x in enumerate(blend)
    ]


# The heatmap


def test_each_cell_is_named_by_its_bigram_and_its_number() -> None:
    figure = draw_heatmap(COUNTS, SYMBOLS, values="counts")
    written = texts(figure)
    expected = [first + second for first in ".ab" for second in ".ab"]
    assert written[0::2] == expected
    assert written[1::2] == ["0", "3", "1", "2", "8", "0", "2", "0", "0"]


def test_rows_are_the_first_character() -> None:
    axes = draw_heatmap(PROBABILITIES, SYMBOLS).axes[0]
    assert axes.get_ylabel() == "first character"
    shown = np.asarray(axes.images[0].get_array())
    np.testing.assert_allclose(shown, PROBABILITIES)
    top, bottom = axes.get_ylim()[::-1]
    assert top < bottom, "row 0 is at the top"


def test_impossible_weights_do_not_stretch_the_scale() -> None:
    weights = np.array([[-1000.0, 2.0], [1.0, -3.0]])
    figure = draw_heatmap(weights, ("", "a"), values="weights")
    assert figure.axes[0].images[0].get_clim() == (-3.0, 2.0)
    assert MINUS + "∞" in texts(figure)


@pytest.mark.parametrize("dark", [False, True])
def test_text_in_cells_has_contrast(dark: bool) -> None:
    figure = draw_heatmap(np.linspace(0, 1, 25).reshape(5, 5), ("", *"abcd"), dark=dark)
    axes = figure.axes[0]
    cells = np.asarray(axes.images[0].to_rgba(np.linspace(0, 1, 25)))
    for text, cell in zip(axes.texts[::2], cells, strict=True):
        light, dim = sorted((luminance(str(text.get_color())), luminance(cell)), reverse=True)
        assert (light + 0.05) / (dim + 0.05) >= 4.5, text.get_text()


@pytest.mark.parametrize("dark", [False, True])
def test_more_stands_out_from_the_page(dark: bool) -> None:
    image = draw_heatmap(PROBABILITIES, SYMBOLS, dark=dark).axes[0].images[0]
    shades = [luminance(rgba) for rgba in np.asarray(image.to_rgba(np.linspace(0, 0.8, 9)))]
    assert shades == sorted(shades, reverse=not dark)


def test_title_and_labels_with_dollars_are_no_formulas() -> None:
    figure = draw_heatmap(COUNTS, ("", "$", "^"), title="cost_$1$ \\frac{")
    save_figure_to_bytes(figure, "png")
    assert "$$" in texts(figure)
    assert figure.texts[0].get_text() == "cost_$1$ \\frac{"


def test_hostile_symbols_are_shown_by_name() -> None:
    symbols = ("", "\x07", " ", ".", "\u0301", "\u202e", "\ufdd0", "\U000e0001")
    figure = draw_heatmap(np.eye(8), symbols, title="a\x1b[31m\u202e")
    save_figure_to_bytes(figure, "png")
    labels = [".", "\\x07", "␣", "'.'", "◌\u0301", "U+202E", "U+FDD0", "U+E0001"]
    assert axis_labels(figure) == labels
    assert figure.texts[0].get_text() == "a\\x1b[31mU+202E"


def test_character_without_a_glyph_is_shown_by_its_code_point(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from matplotlib.font_manager import fontManager

    monkeypatch.setattr(fontManager, "ttflist", [])
    figure = draw_heatmap(np.eye(2), ("", "あ"), title="名前 names")
    save_figure_to_bytes(figure, "png")  # a missing glyph would warn, and so fail
    assert axis_labels(figure) == [".", "U+3042"]
    assert figure.texts[0].get_text() == "U+540DU+524D names"


@pytest.mark.parametrize("V", [1, 2, 41, 100, 300])
def test_every_symbol_has_a_label_up_to_the_limit(V: int) -> None:
    symbols = ["", *map(chr, range(0x100, 0x100 + V - 1))]
    figure = draw_heatmap(np.full((V, V), 1 / V), symbols)
    assert sorted(axis_labels(figure)) == sorted(map(symbol_label, symbols))
    assert bool(texts(figure)) == (V <= 40)
    save_figure_to_bytes(figure, "png")


def test_wide_vocabulary_shows_the_most_frequent_and_says_so() -> None:
    V = 1000
    symbols = ["", *map(chr, range(0x4E00, 0x4E00 + V - 1))]
    frequencies = np.ones(V)
    frequencies[[0, 500]] = 0, 1001
    figure = draw_heatmap(np.eye(V), symbols, frequencies=frequencies, title="wide")
    # The boundary is always shown, with it 299 others: 1001 + 298 of 1001 + 998.
    note = "the 300 most frequent of 1,000 symbols, 65.0% of the text"
    assert figure.texts[0].get_text() == f"wide\n{note}"
    shown = axis_labels(figure)
    assert len(shown) == 300
    assert "." in shown
    assert set(shown) & {chr(0x4E00 + 499), f"U+{0x4E00 + 499:X}"}, "the frequent one"


def test_heatmap_of_zeros_is_drawn() -> None:
    save_figure_to_bytes(draw_heatmap(np.zeros((2, 2)), ("", "a"), values="counts"), "png")


def test_matplotlib_settings_of_the_user_neither_count_nor_change(tmp_path: Path) -> None:
    plain, styled = tmp_path / "plain.png", tmp_path / "styled.png"
    save_figure(draw_heatmap(COUNTS, SYMBOLS), plain)
    with matplotlib.rc_context({"font.size": 40, "axes.facecolor": "red", "savefig.dpi": 30}):
        save_figure(draw_heatmap(COUNTS, SYMBOLS), styled)
        assert matplotlib.rcParams["font.size"] == 40
    assert plain.read_bytes() == styled.read_bytes()


# The loss curve


def test_loss_curve_marks_both_ends_and_the_minimum() -> None:
    history = 2.5 + 1 / np.arange(1, 1001)
    top, bottom = draw_loss(history, 2.5).axes
    assert {t.get_text() for t in top.texts} == {
        "3.5000 at step 0",
        "2.5010 at step 999",
        "closed-form minimum 2.5000",
    }
    steps, distances = np.array(bottom.lines[0].get_data())
    np.testing.assert_allclose(distances, 1 / (steps + 1))
    assert bottom.get_yscale() == "log"


def test_long_history_is_thinned_but_keeps_both_ends() -> None:
    history = np.linspace(4, 3, 1_000_000)
    steps, losses = np.array(draw_loss(history, None).axes[0].lines[0].get_data())
    assert len(steps) <= plotting.MAX_CURVE_POINTS
    assert (steps[0], losses[0], steps[-1], losses[-1]) == (0, 4, 999_999, 3)


@pytest.mark.parametrize("minimum", [None, 3.0, 9.0])
@pytest.mark.parametrize("steps", [1, 2])
def test_short_histories_and_any_minimum_are_drawn(steps: int, minimum: float | None) -> None:
    save_figure_to_bytes(draw_loss(np.full(steps, 3.0), minimum), "png")


def test_empty_history_is_refused() -> None:
    with pytest.raises(PlottingError, match="not trained by steps"):
        draw_loss(np.array([]), 2.0)


# Files


def save_figure_to_bytes(figure: Figure, kind: str) -> bytes:
    data = io.BytesIO()
    figure.savefig(data, format=kind)
    return data.getvalue()


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


# In motion


def test_animation_has_a_frame_per_step_and_rests_on_the_last(tmp_path: Path) -> None:
    path = tmp_path / "learning.gif"
    animate_learning(iter(frames(5)), SYMBOLS, path, minimum=1.0, title="names.txt")
    with Image.open(path) as film:
        assert film.format == "GIF"
        assert getattr(film, "n_frames", 1) == 5
        assert film.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
        film.seek(4)
        assert film.info["duration"] == 1000 * plotting.LAST_FRAME_SECONDS


def test_animation_of_no_frame_or_unknown_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlottingError, match="no step"):
        animate_learning([], SYMBOLS, tmp_path / "a.gif")
    with pytest.raises(PlottingError, match=r"\.gif or \.mp4"):
        animate_learning(never(), SYMBOLS, tmp_path / "a.avi")
    assert list(tmp_path.iterdir()) == []


def never() -> list[Frame]:
    """Return something that must not be looked at."""
    return None  # type: ignore[return-value]


def test_mp4_without_ffmpeg_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PlottingError, match=r"ffmpeg, which was not found: .*\.gif"):
        animate_learning(never(), SYMBOLS, tmp_path / "learning.mp4")


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for ffmpeg is a shell script")
def test_ffmpeg_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\necho no such codec >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PlottingError, match="ffmpeg ended with 3: no such codec"):
        animate_learning(frames(), SYMBOLS, tmp_path / "learning.mp4")
    assert not (tmp_path / "learning.mp4").exists()


# As a process

DRAW = """
import sys
import numpy as np
from makemore.pictures.plotting import draw_heatmap, save_figure
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
        " from makemore.pictures.plotting import show; show(Figure())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
    )
    assert "PlottingError: no window can be opened: there is no display" in done.stderr


def test_matplotlib_is_loaded_only_to_draw() -> None:
    code = "import sys, makemore.pictures.plotting; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
