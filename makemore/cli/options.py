"""Options that several commands share, and help that shows options in groups."""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from makemore.cli.console import naming_stdout, say
from makemore.kinds import TEXT

if TYPE_CHECKING:
    from makemore.cli.streaming import Streams
    from makemore.data.corpus import Corpus, CorpusFacts, Reading
    from makemore.data.table import Columns
    from makemore.generation.constraints import Constraints
    from makemore.training.record import Checkpoint

PATH = click.Path(readable=False)
"""The name of a file, which shells complete. Whether it can be read is not a matter of usage."""

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class GroupedOption(click.Option):
    """An option that is shown under the heading of its group in the help."""

    def __init__(self, *args: Any, group: str = "Options", **more: Any) -> None:
        super().__init__(*args, **more)
        self.group = group

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Let the parser refuse an option that is given twice; click would take the last value."""
        super().add_to_parser(parser, ctx)
        if self.multiple or self.is_flag:
            return
        for known in (parser._short_opt, parser._long_opt):
            for name in self.opts:
                if name in known:
                    known[name].process = _once(known[name], known[name].process, name)

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Return the value of the command's own variable, or of the one for all commands."""
        own = os.environ.get(f"{ctx.auto_envvar_prefix}_{self.name}".upper())
        return own or super().resolve_envvar_value(ctx)

    def get_help_extra(self, ctx: click.Context) -> Any:
        """Return what the help adds to the line; a default in words has no brackets around it."""
        extra = super().get_help_extra(ctx)
        if isinstance(self.show_default, str):
            extra["default"] = self.show_default
        return extra


def _once(known: Any, process: Callable[[Any, Any], None], name: str) -> Callable[[Any, Any], None]:
    """Return a function that takes an option's value, and refuses a second one."""

    def take(value: Any, state: Any) -> None:
        """Take the value."""
        if known.dest in state.opts:
            raise click.UsageError(f"{name} is given twice: give it once")
        process(value, state)

    return take


class GroupedCommand(click.Command):
    """A command whose help shows its options in groups."""

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        """Parse the arguments; --help prints here."""
        with naming_stdout():
            return super().make_context(*args, **more)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; errors of the parser name this command."""
        ctx.allow_extra_args = all(isinstance(parameter, click.Option) for parameter in self.params)
        try:
            extra = super().parse_args(ctx, args)
            if extra and not ctx.resilient_parsing:  # often the model's file, or the one to write
                names = {
                    "checkpoint": "-c names the model's file",
                    "output": "-o names the file to write",
                }
                advice = ", ".join(names[each] for each in names if each in ctx.params)
                ctx.fail(f"{ctx.info_name} takes only options, and not '{extra[0]}': {advice}")
            return extra
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; if text cannot be decoded, name an option that it has."""
        from makemore.errors import DecodingError, OtherEncodingError

        try:
            return super().invoke(ctx)
        except DecodingError as error:
            if "encoding" not in ctx.params:
                advice = "convert the file to the encoding that is expected"
                raise DecodingError(error.fact, advice) from None
            if ctx.params.get("errors") != "strict" or isinstance(error, OtherEncodingError):
                raise
            from makemore.data.text import or_leave_out

            raise DecodingError(f"{error}{or_leave_out(ctx.params['encoding'])}") from None

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, a section for each group."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}  # these come first
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record and isinstance(parameter, click.Option):
                group = getattr(parameter, "group", "Options")
                sections.setdefault(group, []).append(record)
        for group, records in sections.items():
            with formatter.section(group):
                formatter.write_dl(records)


class IntegerRange(click.IntRange):
    """Integers of a range; help and errors call one an integer, and not an integer range."""

    name = "integer"


