"""The response to an attempt, the message in it, and our verdict on it."""
