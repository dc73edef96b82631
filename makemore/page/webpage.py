"""Writes one self-contained HTML page of a checkpoint, which opens from a disk.

The page is made of the files in ``page/``: frame, style and ``SCRIPTS``, pure functions before the
user interface. A block of JSON holds everything that comes from the checkpoint.
Nothing of it can become markup or script: the block has no ``<``, the scripts insert its texts as
text nodes, and the content security policy allows no other script and no request.

The scripts compute the model's probabilities in float64 by + - * / and square roots alone, which
IEEE 754 defines to the last bit, so every browser draws the same words from the same seed.
"""

import base64
import hashlib
import json
import math
import os
import sys
import unicodedata
from collections.abc import Mapping
from typing import Any

import numpy as np

from makemore.arrays import Floats
from makemore.data.corpus import CorpusFacts
from makemore.data.text import text_change
from makemore.errors import PlottingError, shown, unwritable
from makemore.evaluation.losses import bits_per_symbol, perplexity
from makemore.files import replace_atomically
from makemore.kinds import KINDS
from makemore.models.base import Model
from makemore.page.packing import describe_model
from makemore.pictures.contents import losses_by_step, objective_name, table_name
from makemore.pictures.labels import select_symbols, table_part, unit_name
from makemore.training.record import Checkpoint, TrainingRecord, log_spaced_steps
from makemore.version import __version__

MAX_SHOWN = 64
"""The maximum number of symbols in the page's heatmap, where each pair is an element."""

MAX_CURVE_POINTS = 300

SCRIPTS = (
    "maths models sampling descent reading page words computation heatmap curves watching start"
).split()
"""The page's scripts; each uses what those before it define."""


def write_page(checkpoint: Checkpoint, path: str | os.PathLike[str] = "makemore.html") -> None:
    """Write the page of ``checkpoint`` to ``path`` atomically.

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
    """Raise ``PlottingError`` for a path without the ending of a page: another file is kept."""
    if os.path.splitext(path)[1].lower() not in (".html", ".htm"):
        raise PlottingError(
            f"{shown(os.fspath(path))} is not the name of an HTML file: it must end in .html or"
            " .htm"
        )


def render_page(checkpoint: Checkpoint) -> str:
    """Return the page of ``checkpoint``, to be stored as UTF-8.

    Raises ``PlottingError`` when the model or one of the numbers is too large, or where there is a
    symbol for unknown characters.
    """
    if checkpoint.model.vocabulary.unk is not None:
        raise PlottingError(
            "a page cannot hold a model with a symbol for unknown characters: train without"
            " --unknown"
        )
    style = _source("page.css")
    script = "".join(_source(f"{name}.js") for name in SCRIPTS)
    parts = {
        "STYLE": style,
        "STYLE_HASH": _csp_hash(style),
        "SCRIPT": script,
        "SCRIPT_HASH": _csp_hash(script),
        "DATA": _as_json(page_data(checkpoint)),
    }
    page = _source("page.html")
    for name, text in parts.items():
        before, after = page.split(f"@{name}@")  # each occurs once, the data last
        page = before + text + after
    return page


def page_data(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the data of the page, as JSON values.

    Raises ``PlottingError`` when the model is too large for a page.
    """
    model, training, vocabulary = checkpoint.model, checkpoint.training, checkpoint.model.vocabulary
    return {
        "corpus": checkpoint.corpus.name,
        "words": checkpoint.corpus.lines,
        "held_out": checkpoint.corpus.held_out_lines,
        "model": model.name,
        "method": training.method,
        "context_length": model.context_length,
        "seed": training.seed % (1 << 32),  # the page's random generator takes 32 bits
        "characters": vocabulary.symbols if vocabulary.spelling else vocabulary.characters,
        "unknown": vocabulary.unknown,
        "unit": unit_name(vocabulary.itos),
        "reading": _reading_data(checkpoint.corpus),
        "parameters": describe_model(model),
        "heatmap": _heatmap_data(model),
        "losses": {
            "steps": len(training.loss_history),
            "curve": _curve(checkpoint),
            "objective": objective_name(checkpoint),
            "validation": training.validation_history.tolist(),
            "training": training.training_loss,
            "words": "own words" if training.is_import else "training words",
            "minimum": training.minimum,
        },
        "facts": {
            "Corpus": _corpus_facts(checkpoint.corpus, unit_name(vocabulary.itos)),
            "Model": _model_facts(model),
            "Training": _training_facts(training),
        },
    }


def _reading_data(corpus: CorpusFacts) -> dict[str, Any]:
    """Return how the page changes typed text, for ``readAs`` in ``reading.js``."""
    return {
        "normalize": corpus.normalize.upper(),
        "lowercase": corpus.lowercase,
        "accents": _accents() if corpus.strip_accents else None,
    }


