"""Reads job files, input rows, images and documents."""
