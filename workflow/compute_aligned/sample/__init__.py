"""Completions of the test problems, by vLLM or transformers."""
