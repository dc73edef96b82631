"""One HTML page of a checkpoint that anyone can open from a disk and that asks for nothing else.

The page is made of the files in ``page/``: its frame, its style and two scripts, ``maths.js`` (the
model, as pure functions) and ``page.js`` (what is seen and touched). They go into one file together
with a block of JSON, which holds all that comes from the checkpoint. Nothing of that is ever markup
or script: the block has no ``<``, the scripts hand its texts to the page as texts only, and the
page's content security policy lets no other script run and no request leave.

The model goes into the page as an automaton with the rows cut down to *arcs*: with f(s) the shorter
context that a state s falls back to,

    P(v | s) = probability of the arc (s, v)     where there is one
               share(s) * P(v | f(s))            elsewhere

which for an interpolated n-gram model leaves one arc for each n-gram that was seen. Numbers are
float32, so the page's probabilities are within 1e-6 of the model's, relatively; those below 1e-38
are zero there. The page goes on from them with + - * / in float64 alone, which IEEE 754 defines to
the last bit, so every browser draws the same words from the same seed.
"""

import base64
import hashlib
import json
import math
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from makemore.arrays import Floats, Ids, States, chunks
from makemore.data.corpus import CorpusFacts
from makemore.data.vocabulary import BOUNDARY
from makemore.errors import PlottingError, shown, unwritable
from makemore.evaluation.losses import bits_per_symbol, perplexity
from makemore.files import replace_atomically
from makemore.models.base import Automaton, Model
from makemore.pictures.labels import log_spaced_steps, select_symbols
from makemore.training.record import Checkpoint, TrainingRecord
from makemore.version import __version__

MAX_SHOWN = 64
"""The most symbols that the page's heatmap shows: each pair is an element of the page."""

MAX_DATA = 1 << 26
"""The most bytes of compressed model in a page: browsers open a page of 90 MB, but slowly."""

MAX_CURVE_POINTS = 300

_SAME = 1e-9
"""Relative difference below which a row is told by its fallback's. It adds up along fallbacks, and
stays far below the precision of a float32."""


@dataclass(frozen=True)
class Arcs:
    """An automaton in rows of different length; S states, A arcs in order of state and symbol.

    Attributes
    ----------
    start : int
    fallbacks : array of shape (S,), int32
        -1 where a state has none; its arcs are then all V symbols.
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
        """Return the fewest arcs that tell the automaton."""
        S, V = automaton.log_probabilities.shape
        fallbacks = automaton.fallbacks
        if fallbacks is None:
            fallbacks = np.full(S, -1, np.int32)
        parts = [_cut_down(automaton, fallbacks[chunk], chunk) for chunk in chunks(S, V)]
        return cls(automaton.start, fallbacks, *map(np.concatenate, zip(*parts, strict=True)))

    def packed(self) -> bytes:
        """Return the arrays one after another, little-endian and compressed as a zlib stream."""
        arrays: list[tuple[npt.NDArray[Any], str]] = [  # wide types first, so that all are aligned
            (self.fallbacks, "<i4"),
            (self.shares, "<f4"),
            (self.probabilities, "<f4"),
            (self.successors, "<i4"),
            (self.lengths, "<u2"),
            (self.symbols, "<u2"),
        ]
        return zlib.compress(b"".join(a.astype(kind).tobytes() for a, kind in arrays), 9)


def _cut_down(
    automaton: Automaton, fallbacks: States, chunk: slice
) -> tuple[Floats, Ids, Ids, Floats, States]:
    """Return the fields of ``Arcs`` from ``shares`` on for a chunk of states."""
    falls_back = (fallbacks >= 0)[:, None]
    P = np.exp(automaton.log_probabilities[chunk])
    lower = np.where(falls_back, np.exp(automaton.log_probabilities[fallbacks]), 0.0)
    # Interpolation only adds to what the fallback gives, so the smallest ratio is the share.
    ratios = np.divide(P, lower, out=np.full(P.shape, np.inf), where=lower > 0)
    shares = np.where(falls_back, ratios.min(axis=1, keepdims=True), 0.0)
    successors = automaton.successors[chunk]
    leads_elsewhere = successors != automaton.successors[fallbacks]
    leads_elsewhere[:, BOUNDARY] = False  # a word is over
    is_arc = ~falls_back | leads_elsewhere | (np.abs(P - shares * lower) > _SAME * P)
    lengths = is_arc.sum(axis=1)
    return shares[:, 0], lengths, np.nonzero(is_arc)[1], P[is_arc], successors[is_arc]


def write_page(checkpoint: Checkpoint, path: str | os.PathLike[str] = "makemore.html") -> None:
    """Write the page of ``checkpoint`` to ``path``, whole or not at all.

    Raises ``PlottingError`` when the model is too large for a page, the name does not end in .html
    or .htm, or the file cannot be written.
    """
    refuse_other_endings(path)
    page = render_page(checkpoint)
    try:
        with replace_atomically(path) as file:
            file.write(page.encode("utf-8"))
    except OSError as error:
        raise PlottingError(unwritable(path, error)) from error


def refuse_other_endings(path: str | os.PathLike[str]) -> None:
    """Raise ``PlottingError`` for a path that names no page: it may name something dear."""
    if os.path.splitext(path)[1].lower() not in (".html", ".htm"):
        raise PlottingError(
            f"{shown(os.fspath(path))} names no page: its name must end in .html or .htm"
        )


def render_page(checkpoint: Checkpoint) -> str:
    """Return the page of ``checkpoint``, to be stored as UTF-8.

    Raises ``PlottingError`` when the model is too large for a page.
    """
    style = _source("page.css")
    script = _source("maths.js") + _source("page.js")
    parts = {
        "STYLE": style,
        "STYLE_HASH": _csp_hash(style),
        "SCRIPT": script,
        "SCRIPT_HASH": _csp_hash(script),
        "DATA": _as_json(page_data(checkpoint)),
    }
    page = _source("page.html")
    for name, text in parts.items():
        before, after = page.split(f"@{name}@")  # each stands there once, the data last
        page = before + text + after
    return page


def page_data(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return all that the page knows, as JSON values.

    Raises ``PlottingError`` when the model is too large for a page.
    """
    model, training = checkpoint.model, checkpoint.training
    return {
        "corpus": checkpoint.corpus.name,
        "words": checkpoint.corpus.lines,
        "model": model.name,
        "context_length": model.context_length,
        "seed": training.seed % (1 << 32),  # the page's generator takes 32 bits
        "characters": model.vocabulary.characters,
        "automaton": _automaton_data(model),
        "heatmap": _heatmap_data(model),
        "losses": {
            "curve": _curve(training.loss_history),
            "training": training.training_loss,
            "minimum": training.minimum,
        },
        "facts": {
            "Corpus": _corpus_facts(checkpoint.corpus),
            "Model": _model_facts(model),
            "Training": _training_facts(training),
        },
    }


