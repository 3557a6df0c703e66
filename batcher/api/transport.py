"""One connection to the server: an httpx transport that holds a single keep-alive connection."""

import socket
import ssl
from collections.abc import Callable
from typing import Any

import httpx

from batcher.api.address import proxy_for
from batcher.errors import ConfigurationError

TransportFactory = Callable[[], httpx.AsyncBaseTransport]

# Below the 5 s after which common servers drop an idle connection, so that it is us who close it:
# a request that meets the server's closing may have been answered, and billed, unseen.
_IDLE_S = 4.0
_ONE_CONNECTION = httpx.Limits(
    max_connections=1, max_keepalive_connections=1, keepalive_expiry=_IDLE_S
)


def transport_factory(url: httpx.URL) -> TransportFactory:
    """Make a maker of transports to one server, over one TLS context (25 ms and 0.7 MB each).

    Certificates are verified against certifi's, or SSL_CERT_FILE's and SSL_CERT_DIR's.
    """
    context = _tls_context(url)
    proxy = proxy_for(url)
    options = _keep_alive_options()

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
    """A kept connection that is closed rather than used again when it says more than was asked.

    httpcore would take an extra answer, sent by a confused server, as the answer to the next
    request, and shift every later answer to the wrong row. It watches the socket of an idle
    connection, but not what was already read from it, which only its private parts show.
    """

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if any(_has_surplus(connection) for connection in self._pool.connections):
            await self.aclose()
        return await super().handle_async_request(request)


def _has_surplus(connection: Any) -> bool:
    """Whether unread bytes lie in the HTTP parser or the TLS layer of an idle connection."""
    while connection is not None and not hasattr(connection, "_h11_state"):
        connection = getattr(connection, "_connection", None)
    if connection is None:
        return False
    if connection._h11_state.trailing_data[0]:  # noqa: SLF001 - see _OneConnection
        return True
    tls = connection._network_stream.get_extra_info("ssl_object")  # noqa: SLF001
    if tls is None:
        return False
    try:
        tls.read(1)
    except ssl.SSLWantReadError:
        return False
    except ssl.SSLError:
        return True
    return True


def _tls_context(url: httpx.URL) -> ssl.SSLContext:
    if url.scheme != "https":
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        return httpx.create_ssl_context()
    except OSError:
        raise ConfigurationError(
            "the certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read"
        ) from None


def _keep_alive_options() -> list[tuple[int, int, int]]:
    """Probe a silent connection each minute: a long answer may come after minutes of silence."""
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options
