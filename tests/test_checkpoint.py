"""Saving a model and its history, and getting the same back."""

import hashlib
import json
import math
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import makemore
from makemore.checkpoint import ALWAYS_WRITTEN, RECORD_ARRAYS, load, refuse_other_files, save
from makemore.data.corpus import Corpus, CorpusFacts
from makemore.data.vocabulary import Vocabulary
from makemore.errors import CheckpointError
from makemore.models.bigram import Bigram
from makemore.reporting import describe_training
from makemore.training.options import TrainingOptions
from makemore.training.record import Checkpoint, TrainingRecord
from makemore.training.train import train


def example(characters: str = "abc", seed: int = 0, steps: int = 5) -> Checkpoint:
    generator = np.random.default_rng(seed)
    V = len(characters) + 1
    model = Bigram(
        Vocabulary(characters),
        generator.normal(size=(V, V)),
        generator.integers(0, 100, size=(V, V)),
    )
    corpus = CorpusFacts(
        name="names.txt", sha256="0" * 64, lines=10, symbols=60, held_out_lines=1,
        held_out_symbols=6, held_out_fingerprint="12ab",
    )  # fmt: skip
    training = TrainingRecord(
        options={"steps": max(steps, 1), "learning_rate": None, "l2": 0.01, "seed": 7},
        seconds=0.25,
        training_loss=2.5,
        held_out_loss=2.625,
        minimum=2.25,
        loss_history=np.linspace(3.0, 2.5, steps),
        calibration=np.array([[4.0, 2.5], [4.0, 2.75], [6.0, 2.0]]),
    )
    return Checkpoint(model, corpus, training)


def with_training(**changes: Any) -> Checkpoint:
    checkpoint = example()
    return checkpoint._replace(training=checkpoint.training._replace(**changes))


def assert_same(one: Checkpoint, other: Checkpoint) -> None:
    assert type(one.model) is type(other.model)
    assert one.model.vocabulary == other.model.vocabulary
    assert one.model.options() == other.model.options()
    assert one.model.arrays().keys() == other.model.arrays().keys()
    for name, array in one.model.arrays().items():
        np.testing.assert_array_equal(array, other.model.arrays()[name], strict=True)
    assert one.corpus == other.corpus
    ours, theirs = one.training._asdict(), other.training._asdict()
    for name in RECORD_ARRAYS:
        np.testing.assert_array_equal(ours.pop(name), theirs.pop(name), strict=True)
    assert ours == theirs


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "makemore.npz"


def test_a_checkpoint_is_shown_as_one_line() -> None:
    assert repr(example()) == "<Checkpoint of 'names.txt': bigram, 16 parameters>"


def test_load_returns_what_was_saved(path: Path) -> None:
    save(path, example())
    assert_same(load(path), example())


def test_a_single_symbol_and_no_steps_come_back(path: Path) -> None:
    save(path, example("a", steps=0))
    assert_same(load(path), example("a", steps=0))


def test_equal_checkpoints_are_equal_bytes(path: Path) -> None:
    save(path, example())
    first = path.read_bytes()
    save(path, example())
    assert path.read_bytes() == first
    save(path, load(path))
    assert path.read_bytes() == first


@pytest.mark.parametrize("held_out_loss", [None, math.inf, 0.0, 2.5])
def test_held_out_loss_may_be_none_or_infinite(path: Path, held_out_loss: float | None) -> None:
    save(path, with_training(held_out_loss=held_out_loss))
    assert load(path).training.held_out_loss == held_out_loss


def test_plain_numpy_reads_every_array(path: Path) -> None:
    checkpoint = example()
    save(path, checkpoint)
    with np.load(path, allow_pickle=False) as file:
        assert set(file) == {"metadata", "metadata_sha256", "weights", "counts", *ALWAYS_WRITTEN}
        for name, array in checkpoint.model.arrays().items():
            np.testing.assert_array_equal(file[name], array, strict=True)
        np.testing.assert_array_equal(file["loss_history"], checkpoint.training.loss_history)


