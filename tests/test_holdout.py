"""The hash of words against its definition, byte by byte."""

import random
import re
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest
from corpus_oracles import held_out_of, is_held_out, word_hash
from hypothesis import given, settings
from hypothesis import strategies as st

from makemore.data import holdout
from makemore.data.holdout import (
    hash_lines,
    held_out_lines,
    split_of_text,
    split_words,
)
from makemore.data.text import Lines
from makemore.errors import OptionError

WORDS = st.lists(st.text("aé中\0", max_size=6), max_size=12)


def as_bytes(words: list[str]) -> np.ndarray:
    return np.frombuffer("".join(word + "\n" for word in words).encode(), np.uint8)


@given(WORDS)
@settings(deadline=None)
def test_hashes_equal_the_definition(words: list[str]) -> None:
    assert hash_lines(as_bytes(words)).tolist() == [word_hash(word) for word in words]


@pytest.mark.parametrize("length", [1, 7, 8, 9, 30])
def test_a_line_longer_than_a_piece_has_the_same_hash(
    monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    words = ["ab", "xyz" * length, "", "c", "xyz" * length]
    expected = [word_hash(word) for word in words]
    holdout._powers.cache_clear()
    monkeypatch.setattr(holdout, "_PIECE", 8)
    try:
        assert hash_lines(as_bytes(words)).tolist() == expected
    finally:
        holdout._powers.cache_clear()


@given(WORDS, st.sampled_from([0.0, 0.2, 0.9]))
@settings(deadline=None)
def test_held_out_lines_are_the_bytes_of_the_held_out_words(words: list[str], share: float) -> None:
    places, numbers, hashes = held_out_lines(as_bytes(words), share)
    held_out = [word for word in words if word and is_held_out(word, share)]
    assert as_bytes(words)[places].tobytes() == as_bytes(held_out).tobytes()
    assert hashes.tolist() == [word_hash(word) if word else 0 for word in words]
    assert [words[number] for number in numbers] == held_out


def test_of_many_words_a_share_of_all_hashes_is_held_out() -> None:
    words = [f"{i}" for i in range(20_000)]
    held_out = split_words(words, [0.1]) == 1
    assert abs(int(held_out.sum()) - 2000) < 4 * (20_000 * 0.1 * 0.9) ** 0.5
    assert held_out.tolist() == [is_held_out(word, 0.1) for word in words]


@pytest.mark.parametrize(
    ("n", "share", "expected"),
    [
        (1, 0.1, 0),
        (1, 0.9, 0),  # never all
        (2, 0.9, 1),
        (4, 0.1, 0),
        (6, 0.1, 1),
        (9, 0.01, 0),
        (10, 0.01, 1),  # at least one from ten words on
        (10, 0.0, 0),
        (10, 0.1, 1),
        (30, 0.1, 3),
        (30, 0.99, 29),
        (10_000, 0.1, 1000),
    ],
)
def test_of_few_words_an_exact_number_is_held_out(n: int, share: float, expected: int) -> None:
    words = [f"w{i}" for i in range(n)]
    held_out = split_words(words * 2, [share]) == 1  # a word that comes twice is one word
    assert held_out.sum() == 2 * expected
    chosen = {word for word, is_out in zip(words * 2, held_out, strict=True) if is_out}
    assert chosen == set(sorted(words, key=word_hash)[:expected])


def test_ten_names_always_hold_out_one() -> None:
    generator = random.Random(1)
    for _ in range(300):
        words = ["".join(generator.choices("abcdefgh", k=6)) for _ in range(10)]
        assert (split_words(words, [0.1]) == 1).sum() == 1


@given(st.lists(st.text("abé", min_size=1, max_size=4)), st.sampled_from([0.05, 0.3, 0.8]))
def test_the_split_is_the_same_in_whatever_order(words: list[str], share: float) -> None:
    held_out = dict(zip(words, (split_words(words, [share]) == 1).tolist(), strict=True))
    assert {word for word in words if held_out[word]} == held_out_of(words, share)
    backwards = (split_words(words[::-1], [share]) == 1).tolist()
    assert backwards == [held_out[word] for word in words[::-1]]


@pytest.mark.parametrize("n", [1, 2, 5, 10, 30, 1000, 12_000])
def test_validation_words_are_others_and_leave_the_held_out_ones_as_they_are(n: int) -> None:
    words = [f"{i}" for i in range(n)]
    alone, both = split_words(words, [0.1]), split_words(words, [0.1, 0.05])
    np.testing.assert_array_equal(both == 1, alone == 1)
    assert (both == 0).any()  # something is left for training
    if n == 12_000:
        assert abs(int((both == 2).sum()) - 600) < 4 * (n * 0.05 * 0.95) ** 0.5
    else:
        wanted = max(round(0.05 * n), 1 if n >= 10 else 0)
        assert (both == 2).sum() == min(wanted, n - 1 - (both == 1).sum())


def test_shares_that_leave_nothing_are_refused() -> None:
    for shares in ([0.5, 0.5], [-0.1], [1.0]):
        with pytest.raises(OptionError, match="together below 1"):
            split_words(["emma"], shares)


@pytest.mark.parametrize(
    ("words", "characters", "distinct"), [(5, 99, 5), (4, 99, 0), (5, 10, 5), (5, 9, 0), (5, 3, 0)]
)
def test_a_text_over_either_limit_is_split_by_shares_of_all_hashes(
    words: int, characters: int, distinct: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holdout, "MAX_EXACT", words)
    monkeypatch.setattr(holdout, "MAX_EXACT_TEXT", characters)
    texts = ["a\nb\n", "\nc\na\n", "d\ne\n", "e\n"]  # five words: ten characters with line feeds
    for repeated in range(1, 12):
        blocks = [Lines(text) for text in texts * repeated]
        split, again = split_of_text(iter(blocks), [0.2])
        assert counts_of(again) == {word: repeated * (1 + (word in "ae")) for word in "abcde"}
        assert split.distinct == distinct
        assert (split.bounds == (0.2,)) is (distinct == 0)


def counts_of(blocks: Iterable[Lines]) -> Counter[str]:
    """Return how often each word counts in blocks."""
    counts: Counter[str] = Counter()
    for text, weights in blocks:
        words = text.split("\n")[:-1]
        of_words = [1] * len(words) if weights is None else weights.tolist()
        for word, weight in zip(words, of_words, strict=True):
            counts[word] += weight * bool(word)
    del counts[""]
    return counts


@given(
    st.lists(st.lists(st.sampled_from(["a", "bx", "c", "é中", ""]), max_size=6), max_size=9),
    st.booleans(),
)
def test_weights_decide_what_as_many_lines_decide(parts: list[list[str]], dropping: bool) -> None:
    """Blocks come back with the same words as often, whichever way they are read ahead."""
    rare = re.compile("x") if dropping else None
    repeated = [Lines("".join(f"{word}\n" for word in words)) for words in parts]
    once = counts_of(repeated)
    text = "".join(f"{word}\n" for word in once)
    weighted = [Lines(text, np.array(list(once.values()), np.int64))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(holdout, "MAX_EXACT_TEXT", 9)
        (split, again), (expected, _) = (
            split_of_text(blocks, [0.3, 0.1], rare) for blocks in (repeated, weighted)
        )
    assert split == expected
    assert counts_of(again) == once


def test_lines_that_are_dropped_do_not_count() -> None:
    split, _ = split_of_text([Lines("a\nbx\n"), Lines("c\n")], [0.4], re.compile("x"))
    assert split.distinct == 2
