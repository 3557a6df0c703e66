"""Attempts against a faulty server; the key is never logged; no proxies are used."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from fault_server import CANARY, Attempts, FaultServer, Step, run_async


@pytest.fixture
def attempts() -> Attempts:
    """Run attempts one after another on one slot, against a server with the given scripts."""

    def run(*scripts: Sequence[Step], times: int = 1, **options: Any) -> list[Any]:
        return asyncio.run(run_async(FaultServer(scripts), times, **options))

    return run


@pytest.fixture(autouse=True)
def no_key_in_logs(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Check after each test that the key is not in the log at any level."""
    caplog.set_level(logging.DEBUG)
    yield
    for when in ("setup", "call"):
        for record in caplog.get_records(when):
            assert CANARY not in logging.Formatter().format(record)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the proxies from the environment."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
