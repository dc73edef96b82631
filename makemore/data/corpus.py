r"""A corpus: where the words come from, how they are read, and what is remembered of them.

A corpus is text with one word a line. Lines end at LF, CRLF or CR and nowhere else. Blank lines
hold no word; nothing else is changed unless it is asked for. However the text comes (files, a pipe,
compressed, in any encoding) it leaves this module as one stream of blocks: whole lines, each ended
by ``\n``, of about ``BLOCK`` bytes unless one line is longer. ``counting/`` counts what is in them.
"""

import codecs
import hashlib
import io
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from makemore.data.compression import refuse_other_formats
from makemore.data.sources import (
    STDIN,
    BytesSource,
    ByteStream,
    FileSource,
    Source,
    line_spans,
)
from makemore.data.symbols import Spelling, finder_of, needs_a_stand_in
from makemore.data.text import (
    LineDecoder,
    Lines,
    changed_lines,
    has_plain_line_feeds,
    is_utf_8,
    refuse_one_text,
    refuse_other_encodings,
    text_change,
)
from makemore.data.vocabulary import MAX_VOCABULARY, REPLACEMENT
from makemore.errors import (
    CorpusError,
    DecodingError,
    LongLineError,
    MakemoreError,
    OptionError,
    VocabularyError,
    shown,
)

if TYPE_CHECKING:
    from makemore.data.table import Columns

BLOCK = 1 << 19
"""Bytes read at a time: the arrays made from a block stay in the processor's cache."""

ERRORS = ("strict", "replace", "skip")
"""What becomes of a line that cannot be decoded: an error, a line with U+FFFD in it, or nothing."""

_KEPT = ("encoding", "lowercase", "strip_accents", "normalize", "errors", "symbol_rule")
"""The options of a corpus that its facts have, too."""

_FIRST = 1 << 13  # bytes in which a corpus shows whether it is a table
_HEAD = 1024  # bytes from which the encoding is guessed
_FORBIDDEN = re.compile("[\n\r\ud800-\udfff]")  # in a word: line ends and surrogates

Progress = Callable[[int, int | None], None]
"""Called with the bytes read so far and their total, which is None if unknown."""


class CorpusFacts(NamedTuple):
    """What a checkpoint remembers of the corpus it was trained on.

    Attributes
    ----------
    name : str
        The file's name, or several joined by commas.
    sha256 : str
        The digest of the text's bytes before decoding (after decompression), in lower-case
        hexadecimal; of several files, the digest of their digests (32 bytes each) in their order.
    lines : int
        Lines that hold a word and were counted, training and held-out together.
    symbols : int
        Characters plus one end-of-word symbol per word.
    held_out_lines, held_out_symbols : int
        The numbers of lines and symbols that were held out of the training.
    held_out_fingerprint : str
        Hexadecimal; equal for equal multisets of held-out words, in whatever order they were read.
    distinct : int
        The number of distinct words if an exact number of them was held out; 0 if a share of all
        hashes was, see ``holdout.py``.
    dropped_lines : int
        Lines left out because they hold a character rarer than ``min_count``.
    min_count : int
    encoding, lowercase, strip_accents, normalize, errors, symbol_rule
        As ``Corpus`` has them.
    ends_in_space : bool
        Whether some word ends in a space; True if unknown.
    path : str
        The absolute path of a corpus that is one file, else empty.
    column, weights, delimiter, weights_as : str
        The columns of a table, as ``Columns`` has them; all empty for a plain list.
    """

    name: str
    sha256: str
    lines: int
    symbols: int
    held_out_lines: int = 0
    held_out_symbols: int = 0
    held_out_fingerprint: str = ""
    distinct: int = 0
    dropped_lines: int = 0
    min_count: int = 1
    encoding: str = "utf-8"
    lowercase: bool = False
    strip_accents: bool = False
    normalize: str = ""
    errors: str = "strict"
    ends_in_space: bool = True
    path: str = ""
    column: str = ""
    weights: str = ""
    delimiter: str = ""
    weights_as: str = ""
    symbol_rule: str = ""

    @property
    def words_read(self) -> tuple[str, int, int, str]:
        """What is equal for runs that read the same words: a file has others in another column.

        Words in another case may be equal in this, but not in their alphabet.
        """
        return self.sha256, self.lines, self.symbols, self.held_out_fingerprint

    @property
    def columns(self) -> "Columns | None":
        """The columns of a table that were read. Raises ``OptionError`` for values out of range."""
        if not self.column:
            return None
        from makemore.data.table import Columns

        return Columns(self.column, self.weights, self.delimiter, self.weights_as)


