"""Which words are new: known words as a set of hashes, and the nearest known words.

Of each word 64 bits of a hash are kept, so that the words of a large corpus fit in memory. With a
million drawn words and a hundred million known ones, a new word is mistaken for a known one about
once in two hundred thousand runs.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from makemore.arrays import Bytes, CodePoints, Flags, Hashes, chunks
from makemore.data.corpus import Corpus, CorpusFacts
from makemore.data.holdout import distinct_hashes, hash_lines
from makemore.data.text import blocks_of_lines, code_points, line_bounds, text_of_words
from makemore.errors import CorpusError, OptionError, shown
from makemore.models.base import Model
from makemore.training.record import Checkpoint

SHOWN = 20
"""The number of words for which the nearest known word is shown."""

MAX_DELETED_FROM = 24
"""Longer words are indexed by pieces, because there are too many ways to delete characters."""

_WIDE = 128  # from this width on, NumPy is faster row by row
_MERGED_AT_ONCE = 1 << 22  # new hashes, before they are merged with the known ones


class KnownWords:
    r"""A set of words, kept as their hashes.

    >>> known = KnownWords(["emma\nava\n"])
    >>> known.contain("ava\nolivia\n").tolist()
    [True, False]

    Raises ``CorpusError`` for a text whose last line does not end.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._hashes = np.zeros(0, np.uint64)
        waiting: list[Hashes] = []
        for lines in blocks_of_lines(texts):
            waiting.append(distinct_hashes(hash_text(lines.text)))
            if sum(map(len, waiting)) > _MERGED_AT_ONCE:
                self._hashes = distinct_hashes(np.concatenate([self._hashes, *waiting]))
                waiting = []
        self._hashes = distinct_hashes(np.concatenate([self._hashes, *waiting]))

    @classmethod
    def of(cls, words: Iterable[str]) -> "KnownWords":
        r"""Return the set of these words. Raises ``VocabularyError`` for one with a line feed.

        >>> KnownWords.of(["emma", "ava"]).contain("ava\nolivia\n").tolist()
        [True, False]
        """
        return cls([text_of_words(words)])

    def __len__(self) -> int:
        """Return the number of words."""
        return len(self._hashes)

    def contain(self, text: str) -> Flags:
        """Return which lines of ``text`` are known words, shape (lines,)."""
        (lines,) = blocks_of_lines([text])
        return self.contain_hashes(hash_text(lines.text))

    def contain_hashes(self, hashes: Hashes) -> Flags:
        """Return which of these are hashes of known words, shape unchanged."""
        if not len(self._hashes):
            return np.zeros(len(hashes), np.bool_)
        positions = np.searchsorted(self._hashes, hashes)
        return np.asarray(self._hashes[np.minimum(positions, len(self._hashes) - 1)] == hashes)


class Novelty:
    """Counts the known, repeated and new words in blocks of text.

    Attributes
    ----------
    words, known, repeated, new : int
        A known word counts as known each time; any other is new once and then repeated.
    first : list of str
        The first ``SHOWN`` words.
    """

    def __init__(self, known_words: KnownWords) -> None:
        self._known_words = known_words
        self._seen: set[int] = set()
        self.words = self.known = self.new = 0
        self.first: list[str] = []

    @property
    def repeated(self) -> int:
        """The number of unknown words that had been counted before."""
        return self.words - self.known - self.new

    def watch(self, texts: Iterable[str]) -> Iterator[str]:
        """Yield the same blocks of text, and count the words in them."""
        for text in texts:
            hashes = hash_text(text)
            is_known = self._known_words.contain_hashes(hashes)
            size = len(self._seen)
            self._seen.update(hashes[~is_known].tolist())
            self.words += len(hashes)
            self.known += int(is_known.sum())
            self.new += len(self._seen) - size
            if len(self.first) < SHOWN:
                self.first += text.split("\n")[: min(SHOWN - len(self.first), len(hashes))]
            yield text


