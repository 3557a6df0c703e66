"""What the simulated model answers: a function of the seed and the request alone."""
