"""Lesson autoencoder: images through a narrow code, then codes that can be drawn at random."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from lessons.figures import image_figure
from lessons.glyphs import LETTERS, PIXELS, SIDE, draw_data_set, draw_letters, nearest
from lessons.networks import layer_rows, perceptron, train
from lessons.setting import Setting
from lessons.stage import Stage, apart, table, where_it_stands
from makemore import autodiff as ad
from makemore import nn
from makemore.autodiff import Array, Tensor, Value, data, gradients

TITLE = "Autoencoders, plain and variational"
MINUTES = 1
CODE, STEPS, VARIATIONAL_STEPS = 16, 1_200, 4_000
NOISE = 0.15
"""The deviation of a pixel from what the decoder says: that of p(x | z)."""


def stages(setting: Setting) -> Iterator[Stage]:
    """Yield the stages."""
    (images, _), (tests, _) = draw_data_set(setting.generator(1))
    networks = [dense(setting.generator()), convolutional(setting.generator())]
    for network in networks:
        loss_of = partial(rebuilding_error, network)
        train(network, loss_of, [images], setting.steps(STEPS), setting.generator(2))
    yield the_plain_ones(networks, images, tests, setting.effort >= 0.5)
    yield the_price_of_a_code(setting.generator(3))
    yield the_walk(Variational(setting.generator()), images, tests, setting)
    yield where_it_stands(
        {
            "makemore/autodiff/operations.py": "exp, reshape and transpose beside their gradients",
            "makemore/evaluation/losses.py": "the loss of words: exact, in nats per symbol",
        },
        [
            "Kingma and Welling 2014, Auto-encoding variational Bayes, sections 2.3 and 2.4.",
            "Burda, Grosse and Salakhutdinov 2016, Importance weighted autoencoders: 86.8 nats per"
            " image of binary MNIST. Our pixels are grey, so our nats are not comparable.",
        ],
        "makemore's models give the probability of a word exactly, symbol by symbol. This one gives"
        " only a bound, but for a whole image at once.",
    )


def dense(generator: np.random.Generator) -> nn.Sequential:
    """Return an autoencoder that does not know which pixels are neighbours."""
    encoder = perceptron(PIXELS, 128, CODE, generator)
    return nn.Sequential(nn.Flatten(), encoder, perceptron(CODE, 128, PIXELS, generator))


def convolutional(generator: np.random.Generator) -> nn.Sequential:
    """Return an autoencoder that halves images by strides, and doubles them by unfolding."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, generator, stride=2, padding=1), nn.ReLU()),
        *(nn.Conv2d(16, 32, 3, generator, stride=2, padding=1), nn.ReLU()),
        *(nn.Conv2d(32, CODE, 4, generator), nn.Conv2d(CODE, 4 * 128, 1, generator)),
        *(Unfold(), nn.ReLU(), nn.Conv2d(128, 4 * 32, 1, generator)),
        *(Unfold(), nn.ReLU(), nn.Conv2d(32, 4 * 16, 3, generator, padding=1)),
        *(Unfold(), nn.ReLU(), nn.Conv2d(16, 4 * 1, 3, generator, padding=1)),
        *(Unfold(), nn.Flatten()),
    )


