"""What the simulated model says: a function of the seed and the request, and of nothing else."""
