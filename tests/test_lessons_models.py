"""What the lessons about networks are made of, against oracles in plain loops."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from lessons import backprop, diffusion
from lessons.autoencoder import Unfold, convolutional, divergence
from lessons.backprop import MAX_LABELS, draw_passes
from lessons.course import find_lesson
from lessons.embeddings import WINDOW, count_pairs, has_line, loss_of, noise_of
from lessons.figures import side_by_side
from lessons.glyphs import (
    LETTERS,
    UNSEEN,
    as_text,
    draw_data_set,
    draw_letter,
    draw_letters,
    latin_fonts,
    nearest,
    split_fonts,
)
from lessons.letters import col2im, im2col
from lessons.networks import layer_rows, perceptron, train
from lessons.sequences import LONGEST, draw_ids, draw_words, padded
from lessons.setting import Setting, find_setting
from lessons.stage import beside, unit_rows
from lessons.transformer import Block, attend, transformer

from makemore import Vocabulary, nn
from makemore.autodiff import check_gradients, data, mean_squared_error
from makemore.data.download import bundled_names
from makemore.errors import CorpusError

WORDS = ("emma", "ava", "bo", "maya", "abe", "oboe")


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("name", ["letters", "embeddings"])
def test_what_is_claimed_after_training_holds(name: str) -> None:
    """Take the seconds: few steps, as in the tests of all lessons, show nothing of this."""
    setting = replace(find_setting(str(bundled_names())), effort=0.5, seed=1)
    claims = [
        claim for stage in find_lesson(name).stages(setting) for claim in stage.claims.items()
    ]
    assert len(claims) >= 4
    assert [claim for claim, holds in claims if not holds] == []


def test_matrices_stand_side_by_side() -> None:
    assert beside(x=np.array([[1, 2], [3, 4]]), columns=np.array([[0.5]])) == [
        "x           columns",
        "   1    2    0.5   ",
        "   3    4          ",
    ]


@pytest.mark.parametrize("V", [MAX_LABELS, MAX_LABELS + 1])
def test_the_passes_name_their_symbols_and_the_ends_of_their_scales(V: int) -> None:
    weights = backprop.parameters(V, np.random.default_rng(0))
    X = np.arange(4 * backprop.CONTEXT).reshape(4, backprop.CONTEXT)
    v = backprop.run_forward(weights, X, np.eye(V)[:4])
    labels = [chr(ord("A") + i) for i in range(V)]
    panels = {
        axes.get_title().split()[0]: axes
        for axes in draw_passes(backprop.run_backward(v), labels).axes
        if axes.get_title()
    }
    for name, axes in panels.items():
        has_symbols = name.removeprefix("d_") in ("logits", "P") and V <= MAX_LABELS
        written = [label.get_text() for label in axes.get_xticklabels()]
        assert written == (labels if has_symbols else []), name
        assert np.abs(axes.images[0].get_array()).max() == pytest.approx(1)
    assert f"up to {data(v['P']).max():.3g}" in panels["P"].get_title()


# Letters


def test_images_are_put_in_rows() -> None:
    images = np.arange(4)[:, None, None] * np.ones((4, 2, 3))
    page = side_by_side(images, 2)
    assert page.shape == (4, 6)
    assert page[:2].tolist() == [[0.0] * 3 + [1.0] * 3] * 2
    assert page[2:].tolist() == [[2.0] * 3 + [3.0] * 3] * 2
    spaced = side_by_side(images, 2, gap=1)
    assert spaced.shape == (6, 8)
    assert np.isnan(spaced[2]).all()
    assert np.isnan(spaced[:, 3]).all()
    assert spaced[:2, 4:7].tolist() == [[1.0] * 3] * 2


def test_ink_is_darker_text() -> None:
    assert as_text(np.array([[0.0, 0.5, 1.0]])) == ["  ==@@"]


def test_fonts_of_symbols_and_boxes_are_left_out() -> None:
    fonts = latin_fonts()
    assert {"DejaVuSans", "STIXGeneral", "cmr10"} <= set(fonts)
    assert not {"cmsy10", "cmex10", "LastResortHE-Regular", "STIXNonUni"} & set(fonts)


def test_no_font_is_both_trained_on_and_tested() -> None:
    known, unseen = split_fonts()
    assert not set(known) & set(unseen)
    assert set(unseen) == set(UNSEEN)
    assert sorted(known + unseen) == sorted(latin_fonts())


def test_letters_are_ink_on_paper_and_are_repeated_by_the_seed() -> None:
    fonts = ["DejaVuSans"]
    images, ids = draw_letters(fonts, 3, np.random.default_rng(0))
    assert images.shape == (78, 16, 16)
    assert images.dtype == np.float32
    assert ids.tolist() == [letter for letter in range(26) for _ in range(3)]
    assert images.min() == 0
    assert 0.9 < images.max() <= 1
    assert (images.sum(axis=(1, 2)) > 8).all()  # square pixels of ink
    again, _ = draw_letters(fonts, 3, np.random.default_rng(0))
    assert (again == images).all()
    assert len(np.unique(images, axis=0)) == 78


def test_the_data_set_is_split_by_font() -> None:
    (images, ids), (tests, test_ids) = draw_data_set(np.random.default_rng(0), reach=0)
    known, unseen = split_fonts()
    assert len(images) == len(ids) == len(known) * 26 * 20
    assert len(tests) == len(test_ids) == len(unseen) * 26 * 10
    first = draw_letter(unseen[0], "a", degrees=0, right=0, up=0)
    assert (tests[0] == first).all()
    assert (images[0] != first).any()


def test_a_letter_moves_by_whole_pixels() -> None:
    there = draw_letter("DejaVuSans", "a", degrees=0, right=2, up=-1)
    here = draw_letter("DejaVuSans", "a", degrees=0, right=0, up=0)
    assert (there[1:, 2:] == here[:-1, :-2]).all()
    assert draw_letter("DejaVuSans", "l", 90, 0, 0).sum(axis=1).max() > 5  # it lies


def test_upright_letters_are_what_they_look_like() -> None:
    images, _ = draw_letters(["DejaVuSans"], 1, None)
    o, bar, b, d = (images[LETTERS.index(letter)] for letter in "olbd")
    assert np.abs(o - o[:, ::-1]).max() < 0.15  # an o is its mirror image
    assert o[7:9, 7:9].max() == 0  # and has a hole
    assert (bar.sum(axis=0) > 0.5).sum() <= 2  # an l is a stroke
    assert np.abs(b - d[:, ::-1]).mean() < 0.03  # a b is a d in the mirror
    assert np.abs(b - d).mean() > 0.06


def test_letters_are_shifted_and_rotated_as_far_as_is_said() -> None:
    fonts = ["DejaVuSans"]
    upright, _ = draw_letters(fonts, 1, None)
    for reach in (0.0, 0.5, 1.0):
        images, ids = draw_letters(fonts, 20, np.random.default_rng(0), reach)
        places = np.arange(16) - 7.5
        ink = images.sum(axis=(1, 2))
        right = images.sum(axis=1) @ places / ink
        start = upright.sum(axis=1) @ places / upright.sum(axis=(1, 2))
        assert np.abs(right - start[ids]).max() <= 1.0 * reach + 0.35 * reach + 1e-3


@pytest.mark.parametrize(("side", "size"), [(4, 3), (6, 2), (5, 5)])
def test_col2im_is_im2col_transposed(side: int, size: int) -> None:
    image = random(side, side)
    columns = im2col(image, size)
    assert columns.shape == (size**2, (side - size + 1) ** 2)
    other = random(*columns.shape, seed=1)
    assert np.vdot(columns, other) == pytest.approx(np.vdot(image, col2im(other, side, size)))


# Networks for images


def test_training_lowers_a_loss_and_repeats_it_by_the_seed() -> None:
    x = random(50, 3).astype(np.float32)
    losses = []
    for _ in range(2):
        network = perceptron(3, 8, 3, np.random.default_rng(0))
        losses.append(
            train(
                network,
                lambda x, y, network=network: mean_squared_error(network(x), y),
                (x, x[:, ::-1].copy()),
                200,
                np.random.default_rng(1),
            )
        )
        assert not network.training
    assert losses[0] == losses[1]
    assert len(losses[0]) == 200
    assert losses[0][-1] < 0.5 * losses[0][0]


def test_the_rows_of_layers_say_their_shapes() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(16, 5, np.random.default_rng(0)))
    assert layer_rows(network, np.zeros((2, 1, 4, 4), np.float32)) == [
        ("Flatten", "(16,)", 0),
        ("Linear", "(5,)", 85),
        ("all", "", 85),
    ]


# Autoencoders


def test_channels_unfold_into_squares() -> None:
    x = random(2, 8, 3, 5)
    y = Unfold()(x)
    for b, c, i, j in np.ndindex(2, 2, 6, 10):
        assert y[b, c, i, j] == x[b, 4 * c + 2 * (i % 2) + j % 2, i // 2, j // 2]
    check_gradients(Unfold(), x)


def test_the_convolutional_autoencoder_sees_each_image_alone() -> None:
    network = convolutional(np.random.default_rng(0))
    images = random(3, 1, 16, 16).astype(np.float32)
    alone = np.concatenate([data(network(images[i : i + 1])) for i in range(3)])
    np.testing.assert_allclose(data(network(images)), alone, atol=1e-6)


@pytest.mark.parametrize(("m", "s"), [(0.0, 1.0), (0.7, 0.4), (-2.0, 1.5)])
def test_the_divergence_is_the_integral(m: float, s: float) -> None:
    z = np.linspace(-30, 30, 600_001)
    log_q = -((z - m) ** 2) / (2 * s**2) - math.log(s * math.sqrt(2 * math.pi))
    log_p = -(z**2) / 2 - math.log(math.sqrt(2 * math.pi))
    integral = float((np.exp(log_q) * (log_q - log_p)).sum() * (z[1] - z[0]))
    found = divergence(np.array([[m, m]]), np.full((1, 2), math.log(s**2)))
    assert float(found[0]) == pytest.approx(2 * integral, abs=1e-6)


# Embeddings


def test_pairs_stay_within_a_word() -> None:
    setting = Setting(WORDS, "list")
    expected = np.zeros((len(setting.vocabulary),) * 2, int)
    for word in WORDS:
        ids = [0, *setting.vocabulary.encode(word).tolist(), 0]
        for i in range(len(ids)):
            for j in range(len(ids)):
                expected[ids[i], ids[j]] += 1 <= abs(i - j) <= WINDOW
    assert (count_pairs(setting) == expected).all()


def test_the_loss_of_a_pair_is_that_of_its_answers() -> None:
    u, w, negatives = random(4, 3), random(4, 3, seed=1), random(4, 5, 3, seed=2)
    total = 0.0
    for b in range(4):
        total += math.log1p(math.exp(-u[b] @ w[b]))
        total += sum(math.log1p(math.exp(u[b] @ r)) for r in negatives[b])
    assert float(loss_of(u, w, negatives)) == pytest.approx(total / 4)
    check_gradients(loss_of, u, w, negatives)


def test_negatives_are_frequencies_to_the_power_three_quarters() -> None:
    noise = noise_of(np.array([[0, 16], [16, 240]]))
    assert noise.tolist() == pytest.approx([1 / 9, 8 / 9])


def test_a_line_parts_what_can_be_parted() -> None:
    points = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    assert has_line(points, np.array([True, True, False, False]))
    assert not has_line(points, np.array([True, False, False, True]))


def test_a_list_with_too_many_symbols_is_refused() -> None:
    setting = Setting(WORDS, "list")
    setting.refuse_symbols(4, 8)
    with pytest.raises(CorpusError, match="list has 8 symbols, and this lesson takes 4 to 7"):
        setting.refuse_symbols(4, 7)


# Transformer


FIVE = Setting(("abcd",), "list")
"""A setting with five symbols."""


def test_padded_words_end_with_the_boundary_and_count_no_padding() -> None:
    vocabulary = Vocabulary("abem")
    X, N = padded(["ab", "emma"], vocabulary)
    assert X.tolist() == [[0, 1, 2, 0, 0], [0, 3, 4, 4, 1]]
    assert N.sum(axis=2).tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert N.argmax(axis=2).tolist() == [[1, 2, 0, 0, 0], [3, 4, 4, 1, 0]]
    X, N = padded(["a" * 50], vocabulary)
    assert X.shape == (1, LONGEST + 1)
    assert N[0, -1].tolist() == [1, 0, 0, 0, 0]


@pytest.mark.parametrize("residuals", [True, False])
@pytest.mark.parametrize("positions", [True, False])
def test_a_symbol_does_not_see_later_ones(positions: bool, residuals: bool) -> None:
    network = transformer(FIVE, 2, positions, residuals)
    ids = np.array([[0, 1, 2, 3, 4]])
    whole = data(network(ids))
    for T in range(1, 5):
        np.testing.assert_allclose(data(network(ids[:, :T])), whole[:, :T], atol=1e-5)


def test_a_block_is_that_of_the_package() -> None:
    block, same = (
        Block(np.random.default_rng(0), True),
        nn.TransformerBlock(48, 4, np.random.default_rng(0)),
    )
    x = random(2, 6, 48).astype(np.float32)
    np.testing.assert_allclose(data(block(x)), data(same(x, causal=True)), atol=1e-6)


def test_the_drawn_weights_are_those_that_a_block_attends_with() -> None:
    embedding, positions, block, *_ = transformer(FIVE, 1, True, True).layers
    normal = data(block.first_norm(positions(embedding(np.array([[0, 1, 2, 3]])))))[0]
    P, _ = attend(block.attention, normal)
    np.testing.assert_allclose(P.sum(axis=2), 1, atol=1e-6)
    v = (normal @ block.attention.weight.data + block.attention.bias.data)[:, 2 * 48 :]
    seen = np.hstack([P[h] @ v[:, 12 * h : 12 * (h + 1)] for h in range(4)])
    expected = data(block.attention(normal[None], causal=True))[0]
    np.testing.assert_allclose(data(block.attention.out(seen)), expected, atol=1e-5)


def test_written_words_are_cut_at_their_end() -> None:
    network = transformer(FIVE, 1, True, True)
    words = draw_ids(network, 50, np.random.default_rng(0))
    assert len(words) == 50
    assert all((word > 0).all() and len(word) <= LONGEST for word in words)
    assert len({word.tobytes() for word in words}) > 10
    assert all(set(word) <= set("abcd") for word in draw_words(network, FIVE, 5))


def test_products_of_unit_rows_are_cosines() -> None:
    unit = unit_rows(np.array([[2.0, 0.0], [0.0, 3.0], [-1.0, 1.0]]))
    root = math.sqrt(0.5)
    expected = [[1, 0, -root], [0, 1, root], [-root, root, 1]]
    np.testing.assert_allclose(unit @ unit.T, expected, atol=1e-12)


# Diffusion


def test_the_schedule_keeps_less_and_less() -> None:
    assert len(diffusion.KEPT) == len(diffusion.BETA) == diffusion.T + 1
    assert diffusion.KEPT[0] == 1
    assert all(a > b for a, b in pairwise(diffusion.KEPT.tolist()))
    assert diffusion.KEPT[2] == pytest.approx((1 - diffusion.BETA[1]) * (1 - diffusion.BETA[2]))
    assert diffusion.BETA[[1, -1]].tolist() == pytest.approx([5e-4, 0.1])


def test_noise_leaves_the_variance_as_it_is() -> None:
    x, noise = random(2_000, 256), random(2_000, 256, seed=1)
    for t in (1, 50, diffusion.T):
        found = diffusion.noised(x, np.full(2_000, t), noise)
        assert found.var() == pytest.approx(1, abs=0.02)
        share = np.mean(found * x)
        assert share == pytest.approx(math.sqrt(diffusion.KEPT[t]), abs=0.02)


def test_who_knows_the_noise_arrives_at_the_image() -> None:
    image = np.clip(random(256), -1, 1).astype(np.float32)

    class Knowing(diffusion.Denoiser):
        def __call__(
            self, images: np.ndarray, times: np.ndarray, letters: np.ndarray
        ) -> np.ndarray:
            kept = diffusion.KEPT[times, None]
            return np.asarray((images - np.sqrt(kept) * image) / np.sqrt(1 - kept))

    knowing = Knowing(np.random.default_rng(0))
    steps = list(diffusion.sample(knowing, np.zeros(3, int), np.random.default_rng(1)))
    assert len(steps) == diffusion.T + 1
    np.testing.assert_allclose(steps[-1], np.tile(image, (3, 1)), atol=1e-5)
    # On the way x has as much noise as the schedule says.
    x, kept = steps[diffusion.T - 100], diffusion.KEPT[100]
    noise = (x - math.sqrt(kept) * image) / math.sqrt(1 - kept)
    assert noise.std() == pytest.approx(1, abs=0.1)


def test_the_nearest_image_is_found() -> None:
    known = random(30, 4, 4)
    images = known[[7, 3]] + 0.01
    distances, places = nearest(images, known)
    assert places.tolist() == [7, 3]
    np.testing.assert_allclose(distances, 1e-4, rtol=1e-6)
