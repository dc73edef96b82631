"""Conditioned draws against brute force: all words of a small alphabet, one by one."""

import itertools
import math
import tracemalloc

import numpy as np
import pytest
from conftest import make_bigram
from hypothesis import given, settings
from hypothesis import strategies as st
from test_contract import fulfils

from makemore.data.vocabulary import Vocabulary
from makemore.errors import OptionError, SamplingError
from makemore.generation import conditioning, constraints
from makemore.generation.conditioning import ConditionedModel, ConstrainedAutomaton
from makemore.generation.constraints import MAX_LENGTH, Constraints, Requirements
from makemore.generation.sampling import sample
from makemore.generation.search import most_probable_words
from makemore.models.base import Model
from makemore.models.bigram import LOG_ZERO, Bigram


def probability(model: Model, word: str) -> float:
    """Return P(word), symbol by symbol."""
    ids = [0, *model.vocabulary.encode(word).tolist(), 0]
    return math.prod(
        math.exp(model.log_probabilities(np.array([[x]]))[0, y]) for x, y in itertools.pairwise(ids)
    )


def brute_force(model: Model, limits: Constraints, longest: int) -> dict[str, float]:
    """Return the conditional probability of each word of at most ``longest`` characters."""
    characters = model.vocabulary.characters
    words = (
        "".join(letters)
        for length in range(1, longest + 1)
        for letters in itertools.product(characters, repeat=length)
    )
    weights = {word: probability(model, word) for word in words if fulfils(word, limits)}
    total = sum(weights.values())
    return {word: weight / total for word, weight in weights.items()}


def conditioned(model: Model, limits: Constraints) -> ConditionedModel:
    automaton = model.automaton()
    assert automaton is not None
    P = np.exp(automaton.log_probabilities)
    requirements = Requirements(model.vocabulary, limits)
    return ConditionedModel(ConstrainedAutomaton(P, automaton, requirements))


def conditioned_probability(model: Model, limits: Constraints, word: str) -> float:
    """Return the probability of drawing ``word``, symbol by symbol."""
    machine = conditioned(model, limits)
    ids = model.vocabulary.encode(word).tolist()
    prefix = machine.automaton.requirements.prefix.tolist()
    if ids[: len(prefix)] != prefix:
        return 0.0
    state, result = machine.automaton.start, 1.0
    for t, symbol in enumerate([*ids, 0]):
        if t < len(prefix):
            continue
        result *= machine.next_probabilities(t, np.array([state]))[0, symbol]
        state = int(machine.automaton.successors[state, symbol])
    return result


texts = st.text("abc", max_size=3)
constraint_sets = st.builds(
    Constraints,
    prefix=texts,
    suffix=texts,
    contains=texts | st.lists(texts, max_size=3).map(tuple),
    min_length=st.integers(1, 3),
    max_length=st.integers(3, 5),
)


@settings(max_examples=40, deadline=None)
@given(constraint_sets)
def test_probabilities_are_those_of_brute_force(limits: Constraints) -> None:
    model = make_bigram(["abc", "ab", "b", "ca", "cab", "aab"])
    expected = brute_force(model, limits, limits.max_length or 0)
    if not expected:
        with pytest.raises(SamplingError, match="no word with"):
            conditioned(model, limits)
        return
    for word, share in expected.items():
        assert conditioned_probability(model, limits, word) == pytest.approx(share, rel=1e-9)


def test_shares_are_those_of_symbols() -> None:
    limits = Constraints(contains="C", suffix="Cl", max_length=2)
    shares = limits.shares(["Cl", "CCl", "ClClCl", "CC"], lambda text: text.replace("Cl", "L"))
    assert shares == {
        "end with 'Cl'": 0.75,
        "contain 'C'": 0.5,
        "have 2 characters or fewer": 0.75,
    }


