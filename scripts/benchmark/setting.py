"""The setting of the benchmark: an installed makemore, files to count, and the peers."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmark.measure import MEGABYTE, BenchmarkError, Task, run

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
BUNDLED_NAMES = PROJECT / "makemore/data/us-names-2017.txt"

LONGEST_LINE = 1 << 16  # bytes
ALPHABET = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Script:
    """A script: how a text is spelt in it, and the encoding."""

    spell: Callable[[str], str]
    encoding: str = "utf-8"


def letters(before: str, after: str) -> Callable[[str], str]:
    """Return a function that replaces each letter of ``before``."""
    table = str.maketrans(before, after)
    return lambda text: text.translate(table)


def syllables(text: str) -> str:
    """Write one of 3,000 Chinese characters for every three letters, or fewer at a word's end."""
    return re.sub("[a-z]{1,3}", lambda found: chr(0x4E00 + int(found[0], 36) % 3000), text)


# about 12 % of the letters of names are replaced, more than in most languages
_ACCENTS = letters("ydkj", "éöñç")
SCRIPTS = {
    "plain": Script(str),
    "accented": Script(_ACCENTS),
    "latin-1": Script(_ACCENTS, "latin-1"),
    "polish": Script(letters("ydkj", "łęśż")),
    "vietnamese": Script(letters("ydkj", "ếđộư")),
    "cyrillic": Script(letters(ALPHABET, "абвгдежзийклмнопрстуфхцчшщ")),
    "chinese": Script(syllables),
}
"""The same words in several alphabets."""


@dataclass(frozen=True)
class Setting:
    """The files and programs of the benchmark.

    Attributes
    ----------
    folder : Path
        A temporary folder.
    names : Path
        The list of words to train on.
    python, makemore : Path
        The programs of an environment in which makemore is installed as users install it.
    peers : str
        A Python interpreter with NumPy and the available peers.
    quick : bool
    """

    folder: Path
    names: Path
    python: Path
    makemore: Path
    peers: str
    quick: bool

    def rounds(self, full: int, quick: int) -> int:
        """Return how often to measure."""
        return quick if self.quick else full

    def checkpoint(self, name: str) -> Path:
        """Return the path of a checkpoint."""
        return self.folder / f"{name}.npz"

    def command(self, name: str, *arguments: object) -> Task:
        """Return the task of a makemore command."""
        return Task(name, (str(self.makemore), *map(str, arguments)))

    def do(self, *arguments: object) -> None:
        """Run a makemore command."""
        run(self.command("preparation", *arguments))

    def code(self, name: str, code: str) -> Task:
        """Return the task of a line of Python in the environment of makemore."""
        return Task(name, (str(self.python), "-c", code))

    def inside(self, name: str, *arguments: object) -> Task:
        """Return the task of a function of ``inside.py``."""
        return Task(name, (str(self.python), str(HERE / "inside.py"), *map(str, arguments)), True)

    def peer(self, name: str, *arguments: object) -> Task:
        """Return the task of a function of ``peers.py``."""
        return Task(name, (self.peers, str(HERE / "peers.py"), *map(str, arguments)), True)

    def has(self, module: str) -> bool:
        """Return whether the peers' interpreter has a module."""
        code = f"import importlib.util as u, sys; sys.exit(u.find_spec({module!r}) is None)"
        return subprocess.run([self.peers, "-c", code], check=False).returncode == 0


def install(folder: Path) -> tuple[Path, Path]:
    """Install makemore into a new environment; return its Python and its ``makemore``.

    It is not an editable installation, which searches for its files at each start, and is made from
    a copy, so that no folder ``build`` is left in the project. The libraries are linked to those of
    the benchmark's own environment, because it takes half a minute to install them.
    """
    source, environment = folder / "source", folder / "environment"
    source.mkdir()
    for path in (PROJECT / "pyproject.toml", PROJECT / "LICENSE", PROJECT / "README.md"):
        if path.exists():
            shutil.copy(path, source)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PROJECT / "makemore", source / "makemore", ignore=ignored)
    venv.create(environment, symlinks=True)
    binaries = environment / "bin"
    link_libraries(environment)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run(
        [*pip, "--python", str(binaries / "python"), "install", "--no-deps", str(source)],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return binaries / "python", binaries / "makemore"


def link_libraries(environment: Path) -> None:
    """Link all installed libraries but makemore into another environment.

    Files ``.pth`` are left out: they cost time at each start and belong to development tools.
    """
    target = sysconfig.get_path("purelib", vars={"base": str(environment)})
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if path.suffix != ".pth" and "makemore" not in path.name:
            (Path(target) / path.name).symlink_to(path)


def find_names(argument: Path | None) -> tuple[Path, str]:
    """Return the list of names to use, and how it was found."""
    if argument:
        return argument.resolve(), "named on the command line"
    if path := os.environ.get("MAKEMORE_NAMES"):
        return Path(path).resolve(), "named by MAKEMORE_NAMES"
    return BUNDLED_NAMES, "the list inside the package"


def write_words(setting: Setting, megabytes: int, script: str = "plain") -> Path:
    """Write a file of whole lines just under this many megabytes, and return its path.

    It repeats about 10 MB of words, which are drawn from an n-gram model of order 5. The file is
    always the same.
    """
    path = setting.folder / f"{script}-{megabytes}.txt"
    drawn = setting.folder / "drawn.txt"
    if not drawn.exists():
        draw_words(setting, drawn)
    if not drawn.stat().st_size:
        raise BenchmarkError("no words were drawn")
    spelt = setting.folder / f"drawn-{script}.txt"
    with open(spelt, "wb") as file:
        for block in blocks_of_lines(drawn):
            file.write(SCRIPTS[script].spell(block.decode()).encode(SCRIPTS[script].encoding))
    room = megabytes * MEGABYTE
    with open(path, "wb") as file:
        while True:
            for block in blocks_of_lines(spelt):
                if len(block) > room:
                    file.write(block[: block.rfind(b"\n", 0, room) + 1])
                    return path
                room -= file.write(block)


def blocks_of_lines(path: Path) -> Iterator[bytes]:
    """Yield a file in blocks of whole lines.

    The peak memory of a child process is never below that of this one.
    """
    with open(path, "rb") as lines:
        while block := b"".join(lines.readlines(MEGABYTE)):
            yield block


def prepare(setting: Setting) -> None:
    """Train the models that sampling and scoring are measured with."""
    setting.do("train", setting.names, "-c", setting.checkpoint("bigram"))
    setting.do("train", setting.names, "--model", "ngram", "-c", setting.checkpoint("order-5"))


def draw_words(setting: Setting, path: Path) -> None:
    """Write 10 MB of words that the model of order 5 draws, or less where words are very short."""
    model = ("-c", setting.checkpoint("order-5"))
    setting.do("sample", *model, "-n", 3 * MEGABYTE, "--seed", 1, "-o", path)
    size = min(10 * MEGABYTE, path.stat().st_size)
    with open(path, "r+b") as words:
        words.seek(max(0, size - LONGEST_LINE))
        rest = words.read(size - words.tell()).rpartition(b"\n")[2]
        words.truncate(size - len(rest))


def write_spaced(setting: Setting) -> Path:
    """Write the names with a space between the letters, which are the tokens of KenLM."""
    path = setting.folder / "spaced.txt"
    with open(setting.names, encoding="utf-8") as names, open(path, "w", encoding="utf-8") as file:
        for name in names:
            file.write(" ".join(name.rstrip("\n")) + "\n")
    return path
