"""Characters never seen: one symbol stands for them, which is read and never written."""

import itertools
import json
import math
import re
import shlex
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoint_files import built, read, sealed
from click.testing import CliRunner, Result

from makemore.arpa import arpa_text, read_arpa, write_arpa
from makemore.checkpoint import load, save
from makemore.cli import main
from makemore.data.corpus import Corpus
from makemore.data.vocabulary import REPLACEMENT, Vocabulary
from makemore.errors import (
    CheckpointError,
    CorpusError,
    OptionError,
    PlottingError,
    VocabularyError,
)
from makemore.evaluation.losses import score_words
from makemore.evaluation.rank import RankEstimator
from makemore.generation.constraints import Constraints
from makemore.generation.sampling import Sampler, sample
from makemore.generation.search import top
from makemore.models.base import Model
from makemore.page.webpage import render_page
from makemore.training import moments
from makemore.training.mixing import mix
from makemore.training.options import TrainingOptions
from makemore.training.record import Checkpoint
from makemore.training.train import train

WORDS = ["ab", "ba", "aab", "b", "abx", "bay", "b\U0001f600a", "ba"] * 5
RARE = 6  # x, y and the emoji occur five times each
REPLACED = [re.sub("[xy\U0001f600]", REPLACEMENT, word) for word in WORDS]


def corpus(words: list[str] = WORDS) -> Corpus:
    return replace(Corpus.from_words(words), unknown=True)


def options(model: str, min_count: int = RARE) -> TrainingOptions:
    steps: dict[str, Any] = (
        {"steps": 4, "hidden_size": 4, "validation": 0.2} if model == "gru" else {}
    )
    return TrainingOptions(model, min_count=min_count, holdout=0.2, **steps)


@pytest.fixture(scope="module", params=["bigram", "ngram", "gru"])
def checkpoint(request: pytest.FixtureRequest) -> Checkpoint:
    return train(corpus(), options(request.param))


def test_a_training_is_that_on_a_text_with_one_symbol_for_rare_characters(
    checkpoint: Checkpoint,
) -> None:
    expected = train(Corpus.from_words(REPLACED), options(checkpoint.model.name, min_count=1))
    assert checkpoint.model.arrays().keys() == expected.model.arrays().keys()
    for name, array in expected.model.arrays().items():
        np.testing.assert_array_equal(checkpoint.model.arrays()[name], array)
    assert checkpoint.corpus.dropped_lines == 0
    assert checkpoint.corpus.lines == len(WORDS)
    assert checkpoint.training.held_out_loss == expected.training.held_out_loss


def test_unknown_characters_have_the_probability_of_rare_ones(checkpoint: Checkpoint) -> None:
    scores = score_words(checkpoint.model, ["abx", "ab\u00eb", f"ab{REPLACEMENT}", "ab-", "ab"])
    assert np.isfinite(scores.total).all()
    assert len(set(scores.total[:4].tolist())) == 1
    assert scores.unknown == {}
    log_P = checkpoint.model.log_probabilities(checkpoint.model.start(1))
    assert np.exp(log_P).sum() == pytest.approx(1)
    assert log_P.shape == (1, 4)  # the boundary, a, b and the unknown one


def test_a_corpus_without_a_word_is_called_that() -> None:
    blank = replace(Corpus.from_bytes(b"\n\n", "blank"), unknown=True)
    with pytest.raises(CorpusError, match="blank holds no word"):
        train(blank, options("ngram"))


def plain_words(model: Model, longest: int) -> dict[str, float]:
    """Return P of each word of a and b up to a length."""
    words = [
        "".join(word)
        for length in range(1, longest + 1)
        for word in itertools.product("ab", repeat=length)
    ]
    return dict(zip(words, np.exp(-score_words(model, words).total).tolist(), strict=True))


@pytest.mark.parametrize(
    "constraints",
    [None, Constraints(prefix="b"), Constraints(contains="aa"), Constraints(max_length=2)],
    ids=["free", "prefix", "contains", "length"],
)
def test_words_are_drawn_as_if_no_other_word_had_come(
    checkpoint: Checkpoint, constraints: Constraints | None
) -> None:
    limits = constraints or Constraints()
    count = 20_000
    drawn = Counter(sample(checkpoint, count, seed=1, constraints=constraints))
    assert set("".join(drawn)) <= set("ab")
    P = plain_words(checkpoint.model, 9)
    wanted = {
        word: p
        for word, p in P.items()
        if word.startswith(limits.prefix)
        and str(limits.contains) in word
        and len(word) <= (limits.max_length or 9)
    }
    # words of ten characters and more are missing from the sum: compare ratios to the likeliest
    first = max(wanted, key=wanted.__getitem__)
    for word in sorted(wanted, key=wanted.__getitem__)[-4:]:
        expected = drawn[first] * wanted[word] / wanted[first]
        assert drawn[word] == pytest.approx(expected, abs=5 * math.sqrt(2 * expected) + 5)


