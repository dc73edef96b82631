"""Mixing trained models: the weights come from words that none has seen, the rest is a mixture."""

import itertools
import math
import random
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from makemore.arpa import read_arpa, write_arpa
from makemore.checkpoint import load, save
from makemore.cli import main
from makemore.counting.passes import split_for_validation
from makemore.data.corpus import Corpus
from makemore.data.holdout import hash_lines, role_of
from makemore.data.table import Columns
from makemore.errors import CheckpointError, CorpusError
from makemore.models.ngram import Ngram
from makemore.reporting import describe_training
from makemore.training import mixing
from makemore.training.mixing import mix
from makemore.training.mixture import weights_on
from makemore.training.options import TrainingOptions
from makemore.training.record import Checkpoint
from makemore.training.train import train

_draw = random.Random(0)
WORDS = [
    *("".join(letters) for letters in itertools.product("bdgm", "aei", "lnr", "aeo", ["", "n"])),
    *("".join(_draw.choices("abdegilmnor", k=_draw.randint(2, 6))) for _ in range(100)),
]
"""Regular words, which a network learns, and random ones, for which counts are as good."""
CORPUS = Corpus.from_words(WORDS)


def trained(model: str, **options: Any) -> Checkpoint:
    given = {"holdout": 0.2, **options}
    return train(CORPUS, TrainingOptions(model, **given))


NGRAM = trained("ngram", order=2)
MLP = trained("mlp", steps=40, hidden_size=16, embedding_size=8, validation=0.2)
BOW = trained("bow", steps=40, hidden_size=16, embedding_size=8, validation=0.1)


def test_fewer_than_two_models_or_imported_ones_are_refused(tmp_path: Path) -> None:
    for too_few in ({}, {"order 2": NGRAM}):
        with pytest.raises(CheckpointError, match="needs two models or more"):
            mix(too_few, CORPUS)
    write_arpa(tmp_path / "n.arpa", NGRAM)
    with pytest.raises(CheckpointError, match="other was imported"):
        mix({"order 2": NGRAM, "other": read_arpa(tmp_path / "n.arpa")}, CORPUS)


def words_of_role(role: int, validation: float) -> list[str]:
    """Return the words of a role: 0 is training, 1 held out, 2 validation."""
    split = split_for_validation(CORPUS, NGRAM.model.vocabulary, 0.2, validation)
    text = "".join(word + "\n" for word in WORDS).encode()
    roles = role_of(hash_lines(np.frombuffer(text, np.uint8)), split.bounds)
    return [word for word, found in zip(WORDS, roles.tolist(), strict=True) if found == role]


def symbol_probabilities(checkpoint: Checkpoint, words: list[str]) -> list[float]:
    """Return P of each symbol of words, by the three questions of a model."""
    model, found = checkpoint.model, []
    for word in words:
        state = model.start(1)
        for symbol in [*model.vocabulary.encode(word).tolist(), 0]:
            found.append(math.exp(model.log_probabilities(state)[0, symbol]))
            if symbol:
                state = model.advance(state, np.array([symbol]))
    return found


@pytest.mark.parametrize("smoothing", [{}, {"smoothing_method": "additive", "smoothing": 9.0}])
def test_the_weights_are_those_of_least_loss_on_words_that_none_has_seen(
    smoothing: dict[str, Any],
) -> None:
    mixed = mix({"n": trained("ngram", order=2, **smoothing), "m": MLP}, CORPUS)
    validation = words_of_role(2, 0.2)
    assert len(validation) > 10
    seen = set(words_of_role(0, 0.2))
    twin = train(
        Corpus.from_words([word for word in WORDS if word in seen]),
        TrainingOptions("ngram", order=2, holdout=0, **smoothing),
    )
    one, other = (symbol_probabilities(each, validation) for each in (twin, MLP))

    def loss(weight: float) -> float:
        return -sum(
            math.log(weight * p + (1 - weight) * q) for p, q in zip(one, other, strict=True)
        )

    best = min(np.linspace(0.001, 0.999, 999).tolist(), key=loss)
    assert mixed.model.arrays()["mixture_weights"][0] == pytest.approx(best, abs=3e-3)


