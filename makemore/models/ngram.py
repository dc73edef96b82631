"""Orders above two: n-gram models with modified Kneser-Ney, Witten-Bell or additive smoothing.

With h the symbols before w and h' the same without the first, every method but the additive one
interpolates the estimate of each order with that of the next lower, down to the uniform 1 / V:

    P(w | h) = (c(hw) - D) / c(h.) + backoff(h) P(w | h')
    backoff(h) = 1 - sum over w of (c(hw) - D) / c(h.)

Kneser-Ney: D is D1, D2 or D3 as c(hw) is 1, 2 or more (Chen and Goodman 1999, "An empirical study
of smoothing techniques for language modeling", section 3), and below the highest order c(hw)
counts not how often hw occurs but after how many different symbols. An n-gram that begins at a
word's start has nothing before it and keeps its plain count (Heafield et al. 2013, "Scalable
modified Kneser-Ney language model estimation").

The n-grams are one tree in two sorted arrays. It is laid out level by level: first the 1-grams,
then the 2-grams, each level in lexicographic order. An n-gram hw that can be continued is itself
a context, a *state*; the states are numbered in the order of their n-grams, after the *root*, which
is the empty context. The n-gram hw has the key

    key = state(h) * V + w

so all keys ascend, no key is long however high the order is, and a key is also the place of its
n-gram in a table with one row per state. The boundary is symbol 0: as the last of an n-gram it is
a word's end, as the first a word's start. It stands nowhere else, so an n-gram is never longer than
the way back to the word's start: what the model's contexts hold before that adds nothing.

Each n-gram has a *suffix*, itself without its first symbol, one level below. One that is nobody's
suffix has no left extension: it is of the highest order or begins a word. These are the whole
n-grams, one for each symbol of the corpus, and all other counts are sums of theirs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from makemore.data.vocabulary import BOUNDARY, Ids, Vocabulary
from makemore.errors import CheckpointError, SamplingError, TrainingError
from makemore.models.base import MAX_CELLS, ArraySpec, Automaton, Floats, Model

MIN_ORDER, MAX_ORDER = 2, 10
MAX_SMOOTHING = 1e9
MAX_NGRAMS = 1 << 32  # of one order, so that a key fits into 63 bits for every vocabulary
FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)
"""D1, D2 and D3 where the counts of counts define none, as for ``lmplz --discount_fallback``."""

ROOT, START = 0, 1
"""The states of the empty context and of a word's start, which is the first 1-gram."""

_BLOCK = 1 << 16  # symbols whose codes are made at once, so that they stay in the cache
_BUFFER = 1 << 21  # codes that are sorted at once

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class NgramCounts:
    """How often each n-gram of full order occurs, one for each symbol of a corpus; D are distinct.

    Attributes
    ----------
    V, order : int
    codes : array of shape (D,), int64, ascending
        The ``order`` ids of an n-gram as the digits of a number in base V, boundaries as leading
        zeros before a word's start.
    counts : array of shape (D,), int64
    """

    V: int
    order: int
    codes: Integers
    counts: Integers

    @property
    def symbols(self) -> int:
        """How many symbols were counted."""
        return int(self.counts.sum())

    def contexts(self) -> Ids:
        """Return what stands before the last symbol of each n-gram, shape (D, order - 1)."""
        return self.codes[:, None] // self.V ** np.arange(self.order - 1, 0, -1) % self.V

    def targets(self) -> Ids:
        """Return the last symbol of each n-gram, shape (D,)."""
        return self.codes % self.V


