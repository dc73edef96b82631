"""A mixture of models: the weighted mean of their probabilities for the next symbol.

    P(v | s) = sum_i w_i P_i(v | s)        w_i > 0, sum_i w_i = 1

Models of different kinds err in different places, so their mean is better than each of them. The
weights are found by ``mixture_weights``. Source: Jelinek and Mercer 1980, "Interpolated estimation
of Markov source parameters from sparse data".

Left out: weights that depend on the context.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from makemore.archive import ArraySpec
from makemore.arrays import Arrays, Counts, Floats, Ids
from makemore.data.vocabulary import Vocabulary
from makemore.errors import CheckpointError
from makemore.kinds import load_model, model_names
from makemore.models.base import Model, Options, State, arrays_of

MAX_COMPONENTS = 64
ITERATIONS = 300
SMALLEST = 0.005
"""A component with a smaller weight adds nothing and is dropped."""


class Mixture(Model):
    """The weighted mean of several models of one vocabulary.

    Its state is the arrays of its components' states, one after another.

    Attributes
    ----------
    components : list of Model
    weights : array of shape (components,), float64
    """

    name: ClassVar[str] = "mixture"

    def __init__(self, components: Sequence[Model], weights: Floats) -> None:
        self.components = list(components)
        self.vocabulary = components[0].vocabulary
        self.weights = np.asarray(weights, np.float64)
        self.context_length = _largest(model.context_length for model in components)
        self._empty = [model.start(0) for model in components]  # states of no words

    def start(self, B: int) -> State:
        """Return the states of all components before the first symbol."""
        return tuple(a for model in self.components for a in arrays_of(model.start(B)))

    def advance(self, state: State, symbols: Ids) -> State:
        """Return the states of all components after one more symbol."""
        moved = [
            model.advance(own, symbols)
            for model, own in zip(self.components, self._split(state), strict=True)
        ]
        return tuple(a for own in moved for a in arrays_of(own))

    def log_probabilities(self, state: State) -> Floats:
        """Return log P(next symbol) in nats, (B, V)."""
        own = zip(self.components, self._split(state), strict=True)
        return self._mean([model.log_probabilities(part) for model, part in own])

    def symbol_log_probabilities(self, ids: Ids) -> Floats:
        """Return log P of each symbol, each component in its own fastest way."""
        return self._mean([model.symbol_log_probabilities(ids) for model in self.components])

    def _split(self, state: State) -> list[State]:
        arrays, found = iter(arrays_of(state)), list[State]()
        for empty in self._empty:
            own = tuple(islice(arrays, len(arrays_of(empty))))
            found.append(own if isinstance(empty, tuple) else own[0])
        return found

    def _mean(self, log_P: Sequence[Floats]) -> Floats:
        """Return the log of the weighted mean of probabilities, given as logarithms."""
        with np.errstate(divide="ignore", invalid="ignore"):  # nan stays nan
            total = log_P[0] + np.log(self.weights[0])
            for part, weight in zip(log_P[1:], self.weights[1:], strict=True):
                total = np.logaddexp(total, part + np.log(weight))
        return np.asarray(total)

    def symbol_vectors(self) -> Floats | None:
        """Return the vectors of the weightiest component that has some."""
        return next(filter(_is_there, (m.symbol_vectors() for m in self._weightiest_first())), None)

    def attention(self, ids: Ids) -> Floats | None:
        """Return the attention of the weightiest component that has some."""
        return next(filter(_is_there, (m.attention(ids) for m in self._weightiest_first())), None)

    def _weightiest_first(self) -> list[Model]:
        return [self.components[i] for i in np.argsort(-self.weights, kind="stable")]

    @property
    def state_cells(self) -> int:
        """The size of the largest array in the state of a word, however long it is."""
        return max(model.state_cells for model in self.components)

    @property
    def longest_word(self) -> int | None:
        """The maximum length of a word in characters; None where a component has no limit."""
        return _largest(model.longest_word for model in self.components)

    @property
    def parameter_count(self) -> int:
        """The parameters of all components, and their weights."""
        return len(self.weights) + sum(model.parameter_count for model in self.components)

    def describe_parts(self) -> list[str]:
        """Return the weight of each component, its kind and its size."""
        return [
            f"{weight:.3f} {model.name}, {model.parameter_count:,} parameters"
            for weight, model in zip(self.weights.tolist(), self.components, strict=True)
        ]

    def options(self) -> dict[str, Any]:
        """Return the names and options of the components."""
        return {
            "components": [
                {"name": model.name, "options": model.options()} for model in self.components
            ]
        }

    def bigram_counts(self) -> Counts | None:
        """Return N of the training words, (V, V), if a component keeps it."""
        found = (component.bigram_counts() for component in self.components)
        return next((counts for counts in found if counts is not None), None)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the weights, and the arrays of each component with its number before the name."""
        parts = {
            f"{number}.{name}": array
            for number, model in enumerate(self.components)
            for name, array in model.arrays().items()
        }
        return {"mixture_weights": self.weights, **parts}

    @classmethod
    def array_specs(cls, vocabulary: Vocabulary, options: Options) -> dict[str, ArraySpec]:
        """Return the type and shape of each of ``arrays()``. Raises ``CheckpointError``."""
        kinds = _kinds(options)
        specs = {"mixture_weights": ArraySpec("<f8", (len(kinds),))}
        for number, (kind, own) in enumerate(kinds):
            for name, spec in kind.array_specs(vocabulary, own).items():
                specs[f"{number}.{name}"] = spec
        return specs

    @classmethod
    def from_arrays(cls, vocabulary: Vocabulary, options: Options, arrays: Arrays) -> Self:
        """Return the mixture of these parts. Raises ``CheckpointError``."""
        weights = arrays["mixture_weights"]
        if not (weights > 0).all() or abs(weights.sum() - 1) > 1e-9:
            raise CheckpointError("the weights of its mixture are not those of a mean")
        components = []
        for number, (kind, own) in enumerate(_kinds(options)):
            start = f"{number}."
            parts = {n.removeprefix(start): a for n, a in arrays.items() if n.startswith(start)}
            components.append(kind.from_arrays(vocabulary, own, parts))
        return cls(components, weights)


