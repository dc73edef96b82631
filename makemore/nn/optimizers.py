"""Steps down the gradient: SGD, RMSProp, Adam and AdamW, and clipping.

All parameters of a model lie in one flat vector, and so do their gradients (``ParameterVector``):
a step is then a few operations on vectors, however many arrays a model has. The equations are
PyTorch's. A schedule says ``learning_rate`` before a step:

    optimizer.learning_rate = schedule(step)
    optimizer.step(vector.values, vector.gradient)

A step changes the values in place, in blocks that stay in the processor's cache, because it reads
and writes each number several times.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import sqrt
from typing import ClassVar

import numpy as np

from makemore.arrays import cached_blocks
from makemore.autodiff.tensor import Array
from makemore.errors import AutodiffError, OptionError


@dataclass(kw_only=True)
class Optimizer(ABC):
    """What every optimizer has: a learning rate, running averages, and the number of its steps.

    ``averages`` holds vectors of the parameters' length, made by the first step. They and ``steps``
    are all that an optimizer remembers: training goes on as if never interrupted when another
    optimizer of the same options is given both.
    """

    learning_rate: float
    weight_decay: float = 0.0
    steps: int = 0
    averages: dict[str, Array] = field(default_factory=dict, repr=False)

    AVERAGES: ClassVar[tuple[str, ...]] = ()
    """The names of the running averages."""

    def step(self, values: Array, gradient: Array) -> None:
        """Change ``values`` (P,) in place by a step along ``gradient`` (P,), which is not changed.

        Raises ``AutodiffError`` if the shapes are not those of earlier steps, or the averages those
        of another optimizer.
        """
        if not self.averages:
            self.averages = {name: np.zeros_like(values) for name in self.AVERAGES}
        if self.averages.keys() != set(self.AVERAGES):
            raise AutodiffError(
                f"{type(self).__name__} expects the averages {' and '.join(self.AVERAGES)}"
                f" and found {' and '.join(self.averages)}: give those of an optimizer of its kind"
            )
        _refuse_other_shapes(values, {"the gradient": gradient, **self.averages})
        self.steps += 1
        for block in cached_blocks(values):
            averages = [self.averages[name][block] for name in self.AVERAGES]
            self._change(values[block], gradient[block], *averages)

    @abstractmethod
    def _change(self, values: Array, gradient: Array, *averages: Array) -> None:
        """Make the step number ``self.steps``, the first of which is 1, on one block."""


@dataclass(kw_only=True)
class SGD(Optimizer):
    """Gradient descent: ``values -= learning_rate * direction``.

    The direction is the gradient, to which ``weight_decay * values`` is added. With momentum m it
    is the velocity ``v = m v + gradient``, or with Nesterov ``gradient + m v``. Source: Sutskever
    et al. 2013, "On the importance of initialization and momentum in deep learning", section 2, in
    PyTorch's form, where the learning rate multiplies the velocity. Raises ``OptionError`` for
    Nesterov's method without momentum.
    """

    momentum: float = 0.0
    nesterov: bool = False

    AVERAGES = ("velocity",)

    def __post_init__(self) -> None:
        if self.nesterov and not self.momentum:
            raise OptionError("Nesterov's method needs a momentum above 0")

    def _change(self, values: Array, gradient: Array, *averages: Array) -> None:
        (velocity,) = averages
        direction = gradient
        if self.weight_decay:
            direction = direction + self.weight_decay * values
        if self.momentum:
            velocity *= self.momentum
            velocity += direction
            direction = direction + self.momentum * velocity if self.nesterov else velocity
        values -= self.learning_rate * direction


@dataclass(kw_only=True)
class RMSProp(Optimizer):
    """Divide each number of the gradient by the root of the running mean of its square.

    ``s = decay s + (1 - decay) g²; values -= learning_rate * g / (sqrt(s) + epsilon)``. Source:
    Tieleman and Hinton 2012, lecture 6.5 of "Neural networks for machine learning".
    """

    learning_rate: float = 0.01
    decay: float = 0.99
    epsilon: float = 1e-8

    AVERAGES = ("squares",)

    def _change(self, values: Array, gradient: Array, *averages: Array) -> None:
        (squares,) = averages
        if self.weight_decay:
            gradient = gradient + self.weight_decay * values
        work = np.square(gradient)
        _average(squares, work, self.decay)
        np.sqrt(squares, out=work)
        work += self.epsilon
        np.divide(gradient, work, out=work)
        work *= self.learning_rate
        values -= work


@dataclass(kw_only=True)
class Adam(Optimizer):
    """Adaptive moment estimation: the running mean of gradients over the root of that of squares.

        m = beta_1 m + (1 - beta_1) g          v = beta_2 v + (1 - beta_2) g²
        values -= learning_rate * (m / (1 - beta_1^t)) / (sqrt(v / (1 - beta_2^t)) + epsilon)

    The divisions by ``1 - beta^t`` make up for the zeros that the averages begin with. Weight decay
    is added to the gradient, as in SGD. Raises ``OptionError`` for betas that are not from 0 to
    below 1. Source: Kingma and Ba 2015, "Adam", algorithm 1.
    """

    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8

    AVERAGES = ("mean", "squares")

    def __post_init__(self) -> None:
        if not all(0 <= beta < 1 for beta in self.betas):  # at 1 the average stays 0
            raise OptionError(f"the betas are {self.betas} and must be from 0 to below 1")

    def _change(self, values: Array, gradient: Array, *averages: Array) -> None:
        if self.weight_decay:
            gradient = gradient + self.weight_decay * values
        self._descend(values, gradient, *averages)

    def _descend(self, values: Array, gradient: Array, mean: Array, squares: Array) -> None:
        """Make the step of Adam without weight decay, with one array to work in."""
        beta_1, beta_2 = self.betas
        work = gradient.copy()
        _average(mean, work, beta_1)
        np.square(gradient, out=work)
        _average(squares, work, beta_2)
        np.sqrt(squares, out=work)
        work /= sqrt(1 - beta_2**self.steps)
        work += self.epsilon
        np.divide(mean, work, out=work)
        work *= self.learning_rate / (1 - beta_1**self.steps)
        values -= work


@dataclass(kw_only=True)
class AdamW(Adam):
    """Adam with decoupled weight decay: ``values *= 1 - learning_rate * weight_decay`` before it.

    Decay then does not pass through Adam's division, which would take it from the weights with the
    largest gradients. Source: Loshchilov and Hutter 2019, "Decoupled weight decay regularization",
    algorithm 2.
    """

    weight_decay: float = 0.01

    def _change(self, values: Array, gradient: Array, *averages: Array) -> None:
        if self.weight_decay:
            values *= 1 - self.learning_rate * self.weight_decay
        self._descend(values, gradient, *averages)


def clip_by_norm(gradient: Array, largest: float) -> float:
    """Shorten ``gradient`` (P,) in place to the norm ``largest`` if it is longer.

    Return the norm that it had, which is infinite or not a number where the gradient is: such a
    gradient stays as it is. PyTorch divides by the norm plus 1e-6. Source: Pascanu et al. 2013, "On
    the difficulty of training recurrent neural networks", algorithm 1.
    """
    with np.errstate(over="ignore"):
        norm = sqrt(np.dot(gradient, gradient))
    if norm == np.inf and (size := float(np.abs(gradient).max())) < np.inf:
        scaled = gradient / size  # in float32 the squares of numbers above 1.8e19 overflow
        norm = size * sqrt(np.dot(scaled, scaled))
    if largest < norm < np.inf:
        gradient *= largest / norm
    return norm


def _average(average: Array, work: Array, decay: float) -> None:
    """Move ``average`` towards ``work`` by the share ``1 - decay``; ``work`` is overwritten."""
    if decay < 0.5:  # the difference below has the rounding of the old average, which may be large
        average *= decay
    else:
        work -= average
    work *= 1 - decay
    average += work


def _refuse_other_shapes(values: Array, others: Mapping[str, Array]) -> None:
    for name, array in others.items():
        if values.ndim != 1 or array.shape != values.shape:
            raise AutodiffError(
                f"an optimizer steps on one vector: the values have shape {values.shape} and"
                f" {name} has {array.shape}"
            )
