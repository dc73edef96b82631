"""The command score."""

import errno
import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from makemore.cli.console import say, wants_colour, write_results
from makemore.cli.options import (
    PATH,
    IntegerRange,
    checkpoint_option,
    columns_of,
    command,
    damage,
    encoding_option,
    errors_option,
    json_option,
    option,
    share,
    table_options,
    text_of_files,
)
from makemore.errors import CorpusError, shown
from makemore.kinds import KINDS

if TYPE_CHECKING:
    from makemore.cli.judging import Asked, Scorer
    from makemore.cli.streaming import Streams
    from makemore.data.corpus import Corpus, Reading
    from makemore.data.text import Lines
    from makemore.evaluation.scoring import Summary
    from makemore.models.base import Model
    from makemore.training.record import Checkpoint

ASKED = "against ignore_case fpr regular rank as_json only line_numbers".split()
"""The options that ``Asked`` takes as they are."""
SHARE, NETWORK_SHARE = 1 << 25, 1 << 18
"""The bytes that make a process worth its start, which takes a third of a second."""
FLAGGED = 3
"""The exit code that says that lines were flagged."""


@command("score", "makemore score words.txt --fpr 1% --only flagged")
@click.argument("files", nargs=-1, type=PATH)
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
    type=PATH,
    multiple=True,
    group="Several models",
    help="Add the log-likelihood ratio to this other model: above 0, the model of -c fits better."
    " It may be given several times.",
)
@option(
    "--against-words",
    type=PATH,
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
@option(
    "--jobs",
    type=IntegerRange(1),
    help="The number of processes that score files. Without it there is one for each processor if"
    " that pays: from 64 MB on, or half a MB for a network.",
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
    from makemore.cli.judging import Scorer
    from makemore.cli.streaming import Streams
    from makemore.reporting import describe_scores

    _refuse_idle(options)
    columns = columns_of(options)
    asked = _asked(checkpoint, options)
    scorer = Scorer(asked)
    _say_what_cannot_be_found(scorer, asked)
    streams = Streams(files or ("-",))
    processes = _processes(options["jobs"], streams, scorer.checkpoint.model)
    _refuse_missing(files)
    how: dict[str, Any] = {"errors": errors, "large": scorer.is_large}
    with streams.finished():
        text = text_of_files(streams, encoding, columns, digest=True, **how)
        results = _results(scorer, asked, _watched(text, streams), processes, sort=options["sort"])
        summary, theirs = _written(results, streams), None
        if options["against_words"]:
            theirs = scorer.choices(text_of_files((options["against_words"],), encoding, **how))
        click.echo(describe_scores(summary, asked.fpr, asked.against, theirs), err=True)
        for line in _lines_without_words(summary, text.damaged, errors, is_table=bool(columns)):
            click.echo(line, err=True)
    characters = scorer.checkpoint.model.vocabulary.characters
    if summary.has_capitals and characters == characters.lower() != characters.upper():
        say("the model knows no capitals: --ignore-case reads them as lower-case letters")
    column = columns.word if columns else ""
    if what := _what_was_seen(scorer.checkpoint, (text.sha256, column), summary):
        again = _outliers_of(files, text.corpus, ignore_case=asked.ignore_case)
        say(f"{what}, so hardly any is odd to it: {again} judges each by the others")
    if options["fail_on_flag"] and summary.flagged:
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


def _what_was_seen(checkpoint: "Checkpoint", source: tuple[str, str], summary: "Summary") -> str:
    """Return what to say of words that the model was trained on; nothing of others.

    ``source`` is the SHA-256 of their files and the column.
    """
    from makemore.data.sketch import are_mostly_in

    if source == (checkpoint.corpus.sha256, checkpoint.corpus.column):
        return "this is the model's training corpus"
    if are_mostly_in(summary.sketch, checkpoint.training.sketch):
        return "most of these words stand in the model's training corpus"
    return ""


def _outliers_of(files: tuple[str, ...], corpus: "Corpus", *, ignore_case: bool) -> str:
    """Return the command that judges these words by each other."""
    from makemore.data.corpus import options_to_read
    from makemore.data.sources import STDIN, as_argument

    named = shlex.join(map(as_argument, files or (STDIN,)))
    flags = ["--ignore-case"] * ignore_case
    return " ".join(["makemore outliers", named, *options_to_read(corpus), *flags])


def _refuse_missing(files: tuple[str, ...]) -> None:
    """Raise ``CorpusError`` for a file that is not there, before the words of others are scored."""
    for path in files:
        if path != "-" and not os.path.exists(path):
            fault = os.strerror(errno.ENOENT)
            raise CorpusError(f"cannot read {shown(path)}: {fault}; give single words on stdin")


def _refuse_idle(options: dict[str, Any]) -> None:
    """Raise ``UsageError`` for options that need others to do anything."""
    for name in ("only", "regular", "fail_on_flag"):
        if options[name] and options["fpr"] is None:
            raise click.UsageError(
                f"--{name.replace('_', '-')} needs --fpr, which says what is flagged"
            )
    if options["against_words"] and len(options["against"]) != 1:
        raise click.UsageError("--against-words needs one --against, which names the other model")


def _asked(checkpoint: str, options: dict[str, Any]) -> "Asked":
    """Return what the options ask of the words."""
    from makemore.cli.judging import Asked

    explain = ("colours" if wants_colour() else "nats") if options["explain"] else None
    return Asked(
        checkpoint,
        escape=sys.stdout.isatty(),
        explain=explain,
        **{name: options[name] for name in ASKED},
    )


def _watched(text: "Reading", streams: "Streams") -> "Iterator[tuple[str, Iterator[Lines]]]":
    """Yield the blocks of each file, and its name where there are several."""
    for file, blocks in text.by_source():
        yield file if len(streams.paths) > 1 else "", streams.watched(blocks)


def _processes(jobs: int | None, streams: "Streams", model: "Model") -> int:
    """Return how many processes are worth starting; 0 means none but this one."""
    from makemore.counting.workers import processors

    if streams.are_live:
        if jobs and jobs > 1:
            raise click.UsageError(
                "--jobs works on files, and one process scores what comes by a pipe"
            )
        return 0
    kind = KINDS.get(model.name)
    share = NETWORK_SHARE if kind and kind.has_large_products else SHARE
    size = sum(source.size() or 0 for source in streams.sources())
    number = min(jobs or processors(), size // share)
    return number if number > 1 else 0


def _results(
    scorer: "Scorer",
    asked: "Asked",
    files: "Iterable[tuple[str, Iterator[Lines]]]",
    processes: int,
    *,
    sort: bool,
) -> "Iterator[tuple[str, Summary]]":
    """Yield the lines that are printed and the sums over their words: sorted ones at the end."""
    from makemore.cli.judging import results_of_processes, tasks_of
    from makemore.evaluation.scoring import Summary, strangest_first

    if processes and not sort:
        yield from results_of_processes(scorer, asked, tasks_of(files), processes)
        return
    parts = (part for file, blocks in files for part in scorer.judged(blocks, file))
    if not sort:
        for part in parts:
            yield scorer.text(part), part.summary
    elif waiting := list(parts):
        summary = sum((part.summary for part in waiting), Summary())
        yield scorer.text(strangest_first(waiting)), summary


def _written(results: "Iterable[tuple[str, Summary]]", streams: "Streams") -> "Summary":
    """Print words as they are judged; return the sums over them."""
    from makemore.evaluation.scoring import Summary

    total = Summary()
    for text, summary in results:
        total += summary
        write_results(text)
        sys.stdout.flush()
        streams.are_out()
    streams.are_out()
    return total


def _say_what_cannot_be_found(scorer: "Scorer", asked: "Asked") -> None:
    """Say so where no word can be flagged at the rate, or where capitals are never compared."""
    known, smallest = scorer.calibration, 0.0
    if known:
        smallest = known.smallest_of_two if asked.regular else known.smallest_p
    if asked.fpr and asked.fpr < smallest:
        options = scorer.checkpoint.training.options
        folds = ", --calibration-folds" * ("calibration_folds" in options)
        say(
            f"no line of known characters can be flagged at {100 * asked.fpr:.4g}%: the model has"
            f" held out too few words for less than {100 * smallest:.3g}%;"
            f" train with a larger --holdout{folds} or on more words"
        )
    characters = scorer.checkpoint.model.vocabulary.characters
    if asked.ignore_case and characters != characters.lower():
        say("the model knows capitals, which --ignore-case never shows it: train with --lowercase")
