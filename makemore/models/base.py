"""The contract of a model: three questions, and all that follows from their answers.

A model is asked about B words that were begun at once:

    start(B) -> State                        before the first symbol
    advance(State, symbols (B,)) -> State    never over a boundary
    log_probabilities(State) -> (B, V)       of the next symbol, in nats

Whoever samples, searches, scores or draws asks only for this, so a new model is one file in this
folder and one entry in the table of kinds. The rest of ``Model`` follows from the three questions,
and a model overrides it where it knows a faster way.

A *windowed* model sees a fixed number of symbols. Its state is the ids in the window, and it may be
a finite automaton of useful size. Much is exact and fast on one: draws under constraints, the most
probable words, the page.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from makemore.archive import ArraySpec
from makemore.arrays import (
    CACHED,
    CHUNK_CELLS,
    Arrays,
    Counts,
    Flags,
    Floats,
    Ids,
    Indices,
    States,
    chunks,
    padded,
)
from makemore.data.vocabulary import BOUNDARY, UNKNOWN, Vocabulary

State = npt.NDArray[Any] | tuple[npt.NDArray[Any], ...]
"""What a model knows of B words begun: an array, or several, whose first axis is B."""

Options = Mapping[str, Any]
"""What beside the arrays and the vocabulary defines a model, as JSON values."""

MAX_CELLS = 1 << 26
"""The maximum of states times symbols of an automaton: 512 MiB of log-probabilities."""


def arrays_of(state: State) -> tuple[npt.NDArray[Any], ...]:
    """Return the arrays that a state consists of."""
    return state if isinstance(state, tuple) else (state,)


def select(state: State, rows: Indices | Flags | slice) -> State:
    """Return the state of some of the words that it describes.

    >>> select((np.array([1, 2, 3]), np.array([[1.0], [2.0], [3.0]])), np.array([2, 0]))
    (array([3, 1]), array([[3.],
           [1.]]))
    """
    if isinstance(state, tuple):
        return tuple(array[rows] for array in state)
    return state[rows]


def joined(states: Sequence[State]) -> State:
    """Return the state of the words of several states, one after another.

    Where their arrays have other lengths, as those of longer words may, zeros make up for it.
    """
    parts = zip(*map(arrays_of, states), strict=True)
    arrays = tuple(np.concatenate(_of_one_shape(part)) for part in parts)
    return arrays if isinstance(states[0], tuple) else arrays[0]


def _of_one_shape(arrays: Sequence[npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
    shape = tuple(np.max([array.shape[1:] for array in arrays], axis=0))
    return [array if array.shape[1:] == shape else padded(array, shape) for array in arrays]


class Automaton(NamedTuple):
    """A model as states and transitions; S states, V symbols.

    Attributes
    ----------
    log_probabilities : array of shape (S, V), nats
        Of the next symbol in each state; each row is the logarithm of a distribution.
    successors : array of shape (S, V), int32
        The state after each symbol. Column 0, the boundary, leads nowhere: a word is over.
    start : int
        The state at the start of a word.
    fallbacks : array of shape (S,), int32, optional
        For each state that of a shorter context, -1 where there is none: but for a few symbols its
        probabilities are that state's times a constant, and its successors are the same. Chains of
        fallbacks end. They are a hint to keep an export small; the rows are whole without it.
    """

    log_probabilities: Floats
    successors: States
    start: int
    fallbacks: States | None = None


class Model(ABC):
    """A distribution over the next symbol, given the symbols of the word before it.

    Attributes
    ----------
    name : str
        The model's name on the command line and in checkpoints.
    table_of_pairs : str
        What ``bigram_table`` is, in words; empty where it is the whole model.
    vocabulary : Vocabulary, of V symbols
    context_length : int or None
        The number of symbols that the model sees; None where it sees the whole word so far.
    """

    name: ClassVar[str]
    table_of_pairs: ClassVar[str] = "what follows each symbol at a word's start"
    vocabulary: Vocabulary
    context_length: int | None = None

    @abstractmethod
    def start(self, B: int) -> State:
        """Return the state of B words before their first symbol."""

    @abstractmethod
    def advance(self, state: State, symbols: Ids) -> State:
        """Return the state after one more symbol of each word, (B,) ids, none a boundary."""

    @abstractmethod
    def log_probabilities(self, state: State) -> Floats:
        """Return log P(next symbol) in nats, (B, V). Each row is the logarithm of a distribution.

        The values are float64, and -inf where a symbol is impossible.
        """

    def symbol_log_probabilities(self, ids: Ids) -> Floats:
        """Return log P of each symbol given those before it in its word, in nats, (n,) -> (n,).

        ``ids`` holds whole words in a row, the boundary after each, as ``Vocabulary.encode_lines``
        gives them. The value is nan where a symbol, or one that the model looks back to, is
        ``UNKNOWN``.

        The words go down their prefix tree, many at a time: what they share is computed once.
        """
        found = np.empty(len(ids))
        for part in word_batches(ids, 8 * CHUNK_CELLS // max(32, len(self.vocabulary))):
            self._walk(ids[part], found[part])
        return found

    def _walk(self, ids: Ids, found: Floats) -> None:
        """Fill in the log-probabilities of the symbols of some words, the boundary after each."""
        from makemore.counting.prefix_tree import grow_prefix_tree

        # A word with an unknown symbol goes on as if by another: nothing of it is looked at.
        tree = grow_prefix_tree(np.abs(ids), len(self.vocabulary))
        of_level = np.searchsorted(tree.bounds, tree.nodes, side="right") - 1
        order = np.argsort(of_level, kind="stable")
        offsets = np.split(order, np.cumsum(np.bincount(of_level))[:-1])
        state = self.start(1)
        for depth, which in enumerate(offsets):
            if depth:
                nodes = slice(tree.bounds[depth], tree.bounds[depth + 1])
                above = tree.parents[nodes] - tree.bounds[depth - 1]
                state = self.advance(select(state, above), tree.symbols[nodes])
            rows = tree.nodes[which] - tree.bounds[depth]
            found[which] = self.log_probabilities(state)[rows, np.abs(ids[which])]
        for start, end in unknown_rests(ids):
            found[start:end] = np.nan

    def bigram_table(self) -> Floats:
        """Return P(next | this symbol), shape (V, V), for pictures of any model.

        Row 0 is the start of a word. For a model that sees more than one symbol, a row says what
        follows that symbol at a word's start. A model that can tell better overrides this.
        """
        return first_rows(self, len(self.vocabulary))

    @property
    def state_cells(self) -> int:
        """The size of the largest array in the state of a word, however long it is."""
        return max(array.size for array in arrays_of(self.start(1)))

    @property
    def longest_word(self) -> int | None:
        """The maximum length of a word in characters; None where there is no limit."""
        return None

    def bigram_counts(self) -> Counts | None:
        """Return N of the training words, shape (V, V), or None where the model keeps none."""
        return None

    def bigram_weights(self) -> Floats | None:
        """Return the logits of the next symbol, shape (V, V), or None where there are none."""
        return None

    def symbol_vectors(self) -> Floats | None:
        """Return what the first layer makes of each symbol, (V, n); None where there is no layer.

        Symbols that the model takes for much the same have vectors near each other.
        """
        return None

    def attention(self, ids: Ids) -> Floats | None:
        """Return how each position of one word attends to those up to it; None without attention.

        (T,) ids of its characters -> (blocks, heads, T + 1, T + 1): the rows look, the columns are
        looked at, and the first position is the boundary before the word. Each row sums to 1.
        Raises ``PlottingError`` for words that are too long for the model.
        """
        return None

    def automaton(self) -> Automaton | None:
        """Return the model as a finite automaton, or None where none of useful size exists."""
        return None

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """Return what beside the arrays and the vocabulary defines the model, as JSON values."""

    @abstractmethod
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the model's parameters by name, as a checkpoint keeps them."""

    @classmethod
    @abstractmethod
    def array_specs(cls, vocabulary: Vocabulary, options: Options) -> dict[str, ArraySpec]:
        """Return the type and shape of each of ``arrays()``. Raises ``CheckpointError``."""

    @classmethod
    @abstractmethod
    def from_arrays(cls, vocabulary: Vocabulary, options: Options, arrays: Arrays) -> Self:
        """Return the model that gave these parts, checking values. Raises ``CheckpointError``."""

    @property
    def parameter_count(self) -> int:
        """The number of parameters that the model has learnt."""
        return sum(array.size for array in self.arrays().values())

    def describe_parts(self) -> list[str]:
        """Return a line for each model that this one is made of; most are made of none."""
        return []


