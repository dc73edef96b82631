"""The film of a training: its frames, and what is said when it cannot be made."""

import os
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from picture_checks import PROBABILITIES, SYMBOLS
from PIL import Image

from makemore.errors import PlottingError
from makemore.pictures.film import LAST_FRAME_SECONDS, Frame, _FilmTable, animate_learning
from makemore.pictures.style import LIGHT


def frames(steps: int = 3) -> list[Frame]:
    uniform = np.full((3, 3), 1 / 3)
    blend = np.linspace(0, 1, steps)
    return [
        Frame(k, (1 - x) * uniform + x * PROBABILITIES, 2.0 - x, ["ab", "\x1b[31m", "$x$"])
        for k, x in enumerate(blend)
    ]


def test_animation_has_a_frame_per_step_and_rests_on_the_last(tmp_path: Path) -> None:
    path = tmp_path / "learning.gif"
    animate_learning(iter(frames(5)), SYMBOLS, path, minimum=1.0, title="names.txt")
    with Image.open(path) as film:
        assert film.format == "GIF"
        assert getattr(film, "n_frames", 1) == 5
        assert film.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
        film.seek(4)
        assert film.info["duration"] == 1000 * LAST_FRAME_SECONDS


def test_labels_that_are_turned_have_room_below_the_heading() -> None:
    figure, room, pad = Figure(figsize=(9.6, 5.6)), 28.0, 5.0
    _FilmTable(figure, [".", "U+202E", "U+E0001"], room, 1.0, LIGHT)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    highest = max(label.get_window_extent().y1 for label in axes.get_xticklabels())
    assert highest <= axes.bbox.y1 + (room + pad) * figure.dpi / 72


def test_animation_of_no_frame_or_unknown_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlottingError, match="no step"):
        animate_learning([], SYMBOLS, tmp_path / "a.gif")
    with pytest.raises(PlottingError, match=r"\.gif or \.mp4"):
        animate_learning(never(), SYMBOLS, tmp_path / "a.avi")
    assert list(tmp_path.iterdir()) == []


def never() -> list[Frame]:
    """Return something that must not be looked at."""
    return None  # type: ignore[return-value]


def test_mp4_without_ffmpeg_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PlottingError, match=r"ffmpeg, which makes an .mp4, was not found: .*\.gif"):
        animate_learning(never(), SYMBOLS, tmp_path / "learning.mp4")


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for ffmpeg is a shell script")
def test_ffmpeg_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\necho no such codec >&2\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PlottingError, match="ffmpeg ended with 3: no such codec"):
        animate_learning(frames(), SYMBOLS, tmp_path / "learning.mp4")
    assert not (tmp_path / "learning.mp4").exists()


def test_words_of_a_film_stand_where_they_are_whatever_their_letters(tmp_path: Path) -> None:
    def lines_of(word: str) -> np.ndarray:
        """Return the rows of pixels that are written on, below a word."""
        path = tmp_path / "f.gif"
        animate_learning([Frame(0, PROBABILITIES, 2.0, [word, "ab"])], SYMBOLS, path)
        with Image.open(path) as film:
            words = np.asarray(film.convert("L"))[410:, 590:]
        return np.flatnonzero(words.min(axis=1) < 100)[-10:]

    np.testing.assert_array_equal(lines_of("gjpqy"), lines_of("xxxx"))
