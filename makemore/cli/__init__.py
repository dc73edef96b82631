"""The command line: each command parses, calls the package, and prints. Nothing else prints.

    console.py     failures and signals to exit codes, what goes to stdout and stderr, progress
    streaming.py   lines that are worked on as they come, and signals that end them
    options.py     options that several commands share, and help in groups
    data.py        download, check
    training.py    train
    models.py      info, compare, mix, export, import
    words.py       sample, top
    scoring.py     score
    outliers.py    outliers
    pictures.py    plot-heatmap, plot-loss, plot-embeddings, plot-attention, page

Everything heavy is imported inside the command that needs it, so that ``makemore --help`` answers
at once.
"""

import click

from makemore.cli import data, models, outliers, pictures, scoring, training, words
from makemore.cli.console import CommandLine
from makemore.version import __version__

EXAMPLES = """
\b
Examples:
  makemore train                        learn from 32,033 names
  makemore sample -n 20                 write twenty new names
  makemore train words.txt --model ngram
"""


@click.group(
    cls=CommandLine,
    epilog=EXAMPLES,
    context_settings={"auto_envvar_prefix": "MAKEMORE", "help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="makemore", message="%(prog)s %(version)s")
def main() -> None:
    """Learn from a list of words, and write more words like them."""


for _command in (
    training.train,
    words.sample,
    words.top,
    scoring.score,
    outliers.outliers,
    models.compare,
    models.mix,
    models.info,
    models.export,
    models.import_,
    pictures.plot_heatmap,
    pictures.plot_loss,
    pictures.plot_embeddings,
    pictures.plot_attention,
    pictures.page,
    data.check,
    data.download,
):
    main.add_command(_command)
