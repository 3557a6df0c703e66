"""Finds the JSON value in an answer: the whole text, or the first object in it."""

import json
import math
import re
from typing import Any, NoReturn

from batcher.core.answers.message import Message

_MAX_STARTS = 50
_FENCED = re.compile(r"```[\w-]*[ \t]*\r?\n(.*?)\r?\n[ \t]*```", re.DOTALL)
_OBJECT_BEGINS = re.compile(r'\{\s*["}]')
_NO_NUMBER = "the answer has a number that JSON does not have, or that is too large"


class NoValueError(ValueError):
    """An answer has no JSON value; the message says why and does not quote the answer."""


def value_of(message: Message) -> Any:
    """Return the JSON value of a message; NoValueError when there is none.

    The input of a tool call is used before the text.
    """
    return value_in(message.tool_input or message.text or "")


def value_in(text: str) -> Any:
    """Return the JSON value of a text, or the first complete object in it; else NoValueError.

    A code fence is used before prose. Integers stay exact; numbers that JSON does not have and
    objects with a repeated key are refused. Objects inside an incomplete object are not used: a
    part of an answer is not an answer.
    """
    text = text.strip().removeprefix("\ufeff")
    if not text:
        raise NoValueError("the answer is empty")
    for candidate in (text, *(match[1].strip() for match in _FENCED.finditer(text))):
        try:
            return _read(candidate)
        except json.JSONDecodeError:
            continue
    return _in_prose(text)


def _in_prose(text: str) -> Any:
    """Return the first object; braces that do not start like an object are prose."""
    decoder = json.JSONDecoder()
    for number, start in enumerate(_OBJECT_BEGINS.finditer(text)):
        if number == _MAX_STARTS:
            break
        try:
            _, end = decoder.raw_decode(text, start.start())
        except RecursionError:
            raise NoValueError("the answer's JSON is nested too deep") from None
        except ValueError:
            raise NoValueError("the answer's JSON is incomplete") from None
        return _read(text[start.start() : end])
    raise NoValueError("the answer has no JSON object")


def _read(text: str) -> Any:
    """Parse JSON strictly; JSONDecodeError for other text, NoValueError for refused values."""
    try:
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse_number,
            parse_float=_finite,
        )
    except RecursionError:
        raise NoValueError("the answer's JSON is nested too deep") from None
    except (json.JSONDecodeError, NoValueError):
        raise
    except ValueError:  # an integer with more digits than Python parses
        raise NoValueError(_NO_NUMBER) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise NoValueError("the answer has an object with the same key twice")
    return result


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise NoValueError(_NO_NUMBER)
    return number


def _refuse_number(_constant: str) -> NoReturn:
    raise NoValueError(_NO_NUMBER)
