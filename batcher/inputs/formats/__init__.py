"""Reads the input files: JSONL with a strict reader of our own, Parquet with Arrow."""
