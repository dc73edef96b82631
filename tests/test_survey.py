"""What is found in parts of a corpus, how it adds up, and the choice of held-out words."""

import random
import tracemalloc
from collections.abc import Iterable

import numpy as np
import pytest
from corpus_oracles import is_held_out, word_hash
from hypothesis import given, settings
from hypothesis import strategies as st

from makemore.counting import pairs, survey
from makemore.counting.ngrams import NgramCounts
from makemore.counting.survey import (
    Part,
    WordSample,
    count_part,
    merge,
)
from makemore.data.sketch import NOTHING
from makemore.data.text import Lines
from makemore.errors import VocabularyError


def of_alphabet(first: int, size: int) -> Part:
    """Return a part whose tables nobody may touch."""
    characters = "".join(map(chr, range(first, first + size)))
    untouchable = NgramCounts(0, 2, np.ones(1, np.int64), np.ones(1, np.int64))  # 1 // 0
    counted = (characters, untouchable, untouchable)
    return Part(*counted, 0, 0, WordSample(), ends_in_space=False, sketch=NOTHING)


def test_an_alphabet_over_the_limit_is_refused_before_any_table_is_made() -> None:
    parts = [of_alphabet(0x4E00, 5000), of_alphabet(0x4E00 + 5000, 5000)]
    with pytest.raises(VocabularyError, match=r"10,000 .* --min-count"):
        merge(parts)


def lines_of(words: Iterable[str]) -> Lines:
    """Return these words, one a line."""
    return Lines("".join(word + "\n" for word in words))


@pytest.mark.parametrize("narrow", [0, 5])
def test_the_limit_of_the_alphabet_is_kept_while_counting(
    monkeypatch: pytest.MonkeyPatch, narrow: int
) -> None:
    monkeypatch.setattr(pairs, "MAX_VOCABULARY", 20)
    characters = "abcde"[:narrow] + "".join(map(chr, range(0x4E00, 0x4E00 + 20 - narrow)))
    blocks = [Lines(characters[:7] + "\n"), Lines(characters[7:19] + "\n")]
    assert count_part(blocks, 0.0).characters == characters[:19]
    with pytest.raises(VocabularyError, match=r"20 distinct characters or more .* is 19"):
        count_part([*blocks, Lines(characters[19:] + "\n")], 0.0)


@pytest.mark.parametrize("with_pairs", [True, False])
def test_parts_add_up_in_any_order(with_pairs: bool) -> None:
    parts = [
        count_part([Lines(text)], 0.3, pairs=with_pairs)
        for text in ("ab\nba\n", "юля\n", "\n", "é\nb\n")
    ]
    whole = count_part([Lines("ab\nba\nюля\n\né\nb\n")], 0.3, pairs=with_pairs)
    for order in (parts, parts[::-1]):
        together = merge(order)
        assert together.sample.words == whole.sample.words
        assert together.fingerprint == whole.fingerprint
        assert together.characters == whole.characters
        for found, expected in ((together.total, whole.total), (together.held_out, whole.held_out)):
            assert found[:2] == expected[:2] == (len(whole.characters) + 1, 1 + with_pairs)
            np.testing.assert_array_equal(found.codes, expected.codes)
            np.testing.assert_array_equal(found.counts, expected.counts)


@pytest.mark.parametrize("words_per_block", [1, 7, 1000])
def test_the_sample_is_the_words_of_smallest_hash(
    monkeypatch: pytest.MonkeyPatch, words_per_block: int
) -> None:
    monkeypatch.setattr(survey, "MAX_SAMPLE", 20)
    monkeypatch.setattr(survey, "_SPARE", 3)
    words = [str(i) for i in range(100)] * 3
    words += [f"{i:0{length}}" for i in range(30) for length in (256, 257)]
    random.Random(1).shuffle(words)
    blocks = [words[i : i + words_per_block] for i in range(0, len(words), words_per_block)]
    sample = count_part([lines_of(block) for block in blocks], 0.5).sample
    held_out = {w for w in words if is_held_out(w, 0.5) and len(w) <= 256}
    expected = sorted(held_out, key=word_hash)[:20]
    assert sample.words == tuple(expected)
    assert sample.hashes == tuple(map(word_hash, expected))


