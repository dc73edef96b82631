"""The contract: what follows for a model that answers its one question and no more."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pytest

from makemore.arrays import Floats, Ids
from makemore.data.vocabulary import Vocabulary
from makemore.errors import SamplingError
from makemore.evaluation.losses import score_words
from makemore.generation.sampling import sample
from makemore.models import base
from makemore.models.base import ArraySpec, Model


class Doubling(Model):
    """After a double character the word ends; before, all symbols are as likely."""

    name = "doubling"

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.context_length = 2

    def log_probabilities(self, contexts: Ids) -> Floats:
        """Return the answer, (B, 2) ids -> (B, V)."""
        P = np.full((len(contexts), len(self.vocabulary)), 1.0 / len(self.vocabulary))
        is_double = (contexts[:, 0] == contexts[:, 1]) & (contexts[:, 1] > 0)
        P[is_double] = 0.0
        P[is_double, 0] = 1.0
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(P))

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
        return cls(vocabulary)


MODEL = Doubling(Vocabulary("ab"))


def test_the_derived_automaton_remembers_the_whole_context() -> None:
    words = sample(MODEL, 2_000, seed=1)
    for word in words:
        doubles = [i for i in range(len(word) - 1) if word[i] == word[i + 1]]
        assert doubles in ([], [len(word) - 2])
    assert {"a", "b", "aa", "ab", "baa"} <= set(words)


def test_words_are_scored_by_their_contexts() -> None:
    # each of a, a is one of three; then the end is certain
    assert score_words(MODEL, ["aa"]).total[0] == pytest.approx(2 * np.log(3))
    assert score_words(MODEL, ["aab"]).total[0] == np.inf


def test_a_large_batch_is_answered_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    contexts = np.random.default_rng(0).integers(0, 3, (50, 2))
    targets = np.random.default_rng(1).integers(0, 3, 50)
    expected = MODEL.log_probabilities(contexts)[np.arange(50), targets]
    monkeypatch.setattr("makemore.arrays.CHUNK_CELLS", 7)
    np.testing.assert_array_equal(MODEL.target_log_probabilities(contexts, targets), expected)


def test_its_table_of_pairs_is_that_at_a_words_start() -> None:
    assert MODEL.bigram_table() == pytest.approx(np.full((3, 3), 1 / 3))
    assert MODEL.bigram_counts() is None
    assert MODEL.bigram_weights() is None


def test_its_parameters_are_all_numbers_in_its_arrays() -> None:
    assert MODEL.parameter_count == 10


def test_too_many_contexts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "MAX_CELLS", 26)
    with pytest.raises(SamplingError, match="9 contexts of 3 symbols are too many"):
        sample(MODEL, 1, seed=0)
