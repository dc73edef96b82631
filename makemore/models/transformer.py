"""A transformer: each symbol looks back at all symbols before it, in several ways at once.

For the symbols c_0 .. c_t of a word, of which c_0 is the boundary before it, with n numbers each:

    x_i = e(c_i) + p(i)
    x = x + attention(norm(x)) W_o + b_o        in each block; q, k and v are norm(x) W_qkv + b_qkv
    x = x + gelu(norm(x) W_1 + b_1) W_2 + b_2   with 4 n numbers in between
    logits = norm(x) W + b                      (V,)

where attention lets position i see the positions up to i, in heads of n / heads numbers each, and
norm is layer normalisation. The second matrices of both residual branches begin smaller by the
square root of twice the number of blocks (Radford et al. 2019, "Language models are unsupervised
multitask learners", section 2.3), so the first logits are small however deep the network is.

Words have up to ``longest`` characters, twice those of the longest word that it was trained on: at
the end of such a word only the end-of-word symbol has a probability.

While it trains, words with a common beginning share its positions. The words of a batch are cut
into blocks of ``NEIGHBOURS`` in lexicographic order; each block has a prefix tree, whose nodes
attend to their ancestors by a dense masked product. Sharing more costs more than it saves: the mask
of all words at once is nearly empty.

Source: Vaswani et al. 2017, "Attention is all you need", in the form with normalisation first of
Xiong et al. 2020, "On layer normalization in the transformer architecture". Left out: an encoder;
dropout of the attention's weights.
"""

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from makemore.arrays import Floats, Ids, Indices, padded
from makemore.autodiff import dropout, gelu
from makemore.autodiff.tensor import Array, Value, data
from makemore.autodiff.tree import attention_to_ancestors
from makemore.counting.prefix_tree import Forest, alike, grow_forest
from makemore.data.vocabulary import BOUNDARY
from makemore.errors import OptionError, PlottingError, TrainingError
from makemore.models.base import Options, State, unknown_rests, word_batches
from makemore.models.network import Network, Rows, head, scaled
from makemore.models.softmax import softmax
from makemore.nn.attention import sinusoids
from makemore.nn.base import Layer
from makemore.nn.initialisation import Generator
from makemore.nn.layers import Embedding, LayerNorm, Linear

SCORED_AT_ONCE = 1 << 12
"""The symbols whose words are scored at once."""
NEIGHBOURS = 8
"""The words of a block; half and twice as many are slower."""
EMBEDDINGS, POSITIONS = 0.3, 0.1
"""The deviations of the first embeddings: with 1, as PyTorch has it, the loss ends up higher."""
MAX_LONGEST = 4_096
"""The most characters of a word: attention takes memory that grows with their square."""


