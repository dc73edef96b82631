"""The commands about models: train, info, compare."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import click

from makemore.cli.console import interruption_noted, print_results, progress, say
from makemore.cli.data import NAMES
from makemore.cli.options import (
    all_of,
    blocks_like,
    checkpoint_option,
    command,
    corpus_of,
    encoding_option,
    json_option,
    load_checkpoint,
    option,
    text_options,
    was_typed,
)
from makemore.kinds import DESCENT, KINDS, METHODS, MODEL, OPTIONS
from makemore.training.options import TrainingOptions

if TYPE_CHECKING:
    from makemore.counting.passes import BigramCounts
    from makemore.data.corpus import Corpus
    from makemore.training.descent import Step


def _training_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of training to a command, as ``kinds.py`` has them."""
    options = [
        option(
            "--model",
            type=click.Choice(list(KINDS)),
            default="bigram",
            group=MODEL,
            help="The kind of model: the bigram sees one character, the n-gram --order minus one.",
        ),
        option(
            "--method",
            type=click.Choice(METHODS),
            group=MODEL,
            help="For the bigram: gradient descent from random weights (the default), or the"
            " closed form.",
        ),
        *(
            option(
                row.flag,
                type=click.Choice(row.choices) if row.choices else row.type,
                show_default=_default_text(row.name),
                group=row.group,
                help=row.help,
            )
            for row in OPTIONS
        ),
    ]
    return all_of(*options)(function)


def _default_text(name: str) -> str | bool:
    """Return the defaults of an option as the help shows them; False where it needs no value."""
    values = {
        kind.name: kind.defaults(method)[name]
        for kind in KINDS.values()
        for method in kind.methods
        if kind.defaults(method).get(name) is not None
    }
    if len(set(values.values())) <= 1:
        return next(map(str, values.values()), False)
    return ", ".join(f"{value} for {kind}" for kind, value in values.items())


@command("train", "makemore train words.txt --model ngram --order 4 -c words.npz")
@click.argument("corpus", nargs=-1)
@checkpoint_option
@_training_options
@option(
    "--keep",
    is_flag=True,
    group=DESCENT,
    help="On Ctrl-C save what was learnt so far; without it nothing is saved.",
)
@text_options
@option("--jobs", type=click.IntRange(1), help="Processes that count; all processors without it.")
@option(
    "--dask",
    metavar="ADDRESS",
    help="Count the pairs of local or remote files on the Dask cluster with this scheduler, such as"
    " tcp://host:8786, or 'local' for one on this machine. Needs makemore-numpy[dask].",
)
@click.pass_context
def train(
    ctx: click.Context,
    /,
    corpus: tuple[str, ...],
    checkpoint: str,
    jobs: int | None,
    dask: str | None,
    keep: bool,
    **options: Any,
) -> None:
    """Train a model on CORPUS and save it.

    CORPUS is one file or several, with one word a line, compressed or not; - is stdin. Without
    CORPUS it is data/names.txt, which is downloaded if need be.
    """
    from makemore.checkpoint import refuse_other_files, save
    from makemore.reporting import describe_training
    from makemore.training.train import train as train_model

    started = time.perf_counter()
    text = corpus_of(corpus or (_default_corpus(),), options, remote=dask is not None)
    chosen = TrainingOptions(**_given(ctx, options))
    refuse_other_files(checkpoint)
    with (
        _counting(dask, chosen.model) as count,
        progress("reading") as on_read,
        _descent(keep, chosen.values.get("steps", 0)) as (on_step, stopped),
    ):
        trained = train_model(
            text, chosen, jobs=jobs, on_read=on_read, on_step=on_step, count=count
        )
        save(checkpoint, trained)
    print_results(describe_training(trained))
    guessing = math.log(len(trained.model.vocabulary))
    if trained.training.training_loss > guessing:
        say(
            f"the training loss is above {guessing:.4f} nats per symbol, which guessing among all"
            " symbols would reach: train longer, or with a smaller --learning-rate"
        )
    if stopped:
        say(f"interrupted after {len(trained.training.loss_history):,} steps, which are kept")
    print_results(f"\nsaved {checkpoint} in {time.perf_counter() - started:.2f} s")
    if stopped:
        ctx.exit(130)


