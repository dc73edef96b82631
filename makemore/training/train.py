"""From a corpus to a trained model and its record. It never prints."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Unpack

from makemore.counting.passes import Jobs, with_alphabet
from makemore.counting.survey import Survey
from makemore.data.corpus import Corpus, Progress, unchanged
from makemore.errors import OptionError, TrainingError
from makemore.kinds import KINDS
from makemore.training.moments import Moments
from makemore.training.options import Settings, TrainingOptions
from makemore.training.record import Checkpoint, OnStep, Outcome, Trainer, Watch, record_of


def train(
    corpus: Corpus,
    options: TrainingOptions | None = None,
    *,
    model: str = "",
    method: str = "",
    jobs: Jobs = None,
    on_read: Progress | None = None,
    on_step: OnStep | None = None,
    resume: Checkpoint | None = None,
    on_failure: Callable[[TrainingError], None] | None = None,
    on_survey: Callable[[Survey], None] | None = None,
    **settings: Unpack[Settings],
) -> Checkpoint:
    """Return a model trained on the corpus, with its history.

    >>> from makemore.data.corpus import Corpus
    >>> names = Corpus.from_words(["emma", "olivia", "ava"] * 4)
    >>> train(names, model="gru", steps=3, hidden_size=8).model.parameter_count
    1848

    Parameters
    ----------
    corpus : Corpus
    options : TrainingOptions, optional
        All that decides the result. Or it is given in parts:
    model, method : str
    **settings
        Options of ``makemore train`` by name, such as ``steps=500`` or ``time_limit=60``; the
        others have the defaults of the model. A time limit without a model chooses a mixture.
    jobs, on_read, on_step, on_failure, on_survey
        As in ``Watch``: how the corpus is counted, and what is told how far the training is.
    resume : Checkpoint, optional
        An interrupted training of a network that goes on; ``options`` then may be left out. Given
        the same corpus, the result is that of a training that was never interrupted.

    Raises
    ------
    CorpusError
        The corpus cannot be read, or holds no word to train on.
    TrainingError
        The descent diverged.
    OptionError
        A setting is out of range, has no effect, or stands beside ``options``.
    """
    if not isinstance(corpus, Corpus):
        raise OptionError(
            f"the corpus is of type {type(corpus).__name__}: expected a Corpus, such as"
            " Corpus.from_paths('names.txt') or Corpus.from_words(['emma', 'ava'])"
        )
    if model or method or settings:
        own = resumed_options(resume, None).record() if resume else {}
        options = _in_parts(options, model, method, settings, own)
    if resume:
        options = resumed_options(resume, options)
        corpus = replace(corpus, unknown=resume.model.vocabulary.unk is not None)
    options = options or TrainingOptions()
    started = time.perf_counter()
    moments = Moments(resume.training if resume else None)
    if is_filmed(options):
        on_step = moments.watching(on_step)
    watch = Watch(jobs, on_read, on_step, resume, on_failure, on_survey)
    outcome = _outcome(corpus, options, watch)
    record = record_of(outcome, _recorded(options, outcome.recorded), **moments.film())
    seconds = time.perf_counter() - started + (resume.training.seconds if resume else 0.0)
    record = record._replace(seconds=seconds)
    return Checkpoint(outcome.model, outcome.survey.facts, record, outcome.resumption)


def _outcome(corpus: Corpus, options: TrainingOptions, watch: Watch) -> Outcome:
    """Return what the trainer gives; the symbols that a rule tells are found first."""
    trainer: Trainer = KINDS[options.model].load_trainer()
    if not (corpus.symbol_rule or corpus.unknown):
        return trainer(corpus, options, watch)
    with unchanged(corpus), corpus.rereadable() as text:
        text = with_alphabet(text.with_spelling(), options.min_count)
        return trainer(text, options, watch)


def _in_parts(
    options: TrainingOptions | None,
    model: str,
    method: str,
    settings: Mapping[str, Any],
    own: Mapping[str, Any],
) -> TrainingOptions:
    """Return the options that are given one by one, beside a resumed training's ``own``."""
    if options is not None:
        names = ", ".join(filter(None, (model and "model", method and "method", *settings)))
        raise OptionError(f"{names} beside options: give either of them")
    if not (model or own) and settings.get("time_limit") is not None:
        model = "mixture"
    if model not in ("", own.get("model")):
        own = {}
    named = {name: value for name, value in (("model", model), ("method", method)) if value}
    return TrainingOptions(**{**own, **named, **settings})


def is_filmed(options: TrainingOptions) -> bool:
    """Return whether moments are kept: of networks. A bigram's training is repeated instead."""
    return KINDS[options.model].has_large_products and "steps" in options.values


def _recorded(options: TrainingOptions, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that repeat a training: those given, and what it chose itself."""
    if "model" in chosen:
        return dict(chosen)
    if not chosen:
        return options.record()
    return TrainingOptions(**{**options.record(), "time_limit": None, **chosen}).record()


def resumed_options(checkpoint: Checkpoint, options: TrainingOptions | None) -> TrainingOptions:
    """Return the options of an interrupted training.

    Raises ``OptionError`` if other ``options`` are asked for, or if there is nothing to resume.
    """
    if checkpoint.resumption is None:
        raise OptionError(
            "there is nothing to resume: the checkpoint holds no interrupted training of a network"
        )
    own = TrainingOptions(**checkpoint.training.options)
    if options is not None and options != own:
        mine, asked = own.record(), options.record()
        name = next(name for name in {**mine, **asked} if mine.get(name) != asked.get(name))
        raise OptionError(
            f"the interrupted training had {name.replace('_', ' ')} {mine.get(name)}, not"
            f" {asked.get(name)}: resume without options, or train anew"
        )
    return own
