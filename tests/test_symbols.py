"""Symbols of several characters, from the rule that finds them to what a model writes.

The oracle cuts text by trying every symbol at every place.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoint_files import built, read
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

import makemore
from makemore.checkpoint import load, save
from makemore.cli import main
from makemore.counting.passes import survey_corpus
from makemore.data.corpus import Corpus
from makemore.data.symbols import MAX_SYMBOL, Spelling, finder_of, needs_a_stand_in
from makemore.data.vocabulary import MAX_VOCABULARY, UNKNOWN, Vocabulary
from makemore.errors import CheckpointError, CorpusError, OptionError, VocabularyError
from makemore.evaluation.losses import score_words
from makemore.kinds import KINDS
from makemore.page.webpage import page_data
from makemore.training.options import TrainingOptions
from makemore.training.record import Checkpoint
from makemore.training.train import train

MOLECULES = ["CCO", "ClCCl", "BrCCBr", "c1cc[nH]c1", "C[C@@H](N)C(=O)O", "CN1CCC[C@H]1Cl"] * 3
FAMILY, FLAG, ACCENTED = "👨‍👩‍👧", "🇩🇪", "e\u0301"
EMOJI = [FAMILY + FLAG, "ab" + ACCENTED, FLAG + FLAG, ACCENTED + FAMILY, "a"] * 4
texts = st.text("abc-", max_size=12)


def trained(
    words: list[str] = MOLECULES, rule: str = "smiles", kind: str = "ngram", **options: Any
) -> Checkpoint:
    corpus = Corpus(Corpus.from_words(words).sources, symbol_rule=rule)
    return train(corpus, TrainingOptions(kind, **{"holdout": 0.0, **options}))


def by_hand(symbols: set[str], text: str) -> list[str]:
    """Return the symbols of a text, each time the longest that begins there."""
    found, i = [], 0
    while i < len(text):
        fitting = [s for s in symbols if text.startswith(s, i)]
        found.append(max(fitting, key=len, default=text[i]))
        i += len(found[-1])
    return found


@given(st.sets(st.text("abc-", min_size=2, max_size=4), min_size=1, max_size=9), texts)
@settings(max_examples=300)
def test_text_is_cut_into_the_longest_symbols_from_the_left(symbols: set[str], text: str) -> None:
    spelling = Spelling(symbols)
    expected = by_hand(symbols, text)
    assert spelling.cut(text) == expected
    short = spelling.shortened(text)
    assert len(short) == len(expected)
    assert spelling.spelled_out(short) == text
    assert [spelling.spelled_out(character) for character in short] == expected


def test_thousands_of_symbols_are_found_at_once() -> None:
    symbols = [f"[{n}]" for n in range(8_000)]
    text = "".join(f"C[{n}]" for n in range(0, 9_000, 3))
    assert Spelling(symbols).cut(text) == by_hand_at_brackets(text, set(symbols))


def by_hand_at_brackets(text: str, symbols: set[str]) -> list[str]:
    parts = re.findall(r"\[\d+\]|.", text)
    return [piece for part in parts for piece in ([part] if part in symbols else part)]


def test_symbols_that_begin_each_other_are_told_apart_to_the_longest() -> None:
    symbols = {"a" * n for n in range(2, MAX_SYMBOL + 1)}
    assert Spelling(symbols).cut("a" * 100) == ["a" * 64, "a" * 36]
    with pytest.raises(VocabularyError, match="has 65 characters and the limit is 64"):
        Spelling(["b" * 65])


@pytest.mark.parametrize("symbol", [".*", "[a-z]", "\\d", "a|b", "(?x)", "^$", "a\tb", "  "])
def test_symbols_are_no_patterns(symbol: str) -> None:
    assert Spelling([symbol]).cut(f"x{symbol}x") == ["x", symbol, "x"]


def test_private_characters_of_the_text_are_no_stand_ins() -> None:
    private = "\U000f0000"
    vocabulary = Vocabulary(["ab", "c", private])
    assert vocabulary.symbols == ("c", "ab", private)
    assert vocabulary.encode(private + "ab").tolist() == [3, 2]
    assert vocabulary.decode([2, 3]) == "ab" + private
    strange = Vocabulary(["ab", "c"]).encode_lines(private + "\U000f0001\U0010ffffab\n")
    assert strange.tolist() == [UNKNOWN, UNKNOWN, UNKNOWN, 2, 0]
    assert Vocabulary(["c", private]).spelling is None
    assert not needs_a_stand_in("\uf8ff")


# Vocabularies


def test_a_vocabulary_holds_symbols_of_any_length() -> None:
    vocabulary = Vocabulary(["Cl", "C", "[nH]", "O"])
    assert vocabulary.itos == ("", "C", "O", "Cl", "[nH]")
    assert vocabulary.encode("OClC").tolist() == [2, 3, 1]
    assert vocabulary.encode_words(["ClC", "O"]).tolist() == [0, 3, 1, 0, 2, 0]
    assert vocabulary.encode_lines("Cl\nOl\n").tolist() == [3, 0, 2, UNKNOWN, 0]
    assert eval(repr(vocabulary)) == vocabulary
    assert len({vocabulary, Vocabulary(["O", "C", "[nH]", "Cl"]), Vocabulary("CO")}) == 2


def test_an_unknown_symbol_is_named_whole() -> None:
    vocabulary = Vocabulary(["C", "Cl"], ["Br"])
    with pytest.raises(VocabularyError, match="the symbol 'Br' is not in the vocabulary of 2 sym"):
        vocabulary.encode("CBr")
    with pytest.raises(VocabularyError, match="has 'CL': use that form"):
        Vocabulary(["Cl", "CL", "C"], ["cl"]).encode("cl")


@pytest.mark.parametrize("symbols", [["ab", ""], ["a\nb"], ["ab", "\ud800"], [], ["ab"] * 2 + [""]])
def test_what_is_no_symbol_is_refused(symbols: list[str]) -> None:
    with pytest.raises(VocabularyError):
        Vocabulary(symbols)


# Rules


@pytest.mark.parametrize(
    ("rule", "line", "expected"),
    [
        ("smiles", "C[C@@H](Br)c%12Cl[13CH4]%(100)", ["[C@@H]", "Br", "%12", "Cl", "[13CH4]"]),
        ("smiles", "CCOc1nScso", []),
        ("th|[aeiou]{2,}", "heath", ["ea", "th"]),
        ("(a)(b)", "abab", ["ab", "ab"]),
        ("x*", "xxy", ["xx"]),
    ],
)
def test_rules_find_symbols(rule: str, line: str, expected: list[str]) -> None:
    found = [symbol for symbol in finder_of(rule)(line) if len(symbol) > 1]
    assert found[: len(expected)] == expected
    assert len(found) == len(expected) + ("%(100)" in line)


def test_graphemes_are_those_of_unicode() -> None:
    pytest.importorskip("regex")
    line = f"a{FAMILY}{FLAG}{ACCENTED}👍🏽ที่"
    found = [symbol for symbol in finder_of("graphemes")(line) if len(symbol) > 1]
    assert found == [FAMILY, FLAG, ACCENTED, "👍🏽", "ที่"]


@pytest.mark.parametrize("rule", ["(", "*", "a{99999999999}", "(?P<x>a)(?P<x>b)"])
def test_a_rule_that_is_none_is_an_error(rule: str) -> None:
    with pytest.raises(OptionError, match="expected graphemes, smiles or a regular expression"):
        trained(rule=rule)


def test_a_rule_that_finds_nothing_is_an_error() -> None:
    with pytest.raises(
        CorpusError, match="no symbol of several characters that --symbols grapheme"
    ):
        trained(rule="grapheme")


def test_too_many_symbols_are_an_error() -> None:
    words = [f"{n:05}" for n in range(MAX_VOCABULARY)]
    with pytest.raises(VocabularyError, match="8,192 distinct symbols of several characters or mo"):
        trained(words, r"\d{5}")


def test_a_symbol_never_reaches_over_a_line() -> None:
    checkpoint = trained(["ab", "ab", "ba"], "[^x]+|b\\na")
    assert checkpoint.model.vocabulary.symbols == ("ab", "ba")


def test_without_the_package_the_message_names_it(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['regex'] = None\n"
        "from makemore.cli import main; main(['train', 'w.txt', '--symbols', 'graphemes'])"
    )
    (tmp_path / "w.txt").write_text("ab\n")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 2
    assert done.stderr == (
        "makemore: --symbols graphemes needs the package regex: pip install regex\n"
    )


# Models


def translated(words: list[str], checkpoint: Checkpoint) -> tuple[list[str], dict[str, str]]:
    """Return the same words with one letter for each symbol, in the same order of ids."""
    letter = {s: chr(0x4E00 + i) for i, s in enumerate(checkpoint.model.vocabulary.symbols)}
    return ["".join(letter[s] for s in by_hand(set(letter), word)) for word in words], letter


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_of_symbols_is_that_of_letters_in_their_place(kind: str) -> None:
    small: dict[str, Any] = {"holdout": 0.3, "validation": 0.2, "steps": 4, "hidden_size": 4}
    small["components"] = "ngram:order=3 gru:steps=5,batch_size=4,hidden_size=6,embedding_size=8"
    options = {name: small[name] for name in TrainingOptions(kind).values if name in small}
    if kind == "mixture":
        options = {name: small[name] for name in ("holdout", "validation", "components")}
    checkpoint = trained(kind=kind, **{**options, "holdout": 0.0})
    words, letter = translated(MOLECULES, checkpoint)
    other = train(Corpus.from_words(words), TrainingOptions(kind, **{**options, "holdout": 0.0}))
    assert checkpoint.corpus.symbols == other.corpus.symbols
    queries = ["CCl", "ClC", "[nH]", "C" * 9, "BrBr[C@@H]"]
    short = ["".join(letter[s] for s in by_hand(set(letter), query)) for query in queries]
    found, expected = score_words(checkpoint.model, queries), score_words(other.model, short)
    if kind in ("bigram", "ngram"):  # in others words are drawn by their hashes
        np.testing.assert_allclose(found.total, expected.total, rtol=1e-12)
        drawn = makemore.sample(checkpoint.model, 50, seed=1)
        assert translated(drawn, checkpoint)[0] == makemore.sample(other.model, 50, seed=1)
    assert found.symbols.tolist() == expected.symbols.tolist() == [3, 3, 2, 10, 4]
    for word in makemore.sample(checkpoint.model, 20, seed=2):
        assert set(by_hand(set(letter), word)) <= set(letter)


def test_words_and_rare_symbols_are_counted_as_they_are_written() -> None:
    words = [*MOLECULES, "C[Zn]C", "ClClCl"]
    checkpoint = trained(words, min_count=3)
    assert checkpoint.corpus.dropped_lines == 1
    assert checkpoint.model.vocabulary.unknown == ("[Zn]",)
    assert score_words(checkpoint.model, ["C[Zn]C"]).unknown == {0: "[Zn]"}


def test_held_out_words_are_calibrated_as_people_write_them() -> None:
    checkpoint = trained([f"Cl{n}Br" for n in range(200)], holdout=0.2)
    assert checkpoint.corpus.held_out_lines == 40
    words = survey_corpus(
        Corpus(Corpus.from_words(["ClBr", "CCl"]).sources, symbol_rule="smiles").with_spelling(),
        0.5,
    ).sample.words
    assert set(words) <= {"ClBr", "CCl"}
    assert len(words) == 1
    assert len(checkpoint.training.calibration)
    assert np.isfinite(checkpoint.training.calibration).all()


@pytest.mark.parametrize("rule", ["smiles", "graphemes"])
def test_a_checkpoint_keeps_the_symbols(tmp_path: Path, rule: str) -> None:
    if rule == "graphemes":
        pytest.importorskip("regex")
    words = [*MOLECULES, "C[Zn]C"] if rule == "smiles" else [*EMOJI, "🇫🇷a"]
    checkpoint = trained(words, rule, min_count=2)
    assert checkpoint.model.vocabulary.unknown
    save(tmp_path / "m.npz", checkpoint)
    again = load(tmp_path / "m.npz")
    assert again.model.vocabulary == checkpoint.model.vocabulary
    assert again.corpus == checkpoint.corpus
    assert makemore.sample(again.model, 30, seed=3) == makemore.sample(checkpoint.model, 30, seed=3)
    save(tmp_path / "n.npz", again)
    assert (tmp_path / "m.npz").read_bytes() == (tmp_path / "n.npz").read_bytes()


def test_a_checkpoint_with_other_symbols_is_refused(tmp_path: Path) -> None:
    good = {"symbols": ["C", "N", "Cl"], "unknown": []}
    bad: list[Any] = [
        {"symbols": ["N", "C", "Cl"], "unknown": []},
        {"symbols": ["C", "N", "O"], "unknown": []},
        {"symbols": ["C", "Cl", "Cl"], "unknown": []},
        {"symbols": ["C", "N", 7], "unknown": []},
        {"symbols": ["C", "N", "Cl"], "unknown": ["Cl"]},
        {"symbols": ["C", "N", "Cl"], "unknown": ["B"]},
        {"symbols": ["C", "N", "C\nl"], "unknown": []},
        {"symbols": ["C", "N", "x" * 65], "unknown": []},
        {"symbols": [], "unknown": []},
        {"symbols": ["C", "N", "Cl"]},
        ["C", "N", "Cl"],
    ]
    save(tmp_path / "m.npz", trained(["CCl", "NC"]))
    metadata, arrays = read(tmp_path / "m.npz")
    assert metadata["vocabulary"] == good
    assert built(metadata, arrays) == (tmp_path / "m.npz").read_bytes()
    for vocabulary in bad:
        (tmp_path / "bad.npz").write_bytes(built({**metadata, "vocabulary": vocabulary}, arrays))
        with pytest.raises(CheckpointError):
            load(tmp_path / "bad.npz")


# The commands


def run(*arguments: object, data: str | None = None) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)), input=data)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.txt").write_text("\n".join(MOLECULES))
    train = ("train", "m.txt", "--symbols", "smiles", "--model", "ngram", "--order", 3)
    result = run(*train, "--holdout", 0, "-c", "m.npz")
    assert result.exit_code == 0, result.output
    assert ", 13 distinct symbols\n" in result.stdout
    assert "read      in symbols: smiles\n" in result.stdout
    return tmp_path


def test_samples_never_hold_a_part_of_a_symbol(folder: Path) -> None:
    words = run("sample", "-c", "m.npz", "-n", 300, "--seed", 1).stdout.split()
    whole = re.compile(r"(\[nH\]|\[C@@?H\]|Cl|Br|[CNOc1()=])+")
    assert all(whole.fullmatch(word) for word in words)


def test_the_report_counts_edits_of_symbols(folder: Path) -> None:
    def distance(a: list[str], b: list[str]) -> int:
        if not (a and b):
            return len(a) + len(b)
        replaced = distance(a[:-1], b[:-1]) + (a[-1] != b[-1])
        ways = [replaced, distance(a[:-1], b) + 1, distance(a, b[:-1]) + 1]
        if len(a) > 1 and a[-2:] == b[:-3:-1]:
            ways.append(distance(a[:-2], b[:-2]) + 1)
        return min(ways)

    options = ("--report", "-n", 20, "--seed", 1, "--max-length", 4)
    result = run("sample", "-c", "m.npz", *options)
    symbols = set(load("m.npz").model.vocabulary.symbols)
    known = [by_hand(symbols, word) for word in set(MOLECULES)]
    for line in result.stderr.splitlines()[1:]:
        _, word, nearest, edits = re.split(" {2,}| [(]", line)
        own = by_hand(symbols, word)
        expected = min(distance(own, other) for other in known)
        assert edits.split(" ")[0] == (str(expected) if expected else "the")
        assert distance(own, by_hand(symbols, nearest)) == expected


def test_constraints_count_symbols(folder: Path) -> None:
    def words(*options: object) -> list[list[str]]:
        out = run("sample", "-c", "m.npz", "-n", 40, "--seed", 1, *options).stdout.split()
        symbols = set(load("m.npz").model.vocabulary.symbols)
        return [by_hand(symbols, word) for word in out]

    for symbols in words("--min-length", 4, "--max-length", 4, "--prefix", "C[C@@H]"):
        assert len(symbols) == 4
        assert symbols[:2] == ["C", "[C@@H]"]
    for symbols in words("--max-length", 5, "--suffix", "Cl", "--contains", "Br"):
        assert "Br" in symbols
        assert symbols[-1] == "Cl"
    result = run("sample", "-c", "m.npz", "--prefix", "[Zn]", "--seed", 1)
    assert "the symbol '[' is not in the vocabulary of 13 symbols" in result.stderr


def test_scores_explain_symbol_by_symbol(folder: Path) -> None:
    line = run("score", "-c", "m.npz", "--explain", data="CCl[nH]\n").stdout.rstrip("\n")
    assert len(line.split("\t")[3].split()) == 4
    record = json.loads(run("score", "-c", "m.npz", "--json", data="CX\n").stdout)
    assert record["unknown"] == "X"
    assert record["symbols"] == 3


def test_colours_paint_whole_symbols() -> None:
    from makemore.evaluation.scoring import judge

    (judged,) = judge(trained().model, ["CCl\n"])
    cells = re.split("\x1b\\[[0-9;]*m", judged.table(explain="colours"))
    assert "Cl" in cells


def test_new_words_are_told_from_those_of_the_corpus(folder: Path) -> None:
    words = run("sample", "-c", "m.npz", "-n", 30, "--seed", 1, "--new", "--unique").stdout.split()
    assert words
    assert not set(words) & set(MOLECULES)


def test_info_and_json_tell_the_symbols_and_the_command(folder: Path) -> None:
    out = run("info", "-c", "m.npz").stdout
    assert re.search(r"^alphabet  .* Br Cl \[C@@H\] \[C@H\] \[nH\]$", out, re.MULTILINE)
    command = re.search(r"^again     makemore (.*)$", out, re.MULTILINE)
    assert command
    assert "--symbols smiles" in command[1]
    values = json.loads(run("info", "-c", "m.npz", "--json").stdout)
    assert values["alphabet"][-1] == "[nH]"
    assert values["corpus"]["symbol_rule"] == "smiles"


def test_a_pipe_gives_the_same_model(folder: Path) -> None:
    text = "\n".join(MOLECULES)
    options = ("--symbols", "smiles", "--model", "ngram", "--order", 3, "--holdout", 0)
    assert run("train", "-", *options, "-c", "p.npz", data=text).exit_code == 0
    samples = [run("sample", "-c", name, "--seed", 1).stdout for name in ("p.npz", "m.npz")]
    assert samples[0] == samples[1]


def test_a_training_that_was_interrupted_goes_on_with_the_same_symbols(folder: Path) -> None:
    corpus = Corpus.from_paths("m.txt")
    corpus = Corpus(corpus.sources, symbol_rule="smiles")
    options = TrainingOptions("gru", steps=6, hidden_size=4, batch_size=4, validation=0.2)
    whole = train(corpus, options)
    stopped = train(corpus, options, on_step=lambda step: step.number == 2)
    assert stopped.resumption
    save("r.npz", stopped)
    result = run("train", "m.txt", "--resume", "-c", "r.npz")
    assert result.exit_code == 0, result.output
    found, expected = load("r.npz").model.arrays(), whole.model.arrays()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


def test_arpa_files_hold_symbols(folder: Path) -> None:
    assert run("export", "-c", "m.npz", "-o", "m.arpa").exit_code == 0
    refused = run("import", "m.arpa", "-c", "a.npz")
    assert "expected a model of characters, or --symbols" in refused.stderr
    assert run("import", "m.arpa", "-c", "a.npz", "--symbols").exit_code == 0
    assert run("export", "-c", "a.npz", "-o", "-").stdout == Path("m.arpa").read_text()
    samples = [run("sample", "-c", name, "--seed", 1).stdout for name in ("a.npz", "m.npz")]
    assert samples[0] == samples[1]
    again = re.search(r"again     makemore (.*)", run("info", "-c", "a.npz").stdout)
    assert again
    assert again[1] == "import m.arpa --symbols"


@pytest.mark.parametrize("symbol", ["<s>", "</s>", "a<U+0041>", " ▁", "a b", "<unk>", "\t<"])
def test_symbols_that_look_like_tokens_survive_an_arpa_file(folder: Path, symbol: str) -> None:
    checkpoint = trained([f"x{symbol}y", "xy"], re.escape(symbol))
    assert symbol in checkpoint.model.vocabulary.symbols
    makemore.write_arpa("t.arpa", checkpoint.model)
    again = makemore.read_arpa("t.arpa", symbols=True).model
    assert again.vocabulary == checkpoint.model.vocabulary
    assert makemore.sample(again, 9, seed=1) == makemore.sample(checkpoint.model, 9, seed=1)


def test_pictures_and_the_page_show_symbols(folder: Path) -> None:
    assert run("plot-heatmap", "-c", "m.npz", "-o", "h.svg").exit_code == 0
    assert "[C@@H]" in Path("h.svg").read_text()
    assert run("page", "-c", "m.npz").exit_code == 0
    data = page_data(load("m.npz"))
    assert data["characters"][-1] == "[nH]"
    assert data["unknown"] == ()


def test_what_cannot_be_done_is_wrong_usage(folder: Path) -> None:
    result = run("train", "m.txt", "--symbols", "(", "-c", "x.npz")
    assert result.exit_code == 2
    result = run("train", "m.txt", "--symbols", "smiles", "--dask", "local", "-c", "x.npz")
    assert result.exit_code == 2
    assert "does not work on a Dask cluster" in result.stderr


def test_a_pattern_that_looks_nested_is_taken_without_a_warning() -> None:
    assert finder_of("[[a]m")("am[m") == ["am", "[m"]