def first_rows(model: Model, n: int) -> Floats:
    """Return P(second | first) at a word's start, of the first n ids, shape (n, n)."""
    firsts = model.advance(model.start(n - 1), np.arange(1, n))
    rows = (model.log_probabilities(model.start(1)), model.log_probabilities(firsts))
    return np.exp(np.concatenate(rows)[:, :n])


def drawn(P: Floats, uniform: Floats) -> Ids:
    """Return a symbol of each row by a number from 0 to 1, (B, V) and (B,) -> (B,).

    The rows of P need not sum to 1.
    """
    cumulative = np.cumsum(P, axis=1)
    found = (cumulative <= uniform[:, None] * cumulative[:, -1:]).sum(axis=1)
    return np.asarray(np.minimum(found, P.shape[1] - 1))


class WindowedModel(Model):
    """A model that sees the last ``context_length`` symbols, and boundaries before a word's start.

    Its state is the contexts themselves: ids of shape (B, context_length), the latest symbol last.
    A subclass answers ``log_probabilities`` for them.
    """

    context_length: int

    def start(self, B: int) -> Ids:
        """Return B contexts of boundaries, (B, context_length)."""
        return np.full((B, self.context_length), BOUNDARY)

    def advance(self, state: State, symbols: Ids) -> Ids:
        """Return the contexts moved on by one symbol."""
        return np.concatenate((np.asarray(state)[:, 1:], symbols[:, None]), axis=1)

    def target_log_probabilities(self, contexts: Ids, targets: Ids) -> Floats:
        """Return log P(target | context) in nats, (B, context_length) and (B,) ids -> (B,).

        This looks them up among those of all symbols, a part at a time so that memory is bounded. A
        model that need not know the others overrides it.
        """
        found = np.empty(len(targets))
        for chunk in chunks(len(targets), len(self.vocabulary)):
            table = self.log_probabilities(contexts[chunk])
            found[chunk] = table[np.arange(len(table)), targets[chunk]]
        return found

    def symbol_log_probabilities(self, ids: Ids) -> Floats:
        """Return log P of each symbol as ``Model`` defines it, by the window before each symbol."""
        C = self.context_length
        found = np.empty(len(ids))
        for first in range(0, len(ids), CACHED):
            targets = ids[first : first + CACHED]
            before = np.concatenate((np.full(C, BOUNDARY), ids[max(0, first - C) : first]))[-C:]
            contexts = windows(np.concatenate((before, targets[:-1])), C)
            is_unknown = None
            if targets.min() == UNKNOWN or contexts.min() == UNKNOWN:
                is_unknown = (targets == UNKNOWN) | (contexts == UNKNOWN).any(axis=1)
                targets, contexts = np.maximum(targets, BOUNDARY), np.maximum(contexts, BOUNDARY)
            part = found[first : first + CACHED]
            part[:] = self._distinct_log_probabilities(contexts, targets)
            if is_unknown is not None:
                part[is_unknown] = np.nan
        return found

    def _distinct_log_probabilities(self, contexts: Ids, targets: Ids) -> Floats:
        """Return log P(target | context), (B, C) and (B,) -> (B,), asking once for equal ones.

        A corpus repeats itself: of 65,536 symbols of names a third differ in their last five.
        """
        V, C = len(self.vocabulary), self.context_length
        if C == 1 or V ** (C + 1) > 1 << 63:  # a look-up in a table is faster than sorting
            return self.target_log_probabilities(contexts, targets)
        codes = contexts @ V ** np.arange(C, 0, -1) + targets
        _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
        return self.target_log_probabilities(contexts[first], targets[first])[inverse]

    def automaton(self) -> Automaton | None:
        """Return the automaton whose states are all V**context_length contexts.

        None where they are more than ``MAX_CELLS`` states times symbols.
        """
        V, C = len(self.vocabulary), self.context_length
        S = V**C
        if S * V > MAX_CELLS:
            return None
        codes = np.arange(S)[:, None]
        log_probabilities, successors = np.empty((S, V)), np.empty((S, V), np.int32)
        for chunk in chunks(S, V):
            contexts = codes[chunk] // V ** np.arange(C - 1, -1, -1) % V
            log_probabilities[chunk] = self.log_probabilities(contexts)
            successors[chunk] = (codes[chunk] * V + np.arange(V)) % S
        return Automaton(log_probabilities, successors, start=0)


