"""The training of networks: which words it draws, which step it keeps, and how it goes on."""

import math
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from makemore.checkpoint import load, save
from makemore.cli import main
from makemore.counting.passes import survey_corpus
from makemore.data.corpus import Corpus
from makemore.data.holdout import split_of_text, split_words
from makemore.data.table import Columns
from makemore.data.text import Lines
from makemore.data.vocabulary import Vocabulary
from makemore.errors import CheckpointError, OptionError, TrainingError
from makemore.kinds import KINDS
from makemore.nn.optimizers import AdamW
from makemore.reporting import advice
from makemore.training import batches as module
from makemore.training import minibatch
from makemore.training.batches import (
    HELD_OUT,
    LEFT_OUT,
    TRAINING,
    VALIDATION,
    Batches,
    Words,
    blocks_of,
)
from makemore.training.minibatch import mean_loss
from makemore.training.options import TrainingOptions
from makemore.training.record import Checkpoint
from makemore.training.train import train

NAMES = [a + b + c for a in "bcdfg" for b in "aeiou" for c in ("", "n", "ra", "la", "lyn")]
SMALL: dict[str, Any] = {"embedding_size": 8, "hidden_size": 16, "batch_size": 16}
SHARES = (0.1, 0.2)


def options(kind: str = "gru", **given: Any) -> TrainingOptions:
    return TrainingOptions(kind, **{**SMALL, "steps": 20, "validation": 0.2, **given})


def trained(words: list[str] = NAMES, **given: Any) -> Checkpoint:
    return train(Corpus.from_words(words), options(**given))


def roles(words: list[str]) -> dict[str, int]:
    return dict(zip(words, split_words(words, SHARES).tolist(), strict=True))


def texts(words: Words, vocabulary: Vocabulary) -> dict[str, float]:
    """Return words and their weights."""
    return {
        vocabulary.decode(words.ids[start : stop - 1].tolist()): weight
        for start, stop, weight in zip(words.starts, words.stops, words.weights, strict=True)
    }


def batch_words(batch: tuple[Any, Any], vocabulary: Vocabulary) -> dict[str, float]:
    ids, weights = batch
    ends = np.flatnonzero(ids == 0)
    starts = np.concatenate(([0], ends[:-1] + 1))
    found = [vocabulary.decode(ids[a:b]) for a, b in zip(starts, ends, strict=True)]
    assert [word[:4] for word in found] == sorted(word[:4] for word in found)
    return dict(zip(found, weights.tolist(), strict=True))


def make_batches(
    tmp_path: Path, words: list[str], block_bytes: int = 1 << 20, seed: int = 0, fold: int = 0
) -> Any:
    path = tmp_path / "words.txt"
    path.write_text("".join(word + "\n" for word in words))
    with blocks_of(Corpus.from_paths(path), block_bytes) as blocks:
        split, _ = split_of_text([Lines("".join(f"{word}\n" for word in words))], SHARES)
        return Batches(blocks, Vocabulary("".join(words)), split.bounds, 7, seed, fold, 3)


def test_each_word_has_one_role_and_held_out_words_do_not_depend_on_validation() -> None:
    found = roles(NAMES)
    assert Counter(found.values()).keys() == {TRAINING, HELD_OUT, VALIDATION}
    held_out = split_words(NAMES, SHARES[:1]) == 1
    assert [word for word, out in zip(NAMES, held_out, strict=True) if out] == [
        word for word, role in found.items() if role == HELD_OUT
    ]


@pytest.mark.parametrize("block_bytes", [1 << 20, 100])
def test_an_epoch_draws_each_training_word_once_with_its_weight(
    tmp_path: Path, block_bytes: int
) -> None:
    words = NAMES + NAMES[:40:3] + ["", *NAMES[:40:3]]
    batches = make_batches(tmp_path, words, block_bytes)
    vocabulary, drawn = Vocabulary("".join(words)), Counter[str]()
    while batches.position.epoch == 0:
        if (position := batches.position).batch == 0 and position.block == 0 and drawn:
            break
        for word, weight in batch_words(batches.next().row(), vocabulary).items():
            if batches.position.epoch == 0:
                drawn[word] += int(weight)
    role = roles(NAMES)
    assert drawn == Counter(w for w in words if w and role[w] == TRAINING)


def test_a_block_of_a_file_counts_the_lines_of_its_own(tmp_path: Path) -> None:
    batches = make_batches(tmp_path, NAMES * 3, 100)
    vocabulary = Vocabulary("".join(NAMES))
    for role in (TRAINING, HELD_OUT, VALIDATION):
        words = texts(batches.words(role, 1 << 30), vocabulary)
        assert {roles(NAMES)[word] for word in words} == {role}


def test_words_of_many_blocks_keep_no_symbols_of_others(tmp_path: Path) -> None:
    """A large file of few words has little of a role in each block: its text would be kept."""
    batches = make_batches(tmp_path, NAMES * 3, 100)
    vocabulary = Vocabulary("".join(NAMES))
    for role in (TRAINING, HELD_OUT, VALIDATION):
        words = batches.words(role, 1 << 30)
        assert len(words.ids) == words.lengths.sum()
        found = texts(words, vocabulary)
        assert found.keys() == {name for name, of in roles(NAMES).items() if of == role}


