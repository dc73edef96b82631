import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from conftest import make_bigram
from hypothesis import given, settings
from test_constraints import constraint_sets, probability
from test_contract import fulfils

from makemore.data.corpus import Corpus
from makemore.errors import OptionError, SamplingError
from makemore.generation.constraints import Constraints
from makemore.generation.search import most_probable_words, top
from makemore.models.bigram import Bigram
from makemore.training.train import train


def all_words(model: Bigram, limits: Constraints, longest: int) -> list[tuple[float, str]]:
    """Return all words up to a length with their probabilities, the most probable first."""
    characters = model.vocabulary.characters
    words = (
        "".join(letters)
        for length in range(1, longest + 1)
        for letters in itertools.product(characters, repeat=length)
    )
    return sorted(((probability(model, w), w) for w in words if fulfils(w, limits)), reverse=True)


@settings(max_examples=30, deadline=None)
@given(constraint_sets)
def test_all_words_come_in_the_order_of_brute_force(limits: Constraints) -> None:
    model = make_bigram(["abc", "ab", "b", "ca", "cab", "aab"], smoothing=0.3)
    expected = all_words(model, limits, limits.max_length or 0)
    if not expected:
        with pytest.raises(SamplingError, match="no word with"):
            most_probable_words(model, limits)
        return
    found = list(most_probable_words(model, limits))
    assert [p for _, p in found] == pytest.approx([p for p, _ in expected])
    assert {word for word, _ in found} == {word for _, word in expected}
    for word, p in found:
        assert p == pytest.approx(probability(model, word))


def test_the_first_of_endlessly_many_are_found(small_model: Bigram) -> None:
    found = list(itertools.islice(most_probable_words(small_model), 30))
    expected = all_words(small_model, Constraints(), 8)[:30]
    assert [p for _, p in found] == pytest.approx([p for p, _ in expected])


def test_words_end_when_there_are_no_more() -> None:
    model = make_bigram(["ab", "b"], smoothing=0)
    # .a .b are 1/2 each, ab and b. are certain
    assert list(most_probable_words(model)) == [("ab", pytest.approx(0.5)), ("b", 0.5)]


def test_a_model_whose_words_never_end_is_refused() -> None:
    W = np.zeros((3, 3))
    W[:, 0] = -1000
    model = Bigram(make_bigram(["ab"]).vocabulary, W, np.zeros((3, 3), np.int64))
    with pytest.raises(SamplingError, match="never ends a word"):
        most_probable_words(model)


def test_the_most_probable_names(names_model: Bigram) -> None:
    found = list(itertools.islice(most_probable_words(names_model), 200))
    probabilities = [p for _, p in found]
    assert probabilities == sorted(probabilities, reverse=True)
    assert len({word for word, _ in found}) == 200
    # no word of up to three letters is missing above the last one's probability
    letters = names_model.vocabulary.characters
    short = ("".join(w) for n in (1, 2, 3) for w in itertools.product(letters, repeat=n))
    likely = {w for w in short if probability(names_model, w) > probabilities[-1] * (1 + 1e-9)}
    assert likely <= {word for word, _ in found}
    assert math.isclose(probabilities[0], max(probability(names_model, w) for w in letters))


def test_the_first_few_are_a_list_without_those_that_are_not_wanted(
    small_model: Bigram, tmp_path: Path
) -> None:
    words = [word for word, _ in itertools.islice(most_probable_words(small_model), 9)]
    assert [word for word, _ in top(small_model, 9)] == words
    found = top(small_model, 5, exclude=[words[1], "other", words[3]])
    assert [word for word, _ in found] == [words[i] for i in (0, 2, 4, 5, 6)]
    assert top(small_model, 0) == []
    letters = top(small_model, 9, constraints=Constraints(max_length=1))
    assert sorted(word for word, _ in letters) == ["a", "b", "c"]
    with pytest.raises(OptionError, match="new needs the checkpoint"):
        top(small_model, 1, new=True)
    corpus = tmp_path / "words.txt"
    corpus.write_text("abc\nab\nb\nca\ncab\n")
    checkpoint = train(Corpus.from_paths(corpus), method="counts", holdout=0)
    known = {"abc", "ab", "b", "ca", "cab"}
    best = [word for word, _ in top(checkpoint, 40)]
    assert [w for w, _ in top(checkpoint, 20, new=True)] == [w for w in best if w not in known][:20]
