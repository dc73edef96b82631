"""What a new user gets: an installation without extras, in an environment of its own.

It takes a while, for pip fetches and installs all that makemore needs; nothing less shows that
nothing else is needed.
"""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from makemore.cli import main

ROOT = Path(__file__).parents[1]

WORDS = "anna ben cara dan eden fran gina hana ian jana kara lena".split()
COMMANDS = {
    "train": "train words.txt --holdout 0.2",
    "sample": "sample -n 3 --seed 1 --new --report",
    "top": "top -n 3",
    "score": "score words.txt",
    "outliers": "outliers words.txt",
    "compare": "compare makemore.npz makemore.npz",
    "mix": "mix --help",
    "export": "export --help",
    "import": "import --help",
    "info": "info",
    "plot-heatmap": "plot-heatmap",
    "plot-loss": "plot-loss -o loss.pdf",
    "plot-embeddings": "plot-embeddings",
    "plot-attention": "plot-attention --help",
    "page": "page",
    "check": "check words.txt",
    "download": "download --help",
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the programs of a fresh environment that holds makemore."""
    folder = tmp_path_factory.mktemp("installation")
    source = folder / "source"
    ours = ("makemore", "pyproject.toml", "README.md", "LICENSE")
    for name in ours:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        source.mkdir(exist_ok=True)
        copy(ROOT / name, source / name)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    programs = folder / "venv" / "bin"
    pip = [sys.executable, "-m", "pip", "--python", str(programs / "python")]
    # To compile all libraries takes longer than to run what is run here.
    install = [*pip, "install", "--quiet", "--no-compile"]
    done = subprocess.run([*install, str(source)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"pip cannot install here: {done.stderr.strip().splitlines()[-1]}")
    return programs


def test_every_command_is_tried() -> None:
    assert set(COMMANDS) == set(main.commands)


def test_every_command_runs_without_the_extras(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("".join(f"{word}\n" for word in WORDS * 5))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    for command in COMMANDS.values():
        done = subprocess.run(
            [installed / "makemore", *command.split()],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        assert "Traceback" not in done.stderr
    made = {path.name for path in tmp_path.iterdir()}
    assert made >= {"makemore.npz", "heatmap.png", "loss.pdf", "makemore.html"}


def test_the_package_is_whole_and_every_module_is_imported_without_the_extras(
    installed: Path,
) -> None:
    code = """
import importlib, pathlib, pkgutil, makemore
folder = pathlib.Path(makemore.__file__).parent
assert "site-packages" in folder.parts
for module in pkgutil.walk_packages([folder], "makemore."):
    importlib.import_module(module.name)
print(*(path.relative_to(folder).as_posix() for path in folder.rglob("*.*")))
"""
    done = subprocess.run(
        [installed / "python", "-I", "-B", "-W", "error", "-c", code],
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )
    package = ROOT / "makemore"
    ours = {path.relative_to(package).as_posix() for path in package.rglob("*.*")}
    assert {name for name in done.stdout.split() if "__pycache__" not in name} == {
        name for name in ours if "__pycache__" not in name
    }


def test_the_package_has_its_version(installed: Path) -> None:
    code = (
        "import importlib.metadata, makemore;"
        "assert importlib.metadata.version('makemore-numpy') == makemore.__version__"
    )
    subprocess.run([installed / "python", "-I", "-c", code], cwd="/", check=True)
    done = subprocess.run(
        [installed / "python", "-m", "makemore", "--version"],
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("makemore ")


def test_a_source_distribution_is_the_whole_checkout(tmp_path: Path) -> None:
    """Its tests run, for their helpers are there."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("this is no git checkout")
    build = [sys.executable, "-m", "build", "--sdist", "--outdir", str(tmp_path), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no source distribution can be built here: {done.stdout[-300:]}")
    (path,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        found = {name.partition("/")[2] for name in archive.getnames()}
    assert found == {*tracked.stdout.split(), "PKG-INFO"}
