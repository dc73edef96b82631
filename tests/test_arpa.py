"""ARPA files against a scorer of dictionaries, against KenLM, and against files of other tools."""

import gzip
import io
import math
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import make_bigram
from hypothesis import given, settings
from hypothesis import strategies as st

import makemore
from makemore.arpa import arpa_text, own_loss, read_arpa, token_of, write_arpa
from makemore.arrays import Floats, Ids
from makemore.checkpoint import load, save
from makemore.cli import main
from makemore.counting.ngrams import NgramCounter
from makemore.data.vocabulary import MAX_VOCABULARY, Vocabulary
from makemore.errors import ArpaError, CheckpointError
from makemore.evaluation.losses import score_words
from makemore.kinds import SMOOTHING_METHODS
from makemore.models.backoff import Backoff, NgramTree
from makemore.models.base import Model
from makemore.models.ngram import Ngram, train_ngram
from makemore.page.webpage import page_data

# "d" is in the vocabulary and in no training word
ABCD = Vocabulary("abcd")
words_of_abc = st.lists(st.text("abc", min_size=1, max_size=6), min_size=1, max_size=12)
methods = st.sampled_from(SMOOTHING_METHODS)
QUERIES = ["a", "b", "d", "ab", "cab", "ddd", "abcabca", "aaaaaaaa", "cbacbd"]
NAMES = ["emma", "ava", "anna", "ann", "hannah", "mia", "emily", "amelia"] * 2


def ngram(
    words: list[str],
    order: int,
    method: str = "kneser-ney",
    smoothing: float = 1.0,
    vocabulary: Vocabulary = ABCD,
) -> Ngram:
    counter = NgramCounter(len(vocabulary), order)
    counter.add(vocabulary.encode_words(words))
    return train_ngram(counter.counts(), vocabulary, method, smoothing)


def text_of(model: Model) -> str:
    return "".join(arpa_text(model))


def read_text(text: str, folder: Path) -> Model:
    path = folder / "model.arpa"
    path.write_text(text, "utf-8")
    return read_arpa(path).model


class Scorer:
    """The textbook: n-grams of strings in dictionaries, read by splitting lines."""

    def __init__(self, text: str) -> None:
        self.P: dict[tuple[str, ...], float] = {}
        self.backoff: dict[tuple[str, ...], float] = {}
        n = 0
        for line in text.split("\n"):
            if line.endswith("-grams:"):
                n = int(line.strip("\\-grams:"))
            elif n and line and not line.startswith("\\"):
                log, *rest = line.split()
                gram = tuple(rest[:n])
                self.P[gram] = float(log)
                self.backoff[gram] = float(rest[n]) if rest[n:] else 0.0

    def log10(self, w: str, h: tuple[str, ...]) -> float:
        if (*h, w) in self.P:
            return self.P[(*h, w)]
        return self.backoff.get(h, 0.0) + self.log10(w, h[1:])

    def word(self, word: str) -> float:
        tokens = ["<s>", *map(token_of, word), "</s>"]
        return sum(self.log10(w, tuple(tokens[:i])) for i, w in enumerate(tokens) if i)

    def contexts(self) -> list[tuple[str, ...]]:
        return [(), *(gram for gram in self.P if gram[-1] != "</s>")]


def log10_of(model: Model, words: list[str]) -> list[float]:
    return [-total / math.log(10) for total in score_words(model, words).total.tolist()]


@given(words=words_of_abc, order=st.integers(2, 5), method=methods)
@settings(max_examples=60)
def test_a_scorer_of_dictionaries_gives_each_word_the_same_probability(
    words: list[str], order: int, method: str
) -> None:
    model = ngram(words, order, method)
    scorer = Scorer(text_of(model))
    assert log10_of(model, QUERIES) == pytest.approx([scorer.word(word) for word in QUERIES])


def test_a_probability_of_zero_is_written_as_minus_99(tmp_path: Path) -> None:
    model = ngram(["ab", "b"], 3, "additive", smoothing=0.0)
    text = text_of(model)
    assert Scorer(text).backoff[("a", "b")] == -99
    again = read_text(text, tmp_path)
    log_P = again.log_probabilities(np.array([[1, 2]]))
    assert np.exp(log_P[0]).tolist() == pytest.approx([1, 0, 0, 0, 0])


