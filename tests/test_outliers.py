"""What does not belong to a list: slips against all strings within one edit, and planted errors."""

import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from makemore.cli import main
from makemore.counting.ngrams import NgramCounter
from makemore.data.vocabulary import Vocabulary
from makemore.errors import CorpusError
from makemore.evaluation import outliers
from makemore.evaluation.losses import score_words
from makemore.evaluation.outliers import MAX_ORDER, MIN_WORDS, deal, find_outliers, fold_models
from makemore.evaluation.slips import SlipSearch, slip_between, slips
from makemore.models.ngram import Ngram, train_ngram

ALPHABET = "abc"
WORDS = ["abc", "ab", "b", "ca", "cab", "abcabc", "aab", "cc", "bca", "a"]


def trained(words: list[str], order: int) -> Ngram:
    vocabulary = Vocabulary("".join(words))
    counter = NgramCounter(len(vocabulary), order)
    counter.add(vocabulary.encode_words(words))
    return train_ngram(counter.counts(), vocabulary)


def slips_of(correct: str) -> dict[str, float]:
    """Return what one slip makes of a correct word, and the largest probability of each."""
    L, others = len(correct), len(ALPHABET)
    made: list[tuple[str, float]] = []
    for i in range(L):
        made.append((correct[:i] + correct[i + 1 :], 1 / L))
        made.append((correct[:i] + correct[i] + correct[i:], 1 / L))
        made += [(correct[:i] + c + correct[i + 1 :], 1 / L / others) for c in ALPHABET]
    for i in range(L + 1):
        made += [(correct[:i] + c + correct[i:], 1 / (L + 1) / others) for c in ALPHABET]
    for i in range(L - 1):
        swapped = correct[:i] + correct[i + 1] + correct[i] + correct[i + 2 :]
        made.append((swapped, 1 / (L - 1)))
    largest: dict[str, float] = {}
    for word, p in made:
        if word not in ("", correct):
            largest[word] = max(p, largest.get(word, 0.0))
    return largest


def strings_near(word: str) -> Iterator[str]:
    for i in range(len(word) + 1):
        for new in ("", *ALPHABET):
            for skipped in (0, 1):
                yield word[:i] + new + word[i + skipped :]
        yield word[:i] + word[i : i + 2][::-1] + word[i + 2 :]


def gains_by_brute_force(model: Ngram, word: str) -> dict[str, float]:
    """Return the gain of each correction, from the strings themselves."""
    own = float(score_words(model, [word]).total[0])
    gains = {}
    for correct in set(strings_near(word)) - {word, ""}:
        if chance := slips_of(correct).get(word):
            total = float(score_words(model, [correct]).total[0])
            gains[correct] = math.log(chance) + own - total
    return gains


def gains_by_search(model: Ngram, words: list[str], floor: float) -> list[dict[str, float]]:
    search = SlipSearch(model, model.vocabulary.encode_words(words)[1:])
    letters = np.arange(1, len(model.vocabulary))
    found: list[dict[str, float]] = [{} for _ in words]
    for edits in search.gainful(letters, np.full(len(words), floor)):
        for e, gain in enumerate(edits.gains.tolist()):
            i = int(search.word_of[edits.starts[e]])
            correct = search.corrected(words[i], edits, e, model.vocabulary.itos)
            found[i][correct] = max(gain, found[i].get(correct, -math.inf))
    return found


@given(
    st.lists(st.text(ALPHABET, min_size=1, max_size=7), min_size=1, max_size=4),
    st.integers(2, 4),
    st.sampled_from([-1e9, -3.0, 0.0, 2.0]),
)
def test_the_gains_are_those_of_all_strings_within_one_edit(
    words: list[str], order: int, floor: float
) -> None:
    model = trained(WORDS, order)
    for word, found in zip(words, gains_by_search(model, words, floor), strict=True):
        expected = gains_by_brute_force(model, word)
        assert found == pytest.approx({w: g for w, g in expected.items() if g > floor}, abs=1e-9)


@given(st.text(ALPHABET, min_size=1, max_size=5), st.text(ALPHABET, min_size=1, max_size=5))
def test_the_slip_between_two_words_is_the_likeliest_that_leads_there(a: str, b: str) -> None:
    slip, chance = slip_between(a, b), slips_of(a).get(b)
    assert (slip is None) == (chance is None)
    if slip and chance:
        named = getattr(slips(np.array([len(b)]), len(ALPHABET) + 1), slip)[0]
        assert named == pytest.approx(math.log(chance))


