"""Every lesson of the course, run whole with few steps: what it says of its numbers is so."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import lesson as command
import numpy as np
import pytest
from lessons.course import NAMES, Lesson, find_lesson, overview
from lessons.exercises import Exercise
from lessons.figures import canvas, plot_histograms, smoothed
from lessons.setting import MIN_WORDS, Setting, find_setting
from lessons.stage import Stage, table
from lessons.windows import look_inside, windows, write_words

from makemore import Vocabulary, nn
from makemore.autodiff import data
from makemore.data.download import bundled_names
from makemore.errors import CorpusError, MakemoreError, OptionError

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "scripts/lessons"
MOST_LINES = 200
EFFORT = 0.01
"""The share of a full lesson's training steps: the claims hold with it, too."""


@pytest.fixture(scope="module")
def setting() -> Setting:
    """Return a twentieth of the package's list, which every lesson can learn from in seconds."""
    whole = find_setting(str(bundled_names()))
    return replace(whole, words=whole.words[::20], effort=EFFORT)


@pytest.fixture(scope="module", params=NAMES)
def run(request: pytest.FixtureRequest, setting: Setting) -> tuple[Lesson, list[Stage]]:
    lesson = find_lesson(request.param)
    return lesson, list(lesson.stages(setting))


def test_a_lesson_keeps_its_promises(run: tuple[Lesson, list[Stage]]) -> None:
    _, stages = run
    assert len(stages) >= 4
    assert [stage.figure for stage in stages if stage.figure is not None]
    assert [claim for stage in stages for claim in stage.claims]
    for stage in stages:
        assert stage.title
        assert stage.notice
        assert [claim for claim, holds in stage.claims.items() if not holds] == [], stage.title


def test_a_stage_fits_into_a_terminal(run: tuple[Lesson, list[Stage]]) -> None:
    for number, stage in enumerate(run[1], 1):
        lines = stage.text(number).split("\n")
        assert max(map(len, lines)) <= 80, max(lines, key=len)
        assert lines[0] == f"{number}. {stage.title}"


def test_a_lesson_ends_with_where_it_stands(run: tuple[Lesson, list[Stage]]) -> None:
    last = run[1][-1]
    assert last.title == "Where this stands in makemore"
    modules = re.findall(r"makemore/[\w/]+\.py", "\n".join(last.body))
    assert modules
    assert all((ROOT / module).is_file() for module in modules)
    assert any(line.startswith("- ") for line in last.body)


def test_pictures_can_be_saved(run: tuple[Lesson, list[Stage]], tmp_path: Path) -> None:
    from makemore.pictures.output import save_figure

    for number, stage in enumerate(run[1]):
        if stage.figure is not None:
            save_figure(stage.figure, tmp_path / f"{number}.png")
            assert (tmp_path / f"{number}.png").stat().st_size > 5_000


@pytest.mark.parametrize("name", NAMES)
def test_exercises_have_answers_and_stand_on_the_teachers_page(name: str, setting: Setting) -> None:
    page = " ".join((FOLDER / "README.md").read_text("utf-8").split())
    exercises = find_lesson(name).exercises
    assert len(exercises) == 3
    for exercise in exercises:
        answer = exercise.answer(setting)
        assert exercise.check(answer, setting)[0]
        assert not exercise.check(answer + 1.01 * exercise.tolerance, setting)[0]
        assert exercise.question in page


SHARED = "__init__ course descent exercises figures glyphs networks sequences setting stage windows"


