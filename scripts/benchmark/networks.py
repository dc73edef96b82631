"""Measurements of the engine and of networks: steps, models, scoring, drawing."""

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark.measure import Run, Spread, Task, in_turns, ratios
from benchmark.outliers import other_words
from benchmark.report import Report
from benchmark.setting import HERE, Setting, write_words

NETWORKS = {"rnn": 2.5, "gru": 2.5, "lstm": 2.5, "mlp": 4.0, "bow": 3.0, "transformer": 2.0}
"""Each network whose steps are measured, and how many times as fast as PyTorch it is to be."""
PARTS = ("mlp", "convolution", "block")
"""Small networks on given arrays, to take at most 1.5 times as long as in PyTorch."""
MODELS = ("bigram", "ngram", "bow", "mlp", "wavenet", "rnn", "gru", "lstm", "transformer")
DRAWN = 100_000
SHOWN = 8


def engine(setting: Setting, report: Report) -> None:
    """Measure steps of small networks, and of one number after another in Python."""
    for part in PARTS:
        compare(setting, report, "engine", "engine", part, at_most=1.5)
    for batch, at_least in ((4, None), (64, 50)):
        arrays, scalars = (
            ours(setting, f"{batch} rows, {name}", name, str(batch))
            for name in ("arrays", "scalars")
        )
        runs = in_turns([arrays, scalars], setting.rounds(5, 3), warm_up=False)
        add_ratio(report, "engine", runs, scalars, arrays, at_least=at_least)


def steps(setting: Setting, report: Report) -> None:
    """Measure whole steps of training on 256 words."""
    for kind, limit in NETWORKS.items():
        compare(setting, report, "a step of 256 words", "network", kind, setting.names, limit=limit)


def compare(
    setting: Setting,
    report: Report,
    section: str,
    task: str,
    *arguments: Any,
    limit: float | None = None,
    at_most: float | None = None,
) -> None:
    """Measure a step in turns with PyTorch's, where that is installed."""
    name = arguments[0]
    own = ours(setting, f"{name}, makemore", task, *arguments)
    tasks = [own]
    if setting.has("torch"):
        tasks.append(theirs(setting, f"{name}, PyTorch", task, *arguments))
    runs = in_turns(tasks, setting.rounds(5, 3), warm_up=False)
    for each in tasks:
        report.add(section, each.name, "ms", [run.reported * 1e3 for run in runs[each.name]])
    if len(tasks) == 1:
        return report.note("PyTorch: not installed")
    if at_most:
        ratio = ratios(runs[own.name], runs[tasks[1].name], lambda run: run.reported)
        report.add(section, f"{own.name} / PyTorch", "x", ratio)
        report.at_most(f"{name}: makemore / PyTorch", "x", at_most, ratio)
    else:
        add_ratio(report, section, runs, tasks[1], own, at_least=limit)


def add_ratio(
    report: Report,
    section: str,
    runs: dict[str, list[Run]],
    slow: Task,
    fast: Task,
    at_least: float | None,
) -> None:
    """Report how many times as fast one task is as another."""
    ratio = ratios(runs[slow.name], runs[fast.name], lambda run: run.reported)
    report.add(section, f"{slow.name} / {fast.name}", "x", ratio)
    if at_least:
        report.at_least(f"{slow.name} / {fast.name}", "x", at_least, ratio)


def models(setting: Setting, report: Report) -> None:
    """Train every kind of model with its defaults, and show what it writes."""
    rows, samples = [], []
    for kind in MODELS:
        path = setting.checkpoint(f"model-{kind}")
        task = setting.command(
            f"train --model {kind}", "train", setting.names, "--model", kind, "-c", path
        )
        (run,) = in_turns([task], 1, warm_up=False)[task.name]
        known = said(setting, "info", "-c", path, "--json")
        losses = json.loads(known)
        held_out = losses["nats_per_symbol"]["held_out"]
        report.add("models", f"{kind}, held out", "nats", Spread.of([held_out]))
        report.add("models", f"{kind}, whole command", "s", Spread.of([run.wall]))
        rows.append(f"| {kind} | {losses['parameters']:,} | {held_out:.3f} | {run.wall:.1f} s |")
        words = said(setting, "sample", "-c", path, "-n", SHOWN, "--seed", 1).split()
        samples.append(f"{kind:12} {' '.join(words)}")
    print("\n| `--model` | parameters | held-out nats per symbol | whole command |")
    print("|---|---|---|---|", *rows, "", *samples, sep="\n", flush=True)


