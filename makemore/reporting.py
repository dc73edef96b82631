"""The texts that commands print about models, corpora and words. Nothing is printed here.

Numbers have the same format everywhere: four decimals for losses in nats per symbol and in bits,
three for perplexity, and thousands separators for counts.
"""

import math
import os
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from makemore.data.corpus import CorpusFacts, options_to_read
from makemore.data.holdout import exact_count
from makemore.data.sources import STDIN, as_argument
from makemore.data.vocabulary import REPLACEMENT
from makemore.errors import shown
from makemore.evaluation.losses import Choices, accuracy, bits_per_symbol, perplexity
from makemore.kinds import COMMON, KINDS, OPTION
from makemore.training.record import Checkpoint, TrainingRecord

if TYPE_CHECKING:  # a command imports only what it reports on
    from makemore.data.check import CharacterFact, CorpusCheck
    from makemore.data.formats import Finding, Oddity
    from makemore.evaluation.comparison import Comparison
    from makemore.evaluation.outliers import Outlier
    from makemore.evaluation.scoring import Summary
    from makemore.generation.novelty import Novelty

MAX_ODD = 20
"""The maximum number of odd characters in a report."""
MAX_SHOWN = 60
"""The maximum length of an example."""
MAX_LINES = 3
"""The maximum number of lines or files of an outlier."""
FAR_BELOW = 0.2
"""The gap between training and validation loss that is called overfitting, in nats per symbol."""


def describe_training(checkpoint: Checkpoint) -> str:
    """Return a description of a training: the corpus, the model and the losses."""
    corpus, training, model = checkpoint.corpus, checkpoint.training, checkpoint.model
    what = "distinct symbol" if model.vocabulary.spelling else "character"
    characters = _counted(len(model.vocabulary) - 1, what)
    lines = [
        f"corpus    {shown(corpus.name)}: {_counted(corpus.lines, 'word')},"
        f" {corpus.symbols:,} symbols, {characters}"
    ]
    if training.is_import:
        lines = [f"from      {shown(corpus.name)}: {characters}"]
    if corpus.dropped_lines:
        lines.append(
            f"left out  {_counted(corpus.dropped_lines, 'word')} with a character that occurs fewer"
            f" than {corpus.min_count:,} times"
        )
    if model.vocabulary.unk is not None:
        lines.append(
            f"read as {REPLACEMENT}  what occurs fewer than {corpus.min_count:,} times, and"
            " characters never seen"
        )
    if changes := _text_changes(corpus):
        lines.append(f"read      {changes}")
    share = training.options.get("holdout", 0.0)
    if share or corpus.held_out_lines:
        lines.append(f"held out  {_held_out(corpus, share)}")
    lines += [
        f"model     {model.name}, {model.parameter_count:,} parameters",
        f"method    {_method(training)}",
        *_left_out(checkpoint),
        "",
        *_loss_table(checkpoint),
    ]
    return "\n".join(lines)


def advice(checkpoint: Checkpoint) -> list[str]:
    """Return advice for another training, according to the losses of this one."""
    training, V = checkpoint.training, len(checkpoint.model.vocabulary)
    if training.training_loss > math.log(V):
        return [
            f"the training loss is above {math.log(V):.4f} nats per symbol, which guessing among"
            " all symbols would reach: train longer, or with a smaller --learning-rate"
        ]
    steps, history = len(training.loss_history), training.validation_history
    if not len(history) or steps < int(training.options.get("steps", steps)):
        return []
    lowest = float(history[:, 1].min())
    gap = lowest - training.training_loss
    if training.best_step < 0.85 * steps:
        return [
            f"the validation loss was lowest after {training.best_step:,} of {steps:,} steps and"
            " rose from there: a smaller model or more --dropout would overfit less"
        ]
    if gap < FAR_BELOW:
        return [
            f"the validation loss fell to the end, to {lowest:.4f}: train longer, with --steps"
            f" {2 * steps}"
        ]
    return [
        f"the training loss is {gap:.2f} below the validation loss of {lowest:.4f}: a smaller model"
        " or more --dropout would overfit less"
    ]


