"""The result of one HTTP attempt before it is classified."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP response.

    ``body`` is decoded from its content encoding. A complete stream is folded into the JSON that
    the same response has without streaming. Anything else is kept as received, so that no parser
    can lose what was paid for.
    ``fault`` is None for a complete response, else a ``client.`` error type that says what was
    wrong with its transport: cut short, too large, undecodable, stalled. ``fault_detail`` says
    more, and quotes nothing.
    Header names are lower case. Times are seconds since the request was sent; ``ttft_s`` is the
    time to the first content of a stream.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    latency_s: float
    ttft_s: float | None = None
    fault: str | None = None
    fault_detail: str | None = None

    @property
    def request_id(self) -> str | None:
        """The server's id of this attempt."""
        return self.headers.get("request-id")


@dataclass(frozen=True, slots=True)
class NoResponse:
    """The transport failed before a status line arrived.

    ``was_sent`` is False only when the request was certainly not sent (there was no connection);
    otherwise its billing status is unknown.
    ``is_cut``: only the beginning of the request was sent, which no server can answer.
    ``is_fatal`` marks a failure that no retry can fix: a certificate that cannot be verified.
    ``message`` contains no key, no header and no body.
    """

    error_type: str
    message: str
    was_sent: bool
    latency_s: float
    is_fatal: bool = False
    is_cut: bool = False
