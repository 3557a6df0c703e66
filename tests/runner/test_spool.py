"""The body of a batch on its way: a full disk is an error with a hint, not a broken run."""

import errno
import io
import json
from pathlib import Path

import pytest

from batcher.errors import CheckpointError
from batcher.runner.batches.spool import Spool


class FullDisk(io.BytesIO):
    """A file on a disk without space."""

    def write(self, _data: object) -> int:
        """Fail."""
        raise OSError(errno.ENOSPC, "No space left on device")

    def flush(self) -> None:
        """Fail."""
        raise OSError(errno.ENOSPC, "No space left on device")


def test_items_that_do_not_fit_any_more_are_removed(tmp_path: Path) -> None:
    """The body has the first items, as JSON, and its size is that of the file."""
    spool = Spool(tmp_path)
    for number in range(3):
        spool.add(f"a-{number}", b'{"max_tokens":1}')
    spool.keep(2)
    spool.finish()
    spool.file.seek(0)
    body = spool.file.read()
    assert [item["custom_id"] for item in json.loads(body)["requests"]] == ["a-0", "a-1"]
    assert (spool.requests, spool.size) == (2, len(body))
    spool.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", ["add", "finish"])
def test_a_full_disk_says_what_to_do(tmp_path: Path, step: str) -> None:
    """Nothing was sent yet; closing the file afterwards is no second error."""
    spool = Spool(tmp_path)
    spool.file.close()
    spool.file = FullDisk()
    with pytest.raises(CheckpointError, match="No space left") as error:
        spool.add("a-1", b"{}") if step == "add" else spool.finish()
    assert "free disk space" in (error.value.hint or "")
    spool.close()
