"""Words of the training corpus as an n-gram model would find them that has not seen them.

Leaving a word out takes its n-grams from the counts, as often as the word occurs, and those that
are gone then from the numbers of distinct symbols that their suffixes follow. All words of a batch
are left out at once, each by itself: a *pair* is a word and one of its n-grams. Only the discounts
stay those of all words.
"""

from typing import NamedTuple

import numpy as np

from makemore.arrays import Flags, Floats, Ids, Integers, States
from makemore.counting.tables import mark_first
from makemore.data.vocabulary import BOUNDARY
from makemore.models.backoff import ROOT, START, Links, NgramTree
from makemore.models.base import word_batches
from makemore.models.ngram import Ngram, kneser_ney_discounts

_BATCH = 1 << 13
"""The symbols of the words that are left out at once, so that the arrays stay in the cache."""

_MAX_TABLE = 1 << 22
"""The maximum number of keys for which a table says where each stands: 16 MiB."""


class _Counted(NamedTuple):
    """What Kneser-Ney counts; A n-grams, S states, V symbols.

    Attributes
    ----------
    keys : array of shape (A,)
    table : array of shape (S * V,), int32
        Where each key stands; it is empty if it would be too large.
    own_states : array of shape (A,)
        The states that n-grams are; -1 where nothing follows them.
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

    keys: Integers
    table: States
    own_states: Integers
    suffixes: Integers
    is_extended: Flags
    counts: Integers
    levels: Integers
    discounts: Floats
    totals: Integers
    discounted: Floats

    def find(self, keys: Integers) -> Integers | States:
        """Return the n-grams with these keys, each of which occurs."""
        # the table is ten times as fast as the search, but large
        return self.table.take(keys) if len(self.table) else np.searchsorted(self.keys, keys)

    def discounts_of(self, ngrams: Integers, counts: Integers) -> Floats:
        """Return the discounts of n-grams that count so often."""
        return self.discounts.take(4 * self.levels.take(ngrams) + np.minimum(counts, 3))


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
    found = _ngrams_at(counted, tree, ids)
    is_there = found >= 0
    word_of = np.cumsum(ids == BOUNDARY) - (ids == BOUNDARY)
    # a symbol's n-grams stand one after the other, each after its suffix
    values = (word_of[:, None] * A + found)[is_there]
    order = np.argsort(values)
    is_first = mark_first(values.take(order))
    pair_of = np.empty(len(values), np.int64)
    pair_of[order] = np.cumsum(is_first) - 1
    starts = np.flatnonzero(is_first)
    firsts = order.take(starts)  # where each pair stands
    words, ngrams = np.divmod(values.take(firsts), A)
    uses = np.diff(starts, append=len(values))
    left = tree.counts.take(ngrams) - uses * copies.take(words)
    is_gone = (left == 0) & (counted.suffixes.take(ngrams) >= 0)
    lost = np.bincount(pair_of.take(firsts[is_gone] - 1), minlength=len(firsts))
    before = counted.counts[ngrams]
    after = np.where(counted.is_extended.take(ngrams), before - lost, left)
    discounts = counted.discounts_of(ngrams, after)
    states = tree.keys.take(ngrams) // V
    # pairs ascend by word and n-gram, so those with the same context are neighbours
    group = np.cumsum(mark_first(words * len(links.suffix_states) + states)) - 1
    totals = counted.totals.take(states) - np.bincount(group, before - after).take(group)
    change = counted.discounts_of(ngrams, before) - discounts
    backoffs = counted.discounted.take(states) - np.bincount(group, change).take(group)
    is_context = totals > 0
    shares = np.where(is_context, (after - discounts) / np.maximum(totals, 1), 0.0)
    backoffs = np.where(is_context, backoffs / np.maximum(totals, 1), 1.0)
    pair_at = np.full(found.shape, -1)
    pair_at[is_there] = pair_of
    P = np.full(len(ids), 1.0 / V)
    for column in pair_at.T:
        P = np.where(column >= 0, shares.take(column) + backoffs.take(column) * P, P)
    return np.asarray(np.log(P))


def _counted(model: Ngram, links: Links) -> _Counted:
    tree = model.tree
    contexts, S = tree.keys // tree.V, len(links.suffix_states)
    extensions = np.bincount(links.suffixes[links.suffixes >= 0], minlength=len(tree.keys))
    counts = np.where(extensions > 0, extensions, tree.counts)
    levels = np.repeat(np.arange(len(tree.sizes)), tree.sizes)
    discounts = np.array([[0.0, *kneser_ney_discounts(counts[level])] for level in tree.levels()])
    discounted = discounts[levels, np.minimum(counts, 3)]
    table = np.empty(0, np.int32)
    if S * tree.V <= _MAX_TABLE:
        table = np.empty(S * tree.V, np.int32)  # most of it is never read
        table[tree.keys] = np.arange(len(tree.keys), dtype=np.int32)
    return _Counted(
        tree.keys,
        table,
        np.where(tree.is_state(), links.next_states, -1),
        links.suffixes.astype(np.int64),
        extensions > 0,
        counts,
        levels,
        discounts,
        np.bincount(contexts, counts, S).astype(np.int64),
        np.asarray(np.bincount(contexts, discounted, S), np.float64),
    )


def _ngrams_at(counted: _Counted, tree: NgramTree, ids: Ids) -> Integers:
    """Return the n-grams that end at each symbol, the shortest first, -1 for none, (n, order)."""
    states = np.full(len(ids), ROOT)
    found = np.full((len(ids), len(tree.sizes)), -1)
    for k in range(len(tree.sizes)):
        at = np.flatnonzero(states >= 0)
        ngrams = counted.find(states.take(at) * tree.V + ids.take(at))
        found[at, k] = ngrams
        longer = np.full(len(ids) + 1, -1)
        longer[at + 1] = counted.own_states.take(ngrams)
        longer[np.flatnonzero(ids == BOUNDARY) + 1] = longer[0] = START if k == 0 else -1
        states = longer[:-1]
    return found
