"""The server that a job names."""

from typing import Any

import pytest

from batcher.core.job.mistake import dotted
from batcher.core.job.reading import read_job


def data(**sections: dict[str, Any]) -> dict[str, Any]:
    """Make a right job's data, with some sections changed; None takes a key away."""
    plain: dict[str, Any] = {
        "input": {"path": "in.jsonl"},
        "request": {"model": "m", "max_tokens": 1, "prompt": "{{ x }}"},
    }
    for name, keys in sections.items():
        plain[name] = {**plain.get(name, {}), **keys}
        plain[name] = {key: value for key, value in plain[name].items() if value is not None}
    return plain


def messages(**sections: dict[str, Any]) -> list[str]:
    """List what is wrong with a job, each as its key and message."""
    return [f"{dotted(one.key)}: {one.message}" for one in read_job(data(**sections)).mistakes]


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("https://api.example.com/v1", None),
        ("http://localhost:8080", None),
        ("http://127.0.0.1:1", None),
        ("http://[::1]:1", None),
        ("simulator", None),
        ("http://example.com", "must be https"),
        ("http://localhost.example.com", "must be https"),
        ("ftp://example.com", "must look like"),
        ("example.com", "must look like"),
        ("https://", "must look like"),
        ("https://user:word@example.com", "may not hold a user"),
        ("https://example.com?a=b", "may not hold a user"),
        ("https://example.com:99999", "is not an address"),
        ("https://[::1", "is not an address"),
    ],
)
def test_the_server_is_one_a_key_is_safe_with(address: str, words: str | None) -> None:
    """Only https, this machine or the simulator."""
    found = messages(api={"base_url": address})
    assert found == [] if words is None else words in found[0]
