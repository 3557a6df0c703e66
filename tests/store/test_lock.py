"""One process holds a job; the next is told who; a dead holder holds nothing."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batcher.errors import CheckpointError, LockedError
from batcher.store.lock import Holder, Lock

STARTED = datetime(2026, 11, 22, 10, 2, tzinfo=UTC)
ME = Holder.this_process(STARTED)
HOLD = """
import sys
from datetime import datetime, UTC
from pathlib import Path
from batcher.store.lock import Holder, Lock
lock = Lock(Path(sys.argv[1]), Holder.this_process(datetime(2026, 11, 22, 9, tzinfo=UTC)))
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def another_holder(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Run a process that holds the lock until its end."""
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_process_is_told_who_holds_it(tmp_path: Path) -> None:
    """The error has pid, host and start, and its exit code is 8."""
    with another_holder(tmp_path) as process, pytest.raises(LockedError) as caught:
        Lock(tmp_path, ME)
    host = socket.gethostname()
    wanted = f"process {process.pid} on {host} since 2026-11-22T09:00:00+00:00"
    assert wanted in caught.value.message
    assert caught.value.exit_code == 8


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    """After SIGKILL the lock is free at once."""
    with another_holder(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        Lock(tmp_path, ME).release()


def test_the_lock_survives_reading_its_file(tmp_path: Path) -> None:
    """Opening and closing the lock's file or the checkpoint's does not let anybody in."""
    with Lock(tmp_path, ME):
        (tmp_path / "lock").read_bytes()
        (tmp_path / "checkpoint.duckdb").write_bytes(b"")
        with pytest.raises(LockedError, match=f"process {os.getpid()} "):
            Lock(tmp_path, ME)


def test_a_released_lock_can_be_taken_again(tmp_path: Path) -> None:
    """Also when its block ended in an error."""
    with pytest.raises(ZeroDivisionError), Lock(tmp_path, ME):
        raise ZeroDivisionError
    with Lock(tmp_path, ME):
        pass


def test_readers_share_and_keep_writers_out(tmp_path: Path) -> None:
    """Two may look at once; a run waits for them, and they for a run."""
    one, other = (Lock(tmp_path, ME, is_shared=True) for _ in range(2))
    with one, other, pytest.raises(LockedError):
        Lock(tmp_path, ME)
    with Lock(tmp_path, ME), pytest.raises(LockedError):
        Lock(tmp_path, ME, is_shared=True)


def test_a_lock_without_a_name_is_still_a_lock(tmp_path: Path) -> None:
    """Whatever stands in the file, the second is refused."""
    for content in (b"", b"junk", b"[]", b'{"pid":1}', b"\xff"):
        with Lock(tmp_path, ME):
            (tmp_path / "lock").write_bytes(content)
            with pytest.raises(LockedError, match="another process"):
                Lock(tmp_path, ME)


def test_a_new_holder_replaces_a_longer_name(tmp_path: Path) -> None:
    """Nothing of the holder before remains in the file."""
    (tmp_path / "lock").write_text("x" * 4000)
    with Lock(tmp_path, ME), pytest.raises(LockedError, match="since 2026-11-22T10:02"):
        Lock(tmp_path, ME)


def test_the_file_is_the_owners_alone(tmp_path: Path) -> None:
    """Nobody else may read it, whatever the umask."""
    before = os.umask(0)
    try:
        Lock(tmp_path, ME).release()
    finally:
        os.umask(before)
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """It is no LockedError: nobody holds it."""
    with pytest.raises(CheckpointError, match="No such file"):
        Lock(tmp_path / "gone", ME)
