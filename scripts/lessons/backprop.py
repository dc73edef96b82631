"""Lesson backprop: the gradient of a network with batch normalisation by hand, line by line.

``LINES`` are printed, and they are run: forward on Tensors, so that the engine can be asked, too,
and backward on arrays.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from lessons.figures import SIGNED, canvas
from lessons.setting import Setting
from lessons.stage import Stage, apart, shape, table, tiny, where_it_stands
from lessons.windows import windows
from makemore import nn
from makemore.autodiff import Tensor, cross_entropy, data, exp, gather, gradients, log, tanh
from makemore.pictures.heatmap import turn_long_labels

TITLE = "The gradient of a network by hand"
MINUTES = 0.2
CONTEXT, N, H, B = 3, 4, 10, 8  # symbols of a window, numbers of a symbol, hidden units, windows
MAX_LABELS = 40  # the maximum number of columns with labels, more of which would overlap
LINES = (  # name, value, and gradient of the loss along it; parameters have no line of their own
    ("C", "", "onehot_X.T @ d_x.reshape(-1, C.shape[1])"),
    ("x", "gather(C, X).reshape(B, -1)", "d_z @ W1.T"),
    ("W1", "", "x.T @ d_z"),
    ("b1", "", "d_z.sum(axis=0)"),
    ("z", "x @ W1 + b1", "d_centred + d_mean / B"),
    ("mean", "z.mean(axis=0)", "-d_centred.sum(axis=0)"),
    ("centred", "z - mean", "d_normal * inverse + d_variance * 2 / B * centred"),
    ("variance", "(centred * centred).mean(axis=0)", "d_inverse * -0.5 * inverse**3"),
    ("inverse", "(variance + 1e-5) ** -0.5", "(d_normal * centred).sum(axis=0)"),
    ("normal", "centred * inverse", "d_out * gain"),
    ("gain", "", "(d_out * normal).sum(axis=0)"),
    ("shift", "", "d_out.sum(axis=0)"),
    ("out", "normal * gain + shift", "d_h * (1 - h**2)"),
    ("h", "tanh(out)", "d_logits @ W2.T"),
    ("W2", "", "h.T @ d_logits"),
    ("b2", "", "d_logits.sum(axis=0)"),
    ("logits", "h @ W2 + b2", "d_E * E"),
    ("E", "exp(logits)", "d_P / sums + d_sums"),
    ("sums", "E.sum(axis=1, keepdims=True)", "-(d_P * E / sums**2).sum(axis=1, keepdims=True)"),
    ("P", "E / sums", "d_logP / P"),
    ("logP", "log(P)", "-Y / B"),
    ("loss", "-1 / B * (logP * Y).sum()", ""),
)
FORWARD = [(name, line) for name, line, _ in LINES if line]
BACKWARD = [(name, line) for name, _, line in reversed(LINES) if line]
SOFTMAX_AT_ONCE = "(P - Y) / B"
BATCH_NORM_AT_ONCE = "gain * inverse / B * (B * d_out - d_shift - normal * d_gain)"


def parameters(V: int, random: np.random.Generator) -> dict[str, Tensor]:
    """Return the network's numbers in float64."""
    sizes = {"C": (V, N), "W1": (CONTEXT * N, H), "W2": (H, V)}
    values = {name: nn.normal(size, random, 0.4, np.float64) for name, size in sizes.items()}
    vectors = {"b1": np.zeros(H), "gain": np.ones(H), "shift": np.zeros(H), "b2": np.zeros(V)}
    return {name: Tensor(array) for name, array in (values | vectors).items()}


def run_forward(weights: Mapping[str, Tensor], X: Any, Y: Any) -> dict[str, Any]:
    """Run the lines of ``FORWARD`` on Tensors; return all values by name."""
    functions = {"gather": gather, "tanh": tanh, "exp": exp, "log": log}
    known: dict[str, Any] = {"X": X, "Y": Y, "B": len(X), **weights}
    for name, line in FORWARD:
        known[name] = eval(line, functions, known)
    return known


def run_backward(values: Mapping[str, Any]) -> dict[str, Any]:
    """Run the lines of ``BACKWARD`` on arrays; return all values and gradients by name."""
    known = {name: data(value) for name, value in values.items()}
    known["onehot_X"] = np.eye(len(known["C"]))[known["X"].ravel()]
    for name, line in BACKWARD:
        known[f"d_{name}"] = eval(line, {}, known)
    return known


def draw_passes(known: Mapping[str, Any], labels: Sequence[str]) -> Any:
    """Return heatmaps of the values forward, and below them of the gradients backward.

    ``labels`` name the symbols, which are the columns of logits and of P.
    """
    names = ["x", "z", "normal", "h", "logits", "P"]
    widths = [min(known[name].shape[1], MAX_LABELS) for name in names]
    ratios = {"width_ratios": widths}
    with canvas(16, 6.2, 2, len(names), sharey=True, gridspec_kw=ratios, texts=labels) as drawn:
        for axes, name in zip(drawn.axes.flat, names + ["d_" + n for n in names], strict=True):
            most = float(np.abs(known[name]).max()) or 1.0
            axes.imshow(known[name] / most, SIGNED, vmin=-1, vmax=1, aspect="auto")
            axes.set(title=f"{name} {shape(known[name])}\nup to {most:.3g}", xticks=[])
            if name.removeprefix("d_") in ("logits", "P") and len(labels) <= MAX_LABELS:
                axes.set_xticks(range(len(labels)), map(drawn.text, labels), size=9)
                turn_long_labels(axes)
            axes.tick_params(length=0)
        drawn.axes[0, 0].set_ylabel("forward: values, to the right")
        drawn.axes[1, 0].set_ylabel("backward: to the left")
        drawn.figure.supxlabel(
            "Each row is a window. Blue is positive and red negative, and the darkest colour stands"
            " for the number in the title. The columns of logits and P are the symbols."
        )
    return drawn.figure


