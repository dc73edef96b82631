"""The expression graph of a Tensor as a picture, from left to right, and as text.

Each node shows its label or operation, its value, and the gradient of the output with respect to
it. A value that is used twice is one node with two edges.
"""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from makemore.arrays import Floats
from makemore.autodiff.tensor import Tensor, ancestors, data, gradients
from makemore.errors import PlottingError
from makemore.pictures.labels import printable
from makemore.pictures.style import Theme, choose_theme, drawing, heading_lines, type_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_NODES = 100
"""The maximum number of nodes in a legible picture."""
_WIDTH, _HEIGHT = 1.75, 0.78  # inches of a node
_ACROSS, _DOWN = 2.35, 1.0  # inches from one node to the next
_BESIDE = 0.16  # inches between the edges of a value that is used twice in one operation
_SWEEPS = 8  # over the columns, to remove crossings of edges


def draw_graph(output: Tensor, *, title: str = "", dark: bool = False) -> "Figure":
    """Return a picture of the expression graph of ``output``, which is the node on the right.

    Gradients are those of ``output``, or of its sum if it is an array. ``save_figure`` saves the
    picture.

    Raises
    ------
    PlottingError
        There are more than ``MAX_NODES`` nodes.
    """
    nodes = list(ancestors(output))
    if len(nodes) > MAX_NODES:
        raise PlottingError(
            f"the graph has {len(nodes):,} nodes, and a picture of more than {MAX_NODES} is"
            " illegible: draw the graph of one of its Tensors"
        )
    layout = _Layout(output)
    places = layout.places()
    texts = _texts(output, nodes)
    theme = choose_theme(dark)
    title = heading_lines(title)
    with drawing(theme, [title, *texts.values()]) as substitutes:
        from matplotlib.figure import Figure

        width = max(x for x, _ in places.values()) + _WIDTH + 0.4
        middle = max(abs(y) for _, y in places.values())
        height = 2 * middle + _DOWN + 0.3 + 0.4 * bool(title)
        figure = Figure(figsize=(width, height), dpi=75)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(-_WIDTH / 2 - 0.2, width - _WIDTH / 2 - 0.2)
        axes.set_ylim(-middle - _DOWN / 2 - 0.15, middle + _DOWN / 2 + 0.15 + 0.4 * bool(title))
        axes.set_axis_off()
        _draw_edges(axes, layout.ways, places, theme)
        for node, text in texts.items():
            _draw_node(axes, places[node], text.translate(substitutes), bool(node.rows), theme)
        figure.text(0.01, 0.99, title.translate(substitutes), va="top", ha="left", size=13)
        figure.draw_without_rendering()
    return figure


def draw_tensor(values: Any, *, title: str = "", dark: bool = False) -> "Figure":
    """Return a heatmap of an array of at most two axes; see ``draw_tensors``."""
    return draw_tensors({title or f"shape {np.shape(data(values))}": values}, dark=dark)


def draw_tensors(values: Mapping[str, Any], *, dark: bool = False) -> "Figure":
    """Return heatmaps of arrays of at most two axes side by side, with their names above them.

    Zero has the middle of the colours: numbers below it have one colour, those above another. A
    small array has its numbers in the cells. Raises ``PlottingError`` for more axes, for an empty
    array, and for numbers that are not finite.
    """
    tables = {heading_lines(name): _table(array) for name, array in values.items()}
    theme = choose_theme(dark)
    with drawing(theme, tables) as substitutes:
        from matplotlib.figure import Figure
        from matplotlib.layout_engine import ConstrainedLayoutEngine

        rows, columns = (max(table.shape[axis] for table in tables.values()) for axis in (0, 1))
        width = (min(8.0, max(3.0, 0.55 * columns)) + 1.2) * len(tables)
        height = min(8.0, max(1.2, 0.5 * rows)) + 0.8
        figure = Figure((min(width, 16.0), height), dpi=75, layout=ConstrainedLayoutEngine())
        panels = figure.subplots(1, len(tables), squeeze=False)[0]
        for axes, (name, table) in zip(panels, tables.items(), strict=True):
            _draw_table(axes, table, theme)
            axes.set_title(name.translate(substitutes), loc="left")
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    return figure


