"""Conditioned draws against brute force: all words of a small alphabet, one by one."""

import itertools
import math

import numpy as np
import pytest
from conftest import make_bigram
from hypothesis import given, settings
from hypothesis import strategies as st

from makemore.data.vocabulary import Vocabulary
from makemore.errors import OptionError, SamplingError
from makemore.generation import constraints
from makemore.generation.constraints import (
    MAX_LENGTH,
    ConditionedModel,
    Constraints,
    WishedAutomaton,
)
from makemore.generation.sampling import sample
from makemore.models.base import Model
from makemore.models.bigram import LOG_ZERO, Bigram


def probability(model: Model, word: str) -> float:
    """Return P(word), symbol by symbol."""
    ids = [0, *model.vocabulary.encode(word).tolist(), 0]
    return math.prod(
        math.exp(model.log_probabilities(np.array([[x]]))[0, y]) for x, y in itertools.pairwise(ids)
    )


def fulfils(word: str, wish: Constraints) -> bool:
    return (
        word.startswith(wish.prefix)
        and word.endswith(wish.suffix)
        and wish.contains in word
        and wish.min_length <= len(word) <= (wish.max_length or 99)
    )


def brute_force(model: Model, wish: Constraints, longest: int) -> dict[str, float]:
    """Return the conditional probability of each word of at most ``longest`` characters."""
    characters = model.vocabulary.characters
    words = (
        "".join(letters)
        for length in range(1, longest + 1)
        for letters in itertools.product(characters, repeat=length)
    )
    weights = {word: probability(model, word) for word in words if fulfils(word, wish)}
    total = sum(weights.values())
    return {word: weight / total for word, weight in weights.items()}


def conditioned(model: Model, wish: Constraints) -> ConditionedModel:
    automaton = model.automaton()
    P = np.exp(automaton.log_probabilities)
    return ConditionedModel(WishedAutomaton(P, automaton, model.vocabulary, wish))


def conditioned_probability(model: Model, wish: Constraints, word: str) -> float:
    """Return the probability of drawing ``word``, symbol by symbol."""
    machine = conditioned(model, wish)
    ids = model.vocabulary.encode(word).tolist()
    if ids[: len(machine.automaton.prefix)] != machine.automaton.prefix.tolist():
        return 0.0
    state, result = machine.automaton.start, 1.0
    for t, symbol in enumerate([*ids, 0]):
        if t < len(machine.automaton.prefix):
            continue
        result *= machine.next_probabilities(t, np.array([state]))[0, symbol]
        state = int(machine.automaton.successors[state, symbol])
    return result


texts = st.text("abc", max_size=3)
wishes = st.builds(
    Constraints,
    prefix=texts,
    suffix=texts,
    contains=texts,
    min_length=st.integers(1, 3),
    max_length=st.integers(3, 5),
)


@settings(max_examples=40, deadline=None)
@given(wishes)
def test_probabilities_are_those_of_brute_force(wish: Constraints) -> None:
    model = make_bigram(["abc", "ab", "b", "ca", "cab", "aab"])
    expected = brute_force(model, wish, wish.max_length or 0)
    if not expected:
        with pytest.raises(SamplingError, match="no word with"):
            conditioned(model, wish)
        return
    for word, share in expected.items():
        assert conditioned_probability(model, wish, word) == pytest.approx(share, rel=1e-9)


@pytest.mark.parametrize(
    "wish",
    [
        Constraints(),
        Constraints(min_length=3),
        Constraints(suffix="ab"),
        Constraints(contains="bb"),
        Constraints(prefix="c", suffix="cc", min_length=2),
    ],
)
def test_without_a_longest_length_all_words_count(wish: Constraints) -> None:
    model = make_bigram(["a", "b", "c", "ab", "bb", "cc"], smoothing=0.1)
    expected = brute_force(model, wish, 9)
    for word, share in itertools.islice(expected.items(), 50):
        # brute force ends at nine characters and misses the little that is longer
        assert conditioned_probability(model, wish, word) == pytest.approx(share, rel=0.02)


