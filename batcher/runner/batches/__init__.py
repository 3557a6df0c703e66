"""The batch delivery: requests submitted together, watched, and collected when they are done."""
