"""From a corpus to a trained model and its record. It never prints."""

import time
from collections.abc import Callable
from typing import Any

from makemore.data.corpus import Corpus, Progress
from makemore.evaluation.calibration import calibrate
from makemore.kinds import KINDS
from makemore.training.options import TrainingOptions
from makemore.training.record import Checkpoint, Trainer, TrainingRecord, Watch


def train(
    corpus: Corpus,
    options: TrainingOptions | None = None,
    *,
    jobs: int | None = None,
    on_read: Progress | None = None,
    on_step: Callable[[Any], bool | None] | None = None,
    count: Callable[..., Any] | None = None,
) -> Checkpoint:
    """Return a model trained on the corpus, with its history.

    Parameters
    ----------
    corpus : Corpus
    options : TrainingOptions
        The defaults are those of the bigram.
    jobs, on_read, on_step, count
        As in ``Watch``: how the corpus is counted, and what is told how far the training is.

    Raises
    ------
    CorpusError
        The corpus cannot be read, or holds no word to train on.
    TrainingError
        The descent diverged.
    """
    options = options or TrainingOptions()
    started = time.perf_counter()
    trainer: Trainer = KINDS[options.model].load_trainer()
    outcome = trainer(corpus, options, Watch(jobs, on_read, on_step, count))
    calibration = calibrate(outcome.model, outcome.held_out_words)
    record = TrainingRecord(
        options=options.record(),
        seconds=time.perf_counter() - started,
        training_loss=outcome.training_loss,
        held_out_loss=outcome.held_out_loss,
        minimum=outcome.minimum,
        loss_history=outcome.loss_history,
        calibration=calibration,
    )
    return Checkpoint(outcome.model, outcome.facts, record)