def test_no_moment_of_a_film_shows_it(checkpoint: Checkpoint) -> None:
    unk = checkpoint.model.vocabulary.unk
    assert unk is not None
    words = [moments.plain_words(checkpoint.model, np.random.default_rng(i)) for i in range(20)]
    assert unk not in np.unique(words)


def test_a_look_ahead_never_writes_it_either() -> None:
    words = ["ab", "ba", "bx", "xab"] * 30 + ["bbbbbbbab"]
    model = train(corpus(words), TrainingOptions("gru", steps=2, hidden_size=4, min_count=70)).model
    sampler = Sampler(model, constraints=Constraints(suffix="bbab", min_length=9))
    assert sampler.error > 0  # it steers
    assert set("".join(sampler.sample(200, seed=0))) <= set("ab")


def test_the_likeliest_words_are_those_without_it(checkpoint: Checkpoint) -> None:
    P = plain_words(checkpoint.model, 7)
    expected = sorted(P.items(), key=lambda item: -item[1])[:6]
    found = top(checkpoint, 6)
    assert [p for _, p in found] == pytest.approx([p for _, p in expected])
    assert {word for word, _ in found} <= set(P)


def test_a_film_does_not_show_it() -> None:
    film = train(corpus(), options("gru")).training
    assert len(film.film_words)
    assert (film.film_words != 3).all()


