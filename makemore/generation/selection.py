"""Chooses the best of many words: probable ones that differ from each other and from known ones.

By mean surprisal alone the best words of a list of companies are "Bright Motors", "Bright Systems",
"Bright Harbor". So words are chosen one by one, and what a word has in common with the chosen ones
is penalised (maximal marginal relevance, Carbonell and Goldstein 1998). The next word is the one
with the smallest

    mean surprisal + COMMON * share of its trigrams that a chosen word has

in nats per symbol. The beginning and the end of a word count as symbols of trigrams.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from makemore.arrays import Floats
from makemore.data.vocabulary import Vocabulary
from makemore.evaluation.losses import score_words
from makemore.generation.novelty import Neighbours, near_words
from makemore.generation.writers import PATIENCE
from makemore.models.base import Model

COMMON = 1.0
"""The penalty of a word all of whose trigrams occur in chosen words, in nats per symbol."""

DRAWN, MIN_DRAWN = 100, 5_000
"""The number of words drawn for each chosen word, and the minimum in all."""

CONSIDERED, MIN_CONSIDERED = 20, 1_000
"""The best of them are considered first: their number for each chosen word, and the minimum."""


def best_words(
    model: Model,
    words: Iterable[str],
    count: int,
    *,
    min_distance: int = 1,
    known: Sequence[str] | None = None,
) -> list[str]:
    """Return up to ``count`` of the best words, the best one first.

    Parameters
    ----------
    model : Model
    words : iterable of str
        Distinct words: ``words_needed`` of them, or fewer.
    count : int
    min_distance : int
        The minimum number of edits between chosen words. An edit changes symbols.
    known : sequence of str, optional
        Blocks of lines as ``Vocabulary.shortened`` writes them. The minimum distance holds for each
        line, too.
    """
    vocabulary = model.vocabulary
    drawn = list(islice(words, words_needed(count)))
    mean = score_words(model, drawn).mean
    order = np.argsort(mean, kind="stable").tolist()
    size = max(MIN_CONSIDERED, CONSIDERED * count)
    kept: list[tuple[str, float]] = []
    chosen: list[str] = []
    for first in range(0, len(order), size):
        batch = order[first : first + size]
        shortened = [vocabulary.shortened(drawn[i]) for i in batch]
        near = near_words(shortened, known or (), min_distance - 1)
        means = mean[batch].tolist()
        kept += [pair for pair in zip(shortened, means, strict=True) if pair[0] not in near]
        chosen = list(islice(_greedy(kept, Neighbours(min_distance - 1)), count))
        if len(chosen) == count:
            break
    return [vocabulary.spelled_out(word) for word in chosen]


def words_needed(count: int) -> int:
    """Return how many words to draw in order to choose ``count`` of them."""
    return max(MIN_DRAWN, DRAWN * count) if count else 0


def far_words(
    vocabulary: Vocabulary,
    words: Iterator[str],
    count: int,
    *,
    min_distance: int,
    known: Sequence[str] | None = None,
) -> Iterator[str]:
    """Yield up to ``count`` of the words, in their order, at the minimum distance or more.

    The parameters are those of ``best_words``. It ends where ``PATIENCE`` words in a row are too
    near, for there may be endlessly many of them.
    """
    chosen, misses = Neighbours(min_distance - 1), 0
    while count > 0 and misses < PATIENCE:
        batch = list(islice(words, max(MIN_CONSIDERED, 2 * count)))
        if not batch:
            return
        shortened = [vocabulary.shortened(word) for word in batch]
        near = near_words(shortened, known or (), min_distance - 1)
        for word in shortened:
            misses += 1
            if count > 0 and word not in near and not chosen.has_near(word):
                chosen.add(word)
                count, misses = count - 1, 0
                yield vocabulary.spelled_out(word)


def most_probable_first(model: Model, words: Sequence[str]) -> list[str]:
    """Return the words by falling probability; equally probable ones keep their order."""
    order = np.argsort(score_words(model, words).total, kind="stable")
    return [words[i] for i in order.tolist()]


def _greedy(words: Sequence[tuple[str, float]], chosen: Neighbours) -> Iterator[str]:
    """Yield words, given with their mean surprisals, in the order of the module's docstring."""
    trigrams = [_trigrams(word) for word, _ in words]
    holders: dict[str, list[int]] = defaultdict(list)
    for i, own in enumerate(trigrams):
        for trigram in own:
            holders[trigram].append(i)
    cost: Floats = np.array([nats for _, nats in words])
    for _ in words:
        best = int(cost.argmin())
        word, cost[best] = words[best][0], np.inf
        if chosen.has_near(word):
            continue
        chosen.add(word)
        yield word
        for trigram in trigrams[best]:
            for i in holders.pop(trigram, ()):
                cost[i] += COMMON / len(trigrams[i])


def _trigrams(word: str) -> set[str]:
    r"""Return the distinct trigrams of a word.

    >>> sorted(_trigrams("ana"))
    ['\nan', 'ana', 'na\n']
    """
    whole = f"\n{word}\n"
    return {whole[i : i + 3] for i in range(len(whole) - 2)}
