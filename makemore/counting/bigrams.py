"""The pairs of a bigram model and their count matrix, found in one pass over a corpus.

Each word is read from boundary to boundary: ``ella`` gives the pairs .e el ll la a. with the
boundary written as a dot. The literal pairs are for reading and checking; the count matrix is all
that the loss of a bigram model depends on.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from makemore.arrays import Bytes, Counts, Ids
from makemore.counting.pairs import code_points
from makemore.counting.tables import add_at, look_up
from makemore.counting.tally import Tally, WordSample, count, without_lines_holding
from makemore.data.corpus import BLOCK, Corpus, CorpusFacts, Progress, naming_lines, unchanged
from makemore.data.holdout import all_held_out, held_out_lines
from makemore.data.text import words_of
from makemore.data.vocabulary import Vocabulary
from makemore.errors import CorpusError, shown

Row = npt.NDArray[np.int16]
"""Ids of words one after another: below ``MAX_VOCABULARY``, so that they fit into 16 bits."""

_LINE_END = -1
_SIZE_FOR_PROCESSES = 1 << 27  # bytes; smaller corpora do not even load the module


def bigram_pairs(words: Sequence[str], vocabulary: Vocabulary) -> tuple[Ids, Ids]:
    """Return the inputs and the targets of every pair, two arrays of shape (symbols,).

    Symbols are all characters plus one end mark per word. The words stand in one row of ids, and
    the boundary that ends one starts the next, so every two neighbours are a pair. Raises
    ``VocabularyError``.

    >>> xs, ys = bigram_pairs(["ella"], Vocabulary("abcdefghijklmnopqrstuvwxyz"))
    >>> xs
    array([ 0,  5, 12, 12,  1])
    >>> ys
    array([ 5, 12, 12,  1,  0])
    """
    ids = vocabulary.encode_words(words)
    return ids[:-1], ids[1:]


def count_pairs(xs: Ids, ys: Ids, V: int) -> Counts:
    """Return N, ``N[i, j]`` being how often symbol j follows symbol i; (B,) and (B,) -> (V, V).

    This is ``one_hot(xs, V).T @ one_hot(ys, V)`` without the product.

    >>> count_pairs(np.array([0, 1, 1]), np.array([1, 1, 0]), 2)
    array([[0, 1],
           [1, 1]])
    """
    return np.bincount(xs * V + ys, minlength=V * V).reshape(V, V)


@dataclass(frozen=True)
class BigramCounts:
    """What one pass over a corpus finds: its alphabet, its pairs, and its facts.

    Attributes
    ----------
    vocabulary : Vocabulary, of V symbols
        All characters of the counted words, training and held-out.
    training, held_out : arrays of shape (V, V), int64
        ``[i, j]`` is how often symbol j follows symbol i.
    facts : CorpusFacts
    sample : WordSample
        Held-out words, kept to calibrate scores without reading the corpus again.
    """

    vocabulary: Vocabulary
    training: Counts
    held_out: Counts
    facts: CorpusFacts
    sample: WordSample


def count_bigrams(
    corpus: Corpus,
    holdout: float = 0.1,
    min_count: int = 1,
    jobs: int | None = None,
    progress: Progress | None = None,
    block_size: int = BLOCK,
) -> BigramCounts:
    """Count the pairs of a corpus in one pass over its bytes.

    Parameters
    ----------
    corpus : Corpus
    holdout : float
        The share of distinct words that is held out, 0 <= holdout < 1.
    min_count : int
        Words with a character that occurs less often are dropped. Above 1 the text is read twice,
        first for the characters; a pipe is copied to a temporary file for that.
    jobs : int, optional
        Processes; all processors where it is not given. A pipe, a compressed or a small corpus is
        counted in this one, and so is one in an encoding that cannot be cut at bytes. The result
        does not depend on it, nor on ``block_size`` in bytes.
    progress : callable, optional
        Called with the bytes read and, where it is known, how many there are.

    Raises
    ------
    CorpusError
        The corpus cannot be read or changes meanwhile, holds no word, or no word for training.
    VocabularyError
        There are ``MAX_VOCABULARY`` different characters or more.
    """
    with unchanged(corpus):
        if min_count <= 1:
            return _count(corpus, holdout, min_count, "", jobs, progress, block_size)
        with corpus.rereadable() as source:
            frequencies = character_frequencies(source.read(block_size, digest=False))
            rare = rare_characters(frequencies, min_count)
            return _count(source, holdout, min_count, rare, jobs, progress, block_size)


def id_blocks(
    corpus: Corpus,
    vocabulary: Vocabulary,
    holdout: float = 0.1,
    progress: Progress | None = None,
    block_size: int = BLOCK,
) -> Iterator[tuple[Row, Row]]:
    """Yield the training and the held-out words of each block as rows of ids.

    Each row has the form of ``Vocabulary.encode_words``: a boundary before, between and after the
    words, so a row without a word is one boundary. But its numbers have 16 bits: give them more
    before calculating with them. Words with a character outside the vocabulary are left out.

    This is a second pass, after that of ``count_bigrams``: use ``corpus.rereadable()`` around both
    to read a pipe.
    """
    encoder = _LineEncoder(vocabulary)
    for block in corpus.read(block_size, progress, digest=False):
        text = encoder.known_lines(block)
        if not holdout:
            yield encoder.row(text), encoder.row("")
            continue
        data = np.frombuffer(text.encode(), np.uint8)
        held_out, _ = held_out_lines(data, holdout)
        training = np.ones(len(data), np.bool_)
        training[held_out] = False
        yield encoder.row(_text(data[training])), encoder.row(_text(data[held_out]))


def _text(data: Bytes) -> str:
    return data.tobytes().decode()


def character_frequencies(blocks: Iterable[str]) -> Counts:
    """Return how often each code point occurs, shape (1,114,112,); line ends do not count."""
    frequencies = np.zeros(0x110000, np.int64)
    for block in blocks:
        add_at(frequencies, code_points(block))
    frequencies[ord("\n")] = 0
    return frequencies


def rare_characters(frequencies: Counts, min_count: int) -> str:
    """Return the characters that occur, but less often than ``min_count``."""
    return "".join(map(chr, np.flatnonzero((frequencies > 0) & (frequencies < min_count))))


class _LineEncoder:
    """Turns whole lines of text into rows of ids."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._unknown = re.compile(f"[^\n{re.escape(vocabulary.characters)}]")
        self._ids = np.zeros(0x110000, np.int16)  # by code point; 0 is an unknown character
        self._ids[code_points(vocabulary.characters)] = np.arange(1, len(vocabulary))
        self._ids[ord("\n")] = _LINE_END

    def known_lines(self, text: str) -> str:
        """Return the lines without blank ones and ones that hold an unknown character."""
        ids = self._look_up("\n" + text)
        if not ids.all():
            text, _ = without_lines_holding(self._unknown, text)
            ids = self._look_up("\n" + text)
        ends = ids == _LINE_END
        if (ends[1:] & ends[:-1]).any():
            text = "".join(word + "\n" for word in words_of(text))
        return text

    def row(self, text: str) -> Row:
        """Return the ids of known lines with boundaries around them, shape (len(text) + 1,)."""
        ids = self._look_up("\n" + text)
        return np.maximum(ids, 0, out=ids)

    def _look_up(self, text: str) -> npt.NDArray[np.int16]:
        return look_up(self._ids, code_points(text))


