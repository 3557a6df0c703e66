"""The figures of a run, in the shape of run.json and status.json."""

from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from batcher.core.estimate.estimate import Dollars
from batcher.core.money.display import exact_text
from batcher.core.plan_counts import PlanCounts
from batcher.core.usage_fields import TOKEN_FIELDS
from batcher.runner.record.accounting import Account, Accounting
from batcher.runner.sending.progress import Progress
from batcher.runner.ui import Snapshot
from batcher.store.bill import Waste


def plan_json(counts: PlanCounts) -> dict[str, Any]:
    """The planning line for programs."""
    plan = asdict(counts)
    for key in ("worst_case_usd", "min_worst_case_usd"):
        plan[key] = None if plan[key] is None else exact_text(plan[key])
    return {**plan, "new": counts.new}


def dollars_json(usd: Dollars) -> dict[str, str | None]:
    """An estimate for programs; ``worst`` is null where nothing bounds it."""
    worst = None if usd.worst is None else exact_text(usd.worst)
    ends = {name: exact_text(getattr(usd, name)) for name in ("expected", "low", "high")}
    return {**ends, "worst": worst}


def progress_json(
    plan: Mapping[str, Any], snapshot: Snapshot, progress: Progress
) -> dict[str, Any]:
    """Say how far sending is; of dicts that still change, copies."""
    by_status = dict(progress.by_status)
    return {
        "rows": {
            "total": plan["items"],
            "already_answered": plan["already_answered"],
            "sent": snapshot.done,
            "succeeded": by_status.get("succeeded", 0),
            "by_status": by_status,
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
            "reserved": None if snapshot.cap_usd is None else exact_text(snapshot.reserved_usd),
            "spent": exact_text(progress.spent_usd),
            "unknown": exact_text(progress.unknown_usd),
            "cache_saved": exact_text(progress.saved_usd),
        },
        "tokens": dict(progress.tokens),
    }


def ending_json(
    plan: Mapping[str, Any], accounting: Accounting, progress: Progress | None
) -> dict[str, Any]:
    """Say what a run and its checkpoint came to; ``progress`` is None when nothing was sent."""
    sums = accounting.sums
    totals = _totals_json(sums.run, accounting.run)
    totals["usd"]["cache_saved"] = exact_text(
        Decimal(0) if progress is None else progress.saved_usd
    )
    return {
        "rows": {
            "total": plan["items"],
            "already_answered": plan["already_answered"],
            "sent": sums.run["requests"],
            "succeeded": sums.by_status.get("succeeded", 0),
            "by_status": sums.by_status,
        },
        **totals,
        "checkpoint": _totals_json(sums.checkpoint, accounting.checkpoint),
        **_speed_json(sums.latency_s),
        "models": sums.models,
        "errors": sums.errors,
        "pace": {} if progress is None else _rounded(progress.pace_s),
        "limits": {} if progress is None else progress.limits,
    }


def _speed_json(of: Mapping[str, float | None]) -> dict[str, Any]:
    """How fast answers came; time to first token is null without streams.

    Output tokens a second are over the whole attempt, so that a stream and a whole answer compare.
    """
    return {
        "latency_s": {name: of[name] for name in ("p50", "p95", "p99")},
        "ttft_s": {name: of[f"ttft_{name}"] for name in ("p50", "p95")},
        "output_tokens_per_s": {name: of[f"tokens_per_s_{name}"] for name in ("p50", "p5")},
    }


def _totals_json(totals: dict[str, Any], account: Account) -> dict[str, Any]:
    """A row of the store's totals, and its account, as in run.json."""
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
        "tokens": {kind: totals[kind] for kind in TOKEN_FIELDS},
        "bill": [{**asdict(line), "usd": exact_text(line.usd)} for line in account.bill],
        "waste": _waste_json(totals, account.waste),
        "repairs": {
            "attempts": account.repairs.attempts,
            "usd": exact_text(account.repairs.usd),
        },
    }


def _waste_json(totals: dict[str, Any], waste: Waste) -> dict[str, Any]:
    """What was billed in vain, or may have been unseen, with the attempts of each kind.

    Of an unknown or a released attempt the most that it can have cost is told.
    """
    return {
        "failed_usd": exact_text(waste.failed_usd),
        "repeated_usd": exact_text(waste.repeated_usd),
        "unknown_usd": exact_text(totals["unknown_usd"]),
        "released_usd": exact_text(totals["released_usd"]),
        "attempts": {
            "failed": waste.failed,
            "repeated": waste.repeated,
            "unknown": totals["unknown"],
            "released": totals["released"],
        },
    }


def _rounded(seconds: dict[str, float]) -> dict[str, float]:
    return {limiter: round(value, 1) for limiter, value in tuple(seconds.items())}
