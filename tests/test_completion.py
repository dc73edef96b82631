"""Shell completion as the README sets it up, in the shells themselves."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from makemore.kinds import KINDS

PROGRAMS = Path(sys.executable).parent


def run(shell: str, script: str, **environment: str) -> list[str]:
    """Return the lines that a shell prints, with this makemore first on its path."""
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    path = f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [shell, "-c", script],
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_bash_completes_commands_options_and_values() -> None:
    script = """
        eval "$(_MAKEMORE_COMPLETE=bash_source makemore)"
        complete -p makemore > /dev/null
        complete_words() {
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
            _makemore_completion makemore
            echo "${COMPREPLY[@]}"
        }
        complete_words makemore tr
        complete_words makemore plot-
        complete_words makemore train --smoothing-
        complete_words makemore train --model ""
        complete_words makemore info a.npz --j
    """
    assert run("bash", script) == [
        "train",
        "plot-heatmap plot-loss plot-embeddings plot-attention",
        "--smoothing-method",
        " ".join(KINDS),
        "--json",
    ]


def test_the_shell_completes_names_of_files() -> None:
    script = """
        export COMP_CWORD=2 _MAKEMORE_COMPLETE=bash_complete
        for command in train check score outliers mix; do
            COMP_WORDS="makemore $command wo" makemore
        done
    """
    assert run("bash", script) == ["file,wo"] * 5


@pytest.mark.skipif(version("click") < "8.5", reason="click's script for fish fails before 8.5")
def test_fish_completes_commands_and_values() -> None:
    script = """
        _MAKEMORE_COMPLETE=fish_source makemore | source
        complete -C "makemore tr"
        complete -C "makemore train --model n"
    """
    lines = [line.split("\t")[0] for line in run("fish", script)]
    assert lines == ["train", "ngram"]


def test_zsh_reads_the_script_and_gets_its_answers(tmp_path: Path) -> None:
    script = """
        autoload -Uz compinit && compinit -u -d "$HOME/.zcompdump"
        eval "$(_MAKEMORE_COMPLETE=zsh_source makemore)"
        print -r -- "${_comps[makemore]}"
    """
    # The widgets of zsh need a terminal; what they call is the function and this answer.
    assert run("zsh", script, HOME=str(tmp_path)) == ["_makemore_completion"]
    answer = "COMP_WORDS='makemore tr' COMP_CWORD=1 _MAKEMORE_COMPLETE=zsh_complete makemore"
    assert run("zsh", answer)[:2] == ["plain", "train"]
