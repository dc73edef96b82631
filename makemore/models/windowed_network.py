"""What the networks that see a window share: they run on the distinct windows."""

from abc import abstractmethod

import numpy as np

from makemore.arrays import Floats, Ids
from makemore.autodiff.tensor import Array, Value
from makemore.data.text import weights_of_symbols
from makemore.data.vocabulary import BOUNDARY
from makemore.models.base import State, WindowedModel, windows
from makemore.models.network import Network, Rows
from makemore.nn.initialisation import Generator


class WindowedNetwork(Network, WindowedModel):
    """A network that sees the last ``context`` symbols, and boundaries before a word's start."""

    @property
    def context_length(self) -> int:  # type: ignore[override]
        """The number of symbols that the network sees."""
        return int(self._options["context"])

    @abstractmethod
    def logits(self, contexts: Ids, shares: Array | None, generator: Generator) -> Value:
        """Return the logits of the next symbol for contexts of ids, (R, context) -> (R, V).

        ``shares`` (R, 1) are the shares of the batch that the contexts stand for, where statistics
        of the batch are wanted; the generator decides what dropout drops.
        """

    def training_rows(self, ids: Ids, weights: Floats) -> Rows:
        """Return the distinct contexts, (R, context), and their target counts."""
        V, C = len(self.vocabulary), self.context_length
        row = np.concatenate((np.full(C, BOUNDARY), ids[:-1]))
        contexts, which = distinct_rows(windows(row, C), V)
        of_symbols = weights_of_symbols(weights, np.flatnonzero(ids == BOUNDARY))
        counts = np.bincount(which * V + ids, of_symbols, len(contexts) * V).reshape(-1, V)
        return Rows(contexts, counts.astype(np.float32))

    def training_logits(self, rows: Rows, generator: Generator) -> Value:
        """Return the logits of the contexts, (R, V)."""
        sums = rows.counts.sum(axis=1, keepdims=True, dtype=np.float64)
        return self.logits(rows.inputs, (sums / sums.sum()).astype(np.float32), generator)

    def log_probabilities(self, state: State) -> Floats:
        """Return log P(next symbol) in nats, (B, context) ids -> (B, V)."""
        return self._log_probabilities(self.logits(np.asarray(state), None, None))


def distinct_rows(rows: Ids, V: int) -> tuple[Ids, Ids]:
    """Return the distinct rows of ids below V, (R, k), and for each row which it is.

    >>> distinct_rows(np.array([[2, 1], [0, 1], [2, 1]]), 3)
    (array([[0, 1],
           [2, 1]]), array([1, 0, 1]))
    """
    k = rows.shape[1]
    if V**k < 1 << 63:
        codes = rows @ V ** np.arange(k - 1, -1, -1)
        _, first, which = np.unique(codes, return_index=True, return_inverse=True)
        return rows[first], which
    left, which_left = distinct_rows(rows[:, : k // 2], V)
    right, which_right = distinct_rows(rows[:, k // 2 :], V)
    pairs, which = distinct_rows(np.stack((which_left, which_right), 1), max(len(left), len(right)))
    return np.concatenate((left[pairs[:, 0]], right[pairs[:, 1]]), axis=1), which
