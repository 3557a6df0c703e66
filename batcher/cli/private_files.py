"""Makes the files that a command writes readable by their owner alone."""

import os


def write_private_files() -> None:
    """Set the umask of this process: checkpoints, copies and outputs hold users' data."""
    os.umask(0o077)
