"""One symbol a byte: which bytes are written so, and as what."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from makemore.data.doubling import ACCENTED, TwoByteLetters, double_accented
from makemore.data.holdout import Bytes


def doubled(data: bytes, highest: str) -> list[str] | None:
    """Return the characters of UTF-8 text, each as often as it has bytes.

    Return None where it is no UTF-8 or a character is above ``highest``.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return None if max(text) > highest else [c for c in text for _ in c.encode()]


def written_as(symbols: Bytes | None, characters: Sequence[str]) -> list[str] | None:
    """Return the characters that symbols stand for, where there are symbols."""
    return None if symbols is None else [characters[symbol] for symbol in symbols.tolist()]


def bytes_of(values: bytes) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=8).map(bytes)


@given(bytes_of(b"\x00az\n\x7f\x80\xbf\xc0\xc1\xc2\xc3\xc4\xff"))
@settings(max_examples=2000, deadline=None)
def test_bytes_are_doubled_only_where_they_are_utf_8_below_256(data: bytes) -> None:
    assert written_as(double_accented(data), ACCENTED) == doubled(data, "\xff")


@given(st.lists(bytes_of(b"\x00a\n\x80\xbf\xc1\xc2\xc5\xdf\xe0\xff"), min_size=1, max_size=4))
@settings(max_examples=2000, deadline=None)
def test_letters_are_doubled_only_where_none_has_more_than_two_bytes(blocks: list[bytes]) -> None:
    letters = TwoByteLetters()
    for data in blocks:
        assert written_as(letters.double(data), letters.characters) == doubled(data, "\u07ff")


def test_every_pair_of_bytes_is_judged_as_python_judges_it() -> None:
    for first in range(256):
        letters = TwoByteLetters()  # of which one first byte has at most 64
        for second in range(256):
            data = bytes([first, second, ord("\n")])
            assert written_as(double_accented(data), ACCENTED) == doubled(data, "\xff")
            symbols = letters.double(data)
            assert written_as(symbols, letters.characters) == doubled(data, "\u07ff")


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
