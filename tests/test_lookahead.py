"""Rare constraints on models without an automaton, against brute force on a small alphabet."""

import math
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from contract_models import ForgetfulModel, RecurrentModel
from test_contract import all_words, chi_square_is_plausible, probability

from makemore.arrays import Ids
from makemore.errors import SamplingError
from makemore.generation import lookahead, writers
from makemore.generation.constraints import Constraints, Requirements
from makemore.generation.lookahead import LookAhead, look_ahead
from makemore.generation.sampling import Sampler, sample
from makemore.generation.search import most_probable_words
from makemore.models.base import Model, State

RARE = (
    Constraints(suffix="cba", max_length=6),
    Constraints(contains="ccb", suffix="ab", max_length=7),
    Constraints(prefix="a", contains="bb", min_length=5, max_length=6),
    Constraints(min_length=7, max_length=7),
)


@pytest.fixture(autouse=True)
def _always_looking_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steer by the look-ahead even where rejection alone is cheaper."""

    def eager(*given: Any) -> LookAhead | None:
        ahead = look_ahead(*given)
        if ahead:
            ahead.probability = 0.0
        return ahead

    monkeypatch.setattr(writers, "MIN_ACCEPTANCE", 2.0)
    monkeypatch.setattr(writers, "look_ahead", eager)


def expected_counts(model: Model, limits: Constraints, n: int) -> dict[str, float]:
    """Return how often each word is expected among n that fulfil the constraints."""
    P = all_words(model, limits, limits.max_length or 0)
    total = sum(P.values())
    return {word: n * p / total for word, p in P.items()}


@pytest.mark.parametrize("limits", RARE, ids=Constraints.describe)
@pytest.mark.parametrize("seed", [1, 2])
def test_steered_words_have_the_frequencies_of_brute_force(limits: Constraints, seed: int) -> None:
    model, n = RecurrentModel(seed=seed), 20_000
    sampler = Sampler(model, constraints=limits)
    assert 0 < sampler.error < 0.01
    found = Counter("".join(sampler.texts(n, seed)).split())
    assert found.total() == n
    assert chi_square_is_plausible(found, expected_counts(model, limits, n))


def test_a_look_ahead_by_quite_other_words_costs_time_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    eager: Callable[..., LookAhead | None] = vars(writers)["look_ahead"]

    def misled(words: Any, *given: Any) -> LookAhead | None:
        return eager(np.tile(np.array([3, 3, 1, 0]), 500), *given)

    model, limits, n = RecurrentModel(), Constraints(contains="ab", max_length=5), 20_000
    honest = Sampler(model, constraints=limits)
    monkeypatch.setattr(writers, "look_ahead", misled)
    misled_sampler = Sampler(model, constraints=limits)
    found = Counter("".join(misled_sampler.texts(n, 0)).split())
    assert chi_square_is_plausible(found, expected_counts(model, limits, n))
    assert misled_sampler.error > honest.error


def test_the_temperature_is_that_of_the_model() -> None:
    model, limits, n = RecurrentModel(), Constraints(suffix="ca", max_length=4), 20_000
    words = sample(model, n, seed=0, temperature=0.6, constraints=limits)

    def heated(word: str) -> float:
        state, total = model.start(1), 1.0
        for symbol in [*model.vocabulary.encode(word).tolist(), 0]:
            p = np.exp(model.log_probabilities(state)[0] / 0.6)
            total *= float(p[symbol] / p.sum())
            state = model.advance(state, np.array([symbol])) if symbol else state
        return total

    P = {word: heated(word) for word in all_words(model, limits, 4)}
    expected = {word: n * p / sum(P.values()) for word, p in P.items()}
    assert chi_square_is_plausible(Counter(words), expected)


def test_the_probability_of_rare_constraints_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "look_ahead", look_ahead)
    model, limits = RecurrentModel(), Constraints(prefix="a", contains="ccbcc", max_length=8)
    exact = sum(all_words(model, limits, 8).values())
    assert exact < 1e-4
    told = re.match("only ([^ ]+) of the model's words", Sampler(model, constraints=limits).warning)
    assert told
    assert float(told[1]) == pytest.approx(exact, rel=0.1)


def test_too_few_trials_err_by_less_than_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the largest weight of 40 trials some words are too rare: the error says how much."""
    monkeypatch.setattr(writers, "STATE_CELLS", 200)  # lanes of 40
    monkeypatch.setattr(writers, "MAX_TRIALS", 40)
    limits, n, errors = Constraints(contains="ab", suffix="cc", max_length=6), 2_000, []
    for seed in range(4):
        model = RecurrentModel(seed=seed)
        sampler = Sampler(model, constraints=limits)
        words = Counter("".join(sampler.texts(n, seed)).split())
        expected = expected_counts(model, limits, n)
        distance = sum(abs(words[word] - e) for word, e in expected.items()) / (2 * n)
        noise = sum(math.sqrt(e) for e in expected.values()) / (2 * n)
        assert distance < sampler.error + noise
        errors.append(sampler.error)
    assert max(errors) > 0.02


