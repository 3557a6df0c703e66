"""TLS in memory, without I/O: what has arrived can be read, whatever happened to writing."""

import ssl

PIECE_BYTES = 64 << 10
"""What is read, written or encrypted at once."""


class Tls:
    """One connection's TLS; what is to be sent to the server collects in ``outgoing``.

    ``has_ended``: the server sends no more, whether it announced that or not.
    """

    __slots__ = ("_incoming", "_object", "has_ended", "outgoing")

    def __init__(self, context: ssl.SSLContext, hostname: str | None) -> None:
        self._incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self.outgoing, server_hostname=hostname)
        self.has_ended = False

    def shake_hands(self) -> bool:
        """Go on with the handshake; return False when it needs more of the server."""
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def take(self, data: bytes) -> None:
        """Take bytes of the server; none: it sends no more."""
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def decrypt(self, data: bytes) -> bytes:
        """Take bytes of the server, and return all that can be read now."""
        self.take(data)
        pieces: list[bytes] = []
        try:
            while piece := self._object.read(PIECE_BYTES):
                pieces.append(piece)
            self.has_ended = True
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            self.has_ended = True
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def encrypt(self, data: bytes | memoryview) -> None:
        """Add data to what is to be sent."""
        self._object.write(data)
