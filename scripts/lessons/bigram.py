"""Lesson bigram: the smallest language model in its literal form, from words to new words.

The stages about one word are in ``bigram_word.py``, with tables small enough for a calculator;
those about all words in ``bigram_corpus.py``. What is done "by hand" is plain Python on lists, in
``bigram_by_hand.py``. Each stage names the functions of the package that do the same.
"""

from collections.abc import Iterator
from dataclasses import replace

from lessons import bigram_corpus, bigram_word
from lessons.bigram_material import LATER_STEPS, STEPS, Material, material_of, shortened
from lessons.bigram_picture import draw_lesson
from lessons.setting import Setting
from lessons.stage import Stage, table, where_it_stands
from makemore import Bigram, Corpus, Vocabulary, sample
from makemore.arrays import Floats
from makemore.errors import SamplingError, shown
from makemore.models.bigram import weights_from_counts

TITLE = "The smallest language model, with every number"
MINUTES = 0.1
OPTIONS = ("word", "learning_rate")
SAMPLES = 8


def the_words(m: Material) -> Stage:
    """Show where the words come from."""
    return Stage(
        "The words",
        ["A corpus is text with one word a line."],
        [
            f"corpus     {shown(m.name)}",
            f"words      {len(m.words):,}, of which {len(set(m.words)):,} are distinct",
            f"first      {shown(', '.join(m.words[:5]))}",
            f"longest    {max(map(len, m.words))} characters",
            f"followed   {shown(m.word)} (another by --word)",
        ],
        "nothing but spelling is given. The model must find out which character follows which.",
        (Corpus.words,),
    )


def the_symbols(m: Material) -> Stage:
    """Give each character a number."""
    shown_ids = range(min(m.V, 48))
    body = []
    for start in shown_ids[::16]:
        ids = shown_ids[start : start + 16]
        body += table(["itos", *(m.labels[i].rjust(2) for i in ids)], [["id", *ids]])
        body.append("")
    if m.V > len(shown_ids):
        body.append(f"... and {m.V - len(shown_ids):,} more")
    return Stage(
        "Symbols and their numbers",
        ["stoi: symbol -> id    itos: id -> symbol", f"V = {m.V:,} symbols"],
        [*body, f"{shown(m.word)} -> {m.vocabulary.encode(m.word).tolist()}"],
        "id 0 is no character. It is the boundary that starts and ends every word, written here as"
        " a dot.",
        (Vocabulary, Vocabulary.encode),
    )


def the_samples(m: Material) -> Stage:
    """Let each W write words."""
    tables = {
        "random W": m.descent[0],
        f"{STEPS} steps": m.descent[STEPS],
        f"{max(LATER_STEPS):,} steps": m.descent[max(LATER_STEPS)],
        "count table": weights_from_counts(m.counts, 0.0),
    }
    drawn = [_words(m, W) for W in tables.values()]
    lines = ["  ".join(f"{word:18}" for word in row).rstrip() for row in zip(*drawn, strict=True)]
    heads = "  ".join(f"{name:18}" for name in tables).rstrip()
    return Stage(
        "New words, before and after",
        [f"Drawn with the same seed, {m.seed}, from four W:"],
        [heads, *lines],
        "random weights know nothing, not even how long a word is. The count table is the best"
        " that a memory of one symbol allows, and still it writes words that nobody would: for"
        " better ones a model must see more.",
        (sample, Bigram),
    )


def _words(m: Material, W: Floats) -> list[str]:
    """Return new words, or that they do not end: of many symbols one alone is the boundary."""
    try:
        words = sample(Bigram(m.vocabulary, W, m.counts), SAMPLES, seed=m.seed)
    except SamplingError:
        words = ["(no end)"] * SAMPLES
    return [shortened(word) for word in words]


def the_end(m: Material) -> Stage:
    """Say where to go from here."""
    return where_it_stands(
        {
            "makemore/models/bigram.py": "the model, its loss and its gradient",
            "makemore/counting/bigrams.py": "pairs and their counts",
            "makemore/training/descent.py": "descent with a rate for each row, and momentum",
            "makemore/generation/sampling.py": "drawing many words at once",
        },
        [
            "Shannon 1948, A mathematical theory of communication, sections 2 and 3: the first"
            " bigram model of letters, drawn with the help of a book.",
            "Karpathy's lecture makemore part 1, whose loss on names.txt is 2.45. It is this one:"
            " the same pairs, all words, mean over pairs. Later models are measured on words that"
            " were not trained on, which is the harder test.",
        ],
        "makemore train takes 100 steps of descent; with --method counts it reads the minimum off"
        " the counts at once. The picture shows one word's way above, and what W learns below.",
    )


STAGES = (
    the_words,
    the_symbols,
    bigram_word.the_pairs,
    bigram_word.the_one_hot_rows,
    bigram_word.the_logits,
    bigram_word.the_probabilities,
    bigram_word.the_loss,
    bigram_word.the_gradient,
    bigram_word.the_differences,
    bigram_corpus.all_words_at_once,
    bigram_corpus.the_collapse,
    bigram_corpus.ten_steps,
    bigram_corpus.the_minimum,
    bigram_corpus.one_draw,
    the_samples,
    the_end,
)


def stages(setting: Setting) -> Iterator[Stage]:
    """Yield the stages; the last has the picture."""
    material = material_of(setting)
    for stage in STAGES[:-1]:
        yield stage(material)
    yield replace(the_end(material), figure=draw_lesson(material))
