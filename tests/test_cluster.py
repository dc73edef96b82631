"""Counting on a real Dask cluster of two processes."""

import gzip
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from makemore.data.bigrams import BigramCounts, count_bigrams
from makemore.data.cluster import cluster, count_on_cluster, url_corpus
from makemore.data.corpus import Corpus
from makemore.errors import CorpusError, VocabularyError

pytest.importorskip("distributed", reason="the extra makemore-numpy[dask] is not installed")

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


def check_equal(a: BigramCounts, b: BigramCounts) -> None:
    assert a.facts == b.facts
    assert a.vocabulary == b.vocabulary
    np.testing.assert_array_equal(a.training, b.training)
    np.testing.assert_array_equal(a.held_out, b.held_out)
    assert a.sample.words == b.sample.words
    np.testing.assert_array_equal(a.sample.counts, b.sample.counts)


@pytest.mark.parametrize("min_count", [1, 602])
def test_the_result_is_the_local_one(client: Any, paths: list[str], min_count: int) -> None:
    expected = count_bigrams(Corpus.from_paths(*paths), 0.3, min_count)
    assert (expected.facts.dropped_lines > 0) == (min_count > 1)
    for shard_size in (1_000, 1 << 20):
        counts = count_on_cluster(url_corpus(paths), client, 0.3, min_count, shard_size=shard_size)
        check_equal(counts, expected)


def test_a_worker_that_is_killed_half_way_changes_nothing(client: Any, paths: list[str]) -> None:
    killed: list[int] = []

    def kill_one(done: int, total: int | None) -> None:
        if not killed:
            killed.extend(client.run(os.getpid).values())
            os.kill(killed[0], signal.SIGKILL)

    counts = count_on_cluster(url_corpus(paths), client, 0.3, progress=kill_one, shard_size=200)
    check_equal(counts, count_bigrams(Corpus.from_paths(*paths), 0.3))
    assert killed


def test_remote_paths_are_read_through_fsspec(client: Any) -> None:
    fsspec = pytest.importorskip("fsspec")
    # a file system in memory is one per process, so it serves for what this process reads
    with fsspec.open("memory://names.txt", "wb") as file:
        file.write(TEXT.encode())
    corpus = url_corpus(["memory://names.txt"])
    counts = count_bigrams(corpus)
    assert counts.facts.path == "memory://names.txt"
    expected = count_bigrams(Corpus.from_bytes(TEXT.encode(), "names.txt"))
    check_equal(replace(counts, facts=replace(counts.facts, path="")), expected)


def test_an_encoding_error_names_the_place_in_the_file(client: Any, tmp_path: Path) -> None:
    path = tmp_path / "names"
    path.write_bytes(b"emma\n" * 500 + b"\xff\n")
    with pytest.raises(CorpusError, match="line 501, byte 2,500"):
        count_on_cluster(url_corpus([str(path)]), client, shard_size=1000)


def test_an_alphabet_over_the_limit_is_refused(client: Any, tmp_path: Path) -> None:
    path = tmp_path / "names"
    path.write_text("".join(chr(0x4E00 + i) + "\n" for i in range(9000)))
    with pytest.raises(VocabularyError, match="--min-count"):
        count_on_cluster(url_corpus([str(path)]), client)


def test_errors_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"^cannot read nonsense://x"):
        url_corpus(["nonsense://x"])
    with pytest.raises(CorpusError, match=r"^no Dask scheduler answers at nonsense"):
        with cluster("nonsense://host:1"):
            pass
