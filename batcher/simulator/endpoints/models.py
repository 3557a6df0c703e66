"""GET /v1/models and /v1/models/{id}."""

from typing import Any
from urllib.parse import parse_qs

from batcher.simulator.api_error import ApiError
from batcher.simulator.billing.ledger import Entry
from batcher.simulator.billing.model_table import Model, models
from batcher.simulator.endpoints.paging import page_of
from batcher.simulator.endpoints.service import Service
from batcher.simulator.json_body import as_json
from batcher.simulator.wire.connection import Exchange

EFFORTS = ("low", "medium", "high", "xhigh", "max")
STRATEGIES = ("clear_thinking_20251015", "clear_tool_uses_20250919", "compact_20260112")
THINKING = ("adaptive", "between_tools", "disabled", "enabled")


async def get_model(service: Service, exchange: Exchange, entry: Entry) -> None:
    """Respond with one model by its id or alias; retired models are included."""
    name = exchange.request.path.removeprefix("/v1/models/")
    model = models().get(name)
    if model is None or not service.answers.is_offered(model):
        raise ApiError(404, f"model: {name}")
    await _reply(service, exchange, entry, info(model))


async def list_models(service: Service, exchange: Exchange, entry: Entry) -> None:
    """Respond with a page of the models, newest first."""
    query = parse_qs(exchange.request.query)
    states = query.get("lifecycle[]") or query.get("lifecycle") or ["active", "deprecated"]
    rows = [
        model
        for name, model in models().items()
        if name == model.id and model.state in states and service.answers.is_offered(model)
    ]
    rows.sort(key=lambda model: model.released, reverse=True)
    await _reply(service, exchange, entry, page_of(rows, query, info))


async def _reply(service: Service, exchange: Exchange, entry: Entry, value: dict[str, Any]) -> None:
    headers = service.headers(entry.request_id) | {"content-type": "application/json"}
    entry.status, entry.outcome = 200, "answered"
    await exchange.reply(200, headers, as_json(value))
    entry.is_written = exchange.is_written


def info(model: Model) -> dict[str, Any]:
    """Return the API's ModelInfo object."""
    return {
        "type": "model",
        "id": model.id,
        "display_name": display_name(model),
        "created_at": f"{model.released}T00:00:00Z",
        "lifecycle": model.state,
        "deprecated_at": _midnight(model.deprecated),
        "retires_at": _midnight(None if model.state == "active" else model.retires),
        "line": model.line,
        "max_input_tokens": model.context_window,
        "max_tokens": model.max_output,
        "capabilities": _capabilities(model),
    }


def display_name(model: Model) -> str:
    """Return "Claude Haiku 3.5" for ``claude-3-5-haiku-20241022``."""
    parts = model.id.split("-")[1:]
    digits = [part for part in parts if part.isdigit() and len(part) < 8]
    return f"Claude {model.line.title()} {'.'.join(digits)}"


def _midnight(day: str | None) -> str | None:
    return None if day is None else f"{day}T00:00:00Z"


def _capabilities(model: Model) -> dict[str, Any]:
    yes, no = {"supported": True}, {"supported": False}

    def flags(names: tuple[str, ...], supported: Any) -> dict[str, Any]:
        return {name: {"supported": name in supported} for name in names}

    return {
        "batch": yes,
        "citations": yes,
        "code_execution": yes,
        "context_management": {"supported": True, **flags(STRATEGIES, STRATEGIES)},
        "effort": {"supported": bool(model.effort_levels), **flags(EFFORTS, model.effort_levels)},
        "image_input": yes,
        "pdf_input": yes,
        # The simulator runs no server tools, even if the model could.
        "server_tools": {"supported": False, "code_execution": no, "web_search": no},
        "structured_outputs": yes if model.is_live else no,
        "thinking": {
            "supported": bool(model.thinking_types),
            "types": flags(THINKING, model.thinking_types),
        },
    }
