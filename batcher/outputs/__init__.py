"""Writes the results of a run: Parquet, JSON lines, JSON files and notices."""
