"""Every kind of model in the page: its probabilities, in a real browser, beside Python's."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_webpage import trained
from webpage_browser import CHROMIUM, DRIVER, Browser

from makemore.arrays import Floats
from makemore.data.corpus import Corpus
from makemore.kinds import KINDS
from makemore.models.base import Model
from makemore.models.ngram import Ngram
from makemore.page.webpage import write_page
from makemore.training.options import TrainingOptions
from makemore.training.record import Checkpoint
from makemore.training.train import train

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="there is no chromium with a chromedriver"
)

WORDS = ["emma", "olivia", "ava", "isabella", "sophia", "mia", "amelia", "ella", "ivy"] * 20
SMALL: dict[str, Any] = {
    **{"method": "gradient", "steps": 8, "batch_size": 32},
    **{"validation": 0.0, "learning_rate": 0.02},
}
SIZES: dict[str, Any] = {"embedding_size": 6, "hidden_size": 10}

CASES: dict[str, dict[str, Any]] = {
    "bigram": {"model": "bigram", "method": "gradient", "steps": 20},
    "ngram": {"model": "ngram", "order": 4},
    "mlp": {"model": "mlp", "context": 3, "layers": 2, **SIZES, **SMALL},
    "mlp, normalised": {
        **{"model": "mlp", "context": 2, "layers": 2, "normalization": "batch"},
        **SIZES,
        **SMALL,
    },
    "bow": {"model": "bow", **SIZES, **SMALL},
    "wavenet": {"model": "wavenet", "context": 4, **SIZES, **SMALL},
    "rnn": {"model": "rnn", "layers": 2, **SIZES, **SMALL},
    "gru": {"model": "gru", "layers": 2, **SIZES, **SMALL},
    "lstm": {"model": "lstm", "layers": 2, **SIZES, **SMALL},
    "transformer": {
        **{"model": "transformer", "layers": 2, "heads": 2, "embedding_size": 8},
        **SMALL,
    },
    "transformer, sinusoidal": {
        **{"model": "transformer", "layers": 1, "heads": 3, "embedding_size": 9},
        **{"positions": "sinusoidal"},
        **SMALL,
    },
    "mixture": {
        "model": "mixture",
        "components": "ngram:order=3 gru:steps=8,hidden_size=8 mlp:steps=8,hidden_size=8,context=2",
        "method": "gradient",
        "validation": 0.2,
    },
}

PROBABILITIES = (
    "return wordStates(model, arguments[0]).map((state) => [...model.probabilities(state)])"
)
"""Returns what ``rows_in_python`` does."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.driver.quit()


@pytest.fixture(scope="module", params=CASES)
def checkpoint(request: pytest.FixtureRequest) -> Checkpoint:
    return trained(WORDS, **CASES[request.param])


@pytest.fixture
def page(browser: Browser, checkpoint: Checkpoint, tmp_path: Path) -> Iterator[Browser]:
    """Show the checkpoint's page, which must do without errors."""
    write_page(checkpoint, tmp_path / "page.html")
    browser.open(tmp_path / "page.html", "#seed=1")
    yield browser
    assert browser.console() == []


def rows_in_python(model: Model, ids: list[int]) -> Floats:
    """Return P(next symbol) before each symbol of a word and before its end, (T + 1, V)."""
    state = model.start(1)
    rows = [model.log_probabilities(state)[0]]
    for symbol in ids:
        state = model.advance(state, np.array([symbol]))
        rows.append(model.log_probabilities(state)[0])
    return np.exp(rows)


def test_every_kind_is_among_the_cases() -> None:
    assert {str(options["model"]) for options in CASES.values()} == set(KINDS)


def test_the_page_has_the_probabilities_of_every_kind(
    page: Browser, checkpoint: Checkpoint
) -> None:
    model = checkpoint.model
    for word in ("", "a", "emma", "iiiii", "amelia" * 2, "isabellaisabellaa"):
        ids = model.vocabulary.encode(word).tolist()
        rows = page.run(PROBABILITIES, ids)
        expected = rows_in_python(model, ids)
        assert not np.allclose(expected, expected.mean(axis=1, keepdims=True), atol=1e-3), word
        np.testing.assert_allclose(rows, expected, rtol=1e-5, atol=1e-9, err_msg=word)


