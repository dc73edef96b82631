"""Every command, run in the test's own process; how processes behave is in test_processes.py."""

import contextlib
import json
import math
import os
import re
import shlex
import shutil
import signal
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner, Result
from corpus_oracles import is_held_out

import makemore
from makemore.checkpoint import load, save
from makemore.cli import COMMANDS, console, load_command, main
from makemore.cli.options import number_or_percentage
from makemore.cli.outliers import _most
from makemore.cli.training import _watching
from makemore.data.corpus import Corpus
from makemore.data.vocabulary import Vocabulary
from makemore.kinds import KINDS, OPTIONS
from makemore.models.ngram import ESTIMATORS
from makemore.training.options import TrainingOptions
from makemore.training.train import train

WORDS = ["anna", "ben", "cara", "dan", "eden", "fran", "gina", "hana", "ian", "jana", "zoë"]

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command line in an empty folder with words.txt."""
    monkeypatch.chdir(tmp_path)
    Path("words.txt").write_text("\n".join(WORDS * 3), encoding="utf-8")

    def run(*arguments: str, code: int = 0, **options: object) -> Result:
        result = CliRunner().invoke(main, list(arguments), **options)  # type: ignore[arg-type]
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture
def trained(run: Run) -> Run:
    run("train", "words.txt", "--holdout", "0.2")
    return run


def one_line(result: Result) -> str:
    """Return what a failed command said: one line on stderr and nothing on stdout."""
    assert result.stdout == ""
    assert result.stderr.startswith("makemore: ")
    assert result.stderr.endswith("\n")
    assert result.stderr.count("\n") == 1
    return result.stderr


def test_train_says_what_it_read_and_learnt(run: Run) -> None:
    out = run("train", "words.txt", "--holdout", "0").stdout
    # 11 words of 40 letters in all, an end mark each, three times: 3 * 51
    assert "words.txt: 33 words, 153 symbols, 15 characters" in out
    assert "bigram, 256 parameters" in out
    training = load("makemore.npz").training
    assert training.minimum is not None
    for loss in (training.training_loss, training.minimum):
        assert f"{loss:.4f}" in out
        assert f"{loss / math.log(2):.4f}" in out
        assert f"{math.exp(loss):.3f}" in out
    assert "saved makemore.npz in " in out
    assert "held out" not in out


def test_a_file_that_is_no_checkpoint_is_not_replaced(run: Run) -> None:
    before = Path("words.txt").read_bytes()
    message = one_line(run("train", "words.txt", "-c", "words.txt", code=1))
    assert "words.txt is not a checkpoint and would be lost" in message
    assert Path("words.txt").read_bytes() == before


def test_what_is_read_is_not_written_to(trained: Run) -> None:
    for path in ("makemore.npz", "words.txt"):
        before = Path(path).read_bytes()
        message = one_line(trained("sample", "--seed", "1", "-o", path, code=2))
        assert "is read by this command: write to another file" in message
        assert Path(path).read_bytes() == before


def test_wishes_are_changed_as_the_corpus_was(run: Run) -> None:
    run("train", "words.txt", "--strip-accents", "--lowercase", "--holdout", "0")
    words = run("sample", "--prefix", "Zo\u00eb", "--seed", "1").stdout.split()
    assert all(word.startswith("zoe") for word in words)


def test_train_reads_several_files_and_stdin(run: Run) -> None:
    Path("more.txt").write_text("quinn\n")
    run("train", "words.txt", "more.txt", "--holdout", "0")
    assert load("makemore.npz").corpus.lines == 34
    run("train", "-", "--holdout", "0", input="quinn\nanna")
    assert load("makemore.npz").model.vocabulary == Vocabulary("quinna")


def test_train_by_counts_is_the_closed_form(run: Run) -> None:
    run("train", "words.txt", "--method", "counts", "--smoothing", "0", "--holdout", "0")
    training = load("makemore.npz").training
    assert training.training_loss == pytest.approx(training.minimum, rel=1e-12)


def test_text_is_changed_only_when_asked(run: Run) -> None:
    Path("mixed.txt").write_text("Zoe\u0308\nAnna", encoding="utf-8")
    run("train", "mixed.txt", "--holdout", "0")
    assert load("makemore.npz").model.vocabulary.characters == "AZaeno\u0308"
    run("train", "mixed.txt", "--holdout", "0", "--lowercase", "--normalize", "nfc")
    assert load("makemore.npz").model.vocabulary.characters == "anozë"
    run("train", "mixed.txt", "--holdout", "0", "--lowercase", "--strip-accents")
    assert load("makemore.npz").model.vocabulary.characters == "aenoz"


def test_the_ngram_takes_the_same_commands_afterwards(run: Run) -> None:
    out = run("train", "words.txt", "--model", "ngram", "--order", "3").stdout
    assert "ngram" in out
    assert "order 3, smoothing method kneser-ney" in out
    for command in (["sample", "--seed", "1"], ["top"], ["score", "words.txt"], ["info"]):
        assert run(*command).stdout
    run("plot-heatmap", "--text")
    assert "no weights" in one_line(run("plot-heatmap", "--values", "weights", code=1))
    assert "no loss curve" in one_line(run("plot-loss", code=1))


def test_ngrams_beyond_memory_are_refused_in_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("makemore.counting.ngrams.available_memory", lambda: 1000)
    message = one_line(run("train", "words.txt", "--model", "ngram", code=1))
    assert "distinct n-grams up to order 5 need" in message
    assert "and 1,000 are available: train with a lower order or on fewer words" in message
    assert not Path("makemore.npz").exists()


@pytest.mark.parametrize("model", [("bigram",), ("ngram", "--order", "auto")])
def test_a_dask_cluster_gives_the_same_checkpoint(
    run: Run, monkeypatch: pytest.MonkeyPatch, model: tuple[str, ...]
) -> None:
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    monkeypatch.setattr("time.perf_counter", lambda: 0.0)  # its seconds alone would differ
    run("train", "words.txt", "-c", "here.npz", "--model", *model)
    run("train", "words.txt", "-c", "there.npz", "--model", *model, "--dask", "local")
    assert Path("here.npz").read_bytes() == Path("there.npz").read_bytes()


def test_what_a_dask_cluster_cannot_count_is_refused(run: Run) -> None:
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    message = one_line(run("train", "words.txt", "--dask", "local", "--model", "gru", code=2))
    assert "--dask counts pairs and n-grams only, which is not enough for --model gru" in message
    assert "cannot count stdin" in one_line(run("train", "-", "--dask", "local", code=2))


def test_a_url_without_a_cluster_names_the_option(run: Run) -> None:
    assert "or read it with --dask" in one_line(run("train", "http://127.0.0.1/words.txt", code=2))


def test_an_option_without_effect_is_refused(run: Run) -> None:
    message = one_line(run("train", "words.txt", "--order", "3", code=2))
    assert "--order has no effect on --model bigram" in message
    message = one_line(run("train", "words.txt", "--model", "ngram", "--steps", "9", code=2))
    assert "--steps has no effect on --model ngram" in message
    message = one_line(run("train", "words.txt", "--model", "ngram", "--log", "log", code=2))
    assert "--log has no effect on --model ngram by --method counts" in message
    message = one_line(run("info", "other.npz", code=2))
    assert "info takes only options, and not 'other.npz': -c names the model's file" in message
    message = one_line(run("plot-heatmap", "heatmap.png", code=2))
    assert "-c names the model's file, -o names the file to write" in message
    message = one_line(run("download", "names.txt", code=2))
    assert "download takes only options, and not 'names.txt': -o names the file" in message


def test_choices_and_defaults_are_those_of_the_library() -> None:
    options = {p.name: p for p in load_command("train").params}
    assert set(options["model"].type.choices) == set(KINDS)  # type: ignore[attr-defined]
    assert set(options["method"].type.choices) == {m for k in KINDS.values() for m in k.methods}  # type: ignore[attr-defined]
    assert set(options["smoothing_method"].type.choices) == set(ESTIMATORS)  # type: ignore[attr-defined]
    for row in OPTIONS:
        assert options[row.name].opts == [*row.aliases, row.flag]


def test_the_help_shows_the_defaults_of_the_kinds(run: Run) -> None:
    text = " ".join(run("train", "--help").stdout.split())
    for shown in ("[default: 100 for bigram; 3000 for mlp", "on validation words. [default: 5]"):
        assert shown in text
    assert "[default: None]" not in text
    assert "[default: 60.0 for mixture]" in text


def test_sample_writes_one_word_a_line(trained: Run) -> None:
    out = trained("sample", "-n", "7", "--seed", "3").stdout
    assert out.count("\n") == 7
    assert set(out) <= set("".join(WORDS)) | {"\n"}
    assert out == "".join(w + "\n" for w in makemore.sample(load("makemore.npz").model, 7, seed=3))


def test_sample_without_a_seed_says_which_it_took(trained: Run) -> None:
    result = trained("sample", "-n", "5")
    seed = result.stderr.removeprefix("makemore: seed ").strip()
    assert trained("sample", "-n", "5", "--seed", seed).stdout == result.stdout
    assert trained("sample", "-n", "5").stdout != result.stdout


def test_a_seed_is_told_after_the_words_and_not_after_an_error(trained: Run) -> None:
    assert trained("sample", "-n", "5", "-o", "out.txt").stderr.startswith("makemore: seed ")
    Path("folder").mkdir()
    assert "seed" not in one_line(trained("sample", "-n", "5", "-o", "folder", code=1))
    shown = trained("sample", "-n", "5").output.splitlines()
    assert [line.startswith("makemore: seed ") for line in shown] == [False] * 5 + [True]


def test_sample_of_no_words_prints_nothing(trained: Run) -> None:
    assert trained("sample", "-n", "0", "--seed", "1").stdout == ""


def test_sample_to_a_file(trained: Run) -> None:
    expected = trained("sample", "--seed", "1").stdout
    assert trained("sample", "--seed", "1", "-o", "out.txt").stdout == ""
    assert Path("out.txt").read_text(encoding="utf-8") == expected


def test_sample_with_scores_and_as_json(trained: Run) -> None:
    rows = trained("sample", "--seed", "1", "--with-scores").stdout.splitlines()
    objects = trained("sample", "--seed", "1", "--json").stdout.splitlines()
    assert (
        trained("sample", "--seed", "1", "--json", "--with-scores").stdout.splitlines() == objects
    )
    for row, line in zip(rows, objects, strict=True):
        total, mean, word = row.split("\t")
        values = json.loads(line)
        assert values["word"] == word
        assert values["total"] == pytest.approx(float(total), abs=1e-4)
        assert values["mean"] == pytest.approx(float(mean), abs=1e-4)


def test_new_words_are_not_in_the_corpus_and_unique_ones_come_once(trained: Run) -> None:
    words = trained("sample", "-n", "60", "--seed", "1", "--new", "--unique").stdout.split()
    assert len(words) == len(set(words)) == 60
    assert not set(words) & set(WORDS)


def test_new_words_need_the_corpus_as_it_was(trained: Run) -> None:
    Path("words.txt").rename("moved.txt")
    assert "words.txt" in one_line(trained("sample", "--new", "--seed", "1", code=1))
    trained("sample", "--new", "--seed", "1", "--corpus", "moved.txt")
    Path("moved.txt").write_text("other\n")
    message = one_line(trained("sample", "--new", "--seed", "1", "--corpus", "moved.txt", code=1))
    assert "has changed since the training" in message


def test_where_a_line_was_added_excluding_the_list_is_named_and_helps(trained: Run) -> None:
    Path("words.txt").write_text("\n".join([*WORDS, "another"]), encoding="utf-8")
    message = one_line(trained("sample", "--new", "--seed", "1", code=1))
    assert "exclude its present words by --exclude instead of --new" in message
    found = trained("sample", "-n", "50", "--seed", "1", "--exclude", "words.txt").stdout.split()
    assert not {*WORDS, "another"} & set(found)


def test_excluded_words_do_not_come(trained: Run) -> None:
    words = trained("sample", "-n", "30", "--seed", "1").stdout.split()
    Path("not.txt").write_text("\n".join(words), encoding="utf-8")
    others = trained("sample", "-n", "30", "--seed", "1", "--exclude", "not.txt").stdout.split()
    assert not set(words) & set(others)


@pytest.mark.parametrize(
    "arguments",
    [
        ["sample", "--corpus", "words.txt"],
        ["top", "--corpus", "words.txt"],
        ["plot-heatmap", "--text", "-o", "x.png"],
        ["plot-heatmap", "--text", "--dark"],
        ["plot-heatmap", "--animate", "x.gif", "--values", "counts"],
    ],
)
def test_an_option_that_would_do_nothing_is_refused(trained: Run, arguments: list[str]) -> None:
    assert "has no effect with" in one_line(trained(*arguments, code=2))


def test_too_few_others_are_said(trained: Run) -> None:
    result = trained("sample", "-n", "999", "--seed", "1", "--unique", "--max-length", "1")
    found = result.stdout.split()
    assert 0 < len(found) < 999
    assert f"found {len(found)} of 999 words" in result.stderr


def test_the_report_counts_what_is_new(trained: Run) -> None:
    result = trained("sample", "-n", "40", "--seed", "1", "--report")
    words = result.stdout.split()
    known = sum(word in WORDS for word in words)
    new = len({word for word in words if word not in WORDS})
    assert f"40: {known} in the training corpus, {40 - known - new} repeated, {new} new" in (
        result.stderr
    )
    assert result.stderr.count("nearest ") == 20


def test_the_report_compares_with_the_corpus_that_is_named(trained: Run) -> None:
    """Of another corpus than that of the training nothing can be said: it is refused."""
    Path("moved.txt").write_bytes(Path("words.txt").read_bytes())
    expected = trained("sample", "-n", "9", "--seed", "1", "--report").stderr
    Path("words.txt").unlink()
    moved = trained("sample", "-n", "9", "--seed", "1", "--report", "--corpus", "moved.txt")
    assert moved.stderr == expected
    Path("moved.txt").write_text("zoe\n")
    options = ("-n", "9", "--seed", "1", "--report", "--corpus", "moved.txt")
    assert "moved.txt has changed" in one_line(trained("sample", *options, code=1))


def test_a_loss_worse_than_guessing_is_said_and_its_numbers_stay_apart(run: Run) -> None:
    result = run("train", "words.txt", "--learning-rate", "1000", "--steps", "3")
    assert "training loss is above" in result.stderr
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("training ")]
    assert len(line.split()) == 4
    assert "above" not in run("train", "words.txt").stderr


@pytest.mark.parametrize("content", [b"Red mug\n", b"PK\x03\x04junk", None])
def test_a_file_of_another_kind_is_called_no_checkpoint(run: Run, content: bytes | None) -> None:
    if content is None:
        np.savez("other.npz", weights=np.zeros(3))
    else:
        Path("other.npz").write_bytes(content)
    message = one_line(run("info", "-c", "other.npz", code=1))
    assert "is not a makemore checkpoint: " in message
    assert "bytes" not in message


def test_a_rate_at_which_a_line_is_flagged_is_not_called_impossible(run: Run) -> None:
    names = "brookleigh kentavious kanai zea elma avalee adira emmalyn kassady ezekiell"
    Path("ten.txt").write_text("\n".join(names.split()) + "\n")
    run("train", "ten.txt", "--model", "ngram", "--order", "3", "--holdout", "0.6")
    Path("odd.txt").write_text("zvk\n")
    flagged = run("score", "odd.txt", "--fpr", "60%")
    assert "\tflagged\t" in flagged.stdout
    assert "can be flagged" not in flagged.stderr
    refused = run("score", "odd.txt", "--fpr", "1%").stderr
    assert "too few words for less than" in refused


def test_an_impossible_constraint_is_answered(trained: Run) -> None:
    message = one_line(trained("sample", "--prefix", "x", "--seed", "1", code=1))
    assert "prefix 'x'" in message
    message = one_line(trained("sample", "--min-length", "5", "--max-length", "3", code=1))
    assert "at least 5 and at most 3" in message


def test_top_is_in_order_and_exact(trained: Run) -> None:
    rows = [line.split("\t") for line in trained("top", "-n", "12").stdout.splitlines()]
    probabilities = [float(p) for p, _ in rows]
    assert len(rows) == 12
    assert probabilities == sorted(probabilities, reverse=True)
    scores = makemore.score(load("makemore.npz"), [word for _, word in rows])
    assert probabilities == pytest.approx(np.exp(-scores.total).tolist(), rel=1e-4)


def test_top_new_words_are_new(trained: Run) -> None:
    words = [json.loads(x)["word"] for x in trained("top", "--new", "--json").stdout.splitlines()]
    assert len(words) == 20
    assert not set(words) & set(WORDS)


def test_info_tells_all_and_as_json(trained: Run) -> None:
    text = trained("info").stdout
    values = json.loads(trained("info", "--json").stdout)
    checkpoint = load("makemore.npz")
    assert checkpoint.corpus.sha256 in text
    assert values["corpus"]["sha256"] == checkpoint.corpus.sha256
    assert values["alphabet"] == checkpoint.model.vocabulary.characters
    assert values["nats_per_symbol"]["training"] == checkpoint.training.training_loss
    assert values["options"]["steps"] == 100
    assert values["corpus"]["distinct"] == (checkpoint.corpus.distinct or None)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_pictures_are_drawn_by_their_ending(trained: Run, ending: str) -> None:
    magic = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending]
    for command in ("plot-heatmap", "plot-loss"):
        assert trained(command, "-o", f"x.{ending}").stdout == f"x.{ending}\n"
        assert Path(f"x.{ending}").read_bytes().startswith(magic)


def test_an_unknown_ending_is_refused_before_anything_is_read(run: Run) -> None:
    assert ".png, .svg or .pdf" in one_line(run("plot-heatmap", "-o", "x.bmp", code=1))


def test_the_film_shows_the_training_again(run: Run) -> None:
    run("train", "words.txt", "--steps", "20")
    run("plot-heatmap", "--animate", "learning.gif")
    assert Path("learning.gif").read_bytes().startswith(b"GIF89a")
    run("train", "words.txt", "--method", "counts")
    assert "the bigram model keeps no steps of its training" in one_line(
        run("plot-heatmap", "--animate", "x.gif", code=1)
    )


def test_top_says_when_there_are_no_more_words(run: Run) -> None:
    Path("one.txt").write_text("aaa\n")
    run("train", "one.txt", "--method", "counts", "--smoothing", "0")
    done = run("top", "-n", "3", "--max-length", "2")
    assert done.stdout == "3.3333e-01\ta\n2.2222e-01\taa\n"
    assert done.stderr == "makemore: found 2 of 3 words: the model can write no other\n"


@pytest.mark.parametrize("command", ["sample --seed 1", "page", "plot-heatmap", "plot-loss"])
def test_a_file_that_cannot_be_written_is_named_with_the_reason(trained: Run, command: str) -> None:
    ending = "html" if command == "page" else "svg"
    message = one_line(trained(*command.split(), "-o", f"no\x1b/such/file.{ending}", code=1))
    assert (
        f"no\\x1b/such/file.{ending} cannot be written: No such file or directory: choose"
        in message
    )


def test_check_names_lines_that_are_not_in_the_encoding(run: Run) -> None:
    Path("damaged.txt").write_bytes(b"emma\nav\xffa\nola\n\xc3\n")
    result = run("check", "damaged.txt", code=1)
    assert "2 lines are not in the encoding" in result.stdout
    assert "damaged.txt, line 4, byte 14: expected utf-8" in result.stdout
    assert "would fail: damaged.txt, line 2, byte 7" in result.stdout


def test_check_tells_what_is_there_and_what_is_odd(run: Run) -> None:
    Path("odd.txt").write_text("anna\n\nben\nanna\nze\u200bd\n\u0430nna", encoding="utf-8")
    out = run("check", "odd.txt").stdout
    assert "6, 1 of them blank" in out
    assert "4 distinct, 1 repeated" in out
    assert "\\u200b U+200B ZERO WIDTH SPACE, once: invisible" in out
    assert "1 word with letters of two scripts: \u0430nna (line 6)" in out
    assert "would succeed" in out
    values = json.loads(run("check", "odd.txt", "--json").stdout)
    assert (values["lines"], values["blank"], values["distinct"]) == (6, 1, 4)
    assert run("check", input=Path("odd.txt").read_text(encoding="utf-8")).stdout == out


def test_check_fails_where_training_would(run: Run) -> None:
    Path("bad.txt").write_bytes(b"anna\nb\xffn\n")
    assert "line 2, byte 6" in run("check", "bad.txt", code=1).stdout
    Path("bad.txt").write_bytes(b"")
    assert "holds no word" in run("check", "bad.txt", code=1).stdout


@pytest.mark.parametrize("limit", ["0", "-3", "nan"])
@pytest.mark.parametrize("model", [[], ["--model", "mixture"]])
def test_a_time_limit_out_of_range_is_told(limit: str, model: list[str], run: Run) -> None:
    told = one_line(run("train", "words.txt", "--time-limit", limit, *model, code=2))
    assert f"--time-limit is {float(limit)} and must be above 0" in told


@pytest.mark.parametrize("arguments", [["--prefix"], ["-n", "3", "-n", "4"], ["--no-such"]])
def test_a_usage_error_names_the_command_whose_help_to_read(arguments: list[str], run: Run) -> None:
    told = one_line(run("sample", *arguments, code=2))
    assert told.endswith(" sample --help')\n")
    assert ". (" not in told


def test_a_file_that_may_not_be_read_is_no_wrong_usage(
    trained: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    trained("info")


def test_what_is_no_integer_is_refused_by_this_name(run: Run) -> None:
    assert "'ten' is not a valid integer (see" in one_line(run("sample", "-n", "ten", code=2))
    assert "--count INTEGER  " in run("top", "--help").stdout


def test_compare_is_one_table(trained: Run) -> None:
    trained("train", "words.txt", "--holdout", "0.2", "--model", "ngram", "-c", "ngram.npz")
    lines = trained("compare", "makemore.npz", "ngram.npz").stdout.splitlines()
    assert len(lines) == 3
    assert len({len(line) for line in lines}) == 1
    trained("train", "words.txt", "--holdout", "0.5", "-c", "other.npz")
    one_line(trained("compare", "makemore.npz", "other.npz", code=1))
    trained("compare", "makemore.npz", "other.npz", "--corpus", "words.txt")


def test_the_page_is_written(trained: Run) -> None:
    assert trained("page", "-o", "page.html").stdout == "page.html\n"
    assert Path("page.html").read_text(encoding="utf-8").lstrip().startswith("<!doctype html>")


@pytest.mark.parametrize(
    "command",
    ["sample", "top", "score", "info", "plot-heatmap", "plot-loss", "plot-embeddings", "page"],
)
def test_a_missing_or_damaged_checkpoint_is_one_line(run: Run, command: str) -> None:
    assert "'makemore train' makes one" in one_line(run(command, code=1))
    Path("makemore.npz").write_bytes(b"PK\x03\x04 not really")
    assert "not usable" in one_line(run(command, code=1))


@pytest.mark.parametrize(
    "arguments",
    [
        ["trian"],
        ["train", "words.txt", "--steps", "0"],
        ["train", "words.txt", "--steps", "many"],
        ["train", "words.txt", "--learning-rate", "nan"],
        ["train", "words.txt", "--holdout", "1"],
        ["train", "words.txt", "--seed", "-1"],
        ["train", "words.txt", "--nonsense"],
        ["sample", "-n", "-1"],
        ["sample", "--seed", "-1"],
        ["sample", "--max-length", "100000"],
        ["score", "--fpr", "150%"],
        ["score", "--only", "flagged"],
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_two(trained: Run, arguments: list[str]) -> None:
    one_line(trained(*arguments, code=2))


def test_a_mistyped_command_is_corrected(run: Run) -> None:
    assert "train" in one_line(run("trian", code=2))


def test_options_come_from_the_environment(run: Run) -> None:
    run("train", "words.txt", env={"MAKEMORE_TRAIN_STEPS": "3", "MAKEMORE_CHECKPOINT": "e.npz"})
    assert len(load("e.npz").training.loss_history) == 3


def test_an_option_of_the_environment_holds_where_the_others_give_it_an_effect(run: Run) -> None:
    environment = {"MAKEMORE_TRAIN_SMOOTHING": "0.5", "MAKEMORE_TRAIN_PATIENCE": "3"}
    for typed in (
        "--model bow --steps 1 --validation 0",
        "--model ngram --smoothing-method additive",
    ):
        run("train", "words.txt", *typed.split(), env=environment)
    assert load("makemore.npz").training.options["smoothing"] == 0.5


def test_the_version_is_the_packages(run: Run) -> None:
    assert run("--version").stdout == f"makemore {makemore.__version__}\n"


def test_no_purpose_is_cut_off_in_the_list_of_commands(run: Run) -> None:
    lines = [line for line in run("--help").stdout.splitlines() if line.startswith("  ")]
    assert sum(line.split()[0] in COMMANDS for line in lines) == len(COMMANDS)
    assert not [line for line in lines if line.endswith("...")]


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files that the examples of the commands read."""
    folder = tmp_path_factory.mktemp("examples")
    small = ("--steps", "3", "--validation", "0.2")
    kinds = {"makemore": (), "bigram": (), "ngram": (), "gru": small, "transformer": small}
    with contextlib.chdir(folder):
        Path("words.txt").write_text("\n".join([*WORDS, "mara", "mona", "olivia"] * 3))
        for name, more in kinds.items():
            model = () if name == "makemore" else ("--model", name)
            train = ("train", "words.txt", "--holdout", "0.2", *model, *more, "-c", f"{name}.npz")
            assert CliRunner().invoke(main, train).exit_code == 0
        export = ("export", "-c", "ngram.npz", "-o", "ngram.arpa")
        assert CliRunner().invoke(main, export).exit_code == 0
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_a_purpose_and_an_example_that_runs(
    run: Run, examples: Path, name: str
) -> None:
    text = run(name, "--help").stdout
    command = load_command(name)
    assert command.name == name
    assert command.get_short_help_str(200) == COMMANDS[name][1]
    assert COMMANDS[name][1].endswith(".")
    assert f"Example:\n    makemore {name}" in text
    for parameter in command.params:
        if parameter.param_type_name == "option":
            assert getattr(parameter, "help", None), f"{name} {parameter.name} has no help"
    if name != "download":  # that one needs a network
        shutil.copytree(examples, ".", dirs_exist_ok=True)
        run(*text.split("Example:\n    makemore ")[1].split())


