"""The page in a real browser: headless Chromium, driven over its own protocol."""

import math
import re
import threading
import time
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import automaton_of
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from test_webpage import HOSTILE, HOSTILE_NAME, WORDS, trained
from webpage_browser import CHROMIUM, DESKTOP, DRIVER, PHONE, Browser
from webpage_oracle import Page, PageModel, Xoshiro, seed_words

import makemore
from makemore.arpa import read_arpa, write_arpa
from makemore.arrays import Floats
from makemore.data.corpus import Corpus, reading_of
from makemore.errors import shown
from makemore.generation.constraints import Constraints
from makemore.generation.draws import next_distributions
from makemore.generation.sampling import sample
from makemore.models.base import Model
from makemore.models.bigram import collapsed_loss
from makemore.page.webpage import write_page
from makemore.training.descent import plain_descent
from makemore.training.options import TrainingOptions
from makemore.training.record import Checkpoint
from makemore.training.train import train

pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="there is no chromium with a chromedriver"
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.driver.quit()


@pytest.fixture(scope="module")
def bigram() -> Checkpoint:
    return trained(bundled_words(), method="gradient", steps=300, name="girls.txt")


@pytest.fixture(scope="module")
def ngram() -> Checkpoint:
    return trained(bundled_words(), model="ngram", order=4)


def bundled_words() -> list[str]:
    path = Path(makemore.__file__).parent / "data" / "us-names-2017.txt"
    return list(Corpus.from_paths(path).words())


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def bigram_page(bigram: Checkpoint, pages: Path) -> Path:
    write_page(bigram, pages / "bigram.html")
    return pages / "bigram.html"


@pytest.fixture(scope="module")
def ngram_page(ngram: Checkpoint, pages: Path) -> Path:
    write_page(ngram, pages / "ngram.html")
    return pages / "ngram.html"


@pytest.fixture
def page(browser: Browser, bigram_page: Path) -> Iterator[Browser]:
    """Return a browser that shows the bigram's page, which must do without errors or requests."""
    browser.open(bigram_page, "#seed=1")
    yield browser
    assert browser.console() == []
    outside = [url for url in browser.requests() if not url.startswith(("file:", "data:", "blob:"))]
    assert outside == []


# ---- numbers ----


def test_log_and_exp_are_right_to_the_last_digits(page: Browser) -> None:
    xs = np.concatenate((np.geomspace(1e-300, 1.0, 500), np.linspace(0.4, 1.5, 500)))
    logs = page.run("return arguments[0].map(log)", xs.tolist())
    np.testing.assert_allclose(logs, [math.log(x) for x in xs], rtol=4e-16, atol=2e-16)
    xs = np.concatenate((-np.geomspace(1e-12, 690.0, 500), np.linspace(-3, 0, 500)))
    exps = page.run("return arguments[0].map(exp)", xs.tolist())
    np.testing.assert_allclose(exps, [math.exp(x) for x in xs], rtol=1e-13)
    assert page.run("return [log(1), log(0) === -Infinity, exp(0), exp(-800)]") == [0, True, 1, 0]
    xs = np.concatenate((-np.geomspace(1e-9, 400, 300), np.geomspace(1e-9, 400, 300)))
    tanhs, sigmoids = page.run(
        "const x = arguments[0]; return [x.map(tanh), x.map(sigmoid)]", xs.tolist()
    )
    np.testing.assert_allclose(tanhs, np.tanh(xs), atol=2e-16)
    np.testing.assert_allclose(sigmoids, [1 / (1 + math.exp(-x)) for x in xs], rtol=1e-13)


@pytest.mark.parametrize("temperature", [0.0, 0.3, 0.7, 1.0, 1.9])
def test_the_page_draws_from_the_distribution_of_the_command(
    page: Browser, bigram: Checkpoint, temperature: float
) -> None:
    V = len(bigram.model.vocabulary)
    rows = page.run(
        "return [...Array(arguments[0]).keys()].map("
        "(s) => [...nextDistribution(model.probabilities(s), arguments[1])])",
        V,
        temperature,
    )
    rows = np.array(rows) / np.sum(rows, axis=1, keepdims=True)
    expected = next_distributions(
        automaton_of(bigram.model).log_probabilities, temperature=temperature
    )
    np.testing.assert_allclose(rows, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("seed", "temperature", "prefix"),
    [(0, 1.0, ""), (42, 1.0, "ma"), (4294967295, 1.0, ""), (7, 0.6, ""), (7, 1.6, "z")],
)
def test_a_seed_gives_the_words_that_another_implementation_draws(
    page: Browser, bigram_page: Path, seed: int, temperature: float, prefix: str
) -> None:
    page.open(bigram_page, f"#seed={seed}&temperature={temperature}&prefix={prefix}&count=50")
    model = PageModel(Page(bigram_page.read_text("utf-8")).data())
    assert page.words() == model.words(50, seed, temperature, prefix)


