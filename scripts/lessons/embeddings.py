"""Lesson embeddings: word2vec's skip-gram with negative sampling, on the symbols of words."""

from collections.abc import Iterator

import numpy as np

from lessons.descent import descend
from lessons.figures import ACCENT, LINE, curves_figure, map_figure
from lessons.setting import MAX_WORD, Setting
from lessons.stage import Stage, apart, matrix, table, tiny, unit_rows, where_it_stands
from makemore import nn
from makemore.arrays import Counts, Flags, Floats
from makemore.autodiff import Array, Tensor, Value, data, gather, gradients, reshape, sum
from makemore.autodiff import binary_cross_entropy_with_logits as binary_cross_entropy

TITLE = "Embeddings: symbols by the company they keep"
MINUTES = 0.2
WINDOW, NEGATIVES, SIZE = 2, 5, 8
STEPS, BATCH, RATE = 2_000, 1_024, 0.02
VOWELS = "aeiou"


def count_pairs(setting: Setting) -> Counts:
    """Return how often two symbols of a word stand within the window, (V, V), symmetric."""
    V = len(setting.vocabulary)
    N = np.zeros((V, V), np.int64)
    for word in setting.words:
        ids = np.array([0, *setting.vocabulary.encode(word), 0])
        for distance in range(1, WINDOW + 1):
            np.add.at(N, (ids[:-distance], ids[distance:]), 1)
    return N + N.T


def the_pairs(setting: Setting, N: Counts, labels: list[str]) -> Stage:
    """Show the pairs of one word."""
    ids = [0, *setting.vocabulary.encode(setting.followed[:MAX_WORD]).tolist(), 0]
    rows = []
    for place, centre in enumerate(ids):
        near = ids[max(0, place - WINDOW) : place] + ids[place + 1 : place + WINDOW + 1]
        rows.append((place, labels[centre], " ".join(labels[i] for i in near)))
    return Stage(
        "A symbol and its company",
        [f"N[c, x]: the pairs (centre, context) at most {WINDOW} apart    (V, V) = {N.shape}"],
        [*table(["place", "centre", "contexts"], rows), "", f"pairs of all words: {N.sum():,}"],
        "nothing else will be used, neither the order nor the word. Two symbols are alike if they"
        " keep the same company.",
        claims={"N is symmetric": bool((N == N.T).all())},
    )


def noise_of(N: Counts) -> Floats:
    """Return the distribution of the negatives, (V,): frequencies to the power 3/4."""
    powers = N.sum(axis=1) ** 0.75
    return np.asarray(powers / powers.sum())


def loss_of(u: Value, w: Value, negatives: Value) -> Value:
    """Return the loss of B pairs: u, w (B, n), and negatives (B, k, n) drawn as noise."""
    B, k, n = data(negatives).shape
    right = binary_cross_entropy(sum(u * w, axis=1), np.ones(B, np.float32))
    products = sum(reshape(u, (B, 1, n)) * negatives, axis=2)
    return right + k * binary_cross_entropy(products, np.zeros((B, k), np.float32))


def one_pair(setting: Setting, N: Counts, labels: list[str]) -> Stage:
    """Work out the loss and the gradient of one pair by hand, with negatives drawn as noise."""
    random, share, noise = setting.generator(), N.sum(axis=1) / N.sum(), noise_of(N)
    symbols = [int(share.argmax()), *random.choice(len(N), NEGATIVES, p=noise).tolist()]
    u, vectors = random.standard_normal(3), random.standard_normal((len(N), 3))[symbols]
    s = 1 / (1 + np.exp(-vectors @ u))
    errors = s - np.eye(1 + NEGATIVES)[0]  # the first is the context, and the pair is real
    loss, d_u = -np.log(s[0]) - np.log(1 - s[1:]).sum(), errors @ vectors
    centre = Tensor(u[None])
    engine = loss_of(centre, vectors[:1], vectors[None, 1:])
    difference = max(apart(loss, engine.item()), apart(d_u, gradients(engine, [centre])[0]))
    names = [f"{'negative' if i else 'context'} {labels[x]}" for i, x in enumerate(symbols)]
    heads = ("share", "P_n", "u . v", "s", "times v in d_u")
    values = np.stack((share[symbols], noise[symbols], vectors @ u, s, errors), axis=1)
    return Stage(
        "The loss of one pair, by hand",
        [
            "loss = -log s(u . w) - (sum over k negatives r of log s(-u . r))    s = sigmoid",
            "d_u  = (s(u . w) - 1) w + (sum over the negatives of s(u . r) r)",
            "negatives are drawn from P_n(x) = count(x)^(3/4), normalised",
        ],
        [*matrix(names, heads, values), f"loss {loss:.4f}, off the engine's: {tiny(difference)}"],
        "the question is not which of V symbols it is, which costs V products, but whether a pair"
        " is real. The power 3/4 makes rare symbols more frequent as negatives than in words.",
        (binary_cross_entropy, gradients),
        claims={"loss and gradient are the engine's": difference < 1e-9},
    )


