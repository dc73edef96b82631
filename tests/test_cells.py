"""Text of one to three bytes a character: which is counted, and as what."""

import itertools
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from makemore.counting import cells
from makemore.counting.cells import CellPairs, LeftOut

BLOCKS = [*range(0x02, 0x360), *range(0x380, 0x400)]
"""Of characters of two and three bytes: their code points without the lowest six bits."""

ALPHABETS = {
    "French": "abcéèçÀ«»\u2019",
    "Polish": "abcąćęłńóśźżŁŻ",
    "Romanian": "abcăâîșțȘ",
    "Azerbaijani": "abcəşçğöü",
    "Vietnamese": "abcàăđõơưạếộỹ",
    "Russian": "абвгдеёжзийя",
    "Greek": "βδλάέώΩabc",
    "Hebrew": "אבגדהוז",
    "Arabic": "ابتثجحخد",
    "Hindi": "कखगज़ािीु्a",
    "Thai": "กขคงจะาเแ",
    "Hiragana": "あいうえおがぎぐ、。",
    "six blocks": "a\x80ÀĀŀ\u0400\u07ff",
    "six blocks of three bytes": "a\u0800\u0841\u10c2\u20bf\ud7ff\uffff",
}


COUNTED = LeftOut(b"", "")


def counted(pairs: CellPairs) -> Counter[tuple[str, str]]:
    square, characters = pairs.table()
    found = zip(*(places.tolist() for places in np.nonzero(square)), strict=True)
    return Counter({(characters[x], characters[y]): int(square[y, x]) for y, x in found})


def pairs_of(text: str) -> Counter[tuple[str, str]]:
    return Counter(itertools.pairwise("\n" + text))


