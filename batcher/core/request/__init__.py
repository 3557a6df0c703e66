"""Builds the Messages request of a row, its bytes and its fingerprint, and checks it."""