def test_words_with_rare_characters_are_left_out_and_counted(run: Run) -> None:
    out = run("train", "words.txt", "--min-count", "4", "--holdout", "0").stdout
    # f, g, h, j, o, z and others occur in one word, three times each
    dropped = [w for w in WORDS if any("".join(WORDS).count(c) < 2 for c in w)]
    assert f"left out  {3 * len(dropped)} words with a character that occurs fewer than 4" in out


@pytest.mark.parametrize(
    ("percent", "plain"), [("20%", "0.2"), ("0%", "0"), (" 20 %", "0.2"), ("0.5%", "0.005")]
)
def test_a_share_may_be_written_in_percent(run: Run, percent: str, plain: str) -> None:
    for written in (percent, plain):
        run("train", "words.txt", "--holdout", written, "-c", f"{written}.npz")
    records = [load(f"{written}.npz").training.options for written in (percent, plain)]
    assert records[0] == records[1]
    assert records[0]["holdout"] == float(plain)
    run("train", "words.txt", "--holdout", "0")
    drawn = [run("sample", "--seed", "1", "--top-p", p).stdout for p in ("60%", "0.6")]
    assert drawn[0] == drawn[1] != run("sample", "--seed", "1").stdout


@pytest.mark.parametrize("wrong", ["ten", "%", "10%%", ""])
def test_what_is_no_share_is_refused(run: Run, wrong: str) -> None:
    assert "such as 10% or 0.1" in one_line(run("train", "words.txt", "--holdout", wrong, code=2))


