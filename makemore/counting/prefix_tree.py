"""The distinct beginnings of words as a tree: what words share is computed once.

The nodes are the distinct beginnings of a list of words, the empty one included: it is the root.
A node's children are the beginnings that are one symbol longer. Symbols that follow the same
beginning have the same distribution in every model, so a model is evaluated once per node, and the
loss of all words is that of the nodes with rows of target counts N:

    loss = -sum(N * log P) / sum(N)

256 words of a list of names have 1,800 symbols, fill 4,100 cells when they are padded to one
length, and have 1,100 nodes.

The nodes are in the order of their levels: first the root, then the beginnings of one symbol, of
two, and so on; a level is in the order of its parents and then of the symbols. The children of a
node are therefore neighbours.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from makemore.arrays import Flags, Floats, Ids, Indices, Symbols
from makemore.counting.tables import mark_first
from makemore.data.text import weights_of_symbols
from makemore.data.vocabulary import BOUNDARY

ROOT = 0
"""The node of the empty beginning."""


@dataclass(frozen=True)
class Level:
    """The nodes of one depth and their parents in the level above: N nodes with K distinct parents.

    Attributes
    ----------
    nodes : slice
        Where the level stands among all nodes.
    parents : array of shape (K,)
        The distinct parents of these nodes, ascending.
    which : array of shape (N,)
        For each node, where its parent stands in ``parents``. It ascends, too.
    starts : array of shape (K,)
        For each parent, where its first child stands in this level.
    """

    nodes: slice
    parents: Indices
    which: Indices
    starts: Indices

    def sums_over_siblings(self, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the sum of the children's rows of each parent, (N, n) -> (K, n).

        ``np.add.reduceat`` does the same and takes five times as long: most nodes have no sibling,
        and so there is little to add. All second children are added at once, then all third ones.
        """
        if len(self.starts) == len(rows):
            return rows
        sums = rows[self.starts]
        for children, parents in self._younger_siblings:
            sums[parents] += rows[children]
        return sums

    @property
    def indices(self) -> list[Indices]:
        """The arrays by which rows are looked up, those of ``sums_over_siblings`` last."""
        return [self.parents, self.which, self.starts, *chain(*self._younger_siblings)]

    def with_indices(self, indices: list[Any]) -> "Level":
        """Return the level with other arrays for its ``indices``, which may lie elsewhere."""
        level = Level(self.nodes, *indices[:3])
        pairs = list(zip(indices[3::2], indices[4::2], strict=True))
        vars(level)["_younger_siblings"] = pairs  # in place of the property, which computes them
        return level

    @cached_property
    def _younger_siblings(self) -> list[tuple[Indices, Indices]]:
        """The second children and where their parents stand, then the third ones, and so on."""
        position = np.arange(len(self.which)) - self.starts[self.which]  # among the siblings
        order = np.argsort(position, kind="stable")
        ends = np.cumsum(np.bincount(position)).tolist()
        groups = [order[start:end] for start, end in pairwise(ends)]
        return [(children, self.which[children]) for children in groups]


@dataclass(frozen=True)
class Beginnings:
    """Words over V symbols and their distinct beginnings; M nodes, n symbols with the word ends.

    Attributes
    ----------
    V : int
    ids : array of shape (n,)
        The words in a row, the boundary after each.
    nodes : array of shape (n,)
        The beginning that stands before each of these symbols.
    symbols : array of shape (M,)
        The last symbol of each node, the boundary for a root.
    """

    V: int
    ids: Ids
    nodes: Indices
    symbols: Ids

    def __len__(self) -> int:
        """Return M, the number of nodes."""
        return len(self.symbols)

    def target_counts(
        self, weights: npt.ArrayLike | None = None, dtype: npt.DTypeLike = np.float64
    ) -> Floats:
        """Return N of shape (M, V): how often each symbol follows each node.

        ``weights``, of shape (words,), say how often each word counts; once without them. N is as
        large as the logits that it is compared with, so a large alphabet needs nothing sparse.
        """
        of_symbols = None
        if weights is not None:
            of_symbols = weights_of_symbols(
                np.asarray(weights), np.flatnonzero(self.ids == BOUNDARY)
            )
        M, V = len(self), self.V
        N = np.bincount(self.nodes * V + self.ids, of_symbols, minlength=M * V)
        return N.astype(dtype).reshape(M, V)


