"""A run described: its jobs, what they cost and took, its settings, the report."""
