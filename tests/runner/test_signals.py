"""A second signal ends the process, even when ``on_exit`` fails or hangs."""

import os
import pty
import subprocess
import sys

import pytest

SCRIPT = """
import os, signal, threading
from batcher.runner.signals import drain_on_signal
lock = threading.Lock()
def succeeds(code): os.write(1, b"exit code %d" % code)
def fails(code): raise ValueError
def hangs(code): lock.acquire()
with drain_on_signal(lambda number: None, lambda: "exit message", ON_EXIT):
    with lock:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        os.write(1, b"still running")
"""


FAILURES = """
import os, signal, pydantic
from batcher.runner.signals import raise_on_signal
def interrupted(_=None): os.kill(os.getpid(), signal.NUMBER)
class Model(pydantic.BaseModel):
    value: int
    written = pydantic.field_serializer("value")(lambda self, value: interrupted())
def by_pydantic(): Model(value=1).model_dump_json()
def by_ourselves():
    try: interrupted()
    except BaseException: raise OSError from None
try:
    with raise_on_signal(): WRAPPED()
except BaseException as error: print(type(error).__name__)
"""


@pytest.mark.parametrize(
    ("number", "raised"), [("SIGTERM", "Terminated"), ("SIGINT", "KeyboardInterrupt")]
)
@pytest.mark.parametrize("wrapped", ["by_pydantic", "by_ourselves"])
def test_an_error_that_a_signal_caused_is_that_signal(
    number: str, raised: str, wrapped: str
) -> None:
    """A library that turns the signal's exception into its own error does not hide the signal."""
    script = FAILURES.replace("NUMBER", number).replace("WRAPPED", wrapped)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.stdout, done.stderr) == (f"{raised}\n", "")


@pytest.mark.parametrize("on_exit", ["succeeds", "fails", "hangs"])
def test_on_exit_cannot_keep_the_process_running(on_exit: str) -> None:
    """``on_exit`` may fail or wait for a lock of the main thread; the exit code is still 130."""
    command = [sys.executable, "-c", SCRIPT.replace("ON_EXIT", on_exit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 130
    assert "exit message" in done.stderr
    assert done.stdout == ("exit code 130" if on_exit == "succeeds" else "")


def test_the_exit_message_clears_the_progress_lines_of_a_terminal() -> None:
    """The lines below the cursor are cleared before the exit message is written."""
    controller, terminal = pty.openpty()
    command = [sys.executable, "-c", SCRIPT.replace("ON_EXIT", "succeeds")]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=terminal, timeout=30, check=False)
    os.close(terminal)
    assert b"\n\x1b[Jexit message\r\n" in os.read(controller, 4096)
    os.close(controller)
