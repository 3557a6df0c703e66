"""What the Message Batches API sends, as values. The bytes may be anything; no error quotes them.

The messages of results keep their exact bytes: they are recorded as a live response would be.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from batcher.core.answers.strict_json import load

IN_PROGRESS, CANCELING, ENDED = "in_progress", "canceling", "ended"
SUCCEEDED, ERRORED, CANCELED, EXPIRED = "succeeded", "errored", "canceled", "expired"


class UnreadableBatch(ValueError):  # noqa: N818 - the name says what is wrong
    """A body is not a batch or not a page of batches; the reason does not quote it."""


class UnreadableResult(ValueError):  # noqa: N818
    """A line of results names no item or no type of result; the reason does not quote it."""


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """How many items are in which state; all are ``processing`` until the batch has ended."""

    processing: int
    succeeded: int
    errored: int
    canceled: int
    expired: int

    @property
    def total(self) -> int:
        """All items."""
        return self.processing + self.succeeded + self.errored + self.canceled + self.expired


@dataclass(frozen=True, slots=True)
class BatchObject:
    """A batch as the API shows it; a ``processing_status`` that is not known is not ``ended``."""

    id: str
    processing_status: str
    counts: BatchCounts
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    archived_at: datetime | None = None
    cancel_initiated_at: datetime | None = None
    results_url: str | None = None

    @property
    def total(self) -> int:
        """The number of its items."""
        return self.counts.total

    @property
    def has_ended(self) -> bool:
        """Whether all items are done, so that nothing more is billed."""
        return self.processing_status == ENDED


@dataclass(frozen=True, slots=True)
class ResultLine:
    """The result of one item.

    ``message`` is the exact JSON of a succeeded item, and ``error`` that of an errored one; empty
    when the line lacks it, as the body of a live response can be. Both are None for other types.
    """

    custom_id: str
    type: str
    message: bytes | None = field(default=None, repr=False)
    error: bytes | None = field(default=None, repr=False)


_JSON = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]+")
_Span = tuple[int, int]


def parse_batch(body: bytes) -> BatchObject:
    """Parse a batch; raises UnreadableBatch."""
    return _batch(_object(body))


def parse_page(body: bytes) -> tuple[list[BatchObject], bool, str | None]:
    """Parse a page of the list: its batches, whether there are more, and the last one's id.

    Raises UnreadableBatch, also for one unreadable batch: a page without it would show that a
    batch does not exist which does.
    """
    page = _object(body)
    data, has_more = page.get("data"), page.get("has_more")
    if not isinstance(data, list) or not isinstance(has_more, bool):
        raise UnreadableBatch("the body is not a page of batches")
    batches = [_batch(value) for value in data]
    if has_more and not batches:
        raise UnreadableBatch("a page without batches says that there are more")
    return batches, has_more, batches[-1].id if batches else None


def is_deleted(body: bytes, batch_id: str) -> bool:
    """Whether the response to a delete says that this batch was deleted."""
    try:
        value = _object(body)
    except UnreadableBatch:
        return False
    return (value.get("type"), value.get("id")) == ("message_batch_deleted", batch_id)


def parse_result(line: bytes) -> ResultLine:
    """Parse a line of results; raises UnreadableResult.

    Only the structure of the line is judged. The message is not: its reader does that, and so
    treats it as it treats a live response.
    """
    try:
        # Each byte becomes one character, so that places in the text are places in the bytes.
        text = line.decode("latin-1")
        outer, end = _members(text, 0)
        inner, _ = _members(text, outer["result"][0])
        names = load(line[slice(*outer["custom_id"])]), load(line[slice(*inner["type"])])
    except RecursionError:
        raise UnreadableResult("the line is nested too deep") from None
    except (ValueError, IndexError, KeyError):
        raise UnreadableResult("the line is not a result") from None
    if text[end:].strip(" \t\r\n") or not all(isinstance(name, str) for name in names):
        raise UnreadableResult("the line is not a result")
    message = line[slice(*inner.get("message", (0, 0)))]
    error = line[slice(*inner.get("error", (0, 0)))]
    return ResultLine(
        *names,
        message=message if names[1] == SUCCEEDED else None,
        error=error if names[1] == ERRORED else None,
    )


def _members(text: str, start: int) -> tuple[dict[str, _Span], int]:
    """Return where the values of an object lie in a text, by key, and where the object ends."""
    members: dict[str, _Span] = {}
    index = _after(text, start, "{")
    if text[index] == "}":
        return members, index + 1
    while text[index] == '"':
        key, index = _JSON.raw_decode(text, index)
        begin = _after(text, index, ":")
        _, end = _JSON.raw_decode(text, begin)
        members[key] = begin, end
        index = _after(text, end, "")
        if text[index] == "}":
            return members, index + 1
        index = _after(text, index, ",")
    raise ValueError


def _after(text: str, index: int, mark: str) -> int:
    """Return the place after a mark and the white space around it; raises ValueError without it."""
    index = _next(text, index)
    if not text.startswith(mark, index):
        raise ValueError
    return _next(text, index + len(mark))


def _next(text: str, index: int) -> int:
    space = _SPACE.match(text, index)
    return space.end() if space else index


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = load(body)
    except ValueError as error:
        raise UnreadableBatch(f"the body is {error}") from None
    if not isinstance(value, dict):
        raise UnreadableBatch("the body is not a JSON object")
    return value


def _batch(value: Any) -> BatchObject:
    if not isinstance(value, dict) or value.get("type", "message_batch") != "message_batch":
        raise UnreadableBatch("the body is not a batch")
    return BatchObject(
        id=_text(value, "id"),
        processing_status=_text(value, "processing_status"),
        counts=_counts(value.get("request_counts")),
        created_at=_required_time(value, "created_at"),
        expires_at=_required_time(value, "expires_at"),
        ended_at=_time(value, "ended_at"),
        archived_at=_time(value, "archived_at"),
        cancel_initiated_at=_time(value, "cancel_initiated_at"),
        results_url=None if value.get("results_url") is None else _text(value, "results_url"),
    )


def _counts(value: Any) -> BatchCounts:
    """Read the counts; one that is missing or unknown would make the total wrong."""
    names = BatchCounts.__dataclass_fields__
    if not isinstance(value, dict) or set(value) != set(names):
        raise UnreadableBatch("the batch's request_counts are not those that batcher knows")
    if not all(type(count) is int and count >= 0 for count in value.values()):
        raise UnreadableBatch("the batch's request_counts are not counts")
    return BatchCounts(**value)


def _text(value: Mapping[str, Any], key: str) -> str:
    text = value.get(key)
    if not isinstance(text, str) or not text.isascii() or not text.isprintable() or not text:
        raise UnreadableBatch(f"the batch's {key} is not a text that batcher can use")
    return text


def _required_time(value: Mapping[str, Any], key: str) -> datetime:
    time = _time(value, key)
    if time is None:
        raise UnreadableBatch(f"the batch has no {key}")
    return time


def _time(value: Mapping[str, Any], key: str) -> datetime | None:
    text = value.get(key)
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise UnreadableBatch(f"the batch's {key} is not a time") from None
    if time.tzinfo is None:
        raise UnreadableBatch(f"the batch's {key} has no time zone")
    return time
