"""Tables of words: one column holds the words, another may say how often each counts.

A row becomes a line that holds its word. The header, rows of weight 0, rows without any text and
the further lines of a row that quotes a line end become blank lines, so that line numbers stay as
they are. A word of weight k counts as k lines of a plain list.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from makemore.data.text import Lines
from makemore.errors import CorpusError, OptionError, shown

MAX_WEIGHT = 1 << 53
"""The largest weight: floating-point numbers are exact up to it."""

WEIGHTS_AS = ("count", "log", "distinct")

MAX_TOTAL = 1 << 58
"""The maximum of weights times symbols: counts have 63 bits, and NFKC makes text longer."""

SEPARATOR_LINE = re.compile(r'"?sep=([\t;,|])"?\n?')
"""A line above the rows that tells Excel their delimiter."""

_DELIMITERS = "\t;,|"  # in this order: a decimal comma may stand between semicolons
_ROWS = 1 << 14  # in a block
_MAX_LINES = 1 << 14  # of a row: quotes that do not match could make one of a whole table


@dataclass(frozen=True)
class Columns:
    r"""Which columns of a table to read, and how.

    Parameters
    ----------
    word, weight : str
        The columns of the words and of their weights, each by its number from 1 or by its title in
        the first line. Without ``weight`` each row counts once. A first line whose weight begins
        with a letter also holds titles, and is left out.
    delimiter : str
        One character, "tab" or "space". Without it, the first of tab, ; , and | that stands in a
        file's first line. With "space", a word after its weight takes the rest of its line, quotes
        and spaces at its end included, as ``uniq -c`` prints it. Spaces at its beginning belong to
        it if the first count is padded, so that ``uniq -c`` has written the lines.
    weights_as : str
        "count": a weight of k counts as k lines. "log": as 1 + log2(k), rounded down. "distinct":
        each distinct word counts once, however many rows have it; that takes 8 bytes of memory for
        each, and up to 20 for a moment.

    Raises
    ------
    OptionError
        A value is no text, a column's number is 0, the delimiter is not one character, or
        ``weights_as`` is unknown.
    """

    word: str
    weight: str = ""
    delimiter: str = ""
    weights_as: str = "count"

    def __post_init__(self) -> None:
        for name, text in vars(self).items():
            if not isinstance(text, str):
                raise OptionError(f"{name} is {text!r}: expected text, such as '1' for column 1")
        for name, column in (("column", self.word), ("weights", self.weight)):
            if _is_number(column) and int(column) == 0:
                raise OptionError(f"--{name} is {column}: columns are numbered from 1")
        if not self.word:
            raise OptionError("--column is empty: give its number or its title")
        if len(self._character) > 1 or self._character in ("\n", "\r", '"', "\ufeff"):
            raise OptionError(
                f"--delimiter is '{shown(self.delimiter)}': expected one character, tab or space"
            )
        if self.weights_as not in WEIGHTS_AS:
            raise OptionError(
                f"--weights-as is {shown(self.weights_as)} and must be one of"
                f" {', '.join(WEIGHTS_AS)}"
            )
        if self.weights_as != "count" and not self.weight:
            raise OptionError(f"--weights-as {self.weights_as} needs --weights, the column of them")

    @property
    def has_header(self) -> bool:
        """Whether the first line must hold titles, since one of them names a column."""
        return not all(map(_is_number, filter(None, (self.word, self.weight))))

    @property
    def _character(self) -> str:
        named = {"tab": "\t", r"\t": "\t", "space": " "}
        return named.get(self.delimiter, self.delimiter)

    def delimiter_of(self, line: str) -> str:
        """Return the delimiter of a table with this first line."""
        found = (character for character in _DELIMITERS if character in line)
        return self._character or next(found, ",")

    def describe(self) -> str:
        """Return the columns in words."""
        if not self.weight:
            return f"column {shown(self.word)}"
        how = {"count": "weighted by", "log": "weighted by the logarithm of", "distinct": "once by"}
        return f"column {shown(self.word)} {how[self.weights_as]} column {shown(self.weight)}"


class _Place(NamedTuple):
    """The indices of the word and of its weight in a row.

    Between spaces, a word after its weight takes the rest of its line.
    """

    word: int
    weight: int | None
    takes_rest: bool


def read_table(
    texts: Iterable[str], columns: Columns, name: str, max_total: int = MAX_TOTAL
) -> Iterator[Lines]:
    """Yield the words of a table with their weights, a line for each of its lines.

    Parameters
    ----------
    texts : iterable of str
        One source in blocks of whole lines.
    columns : Columns
    name : str
        What messages call the source.
    max_total : int
        The maximum of weights times symbols.

    Blank lines above the first row are no rows, nor is a ``SEPARATOR_LINE``. Raises
    ``CorpusError``, which names the line, for a row without its word or with a weight that is not a
    whole number up to ``MAX_WEIGHT``, for quotes that do not match, unless the delimiter is a tab,
    and for cells that are too long.
    """
    lines = _BlockLines(texts)
    table = _Table(columns, name, max_total)
    before = 0
    try:
        for row in _rows(lines, columns, name):
            table.add(row, before + 1, len(lines.row))
            before += len(lines.row)
            lines.row = []
            if len(table.words) >= _ROWS or lines.are_taken:
                yield table.taken()
    except csv.Error as error:
        why, cure = str(error), "fix its quotes, or name another --delimiter"
        if sum(map(len, lines.row)) > csv.field_size_limit():
            why = f"a cell has over {csv.field_size_limit():,} characters"
            cure = "fix its quotes, or take the column out"
        if len(lines.row) > _MAX_LINES:
            why, cure = f"it has over {_MAX_LINES:,} lines", "fix its quotes"
        raise _error(name, before + 1, f"this row is not CSV ({why}): {cure}") from None
    if table.words:
        yield table.taken()


def _rows(lines: "_BlockLines", columns: Columns, name: str) -> Iterator[list[str]]:
    """Yield the cells of each row; its lines are those in ``lines.row``.

    In a table with tabs, quotes often are ordinary characters: in a row that is not valid CSV, and
    in one whose lines look like rows themselves, each line above the last is read alone, without
    quotes if it is not valid either. In other tables a row that is not valid raises ``csv.Error``.
    """
    above, separator = 0, ""
    for first in lines:
        if named := SEPARATOR_LINE.fullmatch(first):
            separator = named[1]
        elif first.strip():
            break
        above += 1
        yield []
    else:
        return
    delimiter = columns.delimiter_of(separator or first)
    lines.put_back([first])
    if delimiter == " ":
        titles = []
        if columns.has_header:
            titles = next(csv.reader([first], delimiter=" ", skipinitialspace=True))
        place = _place_of(columns, titles, name, above + 1)
        if place.takes_rest:
            if columns.has_header:
                next(lines)
                yield titles
            yield from _counted_rows(lines, place.word)
            return
    while True:
        try:
            for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True):
                if delimiter == "\t" and _are_rows(lines.row, row):
                    raise csv.Error("each of its lines is a row")
                yield row
            return
        except csv.Error:
            if delimiter != "\t":
                raise
        # A line that leaves a quote open would end in the same fault: each is read only once more.
        alone = lines.row[:-1] or lines.row
        lines.put_back(lines.row[len(alone) :])
        for line in alone:
            lines.row = [line]
            yield _row_of_line(line)


def _row_of_line(line: str) -> list[str]:
    """Return the cells of a line between tabs, with its quotes if it is not valid CSV."""
    try:
        return next(csv.reader([line], delimiter="\t", skipinitialspace=True, strict=True))
    except csv.Error:
        return [cell.lstrip(" ") for cell in line.removesuffix("\n").split("\t")]


def _are_rows(lines: list[str], row: list[str]) -> bool:
    """Return whether each of the lines of a ``row`` could be one: they have its tabs, or more."""
    tabs = lines[0].count("\t")
    return (
        len(lines) > 1
        and 0 < tabs >= len(row) - 1
        and {line.count("\t") for line in lines} == {tabs}
    )


def _counted_rows(lines: "_BlockLines", word: int) -> Iterator[list[str]]:
    """Yield the cells of each line; the cell at index ``word`` takes the rest of the line.

    Where ``uniq -c`` has written the lines, one space follows a count, and further ones are the
    word's. Its first count is padded with spaces, or has the width to which it pads.
    """
    gap = ""
    for line in lines:
        cells = line.strip("\n").lstrip(" ")
        if not gap and cells:
            is_padded = line.startswith(" ") or re.match(r"\d{7}", line)
            gap = " " if is_padded and word == 1 else " +"
        yield re.split(gap, cells, maxsplit=word) if cells else []


class _BlockLines(Iterator[str]):
    """The lines of blocks of text.

    Attributes
    ----------
    row : list of str
        The lines taken since it was last emptied.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = iter(texts)
        self._waiting: list[str] = []
        self.row: list[str] = []

    @property
    def are_taken(self) -> bool:
        """Whether no line of the last block is left, and the next one may not come soon."""
        return not self._waiting

    def put_back(self, lines: list[str]) -> None:
        """Take lines back to give them again, and empty the row."""
        self._waiting += lines[::-1]
        self.row = []

    def __next__(self) -> str:
        while not self._waiting:
            texts = next(self._texts).split("\n")[-2::-1]  # the last line first
            self._waiting = [text + "\n" for text in texts]
        self.row.append(self._waiting.pop())
        if len(self.row) > _MAX_LINES:
            raise csv.Error
        return self.row[-1]


