"""The plan file: a plan that a user approved, and its differences from the current plan."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import TypeGuard

from batcher.core.answers.strict_json import load
from batcher.errors import ConfigurationError

SCHEMA_VERSION = 1
LIVE = "live"
_PERSON = b"batcher-plan0001"
_MAX_SHOWN_LENGTH = 60
_SAVE_NEW = "save a new plan: batcher estimate JOB --out FILE"


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """The properties that a run must have to match an approved plan.

    ``rows`` and ``requests`` are digests of all rows and requests, in any order. ``form`` maps the
    parts of a request (prompt, model, parameters) to their values: short ones as they are, others
    as digests, so that the file contains no prompt. ``prices`` are the rates of each model in USD
    per million tokens. ``cap_usd`` limits what the job may ever spend under this plan, None for no
    limit. ``estimate`` is the estimate at the time of approval. ``delivery`` is how the requests
    were to travel, with the deadline of auto; a file without it is of a live run.
    """

    job: str
    created: str
    version: str
    row_count: int
    rows: str
    requests: str
    form: Mapping[str, str]
    prices: Mapping[str, Mapping[str, str]]
    cap_usd: str | None
    estimate: Mapping[str, str | None]
    delivery: str = LIVE

    def to_json(self) -> str:
        """Return the content of the file."""
        content = {"schema_version": SCHEMA_VERSION, **asdict(self)}
        if self.delivery == LIVE:  # versions without batches read this file, too
            del content["delivery"]
        return json.dumps(content, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "SavedPlan":
        """Read a plan; ConfigurationError, without the file's name, for any other text."""
        try:
            content = load(text)
            version = content.pop("schema_version")
            plan = cls(**content) if version == SCHEMA_VERSION else None
        except (ValueError, TypeError, KeyError, AttributeError):
            raise _unreadable() from None
        if plan is None:
            raise ConfigurationError(
                f"another version of batcher wrote this plan: its schema_version is {version}, "
                f"this version reads {SCHEMA_VERSION}",
                hint=_SAVE_NEW,
            )
        if not _is_valid(plan):
            raise _unreadable()
        return plan


def _is_valid(plan: SavedPlan) -> bool:
    """Whether all values have the right types."""
    texts = (plan.job, plan.created, plan.version, plan.rows, plan.requests, plan.delivery)
    return (
        all(isinstance(text, str) for text in texts)
        and type(plan.row_count) is int
        and _is_table(plan.form)
        and _is_mapping(plan.prices)
        and all(_is_table(rates) for rates in plan.prices.values())
        and _is_estimate(plan.estimate)
        and (plan.cap_usd is None or _is_cap(plan.cap_usd))
    )


def _is_mapping(value: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(value, Mapping)


def _is_table(value: object) -> bool:
    """Whether a value maps names to strings."""
    return isinstance(value, Mapping) and all(isinstance(text, str) for text in value.values())


def _is_estimate(value: object) -> bool:
    """Whether a value maps names to amounts, each written as a string or None."""
    return _is_mapping(value) and all(
        amount is None or (isinstance(amount, str) and _is_amount(amount))
        for amount in value.values()
    )


def _is_amount(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except ArithmeticError:
        return False


def _is_cap(text: object) -> bool:
    """Whether a value is an exact, finite amount above zero, written as a string."""
    try:
        return isinstance(text, str) and Decimal(text).is_finite() and Decimal(text) > 0
    except ArithmeticError:
        return False


def _unreadable() -> ConfigurationError:
    return ConfigurationError(
        "this is not a plan file of batcher, or it is damaged", hint=_SAVE_NEW
    )


def text_or_digest(value: object) -> str:
    """Return a short value as text, any other value as a digest."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    is_short = isinstance(value, str | int | float | bool) and len(text) <= _MAX_SHOWN_LENGTH
    return text if is_short else digest_of(text)


def digest_of(text: str) -> str:
    """Return a digest that identifies a text without revealing it."""
    hashed = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, person=_PERSON)
    return f"blake2b:{hashed.hexdigest()}"


def changes(saved: SavedPlan, now: SavedPlan) -> tuple[str, ...]:
    """Describe the differences from an approved plan, one line each; empty when the run matches.

    The time, the version of batcher and the cap are not compared, and the estimate only for auto,
    whose price depends on the time that is left.
    """
    lines = [*_row_changes(saved, now), *_form_changes(saved.form, now.form)]
    lines += [*_price_changes(saved, now), *_delivery_changes(saved, now)]
    if saved.job != now.job:
        lines.insert(0, f"job: {saved.job} in the plan, {now.job} now")
    if not lines and saved.requests != now.requests:
        lines.append("requests: different, although the rows and the job file are the same")
    return tuple(lines)


def _row_changes(saved: SavedPlan, now: SavedPlan) -> Iterator[str]:
    if saved.row_count != now.row_count:
        yield f"rows: {saved.row_count:,} in the plan, {now.row_count:,} now"
    elif saved.rows != now.rows:
        yield "rows: the same number, but different values"


def _form_changes(saved: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*saved, *now}):
        before, after = saved.get(name), now.get(name)
        if before == after:
            continue
        if before is None or after is None:
            yield f"{name}: " + ("added" if before is None else "removed")
        elif before.startswith("blake2b:") or after.startswith("blake2b:"):
            yield f"{name}: changed"
        else:
            yield f"{name}: {before} in the plan, {after} now"


def _delivery_changes(saved: SavedPlan, now: SavedPlan) -> Iterator[str]:
    if saved.delivery != now.delivery:
        yield f"delivery: {saved.delivery} in the plan, {now.delivery} now"
        return
    high, expected = saved.estimate.get("high"), now.estimate.get("expected")
    if saved.delivery == LIVE or high is None or expected is None:
        return
    if Decimal(expected) > Decimal(high):
        yield f"cost: at most ${high} expected in the plan, about ${expected} now"


def _price_changes(saved: SavedPlan, now: SavedPlan) -> Iterator[str]:
    for model in sorted(saved.prices.keys() & now.prices.keys()):
        before, after = saved.prices[model], now.prices[model]
        for kind in sorted({*before, *after}):
            if before.get(kind) != after.get(kind):
                yield (
                    f"prices: {kind} of {model} is ${before.get(kind, '?')} per million tokens in "
                    f"the plan, ${after.get(kind, '?')} now"
                )
    if saved.prices.keys() != now.prices.keys():
        before_models, models = ", ".join(sorted(saved.prices)), ", ".join(sorted(now.prices))
        yield f"models: {before_models} in the plan, {models} now"
