"""The live lines that stay on the terminal after a run."""

import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path


def test_the_last_lines_show_the_end(fresh: Path) -> None:
    """The progress that stays above the summary shows the final state."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    command = [sys.executable, "-m", "batcher", "run", str(fresh), "--simulate", "--yes"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        printed = b"".join(iter(lambda: _read(ours), b"")).decode()
    os.close(ours)
    assert process.returncode == 3
    progress, _, summary = printed.partition("finished, some rows failed")
    assert "output" in summary
    assert re.findall(r"(\d+)% .* ([\d/]+) rows", progress)[-1] == ("100", "3/3")
    assert "0 in flight" in progress.splitlines()[-1]
    assert "ETA unknown" not in progress


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux reports the closed other end as an error
        return b""
