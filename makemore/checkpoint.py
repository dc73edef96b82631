"""A model and its history <-> the arrays of one ``.npz`` file. Knows what they mean.

A checkpoint is a zip archive of ``.npy`` arrays that ``numpy.load`` reads without pickle; its bytes
are the work of ``archive.py``:

    metadata         JSON as a string: versions, model, vocabulary, corpus, training, and a table
                     of the arrays below with type, shape and SHA-256
    metadata_sha256  of that string's UTF-8 bytes, hexadecimal
    weights, ...     the model's arrays and the training record's, in alphabetical order

The keys of the metadata are sorted, so equal checkpoints are equal bytes. A training of a network
that was interrupted has a part "resumption" and its arrays, whose names begin with that word.

JSON has no infinity. The one number here that may be infinite, the held-out loss of a model that
gives a held-out word no probability, is written as the string "infinite"; null says that nothing
was held out.
"""

import os
from collections.abc import Container, Mapping, Sequence
from io import BufferedReader
from math import prod
from types import UnionType
from typing import Any, get_args, get_origin

import numpy as np
import numpy.typing as npt

from makemore.archive import (
    MAX_BYTES,
    SIGNATURE,
    ArchiveReader,
    ArraySpec,
    OtherFileError,
    archive_size,
    bytes_of,
    open_archive,
    write_archive,
)
from makemore.arrays import Arrays
from makemore.data.corpus import Corpus, CorpusFacts
from makemore.data.sketch import SIZE as SKETCH_SIZE
from makemore.data.vocabulary import Vocabulary
from makemore.errors import CheckpointError, OptionError, VocabularyError, shown, unwritable
from makemore.files import replace_atomically
from makemore.kinds import load_model, model_names
from makemore.models.base import Model
from makemore.training.moments import MAX_SYMBOLS
from makemore.training.record import Checkpoint, Position, Resumption, TrainingRecord
from makemore.version import __version__

FORMAT = 1
MAX_METADATA = 1 << 20
"""The maximum length of the metadata: parsed, they stay below the 64 MiB that a load may take."""
RECORD_ARRAYS: dict[str, tuple[str, tuple[int | None, ...]]] = {
    "calibration": ("<f8", (None, 2)),
    "film_steps": ("<i8", (None,)),
    "film_tables": ("<f4", (None, None, None)),
    "film_words": ("<i2", (None, None, None)),
    "loss_history": ("<f8", (None,)),
    "regularity": ("<f8", (None, 2)),
    "sketch": ("<u8", (None,)),
    "validation_history": ("<f8", (None, 2)),
}
"""The fields of ``TrainingRecord`` kept as arrays, their types and shapes; None is any length."""
ALWAYS_WRITTEN = ("calibration", "loss_history")
"""The other fields are written only where there is something in them."""
_STATE, _AVERAGES = "resumption.state.", "resumption.averages."

_LARGEST_LOSS = 1e200  # pictures calculate with the losses
_OPTIONS: dict[str, Any] = {
    "model": str,
    "method": str,
    "holdout": float | int,
    "seed": int,
    "steps": int,
    "checkpoints": str,
    "words": str,
    "l2": float | int,
    "learning_rate": float | int | None,
}
"""The options that commands read, and their types."""


class _NewerFormatError(CheckpointError):
    """The file was made by a newer makemore and may be whole."""


def save(path: str | os.PathLike[str], checkpoint: Checkpoint) -> None:
    """Write ``checkpoint`` to ``path``, where after any failure the old file stands or the new one.

    Raises ``CheckpointError`` for what ``load`` would refuse, such as weights that are not finite,
    and when the system cannot write. What stands at ``path`` is replaced, whatever it is: see
    ``refuse_other_files``.
    """
    try:
        arrays = _all_arrays(checkpoint)
    except CheckpointError as error:
        raise CheckpointError(f"nothing was saved to {_shown(path)}: {error}") from error
    try:
        with replace_atomically(path) as file:
            write_archive(file, arrays)
    except OSError as error:
        raise CheckpointError(unwritable(path, error)) from error


