"""The engine: gradients against differences, the promises of the graph, and worked examples.

Differences are taken here along random directions in float64: for f and a direction d,
(f(x + h d) - f(x - h d)) / 2h is close to the sum of gradient times d.
"""

import gc
import itertools
import math
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import makemore.autodiff.fused as fused
import makemore.autodiff.operations as ops
from makemore.autodiff.tensor import Tensor, gradients, record
from makemore.errors import AutodiffError

Function = Callable[..., Any]
IDS = np.array([2, 0, 2, 1])
COUNTS = np.array([[3.0, 0, 1], [0, 0, 0], [1, 1, 0], [0, 5, 2]])
MASK = np.tril(np.ones((4, 4), np.bool_))
KEPT = np.where(np.arange(16).reshape(4, 4) % 3, 1.5, 0.0)  # what dropout makes of ones


def normal(*shape: int, seed: int = 0) -> Any:
    """Return normal numbers, all at least 0.05 from zero: there no kink is crossed."""
    x = np.random.default_rng([seed, *shape]).normal(size=shape)
    return x + 0.05 * np.sign(x)


def positive(*shape: int) -> Any:
    return np.abs(normal(*shape)) + 0.5


CASES: dict[str, tuple[Function, list[Any]]] = {
    "add, broadcast": (ops.add, [normal(3, 4), normal(4)]),
    "subtract, broadcast": (ops.subtract, [normal(3, 1), normal(1, 4)]),
    "multiply, broadcast": (ops.multiply, [normal(2, 3, 4), normal(3, 1)]),
    "divide": (ops.divide, [normal(3, 4), positive(4)]),
    "power of a number": (lambda a: ops.power(a, 3), [normal(3, 4)]),
    "power": (ops.power, [positive(3, 4), normal(4)]),
    "negate": (ops.negate, [normal(3)]),
    "absolute": (ops.absolute, [normal(3, 4)]),
    "maximum": (ops.maximum, [normal(3, 4), normal(3, 4, seed=1)]),
    "where": (lambda a, b: ops.where(MASK[:3], a, b), [normal(3, 4), normal(4)]),
    "exp": (ops.exp, [normal(3, 4)]),
    "log": (ops.log, [positive(3, 4)]),
    "sqrt": (ops.sqrt, [positive(3, 4)]),
    "tanh": (ops.tanh, [normal(3, 4)]),
    "sigmoid": (ops.sigmoid, [normal(3, 4)]),
    "relu": (ops.relu, [normal(3, 4)]),
    "leaky relu": (ops.leaky_relu, [normal(3, 4)]),
    "gelu": (ops.gelu, [normal(3, 4)]),
    "sum": (lambda a: ops.sum(a, axis=1), [normal(3, 4)]),
    "mean": (lambda a: ops.mean(a, axis=(0, 2), keepdims=True), [normal(3, 4, 2)]),
    "variance": (lambda a: ops.var(a, axis=0, ddof=1), [normal(5, 4)]),
    "max": (lambda a: ops.max(a, axis=1), [normal(3, 4)]),
    "softmax": (ops.softmax, [normal(3, 4)]),
    "log softmax": (lambda a: ops.log_softmax(a, axis=0), [normal(3, 4)]),
    "matmul": (ops.matmul, [normal(3, 4), normal(4, 2)]),
    "matmul, of vectors": (ops.matmul, [normal(4), normal(4, seed=1)]),
    "matmul, batched": (ops.matmul, [normal(2, 3, 4), normal(4, 2)]),
    "matmul, both batched": (ops.matmul, [normal(2, 1, 3, 4), normal(5, 4, 2)]),
    "transpose": (lambda a: ops.transpose(a, (2, 0, 1)), [normal(2, 3, 4)]),
    "reshape": (lambda a: ops.reshape(a, (6, 2)), [normal(3, 4)]),
    "concatenate": (lambda a, b: ops.concatenate([a, b], 1), [normal(3, 4), normal(3, 2)]),
    "stack": (lambda a, b: ops.stack([a, b], 1), [normal(3, 4), normal(3, 4, seed=1)]),
    "split": (lambda a: ops.multiply(*ops.split(a, 2, 1)), [normal(3, 4)]),
    "pad": (lambda a: ops.pad(a, [(1, 0), (0, 2)]), [normal(3, 4)]),
    "slice": (lambda a: ops.index(a, (slice(1, None), [0, 0, 2])), [normal(3, 4)]),
    "gather, a row twice": (lambda W: ops.gather(W, IDS), [normal(3, 4)]),
    "linear": (fused.linear, [normal(3, 4), normal(4, 2), normal(2)]),
    "linear, batched": (fused.linear, [normal(2, 3, 4), normal(4, 2), normal(2)]),
    "cross-entropy of ids": (lambda z: fused.cross_entropy(z, IDS), [normal(4, 3)]),
    "cross-entropy of counts": (lambda z: fused.cross_entropy(z, COUNTS), [normal(4, 3)]),
    "cross-entropy, of both": (fused.cross_entropy, [normal(3, 4), positive(3, 4)]),
    "squared error": (fused.mean_squared_error, [normal(3, 4), normal(3, 4, seed=1)]),
    "binary cross-entropy": (
        lambda z: fused.binary_cross_entropy_with_logits(z, MASK[:3].astype(np.float32)),
        [normal(3, 4)],
    ),
    "layer norm": (fused.layer_norm, [normal(3, 4), normal(4), normal(4, seed=1)]),
    "attention": (
        lambda q, k, v: fused.attention(q, k, v, MASK),
        [normal(2, 4, 3), normal(2, 4, 3, seed=1), normal(2, 4, 3, seed=2)],
    ),
    "attention with dropout": (
        lambda q, k, v: fused.attention(q, k, v, MASK, KEPT),
        [normal(2, 4, 3), normal(2, 4, 3, seed=1), normal(2, 4, 3, seed=2)],
    ),
    "convolution": (
        lambda x, W, b: fused.conv2d(x, W, b, stride=2, padding=1),
        [normal(2, 3, 5, 5), normal(4, 3, 3, 3), normal(4)],
    ),
    "max pooling": (lambda x: fused.max_pool2d(x, 2), [normal(2, 3, 4, 4)]),
    "average pooling": (lambda x: fused.avg_pool2d(x, 2, 1), [normal(2, 3, 4, 4)]),
}


