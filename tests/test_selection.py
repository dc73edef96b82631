"""The best words, and words that are some edits apart, against their definitions."""

import random
import tracemalloc
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import make_bigram
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from makemore.arpa import read_arpa, write_arpa
from makemore.checkpoint import load, save
from makemore.cli import main
from makemore.data.corpus import Corpus
from makemore.data.sources import FileSource
from makemore.data.vocabulary import Vocabulary
from makemore.errors import OptionError
from makemore.evaluation.losses import score_words
from makemore.generation import novelty, selection
from makemore.generation.constraints import Constraints
from makemore.generation.novelty import KnownWords, Neighbours, edit_distance, near_words
from makemore.generation.sampling import Sampler, sample
from makemore.generation.selection import best_words, far_words, most_probable_first
from makemore.models.bigram import Bigram
from makemore.training.options import TrainingOptions
from makemore.training.record import Checkpoint
from makemore.training.train import train

WORDS = st.text("abc", max_size=5)
FIRMS = [
    f"{a} {b}"
    for a in ("Bright", "Iron", "Amber", "Quiet")
    for b in ("Motors", "Haven", "Foods", "Labs")
]


@cache
def distance(a: str, b: str) -> int:
    """Return the optimal string alignment distance by its recursive definition."""
    if not a or not b:
        return len(a) + len(b)
    ways = [distance(a[1:], b) + 1, distance(a, b[1:]) + 1]
    ways.append(distance(a[1:], b[1:]) + (a[0] != b[0]))
    if len(a) > 1 and len(b) > 1 and a[:2] == b[1::-1]:
        ways.append(distance(a[2:], b[2:]) + 1)
    return min(ways)


@given(WORDS, WORDS)
@settings(max_examples=300)
def test_the_edit_distance_is_that_of_the_definition(a: str, b: str) -> None:
    assert edit_distance(a, b) == distance(a, b)


