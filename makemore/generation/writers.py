"""Writers of words: each draws a group of words together, in its own way.

A model with an automaton is conditioned on the constraints, and every word drawn fulfils them. Any
other model is asked step by step: its words begin with the prefix, and a word is rejected as soon
as it can no longer fulfil the other constraints. Where few words would be kept, a look-ahead steers
the draws, and an importance weight decides which words to keep; see ``lookahead.py``. All ways draw
from the same distribution, that of the model given that a word fulfils the constraints. (It would
be quicker to mask the symbols that cannot lead to such a word and to normalise the rest, but that
is another distribution.)
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from makemore.arrays import Flags, Floats, Ids, Indices, Symbols
from makemore.data.vocabulary import BOUNDARY, Vocabulary
from makemore.errors import SamplingError
from makemore.generation.conditioning import ConditionedModel, ConstrainedAutomaton
from makemore.generation.constraints import MAX_LENGTH, Requirements
from makemore.generation.draws import BITS, Choice, Draws, DrawTable, draw_bits, draw_each
from makemore.generation.lookahead import NEGLIGIBLE, Guide, LookAhead, look_ahead
from makemore.models.base import Automaton, Model, State, select
from makemore.models.softmax import softmax

FIRST_LANES, LANES, STEPS = 1 << 9, 1 << 13, 64
GROUP_CELLS = 1 << 20
"""How much is drawn together, less at first. A change changes the words of every seed."""

STATE_CELLS = 1 << 23
"""The size of the states that are kept of a model without an automaton, in numbers: 64 MiB."""

LEARNT_WORDS, MAX_LEARNT_LENGTH = 1 << 11, 1 << 10
"""How many words of a model its look-ahead learns from, and their maximum length."""
MIN_ACCEPTANCE = 1 / 16
"""From this share of accepted words on, the others are drawn and rejected, without a look-ahead."""
WEIGHT_RATIO, MAX_TRIALS = 128, 1 << 15
"""Trials end when the sum of their weights is this multiple of the largest, or at the maximum."""

PATIENCE = 100_000
"""Sampling ends after this many draws in a row that gave no word."""

_CACHED_CELLS, _CACHED_TABLES = 1 << 16, 1 << 8
"""The maximum size of a model whose tables are kept, and the maximum number of them: 200 MiB."""

Words = tuple[Symbols, Ids]
"""The symbols of many words one after another, and the offsets of their end-of-word symbols."""


class Writer(ABC):
    """Writes words, a group at a time. ``error`` is that of ``Sampler``."""

    error = 0.0

    @abstractmethod
    def write_words(self, random: np.random.PCG64, lanes: int) -> Words:
        """Return the words of one group, without their prefix. Raises ``SamplingError``."""


def conditioned(
    automaton: Automaton, requirements: Requirements, choice: Choice
) -> ConditionedModel:
    """Return the model given the constraints. Raises ``SamplingError`` if no word fulfils them."""
    P = choice.tempered(automaton.log_probabilities)
    try:
        return ConditionedModel(ConstrainedAutomaton(P, automaton, requirements))
    except SamplingError:
        if choice.temperature not in (0, 1):  # the temperature may have made probabilities zero
            P = softmax(automaton.log_probabilities)
            ConditionedModel(ConstrainedAutomaton(P, automaton, requirements))
            raise SamplingError(
                f"at {choice.describe()} no word with {requirements.constraints.describe()} has a"
                " probability above zero: choose a temperature nearer to 1"
            ) from None
        raise


class Lanes(Writer):
    """Writes words where only the distribution of the first symbol after the prefix is special.

    Each lane writes word after word for ``STEPS`` symbols and then finishes its last one. That
    favours no words, because whether a word is begun is decided before it is drawn.
    """

    def __init__(self, model: ConditionedModel, choice: Choice) -> None:
        automaton = model.automaton
        self._choice = choice
        self._begin, self._V = automaton.P.shape
        t = len(automaton.requirements.prefix)
        first = model.next_probabilities(t, np.array([automaton.start]))
        P = np.concatenate((model.next_probabilities(t + 1, np.arange(self._begin)), first))
        self._table = DrawTable(choice.truncate(P))
        successors = np.concatenate((automaton.successors, automaton.successors[[automaton.start]]))
        successors[:, BOUNDARY] = self._begin
        self._successors = successors.ravel()

    def write_words(self, random: np.random.PCG64, lanes: int) -> Words:
        """Return the words of one group, without their prefix."""
        states = np.full(lanes, self._begin)
        columns = []
        for _ in range(STEPS):
            symbols = self._table.draw(states, draw_bits(random, lanes))
            columns.append(symbols.astype(np.int16))
            states = self._successors.take(states * self._V + symbols).astype(np.intp)
        alive = np.flatnonzero(states != self._begin)
        for _ in range(MAX_LENGTH):
            if not len(alive):
                return _in_a_row(columns)
            symbols = self._table.draw(states[alive], draw_bits(random, len(alive)))
            columns.append(_column(lanes, alive, symbols))
            states[alive] = self._successors.take(states[alive] * self._V + symbols)
            alive = alive[symbols != BOUNDARY]
        raise _no_end_error(self._choice)


class Lockstep(Writer):
    """Writes words whose distribution depends on their length, one word a lane.

    The tables of small models are kept, one for each stage. For large models each group makes only
    the rows that it needs.
    """

    def __init__(self, model: ConditionedModel, choice: Choice) -> None:
        self._model = model
        self._choice = choice
        self._V = model.automaton.P.shape[1]
        self._successors = model.automaton.successors.ravel()
        self._tables: dict[tuple[bool, bool, int], DrawTable] = {}
        requirements = model.automaton.requirements
        limits = requirements.constraints
        self._last = max(len(requirements.prefix), limits.min_length) + MAX_LENGTH
        self._max_lanes = GROUP_CELLS // (limits.max_length or limits.min_length)

    def write_words(self, random: np.random.PCG64, lanes: int) -> Words:
        """Return the words of one group, without their prefix."""
        lanes = min(lanes, self._max_lanes)
        alive = np.arange(lanes)
        states = np.full(lanes, self._model.automaton.start)
        columns = []
        first = len(self._model.automaton.requirements.prefix)
        for t in range(first, self._last):
            symbols = self._draw(t, states, draw_bits(random, len(states)))
            columns.append(_column(lanes, alive, symbols))
            going = np.flatnonzero(symbols)
            if not len(going):
                return _in_a_row(columns)
            alive, symbols = alive[going], symbols[going]
            states = self._successors.take(states[going] * self._V + symbols).astype(np.intp)
        raise _no_end_error(self._choice)

    def _draw(self, t: int, states: Indices, draws: Draws) -> Indices:
        if not self._model.is_settled(t) and self._model.automaton.P.size > _CACHED_CELLS:
            rows, states = np.unique(states, return_inverse=True)
            return self._table(t, rows).draw(states, draws)
        stage = self._model.stage(t)
        if stage not in self._tables:
            if len(self._tables) >= _CACHED_TABLES:  # long words have thousands of stages
                self._tables.clear()
            self._tables[stage] = self._table(t, np.arange(len(self._model.automaton.P)))
        return self._tables[stage].draw(states, draws)

    def _table(self, t: int, rows: Indices) -> DrawTable:
        return DrawTable(self._choice.truncate(self._model.next_probabilities(t, rows)))


class _Rejecting:
    """Draws from the model itself, and rejects a word that can no longer fulfil the constraints.

    ``truncates`` says whether top-k and top-p apply.
    """

    truncates = True

    def __init__(self, requirements: Requirements) -> None:
        self._requirements = requirements
        self.first = requirements.after_prefix()

    def follow(self, states: Indices, symbols: Ids) -> Indices:
        """Return the states of the matcher after one more symbol, (B,) and (B,) -> (B,)."""
        return np.asarray(self._requirements.matcher[states, symbols])

    def guide(self, t: int, P: Floats, states: Indices) -> Guide:
        """Return the model's distributions, and which symbols the constraints allow."""
        return Guide(P, self._requirements.allowed(t, states))


