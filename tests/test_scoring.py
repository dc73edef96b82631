"""Lines judged in a stream: what stands in each column, and what the command says."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import make_bigram
from hypothesis import given
from hypothesis import strategies as st

from makemore.checkpoint import load, save
from makemore.cli import main
from makemore.data.corpus import Corpus
from makemore.data.text import Lines
from makemore.errors import VocabularyError, shown
from makemore.evaluation.calibration import Calibration, calibrate, regularity_sample
from makemore.evaluation.losses import Choices, score_words
from makemore.evaluation.scoring import Judgement, Summary, judge, score, strangest_first
from makemore.training.options import TrainingOptions
from makemore.training.train import train

MODEL = make_bigram(["abc", "ab", "b", "ca", "cab", "abcabc"])
OTHER = make_bigram(["cba", "ba", "b", "ac", "bac"])
CALIBRATION = Calibration(calibrate(MODEL, ["ab", "bc", "ca"] * 70 + ["abc", "bca"] * 70))


def judged(words: list[str], **asked: Any) -> Judgement:
    (judgement,) = judge(MODEL, ["".join(word + "\n" for word in words)], **asked)
    return judgement


def rows(text: str, columns: int) -> list[list[str]]:
    return [line.split("\t", columns) for line in text.split("\n")[:-1]]


LINES = st.lists(st.text("abcé\t\0 ", max_size=5), max_size=12)


@given(LINES, st.integers(1, 40))
def test_the_words_come_out_in_order_whatever_the_blocks(words: list[str], size: int) -> None:
    corpus = Corpus.from_words(words)
    parts = list(
        judge(
            MODEL,
            corpus.read(block_size=size),
            calibration=CALIBRATION,
            fpr=0.1,
            others=[(OTHER, str)],
        )
    )
    table = rows("".join(part.table() for part in parts), 6)
    kept = [word for word in words if word]
    assert [row[6] for row in table] == kept
    scores = score_words(MODEL, kept)
    for i, row in enumerate(table):
        if i in scores.unknown:
            assert row[:5] == ["nan", "nan", "nan", "flagged", "nan"]
            assert row[5] == f"'{shown(scores.unknown[i])}'"
        else:
            assert float(row[0]) == pytest.approx(scores.total[i], abs=6e-5)
            assert float(row[1]) == pytest.approx(scores.mean[i], abs=6e-5)
            assert row[3] == ("flagged" if float(row[2]) <= 0.1 else "passed")
            assert row[5] == "-"
    summary = sum((part.summary for part in parts), Summary())
    assert summary.totals.words == len(kept) - len(scores.unknown)
    assert summary.totals.nats == pytest.approx(np.nansum(scores.total))
    assert summary.flagged == sum(row[3] == "flagged" for row in table)


def test_columns_are_left_out_that_nobody_asked_for() -> None:
    (row,) = rows(judged(["ab"]).table(unknown=False), 9)
    assert len(row) == 3
    (row,) = rows(judged(["ab"]).table(), 9)
    assert len(row) == 4
    (row,) = rows(judged(["ab"], calibration=CALIBRATION, fpr=0.5).table(), 9)
    assert len(row) == 6
    (row,) = rows(judged(["ab"], others=[(OTHER, str)]).table(), 9)
    assert len(row) == 5


def test_flagged_and_passed_together_are_all() -> None:
    judgement = judged(["ab", "cc", "aé", "bbbb", "bc"], calibration=CALIBRATION, fpr=0.05)
    flagged = [row[5] for row in rows(judgement.table("flagged"), 5)]
    passed = [row[5] for row in rows(judgement.table("passed"), 5)]
    assert flagged == ["cc", "aé", "bbbb"]
    assert passed == ["ab", "bc"]
    assert [json.loads(line)["word"] for line in judgement.json_lines("passed").splitlines()] == (
        passed
    )


def test_json_is_strict_and_an_unknown_character_is_named() -> None:
    impossible = make_bigram(["ab", "ab", "b"], smoothing=0.0)
    (judgement,) = judge(impossible, ["ab\nba\naé\n"], others=[(impossible, str)])

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    lines = judgement.json_lines(explain=True).splitlines()
    known, never, unknown = (json.loads(line, parse_constant=refuse) for line in lines)
    assert known["total"] == pytest.approx(-math.log(2 / 3), abs=1e-6)
    assert known["transitions"] == pytest.approx([-math.log(2 / 3), 0, 0], abs=1e-6)
    assert never == {
        "line": 2, "word": "ba", "symbols": 3, "total": "infinite", "mean": "infinite",
        "log_ratio": 0.0, "unknown": None,
        "transitions": [pytest.approx(math.log(3), abs=1e-6), "infinite", "infinite"],
    }  # fmt: skip
    assert (unknown["unknown"], unknown["total"], unknown["symbols"]) == ("é", None, 3)
    assert known.keys() == never.keys() == unknown.keys()
    assert judgement.json_lines().isascii()


def test_an_impossible_word_is_infinitely_surprising() -> None:
    (judgement,) = judge(make_bigram(["ab", "b"], smoothing=0.0), ["ba\n"])
    assert judgement.table() == "inf\tinf\t-\tba\n"


def test_the_explanation_adds_up_to_the_total() -> None:
    for row in rows(judged(["ab", "cabc", "b"]).table(explain="nats"), 4):
        nats = [float(text) for text in row[3].split(" ")]
        assert len(nats) == len(row[4]) + 1
        assert sum(nats) == pytest.approx(float(row[0]), abs=0.03)


def test_colours_grow_with_surprise_and_control_characters_are_escaped() -> None:
    model = make_bigram(["a" * 50, "b"], smoothing=0.001)
    (judgement,) = judge(model, ["ab\n\x1b[2J\n"])
    strange, hostile = rows(judgement.table(explain="colours"), 3)
    assert strange[3] == "a\x1b[30;48;5;196mb\x1b[0m "
    assert "\x1b[7m\\x1b\x1b[0m" in hostile[3]
    assert "\x1b[2J" not in hostile[3]
    assert "\x1b" not in judgement.table(escape=True)
    assert "\x1b" not in judgement.table(escape=True, explain="nats")
    assert "\x1b[2J" in judgement.table()


@pytest.mark.parametrize(
    ("given", "read", "painted"),
    [
        ("ab", "ab", "ab "),
        ("AB", "ab", "AB "),
        ("ßB", "ccab", "ccab  (ßB)"),  # read with another number of characters
        ("A\x1b", "ab", "A\\x1b "),
    ],
)
def test_a_painted_word_is_the_one_that_was_given(given: str, read: str, painted: str) -> None:
    (judged,) = judge(MODEL, [f"{given}\n"], reading=lambda text: text.replace(given, read))
    word = judged.table(explain="colours").split("\t")[-1]
    assert re.sub("\x1b\\[[0-9;]*m", "", word) == f"{painted}\n"


def test_of_two_reasons_the_smaller_p_value_counts_twice() -> None:
    """So that both together flag no more good words than the rate says (Bonferroni)."""
    known = ["ab", "bc", "ca"] * 70 + ["abc", "bca", "cab", "aab"] * 70
    regularity = regularity_sample("".join(word + "\n" for word in known))
    calibration = Calibration(calibrate(MODEL, known), regularity)
    words = ["ab", "cc", "abcabc", "aaaaaaaaaaaa", "abababababab", "cab", "a\u00e9"]
    found = judged(words, calibration=calibration, fpr=0.1, regular=True)
    own = calibration.p_values(score_words(MODEL, words))
    regular = calibration.regularity_p_values("".join(word + "\n" for word in words))
    expected = [min(1.0, 2 * min(pair)) for pair in zip(own[:-1], regular[:-1], strict=True)]
    assert found.p_values is not None
    assert found.is_regular is not None
    assert found.p_values[:-1].tolist() == expected
    assert math.isnan(found.p_values[-1])
    assert found.is_regular[:-1].tolist() == (regular < own)[:-1].tolist()
    assert 1.0 in expected
    assert min(expected) < 0.1
    assert set(found.is_regular[:-1].tolist()) == {False, True}


def test_of_two_reasons_the_smallest_p_value_counts_twice_too() -> None:
    known = ["ab", "bc", "ca"] * 70 + ["abc", "bca", "cab", "aab"] * 70
    regularity = regularity_sample("".join(word + "\n" for word in known))
    calibration = Calibration(calibrate(MODEL, known), regularity)
    words = ["ab", "cab", "bc"]
    smallest = calibration.smallest(score_words(MODEL, words).symbols)
    smallest = np.minimum(smallest, calibration.smallest_regularity(np.array([3.0, 4.0, 3.0])))
    assert calibration.smallest_of_two <= 2 * smallest.min()
    rate = 1.5 * float(smallest.min())  # it can be reached by one reason alone
    assert judged(words, calibration=calibration, fpr=rate).summary.unresolved < 3
    found = judged(words, calibration=calibration, fpr=rate, regular=True)
    assert (found.summary.flagged, found.summary.unresolved) == (0, 3)
    assert calibration.smallest_p < rate < calibration.smallest_of_two


def test_weights_count_in_all_sums() -> None:
    lines = Lines("ab\ncc\nabc\na\u00e9\n", np.array([3, 7, 2, 5]))
    (part,) = judge(MODEL, [lines], calibration=CALIBRATION, fpr=0.05)
    assert part.flagged.tolist() == [False, True, False, True]
    assert part.summary.flagged == 7 + 5
    assert part.summary.unresolved == 0
    (part,) = judge(MODEL, [lines], calibration=CALIBRATION, fpr=1e-5)
    assert part.summary.flagged == 5  # of which a character is not known
    assert part.summary.unresolved == 3 + 7 + 2
    assert (part.summary.totals.words, part.summary.totals.unknown_words) == (3 + 7 + 2, 5)
    (part,) = judge(MODEL, [Lines("abc\ncba\nab\n", np.array([3, 7, 2]))], others=[(OTHER, str)])
    assert np.sign(part.ratios[:, 0]).tolist() == [1, -1, 1]  # type: ignore[index]
    assert part.summary.choices == (Choices(own=3 + 2, other=7),)


def test_the_strangest_come_first_and_those_with_unknown_characters_before_them() -> None:
    words = ["ab", "cc", "xa", "bb", "ab", "b\u00e9", "abcabc"]
    parts = list(judge(MODEL, ["".join(f"{w}\n" for w in part) for part in (words[:3], words[3:])]))
    found = strangest_first(parts)
    mean = dict(zip(words, score_words(MODEL, words).mean.tolist(), strict=True))
    known = sorted((w for w in words if w not in ("xa", "b\u00e9")), key=lambda w: -mean[w])
    assert found.words == ["xa", "b\u00e9", *known]
    assert [words[number - 1] for number in found.numbers] == found.words
    assert found.numbers[found.words.index("ab")] == 1  # of equals the first
    assert found.scores.words == found.words


# ---- the commands ----


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two languages' words and a model of each, and one without a holdout."""
    folder = tmp_path_factory.mktemp("scoring")
    generator = np.random.default_rng(0)
    for name, pairs in (("latin", ["ba", "na", "no", "ti"]), ("other", ["xu", "qu", "ab", "zi"])):
        words = ["".join(generator.choice(pairs, generator.integers(1, 6))) for _ in range(3_000)]
        (folder / f"{name}.txt").write_text("\n".join(words))
        corpus = Corpus.from_words([*words, "abinoqtuxz"])
        for kind, holdout in (("", 0.2), ("-all", 0.0)):
            options = TrainingOptions(method="counts", holdout=holdout)
            save(folder / f"{name}{kind}.npz", train(corpus, options))
    return folder


