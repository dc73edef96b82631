import math
import random
import re
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import central_difference, random_array
from hypothesis import given
from hypothesis import strategies as st

from makemore.arrays import Floats
from makemore.cli import main
from makemore.counting import passes
from makemore.counting.passes import count_bigrams, survey_corpus
from makemore.counting.survey import Survey
from makemore.data.corpus import Corpus
from makemore.data.holdout import split_words
from makemore.errors import CorpusError, OptionError, TrainingError
from makemore.kinds import KINDS, OPTION, OPTIONS
from makemore.models.bigram import closed_form_minimum, collapsed_loss, collapsed_loss_and_gradient
from makemore.training import minibatch
from makemore.training.bigram import is_almost_empty
from makemore.training.descent import (
    Step,
    gradient_descent,
    initial_weights,
    plain_descent,
    row_curvatures,
)
from makemore.training.options import Settings, TrainingOptions
from makemore.training.train import train

WORDS = ["anna", "ben", "cara", "dan", "eden", "fran", "gina", "hana", "ian", "jana"]
N = np.array([[0, 3, 1], [2, 0, 0], [2, 4, 1]])

counts = st.integers(2, 6).flatmap(
    lambda V: st.lists(
        st.lists(st.integers(0, 10**6), min_size=V, max_size=V), min_size=V, max_size=V
    ).filter(lambda rows: any(map(any, rows)))
)


def test_initial_weights_are_the_same_on_every_machine() -> None:
    # the first raw outputs of PCG64(0), shifted to 53 bits, over 2**52, less one
    assert initial_weights(2, 0).ravel().tolist() == [
        0.2739233746429086,
        -0.4604265724722594,
        -0.9180529521276106,
        -0.9669447289429418,
    ]
    assert np.abs(initial_weights(50, 1)).max() < 1


def test_a_descent_may_start_at_whole_numbers() -> None:
    N, W = np.array([[0, 3], [2, 1]]), np.array([[1, -2], [0, 3]])
    before = W.copy()
    expected = [step.weights for step in gradient_descent(N, W.astype(np.float64), steps=5)]
    found = [step.weights for step in gradient_descent(N, W, steps=5)]
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(W, before)


def test_a_named_learning_rate_is_plain_gradient_descent() -> None:
    W = random_array(3, 3)
    first, second = gradient_descent(N, W, steps=2, learning_rate=0.5)
    for step, before in ((first, W), (second, first.weights)):
        for i in range(3):
            for j in range(3):
                unit = np.zeros((3, 3))
                unit[i, j] = 1
                slope = central_difference(lambda w: collapsed_loss(w, N), before, unit)
                moved = step.weights[i, j] - before[i, j]
                assert moved == pytest.approx(-0.5 * slope, abs=1e-8)
    assert first.objective == pytest.approx(collapsed_loss(W, N))


def test_momentum_is_nesterovs() -> None:
    """In its two sequences: x descends from y, and y looks ahead along the change of x."""
    y = x = W = random_array(3, 3)
    rates = 1 / row_curvatures(N)
    for k, step in enumerate(gradient_descent(N, W, steps=20), start=1):
        before, x = x, y - rates * collapsed_loss_and_gradient(y, N.astype(np.float64))[1]
        y = x + (k - 1) / (k + 2) * (x - before)
        np.testing.assert_allclose(step.weights, y, rtol=0, atol=1e-12)


def test_published_descent_on_names(names: list[str]) -> None:
    def loss(steps: int) -> float:
        options = TrainingOptions(steps=steps, learning_rate=50, holdout=0)
        return train(Corpus.from_words(names), options).training.training_loss

    assert loss(200) == pytest.approx(2.4620, abs=3e-4)
    assert loss(1_000) == pytest.approx(2.4553, abs=1e-4)


def test_the_default_training_ends_within_a_thousandth_of_the_minimum(names: list[str]) -> None:
    training = train(Corpus.from_words(names)).training
    assert training.minimum is not None
    assert training.minimum < training.training_loss < training.minimum + 0.001
    assert training.held_out_loss == pytest.approx(2.468, abs=0.002)


