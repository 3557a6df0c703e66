"""How the requests of a run travel: what the job says, and whether its user allows batches."""

import json
import math
from datetime import datetime
from pathlib import Path

from batcher.core.deadline import deadline_of
from batcher.core.delivery import Route
from batcher.core.plural import counted
from batcher.errors import ConfigurationError
from batcher.inputs.job_file.load import LoadedJob
from batcher.outputs.atomic import write_json
from batcher.runner.days import zone_named
from batcher.runner.job_context import JobContext

_ALLOWED = "allow_batch"


def route_of(context: JobContext, started: datetime) -> Route:
    """Return how a run that starts now sends its requests; auto is live where nobody allowed it."""
    route = wanted_route(context, started)
    return Route("live") if route.mode == "auto" and not may_batch(context) else route


def wanted_route(context: JobContext, started: datetime) -> Route:
    """Return how the job wants a run that starts now to send its requests."""
    section = context.job.delivery
    if section.mode != "auto" or section.deadline is None:
        return Route(section.mode)
    zone = zone_named(context.job.budget.time_zone)
    return Route("auto", deadline_of(section.deadline, started, zone))


def check_detaching(loaded: LoadedJob) -> None:
    """Raise ConfigurationError for a job whose batches cannot be left to a later run."""
    if loaded.job.delivery.mode == "auto":
        raise ConfigurationError(
            "--no-wait leaves nobody to keep the deadline of delivery auto; nothing was sent",
            hint="leave out --no-wait, or use --delivery batch",
        )


def route_line(context: JobContext, route: Route, requests: int) -> str | None:
    """Return the line of a run that says how its requests travel; None for a live run."""
    if route.deadline is not None:
        zone = zone_named(context.job.budget.time_zone)
        done = f"{route.deadline.astimezone(zone):%Y-%m-%d %H:%M %Z}"
        return f"delivery  auto: done by {done}; in batches what is likely to be in time, else live"
    if route.mode == "live" or not requests:
        return None
    number = counted(math.ceil(requests / context.job.delivery.batch_rows), "batch", "batches")
    return f"delivery  batch: {number} or more at half the price, in up to 24 hours"


def may_batch(context: JobContext) -> bool | None:
    """Whether auto may send batches: as the job file or an earlier answer says, else None.

    The simulator keeps nothing, so it needs no permission.
    """
    section = context.job.delivery
    if context.asks_simulator or section.allow_batch:
        return True
    return False if _ALLOWED in section.model_fields_set else _answer(_file(context))


def remember_answer(context: JobContext, answered: datetime, *, is_allowed: bool) -> None:
    """Keep the answer to the question whether auto may send batches."""
    write_json(_file(context), {_ALLOWED: is_allowed, "answered_at": answered.isoformat()})


def _file(context: JobContext) -> Path:
    return context.workspace.state / "consent.json"


def _answer(path: Path) -> bool | None:
    """Read an earlier answer; what cannot be read is no answer, so that the user is asked again."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    answer = content.get(_ALLOWED) if isinstance(content, dict) else None
    return answer if isinstance(answer, bool) else None
