"""Archives hold files and no words: they are neither lists nor checkpoints."""

import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from makemore.cli import main
from makemore.data.corpus import Corpus

WORDS = "Anna\nBella\nCarla\nDora\nElla\n"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


@pytest.mark.parametrize("form", ["w", "w:gz", "w:bz2"])
@pytest.mark.parametrize("layout", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_tar_archive_is_no_list(tmp_path: Path, form: str, layout: int) -> None:
    (tmp_path / "w.txt").write_text(WORDS)
    path = tmp_path / "archive"
    with tarfile.open(path, form, format=layout) as archive:  # type: ignore[call-overload]
        archive.add(tmp_path / "w.txt", "w.txt")
    result = run("train", path, "-c", tmp_path / "m.npz")
    assert result.exit_code == 1
    assert "archive is a tar archive, expected a list of words: unpack it" in result.stderr


def test_a_zip_archive_is_no_list(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "words.zip", "w") as archive:
        archive.writestr("w.txt", WORDS)
    result = run("train", tmp_path / "words.zip", "-c", tmp_path / "m.npz")
    assert "is a zip archive" in result.stderr
    words = Corpus.from_words(["PK\x03", "PK", "0000644\x00"] * 100)
    assert len(list(words.words())) == 300


def test_other_archives_are_no_checkpoints(tmp_path: Path) -> None:
    (tmp_path / "junk.npz").write_bytes(b"PK\x03\x04junk")
    np.savez(tmp_path / "arrays.npz", np.zeros(3))
    with zipfile.ZipFile(tmp_path / "zip.npz", "w") as archive:
        archive.writestr("w.txt", WORDS)
    for name in ("junk", "arrays", "zip"):
        result = run("info", "-c", tmp_path / f"{name}.npz")
        assert result.exit_code == 1
        assert "no makemore checkpoint" in result.stderr