def test_the_folds_hold_every_word_once_and_their_models_the_others() -> None:
    generator = np.random.default_rng(0)
    words = sorted({"".join(generator.choice(list("abcd"), 4)) for _ in range(90)})
    folds = deal(words)
    assert np.array_equal(np.sort(np.concatenate(folds)), np.arange(len(words)))
    assert {len(fold) - len(words) // 10 for fold in folds} <= {0, 1}
    for fold, model in zip(folds, fold_models(words, folds), strict=True):
        others = [word for i, word in enumerate(words) if i not in set(fold.tolist())]
        expected = trained(others, len(model.tree.sizes))
        assert 2 <= len(model.tree.sizes) <= MAX_ORDER
        if set("".join(others)) == set("".join(words)):
            assert np.array_equal(model.tree.keys, expected.tree.keys)
            assert np.array_equal(model.tree.counts, expected.tree.counts)


SYLLABLES = ["ma", "ri", "an", "ne", "lo", "tu", "ke", "si"]


def planted() -> tuple[list[str], dict[str, str]]:
    """Return a list of words of syllables, and the errors in it with what they should be."""
    generator = np.random.default_rng(1)
    lines = ["".join(generator.choice(SYLLABLES, 4)) for _ in range(1_000)]
    errors = {}
    for i in range(0, 1_000, 100):
        word = lines[i]
        lines[i] = word[:3] + word[4] + word[3] + word[5:]  # two consonants, or two vowels, meet
        errors[lines[i]] = word
    return lines, errors


def test_planted_errors_stand_first_and_are_corrected() -> None:
    lines, errors = planted()
    found = find_outliers(lines, len(errors))
    assert {outlier.word for outlier in found} == set(errors)
    assert sum(outlier.correction == errors[outlier.word] for outlier in found) >= 8
    for rank, outlier in enumerate(found, 1):
        assert [lines[number - 1] for number in outlier.lines] == [outlier.word]
        assert outlier.p_value == pytest.approx(rank / len(lines))
        assert len(outlier.nats) == len(outlier.word) + 1
    assert [o.score for o in found] == sorted((o.score for o in found), reverse=True)


def test_fewer_that_are_wanted_are_the_first_of_more() -> None:
    lines, _ = planted()
    many = find_outliers(lines, 30)
    few = find_outliers(lines, 3)
    assert [o.word for o in few] == [o.word for o in many[:3]]
    assert [o.score for o in few] == pytest.approx([o.score for o in many[:3]])
    assert find_outliers(lines, 0) == []
    assert len(find_outliers(lines, 10**9)) == len(set(lines))


def test_a_rare_word_near_a_frequent_one_is_odd_and_a_repeated_one_is_not() -> None:
    generator = np.random.default_rng(2)
    names = ["".join(generator.choice(list("abcdefgh"), 6)) for _ in range(40)]
    lines = [names[i] for i in generator.integers(0, 40, 2_000)]
    misspelt = names[7][:2] + names[7][3:]
    (first, *_) = found = find_outliers([*lines, "", misspelt], 5)
    assert (first.word, first.correction, first.lines) == (misspelt, names[7], (2_002,))
    assert first.p_value == pytest.approx(1 / 2_001)
    assert all(outlier.score < 0 for outlier in found[1:])


def test_noise_is_odd_and_has_no_correction() -> None:
    lines, _ = planted()
    noise = "ttkkssllrrnnuuttkk"
    (first, *_) = find_outliers([*lines, noise], 1)
    assert (first.word, first.correction) == (noise, None)


def test_most_noise_in_a_list_of_names_is_among_as_many_lines(names: list[str]) -> None:
    generator = np.random.default_rng(0)
    lines = generator.choice(names, 5_000, replace=False).tolist()
    for i in range(0, 5_000, 50):
        lines[i] = "".join(map(chr, generator.integers(97, 123, len(lines[i])).tolist()))
    found = find_outliers(lines, 100)
    assert sum(number % 50 == 1 for outlier in found for number in outlier.lines) >= 65


def abc_list() -> list[str]:
    """Return a list of words of three letters, some of which have a slip and two are noise."""
    generator = np.random.default_rng(4)
    words = ["".join(generator.choice(["ab", "ca", "bac"], 4)) for _ in range(400)]
    for i in range(0, 400, 8):
        at = int(generator.integers(1, len(words[i]) - 1))
        words[i] = words[i][:at] + words[i][at + 1 :]
    return list(dict.fromkeys([*words, "ccccbbbbcccc", "bbbbbbcbbbcc"]))


def test_scores_and_corrections_are_those_of_all_strings_within_one_edit() -> None:
    """Each word stands on one line: then P(w) is the fold model's, and D / n is 1."""
    words = abc_list()
    found = {outlier.word: outlier for outlier in find_outliers(words, 60)}
    folds, named, noisy = deal(words), {True: 0, False: 0}, list[str]()
    for fold, model in zip(folds, fold_models(words, folds), strict=True):
        for word in (words[i] for i in fold.tolist() if words[i] in found):
            own = float(score_words(model, [word]).total[0])
            share = sum(len(other) == len(word) for other in words) / len(words)
            noise = math.log(5 * share) - len(word) * math.log(len(ALPHABET)) + own
            gains = gains_by_brute_force(model, word)
            correction, best = max(gains.items(), key=lambda item: item[1])
            assert found[word].score == pytest.approx(max(noise, best))
            is_named = best >= max(noise, math.log(20))
            assert found[word].correction == (correction if is_named else None)
            if best > noise:
                named[is_named] += math.log(2) < best < math.log(200)
            else:
                noisy.append(word)
    assert min(named.values()) > 0  # on both sides of 20 times as probable
    assert {"ccccbbbbcccc", "bbbbbbcbbbcc"} <= set(noisy)


def test_of_a_repeated_correction_the_larger_of_two_terms_counts() -> None:
    words = abc_list()
    lines = [*words, *words[::3], *words[::9]]
    counts, D, n = Counter(lines), len(words), len(lines)
    found = {outlier.word: outlier for outlier in find_outliers(lines, 60)}
    folds, repeated, largest = deal(words), 0, 0.0
    for fold, model in zip(folds, fold_models(words, folds), strict=True):

        def terms(word: str, model: Ngram = model) -> tuple[float, float]:
            """Return what repeated lines and the model of the other folds give a word."""
            total = float(score_words(model, [word]).total[0])
            return (counts.get(word, 1) - 1) / n, D / n * math.exp(-total)

        for word in (words[i] for i in fold.tolist() if words[i] in found):
            own = math.log(sum(terms(word)))
            share = sum(len(other) == len(word) for other in words) / D
            best = math.log(5 * share) - len(word) * math.log(len(ALPHABET)) - own
            of_sum = best
            for correct in set(strings_near(word)) - {word, ""}:
                if chance := slips_of(correct).get(word):
                    gain = math.log(chance) + math.log(max(terms(correct))) - own
                    repeated += gain > best and counts.get(correct, 1) > 1
                    best = max(best, gain)
                    of_sum = max(of_sum, math.log(chance * sum(terms(correct))) - own)
            assert found[word].score == pytest.approx(best)
            largest = max(largest, of_sum - best)
    assert repeated
    assert 0 < largest < math.log(2)


def test_the_oddest_come_first_and_equals_in_the_order_of_the_list() -> None:
    letters = [chr(97 + i) for i in range(26)]  # those of folds of one size are equally odd
    for words, equals in ((abc_list(), 0), (letters, 20)):
        found = find_outliers(words, len(words))
        places = [(-outlier.score, outlier.lines[0]) for outlier in found]
        assert places == sorted(places)
        assert len(places) - len({score for score, _ in places}) >= equals


def test_a_list_of_few_words_is_refused_in_one_line() -> None:
    lines = ["ab", "ba"] * 100
    with pytest.raises(CorpusError, match=f"2 distinct words, expected at least {MIN_WORDS}"):
        find_outliers(lines)


def test_an_alphabet_over_the_limit_is_refused_before_anything_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    largest = [chr(0x4E00 + i) for i in range(outliers.MAX_CHARACTERS)]
    monkeypatch.setattr(outliers, "NgramCounter", None)
    with pytest.raises(CorpusError, match=r"has 4,095 distinct characters and the limit is 4,094"):
        find_outliers([*largest, "a"])


def test_the_largest_alphabet_has_an_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outliers, "MAX_CELLS", 18**2)
    words = [chr(97 + i) + chr(97 + j) for i in range(16) for j in range(16)]  # 16 + 2 = 18
    for model in fold_models(words, deal(words)):
        assert len(model.tree.sizes) == 2
        assert model.tree.keys[-1] < 18**2


