"""Networks: what they share is computed once, and that gives what the padded batch gives."""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makemore.autodiff import Tensor, cross_entropy, gradients
from makemore.autodiff.tensor import data
from makemore.data.vocabulary import Vocabulary
from makemore.errors import CheckpointError, OptionError
from makemore.kinds import KINDS
from makemore.models.base import joined
from makemore.models.network import Network
from makemore.models.transformer import Transformer

NETWORKS = ["mlp", "bow", "wavenet", "rnn", "gru", "lstm", "transformer"]
SMALL = {
    "embedding_size": 8,
    "hidden_size": 6,
    "layers": 2,
    "context": 4,
    "heads": 2,
    "positions": "learnt",
    "normalization": "none",
    "longest": 12,
}
VOCABULARY = Vocabulary("abc")
WORDS = sorted(["abc", "ab", "ab", "b", "ca", "cab", "aab", "bb", "acca", "b", "abcabc"])


def network(kind: str, seed: int = 0, **changes: Any) -> Network:
    cls = KINDS[kind].load_model()
    return cls(VOCABULARY, {**SMALL, **changes}, np.random.default_rng(seed))  # type: ignore[no-any-return]


def in_float64(model: Network) -> Network:
    """Let the parameters of a network be Tensors of float64."""
    for tensor in model.parameters().values():
        tensor.data = tensor.data.astype(np.float64)
    return model


def ids_of(words: list[str]) -> np.ndarray[Any, Any]:
    return VOCABULARY.encode_lines("".join(word + "\n" for word in words))


def rows_of(
    model: Network, words: list[str], weights: Any = None, generator: Any = None
) -> tuple[Any, Any]:
    """Return the logits and the target counts of words, which count once by default."""
    if weights is None:
        weights = np.ones(len(words))
    rows = model.training_rows(ids_of(words), weights)
    return model.training_logits(rows, generator), rows.counts


def padded_loss(model: Network, words: list[str]) -> Any:
    """Return the mean surprisal of all symbols, of words that share nothing: one word a call."""
    total: Any = 0.0
    for word in words:
        logits, counts = rows_of(model, [word])
        total = total + cross_entropy(logits, counts) * (len(word) + 1)
    return total * (1 / sum(len(word) + 1 for word in words))


def shared_loss(model: Network, words: list[str]) -> Any:
    distinct = Counter(words)
    ordered = sorted(distinct)
    weights = np.array([float(distinct[word]) for word in ordered])
    return cross_entropy(*rows_of(model, ordered, weights))


@pytest.mark.parametrize("kind", NETWORKS)
@settings(max_examples=10, deadline=None)
@given(words=st.lists(st.text("abc", min_size=1, max_size=7), min_size=1, max_size=40))
def test_loss_and_gradient_are_those_of_words_that_share_nothing(
    kind: str, words: list[str]
) -> None:
    for model, tolerance in ((in_float64(network(kind)), 1e-10), (network(kind), 1e-5)):
        shared, apart = shared_loss(model, words), padded_loss(model, words)
        assert shared.item() == pytest.approx(apart.item(), rel=tolerance)
        wanted = list(model.parameters().values())
        for found, expected in zip(
            gradients(shared, wanted), gradients(apart, wanted), strict=True
        ):
            np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("sizes", [{}, {"layers": 6}, {"hidden_size": 256, "embedding_size": 64}])
def test_the_first_loss_is_log_v_within_one_percent(kind: str, sizes: Mapping[str, int]) -> None:
    loss = shared_loss(network(kind, **sizes), WORDS).item()
    assert loss == pytest.approx(math.log(len(VOCABULARY)), rel=0.01)


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_network_answers_as_it_was_trained(kind: str) -> None:
    model = in_float64(network(kind))
    finished = type(model).from_arrays(VOCABULARY, model.options(), model.arrays())
    nats = -finished.symbol_log_probabilities(ids_of(WORDS))
    assert nats.mean() == pytest.approx(padded_loss(model, WORDS).item(), rel=1e-9)


