"""The plan of a retry: only rows that failed, perhaps asked as a variant of the job says."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

from batcher.core.money.display import rounded_text
from batcher.core.money.exact import product, total
from batcher.errors import ConfigurationError
from batcher.inputs.job_file.load import LoadedJob
from batcher.runner.job_context import JobContext
from batcher.runner.planning.planner import Plan, make_plan
from batcher.runner.planning.shared_prefixes import find_sharing
from batcher.store.retries import Retries, find_retries, keep_other_form
from batcher.store.writer import CheckpointCall

_CHANGEABLE = ("request", "limits", "retry")
_FIXED = ("request.samples",)


def check_changes(changed: LoadedJob) -> None:
    """Refuse changes that would make other rows of the input, or another output.

    Raises ConfigurationError.
    """
    for key, source in changed.sources.items():
        if source == "--set" and (key.split(".")[0] not in _CHANGEABLE or key in _FIXED):
            raise ConfigurationError(
                f"a retry cannot change {key}",
                hint="what can be set is how a row is asked: " + ", ".join(_CHANGEABLE),
            )


def plan_retry(
    context: JobContext,
    other: JobContext,
    db: CheckpointCall,
    rows_read: Callable[[int], None],
    only: Sequence[str],
) -> tuple[Plan, Retries]:
    """Plan the job as it is, with the failed rows to send as ``other`` asks them.

    The input is read twice, once for each. An attempt that may have been billed unseen counts
    no more, nor does an answer that was not what the job wants: whoever retries a row has decided
    that.
    """
    variant = make_plan(other, db, rows_read)
    db(keep_other_form)
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
        worst_case_usd=_at_most(retries, context.job.retry.unknown_attempts),
        min_worst_case_usd=retries.min_worst_case_usd,
    )
    sharing = db(find_sharing, context, retries.items, len(to_send))
    whole = plan.columns is None or variant.columns is None
    columns = None if whole else (plan.columns or frozenset()) | (variant.columns or frozenset())
    retried = replace(
        plan,
        counts=counts,
        to_send=to_send,
        repairs={},
        names=variant.names,
        sharing=sharing,
        columns=columns,
        refused=variant.refused,
        warnings=variant.warnings,
    )
    return retried, retries


def _at_most(retries: Retries, attempts: int) -> Decimal | None:
    """What asking them again costs at most, with so many attempts of each that may be billed."""
    worst = retries.worst_case_usd
    return None if worst is None else total([product(worst, attempts), retries.repairs_usd])


def _refuse_unknown(only: Sequence[str], every: Retries) -> None:
    """Say which failed rows there are when none is of the types asked for."""
    if every.by_type:
        there_are = ", ".join(f"{kind} ({rows:,})" for kind, (rows, _) in every.by_type.items())
        raise ConfigurationError(
            f"no failed row is {' or '.join(only)}; nothing was sent",
            hint=f"there are: {there_are}",
        )


def retry_line(retries: Retries, bad: int) -> str:
    """Say in one line what failed and what is sent of it; ``bad`` rows cannot be asked."""
    if not retries.by_type and bad:
        return f"plan  {bad:,} rows cannot be asked; mend the input, then batcher run JOB"
    if not retries.by_type:
        return "plan  no row failed"
    rows = sum(rows for rows, _ in retries.by_type.values())
    kinds = ", ".join(f"{rows:,} {kind}" for kind, (rows, _) in retries.by_type.items())
    line = f"plan  {rows:,} failed rows ({kinds}); {retries.to_send:,} to send"
    if retries.to_send and retries.worst_case_usd is not None:
        line += f", at most {rounded_text(retries.worst_case_usd)}"
    return line
