"""TLS over a stream of httpcore, in memory: it may be a socket, or TLS to a proxy."""

import ssl
from typing import Any, Self

import httpcore

from batcher.api.tls import PIECE_BYTES, Tls


class TlsStream(httpcore.AsyncNetworkStream):
    """One TLS connection; ``over`` makes the handshake."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, tls: Tls) -> None:
        self._stream = stream
        self._tls = tls
        self._unread = b""

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
            connection = cls(stream, Tls(context, hostname))
            await connection._shake_hands(timeout)
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
        while not self._unread and not self._tls.has_ended:
            self._decrypt(await self._stream.read(PIECE_BYTES, timeout))
            await self._flush(timeout)
        data, self._unread = self._unread[:max_bytes], self._unread[max_bytes:]
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Return when the operating system has taken all bytes."""
        view = memoryview(buffer)
        for start in range(0, len(view), PIECE_BYTES):
            try:
                self._tls.encrypt(view[start : start + PIECE_BYTES])
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
        """Return what httpcore asks, and whether there is something unread, or the end."""
        if info == "has_unread":
            return bool(self._unread) or self._tls.has_ended
        return self._stream.get_extra_info(info)

    async def _shake_hands(self, timeout: float | None) -> None:  # noqa: ASYNC109
        while True:
            is_done = self._tls.shake_hands()
            await self._flush(timeout)
            if is_done:
                return
            self._tls.take(await self._stream.read(PIECE_BYTES, timeout))

    def _decrypt(self, data: bytes) -> None:
        try:
            self._unread = self._tls.decrypt(data)
        except ssl.SSLError as error:
            raise httpcore.ReadError(error) from error

    async def _flush(self, timeout: float | None) -> None:  # noqa: ASYNC109
        while data := self._tls.outgoing.read():
            await self._stream.write(data, timeout)
