"""The page's model and its draws once more, from the page's text, sharing no code with either side.

Slow and literal: dictionaries for arcs, Python's integers for xoshiro128**, its own floats and
``math`` for probabilities.
"""

import base64
import json
import math
import struct
import zlib
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

MASK = (1 << 32) - 1


class Page(HTMLParser):
    """The elements of a page: (tag, attributes, pieces of the text up to the next tag)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self.is_open = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), []))
        self.is_open = True

    def handle_endtag(self, tag: str) -> None:
        self.is_open = False

    def handle_data(self, data: str) -> None:
        if self.is_open:
            self.elements[-1][2].append(data)

    def texts(self, tag: str) -> list[str]:
        return ["".join(parts) for name, _, parts in self.elements if name == tag]

    def data(self) -> Any:
        """Return the JSON that the page carries."""
        return json.loads(self.texts("script")[0])


class PageModel:
    """The automaton in a page."""

    def __init__(self, data: Any) -> None:
        self.itos = ["", *data["characters"]]
        packed = data["parameters"]
        S, A = packed["states"], packed["arcs"]
        raw = zlib.decompress(base64.b64decode(packed["packed"]))
        fields = struct.unpack(f"<{S}i{S}f{A}f{A}i{S}H{A}H", raw)
        cuts = [0, S, 2 * S, 2 * S + A, 2 * S + 2 * A, 3 * S + 2 * A, 3 * S + 3 * A]
        parts = [fields[a:b] for a, b in pairwise(cuts)]
        self.fallbacks, self.shares, P, successors, lengths, symbols = parts
        self.start = packed["start"]
        self.arcs: list[dict[int, tuple[float, int]]] = []
        first = 0
        for length in lengths:
            arcs = range(first, first + length)
            self.arcs.append({symbols[a]: (P[a], successors[a]) for a in arcs})
            first += length

    def arc(self, state: int, symbol: int) -> tuple[float, int]:
        """Return the probability of a symbol in a state, and the state after it."""
        if symbol in self.arcs[state]:
            return self.arcs[state][symbol]
        if self.fallbacks[state] < 0:
            return 0.0, 0
        p, successor = self.arc(self.fallbacks[state], symbol)
        return self.shares[state] * p, successor

    def row(self, state: int) -> list[float]:
        return [self.arc(state, symbol)[0] for symbol in range(len(self.itos))]

    def words(self, count: int, seed: int, temperature: float = 1.0, prefix: str = "") -> list[str]:
        """Return the words that the page draws."""
        draws = Xoshiro(*seed_words(seed))
        start = self.start
        for character in prefix:
            start = self.arc(start, self.itos.index(character))[1]
        return [prefix + self.word(draws, start, temperature, not prefix) for _ in range(count)]

    def word(self, draws: "Xoshiro", state: int, temperature: float, is_empty: bool) -> str:
        word = ""
        while True:
            weights = [p ** (1 / temperature) for p in self.row(state)]
            if is_empty and not word:
                weights[0] = 0.0
            draw = ((draws.next() >> 5) << 26 | draws.next() >> 6) / 2**53 * math.fsum(weights)
            symbol = next(v for v in range(len(weights)) if sum(weights[: v + 1]) > draw)
            if symbol == 0:
                return word
            word += self.itos[symbol]
            state = self.arc(state, symbol)[1]


class Xoshiro:
    """xoshiro128** 1.1, after the authors' xoshiro128starstar.c."""

    def __init__(self, *s: int) -> None:
        self.s = list(s)

    def next(self) -> int:
        s = self.s
        result = rotl(s[1] * 5 & MASK, 7) * 9 & MASK
        t = s[1] << 9 & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotl(s[3], 11)
        return result


def rotl(x: int, k: int) -> int:
    return x << k & MASK | x >> 32 - k


def seed_words(seed: int) -> list[int]:
    """Return the four words that the page's generator starts from."""
    words = []
    for k in range(1, 5):
        z = seed + k * 0x9E3779B9 & MASK
        z = (z ^ z >> 16) * 0x21F0AAAD & MASK
        z = (z ^ z >> 15) * 0x735A2D97 & MASK
        words.append(z ^ z >> 15)
    return words
