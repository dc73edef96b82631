"""Losses and scores, held against a dictionary of counts and plain loops."""

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from conftest import make_bigram
from hypothesis import given
from hypothesis import strategies as st

from makemore.counting.ngrams import NgramCounter
from makemore.data.corpus import Corpus
from makemore.data.holdout import split_words
from makemore.data.text import Lines, lines_with_words
from makemore.data.vocabulary import Vocabulary
from makemore.errors import VocabularyError
from makemore.evaluation.losses import (
    Choices,
    Totals,
    accuracy,
    bits_per_symbol,
    evaluate,
    log_ratios,
    perplexity,
    roc_auc,
    score_lines,
    score_words,
    transition_scores,
)
from makemore.models.base import WindowedModel
from makemore.models.bigram import Bigram
from makemore.models.ngram import Ngram, train_ngram

TRAINING = ["abc", "ab", "b", "ca", "cab", "abcabc"]
WORDS = st.lists(st.text("abcé\0\t", max_size=6), max_size=8)


def make_ngram(words: list[str], order: int) -> Ngram:
    vocabulary = Vocabulary("".join(words))
    counter = NgramCounter(len(vocabulary), order)
    counter.add(vocabulary.encode_words(words))
    return train_ngram(counter.counts(), vocabulary)


def slow_nats(model: WindowedModel, word: str) -> list[float]:
    """Ask the model for one symbol after another."""
    before = [0] * model.context_length
    nats = []
    for character in [*word, ""]:
        symbol = model.vocabulary.stoi[character] if character else 0
        row = model.log_probabilities(np.array([before[-model.context_length :]]))[0]
        nats.append(-float(row[symbol]))
        before.append(symbol)
    return nats


@pytest.mark.parametrize(
    "model", [make_bigram(TRAINING), *(make_ngram(TRAINING, n) for n in (2, 3, 5))]
)
@given(words=WORDS)
def test_a_score_is_the_sum_over_symbols_asked_one_by_one(
    model: WindowedModel, words: list[str]
) -> None:
    scores = score_words(model, words)
    assert scores.words == words
    assert scores.symbols.tolist() == [len(word) + 1 for word in words]
    for word, total, mean in zip(words, scores.total, scores.mean, strict=True):
        if set(word) <= set("abc"):
            expected = slow_nats(model, word)
            assert total == pytest.approx(sum(expected), rel=1e-12)
            assert mean == pytest.approx(sum(expected) / len(expected), rel=1e-12)
            assert transition_scores(model, word) == pytest.approx(expected, rel=1e-12)
        else:
            assert math.isnan(total)


@given(words=WORDS)
def test_the_first_unknown_character_of_each_word_is_named(words: list[str]) -> None:
    scores = score_words(make_bigram(TRAINING), words)
    expected = {i: next((c for c in word if c not in "abc"), "") for i, word in enumerate(words)}
    assert scores.unknown == {i: c for i, c in expected.items() if c}
    assert scores.totals.unknown_words == len(scores.unknown)
    assert scores.totals.words == len(words) - len(scores.unknown)


def test_an_unknown_character_spoils_only_what_looks_back_at_it() -> None:
    word = "abéabc"
    for model, spoilt in ((make_bigram(TRAINING), 2), (make_ngram(TRAINING, 3), 3)):
        nats = transition_scores(model, word)
        assert np.flatnonzero(np.isnan(nats)).tolist() == list(range(2, 2 + spoilt))


def test_published_arithmetic_of_a_small_model() -> None:
    # after the start a, a, b; after a: b, b; after b: end, end, end. Without smoothing:
    model = make_bigram(["ab", "ab", "b"], smoothing=0.0)
    scores = score_words(model, ["ab", "b", "ba"])
    assert scores.total[:2] == pytest.approx([-math.log(2 / 3), -math.log(1 / 3)])
    assert scores.total[2] == math.inf
    assert scores.totals.loss == math.inf
    assert perplexity(scores.totals.loss) == math.inf


def test_evaluation_of_the_training_words_is_their_mean_surprise(names: list[str]) -> None:
    pairs = Counter(pair for name in names for pair in pairwise(["", *name, ""]))
    before = Counter()  # type: Counter[str]
    for (first, _), count in pairs.items():
        before[first] += count
    expected = -sum(n * math.log(n / before[first]) for (first, _), n in pairs.items())
    model = make_bigram(names, smoothing=0.0)
    totals = evaluate(model, Corpus.from_words(names).read(block_size=5_000))
    assert (totals.words, totals.symbols, totals.unknown_words) == (32_033, 228_146, 0)
    assert totals.nats == pytest.approx(expected, rel=1e-12)
    assert totals.loss == pytest.approx(2.4540144891548743, abs=1e-12)
    assert bits_per_symbol(totals.loss) == pytest.approx(3.54039, abs=1e-5)
    assert perplexity(totals.loss) == pytest.approx(11.6349, abs=1e-4)


