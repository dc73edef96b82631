"""Feeds mutated checkpoints to ``load``: valid ones come back as they were, others are refused.

Mutations work on the parts of a checkpoint, and the digests and lengths around the changed part are
computed anew, so that most mutants get past the first checks. Coverage guides the search: parts
that reach a line or a jump of the package that was not reached before are mutated further.
"""

import argparse
import copy
import random
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import numpy.typing as npt
from checkpoint_files import archive, as_text, members, read, sealed

import makemore
from makemore.checkpoint import load, save
from makemore.errors import CheckpointError

PACKAGE = str(Path(makemore.__file__).parent)
ODD: list[Any] = [
    None, True, False, 0, -1, 1, 2, 3, 2**31, 2**63, 10**30, -(10**400), 0.0, -0.0, 0.5, 5e-324,
    1e308, float("nan"), float("inf"), "", "a", "ab", "infinite", "bigram", "<f8", ">f8", "|O",
    "\ud800", "\x1b", "\n", "\U0001f600", [], [0], [3, 3], [[]], {}, {"a": None}, {"": {}},
]  # fmt: skip
DTYPES = ["<f8", "<i8", ">f8", "<f4", "<c16", "|b1", "<U3", "|S4", "<u8"]
NUMBERS = [0, 1, -1, 2**31, -(2**63), 2**63 - 1, np.nan, np.inf, -np.inf, 1e308, -1e308, 5e-324]


@dataclass
class Parts:
    """What a checkpoint is made of."""

    metadata: dict[str, Any]
    arrays: dict[str, npt.NDArray[Any]]


@dataclass
class Outcome:
    """What came of a run."""

    loaded: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    reached: set[tuple[str, int, int]] = field(default_factory=set)
    failures: list[Path] = field(default_factory=list)

    def __str__(self) -> str:
        executions = self.loaded + self.refused.total() + len(self.failures)
        return (
            f"{executions:,} mutants: {self.loaded:,} ({self.loaded / max(executions, 1):.0%})"
            f" loaded and were saved again to the same bytes, {self.refused.total():,} were"
            f" refused at {len(self.refused)} places, {len(self.failures)} failed;"
            f" {len(self.reached):,} jumps between lines were seen"
        )


# ---- mutations of the parts, whose digests are computed anew ----


def change_value(parts: Parts, generator: random.Random) -> None:
    holder, key = generator.choice(list(places(parts.metadata)))
    holder[key] = copy.deepcopy(
        generator.choice([*ODD, *(h[k] for h, k in places(parts.metadata))])
    )


def drop_value(parts: Parts, generator: random.Random) -> None:
    holder, key = generator.choice(list(places(parts.metadata)))
    del holder[key]


def add_value(parts: Parts, generator: random.Random) -> None:
    holder, _ = generator.choice(list(places(parts.metadata)))
    if isinstance(holder, dict):
        holder[generator.choice(["", "a", "seed", "\x1b", "weights"])] = generator.choice(ODD)
    else:
        holder.append(generator.choice(ODD))


def change_number(parts: Parts, generator: random.Random) -> None:
    array = parts.arrays[generator.choice(list(parts.arrays))]
    if array.size and array.dtype.kind in "fi":
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of casts
            value = np.float64(generator.choice(NUMBERS)).astype(array.dtype)
        array.flat[generator.randrange(array.size)] = value


def change_type(parts: Parts, generator: random.Random) -> None:
    name = generator.choice(list(parts.arrays))
    array = parts.arrays[name]
    parts.arrays[name] = np.frombuffer(
        array.tobytes() + bytes(48 - array.nbytes % 48), generator.choice(DTYPES)
    ).copy()
    describe(parts, name)


def change_shape(parts: Parts, generator: random.Random) -> None:
    name = generator.choice(list(parts.arrays))
    shape = [generator.randrange(5) for _ in range(generator.randrange(4))]
    parts.arrays[name] = np.resize(parts.arrays[name], shape)
    describe(parts, name)


def change_vocabulary(parts: Parts, generator: random.Random) -> None:
    """Put another vocabulary, and arrays that fit it."""
    V = generator.randrange(1, 7)
    characters = sorted({chr(generator.randrange(32, 0x11000)) for _ in range(V)})
    parts.metadata["vocabulary"] = "".join(characters)
    for name in [name for name in ("weights", "counts") if name in parts.arrays]:
        shape = (len(characters) + 1,) * 2
        parts.arrays[name] = np.resize(parts.arrays[name], shape)
        describe(parts, name)