def test_an_ngram_page_draws_what_another_implementation_draws(
    browser: Browser, ngram_page: Path
) -> None:
    browser.open(ngram_page, "#seed=5&count=30")
    model = PageModel(Page(ngram_page.read_text("utf-8")).data())
    assert browser.words() == model.words(30, 5)
    assert browser.console() == []


def drawn(browser: Browser, count: int, seed: int, options: dict[str, Any]) -> list[list[int]]:
    words: list[list[int]] = browser.run("return sample(model, ...arguments)", count, seed, options)
    return words


def chi_square(observed: Floats, expected: Floats) -> float:
    """Return by how many standard deviations a chi-square is above its mean.

    Cells where fewer than five are expected are thrown together.
    """
    small = expected < 5
    O = np.append(observed[~small], observed[small].sum())  # noqa: E741
    E = np.append(expected[~small], expected[small].sum())
    O, E = O[E > 0], E[E > 0]  # noqa: E741
    freedom = len(E) - 1
    return float((((O - E) ** 2 / E).sum() - freedom) / math.sqrt(2 * freedom))


def assert_drawn_from(model: Model, words: list[list[int]]) -> None:
    """Compare what followed each context that came often with the model's own probabilities."""
    assert model.context_length is not None
    C = model.context_length
    contexts: dict[tuple[int, ...], Counter[int]] = {}
    for word in words:
        symbols = [0] * C + word + [0]
        for t in range(C, len(symbols)):
            contexts.setdefault(tuple(symbols[t - C : t]), Counter())[symbols[t]] += 1
    frequent = [context for context, n in contexts.items() if n.total() >= 300]
    assert len(frequent) >= 20
    for context in frequent:
        P = np.exp(model.log_probabilities(np.array([context]))[0])
        if not any(context):
            P[0] = 0.0  # a word is not empty
            P /= P.sum()
        observed = np.array([contexts[context][v] for v in range(len(P))], float)
        assert not observed[P == 0].any()
        assert chi_square(observed, P * observed.sum()) < 5, context


def test_words_drawn_in_the_page_follow_the_bigram(page: Browser, bigram: Checkpoint) -> None:
    words = drawn(page, 40_000, 3, {})
    assert_drawn_from(bigram.model, words)
    # The chance of each length, by going through the chain: a word is t symbols and then the end.
    P = bigram.model.bigram_table()
    state, lengths = np.eye(len(P))[0], []
    for t in range(40):
        state = state @ P
        if t == 0:
            state /= 1 - state[0]
        lengths.append(state[0] if t else 0.0)
        state[0] = 0.0
    observed = np.bincount([min(len(word), 39) for word in words], minlength=40)
    expected = np.array(lengths) * len(words)
    expected[39] += len(words) - expected.sum()
    assert chi_square(observed.astype(float), expected) < 5


def test_words_drawn_in_the_page_follow_the_ngram_model(
    browser: Browser, ngram: Checkpoint, ngram_page: Path
) -> None:
    browser.open(ngram_page)
    assert_drawn_from(ngram.model, drawn(browser, 30_000, 4, {}))


def test_the_page_scores_as_the_model_does(
    browser: Browser, ngram: Checkpoint, ngram_page: Path
) -> None:
    browser.open(ngram_page)
    for word in ["emma", "xzqj", "a", ""]:
        ids = ngram.model.vocabulary.encode(word).tolist()
        C = ngram.model.context_length or 0
        padded = [0] * C + ids
        contexts = [padded[t : t + C] for t in range(len(ids) + 1)]
        log_probabilities = ngram.model.log_probabilities(np.array(contexts))
        expected = [-row[v] for row, v in zip(log_probabilities, [*ids, 0], strict=True)]
        nats = browser.run("return surprisals(model, arguments[0])", ids)
        np.testing.assert_allclose(nats, expected, atol=1e-6)


# ---- the generator ----


def test_a_setting_changes_the_words_at_once_and_its_return_brings_them_back(
    page: Browser,
) -> None:
    first = page.words()
    assert len(first) == 20
    page.type("#seed", "2")
    second = page.words()
    assert second != first
    page.type("#seed", "1")
    assert page.words() == first
    page.type("#count", "7")
    assert page.words() == first[:7]
    page.type("#prefix", "zo")
    assert all(word.startswith("zo") for word in page.words())
    assert "7 words" in page.text("#make-status")


def test_make_more_takes_another_seed(page: Browser) -> None:
    first = page.words()
    page.find("#more").click()
    assert page.words() != first
    assert page.find("#seed").get_property("value") != "1"


def test_temperature_zero_is_the_likeliest_choice_or_says_that_words_do_not_end(
    page: Browser,
) -> None:
    for _ in range(20):
        page.find("#temperature").send_keys(Keys.ARROW_LEFT)
    assert page.text("#temperature-shown") == "0"
    words = page.words()
    assert len(set(words)) == 1 or "the end of no word" in page.text("#make-problem")


