"""What the configuration means for a run: its scope, fingerprints, claims, reported values."""