def test_the_file_by_hand() -> None:
    """Of order 2 with additive smoothing 1: P(w | h) = (c(hw) + 1) / (c(h) + 5).

    The words a and ab give the pairs <a, a>, <a, ab, b>: c(<) = 2, c(a) = 2, c(b) = 1. A context
    leaves its symbols 1 / (c(h) + 5) each, so its weight is 5 / (c(h) + 5) times 1 / 5.
    """
    text = text_of(ngram(["a", "ab"], 2, "additive"))
    log = math.log10
    lines = text.split("\n")
    assert lines[:3] == ["\\data\\", "ngram 1=7", "ngram 2=4"]
    grams = {
        gram: tuple(float(field) for field in (probability, *weight))
        for probability, gram, *weight in (line.split("\t") for line in lines if "\t" in line)
    }
    fifth, half = log(1 / 5), log(5 / 7)
    assert grams == {
        "<unk>": (-99,),
        "<s>": (-99, pytest.approx(half)),
        "</s>": (pytest.approx(fifth),),
        "a": (pytest.approx(fifth), pytest.approx(half)),
        "b": (pytest.approx(fifth), pytest.approx(log(5 / 6))),
        "c": (pytest.approx(fifth), 0),
        "d": (pytest.approx(fifth), 0),
        "<s> a": (pytest.approx(log(3 / 7)),),
        "a </s>": (pytest.approx(log(2 / 7)),),
        "a b": (pytest.approx(log(2 / 7)),),
        "b </s>": (pytest.approx(log(2 / 6)),),
    }
    assert lines[-2:] == ["\\end\\", ""]


@given(words=words_of_abc, order=st.integers(2, 5), method=methods)
@settings(max_examples=40)
def test_write_read_write_gives_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, words: list[str], order: int, method: str
) -> None:
    model = ngram(words, order, method)
    text = text_of(model)
    again = read_text(text, tmp_path_factory.mktemp("arpa"))
    assert text_of(again) == text
    assert again.context_length == order - 1
    assert score_words(again, QUERIES).total == pytest.approx(score_words(model, QUERIES).total)


@pytest.mark.parametrize("method", SMOOTHING_METHODS)
def test_an_imported_model_answers_as_the_exported_one(tmp_path: Path, method: str) -> None:
    model = ngram(["abcab", "ba", "cab", "aab", "d"], 4, method)
    again = read_text(text_of(model), tmp_path)
    contexts = np.array([[0, 0, 0], [0, 0, 1], [1, 2, 3], [3, 1, 2], [4, 4, 4], [0, 2, 4]])
    expected = model.log_probabilities(contexts)
    np.testing.assert_allclose(again.log_probabilities(contexts), expected, rtol=1e-12)
    np.testing.assert_allclose(np.exp(expected).sum(axis=1), 1)
    assert makemore.sample(again, 20, seed=3) == makemore.sample(model, 20, seed=3)
    assert again.bigram_counts() is None


def test_the_table_of_pairs_is_that_of_the_first_two_orders(tmp_path: Path) -> None:
    text = text_of(ngram(["abcab", "ba", "cab", "aab"], 4))
    table, scorer = read_text(text, tmp_path).bigram_table(), Scorer(text)
    tokens = ["</s>", *"abcd"]
    for row, first in zip(table, ["<s>", *"abcd"], strict=True):
        assert row == pytest.approx([10 ** scorer.log10(w, (first,)) for w in tokens])


@pytest.mark.parametrize("word", ["a b", "a\tb", "▁a", "a\xa0b", "\x01\x7f", "\u3000", "é<s>"])
def test_characters_that_would_be_lost_are_spelled(tmp_path: Path, word: str) -> None:
    vocabulary = Vocabulary("ab" + word)
    model = ngram([word, "ab"], 3, vocabulary=vocabulary)
    text = text_of(model)
    for line in text.split("\n"):
        assert line.isprintable() or line.split("\t", 1)[1].replace("\t", "").isprintable()
    again = read_text(text, tmp_path)
    assert again.vocabulary == vocabulary
    assert log10_of(model, [word]) == pytest.approx([Scorer(text).word(word)])
    assert score_words(again, [word]).total == pytest.approx(score_words(model, [word]).total)


