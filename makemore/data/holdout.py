"""Which words are held out: a share of the distinct words, decided by a hash of each word alone.

The words with the smallest hashes are held out, the next ones may be set apart for validation, and
the others are for training. A duplicate therefore never stands on both sides, and the split depends
neither on the order of the lines nor on a seed.

A large corpus is read once, so its bounds must be known before: they are shares of all hashes. Of n
distinct words a share p is then held out with a standard deviation of sqrt(p (1 - p) / n). That is
0.3% for a tenth of ``MAX_EXACT`` words, but 9.5% for a tenth of ten words: two lists in three would
miss by one word or more. A small corpus therefore gets the bound below which exactly round(p n) of
its words lie.

The hash of a word with UTF-8 bytes b_0 .. b_(k-1) is

    mix(sum_i table[b_i] * R**i  mod 2**64)

a polynomial in the odd number R whose coefficients are 64-bit numbers looked up by byte, finished
by the mixing function of splitmix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number
generators"). One sweep over a text gives the sums of all its words, because R has an inverse modulo
2**64. It goes piece by piece, so that the tables of powers stay small however long a line is.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import NamedTuple

import numpy as np

from makemore.arrays import Bytes, Flags, Hashes, Indices, Integers, Offsets
from makemore.data.text import Lines, line_bounds, without_lines_holding
from makemore.errors import OptionError, shown

MAX_EXACT = 10_000
"""Up to this many distinct words exact numbers are set apart; of more, shares of all hashes."""

MAX_EXACT_TEXT = 1 << 22
"""The same limit in characters, for all distinct words together."""

_SMALLEST_LIST = 10  # from so many words on one is held out, however small the share

_R = 0x9E3779B97F4A7C15
_MODULUS = 1 << 64
_INVERSE = pow(_R, -1, _MODULUS)
_PIECE = 1 << 16  # bytes; the arrays of a piece stay in the processor's second cache


class Split(NamedTuple):
    """The bounds between the hashes of words with different roles.

    Attributes
    ----------
    bounds : tuple of float
        Ascending shares of all hashes, one for each share that was asked for. The words below the
        first are held out, those between the first and the second are for validation.
    distinct : int
        The number of distinct words if it decided the bounds, else 0.
    """

    bounds: tuple[float, ...]
    distinct: int = 0


def mix(values: Hashes) -> Hashes:
    """Return splitmix64's finishing function: each input bit affects all output bits."""
    mixed = values ^ (values >> np.uint64(30))
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def hash_lines(text: Bytes) -> Hashes:
    r"""Return one hash per line of ``text``, shape (lines,).

    ``text`` holds UTF-8 bytes, shape (n,); each line ends with a line feed, the last one too.

    >>> a, b, a_again = hash_lines(np.frombuffer(b"emma\nava\nemma\n", np.uint8))
    >>> bool(a == a_again), bool(a == b)
    (True, False)
    """
    return _hash_lines(text, *line_bounds(text))


def distinct_hashes(hashes: Hashes) -> Hashes:
    """Return the distinct hashes, sorted.

    ``np.unique`` uses a hash table from NumPy 2.3 on, which takes several times as long if most
    hashes differ.
    """
    hashes = np.sort(hashes)
    return hashes[firsts_of(hashes)]


def firsts_of(ascending: Hashes) -> Indices:
    """Return the index at which each distinct one of ascending hashes stands first."""
    before = ~ascending[:1]  # differs from the first hash; empty if there is none
    return np.flatnonzero(np.diff(ascending, prepend=before))


def held_out_lines(text: Bytes, share: float) -> tuple[Offsets, Indices, Hashes]:
    """Find the lines whose hashes are in the first ``share`` of all; see ``hash_lines``.

    Return the offsets of their bytes, line feeds included, their numbers from 0, (held-out lines,),
    and the hashes of all lines, (lines,). Blank lines are not among them.
    """
    all_starts, ends = line_bounds(text)
    hashes = _hash_lines(text, all_starts, ends)
    held_out = np.flatnonzero(is_held_out(hashes, share))
    starts = all_starts[held_out]
    lengths = ends[held_out] + 1 - starts
    if (lengths == 1).any():
        blank = lengths == 1
        held_out, starts, lengths = held_out[~blank], starts[~blank], lengths[~blank]
    return offsets_of(starts, lengths), held_out, hashes


def offsets_of(starts: Offsets, lengths: Integers) -> Offsets:
    """Return the offsets of all bytes of lines with these starts and lengths, one after another.

    >>> offsets_of(np.array([0, 7]), np.array([2, 3]))
    array([0, 1, 7, 8, 9])
    """
    before = np.cumsum(lengths) - lengths  # bytes of the lines above each
    return np.asarray(np.repeat(starts - before, lengths) + np.arange(lengths.sum()))


def is_held_out(hashes: Hashes, share: float) -> Flags:
    """Return which hashes are in the first ``share`` of all hashes (0 <= share < 1)."""
    return hashes < np.uint64(int(share * _MODULUS))


