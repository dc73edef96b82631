"""Recurrent layers over a prefix tree give each beginning the state that padded words give it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makemore.autodiff import Tensor, attention, gradients
from makemore.autodiff.tree import (
    Cell,
    ElmanCell,
    GatedCell,
    LongShortTermCell,
    attention_to_ancestors,
    cumulative_sum,
    levels_of_tree,
    recurrent,
)
from makemore.counting.prefix_tree import PrefixTree, grow_forest, grow_prefix_tree
from makemore.errors import AutodiffError

V = 4
WORDS = ["", "a", "ab", "ab", "abc", "b", "ba", "bb", "bca", "cab", "cabc"]


def tree_of(words: list[str]) -> PrefixTree:
    ids = [symbol for word in words for symbol in [*("abc".index(c) + 1 for c in word), 0]]
    return grow_prefix_tree(np.array(ids), V)


def sigmoid(a: Tensor) -> Tensor:
    return 1 / (1 + (-a).exp())


def step(cell: type[Cell], x: Tensor, u: Tensor, state: list[Tensor]) -> list[Tensor]:
    """Return the state after one node, from the equations of the literature; all of one row."""
    h = u.shape[0] // cell.gates
    xs, us = ([a[k * h : (k + 1) * h] for k in range(cell.gates)] for a in (x, u))
    if cell is ElmanCell:
        return [(x + u).tanh()]
    if cell is GatedCell:
        r, z = sigmoid(xs[0] + us[0]), sigmoid(xs[1] + us[1])
        n = (xs[2] + r * us[2]).tanh()
        return [(1 - z) * n + z * state[0]]
    i, f, o = (sigmoid(xs[k] + us[k]) for k in (0, 1, 3))
    c = f * state[1] + i * (xs[2] + us[2]).tanh()
    return [o * c.tanh(), c]


def composed(cell: type[Cell], x: Tensor, W: Tensor, b: Tensor, tree: PrefixTree) -> list[Tensor]:
    """Return the hidden vector of each node, one node after another."""
    zero = Tensor(np.zeros(len(W)), requires_grad=False)
    states: list[list[Tensor]] = []
    for node in range(len(tree)):
        before = states[tree.parents[node]] if node else [zero] * cell.parts
        states.append(step(cell, x[node], before[0] @ W + b, before))
    return [state[0] for state in states]


@pytest.mark.parametrize("cell", [ElmanCell, GatedCell, LongShortTermCell])
@settings(max_examples=20, deadline=None)
@given(words=st.lists(st.text("abc", max_size=5), min_size=1, max_size=8), seed=st.integers(0, 99))
def test_a_recurrent_layer_equals_its_nodes_one_by_one(
    cell: type[Cell], words: list[str], seed: int
) -> None:
    tree, rng, h = tree_of(words), np.random.default_rng(seed), 3
    k = cell.gates * h
    x, W, b = (Tensor(rng.standard_normal(s)) for s in ((len(tree), k), (h, k), (k,)))
    weights = rng.standard_normal((len(tree), h))  # of the loss
    fused = recurrent(cell, x, W, b, levels_of_tree(tree))
    nodes = composed(cell, x, W, b, tree)
    for node, hidden in enumerate(nodes):
        assert np.allclose(fused.data[node], hidden.data, rtol=1e-12, atol=1e-12)
    expected = nodes[0] @ weights[0]
    for node in range(1, len(tree)):
        expected = expected + nodes[node] @ weights[node]
    for found, right in zip(
        gradients((fused * weights).sum(), [x, W, b]),
        gradients(expected, [x, W, b]),
        strict=True,
    ):
        assert np.allclose(found, right, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("cell", [ElmanCell, GatedCell, LongShortTermCell])
def test_float32_stays_float32_and_arrays_stay_arrays(cell: type[Cell]) -> None:
    tree, h = tree_of(WORDS), 2
    k = cell.gates * h
    x, W, b = (np.ones(s, np.float32) for s in ((len(tree), k), (h, k), (k,)))
    plain = recurrent(cell, x, W, b, levels_of_tree(tree))
    assert isinstance(plain, np.ndarray)
    assert plain.dtype == np.float32
    assert x.min() == 1.0  # what was given is not changed
    hidden = recurrent(cell, Tensor(x), Tensor(W), Tensor(b), levels_of_tree(tree))
    assert hidden.dtype == np.float32
    assert all(g.dtype == np.float32 for g in gradients(hidden.sum(), [hidden]))


def test_shapes_that_do_not_fit_are_refused() -> None:
    tree = tree_of(["ab"])
    with pytest.raises(AutodiffError, match=r"\(3, 3 h\)"):
        recurrent(GatedCell, np.ones((3, 5)), np.ones((2, 6)), np.ones(6), levels_of_tree(tree))


@pytest.mark.parametrize("size", [1.0, 100.0])  # exp overflows for the scores of the second
def test_attention_to_ancestors_equals_that_along_each_word(size: float) -> None:
    heads, n, tree = 2, 6, tree_of(WORDS)
    forest = grow_forest(tree.ids, V, words=3)
    x = Tensor(np.random.default_rng(0).standard_normal((len(forest.symbols), 3 * n)) * size)
    found = attention_to_ancestors(x, heads, forest)
    ends = np.flatnonzero(tree.ids == 0) + 1
    for path in np.split(forest.nodes, ends[:-1]):
        q, k, v = (x[path].reshape(-1, 3, heads, n // heads)).transpose(1, 2, 0, 3)
        causal = np.tri(len(path), dtype=np.bool_)
        along = attention(q, k, v, causal).transpose(1, 0, 2).reshape(-1, n)
        assert np.allclose(found.data[path], along.data, rtol=1e-10, atol=1e-12)
        weights = np.random.default_rng(1).standard_normal(along.shape)
        gradient, expected = (
            gradients((rows * weights).sum(), [x])[0] for rows in (found[path], along)
        )
        assert np.allclose(gradient, expected, rtol=1e-10, atol=1e-12 * size**2)


def test_a_cumulative_sum_runs_from_the_root_to_each_node() -> None:
    tree = tree_of(["ab", "ac", "b"])  # nodes: the root, a, b, ab, ac
    x = Tensor(np.array([[1.0], [10.0], [20.0], [100.0], [200.0]]))
    total = cumulative_sum(x, tree)
    assert total.data.ravel().tolist() == [1, 11, 21, 111, 211]
    (found,) = gradients(total.sum(), [x])
    assert found.ravel().tolist() == [5, 3, 1, 1, 1]  # how many nodes each one is an ancestor of


@given(words=st.lists(st.text("abc", max_size=6), max_size=12))
def test_sums_over_siblings_equal_a_loop(words: list[str]) -> None:
    tree = tree_of(words)
    for level in tree.levels:
        rows = np.arange(2.0 * len(level.which)).reshape(-1, 2)
        sums = np.zeros((len(level.parents), 2))
        for child, parent in enumerate(level.which):
            sums[parent] += rows[child]
        assert (level.sums_over_siblings(rows) == sums).all()
