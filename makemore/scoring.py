"""Words and what models make of them, block by block, as text or as JSON. Prints nothing."""

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from makemore.calibration import Calibration
from makemore.columns import Characters, decimals, join, texts, with_rows
from makemore.errors import OptionError, shown
from makemore.evaluation import Scores, log_ratios, score_lines, without_blank_lines
from makemore.models.base import Floats, Model

BLOCK = 1 << 16
"""Bytes of a corpus that are best read at a time: what is made of them stays in the cache."""

_FLAGS = np.array(["passed", "flagged"])
_NATS_PER_STEP = 1.5
_BACKGROUNDS = (0, 230, 229, 222, 215, 209, 203, 196)
"""Of the 256-colour palette, from none over pale yellow to red, one for each step of surprise."""

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ScoredLines:
    """A block of words, one a line, and all that was asked about them.

    Attributes
    ----------
    scores : Scores
    p_values : array of shape (n,), optional
        Of the words among held-out ones; nan for a word with an unknown character.
    fpr : float
        Words with a p-value up to this are flagged, and those with an unknown character.
    log_ratios : array of shape (n,), optional
        log(P(word) / P(word)) by this model and by the other.
    """

    scores: Scores
    p_values: Floats | None = None
    fpr: float = 0.0
    log_ratios: Floats | None = None

    @property
    def flagged(self) -> Flags:
        """Which words are too surprising, or hold an unknown character, (n,)."""
        if self.p_values is None:
            return np.zeros(len(self.scores), np.bool_)
        return np.asarray(~(self.p_values > self.fpr))
