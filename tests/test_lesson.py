"""The lesson's numbers, read from its text and worked out again on lists and dictionaries.

Nothing of the package is asked for a number; where the lesson has a formula by hand, the oracle
takes another way: slopes by differences, probabilities of counts as fractions.
"""

import math
import os
import subprocess
import sys
from collections import Counter
from fractions import Fraction
from functools import cached_property
from importlib import import_module
from pathlib import Path

import lesson
import numpy as np
import pytest
from lessons import bigram, bigram_corpus, bigram_material
from lessons import setting as lesson_setting
from lessons.bigram_by_hand import draw_by_hand
from lessons.bigram_material import Material, material_of
from lessons.bigram_picture import draw_lesson
from lessons.setting import find_setting

from makemore.data.download import bundled_names
from makemore.errors import CorpusError, MakemoreError, OptionError

SCRIPT = Path(lesson.__file__)
SHOWN = 5.1e-5
"""How far a number may be from the one that is printed with four decimals."""

Pair = tuple[int, int]


def softmax(row: list[float]) -> list[float]:
    total = math.fsum(map(math.exp, row))
    return [math.exp(logit) / total for logit in row]


def find_material(
    path: str | None, word: str | None = None, seed: int = 0, learning_rate: float = 50.0
) -> Material:
    return material_of(find_setting(path, word, seed, learning_rate))


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
    """The text of a lesson by stages, and the oracle of the same words."""

    def __init__(self, path: Path) -> None:
        self.material = find_material(str(path), None, 0, 50.0)
        self.texts = {text.split(". ", 1)[1].split("\n")[0]: text for text in self.stages()}
        self.oracle = Oracle(path.read_text().split(), "emma")

    def stages(self) -> list[str]:
        return [
            stage(self.material).text(number) + "\n"
            for number, stage in enumerate(bigram.STAGES[:-1], 1)
        ]

    def table(self, title: str, heads: str) -> list[list[str]]:
        """Return the cells of the table below the heads, without marks of what is left out."""
        lines = self.texts[title].split("\n")
        start = [line.split() for line in lines].index(heads.split()) + 1
        end = next(k for k in range(start, len(lines)) if not lines[k].strip())
        return [
            [cell.replace(",", "") for cell in line.split() if cell != "..."]
            for line in lines[start:end]
        ]

    def matrix(self, title: str, after: str = "") -> dict[str, list[str]]:
        """Return the rows of a matrix with the word's columns, by their names."""
        names = [self.oracle.labels[j] for j in self.oracle.columns]
        lines = self.texts[title].split("\n")
        heads = [k for k, line in enumerate(lines) if line.strip().startswith(after)]
        start = next(
            k for k in range(heads[0], len(lines)) if lines[k].split() in (names, [*names, "..."])
        )
        end = lines.index("", start)
        return {
            f"{k} {cells[0]}": [c.replace(",", "") for c in cells[1:] if c != "..."]
            for k, cells in enumerate(line.split() for line in lines[start + 1 : end])
        }

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


def test_the_words_are_counted(shown: Lesson) -> None:
    words = shown.oracle.words
    assert (
        shown.value("The words", "words") == f"{len(words)} of which {len(set(words))} are distinct"
    )
    assert shown.value("The words", "longest") == f"{max(map(len, words))} characters"
    assert shown.value("The words", "followed") == "emma (another by --word)"


def test_every_symbol_stands_above_its_id(shown: Lesson) -> None:
    lines = shown.texts["Symbols and their numbers"].split("\n")
    symbols = [cell for line in lines if line.startswith("    itos") for cell in line.split()[1:]]
    ids = [cell for line in lines if line.strip().startswith("id ") for cell in line.split()[1:]]
    assert symbols == list(".abcdefghijklmnopqrstuvwxyz")
    assert ids == [str(i) for i in range(27)]
    assert shown.value("Symbols and their numbers", "emma ->") == "[5 13 13 1]"
    assert "V = 27 symbols" in lines


