import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from makemore.data.vocabulary import MAX_VOCABULARY, Vocabulary
from makemore.errors import VocabularyError

characters = st.characters(codec="utf-8", exclude_characters="\n\r")
words = st.lists(st.text(characters, max_size=8), max_size=20)


def test_ids_follow_code_points_and_zero_is_no_character() -> None:
    vocabulary = Vocabulary("zé.a")
    assert vocabulary.stoi == {".": 1, "a": 2, "z": 3, "é": 4}
    assert vocabulary.itos == ("", ".", "a", "z", "é")
    assert len(vocabulary) == 5


def test_characters_beyond_the_basic_plane_are_single_symbols() -> None:
    vocabulary = Vocabulary("a\U0001f600")
    assert vocabulary.encode("\U0001f600a").tolist() == [2, 1]


def test_words_are_joined_by_boundaries() -> None:
    # ab -> 1 2, the boundary, b -> 2, and boundaries around
    assert Vocabulary("ab").encode_words(["ab", "b"]).tolist() == [0, 1, 2, 0, 2, 0]


def test_no_words_are_one_boundary() -> None:
    assert Vocabulary("a").encode_words([]).tolist() == [0]


@given(words)
def test_encoding_agrees_with_a_dictionary_and_decoding_undoes_it(words: list[str]) -> None:
    text = "".join(words)
    if not text:
        return
    table = {c: i for i, c in enumerate(sorted(set(text)), start=1)}
    row = [0]
    for word in words:
        row += [*(table[c] for c in word), 0]
    vocabulary = Vocabulary(text)
    ids = vocabulary.encode_words(words)
    assert ids.dtype == np.int64
    assert ids.tolist() == row
    assert vocabulary.decode(ids) == text


@pytest.mark.parametrize("word", ["x", "aXb", "é", "\U0001f600", "ab\n", "\ud800"])
def test_an_unknown_character_is_named(word: str) -> None:
    with pytest.raises(VocabularyError, match="is not in the vocabulary of 2 characters"):
        Vocabulary("ab").encode(word)


@pytest.mark.parametrize(
    ("characters", "reason"),
    [
        ("", "empty"),
        ("a\n", "cannot stand in a word"),
        ("\r", "cannot stand in a word"),
        ("\ud800", "cannot stand in a word"),
        (["ab", ""], "has no characters"),
        (map(chr, range(0x4E00, 0x4E00 + MAX_VOCABULARY)), "limit is 8,191: .*--min-count"),
    ],
)
def test_an_impossible_vocabulary_is_refused(characters: object, reason: str) -> None:
    with pytest.raises(VocabularyError, match=reason):
        Vocabulary(characters)  # type: ignore[arg-type]


def test_the_largest_vocabulary_is_accepted() -> None:
    assert len(Vocabulary(map(chr, range(0x4E00, 0x4E00 + MAX_VOCABULARY - 1)))) == MAX_VOCABULARY


@pytest.mark.parametrize(
    ("characters", "word", "advice"),
    [
        ("abc", "Abc", "which has 'a': use that form, or train with --lowercase"),
        ("ABC", "aBC", "which has 'A': use that form, or train with --lowercase"),
        ("Zo\u00eb", "Zoe\u0308", "in one character: train with --normalize nfc"),
        ("Zoe\u0308", "Zo\u00eb", "as characters of their own: train with --normalize nfc"),
        ("abc", "x", "vocabulary of 3 characters$"),
    ],
)
def test_an_unknown_character_is_answered_with_what_mends_it(
    characters: str, word: str, advice: str
) -> None:
    with pytest.raises(VocabularyError, match=advice):
        Vocabulary(characters).encode_words([word])
