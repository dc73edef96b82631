r"""N-gram models in the ARPA format, which speech and translation tools read: writing and reading.

The format is a text (SRILM's manual page ngram-format): how many n-grams there are of each order,
then a part for each order with one n-gram a line,

    log10 probability <tab> tokens <tab> log10 back-off weight

and ``\end\``. Tokens are symbols here. ``<s>`` starts a word and ``</s>`` ends one; ``<s>`` is
never predicted, and its probability is written as -99, which stands for zero. What white space
would hide is spelled so that it can be read back: a space is ``▁`` (U+2581), and other white space,
control characters and ``▁`` itself are ``<U+0009>`` and the like. The weight is left out where
there is nothing to weigh: at the highest order, and after ``</s>``.

Numbers are written with all their digits, so a file that is read and written again has the same
bytes, and the model that was read gives the same probabilities.

What is read is a whole distribution over characters and ends of words. Probability for ``<unk>``,
the symbol that is in no vocabulary, is taken from it and shared by the others in proportion.
"""

import codecs
import hashlib
import itertools
import os
import re
import time
import unicodedata
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, NamedTuple

import numpy as np

from makemore.arrays import Flags, Floats, Ids, Indices, Integers, chunks
from makemore.data.corpus import CorpusFacts
from makemore.data.sources import ByteStream, FileSource
from makemore.data.vocabulary import BOUNDARY, MAX_VOCABULARY, Vocabulary
from makemore.errors import ArpaError, VocabularyError, shown, unwritable
from makemore.files import replace_atomically
from makemore.kinds import MAX_ORDER, MIN_ORDER
from makemore.models.backoff import (
    LOG10_ZERO,
    MAX_NGRAMS,
    ROOT,
    ROUNDING,
    START,
    Backoff,
    BackoffModel,
    Links,
    NgramTree,
    context_totals,
    logarithms_to_ten,
    powers_of_ten,
)
from makemore.models.base import Model, drawn, select
from makemore.models.bigram import Bigram
from makemore.training.record import Checkpoint, TrainingRecord

START_TOKEN, END_TOKEN = "<s>", "</s>"
UNKNOWN_TOKENS = ("<unk>", "<UNK>")
_SPECIAL_TOKENS = 4
SPACE_TOKEN = "▁"

TOLERANCE = 1e-4
"""How far from 1 the probabilities of a file may sum after each context."""

MAX_PAIRS = 1 << 24
"""The most 2-grams that a bigram is written in."""

_BLOCK = 1 << 16  # lines of text, or bytes, that are handled at once
_MAX_LINE = 1 << 16  # bytes
_ESCAPE = re.compile(r"<U\+([0-9A-F]{4,6})>")
_HEADING = re.compile(rb"\\(\d+)-grams:")
_COUNT = re.compile(rb"ngram\s+(\d{1,9})\s*=\s*(\d{1,18})")
_DRAWS, _LONGEST = 2_000, 64  # words and symbols of the estimate of a model's own loss


def token_of(symbol: str) -> str:
    r"""Return how a symbol is written in an ARPA file.

    >>> token_of("é"), token_of(" "), token_of("\t"), token_of("▁"), token_of("<s>")
    ('é', '▁', '<U+0009>', '<U+2581>', '<U+003C>s>')
    """
    # a < among other characters could be taken for <s> or an escape
    special = SPACE_TOKEN + "<" * (len(symbol) > 1)
    return "".join(_spelled(character, special) for character in symbol)


def _spelled(character: str, special: str) -> str:
    if character == " ":
        return SPACE_TOKEN
    is_hidden = character.isspace() or unicodedata.category(character) == "Cc"
    return f"<U+{ord(character):04X}>" if is_hidden or character in special else character


def symbol_of(token: str) -> str:
    """Return the symbol that a token stands for. Raises ``ArpaError``.

    >>> symbol_of("▁"), symbol_of("<U+2581>"), symbol_of("<U+003C>s>")
    (' ', '▁', '<s>')
    """
    try:
        return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), token.replace(SPACE_TOKEN, " "))
    except ValueError:
        raise ArpaError(
            f"the token '{shown(token[:40])}' escapes no character of Unicode"
        ) from None