@given(counts)
def test_the_default_step_does_not_diverge_on_any_counts(rows: list[list[int]]) -> None:
    N = np.array(rows)
    steps = list(gradient_descent(N, initial_weights(len(N), 0), steps=60))
    assert steps[-1].objective <= steps[0].objective + 1e-12
    assert steps[-1].objective >= closed_form_minimum(N) - 1e-12


@given(counts)
def test_what_follows_a_rare_symbol_is_learnt_as_fast(rows: list[list[int]]) -> None:
    """How often a row of N occurs beside the others makes no difference to its weights."""
    N = np.array(rows)
    W = initial_weights(len(N), 0)
    rarer = N.copy()
    rarer[1:] *= 1000
    first, other = (list(gradient_descent(n, W, steps=30))[-1].weights for n in (N, rarer))
    np.testing.assert_allclose(first, other, rtol=0, atol=1e-9)


def test_the_curvature_of_a_row_is_a_bound_that_is_reached() -> None:
    # It is largest where two symbols are equally likely and W moves from one to the other.
    for i in range(3):
        W, direction = np.zeros((3, 3)), np.zeros((3, 3))
        W[:, 2] = -40
        direction[i, :2] = math.sqrt(0.5), -math.sqrt(0.5)

        def slope(w: Floats, direction: Floats = direction) -> float:
            return central_difference(lambda x: collapsed_loss(x, N), w, direction, h=1e-4)

        curvature = central_difference(slope, W, direction, h=1e-4)
        assert curvature == pytest.approx(row_curvatures(N)[i, 0], abs=1e-6)
        for seed in range(30):
            W, direction = random_array(3, 3, seed=seed, scale=3), np.zeros((3, 3))
            direction[i] = random_array(1, 3, seed=seed + 100)[0]
            direction /= np.linalg.norm(direction)
            curvature = central_difference(partial(slope, direction=direction), W, direction, 1e-4)
            assert curvature <= row_curvatures(N)[i, 0] + 1e-6


def test_l2_curves_all_rows_alike() -> None:
    # d^2/dw^2 of 0.3 * mean(W**2) over 9 weights
    added = row_curvatures(N, l2=0.3) - row_curvatures(N)
    assert added == pytest.approx(np.full((3, 1), 0.3 * 2 / 9))


