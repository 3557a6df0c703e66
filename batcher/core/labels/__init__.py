"""Typed labels: columns, and answers that are validated, corrected in spelling or asked again."""