def test_metadata_are_json_that_tells_everything(path: Path) -> None:
    checkpoint = example("xyé\U0001f600")
    save(path, checkpoint)
    with np.load(path) as file:
        text, digest = file["metadata"].item(), file["metadata_sha256"].item()
        weights = file["weights"].tobytes()
    metadata = json.loads(text)
    assert metadata["format"] == 1
    assert metadata["makemore"] == makemore.__version__
    assert metadata["model"] == {"name": "bigram", "options": {}}
    assert metadata["vocabulary"] == "xyé\U0001f600"
    assert metadata["corpus"] == checkpoint.corpus._asdict()
    assert "loss_history" not in metadata["training"]
    assert metadata["arrays"]["weights"] == {
        "dtype": "<f8",
        "shape": [5, 5],
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    assert hashlib.sha256(text.encode()).hexdigest() == digest


def test_members_are_stored_and_undated(path: Path) -> None:
    save(path, example())
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        for member in archive.infolist():
            assert member.compress_type == zipfile.ZIP_STORED
            assert member.date_time == (1980, 1, 1, 0, 0, 0)


def test_weights_in_fortran_order_are_kept(path: Path) -> None:
    checkpoint = example()
    assert isinstance(checkpoint.model, Bigram)
    checkpoint.model.weights = np.asfortranarray(checkpoint.model.weights)
    save(path, checkpoint)
    assert_same(load(path), example())


def test_loaded_arrays_can_be_written_to(path: Path) -> None:
    save(path, example())
    checkpoint = load(path)
    assert all(array.flags.writeable for array in checkpoint.model.arrays().values())


Change = Callable[[Checkpoint], Checkpoint]


def with_array(name: str, array: Any) -> Change:
    def change(checkpoint: Checkpoint) -> Checkpoint:
        setattr(checkpoint.model, name, array)
        return checkpoint

    return change


def with_field(name: str, value: Any) -> Change:
    return lambda checkpoint: checkpoint._replace(
        training=checkpoint.training._replace(**{name: value})
    )


def without_weights(checkpoint: Checkpoint) -> Checkpoint:
    counts = checkpoint.model.arrays()["counts"]
    checkpoint.model.arrays = lambda: {"counts": counts}  # type: ignore[method-assign]
    return checkpoint


REFUSED: dict[str, tuple[Change, str]] = {
    "weights NaN": (with_array("weights", np.full((4, 4), np.nan)), "weights"),
    "weights infinite": (with_array("weights", np.full((4, 4), -np.inf)), "weights"),
    "weights float32": (with_array("weights", np.zeros((4, 4), np.float32)), "weights"),
    "weights of another shape": (with_array("weights", np.zeros((3, 4))), "weights"),
    "counts negative": (with_array("counts", np.full((4, 4), -1)), "counts"),
    "history NaN": (with_field("loss_history", np.array([1.0, np.nan])), "loss_history"),
    "history of huge losses": (with_field("loss_history", np.array([1.0, 1e201])), "above 1e"),
    "history of two axes": (with_field("loss_history", np.ones((2, 2))), "loss_history"),
    "training loss NaN": (with_field("training_loss", math.nan), "finite"),
    "training loss infinite": (with_field("training_loss", math.inf), "finite"),
    "held-out loss NaN": (with_field("held_out_loss", math.nan), "finite"),
    "option infinite": (with_field("options", {"learning_rate": math.inf}), "finite"),
    "seed negative": (with_field("options", {"seed": -1}), "seed"),
    "weights missing": (without_weights, "arrays"),
    "metadata giant": (with_field("options", {"method": "x" * (1 << 20)}), "characters|method"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_not_load_is_not_saved(case: str, path: Path) -> None:
    change, word = REFUSED[case]
    save(path, example())
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match=word) as raised:
        save(path, change(example()))
    assert "\n" not in str(raised.value)
    assert path.read_bytes() == before


def test_checkpoint_larger_than_a_zip_can_be_is_not_saved(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("makemore.checkpoint.MAX_BYTES", 1000)
    with pytest.raises(CheckpointError, match="bytes and the limit is 1,000"):
        save(path, example())
    assert not path.exists()


def test_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="makemore train"):
        load(tmp_path / "no.npz")


def test_folder_that_is_missing_is_named_when_saving(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="No such file or directory"):
        save(tmp_path / "no" / "makemore.npz", example())


@pytest.mark.parametrize("name", ["\x1b[31mred\x07\n", "\udcff", "‮"])
def test_paths_are_escaped_in_messages(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"junk")
    for path in (tmp_path / name, tmp_path / name / "below", tmp_path / f"no{name}"):
        with pytest.raises(CheckpointError) as raised:
            load(path)
        assert str(raised.value).isprintable()
        str(raised.value).encode()


def test_path_that_can_be_read_is_shown_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="Müller"):
        load(tmp_path / "Müller.npz")


CHARACTERS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\n\r"), min_size=1, max_size=12
)


