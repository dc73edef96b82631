"""What every model answers, and what follows from that answer alone.

A model is asked one question: given contexts of ids, what are the log-probabilities of the next
symbol? Whoever samples, scores, draws or exports asks only that, so a new model is one file in this
folder and one entry in the table of ``models/__init__.py``.

A model with a short memory is also a finite automaton, and much becomes exact and fast on one
(draws under constraints, the most probable words). ``Model.automaton`` makes every context a state;
a model that knows a smaller automaton overrides the method.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from makemore.data.bigrams import Counts
from makemore.data.vocabulary import Ids, Vocabulary
from makemore.errors import SamplingError

MAX_CELLS = 1 << 26
"""The most states times symbols of an automaton: 512 MiB of log-probabilities."""

Floats = npt.NDArray[np.float64]
States = npt.NDArray[np.int32]


@dataclass(frozen=True)
class ArraySpec:
    """The type and shape that an array must have, known before a byte of it is read."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Automaton:
    """A model as states and transitions; S states, V symbols.

    Attributes
    ----------
    log_probabilities : array of shape (S, V), nats
        Of the next symbol in each state; each row is the logarithm of a distribution.
    successors : array of shape (S, V), int32
        The state after each symbol. Column 0, the boundary, leads nowhere: a word is over.
    start : int
        The state at the start of a word.
    fallbacks : array of shape (S,), int32, optional
        The state, lower in number, of the shorter context that each state may be told by: with
        few exceptions its row is that one's times a constant, and the successors are the same. -1
        where there is none. A hint by which an export stays small; the rows are whole without it.
    """

    log_probabilities: Floats
    successors: States
    start: int
    fallbacks: States | None = None


class Model(ABC):
    """A distribution over the next symbol given the ``context_length`` symbols before it.

    Attributes
    ----------
    name : str
        The model's name on the command line and in checkpoints.
    vocabulary : Vocabulary
    context_length : int
        How many symbols the model sees. Before a word's start there are boundaries.
    """

    name: ClassVar[str]
    vocabulary: Vocabulary
    context_length: int

    @abstractmethod
    def log_probabilities(self, contexts: Ids) -> Floats:
        """Return log P(next symbol | context) in nats, (B, context_length) ids -> (B, V)."""

    def automaton(self) -> Automaton:
        """Return the model as an automaton whose states are all V**context_length contexts.

        Raises ``SamplingError`` where they are too many.
        """
        V, C = len(self.vocabulary), self.context_length
        S = V**C
        if S * V > MAX_CELLS:
            raise SamplingError(
                f"{S:,} contexts of {V} symbols are too many to go through: the limit is"
                f" {MAX_CELLS:,} states times symbols"
            )
        codes = np.arange(S)
        contexts = codes[:, None] // V ** np.arange(C - 1, -1, -1) % V
        successors = (codes[:, None] * V + np.arange(V)) % S
        return Automaton(self.log_probabilities(contexts), successors.astype(np.int32), start=0)

    def bigram_table(self) -> Floats:
        """Return P(next symbol | this symbol), shape (V, V), for pictures.

        Where the model sees more than one symbol, this one stands first in the word.
        """
        contexts = np.zeros((len(self.vocabulary), self.context_length), np.int64)
        contexts[:, -1] = np.arange(len(self.vocabulary))
        return np.exp(self.log_probabilities(contexts))

    def bigram_counts(self) -> Counts | None:
        """Return how often j followed i in training, shape (V, V); None where that is not kept."""
        return None

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """Return what beside the arrays and the vocabulary defines the model, as JSON values."""

    @abstractmethod
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the model's parameters by name, as a checkpoint keeps them."""

    @classmethod
    @abstractmethod
    def array_specs(
        cls, vocabulary: Vocabulary, options: Mapping[str, Any]
    ) -> dict[str, ArraySpec]:
        """Return the type and shape of each of ``arrays()``. Raises ``CheckpointError``."""

    @classmethod
    @abstractmethod
    def from_arrays(
        cls,
        vocabulary: Vocabulary,
        options: Mapping[str, Any],
        arrays: Mapping[str, npt.NDArray[Any]],
    ) -> Self:
        """Return the model that gave these parts, checking values. Raises ``CheckpointError``."""

    @property
    def parameter_count(self) -> int:
        """How many numbers the model has learnt."""
        return sum(array.size for array in self.arrays().values())