def _table(values: Any) -> Floats:
    array = np.asarray(data(values), np.float64)
    if array.ndim > 2 or not array.size:
        raise PlottingError(
            f"an array of shape {array.shape} is not a table: choose a part of at most two axes"
        )
    if not np.isfinite(array).all():
        raise PlottingError("the array has numbers that are not finite")
    return np.atleast_2d(array)


def _draw_table(axes: "Axes", table: Floats, theme: Theme) -> None:
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.ticker import MaxNLocator

    limit = float(np.abs(table).max()) or 1.0
    shades = [theme.accent, theme.background, theme.line]
    colours = LinearSegmentedColormap.from_list("around zero", shades)
    image = axes.imshow(table, cmap=colours, vmin=-limit, vmax=limit, aspect="auto")
    axes.figure.colorbar(image, ax=axes)
    if max(table.shape) <= 16:
        for (row, column), number in np.ndenumerate(table):
            ink = theme.background if abs(number) > 0.6 * limit else theme.text
            text = f"{number:.3g}"
            axes.text(column, row, text, ha="center", va="center", size=9, color=ink)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))


def text_tree(output: Tensor) -> str:
    """Return the expression graph as lines of text, the parents of each node indented below it.

    A node that was shown before is named again without its parents.

    >>> x, y = Tensor(3.0, label="x"), Tensor(2.0, label="y")
    >>> print(text_tree(x * y + x))
    add = 9
    ├─ multiply = 6
    │  ├─ x = 3
    │  └─ y = 2
    └─ x = 3
    """
    lines: list[str] = []
    shown: set[Tensor] = set()
    waiting = [(output, "", "")]
    while waiting:
        node, before, below = waiting.pop()
        is_known = node in shown and bool(node.rows)
        more = " (as above)" if is_known else ""
        lines.append(f"{before}{printable(_name(node))} = {_value(node.data)}{more}")
        shown.add(node)
        parts = [] if is_known else [parent for parent, _ in node.rows]
        for number, parent in reversed(list(enumerate(parts))):
            is_last = number == len(parts) - 1
            edge, gap = ("└─ ", "   ") if is_last else ("├─ ", "│  ")
            waiting.append((parent, below + edge, below + gap))
    return "\n".join(lines)


def _name(node: Tensor) -> str:
    return node.label or node.operation or "value"


def _value(array: Any) -> str:
    """Return a number with four digits, a short vector, or a shape."""
    numbers = np.asarray(array)
    if numbers.size == 1:
        return f"{numbers.item():.4g}"
    if numbers.ndim == 1 and numbers.size <= 3:
        return "[" + " ".join(f"{number:.3g}" for number in numbers) + "]"
    return f"array {numbers.shape}".replace(",)", ")")


def _texts(output: Tensor, nodes: Sequence[Tensor]) -> dict[Tensor, str]:
    """Return the text in each node."""
    wanted = [node for node in nodes if node.requires_grad]
    found: dict[Tensor, Any] = {}
    if output.requires_grad:
        ones = np.ones_like(output.data)
        found = dict(zip(wanted, gradients(output, wanted, ones), strict=True))
    texts = {}
    for node in nodes:
        name = printable(node.label)
        if node.operation:
            name = f"{name} = {node.operation}" if name else node.operation
        lines = [name or "value", _value(node.data)]
        if node in found:
            lines.append(f"gradient {_value(found[node])}")
        texts[node] = "\n".join(lines)
    return texts


class _Bend(NamedTuple):
    """The point where a long edge passes through a column."""

    start: Tensor
    end: Tensor
    row: int
    column: int


_Part = Tensor | _Bend


