"""Writes what came of a run: Parquet, JSONL and the run's own record."""
