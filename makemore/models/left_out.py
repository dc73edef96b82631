"""Words of the training corpus as an n-gram model would find them that has not seen them.

Leaving a word out takes its n-grams from the counts, as often as the word occurs, and those that
are gone then from the numbers of distinct symbols that their suffixes follow. All words of a batch
are left out at once, each by itself: a *pair* is a word and one of its n-grams. Only the discounts
stay those of all words.
"""

from typing import NamedTuple

import numpy as np

from makemore.arrays import Flags, Floats, Ids, Integers
from makemore.counting.ngrams import mark_first
from makemore.data.vocabulary import BOUNDARY
from makemore.models.backoff import ROOT, START, Links
from makemore.models.base import word_batches
from makemore.models.ngram import Ngram, kneser_ney_discounts

_BATCH = 1 << 13
"""The symbols of the words that are left out at once, so that the arrays stay in the cache."""


class _Counted(NamedTuple):
    """What Kneser-Ney counts; A n-grams, S states.

    Attributes
    ----------
    suffixes : array of shape (A,)
    is_extended : array of shape (A,), bool
        Which n-grams count by the number of distinct symbols before them.
    counts : array of shape (A,)
        That number, or how often the n-gram occurs.
    levels : array of shape (A,)
    discounts : array of shape (K, 4)
        By level and count, 3 standing for all above.
    totals, discounted : array of shape (S,)
        The sums of the counts, and of the discounts, after each state.
    """

    suffixes: Integers
    is_extended: Flags
    counts: Integers
    levels: Integers
    discounts: Floats
    totals: Integers
    discounted: Floats

    def discounts_of(self, ngrams: Integers, counts: Integers) -> Floats:
        """Return the discounts of n-grams that count so often."""
        return np.asarray(self.discounts[self.levels[ngrams], np.minimum(counts, 3)])


def left_out_log_probabilities(model: Ngram, ids: Ids, copies: Integers) -> Floats:
    """Return log P of each symbol by the model of all training words but its own, in nats, (n,).

    Parameters
    ----------
    model : Ngram
        Smoothed by Kneser-Ney.
    ids : array of shape (n,)
        Words of its training corpus, a boundary after each.
    copies : array of shape (words,)
        How often each of them occurs there.
    """
    links = Links(model.tree)
    counted = _counted(model, links)
    found, first = np.empty(len(ids)), 0
    for part in word_batches(ids, _BATCH):
        last = first + int(np.count_nonzero(ids[part] == BOUNDARY))
        found[part] = _left_out(model, links, counted, ids[part], copies[first:last])
        first = last
    return found


def _left_out(model: Ngram, links: Links, counted: _Counted, ids: Ids, copies: Integers) -> Floats:
    """Return what ``left_out_log_probabilities`` does for a batch of words."""
    tree, A, V = model.tree, len(model.tree.keys), model.tree.V
    found = _ngrams_at(model, links, ids)
    is_there = found >= 0
    word_of = np.cumsum(ids == BOUNDARY) - (ids == BOUNDARY)
    pairs, where, uses = _distinct((word_of[:, None] * A + found)[is_there])
    words, ngrams = np.divmod(pairs, A)
    left = tree.counts[ngrams] - uses * copies[words]
    is_gone = (left == 0) & (counted.suffixes[ngrams] >= 0)
    of_suffixes = words[is_gone] * A + counted.suffixes[ngrams[is_gone]]
    lost = np.bincount(np.searchsorted(pairs, of_suffixes), minlength=len(pairs))
    before = counted.counts[ngrams]
    after = np.where(counted.is_extended[ngrams], before - lost, left)
    discounts = counted.discounts_of(ngrams, after)
    states = tree.keys[ngrams] // V
    # pairs ascend by word and n-gram, so those with the same context are neighbours
    group = np.cumsum(mark_first(words * len(links.suffix_states) + states)) - 1
    totals = counted.totals[states] - np.bincount(group, before - after)[group]
    change = counted.discounts_of(ngrams, before) - discounts
    backoffs = counted.discounted[states] - np.bincount(group, change)[group]
    is_context = totals > 0
    shares = np.where(is_context, (after - discounts) / np.maximum(totals, 1), 0.0)
    backoffs = np.where(is_context, backoffs / np.maximum(totals, 1), 1.0)
    pair_at = np.full(found.shape, -1)
    pair_at[is_there] = where
    P = np.full(len(ids), 1.0 / V)
    for column in pair_at.T:
        P = np.where(column >= 0, shares[column] + backoffs[column] * P, P)
    return np.asarray(np.log(P))


def _distinct(values: Integers) -> tuple[Integers, Integers, Integers]:
    """Return the distinct values, ascending, where each value stands among them, and its count."""
    order = np.argsort(values, kind="stable")
    is_first = mark_first(values[order])
    where = np.empty(len(values), np.int64)
    where[order] = np.cumsum(is_first) - 1
    starts = np.flatnonzero(is_first)
    return values[order[starts]], where, np.diff(starts, append=len(values))


def _counted(model: Ngram, links: Links) -> _Counted:
    tree = model.tree
    contexts, S = tree.keys // tree.V, len(links.suffix_states)
    extensions = np.bincount(links.suffixes[links.suffixes >= 0], minlength=len(tree.keys))
    counts = np.where(extensions > 0, extensions, tree.counts)
    levels = np.repeat(np.arange(len(tree.sizes)), tree.sizes)
    discounts = np.array([[0.0, *kneser_ney_discounts(counts[level])] for level in tree.levels()])
    discounted = discounts[levels, np.minimum(counts, 3)]
    return _Counted(
        links.suffixes.astype(np.int64),
        extensions > 0,
        counts,
        levels,
        discounts,
        np.bincount(contexts, counts, S).astype(np.int64),
        np.asarray(np.bincount(contexts, discounted, S), np.float64),
    )


def _ngrams_at(model: Ngram, links: Links, ids: Ids) -> Integers:
    """Return the n-grams that end at each symbol, the shortest first, -1 for none, (n, order)."""
    tree = model.tree
    own_states = np.where(tree.is_state(), links.next_states, -1)
    states = np.full(len(ids), ROOT)
    found = np.full((len(ids), len(tree.sizes)), -1)
    for k in range(len(tree.sizes)):
        at = np.flatnonzero(states >= 0)
        found[at, k] = np.searchsorted(tree.keys, states[at] * tree.V + ids[at])
        longer = np.where(found[:-1, k] >= 0, own_states[found[:-1, k]], -1)
        longer[ids[:-1] == BOUNDARY] = START if k == 0 else -1
        states = np.concatenate(([START if k == 0 else -1], longer))
    return found
