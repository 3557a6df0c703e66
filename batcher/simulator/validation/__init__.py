"""What the API refuses, and in which words."""
