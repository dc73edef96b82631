"""The benchmark measures what it says: its arithmetic, its files, its peers, one section whole."""

import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FunctionType

import gpu
import numpy as np
import pytest
from benchmark import frontier, inside, measure, outliers, peers, report, sections, setting
from matplotlib.figure import Figure

from makemore.checkpoint import save
from makemore.counting.bigrams import bigram_pairs
from makemore.data.corpus import Corpus
from makemore.data.vocabulary import Vocabulary
from makemore.models.bigram import weight_gradient
from makemore.training.train import train

SCRIPT = Path(__file__).parent.parent / "scripts" / "bench.py"

ONE, TWO, THREE = (measure.Spread(value, value, value, 1) for value in (1.0, 2.0, 3.0))


def make_setting(folder: Path) -> setting.Setting:
    """Return a setting with words that are drawn already: 10 MB of three words."""
    text = "emma\nolivia\nava\n" * 625_000
    (folder / "drawn.txt").write_text(text)
    python = Path(sys.executable)
    return setting.Setting(folder, folder, python, python, sys.executable, quick=True)


def child(code: str, reports: bool = False) -> measure.Task:
    return measure.Task(code, (sys.executable, "-c", code), reports)


def test_a_run_tells_waiting_from_computing() -> None:
    asleep = measure.run(child("import time; time.sleep(0.3)"))
    assert asleep.wall >= 0.3 > asleep.cpu > 0
    assert math.isnan(asleep.reported)


def test_a_run_knows_its_peak_memory() -> None:
    # far more than the tests take: a child's peak is never below that of the process that starts it
    large = measure.run(child("x = b'x' * 2_000_000_000"))
    assert 2_000 < large.peak < 2_060


def test_a_run_returns_what_a_program_reports() -> None:
    assert measure.run(child("print('progress'); print(1.5)", reports=True)).reported == 1.5


def test_a_failed_run_says_why() -> None:
    with pytest.raises(measure.BenchmarkError, match="exit code 3: no such thing"):
        measure.run(child("import sys; print('no such thing', file=sys.stderr); sys.exit(3)"))


def test_programs_run_in_turns(tmp_path: Path) -> None:
    log = tmp_path / "log"
    tasks = [child(f"open({str(log)!r}, 'a').write({letter!r})") for letter in "AB"]
    runs = measure.in_turns(tasks, 3)
    assert log.read_text() == "AB" + "ABABAB"
    assert [len(of_task) for of_task in runs.values()] == [3, 3]


def test_a_file_is_read_before_each_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"")

    def read(path: Path) -> None:
        """Say in the file that it was read."""
        path.write_text(path.read_text() + "r")

    monkeypatch.setattr(measure, "read_into_cache", read)
    tasks = [child(f"open({str(log)!r}, 'a').write({letter!r})") for letter in "AB"]
    measure.in_turns(tasks, 2, path=log)
    assert log.read_text() == "rArB" * 3