@pytest.mark.parametrize("prefix", ["k", "q", "z"])
def test_at_temperature_zero_a_prefix_is_given_and_not_drawn(
    page: Browser, bigram_page: Path, bigram: Checkpoint, prefix: str
) -> None:
    page.open(bigram_page, f"#count=1&temperature=0&prefix={prefix}")
    limits = Constraints(prefix=prefix)
    assert page.words() == sample(bigram, 1, temperature=0, constraints=limits)


def test_a_link_repeats_words_and_score(page: Browser, browser: Browser, pages: Path) -> None:
    page.type("#prefix", "ka")
    page.type("#count", "9")
    page.find("#temperature").send_keys(Keys.ARROW_RIGHT)
    page.type("#word", "kat")
    page.find("#more").click()
    words, score = page.words(), page.text("#score-status")
    address = browser.driver.current_url
    browser.open(pages / "bigram.html", address[address.index("#") :])
    assert page.words() == words
    assert page.text("#score-status") == score
    assert page.find("#temperature").get_property("value") == "1.05"


@pytest.mark.parametrize(
    "address", ["#count=1e99&temperature=x&seed=-5", "#count=&seed=1.7&temperature=99", "#%zz&=&&"]
)
def test_a_broken_address_gives_words_all_the_same(
    page: Browser, bigram_page: Path, address: str
) -> None:
    page.open(bigram_page, address)
    assert 1 <= len(page.words()) <= 1000


def test_a_prefix_that_is_not_learnt_is_said_and_marked(page: Browser) -> None:
    page.type("#prefix", "xé")
    assert page.words() == []
    assert "“é” is not among the 26 characters" in page.text("#make-problem")
    assert page.find("#prefix").get_attribute("aria-invalid") == "true"
    page.type("#prefix", "x")
    assert page.text("#make-problem") == ""
    assert len(page.words()) == 20


def test_words_and_link_are_copied(page: Browser) -> None:
    page.run(
        "Object.defineProperty(navigator, 'clipboard',"
        " {value: {writeText: async (text) => { window.copied = text; }}})"
    )
    page.find("#copy-words").click()
    assert page.run("return window.copied") == "".join(f"{word}\n" for word in page.words())
    assert page.text("#make-status") == "Words copied."
    page.find("#copy-link").click()
    assert page.run("return window.copied") == page.driver.current_url
    assert "seed=1" in page.driver.current_url


# ---- the scorer ----


def test_a_typed_word_is_coloured_by_surprisal(page: Browser, bigram: Checkpoint) -> None:
    page.type("#word", "qxa")
    tiles = page.driver.find_elements(By.CSS_SELECTOR, "#tiles li")
    P = bigram.model.bigram_table()
    nats = [-math.log(P[i, j]) for i, j in pairwise([0, 17, 24, 1, 0])]
    assert [tile.text.split("\n") for tile in tiles] == [
        [symbol, f"{x:.2f}"] for symbol, x in zip(["q", "x", "a", "end"], nats, strict=True)
    ]
    levels = [float(str(page.run(LEVEL, tile, "--surprisal"))) for tile in tiles]
    np.testing.assert_allclose(levels, np.minimum(1.0, np.array(nats) / 7), rtol=1e-5)
    colours = [tile.value_of_css_property("background-color") for tile in tiles]
    assert len(set(colours)) == len(set(levels))
    assert f"{sum(nats):.2f} nats in all, {np.mean(nats):.2f} per symbol" in page.text(
        "#score-status"
    )
    assert "more surprising than" in page.text("#score-status")


LEVEL = "return arguments[0].style.getPropertyValue(arguments[1])"


def test_a_word_with_an_unknown_character_is_marked_where_it_stands(page: Browser) -> None:
    page.type("#word", "ab!c")
    tiles = page.driver.find_elements(By.CSS_SELECTOR, "#tiles li")
    assert [tile.text.split("\n")[0] for tile in tiles] == ["a", "b", "!", "c"]
    assert [tile.text.split("\n")[1] for tile in tiles[2:]] == ["not learnt", "not scored"]
    assert "never seen “!”" in page.text("#score-status")


def test_a_word_that_was_made_is_scored_by_a_click(page: Browser) -> None:
    word = page.words()[3]
    page.driver.find_elements(By.CSS_SELECTOR, "#words button")[3].click()
    assert page.find("#word").get_property("value") == word
    assert len(page.driver.find_elements(By.CSS_SELECTOR, "#tiles li")) == len(word) + 1


def test_the_first_word_is_scored_until_somebody_chooses_one(page: Browser) -> None:
    assert page.find("#word").get_property("value") == page.words()[0]
    assert len(page.driver.find_elements(By.CSS_SELECTOR, "#tiles li")) == len(page.words()[0]) + 1
    page.type("#seed", "2")
    assert page.find("#word").get_property("value") == page.words()[0]
    assert "word=" not in page.driver.current_url
    page.type("#word", "mia")
    page.type("#seed", "3")
    assert page.find("#word").get_property("value") == "mia"
    assert "word=mia" in page.driver.current_url


# ---- what is typed ----