def hash_text(text: str) -> Hashes:
    """Return a hash for each line of ``text``; every line ends with a line feed."""
    return hash_lines(np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8))


def find_corpus(
    facts: CorpusFacts, checkpoint: str | os.PathLike[str] = "", wanted_by: str = "--new"
) -> str:
    """Return the path of the corpus that a model was trained on.

    It may have moved together with the checkpoint: ``/old/data/words.txt`` is also sought as
    ``old/data/words.txt``, ``data/words.txt`` and ``words.txt``, in the checkpoint's folder and in
    the current one. ``training_texts`` verifies that it is the right file.

    Raises ``CorpusError`` if no file is found. Its advice depends on the option ``wanted_by``,
    which is empty where a command always needs the words.
    """
    _refuse_imported(facts, wanted_by)
    if not facts.path and ", " in facts.name:
        cure = "name each by --exclude instead of --new"
        if not _can_exclude(facts, wanted_by):
            cure = _without(wanted_by) + "train on one file"
        raise CorpusError(
            f"the training words came from {shown(facts.name)}, and only those of one file are read"
            f" again: {cure}"
        )
    if not facts.path:
        raise CorpusError(
            f"the training words came from {shown(facts.name)}, which cannot be read again: name a"
            " file that holds them by --corpus"
        )
    parts = facts.path.replace(os.sep, "/").split("/")
    ends = [os.path.join(*parts[i:]) for i in range(len(parts)) if parts[i]]
    folders = (os.path.dirname(checkpoint), "")
    moved = (os.path.join(folder, end) for folder in folders for end in ends)
    for path in (facts.path, *moved):
        if os.path.isfile(path):
            return path
    raise CorpusError(
        f"the training file {shown(facts.path)} has been moved or deleted: name the file that holds"
        " the words by --corpus"
    )


def training_texts(facts: CorpusFacts, path: str, wanted_by: str = "--new") -> Iterator[str]:
    """Yield the text that a model was trained on, in blocks of whole lines.

    Parameters
    ----------
    facts : CorpusFacts
        How the text was read, and its digest.
    path : str
        The file; see ``find_corpus``.
    wanted_by : str
        The option that needs the words.

    Raises
    ------
    CorpusError
        The corpus cannot be read or, at its end, turns out to have changed.
    """
    _refuse_imported(facts, wanted_by)
    reading = Corpus.from_paths(path).changed_as(facts).read(digest=True)
    yield from reading
    if reading.sha256 != facts.sha256:
        cures = "name the right file by --corpus or train again"
        if _can_exclude(facts, wanted_by):
            cures = f"exclude its present words by --exclude instead of --new, {cures}"
        raise CorpusError(
            f"{shown(path)} has changed since the training: expected SHA-256 {facts.sha256}, found"
            f" {reading.sha256}; {cures}"
        )


def _refuse_imported(facts: CorpusFacts, wanted_by: str) -> None:
    """Raise ``CorpusError`` for a model that was imported."""
    if facts.lines:
        return
    cure = "name a file of words to exclude by --exclude"
    if not _can_exclude(facts, wanted_by):
        cure = _without(wanted_by) + "train a model with makemore"
    raise CorpusError(
        f"the model was imported from {shown(facts.name)}, so its training words are not known:"
        f" {cure}"
    )


def _can_exclude(facts: CorpusFacts, wanted_by: str) -> bool:
    """Return whether --exclude could replace the option; it reads no tables."""
    return wanted_by == "--new" and not facts.column


def _without(wanted_by: str) -> str:
    return f"leave out {wanted_by}, or " if wanted_by else ""


def excluded_words(
    source: Model | Checkpoint,
    new: bool,
    exclude: KnownWords | Iterable[str],
    corpus: str | os.PathLike[str],
) -> list[KnownWords]:
    """Return the excluded words: the training words, if ``new``, and those of ``exclude``.

    The training words are read again, from ``corpus`` if that is given.
    """
    found = [exclude if isinstance(exclude, KnownWords) else _words_of(exclude)]
    if new:
        found.append(KnownWords(texts_to_exclude(source, corpus, "new")))
    return found


