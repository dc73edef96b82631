"""The lessons of the course, in their order."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module

from lessons.exercises import EXERCISES, Exercise
from lessons.setting import Setting
from lessons.stage import Stage

NAMES = (
    "numbers",
    "regression",
    "bigram",
    "mlp",
    "backprop",
    "wavenet",
    "recurrent",
    "transformer",
    "embeddings",
    "letters",
    "autoencoder",
    "diffusion",
)
"""The modules of the lessons, in the order of the course."""


@dataclass(frozen=True)
class Lesson:
    """One lesson.

    Attributes
    ----------
    name, title : str
    minutes : float
        The maximum computing time on two cores.
    stages : callable
        Yields the stages for a setting.
    exercises : tuple of Exercise
    options : tuple of str
        The optional attributes of a setting that this lesson uses.
    """

    name: str
    title: str
    minutes: float
    stages: Callable[[Setting], Iterator[Stage]]
    exercises: tuple[Exercise, ...]
    options: tuple[str, ...] = ()


def find_lesson(name: str) -> Lesson:
    """Return the lesson with this name, one of ``NAMES``."""
    module = import_module(f"lessons.{name}")
    return Lesson(
        name,
        module.TITLE,
        module.MINUTES,
        module.stages,
        EXERCISES[name],
        getattr(module, "OPTIONS", ()),
    )


def overview() -> list[str]:
    """Return a line for each lesson: number, name, title, minutes."""
    lessons = [find_lesson(name) for name in NAMES]
    width = max(len(lesson.title) for lesson in lessons)
    return [
        f"{number:2}  {lesson.name:12}  {lesson.title:{width}}  {lesson.minutes:.1f} min"
        for number, lesson in enumerate(lessons, 1)
    ]