@pytest.mark.parametrize("shortest", [3, 50, 200, 1000])
def test_the_probability_of_long_words_is_that_of_powers_of_the_matrix(shortest: int) -> None:
    model = make_bigram(["abc", "ab", "b", "ca", "cab", "aab"])
    P = np.exp(model.log_probabilities(np.arange(4)[:, None]))
    onward = P[:, 1:].copy()  # a word of n characters or more has taken n steps to characters
    states = np.zeros(4)
    states[0] = 1.0
    for _ in range(shortest):
        states = np.append(0.0, states @ onward)
    found = conditioned(model, Constraints(min_length=shortest)).probability
    assert found == pytest.approx(states.sum(), rel=1e-9)


@pytest.mark.parametrize(
    "limits",
    [
        Constraints(),
        Constraints(min_length=3),
        Constraints(suffix="ab"),
        Constraints(contains="bb"),
        Constraints(prefix="c", suffix="cc", min_length=2),
    ],
)
def test_without_a_longest_length_all_words_count(limits: Constraints) -> None:
    model = make_bigram(["a", "b", "c", "ab", "bb", "cc"], smoothing=0.1)
    expected = brute_force(model, limits, 9)
    for word, share in itertools.islice(expected.items(), 50):
        # brute force ends at nine characters and misses the little that is longer
        assert conditioned_probability(model, limits, word) == pytest.approx(share, rel=0.02)


def test_drawn_frequencies_are_those_of_brute_force(small_model: Bigram) -> None:
    limits = Constraints(prefix="a", suffix="b", contains="c", min_length=3, max_length=5)
    expected = brute_force(small_model, limits, 5)
    n = 40_000
    words, counts = np.unique(
        sample(small_model, n, seed=3, constraints=limits), return_counts=True
    )
    assert set(words) <= set(expected)
    found = dict(zip(words.tolist(), counts.tolist(), strict=True))
    chi_square = sum(
        (found.get(word, 0) - n * share) ** 2 / (n * share) for word, share in expected.items()
    )
    degrees = len(expected) - 1
    assert abs(chi_square - degrees) < 4 * math.sqrt(2 * degrees)


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        (Constraints(prefix="ab", max_length=1), "prefix 'ab', max-length 1"),
        (Constraints(suffix="abc", max_length=2), "suffix 'abc', max-length 2"),
        (Constraints(contains="abca", max_length=3), "contains 'abca', max-length 3"),
        (Constraints(prefix="é"), "prefix 'é'.*'é' is not in the vocabulary"),
        (Constraints(contains="A"), "contains 'A'.*not in the vocabulary"),
        (Constraints(suffix="\x1b"), "suffix '\\\\x1b'.*not in the vocabulary"),
    ],
)
def test_a_constraint_that_no_word_fulfils_is_answered_at_once(
    small_model: Bigram, limits: Constraints, named: str
) -> None:
    with pytest.raises(SamplingError, match=named):
        conditioned(small_model, limits)


def test_a_constraint_that_only_this_model_cannot_fulfil_is_answered_at_once() -> None:
    model = make_bigram(["ab", "aab"], smoothing=0)
    for limits in (Constraints(prefix="b"), Constraints(contains="ba"), Constraints(suffix="a")):
        with pytest.raises(SamplingError, match="the model can write no word"):
            conditioned(model, limits)


def test_lengths_that_exclude_each_other_are_refused() -> None:
    with pytest.raises(SamplingError, match="at least 5 and at most 3"):
        Constraints(min_length=5, max_length=3)


@pytest.mark.parametrize("wrong", [{"min_length": 0}, {"max_length": MAX_LENGTH + 1}])
def test_lengths_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(OptionError):
        Constraints(**wrong)  # type: ignore[arg-type]


def test_improbable_lengths_are_reached(small_model: Bigram) -> None:
    limits = Constraints(min_length=900, max_length=900)
    assert {len(word) for word in sample(small_model, 3, seed=0, constraints=limits)} == {900}


def test_overlapping_patterns_are_found_in_all_their_ways(small_model: Bigram) -> None:
    limits = Constraints(contains="aba", suffix="ab", max_length=5)
    words = sample(small_model, 2_000, seed=1, constraints=limits)
    assert set(words) == set(brute_force(small_model, limits, 5))


