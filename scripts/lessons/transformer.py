"""Lesson transformer: attention from an average to a network that writes words.

``transformer_by_hand.py`` has the stages without training, ``transformer_network.py`` the network.
"""

from collections.abc import Iterator

import numpy as np

from lessons.figures import COLOURS, POSITIVE, canvas
from lessons.setting import Setting
from lessons.stage import Stage, table, where_it_stands, wrapped
from lessons.transformer_by_hand import (
    the_averages,
    the_head,
    the_heads,
    the_mask,
    the_order,
    the_scale,
)
from lessons.transformer_network import (
    HEADS,
    WIDTH,
    Transformer,
    cosine,
    padded,
    symbols_of,
    train,
    weights_of,
    word_of,
    write,
)
from makemore import nn
from makemore.autodiff import cross_entropy, data
from makemore.errors import shown

OPTIONS = ("word",)
TITLE = "A transformer, from an average to words"
MINUTES = 1
STEPS = 800
ENOUGH = 0.5
"""The share of the steps after which networks are compared."""
DEPTHS = (1, 2, 4, 8, 16)
Curves = dict[str, list[tuple[int, float]]]


def stages(setting: Setting) -> Iterator[Stage]:
    """Yield the stages."""
    yield the_averages()
    yield the_head(setting)
    yield the_scale(setting)
    yield the_mask(setting)
    yield the_heads(setting)
    yield the_order(setting)
    yield the_residuals(setting)
    V, curves = len(setting.vocabulary), {}
    for blocks in (1, 2):
        for has_positions in (False, True):
            network = Transformer(V, blocks, setting.generator(), has_positions=has_positions)
            name = f"{blocks} block{'s' * (blocks > 1)}, {'' if has_positions else 'no '}positions"
            curves[name] = train(network, setting, setting.steps(STEPS))
    yield the_training(curves, network, setting)
    yield the_looks(network, setting)
    yield where_it_stands(
        {
            "makemore/nn/attention.py": "MultiHeadAttention, positions, TransformerBlock",
            "makemore/autodiff/fused.py": "attention and layer_norm beside their gradients",
            "makemore/autodiff/tree.py": "attention of words that begin alike, shared",
            "makemore/models/transformer.py": "makemore train --model transformer",
        },
        [
            "Vaswani et al. 2017, Attention is all you need: sections 3.2 and 3.5. Their model"
            " translates (28.4 BLEU from English to German), which no loss of ours compares with.",
            "Haviv et al. 2022, Transformer language models without positional encodings still"
            " learn positional information: why the mask alone tells a deep network the place.",
            "Dong, Cordonnier and Loukas 2021, Attention is not all you need: without residuals"
            " all symbols become alike.",
            "Xiong et al. 2020, On layer normalization in the transformer architecture.",
        ],
        "makemore's own transformer is this one, four blocks deep, with dropout, and trained for"
        " longer: on names.txt, held-out losses below 1.95 nats per symbol have been measured, on"
        " another split of the words.",
    )


