"""The facts about a model other than its prices: limits, accepted settings, life cycle."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

Lifecycle = Literal["active", "deprecated", "retired"]

_EFFORT_RULE = " (effort<=high)"
_DEPRECATED = " (deprecated)"


@dataclass(frozen=True, slots=True)
class FastMode:
    """How a model accepts ``speed: "fast"``: the beta that it needs, and the day fast mode ends."""

    beta: str | None
    removed: date | None


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One model, as the API's documentation described it on the date of the model table.

    Limits are in tokens. ``image_tier`` and ``has_inference_geo`` are None when unknown.
    ``retires`` is None unless a day was announced; "not sooner than" days are left out, because
    at least 60 days' notice is promised after them.
    ``ignores_fast``: ``speed: "fast"`` is accepted, but runs and is billed as standard.
    ``audience`` says who may use the model; None means everybody.
    """

    id: str
    alias: str | None
    context_window: int
    max_output: int
    min_cacheable_tokens: int
    tokenizer: str
    image_tier: Literal["standard", "high"] | None
    accepts_sampling: bool
    accepts_prefill: bool
    thinking_default: str
    thinking_types: frozenset[str]
    thinking_up_to_high_effort: frozenset[str]
    thinking_deprecated: frozenset[str]
    effort_levels: tuple[str, ...]
    effort_default: str | None
    accepts_forced_tools: bool
    has_inference_geo: bool | None
    has_long_batch_output: bool
    fast: FastMode | None
    ignores_fast: bool
    lifecycle: Lifecycle
    audience: str | None
    deprecated: date | None
    retires: date | None


def model_facts(entry: Mapping[str, Any]) -> ModelFacts:
    """Read one entry of the model table; KeyError, TypeError or ValueError when it is invalid."""
    thinking = [str(variant) for variant in entry["thinking_accepted"]]
    lifecycle, audience = _state(entry["state"])
    return ModelFacts(
        id=entry["id"],
        alias=entry["alias"],
        context_window=int(entry["context_window"]),
        max_output=int(entry["max_output"]),
        min_cacheable_tokens=int(entry["min_cacheable_tokens"]),
        tokenizer=entry["tokenizer"],
        image_tier=_image_tier(entry["image_tier"]),
        accepts_sampling=_accepted(entry["sampling_params"]),
        accepts_prefill=_accepted(entry["prefill"]),
        thinking_default=entry["thinking_default"],
        thinking_types=frozenset(variant.split(" ")[0] for variant in thinking),
        thinking_up_to_high_effort=_marked(thinking, _EFFORT_RULE),
        thinking_deprecated=_marked(thinking, _DEPRECATED),
        effort_levels=tuple(entry["effort_levels"] or ()),
        effort_default=entry["effort_default"],
        accepts_forced_tools=bool(entry["forced_tool_choice"]),
        has_inference_geo=entry["inference_geo"],
        has_long_batch_output=bool(entry["batch_300k_output"]),
        fast=_fast(entry["fast"]),
        ignores_fast=bool(entry.get("fast_ignored", False)),
        lifecycle=lifecycle,
        audience=audience,
        deprecated=_day(entry["deprecated"]),
        retires=_day(entry["retires"]),
    )


def _image_tier(tier: str) -> Literal["standard", "high"] | None:
    if tier == "standard":
        return "standard"
    if tier == "high":
        return "high"
    if tier == "?":
        return None
    raise ValueError("image_tier must be standard, high or ?")


def _accepted(word: str) -> bool:
    if word not in ("accepted", "refused"):
        raise ValueError("must be accepted or refused")
    return word == "accepted"


def _marked(variants: list[str], mark: str) -> frozenset[str]:
    return frozenset(variant.removesuffix(mark) for variant in variants if variant.endswith(mark))


def _state(text: str) -> tuple[Lifecycle, str | None]:
    """Split "active (legacy, verified orgs only)" into life cycle and audience."""
    word, _, rest = text.partition(" (")
    notes = rest.removesuffix(")").split(", ")
    audience = next((note for note in notes if note.endswith("only")), None)
    if word == "active":
        return "active", audience
    if word == "deprecated":
        return "deprecated", audience
    if word == "retired":
        return "retired", audience
    raise ValueError("state must start with active, deprecated or retired")


def _fast(entry: Mapping[str, Any] | None) -> FastMode | None:
    if entry is None:
        return None
    return FastMode(beta=entry["beta_header"], removed=_day(entry.get("removed")))


def _day(text: str | None) -> date | None:
    """Read a date; None for "not sooner than ...", "?" and other words."""
    if text is None or not text[:4].isdigit():
        return None
    return date.fromisoformat(text)
