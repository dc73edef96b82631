"""Operations, layers, optimizers and schedules against PyTorch 2.13, where it is installed.

Weights go into PyTorch's layers turned over where theirs multiply from the left.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import makemore.autodiff as autodiff
import makemore.nn as nn
from makemore.autodiff import Tensor, cross_entropy, data, gradients

torch: Any = pytest.importorskip("torch", reason="PyTorch is not installed")

F8: Any = {"dtype": np.float64}


@pytest.fixture(autouse=True)
def _in_float64() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def normal(*shape: int) -> Any:
    return generator(3).normal(size=shape)


def positive(*shape: int) -> Any:
    return np.abs(normal(*shape)) + 0.1


IDS = np.array([[2, 0], [2, 1], [0, 0]])
MASK = np.array(
    [[True, False, True], [False, False, False], [True, True, True], [False] * 2 + [True]]
)
SHARES = np.array([[0.2, 0.0, 0.8], [0.5, 0.5, 0.0]])
EDGES = np.outer(
    [1.0, -1.0], [0.0, 5e-324, 1e-300, 0.5, 3.0, 20.5, 709.0, 1e10, 1e300, np.inf]
).ravel()
functional = torch.nn.functional
ELEMENTWISE: dict[str, tuple[Any, Any]] = {
    "negate": (autodiff.negate, torch.neg),
    "absolute": (autodiff.absolute, torch.abs),
    "exp": (autodiff.exp, torch.exp),
    "log": (autodiff.log, torch.log),
    "sqrt": (autodiff.sqrt, torch.sqrt),
    "tanh": (autodiff.tanh, torch.tanh),
    "sigmoid": (autodiff.sigmoid, torch.sigmoid),
    "relu": (autodiff.relu, torch.relu),
    "leaky relu": (autodiff.leaky_relu, functional.leaky_relu),
    "gelu": (autodiff.gelu, lambda x: functional.gelu(x, approximate="tanh")),
    "square": (lambda x: x**2, lambda x: x**2),
    "inverse": (lambda x: x**-1, lambda x: x**-1),
    "one": (lambda x: x**0, lambda x: x**0),
    "power of two": (lambda x: 2.0**x, lambda x: 2.0**x),
}
Operation = tuple[Callable[..., Any], Callable[..., Any], list[Any]]
OPERATIONS: dict[str, Operation] = {
    "add": (autodiff.add, torch.add, [normal(3, 4), normal(4)]),
    "subtract": (autodiff.subtract, torch.sub, [normal(3, 1), normal(1, 4)]),
    "multiply": (autodiff.multiply, torch.mul, [normal(2, 3, 4), normal(3, 1)]),
    "divide": (autodiff.divide, torch.div, [normal(3, 4), positive(4)]),
    "power": (autodiff.power, torch.pow, [positive(3, 4), normal(4)]),
    "maximum": (autodiff.maximum, torch.maximum, [normal(3, 4).round(), normal(4).round()]),
    "where": (
        lambda a, b: autodiff.where(MASK, a, b),
        lambda a, b: torch.where(torch.tensor(MASK), a, b), [normal(4, 3), normal(3)],
    ),
    "sum": (lambda x: x.sum((0, 2)), lambda x: x.sum((0, 2)), [normal(2, 3, 4)]),
    "mean": (lambda x: x.mean(1), lambda x: x.mean(1), [normal(2, 3, 4)]),
    "variance": (
        lambda x: x.var(1, ddof=1), lambda x: x.var(1, correction=1), [normal(2, 3, 4)],
    ),
    "maxima": (lambda x: x.max(1), lambda x: x.amax(1), [normal(2, 3, 4).round()]),
    "softmax": (autodiff.softmax, lambda x: x.softmax(-1), [1e3 * normal(3, 4)]),
    "log softmax": (
        lambda x: autodiff.log_softmax(x, 0), lambda x: x.log_softmax(0), [1e3 * normal(3, 4)],
    ),
    "matrix product": (autodiff.matmul, torch.matmul, [normal(2, 1, 3, 4), normal(5, 4, 2)]),
    "product with a vector": (autodiff.matmul, torch.matmul, [normal(5, 3, 4), normal(4)]),
    "transpose": (
        lambda x: x.transpose(1, 2, 0), lambda x: x.permute(1, 2, 0), [normal(2, 3, 4)],
    ),
    "reshape": (lambda x: x.reshape(-1, 2), lambda x: x.reshape(-1, 2), [normal(3, 4)]),
    "concatenate": (
        lambda a, b: autodiff.concatenate([a, b, a], 1),
        lambda a, b: torch.cat([a, b, a], 1), [normal(3, 4), normal(3, 2)],
    ),
    "stack": (
        lambda a, b: autodiff.stack([a, b], -1), lambda a, b: torch.stack([a, b], -1),
        [normal(3, 4), normal(4, 3).T],
    ),
    "split": (
        lambda x: autodiff.split(x, 2, 1)[1], lambda x: x.split(2, 1)[1], [normal(3, 4)],
    ),
    "pad": (
        lambda x: autodiff.pad(x, ((1, 0), (0, 2)), 7.0),
        lambda x: functional.pad(x, (0, 2, 1, 0), value=7.0), [normal(3, 4)],
    ),
    "index": (lambda x: x[[0, 2, 0], 1:], lambda x: x[[0, 2, 0], 1:], [normal(3, 4)]),
    "embedding": (
        lambda W: autodiff.gather(W, IDS),
        lambda W: functional.embedding(torch.tensor(IDS), W), [normal(3, 4)],
    ),
    "sum of rows": (
        lambda W: autodiff.sum_of_rows(W, IDS),
        lambda W: functional.embedding(torch.tensor(IDS), W).sum(1), [normal(3, 4)],
    ),
    "flatten": (nn.Flatten(), torch.nn.Flatten(), [normal(2, 3, 4)]),
    "cross-entropy of ids": (
        lambda z: cross_entropy(z, IDS[:, 0]),
        lambda z: functional.cross_entropy(z, torch.tensor(IDS[:, 0])), [1e3 * normal(3, 4)],
    ),
    "cross-entropy of shares": (
        lambda z: cross_entropy(z, SHARES),
        lambda z: functional.cross_entropy(z, torch.tensor(SHARES)), [normal(2, 3)],
    ),
    "squared error": (
        autodiff.mean_squared_error, functional.mse_loss, [normal(3, 4), normal(4, 3).T],
    ),
    "binary cross-entropy": (
        autodiff.binary_cross_entropy_with_logits,
        functional.binary_cross_entropy_with_logits, [1e3 * normal(2, 3), SHARES],
    ),
    "attention": (
        lambda q, k, v: autodiff.attention(q, k, v, MASK),
        lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, torch.tensor(MASK)),
        [normal(2, 4, 5), normal(2, 3, 5), normal(2, 3, 6)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_has_pytorchs_value_and_gradients(name: str) -> None:
    ours, theirs, arrays = OPERATIONS[name]
    for found, expected in of_both(ours, theirs, arrays):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, of numbers that overflow
def test_where_pytorch_has_numbers_a_function_of_each_element_has_them(name: str) -> None:
    for found, expected in of_both(*ELEMENTWISE[name], [EDGES]):
        known = ~np.isnan(expected)
        np.testing.assert_allclose(found[known], expected[known], rtol=1e-8)


def of_both(ours: Any, theirs: Any, arrays: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Yield the values of two functions of arrays, and then their gradients, one by one."""
    mine = [Tensor(array) for array in arrays]
    their = [torch.tensor(array, requires_grad=True) for array in arrays]
    value, expected = ours(*mine), theirs(*their)
    yield value.data, expected.detach().numpy()
    weights = generator(5).normal(size=value.shape)
    slopes = torch.autograd.grad(expected, their, torch.tensor(weights))
    for found, slope in zip(gradients(value, mine, weights), slopes, strict=True):
        yield found, slope.numpy()


