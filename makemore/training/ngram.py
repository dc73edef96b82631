"""Trains the n-gram models: the first pass finds the alphabet, the second counts the n-grams."""

import numpy as np

from makemore.counting.ngrams import NgramCounter
from makemore.counting.passes import id_blocks, split_for_validation, survey_corpus
from makemore.data.corpus import Corpus, unchanged
from makemore.models.ngram import loss_on_counts
from makemore.models.ngram import train_ngram as estimate
from makemore.training.options import TrainingOptions
from makemore.training.record import Outcome, Watch


def train_ngram(
    corpus: Corpus, options: TrainingOptions, watch: Watch, validation: float = 0.0
) -> Outcome:
    """Return the n-gram model of a corpus; see ``Trainer``.

    The words of the share ``validation`` are left out, for who wants to choose by them.
    """
    with unchanged(corpus), corpus.rereadable() as text:
        survey = survey_corpus(
            text, options.holdout, options.min_count, jobs=watch.jobs, progress=watch.on_read
        )
        if watch.on_survey:
            watch.on_survey(survey)
        V = len(survey.vocabulary)
        training, held_out = (NgramCounter(V, options.order) for _ in range(2))
        split = survey.split
        if validation:
            holdout = options.holdout
            split = split_for_validation(text, survey.vocabulary, holdout, validation)
        rows = id_blocks(text, survey.vocabulary, split)
        for training_row, held_out_row in rows:
            training.add(*training_row)
            held_out.add(*held_out_row)
    model = estimate(
        training.counts(),
        survey.vocabulary,
        options.smoothing_method,
        options.values.get("smoothing", 1.0),
    )
    held_out_counts = held_out.counts()
    return Outcome(
        model=model,
        facts=survey.facts,
        held_out_words=survey.sample.words,
        loss_history=np.zeros(0),
        training_loss=model.training_loss(),
        held_out_loss=loss_on_counts(model, held_out_counts) if held_out_counts.symbols else None,
    )
