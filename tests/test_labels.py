"""What is shown of a table and of a training, and how it is written."""

import itertools
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from makemore.pictures.labels import QUANTITIES, select_symbols, symbol_label
from makemore.training.record import log_spaced_steps

MINUS = "\N{MINUS SIGN}"


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


@pytest.mark.parametrize(
    ("values", "number", "text"),
    [
        ("probabilities", 0.0, "0"),
        ("probabilities", 0.123, ".12"),
        ("probabilities", 0.004, ".00"),
        ("probabilities", 1.0, "1.00"),
        ("counts", 6763, "6763"),
        ("counts", 1_234_567, "1235k"),
        ("counts", 10**12, "1000G"),
        ("weights", -0.04, "0.0"),
        ("weights", -2.25, MINUS + "2.2"),
        ("weights", -np.inf, MINUS + "∞"),
    ],
)
def test_numbers_in_cells(values: str, number: float, text: str) -> None:
    assert QUANTITIES[values].text(number) == text


def test_the_boundary_and_the_most_frequent_symbols_are_chosen() -> None:
    ids, note = select_symbols(5, np.array([0, 1, 5, 1, 3]), 3)
    assert ids.tolist() == [0, 2, 4]
    assert note == "the 3 most frequent of 5 symbols, 80.0% of the text"
    assert select_symbols(5, None, 5).note == ""


@given(st.integers(1, 5000), st.integers(2, 100))
def test_log_spaced_steps_keep_both_ends(steps: int, count: int) -> None:
    chosen = log_spaced_steps(steps, count)
    assert chosen[0] == 0
    assert chosen[-1] == steps - 1
    assert len(chosen) <= count
    assert all(a < b for a, b in itertools.pairwise(chosen))
