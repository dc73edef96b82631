"""Text in, numbers out: sources, corpus, vocabulary, hold-out, and the counts of n-grams."""
