"""Message Batches: what was submitted, when each item is processed, and what came of it."""