def test_the_parts_are_the_models_as_they_were_trained() -> None:
    mixed = mix({"n": NGRAM, "m": MLP}, CORPUS)
    weights = mixed.model.arrays()["mixture_weights"]
    held_out = words_of_role(1, 0.2)
    one, other, both = (symbol_probabilities(each, held_out) for each in (NGRAM, MLP, mixed))
    expected = weights[0] * np.array(one) + weights[1] * np.array(other)
    np.testing.assert_allclose(both, expected, rtol=1e-9)
    assert mixed.training.held_out_loss == pytest.approx(-np.log(expected).mean(), rel=1e-9)
    assert mixed.corpus == NGRAM.corpus


def test_networks_share_the_fewest_validation_words() -> None:
    mixed = mix({"m": MLP, "b": BOW}, CORPUS)
    assert mixed.training.options["validation"] == 0.1
    ngrams = mix({"n": NGRAM, "other": trained("ngram", order=3)}, CORPUS)
    assert ngrams.training.options["validation"] == 0.02


def test_a_model_that_adds_nothing_is_left_out() -> None:
    flat = trained("ngram", order=2, smoothing_method="additive", smoothing=1e6)
    mixed = mix({"flat": flat, "m": MLP}, CORPUS)
    assert mixed.model.describe_parts() == [f"1.000 mlp, {MLP.model.parameter_count:,} parameters"]
    assert mixed.training.seconds > 0
    told = describe_training(mixed).splitlines()
    assert "left out  flat, which did not help" in told
    assert "left out" not in describe_training(mix({"n": NGRAM, "m": MLP}, CORPUS))


def test_words_with_rare_characters_stay_left_out() -> None:
    rare = Corpus.from_words([*WORDS, "Aab"])  # "A" would be the first of the alphabet
    given: dict[str, Any] = {"holdout": 0.2, "min_count": 2}
    sizes: dict[str, Any] = {"steps": 40, "hidden_size": 16, "embedding_size": 8}
    one = train(rare, TrainingOptions("ngram", order=2, **given))
    other = train(rare, TrainingOptions("mlp", validation=0.2, **sizes, **given))
    weights = mix({"n": one, "m": other}, rare).model.arrays()["mixture_weights"]
    expected = mix({"n": NGRAM, "m": MLP}, CORPUS).model.arrays()["mixture_weights"]
    np.testing.assert_allclose(weights, expected, rtol=1e-12)


def test_symbols_of_several_characters_stay_whole() -> None:
    corpus = replace(CORPUS, symbol_rule="na|bo")
    ngram = train(corpus, TrainingOptions("ngram", order=2, holdout=0.2))
    given: dict[str, Any] = {"steps": 5, "hidden_size": 8, "embedding_size": 8, "holdout": 0.2}
    network = train(corpus, TrainingOptions("mlp", validation=0.2, **given))
    mixed = mix({"n": ngram, "m": network}, corpus)
    assert mixed.model.vocabulary == network.model.vocabulary
    # the lengths, in symbols, of the words that were held out
    lengths = [sorted(each.training.calibration[:, 0].tolist()) for each in (mixed, network)]
    assert lengths[0] == lengths[1]


def test_a_mixture_that_is_mixed_gives_its_parts() -> None:
    both = mix({"n": NGRAM, "m": MLP}, CORPUS)
    three = mix({"x": both, "b": BOW}, CORPUS)
    assert len(three.model.describe_parts()) <= 3
    assert all("mixture" not in part for part in three.model.describe_parts())