def _given(ctx: click.Context, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given. Those of the environment count where they have effect."""
    chosen = {"model": options["model"], "method": options["method"] or ""}
    values = TrainingOptions(**chosen).values
    return chosen | {
        name: value
        for name, value in options.items()
        if value is not None and name not in chosen and (was_typed(ctx, name) or name in values)
    }


@contextmanager
def _descent(keep: bool, steps: int) -> Iterator[tuple[Callable[["Step"], bool], Sequence[float]]]:
    """Give what is called after each step of a descent, and when it was told to stop and be kept.

    With ``keep``, SIGINT is noted from the first step to the end of the block, which it would end.
    """
    stopped: list[float] = []
    with ExitStack() as until_saved:
        report = until_saved.enter_context(progress("training"))

        def on_step(step: "Step") -> bool:
            """Show how far it is; return whether to stop."""
            if keep and step.number == 0:  # from now on there is something to keep
                until_saved.enter_context(interruption_noted(stopped))
            report(step.number + 1, steps)
            return bool(stopped)

        yield on_step, stopped


@contextmanager
def _counting(dask: str | None, model: str) -> Iterator[Callable[..., "BigramCounts"]]:
    """Give what counts the pairs: this process and its children, or a Dask cluster."""
    if dask is None:
        from makemore.counting.passes import count_bigrams

        yield count_bigrams
        return
    from makemore.counting.cluster import cluster, count_on_cluster
    from makemore.errors import OptionError

    if model != "bigram":
        raise OptionError(f"--dask counts pairs only, which is not enough for --model {model}")

    def count(text: "Corpus", *wanted: Any, jobs: int | None, **more: Any) -> "BigramCounts":
        """Count on the cluster, where the number of processes is not ours to choose."""
        return count_on_cluster(text, client, *wanted, **more)

    with cluster(None if dask == "local" else dask) as client:
        yield count


def _default_corpus() -> str:
    """Return the path of names.txt, or of the list inside the package."""
    from pathlib import Path

    from makemore.data.download import find_names

    with progress("downloading") as report:
        found = find_names(Path(NAMES), progress=lambda done: report(done, None))
    if found.source == "bundled":
        say(f"using the list of 2017 inside the package instead of names.txt: {found.reason}")
    elif found.source == "downloaded":
        say(f"downloaded {found.path}")
    return str(found.path)


@command("info", "makemore info -c makemore.npz --json")
@checkpoint_option
@json_option
def info(checkpoint: str, as_json: bool) -> None:
    """Describe a checkpoint: its model, its corpus, its losses."""
    import json

    from makemore.json_values import checkpoint_values
    from makemore.reporting import describe_checkpoint

    loaded = load_checkpoint(checkpoint)
    print_results(json.dumps(checkpoint_values(loaded)) if as_json else describe_checkpoint(loaded))


@command("compare", "makemore compare bigram.npz ngram.npz")
@click.argument("checkpoints", nargs=-1, required=True, type=click.Path())
@option(
    "--corpus",
    type=click.Path(),
    help="Compare on the words of this file instead of those held out.",
)
@encoding_option
@json_option
def compare(checkpoints: tuple[str, ...], corpus: str | None, as_json: bool, encoding: str) -> None:
    """Compare several CHECKPOINTS in one table.

    It shows their size, time of training and losses in nats per symbol.

    Bits per symbol and perplexity are those of the last loss shown.
    """
    import json

    from makemore.evaluation.comparison import compare as compare_checkpoints
    from makemore.json_values import comparison_values
    from makemore.reporting import comparison_table

    loaded = {path: load_checkpoint(path) for path in checkpoints}
    first = loaded[checkpoints[0]]
    blocks = blocks_like(first.corpus, (corpus,), encoding) if corpus else None
    rows = compare_checkpoints(loaded, blocks)
    print_results(json.dumps(comparison_values(rows)) if as_json else comparison_table(rows))
    if rows[0].corpus and rows[0].corpus.unknown_words:
        say(
            f"left out {rows[0].corpus.unknown_words:,} of the words, for a character that one of"
            " the models does not know"
        )
