"""The second half of the lesson ``autoencoder``: codes that are drawn at random."""

from itertools import combinations

import numpy as np

from lessons.autoencoder_networks import CODE, NOISE, PIXELS, Variational, divergence, train
from lessons.figures import canvas
from lessons.letters_data import LETTERS, draw_letters, latin_fonts, show
from lessons.setting import Setting
from lessons.stage import Stage, table
from makemore.autodiff import Array, Tensor, Value, add, data, exp, gradients, mean

STEPS = 6_000
ENOUGH = 0.5
"""The share of the steps after which a walk is judged."""
WALKS, PLACES = ("ao", "ce", "hn", "vw", "dz"), 13
DRAWS = 100_000


def the_reparameterisation(generator: np.random.Generator) -> Stage:
    """Differentiate an expectation through its random numbers."""
    m, s = Tensor(0.5), Tensor(0.8)
    z = m + s * generator.standard_normal(DRAWS)
    slopes = [g.item() for g in gradients(mean(z * z), [m, s])]
    expected = [2 * m.item(), 2 * s.item()]
    off = max(abs(a - b) for a, b in zip(slopes, expected, strict=True))
    return Stage(
        "The reparameterisation: chance comes from outside",
        ["z = m + s e, e from N(0, 1)    instead of    z from N(m, s²)", "E[z²] = m² + s²"],
        table(
            ["", f"through {DRAWS:,} draws", "by formula"],
            [("d E[z²] / d m", slopes[0], expected[0]), ("d E[z²] / d s", slopes[1], expected[1])],
        ),
        "a draw has no gradient, but m + s e has one: 1 for m and e for s. So descent can move the"
        " mean and the deviation of a code that is drawn anew at each step.",
        (gradients, mean),
        claims={"the gradient through the draws is that of the formula": off < 0.02},
    )


def the_divergence(generator: np.random.Generator) -> Stage:
    """Hold the closed form of the divergence against draws."""
    rows = []
    for m, s in ((0.0, 1.0), (1.0, 1.0), (0.0, 0.2), (1.5, 0.5)):
        z = m + s * generator.standard_normal(DRAWS)
        drawn = np.mean(-np.log(s) - (z - m) ** 2 / (2 * s**2) + z**2 / 2)
        closed = divergence(np.array([m]), np.log(np.array([s**2])))
        rows.append((m, s, float(closed), float(drawn)))
    off = max(abs(row[2] - row[3]) for row in rows)
    return Stage(
        "The divergence: what a code costs",
        [
            "KL = E[log N(z; m, s²) - log N(z; 0, 1)] = (s² + m² - 1 - log s²) / 2, in nats",
            "loss = (x' - x)² summed / (2 noise²) + KL summed over the code",
        ],
        table(["m", "s", "closed form", "by draws"], rows),
        "a code that says nothing about its image, N(0, 1), is free. The further and the narrower,"
        " the more it tells, and costs. So codes stay near the origin and close to one another.",
        (exp,),
        claims={"the closed form is what draws give": off < 0.03},
    )


def the_bound(network: Variational, images: Array, tests: Array, setting: Setting) -> Stage:
    """Train the variational autoencoder, and split its loss."""
    noise = setting.generator(6)

    def loss_of(batch: Array) -> Value:
        return add(*network.terms(batch, noise))

    before = [float(term.item()) for term in network.terms(tests, noise)]
    train(network, loss_of, images, setting.steps(STEPS), setting.generator(3))
    after = [float(term.item()) for term in network.terms(tests, noise)]
    m, log_v = (data(part) for part in network.encode(tests))
    used = int((data(divergence(m[..., None], log_v[..., None])).mean(axis=0) > 0.1).sum())
    drawn = data(network.decoder(noise.standard_normal((52, CODE), np.float32)))
    with canvas(10, 1.4) as c:
        show(c.axes[0, 0], drawn.reshape(-1, 16, 16), 26, "decoded from z drawn from N(0, 1)")
    rows = [("before", *before, sum(before)), ("after", *after, sum(after))]
    return Stage(
        "The variational autoencoder",
        [
            f"m, log v = encoder(x)    z = m + sqrt(v) e    x' = decoder(z)    noise = {NOISE}",
            "the loss is, but for a constant, at least -log p(x): a bound on what x costs",
        ],
        [
            *table(["unseen fonts, nats per image", "reconstruction", "KL", "loss"], rows),
            "",
            f"numbers of the code that say anything (more than 0.1 nats): {used} of {CODE}",
        ],
        f"a code tells {after[1]:.0f} nats about its image. What is drawn from N(0, 1) often"
        " looks like a letter, and as often like something between two.",
        (exp, mean),
        c.figure,
        {"training lowers the bound": sum(after) < sum(before)},
    )


def the_walk(network: Variational, images: Array, setting: Setting) -> Stage:
    """Go from one letter to another, by codes and by pixels."""
    upright, _ = draw_letters([latin_fonts()["DejaVuSans"]], 1, None)
    codes = data(network.encode(upright)[0])
    share = np.linspace(0, 1, PLACES, dtype=np.float32)[:, None]
    rows = []
    for pair in WALKS:
        i, j = (LETTERS.index(letter) for letter in pair)
        rows.append(data(network.decoder((1 - share) * codes[i] + share * codes[j])))
    with canvas(8, 3.2) as c:
        show(c.axes[0, 0], np.concatenate(rows).reshape(-1, 16, 16), PLACES)
    first, second = np.array(list(combinations(range(26), 2))).T
    flat = upright.reshape(-1, PIXELS)
    points = {
        "the mean of all images": images.mean(axis=0).reshape(1, PIXELS),
        "half-way by pixels": (flat[first] + flat[second]) / 2,
        "half-way by codes": data(network.decoder((codes[first] + codes[second]) / 2)),
        "letters as they are rebuilt": data(network.decoder(codes)),
    }
    like = {name: likeness(some, images) for name, some in points.items()}
    return Stage(
        "A walk from one letter to another",
        [
            "x(t) = decoder((1 - t) m_1 + t m_2), t from 0 to 1",
            "likeness = correlation with the image trained on that is most alike, on average",
        ],
        table(["all pairs of letters", "likeness"], list(like.items())),
        "half-way by pixels is one letter over the other, no more like a letter than the mean of"
        " all is. Half-way by codes strokes move, close and fade. That is more like a letter, but"
        " seldom is one: between two letters there is mostly none.",
        (),
        c.figure,
        {
            "half-way by codes is more like a letter": like["half-way by codes"]
            > like["half-way by pixels"]
        }
        if setting.effort >= ENOUGH
        else {},
    )


def likeness(points: Array, images: Array) -> float:
    """Return the correlation with the image that is most alike, averaged over points (n, 256)."""

    def standard(x: Array) -> Array:
        return (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)

    correlations = standard(points) @ standard(images.reshape(-1, PIXELS)).T / PIXELS
    return float(correlations.max(axis=1).mean())
