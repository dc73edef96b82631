"""Reading: sources, encodings, line ends, changes, and errors that name the place."""

import errno
import gzip
import hashlib
import io
import lzma
import os
import re
import subprocess
import sys
import threading
import unicodedata
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from corpus_oracles import words_in
from hypothesis import given, settings
from hypothesis import strategies as st

from makemore.data import text as text_module
from makemore.data.corpus import Corpus
from makemore.data.sources import BytesSource, line_spans
from makemore.data.text import LineDecoder, has_plain_line_feeds
from makemore.errors import CorpusError, DecodingError, LongLineError, OptionError

ENCODINGS = ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "shift_jis", "utf-7"]


def blocks_of(corpus: Corpus, block_size: int) -> list[str]:
    return list(corpus.read(block_size=block_size))


@given(st.text("ab\n\r\x85\x0b\u2028éж日😀", max_size=40), st.integers(1, 9))
@settings(max_examples=300, deadline=None)
def test_blocks_are_whole_lines_and_hold_every_word(text: str, block_size: int) -> None:
    blocks = blocks_of(Corpus.from_bytes(text.encode()), block_size)
    assert all(block.endswith("\n") and "\r" not in block for block in blocks)
    assert [word for block in blocks for word in block.split("\n") if word] == words_in(text)