def describe(parts: Parts, name: str) -> None:
    """Let the table of arrays tell the truth."""
    array = parts.arrays[name]
    table = parts.metadata.get("arrays")
    if isinstance(table, dict) and isinstance(table.get(name), dict):
        table[name] |= {"dtype": array.dtype.str, "shape": list(array.shape)}


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return holder and key of every value within a JSON value."""
    if not isinstance(value, dict | list):
        return []
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    return [(value, key) for key in keys] + [p for key in keys for p in places(value[key])]


PART_MUTATIONS: list[Callable[[Parts, random.Random], None]] = [
    change_value, drop_value, add_value, change_number, change_type, change_shape,
    change_vocabulary,
]  # fmt: skip


# ---- the file, which may be mutated once more on the way ----


def file_of(parts: Parts, generator: random.Random) -> bytes:
    """Return the parts as a file: mostly as it should be, sometimes changed at one level."""
    level = generator.choice(["none"] * 8 + ["text", "npy", "members", "bytes"])
    metadata = parts.metadata
    if isinstance(metadata.get("arrays"), dict):
        with_entry = {
            n: a for n, a in parts.arrays.items() if type(metadata["arrays"].get(n)) is dict
        }
        metadata = sealed(metadata, with_entry)
    text = as_text(metadata)
    if level == "text":
        text = spliced(text.encode(), generator).decode("utf-8", "replace")
    content = members(text, parts.arrays)
    if level == "npy":
        at = generator.randrange(len(content))
        content[at] = (content[at][0], spliced(content[at][1], generator))
    if level == "members":
        at, to = generator.randrange(len(content)), generator.randrange(len(content))
        content[at] = (content[at][0], content[to][1])
    data = archive(content)
    return spliced(data, generator) if level == "bytes" else data


def spliced(data: bytes, generator: random.Random) -> bytes:
    """Return ``data`` with a few bytes replaced, inserted or taken away somewhere."""
    start = generator.randrange(len(data) + 1)
    taken = generator.choice([0, 1, 1, 2, 4, 8, len(data)])
    length = generator.choice([0, taken, taken, 1, 4])
    put = generator.choice([bytes(length), b"\xff" * length, generator.randbytes(length)])
    put = generator.choice([put, data[:length], b'"0{}[],:'[: max(length, 1)]])
    return data[:start] + put + data[start + taken :]


# ---- the run ----


def check(path: Path) -> None:
    """Raise unless ``path`` is refused in one line, or holds what ``save`` writes for it."""
    try:
        checkpoint = load(path)
    except CheckpointError as error:
        if not str(error).isprintable() or len(str(error)) > 2000:
            raise AssertionError("the message is no printable line") from error
        raise
    V, C = len(checkpoint.model.vocabulary), checkpoint.model.context_length or 0
    contexts = np.repeat(np.arange(V)[:, None], C, axis=1)
    probabilities = np.exp(checkpoint.model.log_probabilities(contexts))
    np.testing.assert_allclose(probabilities.sum(axis=1), np.ones(V))
    before, metadata = path.read_bytes(), read(path)[0]
    is_of_today = metadata["makemore"] == makemore.__version__
    save(path, checkpoint)
    if is_of_today and path.read_bytes() != before:
        raise AssertionError("save writes other bytes than load took")


class Jumps:
    """Collects the jumps from line to line within the package while the block runs."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, int, int]] = set()
        self._last = 0

    def __enter__(self) -> "Jumps":
        self._before = sys.gettrace()
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _trace(self, frame: FrameType, event: str, _: object) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        self.seen.add((frame.f_code.co_filename, self._last, frame.f_lineno))
        self._last = frame.f_lineno
        return self._trace


def place_of(error: BaseException) -> str:
    """Return where the package first raised ``error``."""
    while isinstance(error.__cause__, CheckpointError):
        error = error.__cause__
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.name}:{frame.lineno}"


def run(start: Path, seconds: float, seed: int, keep: Path) -> Outcome:
    """Mutate the checkpoint ``start`` for so long; files that fail are put into ``keep``."""
    generator, outcome = random.Random(seed), Outcome()
    pool = [Parts(*read(start))]  # all parts that reached something new
    valid = list(pool)  # and those of them that were loaded
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "makemore.npz"
        while time.monotonic() < end:
            parts = copy.deepcopy(generator.choice(valid if generator.random() < 0.7 else pool))
            for _ in range(generator.choice([1, 1, 1, 2, 3])):
                if places(parts.metadata):
                    generator.choice(PART_MUTATIONS)(parts, generator)
            data = file_of(parts, generator)
            path.write_bytes(data)
            loaded = False
            with Jumps() as jumps:
                try:
                    check(path)
                    loaded = True
                except CheckpointError as error:
                    outcome.refused[place_of(error)] += 1
                except Exception:
                    traceback.print_exc()
                    outcome.failures.append(kept(keep, data))
            if not jumps.seen <= outcome.reached:
                outcome.reached |= jumps.seen
                pool.append(parts)
                valid += [parts] * loaded
            outcome.loaded += loaded
    return outcome


def kept(folder: Path, data: bytes) -> Path:
    """Return where ``data`` were put."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{zlib.crc32(data):08x}.npz"
    path.write_bytes(data)
    print(f"the file is {path}", file=sys.stderr)
    return path


def main() -> int:
    """Run from the command line; the exit code is 1 where something failed."""
    from test_checkpoint import example

    parser = argparse.ArgumentParser(prog="scripts/fuzz checkpoint", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"))
    parser.add_argument("--start", type=Path, help="a small checkpoint to mutate; else a bigram's")
    options = parser.parse_args()
    warnings.simplefilter("error")
    with tempfile.TemporaryDirectory() as folder:
        start = options.start or Path(folder) / "start.npz"
        if options.start is None:
            save(start, example())
        outcome = run(start, options.seconds, options.seed, options.keep)
    print(outcome)
    for place, count in outcome.refused.most_common():
        print(f"{count:8,} refused at {place}")
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main())
