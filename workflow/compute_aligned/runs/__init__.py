"""The jobs of a run: which there are, what they cost and what they took."""
