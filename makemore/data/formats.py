"""Recognise lists that do not hold one plain word a line, and say how to mend them.

A list often is something else: a table, words with their counts, a dictionary with flags, JSON.
Each form is found here, with lines that show it and the shell command or the option that mends it.
The form of a whole file shows in its first ``MAX_SAMPLE`` words; HTML entities and text that was
decoded wrongly are looked for in all lines.
"""

import codecs
import csv
import html
import json
import os
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from operator import attrgetter, itemgetter

from makemore.data.compression import PROGRAMS, first_bytes
from makemore.data.corpus import Corpus, options_to_read
from makemore.data.sources import ByteStream, Source, as_argument
from makemore.data.table import SEPARATOR_LINE, Columns, read_table
from makemore.data.text import is_utf_8
from makemore.errors import CorpusError

MAX_SAMPLE = 1000
"""The number of words, the first ones, that show the form of a file."""

MAX_EXAMPLES = 5
MAX_LISTED = 1 << 12
"""The number of characters of each of these words that are looked at."""

MAX_CASED_LINES = 1 << 17
"""The number of lines, the first ones, in which words that differ only in case are looked for."""

_HEAD = 1024  # bytes that show whether a file is plain
_MOST = 0.9
_MAX_CUT_ROW = 32  # in lines; a quote that opens more of them rather is a fault
_MAX_CASED_WORD = 32  # in characters, which bounds the memory for words
_MIN_ITEMS = 3  # a line of fewer parts may be one word
_MIN_SPACED_ITEMS = 10  # a word may hold spaces, but not so many
_TITLES = frozenset(
    "name names first_name firstname last_name lastname full_name given_name surname word words"
    " lemma term token text title label id smiles canonical_smiles domain city country company"
    " product".split()
)
_NUMBER = re.compile(r"[-+]?\d[\d.,]*%?")
_IDENTIFIER = re.compile(r"[A-Za-z]{0,12}[-_:]?\d+")
_ATOM = r"(?:\[[^\[\]]+\]|Br|Cl|[BCNOPSFIbcnops*])"
_MOLECULE = re.compile(rf"{_ATOM}(?:{_ATOM}|[-=#$:/\\.()]|\d|%\d\d)*(?!\S)")  # by OpenSMILES
_BOND = re.compile(r"[=#(\[]")  # in most molecules, and not in a code such as C12-N3
_SMILES_OPTION = "--symbols smiles"
_ENTITY = re.compile(r"&(?:[A-Za-z]\w{1,31}|#\d{1,7}|#[xX][0-9A-Fa-f]{1,6});")

Words = Sequence[tuple[int, str]]
"""Words with the numbers of their lines, from 1."""


@dataclass(frozen=True)
class Finding:
    """A form that a list of plain words does not have.

    Attributes
    ----------
    what : str
        The form, such as "words in quotes".
    lines : int
        The number of lines that have it, of those that were looked at.
    examples : tuple of (int, str)
        Line numbers from 1, over all sources, and lines; at most ``MAX_EXAMPLES``.
    commands : tuple of str
        Shell commands, each a filter from stdin to stdout, that mend it one after the other.
    option : str
        The options of ``makemore train`` that mend it; empty if only a command does.
    looked_at : int
        The number of lines, the first ones, that were looked at.
    """

    what: str
    lines: int
    examples: tuple[tuple[int, str], ...]
    commands: tuple[str, ...] = ()
    option: str = ""
    looked_at: int = 0


@dataclass
class Oddity:
    """Words that share something odd.

    Attributes
    ----------
    words : int
        The number of lines that hold such a word.
    examples : tuple of (int, str)
        Line numbers from 1, over all sources, and words; at most ``MAX_EXAMPLES``.
    """

    words: int = 0
    examples: tuple[tuple[int, str], ...] = ()

    def add(self, line: int, word: str) -> None:
        """Take a word and the number of its line."""
        self.words += 1
        if len(self.examples) < MAX_EXAMPLES:
            self.examples += ((line, word),)

    def finding(self, what: str, looked_at: int, command: str = "", option: str = "") -> Finding:
        """Return the finding that these lines, perhaps none, have a form."""
        commands = (command,) if command else ()
        return Finding(what, self.words, self.examples, commands, option, looked_at)