@pytest.mark.parametrize(
    "lines",
    [
        [chr(0x4E00 + i) + chr(0x4E00 + i * 7 % 900) for i in range(900)],  # a large alphabet
        [chr(97 + i) for i in range(26)],  # words of one character
        [f"{i}" for i in range(25)] + ["x" * 300_000],  # one long line
        [f"a{i}\t\x1b\U0001f600" for i in range(30)],
    ],
)
def test_odd_lists_are_searched(lines: list[str]) -> None:
    found = find_outliers(lines, 5)
    assert len(found) == 5
    assert all(math.isfinite(outlier.score) for outlier in found)


def test_most_errors_of_a_list_of_people_are_among_as_many_lines(names: list[str]) -> None:
    """A list of first names and surnames, of which some are frequent, as customers are."""
    generator = np.random.default_rng(0)
    frequent = generator.zipf(1.3, (5_000, 2)) % 3_000
    lines = [f"{names[a].title()} {names[-1 - b].title()}" for a, b in frequent.tolist()]
    known, errors = set(lines), {}
    for i in range(0, 5_000, 50):
        made = sorted(set(slips_of_letters(lines[i], generator)) - known)
        errors[i + 1] = lines[i]
        lines[i] = made[generator.integers(len(made))]
    found = find_outliers(lines, 100)
    hits = [outlier for outlier in found if outlier.lines[0] in errors]
    assert len(hits) >= 70
    right = sum(outlier.correction == errors[outlier.lines[0]] for outlier in hits)
    assert right >= 0.8 * len(hits)
    # what the largest surprisal of a transition finds, the next best known way
    largest = largest_transitions(lines)
    best = sorted(range(5_000), key=lambda i: -largest[i])[:100]
    assert len(hits) > 1.25 * sum(i + 1 in errors for i in best)


