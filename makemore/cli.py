"""The commands: parse, call one function of the package, print. The only module that prints.

Results go to stdout, all else to stderr. Exit codes: 0 done, 1 failed, 2 wrong usage, 130
interrupted, 143 terminated. Everything heavy is imported inside the command that needs it, so that
``makemore --help`` answers at once.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from makemore import __version__
from makemore.errors import MakemoreError, OptionError, shown

if TYPE_CHECKING:
    from makemore.data.corpus import Corpus
    from makemore.training import Checkpoint

NAMES = Path("data/names.txt")
PROGRESS_DELAY = 0.5
Command = Callable[..., Any]


class _Stopped(Exception):
    """The process was asked to end; carries the exit code and what to say."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class CommandLine(click.Group):
    """Turns every expected failure into one line on stderr and an exit code."""

    def main(self, args: Sequence[str] | None = None, *_: Any, **extra: Any) -> Any:
        """Run the command line and leave by ``SystemExit``."""
        sys.exit(self._exit_code(args, extra))

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; being interrupted or terminated ends it cleanly."""
        try:
            with _termination_raised():
                super().invoke(ctx)
                sys.stdout.flush()
        except KeyboardInterrupt:
            raise _Stopped(130, "interrupted") from None

    def _exit_code(self, args: Sequence[str] | None, extra: dict[str, Any]) -> int:
        try:
            super().main(args, **{**extra, "standalone_mode": False})
        except click.exceptions.Exit as exit_:
            return exit_.exit_code
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx else "makemore"
            _say(f"{error.format_message()} (see '{command} --help')")
            return 2
        except OptionError as error:
            _say(str(error))
            return 2
        except MakemoreError as error:
            _say(str(error))
            return 1
        except _Stopped as stopped:
            _say(str(stopped))
            return stopped.code
        except BrokenPipeError:  # the reader has seen enough
            _drop_stdout()
            return 0
        except OSError as error:
            _say(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
            _drop_stdout()
            return 1
        except MemoryError:
            _say("there is not enough memory for this")
            return 1
        return 0


@contextmanager
def _termination_raised() -> Iterator[None]:
    """Let SIGTERM end the block by an exception, so that what is half done is cleaned up."""

    def terminate(signum: int, frame: object) -> None:
        raise _Stopped(143, "terminated")

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _drop_stdout() -> None:
    """Give up what is not yet written, or Python would complain about it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(message: str) -> None:
    """Print one line on stderr."""
    click.echo(f"makemore: {shown(message)}", err=True)


def _print(text: str) -> None:
    """Print results on stdout, with control characters escaped where a person reads them."""
    if sys.stdout.isatty():
        text = "\n".join(shown(line) for line in text.split("\n"))
    sys.stdout.write(text + "\n")


@click.group(cls=CommandLine, context_settings={"auto_envvar_prefix": "MAKEMORE"})
@click.version_option(__version__, prog_name="makemore", message="%(prog)s %(version)s")
def main() -> None:
    """Learn from a list of words, and write more words like them."""
    for stream in (sys.stdout, sys.stderr):
        # Words keep their accents whatever the system's locale says.
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]


def _checkpoint_option(command: Command) -> Command:
    return click.option(
        "-c",
        "--checkpoint",
        type=click.Path(path_type=Path),
        default="makemore.npz",
        show_default=True,
        help="The model's file.",
    )(command)


def _output_option(default: str, purpose: str) -> Callable[[Command], Command]:
    return click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        default=default,
        show_default=True,
        help=purpose,
    )


def _dark_option(command: Command) -> Command:
    return click.option("--dark", is_flag=True, help="Draw light on dark.")(command)


@main.command()
@_output_option(str(NAMES), "Where to put it.")
def download(output: Path) -> None:
    """Download names.txt, the 32,033 names of the lecture."""
    from makemore.data.download import download_names

    with _progress("downloading") as report:
        download_names(output, progress=lambda done: report(done, None))
    _print(f"{output}")


@main.command()
@click.argument("corpus", nargs=-1)
@_checkpoint_option
@click.option(
    "--method",
    type=click.Choice(["gradient", "counts"]),
    default="gradient",
    show_default=True,
    help="Gradient descent from random weights, or the closed form from the counts.",
)
@click.option(
    "--steps", type=int, default=500, show_default=True, help="Steps of gradient descent."
)
@click.option(
    "--learning-rate",
    type=float,
    help="Use plain gradient descent with this rate. Without it, the rate comes from the data's"
    " curvature, with momentum.",
)
@click.option(
    "--l2",
    type=float,
    default=0.0,
    show_default=True,
    help="Add this times mean(W**2) to the loss.",
)
@click.option(
    "--smoothing",
    type=float,
    default=1.0,
    show_default=True,
    help="What --method counts adds to each count.",
)
@click.option(
    "--holdout",
    type=float,
    default=0.1,
    show_default=True,
    help="Share of the distinct words to keep apart for evaluation.",
)
@click.option(
    "--min-count",
    type=int,
    default=1,
    show_default=True,
    help="Leave out words with a character rarer than this.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the random weights.")
