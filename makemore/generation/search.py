"""The most probable words of a model, exactly and in order.

Best-first search (A*, Hart, Nilsson and Raphael 1968): of all words begun, the one that can still
become the most probable word is continued first. Where the model has an automaton, the probability
of the best ending is known from ``Completions``, so the search goes straight to each next word:
with N words of T symbols it looks at about N * T * V beginnings. Elsewhere the best ending is taken
to be certain. The result is exact all the same, for a longer word is never likelier than its
beginning, and it comes quickly where no constraint rules out the likeliest words.
"""

import heapq
from collections.abc import Callable, Iterator

import numpy as np

from makemore.arrays import Floats
from makemore.data.vocabulary import BOUNDARY
from makemore.errors import SamplingError
from makemore.generation.constraints import (
    Completions,
    ConstrainedAutomaton,
    Constraints,
    Requirements,
)
from makemore.models.base import Model, State

MAX_EXPANSIONS = 200_000
"""The search without an automaton gives up after so many beginnings that it has continued."""


def most_probable_words(
    model: Model, constraints: Constraints | None = None
) -> Iterator[tuple[str, float]]:
    """Yield words and their probabilities, the most probable first, as long as there are any.

    The probability is the model's for the whole word, its end included. Words of equal probability
    come in the order of their characters' ids. Raises ``SamplingError`` before the first word where
    no word fulfils the constraints, and after the last one that is certain where the search would
    take too long to find another.
    """
    requirements = Requirements(model.vocabulary, constraints or Constraints())
    automaton = model.automaton()
    if automaton is None:
        return _without_automaton(model, requirements)
    P = np.exp(automaton.log_probabilities)
    constrained = ConstrainedAutomaton(P, automaton, requirements)
    return _best_first(constrained, Completions(constrained, best=True), model.vocabulary.decode)


def _best_first(
    automaton: ConstrainedAutomaton, completions: Completions, decode: Callable[[list[int]], str]
) -> Iterator[tuple[str, float]]:
    prefix = automaton.requirements.prefix.tolist()
    with np.errstate(divide="ignore"):
        log_P = np.log(automaton.P)
        begun = float(np.log(automaton.prefix_probability))
    # the log-probability of the best ending, negated; the symbols so far; their log-probability;
    # the state
    heap = [(0.0, prefix, begun, automaton.start)]
    while heap:
        _, symbols, so_far, state = heapq.heappop(heap)
        if len(symbols) > len(prefix) and symbols[-1] == BOUNDARY:
            yield decode(symbols), float(np.exp(so_far))
            continue
        bounds = _bounds(automaton, completions, log_P, len(symbols), state)
        for symbol in np.flatnonzero(bounds > -np.inf).tolist():
            following = int(automaton.successors[state, symbol])
            word = [*symbols, symbol]
            total = so_far + float(log_P[state, symbol])
            heapq.heappush(heap, (-(so_far + float(bounds[symbol])), word, total, following))


def _bounds(
    automaton: ConstrainedAutomaton, completions: Completions, log_P: Floats, t: int, state: int
) -> Floats:
    """Return the log-probability of the best ending by each next symbol, shape (V,)."""
    layer = completions.layer(t + 1)
    with np.errstate(divide="ignore"):
        best = np.log(layer.b[automaton.successors[state]]) + layer.log_scale
    best[BOUNDARY] = 0.0 if automaton.may_end[state] else -np.inf
    if t < automaton.requirements.constraints.min_length:
        best[BOUNDARY] = -np.inf
    return np.asarray(log_P[state] + best)


def _without_automaton(model: Model, requirements: Requirements) -> Iterator[tuple[str, float]]:
    """Yield the same by asking the model for one word begun at a time.

    A word on the heap carries the state of its beginning, which advances when the word is popped.
    """
    prefix = requirements.prefix.tolist()
    state, begun = _after_prefix(model, prefix)
    heap: list[tuple[float, list[int], int, State]] = []
    found = expansions = 0

    def push_all(symbols: list[int], progress: int, state: State, so_far: float) -> None:
        """Push every word that continues this beginning and can still fulfil the constraints."""
        log_P = model.log_probabilities(state)[0]
        allowed = requirements.allowed(len(symbols), np.array([progress]))[0] & (log_P > -np.inf)
        for symbol in np.flatnonzero(allowed).tolist():
            # No two entries have the same symbols, so the states are never compared.
            entry = (-(so_far + float(log_P[symbol])), [*symbols, symbol], progress, state)
            heapq.heappush(heap, entry)

    if begun > -np.inf:
        push_all(prefix, requirements.after_prefix(), state, begun)
    while heap:
        negated, symbols, progress, state = heapq.heappop(heap)
        if symbols[-1] == BOUNDARY:
            found += 1
            yield model.vocabulary.decode(symbols), float(np.exp(-negated))
            continue
        expansions += 1
        if expansions > MAX_EXPANSIONS:
            raise SamplingError(
                f"the search ended after {MAX_EXPANSIONS:,} beginnings: the {found:,} words"
                " above are exact and in order; relax the constraints to find more"
            )
        state = model.advance(state, np.array(symbols[-1:]))
        push_all(symbols, int(requirements.matcher[progress, symbols[-1]]), state, -negated)
    if not found:
        raise requirements.impossible()


def _after_prefix(model: Model, prefix: list[int]) -> tuple[State, float]:
    """Return the state of one word behind the prefix, and the prefix's log-probability."""
    state, begun = model.start(1), 0.0
    for symbol in prefix:
        begun += float(model.log_probabilities(state)[0, symbol])
        state = model.advance(state, np.array([symbol]))
    return state, begun
