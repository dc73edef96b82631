"""Pictures of computations: what stands in them, where, and what is refused."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from makemore.autodiff import Tensor, mean_squared_error, tanh
from makemore.errors import PlottingError
from makemore.pictures.expression_graph import (
    MAX_NODES,
    _Layout,
    draw_graph,
    draw_tensor,
    draw_tensors,
    text_tree,
)
from makemore.pictures.output import save_figure


def example() -> Tensor:
    x, y, z = (Tensor(v, label=n) for v, n in ((-2.0, "x"), (5.0, "y"), (-4.0, "z")))
    q = x + y
    q.label = "q"
    f = q * z
    f.label = "f"
    return f


def texts(figure: Any) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts if text.get_text()]


def chain(nodes: int) -> Tensor:
    value = Tensor(1.0)
    for _ in range(nodes - 1):
        value = -value
    return value


def test_each_node_shows_its_name_value_and_gradient() -> None:
    figure = draw_graph(example(), title="f = (x + y) z")
    assert sorted(texts(figure)) == [
        "f = multiply\n-12\ngradient 1",
        "q = add\n3\ngradient -4",
        "x\n-2\ngradient -4",
        "y\n5\ngradient -4",
        "z\n-4\ngradient 3",
    ]
    assert figure.texts[0].get_text() == "f = (x + y) z"


def test_arrays_show_their_shapes() -> None:
    W, b = Tensor(np.ones((3, 4)), label="W"), Tensor(np.array([1.0, 2.0]), label="b")
    loss = mean_squared_error(tanh(np.ones((5, 3)) @ W), np.zeros((5, 4))) + b.sum()
    shown = texts(draw_graph(loss))
    assert "W\narray (3, 4)\ngradient array (3, 4)" in shown
    assert "b\n[1 2]\ngradient [1 1]" in shown


def test_a_value_that_is_used_twice_has_two_edges() -> None:
    x = Tensor(3.0, label="x")
    (axes,) = draw_graph(x * x).axes
    heights = [float(np.asarray(line.get_ydata())[0]) for line in axes.lines]
    assert len(heights) == 2
    assert heights[0] > heights[1]


def test_what_is_made_stands_to_the_right_and_no_two_nodes_overlap() -> None:
    random = np.random.default_rng(0)
    values = [Tensor(float(random.normal())) for _ in range(6)]
    for _ in range(40):
        one, other = random.choice(len(values), 2, replace=False)
        values.append(
            values[one] * values[other] if random.random() < 0.5 else values[one] + values[other]
        )
    output = sum(values, start=Tensor(0.0))
    places = _Layout(output).places()
    nodes = [part for part in places if isinstance(part, Tensor)]
    for node in nodes:
        for parent, _ in node.rows:
            assert places[parent][0] < places[node][0]
    for one_node, other_node in itertools.combinations(nodes, 2):
        (x, y), (x2, y2) = places[one_node], places[other_node]
        assert abs(x - x2) > 1.75 or abs(y - y2) > 0.78


def test_the_largest_graph_is_drawn_and_a_larger_one_is_refused(tmp_path: Path) -> None:
    save_figure(draw_graph(chain(MAX_NODES)), tmp_path / "graph.png")
    with pytest.raises(PlottingError, match=f"{MAX_NODES + 1} nodes.*one of its Tensors"):
        draw_graph(chain(MAX_NODES + 1))


def test_odd_labels_are_printed_as_they_are(tmp_path: Path) -> None:
    x = Tensor(1.0, label="$x_1$\x1b[31m 家 \U0010fffd")
    figure = draw_graph(x * 2, dark=True)
    assert any(text.startswith("$x_1$") for text in texts(figure))
    assert not any("\x1b" in text for text in texts(figure))
    save_figure(figure, tmp_path / "graph.svg")


def test_a_heatmap_shows_the_numbers_of_a_small_array() -> None:
    figure = draw_tensor(Tensor(np.array([[1.5, -2.0], [0.0, 3.25]])))
    assert texts(figure) == ["1.5", "-2", "0", "3.25"]
    assert not texts(draw_tensor(np.ones((20, 20))))
    assert len(draw_tensors({"a": np.ones(3), "b": np.zeros((2, 2))}, dark=True).axes) == 4
    for wrong in (np.ones((2, 2, 2)), np.zeros((0, 3)), np.array([np.nan])):
        with pytest.raises(PlottingError):
            draw_tensor(wrong)


def test_the_text_tree_names_shared_parts_once() -> None:
    x = Tensor(2.0, label="x")
    y = x * x
    assert text_tree(y + y).split("\n") == [
        "add = 8",
        "├─ multiply = 4",
        "│  ├─ x = 2",
        "│  └─ x = 2",
        "└─ multiply = 4 (as above)",
    ]
    assert len(text_tree(chain(5000)).split("\n")) == 5000