class _Layout:
    """The positions of the nodes of a graph: in columns, each to the right of its parents.

    An edge that passes a column takes room there, so that it does not run through nodes. Source:
    Sugiyama, Tagawa and Toda 1981, "Methods for visual understanding of hierarchical system
    structures".

    Attributes
    ----------
    ways : list of list of Tensor or _Bend
        Each edge from its start to its end, with its bends.
    """

    def __init__(self, output: Tensor) -> None:
        column_of = _column_numbers(output)
        self._columns: list[list[_Part]] = [[] for _ in range(column_of[output] + 1)]
        for node, number in column_of.items():
            self._columns[number].append(node)
        self.ways: list[list[_Part]] = []
        for node in column_of:
            for row, (parent, _) in enumerate(node.rows):
                passed = range(column_of[parent] + 1, column_of[node])
                bends = [_Bend(parent, node, row, number) for number in passed]
                for bend in bends:
                    self._columns[bend.column].append(bend)
                self.ways.append([parent, *bends, node])
        self._uncross()

    def _uncross(self) -> None:
        """Order each column by the mean height of each part's neighbours, in several sweeps."""
        neighbours: dict[_Part, list[_Part]] = {}
        for way in self.ways:
            for one, other in itertools.pairwise(way):
                neighbours.setdefault(one, []).append(other)
                neighbours.setdefault(other, []).append(one)
        for sweep in range(_SWEEPS):
            columns = self._columns if sweep % 2 else self._columns[::-1]
            for column in columns:
                places = self.places()
                height = {
                    part: sum(places[other][1] for other in near) / len(near)
                    for part, near in neighbours.items()
                }
                column.sort(key=lambda part, height=height: -height.get(part, 0.0))  # type: ignore[misc]

    def places(self) -> dict[_Part, tuple[float, float]]:
        """Return the centre of each part in inches; columns are centred vertically."""
        found: dict[_Part, tuple[float, float]] = {}
        for number, column in enumerate(self._columns):
            rooms = [_DOWN if isinstance(part, Tensor) else _DOWN / 3 for part in column]
            top = sum(rooms) / 2
            for part, room in zip(column, rooms, strict=True):
                found[part] = (number * _ACROSS, top - room / 2)
                top -= room
        return found


def _column_numbers(output: Tensor) -> dict[Tensor, int]:
    """Return the column of each node: as far to the right as possible."""
    uses = ancestors(output)
    after = dict.fromkeys(uses, 0)  # the length of the longest path from a node to the output
    ready = [output]
    while ready:
        node = ready.pop()
        for parent, _ in node.rows:
            after[parent] = max(after[parent], after[node] + 1)
            uses[parent] -= 1
            if not uses[parent]:
                ready.append(parent)
    last = max(after.values())
    return {node: last - steps for node, steps in after.items()}


def _draw_node(
    axes: "Axes", place: tuple[float, float], text: str, is_made: bool, theme: Theme
) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y = place
    axes.add_patch(
        FancyBboxPatch(
            (x - _WIDTH / 2, y - _HEIGHT / 2),
            _WIDTH,
            _HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.1",
            facecolor=theme.background if is_made else theme.scale[1],
            edgecolor=theme.line if is_made else theme.accent,
            linewidth=1.4,
            zorder=2,
        )
    )
    size = type_size(text, (_WIDTH - 0.1) * 72, 9.5)
    axes.text(x, y, text, ha="center", va="center", size=size, linespacing=1.35, zorder=3)


def _draw_edges(
    axes: "Axes",
    ways: Sequence[Sequence[_Part]],
    places: Mapping[_Part, tuple[float, float]],
    theme: Theme,
) -> None:
    """Draw the edges; those between the same two nodes are drawn side by side."""
    repeats = Counter((way[0], way[-1]) for way in ways)
    drawn: Counter[tuple[_Part, _Part]] = Counter()
    for way in ways:
        ends = way[0], way[-1]
        above = (repeats[ends] - 1) / 2 - drawn[ends]
        drawn[ends] += 1
        _draw_edge(axes, [places[part] for part in way], above * _BESIDE, theme)


def _draw_edge(
    axes: "Axes", places: Sequence[tuple[float, float]], above: float, theme: Theme
) -> None:
    """Draw an edge from the right side of its start, along its bends, to the left side of its end.

    Its ends are ``above`` inches above the middles of the sides.
    """
    (x, y), *bends, (end_x, end_y) = places
    y, end_y = y + above, end_y + above
    points = [(x + _WIDTH / 2, y)]
    for bend_x, bend_y in bends:
        points += [(bend_x - _WIDTH / 2, bend_y), (bend_x + _WIDTH / 2, bend_y)]
    axes.plot(*zip(*points, strict=True), color=theme.muted, linewidth=1, zorder=1)
    axes.annotate(
        "",
        (end_x - _WIDTH / 2, end_y),
        points[-1],
        arrowprops={"arrowstyle": "-|>", "color": theme.muted, "shrinkA": 0, "shrinkB": 0},
        zorder=1,
    )