def test_the_pairs_of_emma(shown: Lesson) -> None:
    rows = shown.table("The pairs of one word", "b first second xs[b] ys[b]")
    assert [" ".join(row) for row in rows] == [
        "0 . e 0 5",
        "1 e m 5 13",
        "2 m m 13 13",
        "3 m a 13 1",
        "4 a . 1 0",
    ]


def test_one_hot_rows_have_their_one_in_the_column_of_the_symbol(shown: Lesson) -> None:
    rows = shown.table("One-hot rows", " ".join(shown.oracle.labels))
    assert [row[0] for row in rows] == [".", "e", "m", "m", "a"]
    for row in rows:
        assert [
            label for label, cell in zip(shown.oracle.labels, row[1:], strict=True) if cell == "1"
        ] == [row[0]]
        assert set(row[1:]) == {"0", "1"}


def test_logits_are_the_rows_of_the_weights(shown: Lesson) -> None:
    oracle = shown.oracle
    for (x, _), row in zip(oracle.pairs, shown.matrix("Logits").values(), strict=True):
        assert [float(cell) for cell in row] == near([oracle.W[x][j] for j in oracle.columns])
    assert shown.value("Logits", "row b is row xs[b] of W") == "True"


def test_probabilities_of_the_first_row(shown: Lesson) -> None:
    oracle = shown.oracle
    row, P = oracle.W[0], softmax(oracle.W[0])
    *symbols, others, total = shown.table("Probabilities", "j logit exp(logit) P")
    for j, cells in zip(oracle.columns, symbols, strict=True):
        assert cells[0] == oracle.labels[j]
        assert [float(cell) for cell in cells[1:]] == near([row[j], math.exp(row[j]), P[j]])
    left = [j for j in range(oracle.V) if j not in oracle.columns]
    assert others[:2] == [str(len(left)), "others"]
    sums = [math.fsum(math.exp(row[j]) for j in left), math.fsum(P[j] for j in left)]
    assert [float(cell) for cell in others[2:]] == near(sums)
    assert [float(cell) for cell in total[1:]] == near([math.fsum(map(math.exp, row)), 1.0])
    assert float(shown.value("Probabilities", "largest difference from the package")) < 1e-15


def test_the_loss_of_the_word(shown: Lesson) -> None:
    oracle = shown.oracle
    rows = shown.table("The loss", "b pair P[b, ys[b]] log P -log P")
    for (x, y), row in zip(oracle.pairs, rows, strict=True):
        p = softmax(oracle.W[x])[y]
        assert row[1] == oracle.labels[x] + oracle.labels[y]
        assert [float(cell) for cell in row[2:]] == near([p, math.log(p), -math.log(p)])
    loss = oracle.loss(oracle.W, Counter(oracle.pairs))
    assert float(shown.value("The loss", "mean, the loss")) == near(loss)
    assert float(shown.value("The loss", "by the package")) == near(loss)
    assert float(shown.value("The loss", "knowing nothing, log V")) == near(math.log(27))


def test_the_gradient_of_the_word(shown: Lesson) -> None:
    oracle, title = shown.oracle, "The gradient by hand"
    d_logits, d_W = shown.matrix(title, "d_logits"), shown.matrix(title, "d_W,")
    assert list(d_W) == ["0 .", "1 a", "2 e", "3 m"]
    for i, row in zip(oracle.columns, d_W.values(), strict=True):
        assert [float(c) for c in row] == near([oracle.slope_of_word(i, j) for j in oracle.columns])
    # Of equal inputs the rows of d_logits add up to that of d_W; they differ by 1/B at the targets.
    rows = {name: [float(c) for c in row] for name, row in d_logits.items()}
    assert list(rows) == ["0 .e", "1 em", "2 mm", "3 ma", "4 a."]
    p = softmax(oracle.W[0])[5]
    assert shown.value(title, ".e: (") == f"{p:.4f} - 1) / 5 = {rows['0 .e'][2]:.4f}"
    assert rows["0 .e"] == [float(c) for c in d_W["0 ."]]
    assert rows["1 em"] == [float(c) for c in d_W["2 e"]]
    assert rows["4 a."] == [float(c) for c in d_W["1 a"]]
    both = [a + b for a, b in zip(rows["2 mm"], rows["3 ma"], strict=True)]
    assert both == pytest.approx([float(c) for c in d_W["3 m"]], abs=2e-4)
    apart = [a - b for a, b in zip(rows["2 mm"], rows["3 ma"], strict=True)]
    assert apart == pytest.approx([0, 1 / 5, 0, -1 / 5], abs=2e-4)
    assert float(shown.value(title, "largest difference from the package")) < 1e-15


