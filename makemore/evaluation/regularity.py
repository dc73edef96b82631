"""How regular a word is: what repeats in it, whatever a model has learnt.

A symbol is foreseeable where the pair that it ends stood in the word before, as in ``abababab``, or
where it goes on in the steps of the two before it, as in ``12345678``. The regularity of a word is
the share of its symbols, the end-of-word symbol included, that are foreseeable in one of these
ways. What is too regular is no word of a list however probable its symbols are.
"""

import numpy as np

from makemore.arrays import Floats
from makemore.data.text import blocks_of_lines, code_points, line_bounds


def regularities(text: str) -> Floats:
    r"""Return the regularity of each line of text, (lines,); every line ends with a line feed.

    >>> regularities("abababab\n12345678\nemma\n").tolist()
    [0.5555555555555556, 0.6666666666666666, 0.0]

    Raises ``CorpusError`` for a text that ends within a line.
    """
    ((text, _),) = blocks_of_lines([text])
    points = code_points(text).astype(np.int64)
    starts, ends = line_bounds(points)
    lines = np.repeat(np.arange(len(ends)), ends + 1 - starts)
    symbols = points if text.isascii() else np.unique(points, return_inverse=True)[1]
    second = np.flatnonzero((lines[1:] == lines[:-1]) & (points[1:] != ord("\n"))) + 1
    V = int(symbols.max(initial=0)) + 1
    pairs = np.sort((lines[second] * V + symbols[second - 1]) * V + symbols[second])
    repeats = pairs[1:][pairs[1:] == pairs[:-1]]
    repeated = np.bincount(repeats // V**2, minlength=len(ends))
    third = second[(lines[second] == lines[second - 2]) & (second >= 2)]
    steps = np.diff(points)
    goes_on = third[steps[third - 1] == steps[third - 2]]
    in_steps = np.bincount(lines[goes_on], minlength=len(ends))
    return np.asarray(np.maximum(repeated, in_steps) / (ends + 1 - starts))
