"""Counting in tables and looking up in them, in pieces of any length."""

import errno
import mmap
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makemore.counting import tables
from makemore.counting.tables import add_at, add_windows, look_up, sparse_zeros

PLACES = st.lists(st.integers(0, 0xFFFFFFFF), max_size=20)


@pytest.mark.parametrize("dtype", [np.uint8, "<u2", "<u4"])
@given(PLACES, st.integers(1, 12), st.integers(1, 9))
@settings(max_examples=100, deadline=None)
def test_the_upper_bits_of_places_are_counted(
    dtype: str, numbers: list[int], bits: int, piece: int
) -> None:
    places = np.array(numbers, np.uint32).astype(dtype)
    shift = max(0, 8 * places.itemsize - bits)
    counts = np.full(1 << 12, 7, np.uint32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "_COUNTED", piece)
        add_at(counts, places, shift)
    expected = [7] * (1 << 12)
    for place in places.tolist():
        expected[place >> shift] += 1
    assert counts.tolist() == expected


@pytest.mark.parametrize(("dtype", "window"), [("u1", "<u2"), ("u1", "<u4"), ("<u2", "<u4")])
@given(st.lists(st.integers(0, 255), max_size=20))
@settings(max_examples=100, deadline=None)
def test_windows_begin_half_a_window_apart(dtype: str, window: str, numbers: list[int]) -> None:
    items = (np.array(numbers, int) * 0x0101).astype(dtype)  # each byte of an item is its number
    length = np.dtype(window).itemsize // items.itemsize
    shift = 8 * np.dtype(window).itemsize - 8  # what is left is the highest byte
    expected = [0] * 256
    for start in range(0, len(numbers) - length + 1, length // 2):
        expected[numbers[start + length - 1]] += 1
    counts = np.zeros(256, np.int64)
    add_windows(counts, items, window, shift)
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


def resident() -> int:
    """Return the bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process its memory")
def test_a_large_table_takes_memory_only_where_it_is_touched() -> None:
    before = resident()
    table = sparse_zeros(1 << 25, np.uint32).reshape(64, -1)
    table[:, 5] += 1  # once in 2 MiB
    assert resident() - before < 1 << 24  # of 1 << 27
    assert table.sum(axis=0)[:8].tolist() == [0, 0, 0, 0, 0, 64, 0, 0]


class RefusedAdvice(mmap.mmap):
    def madvise(self, *arguments: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")


def refuse_memory(*arguments: int) -> None:
    raise OSError(errno.ENOMEM, "Cannot allocate memory")


@pytest.mark.parametrize("mapping", [RefusedAdvice, refuse_memory])
def test_a_system_that_refuses_it_gives_zeros_all_the_same(
    mapping: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mmap, "mmap", mapping)
    table = sparse_zeros(3, np.uint32)
    table[1] += 1
    assert table.tolist() == [0, 1, 0]
