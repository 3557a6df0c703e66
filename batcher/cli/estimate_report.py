"""What ``batcher estimate`` prints: lines for people, or JSON."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from batcher.cli.amounts import duration
from batcher.core.estimate.budget_reach import reach_text
from batcher.core.estimate.estimate import Choice, Estimate, Timing
from batcher.core.estimate.spread import Spread
from batcher.core.json_form import to_json
from batcher.core.money.display import exact_text, rounded_text
from batcher.core.pace.kinds import limiter_text
from batcher.core.plan_counts import PlanCounts
from batcher.core.plural import counted
from batcher.runner.commands.estimate import Estimated
from batcher.runner.planning.run_duration import ASSUMED_TOKENS_A_SECOND

_BAD_SHOWN = 3
_MINUTE_S, _HOUR_S = 60, 3600
_TRY_PILOT = "--pilot 100 sends some rows and gives a better estimate"


def _why_nothing(counts: PlanCounts) -> str:
    if counts.pending:
        return "the rows without an answer wait in a batch"
    return "every request has its answer" if counts.rows else "the input has no rows"


def estimate_lines(estimated: Estimated) -> Iterator[str]:
    """Yield the estimate as lines, one fact a line."""
    counts, estimate = estimated.plan.counts, estimated.estimate
    more = f", {counts.pending:,} waiting in batches" if counts.pending else ""
    more += f", {counts.bad:,} bad (not sent)" if counts.bad else ""
    parts = f"{counts.already_answered:,} already answered, {counts.to_send:,} to send{more}"
    yield f"rows     {counts.rows:,}: {parts}"
    if estimated.held_by is not None:
        yield f"state    {estimated.held_by}; its answers are not counted here"
    if estimated.spent_usd:
        yield f"spent    {rounded_text(estimated.spent_usd)} so far"
    if not estimate.requests:
        yield f"cost     $0.00: {_why_nothing(counts)}"
        return
    yield f"basis    {_basis(estimate)}"
    prompt = estimate.max_prompt_tokens
    at_most = "" if prompt is None else f", at most {_short(prompt)}"
    yield f"prompt   {_tokens(estimate.prompt_tokens)} tokens{at_most}{_cache_reads(estimate)}"
    at_most = f", at most {_short(estimate.max_output_tokens)}"
    yield f"output   {_tokens(estimate.output_tokens)} tokens{at_most}"
    if estimate.duration is not None:
        yield f"time     {_time(estimate.duration)}"
    yield ""
    yield f"{'':26}{'expected':>11}   {'90 % interval':^23}{'worst case':>12}   time"
    is_cached = any(choice.is_cached for choice in estimate.choices)
    for choice in estimate.choices:
        yield _row(choice, estimate, shows_cache=is_cached)
    yield f"batches  {_batches(estimate)}"
    yield ""
    yield f"choice   {estimated.advice.choice}"
    if estimated.budget and (reach := reach_text(estimated.budget, estimate.usd, counts.to_send)):
        yield f"budget   {reach}"


def estimate_warnings(estimated: Estimated) -> Iterator[str]:
    """Yield warnings about rows that are not sent or will be refused, the money and the model."""
    bad, lines = estimated.plan.counts.bad, estimated.plan.bad_lines
    if bad:
        more = "" if len(lines) <= _BAD_SHOWN else "; and others"
        listed = "; ".join(lines[:_BAD_SHOWN])
        rows = counted(bad, "row is bad and is", "rows are bad and are")
        yield f"{rows} not sent: {listed}{more}"
    yield from estimated.advice.warnings
    yield from estimated.notes
    yield from map(str, estimated.plan.warnings)


def _row(choice: Choice, estimate: Estimate, *, shows_cache: bool) -> str:
    usd = choice.usd
    name: str = choice.delivery
    if shows_cache and choice.delivery != "auto":
        cache = "primed cache" if choice.delivery == "batch" else "prompt cache"
        name += f", {cache}" if choice.is_cached else ", no cache"
    worst = "no bound" if usd.worst is None else rounded_text(usd.worst)
    ends = f"{rounded_text(usd.low):>10} to {rounded_text(usd.high):<9}"
    time = _time_of(choice, estimate.duration)
    return f"{name:26}{rounded_text(usd.expected):>11}   {ends:^23}{worst:>12}   {time}"


def _time_of(choice: Choice, live: Timing | None) -> str:
    """Return how long a choice takes, with its 90 % interval; of batches it is the median."""
    if choice.seconds is None:
        return "unknown"
    if choice.delivery == "live" and live is not None and not live.knows_limits:
        return f"at least {_rough(choice.seconds.expected)}"
    ends = f"{_rough(choice.seconds.low)} to {_rough(choice.seconds.high)}"
    return f"{_rough(choice.seconds.expected)} ({ends})"


def _rough(seconds: float) -> str:
    """Write a duration that is only a guess: in minutes from the first on, then in hours."""
    if seconds < _MINUTE_S:
        return duration(seconds)
    if seconds < _HOUR_S:
        return f"{seconds / _MINUTE_S:.0f} min"
    return f"{seconds / _HOUR_S:.1f} h".replace(".0 h", " h")


def _basis(estimate: Estimate) -> str:
    match estimate.basis:
        case "answers":
            return f"{counted(estimate.answers, 'answer')} of this job"
        case "counts":
            prompts = counted(estimate.counted, "prompt")
            return f"{prompts} counted by the API; no answers yet: {_TRY_PILOT}"
        case _:
            return f"token counts estimated from the text; no answers yet: {_TRY_PILOT}"


def _batches(estimate: Estimate) -> str:
    """Return what the time of batches is based on."""
    if estimate.batches:
        return f"time from {counted(estimate.batches, 'batch', 'batches')} of this job"
    return "no batch of this job has ended yet; most take less than an hour, some up to 24"


def _cache_reads(estimate: Estimate) -> str:
    if not estimate.read_tokens:
        return ""
    return f"; {_short(estimate.read_tokens)} of them read from the prompt cache"


def _time(timing: Timing) -> str:
    text, speed = duration(timing.seconds.expected), f"{ASSUMED_TOKENS_A_SECOND:g} tokens a second"
    if timing.is_measured:
        speed = "the speed of earlier answers"
    assumed = f"assumes {speed} and an idle machine"
    if not timing.knows_limits:
        return (
            f"at least {text}, {limiter_text(timing.limiter)}; {assumed}; the API's rate limits "
            "are unknown before the first run or pilot"
        )
    ends = f"{duration(timing.seconds.low)} to {duration(timing.seconds.high)}"
    at_most = f"at most {duration(timing.worst_s)}"
    return f"{text} ({ends}), {limiter_text(timing.limiter)}; {at_most}; {assumed}"


def _tokens(spread: Spread) -> str:
    return f"{_short(spread.expected)} ({_short(spread.low)} to {_short(spread.high)})"


def _short(tokens: float) -> str:
    """Write a number of tokens; millions and billions with three digits."""
    for size, name in ((1e9, " billion"), (1e6, " million")):
        if tokens >= size:
            return f"{tokens / size:.3g}{name}"
    return f"{tokens:,.0f}"


def estimate_json(estimated: Estimated) -> dict[str, Any]:
    """Return the estimate for programs."""
    estimate = estimated.estimate
    timing = estimate.duration
    return {
        "plan": estimated.plan.counts.to_json(),
        "basis": estimate.basis,
        "answers": estimate.answers,
        "counted": estimate.counted,
        "spent_usd": exact_text(estimated.spent_usd),
        "tokens": {
            "prompt": {
                **_spread_json(estimate.prompt_tokens),
                "worst": estimate.max_prompt_tokens,
            },
            "output": {
                **_spread_json(estimate.output_tokens),
                "worst": estimate.max_output_tokens,
            },
            "cache_read": round(estimate.read_tokens),
        },
        "choices": [
            {
                "delivery": choice.delivery,
                "is_cached": choice.is_cached,
                "usd": to_json(choice.usd),
                "seconds": None if choice.seconds is None else _spread_json(choice.seconds),
            }
            for choice in estimate.choices
        ],
        "batches": estimate.batches,
        "seconds": None if timing is None else {**asdict(timing), **_seconds_json(timing)},
        "choice": estimated.advice.choice,
        "affordable_rows": estimated.advice.affordable,
        "warnings": list(estimate_warnings(estimated)),
        "held_by": estimated.held_by,
    }


def _spread_json(spread: Spread) -> dict[str, int]:
    return {name: round(getattr(spread, name)) for name in ("expected", "low", "high")}


def _seconds_json(timing: Timing) -> dict[str, Any]:
    return {"seconds": _spread_json(timing.seconds), "worst_s": round(timing.worst_s)}