def train(corpus: tuple[str, ...], checkpoint: Path, **options: Any) -> None:
    """Train a model on CORPUS, a file with one word a line, and save it.

    Without CORPUS it is data/names.txt, downloaded if need be.
    """
    from makemore.checkpoint import save
    from makemore.reporting import describe_training
    from makemore.training import TrainingOptions
    from makemore.training import train as train_model

    started = time.perf_counter()
    chosen = TrainingOptions(**options)
    words = _corpus(corpus)
    with _progress("reading") as on_read, _progress("training") as on_step:
        trained = train_model(
            words,
            chosen,
            on_read=on_read,
            on_step=lambda step: on_step(step.number + 1, chosen.steps),
        )
    _print(describe_training(trained))
    save(checkpoint, trained)
    _print(f"\nsaved {checkpoint} in {time.perf_counter() - started:.2f} s")


@main.command()
@_checkpoint_option
@click.option(
    "-n", "--count", type=click.IntRange(0), default=20, show_default=True, help="How many words."
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    help="Repeats the same words; without it they differ every time.",
)
@click.option(
    "--temperature",
    type=float,
    default=1.0,
    show_default=True,
    help="Below 1 plays safe, above 1 dares more, 0 always takes the likeliest character. It is not"
    " the seed.",
)
@click.option("--max-length", type=int, help="Longest word, in characters.")
def sample(
    checkpoint: Path, count: int, seed: int | None, temperature: float, max_length: int | None
) -> None:
    """Write new words, one a line."""
    from makemore.constraints import Constraints
    from makemore.sampling import Sampler

    sampler = Sampler(
        _load(checkpoint).model,
        temperature=temperature,
        constraints=Constraints(max_length=max_length),
    )
    for text in sampler.texts(count, _fresh_seed() if seed is None else seed):
        _print(text.removesuffix("\n"))


def _share(_: click.Context, __: click.Parameter, text: str | None) -> float | None:
    """Return the share that an option names, such as 0.01 or 1%."""
    if text is None:
        return None
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise click.BadParameter(f"'{text}' is not a share above 0 and below 1, such as 1% or 0.01")
    return share


_encoding_option = click.option(
    "--encoding", default="utf-8", show_default=True, help="Of the files that are read."
)


@main.command()
@click.argument("files", nargs=-1)
@_checkpoint_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per line.")
@click.option(
    "--explain", is_flag=True, help="Show the surprise of each character, by colour on a terminal."
)
@click.option(
    "--fpr",
    callback=_share,
    metavar="SHARE",
    help="Flag the lines that do not belong, so that this share of good ones is flagged, such as"
    " 1%. Needs a model trained with --holdout.",
)
@click.option(
    "--only", type=click.Choice(["flagged", "passed"]), help="Print only those; with --fpr."
)
@click.option(
    "--against",
    type=click.Path(path_type=Path),
    help="Another model: adds the log-likelihood ratio, above 0 where this model fits better.",
)
@click.option(
    "--against-words",
    help="A file of the other model's own words: reports how well both kinds are told apart.",
)
@_encoding_option
def score(
    files: tuple[str, ...],
    checkpoint: Path,
    as_json: bool,
    explain: bool,
    fpr: float | None,
    only: str | None,
    against: Path | None,
    against_words: str | None,
    encoding: str,
) -> None:
    """Say how surprising each line of FILES is to a model; of stdin without FILES or for -.

    Before each word stand its surprise in total and as the mean of its characters and its end mark,
    in nats, with a tab behind each column; with --fpr also a p-value and the flag, with --against
    the ratio. The sums over all lines go to stderr.
    """
    from makemore.calibration import Calibration
    from makemore.reporting import describe_scores
    from makemore.scoring import Summary, judge

    if only and fpr is None:
        raise click.UsageError("--only needs --fpr, which says what is flagged")
    if against_words and not against:
        raise click.UsageError("--against-words needs --against, which names the other model")
    loaded = _load(checkpoint)
    calibration = None if fpr is None else Calibration(loaded.training.calibration)
    other = _load(against).model if against else None
    on_terminal = sys.stdout.isatty()
    how = "colours" if on_terminal and not os.environ.get("NO_COLOR") else "nats"
    summary = Summary()
    blocks = _blocks(files or ("-",), loaded, encoding)
    for part in judge(loaded.model, blocks, calibration=calibration, fpr=fpr or 0.0, other=other):
        summary += part.summary
        if as_json:
            sys.stdout.write(part.json_lines(only, explain=explain))
        else:
            text = part.table(only, explain=how if explain else None, escape=on_terminal)
            sys.stdout.write(text)
    sys.stdout.flush()
    others = None
    if against_words:
        parts = judge(loaded.model, _blocks((against_words,), loaded, encoding), other=other)
        others = sum((part.summary for part in parts), Summary()).choices
    click.echo(describe_scores(summary, fpr, others), err=True)


