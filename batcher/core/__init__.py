"""What batcher decides: pure code without I/O, clock or randomness of its own."""
