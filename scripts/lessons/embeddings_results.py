"""What the lesson ``embeddings`` finds in its rows: a table in two factors, neighbours, a map."""

from typing import Any

import numpy as np

from lessons.embeddings_training import NEGATIVES, noise_of
from lessons.figures import ACCENT, LINE, MUTED, canvas
from lessons.stage import Stage, table
from makemore.arrays import Counts, Floats
from makemore.autodiff import Tensor

VOWELS = "aeiou"


def the_factors(
    N: Counts, fits: dict[int, tuple[Tensor, Tensor]], labels: list[str], is_trained: bool
) -> Stage:
    """Hold what was learnt against the table that it factorises."""
    P, noise = N / N.sum(), noise_of(N)
    least = min(20, int(np.median(N[N > 0])))
    seen = N >= least
    with np.errstate(divide="ignore"):
        best = np.log(P / (P.sum(axis=1)[:, None] * noise)) - np.log(NEGATIVES)
    found = {n: U.data @ W.data.T for n, (U, W) in fits.items()}
    agree = {n: float(np.corrcoef(best[seen], table[seen])[0, 1]) for n, table in found.items()}
    with canvas(7, 3.4, 1, 2, sharex=True, sharey=True) as c:
        for panel, (n, values) in zip(c.axes.flat, found.items(), strict=False):
            panel.plot(best[seen], values[seen], ".", color=LINE, markersize=3)
            panel.axline((0, 0), slope=1, color=MUTED, linewidth=0.8, zorder=0)
            panel.set(title=f"n = {n}", xlabel="log P(c, x) / P(c) P_n(x) - log k", ylabel="u . w")
    order = [divmod(int(i), len(N)) for i in np.argsort(-np.where(seen, best, -np.inf), axis=None)]
    rows = [
        (
            f"{labels[i]} {labels[j]}",
            int(N[i, j]),
            best[i, j],
            *(float(f[i, j]) for f in found.values()),
        )
        for i, j in order[:6]
    ]
    correlations = [(f"n = {n}", r) for n, r in agree.items()]
    return Stage(
        "What it is: a table in two factors",
        ["at the minimum, for large n:  u . w = log P(c, x) / (P(c) P_n(x)) - log k"],
        [
            *table(["pair", "count", "formula", *(f"n = {n}" for n in found)], rows),
            "",
            *table([f"pairs seen {least} times", "correlation"], correlations),
        ],
        "u . w is how much more often two symbols meet than by chance. With fewer numbers than"
        " symbols not all of that fits, and what is left over is what symbols have in common.",
        (),
        c.figure,
        {"with n = V the formula is met": agree[len(N)] > 0.9} if is_trained else {},
    )


def the_neighbours(U: Floats, labels: list[str], is_trained: bool) -> Stage:
    """List the nearest symbols of some."""
    unit = U / np.linalg.norm(U, axis=1, keepdims=True)
    cosines = unit @ unit.T - 2 * np.eye(len(U))
    asked = [i for i, label in enumerate(labels) if label in VOWELS + "kmnz"] or range(len(U))[:9]
    near = {i: np.argsort(-cosines[i], kind="stable")[:4] for i in asked}
    rows = [
        (labels[i], *(f"{labels[j]} {cosines[i, j]:.2f}" for j in nearest))
        for i, nearest in near.items()
    ]
    body, claims = table(["", "nearest", "next", "", ""], rows), {}
    if set(VOWELS) <= set(labels):
        vowels = [labels.index(vowel) for vowel in VOWELS]
        others = [i for i in range(1, len(labels)) if i not in vowels]
        among = float((unit @ unit.T)[np.ix_(vowels, vowels)][~np.eye(5, dtype=bool)].mean())
        across = float(cosines[np.ix_(vowels, others)].mean())
        means = [("two vowels", among), ("a vowel and a consonant", across)]
        body += ["", *table(["mean of", "cosine"], means)]
        claims["vowels are nearer to one another than to consonants"] = among > across
    return Stage(
        "Neighbours",
        ["cosine(a, b) = u_a . u_b / (|u_a| |u_b|)"],
        body,
        "nobody said what a vowel is. Vowels stand in for one another between the same consonants,"
        " and so they have the same company.",
        (),
        claims=claims if is_trained else {},
    )


def the_map(U: Floats, labels: list[str], is_trained: bool) -> Stage:
    """Draw the symbols along the two directions in which they differ most."""
    unit = U / np.linalg.norm(U, axis=1, keepdims=True)
    X = unit - unit.mean(axis=0)
    _, sizes, directions = np.linalg.svd(X, full_matrices=False)
    places = X @ directions[:2].T
    vowels = np.array([label in VOWELS for label in labels])
    with canvas(5.5, 4.5, texts=labels) as c:
        c.axes[0, 0].scatter(*places.T, s=0)
        for label, place, is_vowel in zip(labels, places, vowels, strict=True):
            colour = ACCENT if is_vowel else LINE
            c.axes[0, 0].text(
                *place, c.text(label), color=colour, size=13, ha="center", va="center"
            )
        c.axes[0, 0].set(xlabel="first principal component", ylabel="second")
    shares = sizes**2 / (sizes**2).sum()
    claims = {}
    if is_trained and set(VOWELS) <= set(labels):
        claims["a line on the map parts vowels from consonants"] = has_line(places[1:], vowels[1:])
    return Stage(
        "The map",
        ["X = rows of U of length 1, less their mean; places = X @ components: (V, 2)"],
        table(["component", "share of the variance"], list(enumerate(shares[:4].tolist(), 1))),
        "vowels (red) and consonants lie apart. That is the first thing that all these words say"
        " about their letters.",
        (),
        c.figure,
        claims,
    )


def has_line(places: Floats, is_one: Any) -> bool:
    """Return whether a straight line parts points (m, 2) of one kind from the others."""
    angles = np.linspace(0, 2 * np.pi, 720)
    along = places @ np.stack((np.cos(angles), np.sin(angles)))
    return bool((along[is_one].min(axis=0) > along[~is_one].max(axis=0)).any())