def put(theirs: Any, ours: Any) -> None:
    """Copy an array of ours into a parameter of theirs."""
    array = np.asarray(data(ours))
    with torch.no_grad():
        theirs.copy_(torch.tensor(array if theirs.shape == array.shape else array.T))


def linear(ours: Any, theirs: Any) -> dict[str, Any]:
    """Give two layers the same weights; return the parameters of theirs by the names of ours."""
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor(ours.weight.data.T))
        theirs.bias.copy_(torch.tensor(ours.bias.data))
    return {"weight": theirs.weight, "bias": theirs.bias}


def same_names(ours: Any, theirs: Any) -> dict[str, Any]:
    found = dict(theirs.named_parameters())
    for name, tensor in ours.parameters().items():
        put(found[name], tensor)
    return found


def recurrent(ours: Any, theirs: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, cell in enumerate(ours.layers):
        for mine, name in (
            ("input_weight", "weight_ih_l"),
            ("hidden_weight", "weight_hh_l"),
            ("input_bias", "bias_ih_l"),
            ("hidden_bias", "bias_hh_l"),
        ):
            parameter = getattr(theirs, f"{name}{number}")
            with torch.no_grad():
                parameter.copy_(torch.tensor(getattr(cell, mine).data.T))
            found[f"layers.{number}.{mine}"] = parameter
    return found


def attention(ours: Any, theirs: Any) -> dict[str, Any]:
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.tensor(ours.weight.data.T))
        theirs.in_proj_bias.copy_(torch.tensor(ours.bias.data))
    found = linear(ours.out, theirs.out_proj)
    return {
        "weight": theirs.in_proj_weight,
        "bias": theirs.in_proj_bias,
        **{f"out.{name}": parameter for name, parameter in found.items()},
    }


