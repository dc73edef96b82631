"""The same steps in PyTorch, eager, as taught: ``python torch_steps.py TASK ...`` prints seconds.

Words are rows padded to the longest of the batch. The layers are PyTorch's own: ``nn.GRU`` and not
a loop over cells, ``scaled_dot_product_attention`` and not its parts.
"""

import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

torch: Any = import_module("torch")
nn: Any = torch.nn
functional: Any = nn.functional
Module: Any = torch.nn.Module

STEPS = 25
N, H, C = 64, 256, 8


class Recurrent(Module):  # type: ignore[misc]
    """An embedding, a recurrent layer, a linear one."""

    def __init__(self, V: int, layer: Any, hidden: int = H, n: int = N) -> None:
        super().__init__()
        self.embedding, self.layer = nn.Embedding(V, n), layer(n, hidden, batch_first=True)
        self.head = nn.Linear(hidden, V)

    def forward(self, x: Any) -> Any:
        """Return logits, (B, T) -> (B, T, V)."""
        return self.head(self.layer(self.embedding(x))[0])


class Mlp(Module):  # type: ignore[misc]
    """Embeddings of the last symbols side by side, a hidden layer of tanh."""

    def __init__(self, V: int, context: int = C, hidden: int = H) -> None:
        super().__init__()
        self.context = context
        self.embedding, self.hidden = nn.Embedding(V, N), nn.Linear(context * N, hidden)
        self.head = nn.Linear(hidden, V)

    def forward(self, x: Any) -> Any:
        """Return logits, (B, T) -> (B, T, V)."""
        padded = functional.pad(x, (self.context - 1, 0))
        windows = padded.unfold(1, self.context, 1)
        return self.head(torch.tanh(self.hidden(self.embedding(windows).flatten(2))))


class Bow(Module):  # type: ignore[misc]
    """The causal average of embeddings, by a product with a triangle, and a residual layer."""

    def __init__(self, V: int) -> None:
        super().__init__()
        self.embedding, self.last = nn.Embedding(V, N), nn.Embedding(V, N)
        self.inner, self.outer, self.head = nn.Linear(N, H), nn.Linear(H, N), nn.Linear(N, V)

    def forward(self, x: Any) -> Any:
        """Return logits, (B, T) -> (B, T, V)."""
        T = x.shape[1]
        shares = torch.tril(torch.ones(T, T)) / torch.arange(1, T + 1)[:, None]
        y = self.last(x) + shares @ self.embedding(x)
        return self.head(y + self.outer(torch.relu(self.inner(y))))