class _Unguided(_Rejecting):
    """Draws from the model without constraints, top-k and top-p."""

    truncates = False

    def guide(self, t: int, P: Floats, states: Indices) -> Guide:
        """Return the model's distributions, which allow every symbol."""
        return Guide(P, np.ones((len(P), 1)))


class _Drawn(NamedTuple):
    """The words that some lanes wrote, one word each.

    Attributes
    ----------
    columns : list of arrays of shape (lanes,)
        The symbol of each lane at each step, -1 after its word has ended.
    weights : array of shape (lanes,)
        0 where a word was given up.
    beginnings : int
        For how many distinct beginnings of words the model was evaluated.
    """

    columns: list[Symbols]
    weights: Floats
    beginnings: int

    def words(self, kept: Flags) -> Words:
        """Return the words of the kept lanes."""
        return _in_a_row([np.where(kept, c, -1).astype(np.int16) for c in self.columns])


class Stepwise(Writer):
    """Writes words of any model, a step at a time.

    Words that begin alike share a state: the model is evaluated once for each distinct beginning.
    Where many words fulfil the constraints, the others are rejected as soon as they can no longer
    do so. Where few do, a look-ahead steers, and a word is kept according to its weight; see
    ``lookahead.py``. After ``PATIENCE`` draws without a kept word it gives up.

    Attributes
    ----------
    probability : float
        The probability of the prefix or, if a look-ahead steers, an estimate for all constraints.
    """

    def __init__(self, model: Model, requirements: Requirements, choice: Choice) -> None:
        self._model, self._requirements, self._choice = model, requirements, choice
        self._misses = 0
        self._first, self.probability = self._after_prefix()
        cells = max(len(model.vocabulary), model.state_cells)
        self._lanes = min(LANES, max(1, STATE_CELLS // cells))
        first = np.array([requirements.after_prefix()])
        if not requirements.allowed(len(requirements.prefix), first).any():
            raise requirements.impossible()
        self._steering: _Rejecting | LookAhead = _Rejecting(requirements)
        self._bound = 0.0  # on the weights; with 0 every word with a weight above 0 is kept
        if requirements.constraints.asks_for_more_than_a_prefix():
            self._look_ahead(np.random.PCG64(0))

    def _look_ahead(self, random: np.random.PCG64) -> None:
        """Steer by a look-ahead where that pays. Raises ``SamplingError`` if no trial succeeds.

        Truncated distributions are always steered, so that they are truncated by what a symbol
        leads to.
        """
        lanes = min(FIRST_LANES, self._lanes)
        if not self._choice.is_truncated:
            drawn = self._draw(random, lanes, self._steering)
            if (drawn.weights > 0).mean() >= MIN_ACCEPTANCE:
                return
        words, cost = self._words(random)
        ahead = look_ahead(words, self._model.vocabulary, self._requirements)
        if ahead is None:
            return
        if self._choice.is_truncated:
            self._steering = ahead
            return
        weights = self._trials(random, ahead, cost)
        if len(weights):
            if not weights.any():
                raise self._rejection_error(lanes + len(weights), words)
            self._steering, self._bound = ahead, float(weights.max())
            self.error = min(1.0, self._bound / float(weights.sum()))
            self.probability *= ahead.probability * float(weights.mean())

    def _words(self, random: np.random.PCG64) -> tuple[Ids, float]:
        """Return words of the model with the prefix, and the mean number of beginnings for each.

        The words stand one after another, each with the boundary at its end, and need not fulfil
        the other constraints. Very long words are left out.
        """
        free, prefix = _Unguided(self._requirements), self._requirements.prefix
        found, beginnings = [], 0
        for first in range(0, LEARNT_WORDS, self._lanes):
            lanes = min(self._lanes, LEARNT_WORDS - first)
            drawn = self._draw(random, lanes, free, MAX_LEARNT_LENGTH)
            beginnings += drawn.beginnings
            symbols, ends = drawn.words(drawn.weights > 0)
            starts = np.append(0, ends + 1)[: len(ends)]
            where, what = np.repeat(starts, len(prefix)), np.tile(prefix, len(ends))
            found.append(np.insert(symbols.astype(np.int64), where, what))
        return np.concatenate(found), beginnings / LEARNT_WORDS

    def _trials(self, random: np.random.PCG64, ahead: LookAhead, cost: float) -> Floats:
        """Return the weights of words drawn with a look-ahead, enough to estimate the largest one.

        The result is empty where plain rejection is no slower; ``cost`` is the number of beginnings
        that a word takes there.
        """
        weights, beginnings = np.zeros(0), 0
        while len(weights) < MAX_TRIALS:
            drawn = self._draw(random, self._lanes, ahead)
            weights = np.append(weights, drawn.weights)
            beginnings += drawn.beginnings
            largest, each = weights.max(), beginnings / len(weights)
            # A kept word takes each * largest / mean beginnings. By plain rejection it takes the
            # cost divided by the probability of the constraints, ahead.probability * mean.
            if each * largest * ahead.probability >= cost:
                return np.zeros(0)
            if weights.sum() >= WEIGHT_RATIO * largest:
                break
        return weights

    def write_words(self, random: np.random.PCG64, lanes: int) -> Words:
        """Return the kept words of one group, without their prefix."""
        lanes = min(lanes, self._lanes)
        drawn = self._draw(random, lanes, self._steering)
        threshold = self._bound * draw_bits(random, lanes) * 2.0**-BITS if self._bound else 0.0
        symbols, ends = drawn.words(drawn.weights > threshold)
        self._misses = 0 if len(ends) else self._misses + lanes
        if self._misses >= PATIENCE:
            raise self._rejection_error(self._misses, self._words(random)[0])
        return symbols, ends

    def _draw(
        self,
        random: np.random.PCG64,
        lanes: int,
        steering: _Rejecting | LookAhead,
        longest: int | None = None,
    ) -> _Drawn:
        """Return the words that the lanes write, with their weights.

        The weight is 0 for a word that is given up, and for one of ``longest`` characters or more
        after the prefix. Without ``longest`` a word that does not end is an error.
        """
        V, first = len(self._model.vocabulary), len(self._requirements.prefix)
        state, progress = self._first, np.array([steering.first])
        alive = np.arange(lanes)
        nodes = np.zeros(lanes, np.intp)  # the beginning of each lane's word, a row of the state
        columns: list[Symbols] = []
        weights, beginnings = np.ones(lanes), 0
        limit = max(first, self._requirements.constraints.min_length) + MAX_LENGTH
        for t in range(first, limit if longest is None else first + longest):
            P = self._choice.tempered(self._model.log_probabilities(state))
            beginnings += len(P)
            guide = steering.guide(t, P, progress)
            if self._choice.is_truncated and steering.truncates:
                guide = guide.truncated(self._choice.truncate)
            symbols = draw_each(guide.rows, nodes, draw_bits(random, len(alive)))
            columns.append(_column(lanes, alive, symbols))
            weights[alive] *= guide.gains(nodes, symbols)
            weights[alive[(symbols != BOUNDARY) & (weights[alive] < NEGLIGIBLE)]] = 0.0
            going = np.flatnonzero((symbols != BOUNDARY) & (weights[alive] > 0))
            if not len(going):
                return _Drawn(columns, weights, beginnings)
            alive = alive[going]
            longer, nodes = np.unique(nodes[going] * V + symbols[going], return_inverse=True)
            parents, last = np.divmod(longer, V)
            progress = steering.follow(progress[parents], last)
            state = self._model.advance(select(state, parents), last)
        if longest is None:
            raise _no_end_error(self._choice)
        weights[alive] = 0.0
        return _Drawn(columns, weights, beginnings)

    def _after_prefix(self) -> tuple[State, float]:
        """Return the state after the prefix, and P(prefix). Raises ``SamplingError``."""
        state, log_P = self._model.start(1), 0.0
        for symbol in self._requirements.prefix.tolist():
            log_P += float(self._model.log_probabilities(state)[0, symbol])
            if log_P == -np.inf:
                raise self._requirements.impossible()
            state = self._model.advance(state, np.array([symbol]))
        return state, math.exp(log_P)

    def _rejection_error(self, tries: int, free: Ids) -> SamplingError:
        """Return the error that says what share of unconstrained words fulfils each constraint."""
        vocabulary, constraints = self._model.vocabulary, self._requirements.constraints
        words = text_writer(vocabulary)(free.astype(np.int16)).split("\n")[:-1]
        shares = constraints.shares(words, vocabulary.shortened) if words else {}
        found = ", ".join(f"{share:.2%} {name}" for name, share in shares.items())
        return SamplingError(
            f"no word in {tries:,} draws fulfilled all constraints; of {len(words):,} draws"
            f" without them {found}: relax the constraints, or train on words that fulfil them"
        )


def _column(lanes: int, alive: Indices, symbols: Indices) -> Symbols:
    """Return the symbols of those lanes that wrote one, and -1 for the others, (lanes,)."""
    column = np.full(lanes, -1, np.int16)
    column[alive] = symbols
    return column


def _in_a_row(columns: list[Symbols]) -> Words:
    """Return the words one after another, given the symbols of each lane at each step."""
    symbols = np.stack(columns, axis=1).ravel()
    symbols = symbols[symbols >= 0]
    return symbols, np.flatnonzero(symbols == BOUNDARY)


def _no_end_error(choice: Choice) -> SamplingError:
    options = choice.describe()
    return SamplingError(
        f"a word has not ended after {MAX_LENGTH:,} characters{options and f' at {options}'}: the"
        " model rarely or never ends a word; limit the length by --max-length"
    )


def text_writer(vocabulary: Vocabulary) -> Callable[[Symbols], str]:
    """Return a function that writes symbols as text, a line feed for each boundary."""
    code_points = np.array([ord("\n"), *map(ord, vocabulary.characters)], "<u4")
    if vocabulary.characters.isascii():
        table = code_points.astype(np.uint8)
        return lambda symbols: table[symbols].tobytes().decode("ascii")
    return lambda symbols: vocabulary.spelled_out(
        code_points[symbols].tobytes().decode("utf-32-le")
    )
