"""The rules of addresses, headers and keys: what can be sent, and where it is safe to send it.

Job files, the API client and notices all use these functions, so that they agree. Nothing here
repeats an address, a header's value or a key: each of them may be a secret.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping

from batcher.core.job.mistake import Mistake

_HOST_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_IPV6 = re.compile(r"\[([0-9A-Fa-f:.]+)\]")
_PORT = re.compile(r"[0-9]{0,5}")
_REST = re.compile(r"[\x21-\x7e]{0,4096}")

_API_DOMAIN = "anthropic.com"

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
_HEADER_VALUE = re.compile(r"(?:[\x21-\x7e](?:[\x20-\x7e]{0,8190}[\x21-\x7e])?)?")
_KEY = re.compile(r"[\x21-\x7e]{1,8192}")
_KEY_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})
_OUR_HEADERS = frozenset(
    {
        "accept-encoding",
        "anthropic-version",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
    }
)
# RFC 9110, section 7.6.1, with what such headers announce.
_CONNECTION_HEADERS = frozenset(
    {
        "connection",
        "expect",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def address_problem(
    address: str, *, takes_query: bool = False, allow_http: bool | None = None
) -> str | None:
    """Say why nothing may be sent to an address, or None: only https, except on this machine.

    ``allow_http`` is the job's api.allow_http: whether http is allowed in the user's own network;
    None where that key means nothing.
    The text continues a sentence that starts with the name of the key or variable.
    """
    scheme, _, rest = address.partition("://")
    if scheme.lower() not in {"http", "https"} or not rest.strip("/"):
        return "must look like https://host"
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    if "@" in authority:
        return "must not contain a user name"
    if not takes_query and ("?" in rest or "#" in rest):
        return "must not contain a query or a fragment"
    if not authority.isascii():
        return "must have an ASCII host: write other letters as xn--..."
    if not is_authority(authority) or not _REST.fullmatch(rest):
        return "is not an address"
    is_http = scheme.lower() == "http" and not is_loopback(_host(authority))
    return _http_problem(_host(authority), allow_http) if is_http else None


def _http_problem(host: str, allow_http: bool | None) -> str | None:
    if _is_public(host):
        return "must be https: nothing is sent unencrypted to a public address"
    if allow_http:
        return None
    problem = "must be https: nothing is sent unencrypted"
    return f"{problem} unless api.allow_http = true" if allow_http is False else problem


def is_authority(text: str) -> bool:
    """Whether a text is a host, or host:port, that a connection can be opened to."""
    host = _host(text)
    port = text[len(host) :].removeprefix(":")
    has_port = len(text) > len(host)
    if has_port and (text[len(host)] != ":" or not _PORT.fullmatch(port)):
        return False
    return _is_host(host) and (not port or 0 < int(port) < 65_536)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name or number alone; IPv6 with or without []."""
    if host.lower() == "localhost" or host.lower().endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_public(host: str) -> bool:
    """Whether a host is known to be public; a name may be one of the user's own network."""
    name = host.lower().removesuffix(".")
    if name == _API_DOMAIN or name.endswith(f".{_API_DOMAIN}"):
        return True
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_global or mapped.is_multicast)


def header_mistakes(headers: Mapping[str, str]) -> Iterator[Mistake]:
    """Find the headers of a job that must not or cannot be sent."""
    seen: set[str] = set()
    for name, value in headers.items():
        key = ("api", "headers", name)
        lower = name.lower()
        if not _HEADER_NAME.fullmatch(name):
            yield Mistake(("api", "headers"), "api.headers has an invalid header name")
        elif lower in _KEY_HEADERS:
            message = "api.headers must not contain a key: a job file is shared and kept"
            yield Mistake(key, message, "set api.key_env or api.key_command, and api.auth")
        elif lower in _OUR_HEADERS:
            hint = "set api.version" if lower == "anthropic-version" else None
            yield Mistake(key, f"api.headers must not contain {lower}: batcher sets it", hint)
        elif lower in _CONNECTION_HEADERS:
            message = f"api.headers must not contain {lower}: batcher manages the connection"
            yield Mistake(key, message)
        elif lower in seen:
            yield Mistake(key, f"api.headers contains {lower} twice, in different letter case")
        elif not _HEADER_VALUE.fullmatch(value):
            hint = "use at most 8,192 characters, without a space at the beginning or end"
            yield Mistake(key, f"api.headers.{name} must be printable ASCII", hint)
        seen.add(lower)


def is_sendable_key(text: str) -> bool:
    """Whether a header can carry a key or token: 1 to 8,192 characters of ASCII, no spaces."""
    return _KEY.fullmatch(text) is not None


def _host(authority: str) -> str:
    """Return the host of an authority; an IPv6 address keeps its brackets."""
    if authority.startswith("["):
        return authority[: authority.find("]") + 1]
    return authority.partition(":")[0]


def _is_host(host: str) -> bool:
    if ipv6 := _IPV6.fullmatch(host):
        return _is_ip(ipv6[1])
    labels = host.removesuffix(".").split(".")
    if labels[-1].isdigit():
        return _is_ip(host.removesuffix("."))
    return len(host) <= 253 and all(_HOST_LABEL.fullmatch(label) for label in labels)


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
