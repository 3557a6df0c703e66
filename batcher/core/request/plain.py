"""Builds requests that differ in one text only, without building their values.

What ``RequestBuilder.build`` makes of the same row has the same bytes and names: a property holds
both to it. A row with anything unusual is left to it, and so are all errors.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Any, NamedTuple

from batcher.core.request.canonical import (
    MESSAGES_AFTER,
    MESSAGES_BEFORE,
    Fingerprint,
    canonical_json_of,
    content_hash,
    fingerprint_of,
    member,
)
from batcher.core.template.template import Template

_MARK = "\0"
"""No JSON has this character: it is written as an escape."""


class PlainRequest(NamedTuple):
    """The request of a row: the text of its single turn, its bytes, and the names of both."""

    text: str
    body: bytes
    fingerprints: tuple[Fingerprint, ...]
    content: Fingerprint


@dataclass(frozen=True, slots=True)
class PlainBuilder:
    """Builds plain requests: ``before`` and ``after`` are the JSON around the text of each."""

    joined: Callable[[Mapping[str, object]], str | None]
    columns: tuple[str, ...]
    before: bytes
    after: str
    names: tuple[Callable[[bytes], Fingerprint], ...]

    @classmethod
    def of(cls, fields: Mapping[str, Any], prompt: Template, samples: int) -> "PlainBuilder | None":
        """Take the fields that all requests share; None when they cannot be encoded."""
        try:
            members = {key: member(key, value) for key, value in fields.items()}
            members["messages"] = MESSAGES_BEFORE + _MARK + MESSAGES_AFTER
            before, _, after = canonical_json_of(members).decode().partition(_MARK)
        except (ValueError, TypeError, RecursionError):
            return None  # each row says what is wrong
        start, columns = before.encode(), tuple(sorted(prompt.columns or ()))
        names = tuple(fingerprint_of(start, sample) for sample in range(samples))
        return cls(prompt.joined, columns, start, after, names)

    def build(self, values: Mapping[str, object]) -> PlainRequest | None:
        """Build the request of a row; None when the row is not plain. It may be too large."""
        text = self.joined(values)
        if text is None:
            return None
        used = [values[name] for name in self.columns]
        for value in used:
            if not isinstance(value, str) or (value and not value.isspace()):
                break
        else:
            return None  # a row without text
        rest = (encode_basestring(text) + self.after).encode()
        names = tuple([name(rest) for name in self.names])
        return PlainRequest(text, self.before + rest, names, content_hash((used, [])))
