"""Attention by hand: the first stages of the lesson ``transformer``."""

from collections.abc import Sequence

import numpy as np

from lessons.setting import Setting
from lessons.stage import Stage, apart, beside, table, tiny
from lessons.transformer_network import symbols_of, word_of
from makemore import nn
from makemore.autodiff import Array, attention, data, softmax

WIDTH, HEADS = 8, 2
DRAWS = 20_000


def embedded(setting: Setting) -> Array:
    """Return random embeddings of these symbols, (T, WIDTH)."""
    rows = setting.generator(10).standard_normal((len(setting.vocabulary), WIDTH))
    return np.asarray(rows[[0, *setting.vocabulary.encode(word_of(setting))]])


def narrow(names: Sequence[str], columns: Sequence[str], values: Array) -> list[str]:
    """Return a matrix of numbers of two decimals, that of a long word no wider than a terminal."""
    cells = np.char.mod("%.2f", values).tolist()
    rows = [[name, *row] for name, row in zip(names, cells, strict=True)]
    return table(["", *columns], rows, gap=" ")


def the_averages() -> Stage:
    """Take the mean of what came before in three ways."""
    x = np.array([[1, 2], [3, 6], [5, 1], [7, 3]], np.float64)
    T = len(x)
    by_loop = np.array([x[: t + 1].mean(axis=0) for t in range(T)])
    earlier = np.tril(np.ones((T, T)))
    weights = earlier / earlier.sum(axis=1, keepdims=True)
    by_product = weights @ x
    scores = np.where(earlier == 1, 0.0, -np.inf)
    by_softmax = data(softmax(scores)) @ x
    difference = max(apart(by_loop, by_product), apart(by_loop, by_softmax))
    return Stage(
        "An average of what came before, in three ways",
        [
            f"y[t] = mean of x[0 .. t]    x, y: (T, n) = ({T}, 2)",
            "1. a loop    2. y = A @ x, the rows of A are means    3. y = softmax(S) @ x",
            "S[t, s] = 0 where s <= t, else -inf",
        ],
        [
            *beside(x=x, A=weights.round(2), S=scores, y=by_loop),
            "",
            f"largest difference of the three: {tiny(difference)}",
        ],
        "a softmax of equal scores is a mean, and exp(-inf) is 0: the mask. Attention is this"
        " product with scores that are not equal but found from the symbols.",
        (softmax,),
        claims={"the three ways give the same": difference < 1e-12},
    )


def the_head(setting: Setting) -> Stage:
    """Let one head look at the followed word."""
    x, names = embedded(setting), symbols_of(setting)
    T = len(x)
    W = [setting.generator(11 + k).standard_normal((WIDTH, WIDTH)) / WIDTH**0.5 for k in range(3)]
    q, k, v = (x @ part for part in W)
    earlier = np.tril(np.ones((T, T), np.bool_))
    P = data(softmax(np.where(earlier, q @ k.T / WIDTH**0.5, -np.inf)))
    difference = apart(P @ v, attention(q, k, v, earlier))
    return Stage(
        "One head: every symbol asks, and is asked",
        [
            f"q = x W_q, k = x W_k, v = x W_v    (T, n) = ({T}, {WIDTH}) each",
            "P = softmax(q k.T / sqrt(n) + mask)  (T, T)    y = P v  (T, n)",
        ],
        [
            *narrow(names, names, P),
            "",
            f"away from makemore's attention: {tiny(difference)}",
        ],
        "row t says how much the symbol t takes of each before it; a row sums to 1, and above the"
        " diagonal, in the future, there is nothing. All is random here: nothing is learnt yet.",
        (attention,),
        claims={
            "each row sums to 1": bool(np.allclose(P.sum(axis=1), 1)),
            "it is what attention computes": difference < 1e-12,
        },
    )


