"""What a model is made of: weights, adapters, tokens, precision, memory, decoding."""