@pytest.mark.parametrize("wrong", ["110%", "-1%", "100%", "nan%"])
def test_a_share_out_of_range_is_refused(run: Run, wrong: str) -> None:
    message = one_line(run("train", "words.txt", f"--holdout={wrong}", code=2))
    assert "must be 0 or more and below 1" in message


def test_what_would_disappoint_is_said_before_the_training(run: Run) -> None:
    Path("many.txt").write_text("".join(f"{chr(0x4E00 + i)}\n" for i in range(1100)) + "aa\n" * 9)
    told = run("train", "many.txt", "--min-count", "4", "--holdout", "0").stderr
    assert "--min-count 4 leaves 9 of 1,109 words" in told
    chosen = run("train", "many.txt", "--holdout", "0")
    assert "weights for 2,227 symbols: --model" not in chosen.stderr
    piped = run("train", "-", "--holdout", "0", input=Path("many.txt").read_text())
    assert "model     ngram" in piped.stdout
    assert "this is an n-gram model instead, as by --model ngram --order 2" in chosen.stderr
    assert "model     ngram" in chosen.stdout
    insisted = run("train", "many.txt", "--holdout", "0", "--model", "bigram", "--steps", "1")
    assert "1,214,404 weights for 2,227 symbols: --model ngram --order 2" in insisted.stderr
    assert "model     bigram" in insisted.stdout


