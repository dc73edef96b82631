"""Counting: the same result from every road, equal to a dictionary's."""

import bz2
import gzip
import lzma
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from corpus_oracles import held_out_of, in_blocks, is_held_out, pair_counts, word_hash, words_in
from hypothesis import given, settings
from hypothesis import strategies as st

from makemore.counting.bigrams import bigram_pairs, count_pairs
from makemore.counting.passes import BigramCounts, count_bigrams, id_blocks
from makemore.counting.survey import MAX_SAMPLE_LENGTH
from makemore.data import holdout
from makemore.data.corpus import Corpus
from makemore.data.holdout import Split
from makemore.data.text import Lines
from makemore.data.vocabulary import MAX_VOCABULARY, Vocabulary
from makemore.errors import CorpusError, VocabularyError

CHARACTERS = st.sampled_from("aab\n\n\r.é\x85\x0bþłя\u2028中\U0001f600\u0301")
TEXTS = st.text(CHARACTERS, max_size=60)


def as_pairs(vocabulary: Vocabulary, N: np.ndarray) -> dict[tuple[str, str], int]:
    """Return a count matrix as a dictionary."""
    return {
        (vocabulary.itos[i], vocabulary.itos[j]): int(N[i, j]) for i, j in np.argwhere(N).tolist()
    }


def check_against_dictionaries(counts: BigramCounts, words: list[str], share: float) -> None:
    """Compare everything that was found with what plain Python finds in ``words``."""
    chosen = held_out_of(words, share)
    held_out = [word for word in words if word in chosen]
    training = [word for word in words if word not in chosen]
    assert counts.survey.vocabulary.characters == "".join(sorted(set("".join(words))))
    assert as_pairs(counts.survey.vocabulary, counts.training) == pair_counts(training)
    assert as_pairs(counts.survey.vocabulary, counts.held_out) == pair_counts(held_out)
    facts = counts.survey.facts
    assert (facts.lines, facts.held_out_lines) == (len(words), len(held_out))
    assert facts.symbols == sum(len(word) + 1 for word in words)
    assert facts.held_out_symbols == sum(len(word) + 1 for word in held_out)
    assert int(facts.held_out_fingerprint, 16) == sum(map(word_hash, held_out)) % (1 << 64)
    short = {word for word in held_out if len(word) <= MAX_SAMPLE_LENGTH}
    assert counts.survey.sample.words == tuple(sorted(short, key=word_hash))


def same(a: BigramCounts, b: BigramCounts) -> bool:
    """Return whether two results are equal in everything but the corpus's name and path."""
    return (
        a.survey.vocabulary == b.survey.vocabulary
        and np.array_equal(a.training, b.training)
        and np.array_equal(a.held_out, b.held_out)
        and a.survey.sample.words == b.survey.sample.words
        and a.survey.sample.hashes == b.survey.sample.hashes
        and a.survey.facts._replace(name="", path="") == b.survey.facts._replace(name="", path="")
    )


def through_a_pipe(data: bytes, use: Callable[[str], BigramCounts], folder: Path) -> BigramCounts:
    """Call ``use`` with the path of a named pipe through which ``data`` comes in small pieces."""
    path = folder / "pipe"
    os.mkfifo(path)

    def write() -> None:
        with open(path, "wb", buffering=0) as pipe:
            for start in range(0, len(data), 3):
                pipe.write(data[start : start + 3])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        return use(str(path))
    finally:
        writer.join()


@given(TEXTS, st.integers(1, 9), st.sampled_from([0.0, 0.3]))
@settings(max_examples=400, deadline=None)
def test_counts_equal_a_dictionarys_whatever_the_block_size(
    text: str, block_size: int, share: float
) -> None:
    words = words_in(text)
    corpus = Corpus.from_bytes(text.encode())
    if not words:
        with pytest.raises(CorpusError, match="no word"):
            in_blocks(block_size, count_bigrams, corpus, share)
        return
    counts = in_blocks(block_size, count_bigrams, corpus, share)
    check_against_dictionaries(counts, words, share)


@given(TEXTS, st.integers(1, 9), st.integers(2, 5))
@settings(max_examples=200, deadline=None)
def test_min_count_drops_the_words_that_hold_a_rare_character(
    text: str, block_size: int, min_count: int
) -> None:
    words = words_in(text)
    frequency = Counter("".join(words))
    kept = [word for word in words if all(frequency[c] >= min_count for c in word)]
    corpus = Corpus.from_bytes(text.encode())
    if not kept:
        with pytest.raises(CorpusError, match="no word"):
            in_blocks(block_size, count_bigrams, corpus, 0, min_count)
        return
    counts = in_blocks(block_size, count_bigrams, corpus, 0, min_count)
    check_against_dictionaries(counts, kept, 0)
    assert counts.survey.facts.dropped_lines == len(words) - len(kept)


