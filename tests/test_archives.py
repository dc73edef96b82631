"""Archives and other formats: one list in a zip is read, what holds no list is named."""

import bz2
import gzip
import io
import lzma
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from makemore.cli import main
from makemore.data.corpus import Corpus
from makemore.data.sources import ByteStream, FileSource
from makemore.errors import CorpusError

WORDS = "Anna\nBella\nCarla\nDora\nElla\n"


def run(*arguments: object, data: bytes | None = None) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)), input=data)


def zipped(files: dict[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    with zipfile.ZipFile(data := io.BytesIO(), "w", method) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return data.getvalue()


def refusal(path: Path, data: bytes) -> str:
    """Return the one line that answers a file of these bytes."""
    path.write_bytes(data)
    result = run("train", path, "-c", path.parent / "m.npz")
    assert result.exit_code == 1
    assert not (path.parent / "m.npz").exists()
    (line,) = result.stderr.splitlines()
    return line


@pytest.mark.parametrize("form", ["w", "w:gz", "w:bz2"])
@pytest.mark.parametrize("layout", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_tar_archive_is_no_list(tmp_path: Path, form: str, layout: int) -> None:
    (tmp_path / "w.txt").write_text(WORDS)
    path = tmp_path / "archive"
    with tarfile.open(path, form, format=layout) as archive:  # type: ignore[call-overload]
        archive.add(tmp_path / "w.txt", "w.txt")
    line = refusal(path, path.read_bytes())
    assert "archive is a tar archive, expected a list of words: unpack it" in line


METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


@pytest.mark.parametrize("method", METHODS)
def test_a_zip_archive_of_one_list_is_read(tmp_path: Path, method: int) -> None:
    litter: dict[str, str | bytes] = {
        "folder/": "",
        "__MACOSX/._w.txt": b"\0\5\x16\7",
        "folder/.DS_Store": b"\0\0",
    }
    data = zipped({**litter, "folder/w.txt": WORDS * 1_000}, method)
    (tmp_path / "words.zip").write_bytes(data)
    assert list(Corpus.from_paths(str(tmp_path / "words.zip")).words()) == WORDS.split() * 1_000
    plain = tmp_path / "words.txt"
    plain.write_text(WORDS * 1_000)
    expected = run("train", plain, "-c", tmp_path / "plain.npz").stdout.splitlines()
    found = run("train", tmp_path / "words.zip", "-c", tmp_path / "m.npz").stdout.splitlines()
    assert found[1:-1] == expected[1:-1]
    piped = run("train", "-", "-c", tmp_path / "piped.npz", data=data).stdout.splitlines()
    assert piped[1:-1] == expected[1:-1]
    assert "5,000 lines" in run("score", tmp_path / "words.zip", "-c", tmp_path / "m.npz").stderr


@pytest.mark.parametrize("count", [0, 2, 3])
def test_a_zip_archive_of_several_files_or_none_is_no_list(tmp_path: Path, count: int) -> None:
    data = zipped({f"{i}.txt": WORDS for i in range(count)})
    line = refusal(tmp_path / "words.zip", data)
    assert f"words.zip is a zip archive of {count} files, expected one list of words" in line


def test_words_that_begin_like_an_archive_are_words(tmp_path: Path) -> None:
    words = ["PK\x03", "PK", "0000644\x00", "PAR1S", "7z", "Rar!", "BZh9", "%PD", "SQLite format 3"]
    for word in words:
        (tmp_path / "words.txt").write_text(f"{word}\n" + WORDS)
        assert next(Corpus.from_paths(str(tmp_path / "words.txt")).words()) == word


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (zipped({"[Content_Types].xml": "<x/>", "xl/workbook.xml": "<x/>"}), "an Excel workbook"),
        (zipped({"[Content_Types].xml": "<x/>", "word/document.xml": ""}), "a Word document"),
        (zipped({"mimetype": "application/x", "content.xml": "<x/>"}), "an OpenDocument file"),
        (b"7z\xbc\xaf\x27\x1c\0\4" + bytes(100), "a 7-Zip archive"),
        (b"Rar!\x1a\x07\x01\0" + bytes(100), "a RAR archive"),
        (b"PAR1\x15\x04\x15\x10" + bytes(100), "a Parquet file"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF document"),
        (b"SQLite format 3\0" + bytes(100), "a SQLite database"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "a file of an old Office, .doc or .xls"),
        (gzip.compress(zipped({"w.txt": WORDS})), "a zip archive inside a compressed file"),
        (bz2.compress(b"%PDF-1.7\n"), "a PDF document"),
        (zipped({"w.pdf": "%PDF-1.7\n"}), "a PDF document"),
        (zipped({"w.txt.gz": gzip.compress(b"emma\n")}), "a gzip file inside a compressed one"),
        (gzip.compress(bz2.compress(b"emma\n")), "a bzip2 file inside a compressed one"),
        (zipped({"w.txt.xz": lzma.compress(b"emma\n")}), "an xz file inside a compressed one"),
        (bz2.compress(b"\x28\xb5\x2f\xfd"), "a zstd file inside a compressed one"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_holds_no_list_is_named(tmp_path: Path, data: bytes, kind: str) -> None:
    line = refusal(tmp_path / "file", data)
    assert f"file is {kind}, expected a list of words: " in line
    assert line.isprintable()


def test_a_model_or_an_array_is_no_list(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text(WORDS)
    run("train", tmp_path / "words.txt", "-c", tmp_path / "own.npz")
    line = refusal(tmp_path / "copy.npz", (tmp_path / "own.npz").read_bytes())
    assert "is a checkpoint, expected a list of words: name the list that it was" in line
    np.save(tmp_path / "one.npy", np.zeros(3))
    assert "is a NumPy array" in refusal(tmp_path / "copy.npy", (tmp_path / "one.npy").read_bytes())


@pytest.mark.parametrize("method", METHODS)
def test_a_damaged_zip_archive_is_answered_in_one_line(tmp_path: Path, method: int) -> None:
    rng = np.random.default_rng(0)
    text = "".join(f"{n:x}\n" for n in rng.integers(0, 1 << 60, 3_000))
    whole = zipped({"w.txt": text}, method)
    assert "cannot read" in refusal(tmp_path / "cut.zip", whole[:-30])
    middle = len(whole) // 2
    line = refusal(tmp_path / "bad.zip", whole[:middle] + b"?!?!?" + whole[middle + 5 :])
    assert "cannot read" in line or "expected utf-8" in line  # stored, the words are damaged
    for data in (b"PK\x03\x04junk", b"PK\x05\x06", whole[:4]):
        assert "cannot read" in refusal(tmp_path / "junk.zip", data)


def test_a_zip_archive_with_a_password_is_answered_in_one_line(tmp_path: Path) -> None:
    data = bytearray(zipped({"w.txt": WORDS}))
    data[6] |= 1  # the flag of encryption, in the file's header and in the table
    data[data.index(b"PK\x01\x02") + 8] |= 1
    line = refusal(tmp_path / "secret.zip", bytes(data))
    assert "cannot read" in line
    assert "encrypted" in line


def test_other_archives_are_no_checkpoints(tmp_path: Path) -> None:
    (tmp_path / "junk.npz").write_bytes(b"PK\x03\x04junk")
    np.savez(tmp_path / "arrays.npz", np.zeros(3))
    (tmp_path / "zip.npz").write_bytes(zipped({"w.txt": WORDS}))
    for name in ("junk", "arrays", "zip"):
        result = run("info", "-c", tmp_path / f"{name}.npz")
        assert result.exit_code == 1
        assert "not a makemore checkpoint" in result.stderr


# bzip2 and xz, which may hold several streams


@pytest.mark.parametrize("size", [1, 7, 1 << 19])
@pytest.mark.parametrize("compress", [bz2.compress, lzma.compress])
def test_all_streams_of_a_file_are_read(
    tmp_path: Path, compress: Callable[[bytes], bytes], size: int
) -> None:
    noise = os.urandom(20_000)
    parts = [b"emma\n", b"", noise, bytes(100_000), b"ava\n"]
    (tmp_path / "w").write_bytes(b"".join(map(compress, parts)))
    assert read(tmp_path / "w", size) == b"".join(parts)


@pytest.mark.parametrize("padding", [4, 508, 512, 2_000])
def test_xz_may_have_padding_after_its_streams(tmp_path: Path, padding: int) -> None:
    parts = lzma.compress(b"emma\n"), lzma.compress(b"ava\n")
    (tmp_path / "w.xz").write_bytes(b"".join(part + bytes(padding) for part in parts))
    assert read(tmp_path / "w.xz") == b"emma\nava\n"


@pytest.mark.parametrize("compress", [bz2.compress, lzma.compress])
def test_a_later_stream_that_is_damaged_or_cut_is_an_error(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    first, second = compress(b"emma\n"), compress(b"ava\n")
    flipped = [
        second[:place] + bytes([second[place] ^ 1]) + second[place + 1 :]
        for place in (0, 2, 12, len(second) // 2)
    ]
    cuts = [second[:stop] for stop in (1, 10, len(second) - 1)]
    for bad in [*flipped, *cuts, gzip.compress(b"ava\n"), b"ava\n"]:
        (tmp_path / "w").write_bytes(first + bad)
        with pytest.raises(CorpusError, match="cannot read"):
            read(tmp_path / "w")


# zstd, which Python itself reads from 3.14 on


def zstd(data: bytes) -> bytes:
    """Return one frame."""
    if sys.version_info >= (3, 14):
        from compression import zstd

        return zstd.compress(data)
    zstandard = pytest.importorskip("zstandard")
    return bytes(zstandard.ZstdCompressor().compress(data))


def read(path: Path, size: int = 1 << 16) -> bytes:
    with ByteStream(FileSource(str(path))) as stream:
        return b"".join(iter(lambda: stream.read(size), b""))


@pytest.mark.parametrize("size", [1, 7, 1 << 19])
def test_zstd_is_read_frame_by_frame(tmp_path: Path, size: int) -> None:
    noise = os.urandom(20_000)
    (tmp_path / "w.zst").write_bytes(zstd(b"emma\n") + zstd(b"") + zstd(noise) + zstd(b"ava\n"))
    assert read(tmp_path / "w.zst", size) == b"emma\n" + noise + b"ava\n"


@pytest.mark.parametrize("size", [1, 1 << 19])
@pytest.mark.parametrize("number", [0, 7, 15])
def test_frames_of_zstd_that_are_to_be_skipped_may_come_first(
    number: int, size: int, tmp_path: Path
) -> None:
    skipped = bytes([0x50 + number]) + b"*M\x18\x05\0\0\0P*M\x18!"
    (tmp_path / "w.zst").write_bytes(skipped + zstd(b"emma\n") + skipped + zstd(b"ava\n") + skipped)
    assert read(tmp_path / "w.zst", size) == b"emma\nava\n"
    (tmp_path / "words").write_bytes(b"P*M\nPia\n")
    assert read(tmp_path / "words", size) == b"P*M\nPia\n"


def test_a_list_in_zstd_is_a_list(tmp_path: Path) -> None:
    data = zstd(WORDS.encode() * 100)
    (tmp_path / "w.zst").write_bytes(data)
    assert list(Corpus.from_paths(str(tmp_path / "w.zst")).words()) == WORDS.split() * 100
    for name in (tmp_path / "w.zst", "-"):
        result = run("train", name, "-c", tmp_path / "m.npz", data=data)
        assert result.exit_code == 0, result.output
        assert "500 words" in result.stdout


@pytest.mark.parametrize("cut", [3, 1_000, 9_000])
def test_zstd_that_was_cut_is_an_error(tmp_path: Path, cut: int) -> None:
    data = zstd("".join(f"{n:x}\n" for n in range(100_000)).encode())
    (tmp_path / "w.zst").write_bytes(data[:-cut])
    with pytest.raises(CorpusError, match="cannot read"):
        read(tmp_path / "w.zst")


def test_zstd_with_other_bytes_is_an_error(tmp_path: Path) -> None:
    data = zstd(os.urandom(5_000))
    (tmp_path / "w.zst").write_bytes(data[:6] + b"\xff\xff\xff" + data[9:])
    with pytest.raises(CorpusError, match="cannot read"):
        read(tmp_path / "w.zst")
    (tmp_path / "w.zst").write_bytes(data + b"more")
    with pytest.raises(CorpusError, match="cannot read"):
        read(tmp_path / "w.zst")


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="Python reads zstd itself")
def test_without_a_reader_of_zstd_the_message_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "w.zst").write_bytes(b"\x28\xb5\x2f\xfd\x24\x05\x29\0\0emma\n")
    code = (
        "import sys; sys.modules['zstandard'] = None\n"
        "from makemore.cli import main; main(['train', 'w.zst'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 1
    assert done.stderr == (
        "makemore: w.zst is compressed by zstd, which Python reads from 3.14 on: unpack it with"
        " 'zstd -d', or pip install zstandard\n"
    )


IN_ZIP = [partial(lambda method, data: zipped({"a": data}, method), method) for method in METHODS]


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, zstd, *IN_ZIP])
def test_a_small_file_that_becomes_a_large_one_is_read_in_parts(
    tmp_path: Path, compress: object
) -> None:
    (tmp_path / "bomb").write_bytes(compress(bytes(1 << 26)))  # type: ignore[operator]
    code = (
        "from makemore.data.sources import ByteStream, FileSource\n"
        "def peak():\n"  # not ru_maxrss, which begins with the memory of this process
        "    lines = open('/proc/self/status').read().splitlines()\n"
        "    return next(int(line.split()[1]) for line in lines if line.startswith('VmHWM'))\n"
        "with ByteStream(FileSource('bomb')) as stream:\n"
        "    before = peak()\n"
        "    size = sum(map(len, iter(lambda: stream.read(1 << 16), b'')))\n"
        "print(size, peak() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    size, grown = map(int, done.stdout.split())
    assert size == 1 << 26
    assert grown < 80 << 10  # KiB
