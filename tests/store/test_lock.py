"""One process locks a job; the error names it; the lock of a dead process is free."""

import json
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
from batcher.store.lock import Holder, Lock, process_start

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
    """Run a process that holds the lock until it ends."""
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


def test_the_error_names_the_holder(tmp_path: Path) -> None:
    """The error has pid, host and start time, and its exit code is 8."""
    with another_holder(tmp_path) as process, pytest.raises(LockedError) as caught:
        Lock(tmp_path, ME)
    host = socket.gethostname()
    wanted = f"process {process.pid} on {host} since 2026-11-22T09:00:00+00:00"
    assert wanted in caught.value.message
    assert caught.value.exit_code == 8


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    """After SIGKILL the lock is free at once."""
    with another_holder(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        Lock(tmp_path, ME).release()


def test_the_lock_survives_reading_its_file(tmp_path: Path) -> None:
    """Opening and closing the lock file or the checkpoint does not release the lock."""
    with Lock(tmp_path, ME):
        (tmp_path / "lock").read_bytes()
        (tmp_path / "checkpoint.duckdb").write_bytes(b"")
        with pytest.raises(LockedError, match=f"process {os.getpid()} "):
            Lock(tmp_path, ME)


def test_a_released_lock_can_be_taken_again(tmp_path: Path) -> None:
    """It can be taken again also after an error in the block."""
    with pytest.raises(ZeroDivisionError), Lock(tmp_path, ME):
        raise ZeroDivisionError
    with Lock(tmp_path, ME):
        pass


def test_readers_share_the_lock_and_exclude_a_run(tmp_path: Path) -> None:
    """Two readers hold it together; a run excludes readers, and readers exclude a run."""
    first, second = (Lock(tmp_path, ME, is_shared=True) for _ in range(2))
    with first, second, pytest.raises(LockedError):
        Lock(tmp_path, ME)
    with Lock(tmp_path, ME), pytest.raises(LockedError):
        Lock(tmp_path, ME, is_shared=True)


def test_a_lock_without_a_name_is_still_a_lock(tmp_path: Path) -> None:
    """A second process is refused whatever the lock file contains."""
    for content in (b"", b"junk", b"[]", b'{"pid":1}', b"\xff"):
        with Lock(tmp_path, ME):
            (tmp_path / "lock").write_bytes(content)
            with pytest.raises(LockedError, match="another process"):
                Lock(tmp_path, ME)


def test_an_earlier_holder_is_not_named(tmp_path: Path) -> None:
    """The error does not name the process of an outdated lock file."""
    with another_holder(tmp_path):
        before = (tmp_path / "lock").read_bytes()
    with Lock(tmp_path, ME):
        (tmp_path / "lock").write_bytes(before)
        with pytest.raises(LockedError, match="locked by another process"):
            Lock(tmp_path, ME)


def test_a_new_holder_replaces_a_longer_name(tmp_path: Path) -> None:
    """The text of the earlier holder is replaced completely."""
    (tmp_path / "lock").write_text("x" * 4000)
    with Lock(tmp_path, ME), pytest.raises(LockedError, match="since 2026-11-22T10:02"):
        Lock(tmp_path, ME)


def test_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    """Other users cannot read it, whatever the umask."""
    before = os.umask(0)
    try:
        Lock(tmp_path, ME).release()
    finally:
        os.umask(before)
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """The error is not a LockedError, because no process holds the lock."""
    with pytest.raises(CheckpointError, match="No such file"):
        Lock(tmp_path / "gone", ME)


RACE = """
import os, sys, time
from datetime import datetime, UTC
from pathlib import Path
from batcher.errors import LockedError
from batcher.store.lock import Holder, Lock

folder, rounds = Path(sys.argv[1]), int(sys.argv[2])
now = datetime(2026, 11, 22, tzinfo=UTC)

def start(at, done):
    while time.monotonic() < at:
        pass
    try:
        with Lock(folder, Holder.this_process(now)):
            os.write(done, b"h")
            os.read(go_on, 1)
    except LockedError as error:
        os.write(done, b"l" if str(error).startswith("this job is locked by") else b"?")
    os._exit(0)

for _ in range(rounds):
    (ended, done), (go_on, let_go) = os.pipe(), os.pipe()
    at = time.monotonic() + 0.005
    children = [os.fork() or start(at, done) for _ in range(2)]
    endings = os.read(ended, 1) + os.read(ended, 1)
    os.write(let_go, b"xx")
    for child in children:
        os.waitpid(child, 0)
    for descriptor in (ended, done, go_on, let_go):
        os.close(descriptor)
    print("".join(sorted(endings.decode())), flush=True)
"""


@pytest.mark.parametrize("rounds", [100, pytest.param(1000, marks=pytest.mark.crash)])
def test_one_of_two_simultaneous_processes_gets_the_lock(tmp_path: Path, rounds: int) -> None:
    """In each round two new processes try at the same time, and exactly one gets the lock."""
    command = [sys.executable, "-c", RACE, str(tmp_path), str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["hl"] * rounds


WAIT = """
import sys
from datetime import datetime, UTC
from pathlib import Path
from batcher.store.lock import Holder, Lock
now = datetime(2026, 11, 22, 11, tzinfo=UTC)
with Lock(Path(sys.argv[1]), Holder.this_process(now), waiting=lambda s: print(s, flush=True)):
    print("held", flush=True)
"""


def waiting(folder: Path) -> "subprocess.Popen[str]":
    """Start a process that waits for the lock."""
    return subprocess.Popen(
        [sys.executable, "-c", WAIT, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_waiting_process_gets_the_lock_when_it_is_free(tmp_path: Path) -> None:
    """It names the holder once, and gets the lock after the holder has died."""
    with another_holder(tmp_path) as holder, waiting(tmp_path) as waiter:
        assert waiter.stdout.readline().startswith(f"waiting for process {holder.pid} on ")
        holder.kill()
        assert waiter.stdout.read() == "held\n"
        assert waiter.wait(20) == 0


def test_a_signal_ends_the_wait(tmp_path: Path) -> None:
    """Ctrl-C ends the wait although another process holds the lock."""
    with another_holder(tmp_path), waiting(tmp_path) as waiter:
        waiter.stdout.readline()
        waiter.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in waiter.communicate(timeout=20)[1]


def test_a_later_process_with_the_same_pid_is_recognized(tmp_path: Path) -> None:
    """The lock file has the process's start time; process names do not matter."""
    own_start = process_start(os.getpid())
    assert own_start is not None
    with another_holder(tmp_path) as other:
        written = json.loads((tmp_path / "lock").read_text())
        assert written["process_start"] == process_start(other.pid) > own_start
    assert process_start(other.pid) is None
    name = tmp_path / "a ) 1 2 (b"
    name.symlink_to("/bin/sleep")
    with subprocess.Popen([name, "60"]) as odd:
        assert (process_start(odd.pid) or 0) >= own_start
        odd.kill()


def test_a_holder_written_by_an_older_batcher_is_named(tmp_path: Path) -> None:
    """The error has pid, host and start time although the process start is missing."""
    with Lock(tmp_path, ME):
        (tmp_path / "lock").write_text(
            '{"pid": 7, "host": "h", "boot_id": "b", "started_at": "then"}'
        )
        with pytest.raises(LockedError, match="process 7 on h since then"):
            Lock(tmp_path, ME)


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Path]:
    """A folder that can be made read-only, also for root."""
    folder = tmp_path / "archive"
    folder.mkdir()
    if os.geteuid():
        yield folder
        return
    mount = ["mount", "-t", "tmpfs", "none", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("not even root may mount a disk here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def make_read_only(folder: Path) -> None:
    """Make a folder read-only."""
    if os.geteuid():
        folder.chmod(0o500)
    else:
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)


@pytest.mark.parametrize("has_lock", [False, True])
def test_an_archive_can_be_read(archive: Path, *, has_lock: bool) -> None:
    """A shared lock writes nothing, and needs no file in a read-only folder."""
    if has_lock:
        Lock(archive, ME).release()
    make_read_only(archive)
    with Lock(archive, ME, is_shared=True), Lock(archive, ME, is_shared=True):
        pass
    with pytest.raises(CheckpointError) as caught:
        Lock(archive, ME)
    assert "job.state" not in str(caught.value.hint)
    with pytest.raises(CheckpointError) as caught:
        Lock(archive, ME, for_run=True)
    assert "job.state" in str(caught.value.hint)
