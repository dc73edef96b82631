"""What a file is by its first bytes: compressed text is opened, and what is no text is refused.

gzip, bzip2, xz and zstd hold one text; a zip archive may hold one file, which is then the text.
"""

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from copy import copy
from functools import partial
from typing import IO, TYPE_CHECKING, Any, cast

from makemore.errors import CorpusError, shown

if TYPE_CHECKING:
    import zipfile

_GZIP = (b"\x1f\x8b",)
_XZ = (b"\xfd7zXZ\0",)
# The level, then the mark of the first block or of the end: a word may begin with BZh.
_BZ2 = tuple(b"BZh%d%s" % (i, mark) for i in range(1, 10) for mark in (b"1AY&SY", b"\x17rE8P\x90"))
_ZSTD = (
    b"\x28\xb5\x2f\xfd",
    *(b"%c\x2aM\x18" % i for i in range(0x50, 0x60)),  # skippable frames, which may come first
)
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # the second is an empty one
COMPRESSED = (*_GZIP, *_BZ2, *_XZ, *_ZSTD, *_ZIP)
"""The first bytes of compressed files."""
PROGRAMS = (
    ("gzip -dc", _GZIP),
    ("bzip2 -dc", _BZ2),
    ("xz -dc", _XZ),
    ("zstd -dc", _ZSTD),
    ("unzip -p", _ZIP),
)
"""The programs that print such files, and the first bytes of these."""

_READ = 1 << 19  # bytes that are read at once, if so many have come
_SMALL_READ = 1 << 16
_FRAME_READ = 512  # bytes; of zstd they become at most 16 MiB, which exist twice for a moment
_MEMBER_READ = 1 << 12  # bytes; of LZMA they become at most 28 MiB
_FRAME_PIECE = 1 << 16  # bytes; 512 bytes of bzip2 can become a gigabyte

_UNPACK = "unpack it and name the files that are in it"
_AS_TEXT = "save its words as plain text, one a line"
_FORMATS = (
    (b"7z\xbc\xaf\x27\x1c", "7-Zip archive", _UNPACK),
    (b"Rar!\x1a\x07", "RAR archive", _UNPACK),
    (b"%PDF-", "PDF document", _AS_TEXT),
    (b"PAR1\x15", "Parquet file", _AS_TEXT),  # a word may begin with PAR1, but not with both
    (b"SQLite format 3\0", "SQLite database", _AS_TEXT),
    (b"\x93NUMPY", "NumPy array", _AS_TEXT),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "file of an old Office, .doc or .xls", _AS_TEXT),
    (_GZIP, "gzip file inside a compressed one", _UNPACK),
    (_BZ2, "bzip2 file inside a compressed one", _UNPACK),
    (_XZ, "xz file inside a compressed one", _UNPACK),
    (_ZSTD, "zstd file inside a compressed one", _UNPACK),
    (_ZIP, "zip archive inside a compressed file", _UNPACK),
)
"""The first bytes of other formats, what they are called, and what to do."""

_DOCUMENTS = (
    ("xl/workbook.xml", "Excel workbook", _AS_TEXT),
    ("word/document.xml", "Word document", _AS_TEXT),
    ("ppt/presentation.xml", "PowerPoint presentation", _AS_TEXT),
    ("content.xml", "OpenDocument file", _AS_TEXT),
    ("metadata.npy", "checkpoint", "name the list that it was trained on"),
)
"""Zip archives that are documents: a file in them, what they are called, and what to do."""


Failures = tuple[type[Exception], ...]
"""What reading a file may raise beside ``OSError``, ``EOFError`` and ``ValueError``."""


def first_bytes(file: IO[bytes]) -> tuple[bytes, IO[bytes]]:
    """Return the first bytes of a file, and the file from its start.

    They are no more than show whether it is ``COMPRESSED``: others may not come soon.
    """
    head = b""
    while any(mark.startswith(head) and mark != head for mark in COMPRESSED):
        more = file.read(1)
        if not more:
            break
        head += more
    if file.seekable():
        file.seek(0)
        return head, file
    return head, stream_of(_with_head(head, as_they_come(file)))


def decompressed(
    file: IO[bytes], head: bytes, name: str, closing: ExitStack
) -> tuple[IO[bytes], Failures]:
    """Return a ``COMPRESSED`` file decompressed, and what reading it may raise.

    Parameters
    ----------
    file : file of bytes, at its start
    head : bytes
        The first ones.
    name : str
        What messages call it.
    closing : ExitStack
        Closes what is opened beside the file.

    Raises
    ------
    CorpusError
        It is a zip archive of anything but one file, or zstd and no library reads that.
    """
    if head.startswith(_GZIP):
        import gzip
        import zlib

        return cast(IO[bytes], gzip.GzipFile(fileobj=file)), (zlib.error,)
    if head.startswith(_BZ2):
        import bz2

        return stream_of(_frames(file, bz2.BZ2Decompressor, _FRAME_PIECE)), ()
    if head.startswith(_XZ):
        import lzma

        begin = partial(lzma.LZMADecompressor, lzma.FORMAT_XZ)
        return stream_of(_frames(file, begin, _FRAME_PIECE)), (lzma.LZMAError,)
    if head.startswith(_ZSTD):
        return _zstd(file, name)
    return _zip(file, name, closing)


def _zstd(file: IO[bytes], name: str) -> tuple[IO[bytes], Failures]:
    if sys.version_info >= (3, 14):
        from compression import zstd

        return cast(IO[bytes], zstd.ZstdFile(file)), (zstd.ZstdError,)
    else:  # so that type checkers read only what this Python runs
        try:
            import zstandard
        except ImportError:
            raise CorpusError(
                f"{shown(name)} is compressed by zstd, which Python reads from 3.14 on: unpack it"
                " with 'zstd -d', or pip install zstandard"
            ) from None
        begin = zstandard.ZstdDecompressor().decompressobj
        return stream_of(_frames(file, begin)), (zstandard.ZstdError,)