def test_words_of_every_kind_come_from_its_distribution(
    page: Browser, checkpoint: Checkpoint
) -> None:
    words = page.run("return sample(model, 4000, 7, {temperature: 1, prefix: []})")
    firsts = np.bincount([word[0] for word in words], minlength=len(checkpoint.model.vocabulary))
    P = rows_in_python(checkpoint.model, [])[0]
    P[0] = 0.0  # a word is not empty
    expected = 4000 * P / P.sum()
    seen = expected > 5
    chi_square = ((firsts - expected)[seen] ** 2 / expected[seen]).sum()
    assert chi_square < seen.sum() + 5 * np.sqrt(2 * seen.sum())


def test_every_kind_shows_words_and_their_surprisals(page: Browser, checkpoint: Checkpoint) -> None:
    words = page.words()
    assert len(words) == 20
    assert page.find("#word").get_property("value") == words[0]
    ids = checkpoint.model.vocabulary.encode(words[0]).tolist()
    rows = rows_in_python(checkpoint.model, ids)
    nats = 0.0 - np.log(rows[np.arange(len(ids) + 1), [*ids, 0]])
    tiles = page.run("return [...byId('tiles').children].map((tile) => tile.textContent)")
    assert [tile[-4:] for tile in tiles] == [f"{x:.2f}" for x in nats]
    assert f"the {len(ids) + 1} symbols of the word is {nats.mean():.2f}" in page.text(
        "#computation-text"
    )


def test_the_computation_shows_the_symbols_that_the_model_sees(
    page: Browser, checkpoint: Checkpoint
) -> None:
    page.fill("#word", "sophia")
    page.run("byId('steps').children[6].click()")
    history = [0] * 8 + checkpoint.model.vocabulary.encode("sophia").tolist()
    seen = history[-(checkpoint.model.context_length or 7) :]
    cells = page.run(
        "return [...root.querySelectorAll('#computation rect')]"
        ".map((cell) => cell.getAttribute('class'))"
        ".filter((name) => ['hot', 'warm', 'cold'].includes(name))"
    )
    assert [v for v, name in enumerate(cells) if name != "cold"] == sorted(set(seen))
    assert cells[history[-1]] == "hot"


@pytest.mark.parametrize("checkpoint", ["gru"], indirect=True)
def test_many_words_come_in_slices_and_only_the_latest_are_shown(page: Browser) -> None:
    done = page.driver.execute_async_script(
        """
        const done = arguments[0];
        field.count.value = 1000;
        makeWords();
        field.prefix.value = "e";
        field.count.value = 900;
        makeWords();
        const wait = () => byId("make-status").textContent.startsWith("900 words") ?
          done(byId("words").children.length) : setTimeout(wait, 20);
        wait();
        """
    )
    assert done == 900
    assert all(word.startswith("e") for word in page.words())


@pytest.mark.parametrize("checkpoint", ["lstm"], indirect=True)
def test_what_is_kept_of_a_network_is_bounded(page: Browser) -> None:
    is_same, kept = page.run(
        """
        const kept = new Cached(model.model, itos.length);
        kept.limit = 50;
        const words = JSON.stringify(sample(kept, 200, 3, {}));
        const size = (node) => [...node.children.values()].reduce((n, c) => n + size(c), 1);
        return [words === JSON.stringify(sample(model, 200, 3, {})), size(kept.root) - 1];
        """
    )
    assert is_same
    assert kept <= 50


@pytest.mark.parametrize("checkpoint", ["ngram"], indirect=True)
def test_what_is_kept_of_an_automaton_is_bounded(page: Browser) -> None:
    is_same, kept = page.run(
        """
        const words = JSON.stringify(sample(model, 200, 3, {}));
        model.limit = 5;
        model.rows.clear();
        return [words === JSON.stringify(sample(model, 200, 3, {})), model.rows.size];
        """
    )
    assert is_same
    assert kept <= 5


