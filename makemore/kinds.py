"""The kinds of models and the options of their training, as two tables.

A new kind of model is one file in ``models/`` and one entry in ``KINDS``; a new option is one row
in ``OPTIONS``. The training record, the checks, the error messages, the command line and its help
are made from these rows. Nothing here imports NumPy, so the command line can read it before it
starts.
"""

import math
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, NamedTuple

MODEL, DESCENT, EVALUATION = "The model", "Gradient descent", "Evaluation"
NETWORK = "The size of a network"
TEXT = "How the text is read"

MIN_ORDER, MAX_ORDER = 2, 10
AUTO = "auto"
MAX_SMOOTHING = 1e9
SMOOTHING_METHODS = ("kneser-ney", "witten-bell", "additive")
OPTIMIZERS = ("adamw", "adam", "rmsprop", "sgd")
SCHEDULES = ("one-cycle", "cosine", "constant")
POSITIONS = ("learnt", "sinusoidal")
DEVICES = ("cpu", "cuda")
MAX_WIDTH = 8_192
MAX_CONTEXT = 64
SEEDS = 1 << 128


class Range(NamedTuple):
    """The values that a number may have, and how an error message says so: "1 or more"."""

    holds: Callable[[Any], bool]
    text: str


def _from(low: int, high: int) -> Range:
    return Range(lambda value: low <= value <= high, f"from {low} to {high}")


_ANY = Range(lambda value: True, "")
_SHARE = Range(lambda value: 0 <= value < 1, "0 or more and below 1")
_POSITIVE = Range(lambda value: 0 < value < math.inf, "above 0 and finite")
_NOT_NEGATIVE = Range(lambda value: 0 <= value < math.inf, "0 or more and finite")
_ONE_OR_MORE = Range(lambda value: value >= 1, "1 or more")


class Option(NamedTuple):
    """An option of training. Its default stands with each kind of model that has it.

    Attributes
    ----------
    name : str
        As in Python; the command line writes it with dashes.
    type : type
        str, int or float; a float may be given as a whole number.
    group, help : str
        The heading of its section in ``makemore train --help``, and its line there.
    range : Range, optional
        The values that a number may have.
    choices : tuple of str
        The values that a str may have; any without them.
    applies : callable
        Whether the option decides something, given the values of all.
    depends_on : str
        The option whose value ``applies`` looks at.
    words : tuple of str
        What may stand in place of a number.
    aliases : tuple of str
        Other names that the command line takes for it.
    """

    name: str
    type: type
    group: str
    help: str
    range: Range = _ANY
    choices: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    applies: Callable[[Mapping[str, Any]], bool] = lambda values: True
    depends_on: str = ""
    aliases: tuple[str, ...] = ()

    def parsed(self, text: str) -> Any:
        """Return the value that a text stands for. Raises ``ValueError`` for no such value."""
        return text if text in self.words else self.type(text)

    @property
    def is_share(self) -> bool:
        """Whether the number is a part of 1: the command line takes it as 0.1 or as 10%."""
        return self.range is _SHARE

    @property
    def flag(self) -> str:
        """The option as it is typed."""
        return "--" + self.name.replace("_", "-")

    def fault(self, value: Any) -> str:
        """Return what a value must be, or an empty string where it is right. None is no value."""
        if value in self.words:
            return ""
        kinds: tuple[type, ...] = (int, float) if self.type is float else (self.type,)
        # not isinstance: a bool is no number here
        if type(value) not in kinds:
            return {str: "a text", int: "a whole number", float: "a number"}[self.type]
        if self.choices:
            return "" if value in self.choices else f"one of {', '.join(self.choices)}"
        return "" if self.range.holds(value) else self.range.text