def test_the_probability_of_the_constraints_is_the_mean_weight_times_the_models() -> None:
    model, limits = RecurrentModel(), RARE[1]
    requirements = Requirements(model.vocabulary, limits)
    words = model.vocabulary.encode_lines("".join(w + "\n" for w in sample(model, 2_000, seed=1)))
    ahead = look_ahead(words, model.vocabulary, requirements)
    assert ahead is not None
    writer = Sampler(model, constraints=limits)._writer
    assert isinstance(writer, writers.Stepwise)
    weights = writer._draw(np.random.PCG64(3), 8_000, ahead).weights
    expected = sum(all_words(model, limits, 7).values())
    assert ahead.probability * weights.mean() == pytest.approx(expected, rel=0.1)


def test_a_constraint_of_a_millionth_is_answered() -> None:
    model, n = RecurrentModel(), 4_000
    limits = Constraints(suffix="cbcbcaabcc", max_length=11)
    P = {word + limits.suffix: 0.0 for word in ("", "a", "b", "c")}
    P = {word: probability(model, word) for word in P}
    assert 0 < sum(P.values()) < 1e-6
    found = Counter(sample(model, n, seed=0, constraints=limits))
    expected = {word: n * p / sum(P.values()) for word, p in P.items()}
    assert chi_square_is_plausible(found, expected)


def test_the_first_words_do_not_depend_on_how_many_are_asked_for() -> None:
    limits = RARE[0]
    many = sample(RecurrentModel(), 3_000, seed=3, constraints=limits)
    assert sample(RecurrentModel(), 50, seed=3, constraints=limits) == many[:50]
    assert sample(RecurrentModel(), 50, seed=4, constraints=limits) != many[:50]


def test_what_no_word_of_the_model_fulfils_is_told_after_few_draws() -> None:
    with pytest.raises(SamplingError, match=r"no word in 8,704 draws .* 0.00% contain 'ac'"):
        Sampler(ForgetfulModel(), constraints=Constraints(contains="ac"))


def test_a_prefix_less_probable_than_any_number_is_steered_all_the_same() -> None:
    class Patient(RecurrentModel):
        """A model that does not end words sooner the longer they are."""

        def advance(self, state: State, symbols: Ids) -> State:
            hidden, _ = super().advance(state, symbols)
            return hidden, np.zeros(len(hidden))

    limits = Constraints(prefix="abc" * 300, suffix="ccab", max_length=906)
    words = sample(Patient(), 3, seed=0, constraints=limits)
    assert all(w.startswith(limits.prefix) and w.endswith("ccab") for w in words)


def test_an_alphabet_too_large_for_a_table_is_drawn_by_rejection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lookahead, "MAX_LOOK_AHEAD_CELLS", 3)
    sampler = Sampler(RecurrentModel(), constraints=RARE[0])
    assert sampler.error == 0
    assert next(sampler.texts(1, 0)).endswith("cba\n")


def test_common_constraints_are_drawn_by_rejection_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "MIN_ACCEPTANCE", 1 / 16)
    monkeypatch.setattr(writers, "look_ahead", None)  # which cannot be called
    assert Sampler(RecurrentModel(), constraints=Constraints(min_length=2)).error == 0


def test_lengths_beyond_those_of_the_model_are_refused_at_once() -> None:
    class Short(RecurrentModel):
        longest_word = 5

    model = Short()
    for limits in (Constraints(min_length=6), Constraints(prefix="abca", suffix="bc")):
        with pytest.raises(SamplingError, match="can write no word with"):
            Sampler(model, constraints=limits)
        with pytest.raises(SamplingError, match="can write no word with"):
            next(most_probable_words(model, limits))
    assert Requirements.of(model, Constraints()).allowed(5, np.array([0])).tolist() == [
        [True, False, False, False]
    ]


@pytest.mark.parametrize("options", [{"temperature": 0}, {"top_k": 1}])
def test_the_likeliest_symbols_lead_to_what_is_asked(options: dict[str, Any]) -> None:
    limits = Constraints(contains="bbb", suffix="ac", max_length=9)
    (word,) = sample(RecurrentModel(), 1, seed=0, constraints=limits, **options)
    assert "bbb" in word
    assert word.endswith("ac")


def test_a_look_ahead_learns_from_all_that_the_model_writes_however_narrow_the_choice() -> None:
    learnt: list[Any] = []

    def look(words: Any, *given: Any) -> LookAhead | None:
        learnt.append(words)
        return look_ahead(words, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writers, "look_ahead", look)
        Sampler(RecurrentModel(), temperature=0, constraints=Constraints(prefix="ab", suffix="c"))
    (ids,) = learnt
    rows = np.split(ids, np.flatnonzero(ids == 0) + 1)[:-1]
    assert len(rows) == writers.LEARNT_WORDS
    assert all(row[:2].tolist() == [1, 2] for row in rows)
    assert len({row.tobytes() for row in rows}) > 50
