"""The pairs of a bigram model and their count matrix.

Each word is read from boundary to boundary: ``ella`` gives the pairs .e el ll la a. with the
boundary written as a dot. The literal pairs are for reading and checking; the count matrix is all
that the loss of a bigram model depends on.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from makemore.data.vocabulary import Ids, Vocabulary

Counts = npt.NDArray[np.int64]


def bigram_pairs(words: Sequence[str], vocabulary: Vocabulary) -> tuple[Ids, Ids]:
    """Return the inputs and the targets of every pair, two arrays of shape (symbols,).

    Symbols are all characters plus one end mark per word. Raises ``VocabularyError``.

    >>> xs, ys = bigram_pairs(["ella"], Vocabulary("abcdefghijklmnopqrstuvwxyz"))
    >>> xs
    array([ 0,  5, 12, 12,  1])
    >>> ys
    array([ 5, 12, 12,  1,  0])
    """
    ids = vocabulary.encode_words(words)
    return ids[:-1], ids[1:]


def count_pairs(xs: Ids, ys: Ids, V: int) -> Counts:
    """Return N of shape (V, V): ``N[i, j]`` is how often symbol j follows symbol i.

    This is ``one_hot(xs, V).T @ one_hot(ys, V)`` without the product.

    >>> count_pairs(np.array([0, 1, 1]), np.array([1, 1, 0]), 2)
    array([[0, 1],
           [1, 1]])
    """
    return np.bincount(xs * V + ys, minlength=V * V).reshape(V, V)
