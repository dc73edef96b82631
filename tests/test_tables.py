"""Counting in tables and looking up in them, in pieces of any length."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makemore.counting import tables
from makemore.counting.tables import add_at, look_up

NUMBERS = st.lists(st.integers(0, 255), max_size=20)


@pytest.mark.parametrize("dtype", [np.uint8, "<u2", np.int64])
@given(NUMBERS, st.integers(1, 9))
@settings(max_examples=100, deadline=None)
def test_one_is_added_at_each_index(dtype: str, numbers: list[int], piece: int) -> None:
    counts = np.full(256, 7, np.uint32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "CACHED", piece)
        add_at(counts, np.array(numbers, dtype))
    assert counts.tolist() == [7 + numbers.count(i) for i in range(256)]


@given(NUMBERS, st.integers(1, 9))
@settings(max_examples=100, deadline=None)
def test_what_stands_at_an_index_is_found(numbers: list[int], piece: int) -> None:
    table = np.arange(256, dtype=np.int16) * 3 - 5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "_LOOKED_UP", piece)
        found = look_up(table, np.array(numbers, np.uint8))
    assert found.dtype == np.int16
    assert found.tolist() == [3 * number - 5 for number in numbers]
