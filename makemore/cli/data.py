"""The commands about text: download, check."""

from pathlib import Path

from makemore.cli.console import print_results, progress
from makemore.cli.options import command, output_option

NAMES = Path("data/names.txt")


@command("download", "makemore download -o names.txt")
@output_option(str(NAMES), "Where to put it.")
def download(output: Path) -> None:
    """Download names.txt, the 32,033 names of the lecture, and verify them."""
    from makemore.data.download import download_names

    with progress("downloading") as report:
        download_names(output, progress=lambda done: report(done, None))
    print_results(str(output))
