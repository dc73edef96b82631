"""Held-out loss against the seconds of the whole command: the purpose of this tool in one picture.

Every model here, with its defaults and within time limits, and, where PyTorch is installed, the
bigram, MLP, GRU and transformer as they are taught: all in one run, one after another, on the same
cores and the same held-out words. A transformer with dropout after 20,000 steps has the lowest loss
that is claimed in public for these names, 1.85, on a random split that has names on both sides.
"""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.measure import Spread, Task, run
from benchmark.report import Report
from benchmark.setting import HERE, Setting

LIMITS = (1, 3, 10, 30, 60, 300, 600)
"""The time limits of mixtures, in seconds."""
QUICK_LIMITS = (1, 3)
KINDS = ("bigram", "ngram", "bow", "rnn", "gru", "mlp", "lstm", "wavenet", "transformer")
TAUGHT = {
    "bigram": 60,
    "mlp": 120,
    "gru": 300,
    "transformer": 300,
    "transformer with dropout": 600,
}
"""The seconds of each network in PyTorch: only the largest still learn after two minutes."""
BESIDE = ((6, 3), (-6, 3), (6, 0), (-6, 0), (6, -3), (-6, -3))
"""How far from a dot its name may be written, in points."""
SECTION = "held-out loss against time"

WORDS = """
import json, sys
from pathlib import Path
from makemore.data.holdout import split_words
words = Path(sys.argv[1]).read_text("utf-8").split()
parts = {"training": [], "held_out": []}
for word, is_held_out in zip(words, split_words(words, [0.1]) == 1):
    parts["held_out" if is_held_out else "training"].append(word)
Path(sys.argv[2]).write_text(json.dumps(parts), "utf-8")
"""


@dataclass(frozen=True)
class Point:
    """The result of a command: its seconds, and the held-out loss in nats per symbol."""

    line: str
    name: str
    seconds: float
    loss: float

    @property
    def is_taught(self) -> bool:
        """Whether the point is that of a network in PyTorch."""
        return self.line.startswith("PyTorch")

    @property
    def label(self) -> str:
        """The name in the table."""
        return self.line.removeprefix("PyTorch, ") if self.is_taught else f"`{self.name}`"


def frontier(setting: Setting, report: Report, picture: Path) -> None:
    """Measure all points, print their table, and draw them."""
    limits = QUICK_LIMITS if setting.quick else LIMITS
    points = [trained(setting, "makemore", kind, "--model", kind) for kind in KINDS]
    for limit in limits:
        name = f"--time-limit {limit}"
        points.append(trained(setting, "makemore, time limit", name, "--time-limit", limit))
    if setting.has("torch"):
        points += taught(setting)
    else:
        report.note("PyTorch: not installed")
    for point in points:
        name = f"{point.line}, {point.name}: after {point.seconds:.1f} s"
        report.add(SECTION, name, "nats", Spread.of([point.loss]))
    print(table(points), flush=True)
    draw(points, picture)
    print(f"\nThe picture is {picture}")


def trained(setting: Setting, line: str, name: str, *options: Any) -> Point:
    """Train a model by the command, and return the result."""
    path = setting.checkpoint("frontier")
    taken = run(setting.command(name, "train", setting.names, *options, "-c", path))
    info = [str(setting.makemore), "info", "-c", str(path), "--json"]
    known = json.loads(subprocess.run(info, check=True, stdout=subprocess.PIPE).stdout)
    return Point(line, name, taken.wall, known["nats_per_symbol"]["held_out"])


def taught(setting: Setting) -> list[Point]:
    """Return the curves of the networks in PyTorch."""
    words = setting.folder / "split.json"
    code = [str(setting.python), "-c", WORDS, str(setting.names), str(words)]
    subprocess.run(code, check=True)
    points = []
    for kind, most in TAUGHT.items():
        seconds = min(most, 5) if setting.quick else most
        script = (setting.peers, str(HERE / "torch_taught.py"), kind, str(words), str(seconds))
        curve: Any = run(Task(f"PyTorch, {kind}", script, True)).reported
        points += [Point(f"PyTorch, {kind}", "as taught", after, loss) for after, loss in curve]
    return points


def table(points: list[Point]) -> str:
    """Return the table of the README: for each time the best of makemore and of PyTorch."""
    heads = ["", "| within | makemore | held out | best taught script | held out |"]
    lines = [*heads, "|---|---|---|---|---|"]
    for limit in (0.5, *LIMITS):
        cells = [f"{limit:g} s"]
        for is_other in (False, True):
            # The command may end 5% after its limit.
            done = [p for p in points if p.seconds <= 1.05 * limit and is_other == p.is_taught]
            best = min(done, key=lambda point: point.loss, default=None)
            cells += [best.label, f"{best.loss:.3f}"] if best else ["-", "-"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(points: list[Point], path: Path) -> None:
    """Draw the points, seconds on a logarithmic axis."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter, NullFormatter

    figure, axes = pyplot.subplots(figsize=(9, 5.4), layout="constrained")
    for line in dict.fromkeys(point.line for point in points):
        part = [point for point in points if point.line == line]
        x, y = [p.seconds for p in part], [p.loss for p in part]
        if line == "makemore":
            axes.plot(x, y, "o", color="C0", label="makemore, each model's defaults")
        elif line.startswith("makemore"):
            axes.plot(x, y, "o-", color="C3", linewidth=2, label="makemore --time-limit")
        else:
            kind = line.removeprefix("PyTorch, ")
            style = dict(zip(TAUGHT, (":", "-.", "--", "-", (0, (5, 1, 1, 1, 1, 1))), strict=True))
            label = f"{kind} as taught, PyTorch"
            axes.plot(x, y, linestyle=style[kind], color="0.45", label=label)
    axes.set(
        xscale="log",
        xlabel="seconds of the whole command (logarithmic)",
        ylabel="held-out nats per symbol",
        ylim=(1.88, 2.75),
    )
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(True, alpha=0.3)
    axes.legend(frameon=False, loc="upper right")
    figure.draw_without_rendering()  # which computes the positions of points in the picture
    write_names(axes, [point for point in points if not point.is_taught])
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def write_names(axes: Any, points: list[Point]) -> None:
    """Write the names of models beside their dots, without overlap if there is room.

    The points of mixtures have dots, too, but no names.
    """
    from matplotlib.transforms import Bbox

    places = axes.transData.transform([(point.seconds, point.loss) for point in points])
    taken = [Bbox.from_bounds(x - 5, y - 5, 10, 10) for x, y in places]
    for point in points:
        if point.line != "makemore":
            continue
        texts = [
            axes.annotate(
                point.name,
                (point.seconds, point.loss),
                textcoords="offset points",
                xytext=(x, y),
                fontsize=9,
                ha="left" if x > 0 else "right",
                va={3: "bottom", 0: "center", -3: "top"}[y],
            )
            for x, y in BESIDE
        ]
        free = [text for text in texts if not text.get_window_extent().count_overlaps(taken)]
        kept = next(iter(free), texts[0])
        for text in texts:
            if text is not kept:
                text.remove()
        taken.append(kept.get_window_extent())
