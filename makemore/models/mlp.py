"""A multilayer perceptron on a window of symbols.

For the last C symbols c_1 .. c_C, with an embedding of n numbers each:

    x = [e(c_1), ..., e(c_C)]           (C n,)
    h = tanh(x W_1 + b_1)               (H,), as many such layers as are asked for
    logits = h W + b                    (V,)

With batch normalisation each layer is tanh(normalise(x W_1 + b_1)): mean and variance of each of
the H numbers are those of the mini-batch in training, where each distinct window counts as often
as it occurs, and running averages afterwards.

Source: Bengio et al. 2003, "A neural probabilistic language model", equation 1. Left out: its
direct connections from the embeddings to the logits.
"""

import numpy as np

from makemore.arrays import Floats, Ids
from makemore.autodiff import dropout, gather, matmul, reshape, sqrt, sum_of_rows, tanh
from makemore.autodiff.tensor import Array, Tensor, Value, data
from makemore.models.base import Options
from makemore.models.network import head
from makemore.models.windowed_network import WindowedNetwork
from makemore.nn.base import Layer
from makemore.nn.initialisation import Generator
from makemore.nn.layers import Embedding, Linear

MOMENTUM = 0.1
"""How far the running averages move towards those of a mini-batch."""
EPSILON = 1e-5
"""Is added to variances: that of a number that never changes is zero."""


class Mlp(WindowedNetwork):
    """Embeddings of the last symbols side by side, and hidden layers of tanh."""

    name = "mlp"
    sizes = ("context", "embedding_size", "hidden_size", "layers", "normalization")

    def _build(self, V: int, options: Options, generator: Generator) -> None:
        n, h = options["embedding_size"], options["hidden_size"]
        widths = [options["context"] * n] + [h] * options["layers"]
        self.embedding = Embedding(V, n, generator)
        self.hidden = [Linear(inputs, h, generator) for inputs in widths[:-1]]
        normalised = options["normalization"] == "batch"
        self.norms = [WeightedBatchNorm(h) for _ in self.hidden if normalised]
        self.head = head(h, V, generator)

    def logits(self, contexts: Ids, shares: Array | None, generator: Generator) -> Value:
        """Return the logits of the next symbol, (R, context) -> (R, V)."""
        x = self._first_layer(contexts)
        for layer in range(len(self.hidden)):
            if layer:
                x = self.hidden[layer](x)
            if self.norms:
                x = self.norms[layer](x, shares)
            x = tanh(x)
            x = dropout(x, self.dropout, generator)
        return self.head(x)

    def _first_layer(self, contexts: Ids) -> Value:
        """Return [e(c_1), ..., e(c_C)] W_1 + b_1, (R, C) -> (R, H).

        The alphabet is multiplied by the C parts of W_1 before the symbols are looked up, where it
        is smaller than what is to be looked up.
        """
        first, V, C = self.hidden[0], len(self.vocabulary), self.context_length
        if V > len(contexts) // 4:
            x = gather(self.embedding.weight, contexts)
            return first(reshape(x, (len(contexts), first.weight.shape[0])))
        tables = reshape(self._tables(), (C * V, -1))
        return sum_of_rows(tables, contexts + np.arange(C) * V) + first.bias

    def _tables(self) -> Value:
        """Return what each symbol gives to the first layer in each place, (C, V, H)."""
        parts = (self.context_length, self._options["embedding_size"], -1)
        return matmul(self.embedding.weight, reshape(self.hidden[0].weight, parts))

    def symbol_vectors(self) -> Floats:
        """Return what each symbol gives to the first layer, its places side by side, (V, C H)."""
        tables = np.asarray(data(self._tables()), np.float64)
        return tables.transpose(1, 0, 2).reshape(tables.shape[1], -1)


class WeightedBatchNorm(Layer):
    """Batch normalisation of rows that stand for several positions each, (R, n) -> (R, n).

    Source: Ioffe and Szegedy 2015, "Batch normalization", algorithm 1, with weighted means.
    """

    def __init__(self, n: int) -> None:
        self.weight = Tensor(np.ones(n, np.float32))
        self.bias = Tensor(np.zeros(n, np.float32))
        self.running_mean = np.zeros(n, np.float32)
        self.running_var = np.ones(n, np.float32)

    def __call__(self, x: Value, shares: Array | None) -> Value:
        """Normalise by the batch's mean and variance, or by the running ones in evaluation."""
        if not self.training or shares is None:
            scale = data(self.weight) / np.sqrt(self.running_var + EPSILON)
            return (x - self.running_mean) * scale + data(self.bias)
        shares = np.asarray(shares, like=data(x))
        centred = x - (x * shares).sum(axis=0)
        variance = (centred * centred * shares).sum(axis=0)
        mean = (data(x) * shares).sum(axis=0)
        self.running_mean += MOMENTUM * (mean - self.running_mean)
        self.running_var += MOMENTUM * (data(variance) - self.running_var)
        return centred / sqrt(variance + EPSILON) * self.weight + self.bias
