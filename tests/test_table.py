"""Tables: a weight of k counts as k lines for every model; what is wrong is told by its line."""

import csv
import io
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from makemore.checkpoint import load
from makemore.cli import main
from makemore.counting.passes import count_bigrams, survey_corpus
from makemore.data import holdout
from makemore.data.corpus import Corpus
from makemore.data.table import Columns, read_table
from makemore.errors import CorpusError, OptionError, TrainingError
from makemore.generation.novelty import training_texts
from makemore.training import batches, left_out
from makemore.training.options import TrainingOptions
from makemore.training.record import Checkpoint
from makemore.training.train import train

NAMES = [a + b + c for a in "bcdfgh" for b in "aeiou" for c in ("", "n", "ra", "lyn")]
ROWS = [(name, (7 * i) % 12) for i, name in enumerate([*NAMES, *NAMES[:9]])]
SMALL: dict[str, Any] = {"embedding_size": 8, "hidden_size": 16, "steps": 4, "batch_size": 16}


def table(rows: list[tuple[str, int]], template: str = "{name},F,{k}") -> bytes:
    return "".join(template.format(name=name, k=k) + "\n" for name, k in rows).encode()


def weighted(rows: list[tuple[str, int]], **columns: str) -> Corpus:
    """Return the corpus of a table with names in column 1 and weights in column 3."""
    source = Corpus.from_bytes(table(rows)).sources
    return Corpus(source, columns=Columns("1", "3", **columns))


def repeated(rows: list[tuple[str, int]]) -> Corpus:
    """Return the plain list in which each name stands as often as its weight says."""
    return Corpus.from_words([name for name, k in rows for _ in range(k)])


def lines_of(data: bytes, columns: Columns) -> list[tuple[str, int]]:
    """Return each line's word and weight."""
    found = []
    for text, weights in (
        Corpus(Corpus.from_bytes(data, "t.csv").sources, columns=columns)
        .read(block_size=7)
        .blocks()
    ):
        words = text.split("\n")[:-1]
        found += list(zip(words, [1] * len(words) if weights is None else weights, strict=True))
    return found


def same(found: Checkpoint, expected: Checkpoint) -> None:
    """Assert that two trainings gave the same, to the last bit."""
    assert found.model.vocabulary == expected.model.vocabulary
    ours, theirs = found.model.arrays(), expected.model.arrays()
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name])
    for name in ("loss_history", "calibration", "validation_history"):
        np.testing.assert_array_equal(
            getattr(found.training, name), getattr(expected.training, name)
        )
    for name in ("training_loss", "held_out_loss", "minimum"):
        assert getattr(found.training, name) == getattr(expected.training, name)
    for name in ("lines", "symbols", "held_out_lines", "held_out_symbols", "dropped_lines"):
        assert getattr(found.corpus, name) == getattr(expected.corpus, name), name
    assert found.corpus.held_out_fingerprint == expected.corpus.held_out_fingerprint


@pytest.mark.parametrize(
    "options",
    [
        {"model": "bigram"},
        {"model": "bigram", "method": "counts", "min_count": 120},
        {"model": "ngram", "order": 2},
        {"model": "ngram", "order": 5, "min_count": 120},
        {"model": "mlp", **SMALL},
        {"model": "gru", **SMALL},
        {"model": "transformer", **SMALL, "hidden_size": None, "heads": 2},
        {
            "model": "mixture",
            "components": "ngram:order=3 mlp:steps=3,hidden_size=8,embedding_size=4",
        },
    ],
)
def test_a_weight_of_k_counts_as_k_lines(options: dict[str, Any]) -> None:
    chosen = TrainingOptions(**options)
    found, expected = train(weighted(ROWS), chosen), train(repeated(ROWS), chosen)
    assert expected.corpus.lines + expected.corpus.dropped_lines == sum(k for _, k in ROWS)
    assert (expected.corpus.dropped_lines > 0) is ("min_count" in options)
    assert expected.training.held_out_loss is not None
    same(found, expected)