def _accents() -> dict[str, Any]:
    """Return the marks that are accents, and the letters with strokes and their plain forms.

    Browsers can separate letters and marks, but do not know a mark's combining class.
    """
    without_accents = text_change(lowercase=False, strip_accents=True, normalize="") or str
    marks = [chr(c) for c in range(sys.maxunicode + 1) if unicodedata.combining(chr(c))]
    letters = map(chr, range(0x80, 0x250))  # Latin letters; no others have strokes
    return {
        "marks": "".join(mark for mark in marks if without_accents("a" + mark) == "a"),
        "strokes": {
            letter: bare
            for letter in letters
            if unicodedata.normalize("NFD", letter) == letter
            and (bare := without_accents(letter)) != letter
        },
    }


def _heatmap_data(model: Model) -> dict[str, Any]:
    """Return the table of pairs; of many symbols only the most frequent."""
    P, N = model.bigram_table(), model.bigram_counts()
    frequencies = P.sum(axis=0) if N is None else N.sum(axis=0)
    symbols = select_symbols(len(P), frequencies, MAX_SHOWN).ids
    cells = np.ix_(symbols, symbols)
    W = model.bigram_weights() if len(symbols) == len(P) else None
    return {
        "what": table_name(model),
        "symbols": symbols.tolist(),
        "P": _rounded(P[cells]),
        "N": None if N is None else N[cells].tolist(),
        "W": None if W is None else _rounded(table_part(W, symbols, "weights")),
    }


def _rounded(table: Floats) -> list[list[float | None]]:
    """Return the numbers rounded to six digits; None stands for -inf."""
    return [
        [float(f"{number:.6g}") if math.isfinite(number) else None for number in row]
        for row in table.tolist()
    ]


def _curve(checkpoint: Checkpoint) -> list[tuple[float, float]]:
    """Return steps, evenly spaced on a logarithmic scale, and their losses.

    For a network these are means over the mini-batches up to the next point.
    """
    losses = losses_by_step(checkpoint)
    steps = log_spaced_steps(len(losses), MAX_CURVE_POINTS) if len(losses) else []
    if len(steps) and KINDS[checkpoint.model.name].has_large_products:
        counts = np.diff(steps, append=len(losses))
        means = np.add.reduceat(losses, steps) / counts
        middles = steps + (counts - 1) / 2
        return list(zip(middles.tolist(), means.tolist(), strict=True))
    return [(step, float(losses[step])) for step in steps]


def _corpus_facts(corpus: CorpusFacts, unit: str) -> dict[str, str]:
    return {
        "name": shown(corpus.name),
        "words": f"{corpus.lines:,}",
        "symbols": f"{corpus.symbols:,} ({unit}s, and one end-of-word symbol for each word)",
        "held out": f"{corpus.held_out_lines:,} words, {corpus.held_out_symbols:,} symbols",
        "SHA-256": corpus.sha256,
    }


def _model_facts(model: Model) -> dict[str, str]:
    parts = model.describe_parts()
    return {
        "kind": shown(", ".join(filter(None, (model.name, _options_text(model.options()))))),
        **({"made of": "; ".join(parts)} if parts else {}),
        "looks back": _sight(model.context_length),
        "alphabet": _counted(len(model.vocabulary) - 1, unit_name(model.vocabulary.itos)),
        "parameters": f"{model.parameter_count:,}",
    }


def _sight(context_length: int | None) -> str:
    if context_length is None:
        return "at the whole word so far"
    return _counted(context_length, "symbol")


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" + "s" * (number != 1)


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
    """Return the options that are single values and not shown elsewhere."""
    return ", ".join(
        f"{name.replace('_', ' ')} {value}"
        for name, value in options.items()
        if isinstance(value, bool | int | float | str) and name not in ("model", "method")
    )


def _loss_text(loss: float) -> str:
    if math.isinf(loss):
        return "infinite: the model gives a held-out word no probability"
    return (
        f"{loss:.4f} nats per symbol ({bits_per_symbol(loss):.4f} bits, perplexity"
        f" {perplexity(loss):.3f})"
    )


def _source(name: str) -> str:
    """Return a file of the page as browsers see it, with line feeds only."""
    from importlib.resources import files

    return files("makemore").joinpath("page", name).read_text("utf-8").replace("\r\n", "\n")


def _csp_hash(text: str) -> str:
    """Return the source expression that allows exactly this text (CSP Level 3, section 2.3.1)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _as_json(value: Any) -> str:
    """Return JSON in ASCII that cannot end the element in which it is embedded."""
    try:
        text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    except ValueError as error:
        raise PlottingError("a number of the checkpoint is too large for a page") from error
    # These occur only inside strings, where an escape means the same.
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")
