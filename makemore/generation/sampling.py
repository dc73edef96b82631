"""Draws of words from any model, many at a time and exactly from its distribution.

Words are drawn in groups, all words of a group together; ``writers.py`` says how. Each group has
its own random stream, made of the seed and the group's number, so the first words do not depend on
how many are drawn.

``temperature`` changes the model. ``top_k``, ``top_p`` and temperature 0 choose among the symbols
that can lead to a word that fulfils the constraints. A prefix is given and not drawn.
"""

import itertools
import os
import sys
from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np

from makemore.arrays import Symbols
from makemore.errors import OptionError
from makemore.generation.constraints import Constraints, Requirements
from makemore.generation.draws import Choice
from makemore.generation.final_spaces import final_space_error, unseen_final_spaces
from makemore.generation.novelty import KnownWords, excluded_words, hash_text, texts_to_exclude
from makemore.generation.rarity import rarity_warning
from makemore.generation.selection import best_words, far_words, words_needed
from makemore.generation.writers import (
    FIRST_LANES,
    LANES,
    PATIENCE,
    Lanes,
    Lockstep,
    Stepwise,
    Words,
    Writer,
    conditioned,
    text_writer,
)
from makemore.models.base import Model
from makemore.training.record import Checkpoint

MAX_DISTANCE = 3
"""The largest ``min_distance``: with more edits, too many words may be near a word."""


