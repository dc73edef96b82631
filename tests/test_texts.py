"""The whole family of texts through every command that reads text.

What a text holds is found here by a few lines that share nothing with the package: decode, take off
the byte order mark, split at CRLF, CR and LF, leave out what is blank.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from makemore.checkpoint import load
from makemore.cli import main

Run = Callable[..., Result]

GOOD = {
    "one character": b"a",
    "one word": b"anna\n",
    "no final newline": b"anna\nben",
    "blank lines between": b"\n\nanna\n\n\nben\n\n",
    "byte order mark": b"\xef\xbb\xbfanna\nben\n",
    "a second mark is a character": b"\xef\xbb\xbf\xef\xbb\xbfanna\n",
    "CRLF": b"anna\r\nben\r\n",
    "lone CR": b"anna\rben\rcara",
    "all line ends": b"anna\r\r\nben\n\rcara\r\n\n",
    "NUL bytes": b"a\0na\nb\0\0n\n",
    "spaces": b" anna \n \nben  c\n",
    "tab": b"an\tna\nemma\n",
    "dots": b"..\na.b\n.\n",
    "separators of other systems": "a\u2028b\nc\u2029d\ne\x85f\ng\x0bh\ni\x0cj\nk\x1cl\n".encode(),
    "beyond the basic plane": "\U0001d51e\U0001d52b\n😀😁\nanna\n".encode(),
    "composed and decomposed": "zoë\nzoe\u0308\n".encode(),
    "joined emoji": "👩\u200d👩\u200d👧\n".encode(),
    "other scripts": "שלום\nюля\n中文\n".encode(),
    "not for interchange": "a\uffff\ufdd0b\n\U0010ffff\n".encode(),
    "escape sequences": b"\x1b[2J\n\x07\x7f\n",
    "quotes and markup": b"\"'\\<&>$%{}\n--n\n",
}
BAD = {
    "invalid byte": (b"anna\nb\xffn\n", "line 2, byte 6"),
    "lone continuation": (b"\x80", "line 1, byte 0"),
    "cut at its end": (b"anna\nzo\xc3", "line 2, byte 7"),
    "overlong": (b"anna\r\nb\xc0\xafn\n", "line 2, byte 7"),
    "surrogate": (b"anna\rb\xed\xa0\x80\n", "line 2, byte 6"),
    "past Unicode": (b"\xf4\x90\x80\x80", "line 1, byte 0"),
    "UTF-16 with a mark": ("anna\nben\n".encode("utf-16"), "--encoding utf-16"),
    "UTF-16 without": ("annabel\nben\ncara\n".encode("utf-16-le"), "--encoding utf-16-le"),
    "UTF-16, big end first": ("annabel\nben\ncara\n".encode("utf-16-be"), "--encoding utf-16-be"),
    "UTF-32": ("anna\nben\n".encode("utf-32"), "--encoding utf-32"),
}
EMPTY = {
    "nothing": b"",
    "a byte order mark": b"\xef\xbb\xbf",
    "blank lines": b"\n\r\n\r\n\r",
}


def words_of(data: bytes) -> list[str]:
    text = data.decode().removeprefix("\ufeff")
    return [word for word in re.split("\r\n|\r|\n", text) if word]


def pairs_of(word: str) -> Counter[tuple[str, str]]:
    return Counter(zip(["", *word], [*word, ""], strict=True))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs a command line, here and quickly."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, code: int = 0, stdin: bytes = b"") -> Result:
        result = CliRunner().invoke(main, list(arguments), input=stdin)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    return run


def learn(run: Run, data: bytes) -> None:
    """Train the model that knows the pairs of a text and no others."""
    Path("text").write_bytes(data)
    run("train", "text", "--holdout", "0", "--method", "counts", "--smoothing", "0")


def one_line(result: Result) -> str:
    assert result.stdout == ""
    assert result.stderr.startswith("makemore: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


@pytest.mark.parametrize("data", GOOD.values(), ids=GOOD)
def test_every_text_is_learnt_and_written_again_as_it_is(run: Run, data: bytes) -> None:
    words = words_of(data)
    learn(run, data)
    checkpoint = load("makemore.npz")
    assert checkpoint.model.vocabulary.characters == "".join(sorted(set("".join(words))))
    assert checkpoint.corpus.lines == len(words)
    assert checkpoint.corpus.symbols == sum(len(word) + 1 for word in words)
    known = Counter[tuple[str, str]]()
    for word in words:
        known += pairs_of(word)
    run("sample", "-n", "400", "--seed", "1", "-o", "sampled")
    sampled = Path("sampled").read_bytes()
    assert run("sample", "-n", "400", "--seed", "1").stdout_bytes == sampled
    drawn = sampled.decode().split("\n")
    assert len(drawn) == 401
    assert not drawn.pop()
    for word in drawn:
        assert pairs_of(word).keys() <= known.keys()


@pytest.mark.parametrize("data", GOOD.values(), ids=GOOD)
def test_every_text_is_scored_line_by_line(run: Run, data: bytes) -> None:
    words = words_of(data)
    learn(run, data)
    result = run("score", "text")
    rows = [row.split("\t", 3) for row in result.stdout_bytes.decode().split("\n")[:-1]]
    assert [word for _, _, _, word in rows] == words
    assert run("score", "-", stdin=data).stdout_bytes == result.stdout_bytes
    objects = run("score", "text", "--json").stdout_bytes.split(b"\n")[:-1]
    assert [json.loads(row)["word"] for row in objects] == words
    # The mean of its own words is the training loss, and what compare says of the corpus too.
    symbols = sum(len(word) + 1 for word in words)
    mean = sum(float(total) for total, *_ in rows) / symbols
    loss = load("makemore.npz").training.training_loss
    assert math.isclose(mean, loss, abs_tol=1e-4)
    (compared,) = json.loads(run("compare", "makemore.npz", "--corpus", "text", "--json").stdout)
    assert math.isclose(compared["nats_per_symbol"]["corpus"], loss, abs_tol=1e-9)


@pytest.mark.parametrize("data", GOOD.values(), ids=GOOD)
def test_every_text_can_be_excluded_and_checked(run: Run, data: bytes) -> None:
    words = words_of(data)
    learn(run, data)
    drawn = run("sample", "-n", "20", "--seed", "1", "--exclude", "text", "--max-length", "9")
    assert not set(drawn.stdout_bytes.decode().split("\n")) & set(words)
    found = json.loads(run("check", "text", "--json").stdout)
    assert found["lines"] - found["blank"] == len(words)
    assert found["distinct"] == len(set(words))


@pytest.mark.parametrize("errors", ["strict", "skip", "replace"])
def test_text_in_another_encoding_is_not_to_be_left_out(run: Run, errors: str) -> None:
    Path("wide").write_bytes("anna\nben\n".encode("utf-16"))
    reason = "wide looks like UTF-16 text, expected UTF-8: try --encoding utf-16\n"
    assert run("train", "wide", "--errors", errors, code=1).stderr == "makemore: " + reason
    assert run("check", "wide", "--errors", errors, code=1).output.endswith(": " + reason)
    Path("list").write_bytes(b"anna\n\xff\n")
    checked = run("check", "list", "wide", "--errors", errors, code=1).output
    assert checked.endswith("or give --errors skip or replace\n" if errors == "strict" else reason)


@pytest.mark.parametrize(("data", "place"), BAD.values(), ids=BAD)
def test_text_that_is_no_utf_8_is_refused_by_all_with_its_place(
    run: Run, data: bytes, place: str
) -> None:
    learn(run, b"anna\nben\n")
    before = Path("makemore.npz").read_bytes()
    Path("bad").write_bytes(data)
    for arguments in (
        ["train", "bad"],
        ["train", "bad", "--model", "ngram"],
        ["train", "bad", "--min-count", "2"],
        ["train", "bad", "--min-count", "2", "--unknown"],
        ["train", "bad", "--symbols", "an"],
        ["compare", "makemore.npz", "--corpus", "bad"],
        ["sample", "--seed", "1", "--exclude", "bad"],
    ):
        message = one_line(run(*arguments, code=1))
        assert message.startswith("makemore: bad")
        if arguments[0] == "sample" and place.startswith("--encoding"):  # which it has not
            assert "convert the file to the encoding" in message
        else:
            assert place in message
    assert place in run("score", "bad", code=1).stderr
    assert place in run("check", "bad", code=1).stdout
    assert place in one_line(run("train", "-", code=1, stdin=data)).replace("stdin", "bad")
    assert Path("makemore.npz").read_bytes() == before


@pytest.mark.parametrize("data", EMPTY.values(), ids=EMPTY)
def test_a_text_without_a_word_is_said_to_be_so(run: Run, data: bytes) -> None:
    learn(run, b"anna\nben\n")
    Path("empty").write_bytes(data)
    assert "holds no word" in one_line(run("train", "empty", code=1))
    assert "holds no word" in one_line(run("train", "-", code=1, stdin=data))
    assert "holds no word" in run("check", "empty", code=1).stdout
    assert run("score", "empty").stdout == ""
    assert run("sample", "--seed", "1", "--exclude", "empty").stdout.count("\n") == 20
    assert "holds no word" in one_line(run("compare", "makemore.npz", "--corpus", "empty", code=1))


def test_an_alphabet_over_the_limit_is_refused_before_it_costs_anything(run: Run) -> None:
    learn(run, b"anna\nben\n")
    Path("wide").write_text("\n".join(chr(0x4E00 + i) for i in range(8192)), encoding="utf-8")
    assert "8,192" in one_line(run("train", "wide", code=1))
    assert "8,192" in run("check", "wide", code=1).stdout
    assert "8,192 lines" in run("score", "wide").stderr
    run("train", "wide", "--min-count", "2", code=1)


@pytest.mark.parametrize("command", ["train", "train --jobs 2", "train --model ngram", "check"])
def test_a_file_without_lines_is_refused_by_naming_the_line(run: Run, command: str) -> None:
    with open("endless", "wb") as file:
        file.write(b"anna\n")
        file.truncate(1 << 28)  # zeros that take no place
    line = one_line(run(*command.split(), "endless", code=1))
    assert "endless, line 2, byte 5: expected one word a line, found a line over 67,108,864" in line


def test_a_line_of_fifty_megabytes_is_a_word(run: Run) -> None:
    Path("long").write_bytes(b"abcdefghij" * 5_000_000)
    run("train", "long", "--holdout", "0", "--method", "counts", "--smoothing", "0")
    # nine of ten pairs are certain, j is followed by a but for the end: log 5e6 nats in all
    loss = load("makemore.npz").training.training_loss
    n = 5_000_000
    expected = ((n - 1) * math.log(n / (n - 1)) + math.log(n)) / (10 * n + 1)
    assert math.isclose(loss, expected, rel_tol=1e-6)
    assert json.loads(run("check", "long", "--json").stdout)["longest"] == 50_000_000
