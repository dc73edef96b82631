"""Which words are held out: a share of the distinct words, decided by a hash of each word alone.

A duplicate therefore never stands on both sides, and the split depends neither on the order of the
lines nor on a seed: a word that is held out of one corpus is held out of every corpus, and shards
can be split apart.

The hash of a word with UTF-8 bytes b_0 .. b_(k-1) is

    mix(sum_i table[b_i] * R**i  mod 2**64)

a polynomial in the odd number R whose coefficients are 64-bit numbers looked up by byte, finished
by the mixing function of splitmix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number
generators"). A running sum over a whole text gives the sums of all its words at once, because R has
an inverse modulo 2**64.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]

_R = 0x9E3779B97F4A7C15
_MODULUS = 1 << 64


def mix(values: Hashes) -> Hashes:
    """Return splitmix64's finishing function: every input bit moves every output bit."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def hash_lines(text: npt.NDArray[np.uint8]) -> Hashes:
    r"""Return one hash per line of ``text``, shape (lines,).

    ``text`` holds UTF-8 bytes, shape (n,); each line ends with a line feed, the last one too.

    >>> a, b, a_again = hash_lines(np.frombuffer(b"emma\nava\nemma\n", np.uint8))
    >>> bool(a == a_again), bool(a == b)
    (True, False)
    """
    powers = np.full(len(text), _R, np.uint64)
    powers[:1] = 1
    np.cumprod(powers, out=powers)
    sums = np.cumsum(_coefficients()[text] * powers)
    ends = np.flatnonzero(text == ord("\n"))
    starts = np.concatenate(([0], ends[:-1] + 1))
    before = np.concatenate((np.zeros(1, np.uint64), sums))
    return mix((before[ends] - before[starts]) * _inverse_powers(len(text))[starts])


def is_held_out(hashes: Hashes, share: float) -> npt.NDArray[np.bool_]:
    """Return which words belong to the held-out ``share`` (0 <= share < 1), shape of ``hashes``."""
    return hashes < np.uint64(int(share * _MODULUS))


def held_out_words(words: Sequence[str], share: float) -> npt.NDArray[np.bool_]:
    """Return which of ``words`` are held out, shape (len(words),). No word may hold a line feed."""
    text = "".join(word + "\n" for word in words).encode()
    return is_held_out(hash_lines(np.frombuffer(text, np.uint8)), share)


def _coefficients() -> Hashes:
    """Return a fixed 64-bit number for each byte, shape (256,)."""
    with np.errstate(over="ignore"):
        return mix(np.arange(1, 257, dtype=np.uint64) * np.uint64(_R))


def _inverse_powers(n: int) -> Hashes:
    """Return R**-i modulo 2**64 for i < n, shape (n,)."""
    powers = np.full(n, pow(_R, -1, _MODULUS), np.uint64)
    powers[:1] = 1
    return np.cumprod(powers)
