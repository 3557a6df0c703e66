"""Reads the files of each format: JSONL with our own strict reader, Parquet with Arrow."""
