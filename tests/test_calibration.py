"""P-values by held-out words: right by arithmetic, and right on names that nobody has seen."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from conftest import make_bigram
from hypothesis import given
from hypothesis import strategies as st

from makemore.arrays import Floats
from makemore.data.holdout import hash_lines
from makemore.errors import CheckpointError
from makemore.evaluation.calibration import ENOUGH, IMPOSSIBLE, MAX_WORDS, Calibration, calibrate
from makemore.evaluation.losses import score_words
from makemore.models.bigram import Bigram

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


@given(st.lists(st.floats(0, 9), min_size=ENOUGH + 1, max_size=ENOUGH + 30), st.floats(0.001, 0.5))
def test_no_more_than_the_rate_asked_for_is_flagged_among_equals(
    means: list[float], fpr: float
) -> None:
    """Leave each of n + 1 scores out in turn: at most a share of fpr has p <= fpr."""
    n = len(means) - 1
    ranks = [sum(other >= mean for other in means) for mean in means]  # itself counted: 1 + r
    flagged = 0
    for i in {0, n // 2, n}:
        rest = np.array(means[:i] + means[i + 1 :])
        (reference, _, _) = Calibration(sample({3: rest.tolist()}))._reference(3)
        assert (1 + n - np.searchsorted(reference, means[i])) == ranks[i]
    flagged = sum(rank / (n + 1) <= fpr for rank in ranks)
    assert flagged <= fpr * (n + 1) + 1e-9


def test_a_length_shorter_than_all_known_passes() -> None:
    assert p_value(Calibration(sample({5: [0.1] * 200})), "ab") == 1.0


def test_few_words_cannot_flag() -> None:
    assert p_value(Calibration(sample({3: [0.0] * 6})), "ab") == 1 / 7
    assert Calibration(sample({3: [0.0] * 6, 8: [0.0] * 150})).smallest_p == 1 / 151


def test_shorter_words_stand_in_where_there_are_few_and_longer_ones_never() -> None:
    spread = np.linspace(-1.0, 1.0, 301)
    mean = float(score_words(MODEL, ["abc"]).mean[0])
    for longer in ([], [99.0] * 500, [0.0] * 500):
        own = [mean - 0.6, mean - 0.4]
        calibration = Calibration(sample({3: (50 + spread).tolist(), 4: own, 5: longer}))
        # 0.5 above the average of its length, times sqrt(2 / 3), is 0.408 on the shorter words'
        # spread of -1 to 1, however large their means are
        assert p_value(calibration, "abc") == pytest.approx((1 - 0.408) / 2, abs=0.01)


def test_the_rank_among_its_own_length_counts_while_one_is_above() -> None:
    mean = float(score_words(MODEL, ["abc"]).mean[0])
    shorter = (50 + np.linspace(-1.0, 1.0, 301)).tolist()
    own = [mean - 0.1, mean, mean + 0.1]
    # two of three are as surprising: (1 + 2) / (1 + 3)
    assert p_value(Calibration(sample({3: shorter, 4: own})), "abc") == pytest.approx(0.75)
    # beyond all three p is at most 1 / 4
    own = [mean - 0.2, mean - 0.1, mean - 0.1]
    assert p_value(Calibration(sample({3: shorter, 4: own})), "abc") == pytest.approx(0.25)


def test_a_pool_allows_for_averages_of_few_words() -> None:
    centre = float(score_words(MODEL, ["abc"]).mean[0]) - 0.35 / math.sqrt(2 / 3)
    shorter = (50 + np.linspace(-1.0, 1.0, 120)).tolist()
    calibration = Calibration(sample({3: shorter, 4: [centre - 0.3, centre + 0.3]}))
    # Two words of this length: the word is compared as 0.35 above their average, and they count
    # as 0.3 * sqrt(2) = 0.424 from it. Of the shorter ones -1 + 2i / 119 >= 0.349 from i = 81 on.
    assert p_value(calibration, "abc") == (1 + 1 + 39) / (1 + 122)


def test_an_unknown_length_is_judged_by_the_next_shorter() -> None:
    mean = float(score_words(MODEL, ["abcabc"]).mean[0])
    calibration = Calibration(sample({3: [mean - 0.5] * 100 + [mean + 1.0] * 100, 9: [0.0] * 100}))
    assert p_value(calibration, "abcabc") == pytest.approx(101 / 201)


def test_an_impossible_word_is_the_strangest_and_an_unknown_one_has_no_p_value() -> None:
    model = make_bigram(["ab", "ab", "b"], smoothing=0.0)
    calibration = Calibration(calibrate(model, ["ab"] * 150))
    assert p_value(calibration, "ba", model) == 1 / 151
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


@pytest.mark.parametrize("row", [(3.0, math.nan), (-1.0, 1.0), (math.inf, 1.0)])
def test_numbers_that_are_no_scores_are_refused(row: tuple[float, float]) -> None:
    with pytest.raises(CheckpointError, match="damaged"):
        Calibration(np.array([row]))


def binomial_tails(k: int, m: int, flagged: int, n: int) -> tuple[float, float]:
    """Return P(at most ``flagged``) and P(at least ``flagged``) of m words, exactly.

    A word is flagged when fewer than k of the n held-out ones are at least as strange. Of equals,
    the number flagged is beta-binomial with the parameters k and n + 1 - k.
    """

    def log_beta(a: float, b: float) -> float:
        return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)

    def log_chance(x: int) -> float:
        log_ways = -math.log(m + 1) - log_beta(x + 1, m - x + 1)
        return log_ways + log_beta(x + k, m - x + n + 1 - k) - log_beta(k, n + 1 - k)

    chances = [math.exp(log_chance(x)) for x in range(m + 1)]
    return sum(chances[: flagged + 1]), sum(chances[flagged:])


@pytest.mark.parametrize("fpr", [0.01, 0.05, 0.2])
def test_the_rate_asked_for_is_the_one_measured_at_every_length(
    names: list[str], fpr: float
) -> None:
    """Train, calibrate and measure on three parts that share no word."""
    words = sorted(set(names))
    shares = (
        hash_lines(np.frombuffer("".join(w + "\n" for w in words).encode(), np.uint8)) / 2.0**64
    )
    parts = [
        [
            word
            for word, is_in in zip(words, (low <= shares) & (shares < high), strict=True)
            if is_in
        ]
        for low, high in ((0.0, 0.3), (0.3, 0.6), (0.6, 1.0))
    ]
    held_out, unseen, training = parts
    model = make_bigram([*training, "abcdefghijklmnopqrstuvwxyz"])
    scores = score_words(model, unseen)
    flagged = Calibration(calibrate(model, held_out)).p_values(scores) <= fpr
    assert flagged.mean() == pytest.approx(fpr, rel=0.25)
    lengths = [len(word) for word in held_out]
    for length in range(1, max(map(len, unseen)) + 1):
        of_length = scores.symbols == length + 1
        found, m = int(flagged[of_length].sum()), int(of_length.sum())
        n = 0
        for shorter in range(length, 0, -1):
            count = lengths.count(shorter)
            n += count if count > 1 else 0
            if n >= ENOUGH:
                break
        k = math.floor(fpr * (n + 1))
        if k == 0:
            assert found == 0, f"length {length}: {found} of {m}"
        else:
            low, high = binomial_tails(k, m, found, n)
            # 14 lengths, 3 rates and 2 tails make a chance of 1 in 2,000 an ordinary one
            assert min(low, high) > 0.0005, f"length {length}: {found} of {m}, {n} held out"
