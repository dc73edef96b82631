import itertools
import math
import tracemalloc
from collections import Counter

import numpy as np
import pytest
from conftest import make_bigram

from makemore.arrays import Counts, Floats
from makemore.data.vocabulary import Vocabulary
from makemore.errors import OptionError, SamplingError
from makemore.generation import writers
from makemore.generation.constraints import Constraints
from makemore.generation.draws import DrawTable, draw_each, next_distributions
from makemore.generation.novelty import KnownWords
from makemore.generation.sampling import Sampler, sample
from makemore.models.bigram import Bigram


def chi_square_is_plausible(observed: Floats | Counts, expected: Floats) -> bool:
    """Return whether the statistic lies within four deviations of its mean.

    Cells with fewer than five expected are pooled.
    """
    few = expected < 5
    counts = np.append(observed[~few], observed[few].sum())
    expected = np.append(expected[~few], expected[few].sum())
    counts, expected = counts[expected > 0], expected[expected > 0]
    statistic = ((counts - expected) ** 2 / expected).sum()
    degrees = len(expected) - 1
    return abs(float(statistic) - degrees) < 4 * math.sqrt(2 * degrees)


def length_distribution(P: Floats, longest: int) -> Floats:
    """Return P(length = k | not empty) for k from 0 to ``longest``, by powers of the matrix."""
    inner, end = P[1:, 1:], P[1:, 0]
    state = P[0, 1:] / P[0, 1:].sum()
    shares = [0.0]
    for _ in range(longest):
        shares.append(float(state @ end))
        state = state @ inner
    return np.array(shares)


@pytest.fixture(scope="module")
def many(names_model: Bigram) -> list[str]:
    return sample(names_model, 200_000, seed=7)


@pytest.mark.parametrize("temperature", [1e-280, 1e-300, 1e-308, 5e-324])
def test_at_a_tiny_temperature_the_likeliest_symbol_is_certain(temperature: float) -> None:
    log_P = np.log(np.array([[0.1, 0.7, 0.2], [0.6, 0.3, 0.1]]))
    log_P[1, 2] = -np.inf
    found = next_distributions(log_P, temperature=temperature)
    np.testing.assert_array_equal(found, next_distributions(log_P, temperature=0))


def test_first_characters_have_the_models_distribution(
    names_model: Bigram, many: list[str]
) -> None:
    first = names_model.vocabulary.encode("".join(word[0] for word in many))
    P = np.exp(names_model.log_probabilities(np.array([[0]])))[0]
    P[0] = 0
    assert chi_square_is_plausible(np.bincount(first, minlength=27), len(many) * P / P.sum())


def test_pairs_have_the_models_distribution(names_model: Bigram, many: list[str]) -> None:
    ids = names_model.vocabulary.encode_words(many)
    N = np.bincount(ids[:-1] * 27 + ids[1:], minlength=27 * 27).reshape(27, 27)
    P = np.exp(names_model.log_probabilities(np.arange(27)[:, None]))
    P[0, 0] = 0
    P /= P.sum(axis=1, keepdims=True)
    expected = N.sum(axis=1, keepdims=True) * P
    for row in range(27):
        assert chi_square_is_plausible(N[row], expected[row])


def test_lengths_have_the_models_distribution(names_model: Bigram, many: list[str]) -> None:
    P = np.exp(names_model.log_probabilities(np.arange(27)[:, None]))
    expected = len(many) * length_distribution(P, 99)
    observed = np.bincount([len(word) for word in many], minlength=100)[:100]
    assert chi_square_is_plausible(observed, expected)


def test_golden_samples() -> None:
    """The same seed gives the same words on every machine and every release of NumPy."""
    model = make_bigram(["emma", "olivia", "ava", "isabella", "sophia"], smoothing=0.1)
    assert sample(model, 8, seed=42) == GOLDEN
    assert sample(model, 4, seed=42, temperature=0.5) == GOLDEN_COOL
    limits = Constraints(prefix="o", contains="li", max_length=9)
    assert sample(model, 4, seed=42, constraints=limits) == GOLDEN_WISH
    assert sample(model, 90_000, seed=42)[-4:] == GOLDEN_LATER
    assert sample(model, 10_000, seed=42, constraints=limits)[-4:] == GOLDEN_WISH_LATER


