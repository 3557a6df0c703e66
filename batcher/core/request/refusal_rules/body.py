"""Rules about the shape of a request, whatever the model."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from batcher.core.request.refusal_rules.asked import (
    Asked,
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

# Parameters that need a beta header, with the beta that goes with them where one is known.
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
_NOT_IN_BATCHES = ("speed", "fallbacks", "thread")


def unknown_parameters(asked: Asked) -> Iterator[Refusal]:
    """Refuse every parameter that the API does not know: it does so itself, at any depth."""
    yield from _unknown(asked.body, "", PARAMETERS | {"output_format"})
    for key, known in _NESTED.items():
        yield from _unknown(asked.part(key), f"{key}.", known)


def _unknown(part: Mapping[str, object], prefix: str, known: frozenset[str]) -> Iterator[Refusal]:
    betas = {path.removeprefix(prefix) for path in BETA_PARAMETERS if path.startswith(prefix)}
    for key in part:
        if key in known or key in betas:
            continue
        close = get_close_matches(key, sorted(known), n=1)
        hint = f"did you mean {prefix}{close[0]}?" if close else None
        yield error(f"{prefix}{key}", "the API knows no such parameter", hint)


def beta_parameters(asked: Asked) -> Iterator[Refusal]:
    """Refuse what needs an anthropic-beta header when there is none at all."""
    if asked.betas:
        return
    for path, beta in BETA_PARAMETERS.items():
        parent, _, key = path.rpartition(".")
        part = asked.part(parent) if parent else asked.body
        if part.get(key) is not None:
            name = "the beta's name" if beta is None else f'"{beta}"'
            hint = f"add anthropic-beta = {name} to [api.headers]"
            yield error(path, "is in beta and needs an anthropic-beta header", hint)


def streaming(asked: Asked) -> Iterator[Refusal]:
    """Refuse ``stream``, which says how an answer travels and not what is asked."""
    if "stream" in asked.body:
        hint = "set stream in [api] instead; the result is the same"
        yield error("stream", "is not part of a request here", hint)


def old_output_format(asked: Asked) -> Iterator[Refusal]:
    """Warn of the old name of ``output_config.format``."""
    if "output_format" in asked.body:
        yield warning("output_format", "is tolerated only for now", "use output_config.format")


def settings(asked: Asked) -> Iterator[Refusal]:
    """Refuse settings that are none of the documented words."""
    for key, words in _WORDS.items():
        value = asked.body.get(key)
        if value is not None and value not in words:
            yield error(key, f"must be {' or '.join(words)}")


def token_limit(asked: Asked) -> Iterator[Refusal]:
    """Refuse a ``max_tokens`` that is no count, or above what the model can write."""
    limit = asked.body.get("max_tokens")
    if limit is None:
        return
    if not isinstance(limit, int) or not is_whole(limit) or limit < 0:
        yield error("max_tokens", "must be a whole number, 0 or more")
        return
    if limit == 0 and asked.is_batch:
        yield error("max_tokens", "must be at least 1 in a batch")
    if asked.model is None:
        return
    is_long = (
        asked.is_batch
        and asked.model.has_long_batch_output
        and any(beta.startswith("output-300k") for beta in asked.betas)
    )
    most = 300_000 if is_long else asked.model.max_output
    if limit > most:
        yield error("max_tokens", f"{asked.model.id} writes at most {most:,} tokens")


def batch_only(asked: Asked) -> Iterator[Refusal]:
    """Refuse what a Message Batch does not take."""
    for key in _NOT_IN_BATCHES if asked.is_batch else ():
        if asked.body.get(key) is not None:
            yield error(key, "is not possible in a batch")


def documents(asked: Asked) -> Iterator[Refusal]:
    """Refuse documents and citations where the newer version no longer takes them."""
    has_format = asked.part("output_config").get("format") is not None
    for role, path, block in content_blocks(asked):
        is_document = block.get("type") == "document"
        citations = block.get("citations")
        if (
            is_document
            and has_format
            and isinstance(citations, Mapping)
            and citations.get("enabled")
        ):
            yield error(f"{path}.citations", "do not go together with output_config.format")
        if asked.version != NO_SAMPLING_VERSION:
            continue
        if is_document and role == "assistant" and path.count(".content") == 1:
            yield error(path, f"version {asked.version} takes no document in an assistant message")
        if (
            role == "user"
            and block.get("type") == "text"
            and isinstance(citations, list)
            and citations
        ):
            yield error(path, f"version {asked.version} takes no citations in a user's text")
