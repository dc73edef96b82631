"""Models conditioned on constraints: the distribution of words, given that they fulfil them.

A model with a finite automaton is one table of states, and so are the constraints; a state of their
product is what must be remembered of a partial word. With b_t(s) the probability that a word of t
characters in state s will end and fulfil the constraints,

    b_t(s) = [s may end, t >= min_length] P(end | s) + [t < max_length] sum_v P(v | s) b_t+1(s v)

and the next symbol given that the constraints will be fulfilled has the probability

    P(v | s) b_t+1(s v) / b_t(s)

This is the backward algorithm of hidden Markov models; no drawn word is rejected.
"""

from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from makemore.arrays import Floats, Indices, States, cached_chunks, chunks
from makemore.data.vocabulary import BOUNDARY
from makemore.errors import SamplingError
from makemore.generation.constraints import MAX_LENGTH, Requirements
from makemore.models.base import MAX_CELLS, Automaton

MAX_PAIRS = 1 << 27
"""The maximum of a model's states times those of the constraints: an index of 512 MiB."""

_CONVERGED = 1e-13
"""The relative change of b below which further backward steps are left out."""
_UNDERFLOW = 1e-290
"""Beside a largest b of 1, smaller numbers lose digits, or become zero."""


class ConstrainedAutomaton:
    """The product of a model's automaton and the automaton of constraints.

    Parameters
    ----------
    P : array of shape (S, V)
        Distributions of the next symbol by state.
    automaton : Automaton
        Gives the successors, the start, and the probability of the prefix, which is given and not
        drawn; its other probabilities are not used.
    requirements : Requirements

    Attributes
    ----------
    requirements : Requirements
    start : int
        The state after the prefix.
    log_weight : float
        What b of the start is multiplied by, in nats: the probability of the prefix at temperature
        1. A long prefix is less probable than any number above zero.
    P, successors : arrays of shape (S', V)
        The rows of the product's reachable states.
    may_end : array of shape (S',), bool
        The states in which a word fulfils all constraints, except perhaps those on the length.
    can_fail : bool
        Whether a word may violate a constraint other than those on the length.
    """

    def __init__(self, P: Floats, automaton: Automaton, requirements: Requirements) -> None:
        self.requirements = requirements
        matcher = requirements.matcher
        has_pattern = len(matcher) > 1
        self.can_fail = has_pattern or bool(requirements.never)
        state, self.log_weight = automaton.start, 0.0
        for symbol in requirements.prefix.tolist():
            self.log_weight += float(automaton.log_probabilities[state, symbol])
            state = int(automaton.successors[state, symbol])
        progress = requirements.after_prefix()
        pairs, self.successors = _product(automaton.successors, matcher, (state, progress))
        self.start = int(np.searchsorted(pairs, state * len(matcher) + progress))
        self.P = P[pairs // len(matcher)] if has_pattern else P
        if requirements.never:
            self.P = self.P.copy()
            self.P[:, requirements.never] = 0.0
        self.may_end = requirements.may_end[pairs % len(matcher)]

    def always_ends(self) -> bool:
        """Return whether the end is reachable from every state, so that every word will end."""
        can_end = self.P[:, BOUNDARY] > 0
        before = -1
        while before < can_end.sum() < len(can_end):
            before = int(can_end.sum())
            stuck = np.flatnonzero(~can_end)
            onward = (self.P[stuck, 1:] > 0) & can_end[self.successors[stuck, 1:]]
            can_end[stuck] = onward.any(axis=1)
        return bool(can_end.all())

    def rescaled(self) -> "ConstrainedAutomaton":
        """Return an automaton that gives all words the same probabilities, by numbers near 1.

        With c(s) the probability of the most probable ending from s that fulfils the constraints,
        P(v | s) is multiplied by c(sv) / c(s), and that of the end by 1 / c(s). So b_t(s) is
        divided by c(s), and that of the start multiplied by it: ``log_weight`` is larger.
        """
        with np.errstate(divide="ignore"):
            log_P = np.log(self.P)
        np.minimum(log_P, 0.0, out=log_P)  # or, P rounded above 1, c would grow forever
        log_P[~self.may_end, BOUNDARY] = -np.inf
        log_c = log_P[:, BOUNDARY].copy()

        def totals(rows: Indices | slice) -> Floats:
            """Return the log-probabilities of the most probable endings by each next symbol."""
            onward = log_P[rows] + log_c[self.successors[rows]]
            onward[:, BOUNDARY] = log_P[rows, BOUNDARY]
            return np.asarray(onward)

        (S, V), has_changed = log_P.shape, log_c > -np.inf
        while len(before := np.flatnonzero(has_changed[self.successors].any(axis=1))):
            parts = (before[part] for part in chunks(len(before), V))
            longer = np.concatenate([totals(part).max(axis=1) for part in parts])
            has_changed[:] = False
            has_changed[before] = longer > log_c[before]
            log_c[before] = longer
        for rows in chunks(S, V):
            scale = np.where(log_c[rows] > -np.inf, log_c[rows], 0.0)
            log_P[rows] = np.exp(totals(rows) - scale[:, None])
        other = copy(self)
        other.can_fail = True  # b is 1 nowhere
        other.P, other.log_weight = log_P, self.log_weight + float(log_c[self.start])
        return other


@dataclass(frozen=True)
class Layer:
    """b_t of all states, as ``exp(log_scale) * b``, where the largest value of b is 1."""

    b: Floats
    log_scale: float


class Completions:
    """b_t(s) of a constrained automaton, as the module's docstring defines it.

    Parameters
    ----------
    automaton : ConstrainedAutomaton
    best : bool
        Take the largest term instead of the sum: b_t(s) is then the probability of the most
        probable ending (Viterbi's algorithm).

    Raises
    ------
    SamplingError
        No word fulfils the constraints, or so few that b of the start is too small a number.
    """

    def __init__(self, automaton: ConstrainedAutomaton, *, best: bool = False) -> None:
        self._automaton = automaton
        self._best = best
        self._ending, self._growing = self._solve()
        layer = self.layer(len(automaton.requirements.prefix))
        if automaton.log_weight == -np.inf or layer.b[automaton.start] < _UNDERFLOW:
            raise automaton.requirements.impossible()

    def layer(self, t: int) -> Layer:
        """Return b_t, for t not below the length of the prefix."""
        may_end, steps = self.stage(t)
        if may_end:
            return self._ending[steps]
        left_out = self._automaton.requirements.constraints.min_length - t - steps
        if not left_out:
            return self._growing[steps]
        before, last = self._growing[-2:]  # b no longer changes, and its scale by one factor a step
        change = last.log_scale - before.log_scale
        return replace(last, log_scale=last.log_scale + left_out * change)

    def stage(self, t: int) -> tuple[bool, int]:
        """Return what b_t depends on: whether words may end, and the number of backward steps.

        Steps that no longer change b are not counted.
        """
        limits, longest = self._automaton.requirements.constraints, len(self._ending) - 1
        if t < limits.min_length:
            return False, min(limits.min_length - t, len(self._growing) - 1)
        if limits.max_length is None:
            return True, longest
        return True, min(max(0, limits.max_length + 1 - t), longest)

    def _solve(self) -> tuple[list[Layer], list[Layer]]:
        """Return b_t where words may end, and where they may not yet end, by backward steps.

        Each list stops once b no longer changes. For further steps its last entry holds where words
        may end; before, only the scale changes, by the same factor at each step.
        """
        requirements = self._automaton.requirements
        limits, prefix = requirements.constraints, len(requirements.prefix)
        shortest = max(limits.min_length, prefix)
        nothing = Layer(np.zeros(len(self._automaton.P)), 0.0)
        if limits.max_length is not None:
            steps = max(0, limits.max_length + 1 - shortest)
            ending = self._go_back(nothing, steps, may_end=True)
        elif self._best or self._automaton.can_fail or not self._automaton.always_ends():
            ending = self._go_back(nothing, MAX_LENGTH, may_end=True, keeps_all=False)
        else:  # every word ends and fulfils all constraints: b is one
            ending = [Layer(np.ones(len(self._automaton.P)), 0.0)]
        return ending, self._go_back(ending[-1], shortest - prefix, may_end=False)

    def _go_back(
        self, layer: Layer, steps: int, *, may_end: bool, keeps_all: bool = True
    ) -> list[Layer]:
        """Return the layers of backward steps, of which a model of long words takes thousands.

        Unless it ``keeps_all``, it returns the last one.
        """
        layers = [layer]
        for _ in range(steps):
            layers = layers if keeps_all else layers[-1:]
            layers.append(self._step_back(layers[-1], may_end))
            change = np.abs(layers[-1].b - layers[-2].b)
            is_same_scale = abs(layers[-1].log_scale - layers[-2].log_scale) <= _CONVERGED
            if (change <= _CONVERGED * layers[-1].b).all() and (is_same_scale or not may_end):
                break
        return layers if keeps_all else layers[-1:]

    def _step_back(self, following: Layer, may_end: bool) -> Layer:
        """Return b_t from b_t+1."""
        P, successors = self._automaton.P, self._automaton.successors
        b = np.empty(len(P))
        for rows in chunks(*P.shape):
            onward = P[rows, 1:] * following.b[successors[rows, 1:]]
            b[rows] = onward.max(axis=1) if self._best else onward.sum(axis=1)
        log_scale = following.log_scale
        if may_end:
            ends = P[:, BOUNDARY] * self._automaton.may_end
            b *= np.exp(log_scale)
            b = np.maximum(b, ends) if self._best else b + ends
            log_scale = 0.0
        largest = b.max()
        return Layer(b / largest, log_scale + float(np.log(largest))) if largest else Layer(b, 0.0)


def solved(
    automaton: ConstrainedAutomaton, *, best: bool = False
) -> tuple[ConstrainedAutomaton, Completions]:
    """Return an automaton of the same words with its b_t: rescaled where that is necessary.

    Raises ``SamplingError`` where no word fulfils the constraints.
    """
    try:
        return automaton, Completions(automaton, best=best)
    except SamplingError:
        if len(automaton.requirements.matcher) == 1:  # there is no text in the constraints
            raise
    automaton = automaton.rescaled()
    return automaton, Completions(automaton, best=best)


class ConditionedModel:
    """The distributions of the next symbol, given that a word will fulfil the constraints.

    Raises ``SamplingError`` where no word does.
    """

    def __init__(self, automaton: ConstrainedAutomaton) -> None:
        self.automaton, self._completions = solved(automaton)

    def next_probabilities(self, t: int, states: Indices) -> Floats:
        """Return the conditioned distributions after t characters, (B,) states -> (B, V).

        The row is all zero for a state from which no word can fulfil the constraints.
        """
        found = np.empty((len(states), self.automaton.P.shape[1]))
        for part in cached_chunks(*found.shape):
            found[part] = self._next_probabilities(t, states[part])
        return found

    def _next_probabilities(self, t: int, states: Indices) -> Floats:
        P, following = self.automaton.P[states], self._completions.layer(t + 1)
        rows = P * following.b[self.automaton.successors[states]]
        rows[:, BOUNDARY] = 0.0
        if t >= self.automaton.requirements.constraints.min_length:
            ends = P[:, BOUNDARY] * self.automaton.may_end[states]
            # The scale cancels unless the word may end here, and might underflow.
            rows[ends > 0] *= np.exp(following.log_scale)
            rows[:, BOUNDARY] = ends
        return np.asarray(rows / np.maximum(rows.sum(axis=1, keepdims=True), np.finfo(float).tiny))

    @property
    def probability(self) -> float:
        """The probability that a word of the model fulfils the constraints."""
        prefix = self.automaton.requirements.prefix
        layer = self._completions.layer(len(prefix))
        log_scale = self.automaton.log_weight + layer.log_scale
        return float(layer.b[self.automaton.start] * np.exp(log_scale))

    def stage(self, t: int) -> tuple[bool, bool, int]:
        """Return what the distributions after t characters depend on."""
        shortest = self.automaton.requirements.constraints.min_length
        return t >= shortest, *self._completions.stage(t + 1)

    def is_settled(self, t: int) -> bool:
        """Return whether the distributions are the same after t characters and after any more."""
        limits = self.automaton.requirements.constraints
        return limits.max_length is None and t >= limits.min_length


def _product(
    successors: States, matcher: Indices, start: tuple[int, int]
) -> tuple[Indices, States]:
    """Return the reachable pairs (state * K + progress), sorted, and their successors, (S', V)."""
    (S, V), K = successors.shape, len(matcher)
    if K == 1:
        return np.arange(S), successors
    if S * K > MAX_PAIRS:
        raise SamplingError(
            f"{S:,} states of the model, times {K:,} of the constraints, are too many: the limit is"
            f" {MAX_PAIRS:,}; use fewer or shorter --contains"
        )
    index = np.full(S * K, -1, np.int32)
    frontier = np.array([start[0] * K + start[1]])
    while len(frontier):
        index[frontier] = 0
        following = successors[frontier // K, 1:] * K + matcher[frontier % K, 1:]
        following = np.unique(following)
        frontier = following[index[following] < 0]
    pairs = np.flatnonzero(index == 0)
    if len(pairs) * V > MAX_CELLS:
        raise SamplingError(
            f"{len(pairs):,} states of model and constraints, times {V} symbols, are too many: the"
            f" limit is {MAX_CELLS:,}; shorten --contains or --suffix"
        )
    index[pairs] = np.arange(len(pairs))
    following = index[successors[pairs // K] * K + matcher[pairs % K]]
    following[:, BOUNDARY] = 0  # not used: the word has ended
    return pairs, following
