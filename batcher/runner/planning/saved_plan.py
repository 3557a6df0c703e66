"""The saved plan of a job: made from a plan, read from a file, and compared with a new plan."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from batcher import __version__
from batcher.core.estimate.estimate import Dollars
from batcher.core.money.display import exact_text
from batcher.core.money.rates import Rates
from batcher.core.plan_file import SavedPlan, changes, digest_of, text_or_digest
from batcher.core.written_files import is_plan
from batcher.errors import ConfigurationError, PlanChangedError
from batcher.runner.job_context import JobContext
from batcher.runner.planning.planner import Plan
from batcher.runner.routing import route_of


@dataclass(frozen=True, slots=True)
class Approval:
    """A plan that a person agreed to, and its file."""

    path: Path
    plan: SavedPlan

    @property
    def cap_usd(self) -> Decimal | None:
        """The most that the job may spend under this plan, over all runs; None without a cap."""
        return None if self.plan.cap_usd is None else Decimal(self.plan.cap_usd)

    def check(
        self, context: JobContext, plan: Plan, now: datetime, estimate: Dollars | None
    ) -> None:
        """Raise PlanChangedError, naming what changed, unless the new plan is the saved one."""
        differences = changes(self.plan, plan_to_save(context, plan, now, None, estimate))
        if differences:
            listed = "\n".join(f"  {change}" for change in differences)
            raise PlanChangedError(
                f"{self.path} no longer fits; nothing was sent\n{listed}",
                hint="see what it costs now, and save a new plan: "
                + shlex.join(
                    ["batcher", "estimate", str(context.loaded.path), "--out", str(self.path)]
                ),
            )


def read_approval(path: Path) -> Approval:
    """Read a plan file; raise ConfigurationError when it is not a readable plan."""
    try:
        return Approval(path, SavedPlan.from_json(path.read_text("utf-8")))
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error.message}", hint=error.hint) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ConfigurationError(
            f"{path} cannot be read: {reason}",
            hint="write a plan with: batcher estimate JOB --out FILE",
        ) from None


def check_replaceable_plan(path: Path, job: str) -> None:
    """Raise ConfigurationError when a file is there that is not a plan of this job."""
    try:
        is_empty = not path.exists() or not path.stat().st_size
        content = None if is_empty else json.loads(path.read_bytes())
    except (OSError, ValueError):
        is_empty, content = False, None
    if not is_empty and not (is_plan(content) and content["job"] == job):
        raise ConfigurationError(
            f"{path} is not a plan of this job, and would be replaced",
            hint="choose another --out, or add --overwrite to replace it",
        )


def plan_to_save(
    context: JobContext,
    plan: Plan,
    now: datetime,
    cap_usd: Decimal | None,
    estimate: Dollars | None,
) -> SavedPlan:
    """Describe a plan so that a later plan can be compared with it."""
    expected: dict[str, str | None] = {}
    if estimate is not None:
        for name in ("expected", "low", "high", "worst"):
            usd = getattr(estimate, name)
            expected[name] = None if usd is None else exact_text(usd)
    return SavedPlan(
        job=str(context.job.job.name),
        created=now.isoformat(timespec="seconds"),
        version=__version__,
        row_count=plan.counts.rows,
        rows=plan.rows_digest.hex,
        requests=plan.requests_digest.hex,
        form=_form(context),
        prices={model: _rates(context, model) for model in sorted(plan.models)},
        cap_usd=None if cap_usd is None else exact_text(cap_usd),
        estimate=expected,
        delivery=_delivery(context, now),
    )


def _delivery(context: JobContext, now: datetime) -> str:
    """Return how a run sends its requests, as the plan file names it."""
    route = route_of(context, now)
    if route.mode == "auto":
        return f"auto by {context.job.delivery.deadline}"
    return route.mode


def _form(context: JobContext) -> dict[str, str]:
    """Return what requests are made from, besides the rows."""
    loaded = context.loaded
    request = loaded.job.request
    form = {"samples": str(request.samples)}
    for name, text in (("prompt", loaded.prompt), ("system prompt", loaded.system)):
        if text is not None:
            form[name] = digest_of(text if isinstance(text, str) else text_or_digest(text))
    parameters: Mapping[str, Any] = {
        **{name: getattr(request, name) for name in ("model", "max_tokens", "messages", "params")},
        **request.parameters,
    }
    for name, value in parameters.items():
        if value is None:
            continue
        if name == "output_config" and isinstance(value, Mapping) and value.get("format"):
            form["schema of the answer"] = digest_of(text_or_digest(value["format"]))
            value = {key: part for key, part in value.items() if key != "format"}  # noqa: PLW2901
        form[name] = text_or_digest(value)
    return form


def _rates(context: JobContext, model: str) -> dict[str, str]:
    rates = context.prices.model(model).standard
    return {field.name: exact_text(getattr(rates, field.name)) for field in fields(Rates)}
