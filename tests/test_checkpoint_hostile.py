"""Files that are no checkpoint, are damaged, or were made to do harm."""

import contextlib
import copy
import os
import pickle
import random
import re
import struct
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from string import ascii_letters
from typing import Any

import numpy as np
import pytest
from checkpoint_files import (
    Arrays,
    Members,
    archive,
    as_text,
    built,
    members,
    npy,
    npy_of,
    read,
    sealed,
)
from fuzz_checkpoint import run
from test_checkpoint import example

from makemore.checkpoint import RECORD_ARRAYS, load, save
from makemore.errors import CheckpointError


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "makemore.npz"
    save(path, example())
    return path.read_bytes()


@pytest.fixture(scope="module")
def parts(good: bytes, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Arrays]:
    path = tmp_path_factory.mktemp("parts") / "makemore.npz"
    path.write_bytes(good)
    return read(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


def written(folder: Path, data: bytes) -> Path:
    """Write a new file and return its path; some file systems write an old one to disk at once."""
    path = folder / "makemore.npz"
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    return path


def refusal(folder: Path, data: bytes) -> str:
    """Return the line with which ``load`` refuses ``data``."""
    path = written(folder, data)
    with pytest.raises(CheckpointError) as raised:
        load(path)
    line = str(raised.value)
    assert line.isprintable()
    assert len(line) < 1000 + len(str(path))
    assert not line.endswith("takes more memory than there is")
    return line


def reproduced(folder: Path, data: bytes) -> bool:
    """Return whether ``load`` takes ``data``; what it takes, ``save`` writes again."""
    path = written(folder, data)
    try:
        checkpoint = load(path)
    except CheckpointError:
        return False
    V = len(checkpoint.model.vocabulary)
    contexts = np.arange(V)[:, None]
    probabilities = np.exp(checkpoint.model.log_probabilities(contexts))
    np.testing.assert_allclose(probabilities.sum(axis=1), np.ones(V))
    save(path, checkpoint)
    assert path.read_bytes() == data
    return True


def test_files_built_here_are_those_that_save_writes(
    good: bytes, parts: tuple[dict[str, Any], Arrays]
) -> None:
    metadata, arrays = parts
    assert built(sealed(metadata, arrays), arrays) == good


# ---- container ----


def test_every_truncation_is_refused(folder: Path, good: bytes) -> None:
    for length in range(len(good)):
        refusal(folder, good[:length])


def test_flipped_bits_are_refused(folder: Path, good: bytes) -> None:
    for bit in range(0, 8 * len(good), 7):
        data = bytearray(good)
        data[bit // 8] ^= 1 << bit % 8
        refusal(folder, bytes(data))


def test_bytes_too_many_are_refused(folder: Path, good: bytes) -> None:
    for data in (good + b"\0", good + good, b"\0" + good, good + b"PK\5\6" + bytes(18)):
        refusal(folder, data)


def test_random_bytes_are_refused(folder: Path) -> None:
    generator = random.Random(0)
    for length in (1, 2, 29, 30, 31, 170, 5000):
        refusal(folder, generator.randbytes(length))
        refusal(folder, b"PK\3\4" + generator.randbytes(length))


OTHER_FILES: dict[str, Callable[[], bytes]] = {
    "text": lambda: b"emma\nolivia\n",
    "pickle": lambda: pickle.dumps({"weights": [1.0]}),
    "bare npy": lambda: npy(np.zeros((4, 4))),
    "zip without members": lambda: archive([]),
    "zip of text": lambda: archive([("names.txt", b"emma\n")]),
    "npz of others": lambda: archive([("weights.npy", npy(np.zeros((4, 4))))]),
    "empty metadata": lambda: archive([("metadata.npy", b"")]),
    "thousands of members": lambda: archive((f"{i}.npy", b"") for i in range(5000)),
}


@pytest.mark.parametrize("kind", OTHER_FILES)
def test_other_kinds_of_file_are_refused(folder: Path, kind: str) -> None:
    refusal(folder, OTHER_FILES[kind]())


def test_directories_pipes_and_devices_are_refused_at_once(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    for path in (folder, folder / "pipe", Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(CheckpointError, match=r"not a regular file|directory"):
            load(path)


def test_members_missing_extra_repeated_or_moved_are_refused(
    folder: Path, parts: tuple[dict[str, Any], Arrays]
) -> None:
    metadata, arrays = parts
    whole = members(as_text(metadata), arrays)
    several: list[Members] = [whole[:i] + whole[i + 1 :] for i in range(len(whole))]
    several += [[*whole[:i], ("extra.npy", npy(np.zeros(3))), *whole[i:]] for i in range(6)]
    several += [[*whole, *((f"{i}.npy", b"") for i in range(5000))]]
    several += [[*whole[:i], (name.upper(), data)] for i, (name, data) in enumerate(whole)]
    several += [list(reversed(whole)), sorted(whole)[1:] + sorted(whole)[:1]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # zipfile's, of repeated names
        for content in [*several, *([*whole, member] for member in whole)]:
            refusal(folder, archive(content))


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_members_are_refused(
    folder: Path, parts: tuple[dict[str, Any], Arrays], method: int
) -> None:
    metadata, arrays = parts
    whole = members(as_text(metadata), arrays)
    for name, _ in whole:
        assert name[:-4] in refusal(folder, archive(whole, {name: method}))


def zip_fields(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the offset and size in bytes of every number in the zip's headers."""
    local, central, end = [2] * 5 + [4] * 3 + [2] * 2, [2] * 6 + [4] * 3 + [2] * 5 + [4] * 2, []
    end = [2] * 4 + [4] * 2 + [2]
    for signature, sizes in ((b"PK\3\4", local), (b"PK\1\2", central), (b"PK\5\6", end)):
        at = data.find(signature)
        while at >= 0:
            offset = at + 4
            for size in sizes:
                yield offset, size
                offset += size
            at = data.find(signature, at + 1)


def test_lies_in_any_field_of_the_zip_are_refused(folder: Path, good: bytes) -> None:
    generator = random.Random(0)
    fields = list(zip_fields(good))
    assert len(fields) == 6 * (10 + 16) + 7
    for offset, size in fields:
        limit = 1 << 8 * size
        true = int.from_bytes(good[offset : offset + size], "little")
        others = {0, 1, 8, 9, 12, 14, 99, true - 1, true + 1, limit - 1, generator.randrange(limit)}
        for value in (other % limit for other in others if other % limit != true):
            lie = value.to_bytes(size, "little")
            refusal(folder, good[:offset] + lie + good[offset + size :])


# ---- arrays ----


def header(dtype: str = "'<f8'", order: str = "False", shape: str = "(4, 4)") -> bytes:
    text = f"{{'descr': {dtype}, 'fortran_order': {order}, 'shape': {shape}, }}"
    return (text + " " * (-(len(text) + 11) % 64) + "\n").encode()


PAYLOAD = np.arange(16.0).tobytes()
SHAPES = [
    "(1000000000000,)", "(1000000, 1000000)", "(-4, -4)", "(-1, 4)", "(18446744073709551616, 16)",
    "(9223372036854775807, 9223372036854775807)", "(4294967296, 4294967296)", "(True, 16)",
    f"({'1, ' * 65})", "()", "(16,)", "(4, 4, 1)", "(2, 8)", "(0, 4)", "(4.0, 4.0)", "[4, 4]",
    "('4', 4)", "(4, 4", "None", "(4,  4)", "(04, 4)", "(4, 4, )", f"({'9' * 5000}, 4)",
]  # fmt: skip
DTYPES = [
    "'|O'", "'O'", "object", "[('a', '<f8')]", "[('a', '<f8'), ('a', '<f8')]", "'>f8'", "'=f8'",
    "'|V0'", "'<U0'", "'|S0'", "'<U1000000000'", "'|S2147483647'", "'|V8'", "'<f4'", "'<f2'",
    "'<c16'", "'<i8'", "'<u8'", "'<M8[ns]'", "'<m8'", "'<f16'", "'|b1'", "'<f9'", "'float64'",
    "'d'", "8", "None", "''", "__import__('os').abort()", "('<f8', (4,))",
]  # fmt: skip
HEADERS: dict[str, bytes] = {
    **{f"shape {shape[:40]}": header(shape=shape) for shape in SHAPES},
    **{f"dtype {dtype}": header(dtype) for dtype in DTYPES},
    **{f"order {order}": header(order=order) for order in ("True", "1", "None", "'C'")},
    "huge": header() + b" " * 65_000,
    "nested": b"(" * 60_000,
    "deeper": b"{'descr': " * 6_000,
    "not UTF-8": b"\xff\xfe" * 59,
    "NUL": bytes(118),
    "empty": b"",
    "without a line end": header()[:-1] + b" ",
    "key missing": b"{'descr': '<f8', 'shape': (4, 4), }" + b" " * 82 + b"\n",
    "key twice": header()[:-20] + b"'shape': (4, 4), }\n",
}


@pytest.mark.parametrize("kind", HEADERS)
def test_headers_of_other_arrays_are_refused(
    folder: Path, parts: tuple[dict[str, Any], Arrays], kind: str
) -> None:
    metadata, arrays = parts
    content = dict(members(as_text(metadata), arrays))
    for payload in (arrays["weights"].tobytes(), PAYLOAD[:-1], PAYLOAD + b"\0", b""):
        content["weights.npy"] = npy_of(HEADERS[kind], payload)
        assert "weights" in refusal(folder, archive(content.items()))


@pytest.mark.parametrize("version", [(0, 0), (2, 0), (3, 0), (255, 255)])
def test_other_versions_of_npy_are_refused(
    folder: Path, parts: tuple[dict[str, Any], Arrays], version: tuple[int, int]
) -> None:
    metadata, arrays = parts
    content = dict(members(as_text(metadata), arrays))
    content["weights.npy"] = npy_of(header(), arrays["weights"].tobytes(), version)
    assert "weights" in refusal(folder, archive(content.items()))


TABLE_SHAPES: list[Any] = [
    [10**12], [10**6, 10**6], [-4, -4], [2**64, 16], [2**63 - 1] * 2, [True, 16], [1] * 65, [],
    [16], [4, 4, 1], [2, 8], [4.0, 4.0], ["4", 4], [None, 4], [[4], 4], [[4, 4]], [10**4000, 4],
]  # fmt: skip
TABLE_DTYPES = ["|O", ">f8", "<U0", "|V0", "<U1000000000", "<f4", "<i8", "", "x" * 9999, "\x1b[2J"]


@pytest.mark.parametrize("name", ["weights", "counts", "loss_history", "calibration"])
def test_table_that_does_not_fit_the_model_is_refused(
    folder: Path, parts: tuple[dict[str, Any], Arrays], name: str
) -> None:
    metadata, arrays = parts
    for key, values in (("shape", TABLE_SHAPES), ("dtype", TABLE_DTYPES)):
        for value in values:
            if (name, value) in (("loss_history", [16]), ("counts", "<i8")):
                continue
            changed = copy.deepcopy(metadata)
            changed["arrays"][name][key] = value
            content = dict(members(as_text(changed), arrays))
            assert name in refusal(folder, archive(content.items()))
            if key == "shape":  # and when the member's own header tells the same
                told = header(shape=repr(tuple(value)))[:65_535]
                content[f"{name}.npy"] = npy_of(told, arrays[name].tobytes())
                assert name in refusal(folder, archive(content.items()))


@pytest.mark.parametrize("shape", [(0, 2**31, 2**31), (2**40, 0, 2**40), (0, 10**17, 1)])
def test_an_array_of_nothing_with_lengths_beyond_memory_is_refused(
    folder: Path, parts: tuple[dict[str, Any], Arrays], shape: tuple[int, ...]
) -> None:
    metadata, arrays = parts
    nothing = {"film_tables": np.zeros((0, 0, 0), np.float32)}
    changed = sealed(metadata, nothing)
    changed["arrays"]["film_tables"] |= {"dtype": "<f4", "shape": list(shape)}
    content = dict(members(as_text(changed), {**arrays, **nothing}))
    content["film_tables.npy"] = npy_of(header("'<f4'", shape=repr(shape)), b"")
    assert "film_tables" in refusal(folder, archive(content.items()))


def test_length_that_is_fixed_for_an_array_of_the_record_is_held(
    folder: Path, good: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for lengths, taken in (((5,), True), ((4,), False), ((None, 2), False)):
        monkeypatch.setitem(RECORD_ARRAYS, "loss_history", ("<f8", lengths))
        assert reproduced(folder, good) == taken


def test_table_and_arrays_that_agree_on_another_array_are_refused(
    folder: Path, parts: tuple[dict[str, Any], Arrays]
) -> None:
    metadata, arrays = parts
    for name, array in arrays.items():
        others = [array.astype(kind) for kind in (">f8", "<f4", "<c16", "<i4", "?", "S3", "U3")]
        others += [array.reshape(-1, 1, 1), array[:-1], np.concatenate([array, array])]
        for other in others:
            changed = sealed(metadata, {name: other})
            changed["arrays"][name] |= {"dtype": other.dtype.str, "shape": list(other.shape)}
            record_shapes = {"loss_history": (len(other),), "calibration": (len(other), 2)}
            if other.dtype == "<f8" and other.shape == record_shapes.get(name):
                assert reproduced(folder, built(changed, {**arrays, name: other}))
            else:
                assert name in refusal(folder, built(changed, {**arrays, name: other}))


def test_fortran_order_is_refused(folder: Path, parts: tuple[dict[str, Any], Arrays]) -> None:
    metadata, arrays = parts
    content = members(
        as_text(metadata), {**arrays, "weights": np.asfortranarray(arrays["weights"])}
    )
    assert "weights" in refusal(folder, archive(content))


# ---- meaning: every digest below is right ----


def at(*keys: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(metadata: dict[str, Any]) -> None:
        for key in keys[:-1]:
            metadata = metadata[key]
        metadata[keys[-1]] = value

    return change


MEANINGS: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "newer format": (at("format", value=2), "upgrade makemore"),
    "much newer format": (at("format", value=10**4000), "upgrade makemore"),
    "format 0": (at("format", value=0), "format 1 and found 0"),
    "format negative": (at("format", value=-1), "format 1 and found -1"),
    "format boolean": (at("format", value=True), "format 1 and found True"),
    "format text": (at("format", value="1"), "format 1 and found '1'"),
    "format float": (at("format", value=1.0), "format 1 and found 1.0"),
    "format null": (at("format", value=None), "format 1 and found None"),
    "entry extra": (at("extra", value=1), "extra"),
    "entry extra with escapes": (at("\x1b[2J\n", value=1), r"\\x1b"),
    "model unknown": (at("model", "name", value="trigram"), "and found 'trigram'"),
    "model name huge": (at("model", "name", value="x" * 10**5), "and found 'xxx"),
    "model name with escapes": (at("model", "name", value="\x1b]0;\x07"), r"\\x1b"),
    "model options": (at("model", "options", value={"order": 3}), "options"),
    "model text": (at("model", value="bigram"), "model"),
    "vocabulary empty": (at("vocabulary", value=""), "vocabulary"),
    "vocabulary repeated": (at("vocabulary", value="aab"), "vocabulary"),
    "vocabulary unsorted": (at("vocabulary", value="cba"), "vocabulary"),
    "vocabulary surrogate": (at("vocabulary", value="ab\ud800"), "vocabulary"),
    "vocabulary with a line end": (at("vocabulary", value="\nab"), "vocabulary"),
    "vocabulary too large": (
        at("vocabulary", value="".join(map(chr, range(0x10000, 0x12000)))),
        "vocabulary",
    ),
    "vocabulary larger than the arrays": (at("vocabulary", value="abcd"), "array (weights|counts)"),
    "vocabulary smaller than the arrays": (at("vocabulary", value="ab"), "array (weights|counts)"),
    "vocabulary largest": (
        at("vocabulary", value="".join(map(chr, range(0x10000, 0x11FFF)))),
        "array (weights|counts)",
    ),
    "vocabulary a list": (at("vocabulary", value=["a", "b", "c"]), "vocabulary"),
    "loss infinite": (at("training", "training_loss", value="infinite"), "training_loss"),
    "minimum infinite": (at("training", "minimum", value="infinite"), "minimum"),
    "held-out loss of text": (at("training", "held_out_loss", value="Infinity"), "held_out_loss"),
    "held out more than all": (at("training", "options", "holdout", value=1e308), "held out"),
    "held out less than none": (at("training", "options", "holdout", value=-1.0), "held out"),
    "seed negative": (at("training", "options", "seed", value=-1), "seed"),
    "seed huge": (at("training", "options", "seed", value=10**4000), "seed"),
    "seed boolean": (at("training", "options", "seed", value=True), "seed"),
    "lines negative": (at("corpus", "lines", value=-1), "lines"),
    "more held out than there is": (at("corpus", "held_out_lines", value=10**6), "held out"),
    "encoding unknown": (at("corpus", "encoding", value="nonsense"), "unknown encoding"),
    "encoding with a zero": (at("corpus", "encoding", value="a\0b"), "unknown encoding"),
    "normal form unknown": (at("corpus", "normalize", value="xyz"), "unknown normal form"),
    "errors unknown": (at("corpus", "errors", value="xyz"), "xyz"),
    "column with many digits": (at("corpus", "column", value="9" * 5000), "read that way"),
    "symbols unknown and none known": (
        at("vocabulary", value={"symbols": ["a", "b"], "unknown": ["c"]}),
        "vocabulary",
    ),
    "symbols without end": (
        at(
            "vocabulary",
            value={
                "symbols": ["a", "b"],
                "unknown": sorted(map("".join, product(ascii_letters, repeat=3)))[: 1 << 17],
            },
        ),
        "vocabulary",
    ),
    "mixed words a number": (at("training", "options", "words", value=3), "words"),
    "steps a text": (at("training", "options", "steps", value="many"), "steps"),
    "penalty a text": (at("training", "options", "l2", value="much"), "l2"),
    "learning rate a text": (
        at("training", "options", "learning_rate", value="1"),
        "learning_rate",
    ),
    "arrays without an entry": (at("arrays", value={}), "arrays"),
    "array extra": (at("arrays", "bias", value={}), "bias"),
}


@pytest.mark.parametrize("kind", MEANINGS)
def test_metadata_that_mean_nothing_are_refused(
    folder: Path, parts: tuple[dict[str, Any], Arrays], kind: str
) -> None:
    metadata, arrays = parts
    change, word = MEANINGS[kind]
    changed = copy.deepcopy(metadata)
    change(changed)
    assert re.search(word, refusal(folder, built(changed, arrays)))


def test_a_sketch_that_no_training_has_is_refused(
    folder: Path, parts: tuple[dict[str, Any], Arrays]
) -> None:
    metadata, arrays = parts
    more = np.arange(1, 1026, dtype=np.uint64)
    sketches = [(more[1:], True), (more[:0:-1], False), (more[:9].repeat(2), False), (more, False)]
    for sketch, is_one in sketches:
        changed = copy.deepcopy(metadata)
        changed["arrays"]["sketch"] = {"dtype": "<u8", "shape": [len(sketch)], "sha256": ""}
        changed, together = sealed(changed, {"sketch": sketch}), {**arrays, "sketch": sketch}
        data = built(changed, dict(sorted(together.items())))
        if is_one:
            assert reproduced(folder, data)
        else:
            assert "sketch" in refusal(folder, data)


TEXTS: dict[str, Callable[[str], str]] = {
    "empty": lambda text: " ",
    "no object": lambda text: "[]",
    "null": lambda text: "null",
    "broken": lambda text: text[:-1],
    "more behind": lambda text: text + "}",
    "blank behind": lambda text: text + " ",
    "blank inside": lambda text: text.replace(":", ": "),
    "key repeated": lambda text: text.replace('"seed":7', '"seed":7,"seed":7'),
    "NaN": lambda text: text.replace('"seconds":0.25', '"seconds":NaN'),
    "Infinity": lambda text: text.replace('"seconds":0.25', '"seconds":Infinity'),
    "beyond float": lambda text: text.replace('"seconds":0.25', '"seconds":1e999'),
    "another form of the number": lambda text: text.replace("0.25", "25e-2"),
    "not in order": lambda text: (
        '{"vocabulary":"abc",' + text[1:].replace(',"vocabulary":"abc"', "")
    ),
    "too many digits": lambda text: text.replace('"seed":7', '"seed":' + "7" * 9999),
    "nested": lambda text: text.replace('"steps":5', '"steps":' + "[" * 99_999 + "]" * 99_999),
    "nested objects": lambda text: text.replace(
        '"steps":5', '"steps":' + '{"a":' * 99_999 + "0" + "}" * 99_999
    ),
    "huge": lambda text: text.replace('"steps":5', '"steps":"' + "5" * (1 << 20) + '"'),
    "raw characters": lambda text: text.replace("names.txt", "n\u00e4mes.txt"),
    "control characters": lambda text: text.replace("names.txt", "\x1b[2J"),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_text_that_is_not_the_json_of_save_is_refused(
    folder: Path, parts: tuple[dict[str, Any], Arrays], kind: str
) -> None:
    metadata, arrays = parts
    text = as_text(metadata)
    assert TEXTS[kind](text) != text
    assert "metadata" in refusal(folder, archive(members(TEXTS[kind](text), arrays)))


def test_metadata_that_are_no_string_are_refused(
    folder: Path, parts: tuple[dict[str, Any], Arrays]
) -> None:
    metadata, arrays = parts
    text = as_text(metadata)
    whole = members(text, arrays)
    outside_unicode = bytearray(whole[0][1])
    outside_unicode[-4:] = b"\xff\xff\xff\xff"
    for data in (
        npy(np.array([text])),
        npy(np.array(text.encode())),
        npy(np.array(text, f">U{len(text)}")),
        npy(np.array(text + "\0", f"<U{len(text) + 1}")),
        npy(np.frombuffer(text.encode(), np.uint8)),
        bytes(outside_unicode),
    ):
        refusal(folder, archive([("metadata.npy", data), *whole[1:]]))


def test_digests_that_are_wrong_are_refused(
    folder: Path, parts: tuple[dict[str, Any], Arrays]
) -> None:
    metadata, arrays = parts
    whole = members(as_text(metadata), arrays)
    for wrong in ("0" * 64, "F" * 64, "é" * 64):
        data = archive([whole[0], ("metadata_sha256.npy", npy(np.array(wrong))), *whole[2:]])
        assert "SHA-256" in refusal(folder, data)
    for name in arrays:
        changed = copy.deepcopy(metadata)
        changed["arrays"][name]["sha256"] = "0" * 64
        assert f"{name} is damaged" in refusal(folder, built(changed, arrays))


VALUES: dict[str, tuple[str, float]] = {
    "weight NaN": ("weights", np.nan),
    "weight infinite": ("weights", np.inf),
    "weight minus infinite": ("weights", -np.inf),
    "count negative": ("counts", -1),
    "count most negative": ("counts", -(2**63)),
    "loss NaN": ("loss_history", np.nan),
    "loss infinite": ("loss_history", np.inf),
}


@pytest.mark.parametrize("kind", VALUES)
def test_impossible_values_are_refused(
    folder: Path, parts: tuple[dict[str, Any], Arrays], kind: str
) -> None:
    metadata, arrays = parts
    name, value = VALUES[kind]
    array = arrays[name].copy()
    array.flat[-1] = value
    changed = {**arrays, name: array}
    line = refusal(folder, built(sealed(metadata, changed), changed))
    assert name in line
    assert line.endswith(": train again")


@pytest.mark.parametrize("weight", [1.7e308, -1.7e308, 5e-324, -0.0])
def test_extreme_weights_are_taken(
    folder: Path, parts: tuple[dict[str, Any], Arrays], weight: float
) -> None:
    metadata, arrays = parts
    for column in range(4):  # 0: a model that never, or nearly always, ends a word
        array = arrays["weights"].copy()
        array[:, column] = weight
        array[:, column - 1] = -weight
        changed = {**arrays, "weights": array}
        assert reproduced(folder, built(sealed(metadata, changed), changed))


def places(value: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the path to every value within a JSON value."""
    if isinstance(value, dict | list):
        for key, below in value.items() if isinstance(value, dict) else enumerate(value):
            yield (key,)
            yield from ((key, *rest) for rest in places(below))


ODD: list[Any] = [
    None, True, False, 0, -1, 2, 4, 10**30, -(10**400), 0.5, -0.0, 1e308, "", "x", "infinite",
    "\ud800", "\x1b", [], [[]], [0], {}, {"": {}}, {"a": None},
]  # fmt: skip


def test_odd_values_anywhere_are_refused_or_taken_as_they_are(
    folder: Path, parts: tuple[dict[str, Any], Arrays]
) -> None:
    metadata, arrays = parts
    taken = 0
    for place in places(metadata):
        if place == ("makemore",):
            continue
        for odd in ODD:
            changed: Any = copy.deepcopy(metadata)
            at(*place, value=odd)(changed)
            taken += reproduced(folder, built(changed, arrays))
    assert taken > 50  # names, options and losses are free


# ---- memory ----

WITHIN_LIMIT = """
import os, resource, sys
import numpy as np
from makemore.checkpoint import load
from makemore.errors import CheckpointError

def taken():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()

path, limit = sys.argv[1], int(sys.argv[2])
import hashlib, json, makemore.models
resource.setrlimit(resource.RLIMIT_AS, (taken() + limit, resource.RLIM_INFINITY))
try:
    np.empty(limit + (1 << 22), np.uint8)
except MemoryError:
    print("limited")
try:
    load(path)
    print("loaded")
except CheckpointError as error:
    print(error)
"""


def loaded_within(limit: int, path: Path) -> str:
    """Return what came of loading ``path`` in a process that may take ``limit`` bytes more."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHIN_LIMIT, path, str(limit)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert done.stderr == ""
    limited, result = done.stdout.splitlines()
    assert limited == "limited"
    return result


def giants(metadata: dict[str, Any], arrays: Arrays) -> Iterator[tuple[str, bytes]]:
    """Yield files that would take much memory, and what is said of each."""
    text = as_text(metadata)
    whole = members(text, arrays)
    bomb = npy(np.zeros(1 << 24))
    for name, _ in whole:
        bombed = [(other, bomb if other == name else data) for other, data in whole]
        yield "member|not a makemore checkpoint", archive(bombed, {name: zipfile.ZIP_DEFLATED})
    crowded = text.replace('"steps":5', '"steps_":[' + "{}," * 340_000 + "0]")
    yield r"the option .* cannot be", archive(members(crowded, arrays))
    crowded = text.replace('"steps":5', ",".join(f'"{i}":{{}}' for i in range(90_000)))
    yield "metadata", archive(members(crowded, arrays))  # keys not in order
    changed = copy.deepcopy(metadata)
    changed["arrays"]["loss_history"]["shape"] = [10**12]
    yield "loss_history", built(changed, arrays)
    changed = copy.deepcopy(metadata)
    changed["vocabulary"] = "".join(map(chr, range(0x10000, 0x11FFF)))
    changed["arrays"]["weights"]["shape"] = changed["arrays"]["counts"]["shape"] = [8192, 8192]
    yield "counts", built(changed, arrays)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 65535, 65535, (1 << 32) - 1, 0, 0)
    yield "end", built(metadata, arrays)[:-22] + end


def test_memory_stays_within_four_times_the_file_and_64_mebibytes(
    folder: Path, parts: tuple[dict[str, Any], Arrays]
) -> None:
    path = folder / "giant.npz"
    for word, data in giants(*parts):
        path.write_bytes(data)
        assert re.search(word, loaded_within(4 * len(data) + (64 << 20), path)), word


def test_large_checkpoint_is_loaded_within_four_times_its_size(folder: Path) -> None:
    path = folder / "large.npz"
    save(path, example("".join(map(chr, range(0x4E00, 0x4E00 + 3000)))))
    assert loaded_within(4 * path.stat().st_size + (64 << 20), path) == "loaded"
    assert "more memory than there is" in loaded_within(path.stat().st_size // 2, path)


def test_nesting_of_any_depth_is_refused_or_taken(
    folder: Path, parts: tuple[dict[str, Any], Arrays]
) -> None:
    metadata, arrays = parts
    text = as_text(metadata)
    path = folder / "nested.npz"
    for depth in range(sys.getrecursionlimit() - 150, sys.getrecursionlimit() - 20):
        for opening, closing in (("[", "]"), ('{"a":', "}")):
            value = opening * depth + "0" + closing * depth
            for changed in (
                text.replace('"steps":5', f'"steps":{value}'),
                text.replace('"options":{}', f'"options":{{"order":{value}}}'),
            ):
                path.write_bytes(archive(members(changed, arrays)))
                with contextlib.suppress(CheckpointError):
                    load(path)


def test_mutants_are_refused_or_come_back_as_they_were(tmp_path: Path, good: bytes) -> None:
    (tmp_path / "start.npz").write_bytes(good)
    outcome = run(tmp_path / "start.npz", seconds=2, seed=0, keep=tmp_path / "failures")
    assert outcome.failures == []
    assert outcome.loaded > 0
    assert len(outcome.refused) > 5  # places; far more where the machine has nothing else to do