def test_check_names_no_more_than_it_can_show(run: Run) -> None:
    Path("many.txt").write_text("".join(chr(0xE000 + i) for i in range(25)), encoding="utf-8")
    assert "and 5 more characters" in run("check", "many.txt").stdout
    Path("two.txt").write_text("zo\u00eb\nzoe\u0308", encoding="utf-8")
    assert "--normalize nfc makes them one" in run("check", "two.txt").stdout


def test_compare_says_which_words_it_left_out(trained: Run) -> None:
    Path("some.txt").write_text("anna\nxyz\n")
    result = trained("compare", "makemore.npz", "--corpus", "some.txt")
    assert "left out 1 of the words" in result.stderr


def test_the_heatmap_of_weights_and_counts_is_drawn(trained: Run) -> None:
    for values in ("weights", "counts"):
        trained("plot-heatmap", "--values", values, "-o", f"{values}.svg")
        assert Path(f"{values}.svg").stat().st_size > 1000


def two_readings(run: Run) -> None:
    Path("w.txt").write_text("Anna\nBella\nCarla\nDora\nElla\nAnna\nBella\n", encoding="utf-8")
    run("train", "w.txt", "--holdout", "0", "-c", "cased.npz")
    run("train", "w.txt", "--holdout", "0", "--lowercase", "-c", "lower.npz")


