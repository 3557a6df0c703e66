"""A server may refuse a request that it has not read whole: that counts, and is free."""

import asyncio
import json
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fault_server import Certified, section

from batcher.api.client import MessagesClient
from batcher.core.answers.outcome import Billing, Verdict, classify
from batcher.core.answers.response import NoResponse, Response

pytestmark = pytest.mark.usefixtures("each_transport")

REFUSALS = {
    413: ("request_too_large", Verdict.FINAL),
    400: ("invalid_request_error", Verdict.FINAL),
    401: ("authentication_error", Verdict.HALT),
    429: ("rate_limit_error", Verdict.RETRY),
}
SIZES = [20_000, 400_000, 5_000_000]
TIMES = 5


@contextmanager
def refusing_server(
    answer: bytes, *, is_abrupt: bool, tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """Serve connections that get this answer after the headers, and are then closed or reset."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                # Else the answer would wait in the server until TLS's tickets are acknowledged.
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if tls is not None:
                    connection = tls.wrap_socket(connection, server_side=True)
                with connection:
                    received = b""
                    while b"\r\n\r\n" not in received:
                        received += connection.recv(4096)
                    connection.sendall(answer)
                    if is_abrupt:
                        linger = struct.pack("ii", 1, 0)
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http{'s' * bool(tls)}://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def send(url: str, size: int) -> list[Response | NoResponse]:
    """Send a request of this size several times over one slot."""

    async def attempts() -> list[Response | NoResponse]:
        api = section(base_url=url, auth="none")
        body = json.dumps({"text": "x" * size}).encode()
        async with MessagesClient(api, None, connections=1, timeout_s=20) as client:
            return [await client.send(0, body) for _ in range(TIMES)]

    return asyncio.run(attempts())


@pytest.mark.parametrize("is_abrupt", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_before_the_end_of_a_request_counts(
    status: int, size: int, is_abrupt: bool
) -> None:
    """However large the request is: one attempt, with the server's reason, and free."""
    check_refusal(status, size, is_abrupt=is_abrupt)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("status", REFUSALS)
def test_a_refusal_counts_over_tls(
    status: int, size: int, self_signed: Certified, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What arrived before the reset is read and decrypted, too."""
    context, certificate = self_signed
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    check_refusal(status, size, is_abrupt=True, tls=context)


def check_refusal(
    status: int, size: int, *, is_abrupt: bool, tls: ssl.SSLContext | None = None
) -> None:
    """Check what several requests get from a server that refuses them early."""
    error_type, verdict = REFUSALS[status]
    error = {"type": "error", "error": {"type": error_type, "message": "no"}}
    body = json.dumps(error).encode()
    head = f"HTTP/1.1 {status} No\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    with refusing_server(head.encode() + body, is_abrupt=is_abrupt, tls=tls) as url:
        outcomes = [classify(result) for result in send(url, size)]
    found = {(one.error_type, one.verdict, one.billing) for one in outcomes}
    assert found == {(error_type, verdict, Billing.FREE)}


@pytest.mark.parametrize("is_secure", [False, True], ids=["http", "https"])
def test_a_request_that_was_not_sent_to_its_end_is_free(
    is_secure: bool, self_signed: Certified, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an answer it is a failure of the connection, is retried, and cannot be billed."""
    context, certificate = self_signed
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with refusing_server(b"", is_abrupt=True, tls=context if is_secure else None) as url:
        results = send(url, 30_000_000)
    for result in results:
        assert isinstance(result, NoResponse)
        assert "TLS" not in result.message
        assert (result.was_sent, result.is_cut) == (True, True)
        assert "while the request was being sent" in result.message
        outcome = classify(result)
        assert (outcome.verdict, outcome.billing) == (Verdict.RETRY, Billing.FREE)
        assert not outcome.is_unsent