def test_a_bigram_is_exported_with_all_its_pairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_bigram(["abc", "ab", "b", "ca", "cab"], smoothing=0.0)
    text = text_of(model)
    scorer, again = Scorer(text), read_text(text, tmp_path)
    table = model.bigram_table()
    tokens = ["</s>", *"abc"]
    for row, first in zip(table, ["<s>", *"abc"], strict=True):
        found = [scorer.P[(first, w)] for w in tokens]
        assert [10**p for p in found] == pytest.approx(row.tolist(), abs=1e-30)
    np.testing.assert_allclose(again.bigram_table(), table, atol=1e-12)
    assert makemore.sample(again, 20, seed=1) == makemore.sample(model, 20, seed=1)
    assert text_of(again) == text
    monkeypatch.setattr("makemore.arpa.MAX_PAIRS", 15)
    with pytest.raises(ArpaError, match="the bigram has 16 pairs and the limit is 15"):
        text_of(model)


# Other tools

KENLM = """\\data\\
ngram 1=5
ngram 2=4

\\1-grams:
-0.69897\t<unk>\t0
0\t<s>\t-0.60206
-0.60206\t</s>\t0
-0.39794\ta\t-0.30103
-0.82391\tb\t-0.17609125

\\2-grams:
-0.26760624\t<s> a\t
-0.52287877\ta </s>
-0.39794\ta b
-0.33724217\tb </s>

\\end\\
"""
"""A file as KenLM writes it, with <unk> at 0.2; 0.25, 0.4 and 0.15 are left to </s>, a and b."""

SRILM = """
Some text that nobody reads.

\\data\\
ngram 1=4
ngram  2 = 3

\\1-grams:
-0.30103 </s>
-99 <s> -0.30103
-0.60206 a 0.17609125
-0.60206 b

\\2-grams:
-0.1249387 <s> a
-0.4259687 a b
-0.60206 a </s>

\\end\\
Text behind the end.
"""
"""As SRILM may write it: spaces, no <unk>, no weight where there is nothing to weigh.

P(</s>) = 1/2, P(a) = P(b) = 1/4. After <s> it is 3/4 for a and backoff 1/2 times 3/4 leaves 3/8:
their sum is 9/8, so this file is wrong there; see the test.
"""


def conditional(scorer: Scorer, w: str, h: tuple[str, ...]) -> float:
    """Return P(w | h) given that the symbol is not <unk>, of a scorer of such a file."""
    return 10 ** scorer.log10(w, h) / (1 - 10 ** scorer.log10("<unk>", h))


def proper_kenlm() -> str:
    """Return ``KENLM`` with weights that make each context sum to 1."""
    scorer, text = Scorer(KENLM.replace("a\t\n", "a\n")), KENLM
    for h, old in ((("<s>",), "-0.60206"), (("a",), "-0.30103"), (("b",), "-0.17609125")):
        listed = [gram[1] for gram in scorer.P if len(gram) == 2 and gram[:1] == h]
        left = 1 - sum(10 ** scorer.P[(*h, w)] for w in listed)
        lower = 1 - sum(10 ** scorer.P[(w,)] for w in listed)
        text = text.replace(f"{h[0]}\t{old}", f"{h[0]}\t{math.log10(left / lower):.7f}")
    return text.replace("<s> a\t\n", "<s> a\n")


def test_what_kenlm_keeps_for_unknown_symbols_is_shared_by_the_others(tmp_path: Path) -> None:
    text = proper_kenlm()
    path = tmp_path / "k.arpa"
    path.write_text(text)
    checkpoint = read_arpa(path)
    assert checkpoint.training.options["unknown"] == pytest.approx(0.2, abs=1e-5)
    scorer, tokens = Scorer(text), ["</s>", "a", "b"]
    P = np.exp(checkpoint.model.log_probabilities(np.array([[0], [1], [2]])))
    for row, first in zip(P, ["<s>", "a", "b"], strict=True):
        assert row == pytest.approx([conditional(scorer, w, (first,)) for w in tokens], abs=1e-6)
    np.testing.assert_allclose(P.sum(axis=1), 1, rtol=1e-12)
    once = text_of(checkpoint.model)
    assert text_of(read_text(once, tmp_path)) == once


def test_a_weight_behind_the_end_of_a_word_means_nothing(tmp_path: Path) -> None:
    text = text_of(ngram(["ab", "aba", "ba"], order=3))
    weighted = re.sub(r"(?m)^(\S+\t[ab] </s>)$", r"\1\t-0.30103", text)
    assert weighted.count("-0.30103") == text.count("-0.30103") + 2
    plain, other = (read_text(each, tmp_path).arrays() for each in (text, weighted))
    assert plain.keys() == other.keys()
    for name, array in plain.items():
        np.testing.assert_array_equal(other[name], array)