def reading_of(facts: CorpusFacts) -> Callable[[str], str]:
    """Return the function that changes text as the text of a training corpus was changed."""
    return text_change(facts.lowercase, facts.strip_accents, facts.normalize) or str


def options_to_read(text: "Corpus | CorpusFacts", *, encoding: bool = True) -> list[str]:
    """Return the options with which a command reads text as a corpus is or was read."""
    named = {"encoding": text.encoding if encoding and not is_utf_8(text.encoding) else ""}
    named |= {"errors": text.errors.removeprefix("strict"), "normalize": text.normalize}
    named["symbols"] = text.symbol_rule
    if columns := text.columns:
        named |= {"column": columns.word, "weights": columns.weight}
        named |= {"delimiter": columns.delimiter}
        named |= {"weights-as": columns.weights_as.removeprefix("count")}
    flags = {"lowercase": text.lowercase, "strip-accents": text.strip_accents}
    return [
        *(f"--{name}" for name, is_set in flags.items() if is_set),
        *(f"--{name} {shlex.quote(value)}" for name, value in named.items() if value),
    ]


@dataclass(frozen=True)
class Corpus:
    """Where words come from, and how their text is changed when it is read.

    Parameters
    ----------
    sources : tuple of Source
        Read in this order; a line never reaches from one into the next.
    encoding : str
        A byte order mark at the start is dropped, whatever the encoding.
    lowercase, strip_accents : bool
    normalize : str
        "nfc", "nfkc" or empty.
    errors : str
        One of ``ERRORS``: what becomes of a line that cannot be decoded.
    columns : Columns, optional
        The sources are tables, of which these columns are read.
    symbol_rule : str
        Which symbols of several characters there are, as ``finder_of`` takes it: "graphemes",
        "smiles", a regular expression, or empty if each character is a symbol.
    spelling : Spelling, optional
        The symbols that were found; with it the text has one character for each symbol.
    unknown : bool
        Whether one symbol shall stand for all rare characters, and so for those never seen.
    alphabet : str
        The characters that are not rare, if they are known: others are read as ``REPLACEMENT``.

    Raises
    ------
    CorpusError
        No source.
    OptionError
        An unknown encoding or form.
    """

    sources: tuple[Source, ...]
    encoding: str = "utf-8"
    lowercase: bool = False
    strip_accents: bool = False
    normalize: str = ""
    errors: str = "strict"
    columns: "Columns | None" = None
    symbol_rule: str = ""
    spelling: Spelling | None = None
    unknown: bool = False
    alphabet: str = ""

    def __post_init__(self) -> None:
        if not self.sources:
            raise CorpusError("no corpus is named: expected at least one file")
        if self.normalize not in ("", "nfc", "nfkc"):
            raise OptionError(
                f"unknown normal form '{shown(self.normalize)}': expected nfc or nfkc"
            )
        try:
            io.TextIOWrapper(io.BytesIO(), encoding=self.encoding)  # refuses what gives no text
            codecs.getincrementaldecoder(self.encoding)
        except (LookupError, ValueError):
            raise OptionError(
                f"unknown encoding '{shown(self.encoding)}': expected a name that Python knows,"
                " such as utf-8, utf-16 or latin-1"
            ) from None
        if self.unknown and self.symbol_rule:
            raise OptionError("--unknown is about single characters: leave out --symbols")
        if self.errors not in ERRORS:
            raise OptionError(
                f"unknown way '{shown(self.errors)}' with errors: expected {', '.join(ERRORS)}"
            )
        if self.errors != "strict" and not has_plain_line_feeds(self.encoding):
            raise OptionError(
                f"--errors {self.errors} needs an encoding that shows where a damaged line ends,"
                f" such as utf-8 or latin-1, and {self.encoding} does not"
            )

    @classmethod
    def from_paths(
        cls, *paths: str | os.PathLike[str], columns: "Columns | None" = None
    ) -> "Corpus":
        """Return the corpus of these files, or of ``columns`` of these tables; ``-`` is stdin."""
        sources = tuple(FileSource(os.fspath(path)) for path in paths)
        return cls(sources, columns=columns)

    @classmethod
    def from_bytes(cls, data: bytes, name: str = "bytes") -> "Corpus":
        """Return the corpus of text in memory."""
        return cls((BytesSource(name, data),))

    @classmethod
    def from_words(cls, words: Iterable[str], name: str = "words") -> "Corpus":
        """Return the corpus of these words, which must not hold a line end or a surrogate."""
        refuse_one_text(words)
        words = list(words)
        for word in words:
            if _FORBIDDEN.search(word):
                raise CorpusError(f"{word!a} holds a line end or a surrogate: expected a word")
        data = "".join(word + "\n" for word in words).encode()
        return cls((BytesSource(name, data, begins_file=False),))

    def changed_as(self, facts: CorpusFacts) -> "Corpus":
        """Return the same sources, to be read as an earlier corpus was."""
        options: dict[str, Any] = {name: getattr(facts, name) for name in _KEPT}
        return replace(self, columns=facts.columns, **options)

    def kept(self) -> dict[str, Any]:
        """Return the fields of ``CorpusFacts`` that say how the corpus is read."""
        options = {name: getattr(self, name) for name in _KEPT}
        if columns := self.columns:
            options |= {"column": columns.word, "weights": columns.weight}
            options |= {"delimiter": columns.delimiter, "weights_as": columns.weights_as}
        return options

    def with_spelling(self) -> "Corpus":
        """Read the corpus for the symbols that its rule finds, and return it with these.

        Raises ``CorpusError`` if all symbols are single characters, and ``OptionError`` for a rule
        that is not valid.
        """
        if not self.symbol_rule or self.spelling:
            return self
        find, found = finder_of(self.symbol_rule), set[str]()
        for block in self.read():
            for line in block.split("\n"):
                found.update(find(line))
                if len(found) > 2 * MAX_VOCABULARY:  # which includes single characters
                    found = _of_several_characters(found)
            found.update(filter(needs_a_stand_in, set(block)))
        found = _of_several_characters(found)
        if not any(len(symbol) > 1 for symbol in found):
            raise CorpusError(
                f"{shown(self.name)} holds no symbol of several characters that --symbols"
                f" {shown(self.symbol_rule)} finds: leave the option out, or fix the pattern"
            )
        return replace(self, spelling=Spelling(found))

    @property
    def path(self) -> str:
        """The path or URL of a corpus that is one file and can be read again, else nothing."""
        return self.sources[0].location if len(self.sources) == 1 else ""

    @property
    def name(self) -> str:
        """The sources' names without their folders, joined by commas."""
        return ", ".join(os.path.basename(source.name) for source in self.sources)

    @property
    def is_rereadable(self) -> bool:
        """Whether all sources can be read several times."""
        return all(source.rereadable for source in self.sources)

    def size(self) -> int | None:
        """Return the size of all sources in bytes, perhaps compressed, or None if unknown."""
        sizes = [source.size() for source in self.sources]
        return None if None in sizes else sum(cast(list[int], sizes))

    def read(
        self,
        progress: Progress | None = None,
        *,
        digest: bool = False,
        as_they_come: bool = False,
        on_error: Callable[[DecodingError], None] | None = None,
        block_size: int = 0,
    ) -> "Reading":
        """Return one pass over the text, in blocks of ``block_size`` bytes, by default ``BLOCK``.

        ``digest`` says whether its ``sha256`` is wanted. With ``as_they_come`` lines do not wait
        for others until a block is full. ``on_error`` is as ``LineDecoder`` takes it.
        """
        return Reading(self, progress, digest, as_they_come, on_error, block_size or BLOCK)

    def head(self) -> str:
        """Return the first lines without taking them from a pipe; nothing if that fails."""
        (first, *_) = self.sources
        if not first.rereadable:
            first = BytesSource(first.name, _waiting_on(first))
        try:
            return next(iter(replace(self, sources=(first,)).read(block_size=_FIRST)), "")
        except CorpusError:  # reading the corpus raises it again
            return ""

    def words(self) -> Iterator[str]:
        """Yield the words one by one."""
        for block in self.read():
            yield from filter(None, block.split("\n"))

    @contextmanager
    def rereadable(self) -> Iterator["Corpus"]:
        """Yield a corpus that can be read several times: pipes are copied to temporary files."""
        if self.is_rereadable:
            yield self
            return
        import tempfile  # imports a dozen modules that only a pipe needs

        with tempfile.TemporaryDirectory(prefix="makemore-") as folder:
            copies = (
                source if source.rereadable else _spooled(source, os.path.join(folder, str(i)))
                for i, source in enumerate(self.sources)
            )
            yield replace(self, sources=tuple(copies))