@pytest.mark.parametrize("name", CASES)
def test_a_gradient_is_the_slope_along_every_direction(name: str) -> None:
    function, inputs = CASES[name]
    weights = normal(*np.shape(function(*inputs)), seed=9)  # a scalar that weighs every output

    def value(*arrays: Any) -> float:
        return float(np.sum(weights * function(*arrays)))

    tensors = [Tensor(array) for array in inputs]
    found = gradients(function(*tensors), tensors, weights)
    for i, array in enumerate(inputs):
        direction = normal(*array.shape, seed=i + 20)
        h = 1e-6
        there = [*inputs[:i], array + h * direction, *inputs[i + 1 :]]
        back = [*inputs[:i], array - h * direction, *inputs[i + 1 :]]
        slope = (value(*there) - value(*back)) / (2 * h)
        assert found[i].shape == array.shape
        assert np.vdot(found[i], direction) == pytest.approx(slope, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("name", CASES)
def test_arrays_are_answered_with_arrays_and_float32_stays_float32(name: str) -> None:
    function, inputs = CASES[name]
    small = [array.astype(np.float32) for array in inputs]
    plain = function(*small)
    assert not isinstance(plain, Tensor)
    assert plain.dtype == np.float32
    tensors = [Tensor(array) for array in small]
    result = function(*tensors)
    np.testing.assert_array_equal(result.data, plain)
    for gradient in gradients(result, tensors, np.ones_like(result.data)):
        assert gradient.dtype == np.float32


@pytest.mark.parametrize("name", CASES)
def test_the_layout_of_arrays_in_memory_changes_no_value(name: str) -> None:
    function, inputs = CASES[name]
    tensors = [Tensor(np.asfortranarray(array)) for array in inputs]
    plain = [Tensor(array) for array in inputs]
    result, expected = function(*tensors), function(*plain)
    np.testing.assert_allclose(result.data, expected.data, rtol=1e-12)
    seed = normal(*expected.shape, seed=9)
    for found, gradient in zip(
        gradients(result, tensors, seed), gradients(expected, plain, seed), strict=True
    ):
        np.testing.assert_allclose(found, gradient, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("scalar", [2, 0.5, np.sqrt(64), np.float64(3), np.int64(2)])
def test_scalars_leave_float32_as_it_is(scalar: Any) -> None:
    x = Tensor(np.ones((2, 2), np.float32))
    for result in (x * scalar, scalar * x, x / scalar, scalar / x, x + scalar, scalar - x):
        assert result.dtype == np.float32
        assert gradients(result.sum(), [x])[0].dtype == np.float32


@pytest.mark.parametrize("left", [(3,), (2, 3), (5, 2, 3), (4, 1, 2, 3)])
@pytest.mark.parametrize("right", [(3,), (3, 2), (5, 3, 2), (4, 5, 3, 2)])
def test_a_matrix_product_has_the_shape_of_numpy(
    left: tuple[int, ...], right: tuple[int, ...]
) -> None:
    A, B = normal(*left), normal(*right)
    a, b = Tensor(A), Tensor(B)
    product = a @ b
    assert product.shape == np.shape(ops.matmul(A, B)) == (A @ B).shape
    np.testing.assert_allclose(product.data, A @ B, rtol=1e-12, atol=1e-12)
    found = gradients(product, [a, b], normal(*product.shape))
    assert [d.shape for d in found] == [left, right]


@pytest.mark.parametrize("V", [100, 200, 256, 300])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int32, np.uint64])
def test_ids_of_every_integer_type_have_the_same_gradient(V: int, dtype: type) -> None:
    ids = np.array([[0, 99, 5], [99, 0, 7]])
    W, weights = Tensor(normal(V, 2)), normal(2, 3, 2)
    expected = np.zeros((V, 2))
    for place, row in zip(ids.ravel(), weights.reshape(-1, 2), strict=True):
        expected[place] += row
    (found,) = gradients(ops.gather(W, ids.astype(dtype)), [W], weights)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("V", [100, 200])
