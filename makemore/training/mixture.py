"""Trains a mixture: an n-gram model at once, and networks in the time that is left.

The components can be named, by the option of that name. Otherwise they follow from the time limit
and from the speed of this machine, which a few steps of each network measure; they are recorded, so
that the training can be repeated without a clock. Of a network that was stopped early the steps
that it took are recorded. To repeat them takes as long, but ends in other weights, for the learning
rate then falls to its end.

The weights are found on validation words, which no component is trained on. In the end the n-gram
model, which takes no time, is estimated once more with the validation words.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from makemore.arrays import Floats
from makemore.counting.ngrams import highest_order
from makemore.counting.passes import split_for_validation
from makemore.counting.survey import Survey
from makemore.data.corpus import Corpus, CorpusFacts, unchanged
from makemore.errors import OptionError, TrainingError
from makemore.kinds import AUTO, COMMON, KINDS, OPTION, SEEDS
from makemore.models.base import Model
from makemore.models.mixture import Mixture, mixture_weights
from makemore.models.ngram import Ngram
from makemore.training.batches import VALIDATION, Batches, Words, blocks_of
from makemore.training.minibatch import (
    EVALUATION,
    MEASURED_SYMBOLS,
    RESERVE,
    held_out_loss,
    measured_symbols,
    reserve_of,
    seconds_a_step,
    steps_on,
    time_to_train,
    training_loss,
    until,
)
from makemore.training.ngram import train_ngram, validation_share
from makemore.training.options import TrainingOptions
from makemore.training.record import Outcome, Trainer, Watch

Components = list[tuple[str, dict[str, Any]]]
"""Kinds with the options that are not their defaults."""

EPOCHS = 40
"""The maximum number of epochs of a network: with more it would overfit."""

MANY_WORDS = 1 << 17
"""With so many training words no network takes ``EPOCHS``: its ``--steps`` are fewer."""

TRIED_SYMBOLS = 100_000
"""The symbols for each second of a time limit up to which the order of the n-gram model is chosen:
that takes about a twentieth of the time then."""

MIXED = tuple(
    name
    for name, kind in KINDS.items()
    if name == Ngram.name or (kind.has_large_products and name != Mixture.name)
)
"""The kinds that a mixture can be made of."""


NOT_OF_COMPONENTS = (*COMMON, "validation", "seed", "time_limit")
"""The options that a mixture decides for all its components."""


def train_mixture(corpus: Corpus, options: TrainingOptions, watch: Watch) -> Outcome:
    """Return the mixture of models of a corpus; see ``Trainer``."""
    limit = options.values.get("time_limit")
    deadline = None if limit is None else time.perf_counter() + time_to_train(limit)
    with unchanged(corpus), corpus.rereadable() as text, blocks_of(text) as blocks:
        survey = watch.survey(text, options)
        watch = watch._replace(surveyed=survey, is_component=True)
        enough = round(validation_share(survey.facts.lines, options.holdout, least=0.0), 4)
        share = max(options.validation, enough)
        common = {"holdout": options.holdout, "min_count": options.min_count, "validation": share}
        split = split_for_validation(text, survey.vocabulary, options.holdout, share)
        batches = Batches(blocks, survey.vocabulary, split.bounds, 128, options.seed)
        words = 0 if limit is None else batches.training_words(MANY_WORDS)
        planned = parse_components(options.components or "") or _plan(
            text, survey, deadline, common, words, watch
        )
        chosen = _fitting(planned, highest_order(len(survey.vocabulary)))

        def watch_of(kind: str, own: Mapping[str, Any]) -> Watch:
            """Return the watch of a component: a network stops at the deadline."""
            if limit is None or kind == Ngram.name:
                return watch
            size = TrainingOptions(kind, **own).batch_size
            more = _steps_to_measure(survey.facts, words, size)
            return watch._replace(on_step=until(deadline, watch.on_step, more, reserve_of(limit)))

        outcomes = [
            _trained(text, kind, own, common, (options.seed + number) % SEEDS, watch_of(kind, own))
            for number, (kind, own) in enumerate(chosen)
        ]
        mixture = _mixed(chosen, outcomes, text, common, watch, batches)
        recorded = {"components": _taken(chosen, outcomes), "validation": share}
        return outcome_of(mixture, survey, batches)._replace(recorded=recorded)


def _taken(chosen: Components, outcomes: Sequence[Outcome]) -> str:
    """Return the text of the components with the steps that they took, perhaps fewer than chosen.

    With these the training is repeated without a time limit.
    """
    return components_text(
        [
            (kind, {**own, "steps": len(outcome.loss_history)} if outcome.resumption else own)
            for (kind, own), outcome in zip(chosen, outcomes, strict=True)
        ]
    )


def _mixed(
    chosen: Components,
    outcomes: Sequence[Outcome],
    corpus: Corpus,
    common: Mapping[str, Any],
    watch: Watch,
    batches: Batches,
) -> Mixture:
    """Return the trained components that get a weight on the validation words.

    An n-gram model is estimated anew then, with these words, too.
    """
    validation = batches.words(VALIDATION, MEASURED_SYMBOLS)
    weights = weights_on([outcome.model for outcome in outcomes], validation)
    kept = weights > 0
    models = [
        _ngram(corpus, own, common, watch).model if kind == Ngram.name else outcome.model
        for (kind, own), outcome, is_kept in zip(chosen, outcomes, kept, strict=True)
        if is_kept
    ]
    return Mixture(models, weights[kept])


def _fitting(components: Components, highest: int) -> Components:
    """Return the components; n-gram models without an order have at most the highest possible."""
    if highest >= TrainingOptions(Ngram.name).order:
        return components
    return [(k, {"order": highest, **own} if k == Ngram.name else own) for k, own in components]


def outcome_of(mixture: Mixture, survey: Survey, batches: Batches) -> Outcome:
    """Return a mixture of trained models with its losses."""
    return Outcome(
        model=mixture,
        survey=survey,
        loss_history=np.zeros(0),
        training_loss=training_loss(mixture, batches),
        held_out_loss=held_out_loss(mixture, batches),
    )


def _trained(
    corpus: Corpus,
    kind: str,
    own: Mapping[str, Any],
    common: Mapping[str, Any],
    seed: int,
    watch: Watch,
) -> Outcome:
    """Return one component, trained."""
    if kind == Ngram.name:
        return _ngram(corpus, own, common, watch, common["validation"])
    own = {**own, **_known(kind, {**common, "seed": seed})}
    trainer: Trainer = KINDS[kind].load_trainer()
    return trainer(corpus, TrainingOptions(kind, **own), watch)


def _known(kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of some options that a kind has."""
    values = TrainingOptions(kind).values
    return {name: value for name, value in options.items() if name in values}


