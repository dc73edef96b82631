"""Draws of words from any model, many at a time and exactly from its distribution.

Words are drawn in groups, all words of a group together. Each group has a random stream of its own,
made of the seed and the group's number, so the first words are the same however many are asked for.
A draw is an integer of 53 bits from the raw output of PCG64, which NumPy promises to keep; it is
compared with the cumulative distribution on the same scale.
"""

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import numpy.typing as npt

from makemore.arrays import Floats, Ids, Indices, Symbols
from makemore.data.vocabulary import BOUNDARY, Vocabulary
from makemore.errors import OptionError, SamplingError
from makemore.generation.constraints import (
    MAX_LENGTH,
    ConditionedModel,
    Constraints,
    WishedAutomaton,
)
from makemore.generation.novelty import KnownWords, hash_text
from makemore.models.base import Model
from makemore.models.softmax import softmax

FIRST_LANES, LANES, STEPS = 1 << 9, 1 << 13, 64
GROUP_CELLS = 1 << 20
"""How much is drawn together, less at first. Other numbers give other words for the same seed."""

PATIENCE = 100_000
"""So many unwanted words in a row end the search for others."""

_BITS = 53
_GUIDE_CELLS = 1 << 15
_CACHED_CELLS = 1 << 16
Draws = npt.NDArray[np.uint64]
Words = tuple[Symbols, Ids]
"""The symbols of many words in one row, end marks included, and the places of the end marks."""


class DrawTable:
    """Distributions prepared for drawing by inversion of their cumulative distributions.

    The unit interval of each row is cut into buckets, and a guide tells for each bucket the one
    symbol it belongs to (after Chen and Asau 1974, "On generating random variates from an empirical
    distribution"). A draw in a bucket that several symbols share is found by bisection.

    Parameters
    ----------
    P : array of shape (S, V)
        A distribution per row. A row of zeros draws the last symbol.
    """

    def __init__(self, P: Floats) -> None:
        S, self._V = P.shape
        cumulative = np.cumsum(P, axis=1)
        cumulative /= np.maximum(cumulative[:, -1:], np.finfo(np.float64).tiny)
        # From a row's last possible symbol on this is 2**53: no draw can step past it.
        self._thresholds = np.rint(cumulative * 2.0**_BITS).astype(np.uint64).ravel()
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


def next_distributions(
    log_probabilities: Floats,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float = 1.0,
) -> Floats:
    """Return the distributions that words are drawn from, (S, V) log-probabilities -> (S, V).

    Parameters
    ----------
    temperature : float
        Divides the log-probabilities: below 1 the likely symbols gain, above 1 the rare ones. At 0
        the likeliest symbol is certain (the first of equals).
    top_k : int, optional
        Keep the k likeliest symbols of each row.
    top_p : float
        Of what is left, keep the likeliest symbols that together reach this probability ("nucleus
        sampling", Holtzman et al. 2020).
    """
    _check_shares(temperature, top_k, top_p)
    if temperature == 0:
        P = np.zeros(log_probabilities.shape)
        P[np.arange(len(P)), log_probabilities.argmax(axis=1)] = 1.0
        return P
    P = softmax(log_probabilities / temperature)
    if top_k is None and top_p == 1.0:
        return P
    order = np.argsort(-P, axis=1, kind="stable")
    likeliest_first = np.take_along_axis(P, order, axis=1)
    if top_k is not None:
        likeliest_first[:, top_k:] = 0.0
    before = np.cumsum(likeliest_first, axis=1) - likeliest_first
    total = likeliest_first.sum(axis=1, keepdims=True)
    likeliest_first[before >= top_p * total] = 0.0
    np.put_along_axis(P, order, likeliest_first, axis=1)
    return np.asarray(P / P.sum(axis=1, keepdims=True))