def test_each_model_reads_the_words_of_a_comparison_in_its_own_way(run: Run) -> None:
    two_readings(run)
    for names in (("cased.npz", "lower.npz"), ("lower.npz", "cased.npz")):
        rows = json.loads(run("compare", *names, "--corpus", "w.txt", "--json").stdout)
        found = {row["checkpoint"]: row["nats_per_symbol"]["corpus"] for row in rows}
        assert found["cased.npz"] == pytest.approx(0.6004, abs=1e-4)
        assert found["lower.npz"] == pytest.approx(0.7321, abs=1e-4)


def test_a_ratio_does_not_depend_on_who_reads_first(run: Run) -> None:
    two_readings(run)
    lower = run("score", "-c", "lower.npz", "--against", "cased.npz", "--json", input="Anna\n")
    cased = run("score", "-c", "cased.npz", "--against", "lower.npz", "--json", input="Anna\n")
    one, other = json.loads(lower.stdout), json.loads(cased.stdout)
    assert one["log_ratio"] == pytest.approx(other["total"] - one["total"], abs=1e-5)
    assert one["log_ratio"] == pytest.approx(-other["log_ratio"], abs=1e-5)
    assert one["log_ratio"] == pytest.approx(2.7740 - 4.6070, abs=1e-3)
    assert (one["word"], other["word"]) == ("Anna", "Anna")


