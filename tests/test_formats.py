"""Lists that are not one plain word a line are recognised, and what mends them does."""

import gzip
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from corpus_oracles import in_blocks

from makemore.cli import main
from makemore.data import formats
from makemore.data.check import check_corpus
from makemore.data.corpus import Corpus
from makemore.data.formats import table_option
from makemore.data.table import Columns
from makemore.reporting import describe_check

NAMES = ["Anna", "Bella", "Zoë", "Dora", "Ella", "Mia"]


def rows(template: str) -> str:
    """Return a line for each name, with its number from 1."""
    return "".join(template.format(name=n, i=i, k=700 - i) + "\n" for i, n in enumerate(NAMES, 1))


FORMS = {
    "tabs": ("a table of 3 columns", rows("{name}\tF\t{k}")),
    "commas, Windows": ("a table of 3 columns", rows("{i},F,{name}").replace("\n", "\r\n")),
    "semicolons and spaces": ("a table of 2 columns", rows("{k}; {name} ")),
    "bars": ("a table of 2 columns", rows("{name}|{k}")),
    "quoted cells": ("a table of 2 columns", rows('"{name}","{k},5"')),
    "uniq -c": ("words after their counts", rows("{k:7} {name}")),
    "count last": ("words before a count or an identifier", rows("{name} {k}")),
    "identifier": ("words before a count or an identifier", rows("{name} CHEMBL{k}")),
    "quotes": ("words in quotes", rows('"{name}",')),
    "quotes, Windows": ("words in quotes", rows("'{name}',").replace("\n", "\r\n")),
    "curly quotes": ("words in quotes", rows("“{name}”")),
    "bullets": ("numbered words or bullets", rows("- {name}")),
    "round bullets": ("numbered words or bullets", rows("  • {name}")),
    "numbers": ("numbered words or bullets", rows("{i}. {name}")),
    "flags": ("the flags of a spelling dictionary", rows("{name}/SM")),
    "JSON": ("JSON", json.dumps(NAMES, indent=1)),
    "JSON in one line": ("JSON", json.dumps(NAMES)),
    "JSON objects": ("JSON", json.dumps([{"the name": name} for name in NAMES])),
    "JSON list in an object": ("JSON", json.dumps({"the names": NAMES, "n": 6}, indent=1)),
    "JSON Lines": ("JSON", rows('{{"name": "{name}", "count": {k}}}')),
    "one line": ("all words in one line", ", ".join(NAMES)),
    "one line of tabs": ("all words in one line", "\t".join(NAMES)),
    "HTML": ("HTML entities", rows("{name}").replace("ë", "&euml;")),
    "HTML in every line": (
        "HTML entities",
        "".join(f"&#{ord(name[0])};{name[1:]}\n" for name in NAMES),
    ),
    "misread": (
        "text in UTF-8 that was read as another encoding",
        rows("{name}").encode().decode("cp1252"),
    ),
    "misread as Latin-1": (
        "text in UTF-8 that was read as another encoding",
        rows("{name}").replace("ë", "à").encode().decode("latin-1"),
    ),
    "header": ("the title of a column in the first line", "First name\n" + rows("{name}")),
    "header of a table": (
        "the title of a column in the first line",
        "wer,N\n" + rows("{name},{k}"),
    ),
    "separator": ("a separator for Excel", "sep=;\n" + rows("{k};{name}")),
    "separator above titles": (
        "the title of a column in the second line",
        "sep=,\nwer,N\n" + rows("{name},{k}"),
    ),
    "separator above quotes": ("a separator for Excel", "sep=;\n" + rows("'{name}'")),
    "number of words": ("the number of words in the first line", "6\n" + rows("{name}/SM")),
}


