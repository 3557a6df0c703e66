"""What a run records about itself: the content of run.json and status.json."""
