"""The command line: each command parses, calls the package, and prints. Nothing else prints.

    console.py     exit codes, signals, stdout and stderr, progress bars
    streaming.py   lines that are processed as they arrive, and signals that end them
    options.py     options that several commands share, and help in groups
    data.py        download, check
    training.py    train
    models.py      info, compare, mix, export, import
    words.py       sample, top
    scoring.py     score
    judging.py     what score makes of each block of lines, in one process or several
    outliers.py    outliers
    pictures.py    plot-heatmap, plot-loss, plot-embeddings, plot-attention, page

Only the command that is run is imported, and it imports what is heavy when it runs, so that
``makemore --help`` answers at once.
"""

from importlib import import_module

import click

from makemore.cli.console import CommandLine
from makemore.version import __version__

EXAMPLES = """
\b
Examples:
  makemore train                        learn from 32,033 names
  makemore sample -n 20                 write twenty new names
  makemore train words.txt --model ngram
"""

COMMANDS = {
    "train": ("training:train", "Train a model on CORPUS and save it."),
    "sample": ("words:sample", "Write new words, one a line."),
    "top": ("words:top", "Print the most probable words, exactly and in order."),
    "score": ("scoring:score", "Say how surprising each word is, and which do not belong."),
    "outliers": ("outliers:outliers", "Find the words of a list that do not belong to it."),
    "compare": ("models:compare", "Compare several CHECKPOINTS in one table."),
    "mix": ("models:mix", "Mix trained CHECKPOINTS into one model and save it."),
    "info": ("models:info", "Describe a checkpoint: its model, its corpus, its losses."),
    "export": ("models:export", "Write a bigram or n-gram model as an ARPA file."),
    "import": ("models:import_", "Read an n-gram model from the file ARPA and save it."),
    "plot-heatmap": (
        "pictures:plot_heatmap",
        "Draw the table of pairs: which character follows which.",
    ),
    "plot-loss": ("pictures:plot_loss", "Draw the losses of a training, step by step."),
    "plot-embeddings": (
        "pictures:plot_embeddings",
        "Draw which characters a model treats alike.",
    ),
    "plot-attention": ("pictures:plot_attention", "Draw the attention of a transformer in WORD."),
    "page": ("pictures:page", "Write a page to play with the model in any browser."),
    "check": ("data:check", "Look at CORPUS before training on it."),
    "download": ("data:download", "Download and verify names.txt, a list of 32,033 names."),
}
"""The place and the first sentence of each command, in the order in which the help lists them."""


def load_command(name: str) -> click.Command:
    """Import a command of the table."""
    module, _, function = COMMANDS[name][0].partition(":")
    command: click.Command = getattr(import_module(f"makemore.cli.{module}"), function)
    return command


class _Commands(CommandLine):
    """Lists the commands as the table has them, and imports the one that is run."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments name, and the arguments after it."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, load_command(name) if name and found else found, rest


@click.group(
    cls=_Commands,
    commands=[click.Command(name, help=purpose) for name, (_, purpose) in COMMANDS.items()],
    epilog=EXAMPLES,
    context_settings={"auto_envvar_prefix": "MAKEMORE", "help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="makemore", message="%(prog)s %(version)s")
def main() -> None:
    """Learn from a list of words, and write more words like them."""
