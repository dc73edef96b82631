"""Measures ``makemore outliers`` on lists that are made here, beside other ways to find errors.

A list has 5,000 lines. In 100 of them an error is planted: a typo (swapped, dropped, doubled and
wrong letters in equal parts), or noise, where random letters replace a word's own. A figure is the
number of errors among the first 100 lines that a way to find them names, for lists of several
seeds.
"""

import json
import os
import random
import subprocess
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

from benchmark.inside import LARGEST
from benchmark.measure import Spread, Task, in_turns
from benchmark.report import Report
from benchmark.setting import Setting

LINES = 5_000
ERRORS = 100
MILLION = 1_000_000
COMMAND = "makemore outliers"
PEOPLE = "people, 2,000 last names"

ENGLISH = Path("/usr/share/dict/words")
"""Where Debian and others put a list of English words."""

Draw = Callable[[Sequence[str], random.Random], list[str]]
"""Returns 5,000 lines made of words."""

Error = Callable[[str, Sequence[str], random.Random, int], str]
"""Returns a word with an error: its arguments are the word, letters, and the error's number."""


def by_rank(
    words: Sequence[str], generator: random.Random, *, shift: float, exponent: float
) -> list[str]:
    """Return words drawn with the weights of the Zipf-Mandelbrot law, the first most often."""
    weights = [(rank + shift) ** -exponent for rank in range(1, len(words) + 1)]
    return generator.choices(words, weights, k=LINES)


# The shares of the most frequent names, of the 100th and the 1,000th, and the number of distinct
# names in 5,000, are near those of the US census of 1990.
first_names = partial(by_rank, shift=30, exponent=1.5)
last_names = partial(by_rank, shift=10, exponent=1)


def people(
    names: Sequence[str], generator: random.Random, *, stock: int | None = None
) -> list[str]:
    """Return first and last names, which are other names of the same list: ``stock`` of them."""
    return full_names(names, some_names(names, generator, stock), generator)


def some_names(
    names: Sequence[str], generator: random.Random, stock: int | None = None
) -> list[str]:
    """Return ``stock`` names, or all, in random order."""
    return generator.sample(names, min(stock or len(names), len(names)))


def full_names(firsts: Sequence[str], lasts: Sequence[str], generator: random.Random) -> list[str]:
    """Return first and last names, drawn from lists whose first are the most frequent."""
    pairs = zip(first_names(firsts, generator), last_names(lasts, generator), strict=True)
    return [f"{first.capitalize()} {last.capitalize()}" for first, last in pairs]


def distinct(words: Sequence[str], generator: random.Random) -> list[str]:
    """Return distinct words, each as likely as another."""
    return generator.sample(words, LINES)


def swapped(word: str, i: int, letter: str) -> str:
    """Swap two letters."""
    return word[:i] + word[i + 1 : i + 2] + word[i] + word[i + 2 :]


def dropped(word: str, i: int, letter: str) -> str:
    """Drop a letter."""
    return word[:i] + word[i + 1 :]


def doubled(word: str, i: int, letter: str) -> str:
    """Double a letter."""
    return word[: i + 1] + word[i:]


def wrong(word: str, i: int, letter: str) -> str:
    """Replace a letter by another."""
    return word[:i] + letter + word[i + 1 :]


TYPOS = (swapped, dropped, doubled, wrong)


def typo(word: str, letters: Sequence[str], generator: random.Random, number: int) -> str:
    """Return a word with a typo; kinds of typos take turns."""
    kind = TYPOS[number % len(TYPOS)]
    return kind(word, generator.randrange(len(word)), generator.choice(letters))


def noise(word: str, letters: Sequence[str], generator: random.Random, number: int) -> str:
    """Return random letters in place of those of a word; a space stays."""
    return "".join(c if c == " " else generator.choice(letters) for c in word)


def plant(
    error: Error, lines: Sequence[str], known: Collection[str], generator: random.Random
) -> dict[int, str]:
    """Return errors by the numbers of their lines, from 0; none of them is a known word."""
    letters = sorted({c for line in lines for c in line.lower() if c.isalpha()})
    planted: dict[int, str] = {}
    while len(planted) < ERRORS:
        i = generator.randrange(len(lines))
        made = error(lines[i], letters, generator, len(planted))
        if made and i not in planted and made not in known:
            planted[i] = made
    return planted


def kinds(setting: Setting, report: Report) -> dict[str, tuple[list[str], Draw]]:
    """Return the kinds of lists that can be made: the words, and how lines are drawn from them."""
    names = read_words(setting.names)
    found: dict[str, tuple[list[str], Draw]] = {
        PEOPLE: (names, partial(people, stock=2_000)),
        "people, all last names": (names, people),
        "repeated names": (names, first_names),
    }
    for kind, words in {"distinct names": names, **other_words()}.items():
        if len(words) >= LINES:
            found[kind] = (words, distinct)
        else:
            report.note(f"{kind}: no list of {LINES:,} words")
    return found


