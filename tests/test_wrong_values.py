"""Values that the public names cannot take are answered by an error of the package."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from conftest import make_bigram

from makemore import (
    Columns,
    Constraints,
    Corpus,
    KnownWords,
    RankEstimator,
    Sampler,
    Vocabulary,
    bigram_pairs,
    compare,
    count_pairs,
    evaluate,
    find_outliers,
    mix,
    roc_auc,
    sample,
    score,
    top,
    train,
)
from makemore.errors import (
    CheckpointError,
    CorpusError,
    MakemoreError,
    OptionError,
    VocabularyError,
)

MODEL = make_bigram(["emma", "ava", "mia"])
CORPUS = Corpus.from_words(["emma", "ava", "mia"])
ONE: Any = "emma"  # an iterable of texts, and wherever words are wanted not what is meant
NUMBER: Any = 1
ids = np.array

WRONG: dict[str, tuple[type[MakemoreError], str, Callable[[], object]]] = {
    "outliers of a negative number": (
        OptionError,
        "0 or more",
        lambda: find_outliers([f"{i}" for i in range(20)], -1),
    ),
    "draws of none": (OptionError, "1 or more", lambda: RankEstimator(MODEL, draws=0)),
    "a negative seed of ranks": (OptionError, "0 or more", lambda: RankEstimator(MODEL, seed=-1)),
    "ranks of one text": (VocabularyError, "one text", lambda: RankEstimator(MODEL).ranks(ONE)),
    "columns by numbers": (OptionError, "such as '1'", lambda: Columns(NUMBER, NUMBER)),
    "known words of one text": (VocabularyError, "one text", lambda: KnownWords.of(ONE)),
    "known words of two lines": (VocabularyError, "line feed", lambda: KnownWords.of(["a\nb"])),
    "known texts of one": (CorpusError, "one text", lambda: KnownWords(ONE)),
    "a line without its end": (CorpusError, "'emma' of a block", lambda: KnownWords(["emma"])),
    "asked without an end": (CorpusError, "line feed", lambda: KnownWords.of([]).contain("emma")),
    "a corpus of one text": (VocabularyError, "one text", lambda: Corpus.from_words(ONE)),
    "scores of one text": (VocabularyError, "one text", lambda: score(MODEL, ONE)),
    "outliers of one text": (VocabularyError, "one text", lambda: find_outliers(ONE)),
    "pairs of one text": (VocabularyError, "one text", lambda: bigram_pairs(ONE, MODEL.vocabulary)),
    "a loss of one text": (CorpusError, "one text", lambda: evaluate(MODEL, ONE)),
    "a loss of half a line": (CorpusError, "no line feed", lambda: evaluate(MODEL, ["emma"])),
    "a comparison of half a line": (
        CorpusError,
        "no line feed",
        lambda: compare({"a": train(CORPUS)}, ["emma"]),
    ),
    "a comparison of nothing": (CheckpointError, "no checkpoint", lambda: compare({}, ["emma\n"])),
    "a mixture of nothing": (CheckpointError, "two models or more", lambda: mix({}, CORPUS)),
    "a negative seed": (OptionError, "0 or more", lambda: sample(MODEL, 2, seed=-1)),
    "texts of a negative seed": (OptionError, "seed", lambda: next(Sampler(MODEL).texts(2, -1))),
    "a negative count": (OptionError, "0 or more", lambda: top(MODEL, -1)),
    "a prefix of no text": (OptionError, "must be texts", lambda: Constraints(prefix=NUMBER)),
    "contents of no text": (OptionError, "must be texts", lambda: Constraints(contains=(NUMBER,))),
    "contents that are a number": (
        OptionError,
        "must be texts",
        lambda: Constraints(contains=NUMBER),
    ),
    "half a length": (OptionError, "whole numbers", lambda: Constraints(min_length=NUMBER / 2)),
    "a length in text": (OptionError, "whole numbers", lambda: Constraints(max_length=ONE)),
    "scores of nothing": (OptionError, "no score", lambda: roc_auc([], [1.0])),
    "a score of nan": (OptionError, "nan", lambda: roc_auc([1.0], [float("nan")])),
    "an id too large": (VocabularyError, "from 2 to 9: expected", lambda: decoded([2, 9])),
    "a negative id": (VocabularyError, "from -1 to 2: expected 0 to 2", lambda: decoded([-1, 2])),
    "pairs of other ids": (VocabularyError, "to 2", lambda: count_pairs(ids([3]), ids([0]), 3)),
    "unequal numbers": (VocabularyError, "as many", lambda: count_pairs(ids([0]), ids([0, 1]), 3)),
}


def decoded(numbers: list[int]) -> str:
    return Vocabulary("ab").decode(numbers)


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_an_error_of_the_package(name: str) -> None:
    error, message, call = WRONG[name]
    with pytest.raises(error, match=message):
        call()


def test_values_that_look_odd_and_are_right_are_taken() -> None:
    assert len(KnownWords.of([])) == len(KnownWords([])) == len(KnownWords([""])) == 0
    assert evaluate(MODEL, []).words == evaluate(MODEL, ["\n"]).words == 0
    two: Any = np.int64(2)
    assert Constraints(min_length=two, max_length=two) == Constraints(min_length=2, max_length=2)
    assert Vocabulary("ab").decode([]) == ""
    assert not top(MODEL, 0)
    assert not sample(MODEL, 0)
