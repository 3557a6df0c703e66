"""run.json and status.json: what a run is doing and what it came to, in one shape."""

import contextlib
import hashlib
import os
import socket
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from batcher import __version__
from batcher.core.money.display import exact_text
from batcher.core.plan import PlanCounts
from batcher.outputs.atomic import write_json
from batcher.outputs.parquet import count_rows
from batcher.runner.planning.prepare import Prepared
from batcher.runner.reading.export import Exported
from batcher.runner.sending.progress import TOKEN_KINDS, Progress
from batcher.runner.ui import Snapshot
from batcher.store.plans import RunSums

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """Which run this is, and since when."""

    run_id: str
    started: datetime
    boot_id: str


class RunRecord:
    """What is written about one run: status.json about once a second, run.json at its end."""

    def __init__(self, prepared: Prepared, identity: RunIdentity, counts: PlanCounts) -> None:
        self._workspace = prepared.workspace
        self._counts = counts
        self._run_id = identity.run_id
        self._content: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "run_id": identity.run_id,
            "job": prepared.loaded.job.job.name,
            "state": "running",
            "exit_code": None,
            "started": _time(identity.started),
            "ended": None,
            "is_simulated": prepared.asks_simulator,
            "plan": plan_json(counts),
            "versions": {"batcher": __version__},
            "prices_date": prepared.prices.as_of.isoformat(),
            "price_overrides": sorted(prepared.loaded.job.prices.overrides),
            "overrides": sorted(k for k, v in prepared.loaded.sources.items() if v == "--set"),
        }
        self._process = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "boot_id": identity.boot_id,
        }

    def running(self, snapshot: Snapshot, progress: Progress) -> None:
        """Publish where the run is."""
        now = {**self._process, "heartbeat": _time(datetime.now(UTC))}
        live = {**self._content, **_progress_json(self._counts, snapshot, progress), **now}
        write_json(self._workspace.status, live, is_durable=False)

    def failed(self, exit_code: int) -> None:
        """Publish that the run ended with an error, unless even that cannot be written."""
        now = _time(datetime.now(UTC))
        over = {"state": "ended", "exit_code": exit_code, "ended": now, "heartbeat": now}
        with contextlib.suppress(OSError):
            live = {**self._content, **self._process, **over}
            write_json(self._workspace.status, live, is_durable=False)

    def ended(
        self, exit_code: int, sums: RunSums, exported: Exported | None, progress: Progress | None
    ) -> dict[str, Any]:
        """Return how the run ended; one that sent something is also written down."""
        now = _time(datetime.now(UTC))
        self._content.update(
            state="ended",
            exit_code=exit_code,
            ended=now,
            rows=_rows_json(self._counts, sums),
            **totals_json(sums.run),
            checkpoint=totals_json(sums.checkpoint),
            latency_s=sums.latency_s,
            models=sums.models,
            errors=sums.errors,
            pace={} if progress is None else _rounded(progress.pace_s),
            output=[] if exported is None else _output_json(exported.path),
        )
        if progress is not None:
            folder = self._workspace.state / self._run_id
            folder.mkdir(exist_ok=True)
            write_json(folder / "run.json", self._content)
            live = {**self._content, **self._process, "heartbeat": now}
            write_json(self._workspace.status, live, is_durable=False)
        return self._content


def plan_json(counts: PlanCounts) -> dict[str, Any]:
    """The planning line for programs."""
    plan = asdict(counts)
    for key in ("worst_case_usd", "expected_usd"):
        plan[key] = None if plan[key] is None else exact_text(plan[key])
    return {**plan, "new": counts.new}


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


def _rows_json(counts: PlanCounts, sums: RunSums) -> dict[str, Any]:
    return {
        "total": counts.items,
        "known": counts.known,
        "sent": sums.run["requests"],
        "succeeded": sums.by_status.get("succeeded", 0),
        "by_status": sums.by_status,
    }


def _progress_json(counts: PlanCounts, snapshot: Snapshot, progress: Progress) -> dict[str, Any]:
    return {
        "rows": {
            "total": counts.items,
            "known": counts.known,
            "sent": snapshot.done,
            "succeeded": progress.by_status.get("succeeded", 0),
            "by_status": dict(progress.by_status),
            "to_send": snapshot.total,
            "done": snapshot.done,
            "failed": snapshot.failed,
        },
        "in_flight": snapshot.in_flight,
        "retried": snapshot.retried,
        "rate": round(snapshot.rate, 3),
        "eta_s": None if snapshot.eta_s is None else round(snapshot.eta_s),
        "limiter": snapshot.limiter,
        "pace": _rounded(progress.pace_s),
        "usd": {
            "spent": exact_text(progress.spent_usd),
            "unknown": exact_text(progress.unknown_usd),
        },
        "tokens": dict(progress.tokens),
        "commit_seq": progress.sent,
    }


def _output_json(path: Path) -> list[dict[str, Any]]:
    """Describe the output's files, so that a copy of them can be checked."""
    found = []
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        size, rows = file.stat().st_size, count_rows(file)
        found.append({"path": str(file), "rows": rows, "bytes": size, "sha256": digest})
    return found


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _rounded(seconds: dict[str, float]) -> dict[str, float]:
    return {limiter: round(value, 1) for limiter, value in seconds.items()}
