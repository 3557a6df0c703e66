"""The plan file: what somebody looked at and agreed to, and what no longer fits it."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal

from batcher.core.answers.strict_json import load
from batcher.errors import ConfigurationError

SCHEMA_VERSION = 1
_PERSON = b"batcher-plan0001"
_LONGEST_SHOWN = 60
_ANEW = "make it anew with batcher estimate JOB --out FILE"


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """What a run has to be like to be the one that was agreed to.

    ``rows`` and ``requests`` are digests of all of them, whatever their order. ``form`` is what
    requests are made by, each part by its name: short values as they are, texts as digests, so that
    the file holds no prompt. ``prices`` are the rates of each model in USD per million tokens.
    ``cap_usd`` is the most that the job may ever spend under this plan, None without a limit.
    ``estimate`` is what was expected then.
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

    def to_json(self) -> str:
        """Write it as the text of a file."""
        return json.dumps({"schema_version": SCHEMA_VERSION, **asdict(self)}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "SavedPlan":
        """Read it; ConfigurationError, without the file's name, for what is no such plan."""
        try:
            content = load(text)
            version = content.pop("schema_version")
            plan = cls(**content) if version == SCHEMA_VERSION else None
        except (ValueError, TypeError, KeyError, AttributeError):
            raise _unreadable() from None
        if plan is None:
            raise ConfigurationError(
                f"the plan was made by another batcher: its schema is {version}, "
                f"ours {SCHEMA_VERSION}",
                hint=_ANEW,
            )
        if not _is_whole(plan):
            raise _unreadable()
        return plan


def _is_whole(plan: SavedPlan) -> bool:
    """Whether the values of a plan that was read are of the right kinds."""
    texts = (plan.job, plan.created, plan.version, plan.rows, plan.requests)
    return (
        all(isinstance(text, str) for text in texts)
        and type(plan.row_count) is int
        and _is_table(plan.form)
        and _is_mapping(plan.prices)
        and all(_is_table(rates) for rates in plan.prices.values())
        and _is_mapping(plan.estimate)
        and (plan.cap_usd is None or _is_cap(plan.cap_usd))
    )


def _is_mapping(value: object) -> bool:
    return isinstance(value, Mapping)


def _is_table(value: object) -> bool:
    """Whether it gives each name a text."""
    return isinstance(value, Mapping) and all(isinstance(text, str) for text in value.values())


def _is_cap(text: object) -> bool:
    """Whether it is an exact amount above zero; a float is not, nor is an infinite one."""
    try:
        return isinstance(text, str) and Decimal(text).is_finite() and Decimal(text) > 0
    except ArithmeticError:
        return False


def _unreadable() -> ConfigurationError:
    return ConfigurationError("this is no plan of batcher's, or it is damaged", hint=_ANEW)


def shown(value: object) -> str:
    """How a part of the form is kept: a short value as it is, anything longer as a digest."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    is_short = isinstance(value, str | int | float | bool) and len(text) <= _LONGEST_SHOWN
    return text if is_short else digest_of(text)


def digest_of(text: str) -> str:
    """Name a text without telling it."""
    hashed = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, person=_PERSON)
    return f"blake2b:{hashed.hexdigest()}"


def changes(saved: SavedPlan, now: SavedPlan) -> tuple[str, ...]:
    """Say in words what no longer fits; nothing when the run is the one that was agreed to.

    When it was made, by which batcher, what was estimated and the cap are no part of that.
    """
    found = [*_other_rows(saved, now), *_other_parts(saved.form, now.form)]
    found += _other_prices(saved, now)
    if saved.job != now.job:
        found.insert(0, f"job: {saved.job} then, {now.job} now")
    if not found and saved.requests != now.requests:
        found.append("requests: made otherwise from the same rows and the same job file")
    return tuple(found)


def _other_rows(saved: SavedPlan, now: SavedPlan) -> Iterator[str]:
    if saved.row_count != now.row_count:
        yield f"rows: {saved.row_count:,} then, {now.row_count:,} now"
    elif saved.rows != now.rows:
        yield "rows: as many as then, but not with the same values"


def _other_parts(then: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*then, *now}):
        before, after = then.get(name), now.get(name)
        if before == after:
            continue
        is_told = not any(str(value).startswith("blake2b:") for value in (before, after))
        if before is None or after is None:
            yield f"{name}: " + ("new since" if before is None else "gone since")
        elif is_told:
            yield f"{name}: {before} then, {after} now"
        else:
            yield f"{name}: not the same as then"


def _other_prices(saved: SavedPlan, now: SavedPlan) -> Iterator[str]:
    for model in sorted(saved.prices.keys() & now.prices.keys()):
        then, today = saved.prices[model], now.prices[model]
        for kind in sorted({*then, *today}):
            if then.get(kind) != today.get(kind):
                yield (
                    f"prices: {kind} of {model} cost ${then.get(kind, '?')} per million then, "
                    f"${today.get(kind, '?')} now"
                )
    other = saved.prices.keys() ^ now.prices.keys()
    if other:
        yield f"models: {', '.join(sorted(saved.prices))} then, {', '.join(sorted(now.prices))} now"