@pytest.mark.parametrize("symbols", [1, 30, 200, 1 << 30])
def test_words_to_measure_a_loss_on_come_from_all_over_a_sorted_corpus(
    tmp_path: Path, symbols: int
) -> None:
    words = sorted(f"{a}{b}{c}" for a in "abcdefgh" for b in "abcdefgh" for c in "abcdefgh")
    batches = make_batches(tmp_path, words, 100)
    assert len(batches._blocks) > 2 * module.SPREAD
    for role in (TRAINING, HELD_OUT, VALIDATION):
        whole = texts(batches.words(role, 1 << 30), Vocabulary("abcdefgh"))
        found = batches.words(role, symbols)
        assert len(found.ids) == found.lengths.sum()
        assert texts(found, Vocabulary("abcdefgh")).keys() <= whole.keys()
        assert found.lengths.sum() >= min(symbols // 2, 4 * len(whole))
        if symbols > 4 * len(whole):
            assert len(found) == len(whole)
        if symbols > 100:
            assert len({word[0] for word in texts(found, Vocabulary("abcdefgh"))}) >= 6


def test_no_more_blocks_are_read_than_suffice(tmp_path: Path) -> None:
    words = [f"{a}{b}{c}" for a in "abcdefgh" for b in "abcdefgh" for c in "abcdefgh"]
    batches, read = make_batches(tmp_path, words, 100), list[Corpus]()
    words_of = batches._words_of

    def noting(block: Corpus, role: int) -> Any:
        """Return the words of a role in a block, and note that it was read."""
        read.append(block)
        return words_of(block, role)

    batches._words_of = noting
    for symbols in (100, 200, 300):  # of about 600 in so many blocks
        read.clear()
        batches.words(TRAINING, symbols)
        assert len(read) == module.SPREAD


def test_words_from_blocks_of_few_and_of_many_words_have_the_weights_of_all(tmp_path: Path) -> None:
    """A list sorted by frequency: 900 lines of one word, then 300 words of a line each."""
    rare = [f"{a}{b}" for a in "abcdefghijklmnopqrst" for b in "abcdefghijklmno"]
    (tmp_path / "words.txt").write_text("of\n" * 900 + "".join(word + "\n" for word in rare))
    with blocks_of(Corpus.from_paths(tmp_path / "words.txt"), 900) as blocks:
        assert len(blocks) == 4
        batches = Batches(blocks, Vocabulary("abcdefghijklmnopqrst"), (0.0,) * 2, 7, 0)
        found = batches.words(TRAINING, 60)
    of = found.weights[found.weights > 100]
    assert 4 <= len(found) <= 30
    assert of.sum() == pytest.approx(900)
    assert found.weights.sum() == pytest.approx(1200)


def test_the_first_words_are_those_of_the_first_mini_batches(tmp_path: Path) -> None:
    batches, vocabulary = make_batches(tmp_path, NAMES, 100), Vocabulary("".join(NAMES))
    first = texts(batches.first_words(), vocabulary)
    drawn: dict[str, float] = {}
    while len(drawn) < len(first):
        drawn |= texts(batches.next(), vocabulary)
    assert drawn == first


def test_a_first_block_without_training_words_is_passed_over(tmp_path: Path) -> None:
    def read(block: Corpus, role: int) -> Words:
        """Return the words of a role, of which the first block that is asked for has none."""
        asked.append(block)
        words: Words = read_all(block, role)
        return words.chosen(slice(0)) if len(asked) == 1 else words

    batches, asked = make_batches(tmp_path, NAMES, 100), list[Corpus]()
    read_all, batches._words_of = batches._words_of, read
    assert len(batches.first_words()) > 0
    assert len(asked) == 2


def test_training_words_are_counted_in_each_block_until_they_suffice(tmp_path: Path) -> None:
    batches = make_batches(tmp_path, NAMES * 3, 100)
    everything = len(batches.words(TRAINING, 1 << 30))
    assert batches.training_words(1 << 30) == everything
    assert 2 <= batches.training_words(2) < everything / 3


def test_batches_depend_on_seed_and_position_alone(tmp_path: Path) -> None:
    one, other = make_batches(tmp_path, NAMES, 100), make_batches(tmp_path, NAMES, 100)
    for _ in range(30):
        one.next()
    other.position = one.position
    assert (one.next().row()[0] == other.next().row()[0]).all()
    third = make_batches(tmp_path, NAMES, 100, seed=1)
    again = make_batches(tmp_path, NAMES, 100)
    assert third.next().row()[0].tolist() != again.next().row()[0].tolist()


def test_what_cannot_be_cut_is_trained_on_the_same_words(tmp_path: Path) -> None:
    import gzip

    path = tmp_path / "words.gz"
    path.write_bytes(gzip.compress("".join(word + "\n" for word in NAMES).encode()))
    compressed = train(Corpus.from_paths(path), options())
    assert compressed.training.training_loss == trained().training.training_loss


def test_the_best_step_by_validation_is_kept() -> None:
    checkpoint = trained(steps=200, learning_rate=0.1, schedule="constant")
    record = checkpoint.training
    lowest = record.validation_history[:, 1].min()
    assert (
        record.best_step == record.validation_history[record.validation_history[:, 1].argmin(), 0]
    )
    assert record.validation_history[-1, 1] > lowest  # else this test shows nothing
    chosen = [word for word, role in roles(NAMES).items() if role == VALIDATION]
    ids = checkpoint.model.vocabulary.encode_lines("".join(w + "\n" for w in chosen))
    assert -checkpoint.model.symbol_log_probabilities(ids).mean() == pytest.approx(lowest, rel=1e-5)


def test_patience_ends_early() -> None:
    hasty = trained(steps=400, learning_rate=0.1, schedule="constant", patience=3).training
    assert len(hasty.loss_history) < 400
    measured = hasty.validation_history
    assert len(measured) - 1 - measured[:, 1].argmin() == 3


def test_the_validation_loss_is_measured_forty_times_and_at_the_end() -> None:
    history = trained(steps=41).training.validation_history
    assert history[:, 0].tolist() == [*range(2, 41, 2), 41]


def test_each_step_draws_random_numbers_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    kind, states = KINDS["gru"].load_model(), list[int]()
    own = kind.training_logits

    def noted(model: Any, rows: Any, generator: Any) -> Any:
        if generator:  # none where a loss is measured
            states.append(generator.bit_generator.state["state"]["state"])
        return own(model, rows, generator)

    monkeypatch.setattr(kind, "training_logits", noted)
    trained(steps=4)
    trained(steps=4, seed=1)
    assert len(set(states)) == 8
    trained(steps=4)
    assert states[8:] == states[:4]


def test_a_gradient_is_clipped_to_its_norm() -> None:
    plain: dict[str, Any] = {
        "optimizer": "sgd",
        "schedule": "constant",
        "warmup": 0.0,
        "weight_decay": 0.0,
    }

    def after(**given: Any) -> Any:
        arrays = trained(steps=1, validation=0.0, **plain, **given).model.arrays()
        return np.concatenate([array.ravel() for array in arrays.values()]).astype(np.float64)

    start = after(learning_rate=1e-30)
    free, clipped = (after(learning_rate=1.0, clip=clip) - start for clip in (0.0, 0.01))
    norm = np.linalg.norm(free)
    assert norm > 0.02
    assert np.linalg.norm(clipped) == pytest.approx(0.01, rel=1e-3)
    np.testing.assert_allclose(clipped, free * 0.01 / norm, atol=1e-6)


def test_batches_have_the_number_of_words_that_is_nearest(tmp_path: Path) -> None:
    corpus = Corpus.from_words([a + b for a in "abcdefg" for b in "abcd"])  # 28 words
    with blocks_of(corpus) as blocks:
        batches = Batches(blocks, Vocabulary("abcdefg"), (0.0,), 10, 0)
        sizes = [len(batches.next()) for _ in range(3)]
    assert sorted(sizes) == [9, 9, 10]


def test_training_without_validation_words_keeps_the_last_step() -> None:
    record = trained(validation=0.0).training
    assert len(record.validation_history) == 0
    assert record.best_step == 20


def test_of_equal_validation_losses_the_first_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("makemore.training.minibatch._Training._loss", lambda *_: 1.0)
    models: dict[int, Any] = {}
    found = train(
        Corpus.from_words(NAMES),
        options(steps=3),
        on_step=lambda step: models.update({step.number + 1: step.snapshot()}),
    )
    assert found.training.validation_history.tolist() == [[1, 1], [2, 1], [3, 1]]
    for name, array in found.model.arrays().items():
        np.testing.assert_array_equal(array, models[1].arrays()[name])
        assert (array != models[3].arrays()[name]).any()


@pytest.mark.parametrize("kind", ["gru", "mlp", "transformer"])
def test_resumed_training_gives_the_same_weights(tmp_path: Path, kind: str) -> None:
    given: dict[str, Any] = {"dropout": 0.2, "steps": 30}
    sizes: Any = {"transformer": {"layers": 1, "heads": 2}}.get(kind, {"hidden_size": 16})
    chosen = TrainingOptions(
        kind, embedding_size=8, batch_size=16, validation=0.2, **sizes, **given
    )
    corpus = Corpus.from_words(NAMES)
    whole = train(corpus, chosen)
    for stop in (1, 17):
        part = train(corpus, chosen, on_step=lambda step, stop=stop: step.number + 1 == stop)  # type: ignore[misc]
        assert len(part.training.loss_history) == stop
        path = tmp_path / "part.npz"
        save(path, part)
        loaded = load(path)
        assert loaded.resumption is not None
        resumed = train(corpus, resume=loaded)
        assert resumed.resumption is None
        assert resumed.training.seconds > part.training.seconds
        for name, array in whole.model.arrays().items():
            assert (resumed.model.arrays()[name] == array).all(), name
        assert (resumed.training.loss_history == whole.training.loss_history).all()
        history = resumed.training.validation_history
        assert (history == whole.training.validation_history).all()


def test_resumed_training_knows_the_best_step_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = count(1.0)
    monkeypatch.setattr("makemore.training.minibatch._Training._loss", lambda *_: next(losses))
    corpus = Corpus.from_words(NAMES)
    part = train(corpus, options(steps=4), on_step=lambda step: step.number == 1)
    resumed = train(corpus, resume=part)
    assert resumed.training.best_step == 1
    for name, array in part.model.arrays().items():
        np.testing.assert_array_equal(resumed.model.arrays()[name], array)


# ---- folds: networks that leave a part of the training words out, for calibration ----


def test_each_training_word_is_in_one_fold_and_is_not_trained_on_there(tmp_path: Path) -> None:
    whole = make_batches(tmp_path, NAMES)
    vocabulary = Vocabulary("".join(NAMES))
    found: Counter[str] = Counter()
    for fold in (1, 2, 3):
        batches = make_batches(tmp_path, NAMES, fold=fold)
        left_out, kept, held_out, validation = (
            texts(batches.words(role, 1 << 20), vocabulary)
            for role in (LEFT_OUT, TRAINING, HELD_OUT, VALIDATION)
        )
        found.update(left_out)
        assert left_out.keys().isdisjoint(kept)
        assert left_out | kept == texts(whole.words(TRAINING, 1 << 20), vocabulary)
        assert held_out == texts(whole.words(HELD_OUT, 1 << 20), vocabulary)
        assert validation == texts(whole.words(VALIDATION, 1 << 20), vocabulary)
        drawn = {word for _ in range(30) for word in batch_words(batches.next().row(), vocabulary)}
        assert drawn == kept.keys()
    assert set(found.values()) == {1}
    assert found.keys() == texts(whole.words(TRAINING, 1 << 20), vocabulary).keys()


def test_folds_add_references_and_change_nothing_else() -> None:
    plain, with_folds = trained(), trained(calibration_folds=3)
    for name, array in plain.model.arrays().items():
        assert (with_folds.model.arrays()[name] == array).all(), name
    assert (with_folds.training.loss_history == plain.training.loss_history).all()
    assert (with_folds.training.film_steps == plain.training.film_steps).all()
    held_out = plain.corpus.held_out_lines
    training = plain.corpus.lines - held_out - round(0.2 * len(NAMES))
    assert len(plain.training.calibration) == held_out
    assert len(with_folds.training.calibration) == held_out + training
    longer = train(
        Corpus.from_words([*NAMES, "bananananana"]),
        TrainingOptions(
            "transformer", embedding_size=8, layers=1, heads=1, steps=3, calibration_folds=2
        ),
    )
    assert longer.training.calibration[:, 1].max() < 10


def stopping_at(fold: int, stop: int = 5) -> Any:
    return lambda step: (step.fold, step.number + 1) == (fold, stop)


def test_a_training_that_is_stopped_in_a_fold_keeps_the_network_and_the_folds_before() -> None:
    corpus, chosen = Corpus.from_words(NAMES), options(calibration_folds=3)
    whole = train(corpus, chosen)
    part = train(corpus, chosen, on_step=stopping_at(2))
    assert part.resumption is None
    for name, array in whole.model.arrays().items():
        assert (part.model.arrays()[name] == array).all(), name
    rows = {tuple(row) for row in whole.training.calibration.tolist()}
    assert {tuple(row) for row in part.training.calibration.tolist()} < rows
    assert len(part.training.calibration) > part.corpus.held_out_lines
    assert part.training.options["calibration_folds"] == 3
    none = train(corpus, chosen, on_step=stopping_at(1)).training
    assert (len(none.calibration), none.options) == (part.corpus.held_out_lines, options().record())
    limited = options(calibration_folds=3, time_limit=600.0)
    with_limit = train(corpus, limited, on_step=lambda step: step.fold == 1).training
    assert with_limit.options["calibration_folds"] is None


def test_a_training_that_is_stopped_before_its_folds_goes_on_to_them(tmp_path: Path) -> None:
    corpus, chosen = Corpus.from_words(NAMES), options(calibration_folds=2)
    part = train(corpus, chosen, on_step=stopping_at(0))
    assert len(part.training.calibration) == part.corpus.held_out_lines
    save(tmp_path / "part.npz", part)
    resumed = train(corpus, resume=load(tmp_path / "part.npz"))
    whole = train(corpus, chosen)
    assert (resumed.training.calibration == whole.training.calibration).all()
    assert (resumed.training.film_steps == whole.training.film_steps).all()


def test_a_fold_that_diverges_does_not_take_the_network_along() -> None:
    def fail(step: Any) -> None:
        if step.fold == 2:
            raise TrainingError("the loss is not a finite number")

    corpus, chosen = Corpus.from_words(NAMES), options(calibration_folds=2)
    failures: list[TrainingError] = []
    part = train(corpus, chosen, on_step=fail, on_failure=failures.append)
    assert len(failures) == 1
    assert len(part.training.loss_history) == 20
    assert len(part.training.calibration) > part.corpus.held_out_lines  # the first fold's are kept
    with pytest.raises(TrainingError, match="not a finite number"):
        train(corpus, chosen, on_step=fail)


def test_the_networks_of_folds_share_the_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minibatch, "seconds_a_step", lambda *_: 0.01)
    corpus, steps = Corpus.from_words(NAMES), {}
    survey = survey_corpus(corpus)
    for folds in (None, 4):
        given = options(steps=10_000, time_limit=60.0, calibration_folds=folds, validation=0.0)
        steps[folds] = minibatch._within_time(corpus, given, survey, time.perf_counter())[0].steps
    assert steps[4] == pytest.approx(steps[None] / 5, rel=0.01)


