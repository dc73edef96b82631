"""Constraints on words: what is asked of each, and which partial words can still fulfil it.

"contains" and "suffix" are the string-matching automata of Knuth, Morris and Pratt (1977, "Fast
pattern matching in strings"). A state of their product is what must be remembered of a partial
word. Lengths count no end-of-word symbol. ``conditioning.py`` conditions models on constraints.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Self

import numpy as np

from makemore.arrays import Flags, Ids, Indices
from makemore.data.vocabulary import BOUNDARY, Vocabulary
from makemore.errors import OptionError, SamplingError, VocabularyError, shown
from makemore.models.base import MAX_CELLS, Model

MAX_LENGTH = 10_000
"""The maximum of both lengths. A word is given up so many symbols after where it may end."""


@dataclass(frozen=True)
class Constraints:
    """What every word must fulfil. The defaults ask only that it is not empty.

    Attributes
    ----------
    prefix, suffix : str
        What the word begins with and ends with.
    contains : str or tuple of str
        The word contains each of these texts. They may overlap each other, prefix and suffix.
    min_length, max_length : int
        In symbols, which are characters unless the vocabulary has longer ones; no ``max_length``
        means no limit.

    Raises
    ------
    OptionError
        A length is out of its range or no whole number, or a text is not a str.
    SamplingError
        The lengths exclude each other.
    """

    prefix: str = ""
    suffix: str = ""
    contains: str | tuple[str, ...] = ""
    min_length: int = 1
    max_length: int | None = None

    def __post_init__(self) -> None:
        contains = [self.contains] if isinstance(self.contains, str) else self.contains
        texts = [
            self.prefix,
            self.suffix,
            *(contains if isinstance(contains, Sequence) else [None]),
        ]
        if not all(isinstance(text, str) for text in texts):
            raise OptionError("prefix, suffix and contains must be texts")
        lengths = (self.min_length, 1 if self.max_length is None else self.max_length)
        if not all(isinstance(length, int | np.integer) for length in lengths):
            raise OptionError("lengths of words must be whole numbers")
        if self.min_length < 1:
            raise OptionError(f"--min-length is {self.min_length} and must be 1 or more")
        if max(self.min_length, self.max_length or 1) > MAX_LENGTH:
            raise OptionError(f"lengths of words are limited to {MAX_LENGTH:,} characters")
        if self.max_length is not None and self.max_length < self.min_length:
            raise SamplingError(
                f"no word has at least {self.min_length} and at most {self.max_length} characters"
            )

    @property
    def contained(self) -> tuple[str, ...]:
        """The distinct texts that the word must contain."""
        texts = (self.contains,) if isinstance(self.contains, str) else self.contains
        return tuple(dict.fromkeys(filter(None, texts)))

    def asks_for_more_than_a_prefix(self) -> bool:
        """Return whether there is a constraint beside the prefix."""
        others = self.suffix, self.contained, self.min_length > 1, self.max_length is not None
        return any(others)

    def describe(self) -> str:
        """Return the constraints in words, for messages; an empty string where there are none."""
        texts = [("prefix", self.prefix), ("suffix", self.suffix)]
        texts += [("contains", text) for text in self.contained]
        parts = [f"{name} '{shown(text)}'" for name, text in texts if text]
        if self.min_length > 1:
            parts.append(f"min-length {self.min_length}")
        if self.max_length is not None:
            parts.append(f"max-length {self.max_length}")
        return ", ".join(parts)

    def shares(self, words: Sequence[str], shortened: Callable[[str], str]) -> dict[str, float]:
        """Return the share of ``words`` that fulfil each constraint but the prefix.

        ``shortened`` is that of the vocabulary: constraints are about its symbols.
        """
        words, suffix = list(map(shortened, words)), shortened(self.suffix)
        tests: dict[str, tuple[object, Callable[[str], bool]]] = {
            f"end with '{shown(self.suffix)}'": (suffix, lambda w: w.endswith(suffix)),
            **{
                f"contain '{shown(text)}'": (text, _containing(shortened(text)))
                for text in self.contained
            },
            f"have {self.min_length} characters or more": (
                self.min_length > 1,
                lambda w: len(w) >= self.min_length,
            ),
            f"have {self.max_length} characters or fewer": (
                self.max_length is not None,
                lambda w: len(w) <= (self.max_length or 0),
            ),
        }
        return {
            name: sum(map(test, words)) / len(words)
            for name, (is_given, test) in tests.items()
            if is_given
        }


class Requirements:
    """The constraints in symbols of a vocabulary, whatever the model.

    Parameters
    ----------
    vocabulary : Vocabulary
    constraints : Constraints
    longest : int, optional
        The maximum length of the model's words, in characters.

    Attributes
    ----------
    constraints : Constraints
    prefix : array of ids
        The symbols that every word begins with.
    matcher : array of shape (K, V)
        The automaton of "contains" and "suffix": state, symbol -> state. It starts in state 0.
    may_end : array of shape (K,), bool
        The states in which a word fulfils both.
    never : list of int
        The symbols that no word may have: that of unknown characters.

    Raises
    ------
    SamplingError
        A text holds a character that the model does not know.
    """

    def __init__(
        self, vocabulary: Vocabulary, constraints: Constraints, longest: int | None = None
    ) -> None:
        self.constraints = constraints
        self._longest = min(constraints.max_length or sys.maxsize, longest or sys.maxsize)
        self.prefix = _encode_text(vocabulary, "prefix", constraints.prefix)
        self.matcher, self.may_end = _pattern_automaton(
            [_encode_text(vocabulary, "contains", text) for text in constraints.contained],
            _encode_text(vocabulary, "suffix", constraints.suffix),
            len(vocabulary),
        )
        self._reaching = _reaching(self.matcher, self.may_end)
        self.never = [] if vocabulary.unk is None else [vocabulary.unk]

    @classmethod
    def of(cls, model: Model, constraints: Constraints) -> Self:
        """Return the constraints in the symbols of a model."""
        return cls(model.vocabulary, constraints, model.longest_word)

    def after_prefix(self) -> int:
        """Return the state of the matcher after the prefix."""
        state = 0
        for symbol in self.prefix.tolist():
            state = int(self.matcher[state, symbol])
        return state

    def allowed(self, t: int, states: Indices) -> Flags:
        """Return after which next symbols a word of t characters can still fulfil the constraints.

        (B,) states of the matcher -> (B, V). The model may still give such words no probability.
        """
        allowed = self._can_finish(t + 1)[self.matcher[states]]
        is_of_length = self.constraints.min_length <= t <= self._longest
        allowed[:, BOUNDARY] = self.may_end[states] & is_of_length
        allowed[:, self.never] = False
        return np.asarray(allowed)

    def _can_finish(self, t: int) -> Flags:
        """Return from which states a word of t characters can still fulfil all, (K,)."""
        if self.constraints.min_length > self._longest:
            return np.zeros(len(self.may_end), np.bool_)
        last = len(self._reaching) - 1
        minimum = min(max(0, self.constraints.min_length - t), last)
        maximum = min(self._longest - t, last)
        return np.asarray(self._reaching[minimum : max(0, maximum + 1)].any(axis=0))

    def impossible(self) -> SamplingError:
        """Return the error that says that no word fulfils the constraints."""
        constraints = self.constraints.describe()
        if not constraints:
            return SamplingError(
                "the model never ends a word: train on other words, or limit the length by"
                " --max-length"
            )
        return SamplingError(
            f"the model can write no word with {constraints}: relax the constraints, or train on"
            " words that fulfil them"
        )


def _containing(text: str) -> Callable[[str], bool]:
    return lambda word: text in word


def _encode_text(vocabulary: Vocabulary, name: str, text: str) -> Ids:
    try:
        return vocabulary.encode(text)
    except VocabularyError as error:
        raise SamplingError(f"no word can fulfil {name} '{shown(text)}': {error}") from error


def _matcher(pattern: Ids, V: int, *, absorbing: bool) -> Indices:
    """Return the automaton whose state k says that k symbols of the pattern match, (m + 1, V).

    An absorbing one stays in state m after a match; the other searches on.
    """
    m = len(pattern)
    table = np.zeros((m + 1, V), np.intp)
    fallback = 0  # the state after the text seen so far without its first symbol
    for k, symbol in enumerate(pattern):
        table[k] = table[fallback]
        table[k, symbol] = k + 1
        fallback = int(table[fallback, symbol]) if k else 0
    table[m] = m if absorbing else table[fallback]
    return table


def _pattern_automaton(contains: Sequence[Ids], suffix: Ids, V: int) -> tuple[Indices, Flags]:
    """Return the product of all matchers, (K, V), and which of its states may end a word."""
    if prod(len(text) + 1 for text in [*contains, suffix]) * V > MAX_CELLS:
        raise SamplingError(
            "the texts of --contains and --suffix together are too long: shorten them"
        )
    table = np.zeros((1, V), np.intp)
    matchers = [_matcher(text, V, absorbing=True) for text in contains]
    for matcher in [*matchers, _matcher(suffix, V, absorbing=False)]:
        table = (table[:, None] * len(matcher) + matcher[None]).reshape(-1, V)
    return table, np.arange(len(table)) == len(table) - 1


def _reaching(table: Indices, goals: Flags) -> Flags:
    """Return from which states of a matcher n characters can lead to a goal, (N + 1, K) by n.

    The last row holds for all larger n, too: N characters are enough for every pattern.
    """
    rows = [goals]
    while not rows[-1].all():
        rows.append(np.asarray(rows[-1][table[:, 1:]].any(axis=1)))
    return np.stack(rows)