def test_ids_from_the_end_and_lists_of_ids_are_rows(V: int) -> None:
    W = Tensor(normal(V, 2))
    (found,) = gradients(ops.gather(W, np.array([-1, 0], np.int8)).sum(), [W])
    assert np.flatnonzero(found[:, 0]).tolist() == [0, V - 1]
    (found,) = gradients(ops.gather(W, [1, 1]).sum(), [W])
    assert found[1].tolist() == [2, 2]
    assert not gradients(ops.gather(W, []).sum(), [W])[0].any()


@pytest.mark.parametrize("ids", [MASK[0], [True, False, True, True], np.array([0.0, 1.0])])
def test_ids_that_are_no_integers_are_refused(ids: Any) -> None:
    with pytest.raises(AutodiffError, match="ids are expected to be integers, not of type"):
        ops.gather(Tensor(normal(4, 2)), ids)
    with pytest.raises(AutodiffError, match="ids are expected to be integers, not of type"):
        fused.sum_of_rows(Tensor(normal(4, 2)), np.array(ids)[:, None])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gelu_of_large_numbers_is_a_line(dtype: type) -> None:
    A: Any = np.array([-1e30, -1e14, -21, 21, 1e14, 1e30], dtype)
    a = Tensor(A)
    value = ops.gelu(a)
    assert value.data.tolist() == np.maximum(A, 0).tolist()
    assert gradients(value.sum(), [a])[0].tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("n", [1, 3, 10, 64, 1000])
def test_rows_of_one_number_are_normal_zeros(n: int) -> None:
    """A mean is rounded, and what is left of it would be divided by the root of eps."""
    numbers = np.array([0, 0.1, 1 / 3, -7.7, 100.1, 1e4 / 3, 1e20], np.float32)
    x, ordinary = Tensor(np.repeat(numbers[:, None], n, axis=1)), normal(4, n).astype(np.float32)
    assert not fused.layer_norm(x).data.any()
    (found,) = gradients(fused.layer_norm(x), [x], normal(len(numbers), n))
    assert np.isfinite(found).all()
    both = fused.layer_norm(np.concatenate([x.data, ordinary]))
    np.testing.assert_allclose(both[len(numbers) :], fused.layer_norm(ordinary), atol=1e-6)


