"""The mathematics of the bigram under weights of any size, and training under any option."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from makemore.arrays import Floats
from makemore.cli import main
from makemore.data.corpus import Corpus
from makemore.errors import TrainingError
from makemore.models.bigram import closed_form_minimum, collapsed_loss, collapsed_loss_and_gradient
from makemore.models.softmax import log_softmax, softmax
from makemore.reporting import _loss_columns
from makemore.training.descent import gradient_descent
from makemore.training.options import TrainingOptions
from makemore.training.train import train

V = 4
sizes = st.sampled_from([1e-300, 1e-8, 1.0, 50.0, 800.0, 1e8, 1e150, 1e300])
units = arrays(np.float64, (V, V), elements=st.floats(-1, 1))
weights = st.builds(np.multiply, units, arrays(np.float64, (V, 1), elements=sizes))
counts = arrays(np.int64, (V, V), elements=st.integers(0, 50)).map(
    lambda N: N + np.eye(V, dtype=int)
)
WORDS = "anna ben cara dan eden fran gina hana ian jana".split()


@given(weights)
def test_softmax_gives_distributions_that_ignore_a_constant(W: Floats) -> None:
    P, log_P = softmax(W), log_softmax(W)
    assert np.isfinite(P).all()
    assert ((P >= 0) & (P <= 1)).all()
    assert P.sum(axis=1) == pytest.approx(np.ones(V), abs=1e-15 * V)
    assert not np.isnan(log_P).any()
    assert (log_P <= 0).all()
    assert np.exp(log_P) == pytest.approx(P, abs=1e-15)
    assert (P[np.arange(V), W.argmax(axis=1)] == P.max(axis=1)).all()


@given(weights)
def test_softmax_is_what_exact_arithmetic_says(W: Floats) -> None:
    """math.fsum over differences, without the help of an array."""
    P = softmax(W)
    for row, found in zip(W.tolist(), P.tolist(), strict=True):
        top = max(row)
        shares = [math.exp(max(w - top, -1e4)) for w in row]
        assert found == pytest.approx([share / math.fsum(shares) for share in shares], abs=1e-15)


@given(weights, counts)
def test_loss_is_no_nan_and_never_below_the_minimum(W: Floats, N: np.ndarray) -> None:
    loss = collapsed_loss(W, N)
    assert not math.isnan(loss)
    assert loss >= closed_form_minimum(N) - 1e-12
    with np.errstate(over="ignore", invalid="ignore"):
        objective, d_W = collapsed_loss_and_gradient(W, N.astype(np.float64))
    if math.isfinite(loss):
        assert objective == pytest.approx(loss, rel=1e-9, abs=1e-12)
    # Each row of the gradient is a difference of two distributions, weighted by the row's share.
    assert np.isfinite(d_W).all()
    assert np.abs(d_W).max() <= 1
    assert d_W.sum(axis=1) == pytest.approx(np.zeros(V), abs=1e-14)


@given(units, counts, st.sampled_from([1.0, 20.0]))
def test_gradient_is_the_slope_of_the_loss(U: Floats, N: np.ndarray, size: float) -> None:
    W, n = U * size, N.astype(np.float64)
    direction = np.cos(np.arange(V * V)).reshape(V, V)
    h = 1e-5
    ahead, behind = (collapsed_loss_and_gradient(W + s * h * direction, n)[0] for s in (1, -1))
    slope = float(np.vdot(collapsed_loss_and_gradient(W, n)[1], direction))
    assert (ahead - behind) / (2 * h) == pytest.approx(slope, abs=1e-7)


@settings(max_examples=60)
@given(
    rate=st.none() | st.floats(min_value=5e-324, max_value=1.7e308),
    l2=st.just(0.0) | st.floats(min_value=0, max_value=1.7e308),
    steps=st.integers(1, 30),
    holdout=st.sampled_from([0.0, 0.3]),
)
def test_training_ends_with_finite_numbers_or_names_the_step(
    rate: float | None, l2: float, steps: int, holdout: float
) -> None:
    options = TrainingOptions(learning_rate=rate, l2=l2, steps=steps, holdout=holdout)
    try:
        trained = train(Corpus.from_words(WORDS), options)
    except TrainingError as error:
        assert "diverged at step " in str(error)  # noqa: PT017 - either outcome is right
        assert rate is not None
        return
    record = trained.training
    losses = [record.training_loss, record.held_out_loss or 0.0, *record.loss_history]
    assert np.isfinite(losses).all()
    assert all(np.isfinite(array).all() for array in trained.model.arrays().values())


def test_divergence_names_the_first_step_that_went_up() -> None:
    # step 0 has the objective of the random weights; what it leads to is seen by step 1
    with pytest.raises(TrainingError, match="diverged at step 1 with learning rate 1e"):
        train(Corpus.from_words(WORDS), TrainingOptions(learning_rate=1e30, steps=50))


def test_a_step_past_the_range_of_numbers_is_named() -> None:
    N = np.array([[1, 9], [5, 5]])
    W = np.array([[1e308, -1e308], [0.0, 0.0]])
    steps = gradient_descent(N, W, steps=9, learning_rate=1.0)
    with pytest.raises(TrainingError, match="at step 0 "):
        next(steps)


def test_the_one_infinite_loss_is_said_where_it_is_documented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counts without smoothing exclude words held out: infinite in the table and in JSON."""
    monkeypatch.chdir(tmp_path)
    Path("words.txt").write_text("\n".join(WORDS))
    arguments = ["train", "words.txt", "--method", "counts", "--smoothing", "0", "--holdout", "0.3"]
    trained = CliRunner().invoke(main, arguments)
    assert trained.exit_code == 0
    assert trained.stdout.splitlines()[-3].split() == ["held", "out", "inf", "inf", "inf"]
    values = json.loads(CliRunner().invoke(main, ["info", "--json"]).stdout)
    assert values["nats_per_symbol"]["held_out"] == "infinite"
    assert math.isfinite(values["nats_per_symbol"]["training"])
    assert CliRunner().invoke(main, ["compare", "makemore.npz"]).exit_code == 0


def test_a_large_perplexity_is_rounded() -> None:
    assert _loss_columns(20.0).split() == ["20.0000", "28.8539", "485165195.410"]
    assert _loss_columns(187.5584).split() == ["187.5584", "270.5896", "2.85e+81"]
