"""The pairs of a bigram model and their count matrix, found in one pass over a corpus.

Each word is read from boundary to boundary: ``ella`` gives the pairs .e el ll la a. with the
boundary written as a dot. The literal pairs are for reading and checking; the count matrix is all
that the loss of a bigram model depends on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from makemore.data.corpus import BLOCK, Corpus, CorpusFacts, Progress
from makemore.data.holdout import hash_lines, is_held_out
from makemore.data.text import words_of
from makemore.data.vocabulary import Ids, Vocabulary
from makemore.errors import CorpusError

Counts = npt.NDArray[np.int64]


def bigram_pairs(words: Sequence[str], vocabulary: Vocabulary) -> tuple[Ids, Ids]:
    """Return the inputs and the targets of every pair, two arrays of shape (symbols,).

    Symbols are all characters plus one end mark per word. Raises ``VocabularyError``.

    >>> xs, ys = bigram_pairs(["ella"], Vocabulary("abcdefghijklmnopqrstuvwxyz"))
    >>> xs
    array([ 0,  5, 12, 12,  1])
    >>> ys
    array([ 5, 12, 12,  1,  0])
    """
    ids = vocabulary.encode_words(words)
    return ids[:-1], ids[1:]


def count_pairs(xs: Ids, ys: Ids, V: int) -> Counts:
    """Return N of shape (V, V): ``N[i, j]`` is how often symbol j follows symbol i.

    This is ``one_hot(xs, V).T @ one_hot(ys, V)`` without the product.

    >>> count_pairs(np.array([0, 1, 1]), np.array([1, 1, 0]), 2)
    array([[0, 1],
           [1, 1]])
    """
    return np.bincount(xs * V + ys, minlength=V * V).reshape(V, V)


@dataclass(frozen=True)
class HeldOutSample:
    """Some of the held-out words, kept to calibrate scores without reading the corpus again.

    They are the distinct held-out words with the smallest hashes, at most ``MAX_SAMPLE``: the same
    in whatever order, blocks or processes the corpus was read.

    Attributes
    ----------
    words : tuple of str
        In the order of their hashes.
    counts : array of shape (len(words),), int64
        How many held-out lines hold each word.
    """

    words: tuple[str, ...]
    counts: Counts


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
    sample : HeldOutSample
    """

    vocabulary: Vocabulary
    training: Counts
    held_out: Counts
    facts: CorpusFacts
    sample: HeldOutSample


def count_bigrams(
    corpus: Corpus,
    holdout: float = 0.1,
    min_count: int = 1,
    jobs: int | None = None,
    progress: Progress | None = None,
    block_size: int = BLOCK,
) -> BigramCounts:
    """Count the pairs of a corpus in one pass (two where ``min_count`` is above 1).

    Raises ``CorpusError`` where the corpus cannot be read, or no training word is left.
    """
    reading = corpus.read(block_size, progress)
    words = [word for block in reading for word in words_of(block)]
    if not words:
        raise CorpusError(f"{corpus.name} holds no word: expected one a line")
    from collections import Counter

    frequencies = Counter("".join(words))
    all_words = words
    words = [w for w in words if all(frequencies[c] >= min_count for c in w)]
    hashes = hash_lines(np.frombuffer("".join(w + "\n" for w in words).encode(), np.uint8))
    held = is_held_out(hashes, holdout)
    vocabulary = Vocabulary("".join(words))
    V = len(vocabulary)
    training_words = [w for w, h in zip(words, held, strict=True) if not h]
    held_words = [w for w, h in zip(words, held, strict=True) if h]
    held_out = count_pairs(*bigram_pairs(held_words, vocabulary), V)
    training = count_pairs(*bigram_pairs(training_words, vocabulary), V)
    of_word = Counter(held_words)
    distinct = [w for _, w in sorted(zip(hashes[held].tolist(), held_words, strict=True))]
    distinct = list(dict.fromkeys(distinct))
    facts = CorpusFacts(
        name=corpus.name,
        sha256=reading.sha256,
        lines=len(words),
        symbols=int(training.sum() + held_out.sum()),
        held_out_lines=len(held_words),
        held_out_symbols=int(held_out.sum()),
        held_out_fingerprint=f"{int(hashes[held].sum()):016x}",
        dropped_lines=len(all_words) - len(words),
        min_count=min_count,
        encoding=corpus.encoding,
        lowercase=corpus.lowercase,
        strip_accents=corpus.strip_accents,
        normalize=corpus.normalize,
    )
    sample = HeldOutSample(tuple(distinct), np.array([of_word[w] for w in distinct], np.int64))
    return BigramCounts(vocabulary, training, held_out, facts, sample)


def id_blocks(
    corpus: Corpus,
    vocabulary: Vocabulary,
    holdout: float = 0.1,
    progress: Progress | None = None,
    block_size: int = BLOCK,
) -> Iterator[tuple[Ids, Ids]]:
    """Yield the training and the held-out words of each block as rows of ids.

    Each row has the form of ``Vocabulary.encode_words``: a boundary before, between and after the
    words, so a row without a word is one boundary. Words with a character outside the vocabulary
    are left out. Use ``corpus.rereadable()`` to read a pipe a second time.
    """
    known = set(vocabulary.characters)
    for block in corpus.read(block_size, progress):
        words = [word for word in words_of(block) if known.issuperset(word)]
        text = "".join(word + "\n" for word in words).encode()
        held = is_held_out(hash_lines(np.frombuffer(text, np.uint8)), holdout)
        yield (
            vocabulary.encode_words([w for w, h in zip(words, held, strict=True) if not h]),
            vocabulary.encode_words([w for w, h in zip(words, held, strict=True) if h]),
        )
