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

The n-grams are the tree of ``backoff.py``, with a count beside each key. An n-gram that is nobody's
suffix has no left extension: it is of the highest order or begins a word. These are the whole
n-grams, one for each symbol of the corpus, and all other counts are sums of theirs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from makemore.archive import ArraySpec
from makemore.arrays import Arrays, Floats, Integers, States
from makemore.counting.ngrams import NgramCounts, refuse_beyond_memory
from makemore.counting.tables import add_up, mark_first
from makemore.data.vocabulary import Vocabulary
from makemore.errors import CheckpointError, TrainingError
from makemore.kinds import MAX_SMOOTHING, SMOOTHING_METHODS
from makemore.models.backoff import (
    MAX_NGRAMS,
    ROOT,
    START,
    Backoff,
    BackoffModel,
    Links,
    NgramTree,
    logarithms_to_ten,
    refuse_unordered,
    tree_sizes,
)
from makemore.models.base import Options, WindowedModel

FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)
"""D1, D2 and D3 where the counts of counts define none, as for ``lmplz --discount_fallback``."""


MAX_COUNTS = 1 << 53
"""The largest sum of all counts: float64 holds every integer so far, so their sums are exact."""


@dataclass(frozen=True)
class CountedTree(NgramTree):
    """The tree of the n-grams that occur in a corpus; A are all of them.

    Attributes
    ----------
    counts : array of shape (A,), int64
        How often each n-gram occurs.
    """

    counts: Integers

    def of_order(self, order: int) -> "CountedTree":
        """Return the tree that the same corpus gives for a lower order."""
        A = sum(self.sizes[:order])
        return CountedTree(self.V, self.sizes[:order], self.keys[:A], self.counts[:A])


def grow_tree(ngrams: NgramCounts) -> CountedTree:
    """Return the tree of these counts: every lower order follows from the n-grams of full order.

    Raises ``TrainingError`` where memory does not suffice.
    """
    levels = _levels(ngrams)
    keys = []
    state = ROOT
    for codes, _ in levels:
        contexts = codes // ngrams.V
        is_new = mark_first(contexts)
        keys.append((state + np.cumsum(is_new) - 1) * ngrams.V + codes % ngrams.V)
        state += int(is_new.sum())
    sizes = tuple(len(codes) for codes, _ in levels)
    return CountedTree(
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
        refuse_beyond_memory(sum(len(codes) for codes, _ in levels), n)
        codes, counts = add_up(levels[-1][0] % V**k, levels[-1][1])
        levels.append(
            (np.concatenate((own_codes.pop(), codes)), np.concatenate((own_counts.pop(), counts)))
        )
    return levels[::-1]


def _refuse_dead_ends(tree: CountedTree, state_levels: Sequence[slice]) -> None:
    """Raise ``CheckpointError`` unless each state is continued, as everything counted is."""
    for level, states in zip(tree.levels(), state_levels, strict=True):
        contexts = tree.keys[level] // tree.V
        if mark_first(contexts).sum() != states.stop - states.start:
            raise CheckpointError("the n-grams of one length do not continue the shorter ones")


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


class Ngram(BackoffModel):
    """An n-gram model of order 2 to 10.

    Parameters
    ----------
    vocabulary : Vocabulary, of V symbols
    tree : CountedTree
    smoothing_method : str
        A key of ``ESTIMATORS``.
    smoothing : float
        What the additive method adds to every count; no other method uses it.
    """

    name: ClassVar[str] = "ngram"
    table_of_pairs: ClassVar[str] = "bigram probabilities from the same counts"
    tree: CountedTree

    def __init__(
        self,
        vocabulary: Vocabulary,
        tree: CountedTree,
        smoothing_method: str = "kneser-ney",
        smoothing: float = 1.0,
    ) -> None:
        links = Links(tree)
        _refuse_dead_ends(tree, links.state_levels)
        super().__init__(vocabulary, tree, links)
        self.smoothing_method = smoothing_method
        self.smoothing = smoothing
        self._is_whole = np.empty(len(tree.keys), np.bool_)
        levels = [*tree.levels(), slice(0, 0)]
        for (level, longer), rows in zip(pairwise(levels), links.state_levels, strict=True):
            self._estimate(level, rows, links.suffixes[level], links.suffixes[longer])

    def _estimate(
        self, level: slice, rows: slice, suffixes: States, longer_suffixes: States
    ) -> None:
        """Fill in the probabilities and the backoffs of a level from those of the lower level."""
        keys, counts = self.tree.keys[level], self.tree.counts[level]
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

    def of_order(self, order: int) -> "Ngram":
        """Return the model of a lower order that the same corpus gives."""
        tree = self.tree.of_order(order)
        return Ngram(self.vocabulary, tree, self.smoothing_method, self.smoothing)

    def as_backoff(self) -> Backoff:
        """Return the same probabilities without the counts, and with every symbol as a 1-gram.

        Of a symbol that only held-out words have, the counts know no 1-gram: its probability is a
        share of the uniform 1 / V, and the states after it move up by one.
        """
        V, levels = len(self.vocabulary), self.tree.levels()
        known = self.tree.keys[levels[0]]
        ones = np.full(V, self._backoffs[ROOT] / V)
        ones[known] = self._probabilities[:-1][levels[0]]
        numbers = np.arange(len(self._backoffs)) + V - len(known)
        numbers[ROOT], numbers[START : START + len(known)] = ROOT, START + known
        contexts, symbols = np.divmod(self.tree.keys[len(known) :], V)
        keys = np.concatenate((np.arange(V), numbers[contexts] * V + symbols))
        tree = NgramTree(V, (V, *self.tree.sizes[1:]), keys)
        probabilities = np.concatenate((ones, self._probabilities[len(known) : -1]))
        backoffs = np.ones(START + int(tree.is_state().sum()))
        backoffs[numbers] = self._backoffs
        weights = np.ones(sum(tree.sizes[:-1]))
        weights[tree.is_state()[: len(weights)]] = backoffs[START:]
        return Backoff(
            self.vocabulary,
            tree,
            logarithms_to_ten(np.minimum(probabilities, 1.0)),  # rounding may go above
            logarithms_to_ten(weights),
        )

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
    def array_specs(cls, vocabulary: Vocabulary, options: Options) -> dict[str, ArraySpec]:
        """Return the type and shape of keys and counts. Raises ``CheckpointError``."""
        A = (sum(tree_sizes(options)),)
        fault = _fault_of_smoothing(options.get("smoothing_method"), options.get("smoothing"))
        if fault:
            raise CheckpointError(fault)
        return {"keys": ArraySpec("<i8", A), "counts": ArraySpec("<i8", A)}

    @classmethod
    def from_arrays(cls, vocabulary: Vocabulary, options: Options, arrays: Arrays) -> Self:
        """Return the model of these arrays. Raises ``CheckpointError`` for impossible values."""
        keys, counts = arrays["keys"], arrays["counts"]
        refuse_unordered(keys)
        if (counts < 1).any() or counts.sum(dtype=np.float64) > MAX_COUNTS:
            raise CheckpointError("the counts are not all 1 or more, with a sum of at most 2**53")
        tree = CountedTree(len(vocabulary), tuple(options["ngrams"]), keys, counts)
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
    if (total := tree.counts.sum(dtype=np.float64)) > MAX_COUNTS:
        raise TrainingError(
            f"the counts of all n-grams add up to {total:.3g} and the limit is 2**53: use"
            " --weights-as log, or a lower order"
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
