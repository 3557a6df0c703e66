"""Makes batcher's decisions: pure code without I/O, clock or randomness of its own."""