def test_n_grams_with_an_unknown_symbol_are_left_out(tmp_path: Path) -> None:
    text = proper_kenlm().replace("ngram 2=4", "ngram 2=6")
    weight = Scorer(text).backoff[("b",)]
    text = text.replace("\n\n\\end", "\n-9\t<unk> a\n-2\tb <unk>\n\n\\end")
    scorer = Scorer(text)
    b_unknown, b_end = 10 ** scorer.P["b", "<unk>"], 10 ** scorer.P["b", "</s>"]
    new = math.log10((1 - b_unknown - b_end) / (1 - 0.2 - 10 ** scorer.P[("</s>",)]))
    text = text.replace(f"b\t{weight:.7f}", f"b\t{new:.7f}")
    unknown_weight = math.log10((1 - 1e-9) / (1 - 10 ** scorer.P[("a",)]))
    text = text.replace("<unk>\t0", f"<unk>\t{unknown_weight:.7f}")
    model = read_text(text, tmp_path)
    P = np.exp(model.log_probabilities(np.array([[2]])))[0]
    assert P[0] == pytest.approx(b_end / (1 - b_unknown), abs=1e-6)
    assert "ngram 2=4" in text_of(model)


def test_a_file_of_srilm_is_read(tmp_path: Path) -> None:
    text = SRILM.replace("-99 <s> -0.30103", "-99 <s> -0.4771213")  # 1/3 of 3/4 is 1/4
    marked = "\ufeff" + text[text.index("\\data\\") :]  # as some editors save it
    for form in (text, text.replace("\n", "\r\n"), marked):
        model = read_text(form, tmp_path)
        P = np.exp(model.log_probabilities(np.array([[0], [1], [2]])))
        # a: 0.375 for b and 0.25 for the end leave 0.375 = 1.5 * 0.25
        expected = [[1 / 6, 3 / 4, 1 / 12], [0.25, 0.375, 0.375], [0.5, 0.25, 0.25]]
        np.testing.assert_allclose(P, expected, atol=1e-6)
        np.testing.assert_allclose(P.sum(axis=1), 1, rtol=1e-12)


def test_sums_that_are_wrong_are_refused_with_the_line_of_the_context(tmp_path: Path) -> None:
    with pytest.raises(
        ArpaError, match=r"line 10: the probabilities after this n-gram sum to 1\.125:"
    ):
        read_text(SRILM, tmp_path)
    with pytest.raises(ArpaError, match=r"line 10: the probabilities of the 1-grams sum to 1\.1"):
        read_text(SRILM.replace("-0.30103 </s>", "-0.221848750 </s>"), tmp_path)


def test_the_largest_alphabet_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = text_of(ngram(NAMES, 3, vocabulary=Vocabulary("".join(NAMES))))
    V = len(read_text(text, tmp_path).vocabulary)
    monkeypatch.setattr("makemore.arpa.MAX_VOCABULARY", V)
    assert len(read_text(text, tmp_path).vocabulary) == V
    monkeypatch.setattr("makemore.arpa.MAX_VOCABULARY", V - 1)
    with pytest.raises(ArpaError, match=f"more than {V - 2} characters"):
        read_text(text, tmp_path)


@pytest.mark.parametrize("method", SMOOTHING_METHODS)
@pytest.mark.parametrize("order", [2, 3, 5])
def test_kenlm_gives_each_word_the_same_probability(
    tmp_path: Path, method: str, order: int
) -> None:
    kenlm = pytest.importorskip("kenlm")
    words = [*NAMES, "ein wort", "▁x", "a\tb", "zoë"]
    vocabulary = Vocabulary("".join(words) + "q")
    model = ngram(words, order, method, vocabulary=vocabulary)
    write_arpa(tmp_path / "n.arpa", model)
    reference = kenlm.Model(str(tmp_path / "n.arpa"))
    queries = [*words, "q", "annq", "ae", "emmaemma"]
    found = [reference.score(" ".join(map(token_of, word))) for word in queries]
    assert log10_of(model, queries) == pytest.approx(found, abs=1e-4)
    oov = [token for token, _, is_oov in scored(reference, queries) if is_oov]
    assert not oov


