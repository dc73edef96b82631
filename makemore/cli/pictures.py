"""The commands that write pictures and the page."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from makemore.cli.console import print_results, progress, wants_colour, write_results
from makemore.cli.options import (
    PATH,
    checkpoint_option,
    command,
    dark_option,
    json_option,
    load_checkpoint,
    option,
    output_option,
    refuse_without_effect,
    show_option,
)
from makemore.kinds import KINDS

if TYPE_CHECKING:
    from makemore.pictures.embeddings import Plane
    from makemore.training.record import Checkpoint


@command("plot-heatmap", "makemore plot-heatmap --values counts -o counts.svg")
@checkpoint_option
@output_option("heatmap.png", "The picture: .png, .svg or .pdf.")
@option(
    "--values",
    type=click.Choice(["probabilities", "counts", "weights"]),
    default="probabilities",
    help="What the cells show.",
)
@dark_option
@show_option
@option("--text", is_flag=True, help="Print the table on the terminal instead.")
@option(
    "--animate",
    type=PATH,
    help="Make a film of the training instead: .gif, or .mp4 where ffmpeg is installed.",
)
@click.pass_context
def plot_heatmap(
    ctx: click.Context,
    /,
    checkpoint: str,
    output: str,
    values: str,
    dark: bool,
    show: bool,
    text: bool,
    animate: str | None,
) -> None:
    """Draw the table of pairs: which character follows which."""
    if animate:
        from makemore.pictures.film import animation_ending

        refuse_without_effect(ctx, ("output", "values", "show", "text"), "with --animate")
        animation_ending(animate)
        _animate(load_checkpoint(checkpoint), animate, dark)
    elif text:
        refuse_without_effect(ctx, ("output", "dark", "show"), "with --text")
        _print_heatmap(load_checkpoint(checkpoint), values)
    else:
        from makemore.pictures.output import picture_ending

        picture_ending(output)
        _save(_heatmap(load_checkpoint(checkpoint), values, dark), output, show)


def _print_heatmap(checkpoint: "Checkpoint", values: str) -> None:
    """Print the table as text in the width of the terminal."""
    import shutil  # a large module

    from makemore.pictures.contents import heatmap_values, symbol_frequencies
    from makemore.pictures.terminal import heatmap_text

    lines = heatmap_text(
        heatmap_values(checkpoint.model, values),
        checkpoint.model.vocabulary.itos,
        shutil.get_terminal_size().columns,
        wants_colour(),
        values=values,
        frequencies=symbol_frequencies(checkpoint.model),
    )
    write_results(lines + "\n")


def _heatmap(checkpoint: "Checkpoint", values: str, dark: bool) -> Any:
    """Return the picture of the table."""
    from makemore.pictures.contents import heatmap_title, heatmap_values, symbol_frequencies
    from makemore.pictures.heatmap import draw_heatmap

    return draw_heatmap(
        heatmap_values(checkpoint.model, values),
        checkpoint.model.vocabulary.itos,
        values=values,
        frequencies=symbol_frequencies(checkpoint.model),
        title=heatmap_title(checkpoint, values),
        dark=dark,
    )


def _animate(checkpoint: "Checkpoint", path: str, dark: bool) -> None:
    """Make the film of a training."""
    from makemore.pictures.contents import film_title, symbol_frequencies
    from makemore.pictures.film import animate_learning
    from makemore.pictures.learning import learning_frames

    with progress("drawing") as report:
        animate_learning(
            learning_frames(checkpoint, report),
            checkpoint.model.vocabulary.itos,
            path,
            minimum=checkpoint.training.minimum,
            frequencies=symbol_frequencies(checkpoint.model),
            title=film_title(checkpoint),
            dark=dark,
        )
    print_results(path)


def _save(figure: Any, path: str, show: bool) -> None:
    """Save a picture, print its path, and show it in a window if asked to."""
    from makemore.pictures import output

    output.save_figure(figure, path)
    print_results(path)
    if show:
        output.show(figure)


@command("plot-loss", "makemore plot-loss -o loss.pdf")
@checkpoint_option
@output_option("loss.png", "The picture: .png, .svg or .pdf.")
@dark_option
@show_option
def plot_loss(checkpoint: str, output: str, dark: bool, show: bool) -> None:
    """Draw the losses of a training, step by step."""
    from makemore.pictures.contents import (
        learning_rates,
        losses_by_step,
        objective_name,
        picture_title,
    )
    from makemore.pictures.curves import draw_loss, draw_network_loss
    from makemore.pictures.output import picture_ending

    picture_ending(output)
    loaded = load_checkpoint(checkpoint)
    training, title = loaded.training, picture_title(loaded)
    kind = KINDS.get(loaded.model.name)
    if kind and kind.has_large_products:
        validation = training.validation_history
        rates = learning_rates(loaded) if len(training.loss_history) else None
        figure = draw_network_loss(
            training.loss_history, validation, rates=rates, title=title, dark=dark
        )
    else:
        history, what = losses_by_step(loaded), objective_name(loaded)
        figure = draw_loss(history, training.minimum, what=what, title=title, dark=dark)
    _save(figure, output, show)


@command("plot-embeddings", "makemore plot-embeddings -c gru.npz")
@checkpoint_option
@output_option("embeddings.png", "The picture: .png, .svg or .pdf.")
@dark_option
@show_option
@json_option
@click.pass_context
def plot_embeddings(
    ctx: click.Context,
    /,
    checkpoint: str,
    output: str,
    dark: bool,
    show: bool,
    as_json: bool,
) -> None:
    """Draw which characters a model treats alike.

    The picture shows the first two principal components of the characters' embeddings in the first
    layer of a network, or of their rows of a bigram's weights. --json prints them instead.
    """
    from makemore.pictures.contents import embeddings_title, learnt_vectors
    from makemore.pictures.embeddings import draw_embeddings, principal_plane
    from makemore.pictures.output import picture_ending

    if as_json:
        refuse_without_effect(ctx, ("output", "dark", "show"), "with --json")
    else:
        picture_ending(output)
    loaded = load_checkpoint(checkpoint)
    vectors, symbols = learnt_vectors(loaded.model), loaded.model.vocabulary.symbols
    if as_json:
        write_results(_plane_json(principal_plane(vectors), symbols) + "\n")
    else:
        title = embeddings_title(loaded)
        _save(draw_embeddings(vectors, symbols, title=title, dark=dark), output, show)


def _plane_json(plane: "Plane", symbols: Sequence[str]) -> str:
    """Return the principal components of symbols as JSON."""
    import json

    places = zip(symbols, plane.coordinates.tolist(), strict=True)
    entries = [{"symbol": s, "x": round(x, 6), "y": round(y, 6)} for s, (x, y) in places]
    return json.dumps({"variance": plane.shares.round(6).tolist(), "symbols": entries})


@command("plot-attention", "makemore plot-attention olivia -c transformer.npz")
@click.argument("word")
@checkpoint_option
@output_option("attention.png", "The picture: .png, .svg or .pdf.")
@dark_option
@show_option
def plot_attention(word: str, checkpoint: str, output: str, dark: bool, show: bool) -> None:
    """Draw the attention of a transformer in WORD.

    A small heatmap for each head shows which characters each one attends to; there is a row of
    heatmaps for each block.
    """
    from makemore.data.corpus import reading_of
    from makemore.pictures.attention import draw_attention
    from makemore.pictures.contents import attention_of, plain_title
    from makemore.pictures.output import picture_ending

    picture_ending(output)
    loaded = load_checkpoint(checkpoint)
    word = reading_of(loaded.corpus)(word)
    weights = attention_of(loaded.model, word)
    title = f"{plain_title(loaded)}, attention in “{word}”"
    _save(
        draw_attention(weights, ("", *loaded.model.vocabulary.cut(word)), title=title, dark=dark),
        output,
        show,
    )


@command("page", "makemore page -c makemore.npz -o names.html")
@checkpoint_option
@output_option("makemore.html", "The page.")
def page(checkpoint: str, output: str) -> None:
    """Write a page to play with the model in any browser."""
    from makemore.page.webpage import write_page

    write_page(load_checkpoint(checkpoint), output)
    print_results(output)