class NgramCounter:
    """Counts the n-grams of a corpus block by block.

    Memory: 16 bytes for each distinct n-gram of full order, three times that while two sorted runs
    become one, and about 50 MB for the codes not yet sorted. It does not grow with the corpus.

    Parameters
    ----------
    V : int
        The size of the vocabulary.
    order : int

    Raises
    ------
    TrainingError
        The order is not supported, or n-grams of so many symbols do not fit into 63 bits.

    Examples
    --------
    >>> counter = NgramCounter(V=3, order=2)
    >>> counter.add(np.array([0, 1, 2, 0, 2, 0]))
    >>> counter.counts().codes
    array([1, 2, 5, 6])
    >>> counter.counts().counts
    array([1, 1, 1, 2])
    """

    def __init__(self, V: int, order: int) -> None:
        if fault := _fault_of_order(order):
            raise TrainingError(fault)
        if V**order > 1 << 63:
            highest = next(n for n in range(order, 0, -1) if V**n <= 1 << 63)
            raise TrainingError(
                f"n-grams of order {order} over {V:,} symbols do not fit into 63 bits: the highest"
                f" order for this alphabet is {highest}"
            )
        self._V, self._order = V, order
        self._unsorted: list[Integers] = []
        self._waiting = 0
        self._runs: list[tuple[Integers, Integers]] = []

    def add(self, ids: Ids) -> None:
        """Count the words in ``ids``: one row with a boundary before, between and after them."""
        C = self._order - 1
        for start in range(0, len(ids) - 1, _BLOCK):
            first = max(0, start - C + 1)
            codes = ngram_codes(ids[first : start + _BLOCK + 1], self._V, self._order)
            self._unsorted.append(codes[start - first :])
            self._waiting += len(self._unsorted[-1])
            if self._waiting >= _BUFFER:
                self._sort()

    def counts(self) -> NgramCounts:
        """Return the counts of all that was added."""
        self._sort()
        while len(self._runs) > 1:
            self._merge()
        codes, counts = self._runs[0]
        return NgramCounts(self._V, self._order, codes, counts)

    def _sort(self) -> None:
        codes = np.concatenate(self._unsorted or [np.zeros(0, np.int64)])
        self._unsorted.clear()
        self._waiting = 0
        codes.sort()
        self._runs.append(_add_up(codes, np.ones(len(codes), np.int64)))
        # Each merge at least doubles a run, so no n-gram is merged more than log2(runs) times.
        while len(self._runs) > 1 and len(self._runs[-2][0]) < 2 * len(self._runs[-1][0]):
            self._merge()

    def _merge(self) -> None:
        (codes, counts), (more_codes, more_counts) = self._runs.pop(), self._runs.pop()
        self._runs.append(
            _sort_and_add_up(
                np.concatenate((codes, more_codes)), np.concatenate((counts, more_counts))
            )
        )


def ngram_codes(ids: Ids, V: int, order: int) -> Integers:
    """Return the code of the n-gram that ends at each id but the first, shape (len(ids) - 1,).

    The id before a word is the boundary; what stands before that counts as boundaries too.

    >>> ngram_codes(np.array([0, 5, 12, 0, 7]), V=100, order=3)
    array([    5,   512, 51200,     7])
    """
    is_character = ids != BOUNDARY
    contexts = ids
    for _ in range(order - 2):
        longer = contexts[:-1] * V
        longer += ids[1:]
        longer *= is_character[1:]  # a word's end is the next word's start: nothing before it
        contexts = np.concatenate((ids[:1], longer))
    return contexts[:-1] * V + ids[1:]


