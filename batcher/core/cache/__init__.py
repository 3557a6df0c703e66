"""The API's prompt cache: what is marked, and when an entry can be read."""