def the_forward_pass(known: Mapping[str, Any]) -> Stage:
    """Show every line of the network."""
    rows = [f"{name:9}{shape(known[name]):8}  = {line}" for name, line in FORWARD]
    return Stage(
        "Forward, one operation a line",
        [
            f"X (B, {CONTEXT}) ids, Y (B, V) one-hot, B = {B}, V = {len(known['C'])}",
            f"C (V, {N})  W1 ({CONTEXT * N}, {H})  W2 ({H}, V)  b2 (V,)  b1, gain, shift ({H},)",
        ],
        [*rows, "", f"loss = {known['loss']:.6f}"],
        "nothing here is more than a product, a sum, a power, exp, log or tanh. Six lines are"
        " batch normalisation, five softmax and cross-entropy.",
    )


def by_hand(v: Mapping[str, Any], known: Mapping[str, Any], labels: Sequence[str]) -> Stage:
    """Compare each gradient by hand with the engine's."""
    engine = gradients(v["loss"], [v[name] for name, _ in BACKWARD])
    errors = [apart(g, known[f"d_{name}"]) for g, (name, _) in zip(engine, BACKWARD, strict=True)]
    return Stage(
        "Backward by hand, each line against the engine",
        ["d_a is dloss/da, of a's shape. The last column: its distance from the engine's."],
        [
            f"{'d_' + name:10} = {line:52} {tiny(error):>5}"
            for (name, line), error in zip(BACKWARD, errors, strict=True)
        ],
        "three rules do nearly all the work. A product hands down g times the other factor. What"
        " was broadcast forward is summed backward, and what was summed is broadcast. What was used"
        " twice adds up: centred is used by normal and by variance.",
        (gradients,),
        draw_passes(known, labels),
        {"all lines agree within 1e-12": max(errors) < 1e-12},
    )


def softmax_at_once(known: Mapping[str, Any], labels: Sequence[str]) -> Stage:
    """Collapse softmax and cross-entropy into one line."""
    at_once = eval(SOFTMAX_AT_ONCE, {}, dict(known))
    P, Y = known["P"][0], known["Y"][0]
    top = sorted({int(Y.argmax()), *np.argsort(-P)[:4].tolist()})
    rows = [(labels[j], float(P[j]), int(Y[j]), float(at_once[0, j])) for j in top]
    return Stage(
        "Softmax with cross-entropy: one line for five",
        [f"d_logits = {SOFTMAX_AT_ONCE}"],
        [*table(["symbol", "P", "Y", "d_logits"], rows), "", f"row sum {tiny(at_once[0].sum())}"],
        "descent pulls the true symbol up by (1 - P) / B and pushes every other down by its P / B."
        " The pulls of a row sum to 0: probability only moves.",
        (cross_entropy,),
        claims={"it is what the five lines give": apart(at_once, known["d_logits"]) < 1e-12},
    )


def batch_norm_at_once(known: Mapping[str, Any]) -> Stage:
    """Collapse batch normalisation into one line, and look at one unit."""
    at_once = eval(BATCH_NORM_AT_ONCE, {}, dict(known))
    unit = int(np.abs(known["d_out"]).sum(axis=0).argmax())
    columns = [known[name][:, unit].tolist() for name in ("normal", "d_out", "d_z")]
    rows = list(zip(range(B), *columns, strict=True))
    total, along = at_once.sum(axis=0)[unit], (at_once * known["normal"]).sum(axis=0)[unit]
    sums = f"sum of d_z {tiny(total)}, of d_z * normal {tiny(along)}"
    return Stage(
        "Batch normalisation: one line for six",
        [f"d_z = {BATCH_NORM_AT_ONCE}"],
        [*table(["b", f"normal[{unit}]", "d_out", "d_z"], rows), "", sums],
        "two things no longer matter to the loss: adding a number to a whole column of z, and"
        " stretching it. So the gradient has no part in these two directions, and that of a window"
        " depends on its batch. And b1 before it is useless: its gradient is 0.",
        (nn.BatchNorm1d,),
        claims={
            "it is what the six lines give": apart(at_once, known["d_z"]) < 1e-12,
            "d_z sums to 0, and d_z * normal nearly": abs(total) < 1e-12 and abs(along) < 1e-3,
        },
    )


def stages(setting: Setting) -> Iterator[Stage]:
    """Yield the stages."""
    V, labels, (words, _, _) = len(setting.vocabulary), setting.labels, setting.split()
    X, ids = windows(words[:B], setting.vocabulary, CONTEXT)
    rows = setting.generator(2).permutation(len(X))[:B]
    v = run_forward(parameters(V, setting.generator()), X[rows], np.eye(V)[ids[rows]])
    known = run_backward(v)
    yield the_forward_pass(known)
    yield by_hand(v, known, labels)
    yield softmax_at_once(known, labels)
    yield batch_norm_at_once(known)
    yield where_it_stands(
        {
            "makemore/autodiff/operations.py": "each operation with its gradient beside it",
            "makemore/autodiff/fused.py": "cross_entropy and batch_norm in closed form",
            "makemore/models/bigram.py": "a whole model with its gradient by hand",
        },
        ["Ioffe and Szegedy 2015, Batch normalization, section 3. Karpathy, makemore part 4."],
        "tests hold every operation's gradient against measured slopes: check_gradients.",
    )
