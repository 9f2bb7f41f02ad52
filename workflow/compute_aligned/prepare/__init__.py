"""From raw problems to the splits of a family."""
