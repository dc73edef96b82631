from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from makemore.data.corpus import Corpus, CorpusFacts
from makemore.errors import CorpusError
from makemore.generation import novelty
from makemore.generation.novelty import KnownWords, find_corpus, nearest_words, training_texts
from makemore.training.options import TrainingOptions
from makemore.training.train import train

words = st.text("abcé", min_size=1, max_size=6)
WORDS = ["emma", "olivia", "ava", "zoë"]


@cache
def edit_distance(a: str, b: str) -> int:
    """Return the number of edits, swaps of neighbours among them, by its recursive definition."""
    if not a or not b:
        return len(a) + len(b)
    replaced = edit_distance(a[1:], b[1:]) + (a[0] != b[0])
    ways = [replaced, edit_distance(a[1:], b) + 1, edit_distance(a, b[1:]) + 1]
    if len(a) > 1 and a[:2] == b[1::-1]:
        ways.append(edit_distance(a[2:], b[2:]) + 1)
    return min(ways)


@given(st.lists(words, max_size=20), st.lists(words, min_size=1, max_size=20))
def test_known_words_are_those_of_a_set(known: list[str], asked: list[str]) -> None:
    blocks = ["".join(word + "\n" for word in part) for part in (known[:5], known[5:])]
    flags = KnownWords(blocks).contain("".join(word + "\n" for word in asked))
    assert flags.tolist() == [word in set(known) for word in asked]


@given(words, st.lists(words, min_size=1, max_size=8), st.integers(1, 4))
def test_the_nearest_word_is_that_of_the_definition(
    word: str, known: list[str], split: int
) -> None:
    blocks = ["".join(w + "\n" for w in part) for part in (known[:split], known[split:])]
    ((nearest, distance),) = nearest_words([word], blocks)
    expected = min(edit_distance(word, other) for other in known)
    assert distance == expected
    assert nearest == next(w for w in known if edit_distance(word, w) == expected)


def test_among_many_known_words_the_nearest_is_that_of_the_definition() -> None:
    random = Random(0)
    known = ["".join(random.choices("abc", k=random.randint(1, 6))) for _ in range(300)]
    for word in ("abcabcab", "ccbbaa", "c", "aaaaaaaaaaaa"):
        expected = min(edit_distance(word, other) for other in known)
        nearest = next(other for other in known if edit_distance(word, other) == expected)
        assert nearest_words([word], ["\n".join([*known, ""])]) == [(nearest, expected)]


def test_a_swap_is_one_edit_as_for_the_minimum_distance() -> None:
    assert nearest_words(["mraia"], ["mona\nmaria\n"]) == [("maria", 1)]


def test_a_long_line_among_the_known_costs_nothing() -> None:
    assert nearest_words(["emma"], ["x" * 5_000_000 + "\nemmy\n"]) == [("emmy", 1)]


@pytest.fixture
def trained(tmp_path: Path) -> tuple[Path, Callable[[], list[str]]]:
    path = tmp_path / "words.txt"
    path.write_text("\n".join(WORDS), encoding="utf-8")
    facts = train(Corpus.from_paths(path), TrainingOptions(holdout=0)).corpus
    return path, lambda: "".join(training_texts(facts, find_corpus(facts))).split()


def test_the_training_words_are_read_again(trained: tuple[Path, Callable[[], list[str]]]) -> None:
    _, read = trained
    assert read() == WORDS


def test_a_corpus_that_has_changed_is_refused(
    trained: tuple[Path, Callable[[], list[str]]],
) -> None:
    path, read = trained
    path.write_text("emma\nolivia\nava\nzoe", encoding="utf-8")
    with pytest.raises(CorpusError, match="has changed since the training: expected SHA-256"):
        read()


def test_a_corpus_that_is_gone_is_named(trained: tuple[Path, Callable[[], list[str]]]) -> None:
    path, read = trained
    path.unlink()
    with pytest.raises(CorpusError, match=r"words\.txt"):
        read()


def test_a_corpus_that_was_no_file_is_asked_for() -> None:
    facts = train(Corpus.from_words(WORDS), TrainingOptions(holdout=0)).corpus
    with pytest.raises(CorpusError, match="--corpus"):
        find_corpus(facts)


def test_known_words_are_merged_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(novelty, "_MERGED_AT_ONCE", 2)
    known = KnownWords(f"{word}\n" for word in ["d", "b", "a", "c", "b", "e"])
    assert known.contain("a\nb\nc\nd\ne\nf\n").tolist() == [True] * 5 + [False]


@pytest.mark.parametrize(
    ("stored", "checkpoint", "there"),
    [
        ("/old/data/words.txt", "new/model.npz", "new/data/words.txt"),
        ("/old/data/words.txt", "new/model.npz", "new/words.txt"),
        ("/old/data/words.txt", "model.npz", "old/data/words.txt"),
        ("/old/data/words.txt", "elsewhere/model.npz", "data/words.txt"),
        ("data/words.txt", "elsewhere/model.npz", "data/words.txt"),  # as it was stored once
    ],
)
def test_a_corpus_that_moved_with_its_checkpoint_is_found(
    stored: str, checkpoint: str, there: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / there).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / there).write_text("emma\n", encoding="utf-8")
    facts = CorpusFacts("words.txt", "", 1, 5, path=stored)
    assert Path(find_corpus(facts, checkpoint)) == Path(there)
    (tmp_path / there).unlink()
    with pytest.raises(CorpusError, match="has been moved or deleted"):
        find_corpus(facts, checkpoint)


def test_a_corpus_where_it_was_comes_before_one_that_ends_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words.txt").write_text("other\n", encoding="utf-8")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "words.txt").write_text("emma\n", encoding="utf-8")
    facts = CorpusFacts("words.txt", "", 1, 5, path=str(tmp_path / "data" / "words.txt"))
    assert find_corpus(facts, "model.npz") == facts.path
