"""What several test files share: the real names, and small models."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

# The tests run on all cores, and threads of NumPy would wait for each other. NumPy reads this once.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import settings

from makemore.arrays import Floats
from makemore.counting.bigrams import bigram_pairs, count_pairs
from makemore.data.vocabulary import Vocabulary
from makemore.models.base import Automaton, Model
from makemore.models.bigram import Bigram, weights_from_counts

settings.register_profile("makemore", deadline=None)  # a busy machine is no failure
settings.load_profile("makemore")

# Matplotlib's cache of fonts belongs to a user, and other environments of the user write it, too.
os.environ.setdefault("MPLCONFIGDIR", str(Path(sys.prefix) / "matplotlib"))

# What a shell runs in the background ignores SIGINT, and child processes would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def names_path() -> Path:
    """Return the path of the real names.txt, or skip."""
    path = os.environ.get("MAKEMORE_NAMES")
    if not path:
        pytest.skip("MAKEMORE_NAMES does not name the real names.txt")
    return Path(path)


@pytest.fixture(scope="session")
def names(names_path: Path) -> list[str]:
    """Return the 32,033 names."""
    return names_path.read_text().split("\n")


def make_bigram(words: list[str], smoothing: float = 0.5) -> Bigram:
    """Return the closed-form model of ``words``."""
    vocabulary = Vocabulary("".join(words))
    N = count_pairs(*bigram_pairs(words, vocabulary), len(vocabulary))
    return Bigram(vocabulary, weights_from_counts(N, smoothing), N)


def automaton_of(model: Model) -> Automaton:
    """Return the automaton of a model that must have one."""
    automaton = model.automaton()
    assert automaton is not None
    return automaton


@pytest.fixture
def small_model() -> Bigram:
    """Return a model of three characters in which every pair is possible."""
    return make_bigram(["abc", "ab", "b", "ca", "cab"])


@pytest.fixture(scope="session")
def names_model(names: list[str]) -> Bigram:
    """Return the closed-form model of the real names."""
    return make_bigram(names, smoothing=0.01)


def central_difference(
    f: Callable[[Floats], float], x: Floats, direction: Floats, h: float = 1e-6
) -> float:
    """Return the derivative of f at x along a direction, by differences."""
    return (f(x + h * direction) - f(x - h * direction)) / (2 * h)


def random_array(*shape: int, seed: int = 0, scale: float = 1.0) -> Floats:
    """Return normal numbers, the same for the same arguments."""
    return np.random.default_rng(seed).normal(0, scale, shape)