def test_an_imported_back_off_model_is_in_the_page(browser: Browser, tmp_path: Path) -> None:
    checkpoint = trained(WORDS, model="ngram", order=3)
    assert isinstance(checkpoint.model, Ngram)
    model = checkpoint.model.as_backoff()
    write_page(checkpoint._replace(model=model), tmp_path / "page.html")
    browser.open(tmp_path / "page.html")
    ids = model.vocabulary.encode("oliva").tolist()
    rows = browser.run(PROBABILITIES, ids)
    np.testing.assert_allclose(rows, rows_in_python(model, ids), rtol=1e-5)


def test_symbols_of_several_characters_are_typed_scored_and_begun_with(
    browser: Browser, tmp_path: Path
) -> None:
    words = ["CCl", "C[C@@H]Br", "ClCC", "OCCl", "[C@@H]O"] * 4
    corpus = replace(Corpus.from_words(words), symbol_rule="smiles")
    checkpoint = train(corpus, TrainingOptions(method="counts", holdout=0.0))
    write_page(checkpoint, tmp_path / "page.html")
    browser.open(tmp_path / "page.html", "#prefix=Cl&word=ClC[C@@H]")
    assert len(browser.words()) == 20
    assert all(word.startswith("Cl") for word in browser.words())
    tiles = browser.run("return [...root.querySelectorAll('#tiles b')].map((b) => b.textContent)")
    assert tiles == ["Cl", "C", "[C@@H]", "end"]
    assert browser.text("#heatmap-title") == "Which symbol follows which"
    browser.fill("#prefix", "OCl[C@H]")
    assert "“[” is not among the 5 symbols" in browser.text("#make-problem")
    browser.fill("#prefix", "oc")
    assert browser.text("#make-problem button") == "Begin with “OC”"
    assert browser.console() == []


def test_a_long_symbol_is_cut_between_characters(browser: Browser, tmp_path: Path) -> None:
    family = "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}\u200d\N{BOY}"
    words = [f"a{family}", "a[longest]"]
    corpus = replace(Corpus.from_words(words), symbol_rule=rf"{family}|\[.*\]|.")
    write_page(train(corpus, TrainingOptions(method="counts", holdout=0)), tmp_path / "page.html")
    browser.open(tmp_path / "page.html")
    labels = browser.run("return itos.map((_, symbol) => shortLabel(symbol))")
    assert labels == [".", "a", "[longes…", family]


def test_a_gru_of_a_megabyte_opens_and_draws_at_once(browser: Browser, tmp_path: Path) -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [letters[k:] + letters[:k] for k in range(26)] + WORDS
    large = {"hidden_size": 256, "embedding_size": 48, "layers": 1}
    checkpoint = trained(words, model="gru", **{**SMALL, **large, "steps": 1})
    assert checkpoint.model.parameter_count * 4 > 900_000
    write_page(checkpoint, tmp_path / "large.html")
    write_page(trained(words, model="bigram"), tmp_path / "small.html")
    opened: dict[str, list[float]] = {"large": [], "small": []}
    slowness = []
    for seed in range(3):  # the machine does other things as well, so all is relative
        for name, times in opened.items():
            browser.open(tmp_path / f"{name}.html")
            times.append(browser.run("return performance.now()"))
        browser.open(tmp_path / "large.html")
        slowness.append(
            browser.driver.execute_async_script(
                """
                const [seed, done] = arguments;
                (async () => {
                  const fresh = await makeModel(data.parameters, itos.length);
                  const start = performance.now();
                  const symbols = sample(fresh, 20, seed, {}).flat().length + 20;
                  const drawn = (performance.now() - start) / symbols;
                  const [W, h] = [new Float32Array(256 * 768).fill(0.1), new Float32Array(256)];
                  const again = performance.now();
                  for (let times = 0; times < 20; times += 1) {
                    for (let i = 0; i < 256; i += 1) {
                      for (let j = 0; j < 768; j += 1) h[i] += W[768 * i + j];
                    }
                  }
                  done((20 * drawn) / (performance.now() - again));
                })();
                """,
                seed,
            )
        )
    # on an idle machine a fifth and an eighth of a second, and a quarter of the time of that loop
    assert min(opened["large"]) < 6 * min(opened["small"])
    assert min(slowness) < 2  # as many products of a vector and the largest matrix, for a symbol