@dataclass(frozen=True)
class PrefixTree(Beginnings):
    """The prefix tree of some words.

    Attributes
    ----------
    parents : array of shape (M,)
        The node without its last symbol. The root is its own parent.
    bounds : array of shape (depth + 1,)
        The nodes of t symbols are those from ``bounds[t]`` to ``bounds[t + 1]``.
    """

    parents: Indices
    bounds: Indices

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """The levels below the root, from the top down."""
        is_first = np.diff(self.parents, prepend=ROOT) > 0  # the first child of its parent
        is_first[1:2] = True
        rank = np.cumsum(is_first) - 1
        firsts = np.flatnonzero(is_first)
        levels = []
        for start, end in zip(self.bounds[1:-1].tolist(), self.bounds[2:].tolist(), strict=True):
            which = rank[start:end] - rank[start]
            first = firsts[rank[start] : rank[end - 1] + 1]
            levels.append(Level(slice(start, end), self.parents[first], which, first - start))
        return tuple(levels)


def grow_prefix_tree(ids: Ids, V: int) -> PrefixTree:
    """Return the prefix tree of words in a row, the boundary after each, (n,) ids below V.

    The words may come in any order and repeatedly; it is fastest when they are sorted. All words
    go down the tree together, a level at a time: no loop runs over words, and nothing is padded.

    >>> tree = grow_prefix_tree(np.array([1, 2, 0, 1, 0, 1, 2, 0]), V=3)  # ab, a, ab
    >>> tree.parents, tree.symbols, tree.bounds
    (array([0, 0, 1]), array([0, 1, 2]), array([0, 1, 2, 3]))
    >>> tree.target_counts()
    array([[0., 3., 0.],
           [1., 0., 2.],
           [2., 0., 0.]])
    """
    offsets = np.flatnonzero(ids[:-1] == BOUNDARY) + 1
    offsets = np.concatenate((np.zeros(min(1, len(ids)), np.intp), offsets))
    at = np.full(len(offsets), ROOT)  # the node of each word that goes on
    nodes = np.empty(len(ids), np.intp)
    bounds, parents, symbols = [0, 1], [at[:0], np.array([ROOT])], [at[:0], np.array([BOUNDARY])]
    while len(offsets):
        nodes[offsets] = at
        following = ids[offsets]
        going = following != BOUNDARY
        offsets = offsets[going] + 1
        keys = at[going] * V + following[going]
        if (keys[1:] < keys[:-1]).any():
            order = np.argsort(keys, kind="stable")
            offsets, keys = offsets[order], keys[order]
        is_new = mark_first(keys)
        at = np.cumsum(is_new) + (bounds[-1] - 1)
        if len(keys):
            bounds.append(int(at[-1]) + 1)
            new_parents, new_symbols = np.divmod(keys[is_new], V)
            parents.append(new_parents)
            symbols.append(new_symbols)
    return PrefixTree(
        V, ids, nodes, np.concatenate(symbols), np.concatenate(parents), np.array(bounds)
    )


