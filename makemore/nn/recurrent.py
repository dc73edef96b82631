"""Recurrent cells and layers: rnn, gru and lstm, with PyTorch's equations and order of the gates.

A cell holds the parameters of one layer; a layer runs cells over sequences, (B, T, n) -> (B, T, h),
and the states before the first step are zero. All steps are one operation, ``tree.recurrent``, and
the equations stand there, beside their gradients.

Left out: packed sequences, both directions, first states other than zero.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from makemore.autodiff import linear, reshape, transpose
from makemore.autodiff.tensor import Tensor, Value, data
from makemore.autodiff.tree import (
    Cell,
    ElmanCell,
    GatedCell,
    LongShortTermCell,
    levels_of_sequences,
    recurrent,
)
from makemore.counting.prefix_tree import Level
from makemore.errors import AutodiffError
from makemore.nn.base import Layer
from makemore.nn.initialisation import Generator, refuse_below_one, uniform
from makemore.nn.layers import Dropout


class RecurrentCell(Layer):
    """What the cells share: parameters for k gates of h numbers, uniform within ``1 / sqrt(h)``.

    Raises ``AutodiffError`` for sizes below 1.

    Attributes
    ----------
    input_weight : Tensor of shape (inputs, k h)
    hidden_weight : Tensor of shape (h, k h)
    input_bias, hidden_bias : Tensors of shape (k h,)
    """

    equations: ClassVar[type[Cell]]

    def __init__(
        self, inputs: int, hidden: int, generator: Generator, *, dtype: type = np.float32
    ) -> None:
        refuse_below_one(inputs=inputs, hidden=hidden)
        k, bound = self.equations.gates, hidden**-0.5
        self.input_weight = Tensor(uniform((inputs, k * hidden), generator, bound, dtype))
        self.hidden_weight = Tensor(uniform((hidden, k * hidden), generator, bound, dtype))
        self.input_bias = Tensor(uniform((k * hidden,), generator, bound, dtype))
        self.hidden_bias = Tensor(uniform((k * hidden,), generator, bound, dtype))

    def __call__(self, x: Value, levels: Sequence[Level]) -> Value:
        """Return the hidden vectors at nodes with inputs x, (M, inputs) -> (M, h)."""
        gates = linear(x, self.input_weight, self.input_bias)
        return recurrent(self.equations, gates, self.hidden_weight, self.hidden_bias, levels)


class RNNCell(RecurrentCell):
    """Elman's cell, h' = tanh(x W_x + b_x + h W_h + b_h). Its source stands at ``ElmanCell``."""

    equations = ElmanCell


class GRUCell(RecurrentCell):
    """The gated recurrent unit. Its equations and source stand at ``GatedCell``."""

    equations = GatedCell


class LSTMCell(RecurrentCell):
    """Long short-term memory. Its equations and sources stand at ``LongShortTermCell``.

    ``forget_bias`` is added to the first bias of the forget gate.
    """

    equations = LongShortTermCell

    def __init__(
        self,
        inputs: int,
        hidden: int,
        generator: Generator,
        *,
        forget_bias: float = 0.0,
        dtype: type = np.float32,
    ) -> None:
        super().__init__(inputs, hidden, generator, dtype=dtype)
        if generator is not None:
            self.input_bias.data[hidden : 2 * hidden] += forget_bias


class _Layers(Layer):
    """Cells one above another, over sequences; dropout between them.

    Raises ``AutodiffError`` for sizes and layers below 1, and a share of dropout that is not from 0
    to below 1.

    Parameters
    ----------
    inputs, hidden : int
        n and h: the numbers of each step's input and hidden vector.
    generator : numpy.random.Generator
        Of the first weights, and of what dropout drops.
    layers : int
    dropout : float
        The share of the numbers that is dropped between two layers while training.
    **more : Any
        What the cells take beside it: ``dtype``, and ``forget_bias`` for those of an LSTM.
    """

    cell: ClassVar[type[RecurrentCell]]

    def __init__(
        self,
        inputs: int,
        hidden: int,
        generator: np.random.Generator,
        *,
        layers: int = 1,
        dropout: float = 0.0,
        **more: Any,
    ) -> None:
        refuse_below_one(layers=layers)
        sizes = [inputs] + [hidden] * (layers - 1)
        self.layers = [self.cell(n, hidden, generator, **more) for n in sizes]
        self.dropout = Dropout(dropout, generator)

    def __call__(self, x: Value) -> Value:
        """Return the hidden vectors of the last layer at all steps, (B, T, n) -> (B, T, h).

        Raises ``AutodiffError`` for other shapes, and sequences without a step.
        """
        shape = data(x).shape
        if len(shape) != 3 or not shape[1]:
            raise AutodiffError(f"sequences (B, T, n) are expected, not an array of shape {shape}")
        B, T, n = shape
        levels = levels_of_sequences(B, T)
        rows = reshape(transpose(x, (1, 0, 2)), (T * B, n))
        for number, cell in enumerate(self.layers):
            rows = cell(self.dropout(rows) if number else rows, levels)
        return transpose(reshape(rows, (T, B, data(rows).shape[1])), (1, 0, 2))


class RNN(_Layers):
    """Elman's network over sequences, (B, T, n) -> (B, T, h).

    h_t = tanh(x_t W_x + b_x + h_(t-1) W_h + b_h). Source: Elman 1990, "Finding structure in time".
    """

    cell = RNNCell


class GRU(_Layers):
    """Gated recurrent units over sequences, (B, T, n) -> (B, T, h) (Cho et al. 2014)."""

    cell = GRUCell


class LSTM(_Layers):
    """Long short-term memory over sequences, (B, T, n) -> (B, T, h).

    Sources: Hochreiter and Schmidhuber 1997, "Long short-term memory"; Gers et al. 2000.
    ``forget_bias`` is added to the first bias of the forget gates.
    """

    cell = LSTMCell
