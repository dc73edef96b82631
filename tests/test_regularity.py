"""Regularity by its definition, and words that are too regular for a list."""

import json
import math
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from makemore.checkpoint import load, save
from makemore.cli import main
from makemore.data.corpus import Corpus
from makemore.errors import CheckpointError, CorpusError
from makemore.evaluation.regularity import regularities
from makemore.training.options import TrainingOptions
from makemore.training.train import train


def regularity(word: str) -> float:
    """Return the regularity of a word, symbol by symbol."""
    pairs = [word[i - 1 : i + 1] for i in range(1, len(word))]
    repeated = sum(pair in pairs[:i] for i, pair in enumerate(pairs))
    steps = [ord(b) - ord(a) for a, b in pairwise(word)]
    in_steps = sum(a == b for a, b in pairwise(steps))
    return max(repeated, in_steps) / (len(word) + 1)


@given(st.lists(st.text("abcdé日😀12345", max_size=12), max_size=6))
def test_a_symbol_is_foreseeable_where_its_pair_or_its_step_repeats(words: list[str]) -> None:
    found = regularities("".join(word + "\n" for word in words))
    assert found.tolist() == pytest.approx([regularity(word) for word in words])


def test_the_step_before_a_line_is_no_step() -> None:
    word = "\u00c8qa"  # 200, 113, 97: the first step, -87, is also that from a to the line feed
    assert regularities(f"{word}\n").tolist() == [regularity(word)] == [0.0]


@pytest.mark.parametrize("text", ["abab", "ab\nabab"])
def test_a_text_that_ends_within_a_line_is_refused_as_elsewhere(
    text: str, checkpoint: Path
) -> None:
    assert regularities("").tolist() == []
    for judge in (regularities, load(checkpoint).calibration().regularity_p_values):
        with pytest.raises(CorpusError, match="the last line 'abab' of a block has no line feed"):
            judge(text)


def test_masked_arrays_are_not_imported() -> None:
    code = (
        "import sys, numpy; before = 'numpy.ma' in sys.modules;"
        "from makemore.evaluation.regularity import regularities; regularities('anna\\n');"
        "sys.exit(('numpy.ma' in sys.modules) != before)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def users() -> list[str]:
    """Return user names: syllables, some with a number behind them."""
    generator = np.random.default_rng(0)
    syllables = [a + b for a in "bcdfghjklmnprst" for b in "aeiou"]
    names = ["".join(generator.choice(syllables, generator.integers(2, 6))) for _ in range(4_000)]
    numbers = [str(n) * (i % 3 == 0) for i, n in enumerate(generator.integers(0, 10**6, 4_000))]
    return [name + number for name, number in zip(names, numbers, strict=True)]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("regularity") / "users.npz"
    save(path, train(Corpus.from_words(users()), TrainingOptions("ngram", order=3, holdout=0.3)))
    return path


def score(checkpoint: Path, text: str, *arguments: str) -> list[list[str]]:
    result = CliRunner().invoke(main, ["score", "-c", str(checkpoint), *arguments], input=text)
    assert result.exit_code == 0, result.stderr
    return [line.split("\t") for line in result.stdout.splitlines()]


def test_what_is_too_regular_is_flagged_with_its_own_word(checkpoint: Path) -> None:
    words = ["mamamamama", "ni12345678", "marinelo", "zé", "titititititi"]
    text = "".join(word + "\n" for word in words)
    asked = ["--fpr", "1%", "--regular"]
    assert [row[3] for row in score(checkpoint, text, *asked)] == [
        "regular", "regular", "passed", "flagged", "regular",
    ]  # fmt: skip
    without = score(checkpoint, text, "--fpr", "1%")
    assert not any(row[3] == "regular" for row in without)
    only = score(checkpoint, text, *asked, "--only", "flagged", "--sort")
    assert {row[-1] for row in only} == set(words) - {"marinelo"}
    objects = [json.loads(line) for (line,) in score(checkpoint, text, *asked, "--json")]
    assert [values["regular"] for values in objects] == [True, True, False, False, True]
    assert [values["flagged"] for values in objects] == [True, True, False, True, True]
    assert len({tuple(values) for values in objects}) == 1


def test_both_reasons_together_keep_the_rate(checkpoint: Path) -> None:
    loaded = load(checkpoint)
    calibration = loaded.calibration()
    fresh = "".join(word + "\n" for word in users()[::-1])
    p = calibration.regularity_p_values(fresh)
    for rate in (0.005, 0.01, 0.05):
        assert (p <= rate).mean() <= 1.5 * rate
    rows = score(checkpoint, fresh, "--fpr", "2%", "--regular")
    assert np.mean([row[3] != "passed" for row in rows]) < 0.03


def test_the_longest_line_of_one_letter_is_too_regular(checkpoint: Path) -> None:
    calibration = load(checkpoint).calibration()
    assert calibration.regularity_p_values("a" * 300_000 + "\n")[0] < 0.01


def test_a_checkpoint_that_does_not_know_how_regular_words_are_says_so(
    checkpoint: Path, tmp_path: Path
) -> None:
    loaded = load(checkpoint)
    without = loaded._replace(training=loaded.training._replace(regularity=np.zeros((0, 2))))
    save(tmp_path / "old.npz", without)
    result = CliRunner().invoke(
        main, ["score", "-c", str(tmp_path / "old.npz"), "--fpr", "1%", "--regular"], input="ab\n"
    )
    assert result.exit_code == 1
    assert "how regular good words are: train again" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_checkpoint_with_damaged_regularities_is_refused(checkpoint: Path) -> None:
    loaded = load(checkpoint)
    damaged = loaded._replace(training=loaded.training._replace(regularity=np.full((3, 2), -1.0)))
    with pytest.raises(CheckpointError, match="damaged"):
        damaged.calibration()
    odd = loaded.training._replace(regularity=np.full((3, 2), math.nan))
    with pytest.raises(CheckpointError, match="not finite"):
        save("/dev/null", loaded._replace(training=odd))