@dataclass
class Reading:
    """One pass over a corpus: iterating yields the text of each block; then the digest is known.

    The parameters are those of ``Corpus.read``. Raises ``CorpusError`` for a source that cannot be
    read or decoded, or has a line that is longer than ``MAX_LINE``.

    Attributes
    ----------
    damaged : int
        The number of lines so far that could not be decoded, if they are no error.
    """

    corpus: Corpus
    progress: Progress | None
    digest: bool
    as_they_come: bool
    on_error: Callable[[DecodingError], None] | None
    block_size: int
    damaged: int = 0

    def __post_init__(self) -> None:
        self._total = self.corpus.size() if self.progress else None
        self._bytes_before = 0
        self._digests: list[bytes] = []

    def __iter__(self) -> Iterator[str]:
        return (lines.text for lines in self.blocks(counts_lines=True))

    def blocks(self, *, counts_lines: bool = False) -> Iterator[Lines]:
        """Yield the lines of each block, with weights if the corpus has some.

        Without ``counts_lines`` the errors of a corpus that can be read again name no line: see
        ``naming_lines``.
        """
        counts_lines = counts_lines or not self.corpus.is_rereadable
        for _, blocks in self.by_source(counts_lines=counts_lines):
            yield from blocks

    def by_source(self, *, counts_lines: bool = True) -> Iterator[tuple[str, Iterator[Lines]]]:
        """Yield the name and the blocks of each source; read these before the next source."""
        _keep_freed_memory()
        columns, changes = self.corpus.columns, self._changes()
        for source in self.corpus.sources:
            texts = self._texts(source, counts_lines)
            if columns:
                from makemore.data.table import MAX_TOTAL, read_table

                max_total = MAX_TOTAL // len(self.corpus.sources)
                blocks = read_table(texts, columns, source.name, max_total)
            else:
                blocks = map(Lines, texts)
            for change in changes:
                blocks = map(change, blocks)
            yield source.name, blocks

    def _changes(self) -> list[Callable[[Lines], Lines]]:
        """Return the functions that change one block after the other as the corpus asks."""
        corpus = self.corpus
        change = text_change(corpus.lowercase, corpus.strip_accents, corpus.normalize)
        of_text = [change] if change else []
        if corpus.spelling:
            of_text.append(corpus.spelling.shortened)
        if corpus.alphabet:
            rare = re.compile(f"[^\n{re.escape(corpus.alphabet)}]")
            of_text.append(partial(rare.sub, REPLACEMENT))
        changes: list[Callable[[Lines], Lines]] = [partial(changed_lines, each) for each in of_text]
        if corpus.columns and corpus.columns.weights_as == "distinct":
            from makemore.data.distinct import SeenHashes, without_repeated_words

            changes.append(partial(without_repeated_words, seen=SeenHashes()))
        return changes

    @property
    def sha256(self) -> str:
        """The digest of the sources that were read, as ``CorpusFacts.sha256`` defines it."""
        assert self.digest, "the digest was not asked for"
        return combined_digest(self._digests)

    def _note(self, error: DecodingError) -> None:
        """Count a line that cannot be decoded."""
        self.damaged += 1
        if self.on_error:
            self.on_error(error)

    def _texts(self, source: Source, counts_lines: bool) -> Iterator[str]:
        """Yield the text of one source in blocks of whole lines."""
        encoding, errors = self.corpus.encoding, self.corpus.errors
        decoder = LineDecoder(
            source.name,
            encoding,
            begins_text=source.begins_file,
            counts_lines=counts_lines,
            on_error=self._note if self.on_error or errors != "strict" else None,
            replaces=errors == "replace",
        )
        digest = hashlib.sha256()
        with ByteStream(source, self.as_they_come) as stream:
            if source.begins_file:
                refuse_other_formats(stream.peek(_HEAD), source.name)
                if is_utf_8(encoding):
                    refuse_other_encodings(stream.peek(_HEAD), source.name)
            while data := stream.read(self.block_size):
                if self.digest:
                    digest.update(data)
                yield from decoder.decode(data)
                if self.progress:
                    self.progress(self._bytes_before + stream.position(), self._total)
            self._bytes_before += stream.position()
        self._digests.append(digest.digest())
        yield from decoder.decode(b"", final=True)