def _largest(lengths: Iterable[int | None]) -> int | None:
    """Return the largest of the components' lengths; None, which is no limit, where one is None."""
    known = list(lengths)
    return None if None in known else max(filter(None, known))


def _is_there(array: Floats | None) -> bool:
    return array is not None


def _kinds(options: Options) -> list[tuple[type[Model], Options]]:
    """Return the class and the options of each component. Raises ``CheckpointError``."""
    components = options.get("components")
    if options.keys() != {"components"} or type(components) is not list or not components:
        raise CheckpointError("a mixture's options are a list of its components")
    if len(components) > MAX_COMPONENTS:
        raise CheckpointError(f"a mixture has at most {MAX_COMPONENTS} components")
    found: list[tuple[type[Model], Options]] = []
    for part in components:
        if type(part) is not dict or part.keys() != {"name", "options"}:
            raise CheckpointError("a component of a mixture has a name and options")
        name, own = part["name"], part["options"]
        if name == Mixture.name or name not in model_names() or type(own) is not dict:
            raise CheckpointError(f"a mixture cannot have the component {ascii(name)[:80]}")
        found.append((load_model(name), own))
    return found


def mixture_weights(log_P: Sequence[Floats], counts: Floats) -> Floats:
    """Return the weights of the mean with the least loss on some symbols, (components,).

    Expectation maximisation (Dempster, Laird and Rubin 1977): each step gives a component the share
    of the symbols that it accounts for, w_i <- mean of w_i P_i / sum_j w_j P_j. The loss never
    rises. Weights of components that add nothing end at 0.

    Parameters
    ----------
    log_P : arrays of shape (n,), nats
        What each component gives the n symbols.
    counts : array of shape (n,)
        How often each symbol counts.
    """
    table = np.stack(log_P)
    best = table.max(axis=0)
    P = np.exp(table - np.where(np.isfinite(best), best, 0.0))
    seen = P.sum(axis=0) > 0
    if not seen.any():  # nothing tells the components apart
        return np.full(len(P), 1 / len(P))
    P, counts = P[:, seen], counts[seen] / counts[seen].sum()
    weights = np.full(len(P), 1 / len(P))
    for _ in range(ITERATIONS):
        joint = weights[:, None] * P
        weights = (joint / joint.sum(axis=0)) @ counts
    weights[weights < SMALLEST] = 0.0
    return np.asarray(weights / weights.sum())