def mixture(setting: Setting, report: Report, *, kind: str) -> None:
    """Compare a mixture of 60 seconds with an n-gram model, on words that are not names."""
    words = other_words()[kind]
    if kind == "words":
        words = [word for word in words if re.fullmatch("[a-z]+", word)]
    if not words:
        return report.note(f"{kind}: no list")
    path, checkpoint = setting.folder / f"{kind}.txt", setting.checkpoint("elsewhere")
    path.write_text("".join(word + "\n" for word in words), "utf-8")
    losses = []
    for options in ("--model ngram", "--time-limit 60"):
        setting.do("train", path, *options.split(), "-c", checkpoint)
        known = json.loads(said(setting, "info", "-c", checkpoint, "--json"))
        losses.append(known["nats_per_symbol"]["held_out"])
        report.add(f"{len(words):,} {kind}", options, "nats", losses[-1:])
    better = Spread.of([losses[0] - losses[1]])
    report.at_least(f"{kind}: the mixture is better by", "nats", 0.04, better)


def said(setting: Setting, *arguments: object) -> str:
    """Return the output of a makemore command."""
    task = setting.command("", *arguments)
    done = subprocess.run(
        task.command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    return done.stdout.decode()


def scoring(setting: Setting, report: Report) -> None:
    """Measure how many words a second a gru of 256 scores and draws.

    A million words are scored once; the words that PyTorch scores, too, are fewer. That is in its
    favour: the longer a list, the more of its words share their beginnings. Both programs use two
    processors: makemore scores in two processes, and draws on two threads beside PyTorch and on
    one by default.
    """
    path = setting.checkpoint("gru")
    setting.do("train", setting.names, "--model", "gru", "--steps", 1_000, "-c", path)
    million, few = (write_words(setting, megabytes) for megabytes in (8, 1))
    score = setting.command("makemore score, gru", "score", million, "-c", path)
    drawing = ("sample", "-c", path, "-n", DRAWN, "--seed", 1, "-o", "/dev/null")
    draw = setting.command("makemore sample, gru", *drawing)
    on_two = [
        setting.command("makemore score, gru, 1 MB", "score", few, "-c", path),
        on_two_threads(setting.command("makemore sample, gru, two threads", *drawing)),
    ]
    peers = []
    if setting.has("torch"):
        peers = [
            theirs(setting, "PyTorch scores", "score", few, path),
            theirs(setting, "PyTorch draws", "draw", DRAWN, path),
        ]
    runs = in_turns([score], 1, warm_up=False)
    runs |= in_turns([draw, *on_two, *peers], setting.rounds(3, 1), warm_up=False)
    for task, count, limit in ((score, lines_of(million), 5e4), (draw, DRAWN, 2e4)):
        rate = [count / run.wall for run in runs[task.name]]
        spread = report.add("scoring and drawing", task.name, "words/s", rate)
        report.at_least(task.name, "words/s", limit, spread)
    for task, own, count in zip(peers, on_two, (lines_of(few), DRAWN), strict=False):
        rate = [run.reported for run in runs[task.name]]
        report.add("scoring and drawing", task.name, "words/s", rate)
        pairs = zip(runs[own.name], rate, strict=True)
        ratio = [count / mine.wall / other for mine, other in pairs]
        spread = report.add("scoring and drawing", f"{own.name}: times as fast", "x", ratio)
        report.at_least(f"{own.name}: times as fast as PyTorch", "x", 2.0, spread)


def on_two_threads(task: Task) -> Task:
    """Return a task whose matrix products take two threads."""
    return replace(task, command=("env", "OPENBLAS_NUM_THREADS=2", *task.command))


def lines_of(path: Path) -> int:
    """Return the number of lines of a file."""
    with open(path, "rb") as file:
        return sum(1 for _ in file)


def ours(setting: Setting, name: str, *arguments: object) -> Task:
    """Return the task of a function of ``steps.py``."""
    return Task(name, (str(setting.python), str(HERE / "steps.py"), *map(str, arguments)), True)


def theirs(setting: Setting, name: str, *arguments: object) -> Task:
    """Return the task of a function of ``torch_steps.py``."""
    return Task(name, (setting.peers, str(HERE / "torch_steps.py"), *map(str, arguments)), True)
