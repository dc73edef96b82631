"""The shape of the house: which module may import which, and what is public."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

import makemore

PACKAGE = Path(makemore.__file__).parent

ORDER = [
    "version",
    "arrays",
    "errors",
    "files",
    "archive",
    "kinds",
    "training.options",
    "data.text",
    "data.symbols",
    "data.vocabulary",
    "data.holdout",
    "data.sketch",
    "data.compression",
    "data.sources",
    "data.table",
    "data.distinct",
    "data.corpus",
    "counting.tables",
    "counting.ngrams",
    "counting.pairs",
    "counting.survey",
    "counting.workers",
    "counting.passes",
    "data.formats",
    "counting.prefix_tree",
    "data.check",
    "data.download",
    "counting.bigrams",
    "counting.cluster",
    "autodiff.tensor",
    "autodiff.operations",
    "autodiff.fused",
    "autodiff.tree",
    "autodiff.checking",
    "autodiff",
    "nn.base",
    "nn.initialisation",
    "nn.schedules",
    "nn.optimizers",
    "nn.layers",
    "nn.recurrent",
    "nn.images",
    "nn.attention",
    "nn.storage",
    "nn",
    "models.base",
    "models.softmax",
    "models.bigram",
    "models.backoff",
    "models.ngram",
    "models.left_out",
    "models.network",
    "models.windowed_network",
    "models.mlp",
    "models.bow",
    "models.wavenet",
    "models.recurrent",
    "models.transformer",
    "models.mixture",
    "evaluation.losses",
    "evaluation.regularity",
    "evaluation.calibration",
    "training.record",
    "training.moments",
    "training.batches",
    "training.left_out",
    "training.minibatch",
    "training.ngram",
    "training.descent",
    "training.bigram",
    "training.mixture",
    "training.mixing",
    "training.train",
    "checkpoint",
    "arpa",
    "generation.constraints",
    "generation.conditioning",
    "generation.rarity",
    "generation.final_spaces",
    "generation.draws",
    "generation.lookahead",
    "generation.novelty",
    "generation.writers",
    "generation.selection",
    "generation.sampling",
    "generation.search",
    "evaluation.slips",
    "evaluation.outliers",
    "evaluation.columns",
    "evaluation.rank",
    "evaluation.scoring",
    "evaluation.comparison",
    "pictures.labels",
    "pictures.terminal",
    "pictures.contents",
    "pictures.fonts",
    "pictures.style",
    "pictures.output",
    "pictures.heatmap",
    "pictures.curves",
    "pictures.film",
    "pictures.learning",
    "pictures.embeddings",
    "pictures.attention",
    "pictures.expression_graph",
    "page.packing",
    "page.webpage",
    "reporting",
    "json_values",
    "cli.console",
    "cli.streaming",
    "cli.options",
    "cli.data",
    "cli.training",
    "cli.models",
    "cli.words",
    "cli.judging",
    "cli.scoring",
    "cli.outliers",
    "cli.pictures",
    "cli",
    "__main__",
]
"""A module may import only from those above it."""

ROOMS = {"counting", "data", "evaluation", "generation", "models", "page", "pictures", "training"}
"""Packages without code of their own."""

ONLY = {
    "requests": "data.download",
    "matplotlib": "pictures.",
    "PIL": "pictures.",
    "cupy": "training.minibatch",
}
"""Libraries that one module, or one room, alone may import."""


@functools.cache
def modules() -> dict[str, Path]:
    """Return the modules of the package by name, packages without code left out."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        if name and name not in ROOMS:
            found[name] = path
    return found


@functools.cache
def imports(path: Path) -> set[str]:
    """Return the full names that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_every_module_has_its_place() -> None:
    assert set(modules()) == set(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_a_module_imports_only_from_those_above_it(name: str) -> None:
    above = set(ORDER[: ORDER.index(name)])
    for imported in imports(modules()[name]):
        local = imported.removeprefix("makemore.")
        if imported != local and local in ORDER and local != name:
            assert local in above, f"{name} imports {local}"


@pytest.mark.parametrize("library", ONLY)
def test_heavy_libraries_have_one_door(library: str) -> None:
    users = {
        name
        for name, path in modules().items()
        if any(imported.split(".")[0] == library for imported in imports(path))
    }
    assert users
    assert all(user.startswith(ONLY[library]) for user in users)


def test_public_names_are_locked() -> None:
    assert makemore.__all__ == PUBLIC
    for name in makemore.__all__:
        assert getattr(makemore, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = makemore.nothing  # type: ignore[attr-defined]  # which mypy must see, too


PUBLIC = [
    "Bigram",
    "Calibration",
    "Checkpoint",
    "Columns",
    "Constraints",
    "Corpus",
    "CorpusFacts",
    "KnownWords",
    "MakemoreError",
    "Model",
    "Ngram",
    "Outlier",
    "RankEstimator",
    "Sampler",
    "TrainingOptions",
    "TrainingRecord",
    "Vocabulary",
    "bigram_pairs",
    "check_corpus",
    "compare",
    "count_pairs",
    "download_names",
    "draw_attention",
    "draw_embeddings",
    "draw_heatmap",
    "draw_loss",
    "evaluate",
    "find_outliers",
    "load",
    "mix",
    "read_arpa",
    "roc_auc",
    "sample",
    "save",
    "save_figure",
    "score",
    "top",
    "train",
    "transition_scores",
    "write_arpa",
    "write_page",
]


HEAVY = {"numpy", "requests", "matplotlib", "json"}


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import makemore.cli", {*HEAVY, "makemore.kinds", "makemore.cli.training"}),
        ("import makemore.cli.training", {*HEAVY, "makemore.cli.words"}),
        ("import makemore; makemore.train", {"requests", "matplotlib"}),
        ("import makemore; makemore.sample", {"requests", "matplotlib"}),
    ],
)
def test_nothing_heavy_is_imported_unasked(statement: str, unwanted: set[str]) -> None:
    code = f"import sys; {statement}; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not unwanted & set(done.stdout.split())