class _Table:
    """The words and weights of the rows of a block."""

    def __init__(self, columns: Columns, name: str, max_total: int) -> None:
        self._columns, self._max_total = columns, max_total
        self._name = name
        self._place = None if columns.has_header else _place_of(columns, [], name, 1)
        self._first_line: int | None = None
        self._total = 0
        self.words: list[str] = []
        self._weights: list[int] = []

    def add(self, row: list[str], line: int, lines: int) -> None:
        """Add the row that begins at ``line`` and takes ``lines`` lines."""
        word, weight = "", 0
        if not "".join(row).strip():  # as a spreadsheet exports its empty rows
            row = []
        is_first = bool(row) and self._first_line is None
        if is_first:
            self._first_line = line
        if row and self._place is None:
            self._place = _place_of(self._columns, row, self._name, line)
        elif row and self._place and not (is_first and _has_titles(row, self._place)):
            word, weight = self._cells(row, self._place, line)
        self.words.append(word if weight else "")
        self._weights.append(weight if word else 0)
        if lines > 1:
            self.words += [""] * (lines - 1)
            self._weights += [0] * (lines - 1)
        self._total += weight * (len(word) + 1)
        if self._total > self._max_total:
            fault = "the weights add up to more than can be counted: use --weights-as log"
            raise _error(self._name, line, fault)

    def taken(self) -> Lines:
        """Return the lines of the block, and begin the next one."""
        text = "\n".join([*self.words, ""])
        weights = np.array(self._weights, np.int64) if self._columns.weight else None
        self.words, self._weights = [], []
        return Lines(text, weights)

    def _cells(self, row: list[str], place: _Place, line: int) -> tuple[str, int]:
        """Return the word of a row and its weight."""
        if place.word >= len(row):
            raise self._missing("word", place.word, row, line)
        word = row[place.word]
        if not place.takes_rest:
            word = word.rstrip()
        if "\n" in word:
            fault = f"the word '{shown(word[:40])}' holds a line end: expected one word a row"
            raise _error(self._name, line, fault)
        if place.weight is None:
            return word, 1
        if place.weight >= len(row):
            raise self._missing("weight", place.weight, row, line)
        return word, self._weight(row[place.weight].strip(), line)

    def _weight(self, cell: str, line: int) -> int:
        if cell.isdecimal() and cell.isascii() and len(cell) < 20 and int(cell) <= MAX_WEIGHT:
            k = int(cell)
            if self._columns.weights_as == "distinct":
                return min(k, 1)
            return k.bit_length() if self._columns.weights_as == "log" else k
        expected = "expected a whole number up to 2**53 as the weight, found"
        fault = f"{expected} '{shown(cell[:40])}'" if cell else "the weight is missing"
        titles = ""
        if line == self._first_line and not self._columns.has_header:
            titles = ": if this line holds titles, name the columns by them"
        raise _error(self._name, line, fault + titles)

    def _missing(self, what: str, column: int, row: list[str], line: int) -> CorpusError:
        found = f"{len(row)} column" + "s" * (len(row) != 1)
        advice = "name the right column, or what stands between them by --delimiter"
        fault = f"expected the {what} in column {column + 1}, found {found}: {advice}"
        return _error(self._name, line, fault)


