"""Checkpoints put together by ``zipfile`` and NumPy's own writer, right or wrong in any one place.

Nothing here comes from ``makemore/checkpoint.py``: that a file built here without a change equals
the saved one byte for byte shows that a file with one change is wrong in that one place.
"""

import hashlib
import io
import json
import struct
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[Any]]
Members = list[tuple[str, bytes]]


def read(path: Path) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Return the metadata and the arrays of a checkpoint."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file if not name.startswith("metadata")}
        return json.loads(file["metadata"].item()), arrays


def as_text(metadata: Any) -> str:
    return json.dumps(metadata, sort_keys=True, separators=(",", ":"))


def npy(array: npt.NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array, version=(1, 0))
    return file.getvalue()


def npy_of(header: bytes, payload: bytes, version: tuple[int, int] = (1, 0)) -> bytes:
    """Return a ``.npy`` file with this header, whatever it says."""
    length = struct.pack("<H" if version == (1, 0) else "<I", len(header))
    return b"\x93NUMPY" + bytes(version) + length + header + payload


def members(text: str, arrays: Arrays) -> Members:
    """Return the members of a checkpoint, with the metadata's digest as it should be."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return [
        ("metadata.npy", npy(np.array(text))),
        ("metadata_sha256.npy", npy(np.array(digest))),
        *((f"{name}.npy", npy(arrays[name])) for name in sorted(arrays)),
    ]


def sealed(metadata: dict[str, Any], arrays: Arrays) -> dict[str, Any]:
    """Return the metadata with the digest of each array as it should be."""
    table = dict(metadata["arrays"])
    for name, array in arrays.items():
        digest = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
        table[name] = {**table.get(name, {}), "sha256": digest}
    return {**metadata, "arrays": table}


def archive(
    content: Iterable[tuple[str, bytes]], methods: Mapping[str, int] = MappingProxyType({})
) -> bytes:
    """Return a zip archive of these members, stored or by the compression methods given by name."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        for name, data in content:
            member = zipfile.ZipInfo(name)
            member.create_system = 0
            member.compress_type = methods.get(name, zipfile.ZIP_STORED)
            zipped.writestr(member, data)
            member.external_attr = 0
    return file.getvalue()


def built(metadata: dict[str, Any], arrays: Arrays) -> bytes:
    return archive(members(as_text(metadata), arrays))
