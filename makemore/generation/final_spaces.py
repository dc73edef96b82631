"""No word ends in a space where no training word does, unless that is asked for."""

import numpy as np

from makemore.data.vocabulary import BOUNDARY
from makemore.errors import SamplingError
from makemore.generation.constraints import Constraints
from makemore.models.base import Model
from makemore.training.record import Checkpoint


def unseen_final_spaces(source: Model | Checkpoint, suffix: str) -> str:
    """Return the spaces that end no training word, and so should end no sampled word.

    A space that ``suffix`` ends with is excepted. For a model without counts its checkpoint tells.
    """
    model = source if isinstance(source, Model) else source.model
    counts, last = model.bigram_counts(), [symbol[-1] for symbol in model.vocabulary.symbols]
    spaces = {character for character in last if character.isspace()}
    if counts is not None:
        ends = np.flatnonzero(counts[1:, BOUNDARY]).tolist()
        spaces -= {last[i] for i in ends}
    else:
        is_known = isinstance(source, Checkpoint) and not source.corpus.ends_in_space
        spaces &= {" "} if is_known else set()
    return "".join(sorted(space for space in spaces if not suffix.endswith(space)))


def final_space_error(constraints: Constraints) -> SamplingError:
    """Return the error that says that the constraints allow only words that end in a space."""
    given = constraints.describe()
    return SamplingError(
        f"all words{given and f' with {given}'} that the model wrote end in a space, and no"
        " training word does: relax the constraints, or ask for it by --suffix ' '"
    )
