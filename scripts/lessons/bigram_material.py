"""The material of the lesson bigram: the word to follow, and values that several stages use."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lessons.setting import Setting, refuse_length
from lessons.stage import table
from makemore import Vocabulary, bigram_pairs, count_pairs
from makemore.arrays import Counts, Floats, Ids
from makemore.data.vocabulary import BOUNDARY
from makemore.errors import CorpusError, shown
from makemore.models.bigram import one_hot
from makemore.pictures.labels import symbol_label
from makemore.training.descent import gradient_descent, initial_weights

STEPS = 10
LATER_STEPS = (200, 1_000)
LEARNING_RATE = 50.0
MAX_CELLS = 1 << 25
"""The maximum size of X for all words, 256 MiB. The literal form needs several such matrices."""


@dataclass(frozen=True)
class Material:
    """Values that the stages share. B is the number of pairs of the word, V that of symbols."""

    setting: Setting

    @property
    def name(self) -> str:
        """The name of the list."""
        return self.setting.name

    @property
    def words(self) -> tuple[str, ...]:
        """All words of the list."""
        return self.setting.words

    @property
    def word(self) -> str:
        """The word that most stages follow."""
        return self.setting.followed

    @property
    def seed(self) -> int:
        """The seed of the random weights and of the samples."""
        return self.setting.seed

    @property
    def learning_rate(self) -> float:
        """The learning rate of the descent."""
        return self.setting.learning_rate or LEARNING_RATE

    @property
    def vocabulary(self) -> Vocabulary:
        """The symbols of all words."""
        return self.setting.vocabulary

    @property
    def V(self) -> int:
        """The number of symbols."""
        return len(self.vocabulary)

    @cached_property
    def labels(self) -> list[str]:
        """The symbols as they are printed, by id; the boundary is a dot."""
        return [symbol_label(symbol) for symbol in self.vocabulary.itos]

    @cached_property
    def pairs(self) -> tuple[Ids, Ids]:
        """Inputs and targets of the word, shape (B,) each."""
        return bigram_pairs([self.word], self.vocabulary)

    @cached_property
    def bigrams(self) -> list[str]:
        """The pairs of the word as text, length B."""
        return [self.labels[x] + self.labels[y] for x, y in zip(*self.pairs, strict=True)]

    @cached_property
    def columns(self) -> list[int]:
        """The ids in the word, boundary included, whose columns are printed."""
        return sorted({BOUNDARY, *self.pairs[0].tolist()})

    @cached_property
    def weights(self) -> Floats:
        """The random weights W that learning starts from, shape (V, V)."""
        return initial_weights(self.V, self.seed)

    @cached_property
    def logits(self) -> Floats:
        """X @ W for the pairs of the word, shape (B, V)."""
        return np.asarray(one_hot(self.pairs[0], self.V) @ self.weights)

    @cached_property
    def all_pairs(self) -> tuple[Ids, Ids]:
        """Inputs and targets of all words, shape (symbols,) each."""
        return bigram_pairs(self.words, self.vocabulary)

    @cached_property
    def counts(self) -> Counts:
        """N of all words, shape (V, V)."""
        return count_pairs(*self.all_pairs, self.V)

    @cached_property
    def descent(self) -> dict[int, Floats]:
        """The weights after 0 .. STEPS and after LATER_STEPS steps, by their number."""
        steps = gradient_descent(
            self.counts, self.weights, steps=max(LATER_STEPS), learning_rate=self.learning_rate
        )
        taken = {0: self.weights}
        taken |= {
            step.number + 1: step.weights
            for step in steps
            if step.number < STEPS or step.number + 1 in LATER_STEPS
        }
        return taken

    @property
    def firsts(self) -> list[str]:
        """The input of each pair of the word, as it is printed."""
        return [self.labels[x] for x in self.pairs[0].tolist()]

    def matrix(self, names: Sequence[str], rows: Floats) -> list[str]:
        """Return a matrix of V columns as lines, but only the columns that occur in the word."""
        more = ["..."] if len(self.columns) < self.V else []
        cells = [
            [name, *row[self.columns].tolist(), *more]
            for name, row in zip(names, rows, strict=True)
        ]
        return table(["", *(self.labels[j] for j in self.columns), *more], cells)


def material_of(setting: Setting) -> Material:
    """Return the material of a setting. Raises ``MakemoreError`` if it is too large."""
    material = Material(setting)
    refuse_length(material.word)
    cells = (sum(map(len, setting.words)) + len(setting.words)) * material.V
    if cells > MAX_CELLS:
        raise CorpusError(
            f"{shown(setting.name)} is too large for the literal form: X has {cells:,} cells and"
            f" the limit is {MAX_CELLS:,}; take fewer words"
        )
    return material


def shortened(text: str, limit: int = 18) -> str:
    """Return the text, printable and cut off if it is longer than ``limit``."""
    text = shown(text)
    return text if len(text) <= limit else text[: limit - 3] + "..."
