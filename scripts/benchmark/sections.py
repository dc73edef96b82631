"""The measurements: a function for each section of the report."""

import json
import math
import shutil
import subprocess
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmark import inside, networks, outliers
from benchmark.measure import MEGABYTE, Run, Spread, Task, in_turns, ratios
from benchmark.report import Point, Report, quality_table
from benchmark.setting import PROJECT, SCRIPTS, Setting, write_spaced, write_words

NUMPY_AND_CLICK = 'python -c "import numpy, click"'
CLICK = 'python -c "import click"'
MODELS = (("bigram",), *(("ngram", "--order", order) for order in range(2, 8)))
KNOWN = 12_000
"""The names that a model is trained on whose thresholds are measured on the others."""
LARGE = 1000
"""Megabytes of the file for which most targets hold."""

_STEERED = "--temperature 0.8 --top-k 10 --min-length 4 --max-length 8".split()
DRAWS: list[tuple[str, str, int, Sequence[str], float]] = [
    ("makemore sample -n 1000000", "bigram", 1_000_000, (), 2e6),
    ("makemore sample -n 10000000", "bigram", 10_000_000, (), 3e6),
    (f"makemore sample -n 1000000 {' '.join(_STEERED)}", "bigram", 1_000_000, _STEERED, 1e6),
    ("makemore sample -n 300000, order 5", "order-5", 300_000, (), 3e5),
]
"""What is drawn: its name, from which model, how many words, how, and how many a second."""

OTHER_SCRIPTS = {
    "accented": (150, 120),
    "latin-1": (150, 120),
    "polish": (150, 120),
    "vietnamese": (150, 120),
    "cyrillic": (150, 60),
    "chinese": (80, 60),
}
"""How many megabytes a second at least, without and with a held-out split."""


def start_up(setting: Setting, report: Report) -> None:
    """Measure the start-up time of every command."""
    section = "start-up"
    tasks = [
        setting.code(CLICK, "import click"),
        setting.command("makemore --help", "--help"),
        setting.command("makemore --version", "--version"),
        setting.code(NUMPY_AND_CLICK, "import numpy, click"),
        setting.code('python -c "import makemore"', "import makemore"),
    ]
    editable = PROJECT / ".venv/bin/makemore"
    if editable.exists():
        tasks.append(Task("makemore --help, editable installation", (str(editable), "--help")))
    runs = in_turns(tasks, setting.rounds(31, 7))
    add_times(report, section, tasks, runs)
    if setting.has("torch"):
        torch = Task('python -c "import torch"', (setting.peers, "-c", "import torch"))
        add_times(report, section, [torch], in_turns([torch], 3))
    for name in ("makemore --help", "makemore --version"):
        add_ratio(report, section, f"{name} / import click", runs[name], runs[CLICK], at_most=1.3)


def training(setting: Setting, report: Report) -> None:
    """Measure whole trainings, and single steps against the literal one-hot pipeline."""
    section = "training"
    train, timed = ("train", setting.names), setting.checkpoint("timed")
    tasks = [
        setting.code(NUMPY_AND_CLICK, "import numpy, click"),
        setting.command("makemore train", *train, "-c", timed),
        *(
            setting.command(f"makemore train {options}", *train, *options.split(), "-c", timed)
            for options in ("--method counts", "--model ngram --order 5")
        ),
    ]
    runs = in_turns(tasks, setting.rounds(31, 7))
    add_times(report, section, tasks, runs)
    base = runs[NUMPY_AND_CLICK]
    for task, limit in zip(tasks[1:], (1.7, None, 3.0), strict=True):
        name = f"{task.name} / import numpy, click"
        add_ratio(report, section, name, runs[task.name], base, at_most=limit)
    kenlm(setting, report, tasks[3])
    steps(setting, report)


def kenlm(setting: Setting, report: Report, train: Task) -> None:
    """Measure the estimation of order 5 by KenLM, where its binary is found."""
    lmplz = shutil.which("lmplz")
    if not lmplz:
        return report.note("KenLM (lmplz): not installed")
    text = write_spaced(setting)
    flags = "--order 5 --discount_fallback --memory 1G --arpa /dev/null --text".split()
    task = Task("KenLM lmplz --order 5", (lmplz, *flags, str(text)))
    runs = in_turns([train, task], setting.rounds(15, 5))
    add_times(report, "training", [task], runs)
    name = "KenLM lmplz --order 5 / makemore train --order 5"
    add_ratio(report, "training", name, runs[task.name], runs[train.name])


