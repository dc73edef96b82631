"""Descent: the loop that trains the networks of several lessons."""

from collections.abc import Callable, Iterator, Mapping

from makemore import nn
from makemore.autodiff import Tensor


def descend(
    parameters: Mapping[str, Tensor],
    batch_loss: Callable[[], Tensor],
    optimizer: nn.Optimizer,
    schedule: nn.Schedule,
    steps: int,
    longest: float = 1.0,
) -> Iterator[float]:
    """Take steps down the gradient, and yield the loss of each batch after its step.

    ``batch_loss`` draws a batch and returns its loss. A gradient longer than ``longest`` is
    shortened to this length.
    """
    vector = nn.ParameterVector(parameters)
    for step in range(steps):
        loss = batch_loss()
        vector.backward(loss)
        nn.clip_by_norm(vector.gradient, longest)
        optimizer.learning_rate = schedule(step)
        optimizer.step(vector.values, vector.gradient)
        yield loss.item()