@pytest.mark.parametrize("options", [{"model": "bigram"}, {"model": "ngram", "order": 3}])
def test_a_weight_of_k_counts_as_k_lines_of_a_long_list(options: dict[str, Any]) -> None:
    rows = [(name, 1700 * k) for name, k in ROWS]
    lines = repeated(rows)
    assert (lines.size() or 0) > holdout.MAX_EXACT_TEXT
    chosen = TrainingOptions(**options)
    found, expected = train(weighted(rows), chosen), train(lines, chosen)
    assert found.corpus.distinct == expected.corpus.distinct == len({n for n, k in ROWS if k})
    same(found, expected)


def test_a_weight_of_k_is_k_lines_where_words_are_left_out_of_a_model(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(left_out, "MAX_SYMBOLS", 850)
    options = TrainingOptions("ngram", order=3)
    few = [(name, 1 + i % 3) for i, name in enumerate(NAMES)]
    for most, rows in [(10_000, few), (10, few[:90]), (10, few)]:
        monkeypatch.setattr(holdout, "MAX_EXACT", most)
        found, expected = train(weighted(rows), options), train(repeated(rows), options)
        same(found, expected)
        symbols = found.corpus.symbols - found.corpus.held_out_symbols
        has_others = most == 10_000 or symbols <= 850
        assert (len(found.training.calibration) > 60) is has_others
        assert has_others or rows == few


@pytest.mark.parametrize("alphabet", ["abc", "абвг日本"])
@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_weighted_pairs_are_those_of_a_dictionary(alphabet: str, data: st.DataObject) -> None:
    words = st.text(alphabet, min_size=1, max_size=4)
    rows = data.draw(st.lists(st.tuples(words, st.integers(1, 1 << 53)), min_size=1, max_size=8))
    found = count_bigrams(weighted(rows), holdout=0.0)
    symbols = "\n" + found.survey.vocabulary.characters
    expected: dict[tuple[str, str], int] = {}
    for word, k in rows:
        for pair in zip("\n" + word, word + "\n", strict=True):
            expected[pair] = expected.get(pair, 0) + k
    for (x, y), k in expected.items():
        assert found.training[symbols.index(x), symbols.index(y)] == k
    assert int(found.training.sum()) == sum(expected.values()) == found.survey.facts.symbols


def test_a_large_alphabet_takes_weights_over_32_bits() -> None:
    all_of_them = "".join(map(chr, range(0x4E00, 0x4E00 + 400)))
    rows = [(all_of_them, 2), ("日本語", 1 << 40), ("日中", 5), ("日", 1 << 33)]
    found = count_bigrams(weighted(rows), holdout=0.0)
    symbols = "\n" + found.survey.vocabulary.characters
    ids = symbols.index("日"), symbols.index("本"), symbols.index("中")
    assert found.training[0, ids[0]] == (1 << 40) + (1 << 33) + 5
    assert found.training[ids[0], ids[1]] == 1 << 40
    assert found.training[ids[0], 0] == 1 << 33
    assert found.training[ids[2], 0] == 5
    assert found.training[0, symbols.index(all_of_them[0])] == 2


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), max_size=4).filter(
    lambda cell: not cell.startswith(" ") and cell == cell.rstrip() and cell != "\ufeff"
)


@given(st.lists(st.tuples(CELLS, CELLS, st.integers(0, 9)), max_size=6), st.sampled_from(",;\t|x"))
@settings(max_examples=300, deadline=None)
def test_what_the_csv_module_writes_is_read_and_keeps_its_lines(
    rows: list[tuple[str, str, int]], delimiter: str
) -> None:
    if delimiter == "\t":  # a cell that holds both line ends and tabs may look like several rows
        rows = [
            (word, other.replace("\t", "") if set(other) & {"\n", "\r"} else other, k)
            for word, other, k in rows
        ]
    rows = [(word.replace("\n", ""), other, k) for word, other, k in rows]
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows(rows)
    text = file.getvalue()
    found = lines_of(text.encode(), Columns("1", "3", delimiter))
    assert [(word, k) for word, k in found if word] == [
        (word, k) for word, _, k in rows if word and k
    ]
    assert len(found) == text.count("\n")
    for number, (word, _) in enumerate(found):  # a word stands in the line where its row begins
        assert word in text.split("\n")[number].replace('""', '"')