def role_of(hashes: Hashes, bounds: Sequence[float]) -> Integers:
    """Return the role of words with these hashes, shape of ``hashes``.

    ``bounds`` are those of a ``Split``. The role is 1 below the first, held out, 2 below the next,
    for validation, and 0 for the others, to train on.
    """
    limits = np.array([int(bound * _MODULUS) for bound in bounds], np.uint64)
    parts = np.searchsorted(limits, hashes, side="right")
    return (parts + 1) % (len(limits) + 1)


def split_of(shares: Sequence[float], hashes: Hashes | None = None) -> Split:
    """Return the bounds by which these shares of the words are set apart.

    Each bound depends only on its share and those before it.

    Parameters
    ----------
    shares : sequence of float
        The share that is held out, then perhaps that for validation; together below 1.
    hashes : array, optional
        The distinct hashes of a small corpus, ascending: of n words each share p gets round(p n),
        at least one if n is 10 or more, and one word is always left for training. Without them the
        bounds are shares of all hashes.

    >>> split_of([0.1, 0.05])
    Split(bounds=(0.1, 0.15000000000000002), distinct=0)
    """
    if any(share < 0 for share in shares) or sum(shares) >= 1:
        raise OptionError(f"the shares {shares} must be 0 or more, and together below 1")
    if hashes is None:
        return Split(tuple(sum(shares[: i + 1]) for i in range(len(shares))))
    n, taken = len(hashes), 0
    bounds = []
    for share in shares:
        taken = min(taken + exact_count(share, n), max(0, n - 1))
        bounds.append(_bound(hashes, taken))
    return Split(tuple(bounds), n)


def exact_count(share: float, n: int) -> int:
    """Return how many of n distinct words are in a share of a small corpus.

    >>> exact_count(0.1, 9), exact_count(0.01, 10), exact_count(0.1, 30)
    (1, 1, 3)
    """
    least = 1 if share and n >= _SMALLEST_LIST else 0
    return max(round(share * n), least)


def _bound(hashes: Hashes, count: int) -> float:
    """Return the share of all hashes that lies above just ``count`` of these.

    It is halfway between two of them. 53 bits are enough: in one list out of 2**38 two of 10,000
    hashes are closer than a float can tell.
    """
    if count == 0:
        return 0.0
    return (int(hashes[count - 1]) + int(hashes[count])) / 2 / _MODULUS


def split_of_text(
    blocks: Iterable[Lines], shares: Sequence[float], rare: re.Pattern[str] | None = None
) -> tuple[Split, Iterator[Lines]]:
    """Return the split of a text, and its blocks again.

    The split depends on the distinct words alone. The text is read ahead until it has more than
    ``MAX_EXACT`` distinct words, or more than ``MAX_EXACT_TEXT`` characters in them. If the words
    repeat often, the returned blocks hold each of them once, with a weight. Lines in which ``rare``
    is found do not count.
    """
    blocks = iter(blocks)
    ahead: list[Lines] = []
    hashes, size = np.zeros(0, np.uint64), 0
    if not any(shares):
        return split_of(shares), blocks
    for lines in blocks:
        if size > MAX_EXACT_TEXT:
            lines = without_repetition([lines])
        ahead.append(lines)
        size += len(lines.text)
        if rare:
            lines, _ = without_lines_holding(rare, lines)
        hashes = distinct_hashes(np.concatenate([hashes, hash_words(lines.text)]))
        if len(hashes) > MAX_EXACT:
            return split_of(shares), chain(ahead, blocks)
        if size > 2 * MAX_EXACT_TEXT:  # twice, so that this is not repeated for each block
            ahead = [without_repetition(ahead)]
            size = len(ahead[0].text)
            if size > MAX_EXACT_TEXT:
                return split_of(shares), chain(ahead, blocks)
    if size > MAX_EXACT_TEXT:
        ahead = [without_repetition(ahead)]
        if len(ahead[0].text) > MAX_EXACT_TEXT:
            return split_of(shares), iter(ahead)
    return split_of(shares, hashes), iter(ahead)


def without_repetition(blocks: Sequence[Lines]) -> Lines:
    r"""Return the distinct words of one block or more, each with the weight of all its lines.

    The words are in the order of their hashes, by which they are told apart.

    >>> without_repetition([Lines("emma\n\nava\n"), Lines("emma\n", np.array([5]))])
    Lines(text='ava\nemma\n', weights=array([1, 6]))
    """
    data = np.frombuffer("".join(lines.text for lines in blocks).encode(), np.uint8)
    starts, ends = line_bounds(data)
    with_words = np.flatnonzero(ends > starts)
    hashes = _hash_lines(data, starts, ends)[with_words]
    order = np.argsort(hashes)
    firsts = firsts_of(hashes[order])
    weights = np.concatenate([_weights_of(lines) for lines in blocks])[with_words[order]]
    words = with_words[order[firsts]]
    offsets = offsets_of(starts[words], (ends - starts)[words] + 1)
    return Lines(data[offsets].tobytes().decode(), np.add.reduceat(weights, firsts))