def test_each_lesson_is_one_file() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == {*NAMES, *SHARED.split()}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_a_lesson_is_short_and_nothing_imports_it(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    assert path.stem not in NAMES or len(lines) <= MOST_LINES
    imported = set(re.findall(r"^from lessons\.?(\w*) import (.*)$", "\n".join(lines), re.M))
    for module, names in imported:
        parts = [module] if module else [name.strip() for name in names.split(",")]
        assert path.stem == "exercises" or not set(parts) & set(NAMES)


def test_the_overview_has_a_line_for_each_lesson() -> None:
    lines = overview()
    assert [line.split()[1] for line in lines] == list(NAMES)
    assert max(map(len, lines)) <= 80
    for name in NAMES:
        assert 0 < find_lesson(name).minutes <= 2
    readme = (ROOT / "README.md").read_text("utf-8")
    assert [line for line in lines if f"    {line}\n" not in readme] == []


def test_an_exercise_says_which_side_an_answer_is_on(setting: Setting) -> None:
    exercise = Exercise("How many?", lambda setting: 3.0, 0.1, "Three.")
    assert exercise.check(3.05, setting) == (True, "3.05 is right. Three.")
    told = "2 is too small; what is within 0.1 counts as right. The question was: How many?"
    assert exercise.check(2.0, setting) == (False, told)
    assert "too large" in exercise.check(3.2, setting)[1]


def test_a_claim_is_printed_with_whether_it_holds() -> None:
    stage = Stage("T", ["x"], ["1"], "look.", claims={"a is b": True, "b is c": False})
    assert "Holds:  a is b: yes\nHolds:  b is c: no\nNotice: look." in stage.text(1)


@pytest.mark.parametrize("name", ["bigram", "backprop", "recurrent"])
def test_odd_words_do_no_harm(name: str, tmp_path: Path) -> None:
    words = ("a.b$c", "$x^{2}_", "東京都", "\x1b[2Jab", "e\u0301a", "b") * 6
    path = tmp_path / "odd"
    path.write_text("\n".join(words), encoding="utf-8")
    setting = replace(find_setting(str(path)), effort=EFFORT / 4)
    for number, stage in enumerate(find_lesson(name).stages(setting), 1):
        assert "\x1b" not in stage.text(number)
        assert max(map(len, stage.text(number).split("\n"))) <= 80


def test_a_list_of_long_words_has_a_shortest_one_to_follow(tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.write_text(f"{'ab' * 30}\n{'ab' * 10}\n")
    setting = find_setting(str(path))
    assert setting.followed == "ab" * 10
    with pytest.raises(OptionError, match="has 20 characters and must have 1 to 12"):
        list(find_lesson("bigram").stages(setting))


def test_tables_are_aligned() -> None:
    assert table(["a", "bb"], [["x", 1.0], ["yy", -0.00001], ["是", 2.0]]) == [
        " a      bb",
        " x  1.0000",
        "yy  0.0000",
        "是  2.0000",  # two columns wide
    ]


def test_windows_begin_with_boundaries_and_end_with_one() -> None:
    X, Y = windows(["ab", "c"], Vocabulary("abc"), 3)
    assert X.tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 2], [0, 0, 0], [0, 0, 3]]
    assert Y.tolist() == [1, 2, 0, 3, 0]


def test_words_are_drawn_until_the_boundary_or_twenty_symbols() -> None:
    def chain(X: np.ndarray) -> np.ndarray:
        return np.where(np.arange(3) == (X[:, -1:] + 1) % 3, 0.0, -1e9)

    def endless(X: np.ndarray) -> np.ndarray:
        return np.where(np.arange(3) == 2, np.zeros((len(X), 1)), -1e9)

    random, vocabulary = np.random.default_rng(0), Vocabulary("ab")
    assert write_words(nn.Sequential(chain), vocabulary, 2, 2, random) == ["ab", "ab"]
    assert write_words(nn.Sequential(endless), vocabulary, 2, 1, random) == ["b" * 20]


def test_values_and_gradients_inside_a_network() -> None:
    random = np.random.default_rng(0)
    last = nn.Linear(4, 3, random, dtype=np.float64)
    network = nn.Sequential(nn.Embedding(3, 4, random, dtype=np.float64), nn.Tanh(), last)
    X, Y = np.array([0, 2]), np.array([1, 1])
    (h,), (slopes,) = look_inside(network, X, Y, nn.Tanh)
    assert h == pytest.approx(np.tanh(data(network.layers[0](X))))
    logits = h @ last.weight.data + data(last.bias)
    P = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert slopes == pytest.approx((P - np.eye(3)[Y]) / 2 @ last.weight.data.T)


def test_a_curve_is_smoothed_by_the_means_of_its_parts() -> None:
    assert smoothed([1, 3, 5, 4], 2) == [2, 4.5]
    assert smoothed([1, 3], 30) == [1, 3]


