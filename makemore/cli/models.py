"""The commands about models: info, compare, mix, export, import."""

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from makemore.cli.console import print_results, say, write_results
from makemore.cli.options import (
    PATH,
    change_options,
    checkpoint_option,
    columns_of,
    command,
    encoding_option,
    json_option,
    load_checkpoint,
    option,
    output_option,
    refuse_overwriting,
    refuse_without_effect,
    saved,
    table_options,
    text_of_files,
)

if TYPE_CHECKING:
    from makemore.data.vocabulary import Vocabulary


@command("info", "makemore info -c makemore.npz --json")
@checkpoint_option
@json_option
def info(checkpoint: str, as_json: bool) -> None:
    """Describe a checkpoint: its model, its corpus, its losses."""
    import json

    from makemore.json_values import checkpoint_values
    from makemore.reporting import describe_checkpoint

    loaded = load_checkpoint(checkpoint)
    print_results(json.dumps(checkpoint_values(loaded)) if as_json else describe_checkpoint(loaded))


@command("compare", "makemore compare bigram.npz ngram.npz")
@click.argument("checkpoints", nargs=-1, required=True, type=PATH)
@option(
    "--corpus",
    type=PATH,
    help="Compare on the words of this file instead of those held out.",
)
@encoding_option
@table_options
@json_option
@click.pass_context
def compare(
    ctx: click.Context,
    /,
    checkpoints: tuple[str, ...],
    corpus: str | None,
    as_json: bool,
    encoding: str,
    **options: Any,
) -> None:
    """Compare several CHECKPOINTS in one table.

    It shows their sizes, training times and losses in nats per symbol. Bits per symbol and
    perplexity are those of the last loss shown.
    """
    import json

    from makemore.evaluation.comparison import compare as compare_checkpoints
    from makemore.json_values import comparison_values
    from makemore.reporting import comparison_table

    if corpus is None:
        names = ["encoding", *options]
        refuse_without_effect(ctx, names, "without --corpus, whose text it is about")
    columns = columns_of(options)
    loaded = {path: load_checkpoint(path) for path in checkpoints}
    blocks = (
        text_of_files((corpus,), encoding, columns).blocks(counts_lines=True) if corpus else None
    )
    rows = compare_checkpoints(loaded, blocks)
    print_results(json.dumps(comparison_values(rows)) if as_json else comparison_table(rows))
    _say_different_alphabets([each.model.vocabulary for each in loaded.values()])
    if rows[0].corpus and rows[0].corpus.unknown_words:
        say(
            f"left out {rows[0].corpus.unknown_words:,} of the words, because a model does not know"
            " a character in them"
        )


def _say_different_alphabets(vocabularies: Sequence["Vocabulary"]) -> None:
    """Say whether losses per symbol are means over different symbols."""
    rules = {frozenset(s for s in v.symbols + v.unknown if len(s) > 1) for v in vocabularies}
    if len(rules) > 1:
        say(
            "the models split words into different symbols, so their losses per symbol cannot be"
            " compared: train them with the same --symbols"
        )
    elif len({vocabulary.symbols for vocabulary in vocabularies}) > 1:
        sizes = [len(vocabulary.symbols) for vocabulary in vocabularies]
        say(
            f"the alphabets differ, with {min(sizes):,} to {max(sizes):,} symbols: a larger one"
            " leaves each symbol less probability"
        )


