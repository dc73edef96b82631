"""Learn which character follows which in a list of words, and write more words like them."""

__version__ = "0.1.0"
