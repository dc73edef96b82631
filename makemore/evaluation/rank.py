"""How many words a model holds more probable than a given one, estimated from words that it draws.

Who guesses words in the order of a model, the likeliest first, finds a word after as many guesses.
Counting them is hopeless, but their number is a mean over words drawn from the model itself: a word
b counts 1 / P(b) where P(b) > P(word), and 0 elsewhere (Dell'Amico and Filippone 2015, "Monte Carlo
strength evaluation: fast and reliable password checking", section 3). The draws are made once; then
each word is a search in their sorted probabilities.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from makemore.arrays import Flags, Floats
from makemore.data.corpus import reading_of
from makemore.data.text import refuse_one_text
from makemore.data.vocabulary import BOUNDARY
from makemore.errors import OptionError
from makemore.evaluation.losses import score_words
from makemore.generation.sampling import sample
from makemore.models.base import Model
from makemore.training.record import Checkpoint

DRAWS = 10_000
"""As in the paper: the standard error is then a few hundredths of most ranks."""

_TIE = 1e-6  # nats: a network's last bits depend on which words are scored together


class Ranks(NamedTuple):
    """The guess ranks of n words.

    Attributes
    ----------
    ranks : array of shape (n,)
        About how many words are more probable, 0 for the likeliest; nan for a word with an unknown
        character.
    errors : array of shape (n,)
        The standard error of each.
    is_beyond : array of shape (n,), bool
        Whether the word is less probable than all that were drawn. Its rank is likely to be higher
        then, and its error says little.
    """

    ranks: Floats
    errors: Floats
    is_beyond: Flags


class RankEstimator:
    """Estimates the guess ranks of words for a model.

    Parameters
    ----------
    source : Model or Checkpoint
        A checkpoint's words are read as its training words were, in lower case or not.
    draws : int
        How many words are drawn. Four times as many halve the errors.
    seed : int

    Raises
    ------
    OptionError
        There are no draws, or the seed is negative.
    SamplingError
        The model's words do not end.
    OptionError
        The model has a symbol for unknown characters, which no word that is drawn has.

    Examples
    --------
    >>> from makemore.data.corpus import Corpus
    >>> from makemore.training.options import TrainingOptions
    >>> from makemore.training.train import train
    >>> corpus = Corpus.from_words(["a", "a", "a", "a", "ab", "b", "b"])
    >>> model = train(corpus, TrainingOptions(method="counts", smoothing=0, holdout=0)).model
    >>> RankEstimator(model).ranks(["a", "ab", "b"]).ranks.round()
    array([0., 2., 1.])
    """

    def __init__(self, source: Model | Checkpoint, draws: int = DRAWS, seed: int = 0) -> None:
        if draws < 1:
            raise OptionError(f"the number of draws is {draws} and must be 1 or more")
        self._reading: Callable[[str], str] = str
        if isinstance(source, Checkpoint):
            self._reading, source = reading_of(source.corpus), source.model
        self._model = model = source
        if model.vocabulary.unk is not None:
            raise OptionError(
                "guess ranks are of the words that a model writes, and one trained with --unknown"
                " does not write all that it reads: train without it"
            )
        self._draws = draws
        totals = score_words(model, sample(model, draws, seed=seed)).total
        # symbols that were drawn may be read as others together, some of them unknown
        self._surprisals = np.sort(totals[~np.isnan(totals)])
        # Only words of a symbol or more are drawn, each as often as 1 / (1 - P(no symbol)) says.
        first = np.delete(model.log_probabilities(model.start(1))[0], BOUNDARY)
        logs = self._surprisals + np.logaddexp.reduce(first) - np.log(draws)
        # logarithms: 1 / P is beyond any float64 for words of some hundred characters
        self._log_sums = np.append(-np.inf, np.logaddexp.accumulate(logs))
        self._log_squares = np.append(-np.inf, np.logaddexp.accumulate(2 * logs))

    def ranks(self, words: Sequence[str]) -> Ranks:
        """Return the ranks of words. Raises ``VocabularyError`` for one with a line feed."""
        refuse_one_text(words)
        return self.ranks_of(score_words(self._model, list(map(self._reading, words))).total)

    def ranks_of(self, surprisals: Floats) -> Ranks:
        """Return the ranks of words with these surprisals in nats, shape (n,)."""
        more_probable = np.searchsorted(self._surprisals, surprisals - _TIE)
        log_ranks, log_squares = self._log_sums[more_probable], self._log_squares[more_probable]
        with np.errstate(over="ignore", invalid="ignore"):  # inf, and the first of inf - inf
            ranks = np.exp(log_ranks)
            # of a mean of n numbers with this sum of squares, relative to it
            shares = np.exp(log_squares - 2 * log_ranks) - 1 / self._draws
            errors = np.where(more_probable > 0, ranks * np.sqrt(np.maximum(shares, 0)), 0.0)
        is_unknown = np.isnan(surprisals)
        ranks[is_unknown] = errors[is_unknown] = np.nan
        return Ranks(ranks, errors, (more_probable == len(self._surprisals)) & ~is_unknown)
