"""Loads the images and documents of a row, from a column or from a file that a column names."""