def test_the_checkpoint_comes_back(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    save(path, checkpoint)
    again = load(path)
    assert again.model.vocabulary == checkpoint.model.vocabulary
    assert again.model.vocabulary != Vocabulary(again.model.vocabulary.characters)
    assert again.model.vocabulary.unk == 3
    np.testing.assert_array_equal(
        score_words(again.model, ["q-"]).total, score_words(checkpoint.model, ["q-"]).total
    )


@pytest.mark.parametrize(
    "vocabulary",
    [
        {"unk": ["a", "b"]},
        {"unk": ["a", REPLACEMENT, "b"]},
        {"unk": ["a", REPLACEMENT, "bc"]},
        {"unk": ["a", 3, REPLACEMENT]},
        {"unk": f"ab{REPLACEMENT}"},
        {"unk": ["a", "b", REPLACEMENT], "symbols": []},
    ],
)
def test_vocabularies_that_nothing_writes_are_refused(vocabulary: object, tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    save(path, train(corpus(), options("bigram")))
    metadata, arrays = read(path)
    path.write_bytes(built(sealed({**metadata, "vocabulary": vocabulary}, arrays), arrays))
    with pytest.raises(CheckpointError, match=r"vocabulary|symbol|order of code points"):
        load(path)


def test_a_vocabulary_needs_the_symbol() -> None:
    with pytest.raises(VocabularyError, match="lacks the one for unknown"):
        Vocabulary("ab", has_unk=True)
    vocabulary = Vocabulary("ab" + REPLACEMENT, has_unk=True)
    assert vocabulary.encode_lines("xa\n").tolist() == [3, 1, 0]
    for text in ("ax", REPLACEMENT):
        with pytest.raises(VocabularyError, match="is not in the vocabulary"):
            vocabulary.encode(text)


@pytest.mark.parametrize(
    ("words", "min_count", "expected"),
    [
        (
            ["ab", "ba"],
            1,
            "no character of words occurs fewer than 1 times.*all are equally frequent",
        ),
        (["ab", "ca"], 1, r"1 \('b'\) to 2 \('a'\), so choose a --min-count of 2$"),
        (
            ["ab", "ba"],
            3,
            "every character of words occurs fewer than 3 .*all are equally frequent",
        ),
        ([f"a{REPLACEMENT}"] * 3, 2, "no character of words occurs fewer than 2 times"),
        (
            [f"a{REPLACEMENT}b{REPLACEMENT}"],
            2,
            "every character of words occurs fewer than 2 times",
        ),
    ],
)
def test_without_rare_characters_among_others_the_cure_is_named(
    words: list[str], min_count: int, expected: str
) -> None:
    with pytest.raises(CorpusError, match=expected):
        train(corpus(words), TrainingOptions(min_count=min_count))


def test_what_cannot_be_is_answered() -> None:
    checkpoint = train(corpus(), options("bigram"))
    with pytest.raises(PlottingError, match="train without --unknown"):
        render_page(checkpoint)
    with pytest.raises(OptionError, match="train without it"):
        RankEstimator(checkpoint)
    with pytest.raises(OptionError, match="leave out --symbols"):
        replace(corpus(), symbol_rule="smiles")


@pytest.mark.parametrize("model", ["bigram", "ngram"])
def test_an_arpa_file_has_it_as_the_unknown_token(model: str, tmp_path: Path) -> None:
    checkpoint = train(corpus(), options(model))
    text = "".join(arpa_text(checkpoint.model))
    ones = text.split("\\1-grams:\n")[1].split("\n\n")[0].split("\n")
    assert f"ngram 1={len(ones)}\n" in text
    tokens = [line.split("\t")[1] for line in ones]
    assert sorted(tokens) == ["</s>", "<s>", "<unk>", "a", "b"]
    total = sum(10 ** float(line.split("\t")[0]) for line in ones if "<s>" not in line)
    assert total == pytest.approx(1, abs=1e-6)
    write_arpa(tmp_path / "m.arpa", checkpoint)
    back = read_arpa(tmp_path / "m.arpa")
    assert back.model.vocabulary.characters == "ab"
    # after a word's start: the same, given that the unknown one does not come
    P = np.exp(checkpoint.model.log_probabilities(checkpoint.model.start(1)))[0, :3]
    found = np.exp(back.model.log_probabilities(back.model.start(1)))[0]
    np.testing.assert_allclose(found, P / P.sum(), rtol=1e-5)


def test_a_training_that_was_interrupted_goes_on() -> None:
    whole = train(corpus(), options("gru"))
    stopped = train(corpus(), options("gru"), on_step=lambda step: step.number == 1)
    resumed = train(Corpus.from_words(WORDS), resume=stopped)
    for name, array in whole.model.arrays().items():
        np.testing.assert_array_equal(resumed.model.arrays()[name], array)


def test_a_mixture_reads_its_words_alike() -> None:
    mixed, expected = (
        mix({kind: train(text, options(kind, least)) for kind in ("gru", "ngram")}, plain)
        for text, least, plain in (
            (corpus(), RARE, Corpus.from_words(WORDS)),
            (Corpus.from_words(REPLACED), 1, Corpus.from_words(REPLACED)),
        )
    )
    assert mixed.training.training_loss == expected.training.training_loss
    assert mixed.training.held_out_loss == expected.training.held_out_loss
    assert np.isfinite(score_words(mixed.model, ["q-"]).total[0])
    assert np.isnan(score_words(expected.model, ["q-"]).total[0])


# The commands


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words.txt").write_text("".join(word + "\n" for word in WORDS))
    return tmp_path


def run(*arguments: str, code: int = 0, data: str = "") -> Result:
    result = CliRunner().invoke(main, list(arguments), input=data)
    assert result.exit_code == code, result.output
    return result


def test_the_command_says_what_is_read_as_unknown_and_how_to_repeat_it(folder: Path) -> None:
    out = run("train", "words.txt", "--unknown", "--min-count", "6", "-c", "u.npz")
    assert f"read as {REPLACEMENT}  what occurs fewer than 6 times, and" in out.stdout
    assert "--unknown --model ngram --order auto" in out.stderr
    again = run("info", "-c", "u.npz").stdout.splitlines()[-1]
    run(*shlex.split(again.removeprefix("again"))[1:], "-c", "v.npz")
    one, two = load("u.npz"), load("v.npz")
    np.testing.assert_array_equal(one.model.arrays()["weights"], two.model.arrays()["weights"])
    records = [
        json.loads(line)
        for line in run(
            "score", "--json", "-c", "u.npz", data="a-b\nZo\u00eb\n"
        ).stdout.splitlines()
    ]
    assert all(isinstance(record["total"], float) for record in records)


def test_alphabets_that_differ_by_it_are_told(folder: Path) -> None:
    run("train", "words.txt", "--unknown", "--min-count", "6", "-c", "u.npz")
    run("train", "words.txt", "-c", "all.npz")
    (folder / "other.txt").write_text("ab\nbab\n")
    result = run("compare", "u.npz", "all.npz", "--corpus", "other.txt")
    assert "the alphabets differ, with 3 to 5 symbols" in result.stderr


def test_pictures_have_a_row_for_it(folder: Path) -> None:
    run("train", "words.txt", "--unknown", "--min-count", "6", "-c", "u.npz")
    run("plot-heatmap", "-c", "u.npz", "-o", "h.png")
    assert (folder / "h.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (("train", "words.txt", "--unknown"), 1, "so choose a --min-count of"),
        (("train", "words.txt", "--unknown", "--symbols", "ab"), 2, "leave out --symbols"),
        (("train", "words.txt", "--unknown", "--dask", "local"), 2, "leave out --dask"),
        (("page", "-c", "u.npz"), 1, "train without --unknown"),
        (("score", "--rank", "-c", "u.npz"), 2, "train without it"),
        (("sample", "--prefix", "x", "-c", "u.npz"), 1, "'x' is not in the vocabulary"),
    ],
)
def test_an_answer_is_one_line(
    folder: Path, arguments: tuple[str, ...], code: int, expected: str
) -> None:
    run("train", "words.txt", "--unknown", "--min-count", "6", "-c", "u.npz")
    result = run(*arguments, code=code)
    assert expected in result.stderr.splitlines()[-1]
