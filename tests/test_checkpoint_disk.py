"""Saving on disks that fail, are full, or in a process that is killed."""

import builtins
import errno
import io
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from test_checkpoint import assert_same, example

from makemore.checkpoint import load, save
from makemore.errors import CheckpointError

KILLS = 200
OLD, NEW = example(seed=1), example(seed=2)
BIG = example("".join(map(chr, range(0x4E00, 0x4E00 + 100))), seed=3)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "makemore.npz"
    save(path, OLD)
    return path


def bytes_of(checkpoint: Any, folder: Path) -> bytes:
    save(folder / "other.npz", checkpoint)
    data = (folder / "other.npz").read_bytes()
    (folder / "other.npz").unlink()
    return data


class Disk:
    """Counts the calls to the system that a save makes, and lets some of them fail.

    ``fails`` says of each call, by its number, whether it fails. ``calls`` lists their names.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fails: Callable[[int], bool]) -> None:
        self.calls: list[str] = []
        self.fails = fails
        for name in ("open", "fsync", "replace", "chmod", "unlink"):
            monkeypatch.setattr(os, name, self.counted(getattr(os, name), name))
        monkeypatch.setattr(builtins, "open", self.opened)

    def counted(self, call: Callable[..., Any], name: str) -> Callable[..., Any]:
        def counting(*arguments: Any, **options: Any) -> Any:
            self.calls.append(name)
            if self.fails(len(self.calls)):
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return call(*arguments, **options)

        return counting

    def opened(self, file: int | str | Path, mode: str = "r", **options: Any) -> Any:
        if mode != "wb" or not isinstance(file, int):
            return io.open(file, mode, **options)  # noqa: UP020 -- builtins.open is this method
        raw = io.FileIO(file, "wb")
        raw.write = self.counted(raw.write, "write")  # type: ignore[method-assign]
        return Buffered(raw)


class Buffered(io.RawIOBase):
    """Passes each write on to a file at once, so that every one is counted."""

    def __init__(self, raw: io.FileIO) -> None:
        self.raw = raw

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return self.raw.write(data)

    def fileno(self) -> int:
        return self.raw.fileno()

    def close(self) -> None:
        self.raw.close()
        super().close()


def calls_of_a_save(path: Path, checkpoint: Any) -> list[str]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        disk = Disk(monkeypatch, lambda number: False)
        save(path, checkpoint)
    return disk.calls


def test_a_save_makes_these_calls(path: Path) -> None:
    calls = calls_of_a_save(path, NEW)
    writes = ["write"] * (2 * 6 + 1)  # a header and an array for each of six members, the end
    assert calls == ["open", "open", "chmod", *writes, "fsync", "replace", "open", "fsync"]


@pytest.mark.parametrize("present", [True, False])
@pytest.mark.parametrize("and_all_after", [False, True])
def test_whichever_call_fails_the_file_is_the_old_or_the_new(
    path: Path, present: bool, and_all_after: bool
) -> None:
    old, new = path.read_bytes(), bytes_of(NEW, path.parent)
    number_of_calls = len(calls_of_a_save(path, NEW))
    for first in range(1, number_of_calls + 1):
        path.unlink(missing_ok=True)
        if present:
            path.write_bytes(old)
        with pytest.MonkeyPatch.context() as monkeypatch:
            numbers = range(first, number_of_calls + 9 if and_all_after else first + 1)
            disk = Disk(monkeypatch, numbers.__contains__)
            try:
                save(path, NEW)
                failed = False
            except CheckpointError:
                failed = True
        renamed = "replace" in disk.calls[: first - 1]
        assert failed == (len(disk.calls) >= first)
        expected = new if renamed or not failed else old if present else None
        assert (path.read_bytes() if path.exists() else None) == expected
        assert and_all_after or os.listdir(path.parent) in ([], [path.name])
        save(path, NEW)  # nothing that was left behind hinders the next run
        assert path.read_bytes() == new


@pytest.fixture
def file_size_limit() -> Iterator[Callable[[int], None]]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_file_size_limit_leaves_the_old_file(
    path: Path, file_size_limit: Callable[[int], None]
) -> None:
    old, new = path.read_bytes(), bytes_of(BIG, path.parent)
    for size in (0, 1, 100, 4096, 8192, len(new) // 2, len(new) - 1):
        file_size_limit(size)
        with pytest.raises(CheckpointError, match="File too large"):
            save(path, BIG)
        assert path.read_bytes() == old
        assert os.listdir(path.parent) == [path.name]
    file_size_limit(len(new))
    save(path, BIG)
    assert path.read_bytes() == new


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("no file system may be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk_leaves_the_old_file(small_disk: Path) -> None:
    path = small_disk / "makemore.npz"
    save(path, OLD)
    with pytest.raises(CheckpointError, match="No space left"):
        save(path, BIG)
    assert os.listdir(small_disk) == [path.name]
    assert_same(load(path), OLD)
    save(path, NEW)
    assert_same(load(path), NEW)


def test_read_only_disk_is_reported_and_read(small_disk: Path) -> None:
    path = small_disk / "makemore.npz"
    save(path, OLD)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for target in (path, small_disk / "new.npz"):
        with pytest.raises(CheckpointError, match="Read-only file system"):
            save(target, NEW)
    assert_same(load(path), OLD)


def test_full_device_is_reported() -> None:
    with pytest.raises(CheckpointError, match="No space left"):
        save("/dev/full", NEW)


def test_directory_and_what_is_below_a_file_are_no_targets(path: Path) -> None:
    with pytest.raises(CheckpointError, match="directory"):
        save(path.parent, NEW)
    with pytest.raises(CheckpointError, match="Not a directory"):
        save(path / "below.npz", NEW)
    assert os.listdir(path.parent) == [path.name]


def test_symlink_is_followed(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.npz"
    link.symlink_to(path.name)
    save(link, NEW)
    assert link.is_symlink()
    assert_same(load(path), NEW)
    assert_same(load(link), NEW)


def test_folder_that_may_not_be_written_to_is_reported(path: Path) -> None:
    path.parent.chmod(0o500)
    try:
        if os.access(path.parent, os.W_OK):
            pytest.skip("this user may write to everything")
        with pytest.raises(CheckpointError, match="Permission denied"):
            save(path, NEW)
        assert_same(load(path), OLD)
    finally:
        path.parent.chmod(0o700)


def test_interrupt_while_writing_leaves_the_old_file(path: Path) -> None:
    for number in range(1, len(calls_of_a_save(path, OLD)) + 1):
        with pytest.MonkeyPatch.context() as monkeypatch:

            def interrupted(call: int, number: int = number) -> bool:
                if call == number:
                    raise KeyboardInterrupt
                return False

            disk = Disk(monkeypatch, interrupted)
            with pytest.raises(KeyboardInterrupt):
                save(path, NEW)
        assert_same(load(path), NEW if "replace" in disk.calls[: number - 1] else OLD)
        assert os.listdir(path.parent) == [path.name]
        save(path, OLD)


SAVE_FOREVER = """
import os, sys, time
from test_checkpoint_disk import BIG, NEW
from makemore.checkpoint import save