def scored(reference: object, words: list[str]) -> list[tuple[float, int, bool]]:
    return [
        part
        for word in words
        for part in reference.full_scores(" ".join(map(token_of, word)))  # type: ignore[attr-defined]
    ]


# Malformed files

GOOD = text_of(ngram(["ab", "b", "ba"], 3))
LINES = GOOD.split("\n")


ONLY_UNKNOWN = r"""\data\
ngram 1=4
ngram 2=2

\1-grams:
-99 <s> -99
-0.5 </s>
-0.5 a -99
-0.43469 <unk>

\2-grams:
0 <s> a
0 a <unk>

\end\
"""


def line_of(text: str) -> int:
    return LINES.index(next(line for line in LINES if text in line)) + 1


MALFORMED: Mapping[str, tuple[str, str]] = {
    "empty": ("", "the line \\data\\ is missing"),
    "no-data": (GOOD.replace("\\data\\", "\\dat\\"), "the line \\data\\ is missing"),
    "cut": (GOOD[: GOOD.index("\\end\\")], "\\end\\ is missing"),
    "cut-in-a-part": (GOOD[: GOOD.index("\\3-grams")] + "\\3-grams:\n", "the rest of the"),
    "more-in-the-header": (GOOD.replace("ngram 1=7", "ngram 1=8"), "stands after 7 1-grams and"),
    "fewer-in-the-header": (GOOD.replace("ngram 1=7", "ngram 1=6"), "expected \\2-grams: after"),
    "huge-in-the-header": (GOOD.replace("ngram 1=7", f"ngram 1={10**15}"), "and the limit is"),
    "an-order-missing": (GOOD.replace("ngram 2=", "ngram 5="), "the number of 2-grams"),
    "header-damaged": (GOOD.replace("ngram 2=", "ngrams 2="), "expected 'ngram N=COUNT'"),
    "order-1": ("\\data\\\nngram 1=2\n\\1-grams:\n", "the order of the model is 1"),
    "order-11": (
        "\\data\\\n" + "".join(f"ngram {n}=0\n" for n in range(1, 12)) + "\\1-grams:\n",
        "the order of the model is 11",
    ),
    "no-end-token": (GOOD.replace("</s>", "e"), "the 1-grams have no </s>"),
    "words": (GOOD.replace("\ta", "\tthe"), "the token 'the' has 3 characters"),
    "escape-of-nothing": (GOOD.replace("\ta", "\t<U+110000>"), "escapes no character of Unicode"),
    "line-feed": (GOOD.replace("\ta", "\t<U+000A>"), "cannot stand in a word"),
    "surrogate": (GOOD.replace("\ta", "\t<U+D800>"), "cannot stand in a word"),
    "no-character": (
        "\\data\\\nngram 1=2\nngram 2=0\n\\1-grams:\n-1 <s> 0\n0 </s>\n",
        "the vocabulary is empty",
    ),
    "too-many-characters": (
        f"\\data\\\nngram 1={MAX_VOCABULARY}\nngram 2=0\n\\1-grams:\n"
        + "".join(f"-1 {chr(0x4E00 + i)} 0\n" for i in range(MAX_VOCABULARY)),
        "there are more than 8,191 characters",
    ),
    "above-1": (GOOD.replace("-99\t<unk>", "0.3\t<unk>"), "is 0.3, above 0"),
    "no-number": (GOOD.replace("-99\t<unk>", "x\t<unk>"), "expected a logarithm and found 'x'"),
    "nan": (GOOD.replace("-99\t<unk>", "nan\t<unk>"), "expected a logarithm and found 'nan'"),
    "too-many-tokens": (GOOD.replace("a </s>", "a a a </s>", 1), "2 tokens, and a weight or none"),
    "unknown-token": (GOOD.replace("<s> a", "<s> x"), "the token 'x' is not a 1-gram"),
    "weight-at-the-end": (
        GOOD.replace("\n\n\\end", "\t-1\n\n\\end"),
        "expected a logarithm, 3 tokens and no weight",
    ),
    "start-inside": (GOOD.replace("\ta b", "\ta <s>"), "<s> can only begin an n-gram"),
    "end-inside": (GOOD.replace("\ta b", "\t</s> b"), "<s> can only begin an n-gram"),
    "twice": (GOOD.replace("\ta </s>", "\ta b"), "the n-gram is already in line"),
    "unigram-twice": (GOOD.replace("\tb\t", "\ta\t"), "the n-gram is already in line"),
    "no-context": (GOOD.replace("\t<s> b </s>", "\ta b b"), "without its"),
    "long-line": (GOOD.replace("-99\t<unk>", "x" * 70_000), "found a line over 65,536 bytes"),
    "endless-line": ("\\data\\\n" + "x" * 200_000, "found a line over 65,536 bytes"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_is_answered_in_one_line_with_its_number(
    tmp_path: Path, name: str
) -> None:
    text, expected = MALFORMED[name]
    path = tmp_path / "bad.arpa"
    path.write_text(text)
    result = run("import", path, "-c", tmp_path / "m.npz")
    assert result.exit_code == 1
    assert not (tmp_path / "m.npz").exists()
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"makemore: {path}, line ")
    assert expected in line


def test_the_line_that_is_named_is_the_one() -> None:
    number = line_of("\ta b")
    text = GOOD.replace("\ta b", "\ta <s>")
    with pytest.raises(ArpaError, match=f"line {number}: <s> can only begin"):
        read_arpa_text(text)


def test_a_symbol_that_no_vocabulary_takes_is_named_by_its_line(tmp_path: Path) -> None:
    number = line_of("\ta")
    path = tmp_path / "bad.arpa"
    path.write_text(GOOD.replace("\ta", f"\t{'a' * 65}"))
    with pytest.raises(
        ArpaError, match=rf"arpa, line {number}: the symbol 'aa.* has 65 characters"
    ):
        read_arpa(path, symbols=True)


def test_a_context_before_nothing_but_unknown_symbols_is_named_by_its_line() -> None:
    with pytest.raises(ArpaError, match=r"line 8: nothing but <unk> is probable after this n-gram"):
        read_arpa_text(ONLY_UNKNOWN)


def read_arpa_text(text: str) -> Model:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return read_text(text, Path(folder))


def test_two_spellings_of_one_character_clash() -> None:
    text = text_of(ngram(["ab", "b"], 2, vocabulary=Vocabulary("ab ")))
    text = text.replace("ngram 1=6", "ngram 1=7").replace("\n\n\\2", "\n-9\t<U+0020>\n\n\\2")
    with pytest.raises(ArpaError, match="'<U\\+0020>' and '▁' stand for the same symbol"):
        read_arpa_text(text)


def test_no_suffix_is_an_error() -> None:
    number = line_of("\t<s> b </s>")
    text = GOOD.replace("\tb </s>", "\tb b")
    with pytest.raises(ArpaError, match=f"line {number}: the n-gram without its first token"):
        read_arpa_text(text)


def test_bytes_that_are_no_utf_8_are_named(tmp_path: Path) -> None:
    (tmp_path / "bad.arpa").write_bytes(GOOD.encode().replace(b"\ta", b"\t\xff"))
    with pytest.raises(ArpaError, match=r"line \d+: the token '\\xff' is not UTF-8"):
        read_arpa(tmp_path / "bad.arpa")


@given(data=st.data())
@settings(max_examples=150)
def test_a_damaged_file_gives_a_model_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    text = bytearray(GOOD.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at] = data.draw(st.sampled_from(list(b"0123456789-.\t\n \\ab<>/s\xff")))
    path = tmp_path_factory.mktemp("damaged") / "bad.arpa"
    path.write_bytes(bytes(text))
    try:
        model = read_arpa(path).model
    except ArpaError:
        return
    P = np.exp(model.log_probabilities(np.array([[0, 0], [0, 1], [1, 2], [2, 1]])))
    np.testing.assert_allclose(P.sum(axis=1), 1)


# Checkpoints


def test_an_imported_model_survives_its_checkpoint(tmp_path: Path) -> None:
    write_arpa(tmp_path / "n.arpa", ngram(NAMES, 4, vocabulary=Vocabulary("".join(NAMES))))
    imported = read_arpa(tmp_path / "n.arpa", lowercase=True)
    save(tmp_path / "n.npz", imported)
    again = load(tmp_path / "n.npz")
    assert text_of(again.model) == (tmp_path / "n.arpa").read_text()
    assert again.model.parameter_count == imported.model.parameter_count
    assert again.corpus.lowercase
    assert again.training.is_import
    assert page_data(again)["losses"]["words"] == "own words"  # nobody knows what it was trained on
    write_arpa(tmp_path / "again.arpa", again)
    assert (tmp_path / "again.arpa").read_bytes() == (tmp_path / "n.arpa").read_bytes()


def damaged(**changes: object) -> Backoff:
    model = ngram(["ab", "b", "ba"], 3).as_backoff()
    arrays = {name: array.copy() for name, array in model.arrays().items()} | changes
    return Backoff.from_arrays(ABCD, model.options(), arrays)  # type: ignore[arg-type]


@pytest.mark.parametrize(("ending", "ends"), [("the ", True), ("the end", False)])
def test_an_imported_model_ends_words_in_a_space_only_where_an_n_gram_does(
    tmp_path: Path, ending: str, ends: bool
) -> None:
    words = ["the old man", "the end", "an end", ending]
    write_arpa(tmp_path / "m.arpa", ngram(words, 4, vocabulary=Vocabulary("".join(words))))
    imported = read_arpa(tmp_path / "m.arpa")
    assert imported.corpus.ends_in_space is ends
    drawn = makemore.sample(imported, 3000, seed=1, temperature=2.0)
    assert any(word.endswith(" ") for word in drawn) is ends


def test_arrays_that_make_no_model_are_refused() -> None:
    good = damaged()
    P, weights, keys = good.log10_probabilities, good.log10_backoffs, good.tree.keys
    faults = {
        "from -99 to 0": {"log10_probabilities": np.where(P == P[1], 0.1, P)},
        "from -99 to 99": {"log10_backoffs": np.where(weights < 0, -120.0, weights)},
        "sum to 1": {"log10_probabilities": P - 0.01},
        "ascend from 0": {"keys": keys[::-1].copy()},
        "do not continue": {"keys": np.where(keys == keys[-1], 10**6, keys)},
        "all symbols": {"keys": np.where(keys == 4, 5, keys)},
    }
    for message, change in faults.items():
        with pytest.raises(CheckpointError, match=message):
            damaged(**change)
    for value in (math.nan, math.inf):
        with pytest.raises(CheckpointError):
            damaged(log10_probabilities=np.where(P == P[1], value, P))
        with pytest.raises(CheckpointError):
            damaged(log10_backoffs=np.where(weights < 0, value, weights))


def test_a_symbol_without_a_1_gram_is_refused() -> None:
    tree = NgramTree(3, (2, 1), np.array([0, 1, 4]))
    with pytest.raises(CheckpointError, match="not all symbols"):
        Backoff(Vocabulary("ab"), tree, np.zeros(3), np.zeros(2))


# The loss on own words


def test_the_loss_on_own_words_is_that_of_words_drawn() -> None:
    model = ngram(NAMES, 3, vocabulary=Vocabulary("".join(NAMES)))
    words = makemore.sample(model, 20_000, seed=1)
    assert own_loss(model) == pytest.approx(score_words(model, words).totals.loss, rel=0.02)


def test_the_loss_on_own_words_takes_some_of_them_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = ngram(NAMES, 3, vocabulary=Vocabulary("".join(NAMES)))
    loss, ask = own_loss(model), model.log_probabilities

    def asked(contexts: Ids) -> Floats:
        assert len(contexts) <= 300
        return ask(contexts)

    monkeypatch.setattr(model, "log_probabilities", asked)
    monkeypatch.setattr("makemore.arrays.CHUNK_CELLS", 300 * len(model.vocabulary))
    assert own_loss(model) == pytest.approx(loss)


# The commands


def run(*arguments: object, data: bytes | None = None) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)), input=data)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "names.txt").write_text("\n".join(NAMES))
    assert run("train", "names.txt", "--model", "ngram", "-c", "n.npz").exit_code == 0
    return tmp_path


