"""Which models share their limits."""

_SHARED = {
    "fable-5": ("claude-fable-5",),
    "mythos-5": ("claude-mythos-5",),
    "opus-4": ("claude-opus-4-5", "claude-opus-4-6", "claude-opus-4-7", "claude-opus-4-8"),
    "sonnet-4": ("claude-sonnet-4-5", "claude-sonnet-4-6"),
}


def limit_group(model: str) -> str:
    """Name the limits that count a model's requests: its own, unless it is known to share them.

    As the API's documentation of rate limits lists them (October 2026); a model that is not known
    is taken to have limits of its own, which its answers' headers then correct.
    """
    for group, openings in _SHARED.items():
        if model.startswith(openings):
            return group
    return model
