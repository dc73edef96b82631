"""The command score."""

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from makemore.cli.console import say, wants_colour, write_results
from makemore.cli.options import (
    checkpoint_option,
    columns_of,
    command,
    damage,
    encoding_option,
    errors_option,
    json_option,
    load_checkpoint,
    option,
    share,
    table_options,
    text_of_files,
)

if TYPE_CHECKING:
    from makemore.evaluation.calibration import Calibration
    from makemore.training.record import Checkpoint


FLAGGED = 3
"""The exit code that says that lines were flagged."""


@command("score", "makemore score words.txt --fpr 1% --only flagged")
@click.argument("files", nargs=-1)
@checkpoint_option
@option(
    "--explain", is_flag=True, help="Show the surprisal of each character, by colour on a terminal."
)
@option(
    "--fpr",
    type=share,
    group="What does not belong",
    help="Flag lines so that this share of good ones would be flagged, such as 1%. Needs a model"
    " trained with --holdout.",
)
@option(
    "--only",
    type=click.Choice(["flagged", "passed"]),
    group="What does not belong",
    help="Print only those; with --fpr.",
)
@option(
    "--regular",
    is_flag=True,
    group="What does not belong",
    help="Flag what is too regular, too, such as abababab and 12345678; with --fpr, of which each"
    " reason gets half.",
)
@option(
    "--fail-on-flag",
    is_flag=True,
    group="What does not belong",
    help="End with exit code 3 when a line was flagged; with --fpr.",
)
@option(
    "--against",
    type=click.Path(),
    multiple=True,
    group="Several models",
    help="Another model: adds the log-likelihood ratio, above 0 where this model fits better; given"
    " several times, one for each.",
)
@option(
    "--against-words",
    type=click.Path(),
    group="Several models",
    help="A file of the other model's own words: reports how well both kinds are told apart.",
)
@option(
    "--rank",
    is_flag=True,
    help="Estimate after how many guesses of this model's words, the likeliest first, each comes;"
    " and the standard error of that.",
)
@option("--sort", is_flag=True, help="Print the strangest first: by falling mean surprisal.")
@option("--ignore-case", is_flag=True, help="Read upper-case letters as lower-case ones.")
@option("--line-numbers", is_flag=True, help="Put the number of its line before each word.")
@encoding_option
@errors_option
@table_options
@json_option
@click.pass_context
def score(
    ctx: click.Context,
    /,
    files: tuple[str, ...],
    checkpoint: str,
    as_json: bool,
    explain: bool,
    rank: bool,
    fpr: float | None,
    only: str | None,
    regular: bool,
    fail_on_flag: bool,
    against: tuple[str, ...],
    against_words: str | None,
    sort: bool,
    ignore_case: bool,
    line_numbers: bool,
    encoding: str,
    errors: str,
    **options: Any,
) -> None:
    """Say how surprising each word is, and which do not belong.

    The words are the lines of FILES, or of stdin without FILES or for -; blank lines are left out,
    and what the model reads in another form, such as lower case, is printed as it was given.
    Before each word stand its surprisal in total and as the mean of its characters and its
    end-of-word symbol, in nats, with a tab behind each column; with --fpr also a p-value and the
    flag, with --against the ratio, with --rank the rank and its error; and a character that the
    model does not know, or -. The sums over all lines go to stderr.
    """
    from makemore.cli.streaming import Streams
    from makemore.data.corpus import reading_of
    from makemore.evaluation.losses import Choices
    from makemore.evaluation.rank import RankEstimator
    from makemore.evaluation.scoring import Judgement, Summary, judge, strangest_first
    from makemore.reporting import describe_scores

    for name, given in (("only", only), ("regular", regular), ("fail-on-flag", fail_on_flag)):
        if given and fpr is None:
            raise click.UsageError(f"--{name} needs --fpr, which says what is flagged")
    if against_words and len(against) != 1:
        raise click.UsageError("--against-words needs one --against, which names the other model")
    columns = columns_of(options)
    loaded = load_checkpoint(checkpoint)
    calibration = None if fpr is None else _calibration(loaded, fpr)
    others = [load_checkpoint(path) for path in against]
    ranker = RankEstimator(loaded.model) if rank else None

    def reading(checkpoint: "Checkpoint") -> Callable[[str], str]:
        """Return how a model reads the words."""
        facts = checkpoint.corpus
        return reading_of(replace(facts, lowercase=True) if ignore_case else facts)

    models: dict[str, Any] = {
        "reading": reading(loaded),
        "others": [(other.model, reading(other)) for other in others],
    }
    large = loaded.model.context_length is None
    on_terminal = sys.stdout.isatty()
    how = ("colours" if wants_colour() else "nats") if explain else None

    def write(part: Judgement) -> None:
        """Print a block of words."""
        if as_json:
            write_results(part.json_lines(only, explain=explain))
        else:
            text = part.table(only, explain=how, escape=on_terminal, line_numbers=line_numbers)
            write_results(text)

    summary = Summary()
    waiting: list[Judgement] = []
    streams = Streams(files or ("-",))
    with streams.finished():
        text = text_of_files(streams, encoding, columns, errors, large=large)
        blocks = streams.watched(text.blocks(counts_lines=True))
        judging: dict[str, Any] = {"calibration": calibration, "fpr": fpr or 0.0, "ranker": ranker}
        for part in judge(loaded.model, blocks, regular=regular, **judging, **models):
            summary += part.summary
            if sort:
                waiting.append(part)
                continue
            write(part)
            sys.stdout.flush()
            streams.are_out()
        if waiting:
            write(strangest_first(waiting))
            sys.stdout.flush()
        streams.are_out()
        theirs = None
        if against_words:
            words = text_of_files((against_words,), encoding, errors=errors, large=large)
            parts = judge(loaded.model, words, **models)
            (theirs,) = sum((part.summary for part in parts), Summary()).choices or (Choices(),)
        click.echo(describe_scores(summary, fpr, against, theirs), err=True)
        if told := damage(text.damaged, errors):
            click.echo(f"damaged   {told}", err=True)
    if text.sha256 == loaded.corpus.sha256:
        say(
            "this is the model's training corpus: it has seen the lines, and hardly any is odd to"
            f" it; makemore outliers {' '.join(files)} judges each line by the others"
        )
    if fail_on_flag and summary.flagged:
        ctx.exit(FLAGGED)


def _calibration(checkpoint: "Checkpoint", fpr: float) -> "Calibration":
    """Return what words are judged by, and say so where it cannot flag any at this rate."""
    calibration = checkpoint.calibration()
    if fpr < calibration.smallest_p:
        say(
            f"no line with known characters can be flagged at {100 * fpr:.4g}%: the words that good"
            f" ones are known by are too few for less than {100 * calibration.smallest_p:.3g}%;"
            " train with a larger --holdout or on more words"
        )
    return calibration
