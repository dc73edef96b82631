"""The setting of a lesson: words, a seed, and the number of training steps."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from makemore import Corpus, TrainingOptions, Vocabulary
from makemore.data.download import bundled_names, names_are_intact
from makemore.errors import CorpusError, OptionError, shown
from makemore.pictures.labels import symbol_label

PROJECT = Path(__file__).parents[2]
MAX_SYMBOLS = 2_000_000
"""The maximum size of a list in symbols, so that a lesson ends in minutes."""
MIN_WORDS = 20
"""The minimum number of words to train networks on: a tenth of them is two words."""
SHORT = 7
"""The preferred maximum length of the word to follow."""
MAX_WORD = 12
"""The maximum length of the word to follow, so that its tables fit on the screen."""
MAX_CELLS = 1 << 25
"""The maximum size of the one-hot rows of all words, 256 MiB."""


@dataclass(frozen=True)
class Setting:
    """The setting of a lesson.

    Attributes
    ----------
    words : tuple of str
        All words of the list, in its order.
    name : str
        The name of the list.
    seed : int
        The seed of all random numbers.
    effort : float
        The factor of the numbers of training steps, so that tests run a lesson in seconds.
    word : str or None
        The word to follow; by default it is the first short one.
    learning_rate : float or None
        The learning rate, in lessons that have this option.
    """

    words: tuple[str, ...]
    name: str
    seed: int = 0
    effort: float = 1.0
    word: str | None = None
    learning_rate: float | None = None

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The symbols of all words."""
        return Vocabulary("".join(self.words))

    @cached_property
    def labels(self) -> list[str]:
        """The symbols by id, as they are printed; the boundary is a dot."""
        return [symbol_label(symbol) for symbol in self.vocabulary.itos]

    @property
    def followed(self) -> str:
        """The word that stages follow."""
        short = (word for word in self.words if len(word) <= SHORT)
        return self.word or next(short, min(self.words, key=len))

    @property
    def described(self) -> str:
        """The number of words and the name of their list."""
        return f"{len(self.words):,} words of {shown(self.name)}"

    def steps(self, number: int) -> int:
        """Return the number of training steps, which is ``number`` in a full lesson."""
        return max(1, round(self.effort * number))

    @property
    def is_trained(self) -> bool:
        """Whether there are enough training steps to judge what was learnt."""
        return self.effort >= 0.5

    def generator(self, offset: int = 0) -> np.random.Generator:
        """Return a generator of random numbers; other offsets give independent ones."""
        return np.random.default_rng([self.seed, offset])

    def refuse_symbols(self, least: int, most: int) -> None:
        """Raise ``CorpusError`` unless the words have between ``least`` and ``most`` symbols."""
        V = len(self.vocabulary)
        if not least <= V <= most:
            raise CorpusError(
                f"{shown(self.name)} has {V:,} symbols, and this lesson takes {least} to {most:,}:"
                " take another list"
            )

    def split(self) -> tuple[list[str], list[str], list[str]]:
        """Return 80 % of the words to train on, 10 % to validate with and 10 % to test with.

        The words are shuffled first. A word that occurs twice can be in two of the parts.
        """
        if len(self.words) < MIN_WORDS:
            raise CorpusError(
                f"{shown(self.name)} has {len(self.words)} words, and this lesson needs"
                f" {MIN_WORDS}: take a longer list"
            )
        order = np.random.default_rng(self.seed).permutation(len(self.words)).tolist()
        shuffled = [self.words[place] for place in order]
        first, second = int(0.8 * len(shuffled)), int(0.9 * len(shuffled))
        return shuffled[:first], shuffled[first:second], shuffled[second:]


def find_setting(
    path: str | None = None,
    word: str | None = None,
    seed: int = 0,
    learning_rate: float | None = None,
) -> Setting:
    """Return the setting for the words of a file, of data/names.txt or of the package's own list.

    Raises ``MakemoreError`` for a list that cannot be read and for values out of range.
    """
    TrainingOptions(seed=seed, learning_rate=learning_rate)  # raises for values out of range
    corpus = Corpus.from_paths(path or _names())
    words, symbols = [], 0
    for entry in corpus.words():
        words.append(entry)
        symbols += len(entry) + 1
        if symbols > MAX_SYMBOLS:
            raise CorpusError(
                f"{shown(corpus.name)} is too large for a lesson: the limit is {MAX_SYMBOLS:,}"
                " symbols; take fewer words"
            )
    if not words:
        raise CorpusError(f"{shown(corpus.name)} holds no words: expected one on each line")
    setting = Setting(tuple(words), corpus.name, seed, 1.0, word, learning_rate)
    if word is not None:
        refuse_length(word)
        _refuse_characters(word, setting)
    return setting


def _refuse_characters(word: str, setting: Setting) -> None:
    """Raise ``OptionError`` for a word with a character that occurs in no word of the list."""
    for character in word:
        if character not in setting.vocabulary.stoi:
            raise OptionError(
                f"--word {shown(word)}: no word of {shown(setting.name)} has the character"
                f" '{shown(character)}'; choose another word"
            )


def refuse_length(word: str) -> None:
    """Raise ``OptionError`` for a word to follow whose tables would not fit on the screen."""
    if not 1 <= len(word) <= MAX_WORD:
        raise OptionError(
            f"the word to follow has {len(word)} characters and must have 1 to {MAX_WORD}: choose"
            " another by --word"
        )


def refuse_size(setting: Setting) -> None:
    """Raise ``MakemoreError`` for a word too long to follow, or too many words for one-hot rows."""
    refuse_length(setting.followed)
    cells = (sum(map(len, setting.words)) + len(setting.words)) * len(setting.vocabulary)
    if cells > MAX_CELLS:
        raise CorpusError(
            f"{shown(setting.name)} is too large for one-hot rows: they have {cells:,} cells and"
            f" the limit is {MAX_CELLS:,}; take fewer words"
        )


def _names() -> Path:
    """Return the path of names.txt if it was downloaded, or of the list in the package."""
    for folder in (Path(), PROJECT):
        if names_are_intact(folder / "data/names.txt"):
            return folder / "data/names.txt"
    return bundled_names()