@pytest.mark.parametrize("long", [novelty.MAX_DELETED_FROM, 3, 0])
@given(
    words=st.lists(WORDS, max_size=8), known=st.lists(WORDS, max_size=8), edits=st.integers(0, 2)
)
@settings(
    max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
def test_near_words_are_found_as_by_looking_at_all(
    monkeypatch: pytest.MonkeyPatch, words: list[str], known: list[str], edits: int, long: int
) -> None:
    monkeypatch.setattr(novelty, "MAX_DELETED_FROM", long)  # longer words are known by pieces
    blocks = ["".join(f"{word}\n" for word in part) for part in (known[:3], known[3:])]
    lines = [word for word in known if word]
    expected = {w for w in words if any(distance(w, line) <= edits for line in lines)}
    assert near_words(words, blocks, edits) == expected
    neighbours = Neighbours(edits)
    for word in known:
        neighbours.add(word)
    for word in words:
        assert neighbours.has_near(word) == any(distance(word, k) <= edits for k in known)


def test_near_sentences_are_found_in_little_memory() -> None:
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefgh ", k=draw.randint(100, 130))) for _ in range(300)]
    edited = [f"{word[:50]}{word[52:]}" for word in words[:5]]
    tracemalloc.start()
    try:
        near = near_words(words, ["".join(f"{word}\n" for word in edited)], 2)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert near == set(words[:5])
    assert peak < 20_000_000  # by deletions it would be gigabytes


def trigrams(word: str) -> set[str]:
    return set(map("".join, zip("^" + word, word + "$", (word + "$")[1:], strict=False)))


@given(st.lists(st.text("abc", min_size=1, max_size=6), unique=True, max_size=12))
@settings(max_examples=100)
def test_the_best_words_are_those_of_the_formula(words: list[str]) -> None:
    model = make_bigram(["abc", "ab", "b", "ca", "cab"])
    chosen: list[str] = []
    for word in best_words(model, words, 4):
        used = set().union(*map(trigrams, chosen)) if chosen else set()

        def cost(word: str, used: set[str] = used) -> float:
            own = trigrams(word)
            mean = score_words(model, [word]).mean[0]
            return float(mean + selection.COMMON * len(own & used) / len(own))

        assert cost(word) <= min(cost(w) for w in words if w not in chosen) + 1e-12
        chosen.append(word)
    assert len(chosen) == min(4, len(words))


def firms(tmp_path: Path) -> tuple[Checkpoint, list[str]]:
    path = tmp_path / "firms.txt"
    path.write_text("".join(f"{firm}\n" for firm in FIRMS))
    options = TrainingOptions("ngram", order=5, holdout=0)
    return train(Corpus.from_paths(path), options), FIRMS


def test_the_best_firms_do_not_all_begin_alike(tmp_path: Path) -> None:
    checkpoint, _ = firms(tmp_path)
    best = sample(checkpoint, 4, seed=1, best=True)
    assert len({word.split()[0] for word in best}) == 4
    drawn = list(dict.fromkeys(sample(checkpoint, 5000, seed=1)))
    by_mean = np.argsort(score_words(checkpoint.model, drawn).mean)[:4]
    assert len({drawn[i].split()[0] for i in by_mean.tolist()}) < 4


@pytest.mark.parametrize("edits", [1, 2, 3])
@pytest.mark.parametrize("best", [False, True])
def test_words_are_as_many_edits_apart_as_asked(edits: int, best: bool, tmp_path: Path) -> None:
    checkpoint, known = firms(tmp_path)
    limits = Constraints(max_length=9)
    found = sample(checkpoint, 12, seed=1, constraints=limits, best=best, min_distance=edits)
    assert len(found) == 12
    for i, word in enumerate(found):
        assert all(edit_distance(word, other) >= edits for other in [*known, *found[:i]])


def test_where_few_words_are_far_enough_more_are_looked_at(
    monkeypatch: pytest.MonkeyPatch, small_model: Bigram
) -> None:
    monkeypatch.setattr(selection, "MIN_CONSIDERED", 2)
    monkeypatch.setattr(selection, "CONSIDERED", 1)
    words = ["ab", "abc", "b", "ca", "cab", "bbbb", "cccc"]
    found = best_words(small_model, words, 2, min_distance=2, known=["ab\nabc\nb\nca\ncab\n"])
    assert sorted(found) == ["bbbb", "cccc"]
    assert (
        best_words(small_model, words, 3, min_distance=2, known=["ab\nabc\nb\nca\ncab\n"]) == found
    )


def test_distant_words_come_in_the_order_in_which_they_were_drawn(tmp_path: Path) -> None:
    checkpoint, known = firms(tmp_path)
    drawn = list(dict.fromkeys(sample(checkpoint, 300, seed=3)))
    expected: list[str] = []
    for word in drawn:
        if all(edit_distance(word, other) >= 2 for other in [*known, *expected]):
            expected.append(word)
    assert sample(checkpoint, 10, seed=3, min_distance=2) == expected[:10]


def test_the_search_for_distant_words_ends_though_there_are_endlessly_many_near_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(selection, "PATIENCE", 2_500)
    vocabulary, far = Vocabulary("ab"), {1_500: "aaa", 3_000: "aabaa"}

    def some_far() -> Iterator[str]:
        """Yield words of which hardly any is far from b."""
        for number in range(20_000):
            yield far.get(number, "b")
        pytest.fail("the search goes on")

    found = far_words(vocabulary, some_far(), 4, min_distance=2, known=["b\n"])
    assert list(found) == ["aaa", "aabaa"]


@pytest.mark.parametrize("best", [False, True])
def test_edits_are_those_of_symbols(best: bool, tmp_path: Path) -> None:
    path = tmp_path / "molecules.txt"
    known = ["CCl", "CBrC", "[nH]CC", "C[nH]Cl", "BrCCBr", "CC[nH]CBr"]
    path.write_text("\n".join(known) + "\n", encoding="utf-8")
    corpus = Corpus((FileSource(str(path)),), symbol_rule="smiles")
    checkpoint = train(corpus, TrainingOptions("ngram", order=2, holdout=0))
    cut = checkpoint.model.vocabulary.shortened  # CBr is one symbol from CCl, two characters
    limits = Constraints(max_length=9)
    found = sample(checkpoint, 12, seed=1, constraints=limits, best=best, min_distance=2)
    assert len(found) == 12
    for i, word in enumerate(found):
        assert all(distance(cut(word), cut(other)) >= 2 for other in [*known, *found[:i]])


def test_a_sampler_reads_the_training_words_once(tmp_path: Path) -> None:
    checkpoint, _ = firms(tmp_path)
    sampler = Sampler(checkpoint)
    found = sampler.sample(10, seed=3, min_distance=2)
    (tmp_path / "firms.txt").unlink()
    assert sampler.sample(10, seed=3, min_distance=2) == found


def test_most_probable_words_stand_first(small_model: Bigram) -> None:
    words = most_probable_first(small_model, ["bbb", "ab", "c", "ab"])
    totals = score_words(small_model, words).total
    assert (np.diff(totals) >= 0).all()


def test_a_sampler_gives_lists_and_keeps_words_out(tmp_path: Path) -> None:
    checkpoint, known = firms(tmp_path)
    sampler = Sampler(checkpoint, new=True, exclude=["Iron"], constraints=Constraints(prefix="Ir"))
    found = sampler.sample(50, seed=2)
    assert found == sample(
        checkpoint, 50, seed=2, new=True, exclude=["Iron"], constraints=Constraints(prefix="Ir")
    )
    assert not {"Iron", *known} & set(found)
    assert sampler.sample(20, seed=2, unique=True) == list(dict.fromkeys(found))[:20]
    assert sampler.sample(0, seed=2) == []
    assert sampler.sample(50) != sampler.sample(50)
    text = KnownWords.of(["Iron", *known])
    plain = sample(checkpoint.model, 50, seed=2, exclude=text, constraints=Constraints(prefix="Ir"))
    assert plain == found


def test_training_words_elsewhere_are_named(tmp_path: Path) -> None:
    checkpoint, known = firms(tmp_path)
    moved = (tmp_path / "firms.txt").rename(tmp_path / "moved")
    found = sample(checkpoint, 20, seed=0, new=True, corpus=moved)
    assert not set(known) & set(found)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"new": True}, "new needs the checkpoint instead of its model"),
        ({"min_distance": 2}, "min_distance needs the checkpoint"),
        ({"min_distance": 4}, "from 0 to 3"),
        ({"exclude": "emma"}, "exclude is one text: expected several words"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    options: dict[str, Any], message: str, small_model: Bigram
) -> None:
    with pytest.raises(OptionError, match=message):
        sample(small_model, 5, seed=0, **options)


