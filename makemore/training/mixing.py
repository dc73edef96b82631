"""Mixes models that are trained already: finds the weights of their mean, and measures it.

The weights are found on words that no model was trained on. Those are the validation words of the
networks; n-gram models have seen them, so for the weights each is replaced by a twin that is
estimated without them. Or the words come from elsewhere. Held-out words decide nothing.
"""

import shlex
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from makemore.counting.passes import split_for_validation, survey_corpus
from makemore.counting.survey import Survey
from makemore.data.corpus import Corpus, unchanged
from makemore.data.sources import as_argument
from makemore.data.vocabulary import REPLACEMENT, Vocabulary
from makemore.errors import CheckpointError, CorpusError, shown
from makemore.models.base import Model
from makemore.models.mixture import Mixture
from makemore.models.ngram import Ngram
from makemore.training.batches import TRAINING, VALIDATION, Batches, Words, blocks_of
from makemore.training.minibatch import MEASURED_SYMBOLS
from makemore.training.mixture import outcome_of, weights_on
from makemore.training.ngram import train_ngram
from makemore.training.options import TrainingOptions
from makemore.training.record import Checkpoint, Watch, record_of


def mix(
    checkpoints: Mapping[str, Checkpoint], corpus: Corpus, words: Corpus | None = None
) -> Checkpoint:
    """Return the mixture of several trained models.

    Parameters
    ----------
    checkpoints : mapping of str to Checkpoint
        By name. The parts of a mixture among them become parts of the new one.
    corpus : Corpus
        What they were trained on.
    words : Corpus, optional
        Words that none was trained on, to find the weights on; those that are held out are left
        out. Without it the validation words of ``corpus`` serve.

    Raises
    ------
    CheckpointError
        The models have different alphabets or held out different words.
    CorpusError
        The corpus is another, or there are no words that no model was trained on.
    """
    started = time.perf_counter()
    _refuse_different(checkpoints)
    first = next(iter(checkpoints.values()))
    holdout, vocabulary = float(first.training.options["holdout"]), first.model.vocabulary
    common = {"holdout": holdout, "min_count": first.corpus.min_count}
    parts = [(name, p) for name, each in checkpoints.items() for p in _components(each.model)]
    components = [part for _, part in parts]
    corpus = _read_by(vocabulary, corpus)
    with unchanged(corpus), corpus.rereadable() as text, blocks_of(text) as blocks:
        survey = _surveyed(text, first)
        share = 0.0 if words else _shared_validation(checkpoints)
        split = split_for_validation(text, vocabulary, holdout, share)
        batches = Batches(blocks, vocabulary, split.bounds, 1, 0)
        if words:
            fresh, judged = _fresh_words(words, vocabulary, split.bounds[0]), components
        else:
            fresh = batches.words(VALIDATION, MEASURED_SYMBOLS)
            watch = Watch(surveyed=survey)
            judged = [_without_validation(part, text, common, share, watch) for part in components]
        if not len(fresh):
            raise CorpusError("there are no words to find the weights on: name some by --corpus")
        weights = weights_on(judged, fresh)
        kept = np.flatnonzero(weights)
        mixture = Mixture([components[number] for number in kept], weights[kept])
        names = {parts[number][0] for number in kept}
        left_out = shlex.join(name for name in checkpoints if name not in names)
        options: dict[str, Any] = {
            "model": mixture.name,
            "method": "mix",
            "checkpoints": shlex.join(map(as_argument, checkpoints)),
            **({"left_out": left_out} if left_out else {}),
            **common,
            **({"words": words.name} if words else {"validation": share}),
        }
        record = record_of(outcome_of(mixture, survey, batches), options)
    record = record._replace(seconds=time.perf_counter() - started)
    return Checkpoint(mixture, first.corpus, record)


