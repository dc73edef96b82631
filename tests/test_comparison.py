"""Checkpoints side by side: the same words for all, or a refusal."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from makemore.data.corpus import Corpus
from makemore.data.table import Columns
from makemore.errors import CheckpointError
from makemore.evaluation.comparison import compare, totals_of_known_words
from makemore.evaluation.losses import score_words
from makemore.reporting import comparison_table
from makemore.training.options import TrainingOptions
from makemore.training.record import Checkpoint
from makemore.training.train import train

GENERATOR = np.random.default_rng(0)
WORDS = ["".join(GENERATOR.choice(list("abcd"), GENERATOR.integers(1, 8))) for _ in range(500)]


def trained(words: list[str] = WORDS, **options: object) -> Checkpoint:
    defaults = {"method": "counts", "holdout": 0.2}
    return train(Corpus.from_words(words), TrainingOptions(**(defaults | options)))  # type: ignore[arg-type]


def test_a_row_says_what_the_checkpoint_says() -> None:
    first, second = trained(), trained(method="gradient", steps=50)
    rows = compare({"a": first, "b": second})
    assert [row.name for row in rows] == ["a", "b"]
    for row, checkpoint in zip(rows, (first, second), strict=True):
        record = checkpoint.training
        assert row.parameters == 25
        assert row.loss == row.held_out_loss == record.held_out_loss
        assert row.distance == pytest.approx(record.training_loss - (record.minimum or 0))
        assert row.distance is not None
        assert row.distance >= 0
        assert row.bits == pytest.approx(row.loss / math.log(2))
        assert row.perplexity == pytest.approx(math.exp(row.loss))


def test_no_loss_is_below_its_minimum() -> None:
    (row,) = compare({"a": trained()})
    rounded = replace(row, training_loss=math.nextafter(2.0, 1.0), minimum=2.0)
    assert "-0.0000" not in comparison_table([rounded])
    assert replace(row, training_loss=math.inf, minimum=2.0).distance == math.inf


def test_the_order_of_lines_does_not_matter_but_the_held_out_words_do() -> None:
    same = trained(WORDS[::-1])
    assert len(compare({"a": trained(), "b": same})) == 2
    for other in (trained(WORDS[:-50]), trained(holdout=0.1), trained(holdout=0.0)):
        with pytest.raises(CheckpointError, match="--corpus"):
            compare({"a": trained(), "b": same, "c": other})


def test_without_held_out_words_the_corpora_must_be_the_same() -> None:
    whole = trained(holdout=0.0)
    rows = compare({"a": whole, "b": trained(holdout=0.0, smoothing=2.0)})
    assert rows[0].training_loss == rows[0].loss < rows[1].loss
    with pytest.raises(CheckpointError, match="--corpus"):
        compare({"a": whole, "b": trained(WORDS[:-1], holdout=0.0)})


def test_without_held_out_words_one_file_must_be_read_in_one_way() -> None:
    table = Corpus.from_bytes("".join(f"{a},{a[0]}{a}A\n" for a in WORDS).encode())
    first, second = replace(table, columns=Columns("1")), replace(table, columns=Columns("2"))
    runs = {
        number: train(corpus, method="counts", holdout=0.0)
        for number, corpus in enumerate((first, second, replace(second, lowercase=True), table))
    }
    for one, other in itertools.combinations(runs, 2):
        with pytest.raises(CheckpointError, match=r"read different words.*--corpus"):
            compare({str(number): runs[number] for number in (one, other)})
    same = train(replace(first, lowercase=True), method="counts", holdout=0.0)
    assert len(compare({"a": runs[0], "b": same})) == 2  # there are no capitals


def test_on_a_corpus_every_model_is_asked_about_the_same_words() -> None:
    first, second = trained(), trained([*WORDS, "abe"], holdout=0.1)
    rows = compare(
        {"a": first, "b": second}, Corpus.from_words(["ab", "ea", "x", "cd"]).read(block_size=4)
    )
    for row, checkpoint in zip(rows, (first, second), strict=True):
        assert row.corpus is not None
        assert (row.corpus.words, row.corpus.unknown_words) == (2, 2)
        expected = score_words(checkpoint.model, ["ab", "cd"]).total.sum()
        assert row.corpus.nats == pytest.approx(expected)
        assert row.loss == pytest.approx(expected / 6)


def test_totals_over_no_words_are_empty() -> None:
    (totals,) = totals_of_known_words([(trained().model, str)], ["\n\n"])
    assert (totals.words, totals.unknown_words) == (0, 0)


def test_the_table_is_aligned_and_shows_infinity_and_nothing() -> None:
    first, second = trained(), trained(smoothing=0.0)
    record = second.training._replace(held_out_loss=math.inf, minimum=None)
    lines = comparison_table(
        compare({"first.npz": first, "b\x1b": second._replace(training=record)})
    ).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[0].split()[:2] == ["checkpoint", "model"]
    assert "inf" in lines[2]
    assert " - " in lines[2]
    assert "\\x1b" in lines[2]
