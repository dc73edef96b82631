"""The picture of attention, and the weights that it shows."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from picture_checks import drawn
from test_contract import CHECKPOINTS, IN_TESTS

from makemore.arrays import Floats
from makemore.checkpoint import save
from makemore.cli import main
from makemore.errors import PlottingError
from makemore.models.transformer import Transformer
from makemore.pictures.attention import draw_attention
from makemore.pictures.contents import attention_of


def weights(blocks: int, heads: int, T: int) -> Floats:
    rows = np.random.default_rng(T).random((blocks, heads, T, T)) * np.tri(T)
    return np.asarray(rows / rows.sum(axis=-1, keepdims=True))


def transformer() -> Transformer:
    model = CHECKPOINTS["transformer"].model
    assert isinstance(model, Transformer)
    return model


def norm(x: Floats, weight: Floats, bias: Floats) -> Floats:
    deviation = np.sqrt(x.var() + 1e-5)
    return np.asarray((x - x.mean()) / deviation * weight + bias)


def test_the_first_block_attends_as_the_equation_says() -> None:
    """One position, head and sum at a time, from the arrays of the checkpoint."""
    model = transformer()
    arrays, heads = {n: a.astype(float) for n, a in model.arrays().items()}, model.blocks[0].heads
    ids = model.vocabulary.encode("cab")
    x = arrays["embedding.weight"][[0, *ids]] + arrays["positions.weight"][:4]
    prefix = "blocks.0.attention_norm."
    normal = [norm(row, arrays[prefix + "weight"], arrays[prefix + "bias"]) for row in x]
    qkv = np.array(normal) @ arrays["blocks.0.qkv.weight"] + arrays["blocks.0.qkv.bias"]
    found = model.attention(ids)
    n = x.shape[1]
    width = n // heads
    for head in range(heads):
        for t in range(4):
            query = qkv[t, head * width : (head + 1) * width]
            keys = qkv[: t + 1, n + head * width : n + (head + 1) * width]
            scores = [np.exp(query @ key / width**0.5) for key in keys]
            expected = np.array(scores) / sum(scores)
            np.testing.assert_allclose(found[0, head, t, : t + 1], expected, rtol=1e-9)
            assert (found[:, head, t, t + 1 :] == 0).all()


def test_a_word_walked_at_once_ends_where_its_steps_end() -> None:
    model = transformer()
    ids = model.vocabulary.encode("bca")
    state = model.start(1)
    for symbol in ids:
        state = model.advance(state, np.array([symbol]))
    x = model.embedding(np.array([0, *ids])) + model._position(np.arange(4))
    for block in model.blocks:
        x, _ = block.walk(np.asarray(x))
    logits = np.asarray(model.head(model.norm(x)))[-1]
    expected = logits - np.log(np.exp(logits).sum())
    np.testing.assert_allclose(model.log_probabilities(state)[0], expected, rtol=1e-9)


def test_attention_of_all_blocks_is_a_distribution() -> None:
    found = attention_of(transformer(), "abc")
    assert found.shape == (4, 4, 4, 4)
    np.testing.assert_allclose(found.sum(axis=-1), 1)


def test_models_without_attention_and_words_that_cannot_be_read_are_refused() -> None:
    for model in (CHECKPOINTS["gru"].model, CHECKPOINTS["mixture"].model, *IN_TESTS):
        with pytest.raises(PlottingError, match="has no attention: train with --model trans"):
            attention_of(model, "abc")
    with pytest.raises(PlottingError, match=r"cannot be read: .*'z'"):
        attention_of(transformer(), "abz")
    longest = transformer().longest_word
    with pytest.raises(PlottingError, match=f"at most {longest}"):
        attention_of(transformer(), "a" * (longest + 1))


def test_there_is_a_small_heatmap_for_each_head() -> None:
    shown = weights(2, 3, 4)
    figure = draw_attention(shown, ("", *"a$b"), title="cost_$1$")
    assert [axes.get_xlabel() for axes in figure.axes] == [
        f"block {block}, head {head}" for block in (1, 2) for head in (1, 2, 3)
    ]
    assert figure.texts[-1].get_text().endswith("Darker means more attention, from 0 to 1.")
    for axes, expected in zip(figure.axes, shown.reshape(-1, 4, 4), strict=True):
        image = axes.images[0]
        assert image.get_clim() == (0, 1)
        cells = np.ma.masked_array(image.get_array())
        np.testing.assert_array_equal(cells.filled(0), expected)
        for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
            assert [label.get_text() for label in labels] == [".", "a", "$", "b"]


@pytest.mark.parametrize("dark", [False, True])
def test_a_boundary_alone_and_symbols_without_a_glyph_are_drawn(dark: bool) -> None:
    drawn(draw_attention(weights(1, 1, 1), [""], dark=dark))
    drawn(draw_attention(weights(1, 2, 3), ["", "\x1b", "\u0e01"], title="\u202e", dark=dark))


def test_of_many_heads_the_first_are_shown_and_long_words_refused() -> None:
    figure = draw_attention(weights(9, 9, 2), ["", "a"])
    assert len(figure.axes) == 48
    assert any("6 of 9 blocks, 8 of 9 heads" in text.get_text() for text in figure.texts)
    with pytest.raises(PlottingError, match=r"has 40 characters .* at most 39"):
        draw_attention(weights(1, 1, 41), [""] * 41)
    with pytest.raises(PlottingError, match="40 symbols"):
        draw_attention(weights(1, 1, 41), ["", *["Cl"] * 40])


def test_the_command_reads_a_word_as_the_training_words_were_read(tmp_path: Path) -> None:
    path, picture = str(tmp_path / "model.npz"), str(tmp_path / "attention.svg")
    save(path, CHECKPOINTS["transformer"])
    result = CliRunner().invoke(main, ["plot-attention", "abc", "-c", path, "-o", picture])
    assert (result.exit_code, result.stdout) == (0, f"{picture}\n")
    result = CliRunner().invoke(main, ["plot-attention", "a\x1bc", "-c", path, "-o", picture])
    assert result.exit_code == 1
    assert "\x1b" not in result.stderr
