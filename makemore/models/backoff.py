"""Back-off n-gram models: probabilities of n-grams, and a weight for what no n-gram holds.

With h the symbols before w, and h' the same without the first:

    P(w | h) = probability(hw)            where hw is one of the n-grams
             = backoff(h) P(w | h')       elsewhere

Every n-gram model can be written so, whatever it was estimated by; ``ngram.py`` estimates from
counts, and ``arpa.py`` reads what others have estimated.

The n-grams are one tree in one sorted array. It is laid out level by level: first the 1-grams, then
the 2-grams, each level in lexicographic order. An n-gram that may be continued, one below the
highest order that does not end a word, is itself a context, a *state*; the states are numbered in
the order of their n-grams, after the *root*, which is the empty context. The n-gram hw has the key

    key = state(h) * V + w

so all keys ascend, no key is long however high the order is, and a key is also the position of its
n-gram in a table with one row per state. The boundary is symbol 0: as the last of an n-gram it is
a word's end, as the first a word's start. It stands nowhere else, so an n-gram is never longer than
the way back to the word's start: what the model's contexts hold before that adds nothing.

Each n-gram has a *suffix*, itself without its first symbol, one level below.
"""

from abc import abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from makemore.archive import ArraySpec
from makemore.arrays import Arrays, Flags, Floats, Ids, Integers, chunks
from makemore.data.vocabulary import BOUNDARY, UNKNOWN, Vocabulary
from makemore.errors import CheckpointError
from makemore.kinds import MAX_ORDER, MIN_ORDER
from makemore.models.base import MAX_CELLS, Automaton, Options, State, WindowedModel

MAX_NGRAMS = (1 << 31) - 1  # of all orders together: their positions are kept as int32
WORTH_CELLS = 32  # an automaton of so many cells takes less time than searching for one symbol
MAX_STEPS = 200  # symbols of a word that are walked one by one

ROOT, START = 0, 1
"""The states of the empty context and of a word's start, which is the first 1-gram."""

LOG10_ZERO = -99.0
"""The logarithm that stands for a probability or a weight of zero, as in ARPA files."""

ROUNDING = 1e-9
"""How far from 1 the sum of a distribution may be that was computed in float64."""


@dataclass(frozen=True)
class NgramTree:
    """The n-grams of orders 1 to ``order`` as the module's text describes; A are all of them.

    Attributes
    ----------
    V : int
    sizes : tuple of int
        The number of n-grams of each level. Their sum is A.
    keys : array of shape (A,), int64, ascending
        state of the context * V + symbol.
    """

    V: int
    sizes: tuple[int, ...]
    keys: Integers

    def levels(self) -> list[slice]:
        """Return where the n-grams of each length stand, the shortest first."""
        ends = np.cumsum(self.sizes).tolist()
        return [slice(end - size, end) for end, size in zip(ends, self.sizes, strict=True)]

    def is_state(self) -> Flags:
        """Return which n-grams are states, (A,). Every 1-gram is: the boundary starts a word."""
        levels = self.levels()
        flags = np.asarray(self.keys % self.V != BOUNDARY)
        flags[levels[0]], flags[levels[-1]] = True, False
        return flags


