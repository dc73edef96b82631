"""The check of gradients: it accepts right ones of every size and refuses wrong ones."""

from collections.abc import Callable

import numpy as np
import pytest

from makemore.autodiff import Tensor, check_gradients, gather, record
from makemore.autodiff.tensor import Array, Value, data
from makemore.errors import AutodiffError


def scaled_square(scale: float, claimed: Callable[[Array], Array]) -> Callable[[Value], Value]:
    """Return x -> scale x² whose gradient is said to be ``claimed(2 scale x)``."""

    def function(x: Value) -> Value:
        X = data(x)
        return record(scale * X**2, (x, lambda g: g * claimed(2 * scale * X)))

    return function


SCALES = [1e-9, 1e-7, 1e-3, 1.0, 1e3, 1e9]


@pytest.mark.parametrize("scale", SCALES)
def test_a_right_gradient_passes_at_every_scale(scale: float) -> None:
    check_gradients(scaled_square(scale, lambda d: d), np.array([0.3, -1.2, 2.0]))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("factor", [0.0, 0.5, -1.0, 1.001, 1e6, np.inf, np.nan])
def test_a_wrong_gradient_fails_at_every_scale(scale: float, factor: float) -> None:
    with pytest.raises(AutodiffError, match="gradient of argument 0"):
        check_gradients(scaled_square(scale, lambda d: d * factor), np.array([0.3, -1.2, 2.0]))


def test_a_gradient_with_one_wrong_number_among_many_fails() -> None:
    def one_off(d: Array) -> Array:
        wrong = d.copy()
        wrong[17] *= 1.01
        return wrong

    with pytest.raises(AutodiffError):
        check_gradients(scaled_square(1.0, one_off), np.linspace(0.5, 1.5, 1000))


def test_a_gradient_that_is_zero_by_cancellation_passes() -> None:
    x = np.array([1e8, 2e8])
    check_gradients(lambda a: a - a, x)


def test_ids_are_passed_through() -> None:
    ids = np.array([2, 0, 2])
    seen: list[Value] = []

    def function(table: Value, rows: Value) -> Value:
        seen.append(rows)
        return gather(table, data(rows))

    check_gradients(function, np.arange(6.0).reshape(3, 2), ids)
    assert not any(isinstance(rows, Tensor) for rows in seen)


@pytest.mark.parametrize("directions", [0, -1])
def test_a_check_along_no_direction_is_refused(directions: int) -> None:
    with pytest.raises(AutodiffError, match=r"directions is .* and must be 1 or more"):
        check_gradients(scaled_square(1.0, lambda d: 2 * d), np.ones(3), directions=directions)
