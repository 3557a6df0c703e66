"""Rules about what the chosen model accepts."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal

from batcher.core.request.models import ModelFacts
from batcher.core.request.refusal_rules.body import NO_SAMPLING_VERSION
from batcher.core.request.refusal_rules.checked_request import (
    CheckedRequest,
    Refusal,
    error,
    is_whole,
    warning,
)

_SOON = timedelta(days=30)
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_ABOVE_HIGH = ("xhigh", "max")
_FORCING = ("any", "tool")
_SAMPLING = ("temperature", "top_p", "top_k")
_THINKING_KEYS = {
    "adaptive": {"display"},
    "enabled": {"budget_tokens", "display"},
    "disabled": set[str](),
    "between_tools": set[str](),
}

# With the older version this model accepts temperature = 1 or top_p = 0.99, but not both.
_ACCEPTS_ONE_DEFAULT = ("claude-haiku-5-5",)
_ACCEPTS_NOT_BOTH = ("claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5", "claude-opus-4-1")


def sampling(request: CheckedRequest) -> Iterator[Refusal]:
    """Refuse temperature, top_p and top_k where the version or the model does."""
    given = {key: request.body[key] for key in _SAMPLING if request.body.get(key) is not None}
    for key, value in given.items():
        if request.version == NO_SAMPLING_VERSION:
            yield error(
                key,
                f"version {request.version} does not accept it for any model, even at its default",
                'remove it, or use version = "2023-06-01" in [api] with Claude 4.6 or earlier',
            )
        elif not _is_number(value):
            yield error(key, "must be a number")
        elif request.model is not None and not request.model.accepts_sampling:
            yield from _default_only(request.model, key, value)
        elif not _in_range(key, value):
            yield error(key, "must be 0 or more" if key == "top_k" else "must be from 0 to 1")
    if request.model is None or request.version == NO_SAMPLING_VERSION:
        return
    accepts_one = request.model.id.startswith((*_ACCEPTS_ONE_DEFAULT, *_ACCEPTS_NOT_BOTH))
    if accepts_one and {"temperature", "top_p"} <= given.keys():
        yield error("top_p", f"{request.model.id} does not accept it together with temperature")


def _default_only(model: ModelFacts, key: str, value: object) -> Iterator[Refusal]:
    defaults = {"temperature": ("1",), "top_p": ("1", "0.99"), "top_k": ()}
    if model.id in _ACCEPTS_ONE_DEFAULT:
        defaults["top_p"] = ("0.99",)
    if Decimal(str(value)) not in map(Decimal, defaults[key]):
        yield error(key, f"{model.id} accepts only the default", "remove it")


def _is_number(value: object) -> bool:
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return is_number and Decimal(str(value)).is_finite()


def _in_range(key: str, value: object) -> bool:
    number = Decimal(str(value))
    return number >= 0 and (key == "top_k" or number <= 1)


def prefill(request: CheckedRequest) -> Iterator[Refusal]:
    """Refuse a final assistant message where the model accepts no prefill."""
    messages = request.items("messages")
    last = messages[-1] if messages else None
    if not isinstance(last, Mapping) or last.get("role") != "assistant" or request.model is None:
        return
    key = f"messages.{len(messages) - 1}"
    if not request.model.accepts_prefill:
        yield error(key, f"{request.model.id} does not accept a final assistant message (prefill)")
        return
    if request.part("thinking").get("type", "disabled") != "disabled":
        yield error(key, "a prefill cannot be combined with thinking")
    if request.part("output_config").get("format") is not None:
        yield error(key, "a prefill cannot be combined with output_config.format")


def thinking_type(request: CheckedRequest) -> Iterator[Refusal]:
    """Refuse a kind of thinking that the model does not have, or not at this effort."""
    if request.body.get("thinking") is None or request.model is None:
        return
    kind, model = request.part("thinking").get("type"), request.model
    key = "thinking.type"
    if not isinstance(kind, str) or kind not in model.thinking_types:
        accepted = ", ".join(sorted(model.thinking_types)) or "no thinking at all"
        yield error(key, f"{model.id} does not accept this; it accepts {accepted}")
        return
    if kind in model.thinking_deprecated:
        yield warning(key, f'"{kind}" is deprecated on {model.id}', 'use type = "adaptive"')
    if kind in model.thinking_up_to_high_effort and request.effort in _ABOVE_HIGH:
        yield error(key, f'"{kind}" needs effort high or lower on {model.id}')


def thinking_fields(request: CheckedRequest) -> Iterator[Refusal]:
    """Refuse fields that do not belong to the kind of thinking, and invalid budgets."""
    thinking = request.part("thinking")
    kind = thinking.get("type")
    if not isinstance(kind, str) or kind not in _THINKING_KEYS:
        return
    for key in ("budget_tokens", "display"):
        if key in thinking and key not in _THINKING_KEYS[kind]:
            yield error(f"thinking.{key}", f'cannot be combined with type "{kind}"')
    if thinking.get("display", "omitted") not in ("omitted", "summarized"):
        yield error("thinking.display", "must be omitted or summarized")
    if kind == "enabled":
        yield from _budget(thinking.get("budget_tokens"), request.body.get("max_tokens"))


def _budget(budget: object, max_tokens: object) -> Iterator[Refusal]:
    if not isinstance(budget, int) or not is_whole(budget) or budget < 1024:
        yield error("thinking.budget_tokens", "must be a whole number, 1,024 or more")
    elif isinstance(max_tokens, int) and budget >= max_tokens:
        yield error("thinking.budget_tokens", "must be below max_tokens, because it is part of it")


def effort(request: CheckedRequest) -> Iterator[Refusal]:
    """Refuse an effort that the model does not have."""
    value = request.part("output_config").get("effort")
    key = "output_config.effort"
    if value is None:
        return
    if value not in _EFFORTS:
        yield error(key, f"must be one of {', '.join(_EFFORTS)}")
    elif request.model is not None and value not in request.model.effort_levels:
        levels = ", ".join(request.model.effort_levels)
        known = f"it has {levels}" if levels else "it has no effort setting"
        yield error(key, f"{request.model.id} has no effort {value}; {known}")


def forced_tools(request: CheckedRequest) -> Iterator[Refusal]:
    """Refuse a forced tool where the model, or its kind of thinking, does not allow it."""
    choice = request.body.get("tool_choice")
    if choice is None:
        return
    kind = request.part("tool_choice").get("type")
    key = "tool_choice.type"
    if kind not in ("auto", "none", *_FORCING):
        yield error(key, "must be auto, any, tool or none")
    if kind == "tool" and not isinstance(request.part("tool_choice").get("name"), str):
        yield error("tool_choice.name", "must name the tool")
    if kind not in _FORCING:
        return
    if request.model is not None and not request.model.accepts_forced_tools:
        hint = "for typed answers use output_config.format, or strict tools with auto"
        yield error(key, f"{request.model.id} cannot be forced to use a tool", hint)
    if request.part("thinking").get("type") == "enabled":
        yield error(key, 'a forced tool cannot be combined with thinking of type "enabled"')


def region(request: CheckedRequest) -> Iterator[Refusal]:
    """Refuse a region where the model has no such setting."""
    if request.body.get("inference_geo") is None or request.model is None:
        return
    if request.model.has_inference_geo is False:
        yield error(
            "inference_geo", f"{request.model.id} does not accept it; Claude 4.6 and later do"
        )
    elif request.model.has_inference_geo is None:
        yield warning("inference_geo", f"it is unknown whether {request.model.id} accepts it")


def fast_mode(request: CheckedRequest) -> Iterator[Refusal]:
    """Refuse fast mode where the model has none, no longer has it, or needs a beta header."""
    model = request.model
    if request.body.get("speed") != "fast" or model is None:
        return
    if model.ignores_fast:
        yield warning("speed", f"{model.id} ignores it: the request runs and is billed as standard")
        return
    removed = None if model.fast is None else model.fast.removed
    if model.fast is None or (removed is not None and request.today >= removed):
        yield error("speed", f"{model.id} has no fast mode")
        return
    if model.fast.beta is not None and model.fast.beta not in request.betas:
        hint = f'add anthropic-beta = "{model.fast.beta}" to [api.headers]'
        yield error("speed", f"fast mode of {model.id} needs a beta header", hint)
    if removed is not None and request.today + _SOON >= removed:
        yield warning("speed", f"the fast mode of {model.id} ends on {removed}")


def lifecycle(request: CheckedRequest) -> Iterator[Refusal]:
    """Refuse a retired model; warn about one that retires soon or is not open to everybody.

    "Not sooner than" days are no reason to warn: 60 days' notice is promised after them.
    """
    model = request.model
    if model is None:
        return
    has_retired = model.retires is not None and request.today >= model.retires
    if model.lifecycle == "retired" or has_retired:
        day = "" if model.retires is None else f" on {model.retires}"
        yield error("model", f"{model.id} was retired{day}")
        return
    if model.retires is not None and request.today + _SOON >= model.retires:
        days = (model.retires - request.today).days
        plural = "s"[: days != 1]
        yield warning("model", f"{model.id} retires on {model.retires}, in {days} day{plural}")
    elif model.lifecycle == "deprecated":
        yield warning("model", f"{model.id} is deprecated and will be retired")
    if model.audience is not None:
        yield warning("model", f"{model.id} is not open to everybody: {model.audience}")