@pytest.mark.parametrize("kind", NETWORKS)
def test_dropout_changes_training_alone(kind: str) -> None:
    model = network(kind, dropout=0.5)
    words = ["abc", "b"]
    generators = [np.random.default_rng(seed) for seed in (1, 1, 2)]
    dropped = [data(rows_of(model, words, None, generator)[0]) for generator in generators]
    assert (dropped[0] == dropped[1]).all()
    assert (dropped[0] != dropped[2]).any()
    plain = data(rows_of(model, words)[0])
    assert (plain == data(rows_of(network(kind), words)[0])).all()


@pytest.mark.parametrize("kind", NETWORKS)
def test_shapes_of_a_checkpoint_follow_from_the_options(kind: str) -> None:
    model = network(kind)
    specs = type(model).array_specs(VOCABULARY, model.options())
    arrays = model.arrays()
    assert {name: (spec.dtype, spec.shape) for name, spec in specs.items()} == {
        name: (array.dtype.str, array.shape) for name, array in arrays.items()
    }
    again = type(model).from_arrays(VOCABULARY, model.options(), arrays)
    assert all((again.arrays()[name] == arrays[name]).all() for name in arrays)


@pytest.mark.parametrize("kind", NETWORKS)
def test_options_that_no_training_gives_are_refused(kind: str) -> None:
    cls, options = KINDS[kind].load_model(), network(kind).options()
    for name in options:
        values: tuple[Any, ...] = (0, -1, 10**9, True, 1.5, "8", None, [], {})
        for value in values:
            with pytest.raises(CheckpointError, match=name):
                cls.array_specs(VOCABULARY, {**options, name: value})
        with pytest.raises(CheckpointError, match=name):
            cls.array_specs(VOCABULARY, {key: options[key] for key in options if key != name})
    with pytest.raises(CheckpointError, match="expected the options"):
        cls.array_specs(VOCABULARY, {**options, "more": 1})


def test_huge_shapes_are_known_without_memory() -> None:
    options = {"embedding_size": 8192, "hidden_size": 8192, "layers": 64}
    specs = KINDS["lstm"].load_model().array_specs(VOCABULARY, options)
    assert sum(math.prod(spec.shape) for spec in specs.values()) > 3e10


def test_an_lstm_begins_by_remembering() -> None:
    arrays, h = network("lstm").arrays(), SMALL["hidden_size"]
    for layer in (0, 1):
        bias = arrays[f"cells.{layer}.input_bias"].reshape(4, -1)  # input, forget, cell, output
        assert bias.shape == (4, h)
        assert np.abs(bias - [[0], [1], [0], [0]]).max() < 6**-0.5  # what they are drawn from


def test_infinite_weights_are_refused() -> None:
    model = network("gru")
    arrays = model.arrays()
    arrays["head.weight"][0, 0] = np.inf
    with pytest.raises(CheckpointError, match=r"head\.weight"):
        type(model).from_arrays(VOCABULARY, model.options(), arrays)


@pytest.mark.parametrize("change", [{"heads": 3}, {"context": 6}, {"context": 1}])
def test_sizes_that_do_not_fit_together_are_refused(change: dict[str, int]) -> None:
    kind = "transformer" if "heads" in change else "wavenet"
    options = network(kind).options() | change
    with pytest.raises(OptionError, match=r"divide|power of 2"):
        KINDS[kind].load_model()(VOCABULARY, options)
    with pytest.raises(CheckpointError, match=r"divide|power of 2"):
        KINDS[kind].load_model().array_specs(VOCABULARY, options)


