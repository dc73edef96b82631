"""Runs the commands in the README, and compares or rewrites their output there.

A ``console`` block holds commands after ``$ `` with their output, a ``pycon`` block a Python
session that continues from block to block. All run one after another in one folder that holds
data/names.txt. Times differ from run to run, so numbers with two decimals are not compared.
"""

import argparse
import code
import contextlib
import difflib
import functools
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"^```(console|pycon)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TIME = re.compile(r" *(?<![\d.])\d+\.\d\d(?![\d.])")


def main() -> None:
    """Compare by default; with ``--write`` put the output into the README."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="rewrite the README's output")
    parser.add_argument("--names", default=os.environ.get("MAKEMORE_NAMES", "data/names.txt"))
    arguments = parser.parse_args()
    before = README.read_text(encoding="utf-8")
    after = refreshed(before, Path(arguments.names))
    if arguments.write:
        README.write_text(after, encoding="utf-8")
    elif difference := differences(before, after):
        sys.exit(difference)


def differences(before: str, after: str) -> str:
    """Return how two texts of the README differ, times left out; nothing if they do not."""
    one, other = (TIME.sub(" 0.00", text).splitlines() for text in (before, after))
    return "\n".join(difflib.unified_diff(one, other, "README.md", "what the commands print"))


def refreshed(text: str, names: Path) -> str:
    """Return the README's text with the output of its commands as they print it now."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "data").mkdir()
        shutil.copy(names, Path(folder) / "data" / "names.txt")
        session = code.InteractiveConsole()
        run: dict[str, Callable[[str, str], str]] = {
            "console": _run_commands,
            "pycon": functools.partial(_run_session, session),
        }

        def block(match: re.Match[str]) -> str:
            return f"```{match[1]}\n{run[match[1]](match[2], folder)}```"

        return BLOCK.sub(block, text)


def _run_commands(block: str, folder: str) -> str:
    shown = []
    for line in block.splitlines():
        if line.startswith("$ "):
            shown += [line + "\n", _output(line.removeprefix("$ "), folder)]
    return "".join(shown)


def _output(command: str, folder: str) -> str:
    """Return what a command prints on stdout and stderr, in a terminal of 100 columns."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": "100"}
    done = subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    return done.stdout


def _run_session(session: code.InteractiveConsole, block: str, folder: str) -> str:
    """Return a part of a Python session with what it prints."""
    shown, goes_on = [], False
    with contextlib.chdir(folder):
        for line in block.splitlines():
            if line.startswith((">>> ", "... ")):
                printed = io.StringIO()
                with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                    if goes_on and line.startswith(">>> "):
                        session.push("")  # ends a loop, as an empty line does
                    goes_on = session.push(line[4:])
                shown += [line + "\n", printed.getvalue()]
    return "".join(shown)


if __name__ == "__main__":
    main()
