"""The command score."""

import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
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
    from makemore.cli.streaming import Streams
    from makemore.data.corpus import Reading
    from makemore.data.table import Columns
    from makemore.evaluation.calibration import Calibration
    from makemore.evaluation.losses import Choices
    from makemore.evaluation.scoring import Judgement, Summary
    from makemore.models.base import Model
    from makemore.training.record import Checkpoint


WRITING = ("as_json", "only", "explain", "line_numbers")
"""The options that say how words are printed."""
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
    help="Flag surprising lines at this target false-positive rate, such as 1%: the share of good"
    " lines that is flagged, too. Needs a model trained with --holdout.",
)
@option(
    "--only",
    type=click.Choice(["flagged", "passed"]),
    group="What does not belong",
    help="Print only the lines that were flagged, or only the others. Needs --fpr.",
)
@option(
    "--regular",
    is_flag=True,
    group="What does not belong",
    help="Also flag lines that are too regular, such as abababab and 12345678. Needs --fpr, of"
    " which each of the two reasons gets half.",
)
@option(
    "--fail-on-flag",
    is_flag=True,
    group="What does not belong",
    help="Exit with code 3 when a line was flagged. Needs --fpr.",
)
@option(
    "--against",
    type=click.Path(),
    multiple=True,
    group="Several models",
    help="Add the log-likelihood ratio to this other model: above 0, the model of -c fits better."
    " It may be given several times.",
)
@option(
    "--against-words",
    type=click.Path(),
    group="Several models",
    help="Report how well the two models tell their words apart: this file holds words of the"
    " other model.",
)
@option(
    "--rank",
    is_flag=True,
    help="Estimate each word's guess rank and its standard error: how many guesses it takes if the"
    " model's likeliest words are guessed first.",
)
@option(
    "--sort",
    is_flag=True,
    help="Print the words with an unknown character, which is stranger than any known one, and then"
    " the others by falling mean surprisal.",
)
@option("--ignore-case", is_flag=True, help="Read upper-case letters as lower-case ones.")
@option(
    "--line-numbers",
    is_flag=True,
    help="Print the line number before each word, and the file before it where there are several.",
)
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
    fpr: float | None,
    fail_on_flag: bool,
    against: tuple[str, ...],
    against_words: str | None,
    sort: bool,
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
    from makemore.reporting import describe_scores

    _refuse_idle(options, fpr, fail_on_flag, against, against_words)
    columns = columns_of(options)
    loaded = load_checkpoint(checkpoint)
    large = loaded.model.context_length is None
    models = _models(loaded, against, options["ignore_case"])
    how = models | _asked(loaded, fpr, options)
    streams = Streams(files or ("-",))
    with streams.finished():
        text = text_of_files(streams, encoding, columns, errors, large=large)
        parts = _judged(loaded.model, text, streams, how, names_files=len(files) > 1)
        write = _writer(**{name: options[name] for name in WRITING})
        summary = _written(parts, streams, write, sort=sort)
        theirs = None
        if against_words:
            words = text_of_files((against_words,), encoding, errors=errors, large=large)
            theirs = _choices(loaded.model, words, models)
        click.echo(describe_scores(summary, fpr, against, theirs), err=True)
        for line in _lines_without_words(summary, text.damaged, errors, is_table=bool(columns)):
            click.echo(line, err=True)
    if what := _what_was_seen(loaded, text.sha256, summary):
        again = _outliers_of(files, columns, encoding, errors, options["ignore_case"])
        say(f"{what}, so hardly any is odd to it{again}")
    if fail_on_flag and summary.flagged:
        ctx.exit(FLAGGED)


def _lines_without_words(
    summary: "Summary", damaged: int, errors: str, *, is_table: bool
) -> Iterator[str]:
    """Yield a row of the summary for damaged lines and one for blank lines, if there are any."""
    if told := damage(damaged, errors):
        yield f"damaged   {told}"
    blank = summary.blank - damaged * (errors == "skip")  # skipped lines were read as blank ones
    if blank and not is_table:  # a table's lines may be titles, or a part of a row
        yield f"blank     {blank:,} line{'s' * (blank != 1)}"


def _what_was_seen(checkpoint: "Checkpoint", sha256: str, summary: "Summary") -> str:
    """Return what to say of words that the model was trained on; nothing of others."""
    from makemore.data.sketch import are_mostly_in

    if sha256 == checkpoint.corpus.sha256:
        return "this is the model's training corpus"
    if are_mostly_in(summary.sketch, checkpoint.training.sketch):
        return "most of these words stand in the model's training corpus"
    return ""


