"""A response whose status has arrived: its body, the wait for more of it, and what comes of it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from batcher.api.body import Body
from batcher.core.answers.response import Response

MAX_BODY_BYTES = 32 * 1024 * 1024
_AFTER_STREAM_S = 2.0  # how long a complete stream may take to end its body


def ignore_start() -> None:
    """Do nothing when a response starts."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one exchange may take.

    ``timeout_s`` bounds the whole of it, from connecting on, and ``idle_s`` each time without bytes
    inside the response.
    """

    timeout_s: float
    idle_s: float
    max_body_bytes: int = MAX_BODY_BYTES


class Reading:
    """The body of a response, piece by piece.

    ``started`` is when the request was sent, by ``time.perf_counter``. ``end`` is when the whole
    time is over, by the event loop's clock. ``is_idle``: the wait for the next piece ends sooner.
    ``is_whole`` is set when all has been read: what fails after that does no harm.
    """

    __slots__ = (
        "_body",
        "_end",
        "_headers",
        "_idle_s",
        "_on_start",
        "_started",
        "_status",
        "_ttft_s",
        "is_idle",
        "is_whole",
    )

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        bounds: Bounds,
        started: float,
        end: float,
        on_start: Callable[[], None] = ignore_start,
    ) -> None:
        self._status = status
        self._headers = headers
        self._body = Body(status, headers, bounds.max_body_bytes)
        self._idle_s = bounds.idle_s
        self._started = started
        self._end = end
        self._on_start = on_start
        self._ttft_s: float | None = None
        self.is_idle = False
        self.is_whole = False

    def feed(self, data: bytes) -> bool:
        """Take the next bytes of the body; return False when reading on is useless."""
        if not self._body.feed(data):
            return False
        fold = self._body.fold
        if fold is not None:
            if fold.has_started:
                self._on_start()
            if self._ttft_s is None and fold.has_content:
                self._ttft_s = time.perf_counter() - self._started
        return True

    def wait_until(self, now: float) -> float:
        """Return until when to wait for the next piece, by the event loop's clock."""
        fold = self._body.fold
        if fold is not None and fold.is_complete:
            # The message is complete: the server gets little time to end the body.
            self._end = min(self._end, now + _AFTER_STREAM_S)
        idle_end = now + self._idle_s
        self.is_idle = idle_end < self._end
        return min(idle_end, self._end)

    def response(self, fault: str | None) -> Response:
        """Return what has arrived as a value."""
        body, fault = self._body.result(fault)
        return Response(
            status=self._status,
            headers=self._headers,
            body=body,
            latency_s=time.perf_counter() - self._started,
            ttft_s=self._ttft_s,
            fault=fault,
            fault_detail=self._body.fault_detail,
        )
