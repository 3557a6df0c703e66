"""Which requests the API refuses, with its error messages."""