def test_the_time_to_measure_held_out_words_is_left_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minibatch, "seconds_a_step", lambda *_: 0.01)
    monkeypatch.setattr(minibatch, "MEASURED_SYMBOLS", 100)
    corpus, more = Corpus.from_words(NAMES), {}
    for holdout in (0.0, 0.5):
        given = options(time_limit=60.0, holdout=holdout)
        survey = survey_corpus(corpus, holdout)
        more[holdout] = minibatch._within_time(corpus, given, survey, time.perf_counter())[1]
    assert more[0.5] == pytest.approx(2 * more[0.0])


def test_repetition_does_not_take_the_time_of_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minibatch, "seconds_a_step", lambda *_: 0.01)
    table = Corpus.from_bytes("".join(f"{name},1000000\n" for name in NAMES).encode())
    table = replace(table, columns=Columns("1", "2"))
    given = options(steps=10_000, time_limit=60.0, holdout=0.2)
    once, often = (
        minibatch._within_time(corpus, given, survey_corpus(corpus, 0.2), time.perf_counter())[0]
        for corpus in (Corpus.from_words(NAMES), table)
    )
    assert once.steps == pytest.approx(often.steps, rel=0.01)


def test_what_cannot_be_resumed_is_refused() -> None:
    corpus, finished = Corpus.from_words(NAMES), trained()
    with pytest.raises(OptionError, match="nothing to resume"):
        train(corpus, resume=finished)
    part = train(corpus, options(), on_step=lambda step: step.number == 3)
    with pytest.raises(OptionError, match="had steps 20, not 21"):
        train(corpus, options(steps=21), resume=part)
    with pytest.raises(OptionError, match="had steps 20, not 21"):
        train(corpus, steps=21, resume=part)
    with pytest.raises(OptionError, match="had model gru, not bigram"):
        train(corpus, model="bigram", resume=part)
    with pytest.raises(OptionError, match="nothing to resume"):
        train(corpus, steps=20, resume=finished)
    assert len(train(corpus, steps=20, resume=part).training.loss_history) == 20
    with pytest.raises(CheckpointError, match="the same corpus"):
        train(Corpus.from_words(NAMES[1:]), resume=part)
    table = Corpus.from_bytes("".join(f"{name},{name[::-1]}x\n" for name in NAMES).encode())
    first = replace(table, columns=Columns("1"))
    stopped = train(first, options(), on_step=lambda step: step.number == 3)
    for other in (table, replace(table, columns=Columns("2"))):
        with pytest.raises(CheckpointError, match="read other words of"):
            train(other, resume=stopped)
    assert len(train(first, resume=stopped).training.loss_history) == 20
    assert part.resumption is not None
    beyond = part.resumption._replace(position={"epoch": 0, "block": 1, "batch": 0})
    with pytest.raises(CheckpointError, match="read other words of"):
        train(corpus, resume=part._replace(resumption=beyond))
    part.resumption.averages["mean"] = np.zeros(3, np.float32)
    with pytest.raises(CheckpointError, match="averages are damaged"):
        train(corpus, resume=part)