def better_options(checkpoint: Checkpoint) -> str:
    """Return the options that train a better model; an empty string for a network."""
    kind, recorded = checkpoint.model.name, checkpoint.training.options.get("order")
    if kind == "bigram":
        return "--model ngram --order auto"
    return "--time-limit 60" if kind == "ngram" and recorded else ""


def curve_rows(training: TrainingRecord) -> Iterator[str]:
    """Yield the lines of a CSV file with the losses of a training, in nats per symbol."""
    yield "step,training_loss,validation_loss"
    measured = {int(step): loss for step, loss in training.validation_history.tolist()}
    for step, loss in enumerate(training.loss_history.tolist(), 1):
        validation = measured.get(step)
        yield f"{step},{loss!r},{'' if validation is None else repr(validation)}"


def _text_changes(corpus: CorpusFacts) -> str:
    """Return how the text was changed when it was read; an empty string if it was not."""
    changes = ["in lower case"] * corpus.lowercase + ["without accents"] * corpus.strip_accents
    changes += [f"normalized by {corpus.normalize.upper()}"] * bool(corpus.normalize)
    changes += [f"in symbols: {shown(corpus.symbol_rule)}"] * bool(corpus.symbol_rule)
    changes += [f"from {corpus.encoding}"] * (corpus.encoding != "utf-8")
    changes += [corpus.columns.describe()] if corpus.columns else []
    return ", ".join(changes)


def _held_out(corpus: CorpusFacts, share: float) -> str:
    """Return the number of held-out words, and the rule of ``holdout.py`` that chose them."""
    if not corpus.held_out_lines:
        return "nothing: there are too few distinct words for that share"
    real = corpus.held_out_lines / corpus.lines
    rule = f"{100 * share:.4g}% by hash, {real:.2%} of all words"
    if n := corpus.distinct:
        count = min(exact_count(share, n), n - 1)
        rule = f"exactly {count:,} of {n:,} distinct words, {count / n:.2%}"
    return (
        f"{_counted(corpus.held_out_lines, 'word')}, {corpus.held_out_symbols:,} symbols ({rule})"
    )


def _method(training: TrainingRecord) -> str:
    """Return the method of a training and its options."""
    known = [name for name in OPTION if name in training.options]
    others = [name for name in training.options if name not in OPTION]
    elsewhere = ("model", "method", "left_out", *COMMON)
    options = [
        f"{name.replace('_', ' ')} {_value(training.options[name])}"
        for name in (*known, *others)
        if name not in elsewhere and training.options[name] is not None
    ]
    return ", ".join([training.method, *options])


def _left_out(checkpoint: Checkpoint) -> list[str]:
    """Return a line that names the components left out of a mixture; no line if there are none."""
    options = checkpoint.training.options
    names = str(options.get("left_out", ""))
    components = getattr(checkpoint.model, "components", None)
    if components and "components" in options:
        trained = Counter(part.partition(":")[0] for part in str(options["components"]).split())
        kept = Counter(component.name for component in components)
        names = ", ".join((trained - kept).elements())
    return [f"left out  {names}, which did not help"] if names else []


def _loss_table(checkpoint: Checkpoint) -> list[str]:
    training = checkpoint.training
    rows = [("own words" if training.is_import else "training", training.training_loss)]
    if training.minimum is not None:
        rows.append(("  minimum", training.minimum))
    if training.held_out_loss is not None:
        rows.append(("held out", training.held_out_loss))
    return [
        f"{'':10}{'nats per symbol':>16}{'bits':>10}{'perplexity':>13}",
        *(f"{name:10}{_loss_columns(loss)}" for name, loss in rows),
    ]


def _loss_columns(loss: float) -> str:
    # separated by spaces, however large they are
    return f"{loss:16.4f} {bits_per_symbol(loss):9.4f} {_perplexity(loss):>12}"


def _perplexity(loss: float) -> str:
    """Return the perplexity of a loss; a large one, as of a descent that diverges, is rounded."""
    number = perplexity(loss)
    return f"{number:.3f}" if number < 1e9 else f"{number:.3g}"


