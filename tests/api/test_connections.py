"""Connections: kept, refused, encrypted, cancelled; and what never leaves them."""

import asyncio
import shutil
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest
from fault_server import BODY, CANARY, DEAF, HANG, KEEP, RESET, FaultServer, answered, run_async

from batcher.api.client import MessagesClient
from batcher.api.key import Secret
from batcher.core.answers.response import Response
from batcher.core.job import ApiSection

Certified = tuple[ssl.SSLContext, Path]

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


def test_an_extra_answer_is_not_taken_for_the_next() -> None:
    """A server that says more than was asked must not shift answers to other rows."""
    server = FaultServer([[answered(b"1") + answered(b"extra"), KEEP], [answered(b"2"), KEEP]])
    results = asyncio.run(run_async(server, times=3))
    assert [result.body for result in results] == [b"1", b"2", b"2"]
    assert server.connections == 2


def test_a_connection_is_kept() -> None:
    """Three answers on one slot need one connection."""
    server = FaultServer([[answered(b"{}"), KEEP]])
    asyncio.run(run_async(server, times=3))
    assert (server.connections, len(server.requests)) == (1, 3)


def test_a_fault_does_not_spoil_the_next_attempt() -> None:
    """After any failure the same slot works again."""
    good = [answered(b"{}"), KEEP]
    for bad in ([RESET], [b""], [HANG], [HEAD, RESET], [CHUNKED + b"zz"], [b"junk\r\n\r\n"]):
        server = FaultServer([bad, good])
        _, result = asyncio.run(run_async(server, times=2, timeout_s=0.3))
        assert (result.status, result.fault) == (200, None), bad


def test_a_kept_connection_that_was_closed_is_not_used() -> None:
    """A server's closing of an idle connection is seen before the next request is written."""
    server = FaultServer([[answered(b"1")], [answered(b"2")]])
    results = asyncio.run(run_async(server, times=2))
    assert [result.body for result in results] == [b"1", b"2"]


def test_a_refused_port_was_not_sent() -> None:
    """A refused connection is known not to have cost anything."""

    async def run() -> Any:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        return await run_async(FaultServer([[b""]]), base_url=f"http://127.0.0.1:{port}")

    [result] = asyncio.run(run())
    assert (result.error_type, result.was_sent) == ("client.connect", False)
    assert "refused" in result.message


def test_an_unknown_host_was_not_sent() -> None:
    """A name without an address is told apart, and known not to have cost anything."""
    url = "https://name.invalid"
    [result] = asyncio.run(run_async(FaultServer([[b""]]), base_url=url, timeout_s=1.0))
    assert result.error_type in {"client.dns", "client.connect_timeout"}
    assert not result.was_sent


def test_a_server_that_does_not_accept_was_not_sent() -> None:
    """No connection within the timeout is known not to have cost anything."""

    async def run() -> Any:
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
            port = full.getsockname()[1]
            held = [socket.socket() for _ in range(4)]
            for one in held:
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
            url = f"http://127.0.0.1:{port}"
            results = await run_async(FaultServer([[b""]]), base_url=url, timeout_s=0.2)
            for one in held:
                one.close()
            return results

    [result] = asyncio.run(run())
    assert (result.error_type, result.was_sent) == ("client.connect_timeout", False)


@pytest.fixture
def self_signed(tmp_path: Path) -> Certified:
    """Make a certificate that nobody vouches for, for 127.0.0.1."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *[
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
            ],
            *[
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=127.0.0.1",
                "-addext",
                "subjectAltName=IP:127.0.0.1",
            ],
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate


def test_a_certificate_that_does_not_verify_is_fatal(self_signed: Certified) -> None:
    """No retry mends a certificate, and nothing was sent to whoever showed it."""
    context, _ = self_signed
    server = FaultServer([[answered(b"{}")]])
    [result] = asyncio.run(run_async(server, tls=context))
    assert (result.error_type, result.is_fatal, result.was_sent) == ("client.tls", True, False)
    assert server.requests == []


def test_a_certificate_that_the_environment_vouches_for_is_good(
    self_signed: Certified, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSL_CERT_FILE adds an authority, as behind a company's proxy; extra answers stay apart."""
    context, certificate = self_signed
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = FaultServer(
        [[answered(b"1"), answered(b"extra"), KEEP], [answered(b"2"), KEEP], [answered(b"2"), KEEP]]
    )
    results = asyncio.run(run_async(server, times=3, tls=context))
    assert [result.body for result in results] == [b"1", b"2", b"2"]


