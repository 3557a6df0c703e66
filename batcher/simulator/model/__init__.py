"""Generates the answers of the simulated model, from the seed and the request alone."""
