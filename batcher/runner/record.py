"""run.json and status.json: what a run came to, for people and programs."""

import os
import socket
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from batcher import __version__
from batcher.core.money.display import exact_text
from batcher.core.plan import PlanCounts
from batcher.outputs.atomic import write_json
from batcher.runner.planning.prepare import Prepared
from batcher.runner.sending.progress import TOKEN_KINDS, Progress
from batcher.runner.ui import Snapshot

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """Which run this is, and since when."""

    run_id: str
    started: datetime
    boot_id: str


class StatusFile:
    """Keeps status.json true while a run goes on; replaced whole about once a second."""

    def __init__(self, prepared: Prepared, identity: RunIdentity, counts: PlanCounts) -> None:
        self._path = prepared.workspace.status
        self._content = {
            "schema_version": SCHEMA_VERSION,
            "run_id": identity.run_id,
            "job": prepared.loaded.job.job.name,
            "state": "running",
            "exit_code": None,
            "started": identity.started.isoformat(timespec="seconds"),
            "ended": None,
            "is_simulated": prepared.workspace.is_simulated,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "boot_id": identity.boot_id,
            "versions": {"batcher": __version__},
            "prices_date": prepared.prices.as_of.isoformat(),
            "plan": plan_json(counts),
        }

    def running(self, snapshot: Snapshot, progress: Progress) -> None:
        """Publish where the run is."""
        self._write({**_progress_json(snapshot, progress)})

    def ended(self, run: dict[str, Any]) -> None:
        """Publish how it ended."""
        self._content.update(run)
        self._write({})

    def _write(self, content: dict[str, Any]) -> None:
        self._content.update(content, heartbeat=datetime.now(UTC).isoformat(timespec="seconds"))
        write_json(self._path, self._content, is_durable=False)


def plan_json(counts: PlanCounts) -> dict[str, Any]:
    """The planning line for programs."""
    plan = asdict(counts)
    worst_case = plan.pop("worst_case_usd")
    return {**plan, "worst_case_usd": None if worst_case is None else exact_text(worst_case)}


def totals_json(totals: dict[str, Any]) -> dict[str, Any]:
    """A row of the store's totals as the usd and tokens of run.json."""
    return {
        "usd": {
            "spent": exact_text(totals["cost_usd"]),
            "unknown": exact_text(totals["unknown_usd"]),
            "unpriced_attempts": totals["unpriced"],
        },
        "attempts": {
            "sent": totals["attempts"],
            "billed": totals["billed"],
            "unknown": totals["unknown"],
        },
        "tokens": {kind: totals[kind] for kind in TOKEN_KINDS},
    }


def _progress_json(snapshot: Snapshot, progress: Progress) -> dict[str, Any]:
    return {
        "rows": {
            "to_send": snapshot.total,
            "done": snapshot.done,
            "failed": snapshot.failed,
            "by_status": dict(progress.by_status),
        },
        "in_flight": snapshot.in_flight,
        "retried": snapshot.retried,
        "rate": round(snapshot.rate, 3),
        "eta_s": None if snapshot.eta_s is None else round(snapshot.eta_s),
        "limiter": snapshot.limiter,
        "usd": {
            "spent": exact_text(progress.spent_usd),
            "unknown": exact_text(progress.unknown_usd),
        },
        "tokens": dict(progress.tokens),
        "commit_seq": progress.sent,
    }