def block(ours: Any, theirs: Any) -> dict[str, Any]:
    parts = {
        "attention": attention(ours.attention, theirs.self_attn),
        "inner": linear(ours.inner, theirs.linear1),
        "outer": linear(ours.outer, theirs.linear2),
        "attention_norm": same_names(ours.attention_norm, theirs.norm1),
        "norm": same_names(ours.norm, theirs.norm2),
    }
    return {f"{part}.{name}": p for part, names in parts.items() for name, p in names.items()}


def gelu(x: Any) -> Any:
    return torch.nn.functional.gelu(x, approximate="tanh")


def their_block(norm_first: bool, activation: Any) -> Any:
    return torch.nn.TransformerEncoderLayer(
        8, 2, 12, dropout=0.0, activation=activation, batch_first=True, norm_first=norm_first
    )


def their_causal_attention() -> Any:
    return torch.nn.MultiheadAttention(8, 2, batch_first=True)


def sees_earlier(layer: Any, x: Any) -> Any:
    mask = torch.triu(torch.ones(x.shape[1], x.shape[1], dtype=torch.bool), diagonal=1)
    return layer(x, x, x, attn_mask=mask, need_weights=False)[0]


def forward(layer: Any, x: Any) -> Any:
    value = layer(x)
    return value[0] if isinstance(value, tuple) else value


