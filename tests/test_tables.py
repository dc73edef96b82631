"""Counting in tables and looking up in them, in pieces of any length."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makemore.data import tables
from makemore.data.tables import add_at, look_up

PLACES = st.lists(st.integers(0, 0xFFFFFFFF), max_size=20)


@pytest.mark.parametrize("dtype", [np.uint8, "<u2", "<u4"])
@given(PLACES, st.integers(1, 12), st.integers(1, 9))
@settings(max_examples=100, deadline=None)
def test_the_lowest_bits_of_places_are_counted(
    dtype: str, numbers: list[int], bits: int, piece: int
) -> None:
    places = np.array(numbers, np.uint32).astype(dtype)
    counts = np.full(1 << 12, 7, np.uint32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "_COUNTED", piece)
        add_at(counts, places, bits)
    expected = [7] * (1 << 12)
    for place in places.tolist():
        expected[place % (1 << bits)] += 1
    assert counts.tolist() == expected


@given(st.lists(st.integers(0, 255), max_size=20), st.integers(1, 9))
@settings(max_examples=100, deadline=None)
def test_what_stands_at_places_is_found(numbers: list[int], piece: int) -> None:
    table = np.arange(256, dtype=np.int16) * 3 - 5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "_LOOKED_UP", piece)
        found = look_up(table, np.array(numbers, np.uint8))
    assert found.dtype == np.int16
    assert found.tolist() == [3 * number - 5 for number in numbers]