def mended(remedy: str, folder: Path) -> list[str]:
    """Return the words that ``makemore train`` reads by a remedy: by its filters or its options."""
    if remedy.startswith("makemore train "):
        path, *options = shlex.split(remedy)[2:]
        how = dict(zip(options[::2], options[1::2], strict=True))
        columns = Columns(how["--column"], how.get("--weights", ""), how.get("--delimiter", ""))
        encoding = how.get("--encoding", "utf-8")
        read = Corpus(Corpus.from_paths(folder / path).sources, encoding, columns=columns)
        return list(read.words())
    filters, _, training = remedy.rpartition(" | ")
    assert training == "makemore train -"
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])  # its python3
    done = subprocess.run(
        filters,
        shell=True,
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().splitlines()


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_recognised_and_its_command_gives_the_words(form: str, tmp_path: Path) -> None:
    what, text = FORMS[form]
    path = tmp_path / "a list.txt"
    path.write_bytes(text.encode())
    found = check_corpus(Corpus.from_paths(path))
    finding = {finding.what: finding for finding in found.findings}[what]
    line, word = finding.examples[0]
    assert word == text.replace("\r\n", "\n").split("\n")[line - 1]
    names = ["Zoà" if name == "Zoë" and "Latin-1" in form else name for name in NAMES]
    assert mended(found.remedy, tmp_path) == names
    assert not check_corpus(Corpus.from_words(names)).findings


@pytest.mark.parametrize("block_size", [1, 50, 1000])
def test_forms_do_not_depend_on_the_blocks(block_size: int) -> None:
    text = rows('- "{name}&amp;{i}"') + "anna\nANNA\n"
    corpus = Corpus.from_bytes(text.encode())
    assert (
        in_blocks(block_size, check_corpus, corpus).findings
        == in_blocks(10_000, check_corpus, corpus).findings
    )


def test_one_form_within_another_is_taken_away_after_it(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text(rows('- "{name}"'), "utf-8")
    found = check_corpus(Corpus.from_paths(path))
    assert [finding.what for finding in found.findings] == [
        "numbered words or bullets",
        "words in quotes",
    ]
    assert mended(found.remedy, tmp_path) == NAMES


def test_the_name_of_a_list_that_looks_like_an_option_is_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, pack in (("-list", bytes), ("-list.gz", gzip.compress)):
        Path(name).write_bytes(pack(rows("- {name}").encode()))
        assert mended(check_corpus(Corpus.from_paths(name)).remedy, tmp_path) == NAMES


SMILES = ["CCO", "c1ccccc1", "CC(=O)O", "C/C=C/C", "[Na+].[Cl-]", "N#N"]


@pytest.mark.parametrize("template", ["{0} CHEMBL{1}", "{0}\t{1}", "{0}\tname {1}", "{0} a name"])
def test_molecules_are_told_from_their_identifiers(template: str, tmp_path: Path) -> None:
    path = tmp_path / "molecules.smi"
    lines = ["smiles id", *(template.format(smiles, i) for i, smiles in enumerate(SMILES, 10))]
    path.write_text("\n".join(lines[1:]), "utf-8")
    remedy = check_corpus(Corpus.from_paths(path)).remedy
    assert mended(remedy.removesuffix(" --symbols smiles"), tmp_path) == SMILES
    assert remedy.endswith(" --symbols smiles")


def test_house_numbers_are_no_counts_and_no_molecules() -> None:
    lines = [f"{n} {name} Street" for n, name in zip((12, 3, 88, 4, 60, 7), NAMES, strict=True)]
    rows = "".join(f'{i},"{line}",{90 - i % 4}\n' for i, line in enumerate(lines))
    by_number = sorted(rows.splitlines(True) * 3, key=lambda row: int(row[3:5]))
    for given in (rows, "".join(by_number)):
        table = Corpus.from_bytes(f"id,address,visits\n{given}".encode())
        found = check_corpus(table)
        assert found.remedy == "makemore train LIST --column address --weights visits"
        assert "words after their counts" not in {finding.what for finding in found.findings}
    assert not check_corpus(Corpus.from_words(lines)).findings
    by_word = sorted(lines, key=lambda line: line.partition(" ")[2])
    assert "--column 2 --weights 1" in check_corpus(Corpus.from_words(by_word)).remedy
    counts = [line.removesuffix(" Street") for line in lines]
    assert "--column 2 --weights 1" in check_corpus(Corpus.from_words(counts)).remedy


def test_molecules_are_read_in_symbols_and_never_in_lower_case() -> None:
    check = check_corpus(Corpus.from_words([*SMILES, "C1CCCCC1", "C1=CC=CC=C1", "c1=cc=cc=c1"]))
    assert [finding.what for finding in check.findings] == ["molecules in SMILES"]
    assert check.remedy == "makemore train LIST --symbols smiles"
    for codes in (["C12-N3", "B1-10", "555-1234"], ["BISON", "COIN", "SPOON"], ["(c)", "N/A", "x"]):
        assert not check_corpus(Corpus.from_words(codes)).findings


def test_words_that_differ_in_case_are_answered_with_lowercase(tmp_path: Path) -> None:
    path = tmp_path / "it's"
    path.write_text("Anna\nBella\nanna\nANNA\nAnna\nStraße\nstraße\n", "utf-8")
    found = check_corpus(Corpus.from_paths(path))
    (finding,) = found.findings
    assert (finding.lines, finding.option) == (3, "--lowercase")
    assert finding.examples == ((3, "anna"), (4, "ANNA"), (7, "straße"))
    assert found.remedy == f"makemore train '{tmp_path}/it'\"'\"'s' --lowercase"
    corpus = Corpus(Corpus.from_paths(path).sources, lowercase=True)
    assert not check_corpus(corpus).findings


def test_a_compressed_list_is_read_by_its_own_command(tmp_path: Path) -> None:
    path = tmp_path / "list.gz"
    path.write_bytes(gzip.compress(rows("{name}\t{k}").encode()))
    assert mended(check_corpus(Corpus.from_paths(path)).remedy, tmp_path) == NAMES


def zipped(data: bytes) -> bytes:
    with zipfile.ZipFile(archive := io.BytesIO(), "w") as file:
        file.writestr("list", data)
    return archive.getvalue()


def zstd(data: bytes) -> bytes:
    return bytes(pytest.importorskip("zstandard").ZstdCompressor().compress(data))


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
@pytest.mark.parametrize(
    ("suffix", "compress", "program"),
    [(".gz", gzip.compress, "gzip"), (".zip", zipped, "unzip"), (".zst", zstd, "zstd")],
)
def test_compressed_lists_are_printed_whatever_stands_between_them(
    suffix: str, compress: Callable[[bytes], bytes], program: str, encoding: str, tmp_path: Path
) -> None:
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    bullets = rows("- {name}").encode(encoding)
    names = (f"one{suffix}", f"tw[o]{suffix}", "packed", "it's plain", "plain.gz")
    (tmp_path / f"two{suffix}").write_bytes(compress(b"- of another file"))
    paths = [tmp_path / name for name in names]
    for path in paths:
        path.write_bytes(bullets if "plain" in path.name else compress(bullets))
    for some in (paths[:1], paths[:2], paths):
        corpus = Corpus(Corpus.from_paths(*some).sources, encoding=encoding)
        found = check_corpus(corpus).remedy
        assert " | sed " in found
        assert mended(found, tmp_path) == NAMES * len(some)


def test_a_list_in_another_encoding_is_converted_first(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(rows("{name}\t{k}").encode("utf-16"))
    corpus = Corpus(Corpus.from_paths(path).sources, encoding="utf-16")
    assert mended(check_corpus(corpus).remedy, tmp_path) == NAMES


@pytest.mark.parametrize(
    ("encoding", "errors"),
    [
        *((name, "strict") for name in ("latin-1", "utf-8-sig", "utf-16-le", "mac_roman", "utf-8")),
        *(
            (name, errors)
            for name in ("latin-1", "ascii", "utf-8")
            for errors in ("skip", "replace")
        ),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_filters_see_what_training_sees(
    encoding: str, errors: str, end: str, tmp_path: Path
) -> None:
    path = tmp_path / "list"
    text = json.dumps(NAMES, indent=1, ensure_ascii=False).replace("\n", end)
    own = {"ascii": "utf-8", "utf-8": "utf-8-sig"}.get(encoding, encoding)
    path.write_bytes(text.encode(own))
    corpus = Corpus(Corpus.from_paths(path).sources, encoding=encoding, errors=errors)
    found = mended(check_corpus(corpus).remedy, tmp_path)
    names = {"replace": [*NAMES[:2], "Zo\ufffd\ufffd", *NAMES[3:]], "skip": NAMES[:2] + NAMES[3:]}
    assert found == (names[errors] if encoding == "ascii" else NAMES)


def test_where_only_some_lines_were_misread_no_command_is_offered() -> None:
    found = check_corpus(Corpus.from_words(["ZoÃ«", "Zoë", "René"]))
    (finding,) = found.findings
    assert (finding.lines, finding.examples, finding.commands) == (1, ((1, "ZoÃ«"),), ())
    assert not found.remedy


@pytest.mark.parametrize(
    "words",
    [
        ["Jean-Luc", "O'Neil", "Anna Maria", "D'Arcy", "'t Hoen"],
        ["AT&T", "Q&A", "R&D;", "Procter & Gamble"],
        ["and/or", "he/she", "yes/no"],
        ["John, Paul", "George", "Ringo, Pete"],
        ["Ñandú", "São Tomé", "Åse", "ÃO", "Â", "Œuvre"],
        ["42", "7", "1984"],
        ["Main St 5", "3 Rue A", "Highway 61"],
        ["[Na+]", "{a}", '"'],
        ["ab", "cd", "name"],
        ["name"],
        ["example.com", "a-b.org", "xn--bcher-kva.example"],
        ["the cat sat on the mat", "it was"],
        ["Anna, Bella"],
    ],
)
def test_plain_words_have_no_form(words: list[str]) -> None:
    found = check_corpus(Corpus.from_words(words))
    assert (found.findings, found.remedy) == ((), "")


@pytest.mark.parametrize("text", ["Tom &amp; Jerry\nA &lt; B\nC &gt; D;\n", "a&lt;b&lt;c&lt;d\n"])
def test_the_semicolon_of_an_entity_separates_nothing(text: str) -> None:
    found = check_corpus(Corpus.from_bytes(text.encode()))
    assert [finding.what for finding in found.findings] == ["HTML entities"]
    assert "cut" not in found.remedy


@pytest.mark.parametrize(
    ("text", "option"),
    [
        (rows("{name}\tF\t{k}"), "--column 1 --weights 3"),
        (rows("{i},{k},{name}"), "--column 3 --weights 2"),
        ("the name,N\n" + rows("{name},{k}"), "--column 'the name' --weights N"),
        ("name,name\n" + rows("{name},{k}"), "--column 1 --weights 2"),
        ("id,word,notes\n" + rows("{i},{name},"), "--column word"),
        ("id|word\n" + rows("{i}|{name}|"), "--column word"),
        ("Name;\n" + rows('"{name}";""') * 2, "--column 1"),
        (rows("{name},19{i}0"), "--column 1"),
        (rows("{name},1{k}"), "--column 1"),
        (rows("{name};a,b"), "--column 1"),
        (rows("{name},;{k}").replace("Anna,;", "Anna;"), "--column 1 --weights 2"),
        (rows("{name}|{k}").replace("Anna|", "Anna,|"), "--column 1 --weights 2 --delimiter '|'"),
        (rows('"{name}","{k},5"'), "--column 1"),
        (rows("{k:7} {name}"), "--column 2 --weights 1 --delimiter space"),
        (rows("{k:7} {name}") * 2 + "      2 \n", "--column 2 --weights 1 --delimiter space"),
        (rows('{k:7} "{name}" May'), "--column 2 --weights 1 --delimiter space"),
        (rows("{name} {k}"), "--column 1 --weights 2 --delimiter space"),
    ],
)
def test_a_table_names_the_options_that_read_it(text: str, option: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text, "utf-8")
    found = check_corpus(Corpus.from_paths(path))
    assert found.remedy == f"makemore train {path} {option}"
    assert table_option(list(enumerate(text.splitlines(), 1))) == option


def test_a_table_whose_quotes_do_not_match_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    inches = [f'{name} {k}"' for k, name in enumerate(NAMES)] + ['"a']
    path.write_text("".join(f"7|{inch}\n9|{inch}\n" for inch in inches), "utf-8")
    assert sorted(mended(check_corpus(Corpus.from_paths(path)).remedy, tmp_path)) == sorted(
        inches * 2
    )
    path.write_text(rows('"{name}","a note",{k}') * 3 + 'Una,"two\nlines",9\n', "utf-8")
    assert check_corpus(Corpus.from_paths(path)).remedy.endswith("--column 1 --weights 3")


@pytest.mark.parametrize(
    "text", ["name,name\n" + rows("{name},19{i}0"), "1,2\n" + rows("{name},9{i}0")]
)
def test_titles_that_name_no_column_are_taken_away(text: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text, "utf-8")
    assert mended(check_corpus(Corpus.from_paths(path)).remedy, tmp_path) == NAMES


def test_a_form_within_the_cells_of_a_table_is_mended_by_filters(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(rows("{k}\t- {name}"), "utf-8")
    assert mended(check_corpus(Corpus.from_paths(path)).remedy, tmp_path) == NAMES
    corpus = Corpus(Corpus.from_paths(path).sources, columns=Columns("2"))
    assert [finding.what for finding in check_corpus(corpus).findings] == [
        "numbered words or bullets"
    ]
    assert not check_corpus(corpus).remedy


@pytest.mark.parametrize("long", ["two\nlines", "x" * 5000])
def test_a_row_that_the_sample_cuts_is_read_by_the_options(long: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    kept = rows('"{name}","a, note",{k}') * 1000
    head = "".join(kept.splitlines(keepends=True)[: formats.MAX_SAMPLE - 1])
    path.write_text(f'{head}Una,"{long}",9\n{head}', "utf-8")
    assert check_corpus(Corpus.from_paths(path)).remedy.endswith("--column 1 --weights 3")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_word_of_two_parts_before_its_count_stays_whole(end: str, tmp_path: Path) -> None:
    path = tmp_path / "t"
    text = (rows("{name} {k}") * 2 + "Ida Ann 5\n").replace("\n", end)
    path.write_bytes(text.encode())
    assert mended(check_corpus(Corpus.from_paths(path)).remedy, tmp_path) == [
        *NAMES,
        *NAMES,
        "Ida Ann",
    ]


@pytest.mark.parametrize("template", ["x, {name} {k}", "{k} {name} {k}"])
def test_a_form_within_another_is_not_mended_by_an_option(template: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(rows(template), "utf-8")
    assert mended(check_corpus(Corpus.from_paths(path)).remedy, tmp_path) == NAMES


@pytest.mark.parametrize("template", ['"{k}","- {name}"', '{{"name": "{name}", "count": {k}}}'])
def test_blank_lines_do_not_stop_the_filters(template: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(rows(template + "\n"), "utf-8")
    words = mended(check_corpus(Corpus.from_paths(path)).remedy, tmp_path)
    assert list(filter(None, words)) == NAMES


def test_an_entity_of_too_many_digits_is_none() -> None:
    long = f"&#{'1' * 5000};"
    corpus = Corpus.from_words(["Anna", long, f"&amp;{long}", "&xyz;"])
    assert [finding.lines for finding in check_corpus(corpus).findings] == [1]


@pytest.mark.parametrize("line", ["1" * 4096, "(" * 4096, "C1=" * 1365])
def test_long_lines_are_looked_at_in_proportion_to_their_length(line: str) -> None:
    before = time.process_time()
    found = formats.recognised([(number, line) for number in range(1, 201)])
    assert [finding.what for finding in found] == ["molecules in SMILES"] * (line[0] == "C")
    assert time.process_time() - before < 10  # with a step for each pair of characters 50


def test_training_says_that_a_list_looks_like_a_table(tmp_path: Path) -> None:
    path, model = tmp_path / "t.csv", str(tmp_path / "m.npz")
    path.write_text(rows("{name}\tF\t{k}"), "utf-8")
    told = "looks like a table, and its rows are read as words: --column 1 --weights 3 reads"
    for arguments in ([str(path)], [str(path), "--model", "ngram"]):
        done = CliRunner().invoke(main, ["train", *arguments, "-c", model])
        assert (done.exit_code, told in done.stderr) == (0, True), done.output
    done = CliRunner().invoke(main, ["train", str(path), "-c", model, "--column", "1"])
    assert "looks like" not in done.stderr
    path.write_text("Smith, John\nAnna Maria\nO'Neil\n")
    assert "looks like" not in CliRunner().invoke(main, ["train", str(path), "-c", model]).stderr


@pytest.mark.parametrize("text", [rows("{name} CHEMBL{k}"), rows('"a {k}')])
def test_what_spaces_do_not_cut_into_words_and_counts_is_no_table(text: str) -> None:
    found = check_corpus(Corpus.from_bytes(text.encode()))
    assert found.findings
    assert table_option(list(enumerate(text.splitlines(), 1))) == ""
    assert "--column" not in found.remedy


@pytest.mark.parametrize(
    ("row", "options"),
    [
        ("Una,", "--column name"),  # without a weight
        ("Una", "--column name"),
        ("Una,1.5", "--column name"),
        ("", "--column name --weights n"),
        (",", "--column name --weights n"),
        (",\n" * 99, "--column name --weights n"),
        ("Una,9,9", "--column name --weights n"),
    ],
)
def test_no_options_are_named_that_fail_for_a_row(row: str, options: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("name,n\n" + rows("{name},{k}") * 3 + f"{row}\n", "utf-8")
    remedy = check_corpus(Corpus.from_paths(path)).remedy
    assert remedy == f"makemore train {path} {options}"
    done = CliRunner().invoke(main, [*shlex.split(remedy)[1:], "-c", str(tmp_path / "m.npz")])
    assert done.exit_code == 0


def test_two_forms_that_need_different_options_are_mended_by_filters(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text(rows("{k:7} {name} 9{k}"), "utf-8")
    corpus = Corpus.from_paths(path)
    assert mended(check_corpus(corpus).remedy, tmp_path) == NAMES
    assert table_option(list(enumerate(path.read_text("utf-8").splitlines(), 1))) == ""
    columns = Columns("2", "1", "space")
    assert not check_corpus(Corpus(corpus.sources, columns=columns)).remedy


@pytest.mark.parametrize("text", ["1 anna\n2 bob\n3 eve", "CC(=O)O 101\nCCN 102\nC1CC1 103"])
def test_numbers_that_count_the_lines_are_no_weights(text: str) -> None:
    for lines, are_weights in ((text, False), (text.replace("2", "9"), True)):
        remedy = check_corpus(Corpus.from_bytes(lines.encode())).remedy
        assert ("--weights" in remedy) == are_weights


def forms_of(text: str, block_size: int = 64) -> dict[str, str]:
    """Return how many lines have each form, as the report says it."""
    report = describe_check(in_blocks(block_size, check_corpus, Corpus.from_bytes(text.encode())))
    lines = [line.split(": ")[0] for line in report.splitlines() if line.startswith("form  ")]
    return dict(line.removeprefix("form").strip().split(", as in ") for line in lines)


def test_a_form_of_which_only_the_first_lines_tell_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    table = [f"{a}{b}{c},F" for a in "abcdefghij" for b in "klmnopqrst" for c in "uvwxyzabcd"]
    what = "a table of 2 columns"
    assert forms_of("\n".join(table))[what] == "1,000 lines"
    assert forms_of("\n".join([*table, "more,F"]))[what] == "1,000 of the first 1,000 lines"
    odd = [*table[:10], "", "odd", *table[10:], "Tom&amp;Jerry,F"]
    assert forms_of("\n".join(odd)) == {
        what: "999 of the first 1,001 lines", "HTML entities": "1 line",
    }  # fmt: skip
    words = ["Anna", *(f"w{i}" for i in range(50)), "anna", "Ella", "ella"]
    what = "words that an earlier line writes in another case"
    assert forms_of("\n".join(words))[what] == "2 lines"
    monkeypatch.setattr(formats, "MAX_CASED_LINES", 52)
    assert forms_of("\n".join(words), block_size=1)[what] == "1 of the first 52 lines"


def test_json_lines_may_have_blank_ones_between_them(tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    path.write_text("\n" + rows('{{"name": "{name}"}}\n') + "  \n", "utf-8")
    assert mended(check_corpus(Corpus.from_paths(path)).remedy, tmp_path) == NAMES


@pytest.mark.parametrize("key", [r"\x", r"\d+", r"\u12"])
def test_a_key_with_an_escape_that_json_lacks_is_no_json(key: str) -> None:
    assert "JSON" not in forms_of(f'{{"{key}": "emma"}}\n{{"{key}": "ava"}}\n')
