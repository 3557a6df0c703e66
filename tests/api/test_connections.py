"""Connections: kept, refused, encrypted, cancelled; errors quote no content."""

import asyncio
import errno
import socket
from typing import Any, NoReturn

import httpx
import pytest
from fault_server import (
    BODY,
    CANARY,
    DEAF,
    HANG,
    KEEP,
    RESET,
    Certified,
    FaultServer,
    reply,
    run_async,
    section,
)

from batcher.api.client import MessagesClient
from batcher.api.key import Secret
from batcher.core.answers.response import Response
from batcher.core.job import ApiSection
from batcher.errors import ConfigurationError

pytestmark = pytest.mark.usefixtures("each_transport", "each_scheme")

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


def test_an_extra_response_does_not_belong_to_the_next_request() -> None:
    """A server that sends two responses to a request must not shift them to other rows."""
    server = FaultServer([[reply(b"1") + reply(b"extra"), KEEP], [reply(b"2"), KEEP]])
    results = asyncio.run(run_async(server, times=3))
    assert [result.body for result in results] == [b"1", b"2", b"2"]
    assert server.connections == 2


def test_a_connection_is_kept() -> None:
    """Three responses on one slot need one connection."""
    server = FaultServer([[reply(b"{}"), KEEP]])
    asyncio.run(run_async(server, times=3))
    assert (server.connections, len(server.requests)) == (1, 3)


def test_a_fault_does_not_spoil_the_next_attempt() -> None:
    """After any failure the same slot works again."""
    good = [reply(b"{}"), KEEP]
    for bad in ([RESET], [b""], [HANG], [HEAD, RESET], [CHUNKED + b"zz"], [b"junk\r\n\r\n"]):
        server = FaultServer([bad, good])
        _, result = asyncio.run(run_async(server, times=2, timeout_s=0.3))
        assert (result.status, result.fault) == (200, None), bad


def test_a_kept_connection_that_was_closed_is_not_used() -> None:
    """A closed idle connection is detected before the next request is written."""
    server = FaultServer([[reply(b"1")], [reply(b"2")]])
    results = asyncio.run(run_async(server, times=2))
    assert [result.body for result in results] == [b"1", b"2"]


def test_a_refused_port_was_not_sent() -> None:
    """A refused connection certainly cost nothing."""

    async def run() -> Any:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        return await run_async(FaultServer([[b""]]), base_url=f"http://127.0.0.1:{port}")

    [result] = asyncio.run(run())
    assert (result.error_type, result.was_sent) == ("client.connect", False)
    assert "refused" in result.message


def test_an_unknown_host_was_not_sent() -> None:
    """A name without an address has its own error type, and certainly cost nothing."""
    url = "https://name.invalid"
    [result] = asyncio.run(run_async(FaultServer([[b""]]), base_url=url, timeout_s=1.0))
    assert result.error_type in {"client.dns", "client.connect_timeout"}
    assert not result.was_sent


def test_a_server_that_does_not_accept_was_not_sent() -> None:
    """An attempt without a connection within the timeout certainly cost nothing."""

    async def run() -> Any:
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
            port = full.getsockname()[1]
            waiting = [socket.socket() for _ in range(4)]
            for connection in waiting:
                connection.setblocking(False)
                connection.connect_ex(("127.0.0.1", port))
            url = f"http://127.0.0.1:{port}"
            results = await run_async(FaultServer([[b""]]), base_url=url, timeout_s=0.2)
            for connection in waiting:
                connection.close()
            return results

    [result] = asyncio.run(run())
    assert (result.error_type, result.was_sent) == ("client.connect_timeout", False)


