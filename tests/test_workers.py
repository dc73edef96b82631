"""Counting in several processes: equal to counting in one, and nobody is left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpus_oracles import in_blocks
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import until

from makemore.counting import passes, workers
from makemore.counting.ngrams import merge_ngrams
from makemore.counting.passes import BigramCounts, count_bigrams
from makemore.counting.survey import merge
from makemore.data.corpus import Corpus, slices_of
from makemore.data.sources import BytesSource, ByteStream, FileSource
from makemore.errors import CorpusError, DecodingError, TrainingError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="processes are used on POSIX alone")

TEXT = "\ufeffemma\r\nava\r\n\r\nюля\nzoë\n中文\r\n\nemma\rpaul\n" * 300


def cut(corpus: Corpus) -> Iterator[FileSource]:
    return slices_of(corpus, workers.slice_length(corpus))


@pytest.fixture
def any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use processes for small corpora too."""
    monkeypatch.setattr(passes, "_SIZE_FOR_PROCESSES", 2)
    monkeypatch.setattr(workers, "MIN_SHARE", 1)
    monkeypatch.setattr(workers, "MIN_SLICE", 1)


@pytest.fixture
def names(tmp_path: Path) -> Path:
    """Return the path of a file that holds ``TEXT``."""
    path = tmp_path / "names"
    path.write_text(TEXT)
    return path


def equal(a: BigramCounts, b: BigramCounts) -> bool:
    return (
        a.survey.facts == b.survey.facts
        and a.survey.vocabulary == b.survey.vocabulary
        and np.array_equal(a.training, b.training)
        and np.array_equal(a.held_out, b.held_out)
        and a.survey.sample.words == b.survey.sample.words
        and a.survey.sample.hashes == b.survey.sample.hashes
    )


def taken_by_others(take: Callable[..., Any]) -> Callable[..., Any]:
    """Return what takes slices, but in this process only when all others have ended."""
    before = set(threading.enumerate())

    def take_last(pool: workers._Pool) -> Any:
        if threading.current_thread() is threading.main_thread():
            until(lambda: set(threading.enumerate()) <= before)  # a thread serves each
        return take(pool)

    return take_last


class Merging:
    """Merges parts, and notes how many there were: one from each process."""

    def __init__(self, merge_parts: Callable[[Any], Any]) -> None:
        self._merge, self.parts = merge_parts, list[int]()

    def __call__(self, parts: Sequence[Any]) -> Any:
        self.parts.append(len(parts))
        return self._merge(parts)


@pytest.mark.usefixtures("any_size")
@pytest.mark.parametrize("min_count", [1, 301])
def test_any_number_of_processes_gives_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, min_count: int
) -> None:
    paths = [tmp_path / "one", tmp_path / "empty", tmp_path / "two"]
    for path, text in zip(paths, [TEXT, "", "olivia\nzoë"], strict=True):
        path.write_bytes(text.encode())
    corpus = Corpus.from_paths(*paths)
    expected = count_bigrams(corpus, 0.3, min_count, jobs=1)
    assert (expected.survey.facts.dropped_lines > 0) == (min_count > 1)
    monkeypatch.setattr(passes, "merge", merged := Merging(merge))
    for jobs in (2, 3, 5):
        assert equal(in_blocks(997, count_bigrams, corpus, 0.3, min_count, jobs), expected)
    assert merged.parts == [2, 3, 5]


@pytest.mark.usefixtures("any_size")
@pytest.mark.parametrize("order", [2, 3, 5])
def test_any_number_of_processes_counts_the_same_ngrams(
    names: Path, monkeypatch: pytest.MonkeyPatch, order: int
) -> None:
    corpus = Corpus.from_paths(names)
    survey = passes.survey_corpus(corpus, 0.3)
    split = passes.split_for_validation(corpus, survey.vocabulary, 0.3, 0.2)
    expected = passes.count_ngrams(corpus, survey.vocabulary, split, order, jobs=1)
    assert all(counts.symbols for counts in expected)
    monkeypatch.setattr(passes, "merge_ngrams", merged := Merging(merge_ngrams))
    for jobs in (2, 3):
        found = passes.count_ngrams(corpus, survey.vocabulary, split, order, jobs)
        for one, other in zip(found, expected, strict=True):
            assert (one.V, one.order) == (other.V, other.order)
            np.testing.assert_array_equal(one.codes, other.codes)
            np.testing.assert_array_equal(one.counts, other.counts)
    assert merged.parts == [2] * 3 + [3] * 3  # training, held out, validation


