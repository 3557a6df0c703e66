"""Refuses bodies of the right shape that a model or an API version does not accept."""

from typing import Any

from batcher.simulator.billing.model_table import Model
from batcher.simulator.validation.headers import NEWEST
from batcher.simulator.validation.output_schema import check_output_schema, check_strict_tools
from batcher.simulator.validation.shape import refuse

Json = dict[str, Any]
SAMPLING = ("temperature", "top_p", "top_k")
# Values that a model without sampling accepts in the older version: the defaults.
DEFAULTS: dict[str, tuple[float, ...]] = {"temperature": (1,), "top_p": (0.99, 1), "top_k": ()}
GEOS = ("global", "us")
EFFORTS = ("low", "medium", "high", "xhigh", "max")
# Runs and bills ``speed: fast`` as standard instead of refusing it.
SILENTLY_STANDARD = "claude-opus-4-6"


def check_rules(body: Json, model: Model, version: str, betas: frozenset[str]) -> None:
    """Raise the API's error for the first violation."""
    _check_max_tokens(body, model)
    _check_sampling(body, model, version)
    _check_effort(body, model)
    _check_thinking(body, model)
    _check_tool_choice(body, model)
    _check_prefill(body, model)
    _check_geo_and_speed(body, model, betas)
    check_output_schema(body)
    check_strict_tools(body)


def _check_max_tokens(body: Json, model: Model) -> None:
    max_tokens = body.get("max_tokens")
    if max_tokens is None:
        return
    if max_tokens > model.max_output:
        raise refuse(
            "max_tokens",
            f"{max_tokens} > {model.max_output}, which is the maximum allowed number of output "
            f"tokens for {model.id}",
        )
    if max_tokens == 0:
        _check_prewarm(body)


def _check_prewarm(body: Json) -> None:
    config = body.get("output_config") or {}
    refused = {
        "stream": bool(body.get("stream")),
        "thinking.type": _type(body, "thinking") == "enabled",
        "output_config.format": bool(config.get("format")),
        "tool_choice": _type(body, "tool_choice") in ("any", "tool"),
    }
    for name, is_present in refused.items():
        if is_present:
            raise refuse("max_tokens", f"0 is not supported together with {name}")


def _type(body: Json, name: str) -> str | None:
    kind: str | None = (body.get(name) or {}).get("type")
    return kind


def _check_sampling(body: Json, model: Model, version: str) -> None:
    names = [name for name in SAMPLING if name in body]
    if names and version == NEWEST:
        raise refuse(names[0], f"`{names[0]}` is not supported in version {NEWEST}")
    if not model.accepts_sampling:
        for name in names:
            if body[name] not in DEFAULTS[name]:
                raise refuse(name, f"`{name}` is not supported on {model.id}")
    if "temperature" in body and "top_p" in body:
        raise refuse(
            "", "`temperature` and `top_p` cannot both be specified for this model. "
            "Please use only one."
        )  # fmt: skip


def _check_effort(body: Json, model: Model) -> None:
    effort = (body.get("output_config") or {}).get("effort")
    if effort is None:
        return
    if not model.effort_levels:
        raise refuse("output_config.effort", "This model does not support the effort parameter.")
    if effort not in model.effort_levels:
        raise refuse("output_config.effort", f"'{effort}' is not supported on {model.id}")


def _check_thinking(body: Json, model: Model) -> None:
    thinking = body.get("thinking")
    if thinking is None:
        return
    kind = thinking["type"]
    if kind not in model.thinking_types:
        if kind == "adaptive":
            raise refuse("", "adaptive thinking is not supported on this model")
        raise refuse("", f'"thinking.type.{kind}" is not supported for this model.')
    highest = model.thinking_types[kind]
    effort = (body.get("output_config") or {}).get("effort") or model.default_effort
    if highest is not None and EFFORTS.index(effort) > EFFORTS.index(highest):
        raise refuse("", f"\"thinking.type.{kind}\" is not supported with effort '{effort}'.")
    budget = thinking.get("budget_tokens")
    if budget is not None and budget >= body.get("max_tokens", budget + 1):
        raise refuse("", "`max_tokens` must be greater than `thinking.budget_tokens`.")


def _check_tool_choice(body: Json, model: Model) -> None:
    choice = body.get("tool_choice")
    tools = body.get("tools") or []
    names = [tool["name"] for tool in tools]
    if len(set(names)) < len(names):
        raise refuse("tools", "Tool names must be unique.")
    if choice is None:
        return
    if not tools and choice["type"] != "none":
        raise refuse("tool_choice", "`tool_choice` may only be specified while providing `tools`.")
    if choice["type"] in ("any", "tool"):
        if not model.accepts_forced_tool:
            raise refuse("tool_choice", f"type '{choice['type']}' is not supported on {model.id}")
        if _type(body, "thinking") == "enabled":
            raise refuse("", "Thinking may not be enabled when tool_choice forces tool use.")
    if choice["type"] == "tool" and choice["name"] not in names:
        raise refuse("tool_choice", f"Tool '{choice['name']}' not found in provided tools")


def _check_prefill(body: Json, model: Model) -> None:
    last = body["messages"][-1]
    if last["role"] != "assistant":
        return
    is_formatted = bool((body.get("output_config") or {}).get("format"))
    if not model.accepts_prefill or is_formatted or _type(body, "thinking") == "enabled":
        raise refuse(
            "", "This model does not support assistant message prefill. The conversation must "
            "end with a user message."
        )  # fmt: skip
    content = last["content"]
    ending = content if isinstance(content, str) else content[-1].get("text", "") if content else ""
    if ending != ending.rstrip():
        raise refuse("messages", "final assistant content cannot end with trailing whitespace")


def _check_geo_and_speed(body: Json, model: Model, betas: frozenset[str]) -> None:
    geo = body.get("inference_geo")
    if geo is not None:
        if not model.accepts_inference_geo:
            raise refuse("inference_geo", f"not supported on {model.id}")
        if geo not in GEOS:
            raise refuse("inference_geo", "Input should be 'global' or 'us'")
    if body.get("speed") == "fast" and model.id != SILENTLY_STANDARD:
        if model.fast_rates is None:
            raise refuse("speed", f"'fast' is not supported on {model.id}")
        if model.fast_beta is not None and model.fast_beta not in betas:
            raise refuse("speed", f"Extra inputs are not permitted without {model.fast_beta}")