def test_titles_name_columns_and_their_line_is_blank() -> None:
    data = b"year;Name;count\n1990;Anna;3\n1991;Bea, B.;0\n\n1992;Cy;2\n"
    assert lines_of(data, Columns("Name", "count")) == [
        *[("", 0), ("Anna", 3), ("", 0), ("", 0), ("Cy", 2)]
    ]
    assert lines_of(data, Columns("Name")) == [
        *[("", 1), ("Anna", 1), ("Bea, B.", 1), ("", 1), ("Cy", 1)]
    ]


def test_blank_lines_above_the_first_row_do_not_count() -> None:
    for columns in (Columns("name", "n"), Columns("1", "2")):
        text = "\n  \nname;n\nAnna;3\n" if columns.has_header else "\n  \n\nAnna;3\n"
        assert lines_of(text.encode(), columns) == [("", 0), ("", 0), ("", 0), ("Anna", 3)]
    assert lines_of(b"\n \n", Columns("name", "n")) == [("", 0), ("", 0)]
    with pytest.raises(CorpusError, match="line 3: expected the title 'x', found name, n"):
        lines_of(b"\n\nname,n\n", Columns("x", "n"))
    with pytest.raises(CorpusError, match=r"line 2: .* found '#': if this line holds titles"):
        lines_of(b"\nname,#\n", Columns("1", "2"))
    assert lines_of(b"\nname, n\nAnna,3\n", Columns("1", "2")) == [("", 0), ("", 0), ("Anna", 3)]


def test_a_lone_quote_between_tabs_is_a_quote() -> None:
    text = 'word\tn\n"\t3\nAnna\t2\n"Bea" B\t1\n"Cy"\t4\n 5"\t6\n"Dora\t2\n\nEva\t1\n'
    expected = [('"', 3), ("Anna", 2), ('"Bea" B', 1), ("Cy", 4), ('5"', 6), ('"Dora', 2), ("", 0)]
    assert lines_of(text.encode(), Columns("word", "n")) == [("", 0), *expected, ("Eva", 1)]
    many = "".join(f'"{n}\t{n}\n' for n in range(1, 5000))
    assert lines_of(many.encode(), Columns("1", "2")) == [(f'"{n}', n) for n in range(1, 5000)]


@pytest.mark.parametrize("more", ["", "\tq"])
def test_a_quote_that_another_row_seems_to_close_does_not_swallow_the_rows_between(
    more: str,
) -> None:
    rows = ['emma\t"unclosed', "ava\tx", "mia\ty", 'zoe\t5"', "kai\tz"]
    data = "".join(row + more + "\n" for row in rows).encode()
    names = ["emma", "ava", "mia", "zoe", "kai"]
    assert lines_of(data, Columns("1", delimiter="tab")) == [(name, 1) for name in names]
    first = b'"emma\t1\nava"\t2\nmia\t3\n'
    expected = [('"emma', 1), ('ava"', 2), ("mia", 3)]
    assert lines_of(first, Columns("1", "2", "tab")) == expected
    other = b'emma\t"x\tq\nzoe\ty\t5"\nkai\tz\tq\n'
    assert [word for word, _ in lines_of(other, Columns("1"))] == ["emma", "zoe", "kai"]


def test_a_quoted_cell_between_tabs_may_take_several_lines() -> None:
    data = b'emma\t"two\nlines"\t3\nava\t"1\n\n4"\t5\n'
    found = [("emma", 3), ("", 0), ("ava", 5), ("", 0), ("", 0)]
    assert lines_of(data, Columns("1", "3", "tab")) == found
    with pytest.raises(CorpusError, match=r"line 1: the word .* holds a line end"):
        lines_of(b'"two\nlines"\n', Columns("1", delimiter="tab"))


def test_each_line_that_leaves_a_quote_open_is_read_once_more() -> None:
    # each line but the first closes the cell of the line above, and opens another
    data = 'a"\t"c\n' * 20_000 + 'b\t"two\nlines"\nc\td\n'
    found = [*[('a"', 1)] * 20_000, ("b", 1), ("", 1), ("c", 1)]
    assert lines_of(data.encode(), Columns("1")) == found


def test_a_row_of_too_many_lines_is_refused() -> None:
    blank = "\n" * 20_000
    text = blank + "word,n\nava,1\n" + 'a","c\n' * 40_000
    with pytest.raises(CorpusError, match=r"line 20,003: .* \(it has over 16,384 lines\): fix its"):
        lines_of(text.encode(), Columns("word"))
    assert lines_of((blank + 'ava,"1' + "\n" * 9000 + '"\n').encode(), Columns("1"))[20_000:] == [
        ("ava", 1),
        *[("", 1)] * 9000,
    ]


