"""From a job file's data to a job, with every mistake found on the way."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from batcher.core.job.job import Job
from batcher.core.job.mistake import Key, Mistake
from batcher.core.job.parameters import PARAMETERS, as_json
from batcher.core.job.pydantic_messages import mistakes_of
from batcher.core.job.rules import problems

# Stands in for a key that must be there, so that the other rules can be checked as well.
_PLACEHOLDERS: Mapping[Key, Any] = {("input",): {"path": "?"}, ("input", "path"): "?"}


@dataclass(frozen=True, slots=True)
class Reading:
    """A job and what is wrong with it; a job with mistakes is for finding more of them only.

    ``job`` is None when too little is right to say anything about the rest.
    """

    job: Job | None
    mistakes: tuple[Mistake, ...]


def read_job(data: Mapping[str, Any]) -> Reading:
    """Validate a job file's data (floats as Decimal), finding all mistakes at once."""
    fields, found = _with_json(data)
    job, invalid = _validated(fields)
    found += invalid
    wrong = {mistake.key for mistake in found}
    if job is not None:
        found += [mistake for mistake in problems(job) if wrong.isdisjoint(_around(mistake.key))]
    return Reading(job, tuple(found))


def given_keys(job: Job) -> dict[Key, bool]:
    """Find every key of a job, and whether it was given or left to its default."""
    return dict(_leaves(job, (), is_given=True))


def _with_json(data: Mapping[str, Any]) -> tuple[dict[str, Any], list[Mistake]]:
    """Turn what is sent as it stands, parameters and text blocks, into JSON values."""
    fields = {name: dict(item) if isinstance(item, dict) else item for name, item in data.items()}
    request = fields.get("request")
    found: list[Mistake] = []
    if isinstance(request, dict):
        for name in [name for name in request if name in PARAMETERS or name == "system"]:
            request[name], mistakes = as_json(request[name], ("request", name))
            found += mistakes
    return fields, found


def _validated(fields: dict[str, Any]) -> tuple[Job | None, list[Mistake]]:
    try:
        return Job.model_validate(fields), []
    except ValidationError as error:
        found = mistakes_of(error)
    # What is wrong goes, then the tables it stands in: the rest may have more mistakes.
    for depth in (None, 2, 1):
        for mistake in found:
            _remove(fields, mistake.key[:depth])
        try:
            return Job.model_validate(fields), found
        except ValidationError:
            continue
    return None, found


def _around(key: Key) -> list[Key]:
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
