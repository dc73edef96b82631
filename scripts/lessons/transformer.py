"""Lesson transformer: attention, from an average to a network that writes words."""

from collections.abc import Iterator

import numpy as np

from lessons.figures import curves_figure, heatmaps_figure
from lessons.sequences import LONGEST, draw_words, train_on_words
from lessons.setting import MAX_WORD, Setting
from lessons.stage import Stage, apart, beside, table, tiny, unit_rows, where_it_stands, wrapped
from makemore import nn
from makemore.autodiff import Array, Value, data, gelu, softmax
from makemore.pictures.labels import symbol_label

TITLE = "A transformer, from an average to words"
MINUTES = 1
OPTIONS = ("word",)
WIDTH, HEADS, STEPS = 48, 4, 600
NETWORKS = {  # blocks, has positions, has residuals
    "1 block, no positions": (1, False, True),
    "1 block": (1, True, True),
    "3 blocks, no residuals": (3, True, False),
    "3 blocks, no positions": (3, False, True),
    "3 blocks": (3, True, True),
}


def the_averages() -> Stage:
    """Take the mean of what came before in three ways."""
    x = np.array([[1, 2], [3, 6], [5, 1], [7, 3]], np.float64)
    by_loop = np.array([x[: t + 1].mean(axis=0) for t in range(4)])
    earlier = np.tril(np.ones((4, 4)))
    A = earlier / earlier.sum(axis=1, keepdims=True)
    S = np.where(earlier == 1, 0.0, -np.inf)
    difference = max(apart(by_loop, A @ x), apart(by_loop, data(softmax(S)) @ x))
    return Stage(
        "An average of what came before, in three ways",
        [
            "y[t] = mean of x[0 .. t]    y = A @ x    y = softmax(S) @ x    (T, n) = (4, 2)",
            "A[t, s] = 1 / (t + 1) and S[t, s] = 0 where s <= t; elsewhere 0 and -inf",
        ],
        [*beside(x=x, A=A.round(2), S=S, y=by_loop), f"largest difference: {tiny(difference)}"],
        "a softmax of equal scores is a mean, and the mask works because exp(-inf) is 0. Attention"
        " is this product, with scores that are computed from the symbols.",
        (softmax,),
        claims={"the three ways give the same": difference < 1e-12},
    )


def attend(layer: nn.MultiHeadAttention, x: Array, power: float = 0.5) -> tuple[Array, Array]:
    """Return the weights (heads, T, T) and the output (T, n); scores are divided by m^power."""
    T, n = x.shape
    m = n // layer.heads  # the numbers of a head
    qkv = x @ layer.weight.data + layer.bias.data
    q, k, v = qkv.reshape(T, 3, layer.heads, m).transpose(1, 2, 0, 3)  # (heads, T, m) each
    scores = q @ k.swapaxes(1, 2) / m**power
    P = data(softmax(np.where(np.tril(np.ones((T, T))) == 1, scores, -np.inf)))
    heads = (P @ v).transpose(1, 0, 2).reshape(T, n)  # the heads side by side
    return P, data(layer.out(heads))


def the_heads(x: Array, names: list[str], layer: nn.MultiHeadAttention) -> Stage:
    """Compute the attention of four heads by hand."""
    (P, y), (undivided, _) = attend(layer, x), attend(layer, x, power=0)
    rows = {f"head {h}": weights for h, weights in enumerate(P[:, -1], 1)}
    rows["undivided 1"] = undivided[0, -1]
    cells = [(name, *np.char.mod("%.2f", weights)) for name, weights in rows.items()]
    return Stage(
        "Four heads: every symbol asks, and is asked",
        [
            f"[q | k | v] = x W    (T, n) = ({len(x)}, {WIDTH}) each, cut into heads of (T, m)",
            "P = softmax(q k.T / sqrt(m) + mask)  (T, T)    y = [P_1 v_1 | P_2 v_2 | ...] W_o",
        ],
        table(["P, last row", *names], cells, gap=" "),
        "row t of P says how much symbol t takes from each symbol up to itself, in each head anew."
        " Undivided scores give weights nearer to 0 and 1, where softmax has little gradient.",
        (nn.MultiHeadAttention,),
        claims={"the layer computes the same": apart(y, data(layer(x[None], causal=True))) < 1e-12},
    )


def the_order(x: Array, layer: nn.MultiHeadAttention) -> Stage:
    """Reverse all symbols but the last, and see whether its output moves."""
    reordered, moves = np.vstack((x[-2::-1], x[-1:])), []
    for positions in (0, data(nn.SinusoidalPositions()(np.zeros((1, *x.shape))))[0]):
        (_, y), (_, z) = attend(layer, x + positions), attend(layer, reordered + positions)
        moves.append(apart(y[-1], z[-1]))
    rows = [("without positions", tiny(moves[0])), ("with positions", moves[1])]
    return Stage(
        "Attention does not know the order",
        ["x[t, 2i] += sin(t / 10000^(2i / n))    x[t, 2i + 1] += cos(of the same)"],
        table(["others reversed", "the last output moves by"], rows),
        "a weighted sum does not depend on the order of its terms. Positions make the same symbol"
        " at another place a different input.",
        claims={"the order matters only with positions": moves[0] < 1e-12 and moves[1] > 1e-3},
    )