def describe_checkpoint(checkpoint: Checkpoint) -> str:
    """Return the output of ``makemore info``."""
    corpus, training = checkpoint.corpus, checkpoint.training
    return "\n".join(
        [
            describe_training(checkpoint),
            "",
            f"alphabet  {_alphabet(checkpoint.model.vocabulary.symbols)}",
            f"sha256    {corpus.sha256} ({'file' if training.is_import else 'corpus'})",
            f"{'read' if training.is_import else 'trained':9} in {training.seconds:.2f} s",
            *(f"part      {part}" for part in checkpoint.model.describe_parts()),
            *_progress(checkpoint),
            f"again     {_command(checkpoint)}",
        ]
    )


def _command(checkpoint: Checkpoint) -> str:
    """Return the command that repeats a training, without the options at their defaults."""
    training, corpus = checkpoint.training, checkpoint.corpus
    if "checkpoints" in training.options:
        more = ["--corpus", *_named(words)] if (words := training.options.get("words")) else []
        return " ".join(["makemore mix", training.options["checkpoints"], *map(shlex.quote, more)])
    read_so = options_to_read(corpus)
    if training.is_import:
        symbols = ["--symbols"] * (checkpoint.model.vocabulary.spelling is not None)
        files = map(shlex.quote, _files(corpus))
        return " ".join(["makemore import", *files, *symbols, *read_so])
    kind = KINDS.get(checkpoint.model.name)
    methods = kind.methods if kind else ()
    defaults = kind.defaults(training.method) if kind and training.method in methods else {}
    own = ["--method", training.method] if training.method != next(iter(methods), "") else []
    for name, value in training.options.items():
        if name not in ("model", "method", "time_limit") and value != defaults.get(name):
            own += [f"--{name.replace('_', '-')}", str(value)]
    own += ["--unknown"] * (checkpoint.model.vocabulary.unk is not None)
    words = ["makemore", "train", *_files(corpus), "--model", checkpoint.model.name, *own]
    return " ".join([shlex.join(words), *read_so])


def _files(corpus: CorpusFacts) -> list[str]:
    """Return the files of a corpus as they are typed; of several files the folders are unknown."""
    if not corpus.path:
        return _named(corpus.name)
    relative = os.path.relpath(corpus.path)
    is_below = not relative.startswith(os.pardir) and "://" not in corpus.path
    return [as_argument(relative if is_below and relative != STDIN else corpus.path)]


def _named(name: str) -> list[str]:
    """Return the names of the files of a corpus with this name."""
    return [STDIN if each == "stdin" else as_argument(each) for each in name.split(", ")]


def _progress(checkpoint: Checkpoint) -> list[str]:
    """Return the best step of a network's training, and whether the training can be resumed."""
    training, lines = checkpoint.training, []
    if len(history := training.validation_history):
        lowest = history[:, 1].min()
        lines.append(
            f"best step {training.best_step:,} of {len(training.loss_history):,}, with a validation"
            f" loss of {lowest:.4f} nats per symbol"
        )
    if checkpoint.resumption:
        lines.append(
            f"state     of the optimizer after {len(training.loss_history):,} of"
            f" {training.options['steps']:,} steps: --resume continues"
        )
    return lines


def describe_scores(
    summary: "Summary",
    fpr: float | None = None,
    others: Sequence[str] = (),
    other_words: Choices | None = None,
) -> str:
    """Return the summary of ``makemore score``.

    ``others`` are the names of the models compared with, and ``other_words`` the choices among the
    words of the other model, if there is only one.
    """
    totals = summary.totals
    lines = [f"scored    {_counted(totals.words, 'line')}, {totals.symbols:,} symbols"]
    if totals.words:
        lines.append(
            f"mean      {totals.loss:.4f} nats per symbol, {bits_per_symbol(totals.loss):.4f} bits,"
            f" perplexity {_perplexity(totals.loss)}"
        )
    if totals.unknown_words:
        lines.append(
            f"unknown   {_counted(totals.unknown_words, 'line')} with a character that the model"
            " does not know"
        )
    if fpr is not None:
        lines += _flags(summary, fpr)
    for name, choices in zip(others, summary.choices, strict=False):
        than = f" than by {shown(name)}" if len(others) > 1 else ""
        known = f"the {_counted(choices.words, 'word')}" if choices.words else "the words"
        share = f"{choices.share:.2%}" if choices.words else "none"
        lines.append(f"likelier  {share} of {known} that both models know, by this one{than}")
    if other_words is not None:
        own_words = (*summary.choices, Choices())[0]  # an empty file has none
        mean = accuracy(own_words, other_words)
        lines.append(
            "accuracy  unknown: one of the lists has no word that both models know"
            if math.isnan(mean)
            else f"accuracy  {mean:.2%}: the other model finds"
            f" {1 - other_words.share:.2%} of its own words likelier"
        )
    return "\n".join(lines)


