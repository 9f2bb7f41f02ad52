"""The files of config/, read once and checked."""
