"""Rules about what the chosen model accepts."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal

from batcher.core.request.models import ModelFacts
from batcher.core.request.refusal_rules.asked import Asked, Refusal, error, is_whole, warning
from batcher.core.request.refusal_rules.body import NO_SAMPLING_VERSION

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

# Under the older version this model takes temperature = 1 or top_p = 0.99, one at a time.
_TAKES_ONE_DEFAULT = ("claude-haiku-5-5",)
_TAKES_NOT_BOTH = ("claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5", "claude-opus-4-1")


def sampling(asked: Asked) -> Iterator[Refusal]:
    """Refuse temperature, top_p and top_k as the version and the model do."""
    given = {key: asked.body[key] for key in _SAMPLING if asked.body.get(key) is not None}
    for key, value in given.items():
        if asked.version == NO_SAMPLING_VERSION:
            yield error(
                key,
                f"version {asked.version} refuses it on every model, even at its default",
                'remove it, or use version = "2023-06-01" in [api] with Claude 4.6 or earlier',
            )
        elif not _is_number(value):
            yield error(key, "must be a number")
        elif asked.model is not None and not asked.model.accepts_sampling:
            yield from _default_only(asked.model, key, value)
        elif not _in_range(key, value):
            yield error(key, "must be 0 or more" if key == "top_k" else "must be from 0 to 1")
    if asked.model is None or asked.version == NO_SAMPLING_VERSION:
        return
    takes_one = asked.model.id.startswith((*_TAKES_ONE_DEFAULT, *_TAKES_NOT_BOTH))
    if takes_one and {"temperature", "top_p"} <= given.keys():
        yield error("top_p", f"{asked.model.id} does not take it together with temperature")


def _default_only(model: ModelFacts, key: str, value: object) -> Iterator[Refusal]:
    defaults = {"temperature": ("1",), "top_p": ("1", "0.99"), "top_k": ()}
    if model.id in _TAKES_ONE_DEFAULT:
        defaults["top_p"] = ("0.99",)
    if Decimal(str(value)) not in map(Decimal, defaults[key]):
        yield error(key, f"{model.id} refuses any but the default", "remove it")


def _is_number(value: object) -> bool:
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return is_number and Decimal(str(value)).is_finite()


def _in_range(key: str, value: object) -> bool:
    number = Decimal(str(value))
    return number >= 0 and (key == "top_k" or number <= 1)


def prefill(asked: Asked) -> Iterator[Refusal]:
    """Refuse a final assistant message where the model does not continue one."""
    messages = asked.items("messages")
    last = messages[-1] if messages else None
    if not isinstance(last, Mapping) or last.get("role") != "assistant" or asked.model is None:
        return
    key = f"messages.{len(messages) - 1}"
    if not asked.model.accepts_prefill:
        yield error(key, f"{asked.model.id} does not continue an assistant message (prefill)")
        return
    if asked.part("thinking").get("type", "disabled") != "disabled":
        yield error(key, "a prefill does not go together with thinking")
    if asked.part("output_config").get("format") is not None:
        yield error(key, "a prefill does not go together with output_config.format")


def thinking_type(asked: Asked) -> Iterator[Refusal]:
    """Refuse a kind of thinking that the model does not have, or at that effort."""
    if asked.body.get("thinking") is None or asked.model is None:
        return
    kind, model = asked.part("thinking").get("type"), asked.model
    key = "thinking.type"
    if not isinstance(kind, str) or kind not in model.thinking_types:
        accepted = ", ".join(sorted(model.thinking_types)) or "no thinking at all"
        yield error(key, f"{model.id} does not accept this; it accepts {accepted}")
        return
    if kind in model.thinking_deprecated:
        yield warning(key, f'"{kind}" is deprecated on {model.id}', 'use type = "adaptive"')
    if kind in model.thinking_up_to_high_effort and asked.effort in _ABOVE_HIGH:
        yield error(key, f'"{kind}" needs effort high or lower on {model.id}')


def thinking_fields(asked: Asked) -> Iterator[Refusal]:
    """Refuse fields that do not belong to the kind of thinking, and impossible budgets."""
    thinking = asked.part("thinking")
    kind = thinking.get("type")
    if not isinstance(kind, str) or kind not in _THINKING_KEYS:
        return
    for key in ("budget_tokens", "display"):
        if key in thinking and key not in _THINKING_KEYS[kind]:
            yield error(f"thinking.{key}", f'does not go together with type "{kind}"')
    if thinking.get("display", "omitted") not in ("omitted", "summarized"):
        yield error("thinking.display", "must be omitted or summarized")
    if kind == "enabled":
        yield from _budget(thinking.get("budget_tokens"), asked.body.get("max_tokens"))


def _budget(budget: object, max_tokens: object) -> Iterator[Refusal]:
    if not isinstance(budget, int) or not is_whole(budget) or budget < 1024:
        yield error("thinking.budget_tokens", "must be a whole number, 1,024 or more")
    elif isinstance(max_tokens, int) and budget >= max_tokens:
        yield error("thinking.budget_tokens", "must be below max_tokens, which it is part of")


def effort(asked: Asked) -> Iterator[Refusal]:
    """Refuse an effort that the model does not know."""
    value = asked.part("output_config").get("effort")
    key = "output_config.effort"
    if value is None:
        return
    if value not in _EFFORTS:
        yield error(key, f"must be one of {', '.join(_EFFORTS)}")
    elif asked.model is not None and value not in asked.model.effort_levels:
        levels = ", ".join(asked.model.effort_levels)
        known = f"it knows {levels}" if levels else "it knows none"
        yield error(key, f"{asked.model.id} does not know effort {value}; {known}")


def forced_tools(asked: Asked) -> Iterator[Refusal]:
    """Refuse forcing a tool where the model, or its thinking, leaves that to itself."""
    choice = asked.body.get("tool_choice")
    if choice is None:
        return
    kind = asked.part("tool_choice").get("type")
    key = "tool_choice.type"
    if kind not in ("auto", "none", *_FORCING):
        yield error(key, "must be auto, any, tool or none")
    if kind == "tool" and not isinstance(asked.part("tool_choice").get("name"), str):
        yield error("tool_choice.name", "must name the tool")
    if kind not in _FORCING:
        return
    if asked.model is not None and not asked.model.accepts_forced_tools:
        hint = "for typed answers use output_config.format, or strict tools with auto"
        yield error(key, f"{asked.model.id} cannot be forced to use a tool", hint)
    if asked.part("thinking").get("type") == "enabled":
        yield error(key, 'thinking of type "enabled" forbids forcing a tool')


def region(asked: Asked) -> Iterator[Refusal]:
    """Refuse a region where the model knows none."""
    if asked.body.get("inference_geo") is None or asked.model is None:
        return
    if asked.model.has_inference_geo is False:
        yield error("inference_geo", f"{asked.model.id} does not take it; Claude 4.6 and later do")
    elif asked.model.has_inference_geo is None:
        yield warning("inference_geo", f"it is not known whether {asked.model.id} takes it")


def fast_mode(asked: Asked) -> Iterator[Refusal]:
    """Refuse fast mode where the model has none, has lost it, or wants a beta header for it."""
    model = asked.model
    if asked.body.get("speed") != "fast" or model is None:
        return
    if model.ignores_fast:
        yield warning("speed", f"{model.id} ignores it: it runs, and is billed, as standard")
        return
    removed = None if model.fast is None else model.fast.removed
    if model.fast is None or (removed is not None and asked.today >= removed):
        yield error("speed", f"{model.id} has no fast mode")
        return
    if model.fast.beta is not None and model.fast.beta not in asked.betas:
        hint = f'add anthropic-beta = "{model.fast.beta}" to [api.headers]'
        yield error("speed", f"fast mode of {model.id} needs a beta header", hint)
    if removed is not None and asked.today + _SOON >= removed:
        yield warning("speed", f"{model.id} loses its fast mode on {removed}")


def lifecycle(asked: Asked) -> Iterator[Refusal]:
    """Refuse a model that is retired, and warn of one that is about to be or is not for all.

    "Not sooner than" days are no reason to warn: notice of 60 days is promised after them.
    """
    model = asked.model
    if model is None:
        return
    gone = model.retires is not None and asked.today >= model.retires
    if model.lifecycle == "retired" or gone:
        day = "" if model.retires is None else f" on {model.retires}"
        yield error("model", f"{model.id} was retired{day}")
        return
    if model.retires is not None and asked.today + _SOON >= model.retires:
        days = (model.retires - asked.today).days
        plural = "s"[: days != 1]
        yield warning("model", f"{model.id} retires on {model.retires}, in {days} day{plural}")
    elif model.lifecycle == "deprecated":
        yield warning("model", f"{model.id} is deprecated and will be retired")
    if model.audience is not None:
        yield warning("model", f"{model.id} is not open to everybody: {model.audience}")
