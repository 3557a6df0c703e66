"""Attempts against a faulty server; the key is never logged; no proxies are used."""

import asyncio
import logging
import shutil
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import fault_server
import pytest
from fault_server import CANARY, Attempts, Certified, FaultServer, Step, run_async


@pytest.fixture(params=["auto", "httpx"])
def each_transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test with connections of our own and with those of httpx."""
    monkeypatch.setattr(fault_server, "default", {"transport": request.param})


@pytest.fixture(params=["http", "https"])
def each_scheme(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test with and without TLS."""
    if request.param == "https":
        context, certificate = request.getfixturevalue("self_signed")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        monkeypatch.setattr(fault_server, "default_tls", context)


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


@pytest.fixture
def self_signed(tmp_path: Path) -> Certified:
    """Make a certificate for 127.0.0.1 and api.example that no authority has signed."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    names = "subjectAltName=IP:127.0.0.1,DNS:api.example"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        f"-subj /CN=127.0.0.1 -addext {names} -keyout {key} -out {certificate}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate
