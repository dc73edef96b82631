"""Mini-batches of the training words: drawn without replacement, in memory that does not grow.

A corpus is read in blocks. A small one is one block; of a large one the blocks are parts of the
file, visited in an order that is drawn anew for each epoch. In a block each distinct word stands
once, with the number of its lines as its weight; its words are drawn in an order that is drawn anew
each time. What is drawn depends on the seed and on where in the corpus the training is, and on
nothing that happened before: training that is resumed needs to know only its position.

Each word has a role, by a hash of itself: training, held out or validation; a training word that a
fold leaves out is left out.
"""

import csv
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from makemore.arrays import Flags, Floats, Hashes, Ids, Indices, Integers, Symbols
from makemore.counting.passes import unknown_to
from makemore.counting.prefix_tree import alike
from makemore.counting.tables import add_at
from makemore.data.corpus import Corpus, can_be_cut, slices_of
from makemore.data.holdout import hash_lines, offsets_of, role_of
from makemore.data.table import Columns
from makemore.data.text import Lines, without_lines_holding
from makemore.data.vocabulary import BOUNDARY, Vocabulary
from makemore.training.record import Position

TRAINING, HELD_OUT, VALIDATION, LEFT_OUT = range(4)
"""The roles of words, the first three as ``role_of`` numbers them."""

BLOCK_BYTES = 1 << 23
"""The text of a block in bytes. What is made of it takes about ten times as much memory."""

SPREAD = 8
"""The number of blocks that words to measure a loss on come from: reading one takes 0.1 s."""


@dataclass(frozen=True)
class Words:
    """Distinct words with weights; those that begin alike stand together.

    Attributes
    ----------
    ids : array of shape (n,)
        Words in a row, the boundary after each; there may be others among them.
    starts, stops : arrays of shape (words,)
        Where each word starts in ``ids``, and where it stops, its boundary included.
    weights : array of shape (words,)
        How many lines hold each word.
    """

    ids: Symbols
    starts: Indices
    stops: Indices
    weights: Floats

    def __len__(self) -> int:
        """Return the number of words."""
        return len(self.starts)

    @property
    def lengths(self) -> Indices:
        """The symbols of each word, its end-of-word symbol included, (words,)."""
        return self.stops - self.starts

    @property
    def symbol_weights(self) -> Floats:
        """The weight of each symbol, that of its word, in the order of ``row``."""
        return np.repeat(self.weights, self.lengths)

    def row(self) -> tuple[Ids, Floats]:
        """Return the ids of the words in a row, the boundary after each, and their weights."""
        return self.ids[offsets_of(self.starts, self.lengths)].astype(np.int64), self.weights

    def alone(self) -> "Words":
        """Return the same words without the others among their ids."""
        stops = np.cumsum(self.lengths)
        ids = self.ids[offsets_of(self.starts, self.lengths)]
        return Words(ids, stops - self.lengths, stops, self.weights)

    def weighing(self, total: float) -> "Words":
        """Return the same words with weights that add up to a total."""
        return replace(self, weights=self.weights * (total / (self.weights.sum() or 1.0)))

    def chosen(self, which: Indices | slice) -> "Words":
        """Return some words. Those that begin alike stand together if ``which`` ascends."""
        return Words(self.ids, self.starts[which], self.stops[which], self.weights[which])

    def up_to(self, longest: int | None) -> "Words":
        """Return the words of at most so many characters; without a limit all of them."""
        return self if longest is None else self.chosen(np.flatnonzero(self.lengths - 1 <= longest))

    def parts(self, symbols: int) -> Iterator["Words"]:
        """Yield all words in parts of about so many symbols, or of one word."""
        part = (np.cumsum(self.lengths) - 1) // symbols
        for which in np.split(np.arange(len(self)), np.flatnonzero(np.diff(part)) + 1):
            yield self.chosen(which)

    def some(self, symbols: int) -> "Words":
        """Return every n-th word, so that they have at most about so many symbols together."""
        return self.chosen(slice(None, None, max(1, -(-int(self.lengths.sum()) // symbols))))


class Batches:
    """The mini-batches of a corpus, one after another without an end.

    Parameters
    ----------
    blocks : list of Corpus
        The corpus in parts, none of them too large for the memory.
    vocabulary : Vocabulary
    bounds : sequence of float
        The bounds of the ``Split`` into held-out, validation and training words.
    batch_size, seed : int
    fold, folds : int
        Training words are dealt into ``folds`` folds by their hashes, and those of number ``fold``,
        from 1, are ``LEFT_OUT`` instead; with 0 none are.

    Attributes
    ----------
    longest : int, optional
        Longer words, in characters, are left out.
    position : Position
        The next mini-batch.
    """

    def __init__(
        self,
        blocks: list[Corpus],
        vocabulary: Vocabulary,
        bounds: Sequence[float],
        batch_size: int,
        seed: int,
        fold: int = 0,
        folds: int = 0,
    ) -> None:
        self.fold, self._folds = fold, folds
        self._blocks = blocks
        self._vocabulary = vocabulary
        self._bounds = bounds
        self._batch_size = batch_size
        self._seed = seed
        self._loaded: tuple[int, Words] | None = None
        self._drawn: tuple[tuple[int, int], list[Indices]] | None = None
        self.longest: int | None = None
        self.position = Position()

    @property
    def block_count(self) -> int:
        """The number of blocks of the corpus."""
        return len(self._blocks)

    def words(self, role: int, symbols: int, longest: int | None = None) -> Words:
        """Return words of a role, of about so many symbols, from ``SPREAD`` blocks all over.

        Those of more characters than ``longest`` are left out.

        A sorted corpus has other words at its end. More blocks are read where these do not suffice.
        A word of several blocks stands once for each. What is chosen from one of several blocks has
        the weight of all words of the role there: a block whose words repeat has few of them.
        """
        n = len(self._blocks) if self._has(role) else 1
        least = min(n, SPREAD)
        first = [i * n // least for i in range(least)]
        found: list[Words] = []
        for number in [*first, *sorted({*range(n)} - {*first})]:
            words = self._words_of(self._blocks[number], role).up_to(longest)
            some = words.some(max(1, symbols // least)).alone()
            found.append(some.weighing(words.weights.sum()) if n > 1 else some)
            # what is chosen of a block that suffices is at least half of its share
            enough = 2 * sum(len(words.ids) for words in found) >= symbols
            if len(found) >= least and enough:
                break
        return _joined(found)

    def training_words(self, most: int) -> int:
        """Return the number of training words; counting ends where it has reached ``most``.

        A word of several blocks counts once for each.
        """
        count = 0
        for block in self._blocks:
            count += len(self._words_of(block, TRAINING))
            if count >= most:
                break
        return count

    def first_words(self) -> Words:
        """Return the training words of the block that is drawn first, or of the first with some.

        They stay loaded for the mini-batches.
        """
        for number in self._generator(0).permutation(len(self._blocks)).tolist():
            self._loaded = None  # frees the memory before more is taken
            self._loaded = number, self._words_of(self._blocks[number], TRAINING)
            if len(self._loaded[1]):
                break
        assert self._loaded is not None
        return self._loaded[1]

    def _has(self, role: int) -> bool:
        """Return whether the bounds give this role to any word."""
        held_out, validation = self._bounds
        return {HELD_OUT: held_out > 0, VALIDATION: validation > held_out}.get(role, True)

    def next(self) -> Words:
        """Return the words of the next mini-batch."""
        at = self.position
        while True:
            words, parts = self._block(at)
            if at.batch < len(parts):
                self.position = at._replace(batch=at.batch + 1)
                return words.chosen(np.sort(parts[at.batch]))
            is_last = at.block + 1 == len(self._blocks)
            at = Position(at.epoch + 1) if is_last else Position(at.epoch, at.block + 1)

    def _block(self, at: Position) -> tuple[Words, list[Indices]]:
        """Return the training words of the block at a position, and its batches."""
        if self._drawn is None or self._drawn[0] != (at.epoch, at.block):
            order = self._generator(at.epoch).permutation(len(self._blocks))
            number = int(order[at.block])
            if self._loaded is None or self._loaded[0] != number:
                self._loaded = self._drawn = None  # frees the memory before more is taken
                self._loaded = number, self._words_of(self._blocks[number], TRAINING)
            self._drawn = (at.epoch, at.block), self._parts(self._loaded[1], at)
        assert self._loaded is not None
        return self._loaded[1], self._drawn[1]

    def _parts(self, words: Words, at: Position) -> list[Indices]:
        """Return the words of each batch of a block; batches are as equal in size as possible."""
        which = self._generator(at.epoch, at.block + 1).permutation(len(words))
        if self.longest is not None:
            which = which[words.lengths[which] <= self.longest + 1]
        count = max(1, round(len(which) / self._batch_size))
        return np.array_split(which, count) if len(which) else []

    def _generator(self, *place: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, 1, *place])

    def _words_of(self, block: Corpus, role: int) -> Words:
        """Return the distinct words of a role in a block."""
        unknown = unknown_to(self._vocabulary)
        blocks = block.read().blocks(counts_lines=True)
        lines = _concatenated([without_lines_holding(unknown, lines)[0] for lines in blocks])
        hashes = hash_lines(np.frombuffer(lines.text.encode(), np.uint8))
        ids = self._vocabulary.encode_text(lines.text)
        roles = role_of(hashes, self._bounds)
        if self.fold:
            is_left_out = hashes % np.uint64(self._folds) == self.fold - 1
            roles[(roles == TRAINING) & is_left_out] = LEFT_OUT
        return _distinct(ids, hashes, lines.weights, roles == role)


def _concatenated(parts: Sequence[Lines]) -> Lines:
    """Return all lines together."""
    weights = [part.weights for part in parts if part.weights is not None]
    text = "".join(part.text for part in parts)
    return Lines(text, np.concatenate(weights) if weights else None)


def _distinct(ids: Symbols, hashes: Hashes, weights: Integers | None, is_wanted: Flags) -> Words:
    """Return the distinct wanted words among lines of ids with these hashes and weights."""
    stops = np.flatnonzero(ids == BOUNDARY) + 1
    starts = np.concatenate((np.zeros(1, np.intp), stops))[:-1]
    wanted = np.flatnonzero(is_wanted & (stops - starts > 1))
    _, first, which = np.unique(hashes[wanted], return_index=True, return_inverse=True)
    counts = np.zeros(len(first), np.int64)
    add_at(counts, which, None if weights is None else weights[wanted])
    lines = wanted[first]
    order = alike(ids, starts[lines])
    lines = lines[order]
    return Words(ids, starts[lines], stops[lines], counts[order].astype(np.float64))


def _joined(parts: list[Words]) -> Words:
    before = np.cumsum([0, *(len(part.ids) for part in parts[:-1])])
    ids = np.concatenate([part.ids for part in parts])
    starts, stops = (
        np.concatenate([getattr(part, name) + n for part, n in zip(parts, before, strict=True)])
        for name in ("starts", "stops")
    )
    order = alike(ids, starts)
    weights = np.concatenate([part.weights for part in parts])
    return Words(ids, starts[order], stops[order], weights[order])


@contextmanager
def blocks_of(corpus: Corpus, block_bytes: int = BLOCK_BYTES) -> Iterator[list[Corpus]]:
    """Give a corpus in parts that can be read in any order.

    A corpus that cannot be cut, such as a compressed one or a pipe, is copied to a temporary file.
    """
    if not can_be_cut(corpus):
        with tempfile.TemporaryDirectory(prefix="makemore-") as folder:
            copy = _copied(corpus, os.path.join(folder, "corpus"))
            yield [replace(copy, sources=(part,)) for part in slices_of(copy, block_bytes)]
    elif (corpus.size() or 0) <= block_bytes:
        yield [corpus]
    else:
        yield [replace(corpus, sources=(part,)) for part in slices_of(corpus, block_bytes)]


def _copied(corpus: Corpus, path: str) -> Corpus:
    """Write the words of a corpus to a file, with their weights where it has some; return that."""
    blocks = corpus.read().blocks(counts_lines=True)
    columns = None
    with open(path, "w", encoding="utf-8", newline="") as file:
        for text, weights in blocks:
            if weights is None:
                file.write(text)
                continue
            columns = Columns("1", "2", ",")
            rows = zip(text.split("\n"), weights.tolist(), strict=False)  # the last line has no end
            quoted = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
            quoted.writerows(row for row in rows if row[0])
    return Corpus.from_paths(path, columns=columns)