def weights_on(models: list[Model], words: Words) -> Floats:
    """Return the weights of the components, found on validation words."""
    if len(models) == 1 or not len(words):
        return np.full(len(models), 1 / len(models))
    ids, _ = words.row()
    log_P = [model.symbol_log_probabilities(ids) for model in models]
    return mixture_weights(log_P, words.symbol_weights)


def _ngram(
    corpus: Corpus,
    own: Mapping[str, Any],
    common: Mapping[str, Any],
    watch: Watch,
    validation: float = 0.0,
) -> Outcome:
    """Return an n-gram model that has not seen a share of the words."""
    options = TrainingOptions(Ngram.name, **{**own, **_known(Ngram.name, common)})
    return train_ngram(corpus, options, watch, validation)


def _plan(
    corpus: Corpus,
    survey: Survey,
    deadline: float | None,
    common: Mapping[str, Any],
    words: int,
    watch: Watch,
) -> Components:
    """Return what the time until the deadline is best spent on, with so many words to train on."""
    left = 0.0 if deadline is None else deadline - time.perf_counter()
    tries_orders = survey.facts.symbols <= TRIED_SYMBOLS * left
    order = _longer_contexts(corpus, common, watch) if tries_orders else {}
    chosen: Components = [(Ngram.name, order)]
    left = 0.0 if deadline is None else deadline - time.perf_counter()
    for alternatives, share in _networks_for(left):
        started = time.perf_counter()
        for kind, own, fewest in alternatives:
            options = TrainingOptions(kind, **own)
            timed = TrainingOptions(kind, **own, **_known(kind, common))
            try:
                seconds = seconds_a_step(corpus, timed, survey)
            except TrainingError:  # the words are too long for it, or it is too large
                continue
            spent = time.perf_counter() - started
            most = max(200, EPOCHS * words // options.batch_size)
            to_measure = _steps_to_measure(survey.facts, words, options.batch_size) * seconds
            missing = max(0.0, to_measure - RESERVE * left)
            steps = int(min((left * share - spent - missing) / seconds, most))
            if steps >= fewest:
                chosen.append((kind, {**own, "steps": min(steps, 2 * options.steps)}))
            if steps >= fewest or spent > left * share / 2:
                break
    return chosen


def _steps_to_measure(facts: CorpusFacts, words: int, batch_size: int) -> float:
    """Return how many steps take as long as to measure the losses of a network in a mixture.

    Each of the ``words`` is measured once, if they are not too many to be counted.
    """
    once = 1.0
    if words < MANY_WORDS:
        of_words = words * facts.symbols / facts.lines
        once = min(1.0, of_words / (facts.symbols - facts.held_out_symbols))
    return EVALUATION * steps_on(measured_symbols(facts, once), facts, batch_size)


def _longer_contexts(corpus: Corpus, common: Mapping[str, Any], watch: Watch) -> dict[str, int]:
    """Return the order of the n-gram model where longer contexts than the default's pay.

    Shorter ones never pay by much, and of few words the validation loss tells too little.
    """
    default = TrainingOptions(Ngram.name).order
    order = _ngram(corpus, {"order": AUTO}, common, watch).recorded["order"]
    return {"order": order} if order > default else {}


_GRU = {"hidden_size": 128, "embedding_size": 32, "dropout": 0.1, "learning_rate": 6e-3}
_Alternative = tuple[str, dict[str, Any], int]
_SMALL: _Alternative = ("gru", _GRU, 150)
_SMALLEST: _Alternative = ("gru", {**_GRU, "hidden_size": 64, "dropout": 0.0}, 50)
_LARGE: _Alternative = ("lstm", {}, 700)
_DEEP: _Alternative = ("gru", {"layers": 2, "dropout": 0.4}, 1_000)
_TRANSFORMER: _Alternative = ("transformer", {}, 1_000)
_WIDE: _Alternative = ("transformer", {"embedding_size": 128}, 2_000)


def _networks_for(seconds: float) -> Iterator[tuple[list[_Alternative], float]]:
    """Yield what a time is spent on: networks, of which the first that fits is taken, and a share.

    Each is a kind, its options, and the fewest steps for which it is worth its size: where other
    work slows the machine down, or the words are few, a smaller network learns more. They were
    chosen by the validation loss of the mixture on names.txt: a transformer of 128 is no better
    alone than one of 64, and better beside an lstm.
    """
    if seconds < 1.5:
        return
    if seconds < 20:
        yield [_SMALL, _SMALLEST], 0.95
    elif seconds < 150:
        yield [_LARGE, _SMALL, _SMALLEST], 0.95
    elif seconds < 400:
        yield [_LARGE, _SMALL, _SMALLEST], 0.25
        yield [_WIDE, _TRANSFORMER], 0.7
    else:
        yield [_LARGE, _SMALL, _SMALLEST], 0.15
        yield [_WIDE, _TRANSFORMER], 0.6
        yield [_DEEP], 0.2


def parse_components(text: str) -> Components:
    """Return the components that a text names. Raises ``OptionError``.

    >>> parse_components("ngram:order=4 gru:steps=100,dropout=0.1")
    [('ngram', {'order': 4}), ('gru', {'steps': 100, 'dropout': 0.1})]
    """
    found: Components = []
    for part in text.split():
        kind, _, rest = part.partition(":")
        if kind not in MIXED:
            raise OptionError(f"--components names {kind!a}: expected {', '.join(MIXED)}")
        own = {}
        for setting in filter(None, rest.split(",")):
            name, _, value = setting.partition("=")
            if name not in OPTION:
                raise OptionError(f"--components gives {kind} an unknown option {name!a}")
            if name == "calibration_folds":
                raise OptionError(
                    f"--components gives {kind} {name}: only a network alone has them"
                )
            if name in NOT_OF_COMPONENTS:
                raise OptionError(f"--components gives {kind} {name}: no component has its own")
            try:
                own[name] = OPTION[name].parsed(value)
            except ValueError:
                raise OptionError(f"--components gives {name} the value {value!a}") from None
        TrainingOptions(kind, **own)  # refuses what is out of range
        found.append((kind, own))
    return found


def components_text(components: Components) -> str:
    """Return the text that ``parse_components`` reads."""
    return " ".join(
        f"{kind}:{','.join(f'{name}={value}' for name, value in own.items())}".rstrip(":")
        for kind, own in components
    )