OPTIONS = (
    Option(
        "order",
        int,
        MODEL,
        "The length of the longest n-gram, 2 to 10; auto chooses the best one on validation words.",
        Range(
            lambda value: MIN_ORDER <= value <= MAX_ORDER,
            f"from {MIN_ORDER} to {MAX_ORDER}, or auto",
        ),
        words=(AUTO,),
    ),
    Option(
        "smoothing_method",
        str,
        MODEL,
        "How the n-gram model estimates rare and unseen n-grams.",
        choices=SMOOTHING_METHODS,
    ),
    Option(
        "smoothing",
        float,
        MODEL,
        "What --method counts and additive smoothing add to each count.",
        Range(lambda value: 0 <= value <= MAX_SMOOTHING, f"from 0 to {MAX_SMOOTHING:g}"),
        applies=lambda values: values.get("smoothing_method", "additive") == "additive",
        depends_on="smoothing_method",
    ),
    Option(
        "context",
        int,
        NETWORK,
        "How many symbols an mlp or a wavenet sees; for a wavenet a power of 2.",
        _from(1, MAX_CONTEXT),
    ),
    Option(
        "embedding_size",
        int,
        NETWORK,
        "The size of a symbol's embedding; in a transformer the width of all layers.",
        _from(1, MAX_WIDTH),
        aliases=("--n-embd",),
    ),
    Option(
        "hidden_size",
        int,
        NETWORK,
        "The width of the hidden layers.",
        _from(1, MAX_WIDTH),
        aliases=("--n-embd2",),
    ),
    Option(
        "layers",
        int,
        NETWORK,
        "The number of hidden layers, or of a transformer's blocks.",
        _from(1, 64),
        aliases=("--n-layer",),
    ),
    Option(
        "heads",
        int,
        NETWORK,
        "The number of attention heads, a divisor of --embedding-size.",
        _from(1, MAX_WIDTH),
        aliases=("--n-head",),
    ),
    Option(
        "positions",
        str,
        NETWORK,
        "How a transformer knows the positions of symbols.",
        choices=POSITIONS,
    ),
    Option(
        "normalization",
        str,
        NETWORK,
        "Whether the hidden layers of an mlp are normalised over the mini-batch.",
        choices=("none", "batch"),
    ),
    Option(
        "components",
        str,
        MODEL,
        "The components of a mixture, such as 'ngram:order=5 gru:steps=2000,hidden_size=256'."
        " Without it they are chosen for the time limit.",
    ),
    Option(
        "time_limit",
        float,
        DESCENT,
        "The seconds that the whole command may take. A mixture chooses its components for them; a"
        " network takes fewer --steps if it must. Without --model it trains a mixture.",
        _POSITIVE,
        applies=lambda values: not values.get("components"),
        depends_on="components",
    ),
    Option(
        "steps",
        int,
        DESCENT,
        "The number of steps. A network takes one mini-batch a step.",
        Range(lambda value: 1 <= value < 1 << 63, "1 or more and of at most 63 bits"),
        aliases=("--max-steps",),
    ),
    Option(
        "batch_size",
        int,
        DESCENT,
        "The number of words in a mini-batch.",
        _from(1, 1 << 20),
        aliases=("-b",),
    ),
    Option(
        "learning_rate",
        float,
        DESCENT,
        "Bigram: do plain gradient descent with this rate; without it each row of the weights has a"
        " rate that follows from its curvature, and momentum is added. Networks: the highest rate"
        " of the schedule.",
        _POSITIVE,
        aliases=("-l",),
    ),
    Option("optimizer", str, DESCENT, "The optimizer of a network.", choices=OPTIMIZERS),
    Option(
        "schedule",
        str,
        DESCENT,
        "How the learning rate changes after the warm-up.",
        choices=SCHEDULES,
    ),
    Option(
        "warmup",
        float,
        DESCENT,
        "The share of the steps in which the learning rate rises.",
        _SHARE,
    ),
    Option(
        "weight_decay",
        float,
        DESCENT,
        "How fast a network's weights shrink, relative to the learning rate.",
        _NOT_NEGATIVE,
        aliases=("-w",),
    ),
    Option(
        "dropout",
        float,
        DESCENT,
        "The share of a layer's outputs that is set to 0 in each step of training.",
        _SHARE,
    ),
    Option(
        "clip",
        float,
        DESCENT,
        "Clip the norm of the gradient to this; 0 does not clip it.",
        _NOT_NEGATIVE,
    ),
    Option(
        "patience",
        int,
        DESCENT,
        "Stop after this many measurements of the validation loss without a better one; 0 never"
        " stops early.",
        Range(lambda value: value >= 0, "0 or more"),
        applies=lambda values: bool(values["validation"] or not values["patience"]),
        depends_on="validation",
    ),
    Option(
        "device",
        str,
        DESCENT,
        "Where a network's steps are computed: cuda is an NVIDIA GPU, and needs the package cupy.",
        choices=DEVICES,
    ),
    Option(
        "l2",
        float,
        DESCENT,
        "Add this times mean(W**2) to the loss.",
        _NOT_NEGATIVE,
    ),
    Option(
        "seed",
        int,
        DESCENT,
        "The seed of all random numbers of the training.",
        Range(lambda value: 0 <= value < SEEDS, "0 or more and of at most 128 bits"),
    ),
    Option(
        "holdout",
        float,
        EVALUATION,
        "The share of the distinct words that is held out to measure the loss; 0 for none.",
        _SHARE,
    ),
    Option(
        "validation",
        float,
        EVALUATION,
        "The share of the distinct words on which the best step of a network is chosen. They are"
        " neither trained on nor held out.",
        _SHARE,
    ),
    Option(
        "calibration_folds",
        int,
        EVALUATION,
        "Also train this many networks, each without one part of the training words, and calibrate"
        " score --fpr on that part, too. Each takes as long as the training itself.",
        Range(lambda value: 2 <= value <= 100, "from 2 to 100"),
    ),
    Option(
        "min_count",
        int,
        TEXT,
        "Leave out words with a character that occurs less often than this; with --unknown they"
        " stay.",
        _ONE_OR_MORE,
    ),
)
"""The options of all kinds, in the order in which the help shows them."""

