"""UTF-8 text as one symbol a byte, without decoding it.

An ASCII character is its own symbol, and a letter of two bytes gives one symbol twice. The pairs of
neighbouring symbols are then those of the text and, for each such letter, one of it with itself,
which ``undoubled`` takes away. NumPy does each step on many bytes at once, in a fraction of the
time that decoding takes.
"""

import numpy as np
import numpy.typing as npt

from makemore.data.holdout import Bytes
from makemore.data.tables import look_up

_ASCII, _NARROW = 128, 256
_UNKNOWN = 0xFF

ACCENTED = "".join(chr(i if i < _ASCII else i ^ 0x40) for i in range(_NARROW))
"""The characters of the symbols that ``double_accented`` gives."""


def double_accented(text: bytes) -> Bytes | None:
    r"""Return UTF-8 text with one symbol in place of both bytes of each accented letter.

    The symbol is the code point with bit 0x40 flipped: of U+00C0 to U+00FF, which are most of
    them, this is the second byte. Return None where a character is not below 256, or ``text``,
    which is not empty, is no UTF-8.

    >>> bytes(double_accented("Zoë".encode()))
    b'Zo\xab\xab'
    """
    data = np.frombuffer(text, np.uint8)
    if data.max() > 0xC3 or b"\xc0" in text or b"\xc1" in text:  # those two begin no character
        return None
    is_lead = (data >= 0xC0).view(np.uint8)
    is_second = _is_second(data)
    if is_second[0] or is_lead[-1] or not np.array_equal(is_lead[:-1], is_second[1:]):
        return None
    if b"\xc2" in text:  # its letters, U+0080 to U+00BF, have the same second bytes
        data = data.copy()
        data[1:] ^= (data[:-1] == 0xC2).view(np.uint8) << np.uint8(6)
    symbols = data.copy()
    change = data[:-1] ^ data[1:]  # what makes of a byte the one after it
    change *= is_lead[:-1]
    symbols[:-1] ^= change
    return symbols


class TwoByteLetters:
    r"""Symbols for the first 127 different letters of two bytes: those from U+0080 to U+07FF.

    Attributes
    ----------
    characters : list of str
        Those of the symbols: ASCII, then the letters that were found.
    are_too_many : bool
        Whether a letter was found and no symbol was left. From then on no text is doubled: looking
        for more such letters in each block would take longer than is gained by the other blocks.

    Examples
    --------
    >>> letters = TwoByteLetters()
    >>> bytes(letters.double("Łódź\n".encode()))
    b'\x80\x80\x81\x81d\x82\x82\n'
    >>> letters.characters[0x80:]
    ['Ł', 'ó', 'ź']
    """

    def __init__(self) -> None:
        self.characters = [chr(i) for i in range(_ASCII)]
        self.are_too_many = False
        self._symbols = _symbols_without_letters()

    def double(self, text: bytes) -> Bytes | None:
        """Return UTF-8 text with one symbol in place of both bytes of each letter.

        Return None where a character has more bytes, where letters are too many, or where ``text``,
        which is not empty, is no UTF-8.
        """
        data = np.frombuffer(text, np.uint8)
        if self.are_too_many or data.max() > 0xDF or 0x80 <= data[0] < 0xC0:
            return None
        # each byte with the next one; after the last one no letter can be unfinished
        windows = np.ndarray((len(data),), "<u2", text + b"\n", strides=(1,))
        symbols = look_up(self._symbols, windows)
        if symbols.max() == _UNKNOWN:
            if not self._learn(windows[symbols == _UNKNOWN]):
                return None
            symbols = look_up(self._symbols, windows)
        symbols[1:] |= symbols[:-1] * _is_second(data[1:])
        return symbols

    def _learn(self, windows: npt.NDArray[np.uint16]) -> bool:
        """Give the letters in ``windows`` symbols; return whether all are letters and have one."""
        for window in np.unique(windows).tolist():
            try:
                letter = window.to_bytes(2, "little").decode()
            except UnicodeDecodeError:
                return False
            self.are_too_many = len(self.characters) == _UNKNOWN
            if self.are_too_many:
                return False
            self._symbols[window] = len(self.characters)
            self.characters.append(letter)
        return True


def undoubled(pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the pair counts of a text from those of its symbols, both as (x + 256 * y)."""
    square = pairs.reshape(_NARROW, _NARROW).copy()
    letters = np.arange(_ASCII, _NARROW)
    square[letters, letters] -= square[letters].sum(axis=1) // 2  # each stands twice
    return square.ravel()


def _is_second(data: Bytes) -> Bytes:
    """Return 1 for each byte that continues a character, 80 to BF, and 0 for the others."""
    return (data.view(np.int8) < -0x40).view(np.uint8)


def _symbols_without_letters() -> Bytes:
    """Return the symbol of each byte x followed by a byte y, at x + 256 * y, shape (65536,).

    It is x itself in ASCII and 0 for the second byte of a letter. For its first byte, before any
    letter has a symbol, and where no UTF-8 text has x before y, it is ``_UNKNOWN``.
    """
    x, y = np.arange(_NARROW), np.arange(_NARROW)[:, None]
    y_is_second = (y >= 0x80) & (y < 0xC0)
    symbols = np.where(x < 0x80, x, np.where(x < 0xC0, 0, _UNKNOWN))
    return np.where(y_is_second, _UNKNOWN, symbols).astype(np.uint8).ravel()
