"""The command ``train``, and what it shows while it trains."""

import os
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from makemore.cli.console import (
    flush_results,
    interruption_noted,
    print_results,
    progress,
    say,
)
from makemore.cli.data import NAMES
from makemore.cli.options import (
    PATH,
    IntegerRange,
    all_of,
    checkpoint_option,
    command,
    corpus_of,
    damage,
    load_checkpoint,
    number_or_percentage,
    option,
    refuse_overwriting,
    refuse_without_effect,
    saved,
    say_if_table,
    text_options,
    was_typed,
)
from makemore.errors import OptionError, TrainingError
from makemore.kinds import COMMON, DESCENT, KINDS, METHODS, MODEL, OPTIONS, TEXT, Option
from makemore.training.options import TrainingOptions, effective

if TYPE_CHECKING:
    from makemore.counting.passes import Jobs
    from makemore.counting.survey import Survey
    from makemore.data.corpus import Corpus
    from makemore.models.base import Model
    from makemore.training.record import Checkpoint


def _training_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of training to a command, made from the rows of ``kinds.py``."""
    defaults = _default_texts()
    options = [
        option(
            "--model",
            type=click.Choice(list(KINDS)),
            default="bigram",
            group=MODEL,
            help="The kind of model: the bigram sees one character, the n-gram --order minus one,"
            " mlp and wavenet --context, the others the whole word.",
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
                *row.aliases,
                row.flag,
                row.name,
                type=_type_of(row),
                metavar=_metavar_of(row),
                show_default=defaults.get(row.name, False),
                group=row.group,
                help=row.help,
            )
            for row in OPTIONS
        ),
    ]
    return all_of(*options)(function)


def _type_of(row: Option) -> Any:
    """Return the type that the command line converts an option to."""
    if row.choices:
        return click.Choice(row.choices)
    if row.words:
        return _number_or_word(row)
    return number_or_percentage if row.is_share else row.type


def _number_or_word(row: Option) -> Callable[[Any], Any]:
    """Return a function that converts a value which may be a word instead of a number."""

    def convert(value: Any) -> Any:
        """Return the value."""
        try:
            return row.parsed(str(value))
        except ValueError:
            raise click.BadParameter(f"'{value}' is not a whole number {row.range.text}") from None

    return convert


def _metavar_of(row: Option) -> str | None:
    """Return the placeholder of an option's value in the help; None for the default of its type."""
    if row.words:
        return "|".join(["INTEGER", *row.words])
    return "SHARE" if row.is_share else None


def _default_texts() -> dict[str, str]:
    """Return the defaults of each option that has some, as the help shows them."""
    kinds: dict[str, dict[Any, dict[str, None]]] = {}
    for kind in KINDS.values():
        for method in kind.methods:
            for name, value in kind.defaults(method).items():
                kinds.setdefault(name, {}).setdefault(value, {})[kind.name] = None
    return {
        name: "; ".join(
            f"{value} for {', '.join(of)}" if len(values) > 1 else str(value)
            for value, of in values.items()
            if value is not None
        )
        for name, values in kinds.items()
        if values.keys() != {None}
    }


