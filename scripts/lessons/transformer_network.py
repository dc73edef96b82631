"""The network of the lesson ``transformer``, and how it is trained."""

from collections.abc import Sequence

import numpy as np

from lessons.setting import MAX_WORD, Setting
from makemore import nn
from makemore.arrays import Ids
from makemore.autodiff import Array, Value, cross_entropy, data, gelu, softmax
from makemore.data.vocabulary import BOUNDARY, Vocabulary
from makemore.pictures.labels import symbol_label

WIDTH, HEADS, BATCH, RATE = 48, 4, 128, 4e-3
LONGEST = 23
"""The most characters of a word; longer ones are cut."""
JUDGED = 1_000
"""So many validation words say how good a network is."""


class Transformer(nn.Layer):
    """Embeddings, positions or none, blocks, and logits: ids (B, T) -> (B, T, V)."""

    def __init__(
        self,
        V: int,
        blocks: int,
        generator: np.random.Generator,
        *,
        has_positions: bool = True,
        is_residual: bool = True,
    ) -> None:
        self.embedding = nn.Embedding(V, WIDTH, generator)
        positions = nn.LearntPositions(LONGEST + 1, WIDTH, generator)
        self.positions = positions if has_positions else None
        self.blocks = [nn.TransformerBlock(WIDTH, HEADS, generator) for _ in range(blocks)]
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, V, generator)
        self.is_residual = is_residual

    def __call__(self, ids: Ids) -> Value:
        """Return the logits of the symbol after each."""
        return self.head(self.norm(self.inputs(ids)[-1]))

    def inputs(self, ids: Ids) -> list[Value]:
        """Return what goes into each block, and what comes out of the last, (B, T, n) each."""
        x = self.embedding(ids)
        found = [x if self.positions is None else self.positions(x)]
        for block in self.blocks:
            x = found[-1]
            found.append(block(x, causal=True) if self.is_residual else without_residuals(block, x))
        return found


def without_residuals(block: nn.TransformerBlock, x: Value) -> Value:
    """Return what a block makes of x if nothing is added to what came in."""
    x = block.attention(block.attention_norm(x), causal=True)
    return block.outer(gelu(block.inner(block.norm(x))))


def weights_of(block: nn.TransformerBlock, x: Array) -> Array:
    """Return where a block's heads look, (1, T, n) -> (heads, T, T)."""
    layer = block.attention
    qkv = data(block.attention_norm(x))[0] @ layer.weight.data + layer.bias.data
    q, k, _ = qkv.reshape(-1, 3, HEADS, WIDTH // HEADS).transpose(1, 2, 0, 3)
    scores = q @ k.swapaxes(1, 2) / (WIDTH // HEADS) ** 0.5
    earlier = np.tril(np.ones(scores.shape[1:], np.bool_))
    return np.asarray(data(softmax(np.where(earlier, scores, -np.inf))))


def cosine(x: Array) -> float:
    """Return the mean cosine of two rows, (T, n) -> a number."""
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    return float((unit @ unit.T)[~np.eye(len(x), dtype=bool)].mean())


def word_of(setting: Setting) -> str:
    """Return the word to follow: by default the longest of the first that is not too long."""
    first = [word for word in setting.words[:10] if len(word) <= MAX_WORD]
    return setting.word or max(first or [setting.followed[:MAX_WORD]], key=len)


def symbols_of(setting: Setting) -> list[str]:
    """Return the symbols that the network reads of the word to follow: a dot first."""
    return [".", *map(symbol_label, word_of(setting))]


def padded(words: Sequence[str], vocabulary: Vocabulary) -> tuple[Ids, Ids]:
    """Return inputs and targets, (words, T) each: a boundary first, and -1 after the end."""
    words = [word[:LONGEST] for word in words]
    inputs = np.full((len(words), max(map(len, words)) + 1), BOUNDARY)
    targets = np.full_like(inputs, -1)
    for row, word in enumerate(words):
        ids = vocabulary.encode(word)
        inputs[row, 1 : len(word) + 1] = ids
        targets[row, : len(word) + 1] = [*ids, BOUNDARY]
    return inputs, targets


def loss_of(network: Transformer, inputs: Ids, targets: Ids) -> Value:
    """Return the mean surprisal of the targets, in nats per symbol."""
    logits = network(inputs)
    V = data(logits).shape[-1]
    counts = np.vstack((np.eye(V, dtype=np.float32), np.zeros(V, np.float32)))
    return cross_entropy(logits, counts[targets])  # -1 takes the last row, which counts nothing


def train(network: Transformer, setting: Setting, steps: int) -> list[tuple[int, float]]:
    """Train a network on four fifths of the words; return steps and their validation losses."""
    words, judged, _ = setting.split()
    inputs, targets = padded(words, setting.vocabulary)
    others = padded(judged[:JUDGED], setting.vocabulary)
    generator = setting.generator(1)
    vector = nn.ParameterVector(network.parameters())
    optimizer = nn.AdamW(learning_rate=RATE, betas=(0.9, 0.99))
    schedule = nn.warm_up(steps // 10, nn.cosine(RATE, steps - steps // 10))
    losses = []
    for step in range(steps):
        batch = generator.integers(len(words), size=BATCH)
        T = (targets[batch] >= 0).sum(axis=1).max()
        vector.backward(loss_of(network, inputs[batch, :T], targets[batch, :T]))
        nn.clip_by_norm(vector.gradient, 1.0)
        optimizer.learning_rate = schedule(step)
        optimizer.step(vector.values, vector.gradient)
        if (step + 1) % max(1, steps // 8) == 0:
            losses.append((step + 1, float(data(loss_of(network, *others)).item())))
    return losses


def write(network: Transformer, count: int, generator: np.random.Generator) -> list[Ids]:
    """Draw words, all at once, each cut at its end."""
    ids = np.full((count, 1), BOUNDARY)
    for _ in range(LONGEST):
        P = data(softmax(data(network(ids))[:, -1].astype(np.float64)))
        beyond = generator.random((count, 1)) < P.cumsum(axis=1)
        ids = np.hstack((ids, beyond.argmax(axis=1)[:, None]))
    return [row[1:][: [*row[1:], BOUNDARY].index(BOUNDARY)] for row in ids]