def is_split_exactly(words: Lines) -> bool:
    """Return whether an exact number of these words ``without_repetition`` is set apart."""
    return words.text.count("\n") <= MAX_EXACT and len(words.text) <= MAX_EXACT_TEXT


def _weights_of(lines: Lines) -> Integers:
    if lines.weights is None:
        data = np.frombuffer(lines.text.encode(), np.uint8)
        return np.ones(np.count_nonzero(data == ord("\n")), np.int64)
    return lines.weights


def hash_words(text: str) -> Hashes:
    """Return one hash per word of whole lines; blank lines have none."""
    data = np.frombuffer(text.encode(), np.uint8)
    starts, ends = line_bounds(data)
    return _hash_lines(data, starts, ends)[ends > starts]


def split_words(words: Sequence[str], shares: Sequence[float]) -> Integers:
    """Return the role of each of ``words``, as ``role_of`` numbers them; shape (len(words),).

    No word may be empty or hold a line feed. ``shares`` are as ``split_of`` takes them.

    >>> split_words([f"{i}" for i in range(20)], [0.1, 0.05]).tolist()
    [0, 0, 1, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    """
    text = "".join(word + "\n" for word in words)
    split, _ = split_of_text([Lines(text)], shares)
    return role_of(hash_words(text), split.bounds)


def all_held_out(name: str) -> str:
    """Return the message for a corpus of which no word is left for training."""
    return (
        f"every word of {shown(name)} is held out, none is left for training: hold out none with"
        " --holdout 0"
    )


def _hash_lines(text: Bytes, line_starts: Offsets, ends: Offsets) -> Hashes:
    """Return the hashes of the lines with these bounds, (lines,), 0 for blank ones."""
    starts = np.append(line_starts, len(text))
    hashes = np.empty(len(ends), np.uint64)
    line = 0
    while line < len(ends):
        start = int(starts[line])
        after = int(np.searchsorted(starts, start + _PIECE, side="right")) - 1
        if after > line:
            piece = text[start : starts[after]]
            hashes[line:after] = mix(_sums_of_lines(piece, starts[line:after] - start))
        else:
            after = line + 1
            hashes[line:after] = mix(_sum_of_long_line(text[start : ends[line] + 1]))
        line = after
    return hashes


def _sums_of_lines(piece: Bytes, starts: Offsets) -> Hashes:
    """Return the polynomials of whole lines, shape (lines,), 0 for blank ones.

    Two bytes are taken at once: the term of the bytes 2k and 2k + 1 is (table[b] + table[b'] * R) *
    R**2k. A line feed counts nothing, so a term over the border of two lines belongs to the second,
    and the first term of the line that starts at offset p is the one that holds p. The sum of that
    line is too large by the factor R**p.
    """
    pairs = piece[: len(piece) // 2 * 2].view("<u2")
    sums = np.empty(len(pairs) + 2, np.uint64)  # before each term; the last line feed may be single
    sums[0] = sums[-1] = 0
    terms = sums[1:-1]
    np.take(_coefficients_of_pairs(), pairs, out=terms, mode="clip")  # take's fastest mode
    terms *= _powers(_R * _R % _MODULUS)[: len(terms)]
    np.cumsum(sums, out=sums)  # np.add.reduceat over the lines takes three times as long
    above = np.empty(len(starts) + 1, np.uint64)
    np.take(sums, starts >> 1, out=above[:-1], mode="clip")
    above[-1] = sums[-1]
    of_lines = above[1:] - above[:-1]
    of_lines *= np.take(_powers(_INVERSE), starts, mode="clip")
    return of_lines


def _sum_of_long_line(line: Bytes) -> Hashes:
    """Return the polynomial of one line of any length with its line feed, shape (1,)."""
    total, scale = 0, pow(_R, _PIECE, _MODULUS)
    for start in reversed(range(0, len(line), _PIECE)):  # Horner's rule
        (piece,) = _sums_of_lines(line[start : start + _PIECE], np.zeros(1, np.int64)).tolist()
        total = (total * scale + piece) % _MODULUS
    return np.array([total], np.uint64)


@cache
def _coefficients_of_pairs() -> Hashes:
    """Return table[b] + table[b'] * R for the bytes b and b' at position b + 256 * b'.

    The table holds a fixed 64-bit number for each byte, 0 for the line feed.
    """
    table = mix(np.arange(1, 257, dtype=np.uint64) * np.uint64(_R))
    table[ord("\n")] = 0
    return np.asarray(table + (table * np.uint64(_R))[:, np.newaxis]).ravel()


@cache
def _powers(base: int) -> Hashes:
    """Return base**i modulo 2**64 for i = 0 .. _PIECE, shape (_PIECE + 1,)."""
    powers = np.full(_PIECE + 1, base, np.uint64)
    powers[0] = 1
    return np.cumprod(powers, dtype=np.uint64)
