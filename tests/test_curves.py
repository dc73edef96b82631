"""The curves of a training: what they mark, and which histories can be drawn."""

import numpy as np
import pytest
from picture_checks import drawn

from makemore.errors import PlottingError
from makemore.pictures.curves import MAX_CURVE_POINTS, draw_loss


def test_loss_curve_marks_both_ends_and_the_minimum() -> None:
    history = 2.5 + 1 / np.arange(1, 1001)
    top, bottom = draw_loss(history, 2.5).axes
    assert {t.get_text() for t in top.texts} == {
        "3.5000 at step 0",
        "2.5010 at step 999",
        "closed-form minimum 2.5000",
    }
    steps, distances = np.array(bottom.lines[0].get_data())
    np.testing.assert_allclose(distances, 1 / (steps + 1))
    assert bottom.get_yscale() == "log"


def test_long_history_is_thinned_but_keeps_both_ends() -> None:
    history = np.linspace(4, 3, 1_000_000)
    steps, losses = np.array(draw_loss(history, None).axes[0].lines[0].get_data())
    assert len(steps) <= MAX_CURVE_POINTS
    assert (steps[0], losses[0], steps[-1], losses[-1]) == (0, 4, 999_999, 3)


@pytest.mark.parametrize("minimum", [None, 3.0, 9.0])
@pytest.mark.parametrize("steps", [1, 2])
def test_short_histories_and_any_minimum_are_drawn(steps: int, minimum: float | None) -> None:
    drawn(draw_loss(np.full(steps, 3.0), minimum))


def test_empty_history_is_refused() -> None:
    with pytest.raises(PlottingError, match="not trained by steps"):
        draw_loss(np.array([]), 2.0)
