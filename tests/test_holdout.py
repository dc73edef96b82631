"""The hash of words against its definition, byte by byte."""

import numpy as np
import pytest
from corpus_oracles import is_held_out, word_hash
from hypothesis import given, settings
from hypothesis import strategies as st

from makemore.data import holdout
from makemore.data.holdout import hash_lines, held_out_lines, held_out_words

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
    places, hashes = held_out_lines(as_bytes(words), share)
    held_out = [word for word in words if word and is_held_out(word, share)]
    assert as_bytes(words)[places].tobytes() == as_bytes(held_out).tobytes()
    assert hashes.tolist() == [word_hash(word) for word in held_out]


def test_the_share_of_distinct_words_is_held_out() -> None:
    words = [f"{i}" for i in range(20_000)]
    held_out = int(held_out_words(words, 0.1).sum())
    assert abs(held_out - 2000) < 4 * (20_000 * 0.1 * 0.9) ** 0.5


def test_a_word_is_held_out_whatever_stands_around_it() -> None:
    words = ["emma", "olivia", "ava", "zoë"]
    alone = [bool(held_out_words([word], 0.5)[0]) for word in words]
    assert held_out_words(words, 0.5).tolist() == alone
    assert held_out_words(words[::-1], 0.5).tolist() == alone[::-1]