@dataclass(frozen=True)
class NgramTree:
    """The n-grams of orders 1 to ``order`` as the module's text describes; A are all of them.

    Attributes
    ----------
    V : int
    sizes : tuple of int
        How many n-grams each level has. Their sum is A.
    keys : array of shape (A,), int64, ascending
        state of the context * V + symbol.
    counts : array of shape (A,), int64
        How often each n-gram occurs.
    """

    V: int
    sizes: tuple[int, ...]
    keys: Integers
    counts: Integers

    def levels(self) -> list[slice]:
        """Return where the n-grams of each length stand, the shortest first."""
        ends = np.cumsum(self.sizes).tolist()
        return [slice(end - size, end) for end, size in zip(ends, self.sizes, strict=True)]

    def states(self, level: slice) -> slice:
        """Return the states that the n-grams of a level continue."""
        keys = self.keys[level]
        return slice(keys[0] // self.V, keys[-1] // self.V + 1) if len(keys) else slice(0, 0)

    def of_order(self, order: int) -> "NgramTree":
        """Return the tree that the same corpus gives for a lower order."""
        A = sum(self.sizes[:order])
        return NgramTree(self.V, self.sizes[:order], self.keys[:A], self.counts[:A])


def grow_tree(ngrams: NgramCounts) -> NgramTree:
    """Return the tree of these counts: every lower order follows from the n-grams of full order."""
    levels = _levels(ngrams)
    keys = []
    state = ROOT
    for codes, _ in levels:
        contexts = codes // ngrams.V
        is_first = _is_first(contexts)
        keys.append((state + np.cumsum(is_first) - 1) * ngrams.V + codes % ngrams.V)
        state += int(is_first.sum())
    sizes = tuple(len(codes) for codes, _ in levels)
    return NgramTree(
        ngrams.V, sizes, np.concatenate(keys), np.concatenate([counts for _, counts in levels])
    )


def _levels(ngrams: NgramCounts) -> list[tuple[Integers, Integers]]:
    """Return the codes and counts of the n-grams of each length, the shortest first.

    An n-gram of length k is of full order, or begins a word (its code of full order is the same
    number, below V**(k - 1) for the leading zeros), or is the suffix of one of length k + 1.
    """
    V, n = ngrams.V, ngrams.order
    borders = np.searchsorted(ngrams.codes, [V**k for k in range(1, n - 1)])
    own_codes = np.split(ngrams.codes, [0, *borders])
    own_counts = np.split(ngrams.counts, [0, *borders])
    levels = [(own_codes.pop(), own_counts.pop())]
    for k in range(n - 1, 0, -1):
        codes, counts = _sort_and_add_up(levels[-1][0] % V**k, levels[-1][1])
        levels.append(
            (np.concatenate((own_codes.pop(), codes)), np.concatenate((own_counts.pop(), counts)))
        )
    return levels[::-1]


def _sort_and_add_up(codes: Integers, counts: Integers) -> tuple[Integers, Integers]:
    order = np.argsort(codes, kind="stable")
    return _add_up(codes[order], counts[order])


def _add_up(codes: Integers, counts: Integers) -> tuple[Integers, Integers]:
    """Return the distinct ones of ascending codes, and the sums of their counts."""
    starts = np.flatnonzero(_is_first(codes))
    if not len(starts):
        return codes, counts
    return codes[starts], np.add.reduceat(counts, starts)


def _is_first(values: Integers) -> Flags:
    """Return which of ascending values differ from the one before them."""
    is_first = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=is_first[1:])
    return is_first


class _Links:
    """Where each n-gram and each state of a tree leads; A n-grams, S states.

    Attributes
    ----------
    states : array of shape (A,)
        The state of each n-gram's context.
    suffixes : array of shape (A,)
        The n-gram that each is without its first symbol; -1 for 1-grams.
    next_states : array of shape (A,)
        The state after each n-gram: its own, or that of its longest suffix that is a state.
    suffix_states : array of shape (S,)
        The state of each context without its first symbol; the root's is the root.

    Raises
    ------
    CheckpointError
        The tree lacks the suffix of one of its n-grams, or is none.
    """

    def __init__(self, tree: NgramTree) -> None:
        V, levels = tree.V, tree.levels()
        self.states, symbols = np.divmod(tree.keys, V)
        is_state = symbols != BOUNDARY
        is_state[levels[0]], is_state[levels[-1]] = True, False
        self.next_states = np.cumsum(is_state)
        _check_states(self.states, is_state, levels)
        self.suffixes = np.full(len(tree.keys), -1)
        self.suffix_states = np.full(1 + int(is_state.sum()), ROOT)
        for lower, level in pairwise(levels):
            keys = self.suffix_states[self.states[level]] * V + symbols[level]
            suffixes = lower.start + np.searchsorted(tree.keys[lower], keys)
            if not np.array_equal(tree.keys[np.minimum(suffixes, lower.stop - 1)], keys):
                raise CheckpointError("an n-gram stands in the tree without its suffix")
            self.suffixes[level] = suffixes
            own, after_suffix = self.next_states[level], self.next_states[suffixes]
            self.suffix_states[own[is_state[level]]] = after_suffix[is_state[level]]
            self.next_states[level] = np.where(is_state[level], own, after_suffix)


def _check_states(states: Integers, is_state: Flags, levels: list[slice]) -> None:
    """Raise ``CheckpointError`` unless the n-grams of each level continue all states before it."""
    first, last = ROOT, ROOT
    for level in levels:
        expected = np.arange(first, last + 1)
        if not np.array_equal(states[level][_is_first(states[level])], expected):
            raise CheckpointError("the n-grams of one level do not continue those of the one below")
        first, last = last + 1, last + int(is_state[level].sum())


