"""The numbers of lesson bigram, read from its text and worked out again on lists and dictionaries.

Nothing of the package is asked for a number; where the lesson has a formula by hand, the oracle
takes another way: slopes by differences, probabilities of counts as fractions.
"""

import math
import os
import re
import subprocess
import sys
from collections import Counter
from fractions import Fraction
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import lesson
import numpy as np
import pytest
from lessons import bigram
from lessons import setting as lesson_setting
from lessons.setting import find_setting
from lessons.stage import Stage

from makemore.data.download import bundled_names
from makemore.errors import CorpusError, MakemoreError, OptionError

SCRIPT = Path(lesson.__file__)
SHOWN = 5.1e-5
"""How far a number may be from the one that is printed with four decimals."""

Pair = tuple[int, int]


def softmax(row: list[float]) -> list[float]:
    total = math.fsum(map(math.exp, row))
    return [math.exp(logit) / total for logit in row]


def find_stages(path: str | None, **options: Any) -> dict[str, Stage]:
    """Return the stages for a list of words, by title."""
    return {stage.title: stage for stage in bigram.stages(find_setting(path, **options))}


class Oracle:
    """The model of ``words`` in plain Python, and the word that the lesson follows."""

    def __init__(self, words: list[str], word: str) -> None:
        self.words = words
        self.word = word
        self.symbols = ["", *sorted(set("".join(words)))]
        self.labels = [symbol or "." for symbol in self.symbols]
        self.V = len(self.symbols)
        self.W = self.random_weights(seed=0)
        self.pairs = self.pairs_of(word)
        self.columns = sorted({i for i, _ in self.pairs})
        self.N = Counter(pair for word in words for pair in self.pairs_of(word))
        self.n = sum(len(word) + 1 for word in words)

    def pairs_of(self, word: str) -> list[Pair]:
        ids = [0, *map(self.symbols.index, word), 0]
        return [(ids[k], ids[k + 1]) for k in range(len(word) + 1)]

    def random_weights(self, seed: int) -> list[list[float]]:
        raw = iter(np.random.PCG64(seed).random_raw(self.V * self.V).tolist())
        return [[2 * (next(raw) >> 11) / 2**53 - 1 for _ in range(self.V)] for _ in range(self.V)]

    def loss(self, W: list[list[float]], N: Counter[Pair]) -> float:
        log_P = [[math.log(p) for p in softmax(row)] for row in W]
        return -math.fsum(count * log_P[i][j] for (i, j), count in N.items()) / N.total()

    def slope_of_word(self, i: int, j: int) -> float:
        """Return the slope of the word's loss along W[i, j], by differences."""
        losses = []
        for h in (1e-4, -1e-4):
            W = [list(row) for row in self.W]
            W[i][j] += h
            losses.append(self.loss(W, Counter(self.pairs)))
        return (losses[0] - losses[1]) / 2e-4

    @cached_property
    def losses(self) -> dict[int, float]:
        """The loss of all words after 0 .. 10, 200 and 1,000 steps, by their number."""
        rows = Counter[int]()
        for (i, _), count in self.N.items():
            rows[i] += count
        W, losses = self.W, {}
        for step in range(1_001):
            if step <= 10 or step in (200, 1_000):
                losses[step] = self.loss(W, self.N)
            W = [
                [
                    w - 50 * (rows[i] * p - self.N[i, j]) / self.n
                    for j, (w, p) in enumerate(zip(W[i], softmax(W[i]), strict=True))
                ]
                for i in range(self.V)
            ]
        return losses

    @cached_property
    def minimum(self) -> float:
        return -math.fsum(
            count * math.log(self.share(i, j)) for (i, j), count in self.N.items()
        ) / (self.n)

    def share(self, i: int, j: int) -> Fraction:
        """Return N[i, j] / N[i].sum()."""
        return Fraction(self.N[i, j], sum(self.N[i, k] for k in range(self.V)))