def test_the_gradient_by_differences(shown: Lesson) -> None:
    oracle = shown.oracle
    rows = shown.table("The gradient by differences", "weight by hand differences apart")
    weights = [f"{row[0]} {row[1]}" for row in rows]
    seen = [f"W[{oracle.labels[i]} {oracle.labels[j]}]" for i, j in oracle.pairs]
    assert weights[: len(seen)] == seen
    assert len(set(weights)) == len(seen) + 2
    for (*_, by_hand, differences, apart), weight in zip(rows, weights, strict=True):
        i, j = (oracle.labels.index(label) for label in weight[2:-1].split())
        assert float(by_hand) == near(oracle.slope_of_word(i, j))
        assert float(differences) == near(oracle.slope_of_word(i, j))
        assert float(apart) < 1e-8


def test_the_loss_of_all_words(shown: Lesson) -> None:
    oracle, title = shown.oracle, "All words at once"
    assert int(shown.value(title, "pairs")) == oracle.n
    cells = f"{27 * oracle.n} of which {oracle.n} are 1"
    assert shown.value(title, "numbers in X") == cells
    assert float(shown.value(title, "loss")) == near(oracle.loss(oracle.W, oracle.N))
    assert float(shown.value(title, "knowing nothing, log V")) == near(math.log(27))


def test_the_counts_and_the_two_ways_to_the_loss(shown: Lesson) -> None:
    oracle, title = shown.oracle, "The collapse to counts"
    for i, row in zip(oracle.columns, shown.matrix(title).values(), strict=True):
        assert [int(cell) for cell in row] == [oracle.N[i, j] for j in oracle.columns]
    assert shown.value(title, "X.T @ Y == N") == "True"
    literal, counted = shown.table(title, "rows of X loss milliseconds")
    assert int(literal[-3]) == oracle.n
    assert int(counted[-3]) == 27
    for row in (literal, counted):
        assert float(row[-2]) == near(oracle.loss(oracle.W, oracle.N))
    assert float(shown.value(title, "largest difference of the gradients")) < 1e-12


def test_ten_steps_of_descent(shown: Lesson) -> None:
    losses = shown.oracle.losses
    rows = shown.table("Ten steps of descent", "steps loss change")
    assert [int(row[0]) for row in rows] == list(range(11))
    for step, row in enumerate(rows):
        assert float(row[1]) == near(losses[step])
        if step:
            assert float(row[2]) == near(losses[step] - losses[step - 1])


def test_the_minimum_and_the_way_to_it(shown: Lesson) -> None:
    oracle, title = shown.oracle, "The minimum, without a step"
    assert f"= {oracle.minimum:.4f} nats per symbol" in shown.texts[title]
    rows = shown.table(title, "W after loss above the minimum")
    losses = [*(oracle.losses[step] for step in (0, 10, 200, 1_000)), oracle.minimum]
    assert [" ".join(row[:-2]) for row in rows[:-1]] == [
        "0 steps",
        "10 steps",
        "200 steps",
        "1000 steps",
    ]
    assert [float(row[-2]) for row in rows] == near(losses)
    assert [float(row[-1]) for row in rows] == near([loss - oracle.minimum for loss in losses])
    assert float(shown.value(title, "largest slope at the count table")) < 1e-15


