"""The words that stand in no line above: what ``--weights-as distinct`` counts.

Words are told apart by their hashes of 64 bits, as the split into roles does: 8 bytes a word,
whatever its length, and up to 20 while runs are merged. Two of n words share a hash with a
probability of about n**2 / 2**65: 1 in 90,000 for 20 million words, 1 in 4,500 for 90 million, as
many as 1 GB holds. The later one of such a pair counts as a repetition.
"""

import numpy as np

from makemore.arrays import Flags, Hashes, available_memory
from makemore.data.holdout import firsts_of, hash_lines
from makemore.data.text import Lines, line_bounds, weights_of_symbols
from makemore.errors import CorpusError

_RATIO = 8  # between the lengths of two runs: 2 takes more time to search, 64 to merge
_BYTES_EACH = 12  # of a run that is made: 8 for the hash, up to 4 while it is sorted


class SeenHashes:
    """A set of hashes in ascending runs, each several times as long as the next.

    >>> seen = SeenHashes()
    >>> seen.add(np.array([7, 5, 7], np.uint64)).tolist()
    [True, True, False]
    >>> seen.add(np.array([9, 5], np.uint64)).tolist()
    [True, False]
    """

    def __init__(self) -> None:
        self._runs: list[Hashes] = []

    def add(self, hashes: Hashes) -> Flags:
        """Add hashes, shape (n,), and return which of them are new: of equal ones the first.

        Raises ``CorpusError`` where memory does not suffice.
        """
        order = np.argsort(hashes, kind="stable")
        order = order[firsts_of(hashes[order])]
        distinct = hashes[order]
        is_new = np.ones(len(distinct), np.bool_)
        for run in self._runs:
            is_new &= run[np.searchsorted(run[:-1], distinct)] != distinct
        if is_new.any():
            self._add_run(distinct[is_new])
        flags = np.zeros(len(hashes), np.bool_)
        flags[order[is_new]] = True
        return flags

    def _add_run(self, run: Hashes) -> None:
        """Add ascending hashes that are new, and merge them with the runs that are not longer."""
        merged, length = [run], len(run)
        while self._runs and len(self._runs[-1]) < _RATIO * length:
            merged.append(self._runs.pop())
            length += len(merged[-1])
        if len(merged) > 1:
            _refuse_beyond_memory(length)
            run = np.concatenate(merged)
            run.sort(kind="stable")  # fast on the few ascending runs that they are
        self._runs.append(run)


def without_repeated_words(lines: Lines, seen: SeenHashes) -> Lines:
    r"""Return lines with weight 1 for each new word, and blank ones for those already ``seen``.

    The new words are added to ``seen``.

    >>> without_repeated_words(Lines("emma\n\nava\nemma\n"), SeenHashes())
    Lines(text='emma\n\nava\n\n', weights=array([1, 0, 1, 0]))
    """
    data = np.frombuffer(lines.text.encode(), np.uint8)
    starts, ends = line_bounds(data)
    words = np.flatnonzero(ends > starts)
    is_first = np.zeros(len(ends), np.bool_)
    is_first[words] = seen.add(hash_lines(data)[words])
    is_kept = weights_of_symbols(is_first, ends)
    is_kept[ends] = True
    text = lines.text if is_kept.all() else data[is_kept].tobytes().decode()
    return Lines(text, is_first.astype(np.int64))


def _refuse_beyond_memory(words: int) -> None:
    needed, available = words * _BYTES_EACH, available_memory()
    if available is not None and needed > available:
        raise CorpusError(
            f"to find repetitions among {words:,} distinct words takes {needed:,} bytes of memory,"
            f" and {available:,} are available: leave --weights-as distinct out, or use fewer words"
        )
