"""What a model is made of and takes: weights, adapters, tokens, rollouts, memory."""