def test_a_capital_is_offered_in_lower_case(page: Browser) -> None:
    page.type("#prefix", "Jo")
    assert "“J” is not among the 26 characters" in page.text("#make-problem")
    page.find("#make-problem button").click()
    assert page.find("#prefix").get_property("value") == "jo"
    assert all(word.startswith("jo") for word in page.words())
    assert page.text("#make-problem") == ""
    page.type("#word", "ÉMMA")
    page.find("#score-status button").click()
    assert page.find("#word").get_property("value") == "emma"
    assert "nats in all" in page.text("#score-status")


def test_what_no_form_makes_known_is_offered_none(page: Browser) -> None:
    page.type("#prefix", "x7")
    assert "“7” is not among" in page.text("#make-problem")
    assert page.driver.find_elements(By.CSS_SELECTOR, "#make-problem button") == []


READINGS = [
    {"lowercase": True},
    {"strip_accents": True},
    {"normalize": "nfc"},
    {"normalize": "nfkc", "lowercase": True, "strip_accents": True},
]


@pytest.mark.parametrize("reading", READINGS)
def test_typed_words_are_read_as_the_corpus_was(
    browser: Browser, pages: Path, reading: dict[str, Any]
) -> None:
    corpus = replace(Corpus.from_words([*WORDS, "Zoë"]), **reading)
    checkpoint = train(corpus, TrainingOptions(method="counts", holdout=0.0))
    write_page(checkpoint, pages / "read.html")
    browser.open(pages / "read.html")
    change = reading_of(checkpoint.corpus)
    assigned = [chr(c) for c in range(0x20, 0x3000) if unicodedata.category(chr(c))[0] in "LMNPSZ"]
    texts = [
        "Emma",
        "ZOË",
        "İZMİR",
        "İ",
        "I\u0307zmir",
        "ΣΟΦΟΣ",
        "Straße",
        "Łódź",
        "Å",
        "ﬁ",
        "\u1100\u1161",
    ]
    texts += [a + c + a for a in "aS" for c in assigned]
    read = browser.run("return arguments[0].map(asRead)", texts)
    assert read == [change(text) for text in texts]


def test_a_capital_is_read_by_a_model_of_lower_case(browser: Browser, pages: Path) -> None:
    corpus = replace(Corpus.from_words(WORDS), lowercase=True, strip_accents=True)
    options = TrainingOptions(model="ngram", order=3, holdout=0.0)
    write_page(train(corpus, options), pages / "lower.html")
    browser.open(pages / "lower.html", "#prefix=Am&word=ÉMMA")
    assert len(browser.words()) == 20
    assert all(word.startswith("am") for word in browser.words())
    tiles = browser.driver.find_elements(By.CSS_SELECTOR, "#tiles li b")
    assert [tile.text for tile in tiles] == ["e", "m", "m", "a", "end"]
    assert browser.text("#score-status").startswith("Read as “emma”. ")


# ---- one step of a word ----


def test_the_computation_goes_from_one_hot_to_loss(page: Browser, bigram: Checkpoint) -> None:
    page.type("#word", "qxa")
    steps = page.driver.find_elements(By.CSS_SELECTOR, "#steps button")
    assert [step.text for step in steps] == [". → q", "q → x", "x → a", "a → end"]
    P = bigram.model.bigram_table()
    nats = [-math.log(P[i, j]) for i, j in pairwise([0, 17, 24, 1, 0])]
    chosen = [step.get_attribute("aria-pressed") for step in steps]
    assert chosen.index("true") == int(np.argmax(nats))
    steps[2].click()
    text = page.text("#computation-text")
    assert "one-hot vector: 1 for “x”" in text
    assert f"\N{MINUS SIGN}log {float(f'{P[24, 1]:.3g}'):g} = {nats[2]:.2f} nats" in text
    assert f"The mean over the 4 symbols of the word is {np.mean(nats):.2f}." in text
    W = bigram.model.bigram_weights()
    assert W is not None
    drawn = page.run(
        "return [...root.querySelectorAll('#computation text')].map((t) => t.textContent)"
    )
    numbers = [
        text.replace("\N{MINUS SIGN}", "-")
        for text in drawn
        if re.fullmatch("\N{MINUS SIGN}?[0-9]+[.][0-9]{3}", text)
    ]
    assert numbers == [f"{x:.3f}" for row in (W[24], P[24]) for x in row]


def test_the_logit_of_an_impossible_symbol_is_infinite(browser: Browser, pages: Path) -> None:
    model = trained(["ab.", "b\u2423"], method="counts", smoothing=0.0)
    write_page(model, pages / "impossible.html")
    browser.open(pages / "impossible.html", "#word=ab.")
    logits = browser.run("return computationAt([2, 3], 1).logits.map(String)")
    assert "-Infinity" in logits
    assert "null" not in logits
    labels = browser.run("return itos.map((_, symbol) => label(symbol))")
    assert labels == [".", "'.'", "a", "b", "'\u2423'"]


