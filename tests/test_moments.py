"""Moments of a network's training: what is kept, and the film that they become."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from test_contract import CHECKPOINTS, IN_TESTS, chi_square_is_plausible, probability

from makemore.checkpoint import load, save
from makemore.cli import main
from makemore.data.corpus import Corpus
from makemore.errors import CheckpointError, PlottingError
from makemore.models.base import Model, first_rows
from makemore.pictures.learning import learning_frames
from makemore.training.minibatch import NetworkStep
from makemore.training.moments import MAX_CHARACTERS, MAX_WORDS, plain_words
from makemore.training.record import Checkpoint
from makemore.training.train import train

WORDS = [a + b + c for a in "bcd" for b in "aei" for c in ("", "n", "ra")]
SMALL: dict[str, Any] = {"hidden_size": 6, "embedding_size": 4, "batch_size": 8, "validation": 0.2}


@pytest.fixture(scope="module")
def trained() -> tuple[Checkpoint, dict[int, Model]]:
    """Return a training of 64 steps, and the models after each of them."""
    models: dict[int, Model] = {}

    def note(step: NetworkStep) -> None:
        models[step.number + 1] = step.snapshot()

    corpus = Corpus.from_words(WORDS)
    return train(corpus, model="gru", steps=64, on_step=note, **SMALL), models


def test_moments_are_denser_at_the_start(trained: tuple[Checkpoint, dict[int, Model]]) -> None:
    # 64 steps deserve 8 moments: the powers of 64 ** (1 / 7) = 1.81, rounded
    assert trained[0].training.film_steps.tolist() == [1, 2, 3, 6, 11, 20, 35, 64]


def test_a_moment_has_the_table_and_the_words_of_its_step(
    trained: tuple[Checkpoint, dict[int, Model]],
) -> None:
    checkpoint, models = trained
    film = checkpoint.training
    for step, table, words in zip(
        film.film_steps.tolist(), film.film_tables, film.film_words, strict=True
    ):
        np.testing.assert_allclose(table, models[step].bigram_table(), rtol=1e-6)
        expected = plain_words(models[step], np.random.default_rng(0))
        np.testing.assert_array_equal(words, expected)


def test_a_large_alphabet_keeps_its_first_symbols() -> None:
    for model in IN_TESTS:
        states = [model.start(1), *(model.advance(model.start(1), np.array([i])) for i in (1, 2))]
        expected = [np.exp(model.log_probabilities(state))[0, :3] for state in states]
        np.testing.assert_allclose(first_rows(model, 3), expected, rtol=1e-12)
        np.testing.assert_allclose(model.bigram_table()[:3, :3], expected, rtol=1e-12)


def test_training_that_was_resumed_keeps_the_same_moments(
    trained: tuple[Checkpoint, dict[int, Model]],
) -> None:
    corpus = Corpus.from_words(WORDS)
    part = train(corpus, model="gru", steps=64, on_step=lambda s: s.number == 14, **SMALL)
    assert part.training.film_steps.tolist() == [1, 2, 3, 6, 11]
    resumed = train(corpus, resume=part).training
    for name in ("film_steps", "film_tables", "film_words"):
        np.testing.assert_array_equal(getattr(resumed, name), getattr(trained[0].training, name))


def test_kept_words_have_the_models_frequencies() -> None:
    model, n = IN_TESTS[0], 700
    rows = np.concatenate([plain_words(model, np.random.default_rng(i)) for i in range(n)])
    words = Counter(model.vocabulary.decode(row[row > 0].tolist()) for row in rows)
    assert "" not in words
    not_empty = 1 - np.exp(model.log_probabilities(model.start(1))[0, 0])
    common = [word for word, count in words.most_common(60)]
    expected = {w: len(rows) * probability(model, w) / not_empty for w in common}
    found = Counter({word: words[word] for word in common})
    found["others"] = len(rows) - found.total()
    assert chi_square_is_plausible(found, expected | {"others": len(rows) - sum(expected.values())})


def test_a_word_without_an_end_is_cut() -> None:
    class Endless(type(IN_TESTS[0])):  # type: ignore[misc]
        def log_probabilities(self, state: Any) -> Any:
            log_P = super().log_probabilities(state)
            log_P[:, 0] = -np.inf
            return log_P

    words = plain_words(Endless(), np.random.default_rng(0))
    assert words.shape == (MAX_WORDS, MAX_CHARACTERS)
    assert (words > 0).all()


def test_the_film_shows_the_mean_loss_of_the_last_steps(
    trained: tuple[Checkpoint, dict[int, Model]],
) -> None:
    history = trained[0].training.loss_history
    frames = list(learning_frames(trained[0]))
    assert [frame.step for frame in frames] == [1, 2, 3, 6, 11, 20, 35, 64]
    # history[k] is the loss after k steps; the training ended before it saw that after the last
    assert frames[0].loss == pytest.approx(history[1])
    assert frames[4].loss == pytest.approx(history[10:12].mean())
    assert frames[7].loss == pytest.approx(history[56:64].mean())
    assert set("".join(word for frame in frames for word in frame.samples)) <= set("bcdaeinr")


def test_the_film_of_a_network_is_made_from_its_checkpoint(
    trained: tuple[Checkpoint, dict[int, Model]], tmp_path: Path
) -> None:
    path, film = str(tmp_path / "gru.npz"), str(tmp_path / "film.gif")
    save(path, trained[0])
    result = CliRunner().invoke(main, ["plot-heatmap", "-c", path, "--animate", film])
    assert (result.exit_code, result.stdout) == (0, f"{film}\n")
    with Image.open(film) as picture:
        assert getattr(picture, "n_frames", 1) == 8
    again = load(path).training
    for name in ("film_steps", "film_tables", "film_words"):
        kept = getattr(trained[0].training, name)
        np.testing.assert_array_equal(getattr(again, name), kept, strict=True)


def test_a_bigram_whose_words_hardly_ever_end_has_a_film() -> None:
    words = ["ab" * 10_000, "ba" * 10_000]
    checkpoint = train(Corpus.from_words(words), steps=40, holdout=0.0)
    *_, last = learning_frames(checkpoint)
    assert len(last.samples) == MAX_WORDS
    assert all(len(word) == MAX_CHARACTERS + 1 and word.endswith("…") for word in last.samples)


def test_models_that_are_not_trained_by_steps_have_no_film() -> None:
    for kind in ("ngram", "mixture"):
        with pytest.raises(PlottingError, match="keeps no steps of its training: train"):
            next(iter(learning_frames(CHECKPOINTS[kind])))


@pytest.mark.parametrize(
    "change",
    [
        {"film_steps": np.array([1, 2, 3, 6, 11, 20, 35], np.int64)},
        {"film_steps": np.array([0, 2, 3, 6, 11, 20, 35, 64], np.int64)},
        {"film_steps": np.array([2, 2, 3, 6, 11, 20, 35, 64], np.int64)},
        {"film_steps": np.array([1, 2, 3, 6, 11, 20, 35, 65], np.int64)},
        {"film_tables": np.full((8, 9, 9), np.nan, np.float32)},
        {"film_tables": np.full((8, 9, 9), -1, np.float32)},
        {"film_tables": np.zeros((8, 9, 8), np.float32)},
        {"film_tables": np.zeros((8, 10, 10), np.float32)},
        {"film_tables": np.zeros((8, 5, 5), np.float32)},
        {"film_tables": np.zeros((8, 0, 0), np.float32)},
        {"film_tables": np.zeros((8, 9, 9))},
        {"film_words": np.full((8, 7, 28), 9, np.int16)},
        {"film_words": np.full((8, 7, 28), 0, np.int16)},
        {"film_words": np.full((8, 7, 28), -2, np.int16)},
        {"film_words": np.zeros((7, 7, 28), np.int16)},
    ],
)
def test_moments_that_no_training_has_are_refused(
    change: dict[str, Any], trained: tuple[Checkpoint, dict[int, Model]], tmp_path: Path
) -> None:
    broken = trained[0]._replace(training=trained[0].training._replace(**change))
    with pytest.raises(CheckpointError, match=r"moments|film_"):
        save(tmp_path / "x.npz", broken)