def test_a_certificate_that_does_not_verify_is_fatal(
    self_signed: Certified, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A retry cannot help, and nothing was sent to that server."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    context, _ = self_signed
    server = FaultServer([[reply(b"{}")]])
    [result] = asyncio.run(run_async(server, tls=context))
    assert (result.error_type, result.is_fatal, result.was_sent) == ("client.tls", True, False)
    assert server.requests == []


def test_the_environment_can_add_a_certificate(
    self_signed: Certified, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSL_CERT_FILE adds an authority; extra responses are detected with TLS, too."""
    context, certificate = self_signed
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    server = FaultServer(
        [
            [reply(b"1"), reply(b"extra"), KEEP],
            [reply(b"2"), KEEP],
            [reply(b"2"), KEEP],
        ]
    )
    results = asyncio.run(run_async(server, times=3, tls=context))
    assert [result.body for result in results] == [b"1", b"2", b"2"]


def test_a_server_without_tls_is_not_fatal() -> None:
    """Plain HTTP on an https port may be a transient error; nothing was sent."""

    async def run() -> Any:
        plain = FaultServer([[DEAF, b"HTTP/1.1 400 Bad Request\r\n\r\n"]])
        async with plain.running():
            url = f"https://127.0.0.1:{plain.port}"
            return await run_async(FaultServer([[b""]]), base_url=url)

    [result] = asyncio.run(run())
    assert (result.error_type, result.is_fatal, result.was_sent) == ("client.connect", False, False)


def test_cancelling_closes_the_connection_and_frees_the_slot() -> None:
    """A cancelled attempt raises CancelledError at once, and the slot can be used again."""

    async def run() -> Any:
        server = FaultServer([[HEAD + b"content-length: 9\r\n\r\n", HANG], [reply(b"{}")]])
        async with server.running():
            api = section(base_url=f"http://127.0.0.1:{server.port}")
            async with MessagesClient(api, Secret(CANARY), connections=1, timeout_s=1) as client:
                first = asyncio.create_task(client.send(0, BODY))
                await server.has_request.wait()
                first.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await first
                return await client.send(0, BODY)

    assert asyncio.run(run()).body == b"{}"


def test_closing_the_client_ends_what_is_on_its_way() -> None:
    """Nobody waits for a connection that was closed."""

    async def run() -> Any:
        server = FaultServer([[HANG]])
        async with server.running():
            api = section(base_url=f"http://127.0.0.1:{server.port}")
            async with MessagesClient(api, Secret(CANARY), connections=1, timeout_s=1) as client:
                waiting = asyncio.create_task(client.send(0, BODY))
                await server.has_request.wait()
            return await waiting

    result = asyncio.run(run())
    assert (result.error_type in {"client.read", "client.timeout"}, result.was_sent) == (True, True)


def test_a_slot_carries_one_request_at_a_time() -> None:
    """A second one is not sent, and does not disturb the first."""

    async def run() -> list[Any]:
        server = FaultServer([[0.3, reply(b"{}"), KEEP]])
        async with server.running():
            api = section(base_url=f"http://127.0.0.1:{server.port}")
            async with MessagesClient(api, Secret(CANARY), connections=1, timeout_s=0.2) as client:
                both = await asyncio.gather(client.send(0, BODY), client.send(0, BODY))
        return [*both, len(server.requests)]

    _, second, requests = asyncio.run(run())
    assert second.error_type in {"client.pool", "client.connect_timeout"}
    assert (second.was_sent, requests) == (False, 1)


@pytest.mark.parametrize("key", ["sk-canary\n", "sk-canary\r\nx: y", "sk-\u00e9-canary"])
def test_a_key_that_no_header_can_carry_is_not_shown(key: str) -> None:
    """A key is checked when it is read; whatever else happens, no error quotes it."""

    async def run() -> Any:
        server = FaultServer([[reply(b"{}")]])
        async with server.running():
            api = section(base_url=f"http://127.0.0.1:{server.port}")
            async with MessagesClient(api, Secret(key), connections=1, timeout_s=1) as client:
                return await client.send(0, BODY)

    try:
        shown = repr(asyncio.run(run()))
    except (ConfigurationError, UnicodeError) as error:
        shown = str(error)
    assert "canary" not in shown


def test_cancelling_at_any_step_does_not_lose_the_slot() -> None:
    """A slot works after a cancellation at any step, also while its connection is released."""

    async def run() -> list[Any]:
        server = FaultServer([[reply(b"{}"), KEEP]])
        async with server.running():
            api = section(base_url=f"http://127.0.0.1:{server.port}")
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


def caused_by(cause: OSError) -> httpx.ConnectError:
    """Return the error of a connection that the system refused."""
    error = httpx.ConnectError("x")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "error_type", "was_sent"),
    [
        (httpx.ConnectError("x"), "client.connect", False),
        (httpx.ConnectTimeout("x"), "client.connect_timeout", False),
        (httpx.PoolTimeout("x"), "client.pool", False),
        (caused_by(OSError(errno.EMFILE, CANARY)), "client.open_files", False),
        (caused_by(OSError(errno.ENFILE, CANARY)), "client.open_files", False),
        (httpx.ProxyError("x"), "client.proxy", False),
        (httpx.WriteError("x"), "client.write", True),
        (httpx.WriteTimeout("x"), "client.timeout", True),
        (httpx.ReadTimeout("x"), "client.timeout", True),
        (httpx.LocalProtocolError(f"Illegal header value {CANARY}"), "client.protocol", True),
        (OSError(f"{CANARY}"), "client.read", True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_text_of_a_transport_error_is_not_shown(
    error: Exception, error_type: str, was_sent: bool
) -> None:
    """The message is ours, because an exception's own text may quote a header or a body."""

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


def test_a_body_that_was_not_requested_was_not_sent() -> None:
    """When a connection breaks before the body is sent, the attempt cost nothing."""

    class Broken(httpx.AsyncBaseTransport):
        async def handle_async_request(self, _request: httpx.Request) -> NoReturn:
            raise httpx.WriteError("broken pipe")

    async def run() -> Any:
        client = MessagesClient(
            ApiSection(), Secret(CANARY), connections=1, timeout_s=1, open_transport=Broken
        )
        return await client.send(0, BODY)

    assert not asyncio.run(run()).was_sent