@dataclass(frozen=True)
class _LineForm:
    """A form that shows in each line: a pattern whose group 1 is the word, and a filter.

    If all lines match ``rows``, and what its group 1 holds can be weights, ``option`` reads them.
    ``suits`` says whether words, perhaps those of a table, may have the form.
    """

    what: str
    pattern: re.Pattern[str]
    share: float  # of the lines that must have it
    command: str
    rows: re.Pattern[str] | None = None
    option: str = ""
    suits: Callable[[Words, bool], bool] = lambda words, is_table: True

    def finding(self, shown: Words, words: Words) -> Finding:
        """Return the finding in the words that are shown, of all words."""
        rows = [self.rows.fullmatch(word) for _, word in words] if self.rows else [None]
        numbers = [row[1] for row in rows if row]
        is_read = len(numbers) == len(rows) and _are_weights(numbers)
        return _finding(self.what, shown, self.command, option=self.option if is_read else "")


def _sed(script: str) -> str:
    return f"sed -E {shlex.quote(script)}"


# ".?" before the end matches the CR of a line that ends with CRLF.
_QUOTED = [
    _LineForm("words in quotes", re.compile(f"{a}(.+){b},?"), 0.5, _sed(f"s/^{a}(.*){b},?.?$/\\1/"))
    for a, b in ('""', "''", "“”", "\u2018\u2019", "„“", "«»", "``")
]
_LINE_FORMS = [
    _LineForm(
        "numbered words or bullets",
        re.compile(r"[ \t]*(?:[-*+•‣\u2013]|\d+[.)])[ \t]+(\S.*)"),
        _MOST,
        _sed("s/^[[:blank:]]*(-|[*]|[+]|•|‣|\u2013|[0-9]+[.)])[[:blank:]]+//"),
    ),
    _LineForm(
        "words after their counts",
        re.compile(r"[ \t]*\d+[ \t]+(\S.*)"),
        _MOST,
        _sed("s/^[[:blank:]]*[0-9]+[[:blank:]]+//"),
        re.compile(r" *(\d+) .*"),
        "--column 2 --weights 1 --delimiter space",
        suits=lambda words, is_table: not is_table and _look_like_counts(words),
    ),
    _LineForm(
        "words before a count or an identifier",
        re.compile(rf"(\S+)[ \t]+{_IDENTIFIER.pattern}"),
        _MOST,
        _sed("s/[[:blank:]]+[A-Za-z]{0,12}[-_:]?[0-9]+[[:space:]]*$//"),
        re.compile(r"[^\s\"]+ +(\d+)"),
        "--column 1 --weights 2 --delimiter space",
    ),
    _LineForm(
        "SMILES before a name",
        re.compile(rf"(?=\S*[=()\[\]#\d])({_MOLECULE.pattern})[ \t]+\S.*"),
        0.5,
        "awk '{print $1}'",
    ),
    _LineForm(
        "the flags of a spelling dictionary",
        re.compile(r"([^\W_][\w'\u2019.-]*)/(?:[A-Z][A-Za-z0-9]{0,15}|\d+(?:,\d+)*)"),
        0.05,
        _sed("s|/.*||"),
    ),
    *_QUOTED,
]


