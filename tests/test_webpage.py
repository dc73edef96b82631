import hashlib
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import automaton_of
from hypothesis import given, settings
from hypothesis import strategies as st
from webpage_oracle import Page, PageModel, Xoshiro

from makemore.data.corpus import Corpus
from makemore.errors import PlottingError
from makemore.models.base import Automaton
from makemore.page import packing, webpage
from makemore.page.packing import Arcs
from makemore.page.webpage import page_data, render_page, write_page
from makemore.training.options import TrainingOptions
from makemore.training.record import Checkpoint
from makemore.training.train import train

WORDS = ["emma", "olivia", "ava", "isabella", "sophia", "mia", "amelia", "ella", "ivy"]
HOSTILE = [
    "<script>hacked=1</script>",
    "</script><img src=x onerror=hacked=1>",
    "<!--<script>",
    "]]>&lt;&amp;",
    "\"'`${hacked}\\",
    "@DATA@@SCRIPT@@STYLE@",
    "\u2028\u2029",
    "\u202eevil\u202c",
    "\x1b[2J\x00\x07",
    "\U0001f600é",
]
HOSTILE_NAME = "<script>hacked=1<\u202e.txt"


def trained(words: list[str], name: str = "words", **options: Any) -> Checkpoint:
    defaults: dict[str, Any] = {"method": "counts", "holdout": 0.0}
    return train(Corpus.from_words(words, name), TrainingOptions(**defaults | options))


def page_model(checkpoint: Checkpoint) -> PageModel:
    return PageModel(Page(render_page(checkpoint)).data())


def assert_same_distribution(model: PageModel, automaton: Automaton, rows: range) -> None:
    """Walk both automata over the states in ``rows`` and compare what each says."""
    for state in rows:
        P = np.exp(automaton.log_probabilities[state])
        np.testing.assert_allclose(model.row(state), P, rtol=1e-6, atol=1e-37)
        successors = [model.arc(state, v)[1] for v in range(1, len(P))]
        assert successors == automaton.successors[state, 1:].tolist()


# ---- the model in the page ----


@pytest.mark.parametrize(
    "options",
    [
        {"model": "bigram", "method": "counts"},
        {"model": "bigram", "method": "counts", "smoothing": 0.0},
        {"model": "bigram", "method": "gradient", "steps": 20},
        {"model": "ngram", "order": 2},
        {"model": "ngram", "order": 4},
        {"model": "ngram", "order": 3, "smoothing_method": "witten-bell"},
        {"model": "ngram", "order": 3, "smoothing_method": "additive"},
        {"model": "ngram", "order": 3, "smoothing_method": "additive", "smoothing": 0.0},
    ],
)
def test_the_page_has_the_models_probabilities(options: dict[str, Any]) -> None:
    checkpoint = trained(WORDS, **options)
    automaton = automaton_of(checkpoint.model)
    model = page_model(checkpoint)
    assert model.start == automaton.start
    assert_same_distribution(model, automaton, range(len(automaton.successors)))


def test_an_ngram_keeps_one_arc_for_each_ngram_that_was_seen() -> None:
    checkpoint = trained(WORDS, model="ngram", order=4)
    tree = checkpoint.model.arrays()["keys"]
    arcs = Arcs.of(automaton_of(checkpoint.model))
    root_arcs = len(checkpoint.model.vocabulary)  # the root has all, the boundary too
    assert len(arcs.symbols) <= len(tree) + root_arcs


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 1 << 32), S=st.integers(1, 6), V=st.integers(2, 5))
def test_any_automaton_is_told_whole_whatever_the_hint(seed: int, S: int, V: int) -> None:
    random = np.random.default_rng(seed)
    P = random.dirichlet(np.full(V, 0.3), S)
    P[random.random(P.shape) < 0.2] = 0.0
    P[:, 0] += 1e-3
    P /= P.sum(axis=1, keepdims=True)
    # A hint is any lower state, or none: it may be a bad one.
    fallbacks = np.array([random.integers(-1, state) for state in range(S)], np.int32)
    with np.errstate(divide="ignore"):
        log_probabilities = np.log(P)
    successors = random.integers(0, S, (S, V)).astype(np.int32)
    arcs = Arcs.of(Automaton(log_probabilities, successors, 0, fallbacks))
    firsts = np.concatenate(([0], np.cumsum(arcs.lengths)))
    for state in range(S):
        lower = arcs.fallbacks[state]
        row = arcs.shares[state] * P[lower] if lower >= 0 else np.zeros(V)
        following = successors[lower].copy() if lower >= 0 else np.zeros(V, np.int32)
        own = slice(firsts[state], firsts[state + 1])
        row[arcs.symbols[own]] = arcs.probabilities[own]
        following[arcs.symbols[own]] = arcs.successors[own]
        np.testing.assert_allclose(row, P[state], rtol=1e-8)
        np.testing.assert_array_equal(following[1:], successors[state, 1:])


