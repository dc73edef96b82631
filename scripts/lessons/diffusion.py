"""Lesson diffusion: noise that a network takes away, step by step, until there are letters.

Images are flat, (B, 256), and lie within -1 and 1; x_t is an image after t steps of noise.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.random import Generator

from lessons.figures import image_figure
from lessons.glyphs import LETTERS, PIXELS, SIDE, Images, draw_data_set, nearest
from lessons.networks import perceptron, train
from lessons.setting import Setting
from lessons.stage import Stage, apart, table, where_it_stands
from makemore import nn
from makemore.arrays import Floats, Ids
from makemore.autodiff import Array, Value, data, mean_squared_error
from makemore.nn.attention import sinusoids

TITLE = "Diffusion: letters out of noise"
MINUTES = 1.5
REACH = 0.5
"""Letters are moved half as far as in other lessons, so that a minute of training is enough."""
STEPS, WIDTH, BLOCKS, WAVES = 2_600, 384, 3, 64
T, SAMPLES = 200, 8
BETA: Floats = np.append(0, np.linspace(1e-4, 0.02, T) * (1_000 / T))
"""The variance of the noise that step t adds: that of the paper, whose T is 1,000."""
KEPT: Floats = np.asarray(np.cumprod(1 - BETA))
"""The share of the image's variance that is left after t steps; the rest is noise."""


def stages(setting: Setting) -> Iterator[Stage]:
    """Yield the stages."""
    known, unseen = draw_data_set(setting.generator(1), REACH)
    x, ids = known[0].reshape(-1, PIXELS) * 2 - 1, known[1]
    yield the_schedule(x, setting.generator(2))
    network, noise = Denoiser(setting.generator()), setting.generator(3)
    loss_of = partial(denoising_error, network, noise)
    train(network, loss_of, [x, ids], setting.steps(STEPS), setting.generator(4))
    yield the_network(network, x[::20], ids[::20], noise)
    wanted = np.arange(26).repeat(SAMPLES)
    way = list(sample(network, wanted, setting.generator(5)))
    yield the_way(way)
    drawn = way[T].reshape(-1, SIDE, SIDE) / 2 + 0.5, wanted
    yield the_letters(drawn, unseen, known, setting.effort >= 0.9)
    yield where_it_stands(
        {
            "makemore/nn/attention.py": "sinusoids: there they say a position, here a time",
            "makemore/generation/writers.py": "words: one symbol after another, each kept",
        },
        [
            "Ho, Jain and Abbeel 2020, Denoising diffusion probabilistic models: algorithms 1 and"
            " 2. Their photographs (CIFAR-10) reach an FID of 3.17 with 35.7 million parameters.",
        ],
        "a language model writes left to right and never looks back. Diffusion writes all pixels at"
        " once and corrects them two hundred times.",
    )


def noised(x: Array, times: Ids, noise: Array) -> Array:
    """Return images after their numbers of steps at once: sqrt(kept) x + sqrt(1 - kept) noise."""
    kept = KEPT[times, None]
    return (np.sqrt(kept) * x + np.sqrt(1 - kept) * noise).astype(np.float32)


def the_schedule(images: Array, generator: Generator) -> Stage:
    """Make noise of letters, step by step and in one jump."""
    some = images[:: len(images) // 5][:5]
    x, rows, shown = np.full(50_000, 0.7), [], [some]
    for t in range(1, T + 1):
        x = np.sqrt(1 - BETA[t]) * x + np.sqrt(BETA[t]) * generator.standard_normal(len(x))
        if t in (1, 10, 20, 40, 80, 120, 160, T):
            jump = 0.7 * KEPT[t] ** 0.5, (1 - KEPT[t]) ** 0.5
            rows.append((t, float(BETA[t]), float(x.mean()), jump[0], float(x.std()), jump[1]))
            shown.append(noised(some, np.full(5, t), generator.standard_normal(some.shape)))
    pages = np.stack(shown, axis=1).reshape(-1, SIDE, SIDE) / 2 + 0.5
    title = "steps of noise: 0, " + ", ".join(str(row[0]) for row in rows)
    stepwise, jumps = np.array(rows)[:, 2::2], np.array(rows)[:, 3::2]
    return Stage(
        "The noise schedule, and any number of steps in one jump",
        [
            "x_t = sqrt(1 - beta_t) x_(t-1) + sqrt(beta_t) e,  e from N(0, 1)    t = 1 .. T",
            "kept_t = (1 - beta_1) ... (1 - beta_t)",
            "x_t = sqrt(kept_t) x_0 + sqrt(1 - kept_t) e: the jump",
        ],
        table(["t", "beta", "mean, stepwise", "jump", "deviation, stepwise", "jump"], rows),
        "a pixel of 0.7 went through all steps 50,000 times. Sums of normal noise are normal noise,"
        " so training may pick any t. At the end nothing is left of the image.",
        figure=image_figure(pages, len(shown), title, 6, 3.4),
        claims={"the jump is where the steps lead": apart(stepwise, jumps) < 0.02},
    )


class Denoiser(nn.Layer):
    """Says which noise is in images: (B, 256), times (B,) and letters (B,) -> (B, 256)."""

    def __init__(self, generator: Generator) -> None:
        self.first = nn.Linear(PIXELS, WIDTH, generator)
        self.time = nn.Linear(WAVES, WIDTH, generator)
        self.letter = nn.Embedding(len(LETTERS), WIDTH, generator)
        self.blocks = [
            nn.Sequential(nn.LayerNorm(WIDTH), perceptron(WIDTH, 2 * WIDTH, WIDTH, generator))
            for _ in range(BLOCKS)
        ]
        self.last = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, PIXELS, generator))

    def __call__(self, x: Array, times: Ids, letters: Ids) -> Value:
        """Return the noise."""
        waves = sinusoids(times * (1_000 / T), WAVES).astype(np.float32)
        condition = self.time(waves) + self.letter(letters)
        h = self.first(x)
        for block in self.blocks:
            h = h + block(h + condition)
        return self.last(h)


