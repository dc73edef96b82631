"""Learn which character follows which in a list of words, and write more words like them.

The public names below are imported from their modules when they are first used, so that importing
``makemore`` costs nothing.

>>> import makemore
>>> corpus = makemore.Corpus.from_words(["emma", "olivia", "ava", "isabella", "sophia"])
>>> checkpoint = makemore.train(corpus, method="counts", smoothing=0, holdout=0)
>>> makemore.sample(checkpoint, 3, seed=1)
['ophia', 'olabelia', 'sophiabemma']
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from makemore.version import __version__ as __version__

if TYPE_CHECKING:
    from makemore.arpa import read_arpa, write_arpa
    from makemore.checkpoint import load, save
    from makemore.counting.bigrams import bigram_pairs, count_pairs
    from makemore.data.check import check_corpus
    from makemore.data.corpus import Corpus, CorpusFacts
    from makemore.data.download import download_names
    from makemore.data.table import Columns
    from makemore.data.vocabulary import Vocabulary
    from makemore.errors import MakemoreError
    from makemore.evaluation.calibration import Calibration
    from makemore.evaluation.comparison import compare
    from makemore.evaluation.losses import evaluate, roc_auc, transition_scores
    from makemore.evaluation.outliers import Outlier, find_outliers
    from makemore.evaluation.rank import RankEstimator
    from makemore.evaluation.scoring import score
    from makemore.generation.constraints import Constraints
    from makemore.generation.novelty import KnownWords
    from makemore.generation.sampling import Sampler, sample
    from makemore.generation.search import top
    from makemore.models.base import Model
    from makemore.models.bigram import Bigram
    from makemore.models.ngram import Ngram
    from makemore.page.webpage import write_page
    from makemore.pictures.attention import draw_attention
    from makemore.pictures.curves import draw_loss
    from makemore.pictures.embeddings import draw_embeddings
    from makemore.pictures.heatmap import draw_heatmap
    from makemore.pictures.output import save_figure
    from makemore.training.mixing import mix
    from makemore.training.options import TrainingOptions
    from makemore.training.record import Checkpoint, TrainingRecord
    from makemore.training.train import train

_HOMES = {
    "arpa": ("read_arpa", "write_arpa"),
    "checkpoint": ("load", "save"),
    "counting.bigrams": ("bigram_pairs", "count_pairs"),
    "data.check": ("check_corpus",),
    "data.corpus": ("Corpus", "CorpusFacts"),
    "data.download": ("download_names",),
    "data.table": ("Columns",),
    "data.vocabulary": ("Vocabulary",),
    "errors": ("MakemoreError",),
    "evaluation.calibration": ("Calibration",),
    "evaluation.comparison": ("compare",),
    "evaluation.losses": ("evaluate", "roc_auc", "transition_scores"),
    "evaluation.outliers": ("Outlier", "find_outliers"),
    "evaluation.rank": ("RankEstimator",),
    "evaluation.scoring": ("score",),
    "generation.constraints": ("Constraints",),
    "generation.novelty": ("KnownWords",),
    "generation.sampling": ("Sampler", "sample"),
    "generation.search": ("top",),
    "models.base": ("Model",),
    "models.bigram": ("Bigram",),
    "models.ngram": ("Ngram",),
    "page.webpage": ("write_page",),
    "pictures.attention": ("draw_attention",),
    "pictures.curves": ("draw_loss",),
    "pictures.embeddings": ("draw_embeddings",),
    "pictures.heatmap": ("draw_heatmap",),
    "pictures.output": ("save_figure",),
    "training.mixing": ("mix",),
    "training.options": ("TrainingOptions",),
    "training.record": ("Checkpoint", "TrainingRecord"),
    "training.train": ("train",),
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
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


if not TYPE_CHECKING:  # type checkers see the imports above, and would accept any name here

    def __getattr__(name: str) -> Any:
        if name not in _MODULE_OF:
            raise AttributeError(f"module 'makemore' has no attribute {name!r}")
        return getattr(import_module(f"makemore.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
