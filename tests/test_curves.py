"""The curves of a training: what they mark, and which histories can be drawn."""

from typing import Any

import numpy as np
import pytest
from picture_checks import drawn
from test_contract import CHECKPOINTS

from makemore.data.corpus import Corpus
from makemore.errors import PlottingError
from makemore.page.webpage import page_data
from makemore.pictures.contents import (
    film_title,
    heatmap_title,
    learning_rates,
    losses_by_step,
    objective_name,
)
from makemore.pictures.curves import MAX_CURVE_POINTS, draw_loss, draw_network_loss
from makemore.pictures.learning import learning_frames
from makemore.training.options import TrainingOptions
from makemore.training.train import train


def test_loss_curve_marks_both_ends_and_the_minimum() -> None:
    history = 2.5 + 1 / np.arange(1, 1001)
    top, bottom = draw_loss(history, 2.5).axes
    assert {t.get_text() for t in top.texts} == {
        "3.5000 at step 0",
        "2.5010 at step 999",
        "closed-form minimum 2.5000",
    }
    assert [text.get_text() for text in top.texts if not text.get_path_effects()] == [
        "closed-form minimum 2.5000"  # the others may stand on the curve
    ]
    steps, distances = np.array(bottom.lines[0].get_data())
    np.testing.assert_allclose(distances, 1 / (steps + 1))
    assert bottom.get_yscale() == "log"


@pytest.mark.parametrize("l2", [0.0, 3.0])
def test_the_curve_of_n_steps_has_the_objective_after_the_last(l2: float) -> None:
    options: dict[str, Any] = {
        "method": "gradient",
        "steps": 9,
        "seed": 4,
        "holdout": 0.0,
        "l2": l2,
    }
    checkpoint = train(Corpus.from_words(["ab", "ba", "abba"]), TrainingOptions(**options))
    losses = losses_by_step(checkpoint)
    longer = train(
        Corpus.from_words(["ab", "ba", "abba"]), TrainingOptions(**options | {"steps": 10})
    )
    assert len(losses) == 10
    # the objective before a tenth step is the one after the ninth
    np.testing.assert_allclose(losses, longer.training.loss_history, rtol=1e-12)
    frames = list(learning_frames(checkpoint))
    assert [frame.step for frame in frames] == list(range(10))
    N = checkpoint.model.bigram_counts()
    assert N is not None
    for frame, objective in zip(frames, losses, strict=True):  # a film shows the loss alone
        assert frame.loss == pytest.approx(-(N * np.log(frame.probabilities)).sum() / N.sum())
        assert (frame.loss == pytest.approx(objective)) == (l2 == 0)
    curve = page_data(checkpoint)["losses"]["curve"]
    assert [step for step, _ in curve] == list(range(10))
    np.testing.assert_allclose([loss for _, loss in curve], losses)


def test_a_counted_model_has_no_losses_by_step() -> None:
    counted = train(Corpus.from_words(["ab"]), TrainingOptions(method="counts", holdout=0.0))
    assert len(losses_by_step(counted)) == 0


def test_a_film_is_not_headed_by_the_loss_of_its_end() -> None:
    checkpoint = train(Corpus.from_words(["ab"], "list"), TrainingOptions(steps=3, holdout=0.0))
    assert film_title(checkpoint) == "list: bigram"
    of_many = checkpoint._replace(corpus=checkpoint.corpus._replace(name=", ".join("a" * 99)))
    assert film_title(of_many) == ", ".join("a" * 14)[:39] + "…: bigram"


def test_a_film_says_which_table_of_a_network_it_shows() -> None:
    network = CHECKPOINTS["gru"]
    title = f"{network.corpus.name}: gru, {network.model.table_of_pairs}"
    assert film_title(network) == heatmap_title(network, "probabilities") == title


@pytest.mark.parametrize("order", [2, 3])
def test_a_table_is_named_where_the_model_sees_more(order: int) -> None:
    words = Corpus.from_words(["ab", "ba", "abba"], "list")
    checkpoint = train(words, model="ngram", order=order, holdout=0.0)
    name = "" if order == 2 else "bigram probabilities from the same counts"
    assert page_data(checkpoint)["heatmap"]["what"] == name
    loss = f"training loss {checkpoint.training.training_loss:.4f} nats per symbol"
    assert heatmap_title(checkpoint, "probabilities") == f"list: ngram, {name or loss}"
    assert heatmap_title(checkpoint, "counts") == f"list: ngram, {loss}"


def test_logarithmic_axes_say_so() -> None:
    top, bottom = draw_loss(2.5 + 1 / np.arange(1, 101), 2.5).axes
    assert "logarithmic" in bottom.get_xlabel()
    assert "logarithmic" in bottom.get_ylabel()
    assert "logarithmic" not in top.get_ylabel()


