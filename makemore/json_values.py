"""The output of commands with ``--json``, as values for ``json.dumps``.

JSON has no infinite number: an infinite loss is the string "infinite".
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from makemore.evaluation.losses import as_json
from makemore.training.record import Checkpoint

if TYPE_CHECKING:  # a command imports only what it prints
    from makemore.data.check import CorpusCheck
    from makemore.evaluation.comparison import Comparison
    from makemore.evaluation.outliers import Outlier


def checkpoint_values(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the output of ``makemore info --json``."""
    model, training, corpus = checkpoint.model, checkpoint.training, checkpoint.corpus
    vocabulary = model.vocabulary
    losses = {
        "training": training.training_loss,
        "minimum": training.minimum,
        "held_out": training.held_out_loss,
    }
    return {
        "model": model.name,
        "parameters": model.parameter_count,
        "context_length": model.context_length,
        "alphabet": vocabulary.symbols if vocabulary.spelling else vocabulary.characters,
        "corpus": {**corpus._asdict(), "distinct": corpus.distinct or None},
        "method": training.method,
        "options": training.options,
        "seconds": round(training.seconds, 3),
        "steps": len(training.loss_history),
        "parts": model.describe_parts(),
        "nats_per_symbol": {name: as_json(loss) for name, loss in losses.items()},
    }


def comparison_values(comparisons: "Sequence[Comparison]") -> list[dict[str, Any]]:
    """Return the output of ``makemore compare --json``."""
    return [
        {
            "checkpoint": row.name,
            "model": row.model,
            "parameters": row.parameters,
            "seconds": round(row.seconds, 3),
            "nats_per_symbol": {
                "training": as_json(row.training_loss),
                "minimum": as_json(row.minimum),
                "held_out": as_json(row.held_out_loss),
                "corpus": as_json(row.corpus.loss) if row.corpus else None,
            },
            "bits_per_symbol": as_json(row.bits),
            "perplexity": as_json(row.perplexity),
        }
        for row in comparisons
    ]


def check_values(check: "CorpusCheck") -> dict[str, Any]:
    """Return the output of ``makemore check --json``."""
    return asdict(check)


def outlier_values(
    outlier: "Outlier", word: str, files: Sequence[str] | None = None
) -> dict[str, Any]:
    """Return a line of ``makemore outliers --json``; ``word`` is spelled as in the list.

    ``files`` are the files of its lines, if there are several lists.
    """
    return {
        **({} if files is None else {"files": files}),
        "lines": outlier.lines,
        "word": word,
        "score": round(outlier.score, 6),
        "p_value": round(outlier.p_value, 6),
        "correction": outlier.correction,
        "transitions": [round(nats, 6) for nats in outlier.nats],
    }