def test_a_row_that_all_but_agrees_with_its_fallback_is_told_apart() -> None:
    lower = np.array([0.5, 0.3, 0.2])
    row = lower * [1.0, 1.0, 1.0 + 1e-6]
    log_probabilities = np.log([lower, row / row.sum()])
    successors = np.zeros((2, 3), np.int32)
    arcs = Arcs.of(Automaton(log_probabilities, successors, 0, np.array([-1, 0], np.int32)))
    assert arcs.lengths.tolist() == [3, 1]
    assert arcs.symbols.tolist() == [0, 1, 2, 2]


def test_the_oracles_generator_is_the_published_one() -> None:
    # The first outputs of the authors' C code from the state 1, 2, 3, 4.
    generator = Xoshiro(1, 2, 3, 4)
    assert [generator.next() for _ in range(4)] == [11520, 0, 5927040, 70819200]


def test_a_model_too_large_for_a_page_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "MAX_DATA", 100)
    with pytest.raises(PlottingError, match="the limit is 100: train"):
        render_page(trained(WORDS))


@pytest.mark.parametrize("model", ["gru", "mixture"])
def test_a_network_too_large_for_a_page_is_refused(
    monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    options: dict[str, Any] = {"model": model, "method": "gradient", "validation": 0.0}
    if model == "mixture":
        options["components"] = "ngram:order=2 gru:steps=1,hidden_size=8"
    else:
        options |= {"steps": 1, "hidden_size": 8}
    checkpoint = trained(WORDS, **options)
    monkeypatch.setattr(packing, "MAX_DATA", 1_000)
    with pytest.raises(PlottingError, match=r"the limit is 1,000: train a smaller network"):
        render_page(checkpoint)


def test_pages_stay_small(names: list[str]) -> None:
    bigram = render_page(trained(names, method="gradient", steps=2_000))
    assert len(bigram.encode()) < 150_000
    ngram = render_page(trained(names, model="ngram", order=5))
    assert len(ngram.encode()) < 3_000_000


# ---- the file ----


def test_the_page_asks_for_nothing_outside_itself() -> None:
    page = Page(render_page(trained(WORDS)))
    for tag, attributes, _ in page.elements:
        assert tag not in {"img", "iframe", "object", "embed", "base", "form", "a"}
        assert attributes.get("src") is None
        assert attributes.get("href") in (None, "data:,")
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
    for source in page.texts("script") + page.texts("style"):
        outside = source.replace("http://www.w3.org/2000/svg", "")  # a name, not an address
        assert "//" not in re.sub(r"(^|\s)//.*", "", outside)
        assert not re.search(r"\b(eval|innerHTML|outerHTML|insertAdjacent|import|url)\b", outside)


def test_the_policy_allows_the_pages_own_script_and_style_and_no_other() -> None:
    page = Page(render_page(trained(WORDS)))
    policy = next(
        attributes["content"]
        for tag, attributes, _ in page.elements
        if tag == "meta" and "http-equiv" in attributes
    )
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    _, script = page.texts("script")
    (style,) = page.texts("style")
    for rule, text in (("script-src", script), ("style-src", style)):
        digest = re.fullmatch(r"'sha256-(.*)'", rules[rule])
        assert digest is not None
        assert b64decode(digest[1]) == hashlib.sha256(text.encode()).digest()


def test_hostile_words_are_data_and_nothing_else() -> None:
    harmless = Page(render_page(trained(["abc"])))
    text = render_page(trained(HOSTILE, name=HOSTILE_NAME))
    page = Page(text)
    assert [tag for tag, _, _ in page.elements] == [tag for tag, _, _ in harmless.elements]
    assert page.texts("script")[1] == harmless.texts("script")[1]
    data = page.data()
    assert data["characters"] == "".join(sorted(set("".join(HOSTILE))))
    assert data["corpus"] == HOSTILE_NAME
    block = page.texts("script")[0]
    assert block.isascii()
    assert not set("<>&\x7f") & set(block)
    assert block.isprintable()


def test_the_same_checkpoint_gives_the_same_page() -> None:
    checkpoint = trained(WORDS)
    assert render_page(checkpoint) == render_page(checkpoint)


def test_a_written_page_is_the_rendered_one(tmp_path: Path) -> None:
    checkpoint = trained(WORDS)
    write_page(checkpoint, tmp_path / "page.html")
    assert (tmp_path / "page.html").read_bytes() == render_page(checkpoint).encode()


def test_a_page_that_cannot_be_saved_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(PlottingError, match="cannot be written: Is a directory") as caught:
        write_page(trained(WORDS), tmp_path / "folder.html")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_page_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("anna")
    with pytest.raises(PlottingError, match=r"words\.txt is not the name of an HTML file"):
        write_page(trained(WORDS), path)
    assert path.read_text() == "anna"


# ---- what it tells ----


def test_the_heatmap_has_the_models_table_of_pairs() -> None:
    checkpoint = trained(WORDS)
    heatmap = page_data(checkpoint)["heatmap"]
    assert heatmap["symbols"] == list(range(len(checkpoint.model.vocabulary)))
    np.testing.assert_allclose(heatmap["P"], checkpoint.model.bigram_table(), rtol=1e-5)
    # Of the nine words two begin with e, two with i and two with a.
    first = dict(zip(["", *checkpoint.model.vocabulary.characters], heatmap["N"][0], strict=True))
    assert {s: n for s, n in first.items() if n} == {"a": 2, "e": 2, "i": 2, "m": 1, "o": 1, "s": 1}


def test_a_wide_alphabet_shows_its_most_frequent_symbols() -> None:
    rare = [chr(0x4E00 + k) for k in range(100)]
    frequent = [chr(0x3B1 + k) for k in range(16)]
    heatmap = page_data(trained(rare + frequent * 2))["heatmap"]
    # The boundary, the sixteen Greek letters, and of the equally rare ones those with lower ids.
    assert heatmap["symbols"] == list(range(64))
    assert np.shape(heatmap["P"]) == np.shape(heatmap["N"]) == (64, 64)
    late = [chr(0x9F00 + k) for k in range(16)]
    symbols = page_data(trained(rare + late * 2))["heatmap"]["symbols"]
    assert symbols == [*range(48), *range(101, 117)]


def test_the_curve_keeps_the_first_and_the_last_step() -> None:
    checkpoint = trained(WORDS, method="gradient", steps=1_000)
    curve = page_data(checkpoint)["losses"]["curve"]
    history = checkpoint.training.loss_history
    assert len(curve) <= webpage.MAX_CURVE_POINTS
    assert [step for step, _ in curve[:9]] == list(range(9))
    assert curve[-1] == (1_000, checkpoint.training.training_loss)
    assert all(loss == history[int(step)] for step, loss in curve[:-1])


def test_an_infinite_held_out_loss_is_said_in_words() -> None:
    words = [a + b for a in "abcdefgh" for b in "abcdefgh"]
    checkpoint = trained(words, smoothing=0.0, holdout=0.3)
    assert checkpoint.training.held_out_loss == np.inf
    assert "infinite" in page_data(checkpoint)["facts"]["Training"]["held-out loss"]


def test_numbers_that_are_too_large_for_a_page_are_one_line() -> None:
    checkpoint = trained(WORDS, method="gradient", steps=2)
    options = {**checkpoint.training.options, "l2": 1e308}
    record = checkpoint.training._replace(options=options, training_loss=1.7e308)
    with pytest.raises(PlottingError, match="too large for a page"):
        render_page(checkpoint._replace(training=record))


def test_the_facts_name_corpus_model_and_training() -> None:
    facts = page_data(trained(WORDS, name="girls\x1b.txt"))["facts"]
    assert facts["Corpus"]["name"] == r"girls\x1b.txt"
    assert facts["Corpus"]["words"] == "9"
    assert facts["Model"]["kind"] == "bigram"
    assert facts["Training"]["method"] == "counts"
    assert "smoothing 1.0" in facts["Training"]["options"]
    assert "made of" not in facts["Model"]
    parts: dict[str, Any] = {"method": "gradient", "components": "ngram:order=2", "validation": 0.0}
    mixed = trained(WORDS, model="mixture", **parts)
    assert page_data(mixed)["facts"]["Model"]["made of"].startswith("1.000 ngram, ")
