"""The network of the lesson backprop, and its gradient by hand in two forms.

``FORWARD`` and ``BACKWARD`` hold the lines that the lesson prints, and these are the lines that are
run: forward on Tensors, so that the engine can be asked, too; backward on plain arrays.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from makemore import nn
from makemore.autodiff import Tensor, data, exp, gather, log, tanh

CONTEXT, N, H = 3, 4, 10
"""The symbols of a window, the numbers of an embedding, the hidden units."""

FORWARD = (
    ("x", "gather(C, X).reshape(B, -1)"),
    ("z", "x @ W1 + b1"),
    ("mean", "z.mean(axis=0)"),
    ("centred", "z - mean"),
    ("variance", "(centred * centred).mean(axis=0)"),
    ("inverse", "(variance + 1e-5) ** -0.5"),
    ("normal", "centred * inverse"),
    ("out", "normal * gain + shift"),
    ("h", "tanh(out)"),
    ("logits", "h @ W2 + b2"),
    ("E", "exp(logits)"),
    ("sums", "E.sum(axis=1, keepdims=True)"),
    ("P", "E / sums"),
    ("logP", "log(P)"),
    ("loss", "-1 / B * (logP * Y).sum()"),
)
BACKWARD = (
    ("logP", "-Y / B"),
    ("P", "d_logP / P"),
    ("sums", "-(d_P * E / sums**2).sum(axis=1, keepdims=True)"),
    ("E", "d_P / sums + d_sums"),
    ("logits", "d_E * E"),
    ("b2", "d_logits.sum(axis=0)"),
    ("W2", "h.T @ d_logits"),
    ("h", "d_logits @ W2.T"),
    ("out", "d_h * (1 - h**2)"),
    ("shift", "d_out.sum(axis=0)"),
    ("gain", "(d_out * normal).sum(axis=0)"),
    ("normal", "d_out * gain"),
    ("inverse", "(d_normal * centred).sum(axis=0)"),
    ("variance", "d_inverse * -0.5 * inverse**3"),
    ("centred", "d_normal * inverse + d_variance * 2 / B * centred"),
    ("mean", "-d_centred.sum(axis=0)"),
    ("z", "d_centred + d_mean / B"),
    ("b1", "d_z.sum(axis=0)"),
    ("W1", "x.T @ d_z"),
    ("x", "d_z @ W1.T"),
    ("C", "onehot_X.T @ d_x.reshape(-1, C.shape[1])"),
)


def parameters(V: int, random: np.random.Generator) -> dict[str, Tensor]:
    """Return the network's numbers in float64."""
    sizes = {"C": (V, N), "W1": (CONTEXT * N, H), "W2": (H, V)}
    values = {name: nn.normal(size, random, 0.4, np.float64) for name, size in sizes.items()}
    vectors = {"b1": np.zeros(H), "gain": np.ones(H), "shift": np.zeros(H), "b2": np.zeros(V)}
    return {name: Tensor(array) for name, array in (values | vectors).items()}


def run_forward(weights: Mapping[str, Tensor], X: Any, Y: Any) -> dict[str, Any]:
    """Run the lines of ``FORWARD`` on Tensors; return all values by name."""
    known: dict[str, Any] = {"X": X, "Y": Y, "B": len(X), "gather": gather, "tanh": tanh}
    known |= {"exp": exp, "log": log, **weights}
    for name, line in FORWARD:
        known[name] = eval(line, {}, known)
    return known


def run_backward(values: Mapping[str, Any]) -> dict[str, Any]:
    """Run the lines of ``BACKWARD`` on arrays; return the gradients by name."""
    known = {name: data(value) for name, value in values.items()}
    known["onehot_X"] = np.eye(len(known["C"]))[known["X"].ravel()]
    for name, line in BACKWARD:
        known[f"d_{name}"] = eval(line, {}, known)
    return {name: known[f"d_{name}"] for name, _ in BACKWARD}


def closed_form(v: Mapping[str, Any]) -> dict[str, Any]:
    """Return the gradients of the parameters in few lines: two groups of operations at once."""
    size, X = len(v["X"]), v["X"]
    d_logits = (v["P"] - v["Y"]) / size
    d_out = d_logits @ v["W2"].T * (1 - v["h"] ** 2)
    gain, shift = (d_out * v["normal"]).sum(axis=0), d_out.sum(axis=0)
    d_z = v["gain"] * v["inverse"] / size * (size * d_out - shift - v["normal"] * gain)
    d_C = np.zeros_like(v["C"])
    np.add.at(d_C, X, (d_z @ v["W1"].T).reshape(*X.shape, -1))
    d = {"W2": v["h"].T @ d_logits, "b2": d_logits.sum(axis=0), "gain": gain, "shift": shift}
    return d | {"W1": v["x"].T @ d_z, "b1": d_z.sum(axis=0), "C": d_C, "logits": d_logits, "z": d_z}
