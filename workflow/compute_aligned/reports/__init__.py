"""What a finished run leaves to read: its description, timings, report and reference."""
