"""Refuses the requests that the API refuses, with its error messages."""