LINES = st.tuples(st.integers(0, 14), st.sampled_from(["\n", "\r", "\r\n"]))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "shift_jis"])
@given(st.lists(LINES, min_size=1), st.booleans(), st.integers(1, 60))
@settings(max_examples=200, deadline=None)
def test_a_line_over_the_limit_is_refused_whatever_the_block_size(
    encoding: str, lines: list[tuple[int, str]], is_ended: bool, block_size: int
) -> None:
    text = "".join("a" * length + end for length, end in lines)
    text = text if is_ended else text.rstrip("\r\n")
    corpus = Corpus.from_bytes(text.encode(encoding))
    corpus = replace(corpus, encoding="utf-8" if encoding == "utf-8-sig" else encoding)
    lengths = list(map(len, re.split("\r\n|\n|\r", text)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_module, "MAX_LINE", 10)
        if max(lengths) <= 10:
            assert [
                word for b in corpus.read(block_size=block_size) for word in words_in(b)
            ] == words_in(text)
            return
        line = next(i for i, length in enumerate(lengths, 1) if length > 10)
        has_mark = encoding in ("utf-8-sig", "utf-16")
        byte = (
            r"\d+" if has_mark else len("".join(re.findall("a*(?:\r\n|\r|\n)", text)[: line - 1]))
        )
        match = rf"^bytes, line {line}, byte {byte}: .* a line over 10 "
        with pytest.raises(LongLineError, match=match):
            blocks_of(corpus, block_size)


def test_lines_that_end_at_cr_below_one_that_ends_at_lf_are_not_taken_for_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(text_module, "MAX_LINE", 10)
    corpus = Corpus.from_bytes(b"a\n" + b"b\r" * 6 + b"c" * 10)
    for block_size in range(1, 30):
        assert "".join(blocks_of(corpus, block_size)).split() == ["a", *"bbbbbb", "c" * 10]


class Endless(io.RawIOBase):
    """Letters without a line end, or nearly so."""

    delivered = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.delivered > 1_000_000:
            return 0
        buffer[:] = b"a" * len(buffer)
        self.delivered += len(buffer)
        return len(buffer)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-7"])
def test_a_line_without_end_is_refused_before_it_fills_the_memory(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_module, "MAX_LINE", 10_000)
    endless = Endless()
    monkeypatch.setattr(BytesSource, "open", lambda source: endless)
    corpus = Corpus((BytesSource("endless", b"", begins_file=False),), encoding=encoding)
    with pytest.raises(LongLineError):
        blocks_of(corpus, 100)
    assert 10_000 < endless.delivered < 11_000


def test_a_block_is_no_longer_than_asked_where_lines_are_short() -> None:
    data = b"emma\n" * 10_000
    assert max(map(len, blocks_of(Corpus.from_bytes(data), 1000))) <= 1000 + len("emma\n")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("block_size", [1, 2, 3, 5, 1000])
def test_every_encoding_gives_the_same_words(encoding: str, block_size: int) -> None:
    text = "ab\r\nя\r日本\n\nlast"
    corpus = Corpus(Corpus.from_bytes(text.encode(encoding)).sources, encoding=encoding)
    assert [w for b in blocks_of(corpus, block_size) for w in words_in(b)] == words_in(text)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le"])
def test_a_byte_order_mark_is_no_part_of_the_first_word_and_stays_elsewhere(encoding: str) -> None:
    data = "\ufeffemma\n\ufeffava".encode(encoding)
    corpus = Corpus(Corpus.from_bytes(data).sources, encoding=encoding)
    assert list(corpus.words()) == ["emma", "\ufeffava"]


@pytest.mark.parametrize(
    ("encoding", "hint"),
    [
        ("utf-16", "utf-16"),
        ("utf-32", "utf-32"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
    ],
)
@pytest.mark.parametrize("text", ["emma\nolivia\nava", "юля\nжжж\n" * 40])
def test_utf_16_is_recognised_and_the_option_named(encoding: str, hint: str, text: str) -> None:
    with pytest.raises(CorpusError, match=rf"--encoding {hint}$"):
        blocks_of(Corpus.from_bytes(text.encode(encoding)), 7)


def test_nul_bytes_in_utf_8_text_stand() -> None:
    assert list(Corpus.from_bytes(b"a\0b\n\0\n" * 5).words()) == ["a\0b", "\0"] * 5


@given(
    st.lists(st.sampled_from(["ab", "é", "\n", "\r", "\r\n", "я"]), max_size=12),
    st.sampled_from([b"\xff", b"\xc3", b"\xe2\x82", b"\xed\xa0\x80"]),
    st.sampled_from([b"", b"\n", b"\nab"]),
    st.integers(1, 9),
)
@settings(max_examples=300, deadline=None)
def test_an_encoding_error_names_file_line_and_byte(
    parts: list[str], bad: bytes, after: bytes, block_size: int
) -> None:
    before = "".join(parts)
    data = before.encode() + bad + after
    line = before.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
    with pytest.raises(CorpusError) as caught:
        blocks_of(Corpus.from_bytes(data, "list.txt"), block_size)
    place = f"list.txt, line {line}, byte {len(before.encode())}: expected utf-8"
    assert str(caught.value).startswith(place)


@pytest.mark.parametrize("block_size", range(1, 12))
def test_an_encoding_error_in_another_encoding_names_the_place(block_size: int) -> None:
    data = "日本\r\n日\r".encode("shift_jis") + b"\x82\x20"
    corpus = Corpus(Corpus.from_bytes(data, "list").sources, encoding="shift_jis")
    with pytest.raises(CorpusError, match="list, line 3, byte 9: expected shift_jis"):
        blocks_of(corpus, block_size)


@pytest.mark.parametrize(
    ("encoding", "bad"),
    [
        *(("utf-7", bad) for bad in (b"\xff", b"+2AA-", b"+2AAAbg-")),  # a lone surrogate
        *(("iso2022_jp", bad) for bad in (b"\xff", b"\x1b(Q", b"\x1b(mmmmmmmmm")),
        *(("iso2022_kr", bad) for bad in (b"\xff", b"\x1b$)Q", b"\x1b(mmmmmmmmm")),
        *(("hz", bad) for bad in (b"\xff", b"~x", b"~{!\xff")),
        *(("raw_unicode_escape", bad) for bad in (rb"\ud800", rb"\u12_")),
        *(("unicode_escape", bad) for bad in (rb"\ud800", rb"\xg", rb"\N{no such name}")),
        *(("gb18030", bad) for bad in (b"\xff", b"\x81\x30\xff")),
        *(("utf-8-sig", bad) for bad in (b"\xff", b"\xed\xa0\x80")),
        *((f"utf-{n}", "ab".encode(f"utf-{n}-be")) for n in (16, 32)),  # without its mark
    ],
)
def test_an_error_in_an_odd_encoding_names_file_line_and_byte(encoding: str, bad: bytes) -> None:
    has_no_mark = encoding in ("utf-16", "utf-32")
    for before in ("", "ab\n", "ab\r\n\rb") if not has_no_mark else ("",):
        offset = len(before.encode(encoding)) if before else 0
        offset += 2 if bad == b"~{!\xff" else 0
        for after in (b"", b"\nab\n" + bad):
            data = (before.encode(encoding) if before else b"") + bad + after
            for block_size in (1, 2, 3, 5, 8, 1000):
                corpus = Corpus(Corpus.from_bytes(data, "list").sources, encoding)
                line = before.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
                with pytest.raises(CorpusError) as caught:
                    blocks_of(corpus, block_size)
                assert f"list, line {line}, byte {offset}: expected " in str(caught.value)


@pytest.mark.parametrize("data", [b"a\0b\0", b"a\0\0\xdcb\0"])  # the second has half a character
@pytest.mark.parametrize("block_size", [1, 2, 3, 1 << 20])
def test_utf_16_without_its_mark_is_an_error_of_one_line(data: bytes, block_size: int) -> None:
    corpus = Corpus(Corpus.from_bytes(data).sources, encoding="utf-16")
    with pytest.raises(CorpusError, match=r"utf-16.*BOM"):
        blocks_of(corpus, block_size)


def test_surrogates_are_refused() -> None:
    corpus = Corpus(Corpus.from_bytes(rb"\ud800").sources, encoding="unicode_escape")
    with pytest.raises(CorpusError, match="surrogates"):
        list(corpus.words())
    with pytest.raises(CorpusError, match="surrogate"):
        Corpus.from_words(["a\ud800"])


@pytest.mark.parametrize(
    ("encoding", "plain"),
    [
        *((name, True) for name in ["utf-8", "UTF8", "ascii", "latin-1", "cp1252", "koi8-r"]),
        *((name, False) for name in ["utf-16", "utf-7", "shift_jis", "gbk", "big5"]),
        *((name, False) for name in ["iso2022_jp", "hz", "cp037"]),  # shifts, shifts, EBCDIC
        *((name, False) for name in ["idna", "undefined"]),  # replace nothing
    ],
)
def test_files_are_cut_only_where_a_line_feed_is_what_it_seems(encoding: str, plain: bool) -> None:
    assert has_plain_line_feeds(encoding) == plain


@pytest.mark.parametrize("encoding", ["nonsense", "rot13", "hex", "a\0b", ""])
def test_an_unknown_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(OptionError, match="unknown encoding"):
        Corpus(Corpus.from_bytes(b"").sources, encoding=encoding)


@pytest.mark.parametrize("words", [["a\nb"], ["a\r"]])
def test_a_word_with_a_line_end_is_refused(words: list[str]) -> None:
    with pytest.raises(CorpusError, match="line end"):
        Corpus.from_words(words)


def test_nothing_is_changed_unasked() -> None:
    words = [" Zoe\u0308 ", "Zo\u00eb", "ﬁ", "\tA\x1b", ".", "BZh91AY"]
    assert list(Corpus.from_words(words).words()) == words
    assert list(Corpus.from_bytes("\n".join(words[::-1]).encode()).words()) == words[::-1]


def test_words_that_look_like_marks_of_a_file_are_words() -> None:
    for words in (["\ufeff"], ["BZh91AY&SY"], ["\0"] * 20, ["a\0"] * 20):
        assert list(Corpus.from_words(words).words()) == words


def test_changes_that_are_asked_for() -> None:
    sources = Corpus.from_words(["ÉLÉA", "Zoe\u0308", "ﬁ", "ΟΔΟΣ", "\u0301"]).sources

    def read(**options: str | bool) -> list[str]:
        return list(Corpus(sources, **options).words())  # type: ignore[arg-type]

    assert read(lowercase=True) == ["éléa", "zoe\u0308", "ﬁ", "οδος", "\u0301"]
    assert read(strip_accents=True) == ["ELEA", "Zoe", "ﬁ", "ΟΔΟΣ"]
    assert read(normalize="nfc") == ["ÉLÉA", "Zoë", "ﬁ", "ΟΔΟΣ", "\u0301"]
    assert read(normalize="nfkc") == ["ÉLÉA", "Zoë", "fi", "ΟΔΟΣ", "\u0301"]
    with pytest.raises(OptionError, match="expected nfc or nfkc"):
        read(normalize="nfd")


@pytest.mark.parametrize("word", ["\u0130zmir", "I\u0307zmir"])
def test_the_turkish_capital_leaves_no_dot_behind(word: str) -> None:
    corpus = Corpus.from_words([word, "IRMAK"])
    assert list(replace(corpus, lowercase=True).words()) == ["izmir", "irmak"]
    both = replace(corpus, lowercase=True, strip_accents=True, normalize="nfc")
    assert list(both.words()) == ["izmir", "irmak"]


def test_strokes_are_stripped_and_letters_without_a_mark_stay() -> None:
    words = ["Łódź", "Øre", "\u01ff", "Đặng", "Ħal", "Ŧ", "Straße", "Ægir", "œuf", "Þór", "ð"]
    corpus = replace(Corpus.from_words(words), strip_accents=True)
    expected = ["Lodz", "Ore", "o", "Dang", "Hal", "T", "Straße", "Ægir", "œuf", "Þor", "ð"]
    assert list(corpus.words()) == expected


@given(st.text("aé\u0301ÅΣﬁ\n", max_size=30), st.integers(1, 9))
@settings(deadline=None)
def test_changes_do_not_depend_on_blocks(text: str, block_size: int) -> None:
    sources = Corpus.from_bytes(text.encode()).sources
    corpus = Corpus(sources, lowercase=True, normalize="nfkc")
    expected = unicodedata.normalize("NFKC", text).lower()
    assert [w for b in blocks_of(corpus, block_size) for w in words_in(b)] == words_in(expected)


def test_the_digest_is_of_the_bytes_before_decoding_and_after_decompression() -> None:
    data = b"\xef\xbb\xbfemma\r\n"
    for packed in (data, gzip.compress(data)):
        reading = Corpus.from_bytes(packed).read(digest=True, block_size=2)
        list(reading)
        assert reading.sha256 == hashlib.sha256(data).hexdigest()


def test_the_digest_of_several_sources_is_of_their_digests() -> None:
    one, two = Corpus.from_bytes(b"emma"), Corpus.from_bytes(b"ava")
    reading = Corpus(one.sources + two.sources).read(digest=True)
    list(reading)
    digests = hashlib.sha256(b"emma").digest() + hashlib.sha256(b"ava").digest()
    assert reading.sha256 == hashlib.sha256(digests).hexdigest()


@pytest.mark.parametrize("path", ["missing.txt", ".", "a\0b"])
def test_what_cannot_be_opened_is_an_error_of_one_line(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for progress in (None, lambda *_: None):
        with pytest.raises(CorpusError, match=r"^cannot read ") as caught:
            list(Corpus.from_paths(path).read(progress=progress))
        assert str(caught.value).isprintable()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_an_error_of_one_line(tmp_path: Path) -> None:
    path = tmp_path / "closed"
    path.touch(mode=0)
    with pytest.raises(CorpusError, match="Permission denied"):
        list(Corpus.from_paths(path).words())


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_a_damaged_archive_is_an_error_of_one_line(pack: object) -> None:
    assert callable(pack)
    packed = pack(os.urandom(1000))
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 0xFF
    for damaged in (packed[:-1], packed[:200], bytes(flipped)):
        with pytest.raises(CorpusError, match=r"^cannot read archive: "):
            blocks_of(Corpus(Corpus.from_bytes(damaged, "archive").sources, "latin-1"), 10)


def test_control_characters_of_a_path_do_not_reach_messages(tmp_path: Path) -> None:
    with pytest.raises(CorpusError) as caught:
        list(Corpus.from_paths(tmp_path / "\x1b[2J").words())
    assert str(caught.value).isprintable()


def test_stdin_is_read_and_can_be_kept_for_a_second_pass() -> None:
    program = (
        "from makemore.data.corpus import Corpus\n"
        "with Corpus.from_paths('-').rereadable() as corpus:\n"
        "    print(corpus.name, list(corpus.words()), list(corpus.words()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=b"emma\nava", capture_output=True, check=True
    )
    assert done.stdout == b"stdin ['emma', 'ava'] ['emma', 'ava']\n"


def test_a_closed_stdin_is_an_error_of_one_line() -> None:
    program = "from makemore.data.corpus import Corpus; list(Corpus.from_paths('-').words())"
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" <&-', sys.executable, program], capture_output=True
    )
    assert b"CorpusError: cannot read stdin" in done.stderr


def test_progress_ends_at_the_size_of_all_files(tmp_path: Path) -> None:
    paths = [tmp_path / "a.gz", tmp_path / "b"]
    paths[0].write_bytes(gzip.compress(b"emma\n" * 1000))
    paths[1].write_bytes(b"ava\n" * 1000)
    calls: list[tuple[int, int | None]] = []
    list(
        Corpus.from_paths(*paths).read(
            lambda done, total: calls.append((done, total)), block_size=1000
        )
    )
    size = sum(path.stat().st_size for path in paths)
    assert calls == sorted(calls)
    assert calls[-1] == (size, size)


NO_LINE_END = st.binary(max_size=4).filter(lambda line: not set(line) & {10, 13})


def test_a_line_that_ends_within_a_character_is_not_given() -> None:
    blocks = iter(Corpus.from_bytes(b"emma\nzo\xc3").read(block_size=4))
    assert next(blocks) == "emma\n"
    with pytest.raises(DecodingError, match=r"line 2, byte 7: .*unexpected end of data"):
        next(blocks)


def test_a_line_ended_by_cr_is_given_when_the_next_character_has_come() -> None:
    decoder = LineDecoder("it", "utf-8")
    parts = [b"emma\r", b"ava\r", b"", b"\nmia\r", b"\xc3", b"\xa9\r"]
    assert [list(decoder.decode(part)) for part in parts] == [
        [],
        ["emma\n"],
        [],
        ["ava\n"],
        [],
        ["mia\n"],
    ]
    assert list(decoder.decode(b"", final=True)) == ["\xe9\n"]


def decoded(parts: list[bytes], salvages: bool) -> tuple[str, list[str]]:
    """Return the text of a source that comes in these parts, and the places of its errors."""
    errors: list[str] = []
    note = (lambda error: errors.append(str(error))) if salvages else None
    decoder = LineDecoder("it", "utf-8", on_error=note)
    text = ""
    try:
        for part in parts:
            for block in decoder.decode(part):
                text += block
        for block in decoder.decode(b"", final=True):
            text += block
    except DecodingError as error:
        errors.append(str(error))
    return text, [error.partition(": expected")[0] for error in errors]


@given(
    st.lists(st.sampled_from([b"a", b"\r", b"\n", b"\xc3\xa9", b"\xff", b"\xef\xbb\xbf"])),
    st.lists(st.integers(0, 40)),
    st.booleans(),
)
def test_text_and_errors_do_not_depend_on_how_the_bytes_are_cut(
    characters: list[bytes], cuts: list[int], salvages: bool
) -> None:
    data = b"".join(characters)
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    parts = [data[start:stop] for start, stop in pairwise(bounds)]

    assert decoded(parts, salvages) == decoded([data], salvages)


def test_a_line_ended_by_cr_before_a_damaged_one_is_given() -> None:
    assert decoded([b"emma\r\xff\n"], False) == ("emma\n", ["it, line 2, byte 5"])
    assert decoded([b"emma\r", b"\xff\n"], False) == ("emma\n", ["it, line 2, byte 5"])


@given(st.lists(NO_LINE_END, max_size=6), st.integers(1, 9))
def test_the_lines_before_a_damaged_one_come_however_the_bytes_are_cut(
    lines: list[bytes], size: int
) -> None:
    data = b"".join(line + b"\n" for line in lines)
    good = []
    for line in lines:
        try:
            good.append(line.decode())
        except UnicodeDecodeError:
            break
    decoder = LineDecoder("it", "utf-8", begins_text=False)
    found, told = "", ""
    try:
        for i in range(0, len(data), size):
            for block in decoder.decode(data[i : i + size]):
                found += block
        for block in decoder.decode(b"", final=True):
            found += block
    except DecodingError as error:
        told = str(error)
    assert found == "".join(line + "\n" for line in good)
    expected = "" if len(good) == len(lines) else f"it, line {len(good) + 1}, byte "
    assert told.startswith(expected)
    assert bool(told) == bool(expected)


def test_parts_of_a_file_that_has_become_shorter_end() -> None:
    assert list(line_spans(io.BytesIO(b""), 10, 4)) == [(0, 4), (4, 8), (8, 10)]


def test_a_pipe_is_refused_as_its_file_is(tmp_path: Path) -> None:
    path = tmp_path / "twice.gz"
    path.write_bytes(gzip.compress(gzip.compress(b"emma\nava\n")))
    with pytest.raises(CorpusError, match="gzip file inside a compressed one"):
        list(Corpus.from_paths(path).read())
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=lambda: pipe.write_bytes(path.read_bytes()), daemon=True).start()
    with (
        pytest.raises(CorpusError, match="gzip file inside a compressed one"),
        Corpus.from_paths(pipe).rereadable(),
    ):
        pass


def test_a_temporary_folder_without_room_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=lambda: pipe.write_bytes(b"emma\n" * 1000), daemon=True).start()
    monkeypatch.setattr("makemore.data.corpus.open", full, raising=False)
    with (
        pytest.raises(CorpusError, match=r"cannot copy .*pipe to a temporary file: No space left"),
        Corpus.from_paths(pipe).rereadable(),
    ):
        pass


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