def refuse_other_files(path: str | os.PathLike[str]) -> None:
    """Raise ``CheckpointError`` where a checkpoint would replace a file of another kind.

    A file that begins like a zip may be a damaged checkpoint and is not refused, nor is an empty
    one, a device or a pipe.
    """
    try:
        with open_archive(path) as file:
            head = file.read(len(SIGNATURE))
    except (OSError, CheckpointError):
        return  # there is no file, or writing will tell
    if head and head != SIGNATURE:
        raise CheckpointError(
            f"{_shown(path)} is not a checkpoint and would be lost: choose another name, or remove"
            " it"
        )


def load(path: str | os.PathLike[str]) -> Checkpoint:
    """Return the checkpoint that ``save`` wrote to ``path``.

    Raises ``CheckpointError`` for every other file, whatever its bytes, and when it cannot be read.
    Memory stays within four times the file's size and 64 MiB.
    """
    try:
        with open_archive(path) as file:
            return _read(file)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"there is no checkpoint {_shown(path)}: 'makemore train' makes one"
        ) from error
    except OSError as error:
        raise CheckpointError(f"{_shown(path)} cannot be read: {error.strerror}") from error
    except (MemoryError, RecursionError) as error:  # data too large, or nested too deeply
        raise CheckpointError(f"{_shown(path)} takes more memory than there is") from error
    except OtherFileError as error:
        raise CheckpointError(
            f"{_shown(path)} is not a makemore checkpoint: name a file that 'makemore train' saved,"
            " or train again"
        ) from error
    except CheckpointError as error:
        advice = "upgrade makemore" if isinstance(error, _NewerFormatError) else "train again"
        raise CheckpointError(f"{_shown(path)} is not usable: {error!s:.500}: {advice}") from error


def _all_arrays(checkpoint: Checkpoint) -> dict[str, npt.NDArray[Any]]:
    """Return what ``save`` writes, in order, after checking that ``load`` accepts it."""
    arrays = _arrays(checkpoint)
    text = _metadata_text(checkpoint, arrays)
    metadata = _parse(text)
    _specs(metadata)
    _checkpoint(metadata, arrays)
    strings = {"metadata": np.array(text), "metadata_sha256": np.array(_sha256(text.encode()))}
    everything = strings | arrays
    size = archive_size(everything)
    if size > MAX_BYTES:
        raise CheckpointError(f"it would take {size:,} bytes and the limit is {MAX_BYTES:,}")
    return everything


def _arrays(checkpoint: Checkpoint) -> dict[str, npt.NDArray[Any]]:
    """Return all arrays of a checkpoint in the order in which they are written."""
    arrays = dict(checkpoint.model.arrays())
    record = {name: getattr(checkpoint.training, name) for name in RECORD_ARRAYS}
    arrays |= {name: a for name, a in record.items() if name in ALWAYS_WRITTEN or len(a)}
    if checkpoint.resumption:
        arrays |= {_STATE + name: array for name, array in checkpoint.resumption.state.items()}
        averages = checkpoint.resumption.averages
        arrays |= {_AVERAGES + name: array for name, array in averages.items()}
    return {name: np.asarray(arrays[name], order="C") for name in sorted(arrays)}


def _metadata_text(checkpoint: Checkpoint, arrays: Arrays) -> str:
    model, record = checkpoint.model, checkpoint.training
    training = _fields_of(record, without=RECORD_ARRAYS)
    if training["held_out_loss"] == np.inf:
        training["held_out_loss"] = "infinite"
    metadata = {
        "format": FORMAT,
        "makemore": __version__,
        "model": {"name": model.name, "options": model.options()},
        "vocabulary": _vocabulary_values(model.vocabulary),
        "corpus": _fields_of(checkpoint.corpus),
        "training": training,
        "arrays": {
            name: {
                "dtype": array.dtype.str,
                "shape": list(array.shape),
                "sha256": _sha256(bytes_of(array)),
            }
            for name, array in arrays.items()
        },
    }
    if checkpoint.resumption:
        metadata["resumption"] = checkpoint.resumption.position
    try:
        return _dump(metadata)
    except ValueError as error:
        raise CheckpointError("a number of the metadata is not finite") from error


