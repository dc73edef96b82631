"""A corpus in numbers: its alphabet and facts, its pairs and n-grams."""
