"""Replaces a file atomically. This module knows nothing else of the package."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO


@contextmanager
def replace_atomically(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Yield a file to write to, which replaces ``path`` when the block ends without an error.

    Guaranteed: whatever fails, and whenever the process is killed, ``path`` holds either the old
    bytes or the new ones, complete. After the block the new ones are on the disk. When the block
    raises, even ``KeyboardInterrupt``, the temporary file beside the target is removed. A symlink
    is followed. A new file has the mode that the umask gives; a replaced one keeps its mode.

    Not guaranteed: that the folder exists (it is not created); the old file's owner, hard links and
    extended attributes; which of two concurrent writers comes last; that a killed process leaves no
    ``.makemore-*.tmp``. A device or a pipe cannot be replaced: it is written to directly, which is
    not atomic, and may not be seekable.

    Raises
    ------
    OSError
        The target is a directory or may not be written to (before the block runs), or writing,
        syncing or renaming fails. If it is the folder that cannot be synced, the new bytes are
        already in place.
    """
    mode = None
    try:
        # Opened without truncation, only to ask the system whether writing is allowed.
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


def writing_fault(path: str) -> int:
    """Return the number of the error with which ``replace_atomically`` would end; 0 for none."""
    folder = os.path.dirname(os.path.realpath(path))
    if os.path.isdir(path):
        return errno.EISDIR
    if not os.path.isdir(folder):
        return errno.ENOENT
    if os.path.exists(path) and not os.path.isfile(path):
        return 0  # a device or a pipe, beside which nothing is written
    written = [folder, *[path] * os.path.isfile(path)]
    return 0 if all(os.access(each, os.W_OK) for each in written) else errno.EACCES


@contextmanager
def _replacement(target: str, mode: int | None) -> Iterator[BinaryIO]:
    folder = os.path.dirname(target)
    temporary = os.path.join(folder, f".makemore-{os.urandom(8).hex()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        with open(os.open(temporary, flags, 0o666 if mode is None else mode), "wb") as file:
            if mode is not None:
                os.chmod(temporary, mode)  # os.open removed the bits of the umask
            yield file
            file.flush()
            os.fsync(file.fileno())  # otherwise a crash after the rename could leave an empty file
        os.replace(temporary, target)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _sync_folder(folder: str) -> None:
    """Write the rename to the disk: it is stored in the folder, not in the file.

    Only POSIX systems can open a folder.
    """
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # the error of file systems that cannot sync folders
            raise
    finally:
        os.close(descriptor)
