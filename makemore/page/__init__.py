"""The HTML page of a checkpoint."""