def test_spaces_may_stand_before_and_between_the_columns() -> None:
    for data in (b"      5 Anna\n     12 Bea\n", b"5     Anna\n12    Bea\n"):
        assert lines_of(data, Columns("2", "1", "space")) == [("Anna", 5), ("Bea", 12)]
    data = b" 1  5  Anna\n 2 12  Bea\n"
    assert lines_of(data, Columns("3", "2", "space")) == [("Anna", 5), ("Bea", 12)]


def test_a_word_after_its_count_is_the_rest_of_its_line() -> None:
    data = b'      5 Anna  Maria\n     12 "Fancy" 5" mug\n\n      2 \n      1 Cy\n'
    found = [("Anna  Maria", 5), ('"Fancy" 5" mug', 12), ("", 0), ("", 0), ("Cy", 1)]
    assert lines_of(data, Columns("2", "1", "space")) == found
    assert lines_of(b" n name\n" + data, Columns("name", "n", "space")) == [("", 0), *found]
    assert lines_of(b"Anna 5 F\n", Columns("1", "2", "space")) == [("Anna", 5)]


def test_titles_between_spaces_may_have_quotes() -> None:
    data = b'"word" "how  often"\n"emma" 5\n"ava" 2\n'
    found = [("", 0), ("emma", 5), ("ava", 2)]
    assert lines_of(data, Columns("word", "how  often", "space")) == found
    data = b' n  "the word"\n5 emma\n2 "5" mug\n'
    found = [("", 0), ("emma", 5), ('"5" mug', 2)]
    assert lines_of(data, Columns("the word", "n", "space")) == found
    assert lines_of(data, Columns("the word", "1", "space")) == found
    long = "a" * (csv.field_size_limit() + 1)  # without titles nothing is read as CSV
    assert lines_of(f"5 {long}\n".encode(), Columns("2", "1", "space")) == [(long, 5)]


def test_what_uniq_counts_trains_the_model_of_the_list(tmp_path: Path) -> None:
    ends = (" May", ' "Jo" Ray', " ", "\t", "\xa0")
    names = [f"{name}{end}" for name in NAMES[:40] for end in ends] * 2
    names += [f"{start}{name}" for name in NAMES[:9] for start in (" ", "  ", "\t", "\xa0")]
    (tmp_path / "list").write_text("\n".join(sorted([*names, *names[:9], " ", "", ""])) + "\n")
    counted = subprocess.run(["uniq", "-c", tmp_path / "list"], capture_output=True, check=True)
    columns = Columns("2", "1", "space")
    table = Corpus(Corpus.from_bytes(counted.stdout).sources, columns=columns)
    options = TrainingOptions("ngram", order=3)
    same(train(table, options), train(Corpus.from_paths(tmp_path / "list"), options))


def test_spaces_around_a_word_after_its_count_are_its_own() -> None:
    data = b"      2 Anna \n      1   Bea\n1000000  Cy\n      1  \n"
    found = [("Anna ", 2), ("  Bea", 1), (" Cy", 1000000), (" ", 1)]
    assert lines_of(data, Columns("2", "1", "space")) == found
    data = b"1000000  Cy \n"
    assert lines_of(data, Columns("2", "1", "space")) == [(" Cy ", 1000000)]


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_rows_without_any_text_are_blank_lines(delimiter: str) -> None:
    data = ',,\n  \nname,sex,n\nAnna,F,5\n,,\n \n"", ,\nBea,F,3\n\t\n,,,,\n'.replace(",", delimiter)
    blank = [("", 0)] * 3
    found = [*blank, ("Anna", 5), *blank, ("Bea", 3), *blank[1:]]
    for columns in (Columns("name", "n"), Columns("1", "3")):
        assert lines_of(data.encode(), columns) == found
    with pytest.raises(CorpusError, match="line 2: the weight is missing"):
        lines_of(b"Anna,5\nBea,\n", Columns("1", "2"))


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"'])
def test_a_separator_for_excel_is_no_row(line: str) -> None:
    data = f"{line}\nname,given;n\nAnna;5\n".encode()
    found = [("", 0), ("", 0), ("Anna", 5)]
    assert lines_of(data, Columns("name,given", "n")) == found
    assert lines_of(data, Columns("1", "2")) == found