def recognised(words: Words) -> list[Finding]:
    """Return the forms that the first words of a corpus have.

    A word may have several, such as one in quotes after a bullet: the commands remove one after the
    other, in this order.
    """
    found = _json(words) or _one_line(words)
    if found:
        return [found]
    findings: list[Finding] = []
    separator = [(n, line) for n, line in words[:1] if n == 1 and SEPARATOR_LINE.fullmatch(line)]
    words = words[len(separator) :]
    first = words[:1]
    table = _table(words)
    if table:
        words = table.cells
    for form in _LINE_FORMS:
        if not form.suits(words, table is not None):
            continue
        matches = [form.pattern.fullmatch(word) for _, word in words]
        count = sum(map(bool, matches))
        if count > 1 and count >= form.share * len(words):
            shown = [pair for pair, match in zip(words, matches, strict=True) if match]
            finding = form.finding(shown, words)
            if table or findings:  # its option reads whole lines, and not what is in a form
                finding = replace(finding, option="")
            findings.append(finding)
            words = [
                (line, match[1] if match else word)
                for (line, word), match in zip(words, matches, strict=True)
            ]
    is_titled = table is not None and any(map(_has_title, table.columns))
    header = _header(words, is_titled, 2 if separator else 1)
    option = table.option(bool(header)) if table else ""
    if table:
        findings.insert(0, table.finding(option))
    if header:
        findings.append(_finding(header, first, "sed 1d", option=option))
    if separator:
        findings.insert(0, _finding("a separator for Excel", separator, "sed 1d", option=option))
    if molecules := _molecules(words):
        findings.append(_finding("molecules in SMILES", molecules, option=_SMILES_OPTION))
    return findings


def _finding(what: str, shown: Words, *commands: str, option: str = "") -> Finding:
    return Finding(what, len(shown), tuple(shown[:MAX_EXAMPLES]), commands, option)


def _json(words: Words) -> Finding | None:
    """Recognise a list of strings or objects in JSON, and JSON Lines."""
    text = "\n".join(word for _, word in words)
    escape = r'\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})'
    start = re.match(rf'\s*(?:(\[)\s*)?(?:"|(\{{)\s*"((?:[^"\\]|{escape})*)"\s*:)', text)
    if not start or not (start[1] or start[2]):
        return None
    key = json.loads(f'"{start[3]}"', strict=False) if start[2] else None
    item = "item" if key is None else f"item[{key!r}]"
    items = "json.load(sys.stdin)" if start[1] else "map(json.loads, filter(str.strip, sys.stdin))"
    if start[2] and not start[1] and text[start.end() :].lstrip().startswith("["):
        item, items = "item", f"json.load(sys.stdin)[{key!r}]"
    code = f"import json, sys; print(*({item} for item in {items}), sep='\\n')"
    return _finding("JSON", words, f"python3 -c {shlex.quote(code)}")


def _one_line(words: Words) -> Finding | None:
    """Recognise a list that is one line."""
    if len(words) != 1:
        return None
    for separator in ("\t", ";", ",", "|", " "):
        least = _MIN_SPACED_ITEMS if separator == " " else _MIN_ITEMS
        items = _without_entities(words[0][1], separator).split(separator)
        if len(list(filter(str.strip, items))) >= least:
            split = f"tr {_argument(separator)} '\\n'"
            return _finding("all words in one line", words, split, _sed("s/^ +//; s/ +$//"))
    return None


@dataclass(frozen=True)
class _Table:
    """Lines in columns."""

    rows: Words  # all lines that are not cut
    lines: Words  # those that have all columns
    separator: str
    columns: list[tuple[str, ...]]  # the cells of each
    word: int  # the index of the column of words

    @property
    def cells(self) -> Words:
        """The words of the table."""
        cells = self.columns[self.word]
        return [(line, cell.strip()) for (line, _), cell in zip(self.lines, cells, strict=True)]

    def finding(self, option: str) -> Finding:
        """Return the finding, with the commands and the option that read the words."""
        is_quoted = _is_csv(self.rows, self.separator) and any(
            '"' in line for _, line in self.lines
        )
        commands = _column_command(self.separator, self.word, is_quoted)
        what = f"a table of {len(self.columns)} columns"
        return _finding(what, self.lines, *commands, option=option)

    def option(self, has_header: bool) -> str:
        """Return the options that read the words, and the weights if a column may hold some.

        Return nothing if they would read a title as a word, or fail for a line.
        """
        weights = [i for i, cells in enumerate(self.columns) if _are_weights(cells[has_header:])]
        options = (self._option(has_header, weight) for weight in (*weights[-1:], None))
        return next(filter(None, options), "")

    def _option(self, has_header: bool, weight: int | None) -> str:
        """Return the same with the weights of one column."""
        named = {"column": self._name(self.word, has_header)}
        has_weight_title = False
        if weight is not None:
            named["weights"] = self._name(weight, has_header)
            has_weight_title = self.columns[weight][0].strip()[:1].isalpha()
        if has_header and all(map(str.isdecimal, named.values())) and not has_weight_title:
            return ""
        if Columns("1").delimiter_of(self.rows[0][1]) != self.separator:
            named["delimiter"] = self.separator
        columns = Columns(named["column"], named.get("weights", ""), named.get("delimiter", ""))
        if not self._can_be_read(columns):
            return ""
        return " ".join(f"--{name} {shlex.quote(value)}" for name, value in named.items())

    def _can_be_read(self, columns: Columns) -> bool:
        """Return whether training reads all rows."""
        try:
            list(read_table(["".join(f"{row}\n" for _, row in self.rows)], columns, ""))
        except CorpusError:
            return False
        return True

    def _name(self, column: int, has_header: bool) -> str:
        """Return the title of a column, or its number."""
        titles = [cells[0].strip() for cells in self.columns]
        title = titles[column]
        is_name = has_header and title and not title.isdecimal() and titles.count(title) == 1
        return title if is_name else str(column + 1)


