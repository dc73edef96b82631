"""``scripts/gpu``: milliseconds a step of networks on a GPU, beside those of PyTorch."""

import importlib.util
import json
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark.measure import BenchmarkError, Task, in_turns
from benchmark.setting import HERE, find_names

NETWORKS: list[tuple[str, dict[str, Any]]] = [
    ("gru", {"hidden_size": 256}),
    ("gru", {"hidden_size": 1024}),
    ("lstm", {"hidden_size": 1024}),
    ("transformer", {"layers": 4, "embedding_size": 128}),
    ("transformer", {"layers": 6, "embedding_size": 384}),
]
WORDS = (256, 2048)
ROUNDS = 3


def main() -> None:
    """Print a line for each network and number of words."""
    has_torch = importlib.util.find_spec("torch") is not None
    names, found = find_names(Path(sys.argv[1]) if sys.argv[1:] else None)
    print(f"milliseconds a step on batches of {names.name} ({found}), median of {ROUNDS} processes")
    print(f"{'network':24}{'words':>6}{'makemore':>10}{'PyTorch':>10}")
    for kind, sizes in NETWORKS:
        for words in WORDS:
            times = milliseconds(kind, sizes, words, names, "cuda", theirs=has_torch)
            shown = [f"{time:10.2f}" for time in times] + ["-".rjust(10)] * (not has_torch)
            name = f"{kind} {'x'.join(map(str, sizes.values()))}"
            print(f"{name:24}{words:6,}{''.join(shown)}", flush=True)


def milliseconds(
    kind: str, sizes: dict[str, Any], words: int, names: Path, device: str, theirs: bool
) -> Iterator[float]:
    """Yield the milliseconds of a step in makemore, and perhaps in PyTorch."""
    scripts = ["steps.py"] + ["torch_steps.py"] * theirs
    arguments = ("network", kind, str(names), str(words), device, json.dumps(sizes))
    tasks = [
        Task(script, (sys.executable, str(HERE / script), *arguments), reports=True)
        for script in scripts
    ]
    for runs in in_turns(tasks, ROUNDS, warm_up=False).values():
        yield 1e3 * statistics.median(run.reported for run in runs)


if __name__ == "__main__":
    try:
        main()
    except BenchmarkError as error:
        sys.exit(f"scripts/gpu: {error}")