GOLDEN_LATER = ["sa", "sa", "sophb", "ohsabia"]
GOLDEN_WISH_LATER = ["olliva", "olisasba", "ollliva", "opsolisa"]
GOLDEN = ["sophia", "miabella", "shis", "sa", "mm", "hisop", "aab", "eliaviva"]
GOLDEN_COOL = ["sophia", "ia", "ola", "a"]
GOLDEN_WISH = ["oplia", "opoolia", "opophelia", "oliabva"]


def test_the_first_words_are_the_same_however_many_are_asked_for(small_model: Bigram) -> None:
    for limits in (Constraints(), Constraints(prefix="a", max_length=4)):
        many = sample(small_model, 150_000, seed=1, constraints=limits)
        blocks = Sampler(small_model, constraints=limits).texts(150_000, 1)
        borders = list(itertools.accumulate(block.count("\n") for block in blocks))
        assert len(many) == borders[-1] == 150_000
        assert len(borders) > 1
        for count in (0, 1, 20, borders[0] - 1, borders[0], borders[0] + 1, borders[1]):
            assert sample(small_model, count, seed=1, constraints=limits) == many[:count]


def test_a_prefix_stands_before_every_word(small_model: Bigram) -> None:
    words = sample(small_model, 5_000, seed=1, constraints=Constraints(prefix="ca"))
    assert len(words) == 5_000
    assert all(word.startswith("ca") for word in words)
    assert "ca" in words


def test_both_ways_of_writing_have_the_same_distribution(small_model: Bigram) -> None:
    # a limit that is never reached changes the way and not the words
    n = 60_000
    lanes = sample(small_model, n, seed=1)
    lockstep = sample(small_model, n, seed=2, constraints=Constraints(max_length=200))
    drawn = Counter(lanes), Counter(lockstep)
    words = sorted(drawn[0] | drawn[1])
    one, other = (np.array([counter[word] for word in words], np.float64) for counter in drawn)
    common = one + other >= 10
    statistic = ((one - other)[common] ** 2 / (one + other)[common]).sum()
    degrees = common.sum() - 1
    assert abs(statistic - degrees) < 4 * math.sqrt(2 * degrees)


def test_a_negative_seed_is_refused(small_model: Bigram) -> None:
    for unique in (False, True):
        with pytest.raises(OptionError, match="the seed is -1 and must be 0 or more"):
            sample(small_model, 1, seed=-1, unique=unique)


def test_another_seed_gives_other_words(small_model: Bigram) -> None:
    assert sample(small_model, 50, seed=1) != sample(small_model, 50, seed=2)


def test_no_word_is_empty() -> None:
    model = make_bigram(["", "", "", "a"])
    assert "" not in sample(model, 2_000, seed=0)


def test_temperature_zero_takes_the_likeliest_character() -> None:
    model = make_bigram(["ab", "ab", "ac", "b"])
    # a is the likeliest start, b follows it most often, and b ends most words
    assert sample(model, 3, seed=9, temperature=0) == ["ab"] * 3


def test_temperature_zero_that_goes_in_circles_is_an_error_and_not_a_hang() -> None:
    model = make_bigram(["aaaaaaaaab"])
    with pytest.raises(SamplingError, match=r"not ended after 10,000 .* --temperature 0:"):
        sample(model, 1, seed=0, temperature=0)


def test_a_model_that_never_ends_is_an_error_and_not_a_hang() -> None:
    W = np.zeros((3, 3))
    W[:, 0] = -1000
    model = Bigram(Vocabulary("ab"), W, np.zeros((3, 3), np.int64))
    with pytest.raises(SamplingError, match="never ends a word"):
        sample(model, 1, seed=0)
    with pytest.raises(SamplingError, match="no word with max-length 5"):
        sample(model, 1, seed=0, constraints=Constraints(max_length=5))


