"""Parses each response once into the values of an output: labels, text and thinking."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from batcher.core.answers.message import Message, UnreadableMessage, parse_message, text_of_plain
from batcher.core.labels.labels import Labels
from batcher.core.labels.verdict import Valid


@dataclass(frozen=True, slots=True)
class ParsedAnswer:
    """The parts of a response that become columns; each is None when the response has none.

    ``value`` holds the labels in the schema's spelling, and only when they are valid.
    """

    value: Mapping[str, Any] | None = None
    text: str | None = None
    thinking: str | None = None


_NO_ANSWER = ParsedAnswer()


def parse_answers(
    results: pa.Table, labels: Labels | None, *, keeps_text: bool
) -> list[ParsedAnswer]:
    """Parse the response body of each result once; one answer for each row, in order.

    ``results`` has the columns of the store's query. Bodies that no column needs are not parsed.
    """
    if labels is None and not keeps_text:
        return [_NO_ANSWER] * results.num_rows
    statuses, bodies = (results.column(name).to_pylist() for name in ("status", "body"))
    answers = []
    for status, body in zip(statuses, bodies, strict=True):
        checked_labels = labels if status == "succeeded" else None
        is_needed = body is not None and (keeps_text or checked_labels is not None)
        answers.append(
            _parsed(body, checked_labels, keeps_text=keeps_text) if is_needed else _NO_ANSWER
        )
    return answers


def _parsed(body: bytes, labels: Labels | None, *, keeps_text: bool) -> ParsedAnswer:
    if labels is None and (text := text_of_plain(body)) is not None:
        return ParsedAnswer(text=text or None)
    try:
        message = parse_message(body)
    except UnreadableMessage:
        return _NO_ANSWER
    value = None if labels is None else _valid_value(labels, message)
    if not keeps_text:
        return ParsedAnswer(value)
    # Servers and models without structured output answer by a forced tool call.
    return ParsedAnswer(value, message.text or message.tool_input, message.thinking or None)


def _valid_value(labels: Labels, message: Message) -> Mapping[str, Any] | None:
    result = labels.validate(message)
    return result.value if isinstance(result, Valid) else None