def _parse(text: str) -> dict[str, Any]:
    """Return the metadata in ``text``, known to be of this format, with a ``Vocabulary``."""
    import json

    if len(text) > MAX_METADATA:
        raise CheckpointError(
            f"its metadata have {len(text):,} characters and the limit is {MAX_METADATA:,}"
        )
    try:
        metadata = json.loads(text)
        # What is not as save writes it holds a repeated key, a NaN or a number in another form.
        canonical = _dump(metadata) == text
    except (ValueError, RecursionError):
        canonical = False
    if not canonical or type(metadata) is not dict:
        raise CheckpointError("its metadata are not JSON as makemore writes it")
    version = metadata.get("format")
    if type(version) is int and version > FORMAT:
        raise _NewerFormatError(
            f"a newer makemore made it, in format {_cut(version)} where this one knows {FORMAT}"
        )
    if type(version) is not int or version != FORMAT:
        raise CheckpointError(f"expected the format {FORMAT} and found {_cut(version)}")
    kinds: dict[str, Any] = {"format": int, "makemore": str, "vocabulary": str | dict}
    optional = ["resumption"] if "resumption" in metadata else []
    kinds |= dict.fromkeys(["model", "corpus", "training", "arrays", *optional], dict)
    metadata = _entries(metadata, kinds, "metadata")
    return metadata | {"vocabulary": _vocabulary(metadata["vocabulary"])}


def _specs(metadata: Mapping[str, Any]) -> dict[str, ArraySpec]:
    """Return the type and shape of every array, in the order of the file, from the metadata."""
    model = _entries(metadata["model"], {"name": str, "options": dict}, "model")
    if model["name"] not in model_names():
        raise CheckpointError(
            f"expected a model among {', '.join(model_names())} and found {_cut(model['name'])}"
        )
    cls: type[Model] = load_model(model["name"])
    specs = dict(cls.array_specs(metadata["vocabulary"], model["options"]))
    written = {*ALWAYS_WRITTEN, *metadata["arrays"]}
    histories = {name: kind for name, kind in RECORD_ARRAYS.items() if name in written}
    averages: list[str] = []
    if "resumption" in metadata:
        averages = [name for name in metadata["arrays"] if name.startswith(_AVERAGES)]
        specs |= {_STATE + name: spec for name, spec in specs.items()}
    names = [*specs, *histories, *averages]
    table = _entries(metadata["arrays"], dict.fromkeys(names, dict), "arrays")
    for entry in table.values():
        _entries(entry, {"dtype": str, "shape": list, "sha256": str}, "table of arrays")
    for name, (dtype, lengths) in histories.items():
        specs[name] = ArraySpec(dtype, _matched(name, table[name]["shape"], lengths))
    for name in averages:
        specs[name] = ArraySpec("<f4", _matched(name, table[name]["shape"], (None,)))
    for name, spec in specs.items():
        expected = [spec.dtype, list(spec.shape)]
        found = [table[name]["dtype"], table[name]["shape"]]
        if _dump(expected) != _dump(found):  # as JSON, where True is not 1
            raise CheckpointError(
                f"the array {name} should be {_dump(expected)} and is {_cut(_dump(found))}"
            )
    return {name: specs[name] for name in sorted(specs)}


def _vocabulary_values(vocabulary: Vocabulary) -> str | dict[str, list[str]]:
    """Return its characters, or lists where a symbol has several or stands for unknown ones."""
    if vocabulary.unk is not None:
        return {"unk": list(vocabulary.symbols)}
    if not vocabulary.spelling:
        return vocabulary.characters
    return {"symbols": list(vocabulary.symbols), "unknown": list(vocabulary.unknown)}