def run(folder: Path, *arguments: str, text: str | None = None) -> Result:
    named = [str(folder / word) if "." in word else word for word in arguments]
    return CliRunner().invoke(main, named, input=text)


def test_score_writes_results_to_stdout_and_sums_to_stderr(folder: Path) -> None:
    result = run(folder, "score", "latin.txt", "-c", "latin.npz")
    words = (folder / "latin.txt").read_text().split("\n")
    assert result.exit_code == 0
    assert [row[3] for row in rows(result.stdout, 3)] == words
    symbols = sum(map(len, words)) + len(words)
    assert f"{len(words):,} lines, {symbols:,} symbols" in result.stderr
    total = sum(float(row[0]) for row in rows(result.stdout, 3))
    assert f"{total / symbols:.4f} nats per symbol" in result.stderr
    assert f"perplexity {math.exp(total / symbols):.2f}" in result.stderr


def test_lines_of_several_files_are_numbered_in_each_and_the_file_is_named(folder: Path) -> None:
    (folder / "one.words").write_text("bana\n\nnono\n")
    (folder / "two.words").write_text("titi\nnoti\n")
    one, two = str(folder / "one.words"), str(folder / "two.words")
    files = ["one.words", "two.words", "two.words"]
    places = [(one, "1"), (one, "3"), (two, "1"), (two, "2"), (two, "1"), (two, "2")]
    words = ["bana", "nono", "titi", "noti", "titi", "noti"]
    common = ["-c", "latin.npz", "--line-numbers"]
    found = rows(run(folder, "score", *files, *common).stdout, 5)
    assert [(row[0], row[1], row[-1]) for row in found] == [
        (*place, word) for place, word in zip(places, words, strict=True)
    ]
    found = rows(run(folder, "score", *files, *common, "--sort").stdout, 5)
    assert sorted((row[0], row[1]) for row in found) == sorted(places)
    assert {(row[0], row[1], row[-1]) for row in found} >= {(one, "3", "nono"), (two, "2", "noti")}
    result = run(folder, "score", *files, "-c", "latin.npz", "--json", "--fpr=20%", "--only=passed")
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert records
    assert {(r["file"], str(r["line"]), r["word"]) for r in records} <= {
        (*place, word) for place, word in zip(places, words, strict=True)
    }
    assert [row[0] for row in rows(run(folder, "score", "one.words", *common).stdout, 4)] == [
        "1", "3",
    ]  # fmt: skip
    assert "file" not in run(folder, "score", "one.words", "-c", "latin.npz", "--json").stdout


