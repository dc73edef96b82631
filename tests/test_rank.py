"""Guess ranks against the words themselves, all of them counted."""

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import make_bigram
from contract_models import LopsidedModel, RecurrentModel

import makemore
from makemore.cli import main
from makemore.data.corpus import Corpus
from makemore.data.vocabulary import Vocabulary
from makemore.evaluation.losses import score_words
from makemore.evaluation.rank import RankEstimator
from makemore.generation.search import most_probable_words
from makemore.models.base import Model
from makemore.models.bigram import LOG_ZERO, Bigram
from makemore.training.train import train

LONGEST = 9


def probabilities(model: Model, longest: int = LONGEST) -> dict[str, float]:
    """Return P of every word up to a length, symbol by symbol."""
    found: dict[str, float] = {}
    for length in range(1, longest + 1):
        words = ["".join(w) for w in itertools.product(model.vocabulary.characters, repeat=length)]
        found |= dict(zip(words, np.exp(-score_words(model, words).total).tolist(), strict=True))
    return found


def two_letters() -> Bigram:
    """Return a model of a and b whose words are short: each symbol ends a word half the time."""
    P = np.array([[0.1, 0.6, 0.3], [0.5, 0.2, 0.3], [0.6, 0.3, 0.1]])
    return Bigram(Vocabulary("ab"), np.log(P), np.zeros((3, 3), np.int64))


@pytest.mark.parametrize("model", [two_letters(), LopsidedModel()], ids=["bigram", "lopsided"])
def test_the_estimate_is_within_its_error_of_the_count(model: Model) -> None:
    P = probabilities(model)
    uncounted = max(p for word, p in P.items() if len(word) == LONGEST)  # longer ones are rarer
    words = [word for word, p in P.items() if len(word) <= 3 and p > uncounted]
    assert len(words) > 10
    expected = [sum(p > P[word] * (1 + 1e-9) for p in P.values()) for word in words]
    found = RankEstimator(model, seed=4).ranks(words)
    for rank, error, count in zip(found.ranks, found.errors, expected, strict=True):
        assert rank == pytest.approx(count, abs=max(4 * error, 0.5))
    assert (found.errors[np.array(expected) > 20] > 0).all()


def test_the_error_is_the_deviation_of_estimates() -> None:
    model, words = two_letters(), ["a", "ba", "bab", "aabb"]
    runs = [RankEstimator(model, draws=400, seed=seed).ranks(words) for seed in range(100)]
    ranks = np.array([run.ranks for run in runs])
    P = probabilities(model)
    expected = [sum(p > P[word] * (1 + 1e-9) for p in P.values()) for word in words]
    spread = ranks.std(axis=0)
    np.testing.assert_array_less(
        np.abs(ranks.mean(axis=0) - expected), 4 * spread / 100**0.5 + 1e-9
    )
    errors = np.mean([run.errors for run in runs], axis=0)
    np.testing.assert_allclose(errors[spread > 0], spread[spread > 0], rtol=0.2)


def test_the_likeliest_word_has_rank_0() -> None:
    model = make_bigram(["a", "a", "a", "ab", "b"], smoothing=0.01)
    best = most_probable_words(model)
    found = RankEstimator(model).ranks([word for word, _ in itertools.islice(best, 3)])
    assert found.ranks[0] == found.errors[0] == 0
    assert found.ranks.round().tolist() == [0, 1, 2]


def test_words_that_differ_in_the_last_bits_of_their_probability_are_equally_probable() -> None:
    model = two_letters()
    estimator = RankEstimator(model)
    totals = score_words(model, ["a", "b", "aba", "bb"]).total
    for noise in (-1e-8, 1e-8):
        assert estimator.ranks_of(totals + noise).ranks.tolist() == (
            estimator.ranks_of(totals).ranks.tolist()
        )
    more = estimator.ranks_of(totals + 1e-4).ranks  # then a word is rarer than itself was
    assert (more > estimator.ranks_of(totals).ranks).all()


def test_ten_thousand_words_are_drawn() -> None:
    found = [RankEstimator(two_letters(), *draws).ranks(["aabb"]) for draws in ((), (10_000,))]
    assert found[0] == found[1]


def test_a_network_has_ranks_too() -> None:
    model = RecurrentModel()
    words = [word for word, _ in itertools.islice(most_probable_words(model), 200)]
    found = RankEstimator(model).ranks([words[0], words[9], words[199]])
    assert found.ranks[0] == 0
    for rank, error, expected in zip(found.ranks[1:], found.errors[1:], (9, 199), strict=True):
        assert rank == pytest.approx(expected, abs=4 * error)