@pytest.mark.usefixtures("any_size")
def test_a_process_that_lacks_memory_for_its_ngrams_says_so(
    names: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scarce = "; from makemore.counting import ngrams, tables; ngrams.available_memory = lambda: 100"
    small = "; tables._BUFFER = ngrams.CACHED = 1000; ngrams._MAX_CELLS = 0; work()"
    monkeypatch.setattr(workers, "_START", workers._START.replace("; work()", scarce + small))
    monkeypatch.setattr(workers._Pool, "take", taken_by_others(workers._Pool.take))
    corpus = Corpus.from_paths(names)
    survey = passes.survey_corpus(corpus, 0.3, jobs=1)
    with pytest.raises(TrainingError, match=r"n-grams .* in each of 2 processes .* 100 are avail"):
        passes.count_ngrams(corpus, survey.vocabulary, survey.split, 5, jobs=2)


@pytest.mark.usefixtures("any_size")
def test_text_with_one_byte_a_character_is_counted_by_several_processes(tmp_path: Path) -> None:
    path = tmp_path / "names"
    path.write_bytes("anna\r\nzoë\n\nšárka\rjosé\n".encode("cp1252") * 500)
    corpus = Corpus(Corpus.from_paths(path).sources, encoding="cp1252")
    assert workers.job_count(corpus, 2) == 2
    assert equal(count_bigrams(corpus, 0.3, jobs=2), count_bigrams(corpus, 0.3, jobs=1))
    path.write_bytes(path.read_bytes() + b"\x81\n")
    with pytest.raises(CorpusError, match="line 2,501, byte 11,000: expected cp1252"):
        count_bigrams(corpus, jobs=2)


@given(st.text("ab\n\ré中", max_size=40), st.integers(1, 50))
@settings(max_examples=200, deadline=None)
def test_slices_are_the_whole_text_cut_where_lines_start(text: str, length: int) -> None:
    data = text.encode()
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"makemore-slices-{os.getpid()}"
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workers, "MIN_SLICE", length)
        try:
            parts = [read(part) for part in cut(Corpus.from_paths(path))]
        finally:
            path.unlink()
    assert b"".join(parts) == data
    assert all(part.endswith(b"\n") for part in parts[:-1])
    assert all(part.rfind(b"\n", 0, -1) < length for part in parts)


def test_a_large_file_is_cut_into_a_bounded_number_of_slices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "names"
    path.write_bytes(b"a\n" * 50_000)
    monkeypatch.setattr(workers, "MIN_SLICE", 1)
    assert 500 < len(list(cut(Corpus.from_paths(path)))) <= 1024


def read(source: object) -> bytes:
    with ByteStream(source) as stream:  # type: ignore[arg-type]
        return stream.read(1 << 20)


@pytest.mark.usefixtures("any_size")
def test_an_encoding_error_names_the_same_place(tmp_path: Path) -> None:
    path = tmp_path / "names"
    path.write_bytes(b"emma\n" * 5000 + b"\xff\n" + b"ava\n" * 10)
    with pytest.raises(CorpusError, match="line 5,001, byte 25,000"):
        count_bigrams(Corpus.from_paths(path), jobs=2)


DIE = {
    "at the start": "import os; os._exit(3)",
    "in the middle": workers._START.replace(
        "work()",
        """
import os, pickle
from makemore.counting import workers
slices_had = 0
load = pickle.load
def load_or_die(file):
    global slices_had
    slices_had += 1
    if slices_had == 4:  # what to count and three slices
        os._exit(3)
    return load(file)
workers.pickle.load = load_or_die
work()""",
    ),
    "by saying nonsense": "print('nonsense', flush=True); import time; time.sleep(100)",
    "by saying anything else": "import pickle, sys; pickle.dump('else', sys.stdout.buffer)",
}