def test_numbers_that_hardly_differ_are_normalised_to_all_their_digits() -> None:
    x = (1000 + 1e-4 * np.arange(64)[None]).astype(np.float32)  # of which most are the same
    exact = fused.layer_norm(x.astype(np.float64))
    np.testing.assert_allclose(fused.layer_norm(x), exact, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sections", [[3, 1], [2], [-1], [], [0, 9], 5, 1, np.array([1, 4])])
@pytest.mark.parametrize("axis", [0, -1])
def test_the_pieces_of_a_split_are_those_of_numpy(sections: Any, axis: int) -> None:
    A = normal(5, 5)
    for given in (A, Tensor(A)):
        found = ops.split(given, sections, axis)
        for piece, expected in zip(found, np.split(A, sections, axis), strict=True):
            np.testing.assert_array_equal(getattr(piece, "data", piece), expected)


def test_joined_integers_take_the_floating_point_type_beside_them() -> None:
    a, n = Tensor(np.ones(3, np.float32)), np.arange(3)
    for join in (ops.concatenate, ops.stack):
        for parts in ([a, n], [n, a], [np.ones(3, np.float32), n]):
            assert join(parts).dtype == np.float32
        assert join([n, n]).dtype == n.dtype
        assert join([a, n, np.ones(3)]).dtype == np.float64
    assert ops.stack([Tensor(np.float32(1)), 2.0, 3]).data.tolist() == [1, 2, 3]
    assert ops.stack([Tensor(np.float32(1)), 2.0]).dtype == np.float32


INTEGERS = np.random.default_rng(0).integers(-4, 5, (4, 3))
OF_INTEGERS: dict[str, Function] = {
    "gelu": ops.gelu,
    "cross-entropy of ids": lambda x: fused.cross_entropy(x, IDS),
    "cross-entropy of counts": lambda x: fused.cross_entropy(x, COUNTS),
    "dropout": lambda x: fused.dropout(x, 0.3, np.random.default_rng(0)),
    "layer norm": fused.layer_norm,
    "batch norm": lambda x: fused.batch_norm(x)[0],
    "batch norm, fixed": lambda x: fused.batch_norm(x, fixed=(np.full(3, 0.5), np.ones(3)))[0],
    "attention": lambda x: fused.attention(x, x, x),
    "attention to others": lambda x: fused.attention(x, normal(4, 3), normal(4, 3, seed=1)),
    "average pooling": lambda x: fused.avg_pool2d(x.reshape(1, 1, 4, 3), 2),
    "softmax": ops.softmax,
    "log softmax": ops.log_softmax,
    "squared error": lambda x: fused.mean_squared_error(x, x[::-1]),
    "binary cross-entropy": lambda x: fused.binary_cross_entropy_with_logits(x, x % 2),
}


@pytest.mark.parametrize("name", OF_INTEGERS)
def test_a_function_of_integers_is_that_of_the_same_numbers_in_float64(name: str) -> None:
    function = OF_INTEGERS[name]
    for integers in (INTEGERS, (INTEGERS + 4).astype(np.uint8)):
        found, expected = function(integers), function(integers.astype(np.float64))
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, expected)


def test_integers_take_the_type_of_the_weights_beside_them() -> None:
    one = np.ones(3, np.float32)
    assert fused.layer_norm(INTEGERS, Tensor(one), Tensor(one)).dtype == np.float32
    assert fused.batch_norm(INTEGERS, Tensor(one), Tensor(one))[0].dtype == np.float32
    seen = fused.attention(Tensor(normal(4, 3).astype(np.float32)), INTEGERS, INTEGERS)
    assert seen.dtype == np.float32


def test_reductions_take_numbers_and_lists() -> None:
    for reduce in (ops.sum, ops.mean, ops.max):
        assert reduce(3.0) == 3
    assert ops.var(3.0) == 0
    assert (ops.sum([1, 2]), ops.mean([1, 2]), ops.var([1, 3]), ops.max([1, 2])) == (3, 1.5, 1, 2)


