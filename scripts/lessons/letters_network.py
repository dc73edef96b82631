"""The networks of the lesson ``letters``, and how they are trained.

Other lessons let the convolutional network judge the letters that they draw.
"""

import numpy as np

from lessons.letters_data import SIDE
from makemore import nn
from makemore.arrays import Ids
from makemore.autodiff import Array, cross_entropy, data

BATCH, RATE = 64, 3e-3


def convolutional(generator: np.random.Generator) -> nn.Sequential:
    """Return a network that slides kernels over images, (B, 1, 16, 16) -> (B, 26)."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, generator, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, generator, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Dropout(0.3, generator), nn.Linear(512, 26, generator)),
    )


def dense(generator: np.random.Generator) -> nn.Sequential:
    """Return a network of as many parameters that does not know which pixels are neighbours."""
    hidden = (nn.Linear(SIDE**2, 64, generator), nn.ReLU(), nn.Dropout(0.3, generator))
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(64, 26, generator))


def train(
    network: nn.Sequential, images: Array, ids: Ids, steps: int, generator: np.random.Generator
) -> None:
    """Train a network to name letters."""
    vector = nn.ParameterVector(network.parameters())
    optimizer, schedule = nn.AdamW(learning_rate=RATE), nn.cosine(RATE, steps)
    for step in range(steps):
        batch = generator.integers(len(images), size=BATCH)
        vector.backward(cross_entropy(network(images[batch, None]), ids[batch]))
        optimizer.learning_rate = schedule(step)
        optimizer.step(vector.values, vector.gradient)
    network.evaluate()


def read(network: nn.Sequential, images: Array) -> Ids:
    """Return the letter that the network takes each image for, (n, 16, 16) -> (n,)."""
    return np.asarray(data(network(images[:, None])).argmax(axis=1))
