"""A layer's parameters <-> a ``.npz`` file, with the strictness of a checkpoint.

The file holds the arrays of ``Layer.state`` in alphabetical order, uncompressed, and nothing else;
``numpy.load`` reads it. Which arrays must be in it follows from the layer that they are for: a file
is checked against that before its numbers are read.
"""

import os

import numpy as np

from makemore.archive import ArchiveReader, ArraySpec, open_archive, write_archive
from makemore.arrays import on_host
from makemore.errors import AutodiffError, CheckpointError, shown, unwritable
from makemore.files import replace_atomically
from makemore.nn.base import Layer


def save_parameters(path: str | os.PathLike[str], layer: Layer) -> None:
    """Write a layer's parameters and running averages; a file at ``path`` is replaced at once.

    Raises ``AutodiffError`` for numbers that are not finite and where the system cannot write.
    """
    state = {
        name: np.asarray(on_host(array), order="C") for name, array in sorted(layer.state().items())
    }
    for name, array in state.items():
        if not np.isfinite(array).all():
            raise AutodiffError(f"nothing was saved: {name} has numbers that are not finite")
    try:
        with replace_atomically(path) as file:
            write_archive(file, state)
    except OSError as error:
        raise AutodiffError(unwritable(path, error)) from error


def load_parameters(path: str | os.PathLike[str], layer: Layer) -> None:
    """Give a layer the parameters that ``save_parameters`` wrote for one of the same shapes.

    Raises ``AutodiffError``, and changes nothing, for every other file, whatever its bytes.
    """
    specs = {
        name: ArraySpec(array.dtype.str, array.shape)
        for name, array in sorted(layer.state().items())
    }
    try:
        with open_archive(path) as file:
            archive = ArchiveReader(file)
            state = {name: archive.read(name, spec) for name, spec in specs.items()}
            archive.finish()
    except OSError as error:
        raise AutodiffError(f"{_shown(path)} cannot be read: {error.strerror}") from error
    except CheckpointError as error:
        raise AutodiffError(
            f"{_shown(path)} does not hold the parameters of this layer: {error}"
        ) from error
    for name, array in state.items():
        if not np.isfinite(array).all():
            raise AutodiffError(f"{_shown(path)}: {name} has numbers that are not finite")
    layer.load(state)


def _shown(path: str | os.PathLike[str]) -> str:
    return shown(os.fsdecode(path))
