"""The commands that make something to look at: plot-heatmap, plot-loss, page."""

from typing import TYPE_CHECKING, Any

import click

from makemore.cli.console import print_results, progress, wants_colour, write_results
from makemore.cli.options import (
    checkpoint_option,
    command,
    dark_option,
    load_checkpoint,
    option,
    output_option,
    refuse_idle,
    show_option,
)

if TYPE_CHECKING:
    from makemore.training import Checkpoint


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
    type=click.Path(),
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
    """Draw the table of all pairs: which character follows which."""
    from makemore import plotting
    from makemore.reporting import heatmap_values, picture_title, symbol_frequencies

    if animate:
        refuse_idle(ctx, ("output", "values", "show", "text"), "with --animate")
        plotting.animation_ending(animate)
        _animate(load_checkpoint(checkpoint), animate, dark)
        return
    if text:
        refuse_idle(ctx, ("output", "dark", "show"), "with --text")
    else:
        plotting.picture_ending(output)
    loaded = load_checkpoint(checkpoint)
    table, symbols = heatmap_values(loaded.model, values), loaded.model.vocabulary.itos
    frequencies = symbol_frequencies(loaded.model)
    if text:
        import shutil  # a large module

        from makemore.terminal import heatmap_text

        width, colour = shutil.get_terminal_size().columns, wants_colour()
        lines = heatmap_text(table, symbols, width, colour, values=values, frequencies=frequencies)
        write_results(lines + "\n")
        return
    figure = plotting.draw_heatmap(
        table,
        symbols,
        values=values,
        frequencies=frequencies,
        title=picture_title(loaded),
        dark=dark,
    )
    _save(figure, output, show)


def _animate(checkpoint: "Checkpoint", path: str, dark: bool) -> None:
    """Make the film of a training."""
    from makemore.learning import learning_frames
    from makemore.plotting import animate_learning
    from makemore.reporting import picture_title, symbol_frequencies

    with progress("drawing") as report:
        animate_learning(
            learning_frames(checkpoint, report),
            checkpoint.model.vocabulary.itos,
            path,
            minimum=checkpoint.training.minimum,
            frequencies=symbol_frequencies(checkpoint.model),
            title=picture_title(checkpoint),
            dark=dark,
        )
    print_results(path)


def _save(figure: Any, path: str, show: bool) -> None:
    """Save a picture, say where it is, and open it in a window if asked to."""
    from makemore import plotting

    plotting.save_figure(figure, path)
    print_results(path)
    if show:
        plotting.show(figure)


@command("plot-loss", "makemore plot-loss -o loss.pdf")
@checkpoint_option
@output_option("loss.png", "The picture: .png, .svg or .pdf.")
@dark_option
@show_option
def plot_loss(checkpoint: str, output: str, dark: bool, show: bool) -> None:
    """Draw the loss of each training step."""
    from makemore import plotting
    from makemore.reporting import picture_title

    plotting.picture_ending(output)
    loaded = load_checkpoint(checkpoint)
    figure = plotting.draw_loss(
        loaded.training.loss_history,
        loaded.training.minimum,
        title=picture_title(loaded),
        dark=dark,
    )
    _save(figure, output, show)


@command("page", "makemore page -c makemore.npz -o names.html")
@checkpoint_option
@output_option("makemore.html", "The page.")
def page(checkpoint: str, output: str) -> None:
    """Write a page to play with the model in any browser."""
    from makemore.webpage import write_page

    write_page(load_checkpoint(checkpoint), output)
    print_results(output)