def _are_weights(cells: Sequence[str]) -> bool:
    """Return whether all cells are whole numbers that neither count the lines nor are years."""
    cells = [cell.strip() for cell in cells]
    if not all(cell.isascii() and cell.isdecimal() and len(cell) < 16 for cell in cells):
        return False
    numbers = list(map(int, cells))
    is_ascending = all(a < b for a, b in pairwise(numbers)) and len(numbers) > 1
    return not is_ascending and not all(1000 <= number <= 2100 for number in numbers)


def _table(words: Words) -> _Table | None:
    """Recognise lines in columns."""
    for separator in "\t;,|":
        filled = [pair for pair in words if pair[1].strip(f" {separator}")]
        rows = _rows(filled, separator)
        widths = [len(row) for row in rows]
        width = max(set(widths), key=widths.count, default=0)
        if len(rows) > 1 and width > 1 and widths.count(width) >= _MOST * len(rows):
            break
    else:
        return None
    whole = [(pair, row) for pair, row in zip(filled, rows, strict=True) if len(row) == width]
    columns = list(zip(*(row for _, row in whole), strict=True))
    # the column of words is the first with the most distinct cells
    best = max(range(width), key=lambda column: _variety(columns[column]))
    lines = [pair for pair, _ in whole]
    return _Table(_uncut(words, separator) or words, lines, separator, columns, best)


def _uncut(words: Words, separator: str) -> Words:
    """Return the lines that the sample holds whole, without a last row that goes on below it."""
    whole = [pair for pair in words if len(pair[1]) < MAX_LISTED]
    end, read = _valid_and_read(whole, separator)
    is_at_end = end < read == len(whole) <= end + _MAX_CUT_ROW
    return whole[:end] if len(words) == MAX_SAMPLE and is_at_end else whole


def _is_csv(words: Words, separator: str) -> bool:
    """Return whether all quotes match; otherwise they are ordinary characters."""
    end, read = _valid_and_read(words, separator)
    return end == read


def _valid_and_read(words: Words, separator: str) -> tuple[int, int]:
    """Return how many lines the valid rows at the top have, and how many are read to a fault."""
    lines = (f"{line}\n" for _, line in words)
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True, strict=True)
    end = 0
    with suppress(csv.Error):
        for _ in reader:
            end = reader.line_num
    return end, reader.line_num


def _rows(words: Words, separator: str) -> list[list[str]]:
    """Return the cells of lines, without the empty one after a separator that ends a line.

    It is a cell where the first line, which may hold titles, has so many.
    """
    first = words[0][1].removesuffix(separator) if words else ""
    width = len(_cells(first, separator))
    rows = [(word, _cells(word, separator)) for _, word in words]
    return [
        row[:-1] if len(row) > width and word.endswith(separator) else row for word, row in rows
    ]


