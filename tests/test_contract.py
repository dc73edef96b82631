"""What every model promises, held for every kind and for two models of the tests.

The oracle asks a model for one word and one symbol at a time, and multiplies.
"""

import itertools
import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
from conftest import automaton_of
from contract_models import ForgetfulModel, LopsidedModel, RecurrentModel

from makemore.arrays import Floats
from makemore.checkpoint import load, save
from makemore.data.corpus import Corpus
from makemore.data.vocabulary import UNKNOWN, Vocabulary
from makemore.errors import SamplingError
from makemore.evaluation.losses import score_words
from makemore.generation import search, writers
from makemore.generation.constraints import Constraints, Requirements
from makemore.generation.sampling import Sampler, sample
from makemore.generation.search import most_probable_words
from makemore.kinds import KINDS
from makemore.models import base
from makemore.models.base import Automaton, Model, State, select
from makemore.models.bigram import LOG_ZERO, Bigram
from makemore.training.options import TrainingOptions
from makemore.training.record import Checkpoint
from makemore.training.train import train

WORDS = ["abc", "ab", "b", "ca", "cab", "aab", "bb", "acca", "b"] * 3


def trained(kind: str) -> Checkpoint:
    """Return a model of a kind; a network is small and takes a few steps, so nothing is certain."""
    parts = "ngram:order=3 gru:steps=5,batch_size=4,hidden_size=6,embedding_size=8"
    small: dict[str, Any] = {
        "mixture": {"components": parts, "validation": 0.3},
        "bigram": {},
        "ngram": {},
    }
    sizes = {"steps": 5, "batch_size": 4, "embedding_size": 8, "hidden_size": 6, "context": 4}
    known = TrainingOptions(kind).values
    network = {name: value for name, value in sizes.items() if name in known}
    given = small.get(kind, network)
    return train(Corpus.from_words(WORDS), TrainingOptions(kind, holdout=0, **given))


CHECKPOINTS = {kind: trained(kind) for kind in KINDS}
IN_TESTS: tuple[Model, ...] = (RecurrentModel(), LopsidedModel())
EVERY_MODEL = {kind: c.model for kind, c in CHECKPOINTS.items()} | {m.name: m for m in IN_TESTS}
EVERY_MODEL["backoff"] = EVERY_MODEL["ngram"].as_backoff()  # type: ignore[attr-defined]
every_model = pytest.mark.parametrize("model", EVERY_MODEL.values(), ids=EVERY_MODEL.keys())


def after(model: Model, word: str) -> State:
    """Return the state of one word after its characters."""
    state = model.start(1)
    for symbol in model.vocabulary.encode(word):
        state = model.advance(state, np.array([symbol]))
    return state


def probability(model: Model, word: str) -> float:
    """Return P(word), its end included, symbol by symbol."""
    ids = model.vocabulary.encode(word).tolist()
    found = 1.0
    for t, symbol in enumerate([*ids, 0]):
        found *= math.exp(model.log_probabilities(after(model, word[:t]))[0, symbol])
    return found


def fulfils(word: str, limits: Constraints) -> bool:
    return (
        word.startswith(limits.prefix)
        and word.endswith(limits.suffix)
        and all(text in word for text in limits.contained)
        and limits.min_length <= len(word) <= (limits.max_length or 99)
    )


def all_words(model: Model, limits: Constraints, longest: int) -> dict[str, float]:
    """Return P(word) of every word up to a length that fulfils the constraints."""
    letters = model.vocabulary.characters
    words = (
        "".join(word)
        for length in range(1, longest + 1)
        for word in itertools.product(letters, repeat=length)
    )
    return {word: probability(model, word) for word in words if fulfils(word, limits)}


@every_model
def test_each_row_is_the_logarithm_of_a_distribution(model: Model) -> None:
    for word in ("", "a", "bca", "cccccccccccc"):
        rows = model.log_probabilities(after(model, word))
        assert rows.shape == (1, len(model.vocabulary))
        assert rows.dtype == np.float64
        assert np.exp(rows).sum() == pytest.approx(1.0, abs=1e-12)


