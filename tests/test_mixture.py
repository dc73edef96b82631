"""Mixtures: the mean of probabilities, its weights, and what fits into a time."""

import itertools
import math
import time
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
from makemore.errors import CheckpointError, CorpusError, OptionError, SamplingError
from makemore.generation.constraints import Constraints
from makemore.generation.sampling import sample
from makemore.models.mixture import Mixture, mixture_weights
from makemore.reporting import describe_checkpoint
from makemore.training import minibatch, record
from makemore.training import mixture as module
from makemore.training.minibatch import mean_loss
from makemore.training.mixture import components_text, parse_components
from makemore.training.ngram import validation_share
from makemore.training.options import TrainingOptions
from makemore.training.record import Checkpoint, Watch
from makemore.training.train import train

WORDS = [
    a + b + c for a in "bcdfgklm" for b in "aeiou" for c in ("", "n", "ra", "la", "lyn", "sto")
]
FACTS = SimpleNamespace(symbols=10**9, held_out_symbols=10**8, lines=10**8)
LARGE: Any = SimpleNamespace(facts=FACTS)
PARTS = "ngram:order=3 gru:steps=60,batch_size=16,hidden_size=12,embedding_size=8,dropout=0.0"


def mixture(components: str = PARTS, **given: Any) -> Checkpoint:
    options = TrainingOptions("mixture", components=components, **{"validation": 0.2, **given})
    return train(Corpus.from_words(WORDS), options)


def test_a_mixture_is_the_weighted_mean_of_probabilities() -> None:
    model = mixture().model
    assert isinstance(model, Mixture)
    state = model.start(3)
    states = [part.start(3) for part in model.components]
    for symbols in (np.array([1, 2, 3]), np.array([4, 4, 1])):
        expected = sum(
            weight * np.exp(part.log_probabilities(own))
            for weight, part, own in zip(model.weights, model.components, states, strict=True)
        )
        np.testing.assert_allclose(np.exp(model.log_probabilities(state)), expected, rtol=1e-12)
        state = model.advance(state, symbols)
        states = [
            part.advance(own, symbols) for part, own in zip(model.components, states, strict=True)
        ]


def test_the_weights_are_those_with_the_least_loss() -> None:
    random = np.random.default_rng(0)
    log_P = list(np.log(random.uniform(0.05, 0.95, (2, 300))))
    counts = random.integers(1, 5, 300).astype(float)
    found = mixture_weights(log_P, counts)

    def loss(weight: float) -> float:
        mean = weight * np.exp(log_P[0]) + (1 - weight) * np.exp(log_P[1])
        return float(-(counts * np.log(mean)).sum())

    best = min(np.linspace(0, 1, 1001).tolist(), key=loss)
    assert found[0] == pytest.approx(best, abs=2e-3)
    assert found.sum() == pytest.approx(1.0)


def test_a_component_that_adds_nothing_has_no_weight() -> None:
    good, bad = np.log(np.full(50, 0.5)), np.log(np.full(50, 0.01))
    assert mixture_weights([bad, good], np.ones(50)).tolist() == [0.0, 1.0]
    never = np.full(50, -np.inf)
    assert mixture_weights([never, good], np.ones(50)).tolist() == [0.0, 1.0]
    # the second is needed for 3 of 1,000 symbols, and for 20: half a percent is too little
    log_P = [np.log([0.5, 1e-9]), np.log([1e-9, 0.5])]
    assert mixture_weights(log_P, np.array([997, 3])).tolist() == [1.0, 0.0]
    assert mixture_weights(log_P, np.array([980, 20])) == pytest.approx([0.98, 0.02])


def test_symbols_that_no_component_thinks_possible_decide_nothing() -> None:
    log_P = [np.array([-np.inf, math.log(0.5)]), np.array([-np.inf, math.log(0.01)])]
    assert mixture_weights(log_P, np.array([7, 1])).tolist() == [1.0, 0.0]


