"""Limits a minute: our own, and those the API tells in its headers."""
