"""Measurements inside of makemore: ``python inside.py TASK ...`` prints JSON."""

import json
import random
import sys
import time
from pathlib import Path
from typing import Any

STEPS = 2000
RANDOM_SEED = 1
SAMPLES = 50_000
FOLDS = 10
RATES = (0.001, 0.01, 0.02, 0.05, 0.1)
"""The false-positive rates at which fresh names are flagged."""
LARGEST = "ten-fold order 5, largest transition"


def step(path: str) -> float:
    """Return the seconds of a step of gradient descent on the count matrix."""
    from makemore import Corpus
    from makemore.counting.passes import count_bigrams
    from makemore.training.descent import gradient_descent, initial_weights

    N = count_bigrams(Corpus.from_paths(path)).training
    W = initial_weights(len(N), 0)
    started = time.perf_counter()
    for _ in gradient_descent(N, W, steps=STEPS):
        pass
    return (time.perf_counter() - started) / STEPS


def first_step(path: str) -> float:
    """Return the seconds until the first step of a gru is done, imports included."""
    started = time.perf_counter()
    from makemore import Corpus, train

    found: list[float] = []

    def stop(step: Any) -> bool:
        """Note the time, and end the training."""
        found.append(time.perf_counter() - started)
        return True

    train(Corpus.from_paths(path), model="gru", steps=200, on_step=stop)
    return found[0]


def draw_one_at_a_time(checkpoint: str, count: str) -> float:
    """Return the words a second of a plain Python loop over the same bigram model."""
    from makemore import load

    model = load(checkpoint).model
    P, characters = model.bigram_table().tolist(), model.vocabulary.characters
    symbols, generator = range(len(P)), random.Random(RANDOM_SEED)

    def draw() -> str:
        word, i = [], 0
        while i := generator.choices(symbols, P[i])[0]:
            word.append(characters[i - 1])
        return "".join(word)

    started = time.perf_counter()
    for _ in range(int(count)):
        draw()
    return int(count) / (time.perf_counter() - started)


def quality(checkpoint: str, names: str, samples: str) -> dict[str, Any]:
    """Return exact figures of a model: losses, shares of new words, the area under the ROC curve.

    The curve tells random strings from held-out words by the mean surprisal of a symbol. There is
    one string for each held-out word, of the same length, each letter of the alphabet equally
    likely.
    """
    from makemore import Corpus, load, roc_auc, score
    from makemore.data.holdout import split_words
    from makemore.evaluation.losses import perplexity

    loaded = load(checkpoint)
    model, record = loaded.model, loaded.training
    words = list(Corpus.from_paths(names).words())
    chosen = split_words(words, [record.options["holdout"]]) == 1
    held_out = [word for word, held in zip(words, chosen, strict=True) if held]
    letters, generator = model.vocabulary.characters, random.Random(RANDOM_SEED)
    strings = ["".join(generator.choices(letters, k=len(word))) for word in held_out]
    scores, random_scores = score(model, held_out).mean, score(model, strings).mean
    assert record.held_out_loss is not None, "trained with a holdout"
    return {
        "model": model.name,
        "order": (model.context_length or 0) + 1,
        "parameters": model.parameter_count,
        "training_loss": record.training_loss,
        "held_out_loss": record.held_out_loss,
        "perplexity": perplexity(record.held_out_loss),
        "held_out_words": len(held_out),
        "samples": int(samples),
        **shares(loaded, names, int(samples)),
        "roc_auc": roc_auc(random_scores, scores),
    }


def shares(loaded: Any, names: str, samples: int) -> dict[str, float]:
    """Return the shares of samples that are known, repeated and new."""
    from makemore import Sampler
    from makemore.generation.novelty import KnownWords, Novelty, training_texts

    novelty = Novelty(KnownWords(training_texts(loaded.corpus, names)))
    for _ in novelty.watch(Sampler(loaded.model).texts(samples, RANDOM_SEED)):
        pass
    return {
        "known_share": novelty.known / samples,
        "repeated_share": novelty.repeated / samples,
        "new_share": novelty.new / samples,
    }


def flagged(path: str, seed: str, trained_on: str) -> dict[int, list[int]]:
    """Return by length how many fresh names there are, and how many of them each rate flags.

    A model of order 5 is trained on some of the distinct names; the others are fresh.
    """
    import numpy as np

    from makemore import Corpus, score, train

    names = list(dict.fromkeys(Corpus.from_paths(path).words()))
    random.Random(int(seed)).shuffle(names)
    known, fresh = names[: int(trained_on)], names[int(trained_on) :]
    checkpoint = train(Corpus.from_words(known), model="ngram")
    scores = score(checkpoint, fresh)
    p_values = checkpoint.calibration().p_values(scores)
    lengths = np.array(list(map(len, fresh)))
    return {
        length: [int((lengths == length).sum())]
        + [int((p_values[lengths == length] <= rate).sum()) for rate in RATES]
        for length in np.unique(lengths).tolist()
    }


def oddest_lines(path: str, count: str) -> dict[str, list[int]]:
    """Return the numbers of the oddest lines of a list, from 1, in other orders than outliers'."""
    import numpy as np

    from makemore import Corpus, score, train

    lines = Path(path).read_text("utf-8").split("\n")[:-1]
    bigram = train(Corpus.from_words(lines), method="counts", holdout=0)
    ngram = train(Corpus.from_words(lines), model="ngram", order=5, holdout=0)
    largest, means = cross_validated(lines)
    oddness = {
        LARGEST: largest,
        "ten-fold order 5, mean": means,
        "own bigram, largest transition": largest_transitions(score(bigram, lines)),
        "own order 5, mean": score(ngram, lines).mean,
    }
    return {
        way: (np.argsort(-values, kind="stable")[: int(count)] + 1).tolist()
        for way, values in oddness.items()
    }


def cross_validated(lines: list[str]) -> Any:
    """Return the largest and the mean surprisal of each line to models of other lines, (2, n)."""
    import numpy as np

    from makemore import Corpus, score, train

    numbers = list(range(len(lines)))
    random.Random(RANDOM_SEED).shuffle(numbers)
    oddness = np.empty((2, len(lines)))
    for fold in range(FOLDS):
        held = numbers[fold::FOLDS]
        others = [lines[i] for i in sorted(set(numbers) - set(held))]
        model = train(Corpus.from_words(others), model="ngram", order=5, holdout=0)
        scores = score(model, [lines[i] for i in held])
        oddness[:, held] = largest_transitions(scores), scores.mean
    return np.nan_to_num(oddness, nan=np.inf)  # nan: a character that the others do not have


def largest_transitions(scores: Any) -> Any:
    """Return the surprisal of the least likely symbol of each word, (words,)."""
    import numpy as np

    return np.maximum.reduceat(scores.nats, scores.starts)


if __name__ == "__main__":
    functions = (step, first_step, draw_one_at_a_time, quality, flagged, oddest_lines)
    TASKS = {function.__name__: function for function in functions}
    print(json.dumps(TASKS[sys.argv[1]](*sys.argv[2:])))
