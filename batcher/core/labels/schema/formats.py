"""Checks the text formats that JSON Schema and the API share, with the standard library."""

import ipaddress
import re
from collections.abc import Callable
from datetime import date, datetime, time
from urllib.parse import urlsplit


def parse_datetime(text: str) -> datetime:
    """Parse a date-time (RFC 3339) with its zone; ValueError for any other text.

    Fractions below a microsecond are cut off. Leap seconds are refused, as Python has none.
    """
    if not _DATETIME.fullmatch(text):
        raise ValueError("not a date and time with a zone")
    return datetime.fromisoformat(text.upper())


def parse_date(text: str) -> date:
    """Parse a date (RFC 3339); ValueError for any other text."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError("not a date")
    return date.fromisoformat(text)


_CLOCK = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
_ZONE = r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
_DATETIME = re.compile(rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[Tt]{_CLOCK}{_ZONE}")
# RFC 3339 requires a zone here too, but times in texts rarely have one.
_TIME = re.compile(rf"{_CLOCK}{_ZONE}?")
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)*")
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOSTNAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*")
_DURATION = re.compile(
    r"P(?!\Z)([0-9]+Y)?([0-9]+M)?([0-9]+W)?([0-9]+D)?"
    r"(T(?=[0-9])([0-9]+H)?([0-9]+M)?([0-9]+S)?)?"
)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _check_time(text: str) -> None:
    if not _TIME.fullmatch(text):
        raise ValueError("not a time")
    time.fromisoformat(text.upper())


def _check_uri(text: str) -> None:
    if not urlsplit(text).scheme or re.search(r"[\s<>\"{}|\\^`]", text):
        raise ValueError("not a URI")


def _check_ipv6(text: str) -> None:
    if ipaddress.IPv6Address(text).scope_id is not None:
        raise ValueError("an address with a zone")


def _matches(pattern: re.Pattern[str]) -> Callable[[str], object]:
    def check(text: str) -> None:
        if not pattern.fullmatch(text):
            raise ValueError("in another format")

    return check


PARSERS: dict[str, Callable[[str], object]] = {
    "date": parse_date,
    "date-time": parse_datetime,
    "time": _check_time,
    "duration": _matches(_DURATION),
    "email": _matches(_EMAIL),
    "hostname": _matches(_HOSTNAME),
    "uri": _check_uri,
    "uuid": _matches(_UUID),
    "ipv4": ipaddress.IPv4Address,
    "ipv6": _check_ipv6,
}