def _cells(line: str, separator: str) -> list[str]:
    line = _without_entities(line, separator)
    if '"' not in line:
        return line.split(separator)
    try:
        return next(csv.reader([line], delimiter=separator))
    except csv.Error:
        return [line]


def _without_entities(line: str, separator: str) -> str:
    """Return ``line`` without the semicolons of HTML entities, if semicolons separate cells."""
    return html.unescape(line) if separator == ";" else line


def _variety(cells: Sequence[str]) -> int:
    """Return the number of distinct cells, or -1 if most are empty, numbers or identifiers."""
    codes = sum(
        not cell.strip() or bool(_NUMBER.fullmatch(cell) or _IDENTIFIER.fullmatch(cell))
        for cell in cells
    )
    return -1 if codes >= (1 - _MOST) * len(cells) and codes * 2 > len(cells) else len(set(cells))


def _has_title(cells: Sequence[str]) -> bool:
    """Return whether all cells but the first are numbers."""
    first, *others = (bool(_NUMBER.fullmatch(cell.strip())) for cell in cells)
    return bool(others) and not first and all(others)


def _column_command(separator: str, column: int, is_quoted: bool) -> list[str]:
    if is_quoted:
        rows = f"csv.reader(sys.stdin, delimiter={separator!r})"
        cells = f"(row[{column}] for row in {rows} if row[{column}:])"  # not of blank lines
        code = f"import csv, sys; print(*{cells}, sep='\\n')"
        return [f"python3 -c {shlex.quote(code)}"]
    where = "" if separator == "\t" else f"-d {_argument(separator)} "
    return [f"cut {where}-f {column + 1}", _sed("s/^ +//; s/ +$//")]


def _argument(separator: str) -> str:
    return "'\\t'" if separator == "\t" else shlex.quote(separator)


def _look_like_counts(words: Words) -> bool:
    """Return whether the numbers before most words are counts, and not those of houses.

    They are padded, the lines are sorted by number or by word, or one word alone follows each.
    """
    rows = [match for _, word in words if (match := re.match(r"([ \t]*)(\d{1,18})(.*)", word))]
    numbers = [int(row[2]) for row in rows]
    rest: list[str] = [row[3].casefold() for row in rows]
    signs = (
        sum(bool(row[1]) for row in rows),
        sum(len(each.split()) == 1 for each in rest),
        sum(a <= b for a, b in pairwise(numbers)),
        sum(a >= b for a, b in pairwise(numbers)),
        sum(a <= b for a, b in pairwise(rest)),
    )
    return max(signs) >= _MOST * (len(rows) - 1)


def _molecules(words: Words) -> Words:
    """Return the lines that begin with a molecule in SMILES if most do, else nothing."""
    matches = [(pair, _MOLECULE.match(pair[1])) for pair in words]
    found = [(pair, match[0]) for pair, match in matches if match]
    bonded = sum(bool(_BOND.search(molecule)) for _, molecule in found)
    is_list = len(found) >= _MOST * len(words) and 2 * bonded > len(words)
    return [pair for pair, _ in found] if is_list else []


def _header(words: Words, is_certain: bool, line: int) -> str:
    """Return what the line of this number, 1 or 2, is if it stands first and is no word."""
    if len(words) < 2 or words[0][0] != line:
        return ""
    title = words[0][1].strip().lower().replace(" ", "_").replace("-", "_")
    is_count = title.isdecimal() and not any(word.isdecimal() for _, word in words[1:])
    if not (is_certain or is_count or title in _TITLES):
        return ""
    what = "the number of words" if is_count else "the title of a column"
    return f"{what} in the {'first' if line == 1 else 'second'} line"


_IN_CP1252 = bytes(range(0x80, 0xC0)).decode("cp1252", "ignore")
_CONTINUATION = f"[{re.escape(_IN_CP1252)}\x80-\x9f]"  # or in Latin-1
_MISREAD = re.compile(  # UTF-8 of two, three and four bytes, each byte taken for a character
    f"[\xc2-\xdf]{_CONTINUATION}|[\xe0-\xef]{_CONTINUATION}{{2}}|[\xf0-\xf4]{_CONTINUATION}{{3}}"
)


