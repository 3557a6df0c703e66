"""Validates the body of a message and of a token count before anything is counted."""

from collections.abc import Callable
from typing import Any

from batcher.simulator.billing.model_table import Model
from batcher.simulator.validation.breakpoints import check_breakpoints
from batcher.simulator.validation.content import ROLES, cache_control, text_blocks
from batcher.simulator.validation.rules import check_rules
from batcher.simulator.validation.shape import (
    Shape,
    anything,
    flag,
    integer,
    list_of,
    mapping,
    nullable,
    number,
    one_of,
    record,
    refuse,
    tagged,
    text,
)
from batcher.simulator.validation.turns import check_turns

Json = dict[str, Any]
FindModel = Callable[[str], Model]

TOOL_NAME = r"^[a-zA-Z0-9_-]{1,128}$"
MAX_MESSAGES = 100_000
EFFORTS = ("low", "medium", "high", "xhigh", "max")
DISPLAYS = ("summarized", "omitted")


def _message(value: Any, path: str) -> None:
    record({"role": one_of(*ROLES), "content": anything})(value, path)
    ROLES[value["role"]](value["content"], f"{path}.content")


def _tool(value: Any, path: str) -> None:
    mapping(value, path)
    kind = value.get("type", "custom")
    if kind not in ("custom", None):
        raise refuse(path, f"Input tag '{kind}' is not 'custom'; the simulator runs no others")
    _CUSTOM_TOOL(value, path)
    if value["input_schema"].get("type") != "object":
        raise refuse(f"{path}.custom.input_schema.type", "Input should be 'object'")


_CUSTOM_TOOL = record(
    {"name": text(1, 128, TOOL_NAME), "input_schema": mapping},
    {
        "type": anything,
        "description": text(),
        "cache_control": cache_control,
        "strict": flag,
        "defer_loading": flag,
        "eager_input_streaming": nullable(flag),
        "input_examples": list_of(mapping),
        "allowed_callers": list_of(text()),
    },
)
_PARALLEL = {"disable_parallel_tool_use": flag}

SHARED: dict[str, Shape] = {
    "system": text_blocks,
    "tools": list_of(_tool),
    "tool_choice": tagged(
        {
            "auto": record({}, _PARALLEL),
            "any": record({}, _PARALLEL),
            "tool": record({"name": text(1)}, _PARALLEL),
            "none": record({}),
        }
    ),
    "thinking": tagged(
        {
            "adaptive": record({}, {"display": nullable(one_of(*DISPLAYS))}),
            "enabled": record(
                {"budget_tokens": integer(1024)}, {"display": nullable(one_of(*DISPLAYS))}
            ),
            "disabled": record({}),
            "between_tools": record({}),
        }
    ),
    "output_config": record(
        {},
        {
            "effort": nullable(one_of(*EFFORTS)),
            "format": nullable(tagged({"json_schema": record({"schema": mapping})})),
        },
    ),
    "cache_control": cache_control,
    "speed": nullable(one_of("standard", "fast")),
}
REQUIRED: dict[str, Shape] = {
    "model": text(1, 256),
    "messages": list_of(_message, maximum=MAX_MESSAGES),
}
MESSAGE = record(
    REQUIRED | {"max_tokens": integer(0)},
    SHARED
    | {
        "stream": flag,
        "stop_sequences": list_of(text()),
        "temperature": number(0, 1),
        "top_p": number(0, 1),
        "top_k": integer(0),
        "metadata": record({}, {"user_id": nullable(text(0, 512))}),
        "service_tier": one_of("auto", "standard_only"),
        "inference_geo": nullable(text()),
        "container": nullable(anything),
        "diagnostics": nullable(record({}, {"previous_message_id": nullable(text())})),
    },
)
COUNT = record(REQUIRED, SHARED)


def check_message(body: Json, version: str, betas: frozenset[str], find: FindModel) -> Model:
    """Return the model of a valid body, or raise the API's error."""
    MESSAGE(body, "")
    return _check(body, version, betas, find)


def check_count(body: Json, version: str, betas: frozenset[str], find: FindModel) -> Model:
    """Return the model of a valid count_tokens body, which has no ``max_tokens``."""
    COUNT(body, "")
    return _check(body, version, betas, find)


def _check(body: Json, version: str, betas: frozenset[str], find: FindModel) -> Model:
    model = find(body["model"])
    check_turns(body["messages"], model, version)
    check_rules(body, model, version, betas)
    check_breakpoints(body)
    return model
