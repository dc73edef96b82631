"""The order of n-grams that validation words choose, and what a training says at its end."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from makemore.checkpoint import load
from makemore.cli import main
from makemore.counting.ngrams import NgramCounter
from makemore.data import sources
from makemore.data.corpus import Corpus
from makemore.data.holdout import split_words
from makemore.data.vocabulary import Vocabulary
from makemore.errors import OptionError
from makemore.models.ngram import loss_on_counts, train_ngram
from makemore.training.options import TrainingOptions
from makemore.training.train import train


def test_the_order_is_the_best_on_validation_words_alone() -> None:
    words = [a + b + a + c for a in ("ba", "ce", "di", "fo") for b in "lmnr" for c in ("", "na")]
    words += [word + word for word in words]
    found = train(Corpus.from_words(words), TrainingOptions("ngram", order="auto"))
    parts = split_words(words, [0.1, 0.2])
    assert found.corpus.held_out_lines == (parts == 1).sum()
    vocabulary = Vocabulary("".join(words))
    losses = {}
    for order in range(2, 11):
        counts = []
        for part in (0, 2):  # training, validation
            counter = NgramCounter(len(vocabulary), order)
            own = [word for word, p in zip(words, parts, strict=True) if p == part]
            counter.add(vocabulary.encode_words(own))
            counts.append(counter.counts())
        losses[order] = loss_on_counts(train_ngram(counts[0], vocabulary), counts[1])
    chosen = found.training.options["order"]
    assert chosen > 2
    assert losses[chosen] < min(losses[chosen - 1], losses[chosen + 1])
    again = train(Corpus.from_words(words), TrainingOptions("ngram", order=chosen))
    assert again.training.options == found.training.options
    assert again.training.held_out_loss == found.training.held_out_loss


def test_of_too_few_words_for_validation_the_order_is_the_default() -> None:
    options = TrainingOptions("ngram", order="auto", holdout=0)
    assert train(Corpus.from_words(["ab"]), options).training.options["order"] == 5


@pytest.mark.parametrize("order", [1, 11, "best", 2.5])
def test_an_order_that_cannot_be_is_refused(order: Any) -> None:
    with pytest.raises(OptionError, match=r"--order is .* and must be"):
        TrainingOptions("ngram", order=order)


def run(*arguments: str) -> Result:
    done = CliRunner().invoke(main, list(arguments))
    assert done.exit_code == 0, done.output
    return done


@pytest.mark.parametrize("model", ["bigram", "ngram", "mlp"])
def test_a_training_shows_words_and_names_a_better_model(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my list").write_bytes("Zoë;3\nJosé;2\nAna;4\n".encode("latin-1"))
    how = ["--encoding", "latin-1", "--lowercase", "--column", "1", "--weights", "2"]
    small = ["--steps", "2", "--hidden-size", "4"] if model == "mlp" else []
    done = run("train", "my list", *how, "--model", model, *small)
    assert "writes" not in done.stdout
    (words,) = (line for line in done.stderr.splitlines() if ": writes " in line)
    assert len(words.split(", ")) == 5
    better = [line for line in done.stderr.splitlines() if "a better model" in line]
    if model == "mlp":
        assert not better
        return
    more = "--model ngram --order auto" if model == "bigram" else "--time-limit 60"
    assert better == [
        "makemore: a better model: makemore train 'my list' --lowercase --encoding latin-1"
        f" --column 1 --weights 2 {more}"
    ]
    if model == "bigram":
        first = load("makemore.npz").corpus
        run(*shlex.split(better[0])[5:])
        assert load("makemore.npz").corpus == first
        assert load("makemore.npz").model.name == "ngram"


def test_the_better_model_keeps_what_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sources, "stdin_has_data", lambda waiting: True)
    words = ["ab", "ba", "abba", "baba", "bab", "aba"] * 9
    typed = ["-c", "my model.npz", "--holdout", "25%", "--min-count", "2", "--steps", "5"]
    for errors in ([], ["--errors", "skip"]):  # which reads stdin twice
        done = CliRunner().invoke(main, ["train", *typed, *errors], input="\n".join(words))
        (better,) = re.findall("a better model: (.*)", done.stderr)
        assert shlex.split(better) == [
            "makemore", "train", "-", "-c", "my model.npz", "--holdout", "0.25",
            "--min-count", "2", *errors, "--model", "ngram", "--order", "auto",
        ]  # fmt: skip
    done = CliRunner().invoke(main, shlex.split(better)[1:], input="\n".join(words))
    assert done.exit_code == 0
    assert load("my model.npz").model.name == "ngram"


def test_an_order_that_is_no_number_is_answered(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["train", "x", "--model", "ngram", "--order", "best"])
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "'best' is not a whole number from 2 to 10, or auto" in done.stderr


def test_of_a_large_alphabet_the_order_is_one_that_fits() -> None:
    options = TrainingOptions("ngram", order="auto", holdout=0)
    word = "".join(map(chr, range(0x4E00, 0x4E00 + 6300)))
    assert train(Corpus.from_words([word]), options).training.options["order"] == 4