def save_forever():
    while True:
        save(sys.argv[1], NEW)
        save(sys.argv[1], BIG)

"""
KILL_AFTER_EACH_DELAY = """
for delay in sys.stdin:
    child = os.fork()
    if not child:
        save_forever()
    time.sleep(float(delay))
    os.kill(child, 9)
    print(os.waitpid(child, 0)[1], flush=True)
"""


def started(program: str, path: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", SAVE_FOREVER + program, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent), "OPENBLAS_NUM_THREADS": "1"},
    )


def test_process_killed_at_any_moment_leaves_a_whole_file(path: Path) -> None:
    whole = [bytes_of(checkpoint, path.parent) for checkpoint in (OLD, NEW, BIG)]
    generator = random.Random(0)
    seen = set()
    with started(KILL_AFTER_EACH_DELAY, path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(KILLS):
            process.stdin.write(f"{generator.uniform(0, 0.02)}\n")
            process.stdin.flush()
            assert process.stdout.readline() == f"{signal.SIGKILL.value}\n"
            seen.add(whole.index(path.read_bytes()))
    assert seen >= {1, 2}
    left = [name for name in os.listdir(path.parent) if name != path.name]
    assert left, "no kill fell into a save"
    assert all(name.endswith(".tmp") for name in left)
    save(path, NEW)
    assert_same(load(path), NEW)


def test_two_writers_and_a_reader_at_once(path: Path) -> None:
    seen = set()
    writers = [started("print(flush=True)\nsave_forever()", path) for _ in range(2)]
    try:
        for writer in writers:
            assert writer.stdout is not None
            writer.stdout.readline()
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            seen.add(load(path).model.parameter_count)
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    assert seen == {NEW.model.parameter_count, BIG.model.parameter_count}
