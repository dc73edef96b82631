"""What all networks share as models: parameters by name, trained in float32, answering in float64.

A network is a layer whose fields are its parameters. While it is trained they are Tensors of
float32, and ``training_logits`` stand beside target counts. After ``freeze`` they are arrays
of float64, and the same equations answer the questions of a ``Model``.
"""

from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

import numpy as np
import numpy.typing as npt

from makemore.archive import ArraySpec
from makemore.arrays import Arrays, Floats, Ids
from makemore.autodiff.tensor import Array, Value
from makemore.data.vocabulary import Vocabulary
from makemore.errors import AutodiffError, CheckpointError, OptionError
from makemore.kinds import OPTION
from makemore.models.base import Model, Options
from makemore.models.softmax import log_softmax
from makemore.nn.base import Layer
from makemore.nn.initialisation import Generator
from makemore.nn.layers import Linear

FIRST_LOGITS = 0.1
"""The deviation of the first logits from 0, so that the first loss is near log V."""


class Rows(NamedTuple):
    """What a network computes for some words: a row for all symbols before which it sees the same.

    Attributes
    ----------
    inputs : Any
        What the R rows are computed from, such as a prefix tree.
    counts : array of shape (R, V), float32
        How often each symbol is the target of each row.
    """

    inputs: Any
    counts: Array


class Network(Layer, Model):
    """A model whose probabilities a network computes.

    Attributes
    ----------
    sizes : tuple of str
        The options that, with the vocabulary, decide the shapes of the parameters.
    dropout : float
        The share of numbers dropped while it is trained.
    """

    sizes: ClassVar[tuple[str, ...]]

    def __init__(
        self, vocabulary: Vocabulary, options: Options, generator: Generator = None
    ) -> None:
        """Draw the first parameters, in float32; without a generator they are zeros.

        ``options`` holds the values of ``sizes`` by name, and perhaps those of other options of the
        training, of which only ``dropout`` is looked at.
        """
        self.vocabulary = vocabulary
        self._options = {name: options[name] for name in self.sizes}
        self.dropout = float(options.get("dropout", 0.0))
        self._build(len(vocabulary), self._options, generator)

    @abstractmethod
    def _build(self, V: int, options: Options, generator: Generator) -> None:
        """Set the fields that are layers, for the values of ``sizes``."""

    @abstractmethod
    def training_rows(self, ids: Ids, weights: Floats) -> Rows:
        """Return the rows to compute for some words, with their target counts.

        ``ids`` (n,) holds the words in a row, the boundary after each, and ``weights`` (words,) how
        often each word counts; it is fastest where words that begin alike stand together. This
        takes no parameters: it is done for the next words while a device works on these.
        """

    @abstractmethod
    def training_logits(self, rows: Rows, generator: Generator) -> Value:
        """Return the logits of each row, (R, V).

        The generator decides what dropout drops; without one nothing is dropped.
        """

    @classmethod
    def values_for(cls, options: Options, longest: int) -> dict[str, Any]:
        """Return the options of a training with what follows from the longest training word.

        Raises ``TrainingError`` for words that are too long for this kind of network.
        """
        return dict(options)

    @classmethod
    def cells_per_symbol(cls, options: Options) -> int:
        """Return about how many numbers a step of training keeps for each symbol."""
        width = int(options["hidden_size"]) + int(options["embedding_size"])
        return 16 * width * int(options.get("layers", 1))

    def options(self) -> dict[str, Any]:
        """Return the values of ``sizes``."""
        return dict(self._options)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the parameters by name, as float32: they have no more digits."""
        return {name: array.astype(np.float32) for name, array in self.state().items()}

    @classmethod
    def array_specs(cls, vocabulary: Vocabulary, options: Options) -> dict[str, ArraySpec]:
        """Return the type and shape of each parameter. Raises ``CheckpointError``."""
        state = cls._empty(vocabulary, options).state()
        return {name: ArraySpec("<f4", array.shape) for name, array in state.items()}

    @classmethod
    def from_arrays(cls, vocabulary: Vocabulary, options: Options, arrays: Arrays) -> Self:
        """Return the finished network. Raises ``CheckpointError`` for infinite numbers and nan."""
        model = cls._empty(vocabulary, options)
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise CheckpointError(f"the array {name} has numbers that are not finite")
        model.load(arrays)
        model.freeze(np.float64)
        return model

    @classmethod
    def _empty(cls, vocabulary: Vocabulary, options: Options) -> Self:
        """Return a network of zeros, which take no memory. Raises ``CheckpointError``."""
        if options.keys() != set(cls.sizes):
            raise CheckpointError(
                f"expected the options {', '.join(cls.sizes)} of a {cls.name} and found"
                f" {', '.join(map(str, options))!a}"
            )
        for name, value in options.items():
            if fault := cls._fault(name, value):
                raise CheckpointError(f"its {name} is {value!a} and must be {fault}")
        try:
            return cls(vocabulary, options)
        except (AutodiffError, OptionError) as error:
            raise CheckpointError(str(error)) from error

    @classmethod
    def _fault(cls, name: str, value: Any) -> str:
        """Return what the value of one of ``sizes`` must be; an empty string where it is right."""
        return OPTION[name].fault(value)

    def _log_probabilities(self, logits: Array) -> Floats:
        """Return log P in nats from logits, (B, V) each."""
        return log_softmax(np.asarray(logits, np.float64))


L = TypeVar("L", bound=Layer)


def scaled(layer: L, factor: float, generator: Generator) -> L:
    """Return a layer with its first numbers multiplied by a factor."""
    if generator is not None:
        layer.load({name: factor * array for name, array in layer.state().items()})
    return layer


def head(inputs: int, V: int, generator: Generator) -> Linear:
    """Return the last layer of a network: its first logits are small, so no symbol is preferred."""
    return scaled(Linear(inputs, V, generator), FIRST_LOGITS, generator)
