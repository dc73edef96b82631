"""Lines that are scored as they come, through real pipes, and signals that end a stream."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import PATIENCE, ended_by, run, started

from makemore.checkpoint import save
from makemore.data.corpus import Corpus
from makemore.training.options import TrainingOptions
from makemore.training.train import train

LOST = b"makemore: the results of some lines that were read are lost\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a checkpoint."""
    folder = tmp_path_factory.mktemp("streaming")
    words = [a + b + c for a in "abcdefgh" for b in "aeiou" for c in "abcdefgh"]
    save(folder / "makemore.npz", train(Corpus.from_words(words), TrainingOptions("ngram")))
    return folder


@pytest.fixture
def scoring(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Return a process that has scored one line and waits for more."""
    with started("score", cwd=folder) as process:
        send(process, b"bab\n")
        assert received(process, 30).endswith(b"\tbab\n")
        yield process


def send(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin
    process.stdin.write(data)
    process.stdin.flush()


def received(process: subprocess.Popen[bytes], seconds: float) -> bytes:
    """Return what comes at once after so many seconds of waiting at most."""
    assert process.stdout
    if not select.select([process.stdout], [], [], seconds)[0]:
        return b""
    return os.read(process.stdout.fileno(), 1 << 16)


def test_a_line_is_scored_when_no_more_is_waiting(scoring: subprocess.Popen[bytes]) -> None:
    waits = []
    for word in (b"a", b"bab", b"cob", b"z\xc3\xab"):
        sent = time.monotonic()
        send(scoring, word + b"\n")
        assert received(scoring, 5).endswith(b"\t" + word + b"\n")
        waits.append(time.monotonic() - sent)
    assert min(waits) < 0.05  # the machine may be busy now and then
    send(scoring, b"unfin")
    assert received(scoring, 0.2) == b""
    send(scoring, b"ished\nnext\n")
    assert [line.split(b"\t")[-1] for line in received(scoring, 5).split(b"\n")] == [
        b"unfinished", b"next", b"",
    ]  # fmt: skip


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_stream_like_its_own_end(
    scoring: subprocess.Popen[bytes], signum: signal.Signals, code: int
) -> None:
    send(scoring, b"cab\ndad")  # the last line has no end yet
    assert received(scoring, 5).endswith(b"\tcab\n")
    got, errors = ended_by(scoring, signum)
    assert received(scoring, 0).endswith(b"\tdad\n")
    assert got == code
    assert b"scored    3 lines" in errors
    assert errors.endswith(b"ted\n")
    assert b"lost" not in errors


def test_what_was_read_before_a_signal_is_written_in_bulk(folder: Path) -> None:
    lines = b"".join(b"%08d\n" % i for i in range(200_000)).translate(
        bytes.maketrans(b"0123456789", b"abcdefghae")
    )
    with started("score", cwd=folder) as process:
        assert process.stdout
        assert process.stdin
        writer, results = os.fork(), b""
        if not writer:
            process.stdout.close()
            os.write(process.stdin.fileno(), lines)
            os._exit(0)
        try:
            results += process.stdout.read(100_000)
            process.send_signal(signal.SIGINT)
            results += process.stdout.read()
        finally:
            os.kill(writer, signal.SIGKILL)
            os.waitpid(writer, 0)
        assert process.wait(PATIENCE) == 130
        assert process.stderr
        errors = process.stderr.read().decode()
    found = [line.split(b"\t")[-1] for line in results.split(b"\n")[:-1]]
    sent = lines.split(b"\n")
    assert found[:-1] == sent[: len(found) - 1]
    assert sent[len(found) - 1].startswith(found[-1])  # perhaps a line that was cut
    assert f"scored    {len(found):,} lines" in errors
    assert "lost" not in errors


def test_a_reader_that_reads_no_more_is_waited_for_and_the_lines_are_told(
    scoring: subprocess.Popen[bytes],
) -> None:
    send(scoring, b"bab\n" * 10_000)  # the results do not fit into a pipe
    time.sleep(0.5)
    code, errors = ended_by(scoring, signal.SIGTERM)
    assert code == 143
    assert errors == LOST + b"makemore: terminated\n"


def test_a_reader_that_goes_from_a_stream_is_told_what_was_lost(
    scoring: subprocess.Popen[bytes],
) -> None:
    assert scoring.stdout
    assert scoring.stderr
    scoring.stdout.close()
    send(scoring, b"cab\nbad\n")
    assert scoring.wait(PATIENCE) == 0
    assert scoring.stderr.read() == LOST


def test_no_number_is_given_where_nobody_knows_how_many_lines_the_reader_took(
    folder: Path,
) -> None:
    """The first results fit into the pipe, and nobody reads them all."""
    with started("score", cwd=folder) as process:
        assert process.stdout
        assert process.stderr
        send(process, b"bab\n" * 100)
        assert os.read(process.stdout.fileno(), 10)
        process.stdout.close()
        send(process, b"cab\n")
        assert process.wait(PATIENCE) == 0
        assert process.stderr.read() == LOST


def test_nothing_is_said_of_a_file_whose_results_are_not_read(folder: Path) -> None:
    (folder / "many.txt").write_text("bab\n" * 300_000)
    with started("score", "many.txt", cwd=folder) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline().endswith(b"\tbab\n")
        process.stdout.close()
        assert process.wait(PATIENCE) == 0
        assert process.stderr.read() == b""


def test_a_full_device_and_a_damaged_stream_are_one_line(folder: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = run("score", stdin=b"bab\ncab\n", cwd=folder, stdout=full)
    assert (done.returncode, done.stderr) == (1, b"makemore: No space left on device (stdout)\n")
    done = run("score", "--sort", stdin=b"bab\ncab\n\xff\n", cwd=folder)
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (1, b"", 1)
    assert b"line 3, byte 8" in done.stderr


def test_a_named_pipe_is_a_stream_too(folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    with started("score", "fifo", cwd=folder) as process, open(folder / "fifo", "wb") as fifo:
        fifo.write(b"bab\n")
        fifo.flush()
        assert received(process, 10).endswith(b"\tbab\n")


def test_a_compressed_stream_is_read(folder: Path) -> None:
    import gzip

    done = run("score", stdin=gzip.compress(b"bab\ncab\n"), cwd=folder)
    assert [line.split(b"\t")[-1] for line in done.stdout.splitlines()] == [b"bab", b"cab"]


@pytest.mark.parametrize("text", [b"", b"B", b"BZ", b"\n", b"BZh9"])
def test_a_short_stream_is_read_to_its_end(folder: Path, text: bytes) -> None:
    done = run("score", stdin=text, cwd=folder)
    assert done.returncode == 0
    assert [line.split(b"\t")[-1] for line in done.stdout.splitlines()] == text.split()


@pytest.mark.parametrize("command", ["score", "outliers"])
@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"%PDF-1.4\n", "is a PDF document"),
        ("emma\nava\n".encode("utf-16"), "try --encoding utf-16"),
        ("emma\nava\n".encode("utf-16-le") * 9, "try --encoding utf-16-le"),
    ],
)
def test_a_stream_that_is_no_list_is_named_as_a_file_is(
    folder: Path, command: str, data: bytes, told: str
) -> None:
    done = run(command, stdin=data, cwd=folder)
    assert (done.returncode, done.stdout) == (1, b"")
    assert told in done.stderr.decode()


def test_a_signal_that_is_ignored_from_outside_does_not_end_a_stream(folder: Path) -> None:
    with started(
        "score", cwd=folder, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)
    ) as process:
        send(process, b"bab\n")
        assert received(process, 30)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(b"cab\n")
        assert (process.returncode, output[-4:]) == (0, b"cab\n")
        assert b"interrupted" not in errors


def test_the_rows_of_a_table_come_as_they_are_sent(folder: Path) -> None:
    with started("score", "--column", "1", cwd=folder) as process:
        for word in (b"bab", b"cab"):
            send(process, word + b",7\n")
            assert received(process, 30).endswith(b"\t" + word + b"\n")
