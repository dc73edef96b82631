"""Lesson diffusion: noise that a network takes away, step by step, until there are letters.

Schedule, network, training and sampler are in ``diffusion_network.py``.
"""

from collections.abc import Iterator

import numpy as np

from lessons.diffusion_by_hand import one_step_back, the_jump, the_schedule
from lessons.diffusion_network import (
    BATCH,
    BLOCKS,
    KEPT,
    PIXELS,
    WIDTH,
    Denoiser,
    noised,
    sample,
    train,
)
from lessons.diffusion_results import SAMPLES, the_letters, the_way
from lessons.figures import COLOURS, canvas
from lessons.letters_data import Images, draw_letters, split_fonts
from lessons.letters_network import convolutional
from lessons.letters_network import train as train_reader
from lessons.setting import Setting
from lessons.stage import Stage, table, where_it_stands
from makemore import nn
from makemore.autodiff import data, gelu, mean_squared_error
from makemore.nn.attention import sinusoids

TITLE = "Diffusion: letters out of noise"
MINUTES = 1.5
COPIES, STEPS, READER_STEPS = 20, 2_600, 600
REACH = 0.5
"""Letters are shifted and rotated half as far as in other lessons, so that a small network learns
them in a minute: with all of it about nine letters in ten can be read."""
ENOUGH = 0.9
"""The share of the steps after which the letters are judged."""


def stages(setting: Setting) -> Iterator[Stage]:
    """Yield the stages."""
    known, unseen = (list(fonts.values()) for fonts in split_fonts())
    images, ids = draw_letters(known, COPIES, setting.generator(1), REACH)
    flat = images.reshape(-1, PIXELS) * 2 - 1
    yield the_schedule(flat, setting.generator(2))
    yield the_jump(setting.generator(3))
    yield one_step_back()
    network = Denoiser(setting.generator())
    yield the_network(network)
    losses = train(network, flat, ids, setting.steps(STEPS), setting.generator(4))
    yield the_training(network, losses, (flat, ids), setting.generator(5))
    letters = np.arange(26).repeat(SAMPLES)
    way = {t: pair for t, *pair in sample(network, letters, setting.generator(6))}
    yield the_way(way)
    reader = convolutional(setting.generator(7))
    train_reader(reader, images, ids, setting.steps(READER_STEPS), setting.generator(8))
    others = draw_letters(unseen, 10, setting.generator(9), REACH)
    yield the_letters(way[0][0], letters, images, others, reader, setting.effort >= ENOUGH)
    yield where_it_stands(
        {
            "makemore/nn/attention.py": "sinusoids: there they say a position, here a time",
            "makemore/autodiff/operations.py": "gelu, add and their like beside their gradients",
            "makemore/generation/sampling.py": "words: one symbol after another, each kept",
        },
        [
            "Ho, Jain and Abbeel 2020, Denoising diffusion probabilistic models: on 32 x 32"
            " photographs (CIFAR-10) a distance from the real ones (FID) of 3.17, with 35.7 million"
            " parameters and 800 thousand steps. A letter has no FID; we ask a reader instead.",
            "Sohl-Dickstein et al. 2015, Deep unsupervised learning using nonequilibrium"
            " thermodynamics: where the idea comes from.",
        ],
        "a language model writes left to right and never looks back. Diffusion writes all pixels at"
        " once and corrects them two hundred times.",
    )


def the_network(network: Denoiser) -> Stage:
    """List the parts of the network."""
    parts = {
        "images in": network.first,
        "time": network.time,
        "letter": network.letter,
        f"{BLOCKS} blocks": nn.Sequential(*network.blocks),
        "noise out": nn.Sequential(network.norm, network.last),
    }
    rows = [(name, part.parameter_count) for name, part in parts.items()]
    waves = sinusoids(np.array([0, 40, 200, 1_000]), 6)
    return Stage(
        "The network: which noise is in this?",
        [
            f"x (B, {PIXELS}), t (B,), letter (B,) -> e' (B, {PIXELS}), by way of {WIDTH} numbers",
            "c = gelu(waves[t] W + b) + the letter's row",
            "each block: x + outer(gelu(inner(norm(x + c))))",
        ],
        [
            *table(["part", "parameters"], [*rows, ("all", network.parameter_count)]),
            "",
            "waves of four times, the first 3 frequencies of 6 numbers",
            *(" ".join(f"{number:7.3f}" for number in row) for row in waves),
        ],
        "one network serves all times, so it must be told which: slow and fast waves, as a"
        " transformer's positions. It is also told which letter to see in the noise.",
        (sinusoids, nn.LayerNorm, gelu),
    )


def the_training(
    network: Denoiser, losses: list[float], letters: Images, generator: np.random.Generator
) -> Stage:
    """Draw the loss, and split it by time."""
    chosen = generator.integers(len(letters[0]), size=500)
    images, ids = letters[0][chosen], letters[1][chosen]
    rows = []
    for t in (1, 5, 20, 50, 100, 200):
        noise = generator.standard_normal(images.shape, np.float32)
        times = np.full(len(images), t - 1)
        said = data(network(noised(images, times, noise), times, ids))
        rows.append((t, 1 - KEPT[t - 1], float(np.mean((said - noise) ** 2))))
    with canvas(6, 2.8) as c:
        mean = np.convolve(losses, np.ones(20) / 20, "valid") if len(losses) > 20 else losses
        c.axes[0, 0].plot(mean, color=COLOURS[0])
        c.axes[0, 0].set(xlabel="step", ylabel="loss (mean of 20 steps)", yscale="log")
    return Stage(
        "Training",
        [
            "t uniform, e from N(0, 1)    loss = mean of (network(x_t, t, letter) - e)²",
            f"{len(losses):,} steps of {BATCH} images; saying 0 would cost 1",
        ],
        table(["steps of noise", "share of noise", "loss"], rows),
        "with much noise it is easy to say what it is: nearly all that one sees. The last bit of it"
        " is hard to tell from ink. No sampling, no adversary: a plain regression.",
        (mean_squared_error, nn.AdamW),
        c.figure,
        {"the loss falls": np.mean(losses[-10:]) < np.mean(losses[:10])},
    )