def test_numbers_of_columns_go_with_titles() -> None:
    data = b"Name,Name\nAnna,2\nBob,3\n"
    assert lines_of(data, Columns("1", "2")) == [("", 0), ("Anna", 2), ("Bob", 3)]
    assert lines_of(data, Columns("1")) == [("Name", 1), ("Anna", 1), ("Bob", 1)]
    with pytest.raises(CorpusError, match=r"t\.csv, line 1: 2 columns have the title 'Name': give"):
        lines_of(data, Columns("Name"))


def test_every_file_has_its_own_titles(tmp_path: Path) -> None:
    for number, text in enumerate(["n,name\n5,Anna\n", "name\tn\nBea\t3\n"]):
        (tmp_path / str(number)).write_text(text)
    paths = [tmp_path / "0", tmp_path / "1"]
    corpus = Corpus.from_paths(*paths, columns=Columns("name", "n"))
    found = count_bigrams(corpus, holdout=0.0).survey
    assert (found.facts.lines, found.vocabulary.characters) == (8, "ABaen")


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        (
            "Anna,F,5\nBea,F\n",
            {},
            "t.csv, line 2: expected the weight in column 3, found 2 columns",
        ),
        (
            "Anna,F,5\n\nBea,F,\n",
            {},
            "line 3: the weight is missing",
        ),
        ("Anna,F,-5\n", {}, "line 1: expected a whole number up to 2\\*\\*53 .* found '-5'"),
        ("Anna,F,5\nBea,F,5.5\n", {}, "line 2: .* found '5.5'"),
        ("Anna,F,5\nBea,F,1e3\n", {}, "line 2: .* found '1e3'"),
        ("Anna,F,5\nBea,F,٣\n", {}, "line 2: .* found '٣'"),
        (f"Anna,F,{(1 << 53) + 1}\n", {}, "found '9007199254740993'"),
        ("Anna,F," + "9" * 9999 + "\n", {}, "found '9{40}'"),
        ("name,sex,n\nAnna,F,n\n", {}, "line 2: .* found 'n'"),
        ("name,sex,#\nAnna,F,5\n", {}, "line 1: .* found '#': if this line holds titles, name the"),
        (
            "Anna\n",
            {"word": "2", "weight": ""},
            "line 1: expected the word in column 2, found 1 col",
        ),
        ("a,b\nc,d\n", {"word": "name"}, "line 1: expected the title 'name', found a, b: give a"),
        ('Anna,F,5\n"Bea\n\nCy",F,5\n', {}, "line 2: the word .* holds a line end"),
        (
            'Anna,F,5\n"x\ny",F,5\n"Bea,F,5\n',
            {"word": "2"},
            "line 4: this row is not CSV",
        ),
        ('Anna,F,5\n"Bea" B,F,5\n', {}, "line 2: this row is not CSV .* fix its quotes"),
        (
            f"Anna,F,5\nBea,{'x' * 140_000},5\n",
            {},
            r"line 2: this row is not CSV \(a cell has over 131,072 characters\): fix",
        ),
        ("Anna,F,5\n" * 40 + "\x1b[2J,F,x\x1b[2J\n", {}, r"line 41: .*'x\\x1b\[2J'"),
        (f"{'a' * 99},F,{1 << 53}\n" * 5000, {}, "add up to more than .* --weights-as log"),
    ],
)
def test_a_bad_row_is_one_line_that_names_its_place(
    text: str, columns: dict[str, str], message: str
) -> None:
    with pytest.raises(CorpusError, match=message):
        lines_of(text.encode(), Columns(**{"word": "1", "weight": "3", **columns}))


