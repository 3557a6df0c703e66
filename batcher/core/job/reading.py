"""Validates the data of a job file and finds all its mistakes at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from batcher.core.job.job import Job
from batcher.core.job.mistake import Key, Mistake
from batcher.core.job.parameters import PARAMETERS, as_json
from batcher.core.job.pydantic_messages import mistakes_of
from batcher.core.job.rules import problems

# Replaces a required key that is wrong, so that the other rules can be checked too.
_PLACEHOLDERS: Mapping[Key, Any] = {("input",): {"path": "?"}, ("input", "path"): "?"}


@dataclass(frozen=True, slots=True)
class Reading:
    """A job and its mistakes; a job with mistakes is used only to find more mistakes.

    ``job`` is None when too much is wrong to check the rest.
    """

    job: Job | None
    mistakes: tuple[Mistake, ...]


def read_job(data: Mapping[str, Any]) -> Reading:
    """Validate a job file's data (floats as Decimal) and return the job with all mistakes."""
    fields, mistakes = _with_json(data)
    job, invalid = _validated(fields)
    mistakes += invalid
    wrong = {mistake.key for mistake in mistakes}
    if job is not None:
        mistakes += [more for more in problems(job) if wrong.isdisjoint(_prefixes(more.key))]
    return Reading(job, tuple(mistakes))


def given_keys(job: Job) -> dict[Key, bool]:
    """Return every key of a job, and whether the job file sets it."""
    return dict(_leaves(job, (), is_given=True))


def _with_json(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[Mistake]]:
    """Convert what is sent unchanged (parameters and text blocks) to JSON values."""
    fields = {name: dict(item) if isinstance(item, dict) else item for name, item in data.items()}
    request = fields.get("request")
    mistakes: list[Mistake] = []
    if isinstance(request, dict):
        for name in [name for name in request if name in PARAMETERS or name == "system"]:
            request[name], more = as_json(request[name], ("request", name))
            mistakes += more
    return fields, mistakes


def _validated(fields: dict[str, Any]) -> tuple[Job | None, list[Mistake]]:
    try:
        return Job.model_validate(fields), []
    except ValidationError as error:
        mistakes = mistakes_of(error)
    # Remove the wrong keys, then the tables that hold them: the rest may have more mistakes.
    for depth in (None, 2, 1):
        for mistake in mistakes:
            _remove(fields, mistake.key[:depth])
        try:
            return Job.model_validate(fields), mistakes
        except ValidationError:
            continue
    return None, mistakes


def _prefixes(key: Key) -> list[Key]:
    return [key[:length] for length in range(1, len(key) + 1)]


def _remove(fields: dict[str, Any], key: Key) -> None:
    table: Any = fields
    for part in key[:-1]:
        table = table.get(part)
        if not isinstance(table, dict):
            return
    table.pop(key[-1], None)
    if key in _PLACEHOLDERS:
        table[key[-1]] = _PLACEHOLDERS[key]


def _leaves(model: BaseModel, key: Key, *, is_given: bool) -> Iterator[tuple[Key, bool]]:
    names = (*type(model).model_fields, *(model.__pydantic_extra__ or {}))
    for name in names:
        value = getattr(model, name)
        given = is_given and name in model.model_fields_set
        if isinstance(value, BaseModel):
            yield from _leaves(value, (*key, name), is_given=given)
        else:
            yield (*key, name), given
