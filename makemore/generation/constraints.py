"""Constraints on words, and models conditioned on them.

A model with a finite automaton is one table of states, and so is each constraint: "contains" and
"suffix" are the string-matching automata of Knuth, Morris and Pratt (1977, "Fast pattern matching
in strings"). A state of their product is what must be remembered of a partial word. With b_t(s) the
probability that a word of t characters in state s will end and fulfil the constraints,

    b_t(s) = [s may end, t >= min_length] P(end | s) + [t < max_length] sum_v P(v | s) b_t+1(s v)

and the next symbol given that the constraints will be fulfilled has the probability

    P(v | s) b_t+1(s v) / b_t(s)

This is the backward algorithm of hidden Markov models; no drawn word is rejected. For a model
without an automaton ``Requirements`` tells which partial words can no longer fulfil the
constraints. Lengths count characters, not the end-of-word symbol.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Self

import numpy as np

from makemore.arrays import Flags, Floats, Ids, Indices, States, chunks
from makemore.data.vocabulary import BOUNDARY, Vocabulary
from makemore.errors import OptionError, SamplingError, VocabularyError, shown
from makemore.models.base import MAX_CELLS, Automaton, Model
from makemore.training.record import Checkpoint

MAX_LENGTH = 10_000
"""The maximum length of a word, by which a model that ends its words has ended one."""

_CONVERGED = 1e-13
"""The relative change of b below which further backward steps are left out."""


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
        In characters; no ``max_length`` means no limit.

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
        contained = [self.contains] if isinstance(self.contains, str) else self.contains
        if not all(isinstance(text, str) for text in (self.prefix, self.suffix, *contained)):
            raise OptionError("prefix, suffix and contains must be texts")
        lengths = (self.min_length, self.max_length or 1)
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

    def shares(self, words: Sequence[str]) -> dict[str, float]:
        """Return the share of ``words`` that fulfil each constraint but the prefix."""
        tests: dict[str, tuple[object, Callable[[str], bool]]] = {
            f"end with '{shown(self.suffix)}'": (self.suffix, lambda w: w.endswith(self.suffix)),
            **{f"contain '{shown(text)}'": (text, _containing(text)) for text in self.contained},
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


class ConstrainedAutomaton:
    """The product of a model's automaton and the automaton of constraints.

    Parameters
    ----------
    P : array of shape (S, V)
        Distributions of the next symbol by state.
    automaton : Automaton
        Gives the successors and the start; its probabilities are not used.
    requirements : Requirements

    Attributes
    ----------
    requirements : Requirements
    start : int
        The state after the prefix.
    prefix_probability : float
    P, successors : arrays of shape (S', V)
        The rows of the product's reachable states.
    may_end : array of shape (S',), bool
        The states in which a word fulfils all constraints, except perhaps those on the length.
    can_fail : bool
        Whether some word of the model violates a constraint other than those on the length.
    """

    def __init__(self, P: Floats, automaton: Automaton, requirements: Requirements) -> None:
        self.requirements = requirements
        matcher = requirements.matcher
        has_pattern = len(matcher) > 1
        self.can_fail = has_pattern or bool(requirements.never)
        state, self.prefix_probability = automaton.start, 1.0
        for symbol in requirements.prefix.tolist():
            self.prefix_probability *= float(P[state, symbol])
            state = int(automaton.successors[state, symbol])
        progress = requirements.after_prefix()
        pairs, self.successors = _product(automaton.successors, matcher, (state, progress))
        self.start = int(np.searchsorted(pairs, state * len(matcher) + progress))
        self.P = P[pairs // len(matcher)] if has_pattern else P
        if requirements.never:
            self.P = self.P.copy()
            self.P[:, requirements.never] = 0.0
        self.may_end = requirements.may_end[pairs % len(matcher)]

    def always_ends(self) -> bool:
        """Return whether the end is reachable from every state, so that every word will end."""
        can_end = self.P[:, BOUNDARY] > 0
        before = -1
        while before < can_end.sum() < len(can_end):
            before = int(can_end.sum())
            stuck = np.flatnonzero(~can_end)
            onward = (self.P[stuck, 1:] > 0) & can_end[self.successors[stuck, 1:]]
            can_end[stuck] = onward.any(axis=1)
        return bool(can_end.all())


@dataclass(frozen=True)
class Layer:
    """b_t of all states, as ``exp(log_scale) * b``, where the largest value of b is 1."""

    b: Floats
    log_scale: float


class Completions:
    """b_t(s) of a constrained automaton, as the module's docstring defines it.

    Parameters
    ----------
    automaton : ConstrainedAutomaton
    best : bool
        Take the largest term instead of the sum: b_t(s) is then the probability of the most
        probable ending (Viterbi's algorithm).

    Raises
    ------
    SamplingError
        No word fulfils the constraints.
    """

    def __init__(self, automaton: ConstrainedAutomaton, *, best: bool = False) -> None:
        self._automaton = automaton
        self._best = best
        self._ending, self._growing = self._solve()
        layer = self.layer(len(automaton.requirements.prefix))
        if automaton.prefix_probability == 0.0 or layer.b[automaton.start] == 0.0:
            raise automaton.requirements.impossible()

    def layer(self, t: int) -> Layer:
        """Return b_t, for t not below the length of the prefix."""
        may_end, steps = self.stage(t)
        return (self._ending if may_end else self._growing)[steps]

    def stage(self, t: int) -> tuple[bool, int]:
        """Return what b_t depends on: whether words may end, and the number of backward steps.

        Steps that no longer change b are not counted.
        """
        limits, longest = self._automaton.requirements.constraints, len(self._ending) - 1
        if t < limits.min_length:
            return False, min(limits.min_length - t, len(self._growing) - 1)
        if limits.max_length is None:
            return True, longest
        return True, min(max(0, limits.max_length + 1 - t), longest)

    def _solve(self) -> tuple[list[Layer], list[Layer]]:
        """Return b_t where words may end, and where they may not yet end, by backward steps.

        Each list stops once b no longer changes; its last entry holds for all further steps.
        """
        requirements = self._automaton.requirements
        limits, prefix = requirements.constraints, len(requirements.prefix)
        shortest = max(limits.min_length, prefix)
        nothing = Layer(np.zeros(len(self._automaton.P)), 0.0)
        if limits.max_length is not None:
            steps = max(0, limits.max_length + 1 - shortest)
            ending = self._go_back(nothing, steps, may_end=True)
        elif self._best or self._automaton.can_fail or not self._automaton.always_ends():
            ending = self._go_back(nothing, MAX_LENGTH, may_end=True)
        else:  # every word ends and fulfils all constraints: b is one
            ending = [Layer(np.ones(len(self._automaton.P)), 0.0)]
        return ending, self._go_back(ending[-1], shortest - prefix, may_end=False)

    def _go_back(self, layer: Layer, steps: int, *, may_end: bool) -> list[Layer]:
        layers = [layer]
        for _ in range(steps):
            layers.append(self._step_back(layers[-1], may_end))
            change = np.abs(layers[-1].b - layers[-2].b)
            is_same_scale = abs(layers[-1].log_scale - layers[-2].log_scale) <= _CONVERGED
            if (change <= _CONVERGED * layers[-1].b).all() and (is_same_scale or not may_end):
                break
        return layers

    def _step_back(self, following: Layer, may_end: bool) -> Layer:
        """Return b_t from b_t+1."""
        P, successors = self._automaton.P, self._automaton.successors
        b = np.empty(len(P))
        for rows in chunks(*P.shape):
            onward = P[rows, 1:] * following.b[successors[rows, 1:]]
            b[rows] = onward.max(axis=1) if self._best else onward.sum(axis=1)
        log_scale = following.log_scale
        if may_end:
            ends = P[:, BOUNDARY] * self._automaton.may_end
            b *= np.exp(log_scale)
            b = np.maximum(b, ends) if self._best else b + ends
            log_scale = 0.0
        largest = b.max()
        return Layer(b / largest, log_scale + float(np.log(largest))) if largest else Layer(b, 0.0)


class ConditionedModel:
    """The distributions of the next symbol, given that a word will fulfil the constraints.

    Raises ``SamplingError`` where no word does.
    """

    def __init__(self, automaton: ConstrainedAutomaton) -> None:
        self.automaton = automaton
        self._completions = Completions(automaton)

    def next_probabilities(self, t: int, states: Indices) -> Floats:
        """Return the conditioned distributions after t characters, (B,) states -> (B, V).

        The row is all zero for a state from which no word can fulfil the constraints.
        """
        P, following = self.automaton.P[states], self._completions.layer(t + 1)
        rows = P * following.b[self.automaton.successors[states]]
        rows[:, BOUNDARY] = 0.0
        if t >= self.automaton.requirements.constraints.min_length:
            ends = P[:, BOUNDARY] * self.automaton.may_end[states]
            # The scale cancels unless the word may end here, and might underflow.
            rows[ends > 0] *= np.exp(following.log_scale)
            rows[:, BOUNDARY] = ends
        return np.asarray(rows / np.maximum(rows.sum(axis=1, keepdims=True), np.finfo(float).tiny))

    @property
    def probability(self) -> float:
        """The probability that a word of the model fulfils the constraints."""
        prefix = self.automaton.requirements.prefix
        layer = self._completions.layer(len(prefix))
        ending = float(layer.b[self.automaton.start] * np.exp(layer.log_scale))
        return self.automaton.prefix_probability * ending

    def stage(self, t: int) -> tuple[bool, bool, int]:
        """Return what the distributions after t characters depend on."""
        shortest = self.automaton.requirements.constraints.min_length
        return t >= shortest, *self._completions.stage(t + 1)

    def is_settled(self, t: int) -> bool:
        """Return whether the distributions are the same after t characters and after any more."""
        limits = self.automaton.requirements.constraints
        return limits.max_length is None and t >= limits.min_length


RARE = 1e-4
"""Constraints of a smaller probability are reported, because their words may look odd."""
FAR_LIKELIER = 20
"""How many times as probable another case of a prefix must be to be suggested."""


def warning(model: Model, constraints: Constraints, probability: float) -> str:
    """Return a message about constraints that are rare, or an empty string.

    It suggests a prefix in another case that is far more probable.
    """
    parts = []
    if probability < RARE and constraints.describe():
        parts.append(
            f"only {probability:.2g} of the model's words fulfil the constraints"
            f" ({constraints.describe()}): they may look odd"
        )
    own = prefix_probability(model, constraints.prefix)
    cases = [str.capitalize, str.title, str.upper, str.lower]
    others = {case(constraints.prefix) for case in cases} - {constraints.prefix}
    shares = {prefix_probability(model, other): other for other in sorted(others)}
    share = max(shares, default=0.0)
    if share >= max(RARE, FAR_LIKELIER * own):
        parts.append(f"'{shown(shares[share])}' would fit: {share:.2g} of the words begin with it")
    return "; ".join(parts)


def warning_of(model: Model, constraints: Constraints) -> str:
    """Return the ``warning`` about constraints; without an automaton about their prefix alone."""
    automaton = model.automaton()
    if automaton is None or not constraints.describe():
        prefix = constraints.prefix
        return warning(model, Constraints(prefix=prefix), prefix_probability(model, prefix))
    P = np.exp(automaton.log_probabilities)
    constrained = ConstrainedAutomaton(P, automaton, Requirements.of(model, constraints))
    return warning(model, constraints, ConditionedModel(constrained).probability)


def prefix_probability(model: Model, prefix: str) -> float:
    """Return the probability that a word begins with ``prefix``, 0 if it has unknown characters."""
    try:
        ids = np.append(model.vocabulary.encode(prefix), BOUNDARY)
    except VocabularyError:
        return 0.0
    return float(np.exp(model.symbol_log_probabilities(ids)[:-1].sum()))


def unseen_final_spaces(source: Model | Checkpoint, suffix: str) -> str:
    """Return the spaces that end no training word, and so should end no sampled word.

    A space that ``suffix`` ends with is excepted. For a model without counts its checkpoint tells.
    """
    model = source if isinstance(source, Model) else source.model
    counts, characters = model.bigram_counts(), model.vocabulary.itos
    if counts is not None:
        ends = np.flatnonzero(counts[:, BOUNDARY] == 0).tolist()
        spaces = [characters[i] for i in ends if characters[i].isspace()]
    else:
        is_known = isinstance(source, Checkpoint) and not source.corpus.ends_in_space
        spaces = [" "] if is_known and " " in characters else []
    return "".join(space for space in spaces if not suffix.endswith(space))


def final_space_error(constraints: Constraints) -> SamplingError:
    """Return the error that says that the constraints allow only words that end in a space."""
    given = constraints.describe()
    return SamplingError(
        f"all words{given and f' with {given}'} that the model wrote end in a space, and no"
        " training word does: relax the constraints, or ask for it by --suffix ' '"
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


MAX_PAIRS = 1 << 27
"""The maximum of a model's states times those of the constraints: an index of 512 MiB."""


def _product(
    successors: States, matcher: Indices, start: tuple[int, int]
) -> tuple[Indices, States]:
    """Return the reachable pairs (state * K + progress), sorted, and their successors, (S', V)."""
    (S, V), K = successors.shape, len(matcher)
    if K == 1:
        return np.arange(S), successors
    if S * K > MAX_PAIRS:
        raise SamplingError(
            f"{S:,} states of the model, times {K:,} of the constraints, are too many: the limit is"
            f" {MAX_PAIRS:,}; use fewer or shorter --contains"
        )
    index = np.full(S * K, -1, np.int32)
    frontier = np.array([start[0] * K + start[1]])
    while len(frontier):
        index[frontier] = 0
        following = successors[frontier // K, 1:] * K + matcher[frontier % K, 1:]
        following = np.unique(following)
        frontier = following[index[following] < 0]
    pairs = np.flatnonzero(index == 0)
    if len(pairs) * V > MAX_CELLS:
        raise SamplingError(
            f"{len(pairs):,} states of model and constraints, times {V} symbols, are too many: the"
            f" limit is {MAX_CELLS:,}; shorten --contains or --suffix"
        )
    index[pairs] = np.arange(len(pairs))
    following = index[successors[pairs // K] * K + matcher[pairs % K]]
    following[:, BOUNDARY] = 0  # not used: the word has ended
    return pairs, following
