"""Counting pairs: each of the ways to count, and the borders between them."""

import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makemore.counting import cells, pairs, tables
from makemore.counting.pairs import PairCounter, ProvisionalIds
from makemore.data.text import Block, EncodedBlock, Place, TextBlock
from makemore.errors import DecodingError, VocabularyError

LATIN = "ab\n\x00\x7f\x80\xbf\xc0\xe9\xff"
LETTERS = "ab\n\x00\x7f\x80éÿĀłőБΩא\u07ff"
WORDS = st.text(LATIN, max_size=30).map(lambda text: text + "\n")
LETTER_WORDS = st.text(LETTERS, max_size=30).map(lambda text: text + "\n")


def utf_8_block(text: str) -> EncodedBlock:
    return EncodedBlock(text.encode(), Place("list", 0, 0))


KINDS: list[tuple[Callable[[str], Block], ...]] = [
    (utf_8_block,),
    (TextBlock,),
    (utf_8_block, TextBlock),
]
"""Of blocks: made of bytes, of characters, and in turn of each."""
of_each_kind = pytest.mark.parametrize("kinds", KINDS, ids=["bytes", "characters", "both"])


def counted(
    blocks: list[str], kinds: tuple[Callable[[str], Block], ...] = KINDS[0]
) -> Counter[tuple[str, str]]:
    """Return what a PairCounter finds, as a dictionary counter writes it."""
    counter = PairCounter(ProvisionalIds())
    for kind, block in zip(itertools.cycle(kinds), blocks, strict=False):
        counter.add(kind(block))
    characters = counter.characters()
    N = counter.matrix(characters)
    symbols = "\n" + characters
    return Counter(
        {(symbols[i], symbols[j]): int(N[i, j]) for i, j in zip(*np.nonzero(N), strict=True)}
    )


def pairs_of(blocks: list[str]) -> Counter[tuple[str, str]]:
    """Return the pairs of all words, counted one by one."""
    text = "\n" + "".join(blocks)
    found = Counter(itertools.pairwise(text))
    del found["\n", "\n"]
    return found


@of_each_kind
@given(st.lists(WORDS, min_size=1, max_size=5))
@settings(max_examples=200, deadline=None)
def test_pairs_of_accented_letters_are_counted(
    kinds: tuple[Callable[[str], Block], ...], blocks: list[str]
) -> None:
    assert counted(blocks, kinds) == pairs_of(blocks)


@of_each_kind
@given(
    st.lists(WORDS | LETTER_WORDS, min_size=1, max_size=6),
    st.integers(0, 40),
    st.sampled_from([0, 1, 7, 40, 1 << 32]),
    st.sampled_from([1, 2, 3, 1 << 15]),
)
@settings(max_examples=300, deadline=None)
def test_triples_give_the_same_pairs_wherever_they_begin_and_are_settled(
    kinds: tuple[Callable[[str], Block], ...], blocks: list[str], after: int, most: int, piece: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "_TRIPLES_AFTER", after)
        patch.setattr(pairs, "_MAX_IN_TRIPLES", most)
        patch.setattr(cells, "_FEW_COUNTED", min(most, 40))
        patch.setattr(cells, "_MAX_COUNTED", max(most, 200))
        patch.setattr(pairs, "_PIECE", piece)
        patch.setattr(tables, "_COUNTED", piece)
        assert counted(blocks, kinds) == pairs_of(blocks)


@of_each_kind
@given(st.lists(LETTER_WORDS, max_size=6))
@settings(max_examples=300, deadline=None)
def test_pairs_of_letters_of_two_bytes_are_counted(
    kinds: tuple[Callable[[str], Block], ...], blocks: list[str]
) -> None:
    assert counted(blocks, kinds) == pairs_of(blocks)


def test_letters_are_counted_beyond_the_blocks_that_have_places() -> None:
    letters = [chr(i) for i in range(0x100, 0x300)]
    blocks = ["".join(letters[i : i + 50]) + "\n" for i in range(0, len(letters), 25)]
    assert counted(blocks) == pairs_of(blocks)


@of_each_kind
@given(st.lists(st.text(LATIN + LETTERS + "日😀", max_size=30).map(lambda t: t + "\n"), max_size=5))
@settings(max_examples=300, deadline=None)
def test_lines_with_wide_letters_are_counted_apart(
    kinds: tuple[Callable[[str], Block], ...], blocks: list[str]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "_FEW", 1)
        assert counted(blocks, kinds) == pairs_of(blocks)


