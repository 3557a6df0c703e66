"""One connection to the server: an httpx transport with a single keep-alive connection."""

import socket
import ssl
from collections.abc import Callable
from typing import Any

import httpx

from batcher.api.address import proxy_for
from batcher.api.connection import IDLE_S
from batcher.api.sockets import SocketBackend
from batcher.errors import ConfigurationError

TransportFactory = Callable[[], httpx.AsyncBaseTransport]

_ONE_CONNECTION = httpx.Limits(
    max_connections=1, max_keepalive_connections=1, keepalive_expiry=IDLE_S
)


def transport_factory(url: httpx.URL, context: ssl.SSLContext | None = None) -> TransportFactory:
    """Return a function that opens transports to one server, which share a TLS context."""
    context = context or tls_context(url)
    proxy = proxy_for(url)
    if proxy is not None and proxy.url.scheme == "https":
        proxy.ssl_context = context
    options = keep_alive_options()

    def open_transport() -> httpx.AsyncBaseTransport:
        return _OneConnection(
            verify=context,
            http1=True,
            http2=False,
            limits=_ONE_CONNECTION,
            proxy=proxy,
            socket_options=options,
        )

    return open_transport


class _OneConnection(httpx.AsyncHTTPTransport):
    """A kept connection that is closed instead of used again when it has unread bytes.

    httpcore would take an extra response of a faulty server as the response to the next request,
    and every later response would belong to the wrong row. httpcore checks the socket of an idle
    connection, but not the bytes that it has already read; only its private attributes show them.
    """

    def __init__(self, **options: Any) -> None:
        """Use sockets that still have an answer that came before a reset."""
        super().__init__(**options)
        self._pool._network_backend = SocketBackend()  # noqa: SLF001 - httpx passes none on

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if any(_has_surplus(connection) for connection in self._pool.connections):
            await self.aclose()
        return await super().handle_async_request(request)


def _has_surplus(connection: Any) -> bool:
    """Return whether the HTTP parser or TLS layer of an idle connection has unread bytes."""
    while connection is not None and not hasattr(connection, "_h11_state"):
        connection = getattr(connection, "_connection", None)
    if connection is None:
        return False
    if connection._h11_state.trailing_data[0]:  # noqa: SLF001 - see _OneConnection
        return True
    return bool(connection._network_stream.get_extra_info("has_unread"))  # noqa: SLF001


def tls_context(url: httpx.URL) -> ssl.SSLContext:
    """Return what verifies a server; share it, because each takes 25 ms and 0.7 MB.

    The authorities are certifi's, or those of SSL_CERT_FILE and SSL_CERT_DIR.
    """
    if url.scheme != "https":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context = httpx.create_ssl_context()
        context.set_alpn_protocols(["http/1.1"])
    except OSError:
        raise ConfigurationError(
            "the certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read"
        ) from None
    return context


def keep_alive_options() -> list[tuple[int, int, int]]:
    """Return options that probe an idle connection each minute: a model may think for minutes."""
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options
