"""Distinct words: each counts once, where it stands first, for a few bytes of memory."""

import gzip
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makemore.data import distinct
from makemore.data.corpus import Corpus
from makemore.data.distinct import SeenHashes, without_repeated_words
from makemore.data.holdout import hash_words
from makemore.data.table import Columns
from makemore.data.text import Lines
from makemore.errors import CorpusError

WORDS = st.sampled_from(["", "a", "b", "é", "日本", "a b", "\x00", *(f"w{i}" for i in range(40))])


@given(st.lists(st.lists(WORDS, max_size=30), max_size=30))
@settings(max_examples=200, deadline=None)
def test_a_word_counts_in_the_first_of_its_lines_alone(blocks: list[list[str]]) -> None:
    seen, known = SeenHashes(), {""}
    for block in blocks:
        found = without_repeated_words(Lines("".join(word + "\n" for word in block)), seen)
        expected = []
        for word in block:
            expected.append("" if word in known else word)
            known.add(word)
        assert found.text == "".join(word + "\n" for word in expected)
        assert found.weights is not None
        assert found.weights.dtype == np.int64
        assert found.weights.tolist() == [int(word != "") for word in expected]


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_hashes_are_new_once(data: st.DataObject) -> None:
    numbers = st.sampled_from([0, 1, 2**63, 2**64 - 1, *range(90, 190)])
    seen, known = SeenHashes(), set[int]()
    for hashes in data.draw(st.lists(st.lists(numbers, max_size=20), max_size=40)):
        found = seen.add(np.array(hashes, np.uint64)).tolist()
        for number, is_new in zip(hashes, found, strict=True):
            assert is_new is (number not in known)
            known.add(number)


def test_files_are_told_apart_by_nothing_but_their_words(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("word,n\nAnna,5\nBea,2\nanna,1\n,4\nCy,0\n")
    (tmp_path / "b.gz").write_bytes(gzip.compress(b"word\tn\nbea\t2\nCy\t1\nCY\t9\nDora\t1\n"))
    columns = Columns("word", "n", weights_as="distinct")
    corpus = Corpus.from_paths(tmp_path / "a", tmp_path / "b.gz", columns=columns)
    for _ in range(2):  # each pass begins anew
        assert list(corpus.words()) == ["Anna", "Bea", "anna", "bea", "Cy", "CY", "Dora"]
        lower = replace(corpus, lowercase=True)
        assert list(lower.words()) == ["anna", "bea", "cy", "dora"]


def test_distinct_words_take_at_most_16_bytes_each_and_the_merging_of_them_4() -> None:
    each, blocks = 5_000, 60
    seen = SeenHashes()
    tracemalloc.start()
    try:
        for start in range(0, each * blocks, each):
            lines = Lines("".join(f"{i:050}\n" for i in range(start, start + each)))
            found = without_repeated_words(lines, seen)
            assert found.weights is not None
            assert found.weights.all()
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    block = 8 << 20  # about 1.5 MB in fact, of text and arrays
    assert held < 8 * each * blocks + block
    assert peak < 20 * each * blocks + block
    assert not seen.add(hash_words(f"{7:050}\n")).any()


def test_words_beyond_the_memory_are_refused_before_it_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = SeenHashes()
    seen.add(np.arange(100, dtype=np.uint64))
    monkeypatch.setattr(distinct, "available_memory", lambda: 12 * 120 - 1)
    with pytest.raises(CorpusError, match=r"among 120 distinct words takes 1,440 bytes .* 1,439 a"):
        seen.add(np.arange(200, 220, dtype=np.uint64))
    monkeypatch.setattr(distinct, "available_memory", lambda: None)
    assert seen.add(np.arange(200, 220, dtype=np.uint64)).all()
