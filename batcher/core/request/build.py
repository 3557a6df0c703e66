"""From a row's values to the request it asks for."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from batcher.core.job import Job
from batcher.core.labels.labels import Labels
from batcher.core.request.attachment import Attachment
from batcher.core.request.canonical import (
    Fingerprint,
    canonical_json,
    canonical_json_of,
    content_name,
    fingerprint,
    member,
    messages_member,
)
from batcher.core.request.shape import shape_problem
from batcher.core.template.template import Template
from batcher.errors import TemplateError

MAX_BODY_BYTES = 32 * 1024 * 1024
"""What the API takes at most (413 ``request_too_large``)."""

# What an API would hardly take and a parser's stack may not bear; the reader of JSONL has it too.
_MAX_DEPTH = 100

# Below these a null is the user's own data or schema.
_NULLS_MEAN_SOMETHING = frozenset({"input", "input_schema", "schema"})


@dataclass(frozen=True, slots=True)
class Request:
    """A Messages request: the bytes that are sent, and the names of its answers.

    ``fingerprints`` has one entry for each answer asked for (``request.samples``). ``content``
    names the values that the request was made from, so that an edited row can be told from an
    edited prompt. ``note`` says what of the row is not in it, if anything was cut.
    """

    body: bytes
    fields: Mapping[str, Any]
    fingerprints: tuple[Fingerprint, ...]
    content: Fingerprint
    note: str | None = None

    @property
    def model(self) -> str:
        """The model asked."""
        return str(self.fields["model"])

    @property
    def max_tokens(self) -> int:
        """The most tokens an answer may have."""
        return int(self.fields["max_tokens"])


@dataclass(frozen=True, slots=True)
class Unsendable:
    """Why a row gives no request; ``is_skipped`` when the job wants no such row to be asked."""

    error_type: str
    reason: str
    is_skipped: bool = False


class RequestBuilder:
    """Builds requests the way one job says; raises TemplateError when a template is unreadable."""

    def __init__(
        self,
        job: Job,
        *,
        system: Template | list[Any] | None,
        prompt: Template | None,
        labels: Labels | None = None,
    ) -> None:
        self._spec = job.request
        self._skips_empty = job.input.on_empty == "skip"
        self._takes_params = job.input.format == "messages-batch"
        self._system = system
        self._prompt = prompt
        self._used = None if self.columns is None else sorted(self.columns)
        self._fixed = dict(job.request.parameters)
        for key in ("model", "max_tokens"):
            if getattr(job.request, key) is not None:
                self._fixed[key] = getattr(job.request, key)
        self._instruction = None
        if labels is not None:
            self._fixed |= labels.asked(self._fixed)
            self._instruction = labels.instruction
        self._members = {key: member(key, value) for key, value in self._fixed.items()}

    @property
    def columns(self) -> frozenset[str] | None:
        """The input columns that requests are made from; None means any of them."""
        if self._takes_params:
            return frozenset({"params"})
        spec = self._spec
        names = {name for name in (spec.messages, spec.params) if name}
        names.update((*spec.images, *spec.documents, *spec.text_documents))
        for template in (self._system, self._prompt):
            if isinstance(template, Template):
                if template.uses_row:
                    return None
                names |= template.names()
        return frozenset(names)

    @property
    def texts(self) -> frozenset[str] | None:
        """Those of them that may hold text which can be cut; None means any of them."""
        return None if self.columns is None else self.columns - self.whole

    @property
    def whole(self) -> frozenset[str]:
        """The columns that are read as something else than text."""
        spec = self._spec
        named = (*spec.images, *spec.documents, spec.messages, spec.params)
        return frozenset(name for name in (*named, "params") if name is not None)

    @property
    def coverage(self) -> Fingerprint:
        """Names the columns that ``Request.content`` is made of."""
        return content_name(self._used)

    @property
    def is_fixed(self) -> bool:
        """Whether all requests share their parameters, so that one check of them is enough."""
        return not self._takes_params and self._spec.params is None

    @property
    def settings(self) -> Mapping[str, Any]:
        """The fields that all requests share, when ``is_fixed``."""
        return self._fixed

    def build(
        self, values: Mapping[str, object], attached: Sequence[Attachment] = ()
    ) -> Request | Unsendable:
        """Make a row's request. Never raises for what a row holds: that is an Unsendable.

        What is ``attached`` comes before the prompt, in its order.
        """
        try:
            fields = self._fields(values, attached)
        except TemplateError as error:
            reason = error.message.split("\n", 1)[0]
            return Unsendable(
                "client.template", f"{reason}. {error.hint}" if error.hint else reason
            )
        except _BadValueError as error:
            return Unsendable("client.bad_row", str(error))
        if isinstance(fields, Unsendable):
            return fields
        used = values if self._used is None else [values.get(name) for name in self._used]
        return self._named(fields, content_name((used, [one.data for one in attached])))

    def _named(self, fields: dict[str, Any], content: Fingerprint) -> Request | Unsendable:
        problem = shape_problem(fields)
        if problem is not None:
            return Unsendable("client.bad_row", problem)
        try:
            body = self._encoded(fields)
        except (ValueError, TypeError, RecursionError) as error:
            return Unsendable("client.bad_row", f"the request is not valid JSON: {error}")
        if len(body) > MAX_BODY_BYTES:
            return Unsendable(
                "client.too_large",
                f"the request has {len(body):,} bytes; the API takes {MAX_BODY_BYTES:,}",
            )
        names = tuple(fingerprint(body, sample) for sample in range(self._spec.samples))
        return Request(body, fields, names, content)

    def _encoded(self, fields: Mapping[str, Any]) -> bytes:
        """Encode a request; what all requests share was encoded once."""
        if not self.is_fixed:
            return canonical_json(fields)
        members = dict(self._members)
        if "system" in fields:
            members["system"] = member("system", fields["system"])
        messages = fields["messages"]
        if self._spec.messages is None and isinstance(messages[0]["content"], str):
            members["messages"] = messages_member(messages[0]["content"])
        else:
            members["messages"] = member("messages", messages)
        return canonical_json_of(members)

    def _fields(
        self, values: Mapping[str, object], attached: Sequence[Attachment]
    ) -> dict[str, Any] | Unsendable:
        column = "params" if self._takes_params else self._spec.params
        if column is not None:
            return dict(_json_column(values, column, dict))
        fields = dict(self._fixed)
        if self._system is not None:
            system = self._system
            fields["system"] = system.render(values) if isinstance(system, Template) else system
        if self._instruction is not None:
            fields["system"] = _with_instruction(fields.get("system"), self._instruction)
        turns: list[Any] = []
        if self._spec.messages is not None:
            turns = _json_column(values, self._spec.messages, list)
        if self._prompt is not None:
            prompt = self._prompt.render(values)
            if self._skips_empty and (
                not prompt.strip() or not (turns or attached or self._has_text(values))
            ):
                return Unsendable("client.empty", "there is nothing to ask about", is_skipped=True)
            turns = [*turns, {"role": "user", "content": _content(prompt, attached)}]
        fields["messages"] = turns
        return fields

    def _has_text(self, values: Mapping[str, object]) -> bool:
        """Whether a column that the prompt is about holds more than blanks.

        A prompt about no column of its own is about the conversation, if there is one.
        """
        prompt = self._prompt
        if prompt is None or prompt.uses_row:
            return True
        names = prompt.names()
        if not names:
            return self._spec.messages is None
        held = (values.get(name) for name in names)
        return any(not isinstance(value, str) or value.strip() for value in held)


def _with_instruction(system: str | list[Any] | None, instruction: str) -> str | list[Any]:
    """Add a paragraph to a system prompt, however it is written."""
    if isinstance(system, list):
        return [*system, {"type": "text", "text": instruction}]
    return f"{system}\n\n{instruction}" if system else instruction


class _BadValueError(ValueError):
    """A column does not hold what a request can be made from."""


def _content(prompt: str, attached: Sequence[Attachment]) -> str | list[dict[str, Any]]:
    """Put what is attached before the text, where the API's documentation wants it."""
    if not attached:
        return prompt
    return [*(one.block() for one in attached), {"type": "text", "text": prompt}]


def _json_column(values: Mapping[str, object], column: str, kind: type) -> Any:
    """Read a column that holds a list or an object, or the JSON text of one."""
    if column not in values:
        raise _BadValueError(f"the column '{column}' is missing")
    value = values[column]
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise _BadValueError(f"the column '{column}' is not valid JSON") from None
    if not isinstance(value, kind):
        wanted = "an array" if kind is list else "an object"
        raise _BadValueError(f"the column '{column}' must hold {wanted}")
    if _is_deeper(value, _MAX_DEPTH):
        raise _BadValueError(f"the column '{column}' is nested more than {_MAX_DEPTH} deep")
    # Parquet has one schema for all rows: a key that a row does not have is a null there.
    return _without_nulls(value)


def _is_deeper(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most):
        mappings = [item.values() for item in level if isinstance(item, Mapping)]
        level = [*chain(*mappings, *(item for item in level if isinstance(item, list)))]
    return any(isinstance(item, Mapping | list) for item in level)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: item if key in _NULLS_MEAN_SOMETHING else _without_nulls(item)
            for key, item in value.items()
            if item is not None
        }
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
