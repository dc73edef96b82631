"""What the lesson ``diffusion`` draws: the way from noise to letters, and how they are judged."""

from collections.abc import Mapping, Sequence

import numpy as np

from lessons.figures import canvas
from lessons.letters_data import LETTERS, SIDE, Images, show
from lessons.letters_network import read
from lessons.stage import Stage, table, wrapped
from makemore import nn
from makemore.arrays import Ids
from makemore.autodiff import Array

SAMPLES = 8
"""So many of each letter are drawn and judged."""
WORD = "makemore"
TIMES = (200, 160, 130, 110, 90, 70, 50, 30, 10, 0)
"""The times of the picture."""


def the_way(way: Mapping[int, Sequence[Array]]) -> Stage:
    """Draw how letters come out of noise."""
    chosen = [LETTERS.index(letter) * SAMPLES + place for place, letter in enumerate(WORD)]
    rows = [np.concatenate([way[t][kind][chosen] for t in TIMES]) for kind in (0, 1)]
    with canvas(8, 5.2, 1, 2) as c:
        for panel, row, title in zip(
            c.axes.flat,
            rows,
            ("x, from noise to letters", "the network's guess at them"),
            strict=True,
        ):
            show(panel, row.reshape(-1, SIDE, SIDE) / 2 + 0.5, len(WORD), title)
    deviations = [(t, float(way[t][0].std()), float(way[t][1].std())) for t in TIMES]
    return Stage(
        "Sampling: two hundred steps back",
        [
            "x_T from N(0, 1); then for t = T .. 1:",
            "x0' = (x_t - sqrt(1 - kept) e') / sqrt(kept), cut to -1 .. 1",
            "x_(t-1) = a x0' + b x_t + s e    a, b, s: one step back, as if x0' were x_0",
        ],
        table(["t", "deviation of x_t", "of x0'"], deviations),
        "at first there is nothing to go by, and the guess is as noisy as x. Then it is a blur: the"
        " mean of all that it may become. Every step goes a little towards the guess and adds a"
        " little noise, and the guess grows sharp.",
        (),
        c.figure,
    )


def the_letters(
    x: Array, letters: Ids, images: Array, others: Images, reader: nn.Sequential, is_trained: bool
) -> Stage:
    """Let a reader judge the letters, and see whether they are copies."""
    drawn = (x / 2 + 0.5).clip(0, 1).reshape(-1, SIDE, SIDE).astype(np.float32)
    right = read(reader, drawn) == letters
    real = float((read(reader, others[0]) == others[1]).mean())
    hard = [LETTERS[i] for i in range(26) if right[letters == i].mean() < 0.8]
    distances, nearest = nearest_of(drawn, images)
    far, _ = nearest_of(others[0][::5], images)
    rows = drawn.reshape(26, SAMPLES, SIDE, SIDE).swapaxes(0, 1)
    with canvas(10, 3.2, 2, height_ratios=[5, 1]) as c:
        show(c.axes[0, 0], rows[:5].reshape(-1, SIDE, SIDE), 26, "drawn")
        title = "nearest to the first row, of all that were trained on"
        show(c.axes[1, 0], images[nearest[::SAMPLES]], 26, title)
    return Stage(
        "Are they letters?",
        ["a convolutional network, trained on the same fonts, is asked what it sees"],
        [
            *table(
                ["", "read correctly", "from the nearest image"],
                [
                    ("letters in unseen fonts", real, float(far.mean())),
                    ("letters drawn", float(right.mean()), float(distances.mean())),
                ],
            ),
            "",
            *wrapped(" ".join(hard) or "none", "read correctly less than 8 times in 10: "),
        ],
        f"the reader agrees on {right.mean():.0%}. The distances say how far from copies they are:"
        f" a letter drawn is {distances.mean() / far.mean():.1f} times as far from all that was"
        " trained on as a letter in a font that was not.",
        (),
        c.figure,
        {"more than 90 % of the letters drawn can be read": bool(right.mean() > 0.9)}
        if is_trained
        else {},
    )


def nearest_of(images: Array, known: Array) -> tuple[Array, Ids]:
    """Return for each image the mean squared distance of the nearest known one, and which it is."""
    a, b = images.reshape(len(images), -1), known.reshape(len(known), -1)
    squares = (a**2).sum(axis=1)[:, None] - 2 * a @ b.T + (b**2).sum(axis=1)
    return squares.min(axis=1) / a.shape[1], squares.argmin(axis=1)