def train(N: Counts, n: int, setting: Setting) -> tuple[Array, Array, list[float]]:
    """Return the embeddings U (V, n), those of contexts W (V, n), and the losses."""
    V, steps, random = len(N), setting.steps(STEPS), setting.generator(1)
    U = Tensor(random.normal(0, 0.1, (V, n)).astype(np.float32))
    W = Tensor(np.zeros((V, n), np.float32))
    pairs, noise = N.ravel().cumsum(), noise_of(N).cumsum()

    def batch_loss() -> Value:
        drawn = np.searchsorted(pairs, random.integers(pairs[-1], size=BATCH), side="right")
        negatives = np.searchsorted(noise[:-1], random.random((BATCH, NEGATIVES)), side="right")
        return loss_of(gather(U, drawn // V), gather(W, drawn % V), gather(W, negatives))

    optimizer, schedule = nn.Adam(learning_rate=RATE), nn.cosine(RATE, steps)
    losses = list(descend({"U": U, "W": W}, batch_loss, optimizer, schedule, steps))
    return U.data, W.data, losses


def the_training(N: Counts, fits: dict[int, Array], losses: list[float], is_trained: bool) -> Stage:
    """Draw the loss, and compare the products U W.T, by their n, with what they approximate."""
    guess, last = (1 + NEGATIVES) * float(np.log(2)), float(np.mean(losses[-100:]))
    P, seen = N / N.sum(), N >= min(20, np.median(N[N > 0]))
    formula = np.log(P[seen] / np.outer(P.sum(axis=1), noise_of(N))[seen]) - np.log(NEGATIVES)
    agreement = {n: np.corrcoef(formula, fit[seen])[0, 1] for n, fit in fits.items()}
    claims = {
        "the first loss is that of not knowing": abs(losses[0] - guess) < 1e-4,
        "the loss falls": last < guess,
    }
    if is_trained:
        claims["with n = V the formula is met"] = bool(agreement[len(N)] > 0.9)
    return Stage(
        "Training, and what is learnt",
        [
            f"U, W: (V, {SIZE}) each; {BATCH:,} pairs a step, {NEGATIVES} negatives each; Adam",
            "at the minimum, for large n: u . w = log(P(c, x) / (P(c) P_n(x))) - log k",
        ],
        [
            f"first loss {losses[0]:.4f} = {1 + NEGATIVES} log 2, last loss {last:.4f}",
            *table(["n", "correlation of u . w with the formula"], list(agreement.items())),
        ],
        "W begins with zeros, so every answer is 1/2 and costs log 2. In the end u . w says how"
        " much more often two symbols meet than by chance, as far as n numbers can say it.",
        (nn.Adam, nn.cosine),
        curves_figure({"": (range(len(losses)), losses)}, xlabel="step", ylabel="nats per pair"),
        claims,
    )


def has_line(places: Floats, is_one: Flags) -> bool:
    """Return whether a straight line parts points (m, 2) of one kind from the others."""
    angles = np.linspace(0, 2 * np.pi, 720)
    along = places @ np.stack((np.cos(angles), np.sin(angles)))
    return bool((along[is_one].min(axis=0) > along[~is_one].max(axis=0)).any())


def the_map(U: Floats, labels: list[str], is_trained: bool) -> Stage:
    """List neighbours, and draw the symbols along the two directions in which they differ most."""
    unit = unit_rows(U)
    cosines, is_vowel = unit @ unit.T, np.array([label in VOWELS for label in labels])
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, 1:5]  # the first is the symbol itself
    asked = [i for i, label in enumerate(labels) if label in VOWELS + "mkz"] or range(len(U))[:8]
    rows = [(labels[i], *(f"{labels[j]} {cosines[i, j]:.2f}" for j in nearest[i])) for i in asked]
    X = unit - unit.mean(axis=0)
    places = X @ np.linalg.svd(X, full_matrices=False).Vh[:2].T
    colours = [ACCENT if is_one else LINE for is_one in is_vowel]
    body, claims = table(["", "nearest", "next", "", ""], rows), {}
    if is_trained and is_vowel.sum() == len(VOWELS):
        among = cosines[is_vowel][:, is_vowel][~np.eye(len(VOWELS), dtype=bool)].mean()
        across = cosines[is_vowel][:, ~is_vowel].mean()
        body += ["", f"mean of two vowels {among:.2f}, of a vowel and another {across:.2f}"]
        claims["vowels are nearer to one another than to consonants"] = bool(among > across)
        claims["a line parts vowels from consonants"] = has_line(places[1:], is_vowel[1:])
    return Stage(
        "Neighbours, and the map",
        ["cosine(a, b) = u_a . u_b / (|u_a| |u_b|)    map (V, 2): components of u / |u|"],
        body,
        "nobody said what a vowel is. Vowels (red) stand in for one another between the same"
        " consonants: they keep the same company, and so they lie together.",
        (),
        map_figure(places, labels, colours, "first principal component", "second"),
        claims,
    )


def stages(setting: Setting) -> Iterator[Stage]:
    """Yield the stages."""
    setting.refuse_symbols(4, 2_000)
    labels, N = setting.labels, count_pairs(setting)
    yield the_pairs(setting, N, labels)
    yield one_pair(setting, N, labels)
    U, W, losses = train(N, SIZE, setting)
    larger_U, larger_W, _ = train(N, len(N), setting)
    fits = {SIZE: U @ W.T, len(N): larger_U @ larger_W.T}
    yield the_training(N, fits, losses, setting.is_trained)
    yield the_map(U, labels, setting.is_trained)
    yield where_it_stands(
        {
            "makemore/nn/layers.py": "Embedding: the first layer of every network of makemore",
            "makemore/models/mlp.py": "learns such rows on the way, for the symbols that come next",
        },
        [
            "Mikolov et al. 2013, Distributed representations of words: 61 % of analogies solved.",
            "Levy and Goldberg 2014, Neural word embedding as implicit matrix factorization.",
        ],
        "networks learn such rows by themselves, because the loss asks for them: symbols that are"
        " followed by the same ones need the same row.",
    )