@pytest.mark.usefixtures("any_size")
@pytest.mark.parametrize("start", DIE.values(), ids=DIE)
def test_slices_of_a_process_that_dies_are_counted_by_others(
    names: Path, monkeypatch: pytest.MonkeyPatch, start: str
) -> None:
    names.write_text(TEXT * 20)
    corpus = Corpus.from_paths(names)
    monkeypatch.setattr(workers, "_START", start)
    monkeypatch.setattr(workers, "MIN_SLICE", 1000)
    monkeypatch.setattr(workers._Pool, "take", taken_by_others(workers._Pool.take))
    assert equal(count_bigrams(corpus, 0.3, jobs=3), count_bigrams(corpus, 0.3, jobs=1))


@pytest.mark.usefixtures("any_size")
def test_where_no_process_can_be_started_this_one_counts(
    names: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise BlockingIOError("Resource temporarily unavailable")

    corpus = Corpus.from_paths(names)
    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert equal(count_bigrams(corpus, 0.3, jobs=3), count_bigrams(corpus, 0.3, jobs=1))


@pytest.mark.usefixtures("any_size")
def test_an_interrupt_while_threads_start_leaves_no_process(
    names: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(thread: threading.Thread) -> None:
        raise KeyboardInterrupt

    before = set(children_of(os.getpid()))
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupt)
        with pytest.raises(KeyboardInterrupt):
            count_bigrams(Corpus.from_paths(names), jobs=2)
    assert set(children_of(os.getpid())) == before


@pytest.mark.usefixtures("any_size")
def test_a_file_that_is_replaced_meanwhile_is_refused(names: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text(TEXT)

    def replace_it(done: int, total: int | None) -> None:
        if other.exists():
            os.replace(other, names)

    with pytest.raises(CorpusError, match="names changed while it was read"):
        count_bigrams(Corpus.from_paths(names), 0.3, jobs=2, progress=replace_it)


@pytest.fixture
def pool(names: Path) -> workers._Pool:
    """Return a pool with one slice."""
    return workers._Pool(Corpus.from_paths(names), None)


def while_this_one_waits(monkeypatch: pytest.MonkeyPatch, end: Callable[..., None]) -> None:
    """Have a process that takes a slice, if one is left, and calls ``end`` with it and the pool."""

    @contextmanager
    def running(*arguments: Any) -> Iterator[list[threading.Timer]]:
        *_, pool = arguments
        timer = threading.Timer(0.2, end, (pool, pool.take()))
        timer.start()
        yield [timer]

    monkeypatch.setattr(workers, "_running", running)


def test_slices_that_come_back_while_this_process_waits_are_counted(
    names: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    while_this_one_waits(monkeypatch, lambda pool, part: pool.slices.append(part))
    count = partial(passes._part, holdout=0.3, rare="", pairs=True)
    corpus = Corpus.from_paths(names)
    found, _ = workers.count_in_processes(2, corpus, count, merge)
    whole = count(corpus.read().blocks(), 1)
    assert found.total.symbols == whole.total.symbols > 0


def test_the_error_of_a_process_is_heard_before_the_next_slice(pool: workers._Pool) -> None:
    pool.errors.append(DecodingError("x"))
    with pytest.raises(DecodingError):
        pool.next_slice()
    assert pool.take() is None  # nor do the other processes go on
    assert pool.slices


def test_the_error_of_a_process_is_heard_while_this_one_waits(
    names: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    while_this_one_waits(monkeypatch, lambda pool, _: pool.errors.append(DecodingError("x")))
    corpus = Corpus.from_paths(names)
    with pytest.raises(DecodingError):
        workers.count_in_processes(2, corpus, lambda blocks, processes: list(blocks), merge)


def test_progress_does_not_go_back_where_slices_come_back(names: Path) -> None:
    done: list[int] = []
    pool = workers._Pool(Corpus.from_paths(names), lambda amount, _: done.append(amount))
    part = pool.take()
    assert part
    pool.report()
    pool.slices.append(part)
    pool.report()
    assert done == [names.stat().st_size] * 2


def test_a_process_answers_with_the_error_of_the_corpus(tmp_path: Path) -> None:
    path = tmp_path / "names"
    path.write_bytes(b"\xff\n" + b"ava\n" * 1000)
    corpus = Corpus.from_paths(path)
    pool = workers._Pool(corpus, None)
    count = partial(passes._part, holdout=0.0, rare="", pairs=True)
    with workers._running(1, corpus, count, pool) as (thread,):
        thread.join(60)
    (error,) = pool.errors
    assert isinstance(error, DecodingError)
    assert not pool.slices


@pytest.mark.usefixtures("any_size")
def test_progress_ends_at_the_size(names: Path) -> None:
    calls: list[tuple[int, int | None]] = []
    count_bigrams(
        Corpus.from_paths(names),
        jobs=2,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls == sorted(calls)
    assert calls[-1] == (names.stat().st_size, names.stat().st_size)


@pytest.mark.parametrize(
    "corpus",
    [
        Corpus((BytesSource("memory", b"a\n" * 100),)),
        Corpus.from_paths("-"),
        Corpus.from_paths("/dev/null"),
    ],
)
@pytest.mark.usefixtures("any_size")
def test_what_cannot_be_cut_is_counted_here(corpus: Corpus) -> None:
    assert workers.job_count(corpus, 2) == 1


@pytest.mark.usefixtures("any_size")
def test_archives_and_encodings_that_cannot_be_cut_are_counted_here(tmp_path: Path) -> None:
    import gzip

    path = tmp_path / "names"
    path.write_bytes(gzip.compress(TEXT.encode()))
    assert workers.job_count(Corpus.from_paths(path), 2) == 1
    path.write_bytes(TEXT.encode())
    assert workers.job_count(Corpus.from_paths(path), 2) == 2
    utf_16 = Corpus(Corpus.from_paths(path).sources, encoding="utf-16")
    assert workers.job_count(utf_16, 2) == 1


@pytest.mark.usefixtures("any_size")
def test_no_more_processes_are_started_than_have_a_share(
    names: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "MIN_SHARE", names.stat().st_size // 3)
    assert [workers.job_count(Corpus.from_paths(names), jobs) for jobs in (2, 3, 8)] == [2, 3, 3]


COUNT_SLOWLY = """
import signal, sys
from contextlib import contextmanager
from functools import partial
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's "&" would have it ignored
from makemore.counting import workers
from makemore.counting.passes import _part, merge
from makemore.data.corpus import Corpus
count = partial(_part, holdout=0.3, rare="", pairs=True)
started = lambda done, total: print("started", flush=True)
workers.count_in_processes(2, Corpus.from_paths(sys.argv[1]), count, merge, started)
"""


def children_of(pid: int) -> list[int]:
    """Return the processes whose parent is ``pid``, from the system's table."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
        except (OSError, ValueError):
            continue
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize(
    "end", [lambda pid: os.kill(pid, signal.SIGKILL), lambda pid: os.killpg(pid, signal.SIGINT)]
)
def test_workers_end_with_their_parent_and_say_nothing(
    tmp_path: Path, end: Callable[[int], None]
) -> None:
    path = tmp_path / "names"
    path.write_bytes(b"emma\n" * 2_000_000)
    parent = subprocess.Popen(
        [sys.executable, "-c", COUNT_SLOWLY, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    with parent:
        assert parent.stdout is not None
        assert parent.stderr is not None
        parent.stdout.readline()
        children = children_of(parent.pid)
        assert len(children) == 1
        end(parent.pid)
        errors = parent.stderr.read().decode()
    deadline = time.monotonic() + 5
    while any(map(is_alive, children)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(is_alive, children))
    assert errors.count("Traceback") <= 1  # the parent's own