@command("train", "makemore train words.txt --model ngram --order 4 -c words.npz")
@click.argument("corpus", nargs=-1, type=PATH)
@checkpoint_option
@_training_options
@option(
    "--keep",
    is_flag=True,
    group=DESCENT,
    help="On Ctrl-C, or where the loss diverges, save the best so far; without it nothing is"
    " saved.",
)
@option(
    "--resume",
    is_flag=True,
    group=DESCENT,
    help="Continue the interrupted training of a network that was kept in the checkpoint.",
)
@option(
    "--log",
    metavar="FILE.csv",
    type=PATH,
    group=DESCENT,
    help="Write the losses of all steps to this file.",
)
@text_options
@option(
    "--symbols",
    "symbol_rule",
    metavar="RULE",
    default="",
    show_default=False,
    group=TEXT,
    help="Which symbols have several characters: graphemes (emoji families, flags, letters with"
    " marks; needs the package regex), smiles (atoms such as Cl and [C@@H]), or a regular"
    " expression. Lengths and prefixes then count these symbols.",
)
@option(
    "--unknown",
    is_flag=True,
    group=TEXT,
    help="Reserve probability for characters never seen: those that occur less often than"
    " --min-count stand for them, and their words stay. Such characters are read, never written.",
)
@option(
    "--jobs",
    type=IntegerRange(1),
    help="The number of processes that count. Without it there is one for each processor.",
)
@option(
    "--dask",
    metavar="ADDRESS",
    help="Count the pairs or n-grams of local or remote files on the Dask cluster with this"
    " scheduler, such as tcp://host:8786, or 'local' for one on this machine. Needs"
    " the package dask[distributed].",
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
    resume: bool,
    log: str | None,
    **options: Any,
) -> None:
    """Train a model on CORPUS and save it.

    CORPUS is one file or several, with one word a line, compressed or not; - is stdin. Without
    CORPUS, words are read from stdin if it is a pipe or a file, and otherwise from data/names.txt,
    which is downloaded if it is missing.
    """
    from makemore.checkpoint import refuse_other_files, save

    started = time.perf_counter()
    text = _text_of(corpus, options, dask)
    resumed = load_checkpoint(checkpoint) if resume else None
    if resumed:
        text = _text_as_before(ctx, text, resumed)
    chosen = _chosen_options(ctx, options, resumed)
    _refuse_log_of_no_steps(ctx, chosen)
    refuse_other_files(checkpoint)
    _refuse_lost(checkpoint, log, corpus)
    if dask is None and not text.columns:
        say_if_table(text.name, text.head().split("\n"))
    replaces = os.path.isfile(checkpoint) and not resume
    with _watching(keep, chosen.values.get("steps", 0)) as watcher:
        counter = _counting(dask, chosen.model, jobs)
        trained = _trained(text, chosen, resumed, watcher, counter)
        save(checkpoint, trained)
    if log:
        _write_log(log, trained)
    _report(trained, chosen)
    if dask is None:
        _suggest_better_model(trained, corpus, text, _kept(ctx))
    _say_if_ended_early(trained, watcher)
    print_results(saved(checkpoint, started, replaces=replaces))
    for failure in watcher.failures:
        raise failure
    if watcher.stopped:
        ctx.exit(130)


def _text_of(names: tuple[str, ...], options: dict[str, Any], dask: str | None) -> "Corpus":
    """Return the corpus of these names or the default one, and take its options out of the rest."""
    text = corpus_of(names or (_unnamed_corpus(),), options, remote=dask is not None)
    cuts = {name: options.pop(name) for name in ("symbol_rule", "unknown")}
    for flag, value in zip(("--symbols", "--unknown"), cuts.values(), strict=True):
        if value and dask:
            raise click.UsageError(f"{flag} does not work on a Dask cluster: leave out --dask")
    return replace(text, **cuts)


def _refuse_log_of_no_steps(ctx: click.Context, chosen: TrainingOptions) -> None:
    if "steps" not in chosen.values:
        what = f"on --model {chosen.model} by --method {chosen.method}"
        refuse_without_effect(ctx, ["log"], what)


def _refuse_lost(checkpoint: str, log: str | None, corpus: tuple[str, ...]) -> None:
    """Raise before the training where its results cannot be written, or would replace each other.

    Whoever finds out after an hour has lost the hour.
    """
    from makemore.errors import unwritable
    from makemore.files import writing_fault

    for path in filter(None, (checkpoint, log)):
        refuse_overwriting(path, *corpus)
        if code := writing_fault(path):
            raise TrainingError(unwritable(path, OSError(code, os.strerror(code))))
    if log and os.path.realpath(log) == os.path.realpath(checkpoint):
        raise click.UsageError(f"--log and --checkpoint are the same file '{log}'")


