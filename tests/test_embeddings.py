"""The picture of symbols' vectors: the plane, and where the symbols are written."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import random_array
from hypothesis import given
from hypothesis import strategies as st
from picture_checks import drawn
from test_contract import CHECKPOINTS, IN_TESTS

from makemore.autodiff.tensor import data
from makemore.checkpoint import save
from makemore.cli import main
from makemore.data.corpus import Corpus
from makemore.errors import PlottingError
from makemore.models.network import Network
from makemore.pictures.contents import learnt_vectors
from makemore.pictures.embeddings import arrange, draw_embeddings, principal_plane
from makemore.training.train import train

NETWORKS = [kind for kind, c in CHECKPOINTS.items() if isinstance(c.model, Network)]


def test_the_plane_is_that_of_the_largest_eigenvectors_of_the_covariance() -> None:
    vectors = random_array(12, 5) * [3, 1, 2, 0.1, 0.5]
    plane = principal_plane(vectors)
    variances, axes = np.linalg.eigh(np.cov(vectors.T))
    expected = (vectors - vectors.mean(axis=0)) @ axes[:, ::-1][:, :2]
    for column in range(2):
        found = plane.coordinates[:, column]
        assert abs(found @ expected[:, column]) == pytest.approx(found @ found)
        assert found.max() > -found.min()
    assert plane.shares == pytest.approx(variances[::-1][:2] / variances.sum())


@pytest.mark.parametrize("shape", [(1, 4), (3, 1), (2, 2), (5, 0)])
def test_few_symbols_or_dimensions_lie_on_a_plane_too(shape: tuple[int, int]) -> None:
    plane = principal_plane(random_array(*shape))
    assert plane.coordinates.shape == (shape[0], 2)
    assert np.isfinite(plane.coordinates).all()
    assert plane.shares.sum() == pytest.approx(1 if min(shape[0] - 1, shape[1]) else 0)
    drawn(draw_embeddings(random_array(*shape), "abcde"[: shape[0]]))


@given(st.lists(st.tuples(st.floats(-90, 90), st.floats(-90, 90)), min_size=1, max_size=40))
def test_no_label_covers_another(places: list[tuple[float, float]]) -> None:
    labels = [("m", "long", "i")[i % 3] for i in range(len(places))]
    shifts = arrange(np.array(places), labels, 10.0)
    assert shifts[0] == (0, 0)
    boxes = [
        (x + shift[0], y + shift[1], 0.7 * 10 * len(label))
        for (x, y), shift, label in zip(places, shifts, labels, strict=True)
        if shift is not None
    ]
    for (x, y, width), (u, v, other) in itertools.combinations(boxes, 2):
        assert abs(x - u) > (width + other) / 2 - 1e-6 or abs(y - v) > 10 - 1e-6


def test_symbols_stand_where_their_vectors_are() -> None:
    vectors = np.array([[0.0, 0.0], [8.0, 0.0], [8.1, 0.0], [0.0, 3.0]])
    axes = draw_embeddings(vectors, "ab$d", title="a_$1$").axes[0]
    plane = principal_plane(vectors)
    written = {text.get_text(): text.xy for text in axes.texts}  # type: ignore[attr-defined]
    for label, place in zip("ab$d", plane.coordinates.tolist(), strict=True):
        assert written[label] == pytest.approx(place)
    assert len(axes.lines) == 1, "a dot for the label that stands beside its place"
    assert "of the variance" in axes.get_xlabel()


def test_a_line_leads_from_a_label_that_was_moved_to_its_dot() -> None:
    vectors = np.array([[0.0, 0.0], [8.0, 0.0], [8.0, 0.0], [0.0, 3.0]])
    axes = draw_embeddings(vectors, "abcd").axes[0]
    lines = {text.get_text(): text.arrow_patch for text in axes.texts}  # type: ignore[attr-defined]
    assert [label for label, line in lines.items() if line is not None] == ["c"]
    dots = [line.get_xydata().tolist() for line in axes.lines]  # type: ignore[union-attr]
    assert dots == [[pytest.approx(principal_plane(vectors).coordinates[2].tolist())]]


def test_smaller_type_comes_before_labels_beside_their_places() -> None:
    vectors = np.array([[0.0, 0.0], [40.0, 0.0], [41.0, 0.0]])
    axes = draw_embeddings(vectors, "iii").axes[0]
    assert {text.get_fontsize() for text in axes.texts} == {12.0}
    assert not axes.lines
    vectors[2, 0] = 40.65  # type of 8 points would have room, but is hard to read
    axes = draw_embeddings(vectors, "iii").axes[0]
    assert {text.get_fontsize() for text in axes.texts} == {18.0}
    assert axes.lines


@pytest.mark.parametrize("dark", [False, True])
def test_many_symbols_and_those_that_no_font_has_are_drawn(dark: bool) -> None:
    symbols = [chr(0x4E00 + i) for i in range(500)]
    figure = draw_embeddings(random_array(500, 4), symbols, title="\x1b[31m", dark=dark)
    assert 50 < len(figure.axes[0].texts) < 500
    drawn(figure)


def test_no_symbol_is_refused() -> None:
    with pytest.raises(PlottingError, match="no symbol"):
        draw_embeddings(np.zeros((0, 3)), "")


@pytest.mark.parametrize("kind", NETWORKS)
def test_equal_embeddings_have_equal_vectors(kind: str) -> None:
    """A network whose embeddings of two symbols are equal cannot tell them apart."""
    model = CHECKPOINTS[kind].model
    assert isinstance(model, Network)
    arrays = model.arrays()
    for name in ("embedding.weight", "last.weight"):
        if name in arrays:
            arrays[name][2] = arrays[name][3]
    vectors = type(model).from_arrays(model.vocabulary, model.options(), arrays).symbol_vectors()
    assert vectors is not None
    assert vectors.dtype == np.float64
    assert len(vectors) == len(model.vocabulary)
    np.testing.assert_allclose(vectors[2], vectors[3])
    assert not np.allclose(vectors[1], vectors[2])


def test_the_vectors_of_a_network_are_its_embeddings_times_the_first_weights() -> None:
    model = CHECKPOINTS["mlp"].model
    assert isinstance(model, Network)
    arrays, C = model.arrays(), model.context_length
    vectors = model.symbol_vectors()
    assert vectors is not None
    assert C is not None
    weight = arrays["hidden.0.weight"].reshape(C, -1, vectors.shape[1] // C)
    for symbol in range(4):
        expected = [arrays["embedding.weight"][symbol] @ part for part in weight]
        np.testing.assert_allclose(vectors[symbol], np.concatenate(expected), rtol=1e-3, atol=1e-6)


def test_impossible_pairs_of_a_bigram_do_not_hide_the_possible_ones() -> None:
    words = Corpus.from_words(["ab", "ba", "abba"])
    model = train(words, method="counts", holdout=0.0, smoothing=0.0).model
    P = model.bigram_table()
    expected = np.log(np.where(P > 0, P, P[P > 0].min()))
    np.testing.assert_allclose(learnt_vectors(model), expected[1:])


def test_models_without_a_layer_have_no_vectors() -> None:
    for model in (CHECKPOINTS["ngram"].model, *IN_TESTS):
        with pytest.raises(PlottingError, match="no embeddings: train a network"):
            learnt_vectors(model)
    mixture = CHECKPOINTS["mixture"].model
    assert learnt_vectors(mixture).shape[0] == 3
    bigram = CHECKPOINTS["bigram"].model
    assert (learnt_vectors(bigram) == data(bigram.bigram_weights())[1:]).all()


def test_the_command_gives_the_same_coordinates_as_json(tmp_path: Path) -> None:
    path = str(tmp_path / "gru.npz")
    save(path, CHECKPOINTS["gru"])
    result = CliRunner().invoke(main, ["plot-embeddings", "-c", path, "--json"])
    found = json.loads(result.stdout)
    plane = principal_plane(learnt_vectors(CHECKPOINTS["gru"].model))
    assert [entry["symbol"] for entry in found["symbols"]] == ["a", "b", "c"]
    places = [[entry["x"], entry["y"]] for entry in found["symbols"]]
    np.testing.assert_allclose(places, plane.coordinates, atol=1e-6)
    np.testing.assert_allclose(found["variance"], plane.shares, atol=1e-6)
    idle = CliRunner().invoke(main, ["plot-embeddings", "-c", path, "--json", "--dark"])
    assert idle.exit_code == 2
    assert "no effect" in idle.stderr
