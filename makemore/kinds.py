"""The kinds of models and the options of their training, as two tables.

A new kind of model is one file in ``models/`` and one entry in ``KINDS``; a new option is one row
in ``OPTIONS``. The training record, the checks, the error messages, the command line and its help
are made from these rows. Nothing here imports NumPy, so the command line can read it before it
starts.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

MODEL, DESCENT, EVALUATION = "The model", "Gradient descent", "Evaluation"
TEXT = "How the text is read"

MIN_ORDER, MAX_ORDER = 2, 10
MAX_SMOOTHING = 1e9
SMOOTHING_METHODS = ("kneser-ney", "witten-bell", "additive")


@dataclass(frozen=True)
class Option:
    """An option of training. Its default stands with each kind of model that has it.

    Attributes
    ----------
    name : str
        As in Python; the command line writes it with dashes.
    type : type
        str, int or float; a float may be given as a whole number.
    group, help : str
        The heading of its section in ``makemore train --help``, and its line there.
    accepts : callable
        Whether a value of the type is in range.
    expected : str
        The range in words, as an error message ends: "1 or more".
    choices : tuple of str
        The values that a str may have; they stand in for ``accepts`` and ``expected``.
    applies : callable
        Whether the option decides something, given the values of the others.
    """

    name: str
    type: type
    group: str
    help: str
    accepts: Callable[[Any], bool] = lambda value: True
    expected: str = ""
    choices: tuple[str, ...] = ()
    applies: Callable[[Mapping[str, Any]], bool] = lambda values: True

    @property
    def flag(self) -> str:
        """The option as it is typed."""
        return "--" + self.name.replace("_", "-")

    def fault(self, value: Any) -> str:
        """Return what is wrong with a value, or an empty string. None is no value."""
        kinds: tuple[type, ...] = (int, float) if self.type is float else (self.type,)
        # not isinstance: a bool is no number here
        if type(value) not in kinds:
            return {str: "a text", int: "a whole number", float: "a number"}[self.type]
        if self.choices:
            return "" if value in self.choices else f"one of {', '.join(self.choices)}"
        return "" if self.accepts(value) else self.expected


OPTIONS = (
    Option(
        "order",
        int,
        MODEL,
        "The longest n-gram that the model counts, 2 to 10.",
        lambda value: MIN_ORDER <= value <= MAX_ORDER,
        f"from {MIN_ORDER} to {MAX_ORDER}",
    ),
    Option(
        "smoothing_method",
        str,
        MODEL,
        "How the n-gram model estimates what it has rarely seen.",
        choices=SMOOTHING_METHODS,
    ),
    Option(
        "smoothing",
        float,
        MODEL,
        "What --method counts and additive smoothing add to each count.",
        lambda value: 0 <= value <= MAX_SMOOTHING,
        f"from 0 to {MAX_SMOOTHING:g}",
        applies=lambda values: values.get("smoothing_method", "additive") == "additive",
    ),
    Option(
        "steps",
        int,
        DESCENT,
        "The number of steps.",
        lambda value: value >= 1,
        "1 or more",
    ),
    Option(
        "learning_rate",
        float,
        DESCENT,
        "Do plain gradient descent with this rate. Without it each row of the weights has a rate"
        " that follows from its curvature, and momentum is added.",
        lambda value: 0 < value < math.inf,
        "above 0 and finite",
    ),
    Option(
        "l2",
        float,
        DESCENT,
        "Add this times mean(W**2) to the loss.",
        lambda value: 0 <= value < math.inf,
        "0 or more and finite",
    ),
    Option(
        "seed",
        int,
        DESCENT,
        "The seed of the random weights.",
        lambda value: 0 <= value < 1 << 128,
        "0 or more and of at most 128 bits",
    ),
    Option(
        "holdout",
        float,
        EVALUATION,
        "The share of the distinct words that is kept apart to measure the loss on; 0 for none.",
        lambda value: 0 <= value < 1,
        "0 or more and below 1",
    ),
    Option(
        "min_count",
        int,
        TEXT,
        "Leave out words with a character that occurs less often than this.",
        lambda value: value >= 1,
        "1 or more",
    ),
)
"""The options of all kinds, in the order in which the help shows them."""

OPTION = {option.name: option for option in OPTIONS}

COMMON = {"holdout": 0.1, "min_count": 1}
"""The options that every kind has, and their defaults."""


@dataclass(frozen=True)
class Kind:
    """A kind of model.

    Attributes
    ----------
    name : str
        As on the command line and in checkpoints.
    model : str
        Where its class is, as "module:name".
    trainer : str
        Where the function is that trains it; see ``training.train.Trainer``.
    methods : mapping of str to mapping of str to value
        For each way to train it the options that decide something and their defaults; the first
        method is the default. None as a default means that the option need not have a value.
    """

    name: str
    model: str
    trainer: str
    methods: Mapping[str, Mapping[str, Any]]

    def load_model(self) -> Any:
        """Import the class of the model."""
        return _imported(self.model)

    def load_trainer(self) -> Any:
        """Import the function that trains the model."""
        return _imported(self.trainer)

    def defaults(self, method: str) -> dict[str, Any]:
        """Return the options of a method with their defaults, in the order of ``OPTIONS``."""
        values = {**self.methods[method], **COMMON}
        return {option.name: values[option.name] for option in OPTIONS if option.name in values}


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "bigram",
            "makemore.models.bigram:Bigram",
            "makemore.training.bigram:train_bigram",
            {
                "gradient": {"steps": 100, "learning_rate": None, "l2": 0.0, "seed": 0},
                "counts": {"smoothing": 1.0},
            },
        ),
        Kind(
            "ngram",
            "makemore.models.ngram:Ngram",
            "makemore.training.ngram:train_ngram",
            {"counts": {"order": 5, "smoothing_method": "kneser-ney", "smoothing": 1.0}},
        ),
    )
}

METHODS = tuple(dict.fromkeys(method for kind in KINDS.values() for method in kind.methods))
"""Every way to train some kind of model."""


def _imported(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