class Unfold(nn.Layer):
    """Makes images twice as large: four channels become the four pixels of a square."""

    def __call__(self, x: Value) -> Value:
        """Return larger images, (B, 4 C, H, W) -> (B, C, 2 H, 2 W)."""
        B, C, H, W = data(x).shape
        squares = ad.transpose(ad.reshape(x, (B, C // 4, 2, 2, H, W)), (0, 1, 4, 2, 5, 3))
        return ad.reshape(squares, (B, C // 4, 2 * H, 2 * W))


def rebuilding_error(network: nn.Sequential, images: Array) -> Value:
    """Return the mean squared error of images (B, 16, 16) after their way through the code."""
    return ad.mean_squared_error(network(images[:, None]), images.reshape(-1, PIXELS))


def the_plain_ones(
    networks: list[nn.Sequential], images: Array, tests: Array, is_trained: bool
) -> Stage:
    """Compare what the two networks make of letters in unseen fonts."""
    blank = float(((tests - images.mean(axis=0)) ** 2).mean())
    losses = [float(data(rebuilding_error(network, tests))) for network in networks]
    sizes = [network.parameter_count for network in networks]
    some = tests[::50]
    rebuilt = [data(network(some[:, None])).reshape(some.shape) for network in networks]
    rows = np.concatenate([some, *rebuilt])
    return Stage(
        "Plain autoencoders",
        [
            f"image x (B, 1, 16, 16) -> code (B, {CODE}) -> x' (B, {PIXELS})",
            "loss = mean of (x' - x)²: encoder and decoder are one network",
            "unfold (B, 4 C, H, W) -> (B, C, 2 H, 2 W):  y[2i + r, 2j + s] = x[2r + s, i, j]",
        ],
        [
            *table(["layer", "shape", "parameters"], layer_rows(networks[1], tests[:1, None])),
            "",
            *table(
                ["letters in unseen fonts", "mean image", "dense", "convolutional"],
                [("loss", blank, *losses), ("parameters", PIXELS, *sizes)],
            ),
        ],
        f"an image has {PIXELS} numbers but few ways to vary, and {CODE} numbers hold most of it."
        " Convolutions need fewer parameters for less loss: a stroke looks alike everywhere.",
        (ad.mean_squared_error, nn.Linear, nn.Conv2d),
        image_figure(rows, len(some), "from the top: original, dense, convolutional", 10, 2),
        {"convolutional is best": losses[1] < losses[0] < blank} if is_trained else {},
    )


def divergence(m: Value, log_v: Value) -> Value:
    """Return the KL divergence from N(0, 1) to N(m, v), summed over the code, (B, n) -> (B,)."""
    return ad.sum(ad.exp(log_v) + m * m - 1.0 - log_v, axis=-1) * 0.5


def the_price_of_a_code(generator: np.random.Generator) -> Stage:
    """Take the divergence and its gradient through random numbers, and by formula."""
    rows, off = [], 0.0
    for mean, deviation in ((0.0, 1.0), (1.0, 1.0), (0.0, 0.2), (1.5, 0.5)):
        m, s, e = Tensor(mean), Tensor(deviation), generator.standard_normal(100_000)
        z = m + s * e
        drawn = ad.mean(z * z - e * e) * 0.5 - ad.log(s)
        found = [drawn.item(), *(slope.item() for slope in gradients(drawn, [m, s]))]
        closed = float(divergence(m.data[None], 2 * np.log(s.data[None])))
        expected = [closed, mean, deviation - 1 / deviation]
        rows += [(mean, deviation, "drawn", *found), ("", "", "formula", *expected)]
        off = max(off, apart(found, expected))
    return Stage(
        "The reparameterisation, and what a code costs",
        [
            "z = m + s e, e from N(0, 1)    instead of    z from N(m, s²)",
            "KL = E[log N(z; m, s²) - log N(z; 0, 1)] = (s² + m² - 1 - log s²) / 2, in nats",
        ],
        table(["m", "s", "", "KL", "dKL / dm", "dKL / ds"], rows),
        "a draw has no gradient, but m + s e has one: 1 for m and e for s. A code that says nothing"
        " about its image, N(0, 1), is free. The further and the narrower, the more it costs.",
        (gradients, ad.mean),
        claims={"100,000 draws give the divergence and its gradient": off < 0.03},
    )


class Variational(nn.Layer):
    """An encoder that says a mean and a deviation of each number of the code, and a decoder."""

    def __init__(self, generator: np.random.Generator) -> None:
        self.encoder = perceptron(PIXELS, 256, 2 * CODE, generator)
        self.decoder = perceptron(CODE, 256, PIXELS, generator)

    def terms(self, images: Array, generator: np.random.Generator) -> tuple[Value, Value]:
        """Return the reconstruction and the divergence of images, in nats per image."""
        x = images.reshape(-1, PIXELS)
        m, log_v = ad.split(self.encoder(x), 2, axis=1)
        z = m + ad.exp(log_v * 0.5) * generator.standard_normal(m.shape, np.float32)
        error = ad.mean_squared_error(self.decoder(z), x) * (PIXELS / (2 * NOISE**2))
        return error, ad.mean(divergence(m, log_v))


def codes_to_draw(letters: Array, generator: np.random.Generator) -> Array:
    """Return 26 codes from N(0, 1), and walks of 13 between the codes of letters, (26, CODE)."""
    share = np.linspace(0, 1, 13, dtype=np.float32)[:, None]
    pairs = [map(LETTERS.index, pair) for pair in ("ao", "ce", "hn", "vw", "dz")]
    walks = [(1 - share) * letters[start] + share * letters[end] for start, end in pairs]
    return np.concatenate([generator.standard_normal((26, CODE), np.float32), *walks])


def the_walk(network: Variational, images: Array, tests: Array, setting: Setting) -> Stage:
    """Train the network, decode codes drawn at random, and go from one letter to another."""
    noise, steps = setting.generator(4), setting.steps(VARIATIONAL_STEPS)
    losses = train(network, lambda x: ad.add(*network.terms(x, noise)), [images], steps, noise)
    terms = [float(data(term)) for term in network.terms(tests, noise)]
    alphabet = draw_letters(["DejaVuSans"], 1, None)[0].reshape(-1, PIXELS)
    letters = data(network.encoder(alphabet))[:, :CODE]
    pages = data(network.decoder(codes_to_draw(letters, noise))).reshape(-1, SIDE, SIDE)
    walks = pages[26:].reshape(-1, 13, PIXELS)
    halves = walks[:, 6], (walks[:, 0] + walks[:, 12]) / 2
    by_codes, by_pixels = (float(nearest(half, images)[0].mean()) for half in halves)
    claims = {"training lowers the bound": losses[-1] < losses[0]}
    if setting.effort >= 0.5:
        claims["half-way by codes is more like a letter"] = by_codes < by_pixels
    return Stage(
        "The variational autoencoder, and a walk from one letter to another",
        [
            f"m, log v = encoder(x)    z = m + sqrt(v) e    x' = decoder(z)    noise = {NOISE}",
            "loss = (x' - x)² summed / (2 noise²) + KL; but for a constant at least -log p(x)",
            "walk: x(t) = decoder((1 - t) m_1 + t m_2), t from 0 to 1",
        ],
        [
            f"unseen fonts, nats per image: reconstruction {terms[0]:.1f} + KL {terms[1]:.1f}",
            f"half-way, distance² of the nearest image: {by_codes:.4f}, by pixels {by_pixels:.4f}",
        ],
        "of the codes drawn from N(0, 1) some look like letters, others like two at once. On a walk"
        " strokes move, close and fade, where by pixels one letter would fade over the other.",
        figure=image_figure(pages, 13, "two rows of codes from N(0, 1), and five walks", 8, 4.4),
        claims=claims,
    )
