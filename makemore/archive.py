"""Arrays by name <-> the bytes of an uncompressed ``.npz`` file. Knows nothing of their meaning.

Nothing in the file is left to choice: members are stored uncompressed, times are fixed, the arrays
come in the order given. So equal arrays are equal bytes, and the reader needs no parser of zip or
``.npy``. It works out the bytes that the writer puts around the data, and refuses a file that has
others. It goes from the front to the back and allocates nothing larger than what is left of the
file. A reader that is built on ``zipfile`` and ``numpy.lib.format`` would have to check all that
they accept beside this: repeated and hidden members, compression, headers that are Python
expressions, sizes that lie. Those checks would be longer than what stands here.
"""

import os
import re
import stat
import struct
from collections.abc import Mapping, Sequence
from io import BufferedReader
from math import prod
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from makemore.errors import CheckpointError


class ArraySpec(NamedTuple):
    """The type and shape that an array must have, known before a byte of it is read."""

    dtype: str
    shape: tuple[int, ...]


MAX_BYTES = (1 << 32) - 2
"""The maximum size of all members: zip counts in 32 bits, and its 64-bit extension is not used."""


class _Member(NamedTuple):
    """An array in the archive, and the checksum of its bytes as a ``.npy`` file."""

    name: bytes
    array: npt.NDArray[Any]
    npy_header: bytes
    crc32: int

    @classmethod
    def of(cls, name: str, array: npt.NDArray[Any]) -> "_Member":
        """Return the member that holds an array."""
        from binascii import crc32

        header = _npy_header(ArraySpec(array.dtype.str, array.shape))
        return cls(name.encode() + b".npy", array, header, crc32(bytes_of(array), crc32(header)))

    @property
    def size(self) -> int:
        """Bytes in the archive, from the local header on."""
        return _LOCAL.size + len(self.name) + len(self.npy_header) + self.array.nbytes


class OtherFileError(CheckpointError):
    """The file does not begin as archives do."""


# APPNOTE.TXT of PKWARE, sections 4.3.7, 4.3.12 and 4.3.16.
SIGNATURE = b"PK\3\4"
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION, _NO_FLAGS, _STORED, _MIDNIGHT, _FIRST_OF_1980 = 20, 0, 0, 0, 0x21
_COMMON = (_VERSION, _NO_FLAGS, _STORED, _MIDNIGHT, _FIRST_OF_1980)


def _local_header(member: _Member) -> bytes:
    """Return what stands in the archive before the member's data."""
    size = len(member.npy_header) + member.array.nbytes
    zip_header = _LOCAL.pack(SIGNATURE, *_COMMON, member.crc32, size, size, len(member.name), 0)
    return zip_header + member.name + member.npy_header


def _directory(members: Sequence[_Member]) -> bytes:
    """Return what stands in the archive after the last member."""
    entries, offset = b"", 0
    for member in members:
        size = len(member.npy_header) + member.array.nbytes
        entries += _CENTRAL.pack(
            b"PK\1\2", _VERSION, *_COMMON, member.crc32, size, size,
            len(member.name), 0, 0, 0, 0, 0, offset,
        ) + member.name  # fmt: skip
        offset += member.size
    count = len(members)
    return entries + _END.pack(b"PK\5\6", 0, 0, count, count, len(entries), offset, 0)


def _npy_header(spec: ArraySpec) -> bytes:
    """Return the header of a ``.npy`` file, version 1.0 of NumPy's NEP 1."""
    text = f"{{'descr': {spec.dtype!r}, 'fortran_order': False, 'shape': {spec.shape!r}, }}"
    padding = -(len(text) + 11) % 64
    return struct.pack("<8sH", b"\x93NUMPY\1\0", len(text) + padding + 1) + (
        text + " " * padding + "\n"
    ).encode("ascii")