def test_drawn_frequencies_are_those_of_brute_force(small_model: Bigram) -> None:
    wish = Constraints(prefix="a", suffix="b", contains="c", min_length=3, max_length=5)
    expected = brute_force(small_model, wish, 5)
    n = 40_000
    words, counts = np.unique(sample(small_model, n, seed=3, constraints=wish), return_counts=True)
    assert set(words) <= set(expected)
    found = dict(zip(words.tolist(), counts.tolist(), strict=True))
    chi_square = sum(
        (found.get(word, 0) - n * share) ** 2 / (n * share) for word, share in expected.items()
    )
    degrees = len(expected) - 1
    assert abs(chi_square - degrees) < 4 * math.sqrt(2 * degrees)


@pytest.mark.parametrize(
    ("wish", "named"),
    [
        (Constraints(prefix="ab", max_length=1), "prefix 'ab', max-length 1"),
        (Constraints(suffix="abc", max_length=2), "suffix 'abc', max-length 2"),
        (Constraints(contains="abca", max_length=3), "contains 'abca', max-length 3"),
        (Constraints(prefix="é"), "prefix 'é'.*'é' is not in the vocabulary"),
        (Constraints(contains="A"), "contains 'A'.*not in the vocabulary"),
        (Constraints(suffix="\x1b"), "suffix '\\\\x1b'.*not in the vocabulary"),
    ],
)
def test_a_wish_that_no_word_fulfils_is_answered_at_once(
    small_model: Bigram, wish: Constraints, named: str
) -> None:
    with pytest.raises(SamplingError, match=named):
        conditioned(small_model, wish)


def test_a_wish_that_only_this_model_cannot_fulfil_is_answered_at_once() -> None:
    model = make_bigram(["ab", "aab"], smoothing=0)
    for wish in (Constraints(prefix="b"), Constraints(contains="ba"), Constraints(suffix="a")):
        with pytest.raises(SamplingError, match="the model can write no word"):
            conditioned(model, wish)


def test_lengths_that_exclude_each_other_are_refused() -> None:
    with pytest.raises(SamplingError, match="at least 5 and at most 3"):
        Constraints(min_length=5, max_length=3)


@pytest.mark.parametrize("wrong", [{"min_length": 0}, {"max_length": MAX_LENGTH + 1}])
def test_lengths_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(OptionError):
        Constraints(**wrong)  # type: ignore[arg-type]


def test_improbable_lengths_are_reached(small_model: Bigram) -> None:
    wish = Constraints(min_length=900, max_length=900)
    assert {len(word) for word in sample(small_model, 3, seed=0, constraints=wish)} == {900}


def test_overlapping_patterns_are_found_in_all_their_ways(small_model: Bigram) -> None:
    wish = Constraints(contains="aba", suffix="ab", max_length=5)
    words = sample(small_model, 2_000, seed=1, constraints=wish)
    assert set(words) == set(brute_force(small_model, wish, 5))


def test_a_wish_that_every_word_fulfils_changes_nothing_however_seldom_words_end() -> None:
    """The chance to end at all takes thousands of steps to be known."""
    logits = np.array([[LOG_ZERO, 0.0], [math.log(0.002), math.log(0.998)]])
    model = Bigram(Vocabulary("a"), logits, np.zeros((2, 2), np.int64))
    for wish in (Constraints(contains="a"), Constraints(suffix="a")):
        machine = conditioned(model, wish)
        seen = machine.automaton.successors[machine.automaton.start, 1]
        assert machine.next_probabilities(1, np.array([seen]))[0, 0] == pytest.approx(0.002)


def test_patterns_that_take_too_many_states_are_refused(
    small_model: Bigram, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish = Constraints(contains="ab")  # three states of progress, times those of the model
    monkeypatch.setattr(constraints, "MAX_CELLS", 3 * 4 - 1)
    with pytest.raises(SamplingError, match="too long to be sought at once"):
        conditioned(small_model, wish)
    monkeypatch.setattr(constraints, "MAX_CELLS", 3 * 4)
    with pytest.raises(SamplingError, match="states of model and wish, times 4 symbols"):
        conditioned(small_model, wish)