def the_residuals(setting: Setting) -> Stage:
    """See what is left of the differences between symbols in deep networks."""
    V, (ids, _) = len(setting.vocabulary), padded([word_of(setting)], setting.vocabulary)
    alike, losses, is_trained = [], [], setting.effort >= ENOUGH
    for is_residual in (True, False):
        networks = [Transformer(V, n, setting.generator(), is_residual=is_residual) for n in DEPTHS]
        alike.append([cosine(data(network.inputs(ids)[-1])[0]) for network in networks])
        losses.append(train(networks[2], setting, setting.steps(STEPS // 4))[-1][1])
    with canvas(5, 2.8) as c:
        for name, values in zip(("with residuals", "without"), alike, strict=True):
            c.axes[0, 0].plot(DEPTHS, values, "o-", label=name)
        c.axes[0, 0].set(xlabel="blocks", ylabel="mean cosine of two symbols", ylim=(0, 1.05))
        c.axes[0, 0].legend(frameon=False)
    rows = [(f"cosine, {n} blocks", *pair) for n, *pair in zip(DEPTHS, *alike, strict=True)]
    trained = f"loss, {DEPTHS[2]} blocks, {setting.steps(STEPS // 4)} steps"
    return Stage(
        "Residuals: what came in stays in",
        ["x + f(norm(x)) instead of f(norm(x)); cosine of what two symbols have become"],
        table(["before training", "with residuals", "without"], [*rows, (trained, *losses)]),
        "an average of averages of averages is the same for all: without the sum, deep attention"
        " forgets which symbol is which. The sum also lets the gradient pass each block unchanged.",
        (nn.TransformerBlock, nn.LayerNorm),
        c.figure,
        {
            "without residuals all symbols become alike": alike[1][-1] > 0.99,
            "with them they do not": alike[0][-1] < 0.9,
            **({"with them less is lost": losses[0] < losses[1]} if is_trained else {}),
        },
    )


def the_training(curves: Curves, network: Transformer, setting: Setting) -> Stage:
    """Compare networks with positions and without, and let the last one write."""
    with canvas(6.5, 3.4) as c:
        for number, (name, points) in enumerate(curves.items()):
            dash = "-" if number % 2 else "--"
            c.axes[0, 0].plot(
                *zip(*points, strict=True), dash, color=COLOURS[number // 2], label=name
            )
        c.axes[0, 0].set(xlabel="step", ylabel="validation loss, nats per symbol")
        c.axes[0, 0].legend(frameon=False)
    last, is_trained = [points[-1][1] for points in curves.values()], setting.effort >= ENOUGH
    rows = [(name, loss) for name, loss in zip(curves, last, strict=True)]
    words = [
        shown(setting.vocabulary.decode(ids)) for ids in write(network, 8, setting.generator(2))
    ]
    return Stage(
        "Training, with positions and without",
        [
            f"ids (B, T) -> x (B, T, {WIDTH}) -> blocks -> logits (B, T, V)",
            "trained on 80 % of the words, the loss is that of words not trained on",
        ],
        [*table(["network", "loss"], rows), "", *wrapped(", ".join(words), "written: ")],
        "without positions one block sees the last symbol and a bag of others. Two blocks miss the"
        " positions less: the mask lets a symbol find out how many are before it.",
        (cross_entropy, nn.AdamW, nn.warm_up),
        c.figure,
        {
            "the loss falls": all(points[-1][1] < points[0][1] for points in curves.values()),
            **({"positions help": last[1] < last[0] and last[3] < last[2]} if is_trained else {}),
        },
    )


def the_looks(network: Transformer, setting: Setting) -> Stage:
    """Draw where each head of each block looks."""
    names = symbols_of(setting)
    ids, _ = padded([word_of(setting)], setting.vocabulary)
    into = zip(network.blocks, network.inputs(ids), strict=False)
    weights = [P for block, x in into for P in weights_of(block, data(x))]
    with canvas(10, 5.4, len(network.blocks), HEADS, texts=names) as c:
        labels = [c.text(name) for name in names]
        for number, (panel, P) in enumerate(zip(c.axes.flat, weights, strict=True)):
            panel.imshow(P, POSITIVE, vmin=0, vmax=1)
            panel.set_xticks(range(len(names)), labels)
            panel.set_yticks(range(len(names)), labels)
            panel.set_title(f"block {number // HEADS + 1}, head {number % HEADS + 1}", size=9)
    last = [[names[int(P[t].argmax())] for t in range(len(names))] for P in weights]
    return Stage(
        "Where each head looks in " + shown(word_of(setting)),
        ["P = softmax(q k.T / sqrt(n) + mask) of each head, a row for each symbol"],
        table(
            ["the most of", *names],
            [(f"{i // HEADS + 1}.{i % HEADS + 1}", *row) for i, row in enumerate(last)],
        ),
        "heads have shared the work: some look at the symbol itself or the one before, some at the"
        " beginning, some spread out. Nobody told them to.",
        (nn.MultiHeadAttention,),
        c.figure,
        {"nobody looks ahead": all(bool((np.triu(P, 1) == 0).all()) for P in weights)},
    )