def test_a_server_without_tls_is_not_fatal() -> None:
    """Plain HTTP on an https port may be passing; nothing was sent."""

    async def run() -> Any:
        plain = FaultServer([[DEAF, b"HTTP/1.1 400 Bad Request\r\n\r\n"]])
        async with plain.running():
            url = f"https://127.0.0.1:{plain.port}"
            return await run_async(FaultServer([[b""]]), base_url=url)

    [result] = asyncio.run(run())
    assert (result.error_type, result.is_fatal, result.was_sent) == ("client.connect", False, False)


def test_cancelling_closes_the_connection_and_frees_the_slot() -> None:
    """A cancelled attempt raises CancelledError at once, and the slot serves the next."""

    async def run() -> Any:
        server = FaultServer([[HEAD + b"content-length: 9\r\n\r\n", HANG], [answered(b"{}")]])
        async with server.running():
            api = ApiSection(base_url=f"http://127.0.0.1:{server.port}")
            async with MessagesClient(api, Secret(CANARY), connections=1, timeout_s=1) as client:
                first = asyncio.create_task(client.send(0, BODY))
                await server.has_request.wait()
                first.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await first
                return await client.send(0, BODY)

    assert asyncio.run(run()).body == b"{}"


def test_cancelling_at_any_step_does_not_lose_the_slot() -> None:
    """Interrupted anywhere, even while the connection is taken back, a slot goes on to serve."""

    async def run() -> list[Any]:
        server = FaultServer([[answered(b"{}"), KEEP]])
        async with server.running():
            api = ApiSection(base_url=f"http://127.0.0.1:{server.port}")
            async with MessagesClient(api, Secret(CANARY), connections=1, timeout_s=1) as client:
                results = []
                for steps in range(60):
                    cancelled = asyncio.create_task(client.send(0, BODY))
                    for _ in range(steps):
                        await asyncio.sleep(0)
                    cancelled.cancel()
                    await asyncio.wait([cancelled])
                    results.append(await client.send(0, BODY))
                    if not isinstance(results[-1], Response):
                        break
                return results

    results = asyncio.run(run())
    assert {getattr(result, "body", None) for result in results} == {b"{}"}


@pytest.mark.parametrize(
    ("error", "error_type", "was_sent"),
    [
        (httpx.ConnectError("x"), "client.connect", False),
        (httpx.ConnectTimeout("x"), "client.connect_timeout", False),
        (httpx.PoolTimeout("x"), "client.pool", False),
        (httpx.ProxyError("x"), "client.proxy", False),
        (httpx.WriteError("x"), "client.write", True),
        (httpx.WriteTimeout("x"), "client.timeout", True),
        (httpx.ReadTimeout("x"), "client.timeout", True),
        (httpx.LocalProtocolError(f"Illegal header value {CANARY}"), "client.protocol", True),
        (OSError(f"{CANARY}"), "client.read", True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_transport_error_never_speaks_for_itself(
    error: Exception, error_type: str, was_sent: bool
) -> None:
    """Types and wording are ours; an exception's own text may quote a header or a body."""

    def fail(_request: httpx.Request) -> NoReturn:
        raise error

    async def run() -> Any:
        client = MessagesClient(
            ApiSection(),
            Secret(CANARY),
            connections=1,
            timeout_s=1,
            open_transport=lambda: httpx.MockTransport(fail),
        )
        async with client:
            return await client.send(0, BODY)

    result = asyncio.run(run())
    assert (result.error_type, result.was_sent) == (error_type, was_sent)
    assert CANARY not in repr(result)


def test_a_body_that_was_not_asked_for_was_not_sent() -> None:
    """A connection that breaks before the body leaves cost nothing: a head alone is no request."""

    class Broken(httpx.AsyncBaseTransport):
        async def handle_async_request(self, _request: httpx.Request) -> NoReturn:
            raise httpx.WriteError("broken pipe")

    async def run() -> Any:
        client = MessagesClient(
            ApiSection(), Secret(CANARY), connections=1, timeout_s=1, open_transport=Broken
        )
        return await client.send(0, BODY)

    assert not asyncio.run(run()).was_sent
