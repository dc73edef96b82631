"""Which words are held out: a share of the distinct words, decided by a hash of each word alone.

A duplicate therefore never stands on both sides, and the split depends neither on the order of the
lines nor on a seed: a word that is held out of one corpus is held out of every corpus, and shards
can be split apart.

The hash of a word with UTF-8 bytes b_0 .. b_(k-1) is

    mix(sum_i table[b_i] * R**i  mod 2**64)

a polynomial in the odd number R whose coefficients are 64-bit numbers looked up by byte, finished
by the mixing function of splitmix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number
generators"). A running sum over a whole text gives the sums of all its words at once, because R has
an inverse modulo 2**64. It runs in pieces, so that the tables of powers stay small however long a
line is.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

_R = 0x9E3779B97F4A7C15
_MODULUS = 1 << 64
_PIECE = 1 << 14  # bytes; the arrays of a piece stay in the processor's second cache


def mix(values: Hashes) -> Hashes:
    """Return splitmix64's finishing function: every input bit moves every output bit."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def hash_lines(text: Bytes) -> Hashes:
    r"""Return one hash per line of ``text``, shape (lines,).

    ``text`` holds UTF-8 bytes, shape (n,); each line ends with a line feed, the last one too.

    >>> a, b, a_again = hash_lines(np.frombuffer(b"emma\nava\nemma\n", np.uint8))
    >>> bool(a == a_again), bool(a == b)
    (True, False)
    """
    return _hash_lines(text, _line_ends(text))


def held_out_lines(text: Bytes, share: float) -> tuple[Flags, Hashes]:
    """Find the lines that hold a held-out word in ``text``, which is as ``hash_lines`` takes it.

    Returns which bytes belong to them, their line feeds included, shape (n,), and the hashes of
    their words, shape (held-out lines,). A blank line holds no word.
    """
    ends = _line_ends(text)
    lengths = np.diff(ends, prepend=-1)
    hashes = _hash_lines(text, ends)
    held_out = is_held_out(hashes, share) & (lengths > 1)
    return np.repeat(held_out, lengths), hashes[held_out]


def is_held_out(hashes: Hashes, share: float) -> Flags:
    """Return which words belong to the held-out ``share`` (0 <= share < 1), shape of ``hashes``."""
    return hashes < np.uint64(int(share * _MODULUS))


def held_out_words(words: Sequence[str], share: float) -> Flags:
    """Return which of ``words`` are held out, shape (len(words),). No word may hold a line feed."""
    text = "".join(word + "\n" for word in words).encode()
    return is_held_out(hash_lines(np.frombuffer(text, np.uint8)), share)


def _line_ends(text: Bytes) -> npt.NDArray[np.int64]:
    return np.flatnonzero(text == ord("\n"))


def _hash_lines(text: Bytes, ends: npt.NDArray[np.int64]) -> Hashes:
    """Return the hashes of the lines that end at ``ends``.

    With S(p) the sum of table[b_i] * R**i over the whole text before position p, the sum of the
    word from p to q is (S(q) - S(p)) * R**-p. A line feed counts nothing, so S at the end of a line
    is S at the start of the next.
    """
    sums = np.empty(len(ends), np.uint64)  # S at each line's end
    inverses = np.empty(len(ends) + 1, np.uint64)  # R**-p for each line's start p
    inverses[0] = 1
    powers, inverse_powers = _powers(_R), _powers(_inverse(_R))
    bounds = np.searchsorted(ends, np.arange(0, len(text) + _PIECE, _PIECE))
    before, scale = 0, 1  # S at the start of the piece, and R to the power of that place
    for k, start in enumerate(range(0, len(text), _PIECE)):
        piece = text[start : start + _PIECE]
        values = np.take(_coefficients(), piece, mode="clip")  # the fastest of take's modes
        values *= powers[: len(piece)]
        np.cumsum(values, out=values)
        lines = slice(bounds[k], bounds[k + 1])
        local = ends[lines] - start
        sums[lines] = values[local] * np.uint64(scale) + np.uint64(before)
        inverses[1:][lines] = inverse_powers[local + 1] * np.uint64(_inverse(scale))
        before = (before + int(values[-1]) * scale) % _MODULUS
        scale = scale * int(powers[_PIECE]) % _MODULUS
    return mix(np.diff(sums, prepend=np.uint64(0)) * inverses[:-1])


@cache
def _coefficients() -> Hashes:
    """Return a fixed 64-bit number for each byte, shape (256,); zero for the line feed."""
    table = mix(np.arange(1, 257, dtype=np.uint64) * np.uint64(_R))
    table[ord("\n")] = 0
    return table


@cache
def _powers(base: int) -> Hashes:
    """Return base**i modulo 2**64 for i = 0 .. _PIECE, shape (_PIECE + 1,)."""
    powers = np.full(_PIECE + 1, base, np.uint64)
    powers[0] = 1
    return np.cumprod(powers)


def _inverse(number: int) -> int:
    """Return the inverse of an odd number modulo 2**64."""
    return pow(number, -1, _MODULUS)
