"""What one attempt brought back, before anybody judged it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer.

    ``body`` is decoded from its content encoding. A streamed answer that ended properly is folded
    into the JSON an unstreamed one would have had; anything else is kept as it came, so that
    nothing paid for is lost to a parser.
    ``fault`` is None for an answer that arrived whole, else a ``client.`` error type that says
    what was wrong with its transport: cut short, too large, undecodable, stalled.
    Header names are lower case. Times are seconds from the send; ``ttft_s`` is to the first
    content of a stream.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    latency_s: float
    ttft_s: float | None = None
    fault: str | None = None

    @property
    def request_id(self) -> str | None:
        """The server's name for this attempt."""
        return self.headers.get("request-id")


@dataclass(frozen=True, slots=True)
class NoResponse:
    """The transport failed before any status line came back.

    ``was_sent`` is False only when the request certainly never left (no connection was made);
    otherwise it may have been answered, and billed, unseen.
    ``is_fatal`` marks what no retry can mend: a certificate that does not verify.
    ``message`` holds no key, no header and no body.
    """

    error_type: str
    message: str
    was_sent: bool
    latency_s: float
    is_fatal: bool = False