class Links:
    """Where each n-gram and each state of a tree leads; A n-grams, S states.

    Attributes
    ----------
    suffixes : array of shape (A,), int32
        The n-gram that each is without its first symbol; -1 for 1-grams.
    next_states : array of shape (A,), int32
        The state after each n-gram: its own, or that of its longest suffix that is a state.
    suffix_states : array of shape (S,), int32
        The state of each context without its first symbol; the root's is the root.
    state_levels : list of slice
        The states that the n-grams of each length may continue.

    Raises
    ------
    CheckpointError
        The n-grams do not make a tree, or one stands there without its suffix.
    """

    def __init__(self, tree: NgramTree) -> None:
        V, levels, is_state = tree.V, tree.levels(), tree.is_state()
        self.state_levels = _state_levels(tree, is_state)
        self.suffixes = np.full(len(tree.keys), -1, np.int32)
        self.next_states = np.cumsum(is_state, dtype=np.int32)
        self.suffix_states = np.full(1 + int(is_state.sum()), ROOT, np.int32)
        for lower, level in pairwise(levels):
            states, symbols = np.divmod(tree.keys[level], V)
            keys = self.suffix_states[states].astype(np.int64) * V + symbols
            suffixes = lower.start + np.searchsorted(tree.keys[lower], keys)
            if not np.array_equal(tree.keys[np.minimum(suffixes, lower.stop - 1)], keys):
                raise CheckpointError("an n-gram stands in the tree without its suffix")
            self.suffixes[level] = suffixes
            own, after_suffix = self.next_states[level], self.next_states[suffixes]
            self.suffix_states[own[is_state[level]]] = after_suffix[is_state[level]]
            self.next_states[level] = np.where(is_state[level], own, after_suffix)


def _state_levels(tree: NgramTree, is_state: Flags) -> list[slice]:
    """Return the states of each length. Raises ``CheckpointError`` where n-grams continue others.

    They are numbered level by level: the n-grams of one length continue those one shorter.
    """
    found = [slice(ROOT, START)]
    for level in tree.levels():
        states = tree.keys[level] // tree.V
        allowed = found[-1]
        if len(states) and not allowed.start <= states[0] <= states[-1] < allowed.stop:
            raise CheckpointError("the n-grams of one length do not continue the shorter ones")
        found.append(slice(allowed.stop, allowed.stop + int(is_state[level].sum())))
    return found[:-1]


def context_totals(
    tree: NgramTree, links: Links, probabilities: Floats, backoffs: Floats, counted: Flags
) -> Floats:
    """Return the sum of P(w | h) over the counted symbols w, for each state h, (S,).

    Parameters
    ----------
    tree : NgramTree
        With all 1-grams.
    links : Links
        Its own.
    probabilities : array of shape (A,)
    backoffs : array of shape (S,)
    counted : array of shape (V,), bool
    """
    P = np.where(counted[tree.keys % tree.V], probabilities, 0.0)
    levels, totals = tree.levels(), np.empty(len(backoffs))
    totals[ROOT] = P[levels[0]].sum()
    for level, states in zip(levels[1:], links.state_levels[1:], strict=True):
        contexts = tree.keys[level] // tree.V - states.start
        size = states.stop - states.start
        listed = np.bincount(contexts, P[level], size)
        covered = np.bincount(contexts, P[links.suffixes[level]], size)
        lower = totals[links.suffix_states[states]]
        totals[states] = listed + backoffs[states] * (lower - covered)
    return totals


