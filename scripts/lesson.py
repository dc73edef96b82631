"""``scripts/lesson``: list the lessons of the course, run one, or check an answer."""

import argparse
import os
import sys
from collections.abc import Sequence
from math import isfinite
from pathlib import Path

from lessons.course import NAMES, Lesson, find_lesson, overview
from lessons.setting import Setting, find_setting
from lessons.stage import prefixed

from makemore.errors import MakemoreError, OptionError, shown
from makemore.pictures.output import save_figure

OPTION_NAMES = {"word": "--word", "learning_rate": "--learning-rate"}
"""The options that only some lessons have."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and return the exit code. Raises ``MakemoreError``."""
    options = _parser().parse_args(arguments)
    if options.name is None:
        if options.check:
            raise OptionError("--check needs the name of a lesson, such as bigram --check 1=3.3")
        print("\n".join([*overview(), "", "scripts/lesson NAME, or its number, runs one."]))
        return 0
    lesson = _find(options.name)
    _refuse_unused_options(lesson, options)
    setting = find_setting(options.words, options.word, options.seed, options.learning_rate)
    if options.check:
        return _check(lesson, options.check, setting)
    _run(lesson, setting, options.pause)
    return 0


def _run(lesson: Lesson, setting: Setting, pause: bool) -> None:
    """Print the stages and the exercises, and save the pictures in the current folder."""
    pictures = 0
    for number, stage in enumerate(lesson.stages(setting), 1):
        print(stage.text(number))
        if stage.figure is not None:
            pictures += 1
            path = picture_path(lesson.name, pictures)
            save_figure(stage.figure, path)
            print(f"Picture: {shown(str(path.resolve()))}")
        print(flush=True)
        if pause:
            input("Enter ")
            print()
    print("\n".join(exercise_lines(lesson)))


def picture_path(name: str, number: int) -> Path:
    """Return the path of the picture with this number: lesson-NAME.png, lesson-NAME-2.png, ..."""
    return Path(f"lesson-{name}{f'-{number}' if number > 1 else ''}.png")


def exercise_lines(lesson: Lesson) -> list[str]:
    """Return the lines of the exercises."""
    lines = ["Exercises"]
    for number, exercise in enumerate(lesson.exercises, 1):
        lines += prefixed(f"{number}. ", exercise.question)
    return [
        *lines,
        f"scripts/lesson {lesson.name} --check 1=VALUE says whether an answer is right.",
    ]


def _check(lesson: Lesson, answer: str, setting: Setting) -> int:
    """Say whether an answer such as "2=0.5" is right; return the exit code."""
    number, _, value = answer.partition("=")
    try:
        place = range(1, len(lesson.exercises) + 1).index(int(number))
        given = float(value)
        if not isfinite(given):
            raise ValueError(value)
    except ValueError:
        raise OptionError(
            f"--check {shown(answer)} is not an answer: expected the number of an exercise, 1 to"
            f" {len(lesson.exercises)}, and a value, such as --check 1=0.5"
        ) from None
    is_right, text = lesson.exercises[place].check(given, setting)
    print(text)
    return 0 if is_right else 1


def _find(name: str) -> Lesson:
    """Return the lesson with this name, or with this number in the list."""
    numbered = {str(number): known for number, known in enumerate(NAMES, 1)}
    name = numbered.get(name, name)
    if name not in NAMES:
        raise OptionError(
            f"there is no lesson {shown(name)}: choose a number, 1 to {len(NAMES)}, or one of"
            f" {', '.join(NAMES)}"
        )
    return find_lesson(name)


def _refuse_unused_options(lesson: Lesson, options: argparse.Namespace) -> None:
    for field, option in OPTION_NAMES.items():
        if getattr(options, field) is not None and field not in lesson.options:
            raise OptionError(f"the lesson {lesson.name} has no {option}: leave it out")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/lesson",
        description="A course, from a number that knows its gradient to networks that write words:"
        " every lesson stage by stage, with shapes, equations, numbers and pictures. Without a name"
        " the lessons are listed.",
    )
    parser.add_argument("name", nargs="?", help="the lesson, or its number")
    parser.add_argument(
        "--words",
        metavar="FILE",
        help="a file with a word on each line (data/names.txt, or the list in the package)",
    )
    parser.add_argument("--seed", type=int, default=0, help="the seed of all random numbers (0)")
    parser.add_argument("--pause", action="store_true", help="wait for Enter after each stage")
    parser.add_argument(
        "--check", metavar="1=VALUE", help="say whether this answer to exercise 1 is right"
    )
    parser.add_argument("--word", help="the word to follow (the first short one)")
    parser.add_argument(
        "--learning-rate",
        type=float,
        metavar="RATE",
        help="the learning rate of the lesson bigram (50)",
    )
    return parser


if __name__ == "__main__":
    try:
        code = main()
        sys.stdout.flush()
        sys.exit(code)
    except MakemoreError as error:
        print(f"lesson: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, OptionError) else 1)
    except (KeyboardInterrupt, EOFError):
        sys.exit(130)
    except OSError as error:
        # Otherwise Python would write again when it exits, and report the error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # the reader closed the pipe
            sys.exit(f"lesson: {error.strerror or error}")
