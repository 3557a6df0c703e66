"""The first pass over an input: what a run would do, and whether it may."""
