"""The address and the headers of the server in [api]."""

from typing import Any

import pytest

from batcher.core.job.mistake import dotted
from batcher.core.job.reading import read_job


def data(**sections: dict[str, Any]) -> dict[str, Any]:
    """Return the data of a correct job with some keys changed; None removes a key."""
    plain: dict[str, Any] = {
        "input": {"path": "in.jsonl"},
        "request": {"model": "m", "max_tokens": 1, "prompt": "{{ x }}"},
    }
    for name, keys in sections.items():
        plain[name] = {**plain.get(name, {}), **keys}
        plain[name] = {key: value for key, value in plain[name].items() if value is not None}
    return plain


def messages(**sections: dict[str, Any]) -> list[str]:
    """Return the mistakes of a job, each as its key and message."""
    return [
        f"{dotted(mistake.key)}: {mistake.message}"
        for mistake in read_job(data(**sections)).mistakes
    ]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("https://api.example.com/v1", None),
        ("HTTPS://API.example.com./v1/", None),
        ("https://192.0.2.1:8443", None),
        ("https://xn--bcher-kva.example", None),
        ("http://localhost:8080", None),
        ("http://LOCALHOST", None),
        ("http://127.0.0.1:1", None),
        ("http://[::1]:1", None),
        ("simulator", None),
        ("http://example.com", "must be https"),
        ("http://localhost.example.com", "must be https"),
        ("http://127.0.0.1.example.com", "must be https"),
        ("http://[2001:db8::1]", "must be https"),
        ("ftp://example.com", "must look like"),
        ("example.com", "must look like"),
        (" https://example.com", "must look like"),
        ("https://", "must look like"),
        ("Simulator", "must look like"),
        ("https://user:word@example.com", "must not contain a user"),
        ("https://@example.com", "must not contain a user"),
        ("https://example.com?a=b", "must not contain a query"),
        ("https://example.com?", "must not contain a query"),
        ("https://example.com/v1#", "must not contain a query or a fragment"),
        ("https://b\u00fccher.example", "must have an ASCII host"),
        ("https://example.com:99999", "is not an address"),
        ("https://example.com:0", "is not an address"),
        ("https://example.com:+80", "is not an address"),
        ("https://[::1", "is not an address"),
        ("https://[fe80::1%25eth0]", "is not an address"),
        ("https://2001:db8::1", "is not an address"),
        ("https://256.1.1.1", "is not an address"),
        ("https://127.1", "is not an address"),
        ("https://a..b", "is not an address"),
        ("https://a b", "is not an address"),
        ("https://ho\nst", "is not an address"),
        ("https://host\\x", "is not an address"),
        ("https://example.com/a b", "is not an address"),
        (f"https://{'a' * 64}.example", "is not an address"),
    ],
)
def test_only_addresses_that_are_safe_for_a_key(address: str, words: str | None) -> None:
    """Accepted are https, this machine and the simulator."""
    found = messages(api={"base_url": address})
    assert [words is None or words in one for one in found] == [True] * (words is not None)


PRIVATE = [
    "http://10.0.0.5:4000",
    "http://172.16.0.1",
    "http://172.31.255.254/anthropic",
    "http://192.168.1.20:8080",
    "http://169.254.10.1",
    "http://100.64.0.7",
    "http://[fd00::1]:8000",
    "http://[fe80::1]",
    "http://[::ffff:10.0.0.1]",
    "http://host.docker.internal:11434",
    "http://litellm:4000",
    "http://gateway.corp.example.com",
]
PUBLIC = [
    "http://8.8.8.8",
    "http://172.32.0.1",
    "http://192.169.0.1",
    "http://100.128.0.1",
    "http://[2606:4700::1111]",
    "http://[::ffff:8.8.8.8]",
    "http://224.0.0.1",
    "http://api.anthropic.com",
    "http://API.Anthropic.com.",
]


@pytest.mark.parametrize("auth", ["none", "x-api-key", "bearer"])
@pytest.mark.parametrize("address", PRIVATE)
def test_http_in_the_own_network_is_allowed_by_saying_so(address: str, auth: str) -> None:
    """With api.allow_http only; without it the message names the key."""
    assert messages(api={"base_url": address, "auth": auth, "allow_http": True}) == []
    (found,) = messages(api={"base_url": address, "auth": auth})
    assert "unless api.allow_http = true" in found


@pytest.mark.parametrize("allow_http", [False, True])
@pytest.mark.parametrize("address", PUBLIC)
def test_http_to_a_public_address_is_never_allowed(address: str, allow_http: bool) -> None:
    """Nor is it to the API itself."""
    (found,) = messages(api={"base_url": address, "allow_http": allow_http})
    assert "unencrypted to a public address" in found


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"anthropic-beta": "a, b", "X-Trace": ""}, None),
        ({"X-Api-Key": "k"}, "must not contain a key"),
        ({"Proxy-Authorization": "k"}, "must not contain a key"),
        ({"Transfer-Encoding": "chunked"}, "batcher manages the connection"),
        ({"keep-alive": "5"}, "batcher manages the connection"),
        ({"content-encoding": "gzip"}, "batcher sets it"),
        ({"X-A": "1", "x-a": "1"}, "contains x-a twice"),
        ({"x:": "1"}, "has an invalid header name"),
        ({"": "1"}, "has an invalid header name"),
        ({"x" * 257: "1"}, "has an invalid header name"),
        ({"x-a": "tab\t"}, "must be printable ASCII"),
        ({"x-a": " blank"}, "must be printable ASCII"),
        ({"x-a": "blank "}, "must be printable ASCII"),
        ({"x-a": "x" * 8193}, "must be printable ASCII"),
    ],
)
def test_only_headers_that_can_be_sent(headers: dict[str, str], words: str | None) -> None:
    """Refused are keys, headers that batcher sets, and what HTTP cannot carry."""
    found = messages(api={"headers": headers})
    assert [words is None or words in one for one in found] == [True] * (words is not None)