class BackoffModel(WindowedModel):
    """What all back-off models share: the walk down the tree, and the automaton.

    A subclass fills in the probabilities and the weights.

    Parameters
    ----------
    vocabulary : Vocabulary, of V symbols
    tree : NgramTree
    links : Links
        Its own.
    """

    tree: NgramTree

    def __init__(self, vocabulary: Vocabulary, tree: NgramTree, links: Links) -> None:
        self.vocabulary, self.tree = vocabulary, tree
        self.context_length = len(tree.sizes) - 1
        # index -1 is for the n-gram that no level holds: probability 1 / V, and then the root
        self._probabilities = np.full(len(tree.keys) + 1, 1.0 / len(vocabulary))
        self._next_states = np.append(links.next_states, np.int32(ROOT))
        self._suffix_states = links.suffix_states
        self.state_levels = links.state_levels
        self._backoffs = np.ones(len(self._suffix_states))
        self._automaton: Automaton | None = None

    @abstractmethod
    def as_backoff(self) -> "Backoff":
        """Return the model as probabilities and weights alone, with every symbol as a 1-gram."""

    @abstractmethod
    def of_order(self, order: int) -> "BackoffModel":
        """Return the model of a lower order that this one is made from."""

    def bigram_table(self) -> Floats:
        """Return P(next | this symbol) by the model of order 2, shape (V, V)."""
        V, model = len(self.vocabulary), self.of_order(2)
        P = np.empty((V, V))
        for rows in chunks(V, V):
            P[rows] = np.exp(model.log_probabilities(np.arange(V)[rows, None]))
        return P

    def log_probabilities(self, state: State) -> Floats:
        """Return log P(next symbol | context) in nats, (B, context_length) ids -> (B, V)."""
        V = len(self.vocabulary)
        states, rows = np.unique(self._states_after(np.asarray(state)), return_inverse=True)
        symbols = np.tile(np.arange(V), len(states))
        return self._log_probabilities(np.repeat(states, V), symbols).reshape(-1, V)[rows]

    def symbol_log_probabilities(self, ids: Ids) -> Floats:
        """Return log P of each symbol as ``Model`` defines it.

        With the automaton all words go on by one symbol at a time, whatever the order. Words with
        an unknown symbol, and long ones, take the way by the window before each symbol.
        """
        automaton = self._automaton_for(len(ids))
        ends = np.flatnonzero(ids == BOUNDARY)
        lengths = np.diff(ends, prepend=-1)
        longest = int(lengths.max(initial=0))
        if automaton is None or longest > MAX_STEPS or ids.min(initial=0) == UNKNOWN:
            return super().symbol_log_probabilities(ids)
        V, found = len(self.vocabulary), np.empty(len(ids))
        log_probabilities = automaton.log_probabilities.ravel()
        successors = automaton.successors.ravel()
        order = np.argsort(-lengths)
        at = (ends + 1 - lengths)[order]  # where each word is, the longest first
        still = np.searchsorted(-lengths[order], -np.arange(1, longest + 1), "right")
        states = np.full(len(ends), automaton.start)
        for words in still.tolist():
            cells = states[:words] * V + ids[at[:words]]
            found[at[:words]] = log_probabilities[cells]
            states[:words] = successors[cells]
            at[:words] += 1
        return found

    def target_log_probabilities(self, contexts: Ids, targets: Ids) -> Floats:
        """Return log P(target | context) in nats, (B, context_length) and (B,) ids -> (B,).

        A batch large enough to be worth it builds the automaton and keeps it: a step there is ten
        times as fast as a search, and memory stays in proportion to the batch.
        """
        automaton = self._automaton_for(len(targets))
        if automaton is None:
            return self._log_probabilities(self._states_after(contexts), targets)
        successors = automaton.successors
        states = np.full(len(targets), ROOT, np.int32)
        for symbols in contexts.T:
            states = np.where(symbols == BOUNDARY, START, successors[states, symbols])
        return automaton.log_probabilities[states, targets]

    def _automaton_for(self, symbols: int) -> Automaton | None:
        """Return the automaton where it is worth building, or built, for so many symbols."""
        cells = len(self._backoffs) * len(self.vocabulary)
        if self._automaton is None and cells <= min(MAX_CELLS, WORTH_CELLS * symbols):
            self._automaton = self.automaton()
        return self._automaton

    def _log_probabilities(self, states: Integers, symbols: Ids) -> Floats:
        found, weights = self._find(states, symbols)
        with np.errstate(divide="ignore"):  # the additive method may add nothing
            return np.asarray(np.log(weights * self._probabilities[found]))

    def _states_after(self, contexts: Ids) -> Integers:
        """Return the state of the longest suffix of each context that is one, (B, C) -> (B,)."""
        states = np.full(len(contexts), ROOT)
        for symbols in contexts.T:
            is_character = symbols != BOUNDARY
            found, _ = self._find(states[is_character], symbols[is_character])
            states[is_character] = self._next_states[found]
            states[~is_character] = START
        return states

    def _find(self, states: Integers, symbols: Ids) -> tuple[Integers, Floats]:
        """Return the longest n-gram for a symbol in a state, and its weight there, (B,) each.

        Where the state has no n-gram for the symbol, its suffix is asked, at the price of the
        state's backoff; -1 where the root has none either.
        """
        found, weights = np.full(len(states), -1), np.ones(len(states))
        searching = np.arange(len(states))
        while len(searching):
            keys = states.astype(np.int64) * self.tree.V + symbols
            at = np.minimum(np.searchsorted(self.tree.keys, keys), len(self.tree.keys) - 1)
            is_here = self.tree.keys[at] == keys
            found[searching[is_here]] = at[is_here]
            weights[searching[~is_here]] *= self._backoffs[states[~is_here]]
            go_on = ~is_here & (states != ROOT)
            searching, symbols = searching[go_on], symbols[go_on]
            states = self._suffix_states[states[go_on]]
        return found, weights

    def automaton(self) -> Automaton | None:
        """Return the automaton whose states are the contexts that were seen, the root among them.

        None where they are more than ``MAX_CELLS`` states times symbols.
        """
        V, S = len(self.vocabulary), len(self._backoffs)
        if S * V > MAX_CELLS:
            return None
        P = np.full((S, V), 1.0 / V)
        successors = np.full((S, V), ROOT, np.int32)
        for level, states in zip(self.tree.levels(), self.state_levels, strict=True):
            P[states] = self._backoffs[states, None] * P[self._suffix_states[states]]
            successors[states] = successors[self._suffix_states[states]]
            # a key is the position of its n-gram in a table with one row per state
            P.ravel()[self.tree.keys[level]] = self._probabilities[:-1][level]
            successors.ravel()[self.tree.keys[level]] = self._next_states[:-1][level]
        fallbacks = self._suffix_states.copy()
        fallbacks[ROOT] = -1
        with np.errstate(divide="ignore"):
            return Automaton(np.log(P, out=P), successors, START, fallbacks)

    @property
    def parameter_count(self) -> int:
        """The number of probabilities and back-off weights, those of lower orders included."""
        return len(self.tree.keys) + len(self._backoffs)