class Block(Layer):
    """Attention and a layer of 4 n numbers, each added to what came in, (M, n) -> (M, n)."""

    def __init__(self, n: int, heads: int, blocks: int, generator: Generator) -> None:
        self.heads = heads
        self.attention_norm = LayerNorm(n)
        self.qkv = Linear(n, 3 * n, generator)
        self.out = scaled(Linear(n, n, generator), (2 * blocks) ** -0.5, generator)
        self.norm = LayerNorm(n)
        self.inner = Linear(n, 4 * n, generator)
        self.outer = scaled(Linear(4 * n, n, generator), (2 * blocks) ** -0.5, generator)

    def __call__(self, x: Value, forest: Forest, p: float, generator: Generator) -> Value:
        """Return what the block makes of the nodes of a forest; the share p is dropped."""
        qkv = self.qkv(self.attention_norm(x))
        seen = attention_to_ancestors(qkv, self.heads, forest)
        x = x + dropout(self.out(seen), p, generator)
        return x + dropout(self._inner(x), p, generator)

    def step(self, x: Array, keys: Array, values: Array, positions: Ids) -> Array:
        """Return what the block makes of one more position of B words, (B, n) -> (B, n).

        ``keys`` and ``values`` (B, T, n) are those of earlier positions; this one's are added.
        """
        B, n = x.shape
        q, k, v = np.split(self.qkv(self.attention_norm(x)), 3, axis=1)
        keys[np.arange(B), positions], values[np.arange(B), positions] = k, v
        T = int(positions.max(initial=0)) + 1
        by_head = (B, T, self.heads, n // self.heads)
        K, U = (part[:, :T].reshape(by_head).transpose(0, 2, 3, 1) for part in (keys, values))
        scores = q.reshape(B, self.heads, 1, n // self.heads) @ K / np.sqrt(n // self.heads)
        is_later = np.arange(T) > positions[:, None]
        scores[np.broadcast_to(is_later[:, None, None], scores.shape)] = -np.inf
        seen = softmax(scores) @ U.swapaxes(2, 3)
        x = x + self.out(seen.reshape(B, n))
        return np.asarray(x + self._inner(x))

    def walk(self, x: Array) -> tuple[Array, Array]:
        """Return what the block makes of the T positions of a word, and how they attend.

        (T, n) -> (T, n) and (heads, T, T), whose rows sum to 1.
        """
        T, n = x.shape
        qkv = data(self.qkv(self.attention_norm(x)))
        q, k, v = qkv.reshape(T, 3, self.heads, -1).transpose(1, 2, 0, 3)
        scores = q @ k.swapaxes(1, 2) / np.sqrt(n // self.heads)
        weights = softmax(np.where(np.tri(T, dtype=np.bool_), scores, -np.inf))
        x = x + self.out((weights @ v).swapaxes(0, 1).reshape(T, n))
        return np.asarray(x + self._inner(x)), weights

    def _inner(self, x: Value) -> Value:
        return self.outer(gelu(self.inner(self.norm(x))))


class Transformer(Network):
    """The state of B words: keys and values of their positions, last outputs, and positions."""

    name = "transformer"
    sizes = ("embedding_size", "layers", "heads", "positions", "longest")

    def _build(self, V: int, options: Options, generator: Generator) -> None:
        n, blocks, heads = options["embedding_size"], options["layers"], options["heads"]
        if n % heads:
            raise OptionError(f"{heads} heads do not divide an embedding size of {n}")
        self.embedding = scaled(Embedding(V, n, generator), EMBEDDINGS, generator)
        if options["positions"] == "learnt":
            positions = Embedding(options["longest"] + 1, n, generator)
            self.positions = scaled(positions, POSITIONS, generator)
        self.blocks = [Block(n, heads, blocks, generator) for _ in range(blocks)]
        self.norm = LayerNorm(n)
        self.head = head(n, V, generator)

    @classmethod
    def _fault(cls, name: str, value: Any) -> str:
        if name == "longest":
            is_right = type(value) is int and 1 <= value <= MAX_LONGEST
            return "" if is_right else f"from 1 to {MAX_LONGEST}"
        return super()._fault(name, value)

    @classmethod
    def values_for(cls, options: Options, longest: int) -> dict[str, Any]:
        """Return the options with twice the length of the longest training word."""
        if longest > MAX_LONGEST:
            raise TrainingError(
                f"the longest training word has {longest:,} characters, and a transformer takes"
                f" {MAX_LONGEST:,}: leave out such long lines, or train another --model"
            )
        return {**options, "longest": min(2 * longest, MAX_LONGEST)}

    @classmethod
    def cells_per_symbol(cls, options: Options) -> int:
        """Return about how many numbers a step keeps for a symbol; attention's grow with T."""
        n, T = int(options["embedding_size"]), NEIGHBOURS * int(options["longest"]) // 4
        return int(options["layers"]) * (24 * n + 4 * int(options["heads"]) * T)

    @property
    def longest_word(self) -> int:
        """The most characters that a word of this model has."""
        return int(self._options["longest"])

    def training_rows(self, ids: Ids, weights: Floats) -> Rows:
        """Return the prefix trees of blocks of words and their target counts."""
        forest = grow_forest(ids, len(self.vocabulary), NEIGHBOURS)
        return Rows(forest, forest.target_counts(weights, np.float32))

    def training_logits(self, rows: Rows, generator: Generator) -> Value:
        """Return the logits of the nodes, (M, V)."""
        forest: Forest = rows.inputs
        W = data(self.embedding.weight)
        slots = np.asarray(forest.slots, like=W)
        is_ancestor = np.asarray(forest.is_ancestor, like=W)
        forest = replace(forest, slots=slots, is_ancestor=is_ancestor)
        return self._logits(forest, self.dropout, generator)

    def _logits(self, forest: Forest, p: float = 0.0, generator: Generator = None) -> Value:
        x = self.embedding(forest.symbols) + self._position(forest.depths)
        x = dropout(x, p, generator)
        for block in self.blocks:
            x = block(x, forest, p, generator)
        return self.head(self.norm(x))

    def _position(self, positions: Ids) -> Value:
        """Return the vectors p(i) of positions, (M,) -> (M, n)."""
        positions = np.minimum(positions, self.longest_word)
        if self._options["positions"] == "learnt":
            return self.positions(positions)
        vectors = sinusoids(positions, self._options["embedding_size"])
        return np.asarray(vectors, self.embedding.weight.dtype, like=data(self.embedding.weight))

    def symbol_vectors(self) -> Floats:
        """Return the queries, keys and values of each symbol in the first block, (V, 3 n)."""
        first = self.blocks[0]
        return np.asarray(data(first.qkv(first.attention_norm(self.embedding.weight))), np.float64)

    def attention(self, ids: Ids) -> Floats:
        """Return the attention of the positions of a word, as ``Model`` defines it."""
        if len(ids) > self.longest_word:
            raise PlottingError(
                f"the word has {len(ids):,} characters and the model reads at most"
                f" {self.longest_word:,}: choose a shorter one"
            )
        positions = np.arange(len(ids) + 1)
        x = data(self.embedding(np.append(BOUNDARY, ids)) + self._position(positions))
        found = []
        for block in self.blocks:
            x, weights = block.walk(x)
            found.append(weights)
        return np.stack(found)

    def start(self, B: int) -> State:
        """Return the states after the boundary before a word."""
        return tuple(np.repeat(part, B, axis=0) for part in self._first_state)

    @property
    def state_cells(self) -> int:
        """The size of the keys, or of the values, of a word as long as words are."""
        return len(self.blocks) * (self.longest_word + 1) * int(self._options["embedding_size"])

    @cached_property
    def _first_state(self) -> tuple[Array, ...]:
        nothing = np.zeros((1, len(self.blocks), 1, self._options["embedding_size"]))
        return self._advanced(nothing, nothing.copy(), np.zeros(1, int), BOUNDARY_ALONE)

    def advance(self, state: State, symbols: Ids) -> State:
        """Return the states after one more symbol of each word."""
        keys, values, _, positions = state
        positions = np.minimum(positions + 1, self.longest_word)
        blocks, T, n = keys.shape[1:]
        shape = (blocks, max(T, int(positions.max(initial=0)) + 1), n)
        return self._advanced(padded(keys, shape), padded(values, shape), positions, symbols)

    def _advanced(
        self, keys: Array, values: Array, positions: Ids, symbols: Ids
    ) -> tuple[Array, ...]:
        x = data(self.embedding(symbols) + self._position(positions))
        for i, block in enumerate(self.blocks):
            x = block.step(x, keys[:, i], values[:, i], positions)
        return keys, values, x, positions

    def log_probabilities(self, state: State) -> Floats:
        """Return log P(next symbol) in nats, (B, V)."""
        _, _, x, positions = state
        found = self._log_probabilities(self.head(self.norm(x)))
        return self._ended(found, positions)

    def _ended(self, found: Floats, positions: Ids) -> Floats:
        """End the words that are as long as words are, (B, V) -> (B, V) in place."""
        found[positions >= self.longest_word] = -np.inf
        found[positions >= self.longest_word, BOUNDARY] = 0.0
        return found

    def symbol_log_probabilities(self, ids: Ids) -> Floats:
        """Return log P of each symbol as ``Model`` defines it, a batch of words at a time.

        In a word that is too long for this model, the symbols that are too many have the
        log-probability -inf.
        """
        found = np.empty(len(ids))
        for part in word_batches(ids, SCORED_AT_ONCE):
            found[part] = self._scores(np.abs(ids[part]))
        for start, end in unknown_rests(ids):
            found[start:end] = np.nan
        return found

    def _scores(self, ids: Ids) -> Floats:
        order = _symbols_alike(ids)
        forest = grow_forest(ids[order], len(self.vocabulary), NEIGHBOURS)
        rows = self._ended(self._log_probabilities(self._logits(forest)), forest.depths)
        found = np.empty(len(ids))
        found[order] = rows[forest.nodes, ids[order]]
        return found


BOUNDARY_ALONE = np.array([BOUNDARY])


def _symbols_alike(ids: Ids) -> Indices:
    """Return the order of the symbols of words in which words that begin alike stand together."""
    stops = np.flatnonzero(ids == BOUNDARY) + 1
    words = np.split(np.arange(len(ids)), stops[:-1])
    starts = np.concatenate((np.zeros(1, np.intp), stops[:-1]))
    return np.concatenate([words[i] for i in alike(ids, starts)])
