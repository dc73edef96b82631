"""Constraints that hardly any word fulfils are told, and words do not end in idle spaces."""

import itertools
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import automaton_of, make_bigram

from makemore.checkpoint import save
from makemore.cli import main
from makemore.data.corpus import Corpus
from makemore.errors import SamplingError
from makemore.evaluation.losses import score_words
from makemore.generation.conditioning import ConditionedModel, ConstrainedAutomaton
from makemore.generation.constraints import Constraints, Requirements
from makemore.generation.rarity import prefix_probability
from makemore.generation.sampling import Sampler, sample
from makemore.generation.search import most_probable_words
from makemore.models.bigram import Bigram
from makemore.training.options import TrainingOptions
from makemore.training.record import Checkpoint
from makemore.training.train import train

FIRMS = [
    f"{a} {b}"
    for a in ("Bright", "Brass", "The Iron", "Amber", "Cobalt")
    for b in ("Motors", "Haven", "Foods", "Labs", "Timber", "Bell")
] * 20
IRON = Constraints(prefix="The Iron ", max_length=10)


def trained(order: int = 5) -> Checkpoint:
    return train(Corpus.from_words(FIRMS), TrainingOptions("ngram", order=order, holdout=0))


@pytest.mark.parametrize(
    ("limits", "tolerance"),
    [
        (Constraints(max_length=6), 1e-12),
        (Constraints(suffix="b", max_length=3), 1e-12),
        (Constraints(prefix="c", contains="b", min_length=2, max_length=5), 1e-12),
        (Constraints(prefix="a"), 0.02),  # what is longer than the words that are summed up
    ],
)
def test_the_probability_of_constraints_is_the_sum_over_their_words(
    limits: Constraints, tolerance: float, small_model: Bigram
) -> None:
    automaton = automaton_of(small_model)
    P = np.exp(automaton.log_probabilities)
    requirements = Requirements(small_model.vocabulary, limits)
    found = ConditionedModel(ConstrainedAutomaton(P, automaton, requirements)).probability
    words = ["".join(w) for n in range(1, 9) for w in itertools.product("abc", repeat=n)]
    words = [
        word
        for word in words
        if word.startswith(limits.prefix)
        and word.endswith(limits.suffix)
        and all(text in word for text in limits.contained)
        and limits.min_length <= len(word) <= (limits.max_length or len(word))
    ]
    expected = float(np.exp(-score_words(small_model, words).total).sum())
    assert expected <= found + 1e-12
    assert found == pytest.approx(expected, abs=tolerance)


def test_constraints_that_hardly_any_word_fulfils_are_told() -> None:
    model = trained().model
    rare = Constraints(prefix="The Iron ", suffix="m", max_length=10)
    found = Sampler(model, constraints=rare).warning
    assert re.match(
        r"only \d\.?\d*e-\d\d of the model's words fulfil the constraints \(prefix 'The Iron '",
        found,
    )
    found = Sampler(model, constraints=Constraints(prefix="br")).warning
    share = prefix_probability(model, "Br")
    assert found.endswith(f"; 'Br' would fit: {share:.2g} of the words begin with it")
    assert share == pytest.approx(0.4, abs=0.05)
    assert "fit" not in Sampler(model, constraints=Constraints(prefix="Brtv")).warning
    firms = Corpus.from_words(["The Iron Bear", "The Iron Fox", "Bright Motors", "Bright Labs"])
    small = train(firms, TrainingOptions("ngram", order=4, holdout=0))
    found = Sampler(small, constraints=Constraints(prefix="br")).warning
    assert re.fullmatch(r"'Br' would fit: 0\.\d+ of the words begin with it", found)
    digits = train(Corpus.from_words(["12", "13", "90"]), TrainingOptions("ngram", holdout=0))
    assert Sampler(digits, constraints=Constraints(prefix="9")).warning == ""  # of no other case
    for limits in (Constraints(), Constraints(prefix="Br"), Constraints(prefix="The")):
        assert Sampler(model, constraints=limits).warning == ""


def test_a_probability_below_all_numbers_is_not_told_as_zero(small_model: Bigram) -> None:
    found = Sampler(small_model, constraints=Constraints(prefix="abc" * 300)).warning
    assert found.startswith("fewer than 1e-300 of the model's words fulfil the constraints")


def test_of_a_network_the_probability_of_the_prefix_is_told() -> None:
    options = TrainingOptions("mlp", steps=60, hidden_size=16, holdout=0, seed=1)
    model = train(Corpus.from_words([*FIRMS, "abrq"]), options).model
    assert model.automaton() is None
    own = prefix_probability(model, "rqqq")
    assert own < 1e-4
    found = Sampler(model, constraints=Constraints(prefix="rqqq")).warning
    assert found.startswith(f"only {own:.2g} of the model's words fulfil the constraints (prefix")
    assert Sampler(model, constraints=Constraints(prefix="B")).warning == ""


