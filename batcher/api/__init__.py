"""Speaks the Messages API over HTTP: one attempt in, one answer out, no policy."""