@every_model
def test_a_batch_of_one_equals_a_row_of_a_batch(model: Model) -> None:
    words = ["abc", "bca", "cab", "aaa"]
    state = model.start(len(words))
    for t in range(3):
        symbols = model.vocabulary.encode("".join(word[t] for word in words))
        state = model.advance(state, symbols)
    together = model.log_probabilities(state)
    backwards = model.log_probabilities(select(state, np.array([3, 2, 1, 0])))
    for i, word in enumerate(words):
        alone = model.log_probabilities(after(model, word))[0]
        np.testing.assert_allclose(together[i], alone, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(backwards[3 - i], alone, rtol=1e-6, atol=1e-9)


@every_model
def test_a_sequence_equals_its_steps(model: Model) -> None:
    words = ["abc", "b", "cabcabcab", "ba", "acb"]
    ids = model.vocabulary.encode_lines("".join(word + "\n" for word in words))
    found = iter(model.symbol_log_probabilities(ids))
    for word in words:
        for t, symbol in enumerate([*model.vocabulary.encode(word), 0]):
            alone = model.log_probabilities(after(model, word[:t]))[0, symbol]
            assert next(found) == pytest.approx(alone, rel=1e-6)


@every_model
def test_nothing_is_known_behind_an_unknown_symbol_that_the_model_sees(model: Model) -> None:
    whole = model.vocabulary.encode_lines("ab\nacbcaacb\nb\n")
    ids = whole.copy()
    ids[4] = UNKNOWN  # the c of acbcaacb
    found, expected = model.symbol_log_probabilities(ids), model.symbol_log_probabilities(whole)
    C = model.context_length
    last = 11 if C is None else min(11, 4 + C)  # the word's end is at 11
    assert np.flatnonzero(np.isnan(found)).tolist() == list(range(4, last + 1))
    others = ~np.isnan(found)
    np.testing.assert_allclose(found[others], expected[others])


@every_model
def test_no_words_take_no_answers(model: Model) -> None:
    assert model.symbol_log_probabilities(np.zeros(0, np.int64)).shape == (0,)
    assert model.log_probabilities(model.start(0)).shape == (0, len(model.vocabulary))


@pytest.mark.parametrize("model", IN_TESTS, ids=lambda model: model.name)
def test_the_table_of_pairs_is_what_follows_a_first_symbol(model: Model) -> None:
    table = model.bigram_table()
    expected = [np.exp(model.log_probabilities(after(model, first))[0]) for first in ("", *"abc")]
    np.testing.assert_allclose(table, expected)
    assert model.bigram_counts() is None
    assert model.bigram_weights() is None
    assert model.parameter_count == 10


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_survives_its_checkpoint(kind: str, tmp_path: object) -> None:
    path = f"{tmp_path}/model.npz"
    save(path, CHECKPOINTS[kind])
    again = load(path).model
    ids = again.vocabulary.encode_lines("abc\ncab\n")
    np.testing.assert_array_equal(
        again.symbol_log_probabilities(ids),
        CHECKPOINTS[kind].model.symbol_log_probabilities(ids),
    )


@every_model
@pytest.mark.parametrize(
    "limits",
    [
        Constraints(max_length=3),
        Constraints(prefix="a", suffix="b", max_length=4),
        Constraints(contains="ab", min_length=3, max_length=4),
        Constraints(prefix="ba", contains="ab", suffix="bb", max_length=5),
    ],
    ids=Constraints.describe,
)
def test_draws_under_constraints_have_the_frequencies_of_brute_force(
    model: Model, limits: Constraints
) -> None:
    expected = all_words(model, limits, limits.max_length or 0)
    n, total = 3_000, sum(expected.values())
    found = Counter(sample(model, n, seed=5, constraints=limits))
    assert set(found) <= set(expected)
    assert chi_square_is_plausible(found, {w: n * p / total for w, p in expected.items()})


def chi_square_is_plausible(found: Counter[str], expected: dict[str, float]) -> bool:
    """Return whether the statistic lies within four deviations of its mean.

    Words that are expected fewer than five times count as one.
    """
    frequent = {word: e for word, e in expected.items() if e >= 5}
    rest = sum(expected.values()) - sum(frequent.values())
    statistic = sum((found[word] - e) ** 2 / e for word, e in frequent.items())
    degrees = len(frequent) - 1
    if rest >= 5:
        others = found.total() - sum(found[word] for word in frequent)
        statistic, degrees = statistic + (others - rest) ** 2 / rest, degrees + 1
    return bool(statistic <= degrees + 4 * math.sqrt(2 * max(degrees, 1)))


@every_model
def test_draws_without_constraints_have_the_models_frequencies(model: Model) -> None:
    n = 4_000
    found = Counter(sample(model, n, seed=2))
    expected = all_words(model, Constraints(), 5)
    not_empty = 1 - math.exp(model.log_probabilities(model.start(1))[0, 0])
    expected = {word: n * p / not_empty for word, p in expected.items()}
    short = Counter({word: count for word, count in found.items() if len(word) <= 5})
    short["longer"] = n - short.total()
    assert "" not in found
    assert chi_square_is_plausible(short, expected | {"longer": n - sum(expected.values())})


@every_model
@pytest.mark.parametrize(
    "limits",
    [Constraints(max_length=4), Constraints(prefix="b", suffix="a", max_length=4)],
    ids=Constraints.describe,
)
def test_the_most_probable_words_are_those_of_brute_force(
    model: Model, limits: Constraints
) -> None:
    expected = sorted(all_words(model, limits, 4).values(), reverse=True)
    expected = [p for p in expected if p > 0]
    found = list(itertools.islice(most_probable_words(model, limits), len(expected) + 1))
    assert [p for _, p in found] == pytest.approx(expected, rel=1e-5)
    for word, p in found:
        assert p == pytest.approx(probability(model, word), rel=1e-5)


@every_model
@pytest.mark.parametrize("options", [{"temperature": 0}, {"top_k": 1}, {"top_p": 1e-6}])
@pytest.mark.parametrize(
    "limits",
    [
        Constraints(prefix="cc", max_length=5),
        Constraints(prefix="c", max_length=1),
        Constraints(suffix="ca", min_length=3, max_length=3),
        Constraints(min_length=4, max_length=4),
    ],
    ids=Constraints.describe,
)
def test_the_likeliest_symbols_are_chosen_among_those_that_the_constraints_leave(
    model: Model, options: dict[str, float], limits: Constraints
) -> None:
    words = sample(model, 3, seed=1, constraints=limits, **options)  # type: ignore[arg-type]
    assert len(words) == 3
    assert len(set(words)) == 1
    assert fulfils(words[0], limits)


@every_model
def test_the_first_words_do_not_depend_on_how_many_are_asked_for(model: Model) -> None:
    many = sample(model, 1_500, seed=3)
    assert sample(model, 700, seed=3) == many[:700]
    assert sample(model, 20, seed=4) != many[:20]


# A model without an automaton


def test_a_window_of_too_many_contexts_has_no_automaton(monkeypatch: pytest.MonkeyPatch) -> None:
    model = LopsidedModel()
    assert isinstance(automaton_of(model), Automaton)
    monkeypatch.setattr(base, "MAX_CELLS", 4**3 - 1)
    assert model.automaton() is None
    assert all(fulfils(w, Constraints()) for w in sample(model, 50, seed=0))


def test_each_context_of_an_automaton_leads_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("makemore.arrays.CHUNK_CELLS", 7)
    model = LopsidedModel()
    machine = automaton_of(model)
    for word in ("abc", "ccb", "bac"):
        state = machine.start
        for t, symbol in enumerate(model.vocabulary.encode(word)):
            row = model.log_probabilities(after(model, word[:t]))[0]
            np.testing.assert_allclose(machine.log_probabilities[state], row)
            state = int(machine.successors[state, symbol])


def test_targets_are_looked_up_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    model = LopsidedModel()
    contexts = np.random.default_rng(0).integers(0, 4, (50, 2))
    targets = np.random.default_rng(1).integers(0, 4, 50)
    expected = model.log_probabilities(contexts)[np.arange(50), targets]
    monkeypatch.setattr("makemore.arrays.CHUNK_CELLS", 7)
    np.testing.assert_array_equal(model.target_log_probabilities(contexts, targets), expected)


def test_words_are_walked_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    model, words = RecurrentModel(), ["abc", "b", "cabcab", "ba", "acb", "a"]
    expected = score_words(model, words).total
    monkeypatch.setattr("makemore.arrays.CHUNK_CELLS", 9)  # two words
    np.testing.assert_allclose(score_words(model, words).total, expected)
    assert expected == pytest.approx([-math.log(probability(model, word)) for word in words])


def test_hopeless_constraints_are_told_with_the_share_that_fulfils_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writers, "PATIENCE", 2_000)
    limits = Constraints(contains="ac", min_length=2)
    with pytest.raises(SamplingError) as caught:
        sample(ForgetfulModel(), 1, seed=0, constraints=limits)
    message = str(caught.value)
    assert "no word in 8,704 draws fulfilled all constraints" in message
    assert "0.00% contain 'ac'" in message
    of_one = all_words(ForgetfulModel(), Constraints(), 1)
    empty = math.exp(ForgetfulModel().log_probabilities(ForgetfulModel().start(1))[0, 0])
    share = 100 * (1 - empty - sum(of_one.values()))
    found = float(message.partition("contain 'ac', ")[2].partition("%")[0])
    assert found == pytest.approx(share, abs=5)


