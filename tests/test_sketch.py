"""Sketches of lists: what is said of two lists against the lists themselves."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from makemore.arrays import Hashes
from makemore.data import sketch as module
from makemore.data.corpus import Corpus
from makemore.data.holdout import hash_words
from makemore.data.sketch import NOTHING, SIZE, are_mostly_in, sketch_with
from makemore.evaluation.scoring import Summary, judge
from makemore.training.options import TrainingOptions
from makemore.training.train import train


def sketch_of(words: list[str], lines: int = 100) -> Hashes:
    """Return the sketch of words that come in blocks of lines."""
    sketch = NOTHING
    for i in range(0, len(words), lines):
        sketch = sketch_with(sketch, hash_words("".join(f"{w}\n" for w in words[i : i + lines])))
    return sketch


@given(st.lists(st.text("ab", min_size=1, max_size=4), max_size=60), st.integers(1, 60))
def test_a_sketch_has_the_largest_distinct_hashes_in_whatever_blocks_they_come(
    words: list[str], lines: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SIZE", 8)
        found = sketch_of(words, lines)
    hashes = {int(h) for word in words for h in hash_words(f"{word}\n")}
    assert found.tolist() == sorted(hashes)[-8:]


def numbers(first: int, last: int) -> list[str]:
    return [f"{i}" for i in range(first, last)]


@pytest.mark.parametrize(
    ("words", "others", "expected"),
    [
        (numbers(0, 9), numbers(0, 20_000), False),  # too few to tell
        (numbers(0, 900), numbers(0, 900), True),
        (numbers(0, 900), numbers(200, 9_000), True),
        (numbers(0, 900), numbers(500, 9_000), False),
        (numbers(0, 40_000), numbers(0, 30_000), True),
        (numbers(0, 40_000), numbers(0, 15_000), False),
        (numbers(0, 40_000), numbers(0, 500), False),
        (numbers(0, 20_000), numbers(9_500, 40_000), False),  # a little over half: not surely
        (numbers(0, 500), numbers(30_000, 60_000), False),
        ([], numbers(0, 9), False),
    ],
)
def test_more_than_half_is_said_where_it_is_so(
    words: list[str], others: list[str], expected: bool
) -> None:
    assert are_mostly_in(sketch_of(words), sketch_of(others)) == expected


def test_of_half_the_words_it_is_hardly_ever_said() -> None:
    generator = np.random.default_rng(0)

    def said(shared: int) -> int:
        found = 0
        for _ in range(300):
            own = generator.integers(1, 1 << 63, 200, np.uint64)
            more = generator.integers(1, 1 << 63, 5_000, np.uint64)
            other = sketch_with(NOTHING, np.concatenate((own[:shared], more)))
            found += are_mostly_in(sketch_with(NOTHING, own), other)
        return found

    assert said(100) <= 3
    assert said(180) >= 290


@pytest.mark.parametrize("symbols", ["", "ba"])
@pytest.mark.parametrize(
    "options",
    [
        TrainingOptions(),
        TrainingOptions("gru", steps=1, hidden_size=4),
    ],
    ids=["bigram", "gru"],
)
def test_a_checkpoint_knows_what_it_was_trained_on(options: TrainingOptions, symbols: str) -> None:
    generator = np.random.default_rng(3)
    words = ["".join(generator.choice(["ba", "no", "ti", "u"], 6)) for _ in range(1_500)]
    corpus = Corpus(Corpus.from_words([*words, "x"]).sources, symbol_rule=symbols)
    checkpoint = train(corpus, options)
    assert len(checkpoint.training.sketch) == SIZE
    for end, expected in (("", True), ("xx", False)):
        some = [word + end for word in words]
        assert checkpoint.has_seen_most(some) is expected
        parts = judge(checkpoint.model, ["".join(word + "\n" for word in some)])
        summary = sum((part.summary for part in parts), Summary())
        assert are_mostly_in(summary.sketch, checkpoint.training.sketch) is expected


def test_a_checkpoint_reads_a_list_as_its_own_was_read() -> None:
    words = numbers(0, 300)
    corpus = Corpus(Corpus.from_words([f"A{word}" for word in words]).sources, lowercase=True)
    checkpoint = train(corpus, TrainingOptions())
    assert checkpoint.has_seen_most(f"A{word}" for word in words)
    assert checkpoint.has_seen_most([f"a{word}" for word in words])
    assert not checkpoint.has_seen_most(words)


def test_where_nothing_is_held_out_no_word_is_hashed() -> None:
    checkpoint = train(Corpus.from_words(words := numbers(0, 300)), TrainingOptions(holdout=0.0))
    assert not len(checkpoint.training.sketch)
    assert not checkpoint.has_seen_most(words)