Estimate = tuple[Floats, Floats]
"""The n-grams' own share of P, (A,), and the states' share for the next lower order, (S,)."""


def kneser_ney(tree: NgramTree, links: _Links, smoothing: float) -> Estimate:
    """Estimate by interpolated modified Kneser-Ney; ``smoothing`` has no meaning here."""
    extensions = np.bincount(links.suffixes[tree.sizes[0] :], minlength=len(tree.keys))
    counts = np.where(extensions > 0, extensions, tree.counts)
    discounts = np.concatenate(
        [
            np.array([0.0, *kneser_ney_discounts(counts[level])])[np.minimum(counts[level], 3)]
            for level in tree.levels()
        ]
    )
    totals = np.bincount(links.states, counts)
    return (
        (counts - discounts) / totals[links.states],
        np.bincount(links.states, discounts) / totals,
    )


def kneser_ney_discounts(counts: Integers) -> tuple[float, float, float]:
    """Return D1, D2 and D3 of one order from the counts of its n-grams.

    With n_k n-grams counted k times and Y = n1 / (n1 + 2 n2): Dk = k - (k + 1) Y n_(k+1) / n_k
    (Chen and Goodman 1999, equation 26). All three are ``FALLBACK_DISCOUNTS`` where n1, n2 or n3 is
    zero, or one of them comes out zero or less and would leave nothing for symbols not seen.
    """
    n1, n2, n3, n4 = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].tolist()
    if not n1 * n2 * n3:
        return FALLBACK_DISCOUNTS
    Y = n1 / (n1 + 2 * n2)
    discounts = (1 - 2 * Y * n2 / n1, 2 - 3 * Y * n3 / n2, 3 - 4 * Y * n4 / n3)
    return discounts if min(discounts) > 0 else FALLBACK_DISCOUNTS


def witten_bell(tree: NgramTree, links: _Links, smoothing: float) -> Estimate:
    """Estimate by interpolated Witten-Bell; ``smoothing`` has no meaning here.

    The share of the next lower order is T / (c(h.) + T), with T the number of different symbols
    that followed h (Chen and Goodman 1999, section 2.5).
    """
    kinds = np.bincount(links.states)
    totals = np.bincount(links.states, tree.counts) + kinds
    return tree.counts / totals[links.states], kinds / totals


def additive(tree: NgramTree, links: _Links, smoothing: float) -> Estimate:
    """Estimate (c(hw) + smoothing) / (c(h.) + smoothing V), and 1 / V after a context not seen.

    Only the longest contexts have a say: all others give their whole share to the lower order.
    """
    is_suffix = np.bincount(links.suffix_states, minlength=len(links.suffix_states)) > 0
    totals = np.bincount(links.states, tree.counts) + smoothing * tree.V
    own_share = np.where(is_suffix[links.states], 0.0, tree.counts / totals[links.states])
    return own_share, np.where(is_suffix, 1.0, smoothing * tree.V / totals)


SMOOTHING_METHODS: dict[str, Callable[[NgramTree, _Links, float], Estimate]] = {
    "kneser-ney": kneser_ney,
    "witten-bell": witten_bell,
    "additive": additive,
}


