"""Orders above two: n-gram models with modified Kneser-Ney, Witten-Bell or additive smoothing.

With h the symbols before w, and h' the same without the first, the estimate of each order is mixed
with that of the next lower, down to the uniform 1 / V:

    P(w | h) = share(hw) + backoff(h) P(w | h')
    backoff(h) = 1 - sum over w of share(hw)

The methods differ in the shares. Kneser-Ney's are (c(hw) - D) / c(h.), with D one of D1, D2 and D3
as c(hw) is 1, 2 or more (Chen and Goodman 1999, "An empirical study of smoothing techniques for
language modeling", section 3), and below the highest order c(hw) counts not how often hw occurs but
after how many distinct symbols. An n-gram that begins at a word's start has nothing before it and
keeps its plain count (Heafield et al. 2013, "Scalable modified Kneser-Ney language model
estimation").

The n-grams are one tree in two sorted arrays. It is laid out level by level: first the 1-grams,
then the 2-grams, each level in lexicographic order. An n-gram hw that can be continued is itself
a context, a *state*; the states are numbered in the order of their n-grams, after the *root*, which
is the empty context. The n-gram hw has the key

    key = state(h) * V + w

so all keys ascend, no key is long however high the order is, and a key is also the position of its
n-gram in a table with one row per state. The boundary is symbol 0: as the last of an n-gram it is
a word's end, as the first a word's start. It stands nowhere else, so an n-gram is never longer than
the way back to the word's start: what the model's contexts hold before that adds nothing.

Each n-gram has a *suffix*, itself without its first symbol, one level below. One that is nobody's
suffix has no left extension: it is of the highest order or begins a word. These are the whole
n-grams, one for each symbol of the corpus, and all other counts are sums of theirs.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise, zip_longest
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from makemore.archive import ArraySpec
from makemore.arrays import Flags, Floats, Ids, Integers, States
from makemore.counting.ngrams import NgramCounts, add_up, mark_first
from makemore.data.vocabulary import BOUNDARY, Vocabulary
from makemore.errors import CheckpointError, TrainingError
from makemore.kinds import MAX_ORDER, MAX_SMOOTHING, MIN_ORDER, SMOOTHING_METHODS
from makemore.models.base import MAX_CELLS, Automaton, State, WindowedModel

MAX_NGRAMS = (1 << 31) - 1  # of all orders together: their positions are kept as int32
WORTH_CELLS = 32  # an automaton of so many cells takes less time than searching for one symbol
FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)
"""D1, D2 and D3 where the counts of counts define none, as for ``lmplz --discount_fallback``."""

ROOT, START = 0, 1
"""The states of the empty context and of a word's start, which is the first 1-gram."""


