"""Layers: their gradients against differences, their modes, their names, their files."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import makemore.nn as nn
from makemore.autodiff import (
    Tensor,
    check_gradients,
    data,
    gradients,
    mean_squared_error,
    record,
)
from makemore.errors import AutodiffError


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


F8: Any = {"dtype": np.float64}
LAYERS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(3, 4, generator(), **F8), (5, 3)),
    "linear without bias": (lambda: nn.Linear(3, 4, generator(), bias=False, **F8), (2, 5, 3)),
    "layer norm": (lambda: nn.LayerNorm(4, **F8), (3, 4)),
    "batch norm 1d": (lambda: nn.BatchNorm1d(4, **F8), (6, 4)),
    "batch norm 1d in time": (lambda: nn.BatchNorm1d(3, **F8), (4, 3, 5)),
    "batch norm 2d": (lambda: nn.BatchNorm2d(3, **F8), (2, 3, 4, 4)),
    "convolution": (
        lambda: nn.Conv2d(2, 3, 3, generator(), padding=1, stride=2, **F8),
        (2, 2, 6, 5),
    ),
    "max pool": (lambda: nn.MaxPool2d(2), (2, 3, 4, 6)),
    "average pool": (lambda: nn.AvgPool2d(2, stride=1), (2, 3, 4, 5)),
    "flatten": (lambda: nn.Flatten(), (2, 3, 4)),
    "rnn": (lambda: nn.RNN(3, 4, generator(), layers=2, **F8), (2, 5, 3)),
    "gru": (lambda: nn.GRU(3, 4, generator(), layers=2, **F8), (2, 5, 3)),
    "lstm": (lambda: nn.LSTM(3, 4, generator(), layers=2, forget_bias=1.0, **F8), (2, 5, 3)),
    "attention": (lambda: nn.MultiHeadAttention(6, 2, generator(), **F8), (2, 4, 6)),
    "learnt positions": (lambda: nn.LearntPositions(5, 4, generator(), **F8), (2, 3, 4)),
    "sinusoidal positions": (lambda: nn.SinusoidalPositions(), (2, 3, 5)),
    "block": (lambda: nn.TransformerBlock(6, 2, generator(), **F8), (2, 4, 6)),
    "block, norm after": (
        lambda: nn.TransformerBlock(6, 3, generator(), norm_first=False, hidden=5, **F8),
        (2, 4, 6),
    ),
    "tanh": (lambda: nn.Tanh(), (3, 4)),
    "sigmoid": (lambda: nn.Sigmoid(), (3, 4)),
    "relu": (lambda: nn.ReLU(), (3, 4)),
    "leaky relu": (lambda: nn.LeakyReLU(0.2), (3, 4)),
    "gelu": (lambda: nn.GELU(), (3, 4)),
    "sequential": (
        lambda: nn.Sequential(
            nn.Linear(3, 4, generator(), **F8), nn.Tanh(), nn.Linear(4, 2, generator(1), **F8)
        ),
        (5, 3),
    ),
}
every_layer = pytest.mark.parametrize("name", LAYERS)


def away_from_kinks(*shape: int) -> Any:
    x = generator(7).normal(size=shape)
    return x + 0.1 * np.sign(x)


@every_layer
def test_gradients_of_inputs_and_parameters_are_slopes(name: str) -> None:
    make, shape = LAYERS[name]
    layer = make()
    for number, tensor in enumerate(layer.parameters().values()):  # none is zero or one
        tensor.data = tensor.data + 0.1 * generator(number).normal(size=tensor.shape)
    check_gradients(layer, away_from_kinks(*shape), parameters=layer.parameters())


@every_layer
def test_float32_stays_float32_and_frozen_layers_map_arrays_to_arrays(name: str) -> None:
    make, shape = LAYERS[name]
    layer = make()
    layer.freeze(np.float32)
    value = layer(away_from_kinks(*shape).astype(np.float32))
    assert isinstance(value, np.ndarray)
    assert value.dtype == np.float32


@every_layer
def test_an_empty_batch_has_an_empty_result_and_gradients_of_zero(name: str) -> None:
    make, shape = LAYERS[name]
    layer = make()
    layer.evaluate()  # no numbers have no variance
    expected = np.shape(data(layer(away_from_kinks(*shape))))
    x = Tensor(np.zeros((0, *shape[1:])))
    value = layer(x)
    assert value.shape == (0, *expected[1:])
    tensors = [x, *layer.parameters().values()]
    for tensor, found in zip(tensors, gradients(value, tensors, value.data), strict=True):
        assert found.shape == tensor.shape
        assert not found.any()


def test_sequences_of_no_positions_are_taken() -> None:
    x = np.zeros((2, 0, 4))
    for layer in (
        nn.SinusoidalPositions(),
        nn.LearntPositions(3, 4, generator(), **F8),
        nn.TransformerBlock(4, 2, generator(), **F8),
    ):
        assert data(layer(x)).shape == x.shape


@settings(max_examples=25, deadline=None)
@given(
    inputs=st.integers(1, 5),
    outputs=st.integers(1, 5),
    batch=st.lists(st.integers(1, 3), min_size=1, max_size=3),
)
def test_a_linear_layer_takes_any_leading_axes(inputs: int, outputs: int, batch: list[int]) -> None:
    layer = nn.Linear(inputs, outputs, generator(), **F8)
    x = generator(1).normal(size=(*batch, inputs))
    assert layer.bias is not None
    np.testing.assert_allclose(data(layer(x)), x @ layer.weight.data + layer.bias.data)
    check_gradients(layer, x, parameters=layer.parameters())


@settings(max_examples=15, deadline=None)
@given(
    kind=st.sampled_from(["rnn", "gru", "lstm"]),
    B=st.integers(1, 3),
    T=st.integers(1, 5),
    n=st.integers(1, 3),
    h=st.integers(1, 3),
    layers=st.integers(1, 3),
)
def test_recurrent_layers_of_any_shape_have_their_slopes(
    kind: str, B: int, T: int, n: int, h: int, layers: int
) -> None:
    make: Any = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[kind]
    layer = make(n, h, generator(), layers=layers, **F8)
    check_gradients(layer, generator(1).normal(size=(B, T, n)), parameters=layer.parameters())


def test_an_embedding_adds_up_the_gradients_of_a_row_that_it_gives_twice() -> None:
    layer = nn.Embedding(4, 2, generator(), **F8)
    ids = np.array([[1, 3], [1, 1]])
    vector = nn.ParameterVector(layer.parameters())
    vector.backward(layer(ids).sum())
    assert vector.gradient.reshape(4, 2).tolist() == [[0, 0], [3, 3], [0, 0], [1, 1]]


def test_a_wrong_gradient_is_found_with_its_argument() -> None:
    def half_wrong(a: Tensor, b: Tensor) -> Any:
        return record(a.data * b.data, (a, lambda g: g * b.data), (b, lambda g: 2 * g * a.data))

    with pytest.raises(AutodiffError, match=r"argument 1, of shape \(3,\), is wrong"):
        check_gradients(half_wrong, np.ones(3), np.arange(1.0, 4.0))


def test_causal_attention_sees_nothing_later() -> None:
    layer = nn.MultiHeadAttention(4, 2, generator(), **F8)
    x = generator(1).normal(size=(1, 5, 4))
    before = data(layer(x, causal=True))
    x[:, 3] += 1.0
    after = data(layer(x, causal=True))
    assert (before[:, :3] == after[:, :3]).all()
    assert (before[:, 3:] != after[:, 3:]).any()
    mask = np.tril(np.ones((5, 5), np.bool_))
    np.testing.assert_array_equal(after, data(layer(x, mask)))


def test_batch_normalisation_measures_in_training_and_remembers_in_evaluation() -> None:
    layer = nn.BatchNorm1d(2, **F8)
    x = np.array([[1.0, 10.0], [3.0, 30.0]])
    value = data(layer(x))
    np.testing.assert_allclose(value, [[-1, -1], [1, 1]], atol=1e-4)
    np.testing.assert_allclose(layer.running_mean, [0.2, 2.0])
    np.testing.assert_allclose(layer.running_var, [0.9 + 0.1 * 2, 0.9 + 0.1 * 200])
    layer.evaluate()
    expected = (x - layer.running_mean) / np.sqrt(layer.running_var + 1e-5)
    np.testing.assert_allclose(data(layer(x)), expected)
    np.testing.assert_allclose(layer.running_mean, [0.2, 2.0])  # evaluation changes nothing
    with pytest.raises(AutodiffError, match=r"\(5, 0\)"):
        nn.BatchNorm1d(2)(np.zeros((5, 0)))


def test_dropout_drops_in_training_alone() -> None:
    layer = nn.Sequential(nn.Dropout(0.5, generator()))
    x = np.ones((100, 100), np.float32)
    dropped = data(layer(x))
    assert set(np.unique(dropped)) == {0.0, 2.0}
    assert 0.48 < dropped.mean() / 2 < 0.52
    layer.evaluate()
    assert (layer(x) == x).all()
    with pytest.raises(AutodiffError, match="probability 1"):
        nn.Dropout(1, generator())


def test_dropout_of_attention_drops_weights_of_the_softmax_in_training_alone() -> None:
    def layer(dropout: float) -> nn.MultiHeadAttention:
        return nn.MultiHeadAttention(4, 2, generator(), dropout=dropout, **F8)

    x = generator(1).normal(size=(2, 5, 4))
    plain, dropping = layer(0.0), layer(0.5)
    assert (data(dropping(x)) != data(plain(x))).any()
    mean = np.mean([data(dropping(x)) for _ in range(4000)], axis=0)
    np.testing.assert_allclose(mean, data(plain(x)), atol=0.02)
    dropping.evaluate()
    assert (data(dropping(x)) == data(plain(x))).all()


def test_the_forget_bias_is_added_to_the_forget_gate_alone() -> None:
    plain, biased = (nn.LSTM(2, 3, generator(), forget_bias=b, **F8) for b in (0.0, 1.5))
    added = biased.layers[0].input_bias.data - plain.layers[0].input_bias.data
    np.testing.assert_allclose(added, [0] * 3 + [1.5] * 3 + [0] * 6, atol=1e-15)


def test_parameters_have_the_names_of_their_way() -> None:
    layer = nn.Sequential(
        nn.Linear(2, 3, generator()), nn.BatchNorm1d(3), nn.Linear(3, 1, generator())
    )
    assert list(layer.parameters()) == [
        "layers.0.weight",
        "layers.0.bias",
        "layers.1.weight",
        "layers.1.bias",
        "layers.2.weight",
        "layers.2.bias",
    ]
    assert layer.parameter_count == 2 * 3 + 3 + 3 + 3 + 3 + 1
    assert set(layer.state()) - set(layer.parameters()) == {
        "layers.1.running_mean",
        "layers.1.running_var",
    }


def test_parameters_are_views_of_one_vector() -> None:
    layer = nn.Linear(2, 3, generator())
    vector = nn.ParameterVector(layer.parameters())
    vector.values[:] = np.arange(9)
    assert layer.weight.data.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert layer.bias is not None
    assert layer.bias.data.tolist() == [6, 7, 8]
    x, y = np.ones((4, 2), np.float32), np.zeros((4, 3), np.float32)
    loss = mean_squared_error(layer(x), y)
    vector.backward(loss)
    loss.backward()
    assert layer.weight.grad is not None
    assert vector.gradient[:6].tolist() == layer.weight.grad.ravel().tolist()
    with pytest.raises(AutodiffError, match="no parameters"):
        nn.ParameterVector({})


def test_parameters_of_several_types_are_no_vector() -> None:
    layer = nn.Sequential(nn.Linear(2, 3, generator()), nn.LayerNorm(3, **F8))
    before = {name: tensor.data for name, tensor in layer.parameters().items()}
    said = r"one type are expected, not layers.0.bias of float32 and layers.1.bias of float64"
    with pytest.raises(AutodiffError, match=said):
        nn.ParameterVector(layer.parameters())
    assert all(tensor.data is before[name] for name, tensor in layer.parameters().items())


def test_a_tensor_with_two_names_is_one_part_of_the_vector() -> None:
    first = nn.Linear(3, 3, generator(), bias=False, **F8)
    second = nn.Linear(3, 3, generator(1), bias=False, **F8)
    second.weight = first.weight
    both = nn.Sequential(first, second)
    vector = nn.ParameterVector(both.parameters())
    assert len(vector) == both.parameter_count == 9
    x = generator(2).normal(size=(2, 3))
    vector.backward(both(x).sum())
    W, ones = first.weight.data, np.ones((2, 3))
    expected = x.T @ (ones @ W.T) + (x @ W).T @ ones
    np.testing.assert_allclose(vector.gradient.reshape(3, 3), expected)
    vector.values[:] = 0.0
    assert not first.weight.data.any()


def test_a_state_of_other_names_or_shapes_changes_nothing() -> None:
    layer = nn.Linear(2, 3, generator())
    before = layer.weight.data.copy()
    for state, said in (
        ({"weight": np.zeros((2, 3))}, "differ in the arrays bias"),
        ({"weight": np.zeros((2, 3)), "bias": np.zeros(3), "more": np.zeros(1)}, "arrays more"),
        ({"weight": np.zeros((2, 3)), "bias": np.zeros(4)}, r"bias has shape \(4,\)"),
    ):
        with pytest.raises(AutodiffError, match=said):
            layer.load(state)
        assert (layer.weight.data == before).all()


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    layer = nn.Sequential(nn.Linear(2, 3, generator()), nn.BatchNorm1d(3))
    layer(generator().normal(size=(5, 2)).astype(np.float32))
    path = tmp_path / "layer.npz"
    nn.save_parameters(path, layer)
    other = nn.Sequential(nn.Linear(2, 3, generator(1)), nn.BatchNorm1d(3))
    nn.load_parameters(path, other)
    assert all((other.state()[name] == array).all() for name, array in layer.state().items())
    with np.load(path) as file:
        assert set(file) == set(layer.state())
    whole = path.read_bytes()
    nn.save_parameters(path, other)
    assert path.read_bytes() == whole


def test_a_state_that_contradicts_itself_or_holds_text_changes_nothing() -> None:
    first, second = nn.Linear(2, 2, generator()), nn.Linear(2, 2, generator(1))
    second.weight = first.weight
    layer = nn.Sequential(first, second)
    before = {name: array.copy() for name, array in layer.state().items()}
    same = {**before, "layers.0.weight": before["layers.0.weight"] + 1}
    with pytest.raises(AutodiffError, match=r"layers.1.weight shares its array with another name"):
        layer.load(same)
    for odd in (np.array(["a", "b"]), np.array([1j, 2j])):
        moved = {name: array + 1 for name, array in before.items()}
        with pytest.raises(AutodiffError, match=r"layers.1.bias has the type .*: expected numbers"):
            layer.load({**moved, "layers.1.bias": odd})
    for number in (np.nan, np.inf, 1e39):  # the last is infinite in float32
        with pytest.raises(AutodiffError, match=r"layers.1.bias has numbers .* not finite"):
            layer.load({**moved, "layers.1.bias": np.array([0.0, number])})
    assert all((layer.state()[name] == array).all() for name, array in before.items())
    layer.load({name: array + 1 for name, array in before.items()})
    assert second.weight is first.weight
    assert (second.weight.data == before["layers.0.weight"] + 1).all()


def test_a_file_for_another_layer_or_a_damaged_one_changes_nothing(tmp_path: Path) -> None:
    layer, path = nn.Linear(2, 3, generator()), tmp_path / "layer.npz"
    nn.save_parameters(path, layer)
    whole = path.read_bytes()
    for other in (
        nn.Linear(2, 4, generator(1)),
        nn.Linear(2, 3, generator(1), **F8),
        nn.LayerNorm(3),
    ):
        before = {name: array.copy() for name, array in other.state().items()}
        with pytest.raises(AutodiffError, match="does not hold the parameters of this layer"):
            nn.load_parameters(path, other)
        assert all((other.state()[name] == array).all() for name, array in before.items())
    with pytest.raises(
        AutodiffError,
        match=r"expected the array bias of type <f4 and shape \(4,\), and found bias of type <f4"
        r" and shape \(3,\)",
    ):
        nn.load_parameters(path, nn.Linear(2, 4, generator()))
    for damaged in (
        b"",
        whole[:-1],
        whole + b"x",
        whole[:100],
        whole[:200] + b"\xff" + whole[201:],
    ):
        path.write_bytes(damaged)
        with pytest.raises(AutodiffError, match="does not hold"):
            nn.load_parameters(path, layer)
    with pytest.raises(AutodiffError, match="cannot be read"):
        nn.load_parameters(tmp_path / "none.npz", layer)
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(AutodiffError, match="not a regular file"):
        nn.load_parameters(tmp_path / "pipe.npz", layer)
    layer.weight.data[0, 0] = np.nan
    with pytest.raises(AutodiffError, match="weight has numbers that are not finite"):
        nn.save_parameters(path, layer)


def masked(mask: Any, causal: bool = False) -> Any:
    layer = nn.MultiHeadAttention(4, 2, generator(), **F8)
    return layer(np.ones((1, 3, 4)), mask, causal=causal)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: nn.MultiHeadAttention(5, 2, generator()), "2 heads do not divide"),
        (lambda: nn.MultiHeadAttention(4, 0, generator()), "heads is 0 and must be 1 or more"),
        (lambda: nn.MultiHeadAttention(0, 1, generator()), "n is 0 and must be 1 or more"),
        (lambda: nn.TransformerBlock(4, 2, generator(), hidden=0), "is 0 and must be 1 or more"),
        (lambda: nn.LearntPositions(-1, 4, generator()), "most is -1 and must be 1 or more"),
        (lambda: nn.Linear(0, 4, generator()), "inputs is 0 and must be 1 or more"),
        (lambda: nn.Linear(4, -1, None), "outputs is -1 and must be 1 or more"),
        (lambda: nn.Embedding(-1, 4, generator()), "V is -1 and must be 1 or more"),
        (lambda: nn.LayerNorm(-1), "n is -1 and must be 1 or more"),
        (lambda: nn.BatchNorm1d(0), "channels is 0 and must be 1 or more"),
        (lambda: nn.Conv2d(2, 3, 0, generator()), "size is 0 and must be 1 or more"),
        (lambda: nn.RNN(2, 0, generator()), "hidden is 0 and must be 1 or more"),
        (lambda: nn.RNN(2, 3, generator(), layers=0), "layers is 0 and must be 1 or more"),
        (lambda: nn.GRU(2, 3, generator(), layers=-1), "layers is -1 and must be 1 or more"),
        (lambda: nn.LSTM(2, 3, generator(), layers=0), "layers is 0 and must be 1 or more"),
        (lambda: nn.RNN(2, 3, generator())(np.ones((2, 2))), r"\(B, T, n\) are expected"),
        (lambda: nn.MultiHeadAttention(4, 2, generator())(np.ones((2, 4))), "expected"),
        (lambda: nn.BatchNorm2d(3)(np.ones((2, 3))), "takes 4 axes"),
        (lambda: nn.BatchNorm1d(3)(np.ones((1, 3))), "no variance"),
        (lambda: nn.LearntPositions(3, 4, generator())(np.ones((1, 5, 4))), "5 positions, where 3"),
        (lambda: nn.LearntPositions(3, 4, generator())(np.ones(4)), r"\(B, T, n\) are expected"),
        (lambda: nn.SinusoidalPositions()(np.ones((5, 4))), r"\(B, T, n\) are expected"),
        (lambda: masked(np.ones((3, 3), np.int64)), "mask of booleans is expected, not of int64"),
        (lambda: masked(np.zeros((3, 3))), "mask of booleans is expected, not of float64"),
        (lambda: masked(np.zeros((3, 3)), True), "mask of booleans is expected, not of float64"),
        (lambda: nn.TransformerBlock(4, 2, generator(), activation="swish"), "gelu or relu"),
        (lambda: nn.Linear(2, 3, generator())(np.ones((4, 5), np.float32)), r"\(4, 5\)"),
    ],
)
def test_a_wrong_use_is_told_in_one_line(wrong: Callable[[], Any], said: str) -> None:
    with pytest.raises((AutodiffError, TypeError), match=said) as caught:
        wrong()
    assert "\n" not in str(caught.value)


def test_the_first_weights_without_a_generator_are_zeros_without_memory() -> None:
    layer = nn.Linear(10_000, 10_000, None)
    assert layer.weight.data.strides == (0, 0)
    assert layer.weight.shape == (10_000, 10_000)
