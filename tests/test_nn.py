"""Optimizers against their published equations one number at a time; schedules; initial weights."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from makemore import arrays
from makemore.errors import AutodiffError, OptionError
from makemore.nn import initialisation, schedules
from makemore.nn.optimizers import SGD, Adam, AdamW, Optimizer, RMSProp, clip_by_norm

GRADIENTS = np.random.default_rng(0).normal(size=20)


def sgd(momentum: float, nesterov: bool, decay: float) -> list[float]:
    """Return one weight after each of twenty steps, beginning at 1, at the rate 0.1."""
    w, v, found = 1.0, 0.0, []
    for g in GRADIENTS:
        g = g + decay * w
        v = momentum * v + g
        w -= 0.1 * (g + momentum * v if nesterov else v)
        found.append(w)
    return found


def adam(decay: float, decoupled: bool) -> list[float]:
    w, m, v, found = 1.0, 0.0, 0.0, []
    for t, g in enumerate(GRADIENTS, start=1):
        if decoupled:
            w -= 0.1 * decay * w
        else:
            g = g + decay * w
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        w -= 0.1 * (m / (1 - 0.9**t)) / (math.sqrt(v / (1 - 0.999**t)) + 1e-8)
        found.append(w)
    return found


def rms_prop() -> list[float]:
    w, s, found = 1.0, 0.0, []
    for g in GRADIENTS:
        s = 0.9 * s + 0.1 * g * g
        w -= 0.1 * g / (math.sqrt(s) + 1e-8)
        found.append(w)
    return found


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (SGD(learning_rate=0.1), sgd(0.0, False, 0.0)),
        (SGD(learning_rate=0.1, momentum=0.9, weight_decay=0.2), sgd(0.9, False, 0.2)),
        (SGD(learning_rate=0.1, momentum=0.9, nesterov=True), sgd(0.9, True, 0.0)),
        (RMSProp(learning_rate=0.1, decay=0.9), rms_prop()),
        (Adam(learning_rate=0.1), adam(0.0, False)),
        (Adam(learning_rate=0.1, weight_decay=0.3), adam(0.3, False)),
        (AdamW(learning_rate=0.1, weight_decay=0.3), adam(0.3, True)),
    ],
    ids=lambda item: type(item).__name__,
)
def test_twenty_steps_follow_the_published_equations(
    optimizer: Optimizer, expected: list[float]
) -> None:
    values = np.ones(3)
    for g, w in zip(GRADIENTS, expected, strict=True):
        gradient = np.full(3, g)
        optimizer.step(values, gradient)
        assert values == pytest.approx(np.full(3, w), rel=1e-10)
        assert gradient.tolist() == [g] * 3


@pytest.mark.parametrize(
    "optimizer",
    [RMSProp(learning_rate=0.1, decay=0.0), Adam(learning_rate=0.1, betas=(0.0, 0.0))],
    ids=lambda optimizer: type(optimizer).__name__,
)
def test_an_average_that_forgets_at_once_is_the_last_number(optimizer: Optimizer) -> None:
    """Each step is then the learning rate, against the sign of the gradient."""
    values = np.zeros(1, np.float32)
    for gradient, expected in ((1e5, -0.1), (1e-3, -0.2), (-1e5, -0.1), (2e-3, -0.2)):
        optimizer.step(values, np.array([gradient], np.float32))
        assert values[0] == pytest.approx(expected, rel=1e-4)


def test_blocks_of_a_long_vector_are_stepped_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    whole, parts = (rng.normal(size=11).astype(np.float32),) * 2
    parts = parts.copy()
    one, many = AdamW(), AdamW()
    for _ in range(3):
        gradient = rng.normal(size=11).astype(np.float32)
        one.step(whole, gradient)
        with monkeypatch.context() as patch:
            patch.setattr(arrays, "CACHED", 6)
            many.step(parts, gradient)
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(whole, parts)


def test_an_optimizer_goes_on_from_what_another_remembers() -> None:
    values, first = np.ones(2), Adam(learning_rate=0.1)
    for g in GRADIENTS[:10]:
        first.step(values, np.full(2, g))
    second = Adam(learning_rate=0.1, steps=first.steps, averages=first.averages)
    for g in GRADIENTS[10:]:
        second.step(values, np.full(2, g))
    assert values[0] == pytest.approx(adam(0.0, False)[-1], rel=1e-10)


def test_other_shapes_are_refused() -> None:
    with pytest.raises(AutodiffError, match=r"shape \(3,\).*gradient has \(2,\)"):
        Adam().step(np.ones(3), np.ones(2))
    with pytest.raises(OptionError, match="momentum above 0"):
        SGD(learning_rate=0.1, nesterov=True)


@pytest.mark.parametrize("names", [["velocity"], ["mean"], ["mean", "squares", "velocity"]])
def test_averages_of_another_optimizer_are_refused(names: list[str]) -> None:
    values = np.ones(2)
    adam = Adam(steps=3, averages={name: np.zeros(2) for name in names})
    with pytest.raises(AutodiffError, match=f"averages mean and squares .* {' and '.join(names)}"):
        adam.step(values, np.ones(2))
    assert (adam.steps, values.tolist()) == (3, [1.0, 1.0])


@pytest.mark.parametrize("betas", [(1.0, 0.999), (0.9, 1.0), (-0.1, 0.9), (0.9, math.nan)])
@pytest.mark.parametrize("kind", [Adam, AdamW])
def test_betas_that_make_no_average_are_refused(
    kind: type[Adam], betas: tuple[float, float]
) -> None:
    with pytest.raises(OptionError, match="must be from 0 to below 1"):
        kind(betas=betas)


def test_a_gradient_is_clipped_to_its_norm() -> None:
    gradient = np.array([3.0, 4.0])
    assert clip_by_norm(gradient, 10.0) == 5.0
    assert gradient.tolist() == [3.0, 4.0]
    assert clip_by_norm(gradient, 1.0) == 5.0
    assert gradient == pytest.approx(np.array([0.6, 0.8]))
    infinite = np.array([np.inf, 1.0])
    assert clip_by_norm(infinite, 1.0) == np.inf
    assert infinite.tolist() == [np.inf, 1.0]
    large = np.full(4, 1e20, np.float32)  # whose squares overflow
    assert clip_by_norm(large, 1.0) == pytest.approx(2e20)
    assert large == pytest.approx(np.full(4, 0.5))
    assert math.isnan(clip_by_norm(np.array([np.nan, 1.0]), 1.0))


def test_one_cycle_may_rise_to_the_last_step() -> None:
    schedule = schedules.one_cycle(1.0, 10, rising=1.0)
    assert [schedule(9), schedule(10), schedule(99)] == pytest.approx([1.0, 4e-6, 4e-6])
    with pytest.raises(OptionError, match="and must be from 0 to 1"):
        schedules.one_cycle(1.0, 10, rising=1.5)
    for divisor in (0.0, -1.0, math.nan):
        with pytest.raises(OptionError, match=r"first_divisor is .* and must be above 0"):
            schedules.one_cycle(1.0, 10, first_divisor=divisor)
        with pytest.raises(OptionError, match=r"last_divisor is .* and must be above 0"):
            schedules.one_cycle(1.0, 10, last_divisor=divisor)


def test_one_cycle_rises_and_falls_to_its_ends() -> None:
    schedule = schedules.one_cycle(1.0, 101, rising=0.3)
    rates = [schedule(step) for step in range(101)]
    assert rates[0] == pytest.approx(1 / 25)
    assert max(rates) == pytest.approx(1.0, abs=1e-3)
    assert rates.index(max(rates)) in (29, 30)
    assert rates[100] == pytest.approx(1 / 25 / 1e4)
    assert schedule(500) == pytest.approx(rates[100])
    assert rates[:30] == sorted(rates[:30])
    assert rates[30:] == sorted(rates[30:], reverse=True)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: schedules.cosine(1.0, 0),
        lambda: schedules.step_decay(1.0, every=0),
        lambda: schedules.warm_up(-1, schedules.constant(1.0)),
        lambda: schedules.cyclic(0.0, 1.0, half_cycle=0),
        lambda: schedules.one_cycle(1.0, 0),
    ],
)
def test_a_schedule_of_no_steps_is_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(OptionError, match="or more"):
        wrong()


@pytest.mark.parametrize(
    ("draw", "variance"),
    [
        (initialisation.xavier_uniform, 2 / (300 + 500)),
        (initialisation.xavier_normal, 2 / (300 + 500)),
        (initialisation.kaiming_uniform, 2 / 300),
        (initialisation.kaiming_normal, 2 / 300),
    ],
)
def test_weights_have_the_published_variance(
    draw: Callable[..., np.ndarray], variance: float
) -> None:
    W = draw((300, 500), np.random.default_rng(0))
    assert W.dtype == np.float32
    assert W.mean() == pytest.approx(0, abs=5 * math.sqrt(variance / W.size))
    assert W.var() == pytest.approx(variance, rel=0.02)
    assert (draw((300, 500), np.random.default_rng(0)) == W).all()


@pytest.mark.parametrize("shape", [(5,), (0, 3), (3, 0)])
@pytest.mark.parametrize("draw", [initialisation.xavier_normal, initialisation.kaiming_uniform])
def test_a_bias_and_weights_without_a_number_have_no_fans(
    draw: Callable[..., np.ndarray], shape: tuple[int, ...]
) -> None:
    with pytest.raises(AutodiffError, match="no inputs and outputs"):
        draw(shape, np.random.default_rng(0))


@pytest.mark.parametrize("spread", [-1.0, math.nan, math.inf])
@pytest.mark.parametrize("draw", [initialisation.uniform, initialisation.normal])
def test_a_spread_that_is_none_is_refused(draw: Callable[..., np.ndarray], spread: float) -> None:
    for generator in (np.random.default_rng(0), None):
        with pytest.raises(AutodiffError, match="must be 0 or more and finite"):
            draw((2, 3), generator, spread)