def test_weights_of_many_files_cannot_overflow(tmp_path: Path) -> None:
    paths = [tmp_path / str(i) for i in range(40)]
    for path in paths:
        path.write_text(f"a,{1 << 53}\n")
    columns = Columns("1", "2", ",")
    few = survey_corpus(Corpus.from_paths(*paths[:8], columns=columns), 0.0)
    assert few.facts.symbols == 8 * 2 << 53
    with pytest.raises(CorpusError, match="add up to more than can be counted"):
        survey_corpus(Corpus.from_paths(*paths, columns=columns), 0.0)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"word": "0"}, "--column is 0: columns are numbered from 1"),
        ({"word": "1", "weight": "0"}, "--weights is 0"),
        ({"word": "1", "delimiter": ",;"}, "expected one character, tab or space"),
        ({"word": "1", "delimiter": '"'}, "expected one character, tab or space"),
        ({"word": "1", "weights_as": "log"}, "--weights-as log needs --weights"),
        ({"word": "1", "weight": "2", "weights_as": "half"}, "must be one of count, log, distinct"),
    ],
)
def test_columns_that_cannot_be_are_refused(columns: dict[str, str], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Columns(**columns)


def test_weights_can_count_for_less() -> None:
    rows = [("anna", 1), ("bea", 2), ("cy", 3), ("anna", 4), ("dora", 1023), ("eve", 1024)]
    data = table(rows)
    assert [k for _, k in lines_of(data, Columns("1", "3", "", "log"))] == [1, 2, 2, 3, 10, 11]
    distinct = lines_of(data, Columns("1", "3", "", "distinct"))
    assert [k for _, k in distinct] == [1, 1, 1, 0, 1, 1]
    assert [word for word, _ in distinct] == ["anna", "bea", "cy", "", "dora", "eve"]


def test_weights_that_do_not_count_may_be_large() -> None:
    data = table([(name, 1 << 53) for name in NAMES])
    with pytest.raises(CorpusError, match="add up to more than can be counted"):
        lines_of(data, Columns("1", "3"))
    assert lines_of(data, Columns("1", "3", "", "distinct")) == [(name, 1) for name in NAMES]


@pytest.mark.parametrize("model", ["ngram", "mixture"])
def test_weights_over_what_an_n_gram_model_counts_exactly_are_refused(model: str) -> None:
    rows = [(name, 1 << 44) for name in NAMES]
    options = TrainingOptions(model)
    with pytest.raises(TrainingError, match=r"add up to .*e\+16 and the limit is 2\*\*53: use --w"):
        train(weighted(rows), options)
    if model == "ngram":
        train(weighted(rows, weights_as="log"), options)


def test_words_count_as_distinct_in_the_form_in_which_they_are_read() -> None:
    source = Corpus.from_bytes(b"Anna,5\nANNA,7\nanna,9\n").sources
    corpus = Corpus(source, lowercase=True, columns=Columns("1", "2", weights_as="distinct"))
    assert count_bigrams(corpus, holdout=0.0).survey.facts.lines == 1


def test_a_word_of_which_no_character_is_left_weighs_nothing() -> None:
    source = Corpus.from_bytes("\u0301,5\nanna,2\n".encode()).sources
    corpus = Corpus(source, strip_accents=True, columns=Columns("1", "2"))
    assert [list(weights) for _, weights in corpus.read().blocks() if weights is not None] == [
        [0, 2]
    ]
    assert count_bigrams(corpus, holdout=0.0).survey.facts.lines == 2


def test_a_large_table_is_cut_into_blocks_with_its_weights(tmp_path: Path) -> None:
    rows = [('a "b"', 3), ("c,d", 1 << 53), (" é", 2), ("f", 1)]
    corpus = Corpus(
        Corpus.from_bytes(b'"a ""b""",3\n"c,d",9007199254740992\n" \xc3\xa9",2\nf,1\n').sources,
        columns=Columns("1", "2"),
    )
    with batches.blocks_of(corpus, 20) as blocks:
        assert len(blocks) > 1
        found = [
            (word, int(k))
            for block in blocks
            for text, weights in block.read().blocks()
            for word, k in zip(
                text.split("\n"), weights if weights is not None else [], strict=False
            )
        ]
    assert found == rows


def test_the_training_words_of_a_table_are_found_again(tmp_path: Path) -> None:
    path = tmp_path / "names.tsv"
    path.write_bytes(table(ROWS, "{k}\t{name}"))
    corpus = Corpus.from_paths(path, columns=Columns("2", "1", "tab"))
    checkpoint = train(corpus, TrainingOptions(method="counts"))
    words = "".join(training_texts(checkpoint.corpus, str(path))).split("\n")
    assert [word for word in words if word] == [name for name, k in ROWS if k]


def run(*arguments: object) -> Any:
    return CliRunner().invoke(main, list(map(str, arguments)))


def test_the_commands_read_tables(tmp_path: Path) -> None:
    path, model = tmp_path / "names.csv", tmp_path / "m.npz"
    path.write_bytes(b"name,sex,count\n" + table(ROWS))
    done = run("train", path, "-c", model, "--column", "name", "--weights", "count")
    assert done.exit_code == 0, done.output
    assert "read      column name weighted by column count" in done.output
    assert load(model).corpus.lines == sum(k for _, k in ROWS)
    new = run("sample", "-c", model, "-n", 30, "--new", "--seed", 1)
    assert new.exit_code == 0, new.output
    assert not {name for name, k in ROWS if k} & set(new.stdout.split())
    other = tmp_path / "others"
    other.write_text(new.stdout)
    rest = run("sample", "-c", model, "-n", 30, "--exclude", other, "--seed", 1)
    assert rest.exit_code == 0, rest.output
    assert not set(rest.stdout.split()) & set(new.stdout.split())
    checked = run("check", path, "--column", "name", "--weights", "count")
    assert f"words       {len({name for name, k in ROWS if k})} distinct" in checked.output
    total = sum(k for _, k in ROWS)
    assert f"weights     {total} in all, from 1 to 11 a line" in checked.output
    assert "form" not in checked.output


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--weights", "2"], 2, "--column is missing"),
        (["--weights-as", "log"], 2, "--column is missing"),
        (["--column", "0"], 2, "columns are numbered from 1"),
        (["--column", "1", "--weights", "2"], 1, "line 2: expected a whole number"),
    ],
)
def test_wrong_columns_are_refused(
    options: list[str], code: int, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "names.csv"
    path.write_text("Anna,5\nBea,five\n")
    for command in (["train", "-c", str(tmp_path / "m.npz")], ["check"]):
        done = run(*command, path, *options)
        assert done.exit_code == code
        assert message in done.stderr
        assert done.stderr.count("\n") == 1


def test_an_empty_table_holds_no_word() -> None:
    assert list(read_table([], Columns("1"), "t")) == []
    with pytest.raises(CorpusError, match="holds no word"):
        count_bigrams(Corpus(Corpus.from_bytes(b"a,0\n").sources, columns=Columns("1", "2")))


def test_weights_that_are_all_0_are_told(tmp_path: Path) -> None:
    path = tmp_path / "w.csv"
    path.write_text("Anna,0\nBob,0\n")
    told = "w.csv holds no word with a weight above 0: expected one a line"
    for command in (["train", "-c", tmp_path / "m.npz"], ["check"]):
        assert told in run(*command, path, "--column", 1, "--weights", 2).output
    path.write_text("\n")
    assert "w.csv holds no word: expected one a line" in run("check", path, "--column", 1).output


def test_weights_count_in_what_is_scored_and_compared(tmp_path: Path) -> None:
    model, plain, path = (str(tmp_path / name) for name in ("m.npz", "plain", "t.csv"))
    Path(path).write_bytes(b"word,n\nanna,3\nxanna,2\n\nbea,1\n")
    Path(plain).write_text("anna\n" * 3 + "bea\n")
    assert run("train", plain, "-c", model, "--holdout", 0).exit_code == 0
    Path(plain).write_text("anna\n" * 3 + "xanna\n" * 2 + "bea\n")
    columns = ["--column", "word", "--weights", "n"]
    found = run("score", path, "-c", model, "--line-numbers", *columns)
    expected = run("score", plain, "-c", model)
    assert found.exit_code == 0, found.output
    rows = [line.split("\t") for line in found.stdout.splitlines()]
    assert [[row[0], row[-1]] for row in rows] == [  # line and word
        *(["2", "anna"], ["3", "xanna"], ["5", "bea"])
    ]
    assert found.stderr == expected.stderr
    assert "unknown   2 lines" in found.stderr
    compared = [run("compare", model, "--corpus", *more) for more in ([path, *columns], [plain])]
    assert compared[0].exit_code == 0, compared[0].output
    assert compared[0].stdout == compared[1].stdout
    assert run("compare", model, *columns).exit_code == 2