Case = tuple[Callable[[], Any], Callable[[], Any], Callable[[Any, Any], dict[str, Any]], Any]
CASES: dict[str, Case] = {
    "linear": (
        lambda: nn.Linear(3, 4, generator(), **F8), lambda: torch.nn.Linear(3, 4), linear,
        normal(5, 3),
    ),
    "layer norm": (
        lambda: nn.LayerNorm(6, **F8), lambda: torch.nn.LayerNorm(6), same_names, normal(4, 6),
    ),
    "batch norm 1d": (
        lambda: nn.BatchNorm1d(4, **F8), lambda: torch.nn.BatchNorm1d(4), same_names, normal(7, 4),
    ),
    "batch norm 2d": (
        lambda: nn.BatchNorm2d(3, **F8), lambda: torch.nn.BatchNorm2d(3), same_names,
        normal(2, 3, 5, 4),
    ),
    "convolution": (
        lambda: nn.Conv2d(2, 3, 3, generator(), stride=2, padding=1, **F8),
        lambda: torch.nn.Conv2d(2, 3, 3, stride=2, padding=1), same_names, normal(2, 2, 7, 6),
    ),
    "max pool": (
        lambda: nn.MaxPool2d(2), lambda: torch.nn.MaxPool2d(2), same_names, normal(2, 3, 5, 6),
    ),
    "average pool": (
        lambda: nn.AvgPool2d(3, 2), lambda: torch.nn.AvgPool2d(3, 2), same_names,
        normal(2, 3, 7, 8),
    ),
    "rnn": (
        lambda: nn.RNN(3, 5, generator(), layers=2, **F8),
        lambda: torch.nn.RNN(3, 5, 2, batch_first=True), recurrent, normal(2, 6, 3),
    ),
    "gru": (
        lambda: nn.GRU(3, 5, generator(), layers=2, **F8),
        lambda: torch.nn.GRU(3, 5, 2, batch_first=True), recurrent, normal(2, 6, 3),
    ),
    "lstm": (
        lambda: nn.LSTM(3, 5, generator(), layers=2, **F8),
        lambda: torch.nn.LSTM(3, 5, 2, batch_first=True), recurrent, normal(2, 6, 3),
    ),
    "block, norm first": (
        lambda: nn.TransformerBlock(8, 2, generator(), hidden=12, **F8),
        lambda: their_block(True, gelu), block, normal(2, 5, 8),
    ),
    "block, norm after": (
        lambda: nn.TransformerBlock(
            8, 2, generator(), hidden=12, norm_first=False, activation="relu", **F8
        ),
        lambda: their_block(False, torch.nn.functional.relu), block, normal(2, 5, 8),
    ),
    "gelu": (lambda: nn.GELU(), lambda: gelu, lambda ours, theirs: {}, normal(3, 4)),
    "leaky relu": (
        lambda: nn.LeakyReLU(0.1), lambda: torch.nn.LeakyReLU(0.1), same_names, normal(3, 4),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_layer_has_pytorchs_values_and_gradients(name: str) -> None:
    make_ours, make_theirs, match, x = CASES[name]
    ours, theirs = make_ours(), make_theirs()
    parameters = match(ours, theirs)
    assert parameters.keys() == ours.parameters().keys()
    compare(ours, lambda value: forward(theirs, value), ours.parameters(), parameters, x)


def test_causal_attention_is_pytorchs() -> None:
    ours, theirs = nn.MultiHeadAttention(8, 2, generator(), **F8), their_causal_attention()
    parameters = attention(ours, theirs)
    compare(
        lambda x: ours(x, causal=True),
        lambda x: sees_earlier(theirs, x),
        ours.parameters(),
        parameters,
        normal(2, 5, 8),
    )


def compare(
    ours: Callable[[Any], Any],
    theirs: Callable[[Any], Any],
    own: dict[str, Tensor],
    their: dict[str, Any],
    x: Any,
) -> None:
    """Compare values, and the gradients of inputs and parameters, to 1e-5."""
    mine, given = Tensor(x), torch.tensor(x, requires_grad=True)
    value, expected = ours(mine), theirs(given)
    np.testing.assert_allclose(value.data, expected.detach().numpy(), rtol=1e-5, atol=1e-8)
    weights = generator(5).normal(size=value.shape)
    (expected * torch.tensor(weights)).sum().backward()
    names = list(own)
    found = gradients(value, [mine, *own.values()], weights)
    np.testing.assert_allclose(found[0], given.grad.numpy(), rtol=1e-5, atol=1e-8)
    for name, gradient in zip(names, found[1:], strict=True):
        grad = their[name].grad.numpy()
        if _is_turned(name, gradient):
            grad = grad.T
        np.testing.assert_allclose(gradient, grad, rtol=1e-5, atol=1e-8, err_msg=name)


def _is_turned(name: str, gradient: Any) -> bool:
    """Return whether it is a matrix, which multiplies from the other side in PyTorch."""
    return name.endswith("weight") and gradient.ndim == 2


def test_batch_normalisation_remembers_what_pytorch_remembers() -> None:
    ours, theirs = nn.BatchNorm1d(3, **F8), torch.nn.BatchNorm1d(3)
    for seed in range(3):
        x = generator(seed).normal(size=(5, 3))
        ours(x)
        theirs(torch.tensor(x))
    np.testing.assert_allclose(ours.running_mean, theirs.running_mean.numpy())
    np.testing.assert_allclose(ours.running_var, theirs.running_var.numpy())
    ours.evaluate()
    theirs.eval()
    np.testing.assert_allclose(data(ours(x)), theirs(torch.tensor(x)).detach().numpy())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("layer", "theirs", "part"),
    [
        (
            lambda **d: nn.Linear(30, 400, generator(), **d),
            lambda: torch.nn.Linear(30, 400),
            "weight",
        ),
        (
            lambda **d: nn.Conv2d(30, 20, 3, generator(), **d),
            lambda: torch.nn.Conv2d(30, 20, 3),
            "weight",
        ),
        (
            lambda **d: nn.Embedding(30, 400, generator(), **d),
            lambda: torch.nn.Embedding(30, 400),
            "weight",
        ),
        (
            lambda **d: nn.GRUCell(30, 40, generator(), **d),
            lambda: torch.nn.GRUCell(30, 40),
            "hidden_weight",
        ),
    ],
)
def test_the_first_weights_have_pytorchs_spread(
    layer: Callable[..., Any], theirs: Callable[[], Any], part: str, dtype: Any
) -> None:
    torch.manual_seed(0)
    name = {"hidden_weight": "weight_hh"}.get(part, part)
    mine = getattr(layer(dtype=dtype), part).data
    expected = getattr(theirs(), name).detach().numpy()
    assert mine.dtype == dtype
    assert mine.std() == pytest.approx(expected.std(), rel=0.05)
    assert np.abs(mine).max() == pytest.approx(np.abs(expected).max(), rel=0.25)


OPTIMIZERS: dict[str, tuple[Callable[[], nn.Optimizer], Callable[[Any], Any]]] = {
    "sgd": (
        lambda: nn.SGD(learning_rate=0.1, weight_decay=0.01),
        lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.01),
    ),
    "momentum": (
        lambda: nn.SGD(learning_rate=0.1, momentum=0.9),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    ),
    "nesterov": (
        lambda: nn.SGD(learning_rate=0.1, momentum=0.9, nesterov=True),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    ),
    "rmsprop": (
        lambda: nn.RMSProp(weight_decay=0.01),
        lambda p: torch.optim.RMSprop(p, weight_decay=0.01),
    ),
    "adam": (lambda: nn.Adam(weight_decay=0.1), lambda p: torch.optim.Adam(p, weight_decay=0.1)),
    "adamw": (
        lambda: nn.AdamW(betas=(0.9, 0.99), weight_decay=0.1),
        lambda p: torch.optim.AdamW(p, betas=(0.9, 0.99), weight_decay=0.1),
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_twenty_steps_are_pytorchs(name: str) -> None:
    make_ours, make_theirs = OPTIMIZERS[name]
    ours = make_ours()
    values = normal(7)
    parameter = torch.tensor(values.copy(), requires_grad=True)
    theirs = make_theirs([parameter])
    for step in range(20):
        gradient = generator(step).normal(size=7)
        parameter.grad = torch.tensor(gradient)
        theirs.step()
        ours.step(values, gradient)
    np.testing.assert_allclose(values, parameter.detach().numpy(), rtol=1e-5)


SCHEDULES: dict[str, tuple[nn.Schedule, Callable[[Any], Any]]] = {
    "step decay": (
        nn.step_decay(0.1, every=5, factor=0.5),
        lambda o: torch.optim.lr_scheduler.StepLR(o, 5, 0.5),
    ),
    "exponential": (
        nn.exponential(0.1, 0.9), lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.9),
    ),
    "cosine": (
        nn.cosine(0.1, 20, final=0.01),
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 20, 0.01),
    ),
    "cyclic": (
        nn.cyclic(0.01, 0.1, 4),
        lambda o: torch.optim.lr_scheduler.CyclicLR(o, 0.01, 0.1, 4, cycle_momentum=False),
    ),
    "one-cycle": (
        nn.one_cycle(0.1, 20),
        lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.1, 20, cycle_momentum=False),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEDULES)
def test_twenty_rates_are_pytorchs(name: str) -> None:
    ours, make_theirs = SCHEDULES[name]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    theirs = make_theirs(optimizer)
    for step in range(20):
        assert ours(step) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-5), step
        optimizer.step()
        if step < 19:
            theirs.step()


def test_clipping_is_pytorchs() -> None:
    gradient = normal(9)
    parameter = torch.zeros(9, requires_grad=True)
    parameter.grad = torch.tensor(gradient.copy())
    expected = torch.nn.utils.clip_grad_norm_([parameter], 0.5).item()
    assert nn.clip_by_norm(gradient, 0.5) == pytest.approx(expected)
    np.testing.assert_allclose(gradient, parameter.grad.numpy(), rtol=1e-5)