def command(name: str, example: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Return a decorator that makes a command, with an example at the end of its help."""
    return click.command(
        name, cls=GroupedCommand, epilog=f"\b\nExample:\n  {example}", no_args_is_help=False
    )


def option(*names: str, group: str = "Options", **more: Any) -> Decorator:
    """Return a decorator that adds an option to a group; its default is shown.

    The path of a file must not be empty.
    """
    more.setdefault("show_default", more.get("default") is not None)
    if isinstance(more.get("type"), click.Path):
        more.setdefault("callback", refuse_empty)
    return click.option(*names, cls=GroupedOption, group=group, **more)


def refuse_empty(ctx: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Return the value of an option, or refuse an empty one, as an unset variable of a shell is."""
    if value == "" or (isinstance(value, tuple) and "" in value):
        raise click.BadParameter("it is empty: give a value, or leave the option out")
    return value


def all_of(*decorators: Decorator) -> Decorator:
    """Return one decorator for several options, shown in the order given."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        """Apply the last one first, as decorators above a function are."""
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


def number_or_percentage(value: Any) -> float:
    """Return a number that may be written as 0.01 or 1%; a type of options."""
    text = str(value)
    digits = text.removesuffix("%").rstrip()
    try:
        if text.endswith("%"):
            with suppress(ValueError):  # it has an exponent already
                return float(digits + "e-2")  # 0.7 / 100 is not 0.007
            return float(digits) / 100
        return float(digits)
    except ValueError:
        raise click.BadParameter(f"'{text}' is not a share such as 10% or 0.1") from None


def share(text: str) -> float:
    """Return a share above 0 and below 1; a type of options."""
    number = number_or_percentage(text)
    if not 0 < number < 1:
        raise click.BadParameter(f"'{text}' is not a share above 0 and below 1, such as 1% or 0.01")
    return number


checkpoint_option = option(
    "-c",
    "--checkpoint",
    type=PATH,
    default="makemore.npz",
    envvar="MAKEMORE_CHECKPOINT",
    help="The model's file.",
)
json_option = option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
dark_option = option("--dark", is_flag=True, help="Draw light on dark.")
show_option = option("--show", is_flag=True, help="Open a window, too.")


def output_option(default: str | None, purpose: str) -> Decorator:
    """Return the option that names the output file."""
    return option("-o", "--output", type=PATH, default=default, help=purpose)


encoding_option = option(
    "--encoding",
    default="utf-8",
    group=TEXT,
    help="The encoding of the files, by any name that Python knows.",
)

TABLE = "The columns of a table"

table_options = all_of(
    option(
        "--column",
        metavar="COLUMN",
        callback=refuse_empty,
        group=TABLE,
        help="Read tables, such as CSV files: this column holds the words. Give its number from 1,"
        " or its title in the first line.",
    ),
    option(
        "--weights",
        metavar="COLUMN",
        callback=refuse_empty,
        group=TABLE,
        help="This column holds how often each word counts: a weight of k counts as k lines. A"
        " first line with a title there is skipped.",
    ),
    option(
        "--delimiter",
        metavar="CHARACTER",
        callback=refuse_empty,
        group=TABLE,
        help="The character between the columns, or 'tab' or 'space'. Without it, it is the first"
        " of tab, ; , and | in a file's first line.",
    ),
    option(
        "--weights-as",
        type=click.Choice(["count", "log", "distinct"]),
        default="count",
        group=TABLE,
        help="How weights count: a weight of k as k lines (count) or as 1 + log2(k) lines, rounded"
        " down (log); or each distinct word once, whatever its weights (distinct).",
    ),
)

errors_option = option(
    "--errors",
    type=click.Choice(["strict", "replace", "skip"]),
    default="strict",
    group=TEXT,
    help="What to do with a line that is not in the encoding: stop, replace its invalid bytes by"
    " U+FFFD, or skip the line.",
)
change_options = all_of(
    option("--lowercase", is_flag=True, group=TEXT, help="Convert to lower case."),
    option(
        "--strip-accents",
        is_flag=True,
        group=TEXT,
        help="Remove accents and strokes: é becomes e, ł becomes l; ß and æ stay.",
    ),
    option(
        "--normalize",
        type=click.Choice(["nfc", "nfkc"]),
        default=None,
        group=TEXT,
        help="Convert characters that can be written in several ways to one form.",
    ),
)

text_options = all_of(encoding_option, errors_option, change_options, table_options)

CONSTRAINTS = "Constraints on the words"

constraint_options = all_of(
    option(
        "--prefix",
        default="",
        show_default=False,
        group=CONSTRAINTS,
        help="The words begin with this.",
    ),
    option(
        "--suffix",
        default="",
        show_default=False,
        group=CONSTRAINTS,
        help="The words end with this.",
    ),
    option(
        "--contains",
        multiple=True,
        group=CONSTRAINTS,
        help="The words contain this. Given several times, they contain all of them.",
    ),
    option(
        "--min-length",
        type=IntegerRange(1),
        default=1,
        group=CONSTRAINTS,
        help="The minimum length of a word in characters; with --symbols, in symbols.",
    ),
    option(
        "--max-length",
        type=IntegerRange(1),
        group=CONSTRAINTS,
        help="The maximum length of a word, counted likewise. Without it there is no limit.",
    ),
)

known_options = all_of(
    option(
        "--new",
        is_flag=True,
        group=CONSTRAINTS,
        help="The words are not in the training corpus, which is read again and verified.",
    ),
    option(
        "--corpus",
        type=PATH,
        group=CONSTRAINTS,
        help="The file of the training corpus, if it has moved.",
    ),
    option(
        "--exclude",
        type=PATH,
        multiple=True,
        group=CONSTRAINTS,
        help="Skip the words of this file. It may be given several times.",
    ),
)


def constraints_of(facts: "CorpusFacts", options: dict[str, Any]) -> "Constraints":
    """Take the values of ``constraint_options`` out of a command's options.

    The texts are changed as the training corpus was, so ``--prefix Zoë`` works with a model trained
    with --lowercase.
    """
    from makemore.data.corpus import reading_of
    from makemore.generation.constraints import Constraints

    change = reading_of(facts)
    texts: dict[str, Any] = {name: change(options.pop(name)) for name in ("prefix", "suffix")}
    texts["contains"] = tuple(map(change, options.pop("contains")))
    lengths = {name: options.pop(name) for name in ("min_length", "max_length")}
    return Constraints(**{**texts, **lengths})


def refuse_overwriting(output: str, *inputs: str | None) -> None:
    """Raise ``UsageError`` if the output is one of the input files."""
    for path in inputs:
        if (
            path
            and os.path.exists(output)
            and os.path.exists(path)
            and os.path.samefile(output, path)
        ):
            raise click.UsageError(f"'{output}' is read by this command: write to another file")


def corpus_of(paths: tuple[str, ...], options: dict[str, Any], *, remote: bool = False) -> "Corpus":
    """Return the corpus of files, and take the values of ``text_options`` out of the options.

    The paths may be URLs if they are ``remote``.
    """
    from dataclasses import replace

    from makemore.data.corpus import Corpus
    from makemore.errors import OptionError, shown

    names = ("encoding", "errors", "lowercase", "strip_accents", "normalize")
    how = {name: options.pop(name) for name in names}
    how["normalize"] = how["normalize"] or ""
    how["columns"] = columns_of(options)
    if remote:
        from makemore.counting.cluster import url_corpus

        if "-" in paths:
            raise OptionError("--dask cannot count stdin: name files or URLs")
        return url_corpus(paths, **how)
    for path in paths:
        if "://" in path and not os.path.exists(path):
            raise OptionError(f"{shown(path)} is a URL: download it, or read it with --dask")
    return replace(Corpus.from_paths(*paths), **how)


def columns_of(options: dict[str, Any]) -> "Columns | None":
    """Take the values of ``table_options`` out of a command's options."""
    column, weights, delimiter = (
        options.pop(name) or "" for name in ("column", "weights", "delimiter")
    )
    weights_as = options.pop("weights_as")
    if column:
        from makemore.data.table import Columns

        return Columns(column, weights, delimiter, weights_as)
    if weights or delimiter or weights_as != "count":
        raise click.UsageError("--column is missing: it names the column of the words")
    return None


def say_if_table(name: str, lines: "Sequence[str]") -> None:
    """Name the options for a table, whose commas and numbers would be taken as parts of words."""
    if not any(character in "".join(lines[:1]) for character in "\t;,| "):
        return
    from makemore.data.formats import MAX_LISTED, MAX_SAMPLE, table_option

    shown = enumerate(lines[:MAX_SAMPLE], 1)
    words = [(number, line[:MAX_LISTED]) for number, line in shown if line]
    if option := table_option(words):
        say(
            f"{name} looks like a table, and its rows are read as words: {option} reads the words"
            " alone"
        )


def text_of_files(
    paths: "Sequence[str] | Streams",
    encoding: str,
    columns: "Columns | None" = None,
    errors: str = "strict",
    *,
    large: bool = False,
    digest: bool = False,
) -> "Reading":
    """Return the unchanged text of files in blocks, which are ``large`` for models that benefit.

    ``digest`` says whether its ``sha256`` is wanted. Pipes and terminals are read in blocks of the
    lines that have arrived.
    """
    from makemore.cli.streaming import Streams
    from makemore.data.corpus import Corpus
    from makemore.evaluation.scoring import BLOCK, LARGE_BLOCK

    streams = paths if isinstance(paths, Streams) else Streams(paths)
    corpus = Corpus(streams.sources(), encoding=encoding, errors=errors, columns=columns)
    size = LARGE_BLOCK if large else BLOCK
    return corpus.read(digest=digest, as_they_come=streams.are_live, block_size=size)


def damage(lines: int, errors: str) -> str:
    """Return a message about lines that could not be decoded; an empty one if there are none."""
    what = f"{lines:,} line{'s' * (lines != 1)} that could not be decoded"
    become = {"skip": "left out", "replace": "read with U+FFFD for the bad bytes"}
    return f"{what}: {become[errors]}" if lines else ""


def was_typed(ctx: click.Context, name: str) -> bool:
    """Return whether an option was given on the command line."""
    return ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE


def refuse_without_effect(ctx: click.Context, names: Sequence[str], reason: str) -> None:
    """Raise ``UsageError`` if one of these options was given, because it would have no effect."""
    for name in names:
        if was_typed(ctx, name):
            raise click.UsageError(f"--{name.replace('_', '-')} has no effect {reason}")


def saved(path: str, started: float, *, replaces: bool) -> str:
    """Return a message about a checkpoint, saved by a command that began at ``started``."""
    note = ", replacing the file that was there" if replaces else ""
    return f"\nsaved {path} in {time.perf_counter() - started:.2f} s{note}"


def load_checkpoint(path: str) -> "Checkpoint":
    """Return the checkpoint at ``path``. Raises ``CheckpointError``."""
    from makemore.checkpoint import load

    return load(path)