def test_words_from_elsewhere_find_the_weights_without_those_held_out() -> None:
    held_out, others = words_of_role(1, 0.2), ["bobo", "nola", "mab", "grr"]
    alone = mix({"n": NGRAM, "m": MLP}, CORPUS, Corpus.from_words(others))
    more = mix({"n": NGRAM, "m": MLP}, CORPUS, Corpus.from_words([*others, *held_out]))
    weights = [made.model.arrays()["mixture_weights"].tolist() for made in (alone, more)]
    assert weights[0] == weights[1]
    own = -np.log(symbol_probabilities(alone, words_of_role(0, 0.0))).mean()
    assert alone.training.training_loss == pytest.approx(own, rel=1e-9)  # without validation words
    validated = mix({"n": NGRAM, "m": MLP}, CORPUS).model.arrays()["mixture_weights"].tolist()
    assert weights[0] != validated
    with pytest.raises(CorpusError, match="no words to find the weights on"):
        mix({"n": NGRAM, "m": MLP}, CORPUS, Corpus.from_words(held_out))


def test_models_of_different_words_are_refused() -> None:
    letters = train(Corpus.from_words(["xyz", "zyx", *WORDS]), TrainingOptions("ngram", holdout=0))
    share = trained("ngram", holdout=0.3)
    for other, said in ((letters, "different alphabets"), (share, "held out different words")):
        with pytest.raises(CheckpointError, match=f"n and other.*{said}.*cannot be mixed"):
            mix({"n": NGRAM, "other": other}, CORPUS)
    with pytest.raises(CorpusError, match="is not what the models were trained on"):
        mix({"n": NGRAM, "m": MLP}, Corpus.from_words(WORDS[1:]))
    with pytest.raises(CheckpointError, match=r"b was trained on all words.*--corpus"):
        mix({"n": NGRAM, "b": trained("bigram")}, CORPUS)


def test_models_of_two_columns_are_refused() -> None:
    table = Corpus.from_bytes("".join(f"{word},{word + word[:1]}\n" for word in WORDS).encode())
    parts = {
        column: train(replace(table, columns=Columns(column)), model="ngram", holdout=0.0)
        for column in ("1", "2")
    }
    with pytest.raises(CheckpointError, match="1 and 2 were trained on different words"):
        mix(parts, replace(table, columns=Columns("1")))
    with pytest.raises(CorpusError, match=r"were trained on other words of .* the same column"):
        mix({"a": parts["1"], "b": parts["1"]}, replace(table, columns=Columns("2")))


def test_a_corpus_that_changes_while_models_are_mixed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "words.txt"
    path.write_text("".join(f"{word}\n" for word in WORDS))

    def changing(*given: Any) -> Any:
        with path.open("a") as file:
            file.write("bal\n" * 100)
        return weights_on(*given)

    monkeypatch.setattr(mixing, "weights_on", changing)
    with pytest.raises(CorpusError, match="changed while it was read"):
        mix({"n": NGRAM, "m": MLP}, Corpus.from_paths(path))


def test_the_command_mixes_and_saves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, list(arguments))
        assert result.exit_code == code, result.output
        return result

    Path("words.txt").write_text("".join(word + "\n" for word in WORDS))
    run("train", "words.txt", "--model", "ngram", "-c", "n.npz", "--holdout", "20%")
    small = ("--hidden-size", "8", "--steps", "20", "--validation", "10%", "--holdout", "20%")
    run("train", "words.txt", "--model", "bow", *small, "-c", "b.npz")
    out = run("mix", "n.npz", "b.npz", "-c", "x.npz").stdout
    assert "again     makemore mix n.npz b.npz\n" in out
    assert "saved x.npz" in out
    assert isinstance(load("x.npz").model.components[0], Ngram)  # type: ignore[attr-defined]
    assert len(run("sample", "-c", "x.npz", "-n", "4", "--seed", "1").stdout.split()) == 4
    assert (
        "nothing to resume" in run("train", "words.txt", "--resume", "-c", "x.npz", code=2).stderr
    )
    assert "once" in run("mix", "n.npz", "n.npz", code=2).stderr
    assert "would be lost" in run("mix", "n.npz", "b.npz", "-c", "words.txt", code=1).stderr
    Path("words.txt").rename("moved.txt")
    assert "by --corpus" in run("mix", "n.npz", "b.npz", code=1).stderr
    by_name = run("mix", "n.npz", "b.npz", "-c", "y.npz", "--corpus", "moved.txt").stdout
    assert by_name.splitlines()[:8] == out.splitlines()[:8]
    piped = CliRunner().invoke(
        main, ["mix", "n.npz", "b.npz", "-c", "z.npz", "--corpus", "-"], input="\n".join(WORDS)
    )
    assert "is not what" in piped.output or piped.exit_code == 1  # the last line end is missing


