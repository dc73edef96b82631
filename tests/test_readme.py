"""What the README shows is what the commands print. It takes half a minute: it runs them all."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def readme() -> ModuleType:
    spec = importlib.util.spec_from_file_location("readme", ROOT / "scripts" / "readme.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_output_shown_is_current(readme: ModuleType, names_path: Path) -> None:
    text = readme.README.read_text(encoding="utf-8")
    difference = readme.differences(text, readme.refreshed(text, names_path))
    assert not difference, f"run scripts/readme --write:\n{difference}"


def test_a_changed_output_is_found(readme: ModuleType, names_path: Path) -> None:
    text = "```console\n$ echo one\ntwo\n```\n\n```pycon\n>>> 1 + 1\n3\n```\n"
    difference = readme.differences(text, readme.refreshed(text, names_path))
    assert {"-two", "+one", "-3", "+2"} <= set(difference.splitlines())


def test_times_do_not_count(readme: ModuleType) -> None:
    assert not readme.differences("saved x in 0.05 s\n", "saved x in 12.31 s\n")
    assert readme.differences("loss 2.4528\n", "loss 2.4529\n")


def test_nothing_shown_has_failed(readme: ModuleType) -> None:
    text = readme.README.read_text(encoding="utf-8")
    assert "Traceback" not in text


def test_all_that_the_readme_names_is_there() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for path in re.findall(r"`(scripts/\w+|makemore/[\w/]+\.py)|\]\((data/[\w./]+)\)", text):
        assert (ROOT / (path[0] or path[1])).exists(), path
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lower()).strip().replace(" ", "-")
        for line in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([\w-]+)\)", text)) <= headings
