"""Resampling, confidence intervals, contrasts of branches, power."""
