"""Networks in PyTorch as they are taught: ``python torch_taught.py KIND WORDS SECONDS``.

Batches of 32 padded words, AdamW with a constant rate of 5e-4. Prints a curve as JSON: seconds from
the start of the process, without those that measuring took, and the held-out loss in nats per
symbol. WORDS is a JSON file with lists of words to train on and of held-out ones. Training ends
after so many seconds, or after 20,000 steps if that is sooner.
"""

import time

STARTED = time.perf_counter()

import json  # noqa: E402
import random  # noqa: E402
import sys  # noqa: E402
from importlib import import_module  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

steps: Any = import_module("torch_steps")
torch, nn, functional = steps.torch, steps.nn, steps.functional

BATCH = 32
RATE = 5e-4
STEPS = 20_000
FIRST, GROWTH = 1.0, 1.6
"""When the loss is measured: after so many seconds, and then ever more rarely."""


class Bigram(steps.Module):  # type: ignore[misc]
    """A table of logits."""

    def __init__(self, V: int) -> None:
        super().__init__()
        self.table = nn.Embedding(V, V)

    def forward(self, x: Any) -> Any:
        """Return logits, (B, T) -> (B, T, V)."""
        return self.table(x)


MODELS: dict[str, Any] = {
    "bigram": Bigram,
    "mlp": lambda V: steps.Mlp(V, context=16, hidden=64),
    "gru": lambda V: steps.Recurrent(V, nn.GRU, hidden=64),
    "transformer": steps.Transformer,
    "transformer with dropout": lambda V: steps.Transformer(V, dropout=0.1),
}


def padded(batch: list[Any], T: int) -> tuple[Any, Any]:
    """Return inputs and targets of words, (B, T) each; what is not counted has the target -1."""
    x = torch.zeros(len(batch), T, dtype=torch.long)
    y = torch.full((len(batch), T), -1)
    for row, word in enumerate(batch):
        x[row, 1 : len(word) + 1] = word
        y[row, : len(word)] = word
        y[row, len(word)] = 0
    return x, y


def loss_of(model: Any, x: Any, y: Any, reduction: str = "mean") -> Any:
    """Return the cross-entropy over all symbols."""
    logits = model(x).flatten(0, 1)
    return functional.cross_entropy(logits, y.flatten(), ignore_index=-1, reduction=reduction)


def main(kind: str, path: str, seconds: float) -> list[tuple[float, float]]:
    """Train for so many seconds, or ``STEPS`` steps; return the curve."""
    words = json.loads(Path(path).read_text("utf-8"))
    symbols = sorted(set("".join(words["training"] + words["held_out"])))
    ids = {symbol: i for i, symbol in enumerate(symbols, 1)}
    training, held_out = (
        [torch.tensor([ids[symbol] for symbol in word]) for word in words[part]]
        for part in ("training", "held_out")
    )
    T = max(map(len, training + held_out)) + 1
    model = MODELS[kind](len(ids) + 1)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=RATE, weight_decay=0.01, betas=(0.9, 0.99), eps=1e-8
    )
    generator = random.Random(0)
    curve: list[tuple[float, float]] = []
    measuring, wanted = 0.0, FIRST
    for step in range(1, STEPS + 1):
        loss = loss_of(model, *padded(generator.choices(training, k=BATCH), T))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        taken = time.perf_counter() - STARTED - measuring
        is_last = taken >= seconds or step == STEPS
        if taken >= wanted or is_last:
            curve.append((taken, held_out_loss(model, held_out, T)))
            measuring = time.perf_counter() - STARTED - taken
            wanted = min(taken * GROWTH, seconds)
        if is_last:
            break
    return curve


def held_out_loss(model: Any, words: list[Any], T: int) -> float:
    """Return the mean surprisal of all symbols of words."""
    model.eval()
    with torch.no_grad():
        x, y = padded(words, T)
        loss = float(loss_of(model, x, y, "sum")) / int((y >= 0).sum())
    model.train()
    return loss


if __name__ == "__main__":
    torch.manual_seed(0)
    torch.set_num_threads(2)
    print(json.dumps(main(sys.argv[1], sys.argv[2], float(sys.argv[3]))))
