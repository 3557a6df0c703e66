"""Decides when requests may be sent: rate limits, retries, outages, and early stops of a run."""
