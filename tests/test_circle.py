"""A worked example: a network with ReLU learns the signed distance to a circle."""

from pathlib import Path
from typing import Any

import numpy as np

from makemore import nn
from makemore.autodiff import data, mean_squared_error
from makemore.pictures.expression_graph import draw_tensors
from makemore.pictures.output import save_figure

RADIUS = 0.6


def distance(points: Any) -> Any:
    """Return the signed distance of points to the circle, negative inside, (n, 2) -> (n, 1)."""
    return np.linalg.norm(points, axis=1, keepdims=True) - RADIUS


def train(steps: int) -> nn.Sequential:
    random = np.random.default_rng(0)
    layers = [nn.Linear(2, 32, random), nn.ReLU(), nn.Linear(32, 32, random), nn.ReLU()]
    network = nn.Sequential(*layers, nn.Linear(32, 1, random))
    vector = nn.ParameterVector(network.parameters())
    optimizer = nn.AdamW(learning_rate=0.01)
    schedule = nn.cosine(0.01, max(1, steps))
    for step in range(steps):
        points = random.uniform(-1, 1, (256, 2)).astype(np.float32)
        vector.backward(mean_squared_error(network(points), distance(points).astype(np.float32)))
        optimizer.learning_rate = schedule(step)
        optimizer.step(vector.values, vector.gradient)
    return network


def test_the_signed_distance_to_a_circle_is_learnt_and_drawn(tmp_path: Path) -> None:
    side = np.linspace(-1, 1, 41, dtype=np.float32)
    grid = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    truth = distance(grid)
    error = data(train(800)(grid)) - truth
    untrained = data(train(0)(grid)) - truth
    assert np.abs(error).mean() < 0.02 < 0.1 < np.abs(untrained).mean()
    fields = {"truth": truth, "prediction": truth + error, "error": error}
    figure = draw_tensors({name: field.reshape(41, 41) for name, field in fields.items()})
    path = tmp_path / "circle.png"
    save_figure(figure, path)
    assert path.stat().st_size > 10_000
