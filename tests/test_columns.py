"""Numbers as text by the column, held against Python's own formatting."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from makemore.evaluation.columns import decimals, join, texts, with_rows

NUMBERS = st.lists(
    st.floats(-1e9, 1e9) | st.sampled_from([0.0, -0.0, 0.00004, -0.00004, 9.99996, 1e12])
)


def written(values: list[float], places: int = 4) -> list[str]:
    column = decimals(np.array(values, np.float64), places)
    return join([column], "\n" * len(values)).split("\t\n")[:-1]


@given(NUMBERS, st.integers(1, 5))
def test_numbers_read_back_as_what_they_were_rounded_to(values: list[float], places: int) -> None:
    unit = 10.0**-places
    for text, value in zip(written(values, places), values, strict=True):
        assert abs(float(text) - value) <= unit * 0.5000001 + abs(value) * 1e-15
        assert len(text.partition(".")[2]) == places
        assert text.lstrip("-").startswith("0.") or text.lstrip("-")[0] != "0"
        assert float(text) != 0 or not text.startswith("-")


def test_numbers_look_as_python_writes_them() -> None:
    values = [0.0, 0.123456, 1.0, 12.5552, 99_999.99994, 123_456_789.1, -3.25, -0.00001, 1e-300]
    assert written(values) == [f"{abs(v) if abs(v) < 1e-4 else v:.4f}" for v in values]


def test_what_is_not_finite_is_said_so() -> None:
    assert written([math.inf, 1.5, -math.inf, math.nan]) == ["inf", "1.5000", "-inf", "nan"]


def test_no_numbers_make_no_lines() -> None:
    assert join([decimals(np.zeros(0))], "") == ""


def test_words_keep_every_byte() -> None:
    words = ["a\0b", "\u00ff\U0001f600", "", "x\ty"]
    text = "".join(word + "\n" for word in words)
    joined = join([decimals(np.arange(4.0), 1), texts(["p", "", "qq", "é"])], text)
    assert joined.split("\n")[:-1] == [
        "0.0\tp\ta\0b", "1.0\t\t\u00ff\U0001f600", "2.0\tqq\t", "3.0\té\tx\ty",
    ]  # fmt: skip


def test_rows_are_replaced_by_other_texts() -> None:
    column = with_rows(decimals(np.array([1.0, 2.0, 3.0]), 1), {1: "a longer text", 2: "b"})
    assert join([column], "x\ny\nz\n") == "1.0\tx\na longer text\ty\nb\tz\n"


def test_numbers_too_large_to_scale_are_written_in_full() -> None:
    assert written([1e18, -1e18, 0.5], 2) == [
        "1000000000000000000.00",
        "-1000000000000000000.00",
        "0.50",
    ]
