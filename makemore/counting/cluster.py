"""Counting on a Dask cluster: shards of local or remote files, counted where workers are free.

The counts of parts add up, so the result is that of one process to the last bit. A shard whose
worker is lost is counted again by another. This needs the packages of the extra ``dask``; the
workers need makemore too, and must be able to read the files by the same names.
"""

import importlib
import logging
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import resource_tracker
from typing import IO, Any, cast

from makemore.counting.workers import Count, Merge
from makemore.data.corpus import Corpus, Progress, combined_digest, source_digest
from makemore.data.sources import ByteStream, Source, line_spans
from makemore.data.text import has_plain_line_feeds
from makemore.errors import CorpusError, shown

SHARD = 1 << 26
"""Bytes of a file that one task counts."""

_PATIENCE = 10.0
"""How many seconds to wait for a scheduler to answer, and for workers to start or come back."""


@dataclass(frozen=True)
class UrlSource:
    """A local path or a URL that fsspec can open, or the slice of it from ``start`` to ``stop``.

    ``name`` is what a person wrote for it. Slices stand at starts of lines; ``stop`` is None for
    the whole file, which may be compressed.
    """

    url: str
    name: str
    start: int = 0
    stop: int | None = None

    rereadable = True

    @property
    def location(self) -> str:
        """The absolute path or the URL."""
        return self.url

    @property
    def begins_file(self) -> bool:
        """Whether this is the whole file or its first slice."""
        return self.start == 0

    def size(self) -> int | None:
        """Return the length in bytes. Raises ``OSError``."""
        if self.stop is not None:
            return self.stop - self.start
        filesystem, path = _filesystem(self.url)
        size = filesystem.size(path)
        return None if size is None else int(size)

    def open(self) -> IO[bytes]:
        """Return the stream of the whole file. Raises ``OSError``."""
        filesystem, path = _filesystem(self.url)
        return cast(IO[bytes], filesystem.open(path, "rb"))

    def state(self) -> object:
        """Return fsspec's token of the file's version; None where there is no file."""
        filesystem, path = _filesystem(self.url)
        try:
            return filesystem.ukey(path)
        except OSError:
            return None


def url_corpus(urls: Iterable[str], **options: Any) -> Corpus:
    """Return the corpus of these URLs or paths; ``options`` are those of ``Corpus``.

    Raises ``CorpusError``, also where fsspec or the package for a protocol is not installed.
    """
    sources: list[Source] = []
    for url in urls:
        try:
            filesystem, path = _filesystem(url)
        except (ImportError, ValueError) as error:
            raise CorpusError(f"cannot read {shown(url)}: {shown(str(error))}") from None
        # workers run in other folders: name local files in full
        sources.append(UrlSource(path if "file" in filesystem.protocol else url, url))
    return Corpus(tuple(sources), **options)


@contextmanager
def cluster(address: str | None = None, workers: int | None = None) -> Iterator[Any]:
    """Connect to the scheduler at ``address``, or start a cluster of processes on this machine.

    Gives a ``distributed.Client``. Raises ``CorpusError`` where Dask is not installed or the
    scheduler does not answer.
    """
    dask = _package("distributed")
    for logger in ("distributed", "distributed.client"):  # Dask sets the level of both
        logging.getLogger(logger).setLevel(logging.CRITICAL)  # what matters is an error here
    if address is None:
        with _interruptions_blocked():  # Ctrl-C is for this process, which ends the others
            local = dask.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",  # any port: another cluster may have the usual one
                silence_logs=logging.CRITICAL,
            )
        with local, dask.Client(local) as client:
            yield client
        return
    try:
        client = dask.Client(address, timeout=_PATIENCE)
    except (OSError, ValueError) as error:
        raise CorpusError(
            f"no Dask scheduler answers at {shown(address)}: {shown(str(error))}"
        ) from None
    with client:
        _wait_for_workers(client)
        yield client


