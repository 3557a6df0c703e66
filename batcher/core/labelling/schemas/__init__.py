"""The user's schema: read from a file or from a line of fields, and what it means."""
