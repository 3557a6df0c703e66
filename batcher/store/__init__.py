"""The checkpoint: what was sent, what came back, what it cost."""
