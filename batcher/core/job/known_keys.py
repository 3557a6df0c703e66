"""Messages about keys that a job file cannot have."""

from collections.abc import Iterable

from batcher.core.job.job import Job
from batcher.core.job.mistake import Key, Mistake, dotted
from batcher.core.job.parameters import PARAMETERS
from batcher.core.nearest import nearest

UNAVAILABLE: dict[Key, str] = {
    ("input", "sql"): "write the query's result to a Parquet file and name it in input.path",
}
"""Keys that are planned but not built yet, with what to do instead; they are never accepted."""

_ADDRESS_KEYS = frozenset({"address", "slack", "teams", "url", "webhook", "webhook_url"})


def section_keys(section: str) -> frozenset[str]:
    """Return the keys of a section of the job file; empty for a section that does not exist."""
    field = Job.model_fields.get(section)
    fields = getattr(field.annotation, "model_fields", {}) if field else {}
    extras = PARAMETERS if section == "request" else ()
    return frozenset((*fields, *extras))


def unknown_key(key: Key) -> Mistake:
    """Explain an unknown key: not yet built, in the wrong section, or misspelt."""
    if key in UNAVAILABLE:
        name = f"[{key[0]}]" if len(key) == 1 else dotted(key)
        return Mistake(key, f"{name} is not available in this version: {UNAVAILABLE[key]}")
    if key == ("request", "stream"):
        return Mistake(key, "request.stream cannot be set here", "set api.stream instead")
    if key[0] == "notify" and key[-1] in _ADDRESS_KEYS:
        return Mistake(
            key,
            f"{dotted(key)} must not be in a job file: the address is a secret",
            "put the address into an environment variable, and its name into notify.webhook_env",
        )
    if len(key) == 1:
        return _unknown_section(key)
    known = section_keys(key[0]) if len(key) == 2 else frozenset[str]()
    hint = nearest(key[-1], known) or _other_section(key[-1], key[0])
    return Mistake(key, f"there is no key {dotted(key)}", hint or _listing("keys", known))


def _unknown_section(key: Key) -> Mistake:
    hint = nearest(key[0], Job.model_fields) or _other_section(key[0], None)
    return Mistake(
        key, f"there is no section [{dotted(key)}]", hint or _listing("sections", Job.model_fields)
    )


def _other_section(name: str, wrong: str | None) -> str | None:
    """Return a hint when exactly one section other than ``wrong`` has this key."""
    sections = [
        section
        for section in Job.model_fields
        if section != wrong and name in section_keys(section)
    ]
    return f"{name} belongs in [{sections[0]}]" if len(sections) == 1 else None


def _listing(heading: str, names: Iterable[str]) -> str | None:
    listed = ", ".join(sorted(names))
    return f"{heading}: {listed}" if listed else None