@pytest.mark.parametrize("learning_rate", [None, 5.0])
def test_rows_are_stepped_through_in_bands_of_any_height(
    learning_rate: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    V = 7
    N, W = np.arange(V * V).reshape(V, V) % 5, random_array(V, V)

    def descend() -> list[Step]:
        return list(gradient_descent(N, W, steps=9, learning_rate=learning_rate, l2=0.1))

    whole = descend()
    for cached in (1, 3 * V, 6 * V + 1):
        monkeypatch.setattr("makemore.training.descent.CACHED", cached)
        for step, expected in zip(descend(), whole, strict=True):
            assert step.objective == pytest.approx(expected.objective, rel=1e-13)
            np.testing.assert_allclose(step.weights, expected.weights, rtol=0, atol=1e-12)


def test_l2_adds_the_mean_square_of_the_weights() -> None:
    W = random_array(3, 3)
    (plain,) = gradient_descent(N, W, steps=1, learning_rate=1.0)
    for rate in (1.0, None):
        (step,) = gradient_descent(N, W, steps=1, learning_rate=rate, l2=0.3)
        assert step.objective == pytest.approx(collapsed_loss(W, N) + 0.3 * (W**2).mean())
    (decayed,) = gradient_descent(N, W, steps=1, learning_rate=1.0, l2=0.3)
    assert decayed.objective - plain.objective == pytest.approx(0.3 * np.mean(W**2))
    # d/dW of 0.3 * mean(W**2) over 9 weights
    assert decayed.weights - plain.weights == pytest.approx(-0.3 * 2 * W / 9)


def test_the_objective_of_whole_numbers_has_room_for_their_squares() -> None:
    W: Any = np.array([[20, 0, 1], [0, 30, 0], [1, 0, 5]], np.int8)
    (found,) = gradient_descent(N, W, steps=1, l2=1.0)
    (expected,) = gradient_descent(N, W.astype(np.float64), steps=1, l2=1.0)
    assert found.objective == expected.objective


def test_a_learning_rate_may_be_a_large_whole_number() -> None:
    with pytest.raises(TrainingError, match=r"diverged at step \d+ with learning rate 1e\+30"):
        train(Corpus.from_words(WORDS), TrainingOptions(learning_rate=10**30))


def test_weights_that_leave_the_range_of_numbers_are_reported_at_once() -> None:
    steps = gradient_descent(N, np.full((3, 3), -1.7e308), steps=1, learning_rate=1.7e308)
    with pytest.raises(TrainingError, match="diverged at step 0 "):
        next(steps)


def test_divergence_is_reported_with_its_step() -> None:
    with pytest.raises(TrainingError, match=r"diverged at step \d+ with learning rate 1e\+308"):
        list(gradient_descent(N, random_array(3, 3), steps=99, learning_rate=1e308))


@pytest.mark.parametrize("rate", [1e30, 1e100, 1e308])
def test_no_model_with_an_infinite_loss_is_returned(rate: float) -> None:
    with pytest.raises(TrainingError, match=r"diverged at step \d+"):
        train(Corpus.from_words(WORDS), TrainingOptions(learning_rate=rate))


@pytest.mark.parametrize("rate", [1e3, 1e30, 1e300])
def test_what_a_descent_yields_is_finite_or_an_error(rate: float) -> None:
    try:
        for step in gradient_descent(N, random_array(3, 3), steps=50, learning_rate=rate):
            assert math.isfinite(step.objective)
            assert np.isfinite(step.weights).all()
    except TrainingError:
        pass


def test_training_stops_early_when_asked() -> None:
    trained = train(Corpus.from_words(WORDS), on_step=lambda step: step.number == 4)
    assert len(trained.training.loss_history) == 5
    again = train(Corpus.from_words(WORDS), TrainingOptions(**trained.training.options))
    np.testing.assert_array_equal(
        again.model.arrays()["weights"], trained.model.arrays()["weights"]
    )


def test_no_word_stands_on_both_sides() -> None:
    words = WORDS * 3
    held = split_words(words, [0.3]) == 1
    assert 0 < held.sum() < len(words)
    kept = {word for word, is_held in zip(words, held, strict=True) if not is_held}
    assert not kept & {word for word, is_held in zip(words, held, strict=True) if is_held}
    trained = train(Corpus.from_words(words), TrainingOptions(holdout=0.3))
    assert trained.corpus.held_out_lines == held.sum()
    assert trained.corpus.held_out_lines % 3 == 0


def test_the_split_depends_on_neither_order_nor_seed() -> None:
    one = train(Corpus.from_words(WORDS), TrainingOptions(holdout=0.3, seed=1))
    other = train(Corpus.from_words(WORDS[::-1]), TrainingOptions(holdout=0.3, seed=2))
    assert one.corpus.held_out_fingerprint == other.corpus.held_out_fingerprint != ""


def test_the_same_options_give_the_same_model() -> None:
    one, other = (train(Corpus.from_words(WORDS), TrainingOptions(seed=5)) for _ in range(2))
    assert one.model.arrays()["weights"].tobytes() == other.model.arrays()["weights"].tobytes()


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": "trigram"},
        {"method": "magic"},
        {"steps": 0},
        {"learning_rate": math.nan},
        {"learning_rate": 0.0},
        {"learning_rate": -1.0},
        {"l2": -1.0},
        {"l2": math.inf},
        {"smoothing": -0.1},
        {"smoothing": math.nan},
        {"holdout": 1.0},
        {"holdout": -0.1},
        {"holdout": math.nan},
        {"min_count": 0},
        {"seed": -1},
        {"seed": True},
        {"steps": 1.5},
        {"steps": 1 << 63},
        {"l2": "0"},
        {"model": "Bigram"},
    ],
)
def test_an_option_out_of_its_range_is_refused(wrong: dict[str, object]) -> None:
    name = next(iter(wrong)).replace("_", "-")
    with pytest.raises(OptionError, match=rf"--{name} is .* must be"):
        TrainingOptions(**{"method": "counts" if name == "smoothing" else "", **wrong})  # type: ignore[arg-type]