def test_a_model_without_logits_goes_straight_to_probabilities(
    browser: Browser, ngram_page: Path
) -> None:
    browser.open(ngram_page, "#word=emma")
    headings = browser.run(
        "return [...root.querySelectorAll('#computation .title')].map((t) => t.textContent)"
    )
    assert headings[:3] == ["one-hots", "probabilities", "loss"]
    assert "The input is the last 3 symbols" in browser.text("#computation-text")
    browser.fill("#word", "em!")
    assert "symbols of the word" not in browser.text("#computation-text")
    browser.fill("#word", "")
    assert browser.text("#computation-text") == ""
    assert "Type a word above" in browser.text("#computation-note")
    assert browser.console() == []


# ---- watch it learn ----


def test_the_descent_in_the_page_is_that_of_python(page: Browser, bigram: Checkpoint) -> None:
    first, last, losses = page.run(
        """
        const descent = new Descent(data.heatmap.N, 5);
        const first = descent.W.map((row) => [...row]);
        for (let step = 0; step < 200; step += 1) descent.step(50);
        return [first, descent.W.map((row) => [...row]), descent.losses];
        """
    )
    draws = Xoshiro(*seed_words(5))
    expected = [((draws.next() >> 5) << 26 | draws.next() >> 6) / 2**52 - 1 for _ in range(27 * 27)]
    np.testing.assert_array_equal(np.ravel(first), expected)
    N = bigram.model.bigram_counts()
    assert N is not None
    steps = list(plain_descent(N, np.array(first), 200, 50.0))
    np.testing.assert_allclose(losses[:-1], [step.objective for step in steps], rtol=1e-12)
    np.testing.assert_allclose(last, steps[-1].weights, atol=1e-10)
    assert losses[-1] == pytest.approx(collapsed_loss(steps[-1].weights, N), rel=1e-12)
    assert losses[0] > 3.3 > 2.5 > losses[-1]


def test_too_large_a_learning_rate_does_not_arrive_and_stays_a_number(page: Browser) -> None:
    losses, minimum = page.run(
        """
        const descent = new Descent(data.heatmap.N, 5);
        for (let step = 0; step < 300; step += 1) descent.step(1000);
        return [descent.losses, data.losses.minimum];
        """
    )
    assert np.isfinite(losses).all()
    assert min(losses[-50:]) > minimum + 0.1


def test_it_is_watched_started_paused_and_begun_anew(page: Browser) -> None:
    def steps() -> int:
        return int(page.run("return watched.losses.length - 1"))

    assert page.text("#watch-status").startswith("0 steps, loss ")
    page.find("#watch-step").click()
    assert page.text("#watch-status").startswith("1 step, loss ")
    before = page.run("return byId('watch-table').toDataURL()")
    words = page.text("#watch-words")
    run = page.find("#watch-run")
    run.click()
    assert run.text == "Pause"
    page.wait(lambda: steps() > 30)
    run.click()
    stopped = steps()
    assert page.text("#watch-status").startswith(f"{stopped} steps, loss ")
    time.sleep(0.1)
    assert steps() == stopped
    assert page.run("return byId('watch-table').toDataURL()") != before
    assert page.text("#watch-words") != words
    assert len(page.driver.find_elements(By.CSS_SELECTOR, "#watch-words li")) == 5
    points = page.run("return root.querySelector('#watch-loss .curve').getAttribute('points')")
    assert 30 < len(points.split()) <= stopped + 1  # of many steps the curve leaves out some
    page.find("#watch-reset").click()
    assert page.text("#watch-status").startswith("0 steps, loss ")
    page.find("#rate").send_keys(Keys.END)
    assert page.text("#rate-shown") == "1000"


def test_only_a_bigram_is_watched(browser: Browser, ngram_page: Path) -> None:
    browser.open(ngram_page)
    assert browser.text("#lead").startswith("This ngram model was trained on ")
    assert "each character from the 3 symbols before it" in browser.text("#lead")
    assert not browser.find("#watch").is_displayed()
    assert "It shows bigram probabilities from the same counts" in browser.text("#heatmap-note")


# ---- the heatmap ----


def cell(browser: Browser, i: int, j: int) -> WebElement:
    return browser.find(f"[role=gridcell][data-i='{i}'][data-j='{j}']")


def test_hover_tells_the_pair_its_probability_and_its_count(
    page: Browser, bigram: Checkpoint
) -> None:
    P, N = bigram.model.bigram_table(), bigram.model.bigram_counts()
    assert N is not None
    page.run("arguments[0].scrollIntoView({block: 'center'})", cell(page, 1, 14))
    webdriver.ActionChains(page.driver).move_to_element(cell(page, 1, 14)).perform()
    text = page.text("#readout")
    assert text.startswith("a is followed by n: ")
    shown = re.search(r": ([0-9.]+) %, seen ([0-9,]+) times$", text)
    assert shown is not None
    assert float(shown[1]) == pytest.approx(100 * P[1, 14], rel=5e-3)
    assert shown[2] == f"{N[1, 14]:,}"


def test_the_boundary_is_a_dot_in_the_heatmap_and_has_a_name(page: Browser) -> None:
    row, column = "[role=rowheader]", "[role=columnheader]:nth-child(2)"
    assert (page.text(row), page.text(column), page.text("[data-j='1']")) == (".", ".", ".a")
    assert page.find(row).get_attribute("aria-label") == "start"
    assert page.find(column).get_attribute("aria-label") == "end"


