"""A second signal ends the process, whatever its last act meets."""

import os
import pty
import subprocess
import sys

import pytest

SCRIPT = """
import os, signal, threading
from batcher.runner.signals import drain_on_signal
held = threading.Lock()
def fine(code): os.write(1, b"left in order, %d" % code)
def fails(code): raise ValueError
def hangs(code): held.acquire()
with drain_on_signal(lambda number: None, lambda: "last words", LAST_ACT):
    with held:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        os.write(1, b"went on")
"""


@pytest.mark.parametrize("last_act", ["fine", "fails", "hangs"])
def test_the_last_act_cannot_keep_the_process(last_act: str) -> None:
    """It may fail, or need a lock that the interrupted thread holds; the exit code stays."""
    command = [sys.executable, "-c", SCRIPT.replace("LAST_ACT", last_act)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 130
    assert "last words" in done.stderr
    assert done.stdout == ("left in order, 130" if last_act == "fine" else "")


def test_last_words_stand_alone_on_a_terminal() -> None:
    """They are not mixed with the lines of progress that stand below the cursor."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", SCRIPT.replace("LAST_ACT", "fine")]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=theirs, timeout=30, check=False)
    os.close(theirs)
    assert b"\n\x1b[Jlast words\r\n" in os.read(ours, 4096)
    os.close(ours)