class Block(Module):  # type: ignore[misc]
    """A block of a transformer, normalisation first; dropout on what it adds."""

    def __init__(self, n: int = N, heads: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads, self.dropout = heads, nn.Dropout(dropout)
        self.norm1, self.norm2 = nn.LayerNorm(n), nn.LayerNorm(n)
        self.qkv, self.out = nn.Linear(n, 3 * n), nn.Linear(n, n)
        self.inner, self.outer = nn.Linear(n, 4 * n), nn.Linear(4 * n, n)

    def forward(self, x: Any) -> Any:
        """Return what the block makes of x, (B, T, n) -> (B, T, n)."""
        B, T, n = x.shape
        parts = self.qkv(self.norm1(x)).view(B, T, 3, self.heads, n // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.dropout(self.out(seen.transpose(1, 2).reshape(B, T, n)))
        inner = functional.gelu(self.inner(self.norm2(x)), approximate="tanh")
        return x + self.dropout(self.outer(inner))


class Transformer(Module):  # type: ignore[misc]
    """Blocks of n numbers and 4 heads."""

    def __init__(self, V: int, n: int = N, blocks: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        self.embedding, self.positions = nn.Embedding(V, n), nn.Embedding(64, n)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*[Block(n, dropout=dropout) for _ in range(blocks)])
        self.norm, self.head = nn.LayerNorm(n), nn.Linear(n, V)

    def forward(self, x: Any) -> Any:
        """Return logits, (B, T) -> (B, T, V)."""
        x = self.embedding(x) + self.positions(torch.arange(x.shape[1], device=x.device))
        return self.head(self.norm(self.blocks(self.dropout(x))))


MODELS: dict[str, Callable[..., Any]] = {
    "rnn": lambda V, hidden_size=H: Recurrent(V, nn.RNN, hidden_size),
    "gru": lambda V, hidden_size=H: Recurrent(V, nn.GRU, hidden_size),
    "lstm": lambda V, hidden_size=H: Recurrent(V, nn.LSTM, hidden_size),
    "mlp": Mlp,
    "bow": Bow,
    "transformer": lambda V, embedding_size=N, layers=4: Transformer(V, embedding_size, layers),
}


def network(
    kind: str, path: str, words: str = "256", device: str = "cpu", sizes: str = "{}"
) -> float:
    """Return the seconds of a step of a network on so many padded words of a list.

    ``sizes`` are those that are not the defaults, as JSON.
    """
    texts = sorted(set(Path(path).read_text("utf-8").split()))
    ids = {symbol: i for i, symbol in enumerate(sorted(set("".join(texts))), 1)}
    rows = [torch.tensor([ids[symbol] for symbol in text]) for text in texts]
    model = MODELS[kind](len(ids) + 1, **json.loads(sizes)).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    generator = random.Random(0)

    def step() -> None:
        batch = generator.sample(rows, int(words))
        T = max(map(len, batch)) + 1
        x = torch.zeros(len(batch), T, dtype=torch.long)
        y = torch.full((len(batch), T), -1)
        for row, word in enumerate(batch):
            x[row, 1 : len(word) + 1] = word
            y[row, : len(word)] = word
            y[row, len(word)] = 0
        logits, y = model(x.to(device)), y.to(device)
        loss = functional.cross_entropy(logits.flatten(0, 1), y.flatten(), ignore_index=-1)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        model.head.bias[0].item()  # waits for the device

    return seconds_each(step)


def engine(what: str) -> float:
    """Return the seconds of a step of a small network on tensors that are given."""
    layer: Any
    if what == "mlp":
        hidden = nn.Linear(27, 256), nn.Tanh(), nn.Linear(256, 256), nn.Tanh()
        layer = nn.Sequential(*hidden, nn.Linear(256, 27))
        x, shape = torch.randn(256, 27), (256, 27)
    elif what == "convolution":
        layer = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        x, shape = torch.randn(64, 1, 28, 28), (64, 16 * 14 * 14)
    else:
        layer = Block()
        x, shape = torch.randn(256, 16, 64), (256 * 16, 64)
    targets = torch.randint(shape[1], (shape[0],))
    optimizer = torch.optim.AdamW(layer.parameters(), lr=1e-3)

    def step() -> None:
        loss = functional.cross_entropy(layer(x).reshape(shape), targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return seconds_each(step)


def trained_gru(checkpoint: str) -> tuple[Recurrent, dict[str, int]]:
    """Return the gru of a checkpoint of makemore's, and the ids of its symbols."""
    with np.load(checkpoint) as file:
        arrays = {name: file[name] for name in file.files}
    vocabulary = json.loads(str(arrays["metadata"]))["vocabulary"]
    names = {
        "embedding.weight": "embedding.weight",
        "layer.weight_ih_l0": "cells.0.input_weight",
        "layer.weight_hh_l0": "cells.0.hidden_weight",
        "layer.bias_ih_l0": "cells.0.input_bias",
        "layer.bias_hh_l0": "cells.0.hidden_bias",
        "head.weight": "head.weight",
        "head.bias": "head.bias",
    }
    state = {name: torch.from_numpy(arrays[own]) for name, own in names.items()}
    for name in ("layer.weight_ih_l0", "layer.weight_hh_l0", "head.weight"):
        state[name] = state[name].T  # makemore's weights multiply from the right
    V, n = state["embedding.weight"].shape
    model = Recurrent(V, nn.GRU, state["head.weight"].shape[1], n)
    model.load_state_dict(state)
    return model, {symbol: i for i, symbol in enumerate(vocabulary, 1)}


def score(path: str, checkpoint: str) -> float:
    """Return the words a second that a batched loop over a gru scores, 1,024 words at a time."""
    words = sorted(Path(path).read_text("utf-8").split())
    model, ids = trained_gru(checkpoint)
    started, size = time.perf_counter(), 1024
    with torch.no_grad():
        for first in range(0, len(words), size):
            batch = [[ids[symbol] for symbol in word] for word in words[first : first + size]]
            T = max(map(len, batch)) + 1
            x = torch.tensor([[0, *word, *[0] * (T - 1 - len(word))] for word in batch])
            y = torch.tensor([[*word, 0, *[-1] * (T - 1 - len(word))] for word in batch])
            log_P = torch.log_softmax(model(x).double(), -1)
            (log_P.gather(-1, y.clamp(min=0)[..., None])[..., 0] * (y >= 0)).sum(1).tolist()
    return len(words) / (time.perf_counter() - started)


def draw(count: str, checkpoint: str) -> float:
    """Return the words a second that a batched loop over a gru draws, 1,024 words at a time."""
    model, _ = trained_gru(checkpoint)
    cell, left, started = model.layer, int(count), time.perf_counter()
    with torch.no_grad():
        while left > 0:
            x, state = torch.zeros(1024, 1, dtype=torch.long), None
            alive = torch.ones(1024, dtype=torch.bool)
            for _ in range(40):
                hidden, state = cell(model.embedding(x), state)
                x = torch.multinomial(torch.softmax(model.head(hidden[:, 0]), -1), 1)
                alive &= x[:, 0] > 0
                if not alive.any():
                    break
            left -= 1024
    return int(count) / (time.perf_counter() - started)


def seconds_each(step: Callable[[], None]) -> float:
    """Return the median seconds of a step, after a few that are not counted."""
    found = []
    for _ in range(STEPS + 3):
        started = time.perf_counter()
        step()
        found.append(time.perf_counter() - started)
    return statistics.median(found[3:])


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(2)
    TASKS = {function.__name__: function for function in (network, engine, score, draw)}
    print(json.dumps(TASKS[sys.argv[1]](*sys.argv[2:])))