def test_a_model_that_hardly_ever_ends_is_an_error_and_not_a_hang(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writers, "MAX_LENGTH", 50)
    W = np.zeros((3, 3))
    W[:, 0] = -30
    model = Bigram(Vocabulary("ab"), W, np.zeros((3, 3), np.int64))
    with pytest.raises(SamplingError, match=r"not ended after 50 characters.*--max-length"):
        sample(model, 1, seed=0)
    limits = Constraints(max_length=5)
    assert len(sample(model, 5, seed=0, constraints=limits)) == 5


def test_the_longest_words_are_drawn_in_little_memory(small_model: Bigram) -> None:
    tracemalloc.start()
    (word,) = sample(small_model, 1, seed=0, constraints=Constraints(min_length=10_000))
    (other,) = sample(small_model, 1, seed=0, constraints=Constraints(max_length=10_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(word) >= 10_000 >= len(other)
    assert peak < 1 << 26


def test_long_words_of_a_limited_length_are_drawn_in_little_memory() -> None:
    W = np.zeros((5, 5))
    W[:, 0] = -6.0  # a word has about 1,600 characters, and each length a table of its own
    model = Bigram(Vocabulary("abcd"), W, np.zeros((5, 5), np.int64))
    tracemalloc.start()
    words = sample(model, 5, seed=0, constraints=Constraints(max_length=1_500))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert max(map(len, words)) <= 1_500
    assert peak < 1 << 24


def test_a_sampler_of_a_large_alphabet_has_few_tables_at_a_time() -> None:
    V = 500
    W = np.random.default_rng(0).normal(size=(V, V))
    vocabulary = Vocabulary(map(chr, range(0x4E00, 0x4E00 + V - 1)))
    model = Bigram(vocabulary, W, np.zeros((V, V), np.int64))
    tracemalloc.start()
    Sampler(model)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6.5 * W.nbytes


def test_words_that_would_never_end_are_not_drawn() -> None:
    # from c there is no way out: a word with a c would go on for ever
    W = np.full((4, 4), -1000.0)
    W[0, 1:] = W[1, 2] = W[1, 3] = W[2, 0] = W[3, 3] = 0.0
    model = Bigram(Vocabulary("abc"), W, np.zeros((4, 4), np.int64))
    assert set(sample(model, 200, seed=0)) == {"ab", "b"}


def test_temperature_divides_the_log_probabilities() -> None:
    # shares 1/4 and 3/4 at temperature 1/2 are squared: 1/16 to 9/16
    P = next_distributions(np.log([[0.25, 0.75]]), temperature=0.5)
    assert P == pytest.approx(np.array([[0.1, 0.9]]))


def test_top_k_keeps_the_likeliest() -> None:
    P = next_distributions(np.log([[0.1, 0.4, 0.2, 0.3]]), top_k=2)
    assert P == pytest.approx(np.array([[0, 4 / 7, 0, 3 / 7]]))


def test_top_p_keeps_the_fewest_that_reach_it() -> None:
    log_P = np.log([[0.1, 0.4, 0.2, 0.3]])
    # 0.4 + 0.3 reach 0.7 and 0.65, not 0.75
    assert next_distributions(log_P, top_p=0.65)[0] == pytest.approx([0, 4 / 7, 0, 3 / 7])
    assert next_distributions(log_P, top_p=0.75)[0] == pytest.approx([0, 4 / 9, 2 / 9, 3 / 9])
    assert next_distributions(log_P, top_p=1e-9)[0] == pytest.approx([0, 1, 0, 0])


def test_top_p_that_is_reached_exactly_is_enough() -> None:
    # four equals of 0.25: two of them are 0.5
    P = next_distributions(np.zeros((1, 4)), top_p=0.5)
    assert P == pytest.approx(np.array([[0.5, 0.5, 0, 0]]))


def test_top_p_is_taken_of_what_top_k_leaves() -> None:
    # of 4/7 and 3/7 the first reaches half by itself
    assert next_distributions(np.log([[0.1, 0.4, 0.2, 0.3]]), top_k=2, top_p=0.5)[0] == (
        pytest.approx([0, 1, 0, 0])
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -0.1},
        {"temperature": math.nan},
        {"temperature": math.inf},
        {"top_k": 0},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"top_p": math.nan},
    ],
)
def test_an_option_out_of_its_range_is_refused(
    small_model: Bigram, wrong: dict[str, float]
) -> None:
    with pytest.raises(OptionError, match="must be"):
        sample(small_model, 1, seed=0, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("S", "V"), [(1, 2), (1, 300), (5, 3), (5, 27), (40_000, 27)])
