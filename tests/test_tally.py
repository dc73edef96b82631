"""Adding tallies up, and the choice of held-out words."""

import random
from collections import Counter

import numpy as np
import pytest
from corpus_oracles import is_held_out, word_hash

from makemore.counting import pairs, tally
from makemore.counting.tally import Tally, WordSample, count, merge
from makemore.data.text import TextBlock
from makemore.errors import VocabularyError

NO_WORDS = WordSample((), np.zeros(0, np.uint64), np.zeros(0, np.int64))


def of_alphabet(first: int, size: int) -> Tally:
    """Return a tally whose matrices nobody may touch."""
    characters = "".join(map(chr, range(first, first + size)))
    nothing = np.zeros((0, 0), np.int64)
    return Tally(characters, nothing, nothing, 0, 0, NO_WORDS)


def test_an_alphabet_over_the_limit_is_refused_before_any_table_is_made() -> None:
    parts = [of_alphabet(0x4E00, 5000), of_alphabet(0x4E00 + 5000, 5000)]
    with pytest.raises(VocabularyError, match=r"10,000 .* --min-count"):
        merge(parts)


@pytest.mark.parametrize("narrow", [0, 5])
def test_the_limit_of_the_alphabet_is_kept_while_counting(
    monkeypatch: pytest.MonkeyPatch, narrow: int
) -> None:
    monkeypatch.setattr(pairs, "MAX_VOCABULARY", 20)
    characters = "abcde"[:narrow] + "".join(map(chr, range(0x4E00, 0x4E00 + 20 - narrow)))
    blocks = [TextBlock(characters[:7] + "\n"), TextBlock(characters[7:19] + "\n")]
    assert count(blocks, 0.0).characters == characters[:19]
    with pytest.raises(VocabularyError, match=r"20 different characters or more .* is 19"):
        count([*blocks, TextBlock(characters[19:] + "\n")], 0.0)


def test_tallies_of_parts_add_up_in_any_order() -> None:
    parts = [count([TextBlock(text)], 0.3) for text in ("ab\nba\n", "юля\n", "\n", "é\nb\n")]
    whole = count([TextBlock("ab\nba\nюля\n\né\nb\n")], 0.3)
    for order in (parts, parts[::-1]):
        together = merge(order)
        assert together.characters == whole.characters
        assert together.sample.words == whole.sample.words
        assert together.fingerprint == whole.fingerprint
        np.testing.assert_array_equal(together.total, whole.total)
        np.testing.assert_array_equal(together.held_out, whole.held_out)


@pytest.mark.parametrize("words_per_block", [1, 7, 1000])
def test_the_sample_is_the_words_of_smallest_hash_with_exact_counts(
    monkeypatch: pytest.MonkeyPatch, words_per_block: int
) -> None:
    monkeypatch.setattr(tally, "MAX_SAMPLE", 20)
    monkeypatch.setattr(tally, "_SETTLE_AFTER", 3)
    words = [str(i) for i in range(100)] * 3
    words += [f"{i:0{length}}" for i in range(30) for length in (256, 257)]
    random.Random(1).shuffle(words)
    blocks = [words[i : i + words_per_block] for i in range(0, len(words), words_per_block)]
    sample = count([TextBlock("".join(w + "\n" for w in block)) for block in blocks], 0.5).sample
    held_out = Counter(w for w in words if is_held_out(w, 0.5) and len(w) <= 256)
    expected = sorted(held_out, key=word_hash)[:20]
    assert sample.words == tuple(expected)
    assert sample.counts.tolist() == [held_out[word] for word in expected]


def test_fingerprints_add_up_modulo_the_size_of_a_hash() -> None:
    words = [str(i) for i in range(1000)]
    hashes = [word_hash(word) for word in words if is_held_out(word, 0.9)]
    halves = ["".join(word + "\n" for word in part) for part in (words[:500], words[500:])]
    assert sum(hashes) > 1 << 70
    parts = [count([TextBlock(half)], 0.9) for half in halves]
    assert merge(parts).fingerprint == sum(hashes) % (1 << 64)
    assert count(map(TextBlock, halves), 0.9).fingerprint == sum(hashes) % (1 << 64)


def test_memory_for_held_out_words_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "MAX_SAMPLE", 20)
    monkeypatch.setattr(tally, "_SETTLE_AFTER", 30)
    collector = tally._SampleCollector()
    most = 0
    for first in range(0, 2000, 10):
        words = [str(i) for i in range(first, first + 10)]
        text = "".join(word + "\n" for word in words)
        collector.add(text.encode(), np.array([word_hash(word) for word in words], np.uint64))
        most = max(most, sum(len(new[2]) for new in collector._new))
    assert 0 < most <= 20 + 30


@pytest.mark.parametrize("batch", [1, 40, 1 << 19])
def test_held_out_lines_wait_to_be_counted_together(
    monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(tally, "_BATCH", batch)
    words = [letters * n for letters in ("ab", "é", "łu", "中", "ж") for n in range(1, 9)]
    text = "".join(word + "\n" for word in words if is_held_out(word, 0.5))
    counter = tally.Counter(0.5)
    waiting = []
    for word in words:
        counter.add(TextBlock(word + "\n"))
        waiting.append(len(counter._waiting))
    assert max(waiting) < batch
    assert (max(waiting) > 0) is (batch > 1)
    found = counter.tally()
    symbols = "\n" + found.characters
    expected = np.zeros_like(found.held_out)
    for x, y in zip("\n" + text, text, strict=False):
        expected[symbols.index(x), symbols.index(y)] += 1
    np.testing.assert_array_equal(found.held_out, expected)


def test_pairs_at_the_borders_of_pieces_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("ab\nba\nabc\ncabba\n", "юля\nлюля\nюлия\nя\n"):
        expected = Counter(zip("\n" + text, text, strict=False))
        for piece in (1, 2, 3, 5):
            monkeypatch.setattr(pairs, "_PIECE", piece)
            found = count([TextBlock(text)], 0.0)
            symbols = "\n" + found.characters
            for (x, y), number in expected.items():
                assert found.total[symbols.index(x), symbols.index(y)] == number
            assert found.total.sum() == len(text)
