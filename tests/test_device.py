"""The engine and the networks on arrays that live elsewhere: on a stand-in, and on a GPU.

Each test runs twice: on the stand-in of ``device_double``, which gives the numbers of the host to
the last bit, and on CuPy, which needs a GPU and is skipped without one.
"""

import sys
from typing import Any

import device_double
import numpy as np
import pytest
import test_autodiff
from test_autodiff import CASES, normal
from test_nn_layers import LAYERS, away_from_kinks

import makemore.nn as nn
from makemore.autodiff import Tensor, gather, gradients
from makemore.autodiff.operations import ONE_HOT_ROWS


@pytest.fixture(params=["stand-in", "CuPy"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give the stand-in in CuPy's place, or CuPy where there is a GPU."""
    if request.param == "stand-in":
        monkeypatch.setitem(sys.modules, "cupy", device_double)
        return device_double
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
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


def test_a_tensor_shows_its_numbers_and_knows_its_gradient(library: Any) -> None:
    x = Tensor(library.array(np.array([1.0, 2.0])))
    (x * x).sum().backward()
    assert repr(x) == "Tensor([1., 2.])"
    assert x.grad is not None
    assert x.grad.get().tolist() == [2.0, 4.0]
    assert (x * x).sum().item() == 5.0
