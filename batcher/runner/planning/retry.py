"""The plan of a retry: only failed rows, with the requests of the job or of a variant of it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

from batcher.core.money.display import rounded_text
from batcher.core.money.exact import product, total
from batcher.core.plural import counted
from batcher.errors import ConfigurationError
from batcher.inputs.job_file.load import LoadedJob
from batcher.runner.job_context import JobContext
from batcher.runner.planning.planner import Plan, make_plan
from batcher.runner.planning.shared_prefixes import find_sharing
from batcher.store.retries import Retries, find_retries, keep_variant
from batcher.store.writer import CheckpointCall

_CHANGEABLE = ("request", "limits", "retry", "delivery")
_FIXED = ("request.samples",)


def check_changes(variant: LoadedJob) -> None:
    """Raise ConfigurationError for changes that would change the rows or the output."""
    for key, source in variant.sources.items():
        if source == "--set" and (key.split(".")[0] not in _CHANGEABLE or key in _FIXED):
            raise ConfigurationError(
                f"a retry cannot change {key}",
                hint="a retry can change the sections " + ", ".join(_CHANGEABLE),
            )


def plan_retry(
    context: JobContext,
    sending: JobContext,
    db: CheckpointCall,
    rows_read: Callable[[int], None],
    only: Sequence[str],
) -> tuple[Plan, Retries]:
    """Plan the job as it is, with its failed rows to send as ``sending`` makes their requests.

    The input is read twice, once for each. Earlier attempts of unknown billing status and earlier
    invalid answers no longer count against a row's limits: to retry is to decide that.
    """
    variant = make_plan(sending, db, rows_read)
    db(keep_variant)
    plan = make_plan(context, db, rows_read)
    retries = db(find_retries, only)
    if only and not retries.by_type:
        _refuse_unknown(only, db(find_retries, ()))
    to_send = bytearray(len(plan.to_send))
    for item in retries.items:
        to_send[item] = 1
    counts = replace(
        plan.counts,
        to_send=retries.to_send,
        attempted_before=retries.to_send,
        changed=0,
        redone=0,
        worst_case_usd=_worst_case(retries, context.job.retry.unknown_attempts),
        min_worst_case_usd=retries.min_worst_case_usd,
    )
    sharing = db(find_sharing, context, retries.items, len(to_send))
    whole = plan.used is None or variant.used is None
    used = None if whole else (plan.used or frozenset()) | (variant.used or frozenset())
    retried = replace(
        plan,
        counts=counts,
        to_send=to_send,
        repairs={},
        failed_before=retries.failed_before,
        names=variant.names,
        sharing=sharing,
        used=used,
        refused=variant.refused,
        warnings=variant.warnings,
        only_live=variant.only_live,
        live_items=variant.live_items,
        has_web_tools=variant.has_web_tools,
    )
    return retried, retries


def _worst_case(retries: Retries, attempts: int) -> Decimal | None:
    """Return the most that a retry costs, in USD, when ``attempts`` of each row may be billed."""
    worst = retries.worst_case_usd
    return None if worst is None else total([product(worst, attempts), retries.repairs_usd])


def _refuse_unknown(only: Sequence[str], every: Retries) -> None:
    """Raise ConfigurationError that lists the types of the failed rows that there are."""
    if every.by_type:
        types = ", ".join(f"{kind} ({rows:,})" for kind, (rows, _) in every.by_type.items())
        raise ConfigurationError(
            f"no failed row is {' or '.join(only)}; nothing was sent",
            hint=f"types of failed rows: {types}",
        )


def retry_line(retries: Retries, bad: int) -> str:
    """Return a line that says what failed and what is sent; ``bad`` rows cannot be sent."""
    wait = counted(retries.pending, "row waits in a batch", "rows wait in a batch")
    if not retries.by_type and retries.pending:
        return f"plan  {wait}; no other row failed"
    if not retries.by_type and bad:
        return (
            f"plan  {counted(bad, 'bad row')} cannot be sent; fix the input, then run: "
            "batcher run JOB"
        )
    if not retries.by_type:
        return "plan  no row failed"
    rows = sum(rows for rows, _ in retries.by_type.values())
    kinds = ", ".join(f"{rows:,} {kind}" for kind, (rows, _) in retries.by_type.items())
    line = f"plan  {counted(rows, 'failed row')} ({kinds}); {retries.to_send:,} to send"
    if retries.to_send and retries.worst_case_usd is not None:
        line += f", at most {rounded_text(retries.worst_case_usd)}"
    return f"{line}; {wait}" if retries.pending else line
