"""Reference scores for an n-gram model: those of training words, had it not seen them."""

import numpy as np

from makemore.arrays import Floats
from makemore.counting.passes import IdRow, id_blocks
from makemore.data.corpus import Corpus
from makemore.data.holdout import Split, without_repetition
from makemore.data.text import Lines
from makemore.data.vocabulary import BOUNDARY, Vocabulary
from makemore.evaluation.calibration import references_of_ids
from makemore.models.left_out import left_out_log_probabilities
from makemore.models.ngram import Ngram

ENOUGH = 1 << 14
"""This many words suffice to calibrate scores: held-out ones, and others that are left out."""

MAX_SYMBOLS = 1 << 22
"""A corpus of more training symbols has enough held-out words, unless it has few distinct ones."""


def left_out_references(model: Ngram, text: Corpus, split: Split, held_out: int) -> Floats | None:
    """Return scores as ``calibrate`` does, of some training words, each left out by itself.

    They make up ``ENOUGH`` with the ``held_out`` words, where there are so many. None where that
    many are held out, and for a model that is not smoothed by Kneser-Ney. A word of weight k is
    treated like k lines.
    """
    if held_out >= ENOUGH or model.smoothing_method != "kneser-ney":
        return None
    words, symbols = Lines(""), 0
    for row, _, _ in id_blocks(text.read().blocks(), model.vocabulary, split):
        lengths = np.diff(np.flatnonzero(row.ids == BOUNDARY))
        symbols += int((lengths if row.weights is None else lengths * row.weights).sum())
        if symbols > MAX_SYMBOLS and not split.distinct:
            return None
        words = without_repetition([words, _lines_of(row, model.vocabulary)])
    assert words.weights is not None
    chosen = words.text.split("\n")[:-1][: ENOUGH - held_out]  # those with the smallest hashes
    ids = model.vocabulary.encode_text("".join(f"{word}\n" for word in chosen)).astype(np.int64)
    copies = words.weights[: len(chosen)]
    return references_of_ids(ids, 0.0 - left_out_log_probabilities(model, ids, copies))


def _lines_of(row: IdRow, vocabulary: Vocabulary) -> Lines:
    """Return the words of a row as lines of text."""
    points = np.array([ord("\n"), *map(ord, vocabulary.characters)], "<u4")
    return Lines(points[row.ids[1:]].tobytes().decode("utf-32-le"), row.weights)