class Block(nn.Layer):
    """Attention, then two linear layers, each added to its input: (B, T, n) -> (B, T, n)."""

    def __init__(self, generator: np.random.Generator, has_residuals: bool) -> None:
        self.attention = nn.MultiHeadAttention(WIDTH, HEADS, generator)
        self.inner = nn.Linear(WIDTH, 4 * WIDTH, generator)
        self.outer = nn.Linear(4 * WIDTH, WIDTH, generator)
        self.first_norm, self.second_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.kept = float(has_residuals)

    def __call__(self, x: Value) -> Value:
        """Return what the block makes of x."""
        x = self.kept * x + self.attention(self.first_norm(x), causal=True)
        return self.kept * x + self.outer(gelu(self.inner(self.second_norm(x))))


def transformer(setting: Setting, blocks: int, positions: bool, residuals: bool) -> nn.Sequential:
    """Return a network from ids (B, T) to the logits of the symbols that follow, (B, T, V)."""
    V, generator = len(setting.vocabulary), setting.generator()
    layers: list[nn.Layer] = [nn.Embedding(V, WIDTH, generator)]
    layers += [nn.LearntPositions(LONGEST + 1, WIDTH, generator)] if positions else []
    layers += [Block(generator, residuals) for _ in range(blocks)]
    return nn.Sequential(*layers, nn.LayerNorm(WIDTH), nn.Linear(WIDTH, V, generator))


def the_training(ids: Array, names: list[str], setting: Setting) -> Iterator[Stage]:
    """Train networks that lack a part, and see where the last one looks, which has all."""
    curves, rows = {}, []
    for name, parts in NETWORKS.items():
        network = transformer(setting, *parts)
        unit = unit_rows(data(nn.Sequential(*network.layers[:-2])(ids[None]))[0])
        alike = float((unit @ unit.T)[np.tril_indices(len(ids), -1)].mean())
        curves[name] = train_on_words(network, setting, setting.steps(STEPS))
        rows.append((name, alike, curves[name][1][-1]))
    _, _, no_residuals, _, complete = rows
    claims = {
        "each loss falls": all(losses[-1] < losses[0] for _, losses in curves.values()),
        "without residuals symbols become alike": no_residuals[1] > 0.8,
    }
    if setting.is_trained:
        claims["all parts together are best"] = complete[2] == min(row[2] for row in rows)
    words = ", ".join(draw_words(network, setting, 8))
    yield Stage(
        "Training: what positions and residuals are worth",
        [
            f"ids (B, T) -> x (B, T, {WIDTH}) -> blocks -> norm -> logits (B, T, V)",
            "block: x + attention(norm(x)), then x + W_2 gelu(W_1 norm(x)), or both without x",
            "cosine: the mean of two symbols behind the blocks, before training",
        ],
        [*table(["", "cosine", "loss"], rows), "", *wrapped(words, "the last one writes: ")],
        "without positions one block sees the last symbol and a bag of others; three blocks miss"
        " them less, because the mask lets a symbol find out how many are before it. Without"
        " residuals each block averages averages, until all symbols are alike.",
        (nn.LayerNorm, gelu, nn.AdamW),
        curves_figure(curves, xlabel="step", ylabel="validation loss (nats per symbol)"),
        claims,
    )
    yield the_looks(network, ids, names)


def the_looks(network: nn.Sequential, ids: Array, names: list[str]) -> Stage:
    """Draw where each head of each block looks."""
    x, weights = ids[None], dict[str, Array]()
    for number, layer in enumerate(network.layers):
        if isinstance(layer, Block):
            P, _ = attend(layer.attention, data(layer.first_norm(x))[0])
            weights |= {f"block {number - 1}, head {h}": head for h, head in enumerate(P, 1)}
        x = layer(x)
    rows = [(title, *(names[place] for place in P.argmax(axis=1))) for title, P in weights.items()]
    return Stage(
        "Where each head looks",
        ["P = softmax(q k.T / sqrt(m) + mask) of each head, a row for each symbol"],
        table(["the most of", *names], rows),
        "the heads have divided the work, and nobody told them to: some look at the symbol itself"
        " or the one before, some at the beginning, and some spread out.",
        figure=heatmaps_figure(weights, names, names, HEADS, largest=1),
    )


def stages(setting: Setting) -> Iterator[Stage]:
    """Yield the stages."""
    first = (word for word in setting.words[:10] if len(word) <= MAX_WORD)
    word = setting.word or max(first, key=len, default=setting.followed[:MAX_WORD])
    ids, names = np.array([0, *setting.vocabulary.encode(word)]), [".", *map(symbol_label, word)]
    x = setting.generator(1).standard_normal((len(setting.vocabulary), WIDTH))[ids]
    layer = nn.MultiHeadAttention(WIDTH, HEADS, setting.generator(2), dtype=np.float64)
    yield the_averages()
    yield the_heads(x, names, layer)
    yield the_order(x, layer)
    yield from the_training(ids, names, setting)
    yield where_it_stands(
        {
            "makemore/nn/attention.py": "MultiHeadAttention, positions, TransformerBlock",
            "makemore/models/transformer.py": "makemore train --model transformer",
        },
        [
            "Vaswani et al. 2017, Attention is all you need; its 28.4 BLEU measures translations.",
            "Haviv et al. 2022 on networks without positions; Dong et al. 2021 on residuals.",
        ],
        "makemore's own transformer has four blocks and dropout, and is trained for longer: on"
        " names.txt, held-out losses below 1.95 have been measured, on another split of the words.",
    )