def _wait_for_workers(client: Any) -> None:
    """Wait a while for a worker. Raises ``CorpusError`` if none comes."""
    try:
        client.wait_for_workers(1, timeout=_PATIENCE)
    except TimeoutError:
        address = shown(client.scheduler.address)
        raise CorpusError(
            f"the Dask scheduler at {address} has no workers: start some with 'dask worker"
            f" {address}'"
        ) from None


@contextmanager
def _interruptions_blocked() -> Iterator[None]:
    """Keep SIGINT from the threads and processes that the block starts, where the system can."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # whose own start would unblock it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def count_on_cluster(
    client: Any,
    corpus: Corpus,
    count: Count,
    merge: Merge,
    progress: Progress | None = None,
    *,
    digest: bool = False,
    shard_size: int = SHARD,
) -> tuple[Any, str]:
    """Return what is in a ``url_corpus``, and its digest if asked.

    ``partial(count_on_cluster, client)`` stands in place of a number of processes wherever a corpus
    is counted. Progress counts whole shards. Raises ``CorpusError``, and what ``count`` raises.
    """
    parts = [replace(corpus, sources=sources) for sources in _shards(corpus, shard_size)]
    done, total = 0, corpus.size()
    merged: list[Any] = []
    with _naming_a_lost_cluster():
        digests = client.map(source_digest, corpus.sources if digest else (), pure=False)
        futures = client.map(partial(_shard, count), parts, pure=False)
        for part in parts:
            # popping the future frees its result here and on the worker
            merged = [merge([*merged, _result(client, futures.pop(0))])]
            done += part.size() or 0
            if progress:
                progress(done, total)
        found = [_result(client, each) for each in digests]
    return merged[0], combined_digest(found) if digest else ""


@contextmanager
def _naming_a_lost_cluster() -> Iterator[None]:
    """Turn the loss of the cluster in the block into a ``CorpusError``."""
    try:
        yield
    except _package("distributed").KilledWorker as error:
        raise CorpusError(
            f"the workers of the cluster end while they count: {shown(str(error))}"
        ) from None
    except CancelledError:  # whose text is about the task
        raise CorpusError("the Dask scheduler was lost while the cluster counted") from None
    except OSError as error:
        raise CorpusError(
            f"the Dask scheduler was lost while the cluster counted: {shown(str(error))}"
        ) from None


def _result(client: Any, future: Any) -> Any:
    """Return a task's result; wait as long as there are workers. Raises ``CorpusError``."""
    while True:
        try:
            # the last worker can take a finished result with it: do not wait for ever
            return future.result(timeout=_PATIENCE)
        except TimeoutError:
            _wait_for_workers(client)


def _shard(count: Count, corpus: Corpus) -> Any:
    return count(corpus.read().blocks(), 1)


def _shards(corpus: Corpus, shard_size: int) -> Iterator[tuple[Source, ...]]:
    """Cut the files of a corpus where lines start; a file that cannot be cut stays whole."""
    if corpus.columns and corpus.columns.weights_as == "distinct":  # whichever file a word is in
        yield corpus.sources
        return
    has_free_lines = corpus.columns is None and has_plain_line_feeds(corpus.encoding)
    for source in corpus.sources:
        with ByteStream(source) as stream:
            size = None if stream.compressed else source.size()
        if size is None or size <= shard_size or not has_free_lines:
            yield (source,)
            continue
        try:
            with source.open() as file:
                spans = list(line_spans(file, size, shard_size))
        except (OSError, ValueError) as error:  # as for servers that cannot send a part of a file
            raise CorpusError(
                f"cannot read {shown(source.name)} in parts: {shown(str(error))}"
            ) from None
        for start, stop in spans:
            yield (replace(cast(UrlSource, source), start=start, stop=stop),)


def _filesystem(url: str) -> tuple[Any, str]:
    filesystem, path = _package("fsspec.core").url_to_fs(url)
    return filesystem, str(path)


def _package(name: str) -> Any:
    """Import a module of the extra."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise CorpusError(
            "counting on a cluster needs Dask: pip install 'dask[distributed]' 'fsspec[http]'"
        ) from None