def test_the_help_says_that_words_with_unknown_characters_come_first(folder: Path) -> None:
    text = "bana\nxuxu\nban\u00e9\n"
    result = run(folder, "score", "-c", "latin.npz", "--sort", text=text)
    assert [row[-1] for row in rows(result.stdout, 3)] == ["ban\u00e9", "xuxu", "bana"]
    (described,) = re.findall(
        r"--sort (.*?) --", " ".join(run(folder, "score", "--help").stdout.split())
    )
    assert "unknown character" in described


def test_flags_need_held_out_words_and_exit_zero_whatever_they_find(folder: Path) -> None:
    result = run(folder, "score", "other.txt", "-c", "latin-all.npz", "--fpr", "1%")
    assert result.exit_code == 1
    assert "--holdout" in result.stderr
    assert result.stderr.count("\n") == 1
    result = run(
        folder, "score", "other.txt", "-c", "latin.npz", "--fpr", "1%", "--only", "flagged"
    )
    assert result.exit_code == 0
    assert {row[3] for row in rows(result.stdout, 5)} == {"flagged"}
    assert f"flagged   {len(rows(result.stdout, 5)):,} " in result.stderr
    result = run(folder, "score", "other.txt", "-c", "latin.npz", "--fpr", "1%", "--fail-on-flag")
    assert result.exit_code == 3
    result = run(folder, "score", "-c", "latin.npz", "--fpr=1%", "--fail-on-flag", text="bana\n")
    assert result.exit_code == 0


