"""A window of symbols merged two by two, in a tree.

The last C symbols, C a power of 2, are embedded; then neighbours are joined until one is left:

    x_i = e(c_i)                                       C vectors of n numbers
    y_i = tanh(normalise([x_2i, x_2i+1] W + b))        C / 2 vectors of H numbers, and so on
    logits = y W + b                                   (V,)

Each level has its own W; normalise is layer normalisation (Ba et al. 2016). A pair of symbols, or a
pair of pairs, stands in many windows: at each level only the distinct ones are computed.

Source: van den Oord et al. 2016, "WaveNet: a generative model for raw audio", figure 3. Left out:
its gated activations, residual and skip connections.
"""

import numpy as np

from makemore.arrays import Floats, Ids
from makemore.autodiff import dropout, gather, reshape, tanh
from makemore.autodiff.tensor import Array, Value, data
from makemore.errors import OptionError
from makemore.models.base import Options
from makemore.models.network import head
from makemore.models.windowed_network import WindowedNetwork, distinct_rows
from makemore.nn.initialisation import Generator
from makemore.nn.layers import Embedding, LayerNorm, Linear


class Wavenet(WindowedNetwork):
    """Embeddings of the last symbols, merged two by two."""

    name = "wavenet"
    sizes = ("context", "embedding_size", "hidden_size")

    def _build(self, V: int, options: Options, generator: Generator) -> None:
        n, h, C = options["embedding_size"], options["hidden_size"], options["context"]
        levels = C.bit_length() - 1
        if C != 1 << levels or not levels:
            raise OptionError(f"a wavenet's context is {C} and must be a power of 2, such as 8")
        self.embedding = Embedding(V, n, generator)
        self.merges = [
            Linear(2 * (n if level == 0 else h), h, generator) for level in range(levels)
        ]
        self.norms = [LayerNorm(h) for _ in self.merges]
        self.head = head(h, V, generator)

    def symbol_vectors(self) -> Floats:
        """Return what each symbol gives to the first layer, left and right, (V, 2 h)."""
        embedding, weight = data(self.embedding.weight), data(self.merges[0].weight)
        halves = np.split(np.asarray(weight, np.float64), 2)
        return np.concatenate([embedding @ half for half in halves], axis=1)

    def logits(self, contexts: Ids, shares: Array | None, generator: Generator) -> Value:
        """Return the logits of the next symbol, (R, context) -> (R, V)."""
        rows: Value = self.embedding.weight  # of the distinct vectors of a level
        which = contexts  # which of them stand in each window, (R, vectors of the level)
        for merge, norm in zip(self.merges, self.norms, strict=True):
            pairs, found = distinct_rows(which.reshape(-1, 2), len(data(rows)))
            which = found.reshape(len(contexts), which.shape[1] // 2)
            joined = reshape(gather(rows, pairs), (len(pairs), merge.weight.shape[0]))
            rows = tanh(norm(merge(joined)))
            rows = dropout(rows, self.dropout, generator)
        return gather(self.head(rows), which[:, 0])