OPTION = {option.name: option for option in OPTIONS}

COMMON = {"holdout": 0.1, "min_count": 1}
"""The options that every kind has, and their defaults."""


class Kind(NamedTuple):
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
    has_large_products : bool
        Whether its training multiplies large matrices, as that of a network does.
    """

    name: str
    model: str
    trainer: str
    methods: Mapping[str, Mapping[str, Any]]
    has_large_products: bool = False

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


_STEPS = {
    "optimizer": "adamw",
    "schedule": "cosine",
    "warmup": 0.05,
    "clip": 1.0,
    "patience": 0,
    "device": "cpu",
    "seed": 0,
    "time_limit": None,
    "validation": 0.02,
    "calibration_folds": None,
}
"""The defaults that all networks share."""


def _network(name: str, place: str, sizes: Mapping[str, Any], **descent: Any) -> Kind:
    """Return a kind that is trained by mini-batches; the defaults of its sizes and its descent."""
    return Kind(
        name,
        f"makemore.models.{place}",
        "makemore.training.minibatch:train_network",
        {"gradient": {**_STEPS, **sizes, **descent}},
        has_large_products=True,
    )


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
        _network(
            "mlp",
            "mlp:Mlp",
            {
                "context": 8,
                "embedding_size": 32,
                "hidden_size": 256,
                "layers": 2,
                "normalization": "none",
            },
            steps=3000,
            batch_size=256,
            learning_rate=5e-3,
            weight_decay=0.05,
            dropout=0.15,
        ),
        _network(
            "bow",
            "bow:Bow",
            {"embedding_size": 64, "hidden_size": 256},
            steps=2000,
            batch_size=256,
            learning_rate=3e-3,
            weight_decay=0.01,
            dropout=0.0,
        ),
        _network(
            "wavenet",
            "wavenet:Wavenet",
            {"context": 8, "embedding_size": 32, "hidden_size": 192},
            steps=3000,
            batch_size=256,
            learning_rate=3e-3,
            weight_decay=0.05,
            dropout=0.1,
        ),
        _network(
            "rnn",
            "recurrent:Rnn",
            {"embedding_size": 48, "hidden_size": 256, "layers": 1},
            steps=3000,
            batch_size=128,
            learning_rate=2e-3,
            weight_decay=0.02,
            dropout=0.2,
        ),
        _network(
            "gru",
            "recurrent:Gru",
            {"embedding_size": 48, "hidden_size": 256, "layers": 1},
            steps=2000,
            batch_size=128,
            learning_rate=4e-3,
            weight_decay=0.05,
            dropout=0.25,
        ),
        _network(
            "lstm",
            "recurrent:Lstm",
            {"embedding_size": 64, "hidden_size": 256, "layers": 1},
            steps=2500,
            batch_size=128,
            learning_rate=4e-3,
            weight_decay=0.05,
            dropout=0.4,
        ),
        _network(
            "transformer",
            "transformer:Transformer",
            {"embedding_size": 64, "layers": 4, "heads": 4, "positions": "learnt"},
            steps=7000,
            batch_size=256,
            learning_rate=2e-3,
            weight_decay=0.1,
            dropout=0.2,
        ),
        Kind(
            "mixture",
            "makemore.models.mixture:Mixture",
            "makemore.training.mixture:train_mixture",
            {
                "gradient": {
                    "components": None,
                    "time_limit": 60.0,
                    "seed": 0,
                    "validation": 0.02,
                }
            },
            has_large_products=True,
        ),
    )
}

_IMPORTED = {"backoff": "makemore.models.backoff:Backoff"}
"""Models that are read from other tools' files and never trained."""


def model_names() -> list[str]:
    """Return the name of every model that may be in a checkpoint."""
    return [*KINDS, *_IMPORTED]


def load_model(name: str) -> Any:
    """Import the class of the model of this name, which is one of ``model_names``."""
    return KINDS[name].load_model() if name in KINDS else _imported(_IMPORTED[name])


METHODS = tuple(dict.fromkeys(method for kind in KINDS.values() for method in kind.methods))
"""Every way to train some kind of model."""


def _imported(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
