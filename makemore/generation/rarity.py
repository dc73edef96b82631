"""Warnings of constraints that few words of a model fulfil."""

import numpy as np

from makemore.data.vocabulary import BOUNDARY
from makemore.errors import VocabularyError, shown
from makemore.generation.conditioning import ConditionedModel, ConstrainedAutomaton
from makemore.generation.constraints import Constraints, Requirements
from makemore.models.base import Model

RARE = 1e-4
"""Constraints of a smaller probability are reported, because their words may look odd."""
FAR_LIKELIER = 20
"""How many times as probable another case of a prefix must be to be suggested."""


def rarity_warning(model: Model, constraints: Constraints, probability: float) -> str:
    """Return a message about constraints that are rare, or an empty string.

    It suggests a prefix in another case that is far more probable.
    """
    parts = []
    if probability < RARE and constraints.describe():
        share = f"only {probability:.2g}" if probability else "fewer than 1e-300"
        parts.append(
            f"{share} of the model's words fulfil the constraints"
            f" ({constraints.describe()}): they may look odd"
        )
    own = prefix_probability(model, constraints.prefix)
    cases = [str.capitalize, str.title, str.upper, str.lower]
    others = {case(constraints.prefix) for case in cases} - {constraints.prefix}
    shares = {prefix_probability(model, other): other for other in sorted(others)}
    largest = max(shares, default=0.0)
    if largest >= max(RARE, FAR_LIKELIER * own):
        prefix = shown(shares[largest])
        parts.append(f"'{prefix}' would fit: {largest:.2g} of the words begin with it")
    return "; ".join(parts)


def rarity_warning_of(model: Model, constraints: Constraints) -> str:
    """Return the ``rarity_warning``; for a model without an automaton that of the prefix alone."""
    automaton = model.automaton()
    if automaton is None or not constraints.describe():
        prefix = constraints.prefix
        return rarity_warning(model, Constraints(prefix=prefix), prefix_probability(model, prefix))
    P = np.exp(automaton.log_probabilities)
    constrained = ConstrainedAutomaton(P, automaton, Requirements.of(model, constraints))
    return rarity_warning(model, constraints, ConditionedModel(constrained).probability)


def prefix_probability(model: Model, prefix: str) -> float:
    """Return the probability that a word begins with ``prefix``, 0 if it has unknown characters."""
    try:
        ids = np.append(model.vocabulary.encode(prefix), BOUNDARY)
    except VocabularyError:
        return 0.0
    return float(np.exp(model.symbol_log_probabilities(ids)[:-1].sum()))