def the_scale(setting: Setting) -> Stage:
    """Say why scores are divided by the root of n."""
    rows = []
    for n in (4, 16, 64, 256):
        q, k = setting.generator(14).standard_normal((2, DRAWS // 10, 10, n))
        scores = np.einsum("ban,ban->ba", q[:, :1], k)
        largest = [float(data(softmax(s)).max(axis=1).mean()) for s in (scores, scores / n**0.5)]
        rows.append((n, float(scores.std()), *largest))
    return Stage(
        "Why scores are divided by the root of n",
        ["variance of q . k = n for random numbers of variance 1"],
        table(["n", "deviation of q . k", "largest of 10 weights", "after division"], rows),
        "without the division a wide head looks at one symbol only from the first step on, and"
        " there softmax has next to no gradient. With it, it begins near an average.",
        (softmax,),
        claims={
            "the deviation is the root of n": all(abs(d / n**0.5 - 1) < 0.1 for n, d, *_ in rows),
            "division keeps the weights as they are": rows[-1][3] - rows[0][3] < 0.1,
        },
    )


def the_mask(setting: Setting) -> Stage:
    """Change the last symbol and see who notices."""
    layer = nn.MultiHeadAttention(WIDTH, HEADS, setting.generator(15), dtype=np.float64)
    x, names = embedded(setting), symbols_of(setting)
    other = x.copy()
    other[-1] += 1
    moved = [
        np.abs(data(layer(x[None], causal=causal)) - data(layer(other[None], causal=causal)))[0]
        for causal in (True, False)
    ]
    rows = [part.max(axis=1) for part in moved]
    return Stage(
        "The mask: nobody sees the future",
        [f"the last of {len(x)} symbols is changed; how far does each output move?"],
        narrow(["with mask", "without"], names, np.array(rows)),
        "a model must predict the next symbol at all places at once, so none may see what comes"
        " after it. Without the mask, training would be easy and worth nothing.",
        (nn.MultiHeadAttention,),
        claims={
            "with the mask only the last output moves": bool((rows[0][:-1] == 0).all()),
            "without it all move": bool((rows[1] > 0).all()),
        },
    )


def the_heads(setting: Setting) -> Stage:
    """Take several heads apart."""
    layer = nn.MultiHeadAttention(WIDTH, HEADS, setting.generator(15), dtype=np.float64)
    x = embedded(setting)
    q, k, v = np.split(x @ layer.weight.data, 3, axis=1)
    size = WIDTH // HEADS
    earlier = np.tril(np.ones((len(x), len(x)), np.bool_))
    parts = [slice(h * size, (h + 1) * size) for h in range(HEADS)]
    single = np.hstack([attention(q[:, p], k[:, p], v[:, p], earlier) for p in parts])
    difference = apart(single @ layer.out.weight.data, data(layer(x[None], causal=True))[0])
    counts = [
        nn.MultiHeadAttention(WIDTH, heads, setting.generator()).parameter_count
        for heads in (1, 2, 4)
    ]
    return Stage(
        "Heads: several looks at once",
        [
            f"n = {WIDTH} numbers are cut into {HEADS} heads of {size}; each attends for itself",
            "y = [head_1 | head_2] W_o + b_o",
        ],
        [
            *table(["heads", "parameters"], list(zip((1, 2, 4), counts, strict=True))),
            "",
            f"heads one by one, away from the layer: {tiny(difference)}",
        ],
        "heads cost nothing: each has a share of the numbers. One can follow the last vowel while"
        " another counts.",
        (nn.MultiHeadAttention,),
        claims={"the layer is its heads side by side": difference < 1e-12},
    )


def the_order(setting: Setting) -> Stage:
    """Shuffle what came before, with positions and without."""
    layer = nn.MultiHeadAttention(WIDTH, HEADS, setting.generator(15), dtype=np.float64)
    x = embedded(setting)[None]
    shuffled = x[:, [*range(x.shape[1] - 2, -1, -1), -1]]
    place = nn.SinusoidalPositions()
    plain = apart(data(layer(x, causal=True))[0, -1], data(layer(shuffled, causal=True))[0, -1])
    placed = apart(
        data(layer(place(x), causal=True))[0, -1], data(layer(place(shuffled), causal=True))[0, -1]
    )
    return Stage(
        "Attention does not know the order",
        [
            "all symbols before the last are reversed; how far does the last output move?",
            "position t adds sin(t / 10000^(2i / n)) and cos of the same to the embedding",
        ],
        table(["", "moves by"], [("without positions", tiny(plain)), ("with positions", placed)]),
        "a weighted average does not change if its terms change places. Positions make the same"
        " symbol at another place another input.",
        (nn.SinusoidalPositions,),
        claims={
            "without positions the order does not matter": plain < 1e-12,
            "with them it does": placed > 1e-3,
        },
    )
