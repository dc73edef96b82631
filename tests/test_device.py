"""The engine and the networks on arrays that live elsewhere: on a stand-in, and on a GPU.

Each test runs twice: on the stand-in of ``device_double``, which gives the numbers of the host to
the last bit, and on CuPy, which needs a GPU and is skipped without one.
"""

import inspect
import sys
from pathlib import Path
from typing import Any

import device_double
import numpy as np
import pytest
import test_autodiff
from click.testing import CliRunner
from test_autodiff import CASES, normal
from test_autodiff_tree import tree_of
from test_minibatch import NAMES
from test_networks import WORDS, network, shared_loss
from test_nn_layers import LAYERS, away_from_kinks

import makemore.nn as nn
from makemore.autodiff import Tensor, cross_entropy, dropout, gather, gradients, linear
from makemore.autodiff.operations import ONE_HOT_ROWS
from makemore.autodiff.tree import GatedCell, cumulative_sum, levels_of_tree, recurrent
from makemore.checkpoint import load, save
from makemore.cli import main
from makemore.data.corpus import Corpus
from makemore.errors import AutodiffError, OptionError
from makemore.kinds import KINDS
from makemore.training import minibatch
from makemore.training.options import TrainingOptions
from makemore.training.record import Checkpoint
from makemore.training.train import train

CORPUS = Corpus.from_words(NAMES)
SIZES: dict[str, dict[str, Any]] = {
    "mlp": {"layers": 2},
    "mlp, batch norm": {"normalization": "batch"},
    "bow": {},
    "wavenet": {"context": 4},
    "rnn": {"layers": 2},
    "gru": {},
    "lstm": {"layers": 2},
    "transformer": {"layers": 2, "heads": 2},
    "transformer, sinusoidal": {"layers": 1, "heads": 2, "positions": "sinusoidal"},
}


