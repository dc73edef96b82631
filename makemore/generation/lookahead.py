"""A look ahead for models without an automaton: how probable it is that a word will end well.

A network cannot say how probable it is that a word begun will fulfil the constraints. An n-gram
model can, exactly, because it has an automaton: h(s), the ``Completions`` of ``constraints.py``.
So the network is steered by an n-gram model of its own words. The next symbol is drawn from

    q(v | s) = P(v | s) h(s v) / Z(s)        Z(s) = sum_v P(v | s) h(s v)

and a word drawn in this way is too frequent or too rare by what the n-gram model does not know.
Its weight sets that right: P(word) / q(word) is, but for a factor that all words share,

    w = product over the symbols of Z(s) / h(s)

A word is kept with the probability w / M. If no weight is above M, what is kept has exactly the
network's distribution among the words that fulfil the constraints. No bound on the weights of a
network is known, so M is the largest weight of many trials (Caffo, Booth and Davis 2002, "Empirical
supremum rejection sampling"). What a larger weight would lose is known, too. With C the mean of w
and C_M that of min(w, M), the total variation distance from the exact distribution is at most

    1 - C_M / C        which is about M / sum(w) or less over the trials

because a trial has the largest weight of n by 1/n. So the trials go on until M / sum(w) is small.

The n-gram model need not be good: a bad one costs time and never exactness.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from makemore.arrays import Flags, Floats, Ids, Indices
from makemore.counting.ngrams import NgramCounter
from makemore.data.vocabulary import BOUNDARY, Vocabulary
from makemore.errors import SamplingError
from makemore.generation.constraints import Completions, ConstrainedAutomaton, Requirements
from makemore.models.base import Automaton
from makemore.models.ngram import Ngram, train_ngram

ORDERS = (3, 2)
"""The orders of the n-gram models that are tried: the first whose automaton is small enough."""
MAX_LOOK_AHEAD_CELLS = 1 << 22
"""The most states times symbols of an n-gram model and the constraints: 32 MiB."""
UNIFORM = 1e-3
"""The share of the uniform distribution in the n-gram model: whatever can be is possible to it."""
NEGLIGIBLE = 1e-12
"""A word begun whose weight falls to this share of the first one is given up: it may never end."""


class Guide(NamedTuple):
    """What words begun are drawn from, and what that does to their weights.

    Attributes
    ----------
    rows : array of shape (B, V)
        Distributions of the next symbol, but for a factor.
    factors : array of shape (B, V) or (B, 1)
        What the weight of a word is multiplied by for each next symbol.
    """

    rows: Floats
    factors: Floats | Flags

    def narrowed(self, narrow: Callable[[Floats], Floats]) -> "Guide":
        """Return the guide by which symbols are chosen and not drawn: weights are no matter."""
        rows = narrow(self.rows * self.factors)
        return Guide(rows, rows > 0)

    def gains(self, rows: Indices, symbols: Indices) -> Floats:
        """Return what weights are multiplied by for a symbol of some rows, (n,) and (n,) -> (n,).

        It is 0 for a symbol that no draw gives: a row of zeros draws the last one all the same.
        """
        factors = np.broadcast_to(self.factors, self.rows.shape)[rows, symbols]
        return np.where(self.rows[rows, symbols] > 0, factors, 0.0)


class LookAhead:
    """An n-gram model that knows for each word begun how probable it is to fulfil constraints.

    Parameters
    ----------
    automaton : ConstrainedAutomaton
        Of the n-gram model and the constraints.

    Attributes
    ----------
    first : int
        The state behind the prefix.
    probability : float
        That of the constraints, given the prefix; the mean weight times it is the true one.
    """

    def __init__(self, automaton: ConstrainedAutomaton) -> None:
        self._automaton = automaton
        self._completions = Completions(automaton)
        self.first = automaton.start
        layer = self._completions.layer(len(automaton.requirements.prefix))
        self.probability = float(layer.b[self.first] * np.exp(layer.log_scale))

    def follow(self, states: Indices, symbols: Ids) -> Indices:
        """Return the states after one more symbol, (B,) and (B,) -> (B,)."""
        return self._automaton.successors[states, symbols].astype(np.intp)

    def guide(self, t: int, P: Floats, states: Indices) -> Guide:
        """Return P(v | s) h(s v) / h(s) for words of t characters, and the sums of its rows.

        (B, V) distributions of the model that is steered, and (B,) states.
        """
        now, following = self._completions.layer(t), self._completions.layer(t + 1)
        rows = P * following.b[self._automaton.successors[states]]
        rows *= np.exp(following.log_scale - now.log_scale)
        rows[:, [BOUNDARY, *self._automaton.requirements.never]] = 0.0
        if t >= self._automaton.requirements.constraints.min_length:
            may_end = self._automaton.may_end[states]
            rows[may_end, BOUNDARY] = P[may_end, BOUNDARY] * np.exp(-now.log_scale)
        rows /= np.maximum(now.b[states], np.finfo(np.float64).tiny)[:, None]
        return Guide(rows, rows.sum(axis=1, keepdims=True))


def look_ahead(words: Ids, vocabulary: Vocabulary, requirements: Requirements) -> LookAhead | None:
    """Return a look-ahead by an n-gram model of some words, whatever they fulfil.

    ``words`` (n,) holds them in a row, the boundary after each. None where there are none, or where
    the alphabet is too large for a table.
    """
    if not len(words):
        return None
    for order in ORDERS:
        model = _ngram(words, vocabulary, order)
        contexts = int(model.tree.keys[-1]) // len(vocabulary) + 1
        if contexts * len(requirements.matcher) * len(vocabulary) > MAX_LOOK_AHEAD_CELLS:
            continue
        automaton = model.automaton()
        assert automaton is not None
        with suppress(SamplingError):  # the prefix may be less probable than any number above zero
            P = _mixed_with_uniform(automaton)
            return LookAhead(ConstrainedAutomaton(P, automaton, requirements))
    return None


def _ngram(words: Ids, vocabulary: Vocabulary, order: int) -> Ngram:
    counter = NgramCounter(len(vocabulary), order)
    counter.add(np.concatenate((np.array([BOUNDARY]), words)))
    return train_ngram(counter.counts(), vocabulary)


def _mixed_with_uniform(automaton: Automaton) -> Floats:
    P = (1 - UNIFORM) * np.exp(automaton.log_probabilities)
    P += UNIFORM / P.shape[1]
    return np.asarray(P)
