"""The first pass over an input: what a run would do, what it costs, and whether it may start."""
