"""Opens what a crash left behind, in a forked child each time: DuckDB may abort its process.

A line on stdin has "folder", "acked" (N commits), "is_whole" (false after a failed write, when
outcomes may have been saved each by itself) and "further" (commits to be made after those). It is
answered by a line with "ending" and "detail":

    kept        all N acknowledged commits are there, whole and right, and further ones can be made
    lost        an acknowledged commit is missing
    wrong       half a commit, or content that nobody wrote
    mended      it refuses to open; in the copy that the doctor repaired they are all there
    unopenable  it refuses to open, and the doctor cannot help
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
from batcher.store.records import unpacked
from batcher.store.repair.examination import examine

Ending = tuple[str, str]
Row = tuple[Any, ...]
Asked = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Held:
    """What a checkpoint holds: the first commits whole, and single outcomes of the next one."""

    commits: int
    singles: int


def judge(asked: Asked) -> Ending:
    """Open a folder, compare what it holds, and go on from there."""
    folder, acked = Path(asked["folder"]), int(asked["acked"])
    try:
        held = _held(folder) if (folder / FILE_NAME).exists() else Held(0, 0)
    except CheckpointError as error:
        return _judge_repaired(folder, acked, str(error))
    if held is None or held.commits > acked + 1 or (asked["is_whole"] and held.singles):
        return "wrong", f"{held} after {acked} commits"
    if held.commits < acked:
        return "lost", f"{held} after {acked} commits"
    goal = min(held.commits + asked["further"], COMMITS)
    try:
        fill(folder, goal, lambda _: None)
    except BatcherError as error:
        return "stuck", str(error)
    held = _held(folder)
    return ("kept", "") if held == Held(goal, 0) else ("wrong", f"{held} at the end")


def _judge_repaired(folder: Path, acked: int, reason: str) -> Ending:
    """Let the doctor look at a checkpoint that does not open."""
    scratch, repaired = (folder.with_name(f"{folder.name}.{name}") for name in ("copy", "repaired"))
    scratch.mkdir()
    repaired.mkdir()
    examine(folder, scratch, repaired, NOW)
    held = _held(repaired) if (repaired / FILE_NAME).exists() else None
    is_there = held is not None and held.commits >= acked
    return ("mended" if is_there else "unopenable"), f"{reason}; repaired: {held}"


def _held(folder: Path) -> Held | None:
    """Read a checkpoint; None when it has a part of a commit, or what was never committed."""
    with closing(Checkpoint(folder)) as checkpoint:
        sent = checkpoint.rows("SELECT attempt_id, fingerprint FROM attempts ORDER BY ALL")
        rows = checkpoint.rows(
            "SELECT attempt_id, fingerprint, cost_usd, body_bytes, body FROM outcomes ORDER BY 1"
        )
    answered = [(*row[:3], unpacked(row[4], row[3])) for row in rows]
    for commits in range(COMMITS, -1, -1):
        expected_sent, expected = _expected(commits)
        singles = answered[len(expected) :]
        is_next = set(singles) <= set(_expected(min(commits + 1, COMMITS))[1])
        is_once = len(set(answered)) == len(answered)
        if sent == expected_sent and answered[: len(expected)] == expected and is_next and is_once:
            return Held(commits, len(singles))
    return None


@cache
def _expected(commits: int) -> tuple[list[Row], list[Row]]:
    """The attempts and the outcomes that the first commits consist of, as they are read."""
    sent: list[Row] = []
    answered: list[Row] = []
    for intents, outcomes in map(records, range(1, commits + 1)):
        sent += [(made.attempt_id, UUID(bytes=made.fingerprint)) for made in intents]
        answered += [
            (made.attempt_id, UUID(bytes=made.fingerprint), made.cost_usd, made.body)
            for made in outcomes
        ]
    return sent, answered


def _judge_in_child(asked: Asked) -> Ending:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        try:
            ending = judge(asked)
        except BaseException:  # noqa: BLE001 - the report must leave the child
            ending = ("died", traceback.format_exc())
        os.write(writing, json.dumps(ending).encode()[:60_000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    if status:
        return "died", f"wait status {status}"
    ending, detail = json.loads(told)
    return ending, detail


def main() -> None:
    """Answer line after line until stdin ends."""
    for commits in range(COMMITS + 1):
        _expected(commits)  # made once here, and there in every child
    for line in sys.stdin:
        ending, detail = _judge_in_child(json.loads(line))
        print(json.dumps({"ending": ending, "detail": detail}), flush=True)


if __name__ == "__main__":
    main()
