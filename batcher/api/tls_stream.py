"""TLS over another stream, in memory: what has arrived can be read whatever happened to writing."""

import contextlib
import ssl
from collections.abc import Callable
from typing import Any, Self, TypeVar

import httpcore

T = TypeVar("T")

_PIECE_BYTES = 64 << 10


class TlsStream(httpcore.AsyncNetworkStream):
    """One TLS connection; ``over`` makes the handshake."""

    def __init__(
        self, stream: httpcore.AsyncNetworkStream, context: ssl.SSLContext, hostname: str | None
    ) -> None:
        self._stream = stream
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=hostname)

    @classmethod
    async def over(
        cls,
        stream: httpcore.AsyncNetworkStream,
        context: ssl.SSLContext,
        hostname: str | None,
        timeout: float | None,  # noqa: ASYNC109 - httpcore's signature
    ) -> Self:
        """Make the handshake on a stream; close it when that fails."""
        try:
            connection = cls(stream, context, hostname)
            await connection._until_done(connection._tls.do_handshake, timeout)
        except (httpcore.ReadTimeout, httpcore.WriteTimeout):
            await stream.aclose()
            raise httpcore.ConnectTimeout from None
        except (httpcore.ReadError, httpcore.WriteError, ssl.SSLError) as error:
            await stream.aclose()
            raise httpcore.ConnectError(error) from error
        except BaseException:
            await stream.aclose()
            raise
        return connection

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        """Return the next bytes; b"" at the end, whether the server announces it or not."""
        try:
            return await self._until_done(lambda: self._tls.read(max_bytes), timeout)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""
        except ssl.SSLError as error:
            raise httpcore.ReadError(error) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Return when the operating system has taken all bytes."""
        view = memoryview(buffer)
        for start in range(0, len(view), _PIECE_BYTES):
            try:
                self._tls.write(view[start : start + _PIECE_BYTES])
            except ssl.SSLError as error:
                raise httpcore.WriteError(error) from error
            await self._flush(timeout)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
    ) -> httpcore.AsyncNetworkStream:
        """Return TLS within this TLS, as an https proxy needs it."""
        return await TlsStream.over(self, ssl_context, server_hostname, timeout)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> Any:
        """Return what httpcore asks; the TLS object, too."""
        return self._tls if info == "ssl_object" else self._stream.get_extra_info(info)

    async def _until_done(self, step: Callable[[], T], timeout: float | None) -> T:  # noqa: ASYNC109
        """Repeat a step until it needs no more bytes of the server."""
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                result = step()
                await self._flush(timeout)
                return result
            await self._flush(timeout)
            if data := await self._stream.read(_PIECE_BYTES, timeout):
                self._incoming.write(data)
            else:
                self._incoming.write_eof()

    async def _flush(self, timeout: float | None) -> None:  # noqa: ASYNC109
        while self._outgoing.pending:
            await self._stream.write(self._outgoing.read(), timeout)
