"""The commands about text: download, check."""

from typing import Any

import click

from makemore.cli.console import print_results, progress
from makemore.cli.options import PATH, command, corpus_of, json_option, output_option, text_options

NAMES = "data/names.txt"


@command("download", "makemore download -o names.txt")
@output_option(NAMES, "The file.")
def download(output: str) -> None:
    """Download and verify names.txt, a list of 32,033 names."""
    from pathlib import Path

    from makemore.data.download import download_names

    with progress("downloading") as report:
        download_names(Path(output), progress=lambda done: report(done, None))
    print_results(output)


@command("check", "makemore check words.txt")
@click.argument("corpus", nargs=-1, type=PATH)
@text_options
@json_option
@click.pass_context
def check(ctx: click.Context, /, corpus: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Look at CORPUS before training on it.

    It reports sizes and oddities of the files CORPUS, or of stdin. The exit code is 1 if training
    would fail.
    """
    import json

    from makemore.data.check import check_corpus
    from makemore.json_values import check_values
    from makemore.reporting import describe_check

    with progress("reading") as report:
        found = check_corpus(corpus_of(corpus or ("-",), options), report)
    print_results(json.dumps(check_values(found)) if as_json else describe_check(found))
    if found.failure:
        ctx.exit(1)