def test_histograms_hold_the_share_of_each_bin() -> None:
    with canvas(4, 3) as drawn:
        plot_histograms(drawn.axes[0, 0], [np.array([-2.0, 0, 0, 2]), np.zeros(3)])
    first, second = (line.get_ydata() for line in drawn.axes[0, 0].lines)
    assert first[[0, 30, 60]].tolist() == [0.25, 0.5, 0.25]
    assert second[30] == 1
    centres = np.array(drawn.axes[0, 0].lines[0].get_xdata())
    assert centres[[0, 30, 60]] == pytest.approx([-120 / 61, 0, 120 / 61])


def test_the_parts_of_a_split_are_all_words() -> None:
    words = tuple(f"w{k}" for k in range(50))
    parts = Setting(words, "list").split()
    assert [len(part) for part in parts] == [40, 5, 5]
    assert sorted(word for part in parts for word in part) == sorted(words)
    assert Setting(words, "list").split() == parts
    assert Setting(words, "list", seed=1).split() != parts


def test_a_list_that_is_too_short_or_too_long_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CorpusError, match=f"19 words, and this lesson needs {MIN_WORDS}"):
        Setting(("a",) * 19, "list").split()
    path = tmp_path / "words"
    path.write_text("abc\n" * 4)
    monkeypatch.setattr("lessons.setting.MAX_SYMBOLS", 15)
    with pytest.raises(CorpusError, match="the limit is 15 symbols"):
        find_setting(str(path))
    path.write_text("\n")
    with pytest.raises(CorpusError, match="holds no words"):
        find_setting(str(path))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing"], "there is no lesson nothing: choose a number, 1 to 12, or one of numbers,"),
        (["13"], "there is no lesson 13: "),
        (["--check", "1=2"], "--check needs the name of a lesson"),
        (["bigram", "--check", "4=1"], "--check 4=1 is not an answer: expected the number of an "),
        (["bigram", "--check", "0=1"], "--check 0=1 is not an answer"),
        (["bigram", "--check", "1"], "--check 1 is not an answer"),
        (["bigram", "--check", "1=nan"], "--check 1=nan is not an answer"),
    ],
)
def test_what_cannot_be_done_is_refused(arguments: list[str], words: str) -> None:
    with pytest.raises(OptionError, match=re.escape(words)):
        command.main(arguments)


def test_an_option_of_another_lesson_is_refused() -> None:
    for name in NAMES:
        if not find_lesson(name).options:
            with pytest.raises(MakemoreError, match=f"the lesson {name} has no --word"):
                command.main([name, "--word", "emma"])


def test_a_word_with_a_character_of_no_word_is_refused(tmp_path: Path) -> None:
    (tmp_path / "few").write_text("zoe\nada\n")
    refused = call(tmp_path, "bigram", "--words", "few", "--word", "zoë")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        "lesson: --word zoë: no word of few has the character 'ë'; choose another word\n"
    )


@pytest.mark.parametrize(("number", "name"), [("1", "numbers"), ("3", "bigram")])
def test_a_lesson_is_found_by_its_number(
    number: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for asked in (number, name):
        assert command.main([asked, "--check", "1=1e9"]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first == second


def test_the_command_lists_and_checks(tmp_path: Path) -> None:
    listed = call(tmp_path)
    assert listed.returncode == 0
    assert all(name in listed.stdout for name in NAMES)
    right = call(tmp_path, "bigram", "--check", "2=1.844")
    assert (right.returncode, right.stderr) == (0, "")
    assert right.stdout.startswith("1.844 is right.")
    wrong = call(tmp_path, "bigram", "--check", "2=3")
    assert (wrong.returncode, wrong.stdout[:15]) == (1, "3 is too large;")
    odd = call(tmp_path, "bigram", "--check", "2")
    assert (odd.returncode, odd.stdout) == (2, "")
    assert not list(tmp_path.iterdir())


def call(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    script = ROOT / "scripts/lesson.py"
    return subprocess.run(
        [sys.executable, str(script), *arguments], cwd=folder, capture_output=True, text=True
    )
