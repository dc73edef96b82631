"""A look-ahead for models without an automaton: the probability that a word will end well.

A network cannot say how probable it is that a partial word will fulfil the constraints. An n-gram
model can, exactly, because it has an automaton: h(s), the ``Completions`` of ``conditioning.py``.
So the network is steered by an n-gram model of its own words. The next symbol is drawn from

    q(v | s) = P(v | s) h(s v) / Z(s)        Z(s) = sum_v P(v | s) h(s v)

which makes a word too frequent or too rare where the n-gram model is wrong. An importance weight
corrects that: P(word) / q(word) is, up to a factor that all words share,

    w = product over the symbols of Z(s) / h(s)

A word is kept with the probability w / M. If no weight is above M, the kept words have exactly the
network's distribution among the words that fulfil the constraints. No bound on the weights of a
network is known, so M is the largest weight of many trials (Caffo, Booth and Davis 2002, "Empirical
supremum rejection sampling"). The effect of a larger weight is bounded: with C the mean of w and
C_M that of min(w, M), the total variation distance from the exact distribution is at most

    1 - C_M / C        which is about M / sum(w) or less over the trials

because each of n trials has the largest weight with probability 1/n. So the trials go on until
M / sum(w) is small.

The n-gram model need not be good: a bad one costs time, never exactness.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

import numpy as np

from makemore.arrays import Flags, Floats, Ids, Indices
from makemore.counting.ngrams import NgramCounter
from makemore.data.vocabulary import BOUNDARY, Vocabulary
from makemore.errors import SamplingError
from makemore.generation.conditioning import Completions, ConstrainedAutomaton
from makemore.generation.constraints import Requirements
from makemore.models.base import Automaton
from makemore.models.ngram import Ngram, train_ngram

ORDERS = (3, 2)
"""The orders of n-gram models, tried in turn until an automaton is small enough."""
MAX_LOOK_AHEAD_CELLS = 1 << 22
"""The maximum of states times symbols of an n-gram model and the constraints: 32 MiB."""
UNIFORM = 1e-3
"""The share of the uniform distribution in the n-gram model, which makes every word possible."""
NEGLIGIBLE = 1e-12
"""A partial word whose weight falls below this is given up: it may never end."""


class Guide(NamedTuple):
    """What the next symbols of partial words are drawn from, and how that changes their weights.

    Attributes
    ----------
    rows : array of shape (B, V)
        Distributions of the next symbol, up to a factor for each row.
    factors : array of shape (B, V) or (B, 1)
        The factor of a word's weight for each next symbol.
    """

    rows: Floats
    factors: Floats | Flags

    def truncated(self, truncate: Callable[[Floats], Floats]) -> "Guide":
        """Return a guide for truncated distributions: every word that it gives has the weight 1."""
        rows = truncate(self.rows * self.factors)
        return Guide(rows, rows > 0)

    def gains(self, rows: Indices, symbols: Indices) -> Floats:
        """Return the factors of the weights for a symbol of each row, (n,) and (n,) -> (n,).

        It is 0 for a symbol without probability, which a draw from a row of zeros gives.
        """
        factors = np.broadcast_to(self.factors, self.rows.shape)[rows, symbols]
        return np.where(self.rows[rows, symbols] > 0, factors, 0.0)


class LookAhead:
    """An n-gram model that knows how probably a partial word will fulfil the constraints.

    Parameters
    ----------
    automaton : ConstrainedAutomaton
        The product of the n-gram model and the constraints.

    Attributes
    ----------
    first : int
        The state after the prefix.
    probability : float
        The probability of the constraints, given the prefix, in the n-gram model. Times the mean
        weight it is that in the steered model.
    truncates : bool
        Whether top-k and top-p apply.
    """

    truncates = True

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

        ``P`` (B, V) are the distributions of the model that is steered, ``states`` (B,).
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
    """Return a look-ahead made of words of the model, which need not fulfil the constraints.

    ``words`` (n,) holds them one after another, each with the boundary at its end. The result is
    None where there are no words, or where the alphabet is too large for a table.
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
        with suppress(SamplingError):  # the suffix may be less probable than any number above zero
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
