"""A bag of the symbols so far: the causal average of embeddings.

For the symbols c_0 .. c_t of a word, of which c_0 is the boundary before it:

    m = (e(c_0) + ... + e(c_t)) / (t + 1)       (n,)
    x = f(c_t) + m                              (n,)
    y = x + relu(x W_1 + b_1) W_2 + b_2         (n,), with H numbers in between
    logits = y W + b                            (V,)

The average does not know the order of the symbols; only the last one is seen for itself, by an
embedding f of its own. It is attention with equal weights, one step before the transformer.

Source of the average of embeddings: Iyyer et al. 2015, "Deep unordered composition rivals syntactic
methods for text classification"; of the residual layer: He et al. 2016, "Deep residual learning for
image recognition". Left out: embeddings of positions.
"""

import numpy as np

from makemore.arrays import Floats, Ids
from makemore.autodiff import dropout, gather, relu
from makemore.autodiff.tensor import Value, data
from makemore.autodiff.tree import cumulative_sum
from makemore.counting.prefix_tree import grow_prefix_tree
from makemore.data.vocabulary import BOUNDARY
from makemore.models.base import Options, State
from makemore.models.network import Network, Rows, head
from makemore.nn.initialisation import Generator
from makemore.nn.layers import Embedding, Linear


class Bow(Network):
    """The state of B words: the sums of their embeddings (B, n), lengths and last symbols."""

    name = "bow"
    sizes = ("embedding_size", "hidden_size")

    def _build(self, V: int, options: Options, generator: Generator) -> None:
        n, h = options["embedding_size"], options["hidden_size"]
        self.embedding = Embedding(V, n, generator)
        self.last = Embedding(V, n, generator)
        self.inner = Linear(n, h, generator)
        self.outer = Linear(h, n, generator)
        self.head = head(n, V, generator)

    def training_rows(self, ids: Ids, weights: Floats) -> Rows:
        """Return the words' prefix tree and its target counts."""
        tree = grow_prefix_tree(ids, len(self.vocabulary))
        return Rows(tree, tree.target_counts(weights, np.float32))

    def training_logits(self, rows: Rows, generator: Generator) -> Value:
        """Return the logits of the nodes, (M, V)."""
        tree = rows.inputs
        lengths = np.repeat(np.arange(len(tree.bounds) - 1), np.diff(tree.bounds))
        total = cumulative_sum(gather(self.embedding.weight, tree.symbols), tree)
        shares = (1 / (lengths + 1)).astype(np.float32)[:, None]
        mean = total * np.asarray(shares, like=data(total))
        return self._logits(mean, tree.symbols, generator)

    def _logits(self, mean: Value, last: Ids, generator: Generator = None) -> Value:
        x = mean + gather(self.last.weight, last)
        y = x + self.outer(relu(self.inner(x)))
        return self.head(dropout(y, self.dropout, generator))

    def symbol_vectors(self) -> Floats:
        """Return what each symbol gives to the layer, in the average and as the last, (V, 2 h)."""
        weight = np.asarray(data(self.inner.weight), np.float64)
        both = data(self.embedding.weight), data(self.last.weight)
        return np.concatenate([vectors @ weight for vectors in both], axis=1)

    def start(self, B: int) -> State:
        """Return the state after the boundary before a word."""
        first = np.full(B, BOUNDARY)
        return data(self.embedding(first)), np.ones(B), first

    def advance(self, state: State, symbols: Ids) -> State:
        """Return the state after one more symbol of each word."""
        total, lengths, _ = state
        return total + self.embedding(symbols), lengths + 1, symbols

    def log_probabilities(self, state: State) -> Floats:
        """Return log P(next symbol) in nats, (B, V)."""
        total, lengths, last = state
        return self._log_probabilities(self._logits(total / lengths[:, None], last))
