"""Compute Aligned Training (arXiv 2604.24957) as a pipeline: strategies, training, sampling, verdicts."""

__version__ = "0.1.0"
