"""Text of one and two bytes a character: which is counted, and as what."""

import itertools
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makemore.data import cells
from makemore.data.cells import TwoBytePairs

LEADS = range(0xC2, 0xE0)
ALPHABETS = {
    "French": "abcéèçÀ«»",
    "Polish": "abcąćęłńóśźżŁŻ",
    "Romanian": "abcăâîșțȘ",
    "Azerbaijani": "abcəşçğöü",
    "Russian": "абвгдеёжзийя",
    "Greek": "βδλάέώΩabc",
    "Hebrew": "אבגדהוז",
    "Arabic": "ابتثجحخد",
    "six blocks": "a\x80ÀĀŀ\u0400\u07ff",
}


def counted(pairs: TwoBytePairs) -> Counter[tuple[str, str]]:
    square, characters = pairs.table()
    found = zip(*(places.tolist() for places in np.nonzero(square)), strict=True)
    return Counter({(characters[x], characters[y]): int(square[y, x]) for y, x in found})


def pairs_of(text: str) -> Counter[tuple[str, str]]:
    return Counter(itertools.pairwise("\n" + text))


def without_blank(pairs: Counter[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """Leave out line feeds after line feeds: who counts may add some."""
    return Counter({pair: n for pair, n in pairs.items() if pair != ("\n", "\n")})


def first_bytes(text: str) -> set[int]:
    return {c.encode()[0] for c in text if c > "\x7f"}


def can_be_counted(data: bytes) -> bool:
    """Return whether it is text of one and two bytes a character, and six first bytes at most."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return False
    return max(text) < "\u0800" and "\x7f" not in text and len(first_bytes(text)) <= 6


def lines_of(values: bytes) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(values), max_size=12).map(lambda line: bytes([*line, 10]))


@pytest.mark.parametrize("alphabet", ALPHABETS.values(), ids=ALPHABETS)
@given(st.data())
@settings(max_examples=100, deadline=None)
def test_pairs_of_an_alphabet_are_counted(alphabet: str, data: st.DataObject) -> None:
    texts = st.lists(st.text(alphabet + "\n", max_size=20).map(lambda text: text + "\n"))
    pairs, expected = TwoBytePairs(), Counter[tuple[str, str]]()
    for text in data.draw(texts):
        assert pairs.add(text.encode())
        expected += pairs_of(text)
    assert without_blank(counted(pairs)) == without_blank(expected)


@given(lines_of(b"\x00az\n\x7f\x80\xbf\xc0\xc1\xc2\xc3\xc4\xdf\xe0\xf8\xff"))
@settings(max_examples=3000, deadline=None)
def test_bytes_are_counted_only_where_they_are_such_text(data: bytes) -> None:
    pairs = TwoBytePairs()
    assert pairs.add(data) == can_be_counted(data)
    expected = pairs_of(data.decode()) if can_be_counted(data) else Counter[tuple[str, str]]()
    assert without_blank(counted(pairs)) == without_blank(expected)


@pytest.mark.parametrize("before", [b"", b"a", "é".encode(), "aé".encode()])
def test_every_two_bytes_are_judged_as_python_judges_them(before: bytes) -> None:
    for first in range(256):
        pairs = TwoBytePairs()
        for second, after in itertools.product(range(256), (b"\n", b"b\n")):
            data = before + bytes([first, second]) + after
            assert pairs.add(data) == can_be_counted(data)


def test_what_is_refused_changes_no_count_of_what_is_not() -> None:
    draw = random.Random(5)
    for _ in range(60):
        letters = [chr((lead & 0x1F) << 6 | draw.randrange(64)) for lead in draw.sample(LEADS, 9)]
        pairs, expected = TwoBytePairs(), Counter[tuple[str, str]]()
        answers = set()
        for _ in range(15):
            alphabet = [*"ab\n", *draw.sample(letters, draw.randint(0, 8))]
            data = bytearray("".join(draw.choices(alphabet, k=draw.randint(0, 40))).encode())
            if data and draw.random() < 0.3:
                data[draw.randrange(len(data))] = draw.randrange(256)
            data += b"\n"
            if draw.random() < 0.2:
                pairs.make_room(bytes(data))
            known = pairs._characters()
            answer = pairs.add(bytes(data))
            answers.add(answer)
            if answer:
                expected += pairs_of(data.decode())
            else:
                assert (
                    not can_be_counted(bytes(data)) or len(first_bytes(data.decode() + known)) > 6
                )
            if draw.random() < 0.2:
                assert without_blank(counted(pairs)) == without_blank(expected)
        assert answers == {True, False}
        assert without_blank(counted(pairs)) == without_blank(expected)


def test_every_letter_is_counted_at_even_and_at_odd_places() -> None:
    for lead in LEADS:
        letters = "".join(chr((lead & 0x1F) << 6 | i) for i in range(64))
        for text in (
            f"{letters}\n",
            f"a{letters}b\n",
            "".join(f"{c}x{c}yz" for c in letters) + "\n",
        ):
            pairs = TwoBytePairs()
            assert pairs.add(text.encode())
            assert without_blank(counted(pairs)) == pairs_of(text)


def test_a_text_with_a_seventh_first_byte_is_not_counted() -> None:
    pairs = TwoBytePairs()
    six = [f"a{chr((lead & 0x1F) << 6)}\n" for lead in LEADS[:6]]
    for text in six:
        assert pairs.add(text.encode())
    expected = pairs_of("".join(six))
    assert counted(pairs) == expected
    for seventh in (f"a{chr((lead & 0x1F) << 6)}\n" for lead in LEADS[6:]):
        assert not pairs.add((six[0] + seventh).encode())
        assert pairs.make_room((seventh + six[0]).encode()) == [*seventh.encode()[1:2]]
    assert counted(pairs) == expected
    assert pairs.add("".join(six).encode())  # but what is known is still counted


def test_the_most_frequent_first_bytes_have_a_place_where_not_all_can() -> None:
    letters = [chr((lead & 0x1F) << 6) for lead in LEADS[:9]]
    text = "".join(letter * (1 + i % 5) for i, letter in enumerate(letters)) + "\n"
    pairs = TwoBytePairs()
    assert not pairs.add(text.encode())
    excess = pairs.make_room(text.encode())
    assert sorted(excess) == [letters[i].encode()[0] for i in (0, 5, 6)]
    assert not counted(pairs)
    for i, letter in enumerate(letters):
        assert pairs.add(f"{letter}\n".encode()) == (i not in (0, 5, 6))


def test_a_first_byte_of_no_letter_takes_no_place() -> None:
    pairs = TwoBytePairs()
    for lead in (0xC0, 0xC1):
        assert not pairs.add(bytes([lead, 0x80, 10]))
    for lead in LEADS[:6]:
        assert pairs.add(bytes([lead, 0x80, 10]))
    for lead in (0xC0, 0xC1):
        assert not pairs.add(bytes([lead, 0x80, 10]))


def test_all_characters_with_six_first_bytes_have_codes_of_their_own() -> None:
    draw = random.Random(7)
    sets = [draw.sample(LEADS, number) for number in range(7) for _ in range(60)]
    for leads in [*sets, list(LEADS[:6]), list(LEADS[-6:])]:
        codes = cells._codes(leads, cells._factor(leads))
        assert len(codes) == 128 + 64 * len(leads)
        assert len(set((codes >> 7).tolist())) == len(codes)


def test_counts_are_moved_before_they_can_overflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "_FEW_COUNTED", 60)  # in the first table
    monkeypatch.setattr(cells, "_MAX_COUNTED", 100)
    pairs = TwoBytePairs()
    words = "éééé\n" * 3
    most = []
    for _ in range(50):
        assert pairs.add(words.encode())
        assert pairs._triples is not None
        most.append(2 * int(pairs._triples.sum()))
    assert not pairs.add(b"a" * 98 + "é\n".encode())  # of itself one byte more than the limit
    assert 0 < max(most[:2]) <= 60
    assert 60 < max(most) <= 100
    assert most[2:].count(min(most)) <= 50 / 3 + 1  # three blocks of 27 bytes are in each table
    assert counted(pairs)["é", "é"] == 50 * 3 * 3