def can_be_cut(corpus: Corpus) -> bool:
    """Return whether parts of a corpus can be read alone: it consists of plain text files.

    Tables may quote line ends, and may have titles in their first line.
    """
    if corpus.columns or not has_plain_line_feeds(corpus.encoding):
        return False
    for source in corpus.sources:
        if not isinstance(source, FileSource) or not source.rereadable:
            return False
        with ByteStream(source) as stream:
            if stream.compressed:
                return False
    return True


def slices_of(corpus: Corpus, length: int) -> Iterator[FileSource]:
    """Yield slices of a corpus that ``can_be_cut``, each of ``length`` bytes or more."""
    for file in cast(tuple[FileSource, ...], corpus.sources):
        with file.open() as stream:
            for start, stop in line_spans(stream, file.size() or 0, length):
                yield replace(file, start=start, stop=stop)


@contextmanager
def naming_lines(corpus: Corpus) -> Iterator[None]:
    """If the block fails for a line of the corpus, read the corpus again to name that line.

    Counting lines takes time, and a part of a corpus does not know how many are above it.
    """
    try:
        yield
    except (DecodingError, LongLineError):
        if corpus.is_rereadable:
            for _ in corpus.read():
                pass
        raise


@contextmanager
def unchanged(corpus: Corpus) -> Iterator[None]:
    """Raise ``CorpusError`` if a file of the corpus changes while it is read.

    Some processes or passes could have read the old file and others the new one.
    """
    before = [source.state() for source in corpus.sources]
    failure = None
    try:
        yield
    except MakemoreError as error:
        failure = error
    for source, state in zip(corpus.sources, before, strict=True):
        if source.state() != state:  # which explains a failure
            raise CorpusError(
                f"{shown(source.name)} changed while it was read: try again, or with a copy of it"
            )
    if failure:
        raise failure


