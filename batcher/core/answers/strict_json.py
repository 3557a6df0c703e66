"""Reads JSON from untrusted sources: all invalid JSON is a ValueError that quotes nothing."""

import json
import math
from collections.abc import Callable
from typing import Any, NoReturn


def load(data: bytes | str) -> Any:
    """Read JSON that may be hostile.

    NaN, infinities (also numbers that become one, such as 1e999), invalid UTF-8 and nesting too
    deep for the parser are ValueErrors. Lone surrogates are accepted: they are legal in JSON.
    """
    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
        if text.startswith("{") and text.endswith("}"):  # three layers of the parser less
            value, end = _scan(text, 0)
            if end == len(text):
                return value
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except (ValueError, StopIteration):
        raise ValueError("not JSON") from None


def load_with_special_numbers(data: bytes) -> Any:
    """Read what ``load`` refuses only for NaN, infinities and numbers that become one."""
    try:
        return json.loads(data.decode("utf-8"))
    except (RecursionError, ValueError):
        raise ValueError("not JSON") from None


def dump(value: Any) -> bytes:
    """Write compact JSON; lone surrogates, which UTF-8 cannot encode, are written escaped."""
    try:
        try:
            return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        except UnicodeEncodeError:
            return json.dumps(value, separators=(",", ":")).encode()
    except RecursionError:
        raise ValueError("nested too deep") from None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _refuse(_constant: str) -> NoReturn:
    raise ValueError("not a number")


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)  # costs as much as a parse
_scan: Callable[[str, int], tuple[Any, int]] = _DECODER.scan_once  # type: ignore[attr-defined]