def without_blank(pairs: Counter[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """Leave out line feeds after line feeds: who counts may add some."""
    return Counter({pair: n for pair, n in pairs.items() if pair != ("\n", "\n")})


def blocks_of(text: str) -> set[int]:
    return {ord(c) >> 6 for c in text if c > "\x7f"}


def can_be_counted(data: bytes) -> bool:
    """Return whether it is text in six blocks that do not share their lowest six bits."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return False
    blocks = blocks_of(text)
    has_room = len(blocks) <= 6 and len({block & 63 for block in blocks}) == len(blocks)
    return has_room and max(text) < "\U00010000" and not {"\x00", "\x7f"} & set(text)


def lines_of(values: bytes) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(values), max_size=12).map(lambda line: bytes([*line, 10]))


@pytest.mark.parametrize("alphabet", ALPHABETS.values(), ids=ALPHABETS)
@given(st.data())
@settings(max_examples=100, deadline=None)
def test_pairs_of_an_alphabet_are_counted(alphabet: str, data: st.DataObject) -> None:
    texts = st.lists(st.text(alphabet + "\n", max_size=20).map(lambda text: text + "\n"))
    pairs, expected = CellPairs(), Counter[tuple[str, str]]()
    for text in data.draw(texts):
        assert pairs.add(text.encode()) == COUNTED
        expected += pairs_of(text)
    assert without_blank(counted(pairs)) == without_blank(expected)


@given(
    lines_of(b"\x00az\n\x7f\x80\xbf\xc0\xc1\xc2\xc3\xc4\xdf\xe0\xe1\xed\xef\xf0\xf8\xff")
    | lines_of(b"a\n\xe0\xa0\xed\x9f\xef\x80\xbf\xc3")
)
@settings(max_examples=3000, deadline=None)
def test_bytes_are_counted_only_where_they_are_such_text(data: bytes) -> None:
    pairs = CellPairs()
    is_counted = pairs.add(data) is not None
    assert is_counted == can_be_counted(data)
    expected = pairs_of(data.decode()) if is_counted else Counter[tuple[str, str]]()
    assert without_blank(counted(pairs)) == without_blank(expected)


@pytest.mark.parametrize("before", ["", "a", "é", "aé", "ế", "aế"])
def test_every_two_bytes_are_judged_as_python_judges_them(before: str) -> None:
    for first in range(256):
        pairs = CellPairs()
        for second, after in itertools.product(range(256), (b"\n", b"b\n")):
            data = before.encode() + bytes([first, second]) + after
            assert (pairs.add(data) == COUNTED) == can_be_counted(data)


@pytest.mark.parametrize("before", ["", "a", "é", "ế"])
def test_three_bytes_at_the_edges_are_judged_as_python_judges_them(before: str) -> None:
    edges = [0x0A, 0x41, 0x7F, 0x80, 0x81, 0x9F, 0xA0, 0xBE, 0xBF, 0xC0, 0xC2, 0xE0, 0xF0, 0xFF]
    for first, second, third in itertools.product(range(0xC0, 0x100), edges, edges):
        data = before.encode() + bytes([first, second, third]) + b"\n"
        assert (CellPairs().add(data) == COUNTED) == can_be_counted(data)


def test_what_is_refused_changes_no_count_of_what_is_not() -> None:
    draw = random.Random(5)
    for _ in range(80):
        letters = [chr(block << 6 | draw.randrange(64)) for block in draw.sample(BLOCKS, 9)]
        pairs, expected = CellPairs(), Counter[tuple[str, str]]()
        answers = set()
        for _ in range(15):
            alphabet = [*"ab\n", *draw.sample(letters, draw.randint(0, 8))]
            data = bytearray("".join(draw.choices(alphabet, k=draw.randint(0, 40))).encode())
            if data and draw.random() < 0.3:
                data[draw.randrange(len(data))] = draw.randrange(256)
            data += b"\n"
            known = "".join(chr(block << 6) for block in pairs._blocks)
            is_counted = pairs.add(bytes(data)) == COUNTED
            answers.add(is_counted)
            assert is_counted == can_be_counted(bytes(data) + known.encode() + b"\n" * bool(known))
            if is_counted:
                expected += pairs_of(data.decode())
            if draw.random() < 0.2:
                assert without_blank(counted(pairs)) == without_blank(expected)
        assert answers == {True, False}
        assert without_blank(counted(pairs)) == without_blank(expected)


@pytest.mark.parametrize("block", [*BLOCKS[::25], 0x1F, 0x20, 0x35F, 0x380, 0x3FF])
def test_every_letter_of_a_block_is_counted_wherever_it_stands(block: int) -> None:
    letters = "".join(chr(block << 6 | i) for i in range(64))
    for text in (
        f"{letters}\n",
        f"a{letters}b\n",
        f"é{letters}{letters}\n",
        "".join(f"{c}x{c}yz{c}é" for c in letters) + "\n",
        "".join(f"{c}{c}x{c}{c}{c}yz" for c in letters) + "\n",
    ):
        pairs = CellPairs()
        if "é" in text and block != 0x03 and block & 63 == 0x03:  # the mark of é
            assert pairs.add(text.encode()) is None
            continue
        assert pairs.add(text.encode()) == COUNTED
        assert without_blank(counted(pairs)) == pairs_of(text)


def test_a_text_with_a_seventh_block_is_not_counted() -> None:
    pairs = CellPairs()
    six = [f"a{chr(block << 6)}\n" for block in BLOCKS[:60:10]]
    for text in six:
        assert pairs.add(text.encode()) == COUNTED
    expected = pairs_of("".join(six))
    assert without_blank(counted(pairs)) == without_blank(expected)
    for seventh in (f"a{chr(block << 6)}\n" for block in BLOCKS[1:60:10]):
        assert pairs.add((six[0] + seventh).encode()) is None
    assert without_blank(counted(pairs)) == without_blank(expected)
    assert pairs.add("".join(six).encode()) == COUNTED  # but what is known is still counted


def test_the_most_frequent_blocks_have_a_place_where_few_letters_have_none() -> None:
    letters = [chr(block << 6) for block in BLOCKS[:9]]
    few = "".join(f"{letters[i]}\n" for i in (0, 5, 8))
    text = "".join(letter * 100 + "\n" for letter in letters if letter not in few)
    pairs = CellPairs()
    assert pairs.add((few + text).encode()) == LeftOut(b"", few)
    assert without_blank(counted(pairs)) == without_blank(pairs_of(text))


def test_where_much_would_be_left_no_block_has_a_place() -> None:
    pairs = CellPairs()
    assert pairs.add("".join(f"{chr(block << 6)}\n" for block in BLOCKS[:7]).encode() * 99) is None
    assert pairs.add("".join(f"{chr(block << 6)}\n" for block in BLOCKS[7:13]).encode()) == COUNTED


def test_two_blocks_with_the_same_mark_do_not_both_get_a_place() -> None:
    # U+2080 to U+20BF is block 0x82, and U+0080 to U+00BF is block 2: both would be C2
    pairs = CellPairs()
    assert pairs.add("«five»\n€\n".encode()) is None
    text = "«five»\n" * 1000
    assert pairs.add(f"{text}€\n".encode()) == LeftOut(b"", "€\n")
    assert without_blank(counted(pairs)) == without_blank(pairs_of(text))


def test_blocks_are_sought_again_until_few_letters_are_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cells, "_SAMPLE", 8)
    text = "é\nanna\n" * 9 + "ł\n" * 9 + "я\n" * 9
    pairs = CellPairs()
    assert pairs.add(text.encode()) == COUNTED
    assert without_blank(counted(pairs)) == without_blank(pairs_of(text))


def test_a_rare_letter_takes_no_place() -> None:
    few = "é" * 2 + "\n"
    text = "я" * 3000 + "\n"
    pairs = CellPairs()
    assert pairs.add((few + text).encode()) == COUNTED
    pairs = CellPairs()
    assert pairs.add(("ł\n" + text * 2).encode()) == LeftOut(b"", "ł\n")
    assert without_blank(counted(pairs)) == without_blank(pairs_of(text * 2))


def test_letters_that_can_have_no_place_leave_it_to_others() -> None:
    pairs = CellPairs()
    for block in BLOCKS[:5]:
        assert pairs.add(f"{chr(block << 6)}\n".encode()) == COUNTED
    emoji, thai = "😀\n" * 5, "กขค\n" + "an\n" * 1300
    assert pairs.add((emoji + thai).encode() * 4) == LeftOut(b"", emoji * 4)
    assert without_blank(counted(pairs))["ก", "ข"] == 4


def test_bytes_of_no_letter_take_no_place() -> None:
    pairs = CellPairs()
    wrong = [b"\xc0\x80", b"\xc1\x80", b"\xe0\x80\x80", b"\xed\xa0\x80", "😀".encode(), b"\xff"]
    for data in wrong:
        assert pairs.add(data + b"\n") is None
    for block in BLOCKS[:6]:
        assert pairs.add(chr(block << 6).encode() + b"\n") == COUNTED
    for data in wrong:
        assert pairs.add(data + b"\n") is None


def test_blocks_are_one_run_where_their_letters_differ_in_one_byte_at_the_beginning() -> None:
    # C3 and C4; DF; E0 A0; E1 BA and BB; E1 BF; E2 80
    found = cells._runs([0x1F, 0x20, 0x04, 0x03, 0x7B, 0x7A, 0x80, 0x7F])
    assert found == [
        range(0x03, 0x05),
        range(0x1F, 0x20),
        range(0x20, 0x21),
        range(0x7A, 0x7C),
        range(0x7F, 0x80),
        range(0x80, 0x81),
    ]


def test_all_characters_of_six_blocks_have_codes_of_their_own() -> None:
    draw = random.Random(7)
    every = range(0xC0, 0x100)
    sets = [draw.sample(every, number) for number in range(7) for _ in range(60)]
    for marks in [*sets, list(every[:6]), list(every[-6:])]:
        codes = cells._codes(marks, cells._factor(marks))
        assert len(codes) == 128 + 64 * len(marks)
        assert len(set((codes >> 7).tolist())) == len(codes)


def test_counts_are_moved_before_they_can_overflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "_FEW_COUNTED", 60)  # in the first table
    monkeypatch.setattr(cells, "_MAX_COUNTED", 100)
    pairs = CellPairs()
    words = "éééé\n" * 3
    most = []
    for _ in range(50):
        assert pairs.add(words.encode()) == COUNTED
        assert pairs._triples is not None
        most.append(2 * int(pairs._triples.sum()))
    assert pairs.add(b"a" * 98 + "é\n".encode()) is None  # of itself one byte more than the limit
    assert 0 < max(most[:2]) <= 60
    assert 60 < max(most) <= 100
    assert most[2:].count(min(most)) <= 50 / 3 + 1  # three blocks of 27 bytes are in each table
    assert counted(pairs)["é", "é"] == 50 * 3 * 3