def test_constraints_that_no_length_allows_are_refused_at_once() -> None:
    with pytest.raises(SamplingError, match="no word with suffix 'abc', max-length 2"):
        Sampler(RecurrentModel(), constraints=Constraints(suffix="abc", max_length=2))


def test_a_word_that_does_not_end_is_an_error_and_not_a_hang(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Endless(RecurrentModel):
        def log_probabilities(self, state: State) -> Floats:
            log_P = super().log_probabilities(state)
            log_P[:, 0] = -np.inf
            return log_P

    monkeypatch.setattr(writers, "MAX_LENGTH", 30)
    with pytest.raises(SamplingError, match="not ended after 30 characters"):
        sample(Endless(), 1, seed=0)


def test_a_search_that_takes_too_long_ends_with_words_that_are_exact(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(search, "MAX_EXPANSIONS", 40)
    words = most_probable_words(RecurrentModel())
    found: list[tuple[str, float]] = []
    with pytest.raises(SamplingError, match=r"after 40 beginnings.* words before that are exact"):
        found.extend(next(words) for _ in itertools.repeat(None))
    expected = sorted(all_words(RecurrentModel(), Constraints(), 6).values(), reverse=True)
    assert found
    assert [p for _, p in found] == pytest.approx(expected[: len(found)])
    with pytest.raises(SamplingError, match=r"after 40 beginnings") as raised:
        search.top(RecurrentModel(), 1_000)
    assert raised.value.found == found
    assert search.top(RecurrentModel(), len(found)) == found
    monkeypatch.setattr(search, "MAX_EXPANSIONS", 0)
    with pytest.raises(SamplingError, match="after 0 beginnings: no word was found"):
        search.top(RecurrentModel(), 1)


def test_a_search_whose_heap_is_too_small_ends_before_a_word_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = sorted(all_words(RecurrentModel(), Constraints(), 6).values(), reverse=True)
    monkeypatch.setattr(search, "AT_ONCE", 1)
    for most in (12, 24):
        monkeypatch.setattr(search, "_max_beginnings", lambda continued, limit=most: limit)
        with pytest.raises(SamplingError, match="before that are exact") as raised:
            search.top(RecurrentModel(), 1_000)
        found = [p for _, p in raised.value.found]
        assert found
        assert found == pytest.approx(expected[: len(found)])


def test_the_heap_of_a_search_is_bounded_however_long_its_words_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Straight(RecurrentModel):
        def log_probabilities(self, state: State) -> Floats:
            return np.tile([-np.inf, *np.log([0.98, 0.01, 0.01])], (len(state[0]), 1))

    sizes: list[int] = []

    def take(heap: list[search._Beginning], limit: int) -> list[search._Beginning]:
        sizes.append(sum(len(beginning.symbols) for beginning in heap))
        return take_likeliest(heap, limit)

    take_likeliest = search._take_likeliest
    monkeypatch.setattr(search, "_take_likeliest", take)
    monkeypatch.setattr(search, "MAX_EXPANSIONS", 300)
    monkeypatch.setattr(search, "AT_ONCE", 1)
    monkeypatch.setattr(search, "HEAP_CELLS", 1 << 14)
    monkeypatch.setattr(search, "MIN_HEAP", 8)
    with pytest.raises(SamplingError, match="no word was found"):
        search.top(Straight(), 1)
    assert max(sizes) <= 1 << 14


def test_the_heap_of_a_search_is_bounded_by_the_largest_state_of_its_beginnings() -> None:
    short = search._Beginning(0.0, [1], 0, np.zeros((1, 2, 8)))
    long = search._Beginning(1.0, [1, 2], 0, np.zeros((1, 500, 8)))
    assert search._max_beginnings([short, long]) == search._max_beginnings([long])
    assert search._max_beginnings([long]) < search._max_beginnings([short])


def test_a_search_that_nothing_fulfils_is_refused() -> None:
    limits = Constraints(contains="c", max_length=3)
    with pytest.raises(SamplingError, match="no word with contains 'c', max-length 3"):
        list(most_probable_words(ForgetfulModel(), limits))


def test_lengths_decide_which_of_two_equal_scales_counts() -> None:
    """A chance of 0.1 to end at each character: words behind the prefix have 10 on average."""
    logits = np.array([[LOG_ZERO, 0.0], [math.log(0.1), math.log(0.9)]])
    model = Bigram(Vocabulary("a"), logits, np.zeros((2, 2), np.int64))
    words = sample(model, 20_000, seed=0, constraints=Constraints(prefix="a", suffix="a"))
    # 1 / 0.1 characters in all, each with a deviation of about sqrt(0.9) / 0.1
    assert np.mean([len(w) for w in words]) == pytest.approx(10.0, abs=4 * 9.5 / math.sqrt(20_000))


def test_a_symbol_is_allowed_where_the_lengths_leave_room_for_the_patterns() -> None:
    def allowed(t: int, word: str, **limits: object) -> str:
        needs = Requirements(Vocabulary("abc"), Constraints(prefix=word, **limits))  # type: ignore[arg-type]
        flags = needs.allowed(t, np.array([needs.after_prefix()]))[0]
        return "".join(symbol for symbol, flag in zip(".abc", flags, strict=True) if flag)

    patterns = {"contains": "ab", "suffix": "bca"}  # which share their b: abca
    assert allowed(0, "", max_length=4, **patterns) == "a"
    assert allowed(0, "", max_length=5, **patterns) == "abc"
    assert allowed(4, "abca", max_length=4, **patterns) == "."
    assert allowed(4, "abca", max_length=6, **patterns) == "."
    assert allowed(4, "abca", max_length=7, **patterns) == ".b"
    # "ca" would be complete, but one character too short
    assert allowed(1, "c", suffix="ca", min_length=3, max_length=3) == "c"
    assert allowed(2, "bc", suffix="ca", min_length=3, max_length=3) == "a"
    assert allowed(2, "bc", max_length=2) == "."
