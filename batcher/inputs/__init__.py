"""Reads job files, rows and images."""
