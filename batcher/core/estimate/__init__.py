"""Estimates the tokens, cost and duration of a run before it starts."""
