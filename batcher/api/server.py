"""The job's server: its address, the headers of each request, and how connections to it open."""

from collections.abc import Mapping
from functools import lru_cache

import h11
import httpx

from batcher import __version__
from batcher.api.address import proxy_for, server_address
from batcher.api.exchange import Content
from batcher.api.key import Secret
from batcher.api.opening import Place
from batcher.api.transport import TransportFactory, tls_context, transport_factory
from batcher.core.job import ApiSection
from batcher.core.job.server import header_mistakes
from batcher.errors import ConfigurationError

JSON = "application/json"
_CONNECT_TIMEOUT_S = 10.0


class Server:
    """Makes requests to the job's server, and connections for them.

    ``timeout_s`` bounds connecting, if it is less than 10 seconds; everything after that is bounded
    by the exchange. Raises ConfigurationError for an address or header that must not be used.
    """

    def __init__(
        self,
        api: ApiSection,
        key: Secret | None,
        *,
        timeout_s: float,
        open_transport: TransportFactory | None = None,
    ) -> None:
        address = server_address(api.base_url, allow_http=api.allow_http)
        self.address = str(address)
        self._origin = f"{address.scheme}://{address.netloc.decode('ascii')}"
        self._headers = _headers(api, key, address)
        connect_s = min(_CONNECT_TIMEOUT_S, timeout_s)
        # The timeout of the whole exchange bounds reading and writing, so httpx needs no other.
        self._extensions = {"timeout": {"connect": connect_s, "pool": connect_s}}
        context = tls_context(address)
        is_https = address.scheme == "https"
        self.place = Place(
            address.raw_host.decode("ascii"),
            address.port or (443 if is_https else 80),
            context if is_https else None,
            connect_s,
        )
        uses_httpx = api.transport == "httpx" or proxy_for(address) is not None
        self.is_direct = open_transport is None and not uses_httpx
        self.open_transport = open_transport or transport_factory(address, context)
        self._heads: dict[tuple[str, str], bytes] = {}

    def url(self, path: str) -> httpx.URL:
        """Return the address of a path below base_url."""
        return _parsed(f"{self.address}{path}")

    def url_at_root(self, path: str) -> httpx.URL:
        """Return the address of a whole path, whatever the path of base_url is."""
        return httpx.URL(f"{self._origin}{path}")

    def head(self, method: str, path: str) -> bytes:
        """Return the head of a request up to the number that is the length of its body."""
        known = self._heads.get((method, path))
        if known is None:
            known = self._heads[method, path] = self._new_head(method, self.url(path).raw_path)
        return known

    def _new_head(self, method: str, target: bytes) -> bytes:
        headers = [*self._headers, ("content-length", "0")]
        try:
            request = h11.Request(method=method, target=target, headers=headers)
        except h11.LocalProtocolError:  # its text quotes the header, which may be the key
            raise ConfigurationError("a header cannot be sent") from None
        head = h11.Connection(h11.CLIENT).send(request)
        assert head is not None  # noqa: S101 - for mypy
        return head.removesuffix(b"0\r\n\r\n")

    def request(
        self,
        method: str,
        url: httpx.URL,
        content: Content,
        more: Mapping[str, str] | None = None,
    ) -> httpx.Request:
        """Return a request to an address of the server; ``more`` headers replace the usual ones."""
        more = {"content-length": str(content.size), **(more or {})}
        usual = [(name, value) for name, value in self._headers if name not in more]
        return httpx.Request(
            method,
            url,
            headers=[*usual, *more.items()],
            stream=content,
            extensions=self._extensions,
        )


@lru_cache(maxsize=64)
def _parsed(address: str) -> httpx.URL:
    return httpx.URL(address)


def _headers(api: ApiSection, key: Secret | None, server: httpx.URL) -> list[tuple[str, str]]:
    """Return the headers of each request; the job's headers cannot replace batcher's own."""
    headers = {
        "host": server.netloc.decode("ascii"),
        "accept": f"{JSON}, text/event-stream" if api.stream else JSON,
        # Responses are small: compression costs both sides more than it saves.
        "accept-encoding": "identity",
        "content-type": JSON,
        "user-agent": f"batcher/{__version__}",
        "anthropic-version": api.version,
    }
    for mistake in header_mistakes(api.headers):
        raise ConfigurationError(mistake.message, hint=mistake.hint)
    headers |= {name.lower(): value for name, value in api.headers.items()}
    if key is not None and api.auth != "none":
        is_bearer = api.auth == "bearer"
        name = "authorization" if is_bearer else "x-api-key"
        headers[name] = f"Bearer {key.reveal()}" if is_bearer else key.reveal()
    return list(headers.items())
