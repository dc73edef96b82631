"""The heatmap: what it shows, and that no symbol and no title can spoil it."""

import dataclasses
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from colour_oracle import luminance
from matplotlib.figure import Figure
from picture_checks import COUNTS, PROBABILITIES, SYMBOLS, drawn

from makemore.pictures.heatmap import draw_heatmap
from makemore.pictures.labels import symbol_label
from makemore.pictures.output import save_figure

MINUS = "\N{MINUS SIGN}"


def texts(figure: Figure) -> list[str]:
    """Return all that is written in the cells."""
    return [text.get_text() for text in figure.axes[0].texts]


def axis_labels(figure: Figure) -> list[str]:
    return [label.get_text() for label in figure.axes[0].get_xticklabels(which="both")]


def test_each_cell_is_named_by_its_bigram_and_its_number() -> None:
    figure = draw_heatmap(COUNTS, SYMBOLS, values="counts")
    written = texts(figure)
    expected = [first + second for first in ".ab" for second in ".ab"]
    assert written[0::2] == expected
    assert written[1::2] == ["0", "3", "1", "2", "8", "0", "2", "0", "0"]


def test_text_stands_in_the_middle_of_a_large_cell() -> None:
    bigram, number = draw_heatmap(PROBABILITIES, SYMBOLS).axes[0].texts[:2]
    assert -0.2 < bigram.get_position()[1] < 0 < number.get_position()[1] < 0.2


def test_rows_are_the_first_character() -> None:
    axes = draw_heatmap(PROBABILITIES, SYMBOLS).axes[0]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("first character", "second character")
    axes_of_atoms = draw_heatmap(PROBABILITIES, ("", "C", "Cl")).axes[0]
    assert axes_of_atoms.get_ylabel() == "first symbol"
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
    drawn(figure)
    assert "$$" in texts(figure)
    assert figure.texts[0].get_text() == "cost_$1$ \\frac{"


def test_hostile_symbols_are_shown_by_name() -> None:
    symbols = ("", "\x07", " ", ".", "\u0301", "\u202e", "\ufdd0", "\U000e0001")
    figure = draw_heatmap(np.eye(8), symbols, title="a\x1b[31m\u202e")
    drawn(figure)
    labels = [".", "\\x07", "␣", "'.'", "◌\u0301", "U+202E", "U+FDD0", "U+E0001"]
    assert axis_labels(figure) == labels
    assert figure.texts[0].get_text() == "a\\x1b[31mU+202E"


def test_character_without_a_glyph_is_shown_by_its_code_point(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from matplotlib.font_manager import fontManager

    own = [font for font in fontManager.ttflist if font.name == "DejaVu Sans"]
    monkeypatch.setattr(fontManager, "ttflist", own)
    figure = draw_heatmap(np.eye(2), ("", "あ"), title="名前 names")
    drawn(figure)  # a missing glyph would warn, and so fail
    assert axis_labels(figure) == [".", "U+3042"]
    assert figure.texts[0].get_text() == "U+540DU+524D names"


def test_a_font_of_medium_weight_draws_what_no_other_can_and_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from matplotlib.font_manager import fontManager

    own = [font for font in fontManager.ttflist if font.name == "DejaVu Sans"]
    plain = [font for font in fontManager.ttflist if "STIXGeneral.ttf" in font.fname]
    medium = [dataclasses.replace(font, name="Medium", weight=500) for font in plain]
    monkeypatch.setattr(fontManager, "ttflist", own + medium)
    figure = draw_heatmap(np.eye(2), ("", "Ⓐ"), title="Ɯ\u20dd")  # a letter and a mark on it
    assert axis_labels(figure) == [".", "Ⓐ"]
    save_figure(figure, tmp_path / "heatmap.png")
    assert not caplog.records


@pytest.mark.parametrize("V", [1, 2, 41, 100, 300])
def test_every_symbol_has_a_label_up_to_the_limit(V: int) -> None:
    symbols = ["", *map(chr, range(0x100, 0x100 + V - 1))]
    figure = draw_heatmap(np.full((V, V), 1 / V), symbols)
    assert sorted(axis_labels(figure)) == sorted(map(symbol_label, symbols))
    assert bool(texts(figure)) == (V <= 40)
    drawn(figure)


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
    drawn(draw_heatmap(np.zeros((2, 2)), ("", "a"), values="counts"))


def test_matplotlib_settings_of_the_user_neither_count_nor_change(tmp_path: Path) -> None:
    plain, styled = tmp_path / "plain.png", tmp_path / "styled.png"
    save_figure(draw_heatmap(COUNTS, SYMBOLS), plain)
    with matplotlib.rc_context({"font.size": 40, "axes.facecolor": "red", "savefig.dpi": 30}):
        save_figure(draw_heatmap(COUNTS, SYMBOLS), styled)
        assert matplotlib.rcParams["font.size"] == 40
    assert plain.read_bytes() == styled.read_bytes()


@pytest.mark.parametrize(
    ("values", "meaning"),
    [
        ("probabilities", "more probable"),
        ("counts", "more frequent"),
        ("weights", "a larger weight"),
    ],
)
def test_the_caption_says_what_the_colours_mean(values: str, meaning: str) -> None:
    captions = [text.get_text() for text in draw_heatmap(COUNTS, SYMBOLS, values=values).texts]
    assert any(caption.endswith(f"Darker means {meaning}.") for caption in captions)
