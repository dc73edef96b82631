"""Two models that live in the tests: one with a memory of the whole word, one with a window.

Their weights are random and favour no direction: a model whose answers were symmetric could not
tell the first symbol of a context from the last.
"""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from makemore.archive import ArraySpec
from makemore.arrays import Floats, Ids
from makemore.data.vocabulary import Vocabulary
from makemore.models.base import Model, State, WindowedModel
from makemore.models.softmax import log_softmax


class _InTests(Model):
    """What a model needs for a checkpoint, where there is none."""

    def options(self) -> dict[str, Any]:
        return {}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        return {"a": np.zeros((2, 3)), "b": np.zeros(4)}

    @classmethod
    def array_specs(
        cls, vocabulary: Vocabulary, options: Mapping[str, Any]
    ) -> dict[str, ArraySpec]:
        return {}

    @classmethod
    def from_arrays(
        cls,
        vocabulary: Vocabulary,
        options: Mapping[str, Any],
        arrays: Mapping[str, npt.NDArray[Any]],
    ) -> Self:
        return cls()


class RecurrentModel(_InTests):
    """An Elman network of random weights: h' = tanh(E[symbol] + h U), logits = h W.

    Its state has two arrays, the hidden vectors and the number of symbols seen, which the logit of
    the end grows with: words end.
    """

    name = "recurrent-in-tests"

    def __init__(self, characters: str = "abc", width: int = 5, seed: int = 0) -> None:
        self.vocabulary = Vocabulary(characters)
        V, random = len(self.vocabulary), np.random.default_rng(seed)
        self._E, self._U = random.normal(size=(V, width)), random.normal(size=(width, width))
        self._W, self._first = random.normal(size=(width, V)), 0.3 * random.normal(size=width)

    def start(self, B: int) -> State:
        return np.tile(self._first, (B, 1)), np.zeros(B)

    def advance(self, state: State, symbols: Ids) -> State:
        assert isinstance(state, tuple)
        assert (symbols > 0).all(), "a state never crosses a boundary"
        hidden, seen = state
        return np.tanh(self._E[symbols] + hidden @ self._U), seen + 1

    def log_probabilities(self, state: State) -> Floats:
        assert isinstance(state, tuple)
        hidden, seen = state
        logits = hidden @ self._W
        logits[:, 0] += 0.3 * seen
        return log_softmax(logits)


class LopsidedModel(_InTests, WindowedModel):
    """A model of two symbols: a random table that answers every context in its own way."""

    name = "lopsided-in-tests"
    context_length = 2

    def __init__(self, characters: str = "abc", seed: int = 1) -> None:
        self.vocabulary = Vocabulary(characters)
        V = len(self.vocabulary)
        self._logits = np.random.default_rng(seed).normal(size=(V, V, V))

    def log_probabilities(self, state: State) -> Floats:
        contexts = np.asarray(state)
        return log_softmax(self._logits[contexts[:, 0], contexts[:, 1]])


class ForgetfulModel(RecurrentModel):
    """A recurrent model that gives no word with a "c" a probability above zero."""

    name = "forgetful-in-tests"

    def log_probabilities(self, state: State) -> Floats:
        log_P = super().log_probabilities(state)
        log_P[:, 3] = -np.inf
        return log_softmax(log_P)
