"""How fast and how often: the token bucket and the backoff."""
