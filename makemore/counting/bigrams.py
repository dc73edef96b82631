"""The pairs of a bigram model as they are taught, for reading and checking.

Each word is read from boundary to boundary: ``ella`` gives the pairs .e el ll la a. with the
boundary written as a dot. The count matrix is all that the loss of a bigram model depends on;
``passes.py`` finds it without ever making the pairs.
"""

from collections.abc import Sequence

import numpy as np

from makemore.arrays import Counts, Ids
from makemore.data.vocabulary import Vocabulary
from makemore.errors import VocabularyError


def bigram_pairs(words: Sequence[str], vocabulary: Vocabulary) -> tuple[Ids, Ids]:
    """Return the inputs and the targets of every pair, two arrays of shape (symbols,).

    Symbols are all characters plus one end-of-word symbol per word. The words stand in one row of
    ids, and the boundary that ends one starts the next, so every two neighbours are a pair. Raises
    ``VocabularyError``.

    >>> xs, ys = bigram_pairs(["ella"], Vocabulary("abcdefghijklmnopqrstuvwxyz"))
    >>> xs
    array([ 0,  5, 12, 12,  1])
    >>> ys
    array([ 5, 12, 12,  1,  0])
    """
    ids = vocabulary.encode_words(words)
    return ids[:-1], ids[1:]


def count_pairs(xs: Ids, ys: Ids, V: int) -> Counts:
    """Return N, ``N[i, j]`` being how often symbol j follows symbol i; (B,) and (B,) -> (V, V).

    This is ``one_hot(xs, V).T @ one_hot(ys, V)`` without the product. Raises ``VocabularyError``
    unless the ids are from 0 to V - 1, as many inputs as targets.

    >>> count_pairs(np.array([0, 1, 1]), np.array([1, 1, 0]), 2)
    array([[0, 1],
           [1, 1]])
    """
    if xs.shape != ys.shape or not ((xs >= 0) & (xs < V) & (ys >= 0) & (ys < V)).all():
        raise VocabularyError(f"expected as many inputs as targets, all ids from 0 to {V - 1}")
    return np.bincount(xs * V + ys, minlength=V * V).reshape(V, V)