def _vocabulary(values: str | dict[str, Any]) -> Vocabulary:
    lists: list[Any] = [values]
    has_unk = isinstance(values, dict) and "unk" in values
    if isinstance(values, dict):
        names = ["unk"] if has_unk else ["symbols", "unknown"]
        entries = _entries(values, dict.fromkeys(names, list), "vocabulary")
        lists = [entries[name] for name in names]
        if not all(type(symbol) is str for symbols in lists for symbol in symbols):
            raise CheckpointError("a symbol of its vocabulary is not text")
    try:
        vocabulary = Vocabulary(*lists, has_unk=has_unk)
    except VocabularyError as error:
        raise CheckpointError(
            "its vocabulary is empty, too large, or has what cannot stand in a word"
        ) from error
    if _vocabulary_values(vocabulary) != values:
        raise CheckpointError("its vocabulary is not in the order of code points, each symbol once")
    return vocabulary


def _matched(name: str, shape: list[Any], lengths: Sequence[int | None]) -> tuple[int, ...]:
    is_like = len(shape) == len(lengths) and all(
        type(length) is int and length >= 0 and expected in (None, length)
        for length, expected in zip(shape, lengths, strict=True)
    )
    # NumPy refuses the lengths of a large array even where one of them is 0
    if not is_like or prod(filter(None, shape)) > MAX_BYTES:
        raise CheckpointError(f"the array {name} cannot have the shape {_cut(_dump(shape))}")
    return tuple(shape)


def _checkpoint(metadata: Mapping[str, Any], arrays: Arrays) -> Checkpoint:
    """Return the checkpoint of these parts; the arrays are known to be of ``_specs``."""
    resumed = [name for name in arrays if name.startswith((_STATE, _AVERAGES))]
    histories = {
        name: arrays.get(name, np.zeros([length or 0 for length in lengths], dtype))
        for name, (dtype, lengths) in RECORD_ARRAYS.items()
    }
    for name, array in (*histories.items(), *((name, arrays[name]) for name in resumed)):
        if not np.isfinite(array).all():
            raise CheckpointError(f"the array {name} has numbers that are not finite")
    losses = (histories["loss_history"], histories["validation_history"])
    if any(np.abs(history).max(initial=0.0) > _LARGEST_LOSS for history in losses):
        raise CheckpointError(f"a loss of its training is above {_LARGEST_LOSS:g}")
    sketch = histories["sketch"]
    if len(sketch) > SKETCH_SIZE or (sketch[1:] <= sketch[:-1]).any():
        raise CheckpointError("the sketch of its training words does not ascend, or is too large")
    corpus: CorpusFacts = _record(CorpusFacts, metadata["corpus"], {})
    if not 0 <= corpus.held_out_lines <= corpus.lines:
        raise CheckpointError(
            f"its corpus cannot have held out {corpus.held_out_lines:,} of {corpus.lines:,} lines"
        )
    try:
        Corpus.from_bytes(b"").changed_as(corpus)
    except OptionError as error:
        raise CheckpointError(f"its corpus cannot have been read that way: {error}") from error
    training = dict(metadata["training"])
    if training.get("held_out_loss") == "infinite":
        training["held_out_loss"] = float("inf")
    record = _record(TrainingRecord, training, histories)
    _refuse_odd_options(record.options)
    _refuse_odd_film(record, len(metadata["vocabulary"]))
    own = {name: a for name, a in arrays.items() if name not in {*histories, *resumed}}
    return Checkpoint(_model(metadata, own), corpus, record, _resumption(metadata, arrays))


def _resumption(metadata: Mapping[str, Any], arrays: Arrays) -> Resumption | None:
    if "resumption" not in metadata:
        return None
    position = metadata["resumption"]
    if "steps" not in metadata["training"]["options"]:
        raise CheckpointError("it holds an unfinished training without its number of steps")
    kinds = dict.fromkeys(Position._fields, int)
    return Resumption(
        _entries(position, kinds, "resumption"),
        *(
            {name.removeprefix(start): array for name, array in arrays.items() if start in name}
            for start in (_STATE, _AVERAGES)
        ),
    )


def _refuse_odd_film(record: TrainingRecord, V: int) -> None:
    """Raise ``CheckpointError`` for moments that no training of V symbols has."""
    steps, tables, words = record.film_steps, record.film_tables, record.film_words
    k, n, columns = tables.shape
    if (
        not len(steps) == len(words) == k
        or n != columns
        or (k and n != min(V, MAX_SYMBOLS))
        or (steps < 1).any()
        or (steps > len(record.loss_history)).any()
        or (steps[1:] <= steps[:-1]).any()
        or (tables < 0).any()
        or (words < -1).any()
        or (words == 0).any()
        or (words >= V).any()
    ):
        raise CheckpointError("the moments of its training do not fit together")