def _check_shares(temperature: float, top_k: int | None, top_p: float) -> None:
    if not 0 <= temperature < np.inf:
        raise OptionError(f"--temperature is {temperature} and must be 0 or more and finite")
    if top_k is not None and top_k < 1:
        raise OptionError(f"--top-k is {top_k} and must be 1 or more")
    if not 0 < top_p <= 1:
        raise OptionError(f"--top-p is {top_p} and must be above 0 and at most 1")


class Sampler:
    """Draws words from a model under constraints.

    Parameters
    ----------
    model : Model
    temperature, top_k, top_p
        As in ``next_distributions``.
    constraints : Constraints
        Every word fulfils them: the distribution is the model's, conditioned on them.

    Raises
    ------
    OptionError
        An option is out of its range.
    SamplingError
        No word can fulfil the constraints.
    """

    def __init__(
        self,
        model: Model,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        constraints: Constraints | None = None,
    ) -> None:
        automaton = model.automaton()
        P = next_distributions(
            automaton.log_probabilities, temperature=temperature, top_k=top_k, top_p=top_p
        )
        wishes = constraints or Constraints()
        conditioned = ConditionedModel(WishedAutomaton(P, automaton, model.vocabulary, wishes))
        is_uniform = conditioned.is_settled(len(wishes.prefix) + 1)
        self._writer = _Lanes(conditioned) if is_uniform else _Lockstep(conditioned)
        self._prefix = wishes.prefix
        self._as_text = text_writer(model.vocabulary)

    def texts(self, count: int, seed: int) -> Iterator[str]:
        """Yield ``count`` words in blocks of text, a line feed after each word.

        Raises ``SamplingError`` where a word does not end within ``MAX_LENGTH`` characters from
        where it may.
        """
        for group in itertools.count():
            if count <= 0:
                return
            stream = np.random.SeedSequence(seed, spawn_key=(group,))
            lanes = LANES if group else FIRST_LANES
            symbols, ends = self._writer.write_words(np.random.PCG64(stream), lanes)
            ends = ends[:count]
            count -= len(ends)
            text = self._as_text(symbols[: ends[-1] + 1])
            if self._prefix:
                text = self._prefix + text[:-1].replace("\n", "\n" + self._prefix) + "\n"
            yield text


class _Lanes:
    """Writes words where only the first symbol behind the prefix is special.

    Each lane writes word after word for ``STEPS`` symbols and then ends its last one. To stop there
    does not favour any words: whether a word begins is decided before it is drawn.
    """

    def __init__(self, model: ConditionedModel) -> None:
        automaton = model.automaton
        self._begin, self._V = automaton.P.shape
        t = len(automaton.prefix)
        first = model.next_probabilities(t, np.array([automaton.start]))
        others = model.next_probabilities(t + 1, np.arange(self._begin))
        self._table = DrawTable(np.concatenate((others, first)))
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
        raise _endless()


class _Lockstep:
    """Writes words whose distribution changes with their length, one word a lane.

    The tables of small models are kept, one for each stage; of large models only the rows that are
    needed are made, again for each group.
    """

    def __init__(self, model: ConditionedModel) -> None:
        self._model = model
        self._V = model.automaton.P.shape[1]
        self._successors = model.automaton.successors.ravel()
        self._tables: dict[tuple[bool, bool, int], DrawTable] = {}
        limits = model.automaton.constraints
        self._last = max(len(model.automaton.prefix), limits.min_length) + MAX_LENGTH
        self._most_lanes = GROUP_CELLS // (limits.max_length or limits.min_length)

    def write_words(self, random: np.random.PCG64, lanes: int) -> Words:
        """Return the words of one group, without their prefix."""
        lanes = min(lanes, self._most_lanes)
        alive = np.arange(lanes)
        states = np.full(lanes, self._model.automaton.start)
        columns = []
        first = len(self._model.automaton.prefix)
        for t in range(first, self._last):
            symbols = self._draw(t, states, _draws(random, len(states)))
            columns.append(_column(lanes, alive, symbols))
            going = np.flatnonzero(symbols)
            if not len(going):
                return _in_a_row(columns)
            alive, symbols = alive[going], symbols[going]
            states = self._successors.take(states[going] * self._V + symbols).astype(np.intp)
        raise _endless()

    def _draw(self, t: int, states: Indices, draws: Draws) -> Indices:
        if not self._model.is_settled(t) and self._model.automaton.P.size > _CACHED_CELLS:
            rows, states = np.unique(states, return_inverse=True)
            return DrawTable(self._model.next_probabilities(t, rows)).draw(states, draws)
        stage = self._model.stage(t)
        if stage not in self._tables:
            everywhere = np.arange(len(self._model.automaton.P))
            self._tables[stage] = DrawTable(self._model.next_probabilities(t, everywhere))
        return self._tables[stage].draw(states, draws)