def test_an_option_that_has_no_effect_is_refused() -> None:
    with pytest.raises(OptionError, match="--order has no effect on --model bigram by --method"):
        TrainingOptions(order=3)
    with pytest.raises(OptionError, match="--smoothing has no effect on --model ngram with --smoo"):
        TrainingOptions(model="ngram", smoothing=0.5)
    with pytest.raises(OptionError, match=r"--patience has .* --model gru with --validation 0$"):
        TrainingOptions(model="gru", patience=3, validation=0)
    TrainingOptions(model="gru", patience=0, validation=0)  # as a record of this training has it
    with pytest.raises(OptionError, match="no option colour"):
        TrainingOptions(colour="red")


def test_options_are_values_that_can_be_read_and_compared() -> None:
    options = TrainingOptions(model="ngram", smoothing_method="additive", order=3)
    assert (options.order, options.smoothing, options.holdout) == (3, 1.0, 0.1)
    assert options.record() == {
        "model": "ngram",
        "method": "counts",
        "order": 3,
        "smoothing_method": "additive",
        "smoothing": 1.0,
        "holdout": 0.1,
        "min_count": 1,
    }
    again = TrainingOptions(**options.record())
    assert again == options
    assert hash(again) == hash(options)
    assert repr(again) == repr(options)
    assert TrainingOptions() != options
    with pytest.raises(AttributeError, match="no option 'steps'"):
        _ = options.steps


def test_every_default_is_in_range() -> None:
    for kind in KINDS.values():
        for method in kind.methods:
            for name, value in kind.defaults(method).items():
                assert value is None or not OPTION[name].fault(value), name


def test_plain_descent_is_the_rule_of_the_textbooks() -> None:
    W = random_array(3, 3)
    for step in plain_descent(N, W, steps=5, learning_rate=0.5, l2=0.1):
        d_W = collapsed_loss_and_gradient(W, N.astype(np.float64))[1] + 0.1 * 2 * W / 9
        W = W - 0.5 * d_W
        np.testing.assert_allclose(step.weights, W, rtol=1e-14)


def test_the_record_has_the_seconds_that_the_training_took() -> None:
    started = time.perf_counter()
    seconds = train(Corpus.from_words(WORDS)).training.seconds
    assert 0.0 < seconds <= time.perf_counter() - started


def test_a_record_of_a_kind_and_options_that_nobody_knows_can_be_read() -> None:
    known = train(Corpus.from_words(WORDS)).training
    strange = known._replace(options={**known.options, "model": "oracle", "depth": 7})
    assert (strange.method, strange.seed) == ("gradient", 0)


def test_a_corpus_without_words_is_refused() -> None:
    with pytest.raises(CorpusError):
        train(Corpus.from_words([]))


def test_only_what_is_still_to_be_read_must_stay_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "names"
    path.write_text("emma\nava\nmia\n" * 10)

    def then_changed(count: Callable[..., Any]) -> Callable[..., Any]:
        def count_then_change(*arguments: Any, **options: Any) -> Any:
            found = count(*arguments, **options)
            with open(path, "a") as names:
                names.write("paul\n")
            return found

        return count_then_change

    corpus = Corpus.from_paths(path)
    monkeypatch.setattr("makemore.training.bigram.count_bigrams", then_changed(count_bigrams))
    assert train(corpus, TrainingOptions(holdout=0)).corpus.lines == 30
    ngram = TrainingOptions(holdout=0, model="ngram", order=2)
    monkeypatch.setattr("makemore.training.record.survey_corpus", then_changed(survey_corpus))
    with pytest.raises(CorpusError, match="names changed while it was read"):
        train(corpus, ngram)


@pytest.mark.parametrize(
    ("method", "holdout", "tables"),
    [("counts", 0.0, 3.5), ("counts", 0.3, 4.0), ("gradient", 0.0, 6.5), ("gradient", 0.3, 6.5)],
)
def test_a_large_alphabet_takes_memory_for_few_tables(
    method: str, holdout: float, tables: float
) -> None:
    V = 2000
    draw = random.Random(1)
    letters = [chr(0x4E00 + i) for i in range(V - 1)]
    words = [*letters, *("".join(draw.choices(letters, k=8)) for _ in range(20_000))]
    corpus = Corpus.from_words(words)
    tracemalloc.start()
    try:
        steps = 2 if method == "gradient" else None
        options = TrainingOptions(method=method, holdout=holdout, steps=steps)
        checkpoint = train(corpus, options, jobs=1)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    table = 8 * V**2  # bytes
    assert checkpoint.model.arrays()["weights"].nbytes == table
    # Counting: two tables of counts, of which that of held-out words is not touched without any,
    # and the weights. Descent: also the counts as floats, the weights before, and their momentum.
    assert peak < tables * table


