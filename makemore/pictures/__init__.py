"""What a model and its training look like, as pictures and in a terminal."""