@main.command()
@click.argument("checkpoints", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--corpus", help="Compare on the words of this file instead of those held out.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@_encoding_option
def compare(
    checkpoints: tuple[Path, ...], corpus: str | None, as_json: bool, encoding: str
) -> None:
    """Print a table of several CHECKPOINTS: their size, time and losses in nats per symbol.

    Bits per symbol and perplexity are those of the last loss shown.
    """
    import json

    from makemore.comparison import compare as compare_checkpoints
    from makemore.reporting import comparison_table, comparison_values

    loaded = {str(path): _load(path) for path in checkpoints}
    blocks = _blocks((corpus,), loaded[str(checkpoints[0])], encoding) if corpus else None
    rows = compare_checkpoints(loaded, blocks)
    _print(json.dumps(comparison_values(rows)) if as_json else comparison_table(rows))
    if rows[0].corpus and rows[0].corpus.unknown_words:
        _say(
            f"{rows[0].corpus.unknown_words:,} words were left out, for they hold a character that"
            " one of the models does not know"
        )


@main.command()
@_checkpoint_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info(checkpoint: Path, as_json: bool) -> None:
    """Describe a checkpoint: its model, its corpus, its losses."""
    import json

    from makemore.reporting import checkpoint_values, describe_checkpoint

    loaded = _load(checkpoint)
    _print(json.dumps(checkpoint_values(loaded)) if as_json else describe_checkpoint(loaded))


@main.command()
@_checkpoint_option
@_output_option("heatmap.png", "The picture; .png, .svg or .pdf.")
@click.option(
    "--values",
    type=click.Choice(["probabilities", "counts", "weights"]),
    default="probabilities",
    show_default=True,
    help="What the cells show.",
)
@_dark_option
def plot_heatmap(checkpoint: Path, output: Path, values: str, dark: bool) -> None:
    """Draw the table of all pairs: which character follows which."""
    from makemore.plotting import draw_heatmap, picture_ending, save_figure
    from makemore.reporting import heatmap_values, picture_title, symbol_frequencies

    picture_ending(output)
    loaded = _load(checkpoint)
    figure = draw_heatmap(
        heatmap_values(loaded.model, values),
        loaded.model.vocabulary.itos,
        values=values,
        frequencies=symbol_frequencies(loaded.model),
        title=picture_title(loaded),
        dark=dark,
    )
    save_figure(figure, output)
    _print(str(output))


@main.command()
@_checkpoint_option
@_output_option("loss.png", "The picture; .png, .svg or .pdf.")
@_dark_option
def plot_loss(checkpoint: Path, output: Path, dark: bool) -> None:
    """Draw the loss of each training step and how far it is from the minimum."""
    from makemore.plotting import draw_loss, picture_ending, save_figure
    from makemore.reporting import picture_title

    picture_ending(output)
    loaded = _load(checkpoint)
    figure = draw_loss(
        loaded.training.loss_history,
        loaded.training.minimum,
        title=picture_title(loaded),
        dark=dark,
    )
    save_figure(figure, output)
    _print(str(output))


def _load(path: Path) -> "Checkpoint":
    from makemore.checkpoint import load

    return load(path)


def _corpus(paths: tuple[str, ...]) -> "Corpus":
    """Return the corpus of these files; of names.txt or the list inside the package without."""
    from makemore.data.corpus import Corpus

    if paths:
        return Corpus.from_paths(*paths)
    from makemore.data.download import find_names

    with _progress("downloading") as report:
        found = find_names(NAMES, progress=lambda done: report(done, None))
    if found.source == "bundled":
        _say(
            f"using the names of 2017 inside the package ({found.reason});"
            " 'makemore download' fetches names.txt"
        )
    elif found.source == "downloaded":
        _say(f"downloaded {found.path}")
    return Corpus.from_paths(found.path)


def _blocks(paths: tuple[str, ...], checkpoint: "Checkpoint", encoding: str) -> Iterator[str]:
    """Return the text of files, changed as the corpus of the checkpoint was."""
    from dataclasses import replace

    from makemore.data.corpus import Corpus
    from makemore.scoring import BLOCK

    corpus = replace(Corpus.from_paths(*paths).changed_as(checkpoint.corpus), encoding=encoding)
    return iter(corpus.read(BLOCK, digest=False))


def _fresh_seed() -> int:
    """Return a seed that nobody can foresee, and say it, so that the words can be repeated."""
    seed = int.from_bytes(os.urandom(4), "big")
    _say(f"seed {seed}")
    return seed


@contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int | None], None]]:
    """Give a function that is told what is done of how much, and draws that on a terminal.

    Nothing is drawn for what takes less than ``PROGRESS_DELAY`` seconds.
    """
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    started = time.monotonic()
    bar: list[Any] = []

    def report(done: int, total: int | None) -> None:
        if not bar and time.monotonic() - started > PROGRESS_DELAY:
            bar.append(click.progressbar(length=total, label=label, file=sys.stderr).__enter__())
        if bar:
            bar[0].update(done - bar[0].pos)

    try:
        yield report
    finally:
        if bar:
            bar[0].render_finish()