def test_the_words_of_the_other_model_are_read_by_both(run: Run) -> None:
    two_readings(run)
    result = run(
        "score", "w.txt", "-c", "lower.npz", "--against", "cased.npz", "--against-words", "w.txt"
    )
    assert "accuracy" in result.stderr
    assert "unknown" not in result.stderr


def test_info_tells_how_the_text_was_read(run: Run) -> None:
    two_readings(run)
    assert "read      in lower case\n" in run("info", "-c", "lower.npz").stdout
    assert "read  " not in run("info", "-c", "cased.npz").stdout


def test_score_prints_the_line_as_it_was_given_with_its_number(run: Run) -> None:
    two_readings(run)
    out = run("score", "-c", "lower.npz", "--line-numbers", input="ANNA\n\nBella\nxyz\n").stdout
    rows = [line.split("\t") for line in out.splitlines()]
    assert [(row[0], row[-1]) for row in rows] == [("1", "ANNA"), ("3", "Bella"), ("4", "xyz")]
    lines = run("score", "-c", "lower.npz", "--json", input="\nANNA\n").stdout
    assert (json.loads(lines)["line"], json.loads(lines)["word"]) == (2, "ANNA")


def test_sorted_scores_begin_with_the_strangest(run: Run) -> None:
    two_readings(run)
    words = "Anna\nBella\nnxq\nDodo\nAaaaan\n"
    sort = "score", "-c", "lower.npz", "--sort", "--line-numbers"
    rows = [line.split("\t") for line in run(*sort, input=words).stdout.splitlines()]
    assert rows[0][-1] == "nxq"  # with an unknown character
    means = [float(row[2]) for row in rows[1:]]
    assert means == sorted(means, reverse=True)
    assert {row[-1] for row in rows} == set(words.split())
    for row in rows:
        assert words.split()[int(row[0]) - 1] == row[-1]


@pytest.mark.parametrize(
    "arguments",
    [
        ("sample", "--prefix", "a", "--prefix", "b"),
        ("top", "--suffix", "a", "--suffix", "b"),
        ("sample", "-n", "3", "--count", "4"),
        ("train", "words.txt", "--steps", "3", "--max-steps", "4"),
        ("info", "-c", "makemore.npz", "-c", "makemore.npz"),
    ],
)
def test_an_option_that_is_given_twice_is_refused(trained: Run, arguments: tuple[str, ...]) -> None:
    assert "is given twice: give it once" in one_line(trained(*arguments, code=2))


def test_a_word_is_compared_with_several_models(trained: Run) -> None:
    for name, words in {"one": "anna\nnana\n", "two": "bea\nebba\n"}.items():
        Path(f"{name}.txt").write_text(words)
        trained("train", f"{name}.txt", "--holdout", "0", "-c", f"{name}.npz")
    both = ("score", "--against", "one.npz", "--against", "two.npz")
    result = trained(*both, "--line-numbers", input="ana\nbea\nzoe\n")
    for row, word in zip(result.stdout.splitlines(), ("ana", "bea", "zoe"), strict=True):
        fields = row.split("\t")
        assert (len(fields), fields[-1]) == (7, word)
        for column, other in ((3, "one.npz"), (4, "two.npz")):
            alone = trained("score", "--against", other, input=f"{word}\n").stdout.split("\t")
            assert fields[column] == alone[2]
    assert "by this one than by one.npz" in result.stderr
    assert "by this one than by two.npz" in result.stderr
    found = [
        json.loads(line) for line in trained(*both, "--json", input="ana\n").stdout.splitlines()
    ]
    assert len(found[0]["log_ratio"]) == 2
    refused = trained(*both, "--against-words", "one.txt", input="ana\n", code=2)
    assert "needs one --against" in one_line(refused)