def _refuse_odd_options(options: dict[str, Any]) -> None:
    """Raise ``CheckpointError`` for options that are not the plain values of any training.

    Whether this version knows them is not asked: they are a record of what was done.
    """
    known = {name: kind for name, kind in _OPTIONS.items() if name in options}
    _entries({name: options[name] for name in known}, known, "options")
    if not 0 <= options.get("holdout", 0.0) < 1:
        raise CheckpointError("the share that it held out is not 0 or more and below 1")
    for name, value in options.items():
        if type(value) not in (str, int, float, bool, type(None)):
            raise CheckpointError(f"the option {_cut(name)} cannot be {_cut(value)}")


def _model(metadata: Mapping[str, Any], arrays: Arrays) -> Model:
    options = metadata["model"]["options"]
    cls: type[Model] = load_model(metadata["model"]["name"])
    model = cls.from_arrays(metadata["vocabulary"], options, arrays)
    if _dump(model.options()) != _dump(options):
        raise CheckpointError(
            f"the model {model.name} cannot have the options {_cut(_dump(options))}"
        )
    return model


def _record(cls: Any, values: dict[str, Any], arrays: Arrays) -> Any:
    """Return the named tuple of ``values``, each of its field's type, and of ``arrays``."""
    kinds = {name: kind for name, kind in cls.__annotations__.items() if name not in arrays}
    return cls(**_entries(values, kinds, cls.__name__), **arrays)


def _fields_of(record: Any, without: Container[str] = ()) -> dict[str, Any]:
    return {name: value for name, value in record._asdict().items() if name not in without}


def _entries(values: dict[str, Any], kinds: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return ``values``, known to have exactly the keys of ``kinds`` with values of their types."""
    if values.keys() != kinds.keys():
        expected, found = ", ".join(sorted(kinds)), _cut(", ".join(sorted(values)))
        raise CheckpointError(f"expected the entries {expected} in its {where} and found {found}")
    for name, kind in kinds.items():
        value = values[name]
        allowed = get_args(kind) if isinstance(kind, UnionType) else (get_origin(kind) or kind,)
        if type(value) not in allowed:  # not isinstance: a bool is no int here
            raise CheckpointError(f"{name} in its {where} cannot be of type {type(value).__name__}")
        if type(value) is int and not 0 <= value < 1 << 128:
            raise CheckpointError(f"{name} in its {where} is negative or huge")
    return values


def _read(file: BufferedReader) -> Checkpoint:
    """Return the checkpoint in ``file``, whatever its bytes. Raises ``CheckpointError``."""
    archive = ArchiveReader(file)
    text = archive.read_first_text("metadata", MAX_METADATA)
    metadata = _parse(text)
    if archive.read_text("metadata_sha256", 64) != _sha256(text.encode()):
        raise CheckpointError("its metadata are damaged: their SHA-256 does not match")
    arrays = {}
    for name, spec in _specs(metadata).items():
        arrays[name] = archive.read(name, spec)
        if _sha256(bytes_of(arrays[name])) != metadata["arrays"][name]["sha256"]:
            raise CheckpointError(f"the array {name} is damaged: its SHA-256 does not match")
    archive.finish()
    return _checkpoint(metadata, arrays)


def _sha256(data: bytes | memoryview) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


def _dump(value: Any) -> str:
    """Return the only JSON text for ``value``. Raises ``ValueError`` for a NaN or infinity."""
    import json

    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _shown(path: str | os.PathLike[str]) -> str:
    """Return the path with escapes for what must not reach a terminal."""
    return shown(os.fsdecode(path))


def _cut(value: object) -> str:
    """Return ``value`` in ASCII, cut short."""
    text = ascii(value)
    return text if len(text) <= 100 else f"{text[:100]}..."
