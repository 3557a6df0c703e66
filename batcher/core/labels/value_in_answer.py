"""Finds the value in an answer: the JSON that was asked for, or the first object in a text."""

import json
import math
import re
from typing import Any, NoReturn

from batcher.core.answers.message import Message

_MOST_STARTS = 50
_FENCED = re.compile(r"```[\w-]*[ \t]*\r?\n(.*?)\r?\n[ \t]*```", re.DOTALL)
_OBJECT_BEGINS = re.compile(r'\{\s*["}]')
_NO_NUMBER = "the answer has a number that JSON does not have, or that is too large"


class NoValueError(ValueError):
    """An answer holds no JSON value; the text says why, without quoting it."""


def value_of(message: Message) -> Any:
    """Read the value that a message answers with; NoValueError when there is none.

    A tool's input counts before the text.
    """
    return value_in(message.tool_input or message.text or "")


def value_in(text: str) -> Any:
    """Read the JSON value that a text is, or the first whole object in it; NoValueError without.

    What is in a code fence counts before what is in prose. Integers stay exact; numbers that JSON
    does not have, and objects with a key twice, are refused. An object that is not whole hides what
    is in it: a part of an answer is none.
    """
    text = text.strip().removeprefix("\ufeff")
    if not text:
        raise NoValueError("the answer is empty")
    for candidate in (text, *(found[1].strip() for found in _FENCED.finditer(text))):
        try:
            return _read(candidate)
        except json.JSONDecodeError:
            continue
    return _in_prose(text)


def _in_prose(text: str) -> Any:
    """Find the first object; braces that do not begin like one are prose."""
    decoder = json.JSONDecoder()
    for number, start in enumerate(_OBJECT_BEGINS.finditer(text)):
        if number == _MOST_STARTS:
            break
        try:
            _, end = decoder.raw_decode(text, start.start())
        except RecursionError:
            raise NoValueError("the answer's JSON is nested too deep") from None
        except ValueError:
            raise NoValueError("the answer's JSON is not whole") from None
        return _read(text[start.start() : end])
    raise NoValueError("the answer holds no JSON object")


def _read(text: str) -> Any:
    """Read JSON strictly; JSONDecodeError when it is none, NoValueError for what we refuse."""
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
    except ValueError:  # an integer of more digits than Python reads
        raise NoValueError(_NO_NUMBER) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise NoValueError("the answer has an object with the same key twice")
    return made


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise NoValueError(_NO_NUMBER)
    return number


def _refuse_number(_constant: str) -> NoReturn:
    raise NoValueError(_NO_NUMBER)
