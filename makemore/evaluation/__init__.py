"""How good a model is, and how surprising a word is to it."""
