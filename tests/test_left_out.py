"""Words left out of the counts, held against models that were trained without them."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from makemore.counting.ngrams import NgramCounter
from makemore.data.vocabulary import BOUNDARY, Vocabulary
from makemore.evaluation.losses import score_words
from makemore.models import left_out, ngram
from makemore.models.left_out import left_out_log_probabilities
from makemore.models.ngram import Ngram, train_ngram

VOCABULARY = Vocabulary("abcd")


def trained(words: list[str], order: int) -> Ngram:
    counter = NgramCounter(len(VOCABULARY), order)
    counter.add(VOCABULARY.encode_words(words))
    return train_ngram(counter.counts(), VOCABULARY)


@given(
    st.lists(st.text("abcd", min_size=1, max_size=6), min_size=2, max_size=20).filter(
        lambda words: len(set(words)) > 1
    ),
    st.integers(2, 5),
    st.sampled_from([3, 1 << 13]),
)
def test_a_word_left_out_is_as_a_model_without_it_finds_it(
    words: list[str], order: int, batch: int
) -> None:
    """With the same discounts, which leaving a word out does not change."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (left_out, ngram):
            patch.setattr(module, "kneser_ney_discounts", lambda counts: (0.6, 1.1, 1.4))
        patch.setattr(left_out, "_BATCH", batch)
        copies = Counter(words)
        ids = VOCABULARY.encode_words(list(copies))[1:]
        found = left_out_log_probabilities(
            trained(words, order), ids, np.array(list(copies.values()))
        )
        parts = np.split(found, np.flatnonzero(ids == BOUNDARY) + 1)
        for word, part in zip(copies, parts, strict=False):
            others = trained([other for other in words if other != word], order)
            assert -part == pytest.approx(score_words(others, [word]).nats, abs=1e-12)
