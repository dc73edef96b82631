"""References for an n-gram model: training words as it would find them without having seen them."""

import numpy as np

from makemore.arrays import Floats, Ids, Integers, Symbols
from makemore.counting.passes import id_blocks
from makemore.data.corpus import Corpus
from makemore.data.holdout import Split, hash_words
from makemore.data.vocabulary import BOUNDARY, Vocabulary
from makemore.evaluation.calibration import references
from makemore.models.left_out import left_out_log_probabilities
from makemore.models.ngram import Ngram

ENOUGH = 1 << 14
"""So many words tell how surprising good ones are: the held-out ones, and others left out."""

MAX_SYMBOLS = 1 << 22
"""A corpus of more training symbols has enough held-out words."""


def left_out_references(model: Ngram, text: Corpus, split: Split, held_out: int) -> Floats | None:
    """Return scores as ``calibrate`` does, of some training words, each left out by itself.

    They and the ``held_out`` words make up ``ENOUGH`` where there are so many. None where that many
    are held out, and of a model that is not smoothed by Kneser-Ney.
    """
    if held_out >= ENOUGH or model.smoothing_method != "kneser-ney":
        return None
    rows, symbols = [], 0
    for row, _, _ in id_blocks(text, model.vocabulary, split):
        rows.append((row.ids[1:], row.weights))
        symbols += len(row.ids) - 1
        if symbols > MAX_SYMBOLS:
            return None
    ids, copies = _chosen(rows, model.vocabulary, ENOUGH - held_out)
    lengths = np.diff(np.flatnonzero(ids == BOUNDARY), prepend=-1)
    starts = np.cumsum(lengths) - lengths
    nats = 0.0 - left_out_log_probabilities(model, ids, copies)
    return references(lengths, np.add.reduceat(nats, starts) / lengths)


def _chosen(
    rows: list[tuple[Symbols, Integers | None]], vocabulary: Vocabulary, count: int
) -> tuple[Ids, Integers]:
    """Return the ids of the distinct words with the smallest hashes, and how often each occurs."""
    points = np.array([ord("\n"), *map(ord, vocabulary.characters)], "<u4")
    text = points[np.concatenate([ids for ids, _ in rows])].tobytes().decode("utf-32-le")
    words = text.split("\n")
    weights = [
        np.ones(np.count_nonzero(ids == BOUNDARY), np.int64) if own is None else own
        for ids, own in rows
    ]
    _, first, which = np.unique(hash_words(text), return_index=True, return_inverse=True)
    copies = np.bincount(which, np.concatenate(weights)).astype(np.int64)
    chosen = "".join(words[i] + "\n" for i in first[:count].tolist())
    return vocabulary.encode_text(chosen).astype(np.int64), copies[:count]
