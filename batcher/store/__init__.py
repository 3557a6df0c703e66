"""The checkpoint: what was sent, what came back, what it cost."""

CHECKPOINT_THREAD = "checkpoint"
"""The name of the thread that owns an open checkpoint."""
