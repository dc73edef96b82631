"""What the fast counting is checked against: dictionaries and whole numbers, word by word."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, TypeVar

import pytest

Result = TypeVar("Result")

MODULUS = 1 << 64
R = 0x9E3779B97F4A7C15


def words_in(text: str) -> list[str]:
    """Return the words of decoded text: lines end at CRLF, LF and CR; blank lines hold none."""
    return [line for line in re.split("\r\n|\n|\r", text) if line]


def mix(value: int) -> int:
    """Return splitmix64's finishing function, as published."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) % MODULUS
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) % MODULUS
    return value ^ (value >> 31)


def word_hash(word: str) -> int:
    """Return the hash of a word byte by byte, as the docstring of ``holdout.py`` defines it."""
    coefficients = [mix((byte + 1) * R % MODULUS) for byte in word.encode()]
    return mix(sum(c * pow(R, i, MODULUS) for i, c in enumerate(coefficients)) % MODULUS)


def is_held_out(word: str, share: float) -> bool:
    """Return whether a word belongs to the held-out share."""
    return word_hash(word) < int(share * MODULUS)


def held_out_of(words: Iterable[str], share: float) -> set[str]:
    """Return the words that are held out of a small list: so many with the smallest hashes."""
    distinct = sorted(set(words), key=word_hash)
    wanted = round(share * len(distinct))
    if share and len(distinct) >= 10:
        wanted = max(wanted, 1)
    return set(distinct[: max(0, min(wanted, len(distinct) - 1))])


def pair_counts(words: Iterable[str]) -> Counter[tuple[str, str]]:
    """Return how often each pair of symbols occurs; the boundary is the empty string."""
    pairs: Counter[tuple[str, str]] = Counter()
    for word in words:
        symbols = ["", *word, ""]
        pairs.update(pairwise(symbols))
    return pairs


def in_blocks(
    size: int, function: Callable[..., Result], *arguments: Any, **options: Any
) -> Result:
    """Call a function that reads text in blocks of so many bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("makemore.data.corpus.BLOCK", size)
        return function(*arguments, **options)