def _draws(random: np.random.PCG64, count: int) -> Draws:
    return np.asarray(random.random_raw(count) >> np.uint64(64 - _BITS))


def _column(lanes: int, alive: Indices, symbols: Indices) -> Symbols:
    """Return the symbols of those lanes that wrote one, and -1 for the others, (lanes,)."""
    column = np.full(lanes, -1, np.int16)
    column[alive] = symbols
    return column


def _in_a_row(columns: list[Symbols]) -> Words:
    """Return the words one after another, from what each lane wrote at each step."""
    symbols = np.stack(columns, axis=1).ravel()
    symbols = symbols[symbols >= 0]
    return symbols, np.flatnonzero(symbols == BOUNDARY)


def _endless() -> SamplingError:
    return SamplingError(
        f"a word has not ended after {MAX_LENGTH:,} characters: the model seldom or never ends a"
        " word; limit the length by --max-length"
    )


def text_writer(vocabulary: Vocabulary) -> Callable[[Symbols], str]:
    """Return a function that writes symbols as text, a line feed for each boundary."""
    code_points = np.array([ord("\n"), *map(ord, vocabulary.characters)], "<u4")
    if vocabulary.characters.isascii():
        table = code_points.astype(np.uint8)
        return lambda symbols: table[symbols].tobytes().decode("ascii")
    return lambda symbols: code_points[symbols].tobytes().decode("utf-32-le")


def sample(
    model: Model,
    count: int,
    *,
    seed: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float = 1.0,
    constraints: Constraints | None = None,
) -> list[str]:
    """Return ``count`` words drawn from the model. The parameters are those of ``Sampler``.

    The first words are the same for every larger count. Raises ``SamplingError``.
    """
    sampler = Sampler(
        model, temperature=temperature, top_k=top_k, top_p=top_p, constraints=constraints
    )
    return list(_words(sampler.texts(count, seed)))


def sample_others(
    sampler: Sampler, count: int, seed: int, *, known: KnownWords, unique: bool = True
) -> Iterator[list[str]]:
    """Yield up to ``count`` words that are not known, each only once if ``unique``, in lists.

    Ends early when ``PATIENCE`` words in a row were not wanted: the model has hardly more to give.
    """
    seen: set[int] = set()
    misses = 0
    texts = sampler.texts(sys.maxsize, seed)
    while count > 0 and misses < PATIENCE:
        text = next(texts)
        words = text.split("\n")
        hashes = hash_text(text)
        wanted = np.flatnonzero(~known.contain_hashes(hashes)).tolist()
        if unique:
            wanted = [i for i in wanted if _add(seen, int(hashes[i]))]
        found = [words[i] for i in wanted[:count]]
        misses = len(hashes) - 1 - wanted[-1] if wanted else misses + len(hashes)
        count -= len(found)
        if found:
            yield found


def _add(seen: set[int], item: int) -> bool:
    """Add an item to a set and return whether it is new there."""
    size = len(seen)
    seen.add(item)
    return len(seen) > size


def _words(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from text.split("\n")[:-1]
