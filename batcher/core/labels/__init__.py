"""Typed labels: columns, and answers that are validated, normalized or requested again."""
