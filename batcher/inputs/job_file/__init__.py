"""Reads job files, and says all that is wrong with one at once."""
