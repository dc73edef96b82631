"""Slips of the fingers: the corrections within one edit of a word, and how probable they are.

A noisy channel (Kernighan, Church, Gale 1990, "A spelling correction program based on a noisy
channel model") makes one slip in a correct word: a wrong symbol, one that is dropped, added or
doubled, or two that are swapped. Each kind has the same chance, and so has each place in the word
and each wrong symbol. The gain of the correction w' of a word w is, in nats,

    log P(w') + log P(w | w') - log P(w)

A list has millions of edits. An edit is followed symbol by symbol, and only while its gain exceeds
a floor (branch and bound): no probability is above 1, so each symbol lowers the gain. A model with
a context of C symbols reads a word as before from the C-th symbol after an edit on.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from makemore.arrays import Flags, Floats, Ids, Integers, chunks
from makemore.data.vocabulary import BOUNDARY
from makemore.models.backoff import ROOT, START
from makemore.models.base import windows
from makemore.models.ngram import Ngram

NONE = -1
"""Stands for no symbol."""


class Slips(NamedTuple):
    """log P(word | correct word) for each kind of slip, by words; nats."""

    wrong: Floats
    dropped: Floats
    added: Floats
    doubled: Floats
    swapped: Floats


def slips(lengths: Integers, V: int) -> Slips:
    """Return the log-probabilities of slips that result in words of so many characters.

    Each has the shape of ``lengths``. Places are counted in the correct word, which may be longer
    or shorter by one.
    """
    wrong = -np.log(lengths) - np.log(V - 1)
    doubled = -np.log(np.maximum(lengths - 1, 1))
    return Slips(wrong, -np.log(lengths + 1), wrong, doubled, doubled)


def slip_between(correct: str, word: str) -> str | None:
    """Return the field of ``Slips`` that makes ``word`` of ``correct``, None where none does.

    >>> slip_between("henry", "hnery"), slip_between("anna", "annna"), slip_between("ava", "eve")
    ('swapped', 'doubled', None)
    """
    grows = len(word) - len(correct)
    i = next((i for i, (a, b) in enumerate(zip(correct, word, strict=False)) if a != b), -1)
    if i < 0:
        i = min(len(correct), len(word))
    if grows == 1 and word[:i] + word[i + 1 :] == correct:
        return "doubled" if word[i - 1 : i] == word[i] else "added"
    if grows == -1 and correct[:i] + correct[i + 1 :] == word:
        return "dropped"
    if grows == 0 and correct[i + 1 :] == word[i + 1 :] and correct != word:
        return "wrong"
    if grows == 0 and correct[i : i + 2] == word[i : i + 2][::-1] and correct != word:
        return "swapped" if correct[i + 2 :] == word[i + 2 :] else None
    return None


class Edits(NamedTuple):
    """E edits of words in a row; each puts up to two symbols in the place of others.

    Attributes
    ----------
    starts, stops : array of shape (E,)
        The offsets of the symbols that are replaced, ``stops`` excluded.
    first, second : array of shape (E,)
        The new symbols, or ``NONE``.
    gains : array of shape (E,), nats
    """

    starts: Integers
    stops: Integers
    first: Ids
    second: Ids
    gains: Floats

    def chosen(self, which: Flags | Integers) -> "Edits":
        """Return some of the edits."""
        starts, stops, first, second, gains = self
        return Edits(starts[which], stops[which], first[which], second[which], gains[which])


class SlipSearch:
    """Words as an n-gram model reads them, and their edits.

    Parameters
    ----------
    model : Ngram
        One that has an automaton.
    ids : array of shape (n,)
        The words in a row, a boundary after each, as ``Vocabulary.encode_lines`` gives them.

    Attributes
    ----------
    starts, ends : array of shape (words,)
        The offsets of the first symbol of each word and of its boundary.
    word_of : array of shape (n,)
        The number of each symbol's word.
    nats : array of shape (n,)
        The surprisal of each symbol.
    totals : array of shape (words,)
        The surprisal of each word.
    """

    def __init__(self, model: Ngram, ids: Ids) -> None:
        automaton = model.automaton()
        if automaton is None:
            raise ValueError("the model has no automaton of useful size")
        self._table, self._successors = automaton[:2]
        self._reach = model.context_length
        self._ids = ids
        self.ends = np.flatnonzero(ids == BOUNDARY)
        self.starts = np.concatenate((np.zeros(1, np.int64), self.ends + 1))[:-1]
        self.word_of = np.repeat(np.arange(len(self.ends)), self.ends + 1 - self.starts)
        self._states = self._states_before_symbols()
        self.nats = 0.0 - self._table[self._states, ids]
        self._nats_before = np.concatenate((np.zeros(1), np.cumsum(self.nats)))
        self.totals = self._nats_before[self.ends + 1] - self._nats_before[self.starts]
        lengths = self.ends - self.starts
        self._slips = Slips(*(s[self.word_of] for s in slips(lengths, len(model.vocabulary))))

    def _states_before_symbols(self) -> Integers:
        C = self._reach
        contexts = windows(np.concatenate((np.full(C, BOUNDARY), self._ids[:-1])), C)
        states = np.full(len(self._ids), ROOT)
        for symbols in contexts.T:
            states = np.where(symbols == BOUNDARY, START, self._successors[states, symbols])
        return states

    def gainful(self, letters: Ids, floors: Floats) -> Iterator[Edits]:
        """Yield the edits whose gains exceed the floors of their words, (words,), part by part.

        ``letters`` are the symbols that may be put in. Floors may be raised between the parts.
        """
        for part in chunks(len(self._ids), 2 * len(letters)):
            at = np.arange(len(self._ids))[part]
            for edits in self._edits(at, letters, floors[self.word_of[at]]):
                yield self._followed(edits, floors)

    def _edits(self, at: Integers, letters: Ids, floors: Floats) -> Iterator[Edits]:
        """Yield the edits at some offsets whose gains may exceed the floors, before their costs."""
        ids, none = self._ids[at], np.full(len(at), NONE)
        slips = Slips(*(slip[at] for slip in self._slips))
        is_character = ids != BOUNDARY
        before = np.where(at == self.starts[self.word_of[at]], BOUNDARY, self._ids[at - 1])
        after = np.where(is_character, self._ids[np.minimum(at + 1, len(self._ids) - 1)], BOUNDARY)
        table = self._table[self._states[at][:, None], letters]
        is_other = letters != ids[:, None]  # else nothing changes, or as by another edit
        dropped = self._new(at, at, none, none, slips.dropped)
        wrong = self._new(at, at + 1, none, none, slips.wrong)
        for edits, can_be in ((dropped, is_other), (wrong, is_other & is_character[:, None])):
            rows, columns = np.nonzero((table > (floors - edits.gains)[:, None]) & can_be)
            yield edits.chosen(rows)._replace(first=letters[columns])
        chance = np.where(before == ids, slips.doubled, slips.added)
        is_alone = (before == BOUNDARY) & (after == BOUNDARY)
        yield self._new(at, at + 1, none, none, chance).chosen(is_character & ~is_alone)
        swaps = self._new(at, at + 2, after, ids, slips.swapped)
        yield swaps.chosen((after != BOUNDARY) & (after != ids))

    def _new(
        self, starts: Integers, stops: Integers, first: Ids, second: Ids, chances: Floats
    ) -> Edits:
        """Return edits with upper bounds of their gains, as if all symbols had probability 1."""
        ends = self.ends[self.word_of[starts]]
        known = np.minimum(stops + self._reach, ends + 1)
        saved = self._nats_before[known] - self._nats_before[starts]
        return Edits(starts, stops, first, second, chances + saved)

    def _followed(self, edits: Edits, floors: Floats) -> Edits:
        """Return the edits whose gains exceed the floors with the surprisal of all symbols."""
        states = self._states[edits.starts]
        for step in range(2 + self._reach):
            if step < 2:
                symbols = edits.second if step else edits.first
            else:
                reached = edits.stops + step - 2
                ends = self.ends[self.word_of[edits.starts]]
                symbols = np.where(reached <= ends, self._ids[np.minimum(reached, ends)], NONE)
            moves = symbols != NONE
            costs = np.where(moves, self._table[states, symbols], 0.0)
            edits = edits._replace(gains=edits.gains + costs)
            states = np.where(moves, self._successors[states, symbols], states)
            kept = edits.gains > floors[self.word_of[edits.starts]]
            edits, states = edits.chosen(kept), states[kept]
        return edits

    def corrected(self, word: str, edits: Edits, e: int, characters: tuple[str, ...]) -> str:
        """Return the word after edit number ``e``; ``characters`` are those of the symbols."""
        start = self.starts[self.word_of[edits.starts[e]]]
        new = "".join(characters[s[e]] for s in (edits.first, edits.second) if s[e] != NONE)
        return word[: edits.starts[e] - start] + new + word[edits.stops[e] - start :]
