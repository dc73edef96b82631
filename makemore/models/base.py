"""What every model answers, and what follows from that answer alone.

A model is asked one question: given contexts of ids, what are the log-probabilities of the next
symbol? Whoever samples, scores, draws or exports asks only that, so a new model is one file in this
folder and one entry in the table of ``models/__init__.py``; how it is trained stands in the tables
of ``training/``.

A model with a short memory is also a finite automaton, and much becomes exact and fast on one
(draws under constraints, the most probable words). ``Model.automaton`` makes every context a state;
a model that knows a smaller automaton overrides the method.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from makemore.arrays import Counts, Floats, Ids, States, chunks
from makemore.data.vocabulary import Vocabulary
from makemore.errors import SamplingError

MAX_CELLS = 1 << 26
"""The most states times symbols of an automaton: 512 MiB of log-probabilities."""


class ArraySpec(NamedTuple):
    """The type and shape that an array must have, known before a byte of it is read."""

    dtype: str
    shape: tuple[int, ...]


class Automaton(NamedTuple):
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
        For each state the one of a shorter context that tells most of it, -1 where there is none:
        but for a few symbols its probabilities are that one's times a constant, and its successors
        the same. Chains of fallbacks end. It is a hint by which an export can stay small; the rows
        are whole without it.
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

    def target_log_probabilities(self, contexts: Ids, targets: Ids) -> Floats:
        """Return log P(target | context) in nats, (B, context_length) and (B,) ids -> (B,).

        This looks them up among those of all symbols, a part at a time so that memory is bounded; a
        model that need not know the others overrides it.
        """
        found = np.empty(len(targets))
        for chunk in chunks(len(targets), len(self.vocabulary)):
            table = self.log_probabilities(contexts[chunk])
            found[chunk] = table[np.arange(len(table)), targets[chunk]]
        return found

    def bigram_table(self) -> Floats:
        """Return P(next | this symbol), shape (V, V), for pictures of whatever model.

        A model that sees more than one symbol is asked as at a word's start: before this symbol
        there are boundaries. A model that can tell better overrides it.
        """
        V = len(self.vocabulary)
        contexts = np.zeros((V, self.context_length), np.int64)
        contexts[:, -1] = np.arange(V)
        return np.exp(self.log_probabilities(contexts))

    def bigram_counts(self) -> Counts | None:
        """Return N of the training words, shape (V, V), or None where the model keeps none."""
        return None

    def bigram_weights(self) -> Floats | None:
        """Return the logits of the next symbol, shape (V, V), or None where there are none."""
        return None

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
        codes = np.arange(S)[:, None]
        log_probabilities, successors = np.empty((S, V)), np.empty((S, V), np.int32)
        for chunk in chunks(S, V):
            contexts = codes[chunk] // V ** np.arange(C - 1, -1, -1) % V
            log_probabilities[chunk] = self.log_probabilities(contexts)
            successors[chunk] = (codes[chunk] * V + np.arange(V)) % S
        return Automaton(log_probabilities, successors, start=0)

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