@pytest.mark.parametrize(
    ("last", "marks"), [(0, "0"), (3, "0 1 2 3"), (10, "0 1 10"), (2500, "0 1 10 100 1,000")]
)
def test_few_steps_are_all_labelled_and_of_many_the_powers_of_ten(last: int, marks: str) -> None:
    axes = draw_loss(np.linspace(4.0, 3.0, last + 1), None).axes[0]
    assert " ".join(label.get_text() for label in axes.get_xticklabels()) == marks


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
    with pytest.raises(PlottingError, match="there is no loss curve: train"):
        draw_loss(np.array([]), 2.0)
    with pytest.raises(PlottingError, match="there is no loss curve: train"):
        draw_network_loss(np.array([]), np.zeros((0, 2)))


def test_a_scale_of_less_than_a_decade_has_plain_numbers() -> None:
    narrow, wide = np.array([2.51, 2.505, 2.503]), 2.5 + np.array([0.5, 0.005])
    for history, decades in ((narrow, 1), (wide, 2), (np.array([3.5, 3.4999]), 1)):
        figure = draw_loss(history, 2.5)
        drawn(figure)
        axes = figure.axes[1]
        minor = [text.get_text() for text in axes.get_yticklabels(minor=True)]
        assert bool([text for text in minor if text]) == (decades == 1)
        assert not any("$" in text for text in minor)
        assert len(set(filter(None, minor))) == len(list(filter(None, minor)))


@pytest.mark.parametrize("l2", [0.0, 3.0])
def test_a_penalty_is_named_where_it_is_part_of_what_is_drawn(l2: float) -> None:
    options: dict[str, Any] = {"method": "gradient", "steps": 3, "holdout": 0.0, "l2": l2}
    checkpoint = train(Corpus.from_words(["ab", "ba"]), TrainingOptions(**options))
    name = "loss and penalty" if l2 else "loss"
    assert objective_name(checkpoint) == page_data(checkpoint)["losses"]["objective"] == name
    top, bottom = draw_loss(losses_by_step(checkpoint), 0.1, what=name).axes
    assert top.get_ylabel() == f"{name} (nats per symbol)"
    assert bottom.get_ylabel() == f"{name} above the minimum\n(nats per symbol, logarithmic)"


def test_the_points_of_a_long_history_stand_in_the_middle_of_their_steps() -> None:
    history = np.arange(1000.0)  # the loss after k steps is k
    steps, losses = np.array(
        draw_network_loss(history, np.zeros((0, 2))).axes[0].lines[0].get_data()
    )
    assert len(steps) == 200
    np.testing.assert_allclose(steps, losses)


def test_a_curve_that_begins_above_the_axes_says_where_it_begins() -> None:
    falling, level = 2 + np.exp(-np.arange(1000.0) / 10), np.full(1000, 2.0)
    axes = draw_network_loss(falling, np.zeros((0, 2))).axes[0]
    (note,) = axes.texts
    assert note.get_text() == "falls from 3.00 at step 0, above the axes"
    step, top = note.xy  # type: ignore[attr-defined]
    assert top == axes.get_ylim()[1]
    assert falling[int(step)] == pytest.approx(top, abs=0.03)
    assert not draw_network_loss(level, np.zeros((0, 2))).axes[0].texts


def test_a_history_of_one_step_is_seen() -> None:
    figure = draw_network_loss(np.array([3.0]), np.zeros((0, 2)), rates=np.array([0.1]))
    assert [line.get_marker() for axes in figure.axes for line in axes.lines] == ["o", "o"]
    assert figure.axes[1].get_xticks().tolist() == [0, 1]  # there is no half a step


def test_a_networks_curves_mark_the_step_that_is_kept_and_show_the_learning_rate() -> None:
    history, rates = 2.0 + 1 / np.arange(1, 101), np.linspace(0, 0.004, 100)
    validation = np.array([[25.0, 2.4], [50.0, 2.2], [75.0, 2.1], [100.0, 2.15]])
    losses, below = draw_network_loss(history, validation, rates=rates, title="a").axes
    assert [text.get_text() for text in losses.texts] == [
        "2.1000 after step 75, kept",
        "falls from 3.00 at step 0, above the axes",
    ]
    assert all(text.get_path_effects() for text in losses.texts)  # legible on a curve
    assert [line.get_label() for line in losses.lines[:2]] == [
        "training, mini-batches",
        "validation",
    ]
    np.testing.assert_array_equal(np.array(below.lines[0].get_data())[1], rates)
    assert below.get_ylabel() == "learning rate"
    assert below.get_xlabel() == "step"
    early = np.column_stack((np.arange(0.0, 1000.0, 10.0), np.linspace(2.0, 4.0, 100)))
    (over,) = draw_network_loss(np.linspace(3.0, 2.5, 1000), early).axes
    assert over.get_ylim()[0] < 2.0  # the step that is kept is one of the first
    (alone,) = draw_network_loss(history, validation[:0], dark=True).axes
    assert alone.get_xlabel() == "step"


def test_learning_rates_are_those_of_the_steps_taken() -> None:
    rates = learning_rates(CHECKPOINTS["gru"])
    # 5 steps, no warm-up (a twentieth rounds to 0), half a cosine down from the highest rate
    expected = [0.002 * (1 + np.cos(np.pi * step / 5)) for step in range(5)]
    assert rates == pytest.approx(expected)