def test_a_constraint_that_every_word_fulfils_changes_nothing_however_rarely_words_end() -> None:
    """The chance to end at all takes thousands of steps to be known."""
    logits = np.array([[LOG_ZERO, 0.0], [math.log(0.002), math.log(0.998)]])
    model = Bigram(Vocabulary("a"), logits, np.zeros((2, 2), np.int64))
    for limits in (Constraints(contains="a"), Constraints(suffix="a")):
        machine = conditioned(model, limits)
        seen = machine.automaton.successors[machine.automaton.start, 1]
        assert machine.next_probabilities(1, np.array([seen]))[0, 0] == pytest.approx(0.002)


def test_patterns_that_take_too_many_states_are_refused(
    small_model: Bigram, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = Constraints(contains="ab")  # three states of progress, times those of the model
    monkeypatch.setattr(constraints, "MAX_CELLS", 3 * 4 - 1)
    with pytest.raises(SamplingError, match="together are too long"):
        conditioned(small_model, limits)
    for module in (constraints, conditioning):
        monkeypatch.setattr(module, "MAX_CELLS", 3 * 4)
    with pytest.raises(SamplingError, match="states of model and constraints, times 4 symbols"):
        conditioned(small_model, limits)


def test_too_many_contained_texts_are_refused_before_they_take_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conditioning, "MAX_PAIRS", 100)
    model = make_bigram(["abc", "ab", "b", "ca"])
    conditioned(model, Constraints(contains=("ab", "bc")))  # 4 states times 9
    with pytest.raises(SamplingError, match=r"4 states .* times 108 .* fewer or shorter"):
        conditioned(model, Constraints(contains=("ab", "bc", "ca", "aab")))


def test_a_prefix_less_probable_than_any_number_is_begun_with() -> None:
    model = make_bigram(["abc", "ab", "b", "ca", "cab", "aab"])
    limits = Constraints(prefix="abc" * 300)
    assert conditioned(model, limits).probability == 0.0  # it is about e**-1000
    assert sample(model, 1, seed=0, constraints=limits)[0].startswith(limits.prefix)
    assert next(most_probable_words(model, limits))[0].startswith(limits.prefix)
    word = limits.prefix + "ab"
    short = Constraints(prefix="abc")
    assert conditioned_probability(model, limits, word) == pytest.approx(
        conditioned_probability(model, short, "abcab")
    )


@pytest.mark.parametrize("name", ["suffix", "contains"])
def test_a_text_less_probable_than_any_number_is_written(name: str) -> None:
    model = make_bigram(["abc", "ab", "b", "ca", "cab", "aab"], smoothing=1e-6)
    long, short = (Constraints(**{name: "cb" * n}) for n in (60, 1))  # type: ignore[arg-type]
    assert conditioned(model, long).probability == 0.0  # P(b | c) is about 1e-6
    assert "cb" * 60 in sample(model, 1, seed=0, constraints=long)[0]
    likeliest, _ = next(most_probable_words(model, short))
    assert next(most_probable_words(model, long)) == (likeliest.replace("cb", "cb" * 60), 0.0)
    if name == "suffix":  # what stands before it does not depend on how often "cb" follows
        found = conditioned_probability(model, long, "ca" + "cb" * 60)
        assert found == pytest.approx(conditioned_probability(model, short, "cacb"))


def test_a_prefix_is_given_at_any_temperature() -> None:
    model = make_bigram(["abc"] * 1000 + ["b", "bc"])
    limits = Constraints(prefix="b")
    for temperature in (0, 1e-3, 0.1):  # .b has about 1 / 500, and the power of 1,000 of that is 0
        words = sample(model, 2, seed=0, temperature=temperature, constraints=limits)
        assert words == ["bc", "bc"]


def test_long_words_of_any_length_are_conditioned_in_little_memory() -> None:
    characters = "abcdefghijklmnopqrstuvwxyz0123456789"
    W = np.zeros((37, 37))
    W[:, 0] = -4.0  # a word has about 2,000 characters
    model = Bigram(Vocabulary(characters), W, np.zeros((37, 37), np.int64))
    tracemalloc.start()
    conditioned(model, Constraints(suffix="ab"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2_000_000  # it was 5 MB with the numbers of all lengths
