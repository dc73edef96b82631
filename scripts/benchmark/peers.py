"""The same work by other software: ``python peers.py TASK ...`` prints the figure as JSON.

The figures exclude the start of the process, the imports and the preparation, which favours the
peers: makemore is measured with all of that.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

STEPS = 3
BLOCK = 1 << 18


def read_words(path: str) -> list[str]:
    """Return the words of a file, one a line."""
    return Path(path).read_text("utf-8").split()


def pair_ids(path: str) -> tuple[list[int], list[int], int]:
    """Return the pairs of all words as the lecture makes them, and the number of symbols."""
    words = read_words(path)
    ids = {symbol: i for i, symbol in enumerate([".", *sorted(set("".join(words)))])}
    xs = [ids[symbol] for word in words for symbol in "." + word]
    ys = [ids[symbol] for word in words for symbol in word + "."]
    return xs, ys, len(ids)


def one_hot_numpy(path: str) -> float:
    """Return the seconds of a step of gradient descent on one-hot rows, in float32."""
    import numpy as np

    xs, ys, V = pair_ids(path)
    x, y, rows = np.array(xs), np.array(ys), np.arange(len(xs))
    W = np.random.default_rng(0).normal(size=(V, V)).astype(np.float32)

    def step() -> None:
        X = np.eye(V, dtype=np.float32)[x]
        logits = X @ W
        P = np.exp(logits - logits.max(axis=1, keepdims=True))
        P /= P.sum(axis=1, keepdims=True)
        -np.log(P[rows, y]).mean()  # the loss, which the loop of the lecture prints
        P[rows, y] -= 1.0
        W[:] -= 50.0 * (X.T @ (P / len(x)))

    return seconds_each(step)


def one_hot_torch(path: str) -> float:
    """Return the seconds of a step as the lecture teaches it, in PyTorch."""
    import torch
    from torch.nn import functional

    xs, ys, V = pair_ids(path)
    x, y, rows = torch.tensor(xs), torch.tensor(ys), torch.arange(len(xs))
    W = torch.randn((V, V), generator=torch.Generator().manual_seed(0), requires_grad=True)

    def step() -> None:
        logits = functional.one_hot(x, num_classes=V).float() @ W
        counts = logits.exp()
        P = counts / counts.sum(1, keepdim=True)
        loss = -P[rows, y].log().mean()
        W.grad = None
        loss.backward()
        W.data += -50 * W.grad

    return seconds_each(step)


def seconds_each(step: Callable[[], None]) -> float:
    """Return the seconds of a step, after one that is not counted."""
    step()
    started = time.perf_counter()
    for _ in range(STEPS):
        step()
    return (time.perf_counter() - started) / STEPS


def count_in_dictionary(path: str) -> float:
    """Return the seconds of counting the pairs of a file in a dictionary."""
    started = time.perf_counter()
    pairs: Counter[tuple[str, str]] = Counter()
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            word = line.rstrip("\n")
            pairs.update(zip("\0" + word, word + "\0", strict=True))
    return time.perf_counter() - started


def read_only(path: str) -> float:
    """Return the seconds of reading a file and doing nothing with it."""
    started = time.perf_counter()
    with open(path, "rb", buffering=0) as file:
        while file.read(BLOCK):
            pass
    return time.perf_counter() - started


def draw_markovify(path: str, count: str) -> float:
    """Return the words a second that markovify draws from a chain of single characters."""
    import markovify

    chain = markovify.Chain([list(word) for word in read_words(path)], state_size=1)
    chain.precompute_begin_state()
    return words_each_second(lambda: "".join(chain.walk()), int(count))


def draw_torch(path: str, count: str) -> float:
    """Return the words a second of the lecture's loop over ``torch.multinomial``."""
    import torch

    xs, ys, V = pair_ids(path)
    symbols = [".", *sorted(set("".join(read_words(path))))]
    N = torch.zeros((V, V))
    N.index_put_((torch.tensor(xs), torch.tensor(ys)), torch.tensor(1.0), accumulate=True)
    P = N / N.sum(1, keepdim=True)
    generator = torch.Generator().manual_seed(1)

    def draw() -> str:
        word, i = [], 0
        while i := int(torch.multinomial(P[i], 1, replacement=True, generator=generator).item()):
            word.append(symbols[i])
        return "".join(word)

    return words_each_second(draw, int(count))


def words_each_second(draw: Callable[[], str], count: int) -> float:
    """Return how many words a second a function draws."""
    started = time.perf_counter()
    for _ in range(count):
        draw()
    return count / (time.perf_counter() - started)


TASKS: dict[str, Callable[..., float]] = {
    function.__name__: function
    for function in (
        one_hot_numpy,
        one_hot_torch,
        count_in_dictionary,
        read_only,
        draw_markovify,
        draw_torch,
    )
}

if __name__ == "__main__":
    print(json.dumps(TASKS[sys.argv[1]](*sys.argv[2:])))
