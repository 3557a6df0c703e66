"""Measures labels: compares them with gold labels, with each other, and with the last run."""
