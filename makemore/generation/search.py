"""The most probable words of a model, exactly and in order.

Best-first search (A*, Hart, Nilsson and Raphael 1968) continues the partial word whose completion
can be the most probable. If the model has an automaton, the probability of the best completion is
known from ``Completions``, and the search goes straight to each next word: N words of T symbols
take about N * T * V beginnings. Otherwise the bound on that probability is 1. The result is still
exact, because a word is never more probable than its beginning, and the search is quick unless the
constraints rule out the likeliest words.
"""

import heapq
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from makemore.arrays import Floats
from makemore.data.vocabulary import BOUNDARY
from makemore.errors import OptionError, SamplingError
from makemore.generation.conditioning import Completions, ConstrainedAutomaton, solved
from makemore.generation.constraints import Constraints, Requirements
from makemore.generation.final_spaces import final_space_error, unseen_final_spaces
from makemore.generation.novelty import KnownWords, excluded_words
from makemore.models.base import Model, State, arrays_of, joined, select
from makemore.training.record import Checkpoint

MAX_EXPANSIONS = 200_000
"""The maximum number of beginnings that the search without an automaton continues."""
AT_ONCE = 64
"""The maximum number of beginnings that are continued at once."""
HEAP_CELLS, MIN_HEAP = 1 << 26, 1 << 10
"""The maximum size of the heap: numbers, 512 MiB, or this many beginnings if that is more."""


def top(
    source: Model | Checkpoint,
    count: int,
    *,
    constraints: Constraints | None = None,
    new: bool = False,
    exclude: KnownWords | Iterable[str] = (),
    corpus: str | os.PathLike[str] = "",
) -> list[tuple[str, float]]:
    """Return up to ``count`` words and their probabilities, the most probable first.

    Parameters
    ----------
    source : Model or Checkpoint
        ``new`` needs the checkpoint.
    count : int
    constraints : Constraints, optional
    new : bool
        Exclude the training words, which are read again.
    exclude : KnownWords or words
        Exclude these words, too.
    corpus : path, optional
        The file of the training words, if it has moved.

    Raises ``OptionError`` for a count below 0, and ``SamplingError`` as ``most_probable_words``
    does; its ``found`` holds the words found before.
    """
    if count < 0:
        raise OptionError(f"the count is {count} and must be 0 or more")
    words = most_probable_words(source, constraints, new=new, exclude=exclude, corpus=corpus)
    found: list[tuple[str, float]] = []
    try:
        for pair in islice(words, count):
            found.append(pair)
    except SamplingError as error:
        error.found = found
        raise
    return found


def most_probable_words(
    source: Model | Checkpoint,
    constraints: Constraints | None = None,
    *,
    new: bool = False,
    exclude: KnownWords | Iterable[str] = (),
    corpus: str | os.PathLike[str] = "",
) -> Iterator[tuple[str, float]]:
    """Yield words and their probabilities, the most probable first.

    The parameters are those of ``top``. The probability is the model's for the whole word, its end
    included. No word ends in a space where no training word does, unless the suffix asks for one.
    Equally probable words come in the order of their characters' ids.

    Raises ``SamplingError`` if no word fulfils the constraints, if the search for the next word
    would take too long, and if all words end in such a space.
    """
    model = source if isinstance(source, Model) else source.model
    constraints = constraints or Constraints()
    requirements = Requirements.of(model, constraints)
    automaton = model.automaton()
    if automaton is None:
        found = _without_automaton(model, requirements)
    else:
        P = np.exp(automaton.log_probabilities)
        constrained = ConstrainedAutomaton(P, automaton, requirements)
        constrained, completions = solved(constrained, best=True)
        found = _best_first(constrained, completions, model.vocabulary.decode)
    if unseen := unseen_final_spaces(source, constraints.suffix):
        found = _without_final_spaces(found, unseen, constraints)
    unwanted = excluded_words(source, new, exclude, corpus)
    return (pair for pair in found if not any(k.contain(pair[0] + "\n")[0] for k in unwanted))


def _without_final_spaces(
    found: Iterator[tuple[str, float]], spaces: str, constraints: Constraints
) -> Iterator[tuple[str, float]]:
    """Yield the words that do not end in these spaces. Raises ``SamplingError`` where all do."""
    all_end_in_space = True
    for word, p in found:
        if word[-1] not in spaces:
            all_end_in_space = False
            yield word, p
    if all_end_in_space:
        raise final_space_error(constraints)


def _best_first(
    automaton: ConstrainedAutomaton, completions: Completions, decode: Callable[[list[int]], str]
) -> Iterator[tuple[str, float]]:
    prefix = automaton.requirements.prefix.tolist()
    with np.errstate(divide="ignore"):
        log_P = np.log(automaton.P)
    # (-log-probability of the best completion, symbols, their log-probability, state)
    heap = [(0.0, prefix, automaton.log_weight, automaton.start)]
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
    """Return the log-probability of the best completion by each next symbol, shape (V,)."""
    layer = completions.layer(t + 1)
    with np.errstate(divide="ignore"):
        best = np.log(layer.b[automaton.successors[state]]) + layer.log_scale
    best[BOUNDARY] = 0.0 if automaton.may_end[state] else -np.inf
    if t < automaton.requirements.constraints.min_length:
        best[BOUNDARY] = -np.inf
    return np.asarray(log_P[state] + best)


