"""The third pass over an input: the output, and the quality of its labels."""
