"""Counting pairs: each of the two tables, and the borders between them."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makemore.arrays import CACHED, Counts
from makemore.counting import pairs, tables
from makemore.counting.pairs import CharacterIds, PairCounter
from makemore.errors import VocabularyError

LETTERS = "ab\n\x00\x7f\x80éÿĀłőБΩא\u07ff日😀"
MANY = "".join(map(chr, range(0x4E00, 0x4E00 + 400)))
TEXTS = (
    st.text(LETTERS, max_size=30)
    | st.text(MANY + "\n\n", max_size=300)
    | st.text("ab\n", max_size=9)
)
BLOCKS = st.lists(TEXTS.map(lambda text: text + "\n"), min_size=1, max_size=6)


def table(counter: PairCounter, characters: str) -> Counts:
    """Return the counts as a table, after a look at the numbers of words and symbols."""
    counts = counter.counts(characters)
    N = counts.table()
    assert counts.words == N[0].sum()
    assert counts.symbols == N.sum()
    return N


def counted(blocks: list[str]) -> Counter[tuple[str, str]]:
    """Return what a PairCounter finds, as a dictionary counter writes it."""
    counter = PairCounter(CharacterIds())
    for block in blocks:
        counter.add(block)
    characters = counter.characters()
    N = table(counter, characters)
    symbols = "\n" + characters
    return Counter(
        {(symbols[i], symbols[j]): int(N[i, j]) for i, j in zip(*np.nonzero(N), strict=True)}
    )


def pairs_of(blocks: list[str]) -> Counter[tuple[str, str]]:
    """Return the pairs of all words, counted one by one."""
    found = Counter(itertools.pairwise("\n" + "".join(blocks)))
    del found["\n", "\n"]
    return found


@given(BLOCKS)
@settings(max_examples=300, deadline=None)
def test_pairs_are_counted(blocks: list[str]) -> None:
    assert counted(blocks) == pairs_of(blocks)


@given(
    BLOCKS,
    st.integers(1, 50),
    st.integers(50, 500),
    st.sampled_from([50, CACHED]),
    st.sampled_from([1, 1 << 30]),
)
@settings(max_examples=200, deadline=None)
def test_the_ways_of_counting_find_the_same(
    blocks: list[str], piece: int, buffer: int, cached: int, sparse: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "CACHED", piece)
        patch.setattr(tables, "_BUFFER", buffer)  # beyond it pairs are counted in a table
        patch.setattr(tables, "CACHED", cached)  # up to which size that is made at once
        patch.setattr(tables, "_SPARSE", sparse)
        assert counted(blocks) == pairs_of(blocks)


@pytest.mark.parametrize("known", [127, 128, 129, 300])
def test_characters_get_ids_as_they_turn_up(known: int) -> None:
    """ASCII has 128 of the first 256 ids, for which the codes of pairs suffice at first."""
    ids = CharacterIds()
    letters = "".join(map(chr, range(0x400, 0x400 + known)))
    first = ids.of("a" + letters[:100])
    assert first.tolist() == [97, *range(128, 228)]
    again = ids.of(letters)
    assert again.tolist() == list(range(128, 128 + known))
    assert ids.of("az").dtype == np.uint8  # those of ASCII take no table
    assert [ids.characters[i] for i in again] == list(letters)
    blocks = [letters[:100] + "\n", letters + "\nab\n", letters[::-1] + "\n"]
    assert counted(blocks) == pairs_of(blocks)


def test_counts_are_kept_while_the_alphabet_grows() -> None:
    blocks = [f"{MANY[:size]}\nab\n" for size in (150, 200, 300, 400)]
    assert counted(blocks) == pairs_of(blocks)


def test_two_counters_share_their_ids() -> None:
    ids = CharacterIds()
    first, second = PairCounter(ids), PairCounter(ids)
    first.add("żółw\n" + MANY + "\n")
    second.add("łż\n")
    characters = first.characters()
    assert characters == "".join(sorted({*"żółw", *MANY}))
    found = table(second, characters)
    ł, ż = characters.index("ł") + 1, characters.index("ż") + 1
    assert found.sum() == 3
    assert found[0, ł] == found[ł, ż] == found[ż, 0] == 1


def test_too_many_characters_are_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "MAX_VOCABULARY", 20)
    characters = "".join(map(chr, range(0x1F300, 0x1F300 + 20)))
    counter = PairCounter(CharacterIds())
    counter.add(characters[:12] + "\n")
    counter.add(characters[:19] + "\n")
    with pytest.raises(VocabularyError, match="20 distinct characters or more"):
        counter.add(characters[17:] + "\n")