def texts_to_exclude(
    source: Model | Checkpoint, corpus: str | os.PathLike[str], option: str
) -> Iterator[str]:
    """Return the text that a model was trained on, in blocks, for an option that needs it.

    Raises ``OptionError`` for a model without its checkpoint.
    """
    if isinstance(source, Model):
        raise OptionError(
            f"{option} needs the checkpoint instead of its model: it knows the training words"
        )
    wanted_by = "--" + option.replace("_", "-")
    path = os.fspath(corpus) or find_corpus(source.corpus, wanted_by=wanted_by)
    return training_texts(source.corpus, path, wanted_by)


def _words_of(exclude: Iterable[str]) -> KnownWords:
    if isinstance(exclude, str):
        raise OptionError("exclude is one text: expected several words, such as ['emma', 'ava']")
    return KnownWords.of(exclude)


class Neighbours:
    """A set of words that finds those within k edits of another word.

    An edit inserts, deletes or replaces a character or swaps two neighbours (the optimal string
    alignment distance). Two words within k edits become equal by at most k deletions in each, so
    a short word is indexed by all results of up to k deletions. A long word has too many of them
    and is indexed by 2 k + 1 pieces: an edit touches at most two of them, so one stands unchanged
    in every near word, shifted by at most k characters.

    >>> names = Neighbours(1)
    >>> names.add("maria")
    >>> [names.has_near(word) for word in ("maria", "mraia", "mari", "maia", "mora")]
    [True, True, True, True, False]
    """

    def __init__(self, edits: int) -> None:
        self._edits = edits
        self._words: dict[str, list[str]] = defaultdict(list)
        self._pieces_of: dict[tuple[int, int, str], list[str]] = defaultdict(list)

    def add(self, word: str) -> None:
        """Add a word."""
        if len(word) <= MAX_DELETED_FROM:
            for shorter in _shortened(word, self._edits):
                self._words[shorter].append(word)
        else:
            for number, start, stop in self._pieces(len(word)):
                self._pieces_of[len(word), number, word[start:stop]].append(word)

    def has_near(self, word: str) -> bool:
        """Return whether a word of the set is within k edits."""
        return any(edit_distance(word, other) <= self._edits for other in self.candidates(word))

    def candidates(self, word: str) -> set[str]:
        """Return words of the set that may be within k edits, including all that are."""
        found: set[str] = set()
        if len(word) <= MAX_DELETED_FROM + self._edits:
            for shorter in _shortened(word, self._edits):
                found.update(self._words.get(shorter, ()))
        for length in range(
            max(MAX_DELETED_FROM + 1, len(word) - self._edits), len(word) + self._edits + 1
        ):
            for number, start, stop in self._pieces(length):
                for shift in range(-min(self._edits, start), self._edits + 1):
                    piece = word[start + shift : stop + shift]
                    found.update(self._pieces_of.get((length, number, piece), ()))
        return found

    def _pieces(self, length: int) -> list[tuple[int, int, int]]:
        """Return number, start and stop of each piece of a word of this length."""
        pieces = 2 * self._edits + 1
        bounds = [length * i // pieces for i in range(pieces + 1)]
        return [(i, *ends) for i, ends in enumerate(pairwise(bounds))]


def near_words(words: Iterable[str], texts: Iterable[str], edits: int) -> set[str]:
    """Return those of ``words`` that are within ``edits`` edits of a line of ``texts``."""
    neighbours = Neighbours(edits)
    lengths: set[int] = set()
    for word in words:
        neighbours.add(word)
        lengths |= set(range(len(word) - edits, len(word) + edits + 1))
    near: set[str] = set()
    for text in texts:
        for line in text.split("\n"):
            if line and len(line) in lengths:
                others = neighbours.candidates(line) - near
                near |= {other for other in others if edit_distance(line, other) <= edits}
    return near


def edit_distance(a: str, b: str) -> int:
    """Return the smallest number of edits between two words, as ``Neighbours`` counts them.

    >>> edit_distance("Iron Haven", "Iron aHven"), edit_distance("anna", "hanne")
    (1, 2)
    """
    before: list[int] = []
    last, row = before, list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, last, row = last, row, [i]
        for j, y in enumerate(b, 1):
            least = min(last[j] + 1, row[-1] + 1, last[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and y == a[i - 2]:
                least = min(least, before[j - 2] + 1)
            row.append(least)
    return row[-1]


def _shortened(word: str, deletions: int) -> set[str]:
    """Return all results of up to ``deletions`` deletions in a word."""
    found = newest = {word}
    for _ in range(deletions):
        newest = {part[:i] + part[i + 1 :] for part in newest for i in range(len(part))}
        found = found | newest
    return found


def nearest_words(words: Sequence[str], texts: Iterable[str]) -> list[tuple[str, int]]:
    r"""Return the nearest line of ``texts`` for each word and its edit distance.

    The distance is ``edit_distance``. The first of equally near lines is returned.

    >>> nearest_words(["anya"], ["emma\nanna\nivy\n"])
    [('anna', 1)]
    """
    found = [("", len(word)) for word in words]
    for text in texts:
        points = code_points(text)
        starts, ends = line_bounds(points)
        lengths = ends - starts
        shortest = int(min(lengths[lengths > 0], default=0))
        for i, word in enumerate(words):
            # the distance is at most the length of the longer word
            best = found[i][1] if found[i][0] else max(len(word), shortest) + 1
            # a difference in length of the best distance or more cannot be better
            near = np.flatnonzero((np.abs(lengths - len(word)) < best) & (lengths > 0))
            if not len(near):
                continue
            distances = _distances(code_points(word), points, starts[near], lengths[near])
            first = int(distances.argmin())
            if distances[first] < best:
                start = int(starts[near[first]])
                found[i] = text[start : start + int(lengths[near[first]])], int(distances[first])
    return found


def _distances(
    word: Bytes | CodePoints,
    points: Bytes | CodePoints,
    starts: npt.NDArray[np.intp],
    lengths: npt.NDArray[np.intp],
) -> npt.NDArray[np.intp]:
    """Return the edit distance of a word to each of M lines, shape (M,).

    It computes the table of ``edit_distance`` by columns, for many lines at once: ``column[i]`` is
    the distance of the word's first i characters to each line's first j.
    """
    found, letters = np.empty(len(starts), np.intp), word[:, None]
    offsets = np.arange(len(word) + 1, dtype=np.int32)[:, None]
    for part in chunks(len(starts), len(offsets)):
        first, sizes = starts[part], lengths[part]
        before = column = np.repeat(offsets, len(first), axis=1)
        characters = points[first]
        for j in range(1, int(sizes.max()) + 1):
            last, characters = characters, points[np.minimum(first + (j - 1), len(points) - 1)]
            earlier, before, column = before, column, np.empty_like(column)
            column[0] = j
            np.minimum(before[:-1] + (letters != characters), before[1:] + 1, out=column[1:])
            if j > 1:
                is_swapped = (letters[:-1] == characters) & (letters[1:] == last)
                swapped = earlier[: len(word) - 1] + 1
                column[2:] = np.where(is_swapped & (swapped < column[2:]), swapped, column[2:])
            # then insertions: the least column[k] + i - k of all k up to i
            column -= offsets
            _accumulate_minima(column)
            column += offsets
            found[part] = np.where(sizes == j, column[-1], found[part])
    return found


def _accumulate_minima(rows: npt.NDArray[np.int32]) -> None:
    """Replace each row by the least of it and those above, in place."""
    if rows.shape[1] < _WIDE:
        np.minimum.accumulate(rows, axis=0, out=rows)
        return
    for above, row in pairwise(rows):
        np.minimum(above, row, out=row)