def _text_as_before(ctx: click.Context, text: "Corpus", resumed: "Checkpoint") -> "Corpus":
    """Return the corpus, read as by the training that goes on; refuse another way."""
    again = text.changed_as(resumed.corpus)
    again = replace(again, unknown=resumed.model.vocabulary.unk is not None)
    table = ("column", "weights", "delimiter", "weights_as")
    for field, names in {"columns": table, **{name: (name,) for name in _READING}}.items():
        if getattr(text, field) != getattr(again, field):
            for name in filter(partial(was_typed, ctx), names):
                flag = {p.name: p.opts[-1] for p in ctx.command.params}[name]
                raise OptionError(
                    f"the interrupted training read its words otherwise than {flag} says: resume"
                    " without it, or train anew"
                )
    return again


_READING = (
    "encoding",
    "errors",
    "lowercase",
    "strip_accents",
    "normalize",
    "symbol_rule",
    "unknown",
)
"""The options that say how a text is read, beside those of tables, as fields of ``Corpus``."""


def _chosen_options(
    ctx: click.Context, options: dict[str, Any], resumed: "Checkpoint | None"
) -> TrainingOptions:
    """Return the options of the training; those of a resumed one hold unless others are typed."""
    if resumed is None:
        return TrainingOptions(**_given(ctx, options))
    from makemore.training.train import resumed_options

    typed = {name: value for name, value in options.items() if was_typed(ctx, name)}
    return TrainingOptions(**(resumed_options(resumed, None).record() | typed))


def _trained(
    text: "Corpus",
    chosen: TrainingOptions,
    resumed: "Checkpoint | None",
    watcher: "_Watcher",
    counting: AbstractContextManager["Jobs"],
) -> "Checkpoint":
    """Train a model, and show on stderr how far the training is."""
    from makemore.training.train import train as train_model

    with counting as counter, progress("reading") as on_read, _reporting_damage(text) as text:
        return train_model(
            text,
            chosen,
            jobs=counter,
            on_read=on_read,
            on_step=watcher.on_step,
            on_failure=watcher.on_failure,
            resume=resumed,
            on_survey=lambda survey: _warn_before_training(survey, chosen),
        )


def _say_if_ended_early(trained: "Checkpoint", watcher: "_Watcher") -> None:
    """Say after how many steps Ctrl-C or the time limit ended the training."""
    steps = len(trained.training.loss_history)
    if watcher.stopped:
        what = f"after {steps:,} steps, which are" if steps else "and what was learnt is"
        say(f"interrupted {what} kept")
    elif trained.resumption and not watcher.failures:
        say(
            f"the time limit ended the training after {steps:,} of"
            f" {trained.training.options['steps']:,} steps: --resume continues it"
        )


def _report(trained: "Checkpoint", chosen: TrainingOptions) -> None:
    """Print the facts of a training, and say what its losses mean and which words it writes."""
    from makemore.reporting import advice, describe_training

    if trained.training.options["model"] != chosen.model:
        say(
            "the table of a bigram would be almost empty, with"
            f" {len(trained.model.vocabulary) ** 2:,} weights for {trained.corpus.symbols:,}"
            " symbols: this is an n-gram model instead, as by --model ngram --order 2; --model"
            " bigram trains the table"
        )
    print_results(describe_training(trained))
    flush_results()
    steps = len(trained.training.loss_history)
    if chosen.values.get("time_limit") is not None and steps < chosen.values.get("steps", 0):
        if not trained.resumption:
            say(f"the time limit allowed {steps:,} of {chosen.steps:,} steps")
    else:
        for line in advice(trained):
            say(line)
    say(f"writes {_some_words(trained.model, trained.training.seed)}")


def _suggest_better_model(
    trained: "Checkpoint", names: tuple[str, ...], text: "Corpus", kept: list[str]
) -> None:
    """Name the command that trains a better model on the same corpus, where there is one."""
    from makemore.data.corpus import options_to_read
    from makemore.data.sources import STDIN, as_argument
    from makemore.reporting import better_options

    if more := better_options(trained):
        files = map(as_argument, names or ((STDIN,) if text.name == "stdin" else ()))
        words = [shlex.join(["makemore", "train", *files, *kept]), *options_to_read(text), more]
        say(f"a better model: {' '.join(words)}")


