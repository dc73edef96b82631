"""A program of someone else that uses the package: it runs, and its types are strict.

The type checker reads the whole package as a library, which takes some seconds.
"""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys

import numpy as np
import numpy.typing as npt

import makemore

names = ["emma", "olivia", "ava", "isabella", "sophia", "mia", "amelia", "emily"] * 3
corpus = makemore.Corpus.from_words(names)

gru: makemore.Checkpoint = makemore.train(
    corpus, model="gru", time_limit=60, steps=4, hidden_size=8, validation=0.3
)
counts = makemore.train(corpus, model="ngram", order=3)
makemore.save("gru.npz", gru)
again = makemore.load("gru.npz")

words: list[str] = makemore.sample(again, 5, seed=1, new=False)
limits = makemore.Constraints(suffix="a", max_length=6)
sampler = makemore.Sampler(again, constraints=limits, temperature=0.8)
steered: list[str] = sampler.sample(3, seed=1)
error: float = sampler.error
totals: npt.NDArray[np.float64] = makemore.score(again, words).total
best: list[tuple[str, float]] = makemore.top(counts, 3, constraints=limits, exclude=["emma"])
model: makemore.Model = makemore.mix({"gru": gru, "order 3": counts}, corpus).model
loss: float = makemore.evaluate(model, ["emma\\n"]).loss
makemore.save_figure(makemore.draw_heatmap(model.bigram_table(), model.vocabulary.itos), "m.svg")

try:
    makemore.train(corpus, model="gru", order=3)
except makemore.MakemoreError as refused:
    print(refused)
assert len(words) == 5 and len(totals) == 5 and len(steered) == 3 and len(best) == 3
assert all(word.endswith("a") for word in steered) and 0 <= error < 1
print(f"{sum(probability for _, probability in best):.3f} {loss:.3f}", file=sys.stderr)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "client.py"
    path.write_text(PROGRAM)
    return path


def test_a_client_of_all_that_there_is_one_way_for_runs(program: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", program], cwd=program.parent, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    told = "--order has no effect on --model gru by --method gradient: it is for --model ngram\n"
    assert done.stdout == told


def test_the_types_of_a_client_are_strict(program: Path) -> None:
    wrong = program.parent / "wrong.py"
    wrong.write_text(
        "import makemore\n\ntotal: str = makemore.top(makemore.load('x'), 3)[0][1]\n"
        "makemore.train(makemore.Corpus.from_words(['emma']), model='ngram', ordr=3)\n"
    )
    command: list[str] = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-incremental",
        str(program),
        str(wrong),
    ]
    done = subprocess.run(command, cwd=program.parent, capture_output=True, text=True)
    value, option = (line for line in done.stdout.splitlines() if "error:" in line)
    assert value.startswith("wrong.py:3: error: Incompatible types in assignment"), done.stdout
    assert option.startswith('wrong.py:4: error: Unexpected keyword argument "ordr"'), done.stdout