LARGE = [chr(0x4E00 + 7 * k % 1100) + chr(0x4E00 + 31 * k % 1100) for k in range(1100)]
"""Words in 1,100 characters: a table of more than a million pairs, of which 3,300 occur."""


def test_a_large_and_almost_empty_table_becomes_an_ngram_model_of_order_two() -> None:
    corpus = Corpus.from_words(LARGE)
    chosen = train(corpus, TrainingOptions(holdout=0.2))
    named = train(corpus, TrainingOptions("ngram", order=2, holdout=0.2))
    assert chosen.training.options == named.training.options
    assert chosen.training.training_loss == named.training.training_loss
    assert chosen.training.held_out_loss == named.training.held_out_loss
    assert chosen.corpus == named.corpus
    assert len(chosen.training.calibration) > chosen.corpus.held_out_lines  # training words, too
    np.testing.assert_array_equal(chosen.training.calibration, named.training.calibration)


@pytest.mark.parametrize("given", [{"model": "bigram"}, {"method": "gradient"}, {"l2": 0.1}])
def test_a_bigram_that_is_asked_for_is_trained_whatever_its_size(given: dict[str, Any]) -> None:
    options = TrainingOptions(**given, holdout=0)
    stop_at_once = train(Corpus.from_words(LARGE), options, on_step=lambda step: True)
    assert stop_at_once.training.options["model"] == "bigram"


@pytest.mark.parametrize("V", [27, 1000, 1025])
def test_a_table_is_almost_empty_where_it_is_large_and_its_corpus_small(V: int) -> None:
    assert is_almost_empty(V, 5000) == (V == 1025)
    assert not is_almost_empty(V, V * V)


def test_the_survey_is_shown_of_a_table_that_becomes_an_ngram_model() -> None:
    seen: list[Survey] = []
    train(Corpus.from_words(LARGE), on_survey=seen.append)
    assert [survey.facts.lines for survey in seen] == [1100]


@pytest.mark.parametrize("model", ["bigram", "ngram", "bow"])
def test_the_survey_is_shown_before_the_first_step(model: str) -> None:
    seen: list[Any] = []

    def on_step(step: Any) -> bool:
        seen.append(step)
        return True

    train(Corpus.from_words(WORDS), TrainingOptions(model), on_step=on_step, on_survey=seen.append)
    assert isinstance(seen[0], Survey)
    assert [type(thing) for thing in seen].count(Survey) == 1


def test_options_may_be_given_one_by_one() -> None:
    corpus = Corpus.from_words(WORDS)
    one = train(corpus, model="bigram", method="counts", smoothing=0.5, holdout=0)
    other = train(corpus, TrainingOptions("bigram", "counts", smoothing=0.5, holdout=0))
    assert one.training.options == other.training.options
    with pytest.raises(OptionError, match="model, steps beside options: give either of them"):
        train(corpus, TrainingOptions(), model="bigram", steps=3)
    with pytest.raises(OptionError, match="no option speed"):
        train(corpus, speed=3)  # type: ignore[call-arg]
    with pytest.raises(OptionError, match=r"of type str: expected a Corpus, such as Corpus.from_p"):
        train("names.txt")  # type: ignore[arg-type]


def test_type_checkers_know_the_options_of_the_table() -> None:
    known = {
        option.name: option.type | (str if option.words else option.type) | None
        for option in OPTIONS
    }
    assert get_type_hints(Settings) == known
    assert list(Settings.__annotations__) == list(OPTION)


def test_a_time_limit_without_a_model_chooses_a_mixture() -> None:
    checkpoint = train(Corpus.from_words(WORDS * 3), time_limit=1.0, holdout=0)
    assert checkpoint.model.name == "mixture"