class Ngram(Model):
    """An n-gram model of order 2 to 10.

    Parameters
    ----------
    vocabulary : Vocabulary, of V symbols
    tree : NgramTree
    smoothing_method : str
        A key of ``SMOOTHING_METHODS``.
    smoothing : float
        What the additive method adds to every count; no other method uses it.
    """

    name: ClassVar[str] = "ngram"

    def __init__(
        self,
        vocabulary: Vocabulary,
        tree: NgramTree,
        smoothing_method: str = "kneser-ney",
        smoothing: float = 1.0,
    ) -> None:
        self.vocabulary = vocabulary
        self.context_length = len(tree.sizes) - 1
        self.tree = tree
        self.smoothing_method = smoothing_method
        self.smoothing = smoothing
        links = _Links(tree)
        own_shares, self._backoffs = SMOOTHING_METHODS[smoothing_method](tree, links, smoothing)
        # The last is that of an n-gram that no level holds, so index -1 is where every search ends.
        self._probabilities = np.append(own_shares, 1.0 / len(vocabulary))
        self._next_states = np.append(links.next_states, ROOT)
        self._suffix_states = links.suffix_states
        for level in tree.levels():
            lower = self._probabilities[links.suffixes[level]]
            self._probabilities[level] += self._backoffs[links.states[level]] * lower
        is_suffix = np.zeros(len(tree.keys) + 1, np.bool_)
        is_suffix[links.suffixes] = True
        self._is_whole = ~is_suffix[:-1]

    def log_probabilities(self, contexts: Ids) -> Floats:
        """Return log P(next symbol | context) in nats, (B, context_length) ids -> (B, V)."""
        V = len(self.vocabulary)
        states, rows = np.unique(self._states_after(contexts), return_inverse=True)
        symbols = np.tile(np.arange(V), len(states))
        return self._log_probabilities(np.repeat(states, V), symbols).reshape(-1, V)[rows]

    def target_log_probabilities(self, contexts: Ids, targets: Ids) -> Floats:
        """Return log P(target | context) in nats, (B, context_length) and (B,) ids -> (B,)."""
        return self._log_probabilities(self._states_after(contexts), targets)

    def _log_probabilities(self, states: Integers, symbols: Ids) -> Floats:
        found, weights = self._find(states, symbols)
        with np.errstate(divide="ignore"):  # the additive method may add nothing
            return np.log(weights * self._probabilities[found])

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
            keys = states * self.tree.V + symbols
            at = np.minimum(np.searchsorted(self.tree.keys, keys), len(self.tree.keys) - 1)
            is_here = self.tree.keys[at] == keys
            found[searching[is_here]] = at[is_here]
            weights[searching[~is_here]] *= self._backoffs[states[~is_here]]
            go_on = ~is_here & (states != ROOT)
            searching, symbols = searching[go_on], symbols[go_on]
            states = self._suffix_states[states[go_on]]
        return found, weights

    def automaton(self) -> Automaton:
        """Return the automaton whose states are the contexts that were seen, the root among them.

        Raises ``SamplingError`` where they are too many.
        """
        V, S = len(self.vocabulary), len(self._backoffs)
        if S * V > MAX_CELLS:
            raise SamplingError(
                f"{S:,} contexts of {V:,} symbols are too many to go through: the limit is"
                f" {MAX_CELLS:,} states times symbols; train with a lower order"
            )
        P = np.full((S, V), 1.0 / V)
        successors = np.full((S, V), ROOT, np.int32)
        for level in self.tree.levels():
            states = self.tree.states(level)
            P[states] = self._backoffs[states, None] * P[self._suffix_states[states]]
            successors[states] = successors[self._suffix_states[states]]
            # a key is the place of its n-gram in a table with one row per state
            P.ravel()[self.tree.keys[level]] = self._probabilities[:-1][level]
            successors.ravel()[self.tree.keys[level]] = self._next_states[:-1][level]
        with np.errstate(divide="ignore"):
            return Automaton(np.log(P, out=P), successors, START)

    def of_order(self, order: int) -> "Ngram":
        """Return the model of a lower order that the same corpus gives."""
        tree = self.tree.of_order(order)
        return Ngram(self.vocabulary, tree, self.smoothing_method, self.smoothing)

    def bigram_table(self) -> Floats:
        """Return P(next | this symbol) by the order-2 model of the same counts, shape (V, V)."""
        pairs = np.arange(len(self.vocabulary))[:, None]
        return np.exp(self.of_order(2).log_probabilities(pairs))

    def bigram_counts(self) -> Integers:
        """Return N of shape (V, V): how often symbol j followed symbol i in the training words."""
        V = len(self.vocabulary)
        ones, twos = self.tree.levels()[:2]
        states, symbols = np.divmod(self.tree.keys[twos], V)
        N = np.zeros((V, V), np.int64)
        N[self.tree.keys[ones][states - START], symbols] = self.tree.counts[twos]
        return N

    def training_loss(self) -> float:
        """Return the mean of -log P over the training symbols, in nats per symbol."""
        counts = self.tree.counts[self._is_whole]
        probabilities = self._probabilities[:-1][self._is_whole]
        return float(-(counts * np.log(probabilities)).sum() / counts.sum())

    @property
    def parameter_count(self) -> int:
        """How many probabilities and backoffs the model has, those of lower orders included."""
        return len(self.tree.keys) + len(self._backoffs)

    def options(self) -> dict[str, Any]:
        """Return the smoothing, the order, and how many n-grams each order has."""
        return {
            "order": len(self.tree.sizes),
            "smoothing_method": self.smoothing_method,
            "smoothing": self.smoothing,
            "ngrams": list(self.tree.sizes),
        }

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the keys and the counts of the tree, (A,) each; all else follows from them."""
        return {"keys": self.tree.keys, "counts": self.tree.counts}

    @classmethod
    def array_specs(
        cls, vocabulary: Vocabulary, options: Mapping[str, Any]
    ) -> dict[str, ArraySpec]:
        """Return the type and shape of keys and counts. Raises ``CheckpointError``."""
        order, sizes = options.get("order"), options.get("ngrams")
        fault = _fault_of_order(order) or _fault_of_smoothing(
            options.get("smoothing_method"), options.get("smoothing")
        )
        if fault:
            raise CheckpointError(f"the options of the n-gram model are damaged: {fault}")
        if (
            not isinstance(sizes, list)
            or len(sizes) != order
            or not all(type(size) is int and 0 <= size <= MAX_NGRAMS for size in sizes)
        ):
            raise CheckpointError(
                f"the numbers of n-grams should be {order} integers from 0 to {MAX_NGRAMS:,},"
                " one per order"
            )
        A = (sum(sizes),)
        return {"keys": ArraySpec("<i8", A), "counts": ArraySpec("<i8", A)}

    @classmethod
    def from_arrays(
        cls,
        vocabulary: Vocabulary,
        options: Mapping[str, Any],
        arrays: Mapping[str, npt.NDArray[Any]],
    ) -> Self:
        """Return the model of these arrays. Raises ``CheckpointError`` for impossible values."""
        keys, counts = arrays["keys"], arrays["counts"]
        if len(keys) == 0 or keys[0] != 0 or (keys[1:] <= keys[:-1]).any():
            raise CheckpointError("the keys of the n-grams do not ascend from 0")
        # float64 holds every integer up to 2**53, so sums of counts are exact
        if (counts < 1).any() or counts.sum(dtype=np.float64) > 1 << 53:
            raise CheckpointError("the counts are not all 1 or more, with a sum of at most 2**53")
        tree = NgramTree(len(vocabulary), tuple(options["ngrams"]), keys, counts)
        return cls(vocabulary, tree, options["smoothing_method"], options["smoothing"])


def train_ngram(
    ngrams: NgramCounts,
    vocabulary: Vocabulary,
    smoothing_method: str = "kneser-ney",
    smoothing: float = 1.0,
) -> Ngram:
    """Return the model of these counts; its order is theirs. Raises ``TrainingError``."""
    if fault := _fault_of_smoothing(smoothing_method, smoothing):
        raise TrainingError(fault)
    if not len(ngrams.codes):
        raise TrainingError("there are no words to count n-grams in")
    return Ngram(vocabulary, grow_tree(ngrams), smoothing_method, smoothing)


def loss_on_counts(model: Model, ngrams: NgramCounts) -> float:
    """Return the mean of -log P over all counted symbols in nats per symbol.

    The order of the n-grams is the model's context length and one. Infinite where a symbol that was
    counted is impossible for the model.
    """
    log_probabilities = model.target_log_probabilities(ngrams.contexts(), ngrams.targets())
    return float(-(ngrams.counts * log_probabilities).sum() / ngrams.symbols)


def _fault_of_order(order: object) -> str | None:
    if type(order) is int and MIN_ORDER <= order <= MAX_ORDER:
        return None
    return f"the order is {order!r}: expected an integer from {MIN_ORDER} to {MAX_ORDER}"


def _fault_of_smoothing(method: object, smoothing: object) -> str | None:
    if not isinstance(method, str) or method not in SMOOTHING_METHODS:
        return f"the smoothing method is {method!r}: expected one of {', '.join(SMOOTHING_METHODS)}"
    if type(smoothing) not in (int, float) or not 0 <= smoothing <= MAX_SMOOTHING:
        return f"the smoothing is {smoothing!r}: expected a number from 0 to {MAX_SMOOTHING:g}"
    return None
