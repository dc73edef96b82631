"""Layers, optimizers and schedules against PyTorch 2.13, where it is installed.

Weights go into PyTorch's layers turned over where theirs multiply from the left.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

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


def test_cross_entropy_is_pytorchs_with_ids_and_with_shares() -> None:
    logits, ids = normal(6, 4), np.array([0, 3, 1, 1, 2, 0])
    functional = torch.nn.functional.cross_entropy
    expected = functional(torch.tensor(logits), torch.tensor(ids)).item()
    assert cross_entropy(logits, ids).item() == pytest.approx(expected)
    shares = generator().dirichlet(np.ones(4), 6)
    expected = functional(torch.tensor(logits), torch.tensor(shares)).item()
    assert cross_entropy(logits, shares).item() == pytest.approx(expected)


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
