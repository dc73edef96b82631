"""Lesson letters: a convolutional network reads letters in fonts that it has not seen."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from lessons.figures import SIGNED, canvas, draw_images
from lessons.glyphs import SIDE, Images, as_text, draw_data_set, draw_letter, split_fonts
from lessons.networks import layer_rows, train
from lessons.setting import Setting
from lessons.stage import Stage, apart, beside, shape, table, tiny, where_it_stands
from makemore import nn
from makemore.arrays import Ids
from makemore.autodiff import Array, Tensor, Value, conv2d, cross_entropy, data, gradients

TITLE = "A convolutional network reads letters"
MINUTES = 0.3
STEPS = 1_600
X = np.array([[0, 3, 0, 1], [0, 3, 0, 1], [0, 3, 2, 2], [0, 3, 0, 1]], np.float32)
K = np.array([[-1, 1, 0], [-1, 1, 0], [-1, 1, 0]], np.float32)


def stages(setting: Setting) -> Iterator[Stage]:
    """Yield the stages."""
    (images, ids), tests = draw_data_set(setting.generator(1))
    yield the_letters(images, tests[0])
    yield the_convolution()
    yield the_way_back()
    networks = [convolutional(setting.generator()), dense(setting.generator())]
    for network in networks:
        loss_of, examples = partial(reading_error, network), [images[:, None], ids]
        train(network, loss_of, examples, setting.steps(STEPS), setting.generator(2), batch=64)
    yield the_score(networks, tests, setting.effort >= 0.5)
    yield the_filters(networks[0], images[0])
    yield where_it_stands(
        {
            "makemore/autodiff/fused.py": "conv2d and max_pool2d, each beside its gradient",
            "makemore/nn/images.py": "Conv2d, MaxPool2d, AvgPool2d, BatchNorm2d",
            "makemore/models/wavenet.py": "the same along words: neighbours merge two by two",
        },
        [
            "LeCun et al. 1998, Gradient-based learning applied to document recognition: LeNet-5"
            " reads 99.05 % of digits by unseen writers, 10 classes of handwriting.",
            "Chellapilla, Puri and Simard 2006, High performance convolutional neural networks for"
            " document processing: convolution as one matrix product.",
        ],
        "words are images of one dimension. What is learnt at one place holds at all others.",
    )


def the_letters(images: Array, tests: Array) -> Stage:
    """Make one image step by step, and draw the data set."""
    upright = draw_letter("DejaVuSans", "a", degrees=0, right=0, up=0)
    moved = draw_letter("DejaVuSans", "a", degrees=12, right=1, up=0)
    inks = float(upright.sum()), float(moved.sum())
    with canvas(10, 7.6, 2, height_ratios=[17, 5]) as c:
        draw_images(c.axes[0, 0], images[::20], 26, "to train on: one of 20 images of each letter")
        draw_images(c.axes[1, 0], tests[::10], 26, "to test with, in fonts that are not trained on")
    return Stage(
        "The letters, from outlines to numbers",
        [
            "outline -> rotated by up to 12 degrees, shifted by up to 1 pixel -> filled",
            "images (n, 16, 16), 0 is paper and 1 is ink    ids (n,), a is 0 and z is 25",
        ],
        [
            *(" | ".join(lines) for lines in zip(as_text(upright), as_text(moved), strict=True)),
            f"ink: {inks[0]:.1f} pixels upright, {inks[1]:.1f} rotated and shifted",
            f"{len(images):,} images to train on, {len(tests):,} to test with",
        ],
        "the data set is made on the spot, of matplotlib's own fonts. Fonts are split by name, so"
        " the test asks for shapes that were never seen.",
        (draw_data_set, draw_letter),
        c.figure,
        {"moving a letter keeps its ink": abs(inks[0] - inks[1]) < 0.01 * inks[0]},
    )


def im2col(image: Array, size: int) -> Array:
    """Return each window of an image as a column, (H, W) -> (size², windows)."""
    H, W = (n - size + 1 for n in image.shape)
    windows = [image[i : i + size, j : j + size].ravel() for i in range(H) for j in range(W)]
    return np.stack(windows, axis=1)


def col2im(columns: Array, side: int, size: int) -> Array:
    """Return an image (side, side) to which each column is added where its window was."""
    image = np.zeros((side, side), columns.dtype)
    for number, column in enumerate(columns.T):
        i, j = divmod(number, side - size + 1)
        image[i : i + size, j : j + size] += column.reshape(size, size)
    return image


def the_convolution() -> Stage:
    """Slide one kernel over one image, as a product."""
    columns = im2col(X, 3)
    y = (K.ravel() @ columns).reshape(2, 2)
    difference = apart(y, conv2d(X[None, None], K[None, None])[0, 0])
    return Stage(
        "Convolution, and im2col: windows become columns",
        [
            "y[i, j] = sum over r, s of k[r, s] x[i + r, j + s]",
            "im2col: x (4, 4) -> columns (9, 4), one a window    y = k as a row @ columns",
        ],
        [*beside(x=X, k=K, columns=columns, y=y), "", f"away from conv2d: {tiny(difference)}"],
        "this kernel is large where the middle of its window is darker than the left: an edge. Its"
        " 9 numbers serve all places, and all windows are one matrix product.",
        (conv2d,),
        claims={"kernel times columns is what conv2d computes": difference == 0},
    )


def the_way_back() -> Stage:
    """Send a gradient back by col2im, and count how often each pixel was copied."""
    x, k, g = Tensor(X[None, None]), Tensor(K[None, None]), np.array([[1, 2], [3, 4]], np.float32)
    d_x = col2im(K.reshape(9, 1) @ g.reshape(1, 4), 4, 3)
    d_k = (g.reshape(1, 4) @ im2col(X, 3).T).reshape(3, 3)
    expected = gradients(conv2d(x, k), [x, k], g[None, None])
    difference = max(apart(d_x, expected[0][0, 0]), apart(d_k, expected[1][0, 0]))
    copies = col2im(np.ones((9, 4)), 4, 3)
    return Stage(
        "The gradient, and col2im: columns are added up",
        [
            "g = gradient of the loss with respect to y, as a row (1, 4)",
            "d_k = g @ columns.T, (1, 9)    d_x = col2im(k.T @ g), (9, 4) -> (4, 4)",
        ],
        [
            *beside(g=g, d_k=d_k, d_x=d_x, copies=copies),
            "",
            f"away from the engine: {tiny(difference)}",
        ],
        "im2col copied the pixels in the middle into 4 columns and those in the corners into 1."
        " The gradients of all copies add up where they came from: col2im is im2col transposed.",
        (gradients, conv2d),
        claims={"col2im gives the engine's gradient": difference == 0},
    )


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


def reading_error(network: nn.Sequential, images: Array, ids: Ids) -> Value:
    """Return the loss, the cross-entropy of 26 classes."""
    return cross_entropy(network(images), ids)


def the_score(networks: list[nn.Sequential], tests: Images, is_trained: bool) -> Stage:
    """Show the layers, and how many letters of each unseen font are read correctly."""
    fonts, (images, ids) = split_fonts()[1], tests
    found = [data(network(images[:, None])).argmax(axis=1) for network in networks]
    shares = [(read == ids).reshape(len(fonts), -1).mean(axis=1) for read in found]
    mine, its = (float(share.mean()) for share in shares)
    rows = [*zip(fonts, *shares, strict=True), ("mean", mine, its)]
    claims = {"the network reads more than 97 %": mine > 0.97, "a dense one fewer": its < mine}
    return Stage(
        "Reading fonts that it has not seen",
        ["images (B, 1, 16, 16) -> logits (B, 26)    loss = cross-entropy of 26 classes"],
        [
            *table(["layer", "shape", "parameters"], layer_rows(networks[0], images[:1, None])),
            "",
            *table(["read correctly", "convolutional", "dense"], rows),
        ],
        "pooling keeps the largest of 2 x 2 numbers, so a stroke may move a little. Convolution"
        " assumes that small shapes look alike wherever they are; a dense network of as many"
        " parameters must learn each place anew.",
        (nn.Conv2d, nn.MaxPool2d, cross_entropy),
        claims=claims if is_trained else {},
    )


def the_filters(network: nn.Sequential, image: Array) -> Stage:
    """Draw the kernels of the first layer, and what they answer to a letter."""
    kernels = data(network.layers[0].weight)[:, 0]
    answers = data(network.layers[1](network.layers[0](image[None, None])))[0]
    with canvas(10, 2.1, 2) as c:
        largest = np.abs(kernels).max(axis=(1, 2), keepdims=True)
        top, below = "kernels: blue is above zero, red below", "their answers: darker is larger"
        draw_images(c.axes[0, 0], kernels / largest, 16, top, colours=SIGNED, least=-1, gap=1)
        draw_images(c.axes[1, 0], answers / answers.max(), 16, below, gap=4)
    return Stage(
        "The filters, and what they answer to an a",
        [f"kernels {shape(kernels)}, red below zero    answers {shape(answers)}"],
        beside(**{f"kernel {i}": kernels[i].round(1) for i in range(4)}),
        "nobody said what to look for. A kernel that is blue on one side and red on the other"
        " detects edges, like the one in the worked example; one that is all blue blurs.",
        figure=c.figure,
    )
