"""The look before training, against counting by hand."""

import unicodedata
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from corpus_oracles import in_blocks, words_in
from hypothesis import given, settings
from hypothesis import strategies as st

from makemore.data import check, holdout
from makemore.data.check import check_corpus
from makemore.data.corpus import Corpus
from makemore.data.formats import MAX_EXAMPLES
from makemore.data.table import Columns
from makemore.data.vocabulary import MAX_VOCABULARY
from makemore.errors import CorpusError
from makemore.reporting import describe_check
from makemore.training.train import train


@given(st.text("aab\n\r é中\u0301", max_size=40), st.integers(1, 9))
@settings(deadline=None)
def test_figures_equal_those_counted_by_hand(text: str, block_size: int) -> None:
    found = in_blocks(block_size, check_corpus, Corpus.from_bytes(text.encode()))
    words = words_in(text)
    lines = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")
    assert found.lines == (len(lines) if text else 0)
    assert found.blank == found.lines - len(words)
    assert (found.distinct, found.distinct_is_exact) == (len(set(words)), True)
    assert found.duplicates == len(words) - len(set(words))
    lengths = sorted(map(len, words)) or [0]
    assert (found.shortest, found.longest) == (lengths[0], lengths[-1])
    assert found.median == lengths[(len(lengths) - 1) // 2]
    counts = {fact.character: fact.count for fact in found.characters}
    assert counts == Counter("".join(words))
    assert list(counts.values()) == sorted(counts.values(), reverse=True)
    assert bool(found.failure) == (not words)


def test_a_corpus_of_which_every_word_is_held_out_is_one_that_training_refuses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not check_corpus(Corpus.from_words(["bs", "bw"])).failure
    monkeypatch.setattr(holdout, "MAX_EXACT_TEXT", 3)
    corpus = Corpus.from_words(["bs", "bw"])  # both are, by their hashes
    with pytest.raises(CorpusError) as refused:
        train(corpus)
    assert check_corpus(corpus).failure == str(refused.value)
    assert not check_corpus(corpus, holdout=0).failure
    assert not check_corpus(Corpus.from_words(["bs", "bw", "emma"])).failure


def test_suspicious_characters_are_noted_with_their_reason() -> None:
    found = check_corpus(Corpus.from_words(["a\x1bb c", "a\u200bb", "a\xa0b", "\ufffd", "\ue000"]))
    assert {fact.code_point: fact.note.split()[0] for fact in found.suspicious} == {
        "U+001B": "control",
        "U+200B": "invisible:",
        "U+00A0": "unusual",
        "U+FFFD": "replacement",
        "U+E000": "private",
    }


def test_rare_characters_are_those_below_ten() -> None:
    found = check_corpus(Corpus.from_words(["a" * 1000, *"c" * 10, *"b" * 9]))
    assert [fact.character for fact in found.rare] == ["b"]


def test_where_most_characters_are_rare_none_is_told() -> None:
    found = check_corpus(Corpus.from_words(["Anna", "Bea", "Cy", "Dora", "Eve"]))
    assert found.rare == ()
    assert "rare" not in describe_check(found)


@pytest.mark.parametrize("block_size", [1, 7, 1000])
def test_words_with_several_spaces_in_a_row_are_told_and_do_no_harm(block_size: int) -> None:
    words = ["Anna Maria", "Anna  Maria", "  Bea", "Cy  ", "Zoë   May ", "  ", "a\t\tb"]
    found = in_blocks(block_size, check_corpus, Corpus.from_words(words))
    assert found.doubled_spaces.examples == ((2, words[1]), (5, words[4]))
    told = "2 words with several spaces in a row: Anna  Maria (line 2), Zoë   May  (line 5)"
    assert f"odd         {told}" in describe_check(found).splitlines()
    assert not found.failure
    assert "in a row" not in describe_check(check_corpus(Corpus.from_words(words[:1])))


def test_long_words_that_are_odd_are_cut() -> None:
    found = describe_check(check_corpus(Corpus.from_words([" " + "ab  " * 30_000])))
    assert len(found) < 1000
    assert f"in a row:  {('ab  ' * 15)[:59]}… (line 1)" in found


@pytest.mark.parametrize("block_size", [1, 7, 1000])
def test_a_weight_counts_as_so_many_words_of_its_length(block_size: int) -> None:
    rows = [("a", 1), ("bcd", 9), ("", 99), ("ef", 3), ("g", 0), ("hijklm", 2)]
    data = "".join(f"{word},{k}\n" for word, k in rows).encode()
    table = replace(Corpus.from_bytes(data), columns=Columns("1", "2"))
    found = in_blocks(block_size, check_corpus, table)
    same = check_corpus(Corpus.from_words([word for word, k in rows for _ in range(k)]))
    assert (
        (found.median, found.characters) == (same.median, same.characters) == (3, found.characters)
    )


def test_words_of_two_scripts_are_found_with_their_lines() -> None:
    words = [
        "emma",
        "p\u0430ul",
        "\u044e\u043b\u044f",
        "東京タワー",
        "zoë-1",
        "ªº",
        "日本ｱ",
        "µm",
        "xⁿ",
    ]
    found = in_blocks(3, check_corpus, Corpus.from_words(words))
    assert found.mixed_scripts.words == 1
    assert found.mixed_scripts.examples == ((2, "p\u0430ul"),)


@pytest.mark.parametrize(("words", "beside"), [(["Zoë", "Zoe\u0308"], True), (["e\u0308"], False)])
def test_decomposed_accents_are_found(words: list[str], beside: bool) -> None:
    found = check_corpus(Corpus.from_words(words))
    assert found.decomposed.words == 1
    assert found.decomposed.examples == ((len(words), words[-1]),)
    assert found.composed_beside_decomposed == beside
    assert not check_corpus(Corpus.from_words(["Zoë"])).composed_beside_decomposed


@pytest.mark.parametrize("piece", range(1, 12))
def test_mixed_scripts_are_found_across_pieces(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "_PIECE", piece)
    words = ["emma", "paul\u0430", "\u044e\u043b\u044f", "\u044e---------a", "zoë"]
    found = check_corpus(Corpus.from_words(words))
    assert found.mixed_scripts.examples == ((2, words[1]), (4, words[3]))


def test_mixed_scripts_are_found_where_there_are_dozens() -> None:
    letters = [  # one of each script, by the first word of their names
        next(c for c in map(chr, range(0x80, 0xB000)) if unicodedata.name(c, "").startswith(script))
        for script in SCRIPTS
    ]
    mixed = letters[-2] + letters[-1]
    found = check_corpus(Corpus.from_words([*letters, mixed]))
    assert found.mixed_scripts.examples == ((len(letters) + 1, mixed),)


SCRIPTS = [
    f"{name} LETTER"
    for name in (
        "GREEK CAPITAL,CYRILLIC CAPITAL,ARMENIAN CAPITAL,HEBREW,ARABIC,SYRIAC,THAANA,NKO,SAMARITAN,"
        "MANDAIC,DEVANAGARI,BENGALI,GURMUKHI,GUJARATI,ORIYA,TAMIL,TELUGU,KANNADA,MALAYALAM,SINHALA,"
        "LAO,TIBETAN,MYANMAR,GEORGIAN SMALL,CHEROKEE,OGHAM,RUNIC,TAGALOG,HANUNOO,BUHID,TAGBANWA,"
        "KHMER,MONGOLIAN,LIMBU,TAI LE,NEW TAI LUE,BUGINESE,BALINESE,SUNDANESE,BATAK,LEPCHA,TIFINAGH"
    ).split(",")
]


@pytest.mark.parametrize("block_size", [1, 5, 1000])
def test_lines_that_are_not_utf_8_are_named_and_the_others_are_looked_at(block_size: int) -> None:
    data = b"emma\nav\xffa\r\n\nola\r\xc3\nola\n" + b"\x80\n" * 9
    found = in_blocks(block_size, check_corpus, Corpus.from_bytes(data, "list"))
    assert (found.lines, found.blank, found.undecodable) == (15, 1, 11)
    assert (found.distinct, found.duplicates) == (2, 1)
    assert len(found.encoding_errors) == MAX_EXAMPLES
    places = [error.partition(":")[0] for error in found.encoding_errors[:4]]
    assert places == [
        "list, line 2, byte 7",
        "list, line 5, byte 16",
        "list, line 7, byte 22",
        "list, line 8, byte 24",
    ]
    assert found.failure == found.encoding_errors[0] + ", or give --errors skip or replace"
    letters = "".join(fact.character for fact in found.characters)
    assert letters == "almoe"  # those that occur as often are in the order of their code points


@pytest.mark.parametrize(
    "data",
    [
        b"name\nem\xffma\nava\n",
        b"name\n\xff\r\nava\n",
        b"name\nem\xc3\xa9ma\nzo\xc3",
        b"name\nzo\xeb",
        b"name\nzo\xeb\n",
        b"name,n\nzo\xeb,5\nava\n",  # the second line is damaged, and the third has no weight
        b"name,n\nava\nzo\xeb,5\n",
    ],
)
def test_the_reason_is_that_of_training(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(data)
    columns = Columns("name", "n") if b"," in data else None
    corpus = replace(Corpus.from_paths(path), columns=columns)
    with pytest.raises(CorpusError) as refused:
        train(corpus)
    try:
        reason = check_corpus(corpus).failure.removesuffix(", or give --errors skip or replace")
    except CorpusError as error:
        reason = str(error)
    assert reason == str(refused.value)


def test_damaged_lines_are_named_where_each_byte_is_a_character() -> None:
    sources = Corpus.from_bytes(b"abc\n\x81x\r\nok\r\x8dy\n", "list").sources
    found = in_blocks(2, check_corpus, Corpus(sources, encoding="cp1252"))
    assert (found.lines, found.undecodable, found.distinct, found.is_whole) == (4, 2, 2, True)
    places = [error.partition(":")[0] for error in found.encoding_errors]
    assert places == ["list, line 2, byte 4", "list, line 4, byte 11"]


def test_damaged_lines_do_not_hide_the_others_where_the_text_is_changed() -> None:
    sources = Corpus.from_bytes(b"Anna\n" * 50 + b"\xff\n" + b"anna\n" * 50).sources
    found = check_corpus(Corpus(sources, lowercase=True))
    assert (found.lines, found.undecodable, found.distinct, found.duplicates) == (101, 1, 1, 99)


def test_in_another_encoding_the_reading_ends_at_the_first_error() -> None:
    corpus = Corpus(Corpus.from_bytes(b"emma\n\x81\n\x81\nava\n").sources, encoding="shift_jis")
    found = in_blocks(6, check_corpus, corpus)
    assert found.undecodable == len(found.encoding_errors) == 1
    assert ", line 2, byte 5:" in found.failure
    assert not found.is_whole


def test_too_large_an_alphabet_would_fail() -> None:
    words = [chr(0x4E00 + i) for i in range(MAX_VOCABULARY)]
    assert "--min-count" in check_corpus(Corpus.from_words(words)).failure
    assert not check_corpus(Corpus.from_words(words[1:])).failure


def test_many_distinct_words_are_estimated_and_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "MAX_EXACT", 1 << 12)
    words = [str(i) for i in range(50_000)] * 2
    found = in_blocks(1000, check_corpus, Corpus.from_words(words))
    assert not found.distinct_is_exact
    assert found.distinct == pytest.approx(50_000, rel=4 / 64)  # four standard errors, 1/sqrt(4096)
    assert found.duplicates == 100_000 - found.distinct


def test_an_estimate_is_no_more_than_the_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "MAX_EXACT", 8)
    for start in range(0, 1000, 50):  # of so rough estimates about half are too large
        words = [str(i) for i in range(start, start + 50)]
        found = check_corpus(Corpus.from_words(words))
        assert not found.distinct_is_exact
        assert found.distinct <= 50
        assert found.duplicates >= 0


@pytest.mark.parametrize("errors", ["strict", "skip", "replace"])
def test_a_line_that_cannot_be_decoded_is_not_blank(errors: str) -> None:
    corpus = replace(Corpus.from_bytes(b"em\xffma\n\nava\n"), errors=errors)
    assert check_corpus(corpus).blank == 1