@dataclass(frozen=True)
class Forest(Beginnings):
    """A prefix tree for each block of neighbouring words; at most T nodes in one block.

    Attributes
    ----------
    depths : array of shape (M,)
        The number of symbols of each node.
    slots : array of shape (M,)
        Where each node stands in a table of (blocks, T): block * T + its position in the block.
    is_ancestor : array of shape (blocks, T, T), bool
        Whether the first position is a node and the second that node or an ancestor of it. A
        position without a node has itself alone.
    """

    depths: Ids
    slots: Indices
    is_ancestor: Flags

    @cached_property
    def mask(self) -> npt.NDArray[np.float32]:
        """What is added to the scores of attention: 0 for ancestors, minus infinity for others.

        Its shape is (blocks, T, T); a column is a node, and its rows are those it may attend to.
        """
        is_ancestor = self.is_ancestor.swapaxes(1, 2).copy()
        return np.where(is_ancestor, np.float32(0), np.float32(-np.inf))


def grow_forest(ids: Ids, V: int, words: int) -> Forest:
    """Return the prefix trees of blocks of so many ``words`` in a row, (n,) ids below V.

    It is one tree of words that have the number of their block as a symbol before the others.
    """
    ends = np.flatnonzero(ids == BOUNDARY)
    starts = np.concatenate((np.zeros(1, np.intp), ends[:-1] + 1))
    block = np.arange(len(ends)) // words
    tree = grow_prefix_tree(np.insert(ids, starts, V + block), V + len(ends))
    is_symbol = np.ones(len(tree.ids), np.bool_)
    is_symbol[starts + np.arange(len(starts))] = False
    parents, symbols = tree.parents[1:] - 1, tree.symbols[1:]  # without the root of all trees
    depths = np.repeat(np.arange(len(tree.bounds) - 2), np.diff(tree.bounds[1:]))
    nodes = np.flatnonzero(depths == 0)
    of_block = np.empty(len(parents), np.intp)
    of_block[nodes] = nodes
    for depth in range(1, len(tree.bounds) - 2):
        level = slice(tree.bounds[depth + 1] - 1, tree.bounds[depth + 2] - 1)
        of_block[level] = of_block[parents[level]]
    slots, T = _slots(of_block)
    is_ancestor = np.zeros((len(nodes), T, T), np.bool_)
    is_ancestor[:, np.arange(T), np.arange(T)] = True
    above = lower = np.arange(len(parents))
    for depth in range(1, len(tree.bounds) - 2):
        lower = lower[depths[lower] >= depth]
        above = parents[above[-len(lower) :]]
        is_ancestor.reshape(-1, T)[slots[lower], slots[above] % T] = True
    return Forest(
        V,
        ids,
        tree.nodes[is_symbol] - 1,
        np.where(symbols < V, symbols, BOUNDARY),
        depths,
        slots,
        is_ancestor,
    )


def alike(ids: Ids | Symbols, starts: Indices) -> Indices:
    """Return an order of words in which those with the same first four symbols stand together.

    ``ids`` (n,) holds the words in a row, the boundary after each, and ``starts`` (words,) where
    each starts. A prefix tree needs no more: words that share more than that are few.

    >>> alike(np.array([2, 0, 1, 2, 0]), np.array([0, 2]))
    array([1, 0])
    """
    code = np.zeros(len(starts), np.int64)
    at, goes_on = starts.copy(), np.ones(len(starts), np.bool_)
    for _ in range(4):
        goes_on &= at < len(ids)
        symbols = np.where(goes_on, ids[np.minimum(at, len(ids) - 1)], BOUNDARY)
        goes_on &= symbols != BOUNDARY
        code = (code << 15) + symbols  # there are fewer symbols than 2**15
        at += 1
    return np.argsort(code, kind="stable")


def _slots(blocks: Indices) -> tuple[Indices, int]:
    """Return where nodes of these blocks stand in a table of (blocks, T), and T."""
    sizes = np.bincount(blocks)
    T = int(sizes.max())
    order = np.argsort(blocks, kind="stable")
    slots = np.empty(len(blocks), np.intp)
    slots[order] = np.arange(len(blocks)) + np.repeat(
        np.arange(len(sizes)) * T - np.cumsum(sizes) + sizes, sizes
    )
    return slots, T