def test_a_click_fixes_the_first_character(page: Browser) -> None:
    cell(page, 17, 21).click()  # qu
    assert page.find("#prefix").get_property("value") == "q"
    assert all(word.startswith("q") for word in page.words())
    cell(page, 0, 26).click()  # .z: a word that begins with z
    assert page.find("#prefix").get_property("value") == "z"
    cell(page, 0, 0).click()
    assert page.find("#prefix").get_property("value") == ""


def test_the_heatmap_is_used_by_the_keyboard_alone(page: Browser) -> None:
    page.driver.find_elements(By.CSS_SELECTOR, "#steps button")[-1].send_keys(Keys.TAB)
    focused = page.driver.switch_to.active_element
    assert focused.get_attribute("role") == "gridcell"
    for key in [Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.END, Keys.ARROW_LEFT]:
        page.driver.switch_to.active_element.send_keys(key)
    assert page.text("#readout").startswith("b is followed by y: ")
    focused = page.driver.switch_to.active_element
    assert focused.get_attribute("aria-label") == page.text("#readout")
    assert focused.value_of_css_property("outline-style") == "solid"
    back = "{key: 'ArrowLeft', altKey: true, bubbles: true, cancelable: true}"
    going = f"return arguments[0].dispatchEvent(new KeyboardEvent('keydown', {back}))"
    assert page.run(going, focused), "the page keeps the browser from going back"
    focused.send_keys(Keys.ENTER)
    assert page.find("#prefix").get_property("value") == "b"
    page.find("[data-i='3'][data-j='3']").click()
    page.driver.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert (
        page.run("return document.querySelectorAll('[role=gridcell][tabindex=\"0\"]').length") == 1
    )


def test_everything_is_reached_by_the_tab_key_and_shows_it(page: Browser) -> None:
    page.find("#prefix").click()
    seen = []
    for _ in range(8):
        page.driver.switch_to.active_element.send_keys(Keys.TAB)
        focused = page.driver.switch_to.active_element
        assert focused.value_of_css_property("outline-style") != "none"
        seen.append(focused.get_attribute("id"))
    assert seen[:6] == ["temperature", "count", "seed", "more", "copy-words", "copy-link"]


def test_every_field_and_picture_has_a_name(page: Browser) -> None:
    nodes = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    named = {"textbox", "slider", "spinbutton", "button", "grid", "gridcell", "image", "list"}
    found = [node for node in nodes if node.get("role", {}).get("value") in named]
    assert {node["role"]["value"] for node in found} == named
    assert [node for node in found if not node.get("name", {}).get("value")] == []
    roles = [node["role"]["value"] for node in nodes if "role" in node]
    assert roles.count("gridcell") == 27 * 27
    assert roles.count("rowheader") == 27
    assert roles.count("status") == 3


def test_the_table_says_what_the_heatmap_shows(page: Browser, bigram: Checkpoint) -> None:
    page.find("summary").click()
    page.wait(lambda: page.text("#pairs-rows"))
    rows = page.driver.find_elements(By.CSS_SELECTOR, "#pairs-rows tr")
    assert len(rows) == 27
    q = rows[17].text.split()
    P = bigram.model.bigram_table()[17]
    likeliest = np.argsort(-P)[:12]
    names = ["end", *bigram.model.vocabulary.characters]
    assert q[0] == "q"
    assert q[1::2] == [names[j] for j in likeliest]
    np.testing.assert_allclose([float(x) for x in q[2::2]], 100 * P[likeliest], rtol=6e-3)


# ---- the curve, the width, the theme ----


