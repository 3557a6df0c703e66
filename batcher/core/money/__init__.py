"""Token usage, the price table, and the exact cost of an answer."""