def _zip(file: IO[bytes], name: str, closing: ExitStack) -> tuple[IO[bytes], Failures]:
    import lzma
    import shutil
    import tempfile
    import zipfile
    import zlib

    if not file.seekable():  # the table of an archive stands at its end
        pipe, file = file, closing.enter_context(tempfile.TemporaryFile())
        shutil.copyfileobj(pipe, file)
        file.seek(0)
    try:
        archive = closing.enter_context(zipfile.ZipFile(file))
        members = [member for member in archive.infolist() if member.filename]
        files = [m for m in members if not m.is_dir() and not _is_litter(m.filename)]
        for path, kind, advice in _DOCUMENTS:
            if any(member.filename == path for member in files):
                raise _other_format(name, kind, advice)
        if len(files) != 1:
            raise CorpusError(
                f"{shown(name)} is a zip archive of {len(files):,} files, expected one list of"
                f" words: {_UNPACK}"
            )
        stream = _member(archive, files[0])
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise CorpusError(f"cannot read {shown(name)}: {shown(str(error))}") from None
    return stream, (zipfile.BadZipFile, zlib.error, lzma.LZMAError)


def _member(archive: "zipfile.ZipFile", member: "zipfile.ZipInfo") -> IO[bytes]:
    """Return the text of one file of an archive.

    Where ``zipfile`` is asked for n bytes, it unpacks as many compressed ones at once, at least
    4 KB, unless the method is deflate. Those can become 7,000 times as many, of bzip2 a million.
    """
    import zipfile

    if member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return archive.open(member)
    if member.compress_type != zipfile.ZIP_BZIP2:
        return stream_of(as_they_come(archive.open(member), _MEMBER_READ))
    import bz2

    packed = copy(member)
    packed.compress_type, packed.file_size = zipfile.ZIP_STORED, member.compress_size
    del packed.CRC  # of the text; bzip2 has its own
    return stream_of(_frames(archive.open(packed), bz2.BZ2Decompressor, _FRAME_PIECE))


def _is_litter(path: str) -> bool:
    """Return whether a system put this file into an archive unasked."""
    return path.startswith("__MACOSX/") or path.rpartition("/")[2] in (".DS_Store", "Thumbs.db")


def refuse_other_formats(head: bytes, name: str) -> None:
    """Raise ``CorpusError`` if a source begins like a format that is no text.

    ``head`` are its first 512 bytes or more after decompression, if it has so many. A tar archive
    shows by the checksum of its first header (POSIX.1-1988, section 10.1.1).
    """
    if _has_tar_checksum(head):
        raise _other_format(name, "tar archive", _UNPACK)
    for mark, kind, advice in _FORMATS:
        if head.startswith(mark):
            raise _other_format(name, kind, advice)


def _other_format(name: str, kind: str, advice: str) -> CorpusError:
    article = "an" if kind[0] in "EOx" else "a"
    return CorpusError(f"{shown(name)} is {article} {kind}, expected a list of words: {advice}")


def _has_tar_checksum(head: bytes) -> bool:
    field = head[148:156]  # octal digits; in the sum it counts as eight spaces
    try:
        stored = int(field.strip(b" \0"), 8)
    except ValueError:
        return False
    return len(head) >= 512 and stored == sum(head[:512]) - sum(field) + 8 * ord(" ")


def stream_of(pieces: Iterator[bytes]) -> IO[bytes]:
    """Return the stream of these pieces, one after another."""
    return io.BufferedReader(_Pieces(pieces), _SMALL_READ)


class _Pieces(io.RawIOBase):
    """The bytes that an iterator yields."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` with what is ready; return the number of bytes."""
        while not self._ready:
            self._ready = memoryview(b"")  # or the last piece stays in memory while one is made
            if (piece := next(self._pieces, None)) is None:
                return 0
            self._ready = memoryview(piece)
        part, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


def as_they_come(file: IO[bytes], most: int = _READ) -> Iterator[bytes]:
    """Yield the bytes of a file, at most so many at once.

    ``read1`` returns what has come: to wait for a full buffer would not hear Ctrl-C. After the end
    nothing is read, for which a terminal would ask for Ctrl-D a second time.
    """
    return iter(partial(getattr(file, "read1", file.read), most), b"")


def _with_head(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    """Yield bytes that were read already, then the rest of their stream.

    A head that ends within a line comes with more of it, which shows better what it is.
    """
    yield head if head.endswith(b"\n") else head + next(rest, b"")
    yield from rest


def _frames(file: IO[bytes], begin: Callable[[], Any], *piece: int) -> Iterator[bytes]:
    """Yield the text of a bzip2 or xz file's streams or of a zstd file's frames, one after another.

    The readers of bz2 and lzma take a damaged second stream for garbage after the end, and that of
    zstandard misses a truncation: they would lose words silently. ``begin`` returns an object that
    decompresses one frame. It makes at most ``piece`` bytes at a time, if that is given.
    """
    rest = b""
    while packed := rest or file.read(_FRAME_READ):
        rest = packed.lstrip(b"\0")  # the padding between the streams of xz
        if not rest:
            continue
        frame = begin()
        while not frame.eof:
            has_more = piece and not frame.needs_input
            packed = b"" if has_more else rest or file.read(_FRAME_READ)
            if not packed and not has_more:
                raise EOFError("the compressed text ends before its mark of the end")
            yield frame.decompress(packed, *piece)
            rest = frame.unused_data