def test_leaky_relu_takes_integers_and_numbers() -> None:
    for dtype in (np.int64, np.int8):
        assert ops.leaky_relu(np.array([-100, 100], dtype)).tolist() == [-1, 100]
    assert [float(ops.leaky_relu(number)) for number in (-1.0, -100, 3)] == [-0.01, -1, 3]


def test_the_power_0_has_no_slope_anywhere() -> None:
    a = Tensor(np.array([np.inf, -np.inf, np.nan, 0.0, -2.0]))
    for power in (a**0, a**0.0, a ** np.zeros(5)):
        assert power.data.tolist() == [1] * 5
        assert gradients(power, [a], np.ones(5))[0].tolist() == [0] * 5


def test_a_power_of_zero_has_no_slope_along_its_exponent() -> None:
    a, b = Tensor(np.zeros(3)), Tensor(np.array([-1.0, 0, 2]))
    with np.errstate(divide="ignore"):  # 0 ** -1
        (found,) = gradients(a**b, [b], np.ones(3))
    assert found.tolist() == [0, 0, 0]


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
@pytest.mark.parametrize("axis", [None, 0, -1])
@pytest.mark.parametrize("name", ["mean", "var"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, of means of nothing
def test_means_of_no_numbers_are_those_of_numpy(shape: Any, axis: Any, name: str) -> None:
    x = Tensor(np.zeros(shape))
    found, expected = getattr(ops, name)(x, axis), getattr(np, name)(x.data, axis)
    np.testing.assert_array_equal(found.data, expected)
    assert gradients(found, [x], np.ones_like(expected))[0].shape == shape


@pytest.mark.parametrize("ddof", [2, 3])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_variance_without_degrees_of_freedom_is_that_of_numpy(ddof: int) -> None:
    A = np.array([[1.0, 2.0], [3.0, 3.0]])
    np.testing.assert_array_equal(ops.var(A, 1, ddof=ddof), np.var(A, 1, ddof=ddof))


def test_products_over_no_numbers_are_zero() -> None:
    x, W, b = Tensor(normal(5, 0)), Tensor(normal(0, 4)), Tensor(normal(4))
    value = fused.linear(x, W, b)
    np.testing.assert_array_equal(value.data, np.tile(b.data, (5, 1)))
    found = gradients(value, [x, W, b], np.ones((5, 4)))
    assert [g.shape for g in found] == [(5, 0), (0, 4), (4,)]
    q, keys, v = Tensor(normal(2, 4, 3)), Tensor(normal(2, 0, 3)), Tensor(normal(2, 0, 5))
    seen = fused.attention(q, keys, v)
    np.testing.assert_array_equal(seen.data, np.zeros((2, 4, 5)))
    found = gradients(seen, [q, keys, v], np.ones((2, 4, 5)))
    assert [g.shape for g in found] == [q.shape, keys.shape, v.shape]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: ops.split(x, 0),
        lambda x: fused.layer_norm(x[:, :0]),
        lambda x: fused.batch_norm(x[:, :0]),
    ],
)
def test_shapes_that_make_no_parts_are_refused(wrong: Function) -> None:
    with pytest.raises(AutodiffError, match=r"does not fit arrays of shapes \(4, "):
        wrong(Tensor(normal(4, 4)))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_losses_of_no_numbers_are_nan() -> None:
    x = Tensor(np.zeros((0, 3)))
    for loss in (
        fused.mean_squared_error(x, np.zeros((0, 3))),
        fused.cross_entropy(x, np.zeros(0, np.int64)),
        fused.cross_entropy(x, np.zeros((0, 3))),
        fused.binary_cross_entropy_with_logits(x, np.zeros((0, 3))),
    ):
        assert math.isnan(loss.item())
        assert gradients(loss, [x])[0].shape == (0, 3)