@command("mix", "makemore mix ngram.npz gru.npz -c mixture.npz")
@click.argument("checkpoints", nargs=-1, required=True, type=PATH)
@checkpoint_option
@option(
    "--corpus",
    type=PATH,
    help="Find the weights on the words of this plain list in UTF-8, on which no model was trained."
    " Of the training corpus itself, the validation words are used.",
)
@json_option
def mix(checkpoints: tuple[str, ...], checkpoint: str, corpus: str | None, as_json: bool) -> None:
    """Mix trained CHECKPOINTS into one model and save it.

    Its probabilities are the weighted mean of theirs. The weights are found by expectation
    maximisation on validation words of the training corpus, which is read again and verified;
    held-out words are not used. The models must have been trained on the same corpus.
    """
    import json
    from dataclasses import replace

    from makemore.checkpoint import refuse_other_files, save
    from makemore.data.corpus import Corpus, source_digest
    from makemore.generation.novelty import find_corpus
    from makemore.json_values import checkpoint_values
    from makemore.reporting import describe_checkpoint
    from makemore.training.mixing import mix as mix_models

    started = time.perf_counter()
    if len(set(checkpoints)) < 2:
        raise click.UsageError("name two checkpoints or more, each once")
    refuse_overwriting(checkpoint, corpus, *checkpoints)
    refuse_other_files(checkpoint)
    loaded = {path: load_checkpoint(path) for path in checkpoints}
    facts = loaded[checkpoints[0]].corpus
    with Corpus.from_paths(corpus or find_corpus(facts, checkpoints[0], "")).rereadable() as source:
        words = source.changed_as(facts)
        if not corpus or source_digest(words.sources[0]).hex() == facts.sha256:
            mixed = mix_models(loaded, words)
        else:
            text = Corpus.from_paths(find_corpus(facts, checkpoints[0], "")).changed_as(facts)
            words = replace(words, encoding="utf-8", columns=None)  # a plain list
            mixed = mix_models(loaded, text, words)
    replaces = os.path.isfile(checkpoint)
    save(checkpoint, mixed)
    print_results(json.dumps(checkpoint_values(mixed)) if as_json else describe_checkpoint(mixed))
    if not as_json:
        print_results(saved(checkpoint, started, replaces=replaces))


@command("export", "makemore export -c ngram.npz -o ngram.arpa.gz")
@checkpoint_option
@output_option("makemore.arpa", "The file; one that ends in .gz is compressed, and - is stdout.")
def export(checkpoint: str, output: str) -> None:
    """Write a bigram or n-gram model as an ARPA file.

    Speech recognisers, SRILM and KenLM (up to order 6, unless it was built for more) read it. The
    tokens are the characters; a space is written as ▁, and other white space as <U+0009>.
    """
    from makemore.arpa import arpa_text, write_arpa

    refuse_overwriting(output, checkpoint)
    model = load_checkpoint(checkpoint).model
    if output == "-":
        for text in arpa_text(model):
            write_results(text)
        return
    write_arpa(output, model)
    print_results(output)


@command("import", "makemore import ngram.arpa -c imported.npz")
@click.argument("arpa", type=PATH)
@checkpoint_option
@option("--symbols", is_flag=True, help="Read tokens of several characters as symbols.")
@change_options
def import_(arpa: str, checkpoint: str, symbols: bool, **changes: Any) -> None:
    """Read an n-gram model from the file ARPA and save it.

    The file comes from 'makemore export', KenLM or SRILM, compressed or not; - is stdin. Its tokens
    are single characters. The probability of <unk> is shared among the other symbols.

    The last three options say how the training words of the model were changed: words to score and
    prefixes are then changed alike.
    """
    from makemore.arpa import read_arpa
    from makemore.checkpoint import refuse_other_files, save
    from makemore.reporting import describe_training

    started = time.perf_counter()
    refuse_overwriting(checkpoint, arpa)
    refuse_other_files(checkpoint)
    changes["normalize"] = changes["normalize"] or ""
    imported = read_arpa(arpa, symbols=symbols, **changes)
    replaces = os.path.isfile(checkpoint)
    save(checkpoint, imported)
    print_results(describe_training(imported))
    if unknown := imported.training.options.get("unknown"):
        say(
            f"without context the file gives <unk> {unknown:.3%} of the probability: the model has"
            " no symbol for it, so its other symbols share it"
        )
    print_results(saved(checkpoint, started, replaces=replaces))