@pytest.mark.parametrize(
    ("best", "training_loss", "said"),
    [
        (80, 2.0, "lowest after 80 of 100 steps and rose"),
        (85, 2.0, "fell to the end, to 2.0000: train longer, with --steps 200"),
        (100, 1.81, "fell to the end"),
        (100, 1.79, "the training loss is 0.21 below the validation loss of 2.0000"),
        (100, 9.0, "which guessing among all symbols would reach"),
    ],
)
def test_the_advice_follows_from_the_losses(best: int, training_loss: float, said: str) -> None:
    checkpoint = trained(steps=1)
    record = checkpoint.training._replace(
        options={**checkpoint.training.options, "steps": 100},
        training_loss=training_loss,
        loss_history=np.zeros(100),
        validation_history=np.array([[k, 2 + abs(k - best) / 1e3] for k in range(5, 101, 5)]),
    )
    (line,) = advice(checkpoint._replace(training=record))
    assert said in line
    if training_loss < 9:
        stopped = record._replace(loss_history=np.zeros(99))
        assert advice(checkpoint._replace(training=stopped)) == []


def test_divergence_names_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    wild = options("mlp", learning_rate=1e30, optimizer="sgd", clip=0.0, schedule="constant")
    with pytest.raises(TrainingError, match=r"not a finite number at step \d+, with learning rate"):
        train(Corpus.from_words(NAMES), wild)


