"""Recurrent networks: rnn, gru and lstm. Each symbol changes a state that knows the whole word.

With the embedding e_t of symbol t (e_0 is the boundary's), a layer gives

    s_t = cell(e_t W_x + b_x, h_(t-1) W_h + b_h, s_(t-1))        s_0 = cell(e_0 W_x + b_x, b_h, 0)
    logits_t = h_t W + b

where h is the first part of the state s; a second layer takes the h of the first in place of e. The
equations of the three cells, and their sources, stand in ``autodiff/tree.py``. The forget gate of
an lstm begins with a bias of 1 (Jozefowicz et al. 2015, "An empirical exploration of recurrent
network architectures"). Dropout is applied to the h of each layer (Zaremba et al. 2014, "Recurrent
neural network regularization").

Left out: bidirectional layers, which would see what they are to predict; peephole connections;
dropout between the steps of one layer.
"""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from makemore.arrays import Floats, Ids, cached_chunks
from makemore.autodiff import dropout, gather, linear
from makemore.autodiff.tensor import Array, Value
from makemore.autodiff.tree import levels_of_tree, recurrent
from makemore.counting.prefix_tree import grow_prefix_tree
from makemore.data.vocabulary import BOUNDARY
from makemore.models.base import Options, State, select
from makemore.models.network import Network, Rows, head
from makemore.nn.initialisation import Generator
from makemore.nn.layers import Embedding
from makemore.nn.recurrent import GRUCell, LSTMCell, RNNCell


class Recurrent(Network):
    """A stack of recurrent layers. The state of B words is an array (B, parts h) for each layer."""

    sizes = ("embedding_size", "hidden_size", "layers")
    cell: ClassVar[type[RNNCell] | type[GRUCell] | type[LSTMCell]]

    def _build(self, V: int, options: Options, generator: Generator) -> None:
        n, h = options["embedding_size"], options["hidden_size"]
        self.embedding = Embedding(V, n, generator)
        self.cells = [
            self._cell(n if layer == 0 else h, h, generator) for layer in range(options["layers"])
        ]
        self.head = head(h, V, generator)

    def _cell(self, inputs: int, hidden: int, generator: Generator) -> Any:
        return self.cell(inputs, hidden, generator)

    def training_rows(self, ids: Ids, weights: Floats) -> Rows:
        """Return the symbols and the levels of the words' prefix tree with its target counts."""
        tree = grow_prefix_tree(ids, len(self.vocabulary))
        return Rows((tree.symbols, levels_of_tree(tree)), tree.target_counts(weights, np.float32))

    def training_logits(self, rows: Rows, generator: Generator) -> Value:
        """Return the logits of the nodes, (M, V)."""
        (symbols, levels), hidden = rows.inputs, None
        for cell in self.cells:
            x = self._inputs(symbols) if hidden is None else _product(hidden, cell)
            hidden = recurrent(cell.equations, x, cell.hidden_weight, cell.hidden_bias, levels)
            hidden = dropout(hidden, self.dropout, generator)
        return self.head(hidden)

    def _inputs(self, symbols: Ids) -> Value:
        """Return what symbols give to the gates of the first layer, (M,) -> (M, k h).

        The alphabet is multiplied by the weights before the symbols are looked up in it.
        """
        return gather(_product(self.embedding.weight, self.cells[0]), symbols)

    @cached_property
    def _table(self) -> Array:
        """What each symbol of the alphabet gives to the gates of the first layer, (V, k h)."""
        return self._inputs(np.arange(len(self.vocabulary)))

    def symbol_vectors(self) -> Floats:
        """Return what each symbol gives to the gates of the first layer, (V, k h)."""
        return np.asarray(self._table, np.float64)

    def start(self, B: int) -> State:
        """Return the states after the boundary before a word."""
        return tuple(np.repeat(state, B, axis=0) for state in self._first_state)

    @cached_property
    def _first_state(self) -> tuple[Array, ...]:
        zeros = tuple(
            np.zeros((1, cell.equations.parts * len(cell.hidden_weight.data)))
            for cell in self.cells
        )
        return self.advance(zeros, np.array([BOUNDARY]))

    def advance(self, state: State, symbols: Ids) -> tuple[Array, ...]:
        """Return the states after one more symbol of each word."""
        width = len(self._table[0])
        parts = [
            tuple(self._advanced(select(state, part), symbols[part]))
            for part in cached_chunks(max(1, len(symbols)), width)
        ]
        return parts[0] if len(parts) == 1 else tuple(map(np.concatenate, zip(*parts, strict=True)))

    def _advanced(self, state: State, symbols: Ids) -> Iterator[Array]:
        x: Array = self._table[symbols]
        for layer, (cell, s) in enumerate(zip(self.cells, state, strict=True)):
            h = len(cell.hidden_weight.data)
            if layer:
                x = _product(x, cell)
            u = linear(s[:, :h], cell.hidden_weight, cell.hidden_bias)
            new, _ = cell.equations.forward(x, u, s)
            yield new
            x = new[:, :h]

    def log_probabilities(self, state: State) -> Floats:
        """Return log P(next symbol) in nats, (B, V)."""
        return self._log_probabilities(self.head(state[-1][:, : self._options["hidden_size"]]))


class Rnn(Recurrent):
    """Elman's network: h' = tanh(x + u)."""

    name = "rnn"
    cell = RNNCell


class Gru(Recurrent):
    """Gated recurrent units: two gates say what of the state is read, and what is replaced."""

    name = "gru"
    cell = GRUCell


class Lstm(Recurrent):
    """Long short-term memory: three gates around a second state that changes by addition."""

    name = "lstm"
    cell = LSTMCell

    def _cell(self, inputs: int, hidden: int, generator: Generator) -> Any:
        return LSTMCell(inputs, hidden, generator, forget_bias=1.0)


def _product(x: Value, cell: Any) -> Value:
    """Return a cell's inputs times its input weights, (M, n) -> (M, k h)."""
    return linear(x, cell.input_weight, cell.input_bias)