def test_a_draw_is_the_inverse_of_the_cumulative_distribution(S: int, V: int) -> None:
    random = np.random.default_rng(S * V)
    P = random.dirichlet(np.full(V, 0.3), S)
    P[0, 0] = 0.0
    table = DrawTable(P)
    rows = random.integers(0, S, 500)
    draws = random.integers(0, 1 << 53, 500, dtype=np.uint64)
    draws[:4] = 0, 1, (1 << 53) - 2, (1 << 53) - 1
    assert (draw_each(P, rows, draws) == table.draw(rows, draws)).all()
    for row, draw, symbol in zip(rows, draws, table.draw(rows, draws), strict=True):
        cumulative = list(itertools.accumulate(P[row]))
        edge = [round(c / cumulative[-1] * 2**53) for c in cumulative]
        assert symbol == next(s for s, above in enumerate(edge) if int(draw) < above)
        assert P[row, symbol] > 0


def test_a_large_automaton_gives_the_same_distribution_as_a_small_one(
    small_model: Bigram, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = Constraints(max_length=4, contains="b")
    small = sample(small_model, 500, seed=1, constraints=limits)
    monkeypatch.setattr(writers, "_CACHED_CELLS", 0)
    assert sample(small_model, 500, seed=1, constraints=limits) == small


def test_others_are_new_and_different_and_end_when_there_are_no_more() -> None:
    model = make_bigram(["ab", "ba", "b"])
    limits, known = Constraints(max_length=2), KnownWords(["ab\nba\n"])
    # a, b, aa, ab, ba, bb without the known
    (found,) = Sampler(model, constraints=limits, exclude=known).texts(99, 0, unique=True)
    assert sorted(found.split()) == ["a", "aa", "b", "bb"]


def test_others_may_repeat_when_asked() -> None:
    model = make_bigram(["ab", "ba", "b"])
    limits, known = Constraints(max_length=1), KnownWords(["a\n"])
    assert sample(model, 50, seed=0, constraints=limits, exclude=known) == ["b"] * 50


def test_other_words_are_in_the_order_they_were_drawn(small_model: Bigram) -> None:
    drawn = sample(small_model, 2_000, seed=4)
    expected = [word for word in dict.fromkeys(drawn) if word not in {"abc", "b"}]
    known = KnownWords(["abc\nb\n"])
    assert sample(small_model, 40, seed=4, unique=True, exclude=known) == expected[:40]


def test_characters_beyond_ascii_come_out_whole() -> None:
    model = make_bigram(["zoë", "\U0001f600\U0001f600"], smoothing=0)
    assert set("".join(sample(model, 200, seed=0))) <= set("zoë\U0001f600")


def peak_memory(sampler: Sampler, count: int) -> int:
    """Return the most bytes that drawing so many words takes at a time."""
    tracemalloc.start()
    for _ in sampler.texts(count, 0):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("constraint_sets", [Constraints(), Constraints(max_length=8)])
def test_memory_does_not_grow_with_the_number_of_words(
    small_model: Bigram, constraint_sets: Constraints
) -> None:
    sampler = Sampler(small_model, constraints=constraint_sets)
    assert peak_memory(sampler, 2_000_000) < 1.5 * peak_memory(sampler, 400_000)


def test_a_threshold_at_the_edge_of_a_bucket_is_kept() -> None:
    edge = 1 << (53 - 10)  # where the second of 1,024 buckets begins
    for threshold in (edge - 1, edge, edge + 1):
        first = threshold / 2**53
        table = DrawTable(np.array([[first, 1 - first]]))
        draws = np.array([threshold - 1, threshold], np.uint64)
        assert table.draw(np.zeros(2, np.intp), draws).tolist() == [0, 1]


def test_at_temperature_0_the_first_of_the_likeliest_symbols_is_certain() -> None:
    P = next_distributions(np.log([[0.2, 0.4, 0.4], [0.8, 0.1, 0.1]]), temperature=0)
    assert P.tolist() == [[0, 1, 0], [1, 0, 0]]


class GivenWords(writers.Writer):
    """Groups of words that are known beforehand."""

    def __init__(self, *texts: str) -> None:
        self._texts = iter(texts)

    def write_words(self, random: np.random.PCG64, lanes: int) -> writers.Words:
        """Return the symbols of the next text, a being 1."""
        text = next(self._texts)
        symbols = np.array([0 if c == "\n" else ord(c) - 96 for c in text], np.int16)
        return symbols, np.flatnonzero(symbols == 0)


def test_the_search_for_others_ends_after_so_many_misses_in_a_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("makemore.generation.sampling.PATIENCE", 4)
    sampler = Sampler(make_bigram(["abcdefghijk"]), exclude=["k"])
    texts = ["a\nk\nk\n", "k\nb\nk\nk\n", "k\n", "c\nk\n", "k\nk\nk\n", "d\n"]
    sampler._writer = GivenWords(*texts)
    found = list(sampler.texts(99, 0))
    assert found == ["a\n", "b\n", "c\n"]  # of the misses 2, 2, 3, 1 and 4 in a row


def test_memory_does_not_grow_with_the_length_of_words(
    small_model: Bigram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "GROUP_CELLS", 1 << 18)  # so that few words make several groups

    def peak(length: int) -> int:
        sampler = Sampler(small_model, constraints=Constraints(min_length=length))
        return peak_memory(sampler, 800_000 // length)

    assert peak(1000) < 1.5 * peak(125)


def test_words_that_a_group_ends_with_are_like_the_others() -> None:
    chain = make_bigram(["abcdefg"], smoothing=0)  # it can write nothing else
    assert set(sample(chain, 50_000, seed=1)) == {"abcdefg"}


def test_constraints_hold_for_the_words_that_a_group_ends_with(small_model: Bigram) -> None:
    words = sample(small_model, 50_000, seed=1, constraints=Constraints(suffix="ab"))
    assert all(word.endswith("ab") for word in words)


def test_top_k_may_be_1() -> None:
    P = next_distributions(np.log([[0.1, 0.4, 0.2, 0.3]]), top_k=1)
    assert P.tolist() == [[0, 1, 0, 0]]


@pytest.mark.parametrize("seed", range(10))
def test_every_row_is_a_distribution_of_its_own(seed: int) -> None:
    log_P = np.log(np.random.default_rng(seed).dirichlet(np.full(6, 0.5), 6))
    for k, p in ((2, 1.0), (None, 0.65), (3, 0.6)):
        together = next_distributions(log_P, top_k=k, top_p=p)
        rows = log_P[:, np.newaxis]
        alone = [next_distributions(row, top_k=k, top_p=p)[0] for row in rows]
        assert together == pytest.approx(np.stack(alone))
        assert together.sum(axis=1) == pytest.approx(np.ones(6))


@pytest.mark.parametrize("length", [1, 2, 3])
def test_the_shortest_words_are_as_long_as_asked(small_model: Bigram, length: int) -> None:
    words = sample(small_model, 2_000, seed=0, constraints=Constraints(min_length=length))
    assert min(map(len, words)) == length


def test_one_other_word_is_given_when_one_is_asked_for(small_model: Bigram) -> None:
    found = list(Sampler(small_model, exclude=["abc"]).texts(1, 0))
    assert [text.count("\n") for text in found] == [1]


def test_the_longest_length_decides_how_many_words_are_drawn_together(small_model: Bigram) -> None:
    """It is part of what a seed means: other groups would give other words."""
    sampler = Sampler(small_model, constraints=Constraints(min_length=2, max_length=200))
    texts = sampler.texts(20_000, 0)
    sizes = [next(texts).count("\n") for _ in range(3)]
    assert sizes == [512, (1 << 20) // 200, (1 << 20) // 200]