def steps(setting: Setting, report: Report) -> None:
    """Measure one step of gradient descent."""
    section = "one training step"
    ours = setting.inside("count matrix, makemore", "step", setting.names)
    peers = [setting.peer("one-hot, NumPy float32", "one_hot_numpy", setting.names)]
    if setting.has("torch"):
        peers.append(setting.peer("one-hot, PyTorch", "one_hot_torch", setting.names))
    else:
        report.note("PyTorch: not installed")
    runs = in_turns([ours, *peers], setting.rounds(11, 3), warm_up=False)
    for name, of_task in runs.items():
        report.add(section, name, "ms", [run.reported * 1e3 for run in of_task])
    for peer, limit in zip(peers, (2000.0, None), strict=False):
        ratio = ratios(runs[peer.name], runs[ours.name], lambda run: run.reported)
        name = f"{peer.name} / {ours.name}"
        report.add(section, name, "x", ratio)
        if limit:
            report.at_least(name, "x", limit, ratio)


def counting(setting: Setting, report: Report) -> None:
    """Measure reading and counting files of the sizes that people have."""
    for megabytes in (10,) if setting.quick else (10, 100):
        count_plain(setting, report, megabytes)


def counting_large(setting: Setting, report: Report) -> None:
    """Measure reading and counting a large file, by one process and by two."""
    count_plain(setting, report, 100 if setting.quick else LARGE)


def counting_ngrams(setting: Setting, report: Report) -> None:
    """Measure counting n-grams in files of several sizes, and a large one by two processes."""
    for megabytes in (10,) if setting.quick else (10, 100):
        count_ngrams(setting, report, megabytes)
    if not setting.quick:
        count_ngrams_in_processes(setting, report)


def count_plain(setting: Setting, report: Report, megabytes: int) -> None:
    """Count a file in ASCII in several ways, next to the peers."""
    section = f"counting {megabytes} MB"
    path = write_words(setting, megabytes)
    one = train_task(setting, "makemore, 1 process", path, "--holdout", 0, "--jobs", 1)
    held = train_task(setting, "makemore, 1 process, held-out split", path, "--jobs", 1)
    two = train_task(setting, "makemore, 2 processes", path, "--holdout", 0, "--jobs", 2)
    held_two = train_task(setting, "makemore, 2 processes, held-out split", path, "--jobs", 2)
    ours = [one, held, two, held_two] if megabytes == LARGE else [one, held]
    peers = [word_count(path), setting.peer("reading alone", "read_only", path)]
    if megabytes == 10:
        peers.append(setting.peer("a Python dictionary", "count_in_dictionary", path))
    rounds = setting.rounds(3 if megabytes == LARGE else 7, 2)
    runs = in_turns([*ours, *peers], rounds, warm_up=not setting.quick, path=path)
    for task in [*ours, *peers]:
        add_counting(report, section, task, runs[task.name], megabytes)
    for task in peers:
        pairs = zip(runs[task.name], runs[one.name], strict=True)
        ratio = [seconds(other) / own.wall for other, own in pairs]
        report.add(section, f"{task.name} / {one.name}, seconds", "x", ratio)
    if megabytes == LARGE:
        aim_at_large(report, section, *(runs[task.name] for task in ours[:3]))
    path.unlink()


def aim_at_large(
    report: Report, section: str, one: list[Run], held: list[Run], two: list[Run]
) -> None:
    """Keep the targets of the large file: rates and memory."""
    aim_at_rate(report, f"{section}, 1 process", one, LARGE, 450)
    aim_at_rate(report, f"{section}, 1 process, held-out split", held, LARGE, 120)
    rate = Spread.of([LARGE / run.wall for run in two])
    report.at_least(f"{section}, 2 processes", "MB/s", 1.6 * 450, rate)
    report.add(section, "2 processes: times as fast as 1", "x", ratios(one, two))
    peaks = [run.peak for run in (*one, *held, *two)]
    report.at_most(f"{section}, peak memory", "MB", 200, Spread.of(peaks))