def test_models_of_a_table_are_mixed_by_the_words_of_a_plain_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, list(arguments))

    words = [*WORDS, "zoë", "chloë"]
    table = "".join(f"F;{word};{number}\n" for number, word in enumerate(words, 1))
    Path("table.csv").write_bytes(table.encode("latin-1"))
    read = ("--column", "2", "--weights", "3", "--encoding", "latin-1", "--model", "ngram")
    for order in ("2", "3"):
        made = run("train", "table.csv", *read, "--order", order, "-c", f"{order}.npz")
        assert made.exit_code == 0, made.output
    Path("plain.txt").write_text("joë\nmia\nlea\nnoë\n", "utf-8")
    mixed = run("mix", "2.npz", "3.npz", "-c", "m.npz", "--corpus", "plain.txt")
    assert mixed.exit_code == 0, mixed.output
    Path("table.csv").rename("moved.csv")
    by_name = run("mix", "2.npz", "3.npz", "-c", "y.npz", "--corpus", "moved.csv")
    assert by_name.exit_code == 0, by_name.output  # what the models were trained on is the table


def again(checkpoint: str) -> list[str]:
    """Return the words of the command that ``info`` shows."""
    out = CliRunner().invoke(main, ["info", "-c", checkpoint]).stdout
    return shlex.split(out.splitlines()[-1].removeprefix("again"))


def test_the_command_that_repeats_a_training_finds_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("some folder").mkdir()
    for name in ("some folder/my words.txt", "more.txt"):
        Path(name).write_text("".join(word + "\n" for word in WORDS))
    runner = CliRunner()

    def files(*corpus: str, **more: str) -> list[str]:
        options = ("--model", "ngram", "-c", "a b.npz")
        assert runner.invoke(main, ["train", *corpus, *options], **more).exit_code == 0  # type: ignore[arg-type]
        command = again("a b.npz")
        assert command[:2] == ["makemore", "train"]
        return command[2 : command.index("--model")]

    assert files("some folder/my words.txt") == ["some folder/my words.txt"]
    assert files("some folder/my words.txt", "more.txt") == ["my words.txt", "more.txt"]
    assert files("-", input="\n".join(WORDS)) == ["-"]
    files("more.txt")
    shutil.copy("a b.npz", "c.npz")
    runner.invoke(main, ["mix", "a b.npz", "c.npz", "-c", "mixed.npz"])
    assert again("mixed.npz") == ["makemore", "mix", "a b.npz", "c.npz"]
    monkeypatch.chdir("some folder")
    assert again("../c.npz")[2] == str(tmp_path / "more.txt")


def test_info_shows_the_command_that_repeats_a_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my words.txt").write_text("".join(word.title() + "\n" for word in WORDS))
    runner = CliRunner()
    changes = ["--lowercase", "--errors", "skip", "--holdout", "0.3"]
    first = ["train", "my words.txt", "--model", "mlp", "--steps", "12", *changes]
    assert runner.invoke(main, [*first, "-c", "one.npz"]).exit_code == 0
    again = runner.invoke(main, ["info", "-c", "one.npz"]).stdout.splitlines()[-1]
    assert again.startswith("again     makemore train 'my words.txt' --model mlp ")
    repeated = [*shlex.split(again)[2:], "-c", "two.npz"]
    assert runner.invoke(main, repeated).exit_code == 0
    one, two = load("one.npz"), load("two.npz")
    assert one.training.options == two.training.options
    assert one.corpus == two.corpus
    pairs = zip(one.model.arrays().values(), two.model.arrays().values(), strict=True)
    assert all((a == b).all() for a, b in pairs)
    save("one.npz", two)
