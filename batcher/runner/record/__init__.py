"""What a run records about itself: status.json, run.json, events, and notices to people."""