def write_archive(file: BinaryIO, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write C-contiguous arrays to ``file`` in the order given. Raises ``OSError``."""
    members = [_Member.of(name, array) for name, array in arrays.items()]
    for member in members:
        file.write(_local_header(member))
        file.write(bytes_of(member.array))
    file.write(_directory(members))


def archive_size(arrays: Mapping[str, npt.NDArray[Any]]) -> int:
    """Return the bytes that the members of an archive of these arrays take."""
    return sum(_Member.of(name, array).size for name, array in arrays.items())


def open_archive(path: str | os.PathLike[str]) -> BufferedReader:
    """Open a regular file. Raises ``OSError``, and ``CheckpointError`` for any other kind."""
    # A FIFO would keep a reader waiting for a writer.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    file = open(path, "rb", opener=lambda name, _: os.open(name, flags))
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise CheckpointError("it is not a regular file")
    return file


class ArchiveReader:
    """Reads the members of an archive one after another, whatever its bytes.

    Every method raises ``CheckpointError`` where the file has other bytes than ``write_archive``
    puts there.
    """

    def __init__(self, file: BufferedReader) -> None:
        self._file = file
        self._members: list[_Member] = []

    def read_first_text(self, name: str, most: int) -> str:
        """Return the first member, a string of at most ``most`` characters.

        Its length is known only from the file.
        """
        first_name = f"{name}.npy".encode()
        start = self._file.read(_LOCAL.size + len(first_name))
        self._file.seek(0)
        if not start:
            raise CheckpointError("the file is empty")
        if not start.startswith(SIGNATURE):
            raise OtherFileError(f"expected the bytes {SIGNATURE.hex(' ')} at the start")
        characters = 0
        if start[_LOCAL.size :] == first_name:
            *_, size, _, _ = _LOCAL.unpack(start[: _LOCAL.size])
            characters = (size - len(_npy_header(ArraySpec("<U1", ())))) // 4
        if not 0 < characters <= most:
            raise CheckpointError(
                f"it is not a makemore checkpoint: it begins like an archive, without the {name}"
            )
        return self.read_text(name, characters)

    def read_text(self, name: str, characters: int) -> str:
        """Return the next member, a string of so many characters."""
        array = self.read(name, ArraySpec(f"<U{characters}", ()))
        try:
            return bytes(bytes_of(array)).decode("utf-32-le")
        except UnicodeDecodeError as error:
            raise CheckpointError(f"its member {name}.npy is not text") from error

    def read(self, name: str, spec: ArraySpec) -> npt.NDArray[Any]:
        """Return the next member, which must be the array of that name, type and shape."""
        header_size = _LOCAL.size + len(f"{name}.npy") + len(_npy_header(spec))
        size = prod(spec.shape) * np.dtype(spec.dtype).itemsize
        header = self._file.read(header_size)
        found = _described(header)
        if found and found != (name, *spec):
            raise CheckpointError(
                f"expected the array {name} of type {spec.dtype} and shape {spec.shape}, and found"
                f" {found[0]} of type {found[1]} and shape {found[2]}"
            )
        left = os.fstat(self._file.fileno()).st_size - self._file.tell()
        if size > left:
            raise CheckpointError(
                f"it is cut short: {name} takes {size:,} bytes and {max(left, 0):,} are left"
            )
        array = np.empty(spec.shape, spec.dtype)
        self._file.readinto(bytes_of(array))
        member = _Member.of(name, array)
        if header != _local_header(member):
            raise CheckpointError(f"its member {name} is damaged or not as makemore writes it")
        self._members.append(member)
        return array

    def finish(self) -> None:
        """Read the end of the archive, behind which there must be nothing."""
        directory = _directory(self._members)
        if self._file.read(len(directory) + 1) != directory:
            raise CheckpointError("its end is not as makemore writes it")


_HEADER = re.compile(
    rb"PK\x03\x04.{26}([\w.]{1,80})\.npy\x93NUMPY.{4}\{'descr': '([<>|=]\w{1,9})',"
    rb" 'fortran_order': False, 'shape': \(([\d, ]{0,80})\)",
    re.DOTALL,
)


def _described(header: bytes) -> tuple[str, str, tuple[int, ...]] | None:
    """Return the name, type and shape that stand in a member's header, None if it is damaged."""
    match = _HEADER.match(header)
    if not match:
        return None
    name, dtype, shape = (part.decode("ascii", "replace") for part in match.groups())
    return name, dtype, tuple(int(size) for size in re.findall(r"\d{1,18}", shape))


def bytes_of(array: npt.NDArray[Any]) -> memoryview:
    """Return the memory of a contiguous array as bytes, without a copy."""
    return array.reshape(-1).view(np.uint8).data