def denoising_error(
    network: Denoiser, generator: Generator, x: Array, ids: Ids, t: int | None = None
) -> Value:
    """Return the loss: the mean squared error in the noise, at time t or at random times."""
    times = generator.integers(1, T + 1, size=len(x)) if t is None else np.full(len(x), t)
    noise = generator.standard_normal(x.shape, np.float32)
    return mean_squared_error(network(noised(x, times, noise), times, ids), noise)


def the_network(network: Denoiser, x: Array, ids: Ids, generator: Generator) -> Stage:
    """Split the loss by time."""
    rows = []
    for t in (1, 5, 20, 50, 100, 200):
        error = denoising_error(network, generator, x, ids, t)
        rows.append((t, float(1 - KEPT[t]), float(data(error))))
    return Stage(
        "The network: which noise is in this?",
        [
            f"x_t (B, {PIXELS}), t and letter (B,) -> e' (B, {PIXELS}), by way of h (B, {WIDTH})",
            "c = waves[t] W + b + the letter's row    each block: h + perceptron(norm(h + c))",
            "t uniform, e from N(0, 1)    loss = mean of (network(x_t, t, letter) - e)²",
        ],
        table([f"t, of {T}", "share of noise", "loss"], rows),
        f"{network.parameter_count:,} parameters serve all times, and are told which. Much noise is"
        " easy to name: it is nearly all that one sees. A bit of it is hard to tell from ink.",
        (sinusoids, mean_squared_error, nn.LayerNorm),
        claims={"much noise is easier to name than little": rows[-1][2] < rows[0][2]},
    )


def sample(network: Denoiser, letters: Ids, generator: Generator) -> Iterator[Array]:
    """Yield images x_t of these letters from t = T to 0, by guesses at x_0 cut to -1 .. 1."""
    x = generator.standard_normal((len(letters), PIXELS), np.float32)
    yield x
    for t in range(T, 0, -1):
        noise = data(network(x, np.full(len(letters), t), letters))
        guess = np.clip((x - np.sqrt(1 - KEPT[t]) * noise) / np.sqrt(KEPT[t]), -1, 1)
        mean = np.sqrt(KEPT[t - 1]) * BETA[t] * guess + np.sqrt(1 - BETA[t]) * (1 - KEPT[t - 1]) * x
        variance = BETA[t] * (1 - KEPT[t - 1]) / (1 - KEPT[t])
        fresh = np.sqrt(variance) * generator.standard_normal(x.shape)
        x = (mean / (1 - KEPT[t]) + fresh).astype(np.float32)
        yield x


def the_way(way: list[Array]) -> Stage:
    """Draw how letters come out of noise."""
    times = (200, 160, 130, 110, 90, 70, 50, 30, 10, 0)
    pages = np.stack([way[T - t][::SAMPLES] for t in times]).reshape(-1, SIDE, SIDE) / 2 + 0.5
    return Stage(
        "Sampling: two hundred steps back",
        [
            "x_T from N(0, 1); then for t = T .. 1, with k = kept_(t-1):",
            "x0' = (x_t - sqrt(1 - kept_t) e') / sqrt(kept_t), cut to -1 .. 1",
            "mean = (sqrt(k) beta_t x0' + sqrt(1 - beta_t) (1 - k) x_t) / (1 - kept_t)",
            "x_(t-1) = mean + s e,  s² = beta_t (1 - k) / (1 - kept_t)",
        ],
        table(["t", "deviation of x_t"], [(t, float(way[T - t].std())) for t in times]),
        "the guess x0' is a blur at first: the mean of all that it may become. Every step goes a"
        " little towards it and adds a little noise, and it grows sharp.",
        figure=image_figure(pages, 26, "from noise to letters", 10, 4.4),
    )


def the_letters(drawn: Images, unseen: Images, known: Images, is_trained: bool) -> Stage:
    """Read each letter by the image nearest to it, of all that were trained on."""
    rows = []
    for name, (images, ids) in (("letters in unseen fonts", unseen), ("letters drawn", drawn)):
        distances, places = nearest(images, known[0])
        rows.append((name, float((known[1][places] == ids).mean()), float(distances.mean())))
    five = [images[number::SAMPLES] for number in range(5)]
    shown = np.concatenate([*five, known[0][places[::SAMPLES]]])
    title = "drawn; the last row: nearest to the first row, of all that were trained on"
    (_, _, far), (_, read, near) = rows
    return Stage(
        "Are they letters?",
        ["each is read as the letter of the nearest image of all that were trained on"],
        table(["", "read correctly", "squared distance of the nearest"], rows),
        f"the nearest image agrees on {read:.0%} of the letters drawn. They are no copies: it lies"
        f" {near / far:.1f} times as far away as the one nearest to a letter in an unseen font.",
        figure=image_figure(shown, 26, title, 10, 2.6),
        claims={"more than 90 % can be read": read > 0.9} if is_trained else {},
    )
