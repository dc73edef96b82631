"""The most probable words of a model, exactly and in order.

Best-first search (A*, Hart, Nilsson and Raphael 1968): of all words begun, the one that can still
become the most probable word is continued first. How probable that is, is known exactly from
``Completions``, so the search goes straight to each next word. With N words of T symbols it looks
at about N * T * V beginnings.
"""

import heapq
from collections.abc import Callable, Iterator

import numpy as np

from makemore.arrays import Floats
from makemore.data.vocabulary import BOUNDARY
from makemore.generation.constraints import Completions, Constraints, WishedAutomaton
from makemore.models.base import Model


def most_probable_words(
    model: Model, constraints: Constraints | None = None
) -> Iterator[tuple[str, float]]:
    """Yield words and their probabilities, the most probable first, as long as there are any.

    The probability is the model's for the whole word, its end included. Words of equal probability
    come in the order of their characters' ids. Raises ``SamplingError`` before the first word where
    no word fulfils the constraints.
    """
    automaton = model.automaton()
    P = np.exp(automaton.log_probabilities)
    wished = WishedAutomaton(P, automaton, model.vocabulary, constraints or Constraints())
    return _best_first(wished, Completions(wished, best=True), model.vocabulary.decode)


def _best_first(
    wished: WishedAutomaton, completions: Completions, decode: Callable[[list[int]], str]
) -> Iterator[tuple[str, float]]:
    prefix = wished.prefix.tolist()
    with np.errstate(divide="ignore"):
        log_P = np.log(wished.P)
        begun = float(np.log(wished.prefix_probability))
    # what can be hoped for, negated; the symbols so far; the log-probability so far; the state
    heap = [(0.0, prefix, begun, wished.start)]
    while heap:
        _, symbols, so_far, state = heapq.heappop(heap)
        if len(symbols) > len(prefix) and symbols[-1] == BOUNDARY:
            yield decode(symbols), float(np.exp(so_far))
            continue
        hopes = _hopes(wished, completions, log_P, len(symbols), state)
        for symbol in np.flatnonzero(hopes > -np.inf).tolist():
            following = int(wished.successors[state, symbol])
            word = [*symbols, symbol]
            total = so_far + float(log_P[state, symbol])
            heapq.heappush(heap, (-(so_far + float(hopes[symbol])), word, total, following))


def _hopes(
    wished: WishedAutomaton, completions: Completions, log_P: Floats, t: int, state: int
) -> Floats:
    """Return the log-probability of the best ending by each next symbol, shape (V,)."""
    layer = completions.layer(t + 1)
    with np.errstate(divide="ignore"):
        best = np.log(layer.b[wished.successors[state]]) + layer.log_scale
    best[BOUNDARY] = 0.0 if wished.may_end[state] else -np.inf
    if t < wished.constraints.min_length:
        best[BOUNDARY] = -np.inf
    return np.asarray(log_P[state] + best)
