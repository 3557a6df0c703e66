"""The formats of texts that JSON Schema and the API know, checked by the standard library."""

import ipaddress
import re
from collections.abc import Callable
from datetime import date, datetime, time
from urllib.parse import urlsplit

import jsonschema


def moment(text: str) -> datetime:
    """Read a date-time (RFC 3339) with its zone; ValueError for any other text.

    Fractions below a microsecond are cut off. The leap second is none of Python's times.
    """
    if not _MOMENT.fullmatch(text):
        raise ValueError("no time with its zone")
    return datetime.fromisoformat(text.upper())


def day(text: str) -> date:
    """Read a date (RFC 3339); ValueError for any other text."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError("no date")
    return date.fromisoformat(text)


_CLOCK = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
_ZONE = r"([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
_MOMENT = re.compile(rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[Tt]{_CLOCK}{_ZONE}")
# RFC 3339 wants a zone here too; nobody who asks for the time in a text means it to be there.
_TIME = re.compile(rf"{_CLOCK}{_ZONE}?")
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)*")
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOSTNAME = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*")
_DURATION = re.compile(
    r"P(?!\Z)([0-9]+Y)?([0-9]+M)?([0-9]+W)?([0-9]+D)?"
    r"(T(?=[0-9])([0-9]+H)?([0-9]+M)?([0-9]+S)?)?"
)
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _time(text: str) -> None:
    if not _TIME.fullmatch(text):
        raise ValueError("no time")
    time.fromisoformat(text.upper())


def _uri(text: str) -> None:
    if not urlsplit(text).scheme or re.search(r"[\s<>\"{}|\\^`]", text):
        raise ValueError("no URI")


def _ipv6(text: str) -> None:
    if ipaddress.IPv6Address(text).scope_id is not None:
        raise ValueError("an address with its zone")


def _like(pattern: re.Pattern[str]) -> Callable[[str], object]:
    def read(text: str) -> None:
        if not pattern.fullmatch(text):
            raise ValueError("in another form")

    return read


_READERS: dict[str, Callable[[str], object]] = {
    "date": day,
    "date-time": moment,
    "time": _time,
    "duration": _like(_DURATION),
    "email": _like(_EMAIL),
    "hostname": _like(_HOSTNAME),
    "uri": _uri,
    "uuid": _like(_UUID),
    "ipv4": ipaddress.IPv4Address,
    "ipv6": _ipv6,
}


def _checks(read: Callable[[str], object]) -> Callable[[object], bool]:
    def check(value: object) -> bool:
        if isinstance(value, str):
            read(value)
        return True

    return check


FORMAT_CHECKER = jsonschema.FormatChecker(formats=())
"""Checks texts only; every other value is in any format."""

for _name, _read in _READERS.items():
    FORMAT_CHECKER.checks(_name, raises=ValueError)(_checks(_read))