def test_a_checkpoint_reads_words_as_its_training_words_were_read() -> None:
    corpus = Corpus(Corpus.from_words(["ab", "b", "abb"] * 3).sources, lowercase=True)
    checkpoint = train(corpus)
    found = RankEstimator(checkpoint).ranks(["AB", "ab"])
    assert (
        found.ranks[0] == found.ranks[1] == RankEstimator(checkpoint.model).ranks(["ab"]).ranks[0]
    )


def test_an_unknown_character_has_no_rank() -> None:
    found = RankEstimator(two_letters(), draws=100).ranks(["ab", "x"])
    assert np.isnan(found.ranks).tolist() == [False, True]
    assert np.isnan(found.errors).tolist() == [False, True]


def test_a_word_rarer_than_all_draws_says_so() -> None:
    found = RankEstimator(two_letters()).ranks(["a", "b" * 60])
    assert found.is_beyond.tolist() == [False, True]


def test_ranks_beyond_all_floats_are_infinite_and_without_a_warning() -> None:
    """Words of one letter out of 50, each ended with a chance of 0.002: e**2000 and more."""
    V = 51
    P = np.full((V, V), 0.998 / 50)
    P[:, 0], P[0] = 0.002, [0, *[1 / 50] * 50]
    with np.errstate(divide="ignore"):
        weights = np.maximum(np.log(P), LOG_ZERO)
    model = Bigram(Vocabulary(map(chr, range(97, 147))), weights, np.zeros((V, V), np.int64))
    found = RankEstimator(model, draws=500).ranks(["a" * 400, "ab"])
    assert math.isinf(found.ranks[0])
    assert found.ranks[1] < 1e6


def test_the_same_seed_gives_the_same_ranks() -> None:
    one, two, other = (RankEstimator(two_letters(), 500, seed).ranks(["aba"]) for seed in (1, 1, 2))
    assert one.ranks == two.ranks != other.ranks


# The command


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    makemore.save("m.npz", train(Corpus.from_words(["ab", "abb", "a", "b"] * 3, "w")))
    return tmp_path


def score(*options: str, data: str) -> list[str]:
    result = CliRunner().invoke(main, ["score", "-c", "m.npz", *options], input=data)
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def test_score_puts_the_rank_and_its_error_before_each_word(folder: Path) -> None:
    words = ["ab", "a", "abbb", "x", "b" * 40]
    data = "".join(word + "\n" for word in words)
    expected = RankEstimator(makemore.load("m.npz").model).ranks(words)
    rows = [line.split("\t") for line in score("--rank", data=data)]
    assert [row[-1] for row in rows] == words
    assert rows[3][-4:-1] == ["nan", "nan", "'x'"]
    assert rows[4][-4].startswith(">")
    for row, rank, error in zip(rows[:3], expected.ranks, expected.errors, strict=False):
        assert float(row[-4]) == pytest.approx(rank, abs=0.051)
        assert float(row[-3]) == pytest.approx(error, abs=0.051)
    by_word = {line.split("\t")[-1]: line for line in score("--rank", "--sort", data=data)}
    assert by_word == {row[-1]: "\t".join(row) for row in rows}


def test_json_has_the_rank_its_error_and_whether_it_is_a_bound(folder: Path) -> None:
    records = [json.loads(line) for line in score("--rank", "--json", data=f"ab\nx\n{'b' * 40}\n")]
    assert records[0]["rank"] >= 0
    assert [record["beyond_draws"] for record in records] == [False, False, True]
    assert records[1]["rank"] is records[1]["rank_error"] is None
    assert "rank" not in json.loads(score("--json", data="ab\n")[0])


def test_draws_that_are_read_in_other_symbols_count_for_nothing() -> None:
    corpus = Corpus.from_words(["abcab", "bca", "cabca", "ab", "bcb", "acaba"])
    checkpoint = train(replace(corpus, symbol_rule=".."), model="ngram", order=2, holdout=0.0)
    words = makemore.sample(checkpoint, 1_000, seed=0)
    drawn = score_words(checkpoint.model, words).total
    assert np.isnan(drawn).any()
    found = RankEstimator(checkpoint, 1_000).ranks(["abcab", "ab", "acacacac"])
    assert np.isfinite(found.ranks).all()


def test_a_model_that_nearly_always_writes_nothing_has_ranks() -> None:
    W = np.zeros((3, 3))
    W[0, 0] = W[1, 0] = W[2, 0] = 60.0
    W[0, 2] = 1.0  # b is likelier than a
    model = Bigram(Vocabulary("ab"), W, np.zeros((3, 3), np.int64))
    ranks = RankEstimator(model, 2_000).ranks(["b", "a"]).ranks
    assert ranks == pytest.approx([0.0, 1.0], abs=0.2)