def _automaton_data(model: Model) -> dict[str, Any]:
    automaton = model.automaton()
    if automaton is None:
        raise PlottingError(
            f"a page cannot hold this {model.name}: it takes models with a finite number of states,"
            " such as a bigram or an n-gram of a lower order"
        )
    arcs = Arcs.of(automaton)
    data = arcs.packed()
    if len(data) > MAX_DATA:
        raise PlottingError(
            f"the model takes {len(data):,} bytes in a page and the limit is {MAX_DATA:,}: train"
            " with --min-count or with a lower order"
        )
    return {
        "start": arcs.start,
        "states": len(arcs.lengths),
        "arcs": len(arcs.symbols),
        "packed": base64.b64encode(data).decode("ascii"),
    }


def _heatmap_data(model: Model) -> dict[str, Any]:
    """Return the table of pairs, of the most frequent symbols where there are many."""
    P, N = model.bigram_table(), model.bigram_counts()
    frequencies = P.sum(axis=0) if N is None else N.sum(axis=0)
    symbols = select_symbols(len(P), frequencies, MAX_SHOWN).ids
    cells = np.ix_(symbols, symbols)
    return {
        "symbols": symbols.tolist(),
        "P": [[float(f"{p:.6g}") for p in row] for row in P[cells].tolist()],
        "N": None if N is None else N[cells].tolist(),
    }


def _curve(history: Floats) -> list[tuple[int, float]]:
    """Return steps and losses, evenly spaced on a logarithmic scale: the curve falls early."""
    steps = log_spaced_steps(len(history), MAX_CURVE_POINTS) if len(history) else []
    return [(step, float(history[step])) for step in steps]


def _corpus_facts(corpus: CorpusFacts) -> dict[str, str]:
    return {
        "name": shown(corpus.name),
        "words": f"{corpus.lines:,}",
        "symbols": f"{corpus.symbols:,} (characters, and one end-of-word symbol for each word)",
        "held out": f"{corpus.held_out_lines:,} words, {corpus.held_out_symbols:,} symbols",
        "SHA-256": corpus.sha256,
    }


def _model_facts(model: Model) -> dict[str, str]:
    return {
        "kind": shown(", ".join(filter(None, (model.name, _options_text(model.options()))))),
        "looks back": f"{model.context_length} symbol" + "s" * (model.context_length != 1),
        "alphabet": f"{len(model.vocabulary) - 1:,} characters",
        "parameters": f"{model.parameter_count:,}",
    }


def _training_facts(training: TrainingRecord) -> dict[str, str]:
    losses = {
        "loss on own words" if training.is_import else "training loss": training.training_loss,
        "held-out loss": training.held_out_loss,
        "closed-form minimum": training.minimum,
    }
    return {
        "method": shown(training.method),
        "options": shown(_options_text(training.options)),
        "time taken": f"{training.seconds:.2f} s",
        **{name: _loss_text(loss) for name, loss in losses.items() if loss is not None},
        "made by": f"makemore {__version__}",
    }


def _options_text(options: Mapping[str, Any]) -> str:
    """Return the options that are single values, but those that the page tells elsewhere."""
    return ", ".join(
        f"{name.replace('_', ' ')} {value}"
        for name, value in options.items()
        if isinstance(value, bool | int | float | str) and name not in ("model", "method")
    )


def _loss_text(loss: float) -> str:
    if math.isinf(loss):
        return "infinite: a held-out word is impossible to the model"
    return (
        f"{loss:.4f} nats per symbol ({bits_per_symbol(loss):.4f} bits, perplexity"
        f" {perplexity(loss):.3f})"
    )


def _source(name: str) -> str:
    """Return a file of the page as the browser will see it, with line feeds only."""
    from importlib.resources import files

    return files("makemore").joinpath("page", name).read_text("utf-8").replace("\r\n", "\n")


def _csp_hash(text: str) -> str:
    """Return the source expression that allows exactly this text (CSP Level 3, section 2.3.1)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _as_json(value: Any) -> str:
    """Return JSON in ASCII that cannot end or change the element it stands in."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    # Outside of strings JSON has none of these, and inside an escape means the same.
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")
