"""The command line: one file a command, imported when it is called."""

from batcher.cli.main import main

__all__ = ["main"]