class Lesson:
    """The stages of a lesson, their text, and the oracle of the same words."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stages = find_stages(str(path))
        self.texts = {
            stage.title: stage.text(number) + "\n"
            for number, stage in enumerate(self.stages.values(), 1)
        }
        self.oracle = Oracle(path.read_text().split(), "emma")

    def table(self, title: str, heads: str) -> list[list[str]]:
        """Return the cells of the table below the heads, without marks of what is left out."""
        lines = self.texts[title].split("\n")
        start = [line.split() for line in lines].index(heads.split()) + 1
        end = next(k for k in range(start, len(lines)) if not lines[k].strip())
        return [
            [cell.replace(",", "") for cell in line.split() if cell != "..."]
            for line in lines[start:end]
        ]

    def value(self, title: str, label: str) -> str:
        """Return what stands after the label."""
        (line,) = [x for x in self.texts[title].split("\n") if x.strip().startswith(label)]
        return line.strip().removeprefix(label).strip(" :").replace(",", "")


@pytest.fixture(scope="module", params=["the list in the package", "names.txt"])
def shown(request: pytest.FixtureRequest) -> Lesson:
    is_bundled = request.param == "the list in the package"
    return Lesson(bundled_names() if is_bundled else request.getfixturevalue("names_path"))


def near(value: float | list[float]) -> object:
    return pytest.approx(value, abs=SHOWN)


WORDS, LOSS, GRADIENT, COUNTS, DESCENT, NEW = (
    "Words, symbols and pairs",
    "From one-hot rows to the loss",
    "The gradient by hand",
    "All words, counted",
    "Descent, and the minimum",
    "New words",
)


def test_the_words_are_counted(shown: Lesson) -> None:
    words = shown.oracle.words
    (line,) = [line for line in shown.texts[WORDS].split("\n") if "are distinct" in line]
    name = shown.path.name
    assert line.strip() == f"{len(words):,} words of {name}, {len(set(words)):,} are distinct"


def test_symbols_stand_in_the_order_of_their_ids(shown: Lesson) -> None:
    text = " ".join(shown.texts[WORDS].split())
    listed = text.split("V = 27 symbols, ids 0, 1, ...: ")[1].split(" emma")[0]
    assert listed.split() == list(".abcdefghijklmnopqrstuvwxyz")
    assert shown.value(WORDS, "emma ->") == "[5 13 13 1]"


def test_the_pairs_of_emma(shown: Lesson) -> None:
    assert [" ".join(row) for row in shown.table(WORDS, "first second xs ys")] == [
        ". e 0 5",
        "e m 5 13",
        "m m 13 13",
        "m a 13 1",
        "a . 1 0",
    ]


def test_the_loss_of_the_word(shown: Lesson) -> None:
    oracle = shown.oracle
    *rows, _ = shown.table(LOSS, "logit exp(logit) sum_k P -log P")
    for (x, y), (pair, *cells) in zip(oracle.pairs, rows, strict=True):
        assert pair == oracle.labels[x] + oracle.labels[y]
        row, p = oracle.W[x], softmax(oracle.W[x])[y]
        total = math.fsum(map(math.exp, row))
        expected = [row[y], math.exp(row[y]), total, p, -math.log(p)]
        assert [float(cell) for cell in cells] == near(expected)
    loss, of_equal = shown.value(LOSS, "mean, the loss").split("; with equal P it is log V = ")
    assert float(loss) == near(oracle.loss(oracle.W, Counter(oracle.pairs)))
    assert float(of_equal) == near(math.log(27))


def test_the_gradient_of_the_word(shown: Lesson) -> None:
    oracle = shown.oracle
    names = [oracle.labels[i] for i in oracle.columns]
    d_W = shown.table(GRADIENT, " ".join(names))
    assert [row[0] for row in d_W] == names == [".", "a", "e", "m"]
    for i, (_, *cells) in zip(oracle.columns, d_W, strict=True):
        assert [float(c) for c in cells] == near(
            [oracle.slope_of_word(i, j) for j in oracle.columns]
        )
    p = softmax(oracle.W[0])[5]
    assert shown.value(GRADIENT, ".e: (") == f"{p:.4f} - 1) / 5 = {d_W[0][3]}"


def test_the_pairs_of_all_words_are_counted(shown: Lesson) -> None:
    oracle = shown.oracle
    assert f"n = N.sum() = {oracle.n:,}" in shown.texts[COUNTS]
    assert f"X has {oracle.n:,} rows, but only 27 distinct ones." in shown.stages[COUNTS].notice
    rows = Counter[int]()
    for (i, _), count in oracle.N.items():
        rows[i] += count
    frequent = [i for i, _ in rows.most_common(8)]
    names = [oracle.labels[i] for i in frequent]
    for i, (name, *cells) in zip(frequent, shown.table(COUNTS, " ".join(names)), strict=True):
        assert name == oracle.labels[i]
        assert [int(cell) for cell in cells] == [oracle.N[i, j] for j in frequent]


def test_the_descent_and_the_minimum(shown: Lesson) -> None:
    oracle = shown.oracle
    *rows, counted, _ = shown.table(DESCENT, "steps loss above the minimum")
    assert [int(row[0]) for row in rows] == [*range(11), 200, 1_000]
    losses = [oracle.losses[int(row[0])] for row in rows]
    assert [float(row[1]) for row in rows] == near(losses)
    assert [float(row[2]) for row in rows] == near([loss - oracle.minimum for loss in losses])
    assert counted == ["count", "table", f"{oracle.minimum:.4f}"]


def test_a_word_drawn_by_hand(shown: Lesson) -> None:
    oracle = shown.oracle
    raw = iter(np.random.PCG64([0, 1]).random_raw(12).tolist())
    i = 0
    for cells in shown.table(NEW, "i u from to j P[i, j]"):
        u = Fraction(next(raw) >> 11, 2**53)
        ends = [sum((oracle.share(i, k) for k in range(j + 1)), Fraction()) for j in range(27)]
        j = next(j for j, end in enumerate(ends) if end > u)
        share = oracle.share(i, j)
        assert [cells[0], cells[4]] == [oracle.labels[i], oracle.labels[j]]
        expected = [float(x) for x in (u, ends[j] - share, ends[j], share)]
        assert [float(cells[k]) for k in (1, 2, 3, 5)] == near(expected)
        i = j
    assert i == 0


def test_words_of_the_counts_hold_only_pairs_that_were_seen(shown: Lesson) -> None:
    lines = " ".join(shown.texts[NEW].split("Notice:")[0].split())
    _, by_random, by_counts = re.split("random W: |count table: ", lines)
    unseen = {True: 0, False: 0}
    for text in (by_random, by_counts):
        words = text.strip().split(", ")
        assert len(words) == 10
        for word in words:  # one of twelve symbols may have been cut off before its end
            pairs = shown.oracle.pairs_of(word)[: None if len(word) < 12 else -1]
            unseen[text is by_counts] += sum(not shown.oracle.N[pair] for pair in pairs)
    assert unseen[False] > 0
    assert unseen[True] == 0


def test_the_published_numbers_of_names(names_path: Path) -> None:
    told = Lesson(names_path)
    *rows, counted, published = told.table(DESCENT, "steps loss above the minimum")
    assert told.oracle.n == 228_146
    assert counted[-1] == "2.4540"
    assert published == ["published", "for", "names.txt", "2.45"]
    assert float(rows[-2][1]) == pytest.approx(2.4620, abs=2e-4)
    assert float(rows[-1][1]) == pytest.approx(2.4553, abs=2e-4)


def test_each_stage_names_functions_that_exist(shown: Lesson) -> None:
    *taught, _ = shown.texts.values()
    assert len(taught) == 6
    for text in taught:
        names = text.split("Used:")[1].replace(",", " ").split()
        assert names
        assert all(resolved(name.split(".")) for name in names)


def resolved(parts: list[str]) -> object:
    """Return what a dotted name stands for: the longest module, then attributes."""
    for k in range(len(parts), 0, -1):
        try:
            found: object = import_module(".".join(parts[:k]))
        except ImportError:
            continue
        for part in parts[k:]:
            found = getattr(found, part)
        return found
    return None


def test_no_line_is_wider_than_a_terminal(shown: Lesson) -> None:
    for text in shown.texts.values():
        assert max(map(len, text.split("\n"))) <= 80


# --- Other words, other wishes -------------------------------------------------------------------


@pytest.fixture
def few(tmp_path: Path) -> Path:
    path = tmp_path / "few"
    path.write_text("abc\nab\nb\nca\ncab\n")
    return path


def falls(path: Path, rate: float) -> bool:
    """Return whether the lesson says that each step lowers the loss."""
    stage = find_stages(str(path), learning_rate=rate)[DESCENT]
    return stage.claims["each of ten steps lowers the loss"]


def test_a_rate_that_is_too_large_is_said_to_be(few: Path) -> None:
    assert not falls(few, 50.0)
    assert falls(few, 6.4)


def test_the_safe_rate_lowers_the_loss_at_every_step(few: Path) -> None:
    formula = find_stages(str(few), learning_rate=50.0)[DESCENT].formula[0]
    safe = float(formula.split("safe up to ")[1])
    assert safe == 12.8  # a row is 5 of 16 pairs, so no curvature exceeds 5 / 16 / 2
    assert falls(few, safe)


def test_the_first_short_word_is_followed_or_the_one_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "words"
    path.write_text("alexandria\nella\nemma\n")
    for word, followed in ((None, "ella"), ("lemma", "lemma")):
        body = find_stages(str(path), word=word)[WORDS].body
        assert [line for line in body if line.startswith(f"{followed} -> ")]
    path.write_text("alexandria\nguinevere\n")
    assert find_setting(str(path)).followed == "guinevere"


@pytest.mark.parametrize(
    ("wish", "kind", "words"),
    [
        ({"word": "xyz"}, OptionError, "has the character 'x'; choose another word"),
        ({"word": ""}, OptionError, "has 0 characters"),
        ({"word": "a" * 13}, OptionError, "has 13 characters and must have 1 to 12"),
        ({"seed": -1}, OptionError, "--seed"),
        ({"learning_rate": math.nan}, OptionError, "--learning-rate"),
    ],
)
def test_impossible_wishes_are_refused(
    few: Path, wish: dict[str, object], kind: type[MakemoreError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        find_stages(str(few), **wish)


def test_a_corpus_too_large_for_the_literal_form_is_refused(
    few: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lesson_setting, "MAX_CELLS", 63)  # 16 symbols times 4
    with pytest.raises(CorpusError, match="they have 64 cells and the limit is 63"):
        find_stages(str(few))


def test_the_list_in_the_package_is_the_last_resort(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/names.txt").write_text("not the published file\n")
    monkeypatch.setattr(lesson_setting, "PROJECT", tmp_path / "elsewhere")
    assert find_setting().name == "us-names-2017.txt"


def test_names_beside_the_lesson_are_taken(
    names_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/names.txt").write_bytes(names_path.read_bytes())
    setting = find_setting()
    assert setting.name == "names.txt"
    assert len(setting.words) == 32_033


class Told(np.random.Generator):
    """A generator that draws the numbers it was told to."""

    def __init__(self, *numbers: float) -> None:
        super().__init__(np.random.PCG64(0))
        self.numbers = iter(numbers)

    def random(self, *_: Any, **__: Any) -> Any:
        return next(self.numbers)


def test_a_draw_falls_into_the_part_of_its_symbol() -> None:
    P = np.array([[0.25, 0.25, 0.0, 0.5]] * 4)
    draws = {0.0: 0, 0.2499: 0, 0.25: 1, 0.4999: 1, 0.5: 3, 0.9999: 3}
    assert {u: next(bigram.write(P, Told(u)))[2] for u in draws} == draws
    # Ten times 0.1 make 0.9999999999999999.
    assert next(bigram.write(np.array([[0.1] * 10 + [0.0]]), Told(1 - 2**-53)))[2] == 9


def test_a_new_word_ends_at_the_boundary_or_is_cut_off() -> None:
    P = np.array([[0.0, 1.0], [0.5, 0.5]])
    assert [j for _, _, j in bigram.write(P, Told(0.3, 0.9, 0.1))] == [1, 1, 0]
    assert [j for _, _, j in bigram.write(P, Told(*[0.9] * 12))] == [1] * 12


def test_the_pictures_hold_the_numbers_of_the_stages(few: Path) -> None:
    words = few.read_text().split()
    oracle, stages = Oracle(words, words[0]), find_stages(str(few))
    X, logits, P, d_logits = (axes.images[0].get_array() for axes in stages[GRADIENT].figure.axes)
    assert X.tolist() == [[float(j == x) for j in range(4)] for x, _ in oracle.pairs]
    assert logits.tolist() == [oracle.W[x] for x, _ in oracle.pairs]
    for (x, y), row, slopes in zip(oracle.pairs, P, d_logits, strict=True):
        assert row.tolist() == pytest.approx(softmax(oracle.W[x]))
        assert (4 * slopes - row).tolist() == pytest.approx([-float(j == y) for j in range(4)])
    before, _, counted = (axes.images[0].get_array() for axes in stages[DESCENT].figure.axes)
    assert before.tolist() == [pytest.approx(softmax(row)) for row in oracle.W]
    for i, row in enumerate(counted.tolist()):
        assert row == pytest.approx([float(oracle.share(i, j)) for j in range(4)])
    for stage in (stages[GRADIENT], stages[DESCENT]):
        for axes in stage.figure.axes:
            assert [label.get_text() for label in axes.get_xticklabels()] == oracle.labels


# --- As a process --------------------------------------------------------------------------------


def run(folder: Path, *arguments: str, entered: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), "bigram", "--words", *arguments],
        cwd=folder,
        input=entered,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )


def test_the_picture_lands_where_the_lesson_is_run(few: Path) -> None:
    done = run(few.parent, "few")
    assert (done.returncode, done.stderr) == (0, "")
    picture = few.parent / "lesson-bigram.png"
    assert f"Picture: {picture.resolve()}\n" in done.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_class_goes_on_by_enter(few: Path) -> None:
    entered = run(few.parent, "few", "--pause", entered="\n" * 7)
    assert entered.returncode == 0
    assert entered.stdout.count("Enter ") == 7
    left = run(few.parent, "few", "--pause", entered="\n")
    assert (left.returncode, left.stderr) == (130, "")
    assert "2. From one-hot" in left.stdout
    assert "3. The gradient" not in left.stdout


def test_what_cannot_be_done_is_said_in_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, "missing")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "lesson: cannot read missing: No such file or directory\n"


def test_characters_that_no_font_draws_and_controls_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "odd").write_text("a.b$c\n$x^{2}_\n\x1b[2Jab\n東京都\n")
    done = run(tmp_path, "odd")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
