"""A file put in place whole or not at all."""

import errno
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from makemore.files import replace_atomically


@pytest.fixture(autouse=True)
def common_umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def write(path: Path, data: bytes) -> None:
    with replace_atomically(path) as file:
        file.write(data)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_new_file_has_the_bytes_and_the_mode_of_the_umask(tmp_path: Path) -> None:
    write(tmp_path / "new", b"whole")
    assert (tmp_path / "new").read_bytes() == b"whole"
    assert mode(tmp_path / "new") == 0o640
    assert os.listdir(tmp_path) == ["new"]


def test_replaced_file_keeps_its_mode(tmp_path: Path) -> None:
    target = tmp_path / "old"
    for kept in (0o600, 0o666):
        target.write_bytes(b"a longer text than what follows")
        target.chmod(kept)
        write(target, b"new")
        assert target.read_bytes() == b"new"
        assert mode(target) == kept


def test_old_bytes_stand_until_the_block_has_ended(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    with replace_atomically(target) as file:
        file.write(b"new")
        file.flush()
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_block_that_raises_leaves_all_as_it_was(tmp_path: Path, error: type[BaseException]) -> None:
    def write_and_fail() -> None:
        with replace_atomically(target) as file:
            file.write(b"new" * 100_000)
            raise error

    target = tmp_path / "file"
    target.write_bytes(b"old")
    with pytest.raises(error):
        write_and_fail()
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("call", ["fsync", "replace", "chmod"])
def test_system_call_that_fails_leaves_all_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    target = tmp_path / "file"
    target.write_bytes(b"old")
    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="Input/output"):
        write(target, b"new")
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_folder_is_synced_after_the_file_was_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor: int) -> None:
        calls.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def noted_replace(source: Path, target: Path) -> None:
        calls.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    write(tmp_path / "file", b"new")
    assert calls == ["file", "rename", "folder"]


@pytest.mark.parametrize(("code", "raises"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_only_a_folder_that_cannot_be_synced_at_all_is_excused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, raises: bool
) -> None:
    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fsync)
    if raises:
        with pytest.raises(OSError, match="Input/output"):
            write(tmp_path / "file", b"new")
    else:
        write(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]


def test_disk_that_takes_only_a_part_leaves_all_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    program = (
        "import resource, signal, sys\n"
        "from makemore.files import replace_atomically\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "with replace_atomically(sys.argv[1]) as file:\n"
        "    file.write(b'x' * 1001)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, target], capture_output=True, text=True, timeout=60
    )
    assert "File too large" in done.stderr
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_symlink_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    for name in ("present", "absent"):
        target, link = tmp_path / "elsewhere" / name, tmp_path / f"to-{name}"
        link.symlink_to(target)
        if name == "present":
            target.write_bytes(b"old")
        write(link, b"new")
        assert link.is_symlink()
        assert target.read_bytes() == b"new"
    assert sorted(os.listdir(tmp_path / "elsewhere")) == ["absent", "present"]


def test_directory_as_target_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="Is a directory"), replace_atomically(tmp_path):
        pytest.fail("the block ran")
    assert os.listdir(tmp_path) == []


def test_missing_folder_and_endless_symlink_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "missing" / "file", b"new")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OSError, match="symbolic links"):
        write(tmp_path / "loop", b"new")
    assert os.listdir(tmp_path) == ["loop"]


def test_file_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"old")
    target.chmod(0o400)
    if os.access(target, os.W_OK):
        pytest.skip("this user may write to everything")
    with pytest.raises(PermissionError):
        write(target, b"new")


def test_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write(pipe, b"through")
    reader.join(10)
    assert read == [b"through"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


def test_full_device_is_an_error() -> None:
    with pytest.raises(OSError, match="No space left"):
        write(Path("/dev/full"), b"x")


def test_two_writers_at_once_never_tear_the_file(tmp_path: Path) -> None:
    def write_often(text: bytes) -> None:
        for _ in range(20):
            write(target, text)

    target = tmp_path / "file"
    texts = [bytes([letter]) * 50_000 for letter in b"ab"]
    write(target, texts[0])
    writers = [threading.Thread(target=write_often, args=(text,)) for text in texts]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert target.read_bytes() in texts
    assert os.listdir(tmp_path) == ["file"]