@given(TEXTS, st.integers(1, 9), st.sampled_from([0.0, 0.3]))
@settings(max_examples=200, deadline=None)
def test_id_blocks_are_the_words_in_order_divided_by_hash(
    text: str, block_size: int, share: float
) -> None:
    words = words_in(text)
    if not words:
        return
    vocabulary = Vocabulary("".join(words))
    corpus, split = Corpus.from_bytes(text.encode()), Split((share,))
    blocks = in_blocks(
        block_size, lambda: list(id_blocks(corpus.read().blocks(), vocabulary, split))
    )
    assert all(rows.validation.ids.tolist() == [0] for rows in blocks)
    for part, wanted in ((0, False), (1, True)):
        expected = vocabulary.encode_words([w for w in words if is_held_out(w, share) == wanted])
        rows = [block[part].ids for block in blocks]
        assert all(row[0] == 0 for row in rows)
        joined = np.concatenate([np.zeros(1, np.int64), *(row[1:] for row in rows)])
        np.testing.assert_array_equal(joined, expected)


def test_id_blocks_leave_out_words_with_unknown_characters() -> None:
    blocks = [Lines("ab\naxb\nba\n")]
    ids = [rows.training.ids for rows in id_blocks(blocks, Vocabulary("ab"), Split((0.0,)))]
    np.testing.assert_array_equal(np.concatenate(ids), [0, 1, 2, 0, 2, 1, 0])


TEXT = (  # a byte order mark, every line end, characters of one to four bytes
    "\ufeffЮля\r\nemma\rava\n\nemma\r\n\r\nюля\nzoë\n中文\nno end"
)


@pytest.mark.parametrize("block_size", range(1, 40))
@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_file_and_archive_give_the_counts_of_memory(
    tmp_path: Path, block_size: int, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "corpus"
    path.write_bytes(pack(TEXT.encode()))
    expected = count_bigrams(Corpus.from_bytes(TEXT.encode()), 0.3)
    check_against_dictionaries(expected, words_in(TEXT.removeprefix("\ufeff")), 0.3)
    assert same(in_blocks(block_size, count_bigrams, Corpus.from_paths(path), 0.3), expected)


@pytest.mark.parametrize("min_count", [1, 2])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_a_pipe_gives_the_counts_of_memory(
    tmp_path: Path, min_count: int, pack: Callable[[bytes], bytes]
) -> None:
    expected = count_bigrams(Corpus.from_bytes(TEXT.encode()), 0.3, min_count)
    counts = through_a_pipe(
        pack(TEXT.encode()),
        lambda path: in_blocks(5, count_bigrams, Corpus.from_paths(path), 0.3, min_count),
        tmp_path,
    )
    assert same(counts, expected)


def test_rare_characters_that_mean_something_in_a_pattern_are_dropped_too() -> None:
    counts = count_bigrams(Corpus.from_words([*"]^-\\[&~|", "a-b", "ab", "ab"]), 0, min_count=3)
    assert counts.survey.vocabulary.characters == "ab"
    assert (counts.survey.facts.lines, counts.survey.facts.dropped_lines) == (2, 9)


def test_what_came_through_a_pipe_has_no_path_to_be_read_again(tmp_path: Path) -> None:
    def use(path: str) -> BigramCounts:
        with Corpus.from_paths(path).rereadable() as corpus:
            return count_bigrams(corpus, 0)

    facts = through_a_pipe(b"emma\nava\n", use, tmp_path).survey.facts
    assert (facts.name, facts.path) == ("pipe", "")


def test_several_sources_add_up_and_no_line_reaches_across() -> None:
    one, two = (Corpus.from_bytes(data) for data in (b"emma\nav", b"a\nzoe"))
    counts = count_bigrams(Corpus(one.sources + two.sources), 0)
    check_against_dictionaries(counts, ["emma", "av", "a", "zoe"], 0)


def test_alphabet_over_the_limit_names_limit_and_option() -> None:
    words = [chr(0x4E00 + i) for i in range(MAX_VOCABULARY)]
    with pytest.raises(VocabularyError, match=r"8,192 .* limit is 8,191: .* --min-count"):
        count_bigrams(Corpus.from_words(words))
    assert len(count_bigrams(Corpus.from_words(words[1:]), 0).survey.vocabulary) == MAX_VOCABULARY


def test_alphabet_over_the_limit_can_be_cut_by_min_count() -> None:
    words = [chr(0x4E00 + i) for i in range(MAX_VOCABULARY)]
    counts = count_bigrams(Corpus.from_words([*words, "ab", "ab"]), 0, min_count=2)
    assert counts.survey.vocabulary.characters == "ab"
    assert counts.survey.facts.dropped_lines == MAX_VOCABULARY


@pytest.mark.parametrize("data", [b"", b"\n", b"\r\n\r\n\n", b"\xef\xbb\xbf"])
def test_a_corpus_without_words_is_refused(data: bytes) -> None:
    with pytest.raises(CorpusError, match="holds no word: expected"):
        count_bigrams(Corpus.from_bytes(data))


def test_a_corpus_that_is_all_held_out_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holdout, "MAX_EXACT_TEXT", 1)
    word = next(word for word in map(str, range(1000)) if is_held_out(word, 0.1))
    with pytest.raises(CorpusError, match="--holdout 0"):
        count_bigrams(Corpus.from_words([word, word]))


