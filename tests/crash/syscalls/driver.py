"""Fills a checkpoint group by group and prints what is on the disk: the program that crashes.

    driver.py FOLDER COMMITS

Takes the folder's lock, creates the checkpoint if it does not exist, and makes the missing ones of
the first COMMITS commits, through the writer's thread; with 0 it stops after the creation. As in a
run, a commit has the attempts of one group and the outcomes of the previous group. Prints "acked N"
when commit N is acknowledged, or "refused TYPE", with exit code 3.
"""

import asyncio
import os
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from pathlib import Path

from sample_records import NOW, intent, outcome

from batcher.errors import BatcherError
from batcher.store import checkpoint as checkpoint_module
from batcher.store.checkpoint import Checkpoint
from batcher.store.lock import Holder, Lock
from batcher.store.records import Intent, OutcomeRecord
from batcher.store.writer import Writer

WAL_BYTES = 64 << 10
"""Above this size the log is folded into the file: after commits 4 and 7."""
SIZES = ((1, 40), (3, 2_000), (16, 6_000), (40, 500), (20, 300), (1, 90_000), (3, 300), (5, 30))


@dataclass(frozen=True, slots=True)
class Group:
    """Attempts that are committed together; their outcomes are committed with the next group."""

    first: int
    size: int
    body_bytes: int

    def intents(self) -> list[Intent]:
        """Return the attempts."""
        return [intent(number, number) for number in self._numbers()]

    def outcomes(self) -> list[OutcomeRecord]:
        """Return the outcomes: the same at every call, and all different."""
        return [
            outcome(
                number,
                number,
                cost_usd=Decimal(number) / 1000,
                body=random.Random(number).randbytes(self.body_bytes),
            )
            for number in self._numbers()
        ]

    def _numbers(self) -> range:
        return range(self.first, self.first + self.size)


_FIRSTS = accumulate((size for size, _ in SIZES), initial=1)
GROUPS = [Group(first, *size) for first, size in zip(_FIRSTS, SIZES, strict=False)]
COMMITS = len(GROUPS) + 1


def records(commit: int) -> tuple[list[Intent], list[OutcomeRecord]]:
    """Return the records of commit N; the first has no outcomes, the last no attempts."""
    attempts = GROUPS[commit - 1].intents() if commit <= len(GROUPS) else []
    return attempts, GROUPS[commit - 2].outcomes() if commit > 1 else []


def fill(folder: Path, commits: int, acknowledge: Callable[[int], object]) -> None:
    """Make the missing ones of the first commits; raises BatcherError when one fails."""
    checkpoint_module._WAL_BYTES = WAL_BYTES
    with Lock(folder, Holder.this_process(NOW)):
        Checkpoint.create(folder, version="0", now=NOW)
        if commits:
            asyncio.run(_commit(folder, commits, acknowledge))


async def _commit(folder: Path, commits: int, acknowledge: Callable[[int], object]) -> None:
    writer = Writer(folder)
    try:
        sent, answered = (writer.call(_ids, table) for table in ("attempts", "outcomes"))
        for commit in range(1, commits + 1):
            intents, outcomes = records(commit)
            missing = [("attempts", intent) for intent in intents if intent.attempt_id not in sent]
            missing += [
                ("outcomes", outcome) for outcome in outcomes if outcome.attempt_id not in answered
            ]
            # What is added in one turn of the event loop shares a commit.
            await asyncio.gather(*(writer.add(table, record) for table, record in missing))
            acknowledge(commit)
    finally:
        writer.close()


def _ids(checkpoint: Checkpoint, table: str) -> set[int]:
    return {number for (number,) in checkpoint.rows(f"SELECT attempt_id FROM {table}")}


def main() -> int:
    """Run as a program."""
    try:
        fill(Path(sys.argv[1]), int(sys.argv[2]), lambda n: os.write(1, b"acked %d\n" % n))
    except BatcherError as error:
        os.write(1, f"refused {type(error).__name__}\n".encode())
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
