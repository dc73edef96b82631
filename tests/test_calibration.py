"""P-values by held-out words: right by arithmetic, and right on names that nobody has seen."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from conftest import make_bigram
from hypothesis import given
from hypothesis import strategies as st

from makemore.arrays import Floats
from makemore.data import holdout
from makemore.data.corpus import Corpus
from makemore.data.table import Columns
from makemore.errors import CheckpointError
from makemore.evaluation.calibration import (
    IMPOSSIBLE,
    MAX_WORDS,
    Calibration,
    _Ranks,
    calibrate,
)
from makemore.evaluation.losses import Scores, score_words
from makemore.models.bigram import Bigram
from makemore.training import left_out
from makemore.training.options import TrainingOptions
from makemore.training.train import train

MODEL = make_bigram(["abc", "ab", "b", "ca", "cab", "abcabc"])


def sample(scores: dict[int, Sequence[float]]) -> Floats:
    """Return the sample of these mean scores by the number of symbols."""
    return np.array([(n, mean) for n, means in scores.items() for mean in means])


def p_value(calibration: Calibration, word: str, model: Bigram = MODEL) -> float:
    return float(calibration.p_values(score_words(model, [word]))[0])


def test_the_p_value_is_the_rank_among_words_of_the_same_length() -> None:
    mean = float(score_words(MODEL, ["ab"]).mean[0])
    others = [mean - 0.1] * 90 + [mean] * 2 + [mean + 0.1] * 8
    calibration = Calibration(sample({3: others, 4: [99.0] * 500, 2: [99.0] * 500}))
    assert p_value(calibration, "ab") == (1 + 10) / (1 + 100)


def scored(symbols: int, *means: float) -> Scores:
    """Return the scores of words of so many symbols with these means."""
    word = [1] * (symbols - 1) + [0]
    ids = np.array(word * len(means))
    text = ("a" * (symbols - 1) + "\n") * len(means)
    return Scores(text, ids, np.repeat(means, symbols), np.flatnonzero(ids == 0))


def p_of(calibration: Calibration, symbols: int, *means: float) -> list[float]:
    return [float(p) for p in calibration.p_values(scored(symbols, *means))]


@given(st.lists(st.floats(0, 9), min_size=2, max_size=130), st.floats(0.001, 0.5))
def test_no_more_than_the_rate_asked_for_is_flagged_among_equals(
    means: list[float], fpr: float
) -> None:
    """Leave each of n + 1 scores of one length out in turn: a share of fpr at most has p <= fpr."""
    n = len(means) - 1
    for i in {0, n // 2, n}:
        (p,) = p_of(Calibration(sample({4: means[:i] + means[i + 1 :]})), 4, means[i])
        rank = sum(other >= means[i] for other in means)  # itself counted: 1 + r
        assert p == pytest.approx(rank / (n + 1))
    ranks = [sum(other >= mean for other in means) for mean in means]
    assert sum(rank / (n + 1) <= fpr for rank in ranks) <= fpr * (n + 1) + 1e-9


def test_few_words_alone_cannot_flag() -> None:
    calibration = Calibration(sample({3: [0.0] * 6}))
    assert p_value(calibration, "ab") == pytest.approx(1 / 7)
    assert calibration.smallest_p == pytest.approx(1 / 7)


def test_the_smallest_p_value_may_be_that_of_a_length_without_references() -> None:
    regularity = sample({3: [0.0, 0.5], 4: [0.1], 9: [0.2]})
    calibration = Calibration(sample({3: [1.0, 2.0], 4: [1.5], 9: [1.2]}), regularity)
    known, unknown = calibration.smallest(np.array([3, 4, 9])), calibration.smallest(np.array([7]))
    assert unknown.tolist() == [1 / 5]
    assert known.min() > 1 / 5
    assert calibration.smallest_p == 1 / 5
    assert calibration.smallest_of_two == 2 / 5


def test_the_rank_among_its_own_length_counts_while_some_are_beyond() -> None:
    own = np.linspace(1.0, 2.0, 400)  # a twentieth of them is 20, and 10 the most
    others = [99.0] * 5_000
    with_others = Calibration(sample({4: own.tolist(), 5: others}))
    for mean, beyond in ((own[0], 400), (own[200], 200), (own[-10], 10)):
        assert p_of(with_others, 4, mean) == [(1 + beyond) / 401]


def test_other_lengths_tell_how_far_beyond_its_own_a_word_is() -> None:
    """Both lengths have the same centre and spread, so all 1,100 words tell as one."""
    spread = np.linspace(-1.0, 1.0, 1_000)
    own = np.linspace(-1.0, 1.0, 100)
    calibration = Calibration(sample({4: (2 + own).tolist(), 5: (2 + spread).tolist()}))
    # K is 100 / 20; the fifth largest lies 4 * 2 / 99 below 1, where 41 of the 1,000 are beyond
    fifth = 1 - 8 / 99
    among_all = sum(1 for x in (*spread, *own) if x >= fifth - 1e-9)
    for x in (0.93, 0.95, 0.97):
        beyond = sum(1 for other in (*spread, *own) if other >= x)
        expected = 6 / 101 * (1 + beyond) / (1 + among_all)
        (p,) = p_of(calibration, 4, 2 + x)
        assert p == pytest.approx(expected, rel=0.3)  # the two spreads differ by a hundredth
    assert calibration.smallest(np.array([4, 5])).max() < 0.003
    assert Calibration(sample({4: (2 + own).tolist()})).smallest_p == pytest.approx(1 / 101)


def test_a_length_that_is_not_known_borrows_from_its_neighbours() -> None:
    """In units of a deviation that is larger by the square root of 2, for its mean is not known."""
    spread = np.linspace(-1.0, 1.0, 999)
    calibration = Calibration(sample({5: (3 + spread).tolist(), 9: (9 + spread).tolist()}))
    for symbols, centre in ((2, 3.0), (6, 3.0), (8, 9.0), (12, 9.0), (70, 9.0)):
        first, second, third = p_of(calibration, symbols, centre, centre + 0.5, centre + 5.0)
        assert first == pytest.approx(0.5, abs=0.01)
        # 0.5 is 0.354 of the known deviation; of -1 to 1 a share of (1 - 0.354) / 2 is beyond
        assert second == pytest.approx((1 - 0.5 / math.sqrt(2)) / 2, abs=0.01)
        assert third == pytest.approx(1 / 1_999)


def test_the_neighbours_of_a_length_are_those_that_make_up_a_hundred_words() -> None:
    """Of lengths 4 and 6 each is too few alone; 3 and 7, farther off, are not asked."""
    spread = np.linspace(-1.0, 1.0, 60)
    far = np.linspace(-9.0, 9.0, 500)
    groups = {4: 2 + spread, 6: 4 + spread, 3: 50 + far, 7: 60 + far}
    length = _Ranks(sample({n: values.tolist() for n, values in groups.items()}))._length(5.0)
    assert length.centre == pytest.approx(3.0)
    # the deviation around the mean of each length, and once more for the mean, which is not known
    assert length.spread == pytest.approx(spread.std() * math.sqrt(2))


def test_the_spread_of_few_words_is_drawn_to_that_of_their_neighbours() -> None:
    neighbours = np.linspace(-2.0, 2.0, 200)
    own = [4.0, 5.0, 6.0]
    length = _Ranks(sample({5: own, 6: (9 + neighbours).tolist()}))._length(5.0)
    assert length.centre == pytest.approx((4 + 5 + 6 + 9) / 4)  # they count as one word more
    variance = (1 + 0 + 1 + 5 * neighbours.var()) / (2 + 5)  # and as five
    assert length.spread == pytest.approx(math.sqrt(variance * (1 + 1 / 4)))


def test_a_rate_is_resolved_at_every_length() -> None:
    generator = np.random.default_rng(0)
    groups = {n: generator.normal(3, 0.5, size).tolist() for n, size in ((3, 60), (5, 900), (9, 4))}
    calibration = Calibration(sample(groups))
    for symbols in (2, 3, 4, 5, 9, 40):
        (p,) = p_of(calibration, symbols, 60.0)
        assert p == calibration.smallest(np.array([symbols]))[0]
        assert p <= 0.01


def test_an_impossible_word_is_the_strangest_and_an_unknown_one_has_no_p_value() -> None:
    model = make_bigram(["ab", "ab", "b"], smoothing=0.0)
    calibration = Calibration(calibrate(model, ["ab"] * 150))
    assert p_value(calibration, "ba", model) == pytest.approx(1 / 151)
    assert math.isnan(p_value(calibration, "xa", model))


def test_the_sample_is_finite_bounded_and_knows_its_words() -> None:
    model = make_bigram(["ab", "ab", "b"], smoothing=0.0)
    kept = calibrate(model, ["ab", "ba", "b", "é"])
    expected = [(2.0, math.log(3) / 2), (3.0, math.log(1.5) / 3), (3.0, IMPOSSIBLE)]
    np.testing.assert_allclose(kept, expected, rtol=1e-12)
    assert len(calibrate(model, ["ab"] * (MAX_WORDS + 5))) == MAX_WORDS
    assert calibrate(model, []).shape == (0, 2)


def test_without_held_out_words_the_option_is_named() -> None:
    with pytest.raises(CheckpointError, match="--holdout"):
        Calibration(np.zeros((0, 2)))


@pytest.mark.parametrize("row", [(3.0, math.nan), (-1.0, 1.0), (math.inf, 1.0), (3.0, 1e308)])
def test_numbers_that_are_no_scores_are_refused(row: tuple[float, float]) -> None:
    with pytest.raises(CheckpointError, match="damaged"):
        Calibration(np.array([row]))


@pytest.mark.parametrize("model", ["ngram", "bigram"])
def test_the_rate_asked_for_is_the_one_measured_at_every_length(
    names: list[str], model: str
) -> None:
    """Flag words that no part of a training has seen, with five corpora of a third of the names."""
    words = sorted(set(names))
    rates = np.array([0.001, 0.01, 0.02, 0.05, 0.1])
    flagged = np.zeros((5, 20, len(rates)))
    seen = np.zeros((5, 20))
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(len(words))
        known = [words[i] for i in order[:12_000]]
        unseen = [words[i] for i in order[12_000:]]
        checkpoint = train(Corpus.from_words(known), TrainingOptions(model))
        scores = score_words(checkpoint.model, unseen)
        p = checkpoint.calibration().p_values(scores)
        for symbols in range(3, 17):
            of_length = p[scores.symbols == symbols]
            flagged[seed, symbols] = (of_length[:, None] <= rates).sum(axis=0)
            seen[seed, symbols] = len(of_length)
    shares = flagged.sum(axis=(0, 1)) / seen.sum()
    # the 1,200 held-out words of a bigram are few: it flags less rather than more
    assert (shares < [0.002, 0.012, 0.023, 0.055, 0.11]).all()
    assert (shares > (0.75 if model == "ngram" else 0.6) * np.append(0, rates[1:])).all()
    by_length = flagged.sum(axis=0) / np.maximum(seen.sum(axis=0), 1)[:, None]
    for symbols in range(3, 17):
        # of few references, and few words, the share varies: by what five corpora would
        noise = 3 * np.sqrt(rates * (1 - rates) / np.maximum(seen[:, symbols].mean() / 5, 1))
        assert (by_length[symbols] <= 1.5 * rates + noise).all(), (symbols, by_length[symbols])


def test_training_words_that_were_left_out_are_references_of_an_ngram_model() -> None:
    generator = np.random.default_rng(0)
    words = ["".join(generator.choice(list("abcde"), generator.integers(2, 7))) for _ in range(800)]
    distinct = len(set(words))
    ngram = train(Corpus.from_words(words), TrainingOptions("ngram", order=3))
    assert len(ngram.training.calibration) == distinct
    none_held_out = train(Corpus.from_words(words), TrainingOptions("ngram", order=3, holdout=0.0))
    assert len(none_held_out.training.calibration) == distinct
    bigram = train(Corpus.from_words(words), TrainingOptions())
    assert 0 < len(bigram.training.calibration) <= bigram.corpus.held_out_lines
    held_out = calibrate(ngram.model, sorted(set(words)))
    # words that a model has seen are less surprising than those it has not
    assert held_out[:, 1].mean() < ngram.training.calibration[:, 1].mean()


def test_networks_of_folds_make_the_rate_of_a_network_hold_on_fresh_words(
    names: list[str],
) -> None:
    """Of 1,500 words 150 are held out, which alone tell nothing of a rate of 0.5%."""
    words = sorted(set(names))
    order = np.random.default_rng(0).permutation(len(words))
    known, fresh = ([words[i] for i in part] for part in (order[:1_500], order[1_500:16_000]))
    network = train(
        Corpus.from_words(known),
        TrainingOptions(
            "mlp", embedding_size=8, hidden_size=32, steps=120, batch_size=64, calibration_folds=4
        ),
    )
    assert len(network.training.calibration) == 1_500 - 30  # all but the validation words
    p = network.calibration().p_values(score_words(network.model, fresh))
    for rate in (0.005, 0.01, 0.05, 0.1):
        assert 0.6 * rate < np.mean(p <= rate) < 1.4 * rate


@pytest.mark.parametrize(("limit", "value"), [("ENOUGH", 3), ("MAX_SYMBOLS", 100)])
def test_no_training_words_are_left_out_of_a_large_corpus(
    monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(left_out, limit, value)
    monkeypatch.setattr(holdout, "MAX_EXACT", 10)  # of more distinct words a share is held out
    words = [a + b + c for a in "abcde" for b in "abcde" for c in "ab"]
    ngram = train(Corpus.from_words(words), TrainingOptions("ngram", order=3, holdout=0.3))
    assert len(ngram.training.calibration) == ngram.corpus.held_out_lines > value % 100


def test_few_words_that_are_repeated_are_left_out_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(left_out, "MAX_SYMBOLS", 100)
    words = ["ab", "abc", "bca", "cab"] * 50
    ngram = train(Corpus.from_words(words), TrainingOptions("ngram", order=3, holdout=0.25))
    assert len(ngram.training.calibration) == 4


def test_weights_and_repeated_lines_leave_out_alike() -> None:
    table = "".join(f"{word},{n}\n" for word, n in (("ab", 3), ("abc", 1), ("bca", 2), ("cab", 1)))
    lines = ["ab"] * 3 + ["abc"] + ["bca"] * 2 + ["cab"]
    options = TrainingOptions("ngram", order=3, holdout=0.0)
    weighted = replace(Corpus.from_bytes(table.encode()), columns=Columns("1", "2"))
    by_weight, by_line = train(weighted, options), train(Corpus.from_words(lines), options)
    np.testing.assert_array_equal(by_weight.training.calibration, by_line.training.calibration)
    assert len(by_line.training.calibration) == 4


def test_regularity_that_is_not_known_is_refused() -> None:
    calibration = Calibration(sample({3: [1.0] * 99}))
    with pytest.raises(CheckpointError, match="how regular good words are"):
        _ = calibration.smallest_of_two
    with pytest.raises(CheckpointError, match="how regular good words are"):
        calibration.regularity_p_values("ab\n")
