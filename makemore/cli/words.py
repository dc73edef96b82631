"""The commands that write words: sample, top."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from makemore.cli.console import flush_results, print_results, say
from makemore.cli.options import (
    CONSTRAINTS,
    IntegerRange,
    checkpoint_option,
    command,
    constraint_options,
    constraints_of,
    json_option,
    known_options,
    load_checkpoint,
    number_or_percentage,
    option,
    output_option,
    refuse_overwriting,
    refuse_without_effect,
)

if TYPE_CHECKING:
    from makemore.generation.novelty import KnownWords, Novelty
    from makemore.generation.sampling import Sampler
    from makemore.models.base import Model
    from makemore.training.record import Checkpoint

DRAWING = "How the words are drawn"
NOTICEABLE = 0.02
"""The smallest error of the distribution that is worth a warning: one word in fifty."""


@command("sample", "makemore sample -n 5 --prefix ma --max-length 8 --seed 1")
@checkpoint_option
@option("-n", "--count", type=IntegerRange(0), default=20, help="The number of words.")
@option(
    "--best",
    metavar="COUNT",
    type=IntegerRange(1),
    help="Draw many more words and write this many of the best: probable words that have little in"
    " common.",
)
@option(
    "--sort",
    type=click.Choice(["probability", "alphabet"]),
    help="Sort the words: the most probable first, or by their characters.",
)
@option(
    "--seed",
    type=IntegerRange(0),
    group=DRAWING,
    help="The random seed: the same seed gives the same words. Without it they differ every time.",
)
@option(
    "--temperature",
    type=float,
    default=1.0,
    group=DRAWING,
    help="Below 1 likely characters become likelier, above 1 rare ones do; 0 always takes the"
    " likeliest.",
)
@option(
    "--top-k",
    type=int,
    group=DRAWING,
    help="Draw only from this many of the likeliest characters that the constraints allow.",
)
@option(
    "--top-p",
    type=number_or_percentage,
    metavar="SHARE",
    default=1.0,
    group=DRAWING,
    help="Draw only from the likeliest characters that the constraints allow: the fewest that"
    " together have this probability.",
)
@constraint_options
@option("--unique", is_flag=True, group=CONSTRAINTS, help="Skip duplicates.")
@known_options
@option(
    "--min-distance",
    metavar="EDITS",
    type=IntegerRange(1, 3),
    help="The words are at least this many edits from each other and from the training words, which"
    " are read again. An edit inserts, deletes or replaces a symbol or swaps two neighbours.",
    group=CONSTRAINTS,
)
@output_option(None, "Write to this file; - is stdout.")
@option("--with-scores", is_flag=True, help="Print the surprisal before each word, as score does.")
@json_option
@option(
    "--report",
    is_flag=True,
    help="Report how many of the words are new, and which training words are nearest.",
)
@click.pass_context
def sample(
    ctx: click.Context,
    /,
    checkpoint: str,
    count: int,
    best: int | None,
    sort: str | None,
    seed: int | None,
    unique: bool,
    new: bool,
    min_distance: int | None,
    corpus: str | None,
    exclude: tuple[str, ...],
    output: str | None,
    with_scores: bool,
    as_json: bool,
    report: bool,
    **options: Any,
) -> None:
    """Write new words, one a line.

    Constraints on prefix, suffix, content and length hold exactly: the words have the model's
    distribution, given the constraints. Constraints that no word can fulfil are refused.
    """
    from makemore.generation.novelty import Novelty

    uses = {"--min-distance": min_distance, "--report": report, "--new": new}
    _refuse_idle(ctx, best, uses)
    loaded = load_checkpoint(checkpoint)
    path = _training_corpus(ctx, loaded, uses)
    refuse_overwriting(output or "", checkpoint, path, *exclude, loaded.corpus.path)
    known = _known_words(loaded, path if new else None, exclude)
    sampler = _sampler(loaded, known, path, options)
    novelty = Novelty(_known_words(loaded, path, (), "--report")) if report else None
    found, count = 0, best or count
    with _telling_seed(seed) as seed, _writer(output, columns=3 if with_scores else 1) as write:
        how = {"unique": unique, "best": bool(best), "min_distance": min_distance or 0}
        texts = _texts(sampler, loaded.model, count, seed, sort, how)
        for text in novelty.watch(texts) if novelty else texts:
            found += text.count("\n")
            if text:
                write(_formatted(text, loaded.model, with_scores, as_json))
    _say_if_too_few(found, count, is_far=bool(best and min_distance))
    if novelty and path:
        _report(novelty, loaded, path)


def _refuse_idle(ctx: click.Context, best: int | None, uses: dict[str, Any]) -> None:
    """Raise ``UsageError`` for options that have no effect beside or without others."""
    if best:
        refuse_without_effect(ctx, ["count"], "beside --best, which says how many")
    if not any(uses.values()):
        refuse_without_effect(ctx, ["corpus"], "without --new, --min-distance or --report")


def _sampler(
    loaded: "Checkpoint", known: "KnownWords", path: str | None, options: dict[str, Any]
) -> "Sampler":
    """Return what draws words that are not known, and say where they may look odd."""
    from makemore.generation.sampling import Sampler

    constraints = constraints_of(loaded.corpus, options)
    sampler = Sampler(loaded, constraints=constraints, exclude=known, corpus=path or "", **options)
    if sampler.error > NOTICEABLE:
        say(
            "few words fulfil the constraints, so their distribution is approximate: it is within"
            f" {sampler.error:.0%} of the model's (total variation)"
        )
    if sampler.warning:
        say(sampler.warning)
    return sampler


def _training_corpus(ctx: click.Context, loaded: "Checkpoint", uses: dict[str, Any]) -> str | None:
    """Return the path of the training corpus; None where none of the options ``uses`` it."""
    from makemore.generation.novelty import find_corpus

    used_by = next((name for name, is_given in uses.items() if is_given), "")
    if not used_by:
        return None
    return ctx.params["corpus"] or find_corpus(loaded.corpus, ctx.params["checkpoint"], used_by)


def _texts(
    sampler: "Sampler",
    model: "Model",
    count: int,
    seed: int,
    order: str | None,
    how: dict[str, Any],
) -> Iterable[str]:
    """Return words in blocks of text; where they are chosen or sorted, in one block.

    ``how`` holds the options of ``Sampler.sample``.
    """
    if not (order or how["best"] or how["min_distance"]):
        return sampler.texts(count, seed, unique=how["unique"])
    from makemore.data.text import text_of_words

    return [text_of_words(_sorted(sampler.sample(count, seed, **how), order, model))]


def _say_if_too_few(found: int, count: int, *, is_far: bool) -> None:
    """Say why there are fewer words than were asked for; ``is_far`` if they had to be far apart."""
    from makemore.generation.writers import PATIENCE

    if found >= count:
        return
    why = f"then {PATIENCE:,} draws in a row gave no other, so the model has hardly more to give"
    if is_far:
        why = "no other word that was drawn is far enough from these and from the training words"
    say(f"found {found:,} of {count:,} words: {why}; relax the constraints or raise --temperature")


def _sorted(words: list[str], order: str | None, model: "Model") -> list[str]:
    """Return the words in the order asked for."""
    if order == "alphabet":
        return sorted(words)
    if order == "probability":
        from makemore.generation.selection import most_probable_first

        return most_probable_first(model, words)
    return words


@contextmanager
def _telling_seed(given: int | None) -> Iterator[int]:
    """Yield the seed, or a random one, which is printed once the words are written.

    It is printed after an interruption, too, but not after an error.
    """
    seed = int.from_bytes(os.urandom(4), "big") if given is None else given
    is_told = given is None
    try:
        yield seed
        flush_results()
    except Exception as error:
        is_told = is_told and isinstance(error, BrokenPipeError)
        raise
    finally:
        if is_told:
            say(f"seed {seed}")


def _known_words(
    checkpoint: "Checkpoint",
    corpus: str | None,
    exclude: tuple[str, ...],
    wanted_by: str = "--new",
) -> "KnownWords":
    """Return the words to leave out: those of the training corpus at this path and of files."""
    from dataclasses import replace

    from makemore.data.corpus import Corpus
    from makemore.generation.novelty import KnownWords, training_texts

    def texts() -> Iterator[str]:
        """Yield the words in blocks of text."""
        if corpus:
            yield from training_texts(checkpoint.corpus, corpus, wanted_by)
        if exclude:
            others = Corpus.from_paths(*exclude).changed_as(checkpoint.corpus)
            yield from replace(others, encoding="utf-8", columns=None).read()

    return KnownWords(texts())


@contextmanager
def _writer(output: str | None, columns: int) -> Iterator[Any]:
    """Yield a function that writes blocks of text to stdout or, atomically, to a file."""
    if output in (None, "-"):
        yield lambda text: print_results(text.removesuffix("\n"), columns)
        return
    from makemore.errors import MakemoreError, unwritable
    from makemore.files import replace_atomically

    try:
        with replace_atomically(output) as file:
            yield lambda text: file.write(text.encode())
    except OSError as error:
        raise MakemoreError(unwritable(output, error)) from error


def _formatted(text: str, model: "Model", with_scores: bool, as_json: bool) -> str:
    """Return a block of words in the format of the output."""
    if not (with_scores or as_json):
        return text
    from makemore.evaluation.scoring import judge

    (judged,) = judge(model, [text])
    return judged.json_lines() if as_json else judged.table(unknown=False)


def _report(novelty: "Novelty", checkpoint: "Checkpoint", corpus: str) -> None:
    """Print on stderr how many words are new and which training words are nearest."""
    from makemore.generation.novelty import nearest_words, training_texts
    from makemore.reporting import describe_novelty

    vocabulary = checkpoint.model.vocabulary  # edits are those of symbols, as for --min-distance
    texts = map(vocabulary.shortened, training_texts(checkpoint.corpus, corpus, "--report"))
    found = nearest_words(list(map(vocabulary.shortened, novelty.first)), texts)
    nearest = [(vocabulary.spelled_out(word), edits) for word, edits in found]
    click.echo(describe_novelty(novelty, nearest), err=True)


@command("top", "makemore top -n 5 --prefix ma --new")
@checkpoint_option
@option("-n", "--count", type=IntegerRange(0), default=20, help="The number of words.")
@constraint_options
@known_options
@json_option
@click.pass_context
def top(
    ctx: click.Context,
    /,
    checkpoint: str,
    count: int,
    new: bool,
    corpus: str | None,
    exclude: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Print the most probable words, exactly and in order.

    The probability comes before each word. With --new, these are the most probable words that are
    not in the training corpus.
    """
    import json

    from makemore.generation.rarity import rarity_warning_of
    from makemore.generation.search import most_probable_words

    if not new:
        refuse_without_effect(ctx, ["corpus"], "without --new")
    loaded = load_checkpoint(checkpoint)
    constraints = constraints_of(loaded.corpus, options)
    known = _known_words(loaded, _training_corpus(ctx, loaded, {"--new": new}), exclude)
    words = most_probable_words(loaded, constraints, exclude=known)
    found = 0
    for word, probability in islice(words, count):
        found += 1
        if as_json:
            print_results(json.dumps({"word": word, "probability": probability}))
        else:
            print_results(f"{probability:.4e}\t{word}", columns=2)
    if found < count:
        say(f"found {found:,} of {count:,} words: the model can write no other")
    if warning := rarity_warning_of(loaded.model, constraints):
        say(warning)
