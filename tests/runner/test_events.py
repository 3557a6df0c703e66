"""events.jsonl holds one event a line, and a failure to write it stops no run."""

import errno
import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from batcher.runner.record.events import FILE_NAME, Events

NOON = datetime(2026, 1, 2, 12, 0, 0, 123456, tzinfo=UTC)


def opened(folder: Path, warnings: list[str] | None = None) -> Events:
    """Return the events of a folder, at a fixed time; warnings go to ``warnings``."""
    return Events(folder, (warnings if warnings is not None else []).append, lambda: NOON)


def lines(folder: Path) -> list[dict[str, Any]]:
    """Return the events in the file."""
    return [json.loads(line) for line in (folder / FILE_NAME).read_text().splitlines() if line]


def test_events_are_appended_one_a_line(tmp_path: Path) -> None:
    """Each line begins with the time and the name, and is in the file when ``write`` returns."""
    folder = tmp_path / "run"
    events = opened(folder)
    events.begin(run_id="R")
    events.write("progress", percent=10)
    assert lines(folder) == [
        {"time": "2026-01-02T12:00:00.123+00:00", "event": "run_started", "run_id": "R"},
        {"time": "2026-01-02T12:00:00.123+00:00", "event": "progress", "percent": 10},
    ]
    events.close()
    events.write("late")
    assert len(lines(folder)) == 2
    assert (folder / FILE_NAME).stat().st_mode & 0o077 == 0


def test_a_run_that_sends_nothing_leaves_nothing(tmp_path: Path) -> None:
    """Without ``begin`` neither the folder nor the file is made."""
    events = opened(tmp_path / "run")
    events.write("run_ended", exit_code=0)
    events.close()
    assert list(tmp_path.iterdir()) == []


def test_closing_syncs_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``close`` calls ``fsync`` once."""
    synced: list[int] = []
    events = opened(tmp_path)
    events.begin()
    monkeypatch.setattr(os, "fsync", synced.append)
    events.close()
    assert len(synced) == 1


def test_threads_do_not_mix_their_lines(tmp_path: Path) -> None:
    """Every line is whole when four threads write at the same time."""
    events = opened(tmp_path)
    events.begin()

    def tell(number: int) -> None:
        for _ in range(200):
            events.write("progress", number=number, text="x" * 300)

    threads = [threading.Thread(target=tell, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events.close()
    assert len(lines(tmp_path)) == 801


def test_a_full_disk_is_reported_once_and_later_events_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unwritable event is dropped; a line that was cut short damages no later one."""
    warnings: list[str] = []
    events = opened(tmp_path, warnings)
    events.begin()
    write = os.write

    def cut(descriptor: int, content: bytes) -> int:
        return write(descriptor, content[:9])

    def full(_descriptor: int, _content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    for disk in (cut, full, full):
        monkeypatch.setattr(os, "write", disk)
        events.write("lost")
    monkeypatch.setattr(os, "write", write)
    events.write("kept")
    text = (tmp_path / FILE_NAME).read_text().splitlines()
    assert [len(line) for line in text][1] == 9
    assert json.loads(text[2])["event"] == "kept"
    assert warnings == [f"warning  {tmp_path / FILE_NAME} is incomplete: No space left on device"]
    events.close()


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    """The run goes on without events."""
    warnings: list[str] = []
    (tmp_path / "file").touch()
    events = opened(tmp_path / "file" / "run", warnings)
    events.begin()
    events.write("progress")
    events.close()
    assert len(warnings) == 1
