"""Draws of words from any model, many at a time and exactly from its distribution.

Words are drawn in groups, all words of a group together. Each group has its own random stream, made
of the seed and the group's number, so the first words do not depend on how many are drawn.
A draw is an integer of 53 bits from the raw output of PCG64, which NumPy promises to keep; it is
compared with the cumulative distribution on the same scale.

A model with an automaton is conditioned on the constraints, and every word drawn fulfils them. Any
other model is asked step by step: its words begin with the prefix, and a word is rejected as soon
as it can no longer fulfil the other constraints. Where few words would be kept, a look-ahead steers
the draws, and an importance weight decides which words to keep; see ``lookahead.py``. All ways draw
from the same distribution, that of the model given that a word fulfils the constraints. (It would
be quicker to mask the symbols that cannot lead to such a word and to normalise the rest, but that
is another distribution.)

``temperature`` changes the model. ``top_k``, ``top_p`` and temperature 0 choose among the symbols
that can lead to a word that fulfils the constraints. A prefix is given and not drawn.
"""

import itertools
import math
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from makemore.arrays import Flags, Floats, Ids, Indices, Symbols, chunks
from makemore.data.vocabulary import BOUNDARY, Vocabulary
from makemore.errors import OptionError, SamplingError
from makemore.generation.constraints import (
    MAX_LENGTH,
    ConditionedModel,
    ConstrainedAutomaton,
    Constraints,
    Requirements,
    final_space_error,
    unseen_final_spaces,
    warning,
)
from makemore.generation.lookahead import NEGLIGIBLE, Guide, LookAhead, look_ahead
from makemore.generation.novelty import KnownWords, find_corpus, hash_text, training_texts
from makemore.generation.selection import best_words, far_words, words_needed
from makemore.models.base import Automaton, Model, State, arrays_of, select
from makemore.models.softmax import softmax
from makemore.training.record import Checkpoint

FIRST_LANES, LANES, STEPS = 1 << 9, 1 << 13, 64
GROUP_CELLS = 1 << 20
"""How much is drawn together, less at first. A change changes the words of every seed."""

STATE_CELLS = 1 << 23
"""The size of the states that are kept of a model without an automaton, in numbers: 64 MiB."""

MAX_DISTANCE = 3
"""The largest ``min_distance``: with more edits, too many words may be near a word."""

LEARNT_WORDS, MAX_LEARNT_LENGTH = 1 << 11, 1 << 10
"""How many words of a model its look-ahead learns from, and their maximum length."""
MIN_ACCEPTANCE = 1 / 16
"""From this share of accepted words on, the others are drawn and rejected, without a look-ahead."""
WEIGHT_RATIO, MAX_TRIALS = 128, 1 << 15
"""Trials end when the sum of their weights is this multiple of the largest, or at the maximum."""

PATIENCE = 100_000
"""Sampling ends after this many draws in a row that gave no word."""

_BITS = 53
_GUIDE_CELLS = 1 << 15
_CACHED_CELLS = 1 << 16
Draws = npt.NDArray[np.uint64]
Words = tuple[Symbols, Ids]
"""The symbols of many words one after another, and the offsets of their end-of-word symbols."""