def test_a_mixture_sees_and_writes_as_far_as_its_components() -> None:
    half = np.array([0.5, 0.5])
    corpus = Corpus.from_words(["ab", "ba"] * 20)
    orders = [train(corpus, model="ngram", order=order).model for order in (2, 4)]
    sizes: dict[str, Any] = {"layers": 1, "embedding_size": 8, "heads": 2}
    short = train(corpus, model="transformer", steps=1, **sizes).model
    assert Mixture(orders, half).context_length == 3
    assert Mixture([orders[0], short], half).context_length is None
    assert Mixture([orders[0], short], half).longest_word is None
    assert Mixture([short, short], half).longest_word == short.longest_word == 4
    with pytest.raises(SamplingError, match="the model can write no word with min-length 5"):
        sample(Mixture([short, short], half), 1, constraints=Constraints(min_length=5))


def test_the_vectors_are_those_of_the_component_with_the_largest_weight() -> None:
    sizes: dict[str, Any] = {"steps": 1, "hidden_size": 8, "embedding_size": 4, "validation": 0}
    parts = [train(Corpus.from_words(WORDS), model="gru", seed=s, **sizes).model for s in (0, 1)]
    for weights, largest in (([0.3, 0.7], 1), ([0.6, 0.4], 0)):
        found = Mixture(parts, np.array(weights)).symbol_vectors()
        assert found is not None
        np.testing.assert_array_equal(found, parts[largest].symbol_vectors())


def test_a_mixture_is_no_worse_than_its_best_component() -> None:
    both = mixture().training.held_out_loss
    ngram = mixture("ngram:order=3").training.held_out_loss
    assert both is not None
    assert ngram is not None
    assert both < ngram + 0.002


def test_a_mixture_comes_back_from_its_file(tmp_path: Path) -> None:
    made = mixture()
    path = tmp_path / "mixture.npz"
    save(path, made)
    loaded = load(path)
    ids = made.model.vocabulary.encode_lines("bana\nlyn\n")
    np.testing.assert_array_equal(
        loaded.model.symbol_log_probabilities(ids), made.model.symbol_log_probabilities(ids)
    )
    whole = path.read_bytes()
    save(path, loaded)
    assert path.read_bytes() == whole


def test_the_same_components_give_the_same_mixture() -> None:
    one, other = mixture().model.arrays(), mixture().model.arrays()
    assert one.keys() == other.keys()
    assert all((one[name] == other[name]).all() for name in one)


def test_impossible_mixtures_are_refused() -> None:
    made = mixture().model
    options, arrays, vocabulary = made.options(), made.arrays(), made.vocabulary
    for weights in ([1.5, -0.5], [0.5, 0.4], [1.0, 0.0], [np.nan, 1.0]):
        with pytest.raises(CheckpointError, match="weights of its mixture"):
            Mixture.from_arrays(
                vocabulary, options, arrays | {"mixture_weights": np.array(weights)}
            )
    part = options["components"][0]
    impossible: list[dict[str, Any]] = [
        {},
        {"components": []},
        {"components": "gru"},
        {"components": [part], "more": 1},
        {"components": [{"name": "mixture", "options": options}]},
        {"components": [{"name": "nothing", "options": {}}]},
        {"components": [{"name": "gru"}]},
        {"components": [part] * 65},
    ]
    for wrong in impossible:
        with pytest.raises(CheckpointError):
            Mixture.array_specs(vocabulary, wrong)


