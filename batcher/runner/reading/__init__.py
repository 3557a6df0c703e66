"""Whatever reads a checkpoint back: the output, and the commands that only look."""