def word_batches(ids: Ids, symbols: int) -> Iterator[slice]:
    """Yield slices of whole words, the boundary after each, of about so many symbols.

    >>> list(word_batches(np.array([1, 0, 2, 2, 0, 1, 0]), 3))
    [slice(0, 2, None), slice(2, 5, None), slice(5, 7, None)]
    """
    after = np.flatnonzero(ids == BOUNDARY) + 1
    start = 0
    while start < len(ids):
        within = int(np.searchsorted(after, start + symbols, side="right"))
        first = int(np.searchsorted(after, start, side="right"))
        stop = int(after[max(within - 1, first)])
        yield slice(start, stop)
        start = stop


def unknown_rests(ids: Ids) -> Iterator[tuple[int, int]]:
    """Yield for each word with an ``UNKNOWN`` symbol the offset of the first one and of its end."""
    ends = np.flatnonzero(ids == BOUNDARY)
    reached = 0
    for offset in np.flatnonzero(ids == UNKNOWN).tolist():
        if offset >= reached:
            reached = int(ends[np.searchsorted(ends, offset)]) + 1
            yield offset, reached


def windows(row: Ids, C: int) -> Ids:
    """Return each C ids in a row, with boundaries before a boundary, (B + C - 1,) -> (B, C)."""
    contexts = np.lib.stride_tricks.sliding_window_view(row, C)
    if C == 1:
        return contexts
    contexts = contexts.copy()
    for column in range(C - 2, -1, -1):
        contexts[contexts[:, column + 1] == BOUNDARY, column] = BOUNDARY
    return contexts