def _kept(ctx: click.Context) -> list[str]:
    """Return the options on the command line that mean the same for every kind of model."""
    names = [name for name in ("checkpoint", "jobs", *COMMON) if was_typed(ctx, name)]
    flags = {parameter.name: parameter.opts[0] for parameter in ctx.command.params}
    kept = [word for name in names for word in (flags[name], str(ctx.params[name]))]
    return kept + ["--unknown"] * ctx.params["unknown"]


def _warn_before_training(survey: "Survey", chosen: TrainingOptions) -> None:
    """Warn of words that are left out and of a model that does not suit the corpus."""
    from makemore.training.bigram import is_almost_empty

    facts, V = survey.facts, len(survey.vocabulary)
    if facts.dropped_lines > facts.lines:
        say(
            f"--min-count {facts.min_count} leaves {facts.lines:,} of"
            f" {facts.lines + facts.dropped_lines:,} words: choose a smaller one to keep more"
        )
    is_asked_for = chosen.model == "bigram" and not chosen.model_is_free
    if is_asked_for and is_almost_empty(V, facts.symbols):
        say(
            f"{V * V:,} weights for {facts.symbols:,} symbols: --model ngram --order 2 is quicker"
            " and fits better"
        )


@contextmanager
def _reporting_damage(corpus: "Corpus") -> Iterator["Corpus"]:
    """Yield the corpus, after it was read to say how many lines cannot be decoded.

    With --errors strict such a line is an error of the training, and nothing is read here.
    """
    if corpus.errors == "strict":
        yield corpus
        return
    with corpus.rereadable() as again:
        reading = again.read()
        for _ in reading:
            pass
        if message := damage(reading.damaged, corpus.errors):
            say(message)
        yield again


def _write_log(path: str, checkpoint: "Checkpoint") -> None:
    """Write the curves of a training as CSV: a row for each step."""
    from makemore.errors import unwritable
    from makemore.files import replace_atomically
    from makemore.reporting import curve_rows

    try:
        with replace_atomically(path) as file:
            file.write("".join(f"{row}\n" for row in curve_rows(checkpoint.training)).encode())
    except OSError as error:
        raise TrainingError(unwritable(path, error)) from error


