"""What a person may do to a batch in a state: cancel it, or delete it at the API."""

from typing import Literal

Action = Literal["cancel", "delete"]

_OBSTACLES: dict[Action, dict[str, str]] = {
    "cancel": {
        "unconfirmed": "nobody knows yet whether it exists; a run finds out first",
        "absent": "it was never created",
        "ended": "it has ended; a run collects its results",
        "fetched": "it has ended, and its results are recorded",
        "lost": "its results are gone",
        "deleted": "it was deleted",
    },
    "delete": {
        "unconfirmed": "nobody knows yet whether it exists; a run finds out first",
        "absent": "it was never created",
        "created": "it has not ended; cancel it first, and let a run collect what was answered",
        "canceling": "it has not ended; a run waits for its end and collects what was answered",
        "ended": "its results are not recorded yet and would be lost; let a run collect them",
        "lost": "its results are gone",
        "deleted": "it was deleted",
    },
}
_CHOSEN: dict[Action, str] = {"cancel": "created", "delete": "fetched"}


def obstacle(action: Action, state: str) -> str | None:
    """Say why a batch in this state cannot be canceled or deleted; None: it can."""
    return _OBSTACLES[action].get(state)


def is_chosen(action: Action, state: str) -> bool:
    """Whether a batch in this state is meant when no batch is named."""
    return state == _CHOSEN[action]