def no_word(corpus: Corpus, why: str = "") -> str:
    """Return the message for a corpus without words.

    ``why`` describes those it would hold with a smaller --min-count.
    """
    advice = "choose a smaller --min-count" if why else "expected one a line"
    if corpus.columns and corpus.columns.weight:
        why = f" with a weight above 0{why}"
    return f"{shown(corpus.name)} holds no word{why}: {advice}"


def source_digest(source: Source, after_block: Callable[[], None] | None = None) -> bytes:
    """Return the SHA-256 of one source. Raises ``CorpusError``."""
    digest = hashlib.sha256()
    with ByteStream(source) as stream:
        while data := stream.read(BLOCK):
            digest.update(data)
            if after_block:
                after_block()
    return digest.digest()


def combined_digest(digests: list[bytes]) -> str:
    """Return the SHA-256 of a corpus from those of its sources, in hexadecimal."""
    if len(digests) == 1:
        return digests[0].hex()
    return hashlib.sha256(b"".join(digests)).hexdigest()


def _keep_freed_memory() -> None:
    """Make the C library keep the memory of freed arrays for the next ones.

    Fresh pages cost as much as counting what is written to them. glibc keeps up to twice the size
    of the largest array that was freed ("man mallopt", M_MMAP_THRESHOLD); elsewhere this does
    nothing.
    """
    np.empty(1 << 24, np.uint8)


def _waiting_on(source: Source) -> bytes:
    """Return the lines that wait on stdin, without taking them."""
    is_stdin = isinstance(source, FileSource) and source.path == STDIN
    peek = getattr(getattr(sys.stdin, "buffer", None), "peek", None)
    data: bytes = peek(_FIRST) if is_stdin and peek else b""
    return data[: data.rfind(b"\n") + 1]


def _of_several_characters(found: set[str]) -> set[str]:
    """Return the symbols that need a stand-in. Raises ``VocabularyError`` for too many of them."""
    symbols = set(filter(needs_a_stand_in, filter(None, found)))
    if len(symbols) >= MAX_VOCABULARY:
        raise VocabularyError(
            f"the corpus has {len(symbols):,} distinct symbols of several characters or more and"
            f" the limit is {MAX_VOCABULARY - 1:,}: find fewer by another pattern for --symbols"
        )
    return symbols


def _spooled(source: Source, path: str) -> Source:
    """Copy a source to a file, and return that as a source of the same name.

    Raises ``CorpusError``.
    """
    try:
        with ByteStream(source) as stream, open(path, "wb") as file:
            refuse_other_formats(stream.peek(_HEAD), source.name)
            while data := stream.read(BLOCK):
                file.write(data)
    except OSError as error:
        raise CorpusError(
            f"cannot copy {shown(source.name)} to a temporary file: {error.strerror}: make room for"
            " it, or name another folder in TMPDIR"
        ) from None
    return FileSource(path, copy_of=source.name)