def test_the_best_so_far_survives_divergence_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    norms = iter([1.0] * 15 + [math.nan])
    monkeypatch.setattr(minibatch, "clip_by_norm", lambda gradient, largest: next(norms))
    failures: list[TrainingError] = []
    steady = options(schedule="constant", warmup=0.0)
    kept = train(Corpus.from_words(NAMES), steady, on_failure=failures.append)
    assert [str(failure) for failure in failures] == [
        "the gradient is not a finite number at step 15, with learning rate 0.004: train with"
        " a smaller --learning-rate"
    ]
    assert len(kept.training.loss_history) == 15
    assert kept.training.best_step == kept.training.validation_history[-1, 0] == 15


def test_a_network_beyond_memory_is_refused_before_it_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(minibatch, "available_memory", lambda: 10**9)
    for kind, sizes in (
        ("lstm", {"hidden_size": 8192, "layers": 64}),
        ("transformer", {"embedding_size": 8192, "heads": 1, "layers": 64}),
    ):
        with pytest.raises(
            TrainingError, match=rf"parameters of this {kind} need .* 1,000,000,000"
        ):
            train(Corpus.from_words(["a", "b"]), model=kind, steps=1, **sizes)  # type: ignore[arg-type]
    P = trained().model.parameter_count
    for available in (minibatch.BYTES_EACH * P, None):
        monkeypatch.setattr(minibatch, "available_memory", lambda found=available: found)
        trained(steps=1)
    monkeypatch.setattr(minibatch, "available_memory", lambda: minibatch.BYTES_EACH * P - 1)
    with pytest.raises(TrainingError, match=f"the {P:,} parameters"):
        trained(steps=1)