class Sampler:
    """Draws words from a model under constraints. It is built once for many draws.

    Parameters
    ----------
    source : Model or Checkpoint
    temperature, top_k, top_p
        As in ``next_distributions``, applied to what the constraints allow.
    constraints : Constraints
        Every word fulfils them: the distribution is the model's, conditioned on them.
    new : bool
        Exclude the training words. They are read again, so the source must be a checkpoint.
    exclude : iterable of str, or KnownWords
        Exclude these words, too.
    corpus : path, optional
        The file of the training words, if it has moved.

    Attributes
    ----------
    warning : str
        A message about constraints that few words of the model fulfil, or an empty string.

    Raises
    ------
    OptionError
        An option is out of its range.
    SamplingError
        No word can fulfil the constraints.
    CorpusError
        The training words cannot be read again.
    """

    def __init__(
        self,
        source: Model | Checkpoint,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        constraints: Constraints | None = None,
        new: bool = False,
        exclude: KnownWords | Iterable[str] = (),
        corpus: str | os.PathLike[str] = "",
    ) -> None:
        model = source if isinstance(source, Model) else source.model
        self._source, self._model, self._corpus = source, model, corpus
        self._excluded = excluded_words(source, new, exclude, corpus)
        choice = Choice(temperature, top_k, top_p)
        constraints = constraints or Constraints()
        requirements = Requirements.of(model, constraints)
        automaton = model.automaton()
        if automaton is None:
            stepwise = Stepwise(model, requirements, choice)
            self.warning = rarity_warning(model, constraints, stepwise.probability)
            self._writer: Writer = stepwise
        else:
            given = conditioned(automaton, requirements, choice)
            is_settled = given.is_settled(len(requirements.prefix) + 1)
            self._writer = (Lanes if is_settled else Lockstep)(given, choice)
            self.warning = rarity_warning(model, constraints, given.probability)
        self._unseen_final_spaces = unseen_final_spaces(source, constraints.suffix)
        self._constraints = constraints
        self._as_text = text_writer(model.vocabulary)

    @property
    def error(self) -> float:
        """A bound on the total variation distance of the words from the model's distribution.

        It is 0 unless a look-ahead steers (see ``lookahead.py``), where it is an estimate.
        """
        return self._writer.error

    def sample(
        self,
        count: int,
        seed: int | None = None,
        *,
        unique: bool = False,
        best: bool = False,
        min_distance: int = 0,
    ) -> list[str]:
        """Return up to ``count`` words.

        Parameters
        ----------
        count : int
        seed : int, optional
            The same seed gives the same words; without it they differ every time.
        unique : bool
            Skip words that were drawn before.
        best : bool
            Draw many more words, and return the best ones, as ``best_words`` chooses them.
        min_distance : int
            From 1 to ``MAX_DISTANCE``: the words are distinct, and at least this many edits from
            each other and from the training words, which are read again, once.

        Raises ``SamplingError`` as ``texts`` does.
        """
        if count < 0 or not 0 <= min_distance <= MAX_DISTANCE:
            raise OptionError(
                f"the count is {count} and the minimum distance {min_distance}: expected 0 or more,"
                f" and from 0 to {MAX_DISTANCE}"
            )
        if seed is None:
            seed = int.from_bytes(os.urandom(8), "big")
        if not (best or min_distance):
            return list(self._words(count, seed, unique=unique))
        known = self._training_words if min_distance else None
        words = self._words(words_needed(count) if best else sys.maxsize, seed, unique=True)
        distance = max(min_distance, 1)
        if best:
            return best_words(self._model, words, count, min_distance=distance, known=known)
        vocabulary = self._model.vocabulary
        return list(far_words(vocabulary, words, count, min_distance=distance, known=known))

    @cached_property
    def _training_words(self) -> list[str]:
        """The training words, in blocks of lines, with one character a symbol."""
        texts = texts_to_exclude(self._source, self._corpus, "min_distance")
        return list(map(self._model.vocabulary.shortened, texts))

    def _words(self, count: int, seed: int, *, unique: bool) -> Iterator[str]:
        for text in self.texts(count, seed, unique=unique):
            yield from text.split("\n")[:-1]

    def texts(self, count: int, seed: int, *, unique: bool = False) -> Iterator[str]:
        """Yield up to ``count`` words in blocks of text, a line feed after each word.

        Parameters
        ----------
        count, seed : int
            The first words are the same for every larger count.
        unique : bool
            Skip words that were drawn before.

        No word ends in a space where no training word does, unless ``suffix`` asks for one.

        With ``unique``, or words to exclude, there may be fewer than ``count`` words: sampling ends
        after ``PATIENCE`` draws in a row that gave none. Raises ``SamplingError`` where a word does
        not end within ``MAX_LENGTH`` characters from where it may, where draws do not fulfil the
        constraints, and where the constraints allow only words that end in such a space.
        """
        if unique or self._unseen_final_spaces or any(map(len, self._excluded)):
            yield from self._other_texts(count, seed, unique)
            return
        yield from self._all_texts(count, seed)

    def _all_texts(self, count: int, seed: int) -> Iterator[str]:
        groups = self._groups(seed)
        while count > 0:  # no group is drawn in advance: it would take longer than a few words
            symbols, ends = next(groups)
            ends = ends[:count]
            count -= len(ends)
            if len(ends):
                yield self._text(symbols[: ends[-1] + 1])

    def _groups(self, seed: int) -> Iterator[Words]:
        """Yield the words of one group after another, without their prefix."""
        if seed < 0:
            raise OptionError(f"the seed is {seed} and must be 0 or more")
        for group in itertools.count():
            stream = np.random.SeedSequence(seed, spawn_key=(group,))
            lanes = LANES if group else FIRST_LANES
            yield self._writer.write_words(np.random.PCG64(stream), lanes)

    def _text(self, symbols: Symbols) -> str:
        text = self._as_text(symbols)
        if prefix := self._constraints.prefix:
            text = prefix + text[:-1].replace("\n", "\n" + prefix) + "\n"
        return text

    def _other_texts(self, count: int, seed: int, unique: bool) -> Iterator[str]:
        """Yield words that are not excluded, each only once if ``unique``."""
        seen: set[int] = set()
        misses, all_end_in_space = 0, bool(self._unseen_final_spaces)
        texts = self._all_texts(sys.maxsize, seed)
        while count > 0 and misses < PATIENCE:
            text = next(texts)
            words = text.split("\n")
            hashes = hash_text(text)
            is_excluded = [known.contain_hashes(hashes) for known in self._excluded]
            wanted = np.flatnonzero(~np.any(is_excluded, axis=0)).tolist()
            if self._unseen_final_spaces:
                all_end_in_space = all_end_in_space and all(
                    word[-1] in self._unseen_final_spaces for word in words[:-1]
                )
                wanted = [i for i in wanted if words[i][-1] not in self._unseen_final_spaces]
            if unique:
                wanted = [i for i in wanted if _add(seen, int(hashes[i]))]
            found = [words[i] for i in wanted[:count]]
            misses = len(hashes) - 1 - wanted[-1] if wanted else misses + len(hashes)
            count -= len(found)
            if found:
                yield "".join(word + "\n" for word in found)
        if count > 0 and all_end_in_space:
            raise final_space_error(self._constraints)


def sample(
    source: Model | Checkpoint,
    count: int,
    *,
    seed: int | None = None,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float = 1.0,
    constraints: Constraints | None = None,
    unique: bool = False,
    new: bool = False,
    exclude: KnownWords | Iterable[str] = (),
    corpus: str | os.PathLike[str] = "",
    best: bool = False,
    min_distance: int = 0,
) -> list[str]:
    """Return up to ``count`` words drawn from a model, as ``makemore sample`` writes them.

    The parameters are those of ``Sampler`` and of its method ``sample``; for several calls, build a
    ``Sampler`` once. The first words are the same for every larger count, except with ``best``.
    Raises ``SamplingError``.
    """
    sampler = Sampler(
        source,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        constraints=constraints,
        new=new,
        exclude=exclude,
        corpus=corpus,
    )
    return sampler.sample(count, seed, unique=unique, best=best, min_distance=min_distance)


def _add(seen: set[int], item: int) -> bool:
    """Add an item to a set and return whether it is new there."""
    size = len(seen)
    seen.add(item)
    return len(seen) > size