def test_both_commands_take_plain_and_compressed_files_and_pipes(folder: Path) -> None:
    assert run("export", "-c", "n.npz", "-o", "n.arpa").stdout == "n.arpa\n"
    plain = (folder / "n.arpa").read_bytes()
    assert run("export", "-c", "n.npz", "-o", "-").stdout_bytes == plain
    assert run("export", "-c", "n.npz", "-o", "n.arpa.gz").exit_code == 0
    assert gzip.decompress((folder / "n.arpa.gz").read_bytes()) == plain
    compressed = (folder / "n.arpa.gz").read_bytes()
    assert compressed[4:8] == bytes(4)  # no time, so that equal models are equal bytes
    for arguments, data in (("n.arpa", None), ("n.arpa.gz", None), ("-", plain), ("-", compressed)):
        result = run("import", arguments, "-c", "again.npz", data=data)
        assert result.exit_code == 0, result.output
        assert not result.stderr
        assert run("export", "-c", "again.npz", "-o", "-").stdout_bytes == plain
    assert run("export", "-c", "again.npz", "-o", "again.arpa.gz").exit_code == 0
    assert (folder / "again.arpa.gz").read_bytes() == compressed


def test_import_says_what_it_has_read(folder: Path) -> None:
    run("export", "-c", "n.npz", "-o", "n.arpa")
    lines = run("import", "n.arpa", "-c", "again.npz", "--lowercase").stdout.splitlines()
    assert lines[0] == "from      n.arpa: 9 characters"
    assert lines[1] == "read      in lower case"
    assert lines[2].startswith("model     backoff, ")
    assert lines[3] == "method    import"
    assert lines[6].startswith("own words ")
    assert lines[8].startswith("saved again.npz in ")
    assert "(file)" in run("info", "-c", "again.npz").stdout
    assert run("sample", "-c", "again.npz", "-n", 1, "--prefix", "EM", "--seed", 1).exit_code == 0