def _given(ctx: click.Context, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given; one of the environment only where it has an effect."""
    has_limit = options["time_limit"] is not None
    if has_limit and not was_typed(ctx, "model"):
        options = {**options, "model": "mixture"}
    named = options["model"] if _was_given(ctx, "model") or has_limit else ""
    chosen = {"model": named, "method": options["method"] or ""}
    plain = TrainingOptions(**chosen)
    given = {name: v for name, v in options.items() if v is not None and name not in chosen}
    deciding = effective(plain.model, plain.method, given)
    return chosen | {
        name: value for name, value in given.items() if was_typed(ctx, name) or name in deciding
    }


def _was_given(ctx: click.Context, name: str) -> bool:
    """Return whether an option comes from the command line or the environment."""
    return ctx.get_parameter_source(name) is not ParameterSource.DEFAULT


class _Watcher:
    """Shows on stderr how far a training is, and tells it to stop.

    It takes the steps of a bigram's descent and those of networks, which report more.

    A terminal shows a progress bar; elsewhere a line is printed every ``LINE_PAUSE`` seconds. While
    a network trains, a few words that it would write are shown now and then.

    Attributes
    ----------
    stopped : list of float
        The times on the clock at which the training was told to stop.
    failures : list of TrainingError
        Why it ended early, where the best so far is kept.
    on_failure : callable or None
        Takes a failure; None where a failure ends the command.
    """

    def __init__(self, keep: bool, steps: int, until_saved: ExitStack) -> None:
        self._keep, self._steps, self._until_saved = keep, steps, until_saved
        self._report = until_saved.enter_context(progress("training"))
        self._started = self._next_line = self._next_words = 0.0
        self._rows = self._first = self._last = 0
        self._is_noting = False
        self.stopped: list[float] = []
        self.failures: list[TrainingError] = []
        self.on_failure = self.failures.append if keep else None

    def on_step(self, step: Any) -> bool:
        """Show how far the training is, and return whether to stop it."""
        now = time.monotonic()
        if not self._started or step.number < self._last:  # the next network
            self._started, self._first, self._rows = now, step.number, 0
            self._next_line, self._next_words = now + LINE_PAUSE, now + WORDS_PAUSE
            if self._keep and not self._is_noting:  # from now on there is something to keep
                self._is_noting = True  # once: the second of two handlers would hide the first
                self._until_saved.enter_context(interruption_noted(self.stopped))
        self._last = step.number
        note = self._note(step, now)
        steps = getattr(step, "steps", self._steps)
        self._report(step.number + 1, steps, note)
        if note and now >= self._next_line:
            self._next_line = now + LINE_PAUSE
            if not self._report.is_shown:
                say(f"step {step.number + 1:,} of {steps:,}: {note}")
        if note and now >= self._next_words:
            self._next_words = now + 2 * (now - self._started)  # ever more rarely
            self._report.clear()
            say(f"writes {_some_words(step.snapshot(), step.number)}")
        return bool(self.stopped)

    def _note(self, step: Any, now: float) -> str:
        """Return the losses, the speed and the time left; nothing for a bigram's step."""
        rows = getattr(step, "rows", 0)
        if not rows:
            return ""
        self._rows += rows
        seconds = max(now - self._started, 1e-9)
        done = step.number + 1 - self._first
        left = seconds / done * (step.steps - step.number - 1)
        parts = [f"training {step.objective:.3f}"]
        if step.fold:
            parts.insert(0, f"calibration fold {step.fold}")
        if step.validation:
            parts.append(f"validation {step.validation[1]:.3f}")
        parts.append(f"{self._rows / seconds:,.0f} nodes/s")
        return ", ".join([*parts, f"{left:.0f} s left"])


LINE_PAUSE = 10.0
"""Seconds between two lines about a training where there is no terminal."""
WORDS_PAUSE = 5.0
"""Seconds after which the first words of a network are shown."""
SHOWN_WORDS = 5


def _some_words(model: "Model", seed: int) -> str:
    """Return a few words that a model writes, separated by commas; long ones are cut."""
    import numpy as np

    from makemore.training.moments import plain_words

    rows = plain_words(model, np.random.default_rng(seed), SHOWN_WORDS)
    ends = ("..." if row[-1] >= 0 else "" for row in rows)
    words = (model.vocabulary.decode(row[row >= 0].tolist()) for row in rows)
    return ", ".join(map("".join, zip(words, ends, strict=True)))


@contextmanager
def _watching(keep: bool, steps: int) -> Iterator[_Watcher]:
    """Yield the watcher of a training.

    With ``keep``, from the first step to the end of the block, SIGINT is noted and does not end it.
    """
    with ExitStack() as until_saved:
        yield _Watcher(keep, steps, until_saved)


@contextmanager
def _counting(dask: str | None, model: str, jobs: int | None) -> Iterator["Jobs"]:
    """Yield what counts: a number of processes of this machine, or a Dask cluster."""
    if dask is None:
        yield jobs
        return
    from makemore.counting.cluster import cluster, count_on_cluster

    if KINDS[model].has_large_products:
        raise OptionError(
            f"--dask counts pairs and n-grams only, which is not enough for --model {model}"
        )
    with cluster(None if dask == "local" else dask) as client:
        yield partial(count_on_cluster, client)


def _unnamed_corpus() -> str:
    """Return the corpus that is used where none is named: stdin, or names.txt."""
    from makemore.data.sources import STDIN, stdin_has_data

    waiting = "waiting for words on stdin: if none will come, name a corpus or add < /dev/null"
    if not stdin_has_data(lambda: say(waiting)):
        return _default_corpus()
    say("no corpus is named: reading words from stdin")
    return STDIN


def _default_corpus() -> str:
    """Return the path of names.txt, or of the list inside the package."""
    from pathlib import Path

    from makemore.data.download import find_names

    with progress("downloading") as report:
        path, note = find_names(Path(NAMES), progress=lambda done: report(done, None))
    if note:
        say(note)
    return str(path)