def test_a_short_request_draws_one_group(
    monkeypatch: pytest.MonkeyPatch, small_model: Bigram
) -> None:
    sampler, groups = Sampler(small_model), []
    write_words = sampler._writer.write_words

    def counted(random: Any, lanes: int) -> Any:
        groups.append(lanes)
        return write_words(random, lanes)

    monkeypatch.setattr(sampler._writer, "write_words", counted)
    assert len(sampler.sample(50, seed=1)) == 50
    assert groups == [512]


def run(*arguments: object) -> Any:
    return CliRunner().invoke(main, ["sample", "--seed", "1", *map(str, arguments)])


def test_the_command_writes_the_best_sorts_and_keeps_apart(tmp_path: Path) -> None:
    checkpoint, _ = firms(tmp_path)
    model = tmp_path / "m.npz"
    save(model, checkpoint)
    best = run("-c", model, "--best", 6, "--new")
    assert best.stdout.split("\n")[:-1] == sample(checkpoint, 6, seed=1, best=True, new=True)
    sorted_ = run("-c", model, "--best", 6, "--new", "--sort", "alphabet")
    assert sorted_.stdout.split("\n")[:-1] == sorted(best.stdout.split("\n")[:-1])
    scored = run("-c", model, "-n", 9, "--sort", "probability", "--with-scores")
    totals = [float(line.split("\t")[0]) for line in scored.stdout.splitlines()]
    assert totals == sorted(totals)
    assert len(totals) == 9
    apart = run("-c", model, "-n", 5, "--min-distance", 2, "--report")
    assert apart.stdout.split("\n")[:-1] == sample(load(model), 5, seed=1, min_distance=2)
    assert "5: 0 in the training corpus" in apart.stderr
    for arguments in (["--best", 5, "-n", 3], ["--min-distance", 4], ["--sort", "length"]):
        assert run("-c", model, *arguments).exit_code == 2


@pytest.mark.parametrize("option", ["--new", "--report", "--min-distance=1"])
def test_the_cures_that_are_named_help(option: str, tmp_path: Path) -> None:
    """--exclude serves for --new alone, and --corpus names one file of the very words."""
    one, two = tmp_path / "one.txt", tmp_path / "two.txt"
    one.write_text("emma\nava\nolivia\n", "utf-8")
    two.write_text("zoe\nmia\n", "utf-8")
    several, changed, imported, arpa = (tmp_path / name for name in ("s", "c", "i", "m.arpa"))
    options = TrainingOptions("ngram", order=2, holdout=0)
    save(several, train(Corpus.from_paths(one, two), options))
    save(changed, train(Corpus.from_paths(two), options))
    write_arpa(arpa, load(several))
    save(imported, read_arpa(arpa))
    two.write_text("zoe\n", "utf-8")
    name = option.partition("=")[0]
    for model, why, other in [
        (several, "only those of one file are read again", "train on one file"),
        (imported, "was imported from", "train a model with makemore"),
        (changed, "has changed since the training", "name the right file by --corpus"),
    ]:
        for arguments in ([], ["--corpus", one] if model == imported else []):
            said = run("-c", model, option, *arguments).stderr
            assert why in said
            assert ("--exclude" in said) is (name == "--new")
            if model == changed:
                assert other in said
            else:
                assert (f"leave out {name}, or {other}" in said) is (name != "--new")
    assert run("-c", several, "--exclude", one, "--exclude", two).exit_code == 0