def count_script(setting: Setting, report: Report, *, script: str) -> None:
    """Count a file in another script, with and without a held-out split."""
    megabytes = 10 if setting.quick else LARGE
    encoding = SCRIPTS[script].encoding
    section = f"counting {megabytes} MB"
    path = write_words(setting, megabytes, script)
    name = f"makemore, {script}, 1 process"
    tasks = [
        train_task(setting, name, path, "--encoding", encoding, "--holdout", 0, "--jobs", 1),
        train_task(setting, f"{name}, held-out split", path, "--encoding", encoding, "--jobs", 1),
    ]
    words = word_count(path, f"wc, {script}")
    runs = in_turns([*tasks, words], setting.rounds(3, 2), warm_up=False, path=path)
    for task in [*tasks, words]:
        add_counting(report, section, task, runs[task.name], megabytes, charted=False)
    for task, limit in zip(tasks, OTHER_SCRIPTS[script], strict=True):
        ratio = ratios(runs[words.name], runs[task.name])
        report.add(section, f"{words.name} / {task.name}, seconds", "x", ratio)
        if not setting.quick:
            aim_at_rate(report, f"{section}: {task.name}", runs[task.name], megabytes, limit)
    path.unlink()


def count_ngrams(setting: Setting, report: Report, megabytes: int) -> None:
    """Estimate order 5 on a large file, with and without a held-out split."""
    section = f"counting {megabytes} MB"
    path = write_words(setting, megabytes)
    name = "makemore --model ngram --order 5"
    tasks = [
        train_task(setting, name, path, "--model", "ngram", "--holdout", 0),
        train_task(setting, f"{name}, held-out split", path, "--model", "ngram"),
    ]
    runs = in_turns(tasks, setting.rounds(3, 2), warm_up=False, path=path)
    for task in tasks:
        add_counting(report, section, task, runs[task.name], megabytes)
        if megabytes == 100:
            aim_at_rate(report, f"{section}: {task.name}", runs[task.name], megabytes, 20)
    path.unlink()


def count_ngrams_in_processes(setting: Setting, report: Report) -> None:
    """Train an n-gram model on a large file by one process and by two."""
    path = write_words(setting, LARGE)
    one, two = (
        train_task(setting, f"makemore --model ngram, {jobs}", path, "--model", "ngram", *options)
        for jobs, options in (("1 process", ("--jobs", 1)), ("2 processes", ("--jobs", 2)))
    )
    runs = in_turns([one, two], 2, warm_up=False, path=path)
    section = f"counting {LARGE} MB"
    for task in (one, two):
        add_counting(report, section, task, runs[task.name], LARGE, charted=False)
    claim = f"{two.name}: times as fast as 1"
    ratio = report.add(section, claim, "x", ratios(runs[one.name], runs[two.name]))
    report.at_least(claim, "x", 1.7, ratio)
    path.unlink()


def scale(setting: Setting, report: Report) -> None:
    """Train three models on larger and larger lists: time and peak memory."""
    for megabytes in (1, 10, 100) if setting.quick else (1, 10, 100, LARGE):
        path = draw_list(setting, megabytes)
        gru = ("--model", "gru", "--steps", 200)
        tasks = [
            train_task(setting, "makemore train", path),
            train_task(setting, "makemore train --model ngram", path, "--model", "ngram"),
            train_task(setting, "makemore train --model gru --steps 200", path, *gru),
        ]
        first = setting.inside("until the first step of the gru", "first_step", path)
        rounds = 1 if megabytes == LARGE else setting.rounds(3, 1)
        runs = in_turns([*tasks, first], rounds, warm_up=megabytes == 1, path=path)
        section = f"a list of {megabytes} MB"
        for task in tasks:
            times = report.add(section, task.name, "s", [run.wall for run in runs[task.name]])
            peaks = [run.peak for run in runs[task.name]]
            peak = report.add(section, f"{task.name}, peak", "MB", peaks)
            report.points.append(Point(task.name, megabytes, times, peak))
        waits = report.add(section, first.name, "s", [run.reported for run in runs[first.name]])
        report.points.append(Point(first.name, megabytes, waits, None))
        path.unlink()


def draw_list(setting: Setting, megabytes: int) -> Path:
    """Write a list of words drawn from an n-gram model, of about this many megabytes."""
    path = setting.folder / f"list-{megabytes}.txt"
    with open(setting.names, "rb") as lines:
        mean = setting.names.stat().st_size / sum(1 for _ in lines)
    words = round(megabytes * MEGABYTE / mean)
    model = ("-c", setting.checkpoint("order-5"))
    setting.do("sample", *model, "-n", words, "--seed", 1, "-o", path)
    return path


def word_count(path: Path, name: str = "wc") -> Task:
    """Return the task of ``wc`` in the C locale, where it decodes nothing.

    It finds no words in Cyrillic there, and is twice as fast.
    """
    return Task(name, ("env", "LC_ALL=C", "wc", str(path)))


