import math

import numpy as np
import pytest
from conftest import central_difference, make_bigram, random_array
from hypothesis import given
from hypothesis import strategies as st

from makemore.arrays import Floats
from makemore.counting.bigrams import bigram_pairs, count_pairs
from makemore.data.vocabulary import Vocabulary
from makemore.models.base import WindowedModel
from makemore.models.bigram import (
    LOG_ZERO,
    Bigram,
    closed_form_minimum,
    collapsed_loss,
    collapsed_loss_and_gradient,
    cross_entropy,
    cross_entropy_gradient,
    one_hot,
    weight_gradient,
    weights_from_counts,
)
from makemore.models.softmax import log_softmax, softmax

extreme = st.floats(-1e300, 1e300)


def test_ella_gives_its_five_pairs() -> None:
    xs, ys = bigram_pairs(["ella"], Vocabulary("abcdefghijklmnopqrstuvwxyz"))
    assert xs.tolist() == [0, 5, 12, 12, 1]
    assert ys.tolist() == [5, 12, 12, 1, 0]


def test_softmax_of_a_worked_example() -> None:
    # e^0 = 1, e^ln2 = 2, e^ln5 = 5: shares of 8
    P = softmax(np.log([[1.0, 2.0, 5.0]]))
    assert P == pytest.approx(np.array([[1 / 8, 2 / 8, 5 / 8]]))


def test_softmax_is_along_the_last_axis_of_any_number() -> None:
    logits = random_array(2, 3, 4)
    for function in (softmax, log_softmax):
        rows = function(logits[1, 2])
        assert rows.shape == (4,)
        np.testing.assert_allclose(function(logits)[1, 2], rows, rtol=1e-15)


@given(st.lists(extreme, min_size=1, max_size=6))
def test_softmax_is_a_distribution_however_extreme_the_logits(row: list[float]) -> None:
    P = softmax(np.array([row]))
    assert np.isfinite(P).all()
    assert (P >= 0).all()
    assert P.sum() == pytest.approx(1)
    log_P = log_softmax(np.array([row]))
    assert not np.isnan(log_P).any()
    assert (log_P <= 0).all()


def test_cross_entropy_of_a_worked_example() -> None:
    logits = np.log([[1.0, 3.0], [1.0, 1.0]])
    # -(log 3/4 + log 1/2) / 2
    assert cross_entropy(logits, np.array([1, 0])) == pytest.approx(-math.log(3 / 8) / 2)


def test_cross_entropy_gradient_agrees_with_central_differences() -> None:
    logits, direction = random_array(5, 4), random_array(5, 4, seed=1)
    ys = np.array([0, 3, 1, 1, 2])
    slope = central_difference(lambda x: cross_entropy(x, ys), logits, direction)
    assert np.vdot(cross_entropy_gradient(logits, ys), direction) == pytest.approx(slope, rel=1e-8)


def test_weight_gradient_agrees_with_central_differences() -> None:
    xs, ys = np.array([0, 1, 1, 3]), np.array([1, 1, 2, 0])
    W, direction = random_array(4, 4), random_array(4, 4, seed=1)
    slope = central_difference(lambda w: cross_entropy(one_hot(xs, 4) @ w, ys), W, direction)
    assert np.vdot(weight_gradient(xs, ys, W), direction) == pytest.approx(slope, rel=1e-8)


def test_collapsed_gradient_agrees_with_central_differences() -> None:
    N = np.array([[0.0, 3.0, 1.0], [2.0, 0.0, 0.0], [2.0, 4.0, 1.0]])
    W, direction = random_array(3, 3), random_array(3, 3, seed=1)
    slope = central_difference(lambda w: collapsed_loss_and_gradient(w, N)[0], W, direction)
    assert np.vdot(collapsed_loss_and_gradient(W, N)[1], direction) == pytest.approx(
        slope, rel=1e-8
    )


def assert_both_pipelines_agree(words: list[str], W: Floats, vocabulary: Vocabulary) -> None:
    xs, ys = bigram_pairs(words, vocabulary)
    N = count_pairs(xs, ys, len(vocabulary))
    loss, d_W = collapsed_loss_and_gradient(W, N.astype(np.float64))
    assert loss == pytest.approx(cross_entropy(one_hot(xs, len(W)) @ W, ys), rel=1e-12)
    assert collapsed_loss(W, N) == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(d_W, weight_gradient(xs, ys, W), rtol=0, atol=1e-12)