def test_totals_of_parts_add_up() -> None:
    model = make_bigram(TRAINING)
    whole = score_words(model, ["ab", "xb", "c", "bca"]).totals
    parts = score_words(model, ["ab", "xb"]).totals + score_words(model, ["c", "bca"]).totals
    assert (whole.words, whole.symbols, whole.unknown_words) == (3, 9, 1)
    assert (parts.words, parts.symbols, parts.unknown_words) == (3, 9, 1)
    assert parts.nats == pytest.approx(whole.nats)


def test_without_words_there_is_no_mean() -> None:
    assert math.isnan(Totals().loss)
    assert math.isnan(perplexity(Totals().loss))
    scores = score_words(make_bigram(TRAINING), [])
    assert len(scores) == len(scores.total) == len(scores.split_nats()) == 0
    assert scores.totals == Totals()


def test_blank_lines_hold_no_word() -> None:
    weights = np.array([0, 0, 3, 0, 0, 5, 0])
    text, kept = lines_with_words(Lines("\n\na\n\n\nb\n\n", weights))
    assert (text, kept.tolist() if kept is not None else None) == ("a\nb\n", [3, 5])
    assert lines_with_words(Lines("a\nb\n")) == Lines("a\nb\n")
    assert lines_with_words(Lines("\n")) == Lines("")
    totals = evaluate(make_bigram(TRAINING), ["\na\n\n", "\n", "b\n"])
    assert totals.words == 2


def test_a_line_feed_in_a_word_is_refused() -> None:
    with pytest.raises(VocabularyError, match="line feed"):
        score_words(make_bigram(TRAINING), ["a\nb"])


def test_long_and_short_lines_score_the_same_alone_and_together() -> None:
    model = make_ngram(TRAINING, 4)
    words = ["abc" * 50_000, "b", "cab" * 30_000, "ab"]
    together = score_words(model, words)
    for i, word in enumerate(words):
        assert together.total[i] == score_words(model, [word]).total[0]


def test_what_is_certain_has_no_negative_zero() -> None:
    certain = Bigram(Vocabulary("a"), np.array([[-900.0, 900], [900, -900]]), np.zeros((2, 2), int))
    assert not np.signbit(score_lines(certain, "a\n").nats).any()


def test_the_log_ratio_tells_which_model_fits_better() -> None:
    own, other = make_bigram(["ab", "ab", "b"], 0.0), make_bigram(["ab", "aa", "b"], 0.0)
    words = ["ab", "b", "aa", "ba", "x"]
    ratios = log_ratios(score_words(own, words), score_words(other, words))
    # own: 2/3 * 1 * 1, other: 2/3 * 1/3 * 1; b is as likely; aa only for other; ba for none
    assert ratios[:2] == pytest.approx([math.log(3), 0.0])
    assert ratios[2] == -math.inf
    assert ratios[3] == 0.0
    assert math.isnan(ratios[4])
    assert Choices.of(ratios) == Choices(own=1, other=1, ties=2)


def test_accuracy_counts_both_lists_the_same() -> None:
    own, other = Choices(own=8, other=1, ties=2), Choices(own=1, other=3)
    assert own.share == pytest.approx(9 / 11)
    assert accuracy(own, other) == pytest.approx((9 / 11 + 3 / 4) / 2)
    assert math.isnan(Choices().share)
    assert own + other == Choices(9, 4, 2)


SCORES = st.lists(st.sampled_from([-1.0, 0.0, 0.5, 2.0, math.inf]), min_size=1, max_size=12)


@given(SCORES, SCORES)
def test_the_area_under_the_curve_is_the_share_of_pairs_in_order(
    positive: list[float], negative: list[float]
) -> None:
    wins = sum((p > n) + (p == n) / 2 for p in positive for n in negative)
    assert roc_auc(positive, negative) == pytest.approx(wins / (len(positive) * len(negative)))


def test_random_letters_are_told_from_names_never_seen(names: list[str]) -> None:
    held = split_words(names, [0.1]) == 1
    model = make_bigram([name for name, is_held in zip(names, held, strict=True) if not is_held])
    unseen = sorted({name for name, is_held in zip(names, held, strict=True) if is_held})
    letters = iter(np.random.default_rng(0).integers(97, 123, sum(map(len, unseen))))
    random = ["".join(chr(next(letters)) for _ in name) for name in unseen]
    assert roc_auc(score_words(model, random).mean, score_words(model, unseen).mean) > 0.985