def _count(
    corpus: Corpus,
    holdout: float,
    min_count: int,
    rare: str,
    jobs: int | None,
    progress: Progress | None,
    block_size: int,
) -> BigramCounts:
    with naming_lines(corpus):
        if jobs != 1 and (corpus.size() or 0) >= _SIZE_FOR_PROCESSES:
            from makemore.counting.workers import count_in_processes, job_count

            if (jobs := job_count(corpus, jobs)) > 1:
                found = count_in_processes(corpus, holdout, rare, jobs, progress, block_size)
                return bigram_counts(corpus, *found, min_count)
        reading = corpus.read(block_size, progress)
        tally = count(reading.blocks(), holdout, rare)
        return bigram_counts(corpus, tally, reading.sha256, min_count)


def bigram_counts(corpus: Corpus, tally: Tally, sha256: str, min_count: int) -> BigramCounts:
    """Return a tally in the form that training takes. Raises ``CorpusError`` where it is empty."""
    name = shown(corpus.name)
    if not tally.characters:
        why = f" with characters that occur {min_count} times" if tally.dropped_lines else ""
        raise CorpusError(f"{name} holds no word{why}: expected one a line")
    lines, held_out_lines = (int(N[0].sum()) for N in (tally.total, tally.held_out))
    if lines == held_out_lines:
        raise CorpusError(all_held_out(corpus.name))
    facts = CorpusFacts(
        name=corpus.name,
        sha256=sha256,
        lines=lines,
        symbols=int(tally.total.sum()),
        held_out_lines=held_out_lines,
        held_out_symbols=int(tally.held_out.sum()),
        held_out_fingerprint=f"{tally.fingerprint:016x}",
        dropped_lines=tally.dropped_lines,
        min_count=min_count,
        encoding=corpus.encoding,
        lowercase=corpus.lowercase,
        strip_accents=corpus.strip_accents,
        normalize=corpus.normalize,
        path=corpus.path,
    )
    training = np.subtract(tally.total, tally.held_out, out=tally.total)
    return BigramCounts(Vocabulary(tally.characters), training, tally.held_out, facts, tally.sample)
