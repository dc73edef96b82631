"""Windows of words: the symbols that a network sees, and the symbol that it predicts."""

from collections.abc import Sequence

import numpy as np

from makemore import Vocabulary
from makemore.arrays import Ids


def windows(words: Sequence[str], vocabulary: Vocabulary, context: int) -> tuple[Ids, Ids]:
    """Return X, the last ``context`` symbols before each symbol, (B, context), and Y, (B,).

    Before a word's first symbol there are boundaries, 0; the last target is the boundary.

    >>> X, Y = windows(["ab"], Vocabulary("ab"), 3)
    >>> X.tolist(), Y.tolist()
    ([[0, 0, 0], [0, 0, 1], [0, 1, 2]], [1, 2, 0])
    """
    X, Y = [], []
    for word in words:
        seen = [0] * context
        for symbol in [*vocabulary.encode(word).tolist(), 0]:
            X.append(seen)
            Y.append(symbol)
            seen = [*seen[1:], symbol]
    return np.array(X).reshape(len(Y), context), np.array(Y)
