"""What the lessons about windows of symbols are made of: their loss, their training, the merges."""

import numpy as np
import pytest
from lessons.figures import heatmaps_figure
from lessons.setting import Setting
from lessons.stage import submatrix
from lessons.wavenet import dilated, pairs, tree
from lessons.windows import mean_loss, train_on_windows, windows

from makemore.autodiff import data, softmax

WORDS = ("emma", "ava", "bo", "maya", "abe", "oboe")


def test_the_mean_loss_counts_each_window_once(monkeypatch: pytest.MonkeyPatch) -> None:
    setting = Setting(WORDS, "list")
    X, Y = windows(WORDS, setting.vocabulary, 4)
    network = tree(len(setting.vocabulary), 4, 3, 5, setting.generator())
    P = data(softmax(data(network(X)).astype(np.float64)))
    expected = -float(np.mean([np.log(P[b, y]) for b, y in enumerate(Y)]))
    monkeypatch.setattr("lessons.windows.MEASURED", 10)
    assert len(Y) % 10 != 0
    assert mean_loss(network, X, Y) == pytest.approx(expected, abs=1e-5)


def test_training_on_windows_lowers_the_loss_and_is_repeated_by_the_seed() -> None:
    setting = Setting(WORDS, "list")
    X, Y = windows(WORDS, setting.vocabulary, 4)
    runs = []
    for _ in range(2):
        network = tree(len(setting.vocabulary), 4, 3, 5, setting.generator(1))
        before = mean_loss(network, X, Y)
        runs.append(train_on_windows(network, X, Y, 40, 0.02, setting.generator(2)))
        assert mean_loss(network, X, Y) < before - 0.3
    assert len(runs[0]) == 40
    assert runs[0] == runs[1]


def test_neighbours_stand_side_by_side() -> None:
    x = np.arange(8).reshape(1, 4, 2)
    assert pairs(x).tolist() == [[[0, 1, 2, 3], [4, 5, 6, 7]]]


def test_an_output_sees_eight_positions_and_no_later_ones() -> None:
    random = np.random.default_rng(0)
    weights = [random.standard_normal((2 * n, 4)) for n in (3, 4, 4)]
    x = random.standard_normal((12, 3))
    whole = dilated(x, weights)
    for t in range(12):
        changed = x.copy()
        changed[t] += 1
        moved = np.abs(dilated(changed, weights) - whole).max(axis=1) > 1e-9
        assert np.flatnonzero(moved).tolist() == list(range(t, min(12, t + 8)))


def test_a_part_of_a_table_has_its_rows_and_columns_in_order() -> None:
    values = np.arange(9).reshape(3, 3)
    assert submatrix(values, [2, 0], "abc") == ["   c  a", "c  8  6", "a  2  0"]


def test_names_of_columns_are_turned_where_they_are_long() -> None:
    panel = heatmaps_figure({"P": np.eye(2)}, ["a", "b"], ["a", "U+4E00"], 1).axes[0]
    assert [label.get_rotation() for label in panel.get_xticklabels()] == [0, 90]


def test_matrices_with_negative_numbers_have_scales_of_their_own() -> None:
    matrices = {"P": np.array([[0.2, 0.8]]), "d": np.array([[-0.1, 0.05]])}
    positive, signed = (
        panel.images[0].norm
        for panel in heatmaps_figure(matrices, ["x"], ["a", "b"], 2, largest=1).axes
    )
    assert (positive.vmin, positive.vmax) == (0, 1)
    assert (signed.vmin, signed.vmax) == (-0.1, 0.1)
