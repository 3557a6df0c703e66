"""Rules about the parameters of a request that hold for every model."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from batcher.core.request.refusal_rules.checked_request import (
    CheckedRequest,
    Refusal,
    content_blocks,
    error,
    is_whole,
    warning,
)

NO_SAMPLING_VERSION = "2026-10-21"

PARAMETERS = frozenset(
    {
        "cache_control",
        "container",
        "diagnostics",
        "inference_geo",
        "max_tokens",
        "messages",
        "metadata",
        "model",
        "output_config",
        "service_tier",
        "speed",
        "stop_sequences",
        "stream",
        "system",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
    }
)

# Parameters that need a beta header, with the name of the beta where it is known.
BETA_PARAMETERS = {
    "billing_policy": None,
    "compaction": "compact-2026-09-04",
    "context_management": "context-management-2025-06-27",
    "fallback_credit_token": "fallback-credit-2026-07-01",
    "fallbacks": "server-side-fallback-2026-07-01",
    "mcp_servers": None,
    "output_config.task_budget": "task-budgets-2026-03-13",
    "thinking.block_binding": "thinking-binding-controls-2026-08-01",
    "thread": "message-threads-2026-08-12",
}

_NESTED = {
    "cache_control": frozenset({"type", "ttl"}),
    "diagnostics": frozenset({"previous_message_id"}),
    "metadata": frozenset({"user_id"}),
    "output_config": frozenset({"effort", "format"}),
    "thinking": frozenset({"type", "budget_tokens", "display"}),
    "tool_choice": frozenset({"type", "name", "disable_parallel_tool_use"}),
}
_WORDS = {
    "inference_geo": ("global", "us"),
    "service_tier": ("auto", "standard_only"),
    "speed": ("standard", "fast"),
}
_NOT_IN_BATCHES = ("fallbacks", "thread")
_LONG_OUTPUT, _LONG_OUTPUT_TOKENS = "output-300k", 300_000


def unknown_parameters(request: CheckedRequest) -> Iterator[Refusal]:
    """Refuse parameters that the API does not know; it refuses them itself, at any depth."""
    yield from _unknown(request.body, "", PARAMETERS | {"output_format"})
    for key, known in _NESTED.items():
        yield from _unknown(request.part(key), f"{key}.", known)


def _unknown(part: Mapping[str, object], prefix: str, known: frozenset[str]) -> Iterator[Refusal]:
    betas = {path.removeprefix(prefix) for path in BETA_PARAMETERS if path.startswith(prefix)}
    for key in part:
        if key in known or key in betas:
            continue
        close = get_close_matches(key, sorted(known), n=1)
        hint = f"did you mean {prefix}{close[0]}?" if close else None
        yield error(f"{prefix}{key}", "the API has no such parameter", hint)


def beta_parameters(request: CheckedRequest) -> Iterator[Refusal]:
    """Refuse beta parameters when there is no anthropic-beta header at all."""
    if request.betas:
        return
    for path, beta in BETA_PARAMETERS.items():
        parent, _, key = path.rpartition(".")
        part = request.part(parent) if parent else request.body
        if part.get(key) is not None:
            name = "the beta's name" if beta is None else f'"{beta}"'
            hint = f"add anthropic-beta = {name} to [api.headers]"
            yield error(path, "is in beta and needs an anthropic-beta header", hint)


def streaming(request: CheckedRequest) -> Iterator[Refusal]:
    """Refuse ``stream``: it is a setting of the connection, not of the request."""
    if "stream" in request.body:
        hint = "set stream in [api] instead; the result is the same"
        yield error("stream", "is not a request parameter in a job", hint)


def old_output_format(request: CheckedRequest) -> Iterator[Refusal]:
    """Warn about the old name of ``output_config.format``."""
    if "output_format" in request.body:
        yield warning(
            "output_format", "is accepted only for a transition period", "use output_config.format"
        )


def settings(request: CheckedRequest) -> Iterator[Refusal]:
    """Refuse values that are not documented."""
    for key, words in _WORDS.items():
        value = request.body.get(key)
        if value is not None and value not in words:
            yield error(key, f"must be {' or '.join(words)}")


def token_limit(request: CheckedRequest) -> Iterator[Refusal]:
    """Refuse a ``max_tokens`` that is not a count, or above the maximum of the model."""
    limit = request.body.get("max_tokens")
    if limit is None:
        return
    if not isinstance(limit, int) or not is_whole(limit) or limit < 0:
        yield error("max_tokens", "must be a whole number, 0 or more")
        return
    if limit == 0 and request.is_batch:
        hint = 'raise it, or set delivery.mode = "live"'
        yield error("max_tokens", "must be at least 1 in a batch", hint)
    if request.model is None:
        return
    is_long = request.model.has_long_batch_output and any(
        beta.startswith(_LONG_OUTPUT) for beta in request.betas
    )
    is_for_batches = is_long and limit <= _LONG_OUTPUT_TOKENS
    maximum = _LONG_OUTPUT_TOKENS if is_long and request.is_batch else request.model.max_output
    if limit > maximum:
        hint = 'more is possible only in batches: set delivery.mode = "batch"'
        message = f"the maximum of {request.model.id} is {maximum:,} tokens"
        yield error("max_tokens", message, hint if is_for_batches else None)


def batch_only(request: CheckedRequest) -> Iterator[Refusal]:
    """Refuse parameters that a Message Batch does not accept."""
    if not request.is_batch:
        return
    found = [key for key in _NOT_IN_BATCHES if request.body.get(key) is not None]
    found += ["speed"] * ("speed" in request.body)  # a batch refuses "standard", too
    if request.part("billing_policy").get("bill_to") == "user_profile":
        found.append("billing_policy.bill_to")
    for key in found:
        yield error(key, "is not possible in a batch", 'remove it, or set delivery.mode = "live"')


def documents(request: CheckedRequest) -> Iterator[Refusal]:
    """Refuse documents and citations where the newer version no longer accepts them."""
    has_format = request.part("output_config").get("format") is not None
    for role, path, block in content_blocks(request):
        is_document = block.get("type") == "document"
        citations = block.get("citations")
        if (
            is_document
            and has_format
            and isinstance(citations, Mapping)
            and citations.get("enabled")
        ):
            yield error(f"{path}.citations", "cannot be combined with output_config.format")
        if request.version != NO_SAMPLING_VERSION:
            continue
        if is_document and role == "assistant" and path.count(".content") == 1:
            yield error(
                path, f"version {request.version} accepts no document in an assistant message"
            )
        if (
            role == "user"
            and block.get("type") == "text"
            and isinstance(citations, list)
            and citations
        ):
            yield error(path, f"version {request.version} accepts no citations in a user's text")
