"""Look at a corpus before training: how much there is, and what does not look right.

This is one pass, with memory for a block, a table over all of Unicode and a bounded set of hashes.
It changes nothing.
"""

import unicodedata
from collections import Counter
from dataclasses import dataclass

import numpy as np

from makemore.arrays import Bytes, CodePoints, Flags, Hashes, Integers, Offsets
from makemore.counting.pairs import UNICODE
from makemore.counting.survey import add_code_points
from makemore.counting.tables import add_up, look_up
from makemore.data.corpus import Corpus, Progress, no_word
from makemore.data.formats import MAX_EXAMPLES, Finding, Oddity, Recogniser, remedy
from makemore.data.holdout import (
    all_held_out,
    distinct_hashes,
    hash_words,
    is_held_out,
    is_split_exactly,
    without_repetition,
)
from makemore.data.text import Lines, code_points, line_bounds, or_leave_out
from makemore.data.vocabulary import Vocabulary
from makemore.errors import CorpusError, DecodingError, VocabularyError

MAX_EXACT = 1 << 22
"""Up to this many distinct words are counted; a larger number is estimated."""

RARE_BELOW = 10
"""A character that occurs less often is rare."""

RARE_SHARE = 0.01
"""If rare characters are a larger share of all text, as in a short list, they are not odd."""

_PIECE = 1 << 19  # characters whose scripts, 64 bits each, are looked up at once
_LF = ord("\n")
_EAST_ASIAN = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC")
# what the names of letters begin with that belong to no script, or to several
_NO_SCRIPTS = (
    *("", "MODIFIER", "FULLWIDTH", "HALFWIDTH", "MATHEMATICAL", "FEMININE", "MASCULINE"),
    *("MICRO", "SUPERSCRIPT", "SUBSCRIPT"),
)
_NOTES = {
    "Cc": "control character",
    "Cf": "invisible: zero-width or direction mark",
    "Co": "private use: no agreed meaning",
    "Cn": "no character of Unicode",
    "Zl": "line separator",
    "Zp": "paragraph separator",
    "Zs": "unusual space",
}


@dataclass(frozen=True)
class CharacterFact:
    """A character of the corpus: how often it occurs, and what is odd about it.

    Attributes
    ----------
    character, code_point, name : str
        For example "a", "U+0061" and "LATIN SMALL LETTER A".
    count : int
    note : str
        Why it is suspicious, or empty.
    """

    character: str
    code_point: str
    name: str
    count: int
    note: str


@dataclass(frozen=True)
class WeightFacts:
    """The weights of a table's words: their sum, the smallest and the largest."""

    total: int
    smallest: int
    largest: int


@dataclass(frozen=True)
class CorpusCheck:
    """What ``check_corpus`` found. Lengths are in characters.

    Attributes
    ----------
    name : str
    lines, blank : int
        All lines, and those without a word.
    distinct : int
        Distinct words.
    distinct_is_exact : bool
        False if there are more than ``MAX_EXACT``: then ``distinct`` is an estimate with a standard
        error of about 0.05 percent.
    duplicates : int
        Words that repeat an earlier one; lines - blank - undecodable - distinct.
    shortest, median, longest : int
        The median is the smallest length that half of the words do not exceed; a word of weight k
        counts as k words.
    characters : tuple of CharacterFact
        The alphabet, the most frequent first; counted by the weights of a table's words.
    weights : WeightFacts or None
        None without weights or without words.
    spaced : Oddity
        Words that begin or end with a space or a tab.
    doubled_spaces : Oddity
        Words that hold several spaces in a row, elsewhere than at the beginning or the end.
    mixed_scripts : Oddity
        Words with letters of two scripts, such as Latin and Cyrillic.
    decomposed : Oddity
        Words that write an accent as a character of its own although a composed character exists.
    composed_beside_decomposed : bool
        Whether composed accents occur as well, so that one letter has two spellings.
    findings : tuple of Finding
        Forms other than one plain word a line: tables, counts, JSON, quotes and others.
    remedy : str
        The shell command that trains on the corpus with all findings mended; empty without any.
    undecodable : int
        Lines that are not in the encoding; all other facts are about the other lines.
    encoding_errors : tuple of str
        The errors of the first of them, with file, line and byte; at most ``MAX_EXAMPLES``.
    is_whole : bool
        False if a line is damaged in an encoding such as UTF-16 or Shift-JIS: it is not known where
        the next line begins, so all facts are about some of the lines above.
    failure : str
        Why training would fail; empty if it would not.
    """

    name: str
    lines: int
    blank: int
    distinct: int
    distinct_is_exact: bool
    duplicates: int
    shortest: int
    median: int
    longest: int
    characters: tuple[CharacterFact, ...]
    weights: WeightFacts | None
    spaced: Oddity
    doubled_spaces: Oddity
    mixed_scripts: Oddity
    decomposed: Oddity
    composed_beside_decomposed: bool
    findings: tuple[Finding, ...]
    remedy: str
    undecodable: int
    encoding_errors: tuple[str, ...]
    is_whole: bool
    failure: str

    @property
    def rare(self) -> tuple[CharacterFact, ...]:
        """The characters that occur fewer than ``RARE_BELOW`` times.

        There are none if they are more than ``RARE_SHARE`` of the text: to leave out their words
        helps only if these are few.
        """
        rare = tuple(fact for fact in self.characters if fact.count < RARE_BELOW)
        total = sum(fact.count for fact in self.characters)
        return rare if sum(fact.count for fact in rare) <= RARE_SHARE * total else ()

    @property
    def suspicious(self) -> tuple[CharacterFact, ...]:
        """The characters with a note."""
        return tuple(fact for fact in self.characters if fact.note)