def test_a_line_of_50_million_characters_is_counted() -> None:
    counts = count_bigrams(Corpus.from_bytes(b"ab" * 25_000_000), 0)
    assert counts.training.tolist() == [[0, 1, 0], [0, 0, 25_000_000], [1, 24_999_999, 0]]
    with pytest.raises(CorpusError, match=r"every word of .* is held out"):
        count_bigrams(Corpus.from_bytes(b"ab" * 25_000_000), 1 - 1e-9)


def test_pairs_and_counts_agree() -> None:
    words = ["ella", "al", "e"]
    vocabulary = Vocabulary("ael")
    N = count_pairs(*bigram_pairs(words, vocabulary), len(vocabulary))
    assert as_pairs(vocabulary, N) == pair_counts(words)


def test_names_txt_has_the_published_counts() -> None:
    path = os.environ.get("MAKEMORE_NAMES")
    if not path:
        pytest.skip("MAKEMORE_NAMES does not name the list")
    facts = count_bigrams(Corpus.from_paths(path), 0).survey.facts
    assert facts.sha256 == "0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d"
    assert (facts.lines, facts.symbols) == (32_033, 228_146)


PEAK = """
import resource, sys
from makemore.counting.passes import count_bigrams
from makemore.data.corpus import Corpus
count_bigrams(Corpus.from_paths(sys.argv[1]), 0.1, jobs=1)
try:  # ru_maxrss begins with the memory of the process that started this one, where VmHWM does not
    with open("/proc/self/status") as status:
        print(next(line.split()[1] for line in status if line.startswith("VmHWM")))
except OSError:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_corpus(tmp_path: Path) -> None:
    lines = "".join(f"{i:x}é\n" for i in range(500_000)).encode()
    peaks = []
    for times in (1, 8):
        path = tmp_path / f"{times}"
        path.write_bytes(lines * times)
        done = subprocess.run([sys.executable, "-c", PEAK, str(path)], capture_output=True)
        peaks.append(int(done.stdout))  # KiB on Linux, bytes on macOS
    assert peaks[1] < 1.2 * peaks[0]


def test_the_locale_does_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "names"
    path.write_bytes(TEXT.encode())
    program = (
        "import sys; from makemore.counting.passes import count_bigrams;"
        "from makemore.data.corpus import Corpus;"
        "counts = count_bigrams(Corpus.from_paths(sys.argv[1]), 0);"
        "print(ascii(counts.survey.vocabulary.characters))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        check=True,
    )
    words = words_in(TEXT.removeprefix("\ufeff"))
    assert done.stdout.decode().strip() == ascii("".join(sorted(set("".join(words)))))


def test_a_corpus_of_rare_characters_alone_is_told_from_an_empty_one() -> None:
    with pytest.raises(CorpusError, match="occur 3 times: choose a smaller --min-count"):
        count_bigrams(Corpus.from_words(["ab", "ba"]), min_count=3)


def test_latin_1_is_changed_before_it_is_counted() -> None:
    sources = Corpus.from_bytes("Emma\nZOË\n".encode("latin-1")).sources
    counts = count_bigrams(Corpus(sources, encoding="latin-1", lowercase=True), 0.0)
    assert "".join(counts.survey.vocabulary.itos) == "aemozë"


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
        lambda path: os.replace(path.with_name("other"), path),
        lambda path: path.write_bytes(path.read_bytes() + b"emma\n"),
    ],
    ids=["cut", "removed", "replaced", "longer"],
)
@pytest.mark.parametrize("min_count", [1, 2])
def test_a_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, min_count: int, change: Callable[[Path], object]
) -> None:
    path = tmp_path / "names"
    for each in (path, tmp_path / "other"):
        each.write_bytes(b"ava\n" * 1000)
    changes = iter([change])

    def progress(done: int, total: int | None) -> None:
        for change_now in changes:
            change_now(path)

    with pytest.raises(CorpusError, match="names changed while it was read: try again"):
        in_blocks(100, count_bigrams, Corpus.from_paths(path), 0, min_count, progress=progress)
