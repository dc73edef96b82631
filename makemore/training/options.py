"""The options of a training, checked against the tables of ``kinds.py``. Imports no NumPy."""

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from makemore.errors import OptionError
from makemore.kinds import KINDS, OPTION


class Settings(TypedDict, total=False):
    """The options of training by name, for type checkers and editors: the rows of ``OPTIONS``."""

    order: int | str | None
    smoothing_method: str | None
    smoothing: float | None
    context: int | None
    embedding_size: int | None
    hidden_size: int | None
    layers: int | None
    heads: int | None
    positions: str | None
    normalization: str | None
    components: str | None
    time_limit: float | None
    steps: int | None
    batch_size: int | None
    learning_rate: float | None
    optimizer: str | None
    schedule: str | None
    warmup: float | None
    weight_decay: float | None
    dropout: float | None
    clip: float | None
    patience: int | None
    device: str | None
    l2: float | None
    seed: int | None
    holdout: float | None
    validation: float | None
    calibration_folds: int | None
    min_count: int | None


class TrainingOptions:
    """What decides the result of a training beside the corpus.

    Parameters
    ----------
    model : str, optional
        A key of ``KINDS``. Without one it is the bigram; but where the bigram's table would be
        large and almost empty, its pairs become an n-gram model of order 2.
    method : str, optional
        A key of the kind's methods; without one it is the first.
    **given
        Options of that method by name, such as ``steps=50``; the others have their defaults. None
        stands for the default.

    Attributes
    ----------
    model, method : str
    model_is_free : bool
        No model was named, and every option that was given suits an n-gram model, too.
    values : dict of str to value
        Every option that decides something, in the order of ``OPTIONS``. Each is an attribute, too.

    Raises
    ------
    OptionError
        A value is out of range, or the option has no effect on this model by this method.
    """

    def __init__(self, model: str = "", method: str = "", **given: Any) -> None:
        named, model = model, model or "bigram"
        if model not in KINDS:
            raise OptionError(f"--model is {model} and must be one of {', '.join(KINDS)}")
        methods = KINDS[model].methods
        self.model, self.method = model, method or next(iter(methods))
        if self.method not in methods:
            raise OptionError(f"--method is {method} and must be {' or '.join(methods)}")
        given = {name: _plain(value) for name, value in given.items() if value is not None}
        self.values = effective(model, self.method, given)
        suits = KINDS["ngram"].defaults("counts").keys()
        self.model_is_free = not (named or method or given.keys() - suits)
        self._refuse_ineffective(given)
        for name, value in given.items():
            if fault := OPTION[name].fault(value):
                raise OptionError(f"{OPTION[name].flag} is {value} and must be {fault}")

    def _refuse_ineffective(self, names: Iterable[str]) -> None:
        """Raise ``OptionError`` for an option that decides nothing here."""
        for name in sorted(names):
            if name not in OPTION:
                raise OptionError(f"there is no option {name} of training")
            if name not in self.values:
                cause = f"by --method {self.method}"
                if name in KINDS[self.model].defaults(self.method):
                    other = OPTION[name].depends_on
                    cause = f"with {OPTION[other].flag} {self.values[other]}"
                raise OptionError(
                    f"{OPTION[name].flag} has no effect on --model {self.model}"
                    f" {cause}{_models_with(name, self.model)}"
                )

    def __getattr__(self, name: str) -> Any:
        """Return the value of an option that decides something."""
        if name != "values" and name in self.values:
            return self.values[name]
        raise AttributeError(f"a training of {self.__dict__.get('model')} has no option {name!r}")

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.record().items())
        return f"TrainingOptions({arguments})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TrainingOptions) and self.record() == other.record()

    def __hash__(self) -> int:
        return hash(tuple(self.record().items()))

    def record(self) -> dict[str, Any]:
        """Return the model, the method and all values, as a checkpoint keeps them."""
        return {"model": self.model, "method": self.method, **self.values}


def effective(model: str, method: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the options that decide something: those given, else the defaults."""
    defaults = KINDS[model].defaults(method)
    values = {name: given.get(name, default) for name, default in defaults.items()}
    return {name: value for name, value in values.items() if OPTION[name].applies(values)}


def _models_with(name: str, model: str) -> str:
    """Return what a message says of the models that have an option; nothing if this one has it."""
    models = [kind.name for kind in KINDS.values() if any(name in m for m in kind.methods.values())]
    return "" if model in models else f": it is for --model {', '.join(models)}"


def _plain(value: Any) -> Any:
    """Return the Python number of a scalar of NumPy, and any other value as it is."""
    return value.item() if getattr(value, "shape", None) == () else value
