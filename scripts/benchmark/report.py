"""Collects figures and targets, and shows them: as tables, as JSON, as the scaling chart."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmark.measure import Spread


@dataclass(frozen=True)
class Figure:
    """A measurement in ``unit``; ``x`` is a ratio."""

    section: str
    name: str
    unit: str
    spread: Spread


@dataclass(frozen=True)
class Target:
    """A promise about a figure: at most, or at least, the limit."""

    claim: str
    unit: str
    limit: float
    at_most: bool
    measured: Spread

    @property
    def met(self) -> bool:
        """Whether the median keeps the promise."""
        median = self.measured.median
        return median <= self.limit if self.at_most else median >= self.limit


@dataclass(frozen=True)
class Point:
    """A point of the scaling chart: the cost of counting a file; ``peak`` is in megabytes."""

    name: str
    megabytes: float
    seconds: Spread
    peak: Spread | None


@dataclass
class Report:
    """The results of one run of the benchmark.

    Attributes
    ----------
    conditions : dict
        The versions and the machine of the measurement.
    figures, targets, points : list
    quality : list of dict
        Exact figures, the same on every machine: one entry for each model.
    notes : list of str
        What could not be measured.
    """

    conditions: dict[str, Any]
    figures: list[Figure] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    quality: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, section: str, name: str, unit: str, values: Spread | Sequence[float]) -> Spread:
        """Keep a figure, print its line, and return its spread."""
        spread = values if isinstance(values, Spread) else Spread.of(values)
        if not self.figures or self.figures[-1].section != section:
            print(f"\n{section}")
        self.figures.append(Figure(section, name, unit, spread))
        print(figure_line(self.figures[-1]), flush=True)
        return spread

    def at_most(self, claim: str, unit: str, limit: float, measured: Spread) -> None:
        """Keep a target that is an upper limit."""
        self.targets.append(Target(claim, unit, limit, True, measured))

    def at_least(self, claim: str, unit: str, limit: float, measured: Spread) -> None:
        """Keep a target that is a lower limit."""
        self.targets.append(Target(claim, unit, limit, False, measured))

    def note(self, text: str) -> None:
        """Keep and print what could not be measured."""
        self.notes.append(text)
        print(f"  {text}", flush=True)

    def values(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        targets = [{**asdict(target), "met": target.met} for target in self.targets]
        return {**asdict(self), "targets": targets}


def figure_line(figure: Figure) -> str:
    """Return the line of a table for a figure."""
    low, high = number(figure.spread.least), number(figure.spread.greatest)
    return (
        f"  {figure.name:<66} {number(figure.spread.median):>11} {figure.unit:<7}"
        f" {low:>11} .. {high}"
    )


def targets_table(targets: Sequence[Target]) -> str:
    """Return the list of targets, measured against promised."""
    return "\n".join(
        f"  {'met    ' if target.met else 'NOT MET'}  {target.claim}:"
        f" {number(target.measured.median)} {target.unit}"
        f" ({number(target.measured.least)} .. {number(target.measured.greatest)}),"
        f" promised {'at most' if target.at_most else 'at least'} {number(target.limit)}"
        for target in targets
    )


def quality_table(quality: Sequence[dict[str, Any]]) -> str:
    """Return the exact figures, a row for each model."""
    columns = {
        "model": "{model}",
        "order": "{order}",
        "parameters": "{parameters:,}",
        "training": "{training_loss:.4f}",
        "held out": "{held_out_loss:.4f}",
        "perplexity": "{perplexity:.2f}",
        "known": "{known_share:.1%}",
        "repeated": "{repeated_share:.1%}",
        "new": "{new_share:.1%}",
        "ROC AUC": "{roc_auc:.4f}",
    }
    rows = [list(columns), *([form.format(**row) for form in columns.values()] for row in quality)]
    return "\n".join("  " + "".join(f"{cell:>12}" for cell in row) for row in rows)


def number(value: float) -> str:
    """Return a number with three significant digits and thousands separators.

    >>> number(1234567.0), number(1.23456), number(0.000015)
    ('1,234,567', '1.23', '1.5e-05')
    """
    if not math.isfinite(value) or 0 < abs(value) < 0.001:
        return f"{value:.3g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{digits}f}"


def draw_scaling(points: Sequence[Point], path: Path) -> None:
    """Draw seconds and peak memory against the size of the file, both axes logarithmic."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter, NullFormatter

    figure, panels = pyplot.subplots(1, 2, figsize=(9, 5.2), layout="constrained")
    for index, name in enumerate(dict.fromkeys(point.name for point in points)):
        line = [point for point in points if point.name == name]
        style = {"color": f"C{index}", "marker": "o", "capsize": 3, "label": name}
        draw_spreads(panels[0], [(p.megabytes, p.seconds) for p in line], style)
        draw_spreads(panels[1], [(p.megabytes, p.peak) for p in line if p.peak], style)
    titles = ("time, start of the process included (s)", "peak memory (MB)")
    for panel, title in zip(panels, titles, strict=True):
        panel.set(xscale="log", yscale="log", xlabel="size of the file (MB)", title=title)
        panel.grid(True, alpha=0.3)
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())
    panels[1].set_ylim(bottom=10)
    names = panels[0].get_legend_handles_labels()
    figure.legend(*names, loc="outside lower center", ncols=2, frameon=False)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def draw_spreads(panel: Any, line: Sequence[tuple[float, Spread]], style: dict[str, Any]) -> None:
    """Draw a line through the medians, with bars from the least to the greatest."""
    if not line:
        return
    spreads = [spread for _, spread in line]
    medians = [spread.median for spread in spreads]
    bars = (
        [spread.median - spread.least for spread in spreads],
        [spread.greatest - spread.median for spread in spreads],
    )
    panel.errorbar([megabytes for megabytes, _ in line], medians, bars, **style)