def test_fingerprints_add_up_modulo_the_size_of_a_hash() -> None:
    words = [str(i) for i in range(1000)]
    hashes = [word_hash(word) for word in words if is_held_out(word, 0.9)]
    halves = [lines_of(part) for part in (words[:500], words[500:])]
    assert sum(hashes) > 1 << 70
    parts = [count_part([half], 0.9) for half in halves]
    assert merge(parts).fingerprint == sum(hashes) % (1 << 64)
    assert count_part(halves, 0.9).fingerprint == sum(hashes) % (1 << 64)


def test_memory_for_held_out_words_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "MAX_SAMPLE", 20)
    monkeypatch.setattr(survey, "_SPARE", 30)
    collector = survey._SampleCollector()
    most = 0
    for first in range(0, 2000, 10):
        words = [str(i) for i in range(first, first + 10)]
        text = "".join(word + "\n" for word in words)
        collector.add(text.encode(), np.array([word_hash(word) for word in words], np.uint64))
        most = max(most, len(collector._words))
    assert 20 < most <= 20 + 30


def test_held_out_pairs_of_all_blocks_are_counted() -> None:
    words = [letters * n for letters in ("ab", "é", "łu", "中", "ж") for n in range(1, 9)]
    text = "".join(word + "\n" for word in words if is_held_out(word, 0.5))
    found = count_part([lines_of([word]) for word in words], 0.5)
    symbols = "\n" + found.characters
    expected = np.zeros_like(found.held_out.table())
    for x, y in zip("\n" + text, text, strict=False):
        expected[symbols.index(x), symbols.index(y)] += 1
    np.testing.assert_array_equal(found.held_out.table(), expected)


@given(
    st.lists(st.text("abé日\n", max_size=12).map(lambda t: t + "\n"), min_size=1, max_size=4),
    st.sampled_from([0.0, 0.4]),
)
@settings(max_examples=200, deadline=None)
def test_a_survey_finds_what_counting_pairs_finds(blocks: list[str], holdout: float) -> None:
    lean, full = (count_part(map(Lines, blocks), holdout, pairs=p) for p in (False, True))
    words = [word for word in "".join(blocks).split("\n") if word]
    assert lean.total.words == len(words)
    assert lean.total.symbols == sum(len(word) + 1 for word in words)
    assert lean.characters == full.characters == "".join(sorted(set("".join(words))))
    for one, other in ((lean.total, full.total), (lean.held_out, full.held_out)):
        np.testing.assert_array_equal(one.codes, np.unique(other.targets()))
        np.testing.assert_array_equal(
            one.counts, np.bincount(other.targets(), other.counts)[one.codes]
        )
        assert (one.words, one.symbols) == (other.words, other.symbols)
    assert (lean.fingerprint, lean.sample.words) == (full.fingerprint, full.sample.words)


@pytest.mark.parametrize("holdout", [0.1, 0.5])
def test_the_sketch_holds_the_training_words_and_no_blank_line(holdout: float) -> None:
    words = [letters * n for letters in ("ab", "é", "中") for n in range(1, 9)]
    training = [word for word in words if not is_held_out(word, holdout)]
    text = "".join(f"\n{word}\n" for word in words)
    found = count_part([Lines(text)], holdout).sketch.tolist()
    assert found == count_part([lines_of(training)], holdout).sketch.tolist()
    assert len(found) == len(training)
    assert len(training) < len(words)


@pytest.mark.parametrize("texts", [["a \n", "b\n"], ["a\n", "b \n"]])
def test_a_word_of_any_part_may_end_in_space(texts: list[str]) -> None:
    assert merge([count_part([Lines(text)], 0.0) for text in texts]).ends_in_space
    assert not merge([count_part([Lines("a\n b\n")], 0.0)] * 2).ends_in_space


def test_a_survey_of_a_large_alphabet_makes_no_table_of_pairs() -> None:
    letters = "".join(map(chr, range(0x4E00, 0x4E00 + 5000)))
    tracemalloc.start()
    count_part([lines_of(letters)], 0.1, pairs=False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5000 * 5000  # a table would take eight times that