def test_components_are_written_as_they_are_read() -> None:
    text = "ngram:order=4 gru:steps=100,dropout=0.1 lstm"
    parsed = parse_components(text)
    assert parsed == [
        ("ngram", {"order": 4}),
        ("gru", {"steps": 100, "dropout": 0.1}),
        ("lstm", {}),
    ]
    assert components_text(parsed) == text
    for unknown, said in (
        ("mixture", "expected"),
        ("bigram", "expected"),
        ("gru:size=3", "unknown option 'size'"),
        ("gru:calibration_folds=3", "only a network alone"),
        ("gru:seed=7", "gru seed: no component has its own"),
        ("gru:time_limit=1", "gru time_limit: no component has its own"),
        ("gru:validation=0.5", "no component has its own"),
        ("ngram:holdout=0.5", "no component has its own"),
        ("gru:steps=many", "the value 'many'"),
        ("gru:steps=0", "--steps is 0"),
        ("gru:heads=4", "no effect"),
    ):
        with pytest.raises(OptionError, match=said):
            parse_components(unknown)


@pytest.mark.parametrize("seconds", [1, 4])
def test_a_time_limit_is_kept_and_repeats_without_a_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    monkeypatch.chdir(tmp_path)
    words = [
        "".join(letters) for letters in itertools.product("bdfgklmnrst", "aeiou", "lnrst", "aeo")
    ]
    Path("words.txt").write_text("".join(word + "\n" for word in words))
    started = time.perf_counter()
    train_it = ["train", "words.txt", "--time-limit", str(seconds), "-c", "one.npz"]
    result = CliRunner().invoke(main, train_it, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert time.perf_counter() - started < seconds * 2  # the bench measures how well it is kept
    one = load("one.npz")
    components = one.training.options["components"]
    assert components.startswith("ngram")
    assert "time_limit" not in one.training.options
    again = train(Corpus.from_paths("words.txt"), TrainingOptions(**one.training.options))
    assert again.training.options == one.training.options


def test_a_network_that_is_stopped_is_recorded_with_the_steps_that_it_took() -> None:
    stopped = train(
        Corpus.from_words(WORDS),
        TrainingOptions("mixture", components=PARTS, validation=0.2),
        on_step=lambda step: step.number == 24,
    )
    assert stopped.training.options["components"] == PARTS.replace("steps=60", "steps=25")
    whole = mixture(PARTS.replace("steps=60", "steps=60,patience=1"))
    assert "steps=60" in whole.training.options["components"]  # repeats it, whenever it ended


@pytest.mark.parametrize(
    ("model", "given"),
    [("mixture", {"components": PARTS}), ("rnn", {"hidden_size": 4, "time_limit": 9.0})],
)
def test_a_corpus_is_surveyed_and_told_of_once(
    model: str, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def surveyed(*arguments: Any) -> Any:
        told.append("read")
        return survey_corpus(*arguments)

    monkeypatch.setattr(record, "survey_corpus", surveyed)
    train(
        Corpus.from_words(WORDS),
        TrainingOptions(model, **given),
        on_survey=lambda _: told.append("told"),
        on_step=lambda step: step.number == 2,
    )
    assert told == ["read", "told"]


def test_a_component_that_was_dropped_is_told() -> None:
    small = "steps=1,learning_rate=1e-9,hidden_size=8,embedding_size=8"
    dropped = mixture(f"ngram:order=3 gru:{small} gru:{small}")
    assert [part.split()[1] for part in dropped.model.describe_parts()] == ["ngram,"]
    told = describe_checkpoint(dropped).splitlines()
    assert "left out  gru, gru, which did not help" in told
    assert "left out" not in describe_checkpoint(mixture("ngram:order=3"))


def test_the_largest_seed_has_one_for_each_network() -> None:
    two = "rnn:steps=1,hidden_size=4 rnn:steps=2,hidden_size=4"
    assert len(mixture(two, seed=(1 << 128) - 1).model.describe_parts()) == 2


def test_networks_of_one_kind_begin_with_other_weights() -> None:
    gru = "gru:steps=5,batch_size=16,hidden_size=12,embedding_size=8"
    arrays = mixture(f"{gru} {gru}").model.arrays()
    assert (arrays["0.embedding.weight"] != arrays["1.embedding.weight"]).any()


def test_the_ngram_model_is_estimated_with_the_validation_words_in_the_end() -> None:
    model = mixture("ngram:order=3", holdout=0.2).model
    assert isinstance(model, Mixture)
    alone = train(Corpus.from_words(WORDS), TrainingOptions("ngram", order=3, holdout=0.2))
    for name, array in alone.model.arrays().items():
        np.testing.assert_array_equal(model.components[0].arrays()[name], array)


@pytest.mark.parametrize(
    ("words", "steps"),
    [
        (0, 200),  # at least so many
        (9_600, 40 * 9_600 // 128),  # each word 40 times
        (10**7, None),  # twice the default, at most
    ],
)
def test_a_fast_machine_takes_no_more_steps_than_help(
    monkeypatch: pytest.MonkeyPatch, words: int, steps: int | None
) -> None:
    monkeypatch.setattr(module, "seconds_a_step", lambda *_: 1e-9)
    corpus, deadline = Corpus.from_words(WORDS), time.perf_counter() + 10
    plan = module._plan(corpus, LARGE, deadline, {}, words, Watch())
    (_, kept), (kind, own) = plan
    assert not kept  # so many symbols leave no time to try orders
    assert TrainingOptions(kind, **own).batch_size == 128
    assert own["steps"] == (steps or 2 * TrainingOptions(kind).steps)


def test_a_time_limit_of_any_length_is_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "seconds_a_step", lambda *_: 0.1)
    monkeypatch.setattr(module, "_longer_contexts", lambda *_: {})
    plan = module._plan(Corpus.from_words(WORDS), LARGE, 1e308, {}, 10**7, Watch())
    assert [own["steps"] for _, own in plan[1:]] == [5_000, 14_000, 4_000]


def test_a_network_that_cannot_be_trained_is_not_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is then for the next smaller one."""
    alternatives = [module._WIDE, module._SMALLEST]  # a transformer takes no word so long
    monkeypatch.setattr(module, "_networks_for", lambda _: [(alternatives, 0.9)])
    long = Corpus.from_words([*WORDS, "ab" * 2_500])
    best = train(long, model="mixture", time_limit=1.5, holdout=0.0)
    kinds = [kind for kind, _ in parse_components(best.training.options["components"])]
    assert kinds in (["ngram"], ["ngram", "gru"])


def test_a_network_of_a_mixture_ends_while_its_losses_can_be_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = []

    def noted(deadline: float, on_step: Any, more: float, reserve: float) -> Any:
        given.append((deadline > time.perf_counter(), more > 0, reserve))
        return on_step

    monkeypatch.setattr(module, "until", noted)
    monkeypatch.setattr(module, "_networks_for", lambda _: [([module._SMALLEST], 0.5)])
    train(Corpus.from_words(WORDS), model="mixture", time_limit=3.0)
    assert given == [(True, True, minibatch.MIN_RESERVE)]


def test_no_network_takes_all_epochs_of_so_many_words_that_they_are_not_counted() -> None:
    for kind in (kind for kind in module.MIXED if kind != "ngram"):
        options = TrainingOptions(kind)
        assert module.EPOCHS * module.MANY_WORDS // options.batch_size >= 2 * options.steps


def test_the_order_of_the_ngram_model_rises_where_long_contexts_pay() -> None:
    stems = ["station", "stature", "rations", "torsion", "senator", "noisier", "artiest", "seaport"]
    words = ["".join(three) for three in itertools.product(stems, stems, stems)]
    best = train(Corpus.from_words(words), TrainingOptions("mixture", time_limit=2.0))
    (kind, own), *_ = parse_components(best.training.options["components"])
    assert kind == "ngram"
    assert 6 <= own["order"] <= 10
    assert not module._longer_contexts(Corpus.from_words(WORDS), {"holdout": 0.1}, Watch())


def test_the_time_of_measurements_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "seconds_a_step", lambda *_: 0.02)
    steps = []
    for symbols, words in ((10**5, 10**7), (10**9, 10**7), (10**9, 120_000)):
        facts = SimpleNamespace(symbols=symbols, held_out_symbols=symbols // 10, lines=symbols // 8)
        deadline = time.perf_counter() + 60
        corpus = Corpus.from_words(WORDS)
        survey = SimpleNamespace(facts=facts)
        plan = module._plan(corpus, survey, deadline, {}, words, Watch())  # type: ignore[arg-type]
        steps.append(plan[1][1]["steps"])
    small, large, repeated = steps
    assert small == pytest.approx(0.95 * 60 / 0.02, rel=0.02)
    # a step is of 128 words of 8 symbols, and 2 of 2**20 symbols are measured
    assert small - large == pytest.approx(2 * 2**20 / (128 * 8) / 2 - 0.06 * 60 / 0.02, rel=0.05)
    assert small - repeated == pytest.approx(120_000 / 128 * 1.11 / 2 - 180, rel=0.05)


def test_the_losses_of_a_mixture_are_measured_and_those_of_its_components_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured = []

    def noted(model: Any, words: Any) -> float:
        measured.append(model.name)
        return mean_loss(model, words)

    monkeypatch.setattr(minibatch, "mean_loss", noted)
    mixture(PARTS)
    assert measured == ["mixture"] * 2


def test_few_words_give_a_larger_share_for_validation() -> None:
    assert [validation_share(lines) for lines in (0, 100, 10_000, 10**6)] == [0.2, 0.2, 0.06, 0.02]
    assert [validation_share(lines, 0.1, 0.3) for lines in (100, 10**6)] == [0.3, 0.3]
    for asked, taken in ((0.0, 0.2), (0.23456, 0.23456)):
        assert mixture("ngram:order=2", validation=asked).training.options["validation"] == taken


def test_half_of_the_words_that_are_not_held_out_are_left_for_training() -> None:
    assert [validation_share(100, holdout) for holdout in (0, 0.5, 0.7, 0.9)] == pytest.approx(
        [0.2, 0.2, 0.15, 0.05]
    )
    best = train(Corpus.from_words(WORDS), model="ngram", order="auto", holdout=0.9)
    assert best.training.options["order"] >= 2
    mixed = mixture("ngram:order=2", holdout=0.85, validation=0.02)
    assert mixed.training.options["validation"] == pytest.approx(0.075)


def test_every_command_takes_a_mixture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("words.txt").write_text("".join(word + "\n" for word in WORDS))
    save("m.npz", mixture(holdout=0.2))

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(main, [*arguments, "-c", "m.npz"], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    assert "mixture" in run("info")
    assert len(run("sample", "-n", "5", "--seed", "1", "--suffix", "lyn").split()) == 5
    assert len(run("top", "-n", "3").splitlines()) == 3
    assert len(run("score", "words.txt", "--fpr", "5%").splitlines()) == len(WORDS)
    run("plot-heatmap")


def test_components_that_nothing_tells_apart_weigh_the_same() -> None:
    impossible = [np.full(3, -np.inf)] * 2
    assert mixture_weights(impossible, np.ones(3)).tolist() == [0.5, 0.5]


def test_a_mixture_of_a_large_alphabet_has_the_order_that_fits() -> None:
    letters = "".join(map(chr, range(0x4E00, 0x4E00 + 6300)))
    corpus = Corpus.from_words([letters[i : i + 3] for i in range(0, 6300, 3)])
    found = train(corpus, TrainingOptions("mixture", time_limit=1.0))
    assert "ngram:order=4" in str(found.training.options["components"])


def test_a_corpus_that_changes_between_the_components_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "words.txt"
    path.write_text("".join(f"{word}\n" for word in WORDS))
    found = module.weights_on

    def weights_on(*given: Any) -> Any:
        with path.open("a") as file:
            file.write("banana\n" * 100)
        return found(*given)

    monkeypatch.setattr(module, "weights_on", weights_on)
    with pytest.raises(CorpusError, match="changed while it was read"):
        train(Corpus.from_paths(path), model="mixture", components="ngram:order=2 rnn:steps=1")
