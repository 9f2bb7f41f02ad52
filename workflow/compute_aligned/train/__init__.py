"""Warm-ups and branches: supervised fine-tuning and reinforcement learning."""