def test_a_word_drawn_by_hand(shown: Lesson) -> None:
    oracle, title = shown.oracle, "Drawing one new word"
    raw = iter(np.random.PCG64(0).random_raw(12).tolist())
    i, word = 0, ""
    for cells in shown.table(title, "i u from to j P[i, j] package agrees"):
        u = Fraction(next(raw) >> 11, 2**53)
        ends = [sum((oracle.share(i, k) for k in range(j + 1)), Fraction()) for j in range(27)]
        j = next(j for j, end in enumerate(ends) if end > u)
        share = oracle.share(i, j)
        assert [cells[0], cells[4], cells[6]] == [oracle.labels[i], oracle.labels[j], "True"]
        expected = [float(x) for x in (u, ends[j] - share, ends[j], share)]
        assert [float(cells[k]) for k in (1, 2, 3, 5)] == near(expected)
        i, word = j, word + oracle.symbols[j]
    assert i == 0
    assert shown.value(title, "the word") == word


def test_samples_of_the_counts_hold_only_pairs_that_were_seen(shown: Lesson) -> None:
    lines = shown.texts["New words, before and after"].split("\n")
    rows = [line.split() for line in lines[5:13]]
    assert lines[4].split() == "random W 10 steps 1,000 steps count table".split()
    unseen = [
        sum(not shown.oracle.N[pair] for pair in whole_pairs(shown.oracle, word))
        for word in (row[column] for column in (0, 3) for row in rows)
    ]
    assert sum(unseen[:8]) > 0
    assert sum(unseen[8:]) == 0


def whole_pairs(oracle: Oracle, word: str) -> list[Pair]:
    """Return the pairs of a word; of one that was cut, those before the cut."""
    return oracle.pairs_of(word.removesuffix("..."))[: None if not word.endswith("...") else -1]


def test_the_published_numbers_of_names(names_path: Path) -> None:
    told = Lesson(names_path)
    assert told.value("All words at once", "pairs") == "228146"
    assert told.value("All words at once", "knowing nothing, log V") == "3.2958"
    assert "= 2.4540 nats per symbol" in told.texts["The minimum, without a step"]
    rows = told.table("The minimum, without a step", "W after loss above the minimum")
    assert float(rows[2][-2]) == pytest.approx(2.4620, abs=2e-4)
    assert float(rows[3][-2]) == pytest.approx(2.4553, abs=2e-4)


def test_each_stage_names_functions_that_exist(shown: Lesson) -> None:
    assert [text.split(".")[0] for text in shown.texts.values()] == [
        str(k) for k in range(1, len(bigram.STAGES))
    ]
    for text in shown.texts.values():
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


def test_a_rate_that_is_too_large_is_said_to_be(few: Path) -> None:
    for rate, notice in ((50.0, "the loss has risen"), (6.4, "every step lowers the loss")):
        material = find_material(str(few), None, 0, rate)
        assert notice in bigram_corpus.ten_steps(material).notice


def test_the_rate_that_is_proposed_lowers_the_loss_at_every_step(few: Path) -> None:
    notice = bigram_corpus.ten_steps(find_material(str(few), None, 0, 50.0)).notice
    proposed = float(notice.split("--learning-rate ")[1].split(",")[0])
    again = find_material(str(few), None, 0, proposed)
    assert "every step lowers" in bigram_corpus.ten_steps(again).notice


def test_the_first_short_word_is_followed_or_the_one_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "words"
    path.write_text("alexandria\nella\nemma\n")
    assert find_material(str(path), None, 0, 1.0).word == "ella"
    assert find_material(str(path), "lemma", 0, 1.0).word == "lemma"
    path.write_text("alexandria\nguinevere\n")
    assert find_material(str(path), None, 0, 1.0).word == "guinevere"


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
    wishes: dict[str, object] = {"word": None, "seed": 0, "learning_rate": 50.0, **wish}
    with pytest.raises(kind, match=words):
        find_material(str(few), **wishes)  # type: ignore[arg-type]  # the wrong value is the point


