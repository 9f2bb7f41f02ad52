"""What the files in config/ may say: keys, values, rows of sheets."""
