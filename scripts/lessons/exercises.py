"""The exercises of the lessons, whose answers the package computes."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lessons import (
    autoencoder,
    backprop,
    embeddings,
    letters,
    mlp,
    numbers,
    regression,
)
from lessons.setting import Setting
from makemore import nn
from makemore.autodiff import Tensor, data, gradients, sigmoid, softmax, tanh


@dataclass(frozen=True)
class Exercise:
    """A question whose answer is a number, computed by the package.

    Attributes
    ----------
    question : str
    answer : callable
        Computes the answer for a setting.
    tolerance : float
        The maximum error of an answer.
    because : str
        The explanation, which is printed after a right answer.
    """

    question: str
    answer: Callable[[Setting], float]
    tolerance: float
    because: str

    def check(self, number: float, setting: Setting) -> tuple[bool, str]:
        """Return whether ``number`` is right, and what to say about it."""
        answer = self.answer(setting)
        if abs(number - answer) <= self.tolerance:
            return True, f"{number:g} is right. {self.because}"
        side = "small" if number < answer else "large"
        told = f"{number:g} is too {side}; what is within {self.tolerance:g} counts as right."
        return False, f"{told} The question was: {self.question}"


def _first_share(setting: Setting) -> float:
    """Return which share of the words begins with the first character of the alphabet."""
    first = setting.vocabulary.itos[1]
    return sum(word.startswith(first) for word in setting.words) / len(setting.words)


def _bias_gradient(setting: Setting) -> float:
    """Return the largest gradient of the bias that batch normalisation follows."""
    v = backprop.run_forward(
        backprop.parameters(2, setting.generator()),
        np.array([[0, 0, 1], [0, 1, 1]]),
        np.eye(2),
    )
    return float(np.abs(backprop.run_backward(v)["d_b1"]).max())


EXERCISES: dict[str, tuple[Exercise, ...]] = {
    "numbers": (
        Exercise(
            "L = (x y + z)² with x = 2, y = -3 and z = 4. What is dL/dx?",
            lambda _: numbers.slope(lambda x, y, z: (x * y + z) ** 2, 2.0, -3.0, 4.0),
            0.01,
            "s = -2, so dL/ds = 2s = -4, and times y = -3 it is 12.",
        ),
        Exercise(
            "L = x x x with x = 2. Three paths lead from x to L. What is the sum of their"
            " gradients?",
            lambda _: numbers.slope(lambda x: x * x * x, 2.0),
            0.01,
            "Each path has the slope x x = 4, and there are three: 3 x² = 12.",
        ),
        Exercise(
            "A neuron's sum is 1.5. By what is a gradient multiplied on its way back through tanh?",
            lambda _: 1 - float(tanh(1.5)) ** 2,
            0.005,
            "1 - tanh(1.5)² = 1 - 0.9051² = 0.1807: most of the gradient is lost.",
        ),
    ),
    "regression": (
        Exercise(
            "What is the slope w of the best line through (0, 1), (1, 3), (2, 2) and (3, 5)?",
            lambda _: float(np.polyfit(regression.X, regression.Y, 1)[0]),
            0.01,
            "Both derivatives are 0 at w = 1.1, b = 1.1.",
        ),
        Exercise(
            "The curvatures are [[7, 3], [3, 2]]. Above which learning rate does descent diverge?",
            lambda _: regression.LIMIT,
            0.002,
            "2 over the largest eigenvalue, 8.405.",
        ),
        Exercise(
            "What is the signed distance of the point (0.3, 0.4) from the circle of radius 0.6?",
            lambda _: float(regression.distance(np.array([[0.3, 0.4]]))[0, 0]),
            0.001,
            "sqrt(0.09 + 0.16) - 0.6 = -0.1: it lies inside.",
        ),
    ),
    "bigram": (
        Exercise(
            "A model gives all V symbols of this list the same probability. What is its loss, in"
            " nats per symbol?",
            lambda setting: math.log(len(setting.vocabulary)),
            0.01,
            "-log(1 / V) = log V, whatever comes next.",
        ),
        Exercise(
            "A word of one letter has P[., x] = 0.1 and P[x, .] = 0.25. What is its loss, in nats"
            " per symbol?",
            lambda setting: -(math.log(0.1) + math.log(0.25)) / 2,
            0.01,
            "Two symbols count, the letter and the end: (2.3026 + 1.3863) / 2.",
        ),
        Exercise(
            "At the minimum, what is P[., x] for the first character x of the alphabet (id 1)?"
            " Count words.",
            _first_share,
            0.002,
            "P[., x] = N[., x] / N[.].sum(): the share of the words that begin with x.",
        ),
    ),
    "mlp": (
        Exercise(
            "How many windows do all words of the list make, ends included?",
            lambda setting: float(sum(map(len, setting.words)) + len(setting.words)),
            0.5,
            "One for each character, and one for the end of each word.",
        ),
        Exercise(
            "How many parameters does the trained network have, batch normalisation's included?",
            lambda setting: (
                mlp.network_of(
                    len(setting.vocabulary), mlp.TAUGHT, setting.generator(), is_normalised=True
                ).parameter_count
            ),
            0.5,
            "10 V + 30 * 200 + 200 + 2 * 200 + 200 V + V.",
        ),
        Exercise(
            "W (100, 100) is normal, its inputs have a deviation of 0.65. Which deviation of W"
            " makes the sums h W have a deviation of 1?",
            lambda _: 1 / (0.65 * 100**0.5),
            0.005,
            "The variance of a sum of 100 products is 100 * 0.65² * spread².",
        ),
    ),
    "backprop": (
        Exercise(
            "P of the true symbol is 0.7, and the batch has 10 windows. What is its d_logits?",
            lambda _: (0.7 - 1) / 10,
            0.0005,
            "(P - Y) / B = (0.7 - 1) / 10.",
        ),
        Exercise(
            "h = tanh(out) is 0.8, and d_h is 0.5. What is d_out?",
            lambda _: 0.5 * (1 - 0.8**2),
            0.0005,
            "d_h * (1 - h²) = 0.5 * 0.36.",
        ),
        Exercise(
            "What is the gradient of b1, the bias before batch normalisation?",
            _bias_gradient,
            1e-6,
            "Batch normalisation takes the mean away, and b1 with it.",
        ),
    ),
    "wavenet": (
        Exercise(
            "How many levels does a tree over a window of 64 symbols have?",
            lambda _: math.log2(64),
            0.01,
            "Each level halves what is left: 2^6 = 64.",
        ),
        Exercise(
            "Level 0 joins neighbours. How far apart are the two that level 4 joins?",
            lambda _: 2.0**4,
            0.01,
            "The distance doubles with each level: 1, 2, 4, 8, 16.",
        ),
        Exercise(
            "How many parameters has the first merge of the tree with n = 24, H = 128, bias"
            " included?",
            lambda setting: float(nn.Linear(48, 128, setting.generator()).parameter_count),
            0.5,
            "2 n H + H = 48 * 128 + 128.",
        ),
    ),
    "recurrent": (
        Exercise(
            "h_t = tanh(0.5 h_(t-1)) near 0, where tanh has the slope 1. What is dh_10 / dh_0?",
            lambda _: 0.5**10,
            0.00005,
            "0.5^10 = 0.00098.",
        ),
        Exercise(
            "A forget gate has the bias 2 and no other input. What is f^20?",
            lambda _: float(sigmoid(2.0)) ** 20,
            0.002,
            "sigmoid(2) = 0.8808, and 0.8808^20 = 0.0791.",
        ),
        Exercise(
            "How many parameters has an lstm layer with 24 inputs and H = 96, with two biases a"
            " gate?",
            lambda setting: float(nn.LSTM(24, 96, setting.generator()).parameter_count),
            0.5,
            "4 * 96 * (24 + 96 + 2): four gates, each with W_x, W_h and two biases.",
        ),
    ),
    "transformer": (
        Exercise(
            "The scores of three symbols are 0, log 2 and log 5. What weight does the last one"
            " get?",
            lambda setting: float(data(softmax(np.log([1.0, 2.0, 5.0])))[2]),
            0.005,
            "exp undoes the logarithms: 5 of 8.",
        ),
        Exercise(
            "A word has 6 characters, and the boundary before it is read, too. How many of the"
            " numbers of P are not masked?",
            lambda setting: float(np.tril(np.ones((7, 7))).sum()),
            0.5,
            "Symbol t sees t + 1 symbols: 1 + 2 + ... + 7.",
        ),
        Exercise(
            "How many parameters has attention of 4 heads and n = 48, with all biases?",
            lambda setting: nn.MultiHeadAttention(48, 4, setting.generator()).parameter_count,
            0.5,
            "4 matrices of 48 x 48, of the queries, keys, values and the output, and 4 x 48"
            " biases.",
        ),
    ),
    "embeddings": (
        Exercise(
            "How many pairs (centre, context) has a word of 4 characters, boundaries on both sides"
            " included, with a window of 2?",
            lambda setting: float(np.eye(6, k=1).sum() + np.eye(6, k=2).sum()) * 2,
            0.5,
            "6 symbols have 5 neighbours at distance 1 and 4 at distance 2, and each counts both"
            " ways.",
        ),
        Exercise(
            "A symbol is 16 times as frequent as another. How many times as often is it a"
            " negative?",
            lambda setting: 16**0.75,
            0.05,
            "16 to the power 3/4 is 2 to the power 3.",
        ),
        Exercise(
            "All products are 0, and there are 10 negatives. What does a pair cost, in nats?",
            lambda setting: float(
                embeddings.loss_of(np.zeros((1, 3)), np.zeros((1, 3)), np.zeros((1, 10, 3)))
            ),
            0.005,
            "11 answers of 1/2 cost log 2 each.",
        ),
    ),
    "letters": (
        Exercise(
            "A kernel of 5 x 5 slides over 16 x 16 pixels. How many columns does im2col make?",
            lambda setting: letters.im2col(np.zeros((16, 16)), 5).shape[1],
            0.5,
            "A window has 16 - 5 + 1 = 12 places in each direction.",
        ),
        Exercise(
            "How many parameters has a convolution from 3 to 8 channels with kernels of 5 x 5?",
            lambda setting: nn.Conv2d(3, 8, 5, setting.generator()).parameter_count,
            0.5,
            "8 kernels of 3 x 5 x 5 numbers, and 8 biases.",
        ),
        Exercise(
            "A 3 x 3 kernel slides over a padded image. How many columns hold a corner's pixel?",
            lambda setting: float(letters.col2im(np.ones((9, 256)), 18, 3)[1, 1]),
            0.5,
            "The windows that hold it begin in one of the first 2 rows and 2 columns.",
        ),
    ),
    "autoencoder": (
        Exercise(
            "How many parameters has the linear autoencoder from 256 numbers to a code of 16 and"
            " back, biases included?",
            lambda setting: (
                nn.Linear(256, 16, setting.generator()).parameter_count
                + nn.Linear(16, 256, setting.generator()).parameter_count
            ),
            0.5,
            "256 x 16 weights and 16 biases, then 16 x 256 weights and 256 biases.",
        ),
        Exercise(
            "What is the divergence from N(0, 1) of a code of two numbers, both with mean 1 and"
            " deviation 1, in nats?",
            lambda setting: float(autoencoder.divergence(np.ones(2), np.zeros(2))),
            0.01,
            "Each number costs (1 + 1 - 1 - log 1) / 2 = 0.5 nats.",
        ),
        Exercise(
            "z = m + s e with m = 3, s = 0.5 and the draw e = -2. What is the slope of z² along s?",
            lambda setting: gradients((3.0 + (s := Tensor(0.5)) * -2.0) ** 2, [s])[0].item(),
            0.01,
            "z is 2, and the chain rule gives 2 z e.",
        ),
    ),
    "diffusion": (
        Exercise(
            "Two steps of noise have beta 0.1 and 0.2. What share of the variance is kept?",
            lambda setting: float(np.prod(1 - np.array([0.1, 0.2]))),
            0.005,
            "0.9 x 0.8.",
        ),
        Exercise(
            "kept is 0.36, the pixel is 0.5 and the noise -1. What is x_t?",
            lambda setting: 0.6 * 0.5 - 0.8,
            0.005,
            "sqrt(0.36) x 0.5 - sqrt(0.64) x 1.",
        ),
        Exercise(
            "kept is 0.64, x_t is 1, and the network says that the noise is 0.5. What is its x0'?",
            lambda setting: (1 - 0.6 * 0.5) / 0.8,
            0.005,
            "(x_t - sqrt(1 - kept) e') / sqrt(kept).",
        ),
    ),
}
