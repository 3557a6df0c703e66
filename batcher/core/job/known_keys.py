"""What to say about a key that a job file cannot have."""

from collections.abc import Iterable

from batcher.core.job.job import Job
from batcher.core.job.mistake import Key, Mistake, dotted
from batcher.core.job.parameters import PARAMETERS
from batcher.core.nearest import nearest

UNAVAILABLE: dict[Key, str] = {
    ("delivery",): "every request is sent live",
    ("input", "sql"): "write the query's result to a Parquet file and name it in input.path",
}
"""What is planned and not built, and what to do meanwhile: accepting it would promise it."""

_ADDRESS_KEYS = frozenset({"address", "slack", "teams", "url", "webhook", "webhook_url"})


def section_keys(section: str) -> frozenset[str]:
    """Return the keys a section of the job file has; none for a section that does not exist."""
    field = Job.model_fields.get(section)
    fields = getattr(field.annotation, "model_fields", {}) if field else {}
    extras = PARAMETERS if section == "request" else ()
    return frozenset((*fields, *extras))


def unknown_key(key: Key) -> Mistake:
    """Say why a key is not known here: not yet built, in the wrong section, or misspelt."""
    if key in UNAVAILABLE:
        name = f"[{key[0]}]" if len(key) == 1 else dotted(key)
        return Mistake(key, f"{name} is not available in this version: {UNAVAILABLE[key]}")
    if key == ("request", "stream"):
        return Mistake(key, "request.stream is not yours to set", "Set api.stream.")
    if key[0] == "notify" and key[-1] in _ADDRESS_KEYS:
        return Mistake(
            key,
            f"{dotted(key)} may not stand in a job file: such an address is a secret",
            "Put it into an environment variable, and name that in notify.webhook_env.",
        )
    if len(key) == 1:
        return _unknown_section(key)
    known = section_keys(key[0]) if len(key) == 2 else frozenset[str]()
    hint = nearest(key[-1], known) or _elsewhere(key[-1], besides=key[0])
    return Mistake(key, f"there is no key {dotted(key)}", hint or _listing(known))


def _unknown_section(key: Key) -> Mistake:
    hint = nearest(key[0], Job.model_fields) or _elsewhere(key[0], besides="")
    return Mistake(key, f"there is no section [{dotted(key)}]", hint or _listing(Job.model_fields))


def _elsewhere(name: str, *, besides: str) -> str | None:
    homes = [
        section
        for section in Job.model_fields
        if section != besides and name in section_keys(section)
    ]
    return f"{name} belongs in [{homes[0]}]." if len(homes) == 1 else None


def _listing(names: Iterable[str]) -> str | None:
    listed = ", ".join(sorted(names))
    return f"There is: {listed}." if listed else None