def test_several_contained_texts_are_all_contained(trained: Run) -> None:
    both = ("--contains", "n", "--contains", "a", "--max-length", "6")
    words = trained("sample", "-n", "50", "--seed", "1", *both).stdout.split()
    assert len(words) == 50
    assert all("n" in word and "a" in word for word in words)
    refused = trained("sample", *both, "--contains", "?", code=1)
    assert "contains '?'" in one_line(refused)


def test_excluded_files_may_be_several(trained: Run) -> None:
    Path("a.txt").write_text("anna\n")
    Path("b.txt").write_text("ben\n")
    out = trained("sample", "-n", "200", "--seed", "1", "--exclude", "a.txt", "--exclude", "b.txt")
    assert not {"anna", "ben"} & set(out.stdout.split())


def test_a_model_that_is_replaced_is_told(trained: Run) -> None:
    told = "replacing the file that was there"
    assert told in trained("train", "words.txt").stdout
    for name in ("2", "3"):
        trained("train", "words.txt", "--model", "ngram", "--order", name, "-c", f"{name}.npz")
    trained("export", "-c", "2.npz", "-o", "2.arpa")
    for command in (["mix", "2.npz", "3.npz"], ["import", "2.arpa"]):
        assert told not in trained(*command, "-c", f"{command[0]}.npz").stdout
        assert told in trained(*command, "-c", f"{command[0]}.npz").stdout
    assert "replacing" not in trained("train", "words.txt", "-c", "other.npz").stdout


def test_new_words_are_found_from_another_folder(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    out = trained("sample", "-c", "../makemore.npz", "-n", "50", "--seed", "1", "--new").stdout
    assert not set(out.split()) & set(WORDS)


def test_train_says_by_which_rule_words_are_held_out(run: Run) -> None:
    Path("ten.txt").write_text("".join(f"{name}\n" for name in "abcdefghij"), encoding="utf-8")
    found = run("train", "ten.txt").stdout
    assert "held out  1 word, 2 symbols (exactly 1 of 10 distinct words, 10.00%)\n" in found
    Path("many.txt").write_text("".join(f"{i}\n" for i in range(10_001)), encoding="utf-8")
    held_out = sum(is_held_out(str(i), 0.1) for i in range(10_001))
    rule = f"(10% by hash, {held_out / 10_001:.2%} of all words)\n"
    assert rule in run("train", "many.txt", "-c", "many.npz").stdout
    assert rule in run("info", "-c", "many.npz").stdout


def test_one_word_can_be_trained_on_whatever_its_hash(run: Run) -> None:
    for word in ("ada", "eve"):
        Path("one.txt").write_text(f"{word}\n", encoding="utf-8")
        found = run("train", "one.txt").stdout
        assert "held out  nothing: there are too few distinct words for that share" in found


@pytest.mark.parametrize(
    "arguments",
    [
        ("words.txt", "--log", "words.txt", "-c", "new.npz"),
        ("words.txt", "--log", "new.npz", "-c", "new.npz"),
        ("words.zip", "-c", "words.zip"),
    ],
)
def test_train_replaces_neither_its_corpus_nor_its_own_results(
    run: Run, arguments: tuple[str, ...]
) -> None:
    with zipfile.ZipFile("words.zip", "w") as archive:
        archive.write("words.txt")
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    one_line(run("train", *arguments, code=2))
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before


@pytest.mark.parametrize(
    ("option", "path"), [("-c", "none/x.npz"), ("--log", "none/x.csv"), ("-c", ".")]
)
def test_a_target_that_cannot_be_written_is_refused_before_the_training(
    run: Run, monkeypatch: pytest.MonkeyPatch, option: str, path: str
) -> None:
    def train(*_: object, **__: object) -> None:
        raise AssertionError("a training has begun")

    monkeypatch.setattr("makemore.training.train.train", train)
    assert "cannot be written" in one_line(run("train", "words.txt", option, path, code=1))


@pytest.mark.parametrize("option", ["-c", "--log"])
@pytest.mark.parametrize("protected", ["folder", "folder/file.npz"])
def test_a_protected_target_is_refused_before_the_training(
    run: Run, monkeypatch: pytest.MonkeyPatch, option: str, protected: str
) -> None:
    path, forbidden = Path("folder/file.npz"), Path(protected).resolve()
    path.parent.mkdir()
    run("train", "words.txt", "-c", str(path))
    before = path.read_bytes()
    # root may write everywhere, so the system's answer is replaced
    monkeypatch.setattr(
        "os.access", lambda found, mode: mode != os.W_OK or Path(found).resolve() != forbidden
    )
    monkeypatch.setattr("makemore.training.train.train", None)
    refused = run("train", "words.txt", option, str(path), code=1)
    assert "file.npz cannot be written: Permission denied" in one_line(refused)
    assert path.read_bytes() == before


def test_a_pipe_in_a_protected_folder_is_written_to(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo("log")
    reader = os.open("log", os.O_RDONLY | os.O_NONBLOCK)
    monkeypatch.setattr("os.access", lambda _, mode: mode != os.W_OK)
    run("train", "words.txt", "-c", "/dev/null", "--steps", "2", "--log", "log")
    assert os.read(reader, 100).startswith(b"step,training_loss")
    os.close(reader)


def test_resumed_training_refuses_another_way_of_reading(run: Run) -> None:
    Path("other.csv").write_text("anna,1\nbenno,2\n")
    given = ("--model", "mlp", "--steps", "8", "--holdout", "0", "--lowercase")
    checkpoint = train(
        replace(Corpus.from_paths("words.txt"), lowercase=True),
        TrainingOptions("mlp", steps=8, holdout=0.0),
        on_step=lambda step: step.number == 3,
    )
    save("part.npz", checkpoint)
    again = ("train", "words.txt", "--resume", "-c", "part.npz")
    for other in (
        ("--strip-accents",),
        ("--encoding", "latin-1"),
        ("--errors", "skip"),
        ("--normalize", "nfc"),
        ("--symbols", "[ab]+"),
        ("--column", "1"),
    ):
        message = one_line(run(*again, *other, code=2))
        assert f"read its words otherwise than {other[0]} says" in message
    run(*again, *given)
    assert len(load("part.npz").training.loss_history) == 8


def test_scores_beside_lists_without_a_word_that_both_models_know(trained: Run) -> None:
    trained("train", "words.txt", "--model", "ngram", "--order", "2", "-c", "other.npz")
    Path("empty.txt").write_text("")
    Path("blank.txt").write_text("\n\n")
    for text, words in (
        ("empty.txt", "words.txt"),
        ("blank.txt", "words.txt"),
        ("words.txt", "empty.txt"),
    ):
        told = trained("score", text, "--against", "other.npz", "--against-words", words).stderr
        assert "accuracy  unknown: one of the lists has no word that both models know" in told
        assert "nan" not in told
    assert (
        "likelier  none of the words"
        in trained("score", "blank.txt", "--against", "other.npz").stderr
    )


def test_a_share_of_a_hundred_lines_is_that_many_lines(run: Run) -> None:
    for k in range(1, 100):
        assert _most(number_or_percentage(f"{k}%"), 100) == k
    assert _most(number_or_percentage("0.7%"), 1000) == 7
    assert number_or_percentage("7e-1%") == pytest.approx(0.007)


def test_the_variable_of_a_command_comes_before_that_of_all(trained: Run) -> None:
    trained("train", "words.txt", "--model", "ngram", "-c", "n.npz")
    alone = trained("info", env={"MAKEMORE_INFO_CHECKPOINT": "n.npz"})
    both = {"MAKEMORE_CHECKPOINT": "makemore.npz", "MAKEMORE_INFO_CHECKPOINT": "n.npz"}
    assert "model     ngram" in trained("info", env=both).stdout == alone.stdout
    typed = trained("info", "-c", "makemore.npz", env=both)
    assert "model     bigram" in typed.stdout == trained("info").stdout


@pytest.mark.parametrize("command", ["sample", "top", "score"])
@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_the_advice_for_text_that_is_not_utf_8_names_options_of_the_command(
    trained: Run, command: str, encoding: str
) -> None:
    Path("list").write_bytes("zoë\nben\n".encode(encoding))
    arguments = ["list"] if command == "score" else ["--exclude", "list"]
    message = one_line(trained(command, *arguments, code=1))
    assert ("--encoding" in message) == (command == "score")
    assert ("convert the file to the encoding that is expected" in message) == (command != "score")


def test_an_encoding_for_nothing_is_refused(trained: Run) -> None:
    told = one_line(trained("compare", "makemore.npz", "--encoding", "latin-1", code=2))
    assert "--encoding has no effect without --corpus" in told


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "words.txt", "--column", ""),
        ("check", "words.txt", "--column", "1", "--weights", ""),
        ("score", "words.txt", "--column", "1", "--delimiter", ""),
        ("compare", "makemore.npz", "--corpus", ""),
        ("sample", "--new", "--corpus", ""),
        ("top", "--exclude", "words.txt", "--exclude", ""),
        ("info", "-c", ""),
    ],
)
def test_an_empty_option_is_not_taken_for_one_that_is_missing(
    trained: Run, arguments: tuple[str, ...]
) -> None:
    assert "it is empty: give a value" in one_line(trained(*arguments, code=2))
    trained("info", "-c", "makemore.npz", env={"MAKEMORE_INFO_CHECKPOINT": ""})