def _flags(summary: "Summary", fpr: float) -> list[str]:
    """Return how many lines were flagged, and how many could not be flagged."""
    unknown = summary.totals.unknown_words
    everything = summary.totals.words + unknown
    lines = [
        f"flagged   {summary.flagged:,} of {_counted(everything, 'line')},"
        f" {summary.flagged / max(1, everything):.2%}"
        f"{f', {unknown:,} of them for an unknown character' if unknown else ''};"
        f" the target false-positive rate is {100 * fpr:.4g}%"
    ]
    if summary.unresolved:
        lines.append(
            f"passed    {_counted(summary.unresolved, 'line')} of a length at which no word can be"
            " flagged at this rate"
        )
    return lines


def describe_check(check: "CorpusCheck") -> str:
    """Return the output of ``makemore check``."""
    about = "" if check.distinct_is_exact else "about "
    lines = [
        f"lines       {check.lines:,}, {check.blank:,} of them blank",
        f"words       {about}{check.distinct:,} distinct, {about}{check.duplicates:,} repeated",
    ]
    if weights := check.weights:
        lines.append(
            f"weights     {weights.total:,} in all, from {weights.smallest:,} to"
            f" {weights.largest:,} a line"
        )
    if check.characters:
        lines += [
            f"length      {check.shortest:,} to {check.longest:,} characters, half of them up to"
            f" {check.median:,}",
            f"characters  {len(check.characters):,}: {_character_list(check.characters)}",
        ]
    if check.rare:
        lines.append(f"rare        {len(check.rare):,}: {_character_list(check.rare)}")
    lines += _oddities(check)
    if check.undecodable > 1 or (check.undecodable and not check.failure):
        lines.append(f"damaged     {_are(check.undecodable)} not in the encoding, the first:")
        lines += [f"            {error}" for error in check.encoding_errors]
    if not check.is_whole:
        lines.append("only        some of the lines above the damaged one were looked at")
    end = f"would fail: {check.failure}" if check.failure else "would succeed"
    lines.append(f"training    {end}")
    return "\n".join([*lines, f"better      {shown(check.remedy)}"] if check.remedy else lines)


def _oddities(check: "CorpusCheck") -> list[str]:
    """Return lines about odd characters, odd words, and forms that were found."""
    lines = [_odd_character(fact) for fact in check.suspicious[:MAX_ODD]]
    if len(check.suspicious) > MAX_ODD:
        lines.append(f"odd         and {len(check.suspicious) - MAX_ODD:,} more characters")
    lines += _oddity("with a space at the beginning or the end", check.spaced)
    lines += _oddity("with several spaces in a row", check.doubled_spaces)
    lines += _oddity("with letters of two scripts", check.mixed_scripts)
    if check.composed_beside_decomposed:
        what = "with accents apart, others with them joined (--normalize nfc makes them one)"
        lines += _oddity(what, check.decomposed)
    return lines + [_finding(finding, check.lines) for finding in check.findings]


def _finding(finding: "Finding", lines: int) -> str:
    """Return a line about a form that was found in a corpus of this many lines."""
    count = _counted(finding.lines, "line")
    if finding.looked_at < lines:
        count = f"{finding.lines:,} of the first {finding.looked_at:,} lines"
    return f"form        {finding.what}, as in {count}: {_examples(finding.examples)}"


