"""Authentication, version and beta headers."""

from collections.abc import Mapping

from batcher.simulator.api_error import ApiError

NEWEST = "2026-10-21"
VERSIONS = ("2023-01-01", "2023-06-01", NEWEST)
# The betas that the official SDK lists; the second half is accepted without effect.
BETAS = frozenset(
    {
        "fast-mode-2026-02-01", "output-300k-2026-03-24", "context-management-2025-06-27",
        "compact-2026-01-12", "compact-2026-09-04", "server-side-fallback-2026-07-01",
        "fallback-credit-2026-07-01", "task-budgets-2026-03-13",
        "thinking-token-count-2026-05-13", "interleaved-thinking-2025-05-14",
        "context-1m-2025-08-07", "model-context-window-exceeded-2025-08-26",
        "message-threads-2026-08-12", "mid-conversation-output-config-2026-07-01",
        "thinking-binding-controls-2026-08-01",
        "message-batches-2024-09-24", "prompt-caching-2024-07-31", "pdfs-2024-09-25",
        "token-counting-2024-11-01", "extended-cache-ttl-2025-04-11",
        "token-efficient-tools-2025-02-19", "cache-diagnosis-2026-04-07",
        "files-api-2025-04-14", "skills-2025-10-02",
    }
)  # fmt: skip


def check_headers(headers: Mapping[str, str], bad_key_prefix: str) -> None:
    """Refuse a missing or invalid key, a missing or unknown version, and unknown betas."""
    _check_key(headers, bad_key_prefix)
    name = headers.get("anthropic-version")
    if name is None:
        raise ApiError(400, "anthropic-version: header is required")
    if name not in VERSIONS:
        raise ApiError(400, f'anthropic-version: "{name}" is not a valid version')
    unknown = sorted(betas(headers) - BETAS)
    if unknown:
        raise ApiError(400, f"Unexpected value(s) `{unknown[0]}` for the `anthropic-beta` header.")


def version(headers: Mapping[str, str]) -> str:
    """Return the requested API version."""
    return headers["anthropic-version"]


def betas(headers: Mapping[str, str]) -> frozenset[str]:
    """Return the requested betas."""
    names = headers.get("anthropic-beta")
    return frozenset(n.strip() for n in names.split(",") if n.strip()) if names else frozenset()


def workspace_of(headers: Mapping[str, str], other_prefix: str) -> str:
    """Return the workspace of the key: empty, or the prefix of the keys of the other one."""
    key, _ = _credential(headers)
    return other_prefix if other_prefix and key.startswith(other_prefix) else ""


def _credential(headers: Mapping[str, str]) -> tuple[str, str]:
    """Return the key or token, and the API's message for an invalid one."""
    key = headers.get("x-api-key")
    if key is not None:
        return key, "invalid x-api-key"
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return "", "x-api-key header is required"
    return token.strip(), "Invalid bearer token"


def _check_key(headers: Mapping[str, str], bad_key_prefix: str) -> None:
    key, message = _credential(headers)
    if not key or (bad_key_prefix and key.startswith(bad_key_prefix)):
        raise ApiError(401, message)