def test_a_refusal_is_the_only_line(tmp_path: Path) -> None:
    options = TrainingOptions("mlp", steps=60, hidden_size=16, holdout=0, seed=1)
    save(tmp_path / "mlp.npz", train(Corpus.from_words([*FIRMS, "abrq"]), options))
    asked = ["top", "-c", str(tmp_path / "mlp.npz"), "-n", "1", "--prefix", "rqqq"]
    warned = CliRunner().invoke(main, asked)
    assert warned.stderr.startswith("makemore: only")
    refused = CliRunner().invoke(main, [*asked, "--contains", "brrr", "--max-length", "5"])
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert "no word with" in refused.stderr


def test_no_word_ends_in_a_space_where_no_training_word_does() -> None:
    model = trained(3).model
    at_all = score_words(model, ["The Iron ", "The Iron B"]).total
    assert at_all[0] < 12  # the model itself may well end a word there
    words = sample(model, 500, seed=1, constraints=IRON)
    assert len(words) == 500
    assert all(len(word) == 10 and word[-1] != " " for word in words)
    assert all(word[-1] != " " for word in sample(model, 5000, seed=1))
    top = list(itertools.islice(most_probable_words(model, IRON), 10))
    assert top
    assert all(word[-1] != " " for word, _ in top)


@pytest.mark.parametrize("kind", ["ngram", "mlp"])
def test_constraints_that_leave_only_words_with_a_space_at_the_end_are_answered(kind: str) -> None:
    options: dict[str, Any] = {"steps": 30, "hidden_size": 16, "seed": 1}
    if kind == "ngram":
        options = {"order": 3}
    checkpoint = train(Corpus.from_words(FIRMS), TrainingOptions(kind, holdout=0, **options))
    limits = Constraints(prefix="The Iron ", max_length=9)
    for ask in (
        lambda: sample(checkpoint, 2, seed=1, constraints=limits),
        lambda: list(most_probable_words(checkpoint, limits)),
    ):
        with pytest.raises(SamplingError, match="max-length 9 that the model wrote end in a space"):
            ask()
    allowed = Constraints(prefix="The Iron ", suffix=" ", max_length=9)
    assert sample(checkpoint, 2, seed=1, constraints=allowed) == ["The Iron "] * 2


@pytest.mark.parametrize("ending", ["", " "])
def test_the_checkpoint_of_a_network_tells_whether_words_end_in_a_space(ending: str) -> None:
    options = TrainingOptions("mlp", steps=30, hidden_size=16, holdout=0, seed=1)
    checkpoint = train(Corpus.from_words([*FIRMS, f"Iron{ending}"]), options)
    assert checkpoint.corpus.ends_in_space == bool(ending)
    ends_in_space = [word[-1] == " " for word in sample(checkpoint, 2000, seed=1)]
    assert any(ends_in_space) == bool(ending)
    assert any(word[-1] == " " for word in sample(checkpoint.model, 2000, seed=1))  # it may


def test_a_space_at_the_end_stays_where_it_is_asked_for_or_learnt() -> None:
    model = trained().model
    asked = sample(model, 5, seed=1, constraints=Constraints(suffix=" "))
    assert all(word[-1] == " " for word in asked)
    learnt = make_bigram(["a ", "ab ", "b"])
    assert any(word[-1] == " " for word in sample(learnt, 100, seed=0))


def test_the_command_says_so_on_stderr(tmp_path: Path) -> None:
    path = str(tmp_path / "m.npz")
    save(path, trained())
    done = CliRunner().invoke(main, ["sample", "-c", path, "-n", "3", "--prefix", "br"])
    assert done.exit_code == 0
    assert len(done.stdout.splitlines()) == 3
    assert re.search(
        r"makemore: only .* of the model's words fulfil the constraints .*; 'Br' would fit",
        done.stderr,
    )
    top = CliRunner().invoke(main, ["top", "-c", path, "-n", "1", "--prefix", "br"])
    assert "'Br' would fit" in top.stderr
    rare = ["-c", path, "-n", "1", "--prefix", "The Iron ", "--suffix", "m", "--max-length", "10"]
    said = [CliRunner().invoke(main, [command, *rare]).stderr for command in ("sample", "top")]
    assert "'The Iron ', suffix 'm', max-length 10" in said[0]
    assert said[0].splitlines()[0] == said[1].splitlines()[0]
    usual = CliRunner().invoke(main, ["sample", "-c", path, "-n", "3", "--prefix", "Br"])
    assert "only" not in usual.stderr


@pytest.mark.parametrize(
    ("words", "rule", "may_end_in_space"),
    [(["a b", "b a", "a a"], r"\w |.", False), (["ab ", "a  b", "b "], "  |.", True)],
)
def test_a_symbol_of_several_characters_may_end_in_a_space(
    words: list[str], rule: str, may_end_in_space: bool
) -> None:
    corpus = replace(Corpus.from_words(words), symbol_rule=rule)
    checkpoint = train(corpus, TrainingOptions("ngram", order=2, holdout=0))
    assert any(len(symbol) == 2 for symbol in checkpoint.model.vocabulary.symbols)
    found = sample(checkpoint, 500, seed=1)
    assert any(word.endswith(" ") for word in found) == may_end_in_space
