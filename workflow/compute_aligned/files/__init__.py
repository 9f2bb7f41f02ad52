"""What everything rests on: errors, records on disk, provenance, locks, progress."""