def check_corpus(
    corpus: Corpus,
    progress: Progress | None = None,
    holdout: float = 0.1,
) -> CorpusCheck:
    """Read a corpus once and report on it, and whether training with this ``holdout`` would fail.

    Raises ``CorpusError`` if a source cannot be opened or has a line over ``MAX_LINE``. Text that
    is not in the corpus's encoding is part of the report.
    """
    survey = _Survey(holdout)
    reading = corpus.read(progress, on_error=survey.note)
    try:
        for lines in reading.blocks(counts_lines=True):
            survey.add(lines)
    except DecodingError as error:
        survey.end_at(error)
    except CorpusError:
        if corpus.errors == "strict" and corpus.is_rereadable:
            for _ in corpus.read():  # which first finds what training finds
                pass
        raise
    return survey.report(corpus)


class _Survey:
    """What was found so far."""

    def __init__(self, holdout: float) -> None:
        self._lines = 0
        self._holdout = holdout
        self._weights: list[tuple[int, int, int]] = []  # of each block: sum, minimum, maximum
        self._are_all_held_out = True
        self._held_out: Lines | None = Lines("")  # distinct ones; None where they are too many
        self._frequencies = np.zeros(UNICODE, np.int64)
        self._words = 0
        self._lengths: Counter[int] = Counter()  # of words, each as often as its weight says
        self._distinct = _DistinctCounter()
        self._scripts = _Scripts()
        self._spaced, self._doubled_spaces = Oddity(), Oddity()
        self._mixed, self._decomposed = Oddity(), Oddity()
        self._forms = Recogniser()
        self._undecodable = 0
        self._is_whole = True
        self._last_error = ""  # after which nothing can be read
        self._errors: list[str] = []

    def end_at(self, error: DecodingError) -> None:
        """Take a line that is not in the encoding, after which nothing can be read."""
        self._is_whole = False
        self._last_error = str(error)
        self._lines += 1
        self.note(error)

    def note(self, error: DecodingError) -> None:
        """Take the error of a line that is not in the encoding."""
        self._undecodable += 1
        if len(self._errors) < MAX_EXAMPLES:
            self._errors.append(str(error))

    def add(self, lines: Lines) -> None:
        """Take a block; lines that are not in the encoding count as blank until the report."""
        text = lines.text
        points = code_points(text)
        starts, ends = line_bounds(points)
        add_code_points(self._frequencies, lines)
        if lines.weights is not None and len(weights := lines.weights[lines.weights > 0]):
            self._weights.append((int(weights.sum()), int(weights.min()), int(weights.max())))
        has_word = ends > starts
        lengths = (ends - starts)[has_word]
        self._words += len(lengths)
        if lines.weights is None:
            lengths, counts = np.unique(lengths, return_counts=True)
        else:
            lengths, counts = add_up(lengths, lines.weights[has_word])
        self._lengths.update(dict(zip(lengths.tolist(), counts.tolist(), strict=True)))
        self._add_hashes(hash_words(text), lines)
        self._add_oddities(text, points, starts, ends)
        self._forms.add(text, len(ends))
        self._lines += len(ends)

    def _add_hashes(self, hashes: Hashes, lines: Lines) -> None:
        """Take the hashes of the words in ``lines``."""
        self._distinct.add(hashes)
        self._are_all_held_out &= bool(is_held_out(hashes, self._holdout).all())
        if self._are_all_held_out and self._held_out is not None:
            words = without_repetition([self._held_out, lines])
            self._held_out = words if is_split_exactly(words) else None

    def _add_oddities(
        self, text: str, points: Bytes | CodePoints, starts: Offsets, ends: Offsets
    ) -> None:
        def add(oddity: Oddity, are_odd: Flags) -> None:
            """Note the lines that are odd."""
            for i in np.flatnonzero(are_odd).tolist():
                oddity.add(self._lines + i + 1, text[starts[i] : ends[i]])

        is_space = (points == ord(" ")) | (points == ord("\t"))
        add(self._spaced, (is_space[starts] | is_space[ends - 1]) & (ends > starts))
        if "  " in text:
            for line, word in enumerate(text.split("\n"), self._lines + 1):
                if "  " in word.strip(" "):
                    self._doubled_spaces.add(line, word)
        if text.isascii():
            return
        scripts = self._scripts.of_lines(points, starts)
        add(self._mixed, scripts & (scripts - 1) != 0)  # more than one bit
        if not unicodedata.is_normalized("NFC", text):
            for line, word in enumerate(text.split("\n"), self._lines + 1):
                if not unicodedata.is_normalized("NFC", word):
                    self._decomposed.add(line, word)

    def report(self, corpus: Corpus) -> CorpusCheck:
        """Return the findings."""
        replaces = corpus.errors == "replace"  # then only the line that ends the check is lost
        lost = int(not self._is_whole) if replaces else self._undecodable
        distinct, is_exact = self._distinct.result()
        distinct = min(distinct, self._words)  # an estimate may be larger
        self._frequencies[_LF] = 0
        points = np.flatnonzero(self._frequencies)
        order = np.argsort(-self._frequencies[points], kind="stable")
        facts = tuple(_fact(chr(i), int(self._frequencies[i])) for i in points[order])
        findings = self._forms.findings()
        has_two_forms = self._decomposed.words > 0 and any(map(_is_composed, facts))
        return CorpusCheck(
            name=corpus.name,
            lines=self._lines,
            blank=self._lines - self._words - lost,
            distinct=distinct,
            distinct_is_exact=is_exact,
            duplicates=self._words - distinct,
            shortest=min(self._lengths, default=0),
            median=_median(self._lengths),
            longest=max(self._lengths, default=0),
            characters=facts,
            weights=self._weight_facts(),
            spaced=self._spaced,
            doubled_spaces=self._doubled_spaces,
            mixed_scripts=self._mixed,
            decomposed=self._decomposed,
            composed_beside_decomposed=has_two_forms,
            findings=findings,
            remedy=remedy(corpus, findings, ["--normalize nfc"] if has_two_forms else []),
            undecodable=self._undecodable,
            encoding_errors=tuple(self._errors),
            is_whole=self._is_whole,
            failure=self._failure(corpus, "".join(fact.character for fact in facts)),
        )

    def _failure(self, corpus: Corpus, characters: str) -> str:
        """Return why training would fail, or nothing."""
        if self._last_error and (corpus.errors != "strict" or self._undecodable == 1):
            return self._last_error  # no --errors leaves it out
        if self._errors and corpus.errors == "strict":
            return self._errors[0] + or_leave_out(corpus.encoding)
        if not self._words:
            return no_word(corpus)
        try:
            Vocabulary(characters)
        except VocabularyError as error:
            return str(error)
        is_large = self._held_out is None  # of others one word is left for training
        return all_held_out(corpus.name) if is_large and self._are_all_held_out else ""

    def _weight_facts(self) -> WeightFacts | None:
        if not self._weights:
            return None
        totals, smallest, largest = zip(*self._weights, strict=True)
        return WeightFacts(sum(totals), min(smallest), max(largest))


