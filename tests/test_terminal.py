"""The table of pairs as text: it fits, aligns, and holds nothing that moves the cursor."""

import re
import unicodedata

import numpy as np
import pytest
from colour_oracle import luminance
from hypothesis import given
from hypothesis import strategies as st

from makemore.pictures.terminal import heatmap_text

SYMBOLS = ("", "a", "b")
PROBABILITIES = np.array([[0, 0.75, 0.25], [0.2, 0.8, 0], [1, 0, 0]])


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
    assert lines[-1] == "rows: first character, columns: second"
    assert "first symbol" in heatmap_text(np.eye(2), ("", "Cl"), 80, False)


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
