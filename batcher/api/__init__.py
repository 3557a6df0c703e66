"""Calls the Messages API over HTTP: one attempt in, one response out, no policy."""