def after_step(monkeypatch: pytest.MonkeyPatch, number: int, change: Any) -> None:
    """Change an optimizer and the values after one of its steps."""
    own = AdamW.step

    def step(optimizer: Any, values: Any, gradient: Any) -> None:
        own(optimizer, values, gradient)
        if optimizer.steps == number:
            change(optimizer, values)

    monkeypatch.setattr(AdamW, "step", step)


def test_the_best_so_far_survives_weights_that_are_infinite(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    after_step(monkeypatch, 8, lambda _, values: values.fill(math.inf))
    failures: list[TrainingError] = []
    kept = train(Corpus.from_words(NAMES), options(), on_failure=failures.append)
    assert len(failures) == 1
    assert kept.training.best_step <= 7
    assert kept.resumption is None  # it could not go on
    save(tmp_path / "kept.npz", kept)
    assert load(tmp_path / "kept.npz").training.best_step == kept.training.best_step


def test_what_was_learnt_is_kept_where_the_averages_are_infinite(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    after_step(monkeypatch, 8, lambda own, _: own.averages["squares"].fill(math.inf))
    kept = train(Corpus.from_words(NAMES), options(), on_step=lambda step: step.number == 7)
    assert len(kept.training.loss_history) == 8
    save(tmp_path / "kept.npz", kept)


@pytest.mark.parametrize(("validation", "steps"), [(0.3, 20), (0.0, 1)])
def test_infinite_weights_are_an_error_that_names_the_step(
    monkeypatch: pytest.MonkeyPatch, validation: float, steps: int
) -> None:
    def spoil(_: Any, values: Any) -> None:
        values[0] = math.inf  # of the boundary's embedding

    after_step(monkeypatch, 1, spoil)
    monkeypatch.setattr(minibatch._Training, "_loss", lambda *_: 1.0)  # as if no word showed it
    with pytest.raises(TrainingError, match="a weight is not a finite number at step 1"):
        train(Corpus.from_words(NAMES), options(validation=validation, steps=steps))


def test_a_step_in_parts_is_the_same_step(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = trained(dropout=0.0)
    monkeypatch.setattr(minibatch, "STEP_CELLS", 16 * 24 * 20)  # some words at a time
    parts = trained(dropout=0.0)
    np.testing.assert_allclose(parts.training.loss_history, whole.training.loss_history, rtol=1e-4)
    monkeypatch.setattr(minibatch, "STEP_CELLS", 16 * 24)
    with pytest.raises(TrainingError, match="a word of 5 characters takes about"):
        trained()


def test_a_part_that_outweighs_the_others_does_not_end_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The share of the first part rounds to 1."""
    path = tmp_path / "words.csv"
    path.write_text(f"aaaa,{2**53}\nz,1\n")
    corpus = Corpus.from_paths(path, columns=Columns("1", "2", ","))
    chosen = options(dropout=0.0, holdout=0.0, validation=0.0)
    whole = train(corpus, chosen)
    monkeypatch.setattr(minibatch, "STEP_CELLS", 16 * 24 * 5)
    parts = train(corpus, chosen)
    np.testing.assert_allclose(parts.training.loss_history, whole.training.loss_history, rtol=1e-4)
    assert parts.training.loss_history[-1] < parts.training.loss_history[0] - 0.1


def test_parts_are_smaller_for_a_large_alphabet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The counts and the logits of a row take as much memory as the alphabet is large."""
    monkeypatch.setattr(minibatch, "STEP_CELLS", 16 * 24 * 40)
    counts = list[int]()
    kind = KINDS["gru"].load_model()
    own = kind.training_rows

    def noted(model: Any, ids: Any, weights: Any) -> Any:
        counts.append(len(ids))
        return own(model, ids, weights)

    monkeypatch.setattr(kind, "training_rows", noted)
    many = [chr(0x4E00 + i) * 3 for i in range(100)]
    few = [a + b + c + d for a in "abc" for b in "abc" for c in "abc" for d in "abc"]
    longest = []
    for words in (few, many):
        counts.clear()
        trained(words, steps=1, batch_size=100, validation=0.0)
        longest.append(max(counts))
    assert longest[1] < 0.6 * longest[0]


def test_a_word_that_is_too_long_is_refused_when_it_is_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(minibatch, "STEP_CELLS", 16 * 24 * 20)
    monkeypatch.setattr(minibatch, "MEASURED_SYMBOLS", 200)  # every second word of those below
    words = [*NAMES, "zz" * 300]
    with pytest.raises(TrainingError, match="a word of 600 characters takes about"):
        trained(words, holdout=0.0, validation=0.0, steps=40)


def test_a_training_that_fails_goes_on_with_the_step_that_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = minibatch._Training._set_gradient

    def fails_once(training: Any, generator: Any) -> tuple[float, int]:
        loss, rows = own(training, generator)
        return (math.nan if len(training._losses) == 7 else loss), rows

    corpus, chosen, failures = Corpus.from_words(NAMES), options(), list[TrainingError]()
    with monkeypatch.context() as patch:
        patch.setattr(minibatch._Training, "_set_gradient", fails_once)
        part = train(corpus, chosen, on_failure=failures.append)
    assert (len(part.training.loss_history), len(failures)) == (7, 1)
    again, whole = train(corpus, resume=part), train(corpus, chosen)
    assert again.training.loss_history.tolist() == whole.training.loss_history.tolist()


def test_a_fold_without_training_words_is_left_out() -> None:
    for words in (["aa"], ["aa", "bb"], ["aa", "bb", "cc"]):
        found = trained(words, holdout=0.0, validation=0.0, calibration_folds=2, steps=2)
        assert len(found.training.loss_history) == 2


def test_a_role_that_no_word_has_is_not_looked_for(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("".join(word + "\n" for word in NAMES))
    with blocks_of(Corpus.from_paths(path), 100) as blocks:
        assert len(blocks) > 3
        batches = Batches(blocks, Vocabulary("".join(NAMES)), (0.0, 0.0), 7, 0)
        del blocks[1:]  # nobody may read them
        batches._blocks = [*blocks, *([None] * 3)]  # type: ignore[list-item]
        for role in (HELD_OUT, VALIDATION):
            assert len(batches.words(role, 1 << 20)) == 0


def test_the_losses_are_those_of_the_words() -> None:
    words = NAMES + NAMES[::2]
    checkpoint = trained(words)
    found = roles(NAMES)
    for role, loss in (
        (TRAINING, checkpoint.training.training_loss),
        (HELD_OUT, checkpoint.training.held_out_loss),
    ):
        lines = [w for w in words if role_of_default(found, w) == role]
        ids = checkpoint.model.vocabulary.encode_lines("".join(w + "\n" for w in lines))
        assert loss == pytest.approx(-checkpoint.model.symbol_log_probabilities(ids).mean())


def role_of_default(found: dict[str, int], word: str) -> int:
    return found[word]


def test_odd_corpora_are_trained_or_refused_in_one_line() -> None:
    assert math.isfinite(trained(["a"] * 5, holdout=0, validation=0).training.training_loss)
    assert math.isfinite(trained(["abc", "cab"], holdout=0, validation=0).training.training_loss)
    many = "".join(map(chr, range(0x4E00, 0x4E00 + 3000)))
    words = [many[i : i + 3] for i in range(0, 3000, 3)]
    for kind in ("gru", "wavenet", "transformer"):
        chosen = TrainingOptions(kind, embedding_size=8, steps=2, batch_size=8)
        assert math.isfinite(train(Corpus.from_words(words), chosen).training.training_loss)
    one = trained(["a"], holdout=0.5, validation=0.3)  # one word is always left for training
    assert one.corpus.held_out_lines == 0
    long = ["ab" * 5000, "ba" * 100]
    with pytest.raises(TrainingError, match="has 10,000 characters, and a transformer takes 4,096"):
        train(Corpus.from_words(long), TrainingOptions("transformer", steps=1, holdout=0))
    short = TrainingOptions("rnn", hidden_size=4, embedding_size=4, steps=1, holdout=0)
    assert math.isfinite(train(Corpus.from_words(long), short).training.training_loss)


def test_only_words_over_the_longest_length_are_left_out(tmp_path: Path) -> None:
    batches = make_batches(tmp_path, NAMES)
    batches.longest = 4
    vocabulary, drawn = Vocabulary("".join(NAMES)), set[str]()
    while batches.position.epoch == 0:
        drawn |= batch_words(batches.next().row(), vocabulary).keys()
    role = roles(NAMES)
    assert drawn == {w for w in NAMES if len(w) <= 4 and role[w] == TRAINING}
    assert max(map(len, drawn)) == 4


def test_words_that_are_too_long_for_a_transformer_do_not_make_its_training_loss_infinite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "words.txt"
    path.write_text("\n".join([*NAMES, "na" * 15]))
    monkeypatch.setattr(minibatch, "blocks_of", partial(blocks_of, block_bytes=100))
    chosen = TrainingOptions("transformer", embedding_size=8, layers=1, steps=1, holdout=0.0)
    found = train(Corpus.from_paths(path), chosen)
    assert found.model.longest_word == 10  # the block that is drawn first has no long word
    assert found.training.training_loss < 4


def test_a_training_ends_while_there_is_time_for_what_comes_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # at 111, 106 and 108 seconds the deadline is passed
    for more, reserve, steps in ((0.0, 0.0, 12), (5.0, 0.0, 7), (5.0, 2.0, 9), (5.0, 9.0, 12)):
        clock = SimpleNamespace(perf_counter=count(100.0).__next__)
        monkeypatch.setattr("makemore.training.minibatch.time", clock)
        on_step = minibatch.until(110.0, None, more, reserve)
        assert next(n for n in count(1) if on_step(None)) == steps


def test_words_are_cut_into_parts_where_they_fill_one() -> None:
    stops = np.array([2, 4, 6, 8, 14])
    words = Words(
        np.array([1, 0] * 4 + [1] * 5 + [0], np.int16), stops - [2, 2, 2, 2, 6], stops, stops
    )
    assert [part.lengths.tolist() for part in words.parts(4)] == [[2, 2], [2, 2], [6]]
    assert [len(part) for part in words.parts(100)] == [5]


def test_mean_loss_counts_each_word_as_often_as_it_occurs() -> None:
    model = trained().model
    ids = model.vocabulary.encode_lines("ban\nca\n").astype(np.int16)
    words = Words(ids, np.array([0, 4]), np.array([4, 7]), np.array([3.0, 1.0]))
    nats = -model.symbol_log_probabilities(ids.astype(np.int64))
    expected = (3 * nats[:4].sum() + nats[4:].sum()) / (3 * 4 + 3)
    assert mean_loss(model, words) == pytest.approx(expected)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "words.txt"
    path.write_text("".join(word + "\n" for word in NAMES))
    return path


def test_a_network_is_trained_by_the_names_of_the_taught_script(corpus: Path) -> None:
    result = run(
        "train", "words.txt", "--model", "transformer", "--max-steps", "3", "-b", "8", "-l",
        "0.001", "-w", "0.1", "--n-layer", "2", "--n-head", "2", "--n-embd", "8",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    record = load("makemore.npz").training.options
    wanted = {"steps": 3, "batch_size": 8, "learning_rate": 0.001, "weight_decay": 0.1}
    wanted |= {"layers": 2, "heads": 2, "embedding_size": 8}
    assert wanted.items() <= record.items()


def test_the_log_has_a_row_for_each_step(corpus: Path) -> None:
    result = run("train", "words.txt", "--model", "bow", "--steps", "80", "--log", "log.csv")
    assert result.exit_code == 0, result.output
    header, *rows = Path("log.csv").read_text().splitlines()
    assert header == "step,training_loss,validation_loss"
    assert [row.split(",")[0] for row in rows] == [str(step) for step in range(1, 81)]
    record = load("makemore.npz").training
    assert [float(row.split(",")[1]) for row in rows] == record.loss_history.tolist()
    assert float(rows[1].split(",")[2]) == record.validation_history[0, 1]


def test_an_option_of_another_network_is_refused(corpus: Path) -> None:
    result = run("train", "words.txt", "--model", "gru", "--heads", "4")
    assert result.exit_code == 2
    assert "--heads has no effect on --model gru" in result.stderr


def test_info_says_what_can_be_resumed(corpus: Path) -> None:
    part = train(Corpus.from_paths(corpus), options(), on_step=lambda step: step.number == 3)
    save("makemore.npz", part)
    assert "after 4 of 20 steps: --resume continues" in run("info").stdout
    result = run("train", "words.txt", "--resume", "--steps", "30")
    assert result.exit_code == 2
    assert "had steps 20, not 30" in result.stderr
    assert run("train", "words.txt", "--resume").exit_code == 0
    assert "best step" in run("info").stdout
    assert "--resume" not in run("info").stdout


def test_blocks_stay_small(tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    path.write_text("".join(f"{word}\n" for word in NAMES * 50))
    with blocks_of(Corpus.from_paths(path), 2000) as blocks:
        assert len(blocks) > 10
        text = "".join("".join(block.read()) for block in blocks)
        assert text == path.read_text()
    assert module.BLOCK_BYTES >= 1 << 20
