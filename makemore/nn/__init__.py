"""Layers of networks, their first weights, optimizers and schedules: PyTorch's equations, on NumPy.

>>> import numpy as np
>>> from makemore.nn import AdamW, Linear, ParameterVector, Sequential, Tanh
>>> from makemore.autodiff import mean_squared_error
>>> generator = np.random.default_rng(0)
>>> network = Sequential(Linear(2, 16, generator), Tanh(), Linear(16, 1, generator))
>>> vector = ParameterVector(network.parameters())
>>> optimizer = AdamW(learning_rate=0.01)
>>> x = np.float32([[0, 0], [0, 1], [1, 0], [1, 1]])
>>> for _ in range(300):
...     loss = mean_squared_error(network(x), np.float32([[0], [1], [1], [0]]))
...     vector.backward(loss)
...     optimizer.step(vector.values, vector.gradient)
>>> loss.item() < 0.01
True
"""

from makemore.nn.attention import (
    LearntPositions,
    MultiHeadAttention,
    SinusoidalPositions,
    TransformerBlock,
)
from makemore.nn.base import Layer, ParameterVector
from makemore.nn.images import AvgPool2d, BatchNorm1d, BatchNorm2d, Conv2d, MaxPool2d
from makemore.nn.initialisation import (
    kaiming_normal,
    kaiming_uniform,
    normal,
    uniform,
    xavier_normal,
    xavier_uniform,
)
from makemore.nn.layers import (
    GELU,
    Dropout,
    Embedding,
    Flatten,
    LayerNorm,
    LeakyReLU,
    Linear,
    ReLU,
    Sequential,
    Sigmoid,
    Tanh,
)
from makemore.nn.optimizers import SGD, Adam, AdamW, Optimizer, RMSProp, clip_by_norm
from makemore.nn.recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell
from makemore.nn.schedules import (
    Schedule,
    constant,
    cosine,
    cyclic,
    exponential,
    one_cycle,
    step_decay,
    warm_up,
)
from makemore.nn.storage import load_parameters, save_parameters

__all__ = [
    "GELU",
    "GRU",
    "LSTM",
    "RNN",
    "SGD",
    "Adam",
    "AdamW",
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv2d",
    "Dropout",
    "Embedding",
    "Flatten",
    "GRUCell",
    "LSTMCell",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "LearntPositions",
    "Linear",
    "MaxPool2d",
    "MultiHeadAttention",
    "Optimizer",
    "ParameterVector",
    "RMSProp",
    "RNNCell",
    "ReLU",
    "Schedule",
    "Sequential",
    "Sigmoid",
    "SinusoidalPositions",
    "Tanh",
    "TransformerBlock",
    "clip_by_norm",
    "constant",
    "cosine",
    "cyclic",
    "exponential",
    "kaiming_normal",
    "kaiming_uniform",
    "load_parameters",
    "normal",
    "one_cycle",
    "save_parameters",
    "step_decay",
    "uniform",
    "warm_up",
    "xavier_normal",
    "xavier_uniform",
]