def test_the_loss_curve_comes_down_to_the_minimum(page: Browser, bigram: Checkpoint) -> None:
    # in one go, for the page may draw its curve again meanwhile
    points, minimum = page.run(
        "return [root.querySelector('#loss .curve').getAttribute('points'),"
        " Number(root.querySelector('#loss .minimum').getAttribute('y1'))]"
    )
    ys = [float(point.split(",")[1]) for point in points.split()]
    assert ys[0] < ys[len(ys) // 2] < ys[-1] <= minimum + 0.1  # downwards is larger
    assert f"{bigram.training.minimum:.4f}" in page.text("#loss")
    assert "logarithmic" in page.text("#loss")


def test_the_steps_of_the_curve_are_numbered_from_0_to_the_last(page: Browser) -> None:
    points, ticks = page.run(
        "return [root.querySelector('#loss .curve').getAttribute('points'),"
        " Object.fromEntries([...root.querySelectorAll('#loss text')].map("
        "(text) => [text.textContent, Number(text.getAttribute('x'))]))]"
    )
    xs = [float(point.split(",")[0]) for point in points.split()]
    # 0, 1, 2, ... at first, and step 300 with the final loss at the end
    np.testing.assert_allclose(
        [xs[0], xs[1], xs[10]], [ticks[s] for s in ("0", "1", "10")], atol=0.06
    )
    left, right = xs[0], xs[-1]
    assert ticks["100"] == pytest.approx(left + (right - left) * math.log(101, 301), abs=0.1)


@pytest.mark.parametrize("size", [PHONE, DESKTOP])
def test_the_page_is_never_wider_than_the_screen(page: Browser, size: tuple[int, int]) -> None:
    page.resize(size)
    page.fill("#word", "abracadabraabracadabra" * 3)
    page.fill("#prefix", "w" * 60)
    try:
        assert page.run("return [root.scrollWidth, innerWidth]") == [size[0], size[0]]
        assert page.run("return document.body.scrollWidth") == size[0]
    finally:
        page.resize(DESKTOP)


def test_on_a_phone_the_words_stand_above_the_controls(page: Browser) -> None:
    page.resize((390, 844))
    try:
        top = "return arguments[0].getBoundingClientRect().top"
        words = page.driver.find_elements(By.CSS_SELECTOR, "#words li")
        assert page.run(top, words[0]) < 250
        assert page.run(top, words[-1]) < page.run(top, page.find("#more")) < 844
        assert page.run(top, page.find("#more")) < page.run(top, page.find("#prefix"))
    finally:
        page.resize(DESKTOP)


@pytest.mark.parametrize("size", [(390, 844), DESKTOP])
def test_fifty_seven_characters_are_legible(
    browser: Browser, pages: Path, size: tuple[int, int]
) -> None:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-' éü"
    words = ["".join(letters[(7 * k + j * j) % 57] for j in range(24)) for k in range(57)]
    write_page(trained(words), pages / "wide57.html")
    browser.resize(size)
    try:
        browser.open(pages / "wide57.html", "#seed=2&count=40")
        rect = "const { width, height } = arguments[0].getBoundingClientRect(); "
        assert min(browser.run(rect + "return [width, height]", cell(browser, 5, 5))) >= 17
        head = browser.find("[role=columnheader]:nth-child(9)")
        assert float(head.value_of_css_property("font-size")[:-2]) >= 11
        clipped = browser.run(
            "return [...byId('words').querySelectorAll('*'), byId('words')].filter((part) =>"
            " part.scrollHeight > part.clientHeight + 1 && part.clientHeight > 0).length"
        )
        assert clipped == 0
        assert browser.run("return root.scrollWidth") == size[0]
    finally:
        browser.resize(DESKTOP)


def test_dark_and_light_differ_and_both_can_be_read(page: Browser) -> None:
    papers = []
    for theme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": theme}]
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        papers.append(page.run(LIGHTNESS, page.find("body")))
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    (light, ink_on_light), (dark, ink_on_dark) = papers
    assert light > 0.8 > 0.2 > ink_on_light
    assert dark < 0.2 < 0.7 < ink_on_dark


def test_paper_is_light_and_has_all_words_and_the_colours_that_mean_something(
    page: Browser,
) -> None:
    page.fill("#count", "200")
    page.wait(lambda: len(page.words()) == 200)
    drawn = "return byId('watch-table').toDataURL()"
    light_table = page.run(drawn)
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": dark})
    page.wait(lambda: page.run(drawn) != light_table)
    media = {"media": "print", "features": dark}
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    page.wait(lambda: page.run(drawn) == light_table)
    paper, ink = page.run(LIGHTNESS, page.find("body"))
    cell = page.find("#heatmap [role=gridcell]")
    adjusted = page.run("return getComputedStyle(arguments[0]).printColorAdjust", cell)
    hidden = page.run("const w = byId('words'); return w.scrollHeight - w.clientHeight")
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    assert page.run("return byId('words').scrollHeight > byId('words').clientHeight")
    assert hidden == 0
    assert paper > 0.8 > 0.2 > ink
    assert adjusted == "exact"


LIGHTNESS = """
const style = getComputedStyle(arguments[0]);
const mean = (colour) => colour.match(/[0-9]+/g).slice(0, 3).reduce((a, b) => a + +b, 0) / 765;
return [mean(style.backgroundColor), mean(style.color)];
"""


# ---- hostile words, and the policy ----


def test_hostile_words_are_shown_and_do_nothing(browser: Browser, pages: Path) -> None:
    write_page(trained(HOSTILE * 30, HOSTILE_NAME, model="ngram", order=6), pages / "hostile.html")
    browser.open(pages / "hostile.html", "#count=300&seed=1&word=%3Cimg%20src%3Dx%20onerror%3D1%3E")
    assert browser.run("return typeof hacked") == "undefined"
    assert browser.run("return document.querySelectorAll('main img, main script').length") == 0
    words = browser.words()
    assert any("<script>" in word for word in words)
    assert r"\x1b[2J\x00\x07" in words
    assert r"\u202eevil\u202c" in words
    assert r"\u2028\u2029" in words
    assert browser.text("#corpus") == r"<script>hacked=1<\u202e.txt"
    assert not [c for c in browser.text("body") if not c.isprintable() and c != "\n"]
    assert "\u202e" not in browser.run("return root.textContent + document.title")
    assert browser.console() == []
    assert [url for url in browser.requests() if not url.startswith(("file:", "data:"))] == []


@pytest.fixture
def visitors() -> Iterator[tuple[str, list[str]]]:
    """Yield the address of a server, and the list of what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def test_the_policy_stops_requests_markup_and_scripts(
    browser: Browser, bigram_page: Path, visitors: tuple[str, list[str]]
) -> None:
    address, asked = visitors
    browser.open(bigram_page)
    outcome = browser.driver.execute_async_script(
        """
        const [address, done] = arguments;
        const image = document.createElement("img");
        image.src = address + "/image";
        document.body.append(image);
        let markup = "allowed";
        try { document.body.innerHTML += "<b>x</b>"; } catch { markup = "refused"; }
        try { const s = document.createElement("script"); s.textContent = "hacked=1";
              document.body.append(s); } catch { }
        fetch(address + "/fetch").then(() => "allowed", () => "refused").then((fetched) =>
          setTimeout(() => done([markup, fetched, typeof hacked]), 300));
        """,
        address,
    )
    assert outcome == ["refused", "refused", "undefined"]
    assert asked == []


def test_a_wide_alphabet_says_what_it_leaves_out_and_scrolls_in_its_frame(
    browser: Browser, pages: Path
) -> None:
    words = [chr(0x4E00 + k) + chr(0x4E00 + k * 7 % 300) for k in range(300)]
    write_page(trained(words), pages / "wide.html")
    browser.resize(PHONE)
    try:
        browser.open(pages / "wide.html")
        assert "The 63 most frequent of 300 characters." in browser.text("#heatmap-note")
        assert browser.run("return root.scrollWidth") == PHONE[0]
        frame = browser.find(".heatmap-frame")
        assert browser.run("return arguments[0].scrollWidth > arguments[0].clientWidth", frame)
    finally:
        browser.resize(DESKTOP)
    assert browser.console() == []


def test_a_browser_that_is_too_old_is_told_so(browser: Browser, bigram_page: Path) -> None:
    script = browser.driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": "delete window.DecompressionStream"}
    )
    try:
        browser.driver.get("about:blank")
        browser.driver.get(bigram_page.as_uri())
        assert "could not start" in browser.text("#problem")
    finally:
        browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


# ---- symbols of several characters ----


def test_text_is_cut_into_symbols_as_in_python(browser: Browser, pages: Path) -> None:
    words = ["CCl", "C[nH]", "BrCl", "[nH]CBr", "c👨‍👩‍👧", "a[Zn]"] * 3
    rule = r"\[\w+\]|Br|Cl|👨‍👩‍👧"
    corpus = Corpus(Corpus.from_words([*words, "[Xe]"]).sources, symbol_rule=rule)
    options = TrainingOptions("ngram", order=3, holdout=0.0, min_count=3)
    checkpoint = train(corpus, options)
    assert checkpoint.model.vocabulary.unknown == ("[Xe]",)
    write_page(checkpoint, pages / "symbols.html")
    browser.open(pages / "symbols.html", "#seed=1&prefix=C[nH]")
    for text in ["CCl[nH]", "BBrr", "[n[nH]]", "👨‍👩‍👧👨", "[Xe][Zn", "", "x😀"]:
        assert browser.run("return cut(arguments[0])", text) == checkpoint.model.vocabulary.cut(
            text
        )
    for text in ["👨‍👩‍👧", "a\u200db", "\u200dé\u200d\u200dé", "می‌خواهم", "é\u200d\u202e", "\x07"]:
        assert browser.run("return shown(arguments[0])", text) == shown(text)
    drawn = browser.run(
        "return [...document.querySelectorAll('#words li')].map(x => x.textContent)"
    )
    assert drawn
    assert all(word.startswith("C[nH]") for word in drawn)


@pytest.mark.parametrize(("holdout", "apart"), [(0.0, ""), (0.25, ", 5 of them held out")])
def test_the_page_says_how_many_words_were_held_out(
    browser: Browser, tmp_path: Path, holdout: float, apart: str
) -> None:
    corpus = Corpus.from_words([f"{a}{b}" for a in "abcd" for b in "abcde"])
    checkpoint = train(corpus, TrainingOptions(method="counts", holdout=holdout))
    write_page(checkpoint, tmp_path / "page.html")
    browser.open(tmp_path / "page.html")
    lead = f"This bigram model was trained on a list of 20 words{apart}. It predicts"
    assert browser.text("#lead").startswith(lead)


def test_the_page_of_an_imported_model_says_that_it_was_imported(
    browser: Browser, tmp_path: Path
) -> None:
    write_arpa(tmp_path / "n.arpa", trained(bundled_words(), model="ngram", order=2))
    write_page(read_arpa(tmp_path / "n.arpa"), tmp_path / "n.html")
    browser.open(tmp_path / "n.html")
    lead = (
        "This backoff model was imported. It predicts each character from the character before it"
    )
    assert browser.text("#lead").startswith(lead)
