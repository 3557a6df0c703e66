"""Reads job files, and reports all mistakes of a job file at once."""
