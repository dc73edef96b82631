"""The command outliers."""

import sys
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from makemore.cli.console import progress, wants_colour, write_results
from makemore.cli.options import (
    PATH,
    IntegerRange,
    columns_of,
    command,
    damage,
    encoding_option,
    errors_option,
    json_option,
    option,
    say_if_table,
    share,
    table_options,
    text_of_files,
)

if TYPE_CHECKING:
    from makemore.data.corpus import Reading
    from makemore.evaluation.outliers import Outlier

DEFAULT_COUNT = 20


@command("outliers", "makemore outliers words.txt -n 50")
@click.argument("files", metavar="[LIST]...", nargs=-1, type=PATH)
@option(
    "-n",
    "--count",
    type=IntegerRange(0),
    help=f"The number of words: {DEFAULT_COUNT} without --fpr.",
)
@option(
    "--fpr",
    type=share,
    help="Print the oddest words, on at most this share of the lines, such as 1%, whether they are"
    " errors or not.",
)
@option("--ignore-case", is_flag=True, help="Read upper-case letters as lower-case ones.")
@encoding_option
@errors_option
@table_options
@json_option
def outliers(
    files: tuple[str, ...],
    count: int | None,
    fpr: float | None,
    ignore_case: bool,
    encoding: str,
    errors: str,
    as_json: bool,
    **table: Any,
) -> None:
    """Find the words of a list that do not belong to it.

    They are typing errors, and noise. No model is needed: each word of LIST, or of stdin, is judged
    by the words in the other nine tenths of the list. The oddest words come first.

    A line has the word's line numbers, its score, and the word, with a tab between them; of several
    lists, a column before them names the list of each line. The score says how much better a slip
    of the fingers, or noise, explains the word than the list does, in nats. The likeliest word
    within one edit follows where it is much more probable. On a terminal the colour of each
    character is its surprisal. The p-value in JSON is the share of the lines that hold the word or
    one before it: a rank, which does not say how likely an error is.
    """
    from makemore.evaluation.outliers import find_outliers

    columns = columns_of(table)
    text = text_of_files(files or ("-",), encoding, columns, errors)
    lines, weights, names, before = _lines_of(text)
    if not columns:
        say_if_table(names[0], lines)
    read = [line.lower() for line in lines] if ignore_case else lines
    words = sum(weights or map(bool, lines))
    most = words if fpr is None else _most(fpr, words)
    if count is not None or fpr is None:
        most = min(most, DEFAULT_COUNT if count is None else count)
    with progress("searching") as on_search:
        found = find_outliers(read, most, on_search, weights)
    for outlier in found:
        if fpr is not None and outlier.p_value > fpr:
            break
        word = lines[outlier.lines[0] - 1]
        write_results(_printed(outlier, word, names, before, as_json=as_json) + "\n")
    sys.stdout.flush()
    distinct = len(set(filter(None, read)))
    click.echo(f"searched  {words:,} lines, {distinct:,} distinct words", err=True)
    if fpr and not _most(fpr, words):
        click.echo(f"printed   none: {fpr:.3g} of these lines is less than one", err=True)
    if told := damage(text.damaged, errors):
        click.echo(f"damaged   {told}", err=True)


def _most(fpr: float, words: int) -> int:
    """Return the largest number of words that is at most this share of them.

    >>> _most(0.29, 100), int(0.29 * 100)
    (29, 28)
    """
    most = int(fpr * words)
    return most + ((most + 1) / max(words, 1) <= fpr)


def _lines_of(text: "Reading") -> tuple[list[str], list[int] | None, list[str], list[int]]:
    """Return the lines of all files, their weights if they have any, and what is of each file.

    That is its name and the number of lines before it.
    """
    lines: list[str] = []
    weights: list[int] = []
    names: list[str] = []
    before: list[int] = []
    for file, blocks in text.by_source():
        names.append(file)
        before.append(len(lines))
        for block in blocks:
            lines += block.text.split("\n")[:-1]
            if block.weights is not None:
                weights += block.weights.tolist()
    return lines, weights or None, names, before


def _printed(
    outlier: "Outlier", word: str, names: Sequence[str], before: Sequence[int], *, as_json: bool
) -> str:
    """Return the line that is printed for an outlier; ``word`` is as it stands in its file."""
    import json

    from makemore.json_values import outlier_values
    from makemore.reporting import outlier_row

    of_files = None
    if len(names) > 1:
        of_files, numbers = _in_files(outlier.lines, names, before)
        outlier = replace(outlier, lines=numbers)
    if as_json:
        return json.dumps(outlier_values(outlier, word, of_files))
    return outlier_row(outlier, word, of_files, colours=wants_colour())


def _in_files(
    lines: Sequence[int], names: Sequence[str], before: Sequence[int]
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the files of lines and their numbers there, from their numbers over all files."""
    of = [bisect_left(before, line) - 1 for line in lines]
    numbers = tuple(line - before[i] for line, i in zip(lines, of, strict=True))
    return tuple(names[i] for i in of), numbers
