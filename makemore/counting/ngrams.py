"""The n-grams of a corpus and how often each occurs, counted block by block.

Each symbol of a corpus, end-of-word symbols included, is the last of exactly one n-gram of full
order: itself and the ``order - 1`` symbols before it, with boundaries before a word's start. How
often the shorter n-grams occur follows from these counts alone.

An n-gram is kept as one number. Where there are few that could occur, a large corpus is
counted in a table that has a cell for each, seen or not; else counting is sorting.
"""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from makemore.arrays import CACHED, Counts, Ids, Integers, available_memory
from makemore.counting.tables import CodeCounter, add_up
from makemore.data.text import weights_of_symbols
from makemore.data.vocabulary import BOUNDARY
from makemore.errors import TrainingError
from makemore.kinds import MAX_ORDER, MIN_ORDER

BYTES_EACH = 80
"""The temporary memory for an n-gram in bytes, beside the 16 of its code and its count: 52 were
measured while sorted runs are merged, and 56 to 77 while a model is made."""

_MAX_CELLS = 1 << 24  # of a table: 64 MiB


class NgramCounts(NamedTuple):
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
        """The number of symbols that were counted."""
        return int(self.counts.sum())

    @property
    def words(self) -> int:
        """The number of words that were counted, each of which has one end-of-word symbol."""
        return int(self.counts[self.targets() == BOUNDARY].sum())

    def table(self) -> Counts:
        """Return the counts of pairs, n-grams of order 2, as a table of shape (V, V)."""
        N = np.zeros((self.V, self.V), np.int64)
        N.ravel()[self.codes] = self.counts
        return N

    def contexts(self) -> Ids:
        """Return the context of each n-gram, all but its last symbol, shape (D, order - 1)."""
        return self.codes[:, None] // self.V ** np.arange(self.order - 1, 0, -1) % self.V

    def targets(self) -> Ids:
        """Return the last symbol of each n-gram, shape (D,)."""
        return self.codes % self.V


class NgramCounter:
    """Counts the n-grams of a corpus block by block.

    Memory is 8 or 16 MiB for codes that wait to be counted, up to 64 MiB for a table, and for each
    distinct n-gram of full order 16 bytes, or ``BYTES_EACH`` more while sorted runs are merged. It
    does not grow with the corpus otherwise.

    Parameters
    ----------
    V : int
        The size of the vocabulary.
    order : int
    processes : int
        The number of processes of this machine that count at once and share its memory.

    Raises
    ------
    TrainingError
        The order is not supported, n-grams of so many symbols do not fit into 63 bits, or there are
        more of them than fit into memory.

    Examples
    --------
    >>> counter = NgramCounter(V=3, order=2)
    >>> counter.add(np.array([0, 1, 2, 0, 2, 0]))
    >>> counter.counts().codes
    array([1, 2, 5, 6])
    >>> counter.counts().counts
    array([1, 1, 1, 2])
    """

    def __init__(self, V: int, order: int, processes: int = 1) -> None:
        if not MIN_ORDER <= order <= MAX_ORDER:
            raise TrainingError(
                f"the order is {order}: expected an integer from {MIN_ORDER} to {MAX_ORDER}"
            )
        if V**order > 1 << 63:
            raise TrainingError(
                f"n-grams of order {order} over {V:,} symbols do not fit into 63 bits: the highest"
                f" order for this alphabet is {highest_order(V)}"
            )
        self._V, self._order = V, order
        refuse = partial(refuse_beyond_memory, order=order, processes=processes)
        self._codes = CodeCounter(V**order, V**order <= _MAX_CELLS, refuse)

    def add(self, ids: npt.NDArray[np.integer], weights: Integers | None = None) -> None:
        """Count the words in ``ids``: one row with a boundary before, between and after them.

        ``weights``, of shape (words,), say how often each counts; once without them.
        """
        of_symbols = None
        if weights is not None:
            of_symbols = weights_of_symbols(weights, np.flatnonzero(ids[1:] == BOUNDARY))
        C = self._order - 1
        for start in range(0, len(ids) - 1, CACHED):
            first = max(0, start - C + 1)  # the context of the first target
            piece = ids[first : start + CACHED + 1].astype(np.int64)  # a code needs up to 63 bits
            codes = ngram_codes(piece, self._V, self._order)
            of_codes = None if of_symbols is None else of_symbols[start : start + CACHED]
            self._codes.add(codes[start - first :], of_codes)

    def counts(self) -> NgramCounts:
        """Return the counts of all that was added."""
        return NgramCounts(self._V, self._order, *self._codes.counts())


def merge_ngrams(parts: Sequence[NgramCounts]) -> NgramCounts:
    """Return the sums of the counts of parts of a corpus, of one vocabulary and order.

    Raises ``TrainingError`` where memory does not suffice.
    """
    refuse_beyond_memory(sum(len(part.codes) for part in parts), parts[0].order)
    codes, counts = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("codes", "counts")
    )
    return NgramCounts(parts[0].V, parts[0].order, *add_up(codes, counts))


def refuse_beyond_memory(ngrams: int, order: int, processes: int = 1) -> None:
    """Raise ``TrainingError`` where memory does not suffice for so many n-grams in each process."""
    needed, available = ngrams * BYTES_EACH * processes, available_memory()
    if available is not None and needed > available:
        each = f" in each of {processes} processes" if processes > 1 else ""
        raise TrainingError(
            f"about {ngrams:,} distinct n-grams up to order {order}{each} need {needed:,} bytes of"
            f" memory, and {available:,} are available: train with a lower order or on fewer words"
        )


def highest_order(V: int) -> int:
    """Return the highest order whose n-grams over V symbols fit into 63 bits."""
    return next(n for n in range(MAX_ORDER, 0, -1) if V**n <= 1 << 63)


def ngram_codes(ids: Ids, V: int, order: int) -> Integers:
    """Return the code of the n-gram that ends at each id but the first, shape (len(ids) - 1,).

    The id before a word is the boundary; whatever stands before that counts as boundaries, too.

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