@pytest.mark.parametrize("positions", ["learnt", "sinusoidal"])
def test_a_transformers_words_end_at_its_longest(positions: str) -> None:
    model = network("transformer", longest=5, positions=positions)
    assert isinstance(model, Transformer)
    finished = type(model).from_arrays(VOCABULARY, model.options(), model.arrays())
    state = finished.start(1)
    for symbol in [1, 2, 3, 1, 2]:
        assert np.exp(finished.log_probabilities(state))[0, 0] < 1
        state = finished.advance(state, np.array([symbol]))
    assert np.exp(finished.log_probabilities(state))[0].tolist() == [1, 0, 0, 0]
    found = finished.symbol_log_probabilities(ids_of(["abcab", "abcabc", "a"]))
    assert np.isfinite(found[:6]).all()
    assert found[5] == 0.0
    assert found[11:13].tolist() == [-np.inf, 0.0]  # one character too many, and then the end
    assert np.isfinite(found[13:]).all()


def test_a_transformers_state_is_as_long_as_its_word_and_words_of_any_lengths_are_joined() -> None:
    model = network("transformer", longest=5)
    finished = type(model).from_arrays(VOCABULARY, model.options(), model.arrays())
    states = [finished.start(1)]
    for symbol in [1, 2, 3, 1, 2, 3]:
        states.append(finished.advance(states[-1], np.array([symbol])))
    assert [state[0].shape[2] for state in states] == [1, 2, 3, 4, 5, 6, 6]
    assert finished.state_cells == states[-1][0].size
    together = finished.advance(joined(states[:5]), np.array([1, 2, 3, 1, 2]))
    np.testing.assert_allclose(
        finished.log_probabilities(together),
        np.concatenate([finished.log_probabilities(state) for state in states[1:6]]),
        rtol=1e-12,
    )


def test_batch_normalisation_measures_positions_and_not_rows() -> None:
    model = in_float64(network("mlp", normalization="batch", layers=1))
    words = ["ab", "ab", "ab", "c"]
    logits, counts = rows_of(model, ["ab", "c"], np.array([3.0, 1.0]))
    # the same, with a row for each position
    contexts = np.array(
        [[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 2]] * 3 + [[0, 0, 0, 0], [0, 0, 0, 3]]
    )
    hidden = data(model.embedding(contexts)).reshape(len(contexts), -1)  # type: ignore[attr-defined]
    hidden = hidden @ model.hidden[0].weight.data + model.hidden[0].bias.data  # type: ignore[attr-defined]
    normal = (hidden - hidden.mean(axis=0)) / np.sqrt(hidden.var(axis=0) + 1e-5)
    rows = np.tanh(normal) @ model.head.weight.data + model.head.bias.data  # type: ignore[attr-defined]
    log_P = rows - np.log(np.exp(rows).sum(axis=1, keepdims=True))
    targets = VOCABULARY.encode_lines("".join(word + "\n" for word in words))
    expected = -log_P[np.arange(len(targets)), targets].mean()
    assert cross_entropy(logits, counts).item() == pytest.approx(expected, rel=1e-7)


def test_batch_normalisation_answers_by_its_running_statistics() -> None:
    model = network("mlp", normalization="batch")
    for _ in range(200):
        rows_of(model, WORDS)
    trained = cross_entropy(*rows_of(model, WORDS)).item()
    finished = type(model).from_arrays(VOCABULARY, model.options(), model.arrays())
    assert -finished.symbol_log_probabilities(ids_of(WORDS)).mean() == pytest.approx(
        trained, rel=1e-4
    )


@pytest.mark.parametrize("kind", NETWORKS)
def test_no_words_have_no_distributions(kind: str) -> None:
    model = network(kind)
    model.freeze(np.float64)
    state = model.advance(model.start(0), np.zeros(0, np.int64))
    assert model.log_probabilities(state).shape == (0, len(VOCABULARY))


def test_a_network_keeps_the_types_of_its_numbers() -> None:
    for kind in NETWORKS:
        model = network(kind)
        assert {tensor.data.dtype for tensor in model.parameters().values()} == {np.dtype("f4")}
        logits, counts = rows_of(model, WORDS[:3])
        assert isinstance(logits, Tensor)
        assert logits.dtype == counts.dtype == np.float32
        model.freeze(np.float64)
        assert model.log_probabilities(model.start(2)).dtype == np.float64
