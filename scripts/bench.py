"""``scripts/bench``: measure all figures of speed and quality in the README."""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmark.frontier import frontier
from benchmark.measure import BenchmarkError
from benchmark.networks import models
from benchmark.report import Report, draw_scaling, targets_table
from benchmark.sections import SECTIONS, scale
from benchmark.setting import Setting, find_names, install, prepare

HOW = (
    "Median, least and greatest of several rounds. Programs are measured in turns, each time in\n"
    "a fresh process; a ratio is the median of the rounds' ratios. makemore is installed as users\n"
    "install it (not editable) and is measured whole: start, imports, reading, writing. Peers\n"
    "that are libraries are measured without their start and imports, in their favour."
)


def main() -> int:
    """Run the benchmark; return the exit code."""
    arguments = parse()
    names, found = find_names(arguments.names)
    report = Report(conditions(names, found, arguments.quick))
    started = time.monotonic()
    print(f"names: {names.name} ({found})\n{HOW}", flush=True)
    with tempfile.TemporaryDirectory(prefix="makemore-bench-") as folder:
        python, makemore = install(Path(folder))
        setting = Setting(
            Path(folder), names, python, makemore, arguments.peers, quick=arguments.quick
        )
        if arguments.frontier:
            frontier(setting, report, arguments.frontier)
        elif arguments.models:
            models(setting, report)
        elif arguments.scale:
            prepare(setting)
            scale(setting, report)
        else:
            prepare(setting)
            for name in arguments.only or SECTIONS:
                SECTIONS[name](setting, report)
    print(f"\ntargets\n{targets_table(report.targets)}")
    report.conditions["seconds"] = round(time.monotonic() - started)
    print(f"\nmeasured in {report.conditions['seconds']} s")
    if arguments.json:
        arguments.json.write_text(json.dumps(report.values(), indent=1) + "\n", "utf-8")
    for picture in (arguments.plot, arguments.scale):
        if picture and report.points:
            draw_scaling(report.points, picture)
    return 0


def parse() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("names", nargs="?", type=Path, help="the list of words, one a line")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and no 1 GB file")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the scaling chart there")
    parser.add_argument(
        "--only",
        action="append",
        choices=list(SECTIONS),
        help="only this section, which takes two minutes at most; repeatable",
    )
    parser.add_argument(
        "--frontier",
        type=Path,
        metavar="FILE",
        help="only draw held-out loss against time there, for half an hour",
    )
    parser.add_argument(
        "--models",
        action="store_true",
        help="only train every kind of model with its defaults, for five minutes",
    )
    parser.add_argument(
        "--scale",
        type=Path,
        metavar="FILE",
        help="only draw time and memory of three models against the size of the list there",
    )
    parser.add_argument(
        "--peers",
        default=sys.executable,
        metavar="PYTHON",
        help="an interpreter that has NumPy and markovify or PyTorch (default: this one)",
    )
    return parser.parse_args()


def conditions(names: Path, found: str, quick: bool) -> dict[str, Any]:
    """Return what the figures depend on."""
    return {
        "names": names.name,
        "names_found": found,
        "quick": quick,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
    }


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchmarkError as error:
        sys.exit(f"scripts/bench: {error}")