def train_task(setting: Setting, name: str, path: object, *options: object) -> Task:
    """Return the task of a training whose model is not used."""
    return setting.command(name, "train", path, *options, "-c", setting.checkpoint("counted"))


def add_counting(
    report: Report,
    section: str,
    task: Task,
    runs: Sequence[Run],
    megabytes: int,
    charted: bool = True,
) -> None:
    """Report time, rate and peak memory of counting a file; keep them for the chart if wanted."""
    times = report.add(section, task.name, "s", [seconds(run) for run in runs])
    report.add(section, task.name, "MB/s", [megabytes / seconds(run) for run in runs])
    if task.reports:  # measured inside of a process
        return
    peak = None
    if task.name.startswith("makemore"):  # others may use less memory than can be measured
        peak = report.add(section, f"{task.name}, peak", "MB", [run.peak for run in runs])
    if charted:
        report.points.append(Point(task.name, megabytes, times, peak))


def aim_at_rate(
    report: Report,
    claim: str,
    runs: Sequence[Run],
    amount: float,
    limit: float,
    unit: str = "MB/s",
) -> None:
    """Keep the target of a rate, by wall and by CPU time."""
    rate = Spread.of([amount / run.wall for run in runs])
    report.at_least(claim, unit, limit, rate)
    rate = Spread.of([amount / run.cpu for run in runs])
    report.at_least(f"{claim}, CPU", unit, limit, rate)


def sampling(setting: Setting, report: Report) -> None:
    """Measure how many words a second are drawn."""
    section = "sampling"
    tasks = [
        setting.command(
            name, "sample", "-c", setting.checkpoint(model), "-n", n, "--seed", 1, *options
        )
        for name, model, n, options, _ in DRAWS
    ]
    peers = drawing_peers(setting, report)
    runs = in_turns([*tasks, *peers], setting.rounds(11, 2), warm_up=not setting.quick)
    for name, _, n, _, limit in DRAWS:
        report.add(section, name, "words/s", [n / run.wall for run in runs[name]])
        aim_at_rate(report, name, runs[name], n, limit, "words/s")
    for peer in peers:
        report.add(section, peer.name, "words/s", [run.reported for run in runs[peer.name]])
    name, _, n, *_ = DRAWS[0]
    for peer in peers:
        pairs = zip(runs[name], runs[peer.name], strict=True)
        ratio = [n / own.wall / other.reported for own, other in pairs]
        report.add(section, f"{name}: times as fast as {peer.name}", "x", ratio)


def drawing_peers(setting: Setting, report: Report) -> list[Task]:
    """Return the tasks that draw one word at a time."""
    model = setting.checkpoint("bigram")
    tasks = [setting.inside("a Python loop, same model", "draw_one_at_a_time", model, 30_000)]
    for module, function, count in (
        ("markovify", "draw_markovify", 20_000),
        ("torch", "draw_torch", 5_000),
    ):
        if setting.has(module):
            tasks.append(setting.peer(module, function, setting.names, count))
        else:
            report.note(f"{module}: not installed")
    return tasks


def scoring(setting: Setting, report: Report) -> None:
    """Measure how many words a second are scored."""
    section = "scoring"
    path = write_words(setting, 10)
    with open(path, "rb") as lines:
        words = sum(1 for _ in lines)
    limits = {"bigram": 4e5, "order-5": 2e5}
    tasks = [
        setting.command(f"makemore score, {name}", "score", path, "-c", setting.checkpoint(name))
        for name in limits
    ]
    runs = in_turns(tasks, setting.rounds(7, 2), warm_up=not setting.quick)
    for task, limit in zip(tasks, limits.values(), strict=True):
        report.add(section, task.name, "words/s", [words / run.wall for run in runs[task.name]])
        aim_at_rate(report, task.name, runs[task.name], words, limit, "words/s")
    if not setting.quick:
        score_large(setting, report)


def score_large(setting: Setting, report: Report) -> None:
    """Score a large file by one process and by two."""
    path, checkpoint = write_words(setting, 100), setting.checkpoint("order-5")
    tasks = [
        setting.command(name, "score", path, "-c", checkpoint, "--jobs", jobs)
        for jobs, name in ((1, "order 5, 1 process"), (2, "order 5, 2 processes"))
    ]
    runs = in_turns(tasks, setting.rounds(3, 2), path=path)
    one, two = (runs[task.name] for task in tasks)
    for task in tasks:
        report.add("scoring 100 MB", task.name, "s", [run.wall for run in runs[task.name]])
    ratio = report.add("scoring 100 MB", "2 processes: times as fast as 1", "x", ratios(one, two))
    report.at_least("scoring 100 MB, 2 processes", "x", 1.5, ratio)
    path.unlink()


