"""Groups the models that share their rate limits."""

from functools import lru_cache

_SHARED = {
    "fable-5": ("claude-fable-5",),
    "mythos-5": ("claude-mythos-5",),
    "opus-4": ("claude-opus-4-5", "claude-opus-4-6", "claude-opus-4-7", "claude-opus-4-8"),
    "sonnet-4": ("claude-sonnet-4-5", "claude-sonnet-4-6"),
}


@lru_cache(256)
def limit_group(model: str) -> str:
    """Return the group of models that share limits with a model, or else the model itself.

    The groups are those of the API's documentation of rate limits (October 2026). A model that it
    does not name is assumed to have limits of its own; the headers of its responses then say more.
    """
    for group, prefixes in _SHARED.items():
        if model.startswith(prefixes):
            return group
    return model