class DrawTable:
    """Distributions prepared for drawing by inversion of their cumulative distributions.

    The unit interval of each row is cut into buckets, and a guide table holds the one symbol that
    each bucket belongs to (after Chen and Asau 1974, "On generating random variates from an
    empirical distribution"). A draw in a bucket that several symbols share is found by bisection.

    Parameters
    ----------
    P : array of shape (S, V)
        A distribution per row. A row of zeros draws the last symbol.
    """

    def __init__(self, P: Floats) -> None:
        S, self._V = P.shape
        self._thresholds = _thresholds(P).ravel()
        self._guide_bits = min(10, max(0, (_GUIDE_CELLS // S).bit_length() - 1))
        self._guide = self._make_guide(S)

    def draw(self, rows: Indices, draws: Draws) -> Indices:
        """Return a symbol for each row number and 53-bit draw, (B,) and (B,) -> (B,)."""
        buckets = (draws >> np.uint64(_BITS - self._guide_bits)).view(np.int64)
        symbols: Indices = self._guide[(rows << self._guide_bits) + buckets]
        shared = np.flatnonzero(symbols < 0)
        symbols[shared] = self._bisect(rows[shared], draws[shared])
        return symbols

    def _make_guide(self, S: int) -> Indices:
        """Return the symbol of each bucket, or -1 where several share it, (S * 2**guide_bits,)."""
        shift = np.uint64(_BITS - self._guide_bits)
        first = np.arange(1 << self._guide_bits, dtype=np.uint64) << shift
        last = first + np.uint64((1 << int(shift)) - 1)
        rows = np.repeat(np.arange(S), len(first))
        symbols = self._bisect(rows, np.tile(first, S))
        return np.where(symbols == self._bisect(rows, np.tile(last, S)), symbols, -1)

    def _bisect(self, rows: Indices, draws: Draws) -> Indices:
        """Return the first symbol of each row whose threshold lies above the draw."""
        first: Indices = rows * self._V
        low = first.copy()
        remaining = self._V
        while remaining > 1:
            half = remaining // 2
            low += half * (self._thresholds[low + (half - 1)] <= draws)
            remaining -= half
        low -= first
        return low


def draw_each(P: Floats, rows: Indices, draws: Draws) -> Indices:
    """Return a symbol for each row number and 53-bit draw, (B,) and (B,) -> (B,).

    The result is that of ``DrawTable(P).draw(rows, draws)``, at less cost for a single use.
    """
    thresholds = _thresholds(P)
    symbols = np.empty(len(rows), np.intp)
    for part in chunks(len(rows), P.shape[1]):
        symbols[part] = (thresholds[rows[part]] <= draws[part, None]).sum(axis=1)
    return np.asarray(np.minimum(symbols, P.shape[1] - 1))  # a row of zeros gives the last one


def _thresholds(P: Floats) -> Draws:
    """Return the first 53-bit draw above each symbol's interval, (S, V) -> (S, V)."""
    cumulative = np.cumsum(P, axis=1)
    cumulative /= np.maximum(cumulative[:, -1:], np.finfo(np.float64).tiny)
    # From a row's last possible symbol on this is 2**53, which no draw reaches.
    return np.rint(cumulative * 2.0**_BITS).astype(np.uint64)


class _Choice:
    """How the next symbol is chosen from its distribution.

    Parameters
    ----------
    temperature, top_k, top_p
        As ``Sampler`` takes them.

    Raises
    ------
    OptionError
        One of them is out of its range.
    """

    def __init__(self, temperature: float, top_k: int | None, top_p: float) -> None:
        if not 0 <= temperature < np.inf:
            raise OptionError(f"--temperature is {temperature} and must be 0 or more and finite")
        if top_k is not None and top_k < 1:
            raise OptionError(f"--top-k is {top_k} and must be 1 or more")
        if not 0 < top_p <= 1:
            raise OptionError(f"--top-p is {top_p} and must be above 0 and at most 1")
        self.temperature, self._top_k, self._top_p = temperature, top_k, top_p
        self.is_truncated = temperature == 0 or top_k is not None or top_p < 1

    def tempered(self, log_probabilities: Floats) -> Floats:
        """Return the distributions at the temperature, (S, V) in nats -> (S, V).

        At temperature 0 ``truncate`` chooses the likeliest symbol, once constraints are applied.
        """
        return softmax(log_probabilities / (self.temperature or 1.0))

    def truncate(self, P: Floats) -> Floats:
        """Return the distributions truncated by top-k, top-p or temperature 0, (S, V) -> (S, V).

        A row of zeros stays one.
        """
        if not self.is_truncated:
            return P
        if self.temperature == 0:
            greedy = np.zeros(P.shape)
            rows = np.arange(len(P))
            greedy[rows, P.argmax(axis=1)] = P.any(axis=1)
            return greedy
        order = np.argsort(-P, axis=1, kind="stable")
        likeliest_first = np.take_along_axis(P, order, axis=1)
        if self._top_k is not None:
            likeliest_first[:, self._top_k :] = 0.0
        before = np.cumsum(likeliest_first, axis=1) - likeliest_first
        total = likeliest_first.sum(axis=1, keepdims=True)
        likeliest_first[before >= self._top_p * total] = 0.0
        narrowed = np.empty(P.shape)
        np.put_along_axis(narrowed, order, likeliest_first, axis=1)
        sums = narrowed.sum(axis=1, keepdims=True)
        return np.asarray(narrowed / np.maximum(sums, np.finfo(np.float64).tiny))

    def describe(self) -> str:
        """Return the options that differ from their defaults, as they are typed."""
        options = {"temperature": (self.temperature, 1.0), "top-k": (self._top_k, None)}
        options["top-p"] = (self._top_p, 1.0)
        return " ".join(f"--{n} {v:g}" for n, (v, default) in options.items() if v != default)


def next_distributions(
    log_probabilities: Floats,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float = 1.0,
) -> Floats:
    """Return the distributions to draw from, (S, V) log-probabilities -> (S, V).

    Parameters
    ----------
    temperature : float
        Divides the log-probabilities: below 1 likely symbols gain, above 1 rare ones. At 0 the
        likeliest symbol is certain, the first one if several are equal.
    top_k : int, optional
        Keep the k likeliest symbols of each row.
    top_p : float
        Keep the fewest likeliest symbols that together reach this share of the rest ("nucleus
        sampling", Holtzman et al. 2020).
    """
    choice = _Choice(temperature, top_k, top_p)
    return choice.truncate(choice.tempered(log_probabilities))


class Sampler:
    """Draws words from a model under constraints. It is built once for many draws.

    Parameters
    ----------
    source : Model or Checkpoint
    temperature, top_k, top_p
        As in ``next_distributions``, applied to what the constraints allow.
    constraints : Constraints
        Every word fulfils them: the distribution is the model's, conditioned on them.
    new : bool
        Exclude the training words. They are read again, so the source must be a checkpoint.
    exclude : iterable of str, or KnownWords
        Exclude these words, too.
    corpus : path, optional
        The file of the training words, if it has moved.

    Attributes
    ----------
    warning : str
        A message about constraints that few words of the model fulfil, or an empty string.

    Raises
    ------
    OptionError
        An option is out of its range.
    SamplingError
        No word can fulfil the constraints.
    CorpusError
        The training words cannot be read again.
    """

    def __init__(
        self,
        source: Model | Checkpoint,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        constraints: Constraints | None = None,
        new: bool = False,
        exclude: KnownWords | Iterable[str] = (),
        corpus: str | os.PathLike[str] = "",
    ) -> None:
        model = source if isinstance(source, Model) else source.model
        self._source, self._model, self._corpus = source, model, corpus
        self._excluded = excluded_words(source, new, exclude, corpus)
        choice = _Choice(temperature, top_k, top_p)
        constraints = constraints or Constraints()
        requirements = Requirements.of(model, constraints)
        automaton = model.automaton()
        if automaton is None:
            stepwise = _Stepwise(model, requirements, choice)
            self.warning = warning(model, constraints, stepwise.probability)
            self._writer: _Writer = stepwise
        else:
            conditioned = _conditioned(automaton, requirements, choice)
            is_settled = conditioned.is_settled(len(requirements.prefix) + 1)
            self._writer = (_Lanes if is_settled else _Lockstep)(conditioned, choice)
            self.warning = warning(model, constraints, conditioned.probability)
        self._unseen_final_spaces = unseen_final_spaces(source, constraints.suffix)
        self._constraints = constraints
        self._as_text = text_writer(model.vocabulary)

    @property
    def error(self) -> float:
        """A bound on the total variation distance of the words from the model's distribution.

        It is 0 unless a look-ahead steers (see ``lookahead.py``), where it is an estimate.
        """
        return self._writer.error

    def sample(
        self,
        count: int,
        seed: int | None = None,
        *,
        unique: bool = False,
        best: bool = False,
        min_distance: int = 0,
    ) -> list[str]:
        """Return up to ``count`` words.

        Parameters
        ----------
        count : int
        seed : int, optional
            The same seed gives the same words; without it they differ every time.
        unique : bool
            Skip words that were drawn before.
        best : bool
            Draw many more words, and return the best ones, as ``best_words`` chooses them.
        min_distance : int
            From 1 to ``MAX_DISTANCE``: the words are distinct, and at least this many edits from
            each other and from the training words, which are read again, once.

        Raises ``SamplingError`` as ``texts`` does.
        """
        if count < 0 or not 0 <= min_distance <= MAX_DISTANCE:
            raise OptionError(
                f"the count is {count} and the minimum distance {min_distance}: expected 0 or more,"
                f" and from 0 to {MAX_DISTANCE}"
            )
        if seed is None:
            seed = int.from_bytes(os.urandom(8), "big")
        if not (best or min_distance):
            return list(self._words(count, seed, unique=unique))
        known = self._training_words if min_distance else None
        words = self._words(words_needed(count) if best else sys.maxsize, seed, unique=True)
        distance = max(min_distance, 1)
        if best:
            return best_words(self._model, words, count, min_distance=distance, known=known)
        vocabulary = self._model.vocabulary
        return list(far_words(vocabulary, words, count, min_distance=distance, known=known))

    @cached_property
    def _training_words(self) -> list[str]:
        """The training words, in blocks of lines, with one character a symbol."""
        texts = _training_texts(self._source, self._corpus, "min_distance")
        return list(map(self._model.vocabulary.shortened, texts))

    def _words(self, count: int, seed: int, *, unique: bool) -> Iterator[str]:
        for text in self.texts(count, seed, unique=unique):
            yield from text.split("\n")[:-1]

    def texts(self, count: int, seed: int, *, unique: bool = False) -> Iterator[str]:
        """Yield up to ``count`` words in blocks of text, a line feed after each word.

        Parameters
        ----------
        count, seed : int
            The first words are the same for every larger count.
        unique : bool
            Skip words that were drawn before.

        No word ends in a space where no training word does, unless ``suffix`` asks for one.

        With ``unique``, or words to exclude, there may be fewer than ``count`` words: sampling ends
        after ``PATIENCE`` draws in a row that gave none. Raises ``SamplingError`` where a word does
        not end within ``MAX_LENGTH`` characters from where it may, where draws do not fulfil the
        constraints, and where the constraints allow only words that end in such a space.
        """
        if unique or self._unseen_final_spaces or any(map(len, self._excluded)):
            yield from self._other_texts(count, seed, unique)
            return
        yield from self._all_texts(count, seed)

    def _all_texts(self, count: int, seed: int) -> Iterator[str]:
        groups = self._groups(seed)
        while count > 0:  # no group is drawn in advance: it would take longer than a few words
            symbols, ends = next(groups)
            ends = ends[:count]
            count -= len(ends)
            if len(ends):
                yield self._text(symbols[: ends[-1] + 1])

    def _groups(self, seed: int) -> Iterator[Words]:
        """Yield the words of one group after another, without their prefix."""
        if seed < 0:
            raise OptionError(f"the seed is {seed} and must be 0 or more")
        for group in itertools.count():
            stream = np.random.SeedSequence(seed, spawn_key=(group,))
            lanes = LANES if group else FIRST_LANES
            yield self._writer.write_words(np.random.PCG64(stream), lanes)

    def _text(self, symbols: Symbols) -> str:
        text = self._as_text(symbols)
        if prefix := self._constraints.prefix:
            text = prefix + text[:-1].replace("\n", "\n" + prefix) + "\n"
        return text

    def _other_texts(self, count: int, seed: int, unique: bool) -> Iterator[str]:
        """Yield words that are not excluded, each only once if ``unique``."""
        seen: set[int] = set()
        misses, all_end_in_space = 0, bool(self._unseen_final_spaces)
        texts = self._all_texts(sys.maxsize, seed)
        while count > 0 and misses < PATIENCE:
            text = next(texts)
            words = text.split("\n")
            hashes = hash_text(text)
            is_excluded = [known.contain_hashes(hashes) for known in self._excluded]
            wanted = np.flatnonzero(~np.any(is_excluded, axis=0)).tolist()
            if self._unseen_final_spaces:
                all_end_in_space = all_end_in_space and all(
                    word[-1] in self._unseen_final_spaces for word in words[:-1]
                )
                wanted = [i for i in wanted if words[i][-1] not in self._unseen_final_spaces]
            if unique:
                wanted = [i for i in wanted if _add(seen, int(hashes[i]))]
            found = [words[i] for i in wanted[:count]]
            misses = len(hashes) - 1 - wanted[-1] if wanted else misses + len(hashes)
            count -= len(found)
            if found:
                yield "".join(word + "\n" for word in found)
        if count > 0 and all_end_in_space:
            raise final_space_error(self._constraints)


class _Writer(ABC):
    """Writes words, a group at a time. ``error`` is that of ``Sampler``."""

    error = 0.0

    @abstractmethod
    def write_words(self, random: np.random.PCG64, lanes: int) -> Words:
        """Return the words of one group, without their prefix. Raises ``SamplingError``."""


def _conditioned(
    automaton: Automaton, requirements: Requirements, choice: _Choice
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


class _Lanes(_Writer):
    """Writes words where only the distribution of the first symbol after the prefix is special.

    Each lane writes word after word for ``STEPS`` symbols and then finishes its last one. That
    favours no words, because whether a word is begun is decided before it is drawn.
    """

    def __init__(self, model: ConditionedModel, choice: _Choice) -> None:
        automaton = model.automaton
        self._choice = choice
        self._begin, self._V = automaton.P.shape
        t = len(automaton.requirements.prefix)
        first = model.next_probabilities(t, np.array([automaton.start]))
        others = model.next_probabilities(t + 1, np.arange(self._begin))
        self._table = DrawTable(choice.truncate(np.concatenate((others, first))))
        successors = np.concatenate((automaton.successors, automaton.successors[[automaton.start]]))
        successors[:, BOUNDARY] = self._begin
        self._successors = successors.ravel()

    def write_words(self, random: np.random.PCG64, lanes: int) -> Words:
        """Return the words of one group, without their prefix."""
        states = np.full(lanes, self._begin)
        columns = []
        for _ in range(STEPS):
            symbols = self._table.draw(states, _draws(random, lanes))
            columns.append(symbols.astype(np.int16))
            states = self._successors.take(states * self._V + symbols).astype(np.intp)
        alive = np.flatnonzero(states != self._begin)
        for _ in range(MAX_LENGTH):
            if not len(alive):
                return _in_a_row(columns)
            symbols = self._table.draw(states[alive], _draws(random, len(alive)))
            columns.append(_column(lanes, alive, symbols))
            states[alive] = self._successors.take(states[alive] * self._V + symbols)
            alive = alive[symbols != BOUNDARY]
        raise _no_end_error(self._choice)


class _Lockstep(_Writer):
    """Writes words whose distribution depends on their length, one word a lane.

    The tables of small models are kept, one for each stage. For large models each group makes only
    the rows that it needs.
    """

    def __init__(self, model: ConditionedModel, choice: _Choice) -> None:
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
            symbols = self._draw(t, states, _draws(random, len(states)))
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
            self._tables[stage] = self._table(t, np.arange(len(self._model.automaton.P)))
        return self._tables[stage].draw(states, draws)

    def _table(self, t: int, rows: Indices) -> DrawTable:
        return DrawTable(self._choice.truncate(self._model.next_probabilities(t, rows)))


class _Rejecting:
    """Draws from the model itself, and rejects a word that can no longer fulfil the constraints."""

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


class _Stepwise(_Writer):
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

    def __init__(self, model: Model, requirements: Requirements, choice: _Choice) -> None:
        self._model, self._requirements, self._choice = model, requirements, choice
        self._misses = 0
        self._first, self.probability = self._after_prefix()
        cells = max(len(model.vocabulary), *(array.size for array in arrays_of(self._first)))
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
        threshold = self._bound * _draws(random, lanes) * 2.0**-_BITS if self._bound else 0.0
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
            if self._choice.is_truncated and not isinstance(steering, _Unguided):
                guide = guide.truncated(self._choice.truncate)
            symbols = draw_each(guide.rows, nodes, _draws(random, len(alive)))
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
        words = text_writer(self._model.vocabulary)(free.astype(np.int16)).split("\n")[:-1]
        shares = self._requirements.constraints.shares(words) if words else {}
        found = ", ".join(f"{share:.2%} {name}" for name, share in shares.items())
        return SamplingError(
            f"no word in {tries:,} draws fulfilled all constraints; of {len(words):,} draws"
            f" without them {found}: relax the constraints, or train on words that fulfil them"
        )


def _draws(random: np.random.PCG64, count: int) -> Draws:
    return np.asarray(random.random_raw(count) >> np.uint64(64 - _BITS))


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


def _no_end_error(choice: _Choice) -> SamplingError:
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


def sample(
    source: Model | Checkpoint,
    count: int,
    *,
    seed: int | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float = 1.0,
    constraints: Constraints | None = None,
    unique: bool = False,
    new: bool = False,
    exclude: KnownWords | Iterable[str] = (),
    corpus: str | os.PathLike[str] = "",
    best: bool = False,
    min_distance: int = 0,
) -> list[str]:
    """Return up to ``count`` words drawn from a model, as ``makemore sample`` writes them.

    The parameters are those of ``Sampler`` and of its method ``sample``; for several calls, build a
    ``Sampler`` once. The first words are the same for every larger count, except with ``best``.
    Raises ``SamplingError``.
    """
    sampler = Sampler(
        source,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        constraints=constraints,
        new=new,
        exclude=exclude,
        corpus=corpus,
    )
    return sampler.sample(count, seed, unique=unique, best=best, min_distance=min_distance)


def excluded_words(
    source: Model | Checkpoint,
    new: bool,
    exclude: KnownWords | Iterable[str],
    corpus: str | os.PathLike[str],
) -> list[KnownWords]:
    """Return the excluded words: the training words, if ``new``, and those of ``exclude``.

    The training words are read again, from ``corpus`` if that is given.
    """
    found = [exclude if isinstance(exclude, KnownWords) else _words_of(exclude)]
    if new:
        found.append(KnownWords(_training_texts(source, corpus, "new")))
    return found


def _training_texts(
    source: Model | Checkpoint, corpus: str | os.PathLike[str], option: str
) -> Iterator[str]:
    """Return the text that a model was trained on, in blocks."""
    if isinstance(source, Model):
        raise OptionError(
            f"{option} needs the checkpoint instead of its model: it knows the training words"
        )
    wanted_by = "--" + option.replace("_", "-")
    path = os.fspath(corpus) or find_corpus(source.corpus, wanted_by=wanted_by)
    return training_texts(source.corpus, path, wanted_by)


def _words_of(exclude: Iterable[str]) -> KnownWords:
    if isinstance(exclude, str):
        raise OptionError("exclude is one text: expected several words, such as ['emma', 'ava']")
    return KnownWords.of(exclude)


def _add(seen: set[int], item: int) -> bool:
    """Add an item to a set and return whether it is new there."""
    size = len(seen)
    seen.add(item)
    return len(seen) > size