def test_counts_are_the_product_of_the_one_hot_matrices(names: list[str]) -> None:
    vocabulary = Vocabulary("".join(names[:500]))
    V = len(vocabulary)
    xs, ys = bigram_pairs(names[:500], vocabulary)
    assert (count_pairs(xs, ys, V) == one_hot(xs, V).T @ one_hot(ys, V)).all()


@given(st.lists(st.text("abc", min_size=1, max_size=5), min_size=1, max_size=9), st.integers(0, 99))
def test_literal_and_collapsed_pipelines_agree(words: list[str], seed: int) -> None:
    assert_both_pipelines_agree(words, random_array(4, 4, seed=seed, scale=3), Vocabulary("abc"))


def test_literal_and_collapsed_pipelines_agree_on_all_names(names: list[str]) -> None:
    assert_both_pipelines_agree(names, random_array(27, 27), Vocabulary("".join(names)))


def test_published_losses_of_names(names: list[str]) -> None:
    vocabulary = Vocabulary("".join(names))
    N = count_pairs(*bigram_pairs(names, vocabulary), 27)
    assert N.sum() == 228_146
    assert collapsed_loss(np.zeros((27, 27)), N) == pytest.approx(math.log(27))
    assert closed_form_minimum(N) == pytest.approx(2.4540144891548743, rel=1e-14)
    assert collapsed_loss(weights_from_counts(N, 0), N) == pytest.approx(2.4540144891548743)
    assert collapsed_loss(weights_from_counts(N, 1), N) == pytest.approx(2.454576820115704)


def test_the_gradient_is_zero_at_the_closed_form_minimum() -> None:
    N = np.array([[0, 3, 1], [2, 0, 0], [2, 4, 1]])
    _, d_W = collapsed_loss_and_gradient(weights_from_counts(N, 0), N.astype(np.float64))
    assert np.abs(d_W).max() < 1e-15


def test_whole_numbers_are_weights_too() -> None:
    N = np.array([[0.0, 3.0], [2.0, 1.0]])
    W = np.array([[1, -2], [0, 3]])
    before = W.copy()
    loss, d_W = collapsed_loss_and_gradient(W, N)
    expected_loss, expected_d_W = collapsed_loss_and_gradient(W.astype(np.float64), N)
    assert loss == expected_loss
    np.testing.assert_array_equal(d_W, expected_d_W)
    np.testing.assert_array_equal(W, before)


def test_closed_form_minimum_of_a_worked_example() -> None:
    # two rows, 4 pairs: row 0 is certain, row 1 is 2:1 -> -(2 log 2/3 + log 1/3) / 4
    N = np.array([[0, 1], [2, 1]])
    assert closed_form_minimum(N) == pytest.approx(-(2 * math.log(2 / 3) + math.log(1 / 3)) / 4)


def test_a_loss_of_zero_has_no_sign() -> None:
    N = np.array([[0, 1], [1, 0]])  # a, over and over: each symbol is certain
    for loss in (closed_form_minimum(N), collapsed_loss(weights_from_counts(N, 0), N)):
        assert f"{loss:.4f}" == "0.0000"


def test_smoothing_adds_to_every_count() -> None:
    W = weights_from_counts(np.array([[0, 1], [2, 1]]), smoothing=1)
    assert softmax(W) == pytest.approx(np.array([[1 / 3, 2 / 3], [3 / 5, 2 / 5]]))


def test_an_empty_row_without_smoothing_is_uniform() -> None:
    W = weights_from_counts(np.array([[0, 2], [0, 0]]), smoothing=0)
    assert softmax(W) == pytest.approx(np.array([[0, 1], [0.5, 0.5]]))


def test_unseen_pairs_without_smoothing_are_impossible_but_the_weights_finite() -> None:
    model = make_bigram(["ab"], smoothing=0)
    assert model.weights.min() == LOG_ZERO
    assert model.log_probabilities(np.array([[1]]))[0].tolist() == [-math.inf, -math.inf, 0.0]
    assert collapsed_loss(model.weights, np.ones((3, 3), np.int64)) == math.inf


def test_the_model_gives_a_distribution_for_every_context(small_model: Bigram) -> None:
    log_P = small_model.log_probabilities(np.arange(4)[:, None])
    assert log_P.shape == (4, 4)
    assert np.exp(log_P).sum(axis=1) == pytest.approx(np.ones(4))


def test_the_models_own_automaton_is_the_one_that_follows_from_its_answers(
    small_model: Bigram,
) -> None:
    own, derived = small_model.automaton(), WindowedModel.automaton(small_model)
    assert derived is not None
    assert own.start == derived.start
    assert (own.log_probabilities == derived.log_probabilities).all()
    assert (own.successors == derived.successors).all()
