"""Repair of a damaged checkpoint: fixes a copy, reads its records, writes a new checkpoint."""
