"""How good a model is: losses, perplexity and bits.

Everything is a mean over symbols, each word's characters and its end mark, in nats unless it says
otherwise.
"""

import math


def perplexity(loss: float) -> float:
    """Return exp(loss): the number of equally likely symbols that would be as hard to guess."""
    return math.exp(loss) if loss < 700 else math.inf


def bits_per_symbol(loss: float) -> float:
    """Return the loss in bits instead of nats."""
    return loss / math.log(2)