def _examples(examples: "Sequence[tuple[int, str]]") -> str:
    """Return lines of a corpus, perhaps cut, and their numbers."""
    return ", ".join(
        f"{shown(word[:MAX_SHOWN])}{'…' * (len(word) > MAX_SHOWN)} (line {line:,})"
        for line, word in examples
    )


def _character_list(facts: "Sequence[CharacterFact]", limit: int = 12) -> str:
    """Return the first characters with their counts."""
    listed = ", ".join(f"{_visible(fact.character)} {fact.count:,}" for fact in facts[:limit])
    return listed + (", …" if len(facts) > limit else "")


def _visible(character: str) -> str:
    return "space" if character == " " else shown(character)


def _oddity(what: str, oddity: "Oddity") -> list[str]:
    if not oddity.words:
        return []
    count = _counted(oddity.words, "word")
    return [f"odd         {count} {what}: {_examples(oddity.examples)}"]


def _odd_character(fact: "CharacterFact") -> str:
    name = " ".join(filter(None, (shown(fact.character), fact.code_point, fact.name)))
    return f"odd         {name}, {_times(fact.count)}: {fact.note}"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" + "s" * (count != 1)


def _are(lines: int) -> str:
    return f"{_counted(lines, 'line')} {'is' if lines == 1 else 'are'}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"


def describe_novelty(novelty: "Novelty", nearest: Sequence[tuple[str, int]]) -> str:
    """Return the report of ``makemore sample --report``: new words, and the nearest known ones."""
    lines = [
        f"words     {novelty.words:,}: {novelty.known:,} in the training corpus,"
        f" {novelty.repeated:,} repeated, {novelty.new:,} new"
    ]
    words = list(map(shown, novelty.first))
    width = max(map(len, words), default=0)
    for word, (known, distance) in zip(words, nearest, strict=True):
        changes = "the same" if distance == 0 else _counted(distance, "edit")
        lines.append(f"nearest   {word:{width}}  {shown(known)} ({changes})")
    return "\n".join(lines)


def comparison_table(comparisons: "Sequence[Comparison]") -> str:
    """Return the output of ``makemore compare``, a row for each checkpoint."""
    on_corpus = any(row.corpus is not None for row in comparisons)
    header = ["checkpoint", "model", "parameters", "seconds", "training", "above minimum"]
    header += ["held out", *(["corpus"] if on_corpus else []), "bits", "perplexity"]
    rows = [
        [
            shown(row.name),
            row.model,
            f"{row.parameters:,}",
            f"{row.seconds:.2f}",
            *map(_loss, [row.training_loss, row.distance, row.held_out_loss]),
            *([_loss(row.loss)] if on_corpus else []),
            f"{row.bits:.4f}",
            _perplexity(row.loss),
        ]
        for row in comparisons
    ]
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    return "\n".join(_aligned(row, widths) for row in [header, *rows])


def _loss(loss: float | None) -> str:
    return "-" if loss is None else f"{loss:.4f}"


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Return a line of cells; the first two are left-aligned, the numbers right-aligned."""
    return "  ".join(
        cell.ljust(width) if i < 2 else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )


def _alphabet(symbols: Sequence[str], limit: int = 60) -> str:
    text = " ".join(map(shown, symbols[:limit]))
    return text + (f" … ({len(symbols):,} characters)" if len(symbols) > limit else "")


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def outlier_row(
    outlier: "Outlier", word: str, files: Sequence[str] | None = None, *, colours: bool = False
) -> str:
    """Return a line of ``makemore outliers``; ``word`` is spelled as in the list.

    ``files`` are the files of its lines, if there are several lists.
    """
    from makemore.evaluation.scoring import painted

    can_paint = colours and len(word) + 1 == len(outlier.nats)
    row = [] if files is None else [_first(files)]
    row += [_first(outlier.lines), f"{outlier.score:.2f}"]
    row.append(painted(word, outlier.nats) if can_paint else shown(word))
    if outlier.correction is not None:
        row.append(shown(outlier.correction))
    return "\t".join(row)


def _first(values: Sequence[object]) -> str:
    """Return the first ``MAX_LINES`` of some values."""
    listed = ",".join(shown(str(value)) for value in values[:MAX_LINES])
    return listed + ",…" * (len(values) > MAX_LINES)
