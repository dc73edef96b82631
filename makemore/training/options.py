"""The options of a training, checked against the tables of ``kinds.py``. Imports no NumPy."""

from collections.abc import Iterable
from typing import Any

from makemore.errors import OptionError
from makemore.kinds import KINDS, OPTION


class TrainingOptions:
    """What decides the result of a training beside the corpus.

    Parameters
    ----------
    model : str
        A key of ``KINDS``.
    method : str, optional
        A key of the kind's methods; without one it is the first.
    **given
        Options of that method by name, such as ``steps=50``; the others have their defaults. None
        stands for the default.

    Attributes
    ----------
    model, method : str
    values : dict of str to value
        Every option that decides something, in the order of ``OPTIONS``. Each is an attribute, too.

    Raises
    ------
    OptionError
        A value is out of range, or the option has no effect on this model by this method.
    """

    def __init__(self, model: str = "bigram", method: str = "", **given: Any) -> None:
        if model not in KINDS:
            raise OptionError(f"--model is {model} and must be one of {', '.join(KINDS)}")
        methods = KINDS[model].methods
        self.model, self.method = model, method or next(iter(methods))
        if self.method not in methods:
            raise OptionError(f"--method is {method} and must be {' or '.join(methods)}")
        defaults = KINDS[model].defaults(self.method)
        given = {name: value for name, value in given.items() if value is not None}
        values = {name: given.get(name, default) for name, default in defaults.items()}
        self.values = {name: v for name, v in values.items() if OPTION[name].applies(values)}
        self._refuse_idle(given)
        for name, value in given.items():
            if fault := OPTION[name].fault(value):
                raise OptionError(f"{OPTION[name].flag} is {value} and must be {fault}")

    def _refuse_idle(self, names: Iterable[str]) -> None:
        """Raise ``OptionError`` for an option that decides nothing here."""
        for name in sorted(names):
            if name not in OPTION:
                raise OptionError(f"there is no option {name} of training")
            if name not in self.values:
                raise OptionError(
                    f"{OPTION[name].flag} has no effect on --model {self.model} by --method"
                    f" {self.method}"
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
