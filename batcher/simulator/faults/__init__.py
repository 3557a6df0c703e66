"""Failures on demand: which requests fail, and how they fail."""
