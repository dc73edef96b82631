"""Learning rates that change while a model trains.

A schedule is a function of the number of steps already taken, 0 before the first, that returns the
rate of the next step. It remembers nothing, so training that is resumed needs only its step. The
equations are those of PyTorch's schedulers.
"""

from collections.abc import Callable
from math import cos, pi

from makemore.errors import OptionError

Schedule = Callable[[int], float]


def constant(rate: float) -> Schedule:
    """Return the schedule that always says ``rate``."""
    return lambda step: rate


def step_decay(rate: float, every: int, factor: float = 0.1) -> Schedule:
    """Multiply ``rate`` by ``factor`` after every ``every`` steps.

    Raises ``OptionError`` if these are fewer than 1.

    >>> schedule = step_decay(1.0, every=2, factor=0.5)
    >>> [schedule(step) for step in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    _refuse_below(1, every, "every")
    return lambda step: rate * factor ** (step // every)


def exponential(rate: float, factor: float) -> Schedule:
    """Multiply ``rate`` by ``factor`` after each step."""
    return lambda step: rate * factor**step


def cosine(rate: float, steps: int, final: float = 0.0) -> Schedule:
    """Fall from ``rate`` to ``final`` along half a cosine in ``steps`` steps, and stay there.

    Raises ``OptionError`` for fewer steps than 1. Source: Loshchilov and Hutter 2017, "SGDR",
    equation 5.

    >>> schedule = cosine(1.0, 4)
    >>> [round(schedule(step), 3) for step in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    _refuse_below(1, steps, "steps")
    return lambda step: _between(rate, final, step / steps)


def warm_up(steps: int, schedule: Schedule) -> Schedule:
    """Rise to the first rate of ``schedule`` in equal parts, ``steps`` steps long; then follow it.

    The first moments of Adam rest on few gradients, and large steps on them do lasting harm. Raises
    ``OptionError`` for fewer steps than 0. Source: Goyal et al. 2017, "Accurate, large minibatch
    SGD", section 2.2.

    >>> schedule = warm_up(3, constant(1.0))
    >>> [schedule(step) for step in range(5)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """
    _refuse_below(0, steps, "steps")

    def rate(step: int) -> float:
        """Return the rate of a step: its share of the first rate, then that of the schedule."""
        if step < steps:
            return schedule(0) * (step + 1) / (steps + 1)
        return schedule(step - steps)

    return rate


def cyclic(lowest: float, highest: float, half_cycle: int) -> Schedule:
    """Rise from ``lowest`` to ``highest`` in ``half_cycle`` steps, fall as long, and begin again.

    Raises ``OptionError`` for fewer steps than 1. Source: Smith 2017, "Cyclical learning rates for
    training neural networks", section 3.1.

    >>> schedule = cyclic(0.0, 1.0, half_cycle=2)
    >>> [schedule(step) for step in range(6)]
    [0.0, 0.5, 1.0, 0.5, 0.0, 0.5]
    """
    _refuse_below(1, half_cycle, "half_cycle")

    def rate(step: int) -> float:
        """Return the rate of a step, by its distance from the nearest peak."""
        away = abs(step % (2 * half_cycle) - half_cycle)  # steps from the peak
        return lowest + (highest - lowest) * (1 - away / half_cycle)

    return rate


def one_cycle(
    highest: float,
    steps: int,
    rising: float = 0.3,
    first_divisor: float = 25.0,
    last_divisor: float = 1e4,
) -> Schedule:
    """Rise along a cosine to ``highest`` in the share ``rising`` of ``steps`` steps, then fall.

    The first rate is ``highest / first_divisor``, that of the last step is the first divided by
    ``last_divisor``; later ones stay there. Raises ``OptionError`` for fewer steps than 1, a share
    that is not from 0 to 1, and divisors that are not above 0. Source: Smith and Topin 2018,
    "Super-convergence", section 3.
    """
    _refuse_below(1, steps, "steps")
    if not 0 <= rising <= 1:
        raise OptionError(f"rising is {rising} and must be from 0 to 1")
    for name, divisor in (("first_divisor", first_divisor), ("last_divisor", last_divisor)):
        if not divisor > 0:
            raise OptionError(f"{name} is {divisor} and must be above 0")
    first = highest / first_divisor
    peak = rising * steps - 1  # PyTorch's count; it need not be a whole number
    last = steps - 1

    def rate(step: int) -> float:
        """Return the rate of a step on the way up, or on the way down."""
        if step <= peak:
            return _between(first, highest, step / peak if peak else 1.0)
        fallen = (step - peak) / (last - peak) if last > peak else 1.0
        return _between(highest, first / last_divisor, fallen)

    return rate


def _between(start: float, end: float, progress: float) -> float:
    """Return the rate at ``progress`` from 0 to 1 of the way along half a cosine."""
    return end + (start - end) * (1 + cos(pi * min(progress, 1.0))) / 2


def _refuse_below(least: int, number: int, name: str) -> None:
    if number < least:
        raise OptionError(f"{name} is {number} and must be {least} or more")