def quality(setting: Setting, report: Report) -> None:
    """Compute the figures that do not depend on the machine: losses, novelty, recognition."""
    checkpoint = setting.checkpoint("quality")
    for model in MODELS:
        setting.do("train", setting.names, "--model", *model, "-c", checkpoint)
        task = setting.inside("quality", "quality", checkpoint, setting.names, inside.SAMPLES)
        done = subprocess.run(task.command, check=True, stdout=subprocess.PIPE)
        report.quality.append(json.loads(done.stdout))
    print(f"\nquality\n{quality_table(report.quality)}", flush=True)


def calibration(setting: Setting, report: Report) -> None:
    """Compare the share of fresh names that is flagged with the rate asked for."""
    section = "fresh names flagged"
    counts: dict[int, list[int]] = {}
    shares: list[list[float]] = []
    for seed in range(setting.rounds(6, 2)):
        task = setting.inside("flagged", "flagged", setting.names, seed, KNOWN)
        done = subprocess.run(task.command, check=True, stdout=subprocess.PIPE)
        found = {int(length): of_length for length, of_length in json.loads(done.stdout).items()}
        n, *of_rates = (sum(column) for column in zip(*found.values(), strict=True))
        shares.append([100 * count / max(n, 1) for count in of_rates])
        for length, of_length in found.items():
            known = counts.get(length, [0] * len(of_length))
            counts[length] = [a + b for a, b in zip(known, of_length, strict=True)]
    for rate, of_rate in zip(inside.RATES, zip(*shares, strict=True), strict=True):
        report.add(section, f"at {100 * rate:g}%", "%", of_rate)
    for rate, place in ((0.01, 2), (0.05, 4)):
        for length, row in sorted(counts.items()):
            interval = share_in_percent(row[place], row[0])
            report.add(section, f"at {100 * rate:g}%, {length} characters", "%", interval)


def share_in_percent(count: int, n: int) -> Spread:
    """Return a share and its interval of 95% (Wilson 1927), as a spread."""
    z, share = 1.96, count / n
    centre, width = (
        share + z * z / (2 * n),
        z * math.sqrt(share * (1 - share) / n + (z / n / 2) ** 2),
    )
    low, high = ((centre + side * width) / (1 + z * z / n) for side in (-1, 1))
    return Spread(100 * share, 100 * low, 100 * high, n)


SECTIONS: dict[str, Callable[[Setting, Report], None]] = {
    "start-up": start_up,
    "training": training,
    "counting": counting,
    "counting-large": counting_large,
    **{f"counting-{script}": partial(count_script, script=script) for script in OTHER_SCRIPTS},
    "counting-ngrams": counting_ngrams,
    "sampling": sampling,
    "scoring": scoring,
    "quality": quality,
    "calibration": calibration,
    "outliers": outliers.outliers,
    "outliers-million": outliers.outliers_million,
    "engine": networks.engine,
    "steps": networks.steps,
    "network-scoring": networks.scoring,
    **{f"mixture-{kind}": partial(networks.mixture, kind=kind) for kind in ("words", "packages")},
}


def seconds(run: Run) -> float:
    """Return the seconds that a run reported, else its wall time."""
    return run.wall if run.reported != run.reported else run.reported


def add_times(
    report: Report, section: str, tasks: Sequence[Task], runs: dict[str, list[Run]]
) -> None:
    """Report wall and CPU time of whole processes."""
    for task in tasks:
        report.add(section, task.name, "ms", [run.wall * 1e3 for run in runs[task.name]])
        report.add(section, f"{task.name}, CPU", "ms", [run.cpu * 1e3 for run in runs[task.name]])


def add_ratio(
    report: Report,
    section: str,
    name: str,
    runs: Sequence[Run],
    base: Sequence[Run],
    at_most: float | None = None,
) -> None:
    """Report the ratio of two programs by wall and by CPU time; the first is what is promised."""
    ratio = report.add(section, name, "x", ratios(runs, base))
    cpu = report.add(section, f"{name}, CPU", "x", ratios(runs, base, lambda run: run.cpu))
    if at_most is not None:
        report.at_most(name, "x", at_most, ratio)
        report.at_most(f"{name}, CPU", "x", at_most, cpu)