def test_all_of_a_file_is_read_into_the_cache(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"  # which tells its writer how much was read
    os.mkfifo(pipe)
    data = bytes(5 * measure.MEGABYTE // 2)
    with ThreadPoolExecutor() as pool:
        written = pool.submit(pipe.write_bytes, data)
        measure.read_into_cache(pipe)
        assert written.result() == len(data)


def test_a_ratio_is_taken_round_by_round() -> None:
    fast, slow = (
        [measure.Run(wall, 1.0, 1.0, math.nan) for wall in walls]
        for walls in ([1.0, 10.0, 1.0], [2.0, 20.0, 3.0])
    )
    assert measure.ratios(slow, fast) == measure.Spread(2.0, 2.0, 3.0, 3)


@pytest.mark.parametrize(
    ("limit", "at_most", "met"), [(2, True, True), (1.9, True, False), (2, False, True)]
)
def test_a_target_is_met_by_its_median(limit: float, at_most: bool, met: bool) -> None:
    target = report.Target("claim", "x", limit, at_most, TWO)
    assert target.met is met
    assert ("NOT MET" in report.targets_table([target])) is not met


def test_a_report_becomes_json(capsys: pytest.CaptureFixture[str]) -> None:
    found = report.Report({"names": "names.txt"})
    found.add("sampling", "makemore sample", "words/s", [3.0, 1.0, 2.0])
    found.at_least("many", "words/s", 5.0, TWO)
    values = json.loads(json.dumps(found.values()))
    assert values["figures"][0]["spread"] == {"median": 2, "least": 1, "greatest": 3, "count": 3}
    assert values["targets"][0]["met"] is False
    assert "makemore sample" in capsys.readouterr().out


def test_the_chart_is_drawn(tmp_path: Path) -> None:
    points = [
        report.Point("makemore", 10, ONE, TWO),
        report.Point("makemore", 100, THREE, TWO),
        report.Point("wc", 10, ONE, None),
    ]
    report.draw_scaling(points, tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")


def test_the_chart_of_scale_has_each_model_at_each_size(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def in_turns(
        tasks: list[measure.Task], rounds: int, warm_up: bool, path: Path
    ) -> dict[str, list[measure.Run]]:
        """Say that each run took a tenth of the file's size, and that what is reported took 0.1."""
        size = path.stat().st_size / 10
        of_task = {True: measure.Run(9, 9, 60, 0.1), False: measure.Run(size, size, 60, math.nan)}
        return {task.name: [of_task[task.reports]] * rounds for task in tasks}

    def draw(self: setting.Setting, *arguments: object) -> None:
        """Write a byte for each word that is to be drawn."""
        options = dict(zip(arguments[1::2], arguments[2::2], strict=True))
        options["-o"].write_bytes(bytes(options["-n"] // 100_000))  # type: ignore[attr-defined,operator]

    monkeypatch.setattr(sections, "in_turns", in_turns)
    monkeypatch.setattr(setting.Setting, "do", draw)
    names = tmp_path / "names"
    names.write_text("ann\nemily\n")  # five bytes a line: 200,000 words are a megabyte
    python = Path(sys.executable)
    found = report.Report({})
    sections.scale(setting.Setting(tmp_path, names, python, python, "", quick=True), found)
    assert [point.megabytes for point in found.points] == [
        size for size in (1, 10, 100) for _ in "1234"
    ]
    assert [point.seconds.median for point in found.points] == pytest.approx(
        [0.2, 0.2, 0.2, 0.1, 2, 2, 2, 0.1, 20, 20, 20, 0.1]
    )
    assert [point.peak is None for point in found.points] == [False, False, False, True] * 3
    assert list(tmp_path.iterdir()) == [names]
    report.draw_scaling(found.points, tmp_path / "scale.png")
    assert (tmp_path / "scale.png").read_bytes().startswith(b"\x89PNG")


def test_the_wait_for_the_first_step_ends_before_the_training_does(tmp_path: Path) -> None:
    names = tmp_path / "names"
    names.write_text("emma\nolivia\nava\nmia\n" * 5)
    started = time.perf_counter()
    waited = inside.first_step(str(names))
    assert 0 < waited < time.perf_counter() - started


def test_a_file_has_the_size_asked_for_and_whole_lines(tmp_path: Path) -> None:
    path = setting.write_words(make_setting(tmp_path), 21)
    lines = path.read_bytes().split(b"\n")
    assert 21e6 - 10 < path.stat().st_size <= 21e6
    assert lines.pop() == b""
    assert set(lines) == {b"emma", b"olivia", b"ava"}


def test_a_file_in_another_script_has_the_same_words(tmp_path: Path) -> None:
    path = setting.write_words(make_setting(tmp_path), 1, "cyrillic")
    emma, olivia, ava = path.read_text("utf-8").split("\n")[:3]
    assert emma == "\u0434\u043c\u043c\u0430"  # the letters 5, 13, 13 and 1
    assert (len(olivia), ava) == (6, "\u0430\u0445\u0430")


def test_a_file_of_many_characters_has_one_for_three_letters(tmp_path: Path) -> None:
    path = setting.write_words(make_setting(tmp_path), 1, "chinese")
    emma, olivia, ava = path.read_text("utf-8").split("\n")[:3]
    # emm and a in base 36: 14 * 36**2 + 22 * 36 + 22 is 958 above 18,000; and 10
    assert emma == chr(0x4E00 + 958) + chr(0x4E00 + 10)
    assert (len(olivia), len(ava)) == (2, 1)


def test_a_file_in_another_encoding_is_written_in_it(tmp_path: Path) -> None:
    there = make_setting(tmp_path)
    (tmp_path / "drawn.txt").write_text("kay\n" * 1000)
    path = setting.write_words(there, 1, "latin-1")
    assert path.read_bytes().startswith(b"\xf1a\xe9\n")


def kind_of_typo(word: str, made: str) -> str:
    """Return which typo makes one word of another, by trying all of them."""
    places = range(len(word))
    made_by = {
        "dropped": [word[:i] + word[i + 1 :] for i in places],
        "doubled": [word[:i] + word[i] + word[i:] for i in places],
        "swapped": [word[:i] + word[i : i + 2][::-1] + word[i + 2 :] for i in places],
        "wrong": [word[:i] + letter + word[i + 1 :] for i in places for letter in "abcdefgh"],
    }
    return next(kind for kind, words in made_by.items() if made in words)


def test_typos_are_of_four_kinds_in_equal_parts_and_no_known_words() -> None:
    generator = random.Random(1)
    words = ["".join(generator.choices("abcdefgh", k=6)) for _ in range(500)]
    planted = outliers.plant(outliers.typo, words, set(words), generator)
    assert not set(words) & set(planted.values())
    kinds = [kind_of_typo(words[i], made) for i, made in planted.items()]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == dict.fromkeys(
        ("swapped", "dropped", "doubled", "wrong"), 25
    )


def test_noise_keeps_lengths_and_spaces() -> None:
    generator = random.Random(1)
    lines = outliers.people(["emma", "olivia", "zoe"], generator)
    planted = outliers.plant(outliers.noise, lines, set(lines), generator)
    assert len(planted) == 100
    for i, made in planted.items():
        assert list(map(len, made.split(" "))) == list(map(len, lines[i].split(" ")))


def test_names_are_drawn_as_often_as_their_rank_says() -> None:
    names = [f"n{rank}" for rank in range(1, 101)]
    drawn = outliers.first_names(names, random.Random(1))
    assert len(drawn) == 5_000
    expected = ((1 + 30) / (100 + 30)) ** -1.5  # 8.6 times
    assert drawn.count("n1") / drawn.count("n100") == pytest.approx(expected, rel=0.5)


def test_people_have_last_names_of_a_stock() -> None:
    names = [f"n{rank}" for rank in range(100)]
    people = outliers.people(names, random.Random(1), stock=5)
    assert len({person.split(" ")[0] for person in people}) > 50
    assert len({person.split(" ")[1] for person in people}) == 5


def test_other_words_come_from_lists_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "names").write_text("emma\nolivia\n")
    (tmp_path / "words").write_text("\n".join(f"word{i}\nword{i}'s" for i in range(5_000)))
    monkeypatch.setenv("MAKEMORE_WORDS", str(tmp_path / "words"))
    monkeypatch.delenv("MAKEMORE_PACKAGES", raising=False)
    found = report.Report({})
    python = Path(sys.executable)
    there = setting.Setting(tmp_path, tmp_path / "names", python, python, "", quick=True)
    kinds = outliers.kinds(there, found)
    assert list(kinds)[2:] == ["repeated names", "words"]
    words, draw = kinds["words"]
    assert sorted(draw(words, random.Random(1))) == sorted(f"word{i}" for i in range(5_000))
    assert found.notes == [
        f"{kind}: no list of 5,000 words" for kind in ("distinct names", "packages")
    ]


def test_other_ways_name_the_lines_that_are_odd_to_models_of_other_lines(tmp_path: Path) -> None:
    lines = ["anna", "ana", "nana", "hanna", "hana"] * 20
    lines[42] = "xq"
    (tmp_path / "list").write_text("\n".join(lines) + "\n")
    orders = inside.oddest_lines(str(tmp_path / "list"), "3")
    assert inside.LARGEST in orders
    assert {way: order[0] for way, order in orders.items()} == dict.fromkeys(orders, 43)
    assert all(len(order) == 3 for order in orders.values())


def test_errors_found_are_counted_among_the_first_hundred_lines(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def output_of(task: measure.Task) -> bytes:
        """Name each line of the list, two a word, or the last ones first."""
        assert len(path.read_text().split("\n")) == 5_001
        if task.reports:
            return json.dumps({"another way": list(range(5_000, 4_900, -1))}).encode()
        return b"\n".join(b'{"lines": [%d, %d]}' % (i, i + 1) for i in range(1, 200, 2))

    def draw(words: Sequence[str], generator: random.Random) -> list[str]:
        """Return different words."""
        return [f"word{i}" for i in range(5_000)]

    def plant(*arguments: object) -> dict[int, str]:
        """Plant errors in lines 1, 100, 101 and 5,000."""
        return {i - 1: "error" for i in (1, 100, 101, 5_000)}

    path = tmp_path / "outliers.txt"
    monkeypatch.setattr(outliers, "output_of", output_of)
    monkeypatch.setattr(outliers, "plant", plant)
    found = outliers.found_in_list(make_setting(tmp_path), outliers.typo, [], draw, 1)
    assert found == {"makemore outliers": 2, "another way": 1}
    lines = path.read_text().split("\n")
    assert [lines[i] for i in (0, 1, 99, 4_999)] == ["error", "word1", "error", "error"]


def test_names_come_from_argument_then_environment_then_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MAKEMORE_NAMES", str(tmp_path / "environment"))
    assert setting.find_names(tmp_path / "argument")[0] == tmp_path / "argument"
    assert setting.find_names(None)[0] == tmp_path / "environment"
    monkeypatch.delenv("MAKEMORE_NAMES")
    path, how = setting.find_names(None)
    assert path.exists()
    assert "inside the package" in how


def test_the_one_hot_peer_takes_the_same_step(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words = ["emma", "ava"]
    (tmp_path / "words").write_text("\n".join(words))
    before, after = [], []

    def take_one(step: FunctionType) -> float:
        names, cells = step.__code__.co_freevars, step.__closure__ or ()
        W = dict(zip(names, cells, strict=True))["W"].cell_contents
        before.append(W.astype(np.float64))
        step()
        after.append(W)
        return 0.0

    monkeypatch.setattr(peers, "seconds_each", take_one)
    peers.one_hot_numpy(str(tmp_path / "words"))
    vocabulary = Vocabulary("".join(words))
    gradient = weight_gradient(*bigram_pairs(words, vocabulary), before[0])
    np.testing.assert_allclose(after[0], before[0] - 50 * gradient, rtol=0, atol=1e-4)


def test_pytorchs_gru_answers_as_the_checkpoint_does(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from benchmark.torch_steps import trained_gru

    corpus = Corpus.from_words(["emma", "olivia", "ava", "isabella", "mia"] * 20)
    checkpoint = train(corpus, model="gru", steps=3, hidden_size=8)
    save(tmp_path / "gru.npz", checkpoint)
    model = checkpoint.model
    theirs, ids = trained_gru(str(tmp_path / "gru.npz"))
    with torch.no_grad():
        logits = theirs(torch.tensor([[0, ids["a"], ids["v"]]]))[0].double()
    state = model.advance(model.advance(model.start(1), np.array([ids["a"]])), np.array([ids["v"]]))
    expected = model.log_probabilities(state)[0]
    np.testing.assert_allclose(torch.log_softmax(logits, -1)[-1], expected, rtol=0, atol=1e-5)


def test_one_section_runs_whole(tmp_path: Path) -> None:
    # takes seconds: it installs makemore into an environment of its own
    names = tmp_path / "names"
    names.write_text("\n".join(["emma", "olivia", "ava", "isabella", "sophia", "mia"] * 30))
    options = ("--quick", "--only", "quality", "--json", tmp_path / "figures.json")
    command = list(map(str, (sys.executable, SCRIPT, names, *options)))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert [row["order"] for row in figures["quality"]] == [2, 2, 3, 4, 5, 6, 7]
    for row in figures["quality"]:
        shares = row["known_share"] + row["repeated_share"] + row["new_share"]
        assert shares == pytest.approx(1)
        assert 0.5 < row["roc_auc"] <= 1


def test_steps_are_measured_for_the_table_of_a_gpu(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("emma\nolivia\nava\nisabella\nsophia\n" * 3)
    small = {"embedding_size": 8, "hidden_size": 8}
    for sizes in (small, {**small, "layers": 2}):
        times = list(gpu.milliseconds("gru", sizes, 4, names, "cpu", theirs=False))
        assert len(times) == 1
        assert 0 < times[0] < 1_000


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="there may be a GPU")
def test_without_a_gpu_its_script_says_so_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "names").write_text("emma\n")
    with pytest.raises(measure.BenchmarkError, match=r"steps\.py: exit code 1"):
        list(gpu.milliseconds("gru", {}, 4, tmp_path / "names", "cuda", theirs=False))
    command = [sys.executable, str(SCRIPT.with_name("gpu.py")), str(tmp_path / "names")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert re.fullmatch(r"scripts/gpu: steps\.py: exit code 1: .*\n", done.stderr)
    done = subprocess.run([SCRIPT.with_name("gpu")], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "scripts/gpu: there is no NVIDIA GPU: nvidia-smi names none\n"


def test_the_frontiers_table_has_the_best_of_each_within_each_time(tmp_path: Path) -> None:
    points = [
        frontier.Point("makemore", "ngram", 0.2, 2.018),
        frontier.Point("makemore", "gru", 25.0, 1.964),
        frontier.Point("makemore, time limit", "--time-limit 10", 10.4, 1.960),
        frontier.Point("PyTorch, gru", "as taught", 9.0, 2.4),
        frontier.Point("PyTorch, mlp", "as taught", 60.0, 2.2),
    ]
    rows = frontier.table(points).splitlines()
    assert "| 0.5 s | `ngram` | 2.018 | - | - |" in rows
    assert "| 10 s | `--time-limit 10` | 1.960 | gru | 2.400 |" in rows
    assert "| 30 s | `--time-limit 10` | 1.960 | gru | 2.400 |" in rows
    assert "| 60 s | `--time-limit 10` | 1.960 | mlp | 2.200 |" in rows
    frontier.draw(points, tmp_path / "frontier.png")
    assert (tmp_path / "frontier.png").stat().st_size > 10_000


def test_no_name_on_the_frontier_covers_a_dot_or_another_name() -> None:
    figure = Figure(figsize=(9, 5.4))
    axes = figure.subplots()
    axes.set(xscale="log", xlim=(0.3, 400), ylim=(1.88, 2.75))
    measured = {"gru": (18.3, 1.964), "mlp": (20.6, 1.98), "lstm": (29, 1.958), "rnn": (12, 2.01)}
    points = [frontier.Point("makemore", name, *at) for name, at in measured.items()]
    points.append(frontier.Point("makemore, time limit", "--time-limit 30", 31.0, 1.962))
    frontier.write_names(axes, points)
    assert [text.get_text() for text in axes.texts] == list(measured)
    names = [text.get_window_extent() for text in axes.texts]
    dots = axes.transData.transform([(point.seconds, point.loss) for point in points])
    for box in names:
        assert not box.count_contains(dots)
        assert box.count_overlaps(names) == 1, "itself"


@pytest.mark.parametrize(("count", "n"), [(5, 100), (0, 10), (3, 3)])
def test_a_share_has_an_interval_of_95_percent(count: int, n: int) -> None:
    share = sections.share_in_percent(count, n)
    assert (share.median, share.count) == (100 * count / n, n)
    for bound in (share.least / 100, share.greatest / 100):
        # just 1.96 standard deviations of a share whose mean is the bound
        deviation = max(0.0, bound * (1 - bound) / n) ** 0.5
        assert abs(bound - count / n) == pytest.approx(1.96 * deviation, abs=1e-7)
