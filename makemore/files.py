"""Puts a file in place whole or not at all. Knows bytes and folders, and nothing of the package."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO


@contextmanager
def replace_atomically(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Yield a file to write to; when the block ends well, it stands at ``path``.

    Promised: whatever fails, and whenever the process is killed, ``path`` holds the old bytes or
    the new ones, whole, and a reader sees one or the other. After the block they are on the disk.
    When the block raises, ``KeyboardInterrupt`` included, the temporary file beside the target is
    removed. A symlink is followed to the file it names. A new file has the mode that the umask
    gives; one that is replaced keeps its mode.

    Not promised: that the folder exists (it is not made); the old file's owner, hard links and
    extended attributes; which of two writers at once comes last; that a process killed outright
    leaves no ``.makemore-*.tmp``. A device or a pipe cannot be replaced: it is written to directly,
    so nothing there is atomic, and the file may not be seekable.

    Raises
    ------
    OSError
        The target is a directory or may not be written to (before the block runs), or writing,
        syncing or renaming fails. If it is the folder that cannot be synced, the new bytes are
        already in place.
    """
    mode = None
    try:
        # Not truncated: opened only to hear from the system whether writing here is allowed.
        descriptor = os.open(path, os.O_WRONLY)
    except FileNotFoundError:
        pass
    else:
        with open(descriptor, "wb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                yield file
                return
        mode = stat.S_IMODE(status.st_mode)
    with _replacement(os.path.realpath(os.fsdecode(path)), mode) as file:
        yield file


@contextmanager
def _replacement(target: str, mode: int | None) -> Iterator[BinaryIO]:
    folder = os.path.dirname(target)
    temporary = os.path.join(folder, f".makemore-{os.urandom(8).hex()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        with open(os.open(temporary, flags, 0o666 if mode is None else mode), "wb") as file:
            if mode is not None:
                os.chmod(temporary, mode)  # os.open left out what the umask takes away
            yield file
            file.flush()
            os.fsync(file.fileno())  # or a crash after the rename could leave an empty file
        os.replace(temporary, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    """Make the rename itself last: it is written in the folder, not in the file."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # what file systems answer that do not sync folders
            raise
    finally:
        os.close(descriptor)
