"""Counting on a real Dask cluster of two processes."""

import gzip
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from processes import COMMAND, environment

from makemore.counting.cluster import cluster, count_on_cluster, url_corpus
from makemore.counting.ngrams import NgramCounts
from makemore.counting.passes import (
    BigramCounts,
    Jobs,
    count_bigrams,
    count_ngrams,
    split_for_validation,
    survey_corpus,
)
from makemore.data.corpus import Corpus, Progress
from makemore.data.table import Columns
from makemore.errors import CorpusError, VocabularyError

pytest.importorskip("distributed", reason="Dask is not installed")

TEXT = "\ufeffemma\r\nava\r\n\r\nюля\nzoë\n中文\r\n\nemma\rpaul\n" * 300


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with cluster(workers=2) as client:
        yield client


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """Two plain files, an empty one and an archive."""
    contents = [TEXT.encode(), b"", gzip.compress(TEXT.encode()), b"olivia\nzo\xc3\xab"]
    paths = [tmp_path / f"names-{i}" for i in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return [str(path) for path in paths]


def on(client: Any, shard_size: int = 1000, progress: Progress | None = None) -> Jobs:
    """Return what counts on a cluster; ``progress`` is told of n-grams, too."""

    def workers(
        corpus: Corpus, count: Any, merge: Any, own: Progress | None = None, *, digest: bool = False
    ) -> Any:
        """Count a corpus."""
        told = progress or own
        return count_on_cluster(
            client, corpus, count, merge, told, digest=digest, shard_size=shard_size
        )

    return workers


def pairs(corpus: Corpus, jobs: Jobs = 1) -> BigramCounts:
    """Return the pairs of a corpus."""
    return count_bigrams(corpus, 0.3, jobs=jobs)


def ngrams(corpus: Corpus, jobs: Jobs = 1, order: int = 3) -> list[NgramCounts]:
    """Return the n-grams of the training, held-out and validation words; only they are counted by
    ``jobs``."""
    vocabulary = survey_corpus(corpus, 0.3).vocabulary
    split = split_for_validation(corpus, vocabulary, 0.3, 0.2)
    return count_ngrams(corpus, vocabulary, split, order, jobs)


COUNTS: list[Callable[..., Any]] = [pairs, ngrams]


def check_equal(a: Any, b: Any) -> None:
    """Check that pairs, or n-grams, are the same."""
    if isinstance(a, BigramCounts):
        check_equal_pairs(a, b)
        return
    for one, other in zip(a, b, strict=True):
        assert one.symbols
        assert (one.V, one.order) == (other.V, other.order)
        np.testing.assert_array_equal(one.codes, other.codes)
        np.testing.assert_array_equal(one.counts, other.counts)


def check_equal_pairs(a: BigramCounts, b: BigramCounts) -> None:
    assert a.survey.facts == b.survey.facts
    assert a.survey.vocabulary == b.survey.vocabulary
    np.testing.assert_array_equal(a.training, b.training)
    np.testing.assert_array_equal(a.held_out, b.held_out)
    assert a.survey.sample.words == b.survey.sample.words
    assert a.survey.sample.hashes == b.survey.sample.hashes


@pytest.mark.parametrize("min_count", [1, 602])
def test_the_result_is_the_local_one(client: Any, paths: list[str], min_count: int) -> None:
    expected = count_bigrams(Corpus.from_paths(*paths), 0.3, min_count)
    assert (expected.survey.facts.dropped_lines > 0) == (min_count > 1)
    for shard_size in (1_000, 1 << 20):
        check_equal(
            count_bigrams(url_corpus(paths), 0.3, min_count, on(client, shard_size)), expected
        )


@pytest.mark.parametrize("order", [2, 5])
def test_ngrams_are_the_local_ones(client: Any, paths: list[str], order: int) -> None:
    expected = ngrams(Corpus.from_paths(*paths), order=order)
    for shard_size in (1_000, 1 << 20):
        check_equal(ngrams(url_corpus(paths), on(client, shard_size), order), expected)


def test_words_that_count_once_do_so_across_files(client: Any, tmp_path: Path) -> None:
    tables = [str(tmp_path / name) for name in ("one.csv", "two.csv")]
    for table in tables:
        Path(table).write_text("name,n\nemma,3\nava,2\nolivia,1\n")
    columns = Columns("name", "n", weights_as="distinct")
    expected = pairs(Corpus.from_paths(*tables, columns=columns))
    assert expected.survey.facts.lines == 3
    check_equal(pairs(url_corpus(tables, columns=columns), on(client)), expected)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_other_encodings_are_cut_only_where_that_is_safe(
    client: Any, tmp_path: Path, encoding: str
) -> None:
    path = tmp_path / "names"
    text = "zoë\r\njosé\n\nana\n" + ("ਊਅ\n" if encoding == "utf-16" else "")  # U+0A0A
    path.write_bytes((text * 500).encode(encoding))
    expected = pairs(Corpus(Corpus.from_paths(path).sources, encoding=encoding))
    check_equal(pairs(url_corpus([str(path)], encoding=encoding), on(client)), expected)


@pytest.mark.parametrize("count", COUNTS)
def test_a_worker_that_is_killed_half_way_changes_nothing(
    client: Any, paths: list[str], count: Callable[..., Any]
) -> None:
    killed: list[int] = []

    def kill_one(done: int, total: int | None) -> None:
        if not killed:
            killed.extend(client.run(os.getpid).values())
            os.kill(killed[0], signal.SIGKILL)

    counts = count(url_corpus(paths), on(client, 200, kill_one))
    check_equal(counts, count(Corpus.from_paths(*paths)))
    assert killed


def test_a_file_that_changes_meanwhile_is_refused(client: Any, paths: list[str]) -> None:
    def shorten(done: int, total: int | None) -> None:
        os.truncate(paths[-1], 3)

    with pytest.raises(CorpusError, match="names-3 changed while it was read"):
        pairs(url_corpus(paths), on(client, 200, shorten))


class FilesByRange(SimpleHTTPRequestHandler):
    """Serves files whole or in part, as storage on the web does."""

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.exists():
            return self.send_error(404)
        data = path.read_bytes()
        start, stop = 0, len(data)
        if found := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")):
            start, stop = int(found[1]), min(int(found[2]) + 1, len(data))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}")
        else:
            self.send_response(200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(stop - start))
        self.end_headers()
        with suppress(BrokenPipeError):  # a reader that has seen enough
            self.wfile.write(data[start:stop])

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """Serve the test's folder; give its URL."""
    handler = partial(FilesByRange, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_workers_read_remote_files_themselves(
    client: Any, paths: list[str], served: str
) -> None:
    pytest.importorskip("aiohttp", reason="fsspec reads http with it")
    urls = [f"{served}/{Path(path).name}" for path in paths]
    check_equal(pairs(url_corpus(urls), on(client)), pairs(Corpus.from_paths(*paths)))
    check_equal(ngrams(url_corpus(urls), on(client)), ngrams(Corpus.from_paths(*paths)))
    alone = pairs(url_corpus(urls[:1]), on(client))
    assert alone.survey.facts.path == urls[0]
    with pytest.raises(CorpusError, match=r"^cannot read http://.*/none: 404"):
        pairs(url_corpus([f"{served}/none"]), on(client))


def test_an_encoding_error_names_the_place_in_the_file(client: Any, tmp_path: Path) -> None:
    path = tmp_path / "names"
    path.write_bytes(b"emma\n" * 500 + b"\xff\n")
    with pytest.raises(CorpusError, match="line 501, byte 2,500"):
        pairs(url_corpus([str(path)]), on(client))


def test_an_alphabet_over_the_limit_is_refused(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("makemore.counting.pairs.MAX_VOCABULARY", 200)  # here, not in the workers
    path = tmp_path / "names"
    path.write_text("".join(chr(0x4E00 + i) + "\n" for i in range(300)))
    with pytest.raises(VocabularyError, match="--min-count"):
        pairs(url_corpus([str(path)]), on(client))


@contextmanager
def dask(part: str, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a part of a cluster as a process of its own; give it and the first address it names."""
    command = [sys.executable, "-m", f"distributed.cli.dask_{part}", *arguments, "--no-dashboard"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    with process:
        assert process.stderr is not None
        found = (re.search(r"tcp://[\d.:]+", line) for line in process.stderr)
        try:
            yield process, next(match[0] for match in found if match)
        finally:
            process.kill()


@pytest.mark.parametrize("count", COUNTS)
def test_a_cluster_without_workers_or_that_is_lost_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: Callable[..., Any]
) -> None:
    monkeypatch.setattr("makemore.counting.cluster._PATIENCE", 1)
    path = tmp_path / "names"
    path.write_text(TEXT)
    with dask("scheduler", "--host", "127.0.0.1", "--port", "0") as (scheduler, address):
        with pytest.raises(CorpusError, match="has no workers: start some with 'dask worker tcp:"):
            with cluster(address):
                pass
        monkeypatch.setattr("makemore.counting.cluster._PATIENCE", 30)
        with dask("worker", address, "--nthreads", "1"), cluster(address) as client:
            with pytest.raises(CorpusError, match="the Dask scheduler was lost while"):
                count(url_corpus([str(path)]), on(client, 200, lambda *_: scheduler.kill()))


LOSE_THE_SCHEDULER = """
import os, sys
from functools import partial
from makemore.counting.cluster import cluster, count_on_cluster, url_corpus
from makemore.counting.passes import count_bigrams
from makemore.errors import CorpusError
path, address, scheduler = sys.argv[1:]
try:
    with cluster(address) as client:
        lose = lambda done, total: os.kill(int(scheduler), 9)
        jobs = partial(count_on_cluster, client, shard_size=200)
        count_bigrams(url_corpus([path]), jobs=jobs, progress=lose)
except CorpusError as error:
    print(error)
"""


def test_a_scheduler_that_is_lost_is_named_and_nothing_else_is_said(tmp_path: Path) -> None:
    path = tmp_path / "names"
    path.write_text(TEXT)
    with (
        dask("scheduler", "--host", "127.0.0.1", "--port", "0") as (scheduler, address),
        dask("worker", address, "--nthreads", "1"),
    ):
        command = [sys.executable, "-c", LOSE_THE_SCHEDULER, str(path), address, str(scheduler.pid)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("the Dask scheduler was lost while the cluster counted")
    assert done.stderr == ""


@pytest.mark.parametrize("count", COUNTS)
def test_a_cluster_that_loses_all_its_workers_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: Callable[..., Any]
) -> None:
    path = tmp_path / "names"
    path.write_text(TEXT)
    with (
        dask("scheduler", "--host", "127.0.0.1", "--port", "0") as (_, address),
        dask("worker", address, "--nthreads", "1", "--no-nanny") as (worker, _),
        cluster(address) as client,
    ):
        monkeypatch.setattr("makemore.counting.cluster._PATIENCE", 0.5)
        with pytest.raises(CorpusError, match="has no workers: start some with 'dask worker tcp:"):
            count(url_corpus([str(path)]), on(client, 200, lambda *_: worker.kill()))


def test_ctrl_c_is_for_the_command_and_not_for_its_cluster(tmp_path: Path) -> None:
    (tmp_path / "names").write_text(TEXT * 5000)
    process = subprocess.Popen(
        [*COMMAND, "train", "names", "--dask", "local", "-c", "model.npz"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    with process:
        time.sleep(2.5)  # its workers start
        os.killpg(process.pid, signal.SIGINT)
        assert process.stderr is not None
        assert process.stderr.read() == b"makemore: interrupted\n"
    assert process.returncode == 130


def test_errors_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"^cannot read nonsense://x"):
        url_corpus(["nonsense://x"])
    with pytest.raises(CorpusError, match=r"^no Dask scheduler answers at nonsense"):
        with cluster("nonsense://host:1"):
            pass
