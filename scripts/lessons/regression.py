"""Lesson regression: a line through four points, then a circle that a network learns to draw."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from lessons.figures import ACCENT, COLOURS, LINE, SIGNED, canvas
from lessons.setting import Setting
from lessons.stage import Stage, apart, table, where_it_stands
from makemore import nn
from makemore.autodiff import Tensor, data, gradients, mean_squared_error

TITLE = "From a line to a network that draws a circle"
MINUTES = 0.1
X, Y = np.array([0.0, 1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0, 5.0])
CURVATURE = 2 * np.array([[np.mean(X * X), np.mean(X)], [np.mean(X), 1.0]])
LIMIT = float(2 / np.linalg.eigvalsh(CURVATURE)[-1])  # above this rate descent diverges
SHOWN = (0, 1, 2, 5, 20, 60)  # the steps of descent that are drawn and printed
RADIUS, N = 0.6, 121
SIDE, LEVELS = np.linspace(-1, 1, N, dtype=np.float32), np.linspace(-0.9, 0.9, 37)
GRID = np.stack(np.meshgrid(SIDE, SIDE), axis=-1).reshape(N * N, 2)


def loss_of(w: float, b: float) -> float:
    """Return the mean of the squared distances of the points from the line."""
    return float(np.mean((w * X + b - Y) ** 2))


def descent(rate: float, steps: int) -> list[tuple[float, float]]:
    """Return w and b before the first step and after each, beginning at 0."""
    path = [(0.0, 0.0)]
    for _ in range(steps):
        w, b = path[-1]
        slope, height = 2 * np.mean((w * X + b - Y) * X), 2 * np.mean(w * X + b - Y)
        path.append((float(w - rate * slope), float(b - rate * height)))
    return path


def one_gradient() -> Stage:
    """Derive the gradient at w = b = 0 by hand."""
    w, b = Tensor(0.0), Tensor(0.0)
    loss = mean_squared_error(X * w + b, Y)
    engine = [found.item() for found in gradients(loss, [w, b])]
    by_hand = [float(2 * np.mean(-Y * X)), float(2 * np.mean(-Y))]
    rows = [(x, y, -y, -y * x) for x, y in zip(X.tolist(), Y.tolist(), strict=True)]
    return Stage(
        "Four points, and the line w x + b with w = b = 0",
        ["loss = mean(error²)    dloss/dw = 2 mean(error * x)    dloss/db = 2 mean(error)"],
        [
            *table(["x", "y", "error = w x + b - y", "error * x"], rows),
            f"loss {loss.item():g}    dloss/dw {by_hand[0]:g}    dloss/db {by_hand[1]:g}",
        ],
        "all errors are negative: the line lies too low. Points far to the right count more in"
        " dloss/dw, where their errors are multiplied by x.",
        (gradients, mean_squared_error),
        claims={"the engine's gradient is the one by hand": apart(engine, by_hand) < 1e-12},
    )


def the_descent() -> Stage:
    """Walk down the bowl with three rates."""
    w, b = np.polyfit(X, Y, 1).tolist()
    paths = {rate: descent(rate, 60) for rate in (0.05, 0.22, 0.25)}
    with canvas(12, 4.6, columns=2) as drawn:
        left, right = drawn.axes[0]
        left.plot(X, Y, "o", color=ACCENT, ms=9)
        for step, alpha in zip(SHOWN, np.linspace(0.25, 1, len(SHOWN)), strict=True):
            left.plot(X, np.polyval(paths[0.05][step], X), color=LINE, alpha=alpha, label=step)
        slopes, heights = np.meshgrid(np.linspace(-0.6, 3.2, 80), np.linspace(-0.3, 2.2, 80))
        losses = np.mean((slopes[..., None] * X + heights[..., None] - Y) ** 2, axis=-1)
        right.contour(slopes, heights, np.sqrt(losses), 14, colors="#c3ccd6", linewidths=0.8)
        for (rate, path), colour in zip(paths.items(), COLOURS, strict=False):
            way = path[:4] if rate > LIMIT else path[:25]
            right.plot(*np.transpose(way), "o-", color=colour, ms=3, lw=1, label=rate)
        right.plot([w], [b], "*", color="black", ms=14)
        left.set(xlabel="x", ylabel="y", title="The line, with a rate of 0.05")
        right.set(xlabel="w", ylabel="b", title="Down the loss; the star is the minimum")
        left.legend(frameon=False, title="step")
        right.legend(frameon=False, title="rate")
    rows = [(k, *[loss_of(*path[k]) for path in paths.values()]) for k in SHOWN]
    return Stage(
        "Down the bowl",
        ["w -= rate * dloss/dw    b -= rate * dloss/db"],
        [
            *table(["step", *(f"rate {rate}" for rate in paths)], rows),
            f"minimum: w {w:.2f}, b {b:.2f}, loss {loss_of(w, b):.4f}; 2 / curvature {LIMIT:.4f}",
        ],
        "the bowl is steep across and shallow along. A rate near 2 / curvature jumps from side to"
        " side and still creeps along the bottom; above it every jump lands higher.",
        figure=drawn.figure,
        claims={"0.22 works": loss_of(*paths[0.22][60]) < 0.68, "0.25 diverges": rows[-1][3] > 1e5},
    )


def distance(points: Any) -> Any:
    """Return the signed distance of points from the circle, (n, 2) -> (n, 1)."""
    return np.linalg.norm(points, axis=1, keepdims=True).astype(np.float32) - RADIUS


def the_circle(setting: Setting) -> Iterator[Stage]:
    """Learn the signed distance by a folded sheet."""
    random, steps, truth = setting.generator(), setting.steps(1500), distance(GRID)
    layers = [nn.Linear(2, 32, random), nn.ReLU(), nn.Linear(32, 32, random), nn.ReLU()]
    network = nn.Sequential(*layers, nn.Linear(32, 1, random))
    vector, optimizer = nn.ParameterVector(network.parameters()), nn.Adam(learning_rate=0.01)
    plane = np.full_like(truth, truth.mean())  # level: the square is the same on all four sides
    fields = {"truth": truth, "best plane": plane}
    for step in range(steps + 1):
        if step in (0, steps // 50, steps // 10, steps):
            fields[f"step {step:,}"] = data(network(GRID))
        points = random.uniform(-1, 1, (256, 2)).astype(np.float32)
        vector.backward(mean_squared_error(network(points), distance(points)))
        optimizer.learning_rate = nn.cosine(0.01, steps)(step)
        optimizer.step(vector.values, vector.gradient)
    errors = {name: float(np.mean((field - truth) ** 2)) for name, field in fields.items()}
    with canvas(17, 3.3, columns=len(fields), sharey=True) as drawn:
        for axes, (name, field) in zip(drawn.axes[0], fields.items(), strict=True):
            filled = _draw_field(axes, field, name)
        bar = {"label": "signed distance", "ticks": [-0.5, 0, 0.5], "shrink": 0.75, "pad": 0.01}
        drawn.figure.colorbar(filled, ax=drawn.axes, **bar)
    yield Stage(
        "A circle's signed distance",
        [
            f"target = sqrt(x² + y²) - {RADIUS} (B, 1): negative inside, 0 on the circle",
            "relu(p W + b) (B, 32), again relu(h W + b) (B, 32), then h W + b (B, 1)",
        ],
        table(["", "mean squared error"], [(n, f"{e:.5f}") for n, e in errors.items()]),
        "a plane cannot bend around a circle. Two layers of 32 folds can: see the black line at 0.",
        (nn.Linear, nn.ReLU, nn.Adam),
        drawn.figure,
        {"the network beats the best plane": errors[f"step {steps:,}"] < errors["best plane"]},
    )
    yield the_folds(layers, data(network(GRID)))


def _draw_field(axes: Any, field: Any, name: str) -> Any:
    filled = axes.contourf(SIDE, SIDE, field.reshape(N, N), LEVELS, cmap=SIGNED, extend="both")
    axes.contour(SIDE, SIDE, field.reshape(N, N), [0.0], colors="black")
    axes.set(title=name, aspect="equal")
    return filled


def the_folds(layers: list[Any], field: Any) -> Stage:
    """Show the flat pieces that ReLU glues together."""
    first = data(layers[0](GRID))
    sums = np.hstack([first, data(layers[2](data(layers[1](first))))])
    patterns, piece = np.unique(sums > 0, axis=0, return_inverse=True)
    with canvas(10.5, 5, columns=2, sharey=True) as drawn:
        left, right = drawn.axes[0]
        colours = np.random.default_rng(1).permutation(len(patterns))[piece.ravel()]
        left.pcolormesh(SIDE, SIDE, colours.reshape(N, N), cmap="Pastel1")
        left.set(title=f"{len(patterns)} flat pieces, in nine colours", aspect="equal")
        _draw_field(right, field, "the 32 folds of the first layer")
        for fold in first.T:
            right.contour(SIDE, SIDE, fold.reshape(N, N), [0.0], colors=ACCENT, linewidths=0.7)
    return Stage(
        "What the folds are",
        ["relu(z) = z where z > 0, else 0: the sheet is flat on either side of z = 0"],
        [f"units 32 + 32, distinct on-off patterns in the square {len(patterns):,}"],
        "a ReLU network is a folded sheet of paper. Each unit of the first layer folds along a"
        " straight line; the second folds what is already folded, so the pieces multiply.",
        figure=drawn.figure,
        claims={"there are more pieces than units": len(patterns) > 64},
    )


def stages(setting: Setting) -> Iterator[Stage]:
    """Yield the stages."""
    yield from (one_gradient(), the_descent(), *the_circle(setting))
    yield where_it_stands(
        {
            "makemore/nn/layers.py": "Linear, ReLU, Sequential",
            "makemore/nn/optimizers.py": "SGD, Adam and others",
        },
        ["Goodfellow et al. 2016, Deep Learning, sections 4.3 and 6.1."],
        "makemore trains every network in this way, with words instead of points.",
    )
