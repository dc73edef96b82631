"""Text in, numbers out: vocabulary, download, corpus, and the pairs and counts of a bigram."""
