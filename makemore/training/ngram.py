"""Trains the n-gram models: the first pass finds the alphabet, the second counts the n-grams."""

import math

import numpy as np

from makemore.counting.ngrams import NgramCounts, highest_order
from makemore.counting.passes import Jobs, count_ngrams, split_for_validation
from makemore.counting.survey import Survey
from makemore.data.corpus import Corpus, unchanged
from makemore.data.vocabulary import Vocabulary
from makemore.kinds import AUTO, KINDS, MIN_ORDER
from makemore.models.ngram import Ngram, loss_on_counts
from makemore.models.ngram import train_ngram as estimate
from makemore.training.left_out import left_out_references
from makemore.training.options import TrainingOptions
from makemore.training.record import Outcome, Watch

MIN_WORDS = 600
"""The minimum number of validation words to choose by, but at most a fifth of the words."""


def validation_share(lines: int, holdout: float = 0.1, least: float = 0.02) -> float:
    """Return the share of validation words: larger where there are few words.

    It is no more than half of the words that are not held out, unless ``least`` is.
    """
    return max(least, min(MIN_WORDS / max(lines, 1), 0.2, (1 - holdout) / 2))


def train_ngram(
    corpus: Corpus, options: TrainingOptions, watch: Watch, validation: float = 0.0
) -> Outcome:
    """Return the n-gram model of a corpus; see ``Trainer``.

    The words of the share ``validation`` are left out, so that a caller can choose by them.
    """
    with unchanged(corpus), corpus.rereadable() as text:
        survey = watch.survey(text, options)
        order, split = options.order, survey.split
        if order == AUTO:
            order = _best_order(text, survey, options, watch.jobs)
        if validation:
            split = split_for_validation(text, survey.vocabulary, options.holdout, validation)
        training, held_out, _ = count_ngrams(text, survey.vocabulary, split, order, watch.jobs)
        rest = None if validation else text
        outcome = outcome_of_counts((training, held_out), survey, options, rest)
    return outcome._replace(recorded={"order": order} if options.order == AUTO else {})


def outcome_of_counts(
    counts: tuple[NgramCounts, NgramCounts],
    survey: Survey,
    options: TrainingOptions,
    text: Corpus | None,
) -> Outcome:
    """Return the n-gram model of the counts of training and of held-out words.

    Of ``text``, the corpus of these counts, some training words are read to calibrate scores.
    """
    training, held_out = counts
    model = _estimated(training, survey.vocabulary, options)
    references = None
    if text:
        references = left_out_references(model, text, survey.split, len(survey.sample.words))
    return Outcome(
        model=model,
        survey=survey,
        loss_history=np.zeros(0),
        training_loss=model.training_loss(),
        held_out_loss=loss_on_counts(model, held_out) if held_out.symbols else None,
        references=references,
    )


def _best_order(text: Corpus, survey: Survey, options: TrainingOptions, jobs: Jobs) -> int:
    """Return the order with the lowest loss on validation words.

    Longer contexts help until the corpus has too few of each, so the orders are tried upwards until
    the loss rises. The models that are compared have not seen the validation words; the one that is
    then trained has.
    """
    share = validation_share(survey.facts.lines, options.holdout)
    split = split_for_validation(text, survey.vocabulary, options.holdout, share)
    highest, lowest = highest_order(len(survey.vocabulary)), math.inf
    best = min(int(KINDS["ngram"].defaults(options.method)["order"]), highest)
    for order in range(MIN_ORDER, highest + 1):
        training, _, validation = count_ngrams(text, survey.vocabulary, split, order, jobs)
        if not (training.symbols and validation.symbols):
            break
        loss = loss_on_counts(_estimated(training, survey.vocabulary, options), validation)
        if loss >= lowest:
            break
        best, lowest = order, loss
    return best


def _estimated(counts: NgramCounts, vocabulary: Vocabulary, options: TrainingOptions) -> Ngram:
    smoothing = options.values.get("smoothing", 1.0)
    return estimate(counts, vocabulary, options.smoothing_method, smoothing)