class _DistinctCounter:
    """Counts distinct hashes; beyond ``MAX_EXACT`` it estimates their number from the smallest.

    From the k smallest of n uniform numbers below 1, the largest of them m, the estimate of n is
    (k - 1) / m: Beyer et al. 2007, "On synopses for distinct-value estimation under multiset
    operations".
    """

    def __init__(self) -> None:
        self._smallest = np.zeros(0, np.uint64)
        self._new: list[Hashes] = []
        self._is_exact = True

    def add(self, hashes: Hashes) -> None:
        """Take the hashes of words."""
        if not self._is_exact:
            hashes = hashes[hashes < self._smallest[-1]]
        self._new.append(hashes)
        if sum(map(len, self._new)) > max(len(self._smallest), 1 << 16):
            self._settle()

    def result(self) -> tuple[int, bool]:
        """Return the number of distinct hashes, and whether it is exact."""
        self._settle()
        if self._is_exact:
            return len(self._smallest), True
        return round((len(self._smallest) - 1) / (int(self._smallest[-1]) / 2**64)), False

    def _settle(self) -> None:
        distinct = distinct_hashes(np.concatenate([self._smallest, *self._new]))
        self._new = []
        self._is_exact = self._is_exact and len(distinct) <= MAX_EXACT
        self._smallest = distinct[:MAX_EXACT]