@settings(max_examples=50, deadline=None)
@given(
    characters=CHARACTERS,
    seed=st.integers(0, 2**64),
    name=st.text(),
    scale=st.sampled_from([0.0, 5e-324, 1.0, 1e308]),
    loss=st.floats(0, allow_nan=False),
)
def test_any_checkpoint_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    characters: str,
    seed: int,
    name: str,
    scale: float,
    loss: float,
) -> None:
    path = tmp_path_factory.mktemp("round") / "makemore.npz"
    checkpoint = example("".join(sorted(set(characters))), seed % 1000)
    assert isinstance(checkpoint.model, Bigram)
    checkpoint.model.weights = np.sign(checkpoint.model.weights) * scale
    checkpoint = checkpoint._replace(
        corpus=checkpoint.corpus._replace(name=name),
        training=checkpoint.training._replace(options={"seed": seed}, held_out_loss=loss),
    )
    save(path, checkpoint)
    assert_same(load(path), checkpoint)


@pytest.mark.parametrize(
    "options",
    [{"holdout": "a tenth"}, {"seed": 1.5}, {"steps": [1]}, {"model": []}, {"colour": {}}],
)
def test_options_that_are_no_plain_values_are_refused(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    with pytest.raises(CheckpointError, match=r"option.* cannot be"):
        save(tmp_path / "model.npz", with_training(options=options))


def test_options_that_only_another_version_knows_are_kept(tmp_path: Path) -> None:
    options = {"model": "oracle", "method": "prayer", "holdout": 0.1, "colour": "red", "depth": 7}
    save(tmp_path / "model.npz", with_training(options=options))
    text = describe_training(load(tmp_path / "model.npz"))
    assert "method    prayer, colour red, depth 7" in text


def test_a_checkpoint_that_keeps_few_options_can_be_described(tmp_path: Path) -> None:
    save(tmp_path / "model.npz", with_training(options={}))
    assert "held out  1 word, 6 symbols" in describe_training(load(tmp_path / "model.npz"))


@pytest.mark.parametrize("content", [b"", b"PK\3\4 damaged"])
def test_a_file_that_may_be_a_checkpoint_may_be_replaced(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    refuse_other_files(path)


@pytest.mark.parametrize("content", [b"P", b"emma\nava\n", b"PK\3"])
def test_a_file_of_another_kind_may_not(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="is not a checkpoint and would be lost"):
        refuse_other_files(path)


def test_nothing_and_a_device_may_be_replaced(path: Path) -> None:
    refuse_other_files(path)
    refuse_other_files("/dev/null")


def test_an_array_that_is_cut_short_is_refused_before_room_is_made_for_it(path: Path) -> None:
    save(path, example("".join(map(chr, range(0x100, 0x200)))))
    data = path.read_bytes()
    start = data.index(b"weights.npy") + len(b"weights.npy") + 128  # behind the header
    for left in (0, 1, 500_000):
        path.write_bytes(data[: start + left])
        whole, there = f"{257 * 257 * 8:,}", f"{left:,}"
        with pytest.raises(CheckpointError, match=f"weights takes {whole} bytes and {there} are"):
            load(path)


def test_long_values_are_cut_in_messages(path: Path) -> None:
    for length, shown in ((96, "x" * 96 + "']"), (97, "x" * 97 + "'...")):
        with pytest.raises(CheckpointError) as refusal:
            save(path, with_training(options={"seed": 1, "warmup": ["x" * length]}))
        assert str(refusal.value).endswith(shown)


def test_a_resumption_needs_the_number_of_steps(path: Path) -> None:
    words = Corpus.from_words(["ab", "ba", "abb", "bab"] * 5)
    options = TrainingOptions("bow", steps=9, hidden_size=4, embedding_size=4, holdout=0)
    part = train(words, options, on_step=lambda step: step.number == 2)
    assert part.resumption
    save(path, part)
    without = {name: value for name, value in part.training.options.items() if name != "steps"}
    with pytest.raises(CheckpointError, match="number of steps"):
        save(path, part._replace(training=part.training._replace(options=without)))
