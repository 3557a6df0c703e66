"""Builds the request of a row from its values, the templates and the job file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from batcher.core.job import Job
from batcher.core.labels.labels import Labels
from batcher.core.request.attachment import Attachment
from batcher.core.request.canonical import (
    Fingerprint,
    canonical_json,
    canonical_json_of,
    content_hash,
    fingerprint,
    member,
    messages_member,
)
from batcher.core.request.json_column import BadValueError, json_column
from batcher.core.request.plain import PlainBuilder
from batcher.core.request.shape import shape_problem
from batcher.core.row import Unreadable
from batcher.core.template.template import Template
from batcher.errors import TemplateError

MAX_BODY_BYTES = 32 * 1024 * 1024
"""The largest request that the API accepts (else 413 ``request_too_large``)."""


@dataclass(frozen=True, slots=True)
class Request:
    """A Messages request: the bytes that are sent, and its fingerprints.

    ``fingerprints`` has one entry per sample (``request.samples``). ``content`` is a hash of the
    values that the request was made from; it distinguishes an edited row from an edited prompt.
    ``note`` says what was cut from the row to fit the context window; None when nothing was.
    """

    body: bytes
    fields: Mapping[str, Any]
    fingerprints: tuple[Fingerprint, ...]
    content: Fingerprint
    note: str | None = None

    @property
    def model(self) -> str:
        """The requested model."""
        return str(self.fields["model"])

    @property
    def max_tokens(self) -> int:
        """The maximum number of output tokens."""
        return int(self.fields["max_tokens"])


@dataclass(frozen=True, slots=True)
class Unsendable:
    """Why a row has no request; ``is_skipped`` when the job skips such rows."""

    error_type: str
    reason: str
    is_skipped: bool = False


class RequestBuilder:
    """Builds the requests of one job; ``plain`` builds those of ordinary rows faster, if set."""

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
        self._used_columns = None if self.columns is None else sorted(self.columns)
        self._fixed = dict(job.request.parameters)
        for key in ("model", "max_tokens"):
            if getattr(job.request, key) is not None:
                self._fixed[key] = getattr(job.request, key)
        self._prompt_columns = None if prompt is None else prompt.columns
        self._instruction = None
        if labels is not None:
            self._fixed |= labels.request_fields(self._fixed)
            self._instruction = labels.instruction
        self._members = {key: member(key, value) for key, value in self._fixed.items()}
        self.plain = self._plain()

    @property
    def columns(self) -> frozenset[str] | None:
        """The input columns that requests use; None means any column."""
        names = self.required_columns
        for template in (self._system, self._prompt):
            if isinstance(template, Template):
                if template.columns is None:
                    return None
                names |= template.columns
        return names

    @property
    def required_columns(self) -> frozenset[str]:
        """The columns that requests use by name, so that the input must have them."""
        if self._takes_params:
            return frozenset({"params"})
        spec = self._spec
        names = {name for name in (spec.messages, spec.params) if name}
        names.update((*spec.images, *spec.documents, *spec.text_documents))
        for template in (self._system, self._prompt):
            if isinstance(template, Template):
                names |= template.names()
        return frozenset(names)

    @property
    def text_columns(self) -> frozenset[str] | None:
        """The used columns whose text can be cut; None means any column."""
        return None if self.columns is None else self.columns - self.non_text_columns

    @property
    def non_text_columns(self) -> frozenset[str]:
        """The columns that are not used as text: attachments, messages and params."""
        spec = self._spec
        names = (*spec.images, *spec.documents, spec.messages, spec.params, "params")
        return frozenset(name for name in names if name is not None)

    @property
    def coverage(self) -> Fingerprint:
        """A hash of the names of the columns that ``Request.content`` covers."""
        return content_hash(self._used_columns)

    @property
    def is_fixed(self) -> bool:
        """Whether all requests have the same parameters, so that one check is enough."""
        return not self._takes_params and self._spec.params is None

    @property
    def settings(self) -> Mapping[str, Any]:
        """The fields that all requests have in common, when ``is_fixed``."""
        return self._fixed

    def unreadable(self, values: Mapping[str, object]) -> Unsendable | None:
        """Return why a row has no request when a column that it uses cannot be read."""
        for name in self._used_columns or ():
            value = values.get(name)
            if isinstance(value, Unreadable):
                return Unsendable("client.bad_row", f"the column '{name}' is {value.reason}")
        return None

    def build(
        self, values: Mapping[str, object], attachments: Sequence[Attachment] = ()
    ) -> Request | Unsendable:
        """Build the request of a row; a bad value is an ``Unsendable``, not an exception.

        The attachments come before the prompt, in their order.
        """
        try:
            fields = self._fields(values, attachments)
        except TemplateError as error:
            reason = error.message.split("\n", 1)[0]
            return Unsendable(
                "client.template", f"{reason}; {error.hint}" if error.hint else reason
            )
        except BadValueError as error:
            return Unsendable("client.bad_row", str(error))
        if isinstance(fields, Unsendable):
            return fields
        names = self._used_columns
        used = values if names is None else [values.get(name) for name in names]
        content = content_hash((used, [attachment.data for attachment in attachments]))
        return self._request(fields, content)

    def _plain(self) -> PlainBuilder | None:
        """Return a builder for rows whose text alone makes their request; None without such."""
        spec, prompt, system = self._spec, self._prompt, self._system
        is_attached = bool(spec.images or spec.documents or spec.text_documents)
        if not self.is_fixed or spec.messages or is_attached or not (prompt and prompt.columns):
            return None
        shared = system.joined({}) if isinstance(system, Template) else system
        if shared is None and system is not None:
            return None  # each row has a system prompt of its own
        fields = self._with_system(shared)
        if shape_problem({**fields, "messages": [{"role": "user", "content": ""}]}) is not None:
            return None
        return PlainBuilder.of(fields, prompt, spec.samples)

    def _with_system(self, system: str | list[Any] | None) -> dict[str, Any]:
        fields = dict(self._fixed)
        if system is not None:
            fields["system"] = system
        if self._instruction is not None:
            fields["system"] = _with_instruction(fields.get("system"), self._instruction)
        return fields

    def _request(self, fields: dict[str, Any], content: Fingerprint) -> Request | Unsendable:
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
                f"the request has {len(body):,} bytes; the API accepts {MAX_BODY_BYTES:,}",
            )
        fingerprints = tuple(fingerprint(body, sample) for sample in range(self._spec.samples))
        return Request(body, fields, fingerprints, content)

    def _encoded(self, fields: Mapping[str, Any]) -> bytes:
        """Encode a request; the fields that all requests share were encoded once."""
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
        self, values: Mapping[str, object], attachments: Sequence[Attachment]
    ) -> dict[str, Any] | Unsendable:
        column = "params" if self._takes_params else self._spec.params
        if column is not None:
            return dict(json_column(values, column, dict))
        turns: list[Any] = []
        if self._spec.messages is not None:
            turns = json_column(values, self._spec.messages, list)
        if not (turns or attachments or self._has_text(values)):
            if self._skips_empty:
                return _EMPTY
            values = self._with_empty_texts(values)
        system = self._system
        fields = self._with_system(
            system.render(values) if isinstance(system, Template) else system
        )
        if self._prompt is not None:
            prompt = self._prompt.render(values)
            if self._skips_empty and not prompt.strip():
                return _EMPTY
            turns = [*turns, {"role": "user", "content": _content(prompt, attachments)}]
        fields["messages"] = turns
        return fields

    def _has_text(self, values: Mapping[str, object]) -> bool:
        """Return whether a column of the prompt has more than white space, or is missing.

        A null is no text. A prompt without columns needs a conversation in the row, if the job has
        such a column.
        """
        names = self._prompt_columns
        if names is None:
            return True
        if not names:
            return self._spec.messages is None
        return not all(name in values and _is_blank(values[name]) for name in names)

    def _with_empty_texts(self, values: Mapping[str, object]) -> Mapping[str, object]:
        """Return the values of a row without text; null asks the same as an empty text."""
        nulls = (name for name in self._prompt_columns or () if values.get(name) is None)
        return {**values, **dict.fromkeys(nulls, "")}


_EMPTY = Unsendable("client.empty", "the row has no text for the prompt", is_skipped=True)


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _with_instruction(system: str | list[Any] | None, instruction: str) -> str | list[Any]:
    """Add a paragraph to a system prompt, which is a text or a list of blocks."""
    if isinstance(system, list):
        return [*system, {"type": "text", "text": instruction}]
    return f"{system}\n\n{instruction}" if system else instruction


def _content(prompt: str, attachments: Sequence[Attachment]) -> str | list[dict[str, Any]]:
    """Put the attachments before the text, as the API's documentation recommends."""
    if not attachments:
        return prompt
    return [*(attachment.block() for attachment in attachments), {"type": "text", "text": prompt}]
