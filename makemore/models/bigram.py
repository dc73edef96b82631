"""The smallest neural language model: a one-hot input times one weight matrix.

The literal pipeline, for V symbols and B pairs (x, y):

    X = one_hot(xs)                      (B, V)
    logits = X @ W                       (B, V)
    P = softmax(logits)                  (B, V)
    loss = -mean over b of log P[b, y_b] nats per symbol
    d_logits = (P - one_hot(ys)) / B     (B, V)
    d_W = X.T @ d_logits                 (V, V)

Equal inputs give equal rows, so the B rows collapse into V rows with weights. With the counts
N = X.T @ one_hot(ys) and n = N.sum() the same loss and gradient are

    P = softmax(W)                       (V, V)
    loss = -(N * log P).sum() / n
    d_W = (N.sum(axis=1, keepdims=True) * P - N) / n

at a cost of V * V whatever the size of the corpus. The gradient of softmax and cross-entropy is
derived in Bishop 2006, "Pattern Recognition and Machine Learning", section 4.3.4. How W is found is
the work of ``training/``.
"""

from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from makemore.archive import ArraySpec
from makemore.arrays import Arrays, Counts, Floats, Ids
from makemore.data.vocabulary import Vocabulary
from makemore.errors import CheckpointError
from makemore.models.base import Automaton, Options, State, WindowedModel
from makemore.models.softmax import log_softmax, softmax

LOG_ZERO = -1e3
"""The logit of a symbol with probability zero: exp(-1000) is 0.0, and the number stays finite."""


def one_hot(ids: Ids, V: int) -> Floats:
    """Return rows of zeros with a one at each id, (B,) -> (B, V).

    >>> one_hot(np.array([2, 0]), 3)
    array([[0., 0., 1.],
           [1., 0., 0.]])
    """
    rows = np.zeros((len(ids), V))
    rows[np.arange(len(ids)), ids] = 1.0
    return rows


def cross_entropy(logits: Floats, ys: Ids) -> float:
    """Return the mean of -log softmax(logits)[b, ys[b]], (B, V) and (B,) -> nats per symbol."""
    return float(-log_softmax(logits)[np.arange(len(ys)), ys].mean())


def cross_entropy_gradient(logits: Floats, ys: Ids) -> Floats:
    """Return the gradient of ``cross_entropy`` with respect to the logits, (B, V).

    It is (softmax(logits) - one_hot(ys)) / B: what was predicted less what came.
    """
    d_logits = softmax(logits)
    d_logits[np.arange(len(ys)), ys] -= 1.0
    return d_logits / len(ys)


def weight_gradient(xs: Ids, ys: Ids, W: Floats) -> Floats:
    """Return the gradient of the literal pipeline's loss with respect to W.

    (B,) and (B,) ids and W of shape (V, V) -> (V, V). The loss is
    ``cross_entropy(one_hot(xs, V) @ W, ys)``.
    """
    X = one_hot(xs, len(W))
    return np.asarray(X.T @ cross_entropy_gradient(X @ W, ys))


def collapsed_loss(W: Floats, N: Counts) -> float:
    """Return the loss of weights W on counts N, both (V, V), in nats per symbol.

    Infinite where N counts a pair that W makes impossible. N counts at least one pair.
    """
    log_likelihood = 0.0
    for n, logits in zip(N, W, strict=True):  # row by row: with thousands of symbols W is large
        seen = n > 0
        log_likelihood += float((n[seen] * log_probability_table(logits)[seen]).sum())
    return float(0.0 - log_likelihood / N.sum())  # -x would make -0.0 where all is certain


def collapsed_loss_and_gradient(
    W: Floats, N: Floats, row_sums: Floats | None = None, n: float | None = None
) -> tuple[float, Floats]:
    """Return the loss in nats per symbol and its gradient d_W, for W and N of shape (V, V).

    Every step of a descent takes this, so N comes as floats, each exponential is taken once, and
    the row sums of N, (V, 1), can be handed in. W and N may also be some rows of such tables, with
    n the sum of the whole N: then it is what these rows add to the loss.
    """
    if row_sums is None:
        row_sums = N.sum(axis=1, keepdims=True)
    if n is None:
        n = row_sums.sum()
    shifted: Floats = np.subtract(W, W.max(axis=1, keepdims=True), dtype=np.float64)
    # sum of N * log P, with log P = shifted - log(normaliser) and the row sums of N at hand
    log_likelihood = np.vdot(N, shifted)
    exponentials = np.exp(shifted, out=shifted)
    normalisers = exponentials.sum(axis=1, keepdims=True)
    log_likelihood -= np.vdot(row_sums, np.log(normalisers))
    # d_W = (P * row_sums - N) / n, in place, for these tables can be large
    d_W = exponentials
    d_W *= row_sums / normalisers
    d_W -= N
    d_W /= n
    return float(-log_likelihood / n), d_W


