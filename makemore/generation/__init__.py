"""Words from a model: drawn, constrained, searched, and compared with known ones."""
