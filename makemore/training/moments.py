"""Moments of the training of a network, kept for a film: few, and small beside the parameters.

A moment is what a film shows and not the network itself: the table of what follows each first
symbol, and some words. Most is learnt in the first steps, so the moments are denser there.
"""

from typing import Any

import numpy as np

from makemore.arrays import Symbols
from makemore.data.vocabulary import BOUNDARY
from makemore.models.base import Model, drawn, first_rows, select
from makemore.training.record import OnStep, TrainingRecord, log_spaced_steps

MOMENTS = 32
STEPS_A_MOMENT = 8
"""The minimum number of steps from one moment to the next, on average: keeping one takes time."""
MAX_SYMBOLS, MAX_WORDS, MAX_CHARACTERS = 100, 7, 28
"""The symbols of a table, the words, and the characters of a word that are kept."""


class Moments:
    """Keeps moments of a training as it goes.

    Parameters
    ----------
    before : TrainingRecord, optional
        The part of the training that came before, with its moments.
    """

    def __init__(self, before: TrainingRecord | None) -> None:
        self._steps = before.film_steps.tolist() if before else []
        self._tables = list(before.film_tables) if before else []
        self._words = list(before.film_words) if before else []
        self._wanted: set[int] = set()

    def watching(self, on_step: OnStep | None) -> OnStep:
        """Return an ``OnStep`` that keeps moments and calls ``on_step``, if there is one."""

        def told(step: Any) -> bool | None:
            """Keep the moment if it is wanted, and tell ``on_step`` of the step."""
            if not self._wanted:
                count = min(MOMENTS, max(2, step.steps // STEPS_A_MOMENT))
                self._wanted = {taken + 1 for taken in log_spaced_steps(step.steps, count)}
            if step.number + 1 in self._wanted and not step.fold:
                self._keep(step.number + 1, step.snapshot())
            return on_step(step) if on_step else None

        return told

    def _keep(self, step: int, model: Model) -> None:
        self._steps.append(step)
        n = min(len(model.vocabulary), MAX_SYMBOLS)
        self._tables.append(first_rows(model, n).astype(np.float32))
        self._words.append(plain_words(model, np.random.default_rng(0)))

    def film(self) -> dict[str, Any]:
        """Return the moments as fields of a ``TrainingRecord``."""
        if not self._steps:
            return {}
        return {
            "film_steps": np.array(self._steps, np.int64),
            "film_tables": np.stack(self._tables),
            "film_words": np.stack(self._words),
        }


def plain_words(model: Model, random: np.random.Generator, count: int = MAX_WORDS) -> Symbols:
    """Return some words as ids, (count, ``MAX_CHARACTERS``), -1 after their ends.

    Longer words are cut. Nothing is prepared for many words or for constraints.
    """
    ids = np.full((count, MAX_CHARACTERS), -1, np.int16)
    alive, state = np.arange(count), model.start(count)
    unk = [] if model.vocabulary.unk is None else [model.vocabulary.unk]
    for t in range(MAX_CHARACTERS):
        P = np.exp(model.log_probabilities(state))
        P[:, BOUNDARY] *= t > 0  # no word is empty
        P[:, unk] = 0.0
        symbols = drawn(P, random.random(len(alive)))
        going = np.flatnonzero(symbols != BOUNDARY)
        if not len(going):
            break
        alive, symbols = alive[going], symbols[going]
        ids[alive, t] = symbols
        state = model.advance(select(state, going), symbols)
    return ids