def test_a_small_sigmoid_has_all_its_digits() -> None:
    A = np.array([-90, -40, -20, -1, 0, 1, 20, 90], np.float32)
    a = Tensor(A)
    exact = 1 / (1 + np.exp(-A.astype(np.float64)))
    np.testing.assert_allclose(ops.sigmoid(a).data, exact, rtol=3e-7, atol=1e-44)
    np.testing.assert_allclose(ops.sigmoid(A.astype(np.float64)), exact, rtol=1e-15)
    (slope,) = gradients(ops.log(ops.sigmoid(a[1:])).sum(), [a])
    np.testing.assert_allclose(slope[1:], (1 - exact)[1:], rtol=1e-6, atol=1e-7)
    (slope,) = gradients(ops.sigmoid(a), [a], np.ones_like(A))
    np.testing.assert_allclose(slope[:5], (exact * (1 - exact))[:5], rtol=1e-6, atol=1e-44)
    np.testing.assert_allclose(ops.sigmoid(A[1:].astype(np.int8)), exact[1:], rtol=1e-15)
    assert float(ops.sigmoid(-1e9)) == 0.0


# Worked examples


def test_a_product_of_a_sum() -> None:
    """f = (x + y) z at -2, 5, -4: f = -12, df/dx = df/dy = z = -4, df/dz = x + y = 3."""
    x, y, z = Tensor(-2.0), Tensor(5.0), Tensor(-4.0)
    f = (x + y) * z
    f.backward()
    assert (f.item(), x.grad, y.grad, z.grad) == (-12.0, -4.0, -4.0, 3.0)


def test_a_tensor_that_wants_no_gradient_gets_none() -> None:
    x, y = Tensor(-2.0, requires_grad=False), Tensor(5.0)
    (x * y).backward()
    assert x.grad is None
    assert y.grad == -2.0


def test_a_quotient_of_polynomials() -> None:
    """(2x - 3) / (x^3 + x^2 - x) has at 1 the derivative (2 * 1 - (-1) * 4) / 1 = 6."""
    x = Tensor(1.0)
    ((2 * x - 3) / (x**3 + x**2 - x)).backward()
    assert x.grad == pytest.approx(6.0)


def test_a_line_through_four_points() -> None:
    xs, ys = np.array([3.1, -0.1, 4, -2.1]), np.array([-0.6, -1.9, 0, -3])
    a, b = Tensor(0.0), Tensor(0.0)
    for _ in range(100):
        d_a, d_b = gradients(fused.mean_squared_error(a * xs + b, ys), [a, b])
        a, b = Tensor(a.data - 0.1 * d_a), Tensor(b.data - 0.1 * d_b)
    assert (a + b).item() == pytest.approx(-1.48, abs=0.005)


def test_a_small_network_learns_four_rows() -> None:
    X = np.array([(2, 3, -1), (3, -1, 0.5), (0.5, 1, 1), (1, 1, -1)])
    Y = np.array([[1.0], [-1], [-1], [1]])
    rng = np.random.default_rng(0)
    sizes = [3, 4, 4, 1]
    W = [rng.uniform(-1, 1, shape) for shape in itertools.pairwise(sizes)]
    b = [np.zeros(n) for n in sizes[1:]]
    for _ in range(1000):
        tensors = [Tensor(array) for array in (*W, *b)]
        h: Any = X
        for weight, bias in zip(tensors[:3], tensors[3:], strict=True):
            h = ops.tanh(fused.linear(h, weight, bias))
        loss = ((h - Y) ** 2).sum()
        for array, d in zip((*W, *b), gradients(loss, tensors), strict=True):
            array -= 0.1 * d
    assert loss.item() < 0.001


def test_the_bigram_has_the_loss_and_the_gradient_of_its_closed_form() -> None:
    from makemore.models.bigram import collapsed_loss_and_gradient

    N = np.random.default_rng(0).integers(0, 50, (27, 27)).astype(float)
    W = Tensor(normal(27, 27))
    loss = fused.cross_entropy(W, N)
    expected, d_W = collapsed_loss_and_gradient(W.data, N)
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(gradients(loss, [W])[0], d_W, rtol=0, atol=1e-12)


# What a graph promises


def test_a_value_used_twice_adds_up_its_gradients() -> None:
    x = Tensor(3.0)
    y = x * x
    (y + y * x).backward()  # x^2 + x^3
    assert x.grad == 2 * 3 + 3 * 9


