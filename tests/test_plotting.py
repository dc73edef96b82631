"""Pictures: what they show, which files they become, and how failures read."""

import io
import itertools
import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from makemore import plotting
from makemore.errors import PlottingError
from makemore.plotting import (
    Frame,
    animate_learning,
    draw_heatmap,
    draw_loss,
    heatmap_text,
    log_spaced_steps,
    save_figure,
    symbol_label,
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


# Labels


@given(st.sets(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_labels_are_distinct_and_hold_no_control_character(characters: set[str]) -> None:
    labels = [symbol_label(symbol) for symbol in ["", *characters]]
    assert len(set(labels)) == len(labels)
    for label in labels:
        assert label.isprintable()
        assert not any(unicodedata.category(c).startswith("C") for c in label)


def test_real_dot_differs_from_the_boundary() -> None:
    assert symbol_label("") == "."
    assert symbol_label(".") == "'.'"


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


@pytest.mark.parametrize(
    ("values", "number", "text"),
    [
        ("probabilities", 0.0, "0"),
        ("probabilities", 0.123, ".12"),
        ("probabilities", 0.004, ".00"),
        ("probabilities", 1.0, "1.00"),
        ("counts", 6763, "6763"),
        ("counts", 1_234_567, "1235k"),
        ("weights", -0.04, "0.0"),
        ("weights", -2.25, MINUS + "2.2"),
        ("weights", -np.inf, MINUS + "∞"),
    ],
)
def test_numbers_in_cells(values: str, number: float, text: str) -> None:
    assert plotting.QUANTITIES[values].text(number) == text


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


def luminance(colour: Any) -> float:
    """Return WCAG 2's relative luminance, one channel after the other."""
    total = 0.0
    for share, x in zip((0.2126, 0.7152, 0.0722), to_rgb(colour), strict=True):
        total += share * (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4)
    return total


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


@given(st.integers(1, 5000), st.integers(2, 100))
def test_log_spaced_steps_keep_both_ends(steps: int, count: int) -> None:
    chosen = log_spaced_steps(steps, count)
    assert chosen[0] == 0
    assert chosen[-1] == steps - 1
    assert len(chosen) <= count
    assert all(a < b for a, b in itertools.pairwise(chosen))


# In the terminal


def terminal_columns(line: str) -> int:
    """Return the width of a line by the rules of Unicode, marks and format characters none."""
    width = 0
    for character in line:
        if unicodedata.combining(character) or character == "\u200e":
            continue
        width += 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
    return width


def test_text_heatmap_shades_by_value() -> None:
    lines = heatmap_text(np.array([[0.0, 1.0], [0.25, 0.75]]), ("", "a"), 80, False).split("\n")
    # The square root of a quarter is half way: the third of five shades.
    assert lines[:3] == ["  . a", ".   ██", "a ▒▒▓▓"]


@pytest.mark.parametrize("width", [1, 20, 40, 80])
@pytest.mark.parametrize("colour", [False, True])
def test_text_heatmap_fits_the_width(width: int, colour: bool) -> None:
    symbols = ["", *map(chr, range(0x3042, 0x3042 + 60))]
    text = heatmap_text(np.eye(61), symbols, width, colour, frequencies=np.arange(61))
    table, notes = strip_colours(text).split("\n\n")
    assert all(terminal_columns(line) <= max(width, 5) for line in table.split("\n"))
    assert "most frequent of 61 symbols" in " ".join(notes.split())
    assert colour or all(len(line) <= max(width, 20) for line in notes.split("\n"))


def strip_colours(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_wide_characters_align() -> None:
    text = heatmap_text(np.eye(4), ("", "a", "e", "あ"), 80, False)
    head, *rows = text.split("\n")[:5]
    # The full shade of row i starts where the head of column i does.
    for i, row in enumerate(rows):
        before = row[: row.index("█")]
        assert terminal_columns(before) == 3 + 2 * i
    assert terminal_columns(head[: head.index("あ")]) == 3 + 2 * 3


@given(st.sets(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12), st.booleans())
def test_text_heatmap_writes_no_control_character(characters: set[str], colour: bool) -> None:
    symbols = ["", *sorted(characters)]
    text = strip_colours(heatmap_text(np.eye(len(symbols)), symbols, 80, colour))
    assert not any(unicodedata.category(c) == "Cc" for c in text.replace("\n", ""))


def test_coloured_text_heatmap_names_its_cells() -> None:
    text = strip_colours(heatmap_text(PROBABILITIES, SYMBOLS, 80, True))
    assert text.split("\n")[1:4] == [". ...a.b", "a a.aaab", "b b.babb"]


def test_terminal_colours_darken_and_their_text_has_contrast() -> None:
    table = np.linspace(0, 1, 36).reshape(6, 6) ** 2
    text = heatmap_text(table, ("", *"abcde"), 80, True).split("\n\n")[0]
    pairs = re.findall(r"48;5;(\d+);38;5;(\d+)m", text)
    assert len(pairs) == 36
    backgrounds = [luminance(xterm_colour(int(background))) for background, _ in pairs]
    inks = [luminance(xterm_colour(int(ink))) for _, ink in pairs]
    assert backgrounds == sorted(backgrounds, reverse=True)
    for background, ink in zip(backgrounds, inks, strict=True):
        light, dim = max(background, ink), min(background, ink)
        assert (light + 0.05) / (dim + 0.05) >= 4.5


def xterm_colour(number: int) -> tuple[float, ...]:
    """Return a colour of xterm's 6 x 6 x 6 cube, which starts at number 16."""
    levels = (0, 95, 135, 175, 215, 255)
    place = number - 16
    return tuple(levels[place // size % 6] / 255 for size in (36, 6, 1))


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
from makemore.plotting import draw_heatmap, save_figure
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
        "from matplotlib.figure import Figure; from makemore.plotting import show; show(Figure())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
    )
    assert "PlottingError: no window can be opened: there is no display" in done.stderr


def test_matplotlib_is_loaded_only_to_draw() -> None:
    code = "import sys, makemore.plotting; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