def slips_of_letters(word: str, generator: np.random.Generator) -> Iterator[str]:
    """Yield a word with one slip of each kind at a random place."""
    i = int(generator.integers(1, len(word) - 1))
    yield word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    yield word[:i] + word[i + 1 :]
    yield word[:i] + word[i] + word[i:]
    yield word[:i] + chr(97 + int(generator.integers(26))) + word[i + 1 :]


def largest_transitions(lines: list[str]) -> list[float]:
    words = list(Counter(lines))
    folds = deal(words)
    largest: dict[str, float] = {}
    for fold, model in zip(folds, fold_models(words, folds), strict=True):
        part = [words[i] for i in fold.tolist()]
        scores = score_words(model, part).split_nats()
        largest |= {word: float(nats.max()) for word, nats in zip(part, scores, strict=True)}
    return [largest[line] for line in lines]


# ---- the command ----


def run(*arguments: str, text: str) -> Result:
    return CliRunner().invoke(main, ["outliers", *arguments], input=text)


def test_the_command_prints_numbers_scores_words_and_corrections() -> None:
    lines, errors = planted()
    result = run("-n", "10", text="\n".join(lines))
    assert result.exit_code == 0
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert {row[2] for row in rows} == set(errors)
    for number, score, word, *correction in rows:
        assert lines[int(number) - 1] == word
        assert float(score) > 0
        assert correction in ([], [errors[word]]) or len(correction) == 1
    assert result.stderr == f"searched  1,000 lines, {len(set(lines)):,} distinct words\n"


def test_the_json_has_the_same_keys_on_each_line() -> None:
    lines, _ = planted()
    result = run("--json", text="\n".join([*lines, lines[0], "ttkkssllrrnnuuttkk"]))
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(records) == 20
    keys = {"lines", "word", "score", "p_value", "correction", "transitions"}
    assert all(record.keys() == keys for record in records)
    assert {record["correction"] for record in records} >= {None}
    (twice,) = [record for record in records if record["word"] == lines[0]] or [None]
    assert twice is None or twice["lines"] == [1, 1_001]