def closed_form_minimum(N: Counts) -> float:
    """Return the smallest loss that any W has on counts N, in nats per symbol.

    It is reached where P[i, j] = N[i, j] / N[i].sum(), the count table itself.
    """
    log_likelihood = 0.0
    for row in N:
        n = row[row > 0]
        log_likelihood += float((n * np.log(n / n.sum())).sum())
    return float(0.0 - log_likelihood / N.sum())  # as in collapsed_loss


def weights_from_counts(N: Counts, smoothing: float) -> Floats:
    """Return W with softmax(W) = (N + smoothing) / row sums, (V, V) -> (V, V).

    Additive smoothing (Lidstone; Laplace for 1). A row with nothing in it becomes uniform.
    """
    P = N + float(smoothing)
    P[P.sum(axis=1) == 0] = 1.0
    P /= P.sum(axis=1, keepdims=True)
    is_impossible = P == 0
    W: Floats = np.log(P, out=P, where=~is_impossible)
    W[is_impossible] = LOG_ZERO
    return W


def log_probability_table(W: Floats) -> Floats:
    """Return log softmax(W) by rows, in nats, shape unchanged: (V, V), or (V,) of one row.

    It is -inf where the probability is zero in float64, as that of ``LOG_ZERO`` is.
    """
    table = log_softmax(W)
    table[np.exp(table) == 0.0] = -np.inf
    return table


class Bigram(WindowedModel):
    """P(next symbol | this symbol) = softmax(W) by rows.

    Parameters
    ----------
    vocabulary : Vocabulary, of V symbols
    weights : array of shape (V, V), float64, finite
        W: the logits of the next symbol, a row per current symbol.
    counts : array of shape (V, V), int64
        N of the training words, kept for pictures and for the closed-form minimum.
    """

    name: ClassVar[str] = "bigram"
    table_of_pairs: ClassVar[str] = ""

    def __init__(self, vocabulary: Vocabulary, weights: Floats, counts: Counts) -> None:
        self.vocabulary = vocabulary
        self.context_length = 1
        self.weights = weights
        self.counts = counts

    @cached_property
    def _table(self) -> Floats:
        """Log P in nats, shape (V, V); a training without held-out words does not need it."""
        table = np.empty_like(self.weights)
        for i, logits in enumerate(self.weights):  # row by row, as in collapsed_loss
            table[i] = log_probability_table(logits)
        return table

    def log_probabilities(self, state: State) -> Floats:
        """Return log P(next symbol | context) in nats, (B, 1) ids -> (B, V)."""
        rows: Floats = self._table[np.asarray(state)[:, 0]]
        return rows

    def target_log_probabilities(self, contexts: Ids, targets: Ids) -> Floats:
        """Return log P(target | context) in nats, (B, 1) and (B,) ids -> (B,)."""
        return self._table[contexts[:, 0], targets]

    def bigram_counts(self) -> Counts:
        """Return N of the training words, shape (V, V)."""
        return self.counts

    def bigram_weights(self) -> Floats:
        """Return W, shape (V, V)."""
        return self.weights

    def symbol_vectors(self) -> Floats:
        """Return W: its rows are the vectors of the symbols, for the input is one-hot.

        Impossible pairs have the smallest weight of a possible one; theirs would hide all others.
        """
        possible = self.bigram_table() > 0
        return np.where(possible, self.weights, self.weights[possible].min())

    def automaton(self) -> Automaton:
        """Return the automaton whose states are the last symbols."""
        V = len(self.vocabulary)
        successors = np.broadcast_to(np.arange(V, dtype=np.int32), (V, V))
        return Automaton(self._table, successors, start=0)

    def options(self) -> dict[str, Any]:
        """Return nothing: the vocabulary and the arrays are the whole model."""
        return {}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the weights and the counts, (V, V) each."""
        return {"weights": self.weights, "counts": self.counts}

    @property
    def parameter_count(self) -> int:
        """The number of weights; the counts are not learnt."""
        return self.weights.size

    @classmethod
    def array_specs(cls, vocabulary: Vocabulary, options: Options) -> dict[str, ArraySpec]:
        """Return the type and shape of the weights and the counts."""
        shape = (len(vocabulary), len(vocabulary))
        return {"weights": ArraySpec("<f8", shape), "counts": ArraySpec("<i8", shape)}

    @classmethod
    def from_arrays(cls, vocabulary: Vocabulary, options: Options, arrays: Arrays) -> Self:
        """Return the model of these arrays. Raises ``CheckpointError`` for impossible values."""
        if not np.isfinite(arrays["weights"]).all():
            raise CheckpointError("the weights are not all finite numbers")
        if (arrays["counts"] < 0).any():
            raise CheckpointError("the counts are not all zero or more")
        return cls(vocabulary, arrays["weights"], arrays["counts"])