def test_what_was_kept_for_unknown_symbols_is_reported(folder: Path) -> None:
    (folder / "k.arpa").write_text(proper_kenlm())
    result = run("import", "k.arpa", "-c", "k.npz")
    assert "gives <unk> 20.000% of the probability" in result.stderr


def test_an_imported_model_knows_no_training_words(folder: Path) -> None:
    run("export", "-c", "n.npz", "-o", "n.arpa")
    run("import", "n.arpa", "-c", "again.npz")
    result = run("sample", "-c", "again.npz", "--new", "--seed", 1)
    assert result.exit_code == 1
    assert "imported from n.arpa, so its training words are not known" in result.stderr
    assert run("sample", "-c", "again.npz", "--exclude", "names.txt", "--seed", 1).exit_code == 0
    result = run("compare", "n.npz", "again.npz")
    assert "again.npz was imported and has held out no words" in result.stderr
    table = run("compare", "n.npz", "again.npz", "--corpus", "names.txt").stdout.splitlines()
    assert table[1].split()[-3:] == table[2].split()[-3:]


def test_an_imported_model_has_nothing_to_judge_words_by_and_says_why(folder: Path) -> None:
    run("export", "-c", "n.npz", "-o", "n.arpa")
    run("import", "n.arpa", "-c", "i.npz")
    result = run("score", "-c", "i.npz", "--fpr", "1%", data=b"anna\n")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "the model was imported from a file that holds no words" in result.stderr
    assert "was trained without" not in result.stderr