def test_lines_of_several_lists_are_numbered_in_each_and_the_list_is_named(tmp_path: Path) -> None:
    lines, _ = planted()
    odd = "ttkkssllrrnnuuttkk"
    parts = {"a": [*lines[:400], odd], "empty": [], "b": ["", odd, *lines[400:]]}
    for name, part in parts.items():
        (tmp_path / name).write_text("".join(f"{word}\n" for word in part))
    paths = {name: str(tmp_path / name) for name in parts}
    result = run(*paths.values(), "--json", text="")
    assert result.exit_code == 0
    for record in map(json.loads, result.stdout.splitlines()):
        for file, line in zip(record["files"], record["lines"], strict=True):
            assert parts[Path(file).name][line - 1] == record["word"]
    (row,) = [r for r in run(*paths.values(), "-n2000", text="").stdout.splitlines() if odd in r]
    assert row.split("\t")[:2] == [f"{paths['a']},{paths['b']}", "401,2"]
    one = [json.loads(line) for line in run(paths["a"], "--json", text="").stdout.splitlines()]
    assert one
    assert not any("files" in record for record in one)


def test_a_word_of_weight_k_in_a_table_counts_as_k_lines(tmp_path: Path) -> None:
    lines, _ = planted()
    weighted = Counter(lines + lines[::3] + lines[::7])
    rows = "".join(f"{word},{count}\n" for word, count in weighted.items())
    (tmp_path / "t.csv").write_text(f"name,n\n{rows}")
    how = ["--json", "-n", "50"]
    plain = run(*how, text="\n".join(weighted.elements()))
    table = run(str(tmp_path / "t.csv"), *how, "--column", "name", "--weights", "n", text="")
    assert table.stderr == plain.stderr
    one, other = ([json.loads(row) for row in text.stdout.splitlines()] for text in (table, plain))
    for row in one:
        assert list(weighted)[row.pop("lines")[0] - 2] == row["word"]
    assert one == [{k: row[k] for k in row if k != "lines"} for row in other]
    result = run(str(tmp_path / "t.csv"), text="")
    assert (
        "looks like a table, and its rows are read as words: --column name --weights n reads"
        in (result.stderr)
    )


def test_the_p_value_is_a_share_of_the_oddest_lines_and_the_help_says_so() -> None:
    lines, _ = planted()
    lines += ["ttkkssllrrnnuuttkk"] * 3 + lines[:50] + [""] * 10
    result = run("--json", "-n", "2000", text="\n".join(lines))
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert any(len(record["lines"]) > 1 for record in records)
    words = len(list(filter(None, lines)))
    shares = np.cumsum([len(record["lines"]) for record in records]) / words
    assert [record["p_value"] for record in records] == pytest.approx(shares, abs=1e-6)
    assert shares[-1] == 1
    told = " ".join(run("--help", text="").stdout.split())
    assert "The p-value in JSON is the share of the lines" in told
    assert "on at most this share of the lines, such as 1%, whether they are errors or not" in told


def test_no_more_than_the_share_asked_for_is_printed() -> None:
    lines, _ = planted()
    for share, most in (("1%", 10), ("0.0249", 24), ("0.01%", 0)):
        result = run("--fpr", share, text="\n".join(lines))
        assert len(result.stdout.splitlines()) == most
        assert ("none: 0.0001 of these lines is less than one" in result.stderr) is (most == 0)
    result = run("--fpr", "50%", "-n", "3", text="\n".join(lines))
    assert len(result.stdout.splitlines()) == 3


def test_case_is_ignored_where_that_is_asked_for() -> None:
    lines, _ = planted()
    lines.append(lines[1].upper())
    printed = [run(*how, text="\n".join(lines)).stdout for how in ([], ["--ignore-case"])]
    assert [lines[1].upper() in text for text in printed] == [True, False]
    result = run("-n", "1", "--ignore-case", text="\n".join([*lines, "TTKKSSLLRRNNUUTTKK"]))
    assert result.stdout.split("\t")[2] == "TTKKSSLLRRNNUUTTKK\n"


def test_what_does_not_print_is_escaped() -> None:
    lines, _ = planted()
    result = run(text="\n".join([*lines, "\x1b[2J\t\x07"]))
    assert "\\x1b[2J\\t\\x07" in result.stdout
    assert "\x1b" not in result.stdout


def test_a_short_list_fails_in_one_line() -> None:
    result = run(text="a\nb\n")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
