"""How a notice about a run leaves this machine, or reaches a program on it."""