def _read_by(vocabulary: Vocabulary, corpus: Corpus) -> Corpus:
    """Return a corpus with its text as a vocabulary's models read it."""
    known = vocabulary.characters.replace(REPLACEMENT, "")
    alphabet = "" if vocabulary.unk is None else known
    return replace(corpus, spelling=vocabulary.spelling, alphabet=alphabet)


def _surveyed(corpus: Corpus, checkpoint: Checkpoint) -> Survey:
    """Return the survey of what a model was trained on.

    Raises ``CorpusError`` for another corpus, and for one that is read otherwise.
    """
    facts = checkpoint.corpus
    holdout = float(checkpoint.training.options["holdout"])
    survey = survey_corpus(corpus, holdout, facts.min_count)
    if survey.facts.sha256 != facts.sha256:
        raise CorpusError(
            f"{shown(corpus.name)} is not what the models were trained on: expected SHA-256"
            f" {facts.sha256}, found {survey.facts.sha256}"
        )
    if survey.facts.words_read != facts.words_read:
        raise CorpusError(
            f"the models were trained on other words of {shown(corpus.name)}: read it as they did,"
            " in the same column and the same case"
        )
    return survey


def _components(model: Model) -> list[Model]:
    """Return the models that a mixture is made of, or the model itself."""
    return model.components if isinstance(model, Mixture) else [model]


def _refuse_different(checkpoints: Mapping[str, Checkpoint]) -> None:
    """Raise ``CheckpointError`` unless there are several models, all of the same words."""
    if len(checkpoints) < 2:
        raise CheckpointError(
            f"a mixture needs two models or more, and {len(checkpoints)} was given"
        )
    for name, each in checkpoints.items():
        if each.training.is_import:
            raise CheckpointError(
                f"{shown(name)} was imported, so its training words are not known and it cannot be"
                " mixed: train a model of your own on them"
            )
    (name, first), *others = checkpoints.items()
    for other_name, other in others:
        own, theirs = first.corpus, other.corpus
        for what, one, another in (
            ("have different alphabets", first.model.vocabulary, other.model.vocabulary),
            ("held out different words", own.held_out_fingerprint, theirs.held_out_fingerprint),
            ("were trained on different words", own.words_read, theirs.words_read),
        ):
            if one != another:
                raise CheckpointError(
                    f"{shown(name)} and {shown(other_name)} {what}, so they cannot be mixed: train"
                    " both on one corpus, with the same options for its text and the same --holdout"
                )


def _shared_validation(checkpoints: Mapping[str, Checkpoint]) -> float:
    """Return the share of the words on which no network was trained.

    Each network was trained on what lies above its own share, so the smallest serves for all.
    """
    shares = {
        name: each.training.options.get("validation", 0.0)
        for name, each in checkpoints.items()
        if not isinstance(each.model, Ngram)
    }
    for name, share in shares.items():
        if not share:
            raise CheckpointError(
                f"{shown(name)} was trained on all words that are not held out: name other words"
                " to find the weights on, by --corpus"
            )
    return float(min(shares.values(), default=0.02))


def _without_validation(
    model: Model, corpus: Corpus, common: Mapping[str, Any], share: float, watch: Watch
) -> Model:
    """Return the model, or a twin of an n-gram model that has not seen the validation words."""
    if not isinstance(model, Ngram):
        return model
    own: dict[str, Any] = {
        "order": len(model.tree.sizes),
        "smoothing_method": model.smoothing_method,
    }
    if model.smoothing_method == "additive":
        own["smoothing"] = model.smoothing
    options = TrainingOptions(Ngram.name, **own, **common)
    return train_ngram(corpus, options, watch, share).model


def _fresh_words(words: Corpus, vocabulary: Vocabulary, held_out: float) -> Words:
    """Return the words of another corpus that were not held out."""
    words = _read_by(vocabulary, words)
    with words.rereadable() as text, blocks_of(text) as blocks:
        others = Batches(blocks, vocabulary, (held_out, held_out), 1, 0)
        return others.words(TRAINING, MEASURED_SYMBOLS)
