"""Lesson autoencoder: images through a narrow code, then codes that can be drawn at random.

The networks and their training are in ``autoencoder_networks.py``, the stages about the variational
one in ``autoencoder_variational.py``.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from lessons.autoencoder_networks import (
    CODE,
    PIXELS,
    Convolutional,
    Variational,
    dense,
    linear,
    train,
    unfold,
)
from lessons.autoencoder_variational import (
    the_bound,
    the_divergence,
    the_reparameterisation,
    the_walk,
)
from lessons.figures import canvas
from lessons.letters_data import draw_letters, show, split_fonts
from lessons.setting import Setting
from lessons.stage import Stage, beside, table, where_it_stands
from makemore import nn
from makemore.autodiff import Array, Tensor, data, gradients, mean_squared_error, reshape, transpose

TITLE = "Autoencoders, plain and variational"
MINUTES = 1
STEPS = 1_200
ENOUGH = 0.5
"""The share of the steps after which the networks are compared."""


def stages(setting: Setting) -> Iterator[Stage]:
    """Yield the stages."""
    known, unseen = (list(fonts.values()) for fonts in split_fonts())
    images, _ = draw_letters(known, 20, setting.generator(1))
    tests, _ = draw_letters(unseen, 10, setting.generator(2))
    rebuilt = {"PCA": principal_components(images, tests)}
    yield the_bar(images, tests, rebuilt["PCA"])
    yield the_unfolding()
    generator, sizes = setting.generator(), {"PCA": PIXELS * CODE + PIXELS}
    networks: dict[str, Any] = {
        "linear": linear(generator),
        "dense": dense(generator),
        "convolutional": Convolutional(generator),
    }
    for name, network in networks.items():
        train_plain(network, images, setting)
        rebuilt[name], sizes[name] = data(network(tests)), network.parameter_count
    yield the_plain_ones(tests, rebuilt, sizes, setting.effort >= ENOUGH)
    yield the_reparameterisation(setting.generator(4))
    yield the_divergence(setting.generator(5))
    network = Variational(generator)
    yield the_bound(network, images, tests, setting)
    yield the_walk(network, images, setting)
    yield where_it_stands(
        {
            "makemore/autodiff/operations.py": "exp, reshape and transpose beside their gradients",
            "makemore/nn/base.py": "Layer: two networks of this lesson are layers of one's own",
            "makemore/evaluation/losses.py": "the loss of words: exact, in nats per symbol",
        },
        [
            "Kingma and Welling 2014, Auto-encoding variational Bayes: sections 2.3 and 2.4 are"
            " these two stages, appendix B the divergence.",
            "Burda, Grosse and Salakhutdinov 2016, Importance weighted autoencoders: on binary"
            " MNIST a variational autoencoder of one layer has 86.8 nats per image. Ours are not"
            " comparable: pixels are grey and have a density, of a deviation that we chose.",
            "Baldi and Hornik 1989, Neural networks and principal component analysis.",
        ],
        "makemore's models say the probability of a word exactly, symbol by symbol. This one says"
        " only a bound, but for a whole image at once.",
    )


def train_plain(network: Any, images: Array, setting: Setting) -> None:
    """Train a plain autoencoder on the mean squared error of what it rebuilds."""

    def loss_of(batch: Array) -> Any:
        return mean_squared_error(network(batch), batch.reshape(len(batch), PIXELS))

    train(network, loss_of, images, setting.steps(STEPS), setting.generator(3))


def principal_components(images: Array, tests: Array) -> Array:
    """Return ``tests`` rebuilt from as many numbers by PCA: the best that is linear."""
    flat, other = images.reshape(-1, PIXELS), tests.reshape(-1, PIXELS)
    middle = flat.mean(axis=0)
    _, _, directions = np.linalg.svd(flat - middle, full_matrices=False)
    code = (other - middle) @ directions[:CODE].T
    return np.asarray(middle + code @ directions[:CODE])


def the_bar(images: Array, tests: Array, rebuilt: Array) -> Stage:
    """Say what can be had without a network."""
    flat = tests.reshape(-1, PIXELS)
    plain = float(((flat - images.reshape(-1, PIXELS).mean(axis=0)) ** 2).mean())
    linear = float(((flat - rebuilt) ** 2).mean())
    return Stage(
        "The bar: what 16 numbers hold without a network",
        [
            f"x (B, {PIXELS}) -> code (B, {CODE}) -> x' (B, {PIXELS})    loss = mean of (x' - x)²",
            "PCA: the code is the position along the directions in which the images vary most",
        ],
        table(["letters in unseen fonts", "loss"], [("mean image", plain), ("PCA", linear)]),
        f"a letter has {PIXELS} numbers but few ways to vary. {CODE} directions already hold"
        f" {1 - linear / plain:.0%} of the variance; a network can gain only the rest.",
        claims={"PCA is better than the mean image": linear < plain},
    )


def the_unfolding() -> Stage:
    """Make a small image large, and follow its gradient back."""
    x = Tensor(np.arange(1, 17, dtype=np.float32).reshape(1, 4, 2, 2))
    y = unfold(x)
    (back,) = gradients(y, [x], y.data)
    channels = {f"channel {c}": x.data[0, c] for c in range(4)}
    same = bool((back == x.data).all())
    return Stage(
        "The way up: four channels become one image of twice the size",
        ["x (B, 4 C, H, W) -> y (B, C, 2 H, 2 W)    y[2i + r, 2j + s] = x[2r + s, i, j]"],
        beside(**channels, y=y.data[0, 0]),
        "an encoder makes images smaller by a stride of 2; a decoder has to make them larger. No"
        " number is made up or lost, so the gradient takes the same way back.",
        (reshape, transpose),
        claims={"the gradient takes the same way back": same},
    )


def the_plain_ones(
    tests: Array, rebuilt: dict[str, Array], sizes: dict[str, int], is_trained: bool
) -> Stage:
    """Compare what the autoencoders make of letters in unseen fonts."""
    flat = tests.reshape(-1, PIXELS)
    losses = {name: float(((x - flat) ** 2).mean()) for name, x in rebuilt.items()}
    rows = [(name, sizes[name], losses[name]) for name in rebuilt]
    some = slice(0, len(tests), 50)
    with canvas(10, 2.4) as c:
        pages = [tests[some], *(x[some].reshape(-1, 16, 16) for x in rebuilt.values())]
        show(
            c.axes[0, 0],
            np.concatenate(pages),
            len(pages[0]),
            "from above: original, " + ", ".join(rebuilt),
        )
    return Stage(
        "Plain autoencoders",
        ["the encoder and the decoder are trained as one network: its target is its input"],
        table(["letters in unseen fonts", "parameters", "loss"], rows),
        "without a bend a network can at best be PCA. With one the code follows curves, along which"
        " a stroke moves or turns. Convolutions need fewer parameters for less loss.",
        (mean_squared_error, nn.Linear, nn.Conv2d),
        c.figure,
        {
            "linear is no better than PCA, dense is, and convolutional is best": losses["linear"]
            > losses["PCA"]
            > losses["dense"]
            > losses["convolutional"]
        }
        if is_trained
        else {},
    )