class NgramTree(NamedTuple):
    """The n-grams of orders 1 to ``order`` as the module's text describes; A are all of them.

    Attributes
    ----------
    V : int
    sizes : tuple of int
        The number of n-grams of each level. Their sum is A.
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
        is_new = mark_first(contexts)
        keys.append((state + np.cumsum(is_new) - 1) * ngrams.V + codes % ngrams.V)
        state += int(is_new.sum())
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
        codes, counts = add_up(levels[-1][0] % V**k, levels[-1][1])
        levels.append(
            (np.concatenate((own_codes.pop(), codes)), np.concatenate((own_counts.pop(), counts)))
        )
    return levels[::-1]


class _Links:
    """Where each n-gram and each state of a tree leads; A n-grams, S states.

    Attributes
    ----------
    suffixes : array of shape (A,), int32
        The n-gram that each is without its first symbol; -1 for 1-grams.
    next_states : array of shape (A,), int32
        The state after each n-gram: its own, or that of its longest suffix that is a state.
    suffix_states : array of shape (S,), int32
        The state of each context without its first symbol; the root's is the root.

    Raises
    ------
    CheckpointError
        The n-grams do not make a tree, or one stands there without its suffix.
    """

    def __init__(self, tree: NgramTree) -> None:
        V, levels = tree.V, tree.levels()
        is_state = tree.keys % V != BOUNDARY
        is_state[levels[0]], is_state[levels[-1]] = True, False
        _check_states(tree, is_state)
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


def _check_states(tree: NgramTree, is_state: Flags) -> None:
    """Raise ``CheckpointError`` unless each level continues the states of the level before it."""
    first, last = ROOT, ROOT
    for level in tree.levels():
        states = tree.keys[level] // tree.V
        if not np.array_equal(states[mark_first(states)], np.arange(first, last + 1)):
            raise CheckpointError("the n-grams of one length do not continue the shorter ones")
        first, last = last + 1, last + int(is_state[level].sum())


class Level(NamedTuple):
    """The n-grams of one length, K of them, and what is known to estimate from.

    Attributes
    ----------
    V : int
    counts : array of shape (K,), int64
        How often each occurs.
    extensions : array of shape (K,), int64
        The number of distinct symbols that it occurs after; 0 for n-grams of full order and for
        those that begin a word.
    contexts : array of shape (K,), int64
        The number of each one's context, ascending from 0 without a gap.
    """

    V: int
    counts: Integers
    extensions: Integers
    contexts: Integers


Estimate = tuple[Floats, Floats]
"""The share of each n-gram, shape (K,), and the backoff of each context."""


def kneser_ney(level: Level, smoothing: float) -> Estimate:
    """Estimate by interpolated modified Kneser-Ney; ``smoothing`` has no meaning here."""
    counts = np.where(level.extensions > 0, level.extensions, level.counts)
    discounts = np.array([0.0, *kneser_ney_discounts(counts)])[np.minimum(counts, 3)]
    totals = np.bincount(level.contexts, counts)
    backoffs = np.bincount(level.contexts, discounts) / totals
    return (counts - discounts) / totals[level.contexts], backoffs


def kneser_ney_discounts(counts: Integers) -> tuple[float, float, float]:
    """Return D1, D2 and D3 of one order from the counts of its n-grams.

    With n_k n-grams counted k times and Y = n1 / (n1 + 2 n2): Dk = k - (k + 1) Y n_(k+1) / n_k
    (Chen and Goodman 1999, section 3). All three are ``FALLBACK_DISCOUNTS`` where n1, n2 or n3 is
    zero, or where one of them comes out zero or less: symbols not seen must keep a share.

    >>> kneser_ney_discounts(np.array([1, 1, 1, 1, 2, 2, 3, 4, 9]))  # Y = 4 / 8
    (0.5, 1.25, 1.0)
    >>> kneser_ney_discounts(np.array([7, 7]))
    (0.5, 1.0, 1.5)
    """
    n1, n2, n3, n4 = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].tolist()
    if 0 in (n1, n2, n3):
        return FALLBACK_DISCOUNTS
    Y = n1 / (n1 + 2 * n2)
    discounts = (1 - 2 * Y * n2 / n1, 2 - 3 * Y * n3 / n2, 3 - 4 * Y * n4 / n3)
    return discounts if min(discounts) > 0 else FALLBACK_DISCOUNTS


def witten_bell(level: Level, smoothing: float) -> Estimate:
    """Estimate by interpolated Witten-Bell; ``smoothing`` has no meaning here.

    The backoff is T / (c(h.) + T), with T the number of distinct symbols that followed h (Chen and
    Goodman 1999, section 2).
    """
    kinds = np.bincount(level.contexts)
    totals = np.bincount(level.contexts, level.counts) + kinds
    return level.counts / totals[level.contexts], kinds / totals


def additive(level: Level, smoothing: float) -> Estimate:
    """Estimate (c(hw) + smoothing) / (c(h.) + smoothing V), and 1 / V after a context not seen.

    Only contexts of full length have a say, a word's start included: shorter ones leave all to the
    lower order, which ends at 1 / V.
    """
    is_full = np.bincount(level.contexts, level.extensions) == 0
    totals = np.bincount(level.contexts, level.counts) + smoothing * level.V
    shares = np.where(is_full[level.contexts], level.counts / totals[level.contexts], 0.0)
    return shares, np.where(is_full, smoothing * level.V / totals, 1.0)


ESTIMATORS: dict[str, Callable[[Level, float], Estimate]] = {
    "kneser-ney": kneser_ney,
    "witten-bell": witten_bell,
    "additive": additive,
}


class Ngram(WindowedModel):
    """An n-gram model of order 2 to 10.

    Parameters
    ----------
    vocabulary : Vocabulary, of V symbols
    tree : NgramTree
    smoothing_method : str
        A key of ``ESTIMATORS``.
    smoothing : float
        What the additive method adds to every count; no other method uses it.
    """

    name: ClassVar[str] = "ngram"
    table_of_pairs: ClassVar[str] = "the model of order 2 by the same counts"

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
        # index -1 is for the n-gram that no level holds: probability 1 / V, and then the root
        self._probabilities = np.full(len(tree.keys) + 1, 1.0 / len(vocabulary))
        self._next_states = np.append(links.next_states, np.int32(ROOT))
        self._suffix_states = links.suffix_states
        self._backoffs = np.empty(len(self._suffix_states))
        self._is_whole = np.empty(len(tree.keys), np.bool_)
        self._automaton: Automaton | None = None
        for level, longer in zip_longest(tree.levels(), tree.levels()[1:], fillvalue=slice(0, 0)):
            self._estimate(level, links.suffixes[level], links.suffixes[longer])

    def _estimate(self, level: slice, suffixes: States, longer_suffixes: States) -> None:
        """Fill in the probabilities and the backoffs of a level from those of the lower level."""
        keys, counts, rows = self.tree.keys[level], self.tree.counts[level], self.tree.states(level)
        extensions = np.bincount(longer_suffixes - level.start, minlength=len(keys))
        contexts = keys // self.tree.V - rows.start
        estimate = ESTIMATORS[self.smoothing_method]
        shares, backoffs = estimate(
            Level(self.tree.V, counts, extensions, contexts), self.smoothing
        )
        lower = self._probabilities[suffixes]
        self._probabilities[:-1][level] = shares + backoffs[contexts] * lower
        self._backoffs[rows] = backoffs
        self._is_whole[level] = extensions == 0

    def log_probabilities(self, state: State) -> Floats:
        """Return log P(next symbol | context) in nats, (B, context_length) ids -> (B, V)."""
        V = len(self.vocabulary)
        states, rows = np.unique(self._states_after(np.asarray(state)), return_inverse=True)
        symbols = np.tile(np.arange(V), len(states))
        return self._log_probabilities(np.repeat(states, V), symbols).reshape(-1, V)[rows]

    def target_log_probabilities(self, contexts: Ids, targets: Ids) -> Floats:
        """Return log P(target | context) in nats, (B, context_length) and (B,) ids -> (B,).

        A batch large enough to be worth it builds the automaton and keeps it: a step there is ten
        times as fast as a search, and memory stays in proportion to the batch.
        """
        cells = len(self._backoffs) * len(self.vocabulary)
        if self._automaton is None and cells <= min(MAX_CELLS, WORTH_CELLS * len(targets)):
            self._automaton = self.automaton()
        if self._automaton is None:
            return self._log_probabilities(self._states_after(contexts), targets)
        successors = self._automaton.successors
        states = np.full(len(targets), ROOT, np.int32)
        for symbols in contexts.T:
            states = np.where(symbols == BOUNDARY, START, successors[states, symbols])
        return self._automaton.log_probabilities[states, targets]

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
        for level in self.tree.levels():
            states = self.tree.states(level)
            P[states] = self._backoffs[states, None] * P[self._suffix_states[states]]
            successors[states] = successors[self._suffix_states[states]]
            # a key is the position of its n-gram in a table with one row per state
            P.ravel()[self.tree.keys[level]] = self._probabilities[:-1][level]
            successors.ravel()[self.tree.keys[level]] = self._next_states[:-1][level]
        fallbacks = self._suffix_states.copy()
        fallbacks[ROOT] = -1
        with np.errstate(divide="ignore"):
            return Automaton(np.log(P, out=P), successors, START, fallbacks)

    def of_order(self, order: int) -> "Ngram":
        """Return the model of a lower order that the same corpus gives."""
        tree = self.tree.of_order(order)
        return Ngram(self.vocabulary, tree, self.smoothing_method, self.smoothing)

    def bigram_table(self) -> Floats:
        """Return P(next | this symbol) by the order-2 model of the same counts, shape (V, V)."""
        pairs = np.arange(len(self.vocabulary))[:, None]
        return np.asarray(np.exp(self.of_order(2).log_probabilities(pairs)))

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
        return float(0.0 - (counts * np.log(probabilities)).sum() / counts.sum())  # never -0.0

    @property
    def parameter_count(self) -> int:
        """The number of probabilities and back-off weights, those of lower orders included."""
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
        if type(order) is not int or not MIN_ORDER <= order <= MAX_ORDER:
            raise CheckpointError(
                f"the order is {order!r}: expected an integer from {MIN_ORDER} to {MAX_ORDER}"
            )
        fault = _fault_of_smoothing(options.get("smoothing_method"), options.get("smoothing"))
        if fault:
            raise CheckpointError(fault)
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
    tree = grow_tree(ngrams)
    if len(tree.keys) > MAX_NGRAMS:
        raise TrainingError(
            f"there are {len(tree.keys):,} distinct n-grams up to order {ngrams.order} and the"
            f" limit is {MAX_NGRAMS:,}: train with a lower order"
        )
    return Ngram(vocabulary, tree, smoothing_method, smoothing)


def loss_on_counts(model: WindowedModel, ngrams: NgramCounts) -> float:
    """Return the mean of -log P over all counted symbols in nats per symbol.

    The order of the n-grams is the model's context length and one. Infinite where a symbol that was
    counted is impossible for the model.
    """
    log_probabilities = model.target_log_probabilities(ngrams.contexts(), ngrams.targets())
    return float(0.0 - (ngrams.counts * log_probabilities).sum() / ngrams.symbols)  # never -0.0


def _fault_of_smoothing(method: Any, smoothing: Any) -> str | None:
    if not isinstance(method, str) or method not in SMOOTHING_METHODS:
        return f"the smoothing method is {method!r}: expected one of {', '.join(SMOOTHING_METHODS)}"
    is_number = isinstance(smoothing, int | float) and not isinstance(smoothing, bool)
    if not (is_number and 0 <= smoothing <= MAX_SMOOTHING):
        return f"the smoothing is {smoothing!r}: expected a number from 0 to {MAX_SMOOTHING:g}"
    return None