class _Beginning(NamedTuple):
    """A partial word, or a whole one. The smallest in order is the likeliest.

    Attributes
    ----------
    nats : float
        -log P of the symbols.
    symbols : list of int
        A boundary at the end marks a whole word. No two are equal, so the fields below are never
        compared.
    progress : int
        The state of the constraints before the last symbol.
    state : State
        The model's state before the last symbol, of this one word.
    """

    nats: float
    symbols: list[int]
    progress: int
    state: State


def _without_automaton(model: Model, requirements: Requirements) -> Iterator[tuple[str, float]]:
    """Yield the most probable words of a model of which no completion is known.

    Several beginnings are continued at once, because a model evaluates many in little more time
    than one. A whole word is yielded when nothing on the heap is likelier. When the heap is full,
    its less probable half is dropped, and the search ends when it reaches what was dropped.
    """
    heap = _first_beginnings(model, requirements)
    dropped = math.inf  # the nats of the likeliest beginning that was dropped
    found = expansions = 0
    while heap:
        if heap[0].nats >= dropped or expansions >= MAX_EXPANSIONS:
            few = {0: "no word was found", 1: "the word before that is exact"}
            what = few.get(found, f"the {found:,} words before that are exact and in order")
            raise SamplingError(
                f"the search ended after {expansions:,} beginnings: {what}; relax the constraints"
                " to find more"
            )
        if heap[0].symbols[-1] == BOUNDARY:
            word = heapq.heappop(heap)
            found += 1
            yield model.vocabulary.decode(word.symbols), math.exp(-word.nats)
            continue
        chosen = _take_likeliest(heap, min(AT_ONCE, MAX_EXPANSIONS - expansions))
        expansions += len(chosen)
        for longer in _continuations(model, requirements, chosen):
            heapq.heappush(heap, longer)
        limit = _max_beginnings(chosen)
        if len(heap) > limit:
            heap.sort()
            dropped = min(dropped, heap[limit // 2].nats)
            del heap[limit // 2 :]
    if not found:
        raise requirements.impossible()


def _take_likeliest(heap: list[_Beginning], limit: int) -> list[_Beginning]:
    """Take up to ``limit`` of the likeliest beginnings from the heap, but no whole word."""
    chosen: list[_Beginning] = []
    while heap and len(chosen) < limit and heap[0].symbols[-1] != BOUNDARY:
        chosen.append(heapq.heappop(heap))
    return chosen


def _continuations(
    model: Model, requirements: Requirements, chosen: list[_Beginning]
) -> Iterator[_Beginning]:
    """Yield the beginnings that are one symbol longer and can still fulfil the constraints."""
    last = np.array([beginning.symbols[-1] for beginning in chosen])
    progress = np.array([beginning.progress for beginning in chosen])
    progress = requirements.matcher[progress, last]
    state = model.advance(joined([beginning.state for beginning in chosen]), last)
    log_P = model.log_probabilities(state)
    for row, (nats, symbols, _, _) in enumerate(chosen):
        after = int(progress[row])
        yield from _followers(
            requirements, nats, symbols, after, select(state, slice(row, row + 1)), log_P[row]
        )


def _followers(
    requirements: Requirements,
    nats: float,
    symbols: list[int],
    progress: int,
    state: State,
    log_P: Floats,
) -> Iterator[_Beginning]:
    """Yield the continuations of one beginning, with a copy of its state."""
    allowed = requirements.allowed(len(symbols), np.array([progress]))[0] & (log_P > -np.inf)
    copy = tuple(array.copy() for array in arrays_of(state))
    own: State = copy if isinstance(state, tuple) else copy[0]
    for symbol in np.flatnonzero(allowed).tolist():
        yield _Beginning(nats - float(log_P[symbol]), [*symbols, symbol], progress, own)


def _first_beginnings(model: Model, requirements: Requirements) -> list[_Beginning]:
    """Return the continuations of the prefix as a heap, empty if the prefix is impossible."""
    state, nats, prefix = model.start(1), 0.0, requirements.prefix.tolist()
    for symbol in prefix:
        nats -= float(model.log_probabilities(state)[0, symbol])
        if nats == math.inf:
            return []
        state = model.advance(state, np.array([symbol]))
    log_P = model.log_probabilities(state)[0]
    first = requirements.after_prefix()
    return sorted(_followers(requirements, nats, prefix, first, state, log_P))


def _max_beginnings(continued: Sequence[_Beginning]) -> int:
    """Return how many beginnings the heap may hold if each is as large as the largest of these."""
    cells = max(sum(array.size for array in arrays_of(one.state)) for one in continued)
    longest = max(len(one.symbols) for one in continued)
    return max(MIN_HEAP, HEAP_CELLS // (cells + longest + 64))