def _error(name: str, line: int, fault: str) -> CorpusError:
    return CorpusError(f"{shown(name)}, line {line:,}: {fault}")


def _has_titles(row: list[str], place: _Place) -> bool:
    """Return whether the weight in a first row begins with a letter and so is a title."""
    weight = "" if place.weight is None else "".join(row[place.weight : place.weight + 1])
    return weight.lstrip()[:1].isalpha()


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10


def _place_of(columns: Columns, titles: list[str], name: str, line: int) -> _Place:
    """Return the places of word and weight. Raises ``CorpusError`` for an unknown title."""

    def position(column: str) -> int:
        """Return the index of a column."""
        if _is_number(column):
            return int(column) - 1
        stripped = [title.strip() for title in titles]
        count = stripped.count(column)
        if count == 1:
            return stripped.index(column)
        if count:
            fault = f"{count} columns have the title '{shown(column)}'"
            advice = (
                "give them different titles, or remove this line and give the number of a column"
            )
        else:
            found = ", ".join(shown(title[:40]) for title in stripped[:20])
            fault = f"expected the title '{shown(column)}', found {found}"
            advice = "give a title, or the number of a column"
        raise _error(name, line, f"{fault}: {advice}")

    word, weight = position(columns.word), position(columns.weight) if columns.weight else None
    is_after = weight is not None and weight < word
    return _Place(word, weight, is_after and columns.delimiter_of("") == " ")
