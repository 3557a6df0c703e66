"""The formats of texts that JSON Schema and the API know, checked by the standard library."""

import ipaddress
import re
from collections.abc import Callable
from datetime import date, datetime, time
from urllib.parse import urlsplit

import jsonschema


def _checks(read: Callable[[str], object]) -> Callable[[object], bool]:
    def check(value: object) -> bool:
        if isinstance(value, str):
            read(value)
        return True

    return check


def _email(text: str) -> None:
    if not re.fullmatch(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)*", text):
        raise ValueError("no address")


def _uri(text: str) -> None:
    parts = urlsplit(text)
    if not parts.scheme or " " in text:
        raise ValueError("no scheme")


def _hostname(text: str) -> None:
    label = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    if len(text) > 253 or not re.fullmatch(rf"{label}(\.{label})*", text):
        raise ValueError("no host name")


def _duration(text: str) -> None:
    if not re.fullmatch(r"P(?!$)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?", text):
        raise ValueError("no duration")


def _uuid(text: str) -> None:
    if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text):
        raise ValueError("no UUID")


def _date(text: str) -> None:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        raise ValueError("no date")
    date.fromisoformat(text)


def _moment(text: str) -> None:
    if "T" not in text.upper() or datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("no time with its zone")


_READERS: dict[str, Callable[[str], object]] = {
    "date": _date,
    "date-time": _moment,
    "time": time.fromisoformat,
    "duration": _duration,
    "email": _email,
    "hostname": _hostname,
    "uri": _uri,
    "uuid": _uuid,
    "ipv4": ipaddress.IPv4Address,
    "ipv6": ipaddress.IPv6Address,
}

FORMATS = jsonschema.FormatChecker(formats=())
"""Checks texts only; every other value is in any format."""

for _name, _read in _READERS.items():
    FORMATS.checkers[_name] = (_checks(_read), ValueError)