@pytest.mark.parametrize("name", ["-words.txt", "-"])
def test_the_commands_for_a_file_that_looks_like_an_option_can_be_run(run: Run, name: str) -> None:
    Path("words.txt").rename(name)
    typed = ["./-"] if name == "-" else ["--", name]

    def run_suggested(text: str) -> None:
        """Run the command that a line ends with, or that stands before what it does."""
        (command,) = re.findall(
            r"makemore ((?:train|outliers|mix) .*?)(?: judges .*)?$", text, re.M
        )
        run(*shlex.split(command))

    run_suggested(run("train", "-c", "-x.npz", *typed).stderr)
    run_suggested(run("info", "-c", "-x.npz").stdout)
    run_suggested(run("score", "-c", "-x.npz", *typed).stderr)
    run("train", "--model", "ngram", "-c", "-y.npz", *typed)
    run("mix", "-c", "x.npz", "--", "-x.npz", "-y.npz")
    run_suggested(run("info", "-c", "x.npz").stdout)
    Path(name).write_text("anna,5\nava,3\nemma,2\n")
    run_suggested(run("check", *typed).stdout)


def test_that_no_regular_line_can_be_flagged_is_told(run: Run) -> None:
    run("train", "words.txt", "--holdout", "0.5", "--model", "ngram", "--order", "2")
    calibration = load("makemore.npz").calibration()
    rate = (calibration.smallest_p + calibration.smallest_of_two) / 2
    alone = run("score", "words.txt", "--fpr", str(rate)).stderr
    assert "no line of known characters can be flagged" not in alone
    both = run("score", "words.txt", "--fpr", str(rate), "--regular").stderr
    assert f"held out too few words for less than {100 * calibration.smallest_of_two:.3g}%" in both


def test_a_second_interruption_ends_what_keep_does_after_several_networks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(console, "IGNORED_AFTER_SIGNAL", 0.05)
    with _watching(keep=True, steps=2) as watcher:
        for number in (0, 1, 0, 1, 0):  # the steps of three networks
            assert not watcher.on_step(SimpleNamespace(number=number))
        signal.raise_signal(signal.SIGINT)
        assert watcher.on_step(SimpleNamespace(number=1))
        time.sleep(0.1)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
