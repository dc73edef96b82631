"""Packs a model for the page: as states and arcs, or as the parameters of a network.

A finite automaton is packed as *arcs* in place of full rows: with f(s) the shorter context that a
state s falls back to,

    P(v | s) = probability of the arc (s, v)     if there is one
               share(s) * P(v | f(s))            otherwise

which for an interpolated n-gram model leaves an arc for each n-gram that was seen. A network is
packed as its parameters, a mixture as its weights and components; ``models.js`` has the equations.
Numbers are float32, the precision of a network's parameters. The page's probabilities of an
automaton have a relative error up to 1e-6, and those below 1e-38 become zero.
"""

import base64
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from makemore.arrays import Floats, Ids, States, chunks
from makemore.data.vocabulary import BOUNDARY
from makemore.errors import PlottingError
from makemore.models.base import Automaton, Model
from makemore.models.mixture import Mixture
from makemore.models.network import Network
from makemore.nn.attention import sinusoids

MAX_DATA = 1 << 26
"""The maximum size of a compressed model in bytes: browsers open a page of 90 MB, but slowly."""

_SAME = 1e-9
"""The relative difference below which an arc is left out. Differences add up along fallbacks, and
stay far below the precision of a float32."""


def describe_model(model: Model) -> dict[str, Any]:
    """Return the data from which the page computes the model's probabilities, as JSON values.

    Raises ``PlottingError`` when the model is too large for a page.
    """
    described = _described(model)
    _refuse_large(_packed_size(described))
    return described


def _refuse_large(size: int) -> None:
    if size > MAX_DATA:
        raise PlottingError(
            f"the model takes {size:,} bytes in a page and the limit is {MAX_DATA:,}: train a"
            " smaller network, or an n-gram with --min-count or of a lower --order"
        )


def _described(model: Model) -> dict[str, Any]:
    if isinstance(model, Mixture):
        components = [_described(component) for component in model.components]
        return {"kind": model.name, "weights": model.weights.tolist(), "components": components}
    if isinstance(model, Network):
        return _network_data(model)
    return _automaton_data(model)


def _packed_size(described: Mapping[str, Any]) -> int:
    """Return the size in bytes of the packed numbers, including those of components."""
    own = len(described.get("packed", "")) // 4 * 3
    return own + sum(map(_packed_size, described.get("components", ())))


def _network_data(model: Network) -> dict[str, Any]:
    _refuse_large(4 * model.parameter_count)  # before anything is copied
    arrays, options = model.arrays(), model.options()
    if options.get("positions") == "sinusoidal":  # browsers differ in the last bit of a sine
        positions = np.arange(options["longest"] + 1)
        arrays["positions.weight"] = sinusoids(positions, options["embedding_size"])
    return {
        "kind": model.name,
        "options": options,
        "arrays": [[name, array.size] for name, array in arrays.items()],
        "packed": _packed([(array, "<f4") for array in arrays.values()]),
    }


def _automaton_data(model: Model) -> dict[str, Any]:
    automaton = model.automaton()
    if automaton is None:
        raise PlottingError(
            f"a page cannot hold this {model.name}: it has too many states: train one of a lower"
            " --order, or with --min-count"
        )
    arcs = Arcs.of(automaton)
    return {
        "kind": "automaton",
        "start": arcs.start,
        "states": len(arcs.lengths),
        "arcs": len(arcs.symbols),
        "packed": arcs.packed(),
    }


def _packed(arrays: Sequence[tuple[npt.NDArray[Any], str]]) -> str:
    """Return the concatenation of arrays in the given types, as a zlib stream in base64."""
    whole = b"".join(array.astype(kind).tobytes() for array, kind in arrays)
    return base64.b64encode(zlib.compress(whole, 9)).decode("ascii")


@dataclass(frozen=True)
class Arcs:
    """An automaton as S states and A arcs, which are sorted by state and symbol.

    Attributes
    ----------
    start : int
    fallbacks : array of shape (S,), int32
        -1 for a state without one, which has an arc for each of V symbols.
    shares : array of shape (S,), float64
    lengths : array of shape (S,)
        The number of arcs of each state.
    symbols : array of shape (A,)
    probabilities : array of shape (A,), float64
    successors : array of shape (A,), int32
    """

    start: int
    fallbacks: States
    shares: Floats
    lengths: Ids
    symbols: Ids
    probabilities: Floats
    successors: States

    @classmethod
    def of(cls, automaton: Automaton) -> "Arcs":
        """Return the fewest arcs that determine the automaton."""
        S, V = automaton.log_probabilities.shape
        fallbacks = automaton.fallbacks
        if fallbacks is None:
            fallbacks = np.full(S, -1, np.int32)
        parts = [_cut_down(automaton, fallbacks[chunk], chunk) for chunk in chunks(S, V)]
        return cls(automaton.start, fallbacks, *map(np.concatenate, zip(*parts, strict=True)))

    def packed(self) -> str:
        """Return the arrays, packed in little-endian order."""
        return _packed(
            [  # wide types come first, so that all are aligned
                (self.fallbacks, "<i4"),
                (self.shares, "<f4"),
                (self.probabilities, "<f4"),
                (self.successors, "<i4"),
                (self.lengths, "<u2"),
                (self.symbols, "<u2"),
            ]
        )


def _cut_down(
    automaton: Automaton, fallbacks: States, chunk: slice
) -> tuple[Floats, Ids, Ids, Floats, States]:
    """Return the fields of ``Arcs`` from ``shares`` on for a chunk of states."""
    falls_back = (fallbacks >= 0)[:, None]
    P = np.exp(automaton.log_probabilities[chunk])
    lower = np.where(falls_back, np.exp(automaton.log_probabilities[fallbacks]), 0.0)
    # Interpolation only adds to the share of the fallback, which is the smallest ratio.
    ratios = np.divide(P, lower, out=np.full(P.shape, np.inf), where=lower > 0)
    shares = np.where(falls_back, ratios.min(axis=1, keepdims=True), 0.0)
    successors = automaton.successors[chunk]
    leads_elsewhere = successors != automaton.successors[fallbacks]
    leads_elsewhere[:, BOUNDARY] = False  # the word has ended
    is_arc = ~falls_back | leads_elsewhere | (np.abs(P - shares * lower) > _SAME * P)
    lengths = is_arc.sum(axis=1)
    return shares[:, 0], lengths, np.nonzero(is_arc)[1], P[is_arc], successors[is_arc]