def test_a_rate_too_small_to_be_told_is_said_so(folder: Path) -> None:
    result = run(folder, "score", "-c", "latin.npz", "--fpr", "1e-5", text="ba\n")
    assert result.exit_code == 0
    assert "no line of known characters can be flagged at 0.001%" in result.stderr
    assert "train with a larger --holdout or on more words" in result.stderr
    network = train(
        Corpus.from_words(["ba" * n for n in range(1, 30)]),
        TrainingOptions("mlp", steps=1, hidden_size=4),
    )
    save(folder / "mlp.npz", network)
    result = run(folder, "score", "-c", "mlp.npz", "--fpr", "1e-5", text="ba\n")
    assert "a larger --holdout, --calibration-folds or on more words" in result.stderr
    result = run(folder, "score", "-c", "latin.npz", "--fpr", "20%", text="ba\n")
    assert "can be flagged" not in result.stderr


@pytest.mark.parametrize("share", ["0", "100%", "-1%", "nan", "much", "%"])
def test_a_rate_that_is_none_is_wrong_usage(folder: Path, share: str) -> None:
    result = run(folder, "score", "-c", "latin.npz", f"--fpr={share}", text="ba\n")
    assert result.exit_code == 2
    assert share in result.stderr


def test_options_that_need_others_name_them(folder: Path) -> None:
    result = run(folder, "score", "-c", "latin.npz", "--only", "passed", text="ba\n")
    assert (result.exit_code, "--fpr" in result.stderr) == (2, True)
    result = run(folder, "score", "-c", "latin.npz", "--fail-on-flag", text="ba\n")
    assert (result.exit_code, "--fail-on-flag needs --fpr" in result.stderr) == (2, True)
    result = run(folder, "score", "-c", "latin.npz", "--against-words", "other.txt", text="ba\n")
    assert (result.exit_code, "one --against," in result.stderr) == (2, True)