class _Scripts:
    """A bit for the script of each letter; the scripts that Japanese and Korean mix share one.

    So do the 63rd and all further scripts of a corpus. Python does not know the script of a letter,
    but the letter's name begins with it.
    """

    _UNKNOWN = -1

    def __init__(self) -> None:
        self._table = np.full(UNICODE, self._UNKNOWN, np.int64)
        self._bit_of: dict[str, int] = {}

    def of_lines(self, points: Bytes | CodePoints, starts: Offsets) -> Integers:
        """Return the bits of all letters of each line that starts at ``starts``, (lines,)."""
        bits = np.zeros(len(starts), np.int64)
        for start in range(0, len(points), _PIECE):
            piece = points[start : start + _PIECE]
            first = np.searchsorted(starts, start, side="right") - 1  # perhaps begun before
            after = np.searchsorted(starts, start + len(piece))
            inside = np.maximum(starts[first:after] - start, 0)
            bits[first:after] |= np.bitwise_or.reduceat(self._bits(piece), inside)
        return bits

    def _bits(self, points: Bytes | CodePoints) -> Integers:
        """Return the bit of each code point's script, 0 if it is no letter."""
        bits: Integers = look_up(self._table, points)
        if bits.min() == self._UNKNOWN:
            for point in np.unique(points[bits == self._UNKNOWN]).tolist():
                self._table[point] = self._bit(chr(point))
            bits = look_up(self._table, points)
        return bits

    def _bit(self, character: str) -> int:
        if not character.isalpha():
            return 0
        script = unicodedata.name(character, "").replace("-", " ").partition(" ")[0]
        if script in _EAST_ASIAN:
            script = "EAST ASIAN"
        if script in _NO_SCRIPTS:
            return 0
        return int(self._bit_of.setdefault(script, 1 << min(len(self._bit_of), 62)))


def _fact(character: str, count: int) -> CharacterFact:
    name = unicodedata.name(character, "")
    note = "" if character == " " else _NOTES.get(unicodedata.category(character), "")
    if character == "\ufffd":
        note = "replacement character: the text was decoded wrongly once"
    return CharacterFact(character, f"U+{ord(character):04X}", name, count, note)


def _is_composed(fact: CharacterFact) -> bool:
    return unicodedata.normalize("NFD", fact.character) != fact.character


def _median(lengths: Counter[int]) -> int:
    """Return the smallest length that half of the words do not exceed; 0 without words."""
    below = 0
    for length in sorted(lengths):
        below += lengths[length]
        if 2 * below >= lengths.total():
            return length
    return 0
