"""Lesson numbers: slopes, the chain rule, and an engine of automatic differentiation."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lessons.figures import ACCENT, LINE, canvas
from lessons.setting import Setting
from lessons.stage import Stage, apart, table, where_it_stands
from makemore.autodiff import Tensor, gradients, tanh
from makemore.pictures.expression_graph import draw_graph

TITLE = "A number that knows its gradient"
MINUTES = 0.1


@dataclass(eq=False)
class Number:
    """A number, what it was made from, and its slope along each of these parts."""

    value: float
    parts: Sequence[tuple["Number", float]] = ()
    grad: float = 0.0

    def __add__(self, other: "Number") -> "Number":
        return Number(self.value + other.value, [(self, 1.0), (other, 1.0)])

    def __mul__(self, other: "Number") -> "Number":
        return Number(self.value * other.value, [(self, other.value), (other, self.value)])


def backward(output: Number, order: Sequence[Number]) -> None:
    """Hand the gradient of ``output`` from each number to its parts, in this order."""
    output.grad = 1.0
    for number in order:
        for part, slope in number.parts:
            part.grad += number.grad * slope


def sorted_numbers(number: Number, found: tuple[Number, ...] = ()) -> tuple[Number, ...]:
    """Return the number and all below it, each before the parts that it was made from."""
    for part, _ in number.parts:
        if part not in found:
            found = sorted_numbers(part, found)
    return (number, *found)


def slope(function: Callable[..., float], *values: float, index: int = 0, h: float = 1e-6) -> float:
    """Return the slope along one of the values, by a central difference."""
    up, down = list(values), list(values)
    up[index] += h
    down[index] -= h
    return (function(*up) - function(*down)) / (2 * h)


def measured_slopes() -> Stage:
    """Measure the slope of x³ - 2x at 2 with steps of many sizes."""
    steps = [10.0**-k for k in range(15)]
    one_sided = [((2 + h) ** 3 - 2 * (2 + h) - 4) / h for h in steps]
    central = [slope(lambda x: x**3 - 2 * x, 2.0, h=h) for h in steps]
    rows = list(zip([f"{h:g}" for h in steps], one_sided, central, strict=True))
    with canvas(8, 4.2) as drawn:
        axes = drawn.axes[0, 0]
        for slopes, colour, label in ((one_sided, ACCENT, "one-sided"), (central, LINE, "central")):
            errors = [max(abs(found - 10), 1e-14) for found in slopes]
            axes.loglog(steps, errors, "o-", color=colour, label=label)
        axes.set(xlabel="h", ylabel="error", title="Too small a step is as bad as a large one")
        axes.legend(frameon=False)
    return Stage(
        "A slope, measured",
        [
            "f(x) = x³ - 2x    its slope is 3x² - 2, which is 10 at x = 2",
            "one-sided: (f(x + h) - f(x)) / h    central: (f(x + h) - f(x - h)) / 2h",
        ],
        table(["h", "one-sided", "central"], [rows[k] for k in (0, 1, 2, 4, 6, 10, 14)]),
        "a slope is what f gains for a small step, per unit of step. A smaller step is better,"
        " until f(x + h) and f(x) share so many digits that their difference has none left.",
        figure=drawn.figure,
        claims={"with h = 0.01 the central one is nearer": abs(central[2] - 10) < 2e-4},
    )


def the_chain_rule() -> Stage:
    """Multiply slopes along a path."""
    x, y, z = 2.0, -3.0, 10.0
    s = x * y + z
    by_hand = [2 * s * 1 * y, 2 * s * 1 * x, 2 * s * 1]
    X, Y, Z = Tensor(x), Tensor(y), Tensor(z)
    total = X * Y + Z
    engine = [found.item() for found in gradients(total * total, [X, Y, Z])]
    measured = [slope(lambda x, y, z: (x * y + z) ** 2, x, y, z, index=k) for k in range(3)]
    rows = list(zip("xyz", (x, y, z), by_hand, engine, measured, strict=True))
    return Stage(
        "The chain rule",
        [
            f"a = x y    s = a + z = {s:g}    L = s² = {s * s:g}    dL/ds = 2s",
            "dL/dx = dL/ds * ds/da * da/dx = 2s * 1 * y; dL/dy = 2s * 1 * x; dL/dz = 2s * 1",
        ],
        table(["", "value", "dL/d by hand", "by backward", "measured"], rows),
        "each operation knows only its own slopes. Along a path they multiply. One pass from L back"
        " gives all gradients, where measuring takes two evaluations for each.",
        (gradients,),
        claims={"all ways agree": by_hand == engine and apart(engine, measured) < 1e-6},
    )


def sums_and_order() -> Stage:
    """Use a number twice, and hand its gradient on too early."""

    def handed(order: str) -> tuple[float, float]:
        x = Number(3.0)
        a = x * Number(2.0)
        b = a + Number(1.0)
        c = a * b
        by_name = {"a": a, "b": b, "c": c}
        backward(c, [by_name[name] for name in order] or sorted_numbers(c))
        return a.grad, x.grad

    X = Tensor(3.0, label="x")
    A = X * 2.0
    B = A + 1.0
    C = A * B
    A.label, B.label, C.label = "abc"
    rows = [(order or "sorted", *handed(order)) for order in ("cba", "cab", "")]
    measured = slope(lambda x: 2 * x * (2 * x + 1), 3.0)
    return Stage(
        "Gradients add up, and order matters",
        ["a = 2x    b = a + 1    c = a b    x = 3: so a = 6, b = 7, c = 42"],
        table(["order", "dc/da", "dc/dx"], [*rows, ("measured", "", measured)]),
        "a gets 7 from c and 6 through b: the paths add up, part.grad += ... In the wrong order a"
        " hands 2 * 7 = 14 on before the 6 arrives. A number may hand on its gradient only when"
        " all that was made from it has done so. Sorting the graph once gives such an order.",
        figure=draw_graph(C, title="c = a b: each node has its value and its gradient"),
        claims={"sorting gives the measured slope": abs(rows[2][2] - measured) < 1e-6},
    )


def a_neuron() -> Stage:
    """Train the smallest network: one neuron on one example."""
    weights = [Tensor(value, label=name) for value, name in ((-3.0, "w"), (1.0, "v"), (6.2, "b"))]
    first = ", ".join(f"{weight.label} = {weight.item():g}" for weight in weights)
    rows, graph = [], None
    for step in range(21):
        w, v, b = weights
        out = tanh(2.0 * w + 0.5 * v + b)
        error = out - 0.2
        loss = error * error
        graph = graph or draw_graph(loss, title="A neuron before its first step")
        found = gradients(loss, weights)
        rows.append((step, out.item(), loss.item(), found[0].item()))
        for weight, gradient in zip(weights, found, strict=True):
            weight.data = weight.data - 0.1 * gradient
    by_hand = 2 * (rows[0][1] - 0.2) * (1 - rows[0][1] ** 2) * 2
    return Stage(
        "A neuron that learns",
        [
            "out = tanh(2 w + 0.5 v + b)    loss = (out - 0.2)²    w -= 0.1 dloss/dw, ...",
            f"before the first step {first}",
        ],
        table(["step", "out", "loss", "dloss/dw"], [rows[k] for k in (0, 1, 2, 3, 5, 10, 20)]),
        "this is all there is to training: compute, go backward, step down. The factor 1 - out² is"
        " small where tanh is flat: a neuron whose sum is far from 0 hardly learns. More in lesson"
        " mlp.",
        (tanh, draw_graph),
        graph,
        {"dloss/dw is as by hand": abs(by_hand - rows[0][3]) < 1e-12},
    )


def stages(setting: Setting) -> Iterator[Stage]:
    """Yield the stages."""
    yield from (measured_slopes(), the_chain_rule(), sums_and_order(), a_neuron())
    yield where_it_stands(
        {
            "makemore/autodiff/tensor.py": "the same engine for arrays; operations.py beside it",
            "makemore/pictures/expression_graph.py": "draw_graph and text_tree",
        },
        [
            "Rumelhart et al. 1986, Learning representations by back-propagating errors.",
            "Karpathy's micrograd, an engine of this size. Baydin et al. 2018, a survey.",
        ],
        "apart from a sort without recursion, the package has the engine of lessons/numbers.py.",
    )