def test_two_languages_are_told_apart(folder: Path) -> None:
    result = run(
        folder, "score", "latin.txt", "-c", "latin.npz", "--against", "other.npz",
        "--against-words", "other.txt",
    )  # fmt: skip
    ratios = [float(row[2]) for row in rows(result.stdout, 3)]
    share = np.mean(np.array(ratios) > 0)
    assert f"likelier  {share:.2%} of the {len(ratios):,} words that" in result.stderr
    accuracy = float(result.stderr.split("accuracy")[1].split("%")[0])
    assert 98 < accuracy <= 100


def test_stdin_is_read_and_an_unknown_character_is_counted_apart(folder: Path) -> None:
    result = run(folder, "score", "-c", "latin.npz", "--json", text="bana\n\nbané\n")
    first, second = map(json.loads, result.stdout.splitlines())
    assert first["word"] == "bana"
    assert second["unknown"] == "é"
    assert "scored    1 line," in result.stderr
    assert "unknown   1 " in result.stderr


def test_the_summary_accounts_for_every_line(folder: Path) -> None:
    (folder / "mixed.words").write_bytes(b"bana\n\nban\xc3\xa9\nno\xff\n\n\nxqzu\nnono\n")
    found = {}
    for errors in ("skip", "replace"):
        result = run(
            folder, "score", "mixed.words", "-c", "latin.npz", "--fpr=20%", f"--errors={errors}"
        )
        found[errors] = dict(line.split(maxsplit=1) for line in result.stderr.splitlines())
    counts = {
        errors: {row: int(text.split()[0]) for row, text in rows.items() if row[0] in "subd"}
        for errors, rows in found.items()
    }
    assert counts["skip"] == {"scored": 3, "unknown": 1, "damaged": 1, "blank": 3}
    assert sum(counts["skip"].values()) == 8  # all lines
    assert counts["replace"] == {"scored": 3, "unknown": 2, "damaged": 1, "blank": 3}
    assert found["skip"]["flagged"].startswith("2 of 4 lines, 50.00%, 1 of them for an unknown")
    whole = run(folder, "score", "-c", "latin.npz", "--fpr=20%", text="bana\n")
    assert "blank" not in whole.stderr
    assert "unknown" not in whole.stderr
    (folder / "t.csv").write_text("name,n\nbana,2\n\nnono,1\n")
    table = run(folder, "score", "t.csv", "-c", "latin.npz", "--column", "name")
    assert "scored    2 lines" in table.stderr
    assert "blank" not in table.stderr


