"""Warnings: of constraints that few words of a model fulfil, and of spaces at ends of words."""

import numpy as np

from makemore.data.vocabulary import BOUNDARY
from makemore.errors import SamplingError, VocabularyError, shown
from makemore.generation.conditioning import ConditionedModel, ConstrainedAutomaton
from makemore.generation.constraints import Constraints, Requirements
from makemore.models.base import Model
from makemore.training.record import Checkpoint

RARE = 1e-4
"""Constraints of a smaller probability are reported, because their words may look odd."""
FAR_LIKELIER = 20
"""How many times as probable another case of a prefix must be to be suggested."""


def warning(model: Model, constraints: Constraints, probability: float) -> str:
    """Return a message about constraints that are rare, or an empty string.

    It suggests a prefix in another case that is far more probable.
    """
    parts = []
    if probability < RARE and constraints.describe():
        parts.append(
            f"only {probability:.2g} of the model's words fulfil the constraints"
            f" ({constraints.describe()}): they may look odd"
        )
    own = prefix_probability(model, constraints.prefix)
    cases = [str.capitalize, str.title, str.upper, str.lower]
    others = {case(constraints.prefix) for case in cases} - {constraints.prefix}
    shares = {prefix_probability(model, other): other for other in sorted(others)}
    share = max(shares, default=0.0)
    if share >= max(RARE, FAR_LIKELIER * own):
        parts.append(f"'{shown(shares[share])}' would fit: {share:.2g} of the words begin with it")
    return "; ".join(parts)


def warning_of(model: Model, constraints: Constraints) -> str:
    """Return the ``warning`` about constraints; without an automaton about their prefix alone."""
    automaton = model.automaton()
    if automaton is None or not constraints.describe():
        prefix = constraints.prefix
        return warning(model, Constraints(prefix=prefix), prefix_probability(model, prefix))
    P = np.exp(automaton.log_probabilities)
    constrained = ConstrainedAutomaton(P, automaton, Requirements.of(model, constraints))
    return warning(model, constraints, ConditionedModel(constrained).probability)


def prefix_probability(model: Model, prefix: str) -> float:
    """Return the probability that a word begins with ``prefix``, 0 if it has unknown characters."""
    try:
        ids = np.append(model.vocabulary.encode(prefix), BOUNDARY)
    except VocabularyError:
        return 0.0
    return float(np.exp(model.symbol_log_probabilities(ids)[:-1].sum()))


def unseen_final_spaces(source: Model | Checkpoint, suffix: str) -> str:
    """Return the spaces that end no training word, and so should end no sampled word.

    A space that ``suffix`` ends with is excepted. For a model without counts its checkpoint tells.
    """
    model = source if isinstance(source, Model) else source.model
    counts, characters = model.bigram_counts(), model.vocabulary.itos
    if counts is not None:
        ends = np.flatnonzero(counts[:, BOUNDARY] == 0).tolist()
        spaces = [characters[i] for i in ends if characters[i].isspace()]
    else:
        is_known = isinstance(source, Checkpoint) and not source.corpus.ends_in_space
        spaces = [" "] if is_known and " " in characters else []
    return "".join(space for space in spaces if not suffix.endswith(space))


def final_space_error(constraints: Constraints) -> SamplingError:
    """Return the error that says that the constraints allow only words that end in a space."""
    given = constraints.describe()
    return SamplingError(
        f"all words{given and f' with {given}'} that the model wrote end in a space, and no"
        " training word does: relax the constraints, or ask for it by --suffix ' '"
    )