def test_models_without_n_grams_are_not_exported(folder: Path) -> None:
    run("train", "names.txt", "--model", "bow", "--steps", "2", "-c", "bow.npz")
    result = run("export", "-c", "bow.npz", "-o", "b.arpa")
    assert result.exit_code == 1
    assert "the bow model has no n-grams to export" in result.stderr
    assert not (folder / "b.arpa").exists()


def test_neither_command_overwrites_what_it_reads(folder: Path) -> None:
    run("export", "-c", "n.npz", "-o", "n.arpa")
    assert run("import", "n.arpa", "-c", "n.arpa").exit_code == 2
    assert run("export", "-c", "n.npz", "-o", "n.npz").exit_code == 2
    result = run("import", "n.arpa", "-c", "names.txt")
    assert "is not a checkpoint and would be lost" in result.stderr


def test_a_file_that_cannot_be_written_is_named(folder: Path) -> None:
    result = run("export", "-c", "n.npz", "-o", "missing/n.arpa")
    assert result.exit_code == 1
    assert "missing/n.arpa cannot be written" in result.stderr


def test_pictures_and_the_page_take_an_imported_model(folder: Path) -> None:
    run("export", "-c", "n.npz", "-o", "n.arpa")
    run("import", "n.arpa", "-c", "again.npz")
    assert run("plot-heatmap", "-c", "again.npz", "--text").exit_code == 0
    assert run("page", "-c", "again.npz").exit_code == 0
    assert "there is no loss curve" in run("plot-loss", "-c", "again.npz").stderr
    assert io.StringIO(run("top", "-c", "again.npz", "-n", 3).stdout).readlines()[2:]