def _read_again(word: str) -> str | None:
    """Return the bytes of ``word`` in cp1252 or Latin-1, decoded as UTF-8 if they are such text."""
    for encoding in ("cp1252", "latin-1"):
        try:
            return word.encode(encoding).decode()
        except UnicodeError:
            continue
    return None


def remedy(corpus: Corpus, findings: Sequence[Finding], options: Sequence[str] = ()) -> str:
    """Return the shell command that trains on the corpus with all findings mended, or nothing.

    The filters need UTF-8 without a mark, and line feeds: what is not so is converted first.
    ``options`` are further options of ``makemore train``.
    """
    if not corpus.columns and _one_option(findings):
        findings = [replace(finding, commands=()) for finding in findings]
    commands = [command for finding in findings for command in finding.commands]
    own = (finding.option for finding in findings if finding.option and not finding.commands)
    options = [*options, *dict.fromkeys(own)]
    if (not commands and not options) or (commands and corpus.columns):
        return ""  # a filter would see the rows of a table and not its words
    named = corpus.sources if all(source.location for source in corpus.sources) else ()
    paths = [as_argument(source.name) for source in named] or ["LIST"]
    if not commands:
        files = " ".join(map(shlex.quote, paths))
        return " ".join(["makemore train", files, *options_to_read(corpus), *options])
    plain = replace(corpus, encoding="utf-8", errors="strict")
    options = [*options_to_read(plain), *options]
    programs = [_program(source) for source in named] or ["cat"]
    read = [_printing(list(zip(programs, paths, strict=True)))]
    if plain != corpus or not _are_plain(corpus.sources):
        read.append(_converting(corpus.encoding, corpus.errors))
    return " | ".join([*read, *commands, " ".join(["makemore train -", *options])])


def _are_plain(sources: Sequence[Source]) -> bool:
    """Return whether the files that can be looked at begin without a mark, and with line feeds."""
    for source in filter(attrgetter("rereadable"), sources):
        with ByteStream(source) as stream:
            head = stream.peek(_HEAD)
        if head.startswith(codecs.BOM_UTF8) or re.search(rb"\r[^\n]", head):
            return False
    return True


def _converting(encoding: str, errors: str) -> str:
    r"""Return the filter that converts text to UTF-8 with line feeds, by Python's own codecs.

    >>> _converting("latin-1", "strict")
    'python3 -c \'import sys; sys.stdout.writelines(open(0, encoding="latin-1"))\''
    """
    how = f'encoding="{"utf-8-sig" if is_utf_8(encoding) else encoding}"'
    lines = f"open(0, {how})" if errors == "strict" else f'open(0, {how}, errors="replace")'
    if errors == "skip":
        lines = rf'line for line in {lines} if "\ufffd" not in line'
    return f"python3 -c {shlex.quote(f'import sys; sys.stdout.writelines({lines})')}"


def table_option(words: Words) -> str:
    """Return the options that read the words of a table, or nothing if these lines are none."""
    return _one_option(recognised(words))


def _one_option(findings: Sequence[Finding]) -> str:
    """Return the options that stand for all commands, or nothing if they differ or one has none."""
    options = {finding.option for finding in findings if finding.commands}
    return options.pop() if len(options) == 1 else ""


def _printing(files: Sequence[tuple[str, str]]) -> str:
    """Return the shell command that prints files, of which each has its program and its path.

    >>> _printing([("gzip -dc", "a.gz"), ("gzip -dc", "b.gz"), ("cat", "c d")])
    "{ gzip -dc a.gz b.gz; cat 'c d'; }"
    """
    commands: list[str] = []
    for program, alike in groupby(files, itemgetter(0)):
        paths = [path for _, path in alike]
        if program == "unzip -p":  # it takes a second name for that of a file in the archive
            commands += [f"{program} {shlex.quote(_literally(path))}" for path in paths]
        else:
            commands.append(f"{program} {shlex.join(paths)}")
    return commands[0] if len(commands) == 1 else f"{{ {'; '.join(commands)}; }}"