@pytest.mark.parametrize(
    ("most", "few", "table"),
    [
        ("anna\nmia\n", "", "_single"),
        ("anna\nmia\n", "é\n", "_single"),
        ("zoë\nmia\n", "", "_cells"),
        ("łódź\nmia\n", "", "_cells"),
        ("юля\n", "", "_cells"),
        ("anna\nmia\n", "日本\n", "_single"),
        ("mẹ\nđường\n", "", "_cells"),
        ("नमस्ते\n", "日本\n", "_cells"),
        ("anna\n“mia”\n", "😀\n", "_cells"),
        ("zoë\nłódź\n", "日本\n", "_cells"),
        ("юля\n", "日本\n", "_cells"),
        ("юля\n", "a\x7f\n", "_cells"),
        ("ząë\nłódź\nюля\n", "Δ\n", "_cells"),  # in a sixth block
        ("ząë\nłódź\nюля\nΔ\n", "א\n", "_cells"),
        ("", "日本語あア한국\n", ""),
    ],
)
def test_each_text_is_counted_in_the_fastest_way(most: str, few: str, table: str) -> None:
    text = most * 5000 + few
    counter = PairCounter(ProvisionalIds())
    counter.add(utf_8_block(text))
    assert counter._single.table().any() == (table == "_single")
    assert counter._cells.table()[0].any() == (table == "_cells")
    assert counter._wide.sum() == len(few)
    found = {letter for letter in text if letter != "\n"}
    assert set(counter.characters()) == found


@pytest.mark.parametrize("bad", [b"\xc4", b"\xc4\xc4", b"\x80", b"\xc0", b"\xff"])
def test_bytes_that_are_no_text_are_refused_beside_few_wide_letters(bad: bytes) -> None:
    text = b"anna\n" * 100 + "łł\n".encode() + b"an" + bad + b"\n" + b"mia\n" * 100
    counter = PairCounter(ProvisionalIds())
    with pytest.raises(DecodingError, match="list, line 102, byte 507: expected utf-8, found"):
        counter.add(EncodedBlock(text, Place("list", 0, 0)))


def test_triples_are_turned_into_pairs_before_their_counts_can_overflow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pairs, "_TRIPLES_AFTER", 0)
    monkeypatch.setattr(pairs, "_MAX_IN_TRIPLES", 100)
    counter = pairs._SingleBytePairs()
    most = tables = 0
    zeros = np.zeros

    def counted_zeros(*arguments: Any) -> Any:
        nonlocal tables
        tables += 1
        return zeros(*arguments)

    monkeypatch.setattr(np, "zeros", counted_zeros)
    for words in [3, 11] * 50:  # the second block is larger than the limit
        counter.add(np.frombuffer(b"aaaaaaaaa\n" * words, np.uint8))
        if counter._triples is not None:
            most = max(most, 2 * int(counter._triples.sum()))
    assert 0 < most <= 100
    assert tables <= 50 / 3 + 1  # three blocks of thirty bytes are in each
    assert counter.table()[ord("a"), ord("a")] == 50 * (3 + 11) * 8


@pytest.mark.parametrize("bad", [b"\x80", b"\xbf", b"\xc0", b"\xc3", b"\xff"])
def test_bytes_that_are_no_text_are_refused_where_they_are_counted(bad: bytes) -> None:
    counter = PairCounter(ProvisionalIds())
    with pytest.raises(DecodingError, match="list, line 8, byte 107: expected utf-8, found"):
        counter.add(EncodedBlock(b"anna\nb" + bad + b"n\n", Place("list", 101, 6)))
    assert counter.characters() == ""


def test_the_lowest_characters_are_counted_beside_wide_ones() -> None:
    text = "".join(map(chr, range(10))) + "日本\n" + "本\x01\x00\n"
    assert counted([text, "\x02日\n"]) == pairs_of([text, "\x02日\n"])


def test_a_table_of_wide_letters_has_64_bits_before_32_are_too_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pairs, "_MAX_IN_32_BITS", 8)
    counter = PairCounter(ProvisionalIds())
    for _ in range(2):
        counter.add(utf_8_block("😀😁\n"))
    assert counter._wide.dtype == np.uint32
    counter._wide[counter._wide == 2] = (1 << 32) - 1  # as if there had been as many
    for text in ("😀😁\n", "😂\n"):
        counter.add(utf_8_block(text))
    found = counter.matrix("😀😁")
    assert found[1, 2] == 1 << 32


def test_too_many_characters_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "MAX_VOCABULARY", 20)
    characters = "".join(map(chr, range(0x1F300, 0x1F300 + 20)))
    counter = PairCounter(ProvisionalIds())
    counter.add(TextBlock(characters[:12] + "\n"))
    counter.add(TextBlock(characters[:18] + "\n"))  # with the line feed there are 19
    with pytest.raises(VocabularyError):
        counter.add(TextBlock(characters[17:] + "\n"))