class Backoff(BackoffModel):
    """A back-off model as it stands in an ARPA file: it keeps no counts.

    Parameters
    ----------
    vocabulary : Vocabulary, of V symbols
    tree : NgramTree
        With all V 1-grams.
    log10_probabilities : array of shape (A,), float64
        ``LOG10_ZERO`` is a probability of zero.
    log10_backoffs : array of shape (the number of n-grams below the highest order,), float64
        The weights of the n-grams that are states, 0 for those that end a word.

    Raises
    ------
    CheckpointError
        The parts make no distribution after each context.
    """

    name: ClassVar[str] = "backoff"
    table_of_pairs: ClassVar[str] = "its bigram probabilities"

    def __init__(
        self,
        vocabulary: Vocabulary,
        tree: NgramTree,
        log10_probabilities: Floats,
        log10_backoffs: Floats,
    ) -> None:
        if not np.array_equal(tree.keys[: tree.sizes[0]], np.arange(len(vocabulary))):
            raise CheckpointError("its 1-grams are not all symbols of the vocabulary")
        links = Links(tree)
        super().__init__(vocabulary, tree, links)
        self.log10_probabilities, self.log10_backoffs = log10_probabilities, log10_backoffs
        is_state = tree.is_state()[: len(log10_backoffs)]
        self._probabilities[:-1] = powers_of_ten(log10_probabilities)
        self._backoffs[START:] = powers_of_ten(log10_backoffs[is_state])
        everything = np.ones(len(vocabulary), np.bool_)
        totals = context_totals(tree, links, self._probabilities[:-1], self._backoffs, everything)
        if not (np.abs(totals - 1) <= ROUNDING).all():
            raise CheckpointError("its probabilities after some context do not sum to 1")

    def as_backoff(self) -> "Backoff":
        """Return this model."""
        return self

    def of_order(self, order: int) -> "Backoff":
        """Return the model without its longer n-grams."""
        sizes = self.tree.sizes[:order]
        tree = NgramTree(self.tree.V, sizes, self.tree.keys[: sum(sizes)])
        return Backoff(
            self.vocabulary,
            tree,
            self.log10_probabilities[: sum(sizes)],
            self.log10_backoffs[: sum(sizes[:-1])],
        )

    def options(self) -> dict[str, Any]:
        """Return the order, and how many n-grams each order has."""
        return {"order": len(self.tree.sizes), "ngrams": list(self.tree.sizes)}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the keys of the tree, the probabilities and the weights."""
        return {
            "keys": self.tree.keys,
            "log10_probabilities": self.log10_probabilities,
            "log10_backoffs": self.log10_backoffs,
        }

    @classmethod
    def array_specs(cls, vocabulary: Vocabulary, options: Options) -> dict[str, ArraySpec]:
        """Return the type and shape of each array. Raises ``CheckpointError``."""
        A, below = sum(tree_sizes(options)), sum(tree_sizes(options)[:-1])
        return {
            "keys": ArraySpec("<i8", (A,)),
            "log10_probabilities": ArraySpec("<f8", (A,)),
            "log10_backoffs": ArraySpec("<f8", (below,)),
        }

    @classmethod
    def from_arrays(cls, vocabulary: Vocabulary, options: Options, arrays: Arrays) -> Self:
        """Return the model of these arrays. Raises ``CheckpointError`` for impossible values."""
        keys, probabilities = arrays["keys"], arrays["log10_probabilities"]
        backoffs = arrays["log10_backoffs"]
        refuse_unordered(keys)
        if not ((probabilities >= LOG10_ZERO) & (probabilities <= 0)).all():
            raise CheckpointError("the logarithms of its probabilities are not from -99 to 0")
        if not (np.abs(backoffs) <= -LOG10_ZERO).all():
            raise CheckpointError("the logarithms of its weights are not from -99 to 99")
        tree = NgramTree(len(vocabulary), tuple(options["ngrams"]), keys)
        return cls(vocabulary, tree, probabilities, backoffs)


def powers_of_ten(logarithms: Floats) -> Floats:
    """Return 10 to the power of each logarithm, and 0 for ``LOG10_ZERO``."""
    return np.where(logarithms <= LOG10_ZERO, 0.0, 10.0**logarithms)


def logarithms_to_ten(values: Floats) -> Floats:
    """Return the logarithm to base 10 of each value, and ``LOG10_ZERO`` for 0."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.maximum(np.log10(values), LOG10_ZERO))


def tree_sizes(options: Options) -> list[int]:
    """Return the number of n-grams of each order. Raises ``CheckpointError``."""
    order, sizes = options.get("order"), options.get("ngrams")
    if type(order) is not int or not MIN_ORDER <= order <= MAX_ORDER:
        raise CheckpointError(
            f"the order is {order!r}: expected an integer from {MIN_ORDER} to {MAX_ORDER}"
        )
    if (
        not isinstance(sizes, list)
        or len(sizes) != order
        or not all(type(size) is int and size >= 0 for size in sizes)
        or not 0 < sum(sizes) <= MAX_NGRAMS
    ):
        raise CheckpointError(
            f"the numbers of n-grams are damaged: expected {order} integers, one per order, of"
            f" zero or more and at most {MAX_NGRAMS:,} together"
        )
    return sizes


def refuse_unordered(keys: Integers) -> None:
    """Raise ``CheckpointError`` for keys that cannot be those of a tree."""
    if len(keys) == 0 or keys[0] != 0 or (keys[1:] <= keys[:-1]).any():
        raise CheckpointError("the keys of the n-grams do not ascend from 0")