@pytest.mark.parametrize(
    ("limit", "seconds", "steps"),
    [
        (100.0, 10.0, 8),  # 94 seconds are 9 steps; the measurements take as long as one
        (1_000.0, 1.0, 12),  # never more than asked for
        (1e308, 0.1, 12),  # more steps fit than a float can tell
        (1e-3, 1.0, 1),  # one at least
    ],
)
def test_a_network_takes_as_many_steps_as_its_time_allows(
    limit: float, seconds: float, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minibatch, "seconds_a_step", lambda *_: seconds)
    given: dict[str, Any] = {"steps": 12, "hidden_size": 4, "batch_size": 8, "holdout": 0}
    corpus = Corpus.from_words(WORDS)
    checkpoint = train(corpus, model="rnn", time_limit=limit, validation=0, **given)
    assert len(checkpoint.training.loss_history) == steps
    assert checkpoint.training.options["time_limit"] is None
    again = train(corpus, TrainingOptions(**checkpoint.training.options))
    assert again.training.training_loss == checkpoint.training.training_loss


@pytest.mark.parametrize(
    ("model", "limit"), [("rnn", 2.0), ("mixture", 3.0), ("bigram", None), ("ngram", None)]
)
def test_no_more_processes_count_than_asked_for(
    model: str, limit: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(passes, "_workers", lambda corpus, jobs: asked.append(jobs))
    order = "auto" if model == "ngram" else None
    train(Corpus.from_words(WORDS), model=model, jobs=1, time_limit=limit, order=order)
    assert set(asked) == {1}


def test_the_command_says_how_many_steps_a_time_limit_allowed(tmp_path: Path) -> None:
    (tmp_path / "w.txt").write_text("".join(word + "\n" for word in WORDS))
    limits = ("--model", "rnn", "--steps", "1000000", "--time-limit", "2", "--hidden-size", "8")
    model = str(tmp_path / "m.npz")
    done = CliRunner().invoke(main, ["train", str(tmp_path / "w.txt"), "-c", model, *limits])
    assert done.exit_code == 0, done.output
    (said,) = (line for line in done.stderr.splitlines() if "the time limit" in line)
    # fewer steps were planned; on a machine that became slower not even those were taken
    expected = r"allowed [\d,]+ of 1,000,000 steps$|ended the training after [\d,]+ of [\d,]+ steps"
    assert re.search(f"the time limit ({expected})", said), said
    assert "train longer" not in done.stderr


def test_a_machine_that_slows_down_ends_a_training_at_its_time_limit() -> None:
    corpus = Corpus.from_words(WORDS * 3)
    started, limit = time.perf_counter(), 1.5
    checkpoint = train(
        corpus,
        model="rnn",
        time_limit=limit,
        hidden_size=4,
        batch_size=8,
        steps=10_000,
        validation=0.2,
        on_step=lambda step: time.sleep(0.02),
    )
    assert time.perf_counter() - started < 1.05 * limit
    planned, taken = checkpoint.training.options["steps"], len(checkpoint.training.loss_history)
    assert 10 < taken < planned
    assert checkpoint.resumption is not None
    resumed = train(corpus, resume=checkpoint, on_step=lambda step: step.number > taken)
    assert len(resumed.training.loss_history) == taken + 2


def test_a_short_delay_does_not_end_a_training() -> None:
    corpus = Corpus.from_words(
        [a + b + c for a in "abcdefghij" for b in "abcdefghij" for c in "xyz"]
    )

    def on_step(step: Any) -> None:
        if 20 <= step.number < 28:
            time.sleep(0.1)

    sizes: dict[str, Any] = {"hidden_size": 4, "batch_size": 4, "steps": 60, "validation": 0}
    checkpoint = train(corpus, TrainingOptions("rnn", time_limit=4.0, **sizes), on_step=on_step)
    assert checkpoint.training.options["steps"] == len(checkpoint.training.loss_history) == 60


def test_the_time_of_a_step_is_measured_without_an_end_of_the_training() -> None:
    options = TrainingOptions("rnn", hidden_size=4, steps=2)
    corpus = Corpus.from_words(WORDS)
    assert 0 < minibatch.seconds_a_step(corpus, options, survey_corpus(corpus)) < 5


def test_scalars_of_numpy_are_numbers() -> None:
    options = TrainingOptions("mlp", steps=np.int64(3), dropout=np.float64(0.5))
    assert (options.steps, options.values["dropout"]) == (3, 0.5)
    assert type(options.steps) is int