def _outliers_of(
    files: tuple[str, ...],
    columns: "Columns | None",
    encoding: str,
    errors: str,
    ignore_case: bool,
) -> str:
    """Name the command that judges these words by each other; it reads no tables."""
    if columns:
        return ""
    words = ["makemore", "outliers", *(files or ("-",)), *["--ignore-case"] * ignore_case]
    words += ["--encoding", encoding] if encoding != "utf-8" else []
    words += ["--errors", errors] if errors != "strict" else []
    return f": {shlex.join(words)} judges each by the others"


def _refuse_idle(
    options: dict[str, Any],
    fpr: float | None,
    fail_on_flag: bool,
    against: tuple[str, ...],
    against_words: str | None,
) -> None:
    """Raise ``UsageError`` for options that need others to do anything."""
    needing = {"only": options["only"], "regular": options["regular"], "fail-on-flag": fail_on_flag}
    for name, given in needing.items():
        if given and fpr is None:
            raise click.UsageError(f"--{name} needs --fpr, which says what is flagged")
    if against_words and len(against) != 1:
        raise click.UsageError("--against-words needs one --against, which names the other model")


def _models(loaded: "Checkpoint", against: tuple[str, ...], ignore_case: bool) -> dict[str, Any]:
    """Return how the model reads words, and the other models with how they do, for ``judge``."""
    from makemore.data.corpus import reading_of

    def reading(checkpoint: "Checkpoint") -> Callable[[str], str]:
        """Return how a model reads the words."""
        facts = checkpoint.corpus
        return reading_of(facts._replace(lowercase=True) if ignore_case else facts)

    others = [load_checkpoint(path) for path in against]
    return {
        "reading": reading(loaded),
        "others": [(other.model, reading(other)) for other in others],
    }


def _asked(loaded: "Checkpoint", fpr: float | None, options: dict[str, Any]) -> dict[str, Any]:
    """Return what is asked of each word beside its surprisal, for ``judge``."""
    from makemore.evaluation.rank import RankEstimator

    return {
        "calibration": None if fpr is None else _calibration(loaded, fpr),
        "fpr": fpr or 0.0,
        "regular": options["regular"],
        "ranker": RankEstimator(loaded.model) if options["rank"] else None,
    }


def _judged(
    model: "Model", text: "Reading", streams: "Streams", how: dict[str, Any], *, names_files: bool
) -> "Iterator[Judgement]":
    """Yield what ``judge`` makes of the words of each block, file by file."""
    from makemore.evaluation.scoring import judge

    for file, blocks in text.by_source():
        yield from judge(model, streams.watched(blocks), file=file if names_files else "", **how)


def _writer(
    *, as_json: bool, only: str | None, explain: bool, line_numbers: bool
) -> "Callable[[Judgement], None]":
    """Return what prints a block of words."""
    how = ("colours" if wants_colour() else "nats") if explain else None
    on_terminal = sys.stdout.isatty()

    def write(part: "Judgement") -> None:
        """Print a block of words."""
        if as_json:
            write_results(part.json_lines(only, explain=explain))
        else:
            text = part.table(only, explain=how, escape=on_terminal, line_numbers=line_numbers)
            write_results(text)

    return write


def _written(
    parts: "Iterable[Judgement]",
    streams: "Streams",
    write: "Callable[[Judgement], None]",
    *,
    sort: bool,
) -> "Summary":
    """Print words as they are judged, or sorted when all are; return the sums over them."""
    from makemore.evaluation.scoring import Summary, strangest_first

    summary, waiting = Summary(), []
    for part in parts:
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
    return summary


def _choices(model: "Model", words: "Reading", models: dict[str, Any]) -> "Choices":
    """Return how often the model, and how often the other one, finds a word likelier."""
    from makemore.evaluation.losses import Choices
    from makemore.evaluation.scoring import Summary, judge

    parts = judge(model, words, **models)
    (choices,) = sum((part.summary for part in parts), Summary()).choices or (Choices(),)
    return choices


def _calibration(checkpoint: "Checkpoint", fpr: float) -> "Calibration":
    """Return what words are judged by, and say so where it cannot flag any at this rate."""
    calibration = checkpoint.calibration()
    if fpr < calibration.smallest_p:
        folds = ", --calibration-folds" * ("calibration_folds" in checkpoint.training.options)
        say(
            f"no line of known characters can be flagged at {100 * fpr:.4g}%: the model has held"
            f" out too few words for less than {100 * calibration.smallest_p:.3g}%; train with a"
            f" larger --holdout{folds} or on more words"
        )
    return calibration
