"""Opens folders after a crash, each in a forked child, because DuckDB may abort its process.

A line on stdin has "folder", "acked" (the number N of acknowledged commits), "is_complete" (false
after a failed write, when single outcomes may have been saved) and "further" (the number of commits
to make afterwards). The reply is a line with "ending" and "detail":

    kept        all N acknowledged commits are there and correct, and further commits work
    lost        an acknowledged commit is missing
    wrong       a part of a commit, or content that was never written
    repaired    it refuses to open; the copy that doctor repaired has all acknowledged commits
    unopenable  it refuses to open, and doctor cannot repair it
    stuck       it opens, but no further commit can be made
    died        the process that opened it aborted, or took a minute
"""

import json
import os
import signal
import sys
import traceback
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from driver import COMMITS, fill, records
from sample_records import NOW

from batcher.errors import BatcherError, CheckpointError
from batcher.store.checkpoint import FILE_NAME, Checkpoint
from batcher.store.received_bodies import with_bodies
from batcher.store.repair.examination import examine

Ending = tuple[str, str]
Row = tuple[Any, ...]
Order = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a checkpoint: the first commits, and single outcomes of the next one."""

    commits: int
    singles: int


def check_folder(order: Order) -> Ending:
    """Open a folder, compare its content, and make further commits."""
    folder, acked = Path(order["folder"]), int(order["acked"])
    try:
        content = _content_of(folder) if (folder / FILE_NAME).exists() else Content(0, 0)
    except CheckpointError as error:
        return _check_repaired(folder, acked, str(error))
    if content is None or content.commits > acked + 1 or (order["is_complete"] and content.singles):
        return "wrong", f"{content} after {acked} commits"
    if content.commits < acked:
        return "lost", f"{content} after {acked} commits"
    goal = min(content.commits + order["further"], COMMITS)
    try:
        fill(folder, goal, lambda _: None)
    except BatcherError as error:
        return "stuck", str(error)
    content = _content_of(folder)
    return ("kept", "") if content == Content(goal, 0) else ("wrong", f"{content} at the end")


def _check_repaired(folder: Path, acked: int, reason: str) -> Ending:
    """Repair a checkpoint that does not open, and check the repaired copy."""
    scratch, repaired = (folder.with_name(f"{folder.name}.{name}") for name in ("copy", "repaired"))
    scratch.mkdir()
    repaired.mkdir()
    examine(folder, scratch, repaired, NOW)
    content = _content_of(repaired) if (repaired / FILE_NAME).exists() else None
    is_there = content is not None and content.commits >= acked
    return ("repaired" if is_there else "unopenable"), f"{reason}; repaired: {content}"


def _content_of(folder: Path) -> Content | None:
    """Read a checkpoint; None when it has a part of a commit, or content never committed."""
    with closing(Checkpoint(folder)) as checkpoint:
        sent = checkpoint.rows("SELECT attempt_id, fingerprint FROM attempts ORDER BY ALL")
        answered = _answered(checkpoint)
    for commits in range(COMMITS, -1, -1):
        expected_sent, expected = _expected(commits)
        singles = answered[len(expected) :]
        is_next = set(singles) <= set(_expected(min(commits + 1, COMMITS))[1])
        is_once = len(set(answered)) == len(answered)
        if sent == expected_sent and answered[: len(expected)] == expected and is_next and is_once:
            return Content(commits, len(singles))
    return None


def _answered(checkpoint: Checkpoint) -> list[Row]:
    """Return the outcomes with their bodies as they were received."""
    stored = checkpoint.table(
        "SELECT attempt_id, fingerprint, cost_usd, body_bytes, body FROM outcomes ORDER BY 1"
    )
    return [
        (row["attempt_id"], UUID(row["fingerprint"]), row["cost_usd"], row["body"])
        for row in with_bodies(checkpoint, stored).to_pylist()
    ]


@cache
def _expected(commits: int) -> tuple[list[Row], list[Row]]:
    """Return the attempts and outcomes of the first commits, as they are read back."""
    sent: list[Row] = []
    answered: list[Row] = []
    for intents, outcomes in map(records, range(1, commits + 1)):
        sent += [(intent.attempt_id, UUID(bytes=intent.fingerprint)) for intent in intents]
        answered += [
            (outcome.attempt_id, UUID(bytes=outcome.fingerprint), outcome.cost_usd, outcome.body)
            for outcome in outcomes
        ]
    return sent, answered


def _check_in_child(order: Order) -> Ending:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        try:
            ending = check_folder(order)
        except BaseException:  # noqa: BLE001 - the child must report every error
            ending = ("died", traceback.format_exc())
        os.write(writing, json.dumps(ending).encode()[:60_000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        reply = pipe.read()
    _, status = os.waitpid(child, 0)
    if status:
        return "died", f"wait status {status}"
    ending, detail = json.loads(reply)
    return ending, detail


def main() -> None:
    """Reply to each line of stdin."""
    for commits in range(COMMITS + 1):
        _expected(commits)  # computed once, before the children are forked
    for line in sys.stdin:
        ending, detail = _check_in_child(json.loads(line))
        print(json.dumps({"ending": ending, "detail": detail}), flush=True)


if __name__ == "__main__":
    main()
