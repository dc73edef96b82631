"""One symbol a byte: which bytes are written so, and as what."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from makemore.data.doubling import TwoByteLetters, double_accented


@given(
    st.lists(st.sampled_from(b"\x00az\x7f\x80\xbf\xc0\xc1\xc2\xc3\xc4\xff"), max_size=8).map(bytes)
)
@settings(max_examples=2000, deadline=None)
def test_bytes_are_doubled_only_where_they_are_utf_8_below_256(data: bytes) -> None:
    data = data or b"\n"
    symbols = double_accented(data)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        assert symbols is None
        return
    if max(text) > "\xff":
        assert symbols is None
    else:
        assert symbols is not None
        codes = [ord(c) if c.isascii() else ord(c) ^ 0x40 for c in text for _ in c.encode()]
        assert symbols.tolist() == codes


def test_every_pair_of_bytes_is_judged_as_python_judges_it() -> None:
    for first, second in itertools.product(range(256), repeat=2):
        data = bytes([first, second, ord("\n")])
        try:
            is_narrow = max(data.decode()) <= "\xff"
        except UnicodeDecodeError:
            is_narrow = False
        assert (double_accented(data) is not None) == is_narrow


LINES = st.lists(st.sampled_from(b"\x00a\n\x80\xbf\xc1\xc2\xc5\xdf\xe0\xff"), max_size=8).map(
    lambda data: bytes(data) + b"\n"
)


@given(st.lists(LINES, min_size=1, max_size=4))
@settings(max_examples=2000, deadline=None)
def test_letters_are_doubled_only_where_none_has_more_than_two_bytes(blocks: list[bytes]) -> None:
    letters = TwoByteLetters()
    for data in blocks:
        symbols = letters.double(data)
        try:
            text = data.decode()
        except UnicodeDecodeError:
            assert symbols is None
            continue
        if max(text) > "\u07ff":
            assert symbols is None
            continue
        assert symbols is not None
        characters = [letters.characters[symbol] for symbol in symbols.tolist()]
        assert characters == [character for character in text for _ in character.encode()]


def test_every_letter_of_two_bytes_is_found() -> None:
    for first in range(256):
        letters = TwoByteLetters()  # of which one first byte has at most 64
        for second in range(256):
            data = bytes([first, second, ord("\n")])
            try:
                text = data.decode()
            except UnicodeDecodeError:
                text = ""
            symbols = letters.double(data)
            if not text:
                assert symbols is None
            else:
                assert symbols is not None
                characters = [letters.characters[symbol] for symbol in symbols.tolist()]
                assert characters == [c for c in text for _ in c.encode()]


def test_a_text_with_the_128th_letter_ends_the_doubling() -> None:
    letters = TwoByteLetters()
    for code in range(0x400, 0x400 + 127):
        assert letters.double(f"{chr(code)}\n".encode()) is not None
    assert len(set(letters.characters)) == len(letters.characters) == 0xFF
    symbols = letters.double("\u0400\u047e\n".encode())
    assert symbols is not None
    assert symbols.tolist() == [0x80, 0x80, 0xFE, 0xFE, ord("\n")]
    assert not letters.are_too_many
    assert letters.double("\u0500\n".encode()) is None
    assert letters.are_too_many
    assert letters.double("\u0400\u047e\n".encode()) is None


def test_text_with_wider_characters_is_not_doubled() -> None:
    letters = TwoByteLetters()
    assert letters.double("łódź\n日\n".encode()) is None
    assert not letters.are_too_many
