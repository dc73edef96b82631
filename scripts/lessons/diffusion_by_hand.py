"""The first stages of the lesson ``diffusion``: the process on single numbers."""

import numpy as np

from lessons.diffusion_network import BETA, KEPT, T, noised, posterior
from lessons.figures import canvas
from lessons.letters_data import SIDE, show
from lessons.stage import Stage, table
from makemore.autodiff import Array

SHOWN = (1, 5, 10, 20, 40, 80, 120, 160, 200)
"""The steps of noise that the picture shows."""
PARTICLES = 50_000


def the_schedule(images: Array, generator: np.random.Generator) -> Stage:
    """Make letters noise, step by step."""
    some = images[:: len(images) // 5][:5]
    rows = [some]
    for t in SHOWN:
        noise = generator.standard_normal(some.shape, np.float32)
        rows.append(noised(some, np.full(len(some), t - 1), noise))
    pages = np.stack(rows, axis=1).reshape(-1, SIDE, SIDE)
    with canvas(6, 3.4) as c:
        title = "steps of noise: 0, " + ", ".join(map(str, SHOWN))
        show(c.axes[0, 0], pages / 2 + 0.5, len(rows), title)
    return Stage(
        "The noise schedule",
        [
            "x_t = sqrt(1 - beta_t) x_(t-1) + sqrt(beta_t) e,  e from N(0, 1)    t = 1 .. T",
            "kept_t = (1 - beta_1) ... (1 - beta_t)",
        ],
        table(
            ["t", "beta", "kept", "sqrt(kept): of the image", "sqrt(1 - kept): of noise"],
            [
                (t, float(BETA[t - 1]), float(KEPT[t - 1]), *share(t))
                for t in (1, 10, 40, 80, 120, 160, T)
            ],
        ),
        "each step shrinks what is there and adds as much variance as it took. After the last, less"
        " than a hundredth of the image is left: starting from pure noise loses nothing.",
        (),
        c.figure,
        {"nearly nothing is left at the end": bool(KEPT[-1] < 1e-4)},
    )


def share(t: int) -> tuple[float, float]:
    """Return how much of x_t is the image and how much is noise."""
    return float(np.sqrt(KEPT[t - 1])), float(np.sqrt(1 - KEPT[t - 1]))


def the_jump(generator: np.random.Generator) -> Stage:
    """Take the steps one by one, and compare with one jump."""
    pixel = 0.7
    x, rows = np.full(PARTICLES, pixel), []
    for t in range(1, T + 1):
        x = np.sqrt(1 - BETA[t - 1]) * x
        x += np.sqrt(BETA[t - 1]) * generator.standard_normal(PARTICLES)
        if t in (1, 20, 80, T):
            image, noise = share(t)
            rows.append((t, float(x.mean()), image * pixel, float(x.std()), noise))
    off = max(max(abs(a - b), abs(c - d)) for _, a, b, c, d in rows)
    return Stage(
        "Any number of steps in one jump",
        ["x_t = sqrt(kept_t) x_0 + sqrt(1 - kept_t) e"],
        table(["t", "mean, step by step", "jump", "deviation, step by step", "jump "], rows),
        f"a pixel of {pixel} went {PARTICLES:,} times through all steps. Sums of normal noise are"
        " normal noise, so training may pick any t and need not walk there.",
        claims={"the jump is where the steps lead": off < 0.02},
    )


def one_step_back() -> Stage:
    """Hold the formula of the step back against Bayes' rule on a fine grid."""
    pixel, seen, rows = 0.7, 0.4, []
    grid = np.linspace(-6, 6, 120_001)
    for t in (2, 20, 80, T):
        image, noise = share(t - 1)
        log_before = -((grid - image * pixel) ** 2) / (2 * noise**2)
        log_step = -((seen - np.sqrt(1 - BETA[t - 1]) * grid) ** 2) / (2 * BETA[t - 1])
        P = np.exp(log_before + log_step - (log_before + log_step).max())
        P /= P.sum()
        mean = float(P @ grid)
        a, b, s = posterior(t - 1)
        rows.append((t, mean, a * pixel + b * seen, float(P @ (grid - mean) ** 2) ** 0.5, s))
    off = max(max(abs(m - n), abs(d - s)) for _, m, n, d, s in rows)
    return Stage(
        "One step back, if the image were known",
        [
            "q(x_(t-1) | x_t, x_0) = q(x_t | x_(t-1)) q(x_(t-1) | x_0) / their sum = N(m, s²)",
            "m = a x_0 + b x_t    a = sqrt(kept_(t-1)) beta_t / (1 - kept_t)",
            "b = sqrt(1 - beta_t) (1 - kept_(t-1)) / (1 - kept_t)",
            "s² = beta_t (1 - kept_(t-1)) / (1 - kept_t)",
        ],
        table(["t", "mean on a grid", "formula", "deviation on a grid", "formula "], rows),
        f"x_0 = {pixel} and x_t = {seen}. Late, the step stays near x_t; early, it goes to x_0. The"
        " image is not known, of course: the network will guess it.",
        claims={"the formula is Bayes' rule": off < 1e-6},
    )
