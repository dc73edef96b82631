"""Which words are held out: a share of the distinct words, decided by a hash of each word alone.

A duplicate therefore never stands on both sides, and the split depends neither on the order of the
lines nor on a seed: a word that is held out of one corpus is held out of every corpus, and shards
can be split apart.

The hash of a word with UTF-8 bytes b_0 .. b_(k-1) is

    mix(sum_i table[b_i] * R**i  mod 2**64)

a polynomial in the odd number R whose coefficients are 64-bit numbers looked up by byte, finished
by the mixing function of splitmix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number
generators"). The sums of all words of a text come from one sweep over it, because R has an inverse
modulo 2**64. The sweep goes in pieces, so that the tables of powers stay small however long a line
is.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np

from makemore.arrays import Bytes, Flags, Hashes, Integers, Offsets
from makemore.data.text import line_bounds
from makemore.errors import shown

_R = 0x9E3779B97F4A7C15
_MODULUS = 1 << 64
_PIECE = 1 << 16  # bytes; the arrays of a piece stay in the processor's second cache


def mix(values: Hashes) -> Hashes:
    """Return splitmix64's finishing function: every input bit moves every output bit."""
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

    ``np.unique`` does this with a hash table from NumPy 2.3 on, which takes several times as long
    where most differ.
    """
    hashes = np.sort(hashes)
    before = ~hashes[:1]  # differs from the first, whatever that is; nothing where there is none
    return hashes[np.diff(hashes, prepend=before) > 0]


def held_out_lines(text: Bytes, share: float) -> tuple[Offsets, Hashes]:
    """Find the lines that hold a held-out word in ``text``, which is as ``hash_lines`` takes it.

    Return the offsets of their bytes, their line feeds included, and the hashes of their words,
    shape (held-out lines,). A blank line holds no word.
    """
    all_starts, ends = line_bounds(text)
    hashes = _hash_lines(text, all_starts, ends)
    held_out = np.flatnonzero(is_held_out(hashes, share))
    starts = all_starts[held_out]
    lengths = ends[held_out] + 1 - starts
    if (lengths == 1).any():
        blank = lengths == 1
        held_out, starts, lengths = held_out[~blank], starts[~blank], lengths[~blank]
    before = np.cumsum(lengths) - lengths  # bytes of the held-out lines above each
    offsets = np.repeat(starts - before, lengths) + np.arange(lengths.sum())
    return offsets, hashes[held_out]


def is_held_out(hashes: Hashes, share: float) -> Flags:
    """Return which words belong to the held-out ``share`` (0 <= share < 1), shape of ``hashes``."""
    return hashes < np.uint64(int(share * _MODULUS))


def role_of(hashes: Hashes, shares: Sequence[float]) -> Integers:
    """Return the role of words with these hashes, shape of ``hashes``.

    It is 1 for the first of ``shares``, the held-out words, 2 for the second one, and 0 for the
    others. The held-out words are those of ``is_held_out``, whatever other shares there are.
    """
    bounds, reached = [], 0
    for share in shares:
        reached = min(reached + int(share * _MODULUS), _MODULUS - 1)
        bounds.append(reached)
    slices = np.searchsorted(np.array(bounds, np.uint64), hashes, side="right")
    return (slices + 1) % (len(bounds) + 1)


def all_held_out(name: str) -> str:
    """Return what to say of a corpus of which no word is left for training."""
    return (
        f"every word of {shown(name)} is held out, none is left for training: hold out none with"
        " --holdout 0"
    )


def held_out_words(words: Sequence[str], share: float) -> Flags:
    """Return which of ``words`` are held out, shape (len(words),). No word may hold a line feed."""
    text = "".join(word + "\n" for word in words).encode()
    return is_held_out(hash_lines(np.frombuffer(text, np.uint8)), share)


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
            hashes[line:after] = mix(_sum_of_long_line(text[start : ends[line]]))
        line = after
    return hashes


def _sums_of_lines(piece: Bytes, starts: Offsets) -> Hashes:
    """Return the polynomials of whole lines, shape (lines,), 0 for blank ones.

    Two bytes at a time: the term of the bytes 2k and 2k + 1 is (table[b] + table[b'] * R) * R**2k.
    A line feed counts nothing, so a term over the border of two lines belongs to the second, and
    the terms of the line that starts at offset p start with the one that holds p. That line's sum
    is too large by the factor R**p.
    """
    pairs = piece[: len(piece) // 2 * 2].view("<u2")
    sums = np.empty(len(pairs) + 2, np.uint64)  # before each term; a last line feed may stand alone
    sums[0] = sums[-1] = 0
    terms = sums[1:-1]
    np.take(_coefficients_of_pairs(), pairs, out=terms, mode="clip")  # take's fastest mode
    terms *= _powers(_R * _R % _MODULUS)[: len(terms)]
    np.cumsum(sums, out=sums)  # a sum for each line, np.add.reduceat, takes three times as long
    above = np.empty(len(starts) + 1, np.uint64)
    np.take(sums, starts >> 1, out=above[:-1], mode="clip")
    above[-1] = sums[-1]
    of_lines = above[1:] - above[:-1]
    of_lines *= np.take(_powers(_inverse(_R)), starts, mode="clip")
    return of_lines


def _sum_of_long_line(line: Bytes) -> Hashes:
    """Return the polynomial of one line of any length, shape (1,)."""
    total, scale = 0, 1  # R to the power of the piece's start
    for start in range(0, len(line), _PIECE):
        piece = line[start : start + _PIECE]
        terms = _coefficients()[piece] * _powers(_R)[: len(piece)]
        total += int(terms.sum()) * scale
        scale = scale * int(_powers(_R)[_PIECE]) % _MODULUS
    return np.array([total % _MODULUS], np.uint64)


@cache
def _coefficients() -> Hashes:
    """Return a fixed 64-bit number for each byte, shape (256,); zero for the line feed."""
    table = mix(np.arange(1, 257, dtype=np.uint64) * np.uint64(_R))
    table[ord("\n")] = 0
    return table


@cache
def _coefficients_of_pairs() -> Hashes:
    """Return table[b] + table[b'] * R for the bytes b and b' at position b + 256 * b'."""
    table = _coefficients()
    return np.asarray(table + (table * np.uint64(_R))[:, np.newaxis]).ravel()


@cache
def _powers(base: int) -> Hashes:
    """Return base**i modulo 2**64 for i = 0 .. _PIECE, shape (_PIECE + 1,)."""
    powers = np.full(_PIECE + 1, base, np.uint64)
    powers[0] = 1
    return np.cumprod(powers)


@cache
def _inverse(number: int) -> int:
    """Return the inverse of an odd number modulo 2**64."""
    return pow(number, -1, _MODULUS)
