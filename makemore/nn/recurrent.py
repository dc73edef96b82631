"""Recurrent cells: one step of an rnn, a gru or an lstm, with PyTorch's equations and gate order.

A cell maps an input and the state before it to the new state; who calls it decides in which order:
``Recurrent`` layers over a prefix tree are one operation in ``autodiff/tree.py``, where the
equations stand.
"""

from typing import ClassVar

import numpy as np

from makemore.autodiff.tensor import Tensor
from makemore.autodiff.tree import Cell, ElmanCell, GatedCell, LongShortTermCell
from makemore.nn.base import Layer
from makemore.nn.initialisation import Generator, uniform


class RecurrentCell(Layer):
    """What the cells share: parameters for k gates of h numbers, uniform within ``1 / sqrt(h)``.

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
        k, bound = self.equations.gates, hidden**-0.5
        self.input_weight = Tensor(uniform((inputs, k * hidden), generator, bound, dtype))
        self.hidden_weight = Tensor(uniform((hidden, k * hidden), generator, bound, dtype))
        self.input_bias = Tensor(uniform((k * hidden,), generator, bound, dtype))
        self.hidden_bias = Tensor(uniform((k * hidden,), generator, bound, dtype))


class RNNCell(RecurrentCell):
    """Elman's cell: h' = tanh(x W_x + b_x + h W_h + b_h)."""

    equations = ElmanCell


class GRUCell(RecurrentCell):
    """The gated recurrent unit."""

    equations = GatedCell


class LSTMCell(RecurrentCell):
    """Long short-term memory. ``forget_bias`` is added to the first bias of the forget gate."""

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