def test_backward_twice_gives_the_same_gradients() -> None:
    x = Tensor(np.array([1.0, 2.0]))
    loss = (x**2).sum()
    for _ in range(2):
        loss.backward()
        assert x.grad is not None
        assert x.grad.tolist() == [2.0, 4.0]


def test_gradients_do_not_share_memory() -> None:
    a, b = Tensor(np.ones(3)), Tensor(np.ones(3))
    (a + b).sum().backward()
    assert a.grad is not None
    a.grad += 5
    assert b.grad is not None
    assert b.grad.tolist() == [1, 1, 1]


def test_a_chain_of_100_000_operations_does_not_recurse() -> None:
    x = Tensor(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1e-5
    y.backward()
    assert x.grad == 1.0


def test_a_graph_is_freed_by_reference_counts_alone() -> None:
    def step() -> None:
        x = Tensor(np.ones((200, 200)))
        gradients(ops.tanh(x @ x).sum(), [x])

    gc.disable()
    try:
        step()
        tracemalloc.start()
        for _ in range(50):
            step()
        now, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert now < 200 * 200 * 8  # less than one of the arrays


def test_what_nothing_depends_on_has_the_gradient_zero() -> None:
    x, y = Tensor(np.ones(2)), Tensor(np.ones(3))
    found = gradients((x * 2).sum(), [x, y])
    assert [g.tolist() for g in found] == [[2, 2], [0, 0, 0]]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: Tensor(np.arange(3)), r"int64.*\(3,\)"),
        (lambda: Tensor(np.ones(3)).backward(), r"\(3,\)"),
        (lambda: Tensor(np.ones((2, 3))) + np.ones(4), r"\(2, 3\).*\(4,\)"),
        (lambda: Tensor(np.ones((2, 3))) + None, r"\(2, 3\).* expected, not None"),
        (lambda: Tensor(np.ones((2, 3))) @ np.ones((2, 3)), r"\(2, 3\).*\(2, 3\)"),
        (lambda: gradients(Tensor(1.0) * 1.0, [Tensor(1.0)], np.ones(2)), r"\(2,\)"),
        (lambda: ops.pad(Tensor(np.ones(1)), [(-1, 1)]), r"\(1,\).* not \[\(-1, 1\)\]"),
        (lambda: ops.gather(Tensor(np.ones(3)), IDS), r"\(3,\).*: rows \(V, n\)"),
        (lambda: fused.sum_of_rows(Tensor(np.ones((2, 3))), IDS[0]), r"\(2, 3\).*: rows \(K, n\)"),
    ],
)
def test_a_fault_names_the_shapes(wrong: Callable[[], object], said: str) -> None:
    with pytest.raises(AutodiffError, match=said):
        wrong()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x, W: fused.conv2d(x, W, stride=0),
        lambda x, W: fused.conv2d(x, W, stride=-1),
        lambda x, W: fused.conv2d(x, W, padding=-1),
        lambda x, W: fused.max_pool2d(x, 0),
        lambda x, W: fused.max_pool2d(x, -1),
        lambda x, W: fused.avg_pool2d(x, 2, 0),
        lambda x, W: fused.avg_pool2d(x, 2, -1),
    ],
)
def test_windows_that_do_not_move_forward_are_refused(wrong: Function) -> None:
    with pytest.raises(AutodiffError, match=r"2d does not fit .*: expected 1"):
        wrong(Tensor(normal(1, 1, 4, 4)), normal(1, 1, 2, 2))


@pytest.mark.parametrize(
    ("target", "said"), [(-1, "ids of at least 0, not -1"), (3, "index 3 is out of bounds")]
)
def test_a_target_outside_the_vocabulary_is_refused(target: int, said: str) -> None:
    with pytest.raises(AutodiffError, match=rf"cross_entropy.*\(2, 3\).*{said}"):
        fused.cross_entropy(Tensor(normal(2, 3)), np.array([0, target]))


def test_an_own_operation_is_one_row_for_each_parent() -> None:
    def cube(a: Tensor) -> Any:
        return record(a.data**3, (a, lambda g: g * 3 * a.data**2))

    x = Tensor(2.0)
    assert gradients(cube(x), [x])[0] == 12.0
    assert math.isclose(cube(x).item(), 8.0)