@pytest.fixture(params=["stand-in", "CuPy"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give the stand-in in CuPy's place, or CuPy where there is a GPU."""
    if request.param == "stand-in":
        monkeypatch.setitem(sys.modules, "cupy", device_double)
        return device_double
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed", exc_type=ImportError)
    if not cupy.is_available():
        pytest.skip("CuPy finds no GPU")
    return cupy


def assert_same(library: Any, found: Any, expected: Any) -> None:
    """Assert that a device's array has the host's numbers; a GPU's may differ in the last bits."""
    assert not isinstance(found, np.ndarray | np.generic)
    assert found.dtype == expected.dtype
    if library is device_double:
        np.testing.assert_array_equal(found.get(), expected)
    else:
        np.testing.assert_allclose(found.get(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_an_operation_and_its_gradients_are_those_of_the_host(
    name: str, library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    function, inputs = CASES[name]
    small = [array.astype(np.float32) for array in inputs]
    host = [Tensor(array) for array in small]
    expected = function(*host)
    seed = normal(*expected.shape, seed=9).astype(np.float32)
    if name in ("where", "binary cross-entropy"):  # their other arguments are no constants
        monkeypatch.setattr(test_autodiff, "MASK", library.array(test_autodiff.MASK))
    there = [Tensor(library.array(array)) for array in small]
    result = function(*there)
    assert_same(library, result.data, expected.data)
    found = gradients(result, there, library.array(seed))
    for gradient, on_host in zip(found, gradients(expected, host, seed), strict=True):
        assert_same(library, gradient, on_host)


def test_no_rows_have_gradients_of_zero(library: Any) -> None:
    x, W, b = (Tensor(library.array(np.ones(shape))) for shape in ((0, 3), (3, 2), 2))
    result = linear(x, W, b)
    for gradient, parent in zip(gradients(result, [x, W, b], result.data), (x, W, b), strict=True):
        np.testing.assert_array_equal(gradient.get(), np.zeros(parent.shape))


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_that_was_moved_computes_what_it_computed(name: str, library: Any) -> None:
    make, shape = LAYERS[name]
    host, there = make(), make()
    there.move(library.array)
    x = away_from_kinks(*shape)
    for _ in range(2):  # the second time with running averages
        expected, result = host(Tensor(x)), there(Tensor(library.array(x)))
        assert_same(library, result.data, expected.data)
    result.sum().backward()
    assert there.state().keys() == host.state().keys()
    for array in there.state().values():
        assert not isinstance(array, np.ndarray)


def test_parameters_on_a_device_are_saved_and_loaded(library: Any, tmp_path: Path) -> None:
    first, second, third = (nn.Linear(3, 2, np.random.default_rng(seed)) for seed in range(3))
    weight = first.weight.data
    for layer in (first, second):
        layer.move(library.array)
    nn.save_parameters(tmp_path / "linear.npz", first)
    nn.load_parameters(tmp_path / "linear.npz", second)
    assert_same(library, second.weight.data, weight)
    third.load(first.state())
    np.testing.assert_array_equal(third.weight.data, weight)
    first.move(lambda array: array.get())
    np.testing.assert_array_equal(first.weight.data, weight)


@pytest.mark.parametrize("optimizer", [nn.SGD, nn.RMSProp, nn.Adam, nn.AdamW])
def test_a_step_is_that_of_the_host(optimizer: Any, library: Any) -> None:
    values, gradient = normal(1 << 16).astype(np.float32), normal(1 << 16, seed=1)
    host, there = (optimizer(learning_rate=0.1, weight_decay=0.1) for _ in range(2))
    moved = library.array(values)
    for _ in range(3):
        host.step(values, gradient.astype(np.float32))
        there.step(moved, library.array(gradient.astype(np.float32)))
    assert_same(library, moved, values)


def test_rows_of_a_large_table_add_up_their_gradients_in_parts(
    library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("makemore.arrays.CHUNK_CELLS", 4 * ONE_HOT_ROWS)
    table = normal(2 * ONE_HOT_ROWS, 3).astype(np.float32)
    ids = np.random.default_rng(0).integers(-5, len(table), 50) % 7
    weights = normal(50, 3).astype(np.float32)
    host, there = Tensor(table), Tensor(library.array(table))
    (expected,) = gradients(gather(host, ids), [host], weights)
    (found,) = gradients(gather(there, ids), [there], library.array(weights))
    np.testing.assert_allclose(found.get(), expected, rtol=1e-5, atol=1e-6)


def test_ids_on_a_device_are_those_of_the_host(library: Any) -> None:
    ids = np.array([3, 0, 3, 199], np.uint8)
    host, there = Tensor(normal(200, 3)), Tensor(library.array(normal(200, 3)))
    (expected,) = gradients(gather(host, ids).sum(), [host])
    (found,) = gradients(gather(there, library.array(ids)).sum(), [there])
    np.testing.assert_array_equal(found.get(), expected)
    with pytest.raises(AutodiffError, match="not of type bool"):
        gather(there, library.array(np.ones(200, np.bool_)))


@pytest.mark.parametrize(
    ("key", "part"),
    [
        ([0, 0], slice(2)),
        ((slice(None), slice(1, None)), (slice(None), slice(2))),
        ([1, 0], slice(None)),
    ],
)
def test_the_stand_in_refuses_what_a_device_does_in_any_order(key: Any, part: Any) -> None:
    x = device_double.array(np.arange(6.0).reshape(2, 3))
    x[part] *= 2
    with pytest.raises((IndexError, ValueError), match=r"written (twice|over a part of itself)"):
        x[key] = x[part]


def test_dropout_sends_a_device_a_byte_for_each_number(monkeypatch: pytest.MonkeyPatch) -> None:
    x = normal(30, 20).astype(np.float32)
    there = device_double.array(x)
    monkeypatch.setattr(device_double, "SENT", [])
    dropped = dropout(there, 0.25, np.random.default_rng(0))
    assert device_double.SENT == [x.size]
    assert_same(device_double, dropped, dropout(x, 0.25, np.random.default_rng(0)))


@pytest.mark.parametrize("wrong", [-5, 4])
def test_ids_of_the_host_beyond_a_table_on_a_device_are_refused(wrong: int, library: Any) -> None:
    table = Tensor(library.array(normal(4, 4)))
    ids = np.array([3, 0, wrong, 1])
    with pytest.raises(AutodiffError, match=r"ids from .* do not fit an axis of size 4"):
        gather(table, ids)
    with pytest.raises(AutodiffError, match=r"ids of at least 0|do not fit an axis of size 4"):
        cross_entropy(table, ids)


@pytest.mark.parametrize("operation", ["recurrent", "cumulative sum"])
def test_the_levels_of_a_tree_are_sent_to_a_device_at_once(
    operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = tree_of(["a", "ab", "abc", "abcab", "b", "ba", "bb", "bc", "bca", "bcc"])
    x, W, b = (
        Tensor(device_double.array(normal(*shape))) for shape in ((len(tree), 6), (2, 6), (6,))
    )
    monkeypatch.setattr(device_double, "SENT", [])
    if operation == "recurrent":
        h = recurrent(GatedCell, x, W, b, levels_of_tree(tree))
    else:
        h = cumulative_sum(x, tree)
    h.sum().backward()
    assert len(device_double.SENT) == 1
    assert cumulative_sum(device_double.array(np.ones((1, 2))), tree_of([""])).get().tolist() == [
        [1.0, 1.0]
    ]


def test_what_the_blocks_of_a_transformer_look_up_is_sent_to_a_device_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent = []
    for layers in (1, 4):
        model = network("transformer", layers=layers)
        model.move(device_double.array)
        monkeypatch.setattr(device_double, "SENT", [])
        shared_loss(model, WORDS).backward()
        sent.append(len(device_double.SENT))
    assert sent[0] == sent[1]


def test_a_tensor_shows_its_numbers_and_knows_its_gradient(library: Any) -> None:
    x = Tensor(library.array(np.array([1.0, 2.0])))
    (x * x).sum().backward()
    assert repr(x) == "Tensor([1., 2.])"
    assert x.grad is not None
    assert x.grad.get().tolist() == [2.0, 4.0]
    assert (x * x).sum().item() == 5.0


def options(kind: str, **given: Any) -> TrainingOptions:
    model = kind.split(",")[0]
    sizes = {"embedding_size": 8, **SIZES[kind]}
    if model != "transformer":
        sizes["hidden_size"] = 16
    return TrainingOptions(
        model, **sizes, **{"steps": 24, "batch_size": 16, "validation": 0.2, "dropout": 0.2} | given
    )


def assert_same_training(found: Checkpoint, expected: Checkpoint) -> None:
    """Assert that two trainings gave the same weights and losses to the last bit."""
    arrays = found.model.arrays()
    for name, array in expected.model.arrays().items():
        assert isinstance(arrays[name], np.ndarray)
        np.testing.assert_array_equal(arrays[name], array)
    for name in ("loss_history", "validation_history"):
        here, there = getattr(found.training, name), getattr(expected.training, name)
        np.testing.assert_array_equal(here, there)


@pytest.mark.parametrize("kind", SIZES)
def test_a_network_is_trained_on_a_device_as_on_the_host(kind: str, library: Any) -> None:
    there = train(CORPUS, options(kind, device="cuda"))
    host = train(CORPUS, options(kind))
    if library is device_double:
        assert_same_training(there, host)
        return
    assert_same_training(train(CORPUS, options(kind, device="cuda")), there)
    assert there.training.loss_history == pytest.approx(host.training.loss_history, rel=0.01)


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam"])
def test_a_training_that_was_interrupted_on_a_device_goes_on_there(
    optimizer: str, library: Any, tmp_path: Path
) -> None:
    chosen = options("mlp, batch norm", device="cuda", optimizer=optimizer)
    part = train(CORPUS, chosen, on_step=lambda step: step.number == 9)
    save(tmp_path / "part.npz", part)
    loaded = load(tmp_path / "part.npz")
    assert loaded.training.options["device"] == "cuda"
    assert loaded.resumption is not None
    assert loaded.resumption.averages
    assert_same_training(train(CORPUS, resume=loaded), train(CORPUS, chosen))
    with pytest.raises(OptionError, match="had device cuda, not cpu"):
        train(CORPUS, options("mlp, batch norm", optimizer=optimizer), resume=loaded)


def test_a_step_on_a_device_can_go_in_parts(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(CORPUS, options("gru", device="cuda", dropout=0.0))
    monkeypatch.setattr(minibatch, "STEP_CELLS", 16 * 24 * 20)
    parts = train(CORPUS, options("gru", device="cuda", dropout=0.0))
    np.testing.assert_allclose(parts.training.loss_history, whole.training.loss_history, rtol=1e-4)


@pytest.mark.usefixtures("library")
def test_the_next_rows_are_made_before_the_loss_of_a_step_is_awaited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A device computes until it is asked for a number."""
    order: list[str] = []
    kind = KINDS["gru"].load_model()

    def note(cls: Any, name: str) -> None:
        own = getattr(cls, name)

        def noted(*arguments: Any) -> Any:
            order.append(name)
            return own(*arguments)

        monkeypatch.setattr(cls, name, noted)

    note(kind, "training_rows")
    note(kind, "training_logits")
    note(Tensor, "item")
    train(CORPUS, options("gru", device="cuda", steps=3, validation=0.0))
    step = ["training_logits", "training_rows", "item"]
    assert order == ["training_rows", *step, *step, "training_logits", "item"]


def test_what_is_seen_of_a_training_on_a_device_lies_on_the_host(library: Any) -> None:
    seen = []
    trained = train(
        CORPUS,
        options("bow", device="cuda", steps=3),
        on_step=lambda step: seen.append(
            step.snapshot().log_probabilities(step.snapshot().start(1))
        ),
    )
    assert [type(array) for array in seen] == [np.ndarray] * 3
    assert len(trained.training.film_tables) > 0


CORPUS_FILE = "".join(f"{name}\n" for name in NAMES)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, list(arguments))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ImportError("No module named 'cupy'"), "No module named 'cupy'"),
        (RuntimeError("no driver:\n  none"), "no driver: none"),
    ],
)
def test_without_cupy_or_a_gpu_one_line_says_what_is_missing(
    error: Exception, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Missing:
        def ones(self, shape: tuple[int, ...]) -> Any:
            raise error

    monkeypatch.setitem(sys.modules, "cupy", Missing())
    monkeypatch.chdir(tmp_path)
    done = run("train", "nowhere.txt", "--model", "gru", "--device", "cuda")
    assert done.exit_code == 2
    assert done.stderr == (
        "makemore: --device cuda needs an NVIDIA GPU and CuPy, pip install 'cupy-cuda12x[ctk]':"
        f" {said}\n"
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("model", ["bigram", "ngram", "mixture"])
def test_a_device_has_no_effect_on_models_without_steps_of_a_network(model: str) -> None:
    with pytest.raises(OptionError, match=f"--device has no effect on --model {model}"):
        TrainingOptions(model, device="cuda")


def test_all_that_the_stand_in_was_asked_for_cupy_has() -> None:
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed", exc_type=ImportError)
    for name in [*device_double.METHODS, "get"]:
        assert hasattr(cupy.ndarray, name), name
    for kind in SIZES:
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, "cupy", device_double)
            train(CORPUS, options(kind, device="cuda", steps=2))
    assert len(device_double.CALLS) > 30
    for name, count, others in device_double.CALLS:
        function = cupy
        for part in name.split("."):
            function = getattr(function, part)
        if inspect.isfunction(function):
            inspect.signature(function).bind(*range(count), **dict.fromkeys(others))
        elif isinstance(function, cupy.ufunc):
            assert function.nin == count
            assert {*others} <= {"out", "where", "dtype", "casting"}