def other_words() -> dict[str, list[str]]:
    """Return the words of lists that the environment names."""
    paths = {
        "words": os.environ.get("MAKEMORE_WORDS", ENGLISH),
        "packages": os.environ.get("MAKEMORE_PACKAGES", ""),
    }
    return {
        kind: read_words(Path(path)) if os.path.isfile(path) else [] for kind, path in paths.items()
    }


def read_words(path: Path) -> list[str]:
    """Return the distinct words of a list, without forms such as ``cat's``."""
    lines = path.read_text("utf-8").split("\n")
    return [word for word in dict.fromkeys(lines) if word and "'" not in word]


def outliers(setting: Setting, report: Report) -> None:
    """Count the errors that each way finds in each kind of list, and time the command."""
    of_kinds = kinds(setting, report)
    for section, error, seeds in (("typos found", typo, 5), ("noise found", noise, 3)):
        for kind, (words, draw) in of_kinds.items():
            lists = [
                found_in_list(setting, error, words, draw, seed)
                for seed in range(setting.rounds(seeds, 3))
            ]
            for way in lists[0]:
                counts = [found[way] for found in lists]
                report.add(section, f"{kind}: {way}", "of 100", counts)
            if (error, kind) == (typo, PEOPLE):
                aim_at_typos(report, lists)
    time_command(setting, report)


def time_command(setting: Setting, report: Report) -> None:
    """Measure the seconds of the command on 5,000 lines of people."""
    path = write_lines(setting, people(read_words(setting.names), random.Random(0)))
    task = setting.command(f"{COMMAND}, 5,000 lines", "outliers", path)
    runs = in_turns([task], setting.rounds(7, 3))[task.name]
    seconds = report.add("outliers", task.name, "s", [run.wall for run in runs])
    report.at_most(task.name, "s", 5, seconds)


def found_in_list(
    setting: Setting, error: Error, words: Sequence[str], draw: Draw, seed: int
) -> dict[str, int]:
    """Return how many errors of a list each way finds among its first 100 lines."""
    generator = random.Random(seed)
    lines = draw(words, generator)
    planted = plant(error, lines, {*words, *lines}, generator)
    path = write_lines(setting, [planted.get(i, line) for i, line in enumerate(lines)])
    orders = oddest_lines(setting, path)
    return {way: sum(i - 1 in planted for i in order) for way, order in orders.items()}


def oddest_lines(setting: Setting, path: Path) -> dict[str, list[int]]:
    """Return the numbers of the 100 oddest lines of a list, by the command and by other ways."""
    command = setting.command(COMMAND, "outliers", path, "--json", "-n", ERRORS)
    words = [json.loads(line) for line in output_of(command).splitlines()]
    others = setting.inside("other ways", "oddest_lines", path, ERRORS)
    numbers = [number for word in words for number in word["lines"]]
    return {COMMAND: numbers[:ERRORS], **json.loads(output_of(others))}


def output_of(task: Task) -> bytes:
    """Return what a program writes to stdout."""
    return subprocess.run(task.command, check=True, capture_output=True).stdout


def write_lines(setting: Setting, lines: Sequence[str]) -> Path:
    """Write a list; return its path."""
    path = setting.folder / "outliers.txt"
    path.write_text("".join(line + "\n" for line in lines), "utf-8")
    return path


def aim_at_typos(report: Report, lists: Sequence[dict[str, int]]) -> None:
    """Keep the targets of typos: half of them, and a quarter more than cross-validation finds."""
    own = [found[COMMAND] for found in lists]
    report.at_least(f"{PEOPLE}: {COMMAND}", "of 100 typos", ERRORS / 2, Spread.of(own))
    ratios = [found[COMMAND] / max(found[LARGEST], 1) for found in lists]
    report.at_least(f"{PEOPLE}: {COMMAND} / {LARGEST}", "x", 1.25, Spread.of(ratios))


def outliers_million(setting: Setting, report: Report) -> None:
    """Measure the command on a million lines of people."""
    names, generator = read_words(setting.names), random.Random(0)
    lasts = some_names(names, generator)
    path = setting.folder / "million.txt"
    with open(path, "w", encoding="utf-8") as file:
        for _ in range(MILLION // LINES):  # little at a time: see ``measure.run``
            file.writelines(line + "\n" for line in full_names(names, lasts, generator))
    task = setting.command(f"{COMMAND}, a million lines", "outliers", path)
    runs = in_turns([task], 1, warm_up=False)[task.name]
    seconds = report.add("outliers", task.name, "s", [run.wall for run in runs])
    report.add("outliers", f"{task.name}, peak", "MB", [run.peak for run in runs])
    report.at_most(task.name, "s", 120, seconds)
    path.unlink()