def write_arpa(path: str | os.PathLike[str], source: Model | Checkpoint) -> None:
    """Write a bigram or n-gram model to ``path``, compressed where that ends in ``.gz``.

    After any failure the old file stands there or the new one. Raises ``ArpaError`` for a model
    that is none of n-grams, and where the system cannot write.
    """
    blocks = arpa_text(source.model if isinstance(source, Checkpoint) else source)
    first = next(blocks)
    try:
        with replace_atomically(path) as file, _compressed(file, path) as out:
            out.write(first.encode())
            for block in blocks:
                out.write(block.encode())
    except OSError as error:
        raise ArpaError(unwritable(path, error)) from error


@contextmanager
def _compressed(file: IO[bytes], path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Yield the file, or a stream that compresses into it; equal models give equal bytes."""
    if not os.fspath(path).endswith(".gz"):
        yield file
        return
    import gzip

    with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as stream:
        yield stream  # type: ignore[misc]  # a GzipFile is a stream of bytes


def arpa_text(model: Model) -> Iterator[str]:
    """Yield the text of an ARPA file in blocks of lines. Raises ``ArpaError``."""
    backoff = _as_backoff(model)
    tree = backoff.tree
    has_unk = backoff.vocabulary.unk is not None
    # <s> has a line of its own, and <unk> where it is no symbol
    sizes = [tree.sizes[0] + 2 - has_unk, *tree.sizes[1:]]
    counts = "".join(f"ngram {n}={size}\n" for n, size in enumerate(sizes, 1))
    yield f"\\data\\\n{counts}"
    contexts = [""]
    for n, (level, states) in enumerate(zip(tree.levels(), backoff.state_levels, strict=True), 1):
        yield f"\n\\{n}-grams:\n"
        if n == 1:
            if not has_unk:
                yield f"-99\t{UNKNOWN_TOKENS[0]}\n"
            yield f"-99\t{START_TOKEN}\t{_number(backoff.log10_backoffs[0])}\n"
        grams = _ngrams_in_tokens(tree, level, states.start, contexts, backoff.vocabulary)
        yield from _lines(backoff, level, grams)
        is_state = tree.is_state()[level]
        contexts = [f"{gram} " for gram, flag in zip(grams, is_state, strict=True) if flag]
        if n == 1:
            contexts[0] = f"{START_TOKEN} "
    yield "\n\\end\\\n"


def _as_backoff(model: Model) -> Backoff:
    if isinstance(model, BackoffModel):
        return model.as_backoff()
    if isinstance(model, Bigram):
        return _backoff_of_pairs(model)
    raise ArpaError(
        f"the {model.name} model has no n-grams to export: train one with --model ngram"
    )


def _backoff_of_pairs(model: Bigram) -> Backoff:
    """Return a bigram with all its pairs as 2-grams; the 1-grams are how often each symbol comes.

    The 1-grams are never used, for no pair is missing.
    """
    V = len(model.vocabulary)
    if V * V > MAX_PAIRS:
        raise ArpaError(
            f"the bigram has {V * V:,} pairs and the limit is {MAX_PAIRS:,}: train one with --model"
            " ngram --order 2"
        )
    counts = model.bigram_counts().sum(axis=0)
    ones = counts / counts.sum() if counts.sum() else np.full(V, 1 / V)
    tree = NgramTree(V, (V, V * V), np.concatenate((np.arange(V), V + np.arange(V * V))))
    P = np.concatenate((ones, model.bigram_table().ravel()))
    return Backoff(model.vocabulary, tree, logarithms_to_ten(np.minimum(P, 1.0)), np.zeros(V))


def _ngrams_in_tokens(
    tree: NgramTree, level: slice, first: int, contexts: Sequence[str], vocabulary: Vocabulary
) -> list[str]:
    """Return the n-grams of a level in tokens; ``first`` is the state of the first context."""
    tokens = [END_TOKEN, *map(token_of, vocabulary.symbols)]
    if vocabulary.unk is not None:
        tokens[vocabulary.unk] = UNKNOWN_TOKENS[0]
    states, symbols = np.divmod(tree.keys[level], tree.V)
    pairs = zip((states - first).tolist(), symbols.tolist(), strict=True)
    return [contexts[context] + tokens[symbol] for context, symbol in pairs]


def _lines(backoff: Backoff, level: slice, grams: Sequence[str]) -> Iterator[str]:
    """Yield the lines of the n-grams of a level."""
    weights = backoff.log10_backoffs[level]  # none at the highest order
    has_weight = backoff.tree.is_state()[level]
    if level.start == 0:
        has_weight[0] = False  # that weight is of <s>
    for start in range(0, len(grams), _BLOCK):
        part = slice(start, start + _BLOCK)
        logs = backoff.log10_probabilities[level][part].tolist()
        lines = [f"{_number(log)}\t{gram}" for log, gram in zip(logs, grams[part], strict=True)]
        for i in np.flatnonzero(has_weight[part]).tolist():
            lines[i] += f"\t{_number(weights[start + i])}"
        yield "".join(line + "\n" for line in lines)


def _number(value: float) -> str:
    """Return the shortest text of a float64 that reads as the same number."""
    return repr(float(value) + 0.0).removesuffix(".0")  # the sum is never -0.0


class _Part(NamedTuple):
    """The K n-grams of one order, n, as they were read.

    Attributes
    ----------
    ids : array of shape (K, n)
    logs, weights : arrays of shape (K,)
        To base 10.
    lines : array of shape (K,)
        Where each stands in the file.
    """

    ids: Ids
    logs: Floats
    weights: Floats
    lines: Integers

    def chosen(self, rows: Indices | Flags) -> "_Part":
        """Return some of the n-grams."""
        return _Part(self.ids[rows], self.logs[rows], self.weights[rows], self.lines[rows])


class _Ngrams(NamedTuple):
    """The n-grams of a file: a tree, and for each its fields of ``_Part``, shape (A,)."""

    tree: NgramTree
    has_unknown: Flags
    logs: Floats
    weights: Floats
    lines: Integers


class _Levels:
    """A tree that grows by one order at a time."""

    def __init__(self, V: int) -> None:
        self.V = V
        self.keys: list[Integers] = []
        self._states: list[Integers] = []
        self._last_state = ROOT

    def find(self, ids: Ids) -> tuple[Integers, Flags]:
        """Return the state after each n-gram, and whether it is there, (K, n) -> (K,) each."""
        states, found = np.zeros(len(ids), np.int64), np.ones(len(ids), np.bool_)
        for keys, own, symbols in zip(self.keys, self._states, ids.T, strict=False):
            wanted = states * self.V + symbols
            at = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
            found &= keys[at] == wanted if len(keys) else False
            states = own[at] if len(keys) else states
        return states, found

    def add(self, ids: Ids) -> None:
        """Add the n-grams of the next order, in lexicographic order."""
        is_state = (ids[:, -1] != BOUNDARY) | (ids.shape[1] == 1)
        contexts, _ = self.find(ids[:, :-1])
        self.keys.append(contexts * self.V + ids[:, -1])
        self._states.append(self._last_state + np.cumsum(is_state))
        self._last_state += int(is_state.sum())

    def tree(self) -> NgramTree:
        """Return the tree of what was added."""
        return NgramTree(self.V, tuple(map(len, self.keys)), np.concatenate(self.keys))


def _ends_in_space(vocabulary: Vocabulary, ngrams: _Ngrams) -> bool:
    """Return whether an n-gram that is probable ends a word behind a space."""
    tree = ngrams.tree
    spaces = [i for symbol, i in vocabulary.stoi.items() if symbol.endswith(" ")]
    contexts, symbols = np.divmod(tree.keys, tree.V)
    ends = (symbols == BOUNDARY) & (contexts != ROOT) & (ngrams.logs > LOG10_ZERO)
    last_symbols = symbols[tree.is_state()]  # of each state but the root
    return bool(np.isin(last_symbols[contexts[ends] - START], spaces).any())


def read_arpa(
    path: str | os.PathLike[str],
    *,
    symbols: bool = False,
    lowercase: bool = False,
    strip_accents: bool = False,
    normalize: str = "",
) -> Checkpoint:
    """Return the model in an ARPA file of characters, as a checkpoint; ``-`` is stdin.

    The checkpoint's training loss is an estimate of the model's loss on words of its own. The
    option "unknown" of its record is the probability of ``<unk>`` after no context, where that is
    above zero.

    Parameters
    ----------
    path : path
        The file, compressed or not.
    symbols : bool
        Whether tokens of several characters are symbols; else they are refused, as words would be.
    lowercase, strip_accents, normalize
        How the model's words were changed, as in ``CorpusFacts``: prefixes and words to score are
        changed alike.

    Raises
    ------
    ArpaError
        The file is not what it should be; the message names the line.
    CorpusError
        It cannot be read.
    """
    started = time.perf_counter()
    source = FileSource(os.fspath(path))
    with ByteStream(source) as stream:
        lines = _NumberedLines(stream, source.name)
        vocabulary, ngrams = _read(lines, symbols)
        model, unknown = _model(vocabulary, ngrams, lines)
    facts = CorpusFacts(
        os.path.basename(source.name),
        lines.sha256,
        0,
        0,
        lowercase=lowercase,
        strip_accents=strip_accents,
        normalize=normalize,
        ends_in_space=_ends_in_space(vocabulary, ngrams),
        path=source.location,
    )
    options = {"model": model.name, "method": "import"}
    record = TrainingRecord(
        options=options | ({"unknown": unknown} if unknown else {}),
        seconds=time.perf_counter() - started,
        training_loss=own_loss(model),
        held_out_loss=None,
        minimum=None,
        loss_history=np.zeros(0),
    )
    return Checkpoint(model, facts, record)


class _NumberedLines:
    """The lines of a file that are not blank, and errors that name the line."""

    def __init__(self, stream: ByteStream, name: str) -> None:
        self._name = name
        self._digest = hashlib.sha256()
        self._lines = self._split(stream)
        self.number = 0

    @property
    def sha256(self) -> str:
        """The digest of all that was read."""
        return self._digest.hexdigest()

    def next(self, expected: str) -> bytes:
        """Return the next line that is not blank, without white space around it."""
        for line in self._lines:
            if line := line.strip():
                return line
        raise self.error(
            f"the file ends and {expected} is missing: it is truncated or not an ARPA file"
        )

    def error(self, message: str, line: int | None = None) -> ArpaError:
        """Return an error at a line, the last one read if no other is named."""
        number = max(1, self.number) if line is None else line
        return ArpaError(f"{shown(self._name)}, line {number:,}: {message}")

    def _split(self, stream: ByteStream) -> Iterator[bytes]:
        rest = b""
        while data := stream.read(_BLOCK):
            self._digest.update(data)
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                yield self._counted(line)
            if len(rest) > _MAX_LINE:
                break
        if rest:
            yield self._counted(rest)

    def _counted(self, line: bytes) -> bytes:
        self.number += 1
        if len(line) > _MAX_LINE:
            raise self.error(f"expected an n-gram and found a line over {_MAX_LINE:,} bytes")
        return line


def _read(lines: _NumberedLines, symbols: bool) -> tuple[Vocabulary, _Ngrams]:
    """Return the vocabulary and the n-grams.

    Ids are those of the vocabulary, the boundary for ``<s>`` and ``</s>``, and V for ``<unk>``.
    """
    counts = _header(lines)
    numbers: defaultdict[bytes, int] = defaultdict(itertools.count().__next__)  # by token
    part = _part(lines, 1, counts[0], numbers, has_weights=True)
    vocabulary, ids = _vocabulary(numbers, part, lines, symbols)
    V = len(vocabulary)
    own_ids = np.array([ids[token] for token in numbers])
    parts = [_sorted_unigrams(part._replace(ids=own_ids[part.ids]), V, lines)]
    levels = _Levels(V + 1)
    levels.add(parts[0].ids)
    for n, count in enumerate(counts[1:], 2):
        _heading(lines, f"\\{n}-grams:", counts, n)
        raw = _part(lines, n, count, ids, has_weights=n < len(counts))
        _refuse_positive(raw, lines)
        _refuse_misplaced(raw, V, lines)
        raw.ids[raw.ids == V + 1] = BOUNDARY
        part = raw.chosen(np.lexsort(raw.ids.T[::-1]))
        _refuse_repeated(part, lines)
        _refuse_orphans(part, levels, lines)
        levels.add(part.ids)
        parts.append(part)
    _heading(lines, "\\end\\", counts, len(counts) + 1)
    has_unknown = np.concatenate([(part.ids == V).any(axis=1) for part in parts])
    _, *fields = zip(*parts, strict=True)
    return vocabulary, _Ngrams(levels.tree(), has_unknown, *map(np.concatenate, fields))


def _header(lines: _NumberedLines) -> list[int]:
    """Return how many n-grams of each order there are to be; the first heading is read, too."""
    while lines.next("the line \\data\\").removeprefix(codecs.BOM_UTF8) != b"\\data\\":
        pass
    counts: list[int] = []
    while found := _COUNT.fullmatch(line := lines.next("\\1-grams:")):
        if int(found[1]) != len(counts) + 1:
            raise lines.error(
                f"expected the number of {len(counts) + 1}-grams and found {_quoted(line)}"
            )
        counts.append(int(found[2]))
    if line != b"\\1-grams:":
        raise lines.error(f"expected 'ngram N=COUNT' or \\1-grams: and found {_quoted(line)}")
    if not MIN_ORDER <= len(counts) <= MAX_ORDER:
        raise lines.error(
            f"the order of the model is {len(counts)}: expected from {MIN_ORDER} to {MAX_ORDER}"
        )
    if sum(counts) > MAX_NGRAMS:
        raise lines.error(f"there are {sum(counts):,} n-grams and the limit is {MAX_NGRAMS:,}")
    return counts


def _heading(lines: _NumberedLines, heading: str, counts: Sequence[int], n: int) -> None:
    line = lines.next(heading)
    if line != heading.encode():
        raise lines.error(
            f"expected {heading} after the {counts[n - 2]:,} {n - 1}-grams of the header and found"
            f" {_quoted(line)}"
        )


def _rows(
    lines: _NumberedLines, n: int, count: int, has_weights: bool
) -> Iterator[tuple[list[bytes], float, float]]:
    """Yield the tokens, the logarithm and the weight of each n-gram of a part."""
    for done in range(count):
        line = lines.next(f"the rest of the {count:,} {n}-grams")
        fields = line.split()
        if not (len(fields) == n + 1 or (has_weights and len(fields) == n + 2)):
            if _HEADING.fullmatch(line) or line == b"\\end\\":
                raise lines.error(
                    f"{_quoted(line)} stands after {done:,} {n}-grams and the header says {count:,}"
                )
            weight = ", and a weight or none" if has_weights else " and no weight"
            raise lines.error(
                f"expected a logarithm, {n} token{'s' * (n > 1)}{weight}, and found {_quoted(line)}"
            )
        log, weight_text = fields[0], fields[n + 1] if len(fields) == n + 2 else b"0"
        yield fields[1 : n + 1], _logarithm(log, lines), _logarithm(weight_text, lines)


def _logarithm(text: bytes, lines: _NumberedLines) -> float:
    """Return a logarithm to base 10; below ``LOG10_ZERO`` all are that."""
    try:
        value = max(float(text), LOG10_ZERO)
    except ValueError:
        value = float("nan")
    if not value <= -LOG10_ZERO:
        raise lines.error(f"expected a logarithm and found {_quoted(text)}")
    return value


def _part(
    lines: _NumberedLines, n: int, count: int, ids: Mapping[bytes, int], has_weights: bool
) -> _Part:
    """Return the n-grams of one part as they stand there."""
    symbols, logs, weights, numbers = array("q"), array("d"), array("d"), array("q")
    for tokens, log, weight in _rows(lines, n, count, has_weights):
        try:
            symbols.extend(map(ids.__getitem__, tokens))
        except KeyError as error:
            raise lines.error(f"the token {_quoted(error.args[0])} is not a 1-gram") from None
        if len(ids) > MAX_VOCABULARY - 1 + _SPECIAL_TOKENS:
            raise _too_many_characters(lines)
        logs.append(log)
        weights.append(weight)
        numbers.append(lines.number)
    arrays = np.array(symbols, np.int64).reshape(-1, n), np.array(logs, np.float64)
    return _Part(*arrays, np.array(weights, np.float64), np.array(numbers, np.int64))


def _too_many_characters(lines: _NumberedLines) -> ArpaError:
    return lines.error(f"there are more than {MAX_VOCABULARY - 1:,} characters")


def _vocabulary(
    numbers: Mapping[bytes, int], part: _Part, lines: _NumberedLines, symbols: bool
) -> tuple[Vocabulary, dict[bytes, int]]:
    """Return the vocabulary of the numbered 1-grams, and the id of each token.

    ``<s>`` has the id V + 1.
    """
    special = {START_TOKEN.encode(), END_TOKEN.encode(), *(t.encode() for t in UNKNOWN_TOKENS)}
    _, first_rows = np.unique(part.ids, return_index=True)
    spelled: dict[str, bytes] = {}
    for token, line in zip(numbers, part.lines[first_rows].tolist(), strict=True):
        if token in special:
            continue
        symbol = _symbol(token, line, lines, symbols)
        if spelled.setdefault(symbol, token) != token:
            raise lines.error(
                f"{_quoted(token)} and {_quoted(spelled[symbol])} stand for the same symbol",
                line,
            )
    if len(spelled) >= MAX_VOCABULARY:
        raise _too_many_characters(lines)
    try:
        vocabulary = Vocabulary(spelled)
    except VocabularyError as error:  # it is empty
        raise lines.error(str(error)) from None
    ids = {spelled[s]: i for s, i in vocabulary.stoi.items()}
    ids[END_TOKEN.encode()] = BOUNDARY
    ids |= dict.fromkeys((token.encode() for token in UNKNOWN_TOKENS), len(vocabulary))
    ids[START_TOKEN.encode()] = len(vocabulary) + 1
    return vocabulary, ids


def _symbol(token: bytes, line: int, lines: _NumberedLines, symbols: bool) -> str:
    """Return the symbol of a token in a line. Raises ``ArpaError`` if no vocabulary takes it."""
    try:
        symbol = symbol_of(token.decode())
        Vocabulary([symbol])
    except UnicodeDecodeError:
        raise lines.error(f"the token {_quoted(token)} is not UTF-8", line) from None
    except (ArpaError, VocabularyError) as error:
        raise lines.error(str(error), line) from None
    if len(symbol) > 1 and not symbols:
        raise lines.error(
            f"the token {_quoted(token)} has {len(symbol):,} characters: expected a model of"
            " characters, or --symbols for one of symbols that have several",
            line,
        )
    return symbol


def _sorted_unigrams(part: _Part, V: int, lines: _NumberedLines) -> _Part:
    """Return the 1-grams by id: the boundary has the probability of its end and the start's weight.

    ``<s>``, the last of them, has no row of its own any more.
    """
    part = part.chosen(np.argsort(part.ids[:, 0], kind="stable"))
    _refuse_repeated(part, lines)
    for token, id in ((END_TOKEN, BOUNDARY), (START_TOKEN, V + 1)):
        if id not in part.ids:
            raise lines.error(f"the 1-grams have no {token}")
    others = part.chosen(np.arange(len(part.ids) - 1))
    _refuse_positive(others, lines)
    others.weights[0], others.lines[0] = part.weights[-1], part.lines[-1]
    return others


def _refuse_positive(part: _Part, lines: _NumberedLines) -> None:
    if (part.logs > 0).any():
        row = int(np.argmax(part.logs > 0))
        raise lines.error(
            f"the logarithm of a probability is {part.logs[row]:g}, above 0", int(part.lines[row])
        )


def _refuse_misplaced(part: _Part, V: int, lines: _NumberedLines) -> None:
    is_wrong = (part.ids[:, :-1] == BOUNDARY).any(axis=1) | (part.ids[:, 1:] == V + 1).any(axis=1)
    if is_wrong.any():
        line = int(part.lines[np.argmax(is_wrong)])
        raise lines.error(
            f"{START_TOKEN} can only begin an n-gram and {END_TOKEN} only end it", line
        )


def _refuse_repeated(part: _Part, lines: _NumberedLines) -> None:
    is_same = (part.ids[1:] == part.ids[:-1]).all(axis=1)
    if is_same.any():
        row = int(np.argmax(is_same))
        first, second = sorted(part.lines[[row, row + 1]].tolist())
        raise lines.error(f"the n-gram is already in line {first:,}", second)


def _refuse_orphans(part: _Part, levels: _Levels, lines: _NumberedLines) -> None:
    """Raise ``ArpaError`` for an n-gram without its context or its suffix."""
    for ids, what in ((part.ids[:, :-1], "last"), (part.ids[:, 1:], "first")):
        _, is_there = levels.find(ids)
        if not is_there.all():
            line = int(part.lines[~is_there].min())
            raise lines.error(f"the n-gram without its {what} token is not in the file", line)


def _model(vocabulary: Vocabulary, ngrams: _Ngrams, lines: _NumberedLines) -> tuple[Backoff, float]:
    """Return the model of these n-grams, and the probability of ``<unk>`` after no context."""
    V, tree = len(vocabulary), ngrams.tree
    is_state, is_kept = tree.is_state(), ~ngrams.has_unknown
    unknown = float(powers_of_ten(ngrams.logs[V : tree.sizes[0]]).sum())
    ngrams = _without_unknown(ngrams, lines)
    states, symbols = np.divmod(tree.keys[is_kept], tree.V)
    numbers = np.cumsum(np.concatenate(([True], is_kept[is_state]))) - 1  # of the states kept
    sizes = tuple(int(is_kept[level].sum()) for level in tree.levels())
    own = NgramTree(V, sizes, numbers[states] * V + symbols)
    log_backoffs = np.where(is_state, ngrams.weights, 0.0)[is_kept][: sum(sizes[:-1])]
    return Backoff(vocabulary, own, ngrams.logs[is_kept], log_backoffs), unknown


def _without_unknown(ngrams: _Ngrams, lines: _NumberedLines) -> _Ngrams:
    """Return the n-grams with their values given that no symbol is ``<unk>``.

    With z(h) the probability of all other symbols after h, they are probability(hw) / z(h) and
    backoff(h) z(h') / z(h). Where no z is further from 1 than rounding explains, the values stay
    as they were written.
    """
    tree, is_state = ngrams.tree, ngrams.tree.is_state()
    links = Links(tree)
    probabilities, weights = powers_of_ten(ngrams.logs), powers_of_ten(ngrams.weights)
    backoffs = np.concatenate(([0.0], weights[is_state]))
    symbols = np.arange(tree.V)
    totals = context_totals(tree, links, probabilities, backoffs, symbols < tree.V)
    _refuse_wrong_sums(totals, ngrams, lines)
    z = context_totals(tree, links, probabilities, backoffs, symbols < tree.V - 1)
    used_z = np.where(np.concatenate(([False], ngrams.has_unknown[is_state])), 1.0, z)
    if used_z.min() < TOLERANCE:
        where, line = _place_of(int(np.argmin(used_z)), ngrams)
        raise lines.error(f"nothing but {UNKNOWN_TOKENS[0]} is probable {where}", line)
    if (np.abs(used_z - 1) <= ROUNDING / 10).all():
        return ngrams
    with np.errstate(divide="ignore", invalid="ignore"):  # after <unk>, which is dropped
        probabilities /= z[tree.keys // tree.V]
        backoffs *= z[links.suffix_states] / z
    weights[is_state] = backoffs[START:]
    logs = logarithms_to_ten(np.minimum(probabilities, 1.0))  # rounding may go above
    return ngrams._replace(logs=logs, weights=logarithms_to_ten(weights))


def _refuse_wrong_sums(totals: Floats, ngrams: _Ngrams, lines: _NumberedLines) -> None:
    is_right = np.abs(totals - 1) <= TOLERANCE
    if not is_right.all():
        state = int(np.argmin(is_right))
        where, line = _place_of(state, ngrams)
        raise lines.error(
            f"the probabilities {where} sum to {totals[state]:.6g}: expected 1 within"
            f" {TOLERANCE:g}",
            line,
        )


def _place_of(state: int, ngrams: _Ngrams) -> tuple[str, int]:
    """Return how a message names a state's next symbols, and the line of the state's n-gram."""
    if state == ROOT:
        return "of the 1-grams", int(ngrams.lines[: ngrams.tree.sizes[0]].min())
    return "after this n-gram", int(ngrams.lines[ngrams.tree.is_state()][state - START])


def own_loss(model: Model) -> float:
    """Return an estimate of a model's loss on words that it draws itself, in nats per symbol.

    That is the mean entropy of the next symbol along a few thousand words of at most ``_LONGEST``
    symbols: the loss that a model expects where it is right.
    """
    generator = np.random.default_rng(0)
    state, left = model.start(_DRAWS), _DRAWS
    nats = symbols = 0.0
    for _ in range(_LONGEST):
        uniform, following = generator.random(left), np.empty(left, np.int64)
        for part in chunks(left, len(model.vocabulary)):
            log_P = model.log_probabilities(select(state, part))
            P = np.exp(log_P)
            nats -= float((P * np.where(P > 0, log_P, 0.0)).sum())
            following[part] = drawn(P, uniform[part])
        symbols += left
        rows = np.flatnonzero(following)
        left = len(rows)
        if not left:
            break
        state = model.advance(select(state, rows), following[rows])
    return nats / symbols


def _quoted(text: bytes) -> str:
    """Return a piece of the file as a message shows it."""
    return f"'{shown(text[:60].decode('utf-8', 'backslashreplace'))}'"
