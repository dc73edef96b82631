"""Lesson letters: a convolutional network reads letters in fonts that it has not seen.

Convolution is worked by hand in ``letters_by_hand.py``; ``letters_data.py`` draws the letters, and
``letters_network.py`` has the networks and their training.
"""

from collections.abc import Iterator

import numpy as np

from lessons.figures import POSITIVE, SIGNED, canvas
from lessons.letters_by_hand import the_convolution, the_way_back
from lessons.letters_data import LETTERS, SIDE, Images, as_text, draw_letters, show, split_fonts
from lessons.letters_network import convolutional, dense, read, train
from lessons.setting import Setting
from lessons.stage import Stage, beside, shape, table, where_it_stands, wrapped
from makemore import nn
from makemore.autodiff import Array, cross_entropy, data

TITLE = "A convolutional network reads letters"
MINUTES = 0.3
COPIES, STEPS = 20, 1_600
LENET = ("LeNet-5 on MNIST's test digits", 0.9905, "")
"""Published by LeCun et al. 1998."""
ENOUGH = 0.5
"""The share of the steps after which a network can read."""


def stages(setting: Setting) -> Iterator[Stage]:
    """Yield the stages."""
    known, unseen = split_fonts()
    images, ids = draw_letters(known.values(), COPIES, setting.generator(1))
    tests = {name: draw_letters([path], 10, setting.generator(2)) for name, path in unseen.items()}
    yield the_letters(images, len(known), tests)
    yield the_convolution()
    yield the_way_back()
    network, rival = convolutional(setting.generator()), dense(setting.generator())
    yield the_sizes(network, rival)
    for each in (network, rival):
        train(each, images, ids, setting.steps(STEPS), setting.generator(3))
    yield the_score(network, rival, tests, setting.effort >= ENOUGH)
    yield the_filters(network, images[0])
    yield where_it_stands(
        {
            "makemore/autodiff/fused.py": "conv2d and max_pool2d, each beside its gradient",
            "makemore/nn/images.py": "Conv2d, MaxPool2d, AvgPool2d, BatchNorm2d",
            "makemore/models/wavenet.py": "the same along words: neighbours merge two by two",
        },
        [
            "LeCun et al. 1998, Gradient-based learning applied to document recognition: their"
            " network reads 99.05 % of digits written by people whom it has not seen. That is 10"
            " classes, but handwriting; ours are 26, but print.",
            "Chellapilla, Puri and Simard 2006, High performance convolutional neural networks for"
            " document processing: convolution as one matrix product.",
        ],
        "words are images of one dimension. What is learnt at one place holds at all others.",
    )


def the_letters(images: Array, fonts: int, tests: dict[str, Images]) -> Stage:
    """Draw the data set."""
    rows = images.reshape(fonts, 26, COPIES, SIDE, SIDE)[::3, :, 0].reshape(-1, SIDE, SIDE)
    others = np.concatenate([x.reshape(26, -1, SIDE, SIDE)[:, 0] for x, _ in tests.values()])
    with canvas(10, 4.6, 2, height_ratios=[6, 5]) as c:
        show(c.axes[0, 0], rows, 26, "to train on")
        show(c.axes[1, 0], others, 26, "in fonts that are not trained on")
    size = f"{fonts} fonts x 26 letters x {COPIES} copies = {len(images):,}"
    return Stage(
        "The letters",
        ["images: (n, 16, 16), 0 is paper and 1 is ink    ids: (n,), a is 0 and z is 25"],
        [f"train on  {size}", *wrapped(", ".join(tests), "test on   "), "", *as_text(images[0])],
        "the data set is made on the spot: outlines of matplotlib's own fonts, shifted by up to a"
        " pixel, rotated by up to 12 degrees, filled. Fonts are split by name: the test asks for"
        " shapes that were never seen, and not for copies.",
        figure=c.figure,
    )


def the_sizes(network: nn.Sequential, rival: nn.Sequential) -> Stage:
    """List what each layer makes of one image."""
    x, rows = np.zeros((1, 1, SIDE, SIDE), np.float32), []
    for layer in network.layers:
        x = data(layer(x))
        rows.append((type(layer).__name__, shape(x[0]), layer.parameter_count))
    return Stage(
        "The network",
        ["images (B, 1, 16, 16) -> logits (B, 26); padding keeps height and width"],
        table(["layer", "shape", "parameters"], [*rows, ("all", "", network.parameter_count)]),
        "pooling keeps the largest of 2 x 2 numbers, so a stroke may move a little and nothing"
        " changes. What the image loses in height and width it gains in channels. A dense network"
        f" of {rival.parameter_count:,} parameters will be trained for comparison.",
        (nn.Conv2d, nn.MaxPool2d, nn.Linear),
    )


def the_score(
    network: nn.Sequential, rival: nn.Sequential, tests: dict[str, Images], is_trained: bool
) -> Stage:
    """Say how many letters are read correctly, and draw some of those that are not."""
    images, ids = (np.concatenate(parts) for parts in zip(*tests.values(), strict=True))
    found, other = read(network, images), read(rival, images)
    shares = [(found == ids).reshape(len(tests), -1), (other == ids).reshape(len(tests), -1)]
    each, (mine, its) = np.mean(shares, axis=2).T.tolist(), np.mean(shares, axis=(1, 2)).tolist()
    rows = [(name, *pair) for name, pair in zip(tests, each, strict=True)]
    with canvas(8, 1.2, 1, 10) as c:
        for panel, i in zip(c.axes.flat, np.flatnonzero(found != ids), strict=False):
            show(panel, images[i : i + 1], 1, f"{LETTERS[ids[i]]} as {LETTERS[found[i]]}")
        for panel in c.axes.flat:
            panel.set_axis_off()
    claims = {
        "more than 97 % of the letters in unseen fonts are read correctly": mine > 0.97,
        "the dense network reads fewer": its < mine,
    }
    return Stage(
        "Reading fonts that it has not seen",
        ["loss = cross-entropy of 26 classes; AdamW, the same images and steps for both"],
        table(["read correctly", "convolutional", "dense"], [*rows, ("mean", mine, its), LENET]),
        "convolution assumes that a letter is made of small shapes that look alike wherever they"
        " are; the dense network must learn every place anew. The picture shows misread letters.",
        (cross_entropy, nn.AdamW, nn.cosine),
        c.figure,
        claims if is_trained else {},
    )


def the_filters(network: nn.Sequential, image: Array) -> Stage:
    """Draw the kernels of the first layer, and what they answer to a letter."""
    kernels = data(network.layers[0].weight)[:, 0]
    answers = data(network.layers[1](network.layers[0](image[None, None])))[0]
    with canvas(10, 1.6, 2, len(kernels)) as c:
        for above, below, kernel, answer in zip(*c.axes, kernels, answers, strict=True):
            most = np.abs(kernel).max()
            above.imshow(kernel, SIGNED, vmin=-most, vmax=most)
            below.imshow(answer, POSITIVE)
        for panel in c.axes.flat:
            panel.set_axis_off()
    return Stage(
        "The filters, and what they answer to an a",
        [f"kernels {shape(kernels)}, red below zero    answers {shape(answers)}"],
        beside(**{f"kernel {i}": kernels[i].round(1) for i in range(4)}),
        "nobody said what to look for. A kernel that is blue on one side and red on the other"
        " detects edges, as that of the worked example; one that is all blue blurs.",
        (nn.Conv2d,),
        c.figure,
    )
