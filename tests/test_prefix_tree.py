"""Prefix trees against a dictionary of beginnings, which shares no code with them."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from makemore.arrays import Ids
from makemore.counting.prefix_tree import ROOT, PrefixTree, grow_prefix_tree

V = 4
Word = tuple[int, ...]
WORDS = st.lists(st.lists(st.integers(1, V - 1), max_size=6).map(tuple), max_size=30)


def in_a_row(words: list[Word]) -> Ids:
    return np.array([symbol for word in words for symbol in (*word, 0)], np.int64)


def beginnings(tree: PrefixTree) -> list[Word]:
    """Return the word that leads to each node, read off by walking up to the root."""
    found = []
    for node in range(len(tree)):
        word: Word = ()
        while node != ROOT:
            word = (int(tree.symbols[node]), *word)
            node = int(tree.parents[node])
        found.append(word)
    return found


@given(WORDS)
def test_nodes_are_the_distinct_beginnings_level_by_level(words: list[Word]) -> None:
    tree = grow_prefix_tree(in_a_row(words), V)
    expected = {word[:length] for word in words for length in range(len(word) + 1)} | {()}
    assert beginnings(tree) == sorted(expected, key=lambda word: (len(word), word))
    depths = [len(word) for word in beginnings(tree)]
    assert np.diff(tree.bounds).tolist() == [depths.count(t) for t in range(max(depths) + 1)]


@given(WORDS)
def test_each_symbol_stands_after_its_beginning(words: list[Word]) -> None:
    tree = grow_prefix_tree(in_a_row(words), V)
    expected = [word[:length] for word in words for length in range(len(word) + 1)]
    found = beginnings(tree)
    assert [found[node] for node in tree.nodes] == expected


@given(WORDS, st.data())
def test_target_counts_are_those_of_a_dictionary(words: list[Word], data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.integers(1, 9), min_size=len(words), max_size=len(words)))
    tree = grow_prefix_tree(in_a_row(words), V)
    expected: dict[Word, Counter[int]] = defaultdict(Counter)
    for word, weight in zip(words, weights, strict=True):
        for length, symbol in enumerate((*word, 0)):
            expected[word[:length]][symbol] += weight
    rows = [[expected[word][symbol] for symbol in range(V)] for word in beginnings(tree)]
    assert tree.target_counts(weights).tolist() == rows
    assert tree.target_counts([1] * len(words)).tolist() == tree.target_counts().tolist()


@given(WORDS)
def test_the_order_of_the_words_does_not_change_the_tree(words: list[Word]) -> None:
    trees = [grow_prefix_tree(in_a_row(row), V) for row in (words, words[::-1], sorted(words))]
    for tree in trees[1:]:
        assert beginnings(tree) == beginnings(trees[0])
        assert tree.target_counts().tolist() == trees[0].target_counts().tolist()


@given(WORDS)
def test_levels_tell_how_children_hang_on_parents(words: list[Word]) -> None:
    tree = grow_prefix_tree(in_a_row(words), V)
    below = list(range(1, len(tree)))
    assert [node for level in tree.levels for node in range(len(tree))[level.nodes]] == below
    for level in tree.levels:
        parents = tree.parents[level.nodes].tolist()
        assert level.parents.tolist() == sorted(set(parents))
        assert level.parents[level.which].tolist() == parents
        assert level.starts.tolist() == [parents.index(parent) for parent in level.parents]


def test_targets_have_the_type_that_is_asked_for() -> None:
    tree = grow_prefix_tree(in_a_row([(1, 2), (1,)]), V)
    assert tree.target_counts(dtype=np.float32).dtype == np.float32
    assert tree.target_counts().dtype == np.float64


@pytest.mark.parametrize("length", [1, 5_000])
def test_long_words_take_no_more_than_their_symbols(length: int) -> None:
    tree = grow_prefix_tree(in_a_row([(1,) * length, (2,)]), V)
    assert len(tree) == length + 2
    assert len(tree.levels) == length
