"""Compute Aligned Training (arXiv 2604.24957): strategies, training, sampling, tables, figures."""

__version__ = "0.1.0"