def test_the_training_corpus_is_recognised_and_outliers_named(folder: Path) -> None:
    result = run(folder, "score", "other.txt", "-c", "latin.npz")
    assert "outliers" not in result.stderr
    words = (folder / "latin.txt").read_text().split("\n")
    (folder / "latin.corpus").write_text("".join(f"{word}\n" for word in [*words, "abinoqtuxz"]))
    result = run(folder, "score", "latin.corpus", "-c", "latin.npz")
    assert "makemore: this is the model's training corpus" in result.stderr
    assert f"makemore outliers {folder / 'latin.corpus'} judges" in result.stderr


def test_another_column_of_the_training_corpus_is_not_the_training_corpus(folder: Path) -> None:
    (folder / "t.csv").write_text("a,b\nbana,nono\nnono,bana\n")
    run(folder, "train", "t.csv", "--column", "a", "-c", "t.npz")
    for column in "ab":
        result = run(folder, "score", "t.csv", "--column", column, "-c", "t.npz")
        assert ("this is the model's training corpus" in result.stderr) == (column == "a")


def test_most_words_of_the_training_corpus_are_recognised(folder: Path) -> None:
    words = sorted(set((folder / "latin.txt").read_text().split("\n")))
    others = sorted(set((folder / "other.txt").read_text().split("\n")))
    most = [*words[: len(words) * 9 // 10], *others[: len(words) // 5]]
    upper = "".join(f"{word.upper()}\n" for word in most)
    result = run(folder, "score", "-c", "latin.npz", "--ignore-case", text=upper)
    assert "most of these words stand in the model's training corpus" in result.stderr
    assert "makemore outliers - --ignore-case judges each by the others" in result.stderr
    result = run(folder, "score", "-c", "latin.npz", text=upper)
    assert "training corpus" not in result.stderr
    fewer = "\n".join([*words[: len(words) // 3], *others[: len(words) // 2]])
    result = run(folder, "score", "-c", "latin.npz", text=fewer)
    assert "training corpus" not in result.stderr


def test_the_command_that_is_named_can_be_typed(folder: Path) -> None:
    spaced = folder / "two words.txt"
    spaced.write_text((folder / "latin.txt").read_text())
    result = run(folder, "score", str(spaced), "-c", "latin.npz", "--errors", "skip")
    assert f"makemore outliers '{spaced}' --errors skip judges" in result.stderr
    result = run(folder, "score", "latin.txt", "-c", "latin.npz", "--column", "1")
    assert "latin.txt --column 1 judges each by the others" in result.stderr


def test_case_is_ignored_where_that_is_asked_for(folder: Path) -> None:
    result = run(folder, "score", "-c", "latin.npz", text="BaNa\nbana\n")
    assert rows(result.stdout, 3)[0] == ["nan", "nan", "'B'", "BaNa"]
    told = "the model knows no capitals: --ignore-case reads them as lower-case letters"
    assert told in result.stderr
    assert told not in run(folder, "score", "-c", "latin.npz", text="bana\n1\n").stderr
    (folder / "han.txt").write_text(
        "".join(f"{chr(0x4E00 + i % 7)}中\n" for i in range(50)), "utf-8"
    )
    run(folder, "train", "han.txt", "-c", "han.npz")
    assert told not in run(folder, "score", "-c", "han.npz", text="BaNa\n").stderr
    result = run(folder, "score", "-c", "latin.npz", "--ignore-case", text="BaNa\nbana\n")
    assert told not in result.stderr
    upper, lower = rows(result.stdout, 3)
    assert upper[:3] == lower[:3]
    assert upper[3] == "BaNa"


def test_lines_of_which_none_can_be_flagged_are_counted(folder: Path) -> None:
    result = run(folder, "score", "-c", "latin.npz", "--fpr", "1e-5", text="ba\nbana\n")
    assert "passed    2 lines of a length at which no word can be flagged" in result.stderr
    result = run(folder, "score", "-c", "latin.npz", "--fpr", "10%", text="ba\nbana\n")
    assert "passed  " not in result.stderr


def test_compare_prints_a_row_for_each(folder: Path) -> None:
    result = run(folder, "compare", "latin.npz", "latin.npz")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 2  # named twice, it is one


def test_compare_says_that_alphabets_differ(folder: Path) -> None:
    for name, words in (("ab", "ab ba abba"), ("abc", "ab ba abba cab")):
        corpus = Corpus.from_words(words.split())
        save(folder / f"{name}.npz", train(corpus, TrainingOptions("ngram", holdout=0.0)))
    (folder / "ab.txt").write_text("abab\n")
    result = run(folder, "compare", "ab.npz", "abc.npz", "--corpus", "ab.txt")
    assert "the alphabets differ, with 2 to 3 symbols" in result.stderr


def test_compare_says_that_models_cut_words_into_different_symbols(folder: Path) -> None:
    words = Corpus.from_words("shot chat this ship".split() * 5)
    for rule in ("sh|ch", "th|ch", ""):
        corpus = replace(words, symbol_rule=rule).with_spelling()
        name = f"{rule.replace('|', '-') or 'plain'}.npz"
        save(folder / name, train(corpus, TrainingOptions("ngram", holdout=0.0)))
    (folder / "shot.txt").write_text("shot\n")
    for other in ("th-ch.npz", "plain.npz"):
        result = run(folder, "compare", "sh-ch.npz", other, "--corpus", "shot.txt")
        assert "the models split words into different symbols" in result.stderr
        assert "the alphabets differ" not in result.stderr
    result = run(folder, "compare", "sh-ch.npz", "sh-ch.npz", "--corpus", "shot.txt")
    assert result.stderr == ""


def test_compare_refuses_other_words_unless_a_corpus_is_named(folder: Path) -> None:
    result = run(folder, "compare", "latin.npz", "other.npz")
    assert result.exit_code == 1
    assert "--corpus" in result.stderr
    result = run(folder, "compare", "latin.npz", "other.npz", "--corpus", "latin.txt", "--json")
    assert "the alphabets differ" not in result.stderr  # both have all letters
    own, other = json.loads(result.stdout)
    assert own["nats_per_symbol"]["corpus"] < other["nats_per_symbol"]["corpus"]
    assert own["bits_per_symbol"] == pytest.approx(own["nats_per_symbol"]["corpus"] / math.log(2))


# ---- bytes that are not in the encoding ----

DAMAGED = b"bana\nno\xff\ntita\n\xe9t\xe9\r\nnana\n"


def damaged(folder: Path, *arguments: str) -> Result:
    (folder / "damaged.txt").write_bytes(DAMAGED)
    return run(folder, *arguments)


def test_the_lines_before_a_bad_byte_are_always_written(folder: Path) -> None:
    result = damaged(folder, "score", "damaged.txt", "-c", "latin.npz")
    assert result.exit_code == 1
    assert [row[-1] for row in rows(result.stdout, 3)] == ["bana"]
    assert "line 2, byte 7: expected utf-8, found the bytes ff" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("errors", "words", "told"),
    [
        ("skip", ["bana", "tita", "nana"], "damaged   2 lines that could not be decoded: left out"),
        (
            "replace",
            ["bana", "no\ufffd", "tita", "\ufffdt\ufffd", "nana"],
            "damaged   2 lines that could not be decoded: read with U+FFFD for the bad bytes",
        ),
    ],
)
def test_damaged_lines_are_left_out_or_mended_and_counted(
    folder: Path, errors: str, words: list[str], told: str
) -> None:
    result = damaged(folder, "score", "damaged.txt", "-c", "latin.npz", "--errors", errors)
    assert result.exit_code == 0
    assert [row[-1] for row in rows(result.stdout, 3)] == words
    assert told in result.stderr
    result = damaged(folder, "score", "latin.txt", "-c", "latin.npz", "--errors", errors)
    assert "damaged" not in result.stderr


def test_line_numbers_count_the_damaged_lines(folder: Path) -> None:
    result = damaged(
        folder, "score", "damaged.txt", "-c", "latin.npz", "--errors", "skip", "--line-numbers"
    )
    assert [row[0] for row in rows(result.stdout, 3)] == ["1", "3", "5"]


def test_training_on_damaged_lines_says_so_and_its_checkpoint_knows(folder: Path) -> None:
    result = damaged(folder, "train", "damaged.txt", "-c", "damaged.npz")
    assert result.exit_code == 1
    for errors, characters in (("skip", "abint"), ("replace", "abinot\ufffd")):
        result = damaged(
            folder, "train", "damaged.txt", "-c", "damaged.npz", "--errors", errors, "--holdout=0"
        )
        assert "2 lines that could not be decoded" in result.stderr
        checkpoint = load(folder / "damaged.npz")
        assert checkpoint.model.vocabulary.characters == characters
        assert checkpoint.corpus.errors == errors
        sampled = run(folder, "sample", "-n", "5", "--new", "-c", "damaged.npz", "--seed", "1")
        assert (sampled.exit_code, "cannot" in sampled.stderr) == (0, False)
        checked = damaged(folder, "check", "damaged.txt", "--errors", errors)
        assert checked.exit_code == 0
        assert "damaged     2 lines are not in the encoding" in checked.stdout


@pytest.mark.parametrize("command", ["score", "train", "outliers", "check"])
def test_a_line_that_is_not_in_the_encoding_names_both_ways_to_read_it(
    folder: Path, command: str
) -> None:
    model = ["-c", "latin.npz"] if command == "score" else []
    result = damaged(folder, command, "damaged.txt", *model)
    assert result.exit_code == 1
    (line,) = [line for line in result.output.splitlines() if "--errors" in line]
    assert line.endswith(
        "name the file's encoding with --encoding, or give --errors skip or replace"
    )
    wide = [folder / "wide.words", "--encoding", "utf-16"]
    (folder / "wide.words").write_bytes("bana\n".encode("utf-16") + b"\x00\xd8\x00\x00")
    result = run(folder, command, *map(str, wide), *model)
    assert "expected utf-16" in result.output
    assert "--errors" not in result.output


def test_a_command_without_the_option_does_not_name_it(folder: Path) -> None:
    result = damaged(folder, "compare", "latin.npz", "--corpus", "damaged.txt")
    assert result.exit_code == 1
    assert result.stderr.endswith("--encoding\n")


def test_an_encoding_that_hides_line_ends_cannot_skip_lines(folder: Path) -> None:
    result = damaged(
        folder,
        "score",
        "damaged.txt",
        "-c",
        "latin.npz",
        "--errors",
        "skip",
        "--encoding",
        "utf-16",
    )
    assert result.exit_code == 2
    assert "--errors skip needs an encoding" in result.stderr


def test_the_lines_before_a_bad_byte_are_written_in_every_encoding(folder: Path) -> None:
    text = "bana\nno\n".encode("utf-16") + b"\x00\xd8\x00\x00" + "na\n".encode("utf-16-le")
    (folder / "wide.txt").write_bytes(text)
    result = run(folder, "score", "wide.txt", "-c", "latin.npz", "--encoding", "utf-16")
    assert result.exit_code == 1
    assert [row[-1] for row in rows(result.stdout, 3)] == ["bana", "no"]
    assert "line 3" in result.stderr


def test_a_checkpoint_reads_words_as_its_own_were_read() -> None:
    corpus = replace(Corpus.from_words(["Anna", "EVA", "ida"]), lowercase=True)
    checkpoint = train(corpus, holdout=0)
    as_given, lower = score(checkpoint, ["ANNA", "ida"]), score(checkpoint.model, ["anna", "ida"])
    np.testing.assert_array_equal(as_given.total, lower.total)
    assert np.isnan(score(checkpoint.model, ["ANNA"]).total[0])
    assert len(score(checkpoint, [])) == 0
    for wrong in ("anna", ["an\nna"]):
        with pytest.raises(VocabularyError, match=r"one text|line feed"):
            score(checkpoint, wrong)