def test_a_corpus_too_large_for_the_literal_form_is_refused(
    few: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bigram_material, "MAX_CELLS", 63)  # 16 symbols times 4
    with pytest.raises(CorpusError, match="X has 64 cells and the limit is 63"):
        find_material(str(few), None, 0, 50.0)


def test_the_list_in_the_package_is_the_last_resort(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/names.txt").write_text("not the published file\n")
    monkeypatch.setattr(lesson_setting, "PROJECT", tmp_path / "elsewhere")
    assert find_material(None, None, 0, 50.0).name == "us-names-2017.txt"


def test_names_beside_the_lesson_are_taken(
    names_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/names.txt").write_bytes(names_path.read_bytes())
    material = find_material(None, None, 0, 50.0)
    assert material.name == "names.txt"
    assert len(material.words) == 32_033


def test_a_draw_falls_into_the_part_of_its_symbol() -> None:
    P = [0.25, 0.25, 0.0, 0.5]
    draws = {0.0: 0, 0.2499: 0, 0.25: 1, 0.4999: 1, 0.5: 3, 0.9999: 3}
    assert {u: draw_by_hand(P, u) for u in draws} == draws
    # Ten times 0.1 make 0.9999999999999999.
    assert draw_by_hand([0.1] * 10 + [0.0], 1 - 2**-53) == 9


def test_the_picture_holds_the_numbers_of_the_stages(few: Path) -> None:
    words = few.read_text().split()
    oracle = Oracle(words, words[0])
    panels = draw_lesson(find_material(str(few), None, 0, 50.0)).axes
    X, logits, P, d_logits, *tables = [axes.images[0].get_array() for axes in panels[:7]]
    assert X.tolist() == [[float(j == x) for j in range(4)] for x, _ in oracle.pairs]
    assert logits.tolist() == [oracle.W[x] for x, _ in oracle.pairs]
    (rings,) = panels[2].lines
    assert [(int(y), int(x)) for x, y in rings.get_xydata()] == [
        (b, y) for b, (_, y) in enumerate(oracle.pairs)
    ]
    for (x, y), row, slopes in zip(oracle.pairs, P, d_logits, strict=True):
        assert row.tolist() == pytest.approx(softmax(oracle.W[x]))
        assert (4 * slopes - row).tolist() == pytest.approx([-float(j == y) for j in range(4)])
    assert tables[0].tolist() == [pytest.approx(softmax(row)) for row in oracle.W]
    counted = [[float(oracle.share(i, j)) for j in range(4)] for i in range(4)]
    assert tables[2].tolist() == [pytest.approx(row) for row in counted]
    curve, *levels = (line.get_ydata() for line in panels[7].lines)
    assert list(curve) == pytest.approx([oracle.losses[step] for step in range(11)])
    assert [line[0] for line in levels] == pytest.approx([math.log(4), oracle.minimum])


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
    entered = run(few.parent, "few", "--pause", entered="\n" * len(bigram.STAGES))
    assert entered.returncode == 0
    assert entered.stdout.count("Enter ") == len(bigram.STAGES)
    left = run(few.parent, "few", "--pause", entered="\n")
    assert (left.returncode, left.stderr) == (130, "")
    assert "2. Symbols" in left.stdout
    assert "3. The pairs" not in left.stdout


def test_what_cannot_be_done_is_said_in_one_line(tmp_path: Path) -> None:
    done = run(tmp_path, "missing")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "lesson: cannot read missing: No such file or directory\n"


def test_characters_that_no_font_draws_and_controls_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "odd").write_text("a.b$c\n$x^{2}_\n\x1b[2Jab\n東京都\n")
    done = run(tmp_path, "odd")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