def _literally(path: str) -> str:
    """Return the pattern of unzip that matches this path alone.

    >>> _literally("lists[1]/names[1].zip")  # in folders nothing is a pattern
    'lists[1]/names[[]1].zip'
    """
    folder, name = os.path.split(path)
    return os.path.join(folder, re.sub(r"[*?\[]", r"[\g<0>]", name))


def _program(source: Source) -> str:
    """Return the program that prints a file."""
    with source.open() as file:
        head, _ = first_bytes(file)
    return next((program for program, marks in PROGRAMS if head.startswith(marks)), "cat")


class Recogniser:
    """Takes a corpus in blocks and tells which forms it has."""

    def __init__(self) -> None:
        self._lines = 0
        self._sample: list[tuple[int, str]] = []
        self._entities = Oddity()
        self._misread = Oddity()
        self._other_accents = False  # whether other lines were decoded correctly
        self._is_latin_1 = False
        self._cased = Oddity()
        self._cased_lines = 0  # looked at
        self._spelling: dict[str, str] = {}

    def add(self, text: str, lines: int) -> None:
        """Take a block of ``lines`` whole lines."""
        if len(self._sample) < MAX_SAMPLE:
            self._add_sample(text)
        if "&" in text and _ENTITY.search(text):
            self._add_entities(text)
        if not text.isascii():
            self._add_misread(text)
        if self._lines < MAX_CASED_LINES:
            self._add_cased(text)
            self._cased_lines += lines
        self._lines += lines

    def findings(self) -> tuple[Finding, ...]:
        """Return the findings in the order in which their commands and options mend them."""
        is_cut = len(self._sample) == MAX_SAMPLE
        sampled = self._sample[-1][0] if is_cut else self._lines
        encoding = "latin1" if self._is_latin_1 else "cp1252"
        back = "" if self._other_accents else f"iconv -f utf-8 -t {encoding}"
        code = "import html, sys; sys.stdout.writelines(map(html.unescape, sys.stdin))"
        unescape = f"python3 -c {shlex.quote(code)}"
        misread = "text in UTF-8 that was read as another encoding"
        cased = "words that an earlier line writes in another case"
        forms = [replace(form, looked_at=sampled) for form in recognised(self._sample)]
        are_molecules = any(form.option == _SMILES_OPTION for form in forms)  # where C is not c
        findings = (
            *forms,
            self._misread.finding(misread, self._lines, back),
            self._entities.finding("HTML entities", self._lines, unescape),
        )
        if not are_molecules:
            findings += (self._cased.finding(cased, self._cased_lines, option="--lowercase"),)
        return tuple(finding for finding in findings if finding.lines)

    def _numbered(self, text: str) -> Iterable[tuple[int, str]]:
        return enumerate(text.split("\n"), self._lines + 1)

    def _add_sample(self, text: str) -> None:
        for line, word in self._numbered(text):
            if word.strip():
                self._sample.append((line, word[:MAX_LISTED]))
                if len(self._sample) == MAX_SAMPLE:
                    return

    def _add_entities(self, text: str) -> None:
        for line, word in self._numbered(text):
            # not all of the word: html.unescape fails for numbers of over 4,300 digits
            if any(html.unescape(entity) != entity for entity in _ENTITY.findall(word)):
                self._entities.add(line, word)

    def _add_misread(self, text: str) -> None:
        if not _MISREAD.search(text):
            self._other_accents = True
            return
        for line, word in self._numbered(text):
            if word.isascii():
                continue
            if _MISREAD.search(word) and _read_again(word) is not None:
                self._misread.add(line, word)
                self._is_latin_1 |= any("\x80" <= character <= "\x9f" for character in word)
            else:
                self._other_accents = True

    def _add_cased(self, text: str) -> None:
        for (line, word), lower in zip(self._numbered(text), text.lower().split("\n"), strict=True):
            if 0 < len(word) <= _MAX_CASED_WORD and self._spelling.setdefault(lower, word) != word:
                self._cased.add(line, word)
