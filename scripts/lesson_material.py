"""What the lesson is about: the words, the one to follow, and what several stages need of them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from makemore.arrays import Counts, Floats, Ids
from makemore.counting.bigrams import bigram_pairs, count_pairs
from makemore.data.corpus import Corpus
from makemore.data.download import bundled_names, names_are_intact
from makemore.data.vocabulary import BOUNDARY, Vocabulary
from makemore.errors import CorpusError, OptionError, shown
from makemore.models.bigram import one_hot
from makemore.pictures.labels import symbol_label
from makemore.training.descent import gradient_descent, initial_weights
from makemore.training.options import TrainingOptions

PROJECT = Path(__file__).parents[1]
STEPS = 10
LATER_STEPS = (200, 1_000)
MAX_CELLS = 1 << 25
"""The most cells of X for all words: 256 MiB. The literal form needs several such matrices."""
SHORT = 7
"""So many characters has the word to follow at most, where the corpus has such a word."""
MAX_WORD = 12
"""The longest word to follow, in characters: its tables stay on the screen."""


@dataclass(frozen=True)
class Material:
    """What all stages share. B is the number of pairs of the word, V that of the symbols.

    Attributes
    ----------
    name : str
        Of the corpus.
    words : list of str
        All of the corpus.
    word : str
        The one that most stages follow.
    seed : int
        Of the random weights and of the samples.
    learning_rate : float
    """

    name: str
    words: list[str]
    word: str
    seed: int = 0
    learning_rate: float = 50.0

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The symbols of all words."""
        return Vocabulary("".join(self.words))

    @property
    def V(self) -> int:
        """How many symbols there are."""
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
        """The ids that occur in the word, boundary included: the columns worth printing."""
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


def find_material(path: str | None, word: str | None, seed: int, learning_rate: float) -> Material:
    """Return the material: of a file, else of data/names.txt, else of the list in the package.

    Without a word it is the first that is short. Raises ``MakemoreError``.
    """
    TrainingOptions(seed=seed, learning_rate=learning_rate)  # which refuses what is out of range
    corpus = Corpus.from_paths(path or _names())
    words = list(corpus.words())
    if not words:
        raise CorpusError(f"{shown(corpus.name)} holds no word: expected one a line")
    if word is None:
        word = next((w for w in words if len(w) <= SHORT), min(words, key=len))
    if not 1 <= len(word) <= MAX_WORD:
        raise OptionError(
            f"the word to follow has {len(word)} characters and must have 1 to {MAX_WORD}: choose"
            " another by --word"
        )
    material = Material(corpus.name, words, word, seed, learning_rate)
    cells = (sum(map(len, words)) + len(words)) * material.V
    if cells > MAX_CELLS:
        raise CorpusError(
            f"{shown(corpus.name)} is too large for the literal form: X has {cells:,} cells and the"
            f" limit is {MAX_CELLS:,}; take fewer words"
        )
    material.vocabulary.encode(word)  # which refuses a character that is in no word
    return material


def _names() -> Path:
    """Return the path of names.txt where it was downloaded to, or of the list in the package."""
    for folder in (Path(), PROJECT):
        if names_are_intact(folder / "data/names.txt"):
            return folder / "data/names.txt"
    return bundled_names()


def shortened(text: str, most: int = 18) -> str:
    """Return the text, printable, cut where it is longer than ``most``."""
    text = shown(text)
    return text if len(text) <= most else text[: most - 3] + "..."
