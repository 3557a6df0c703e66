"""When requests may be sent: rate limits, retries, outages, and when a run stops early."""
